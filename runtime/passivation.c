/*
 * Passivation: when an actor may, and the plugin that has it do so. Stopping itself, and starting again when messages come
 * meanwhile, is a part of an actor's life (actor_end.c). Runs in the actor's turns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <granary/passivation.h>

#include <gri/fail.h>

#include "actor_internal.h"

/* The receive timeout of the plugin. */
static const gr_type idle_type = {"gr_passivation", 0, NULL, NULL, NULL};

void gr_passivate(gr_context *ctx)
{
    gri_actor_ask(ctx->actor, gri_actor_pid(ctx->actor).generation, GRI_ASKED_PASSIVATE);
}

static bool is_empty(gri_actor *actor)
{
    return gri_mailbox_depth(&actor->mailbox) == 0 && gri_stash_held(actor) == 0;
}

/* Whether somebody here waits for an answer beyond its turn; who lives elsewhere cannot be seen. */
static bool owes_answers(const gri_actor *actor)
{
    size_t i = 0;

    for (i = 0; actor->extras != NULL && i < actor->extras->owed.count; i++) {
        if (gr_process_alive(actor->base.sys, actor->extras->owed.at[i])) {
            return true;
        }
    }
    return false;
}

bool gri_passivation_may_begin(gri_actor *actor)
{
    return actor->status == GRI_RUNNING &&
           (actor->extras == NULL ||
            (actor->extras->waits_count == 0 && actor->extras->continuations == 0)) &&
           is_empty(actor) && !owes_answers(actor);
}

bool gri_passivation_is_over(gri_actor *actor)
{
    return (actor->wants & (GRI_ASKED_STOP | GRI_ASKED_STOP_FAILED)) == 0 && !is_empty(actor);
}

static gr_err on_started(void *arg, gr_context *ctx)
{
    const gr_passivation *passivation = arg;

    return gr_receive_timeout_set_type(ctx, &idle_type, passivation->idle_ms);
}

static gr_err on_receive(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next)
{
    (void)arg;
    if (gr_msg_type(msg) != &idle_type) {
        return gr_next_receive(next, ctx, msg);
    }
    gr_passivate(ctx);
    return GR_OK;
}

gr_err gr_passivation_init(gr_passivation *passivation, int64_t idle_ms)
{
    if (idle_ms <= 0) {
        return GRI_FAIL(GR_EINVAL,
                        "passivation after %lld ms: at least 1; leave the plugin out for never",
                        (long long)idle_ms);
    }
    *passivation = (gr_passivation){.middleware = {.name = "passivation",
                                                   .arg = passivation,
                                                   .started = on_started,
                                                   .receive = on_receive},
                                    .idle_ms = idle_ms};
    return GR_OK;
}
