/*
 * Frames and envelopes to bytes and back. Runs in any thread; keeps nothing and allocates nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frame.h"

#include <assert.h>

enum { MAGIC_0 = 'G', MAGIC_1 = 'w', HEAD_BYTES = 16, SENDER_BYTES = 8, NODE_BYTES = 8 };

static_assert(HEAD_BYTES + SENDER_BYTES + NODE_BYTES + 8 <= GRI_ENVELOPE_BYTES_MAX,
              "the largest envelope fits");

void gri_frame_put_start(gri_frame_kind kind, uint32_t count, uint8_t out[GRI_FRAME_START_BYTES])
{
    out[0] = MAGIC_0;
    out[1] = MAGIC_1;
    out[2] = GRI_WIRE_VERSION;
    out[3] = (uint8_t)kind;
    gri_put_u32(out + 4, count);
}

void gri_frame_put(const gri_frame *frame, uint8_t out[GRI_FRAME_BYTES])
{
    gri_frame_put_start(frame->kind, frame->count, out);
    gri_put_u64(out + 8, frame->seq);
    gri_put_u64(out + 16, frame->ack);
    gri_put_u64(out + 24, frame->released_messages);
    gri_put_u64(out + 32, frame->released_bytes);
}

bool gri_frame_read(gri_reader *reader, gri_frame *out_frame, uint8_t *out_version)
{
    const uint8_t *start = gri_read_bytes(reader, GRI_FRAME_START_BYTES);
    gri_frame frame = {0};

    *out_version = 0;
    if (start == NULL || start[0] != MAGIC_0 || start[1] != MAGIC_1) {
        return false;
    }
    *out_version = start[2];
    if (start[2] != GRI_WIRE_VERSION || start[3] < GRI_FRAME_HELLO || start[3] > GRI_FRAME_WANT) {
        return false;
    }
    frame.kind = (gri_frame_kind)start[3];
    frame.count = gri_get_u32(start + 4);
    if (frame.kind >= GRI_FRAME_DATA) {
        frame.seq = gri_read_u64(reader);
        frame.ack = gri_read_u64(reader);
        frame.released_messages = gri_read_u64(reader);
        frame.released_bytes = gri_read_u64(reader);
    }
    *out_frame = frame;
    return reader->ok && (frame.kind == GRI_FRAME_DATA) == (frame.seq != 0);
}

size_t gri_envelope_head_bytes(const gri_envelope *envelope)
{
    size_t bytes = HEAD_BYTES;

    bytes += (envelope->flags & GRI_ENVELOPE_SENDER) != 0 ? SENDER_BYTES : 0;
    bytes += (envelope->flags & GRI_ENVELOPE_FOREIGN) != 0 ? NODE_BYTES : 0;
    bytes += envelope->kind == GRI_ENVELOPE_PIECE ? 8 : 0;
    return bytes;
}

void gri_envelope_put(const gri_envelope *envelope, uint8_t *out)
{
    out[0] = (uint8_t)envelope->kind;
    out[1] = envelope->flags;
    gri_put_u16(out + 2, envelope->type);
    gri_put_u32(out + 4, envelope->bytes);
    gri_put_u32(out + 8, envelope->slot);
    gri_put_u32(out + 12, envelope->generation);
    out += HEAD_BYTES;
    if ((envelope->flags & GRI_ENVELOPE_SENDER) != 0) {
        gri_put_u32(out, envelope->sender.slot);
        gri_put_u32(out + 4, envelope->sender.generation);
        out += SENDER_BYTES;
    }
    if ((envelope->flags & GRI_ENVELOPE_FOREIGN) != 0) {
        gri_put_u64(out, envelope->sender.node);
        out += NODE_BYTES;
    }
    if (envelope->kind == GRI_ENVELOPE_PIECE) {
        gri_put_u32(out, envelope->total);
        gri_put_u32(out + 4, envelope->offset);
    }
}

bool gri_envelope_read(gri_reader *reader, gri_envelope *out_envelope)
{
    const uint8_t *head = gri_read_bytes(reader, HEAD_BYTES);
    gri_envelope envelope = {0};

    if (head == NULL || head[0] < GRI_ENVELOPE_MESSAGE || head[0] > GRI_ENVELOPE_SIGNAL ||
        (head[1] & ~(unsigned)GRI_ENVELOPE_FLAGS) != 0) {
        reader->ok = false;
        return false;
    }
    envelope.kind = (gri_envelope_kind)head[0];
    envelope.flags = head[1];
    envelope.type = gri_get_u16(head + 2);
    envelope.bytes = gri_get_u32(head + 4);
    envelope.slot = gri_get_u32(head + 8);
    envelope.generation = gri_get_u32(head + 12);
    if ((envelope.flags & GRI_ENVELOPE_SENDER) != 0) {
        envelope.sender.slot = gri_read_u32(reader);
        envelope.sender.generation = gri_read_u32(reader);
    }
    if ((envelope.flags & GRI_ENVELOPE_FOREIGN) != 0) {
        envelope.sender.node = gri_read_u64(reader);
    }
    if (envelope.kind == GRI_ENVELOPE_PIECE) {
        envelope.total = gri_read_u32(reader);
        envelope.offset = gri_read_u32(reader);
    }
    envelope.payload = gri_read_bytes(reader, envelope.bytes);
    *out_envelope = envelope;
    return reader->ok;
}
