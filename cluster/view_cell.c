/*
 * The newest view that a process knows. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "view_cell.h"

void gri_view_cell_init(gri_view_cell *cell)
{
    (void)pthread_mutex_init(&cell->lock, NULL);
    cell->view = NULL;
}

void gri_view_cell_fini(gri_view_cell *cell)
{
    cell->view = gri_view_unref(cell->view);
    (void)pthread_mutex_destroy(&cell->lock);
}

gri_view *gri_view_cell_read(gri_view_cell *cell)
{
    gri_view *view = NULL;

    (void)pthread_mutex_lock(&cell->lock);
    if (cell->view != NULL) {
        view = gri_view_ref(cell->view);
    }
    (void)pthread_mutex_unlock(&cell->lock);
    return view;
}

bool gri_view_is_older(const gri_view *view, uint64_t founded, uint64_t version)
{
    if (version == 0) {
        return false;
    }
    return view == NULL || (view->founded == founded && view->version < version);
}

static bool wants_locked(const gri_view_cell *cell, const gri_view *view)
{
    return gri_view_is_older(cell->view, view->founded, view->version) ||
           cell->view->founded != view->founded;
}

bool gri_view_cell_wants(gri_view_cell *cell, const gri_view *view)
{
    bool wants = false;

    (void)pthread_mutex_lock(&cell->lock);
    wants = wants_locked(cell, view);
    (void)pthread_mutex_unlock(&cell->lock);
    return wants;
}

bool gri_view_cell_offer(gri_view_cell *cell, gri_view *view)
{
    gri_view *old = NULL;
    bool newer = false;

    (void)pthread_mutex_lock(&cell->lock);
    newer = wants_locked(cell, view);
    if (newer) {
        old = cell->view;
        cell->view = gri_view_ref(view);
    }
    (void)pthread_mutex_unlock(&cell->lock);
    (void)gri_view_unref(old);
    return newer;
}
