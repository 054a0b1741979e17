/*
 * What the calls that leave one process have in common: the system, the newest view, the list of
 * calls that are not over, and the order of calls to the same grain. One for each incarnation of a
 * node and one for each client. Any thread.
 *
 * A call is in one bucket, chosen by its lane key; the bucket's lock guards the call's state and
 * the lanes in it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_EXCHANGE_H
#define GRI_EXCHANGE_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "call_message.h"
#include "view_cell.h"

struct gri_call;
struct gri_lane;

enum { GRI_EXCHANGE_BUCKETS = 16 };

TAILQ_HEAD(gri_calls, gri_call);

typedef struct gri_exchange_bucket {
    pthread_mutex_t lock;
    struct gri_calls calls; /* lock; all that are not over, each with a reference */
    struct gri_lane *lanes; /* lock; by key */
    uint64_t places;        /* lock; given out so far, to calls in all lanes */
} gri_exchange_bucket;

typedef struct gri_exchange_events {
    /* Somebody knows a newer view than this exchange; any thread, must not block. */
    void (*newer_view)(void *self, uint64_t founded, uint64_t version);
    /* Why there is no view at all yet; any thread, under no lock. NULL: there always is one. */
    void (*why_no_view)(void *self, char *out_text, size_t room);
} gri_exchange_events;

typedef struct gri_exchange {
    atomic_uint refs;
    gr_system *sys; /* borrowed; outlives every call */
    const gri_exchange_events *events;
    void *events_self;
    gri_view_cell view;
    atomic_bool closed;
    gri_exchange_bucket buckets[GRI_EXCHANGE_BUCKETS];
} gri_exchange;

gr_err gri_exchange_new(gr_system *sys, const gri_exchange_events *events, void *self,
                        gri_exchange **out_exchange);
gri_exchange *gri_exchange_ref(gri_exchange *exchange);
gri_exchange *gri_exchange_unref(gri_exchange *take_exchange);

/* A view has been heard of: calls that waited for one look again. False: it is not newer. */
bool gri_exchange_view(gri_exchange *exchange, gri_view *view);

/* Ends all calls: those that were sent as unknown, the others as not run. New ones are refused. */
void gri_exchange_close(gri_exchange *exchange);

/* Calls that are not over. */
size_t gri_exchange_calls(gri_exchange *exchange);

#endif
