/*
 * Middleware: functions around what actors receive, send and start, such as tracing, limits and checks, which handlers need
 * not know of. A list of them stands in the options of a system, for all its actors, and one in the props of an actor, inside
 * the first. Lists end with NULL and are outermost first, in what is called on the way in and on the way out. They are
 * borrowed as long as the system lives. An actor without any pays nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_MIDDLEWARE_H
#define GRANARY_MIDDLEWARE_H

#include <granary/actor.h>

GR_BEGIN_DECLS

/** What a middleware stands around: the next one further in, or the thing itself. Valid until the middleware returns. */
typedef struct gr_next gr_next;

/** All members but `name` may be NULL or zero. Each function gets `arg`, and runs on the fiber of whose handler it stands
 * around: it may do there what the handler may. */
typedef struct gr_middleware {
    const char *name;
    void *arg;
    /** Before the started hook of each actor that it stands around, at each (re)start; a failure is one of the start. */
    gr_err (*started)(void *arg, gr_context *ctx);
    /**
     * Around the handler. gr_next_receive() goes on, with this message or with another; what it returns, failures included, is
     * what the handler returned, and is best passed on. Not going on swallows the message: whoever asked then waits,
     * unless gr_respond() answers here. Continuations (gr_future_then) and hooks have none around them.
     */
    gr_err (*receive)(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next);
    /**
     * Around what a handler sends through its context: gr_context_send(), gr_respond(), gr_forward(), and gr_request() and
     * gr_request_future() when a handler of this system calls them. Not around gr_send(), gr_send_wait(), timers and pipes.
     * It takes the message, of which it is the only holder, on every path; gr_next_send() goes on; not going on swallows it.
     */
    gr_err (*send)(void *arg, gr_context *ctx, gr_pid to, gr_msg *take_msg, const gr_next *next);
    /**
     * Around the start of actors: in the options, of all; in the props of an actor, of its children. `ctx` is the parent's,
     * or NULL. gr_next_spawn() goes on, with these props or with others; not going on refuses the spawn by what is returned,
     * which must be an error; `props->arg` is then let go of for you.
     */
    gr_err (*spawn)(void *arg, gr_context *ctx, const gr_props *props, const char *name,
                    gr_pid *out_pid, const gr_next *next);
} gr_middleware;

/**
 * Goes on with what a message is received by. With another message than the one at hand, that one is in hand meanwhile, and
 * has the sender of the first unless it has one itself.
 *
 * Owns:    `msg` stays yours, and held until this returns.
 * Errors:  what the handler returned.
 * Thread:  in gr_middleware.receive.
 * Units:   none.
 */
GR_API gr_err gr_next_receive(const gr_next *next, gr_context *ctx, const gr_msg *msg);

/**
 * Goes on with sending.
 *
 * Owns:    takes `take_msg` on every path.
 * Errors:  as gr_send().
 * Thread:  in gr_middleware.send.
 * Units:   none.
 */
GR_API gr_err gr_next_send(const gr_next *next, gr_context *ctx, gr_pid to, gr_msg *take_msg);

/**
 * Goes on with starting an actor.
 *
 * Owns:    as gr_spawn().
 * Errors:  as gr_spawn() and gr_spawn_child().
 * Thread:  in gr_middleware.spawn.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_next_spawn(const gr_next *next, gr_context *ctx,
                                          const gr_props *props, const char *name, gr_pid *out_pid);

GR_END_DECLS
#endif
