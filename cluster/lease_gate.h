/*
 * Where turns wait while the node's lease has lapsed: until it is regained, or for good once the node is fenced.
 * Any thread; those who wait are fibers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_LEASE_GATE_H
#define GRI_LEASE_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <granary/cluster_spi.h>

/* Whether the node may act now, by its own clock; any thread, no lock. */
typedef bool (*gri_may_act_fn)(const void *self);

typedef struct gri_lease_gate {
    gr_system *sys;
    gri_may_act_fn may_act;
    const void *may_act_self;
    atomic_bool fenced;
    pthread_mutex_t lock;
    gr_future *opening; /* lock; completes when it is worth looking again */
} gri_lease_gate;

void gri_lease_gate_init(gri_lease_gate *gate, gr_system *sys, gri_may_act_fn may_act,
                         const void *self);
void gri_lease_gate_fini(gri_lease_gate *gate);

bool gri_lease_gate_is_open(gri_lease_gate *gate);

/* Waits until the node may act. GR_ESTOPPED: it never will again, or the waiting actor is being stopped. */
gr_err gri_lease_gate_pass(gri_lease_gate *gate);

/* The lease was regained: those who wait look again. And: the node is fenced, they give up. */
void gri_lease_gate_open(gri_lease_gate *gate);
void gri_lease_gate_fence(gri_lease_gate *gate);

#endif
