/*
 * Pools of message blocks: a cache for each thread, so that making a message touches no lock and no other core; a block
 * freed by another thread goes home to the cache it came from, many at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_POOL_H
#define GRI_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <gri/mem.h>
#include <gri/thread_local.h>

enum {
    GRI_POOL_ALIGN = 64,
    GRI_POOL_CLASSES = 6,
    GRI_POOL_CLASS_MASK = 63,
    GRI_POOL_SMALLEST = 128
};

/* At the start of every block, kept while it is in use. */
typedef struct gri_block {
    struct gri_block *next; /* free: the next free block; in use: the holder's own */
    uintptr_t home; /* the cache it came from, its size class in the low bits; 0: from the heap */
    uint32_t room;  /* bytes of the whole block */
    uint32_t tag;   /* the holder's own */
} gri_block;

/* Blocks of one class on their way home to one cache. */
typedef struct gri_pool_returning {
    struct gri_pool_cache *to;
    gri_block *first, *last;
    uint32_t count;
} gri_pool_returning;

typedef struct gri_pool_cache {
    /* Only the owning thread. */
    gri_block *free[GRI_POOL_CLASSES];
    gri_pool_returning outgoing[GRI_POOL_CLASSES];
    struct gri_pool_cache *next_orphan; /* lock */
    void *slabs;                        /* all of this cache's memory, linked by the first word */
    /* Any thread that frees: its own cache line. */
    _Alignas(64) _Atomic(gri_block *) returned[GRI_POOL_CLASSES];
} gri_pool_cache;

/* The calling thread's cache; NULL: it has none yet. */
extern GRI_THREAD_LOCAL gri_pool_cache *gri_pool_mine;

/* A block of at least `bytes` bytes, this header included, aligned to GRI_POOL_ALIGN; NULL when out of memory. Any thread. */
gri_block *gri_pool_alloc(size_t bytes);
void gri_pool_free_elsewhere(gri_block *take_block);

/* Sends home what this thread holds back of other threads' blocks; before it goes to sleep. */
void gri_pool_flush(void);

/* A block of the smallest class, if one is at hand; NULL: ask gri_pool_alloc(). */
static inline gri_block *gri_pool_take_smallest(void)
{
    gri_pool_cache *cache = gri_pool_mine;
    gri_block *block = cache == NULL ? NULL : cache->free[0];

    if (__builtin_expect(block == NULL || gri_mem_is_counted(), 0)) {
        return NULL;
    }
    cache->free[0] = block->next;
    return block;
}

static inline void gri_pool_free(gri_block *block)
{
    gri_pool_cache *cache = gri_pool_mine;
    size_t size_class = block->home & GRI_POOL_CLASS_MASK;

    if (__builtin_expect(cache != NULL && (uintptr_t)cache + size_class == block->home, 1)) {
        block->next = cache->free[size_class];
        cache->free[size_class] = block;
        return;
    }
    gri_pool_free_elsewhere(block);
}

#endif
