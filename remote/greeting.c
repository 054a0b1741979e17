/*
 * Greeting, step by step:
 *
 *   who dialled                     who accepted
 *   Hello ------------------------>           (the version, the cluster, who I am, my limits)
 *         <------------------------ Hello     (the same, and which session I have with you)
 *   Accept ----------------------->           (that session goes on, or a new one begins)
 *         <------------------------ Accept    (it is open here)
 *   first frame ------------------>           (it is open here too: now you may send)
 *
 * Only who dialled decides which session it is, so the two never disagree. A connection may break when
 * one side has opened and the other has not: a session in which no frame has travelled yet takes any
 * number that the dialler gives it. Of two connections between
 * the same processes one stays: the newer one of the same dialler, else the one that the smaller
 * incarnation dialled. The winner is parked until the loser is gone, so that no frame of the loser's is
 * still being handled when it is agreed what has been received. Runs in the control turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "greeting.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>

#include "session.h"

enum { GREETING_MS = 5000, REFUSING_MS = 1000 };

static void fill_hello(const gr_remote *remote, gri_hello *hello)
{
    *hello = (gri_hello){
        .protocol = GRI_PROTOCOL,
        .node = remote->node,
        .role = remote->role,
        .message_bytes_max = remote->message_bytes_max,
        .window_messages = remote->window_messages,
        .window_bytes = remote->window_bytes,
    };
    (void)snprintf(hello->cluster, sizeof(hello->cluster), "%s", remote->cluster);
    (void)snprintf(hello->address, sizeof(hello->address), "%s", remote->address);
}

static void say_hello(gri_link *link, uint64_t session, uint64_t received)
{
    uint8_t frame[GRI_HANDSHAKE_BYTES_MAX];
    gri_hello hello;

    fill_hello(link->remote, &hello);
    hello.session = session;
    hello.received = received;
    gri_link_say(link, frame, gri_hello_pack(&hello, frame));
}

static void say_accept(gri_link *link, uint64_t received)
{
    uint8_t frame[GRI_HANDSHAKE_BYTES_MAX];
    gri_accept accept = {
        .session = link->session_id, .received = received, .resumes = link->resumes};

    gri_link_say(link, frame, gri_accept_pack(&accept, frame));
}

/* Tells the other side why; it closes, or we do after a while. */
static void refuse(gri_link *link, gr_err code, const char *reason)
{
    gr_remote *remote = link->remote;
    uint8_t frame[GRI_HANDSHAKE_BYTES_MAX];
    gri_refuse refusal = {.code = code, .node = remote->node};

    (void)snprintf(refusal.reason, sizeof(refusal.reason), "%s", reason);
    link->state = GRI_LINK_REFUSING;
    link->deadline_ms = gr_system_now(remote->sys) + REFUSING_MS;
    gri_link_say(link, frame, gri_refuse_pack(&refusal, frame));
    if (code == GR_EEXIST) {
        return; /* no failure: another connection stays */
    }
    GRI_COUNT(remote, refused, 1);
    gri_remote_noise(remote, "GR-REMOTE-HANDSHAKE", "refused %s: %s",
                     link->hello.address[0] == '\0' ? "a connection" : link->hello.address, reason);
    if (link->route != NULL) {
        (void)GRI_FAIL(code, "%s", reason);
        gri_route_failed(link->route, gr_last_error(), true);
    }
}

void gri_greeting_begin(gri_link *link)
{
    link->deadline_ms = gr_system_now(link->remote->sys) + GREETING_MS;
    if (link->state == GRI_LINK_SAYING) {
        say_hello(link, 0, 0);
    }
}

/* ---- which of two connections stays ---- */

static uint64_t dialler_of(const gri_link *link)
{
    return link->route != NULL ? link->remote->node : link->hello.node;
}

static bool wins(const gri_link *link, const gri_link *other)
{
    uint64_t mine = dialler_of(link), others = dialler_of(other);

    return mine == others || mine < others;
}

/* False: the link has lost and was refused. `*out_wait`: it has won, but the other is still there. */
static bool contend(gri_link *link, gri_link *other, bool *out_wait)
{
    if (other == NULL || other == link) {
        return true;
    }
    if (other->state != GRI_LINK_CLOSING && !wins(link, other)) {
        refuse(link, GR_EEXIST, "another connection between the two stays");
        return false;
    }
    gri_link_close(other);
    *out_wait = true;
    return true;
}

/* ---- agreeing on a session ---- */

static void end_session(gri_session *session, const char *why)
{
    gr_error error;

    (void)GRI_FAIL(GR_ENODELOST, "%s", why);
    error = *gr_last_error();
    gri_session_end(session, &error);
}

/* The session that the link greets for has ended meanwhile, or another is needed: takes a new one. */
static bool renew(gri_link *link)
{
    gri_session *fresh = gri_peers_meet(link->remote, link->hello.node);

    if (fresh == NULL) {
        refuse(link, GR_ENOMEM, "out of memory");
        return false;
    }
    if (fresh->link != NULL || (fresh->candidate != NULL && fresh->candidate != link)) {
        gri_session_unref(fresh);
        refuse(link, GR_EEXIST, "another connection between the two stays");
        return false;
    }
    gri_session_unref(link->meant);
    link->meant = fresh;
    fresh->candidate = link;
    return true;
}

static bool replace_session(gri_link *link, const char *why)
{
    end_session(link->meant, why);
    return renew(link);
}

static void open_link(gri_link *link, uint64_t received)
{
    gr_remote *remote = link->remote;
    gri_session *session = link->meant;
    char who[GRI_SESSION_WHO_BYTES];
    bool first = session->id == 0;

    session->candidate = NULL;
    session->info.role = link->hello.role;
    (void)snprintf(session->info.address, sizeof(session->info.address), "%s", link->hello.address);
    if (session->route == NULL && (link->route != NULL || link->hello.address[0] != '\0')) {
        session->route =
            link->route != NULL ? link->route : gri_route_get(remote, link->hello.address);
        if (session->route != NULL) {
            gri_route_hold(session->route);
        }
    }
    session->id = link->session_id;
    session->since_ms = gr_system_now(remote->sys);
    if (!gri_session_attach(session, link, received)) {
        gri_link_close(link);
        end_session(session, "it wants frames again that it had acknowledged");
        return;
    }
    link->state = GRI_LINK_OPEN;
    if (first) {
        GRI_COUNT(remote, sessions, 1);
        gr_system_log(
            remote->sys, session->info.role == GR_ROLE_CLIENT ? GR_LOG_DEBUG : GR_LOG_INFO,
            "GR-REMOTE-SESSION", "a session with %s begins", gri_session_who(session, who));
        gri_peers_tell(remote, GRI_PEER_UP, session, NULL);
    }
}

static void opened(gri_link *link)
{
    if (link->state == GRI_LINK_OPEN) {
        if (link->route != NULL) {
            gri_route_up(link->route, link->meant->node);
        }
        gri_routes_session_up(link->remote, link->meant->node);
        gri_session_pump(link->meant);
    }
}

/* Nothing stands in its way: the next word. */
static void proceed(gri_link *link)
{
    gr_remote *remote = link->remote;
    gri_session *session = link->meant;

    link->deadline_ms = gr_system_now(remote->sys) + GREETING_MS;
    session->candidate = link;
    if (session->state == GRI_SESSION_ENDED && !renew(link)) {
        return;
    }
    session = link->meant;
    if (link->route == NULL) {
        link->state = GRI_LINK_ANSWERING;
        say_hello(link, session->id, gri_session_received(session));
        return;
    }
    link->resumes = session->id != 0 && session->id == link->hello.session;
    if (!link->resumes && !gri_session_untouched(session)) {
        if (!replace_session(link, "it has given the session up")) {
            return;
        }
        session = link->meant;
    }
    link->session_id = link->resumes ? session->id : gr_system_random(remote->sys) | 1;
    link->state = GRI_LINK_ACCEPTING;
    say_accept(link, link->resumes ? gri_session_received(session) : 0);
}

/* ---- hearing ---- */

static bool was_there(const gri_session *session, void *arg)
{
    const gri_link *link = arg;

    if (session->node == link->hello.node || session->state != GRI_SESSION_BROKEN) {
        return false;
    }
    return (link->route != NULL && session->route == link->route) ||
           (link->hello.address[0] != '\0' &&
            strcmp(session->info.address, link->hello.address) == 0);
}

/* Whether there is room for one more process that comes by itself. Nodes may be a quarter more. */
static bool has_room(const gri_link *link)
{
    gr_remote *remote = link->remote;
    size_t sessions_max = remote->sessions_max;

    if (link->hello.role == GR_ROLE_NODE) {
        sessions_max += (sessions_max + 3) / 4;
    }
    return link->route != NULL || gri_peers_count(remote) < sessions_max;
}

static bool is_with(const gri_session *session, void *arg)
{
    const gri_link *link = arg;

    return session->node == link->hello.node;
}

static bool was_meant(const gri_session *session, void *arg)
{
    const gri_link *link = arg;

    return session->node != link->hello.node && session->state == GRI_SESSION_NEW &&
           link->route != NULL && session->route == link->route;
}

/* Another incarnation where one was that cannot be reached: that one is gone. */
static void end_predecessors(gri_link *link)
{
    gri_session *session = NULL;

    while ((session = gri_peers_find(link->remote, was_there, link)) != NULL) {
        end_session(session, "another incarnation answers at its address");
    }
    while ((session = gri_peers_find(link->remote, was_meant, link)) != NULL) {
        end_session(session, "another incarnation answers at its address");
    }
}

/* What the hello says is acceptable, the address included: it will be dialled. */
static gr_err check_hello(const gri_link *link)
{
    gri_hello mine;
    gr_err err = GR_OK;

    fill_hello(link->remote, &mine);
    err = gri_hello_check(&mine, &link->hello);
    if (err == GR_OK && link->hello.address[0] != '\0' &&
        gri_address_check(link->remote, link->hello.address) != GR_OK) {
        err = GRI_FAIL(GR_EREFUSED, "its hello gives \"%.100s\" as its address, which is none",
                       link->hello.address);
    }
    return err;
}

/* GR_ESTOPPED, GR_EBUSY: nothing new is begun here, but what there is goes on. */
static gr_err may_begin(gri_link *link)
{
    gr_remote *remote = link->remote;

    if (gri_peers_find(remote, is_with, link) != NULL) {
        return GR_OK;
    }
    if (link->route == NULL && gri_remote_is_stopping(remote)) {
        return GRI_FAIL(GR_ESTOPPED, "it is stopping");
    }
    if (!has_room(link)) {
        return GRI_FAIL(GR_EBUSY,
                        "%zu processes are in touch with it already, as many as its sessions_max "
                        "allows",
                        gri_peers_count(remote));
    }
    return GR_OK;
}

static void hear_hello(gri_link *link, const uint8_t *bytes, size_t count)
{
    gr_remote *remote = link->remote;
    gri_session *session = NULL;
    gri_link *attached = NULL;
    bool wait = false;

    if (!gri_hello_unpack(bytes, count, &link->hello)) {
        refuse(link, GR_EPROTO, "its hello does not decode");
        return;
    }
    if (!gri_link_admit(link)) {
        return;
    }
    if (check_hello(link) != GR_OK || may_begin(link) != GR_OK) {
        gr_error why = *gr_last_error();

        refuse(link, why.code, why.text);
        return;
    }
    end_predecessors(link);
    session = gri_peers_meet(remote, link->hello.node);
    if (session == NULL) {
        refuse(link, GR_ENOMEM, "out of memory");
        return;
    }
    link->meant = session;
    attached = session->link; /* written in this turn only */
    if (!contend(link, attached, &wait) || !contend(link, session->candidate, &wait) ||
        !contend(link, session->parked, &wait)) {
        return;
    }
    if (wait) {
        link->state = GRI_LINK_PARKED;
        session->parked = link;
    } else {
        proceed(link);
    }
}

static void hear_accept(gri_link *link, const uint8_t *bytes, size_t count)
{
    gri_accept accept;

    if (!gri_accept_unpack(bytes, count, &accept) || accept.session == 0) {
        refuse(link, GR_EPROTO, "its accept does not decode");
        return;
    }
    if (link->meant->state == GRI_SESSION_ENDED || link->meant->candidate != link) {
        refuse(link, GR_EUNREACHABLE, "the session has ended meanwhile");
        return;
    }
    if (link->route != NULL) {
        if (accept.session != link->session_id || accept.resumes != link->resumes) {
            refuse(link, GR_EPROTO, "it accepts another session");
            return;
        }
        open_link(link, accept.received);
        opened(link);
        return;
    }
    if (accept.resumes ? accept.session != link->meant->id : accept.session == link->meant->id) {
        refuse(link, GR_EPROTO, "it resumes a session that is not here");
        return;
    }
    if (!accept.resumes && !gri_session_untouched(link->meant) &&
        !replace_session(link, "it begins a new session")) {
        return;
    }
    link->session_id = accept.session;
    link->resumes = accept.resumes;
    open_link(link, accept.received);
    if (link->state == GRI_LINK_OPEN) {
        say_accept(link, gri_session_received(link->meant));
        opened(link);
    }
}

static void hear_refuse(gri_link *link, const uint8_t *bytes, size_t count)
{
    gri_refuse refusal = {.code = GR_EREFUSED, .reason = "no reason that decodes"};

    (void)gri_refuse_unpack(bytes, count, &refusal);
    if (refusal.code == GR_EEXIST) {
        if (link->route != NULL) {
            gri_route_node(link->route, refusal.node);
        }
    } else {
        gr_system_log(link->remote->sys, GR_LOG_WARN, "GR-REMOTE-HANDSHAKE", "refused by %s: %s",
                      link->route != NULL ? gri_route_address(link->route) : "a connection",
                      refusal.reason);
        if (link->route != NULL) {
            (void)GRI_FAIL(refusal.code, "%s", refusal.reason);
            gri_route_failed(link->route, gr_last_error(), true);
        }
    }
    gri_link_close(link);
}

void gri_greeting_hear(gri_link *link, const uint8_t *bytes, size_t count)
{
    gri_reader reader = gri_reader_of(bytes, count);
    gri_frame frame = {0};
    uint8_t version = 0;
    char reason[GR_ERROR_TEXT_BYTES];

    if (!gri_frame_read(&reader, &frame, &version) || frame.count != reader.left) {
        if (version != 0 && version != GRI_WIRE_VERSION) {
            (void)snprintf(reason, sizeof(reason), "wire version %d here, wire version %u there",
                           GRI_WIRE_VERSION, version);
            refuse(link, GR_EMISMATCH, reason);
            return;
        }
        frame.kind = GRI_FRAME_BEAT; /* as wrong here as any other */
    }
    if (frame.kind == GRI_FRAME_HELLO &&
        (link->state == GRI_LINK_HEARING || link->state == GRI_LINK_SAYING)) {
        hear_hello(link, reader.at, reader.left);
    } else if (frame.kind == GRI_FRAME_ACCEPT &&
               (link->state == GRI_LINK_ACCEPTING || link->state == GRI_LINK_ANSWERING)) {
        hear_accept(link, reader.at, reader.left);
    } else if (frame.kind == GRI_FRAME_REFUSE && link->state < GRI_LINK_OPEN) {
        hear_refuse(link, reader.at, reader.left);
    } else if (link->state != GRI_LINK_REFUSING) {
        gri_remote_noise(link->remote, "GR-REMOTE-HANDSHAKE",
                         "a connection said something out of turn: closed");
        gri_link_close(link);
    }
}

/* ---- gone ---- */

void gri_greeting_gone(gri_link *link)
{
    gri_session *session = link->meant;
    gri_link *parked = NULL;
    bool was_up = session != NULL && session->link == link;

    if (link->route != NULL) {
        gri_route_link_gone(link->route, was_up ? NULL : &link->why_closed);
    }
    if (session == NULL) {
        return;
    }
    if (session->candidate == link) {
        session->candidate = NULL;
    }
    if (session->parked == link) {
        session->parked = NULL;
    }
    if (was_up) {
        gri_session_detach(session, link);
        session->since_ms = gr_system_now(link->remote->sys);
        if (gri_session_has_said_goodbye(session)) {
            end_session(session, "this side said goodbye");
        } else {
            gri_peers_tell(link->remote, GRI_PEER_BROKEN, session, NULL);
        }
    }
    parked = session->parked;
    if (parked != NULL && session->link == NULL && session->candidate == NULL) {
        session->parked = NULL;
        proceed(parked);
    }
    if (session->route != NULL && session->state == GRI_SESSION_BROKEN) {
        gri_route_consider(session->route);
    }
    link->meant = NULL;
    gri_session_unref(session);
}
