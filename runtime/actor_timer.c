/*
 * Timers of an actor: alarms that send it a message, and that end with it. A repeating timer has at most one tick waiting in
 * the mailbox: an actor that is slow, or a process that was stopped for a while, is not met by all the ticks it has missed.
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
    atomic_uint refs;      /* the actor's list, and each tick that is not freed */
    gr_origin origin;      /* of the ticks of a repeating timer; their `bytes` are their numbers */
    atomic_size_t waiting; /* the number of the tick that nobody has taken yet, or 0 */
    size_t ticks;          /* sent; only where alarms fire */
};

static struct gri_actor_timer *timer_of(gr_origin *origin)
{
    return (struct gri_actor_timer *)((char *)origin - offsetof(struct gri_actor_timer, origin));
}

static void unref(struct gri_actor_timer *timer)
{
    /* Release: what this holder did comes first; acquire: the last one sees all of it. */
    if (atomic_fetch_sub_explicit(&timer->refs, 1, memory_order_acq_rel) == 1) {
        (void)gr_msg_unref(timer->msg);
        gri_free(timer);
    }
}

static void waits_no_more(struct gri_actor_timer *timer, size_t tick)
{
    /* Relaxed: a number; a later tick stays. */
    (void)atomic_compare_exchange_strong_explicit(&timer->waiting, &tick, 0, memory_order_relaxed,
                                                  memory_order_relaxed);
}

/* A tick has been freed, handled or not; in any thread. */
static void on_released(gr_origin *origin, size_t tick)
{
    struct gri_actor_timer *timer = timer_of(origin);

    waits_no_more(timer, tick);
    unref(timer);
}

void gri_timer_tick_taken(const gr_msg *msg)
{
    const gri_msg_extra *extra = msg->extra;

    if (extra->origin != NULL && extra->origin->released == on_released) {
        waits_no_more(timer_of(extra->origin), extra->origin_bytes);
    }
}

/* Sends a tick of a repeating timer, unless the last one still waits. */
static void tick(struct gri_actor_timer *timer)
{
    gr_msg *msg = NULL;

    /* Relaxed: a number; a tick that is taken at this moment may be missed. */
    if (atomic_load_explicit(&timer->waiting, memory_order_relaxed) != 0) {
        gri_count(&timer->sys->ticks_left_out, 1);
        return;
    }
    msg =
        gri_msg_for_queue(gr_msg_ref(timer->msg)); /* an envelope of its own: the timer holds it */
    if (msg == NULL) {
        return;
    }
    atomic_store_explicit(&timer->waiting, ++timer->ticks, memory_order_relaxed); /* a number */
    (void)atomic_fetch_add_explicit(&timer->refs, 1,
                                    memory_order_relaxed); /* the actor's list has one */
    gr_msg_set_origin(msg, &timer->origin, timer->ticks);
    (void)gr_send(timer->sys, timer->to, msg);
}

/* The first tick later than now on the grid of a repeating timer. */
static int64_t next_tick_ms(const struct gri_actor_timer *timer, int64_t now_ms)
{
    int64_t at_ms = timer->at_ms;

    if (now_ms > at_ms) {
        int64_t missed = (now_ms - at_ms) / timer->period_ms;

        gri_count(&timer->sys->ticks_left_out, (uint64_t)missed);
        at_ms += missed * timer->period_ms;
    }
    return timer->period_ms > INT64_MAX - 1 - at_ms ? INT64_MAX - 1 : at_ms + timer->period_ms;
}

static void on_alarm(void *arg)
{
    struct gri_actor_timer *timer = arg;

    if (timer->period_ms > 0) {
        tick(timer);
        timer->at_ms = next_tick_ms(timer, gr_system_now(timer->sys));
        gr_alarm_set(&timer->alarm, timer->at_ms);
    } else {
        (void)gr_send(timer->sys, timer->to, gr_msg_ref(timer->msg));
        atomic_store_explicit(&timer->over, true,
                              memory_order_release); /* nothing of it is used here any more */
    }
}

static void free_timer(struct gri_actor_timer *timer)
{
    gr_alarm_fini(&timer->alarm);
    unref(timer); /* ticks that wait keep it */
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
    if (msg == NULL) {
        return GRI_FAIL(GR_ENOMEM, "no message for a timer: it could not be made");
    }
    timer = extras == NULL ? NULL : gri_calloc(1, sizeof(*timer));
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
    timer->origin.released = on_released;
    atomic_init(&timer->over, false);
    atomic_init(&timer->refs, 1);
    atomic_init(&timer->waiting, 0);
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
