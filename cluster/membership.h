/*
 * Membership: this node's lease, the newest view, and the watch over its neighbours. Runs as actors
 * of the node's system, which wait for the coordinator on their fibers; the answers to "may I act?"
 * are read by any thread without a lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_MEMBERSHIP_H
#define GRI_CLUSTER_MEMBERSHIP_H

#include "view.h"

typedef struct gri_membership gri_membership;

/*
 * What membership tells the node; called from membership's actors (on their fibers, so they may
 * wait), one at a time.
 */
typedef struct gri_membership_events {
    /* A newer view; borrowed, take a reference to keep it. */
    void (*view_changed)(void *self, gri_view *view);
    /*
     * This node should give the shard away: hold new calls, finish running turns, deactivate.
     * Returns when that is done; then the view is changed, view_changed() follows, and held calls
     * can be forwarded to the new owner.
     */
    void (*drain)(void *self, const char *role, uint32_t shard);
    /* Held by the last drain(), but the shard stays here after all (it could not be given): serve
     * it again. */
    void (*drain_undone)(void *self, const char *role, uint32_t shard);
    /* The lease has lapsed: stop turns, keep grains. And: it was renewed, go on. */
    void (*lease_lapsed)(void *self);
    void (*lease_regained)(void *self);
    /* Fenced: this incarnation has no rights any more and never will. Drop all grains without their
     * hooks' effects. */
    void (*fenced)(void *self);
} gri_membership_events;

typedef struct gri_membership_options {
    const char *cluster;
    const gr_coordinator_ops *coordinator_ops;
    gr_coordinator *coordinator; /* borrowed */
    int64_t lease_ms;
    uint32_t shards;
    gri_member self; /* what joins; borrowed during start */
    const gri_membership_events *events;
    void *events_self;
} gri_membership_options;

/* Takes a lease and joins; waits (fiber or thread) until this node is in the view, or for
 * timeout_ms. Errors as gr_node_start(). */
gr_err gri_membership_start(gr_system *sys, const gri_membership_options *options,
                            int64_t timeout_ms, gri_membership **out_membership);

/* Marks itself leaving, drains and gives every shard, leaves the view, marks the lease left.
 * GR_ETIMEDOUT: left what it could. */
gr_err gri_membership_leave(gri_membership *membership, int64_t timeout_ms);

/* Ends its actors and frees. Without leave() before, the node looks crashed to the others. */
gri_membership *gri_membership_free(gri_membership *take_membership);

/* The newest view known here: a reference, unref it. Any thread. */
gri_view *gri_membership_view(gri_membership *membership);

/* Whether the lease is valid now, by this node's clock, and for how long; any thread, no lock, one
 * clock read. */
bool gri_membership_may_act(const gri_membership *membership);
int64_t gri_membership_lease_left_ms(const gri_membership *membership);

/* A reason to look at a member's lease at once: a broken connection. Any thread. */
void gri_membership_suspect(gri_membership *membership, uint64_t node);

/* A peer has told of a newer view than ours: read it now. Any thread. */
void gri_membership_hint(gri_membership *membership, uint64_t version);

#endif
