/*
 * Watching another node's lease: when it is over, and ending it. For the actor that watches neighbours
 * (fence.c), and for a node that joins at an address that is taken (claim.c); runs on their fibers or
 * threads, and waits for the coordinator.
 *
 * A lease whose record has not changed for its lease and a margin *since this node first saw that
 * revision, by this node's clock* is compare-and-set to "fenced" at that very revision: a conflict means
 * that its holder lives, success that it can never renew again and has stopped by its own clock (lease.c
 * says why). Then, and only then, the member is taken out of the view. A record that is not there counts
 * as one at revision 0.
 *
 * Time in which this node did not look counts little: after an outage of the coordinator, or when the
 * whole machine was asleep, the holders get the time to renew. So a pause costs a pause, and nobody is
 * fenced for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <inttypes.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>

int64_t gri_lease_quiet_limit_ms(int64_t lease_ms)
{
    return lease_ms + gri_membership_margin_ms(lease_ms);
}

/* How much of the time between two looks counts: looks are a quarter of a lease apart, or less. */
static int64_t counted_ms(const gri_membership *m, int64_t between_ms)
{
    int64_t most = m->lease_ms * 3 / 8;

    return between_ms > most ? most : between_ms;
}

static void remove_member(gri_membership *m, gri_view_event_kind kind, uint64_t node)
{
    gri_view_event event = {.kind = kind, .node = node};
    gr_err err = gri_membership_change(m, &event, NULL, gr_system_now(m->sys) + m->lease_ms);

    if (err == GR_OK) {
        gr_system_log(m->sys, GR_LOG_INFO, "GR-CLUSTER-MEMBER-GONE", "node %016" PRIx64 " %s", node,
                      kind == GRI_VIEW_FENCED ? "was fenced: its shards have new owners"
                                              : "has left");
    } /* else the next look tries again: the record says what is to be done */
}

void gri_lease_end(gri_membership *m, const gri_watched_lease *lease)
{
    gri_lease_record record = {GRI_LEASE_FENCED, 0, lease->lease_ms};
    uint8_t bytes[GRI_LEASE_RECORD_BYTES_MAX];
    size_t count = gri_lease_record_pack(&record, bytes);
    char key[GRI_LEASE_KEY_BYTES];
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;

    gri_lease_key(lease->node, key);
    err = m->ops->compare_and_set(m->coordinator, key, lease->revision, bytes, count, m->request_ms,
                                  &future);
    err = gri_operation_await(err, future, &msg, &answer);
    gr_msg_unref(msg);
    if (err == GR_OK) {
        remove_member(m, GRI_VIEW_FENCED, lease->node);
    } /* a conflict: it lives; no answer: the next look sees what became of it */
}

bool gri_lease_judge(gri_membership *m, uint64_t node, const gri_watched_lease *last,
                     const gr_coordinator_answer *answer, gri_watched_lease *out_look)
{
    gri_watched_lease look = {.node = node,
                              .revision = answer->revision,
                              .looked_ms = gr_system_now(m->sys),
                              .lease_ms = last == NULL ? m->lease_ms : last->lease_ms};
    gri_lease_record record = {.state = GRI_LEASE_HELD};

    if (answer->revision != 0 &&
        gri_lease_record_unpack(answer->value, answer->value_bytes, &record) == GR_OK) {
        look.lease_ms = record.lease_ms;
    }
    if (record.state != GRI_LEASE_HELD) {
        remove_member(m, record.state == GRI_LEASE_LEFT ? GRI_VIEW_LEAVE : GRI_VIEW_FENCED, node);
        return false;
    }
    if (last != NULL && last->revision == look.revision) {
        look.quiet_ms = last->quiet_ms + counted_ms(m, look.looked_ms - last->looked_ms);
        look.renews = last->renews;
    } else {
        look.renews = last != NULL;
    }
    *out_look = look;
    return true;
}
