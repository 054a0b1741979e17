/*
 * The event stream: what happens in a system, for whoever subscribes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_EVENT_H
#define GRANARY_EVENT_H

#include <granary/actor.h>

GR_BEGIN_DECLS

typedef enum gr_dead_letter_cause {
    GR_DEAD_NO_ACTOR = 1,  /* nobody has this pid (any more) */
    GR_DEAD_FULL = 2,      /* refused by a full mailbox or window */
    GR_DEAD_STOPPED = 3,   /* was in the mailbox when the actor stopped */
    GR_DEAD_NO_SENDER = 4, /* an answer to a message without a sender */
    GR_DEAD_UNREACHABLE = 5,
    GR_DEAD_LATE = 6,    /* an answer after its future had ended, or a second one */
    GR_DEAD_DROPPED = 7, /* made room for a newer one in a mailbox that drops the oldest */
    GR_DEAD_UNHANDLED =
        8 /* its actor's typed handlers have none for it, and nobody waits for an answer */
} gr_dead_letter_cause;

/** Published for every message that nobody handled, but for those that were such an event themselves. `message_type` is the name
 * of its type. */
typedef struct gr_dead_letter {
    gr_pid to;
    gr_pid sender;
    const char *message_type;
    gr_dead_letter_cause cause;
} gr_dead_letter;

/**
 * Published for every decision of a supervisor, once for each actor that it concerns: under GR_ALL_FOR_ONE also for the
 * siblings of the one that failed.
 */
typedef struct gr_supervision_event {
    gr_pid child;
    gr_pid parent; /* null when a guardian or the system itself decided */
    gr_directive directive;
    gr_error error;
    gr_pid failed; /* whose failure it was: `child`, or a sibling of it */
    gr_strategy strategy;
    int64_t delay_ms; /* before the restart, from when it was decided; 0 with any other directive */
} gr_supervision_event;

GR_API extern const gr_type gr_dead_letter_type;
GR_API extern const gr_type gr_supervision_event_type;

/**
 * Sees an event in the publisher's thread: must be quick, may publish, subscribe and unsubscribe.
 * `event` is borrowed. It must not wait: what would wait in it fails with GR_EINVAL (gr_request,
 * gr_await, gr_send_wait, gr_system_stop); send a message to an actor that may. A gr_panic() in it
 * is one of the handler that published: subscribers after it do not see the event.
 */
typedef void (*gr_event_fn)(void *arg, const gr_type *type, const void *event);

typedef struct gr_subscription gr_subscription;

/**
 * Subscribes a function to the events of a type (NULL: all).
 *
 * Owns:    `*out_subscription` is yours: gr_unsubscribe() it before `arg` goes.
 * Errors:  GR_EINVAL no function; GR_ENOMEM.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_subscribe(gr_system *sys, const gr_type *type, gr_event_fn fn,
                                         void *arg, gr_subscription **out_subscription);

/** Whether an actor is to get an event. Runs in the publisher's thread, and must be as quick as a gr_event_fn. */
typedef bool (*gr_event_filter_fn)(void *arg, const gr_type *type, const void *event);

/**
 * Subscribes an actor to the events of a type: it gets each one that the filter (NULL: none) lets through, copied into a message
 * of that type without a sender. What its mailbox has no room for is a dead letter. The subscription ends with the actor.
 *
 * Owns:    `*out_subscription` is yours: gr_unsubscribe() it, also when the actor has ended. With NULL there is none to be kept,
 *          and asking for the same again changes nothing: for an actor that subscribes itself in its started hook. What a plain
 *          struct points to is not copied, and must live as long as the system.
 * Errors:  GR_EINVAL no type; one that cannot be copied, having a drop function or a codec other than protobuf's; `pid` is no
 *          actor of this system. GR_EDEAD it has ended. GR_ENOMEM.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_subscribe_actor(gr_system *sys, const gr_type *type,
                                               gr_event_filter_fn filter, void *arg, gr_pid pid,
                                               gr_subscription **out_subscription);

/**
 * Ends a subscription. When it returns, the function (or the filter) is not running in another thread and will not
 * run again; of what was sent to an actor some may still be in its mailbox.
 *
 * Owns:    takes the subscription and returns NULL; NULL is fine. Its system may have been freed before.
 * Errors:  none.
 * Thread:  any, also from inside the function itself.
 * Units:   none.
 */
GR_API gr_subscription *gr_unsubscribe(gr_subscription *take_subscription);

/**
 * Publishes an event to all who subscribed to its type.
 *
 * Owns:    `event` stays yours.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_publish(gr_system *sys, const gr_type *type, const void *event);

GR_END_DECLS
#endif
