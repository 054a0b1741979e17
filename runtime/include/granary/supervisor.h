/*
 * Supervision: what a parent does about a child that failed.
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
    GR_ESCALATE = 3 /* the parent fails with the same error */
} gr_directive;

/** Decides by the error; NULL in gr_supervision means always GR_RESTART. Runs in the parent's turn.
 */
typedef gr_directive (*gr_decide_fn)(gr_pid child, const gr_error *error);

enum { GR_RESTARTS_DEFAULT = 10, GR_RESTARTS_NEVER = -1, GR_RESTART_WINDOW_MS_DEFAULT = 10000 };

/**
 * One-for-one: the directive applies to the child that failed. The restarts allowed within the
 * window succeed; the next failure inside the window stops the child. All zero: restart, at most 10
 * times in 10 s.
 */
typedef struct gr_supervision {
    gr_decide_fn decide;
    int restarts; /* in the window; 0 = GR_RESTARTS_DEFAULT, GR_RESTARTS_NEVER = stop at the first
                   */
    int64_t window_ms; /* 0 = GR_RESTART_WINDOW_MS_DEFAULT */
} gr_supervision;

GR_END_DECLS
#endif
