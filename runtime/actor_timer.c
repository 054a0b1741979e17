/*
 * Timers of an actor: alarms that send it a message, and that end with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <gri/fail.h>
#include <gri/mem.h>

/* In the list of its actor, which only the actor's own turns touch. */
struct gri_actor_timer {
    struct gri_actor_timer *next;
    uint64_t number;
    gr_system *sys;
    gr_pid to;
    gr_msg *msg;
    int64_t at_ms;
    int64_t period_ms;
    atomic_bool over; /* it has fired for the last time */
    gr_alarm alarm;
};

static void on_alarm(void *arg)
{
    struct gri_actor_timer *timer = arg;

    (void)gr_send(timer->sys, timer->to, gr_msg_ref(timer->msg));
    if (timer->period_ms > 0) {
        timer->at_ms += timer->period_ms; /* from when it was due, not from now: no drift */
        gr_alarm_set(&timer->alarm, timer->at_ms);
    } else {
        atomic_store_explicit(&timer->over, true,
                              memory_order_release); /* nothing of it is used here any more */
    }
}

static void free_timer(struct gri_actor_timer *timer)
{
    gr_alarm_fini(&timer->alarm);
    (void)gr_msg_unref(timer->msg);
    gri_free(timer);
}

/* Frees those that have fired for the last time. */
static void sweep(gri_extras *extras)
{
    struct gri_actor_timer **at = &extras->timers;

    while (*at != NULL) {
        struct gri_actor_timer *timer = *at;

        if (atomic_load_explicit(&timer->over, memory_order_acquire)) { /* see on_alarm() */
            *at = timer->next;
            free_timer(timer);
        } else {
            at = &timer->next;
        }
    }
}

gr_err gr_timer_start(gr_context *ctx, int64_t delay_ms, int64_t period_ms, gr_msg *msg,
                      gr_timer_id *out_timer)
{
    gri_extras *extras = gri_actor_extras(ctx->actor);
    gr_system *sys = ctx->actor->base.sys;
    struct gri_actor_timer *timer = NULL;

    if (delay_ms < 0 || period_ms < 0) {
        (void)gr_msg_unref(msg);
        return GRI_FAIL(GR_EINVAL, "a timer of %lld ms, every %lld ms: times are not negative",
                        (long long)delay_ms, (long long)period_ms);
    }
    timer = extras == NULL || msg == NULL ? NULL : gri_calloc(1, sizeof(*timer));
    if (timer == NULL) {
        (void)gr_msg_unref(msg);
        return GRI_FAIL(GR_ENOMEM, "a timer");
    }
    sweep(extras);
    timer->number = ++extras->timers_made;
    timer->sys = sys;
    timer->to = gr_context_self(ctx);
    timer->msg = msg;
    timer->at_ms = gri_deadline(sys, delay_ms);
    timer->period_ms = period_ms;
    atomic_init(&timer->over, false);
    gr_alarm_init(&timer->alarm, sys, on_alarm, timer);
    timer->next = extras->timers;
    extras->timers = timer;
    *out_timer = (gr_timer_id){timer->number};
    gr_alarm_set(&timer->alarm, timer->at_ms);
    return GR_OK;
}

void gr_timer_cancel(gr_context *ctx, gr_timer_id id)
{
    gri_extras *extras = ctx->actor->extras;
    struct gri_actor_timer **at = extras == NULL ? NULL : &extras->timers;

    while (at != NULL && *at != NULL) {
        struct gri_actor_timer *timer = *at;

        if (timer->number == id.number) {
            *at = timer->next;
            free_timer(timer);
            return;
        }
        at = &timer->next;
    }
}

void gri_actor_timers_end(gri_actor *actor)
{
    while (actor->extras != NULL && actor->extras->timers != NULL) {
        struct gri_actor_timer *timer = actor->extras->timers;

        actor->extras->timers = timer->next;
        free_timer(timer);
    }
}
