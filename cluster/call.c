/*
 * One call from its start to its end, on the caller's side: see call.h for the states. Runs in
 * whatever thread starts it, completes an attempt or fires its alarm; never blocks. It sends under
 * no lock, and whatever has to be tried again is tried from the alarm, so a refusal in the same
 * process cannot recurse.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "call_internal.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "chain.h"
#include "lane.h"

enum { BACK_OFF_MS_FIRST = 5, BACK_OFF_MS_MAX = 250, BACK_OFF_DOUBLINGS = 6 };

/* ---- making and freeing */

/* Differs for callers in different processes, too. */
static uint64_t lane_key(gri_exchange *exchange, const gri_call_spec *spec)
{
    uint64_t caller = (gr_system_node(exchange->sys) + spec->caller) * UINT64_C(0x9e3779b97f4a7c15);

    return XXH64(spec->identity, strlen(spec->identity), spec->kind->hash ^ caller) | 1;
}

/* Identity, chain and packed request in one block behind the call. */
static gr_err call_fill(gri_call *call, const gri_call_spec *spec, size_t request_bytes)
{
    const gr_type *type = spec->method->request;
    size_t identity_bytes = strlen(spec->identity) + 1;
    uint8_t *at = (uint8_t *)(call + 1);

    memcpy(at, spec->identity, identity_bytes);
    call->message.identity = (char *)at;
    at += identity_bytes;
    if (spec->chain_bytes > 0) {
        memcpy(at, spec->chain, spec->chain_bytes);
    }
    call->message.chain = at;
    call->message.chain_bytes = spec->chain_bytes;
    at += spec->chain_bytes;
    type->codec->pack(type, spec->request, at);
    call->message.bytes = at;
    call->message.count = request_bytes;
    call->message.kind = spec->kind->hash;
    call->message.method = spec->method->hash;
    call->message.flags = (uint8_t)((spec->one_way ? GRI_CALL_ONE_WAY : 0) |
                                    (spec->pressing ? GRI_CALL_PRESSING : 0));
    call->message.sys = call->exchange->sys;
    call->message.deadline_ms = spec->deadline_ms;
    return spec->one_way ? GR_OK : gr_future_new(call->exchange->sys, GR_FOREVER, &call->future);
}

gr_err gri_call_new(gri_exchange *exchange, const gri_call_spec *spec, gri_call **out_call)
{
    gr_err err = gri_identity_check(spec->identity);
    gri_call *call = NULL;
    size_t request_bytes = 0;

    if (err != GR_OK) {
        return err;
    }
    err =
        gri_chain_admits(spec->chain, spec->chain_bytes, spec->kind, spec->method, spec->identity);
    if (err != GR_OK) {
        return err;
    }
    request_bytes =
        spec->method->request->codec->packed_bytes(spec->method->request, spec->request);
    if (request_bytes == SIZE_MAX) {
        return GRI_FAIL(GR_EINVAL,
                        "the request of %s is not a well-formed %s: begin with its _INIT",
                        spec->method->full_name, spec->method->request->name);
    }
    call = gri_calloc(1, sizeof(*call) + strlen(spec->identity) + 1 + spec->chain_bytes +
                             request_bytes);
    if (call == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a call of %s", spec->method->full_name);
    }
    atomic_init(&call->refs, 1);
    call->exchange = gri_exchange_ref(exchange);
    call->kind = spec->kind;
    call->method = spec->method;
    call->details_type = spec->details_type;
    call->started_ms = gr_system_now(exchange->sys);
    call->lane_key = lane_key(exchange, spec);
    call->bucket = &exchange->buckets[(call->lane_key >> 8) % GRI_EXCHANGE_BUCKETS];
    call->wait_for_host = spec->wait_for_host;
    call->ordered = spec->ordered;
    err = call_fill(call, spec, request_bytes);
    if (err != GR_OK) {
        (void)gri_call_unref(call);
        return err;
    }
    *out_call = call;
    return GR_OK;
}

gri_call *gri_call_ref(gri_call *call)
{
    /* Relaxed: whoever adds a holder is one already, or holds the lock of a list that is. */
    (void)atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
    return call;
}

gri_call *gri_call_unref(gri_call *take_call)
{
    gri_call *call = take_call;

    /* Release: what this holder did is done before the last one frees; acquire: the last one sees
     * it. */
    if (call == NULL || atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    if (call->alarm_ready) {
        gr_alarm_fini(&call->alarm);
    }
    call->details = gr_msg_unref(call->details);
    call->future = gr_future_unref(call->future);
    (void)gri_exchange_unref(call->exchange);
    gri_free(call);
    return NULL;
}

/* ---- the end */

/* What it is when there is no more trying. */
static gr_err gives_up_with(const gri_call *call)
{
    if (call->sent_unknown) {
        return GR_EUNKNOWN;
    }
    return call->last.code == GR_EBUSY || call->last.code == GR_ENOKIND ? call->last.code
                                                                        : GR_ENOTRUN;
}

void gri_call_over(gri_call *call, bool ran, gr_msg *take_result)
{
    gr_future *under_way = NULL;
    gri_call *overtaken = NULL;

    do {
        (void)pthread_mutex_lock(&call->bucket->lock);
        if (call->state == GRI_CALL_OVER) {
            (void)pthread_mutex_unlock(&call->bucket->lock);
            (void)gr_msg_unref(take_result);
            return;
        }
        overtaken = ran ? gri_lane_overtaken_locked(call) : NULL;
        if (overtaken == NULL) {
            call->state = GRI_CALL_OVER;
            TAILQ_REMOVE(&call->bucket->calls, call, all);
            gri_call_kick_locked(call);
            gri_lane_leave_locked(call);
            under_way = call->under_way;
            call->under_way = NULL;
        }
        (void)pthread_mutex_unlock(&call->bucket->lock);
        if (overtaken != NULL) {
            gri_call_over(overtaken, false,
                          gr_msg_new_error(gives_up_with(overtaken), overtaken->last.text));
            (void)gri_call_unref(overtaken);
        }
    } while (overtaken != NULL);
    if (call->future != NULL) {
        (void)gr_future_complete(call->future, take_result);
    } else {
        (void)gr_msg_unref(take_result);
    }
    (void)gr_future_unref(under_way);
    (void)gri_call_unref(call); /* the bucket's */
}

void gri_call_fail(gri_call *call, bool ran, gr_err code, const char *text)
{
    (void)pthread_mutex_lock(&call->bucket->lock);
    if (!ran && call->sent_unknown) { /* whatever the last attempt came to */
        code = GR_EUNKNOWN;
    }
    (void)pthread_mutex_unlock(&call->bucket->lock);
    gri_call_over(call, ran, gr_msg_new_error(code, text));
}

void gri_call_ran_out(gri_call *call, bool has_view)
{
    const gri_exchange *exchange = call->exchange;
    char text[GR_ERROR_TEXT_BYTES];
    size_t used = 0;
    gr_err code = gives_up_with(call);

    used = (size_t)snprintf(text, sizeof(text), "%.60s of %.40s within %" PRId64 " ms: %s%.80s",
                            call->method->full_name, call->message.identity,
                            call->message.deadline_ms - call->started_ms,
                            call->sent_unknown ? "an earlier attempt may have run; " : "",
                            call->last.text[0] == '\0' ? "did not run" : call->last.text);
    if (!has_view && exchange->events != NULL && exchange->events->why_no_view != NULL &&
        used + 3 < sizeof(text)) {
        memcpy(text + used, ": ", 3);
        exchange->events->why_no_view(exchange->events_self, text + used + 2,
                                      sizeof(text) - used - 2);
    }
    gri_call_fail(call, false, code, text);
}

void gri_call_give_up(gri_call *call, gr_err code, const char *why)
{
    gr_future *under_way = NULL;
    gri_call_state state = GRI_CALL_OVER;

    (void)pthread_mutex_lock(&call->bucket->lock);
    state = call->state;
    if (state == GRI_CALL_SENT && call->under_way != NULL) {
        under_way = gr_future_ref(call->under_way);
    }
    (void)pthread_mutex_unlock(&call->bucket->lock);
    if (under_way != NULL) {
        (void)gr_future_complete(under_way, gr_msg_new_error(GR_EUNKNOWN, why));
        (void)gr_future_unref(under_way);
    } else if (state == GRI_CALL_WAITING) {
        gri_call_fail(call, false, code == GR_ESTOPPED ? GR_ENOTRUN : code, why);
    } else {
        (void)sched_yield(); /* another thread is sending it this very moment; the caller looks
                                again */
    }
}

/* ---- waiting */

static void on_alarm(void *arg);

void gri_call_wait_locked(gri_call *call, int64_t at_ms)
{
    if (!call->alarm_ready) {
        gr_alarm_init(&call->alarm, call->exchange->sys, on_alarm, call);
        call->alarm_ready = true;
    }
    gr_alarm_set(&call->alarm,
                 at_ms < call->message.deadline_ms ? at_ms : call->message.deadline_ms);
}

void gri_call_kick_locked(gri_call *call)
{
    gri_call *next = call->lane == NULL ? NULL : gri_lane_waiting_locked(call->lane);

    if (next != NULL && next != call) {
        gri_call_wait_locked(next, gr_system_now(call->exchange->sys));
    }
}

void gri_call_note_locked(gri_call *call, gr_err code, const char *text)
{
    call->last.code = code;
    (void)snprintf(call->last.text, sizeof(call->last.text), "%s", text);
}

static int64_t back_off_ms(gri_call *call, uint32_t retry_after_ms)
{
    uint32_t doublings = call->attempt < BACK_OFF_DOUBLINGS ? call->attempt : BACK_OFF_DOUBLINGS;
    uint64_t span = (uint64_t)BACK_OFF_MS_FIRST << doublings;

    span = span > BACK_OFF_MS_MAX ? BACK_OFF_MS_MAX : span;
    if (retry_after_ms > 0) {
        return retry_after_ms +
               (int64_t)(gr_system_random(call->exchange->sys) % (retry_after_ms / 2 + 1));
    }
    return (int64_t)(span / 2 + gr_system_random(call->exchange->sys) % (span / 2 + 1));
}

void gri_call_again(gri_call *call, gr_err code, const char *text, const gri_answer *answer)
{
    bool elsewhere = answer != NULL && answer->owner != 0 && answer->owner != call->target;
    int64_t delay_ms = elsewhere && call->attempt < BACK_OFF_DOUBLINGS
                           ? 0
                           : back_off_ms(call, answer == NULL ? 0 : answer->retry_after_ms);
    gr_future *under_way = NULL;

    if (answer != NULL && call->exchange->events != NULL) {
        call->exchange->events->newer_view(call->exchange->events_self, answer->view_founded,
                                           answer->view_version);
    }
    (void)pthread_mutex_lock(&call->bucket->lock);
    if (call->state != GRI_CALL_OVER) {
        under_way = call->under_way;
        call->under_way = NULL;
        call->state = GRI_CALL_WAITING;
        gri_call_note_locked(call, code, text);
        if (elsewhere) {
            call->hint_owner = answer->owner;
            call->hint_founded = answer->view_founded;
            call->hint_version = answer->view_version;
        }
        call->not_before_ms = gr_system_now(call->exchange->sys) + delay_ms;
        gri_call_wait_locked(call, call->not_before_ms);
        gri_call_kick_locked(call);
    }
    (void)pthread_mutex_unlock(&call->bucket->lock);
    (void)gr_future_unref(under_way);
}

/* ---- going */

static void on_alarm(void *arg)
{
    gri_call *call = arg;
    bool over = false;

    (void)pthread_mutex_lock(&call->bucket->lock);
    over = call->state == GRI_CALL_OVER;
    if (!over) { /* then the bucket holds it: one more reference is safe */
        (void)gri_call_ref(call);
    }
    (void)pthread_mutex_unlock(&call->bucket->lock);
    if (!over) {
        gri_call_try(call);
        (void)gri_call_unref(call);
    }
}

void gri_call_poke(gri_call *call)
{
    (void)pthread_mutex_lock(&call->bucket->lock);
    if (call->state == GRI_CALL_WAITING) {
        /* A refusal for the old view's sake need not wait any longer; one for overload must. */
        if (call->last.code != GR_EBUSY) {
            call->not_before_ms = 0;
        }
        gri_call_wait_locked(call, gr_system_now(call->exchange->sys));
    }
    (void)pthread_mutex_unlock(&call->bucket->lock);
}

gr_err gri_call_start(gri_call *call)
{
    gr_err err = GR_OK;

    (void)pthread_mutex_lock(&call->bucket->lock);
    err = gri_lane_join_locked(call);
    if (err == GR_OK) {
        (void)gri_call_ref(call); /* the bucket's; not below: the macro evaluates it five times */
        TAILQ_INSERT_TAIL(&call->bucket->calls, call, all);
    }
    (void)pthread_mutex_unlock(&call->bucket->lock);
    if (err == GR_OK) {
        gri_call_try(call);
    }
    return err;
}

gr_err gri_call_one_way_result(gri_call *call)
{
    gr_err err = GR_OK;

    (void)pthread_mutex_lock(&call->bucket->lock);
    if (call->state == GRI_CALL_OVER && call->last.code != GR_OK) {
        err = GRI_FAIL(call->last.code, "%s", call->last.text);
    }
    (void)pthread_mutex_unlock(&call->bucket->lock);
    return err;
}
