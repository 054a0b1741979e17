/*
 * Bytes with an order: little-endian reads and writes, a reader that never runs past its end, and a
 * buffer that grows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_BYTES_H
#define GRI_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void gri_put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void gri_put_u32(uint8_t *at, uint32_t value)
{
    gri_put_u16(at, (uint16_t)value);
    gri_put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void gri_put_u64(uint8_t *at, uint64_t value)
{
    gri_put_u32(at, (uint32_t)value);
    gri_put_u32(at + 4, (uint32_t)(value >> 32));
}

static inline uint16_t gri_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | (unsigned)at[1] << 8);
}

static inline uint32_t gri_get_u32(const uint8_t *at)
{
    return gri_get_u16(at) | (uint32_t)gri_get_u16(at + 2) << 16;
}

static inline uint64_t gri_get_u64(const uint8_t *at)
{
    return gri_get_u32(at) | (uint64_t)gri_get_u32(at + 4) << 32;
}

/* Reads from untrusted bytes. After a read past the end `ok` is false, and stays so, and every read
 * gives 0 or NULL. */
typedef struct gri_reader {
    const uint8_t *at;
    size_t left;
    bool ok;
} gri_reader;

static inline gri_reader gri_reader_of(const uint8_t *bytes, size_t count)
{
    gri_reader reader = {bytes, count, true};

    return reader;
}

static inline const uint8_t *gri_read_bytes(gri_reader *reader, size_t count)
{
    const uint8_t *at = reader->at;

    if (!reader->ok || count > reader->left) {
        reader->ok = false;
        return NULL;
    }
    reader->at += count;
    reader->left -= count;
    return at;
}

static inline uint8_t gri_read_u8(gri_reader *reader)
{
    const uint8_t *at = gri_read_bytes(reader, 1);

    return at == NULL ? 0 : at[0];
}

static inline uint16_t gri_read_u16(gri_reader *reader)
{
    const uint8_t *at = gri_read_bytes(reader, 2);

    return at == NULL ? 0 : gri_get_u16(at);
}

static inline uint32_t gri_read_u32(gri_reader *reader)
{
    const uint8_t *at = gri_read_bytes(reader, 4);

    return at == NULL ? 0 : gri_get_u32(at);
}

static inline uint64_t gri_read_u64(gri_reader *reader)
{
    const uint8_t *at = gri_read_bytes(reader, 8);

    return at == NULL ? 0 : gri_get_u64(at);
}

/* A growing buffer. Zero it to begin. */
typedef struct gri_buffer {
    uint8_t *data;
    size_t count;
    size_t room;
} gri_buffer;

/* Room for `count` more bytes, which are counted as written; NULL when out of memory (the buffer is
 * as before). */
uint8_t *gri_buffer_add(gri_buffer *buffer, size_t count);
/* Frees the memory; the buffer is empty again. */
void gri_buffer_fini(gri_buffer *buffer);

#endif
