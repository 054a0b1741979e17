/*
 * The function that is called with each message. Most actors have the one of their props all their life, and pay nothing for
 * others that change it. Where something has to happen around it, actors are given a function that does so instead.
 * Runs in the actor's turns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <granary/behaviour.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "system_internal.h"

enum { STACK_ROOM = 6 };

typedef struct gri_behaviour {
    gr_receive_fn of_props;
    size_t count, room;
    gr_receive_fn stack[]; /* the last one is that of now; none: that of the props */
} gri_behaviour;

static gr_receive_fn handler_of(const gri_behaviour *behaviour)
{
    return behaviour->count == 0 ? behaviour->of_props : behaviour->stack[behaviour->count - 1];
}

gr_receive_fn gri_behaviour_handler(const gri_actor *actor)
{
    return handler_of(actor->extras->behaviour);
}

/* In place of the handler, where there is something to be done around it. */
static gr_err receive_around(gr_context *ctx, void *state, const gr_msg *msg)
{
    gri_actor *actor = ctx->actor;
    bool quiet = msg->quiet != 0;
    gr_err err = GR_OK;

    if (!quiet) {
        gri_receive_timeouts_touch(actor);
        actor->wants &= (uint8_t)~GRI_ASKED_PASSIVATE; /* it is not idle after all */
    }
    err = (actor->around & GRI_AROUND_RECEIVE) != 0 ? gri_middleware_receive(ctx, msg)
                                                    : gri_behaviour_handler(actor)(ctx, state, msg);
    if (!quiet) {
        gri_receive_timeouts_touch(actor);
    }
    return err;
}

bool gri_behaviour_prepare(gri_actor *actor)
{
    gri_extras *extras = gri_actor_extras(actor);

    if (extras != NULL && extras->behaviour == NULL) {
        extras->behaviour = gri_alloc(sizeof(gri_behaviour) + STACK_ROOM * sizeof(gr_receive_fn));
        if (extras->behaviour != NULL) {
            *extras->behaviour =
                (gri_behaviour){.of_props = actor->props.receive, .room = STACK_ROOM};
        }
    }
    return extras != NULL && extras->behaviour != NULL;
}

void gri_behaviour_choose(gri_actor *actor)
{
    const gri_extras *extras = actor->extras;

    if (extras != NULL && extras->behaviour != NULL) {
        actor->props.receive = extras->timeouts != NULL || (actor->around & GRI_AROUND_RECEIVE) != 0
                                   ? receive_around
                                   : handler_of(extras->behaviour);
    }
}

void gri_behaviour_reset(gri_actor *actor)
{
    if (actor->extras != NULL && actor->extras->behaviour != NULL) {
        actor->extras->behaviour->count = 0;
        gri_behaviour_choose(actor);
    }
}

static gr_err become(gr_context *ctx, gr_receive_fn receive, bool stacked)
{
    gri_actor *actor = ctx->actor;
    gri_behaviour *behaviour = NULL;

    if (receive == NULL) {
        return GRI_FAIL(GR_EINVAL,
                        "become without a handler; gr_unbecome() comes back to the last");
    }
    if (!gri_behaviour_prepare(actor)) {
        return GRI_FAIL(GR_ENOMEM, "a handler");
    }
    behaviour = actor->extras->behaviour;
    if (!stacked && behaviour->count != 0) {
        behaviour->count--;
    }
    if (behaviour->count == behaviour->room) {
        size_t room = 2 * behaviour->room;
        gri_behaviour *grown =
            gri_realloc(behaviour, sizeof(*behaviour) + room * sizeof(gr_receive_fn));

        if (grown == NULL) {
            return GRI_FAIL(GR_ENOMEM, "a stack of %zu handlers", room);
        }
        grown->room = room;
        behaviour = actor->extras->behaviour = grown;
    }
    behaviour->stack[behaviour->count++] = receive;
    gri_behaviour_choose(actor);
    return GR_OK;
}

gr_err gr_become(gr_context *ctx, gr_receive_fn receive)
{
    return become(ctx, receive, false);
}

gr_err gr_become_stacked(gr_context *ctx, gr_receive_fn receive)
{
    return become(ctx, receive, true);
}

gr_err gr_unbecome(gr_context *ctx)
{
    gri_behaviour *behaviour = ctx->actor->extras == NULL ? NULL : ctx->actor->extras->behaviour;

    if (behaviour == NULL || behaviour->count == 0) {
        return GRI_FAIL(GR_EINVAL, "nothing to come back to: the handler is that of the props");
    }
    behaviour->count--;
    gri_behaviour_choose(ctx->actor);
    return GR_OK;
}
