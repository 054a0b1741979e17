/*
 * Sessions, from a message to bytes in the outbox: measuring, credit, numbers for types, who asks and
 * who answers; and signals. Called from any thread and from fibers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "headers.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

enum {
    OWED_MAX = 65536, /* of one peer */
    PRUNE_MIN = 1024, /* requests without an answer before dead ones are looked for */
    OWED_FOR_S = 300  /* a request from there that nobody answered for so long never is */
};

/* A message on its way into the outbox. */
typedef struct packing {
    const gr_type *type;
    const void *payload;
    uint32_t bytes;
    uint8_t *packed; /* when it is too large for one frame */
    gr_pid to;
    gr_pid sender;
    const gr_msg *msg;    /* whose headers go along; NULL: none */
    size_t headers_bytes; /* of `bytes` */
    bool request;
    bool answers; /* a request from there: takes no credit */
} packing;

static uint64_t charge_of(const packing *item)
{
    return (uint64_t)item->bytes + GRI_CHARGE_BYTES;
}

static void pack_into(const packing *item, uint8_t *out)
{
    if (item->headers_bytes > 0) {
        gri_msg_headers_put(item->msg, out);
        out += item->headers_bytes;
    }
    if (item->type == &gr_error_type) {
        gri_error_pack(item->payload, out);
    } else {
        item->type->codec->pack(item->type, item->payload, out);
    }
}

static gr_err measure(gri_session *session, const gr_msg *msg, packing *item)
{
    /* relaxed: a number that is written once, before the first message can have left */
    uint32_t limit = atomic_load_explicit(&session->message_bytes_max, memory_order_relaxed);
    size_t bytes = SIZE_MAX;

    item->type = gr_msg_type(msg);
    item->payload = gr_msg_read(msg, item->type);
    item->sender = gr_msg_sender(msg);
    item->request = gr_msg_is_request(msg);
    item->msg = msg;
    item->headers_bytes = gri_msg_headers_bytes(msg);
    if (item->type == &gr_error_type) {
        bytes = gri_error_bytes(item->payload);
    } else if (item->type->codec != NULL) {
        bytes = item->type->codec->packed_bytes(item->type, item->payload);
    }
    if (bytes == SIZE_MAX) {
        return GRI_FAIL(GR_EINVAL,
                        "a message of type %s cannot leave its process: it has no codec, lacks a "
                        "required field, or is nested too deep",
                        item->type->name);
    }
    bytes += item->headers_bytes;
    if (bytes > limit) {
        return GRI_FAIL(GR_ETOOBIG,
                        "a message of type %s has %zu bytes, at most %u travel; raise "
                        "message_bytes_max on both sides or send it in parts",
                        item->type->name, bytes, limit);
    }
    item->bytes = (uint32_t)bytes;
    if (bytes > GRI_BATCH_BYTES) {
        item->packed = gri_alloc(bytes);
        if (item->packed == NULL) {
            return GRI_FAIL(GR_ENOMEM, "packing %zu bytes", bytes);
        }
        pack_into(item, item->packed);
    }
    return GR_OK;
}

/* ---- who has asked ---- */

static uint32_t seconds(const gr_remote *remote)
{
    return (uint32_t)(gri_remote_now(remote) / 1000);
}

static bool is_old(void *arg, const gri_pid_entry *entry)
{
    const gr_remote *remote = arg;

    return seconds(remote) - entry->since_s > OWED_FOR_S;
}

/* Of who asked elsewhere and was forwarded to there, only the age is known. */
static bool is_gone(void *arg, const gri_pid_entry *entry)
{
    const gr_remote *remote = arg;

    return entry->pid.node == remote->node ? !gr_process_alive(remote->sys, entry->pid)
                                           : is_old(arg, entry);
}

/* Remembers who waits for the answer, and forgets from time to time who has given up waiting. */
static bool ask_locked(gri_session *session, gr_pid sender)
{
    if (session->asked.used >= session->asked_prune_at) {
        gri_pid_table_prune(&session->asked, is_gone, session->remote);
        session->asked_prune_at = PRUNE_MIN + 2 * session->asked.used;
    }
    return gri_pid_table_add(&session->asked, sender, seconds(session->remote));
}

bool gri_session_owe(gri_session *session, gr_pid asker)
{
    bool added = false;

    pthread_mutex_lock(&session->lock);
    if (session->owed.used >= session->owed_prune_at) {
        gri_pid_table_prune(&session->owed, is_old, session->remote);
        session->owed_prune_at = PRUNE_MIN + 2 * session->owed.used;
    }
    /* More are not remembered: their answers take credit. */
    added = session->owed.used < OWED_MAX &&
            gri_pid_table_add(&session->owed, asker, seconds(session->remote));
    pthread_mutex_unlock(&session->lock);
    return added;
}

bool gri_session_owes(gri_session *session, gr_pid asker)
{
    bool owed = false;

    pthread_mutex_lock(&session->lock);
    owed = gri_pid_table_has(&session->owed, asker);
    pthread_mutex_unlock(&session->lock);
    return owed;
}

bool gri_session_answered(gri_session *session, gr_pid asker)
{
    bool asked = false;

    pthread_mutex_lock(&session->lock);
    asked = gri_pid_table_take(&session->asked, asker);
    pthread_mutex_unlock(&session->lock);
    return asked;
}

/* ---- into the outbox ---- */

/* 0: no more numbers, or out of memory. The name goes ahead with the control traffic. */
static uint16_t number_locked(gri_session *session, const gr_type *type)
{
    const char *name = type == &gr_error_type ? GRI_ERROR_TYPE_NAME : type->name;
    gri_envelope envelope = {.kind = GRI_ENVELOPE_TYPE};
    bool fresh = false;
    uint8_t *at = NULL;

    envelope.type = gri_numbers_out_get(&session->numbers, type, &fresh);
    if (!fresh) {
        return envelope.type;
    }
    envelope.bytes = (uint32_t)strlen(name);
    if (envelope.bytes > 0 && envelope.bytes <= GRI_TYPE_NAME_BYTES_MAX) {
        at = gri_outbox_add(&session->outbox, GRI_LANE_CONTROL, &envelope);
    }
    if (at == NULL) {
        gri_numbers_out_undo(&session->numbers);
        return 0;
    }
    memcpy(at, name, envelope.bytes);
    return envelope.type;
}

static void set_sender(const gri_session *session, gri_envelope *envelope, gr_pid sender)
{
    if (gr_pid_is_null(sender)) {
        return;
    }
    envelope->sender = sender;
    envelope->flags |= GRI_ENVELOPE_SENDER;
    if (sender.node != session->remote->node) {
        envelope->flags |= GRI_ENVELOPE_FOREIGN;
    }
}

/* Among the parcels; what is small is packed into memory of its own first. */
static bool add_parcel_locked(gri_session *session, const gri_envelope *envelope, packing *item)
{
    uint8_t *packed = item->packed;

    if (packed == NULL) {
        packed = gri_alloc(item->bytes);
        if (packed == NULL) {
            return false;
        }
        pack_into(item, packed);
    }
    if (!gri_outbox_add_parcel(&session->outbox, envelope, packed)) {
        if (packed != item->packed) {
            gri_free(packed);
        }
        return false;
    }
    item->packed = NULL;
    return true;
}

static uint8_t flags_of(const packing *item)
{
    unsigned flags = (item->request ? GRI_ENVELOPE_REQUEST : 0u) |
                     (item->answers ? GRI_ENVELOPE_FREE : 0u) |
                     (item->headers_bytes > 0 ? GRI_ENVELOPE_HEADERS : 0u) |
                     (item->msg != NULL && gr_msg_is_quiet(item->msg) ? GRI_ENVELOPE_QUIET : 0u);

    return (uint8_t)flags;
}

static bool put_locked(gri_session *session, packing *item)
{
    gri_envelope envelope = {.kind = GRI_ENVELOPE_MESSAGE,
                             .flags = flags_of(item),
                             .bytes = item->bytes,
                             .slot = item->to.slot,
                             .generation = item->to.generation};
    uint8_t *at = NULL;

    envelope.type = number_locked(session, item->type);
    if (envelope.type == 0) {
        return false;
    }
    set_sender(session, &envelope, item->sender);
    if (item->request && !ask_locked(session, item->sender)) {
        return false;
    }
    if (item->packed != NULL || gri_outbox_must_follow(&session->outbox, item->to.slot)) {
        if (add_parcel_locked(session, &envelope, item)) {
            return true;
        }
    } else {
        at = gri_outbox_add(&session->outbox, GRI_LANE_USER, &envelope);
        if (at != NULL) {
            pack_into(item, at);
            return true;
        }
    }
    if (item->request) {
        (void)gri_pid_table_take(&session->asked, item->sender);
    }
    return false;
}

/* Credit, or the right to go without. */
static gr_err admit_locked(gri_session *session, packing *item, gr_msg *msg, int64_t deadline_ms)
{
    gri_credit_use use = {msg, item->packed};

    if (session->state == GRI_SESSION_ENDED) {
        return GR_EUNREACHABLE;
    }
    item->answers = !item->request && gri_pid_table_take(&session->owed, item->to);
    if (item->answers) {
        return session->outbox.held_bytes > session->remote->held_bytes_max ? GR_EBUSY : GR_OK;
    }
    if (TAILQ_EMPTY(&session->waiters) && gri_credit_take_locked(session, charge_of(item))) {
        return GR_OK;
    }
    if (deadline_ms == 0) {
        return GR_EFULL;
    }
    return gri_credit_wait_locked(session, charge_of(item), deadline_ms, &use);
}

/* What takes no credit finds its end here, when a peer acknowledges nothing. */
static bool is_overfull_locked(const gri_session *session)
{
    return session->outbox.held_bytes / 2 > session->remote->held_bytes_max;
}

/* In place of an answer that cannot be sent: a small one that says so. The request has run, so its asker must not be told
 * anything that reads as if it had not; and when the answer will never fit, that another try is of no use. */
static void answer_unsent_locked(gri_session *session, gr_pid to, const gr_error *why)
{
    gr_error unsent = {.code = why->code == GR_ETOOBIG ? GR_EFAILED : GR_EUNKNOWN};
    packing item = {.type = &gr_error_type, .payload = &unsent, .to = to, .answers = true};

    (void)snprintf(unsent.text, sizeof(unsent.text),
                   "it ran, but its answer could not be sent: %.180s", why->text);
    item.bytes = (uint32_t)gri_error_bytes(&unsent);
    if (!is_overfull_locked(session)) {
        (void)put_locked(session, &item); /* without memory for it the asker has its time-out */
    }
}

gr_err gri_session_send(gri_session *session, gr_pid to, gr_msg *take_msg, int64_t deadline_ms,
                        bool *out_again)
{
    gr_remote *remote = session->remote;
    packing item = {.to = to};
    gr_err err = measure(session, take_msg, &item);
    gr_error why = {.code = GR_OK};

    pthread_mutex_lock(&session->lock);
    *out_again = session->state == GRI_SESSION_ENDED;
    if (err != GR_OK) {
        item.answers = !*out_again && !item.request && gri_pid_table_take(&session->owed, to);
    } else {
        err = admit_locked(session, &item, take_msg, deadline_ms);
        if (err == GR_OK && !put_locked(session, &item)) {
            err = GR_ENOMEM;
            if (!item.answers) {
                gri_window_put_back(&session->window, charge_of(&item));
            }
        }
    }
    if (err != GR_OK) {
        why = *gr_last_error();
        if (why.code != err) {
            (void)GRI_FAIL(err, "%s", gr_err_text(err));
            why = *gr_last_error();
        }
    }
    if (err != GR_OK && item.answers) {
        answer_unsent_locked(session, to, &why);
    }
    pthread_mutex_unlock(&session->lock);
    gri_free(item.packed);
    if (*out_again) {
        return err;
    }
    if (err == GR_OK || item.answers) {
        gri_session_pump(session);
    }
    if (err == GR_OK) {
        GRI_COUNT(remote, messages_sent, 1);
        (void)gr_msg_unref(take_msg);
        return GR_OK;
    }
    if (err == GR_EFULL) {
        GRI_COUNT(remote, refused_by_window, 1);
    }
    gr_dead_letter_add_error(
        remote->sys, to, take_msg,
        err == GR_EFULL || err == GR_EBUSY ? GR_DEAD_FULL : GR_DEAD_UNREACHABLE, &why);
    return err;
}

/* ---- signals ---- */

static bool note_signal_locked(gri_session *session, const gr_signal *signal)
{
    switch (signal->kind) {
    case GR_SIGNAL_WATCH:
        return gri_watches_add(&session->watching, signal->from, signal->to,
                               session->remote->watches_max);
    case GR_SIGNAL_UNWATCH:
        gri_watches_remove(&session->watching, signal->from, signal->to);
        return true;
    case GR_SIGNAL_TERMINATED:
        gri_watches_take(&session->watched, signal->from, signal->to);
        return true;
    case GR_SIGNAL_STOP:
    case GR_SIGNAL_POISON:
        return true;
    }
    return false;
}

/* Poison comes after all that was sent before, and news of an end after what was sent before it
 * ended; the others overtake. */
static bool put_signal_locked(gri_session *session, const gr_signal *signal)
{
    bool in_order = signal->kind == GR_SIGNAL_POISON || signal->kind == GR_SIGNAL_TERMINATED;
    gri_envelope envelope = {.kind = GRI_ENVELOPE_SIGNAL,
                             .type =
                                 (uint16_t)((unsigned)signal->kind | (unsigned)signal->reason << 8),
                             .slot = signal->to.slot,
                             .generation = signal->to.generation};

    set_sender(session, &envelope, signal->from);
    if (in_order && gri_outbox_must_follow(&session->outbox, signal->to.slot)) {
        return gri_outbox_add_parcel(&session->outbox, &envelope, NULL);
    }
    return gri_outbox_add(&session->outbox, in_order ? GRI_LANE_USER : GRI_LANE_CONTROL,
                          &envelope) != NULL;
}

gr_err gri_session_signal(gri_session *session, const gr_signal *signal)
{
    gr_err err = GR_OK;

    pthread_mutex_lock(&session->lock);
    if (session->state == GRI_SESSION_ENDED) {
        err = GR_EUNREACHABLE;
    } else if (signal->kind != GR_SIGNAL_TERMINATED && is_overfull_locked(session)) {
        err = GR_EFULL; /* of news of ends there are no more than watches */
    } else if (!note_signal_locked(session, signal) || !put_signal_locked(session, signal)) {
        err = GR_ENOMEM;
    }
    pthread_mutex_unlock(&session->lock);
    if (err == GR_OK) {
        gri_session_pump(session);
    }
    return err;
}
