/*
 * Idle workers: searching, sleeping, being woken.
 *
 * Waking a sleeping thread costs whoever wakes it 13 to 47 microseconds on the machines this was measured on, so it is
 * done rarely: never for the first actor in a worker's own queue (that worker takes it next), for a batch once, and not
 * while another worker is already searching. A worker searches for a while before it sleeps, and gives its core away while
 * it does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "workers_internal.h"

#include <sched.h>

enum { SEARCH_ROUNDS = 40 };

/* Whoever has taken a worker's announcement back: it sleeps no more. */
static void one_less_sleeps(struct gri_workers *workers, gri_station *own)
{
    (void)atomic_fetch_sub_explicit(&workers->parked, 1,
                                    memory_order_seq_cst); /* see gri_workers_tick() */
    if (atomic_load_explicit(&workers->timer_resting,
                             memory_order_seq_cst)) { /* see gri_workers_tick() */
        gri_timers_wake(&own->sys->timers);
    }
}

bool gri_station_wake(struct gri_workers *workers, gri_station *sleeper)
{
    /* Acquire and release: one waker for each sleep. */
    if (!atomic_exchange_explicit(&sleeper->parked, false, memory_order_acq_rel)) {
        return false;
    }
    one_less_sleeps(workers, sleeper);
    gri_parker_wake(&sleeper->parker);
    return true;
}

void gri_workers_wake_one(struct gri_workers *workers)
{
    uint32_t i = 0;

    for (i = 0; i < workers->count; i++) {
        if (atomic_load_explicit(&workers->at[i].parked, memory_order_relaxed) &&
            gri_station_wake(workers, &workers->at[i])) {
            return;
        }
    }
}

/* After this station has announced that it sleeps: is there work all the same? */
static bool any_work(gri_station *own)
{
    struct gri_workers *workers = own->sys->workers;
    uint32_t i = 0;

    if (atomic_load_explicit(&workers->global_count, memory_order_seq_cst) >
            0 || /* see put_global(), schedule.c */
        atomic_load_explicit(&own->inbox, memory_order_seq_cst) != NULL || /* see put_inbox() */
        atomic_load_explicit(&workers->closing,
                             memory_order_seq_cst)) { /* see gri_workers_stop() */
        return true;
    }
    for (i = 0; i < workers->count; i++) {
        if (gri_ring_count(&workers->at[i].queue) > 1) {
            return true;
        }
    }
    return false;
}

static void sleep_until_woken(gri_station *own)
{
    struct gri_workers *workers = own->sys->workers;

    gri_pool_flush();
    atomic_store_explicit(
        &own->parked, true,
        memory_order_seq_cst); /* announced before the last look: see gri_workers_want_help() */
    /* After the flag, so that who sees the count sees whom it counts. A waker in between makes it one too low for a moment. */
    (void)atomic_fetch_add_explicit(&workers->parked, 1, memory_order_seq_cst);
    if (any_work(own) && atomic_exchange_explicit(&own->parked, false, memory_order_acq_rel)) {
        one_less_sleeps(workers, own); /* nobody woke us: we did */
        return;
    }
    (void)gri_parker_wait(&own->parker, INT64_MAX);
}

static void stop_searching(gri_station *own)
{
    struct gri_workers *workers = own->sys->workers;

    if (own->searching) {
        own->searching = false;
        (void)atomic_fetch_sub_explicit(&workers->searching, 1,
                                        memory_order_seq_cst); /* see gri_workers_want_help() */
    }
}

static gri_actor *search(gri_station *own)
{
    struct gri_workers *workers = own->sys->workers;
    gri_actor *actor = NULL;
    int round = 0;

    /* One searcher for two workers is enough; the others may sleep. A count, a hint. */
    if (atomic_load_explicit(&workers->searching, memory_order_relaxed) * 2 >= workers->count &&
        workers->count > 1) {
        return NULL;
    }
    own->searching = true;
    (void)atomic_fetch_add_explicit(&workers->searching, 1,
                                    memory_order_seq_cst); /* see gri_workers_want_help() */
    for (round = 0; round < SEARCH_ROUNDS && actor == NULL; round++) {
        actor = gri_station_look(own);
        if (actor == NULL) {
            (void)sched_yield(); /* a spinning worker must not keep other processes from the core */
        }
    }
    stop_searching(own);
    if (actor == NULL) {
        actor = gri_station_look(
            own); /* what was scheduled while we were counted as searching woke nobody */
    } else if (gri_ring_count(&own->queue) > 0 ||
               atomic_load_explicit(&workers->global_count, memory_order_relaxed) >
                   0) {                 /* a hint */
        gri_workers_want_help(workers); /* whoever put it counted on us, and there is more */
    }
    return actor;
}

gri_actor *gri_workers_next(gri_worker *worker)
{
    gri_station *own = worker->own;
    struct gri_workers *workers = own->sys->workers;
    gri_actor *actor = NULL;

    /* Relaxed: the monitor reads it late. */
    atomic_store_explicit(&worker->running, NULL, memory_order_relaxed);
    for (;;) {
        actor = gri_station_look(own);
        if (actor != NULL) {
            break;
        }
        if (atomic_load_explicit(&workers->closing,
                                 memory_order_acquire)) { /* sees what stopped before */
            return NULL;
        }
        actor = search(own);
        if (actor != NULL) {
            break;
        }
        sleep_until_woken(own);
    }
    return actor;
}
