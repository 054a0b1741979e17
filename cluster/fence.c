/*
 * The actor that watches others. In each quarter of a lease it reads the leases of the next three
 * members in the ring of node ids; one that was not seen to renew, or has been quiet for half a lease,
 * does not count, so that when neighbours die together somebody still looks beyond them.
 *
 * When a lease is over, and what follows from it, is in lease_watch.c. A broken connection makes this actor look
 * at once; it never shortens the wait.
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

/* ---- looking */

static void judge(fence_round *round, uint64_t node, const gr_coordinator_answer *answer)
{
    gri_membership *m = round->m;
    int64_t limit_ms = 0;
    gri_watched_lease look;

    if (!gri_lease_judge(m, node, last_look(m, node), answer, &look)) {
        return;
    }
    round->looked[round->looked_count] = look;
    round->looked_count++;
    round->alive += look.renews && look.quiet_ms < look.lease_ms / 2;
    limit_ms = gri_lease_quiet_limit_ms(look.lease_ms);
    if (look.quiet_ms >= limit_ms) {
        gri_lease_end(m, &look);
    } else {
        due_at(round, look.looked_ms + limit_ms - look.quiet_ms);
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
    at_ms = m->founded_seen_ms + gri_lease_quiet_limit_ms(m->lease_ms);
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
