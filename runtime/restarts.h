/*
 * How often and how soon somebody may be restarted: a count within a window, and a back-off.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_RESTARTS_H
#define GRI_RESTARTS_H

#include <granary/system.h>

/* The restarts of one actor, or of all children of one, in the turns of whoever decides about them. */
typedef struct gri_restarts {
    int64_t due_ms;   /* of the latest one */
    int64_t delay_ms; /* before the latest one */
    double base_ms;   /* that before chance made it longer; 0: none yet */
    int64_t *at_ms;   /* when the latest ones were decided, a ring */
    int count, next, room;
} gri_restarts;

/* GR_EINVAL, naming the value and the remedy. `whose` is for the text; `of_children`: it is a parent's. */
gr_err gri_supervision_check(const gr_supervision *supervision, const char *whose,
                             bool of_children);

/* Counts one more restart and works out when it is due; false: the window has had its share, or there is no memory. */
bool gri_restarts_take(gri_restarts *restarts, const gr_supervision *supervision, gr_system *sys);
void gri_restarts_fini(gri_restarts *restarts);

#endif
