/*
 * Routers: one pid in front of many. What is sent to it is handed to one of its members, or to all of them, in the sender's own
 * thread; the sender stays who it was, so answers go straight back. To all else a router is an actor: it has a name, can be
 * watched, and is stopped by gr_send_stop() or gr_send_poison().
 *
 * A group is given its members, which may live in other systems. A pool starts its own, supervises them, and ends with them:
 * at once, or, poisoned, when they have handled what was sent before. A member that ends leaves by itself.
 *
 * One that has failed and waits for its restart (supervision with a back-off) is still a member, and its mailbox keeps what is
 * sent to it: in turn, at random, by key and to all go on as before. Only GR_ROUTE_LEAST_LOADED gives it less, the more waits there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_ROUTER_H
#define GRANARY_ROUTER_H

#include <granary/actor.h>

GR_BEGIN_DECLS

/** Which member gets a message. */
typedef enum gr_route {
    GR_ROUTE_ROUND_ROBIN = 0, /* each in turn */
    GR_ROUTE_RANDOM = 1,
    /** All. A member that is full or has ended does no harm to the others: its copy is a dead letter. The first answer to a
     * request is the answer, and the others, by gr_respond() or by an error, are counted as late but are no dead letters; it fails at
     * once when no member could take it, and otherwise not before its deadline. */
    GR_ROUTE_BROADCAST = 2,
    /** The same one for the same key, as long as it is a member: when others come, each takes an equal share of the keys of all,
     * and when one leaves, its keys are spread over the rest. A replaced member of a pool leaves its keys to its successor.
     * Routers anywhere that have the same given members agree. */
    GR_ROUTE_CONSISTENT_HASH = 3,
    /** The one with the fewest messages, that in hand included; in turn among equals. Nobody can see into the mailbox of
     * another system: such a member counts as busy as those here are on average. */
    GR_ROUTE_LEAST_LOADED = 4
} gr_route;

/** What is hashed; a text, a number, ... Compared as bytes. */
typedef struct gr_route_key {
    const void *data;
    size_t bytes;
} gr_route_key;

/** The key of a message; it stays valid as long as the message. Runs in the sender's thread and must only look. */
typedef gr_route_key (*gr_route_key_fn)(const gr_msg *msg, void *arg);

/** What becomes of a pool when one of its members has ended: stopped, or given up by its supervision. */
typedef enum gr_pool_loss {
    GR_POOL_REPLACE = 0, /* another takes its place; if it cannot be started, once a second anew */
    GR_POOL_DROP = 1     /* the pool is smaller by one */
} gr_pool_loss;

/** More than that: routers behind a router. */
enum { GR_ROUTER_MEMBERS_MAX = 1000 };

/** Zero in a field means its default. Copied by the spawn; what it points to is not, but for `members`. */
typedef struct gr_router_options {
    gr_route route;
    gr_route_key_fn key; /* required with GR_ROUTE_CONSISTENT_HASH */
    void *key_arg;
    /** A group: those it begins with, none is fine; not together with `pool`. */
    const gr_pid *members;
    size_t members_count;
    /** A pool: what its members are made of, and how many there are. The arg is shared by them all, and arg_free is called once,
     * when the router is gone. */
    const gr_props *pool;
    size_t pool_size;
    gr_pool_loss loss;
    gr_supervision
        supervision; /* of a pool's members. Past its `restarts` one is given up, and that is a loss like any other:
                                   with GR_POOL_REPLACE there will be another, and no end of it */
} gr_router_options;

/**
 * Starts a router; or a child of the actor in whose handler this is called, which ends with it.
 *
 * Owns:    copies `options` and `name` (NULL: no name); `pool->arg` is taken on every path when `pool->arg_free` is set.
 * Errors:  as gr_spawn(), also of a member of the pool; GR_EINVAL a bad option; GR_EEXIST also a member given twice; GR_EDEAD
 *          a given member of this system has ended; GR_EUNREACHABLE one of another, which nothing here can reach.
 * Thread:  any; for a child: in a handler or hook.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_router_spawn(gr_system *sys, const gr_router_options *options,
                                            const char *name, gr_pid *out_pid);
GR_API GR_MUST_CHECK gr_err gr_router_spawn_child(gr_context *ctx, const gr_router_options *options,
                                                  const char *name, gr_pid *out_pid);

/**
 * Makes an actor a member, of a group or beside those of a pool; what is sent after the return may go to it.
 *
 * Owns:    nothing; when the router ends, the actor does not.
 * Errors:  GR_EINVAL `router` is none of this system's, or `member` is no actor or the router itself; GR_EEXIST it is a member;
 *          GR_EDEAD the router, or a member of this system, has ended; GR_ETOOBIG there are GR_ROUTER_MEMBERS_MAX; GR_ENOMEM.
 *          One of another system that cannot be reached leaves by itself.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_router_add(gr_system *sys, gr_pid router, gr_pid member);

/**
 * Takes a member out; what is sent after the return does not go to it. One of the pool's own is stopped, in order (as
 * gr_send_poison() does), and not replaced.
 *
 * Owns:    nothing.
 * Errors:  GR_EINVAL `router` is none of this system's; GR_ENOTFOUND it is no member; GR_EDEAD the router has ended.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_err gr_router_remove(gr_system *sys, gr_pid router, gr_pid member);

/**
 * Lists the members, those that have been there longest first.
 *
 * Owns:    fills the caller's array of `room` pids; `*out_count` is how many there are, perhaps more than that.
 * Errors:  GR_EINVAL `router` is none of this system's; GR_EDEAD it has ended.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_router_members(gr_system *sys, gr_pid router, gr_pid *members,
                                              size_t room, size_t *out_count);

GR_END_DECLS
#endif
