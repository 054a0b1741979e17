/*
 * Pids of those who watch, or are watched: each is found in the same time however many there are, and they come out in the
 * order in which they went in, so that a run under a seed stays the same run. An empty table owns no memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_WATCH_TABLE_H
#define GRI_WATCH_TABLE_H

#include <granary/runtime_spi.h>

typedef struct gri_watch_table {
    struct gri_watch_entry *first; /* NULL: empty */
} gri_watch_table;

/* Puts a pid in, with a notice (or NULL) that goes with it; of a pid that is there already the notice is replaced. False:
 * out of memory, and the notice stays the caller's. */
bool gri_watch_table_add(gri_watch_table *table, gr_pid pid, gr_msg *take_notice);
bool gri_watch_table_has(const gri_watch_table *table, gr_pid pid);
/* Takes a pid out and lets go of its notice; false when it is not there. Needs no memory. */
bool gri_watch_table_remove(gri_watch_table *table, gr_pid pid);
/* Takes the oldest out; false when the table is empty. Needs no memory. */
bool gri_watch_table_steal_oldest(gri_watch_table *table, gr_pid *out_pid, gr_msg **out_notice);
/* Takes all out. */
void gri_watch_table_clear(gri_watch_table *table);

#endif
