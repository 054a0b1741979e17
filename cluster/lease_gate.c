/*
 * The lease gate: see lease_gate.h. A turn passes it before it begins and before anything leaves it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lease_gate.h"
#include "sim_hooks.h"

#include <gri/fail.h>

/* A renewal that comes a moment after the lease has lapsed may go unannounced; so look now and then. */
enum { LOOK_AGAIN_MS = 50 };

static const gr_type opened_type = {"granary.LeaseGateOpened", 0, NULL, NULL, NULL};

void gri_lease_gate_init(gri_lease_gate *gate, gr_system *sys, gri_may_act_fn may_act,
                         const void *self)
{
    gate->sys = sys;
    gate->may_act = may_act;
    gate->may_act_self = self;
    gate->opening = NULL;
    atomic_init(&gate->fenced, false);
    (void)pthread_mutex_init(&gate->lock, NULL);
}

void gri_lease_gate_fini(gri_lease_gate *gate)
{
    GRI_INVARIANT(gate->opening == NULL); /* fenced before: the system may be gone */
    (void)pthread_mutex_destroy(&gate->lock);
}

static bool is_fenced(gri_lease_gate *gate)
{
    /* Acquire: pairs with the fence, so that whoever sees it also sees the shards taken away. */
    return atomic_load_explicit(&gate->fenced, memory_order_acquire);
}

bool gri_lease_gate_is_open(gri_lease_gate *gate)
{
    return (!is_fenced(gate) && gate->may_act(gate->may_act_self)) ||
           gri_sim_has(GRI_SIM_ACT_WITHOUT_LEASE);
}

/* The future of the next opening, a reference; NULL when there is none to come, or out of memory. */
static gr_future *next_opening(gri_lease_gate *gate)
{
    gr_future *opening = NULL;

    (void)pthread_mutex_lock(&gate->lock);
    if (gate->opening == NULL && !is_fenced(gate) &&
        gr_future_new(gate->sys, GR_FOREVER, &gate->opening) != GR_OK) {
        gate->opening = NULL;
    }
    opening = gr_future_ref(gate->opening);
    (void)pthread_mutex_unlock(&gate->lock);
    return opening;
}

gr_err gri_lease_gate_pass(gri_lease_gate *gate)
{
    for (;;) {
        gr_err err = GR_OK;
        gr_future *opening = NULL;
        gr_msg *msg = NULL;

        if (gri_lease_gate_is_open(gate)) {
            return GR_OK;
        }
        if (is_fenced(gate)) {
            return GRI_FAIL(GR_ESTOPPED, "the node has been fenced");
        }
        opening = next_opening(gate);
        if (opening == NULL) {
            return GRI_FAIL(GR_ESTOPPED, "nothing to wait with for the node's lease");
        }
        if (!gri_lease_gate_is_open(gate) && !is_fenced(gate)) {
            err = gr_await(opening, LOOK_AGAIN_MS, &msg);
        }
        (void)gr_msg_unref(msg);
        (void)gr_future_unref(opening);
        if (err != GR_OK && err != GR_ETIMEDOUT) {
            return GRI_FAIL(GR_ESTOPPED, "stopped while waiting for the node's lease");
        }
    }
}

void gri_lease_gate_open(gri_lease_gate *gate)
{
    gr_future *opening = NULL;

    (void)pthread_mutex_lock(&gate->lock);
    opening = gate->opening;
    gate->opening = NULL;
    (void)pthread_mutex_unlock(&gate->lock);
    if (opening != NULL) {
        (void)gr_future_complete(opening, gr_msg_new(&opened_type));
        (void)gr_future_unref(opening);
    }
}

void gri_lease_gate_fence(gri_lease_gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    /* Release: pairs with is_fenced(). Under the lock, so that nobody makes another opening after it. */
    atomic_store_explicit(&gate->fenced, true, memory_order_release);
    (void)pthread_mutex_unlock(&gate->lock);
    gri_lease_gate_open(gate);
}
