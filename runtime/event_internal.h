/*
 * The event stream from the inside.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_EVENT_INTERNAL_H
#define GRI_EVENT_INTERNAL_H

#include "system_internal.h"

/* One subscription. It is freed when nobody is about to call it and nobody holds it. */
struct gr_subscription {
    TAILQ_ENTRY(gr_subscription) link; /* lock */
    gr_system *sys;                    /* NULL: it was freed first */
    const gr_type *type;
    gr_event_fn fn; /* called with `arg`; for an actor's with the subscription itself */
    void *arg;
    gr_event_filter_fn filter; /* an actor's, called with `arg`; NULL: all */
    gr_pid pid;                /* the actor; null for a function */
    uint64_t number;           /* the list is in this order */
    uint32_t pins;             /* lock; publishers that are calling it, or may be about to */
    uint32_t running;          /* lock; calls of its function */
    bool ended;                /* lock; by gr_unsubscribe(), or its actor has ended */
    bool held;                 /* lock; somebody will gr_unsubscribe() it */
    bool
        waited_for; /* lock; gr_unsubscribe() waits for the calls; then the last pin must leave it alone */
};

TAILQ_HEAD(gri_subscriptions, gr_subscription);

struct gri_events {
    pthread_mutex_t lock;
    pthread_cond_t returned;                /* a function has */
    struct gri_subscriptions subscriptions; /* lock */
    struct gri_subscriptions over;          /* lock; ended with their actors, and still held */
    uint64_t made;                          /* lock */
    gr_pid ends; /* lock; the process that is told of the ends of actors; null before the first */
    atomic_uint count; /* written under the lock */
};

/* event.c */
/* Puts a filled one at the end of the list. */
void gri_subscription_add(gr_subscription *take_subscription);
/* Takes it off the list: it is not called any more. Under the lock. */
void gri_subscription_end_locked(gr_subscription *subscription);

#endif
