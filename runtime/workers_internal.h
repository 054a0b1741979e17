/*
 * The dispatcher of real threads, in five files: its threads (workers.c), the queues that actors go through (schedule.c),
 * sleeping, searching and waking (idle.c), the thread of alarms, which also looks after stuck workers (ticker.c), and threads
 * for single actors (pinned.c).
 *
 * Each worker has a queue of its own, first in first out; what does not fit, and what threads from outside schedule, goes to
 * a common one; idle workers steal half of another's queue. Actors whose fibers wait belong to one worker and go to its
 * inbox.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_WORKERS_INTERNAL_H
#define GRI_WORKERS_INTERNAL_H

#include "ring.h"

/* No count of turns. */
#define GRI_TURNS_UNSEEN UINT64_MAX

/* A worker thread. */
typedef struct gri_station {
    gri_worker worker;
    gri_ring queue;
    _Alignas(64) _Atomic(gri_actor *)
        inbox; /* a stack of actors bound to this worker, from any thread */
    _Alignas(64) gri_actor *bound_first; /* only the worker: those taken from the inbox, in order */
    gri_actor *bound_last;
    uint32_t picks;
    bool searching;
    gri_parker parker;
    atomic_bool parked; /* who sets it back to false wakes the worker */
    gr_system *sys;
    pthread_t thread;
    bool running; /* the thread was started */
    bool pinned;  /* it belongs to one actor, see pinned.c */
    /* Only the timer thread: what it saw last time. */
    uint64_t seen_turns; /* GRI_TURNS_UNSEEN: it was idle */
    int64_t seen_at_ms;
    bool slow_logged;
} gri_station;

struct gri_workers {
    uint32_t count;
    gri_station *at;
    pthread_t timer_thread;
    bool timer_running;
    atomic_bool closing;
    _Alignas(64) atomic_uint searching;
    atomic_uint parked;
    _Alignas(64) pthread_mutex_t global_lock;
    gri_actor *global_first, *global_last; /* global_lock */
    atomic_uint global_count;              /* written under global_lock */
    atomic_bool timer_resting;             /* the timer thread does not tick */
    pthread_mutex_t pinned_lock;
    LIST_HEAD(, gri_pinned) pinned;  /* pinned_lock */
    LIST_HEAD(, gri_pinned) resting; /* pinned_lock; their threads have ended */
    gri_worker ended;                /* pinned_lock; runs nothing: what those have counted */
};

/* schedule.c */
void gri_workers_schedule(gr_system *sys, gri_actor *actor);
/* One of those that belong to it, or NULL. */
gri_actor *gri_station_take_bound(gri_station *own);
/* The next actor for a worker, from wherever there is one; NULL: there is none now. */
gri_actor *gri_station_look(gri_station *own);

/* idle.c */
gri_actor *gri_workers_next(gri_worker *worker);
/* False when it was not asleep. */
bool gri_station_wake(struct gri_workers *workers, gri_station *sleeper);
void gri_workers_wake_one(struct gri_workers *workers);

/* pinned.c */
void gri_pinned_wake(gri_station *station);
/* When no more are made. False: some thread hangs in a handler. */
bool gri_pinned_stop(struct gri_workers *workers, bool abandoned);
void gri_pinned_free(struct gri_workers *workers);
void gri_pinned_each(struct gri_workers *workers, void (*fn)(void *arg, gri_worker *worker),
                     void *arg);

/* ticker.c: the thread of alarms; `arg` is the system */
void *gri_workers_tick(void *arg);

/* There is more to run than those awake may get to soon. */
static inline void gri_workers_want_help(struct gri_workers *workers)
{
    if (atomic_load_explicit(&workers->parked, memory_order_seq_cst) >
            0 && /* see put_global(), schedule.c */
        atomic_load_explicit(&workers->searching, memory_order_seq_cst) == 0) {
        gri_workers_wake_one(workers);
    }
}

#endif
