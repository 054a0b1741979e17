/*
 * Futures: a reply that is still to come. A future has a pid; the first message sent to it
 * completes it, later ones are counted as late and dropped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_FUTURE_H
#define GRANARY_FUTURE_H

#include <granary/actor.h>

GR_BEGIN_DECLS

typedef struct gr_future gr_future;

/**
 * A future that completes by the first message sent to its pid, or by its timeout.
 *
 * Owns:    yours: gr_future_unref() it.
 * Errors:  GR_ENOMEM, GR_ESTOPPED.
 * Thread:  any.
 * Units:   milliseconds; GR_FOREVER = no limit.
 */
GR_API GR_MUST_CHECK gr_err gr_future_new(gr_system *sys, int64_t timeout_ms,
                                          gr_future **out_future);

/**
 * Asks `to`; the reply completes the future.
 *
 * Owns:    takes `take_msg` on every path; the future is yours: gr_future_unref() it.
 * Errors:  GR_ENOMEM, GR_ESTOPPED. What becomes of the request, undeliverable included, is in the
 *          future.
 * Thread:  any.
 * Units:   milliseconds; GR_FOREVER = no limit.
 */
GR_API GR_MUST_CHECK gr_err gr_request_future(gr_system *sys, gr_pid to, gr_msg *take_msg,
                                              int64_t timeout_ms, gr_future **out_future);

/**
 * Waits for a future.
 *
 * Owns:    `*out_reply` is yours: gr_msg_unref() it. Every wait on the same future gets the same
 *          message.
 * Errors:  GR_ETIMEDOUT this wait or the future ran out of time; else as gr_request(). GR_EINVAL only
 *          when it would have to wait.
 * Thread:  any. In a handler the fiber waits, elsewhere the thread blocks.
 * Units:   milliseconds from now; GR_FOREVER = only the future's own limit.
 */
GR_API GR_MUST_CHECK gr_err gr_await(gr_future *future, int64_t timeout_ms, gr_msg **out_reply);

/**
 * The address that completes the future.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_pid gr_future_pid(const gr_future *future);

/**
 * Whether it is complete; then gr_await() returns at once.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API bool gr_future_ready(const gr_future *future);

/**
 * One more, or one less, holder of a future. An unreferenced future that is not complete is given
 * up: its reply will be late.
 *
 * Owns:    ref adds a reference, unref takes one and returns NULL; NULL is fine for both.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_future *gr_future_ref(gr_future *future);
GR_API gr_future *gr_future_unref(gr_future *take_future);

GR_END_DECLS
#endif
