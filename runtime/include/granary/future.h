/*
 * Futures: a reply that is still to come. A future has a pid; the first message sent to it
 * completes it, later ones are late: counted, and dead letters.
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
 * Units:   milliseconds; GR_FOREVER = no limit; 0 or less = over at once.
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
 * Units:   milliseconds; GR_FOREVER = no limit; with 0 or less it is sent, and the time is over.
 */
GR_API GR_MUST_CHECK gr_err gr_request_future(gr_system *sys, gr_pid to, gr_msg *take_msg,
                                              int64_t timeout_ms, gr_future **out_future);

/**
 * Waits for a future.
 *
 * Owns:    `*out_reply` is yours: gr_msg_unref() it. Every wait on the same future gets the same
 *          message.
 * Errors:  GR_ETIMEDOUT this wait or the future ran out of time; else as gr_request(). GR_EINVAL and
 *          GR_EDEADLOCK only when it would have to wait; the latter when it was in this very turn that
 *          the actor has asked itself. Other circles end at their time limit.
 * Thread:  any. In a handler the fiber waits, elsewhere the thread blocks.
 * Units:   milliseconds from now; GR_FOREVER = only the future's own limit; 0 or less = do not wait.
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
 * Goes on when a future is complete: `err` and `reply` are what gr_await() would give, with the detail in gr_last_error();
 * `reply` is borrowed until it returns, and NULL with an error. What it returns counts as what a handler returns.
 */
typedef gr_err (*gr_then_fn)(gr_context *ctx, void *state, void *arg, gr_err err,
                             const gr_msg *reply);

/**
 * Has a function called in this actor's own turn when the future is complete, before the messages that wait then. The
 * message in hand now is in hand again: gr_respond() answers who sent it, gr_forward() hands it on. Other messages are
 * handled in between; while a handler of the actor waits the function does not run, unless the actor is reentrant. It is
 * not called after a restart or a stop of the actor; who sent a request is then told GR_ERESTARTED or GR_EDEAD.
 *
 * Owns:    the future and the message in hand are held until then. With arg_free set `arg` is taken on every path, and
 *          arg_free is called once: when the function has returned or panicked, or when it is certain that it will not be
 *          called, which for an actor that has ended may be as late as the end of the future, and in any thread. With
 *          NULL `arg` stays yours: let it live in the state, or where the stopped hook finds it.
 * Errors:  GR_EINVAL no function, or a future of another system; GR_ENOMEM.
 * Thread:  in a handler, hook or continuation.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_future_then(gr_context *ctx, gr_future *future, gr_then_fn fn,
                                           void *arg, void (*arg_free)(void *arg));

/**
 * Sends what a future comes to, the reply or a message of gr_error_type, to `to`: to every target that was named, in the
 * order in which they were, and at once when it is complete already. Answers that are sent on keep their sender.
 *
 * Owns:    the future is held until then.
 * Errors:  GR_EINVAL the null pid; GR_ENOMEM. What cannot be delivered is a dead letter.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_future_pipe_to(gr_future *future, gr_pid to);

/** What one of several futures has come to. */
typedef struct gr_result {
    gr_err code; /* GR_OK: a reply */
    const gr_msg
        *msg; /* the reply; with an error a message of gr_error_type, or NULL for the bare code */
} gr_result;

/** The payload of what gr_future_all() yields, in the order of the futures. */
typedef struct gr_results {
    size_t count;
    size_t failed; /* of them */
    const gr_result *at;
} gr_results;

GR_API extern const gr_type gr_results_type;

/**
 * A future that is complete when all of some are, whether they failed or not: its reply is a gr_results. Of none: at once.
 *
 * Owns:    the futures stay yours, and are held until they are complete; `*out_future` is yours: gr_future_unref() it. The
 *          messages in the results live as long as the reply.
 * Errors:  GR_EINVAL a future is NULL or of another system; GR_ENOMEM, GR_ESTOPPED. The new future itself fails only with
 *          GR_ETIMEDOUT.
 * Thread:  any.
 * Units:   milliseconds; GR_FOREVER = no limit but those of the futures.
 */
GR_API GR_MUST_CHECK gr_err gr_future_all(gr_system *sys, gr_future *const *futures, size_t count,
                                          int64_t timeout_ms, gr_future **out_future);

/**
 * A future that yields the first reply of some; when all of them have failed, the failure that came last.
 *
 * Owns:    as gr_future_all().
 * Errors:  as gr_future_all(); GR_EINVAL also for none: there would be nothing to wait for.
 * Thread:  any.
 * Units:   milliseconds; GR_FOREVER = no limit but those of the futures.
 */
GR_API GR_MUST_CHECK gr_err gr_future_any(gr_system *sys, gr_future *const *futures, size_t count,
                                          int64_t timeout_ms, gr_future **out_future);

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
