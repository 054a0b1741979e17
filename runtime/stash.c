/*
 * The stash: messages that an actor has put aside, and those that come back from it and go before the mailbox. What is
 * stashed is an envelope of its own, so that the message in hand may be held, handed on or freed as ever. Runs in the
 * actor's turns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <granary/behaviour.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "system_internal.h"

/* Of those that have ever stashed. */
typedef struct gri_stash {
    gr_msg *first, *last; /* put aside */
    size_t held;          /* in both */
} gri_stash;

static gri_stash *stash_of(gri_actor *actor)
{
    gri_extras *extras = gri_actor_extras(actor);

    if (extras != NULL && extras->stash == NULL) {
        extras->stash = gri_calloc(1, sizeof(gri_stash));
    }
    return extras == NULL ? NULL : extras->stash;
}

/* The news of an end is handled once, if it is expected; so it is expected again. */
static bool expect_again(gri_actor *actor, const gr_msg *msg)
{
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);

    return ended == NULL || gri_watch_table_add(&actor->extras->watching, ended->pid, NULL);
}

gr_err gr_stash(gr_context *ctx)
{
    gri_actor *actor = ctx->actor;
    gri_stash *stash = stash_of(actor);
    uint32_t limit = atomic_load_explicit(&actor->mailbox.limit, memory_order_relaxed); /* fixed */
    gr_msg *msg = NULL;

    if (ctx->msg == NULL) {
        return GRI_FAIL(GR_EINVAL, "there is no message in hand to stash");
    }
    if (stash != NULL && stash->held >= limit) {
        return GRI_FAIL(GR_EFULL,
                        "%zu messages are stashed, which is mailbox_limit: unstash them, or refuse",
                        stash->held);
    }
    msg = stash == NULL ? NULL : gri_msg_for_queue(gr_msg_ref(ctx->msg));
    if (msg == NULL || !expect_again(actor, msg)) {
        (void)gr_msg_unref(msg);
        return GRI_FAIL(GR_ENOMEM, "a place in the stash");
    }
    msg->block.tag = gri_actor_pid(actor).generation;
    msg->block.next = NULL;
    if (stash->last == NULL) {
        stash->first = msg;
    } else {
        stash->last->block.next = (gri_block *)msg;
    }
    stash->last = msg;
    stash->held++;
    ctx->responded = true; /* or will be */
    return GR_OK;
}

void gri_stash_return(gri_actor *actor)
{
    gri_stash *stash = actor->extras == NULL ? NULL : actor->extras->stash;

    if (stash == NULL || stash->first == NULL) {
        return;
    }
    /* What is still to be handled came out of the stash after what is in it now. */
    stash->last->block.next = (gri_block *)actor->extras->unstashed;
    actor->extras->unstashed = stash->first;
    stash->first = stash->last = NULL;
}

size_t gri_stash_held(const gri_actor *actor)
{
    return actor->extras == NULL || actor->extras->stash == NULL ? 0 : actor->extras->stash->held;
}

void gr_unstash_all(gr_context *ctx)
{
    gri_stash_return(ctx->actor);
}

gr_msg *gri_stash_pop(gri_actor *actor)
{
    gr_msg *msg = actor->extras->unstashed;

    actor->extras->unstashed = (gr_msg *)msg->block.next;
    msg->block.next = NULL;
    actor->extras->stash->held--;
    return msg;
}
