/*
 * Membership from the inside: what its actors share. Included by the files that are these actors.
 *
 *   lease.c   renews this node's lease, and with it the right to act
 *   watch.c   waits for newer views
 *   fence.c   watches the leases of other members, fences them (lease_watch.c), settles views, clears
 *             what they left
 *   sweep.c   removes lease records that nobody holds and no view tells of
 *   drain.c   gives shards away, and leaves
 *   voice.c   tells the node
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_MEMBERSHIP_INTERNAL_H
#define GRI_CLUSTER_MEMBERSHIP_INTERNAL_H

#include <pthread.h>

#include "lease_record.h"
#include "membership.h"

/*             (1)            (2)             (3)
 *   JOINING -------> MEMBER -------> LEAVING -------> LEFT
 *   (1) gri_membership_start()   (2), (3) drain.c
 *   MEMBER, LEAVING -> FENCED: gri_membership_gone()
 *   LEFT and FENCED are final: the lease is never valid again. */
typedef enum gri_membership_state {
    GRI_MEMBERSHIP_JOINING,
    GRI_MEMBERSHIP_MEMBER,
    GRI_MEMBERSHIP_LEAVING,
    GRI_MEMBERSHIP_LEFT,
    GRI_MEMBERSHIP_FENCED
} gri_membership_state;

enum { GRI_WATCHED_MAX = 24, GRI_STRAYS_MAX = 64 };

/* One look at another member's lease. */
typedef struct gri_watched_lease {
    uint64_t node;
    uint64_t revision;
    int64_t looked_ms; /* this node's clock at the look */
    int64_t quiet_ms;  /* of this node's time since the revision was first seen, at most */
    int64_t lease_ms;  /* as the record says */
    bool renews;       /* this node has seen the revision change */
} gri_watched_lease;

/* A lease record that no view tells of. */
typedef struct gri_stray {
    uint64_t node;
    uint64_t revision;
    int64_t seen_ms; /* this node's clock when it first saw that revision */
} gri_stray;

struct gri_membership {
    /* Fixed after gri_membership_start(). */
    gr_system *sys;
    const gr_coordinator_ops *ops;
    gr_coordinator *coordinator;
    int64_t lease_ms;

    int64_t request_ms; /* how long one request to the coordinator may take */
    uint32_t shards;
    gri_member self;
    char lease_key[GRI_LEASE_KEY_BYTES];
    const gri_membership_events *events;
    void *events_self;
    gr_pid lease, watch, fence, sweep, drain, voice;
    gr_future *ended; /* completes when the last actor has gone */

    pthread_mutex_t lock;
    gri_membership_state state; /* lock */
    gri_view *view;             /* lock; the newest known */
    uint64_t view_revision;     /* lock; at the coordinator: another one may hold the same view */
    uint64_t view_fingerprint;  /* lock; of its bytes there */
    int64_t founded_seen_ms;    /* lock; when the view's `founded` was first seen here */

    /* Written under the lock by whoever proves or ends the right to act, read by any thread. */
    _Atomic int64_t valid_until_ms;
    /* When leave() wants to be done; INT64_MAX before it is called. */
    _Atomic int64_t leave_by_ms;
    atomic_uint actors; /* alive */
    bool stopping;      /* whoever stops and frees it */
    bool stopped;       /* the same: nothing of it runs any more */
    gr_alarm lapse;     /* at valid_until_ms */

    /* Only the lease actor, and start() before there is one. */
    uint64_t lease_revision;
    uint64_t renewal;         /* number of the last attempt */
    bool lease_unsure;        /* the last attempt may have been carried out */
    int64_t attempt_began_ms; /* of the last attempt */
    int64_t round_began_ms;
    unsigned rounds_failed; /* in a row */

    /* Only the drain actor. */
    gri_shard_ref *drained; /* and neither given nor taken up again; NULL: none */
    size_t drained_count;
    gri_view *drained_by;    /* lends the names of tables */
    uint64_t give_unsure_at; /* an attempt to give, at this revision, may have been carried out */

    /* Only the watch actor. */
    bool reading_hint;

    /* Only the fence actor. */
    gri_watched_lease watched[GRI_WATCHED_MAX];
    size_t watched_count;
    uint64_t cleared[GRI_VIEW_DEPARTED_MAX]; /* of the view's departed: nothing is left of them */
    size_t cleared_count;

    /* Only the sweep actor. */
    gri_stray strays[GRI_STRAYS_MAX];
    size_t strays_count;

    /* Only the voice. */
    uint64_t told_version;
    bool told_valid;
    bool told_fenced;
    int64_t shown_ms;
};

/* ---- membership.c: state and right */

/* What is left between what this node counts on and what others count on, for clocks that do not run
 * alike and for the moment between asking for the right and using it. */
static inline int64_t gri_membership_margin_ms(int64_t lease_ms)
{
    return lease_ms / 20;
}

gri_membership_state gri_membership_state_now(gri_membership *m);
/* The only writer of the state; false when that arrow does not exist (any more). */
bool gri_membership_go(gri_membership *m, gri_membership_state next);
/* This incarnation is out: no right any more, and the node is told. `why` completes "the node was
 * fenced: ". Once; later calls do nothing. */
void gri_membership_gone(gri_membership *m, const char *why);
/* The right to act lasts until a lease after `began_ms`: the beginning of a round in which the lease
 * was renewed and the view found to have this node. */
void gri_membership_extend(gri_membership *m, int64_t began_ms);
/* Wakes an actor by a message without contents. */
void gri_membership_poke(gri_membership *m, gr_pid actor, const gr_type *type);

/* Messages without contents. */
extern const gr_type gri_member_tick_type;  /* it is time, or there may be something new */
extern const gr_type gri_member_look_type;  /* look now */
extern const gr_type gri_member_leave_type; /* begin to leave; answered when done */
extern const gr_type gri_member_hint_type;  /* there is a newer view */
extern const gr_type gri_member_left_type;  /* give up the lease; answered */

/* ---- view_change.c: the view at the coordinator */

/* What was known when a request began: the answer cannot be older than that. */
typedef struct gri_view_mark {
    uint64_t
        version; /* 0: there was no view, or the answer may be older all the same, as a watch's */
    uint64_t revision; /* at which the view was */
} gri_view_mark;

/* Takes what the coordinator has answered about the key: the newest view is kept, the node and the
 * drain hear of it, and a view without this node, or of another history than the one known, ends it. */
gr_err gri_membership_adopt_answer(gri_membership *m, const gr_coordinator_answer *answer,
                                   gri_view_mark since);
/* To be taken before a read begins. */
gri_view_mark gri_membership_mark(gri_membership *m);
/* The newest view known and its revision; NULL and 0 before there is one. A reference. */
gri_view *gri_membership_newest(gri_membership *m, uint64_t *out_revision);
/* Reads the view now. */
gr_err gri_membership_read_view(gri_membership *m);
/* Changes the view, trying again until it is known to be done (or not to be needed any more), or
 * until the deadline. For GIVE, `given` is this node's own array and shrinks to what is still its
 * own; give_unsure_at remembers the revision at which an attempt had no answer. */
gr_err gri_membership_change(gri_membership *m, gri_view_event *event, gri_shard_ref *given,
                             int64_t deadline_ms);

/* ---- lease_watch.c: other nodes' leases */

/* How long a lease has to be quiet before it may be ended. */
int64_t gri_lease_quiet_limit_ms(int64_t lease_ms);
/* What the coordinator has answered about a lease, and what was seen of it before (NULL: nothing). False: it
 * is over, and the member was taken out of the view as far as that went. */
bool gri_lease_judge(gri_membership *m, uint64_t node, const gri_watched_lease *last,
                     const gr_coordinator_answer *answer, gri_watched_lease *out_look);
/* Ends one that has been quiet for long enough, and takes the member out of the view. */
void gri_lease_end(gri_membership *m, const gri_watched_lease *lease);

/* ---- claim.c: the address of a node that joins */

/* Waits until no member has this node's address by the newest view known; the time for that is added to the deadline, which
 * is for failures. GR_EEXIST: one has it and lives. */
gr_err gri_address_claim(gri_membership *m, int64_t *deadline_ms);

/* ---- sweep.c: lease records that are left */

/* A lease record's revision, 0 when it is not there; and removes it at that revision. */
gr_err gri_lease_read(gri_membership *m, uint64_t node, uint64_t *out_revision);
gr_err gri_lease_clear(gri_membership *m, uint64_t node, uint64_t revision);

/* ---- operation.c: waiting for the coordinator */

/* Waits for an operation; the answer lives as long as *out_msg, which is yours. `starting` is what
 * starting the operation said. */
gr_err gri_operation_await(gr_err starting, gr_future *take_future, gr_msg **out_msg,
                           const gr_coordinator_answer **out_answer);
/* Lets time go by; GR_OK, or why it was cut short (GR_ESTOPPED). */
gr_err gri_pause(gr_system *sys, int64_t ms);
/* A pause after the nth failure in a row: longer each time up to a limit, with jitter. */
gr_err gri_pause_after_failure(gr_system *sys, unsigned nth);

/* ---- the actors */

gr_err gri_lease_take(gri_membership *m, int64_t deadline_ms, int64_t *out_began_ms);
gr_err gri_lease_remove(gri_membership *m);
/* Releases what the drain actor remembers, when it has gone or needs it no more. */
void gri_drain_forget(gri_membership *m);
/* The first view, before there is a voice. */
void gri_voice_tell_first(gri_membership *m);
extern const gr_props gri_lease_props, gri_watch_props, gri_fence_props, gri_sweep_props,
    gri_drain_props, gri_voice_props;

#endif
