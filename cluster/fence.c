/*
 * The actor that watches others. In each quarter of a lease it reads the leases of the next three
 * members in the ring of node ids; one that was not seen to renew, or has been quiet for half a lease,
 * does not count, so that when neighbours die together somebody still looks beyond them.
 *
 * A lease whose record has not changed for its lease and a margin *since this node first saw that
 * revision, by this node's clock* is compare-and-set to "fenced" at that very revision: a conflict means
 * that its holder lives, success that it can never renew again and has stopped by its own clock (lease.c
 * says why). Then, and only then, the member is taken out of the view. A record that is not there counts
 * as one at revision 0. A broken connection makes this actor look at once; it never shortens the wait.
 *
 * Time in which this node did not look counts little: after an outage of the coordinator, or when the
 * whole machine was asleep, the holders get the time to renew. So a pause costs a pause, and nobody is
 * fenced for it.
 *
 * It also settles a view that was founded where there was none, once every owner of a lost view must
 * have stopped; and, in the first member, clears away the lease records of those that have gone. That
 * is safe at any time: a renewal expects the revision of a record that is no longer there, and fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <inttypes.h>
#include <string.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>

enum { ROUNDS_PER_LEASE = 4, WANTED_ALIVE = 3, CLEARED_PER_ROUND = 4 };

/* What one round is about. */
typedef struct fence_round {
    gri_membership *m;
    gri_view *view;
    gri_watched_lease looked[GRI_WATCHED_MAX];
    size_t looked_count;
    size_t alive;
    int64_t due_ms; /* when there will be something to do next */
} fence_round;

static void due_at(fence_round *round, int64_t at_ms)
{
    round->due_ms = at_ms < round->due_ms ? at_ms : round->due_ms;
}

static int64_t quiet_limit_ms(int64_t lease_ms)
{
    return lease_ms + gri_membership_margin_ms(lease_ms);
}

/* How much of the time between two looks counts: looks are a quarter of a lease apart. */
static int64_t counted_ms(const gri_membership *m, int64_t between_ms)
{
    int64_t most = m->lease_ms * 3 / 8;

    return between_ms > most ? most : between_ms;
}

static const gri_watched_lease *last_look(const gri_membership *m, uint64_t node)
{
    size_t i = 0;

    for (i = 0; i < m->watched_count; i++) {
        if (m->watched[i].node == node) {
            return &m->watched[i];
        }
    }
    return NULL;
}

/* ---- ending members */

static void remove_member(gri_membership *m, gri_view_event_kind kind, uint64_t node)
{
    gri_view_event event = {.kind = kind, .node = node};
    gr_err err = gri_membership_change(m, &event, NULL, gr_system_now(m->sys) + m->lease_ms);

    if (err == GR_OK) {
        gr_system_log(m->sys, GR_LOG_INFO, "GR-CLUSTER-MEMBER-GONE", "node %016" PRIx64 " %s", node,
                      kind == GRI_VIEW_FENCED ? "was fenced: its shards have new owners"
                                              : "has left");
    } /* else the next round tries again: the record says what is to be done */
}

static void end_lease(gri_membership *m, const gri_watched_lease *lease)
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
    } /* a conflict: it lives; no answer: the next round sees what became of it */
}

/* ---- looking */

static void judge(fence_round *round, uint64_t node, const gr_coordinator_answer *answer)
{
    gri_membership *m = round->m;
    const gri_watched_lease *last = last_look(m, node);
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
        return;
    }
    if (last != NULL && last->revision == look.revision) {
        look.quiet_ms = last->quiet_ms + counted_ms(m, look.looked_ms - last->looked_ms);
        look.renews = last->renews;
    } else {
        look.renews = last != NULL;
    }
    round->looked[round->looked_count] = look;
    round->looked_count++;
    round->alive += look.renews && look.quiet_ms < look.lease_ms / 2;
    if (look.quiet_ms >= quiet_limit_ms(look.lease_ms)) {
        end_lease(m, &look);
    } else {
        due_at(round, look.looked_ms + quiet_limit_ms(look.lease_ms) - look.quiet_ms);
    }
}

/* What is not known stays as it was last seen. */
static void keep_last(fence_round *round, uint64_t node)
{
    const gri_watched_lease *last = last_look(round->m, node);

    if (last != NULL) {
        round->looked[round->looked_count] = *last;
        round->looked_count++;
    }
}

/* Reads `count` leases at once, from the `first`th member after this one on. */
static gr_err look_at(fence_round *round, size_t own, size_t first, size_t count)
{
    gri_membership *m = round->m;
    const gri_view *view = round->view;
    gr_future *futures[WANTED_ALIVE] = {NULL};
    gr_err started[WANTED_ALIVE] = {GR_OK};
    gr_err stopped = GR_OK;
    size_t i = 0;

    for (i = 0; i < count; i++) {
        char key[GRI_LEASE_KEY_BYTES];

        gri_lease_key(view->members[(own + first + i) % view->members_count].node, key);
        started[i] = m->ops->read(m->coordinator, key, m->request_ms, &futures[i]);
    }
    for (i = 0; i < count; i++) {
        uint64_t node = view->members[(own + first + i) % view->members_count].node;
        gr_msg *msg = NULL;
        const gr_coordinator_answer *answer = NULL;
        gr_err err = gri_operation_await(started[i], futures[i], &msg, &answer);

        if (err == GR_OK) {
            judge(round, node, answer);
            gr_msg_unref(msg);
        } else {
            keep_last(round, node);
            stopped = err == GR_ESTOPPED ? err : stopped;
        }
    }
    return stopped;
}

static void look_around(fence_round *round)
{
    gri_membership *m = round->m;
    const gri_member *self = gri_view_member(round->view, m->self.node);
    size_t others = round->view->members_count - 1;
    size_t seen = 0;
    gr_err err = GR_OK;

    if (self == NULL) {
        return;
    }
    while (err == GR_OK && round->alive < WANTED_ALIVE && seen < others &&
           seen + WANTED_ALIVE <= GRI_WATCHED_MAX) {
        size_t count = WANTED_ALIVE - round->alive;

        count = count > others - seen ? others - seen : count;
        err = look_at(round, (size_t)(self - round->view->members), seen + 1, count);
        seen += count;
    }
    memcpy(m->watched, round->looked, round->looked_count * sizeof(m->watched[0]));
    m->watched_count = round->looked_count;
}

/* ---- settling and clearing away */

static void settle(fence_round *round)
{
    gri_membership *m = round->m;
    gri_view_event event = {.kind = GRI_VIEW_SETTLE};
    int64_t at_ms = 0;

    if (round->view->settled) {
        return;
    }
    pthread_mutex_lock(&m->lock);
    at_ms = m->founded_seen_ms + quiet_limit_ms(m->lease_ms);
    pthread_mutex_unlock(&m->lock);
    if (gr_system_now(m->sys) < at_ms) {
        due_at(round, at_ms);
        return;
    }
    (void)gri_membership_change(m, &event, NULL, gr_system_now(m->sys) + m->lease_ms);
}

static bool is_cleared(const gri_membership *m, uint64_t node)
{
    size_t i = 0;

    for (i = 0; i < m->cleared_count; i++) {
        if (m->cleared[i] == node) {
            return true;
        }
    }
    return false;
}

static gr_err clear_one(gri_membership *m, uint64_t node)
{
    uint64_t revision = 0;
    gr_err err = gri_lease_read(m, node, &revision);

    return err == GR_OK && revision != 0 ? gri_lease_clear(m, node, revision) : err;
}

/* One member does this: the first. */
static void clear_departed(fence_round *round)
{
    gri_membership *m = round->m;
    const gri_view *view = round->view;
    uint64_t still[GRI_VIEW_DEPARTED_MAX];
    size_t still_count = 0;
    size_t tried = 0;
    size_t i = 0;

    if (view->members_count == 0 || view->members[0].node != m->self.node) {
        return;
    }
    for (i = 0; i < view->departed_count; i++) {
        bool cleared = is_cleared(m, view->departed[i]);

        if (!cleared && tried < CLEARED_PER_ROUND) {
            tried++;
            cleared = clear_one(m, view->departed[i]) == GR_OK;
        }
        if (cleared) {
            still[still_count] = view->departed[i];
            still_count++;
        }
    }
    memcpy(m->cleared, still, still_count * sizeof(still[0]));
    m->cleared_count = still_count;
}

/* ---- the actor */

/* What is due before the next tick gets a tick of its own. */
static void wake_when_due(gr_context *ctx, const fence_round *round)
{
    int64_t in_ms = round->due_ms - gr_system_now(round->m->sys);
    gr_timer_id timer;

    if (in_ms > 0 && in_ms < round->m->lease_ms / ROUNDS_PER_LEASE) {
        /* Without memory for it the next tick will do. */
        (void)!gr_timer_start(ctx, in_ms, 0, gr_msg_new(&gri_member_look_type), &timer);
    }
}

static gr_err started(gr_context *ctx, void *state)
{
    gri_membership *m = state;
    gr_timer_id timer;

    return gr_timer_start(ctx, 0, m->lease_ms / ROUNDS_PER_LEASE, gr_msg_new(&gri_member_tick_type),
                          &timer);
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gri_membership *m = state;
    fence_round round = {.m = m, .due_ms = INT64_MAX};
    gri_membership_state now = gri_membership_state_now(m);

    (void)msg;
    if (now != GRI_MEMBERSHIP_MEMBER && now != GRI_MEMBERSHIP_LEAVING) {
        return GR_OK;
    }
    round.view = gri_membership_newest(m, NULL);
    settle(&round);
    look_around(&round);
    clear_departed(&round);
    gri_view_unref(round.view);
    wake_when_due(ctx, &round);
    return GR_OK;
}

const gr_props gri_fence_props = {
    .type_name = "membership.fence", .started = started, .receive = receive};
