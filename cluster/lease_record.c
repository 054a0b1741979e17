/*
 * The record of a lease as bytes (granary.Lease). Any thread; reads untrusted bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lease_record.h"

#include <inttypes.h>
#include <stdio.h>

#include "granary/cluster.pb-c.h"

#include <gri/fail.h>

void gri_lease_key(uint64_t node, char key[GRI_LEASE_KEY_BYTES])
{
    (void)snprintf(key, GRI_LEASE_KEY_BYTES, GRI_LEASE_PREFIX "%016" PRIx64, node);
}

size_t gri_lease_record_pack(const gri_lease_record *record,
                             uint8_t bytes[GRI_LEASE_RECORD_BYTES_MAX])
{
    Granary__Lease lease = GRANARY__LEASE__INIT;

    lease.state = (Granary__Lease__State)record->state;
    lease.renewal = record->renewal;
    lease.lease_ms = record->lease_ms;
    GRI_INVARIANT(granary__lease__get_packed_size(&lease) <= GRI_LEASE_RECORD_BYTES_MAX);
    return granary__lease__pack(&lease, bytes);
}

gr_err gri_lease_record_unpack(const uint8_t *bytes, size_t count, gri_lease_record *out_record)
{
    Granary__Lease *lease =
        count > 4 * GRI_LEASE_RECORD_BYTES_MAX ? NULL : granary__lease__unpack(NULL, count, bytes);
    gr_err err = GR_OK;

    if (lease == NULL) {
        return GRI_FAIL(GR_EDECODE, "%zu bytes that are not a lease", count);
    }
    if ((unsigned)lease->state > GRI_LEASE_FENCED || lease->lease_ms <= 0 ||
        lease->lease_ms > INT32_MAX) {
        err = GRI_FAIL(GR_EDECODE, "a lease of %" PRId64 " ms in state %d", lease->lease_ms,
                       (int)lease->state);
    } else {
        out_record->state = (gri_lease_state)lease->state;
        out_record->renewal = lease->renewal;
        out_record->lease_ms = lease->lease_ms;
    }
    granary__lease__free_unpacked(lease, NULL);
    return err;
}
