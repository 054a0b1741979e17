/*
 * Continuations: what an actor does when a future is complete, without a fiber that waits for it. A continuation holds the
 * message that was in hand when it was made, hangs on the future until that completes, in whatever thread, and then reaches
 * its actor as a note. So it needs no memory when it is due, comes before the messages that wait, and finds an actor that
 * was restarted, or stopped, or is another by then, in which case it does not run. It is itself the payload of a message,
 * which the context holds while it runs, so that what it owns goes with the fiber, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "actor_internal.h"

#include <gri/fail.h>

#include "context.h"
#include "future_internal.h"

typedef struct continuation {
    gri_future_link link;
    gri_note note;
    gri_actor *actor;
    uint32_t generation; /* of the actor, and which of its lives began it */
    uint32_t life;
    gr_then_fn fn;
    void *arg;
    void (*arg_free)(void *arg); /* NULL: not ours */
    gr_msg *msg;                 /* that was in hand, or NULL */
    gr_future *future;
} continuation;

static void drop(void *payload)
{
    continuation *then = payload;

    (void)gr_msg_unref(then->msg);
    (void)gr_future_unref(then->future);
    if (then->arg_free != NULL) {
        then->arg_free(then->arg);
    }
}

static const gr_type continuation_type = {"granary.Continuation", sizeof(continuation), drop, NULL,
                                          NULL};

static continuation *of_note(gri_note *note)
{
    return (continuation *)((char *)note - offsetof(continuation, note));
}

static continuation *of_link(gri_future_link *link)
{
    return (continuation *)((char *)link - offsetof(continuation, link));
}

void gri_continuation_drop(gri_note *note)
{
    (void)gr_msg_unref(gr_msg_of(of_note(note)));
}

static void on_completed(gri_future_link *link, gr_future *future)
{
    continuation *then = of_link(link);

    then->future = gr_future_ref(future);
    /* Relaxed: a hint; the actor, or who lives there then, looks again in its turn. */
    if (atomic_load_explicit(&then->actor->base.generation, memory_order_relaxed) !=
        then->generation) {
        gri_continuation_drop(&then->note);
        return;
    }
    gri_actor_note(then->actor, &then->note);
}

static void on_dropped(gri_future_link *link)
{
    gri_continuation_drop(&of_link(link)->note);
}

static gr_err begin(gr_context *ctx, gr_future *future, gr_then_fn fn, void *arg,
                    void (*arg_free)(void *arg))
{
    gri_extras *extras = gri_actor_extras(ctx->actor);
    gr_msg *holder = NULL;
    continuation *then = NULL;

    if (fn == NULL || future == NULL) {
        return GRI_FAIL(GR_EINVAL, "gr_future_then() without a %s",
                        fn == NULL ? "function" : "future");
    }
    if (future->base.sys != ctx->actor->base.sys) {
        return GRI_FAIL(GR_EINVAL, "a future of system %s for an actor of system %s: pipe it there",
                        future->base.sys->name, ctx->actor->base.sys->name);
    }
    holder = extras == NULL ? NULL : gr_msg_new(&continuation_type);
    if (holder == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a continuation");
    }
    then = gr_msg_payload(holder);
    then->link.completed = on_completed;
    then->link.dropped = on_dropped;
    then->note.kind = GRI_NOTE_CONTINUE;
    then->actor = ctx->actor;
    then->generation = gri_actor_pid(ctx->actor).generation;
    then->life = extras->continuations_life;
    then->fn = fn;
    then->arg = arg;
    then->arg_free = arg_free;
    then->msg = gr_msg_ref(ctx->msg);
    extras->continuations++;
    gri_future_attach(future, &then->link);
    return GR_OK;
}

gr_err gr_future_then(gr_context *ctx, gr_future *future, gr_then_fn fn, void *arg,
                      void (*arg_free)(void *arg))
{
    gr_err err = begin(ctx, future, fn, arg, arg_free);

    if (err != GR_OK && arg_free != NULL) {
        arg_free(arg);
    }
    return err;
}

/* It belongs to a state that is gone; whoever asked for what it was about has no answer to expect. */
static void give_up(gri_actor *actor, continuation *then)
{
    gr_system *sys = actor->base.sys;

    if (then->msg != NULL && gr_msg_is_request(then->msg) &&
        (then->msg->sender.node != sys->node || gr_process_alive(sys, then->msg->sender))) {
        gri_answer_error(sys, then->msg, GR_ERESTARTED,
                         "the actor was restarted while it waited for somebody else's answer");
    }
    gri_continuation_drop(&then->note);
}

bool gri_continuation_handle(gri_actor *actor, gri_note *note)
{
    continuation *then = of_note(note);
    gr_msg *msg = NULL;
    bool stale = false;

    if (then->generation != gri_actor_pid(actor).generation || actor->status == GRI_STOPPING) {
        gri_continuation_drop(note);
        return false;
    }
    stale = then->life != actor->extras->continuations_life || actor->status == GRI_RESTARTING;
    if (!stale && !gri_actor_may_handle(actor)) {
        note->next = actor->extras->deferred;
        actor->extras->deferred = note;
        return false;
    }
    actor->extras->continuations--;
    if (stale) {
        give_up(actor, then);
        return false;
    }
    msg = then->msg;
    then->msg = NULL;
    gri_receive_timeouts_touch(actor);
    gri_context_run_then(actor, msg, then->fn, then->arg, then->future, gr_msg_of(then));
    gri_receive_timeouts_touch(actor);
    return true;
}

void gri_continuations_recall(gri_actor *actor)
{
    gri_note *note = actor->extras == NULL ? NULL : actor->extras->deferred;

    while (note != NULL) { /* newest first, so the oldest ends up in front */
        gri_note *older = note->next;

        note->next = actor->notes_taken;
        actor->notes_taken = note;
        note = older;
        actor->extras->deferred = older;
    }
}

void gri_continuations_end(gri_actor *actor)
{
    while (actor->extras != NULL && actor->extras->deferred != NULL) {
        gri_note *note = actor->extras->deferred;

        actor->extras->deferred = note->next;
        gri_continuation_drop(note);
    }
}
