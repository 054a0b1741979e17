/*
 * Links: one for each connection, from the moment it is up. A link greets (handshake), then carries
 * a session until it closes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_LINK_H
#define GRI_REMOTE_LINK_H

#include "frame.h"
#include "handshake.h"
#include "remote_internal.h"

/*
 *  dialled:   SAYING -(hello)-> [PARKED ->] ACCEPTING -(accept)-> OPEN
 *  accepted:  HEARING -(hello)-> [PARKED ->] ANSWERING -(accept)-> OPEN
 *  any -> CLOSING: link_close(), or the connection is gone.   REFUSING: has said why, the peer closes.
 */
typedef enum gri_link_state {
    GRI_LINK_SAYING,    /* dialled: has said hello, waits for the other's */
    GRI_LINK_HEARING,   /* accepted: waits for hello */
    GRI_LINK_PARKED,    /* heard; waits until the link that it replaces is gone */
    GRI_LINK_ACCEPTING, /* dialled: has said accept, waits for the other's */
    GRI_LINK_ANSWERING, /* accepted: has answered hello, waits for accept */
    GRI_LINK_OPEN,
    GRI_LINK_REFUSING,
    GRI_LINK_CLOSING
} gri_link_state;

enum { GRI_LINK_FRAMES_MAX = 4 }; /* of a handshake, in either direction */

/* One frame of a handshake, to be sent. */
struct gri_link_frame {
    STAILQ_ENTRY(gri_link_frame) next;
    size_t count;
    uint8_t bytes[];
};

struct gri_link {
    /* Fixed. */
    gr_remote *remote; /* a reference */
    const gr_transport_ops *ops;
    gr_connection *connection; /* released with the link */
    atomic_uint refs;
    /* The token of the one send that may be in flight; whoever sets it sends. */
    atomic_bool busy;
    atomic_bool handshake_waits;    /* handshake frames that could not go because of it */
    _Atomic(gri_session *) session; /* set when open; the link holds a reference */
    _Atomic int64_t heard_ms, said_ms;
    uint8_t beat[GRI_FRAME_BYTES]; /* whoever holds the token */
    /* Set by the receiving thread, read by who sends for the session: under the session's lock. */
    bool ready; /* the peer has opened too: it may be sent data */
    /* Only the receiving thread. */
    bool deaf; /* it broke the protocol: nothing more is heard */
    unsigned frames_heard;
    /* Control turn. */
    gri_link_state state;
    gri_route *route;    /* dialled; NULL: accepted */
    gri_hello hello;     /* the peer's, once heard */
    bool is_unknown;     /* accepted, and has not said hello */
    bool is_known;       /* accepted, and has */
    uint64_t session_id; /* agreed on while greeting */
    bool resumes;
    gri_session *meant;  /* from hello on: the session it greets for; a reference */
    int64_t deadline_ms; /* for greeting, or for the peer to close */
    TAILQ_ENTRY(gri_link) all;
    STAILQ_HEAD(, gri_link_frame) frames; /* of the handshake, to be sent */
    struct gri_link_frame *sending;       /* whoever holds the token */
    gri_control_item up_item, flush_item, closed_item;
    gr_error why_closed;
};

gri_link *gri_link_ref(gri_link *link);
void gri_link_unref(gri_link *take_link);

/* The transport's events. */
void *gri_link_connected(void *self, gr_connection *connection, void *dial_token);
void gri_link_received(void *self, void *peer, const uint8_t *bytes, size_t count);
void gri_link_sent(void *self, void *peer);
void gri_link_closed(void *self, void *peer, const gr_error *error);

/* Control turn. */
void gri_link_close(gri_link *link);
/* It has said hello. False: there are too many that have, and it is closed. */
bool gri_link_admit(gri_link *link);
/* Sends a frame of the handshake, after those before it. */
void gri_link_say(gri_link *link, const uint8_t *bytes, size_t count);
void gri_links_tick(gr_remote *remote, int64_t now);

#endif
