/*
 * The newest view that a process knows, for any thread to read and for whoever hears of one to
 * replace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_VIEW_CELL_H
#define GRI_VIEW_CELL_H

#include <pthread.h>

#include "view.h"

typedef struct gri_view_cell {
    pthread_mutex_t lock;
    gri_view *view; /* lock; NULL until the first */
} gri_view_cell;

void gri_view_cell_init(gri_view_cell *cell);
void gri_view_cell_fini(gri_view_cell *cell);

/* The newest view: a reference, unref it; NULL when none is known. */
gri_view *gri_view_cell_read(gri_view_cell *cell);

/* Takes a reference to `view` when it is newer than what is there or of another founding, about which whoever tells it is
 * right: a node with a lease. False: it is not. And: whether it would. */
bool gri_view_cell_wants(gri_view_cell *cell, const gri_view *view);
bool gri_view_cell_offer(gri_view_cell *cell, gri_view *view);

/* Whether (founded, version) names a view that is newer than `view`, as far as one can tell. NULL
 * is older than all. */
bool gri_view_is_older(const gri_view *view, uint64_t founded, uint64_t version);

#endif
