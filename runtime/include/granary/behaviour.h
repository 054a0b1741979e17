/*
 * How an actor changes its ways in the middle of its life: another handler for what comes next, messages put aside until
 * then, and being told that nothing has come for a while.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_BEHAVIOUR_H
#define GRANARY_BEHAVIOUR_H

#include <granary/actor.h>

GR_BEGIN_DECLS

/**
 * From the next message on `receive` handles them: in place of the handler of now, or on top of it, so that gr_unbecome()
 * comes back to it. The state stays. A restart begins with the handler of the props again.
 *
 * Owns:    nothing.
 * Errors:  GR_EINVAL no handler; GR_ENOMEM.
 * Thread:  in a handler, hook or continuation.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_become(gr_context *ctx, gr_receive_fn receive);
GR_API GR_MUST_CHECK gr_err gr_become_stacked(gr_context *ctx, gr_receive_fn receive);

/**
 * Comes back to the handler below the one of now; below the first that was become lies that of the props.
 *
 * Owns:    nothing.
 * Errors:  GR_EINVAL there is none below: the handler of now is that of the props.
 * Thread:  in a handler, hook or continuation.
 * Units:   none.
 */
GR_API gr_err gr_unbecome(gr_context *ctx);

/**
 * Puts the message in hand aside, with its sender, until gr_unstash_all(). Who asked goes on waiting. A restart of the actor
 * handles what is stashed before its mailbox; when it stops, the stash becomes dead letters as the mailbox does.
 *
 * Owns:    holds the message.
 * Errors:  GR_EFULL as many are stashed as the mailbox may hold; GR_EINVAL there is no message in hand; GR_ENOMEM. Then the
 *          message is not stashed, and is yours to handle or to refuse.
 * Thread:  in a handler or continuation.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_stash(gr_context *ctx);

/**
 * Has all that is stashed handled next, in the order in which it came, before what waits in the mailbox.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  in a handler, hook or continuation.
 * Units:   none.
 */
GR_API void gr_unstash_all(gr_context *ctx);

/** The type of the message of a receive timeout; its payload is empty, it has no sender. */
GR_API extern const gr_type gr_receive_timeout_type;

/**
 * Has the actor told, by a message of gr_receive_timeout_type, when it has handled no message for `timeout_ms`; counted from
 * now on, and from the end of each handler that follows. Told once for each time it is idle: the next message begins another one. Messages that were
 * marked quiet do not count, nor do the timeouts themselves. Set again it counts anew. Ends with a restart.
 *
 * Owns:    nothing.
 * Errors:  GR_EINVAL not a positive time; GR_ENOMEM.
 * Thread:  in a handler, hook or continuation.
 * Units:   milliseconds. Where messages wait, or a handler does, at that moment, it may come later by an eighth.
 */
GR_API GR_MUST_CHECK gr_err gr_receive_timeout_set(gr_context *ctx, int64_t timeout_ms);

/**
 * Takes the receive timeout back: it is not handled any more.
 *
 * Owns:    nothing.
 * Errors:  none; without one nothing happens.
 * Thread:  in a handler, hook or continuation.
 * Units:   none.
 */
GR_API void gr_receive_timeout_cancel(gr_context *ctx);

GR_END_DECLS
#endif
