/*
 * Sending a call: whether it may leave now, and the message. Under no lock while it sends; what has to be tried again is
 * tried from the call's alarm, so a refusal in the same process cannot recurse.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "call_internal.h"

#include "lane.h"
#include "sim_hooks.h"

static void send_one_way(gri_call *call, gr_pid to, gr_msg *take_msg)
{
    gr_err err = gr_send(call->exchange->sys, to, take_msg);
    gr_error why = err == GR_OK ? (gr_error){0} : *gr_last_error();

    if (err == GR_OK) {
        (void)pthread_mutex_lock(&call->bucket->lock);
        gri_call_note_locked(call, GR_OK, "");
        (void)pthread_mutex_unlock(&call->bucket->lock);
        gri_call_over(call, true, NULL);
    } else if (err == GR_EFULL || err == GR_ETOOBIG || err == GR_ENOMEM) {
        (void)pthread_mutex_lock(&call->bucket->lock);
        gri_call_note_locked(call, err, why.text);
        (void)pthread_mutex_unlock(&call->bucket->lock);
        gri_call_over(call, false, NULL);
    } else {
        gri_call_again(call, GR_ENOTRUN, why.code == err ? why.text : gr_err_text(err), NULL);
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
        gri_call_again(call, GR_ENOTRUN, gr_err_text(err), NULL);
        return;
    }
    (void)pthread_mutex_lock(&call->bucket->lock);
    call->state = GRI_CALL_SENT;
    call->under_way = gr_future_ref(future);
    gri_call_kick_locked(call);
    (void)pthread_mutex_unlock(&call->bucket->lock);
    if (gr_future_on_complete(future, gri_call_on_attempt, gri_call_ref(call)) != GR_OK) {
        gr_error why = *gr_last_error();

        gri_call_fail(call, false, GR_EUNKNOWN, why.text);
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
        gri_call_again(call, GR_ENOMEM, "out of memory", NULL);
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
    gri_place found;

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
        gri_call_wait_locked(call, call->not_before_ms);
        return NEXT_NOTHING;
    }
    found = gri_place_of(call, view);
    if (found.node == 0) {
        gri_call_note_locked(call, found.code, found.text);
        if (found.code == GR_ENOKIND && !call->wait_for_host) {
            return NEXT_NO_HOST;
        }
        gri_call_wait_locked(call, INT64_MAX);
        return NEXT_NOTHING;
    }
    if (!gri_lane_admits_locked(call, found.node)) {
        gri_call_wait_locked(call, INT64_MAX);
        return NEXT_NOTHING;
    }
    call->state = GRI_CALL_SENDING;
    call->attempt++;
    call->target = found.node;
    return NEXT_SEND;
}

void gri_call_try(gri_call *call)
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
        gri_call_ran_out(call, view != NULL);
        break;
    case NEXT_NO_HOST:
        gri_call_fail(call, false, call->sent_unknown ? GR_EUNKNOWN : GR_ENOKIND, call->last.text);
        break;
    case NEXT_CLOSED:
        gri_call_fail(call, false, call->sent_unknown ? GR_EUNKNOWN : GR_ENOTRUN,
                      "the process that called is stopping");
        break;
    }
    (void)gri_view_unref(view);
}
