/*
 * The exchange: see exchange.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exchange.h"

#include <gri/fail.h>
#include <gri/mem.h>

#include "call.h"

gr_err gri_exchange_new(gr_system *sys, const gri_exchange_events *events, void *self,
                        gri_exchange **out_exchange)
{
    gri_exchange *exchange = gri_calloc(1, sizeof(*exchange));

    if (exchange == NULL) {
        return GRI_FAIL(GR_ENOMEM, "an exchange of calls");
    }
    atomic_init(&exchange->refs, 1);
    atomic_init(&exchange->closed, false);
    exchange->sys = sys;
    exchange->events = events;
    exchange->events_self = self;
    gri_view_cell_init(&exchange->view);
    for (int i = 0; i < GRI_EXCHANGE_BUCKETS; i++) {
        (void)pthread_mutex_init(&exchange->buckets[i].lock, NULL);
        TAILQ_INIT(&exchange->buckets[i].calls);
    }
    *out_exchange = exchange;
    return GR_OK;
}

gri_exchange *gri_exchange_ref(gri_exchange *exchange)
{
    /* Relaxed: whoever adds a holder is one already. */
    (void)atomic_fetch_add_explicit(&exchange->refs, 1, memory_order_relaxed);
    return exchange;
}

gri_exchange *gri_exchange_unref(gri_exchange *take_exchange)
{
    gri_exchange *exchange = take_exchange;

    /* Release: what this holder did is done before the last one frees; acquire: the last one sees
     * it. */
    if (exchange == NULL ||
        atomic_fetch_sub_explicit(&exchange->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    for (int i = 0; i < GRI_EXCHANGE_BUCKETS; i++) {
        GRI_INVARIANT(TAILQ_EMPTY(&exchange->buckets[i].calls) &&
                      exchange->buckets[i].lanes == NULL);
        (void)pthread_mutex_destroy(&exchange->buckets[i].lock);
    }
    gri_view_cell_fini(&exchange->view);
    gri_free(exchange);
    return NULL;
}

/* References to the calls of a bucket, NULL at the end; NULL when out of memory. */
static gri_call **calls_in(gri_exchange_bucket *bucket)
{
    gri_call *call = NULL;
    gri_call **calls = NULL;
    size_t count = 0;

    (void)pthread_mutex_lock(&bucket->lock);
    TAILQ_FOREACH (call, &bucket->calls, all) {
        count++;
    }
    calls = gri_calloc(count + 1, sizeof(gri_call *));
    if (calls != NULL) {
        count = 0;
        TAILQ_FOREACH (call, &bucket->calls, all) {
            calls[count++] = gri_call_ref(call);
        }
    }
    (void)pthread_mutex_unlock(&bucket->lock);
    return calls;
}

bool gri_exchange_view(gri_exchange *exchange, gri_view *view)
{
    if (!gri_view_cell_offer(&exchange->view, view)) {
        return false;
    }
    for (int i = 0; i < GRI_EXCHANGE_BUCKETS; i++) {
        gri_call **calls = calls_in(&exchange->buckets[i]);

        for (size_t c = 0; calls != NULL && calls[c] != NULL; c++) {
            gri_call_poke(calls[c]);
            (void)gri_call_unref(calls[c]);
        }
        gri_free(calls);
    }
    return true;
}

void gri_exchange_close(gri_exchange *exchange)
{
    /* Sequentially consistent with the look at it under a bucket's lock when a call starts: whoever
     * misses this store is in the bucket before it is walked. */
    atomic_store_explicit(&exchange->closed, true, memory_order_seq_cst);
    for (int i = 0; i < GRI_EXCHANGE_BUCKETS; i++) {
        gri_exchange_bucket *bucket = &exchange->buckets[i];
        gri_call *call = NULL;

        for (;;) {
            (void)pthread_mutex_lock(&bucket->lock);
            call = TAILQ_FIRST(&bucket->calls);
            call = call == NULL ? NULL : gri_call_ref(call);
            (void)pthread_mutex_unlock(&bucket->lock);
            if (call == NULL) {
                break;
            }
            gri_call_give_up(call, GR_ESTOPPED, "the process that called is stopping");
            (void)gri_call_unref(call);
        }
    }
}

size_t gri_exchange_calls(gri_exchange *exchange)
{
    size_t count = 0;

    for (int i = 0; i < GRI_EXCHANGE_BUCKETS; i++) {
        gri_exchange_bucket *bucket = &exchange->buckets[i];
        gri_call *call = NULL;

        (void)pthread_mutex_lock(&bucket->lock);
        TAILQ_FOREACH (call, &bucket->calls, all) {
            count++;
        }
        (void)pthread_mutex_unlock(&bucket->lock);
    }
    return count;
}
