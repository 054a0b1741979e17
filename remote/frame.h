/*
 * Frames and envelopes: the fixed binary part of what travels, as docs/wire.md writes it down.
 * Pure: puts them into bytes and reads them from bytes that are not to be trusted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_FRAME_H
#define GRI_REMOTE_FRAME_H

#include <granary/pid.h>

#include <gri/bytes.h>

enum {
    GRI_WIRE_VERSION = 1,
    GRI_FRAME_START_BYTES = 8,   /* of every frame */
    GRI_FRAME_BYTES = 40,        /* of those that belong to a session */
    GRI_BATCH_BYTES = 32 * 1024, /* a frame is full when it holds so much; pieces are as large */
    GRI_HANDSHAKE_BYTES_MAX = 4096,
    GRI_ENVELOPE_BYTES_MAX = 40, /* without the payload */
    GRI_FRAME_BYTES_MAX =
        GRI_FRAME_BYTES + 2 * GRI_BATCH_BYTES + 2 * GRI_ENVELOPE_BYTES_MAX, /* no frame is larger */
    GRI_TYPE_NAME_BYTES_MAX = 255
};

typedef enum gri_frame_kind {
    GRI_FRAME_HELLO = 1,
    GRI_FRAME_ACCEPT = 2,
    GRI_FRAME_REFUSE = 3,
    GRI_FRAME_DATA = 4,    /* numbered, with envelopes */
    GRI_FRAME_BEAT = 5,    /* acknowledges, grants, and shows that somebody is there */
    GRI_FRAME_GOODBYE = 6, /* the session is over */
    GRI_FRAME_WANT = 7     /* a beat of who needs most of the window for its next message */
} gri_frame_kind;

/* A goodbye of who has taken in what it acknowledges and takes in nothing after it. Older peers say
 * goodbye without it, and may have taken in more. */
enum { GRI_GOODBYE_FINAL = 1 };

typedef struct gri_frame {
    gri_frame_kind kind;
    uint32_t
        count;    /* envelopes; of handshake frames the bytes of the protobuf message; of a goodbye
                       GRI_GOODBYE_FINAL or 0 */
    uint64_t seq; /* from 1; 0 unless DATA */
    uint64_t ack; /* the last frame that has been handled */
    uint64_t released_messages; /* of what was received, since the session began */
    uint64_t released_bytes;
} gri_frame;

typedef enum gri_envelope_kind {
    GRI_ENVELOPE_MESSAGE = 1,
    GRI_ENVELOPE_PIECE = 2, /* of a payload that is too large for one frame */
    GRI_ENVELOPE_TYPE = 3,  /* from now on `type` stands for this name */
    GRI_ENVELOPE_SIGNAL = 4
} gri_envelope_kind;

enum gri_envelope_flags {
    GRI_ENVELOPE_SENDER = 1,   /* has a sender, of the peer's own system */
    GRI_ENVELOPE_FOREIGN = 2,  /* ... of the system that is named */
    GRI_ENVELOPE_FREE = 4,     /* takes no credit: it answers a request that did */
    GRI_ENVELOPE_REQUEST = 8,  /* its sender waits for one answer */
    GRI_ENVELOPE_HEADERS = 16, /* its payload begins with headers */
    GRI_ENVELOPE_QUIET = 32,   /* it does not count as activity of who receives it */
    GRI_ENVELOPE_FLAGS = 63    /* all there are */
};

typedef struct gri_envelope {
    gri_envelope_kind kind;
    uint8_t flags;
    uint16_t type;  /* SIGNAL: signal | reason << 8 */
    uint32_t bytes; /* of the payload, or of this piece of it */
    uint32_t slot;  /* whom it is for; the node is the receiver's */
    uint32_t generation;
    gr_pid sender;   /* SIGNAL: from. The node is 0 for the peer's own until FOREIGN names it */
    uint32_t total;  /* PIECE: bytes of the whole payload */
    uint32_t offset; /* PIECE */
    const uint8_t *payload; /* when read: borrowed */
} gri_envelope;

/* Handshake frames begin like this; `bytes` of protobuf follow. */
void gri_frame_put_start(gri_frame_kind kind, uint32_t count, uint8_t out[GRI_FRAME_START_BYTES]);
void gri_frame_put(const gri_frame *frame, uint8_t out[GRI_FRAME_BYTES]);
/* False: not a frame of this version. `out_version` is what it says, or 0 when it is no frame. */
bool gri_frame_read(gri_reader *reader, gri_frame *out_frame, uint8_t *out_version);

/* The bytes before the payload; writes them; reads an envelope with its payload. False: broken. */
size_t gri_envelope_head_bytes(const gri_envelope *envelope);
void gri_envelope_put(const gri_envelope *envelope, uint8_t *out);
bool gri_envelope_read(gri_reader *reader, gri_envelope *out_envelope);

#endif
