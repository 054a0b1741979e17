/*
 * Changing one's ways: become and unbecome, and the stash. Behaviour r23.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

static gr_err in_words(gr_context *ctx, void *state, const gr_msg *msg, const char *mood)
{
    const lab_probe *probe = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    if (act != NULL) {
        gr_err err = act->fn(ctx, probe->lab, act->arg);

        return err != GR_OK || gr_pid_is_null(gr_context_sender(ctx))
                   ? err
                   : gr_respond(ctx, lab_word_new(0));
    }
    lab_require(word != NULL);
    lab_note(probe->lab, "%s %lld", mood, (long long)word->number);
    return gr_pid_is_null(gr_context_sender(ctx)) ? GR_OK
                                                  : gr_respond(ctx, lab_word_new(word->number));
}

static gr_err happy(gr_context *ctx, void *state, const gr_msg *msg)
{
    return in_words(ctx, state, msg, "x happy");
}

static gr_err angry(gr_context *ctx, void *state, const gr_msg *msg)
{
    return in_words(ctx, state, msg, "x angry");
}

static gr_err calm(gr_context *ctx, void *state, const gr_msg *msg)
{
    return in_words(ctx, state, msg, "x calm");
}

static gr_pid spawn_moody(struct lab *lab)
{
    gr_props props = lab_probe_props(lab, "moody");

    props.receive = calm;
    return lab_spawn_props(lab, &props, "moody");
}

static gr_err act_become_happy(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return gr_become(ctx, happy);
}

static gr_err act_stack_angry(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return gr_become_stacked(ctx, angry);
}

static gr_err act_stack_happy(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return gr_become_stacked(ctx, happy);
}

static gr_err act_unbecome(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return gr_unbecome(ctx);
}

static void r23_become_and_unbecome_restore_in_order(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);

    lab_tell(lab, x, 1);
    assert_int_equal(lab_make(lab, x, act_stack_happy, NULL), GR_OK);
    lab_tell(lab, x, 2);
    assert_int_equal(lab_make(lab, x, act_stack_angry, NULL), GR_OK);
    lab_tell(lab, x, 3);
    assert_int_equal(lab_make(lab, x, act_unbecome, NULL), GR_OK);
    lab_tell(lab, x, 4);
    assert_int_equal(lab_make(lab, x, act_unbecome, NULL), GR_OK);
    lab_tell(lab, x, 5);
    lab_flush(lab, x);
    lab_assert_notes(lab, "x", "x calm 1|x happy 2|x angry 3|x happy 4|x calm 5");
}

static void r23_become_takes_the_place_of_the_handler_of_now(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);

    assert_int_equal(lab_make(lab, x, act_become_happy, NULL), GR_OK);
    assert_int_equal(lab_make(lab, x, act_stack_angry, NULL), GR_OK);
    assert_int_equal(lab_make(lab, x, act_become_happy, NULL), GR_OK); /* for the angry one */
    lab_tell(lab, x, 1);
    assert_int_equal(lab_make(lab, x, act_unbecome, NULL), GR_OK); /* happy from below */
    lab_tell(lab, x, 2);
    assert_int_equal(lab_make(lab, x, act_unbecome, NULL), GR_OK);
    lab_tell(lab, x, 3);
    assert_int_equal(lab_make(lab, x, act_unbecome, NULL), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "that of the props"));
    lab_flush(lab, x);
    lab_assert_notes(lab, "x", "x happy 1|x happy 2|x calm 3");
}

static void r23_many_behaviours_stack_up(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);

    for (int i = 0; i < 50; i++) {
        assert_int_equal(lab_make(lab, x, i % 2 == 0 ? act_stack_happy : act_stack_angry, NULL),
                         GR_OK);
    }
    for (int i = 50; i > 0; i--) {
        lab_tell(lab, x, i);
        assert_int_equal(lab_make(lab, x, act_unbecome, NULL), GR_OK);
    }
    lab_tell(lab, x, 0);
    lab_flush(lab, x);
    assert_int_equal(lab_count(lab, "x angry 50"), 1);
    assert_int_equal(lab_count(lab, "x happy 1"), 1);
    assert_int_equal(lab_count(lab, "x calm 0"), 1);
}

static void r23_a_restart_begins_with_the_handler_of_the_props(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);

    assert_int_equal(lab_make(lab, x, act_stack_happy, NULL), GR_OK);
    lab_do(lab, x, lab_act_fail, NULL);
    lab_tell(lab, x, 1);
    lab_flush(lab, x);
    lab_assert_notes(lab, "x", "x calm 1");
    assert_int_equal(lab_make(lab, x, act_unbecome, NULL), GR_EINVAL);
}

static gr_err act_become_nothing(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    lab_require(gr_become_stacked(ctx, NULL) == GR_EINVAL);
    return gr_become(ctx, NULL);
}

static void r23_become_without_a_handler_is_refused(void **state)
{
    struct lab *lab = *state;

    assert_int_equal(lab_make(lab, spawn_moody(lab), act_become_nothing, NULL), GR_EINVAL);
}

/* ---- the stash */

static gr_err act_open(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    gr_unstash_all(ctx);
    return gr_unbecome(ctx);
}

/* Puts words aside; acts are done. */
static gr_err shut(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    gr_err err = GR_OK;

    if (gr_msg_read(msg, &lab_act_type) != NULL) {
        return in_words(ctx, state, msg, "x shut");
    }
    err = gr_stash(ctx);
    lab_note(probe->lab, "y stashed %s", gr_err_name(err));
    return err;
}

static gr_err act_shut(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return gr_become_stacked(ctx, shut);
}

static gr_future *ask(struct lab *lab, gr_pid to, int64_t number)
{
    gr_future *future = NULL;

    assert_int_equal(gr_request_future(lab->sys, to, lab_word_new(number), GR_FOREVER, &future),
                     GR_OK);
    return future;
}

static gr_err outcome(gr_future *future)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(future, GR_FOREVER, &reply);

    reply = gr_msg_unref(reply);
    future = gr_future_unref(future);
    return err;
}

static void r23_the_stash_keeps_order_and_sender_and_comes_before_newer_messages(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);
    gr_future *asked = NULL;

    assert_int_equal(lab_make(lab, x, act_shut, NULL), GR_OK);
    lab_tell(lab, x, 1);
    asked = ask(lab, x, 2);
    lab_tell(lab, x, 3);
    lab_wait_times(lab, "y stashed GR_OK", 3);
    assert_false(gr_future_ready(asked));
    lab_do(lab, x, act_open, NULL);
    lab_tell(lab, x, 4);
    assert_int_equal(outcome(asked), GR_OK); /* by who asked, so the sender was kept */
    lab_flush(lab, x);
    lab_assert_notes(lab, "x", "x calm 1|x calm 2|x calm 3|x calm 4");
    assert_int_equal(lab_dead(lab), 0);
}

static gr_err act_open_and_shut(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    gr_unstash_all(ctx);
    gr_unstash_all(ctx); /* there is nothing more, and no harm */
    return GR_OK;
}

static void r23_what_is_stashed_again_keeps_its_place(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);

    assert_int_equal(lab_make(lab, x, act_shut, NULL), GR_OK);
    lab_tell(lab, x, 1);
    lab_tell(lab, x, 2);
    lab_wait_times(lab, "y stashed GR_OK", 2);
    lab_do(lab, x, act_open_and_shut, NULL); /* out, and in again */
    lab_tell(lab, x, 3);
    lab_wait_times(lab, "y stashed GR_OK", 5);
    lab_do(lab, x, act_open, NULL);
    lab_tell(lab, x, 4);
    lab_flush(lab, x);
    lab_assert_notes(lab, "x", "x calm 1|x calm 2|x calm 3|x calm 4");
}

static void r23_the_stash_holds_as_many_as_the_mailbox_and_says_so(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "moody");
    gr_pid x;

    props.receive = calm;
    props.mailbox_limit = 3;
    x = lab_spawn_props(lab, &props, "moody");
    assert_int_equal(lab_make(lab, x, act_shut, NULL), GR_OK);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(gr_send_wait(lab->sys, x, lab_word_new(i), GR_FOREVER), GR_OK);
        lab_wait_times(lab, "y stashed GR_OK", (size_t)i);
    }
    assert_int_equal(outcome(ask(lab, x, 4)), GR_EFULL);
    lab_wait(lab, "y stashed GR_EFULL");
    lab_do(lab, x, act_open, NULL);
    lab_flush(lab, x);
    lab_assert_notes(lab, "x", "x calm 1|x calm 2|x calm 3");
    assert_int_equal(lab_make(lab, x, act_shut, NULL), GR_OK); /* there is room again */
    lab_tell(lab, x, 5);
    lab_wait_times(lab, "y stashed GR_OK", 4);
}

static void r23_a_restart_handles_the_stash_before_the_mailbox(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);
    gr_future *asked = NULL;

    assert_int_equal(lab_make(lab, x, act_shut, NULL), GR_OK);
    lab_tell(lab, x, 1);
    asked = ask(lab, x, 2);
    lab_wait_times(lab, "y stashed GR_OK", 2);
    lab_do(lab, x, lab_act_fail, NULL);
    lab_tell(lab, x, 3);
    assert_int_equal(outcome(asked), GR_OK);
    lab_flush(lab, x);
    lab_assert_notes(lab, "x", "x calm 1|x calm 2|x calm 3");
}

static void r23_a_stop_makes_dead_letters_of_the_stash(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);
    gr_future *asked = NULL;

    assert_int_equal(lab_make(lab, x, act_shut, NULL), GR_OK);
    lab_tell(lab, x, 1);
    asked = ask(lab, x, 2);
    lab_wait_times(lab, "y stashed GR_OK", 2);
    gr_send_stop(lab->sys, x);
    assert_int_equal(outcome(asked), GR_EDEAD);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(lab_dead(lab), 2);
    assert_int_equal(lab_dead_at(lab, 0).cause, GR_DEAD_STOPPED);
    assert_true(gr_pid_equal(lab_dead_at(lab, 0).to, x));
}

static gr_err act_wait_for(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);

    (void)lab;
    lab_require(err == GR_OK);
    reply = gr_msg_unref(reply);
    gr_unstash_all(ctx);
    return gr_unbecome(ctx);
}

static void r23_unstashing_after_a_wait_comes_before_what_has_come_meanwhile(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);
    gr_future *told = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &told), GR_OK);
    assert_int_equal(lab_make(lab, x, act_shut, NULL), GR_OK);
    lab_tell(lab, x, 1);
    lab_wait(lab, "y stashed GR_OK");
    lab_do(lab, x, act_wait_for, told);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    lab_tell(lab, x, 2);
    assert_int_equal(gr_future_complete(told, lab_word_new(0)), GR_OK);
    lab_flush(lab, x);
    lab_assert_notes(lab, "x", "x calm 1|x calm 2");
    told = gr_future_unref(told);
}

static gr_err stash_the_end(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);

    if (ended != NULL) {
        lab_note(probe->lab, "y stashed %s", gr_err_name(gr_stash(ctx)));
        return GR_OK;
    }
    return in_words(ctx, state, msg, "x");
}

static gr_err sees_the_end(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);

    if (ended != NULL) {
        lab_note(probe->lab, "x sees %s", lab_reason(ended->reason));
        return GR_OK;
    }
    return in_words(ctx, state, msg, "x");
}

static gr_err act_end_of_stashing(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    gr_unstash_all(ctx);
    return gr_become(ctx, sees_the_end);
}

static void check_stashed_end(struct lab *lab, bool unwatch)
{
    gr_props props = lab_probe_props(lab, "watcher");
    gr_pid other = lab_spawn(lab, "other");
    gr_pid x;

    props.receive = stash_the_end;
    x = lab_spawn_props(lab, &props, "watcher");
    assert_int_equal(lab_make(lab, x, lab_act_watch, &other), GR_OK);
    gr_send_stop(lab->sys, other);
    lab_wait(lab, "y stashed GR_OK");
    if (unwatch) {
        assert_int_equal(lab_make(lab, x, lab_act_unwatch, &other), GR_OK);
    }
    assert_int_equal(lab_make(lab, x, act_end_of_stashing, NULL), GR_OK);
    lab_flush(lab, x);
    assert_int_equal(lab_count(lab, "x sees stopped"), unwatch ? 0 : 1);
}

static void r23_the_news_of_an_end_can_be_stashed(void **state)
{
    check_stashed_end(*state, false);
}

static void r23_the_stashed_news_of_an_end_can_be_taken_back(void **state)
{
    check_stashed_end(*state, true);
}

static gr_err stash_in_a_hook(gr_context *ctx, void *state)
{
    (void)state;
    return gr_stash(ctx);
}

static void r23_there_is_nothing_to_stash_in_a_hook(void **state)
{
    struct lab *lab = *state;
    gr_props props = {.started = stash_in_a_hook, .receive = calm};
    gr_pid pid;

    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "no message in hand"));
}

static void r23_a_stash_goes_with_its_actor_in_a_crash(void **state)
{
    struct lab *lab = *state;
    gr_pid x = spawn_moody(lab);

    assert_int_equal(lab_make(lab, x, act_shut, NULL), GR_OK);
    lab_tell(lab, x, 1);
    lab_wait(lab, "y stashed GR_OK");
    lab->subscription = gr_unsubscribe(lab->subscription);
    gr_stepped_kill(lab->sys);
    lab->sys = gr_system_free(lab->sys);
}

/* Many senders, and an actor that shuts and opens all the time: each message once, in order for each sender. */
enum { SENDERS = 3 };

typedef struct busy {
    struct lab *lab;
    bool shut;
    int64_t last[SENDERS];
    size_t handled;
    size_t stashed;
} busy;

static gr_err shuts_and_opens(gr_context *ctx, void *state, const gr_msg *msg)
{
    busy *own = gr_context_arg(ctx);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    int64_t sender = word->number % SENDERS;

    (void)state;
    if (own->shut && own->stashed < 5) {
        own->stashed++;
        return gr_stash(ctx);
    }
    if (own->shut) {
        own->stashed = 0;
        own->shut = false;
        lab_require(gr_stash(ctx) == GR_OK);
        gr_unstash_all(ctx);
        return GR_OK;
    }
    lab_require(word->number > own->last[sender]);
    own->last[sender] = word->number;
    own->shut = ++own->handled % 7 == 0;
    return GR_OK;
}

typedef struct sender {
    struct lab *lab;
    gr_pid to;
    int64_t number, count;
} sender;

static void *send_many(void *arg)
{
    sender *own = arg;

    for (int64_t i = 1; i <= own->count; i++) {
        lab_require(gr_send_wait(own->lab->sys, own->to, lab_word_new(i * SENDERS + own->number),
                                 GR_FOREVER) == GR_OK);
    }
    return NULL;
}

static void r23_stashing_loses_and_doubles_nothing_under_load(void **state)
{
    struct lab *lab = *state;
    busy *own = lab_own(lab, sizeof(*own));
    gr_props props = {.receive = shuts_and_opens, .arg = own, .mailbox_limit = 50};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);
    sender senders[SENDERS];
    pthread_t threads[SENDERS];
    int64_t count = (int64_t)lab_scaled(20000);

    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (sender){lab, pid, i, count};
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    gr_send_poison(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    lab_shut(lab); /* now what its actor wrote may be read */
    assert_int_equal(own->handled + lab_dead(lab), SENDERS * count);
    assert_true(lab_dead(lab) <= 6); /* stashed when the poison came */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r23_become_and_unbecome_restore_in_order),
        LAB_BOTH(r23_become_takes_the_place_of_the_handler_of_now),
        LAB_STEPPED(r23_many_behaviours_stack_up),
        LAB_BOTH(r23_a_restart_begins_with_the_handler_of_the_props),
        LAB_STEPPED(r23_become_without_a_handler_is_refused),
        LAB_BOTH(r23_the_stash_keeps_order_and_sender_and_comes_before_newer_messages),
        LAB_BOTH(r23_what_is_stashed_again_keeps_its_place),
        LAB_BOTH(r23_the_stash_holds_as_many_as_the_mailbox_and_says_so),
        LAB_BOTH(r23_a_restart_handles_the_stash_before_the_mailbox),
        LAB_BOTH(r23_a_stop_makes_dead_letters_of_the_stash),
        LAB_BOTH(r23_unstashing_after_a_wait_comes_before_what_has_come_meanwhile),
        LAB_BOTH(r23_the_news_of_an_end_can_be_stashed),
        LAB_BOTH(r23_the_stashed_news_of_an_end_can_be_taken_back),
        LAB_STEPPED(r23_there_is_nothing_to_stash_in_a_hook),
        LAB_STEPPED(r23_a_stash_goes_with_its_actor_in_a_crash),
        LAB_THREADS(r23_stashing_loses_and_doubles_nothing_under_load),
    };

    return cmocka_run_group_tests_name("behaviour", tests, NULL, NULL);
}
