/*
 * Turns: see turn.h. The exit is the place where a turn's effects become real.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "turn.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "chain.h"
#include "sim_hooks.h"

/* A timer to be started (delay_ms >= 0) or ended, in the turn's memory. */
typedef struct gri_timer_change {
    struct gri_timer_change *next;
    uint64_t number;
    int64_t delay_ms;
    int64_t period_ms;
} gri_timer_change;

const gr_type gri_grain_tick_type = GR_TYPE(gri_grain_tick);

static gri_exchange *exchange_of_grain(gr_caller *caller)
{
    return gri_exchange_ref(caller->grain->live->activation->slice->host->exchange);
}

void gri_turn_init(gr_grain *turn, gri_turn_kind kind, gri_live *live, gr_context *ctx,
                   gri_call_message *call)
{
    gri_host *host = live->activation->slice->host;

    *turn = (gr_grain){.kind = kind, .live = live, .ctx = ctx, .call = call};
    turn->caller.exchange = exchange_of_grain;
    turn->caller.grain = turn;
    turn->caller.id = (uint64_t)(uintptr_t)live->activation;
    turn->timer_changes_end = &turn->timer_changes;
    turn->deadline_ms =
        call != NULL ? call->deadline_ms : gr_system_now(host->sys) + GR_CALL_TIMEOUT_MS_DEFAULT;
}

gr_err gri_turn_chain(gr_grain *turn)
{
    const gri_activation *activation = turn->live->activation;
    uint8_t *at = NULL;

    if (turn->chain_made) {
        return GR_OK;
    }
    if (turn->call != NULL && turn->call->chain_bytes > 0) {
        at = gri_buffer_add(&turn->chain, turn->call->chain_bytes);
        if (at == NULL) {
            return GRI_FAIL(GR_ENOMEM, "the chain of callers");
        }
        memcpy(at, turn->call->chain, turn->call->chain_bytes);
    }
    turn->chain_made = true;
    return gri_chain_add(&turn->chain, activation->hosted->info,
                         turn->kind == GRI_TURN_CALL    ? GRI_CHAIN_METHOD
                         : turn->kind == GRI_TURN_TIMER ? GRI_CHAIN_TIMER
                                                        : GRI_CHAIN_HOOK,
                         turn->kind == GRI_TURN_CALL ? turn->call->found : NULL,
                         activation->identity);
}

bool gri_turn_is_pressing(const gr_grain *turn)
{
    /* Acquire: pairs with gri_slice_drain(). */
    return atomic_load_explicit(&turn->live->activation->closing, memory_order_acquire) != 0 ||
           (turn->call != NULL && (turn->call->flags & GRI_CALL_PRESSING) != 0);
}

/* Room for one more pointer. */
static bool make_room(void **array, size_t count, size_t *room)
{
    size_t more = *room == 0 ? 4 : *room * 2;
    void *grown = count < *room ? *array : gri_realloc(*array, more * sizeof(void *));

    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *room = count < *room ? *room : more;
    return true;
}

gr_err gri_turn_keep_one_way(gr_grain *turn, gri_call *take_call)
{
    void *array = turn->one_ways;

    if (!make_room(&array, turn->one_ways_count, &turn->one_ways_room)) {
        (void)gri_call_unref(take_call);
        return GRI_FAIL(GR_ENOMEM, "one more one-way call in this turn");
    }
    turn->one_ways = array;
    turn->one_ways[turn->one_ways_count++] = take_call;
    return GR_OK;
}

gr_err gri_turn_keep_reply(gr_grain *turn, gr_msg *take_reply)
{
    void *array = turn->replies;

    if (!make_room(&array, turn->replies_count, &turn->replies_room)) {
        (void)gr_msg_unref(take_reply);
        return GRI_FAIL(GR_ENOMEM, "one more reply in this turn");
    }
    turn->replies = array;
    turn->replies[turn->replies_count++] = take_reply;
    return GR_OK;
}

/* ---- timers */

static gri_grain_timer *timer_of(gri_live *live, uint64_t number)
{
    gri_grain_timer *timer = NULL;

    LIST_FOREACH (timer, &live->timers, next) {
        if (timer->number == number) {
            return timer;
        }
    }
    return NULL;
}

static void timer_end(gr_context *ctx, gri_grain_timer *take_timer)
{
    gr_timer_cancel(ctx, take_timer->id);
    LIST_REMOVE(take_timer, next);
    gri_free(take_timer);
}

/* One tick at a time, so that a grain that is busy does not find its mailbox full of them; the next is counted from when
 * this one was due, so nothing drifts. */
static gr_err timer_arm(gri_live *live, gr_context *ctx, gri_grain_timer *timer)
{
    gr_msg *msg = gr_msg_new(&gri_grain_tick_type);
    int64_t delay_ms = timer->due_ms - gr_system_now(gr_context_system(ctx));
    gri_grain_tick *tick = NULL;

    if (msg == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a timer of a grain");
    }
    tick = gr_msg_payload(msg);
    tick->number = timer->number;
    tick->start = timer->start = ++live->timer_starts;
    return gr_timer_start(ctx, delay_ms < 0 ? 0 : delay_ms, 0, msg, &timer->id);
}

static void timer_change(gr_grain *turn, const gri_timer_change *change)
{
    gri_live *live = turn->live;
    gri_grain_timer *timer = timer_of(live, change->number);

    if (timer != NULL) {
        timer_end(turn->ctx, timer);
    }
    timer = change->delay_ms < 0 ? NULL : gri_calloc(1, sizeof(*timer));
    if (timer == NULL) {
        return;
    }
    timer->number = change->number;
    timer->period_ms = change->period_ms;
    timer->due_ms = gr_system_now(gr_context_system(turn->ctx)) + change->delay_ms;
    LIST_INSERT_HEAD(&live->timers, timer, next);
    if (timer_arm(live, turn->ctx, timer) != GR_OK) {
        timer_end(turn->ctx, timer);
    }
}

static gr_err keep_timer_change(gr_grain *turn, uint64_t number, int64_t delay_ms,
                                int64_t period_ms)
{
    gri_timer_change *change = gr_context_alloc(turn->ctx, sizeof(*change));

    if (change == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a timer of a grain");
    }
    *change = (gri_timer_change){NULL, number, delay_ms, period_ms};
    *turn->timer_changes_end = change;
    turn->timer_changes_end = &change->next;
    return GR_OK;
}

gr_err gr_grain_timer_start(gr_grain *grain, uint64_t number, int64_t delay_ms, int64_t period_ms)
{
    if (delay_ms < 0 || period_ms < 0 || delay_ms > INT64_MAX / 4) {
        return GRI_FAIL(GR_EINVAL,
                        "a timer needs a delay and a period of 0 ms or more, got %lld and %lld",
                        (long long)delay_ms, (long long)period_ms);
    }
    if (grain->kind == GRI_TURN_DEACTIVATING) {
        return GRI_FAIL(GR_EINVAL,
                        "a timer cannot be started while its grain is being deactivated");
    }
    if (grain->live->activation->hosted->info->timer == NULL) {
        return GRI_FAIL(GR_EINVAL, "kind %s has no timer hook",
                        grain->live->activation->hosted->info->name);
    }
    return keep_timer_change(grain, number, delay_ms, period_ms);
}

void gr_grain_timer_cancel(gr_grain *grain, uint64_t number)
{
    gri_grain_timer *timer = timer_of(grain->live, number);
    gri_timer_change *change = NULL;

    /* Taking back needs no memory and harms nobody, so it is done at once. */
    if (timer != NULL) {
        timer_end(grain->ctx, timer);
    }
    for (change = grain->timer_changes; change != NULL; change = change->next) {
        if (change->number == number) {
            change->delay_ms = -1;
        }
    }
}

bool gri_turn_tick(gri_live *live, gr_context *ctx, const gri_grain_tick *tick)
{
    gri_grain_timer *timer = timer_of(live, tick->number);

    if (timer == NULL || timer->start != tick->start) {
        return false;
    }
    if (timer->period_ms == 0) {
        LIST_REMOVE(timer, next);
        gri_free(timer);
        return true;
    }
    timer->due_ms += timer->period_ms;
    if (timer->due_ms <
        gr_system_now(gr_context_system(ctx))) { /* ticks that were missed are not made up for */
        int64_t late_ms = gr_system_now(gr_context_system(ctx)) - timer->due_ms;

        timer->due_ms += (late_ms / timer->period_ms + 1) * timer->period_ms;
    }
    if (timer_arm(live, ctx, timer) != GR_OK) {
        timer_end(ctx, timer);
    }
    return true;
}

void gri_turn_timers_end(gri_live *live)
{
    while (!LIST_EMPTY(&live->timers)) {
        gri_grain_timer *timer = LIST_FIRST(&live->timers);

        LIST_REMOVE(timer, next); /* the actor's own timers end with it */
        gri_free(timer);
    }
}

/* ---- the exit */

static bool is_revoked(const gri_live *live)
{
    /* Acquire: pairs with the revocation, which has taken the activation out of the table. */
    return atomic_load_explicit(&live->activation->revoked, memory_order_acquire);
}

/* Whether anything may leave this turn: waits while the lease has lapsed, gives up when it is gone for good. */
static bool may_leave(gr_grain *turn)
{
    return gri_lease_gate_pass(&turn->live->activation->slice->host->gate) == GR_OK &&
           !is_revoked(turn->live);
}

static void drop_effects(gr_grain *turn)
{
    for (size_t i = 0; i < turn->one_ways_count; i++) {
        (void)gri_call_unref(turn->one_ways[i]);
    }
    turn->one_ways_count = 0;
    turn->timer_changes = NULL;
    turn->timer_changes_end = &turn->timer_changes;
}

static void let_effects_go(gr_grain *turn)
{
    for (size_t i = 0; i < turn->one_ways_count; i++) {
        (void)gri_call_start(turn->one_ways[i]);
        (void)gri_call_unref(turn->one_ways[i]);
    }
    turn->one_ways_count = 0;
    for (const gri_timer_change *change = turn->timer_changes; change != NULL;
         change = change->next) {
        timer_change(turn, change);
    }
    turn->timer_changes = NULL;
    turn->timer_changes_end = &turn->timer_changes;
}

static void turn_fini(gr_grain *turn)
{
    drop_effects(turn);
    for (size_t i = 0; i < turn->replies_count; i++) {
        (void)gr_msg_unref(turn->replies[i]);
    }
    gri_free(turn->one_ways);
    gri_free(turn->replies);
    gri_buffer_fini(&turn->chain);
}

gr_err gri_turn_let_go(gr_grain *turn)
{
    if (!may_leave(turn)) {
        drop_effects(turn);
        return GRI_FAIL(GR_ENOTRUN, "the caller's node has lost its right to act");
    }
    let_effects_go(turn);
    return GR_OK;
}

/* The answer to a call whose effects were not accepted: nobody knows what it did elsewhere. */
static const gri_answer not_accepted = {
    .outcome = GRI_OUTCOME_UNKNOWN,
    .code = GR_EUNKNOWN,
    .text = "its grain was taken away while it ran, and its effects were dropped"};

void gri_turn_exit(gr_grain *turn, const gri_answer *answer)
{
    gri_live *live = turn->live;
    gri_host *host = live->activation->slice->host;
    bool leaves = may_leave(turn);

    if (gri_sim_turn_left != NULL) {
        gri_sim_turn_left(turn, leaves);
    }
    if (leaves) {
        let_effects_go(turn);
    }
    if (gri_sim_has(GRI_SIM_FORGET_DATA)) {
        memset(live->data, 0, live->activation->hosted->data_bytes);
    }
    if (leaves && turn->ask_end) {
        int none = 0;

        /* Release: a turn that sees it holds the calls that come after. Only the first reason counts. */
        (void)atomic_compare_exchange_strong_explicit(&live->activation->closing, &none,
                                                      GR_DEACTIVATION_ASKED, memory_order_release,
                                                      memory_order_relaxed);
    }
    if (answer != NULL && turn->call != NULL) {
        gri_host_answer(host, turn->call, leaves ? answer : &not_accepted);
    }
    turn_fini(turn);
}

void gri_turn_crash(gr_grain *turn, gr_err code, const char *text)
{
    gri_answer answer = {.outcome = GRI_OUTCOME_FAILED, .code = code, .text = text};
    gri_host *host = turn->live->activation->slice->host;

    drop_effects(turn);
    if (turn->call == NULL) {
        turn_fini(turn);
        return;
    }
    if (may_leave(turn)) {
        gri_host_answer(host, turn->call, &answer);
    } else if (turn->kind == GRI_TURN_ACTIVATED) {
        gri_host_refuse(host, turn->call, GR_ENOTRUN, 0,
                        "its grain was taken away before its turn came");
    } else {
        gri_host_answer(host, turn->call, &not_accepted);
    }
    turn_fini(turn);
}
