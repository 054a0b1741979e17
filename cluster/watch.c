/*
 * The actor that waits for newer views. One fiber watches the key for as long as this node is a
 * member; another reads it at once when a peer has told of a newer one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <granary/runtime_spi.h>

#include <gri/fail.h>

enum { WATCH_MS = 10000, EARLY_MS = 50, EARLY_PAUSE_MS = 100 };

static gr_err watch_once(gri_membership *m, uint64_t *out_revision)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gri_view_mark since = {.version = 0, .revision = gri_membership_mark(m).revision};
    gr_err err = m->ops->watch(m->coordinator, GRI_VIEW_KEY, since.revision, WATCH_MS, &future);

    err = gri_operation_await(err, future, &msg, &answer);
    if (err == GR_OK) {
        *out_revision = answer->revision;
        err = gri_membership_adopt_answer(m, answer, since);
        gr_msg_unref(msg);
    }
    return err;
}

static gr_err keep_watching(gri_membership *m)
{
    unsigned failures = 0;
    uint64_t last_revision = 0;

    while (gri_membership_state_now(m) <= GRI_MEMBERSHIP_LEAVING) {
        int64_t began_ms = gr_system_now(m->sys);
        uint64_t revision = 0;
        gr_err err = watch_once(m, &revision);
        gr_err paused = GR_OK;

        if (err == GR_ESTOPPED || err == GR_ERESTARTED) {
            return GR_OK;
        }
        if (err != GR_OK) {
            paused = gri_pause_after_failure(m->sys, failures++);
        } else {
            failures = 0;
            /* Coordinators may answer early for no reason: that must not become a hot loop. */
            if (revision == last_revision && gr_system_now(m->sys) - began_ms < EARLY_MS) {
                paused = gri_pause(m->sys, EARLY_PAUSE_MS);
            }
            last_revision = revision;
        }
        if (paused == GR_ESTOPPED || paused == GR_ERESTARTED) {
            return GR_OK;
        }
    }
    return GR_OK;
}

static gr_err started(gr_context *ctx, void *state)
{
    gr_timer_id timer;

    (void)state;
    return gr_timer_start(ctx, 0, 0, gr_msg_new(&gri_member_look_type), &timer);
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gri_membership *m = state;

    (void)ctx;
    if (gr_msg_read(msg, &gri_member_look_type) != NULL) {
        return keep_watching(m);
    }
    /* However many peers tell of it, one read is enough. */
    if (!m->reading_hint) {
        m->reading_hint = true;
        (void)gri_membership_read_view(m); /* else the watch will see it */
        m->reading_hint = false;
    }
    return GR_OK;
}

const gr_props gri_watch_props = {
    .type_name = "membership.watch", .started = started, .receive = receive, .reentrant = true};
