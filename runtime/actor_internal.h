/*
 * An actor's life in three files: being told and taking turns (actor.c), starting (actor_start.c), restarting and ending
 * (actor_end.c). All of it runs under the actor's claim, so nothing here needs a lock.
 *
 *              (1)             (2)            (3)
 *   FREE ----------> STARTING ----> RUNNING ----> STOPPING ----> FREE
 *                       ^    \         | ^           ^   (4)
 *                       |     \ (5)    |  \ resume   |
 *                  (7)  |      v       v   \         |
 *               RESTARTING <------- PAUSED ----------+
 *                            (6)
 *   (1) gri_actor_spawn()  (2) gri_actor_start_hook()  (3) begin_end()  (4) finish_stop()  (5) gri_actor_failed()
 *   (6) begin_end()  (7) finish_restart()
 *
 * STOPPING and RESTARTING last until the waits of its fibers have ended and its children have gone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_ACTOR_INTERNAL_H
#define GRI_ACTOR_INTERNAL_H

#include "inbox.h"

/* The oldest note, or NULL. */
gri_note *gri_actor_next_note(gri_actor *actor);

/* actor_start.c */
/* Makes a new state and runs the started hook on it; RUNNING when it succeeds. */
gr_err gri_actor_start_hook(gri_actor *actor);
void gri_actor_free_state(gri_actor *actor);

/* actor_end.c */
/* A started hook has failed: nothing stays. Children that it has started go first. */
void gri_actor_abort_start(gri_actor *actor);
void gri_actor_child_stopped(gri_actor *parent, gri_actor *child);
/* What nobody will handle becomes a dead letter; who asked is told. A notice of an end goes without a word. */
void gri_actor_turn_away(gri_actor *actor, gr_msg *take_msg);
/* Nobody is at home any more: what comes late is turned away, and the claim given back. */
void gri_actor_release_free(gri_actor *actor);
/* Does what was asked as far as the actor's state allows; true when the actor has gone, or its turn is over. */
bool gri_actor_step_life(gri_actor *actor);

/* Whether a message, or a continuation, may be handled now. */
static inline bool gri_actor_may_handle(const gri_actor *actor)
{
    return actor->status == GRI_RUNNING &&
           (actor->props.reentrant || actor->extras == NULL || actor->extras->waits_count == 0);
}

/* Whether messages that were stashed are to be handled now. */
static inline bool gri_actor_has_unstashed(const gri_actor *actor)
{
    return actor->extras != NULL && actor->extras->unstashed != NULL && gri_actor_may_handle(actor);
}

/* The next message, or NULL. */
static inline gr_msg *gri_actor_next_message(gri_actor *actor)
{
    return actor->extras != NULL && actor->extras->unstashed != NULL ? gri_stash_pop(actor)
                                                                     : gri_inbox_pop(actor);
}

static inline bool gri_actor_is_asked(const gri_actor *actor)
{
    return (uint32_t)atomic_load_explicit(&actor->asked, memory_order_acquire) !=
           0; /* sees the asker's doings */
}

/* False when gri_actor_step_life(), which has nothing to do in most turns, has ended the actor or its turn. */
static inline bool gri_actor_lives_on(gri_actor *actor)
{
    return (actor->status == GRI_RUNNING && actor->wants == 0 && !gri_actor_is_asked(actor)) ||
           !gri_actor_step_life(actor);
}

#endif
