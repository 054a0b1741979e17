/*
 * Actor systems: workers, actors, timers and names of one world. Several live in one process and do
 * not see each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_SYSTEM_H
#define GRANARY_SYSTEM_H

#include <stdio.h>

#include <granary/actor.h>

GR_BEGIN_DECLS

typedef enum gr_log_level {
    GR_LOG_DEFAULT = 0, /* GR_LOG_WARN */
    GR_LOG_ERROR = 1,
    GR_LOG_WARN = 2,
    GR_LOG_INFO = 3,
    GR_LOG_DEBUG = 4
} gr_log_level;

/** Takes one line of log, without a newline; `id` is a stable name such as "GR-ACTOR-FAILED".
 * Called from any thread. */
typedef void (*gr_log_fn)(void *arg, gr_log_level level, const char *id, const char *text);

/**
 * What gr_system_options.log may be: a line on stderr, with the time, the level and the id; or nothing.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_log_stderr(void *arg, gr_log_level level, const char *id, const char *text);
GR_API void gr_log_none(void *arg, gr_log_level level, const char *id, const char *text);

/** Seams; see <granary/runtime_spi.h>. */
struct gr_stepped;

/** See <granary/middleware.h>. */
struct gr_middleware;

/** Zero in a field means its default. */
typedef struct gr_system_options {
    const char *name;     /* for logs and dumps; default "granary" */
    uint32_t workers;     /* threads; default one for each core */
    uint32_t throughput;  /* messages an actor handles before others get the worker; default 300 */
    uint32_t stack_bytes; /* of a fiber: 16 KiB to 256 MiB; default 64 KiB */
    uint32_t slow_handler_ms; /* a handler that runs longer is logged; default 1000 */
    gr_supervision root;      /* for actors without a parent and without a guardian */
    const struct gr_middleware *const
        *middleware; /* around all actors, up to NULL, outermost first */
    gr_log_fn log;   /* default gr_log_stderr; gr_log_none for silence */
    void *log_arg;
    gr_log_level log_level; /* up to which lines are passed to `log`; default GR_LOG_WARN */
    struct gr_stepped
        *stepped; /* run under a seed, in the caller's thread, on virtual time; default: threads */
} gr_system_options;

/**
 * Starts a system.
 *
 * Owns:    the system is yours: gr_system_stop() and gr_system_free() it. `options` may be NULL.
 * Errors:  GR_EINVAL a bad option, GR_ENOMEM, GR_EIO no threads or stacks to be had.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_system_new(const gr_system_options *options, gr_system **out_sys);

/**
 * Stops all actors and waits for them. From the moment it is called spawns are refused, and what is
 * sent is refused or becomes a dead letter when its receiver has come to its end.
 *
 * Owns:    nothing.
 * Errors:  GR_ETIMEDOUT a handler did not return in time: the detail names it; GR_EINVAL called
 *          from a handler or hook, of whatever system, or from a function subscribed to events:
 *          then nothing happens. Stopping twice is harmless.
 * Thread:  any but handlers.
 * Units:   milliseconds; GR_FOREVER = no limit; with 0 or less all are asked to stop, and nobody is waited for.
 */
GR_API gr_err gr_system_stop(gr_system *sys, int64_t timeout_ms);

/**
 * Frees a system, stopping it first (without a limit) when that has not been done. After a
 * gr_system_stop() that ran out of time the threads that hang are left behind together with the
 * memory they may still touch.
 *
 * Owns:    takes the system and returns NULL; NULL is fine.
 * Errors:  none; where gr_system_stop() is refused as GR_EINVAL, so is this: the system is returned,
 *          as it was, and remains yours.
 * Thread:  any but handlers.
 * Units:   none.
 */
GR_API gr_system *gr_system_free(gr_system *take_sys);

/** What a system has counted since its start. */
typedef struct gr_counters {
    uint64_t actors; /* alive now */
    uint64_t spawned;
    uint64_t stopped;
    uint64_t restarts;
    uint64_t failures;
    uint64_t dead_letters;
    uint64_t
        late_replies; /* answers that came after their future had ended; dead letters, but for those of a broadcast */
    uint64_t refused; /* by full mailboxes */
    uint64_t dropped; /* by mailboxes that drop the oldest */
    uint64_t fibers;  /* alive now, pooled ones included */
    uint64_t fibers_waiting;
    uint64_t turns;         /* of handlers and hooks on workers */
    uint64_t spawns_failed; /* refused, or their started hook failed */
    uint64_t given_up;    /* actors that a supervisor stopped, after their failure or a sibling's */
    uint64_t resumes;     /* failures after which the actor went on as it was */
    uint64_t escalations; /* failures that were handed up */
    uint64_t timeouts;    /* futures, and waits for them, that ended at their deadline */
    uint64_t slow_handlers;  /* that ran longer than slow_handler_ms; not when stepped */
    uint64_t errors_unheard; /* that handlers returned for what nobody waits for */
    uint64_t
        ticks_left_out; /* of repeating timers, because one was waiting or the time had passed */
} gr_counters;

/**
 * Reads the counters; each is exact, together they are not one moment.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_counters gr_system_counters(gr_system *sys);

/**
 * Writes what is alive: counters, what each worker runs, and of each actor its type, name, state, mailbox depth and what it
 * waits for.
 *
 * Owns:    `out` stays yours.
 * Errors:  none.
 * Thread:  any; the lines of different actors are not one moment.
 * Units:   none.
 */
GR_API void gr_system_dump(gr_system *sys, FILE *out);

/**
 * This system's part of its pids.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API uint64_t gr_system_node(const gr_system *sys);

/**
 * Milliseconds by the system's clock, which does not go back and counts while the machine sleeps;
 * virtual when stepped.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  any.
 * Units:   milliseconds from an unspecified start.
 */
GR_API int64_t gr_system_now(const gr_system *sys);

GR_END_DECLS
#endif
