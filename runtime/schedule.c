/*
 * The queues that actors go through: a worker's own ring, the common queue, the inbox of a worker for actors that belong to
 * it. Any thread schedules; only workers take.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "workers_internal.h"

enum { GLOBAL_EVERY = 61 };

static void put_global(struct gri_workers *workers, gri_actor *first, gri_actor *last,
                       uint32_t count)
{
    last->run_next = NULL;
    (void)pthread_mutex_lock(&workers->global_lock);
    if (workers->global_last == NULL) {
        workers->global_first = first;
    } else {
        workers->global_last->run_next = first;
    }
    workers->global_last = last;
    /* Sequentially consistent, with the sleeper's own: either it sees this, or we see that it sleeps. */
    (void)atomic_fetch_add_explicit(&workers->global_count, count, memory_order_seq_cst);
    (void)pthread_mutex_unlock(&workers->global_lock);
}

static gri_actor *take_global(struct gri_workers *workers)
{
    gri_actor *actor = NULL;

    /* Relaxed: a hint; a sleeper looks again after it has announced itself. */
    if (atomic_load_explicit(&workers->global_count, memory_order_relaxed) == 0) {
        return NULL;
    }
    (void)pthread_mutex_lock(&workers->global_lock);
    actor = workers->global_first;
    if (actor != NULL) {
        workers->global_first = actor->run_next;
        if (workers->global_first == NULL) {
            workers->global_last = NULL;
        }
        (void)atomic_fetch_sub_explicit(&workers->global_count, 1,
                                        memory_order_relaxed); /* under the lock */
    }
    (void)pthread_mutex_unlock(&workers->global_lock);
    return actor;
}

/* Moves half of a full ring, and the actor, to the common queue. */
static void overflow(struct gri_workers *workers, gri_ring *queue, gri_actor *actor)
{
    gri_actor *first = actor, *last = actor;
    uint32_t moved = 1;

    for (moved = 1; moved <= GRI_RING / 2; moved++) {
        gri_actor *oldest = gri_ring_take(queue);

        if (oldest == NULL) {
            break;
        }
        if (first == actor) {
            first = oldest;
        } else {
            last->run_next = oldest;
        }
        last = oldest;
    }
    if (first != actor) {
        last->run_next = actor;
        last = actor;
    }
    put_global(workers, first, last, moved);
}

static inline void put_own(struct gri_workers *workers, gri_ring *queue, gri_actor *actor)
{
    if (!gri_ring_put(queue, actor)) {
        overflow(workers, queue, actor);
    }
}

/* Steals half of another worker's queue; gives back one of them, the rest goes to the thief's own. */
static gri_actor *steal(struct gri_workers *workers, gri_station *victim, gri_station *own)
{
    gri_actor *taken[GRI_RING / 2];
    uint32_t count = gri_ring_steal(&victim->queue, taken);
    uint32_t i = 0;

    for (i = 1; i < count; i++) {
        put_own(workers, &own->queue, taken[i]);
    }
    return count == 0 ? NULL : taken[0];
}

static void put_inbox(struct gri_workers *workers, gri_station *home, gri_actor *actor)
{
    gri_actor *old =
        atomic_load_explicit(&home->inbox, memory_order_relaxed); /* the swap checks it */

    do {
        actor->run_next = old;
        /* Release publishes the actor to its worker; sequentially consistent with the sleeper's own. */
    } while (!atomic_compare_exchange_weak_explicit(&home->inbox, &old, actor, memory_order_seq_cst,
                                                    memory_order_relaxed));
    if (atomic_load_explicit(&home->parked, memory_order_seq_cst)) {
        if (home->pinned) {
            gri_pinned_wake(home);
        } else {
            (void)gri_station_wake(workers, home);
        }
    }
}

static void bind(gri_station *home, gri_actor *actor)
{
    actor->run_next = NULL;
    if (home->bound_last == NULL) {
        home->bound_first = actor;
    } else {
        home->bound_last->run_next = actor;
    }
    home->bound_last = actor;
}

void gri_workers_schedule(gr_system *sys, gri_actor *actor)
{
    struct gri_workers *workers = sys->workers;
    gri_worker *here = gri_this_thread.worker;
    gri_station *own = NULL;

    if (actor->home != NULL) {
        if (actor->home == here) {
            bind(here->own, actor);
        } else {
            put_inbox(workers, actor->home->own, actor);
        }
        return;
    }
    /* As gri_workers_here(): what `own` is depends on the dispatcher. */
    own = here != NULL && here->ops == sys->ops ? here->own : NULL;
    if (own != NULL && own->sys == sys) {
        put_own(workers, &own->queue, actor);
        if (gri_ring_count(&own->queue) > 1) {
            gri_workers_want_help(workers);
        }
        return;
    }
    put_global(workers, actor, actor, 1);
    gri_workers_want_help(workers);
}

gri_actor *gri_station_take_bound(gri_station *own)
{
    gri_actor *actor = own->bound_first;

    /* Relaxed: a hint; the exchange below acquires. */
    if (actor == NULL && atomic_load_explicit(&own->inbox, memory_order_relaxed) != NULL) {
        gri_actor *newest =
            atomic_exchange_explicit(&own->inbox, NULL, memory_order_acquire); /* sees the actors */
        gri_actor *older = NULL;

        while (newest != NULL) {
            gri_actor *next = newest->run_next;

            newest->run_next = older;
            if (older == NULL) {
                own->bound_last = newest;
            }
            older = newest;
            newest = next;
        }
        own->bound_first = older;
        actor = older;
    }
    if (actor != NULL) {
        own->bound_first = actor->run_next;
        if (own->bound_first == NULL) {
            own->bound_last = NULL;
        }
    }
    return actor;
}

gri_actor *gri_station_look(gri_station *own)
{
    struct gri_workers *workers = own->sys->workers;
    gri_actor *actor = NULL;
    uint32_t i = 0;

    own->picks++;
    if (own->picks % GLOBAL_EVERY == 0) {
        actor = take_global(workers);
    }
    if (actor == NULL && own->picks % 2 == 0) {
        actor = gri_station_take_bound(own);
    }
    if (actor == NULL) {
        actor = gri_ring_take(&own->queue);
    }
    if (actor == NULL) {
        actor = gri_station_take_bound(own);
    }
    if (actor == NULL) {
        actor = take_global(workers);
    }
    for (i = 1; actor == NULL && i < workers->count; i++) {
        actor = steal(workers, &workers->at[(own->worker.index + i) % workers->count], own);
    }
    return actor;
}
