/*
 * Processes: everything with an inbox, and the table from slots to them. A process object keeps its slot for as long as the
 * system lives; what changes is its generation, which rises when its occupant goes. So a sender may look at an object at
 * any time without holding anything: the worst it finds is another generation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_PROCESS_H
#define GRI_PROCESS_H

#include <pthread.h>
#include <stdatomic.h>

#include <granary/runtime_spi.h>

typedef enum gri_process_kind {
    GRI_ACTOR,
    GRI_FUTURE,
    GRI_CUSTOM,
    GRI_PROCESS_KINDS
} gri_process_kind;

/* The head of every process object. */
typedef struct gri_process {
    gr_system *sys;
    atomic_uint generation; /* of the occupant; nobody's pid has it while the object is free */
    uint32_t slot;
    uint32_t kind;
    struct gri_process *next_free;
} gri_process;

enum { GRI_TABLE_CHUNK_BITS = 12, GRI_TABLE_CHUNKS = 1 << 15, GRI_FREE_BATCH = 32 };

typedef struct gri_process_chunk {
    _Atomic(gri_process *) at[1 << GRI_TABLE_CHUNK_BITS];
} gri_process_chunk;

/* Free objects of one kind, owned by one worker or, under the lock, by the table. */
typedef struct gri_free_list {
    gri_process *first;
    uint32_t count;
} gri_free_list;

typedef struct gri_free_lists {
    gri_free_list of[GRI_PROCESS_KINDS];
} gri_free_lists;

typedef struct gri_process_table {
    _Atomic(gri_process_chunk *) *chunks;
    pthread_mutex_t lock;
    uint32_t slots;      /* lock; handed out so far */
    gri_free_lists free; /* lock */
    void *slabs;         /* lock; all objects, linked by the first word */
} gri_process_table;

gr_err gri_process_table_init(gri_process_table *table);
void gri_process_table_fini(gri_process_table *table);

/* The object at a slot, or NULL when there never was one. Any thread. */
static inline gri_process *gri_process_at(const gri_process_table *table, uint32_t slot)
{
    gri_process_chunk *chunk = NULL;

    if (slot >> GRI_TABLE_CHUNK_BITS >= GRI_TABLE_CHUNKS) {
        return NULL;
    }
    /* Acquire on both: publish the initialised chunk and object to whoever got the slot number from anywhere. */
    chunk =
        atomic_load_explicit(&table->chunks[slot >> GRI_TABLE_CHUNK_BITS], memory_order_acquire);
    return chunk == NULL
               ? NULL
               : atomic_load_explicit(&chunk->at[slot & ((1u << GRI_TABLE_CHUNK_BITS) - 1)],
                                      memory_order_acquire);
}

/* A free object of a kind, from the calling worker's lists (NULL: from the table); NULL when out of memory. */
gri_process *gri_process_take(gr_system *sys, gri_process_kind kind);
/* The custom process at a well-known slot, made at first use and never given back; NULL when out of memory. */
gri_process *gri_process_take_well_known(gr_system *sys, uint32_t slot);
/* Gives an object back; nobody may find it by its old pid any more. */
void gri_process_give(gri_process *process);

/* The highest slot number handed out so far, for walks over all processes. */
uint32_t gri_process_table_slots(gri_process_table *table);

#endif
