/*
 * The table of processes: slots, slabs, free objects. Objects are made in slabs and live as long as the system.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "future_internal.h"

enum { SLAB_OBJECTS = 64 };

static const size_t object_bytes[GRI_PROCESS_KINDS] = {
    [GRI_ACTOR] = (sizeof(gri_actor) + 63) & ~(size_t)63,
    [GRI_FUTURE] = (sizeof(gr_future) + 63) & ~(size_t)63,
    [GRI_CUSTOM] = (sizeof(gri_custom) + 63) & ~(size_t)63,
};

gr_err gri_process_table_init(gri_process_table *table)
{
    memset(table, 0, sizeof(*table));
    table->slots = GR_SLOTS_WELL_KNOWN;
    table->chunks = gri_calloc(GRI_TABLE_CHUNKS, sizeof(*table->chunks));
    if (table->chunks == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the process table");
    }
    (void)pthread_mutex_init(&table->lock, NULL);
    return GR_OK;
}

void gri_process_table_fini(gri_process_table *table)
{
    uint32_t i = 0;
    void *next = NULL;

    if (table->chunks == NULL) {
        return;
    }
    for (i = 0; i < table->slots; i++) {
        gri_process *process = gri_process_at(table, i);

        if (process != NULL && process->kind == GRI_CUSTOM) {
            gri_custom_fini(process);
        } else if (process != NULL && process->kind == GRI_FUTURE) {
            gri_future_fini(process);
        }
    }
    for (i = 0; i < GRI_TABLE_CHUNKS; i++) {
        gri_free(atomic_load_explicit(&table->chunks[i],
                                      memory_order_relaxed)); /* nobody else is left */
    }
    gri_free(table->chunks);
    while (table->slabs != NULL) {
        next = *(void **)table->slabs;
        gri_free(table->slabs);
        table->slabs = next;
    }
    (void)pthread_mutex_destroy(&table->lock);
}

/* Puts an object at a slot. Under the lock. */
static bool place_locked(gri_process_table *table, gri_process *process, uint32_t slot)
{
    _Atomic(gri_process_chunk *) *at = &table->chunks[slot >> GRI_TABLE_CHUNK_BITS];
    gri_process_chunk *chunk =
        atomic_load_explicit(at, memory_order_relaxed); /* written under the lock */

    if (chunk == NULL) {
        chunk = gri_calloc(1, sizeof(*chunk));
        if (chunk == NULL) {
            return false;
        }
        atomic_store_explicit(at, chunk,
                              memory_order_release); /* publishes the zeroed chunk to look-ups */
    }
    process->slot = slot;
    /* Release: publishes the object's head to look-ups. */
    atomic_store_explicit(&chunk->at[slot & ((1u << GRI_TABLE_CHUNK_BITS) - 1)], process,
                          memory_order_release);
    return true;
}

/* Where a slot begins to count is not found by trying numbers, so a peer reaches only what it has been told of. It is no secret
 * to be kept from who can study many pids. */
static uint32_t first_generation(const gr_system *sys, uint32_t slot)
{
    uint64_t z = sys->pid_secret + slot * UINT64_C(0x9e3779b97f4a7c15); /* mixed as in SplitMix64 */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return slot < GR_SLOTS_WELL_KNOWN ? 1 : (uint32_t)((z ^ (z >> 31)) & 0x3fffffff) + 1;
}

static gri_process *prepare(gr_system *sys, void *memory, gri_process_kind kind, uint32_t slot)
{
    gri_process *process = memory;

    memset(memory, 0, object_bytes[kind]);
    process->sys = sys;
    process->kind = kind;
    atomic_init(&process->generation, first_generation(sys, slot));
    if (kind == GRI_CUSTOM) {
        gri_custom_prepare((gri_custom *)process);
    }
    return process;
}

static void make_slab_locked(gr_system *sys, gri_process_kind kind)
{
    gri_process_table *table = &sys->table;
    size_t bytes = object_bytes[kind];
    char *slab = NULL;
    int i = 0;

    if (table->slots > (GRI_TABLE_CHUNKS << GRI_TABLE_CHUNK_BITS) - SLAB_OBJECTS) {
        return;
    }
    slab = gri_alloc_aligned(64, 64 + bytes * SLAB_OBJECTS);
    if (slab == NULL || (kind == GRI_ACTOR && sys->stepped != NULL &&
                         !gri_stepped_reserve(sys->stepped, SLAB_OBJECTS))) {
        gri_free(slab);
        return;
    }
    *(void **)slab = table->slabs;
    table->slabs = slab;
    for (i = SLAB_OBJECTS - 1; i >= 0; i--) {
        gri_process *process =
            prepare(sys, slab + 64 + bytes * (size_t)i, kind, table->slots + (uint32_t)i);

        if (!place_locked(table, process, table->slots + (uint32_t)i)) {
            continue; /* lost until the system goes: there was no memory for its chunk */
        }
        process->next_free = table->free.of[kind].first;
        table->free.of[kind].first = process;
        table->free.of[kind].count++;
    }
    table->slots += SLAB_OBJECTS;
}

/* Moves up to a batch of free objects from the table to a worker's list. */
static void refill(gr_system *sys, gri_process_kind kind, gri_free_list *list)
{
    gri_process_table *table = &sys->table;
    gri_free_list *common = &table->free.of[kind];

    (void)pthread_mutex_lock(&table->lock);
    if (common->first == NULL) {
        make_slab_locked(sys, kind);
    }
    while (common->first != NULL && list->count < GRI_FREE_BATCH) {
        gri_process *process = common->first;

        common->first = process->next_free;
        common->count--;
        process->next_free = list->first;
        list->first = process;
        list->count++;
    }
    (void)pthread_mutex_unlock(&table->lock);
}

/* The free lists of the calling worker, if it is one of this system's. */
static gri_free_lists *lists_of_thread(gr_system *sys)
{
    gri_worker *worker = gri_workers_here(sys);

    return worker == NULL ? NULL : &worker->free;
}

static gri_process *pop(gri_free_list *list)
{
    gri_process *process = list->first;

    if (process != NULL) {
        list->first = process->next_free;
        list->count--;
        process->next_free = NULL;
    }
    return process;
}

gri_process *gri_process_take(gr_system *sys, gri_process_kind kind)
{
    gri_free_lists *lists = lists_of_thread(sys);
    gri_free_list one = {0};
    gri_process *process = NULL;

    if (lists != NULL) {
        if (lists->of[kind].first == NULL) {
            refill(sys, kind, &lists->of[kind]);
        }
        return pop(&lists->of[kind]);
    }
    one.count = GRI_FREE_BATCH - 1; /* room for one */
    refill(sys, kind, &one);
    process = one.first;
    if (process != NULL) {
        process->next_free = NULL;
    }
    return process;
}

void gri_process_give(gri_process *process)
{
    gr_system *sys = process->sys;
    gri_free_lists *lists = lists_of_thread(sys);
    gri_free_list *list = NULL;
    gri_free_list *common = &sys->table.free.of[process->kind];
    uint32_t i = 0;

    if (lists != NULL) {
        list = &lists->of[process->kind];
        process->next_free = list->first;
        list->first = process;
        if (++list->count <= (uint32_t)2 * GRI_FREE_BATCH) {
            return;
        }
    }
    (void)pthread_mutex_lock(&sys->table.lock);
    if (lists == NULL) {
        process->next_free = common->first;
        common->first = process;
        common->count++;
    }
    for (i = 0; lists != NULL && i < GRI_FREE_BATCH; i++) {
        gri_process *back = pop(list);

        back->next_free = common->first;
        common->first = back;
        common->count++;
    }
    (void)pthread_mutex_unlock(&sys->table.lock);
}

gri_process *gri_process_take_well_known(gr_system *sys, uint32_t slot)
{
    gri_process_table *table = &sys->table;
    gri_process *process = NULL;
    char *slab = NULL;

    (void)pthread_mutex_lock(&table->lock);
    process = gri_process_at(table, slot);
    if (process == NULL && (slab = gri_alloc_aligned(64, 64 + object_bytes[GRI_CUSTOM])) != NULL) {
        *(void **)slab = table->slabs;
        table->slabs = slab;
        process = prepare(sys, slab + 64, GRI_CUSTOM, slot);
        process = place_locked(table, process, slot) ? process : NULL;
    }
    (void)pthread_mutex_unlock(&table->lock);
    return process;
}

uint32_t gri_process_table_slots(gri_process_table *table)
{
    uint32_t slots = 0;

    (void)pthread_mutex_lock(&table->lock);
    slots = table->slots;
    (void)pthread_mutex_unlock(&table->lock);
    return slots;
}
