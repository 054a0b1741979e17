/*
 * The SP mappings for tcp (a 64-bit big-endian length) and for ipc (a type byte that is 1, then the
 * same length). Runs in any thread; keeps nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sp.h"

#include <string.h>

enum { IPC_MESSAGE = 1 };

static void put_big_endian(uint8_t *at, uint64_t value)
{
    for (int i = 7; i >= 0; i--) {
        at[i] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t get_big_endian(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

void gri_sp_greeting(uint8_t out[GRI_SP_GREETING_BYTES])
{
    static const uint8_t greeting[GRI_SP_GREETING_BYTES] = {0, 'S', 'P', 0, 0, GRI_SP_PAIR0, 0, 0};

    memcpy(out, greeting, sizeof(greeting));
}

bool gri_sp_greeting_fits(const uint8_t greeting[GRI_SP_GREETING_BYTES])
{
    uint8_t expected[GRI_SP_GREETING_BYTES];

    gri_sp_greeting(expected);
    return memcmp(greeting, expected, sizeof(expected)) == 0;
}

size_t gri_sp_header_bytes(gri_sp_mapping mapping)
{
    return mapping == GRI_SP_IPC ? 9 : 8;
}

size_t gri_sp_header(gri_sp_mapping mapping, uint64_t count, uint8_t out[GRI_SP_HEADER_BYTES_MAX])
{
    if (mapping == GRI_SP_IPC) {
        *out++ = IPC_MESSAGE;
    }
    put_big_endian(out, count);
    return gri_sp_header_bytes(mapping);
}

gri_sp_verdict gri_sp_look(gri_sp_mapping mapping, const uint8_t *bytes, size_t count, size_t limit,
                           uint64_t *out_count)
{
    size_t header_bytes = gri_sp_header_bytes(mapping);

    *out_count = 0;
    if (mapping == GRI_SP_IPC && count > 0 && bytes[0] != IPC_MESSAGE) {
        return GRI_SP_BROKEN;
    }
    if (count < header_bytes) {
        return GRI_SP_MORE;
    }
    *out_count = get_big_endian(bytes + header_bytes - 8);
    if (*out_count > limit) {
        return GRI_SP_TOO_BIG;
    }
    return count - header_bytes < *out_count ? GRI_SP_MORE : GRI_SP_MESSAGE;
}
