/*
 * Actors that subscribe to events: each gets a copy of the event as a message, sent in the publisher's thread. A process without
 * a thread of its own, one for each system, watches them, so that a subscription ends with its actor.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "event_internal.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

static bool is_proto(const gr_type *type)
{
    return type->codec == &gr_proto_codec;
}

static gr_msg *copy_event(const gr_type *type, const void *event)
{
    gr_msg *msg = NULL;

    if (is_proto(type)) {
        return gr_msg_new_proto(type, event, &msg) == GR_OK ? msg : NULL;
    }
    msg = gr_msg_new(type);
    if (msg != NULL) {
        memcpy(gr_msg_payload(msg), event, type->bytes);
    }
    return msg;
}

/* The gr_event_fn of all actors' subscriptions. */
static void send_event(void *arg, const gr_type *type, const void *event)
{
    const gr_subscription *subscription = arg;
    gr_error kept = {0};
    gr_msg *msg = NULL;

    if (subscription->filter != NULL && !subscription->filter(subscription->arg, type, event)) {
        return;
    }
    kept = *gr_last_error(); /* that of the publisher, who has not failed */
    msg = copy_event(type, event);
    if (msg == NULL) {
        gri_dead_letter_note(subscription->sys, subscription->pid, type, gr_pid_null(),
                             GR_DEAD_FULL);
    } else if (gr_send(subscription->sys, subscription->pid, msg) == GR_OK) {
        return;
    }
    gri_error_restore(&kept);
}

/* ---- the ends of actors */

/* All subscriptions of an actor end; those that nobody holds go. */
static void end_all_of(struct gri_events *events, gr_pid pid)
{
    struct gri_subscriptions gone = TAILQ_HEAD_INITIALIZER(gone);
    gr_subscription *at = NULL, *next = NULL;

    (void)pthread_mutex_lock(&events->lock);
    for (at = TAILQ_FIRST(&events->subscriptions); at != NULL; at = next) {
        next = TAILQ_NEXT(at, link);
        if (!gr_pid_equal(at->pid, pid)) {
            continue;
        }
        gri_subscription_end_locked(at);
        if (at->held) {
            TAILQ_INSERT_TAIL(&events->over, at, link);
        } else if (at->pins == 0) { /* else who lets go of the last pin frees it */
            TAILQ_INSERT_TAIL(&gone, at, link);
        }
    }
    (void)pthread_mutex_unlock(&events->lock);
    while ((at = TAILQ_FIRST(&gone)) != NULL) {
        TAILQ_REMOVE(&gone, at, link);
        gri_free(at);
    }
}

static void hear_of_end(void *self, gr_pid pid, gr_msg *msg)
{
    gr_system *sys = self;
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);

    (void)pid;
    if (ended != NULL && !gr_process_alive(sys, ended->pid)) {
        end_all_of(sys->events, ended->pid);
    }
    (void)gr_msg_unref(msg);
}

static const gr_process_ops ends_ops = {
    .version = GR_PROCESS_VERSION, .type_name = "event stream", .deliver = hear_of_end};

/* The pid of the process that watches; made when the first actor subscribes. */
static gr_err find_ends(gr_system *sys, gr_pid *out_pid)
{
    struct gri_events *events = sys->events;
    gr_pid fresh = gr_pid_null();
    gr_err err = GR_OK;

    (void)pthread_mutex_lock(&events->lock);
    *out_pid = events->ends;
    (void)pthread_mutex_unlock(&events->lock);
    if (!gr_pid_is_null(*out_pid)) {
        return GR_OK;
    }
    err = gr_process_open(sys, &ends_ops, sys, 0, &fresh);
    if (err != GR_OK) {
        return err;
    }
    (void)pthread_mutex_lock(&events->lock);
    if (gr_pid_is_null(events->ends)) {
        events->ends = fresh;
    }
    *out_pid = events->ends;
    (void)pthread_mutex_unlock(&events->lock);
    if (!gr_pid_equal(fresh, *out_pid)) { /* another thread was first */
        gr_process_close(sys, fresh);
    }
    return GR_OK;
}

/* ---- subscribing */

static gr_err check(gr_system *sys, const gr_type *type, gr_pid pid)
{
    const gri_process *process =
        pid.node == sys->node ? gri_process_at(&sys->table, pid.slot) : NULL;
    char text[GR_PID_TEXT_BYTES];

    if (type == NULL) {
        return GRI_FAIL(GR_EINVAL, "an actor subscribes to the events of one type: name it; only "
                                   "functions can subscribe to all");
    }
    if (type->drop != NULL || (type->codec != NULL && !is_proto(type))) {
        return GRI_FAIL(GR_EINVAL,
                        "events of type %s cannot be copied into messages, because it has a %s: "
                        "publish a plain struct or a protobuf message, or subscribe a function",
                        type->name, type->drop != NULL ? "drop function" : "codec of its own");
    }
    if (process == NULL || process->kind != GRI_ACTOR) {
        return GRI_FAIL(GR_EINVAL, "%s is no actor of this system, and only those can subscribe",
                        gr_pid_format(pid, text));
    }
    return gr_process_alive(sys, pid) ? GR_OK
                                      : GRI_FAIL(GR_EDEAD, "%s has stopped, so it cannot subscribe",
                                                 gr_pid_format(pid, text));
}

/* Whether there is the same one, held by nobody, already. */
static bool is_known(struct gri_events *events, const gr_subscription *like)
{
    const gr_subscription *at = NULL;

    (void)pthread_mutex_lock(&events->lock);
    TAILQ_FOREACH (at, &events->subscriptions, link) {
        if (!at->held && at->type == like->type && at->filter == like->filter &&
            at->arg == like->arg && gr_pid_equal(at->pid, like->pid)) {
            break;
        }
    }
    (void)pthread_mutex_unlock(&events->lock);
    return at != NULL;
}

gr_err gr_subscribe_actor(gr_system *sys, const gr_type *type, gr_event_filter_fn filter, void *arg,
                          gr_pid pid, gr_subscription **out_subscription)
{
    gr_subscription *subscription = NULL;
    gr_signal watch = {.kind = GR_SIGNAL_WATCH, .to = pid};
    gr_err err = check(sys, type, pid);

    err = err == GR_OK ? find_ends(sys, &watch.from) : err;
    if (err != GR_OK) {
        return err;
    }
    subscription = gri_calloc(1, sizeof(*subscription));
    if (subscription == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a subscription");
    }
    subscription->sys = sys;
    subscription->type = type;
    subscription->fn = send_event;
    subscription->arg = arg;
    subscription->filter = filter;
    subscription->pid = pid;
    subscription->held = out_subscription != NULL;
    if (!subscription->held && is_known(sys->events, subscription)) {
        gri_free(subscription);
        return GR_OK;
    }
    /* Before it is seen, so that it cannot go unseen: the notice of an end that comes at once finds it, or the look below. */
    err = gr_signal_send(sys, &watch);
    if (err != GR_OK) {
        gri_free(subscription);
        return err;
    }
    gri_subscription_add(subscription);
    if (!gr_process_alive(sys, pid)) { /* it may have ended before */
        end_all_of(sys->events, pid);
        if (out_subscription == NULL) {
            return GR_OK;
        }
    }
    if (out_subscription != NULL) {
        *out_subscription = subscription;
    }
    return GR_OK;
}
