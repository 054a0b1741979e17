/*
 * One call from its start to its end, on the caller's side: see call.h for the states. Runs in
 * whatever thread starts it, completes an attempt or fires its alarm; never blocks. It sends under
 * no lock, and whatever has to be tried again is tried from the alarm, so a refusal in the same
 * process cannot recurse.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "call.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "chain.h"
#include "lane.h"
#include "sim_hooks.h"

enum { BACK_OFF_MS_FIRST = 5, BACK_OFF_MS_MAX = 250, BACK_OFF_DOUBLINGS = 6, DETAIL_BYTES = 160 };

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
    call->message.flags =
        (uint8_t)((spec->one_way ? GRI_CALL_ONE_WAY : 0) | (spec->pressing ? GRI_CALL_PRESSING : 0));
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

static void kick_locked(gri_call *call);

/* Ends the call, once. `ran`: its effects may be there, so older calls of its lane may not come
 * after it any more. */
static void call_over(gri_call *call, bool ran, gr_msg *take_result)
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
            kick_locked(call);
            gri_lane_leave_locked(call);
            under_way = call->under_way;
            call->under_way = NULL;
        }
        (void)pthread_mutex_unlock(&call->bucket->lock);
        if (overtaken != NULL) {
            call_over(overtaken, false,
                      gr_msg_new_error(overtaken->last.code, overtaken->last.text));
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

static void call_fail(gri_call *call, bool ran, gr_err code, const char *text)
{
    call_over(call, ran, gr_msg_new_error(code, text));
}

/* The deadline has come before it ran. */
static void call_ran_out(gri_call *call)
{
    char text[GR_ERROR_TEXT_BYTES];
    gr_err code = call->sent_unknown                                             ? GR_EUNKNOWN
                  : call->last.code == GR_EBUSY || call->last.code == GR_ENOKIND ? call->last.code
                                                                                 : GR_ENOTRUN;

    (void)snprintf(text, sizeof(text), "%.60s of %.40s within %" PRId64 " ms: %s%.80s",
                   call->method->full_name, call->message.identity,
                   call->message.deadline_ms - call->started_ms,
                   call->sent_unknown ? "an earlier attempt may have run; " : "",
                   call->last.text[0] == '\0' ? "did not run" : call->last.text);
    call_fail(call, call->sent_unknown, code, text);
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
        call_fail(call, false, code == GR_ESTOPPED ? GR_ENOTRUN : code, why);
    } else {
        (void)sched_yield(); /* another thread is sending it this very moment; the caller looks
                                again */
    }
}

/* ---- waiting */

static void on_alarm(void *arg);

/* Looks again at `at_ms`, or at the deadline if that comes first. */
static void wait_locked(gri_call *call, int64_t at_ms)
{
    if (!call->alarm_ready) {
        gr_alarm_init(&call->alarm, call->exchange->sys, on_alarm, call);
        call->alarm_ready = true;
    }
    gr_alarm_set(&call->alarm,
                 at_ms < call->message.deadline_ms ? at_ms : call->message.deadline_ms);
}

/* Something has changed for the lane: its oldest waiting call looks again. */
static void kick_locked(gri_call *call)
{
    gri_call *next = call->lane == NULL ? NULL : gri_lane_waiting_locked(call->lane);

    if (next != NULL && next != call) {
        wait_locked(next, gr_system_now(call->exchange->sys));
    }
}

static void note_locked(gri_call *call, gr_err code, const char *text)
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

/* It did not run, or may be run twice: again, later. */
static void call_again(gri_call *call, gr_err code, const char *text, const gri_answer *answer)
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
        note_locked(call, code, text);
        if (elsewhere) {
            call->hint_owner = answer->owner;
            call->hint_founded = answer->view_founded;
            call->hint_version = answer->view_version;
        }
        call->not_before_ms = gr_system_now(call->exchange->sys) + delay_ms;
        wait_locked(call, call->not_before_ms);
        kick_locked(call);
    }
    (void)pthread_mutex_unlock(&call->bucket->lock);
    (void)gr_future_unref(under_way);
}

/* ---- an attempt ends */

static void take_details(gri_call *call, const gri_answer *answer)
{
    if (call->details_type != NULL && strcmp(answer->details_type, call->details_type->name) == 0 &&
        gr_msg_unpack(call->details_type, answer->details, answer->details_bytes, &call->details) !=
            GR_OK) {
        call->details = NULL; /* not what its name says: as good as none */
    }
}

static void on_failed(gri_call *call, const gri_answer *answer)
{
    take_details(call, answer);
    call_fail(call, true, answer->code,
              answer->text[0] == '\0' ? gr_err_text(answer->code) : answer->text);
}

/* A refusal: most are worth another try, some are for good. */
static void on_refused(gri_call *call, const gri_answer *answer)
{
    char text[GR_ERROR_TEXT_BYTES];

    switch (answer->code) {
    case GR_ENOKIND:
        (void)snprintf(text, sizeof(text), "node %016" PRIx64 " does not host kind %.160s",
                       call->target, call->kind->name);
        if (call->wait_for_host) {
            call_again(call, GR_ENOKIND, text, answer);
            return;
        }
        break;
    case GR_ENOMETHOD:
        (void)snprintf(text, sizeof(text), "node %016" PRIx64 " does not implement %.160s",
                       call->target, call->method->full_name);
        break;
    case GR_EDECODE:
    case GR_ETOOBIG:
    case GR_EINVAL:
        (void)snprintf(text, sizeof(text), "%s", answer->text);
        break;
    default:
        call_again(call, answer->code, answer->text, answer);
        return;
    }
    call_fail(call, false, answer->code, text);
}

static void on_unknown(gri_call *call, const char *text)
{
    char more[GR_ERROR_TEXT_BYTES];

    (void)snprintf(more, sizeof(more), "%s of %.40s on node %016" PRIx64 ": %.*s",
                   call->method->full_name, call->message.identity, call->target, DETAIL_BYTES / 2,
                   text);
    if ((call->method->flags & GR_METHOD_IDEMPOTENT) != 0 || gri_sim_has(GRI_SIM_RUN_TWICE)) {
        (void)pthread_mutex_lock(&call->bucket->lock);
        call->sent_unknown = true;
        (void)pthread_mutex_unlock(&call->bucket->lock);
        call_again(call, GR_EUNKNOWN, more, NULL);
        return;
    }
    call_fail(call, true, GR_EUNKNOWN, more);
}

static void on_answer(gri_call *call, const gri_answer *answer)
{
    gr_msg *reply = NULL;

    switch (answer->outcome) {
    case GRI_OUTCOME_REPLIED:
        if (gr_msg_unpack(call->method->reply, answer->bytes, answer->count, &reply) == GR_OK) {
            call_over(call, true, reply);
        } else {
            gr_error why = *gr_last_error();

            call_fail(call, true, why.code, why.text);
        }
        break;
    case GRI_OUTCOME_FAILED:
        on_failed(call, answer);
        break;
    case GRI_OUTCOME_NOT_RUN:
        on_refused(call, answer);
        break;
    case GRI_OUTCOME_UNKNOWN:
        on_unknown(call, answer->text);
        break;
    }
}

/* The attempt ended without an answer of a node. */
static void on_no_answer(gri_call *call, const gr_error *why)
{
    char text[GR_ERROR_TEXT_BYTES];

    switch (why->code) {
    case GR_ETIMEDOUT:
        (void)snprintf(text, sizeof(text),
                       "sent, but not answered within %" PRId64 " ms: it may have run",
                       call->message.deadline_ms - call->started_ms);
        on_unknown(call, text);
        break;
    case GR_EDEAD:
    case GR_EFULL:
    case GR_EUNREACHABLE:
    case GR_ENOTRUN:
    case GR_ENOTYPE:
    case GR_ENOMEM:
    case GR_ESTOPPED:
        call_again(call, GR_ENOTRUN, why->text, NULL);
        break;
    case GR_ETOOBIG:
    case GR_EDECODE:
    case GR_EPROTO:
    case GR_EREFUSED:
        call_fail(call, false, why->code, why->text);
        break;
    default:
        on_unknown(call, why->text);
        break;
    }
}

static void on_attempt(void *arg, gr_future *future)
{
    gri_call *call = arg;
    gr_msg *msg = NULL;
    gr_err err = gr_await(future, 0, &msg);
    gr_error why = err == GR_OK ? (gr_error){0} : *gr_last_error();
    const gri_answer *answer = err == GR_OK ? gr_msg_read(msg, &gri_answer_type) : NULL;

    if (answer != NULL) {
        on_answer(call, answer);
    } else {
        why.code = err == GR_OK ? GR_EPROTO : err;
        on_no_answer(call, &why);
    }
    (void)gr_msg_unref(msg);
    (void)gri_call_unref(call);
}

/* ---- sending */

typedef struct place {
    uint64_t node; /* 0: none now */
    gr_err code;   /* why, then */
    char text[DETAIL_BYTES];
} place;

static place nowhere(gr_err code, const char *format, const char *name)
{
    place found = {.code = code};

    /* The formats below are this file's own, with one %s. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(found.text, sizeof(found.text), format, name);
#pragma GCC diagnostic pop
    return found;
}

/* Any node that hosts the kind; this one if it does, unless it has just refused. */
static place place_of_stateless(gri_call *call, const gri_view *view)
{
    place found = {.node = 0};
    uint64_t self = gr_system_node(call->exchange->sys);
    uint64_t seen = 0;

    if (self != call->target && gri_view_hosts(view, self, call->kind->name)) {
        found.node = self;
        return found;
    }
    for (size_t i = 0; i < view->members_count; i++) {
        const gri_member *member = &view->members[i];

        /* The nth candidate takes the place with probability 1/n, so each has the same chance. */
        if (!member->leaving && gri_view_hosts(view, member->node, call->kind->name) &&
            gr_system_random(call->exchange->sys) % ++seen == 0) {
            found.node = member->node;
        }
    }
    return found.node != 0 ? found : nowhere(GR_ENOKIND, "no node hosts kind %s", call->kind->name);
}

static place place_of(gri_call *call, const gri_view *view)
{
    const gri_shard *shards = NULL;
    char table[GRI_VIEW_TABLE_BYTES];
    place found = {.node = 0};

    if (view == NULL) {
        return nowhere(GR_ENOTRUN, "no node of the cluster has answered yet%s", "");
    }
    if ((call->kind->flags & GR_KIND_STATELESS) != 0) {
        return place_of_stateless(call, view);
    }
    if (call->hint_owner != 0 && gri_view_is_older(view, call->hint_founded, call->hint_version) &&
        gri_view_member(view, call->hint_owner) != NULL) {
        found.node = call->hint_owner;
        return found;
    }
    if (!view->settled) {
        return nowhere(GR_ENOTRUN, "the cluster has just been founded, nobody owns grains yet%s",
                       "");
    }
    shards = gri_view_shards(view, gri_view_table(call->kind, table));
    found.node =
        shards == NULL ? 0 : shards[gri_view_shard(view, call->kind, call->message.identity)].owner;
    if (found.node == 0) {
        return nowhere(GR_ENOKIND, "no node hosts kind %s", call->kind->name);
    }
    if (!gri_view_hosts(view, found.node, call->kind->name)) {
        return nowhere(GR_ENOKIND, "the node that owns its shard does not host kind %s",
                       call->kind->name);
    }
    return found;
}

static void send_one_way(gri_call *call, gr_pid to, gr_msg *take_msg)
{
    gr_err err = gr_send(call->exchange->sys, to, take_msg);
    gr_error why = err == GR_OK ? (gr_error){0} : *gr_last_error();

    if (err == GR_OK) {
        (void)pthread_mutex_lock(&call->bucket->lock);
        note_locked(call, GR_OK, "");
        (void)pthread_mutex_unlock(&call->bucket->lock);
        call_over(call, true, NULL);
    } else if (err == GR_EFULL || err == GR_ETOOBIG || err == GR_ENOMEM) {
        (void)pthread_mutex_lock(&call->bucket->lock);
        note_locked(call, err, why.text);
        (void)pthread_mutex_unlock(&call->bucket->lock);
        call_over(call, false, NULL);
    } else {
        call_again(call, GR_ENOTRUN, why.code == err ? why.text : gr_err_text(err), NULL);
    }
}

static void send_request(gri_call *call, gr_pid to, gr_msg *take_msg)
{
    gr_future *future = NULL;
    int64_t left_ms = call->message.deadline_ms - gr_system_now(call->exchange->sys);
    gr_err err = GR_OK;

    left_ms = gri_sim_has(GRI_SIM_NO_DEADLINE) ? GR_FOREVER : left_ms < 1 ? 1 : left_ms;
    err = gr_request_future(call->exchange->sys, to, take_msg, left_ms, &future);
    if (err != GR_OK) {
        call_again(call, GR_ENOTRUN, gr_err_text(err), NULL);
        return;
    }
    (void)pthread_mutex_lock(&call->bucket->lock);
    call->state = GRI_CALL_SENT;
    call->under_way = gr_future_ref(future);
    kick_locked(call);
    (void)pthread_mutex_unlock(&call->bucket->lock);
    if (gr_future_on_complete(future, on_attempt, gri_call_ref(call)) != GR_OK) {
        gr_error why = *gr_last_error();

        call_fail(call, true, GR_EUNKNOWN, why.text);
        (void)gri_call_unref(call);
    }
    (void)gr_future_unref(future);
}

/* The call is in SENDING: nobody else touches its target and attempt. */
static void call_send(gri_call *call, const gri_view *view)
{
    gri_call_message message = call->message;
    gr_pid to = gr_pid_well_known(call->target, GR_SLOT_CLUSTER);
    gr_msg *msg = NULL;

    message.attempt = call->attempt;
    message.view_founded = view->founded;
    message.view_version = view->version;
    (void)pthread_mutex_lock(&call->bucket->lock);
    gri_lane_stamp_locked(call, &message);
    (void)pthread_mutex_unlock(&call->bucket->lock);
    msg = gri_call_message_new(&message);
    if (msg == NULL) {
        call_again(call, GR_ENOMEM, "out of memory", NULL);
    } else if (call->future == NULL) {
        send_one_way(call, to, msg);
    } else {
        send_request(call, to, msg);
    }
}

typedef enum next_step {
    NEXT_NOTHING,
    NEXT_SEND,
    NEXT_RAN_OUT,
    NEXT_NO_HOST,
    NEXT_CLOSED
} next_step;

static next_step next_locked(gri_call *call, const gri_view *view)
{
    int64_t now_ms = gr_system_now(call->exchange->sys);
    place found;

    if (call->state != GRI_CALL_WAITING) {
        return NEXT_NOTHING;
    }
    /* Sequentially consistent: see gri_exchange_close(). */
    if (atomic_load_explicit(&call->exchange->closed, memory_order_seq_cst)) {
        return NEXT_CLOSED;
    }
    if (now_ms >= call->message.deadline_ms) {
        return NEXT_RAN_OUT;
    }
    if (now_ms < call->not_before_ms) {
        wait_locked(call, call->not_before_ms);
        return NEXT_NOTHING;
    }
    found = place_of(call, view);
    if (found.node == 0) {
        note_locked(call, found.code, found.text);
        if (found.code == GR_ENOKIND && !call->wait_for_host) {
            return NEXT_NO_HOST;
        }
        wait_locked(call, INT64_MAX);
        return NEXT_NOTHING;
    }
    if (!gri_lane_admits_locked(call, found.node)) {
        wait_locked(call, INT64_MAX);
        return NEXT_NOTHING;
    }
    call->state = GRI_CALL_SENDING;
    call->attempt++;
    call->target = found.node;
    return NEXT_SEND;
}

static void call_try(gri_call *call)
{
    gri_view *view = gri_view_cell_read(&call->exchange->view);
    next_step next = NEXT_NOTHING;

    (void)pthread_mutex_lock(&call->bucket->lock);
    next = next_locked(call, view);
    (void)pthread_mutex_unlock(&call->bucket->lock);
    switch (next) {
    case NEXT_NOTHING:
        break;
    case NEXT_SEND:
        call_send(call, view);
        break;
    case NEXT_RAN_OUT:
        call_ran_out(call);
        break;
    case NEXT_NO_HOST:
        call_fail(call, call->sent_unknown, call->sent_unknown ? GR_EUNKNOWN : GR_ENOKIND,
                  call->last.text);
        break;
    case NEXT_CLOSED:
        call_fail(call, call->sent_unknown, call->sent_unknown ? GR_EUNKNOWN : GR_ENOTRUN,
                  "the process that called is stopping");
        break;
    }
    (void)gri_view_unref(view);
}

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
        call_try(call);
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
        wait_locked(call, gr_system_now(call->exchange->sys));
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
        call_try(call);
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
