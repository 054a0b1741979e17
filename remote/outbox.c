/*
 * The outbox: lanes of frames being filled, parcels, and the row of sent frames that wait for their
 * acknowledgement. Its session's lock guards it; it knows neither sessions nor connections.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox.h"

#include <gri/fail.h>
#include <gri/mem.h>

enum { CHUNK_BYTES_MIN = 1024, SPARE_MAX = 8, FULL_BYTES = GRI_FRAME_BYTES + GRI_BATCH_BYTES };

struct gri_parcel {
    STAILQ_ENTRY(gri_parcel) next;
    gri_envelope envelope; /* kind MESSAGE (or SIGNAL); bytes is the whole payload's */
    uint8_t *payload;
    uint32_t offset;
    uint64_t after; /* user frames that must have left before: what was sent earlier is in them */
};

void gri_outbox_init(gri_outbox *outbox)
{
    *outbox = (gri_outbox){0};
    TAILQ_INIT(&outbox->lanes[GRI_LANE_CONTROL]);
    TAILQ_INIT(&outbox->lanes[GRI_LANE_USER]);
    STAILQ_INIT(&outbox->parcels);
    TAILQ_INIT(&outbox->sent);
    TAILQ_INIT(&outbox->spare);
}

static void free_chunk(gri_chunk *chunk)
{
    gri_free(chunk->data);
    gri_free(chunk);
}

static void free_chunks(struct gri_chunks *chunks)
{
    gri_chunk *chunk = NULL;

    while ((chunk = TAILQ_FIRST(chunks)) != NULL) {
        TAILQ_REMOVE(chunks, chunk, next);
        free_chunk(chunk);
    }
}

static void drop_parcel(gri_outbox *outbox)
{
    gri_parcel *parcel = STAILQ_FIRST(&outbox->parcels);

    STAILQ_REMOVE_HEAD(&outbox->parcels, next);
    outbox->parcels_to[parcel->envelope.slot % GRI_OUTBOX_SLOTS]--;
    outbox->held_bytes -= parcel->envelope.bytes;
    gri_free(parcel->payload);
    gri_free(parcel);
}

void gri_outbox_fini(gri_outbox *outbox)
{
    free_chunks(&outbox->lanes[GRI_LANE_CONTROL]);
    free_chunks(&outbox->lanes[GRI_LANE_USER]);
    free_chunks(&outbox->sent);
    free_chunks(&outbox->spare);
    while (!STAILQ_EMPTY(&outbox->parcels)) {
        drop_parcel(outbox);
    }
}

void gri_outbox_trim(gri_outbox *outbox)
{
    free_chunks(&outbox->spare);
    outbox->spare_count = 0;
}

/* ---- filling ---- */

/* What it takes of memory, which for small frames is far more than what travels. */
static size_t held_by(const gri_chunk *chunk)
{
    return sizeof(*chunk) + chunk->room;
}

static gri_chunk *new_chunk(gri_outbox *outbox)
{
    gri_chunk *chunk = TAILQ_FIRST(&outbox->spare);

    if (chunk != NULL) {
        TAILQ_REMOVE(&outbox->spare, chunk, next);
        outbox->spare_count--;
    } else {
        chunk = gri_calloc(1, sizeof(*chunk));
        if (chunk == NULL) {
            return NULL;
        }
    }
    chunk->seq = 0;
    chunk->count = 0;
    chunk->bytes = GRI_FRAME_BYTES;
    outbox->held_bytes += held_by(chunk);
    return chunk;
}

static void recycle(gri_outbox *outbox, gri_chunk *chunk)
{
    outbox->held_bytes -= held_by(chunk);
    if (outbox->spare_count < SPARE_MAX) {
        TAILQ_INSERT_HEAD(&outbox->spare, chunk, next);
        outbox->spare_count++;
    } else {
        free_chunk(chunk);
    }
}

/* Doubles, so that a frame of one small message stays small while it waits for its ack. */
static bool chunk_room(gri_outbox *outbox, gri_chunk *chunk, size_t bytes)
{
    size_t room = chunk->room == 0 ? CHUNK_BYTES_MIN : chunk->room;
    uint8_t *data = NULL;

    while (room < bytes) {
        room *= 2;
    }
    if (room > (size_t)FULL_BYTES && bytes <= (size_t)FULL_BYTES) {
        room = FULL_BYTES;
    }
    if (room <= chunk->room) {
        return true;
    }
    data = gri_realloc(chunk->data, room);
    if (data == NULL) {
        return false;
    }
    outbox->held_bytes += room - chunk->room;
    chunk->data = data;
    chunk->room = room;
    return true;
}

/* Where the payload goes, or NULL when out of memory. */
static uint8_t *chunk_add(gri_outbox *outbox, gri_chunk *chunk, const gri_envelope *envelope)
{
    size_t head_bytes = gri_envelope_head_bytes(envelope);
    size_t bytes = chunk->bytes + head_bytes + envelope->bytes;
    uint8_t *at = NULL;

    if (!chunk_room(outbox, chunk, bytes)) {
        return NULL;
    }
    at = chunk->data + chunk->bytes;
    gri_envelope_put(envelope, at);
    chunk->bytes = bytes;
    chunk->count++;
    return at + head_bytes;
}

uint8_t *gri_outbox_add(gri_outbox *outbox, gri_lane lane, const gri_envelope *envelope)
{
    gri_chunk *chunk = TAILQ_LAST(&outbox->lanes[lane], gri_chunks);
    gri_chunk *fresh = NULL;
    uint8_t *at = NULL;

    if (chunk == NULL ||
        chunk->bytes + gri_envelope_head_bytes(envelope) + envelope->bytes > (size_t)FULL_BYTES) {
        chunk = fresh = new_chunk(outbox);
        if (chunk == NULL) {
            return NULL;
        }
    }
    at = chunk_add(outbox, chunk, envelope);
    if (fresh != NULL) {
        if (at == NULL) {
            recycle(outbox, fresh);
        } else {
            TAILQ_INSERT_TAIL(&outbox->lanes[lane], fresh, next);
            outbox->user_made += lane == GRI_LANE_USER;
        }
    }
    return at;
}

bool gri_outbox_add_parcel(gri_outbox *outbox, const gri_envelope *envelope, uint8_t *take_payload)
{
    gri_parcel *parcel = gri_calloc(1, sizeof(*parcel));

    if (parcel == NULL) {
        return false;
    }
    parcel->envelope = *envelope;
    parcel->payload = take_payload;
    parcel->after = outbox->user_made;
    STAILQ_INSERT_TAIL(&outbox->parcels, parcel, next);
    outbox->parcels_to[envelope->slot % GRI_OUTBOX_SLOTS]++;
    outbox->held_bytes += envelope->bytes;
    return true;
}

/* ---- sending ---- */

static bool parcel_may_go(const gri_outbox *outbox)
{
    const gri_parcel *parcel = STAILQ_FIRST(&outbox->parcels);

    return parcel != NULL && outbox->user_gone >= parcel->after;
}

/* One piece of the first parcel, or the whole of it when it is small and fits. False: enough. */
static bool add_from_parcel(gri_outbox *outbox, gri_chunk *chunk)
{
    gri_parcel *parcel = STAILQ_FIRST(&outbox->parcels);
    gri_envelope envelope = parcel->envelope;
    uint32_t left = parcel->envelope.bytes - parcel->offset;
    uint8_t *at = NULL;

    if (parcel->envelope.bytes > GRI_BATCH_BYTES) {
        envelope.kind = GRI_ENVELOPE_PIECE;
        envelope.total = parcel->envelope.bytes;
        envelope.offset = parcel->offset;
        envelope.bytes = left < GRI_BATCH_BYTES ? left : GRI_BATCH_BYTES;
    }
    if (chunk->count > 0 &&
        chunk->bytes + gri_envelope_head_bytes(&envelope) + envelope.bytes > (size_t)FULL_BYTES) {
        return false;
    }
    at = chunk_add(outbox, chunk, &envelope);
    if (at == NULL) {
        return false;
    }
    if (envelope.bytes > 0) {
        memcpy(at, parcel->payload + parcel->offset, envelope.bytes);
    }
    parcel->offset += envelope.bytes;
    if (parcel->offset == parcel->envelope.bytes) {
        drop_parcel(outbox);
    }
    return chunk->bytes < (size_t)FULL_BYTES;
}

static gri_chunk *chunk_of_parcels(gri_outbox *outbox)
{
    gri_chunk *chunk = new_chunk(outbox);

    if (chunk == NULL) {
        return NULL;
    }
    while (parcel_may_go(outbox) && add_from_parcel(outbox, chunk)) {
    }
    if (chunk->count == 0) {
        recycle(outbox, chunk);
        return NULL;
    }
    return chunk;
}

static gri_chunk *take_first(struct gri_chunks *lane)
{
    gri_chunk *chunk = TAILQ_FIRST(lane);

    if (chunk != NULL) {
        TAILQ_REMOVE(lane, chunk, next);
    }
    return chunk;
}

static gri_chunk *next_fresh(gri_outbox *outbox)
{
    struct gri_chunks *user = &outbox->lanes[GRI_LANE_USER];
    gri_chunk *chunk = take_first(&outbox->lanes[GRI_LANE_CONTROL]);

    if (chunk != NULL) {
        return chunk;
    }
    outbox->parcels_turn = !outbox->parcels_turn;
    if (parcel_may_go(outbox) && (outbox->parcels_turn || TAILQ_EMPTY(user))) {
        return chunk_of_parcels(outbox);
    }
    chunk = take_first(user);
    outbox->user_gone += chunk != NULL;
    return chunk;
}

gri_chunk *gri_outbox_next(gri_outbox *outbox)
{
    gri_chunk *chunk = outbox->again;

    GRI_INVARIANT(outbox->pinned == NULL);
    if (chunk != NULL) {
        outbox->again = TAILQ_NEXT(chunk, next);
    } else {
        chunk = next_fresh(outbox);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->seq = ++outbox->last_seq;
        TAILQ_INSERT_TAIL(&outbox->sent, chunk, next);
    }
    outbox->pinned = chunk;
    return chunk;
}

/* What is acknowledged goes, but for what the network may still be reading. */
static void drop_acked(gri_outbox *outbox)
{
    gri_chunk *chunk = NULL;

    while ((chunk = TAILQ_FIRST(&outbox->sent)) != NULL && chunk->seq <= outbox->acked &&
           chunk != outbox->pinned) {
        if (chunk == outbox->again) {
            outbox->again = TAILQ_NEXT(chunk, next);
        }
        TAILQ_REMOVE(&outbox->sent, chunk, next);
        recycle(outbox, chunk);
    }
}

void gri_outbox_sent(gri_outbox *outbox)
{
    outbox->pinned = NULL;
    drop_acked(outbox);
}

bool gri_outbox_ack(gri_outbox *outbox, uint64_t ack)
{
    if (ack > outbox->last_seq) {
        return false;
    }
    if (ack > outbox->acked) {
        outbox->acked = ack;
        drop_acked(outbox);
    }
    return true;
}

bool gri_outbox_resume(gri_outbox *outbox, uint64_t received)
{
    gri_outbox_sent(outbox);
    if (received < outbox->acked || !gri_outbox_ack(outbox, received)) {
        return false;
    }
    outbox->again = TAILQ_FIRST(&outbox->sent);
    return true;
}

bool gri_outbox_waiting(const gri_outbox *outbox)
{
    return outbox->again != NULL || !TAILQ_EMPTY(&outbox->lanes[GRI_LANE_CONTROL]) ||
           !TAILQ_EMPTY(&outbox->lanes[GRI_LANE_USER]) || !STAILQ_EMPTY(&outbox->parcels);
}

bool gri_outbox_empty(const gri_outbox *outbox)
{
    return !gri_outbox_waiting(outbox) && TAILQ_EMPTY(&outbox->sent);
}

/* ---- looking ---- */

/* Of those that were sent the first may be acknowledged, and here only since the network still reads
 * it. */
static void each_in(const struct gri_chunks *chunks, uint64_t acked, gri_outbox_fn fn, void *arg)
{
    const gri_chunk *chunk = NULL;
    gri_envelope envelope;

    TAILQ_FOREACH (chunk, chunks, next) {
        bool was_sent = chunk->seq != 0;
        gri_reader reader =
            gri_reader_of(chunk->data + GRI_FRAME_BYTES, chunk->bytes - GRI_FRAME_BYTES);

        if (was_sent && chunk->seq <= acked) {
            continue;
        }
        while (reader.left > 0 && gri_envelope_read(&reader, &envelope)) {
            if (envelope.kind != GRI_ENVELOPE_PIECE ||
                envelope.offset + envelope.bytes == envelope.total) {
                fn(arg, &envelope, was_sent);
            }
        }
    }
}

void gri_outbox_each(const gri_outbox *outbox, gri_outbox_fn fn, void *arg)
{
    const gri_parcel *parcel = NULL;

    each_in(&outbox->sent, outbox->acked, fn, arg);
    each_in(&outbox->lanes[GRI_LANE_CONTROL], outbox->acked, fn, arg);
    each_in(&outbox->lanes[GRI_LANE_USER], outbox->acked, fn, arg);
    STAILQ_FOREACH (parcel, &outbox->parcels, next) {
        gri_envelope envelope = parcel->envelope;

        envelope.payload = parcel->payload;
        fn(arg, &envelope, false);
    }
}
