/*
 * The host: all grains of one incarnation of a node. It takes calls from whoever delivers them (the caller's thread, a
 * transport's thread), finds the slice and the activation, and never blocks; the turns run as actors. What it refuses it
 * answers at once, outside of all locks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_HOST_H
#define GRI_HOST_H

#include "exchange.h"
#include "kind_internal.h"
#include "lease_gate.h"
#include "lines.h"
#include "slice.h"

enum { GRI_ACTIVATIONS_MAX_DEFAULT = 1000000, GRI_DRAIN_MS_DEFAULT = 5000 };

/* The slices of one table of the view. Fixed after the start. */
typedef struct gri_host_table {
    char name[GRI_VIEW_TABLE_BYTES];
    gri_slice *slices; /* as many as the cluster has shards */
} gri_host_table;

/* A kind that this node hosts. Fixed after the start. */
typedef struct gri_hosted_kind {
    struct gri_host *host;
    const gr_kind_info *info;
    const void *methods;
    size_t data_bytes;
    uint32_t mailbox_limit;
    int64_t passivate_after_ms;
    bool interleaves;
    gri_host_table *table; /* NULL: stateless */
    atomic_uint_fast64_t activations;
} gri_hosted_kind;

typedef struct gri_host_options {
    gr_system *sys;
    gri_exchange *exchange; /* borrowed: outlives the host */
    gri_may_act_fn may_act;
    const void *may_act_self;
    const char *role;
    uint32_t shards;
    uint32_t activations_max;
    int64_t drain_ms;
    uint32_t stateless_each; /* activations of a stateless kind */
} gri_host_options;

typedef struct gri_host_counters {
    atomic_uint_fast64_t activated, deactivated;
    atomic_uint_fast64_t replied, failed, not_run;
} gri_host_counters;

/* What is left of a call that was dropped before its turn came: whom to tell, or, when nobody waits for an answer, a copy. */
typedef struct gri_orphan {
    STAILQ_ENTRY(gri_orphan) next;
    gr_pid reply_to;
    gr_msg *again;
} gri_orphan;

typedef struct gri_host {
    /* Fixed after gri_host_new(). */
    gr_system *sys;
    gri_exchange *exchange;
    uint64_t node;
    char *role; /* "" for none */
    gri_hosted_kind *kinds;
    size_t kinds_count;
    uint32_t shards;
    uint32_t activations_max;
    uint32_t stateless_each;
    char (*stateless_names)[12]; /* their identities */
    int64_t drain_ms;
    int64_t sweep_ms;
    int64_t passivate_least_ms; /* of its kinds */
    gri_host_table *tables;
    size_t tables_count;
    gri_slice stateless;
    /* Any thread. */
    gri_lease_gate gate;
    gri_lines lines;
    atomic_uint_fast64_t activations;
    atomic_uint_fast32_t next_stateless;
    atomic_uint_fast32_t next_evicted; /* the slice to look at next */
    atomic_uint draining;              /* drains under way */
    atomic_bool leaving; /* grains end because the node stops, not because their shard moves */
    gri_host_counters counters;
    atomic_int_fast64_t unanswered_log_at; /* when the next failed one-way call may be logged */
    atomic_uint_fast64_t unanswered_unlogged;
    gr_alarm sweep;
    pthread_mutex_t orphans_lock;
    STAILQ_HEAD(, gri_orphan) orphans; /* orphans_lock */
    bool silent; /* orphans_lock; closed or crashed: nothing is answered any more */
    gr_alarm orphans_alarm;
} gri_host;

/* Takes each of `kinds` (NULL at the end) on every path. Kinds of other roles are left out. GR_EINVAL a kind whose table
 * lacks a method, or twice the same name; GR_ENOMEM. */
gr_err gri_host_new(const gri_host_options *options, gr_kind *const *kinds, gri_host **out_host);

/* Drops all activations without their hooks; held calls are refused as not run. Twice is fine. */
void gri_host_close(gri_host *host);

/* Nothing more is sent by this host, as if its process had died. For simulations. */
void gri_host_silence(gri_host *host);

/* After its system has been freed. */
gri_host *gri_host_free(gri_host *take_host);

/* Takes a granary.Call that has arrived. */
void gri_host_take_call(gri_host *host, gr_msg *take_msg);

/* What membership tells; see membership.h. */
void gri_host_view(gri_host *host, const gri_view *view);
void gri_host_drain(gri_host *host, const gri_shard_ref *shards, size_t count);
void gri_host_drain_undone(gri_host *host, const gri_shard_ref *shards, size_t count);
/* Its shards are given away and it leaves: awaits what runs of its stateless kinds, and refuses what comes. */
void gri_host_drain_stateless(gri_host *host);
void gri_host_fence(gri_host *host);

/* Whether a turn that must end before a shard can move waits for this call; marks it then. Not under a lock. */
bool gri_host_is_pressing(gri_host *host, gri_call_message *call);

/* Called by the drop of a call message that still owes an answer. */
void gri_host_call_dropped(gri_call_message *call);

/* Answers; each ends what is owed to the caller. Not under a lock. */
void gri_host_answer(gri_host *host, gri_call_message *call, const gri_answer *answer);
void gri_host_refuse(gri_host *host, gri_call_message *call, gr_err code, uint32_t retry_after_ms,
                     const char *text);
/* A call without an answer has failed: says so, at most once a second. */
void gri_host_one_way_failed(gri_host *host, const gri_call_message *call, const gr_error *why);
/* Refuses each for its own reason, and lets go of the list's references. */
void gri_host_refuse_all(gri_host *host, gri_refusals *refusals);

/* Every slice of every table, then the one of the stateless kinds; NULL after the last. */
gri_slice *gri_host_slice_at(gri_host *host, size_t index);
/* A kind that is hosted here, by its hash, or NULL. */
gri_hosted_kind *gri_host_find_kind(gri_host *host, uint64_t hash);
/* The alarm that sees to the calls that were dropped. */
void gri_host_on_orphans(void *arg);

size_t gri_host_owned(gri_host *host);
void gri_host_dump(gri_host *host, FILE *out);

#endif
