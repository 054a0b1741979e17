/*
 * A window: what the peer lets us have in use at its side, in messages and in bytes. Plain numbers
 * under the session's lock. Totals since the session began, so that telling them twice is harmless.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_WINDOW_H
#define GRI_REMOTE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

typedef struct gri_window {
    uint64_t messages_max, bytes_max;
    uint64_t taken_messages, taken_bytes;
    uint64_t released_messages, released_bytes;
} gri_window; /* Invariant: released <= taken. */

/* What the peer says it has room for, as far as we believe it: it may say anything. */
static inline void gri_window_limit(gri_window *window, uint64_t messages, uint64_t bytes,
                                    uint64_t bytes_believed)
{
    window->messages_max = messages;
    window->bytes_max = bytes < bytes_believed ? bytes : bytes_believed;
}

/* Takes credit for one message. One that is larger than the whole window goes when nothing else is
 * in use. */
static inline bool gri_window_take(gri_window *window, uint64_t bytes)
{
    uint64_t messages_used = window->taken_messages - window->released_messages;
    uint64_t bytes_used = window->taken_bytes - window->released_bytes;

    if (messages_used > 0 &&
        (messages_used >= window->messages_max || bytes_used + bytes > window->bytes_max)) {
        return false;
    }
    window->taken_messages++;
    window->taken_bytes += bytes;
    return true;
}

/* Gives back what was taken for a message that will not be sent after all. */
static inline void gri_window_put_back(gri_window *window, uint64_t bytes)
{
    window->taken_messages--;
    window->taken_bytes -= bytes;
}

/* What the peer has released so far, by its own word; false when that cannot be. Older words change
 * nothing. */
static inline bool gri_window_release(gri_window *window, uint64_t messages, uint64_t bytes)
{
    if (messages > window->taken_messages || bytes > window->taken_bytes) {
        return false;
    }
    if (messages > window->released_messages) {
        window->released_messages = messages;
    }
    if (bytes > window->released_bytes) {
        window->released_bytes = bytes;
    }
    return true;
}

#endif
