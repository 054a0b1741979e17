/*
 * Actors: being told, and turns. What others want of an actor reaches it as messages, notes and asked bits; whoever has its
 * claim runs it. See actor_internal.h for the rest of its life.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "actor_internal.h"

#include <string.h>

#include <gri/mem.h>

#include "context.h"
#include "router_internal.h"

/* ---- being told --------------------------------------------------------------------------------------------------- */

void gri_actor_schedule(gri_actor *actor)
{
    actor->base.sys->ops->schedule(actor->base.sys, actor);
}

void gri_actor_note(gri_actor *actor, gri_note *note)
{
    gri_note *old =
        atomic_load_explicit(&actor->notes, memory_order_relaxed); /* the swap checks it */

    do {
        note->next = old;
        /* Release: publishes the note to who runs the actor. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->notes, &old, note, memory_order_release,
                                                    memory_order_relaxed));
    if (gri_mailbox_claim(&actor->mailbox)) {
        gri_actor_schedule(actor);
    }
}

/* `keep` is what stays of what was asked before. */
static void ask(gri_actor *actor, uint32_t generation, uint64_t keep, uint64_t what)
{
    uint64_t asked =
        atomic_load_explicit(&actor->asked, memory_order_relaxed); /* the swap checks it */

    do {
        if (asked >> 32 != generation) {
            return;
        }
        /* Release: whoever runs the actor because of it sees what the asker did before. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->asked, &asked, (asked & keep) | what,
                                                    memory_order_release, memory_order_relaxed));
    if (gri_mailbox_claim(&actor->mailbox)) {
        gri_actor_schedule(actor);
    }
}

void gri_actor_ask(gri_actor *actor, uint32_t generation, unsigned what)
{
    ask(actor, generation, UINT64_MAX, what);
}

void gri_actor_ask_in_round(gri_actor *actor, uint32_t generation, unsigned what, uint16_t round)
{
    ask(actor, generation, ~((uint64_t)UINT16_MAX << 16), (uint64_t)round << 16 | what);
}

void gri_actor_describe(const gri_actor *actor, char text[GRI_DESCRIPTION_BYTES])
{
    text[0] = '\0';
    text[1] = '\0';
    if (actor->props.describe != NULL) {
        actor->props.describe(actor->props.arg, text + 1, GRI_DESCRIPTION_BYTES - 1);
    } else if (actor->name != NULL) {
        (void)strncpy(text + 1, actor->name, GRI_DESCRIPTION_BYTES - 2);
        text[GRI_DESCRIPTION_BYTES - 1] = '\0';
    }
    text[0] = text[1] == '\0' ? '\0' : ' ';
}

gri_extras *gri_actor_extras(gri_actor *actor)
{
    if (actor->extras == NULL) {
        actor->extras = gri_calloc(1, sizeof(*actor->extras));
    }
    return actor->extras;
}

gri_note *gri_actor_next_note(gri_actor *actor)
{
    gri_note *note = actor->notes_taken;

    /* Relaxed: a hint; the exchange acquires. */
    if (note == NULL && atomic_load_explicit(&actor->notes, memory_order_relaxed) != NULL) {
        gri_note *newest = atomic_exchange_explicit(&actor->notes, NULL,
                                                    memory_order_acquire); /* sees the notes */

        while (newest != NULL) { /* turned over: oldest first */
            gri_note *older = newest->next;

            newest->next = note;
            note = newest;
            newest = older;
        }
    }
    if (note != NULL) {
        actor->notes_taken = note->next;
    }
    return note;
}

/* ---- turns -------------------------------------------------------------------------------------------------------- */

/* A fiber of the actor may go on: it does, here, with the actor; the running fiber comes to rest. */
static void on_ready(gri_actor *actor, gri_wait *wait)
{
    gri_worker *worker = gri_this_thread.worker;

    LIST_REMOVE(wait, parked);
    actor->extras->waits_count--;
    if (actor->extras->waits_count == 0) {
        actor->home = actor->extras->pinned;
        gri_mailbox_block(&actor->mailbox, actor->status != GRI_RUNNING);
        gri_continuations_recall(actor);
    }
    gri_worker_resume(worker, wait->fiber);
}

/* What became of the notes. */
typedef enum noted {
    NOTED,           /* they have been handled */
    NOTED_ELSEWHERE, /* the actor goes on on another fiber: this one has nothing more to do with it */
    NOTED_AND_RUN    /* a continuation has run, which counts as a message */
} noted;

/* Handles the notes, and one continuation at most; none when no messages are `left` of the turn. */
static noted handle_notes(gri_actor *actor, uint32_t left)
{
    gri_note *note = NULL;

    while ((note = gri_actor_next_note(actor)) != NULL) {
        switch (note->kind) {
        case GRI_NOTE_WATCH:
        case GRI_NOTE_UNWATCH:
            gri_watch_handle(actor, note);
            break;
        case GRI_NOTE_CHILD_FAILED:
            gri_supervise_child(actor,
                                (gri_actor *)((char *)note - offsetof(gri_actor, failed_note)));
            break;
        case GRI_NOTE_CHILD_STOPPED:
            gri_actor_child_stopped(
                actor, (gri_actor *)((char *)note - offsetof(gri_actor, stopped_note)));
            break;
        case GRI_NOTE_READY:
            on_ready(actor, (gri_wait *)((char *)note - offsetof(gri_wait, note)));
            return NOTED_ELSEWHERE;
        case GRI_NOTE_CONTINUE:
            if (left == 0 && gri_actor_may_handle(actor)) {
                note->next = actor->notes_taken;
                actor->notes_taken = note;
                return NOTED;
            }
            if (gri_continuation_handle(actor, note)) {
                return NOTED_AND_RUN;
            }
            break;
        }
    }
    return NOTED;
}

/* Gives the claim back of an actor that was told nothing when last looked; false: there is something to do, and it is still
 * held. */
static inline bool release_untold(gri_actor *actor)
{
    bool more = false;

    /* Relaxed: looked at again below. Whoever finds room wanted and there below has to find here, or in the next round, who
     * wants it, or that nobody does any more. */
    if (__builtin_expect(atomic_load_explicit(&actor->room_wanted, memory_order_relaxed), 0)) {
        gri_room_serve(actor, false);
    }
    if (!gri_inbox_release(actor)) {
        return false;
    }
    /* Who told it something while the claim was held left it to us; acquire pairs with the teller's release. A sender
     * that waits for room has looked for it after it had said so, or is seen here: sequentially consistent. */
    more = atomic_load_explicit(&actor->notes, memory_order_acquire) != NULL ||
           gri_actor_is_asked(actor) ||
           (atomic_load_explicit(&actor->room_wanted, memory_order_seq_cst) &&
            gri_mailbox_has_room(&actor->mailbox));
    return __builtin_expect(!more, 1) || !gri_mailbox_claim(&actor->mailbox);
}

/* Gives the claim back when there is nothing to do; false: there is, and it is still held. */
static bool release(gri_actor *actor)
{
    /* Relaxed: looked at again afterwards. */
    return !gri_actor_has_unstashed(actor) && actor->notes_taken == NULL &&
           atomic_load_explicit(&actor->notes, memory_order_relaxed) == NULL &&
           !gri_actor_is_asked(actor) && release_untold(actor);
}

static void poison(gri_actor *actor, gr_msg *msg)
{
    (void)gr_msg_unref(msg);
    if (!gri_is_router(actor) || !gri_router_poison(actor)) {
        actor->wants |= GRI_ASKED_STOP;
    }
}

static inline void handle_message(gri_actor *actor, gr_msg *msg)
{
    if (__builtin_expect(msg->block.tag != gri_actor_pid(actor).generation, 0)) {
        gri_actor_turn_away(actor, msg); /* it was sent to who lived here before */
        return;
    }
    if (msg->type == &gri_poison_type) {
        poison(actor, msg);
        return;
    }
    if (msg->type == &gr_terminated_type && !gri_watch_expects(actor, msg)) {
        (void)gr_msg_unref(msg);
        return;
    }
    if (msg->extra != NULL) {
        gri_timer_tick_taken(msg);
    }
    gri_context_run_receive(actor, msg);
}

/*
 * Somebody waits for room: looks whether there is some, now and then, since the look is at what senders write. Where only few
 * messages have room it is at each of them.
 */
static void serve_room(gri_actor *actor, uint32_t left)
{
    enum { EVERY = 8 };

    if (left % EVERY == 0 || gri_mailbox_low_mark(&actor->mailbox) < 4 * EVERY) {
        gri_room_serve(actor, left % 2 == 0 && gri_actor_may_handle(actor));
    }
}

/* Whether there is nothing to do but to handle messages: so it is in nearly all turns. */
static inline bool has_only_messages(const gri_actor *actor)
{
    /* Relaxed, both: looked at again when the claim is given back. */
    return actor->status == GRI_RUNNING && actor->wants == 0 && actor->notes_taken == NULL &&
           atomic_load_explicit(&actor->notes, memory_order_relaxed) == NULL &&
           !gri_actor_is_asked(actor) &&
           (actor->extras == NULL ||
            (actor->extras->waits_count == 0 && actor->extras->unstashed == NULL));
}

void gri_actor_finish_turn(gri_actor *actor)
{
    if (!release(actor)) {
        gri_actor_schedule(actor);
    }
}

void gri_actor_run(gri_actor *actor)
{
    gri_worker *worker = gri_this_thread.worker;
    uint32_t left = actor->base.sys->throughput;

    /* Release: the monitor, which acquires it, reads the actor's pid. */
    atomic_store_explicit(&worker->running, actor, memory_order_release);
    for (;;) {
        gr_msg *msg = NULL;
        noted notes = NOTED;

        /* Relaxed: it is looked at again when the claim is given back. */
        if (__builtin_expect(atomic_load_explicit(&actor->room_wanted, memory_order_relaxed), 0)) {
            serve_room(actor, left);
        }
        if (__builtin_expect(left != 0 && has_only_messages(actor), 1)) {
            msg = gri_inbox_pop(actor);
            if (msg != NULL) {
                left--;
                handle_message(actor, msg);
            } else if (release_untold(actor)) {
                return;
            }
            continue;
        }
        if (actor->status == GRI_FREE) { /* also when it was given back and claimed anew above */
            gri_actor_release_free(actor);
            return;
        }
        notes = handle_notes(actor, left);
        if (notes == NOTED_ELSEWHERE || !gri_actor_lives_on(actor)) {
            return;
        }
        left -= notes == NOTED_AND_RUN ? 1 : 0;
        if (gri_actor_may_handle(actor)) {
            if (left == 0) {
                /* Relaxed: as above. */
                if (atomic_load_explicit(&actor->room_wanted, memory_order_relaxed)) {
                    gri_room_serve_in_turn(actor);
                }
                gri_actor_finish_turn(actor);
                return;
            }
            msg = gri_actor_next_message(actor);
        }
        if (msg != NULL) {
            left--;
            handle_message(actor, msg);
        } else if (release(actor)) {
            return;
        }
    }
}
