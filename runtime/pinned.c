/*
 * Threads of their own for pinned actors. Such a thread runs one actor, and whatever waits on that actor's fibers; nobody
 * steals from it, and what its handlers make ready goes to the common queue. It ends with its actor, and its memory is used
 * by the next one that is made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "workers_internal.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>
#include <gri/thread.h>

#include "overrun.h"

typedef struct gri_pinned {
    gri_station station;
    LIST_ENTRY(gri_pinned) next; /* pinned_lock */
    atomic_bool ending;          /* its actor has gone */
    atomic_bool over;            /* the thread has nothing more to do */
} gri_pinned;

static gri_pinned *pinned_of(gri_worker *worker)
{
    return (gri_pinned *)worker->own; /* its first member is the station */
}

static bool is_ending(gri_pinned *pinned)
{
    /* Sequentially consistent, with the sleep: either it sees this, or who sets it sees that it sleeps. */
    return atomic_load_explicit(&pinned->ending, memory_order_seq_cst) ||
           atomic_load_explicit(&pinned->station.sys->workers->closing, memory_order_seq_cst);
}

static gri_actor *next(gri_worker *worker)
{
    gri_pinned *pinned = pinned_of(worker);
    gri_station *own = &pinned->station;

    /* Relaxed: read late by who describes a thread that hangs. */
    atomic_store_explicit(&worker->running, NULL, memory_order_relaxed);
    for (;;) {
        gri_actor *actor = gri_station_take_bound(own);

        if (actor != NULL) {
            return actor;
        }
        if (is_ending(pinned)) {
            return NULL;
        }
        gri_pool_flush();
        /* Announced before the last look: see put_inbox(), schedule.c. */
        atomic_store_explicit(&own->parked, true, memory_order_seq_cst);
        if (atomic_load_explicit(&own->inbox, memory_order_seq_cst) == NULL && !is_ending(pinned)) {
            (void)gri_parker_wait(&own->parker, INT64_MAX);
        } else if (!atomic_exchange_explicit(&own->parked, false, memory_order_acq_rel)) {
            (void)gri_parker_wait(&own->parker, INT64_MAX); /* the wake is on its way */
        }
    }
}

static const gri_dispatcher_ops pinned_ops = {gri_workers_schedule, next};

static void *pinned_main(void *arg)
{
    gri_pinned *pinned = arg;
    gri_signal_stack signals;

    gri_overrun_watch(&signals);
    gri_worker_run(&pinned->station.worker);
    gri_overrun_unwatch(&signals);
    gri_pool_flush();
    /* Release: who joins the thread sees all of it gone. */
    atomic_store_explicit(&pinned->over, true, memory_order_release);
    return NULL;
}

static void add_turns(gri_worker *sum, const gri_worker *worker)
{
    /* Relaxed, all: counts. */
    atomic_store_explicit(&sum->turns,
                          atomic_load_explicit(&sum->turns, memory_order_relaxed) +
                              atomic_load_explicit(&worker->turns, memory_order_relaxed),
                          memory_order_relaxed);
}

/* Takes back those whose thread has come to its end; gives back one of them, out of the lists, or NULL. Their memory stays for
 * as long as the system: somebody may still look whether such a station sleeps, see put_inbox(), schedule.c. */
static gri_pinned *reap(struct gri_workers *workers)
{
    gri_pinned *pinned = NULL;
    gri_pinned *following = NULL;

    (void)pthread_mutex_lock(&workers->pinned_lock);
    for (pinned = LIST_FIRST(&workers->pinned); pinned != NULL; pinned = following) {
        following = LIST_NEXT(pinned, next);
        if (atomic_load_explicit(&pinned->over, memory_order_acquire)) { /* see pinned_main() */
            (void)pthread_join(pinned->station.thread, NULL); /* it has nothing left to do */
            add_turns(&workers->ended, &pinned->station.worker);
            gri_worker_fini(&pinned->station.worker);
            LIST_REMOVE(pinned, next);
            LIST_INSERT_HEAD(&workers->resting, pinned, next);
        }
    }
    pinned = LIST_FIRST(&workers->resting);
    if (pinned != NULL) {
        LIST_REMOVE(pinned, next);
    }
    (void)pthread_mutex_unlock(&workers->pinned_lock);
    return pinned;
}

static void rest(struct gri_workers *workers, gri_pinned *pinned)
{
    (void)pthread_mutex_lock(&workers->pinned_lock);
    LIST_INSERT_HEAD(&workers->resting, pinned, next);
    (void)pthread_mutex_unlock(&workers->pinned_lock);
}

static gri_pinned *pinned_make(gr_system *sys)
{
    gri_pinned *pinned = gri_alloc_aligned(64, (sizeof(*pinned) + 63) & ~(size_t)63);

    if (pinned != NULL) {
        memset(pinned, 0, sizeof(*pinned));
        pinned->station.sys = sys;
        pinned->station.pinned = true;
        gri_parker_init(&pinned->station.parker);
    }
    return pinned;
}

gr_err gri_pinned_new(gr_system *sys, const char *type_name, uint32_t stack_bytes,
                      gri_worker **out_worker)
{
    struct gri_workers *workers = sys->workers;
    gri_pinned *pinned = reap(workers);
    char name[16];
    int failed = 0;

    pinned = pinned != NULL ? pinned : pinned_make(sys);
    if (pinned == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a thread for a pinned %s", type_name);
    }
    /* Relaxed, both: the thread that looks at them is started below. */
    atomic_store_explicit(&pinned->ending, false, memory_order_relaxed);
    atomic_store_explicit(&pinned->over, false, memory_order_relaxed);
    if (gri_worker_init(&pinned->station.worker, &pinned_ops, 0, stack_bytes) != GR_OK) {
        rest(workers, pinned);
        return GR_ENOMEM;
    }
    pinned->station.worker.own = &pinned->station;
    (void)snprintf(name, sizeof(name), "gr-pin-%s", type_name);
    (void)pthread_mutex_lock(&workers->pinned_lock);
    failed = gri_thread_start(&pinned->station.thread, name, pinned_main, pinned);
    if (failed == 0) {
        LIST_INSERT_HEAD(&workers->pinned, pinned, next);
    }
    (void)pthread_mutex_unlock(&workers->pinned_lock);
    if (failed != 0) {
        gri_worker_fini(&pinned->station.worker);
        rest(workers, pinned);
        return GRI_FAIL(GR_EIO, "cannot start a thread for a pinned %s: %s", type_name,
                        strerror(failed));
    }
    *out_worker = &pinned->station.worker;
    return GR_OK;
}

void gri_pinned_wake(gri_station *station)
{
    /* Acquire and release: one waker for each sleep. */
    if (atomic_exchange_explicit(&station->parked, false, memory_order_acq_rel)) {
        gri_parker_wake(&station->parker);
    }
}

void gri_pinned_end(gri_worker *worker)
{
    gri_pinned *pinned = pinned_of(worker);

    atomic_store_explicit(&pinned->ending, true, memory_order_seq_cst); /* see is_ending() */
    gri_pinned_wake(&pinned->station);
}

bool gri_pinned_stop(struct gri_workers *workers, bool abandoned)
{
    gri_pinned *pinned = NULL;
    bool all = true;

    LIST_FOREACH (pinned, &workers->pinned, next) { /* closing has been set, so none is added */
        gri_pinned_wake(&pinned->station);
    }
    LIST_FOREACH (pinned, &workers->pinned, next) {
        if (abandoned) {
            (void)pthread_detach(pinned->station.thread);
            all = false;
        } else {
            (void)pthread_join(pinned->station.thread, NULL);
        }
    }
    return all;
}

void gri_pinned_free(struct gri_workers *workers)
{
    gri_pinned *pinned = NULL;

    while ((pinned = LIST_FIRST(&workers->pinned)) != NULL) {
        LIST_REMOVE(pinned, next);
        gri_worker_fini(&pinned->station.worker);
        gri_free(pinned);
    }
    while ((pinned = LIST_FIRST(&workers->resting)) != NULL) {
        LIST_REMOVE(pinned, next);
        gri_free(pinned);
    }
}

void gri_pinned_each(struct gri_workers *workers, void (*fn)(void *arg, gri_worker *worker),
                     void *arg)
{
    gri_pinned *pinned = NULL;

    (void)pthread_mutex_lock(&workers->pinned_lock);
    LIST_FOREACH (pinned, &workers->pinned, next) {
        fn(arg, &pinned->station.worker);
    }
    fn(arg, &workers->ended);
    (void)pthread_mutex_unlock(&workers->pinned_lock);
}
