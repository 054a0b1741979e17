/*
 * Links: what the transport tells of connections, brought into the control turn or handed to their
 * sessions, and their tick: who is silent, who takes too long. Greeting is in greeting.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "link.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "greeting.h"
#include "session.h"

enum { UNKNOWN_MAX = 512 /* accepted links that have not said hello; then the oldest goes */ };

typedef struct heard_frame {
    gri_control_item item;
    gri_link *link; /* a reference */
    size_t count;
    uint8_t bytes[];
} heard_frame;

/* ---- life ---- */

gri_link *gri_link_ref(gri_link *link)
{
    /* relaxed: the caller has a reference */
    atomic_fetch_add_explicit(&link->refs, 1, memory_order_relaxed);
    return link;
}

static void free_frames(gri_link *link)
{
    struct gri_link_frame *frame = NULL;

    while ((frame = STAILQ_FIRST(&link->frames)) != NULL) {
        STAILQ_REMOVE_HEAD(&link->frames, next);
        gri_free(frame);
    }
    gri_free(link->sending);
}

void gri_link_unref(gri_link *take_link)
{
    gri_link *link = take_link;
    gr_remote *remote = link->remote;
    gri_session *session = NULL;

    /* acq_rel: what the other holders did comes before the memory goes */
    if (atomic_fetch_sub_explicit(&link->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    /* relaxed: nobody else is left */
    session = atomic_load_explicit(&link->session, memory_order_relaxed);
    free_frames(link);
    link->ops->release(link->connection);
    gri_free(link);
    if (session != NULL) {
        gri_session_unref(session);
    }
    gri_remote_unref(remote);
}

void gri_link_close(gri_link *link)
{
    if (link->state != GRI_LINK_CLOSING) {
        link->state = GRI_LINK_CLOSING;
        link->ops->close(link->connection);
    }
}

/* ---- handshake frames ---- */

static bool take_token(gri_link *link)
{
    /* seq_cst: pairs with on_sent_event(), which gives the token and then looks whether frames wait;
     * one of the two sees the other */
    return !atomic_exchange_explicit(&link->busy, true, memory_order_seq_cst);
}

static void flush(gri_link *link)
{
    struct gri_link_frame *frame = STAILQ_FIRST(&link->frames);
    gr_piece piece = {NULL, 0};

    if (frame == NULL) {
        return;
    }
    atomic_store_explicit(&link->handshake_waits, true,
                          memory_order_seq_cst); /* see take_token() */
    if (!take_token(link)) {
        return;
    }
    STAILQ_REMOVE_HEAD(&link->frames, next);
    /* seq_cst: as above */
    atomic_store_explicit(&link->handshake_waits, !STAILQ_EMPTY(&link->frames),
                          memory_order_seq_cst);
    link->sending = frame;
    piece = (gr_piece){frame->bytes, frame->count};
    GRI_COUNT(link->remote, frames_sent, 1);
    GRI_COUNT(link->remote, bytes_sent, frame->count);
    (void)link->ops->send(link->connection, &piece, 1); /* on failure closed tidies up */
}

static void on_flush_item(gri_control_item *item)
{
    flush((gri_link *)((char *)item - offsetof(gri_link, flush_item)));
}

void gri_link_say(gri_link *link, const uint8_t *bytes, size_t count)
{
    struct gri_link_frame *frame = gri_alloc(sizeof(*frame) + count);

    if (frame == NULL || count == 0) {
        gri_free(frame);
        gri_link_close(link);
        return;
    }
    frame->count = count;
    memcpy(frame->bytes, bytes, count);
    STAILQ_INSERT_TAIL(&link->frames, frame, next);
    flush(link);
}

/* ---- what the transport tells ---- */

static void forget_unknown(gri_link *link)
{
    if (link->is_unknown) {
        link->is_unknown = false;
        link->remote->links_unknown--;
    }
}

bool gri_link_admit(gri_link *link)
{
    gr_remote *remote = link->remote;

    forget_unknown(link);
    if (link->route != NULL) {
        return true;
    }
    if (remote->links_known >= remote->links_max) {
        gri_remote_noise(remote, "GR-REMOTE-FULL",
                         "%u connections have said hello, as many as links_max allows: another is "
                         "closed",
                         remote->links_known);
        gri_link_close(link);
        return false;
    }
    link->is_known = true;
    remote->links_known++;
    return true;
}

static void close_oldest_unknown(gr_remote *remote)
{
    gri_link *link = NULL;

    TAILQ_FOREACH (link, &remote->links, all) {
        if (link->is_unknown) {
            forget_unknown(link);
            gri_link_close(link);
            return;
        }
    }
}

static void on_up_item(gri_control_item *item)
{
    gri_link *link = (gri_link *)((char *)item - offsetof(gri_link, up_item));
    gr_remote *remote = link->remote;

    GRI_COUNT(remote, connects, 1);
    TAILQ_INSERT_TAIL(&remote->links, link, all);
    link->state = link->route == NULL ? GRI_LINK_HEARING : GRI_LINK_SAYING;
    if (link->route == NULL) {
        link->is_unknown = true;
        if (++remote->links_unknown > UNKNOWN_MAX) {
            close_oldest_unknown(remote);
        }
    }
    gri_greeting_begin(link);
}

static void on_heard_item(gri_control_item *item)
{
    heard_frame *frame = (heard_frame *)((char *)item - offsetof(heard_frame, item));
    gri_link *link = frame->link;

    if (link->state != GRI_LINK_CLOSING) {
        gri_greeting_hear(link, frame->bytes, frame->count);
    }
    gri_free(frame);
    gri_link_unref(link);
}

static void on_closed_item(gri_control_item *item)
{
    gri_link *link = (gri_link *)((char *)item - offsetof(gri_link, closed_item));

    TAILQ_REMOVE(&link->remote->links, link, all);
    forget_unknown(link);
    link->remote->links_known -= link->is_known ? 1 : 0;
    link->state = GRI_LINK_CLOSING;
    gri_greeting_gone(link);
    gri_link_unref(link); /* the transport's */
}

void *gri_link_connected(void *self, gr_connection *connection, void *dial_token)
{
    gr_remote *remote = self;
    gri_link *link = gri_calloc(1, sizeof(*link));

    if (link == NULL) {
        if (dial_token != NULL) {
            (void)GRI_FAIL(GR_ENOMEM, "no memory for a connection");
            gri_route_dial_failed(dial_token, gr_last_error());
        }
        remote->ops->close(connection);
        remote->ops->release(connection);
        return NULL;
    }
    link->remote = gri_remote_ref(remote);
    link->ops = remote->ops;
    link->connection = connection;
    link->route = dial_token;
    atomic_init(&link->refs, 1);
    atomic_init(&link->heard_ms, gri_remote_now(remote));
    atomic_init(&link->said_ms, gri_remote_now(remote));
    STAILQ_INIT(&link->frames);
    link->up_item.fn = on_up_item;
    link->flush_item.fn = on_flush_item;
    link->closed_item.fn = on_closed_item;
    (void)gri_control_post(&remote->control, &link->up_item);
    return link;
}

static void hear_greeting(gri_link *link, const uint8_t *bytes, size_t count)
{
    heard_frame *frame = NULL;

    if (count <= GRI_HANDSHAKE_BYTES_MAX && link->frames_heard++ < GRI_LINK_FRAMES_MAX) {
        frame = gri_alloc(sizeof(*frame) + count);
    }
    if (frame == NULL) {
        gri_remote_noise(link->remote, "GR-REMOTE-HANDSHAKE",
                         "a connection said %zu bytes that are no handshake: closed", count);
        link->deaf = true;
        link->ops->close(link->connection);
        return;
    }
    frame->item = (gri_control_item){.fn = on_heard_item};
    frame->link = gri_link_ref(link);
    frame->count = count;
    memcpy(frame->bytes, bytes, count);
    (void)gri_control_post(&link->remote->control, &frame->item);
}

void gri_link_received(void *self, void *peer, const uint8_t *bytes, size_t count)
{
    gri_link *link = peer;
    gri_session *session = NULL;

    (void)self;
    if (link == NULL || link->deaf) {
        return;
    }
    /* relaxed: a time for the tick to look at */
    atomic_store_explicit(&link->heard_ms, gri_remote_now(link->remote), memory_order_relaxed);
    /* acquire: the session as it was when the link was attached */
    session = atomic_load_explicit(&link->session, memory_order_acquire);
    if (session == NULL) {
        hear_greeting(link, bytes, count);
    } else {
        link->deaf = !gri_session_receive(session, link, bytes, count);
    }
}

void gri_link_sent(void *self, void *peer)
{
    gri_link *link = peer;
    gri_session *session = NULL;
    bool was_handshake = false;

    (void)self;
    if (link == NULL) {
        return;
    }
    /* acquire: as in gri_link_received() */
    session = atomic_load_explicit(&link->session, memory_order_acquire);
    was_handshake = link->sending != NULL;
    gri_free(link->sending);
    link->sending = NULL;
    if (!was_handshake && session != NULL) {
        gri_session_sent(session, link);
        return;
    }
    atomic_store_explicit(&link->busy, false, memory_order_seq_cst); /* see take_token() */
    if (atomic_load_explicit(&link->handshake_waits, memory_order_seq_cst)) {
        (void)gri_control_post(&link->remote->control, &link->flush_item);
    }
    if (session != NULL) {
        gri_session_pump(session);
    }
}

void gri_link_closed(void *self, void *peer, const gr_error *error)
{
    gri_link *link = peer;

    (void)self;
    if (link != NULL) {
        link->why_closed = *error;
        (void)gri_control_post(&link->remote->control, &link->closed_item);
    }
}

/* ---- the tick ---- */

static void tick_open(gri_link *link, int64_t now)
{
    gr_remote *remote = link->remote;
    /* relaxed, both: times */
    int64_t silent_ms = now - atomic_load_explicit(&link->heard_ms, memory_order_relaxed);
    int64_t said_ms = atomic_load_explicit(&link->said_ms, memory_order_relaxed);

    if (silent_ms > remote->dead_after_ms) {
        gr_system_log(remote->sys, GR_LOG_WARN, "GR-REMOTE-SILENT",
                      "nothing heard from %s for %lld ms: the connection is given up",
                      link->hello.address[0] == '\0' ? "a client" : link->hello.address,
                      (long long)silent_ms);
        gri_link_close(link);
    } else if (now - said_ms >= remote->heartbeat_ms) {
        gri_session_beat(link->meant);
    }
}

void gri_links_tick(gr_remote *remote, int64_t now)
{
    gri_link *link = NULL;

    TAILQ_FOREACH (link, &remote->links, all) {
        if (link->state == GRI_LINK_OPEN) {
            tick_open(link, now);
        } else if (link->state != GRI_LINK_PARKED && now > link->deadline_ms) {
            gri_link_close(link);
        }
    }
}
