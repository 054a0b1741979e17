/*
 * Tables of a router's members: see router_internal.h. Senders enter them in any thread; they are changed under the router's
 * lock, by the router's own turn and by whoever adds and removes members.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "router_internal.h"

#include <gri/fail.h>
#include <gri/mem.h>

static gri_routes *routes_of(uint64_t word)
{
    return (gri_routes *)(uintptr_t)(word >> GRI_ROUTES_COUNT_BITS << 6);
}

static int64_t entered_of(uint64_t word)
{
    return (int64_t)(word & (((uint64_t)1 << GRI_ROUTES_COUNT_BITS) - 1));
}

static void free_routes(gri_routes *routes)
{
    gri_router *router = routes->router;

    gri_free(routes);
    gri_router_unref(router);
}

void gri_router_ref(gri_router *router)
{
    (void)atomic_fetch_add_explicit(&router->refs, 1,
                                    memory_order_relaxed); /* by who has a reference */
}

void gri_router_unref(gri_router *router)
{
    /* Release: what this holder did comes first; acquire: the last one sees all of it. */
    if (atomic_fetch_sub_explicit(&router->refs, 1, memory_order_acq_rel) == 1) {
        (void)pthread_mutex_destroy(&router->lock);
        gri_free(router->given);
        gri_free(router->own.at);
        gri_free(router);
    }
}

gri_routes *gri_routes_enter(gri_actor *actor, uint32_t generation)
{
    gri_routes *routes = NULL;

    if (!gri_is_router(actor)) {
        return NULL;
    }
    /* Acquire: sees the table as it was made. Where it has been taken away just now the count is nobody's, and harmless. */
    routes = routes_of(atomic_fetch_add_explicit(&actor->routes, 1, memory_order_acquire));
    if (routes == NULL || routes->generation == generation) {
        return routes;
    }
    gri_routes_leave(actor, routes);
    return NULL;
}

void gri_routes_leave(gri_actor *actor, gri_routes *routes)
{
    uint64_t word =
        atomic_load_explicit(&actor->routes, memory_order_relaxed); /* the swap checks it */

    while (routes_of(word) == routes) { /* it is not put there a second time while we are in it */
        /* Release: we have looked at it before it is freed by whoever replaces it. */
        if (atomic_compare_exchange_weak_explicit(&actor->routes, &word, word - 1,
                                                  memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
    /* Release, as above; acquire: who frees it does so after all others have looked. */
    if (atomic_fetch_sub_explicit(&routes->left, 1, memory_order_acq_rel) == 1) {
        free_routes(routes);
    }
}

/* Puts a table there, or with NULL none, and lets go of the one before. Under the lock, but for `routes` the caller's own. */
static void put_locked(gri_actor *actor, gri_routes *routes)
{
    uint64_t word = 0;
    gri_routes *old = NULL;
    int64_t entered = 0;

    /* Release: publishes the table. Acquire: those who took themselves from the word have looked before. */
    word = atomic_exchange_explicit(&actor->routes,
                                    (uint64_t)(uintptr_t)routes >> 6 << GRI_ROUTES_COUNT_BITS,
                                    memory_order_acq_rel);
    old = routes_of(word);
    entered = entered_of(word);
    /* Acquire and release: as a leave. */
    if (old != NULL &&
        atomic_fetch_add_explicit(&old->left, entered, memory_order_acq_rel) + entered == 0) {
        free_routes(old);
    }
}

static gri_routes *current_locked(const gri_router *router)
{
    return router->actor == NULL
               ? NULL
               : routes_of(atomic_load_explicit(&router->actor->routes,
                                                memory_order_relaxed)); /* ours to change */
}

static void put_member(gri_routes *routes, const gri_route_member *member)
{
    gri_route_member *at = &routes->at[routes->count++];

    at->pid = member->pid;
    at->hash = member->hash;
    at->number = member->number;
    at->own = member->own;
    atomic_init(&at->gone, false);
}

/* A table with the members of another (NULL: none) that are still there, and room for `more`; NULL when out of memory. */
static gri_routes *copy(gri_router *router, const gri_routes *from, size_t more, bool own_too)
{
    size_t count = from == NULL ? 0 : from->count;
    size_t bytes = sizeof(gri_routes) + (count + more) * sizeof(gri_route_member);
    gri_routes *routes = gri_alloc_aligned(64, (bytes + 63) & ~(size_t)63);

    if (routes == NULL) {
        return NULL;
    }
    gri_router_ref(router);
    routes->router = router;
    routes->generation = gri_actor_pid(router->actor).generation;
    routes->count = 0;
    atomic_init(&routes->left, 0);
    for (size_t i = 0; i < count; i++) {
        if (!gri_route_is_gone(&from->at[i]) && (own_too || !from->at[i].own)) {
            put_member(routes, &from->at[i]);
        }
    }
    return routes;
}

static gri_route_member *find(gri_routes *routes, gr_pid pid)
{
    for (size_t i = 0; routes != NULL && i < routes->count; i++) {
        if (gr_pid_equal(routes->at[i].pid, pid) && !gri_route_is_gone(&routes->at[i])) {
            return &routes->at[i];
        }
    }
    return NULL;
}

static void tell(const gri_route_member *member, gri_route_member *out_member)
{
    out_member->pid = member->pid;
    out_member->hash = member->hash;
    out_member->number = member->number;
    out_member->own = member->own;
}

gr_err gri_routes_open(gri_router *router, gri_actor *actor)
{
    gri_routes *routes = NULL;

    (void)pthread_mutex_lock(&router->lock);
    router->actor = actor;
    routes = copy(router, current_locked(router), 0, false);
    if (routes != NULL) {
        put_locked(actor, routes);
    }
    (void)pthread_mutex_unlock(&router->lock);
    return routes == NULL ? GRI_FAIL(GR_ENOMEM, "a router") : GR_OK;
}

void gri_routes_close(gri_router *router)
{
    gri_router_ref(router); /* the table may be its last holder */
    (void)pthread_mutex_lock(&router->lock);
    if (router->actor != NULL) {
        put_locked(router->actor, NULL);
        router->actor = NULL;
    }
    (void)pthread_mutex_unlock(&router->lock);
    gri_router_unref(router);
}

static gr_err add_locked(gri_router *router, gr_pid pid, bool own, uint64_t hash)
{
    gri_routes *old = current_locked(router);
    gri_routes *routes = NULL;
    char text[GR_PID_TEXT_BYTES];

    if (old == NULL) {
        return GRI_FAIL(GR_EDEAD, "the router has stopped");
    }
    if (find(old, pid) != NULL) {
        return GRI_FAIL(GR_EEXIST, "%s is a member of the router already",
                        gr_pid_format(pid, text));
    }
    if (old->count >= GR_ROUTER_MEMBERS_MAX) {
        return GRI_FAIL(GR_ETOOBIG, "a router has at most %d members: put routers behind it",
                        GR_ROUTER_MEMBERS_MAX);
    }
    routes = copy(router, old, 1, true);
    if (routes == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a member of a router");
    }
    put_member(routes, &(gri_route_member){
                           .pid = pid, .hash = hash, .number = ++router->numbers, .own = own});
    put_locked(router->actor, routes);
    return GR_OK;
}

gr_err gri_routes_add(gri_router *router, gr_pid pid, bool own, uint64_t hash)
{
    gr_err err = GR_OK;

    (void)pthread_mutex_lock(&router->lock);
    err = add_locked(router, pid, own, hash);
    (void)pthread_mutex_unlock(&router->lock);
    return err;
}

bool gri_routes_remove(gri_router *router, gr_pid pid, gri_route_member *out_member)
{
    gri_routes *old = NULL, *routes = NULL;
    gri_route_member *member = NULL;

    (void)pthread_mutex_lock(&router->lock);
    old = current_locked(router);
    member = find(old, pid);
    if (member != NULL) {
        tell(member, out_member);
        atomic_store_explicit(&member->gone, true, memory_order_relaxed); /* see above */
        routes = copy(router, old, 0, true);
        if (routes != NULL) {
            put_locked(router->actor, routes);
        }
    }
    (void)pthread_mutex_unlock(&router->lock);
    return member != NULL;
}

gr_err gri_routes_replace(gri_router *router, gr_pid old_pid, gr_pid pid)
{
    gri_routes *old = NULL, *routes = NULL;
    gr_err err = GR_OK;

    (void)pthread_mutex_lock(&router->lock);
    old = current_locked(router);
    if (find(old, old_pid) == NULL) {
        err = GRI_FAIL(GR_ENOTFOUND, "the member has left");
    } else if ((routes = copy(router, old, 0, true)) == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "a member of a router");
    } else {
        find(routes, old_pid)->pid = pid;
        put_locked(router->actor, routes);
    }
    (void)pthread_mutex_unlock(&router->lock);
    return err;
}

bool gri_routes_find(gri_router *router, gr_pid pid, gri_route_member *out_member)
{
    const gri_route_member *member = NULL;

    (void)pthread_mutex_lock(&router->lock);
    member = find(current_locked(router), pid);
    if (member != NULL) {
        tell(member, out_member);
    }
    (void)pthread_mutex_unlock(&router->lock);
    return member != NULL;
}
