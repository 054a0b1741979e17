/*
 * A slice: what a host keeps for one shard. Under its lock a call is looked up and sent to its activation in one step,
 * and an activation leaves the table only when no call is pending on it; so passivation and draining lose none.
 *
 *              (1)           (2)            (3)
 *   ELSEWHERE -----> OWNED -------> DRAINING -----> ELSEWHERE
 *                      ^               |
 *                      +---------------+ (4)
 *   (1) a view says that this node owns it   (2) membership wants to give it away: new grains' calls are held
 *   (3) a view says that another node owns it: held calls are refused with that view   (4) it could not be given
 *   OWNED -> ELSEWHERE: fenced
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_SLICE_H
#define GRI_SLICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "call_message.h"

struct gri_activation;
struct gri_host;

enum { GRI_SLICE_HELD_MAX = 10000, GRI_SWEEP_BATCH = 512, GRI_SLICE_AWAIT_MS = 500 };

typedef enum gri_slice_state {
    GRI_SLICE_ELSEWHERE = 0,
    GRI_SLICE_OWNED = 1,
    GRI_SLICE_DRAINING = 2
} gri_slice_state;

TAILQ_HEAD(gri_activations, gri_activation);

typedef struct gri_slice {
    struct gri_host *host;
    atomic_int_fast64_t
        oldest_ms; /* when the first of `idle_order` was called last; INT64_MAX: it is empty */
    atomic_int_fast64_t awaiting_ms; /* since when calls are held while ELSEWHERE; 0: none are */
    pthread_mutex_t lock;
    /* lock */
    gri_slice_state state;
    uint64_t epoch;
    struct gri_activation *table;      /* by kind and identity */
    struct gri_activations idle_order; /* least recently called first; without those asked to end */
    /* While DRAINING, of grains without an activation; while ELSEWHERE, of callers who know a newer
     * view, until it is known here, too. */
    struct gri_call_list held;
    uint32_t held_count;
    gr_future *drained;     /* completes when the table is empty */
    gr_deactivation reason; /* while DRAINING */
    bool empty;             /* while DRAINING: stays so, whoever calls */
} gri_slice;

/* Calls that could not be taken, each with its reason, to be answered once the lock is free. */
typedef struct gri_call_list gri_refusals;

void gri_refusals_init(gri_refusals *refusals);

void gri_slice_init(gri_slice *slice, struct gri_host *host);
void gri_slice_fini(gri_slice *slice);

/* Takes a call or refuses it: then it is in `refusals`. */
void gri_slice_admit(gri_slice *slice, gri_call_message *call, gri_refusals *refusals);

/* A view says who owns it; not ours also means fenced. What ran here then has no effects and no hooks. */
void gri_slice_own(gri_slice *slice, bool ours, uint64_t epoch, gri_refusals *refusals);

/* Begins to drain: asks all activations to end, and begins none but for calls that a turn waits for which is to end. */
void gri_slice_drain(gri_slice *slice, gr_deactivation reason);
/* While draining: a reference to the future that completes when it is empty; NULL: it is. GR_ENOMEM. */
gr_err gri_slice_empties(gri_slice *slice, int64_t limit_ms, gr_future **out_drained);
/* While draining: nothing begins any more if it is empty, which is what it returns. */
bool gri_slice_shut(gri_slice *slice);
/* While draining: takes calls after all that were held although a turn waits for them; not shut any more. */
void gri_slice_press(gri_slice *slice, gri_refusals *refusals);
/* Whether the slice is draining and has an activation of this grain. */
bool gri_slice_drains(gri_slice *slice, uint64_t kind, const char *identity, size_t identity_bytes);
/* What is still running loses its effects; its held calls are kept. */
void gri_slice_drained(gri_slice *slice, gri_refusals *refusals);
void gri_slice_drain_undone(gri_slice *slice, gri_refusals *refusals);

/* Before a crash of its system: lets go of what belongs to that. */
void gri_slice_abandon(gri_slice *slice);
/* After a crash of its system: what is left is forgotten without telling anybody. */
void gri_slice_forget_all(gri_slice *slice);

/* Asks those idle for too long to end; refuses what has waited too long for a newer view. */
void gri_slice_sweep(gri_slice *slice, int64_t now_ms, gri_refusals *refusals);
/* Asks the longest idle one to end; false: none is idle. */
bool gri_slice_evict(gri_slice *slice);

/* ---- for activations */

/* Whether the activation may run its last hook now: no call is pending, and it was asked to end. Then calls that come
 * are held until gri_slice_forget(). */
bool gri_slice_may_end(struct gri_activation *activation, gr_deactivation reason);
/* After a restart of its actor, which has forgotten what it was asked. */
void gri_slice_ask_again(struct gri_activation *activation);
/* Out of the table; calls held for it go to a fresh activation, or wait with the slice. */
void gri_slice_forget(struct gri_activation *activation, gri_refusals *refusals);
/* Holds a call of a closing activation, in order. */
void gri_slice_park(struct gri_activation *activation, gri_call_message *call,
                    gri_refusals *refusals);

#endif
