/*
 * Where the library's ordinary memory comes from. One place, so that tests can make the nth
 * allocation fail.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_MEM_H
#define GRI_MEM_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As malloc, calloc, realloc, free and strdup; aligned memory in multiples of the alignment is
 * freed with gri_free too. */
void *gri_alloc(size_t bytes);
void *gri_calloc(size_t count, size_t bytes);
void *gri_realloc(void *block, size_t bytes);
void *gri_alloc_aligned(size_t alignment, size_t bytes);
void gri_free(void *block);
char *gri_strdup(const char *text);
/* A formatted string on the heap, or NULL. */
char *gri_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether an allocation may succeed now: for allocators with memory of their own. Counts as one. */
bool gri_mem_allowed(void);

/* Whether allocations are counted at present, so that one of them can fail; else gri_mem_allowed() is true. */
extern _Atomic uint64_t gri_mem_failing;
static inline bool gri_mem_is_counted(void)
{
    return atomic_load_explicit(&gri_mem_failing, memory_order_relaxed) !=
           0; /* publishes nothing */
}

/* Makes the nth allocation of this process from now on fail (1: the next), once; 0 switches it off.
 * For tests. */
void gri_mem_fail_nth(uint64_t nth);
/* Allocations since the last gri_mem_fail_nth(). For tests. */
uint64_t gri_mem_count(void);

#endif
