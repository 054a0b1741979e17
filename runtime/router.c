/*
 * Routers: the actor behind one. It watches the members, starts and replaces those of a pool, and ends with them; what is sent
 * to the router does not come here, but for what it tells itself. Members are added and taken out in the caller's thread, at
 * once; the router is then asked to have a look at the pid, and watches it or not, as it finds it. See router_internal.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "router_internal.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

enum { RETRY_MS = 1000 };

/* To look whether a pid is a member, and to watch it or not. */
typedef struct gri_router_look {
    gr_pid pid;
} gri_router_look;

/* To start a member for a place in the pool, once more. */
typedef struct gri_router_fill {
    uint64_t hash;
} gri_router_fill;

const gr_type gri_router_look_type = GR_TYPE(gri_router_look);
const gr_type gri_router_fill_type = GR_TYPE(gri_router_fill);

/* ---- in the router's turn ------------------------------------------------------------------------------------------- */

static void own_ended(gri_router *router, gr_pid pid)
{
    for (size_t i = 0; i < router->own.count; i++) {
        if (gr_pid_equal(router->own.at[i], pid)) {
            router->own.at[i] = router->own.at[--router->own.count];
            return;
        }
    }
}

/* Tells itself something later; what, when there is no memory for that either, is lost, and logged. */
static void retry(gr_context *ctx, gr_msg *take_msg, const char *what)
{
    gr_timer_id timer;
    char pid[GR_PID_TEXT_BYTES];

    if (gr_timer_start(ctx, RETRY_MS, 0, take_msg, &timer) != GR_OK) {
        gr_system_log(gr_context_system(ctx), GR_LOG_WARN, "GR-ROUTER-RETRY",
                      "router %s: no memory to %s", gr_pid_format(gr_context_self(ctx), pid), what);
    }
}

gr_msg *gri_router_new_look(gr_pid pid)
{
    gr_msg *msg = gr_msg_new(&gri_router_look_type);

    if (msg != NULL) {
        *(gri_router_look *)gr_msg_payload(msg) = (gri_router_look){pid};
    }
    return msg;
}

static gr_msg *new_fill(uint64_t hash)
{
    gr_msg *msg = gr_msg_new(&gri_router_fill_type);

    if (msg != NULL) {
        *(gri_router_fill *)gr_msg_payload(msg) = (gri_router_fill){hash};
    }
    return msg;
}

/* Starts one for the pool, watched; it is no member yet. */
static gr_err start_own(gr_context *ctx, gri_router *router, gr_pid *out_pid)
{
    gr_pid pid = gr_pid_null();
    gr_err err = GR_OK;

    if (!gri_pids_add(&router->own, gr_pid_null())) { /* its place, before it needs one */
        return GRI_FAIL(GR_ENOMEM, "a member of a pool");
    }
    router->own.count--;
    err = gr_spawn_child(ctx, &router->pool, NULL, &pid);
    if (err != GR_OK) {
        return err;
    }
    err = gr_watch(ctx, pid);
    if (err != GR_OK) {
        gr_send_stop(router->sys, pid);
        return err;
    }
    (void)gri_pids_add(&router->own, pid);
    *out_pid = pid;
    return GR_OK;
}

/* The place of a pool whose keys are kept by `hash` is empty: somebody new for it. */
static void fill(gr_context *ctx, gri_router *router, uint64_t hash)
{
    gr_pid pid = gr_pid_null();
    gr_err err = start_own(ctx, router, &pid);

    if (err == GR_OK) {
        err = gri_routes_add(router, pid, true, hash);
        if (err != GR_OK) {
            gr_send_stop(router->sys, pid);
        }
    }
    if (err != GR_OK && err != GR_EDEAD && err != GR_ESTOPPED) {
        gr_system_log(router->sys, GR_LOG_WARN, "GR-ROUTER-REPLACE",
                      "a member of a pool of %s has ended, and another could not be started: %s",
                      router->pool.type_name == NULL ? "actor" : router->pool.type_name,
                      gr_last_error()->text);
        retry(ctx, new_fill(hash), "replace a member");
    }
}

static void on_ended(gr_context *ctx, gri_router *router, gr_pid pid)
{
    gri_route_member member;
    gr_pid successor = gr_pid_null();
    bool replaces = false;

    own_ended(router, pid);
    if (router->ending) {
        if (router->own.count == 0) {
            gr_send_stop(router->sys, gr_context_self(ctx));
        }
        return;
    }
    replaces = router->pool_size != 0 && router->loss == GR_POOL_REPLACE;
    if (replaces && gri_routes_find(router, pid, &member) && member.own &&
        start_own(ctx, router, &successor) == GR_OK) {
        if (gri_routes_replace(router, pid, successor) == GR_OK) {
            return;
        }
        gr_send_stop(router->sys, successor);
    }
    if (gri_routes_remove(router, pid, &member) && member.own && replaces) {
        fill(ctx, router, member.hash);
    }
}

static void look(gr_context *ctx, gri_router *router, gr_pid pid)
{
    gri_route_member member;
    gr_err err = GR_OK;

    if (!gri_routes_find(router, pid, &member)) {
        gr_unwatch(ctx, pid);
        return;
    }
    err = gr_watch(ctx, pid);
    if (err == GR_ENOMEM) {
        retry(ctx, gri_router_new_look(pid), "watch a member");
    } else if (err != GR_OK) { /* nobody would ever say that it has ended */
        (void)gri_routes_remove(router, pid, &member);
    }
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gri_router *router = state;
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);
    const gri_router_look *pid = gr_msg_read(msg, &gri_router_look_type);
    const gri_router_fill *place = gr_msg_read(msg, &gri_router_fill_type);

    if (ended != NULL) {
        on_ended(ctx, router, ended->pid);
    } else if (pid != NULL) {
        look(ctx, router, pid->pid);
    } else if (place != NULL) {
        if (!router->ending) {
            fill(ctx, router, place->hash);
        }
    } else { /* by its name it was found before its start was over */
        (void)gr_forward(ctx, gr_context_self(ctx));
    }
    return GR_OK;
}

bool gri_router_poison(gri_actor *actor)
{
    gri_router *router = actor->props.arg;

    gri_routes_close(router); /* what comes now is dead */
    router->ending = true;
    for (size_t i = 0; i < router->own.count; i++) {
        gr_send_poison(router->sys, router->own.at[i]);
    }
    return router->own.count != 0;
}

/* ---- the start and the end ------------------------------------------------------------------------------------------ */

static gr_err start_given(gr_context *ctx, gri_router *router)
{
    gr_err err = GR_OK;

    for (size_t i = 0; i < router->given_count && err == GR_OK; i++) {
        gr_pid pid = router->given[i];

        err = gri_routes_add(router, pid, false, gri_route_hash_pid(pid));
        err = err == GR_OK ? gr_watch(ctx, pid) : err;
    }
    router->given_count = 0; /* after a restart those that there are then go on */
    return err;
}

static gr_err start_pool(gr_context *ctx, gri_router *router)
{
    gr_err err = GR_OK;

    for (uint32_t i = 0; i < router->pool_size && err == GR_OK; i++) {
        gr_pid place = {.slot = i};
        gr_pid pid = gr_pid_null();

        err = start_own(ctx, router, &pid);
        err = err == GR_OK ? gri_routes_add(router, pid, true, gri_route_hash_pid(place)) : err;
    }
    return err;
}

static gr_err started(gr_context *ctx, void *state)
{
    gri_router *router = state;
    gr_err err = GR_OK;

    router->own.count = 0; /* after a restart: all children have ended */
    if (router->ending) {
        gr_send_stop(router->sys, gr_context_self(ctx));
        return GR_OK;
    }
    err = gri_routes_open(router, ctx->actor);
    err = err == GR_OK ? start_given(ctx, router) : err;
    err = err == GR_OK ? start_pool(ctx, router) : err;
    /* Release: who finds that there is no room finds the table too. */
    atomic_store_explicit(&ctx->actor->mailbox.limit, 0, memory_order_release);
    return err;
}

bool gri_router_has(const gr_props *props)
{
    return props->started == started;
}

/* The actor is gone, or never was. */
static void ended(void *arg)
{
    gri_router *router = arg;

    gri_routes_close(router);
    if (router->pool_arg_free != NULL) {
        router->pool_arg_free(router->pool.arg);
    }
    gri_router_unref(router);
}

static gr_err check_given(gr_system *sys, const gr_router_options *options)
{
    for (size_t i = 0; i < options->members_count; i++) {
        gr_err err = gri_router_check_member(sys, options->members[i]);

        if (err != GR_OK) {
            return err;
        }
    }
    return GR_OK;
}

static gr_err check_options(gr_system *sys, const gr_router_options *options)
{
    if (options == NULL) {
        return GRI_FAIL(GR_EINVAL, "a router without options");
    }
    if ((unsigned)options->route > GR_ROUTE_LEAST_LOADED) {
        return GRI_FAIL(GR_EINVAL, "route %d: there is no such way", (int)options->route);
    }
    if ((unsigned)options->loss > GR_POOL_DROP) {
        return GRI_FAIL(GR_EINVAL, "loss %d: GR_POOL_REPLACE or GR_POOL_DROP", (int)options->loss);
    }
    if ((options->route == GR_ROUTE_CONSISTENT_HASH) != (options->key != NULL)) {
        return GRI_FAIL(GR_EINVAL, options->key == NULL
                                       ? "GR_ROUTE_CONSISTENT_HASH needs a `key` function"
                                       : "a `key` function is for GR_ROUTE_CONSISTENT_HASH only");
    }
    if (options->pool != NULL && options->members_count != 0) {
        return GRI_FAIL(GR_EINVAL, "members and a pool: give one of them, and gr_router_add() the "
                                   "members to the pool");
    }
    if ((options->pool != NULL) != (options->pool_size != 0)) {
        return GRI_FAIL(GR_EINVAL, options->pool == NULL ? "a pool_size without a `pool`"
                                                         : "a pool of 0: give its pool_size");
    }
    if (options->pool_size > GR_ROUTER_MEMBERS_MAX ||
        options->members_count > GR_ROUTER_MEMBERS_MAX) {
        return GRI_FAIL(GR_EINVAL, "%zu members: at most %d, or put routers behind it",
                        options->pool_size + options->members_count, GR_ROUTER_MEMBERS_MAX);
    }
    if (options->members_count != 0 && options->members == NULL) {
        return GRI_FAIL(GR_EINVAL, "a members_count without `members`");
    }
    return check_given(sys, options);
}

/* Owns what comes with the pool from here on. */
static gr_err new_router(gr_system *sys, const gr_router_options *options, gri_router **out_router)
{
    gri_router *router = gri_calloc(1, sizeof(*router));

    if (router == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a router");
    }
    if (options->members_count != 0) {
        router->given = gri_alloc(options->members_count * sizeof(*router->given));
        if (router->given == NULL) {
            gri_free(router);
            return GRI_FAIL(GR_ENOMEM, "a router");
        }
        memcpy(router->given, options->members, options->members_count * sizeof(*router->given));
        router->given_count = options->members_count;
    }
    router->sys = sys;
    router->route = options->route;
    router->key = options->key;
    router->key_arg = options->key_arg;
    router->loss = options->loss;
    router->pool_size = options->pool_size;
    if (options->pool != NULL) {
        router->pool = *options->pool;
        router->pool.arg_free = NULL; /* it is shared */
        router->pool_arg_free = options->pool->arg_free;
    }
    atomic_init(&router->refs, 1);
    (void)pthread_mutex_init(&router->lock, NULL);
    *out_router = router;
    return GR_OK;
}

static gr_err spawn(gr_system *sys, gr_context *ctx, const gr_router_options *options,
                    const char *name, gr_pid *out_pid)
{
    gri_router *router = NULL;
    gr_err err = check_options(sys, options);
    gr_props props = {
        .type_name = "router", .started = started, .receive = receive, .arg_free = ended};

    if (err == GR_OK) {
        err = new_router(sys, options, &router);
    }
    if (err != GR_OK) {
        gr_error detail = *gr_last_error();

        if (options != NULL && options->pool != NULL && options->pool->arg_free != NULL) {
            options->pool->arg_free(options->pool->arg);
        }
        return gr_error_set(detail.code, detail.file, detail.line, "%s", detail.text);
    }
    props.arg = router;
    props.supervision = options->supervision;
    return ctx == NULL ? gr_spawn(sys, &props, name, out_pid)
                       : gr_spawn_child(ctx, &props, name, out_pid);
}

gr_err gr_router_spawn(gr_system *sys, const gr_router_options *options, const char *name,
                       gr_pid *out_pid)
{
    return spawn(sys, NULL, options, name, out_pid);
}

gr_err gr_router_spawn_child(gr_context *ctx, const gr_router_options *options, const char *name,
                             gr_pid *out_pid)
{
    return spawn(gr_context_system(ctx), ctx, options, name, out_pid);
}
