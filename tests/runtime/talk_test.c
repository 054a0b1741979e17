/*
 * Talking: who answers whom, forwarding, and order between two actors. Behaviour r20 and what is
 * beside it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <granary/router.h>

static gr_err act_forward(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_forward(ctx, *(gr_pid *)arg);
}

/* Hands on to the pid in its argument whatever comes. */
static gr_err relay_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)msg;
    return gr_forward(ctx, *(gr_pid *)state);
}

static gr_pid spawn_relay(struct lab *lab, gr_pid to)
{
    gr_pid *where = lab_own(lab, sizeof(*where));
    gr_props props = {.type_name = "relay", .receive = relay_receive, .arg = where};

    *where = to;
    return lab_spawn_props(lab, &props, NULL);
}

static int64_t ask(struct lab *lab, gr_pid to, int64_t number)
{
    gr_msg *reply = NULL;
    int64_t answered = 0;

    assert_int_equal(gr_request(lab->sys, to, lab_word_new(number), GR_FOREVER, &reply), GR_OK);
    answered = ((const lab_word *)gr_msg_read(reply, &lab_word_type))->number;
    reply = gr_msg_unref(reply);
    return answered;
}

static void r20_forward_keeps_the_original_sender(void **state)
{
    struct lab *lab = *state;
    gr_pid end = lab_spawn(lab, "end");
    gr_pid relay = spawn_relay(lab, spawn_relay(lab, end));

    assert_int_equal(ask(lab, relay, 6), 6); /* the answer comes to who asked first */
    lab_assert_notes(lab, "end", "end started|end 6");
}

/* Sends one word and notes what comes back, answering nothing. */
static gr_err curious_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    if (act != NULL) {
        return gr_context_send(ctx, *(gr_pid *)act->arg, lab_word_new(3));
    }
    lab_note(probe->lab, "answered %lld", (long long)word->number);
    return GR_OK;
}

static void r20_an_actor_that_sends_is_the_sender_and_gets_the_answer(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "curious");
    gr_pid relay = spawn_relay(lab, lab_spawn(lab, "end"));

    props.receive = curious_receive;
    lab_do(lab, lab_spawn_props(lab, &props, NULL), NULL, &relay);
    lab_wait(lab, "answered 3");
}

static void r20_a_forward_to_a_dead_actor_tells_who_asked(void **state)
{
    struct lab *lab = *state;
    gr_pid dead = lab_spawn(lab, "dead");
    gr_pid a = lab_spawn(lab, "a");

    gr_send_stop(lab->sys, dead);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_int_equal(lab_make(lab, a, act_forward, &dead), GR_EDEAD);
}

static gr_err act_respond_twice(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)arg;
    lab_note(lab, "first %s", gr_err_name(gr_respond(ctx, lab_word_new(1))));
    (void)gr_respond(ctx, lab_word_new(2));
    return GR_OK;
}

static void r20_respond_without_a_sender_is_a_dead_letter(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");

    lab_do(lab, a, act_respond_twice, NULL);
    lab_wait(lab, "first GR_EINVAL");
    LAB_EVENTUALLY(lab, lab_dead(lab) == 2);
    assert_int_equal(lab_dead_at(lab, 0).cause, GR_DEAD_NO_SENDER);
    assert_string_equal(lab_dead_at(lab, 0).message_type, "lab_word");
}

static void r20_only_the_first_answer_counts(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_msg *reply = NULL;

    assert_int_equal(
        gr_request(lab->sys, a, lab_act_new(act_respond_twice, NULL), GR_FOREVER, &reply), GR_OK);
    assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, 1);
    reply = gr_msg_unref(reply);
    lab_flush(lab, a);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).late_replies == 2); /* and the probe's own */
}

static gr_err act_refuse(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    (void)lab;
    (void)arg;
    return gr_fail((gr_err)(GR_EAPP + 7), "not today");
}

static void an_error_that_is_not_fatal_is_an_answer_and_no_failure(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, pid, act_refuse, NULL), GR_EAPP + 7);
    assert_string_equal(gr_last_error()->text, "not today");
    lab_do(lab, pid, act_refuse, NULL); /* nobody asked: nothing happens */
    lab_flush(lab, pid);
    assert_int_equal(lab_decisions(lab), 0);
    lab_assert_notes(lab, "a", "a started");
}

/* ---- sending on what was received */

/* Notes of what it gets whether somebody waits for an answer to it, and gives it when there is a sender. */
static gr_err sink_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_pid relay = gr_pid_null();
    gr_pid from = gr_context_sender(ctx);

    lab_require(gr_name_find(gr_context_system(ctx), "relay", &relay) == GR_OK);
    lab_note(probe->lab, "sink %lld from %s%s", (long long)word->number,
             gr_pid_is_null(from)        ? "nobody"
             : gr_pid_equal(from, relay) ? "the relay"
                                         : "who asked",
             gr_msg_is_request(msg) ? ", who waits" : "");
    return gr_pid_is_null(from) ? GR_OK : gr_respond(ctx, gr_msg_ref(msg)); /* an echo */
}

/* Sends each request on in one of several ways, some of them when it holds it alone. */
typedef struct forwarder {
    struct lab *lab;
    gr_pid sink;
    gr_msg *kept;
} forwarder;

static gr_err forwarder_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    forwarder *self = state;
    gr_system *sys = gr_context_system(ctx);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    if (word->number != 7 && !gr_msg_is_request(msg)) { /* an answer to what was sent from here */
        lab_note(self->lab, "relay hears");
        return GR_OK;
    }
    switch (word->number) {
    case 1:
        lab_require(gr_send(sys, self->sink, gr_msg_ref(msg)) == GR_OK);
        break;
    case 2:
        lab_require(gr_send_wait(sys, self->sink, gr_msg_ref(msg), 1000) == GR_OK);
        break;
    case 3:
        lab_require(gr_context_send(ctx, self->sink, gr_msg_ref(msg)) == GR_OK);
        break;
    case 4:
    case 5:
    case 6:
        self->kept = gr_msg_ref(msg);
        return GR_OK;
    case 7: /* the one of before, which nobody else holds any more */
        word = gr_msg_read(self->kept, &lab_word_type);
        lab_require((word->number == 4   ? gr_send(sys, self->sink, self->kept)
                     : word->number == 5 ? gr_context_send(ctx, self->sink, self->kept)
                                         : gr_forward_msg(sys, self->sink, self->kept)) == GR_OK);
        self->kept = NULL;
        return GR_OK;
    default:
        lab_require(false);
    }
    return gr_respond(ctx, lab_word_new(0));
}

static void r20_a_tell_is_from_nobody_whoever_has_sent_the_message_before(void **state)
{
    struct lab *lab = *state;
    forwarder self = {.lab = lab};
    gr_props sink_props = lab_probe_props(lab, "sink");
    gr_props props = {.receive = forwarder_receive, .arg = &self};
    gr_router_options options = {.route = GR_ROUTE_ROUND_ROBIN};
    gr_pid sink = gr_pid_null();
    gr_pid pid = gr_pid_null();

    sink_props.receive = sink_receive;
    sink = lab_spawn_props(lab, &sink_props, "sink");
    options.members = &sink;
    options.members_count = 1;
    pid = lab_spawn_props(lab, &props, "relay");
    for (int through_router = 0; through_router < 2; through_router++) {
        self.sink = sink;
        if (through_router == 1) {
            assert_int_equal(gr_router_spawn(lab->sys, &options, NULL, &self.sink), GR_OK);
        }
        for (int64_t number = 1; number <= 6; number++) {
            gr_future *asked = NULL;
            gr_msg *reply = NULL;
            gr_err err = GR_OK;

            assert_int_equal(
                gr_request_future(lab->sys, pid, lab_word_new(number), GR_FOREVER, &asked), GR_OK);
            if (number >= 4) {
                lab_tell(lab, pid, 7);
            }
            if (number == 4 || number == 5) { /* it has asked the relay, which has told others */
                assert_int_equal(gr_await(asked, 5, &reply), GR_ETIMEDOUT);
            } else {
                err = gr_await(asked, GR_FOREVER, &reply);
                assert_int_equal(err, GR_OK);
                assert_true(gr_pid_is_null(gr_msg_sender(reply)));
                assert_false(gr_msg_is_request(reply));
            }
            reply = gr_msg_unref(reply);
            asked = gr_future_unref(asked);
        }
        lab_wait_times(lab, "relay hears", 2 * ((size_t)through_router + 1));
    }
    for (int64_t number = 1; number <= 6; number++) {
        static const char *const from[] = {"nobody", "nobody",    "the relay",
                                           "nobody", "the relay", "who asked, who waits"};
        char note[64];

        (void)snprintf(note, sizeof(note), "sink %lld from %s", (long long)number,
                       from[number - 1]);
        lab_wait_times(lab, note, 2);
    }
}

/* ---- answers out of turn */

typedef struct ticket {
    gr_pid asker;
} ticket;

static gr_err act_keep_asker(gr_context *ctx, struct lab *lab, void *arg)
{
    ((ticket *)arg)->asker = gr_context_sender(ctx);
    lab_note(lab, "kept");
    return GR_OK;
}

static gr_err keeper_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);

    return act->fn(ctx, probe->lab, act->arg);
}

static gr_err act_answer_asker(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_context_send(ctx, ((ticket *)arg)->asker, lab_word_new(77));
}

static void an_answer_may_come_in_a_later_turn(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "k");
    ticket kept = {gr_pid_null()};
    gr_future *future = NULL;
    gr_msg *reply = NULL;
    gr_pid keeper = gr_pid_null();

    props.receive = keeper_receive;
    keeper = lab_spawn_props(lab, &props, "k");
    assert_int_equal(gr_request_future(lab->sys, keeper, lab_act_new(act_keep_asker, &kept),
                                       GR_FOREVER, &future),
                     GR_OK);
    lab_wait(lab, "kept");
    assert_false(gr_future_ready(future));
    lab_do(lab, keeper, act_answer_asker, &kept);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_OK);
    assert_true(gr_pid_equal(gr_msg_sender(reply), keeper));
    assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, 77);
    reply = gr_msg_unref(reply);
    future = gr_future_unref(future);
}

static gr_err keep_message(gr_context *ctx, void *state, const gr_msg *msg)
{
    const gr_msg **kept = state;

    (void)ctx;
    *kept = gr_msg_ref(msg);
    return gr_respond(ctx, lab_word_new(0));
}

static void a_message_outlives_its_handler_when_a_reference_is_taken(void **state)
{
    struct lab *lab = *state;
    const gr_msg *kept = NULL;
    gr_props props = {.receive = keep_message, .arg = (void *)&kept};
    gr_pid a = lab_spawn_props(lab, &props, NULL);

    assert_int_equal(ask(lab, a, 31), 0);
    gr_send_stop(lab->sys, a);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(((const lab_word *)gr_msg_read(kept, &lab_word_type))->number, 31);
    kept = gr_msg_unref(kept);
    assert_null(kept);
}

static gr_err act_burst(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    for (int64_t i = 0; i < 1000; i++) {
        lab_require(gr_context_send(ctx, *(gr_pid *)arg, lab_word_new(i)) == GR_OK);
    }
    return GR_OK;
}

typedef struct ledger {
    int64_t next;
    bool in_order;
} ledger;

static gr_err ledger_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    ledger *book = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    if (word->number < 0) {
        return gr_respond(ctx, lab_word_new(book->in_order ? book->next : -1));
    }
    book->in_order = book->in_order && word->number == book->next;
    book->next++;
    return GR_OK;
}

static void messages_from_one_actor_to_another_keep_their_order(void **state)
{
    struct lab *lab = *state;
    ledger book = {0, true};
    gr_props props = {.receive = ledger_receive, .arg = &book};
    gr_pid to = lab_spawn_props(lab, &props, NULL);

    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_burst, &to), GR_OK);
    assert_int_equal(ask(lab, to, -1), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r20_forward_keeps_the_original_sender),
        LAB_BOTH(r20_an_actor_that_sends_is_the_sender_and_gets_the_answer),
        LAB_BOTH(r20_a_forward_to_a_dead_actor_tells_who_asked),
        LAB_BOTH(r20_respond_without_a_sender_is_a_dead_letter),
        LAB_BOTH(r20_only_the_first_answer_counts),
        LAB_BOTH(r20_a_tell_is_from_nobody_whoever_has_sent_the_message_before),
        LAB_BOTH(an_error_that_is_not_fatal_is_an_answer_and_no_failure),
        LAB_BOTH(an_answer_may_come_in_a_later_turn),
        LAB_BOTH(a_message_outlives_its_handler_when_a_reference_is_taken),
        LAB_BOTH(messages_from_one_actor_to_another_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
