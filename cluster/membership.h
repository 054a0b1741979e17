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

/* Shards drained and given in one step, at most: many, so that a join takes few writes; not all, so
 * that one slow turn does not hold up the calls to every shard that moves. */
enum { GRI_DRAIN_SHARDS_MAX = 256 };

/*
 * What membership tells the node. Called on fibers of membership's actors, so they may wait.
 * view_changed, lease_lapsed, lease_regained and fenced are called one at a time, by one actor; drain,
 * drain_undone and last_turns one at a time, by another. The first view_changed is called by
 * gri_membership_start() itself. They must not call gri_membership_leave() or gri_membership_free().
 */
typedef struct gri_membership_events {
    /* A newer view; borrowed, take a reference to keep it. */
    void (*view_changed)(void *self, gri_view *view);
    /*
     * This node should give the shards away: hold new calls, finish running turns, deactivate.
     * Returns when that is done for all of them; then the view is changed, view_changed() follows,
     * and held calls can be forwarded to the new owners. Their names are borrowed for the call.
     */
    void (*drain)(void *self, const gri_shard_ref *shards, size_t count);
    /* Held by the last drain(), but these shards stay here after all: serve them again. */
    void (*drain_undone)(void *self, const gri_shard_ref *shards, size_t count);
    /* While leaving, when all shards that can be given are: whatever else still runs here has to end before this
     * returns. May be NULL. */
    void (*last_turns)(void *self);
    /* The lease has lapsed: stop turns, keep grains. And: it was renewed, go on. */
    void (*lease_lapsed)(void *self);
    void (*lease_regained)(void *self);
    /* Fenced: this incarnation has no rights any more and never will. Drop all grains without their
     * hooks' effects. Nothing is told after it. */
    void (*fenced)(void *self);
} gri_membership_events;

typedef struct gri_membership_options {
    const gr_coordinator_ops *coordinator_ops;
    gr_coordinator *coordinator; /* borrowed; opened for the cluster */
    int64_t lease_ms;            /* the same on every node of a cluster */
    uint32_t shards;
    gri_member self; /* what joins, with the system's node as its id; borrowed during start */
    const gri_membership_events *events;
    void *events_self;
} gri_membership_options;

/*
 * Takes a lease and joins; waits (fiber or thread) until this node is in the view, or for timeout_ms, not
 * counting the time that the lease of a member with the same address takes to run out.
 * The first view_changed() comes before it returns. Errors: GR_EEXIST a member that lives has this
 * address, GR_EMISMATCH another number of shards, lease or protocol, GR_EINVAL, GR_EREFUSED, GR_EUNREACHABLE, GR_EIO, GR_ENOMEM; then nothing is left behind.
 */
gr_err gri_membership_start(gr_system *sys, const gri_membership_options *options,
                            int64_t timeout_ms, gri_membership **out_membership);

/* Marks itself leaving, drains and gives every shard, leaves the view, gives up the lease. From then
 * on it may not act. GR_ETIMEDOUT: left what it could; the others do the rest. */
gr_err gri_membership_leave(gri_membership *membership, int64_t timeout_ms);

/* Ends its actors and waits for them; from then on it may not act, and does nothing any more. Any
 * thread may still ask it: its memory stays. Without leave() before, the node looks crashed to the
 * others. Again does nothing. Not in an actor that is being stopped: it could not wait. */
void gri_membership_stop(gri_membership *membership);

/* Stops it if need be, and frees. Once it was stopped, its system may have been freed before. */
gri_membership *gri_membership_free(gri_membership *take_membership);

/* The newest view known here: a reference, unref it. And the id under which this node joined. Any
 * thread. */
gri_view *gri_membership_view(gri_membership *membership);
uint64_t gri_membership_node(const gri_membership *membership);

/* Whether the lease is valid now, by this node's clock, and for how long (0: it is not); any thread,
 * no lock, one clock read. */
bool gri_membership_may_act(const gri_membership *membership);
int64_t gri_membership_lease_left_ms(const gri_membership *membership);

/* A reason to look at a member's lease at once: a broken connection. Any thread. */
void gri_membership_suspect(gri_membership *membership, uint64_t node);

/* A peer has told of a newer view than ours: read it now. Any thread. */
void gri_membership_hint(gri_membership *membership, uint64_t version);

#endif
