/*
 * What an actor's inbox does beyond its mailbox (mailbox.h): the kinds that are no plain queue.
 *
 * GR_MAILBOX_PRIORITY: what was pushed is put in order when it is taken, in the list that the actor's worker keeps anyway; so
 * pushing costs what it always costs.
 * GR_MAILBOX_DROP_OLDEST: a sender that finds no room takes the oldest out itself. So the reader's side of such a mailbox is
 * used by others than who has the claim, and only under a lock: the one of the actor's stripe (room.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_INBOX_H
#define GRI_INBOX_H

#include "system_internal.h"

/* Beside the levels of the application, one behind them all: for what must come after everything that was sent before. */
enum { GRI_LEVELS = GR_PRIORITY_LEVELS + 1 };

/* The last message of each level in the list of those taken; NULL: there is none. */
typedef struct gri_levels {
    gr_priority_fn priority;
    gr_msg *last[GRI_LEVELS];
} gri_levels;

/* What props ask for; the actor is not known to anybody yet. GR_ENOMEM. */
gr_err gri_inbox_init(gri_actor *actor, const gr_props *props);

gr_msg *gri_inbox_pop_special(gri_actor *actor);
bool gri_inbox_release_special(gri_actor *actor);

/* The mailbox is full: drops the oldest to make room, and pushes. */
gr_err gri_inbox_push_over(gr_system *sys, gri_actor *actor, gr_pid to, gr_msg *take_msg);

static inline bool gri_inbox_is_plain(const gri_actor *actor)
{
    return actor->mailbox_kind == GR_MAILBOX_REFUSE || actor->mailbox_kind == GR_MAILBOX_UNBOUNDED;
}

/* The next message, or NULL. Only by who has the claim. */
static inline gr_msg *gri_inbox_pop(gri_actor *actor)
{
    return __builtin_expect(gri_inbox_is_plain(actor), 1) ? gri_mailbox_pop(&actor->mailbox)
                                                          : gri_inbox_pop_special(actor);
}

/* Gives the claim back; see gri_mailbox_release(). */
static inline bool gri_inbox_release(gri_actor *actor)
{
    return __builtin_expect(gri_inbox_is_plain(actor), 1) ? gri_mailbox_release(&actor->mailbox)
                                                          : gri_inbox_release_special(actor);
}

#endif
