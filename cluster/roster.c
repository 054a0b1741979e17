/*
 * The roster: see roster.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "roster.h"

#include <gri/mem.h>

static void on_alarm(void *arg);

void gri_roster_init(gri_roster *roster, gr_system *sys, gr_remote *remote)
{
    *roster = (gri_roster){.sys = sys, .remote = remote};
    (void)pthread_mutex_init(&roster->lock, NULL);
    gr_alarm_init(&roster->alarm, sys, on_alarm, roster);
}

void gri_roster_close(gri_roster *roster)
{
    gr_alarm_fini(&roster->alarm);
}

void gri_roster_fini(gri_roster *roster)
{
    gri_free(roster->entries);
    roster->entries = NULL;
    (void)pthread_mutex_destroy(&roster->lock);
}

static gri_roster_entry *find_locked(gri_roster *roster, uint64_t node)
{
    for (size_t i = 0; i < roster->count; i++) {
        if (roster->entries[i].node == node) {
            return &roster->entries[i];
        }
    }
    return NULL;
}

/* False: it was known, or there is no memory to know it, and then its address is told again with every view. */
static bool add_locked(gri_roster *roster, uint64_t node)
{
    gri_roster_entry *entry = find_locked(roster, node);

    if (entry != NULL) {
        entry->gone_ms = INT64_MAX;
        return false;
    }
    if (roster->count == roster->room) {
        size_t room = roster->room == 0 ? 16 : roster->room * 2;
        gri_roster_entry *grown = gri_realloc(roster->entries, room * sizeof(*grown));

        if (grown == NULL) {
            return true;
        }
        roster->entries = grown;
        roster->room = room;
    }
    roster->entries[roster->count++] = (gri_roster_entry){node, INT64_MAX};
    return true;
}

static void mark_gone_locked(gri_roster *roster, const gri_view *view)
{
    bool any = false;

    for (size_t i = 0; i < roster->count; i++) {
        gri_roster_entry *entry = &roster->entries[i];

        if (entry->gone_ms == INT64_MAX && gri_view_member(view, entry->node) == NULL) {
            entry->gone_ms = gr_system_now(roster->sys);
            any = true;
        }
    }
    if (any) {
        gr_alarm_set(&roster->alarm, gr_system_now(roster->sys) + GRI_ROSTER_GRACE_MS);
    }
}

void gri_roster_view(gri_roster *roster, const gri_view *view)
{
    uint64_t self = gr_system_node(roster->sys);

    for (size_t i = 0; i < view->members_count; i++) {
        const gri_member *member = &view->members[i];
        bool is_new = false;

        if (member->node == self) {
            continue;
        }
        (void)pthread_mutex_lock(&roster->lock);
        is_new = add_locked(roster, member->node);
        (void)pthread_mutex_unlock(&roster->lock);
        if (is_new &&
            gr_remote_set_address(roster->remote, member->node, member->address) != GR_OK) {
            gr_system_log(roster->sys, GR_LOG_WARN, "GR-CLUSTER-ADDRESS",
                          "member at %s cannot be dialled: %s", member->address,
                          gr_last_error()->text);
        }
    }
    (void)pthread_mutex_lock(&roster->lock);
    mark_gone_locked(roster, view);
    (void)pthread_mutex_unlock(&roster->lock);
}

/* One that has been gone for long enough, taken out; 0: none. */
static uint64_t take_gone(gri_roster *roster)
{
    uint64_t node = 0;
    int64_t next_ms = INT64_MAX;

    (void)pthread_mutex_lock(&roster->lock);
    for (size_t i = 0; i < roster->count && node == 0; i++) {
        int64_t gone_ms = roster->entries[i].gone_ms;

        if (gone_ms == INT64_MAX) {
            continue;
        }
        if (gone_ms + GRI_ROSTER_GRACE_MS <= gr_system_now(roster->sys)) {
            node = roster->entries[i].node;
            roster->entries[i] = roster->entries[--roster->count];
        } else if (gone_ms + GRI_ROSTER_GRACE_MS < next_ms) {
            next_ms = gone_ms + GRI_ROSTER_GRACE_MS;
        }
    }
    if (node == 0 && next_ms != INT64_MAX) {
        gr_alarm_set(&roster->alarm, next_ms);
    }
    (void)pthread_mutex_unlock(&roster->lock);
    return node;
}

static void on_alarm(void *arg)
{
    gri_roster *roster = arg;
    uint64_t node = 0;

    while ((node = take_gone(roster)) != 0) {
        gr_remote_forget(roster->remote, node);
    }
}
