/*
 * Routers from the inside. A router is an actor whose mailbox has no room for user messages: its limit is 0. So a sender finds
 * out on the path of a full mailbox, which plain sends do not take, that there is somebody behind to hand the message to.
 *
 * Who the members are stands in a table that never changes; each change makes another. The router's actor object, which lives as
 * long as its system, has one word for it:
 *
 *   bits 63..22  the table, its address divided by 64; 0: no router lives here
 *   bits 21..0   how many are inside
 *
 * Who enters counts itself there and gets the table in the same step, so it never looks at one that has been freed. Who leaves
 * takes itself from the word again or, when the table has been replaced meanwhile, from the table's own count, to which the
 * word's was added then; who brings that to 0 frees the table. Nothing of the application but a key function runs in between.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_ROUTER_INTERNAL_H
#define GRI_ROUTER_INTERNAL_H

#include <granary/router.h>

#include "system_internal.h"

typedef struct gri_route_member {
    gr_pid pid;
    uint64_t hash;    /* of what it keeps its keys by: its pid, or its place in the pool */
    uint64_t number;  /* the table is in this order */
    bool own;         /* the pool's: a child */
    atomic_bool gone; /* by who has the lock; it left when there was no memory for another table */
} gri_route_member;

typedef struct gri_routes {
    /* Fixed. */
    struct gri_router *router; /* held */
    uint32_t generation;       /* of the router's pid */
    size_t count;
    atomic_int_fast64_t left; /* see above */
    gri_route_member at[];
} gri_routes;

typedef struct gri_router {
    /* Fixed. */
    gr_system *sys;
    gr_route route;
    gr_route_key_fn key;
    void *key_arg;
    gr_props pool;
    void (*pool_arg_free)(void *arg);
    size_t pool_size; /* 0: a group */
    gr_pool_loss loss;
    /* Any thread. */
    atomic_uint refs;
    atomic_uint_fast64_t turn; /* whose turn it is */
    pthread_mutex_t lock;
    gri_actor *actor; /* lock; NULL: not there yet, or gone */
    uint64_t numbers; /* lock; handed out so far */
    /* Only in the router's turn. */
    gr_pid *given; /* those a group begins with */
    size_t given_count;
    gri_pids own; /* children that have not ended, members or not any more */
    bool ending;  /* poisoned; it ends when they have */
} gri_router;

/* ---- router_table.c */

void gri_router_ref(gri_router *router);
void gri_router_unref(gri_router *router);

enum { GRI_ROUTES_COUNT_BITS = 22 };

/* Whether a router lives there; any thread, and out of date at once. */
static inline bool gri_is_router(const gri_actor *actor)
{
    /* Acquire: who finds no room because the limit is 0 finds the table that was put there before. */
    return atomic_load_explicit(&actor->routes, memory_order_acquire) >> GRI_ROUTES_COUNT_BITS != 0;
}

/* The table of the router with that generation, or NULL; leave it in any case but NULL. Any thread. */
gri_routes *gri_routes_enter(gri_actor *actor, uint32_t generation);
void gri_routes_leave(gri_actor *actor, gri_routes *routes);

/* Puts a table there: an empty one, or, after a restart, the last one without the pool's own. GR_ENOMEM. */
gr_err gri_routes_open(gri_router *router, gri_actor *actor);
/* Nobody enters any more. */
void gri_routes_close(gri_router *router);

/* GR_EEXIST, GR_ETOOBIG, GR_ENOMEM, GR_EDEAD it is closed. */
gr_err gri_routes_add(gri_router *router, gr_pid pid, bool own, uint64_t hash);
/* Takes one out, and says which it was; false when it is not there. Needs no memory. */
bool gri_routes_remove(gri_router *router, gr_pid pid, gri_route_member *out_member);
/* Puts another one in a member's place, with its keys; GR_ENOMEM, GR_ENOTFOUND there is no such member any more. */
gr_err gri_routes_replace(gri_router *router, gr_pid old, gr_pid pid);
/* The same without taking it out. */
bool gri_routes_find(gri_router *router, gr_pid pid, gri_route_member *out_member);

static inline bool gri_route_is_gone(const gri_route_member *member)
{
    return atomic_load_explicit(&member->gone,
                                memory_order_relaxed); /* a hint, like all of membership */
}

/* ---- router.c */

/* What the router tells itself; these do go to its mailbox. */
extern const gr_type gri_router_look_type;
extern const gr_type gri_router_fill_type;
/* Whether props are those of a router. */
bool gri_router_has(const gr_props *props);
/* A router is to stop in order; false: it may stop at once. In its turn. */
bool gri_router_poison(gri_actor *actor);

gr_msg *gri_router_new_look(gr_pid pid);

/* ---- router_members.c */

/* GR_EINVAL, GR_EDEAD. */
gr_err gri_router_check_member(const gr_system *sys, gr_pid member);

/* ---- router_send.c */

uint64_t gri_route_hash(const void *data, size_t bytes);
uint64_t gri_route_hash_pid(gr_pid pid);
/* Hands a message on. `timeout_ms` 0: as gr_send(), else as gr_send_wait(). */
gr_err gri_router_send(gri_actor *actor, gr_pid to, gr_msg *take_msg, int64_t timeout_ms);

#endif
