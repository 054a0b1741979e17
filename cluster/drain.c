/*
 * The actor that gives shards away: when another member should have them, and all of them when this
 * node leaves. A shard is drained first (the node holds its calls and ends its turns), then given by a
 * change of the view, many in one change. Only the owner does this, so what a node knows of its own
 * shards is never out of date.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <inttypes.h>
#include <string.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

static int64_t leave_by(gri_membership *m)
{
    return atomic_load_explicit(&m->leave_by_ms,
                                memory_order_relaxed); /* a time limit and no more */
}

/* ---- a batch: drained, and neither given nor taken up again */

static gr_err begin_batch(gri_membership *m)
{
    gri_shard_ref *drained = gri_calloc(GRI_DRAIN_SHARDS_MAX, sizeof(*drained));
    gri_view *view = gri_membership_newest(m, NULL);
    size_t count = 0;
    gr_err err = drained == NULL ? GRI_FAIL(GR_ENOMEM, "draining shards") : GR_OK;

    if (err == GR_OK) {
        err = gri_view_to_give(view, m->self.node, drained, GRI_DRAIN_SHARDS_MAX, &count);
    }
    if (err != GR_OK || count == 0) {
        gri_free(drained);
        gri_view_unref(view);
        return err;
    }
    m->drained = drained;
    m->drained_count = count;
    m->drained_by = view;
    m->events->drain(m->events_self, drained, count);
    return GR_OK;
}

/* Those that are still ours by the newest view are served again, unless an attempt to give them may
 * have been carried out since: then nobody here knows whose they are, and they stay drained. */
static void end_batch(gri_membership *m)
{
    uint64_t revision = 0;
    gri_view *view = gri_membership_newest(m, &revision);
    size_t kept = 0;
    size_t i = 0;

    if (revision != m->give_unsure_at) {
        for (i = 0; i < m->drained_count; i++) {
            const gri_shard *shards = gri_view_shards(view, m->drained[i].table);

            if (shards[m->drained[i].shard].owner == m->self.node) {
                m->drained[kept] = m->drained[i];
                kept++;
            }
        }
        if (kept > 0) {
            m->events->drain_undone(m->events_self, m->drained, kept);
        }
        gri_drain_forget(m);
    }
    gri_view_unref(view);
}

void gri_drain_forget(gri_membership *m)
{
    gri_free(m->drained);
    m->drained = NULL;
    m->drained_count = 0;
    m->drained_by = gri_view_unref(m->drained_by);
}

static gr_err give_batch(gri_membership *m)
{
    gri_shard_ref *given = gri_calloc(m->drained_count, sizeof(*given));
    gri_view_event event = {
        .kind = GRI_VIEW_GIVE, .node = m->self.node, .given_count = m->drained_count};
    gr_err err = given == NULL ? GRI_FAIL(GR_ENOMEM, "giving shards") : GR_OK;

    if (err == GR_OK) {
        memcpy(given, m->drained, m->drained_count * sizeof(*given));
        err = gri_membership_change(m, &event, given, INT64_MAX);
    }
    gri_free(given);
    return err;
}

/* Drains and gives what should go by the newest view, up to a limit; *out_count is how many that were.
 * A batch that could not be given is taken up again, now or as soon as it is known whose it is. */
static gr_err give_some(gri_membership *m, size_t *out_count)
{
    gr_err err = m->drained == NULL ? begin_batch(m) : GR_OK;
    size_t count = m->drained_count;

    if (err == GR_OK && count > 0) {
        err = give_batch(m);
        if (err != GR_OK && err != GR_ESTOPPED) {
            gr_system_log(m->sys, GR_LOG_WARN, "GR-CLUSTER-NOT-GIVEN",
                          "node %016" PRIx64 " keeps %zu shards that others should have: %s",
                          m->self.node, count, gr_last_error()->text);
        }
        if (gri_membership_state_now(m) <= GRI_MEMBERSHIP_LEAVING && err != GR_ESTOPPED) {
            end_batch(m);
        }
    }
    if (err == GR_OK) {
        *out_count = count;
    }
    return err;
}

static void give_all(gri_membership *m)
{
    size_t count = 1;
    gr_err err = GR_OK;

    while (err == GR_OK && count > 0 && gri_membership_may_act(m) &&
           gr_system_now(m->sys) < leave_by(m)) {
        err = give_some(m, &count);
    }
}

/* ---- leaving */

static size_t still_to_give(gri_membership *m)
{
    gri_view *view = gri_membership_newest(m, NULL);
    gri_shard_ref one;
    size_t count = 0;
    gr_err err = gri_view_to_give(view, m->self.node, &one, 1, &count);

    gri_view_unref(view);
    return err == GR_OK ? count : 1;
}

static void hide(gri_membership *m)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = m->ops->hide(m->coordinator, m->request_ms, &future);

    if (gri_operation_await(err, future, &msg, &answer) != GR_OK) {
        gr_system_log(m->sys, GR_LOG_WARN, "GR-CLUSTER-STILL-SHOWN",
                      "node %016" PRIx64 " has left but is still shown: %s", m->self.node,
                      gr_last_error()->text);
    }
    gr_msg_unref(msg);
}

/* The order matters: it acts no more, says so, and only then others are given what it still had. */
static gr_err leave(gri_membership *m)
{
    gri_view_event leaving = {.kind = GRI_VIEW_LEAVING, .node = m->self.node};
    gri_view_event gone = {.kind = GRI_VIEW_LEAVE, .node = m->self.node};
    gr_msg *reply = NULL;
    size_t left_over = 0;
    gr_err err = GR_OK;

    if (!gri_membership_go(m, GRI_MEMBERSHIP_LEAVING)) {
        return GRI_FAIL(GR_ESTOPPED, "node %016" PRIx64 " is no longer a member", m->self.node);
    }
    err = gri_membership_change(m, &leaving, NULL, leave_by(m));
    if (err == GR_OK) {
        give_all(m);
    }
    if (m->events->last_turns != NULL && gri_membership_may_act(m)) {
        m->events->last_turns(m->events_self);
    }
    left_over = still_to_give(m);
    (void)gri_membership_go(m, GRI_MEMBERSHIP_LEFT);
    err =
        gr_request(m->sys, m->lease, gr_msg_new(&gri_member_left_type), 2 * m->request_ms, &reply);
    gr_msg_unref(reply);
    err = gri_membership_change(m, &gone, NULL, leave_by(m));
    if (err == GR_OK) {
        (void)gri_lease_remove(m); /* else whoever is left clears it away */
    }
    hide(m);
    if (left_over > 0) {
        return GRI_FAIL(GR_ETIMEDOUT,
                        "node %016" PRIx64 " left before all of its shards were drained",
                        m->self.node);
    }
    return err;
}

/* ---- the actor */

static gr_err started(gr_context *ctx, void *state)
{
    gri_membership *m = state;
    gr_timer_id timer;

    return gr_timer_start(ctx, 0, m->lease_ms / 2, gr_msg_new(&gri_member_tick_type), &timer);
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gri_membership *m = state;
    gr_err err = GR_OK;

    if (gr_msg_read(msg, &gri_member_leave_type) != NULL) {
        err = leave(m);
        return err == GR_OK ? gr_respond(ctx, gr_msg_new(&gri_member_leave_type)) : err;
    }
    if (gri_membership_state_now(m) == GRI_MEMBERSHIP_MEMBER) {
        give_all(m);
    }
    return GR_OK;
}

const gr_props gri_drain_props = {
    .type_name = "membership.drain", .started = started, .receive = receive};
