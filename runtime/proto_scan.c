/*
 * A walk over protobuf bytes before they are unpacked: protobuf-c recurses without a limit and takes any bytes for text.
 * Fields that the descriptor does not know are passed over, as unpacking does.
 * Format: protobuf encoding, https://protobuf.dev/programming-guides/encoding/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "codec.h"

#include <protobuf-c/protobuf-c.h>

#include <gri/fail.h>

typedef struct level {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *end;
} level;

enum { LEVELS = 128 };

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *out_value)
{
    uint64_t value = 0;
    unsigned shift = 0;

    for (shift = 0; shift < 70 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;

        if (shift < 64) {
            value |= (uint64_t)(byte & 0x7f) << shift;
        }
        if ((byte & 0x80) == 0) {
            *out_value = value;
            return true;
        }
    }
    return false;
}

/* UTF-8 as in RFC 3629, and no NUL: the text is going to be a C string. */
static bool is_text(const uint8_t *at, size_t count)
{
    const uint8_t *end = at + count;

    while (at < end) {
        uint8_t lead = *at++;
        uint32_t point = 0;
        int more = 0;

        if (lead < 0x80) {
            if (lead == 0) {
                return false;
            }
            continue;
        }
        more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4 || end - at < more) {
            return false;
        }
        point = lead & (0x3fu >> more);
        for (int i = 0; i < more; i++) {
            if ((*at & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (*at++ & 0x3fu);
        }
        if ((more == 2 && point < 0x800) || (more == 3 && (point < 0x10000 || point > 0x10ffff)) ||
            (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
    }
    return true;
}

static gr_err malformed(const ProtobufCMessageDescriptor *descriptor, const char *what)
{
    return GRI_FAIL(GR_EDECODE, "in a %s: %s", descriptor->name, what);
}

gr_err gri_proto_scan(const void *descriptor, const uint8_t *bytes, size_t count, int nesting_max,
                      int *out_nesting)
{
    level levels[LEVELS];
    int depth = 0;
    int deepest = 0;
    const uint8_t *at = bytes;

    if (count == 0) { /* and perhaps no bytes to point at */
        return GR_OK;
    }
    if (nesting_max > LEVELS - 1) {
        nesting_max = LEVELS - 1;
    }
    levels[0] = (level){descriptor, bytes + count};
    for (;;) {
        level *now = &levels[depth];
        const ProtobufCFieldDescriptor *field = NULL;
        uint64_t tag = 0, length = 0;

        if (at == now->end) {
            if (depth-- == 0) {
                *out_nesting = deepest;
                return GR_OK;
            }
            continue;
        }
        if (!read_varint(&at, now->end, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
            return malformed(now->descriptor, "a bad tag");
        }
        switch (tag & 7) {
        case 0:
            if (!read_varint(&at, now->end, &length)) {
                return malformed(now->descriptor, "a number that does not end");
            }
            continue;
        case 1:
        case 5:
            length = (tag & 7) == 1 ? 8 : 4;
            break;
        case 2:
            if (!read_varint(&at, now->end, &length)) {
                return malformed(now->descriptor, "a length that does not end");
            }
            break;
        default:
            return malformed(now->descriptor, "a group or an unknown wire type");
        }
        if (length > (uint64_t)(now->end - at)) {
            return malformed(now->descriptor, "a field longer than its message");
        }
        field = (tag & 7) == 2
                    ? protobuf_c_message_descriptor_get_field(now->descriptor, (unsigned)(tag >> 3))
                    : NULL;
        if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING &&
            !is_text(at, (size_t)length)) {
            return GRI_FAIL(GR_EDECODE, "field %s of a %s is not UTF-8 text without NUL",
                            field->name, now->descriptor->name);
        }
        if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (depth + 1 > nesting_max) {
                return GRI_FAIL(GR_EDECODE, "a %s is nested deeper than %d levels",
                                levels[0].descriptor->name, nesting_max);
            }
            levels[++depth] = (level){field->descriptor, at + length};
            deepest = depth > deepest ? depth : deepest;
            continue;
        }
        at += length;
    }
}
