/*
 * The thread of alarms of a system with real threads. It looks every TICK_MS while anybody is awake: it warns of handlers that
 * run long, and finds help for actors that are stuck in a queue behind a handler that does not return.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "workers_internal.h"

#include "os.h"

enum { TICK_MS = 10, IDLE_TICKS = 100 };

/* Warns of handlers that run long, and sends help to actors queued behind them. */
static void monitor(gr_system *sys, int64_t now_ms)
{
    struct gri_workers *workers = sys->workers;
    uint32_t i = 0;

    for (i = 0; i < workers->count; i++) {
        gri_station *seen = &workers->at[i];
        uint64_t turns =
            atomic_load_explicit(&seen->worker.turns, memory_order_relaxed); /* a reading */
        gri_actor *running =
            atomic_load_explicit(&seen->worker.running, memory_order_acquire); /* and its pid */
        const gr_type *type =
            atomic_load_explicit(&seen->worker.running_type, memory_order_relaxed); /* a reading */

        if (running == NULL || turns != seen->seen_turns) {
            seen->seen_turns = running == NULL ? GRI_TURNS_UNSEEN : turns;
            seen->seen_at_ms = now_ms;
            seen->slow_logged = false;
            continue;
        }
        if (gri_ring_count(&seen->queue) > 0) {
            gri_workers_want_help(workers);
        }
        if (!seen->slow_logged && now_ms - seen->seen_at_ms >= (int64_t)sys->slow_handler_ms) {
            gr_pid whose = gri_actor_pid(running);
            char pid[GR_PID_TEXT_BYTES];
            char name[GRI_KNOWN_BYTES];

            seen->slow_logged = true;
            gri_count(&sys->slow_handlers, 1);
            gri_actor_ask(running, whose.generation, GRI_ASKED_TELL_SLOW);
            gr_system_log(sys, GR_LOG_WARN, "GR-ACTOR-SLOW",
                          "actor %s (%s) has been handling one %s for %lld ms",
                          gr_pid_format(whose, pid), gri_name_with_type(running, whose, name),
                          type == NULL ? "hook" : type->name,
                          (long long)(now_ms - seen->seen_at_ms));
        }
    }
}

void *gri_workers_tick(void *arg)
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
        /* Sequentially consistent, with gri_station_wake(): who wakes a worker sees that we rest, or we see the worker. */
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
