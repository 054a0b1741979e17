/*
 * The growing buffer: doubles, so that appending is linear in all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <gri/bytes.h>

#include <gri/mem.h>

uint8_t *gri_buffer_add(gri_buffer *buffer, size_t count)
{
    size_t room = buffer->room == 0 ? 256 : buffer->room;
    uint8_t *data = NULL;

    if (count > SIZE_MAX / 4 || buffer->count > SIZE_MAX / 4) {
        return NULL;
    }
    while (room - buffer->count < count) {
        room *= 2;
    }
    if (room != buffer->room) {
        data = gri_realloc(buffer->data, room);
        if (data == NULL) {
            return NULL;
        }
        buffer->data = data;
        buffer->room = room;
    }
    buffer->count += count;
    return buffer->data + buffer->count - count;
}

void gri_buffer_fini(gri_buffer *buffer)
{
    gri_free(buffer->data);
    *buffer = (gri_buffer){0};
}
