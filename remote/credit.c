/*
 * Credit: what the peer has granted, as long as it also acknowledges; and senders that wait for it, in
 * turn: in a handler the fiber waits, elsewhere the thread, both through a future. Whoever brings
 * credit takes it on behalf of the first in the row and wakes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "session.h"

#include <gri/fail.h>

typedef enum waiter_state { WAITING, GRANTED, ENDED } waiter_state;

/* On the stack of who waits. Whoever takes it out of the row must not touch it after the lock. */
struct gri_waiter {
    TAILQ_ENTRY(gri_waiter) next;
    uint64_t charge;
    waiter_state state;
    gr_future *future;
    gr_msg *wake; /* made beforehand, so that waking cannot fail */
};

typedef struct woken {
    char unused;
} woken;

static const gr_type woken_type = GR_TYPE(woken);

/* Takes a waiter out and gives back what wakes it, to be done without the lock. */
static void take_out_locked(gri_session *session, struct gri_waiter *waiter, waiter_state state,
                            gr_future **out_future, gr_msg **out_wake)
{
    TAILQ_REMOVE(&session->waiters, waiter, next);
    waiter->state = state;
    *out_future = gr_future_ref(waiter->future);
    *out_wake = waiter->wake;
    waiter->wake = NULL;
}

static void wake(gr_future *take_future, gr_msg *take_wake)
{
    (void)gr_future_complete(take_future, take_wake);
    (void)gr_future_unref(take_future);
}

/* What the wait came to; a waiter that is still in the row leaves it. */
static gr_err outcome_locked(gri_session *session, struct gri_waiter *waiter, gr_err waited)
{
    switch (waiter->state) {
    case GRANTED:
        return GR_OK;
    case ENDED:
        return GR_EUNREACHABLE;
    case WAITING:
        break;
    }
    TAILQ_REMOVE(&session->waiters, waiter, next);
    return waited == GR_ETIMEDOUT || waited == GR_OK ? GR_EFULL : waited;
}

bool gri_credit_take_locked(gri_session *session, uint64_t charge)
{
    return session->outbox.held_bytes <= session->remote->held_bytes_max &&
           gri_window_take(&session->window, charge);
}

gr_err gri_credit_wait_locked(gri_session *session, uint64_t charge, int64_t deadline_ms)
{
    gr_system *sys = session->remote->sys;
    struct gri_waiter waiter = {.charge = charge, .state = WAITING};
    gr_msg *reply = NULL;
    gr_err err = GR_OK;
    int64_t left_ms = deadline_ms;

    pthread_mutex_unlock(&session->lock);
    if (deadline_ms != GR_FOREVER) {
        left_ms = deadline_ms - gr_system_now(sys);
    }
    err = left_ms <= 0 ? GR_EFULL : gr_future_new(sys, GR_FOREVER, &waiter.future);
    if (err == GR_OK) {
        waiter.wake = gr_msg_new(&woken_type);
        err = waiter.wake == NULL ? GR_ENOMEM : GR_OK;
    }
    pthread_mutex_lock(&session->lock);
    if (err == GR_OK && session->state == GRI_SESSION_ENDED) {
        err = GR_EUNREACHABLE;
    }
    if (err == GR_OK &&
        (!TAILQ_EMPTY(&session->waiters) || !gri_credit_take_locked(session, charge))) {
        TAILQ_INSERT_TAIL(&session->waiters, &waiter, next);
        pthread_mutex_unlock(&session->lock);
        err = gr_await(waiter.future, left_ms, &reply);
        if (err == GR_OK) {
            (void)gr_msg_unref(reply);
        }
        pthread_mutex_lock(&session->lock);
        err = outcome_locked(session, &waiter, err);
    }
    pthread_mutex_unlock(&session->lock);
    (void)gr_msg_unref(waiter.wake);
    (void)gr_future_unref(waiter.future);
    pthread_mutex_lock(&session->lock);
    return err == GR_OK && session->state == GRI_SESSION_ENDED ? GR_EUNREACHABLE : err;
}

void gri_credit_granted(gri_session *session)
{
    struct gri_waiter *waiter = NULL;
    gr_future *future = NULL;
    gr_msg *message = NULL;

    do {
        future = NULL;
        pthread_mutex_lock(&session->lock);
        waiter = TAILQ_FIRST(&session->waiters);
        if (waiter != NULL && gri_credit_take_locked(session, waiter->charge)) {
            take_out_locked(session, waiter, GRANTED, &future, &message);
        }
        pthread_mutex_unlock(&session->lock);
        if (future != NULL) {
            wake(future, message);
        }
    } while (future != NULL);
}

void gri_credit_ended(gri_session *session)
{
    struct gri_waiter *waiter = NULL;
    gr_future *future = NULL;
    gr_msg *message = NULL;

    do {
        future = NULL;
        pthread_mutex_lock(&session->lock);
        waiter = TAILQ_FIRST(&session->waiters);
        if (waiter != NULL) {
            take_out_locked(session, waiter, ENDED, &future, &message);
        }
        pthread_mutex_unlock(&session->lock);
        if (future != NULL) {
            wake(future, message);
        }
    } while (future != NULL);
}
