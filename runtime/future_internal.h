/*
 * Futures and custom processes from the inside.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_FUTURE_INTERNAL_H
#define GRI_FUTURE_INTERNAL_H

#include "system_internal.h"

/* What is to be told, once, when a future completes: embedded in what waits for it with neither a thread nor a fiber. */
typedef struct gri_future_link {
    struct gri_future_link *next;
    /* In the completing thread, with no lock held; the future is complete and held. */
    void (*completed)(struct gri_future_link *link, gr_future *future);
    /* Instead of it, when the system goes first. */
    void (*dropped)(struct gri_future_link *link);
} gri_future_link;

struct gr_future {
    gri_process base;
    atomic_flag lock;            /* held for a few instructions, never while calling out */
    bool done;                   /* lock */
    gr_msg *reply;               /* lock until done, then fixed; NULL: `code` is the result */
    gr_err code;                 /* likewise */
    struct gri_wait_queue waits; /* lock */
    gr_future_fn fn;             /* lock */
    void *fn_arg;                /* lock */
    gri_future_link *links;      /* lock; newest first, each with a reference */
    atomic_uint refs;
    int64_t timeout_ms, deadline_ms;
    uint64_t
        turn; /* in which its request was sent, if that has to end before it can be handled; else 0 */
    gr_pid asked; /* lock; whose answer it waits for, for people; null: not known */
    gr_alarm alarm;
};

/* Before the request of a future that nobody else has yet is sent: notes whether a turn of the sender is in its way. */
void gri_future_sending(gr_future *future, gr_pid to);
/* Has a link told, at once when the future is complete already. It takes the link. */
void gri_future_attach(gr_future *future, gri_future_link *link);
/* What a complete future has come to: a code, and the message it came in, if any (with an error one of gr_error_type). */
gr_err gri_future_outcome(const gr_future *future, const gr_msg **out_msg);
/* Lets go of links that will never be told. */
void gri_future_fini(gri_process *process);

/* A process of somebody else's making; deliveries under way hold it open. */
typedef struct gri_custom {
    gri_process base;
    pthread_mutex_t lock;
    const gr_process_ops *ops;     /* lock; NULL: closed */
    const gr_process_ops *closing; /* lock; closed, but a delivery is under way */
    void *self;                    /* lock */
    uint32_t delivering;           /* lock */
} gri_custom;

void gri_custom_prepare(gri_custom *custom);
void gri_custom_fini(gri_process *process);

#endif
