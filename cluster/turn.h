/*
 * Turns: one call, timer or hook of an activation. What a turn produces is collected and leaves through one function,
 * gri_turn_exit(), once the lease has been checked again. Runs on the activation's fiber.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_TURN_H
#define GRI_TURN_H

#include <stdalign.h>

#include <gri/bytes.h>

#include "activation.h"
#include "call.h"
#include "caller_internal.h"

/* A timer of an activation. */
typedef struct gri_grain_timer {
    LIST_ENTRY(gri_grain_timer) next;
    uint64_t number;
    uint64_t start; /* which start of it; a tick of an older one is ignored */
    int64_t due_ms;
    int64_t period_ms;
    gr_timer_id id;
} gri_grain_timer;

/* The actor's state: what a restart makes anew. */
typedef struct gri_live {
    gri_activation *activation;
    bool activated;
    bool activating;
    bool ended;
    gr_deactivation asked; /* to end once nothing runs; 0: no */
    uint32_t running;      /* calls in a turn, waiting ones included */
    uint32_t running_read_only;
    uint64_t timer_starts;
    STAILQ_HEAD(, gri_set_aside) aside; /* may not start beside those that run */
    LIST_HEAD(, gri_grain_timer) timers;
    alignas(16) char data[];
} gri_live;

typedef enum gri_turn_kind {
    GRI_TURN_CALL,
    GRI_TURN_ACTIVATED,
    GRI_TURN_TIMER,
    GRI_TURN_DEACTIVATING
} gri_turn_kind;

/* One turn, as its method sees it. */
struct gr_grain {
    gr_caller caller;
    gri_turn_kind kind;
    gri_live *live;
    gr_context *ctx;
    gri_call_message *call; /* in hand; NULL in timers and the last hook */
    int64_t deadline_ms;
    gri_buffer chain;
    bool chain_made;
    bool ask_end;
    /* What leaves at the end. */
    gri_call **one_ways;
    size_t one_ways_count, one_ways_room;
    struct gri_timer_change *timer_changes; /* oldest first */
    struct gri_timer_change **timer_changes_end;
    /* What lives until the end. */
    gr_msg **replies;
    size_t replies_count, replies_room;
    const char *details_type;
    const uint8_t *details;
    size_t details_bytes;
};

void gri_turn_init(gr_grain *turn, gri_turn_kind kind, gri_live *live, gr_context *ctx,
                   gri_call_message *call);

/* In mid-turn, before it waits for a call: lets go of what came before. GR_ESTOPPED: it may not act any more. */
gr_err gri_turn_let_go(gr_grain *turn);

/* The end of a turn, and the only way out for its reply, one-way calls and timers: they leave together, after a second
 * look at the lease, or not at all. `answer` NULL: nobody waits for one. Frees the turn's contents. */
void gri_turn_exit(gr_grain *turn, const gri_answer *answer);
/* The same for a turn that failed as a whole: only the answer leaves. */
void gri_turn_crash(gr_grain *turn, gr_err code, const char *text);

/* The chain of callers for what this turn calls; GR_ETOOBIG, GR_ENOMEM. */
gr_err gri_turn_chain(gr_grain *turn);
/* Whether its shard cannot move before it ends, or its caller's. */
bool gri_turn_is_pressing(const gr_grain *turn);
/* Keeps a one-way call until the end; takes it. A reply likewise. GR_ENOMEM. */
gr_err gri_turn_keep_one_way(gr_grain *turn, gri_call *take_call);
gr_err gri_turn_keep_reply(gr_grain *turn, gr_msg *take_reply);

/* ---- the rest of the activation's actor, see activation.c */

/* A timer has become due in the actor's mailbox. */
typedef struct gri_grain_tick {
    uint64_t number;
    uint64_t start;
} gri_grain_tick;

extern const gr_type gri_grain_tick_type;

/* Whether a tick is of a timer that still runs; arms its next one. */
bool gri_turn_tick(gri_live *live, gr_context *ctx, const gri_grain_tick *tick);
/* Forgets all timers, with the actor. */
void gri_turn_timers_end(gri_live *live);

/* A method abandons its turn: answers, and prepares the activation for what its supervisor decides. */
void gri_activation_crashed(gr_grain *turn, gr_err code, const char *text);

#endif
