/*
 * The end of a session: whoever asked and has no answer is told whether the request can have run: not
 * when it was not sent, nor when the peer had not taken it in before its goodbye. Watchers are told
 * that the node is lost, those who were watched forget their watchers, and what else was not delivered
 * becomes dead letters. Runs in the control turn, on a full-sized stack, and holds no lock while it
 * tells.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include <gri/fail.h>

#include "headers.h"
#include "link.h"
#include "session.h"

typedef struct ending {
    gri_session *session;
    const gr_error *why;
    gri_pid_table asked;
    bool peer_is_done; /* what it has not acknowledged it has not taken in */
    bool said_goodbye; /* all that was sent has been handed over, as far as this side can tell */
} ending;

static void tell(const ending *end, gr_pid whom, gr_err code, const char *what)
{
    gr_remote *remote = end->session->remote;
    char text[GR_ERROR_TEXT_BYTES];
    gr_msg *msg = NULL;

    (void)snprintf(text, sizeof(text), "%s node %016" PRIx64 ": %.160s", what, end->session->node,
                   end->why->text);
    msg = gr_msg_new_error(code, text);
    if (msg != NULL) {
        (void)gr_send(remote->sys, whom, msg);
    }
}

/* The message again, for the dead letter; only its type when the bytes are not whole. */
static gr_msg *message_of(const gr_type *type, const gri_envelope *envelope)
{
    gri_reader payload = gri_reader_of(envelope->payload, envelope->bytes);
    gri_reader headers;
    gr_msg *msg = NULL;

    if (envelope->kind != GRI_ENVELOPE_PIECE && (envelope->flags & GRI_ENVELOPE_HEADERS) != 0) {
        (void)gri_msg_headers_split(&payload, &headers); /* they were put there by us */
    }
    if (type == &gr_error_type) {
        return gri_error_unpack(payload.at, payload.left);
    }
    if (envelope->kind == GRI_ENVELOPE_PIECE ||
        gr_msg_unpack(type, payload.at, payload.left, &msg) != GR_OK) {
        msg = gr_msg_new(type);
    }
    return msg;
}

static void on_undelivered(void *arg, const gri_envelope *envelope, bool was_sent)
{
    ending *end = arg;
    gri_session *session = end->session;
    gr_remote *remote = session->remote;
    gr_pid to = {session->node, envelope->slot, envelope->generation};
    gr_pid sender = envelope->sender;
    const gr_type *type = gri_numbers_out_type(&session->numbers, envelope->type);
    bool may_have_arrived = was_sent && !end->peer_is_done;
    gr_msg *msg = NULL;

    if (envelope->kind == GRI_ENVELOPE_TYPE || envelope->kind == GRI_ENVELOPE_SIGNAL ||
        (may_have_arrived && end->said_goodbye)) {
        return;
    }
    if ((envelope->flags & GRI_ENVELOPE_SENDER) != 0 && sender.node == 0) {
        sender.node = remote->node;
    }
    if ((envelope->flags & GRI_ENVELOPE_REQUEST) != 0) {
        if (!may_have_arrived && gri_pid_table_take(&end->asked, sender)) {
            tell(end, sender, GR_ENOTRUN, was_sent ? "sent, but not taken in by" : "not sent to");
        }
        return; /* the others are told as unknown, with all that have no answer */
    }
    msg = message_of(type, envelope);
    if (msg != NULL) {
        gr_msg_set_sender(msg, sender);
        gr_dead_letter_add(remote->sys, to, msg, GR_DEAD_UNREACHABLE, end->why->code);
    }
}

static bool tell_unknown(void *arg, const gri_pid_entry *entry)
{
    tell(arg, entry->pid, GR_EUNKNOWN, "sent, but not answered by");
    return false;
}

static void end_watches(gri_session *session, gri_watches *watching, gri_watches *watched)
{
    gr_system *sys = session->remote->sys;
    gr_signal signal = {.kind = GR_SIGNAL_TERMINATED, .reason = GR_REASON_NODE_LOST};
    uint32_t count = 0;

    while (gri_watches_pop(watching, &signal.to, &signal.from, &count)) {
        for (; count > 0; count--) {
            (void)gr_signal_send(sys, &signal);
        }
    }
    signal.kind = GR_SIGNAL_UNWATCH;
    while (gri_watches_pop(watched, &signal.to, &signal.from, &count)) {
        (void)gr_signal_send(sys, &signal);
    }
}

const char *gri_session_who(const gri_session *session, char out_text[GRI_SESSION_WHO_BYTES])
{
    (void)snprintf(out_text, GRI_SESSION_WHO_BYTES, "%016" PRIx64 " %s", session->node,
                   session->info.address[0] == '\0' ? "(a client)" : session->info.address);
    return out_text;
}

/* Nothing is added to the outbox of an ended session any more, and what the network may still read of
 * it lives as long as the session; so it can be looked through without the lock. */
void gri_session_end(gri_session *session, const gr_error *why)
{
    gr_remote *remote = session->remote;
    ending end = {.session = session, .why = why};
    char who[GRI_SESSION_WHO_BYTES];
    gri_watches watching = {NULL}, watched = {NULL};
    gri_link *link = NULL;
    bool was_up = session->id != 0;
    bool polite = session->leaves;

    /* Before others can see that it has ended: a sender that does takes it out of the table. */
    (void)gri_session_ref(session);
    pthread_mutex_lock(&session->lock);
    if (session->state == GRI_SESSION_ENDED) {
        pthread_mutex_unlock(&session->lock);
        gri_session_unref(session);
        return;
    }
    session->state = GRI_SESSION_ENDED;
    polite = polite || session->heard_goodbye;
    link = session->link;
    session->link = NULL;
    end.asked = session->asked;
    session->asked = (gri_pid_table){0};
    watching = session->watching;
    watched = session->watched;
    session->watching = session->watched = (gri_watches){NULL};
    end.peer_is_done = session->peer_is_done;
    end.said_goodbye = session->goodbye == GRI_GOODBYE_SAID;
    pthread_mutex_unlock(&session->lock);

    gri_peers_remove(remote, session);
    gri_credit_ended(session);
    if (link != NULL) {
        gri_link_close(link);
        gri_link_unref(link);
    }
    end_watches(session, &watching, &watched);
    gri_outbox_each(&session->outbox, on_undelivered, &end);
    gri_pid_table_prune(&end.asked, tell_unknown, &end);
    gri_pid_table_fini(&end.asked);
    if (session->route != NULL) {
        gri_route_let_go(session->route);
        session->route = NULL;
    }
    if (was_up) {
        gr_system_log(remote->sys,
                      polite && session->info.role == GR_ROLE_CLIENT ? GR_LOG_DEBUG : GR_LOG_INFO,
                      "GR-REMOTE-SESSION", "the session with %s has ended: %s",
                      gri_session_who(session, who), why->text);
        GRI_COUNT(remote, sessions, (uint64_t)-1);
        GRI_COUNT(remote, sessions_lost, polite ? 0 : 1);
        gri_peers_tell(remote, GRI_PEER_LOST, session, why);
    }
    gri_session_unref(session);
    if (remote->stop != NULL) { /* somebody waits for the last to end: no need to wait for a tick */
        (void)gri_control_post(&remote->control, &remote->tick_item);
    }
}

static void on_end_item(gri_control_item *item)
{
    gri_session *session = (gri_session *)((char *)item - offsetof(gri_session, end_item));
    gr_error why;

    pthread_mutex_lock(&session->lock);
    why = session->end_why;
    pthread_mutex_unlock(&session->lock);
    gri_session_end(session, &why);
    gri_session_unref(session);
}

void gri_session_ask_end(gri_session *session, gr_err code, const char *text)
{
    pthread_mutex_lock(&session->lock);
    (void)GRI_FAIL(code, "%s", text);
    session->end_why = *gr_last_error();
    session->end_item.fn = on_end_item;
    pthread_mutex_unlock(&session->lock);
    (void)gri_session_ref(session); /* the item's */
    if (!gri_control_post_later(&session->remote->control, &session->end_item)) {
        gri_session_unref(session);
    }
}
