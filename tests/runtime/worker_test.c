/*
 * Workers: everybody gets a turn, nobody is stuck behind a handler that does not return, and slow handlers are
 * named. On threads only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <semaphore.h>
#include <stdatomic.h>

/* Sends itself the next word until it is told to stop. */
typedef struct runner {
    atomic_bool enough;
} runner;

static gr_err runner_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    runner *mine = state;

    (void)msg;
    /* Relaxed: only ends the run. */
    return atomic_load_explicit(&mine->enough, memory_order_relaxed)
               ? GR_OK
               : gr_context_send(ctx, gr_context_self(ctx), lab_word_new(1));
}

static void an_actor_with_endless_work_lets_others_run(void **state)
{
    struct lab *lab = *state;
    runner *run = lab_own(lab, sizeof(*run));
    gr_props props = {.receive = runner_receive, .arg = run};
    gr_pid pids[3];

    for (size_t i = 0; i < 3; i++) { /* as many as there are workers, or more */
        pids[i] = lab_spawn_props(lab, &props, NULL);
        lab_tell(lab, pids[i], 1);
    }
    for (int64_t i = 0; i < 20; i++) {
        lab_flush(lab, lab_spawn(lab, "other"));
        gr_send_stop(lab->sys, pids[0]); /* and is itself reached by a stop */
        gr_pid found = gr_pid_null();
        assert_int_equal(gr_name_find(lab->sys, "other", &found), GR_OK);
        gr_send_stop(lab->sys, found);
        LAB_EVENTUALLY(lab, gr_name_find(lab->sys, "other", &found) == GR_ENOTFOUND);
    }
    /* Relaxed: only ends the run. */
    atomic_store_explicit(&run->enough, true, memory_order_relaxed);
}

/* Holds its worker until another actor has run. */
typedef struct knot {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool untied;
    gr_pid other;
} knot;

static gr_err act_untie(gr_context *ctx, struct lab *lab, void *arg)
{
    knot *here = arg;

    (void)ctx;
    (void)lab;
    (void)pthread_mutex_lock(&here->lock);
    here->untied = true;
    (void)pthread_cond_broadcast(&here->changed);
    (void)pthread_mutex_unlock(&here->lock);
    return GR_OK;
}

static gr_err act_hold(gr_context *ctx, struct lab *lab, void *arg)
{
    knot *here = arg;

    (void)lab;
    lab_require(gr_send(gr_context_system(ctx), here->other, lab_act_new(act_untie, here)) ==
                GR_OK);
    (void)pthread_mutex_lock(&here->lock);
    while (!here->untied) {
        (void)pthread_cond_wait(&here->changed, &here->lock);
    }
    (void)pthread_mutex_unlock(&here->lock);
    return GR_OK;
}

static void an_actor_queued_behind_a_handler_that_hangs_runs_elsewhere(void **state)
{
    struct lab *lab = *state;

    for (size_t i = 0; i < 20; i++) {
        knot *here = lab_own(lab, sizeof(*here));
        gr_props props = lab_probe_props(lab, "x");

        (void)pthread_mutex_init(&here->lock, NULL);
        (void)pthread_cond_init(&here->changed, NULL);
        here->other = lab_spawn_props(lab, &props, NULL);
        assert_int_equal(lab_make(lab, lab_spawn_props(lab, &props, NULL), act_hold, here), GR_OK);
    }
}

/* ---- many at once */

enum { CROWD = 5000 };

static gr_err act_wake_all(gr_context *ctx, struct lab *lab, void *arg)
{
    const gr_pid *pids = arg;

    (void)lab;
    for (size_t i = 0; i < CROWD; i++) {
        lab_require(gr_context_send(ctx, pids[i], lab_word_new((int64_t)i)) == GR_OK);
    }
    return GR_OK;
}

static gr_err count_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)msg;
    /* Relaxed: a plain count. */
    (void)atomic_fetch_add_explicit((atomic_size_t *)state, 1, memory_order_relaxed);
    return GR_OK;
}

static void all_of_a_crowd_that_one_handler_makes_ready_run(void **state)
{
    struct lab *lab = *state;
    atomic_size_t *count = lab_own(lab, sizeof(*count));
    gr_props props = {.receive = count_receive, .arg = count};
    gr_pid *pids = lab_own(lab, CROWD * sizeof(*pids));

    for (size_t i = 0; i < CROWD; i++) {
        pids[i] = lab_spawn_props(lab, &props, NULL);
    }
    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_wake_all, pids), GR_OK);
    /* Relaxed: a plain count. */
    LAB_EVENTUALLY(lab, atomic_load_explicit(count, memory_order_relaxed) == CROWD);
}

/* ---- slow handlers */

typedef struct slow {
    struct lab *lab;
    knot here;
} slow;

static void on_log(void *arg, gr_log_level level, const char *id, const char *text)
{
    slow *mine = arg;

    (void)level;
    if (strcmp(id, "GR-ACTOR-SLOW") == 0 && strstr(text, "has been handling") != NULL) {
        lab_note(mine->lab, "slow: %s",
                 strstr(text, " snail) has been handling one lab_act") == NULL ? "?" : "lab_act");
        (void)act_untie(NULL, NULL, &mine->here);
    } else if (strcmp(id, "GR-ACTOR-SLOW") == 0) {
        lab_note(mine->lab, "was slow: %s", strstr(text, " snail)") == NULL ? "?" : "snail");
    }
}

static gr_err act_be_slow(gr_context *ctx, struct lab *lab, void *arg)
{
    knot *here = &((slow *)arg)->here;

    (void)ctx;
    (void)lab;
    (void)pthread_mutex_lock(&here->lock);
    while (!here->untied) { /* until it has been noticed */
        (void)pthread_cond_wait(&here->changed, &here->lock);
    }
    (void)pthread_mutex_unlock(&here->lock);
    return GR_OK;
}

static void a_slow_handler_is_logged_with_its_message_type_and_then_its_actor(void **state)
{
    struct lab *lab = *state;
    slow *mine = lab_own(lab, sizeof(*mine));
    gr_system_options options = {
        .log = on_log, .log_arg = mine, .log_level = GR_LOG_DEBUG, .slow_handler_ms = 20};

    mine->lab = lab;
    (void)pthread_mutex_init(&mine->here.lock, NULL);
    (void)pthread_cond_init(&mine->here.changed, NULL);
    lab_reopen(lab, &options);
    assert_int_equal(lab_make(lab, lab_spawn(lab, "snail"), act_be_slow, mine), GR_OK);
    lab_wait(lab, "slow: lab_act");
    lab_wait(lab, "was slow: snail");
    assert_int_equal(lab_count(lab, "slow: lab_act"), 1);
}

/* Keeps the thread that tells it of an end until the thread of alarms, which looks for slow handlers, has looked twice. */
typedef struct keeper {
    struct lab *lab;
    gr_alarm alarm;
    sem_t rung;
} keeper;

static void ring(void *arg)
{
    (void)sem_post(&((keeper *)arg)->rung);
}

static void keeper_deliver(void *self, gr_pid to, gr_msg *msg)
{
    keeper *mine = self;

    (void)to;
    (void)gr_msg_unref(msg);
    for (int i = 0; i < 3; i++) {
        gr_alarm_set(&mine->alarm, gr_system_now(mine->lab->sys) + 1);
        (void)sem_wait(&mine->rung);
    }
    lab_note(mine->lab, "kept");
}

static void on_any_slow(void *arg, gr_log_level level, const char *id, const char *text)
{
    (void)level;
    if (strcmp(id, "GR-ACTOR-SLOW") == 0) {
        lab_note(arg, "%s", text);
    }
}

static void a_worker_that_has_handled_nothing_yet_is_not_taken_for_slow(void **state)
{
    static const gr_process_ops ops = {GR_PROCESS_VERSION, "keeper", keeper_deliver, NULL};
    struct lab *lab = *state;
    keeper *mine = lab_own(lab, sizeof(*mine));
    gr_props props = {.receive = runner_receive};
    gr_system_options options = {
        .log = on_any_slow, .log_arg = lab, .log_level = GR_LOG_DEBUG, .slow_handler_ms = 20000};
    gr_signal signal = {.kind = GR_SIGNAL_WATCH};

    mine->lab = lab;
    lab_reopen(lab, &options);
    (void)sem_init(&mine->rung, 0, 0);
    gr_alarm_init(&mine->alarm, lab->sys, ring, mine);
    assert_int_equal(gr_process_open(lab->sys, &ops, mine, 0, &signal.from), GR_OK);
    signal.to = lab_spawn_props(lab, &props, NULL);
    assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    gr_send_stop(lab->sys, signal.to);
    lab_wait(lab, "kept");
    gr_alarm_fini(&mine->alarm);
    lab_assert_notes(lab, "", "kept");
    gr_process_close(lab->sys, signal.from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_THREADS(an_actor_with_endless_work_lets_others_run),
        LAB_ONE_WORKER(an_actor_with_endless_work_lets_others_run),
        LAB_THREADS(an_actor_queued_behind_a_handler_that_hangs_runs_elsewhere),
        LAB_THREADS(all_of_a_crowd_that_one_handler_makes_ready_run),
        LAB_ONE_WORKER(all_of_a_crowd_that_one_handler_makes_ready_run),
        LAB_THREADS(a_slow_handler_is_logged_with_its_message_type_and_then_its_actor),
        LAB_THREADS(a_worker_that_has_handled_nothing_yet_is_not_taken_for_slow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
