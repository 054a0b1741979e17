/*
 * The table of pids with counts: linear probing, at most two thirds full, removal by shifting back,
 * so that it needs no markers for what is gone. Its caller locks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pid_table.h"

#include <gri/mem.h>

enum { ROOM_MIN = 16 };

static uint32_t home_of(const gri_pid_table *table, gr_pid pid)
{
    uint64_t mixed = (pid.node ^ ((uint64_t)pid.generation << 32 | pid.slot)) * 0x9e3779b97f4a7c15u;

    return (uint32_t)(mixed >> 32) & (table->room - 1);
}

/* Where it is, or the free place where it would be. */
static gri_pid_entry *place_of(const gri_pid_table *table, gr_pid pid)
{
    uint32_t at = home_of(table, pid);

    while (!gr_pid_is_null(table->entries[at].pid) && !gr_pid_equal(table->entries[at].pid, pid)) {
        at = (at + 1) & (table->room - 1);
    }
    return &table->entries[at];
}

static bool grow(gri_pid_table *table)
{
    gri_pid_table larger = {NULL, table->room == 0 ? ROOM_MIN : table->room * 2, table->used};

    larger.entries = gri_calloc(larger.room, sizeof(*larger.entries));
    if (larger.entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < table->room; i++) {
        if (!gr_pid_is_null(table->entries[i].pid)) {
            *place_of(&larger, table->entries[i].pid) = table->entries[i];
        }
    }
    gri_free(table->entries);
    *table = larger;
    return true;
}

/* Frees one place and moves back those behind it that had been pushed on. */
static void free_place(gri_pid_table *table, gri_pid_entry *entry)
{
    uint32_t mask = table->room - 1;
    uint32_t hole = (uint32_t)(entry - table->entries);
    uint32_t at = (hole + 1) & mask;

    while (!gr_pid_is_null(table->entries[at].pid)) {
        uint32_t home = home_of(table, table->entries[at].pid);

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
        at = (at + 1) & mask;
    }
    table->entries[hole] = (gri_pid_entry){0};
    table->used--;
}

void gri_pid_table_fini(gri_pid_table *table)
{
    gri_free(table->entries);
    *table = (gri_pid_table){0};
}

bool gri_pid_table_add(gri_pid_table *table, gr_pid pid, uint32_t now_s)
{
    gri_pid_entry *entry = NULL;

    if (table->used * 3 >= table->room * 2 && !grow(table)) {
        return false;
    }
    entry = place_of(table, pid);
    if (gr_pid_is_null(entry->pid)) {
        entry->pid = pid;
        table->used++;
    }
    entry->count++;
    entry->since_s = now_s;
    return true;
}

bool gri_pid_table_has(const gri_pid_table *table, gr_pid pid)
{
    return table->used > 0 && !gr_pid_is_null(place_of(table, pid)->pid);
}

bool gri_pid_table_take(gri_pid_table *table, gr_pid pid)
{
    gri_pid_entry *entry = NULL;

    if (table->used == 0) {
        return false;
    }
    entry = place_of(table, pid);
    if (gr_pid_is_null(entry->pid)) {
        return false;
    }
    entry->count--;
    if (entry->count == 0) {
        free_place(table, entry);
    }
    return true;
}

void gri_pid_table_remove(gri_pid_table *table, gr_pid pid)
{
    gri_pid_entry *entry = table->used == 0 ? NULL : place_of(table, pid);

    if (entry != NULL && !gr_pid_is_null(entry->pid)) {
        free_place(table, entry);
    }
}

void gri_pid_table_prune(gri_pid_table *table, bool (*stale)(void *arg, const gri_pid_entry *entry),
                         void *arg)
{
    uint32_t at = 0;

    while (at < table->room) {
        gri_pid_entry *entry = &table->entries[at];

        if (!gr_pid_is_null(entry->pid) && stale(arg, entry)) {
            free_place(table, entry); /* another may have moved here: look again */
        } else {
            at++;
        }
    }
}
