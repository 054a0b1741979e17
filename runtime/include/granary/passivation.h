/*
 * Passivation: an actor that has been idle for a while stops. A plugin, made of middleware and a receive timeout.
 *
 * What is promised: an actor passivates only when its mailbox is empty and nothing is stashed, no continuation of its is under
 * way, none of its handlers waits, and nobody in this system waits for an answer that it owes. Messages that come while it
 * stops, in its children's time and during its stopped hook, are not lost either: when they are found it starts again at the
 * same pid, with a new state, as after a restart, and handles them; its started hook should load what its stopped hook has
 * saved. Only what comes in the instant between that last look and the end is a dead letter, and a request fails with
 * GR_EDEAD, as they would have been an instant later.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_PASSIVATION_H
#define GRANARY_PASSIVATION_H

#include <granary/middleware.h>

GR_BEGIN_DECLS

/** Put `&passivation.middleware` into the list of a system's options, or into that of props. May serve many actors. */
typedef struct gr_passivation {
    gr_middleware middleware;
    int64_t idle_ms;
} gr_passivation;

/**
 * Prepares a plugin that has actors stop after `idle_ms` without a message; those that were marked quiet do not count.
 *
 * Owns:    the caller's memory, used as long as the systems live that it is given to.
 * Errors:  GR_EINVAL not a positive time.
 * Thread:  any.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_passivation_init(gr_passivation *passivation, int64_t idle_ms);

/**
 * Has this actor passivate as soon as it has nothing to do. Its stopped hook sees GR_REASON_PASSIVATED, those who watch it
 * see GR_REASON_STOPPED. With the plugin the next message that is not quiet takes it back.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  in a handler, hook or continuation.
 * Units:   none.
 */
GR_API void gr_passivate(gr_context *ctx);

GR_END_DECLS
#endif
