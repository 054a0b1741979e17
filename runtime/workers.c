/*
 * The dispatcher of real threads. Each worker has a queue of its own, first in first out; what does not fit, and what
 * threads from outside schedule, goes to a common one; idle workers steal half of another's queue. Actors whose fibers wait
 * belong to one worker and go to its inbox.
 *
 * Waking a sleeping thread costs whoever wakes it 13 to 47 microseconds on the machines this was measured on, so it is
 * done rarely: never for the first actor in a worker's own queue (that worker takes it next), for a batch once, and not
 * while another worker is already searching. A worker searches for a while before it sleeps, and gives its core away while
 * it does. An actor stuck in a queue behind a handler that does not return is found by the timer thread, which looks every
 * TICK_MS while anybody is awake.
 *
 * The work-stealing queue is the one of Go's scheduler in kind: a ring with one writer at its tail, taken from at its head
 * by its owner and by thieves with compare-and-swap.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "os.h"
#include "overrun.h"

enum { RING = 1024, GLOBAL_EVERY = 61, SEARCH_ROUNDS = 40, TICK_MS = 10, IDLE_TICKS = 100 };

typedef struct ring {
    _Alignas(64) _Atomic uint32_t head; /* owner and thieves take here */
    _Alignas(64) _Atomic uint32_t tail; /* the owner puts here */
    _Atomic(gri_actor *) at[RING];
} ring;

/* A worker thread. */
typedef struct station {
    gri_worker worker;
    ring queue;
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
    /* Only the timer thread: what it saw last time. */
    uint64_t seen_turns;
    int64_t seen_at_ms;
    bool slow_logged;
} station;

struct gri_workers {
    uint32_t count;
    station *at;
    pthread_t timer_thread;
    bool timer_running;
    atomic_bool closing;
    _Alignas(64) atomic_uint searching;
    atomic_uint parked;
    _Alignas(64) pthread_mutex_t global_lock;
    gri_actor *global_first, *global_last; /* global_lock */
    atomic_uint global_count;              /* written under global_lock */
    atomic_bool timer_resting;             /* the timer thread does not tick */
};

/* ---- queues ---------------------------------------------------------------------------------------------------- */

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

/* Actors in a ring, as seen by anybody. */
static uint32_t ring_count(ring *queue)
{
    uint32_t head = atomic_load_explicit(&queue->head, memory_order_relaxed); /* a reading */
    uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed); /* a reading */

    return tail - head > RING ? 0 : tail - head;
}

static gri_actor *ring_take(ring *queue)
{
    uint32_t head =
        atomic_load_explicit(&queue->head, memory_order_acquire); /* what thieves took is gone */

    for (;;) {
        uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed); /* our own */
        gri_actor *actor = NULL;

        if (head == tail) {
            return NULL;
        }
        actor = atomic_load_explicit(&queue->at[head % RING], memory_order_relaxed); /* our own */
        /* Release: the slot has been read before the head says that it is free. */
        if (atomic_compare_exchange_weak_explicit(&queue->head, &head, head + 1,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return actor;
        }
    }
}

/* Moves half of a full ring, and the actor, to the common queue. */
static void ring_overflow(struct gri_workers *workers, ring *queue, gri_actor *actor)
{
    gri_actor *first = actor, *last = actor;
    uint32_t moved = 1;

    for (moved = 1; moved <= RING / 2; moved++) {
        gri_actor *oldest = ring_take(queue);

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

static void ring_put(struct gri_workers *workers, ring *queue, gri_actor *actor)
{
    uint32_t head = atomic_load_explicit(&queue->head,
                                         memory_order_acquire); /* slots before it have been read */
    uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed); /* our own */

    if (tail - head >= RING) {
        ring_overflow(workers, queue, actor);
        return;
    }
    atomic_store_explicit(&queue->at[tail % RING], actor,
                          memory_order_relaxed); /* published by the tail */
    atomic_store_explicit(&queue->tail, tail + 1,
                          memory_order_release); /* publishes the slot to thieves */
}

/* Takes half of a victim's ring; gives back one of them, the rest goes to the thief's own ring. */
static gri_actor *ring_steal(struct gri_workers *workers, ring *victim, ring *own)
{
    gri_actor *taken[RING / 2];
    uint32_t head = atomic_load_explicit(
        &victim->head, memory_order_acquire); /* orders the reads below after it */

    for (;;) {
        uint32_t tail = atomic_load_explicit(&victim->tail,
                                             memory_order_acquire); /* sees the slots before it */
        uint32_t count = tail - head;
        uint32_t i = 0;

        count = count - count / 2;
        if (tail == head) {
            return NULL;
        }
        if (count > RING / 2) { /* torn: head moved on between the two reads */
            head = atomic_load_explicit(&victim->head, memory_order_acquire);
            continue;
        }
        for (i = 0; i < count; i++) { /* checked by the swap of the head */
            taken[i] = atomic_load_explicit(&victim->at[(head + i) % RING], memory_order_relaxed);
        }
        if (atomic_compare_exchange_weak_explicit(
                &victim->head, &head, head + count, memory_order_acq_rel,
                memory_order_acquire)) { /* release: the slots have been read */
            for (i = 1; i < count; i++) {
                ring_put(workers, own, taken[i]);
            }
            return taken[0];
        }
    }
}

/* ---- sleeping and waking --------------------------------------------------------------------------------------- */

static bool wake_station(struct gri_workers *workers, station *sleeper)
{
    /* Acquire and release: one waker for each sleep. */
    if (!atomic_exchange_explicit(&sleeper->parked, false, memory_order_acq_rel)) {
        return false;
    }
    (void)atomic_fetch_sub_explicit(&workers->parked, 1,
                                    memory_order_seq_cst); /* see timer_main() */
    gri_parker_wake(&sleeper->parker);
    if (atomic_load_explicit(&workers->timer_resting,
                             memory_order_seq_cst)) { /* see timer_main() */
        gri_timers_wake(&sleeper->sys->timers);
    }
    return true;
}

static void wake_one(struct gri_workers *workers)
{
    uint32_t i = 0;

    for (i = 0; i < workers->count; i++) {
        if (atomic_load_explicit(&workers->at[i].parked, memory_order_relaxed) &&
            wake_station(workers, &workers->at[i])) {
            return;
        }
    }
}

/* There is more to run than those awake may get to soon. */
static void want_help(struct gri_workers *workers)
{
    if (atomic_load_explicit(&workers->parked, memory_order_seq_cst) > 0 && /* see put_global() */
        atomic_load_explicit(&workers->searching, memory_order_seq_cst) == 0) {
        wake_one(workers);
    }
}

static void put_inbox(struct gri_workers *workers, station *home, gri_actor *actor)
{
    gri_actor *old =
        atomic_load_explicit(&home->inbox, memory_order_relaxed); /* the swap checks it */

    do {
        actor->run_next = old;
        /* Release publishes the actor to its worker; sequentially consistent with the sleeper's own. */
    } while (!atomic_compare_exchange_weak_explicit(&home->inbox, &old, actor, memory_order_seq_cst,
                                                    memory_order_relaxed));
    if (atomic_load_explicit(&home->parked, memory_order_seq_cst)) {
        (void)wake_station(workers, home);
    }
}

static void bind(station *home, gri_actor *actor)
{
    actor->run_next = NULL;
    if (home->bound_last == NULL) {
        home->bound_first = actor;
    } else {
        home->bound_last->run_next = actor;
    }
    home->bound_last = actor;
}

static void schedule(gr_system *sys, gri_actor *actor)
{
    struct gri_workers *workers = sys->workers;
    gri_worker *here = gri_this_thread.worker;
    bool ours = here != NULL && here->own != NULL && ((station *)here->own)->sys == sys;

    if (actor->home != NULL) {
        if (actor->home == here) {
            bind(here->own, actor);
        } else {
            put_inbox(workers, actor->home->own, actor);
        }
        return;
    }
    if (ours) {
        station *own = here->own;

        ring_put(workers, &own->queue, actor);
        if (ring_count(&own->queue) > 1) {
            want_help(workers);
        }
        return;
    }
    put_global(workers, actor, actor, 1);
    want_help(workers);
}

static gri_actor *take_bound(station *own)
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

static gri_actor *look(station *own)
{
    struct gri_workers *workers = own->sys->workers;
    gri_actor *actor = NULL;
    uint32_t i = 0;

    own->picks++;
    if (own->picks % GLOBAL_EVERY == 0) {
        actor = take_global(workers);
    }
    if (actor == NULL && own->picks % 2 == 0) {
        actor = take_bound(own);
    }
    if (actor == NULL) {
        actor = ring_take(&own->queue);
    }
    if (actor == NULL) {
        actor = take_bound(own);
    }
    if (actor == NULL) {
        actor = take_global(workers);
    }
    for (i = 1; actor == NULL && i < workers->count; i++) {
        actor = ring_steal(workers, &workers->at[(own->worker.index + i) % workers->count].queue,
                           &own->queue);
    }
    return actor;
}

/* After this station has announced that it sleeps: is there work all the same? */
static bool any_work(station *own)
{
    struct gri_workers *workers = own->sys->workers;
    uint32_t i = 0;

    if (atomic_load_explicit(&workers->global_count, memory_order_seq_cst) >
            0 ||                                                           /* see put_global() */
        atomic_load_explicit(&own->inbox, memory_order_seq_cst) != NULL || /* see put_inbox() */
        atomic_load_explicit(&workers->closing,
                             memory_order_seq_cst)) { /* see gri_workers_stop() */
        return true;
    }
    for (i = 0; i < workers->count; i++) {
        if (ring_count(&workers->at[i].queue) > 1) {
            return true;
        }
    }
    return false;
}

static void sleep_until_woken(station *own)
{
    struct gri_workers *workers = own->sys->workers;

    gri_pool_flush();
    atomic_store_explicit(
        &own->parked, true,
        memory_order_seq_cst); /* announced before the last look: see want_help() */
    (void)atomic_fetch_add_explicit(&workers->parked, 1, memory_order_seq_cst);
    if (any_work(own) && atomic_exchange_explicit(&own->parked, false, memory_order_acq_rel)) {
        (void)atomic_fetch_sub_explicit(&workers->parked, 1,
                                        memory_order_relaxed); /* nobody woke us: we did */
        return;
    }
    (void)gri_parker_wait(&own->parker, INT64_MAX);
}

static void stop_searching(station *own)
{
    struct gri_workers *workers = own->sys->workers;

    if (own->searching) {
        own->searching = false;
        (void)atomic_fetch_sub_explicit(&workers->searching, 1,
                                        memory_order_seq_cst); /* see want_help() */
    }
}

static gri_actor *search(station *own)
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
                                    memory_order_seq_cst); /* see want_help() */
    for (round = 0; round < SEARCH_ROUNDS && actor == NULL; round++) {
        actor = look(own);
        if (actor == NULL) {
            (void)sched_yield(); /* a spinning worker must not keep other processes from the core */
        }
    }
    stop_searching(own);
    if (actor == NULL) {
        actor = look(own); /* what was scheduled while we were counted as searching woke nobody */
    } else if (ring_count(&own->queue) > 0 ||
               atomic_load_explicit(&workers->global_count, memory_order_relaxed) >
                   0) {     /* a hint */
        want_help(workers); /* whoever put it counted on us, and there is more */
    }
    return actor;
}

static gri_actor *next(gri_worker *worker)
{
    station *own = worker->own;
    struct gri_workers *workers = own->sys->workers;
    gri_actor *actor = NULL;

    /* Relaxed: the monitor reads it late. */
    atomic_store_explicit(&worker->running, NULL, memory_order_relaxed);
    for (;;) {
        actor = look(own);
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

static const gri_dispatcher_ops thread_ops = {schedule, next};

/* ---- threads ---------------------------------------------------------------------------------------------------- */

static void *station_main(void *arg)
{
    station *own = arg;
    gri_signal_stack signals;

    gri_overrun_watch(&signals);
    gri_worker_run(&own->worker);
    gri_overrun_unwatch(&signals);
    gri_pool_flush();
    return NULL;
}

/* Warns of handlers that run long, and sends help to actors queued behind them. */
static void monitor(gr_system *sys, int64_t now_ms)
{
    struct gri_workers *workers = sys->workers;
    uint32_t i = 0;

    for (i = 0; i < workers->count; i++) {
        station *seen = &workers->at[i];
        uint64_t turns =
            atomic_load_explicit(&seen->worker.turns, memory_order_relaxed); /* a reading */
        gri_actor *running =
            atomic_load_explicit(&seen->worker.running, memory_order_acquire); /* and its pid */
        const gr_type *type =
            atomic_load_explicit(&seen->worker.running_type, memory_order_relaxed); /* a reading */

        if (running == NULL || turns != seen->seen_turns) {
            seen->seen_turns = turns;
            seen->seen_at_ms = now_ms;
            seen->slow_logged = false;
            continue;
        }
        if (ring_count(&seen->queue) > 0) {
            want_help(workers);
        }
        if (!seen->slow_logged && now_ms - seen->seen_at_ms >= (int64_t)sys->slow_handler_ms) {
            char pid[GR_PID_TEXT_BYTES];

            seen->slow_logged = true;
            gr_system_log(
                sys, GR_LOG_WARN, "GR-ACTOR-SLOW", "actor %s has been handling one %s for %lld ms",
                gr_pid_format(gri_actor_pid(running), pid), type == NULL ? "hook" : type->name,
                (long long)(now_ms - seen->seen_at_ms));
        }
    }
}

static void *timer_main(void *arg)
{
    gr_system *sys = arg;
    struct gri_workers *workers = sys->workers;
    int idle = 0;

    while (!atomic_load_explicit(&workers->closing, memory_order_acquire)) {
        int64_t now_ms = gri_os_now_ms();
        bool resting = false;
        int64_t until_ms = 0;

        while (gri_timers_fire_one(&sys->timers, now_ms)) {
        }
        gri_pool_flush();
        monitor(sys, now_ms);
        idle = atomic_load_explicit(&workers->parked, memory_order_relaxed) == workers->count
                   ? idle + 1
                   : 0; /* a hint */
        resting = idle > IDLE_TICKS;
        /* Sequentially consistent, with wake_station(): who wakes a worker sees that we rest, or we see the worker. */
        atomic_store_explicit(&workers->timer_resting, resting, memory_order_seq_cst);
        resting = resting &&
                  atomic_load_explicit(&workers->parked, memory_order_seq_cst) == workers->count;
        until_ms = gri_timers_next(&sys->timers);
        if (!resting && until_ms > now_ms + TICK_MS) {
            until_ms = now_ms + TICK_MS;
        }
        gri_timers_sleep(&sys->timers, now_ms, until_ms);
    }
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
    sys->workers = workers;
    sys->ops = &thread_ops;
    workers->at = gri_alloc_aligned(64, sizeof(station) * count);
    if (workers->at == NULL) {
        return GRI_FAIL(GR_ENOMEM, "%u workers", count);
    }
    memset(workers->at, 0, sizeof(station) * count);
    for (i = 0; i < count; i++) {
        station *own = &workers->at[i];

        own->sys = sys;
        gri_parker_init(&own->parker);
        workers->count = i + 1;
        if (gri_worker_init(&own->worker, &thread_ops, i, stack_bytes) != GR_OK) {
            return GR_ENOMEM;
        }
        own->worker.own = own;
    }
    for (i = 0; i < count; i++) {
        if (pthread_create(&workers->at[i].thread, NULL, station_main, &workers->at[i]) != 0) {
            return GRI_FAIL(GR_EIO,
                            "cannot start worker thread %u of %u: ask for fewer with `workers`",
                            i + 1, count);
        }
        workers->at[i].running = true;
    }
    if (pthread_create(&workers->timer_thread, NULL, timer_main, sys) != 0) {
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
    atomic_store_explicit(&workers->closing, true, memory_order_seq_cst); /* see any_work() */
    gri_timers_wake(&sys->timers);
    if (workers->timer_running) {
        (void)pthread_join(workers->timer_thread, NULL);
        workers->timer_running = false;
    }
    for (i = 0; i < workers->count; i++) {
        (void)wake_station(workers, &workers->at[i]);
    }
    for (i = 0; i < workers->count; i++) {
        station *own = &workers->at[i];

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
    return all;
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
        gri_parker_fini(&workers->at[i].parker);
    }
    (void)pthread_mutex_destroy(&workers->global_lock);
    gri_free(workers->at);
    gri_free(workers);
    sys->workers = NULL;
}

void gri_workers_describe_hung(gr_system *sys, char *text, size_t bytes)
{
    struct gri_workers *workers = sys->workers;
    uint32_t i = 0;

    (void)snprintf(text, bytes, "actors are still stopping");
    for (i = 0; workers != NULL && i < workers->count; i++) {
        gri_actor *running = atomic_load_explicit(&workers->at[i].worker.running,
                                                  memory_order_acquire); /* and its pid */
        const gr_type *type =
            atomic_load_explicit(&workers->at[i].worker.running_type, memory_order_relaxed);

        if (running != NULL) {
            gr_pid pid = gri_actor_pid(running);
            char pid_text[GR_PID_TEXT_BYTES];
            char name[GR_NAME_BYTES_MAX + 1];

            /* Nothing else of it may be read: it may be ending just now. */
            gri_name_of(sys, pid, name, sizeof(name));
            (void)snprintf(text, bytes, "actor %s %s is still handling %s",
                           gr_pid_format(pid, pid_text), name,
                           type == NULL ? "a hook" : type->name);
            return;
        }
    }
}

gri_worker *gri_workers_at(gr_system *sys, uint32_t index)
{
    return sys->workers == NULL || index >= sys->workers->count ? NULL
                                                                : &sys->workers->at[index].worker;
}
