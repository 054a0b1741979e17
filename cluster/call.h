/*
 * One call from its start to its end, on the caller's side: where the grain is, sending, trying
 * again what did not run, and the outcome. It ends in a future, exactly once, at its deadline at
 * the latest.
 *
 *            (1)          (2)           (3)
 *   WAITING ----> SENDING ----> SENT ----------> OVER
 *      ^                         |
 *      +-------------------------+ (4)
 *   (1) call_try(): an owner is known, it is this call's turn, and it is not too early   (2) the
 * message has left (3) an outcome: replied, failed, unknown   (4) it did not run (or may run
 * twice): again, later WAITING -> OVER: the deadline, no such kind, the exchange is closed
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CALL_H
#define GRI_CALL_H

#include "exchange.h"

typedef enum gri_call_state {
    GRI_CALL_WAITING = 0,
    GRI_CALL_SENDING = 1,
    GRI_CALL_SENT = 2,
    GRI_CALL_OVER = 3
} gri_call_state;

/* What is to be called. Everything but kind, method and details_type is copied. */
typedef struct gri_call_spec {
    const gr_kind_info *kind;
    const gr_method *method;
    const char *identity;
    const void *request; /* of the method's type */
    int64_t deadline_ms;
    bool one_way;
    bool pressing; /* the turn that calls holds up the move of a shard */
    bool wait_for_host;
    bool ordered;    /* others of the same caller to the same grain may be under way */
    uint64_t caller; /* its id, for the order */
    const uint8_t *chain;
    size_t chain_bytes;
    const gr_type *details_type; /* what details the caller wants */
} gri_call_spec;

typedef struct gri_call {
    /* Fixed after gri_call_new(). */
    gri_exchange *exchange;
    gri_exchange_bucket *bucket;
    const gr_kind_info *kind;
    const gr_method *method;
    const gr_type *details_type;
    gr_future *future; /* what the caller waits for */
    int64_t started_ms;
    uint64_t lane_key;
    bool wait_for_host;
    bool ordered;
    gri_call_message message; /* what is sent, but for attempt and view */
    atomic_uint refs;
    /* lock of the bucket */
    gri_call_state state;
    uint32_t attempt;
    uint64_t target;                     /* node; the last one it was sent to */
    uint64_t hint_owner;                 /* who owns the grain by what a refusal said ... */
    uint64_t hint_founded, hint_version; /* ... in this view */
    int64_t not_before_ms;
    gr_error last;         /* why it has not run yet */
    bool sent_unknown;     /* an earlier attempt may have run */
    gr_future *under_way;  /* the attempt */
    uint64_t place;        /* in the lane */
    struct gri_lane *lane; /* NULL: no order to keep */
    TAILQ_ENTRY(gri_call) all;
    TAILQ_ENTRY(gri_call) in_lane;
    bool alarm_ready;
    gr_alarm alarm;
    /* Written before the future completes, read after. */
    gr_msg *details;
} gri_call;

/* Packs and copies; GR_EINVAL a bad identity or request, GR_EDEADLOCK a cycle, GR_ESTOPPED,
 * GR_ENOMEM. */
gr_err gri_call_new(gri_exchange *exchange, const gri_call_spec *spec, gri_call **out_call);
gri_call *gri_call_ref(gri_call *call);
gri_call *gri_call_unref(gri_call *take_call);

/* Sets it going, once. GR_ENOMEM. */
gr_err gri_call_start(gri_call *call);

/* What became of a one-way call so far: GR_OK sent or still to be sent, else why it never will be. */
gr_err gri_call_one_way_result(gri_call *call);

/* Ends it as one that the exchange had to give up. */
void gri_call_give_up(gri_call *call, gr_err code, const char *why);

/* A newer view, or something else has changed: look again, if it waits. */
void gri_call_poke(gri_call *call);

#endif
