/*
 * Walks over the wire format, because protobuf-c unpacks nested messages by recursion without a
 * limit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "nesting.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool ok;
} cursor;

static uint64_t varint(cursor *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (in->at == in->end) {
            break;
        }
        value |= (uint64_t)(*in->at & 0x7f) << shift;
        if ((*in->at++ & 0x80) == 0) {
            return value;
        }
    }
    in->ok = false;
    return 0;
}

static const uint8_t *skip(cursor *in, uint64_t count)
{
    const uint8_t *at = in->at;

    if (count > (uint64_t)(in->end - in->at)) {
        in->ok = false;
        return NULL;
    }
    in->at += count;
    return at;
}

static bool is_bounded(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                       size_t count, unsigned depth)
{
    cursor in = {bytes, bytes + count, true};

    if (depth > GRI_NESTING_MAX) {
        return false;
    }
    while (in.ok && in.at < in.end) {
        uint64_t tag = varint(&in);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
        uint64_t length = 0;
        const uint8_t *inside = NULL;

        switch (tag & 7) {
        case WIRE_VARINT:
            (void)varint(&in);
            break;
        case WIRE_64:
            (void)skip(&in, 8);
            break;
        case WIRE_32:
            (void)skip(&in, 4);
            break;
        case WIRE_BYTES:
            length = varint(&in);
            inside = skip(&in, length);
            if (inside != NULL && field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE &&
                !is_bounded(field->descriptor, inside, (size_t)length, depth + 1)) {
                return false;
            }
            break;
        default:
            in.ok = false;
            break;
        }
    }
    return true;
}

bool gri_nesting_is_bounded(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                            size_t count)
{
    return count == 0 || is_bounded(descriptor, bytes, count, 0);
}
