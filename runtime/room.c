/*
 * Waiting for room in a mailbox. Senders that wait stand in a queue; the worker that runs the actor pushes their messages for
 * them, in turn, once half of what they may fill is empty again. So nobody is woken in vain or for one message only. Others,
 * which do not wait, must not keep them waiting for ever: while they keep the mailbox full, the first sender that waits gets
 * the place of every eighth message (of every second in a small mailbox) before that is popped; and however many messages are
 * there, it goes on at the end of a turn that was long enough to be cut short.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <gri/fail.h>

struct gri_room_wait {
    TAILQ_ENTRY(gri_room_wait) link;
    gri_actor *actor;
    gr_pid to;
    gr_msg *msg; /* taken by who pushes it */
    gri_wait wait;
};

gri_room_stripe *gri_room_stripe_of(gri_actor *actor)
{
    return &actor->base.sys->room[actor->base.slot % GRI_ROOM_STRIPES];
}

/* What a waiter may be let go for. */
typedef enum serving { FOR_ROOM, FOR_ITS_TURN, FOR_THE_NEXT_PLACE, FOR_THE_END } serving;

/* Pushes a waiter's message if it may be: where there is room, or for once above that, or in the place of the one that is popped
 * next. */
static bool push_locked(gri_actor *actor, struct gri_room_wait *waiter, serving what)
{
    gri_mailbox *box = &actor->mailbox;
    uint32_t limit = gri_mailbox_limit(box);

    if ((what == FOR_ROOM && !gri_mailbox_has_room(box)) ||
        (what == FOR_THE_NEXT_PLACE && gri_mailbox_depth(box) != limit)) {
        return false;
    }
    waiter->msg->block.tag = waiter->to.generation;
    /* Never anything to schedule: the actor is running. */
    if (gri_mailbox_push(box, waiter->msg, what == FOR_THE_NEXT_PLACE ? UINT32_MAX : limit) ==
        GRI_PUSH_FULL) {
        return false;
    }
    waiter->msg = NULL; /* accepted, also when its time is up at this moment */
    return true;
}

/* Lets the first waiter for an actor go, if it may; false when there is none, or it has to wait on. */
static bool serve_one(gri_room_stripe *stripe, gri_actor *actor, serving what)
{
    struct gri_room_wait *waiter = NULL;
    bool claimed = false;

    (void)pthread_mutex_lock(&stripe->lock);
    TAILQ_FOREACH (waiter, &stripe->waits, link) {
        if (waiter->actor == actor) {
            break;
        }
    }
    if (waiter == NULL) {
        /* Relaxed: a waiter sets it under this lock before it looks for room a last time. */
        atomic_store_explicit(&actor->room_wanted, false, memory_order_relaxed);
    } else if (what != FOR_THE_END && !push_locked(actor, waiter, what)) {
        waiter = NULL;
    } else {
        TAILQ_REMOVE(&stripe->waits, waiter, link);
        waiter->wait.linked = false;
        claimed = gri_wait_claim(&waiter->wait, what == FOR_THE_END ? GR_EDEAD : GR_OK);
    }
    (void)pthread_mutex_unlock(&stripe->lock);
    if (claimed) {
        gri_wait_go(&waiter->wait);
    }
    return waiter != NULL;
}

void gri_room_serve(gri_actor *actor, bool popping)
{
    gri_room_stripe *stripe = gri_room_stripe_of(actor);

    if (gri_mailbox_has_room(&actor->mailbox)) {
        while (serve_one(stripe, actor, FOR_ROOM)) {
        }
    } else if (popping &&
               gri_mailbox_depth(&actor->mailbox) == gri_mailbox_limit(&actor->mailbox)) {
        (void)serve_one(stripe, actor, FOR_THE_NEXT_PLACE);
    }
}

void gri_room_serve_in_turn(gri_actor *actor)
{
    (void)serve_one(gri_room_stripe_of(actor), actor, FOR_ITS_TURN);
}

void gri_room_fail(gri_actor *actor)
{
    /* Sequentially consistent, with the generation that was changed before: either this sees that somebody wants room, or who
     * wants it sees that the actor has gone. */
    if (!atomic_load_explicit(&actor->room_wanted, memory_order_seq_cst)) {
        return;
    }
    while (serve_one(gri_room_stripe_of(actor), actor, FOR_THE_END)) {
    }
}

void gri_room_kill(gr_system *sys)
{
    for (uint32_t i = 0; i < GRI_ROOM_STRIPES; i++) {
        struct gri_room_wait *waiter = NULL;

        while ((waiter = TAILQ_FIRST(&sys->room[i].waits)) != NULL) {
            TAILQ_REMOVE(&sys->room[i].waits, waiter, link);
            waiter->msg = gr_msg_unref(waiter->msg);
        }
    }
}

gr_err gri_room_wait(gr_system *sys, gri_actor *actor, gr_pid to, gr_msg *msg, int64_t deadline_ms)
{
    gri_room_stripe *stripe = gri_room_stripe_of(actor);
    struct gri_room_wait waiter = {.actor = actor, .to = to, .msg = msg};
    gri_push pushed = GRI_PUSH_FULL;
    bool dead = false;
    gr_err err = GR_OK;

    if (gri_wait_in_the_way(to) != NULL) { /* nobody but the caller could make room */
        return gri_send_local(sys, to, msg, false);
    }
    gri_wait_init(&waiter.wait, sys);
    waiter.wait.on = actor->base.slot;
    err = gri_wait_prepare(&waiter.wait);
    if (err != GR_OK) { /* there is no memory to wait with */
        return gri_send_local(sys, to, msg, false);
    }
    (void)pthread_mutex_lock(&stripe->lock);
    /* Sequentially consistent, both: either this last look finds the room that the worker has made, or the worker, when it
     * gives the actor back, finds that room is wanted. */
    atomic_store_explicit(&actor->room_wanted, true, memory_order_seq_cst);
    (void)atomic_load_explicit(&actor->mailbox.word, memory_order_seq_cst);
    /* Sequentially consistent: see gri_room_fail(). */
    dead = atomic_load_explicit(&actor->base.generation, memory_order_seq_cst) != to.generation;
    if (!dead) {
        msg->block.tag = to.generation;
        pushed = gri_mailbox_push(&actor->mailbox, msg, gri_mailbox_low_mark(&actor->mailbox));
        if (pushed == GRI_PUSH_FULL) {
            waiter.wait.linked = true;
            TAILQ_INSERT_TAIL(&stripe->waits, &waiter, link);
        }
    }
    (void)pthread_mutex_unlock(&stripe->lock);
    if (dead) { /* it says so once more, as any send would */
        return gri_send_local(sys, to, msg, false);
    }
    if (pushed != GRI_PUSH_FULL) {
        if (pushed == GRI_PUSHED_MUST_SCHEDULE) {
            gri_actor_schedule(actor);
        }
        return GR_OK;
    }
    err = gri_wait_for(&waiter.wait, deadline_ms);
    (void)pthread_mutex_lock(&stripe->lock);
    if (waiter.wait.linked) {
        TAILQ_REMOVE(&stripe->waits, &waiter, link);
    }
    (void)pthread_mutex_unlock(&stripe->lock);
    if (waiter.msg == NULL) {
        return GR_OK;
    }
    if (err == GR_ETIMEDOUT) { /* there may still be room for those who do not wait */
        return gri_send_local(sys, to, waiter.msg, false);
    }
    gr_dead_letter_add(sys, to, waiter.msg, err == GR_EDEAD ? GR_DEAD_NO_ACTOR : GR_DEAD_FULL, err);
    return GRI_FAIL(err, "%s, while waiting for room in a mailbox", gr_err_text(err));
}
