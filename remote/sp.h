/*
 * The wire mapping of scalability protocols, as an nng_pair0 socket speaks it: eight bytes from
 * each side, then messages that carry their length. Pure: bytes in, bytes out, nothing of NNG.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_SP_H
#define GRI_REMOTE_SP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GRI_SP_GREETING_BYTES = 8,
    GRI_SP_PAIR0 = 0x10,        /* the protocol number that both sides say */
    GRI_SP_HEADER_BYTES_MAX = 9 /* 8 for tcp; ipc puts a type byte before the length */
};

typedef enum gri_sp_mapping { GRI_SP_TCP, GRI_SP_IPC } gri_sp_mapping;

typedef enum gri_sp_verdict {
    GRI_SP_MORE,    /* the bytes so far are fine and not enough */
    GRI_SP_MESSAGE, /* a whole message */
    GRI_SP_TOO_BIG, /* it announces more than the limit */
    GRI_SP_BROKEN   /* this is not the protocol */
} gri_sp_verdict;

/* What each side says first. */
void gri_sp_greeting(uint8_t out[GRI_SP_GREETING_BYTES]);
bool gri_sp_greeting_fits(const uint8_t greeting[GRI_SP_GREETING_BYTES]);

/* Writes what comes before a message of `count` bytes; returns how many bytes that is. */
size_t gri_sp_header(gri_sp_mapping mapping, uint64_t count, uint8_t out[GRI_SP_HEADER_BYTES_MAX]);
size_t gri_sp_header_bytes(gri_sp_mapping mapping);

/*
 * Looks at the start of `bytes` for a message. `out_count` is the length of its content, which
 * begins after gri_sp_header_bytes(); it is set for GRI_SP_MESSAGE, for GRI_SP_TOO_BIG, and for
 * GRI_SP_MORE when the header is there already (else it is 0).
 */
gri_sp_verdict gri_sp_look(gri_sp_mapping mapping, const uint8_t *bytes, size_t count, size_t limit,
                           uint64_t *out_count);

#endif
