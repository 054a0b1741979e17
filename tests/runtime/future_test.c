/*
 * Futures: replies, time-outs, deaths, and the one winner when they race. Behaviours r14 and r19 in
 * part.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <sched.h>

static int64_t number_of(const gr_msg *msg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    assert_non_null(word);
    return word->number;
}

static void r14_a_future_yields_its_reply(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_msg *reply = NULL;
    gr_msg *again = NULL;

    assert_int_equal(
        gr_request_future(lab->sys, lab_spawn(lab, "a"), lab_word_new(5), GR_FOREVER, &future),
        GR_OK);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_OK);
    assert_int_equal(number_of(reply), 5);
    assert_true(gr_future_ready(future));
    assert_int_equal(gr_await(future, 0, &again), GR_OK);
    assert_ptr_equal(again, reply); /* every wait gets the same message */
    reply = gr_msg_unref(reply);
    again = gr_msg_unref(again);
    future = gr_future_unref(future);
    assert_null(future);
}

static gr_err act_swallow(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid *asker = arg;

    *asker = gr_context_sender(ctx);
    lab_note(lab, "swallowed");
    return GR_OK;
}

/* Takes requests and answers none, until told. */
static gr_err silent_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);

    if (act != NULL) {
        return act->fn(ctx, probe->lab, act->arg);
    }
    lab_note(probe->lab, "%s heard", probe->name);
    return GR_OK;
}

static gr_pid spawn_silent(struct lab *lab, const char *name)
{
    gr_props props = lab_probe_props(lab, name);

    props.receive = silent_receive;
    return lab_spawn_props(lab, &props, name);
}

static void r14_a_future_yields_its_time_out_and_not_before(void **state)
{
    struct lab *lab = *state;
    gr_pid silent = spawn_silent(lab, "a");
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_request_future(lab->sys, silent, lab_word_new(5), 1000, &future), GR_OK);
    lab_advance(lab, 999);
    assert_false(gr_future_ready(future));
    lab_advance(lab, 1);
    assert_true(gr_future_ready(future));
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_ETIMEDOUT);
    future = gr_future_unref(future);
}

static void r14_a_request_times_out(void **state)
{
    struct lab *lab = *state;
    gr_msg *reply = NULL;
    int64_t before = 0;

    gr_pid silent = spawn_silent(lab, "a");
    before = gr_system_now(lab->sys);
    assert_int_equal(gr_request(lab->sys, silent, lab_word_new(5), 20, &reply), GR_ETIMEDOUT);
    assert_true(gr_system_now(lab->sys) - before >= 20);
    assert_null(reply);
    LAB_EVENTUALLY(lab, lab_count(lab, "a heard") == 1);
}

static void an_await_may_end_before_its_future(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_await(future, 0, &reply), GR_ETIMEDOUT);
    assert_int_equal(gr_await(future, 5, &reply), GR_ETIMEDOUT);
    assert_false(gr_future_ready(future));
    assert_int_equal(gr_send(lab->sys, gr_future_pid(future), lab_word_new(3)), GR_OK);
    assert_true(gr_future_ready(future));
    assert_int_equal(gr_await(future, 5, &reply), GR_OK);
    assert_int_equal(number_of(reply), 3);
    reply = gr_msg_unref(reply);
    future = gr_future_unref(future);
}

static void r14_a_request_in_the_mailbox_of_an_actor_that_ends_fails(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_request_future(lab->sys, pid, lab_word_new(5), GR_FOREVER, &future), GR_OK);
    gr_send_stop(lab->sys, pid);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_EDEAD);
    future = gr_future_unref(future);
}

static void r14_a_request_that_was_taken_but_not_answered_fails_when_the_actor_ends(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_silent(lab, "a");
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_request_future(lab->sys, pid, lab_word_new(5), 20000, &future), GR_OK);
    lab_wait(lab, "a heard");
    assert_false(gr_future_ready(future));
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "a stopped stopped");
    lab_run(lab);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_EDEAD);
    future = gr_future_unref(future);
}

static void r14_a_late_reply_is_counted_not_delivered(void **state)
{
    struct lab *lab = *state;
    gr_pid asker = gr_pid_null();
    gr_pid pid = spawn_silent(lab, "a");
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(
        gr_request_future(lab->sys, pid, lab_act_new(act_swallow, &asker), 10, &future), GR_OK);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_ETIMEDOUT);
    lab_wait(lab, "swallowed");
    assert_true(gr_pid_equal(asker, gr_future_pid(future)));
    (void)gr_send(lab->sys, asker, lab_word_new(6));
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 1);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_ETIMEDOUT);
    future = gr_future_unref(future);
    (void)gr_send(lab->sys, asker, lab_word_new(7)); /* the future itself is gone */
    assert_null(reply);
}

static void a_future_given_up_makes_its_reply_late(void **state)
{
    struct lab *lab = *state;
    gr_pid asker = gr_pid_null();
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    asker = gr_future_pid(future);
    future = gr_future_unref(future);
    (void)gr_send(lab->sys, asker, lab_word_new(1));
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 1);
}

static void the_first_message_completes_a_future_and_the_second_is_late(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    (void)gr_send(lab->sys, gr_future_pid(future), lab_word_new(1));
    (void)gr_send(lab->sys, gr_future_pid(future), lab_word_new(2));
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_OK);
    assert_int_equal(number_of(reply), 1);
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 1);
    reply = gr_msg_unref(reply);
    future = gr_future_unref(future);
}

static void an_error_message_as_a_reply_is_the_error_of_the_wait(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_future_complete(future, gr_msg_new_error(GR_EBUSY, "come back later")),
                     GR_OK);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_EBUSY);
    assert_string_equal(gr_last_error()->text, "come back later");
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_EEXIST);
    assert_null(reply);
    future = gr_future_unref(future);
}

static void on_complete(void *arg, gr_future *future)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(future, 0, &reply);

    lab_note(arg, "complete: %s", gr_err_name(err));
    reply = gr_msg_unref(reply);
}

static void a_function_is_called_once_at_completion(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_future_on_complete(future, on_complete, lab), GR_OK);
    assert_int_equal(gr_future_on_complete(future, on_complete, lab), GR_EEXIST);
    assert_int_equal(lab_count(lab, "complete: GR_OK"), 0);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    assert_int_equal(lab_count(lab, "complete: GR_OK"), 1);
    (void)gr_future_complete(future, lab_word_new(2));
    assert_int_equal(lab_count(lab, "complete: GR_OK"), 1);
    future = gr_future_unref(future);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    assert_int_equal(gr_future_on_complete(future, on_complete, lab), GR_OK); /* at once */
    assert_int_equal(lab_count(lab, "complete: GR_OK"), 2);
    future = gr_future_unref(future);
}

static void a_function_sees_the_time_out_too(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, 10, &future), GR_OK);
    assert_int_equal(gr_future_on_complete(future, on_complete, lab), GR_OK);
    if (lab->stepped != NULL) {
        lab_advance(lab, 10);
    }
    lab_wait(lab, "complete: GR_ETIMEDOUT");
    future = gr_future_unref(future);
}

static void no_future_is_fine_to_unref(void **state)
{
    (void)state;
    assert_null(gr_future_unref(NULL));
    assert_null(gr_future_ref(NULL));
}

/* ---- the race */

static void r14_a_race_of_reply_and_time_out_has_one_winner(void **state)
{
    struct lab *lab = *state;
    size_t rounds = 1000;
    uint64_t in_time = 0;
    uint64_t timed_out = 0;

    for (size_t i = 0; i < rounds; i++) {
        gr_future *future = NULL;
        gr_msg *reply = NULL;
        gr_err sent = GR_OK;
        int64_t due_ms = gr_system_now(lab->sys) + 1;
        gr_err err = gr_future_new(lab->sys, 1, &future);

        assert_int_equal(err, GR_OK);
        while (gr_system_now(lab->sys) < due_ms && !gr_future_ready(future)) {
            (void)sched_yield(); /* reply at the very moment of the time-out */
        }
        sent = gr_send(lab->sys, gr_future_pid(future), lab_word_new((int64_t)i));
        (void)sent;
        err = gr_await(future, GR_FOREVER, &reply);
        if (err == GR_OK) {
            in_time++;
            assert_int_equal(number_of(reply), i);
            reply = gr_msg_unref(reply);
        } else {
            timed_out++;
            assert_int_equal(err, GR_ETIMEDOUT);
        }
        assert_int_equal(gr_await(future, 0, &reply), err); /* and it stays that way */
        reply = gr_msg_unref(reply);
        future = gr_future_unref(future);
    }
    assert_int_equal(in_time + timed_out, rounds);
    assert_int_equal(gr_system_counters(lab->sys).late_replies, timed_out);
}

static void *send_words(void *arg)
{
    void **args = arg;
    struct lab *lab = args[0];
    const gr_pid *to = args[1];

    for (int64_t i = 0; i < 100; i++) {
        (void)gr_send(lab->sys, *to, lab_word_new(i));
    }
    return NULL;
}

static void r14_many_threads_completing_one_future_have_one_winner(void **state)
{
    struct lab *lab = *state;
    enum { THREADS = 4, ROUNDS = 20 };

    for (uint64_t round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        gr_future *future = NULL;
        gr_pid to = gr_pid_null();
        void *args[] = {lab, &to};
        gr_msg *reply = NULL;

        assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
        to = gr_future_pid(future);
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, send_words, args), 0);
        }
        assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_OK);
        assert_int_equal(number_of(reply), 0); /* each thread's first */
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        assert_int_equal(gr_system_counters(lab->sys).late_replies,
                         (round + 1) * (THREADS * 100 - 1));
        reply = gr_msg_unref(reply);
        future = gr_future_unref(future);
    }
}

static void *await_it(void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);
    int64_t number =
        err == GR_OK ? ((const lab_word *)gr_msg_read(reply, &lab_word_type))->number : -1;

    reply = gr_msg_unref(reply);
    return (void *)(intptr_t)number;
}

static gr_err act_await_and_note(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    lab_note(lab, "waiter got %lld", (long long)(intptr_t)await_it(arg));
    return GR_OK;
}

static void many_waiters_of_one_future_all_wake(void **state)
{
    struct lab *lab = *state;
    enum { WAITERS = 4 };
    pthread_t threads[WAITERS];
    gr_props props = lab_probe_props(lab, "w");
    gr_future *future = NULL;
    void *got = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    for (size_t i = 0; i < WAITERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, await_it, future), 0);
        lab_do(lab, lab_spawn_props(lab, &props, NULL), act_await_and_note, future);
    }
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == WAITERS);
    assert_int_equal(gr_future_complete(future, lab_word_new(9)), GR_OK);
    for (size_t i = 0; i < WAITERS; i++) {
        assert_int_equal(pthread_join(threads[i], &got), 0);
        assert_int_equal((intptr_t)got, 9);
    }
    lab_wait_times(lab, "waiter got 9", WAITERS);
    future = gr_future_unref(future);
}

static void r33_futures_are_refused_after_the_stop(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_ESTOPPED);
    assert_int_equal(gr_request_future(lab->sys, pid, lab_word_new(1), GR_FOREVER, &future),
                     GR_ESTOPPED);
    assert_null(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r14_a_future_yields_its_reply),
        LAB_STEPPED(r14_a_future_yields_its_time_out_and_not_before),
        LAB_BOTH(r14_a_request_times_out),
        LAB_BOTH(an_await_may_end_before_its_future),
        LAB_STEPPED(r14_a_request_in_the_mailbox_of_an_actor_that_ends_fails),
        LAB_BOTH(r14_a_request_that_was_taken_but_not_answered_fails_when_the_actor_ends),
        LAB_BOTH(r14_a_late_reply_is_counted_not_delivered),
        LAB_BOTH(a_future_given_up_makes_its_reply_late),
        LAB_BOTH(the_first_message_completes_a_future_and_the_second_is_late),
        LAB_BOTH(an_error_message_as_a_reply_is_the_error_of_the_wait),
        LAB_BOTH(a_function_is_called_once_at_completion),
        LAB_BOTH(a_function_sees_the_time_out_too),
        LAB_STEPPED(no_future_is_fine_to_unref),
        LAB_THREADS(r14_a_race_of_reply_and_time_out_has_one_winner),
        LAB_THREADS(r14_many_threads_completing_one_future_have_one_winner),
        LAB_THREADS(many_waiters_of_one_future_all_wake),
        LAB_BOTH(r33_futures_are_refused_after_the_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
