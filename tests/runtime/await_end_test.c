/*
 * Waiting for the end of an actor: from threads and from handlers, for those that are stopped, fail, or have gone already.
 * Behaviours r02, r04, r12 and r33.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <sched.h>

#include "system_internal.h"

enum { WAIT_MS = 60000 };

/* The arg of a guest; plain, for a thread that has waited for the end may read it. */
typedef struct luggage {
    struct lab *lab;
    bool until_watched; /* it does not end before somebody waits for that */
    int let_go;
} luggage;

static void let_go(void *arg)
{
    ((luggage *)arg)->let_go++;
}

static gr_err guest_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const luggage *mine = gr_context_arg(ctx);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    (void)state;
    lab_note(mine->lab, "guest %lld", (long long)word->number);
    return word->number < 0 ? gr_fatal(GR_EFAILED, "a bad word") : GR_OK;
}

/* In a turn of the actor: a watch is known to it, or stands before the door. */
static bool is_watched(const gri_actor *actor)
{
    return (actor->extras != NULL && actor->extras->watchers.first != NULL) ||
           atomic_load_explicit(&actor->notes, memory_order_relaxed) != NULL; /* a look */
}

static void guest_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    const luggage *mine = gr_context_arg(ctx);

    (void)state;
    while (mine->until_watched && !is_watched(ctx->actor)) {
        (void)sched_yield();
    }
    lab_note(mine->lab, "guest stopped %s", lab_reason(reason));
}

static gr_pid spawn_guest(struct lab *lab, const gr_supervision *guardian, luggage **out_arg)
{
    luggage *arg = lab_own(lab, sizeof(*arg));
    gr_props props = {.receive = guest_receive,
                      .stopped = guest_stopped,
                      .arg = arg,
                      .arg_free = let_go,
                      .guardian = guardian};

    arg->lab = lab;
    *out_arg = arg;
    return lab_spawn_props(lab, &props, "guest");
}

static void r02_a_thread_waits_for_the_end_of_an_actor(void **state)
{
    struct lab *lab = *state;

    for (size_t round = 1; round <= 3; round++) {
        luggage *arg = NULL;
        gr_reason reason = GR_REASON_NODE_LOST;
        gr_pid guest = spawn_guest(lab, NULL, &arg); /* its name is free again */

        arg->until_watched = true;
        for (int i = 1; i <= 100; i++) {
            lab_tell(lab, guest, i);
        }
        if (round == 1) {
            gr_send_stop(lab->sys, guest);
        } else {
            gr_send_poison(lab->sys, guest);
        }
        assert_int_equal(gr_await_end(lab->sys, guest, WAIT_MS, &reason), GR_OK);
        assert_int_equal(reason, GR_REASON_STOPPED);
        assert_int_equal(arg->let_go, 1);
        assert_int_equal(lab_count(lab, "guest stopped stopped"), round);
        assert_in_range(lab_count(lab, "guest 100"), round - 1, round);
    }
}

static void r12_who_waits_for_an_end_is_told_why(void **state)
{
    struct lab *lab = *state;
    static const gr_supervision never = {.restarts = GR_RESTARTS_NEVER};
    luggage *arg = NULL;
    gr_reason reason = GR_REASON_NODE_LOST;
    gr_pid guest = spawn_guest(lab, &never, &arg);

    arg->until_watched = true;
    lab_tell(lab, guest, -1); /* it ends by itself */
    assert_int_equal(gr_await_end(lab->sys, guest, GR_FOREVER, &reason), GR_OK);
    assert_int_equal(reason, GR_REASON_FAILED);
    assert_int_equal(arg->let_go, 1);
    assert_int_equal(gr_await_end(lab->sys, guest, GR_FOREVER, &reason), GR_OK);
    assert_int_equal(reason, GR_REASON_NEVER_EXISTED);
    assert_int_equal(gr_await_end(lab->sys, guest, 0, NULL), GR_OK);
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_await_end(lab->sys, guest, GR_FOREVER, NULL), GR_OK);
}

static void r12_a_wait_for_an_end_has_a_limit(void **state)
{
    struct lab *lab = *state;
    luggage *arg = NULL;
    gr_reason reason = GR_REASON_NODE_LOST;
    gr_pid guest = spawn_guest(lab, NULL, &arg);

    assert_int_equal(gr_await_end(lab->sys, guest, 0, &reason), GR_ETIMEDOUT);
    assert_int_equal(gr_await_end(lab->sys, guest, 5, &reason), GR_ETIMEDOUT);
    assert_int_equal(reason, GR_REASON_NODE_LOST); /* not written */
    gr_send_stop(lab->sys, guest);
    assert_int_equal(gr_await_end(lab->sys, guest, WAIT_MS, &reason), GR_OK);
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 0); /* the others watch no more */
}

static void see_if_it_may_wait(void *arg, const gr_type *type, const void *event)
{
    struct lab *lab = arg;
    const gr_pid *guest = event;

    (void)type;
    lab_note(lab, "inside: %s", gr_err_name(gr_await_end(lab->sys, *guest, WAIT_MS, NULL)));
}

static void r12_waiting_for_an_end_in_vain_is_refused(void **state)
{
    struct lab *lab = *state;
    static const gr_type occasion = {.name = "occasion", .bytes = sizeof(gr_pid)};
    gr_pid elsewhere = {gr_system_node(lab->sys) + 1, 17, 1};
    gr_subscription *subscription = NULL;
    luggage *arg = NULL;
    gr_pid guest = spawn_guest(lab, NULL, &arg);

    assert_int_equal(gr_await_end(lab->sys, gr_pid_null(), WAIT_MS, NULL), GR_EINVAL);
    assert_int_equal(gr_await_end(lab->sys, elsewhere, WAIT_MS, NULL), GR_EUNREACHABLE);
    assert_non_null(strstr(gr_last_error()->text, "no way out"));
    assert_int_equal(gr_subscribe(lab->sys, &occasion, see_if_it_may_wait, lab, &subscription),
                     GR_OK);
    gr_publish(lab->sys, &occasion, &guest);
    assert_int_equal(lab_count(lab, "inside: GR_EINVAL"), 1);
    subscription = gr_unsubscribe(subscription);
}

static void wait_for_the_receiver(void *arg, const gr_type *type, const void *event)
{
    struct lab *lab = arg;
    const gr_dead_letter *letter = event;

    (void)type;
    lab_note(lab, "at the end: %s",
             gr_err_name(gr_await_end(lab->sys, letter->to, GR_FOREVER, NULL)));
}

static gr_err act_hold(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *nothing = NULL;

    (void)ctx;
    lab_note(lab, "holds");
    return gr_await(arg, GR_FOREVER, &nothing);
}

/* Its own thread is what tells of the messages that it leaves. */
static void r12_nobody_waits_for_an_end_in_the_middle_of_it(void **state)
{
    struct lab *lab = *state;
    gr_subscription *subscription = NULL;
    gr_future *never = NULL;
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &never), GR_OK);
    assert_int_equal(
        gr_subscribe(lab->sys, &gr_dead_letter_type, wait_for_the_receiver, lab, &subscription),
        GR_OK);
    lab_do(lab, pid, act_hold, never);
    lab_wait(lab, "holds");
    lab_tell(lab, pid, 1);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "at the end: GR_EINVAL");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    subscription = gr_unsubscribe(subscription);
    never = gr_future_unref(never);
}

/* ---- in handlers */

static gr_err act_await_end(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_err err = GR_OK;

    lab_note(lab, "waits");
    err = gr_await_end(gr_context_system(ctx), *(const gr_pid *)arg, GR_FOREVER, NULL);
    lab_note(lab, "%s: %s", err == GR_OK ? "it has ended" : gr_err_name(err),
             err == GR_OK ? "" : gr_last_error()->text);
    return GR_OK;
}

static void r17_a_handler_waits_for_the_end_of_another_actor(void **state)
{
    struct lab *lab = *state;
    luggage *arg = NULL;
    gr_pid guest = spawn_guest(lab, NULL, &arg);
    gr_pid host = lab_spawn(lab, "host");

    lab_do(lab, host, act_await_end, &guest);
    lab_tell(lab, guest, 1);
    lab_wait(lab, "guest 1"); /* there is one worker */
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    gr_send_stop(lab->sys, guest);
    lab_wait(lab, "it has ended: ");
    lab_flush(lab, host);
}

static void r19_a_wait_for_an_end_ends_with_who_waits(void **state)
{
    struct lab *lab = *state;
    luggage *arg = NULL;
    gr_pid guest = spawn_guest(lab, NULL, &arg);
    gr_pid host = lab_spawn(lab, "host");

    lab_do(lab, host, act_await_end, &guest);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    gr_send_stop(lab->sys, host);
    assert_int_equal(gr_await_end(lab->sys, host, WAIT_MS, NULL), GR_OK);
    assert_int_equal(lab_count(lab, "GR_ESTOPPED: stopping, while waiting for an answer"), 1);
    gr_send_stop(lab->sys, guest);
    assert_int_equal(gr_await_end(lab->sys, guest, WAIT_MS, NULL), GR_OK);
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 0);
}

static gr_err child_waits(gr_context *ctx, void *state)
{
    return gr_await_end(gr_context_system(ctx), gr_context_parent(ctx), GR_FOREVER, state);
}

static gr_err act_own_end(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_props props = lab_probe_props(lab, "c");
    gr_pid child = gr_pid_null();

    (void)arg;
    props.started = child_waits;
    lab_require(gr_await_end(gr_context_system(ctx), gr_context_self(ctx), GR_FOREVER, NULL) ==
                GR_EINVAL);
    lab_require(gr_spawn_child(ctx, &props, NULL, &child) == GR_EINVAL);
    return GR_OK;
}

static void r19_nobody_waits_for_its_own_end(void **state)
{
    struct lab *lab = *state;

    assert_int_equal(lab_make(lab, lab_spawn(lab, "p"), act_own_end, NULL), GR_OK);
}

/* ---- all at once */

/* Early and late, what the actor owned has gone when the wait is over. */
static void r12_waits_for_an_end_race_with_it(void **state)
{
    struct lab *lab = *state;
    size_t rounds = lab_scaled(20000);

    for (size_t round = 0; round < rounds; round++) {
        luggage arg = {.lab = lab};
        gr_props props = {
            .receive = guest_receive, .arg = &arg, .arg_free = let_go, .pinned = round % 100 == 0};
        gr_pid guest = lab_spawn_props(lab, &props, NULL);

        gr_send_stop(lab->sys, guest);
        for (volatile size_t i = 0; i < round % 256 * 8; i++) {
        }
        assert_int_equal(gr_await_end(lab->sys, guest, WAIT_MS, NULL), GR_OK);
        assert_int_equal(arg.let_go, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r02_a_thread_waits_for_the_end_of_an_actor),
        LAB_BOTH(r12_who_waits_for_an_end_is_told_why),
        LAB_BOTH(r12_a_wait_for_an_end_has_a_limit),
        LAB_BOTH(r12_waiting_for_an_end_in_vain_is_refused),
        LAB_THREADS(r12_nobody_waits_for_an_end_in_the_middle_of_it),
        LAB_STEPPED(r17_a_handler_waits_for_the_end_of_another_actor),
        LAB_ONE_WORKER(r17_a_handler_waits_for_the_end_of_another_actor),
        LAB_BOTH(r19_a_wait_for_an_end_ends_with_who_waits),
        LAB_BOTH(r19_nobody_waits_for_its_own_end),
        LAB_THREADS(r12_waits_for_an_end_race_with_it),
    };

    return cmocka_run_group_tests_name("await_end", tests, NULL, NULL);
}
