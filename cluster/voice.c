/*
 * The actor that tells the node what it should know: newer views, the lease lapsed and regained, and
 * that it was fenced. It compares what is with what it has told, so a poke that got lost only delays
 * it until its next tick. It also shows the node to people and tools through the coordinator: what
 * hangs does not tick, and is seen to be hanging.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

enum { SHOW_MS = 3000 };

static void tell_fenced(gri_membership *m)
{
    gr_future *future = NULL;

    m->told_fenced = true;
    if (m->ops->hide(m->coordinator, m->request_ms, &future) == GR_OK) {
        gr_future_unref(future); /* nobody waits for it */
    }
    m->events->fenced(m->events_self);
}

static void tell_view(gri_membership *m)
{
    gri_view *view = gri_membership_newest(m, NULL);

    if (view != NULL && view->version > m->told_version) {
        m->told_version = view->version;
        m->events->view_changed(m->events_self, view);
    }
    gri_view_unref(view);
}

static void tell_lease(gri_membership *m)
{
    bool valid = gri_membership_may_act(m);

    if (valid == m->told_valid) {
        return;
    }
    m->told_valid = valid;
    if (valid) {
        m->events->lease_regained(m->events_self);
    } else {
        m->events->lease_lapsed(m->events_self);
    }
}

static void show(gri_membership *m)
{
    const gri_member *self = &m->self;
    size_t count = self->kinds_count + self->role_kinds_count + 1;
    const char **tags = gri_calloc(count, sizeof(*tags));
    char id[24];
    size_t used = 0;
    size_t i = 0;

    (void)snprintf(id, sizeof(id), "%016" PRIx64, self->node);
    for (i = 0; tags != NULL && i < count; i++) {
        tags[used] = i < self->kinds_count ? gri_text("kind:%s", self->kinds[i])
                     : i + 1 < count ? gri_text("kind:%s", self->role_kinds[i - self->kinds_count])
                     : self->role[0] != '\0' ? gri_text("role:%s", self->role)
                                             : NULL;
        used += tags[used] != NULL;
    }
    if (tags != NULL) {
        gr_coordinator_member member = {id, self->address, tags, used};

        m->ops->show(m->coordinator, &member, gri_membership_may_act(m));
    }
    for (i = 0; i < used; i++) {
        gri_free((char *)(uintptr_t)tags[i]);
    }
    gri_free(tags);
}

static void tell_all(gri_membership *m)
{
    gri_membership_state state = gri_membership_state_now(m);
    int64_t now = gr_system_now(m->sys);

    if (m->told_fenced) {
        return;
    }
    if (state == GRI_MEMBERSHIP_FENCED) {
        tell_fenced(m);
        return;
    }
    tell_view(m);
    if (state != GRI_MEMBERSHIP_LEFT) { /* a lease that was given back has not lapsed */
        tell_lease(m);
    }
    if (state <= GRI_MEMBERSHIP_LEAVING && now - m->shown_ms >= SHOW_MS) {
        m->shown_ms = now;
        show(m);
    }
}

void gri_voice_tell_first(gri_membership *m)
{
    tell_view(m);
}

static gr_err started(gr_context *ctx, void *state)
{
    gri_membership *m = state;
    gr_timer_id timer;

    m->shown_ms = gr_system_now(m->sys) - SHOW_MS;
    return gr_timer_start(ctx, m->lease_ms / 4, m->lease_ms / 4, gr_msg_new(&gri_member_tick_type),
                          &timer);
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)msg;
    tell_all(state);
    return GR_OK;
}

const gr_props gri_voice_props = {
    .type_name = "membership.voice", .started = started, .receive = receive};
