/*
 * Pools of message blocks: a cache for each thread, so that making a message touches no lock and no other core; a block
 * freed by another thread goes home to the cache it came from, many at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_POOL_H
#define GRI_POOL_H

#include <stddef.h>
#include <stdint.h>

enum { GRI_POOL_ALIGN = 64 };

struct gri_pool_cache;

/* At the start of every block, kept while it is in use. */
typedef struct gri_block {
    struct gri_block *next; /* free: the next free block; in use: the holder's own */
    uintptr_t home; /* the cache it came from, its size class in the low bits; 0: from the heap */
    uint32_t room;  /* bytes of the whole block */
    uint32_t tag;   /* the holder's own */
} gri_block;

/* A block of at least `bytes` bytes, this header included, aligned to GRI_POOL_ALIGN; NULL when out of memory. Any thread. */
gri_block *gri_pool_alloc(size_t bytes);
void gri_pool_free(gri_block *take_block);

/* Sends home what this thread holds back of other threads' blocks; before it goes to sleep. */
void gri_pool_flush(void);

#endif
