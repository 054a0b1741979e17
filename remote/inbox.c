/*
 * Sessions, the receiving side: one frame at a time, in the thread that the transport calls, which
 * has a stack of full size, since payloads are unpacked here. Nothing here waits, and no lock is held
 * while something is delivered: a delivery may send, and come back to this very session.
 *
 * A payload that cannot be unpacked is answered to who sent it. A frame that is not well-formed, or a
 * peer that takes what it has no credit for, ends the session: there is no telling what it meant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "headers.h"
#include "link.h"
#include "session.h"

enum {
    ACK_FRAMES = 16, /* frames that are handled before an ack goes by itself */
    ACK_BYTES = 256 * 1024
};

/* ---- errors as payloads: the code and the text ---- */

size_t gri_error_bytes(const gr_error *error)
{
    return 4 + strnlen(error->text, sizeof(error->text));
}

void gri_error_pack(const gr_error *error, uint8_t *out)
{
    gri_put_u32(out, (uint32_t)error->code);
    memcpy(out + 4, error->text, strnlen(error->text, sizeof(error->text)));
}

gr_msg *gri_error_unpack(const uint8_t *bytes, size_t count)
{
    char text[GR_ERROR_TEXT_BYTES];
    uint32_t code = count < 4 ? 0 : gri_get_u32(bytes);

    if (code == 0 || code > (uint32_t)GR_EAPP_LAST) {
        return gr_msg_new_error(GR_EUNKNOWN, "an error arrived that does not decode");
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)(count - 4 > 239 ? 239 : count - 4),
                   (const char *)bytes + 4);
    return gr_msg_new_error((gr_err)code, text);
}

/* ---- messages ---- */

static void answer(gri_session *session, const gri_envelope *envelope, gr_pid to, gr_err code,
                   const char *text)
{
    gr_remote *remote = session->remote;
    gr_pid whom = envelope->sender;
    char unknown[GR_ERROR_TEXT_BYTES];
    gr_msg *msg = NULL;

    if ((envelope->flags & GRI_ENVELOPE_FREE) != 0) {
        /* An answer that cannot be read: its asker must not wait for it, and must not think that the
         * request did not run either. */
        (void)snprintf(unknown, sizeof(unknown), "answered, but the answer cannot be read: %.180s",
                       text);
        whom = to;
        code = GR_EUNKNOWN;
        text = unknown;
    } else if ((envelope->flags & GRI_ENVELOPE_SENDER) == 0) {
        return;
    }
    msg = gr_msg_new_error(code, text);
    if (msg != NULL) {
        (void)gr_send(remote->sys, whom, msg);
    }
}

/* NULL after answering who sent it. Without a payload there was no memory for it. */
static gr_msg *unpack(gri_session *session, const gri_envelope *envelope, gr_pid to)
{
    gr_remote *remote = session->remote;
    gri_reader payload = gri_reader_of(envelope->payload, envelope->bytes);
    gri_reader headers = {0};
    const gri_number_in *number =
        gri_numbers_in_get(&session->numbers_in, &remote->types, envelope->type);
    gr_msg *msg = NULL;
    char text[GR_ERROR_TEXT_BYTES];
    gr_err err = GR_OK;

    if (envelope->payload == NULL) {
        answer(session, envelope, to, GR_ENOMEM, "no memory for it where it arrived");
        return NULL;
    }
    if ((envelope->flags & GRI_ENVELOPE_HEADERS) != 0 &&
        !gri_msg_headers_split(&payload, &headers)) {
        err = GR_EDECODE;
        (void)snprintf(text, sizeof(text), "%s: its headers", number->name);
    } else if (strcmp(number->name, GRI_ERROR_TYPE_NAME) == 0) {
        msg = gri_error_unpack(payload.at, payload.left);
    } else if (number->type == NULL) {
        err = GR_ENOTYPE;
        (void)snprintf(
            text, sizeof(text),
            "the type %.100s is unknown at %.60s; add it there with gr_remote_add_types()",
            number->name, remote->address[0] == '\0' ? "the client" : remote->address);
    } else {
        err = gr_msg_unpack(number->type, payload.at, payload.left, &msg);
        if (err != GR_OK) {
            (void)snprintf(text, sizeof(text), "%s: %.180s", number->name, gr_last_error()->text);
        }
    }
    if (err == GR_OK && msg != NULL && headers.left > 0) {
        err = gri_msg_headers_read(&headers, msg);
        if (err != GR_OK) {
            (void)snprintf(text, sizeof(text), "%s: its headers: %.160s", number->name,
                           gr_last_error()->text);
            msg = gr_msg_unref(msg);
        }
    }
    if (err != GR_OK) {
        GRI_COUNT(remote, undecodable, 1);
        gri_remote_noise(remote, "GR-REMOTE-UNDECODABLE", "from %016" PRIx64 ": %s: %s",
                         session->node, gr_err_name(err), text);
        answer(session, envelope, to, err, text);
    }
    return msg;
}

static bool take_credit(gri_session *session, uint64_t charge)
{
    gr_remote *remote = session->remote;
    /* relaxed: sums; the peer knows of less than these, so it cannot be wronged */
    uint64_t messages = session->in_messages -
                        atomic_load_explicit(&session->released_messages, memory_order_relaxed);
    uint64_t bytes =
        session->in_bytes - atomic_load_explicit(&session->released_bytes, memory_order_relaxed);
    uint64_t messages_max = remote->window_messages > GRI_WINDOW_FIRST_MESSAGES
                                ? remote->window_messages
                                : GRI_WINDOW_FIRST_MESSAGES;
    uint64_t bytes_max = remote->window_bytes > GRI_WINDOW_FIRST_BYTES ? remote->window_bytes
                                                                       : GRI_WINDOW_FIRST_BYTES;

    if (messages > 0 && (messages >= messages_max || bytes + charge > bytes_max)) {
        return false;
    }
    session->in_messages++;
    session->in_bytes += charge;
    /* relaxed: it waits no longer; telling it once too often does no harm */
    if (atomic_load_explicit(&session->tell_each, memory_order_relaxed)) {
        atomic_store_explicit(&session->tell_each, false, memory_order_relaxed);
    }
    return true;
}

static bool deliver(gri_session *session, const gri_envelope *envelope)
{
    gr_remote *remote = session->remote;
    gr_pid to = {remote->node, envelope->slot, envelope->generation};
    uint64_t charge = (uint64_t)envelope->bytes + GRI_CHARGE_BYTES;
    bool free_of_credit = (envelope->flags & GRI_ENVELOPE_FREE) != 0;
    gr_msg *msg = NULL;
    gr_err err = GR_OK;

    if (gri_numbers_in_get(&session->numbers_in, &remote->types, envelope->type) == NULL ||
        (!free_of_credit && !take_credit(session, charge))) {
        return false;
    }
    if (free_of_credit && !gri_session_answered(session, to)) {
        if (gr_process_alive(remote->sys, to)) { /* else it is only late */
            gri_remote_noise(remote, "GR-REMOTE-RIGHTS",
                             "%016" PRIx64 " answers what nobody has asked it: ignored",
                             session->node);
        }
        return true; /* an answer takes no credit, so only what was asked for is taken in */
    }
    msg = unpack(session, envelope, to);
    if (!free_of_credit) {
        (void)gri_session_ref(session); /* the message's */
        if (msg == NULL) {
            session->origin.released(&session->origin, charge);
        } else {
            gr_msg_set_origin(msg, &session->origin, charge);
        }
    }
    if (msg == NULL) {
        return true;
    }
    GRI_COUNT(remote, messages_received, 1);
    gr_msg_set_sender(msg, envelope->sender);
    if ((envelope->flags & GRI_ENVELOPE_QUIET) != 0) {
        gr_msg_mark_quiet(msg);
    }
    if ((envelope->flags & GRI_ENVELOPE_REQUEST) != 0) {
        gr_msg_set_request(msg);
        if (envelope->sender.node == session->node) {
            /* Without memory for this the answer takes credit; so does the answer to a request that was
             * forwarded: its asker has asked somebody else, and does not expect it from us. */
            (void)gri_session_owe(session, envelope->sender);
        }
    }
    err = gr_forward_msg(remote->sys, to, msg);
    if (err != GR_OK && (envelope->flags & GRI_ENVELOPE_REQUEST) != 0) {
        answer(session, envelope, to, err, gr_err_text(err));
    }
    return true;
}

/* ---- payloads in pieces ---- */

static bool begin_parcel(gri_session *session, const gri_envelope *piece)
{
    /* The limit comes before the memory; of the memory only what is there: then it is skipped. */
    if (session->parcel_total != 0 || piece->total > session->remote->message_bytes_max ||
        piece->total <= GRI_BATCH_BYTES) {
        return false;
    }
    session->parcel = gri_alloc(piece->total);
    session->parcel_total = piece->total;
    session->parcel_filled = 0;
    return true;
}

static bool take_piece(gri_session *session, const gri_envelope *piece)
{
    gri_envelope whole = *piece;
    bool fine = true;

    if (piece->offset == 0 && !begin_parcel(session, piece)) {
        return false;
    }
    if (piece->total != session->parcel_total || piece->offset != session->parcel_filled ||
        piece->bytes == 0 || piece->bytes > piece->total - piece->offset) {
        return false;
    }
    if (session->parcel != NULL) {
        memcpy(session->parcel + piece->offset, piece->payload, piece->bytes);
    }
    session->parcel_filled += piece->bytes;
    if (session->parcel_filled < session->parcel_total) {
        return true;
    }
    session->parcel_total = 0;
    whole.kind = GRI_ENVELOPE_MESSAGE;
    whole.bytes = piece->total;
    whole.payload = session->parcel; /* NULL: it is taken in as far as credit goes, and answered */
    fine = deliver(session, &whole);
    gri_free(session->parcel);
    session->parcel = NULL;
    return fine;
}

/* ---- signals: what a peer may do ---- */

/* Hands it to its actor, which sees it in its next turn. Watches take no credit, so how many may wait for
 * that has its own limit: as many as there may be, and the end of each of them. */
static bool pass_watch(gri_session *session, gr_signal *signal)
{
    gr_remote *remote = session->remote;
    uint64_t unseen_max = 2 * (uint64_t)remote->watches_max;

    /* relaxed, both: a count; publishes nothing */
    if (atomic_fetch_add_explicit(&session->watches_unseen, 1, memory_order_relaxed) >=
        unseen_max) {
        atomic_fetch_sub_explicit(&session->watches_unseen, 1, memory_order_relaxed);
        return false;
    }
    (void)gri_session_ref(session); /* the signal's */
    signal->origin = &session->watch_origin;
    (void)gr_signal_send(remote->sys, signal);
    return true;
}

/* To watch what it watches already, or to unwatch what it does not, costs whom it names nothing. */
static bool take_watch(gri_session *session, gr_signal *signal)
{
    bool known = false, fine = true;

    if (signal->from.node != session->node) {
        return false;
    }
    pthread_mutex_lock(&session->lock);
    known = gri_watches_has(&session->watched, signal->to, signal->from);
    if (signal->kind == GR_SIGNAL_UNWATCH) {
        gri_watches_remove(&session->watched, signal->to, signal->from);
    } else if (!known) {
        fine = gri_watches_add(&session->watched, signal->to, signal->from,
                               session->remote->watches_max);
    }
    pthread_mutex_unlock(&session->lock);
    if (!fine || known == (signal->kind == GR_SIGNAL_WATCH)) {
        return fine;
    }
    return pass_watch(session, signal);
}

/* Nobody watches what has ended, or no longer: then the news takes no room in a mailbox. */
static bool take_end(gri_session *session, const gr_signal *signal)
{
    bool known = false;

    if (signal->from.node != session->node || signal->reason < GR_REASON_STOPPED ||
        signal->reason > GR_REASON_NODE_LOST) {
        return false;
    }
    pthread_mutex_lock(&session->lock);
    known = gri_watches_take(&session->watching, signal->to, signal->from);
    pthread_mutex_unlock(&session->lock);
    if (known) {
        (void)gr_signal_send(session->remote->sys, signal);
    }
    return true;
}

/* A signal goes to whom it is for, if it is still there. */
static bool take_signal(gri_session *session, const gri_envelope *envelope)
{
    gr_remote *remote = session->remote;
    gr_signal signal = {.kind = (gr_signal_kind)(envelope->type & 0xff),
                        .to = {remote->node, envelope->slot, envelope->generation},
                        .from = envelope->sender,
                        .reason = (gr_reason)(envelope->type >> 8)};

    switch (signal.kind) {
    case GR_SIGNAL_STOP:
    case GR_SIGNAL_POISON:
        if (session->info.role == GR_ROLE_NODE) {
            (void)gr_signal_send(remote->sys, &signal);
        } else {
            gri_remote_noise(remote, "GR-REMOTE-RIGHTS",
                             "the client %016" PRIx64 " may not stop actors: ignored",
                             session->node);
        }
        return true;
    case GR_SIGNAL_WATCH:
    case GR_SIGNAL_UNWATCH:
        return take_watch(session, &signal);
    case GR_SIGNAL_TERMINATED:
        return take_end(session, &signal);
    }
    return false;
}

static bool take_envelope(gri_session *session, gri_envelope *envelope)
{
    if ((envelope->flags & GRI_ENVELOPE_SENDER) != 0 &&
        (envelope->flags & GRI_ENVELOPE_FOREIGN) == 0) {
        envelope->sender.node = session->node;
    }
    if ((envelope->flags & GRI_ENVELOPE_REQUEST) != 0 && gr_pid_is_null(envelope->sender)) {
        return false;
    }
    if ((envelope->flags & GRI_ENVELOPE_FOREIGN) != 0 && session->info.role != GR_ROLE_NODE) {
        gri_remote_noise(session->remote, "GR-REMOTE-RIGHTS",
                         "the client %016" PRIx64 " may not speak for others: ignored",
                         session->node);
        envelope->sender = gr_pid_null();
        envelope->flags &=
            (uint8_t) ~(GRI_ENVELOPE_FOREIGN | GRI_ENVELOPE_SENDER | GRI_ENVELOPE_REQUEST);
    }
    switch (envelope->kind) {
    case GRI_ENVELOPE_MESSAGE:
        return deliver(session, envelope);
    case GRI_ENVELOPE_PIECE:
        return take_piece(session, envelope);
    case GRI_ENVELOPE_TYPE:
        return gri_numbers_in_add(&session->numbers_in, envelope->type, envelope->payload,
                                  envelope->bytes);
    case GRI_ENVELOPE_SIGNAL:
        return take_signal(session, envelope);
    }
    return false;
}

static bool take_envelopes(gri_session *session, gri_reader *reader, uint32_t count)
{
    gri_envelope envelope;

    while (count > 0 && gri_envelope_read(reader, &envelope)) {
        if (!take_envelope(session, &envelope)) {
            return false;
        }
        count--;
    }
    return count == 0 && reader->left == 0;
}

/* ---- frames ---- */

typedef enum verdict { FRESH, SEEN, IGNORED, WRONG } verdict;

/* Who stops takes in nothing more: what is not acknowledged by its goodbye has not run and never will,
 * and whoever has sent it may try elsewhere. */
static bool takes_in_locked(const gri_session *session)
{
    return session->goodbye != GRI_GOODBYE_SAID && !gri_remote_is_stopping(session->remote);
}

/* What the frame says of our own frames, and whether its content is new. */
static verdict look_locked(gri_session *session, gri_link *link, const gri_frame *frame)
{
    if (session->link != link || session->state != GRI_SESSION_UP) {
        return IGNORED;
    }
    link->ready = true;
    if (!gri_outbox_ack(&session->outbox, frame->ack) ||
        !gri_window_release(&session->window, frame->released_messages, frame->released_bytes)) {
        return WRONG;
    }
    if (frame->kind == GRI_FRAME_GOODBYE) {
        session->heard_goodbye = true;
        session->peer_is_done = (frame->count & GRI_GOODBYE_FINAL) != 0;
    }
    if (frame->kind != GRI_FRAME_DATA) {
        return SEEN;
    }
    if (!takes_in_locked(session)) {
        return IGNORED;
    }
    if (frame->seq <= session->received_seq) {
        return SEEN;
    }
    if (frame->seq != session->received_seq + 1) {
        return WRONG;
    }
    session->hearing = true;
    return FRESH;
}

static void note_handled(gri_session *session, const gri_frame *frame, size_t count)
{
    pthread_mutex_lock(&session->lock);
    session->hearing = false;
    session->received_seq = frame->seq;
    session->unacked_frames++;
    session->unacked_bytes += count;
    if (session->unacked_frames >= ACK_FRAMES || session->unacked_bytes >= ACK_BYTES) {
        session->beat_due = true;
    }
    pthread_mutex_unlock(&session->lock);
}

bool gri_session_receive(gri_session *session, gri_link *link, const uint8_t *bytes, size_t count)
{
    gr_remote *remote = session->remote;
    gri_reader reader = gri_reader_of(bytes, count);
    gri_frame frame;
    uint8_t version = 0;
    bool waiters = false;
    verdict is = WRONG;

    GRI_COUNT(remote, frames_received, 1);
    GRI_COUNT(remote, bytes_received, count);
    if (gri_frame_read(&reader, &frame, &version) && frame.kind >= GRI_FRAME_DATA) {
        pthread_mutex_lock(&session->lock);
        is = look_locked(session, link, &frame);
        waiters = !TAILQ_EMPTY(&session->waiters);
        pthread_mutex_unlock(&session->lock);
    }
    if (waiters) {
        gri_credit_granted(session);
    }
    if (is == SEEN && frame.kind == GRI_FRAME_DATA) {
        GRI_COUNT(remote, frames_dropped_as_doubles, 1);
    }
    if (is == FRESH) {
        if (take_envelopes(session, &reader, frame.count)) {
            note_handled(session, &frame, count);
        } else {
            is = WRONG;
        }
    }
    if (is == WRONG) {
        gri_remote_noise(remote, "GR-REMOTE-PROTOCOL", "%016" PRIx64 " has broken the protocol",
                         session->node);
        gri_session_ask_end(session, GR_EPROTO, "the peer broke the protocol");
        return false;
    }
    if (frame.kind == GRI_FRAME_WANT && is != IGNORED) {
        gri_session_wanted(session);
    }
    if (frame.kind == GRI_FRAME_GOODBYE && is != IGNORED) {
        gri_session_ask_end(session, GR_ENODELOST, "the peer said goodbye");
        return false;
    }
    gri_session_pump(session);
    return true;
}
