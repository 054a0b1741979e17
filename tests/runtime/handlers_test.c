/*
 * Typed handlers: which function gets a message, what becomes of its reply, and what nobody handles. What must not compile is
 * in tests/checks/handlers.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <gri/mem.h>

#include "tree.pb-c.h"

typedef struct counter {
    int64_t total;
} counter;

typedef struct add {
    int64_t amount;
} add;

typedef struct sum {
    int64_t total;
    char text[32];
} sum;

typedef struct reset {
    int64_t to;
} reset;

static const gr_type add_type = GR_TYPE(add);
static const gr_type sum_type = GR_TYPE(sum);
static const gr_type reset_type = GR_TYPE(reset);
static const gr_type tree_type = GR_PROTO_TYPE("lab.Tree", Lab__Tree, lab__tree__descriptor);

GR_PAYLOAD(add_type, add);
GR_PAYLOAD(sum_type, sum);
GR_PAYLOAD(reset_type, reset);
GR_PAYLOAD(tree_type, Lab__Tree);
GR_PAYLOAD(lab_word_type, lab_word);

static gr_err on_add(gr_context *ctx, counter *self, const add *request, sum *reply)
{
    (void)ctx;
    lab_require(reply->total == 0 && reply->text[0] == '\0');
    if (request->amount == 0) {
        return gr_fail(GR_EINVAL, "nothing to add");
    }
    if (request->amount == -1) {
        gr_panic(ctx, GR_EFAILED, "panicked over a reply");
    }
    if (request->amount == -2) {
        return gr_fatal(GR_EFAILED, "fatal");
    }
    self->total += request->amount;
    reply->total = self->total;
    (void)snprintf(reply->text, sizeof(reply->text), "now %lld", (long long)self->total);
    return GR_OK;
}

static gr_err on_reset(gr_context *ctx, counter *self, const reset *message)
{
    self->total = message->to;
    if (!gr_pid_is_null(gr_context_sender(ctx))) { /* a tell may answer by itself */
        gr_msg *answer = gr_msg_new(&sum_type);

        ((sum *)gr_msg_payload(answer))->total = -7;
        return gr_respond(ctx, answer);
    }
    return GR_OK;
}

/* Answers by itself, so that its reply is not needed. */
static gr_err on_word(gr_context *ctx, counter *self, const lab_word *request, sum *reply)
{
    (void)self;
    reply->total = 1;
    return gr_respond(ctx, lab_word_new(request->number + 1));
}

/* A reply that refers to memory of its own. */
static gr_err on_tree(gr_context *ctx, counter *self, const Lab__Tree *request, Lab__Tree *reply)
{
    size_t bytes = strlen(request->name) + 8;

    (void)ctx;
    reply->name = gr_payload_alloc(reply, bytes);
    if (reply->name == NULL) {
        return gr_fail(GR_ENOMEM, "a name");
    }
    (void)snprintf(reply->name, bytes, "%s's son", request->name);
    reply->height = request->height + (double)self->total;
    return GR_OK;
}

#define COUNTER(ASK, TELL)                                                                         \
    ASK(add_type, sum_type, on_add)                                                                \
    TELL(reset_type, on_reset)                                                                     \
    ASK(lab_word_type, sum_type, on_word)                                                          \
    ASK(tree_type, tree_type, on_tree)
GR_HANDLERS(counter_receive, counter, COUNTER, NULL);

static gr_err anything_else(gr_context *ctx, void *state, const gr_msg *msg)
{
    struct lab *lab = gr_context_arg(ctx);
    counter *self = state;

    lab_note(lab, "else %s %lld", gr_msg_type(msg)->name, (long long)self->total);
    return gr_pid_is_null(gr_context_sender(ctx)) ? GR_OK : gr_respond(ctx, lab_word_new(99));
}

#define ONLY_ADD(ASK, TELL) ASK(add_type, sum_type, on_add)
GR_HANDLERS(lenient_receive, counter, ONLY_ADD, anything_else);

static gr_pid spawn_counter(struct lab *lab, gr_receive_fn receive)
{
    gr_props props = {
        .type_name = "counter", .receive = receive, .state_bytes = sizeof(counter), .arg = lab};

    return lab_spawn_props(lab, &props, NULL);
}

static gr_msg *add_new(int64_t amount)
{
    gr_msg *msg = gr_msg_new(&add_type);

    if (msg != NULL) {
        ((add *)gr_msg_payload(msg))->amount = amount;
    }
    return msg;
}

static gr_err ask(struct lab *lab, gr_pid to, gr_msg *msg, gr_msg **out_reply)
{
    return gr_request(lab->sys, to, msg, LAB_WAIT_S * INT64_C(1000), out_reply);
}

static int64_t total_after(struct lab *lab, gr_pid to, int64_t amount)
{
    gr_msg *reply = NULL;
    int64_t total = 0;

    assert_int_equal(ask(lab, to, add_new(amount), &reply), GR_OK);
    total = ((const sum *)gr_msg_read(reply, &sum_type))->total;
    reply = gr_msg_unref(reply);
    return total;
}

/* ---- asking and telling */

static void a_request_is_answered_with_what_its_handler_filled_in(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);
    gr_msg *reply = NULL;

    assert_int_equal(total_after(lab, pid, 5), 5);
    assert_int_equal(ask(lab, pid, add_new(3), &reply), GR_OK);
    assert_string_equal(((const sum *)gr_msg_read(reply, &sum_type))->text, "now 8");
    reply = gr_msg_unref(reply);
}

static void a_tell_of_what_is_answered_is_handled_and_answers_nobody(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);

    assert_int_equal(gr_send(lab->sys, pid, add_new(4)), GR_OK);
    assert_int_equal(total_after(lab, pid, 1), 5);
    assert_int_equal(lab_dead(lab), 0);
}

static gr_err act_ask_as_an_actor(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_context_send(ctx, *(gr_pid *)arg, add_new(2));
}

static void an_actor_that_asks_gets_the_reply_as_a_message(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);

    lab_do(lab, lab_spawn(lab, "a"), act_ask_as_an_actor, &pid);
    lab_wait(lab, "a got a sum");
}

static void a_handler_without_a_reply_may_answer_by_itself(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);
    gr_msg *reply = NULL;

    assert_int_equal(ask(lab, pid, gr_msg_new(&reset_type), &reply), GR_OK);
    assert_int_equal(((const sum *)gr_msg_read(reply, &sum_type))->total, -7);
    reply = gr_msg_unref(reply);
    assert_int_equal(gr_send(lab->sys, pid, gr_msg_new(&reset_type)), GR_OK);
}

static void a_handler_that_has_answered_itself_answers_once(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);
    gr_msg *reply = NULL;

    assert_int_equal(ask(lab, pid, lab_word_new(41), &reply), GR_OK);
    assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, 42);
    reply = gr_msg_unref(reply);
    assert_int_equal(total_after(lab, pid, 1), 1);
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 0);
}

static void an_error_of_a_handler_is_the_answer(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);
    gr_msg *reply = NULL;

    assert_int_equal(ask(lab, pid, add_new(0), &reply), GR_EINVAL);
    assert_string_equal(gr_last_error()->text, "nothing to add");
    assert_null(reply);
}

static void a_panic_and_a_fatal_error_let_go_of_the_reply(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);
    gr_msg *reply = NULL;

    assert_int_equal(total_after(lab, pid, 5), 5);
    assert_int_equal(ask(lab, pid, add_new(-1), &reply), GR_EFAILED);
    assert_string_equal(gr_last_error()->text, "panicked over a reply");
    assert_int_equal(total_after(lab, pid, 1), 1); /* a new state; leaks are the sanitizer's */
    assert_int_equal(ask(lab, pid, add_new(-2), &reply), GR_EFAILED);
    assert_int_equal(total_after(lab, pid, 1), 1);
}

static void protobuf_messages_are_typed_as_well(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);
    Lab__Tree oak = LAB__TREE__INIT;
    char name[] = "oak";
    gr_msg *msg = NULL;
    gr_msg *reply = NULL;
    const Lab__Tree *son = NULL;

    oak.name = name;
    oak.height = 10;
    assert_int_equal(total_after(lab, pid, 2), 2);
    assert_int_equal(gr_msg_new_proto(&tree_type, &oak, &msg), GR_OK);
    assert_int_equal(ask(lab, pid, msg, &reply), GR_OK);
    son = gr_msg_read(reply, &tree_type);
    assert_string_equal(son->name, "oak's son");
    assert_true(son->height == 12);
    assert_ptr_equal(son->base.descriptor, &lab__tree__descriptor); /* it can be packed */
    assert_true(tree_type.codec->packed_bytes(&tree_type, son) > 0);
    reply = gr_msg_unref(reply);
}

/* ---- what nobody handles */

static void an_unknown_request_is_answered_with_its_name(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);
    gr_msg *reply = NULL;

    assert_int_equal(ask(lab, pid, gr_msg_new(&lab_act_type), &reply), GR_ENOTYPE);
    assert_string_equal(gr_last_error()->text, "actor counter does not handle 'lab_act'");
    assert_int_equal(lab_dead(lab), 0);
    assert_int_equal(total_after(lab, pid, 1), 1);
}

static void an_unknown_tell_becomes_a_dead_letter(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);

    assert_int_equal(gr_send(lab->sys, pid, gr_msg_new(&lab_act_type)), GR_OK);
    LAB_EVENTUALLY(lab, lab_dead(lab) == 1);
    assert_int_equal(lab_dead_at(lab, 0).cause, GR_DEAD_UNHANDLED);
    assert_true(gr_pid_equal(lab_dead_at(lab, 0).to, pid));
    assert_string_equal(lab_dead_at(lab, 0).message_type, "lab_act");
}

static void unknown_messages_go_to_the_other_function(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, lenient_receive);
    gr_msg *reply = NULL;

    assert_int_equal(total_after(lab, pid, 6), 6);
    assert_int_equal(gr_send(lab->sys, pid, gr_msg_new(&reset_type)), GR_OK);
    lab_wait(lab, "else reset 6");
    assert_int_equal(ask(lab, pid, gr_msg_new(&reset_type), &reply), GR_OK);
    assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, 99);
    reply = gr_msg_unref(reply);
    assert_int_equal(lab_dead(lab), 0);
}

/* ---- large tables, and tables with a mistake that only shows at run time */

#define TEN(X, t) X(t##0) X(t##1) X(t##2) X(t##3) X(t##4) X(t##5) X(t##6) X(t##7) X(t##8) X(t##9)
#define EACH(X)   TEN(X, ) TEN(X, 1) TEN(X, 2) TEN(X, 3)
enum { MANY = 40 };

#define MANY_TYPE(n)                                                                               \
    static const gr_type many_##n##_type = {"many_" #n, sizeof(add), NULL, NULL, NULL};            \
    GR_PAYLOAD(many_##n##_type, add);                                                              \
    static gr_err on_many_##n(gr_context *ctx, counter *self, const add *request, sum *reply)      \
    {                                                                                              \
        (void)ctx;                                                                                 \
        (void)self;                                                                                \
        reply->total = 1000 * (n) + request->amount;                                               \
        return GR_OK;                                                                              \
    }
EACH(MANY_TYPE)

#define POINTER(n) &many_##n##_type,

/* As ten lines of a table would be written. */
#define ROWS(ASK, tens)                                                                            \
    ASK(many_##tens##0_type, sum_type, on_many_##tens##0)                                          \
    ASK(many_##tens##1_type, sum_type, on_many_##tens##1)                                          \
    ASK(many_##tens##2_type, sum_type, on_many_##tens##2)                                          \
    ASK(many_##tens##3_type, sum_type, on_many_##tens##3)                                          \
    ASK(many_##tens##4_type, sum_type, on_many_##tens##4)                                          \
    ASK(many_##tens##5_type, sum_type, on_many_##tens##5)                                          \
    ASK(many_##tens##6_type, sum_type, on_many_##tens##6)                                          \
    ASK(many_##tens##7_type, sum_type, on_many_##tens##7)                                          \
    ASK(many_##tens##8_type, sum_type, on_many_##tens##8)                                          \
    ASK(many_##tens##9_type, sum_type, on_many_##tens##9)
#define MANY_ROWS(ASK, TELL) ROWS(ASK, ) ROWS(ASK, 1) ROWS(ASK, 2) ROWS(ASK, 3)
GR_HANDLERS(many_receive, counter, MANY_ROWS, NULL);

static const gr_type *const many_types[MANY] = {EACH(POINTER)};

static void in_a_large_table_each_type_finds_its_function(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[3];
    gr_msg *reply = NULL;

    for (size_t i = 0; i < 3; i++) {
        pids[i] = spawn_counter(lab, many_receive);
        for (size_t n = 0; n < MANY; n++) { /* the first ones may meet while the index is built */
            assert_int_equal(gr_send(lab->sys, pids[i], gr_msg_new(many_types[n])), GR_OK);
        }
    }
    for (size_t n = 0; n < MANY; n++) {
        gr_msg *msg = gr_msg_new(many_types[n]);

        ((add *)gr_msg_payload(msg))->amount = 7;
        assert_int_equal(ask(lab, pids[n % 3], msg, &reply), GR_OK);
        assert_int_equal(((const sum *)gr_msg_read(reply, &sum_type))->total, 1000 * n + 7);
        reply = gr_msg_unref(reply);
    }
    assert_int_equal(ask(lab, pids[0], gr_msg_new(&reset_type), &reply), GR_ENOTYPE);
    assert_int_equal(lab_dead(lab), 0);
}

/* The gr_type says another size than the struct that GR_PAYLOAD() names. */
static const gr_type short_type = {"short", 1, NULL, NULL, NULL};
GR_PAYLOAD(short_type, add);

#define WITH_SHORT(ASK, TELL)                                                                      \
    ASK(short_type, sum_type, on_add)                                                              \
    TELL(reset_type, on_reset)
GR_HANDLERS(short_receive, counter, WITH_SHORT, NULL);

static void a_payload_of_another_size_is_refused(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, short_receive);
    gr_msg *reply = NULL;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(lab, pid, gr_msg_new(&short_type), &reply), GR_EINVAL);
        assert_non_null(strstr(gr_last_error()->text, "'short'"));
        assert_non_null(strstr(gr_last_error()->text, "GR_PAYLOAD"));
        assert_int_equal(ask(lab, pid, gr_msg_new(&reset_type), &reply),
                         GR_OK); /* the others work */
        reply = gr_msg_unref(reply);
    }
}

/* ---- behaviours, waiting, memory */

static gr_msg *handed_on; /* the test's, because a panic would lose it */

/* Has another table handle a message of its own making. */
static gr_err on_reset_delegating(gr_context *ctx, counter *self, const reset *message, sum *reply)
{
    handed_on = add_new(message->to);
    reply->total = -1; /* not sent: the inner reply has been */
    return counter_receive(ctx, self, handed_on);
}

#define DELEGATING(ASK, TELL)                                                                      \
    ASK(reset_type, sum_type, on_reset_delegating)                                                 \
    ASK(add_type, sum_type, on_add)
GR_HANDLERS(delegating_receive, counter, DELEGATING, NULL);

static void one_table_may_call_another(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, delegating_receive);
    static const int64_t amounts[] = {5, -1, 6};
    static const int64_t totals[] = {5, 0, 7}; /* each turn is followed by one that adds 1 */
    static const gr_err want[] = {GR_OK, GR_EFAILED, GR_OK};

    for (size_t i = 0; i < 3; i++) {
        gr_msg *msg = gr_msg_new(&reset_type);
        gr_msg *reply = NULL;

        ((reset *)gr_msg_payload(msg))->to = amounts[i];
        assert_int_equal(ask(lab, pid, msg, &reply), want[i]); /* a panic inside loses neither */
        if (want[i] == GR_OK) {
            assert_int_equal(((const sum *)gr_msg_read(reply, &sum_type))->total, totals[i]);
        }
        reply = gr_msg_unref(reply);
        (void)total_after(lab, pid, 1); /* its turn is over */
        handed_on = gr_msg_unref(handed_on);
    }
}

static gr_future *gate;

static gr_err on_add_after_the_gate(gr_context *ctx, counter *self, const add *request, sum *reply)
{
    gr_msg *opened = NULL;

    (void)ctx;
    self->total += request->amount;
    lab_note(gr_context_arg(ctx), "at the gate");
    if (gr_await(gate, GR_FOREVER, &opened) == GR_OK) {
        opened = gr_msg_unref(opened);
    }
    reply->total = self->total;
    return GR_OK;
}

#define PATIENT(ASK, TELL) ASK(add_type, sum_type, on_add_after_the_gate)
GR_HANDLERS(patient_receive, counter, PATIENT, NULL);

static void a_handler_may_wait_with_its_reply(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, patient_receive);
    gr_future *answer = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &gate), GR_OK);
    assert_int_equal(gr_request_future(lab->sys, pid, add_new(3), GR_FOREVER, &answer), GR_OK);
    lab_wait(lab, "at the gate");
    assert_int_equal(gr_future_complete(gate, lab_word_new(1)), GR_OK);
    assert_int_equal(gr_await(answer, GR_FOREVER, &reply), GR_OK);
    assert_int_equal(((const sum *)gr_msg_read(reply, &sum_type))->total, 3);
    reply = gr_msg_unref(reply);
    answer = gr_future_unref(answer);
    gate = gr_future_unref(gate);
}

static void a_crash_while_a_handler_waits_lets_go_of_its_reply(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, patient_receive);

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &gate), GR_OK);
    assert_int_equal(gr_send(lab->sys, pid, add_new(3)), GR_OK);
    lab_wait(lab, "at the gate");
    gr_stepped_kill(lab->sys);
    gate = gr_future_unref(gate);
    lab->subscription = gr_unsubscribe(lab->subscription);
    lab->sys = gr_system_free(lab->sys);
}

/* One request with the nth allocation failing; false when there were fewer. */
static bool ask_with_failing(struct lab *lab, gr_pid pid, uint64_t nth)
{
    gr_msg *reply = NULL;
    uint64_t allocations = 0;
    gr_msg *msg = add_new(1);
    gr_err err = GR_OK;

    gri_mem_fail_nth(nth);
    err = ask(lab, pid, msg, &reply);
    allocations = gri_mem_count();
    gri_mem_fail_nth(0);
    assert_true(err == GR_OK || err == GR_ENOMEM);
    reply = gr_msg_unref(reply);
    return allocations >= nth;
}

static void r36_each_allocation_fails_in_typed_handlers(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_counter(lab, counter_receive);
    uint64_t nth = 1;

    while (ask_with_failing(lab, pid, nth)) {
        nth++;
        assert_true(nth < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(a_request_is_answered_with_what_its_handler_filled_in),
        LAB_BOTH(a_tell_of_what_is_answered_is_handled_and_answers_nobody),
        LAB_BOTH(an_actor_that_asks_gets_the_reply_as_a_message),
        LAB_BOTH(a_handler_without_a_reply_may_answer_by_itself),
        LAB_BOTH(a_handler_that_has_answered_itself_answers_once),
        LAB_BOTH(an_error_of_a_handler_is_the_answer),
        LAB_BOTH(a_panic_and_a_fatal_error_let_go_of_the_reply),
        LAB_BOTH(protobuf_messages_are_typed_as_well),
        LAB_BOTH(an_unknown_request_is_answered_with_its_name),
        LAB_BOTH(an_unknown_tell_becomes_a_dead_letter),
        LAB_BOTH(unknown_messages_go_to_the_other_function),
        LAB_THREADS(in_a_large_table_each_type_finds_its_function),
        LAB_BOTH(a_payload_of_another_size_is_refused),
        LAB_BOTH(one_table_may_call_another),
        LAB_BOTH(a_handler_may_wait_with_its_reply),
        LAB_STEPPED(a_crash_while_a_handler_waits_lets_go_of_its_reply),
        LAB_STEPPED(r36_each_allocation_fails_in_typed_handlers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
