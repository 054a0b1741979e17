/*
 * Claiming an address. An address belongs to one node: two could not both be reached there. So a node that
 * joins first looks whether a member has its address, and waits to see what that one's lease does:
 *
 *   - it is renewed: that node lives, and this one is refused;
 *   - it does not change for a lease and a margin: that node is dead (this one before a crash, most
 *     often), and is fenced like any other (lease_watch.c); by then a watcher often has done so.
 *
 * One change is not enough to be sure: it may be the last renewal of a process that has died since, which
 * was still on its way. That cannot be so for two, as the second expects the revision of the first.
 * Runs in whoever starts membership, before there are actors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <inttypes.h>
#include <string.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>

enum { LOOKS_PER_LEASE = 8, RENEWALS_OF_THE_LIVING = 2, ENDINGS_MAX = 2 * LOOKS_PER_LEASE };

typedef struct holder {
    gri_watched_lease look; /* node 0: nobody has been looked at yet */
    unsigned renewals;
    unsigned endings; /* how often it was tried to end it */
} holder;

/* Who has the address by the newest view known; 0: nobody. */
static uint64_t holder_now(gri_membership *m)
{
    gri_view *view = gri_membership_newest(m, NULL);
    uint64_t node = 0;
    size_t i = 0;

    for (i = 0; view != NULL && i < view->members_count; i++) {
        if (view->members[i].node != m->self.node &&
            strcmp(view->members[i].address, m->self.address) == 0) {
            node = view->members[i].node;
        }
    }
    gri_view_unref(view);
    return node;
}

/* One look at its lease. */
static gr_err look(gri_membership *m, uint64_t node, holder *seen)
{
    char key[GRI_LEASE_KEY_BYTES];
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    const gri_watched_lease *last = seen->look.node == node ? &seen->look : NULL;
    gri_watched_lease now;
    gr_err err = GR_OK;

    gri_lease_key(node, key);
    err = m->ops->read(m->coordinator, key, m->request_ms, &future);
    err = gri_operation_await(err, future, &msg, &answer);
    if (err != GR_OK) {
        return err;
    }
    if (gri_lease_judge(m, node, last, answer, &now)) {
        bool renewed = last != NULL && now.revision != 0 && now.revision != last->revision;

        seen->renewals = last == NULL ? 0 : seen->renewals + renewed;
        seen->look = now;
        if (now.quiet_ms >= gri_lease_quiet_limit_ms(now.lease_ms)) {
            seen->endings++;
            gri_lease_end(m, &now);
        }
    }
    gr_msg_unref(msg);
    /* It is over, and still it cannot be taken out of the view: the coordinator takes no writes. */
    return seen->endings > ENDINGS_MAX
               ? GRI_FAIL(GR_EIO,
                          "the address %.100s is that of node %016" PRIx64
                          ", which is gone, but the coordinator lets nobody write that down",
                          m->self.address, node)
               : GR_OK;
}

gr_err gri_address_claim(gri_membership *m, int64_t *deadline_ms)
{
    holder seen = {0};
    unsigned failures = 0;
    uint64_t node = 0;
    gr_err err = GR_OK;

    while ((node = holder_now(m)) != 0) {
        int64_t began_ms = gr_system_now(m->sys);

        err = look(m, node, &seen);
        if (err == GR_OK && seen.renewals >= RENEWALS_OF_THE_LIVING) {
            return GRI_FAIL(GR_EEXIST,
                            "the address %.100s is that of node %016" PRIx64
                            ", which is running: give this one its own (--advertise, --listen), or "
                            "stop the other",
                            m->self.address, node);
        }
        if (err == GR_OK) {
            failures = 0;
            err = gri_pause(m->sys, m->lease_ms / LOOKS_PER_LEASE);
        } else if (gr_system_now(m->sys) < *deadline_ms) {
            err = gri_pause_after_failure(m->sys, failures++);
        }
        if (err == GR_OK) {
            (void)gri_membership_read_view(m); /* if it fails, what is known will do for now */
        }
        if (err != GR_OK) {
            return err;
        }
        /* Waiting for a lease to run out is not what the deadline is for. */
        if (failures == 0 && *deadline_ms < INT64_MAX / 2) {
            *deadline_ms += gr_system_now(m->sys) - began_ms;
        }
    }
    return GR_OK;
}
