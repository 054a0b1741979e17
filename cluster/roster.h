/*
 * Who the remote layer knows: keeps its addresses in step with the view. A member that has gone is forgotten a little
 * later, so that the refusals of a node that leaves politely still arrive. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_ROSTER_H
#define GRI_ROSTER_H

#include <pthread.h>

#include "view.h"

enum { GRI_ROSTER_GRACE_MS = 300 };

typedef struct gri_roster_entry {
    uint64_t node;
    int64_t gone_ms; /* since when it is in no view; INT64_MAX: it is in the newest */
} gri_roster_entry;

typedef struct gri_roster {
    gr_system *sys;
    gr_remote *remote;
    pthread_mutex_t lock;
    gri_roster_entry *entries; /* lock */
    size_t count, room;        /* lock */
    gr_alarm alarm;
} gri_roster;

void gri_roster_init(gri_roster *roster, gr_system *sys, gr_remote *remote);
/* Before the remote is stopped. */
void gri_roster_close(gri_roster *roster);
/* After a simulated crash only this one. */
void gri_roster_fini(gri_roster *roster);

void gri_roster_view(gri_roster *roster, const gri_view *view);

#endif
