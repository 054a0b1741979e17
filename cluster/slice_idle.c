/*
 * What a slice does about activations that nobody calls, and about calls that wait for a view which does not come. Run by the
 * host's sweep, in the timer thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "slice_internal.h"

#include "sim_hooks.h"

static bool is_idle_locked(const gri_activation *activation)
{
    /* Relaxed: it only grows under this lock; a decrease that is missed means "not idle yet". */
    return activation->state == GRI_ACTIVATION_ACTIVE &&
           atomic_load_explicit(&activation->pending, memory_order_relaxed) == 0;
}

/* The newer view that callers spoke of has not come. */
static void sweep_awaiting(gri_slice *slice, int64_t now_ms, gri_refusals *refusals)
{
    struct gri_call_list held;
    int64_t since_ms = atomic_load_explicit(&slice->awaiting_ms, memory_order_relaxed); /* a hint */

    if (since_ms == 0 || since_ms + GRI_SLICE_AWAIT_MS > now_ms) {
        return;
    }
    (void)pthread_mutex_lock(&slice->lock);
    if (slice->state == GRI_SLICE_ELSEWHERE) {
        gri_slice_take_held_locked(slice, &held);
        gri_slice_admit_held_locked(slice, &held, refusals);
    }
    (void)pthread_mutex_unlock(&slice->lock);
}

void gri_slice_sweep(gri_slice *slice, int64_t now_ms, gri_refusals *refusals)
{
    gri_activation *activation = NULL;
    gri_activation *next = NULL;
    int budget = GRI_SWEEP_BATCH;

    sweep_awaiting(slice, now_ms, refusals);
    /* Relaxed: a hint; what is missed now is seen by the next sweep. */
    if (atomic_load_explicit(&slice->oldest_ms, memory_order_relaxed) == INT64_MAX ||
        gri_sim_has(GRI_SIM_STAY_AWAKE)) {
        return;
    }
    (void)pthread_mutex_lock(&slice->lock);
    for (activation = TAILQ_FIRST(&slice->idle_order); activation != NULL && budget > 0;
         activation = next) {
        int64_t limit_ms = activation->hosted->passivate_after_ms;

        next = TAILQ_NEXT(activation, idle);
        budget--;
        if (slice->state == GRI_SLICE_DRAINING) { /* it could not be asked when the drain began */
            gri_slice_ask_locked(slice, activation, slice->reason);
            continue;
        }
        if (activation->called_ms + slice->host->passivate_least_ms > now_ms) {
            break; /* all others were called later */
        }
        /* Relaxed: a time. */
        if (is_idle_locked(activation) && activation->called_ms + limit_ms <= now_ms &&
            atomic_load_explicit(&activation->ended_ms, memory_order_relaxed) + limit_ms <=
                now_ms) {
            gri_slice_ask_locked(slice, activation, GR_DEACTIVATION_IDLE);
        }
    }
    (void)pthread_mutex_unlock(&slice->lock);
}

bool gri_slice_evict(gri_slice *slice)
{
    gri_activation *activation = NULL;

    (void)pthread_mutex_lock(&slice->lock);
    TAILQ_FOREACH (activation, &slice->idle_order, idle) {
        if (is_idle_locked(activation)) {
            gri_slice_ask_locked(slice, activation, GR_DEACTIVATION_CAPACITY);
            break;
        }
    }
    (void)pthread_mutex_unlock(&slice->lock);
    return activation != NULL;
}
