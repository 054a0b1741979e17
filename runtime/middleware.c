/*
 * Middleware: going from one to the next further in, and in the end to the thing itself. Which of its functions an actor has
 * around it is found out once, at its start. Runs where handlers run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <granary/middleware.h>

#include <gri/fail.h>

#include "future_internal.h"
#include "router_internal.h"

typedef const gr_middleware *const *list;

/* Of two lists, what is further in. */
struct gr_next {
    list at, then;  /* either may be NULL */
    gr_system *sys; /* spawn: in which one */
    bool *goes_on;  /* spawn: the props have been handed over */
};

/* The first one that has a function of this kind; `*inner` is what comes after it. NULL: only the thing itself is left. */
static const gr_middleware *outermost(const gr_next *next, enum gri_around kind, gr_next *inner)
{
    *inner = *next;
    for (;;) {
        const gr_middleware *middleware = inner->at == NULL ? NULL : *inner->at;

        if (middleware == NULL && inner->then == NULL) {
            return NULL;
        }
        if (middleware == NULL) {
            inner->at = inner->then;
            inner->then = NULL;
            continue;
        }
        inner->at++;
        if ((kind == GRI_AROUND_STARTED && middleware->started != NULL) ||
            (kind == GRI_AROUND_RECEIVE && middleware->receive != NULL) ||
            (kind == GRI_AROUND_SEND && middleware->send != NULL) ||
            (kind == GRI_AROUND_SPAWN && middleware->spawn != NULL)) {
            return middleware;
        }
    }
}

static gr_next all_around(const gri_actor *actor)
{
    return (gr_next){.at = actor->base.sys->middleware,
                     .then = gri_actor_given(actor)->middleware,
                     .sys = actor->base.sys};
}

gr_err gri_middleware_init(gri_actor *actor, const gr_props *props)
{
    gr_next all = {.at = actor->base.sys->middleware, .then = props->middleware};
    gr_next inner;
    unsigned around = 0, kind = 0;

    if (all.at == NULL && all.then == NULL) {
        actor->around = 0;
        return GR_OK;
    }
    for (kind = GRI_AROUND_STARTED; kind <= GRI_AROUND_SPAWN; kind <<= 1) {
        around |= outermost(&all, (enum gri_around)kind, &inner) == NULL ? 0 : kind;
    }
    if (gri_router_has(props)) { /* its own turns are no application's; what it starts is */
        around &= GRI_AROUND_SPAWN;
    }
    actor->around = (uint8_t)around;
    if ((around & GRI_AROUND_RECEIVE) != 0) {
        if (!gri_behaviour_prepare(actor)) {
            actor->around = 0;
            return GRI_FAIL(GR_ENOMEM, "an actor with middleware");
        }
        gri_behaviour_choose(actor);
    }
    return GR_OK;
}

gr_err gri_middleware_started(gr_context *ctx)
{
    gr_next next = all_around(ctx->actor);
    const gr_middleware *middleware = NULL;
    gr_err err = GR_OK;

    while (err == GR_OK && (middleware = outermost(&next, GRI_AROUND_STARTED, &next)) != NULL) {
        err = middleware->started(middleware->arg, ctx);
    }
    return err;
}

/* ---- receive ------------------------------------------------------------------------------------------------------ */

gr_err gri_middleware_receive(gr_context *ctx, const gr_msg *msg)
{
    gr_next next = all_around(ctx->actor);

    return gr_next_receive(&next, ctx, msg);
}

/* A message in place of the one in hand answers to the same sender. */
static void adopt(const gr_msg *msg, const gr_msg *in_hand)
{
    gr_msg *own = (gr_msg *)(uintptr_t)msg;

    /* Relaxed: who is alone knows so. */
    if (gr_pid_is_null(msg->sender) &&
        atomic_load_explicit(&msg->refs, memory_order_relaxed) == 1) {
        own->sender = in_hand->sender;
        own->request = in_hand->request;
    }
}

static gr_err receive(const gr_next *next, gr_context *ctx, const gr_msg *msg)
{
    gr_next inner;
    const gr_middleware *middleware = outermost(next, GRI_AROUND_RECEIVE, &inner);

    return middleware == NULL ? gri_behaviour_handler(ctx->actor)(ctx, ctx->actor->state, msg)
                              : middleware->receive(middleware->arg, ctx, msg, &inner);
}

gr_err gr_next_receive(const gr_next *next, gr_context *ctx, const gr_msg *msg)
{
    const gr_msg *in_hand = ctx->msg, *keeps = ctx->keeps;
    gr_err err = GR_OK;

    if (msg == NULL || msg == in_hand) {
        return receive(next, ctx, in_hand);
    }
    adopt(msg, in_hand);
    ctx->msg = msg;
    ctx->keeps = keeps == NULL ? in_hand : keeps;
    err = receive(next, ctx, msg);
    ctx->msg = in_hand;
    ctx->keeps = keeps;
    return err;
}

/* ---- send --------------------------------------------------------------------------------------------------------- */

gr_err gri_middleware_send(gr_context *ctx, gr_pid to, gr_msg *msg)
{
    gr_next next = all_around(ctx->actor);

    return gr_next_send(&next, ctx, to, msg);
}

gr_err gr_next_send(const gr_next *next, gr_context *ctx, gr_pid to, gr_msg *msg)
{
    gr_next inner;
    const gr_middleware *middleware = outermost(next, GRI_AROUND_SEND, &inner);

    if (middleware == NULL || msg == NULL) {
        if (msg != NULL && ctx->asking != NULL && msg->request &&
            gr_pid_equal(msg->sender, gr_future_pid(ctx->asking))) {
            gri_future_sending(ctx->asking, to);
        }
        return gr_forward_msg(ctx->actor->base.sys, to, msg);
    }
    return middleware->send(middleware->arg, ctx, to, msg, &inner);
}

/* ---- spawn -------------------------------------------------------------------------------------------------------- */

gr_err gri_middleware_spawn(gr_system *sys, gr_context *ctx, const gr_props *props,
                            const char *name, gr_pid *out_pid)
{
    bool goes_on = false;
    gr_next next = {.at = sys->middleware,
                    .then = ctx == NULL ? NULL : gri_actor_given(ctx->actor)->middleware,
                    .sys = sys,
                    .goes_on = &goes_on};
    gr_err err = gr_next_spawn(&next, ctx, props, name, out_pid);

    if (goes_on) {
        return err;
    }
    if (props != NULL && props->arg_free != NULL) {
        props->arg_free(props->arg);
    }
    return err != GR_OK
               ? err
               : GRI_FAIL(GR_EINVAL, "a middleware neither went on with a spawn nor said why");
}

gr_err gr_next_spawn(const gr_next *next, gr_context *ctx, const gr_props *props, const char *name,
                     gr_pid *out_pid)
{
    gr_next inner;
    const gr_middleware *middleware = outermost(next, GRI_AROUND_SPAWN, &inner);

    if (middleware != NULL) {
        return middleware->spawn(middleware->arg, ctx, props, name, out_pid, &inner);
    }
    *next->goes_on = true;
    return gri_actor_spawn(next->sys, ctx == NULL ? NULL : ctx->actor, props, name, out_pid);
}
