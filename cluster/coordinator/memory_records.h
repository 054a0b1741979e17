/*
 * The records of the store in memory: keys, values and revisions, without time and faults. One thread,
 * the stepper's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_MEMORY_RECORDS_H
#define GRI_CLUSTER_MEMORY_RECORDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <granary/error.h>

typedef struct gri_memory_record {
    LIST_ENTRY(gri_memory_record) next;
    uint64_t revision;
    uint8_t *value;
    size_t value_bytes;
    char key[];
} gri_memory_record;

typedef struct gri_memory_records {
    LIST_HEAD(, gri_memory_record) list;
    uint64_t revision; /* the last one given */
} gri_memory_records;

void gri_memory_records_init(gri_memory_records *records);
void gri_memory_records_fini(gri_memory_records *records);

/* Borrowed until the next change; NULL when there is no such key. */
const gri_memory_record *gri_memory_records_find(const gri_memory_records *records,
                                                 const char *key);
/* Sets a key, there or not, under the next revision. GR_ENOMEM: nothing was changed. */
gr_err gri_memory_records_set(gri_memory_records *records, const char *key, const uint8_t *value,
                              size_t value_bytes);
/* Removes a key, if it is there. The revisions go on. */
void gri_memory_records_remove(gri_memory_records *records, const char *key);
/* Removes all. The revisions go on. */
void gri_memory_records_empty(gri_memory_records *records);
/* The keys that begin with `prefix`, each from its `skip`th byte on and ended by a NUL, up to a limit of
 * bytes. On the heap. */
gr_err gri_memory_records_keys(const gri_memory_records *records, const char *prefix, size_t skip,
                               size_t bytes_max, uint8_t **out_keys, size_t *out_bytes);
/* A copy of all, in the same order, with the count of revisions. `out_records` is initialised. */
gr_err gri_memory_records_copy(const gri_memory_records *records, gri_memory_records *out_records);

#endif
