/*
 * Credit: what the peer has granted, as long as it also acknowledges; and senders that wait for it, in
 * turn: in a handler the fiber waits, elsewhere the thread, both through a future. Whoever brings
 * credit takes it on behalf of the first in the row and wakes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "session.h"

#include <gri/fail.h>
#include <gri/mem.h>

typedef enum waiter_state { WAITING, GRANTED, ENDED } waiter_state;

/* Whoever takes it out of the row must not touch it after the lock, unless who waited is gone. */
struct gri_waiter {
    TAILQ_ENTRY(gri_waiter) next;
    gri_session *session;
    uint64_t charge;
    bool wants; /* the peer has been told that this one needs most of the window */
    waiter_state state;
    gr_future *future;
    gr_msg *wake;       /* made beforehand, so that waking cannot fail */
    gri_credit_use use; /* what its fiber holds meanwhile */
};

typedef struct woken {
    char unused;
} woken;

static const gr_type woken_type = GR_TYPE(woken);

static void waiter_free(struct gri_waiter *waiter)
{
    if (waiter != NULL) {
        (void)gr_msg_unref(waiter->wake);
        (void)gr_future_unref(waiter->future);
        gri_free(waiter);
    }
}

/* NULL: neither memory nor a future was to be had; the reason is the last error. */
static struct gri_waiter *waiter_new(gri_session *session, uint64_t charge,
                                     const gri_credit_use *use)
{
    struct gri_waiter *waiter = gri_calloc(1, sizeof(*waiter));
    gr_err err = waiter == NULL ? GR_ENOMEM : GR_OK;

    if (err == GR_OK) {
        err = gr_future_new(session->remote->sys, GR_FOREVER, &waiter->future);
    }
    if (err == GR_OK) {
        waiter->wake = gr_msg_new(&woken_type);
        err = waiter->wake == NULL ? GR_ENOMEM : GR_OK;
    }
    if (err != GR_OK) {
        waiter_free(waiter);
        (void)GRI_FAIL(err, "waiting for credit");
        return NULL;
    }
    waiter->session = session;
    waiter->charge = charge;
    waiter->use = *use;
    return waiter;
}

static void take_out_locked(struct gri_waiter *waiter, waiter_state state)
{
    TAILQ_REMOVE(&waiter->session->waiters, waiter, next);
    waiter->state = state;
}

/* After a simulated crash the future is complete although nobody has woken it: the fiber was dropped
 * with all that it held, so that is let go of here. */
static void bury(struct gri_waiter *take_waiter)
{
    gri_session *session = take_waiter->session;

    gri_free(take_waiter->use.packed);
    (void)gr_msg_unref(take_waiter->use.msg);
    waiter_free(take_waiter);
    gri_session_unref(session); /* the one of the sender */
}

/* The peer tells by itself only when a quarter of the window has come free. True: it has to be told that
 * this does not do for the first in the row. */
static bool want_locked(gri_session *session)
{
    struct gri_waiter *waiter = TAILQ_FIRST(&session->waiters);
    uint64_t bytes_max = session->window.bytes_max;

    if (waiter == NULL || waiter->wants || waiter->charge <= bytes_max - bytes_max / 4) {
        return false;
    }
    waiter->wants = true;
    session->want_due = true;
    return true;
}

/* Takes the first out of the row, if it may go, and wakes it. False: there is none to be woken. */
static bool wake_first(gri_session *session, waiter_state state)
{
    struct gri_waiter *waiter = NULL;
    gr_future *future = NULL;
    gr_msg *message = NULL;
    bool want = false;

    pthread_mutex_lock(&session->lock);
    waiter = TAILQ_FIRST(&session->waiters);
    if (waiter != NULL && (state == ENDED || gri_credit_take_locked(session, waiter->charge))) {
        take_out_locked(waiter, state);
        future = gr_future_ref(waiter->future);
        message = waiter->wake;
        waiter->wake = NULL;
    }
    want = future == NULL && want_locked(session);
    pthread_mutex_unlock(&session->lock);
    if (want) {
        gri_session_pump(session);
    }
    if (future == NULL) {
        return false;
    }
    if (gr_future_complete(future, message) == GR_EEXIST) {
        bury(waiter);
    }
    (void)gr_future_unref(future);
    return true;
}

/* What the wait came to; a waiter that is still in the row leaves it. */
static gr_err outcome_locked(struct gri_waiter *waiter, gr_err waited)
{
    switch (waiter->state) {
    case GRANTED:
        return GR_OK;
    case ENDED:
        return GR_EUNREACHABLE;
    case WAITING:
        break;
    }
    take_out_locked(waiter, ENDED);
    return waited == GR_ETIMEDOUT || waited == GR_OK ? GR_EFULL : waited;
}

bool gri_credit_take_locked(gri_session *session, uint64_t charge)
{
    return session->outbox.held_bytes <= session->remote->held_bytes_max &&
           gri_window_take(&session->window, charge);
}

gr_err gri_credit_wait_locked(gri_session *session, uint64_t charge, int64_t deadline_ms,
                              const gri_credit_use *use)
{
    struct gri_waiter *waiter = NULL;
    gr_msg *reply = NULL;
    gr_err err = GR_OK;
    int64_t left_ms = deadline_ms;
    bool want = false;

    pthread_mutex_unlock(&session->lock);
    if (deadline_ms != GR_FOREVER) {
        left_ms = deadline_ms - gr_system_now(session->remote->sys);
    }
    if (left_ms <= 0) {
        err = GR_EFULL;
    } else {
        waiter = waiter_new(session, charge, use);
        err = waiter == NULL ? gr_last_error()->code : GR_OK;
    }
    pthread_mutex_lock(&session->lock);
    if (err == GR_OK && session->state == GRI_SESSION_ENDED) {
        err = GR_EUNREACHABLE;
    }
    if (err == GR_OK &&
        (!TAILQ_EMPTY(&session->waiters) || !gri_credit_take_locked(session, charge))) {
        TAILQ_INSERT_TAIL(&session->waiters, waiter, next);
        want = want_locked(session);
        pthread_mutex_unlock(&session->lock);
        if (want) {
            gri_session_pump(session);
        }
        err = gr_await(waiter->future, left_ms, &reply);
        if (err == GR_OK) {
            (void)gr_msg_unref(reply);
        }
        pthread_mutex_lock(&session->lock);
        err = outcome_locked(waiter, err);
    }
    pthread_mutex_unlock(&session->lock);
    waiter_free(waiter);
    if (err != GR_OK) {
        gri_credit_granted(session); /* what did not do for this one may do for those behind it */
    }
    pthread_mutex_lock(&session->lock);
    return err == GR_OK && session->state == GRI_SESSION_ENDED ? GR_EUNREACHABLE : err;
}

void gri_credit_granted(gri_session *session)
{
    while (wake_first(session, GRANTED)) {
    }
}

void gri_credit_ended(gri_session *session)
{
    while (wake_first(session, ENDED)) {
    }
}
