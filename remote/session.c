/*
 * Sessions, the sending side: senders encode straight into the outbox under the session's lock, and
 * whoever finds the link idle sends the next frame. Called from any thread and from fibers; packing
 * needs stack in proportion to a message's nesting, nothing here unpacks.
 *
 * The lock is never held while the network, the runtime or the freeing of a message is called.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "session.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "link.h"

/* ---- life ---- */

static void session_free(gri_session *session)
{
    gr_remote *remote = session->remote;

    gri_outbox_fini(&session->outbox);
    gri_numbers_out_fini(&session->numbers);
    gri_numbers_in_fini(&session->numbers_in);
    gri_pid_table_fini(&session->asked);
    gri_pid_table_fini(&session->owed);
    gri_free(session->parcel);
    pthread_mutex_destroy(&session->lock);
    gri_free(session);
    gri_remote_unref(remote);
}

gri_session *gri_session_ref(gri_session *session)
{
    /* relaxed: the caller has a reference, or the table's lock */
    atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
    return session;
}

void gri_session_unref(gri_session *take_session)
{
    /* acq_rel: what the other holders did comes before the memory goes */
    if (atomic_fetch_sub_explicit(&take_session->refs, 1, memory_order_acq_rel) == 1) {
        session_free(take_session);
    }
}

/* A received message has been freed, in whatever thread. Tells the peer at once when a good part of
 * its window has come free, or when it wants to know; else the next frame that goes tells it.
 *
 * Whoever finds `grant_due` set leaves the telling to who clears it, so what was added before is released with the flag
 * and acquired there. `tell_each` is sequentially consistent with the sum, here and in gri_session_wanted(): either this
 * sees that the peer wants it, or that sees this release. */
static void on_released(gr_origin *origin, size_t bytes)
{
    gri_session *session = (gri_session *)((char *)origin - offsetof(gri_session, origin));
    gr_remote *remote = session->remote;
    /* relaxed: published by the next one */
    uint64_t total =
        atomic_fetch_add_explicit(&session->released_bytes, bytes, memory_order_relaxed) + bytes;
    uint64_t messages =
        atomic_fetch_add_explicit(&session->released_messages, 1, memory_order_seq_cst) + 1;
    /* relaxed, both: older ones only make it tell more often */
    uint64_t told_messages = atomic_load_explicit(&session->told_messages, memory_order_relaxed);
    uint64_t told_bytes = atomic_load_explicit(&session->told_bytes, memory_order_relaxed);

    if ((messages - told_messages >= remote->window_messages / 4 ||
         total - told_bytes >= remote->window_bytes / 4 ||
         atomic_load_explicit(&session->tell_each, memory_order_seq_cst)) &&
        !atomic_exchange_explicit(&session->grant_due, true, memory_order_release)) {
        gri_session_pump(session);
    }
    gri_session_unref(session);
}

/* An actor has seen a watch from there, or never will. */
static void on_watch_seen(gr_origin *origin, size_t bytes)
{
    gri_session *session = (gri_session *)((char *)origin - offsetof(gri_session, watch_origin));

    (void)bytes;
    /* relaxed: a count; publishes nothing */
    atomic_fetch_sub_explicit(&session->watches_unseen, 1, memory_order_relaxed);
    gri_session_unref(session);
}

gri_session *gri_session_new(gr_remote *remote, uint64_t node)
{
    gri_session *session = gri_calloc(1, sizeof(*session));

    if (session == NULL) {
        return NULL;
    }
    session->remote = gri_remote_ref(remote);
    session->node = node;
    session->origin.released = on_released;
    session->watch_origin.released = on_watch_seen;
    atomic_init(&session->refs, 1);
    pthread_mutex_init(&session->lock, NULL);
    session->state = GRI_SESSION_NEW;
    gri_outbox_init(&session->outbox);
    TAILQ_INIT(&session->waiters);
    session->window.messages_max = GRI_WINDOW_FIRST_MESSAGES;
    session->window.bytes_max = GRI_WINDOW_FIRST_BYTES;
    atomic_init(&session->message_bytes_max, remote->message_bytes_max);
    session->info.node = node;
    session->since_ms = gr_system_now(remote->sys);
    return session;
}

/* ---- the pump ---- */

/* What comes next: a frame of the outbox, which is `*out_chunk`, or one that says nothing but what all
 * of them say. False: there is nothing to say. */
static bool next_frame_locked(gri_session *session, gri_frame *frame, gri_chunk **out_chunk)
{
    bool again = session->outbox.again != NULL;
    gri_chunk *chunk = gri_outbox_next(&session->outbox);
    /* acquire: see on_released(); cleared before the sums are read, so that later releases set it */
    bool due = atomic_exchange_explicit(&session->grant_due, false, memory_order_acquire);

    *out_chunk = chunk;
    frame->kind = GRI_FRAME_BEAT;
    if (chunk != NULL) {
        frame->kind = GRI_FRAME_DATA;
        frame->count = chunk->count;
        frame->seq = chunk->seq;
        GRI_COUNT(session->remote, frames_sent_again, again ? 1 : 0);
    } else if (session->goodbye == GRI_GOODBYE_DUE) {
        frame->kind = GRI_FRAME_GOODBYE;
        frame->count = GRI_GOODBYE_FINAL;
        session->goodbye = GRI_GOODBYE_SAID; /* what it acknowledges is the last that is taken in */
    } else if (session->want_due) {
        frame->kind = GRI_FRAME_WANT;
        session->want_due = false;
    } else if (!due && !session->beat_due) {
        return false;
    }
    return true;
}

/* What is to be sent now, under the token of the link. */
static bool next_piece_locked(gri_session *session, gri_link *link, gr_piece *piece)
{
    gri_chunk *chunk = NULL;
    gri_frame frame = {.ack = session->received_seq};
    uint8_t *head = NULL;

    if (session->goodbye == GRI_GOODBYE_SAID || !next_frame_locked(session, &frame, &chunk)) {
        return false;
    }
    head = chunk == NULL ? link->beat : chunk->data;
    /* relaxed, all of these: the flag has brought what must be told, newer ones do no harm */
    frame.released_messages =
        atomic_load_explicit(&session->released_messages, memory_order_relaxed);
    frame.released_bytes = atomic_load_explicit(&session->released_bytes, memory_order_relaxed);
    atomic_store_explicit(&session->told_messages, frame.released_messages, memory_order_relaxed);
    atomic_store_explicit(&session->told_bytes, frame.released_bytes, memory_order_relaxed);
    gri_frame_put(&frame, head);
    session->beat_due = false;
    session->unacked_frames = 0;
    session->unacked_bytes = 0;
    *piece = (gr_piece){head, chunk == NULL ? GRI_FRAME_BYTES : chunk->bytes};
    return true;
}

static bool take_token(gri_link *link)
{
    /* acquire: what the last holder did with the beat's bytes is done */
    return !atomic_exchange_explicit(&link->busy, true, memory_order_acquire);
}

static void give_token(gri_link *link)
{
    /* release: pairs with the acquire of the next holder */
    atomic_store_explicit(&link->busy, false, memory_order_release);
}

void gri_session_pump(gri_session *session)
{
    gri_link *link = NULL;
    gr_piece piece = {NULL, 0};

    pthread_mutex_lock(&session->lock);
    if (session->state == GRI_SESSION_UP && session->link->ready && !session->hearing &&
        take_token(session->link)) {
        if (next_piece_locked(session, session->link, &piece)) {
            link = gri_link_ref(session->link);
        } else {
            give_token(session->link);
        }
    }
    pthread_mutex_unlock(&session->lock);
    if (link == NULL) {
        return;
    }
    atomic_store_explicit(&link->said_ms, gri_remote_now(session->remote),
                          memory_order_relaxed); /* for the tick to look at; publishes nothing */
    GRI_COUNT(session->remote, frames_sent, 1);
    GRI_COUNT(session->remote, bytes_sent, piece.bytes);
    (void)link->ops->send(link->connection, &piece, 1); /* on failure the closed event tidies up */
    gri_link_unref(link);
}

void gri_session_sent(gri_session *session, gri_link *link)
{
    bool waiters = false;

    pthread_mutex_lock(&session->lock);
    if (session->link == link) {
        gri_outbox_sent(&session->outbox);
        waiters = !TAILQ_EMPTY(&session->waiters); /* for what was kept, too */
    }
    give_token(link);
    pthread_mutex_unlock(&session->lock);
    if (waiters) {
        gri_credit_granted(session);
    }
    gri_session_pump(session);
}

void gri_session_beat(gri_session *session)
{
    pthread_mutex_lock(&session->lock);
    session->beat_due = true;
    pthread_mutex_unlock(&session->lock);
    gri_session_pump(session);
}

void gri_session_wanted(gri_session *session)
{
    uint64_t released = 0;

    /* seq_cst, both: see on_released() */
    atomic_store_explicit(&session->tell_each, true, memory_order_seq_cst);
    released = atomic_load_explicit(&session->released_messages, memory_order_seq_cst);
    pthread_mutex_lock(&session->lock);
    /* relaxed: written under the lock */
    if (released != atomic_load_explicit(&session->told_messages, memory_order_relaxed)) {
        session->beat_due = true;
    }
    pthread_mutex_unlock(&session->lock);
}

void gri_session_say_goodbye(gri_session *session)
{
    pthread_mutex_lock(&session->lock);
    if (session->goodbye == GRI_GOODBYE_NONE) {
        session->goodbye = GRI_GOODBYE_DUE;
    }
    pthread_mutex_unlock(&session->lock);
    gri_session_pump(session);
}

bool gri_session_has_said_goodbye(gri_session *session)
{
    bool said = false;

    pthread_mutex_lock(&session->lock);
    said = session->goodbye == GRI_GOODBYE_SAID;
    pthread_mutex_unlock(&session->lock);
    return said;
}

bool gri_session_waiting(gri_session *session)
{
    bool waiting = false;

    pthread_mutex_lock(&session->lock);
    waiting = !gri_outbox_empty(&session->outbox);
    pthread_mutex_unlock(&session->lock);
    return waiting;
}

/* ---- links, by the control turn ---- */

uint64_t gri_session_received(gri_session *session)
{
    uint64_t received = 0;

    pthread_mutex_lock(&session->lock);
    received = session->received_seq;
    pthread_mutex_unlock(&session->lock);
    return received;
}

bool gri_session_untouched(gri_session *session)
{
    bool untouched = false;

    pthread_mutex_lock(&session->lock);
    untouched = session->received_seq == 0 && session->outbox.last_seq == 0;
    pthread_mutex_unlock(&session->lock);
    return untouched;
}

bool gri_session_attach(gri_session *session, gri_link *link, uint64_t received)
{
    const gri_hello *hello = &link->hello;
    gr_remote *remote = session->remote;
    uint32_t limit = hello->message_bytes_max < remote->message_bytes_max
                         ? hello->message_bytes_max
                         : remote->message_bytes_max;
    bool fits = false;

    pthread_mutex_lock(&session->lock);
    GRI_INVARIANT(session->state == GRI_SESSION_NEW || session->state == GRI_SESSION_BROKEN);
    fits = gri_outbox_resume(&session->outbox, received);
    if (fits) {
        /* relaxed: a number */
        atomic_store_explicit(&session->message_bytes_max, limit, memory_order_relaxed);
        /* Before anybody may send on the link: what was sent, and what is heard, is the session's from now on. release:
         * the receiving thread sees the session as it is now */
        atomic_store_explicit(&link->session, gri_session_ref(session), memory_order_release);
        gri_window_limit(&session->window, hello->window_messages, hello->window_bytes,
                         remote->held_bytes_max);
        session->state = GRI_SESSION_UP;
        session->link = gri_link_ref(link);
        session->beat_due = true; /* the first frame tells the other side that this one is open */
        link->ready = link->route != NULL;
    }
    pthread_mutex_unlock(&session->lock);
    if (fits) {
        gri_credit_granted(session);
    }
    return fits;
}

void gri_session_detach(gri_session *session, gri_link *link)
{
    bool was = false;

    pthread_mutex_lock(&session->lock);
    was = session->link == link;
    if (was) {
        session->link = NULL;
        session->state = GRI_SESSION_BROKEN;
        gri_outbox_sent(&session->outbox);
    }
    pthread_mutex_unlock(&session->lock);
    if (was) {
        gri_link_unref(link);
    }
}
