/*
 * Sweeping: lease records that nobody holds and no view tells of are removed. They are left by a node that
 * was killed between taking its lease and joining, and by the members of a view that was lost. An
 * actor of its own, since nothing waits for it; of all members the first one sweeps.
 *
 * A record is a stray when its node is no member and it has not been written for much longer than a start
 * takes, since this node first saw it. Removing one is safe at any time: a renewal expects the
 * revision of a record that is no longer there, and fails; a node that joins late all the same has no
 * right without a renewal, and begins again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <stdlib.h>
#include <string.h>

#include <granary/runtime_spi.h>

enum { SWEEP_MS = 15000, STRAY_MS = 60000, LEASES = 2 };

static int64_t stray_ms(const gri_membership *m)
{
    return LEASES * m->lease_ms > STRAY_MS ? LEASES * m->lease_ms : STRAY_MS;
}

gr_err gri_lease_read(gri_membership *m, uint64_t node, uint64_t *out_revision)
{
    char key[GRI_LEASE_KEY_BYTES];
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;

    gri_lease_key(node, key);
    err = m->ops->read(m->coordinator, key, m->request_ms, &future);
    err = gri_operation_await(err, future, &msg, &answer);
    if (err == GR_OK) {
        *out_revision = answer->revision;
        gr_msg_unref(msg);
    }
    return err;
}

gr_err gri_lease_clear(gri_membership *m, uint64_t node, uint64_t revision)
{
    char key[GRI_LEASE_KEY_BYTES];
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;

    gri_lease_key(node, key);
    err = m->ops->remove(m->coordinator, key, revision, m->request_ms, &future);
    err = gri_operation_await(err, future, &msg, &answer);
    if (err == GR_OK) {
        gr_msg_unref(msg);
    }
    return err;
}

static const gri_stray *find_stray(const gri_membership *m, uint64_t node)
{
    size_t i = 0;

    for (i = 0; i < m->strays_count; i++) {
        if (m->strays[i].node == node) {
            return &m->strays[i];
        }
    }
    return NULL;
}

/* Whether it stays among the strays. */
static bool look_at_stray(gri_membership *m, uint64_t node, gri_stray *out_stray)
{
    const gri_stray *last = find_stray(m, node);
    int64_t now_ms = gr_system_now(m->sys);
    uint64_t revision = 0;

    if (gri_lease_read(m, node, &revision) != GR_OK || revision == 0) {
        return false;
    }
    *out_stray = last != NULL && last->revision == revision
                     ? *last
                     : (gri_stray){.node = node, .revision = revision, .seen_ms = now_ms};
    if (now_ms - out_stray->seen_ms < stray_ms(m)) {
        return true;
    }
    return gri_lease_clear(m, node, revision) != GR_OK;
}

/* One after the other, so that it is no burden; those beyond the limit have their turn later. */
static void look_at_all(gri_membership *m, const gri_view *view, const char *keys, size_t bytes)
{
    gri_stray still[GRI_STRAYS_MAX];
    size_t count = 0;
    size_t at = 0;

    for (at = 0; at < bytes && count < GRI_STRAYS_MAX; at += strlen(keys + at) + 1) {
        char key[GRI_LEASE_KEY_BYTES];
        const char *digits = strrchr(keys + at, '/');
        uint64_t node = digits == NULL ? 0 : strtoull(digits + 1, NULL, 16);

        gri_lease_key(node, key);
        if (node != 0 && strcmp(key, keys + at) == 0 && gri_view_member(view, node) == NULL) {
            count += look_at_stray(m, node, &still[count]);
        }
    }
    memcpy(m->strays, still, count * sizeof(still[0]));
    m->strays_count = count;
}

static void sweep(gri_membership *m, const gri_view *view)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = m->ops->list(m->coordinator, GRI_LEASE_PREFIX, m->request_ms, &future);

    err = gri_operation_await(err, future, &msg, &answer);
    if (err == GR_OK) {
        look_at_all(m, view, (const char *)answer->value, answer->value_bytes);
        gr_msg_unref(msg);
    } /* else another time */
}

/* ---- the actor */

static gr_err started(gr_context *ctx, void *state)
{
    gr_timer_id timer;

    (void)state;
    return gr_timer_start(ctx, SWEEP_MS, SWEEP_MS, gr_msg_new(&gri_member_tick_type), &timer);
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gri_membership *m = state;
    gri_view *view = gri_membership_newest(m, NULL);

    (void)ctx;
    (void)msg;
    if (gri_membership_state_now(m) == GRI_MEMBERSHIP_MEMBER && view->members_count > 0 &&
        view->members[0].node == m->self.node) {
        sweep(m, view);
    } else {
        m->strays_count = 0; /* whoever sweeps now counts the time itself */
    }
    gri_view_unref(view);
    return GR_OK;
}

const gr_props gri_sweep_props = {
    .type_name = "membership.sweep", .started = started, .receive = receive};
