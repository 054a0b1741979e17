/*
 * The event stream. A publisher pins the subscriptions it is going to call, so a function may subscribe, unsubscribe and
 * publish from inside, and an unsubscribe waits only for calls in other threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <gri/fail.h>
#include <gri/mem.h>

struct gr_subscription {
    TAILQ_ENTRY(gr_subscription) link;
    gr_system *sys;
    const gr_type *type;
    gr_event_fn fn;
    void *arg;
    uint64_t number;  /* the list is in this order */
    uint32_t pins;    /* lock; publishers that are calling it, or may be about to */
    uint32_t running; /* lock; calls of its function */
    bool ended;       /* lock; gr_unsubscribe() was called */
    bool
        waited_for; /* lock; gr_unsubscribe() waits for the calls; then the last pin must leave it alone */
};

struct gri_events {
    pthread_mutex_t lock;
    pthread_cond_t returned;                     /* a function has */
    TAILQ_HEAD(, gr_subscription) subscriptions; /* lock */
    uint64_t made;                               /* lock */
    atomic_uint count;                           /* written under the lock */
};

enum { ROUND = 16 };

/* The rounds of calls this thread is in, innermost first. */
typedef struct round {
    struct round *outer;
    gr_subscription *pinned[ROUND];
    size_t count, at; /* those from `at` on are still pinned */
} round;

static _Thread_local round *rounds;

gr_err gri_events_init(gr_system *sys)
{
    struct gri_events *events = gri_calloc(1, sizeof(*events));

    if (events == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the event stream");
    }
    (void)pthread_mutex_init(&events->lock, NULL);
    (void)pthread_cond_init(&events->returned, NULL);
    TAILQ_INIT(&events->subscriptions);
    sys->events = events;
    return GR_OK;
}

void gri_events_fini(gr_system *sys)
{
    struct gri_events *events = sys->events;

    if (events == NULL) {
        return;
    }
    while (!TAILQ_EMPTY(&events->subscriptions)) {
        gr_subscription *left = TAILQ_FIRST(&events->subscriptions);

        TAILQ_REMOVE(&events->subscriptions, left, link);
        gri_free(left);
    }
    (void)pthread_cond_destroy(&events->returned);
    (void)pthread_mutex_destroy(&events->lock);
    gri_free(events);
    sys->events = NULL;
}

bool gri_events_wanted(gr_system *sys)
{
    return atomic_load_explicit(&sys->events->count, memory_order_relaxed) !=
           0; /* a subscription counts from when it is seen */
}

gr_err gr_subscribe(gr_system *sys, const gr_type *type, gr_event_fn fn, void *arg,
                    gr_subscription **out_subscription)
{
    gr_subscription *subscription = gri_calloc(1, sizeof(*subscription));

    if (subscription == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a subscription");
    }
    subscription->sys = sys;
    subscription->type = type;
    subscription->fn = fn;
    subscription->arg = arg;
    (void)pthread_mutex_lock(&sys->events->lock);
    subscription->number = ++sys->events->made;
    TAILQ_INSERT_TAIL(&sys->events->subscriptions, subscription, link);
    (void)atomic_fetch_add_explicit(&sys->events->count, 1,
                                    memory_order_relaxed); /* under the lock */
    (void)pthread_mutex_unlock(&sys->events->lock);
    *out_subscription = subscription;
    return GR_OK;
}

/* Calls of it that this thread itself is in. */
static uint32_t own_calls(const gr_subscription *subscription)
{
    const round *in = NULL;
    uint32_t count = 0;

    for (in = rounds; in != NULL; in = in->outer) {
        count += in->at < in->count && in->pinned[in->at] == subscription ? 1 : 0;
    }
    return count;
}

gr_subscription *gr_unsubscribe(gr_subscription *subscription)
{
    struct gri_events *events = NULL;
    uint32_t own = 0;
    bool unpinned = false;

    if (subscription == NULL) {
        return NULL;
    }
    events = subscription->sys->events;
    own = own_calls(subscription);
    (void)pthread_mutex_lock(&events->lock);
    TAILQ_REMOVE(&events->subscriptions, subscription, link);
    (void)atomic_fetch_sub_explicit(&events->count, 1, memory_order_relaxed); /* under the lock */
    subscription->ended = true; /* publishers that have only pinned it pass it over */
    subscription->waited_for = true;
    while (subscription->running > own) {
        (void)pthread_cond_wait(&events->returned, &events->lock);
    }
    subscription->waited_for = false;
    unpinned = subscription->pins == 0;
    (void)pthread_mutex_unlock(&events->lock);
    if (unpinned) { /* else who lets go of the last pin frees it */
        gri_free(subscription);
    }
    return NULL;
}

/* Pins the next subscriptions after number `after` that want the type. */
static void pin(struct gri_events *events, round *in, uint64_t after, const gr_type *type)
{
    gr_subscription *next = NULL;

    in->count = in->at = 0;
    (void)pthread_mutex_lock(&events->lock);
    TAILQ_FOREACH (next, &events->subscriptions, link) {
        if (in->count < ROUND && next->number > after &&
            (next->type == NULL || next->type == type)) {
            next->pins++;
            in->pinned[in->count++] = next;
        }
    }
    (void)pthread_mutex_unlock(&events->lock);
}

static void call_and_unpin(struct gri_events *events, round *in, const gr_type *type,
                           const void *event)
{
    gr_subscription *subscription = in->pinned[in->at];
    bool ended = false, last = false;

    (void)pthread_mutex_lock(&events->lock);
    ended = subscription->ended;
    subscription->running += ended ? 0 : 1;
    (void)pthread_mutex_unlock(&events->lock);
    if (!ended) {
        subscription->fn(subscription->arg, type, event);
    }
    in->at++;
    (void)pthread_mutex_lock(&events->lock);
    subscription->running -= ended ? 0 : 1;
    subscription->pins--;
    last = subscription->ended && subscription->pins == 0 && !subscription->waited_for;
    (void)pthread_cond_broadcast(&events->returned);
    (void)pthread_mutex_unlock(&events->lock);
    if (last) {
        gri_free(subscription);
    }
}

void gr_publish(gr_system *sys, const gr_type *type, const void *event)
{
    round in = {.outer = rounds};
    uint64_t after = 0;

    if (!gri_events_wanted(sys)) {
        return;
    }
    rounds = &in;
    do {
        pin(sys->events, &in, after, type);
        after = in.count == 0 ? 0 : in.pinned[in.count - 1]->number;
        while (in.at < in.count) {
            call_and_unpin(sys->events, &in, type, event);
        }
    } while (in.count == ROUND);
    rounds = in.outer;
}
