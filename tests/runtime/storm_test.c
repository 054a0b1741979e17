/*
 * Storms: many actors that come, go, fail, watch, ask and wait at the same time, on threads. Nothing is looked at
 * but what must hold whatever the order: everything that was started ended, every question had one outcome, nothing
 * is left over. Meant for ThreadSanitizer above all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

enum { STORM_THREADS = 4 };

typedef struct storm {
    struct lab *lab;
    gr_pid shared[8];
    atomic_size_t started;
    atomic_size_t ended;
    atomic_size_t told;
} storm;

/* On the heap: handlers may look at it until the system has stopped. */
static storm *storm_new(struct lab *lab)
{
    storm *here = lab_own(lab, sizeof(*here));

    here->lab = lab;
    return here;
}

static size_t read_count(atomic_size_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed); /* a plain count */
}

static void add_one(atomic_size_t *count)
{
    (void)atomic_fetch_add_explicit(count, 1, memory_order_relaxed); /* a plain count */
}

static void run_threads(storm *here, void *(*fn)(void *arg))
{
    pthread_t threads[STORM_THREADS];

    for (size_t i = 0; i < STORM_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, fn, here), 0);
    }
    for (size_t i = 0; i < STORM_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* ---- coming and going */

static gr_err leaf_started(gr_context *ctx, void *state)
{
    (void)ctx;
    add_one(&((storm *)state)->started);
    return GR_OK;
}

static gr_err leaf_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_props props = {.started = leaf_started, .receive = leaf_receive, .arg = state};
    gr_pid child = gr_pid_null();

    if (word == NULL) {
        add_one(&((storm *)state)->told); /* a gr_terminated */
        return GR_OK;
    }
    if (word->number > 0) { /* a family of so many generations */
        for (int i = 0; i < 2; i++) {
            gr_err err = gr_spawn_child(ctx, &props, NULL, &child);

            lab_require(err == GR_OK || err == GR_ESTOPPED);
            if (err == GR_OK) {
                (void)gr_watch(ctx, child);
                (void)gr_send(gr_context_system(ctx), child, lab_word_new(word->number - 1));
            }
        }
    }
    if (!gr_pid_is_null(gr_context_sender(ctx))) {
        (void)gr_respond(ctx, lab_word_new(word->number));
    }
    return word->number < 0 ? gr_fatal(GR_EFAILED, "a storm") : GR_OK;
}

static void leaf_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    (void)ctx;
    (void)reason;
    add_one(&((storm *)state)->ended);
}

static gr_props leaf_props(storm *here)
{
    return (gr_props){
        .started = leaf_started, .receive = leaf_receive, .stopped = leaf_stopped, .arg = here};
}

static void *spawn_and_stop(void *arg)
{
    storm *here = arg;
    gr_props props = leaf_props(here);
    gr_system *sys = here->lab->sys;

    for (size_t i = 0; i < lab_scaled(20000); i++) {
        gr_pid pid = gr_pid_null();

        lab_require(gr_spawn(sys, &props, NULL, &pid) == GR_OK);
        (void)gr_send(sys, pid, lab_word_new(0));
        if (i % 2 == 0) {
            gr_send_stop(sys, pid);
        } else {
            gr_send_poison(sys, pid);
        }
        (void)gr_send(sys, pid, lab_word_new(0)); /* queued, dead or a dead letter */
        gr_send_stop(sys, pid);
    }
    return NULL;
}

static void spawns_and_stops_from_everywhere_balance(void **state)
{
    struct lab *lab = *state;
    storm *here = storm_new(lab);

    run_threads(here, spawn_and_stop);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(read_count(&here->started), read_count(&here->ended));
    assert_int_equal(gr_system_counters(lab->sys).spawned, read_count(&here->started));
    assert_int_equal(gr_system_counters(lab->sys).stopped, read_count(&here->started));
}

static void *families(void *arg)
{
    storm *here = arg;
    gr_props props = leaf_props(here);
    gr_system *sys = here->lab->sys;

    for (size_t i = 0; i < lab_scaled(1000); i++) {
        gr_pid pid = gr_pid_null();

        lab_require(gr_spawn(sys, &props, NULL, &pid) == GR_OK);
        (void)gr_send(sys, pid, lab_word_new(3));
        if (i % 3 == 0) {
            (void)gr_send(sys, pid, lab_word_new(-1)); /* restarts while its children grow */
        }
        gr_send_poison(sys, pid);
    }
    return NULL;
}

static void families_that_grow_fail_and_end_leave_nobody(void **state)
{
    struct lab *lab = *state;
    storm *here = storm_new(lab);

    run_threads(here, families);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(gr_system_counters(lab->sys).spawned, gr_system_counters(lab->sys).stopped);
}

/* ---- questions to those who come and go */

static void *ask_the_mortal(void *arg)
{
    storm *here = arg;
    gr_system *sys = here->lab->sys;

    for (size_t i = 0; i < lab_scaled(5000); i++) {
        gr_msg *reply = NULL;
        gr_err err = gr_request(sys, here->shared[i % 8], lab_word_new(i % 5 == 0 ? -1 : 0),
                                GR_FOREVER, &reply);

        lab_require(err == GR_OK || err == GR_EDEAD || err == GR_EFAILED);
        lab_require((reply != NULL) == (err == GR_OK));
        reply = gr_msg_unref(reply);
        if (i % 1000 == 999) {
            gr_send_stop(sys, here->shared[i / 1000 % 8]);
        }
    }
    return NULL;
}

static void every_question_has_an_outcome_while_the_asked_fail_and_stop(void **state)
{
    struct lab *lab = *state;
    storm *here = storm_new(lab);
    gr_props props = leaf_props(here);

    for (size_t i = 0; i < 8; i++) {
        here->shared[i] = lab_spawn_props(lab, &props, NULL);
    }
    run_threads(here, ask_the_mortal); /* no limit of time: a lost answer would hang here */
}

/* ---- handlers that wait for each other, stopped at any moment */

static gr_err asker_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    storm *here = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    if (word == NULL) {
        return GR_OK;
    }
    if (word->number > 0) {
        size_t whom = gr_system_random(gr_context_system(ctx)) % 8;

        /* Those that are not reentrant wait for each other in circles: the limit ends that. */
        err = gr_request(gr_context_system(ctx), here->shared[whom], lab_word_new(word->number - 1),
                         2, &reply);
        lab_require((reply != NULL) == (err == GR_OK));
        reply = gr_msg_unref(reply);
    }
    add_one(&here->told);
    (void)gr_respond(ctx, lab_word_new(0));
    return err == GR_ESTOPPED ? GR_OK : err;
}

static void *ask_askers(void *arg)
{
    storm *here = arg;

    for (size_t i = 0; i < lab_scaled(500); i++) {
        gr_msg *reply = NULL;
        gr_err err =
            gr_request(here->lab->sys, here->shared[i % 8], lab_word_new(3), GR_FOREVER, &reply);

        (void)err; /* any outcome will do, as long as there is one */
        reply = gr_msg_unref(reply);
    }
    return NULL;
}

static void handlers_that_wait_for_each_other_all_go_on(void **state)
{
    struct lab *lab = *state;
    storm *here = storm_new(lab);
    gr_props props = {.receive = asker_receive, .arg = here};

    for (size_t i = 0; i < 8; i++) {
        props.reentrant = i % 2 == 0;
        here->shared[i] = lab_spawn_props(lab, &props, NULL);
    }
    run_threads(here, ask_askers);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 0);
    assert_true(read_count(&here->told) > 0);
}

static void a_stop_in_the_middle_of_a_storm_of_waits_finishes(void **state)
{
    struct lab *lab = *state;
    storm *here = storm_new(lab);
    gr_props props = {.receive = asker_receive, .arg = here, .reentrant = true};

    for (size_t i = 0; i < 8; i++) {
        here->shared[i] = lab_spawn_props(lab, &props, NULL);
    }
    for (size_t i = 0; i < lab_scaled(20000); i++) {
        (void)gr_send(lab->sys, here->shared[i % 8], lab_word_new(4));
    }
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
    assert_int_equal(gr_system_counters(lab->sys).fibers_waiting, 0);
}

/* ---- watchers and the watched */

static void *watch_and_end(void *arg)
{
    storm *here = arg;
    gr_props props = leaf_props(here);
    gr_system *sys = here->lab->sys;

    for (size_t i = 0; i < lab_scaled(5000); i++) {
        gr_pid pid = gr_pid_null();
        gr_signal watch = {.kind = GR_SIGNAL_WATCH, .from = here->shared[i % 8]};
        gr_err err = GR_OK;

        lab_require(gr_spawn(sys, &props, NULL, &pid) == GR_OK);
        watch.to = pid;
        gr_send_stop(sys, pid);
        err = gr_signal_send(sys, &watch);
        lab_require(err == GR_OK || err == GR_EDEAD);
    }
    return NULL;
}

static void watching_those_who_end_at_that_moment_never_hangs(void **state)
{
    struct lab *lab = *state;
    storm *here = storm_new(lab);
    gr_props props = leaf_props(here);

    for (size_t i = 0; i < 8; i++) {
        here->shared[i] = lab_spawn_props(lab, &props, NULL);
    }
    run_threads(here, watch_and_end);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 8);
}

/* At each word: watches fifty that end just before or just after. Else it is told of an end. */
static gr_err watcher_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    storm *here = state;
    gr_system *sys = gr_context_system(ctx);
    gr_props props = leaf_props(here);

    if (gr_msg_read(msg, &gr_terminated_type) != NULL) {
        add_one(&here->told);
        return GR_OK;
    }
    for (size_t i = 0; i < 50; i++) {
        gr_pid pid = gr_pid_null();

        lab_require(gr_spawn(sys, &props, NULL, &pid) == GR_OK);
        if (i % 2 == 0) {
            gr_send_stop(sys, pid);
        }
        lab_require(gr_watch(ctx, pid) == GR_OK);
        gr_send_stop(sys, pid);
    }
    return gr_pid_is_null(gr_context_sender(ctx)) ? GR_OK : gr_respond(ctx, lab_word_new(0));
}

static void every_watch_is_told_of_exactly_once(void **state)
{
    struct lab *lab = *state;
    enum { WATCHERS = 8 };
    storm *here = storm_new(lab);
    gr_props props = {.receive = watcher_receive, .arg = here};
    gr_pid watchers[WATCHERS];
    size_t rounds = lab_scaled(100);

    for (size_t i = 0; i < WATCHERS; i++) {
        watchers[i] = lab_spawn_props(lab, &props, NULL);
        for (size_t round = 0; round < rounds; round++) {
            lab_tell(lab, watchers[i], 0);
        }
    }
    LAB_EVENTUALLY(lab, read_count(&here->told) == WATCHERS * rounds * 50);
    for (size_t i = 0; i < WATCHERS; i++) {
        gr_msg *reply = NULL;

        assert_int_equal(gr_request(lab->sys, watchers[i], lab_word_new(0), GR_FOREVER, &reply),
                         GR_OK);
        reply = gr_msg_unref(reply);
    }
    LAB_EVENTUALLY(lab, read_count(&here->told) == WATCHERS * (rounds + 1) * 50);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == WATCHERS);
    assert_int_equal(read_count(&here->told), WATCHERS * (rounds + 1) * 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_THREADS(spawns_and_stops_from_everywhere_balance),
        LAB_THREADS(families_that_grow_fail_and_end_leave_nobody),
        LAB_THREADS(every_question_has_an_outcome_while_the_asked_fail_and_stop),
        LAB_THREADS(handlers_that_wait_for_each_other_all_go_on),
        LAB_ONE_WORKER(handlers_that_wait_for_each_other_all_go_on),
        LAB_THREADS(a_stop_in_the_middle_of_a_storm_of_waits_finishes),
        LAB_THREADS(watching_those_who_end_at_that_moment_never_hangs),
        LAB_THREADS(every_watch_is_told_of_exactly_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
