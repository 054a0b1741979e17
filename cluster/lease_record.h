/*
 * The record of a lease: `lease/<node>`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_LEASE_RECORD_H
#define GRI_CLUSTER_LEASE_RECORD_H

#include <granary/error.h>

#define GRI_LEASE_PREFIX "lease/"

enum { GRI_LEASE_KEY_BYTES = 24, GRI_LEASE_RECORD_BYTES_MAX = 32 };

typedef enum gri_lease_state {
    GRI_LEASE_HELD = 0,
    GRI_LEASE_LEFT = 1,  /* given up by its holder */
    GRI_LEASE_FENCED = 2 /* ended by another member */
} gri_lease_state;

typedef struct gri_lease_record {
    gri_lease_state state;
    uint64_t renewal; /* the number of the holder's attempt that wrote it */
    int64_t lease_ms;
} gri_lease_record;

void gri_lease_key(uint64_t node, char key[GRI_LEASE_KEY_BYTES]);
size_t gri_lease_record_pack(const gri_lease_record *record,
                             uint8_t bytes[GRI_LEASE_RECORD_BYTES_MAX]);
gr_err gri_lease_record_unpack(const uint8_t *bytes, size_t count, gri_lease_record *out_record);

#endif
