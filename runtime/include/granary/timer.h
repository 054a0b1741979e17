/*
 * Timers: a message later, once or again and again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_TIMER_H
#define GRANARY_TIMER_H

#include <granary/actor.h>

GR_BEGIN_DECLS

/** Names a running timer; a value. The zero value names none. */
typedef struct gr_timer_id {
    uint64_t number;
} gr_timer_id;

/**
 * Sends a message to this actor after `delay_ms`, and then every `period_ms` (0: once) without
 * drift: tick n is due at delay + n * period. At most one tick of a timer waits in the mailbox:
 * those that become due while one does, and those missed while the process or the machine stood
 * still, are left out; the next one is due where it always was. Ends with the actor.
 *
 * Owns:    takes `take_msg` on every path; a repeating timer sends the same message, shared.
 * Errors:  GR_EINVAL a negative time, GR_ENOMEM, also when `take_msg` is NULL.
 * Thread:  in a handler or hook.
 * Units:   milliseconds; sums beyond INT64_MAX are as good as never.
 */
GR_API GR_MUST_CHECK gr_err gr_timer_start(gr_context *ctx, int64_t delay_ms, int64_t period_ms,
                                           gr_msg *take_msg, gr_timer_id *out_timer);

/**
 * Ends a timer of this actor. A tick that is in the mailbox already is still handled.
 *
 * Owns:    nothing.
 * Errors:  none; an ended timer is fine.
 * Thread:  in a handler or hook.
 * Units:   none.
 */
GR_API void gr_timer_cancel(gr_context *ctx, gr_timer_id timer);

GR_END_DECLS
#endif
