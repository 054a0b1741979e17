/*
 * The threads of a system: workers and the one of alarms, started, stopped, freed. See workers_internal.h for the rest of the
 * dispatcher.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "workers_internal.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>
#include <gri/thread.h>

#include "os.h"
#include "overrun.h"

static const gri_dispatcher_ops thread_ops = {gri_workers_schedule, gri_workers_next};

static void *station_main(void *arg)
{
    gri_station *own = arg;
    gri_signal_stack signals;

    gri_overrun_watch(&signals);
    gri_worker_run(&own->worker);
    gri_overrun_unwatch(&signals);
    gri_pool_flush();
    return NULL;
}

gr_err gri_workers_start(gr_system *sys, uint32_t count, uint32_t stack_bytes)
{
    struct gri_workers *workers = gri_alloc_aligned(64, (sizeof(*workers) + 63) & ~(size_t)63);
    uint32_t i = 0;

    if (workers == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the workers");
    }
    memset(workers, 0, sizeof(*workers));
    (void)pthread_mutex_init(&workers->global_lock, NULL);
    (void)pthread_mutex_init(&workers->pinned_lock, NULL);
    sys->workers = workers;
    sys->ops = &thread_ops;
    workers->at = gri_alloc_aligned(64, sizeof(gri_station) * count);
    if (workers->at == NULL) {
        return GRI_FAIL(GR_ENOMEM, "%u workers", count);
    }
    memset(workers->at, 0, sizeof(gri_station) * count);
    for (i = 0; i < count; i++) {
        gri_station *own = &workers->at[i];

        own->sys = sys;
        own->seen_turns = GRI_TURNS_UNSEEN;
        gri_parker_init(&own->parker);
        workers->count = i + 1;
        if (gri_worker_init(&own->worker, &thread_ops, i, stack_bytes) != GR_OK) {
            return GR_ENOMEM;
        }
        own->worker.own = own;
    }
    for (i = 0; i < count; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "gr-worker-%u", i % 10000);
        if (gri_thread_start(&workers->at[i].thread, name, station_main, &workers->at[i]) != 0) {
            return GRI_FAIL(GR_EIO,
                            "cannot start worker thread %u of %u: ask for fewer with `workers`",
                            i + 1, count);
        }
        workers->at[i].running = true;
    }
    if (gri_thread_start(&workers->timer_thread, "gr-timer", gri_workers_tick, sys) != 0) {
        return GRI_FAIL(GR_EIO, "cannot start the timer thread");
    }
    workers->timer_running = true;
    return GR_OK;
}

bool gri_workers_stop(gr_system *sys)
{
    struct gri_workers *workers = sys->workers;
    bool all = true;
    uint32_t i = 0;

    if (workers == NULL) {
        return true;
    }
    atomic_store_explicit(&workers->closing, true,
                          memory_order_seq_cst); /* see any_work(), idle.c */
    gri_timers_wake(&sys->timers);
    if (workers->timer_running) {
        (void)pthread_join(workers->timer_thread, NULL);
        workers->timer_running = false;
    }
    for (i = 0; i < workers->count; i++) {
        (void)gri_station_wake(workers, &workers->at[i]);
    }
    for (i = 0; i < workers->count; i++) {
        gri_station *own = &workers->at[i];

        if (!own->running) {
            continue;
        }
        /* A worker inside a handler will not come back in time: its system was told so by gr_system_stop(). */
        if (sys->abandoned) {
            (void)pthread_detach(own->thread);
            all = false;
        } else {
            (void)pthread_join(own->thread, NULL);
        }
        own->running = false;
    }
    return gri_pinned_stop(workers, sys->abandoned) && all;
}

void gri_workers_free(gr_system *sys)
{
    struct gri_workers *workers = sys->workers;
    uint32_t i = 0;

    if (workers == NULL) {
        return;
    }
    for (i = 0; i < workers->count; i++) {
        gri_worker_fini(&workers->at[i].worker);
    }
    gri_pinned_free(workers);
    (void)pthread_mutex_destroy(&workers->pinned_lock);
    (void)pthread_mutex_destroy(&workers->global_lock);
    gri_free(workers->at);
    gri_free(workers);
    sys->workers = NULL;
}

typedef struct hung {
    gr_system *sys;
    char *text;
    size_t bytes;
    bool found;
} hung;

static void look_for_hung(void *arg, gri_worker *worker)
{
    hung *look = arg;
    gri_actor *running =
        atomic_load_explicit(&worker->running, memory_order_acquire); /* and its pid */
    const gr_type *type = atomic_load_explicit(&worker->running_type, memory_order_relaxed);
    char pid_text[GR_PID_TEXT_BYTES];
    char name[GRI_KNOWN_BYTES];
    gr_pid pid;

    if (running == NULL || look->found) {
        return;
    }
    look->found = true;
    pid = gri_actor_pid(running);
    /* Nothing else of it may be read: it may be ending just now. */
    (void)snprintf(look->text, look->bytes, "actor %s (%s) is still handling %s",
                   gr_pid_format(pid, pid_text), gri_name_with_type(running, pid, name),
                   type == NULL ? "a hook" : type->name);
}

void gri_workers_describe_hung(gr_system *sys, char *text, size_t bytes)
{
    struct gri_workers *workers = sys->workers;
    hung look = {sys, text, bytes, false};
    uint32_t i = 0;

    (void)snprintf(text, bytes, "actors are still stopping");
    for (i = 0; workers != NULL && i < workers->count; i++) {
        look_for_hung(&look, &workers->at[i].worker);
    }
    if (workers != NULL) {
        gri_pinned_each(workers, look_for_hung, &look);
    }
}

void gri_workers_each(gr_system *sys, void (*fn)(void *arg, gri_worker *worker), void *arg)
{
    struct gri_workers *workers = sys->workers;
    uint32_t i = 0;

    for (i = 0; workers != NULL && i < workers->count; i++) {
        fn(arg, &workers->at[i].worker);
    }
    if (workers != NULL) {
        gri_pinned_each(workers, fn, arg);
    }
}

gri_worker *gri_workers_at(gr_system *sys, uint32_t index)
{
    return sys->workers == NULL || index >= sys->workers->count ? NULL
                                                                : &sys->workers->at[index].worker;
}

gri_worker *gri_workers_here(gr_system *sys)
{
    gri_worker *worker = gri_this_thread.worker;

    /* What a worker's `own` is depends on its dispatcher: a stepper's, or a pinned actor's, is no worker of this kind. */
    return worker != NULL && worker->ops == &thread_ops &&
                   ((const gri_station *)worker->own)->sys == sys
               ? worker
               : NULL;
}
