/*
 * The event stream. A publisher pins the subscriptions it is going to call, so a function may subscribe, unsubscribe and
 * publish from inside, and an unsubscribe waits only for calls in other threads. It may not wait: its publisher's fiber holds
 * what it pinned. A panic in it abandons the publisher's handler, and what that had pinned is let go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "event_internal.h"

#include <gri/fail.h>
#include <gri/mem.h>

enum { ROUND = 16 };

/* One publishing, on the stack of who publishes. A function that publishes begins another one inside. */
typedef struct gri_event_round {
    struct gri_event_round *outer;
    struct gri_events *events;
    gr_subscription *pinned[ROUND];
    size_t count, at; /* those from `at` on are still pinned */
    bool calling;     /* the one at `at` */
} gri_event_round;

gr_err gri_events_may_wait(void)
{
    return *gri_event_rounds() == NULL
               ? GR_OK
               : GRI_FAIL(GR_EINVAL, "a function subscribed to events must not wait: let it send a "
                                     "message to an actor that does");
}

gr_err gri_events_init(gr_system *sys)
{
    struct gri_events *events = gri_calloc(1, sizeof(*events));

    if (events == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the event stream");
    }
    (void)pthread_mutex_init(&events->lock, NULL);
    (void)pthread_cond_init(&events->returned, NULL);
    TAILQ_INIT(&events->subscriptions);
    TAILQ_INIT(&events->over);
    sys->events = events;
    return GR_OK;
}

/* What is still held is left to gr_unsubscribe(), which may come after its system. */
static void free_all(struct gri_subscriptions *list)
{
    gr_subscription *left = NULL;

    while ((left = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, left, link);
        left->sys = NULL;
        if (!left->held) {
            gri_free(left);
        }
    }
}

void gri_events_fini(gr_system *sys)
{
    struct gri_events *events = sys->events;

    if (events == NULL) {
        return;
    }
    free_all(&events->subscriptions);
    free_all(&events->over);
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

void gri_subscription_add(gr_subscription *subscription)
{
    struct gri_events *events = subscription->sys->events;

    (void)pthread_mutex_lock(&events->lock);
    subscription->number = ++events->made;
    TAILQ_INSERT_TAIL(&events->subscriptions, subscription, link);
    (void)atomic_fetch_add_explicit(&events->count, 1, memory_order_relaxed); /* under the lock */
    (void)pthread_mutex_unlock(&events->lock);
}

void gri_subscription_end_locked(gr_subscription *subscription)
{
    struct gri_events *events = subscription->sys->events;

    TAILQ_REMOVE(&events->subscriptions, subscription, link);
    (void)atomic_fetch_sub_explicit(&events->count, 1, memory_order_relaxed); /* under the lock */
    subscription->ended = true; /* publishers that have only pinned it pass it over */
}

gr_err gr_subscribe(gr_system *sys, const gr_type *type, gr_event_fn fn, void *arg,
                    gr_subscription **out_subscription)
{
    gr_subscription *subscription = NULL;

    if (fn == NULL) {
        return GRI_FAIL(GR_EINVAL, "a subscription without a function");
    }
    subscription = gri_calloc(1, sizeof(*subscription));
    if (subscription == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a subscription");
    }
    subscription->sys = sys;
    subscription->type = type;
    subscription->fn = fn;
    subscription->arg = arg;
    subscription->held = true;
    gri_subscription_add(subscription);
    *out_subscription = subscription;
    return GR_OK;
}

/* Calls of it that this thread itself is in. */
static uint32_t own_calls(const gr_subscription *subscription)
{
    const gri_event_round *in = NULL;
    uint32_t count = 0;

    for (in = *gri_event_rounds(); in != NULL; in = in->outer) {
        count += in->calling && in->pinned[in->at] == subscription ? 1 : 0;
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
    if (subscription->sys == NULL) { /* it went, and with it all publishers */
        gri_free(subscription);
        return NULL;
    }
    events = subscription->sys->events;
    own = own_calls(subscription);
    (void)pthread_mutex_lock(&events->lock);
    if (subscription->ended) { /* with its actor */
        TAILQ_REMOVE(&events->over, subscription, link);
    } else {
        gri_subscription_end_locked(subscription);
    }
    subscription->held = false;
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
static void pin(gri_event_round *in, uint64_t after, const gr_type *type)
{
    struct gri_events *events = in->events;
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

/* Counts a call of the one at `at`, unless it has ended meanwhile. */
static void begin_call(gri_event_round *in)
{
    gr_subscription *subscription = in->pinned[in->at];

    (void)pthread_mutex_lock(&in->events->lock);
    in->calling = !subscription->ended;
    subscription->running += in->calling ? 1 : 0;
    (void)pthread_mutex_unlock(&in->events->lock);
}

static void end_call_and_unpin(gri_event_round *in)
{
    gr_subscription *subscription = in->pinned[in->at++];
    bool last = false;

    (void)pthread_mutex_lock(&in->events->lock);
    subscription->running -= in->calling ? 1 : 0;
    in->calling = false;
    subscription->pins--;
    last = subscription->ended && subscription->pins == 0 && !subscription->waited_for &&
           !subscription->held;
    (void)pthread_cond_broadcast(&in->events->returned);
    (void)pthread_mutex_unlock(&in->events->lock);
    if (last) {
        gri_free(subscription);
    }
}

static void call(gr_subscription *subscription, const gr_type *type, const void *event)
{
    subscription->fn(gr_pid_is_null(subscription->pid) ? subscription->arg : subscription, type,
                     event);
}

void gr_publish(gr_system *sys, const gr_type *type, const void *event)
{
    gri_event_round **rounds = gri_event_rounds();
    gri_event_round in = {.outer = *rounds, .events = sys->events};
    uint64_t after = 0;

    if (!gri_events_wanted(sys)) {
        return;
    }
    *rounds = &in;
    do {
        pin(&in, after, type);
        after = in.count == 0 ? 0 : in.pinned[in.count - 1]->number;
        while (in.at < in.count) {
            begin_call(&in);
            if (in.calling) {
                call(in.pinned[in.at], type, event);
            }
            end_call_and_unpin(&in);
        }
    } while (in.count == ROUND);
    *rounds = in.outer;
}

void gri_events_abandon(gri_event_round *outer)
{
    gri_event_round **rounds = gri_event_rounds();

    while (*rounds != outer) {
        gri_event_round *in = *rounds;

        while (in->at < in->count) {
            end_call_and_unpin(in);
        }
        *rounds = in->outer;
    }
}
