/*
 * Supervision: what becomes of an actor that has failed. Its parent's supervision decides; for an actor without a parent its
 * guardian's, or else the system's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_SUPERVISOR_H
#define GRANARY_SUPERVISOR_H

#include <granary/error.h>
#include <granary/pid.h>

GR_BEGIN_DECLS

typedef enum gr_directive {
    GR_RESTART = 0, /* new state, mailbox kept, the message that failed is dropped */
    GR_RESUME = 1,  /* state and mailbox kept, the message that failed is dropped */
    GR_STOP = 2,    /* the actor ends with GR_REASON_FAILED */
    GR_ESCALATE = 3 /* the parent fails with the same error; a guardian leaves it to the system,
                       which stops the actor when it says so, too */
} gr_directive;

/** Whom a restart or a stop concerns. Resuming and escalating are about the one that failed. */
typedef enum gr_strategy {
    GR_ONE_FOR_ONE = 0, /* the child that failed */
    GR_ALL_FOR_ONE =
        1 /* all children of the parent, for those that depend on each other; they share
                           one count of restarts and one back-off. Only children: not for guardians
                           and not for the system */
} gr_strategy;

/** Decides by the error; NULL in gr_supervision means always GR_RESTART. `arg` is the decide_arg that stands beside it. Runs in
 * the parent's turn, or in that of an actor without a parent; an answer that is no directive means GR_STOP. */
typedef gr_directive (*gr_decide_fn)(void *arg, gr_pid child, const gr_error *error);

enum {
    GR_RESTARTS_DEFAULT = 10,
    GR_RESTARTS_NEVER = -1,
    GR_RESTARTS_UNLIMITED = -2,
    GR_RESTARTS_MAX = 10000,
    GR_RESTART_WINDOW_MS_DEFAULT = 10000
};

enum { GR_BACKOFF_MAX_MS_DEFAULT = 30000, GR_JITTER_PERCENT_DEFAULT = 20, GR_JITTER_NONE = -1 };

/**
 * Delays before restarts that grow exponentially: min_ms before the first one, each further one `factor` times as long, up to
 * max_ms. Each is then made longer by chance, by up to jitter_percent, so that those who failed together do not all come back
 * together; where that would pass max_ms the spread lies below it, so every delay is between min_ms and max_ms. After quiet_ms
 * without a failure the delays start anew. While it waits the actor is paused and its mailbox kept; stopping it, its parent or
 * the system ends the wait.
 */
typedef struct gr_backoff {
    int64_t min_ms;     /* 0 = restart at once; the rest must be 0 then */
    int64_t max_ms;     /* 0 = GR_BACKOFF_MAX_MS_DEFAULT, or min_ms when that is more */
    double factor;      /* 1 to 100; 0 = 2 */
    int jitter_percent; /* up to 100; 0 = GR_JITTER_PERCENT_DEFAULT, GR_JITTER_NONE = exact */
    int64_t quiet_ms;   /* 0 = as max_ms */
} gr_backoff;

/**
 * The restarts allowed within the window succeed; the next failure inside the window stops the child (all of them under
 * GR_ALL_FOR_ONE). A restart counts from when it is decided, also when a delay follows. All zero: one-for-one, restart at
 * once, at most 10 times in 10 s.
 */
typedef struct gr_supervision {
    gr_decide_fn decide;
    /* Handed to `decide`, perhaps by several turns at once; outlives whom it decides about. */
    void *decide_arg;
    gr_strategy strategy;
    int restarts;      /* in the window, up to GR_RESTARTS_MAX; 0 = GR_RESTARTS_DEFAULT,
                     GR_RESTARTS_NEVER = stop at the first, GR_RESTARTS_UNLIMITED = always again */
    int64_t window_ms; /* 0 = GR_RESTART_WINDOW_MS_DEFAULT */
    gr_backoff backoff;
} gr_supervision;

GR_END_DECLS
#endif
