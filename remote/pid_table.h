/*
 * A table of pids with a count each: who has asked and not been answered. Open addressing, sixteen
 * bytes and a little for each pid, no memory of its own for each entry. Not locked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_PID_TABLE_H
#define GRI_REMOTE_PID_TABLE_H

#include <granary/pid.h>

typedef struct gri_pid_entry {
    gr_pid pid; /* null: free */
    uint32_t count;
    uint32_t since_s; /* of its newest count, for pruning */
} gri_pid_entry;

/* Zero it to begin. */
typedef struct gri_pid_table {
    gri_pid_entry *entries; /* `room` of them, a power of two; NULL while empty */
    uint32_t room;
    uint32_t used;
} gri_pid_table;

void gri_pid_table_fini(gri_pid_table *table);
/* One more for this pid. False: out of memory, nothing has changed. */
bool gri_pid_table_add(gri_pid_table *table, gr_pid pid, uint32_t now_s);
bool gri_pid_table_has(const gri_pid_table *table, gr_pid pid);
/* One less; false when it had none. */
bool gri_pid_table_take(gri_pid_table *table, gr_pid pid);
/* All of it goes. */
void gri_pid_table_remove(gri_pid_table *table, gr_pid pid);
/* Removes every entry that `stale` says true of. */
void gri_pid_table_prune(gri_pid_table *table, bool (*stale)(void *arg, const gri_pid_entry *entry),
                         void *arg);

#endif
