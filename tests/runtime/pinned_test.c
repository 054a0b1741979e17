/*
 * Actors with a thread of their own, and actors with a larger stack. Behaviours r17, r18, r19, r33.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <dirent.h>
#include <stdatomic.h>

static gr_pid spawn_pinned(struct lab *lab, const char *name)
{
    gr_props props = lab_probe_props(lab, name);

    props.pinned = true;
    return lab_spawn_props(lab, &props, name);
}

/* ---- its own thread */

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open; /* lock */
} gate;

static gate *gate_new(struct lab *lab)
{
    gate *fresh = lab_own(lab, sizeof(*fresh));

    (void)pthread_mutex_init(&fresh->lock, NULL);
    (void)pthread_cond_init(&fresh->opened, NULL);
    return fresh;
}

static void gate_open(gate *shut)
{
    (void)pthread_mutex_lock(&shut->lock);
    shut->open = true;
    (void)pthread_cond_broadcast(&shut->opened);
    (void)pthread_mutex_unlock(&shut->lock);
}

static gr_err act_block(gr_context *ctx, struct lab *lab, void *arg)
{
    gate *shut = arg;

    (void)ctx;
    lab_note(lab, "blocks");
    (void)pthread_mutex_lock(&shut->lock);
    while (!shut->open) {
        (void)pthread_cond_wait(&shut->opened, &shut->lock);
    }
    (void)pthread_mutex_unlock(&shut->lock);
    return GR_OK;
}

static void r17_a_pinned_actor_that_blocks_keeps_nobody_else_from_running(void **state)
{
    struct lab *lab = *state;
    gate *shut = gate_new(lab);
    gr_pid pinned = spawn_pinned(lab, "p");
    gr_pid other = lab_spawn(lab, "b");

    lab_do(lab, pinned, act_block, shut);
    lab_wait(lab, "blocks");
    lab_tell(lab, other, 1); /* there is one worker */
    lab_wait(lab, "b 1");
    lab_tell(lab, pinned, 2);
    assert_int_equal(lab_count(lab, "p 2"), 0);
    gate_open(shut);
    lab_wait(lab, "p 2");
}

typedef struct where {
    pthread_t thread;
    gr_pid peer;
    bool same;
} where;

static gr_err act_where(gr_context *ctx, struct lab *lab, void *arg)
{
    where *out = arg;

    (void)ctx;
    (void)lab;
    out->thread = pthread_self();
    return GR_OK;
}

/* Asks a peer and looks where it goes on. */
static gr_err act_ask(gr_context *ctx, struct lab *lab, void *arg)
{
    where *out = arg;
    pthread_t before = pthread_self();
    gr_msg *reply = NULL;
    gr_err err = gr_request(gr_context_system(ctx), out->peer, lab_word_new(7), GR_FOREVER, &reply);

    (void)lab;
    (void)gr_msg_unref(reply);
    out->same = pthread_equal(before, pthread_self());
    return err;
}

static void r17_a_pinned_actor_stays_on_its_thread_through_waits_and_restarts(void **state)
{
    struct lab *lab = *state;
    gr_pid pinned = spawn_pinned(lab, "p");
    where *first = lab_own(lab, sizeof(*first)), *then = lab_own(lab, sizeof(*then));
    where *other = lab_own(lab, sizeof(*other));

    then->peer = lab_spawn(lab, "b");
    assert_int_equal(lab_make(lab, pinned, act_where, first), GR_OK);
    assert_int_equal(lab_make(lab, pinned, act_ask, then), GR_OK);
    assert_true(then->same);
    lab_do(lab, pinned, lab_act_fail, NULL);
    assert_int_equal(lab_make(lab, pinned, act_where, then), GR_OK);
    assert_int_equal(lab_count(lab, "p started"), 2);
    assert_true(pthread_equal(first->thread, then->thread));
    assert_int_equal(lab_make(lab, then->peer, act_where, other), GR_OK);
    assert_false(pthread_equal(first->thread, other->thread));
}

static gr_err act_make_busy(gr_context *ctx, struct lab *lab, void *arg)
{
    gate *shut = arg;

    (void)ctx;
    lab_note(lab, "makes busy");
    return act_block(NULL, lab, shut);
}

/* Wakes another actor, then blocks: that one must not be queued behind it. */
static gr_err act_wake_and_block(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid other;

    if (gr_name_find(gr_context_system(ctx), "b", &other) != GR_OK ||
        gr_send(gr_context_system(ctx), other, lab_word_new(3)) != GR_OK) {
        return gr_fatal(GR_EFAILED, "nobody to wake");
    }
    return act_make_busy(ctx, lab, arg);
}

static void r17_what_a_pinned_actor_makes_ready_runs_elsewhere(void **state)
{
    struct lab *lab = *state;
    gate *shut = gate_new(lab);
    gr_pid pinned = spawn_pinned(lab, "p");

    (void)lab_spawn(lab, "b");
    lab_do(lab, pinned, act_wake_and_block, shut);
    lab_wait(lab, "b 3");
    gate_open(shut);
    lab_flush(lab, pinned);
}

/* ---- its end */

static size_t threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t count = 0;

    while (readdir(tasks) != NULL) {
        count++;
    }
    (void)closedir(tasks);
    return count;
}

static void r02_a_pinned_actors_thread_ends_with_it(void **state)
{
    struct lab *lab = *state;
    size_t before = threads();
    size_t rounds = lab_scaled(200);

    for (size_t i = 0; i < rounds; i++) {
        gr_pid pinned = spawn_pinned(lab, NULL);

        lab_tell(lab, pinned, (int64_t)i);
        gr_send_poison(lab->sys, pinned);
    }
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    LAB_EVENTUALLY(lab, threads() <= before + 1);
    assert_int_equal(lab_dead(lab), 0);
}

/* Some at a time, as many times as asked for; waits until their threads have gone. */
static void start_and_stop_pinned(struct lab *lab, size_t times, size_t threads_before)
{
    enum { AT_ONCE = 5 };
    gr_props props = lab_probe_props(lab, "p");

    props.pinned = true;
    props.started = NULL; /* its notes would be the growth that is looked for */
    props.stopped = NULL;
    for (size_t i = 0; i < times; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++) {
            gr_pid pinned = lab_spawn_props(lab, &props, NULL);

            lab_flush(lab, pinned);
            gr_send_stop(lab->sys, pinned);
        }
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
        LAB_EVENTUALLY(lab, threads() <= threads_before);
    }
}

static void r02_a_thousand_pinned_actors_leave_neither_memory_nor_threads(void **state)
{
    /* Of slack. The stacks of one take some 150 of addresses and 4 of memory; malloc takes 16384 for another arena at times. */
    enum { OF_ADDRESSES = 65536, OF_MEMORY = 128 };
    struct lab *lab = *state;
    size_t alive = threads();
    size_t all = 0, there = 0;

    start_and_stop_pinned(lab, 50, alive); /* what is kept for the next ones is there now */
    all = lab_pages(false);
    there = lab_pages(true);
    start_and_stop_pinned(lab, lab_scaled(1000), alive);
    assert_int_equal(gr_system_counters(lab->sys).spawned, 50 + lab_scaled(1000));
    assert_true(lab_pages(false) <= all + OF_ADDRESSES);
    assert_true(lab_pages(true) <= there + OF_MEMORY);
}

static gr_err no_start(gr_context *ctx, void *state)
{
    (void)ctx;
    (void)state;
    return gr_fail(GR_EIO, "not today");
}

static void turns_of_pinned_actors_that_have_gone_stay_counted(void **state)
{
    struct lab *lab = *state;
    uint64_t turns = 0;

    for (int i = 0; i < 4; i++) { /* the thread of one is used by the next */
        gr_props props = lab_probe_props(lab, "p");
        gr_pid pid = gr_pid_null();

        props.pinned = true;
        pid = lab_spawn_props(lab, &props, NULL);
        lab_flush(lab, pid);
        assert_true(gr_system_counters(lab->sys).turns > turns);
        turns = gr_system_counters(lab->sys).turns;
        gr_send_stop(lab->sys, pid);
        assert_int_equal(gr_await_end(lab->sys, pid, GR_FOREVER, NULL), GR_OK);
        assert_true(gr_system_counters(lab->sys).turns >= turns);
    }
}

static void r01_a_pinned_actor_that_does_not_start_leaves_no_thread(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "p");
    size_t before = threads();
    gr_pid pid;

    props.pinned = true;
    props.started = no_start;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(gr_spawn(lab->sys, &props, "p", &pid), GR_EIO);
    }
    LAB_EVENTUALLY(lab, threads() <= before + 1);
}

static gr_err act_wait_for_ever(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_future *never = NULL;
    gr_msg *reply = NULL;
    gr_err err = gr_future_new(gr_context_system(ctx), GR_FOREVER, &never);

    (void)arg;
    if (err == GR_OK) {
        lab_note(lab, "waits");
        err = gr_await(never, GR_FOREVER, &reply);
        (void)gr_future_unref(never);
    }
    lab_note(lab, "wait ended: %s", gr_err_name(err));
    return GR_OK;
}

static void r19_a_stop_ends_the_wait_of_a_pinned_actor(void **state)
{
    struct lab *lab = *state;
    gr_pid pinned = spawn_pinned(lab, "p");

    lab_do(lab, pinned, act_wait_for_ever, NULL);
    lab_wait(lab, "waits");
    gr_send_stop(lab->sys, pinned);
    lab_wait(lab, "p stopped stopped");
    assert_int_equal(lab_count(lab, "wait ended: GR_ESTOPPED"), 1);
}

static void r33_a_pinned_handler_that_hangs_is_named_when_its_system_stops(void **state)
{
    struct lab *lab = *state;
    gate *shut = gate_new(lab);
    gr_pid pinned = spawn_pinned(lab, "stuck");

    lab_do(lab, pinned, act_block, shut);
    lab_wait(lab, "blocks");
    assert_int_equal(gr_system_stop(lab->sys, 50), GR_ETIMEDOUT);
    assert_non_null(strstr(gr_last_error()->text, "stuck"));
    gate_open(shut);
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
}

/* ---- larger stacks */

enum { LARGE_BYTES = 1024 * 1024, DEEP = 700 };

/* Uses a kilobyte of stack on each of `left` levels, and waits on the last. */
static gr_err dive(gr_context *ctx, int left, gr_pid peer) __attribute__((noinline));

static gr_err dive(gr_context *ctx, int left, gr_pid peer)
{
    volatile char frame[1024];
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    for (size_t i = 0; i < sizeof(frame); i += 64) {
        frame[i] = (char)left;
    }
    if (left > 0) {
        err = dive(ctx, left - 1, peer);
    } else {
        err = gr_request(gr_context_system(ctx), peer, lab_word_new(1), GR_FOREVER, &reply);
        (void)gr_msg_unref(reply);
    }
    for (size_t i = 0; i < sizeof(frame); i += 64) {
        err = err == GR_OK && frame[i] != (char)left ? GR_EFAILED : err;
    }
    return err;
}

static gr_err act_dive(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return dive(ctx, DEEP, *(gr_pid *)arg);
}

static void r18_an_actor_may_ask_for_a_larger_stack_than_others(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.stack_bytes = 16 * 1024, .workers = 1};
    gr_pid peer;
    gr_props props;

    lab_reopen(lab, &options);
    peer = lab_spawn(lab, "b");
    props = lab_probe_props(lab, "diver");
    props.stack_bytes = LARGE_BYTES;
    for (int round = 0; round < 3; round++) {
        gr_pid divers[4];

        for (size_t i = 0; i < 4; i++) {
            divers[i] = lab_spawn_props(lab, &props, NULL);
            lab_do(lab, divers[i], act_dive, &peer);
        }
        for (size_t i = 0; i < 4; i++) {
            lab_flush(lab, divers[i]);
            assert_int_equal(lab_make(lab, divers[i], act_dive, &peer), GR_OK);
            gr_send_stop(lab->sys, divers[i]);
        }
    }
    lab_tell(lab, peer, 2);
    lab_wait(lab, "b 2");
}

static void r18_a_pinned_actor_may_have_a_larger_stack(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.stack_bytes = 16 * 1024};
    gr_props props;
    gr_pid peer;

    lab_reopen(lab, &options);
    peer = lab_spawn(lab, "b");
    props = lab_probe_props(lab, "diver");
    props.stack_bytes = LARGE_BYTES;
    props.pinned = true;
    assert_int_equal(lab_make(lab, lab_spawn_props(lab, &props, NULL), act_dive, &peer), GR_OK);
}

static void wrong_stacks_are_refused(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid;

    props.stack_bytes = 1000;
    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "stack_bytes 1000"));
    props.stack_bytes = 1 << 30;
    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "stack_bytes 1073741824"));
}

static void a_pinned_actor_runs_like_any_other_under_the_stepper(void **state)
{
    struct lab *lab = *state;
    gr_pid pinned = spawn_pinned(lab, "p");

    lab_tell(lab, pinned, 1);
    gr_send_poison(lab->sys, pinned);
    lab_run(lab);
    lab_assert_notes(lab, "p", "p started|p 1|p stopped stopped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_ONE_WORKER(r17_a_pinned_actor_that_blocks_keeps_nobody_else_from_running),
        LAB_THREADS(r17_a_pinned_actor_stays_on_its_thread_through_waits_and_restarts),
        LAB_ONE_WORKER(r17_what_a_pinned_actor_makes_ready_runs_elsewhere),
        LAB_THREADS(r02_a_pinned_actors_thread_ends_with_it),
        LAB_THREADS(r02_a_thousand_pinned_actors_leave_neither_memory_nor_threads),
        LAB_THREADS(r01_a_pinned_actor_that_does_not_start_leaves_no_thread),
        LAB_THREADS(turns_of_pinned_actors_that_have_gone_stay_counted),
        LAB_THREADS(r19_a_stop_ends_the_wait_of_a_pinned_actor),
        LAB_THREADS(r33_a_pinned_handler_that_hangs_is_named_when_its_system_stops),
        LAB_BOTH(r18_an_actor_may_ask_for_a_larger_stack_than_others),
        LAB_THREADS(r18_a_pinned_actor_may_have_a_larger_stack),
        LAB_STEPPED(wrong_stacks_are_refused),
        LAB_STEPPED(a_pinned_actor_runs_like_any_other_under_the_stepper),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
