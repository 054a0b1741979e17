/*
 * The messages of the handshake as plain values, to bytes and back, and whether a hello is
 * acceptable. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_HANDSHAKE_H
#define GRI_REMOTE_HANDSHAKE_H

#include <granary/remote.h>

#include "frame.h"

enum { GRI_PROTOCOL = 1, GRI_CLUSTER_BYTES_MAX = 200 };

typedef struct gri_hello {
    uint32_t protocol;
    uint64_t node;
    gr_role role;
    uint32_t message_bytes_max;
    uint32_t window_messages;
    uint64_t window_bytes;
    uint64_t session;
    uint64_t received;
    char cluster[GRI_CLUSTER_BYTES_MAX + 1];
    char address[GR_ADDRESS_BYTES_MAX];
} gri_hello;

typedef struct gri_accept {
    uint64_t session;
    uint64_t received;
    bool resumes;
} gri_accept;

typedef struct gri_refuse {
    gr_err code;
    uint64_t node;
    char reason[GR_ERROR_TEXT_BYTES];
} gri_refuse;

/* Whole frames; 0: it does not fit, which only hellos with over-long names do. */
size_t gri_hello_pack(const gri_hello *hello, uint8_t out[GRI_HANDSHAKE_BYTES_MAX]);
size_t gri_accept_pack(const gri_accept *accept, uint8_t out[GRI_HANDSHAKE_BYTES_MAX]);
size_t gri_refuse_pack(const gri_refuse *refuse, uint8_t out[GRI_HANDSHAKE_BYTES_MAX]);

/* From the bytes behind a frame's start. False: not such a message, or out of memory. */
bool gri_hello_unpack(const uint8_t *bytes, size_t count, gri_hello *out_hello);
bool gri_accept_unpack(const uint8_t *bytes, size_t count, gri_accept *out_accept);
bool gri_refuse_unpack(const uint8_t *bytes, size_t count, gri_refuse *out_refuse);

/* Whether `mine` may talk to `other`: GR_EMISMATCH naming both sides' protocol or cluster, GR_EREFUSED
 * when it is this very process or its numbers are no numbers. */
gr_err gri_hello_check(const gri_hello *mine, const gri_hello *other);

#endif
