/*
 * Inboxes of special kinds: see inbox.h. Runs in the turn of the actor, and where a mailbox that drops its oldest is full in
 * the sender's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "inbox.h"

#include <gri/fail.h>
#include <gri/mem.h>

#include "context.h"

/* ---- by priority */

static uint32_t level_of(const gri_actor *actor, const gr_msg *msg)
{
    uint32_t level = 0;

    if (msg->type == &gri_poison_type) {
        return GR_PRIORITY_LEVELS;
    }
    level = actor->extras->levels->priority(msg);
    return level < GR_PRIORITY_LEVELS ? level : GR_PRIORITY_LEVELS - 1;
}

/* Behind all of its level and of those before it. */
static void put_in_order(gri_actor *actor, gr_msg *msg)
{
    gri_levels *levels = actor->extras->levels;
    uint32_t level = level_of(actor, msg);
    gr_msg *before = NULL;

    for (uint32_t i = 0; i <= level; i++) {
        before = levels->last[i] == NULL ? before : levels->last[i];
    }
    if (before == NULL) {
        msg->block.next = (gri_block *)actor->mailbox.oldest;
        actor->mailbox.oldest = msg;
    } else {
        msg->block.next = before->block.next;
        before->block.next = (gri_block *)msg;
    }
    levels->last[level] = msg;
}

static gr_msg *pop_by_priority(gri_actor *actor)
{
    gri_levels *levels = actor->extras->levels;
    gr_msg *sorted = actor->mailbox.oldest;
    gr_msg *fresh = NULL;
    gr_msg *msg = NULL;

    /* Relaxed: a hint; the take acquires. */
    if (gri_mailbox_newest(atomic_load_explicit(&actor->mailbox.word, memory_order_relaxed)) !=
        NULL) {
        gri_mailbox_take(&actor->mailbox);
        fresh = actor->mailbox.oldest;
        actor->mailbox.oldest = sorted;
        while (fresh != NULL) {
            gr_msg *next = (gr_msg *)fresh->block.next;

            put_in_order(actor, fresh);
            fresh = next;
        }
    }
    if (actor->mailbox.oldest == NULL) { /* what has come just now has to be put in order first */
        return NULL;
    }
    msg = gri_mailbox_pop(&actor->mailbox);
    for (uint32_t i = 0; i < GRI_LEVELS; i++) {
        if (levels->last[i] !=
            NULL) { /* the first level that is there is the one of the first message */
            levels->last[i] = levels->last[i] == msg ? NULL : levels->last[i];
            break;
        }
    }
    return msg;
}

/* ---- dropping the oldest */

static pthread_mutex_t *lock_of(gri_actor *actor)
{
    return &gri_room_stripe_of(actor)->lock;
}

/* Notices of ends and requests to stop are no user's messages, and are kept. */
static bool may_drop(const gr_msg *msg)
{
    return msg->type != &gri_poison_type && msg->type != &gr_terminated_type;
}

/* The oldest that may be dropped, taken out; NULL: there is none. */
static gr_msg *take_oldest_locked(gri_mailbox *box)
{
    gr_msg *kept = NULL, *last_kept = NULL;
    gr_msg *msg = NULL;

    while ((msg = gri_mailbox_pop(box)) != NULL && !may_drop(msg)) {
        if (last_kept == NULL) {
            kept = msg;
        } else {
            last_kept->block.next = (gri_block *)msg;
        }
        last_kept = msg;
    }
    if (last_kept != NULL) {
        gri_mailbox_put_back(box, kept, last_kept);
    }
    return msg;
}

gr_err gri_inbox_push_over(gr_system *sys, gri_actor *actor, gr_pid to, gr_msg *msg)
{
    gr_msg *dropped = NULL;
    gri_push pushed = GRI_PUSH_FULL;
    bool dead = false;

    (void)pthread_mutex_lock(lock_of(actor));
    /* Acquire: as a send does; who ends the actor empties its mailbox under this lock afterwards. */
    dead = atomic_load_explicit(&actor->base.generation, memory_order_acquire) != to.generation;
    while (!dead && pushed == GRI_PUSH_FULL) {
        gr_msg *oldest = take_oldest_locked(&actor->mailbox);

        if (oldest != NULL) {
            oldest->block.next = (gri_block *)dropped;
            dropped = oldest;
        }
        pushed = gri_mailbox_push(&actor->mailbox, msg,
                                  oldest == NULL ? UINT32_MAX : gri_mailbox_limit(&actor->mailbox));
    }
    (void)pthread_mutex_unlock(lock_of(actor));
    while (dropped != NULL) {
        gr_msg *next = (gr_msg *)dropped->block.next;

        (void)atomic_fetch_add_explicit(&sys->dropped, 1, memory_order_relaxed); /* a count */
        dropped->block.next = NULL;
        gri_answer_foreign(sys, dropped, GR_EFULL);
        gr_dead_letter_add(sys, to, dropped, GR_DEAD_DROPPED, GR_EFULL);
        dropped = next;
    }
    if (dead) {
        return GR_EDEAD;
    }
    if (pushed == GRI_PUSHED_MUST_SCHEDULE) {
        gri_actor_schedule(actor);
    }
    return GR_OK;
}

/* ---- the reader's side */

gr_msg *gri_inbox_pop_special(gri_actor *actor)
{
    gr_msg *msg = NULL;

    if (actor->mailbox_kind == GR_MAILBOX_PRIORITY) {
        return pop_by_priority(actor);
    }
    (void)pthread_mutex_lock(lock_of(actor));
    msg = gri_mailbox_pop(&actor->mailbox);
    (void)pthread_mutex_unlock(lock_of(actor));
    return msg;
}

bool gri_inbox_release_special(gri_actor *actor)
{
    bool released = false;

    if (actor->mailbox_kind == GR_MAILBOX_PRIORITY) {
        return gri_mailbox_release(&actor->mailbox);
    }
    (void)pthread_mutex_lock(lock_of(actor));
    released = gri_mailbox_release(&actor->mailbox);
    (void)pthread_mutex_unlock(lock_of(actor));
    return released;
}

/* ---- the start */

gr_err gri_inbox_init(gri_actor *actor, const gr_props *props)
{
    uint32_t limit = props->mailbox == GR_MAILBOX_UNBOUNDED ? UINT32_MAX
                     : props->mailbox_limit == 0            ? GR_MAILBOX_LIMIT_DEFAULT
                                                            : props->mailbox_limit;

    actor->mailbox_kind = (uint8_t)props->mailbox;
    /* Relaxed, both: published with the pid. */
    atomic_store_explicit(&actor->mailbox.limit, limit, memory_order_relaxed);
    atomic_store_explicit(&actor->mailbox.drops, props->mailbox == GR_MAILBOX_DROP_OLDEST,
                          memory_order_relaxed);
    if (props->mailbox != GR_MAILBOX_PRIORITY) {
        return GR_OK;
    }
    if (gri_actor_extras(actor) != NULL) {
        actor->extras->levels = gri_calloc(1, sizeof(gri_levels));
    }
    if (actor->extras == NULL || actor->extras->levels == NULL) {
        actor->mailbox_kind = GR_MAILBOX_REFUSE; /* what is left of it is */
        return GRI_FAIL(GR_ENOMEM, "a mailbox with priorities");
    }
    actor->extras->levels->priority = props->priority;
    return GR_OK;
}
