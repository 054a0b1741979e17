/*
 * The outbox of a session: what waits to be sent, in lanes, and what was sent and is not
 * acknowledged yet. It decides what travels next: what must be sent again, then control, then user
 * traffic in turns with large payloads, which travel in pieces. Frames get their numbers when they
 * leave for the first time, so one row of numbers serves all lanes. Not locked: the session's lock
 * guards it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_OUTBOX_H
#define GRI_REMOTE_OUTBOX_H

#include <sys/queue.h>

#include "frame.h"

typedef enum gri_lane { GRI_LANE_CONTROL, GRI_LANE_USER } gri_lane;

/* The bytes of one frame; the first GRI_FRAME_BYTES are room for its header. */
typedef struct gri_chunk {
    TAILQ_ENTRY(gri_chunk) next;
    uint64_t seq; /* 0 until it is sent */
    uint32_t count;
    size_t bytes;
    size_t room;
    uint8_t *data;
} gri_chunk;

typedef struct gri_parcel gri_parcel;

enum { GRI_OUTBOX_SLOTS = 64 };

typedef struct gri_outbox {
    TAILQ_HEAD(gri_chunks, gri_chunk) lanes[2];
    STAILQ_HEAD(, gri_parcel) parcels;     /* large payloads, and what must come after them */
    uint32_t parcels_to[GRI_OUTBOX_SLOTS]; /* how many parcels there are, by target slot */
    uint64_t user_made, user_gone;         /* frames of the user lane, ever; a parcel waits for its
                                              elders */
    bool parcels_turn;
    struct gri_chunks sent; /* oldest first, by number */
    gri_chunk *again;       /* the next of them to be sent again; NULL: none */
    gri_chunk *pinned;      /* the network reads it at this moment */
    uint64_t last_seq;
    uint64_t acked;
    size_t held_bytes; /* memory of all that is not acknowledged, sent or not */
    struct gri_chunks spare;
    unsigned spare_count;
} gri_outbox;

void gri_outbox_init(gri_outbox *outbox);
void gri_outbox_fini(gri_outbox *outbox);

/* Adds an envelope, whose payload of `envelope->bytes` (at most GRI_BATCH_BYTES) the caller then
 * writes where this points. NULL: out of memory. */
uint8_t *gri_outbox_add(gri_outbox *outbox, gri_lane lane, const gri_envelope *envelope);

/* Adds a payload of any size; takes `take_payload` on success. False: out of memory. */
bool gri_outbox_add_parcel(gri_outbox *outbox, const gri_envelope *envelope, uint8_t *take_payload);

/* Whether something for this slot may wait among the parcels; then what follows must queue there
 * too, or it would overtake. */
static inline bool gri_outbox_must_follow(const gri_outbox *outbox, uint32_t slot)
{
    return outbox->parcels_to[slot % GRI_OUTBOX_SLOTS] > 0;
}

/* The frame to be sent now, or NULL; it is pinned until gri_outbox_sent(). */
gri_chunk *gri_outbox_next(gri_outbox *outbox);
/* The network has taken the pinned frame, or its connection is gone. */
void gri_outbox_sent(gri_outbox *outbox);
/* The peer has handled all up to `ack`. False: it cannot have. */
bool gri_outbox_ack(gri_outbox *outbox, uint64_t ack);
/* A new connection: all after `received` is to be sent again. False: it is not here any more. */
bool gri_outbox_resume(gri_outbox *outbox, uint64_t received);

/* Something waits to be sent; everything was sent and acknowledged. */
bool gri_outbox_waiting(const gri_outbox *outbox);
bool gri_outbox_empty(const gri_outbox *outbox);

/* Shows every envelope that is not acknowledged, with whether it was sent. Of a payload in pieces
 * that was sent only the last piece is shown. */
typedef void (*gri_outbox_fn)(void *arg, const gri_envelope *envelope, bool was_sent);
void gri_outbox_each(const gri_outbox *outbox, gri_outbox_fn fn, void *arg);

/* Lets go of spare memory. */
void gri_outbox_trim(gri_outbox *outbox);

#endif
