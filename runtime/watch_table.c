/*
 * Tables of pids, as actors keep them for watches. Only the actor's own turn touches its tables. uthash keeps the order of
 * insertion, and its hash has no seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "watch_table.h"

#include <gri/mem.h>

#define HASH_NONFATAL_OOM         1
#define uthash_malloc(bytes)      gri_alloc(bytes)
#define uthash_free(block, bytes) gri_free(block)
#include <uthash.h>

/* Most actors that have watches have one or two. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U

struct gri_watch_entry {
    gr_pid pid;
    gr_msg *notice;
    bool kept; /* set back when uthash had no memory for it */
    UT_hash_handle hh;
};

#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(entry) ((entry)->kept = false)

_Static_assert(sizeof(gr_pid) == 16, "a pid is hashed as bytes: nothing may lie between them");

static struct gri_watch_entry *find(const gri_watch_table *table, gr_pid pid)
{
    struct gri_watch_entry *entry = NULL;

    HASH_FIND(hh, table->first, &pid, sizeof(pid), entry);
    return entry;
}

static void take_out(gri_watch_table *table, struct gri_watch_entry *entry)
{
    HASH_DELETE(hh, table->first, entry);
    gri_free(entry);
}

bool gri_watch_table_add(gri_watch_table *table, gr_pid pid, gr_msg *notice)
{
    struct gri_watch_entry *entry = find(table, pid);
    bool kept = false;

    if (entry != NULL) {
        (void)gr_msg_unref(entry->notice);
        entry->notice = notice;
        return true;
    }
    entry = gri_alloc(sizeof(*entry));
    if (entry == NULL) {
        return false;
    }
    entry->pid = pid;
    entry->notice = notice;
    entry->kept = true;
    HASH_ADD(hh, table->first, pid, sizeof(entry->pid), entry);
    kept = entry->kept;
    if (!kept) {
        gri_free(entry);
    }
    return kept;
}

bool gri_watch_table_has(const gri_watch_table *table, gr_pid pid)
{
    return find(table, pid) != NULL;
}

bool gri_watch_table_remove(gri_watch_table *table, gr_pid pid)
{
    struct gri_watch_entry *entry = find(table, pid);

    if (entry == NULL) {
        return false;
    }
    (void)gr_msg_unref(entry->notice);
    take_out(table, entry);
    return true;
}

bool gri_watch_table_steal_oldest(gri_watch_table *table, gr_pid *out_pid, gr_msg **out_notice)
{
    struct gri_watch_entry *oldest = table->first;

    if (oldest == NULL) {
        return false;
    }
    *out_pid = oldest->pid;
    *out_notice = oldest->notice;
    take_out(table, oldest);
    return true;
}

void gri_watch_table_clear(gri_watch_table *table)
{
    gr_pid pid;
    gr_msg *notice = NULL;

    while (gri_watch_table_steal_oldest(table, &pid, &notice)) {
        (void)gr_msg_unref(notice);
    }
}
