/*
 * Headers to bytes and back. Runs in any thread; keeps nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "headers.h"

#include <string.h>

#include <gri/fail.h>

enum { LENGTH_BYTES = 2, LENGTHS_BYTES = 4 };

size_t gri_msg_headers_bytes(const gr_msg *msg)
{
    size_t count = gr_msg_headers(msg), bytes = LENGTH_BYTES, i = 0;

    for (i = 0; i < count; i++) {
        gr_header header = gr_msg_header_at(msg, i);

        bytes += LENGTHS_BYTES + strlen(header.key) + strlen(header.value);
    }
    return count == 0 ? 0 : bytes;
}

void gri_msg_headers_put(const gr_msg *msg, uint8_t *out)
{
    size_t count = gr_msg_headers(msg), i = 0;
    uint8_t *at = out + LENGTH_BYTES;

    for (i = 0; i < count; i++) {
        gr_header header = gr_msg_header_at(msg, i);
        size_t key_bytes = strlen(header.key), value_bytes = strlen(header.value);

        gri_put_u16(at, (uint16_t)key_bytes);
        gri_put_u16(at + LENGTH_BYTES, (uint16_t)value_bytes);
        memcpy(at + LENGTHS_BYTES, header.key, key_bytes);
        memcpy(at + LENGTHS_BYTES + key_bytes, header.value, value_bytes);
        at += LENGTHS_BYTES + key_bytes + value_bytes;
    }
    gri_put_u16(out, (uint16_t)(at - out - LENGTH_BYTES));
}

bool gri_msg_headers_split(gri_reader *payload, gri_reader *out_headers)
{
    size_t bytes = gri_read_u16(payload);
    const uint8_t *at = gri_read_bytes(payload, bytes);

    if (at == NULL || bytes == 0) {
        return false;
    }
    *out_headers = gri_reader_of(at, bytes);
    return true;
}

/* A copy with a zero byte behind it; false: broken, or too long. */
static bool read_text(gri_reader *reader, size_t bytes, char out[GR_HEADERS_BYTES_MAX + 1])
{
    const uint8_t *at = gri_read_bytes(reader, bytes);

    if (at == NULL || bytes > GR_HEADERS_BYTES_MAX || memchr(at, 0, bytes) != NULL) {
        return false;
    }
    memcpy(out, at, bytes);
    out[bytes] = '\0';
    return true;
}

gr_err gri_msg_headers_read(gri_reader *headers, gr_msg *msg)
{
    char key[GR_HEADERS_BYTES_MAX + 1];
    char value[GR_HEADERS_BYTES_MAX + 1];

    while (headers->left > 0) {
        size_t key_bytes = gri_read_u16(headers);
        size_t value_bytes = gri_read_u16(headers);
        gr_err err = GR_OK;

        if (!read_text(headers, key_bytes, key) || !read_text(headers, value_bytes, value)) {
            return GRI_FAIL(GR_EDECODE, "headers that do not decode");
        }
        err = gr_msg_set_header(msg, key, value);
        if (err == GR_EINVAL) {
            return GRI_FAIL(GR_EDECODE, "headers that are too many, too long or without a key");
        }
        if (err != GR_OK) {
            return err;
        }
    }
    return GR_OK;
}
