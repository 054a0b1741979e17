/*
 * Watches across processes: who here watches whom there, or the other way round, so that the end of
 * a session can be told to those who watch and forgotten by those who are watched. Not locked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_WATCHES_H
#define GRI_REMOTE_WATCHES_H

#include <granary/pid.h>

typedef struct gri_watches {
    struct gri_watch *by_pair;
} gri_watches;

/* One more watch of this pair. False: more than `max` pairs, or out of memory. */
bool gri_watches_add(gri_watches *watches, gr_pid local, gr_pid foreign, uint32_t max);
bool gri_watches_has(const gri_watches *watches, gr_pid local, gr_pid foreign);
/* One less, false when there is none; or all of the pair. */
bool gri_watches_take(gri_watches *watches, gr_pid local, gr_pid foreign);
void gri_watches_remove(gri_watches *watches, gr_pid local, gr_pid foreign);
/* Takes out any pair; false: there is none left. */
bool gri_watches_pop(gri_watches *watches, gr_pid *out_local, gr_pid *out_foreign,
                     uint32_t *out_count);
uint32_t gri_watches_count(const gri_watches *watches);

#endif
