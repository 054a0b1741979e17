/*
 * Waiting inside handlers: the worker goes on, the actor does not (unless it is reentrant), and a
 * wait ends by its reply, its deadline, the actor's stop or its restart. Behaviours r17 and r19. One
 * worker shows best that a wait does not hold it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

/* Waits for a future and notes how that ended. */
static gr_err act_wait(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)ctx;
    lab_note(lab, "a waits");
    err = gr_await(arg, GR_FOREVER, &reply);
    lab_note(lab, "a went on: %s", gr_err_name(err));
    reply = gr_msg_unref(reply);
    return err;
}

static gr_err act_wait_briefly(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)ctx;
    lab_note(lab, "a waits");
    err = gr_await(arg, 10, &reply);
    lab_note(lab, "a went on: %s", gr_err_name(err));
    reply = gr_msg_unref(reply);
    return GR_OK;
}

static gr_pid spawn_reentrant(struct lab *lab, const char *name)
{
    gr_props props = lab_probe_props(lab, name);

    props.reentrant = true;
    return lab_spawn_props(lab, &props, name);
}

static gr_future *future_new(struct lab *lab)
{
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    return future;
}

static void r17_other_actors_run_while_one_waits(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_pid b = lab_spawn(lab, "b");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_wait, future);
    lab_wait(lab, "a waits");
    lab_tell(lab, b, 1);
    lab_wait(lab, "b 1");
    assert_int_equal(lab_count(lab, "a went on: GR_OK"), 0);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "a went on: GR_OK");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 0);
    future = gr_future_unref(future);
}

static void r17_a_waiting_actor_handles_no_other_user_message(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_pid b = lab_spawn(lab, "b");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_wait, future);
    lab_tell(lab, a, 1);
    lab_tell(lab, a, 2);
    lab_wait(lab, "a waits");
    lab_flush(lab, b);
    assert_int_equal(lab_count(lab, "a 1"), 0);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "a 2");
    lab_assert_notes(lab, "a", "a started|a waits|a went on: GR_OK|a 1|a 2");
    future = gr_future_unref(future);
}

static void r17_a_reentrant_one_does(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_reentrant(lab, "a");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_wait, future);
    lab_tell(lab, a, 1);
    lab_tell(lab, a, 2);
    lab_wait(lab, "a 2");
    lab_assert_notes(lab, "a", "a started|a waits|a 1|a 2");
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "a went on: GR_OK");
    lab_tell(lab, a, 3);
    lab_wait(lab, "a 3");
    future = gr_future_unref(future);
}

static void r17_many_waits_of_a_reentrant_actor_end_in_any_order(void **state)
{
    struct lab *lab = *state;
    enum { WAITS = 50 };
    gr_pid a = spawn_reentrant(lab, "a");
    gr_future *futures[WAITS];

    for (size_t i = 0; i < WAITS; i++) {
        futures[i] = future_new(lab);
        lab_do(lab, a, act_wait, futures[i]);
    }
    lab_wait_times(lab, "a waits", WAITS);
    for (size_t i = WAITS; i > 0; i--) {
        assert_int_equal(gr_future_complete(futures[i - 1], lab_word_new(1)), GR_OK);
        lab_wait_times(lab, "a went on: GR_OK", WAITS - i + 1);
        futures[i - 1] = gr_future_unref(futures[i - 1]);
    }
}

/* The number of handlers inside at the same time, for one actor. */
typedef struct crowd {
    gr_future *future;
    int inside;
    int most;
} crowd;

static gr_err act_enter(gr_context *ctx, struct lab *lab, void *arg)
{
    crowd *room = arg;
    gr_msg *reply = NULL;

    (void)ctx;
    room->inside++;
    room->most = room->inside > room->most ? room->inside : room->most;
    if (gr_await(room->future, GR_FOREVER, &reply) == GR_OK) {
        reply = gr_msg_unref(reply);
    }
    room->inside--;
    lab_note(lab, "left");
    return GR_OK;
}

static void r17_handlers_of_one_actor_never_run_at_once_even_after_their_waits(void **state)
{
    struct lab *lab = *state;
    enum { GUESTS = 200 };
    gr_pid a = spawn_reentrant(lab, "a");
    crowd room = {future_new(lab), 0, 0};

    for (size_t i = 0; i < GUESTS; i++) {
        lab_do(lab, a, act_enter, &room); /* the plain counters are safe only inside one actor */
    }
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == GUESTS);
    assert_int_equal(gr_future_complete(room.future, lab_word_new(1)), GR_OK);
    lab_wait_times(lab, "left", GUESTS);
    assert_int_equal(room.inside, 0);
    assert_int_equal(room.most, GUESTS);
    room.future = gr_future_unref(room.future);
}

static void r17_system_messages_are_handled_while_an_actor_waits(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_pid r = spawn_reentrant(lab, "r");
    gr_pid watcher = lab_spawn(lab, "w");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_wait, future);
    lab_do(lab, r, act_wait, future);
    lab_wait_times(lab, "a waits", 2);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &a), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &r), GR_OK);
    gr_send_stop(lab->sys, a);
    gr_send_stop(lab->sys, r);
    lab_wait_times(lab, "w sees stopped", 2);
    assert_int_equal(lab_count(lab, "a went on: GR_ESTOPPED"), 2);
    future = gr_future_unref(future);
}

static void r19_a_wait_is_ended_by_the_actors_stop(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_wait, future);
    lab_wait(lab, "a waits");
    gr_send_stop(lab->sys, a);
    lab_wait(lab, "a stopped stopped");
    lab_assert_notes(lab, "a", "a started|a waits|a went on: GR_ESTOPPED|a stopped stopped");
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK); /* harmless */
    future = gr_future_unref(future);
}

static void r19_a_poison_waits_for_the_handler(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_wait, future);
    gr_send_poison(lab->sys, a);
    lab_wait(lab, "a waits");
    lab_flush(lab, lab_spawn(lab, "b"));
    assert_int_equal(lab_count(lab, "a stopped stopped"), 0);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "a stopped stopped");
    lab_assert_notes(lab, "a", "a started|a waits|a went on: GR_OK|a stopped stopped");
    future = gr_future_unref(future);
}

static void r19_a_wait_is_ended_by_the_actors_restart(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_reentrant(lab, "a");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_wait, future);
    lab_wait(lab, "a waits");
    lab_do(lab, a, lab_act_fail, NULL);
    lab_wait_times(lab, "a started", 2);
    lab_tell(lab, a, 1);
    lab_wait(lab, "a 1");
    lab_assert_notes(
        lab, "a", "a started|a waits|a went on: GR_ERESTARTED|a stopped restarting|a started|a 1");
    future = gr_future_unref(future);
}

static void r19_a_wait_is_ended_by_its_deadline(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_wait_briefly, future);
    if (lab->stepped != NULL) {
        lab_wait(lab, "a waits");
        lab_advance(lab, 9);
        assert_int_equal(lab_count(lab, "a went on: GR_ETIMEDOUT"), 0);
        lab_advance(lab, 1);
    }
    lab_wait(lab, "a went on: GR_ETIMEDOUT");
    future = gr_future_unref(future);
}

static gr_pid peer_of(gr_context *ctx)
{
    gr_pid peer = gr_pid_null();

    lab_require(gr_name_find(gr_context_system(ctx), "peer", &peer) == GR_OK);
    return peer;
}

static gr_err act_wait_again_and_again(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_pid peer = peer_of(ctx);
    gr_err first = gr_await(arg, GR_FOREVER, &reply);
    gr_err second = gr_await(arg, GR_FOREVER, &reply);
    gr_err third =
        gr_request(gr_context_system(ctx), peer, lab_act_new(act_wait, arg), GR_FOREVER, &reply);

    lab_note(lab, "a got %s, %s, %s", gr_err_name(first), gr_err_name(second), gr_err_name(third));
    return GR_OK;
}

static void r19_once_stopped_every_further_wait_ends_at_once(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_future *future = future_new(lab);

    (void)lab_spawn(lab, "peer");
    lab_do(lab, a, act_wait_again_and_again, future);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    gr_send_stop(lab->sys, a);
    lab_wait(lab, "a stopped stopped");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_true(lab_place(lab, "a stopped stopped") > 0);
    lab_wait(lab, "a got GR_ESTOPPED, GR_ESTOPPED, GR_ESTOPPED");
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK); /* the peer waits, too */
    future = gr_future_unref(future);
}

/* ---- requests between actors */

static gr_err act_ask_next(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid *chain = arg; /* null at its end */
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)lab;
    if (gr_pid_is_null(chain[0])) {
        return GR_OK;
    }
    err = gr_request(gr_context_system(ctx), chain[0], lab_act_new(act_ask_next, chain + 1),
                     GR_FOREVER, &reply);
    reply = gr_msg_unref(reply);
    return err;
}

static void r17_a_chain_of_requests_works_with_any_number_of_workers(void **state)
{
    struct lab *lab = *state;
    enum { LINKS = 40 };
    gr_props props = lab_probe_props(lab, "link");
    gr_pid chain[LINKS + 1];

    for (size_t i = 0; i < LINKS; i++) {
        chain[i] = lab_spawn_props(lab, &props, NULL);
    }
    chain[LINKS] = gr_pid_null();
    assert_int_equal(lab_make(lab, chain[0], act_ask_next, chain + 1), GR_OK);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 0);
}

static gr_err act_panic_after_wait(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);

    lab_require(err == GR_OK);
    reply = gr_msg_unref(reply);
    lab_note(lab, "a panics");
    gr_panic(ctx, GR_EFAILED, "after a wait");
}

static void a_panic_after_a_wait_is_a_failure_like_any_other(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_future *future = future_new(lab);

    lab_do(lab, a, act_panic_after_wait, future);
    lab_tell(lab, a, 1);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "a 1");
    lab_assert_notes(lab, "a", "a started|a panics|a stopped restarting|a started|a 1");
    future = gr_future_unref(future);
}

static gr_err act_check_message(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid sender = gr_context_sender(ctx);
    char *mine = gr_context_alloc(ctx, 64);
    gr_msg *reply = NULL;

    lab_require(mine != NULL);
    memset(mine, 0x5a, 64);
    lab_require(gr_await(arg, GR_FOREVER, &reply) == GR_OK);
    reply = gr_msg_unref(reply);
    lab_require(gr_pid_equal(sender, gr_context_sender(ctx)));
    for (size_t i = 0; i < 64; i++) {
        lab_require(mine[i] == 0x5a);
    }
    lab_note(lab, "unchanged");
    return GR_OK;
}

static void the_message_in_hand_and_its_memory_are_the_same_after_a_wait(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_reentrant(lab, "a");
    gr_future *future = future_new(lab);
    gr_future *done = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(
        gr_request_future(lab->sys, a, lab_act_new(act_check_message, future), GR_FOREVER, &done),
        GR_OK);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    for (int64_t i = 0; i < 100; i++) {
        lab_tell(lab, a, i); /* other messages in hand meanwhile */
    }
    lab_wait(lab, "a 99");
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    assert_int_equal(gr_await(done, GR_FOREVER, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    done = gr_future_unref(done);
    future = gr_future_unref(future);
}

static __attribute__((noinline)) int recurse(int depth)
{
    volatile char frame[512];

    for (size_t i = 0; i < sizeof(frame); i++) {
        frame[i] = (char)depth;
    }
    return depth == 0 ? frame[0] : recurse(depth - 1) + frame[7];
}

static gr_err act_use_stack(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;

    (void)ctx;
    (void)lab;
    (void)recurse(40); /* some 25 KiB */
    if (gr_await(arg, GR_FOREVER, &reply) == GR_OK) {
        reply = gr_msg_unref(reply);
    }
    (void)recurse(40);
    return GR_OK;
}

static void most_of_a_fibers_stack_is_the_handlers(void **state)
{
    struct lab *lab = *state;
    gr_future *future = future_new(lab);
    gr_pid a = lab_spawn(lab, "a");

    lab_do(lab, a, act_use_stack, future);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_flush(lab, a);
    future = gr_future_unref(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r17_other_actors_run_while_one_waits),
        LAB_ONE_WORKER(r17_other_actors_run_while_one_waits),
        LAB_BOTH(r17_a_waiting_actor_handles_no_other_user_message),
        LAB_ONE_WORKER(r17_a_waiting_actor_handles_no_other_user_message),
        LAB_BOTH(r17_a_reentrant_one_does),
        LAB_ONE_WORKER(r17_a_reentrant_one_does),
        LAB_BOTH(r17_many_waits_of_a_reentrant_actor_end_in_any_order),
        LAB_BOTH(r17_handlers_of_one_actor_never_run_at_once_even_after_their_waits),
        LAB_BOTH(r17_system_messages_are_handled_while_an_actor_waits),
        LAB_BOTH(r17_a_chain_of_requests_works_with_any_number_of_workers),
        LAB_ONE_WORKER(r17_a_chain_of_requests_works_with_any_number_of_workers),
        LAB_BOTH(r19_a_wait_is_ended_by_the_actors_stop),
        LAB_BOTH(r19_a_poison_waits_for_the_handler),
        LAB_BOTH(r19_a_wait_is_ended_by_the_actors_restart),
        LAB_BOTH(r19_a_wait_is_ended_by_its_deadline),
        LAB_BOTH(r19_once_stopped_every_further_wait_ends_at_once),
        LAB_BOTH(a_panic_after_a_wait_is_a_failure_like_any_other),
        LAB_BOTH(the_message_in_hand_and_its_memory_are_the_same_after_a_wait),
        LAB_BOTH(most_of_a_fibers_stack_is_the_handlers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
