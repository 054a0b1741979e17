/*
 * Pools of message blocks. Each thread owns a cache with a free list for each size class. Freeing a block of another
 * thread's cache gathers a chain and pushes it to that cache in one step: one contended write for RETURN_BATCH blocks
 * instead of one for each (a block freed one by one across cores costs more than sending the message).
 * Caches outlive their threads, because their blocks do: a new thread adopts an orphaned one. Slabs are never given
 * back; memory is bounded by the largest number of messages that were alive at once.
 * Under a sanitizer every block comes from the heap, so that it sees each use after free.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pool.h"

#include <pthread.h>
#include <string.h>

/* GRI_POOL_ALWAYS asks for pools there, too, so that they can be tested. */
#if defined(GRI_POOL_ALWAYS)
#define POOLED 1
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POOLED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POOLED 0
#endif
#endif
#ifndef POOLED
#define POOLED 1
#endif

enum { SLAB_BYTES = 64 * 1024, RETURN_BATCH = 64 };

GRI_THREAD_LOCAL gri_pool_cache *gri_pool_mine;

static pthread_mutex_t orphans_lock = PTHREAD_MUTEX_INITIALIZER;
static gri_pool_cache *orphans; /* lock */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void send_home(gri_pool_returning *out, uint32_t size_class)
{
    gri_block *old = NULL;

    if (out->to == NULL) {
        return;
    }
    old =
        atomic_load_explicit(&out->to->returned[size_class], memory_order_relaxed); /* CAS checks */
    do {
        out->last->next = old;
        /* Release: publishes the chain's links to the owner, which takes them with acquire. */
    } while (!atomic_compare_exchange_weak_explicit(&out->to->returned[size_class], &old,
                                                    out->first, memory_order_release,
                                                    memory_order_relaxed));
    *out = (gri_pool_returning){0};
}

void gri_pool_flush(void)
{
    uint32_t i = 0;

    for (i = 0; gri_pool_mine != NULL && i < GRI_POOL_CLASSES; i++) {
        send_home(&gri_pool_mine->outgoing[i], i);
    }
}

static void orphan(void *cache)
{
    gri_pool_cache *mourned = cache;

    gri_pool_mine = mourned;
    gri_pool_flush();
    gri_pool_mine = NULL;
    (void)pthread_mutex_lock(&orphans_lock);
    mourned->next_orphan = orphans;
    orphans = mourned;
    (void)pthread_mutex_unlock(&orphans_lock);
}

static void make_key(void)
{
    (void)pthread_key_create(&key, orphan);
}

static gri_pool_cache *cache_of_thread(void)
{
    gri_pool_cache *cache = gri_pool_mine;

    if (__builtin_expect(cache != NULL, 1)) {
        return cache;
    }
    (void)pthread_once(&key_once, make_key);
    (void)pthread_mutex_lock(&orphans_lock);
    cache = orphans;
    if (cache != NULL) {
        orphans = cache->next_orphan;
    }
    (void)pthread_mutex_unlock(&orphans_lock);
    if (cache == NULL) {
        cache = gri_alloc_aligned(64, sizeof(*cache));
        if (cache == NULL) {
            return NULL;
        }
        memset(cache, 0, sizeof(*cache));
    }
    gri_pool_mine = cache;
    (void)pthread_setspecific(key, cache);
    return cache;
}

/* Carves a new slab into free blocks of a class. */
static gri_block *refill(gri_pool_cache *cache, uint32_t size_class)
{
    size_t bytes = (size_t)GRI_POOL_SMALLEST << size_class;
    char *slab = NULL;
    size_t at = 0;
    gri_block *block = NULL;

    /* Acquire: sees the links of the chains that were pushed home. */
    block = atomic_exchange_explicit(&cache->returned[size_class], NULL, memory_order_acquire);
    if (block != NULL) {
        return block;
    }
    slab = gri_alloc_aligned(GRI_POOL_ALIGN, SLAB_BYTES);
    if (slab == NULL) {
        return NULL;
    }
    *(void **)slab = cache->slabs;
    cache->slabs = slab;
    for (at = SLAB_BYTES - bytes; at >= GRI_POOL_ALIGN; at -= bytes) {
        gri_block *fresh = (gri_block *)(slab + at);

        *fresh = (gri_block){
            .next = block, .home = (uintptr_t)cache | size_class, .room = (uint32_t)bytes};
        block = fresh;
        if (at < bytes + GRI_POOL_ALIGN) {
            break;
        }
    }
    return block;
}

static gri_block *from_heap(size_t bytes)
{
    size_t room = (bytes + GRI_POOL_ALIGN - 1) / GRI_POOL_ALIGN * GRI_POOL_ALIGN;
    gri_block *block = room > UINT32_MAX ? NULL : gri_alloc_aligned(GRI_POOL_ALIGN, room);

    if (block != NULL) {
        *block = (gri_block){.room = (uint32_t)room};
    }
    return block;
}

gri_block *gri_pool_alloc(size_t bytes)
{
    uint32_t size_class = 0;
    gri_pool_cache *cache = NULL;
    gri_block *block = NULL;

    if (!POOLED || bytes > (size_t)GRI_POOL_SMALLEST << (GRI_POOL_CLASSES - 1)) {
        return from_heap(bytes);
    }
    if (!gri_mem_allowed()) {
        return NULL;
    }
    if (bytes > GRI_POOL_SMALLEST) {
        size_class = 25 - (uint32_t)__builtin_clz((uint32_t)bytes - 1); /* 129..256 is class 1 */
    }
    cache = cache_of_thread();
    if (cache == NULL) {
        return NULL;
    }
    block = cache->free[size_class];
    if (block == NULL) {
        block = refill(cache, size_class);
        if (block == NULL) {
            return NULL;
        }
    }
    cache->free[size_class] = block->next;
    return block;
}

void gri_pool_free_elsewhere(gri_block *block)
{
    gri_pool_cache *cache = NULL;
    gri_pool_cache *home = (gri_pool_cache *)(block->home & ~(uintptr_t)GRI_POOL_CLASS_MASK);
    uint32_t size_class = (uint32_t)(block->home & GRI_POOL_CLASS_MASK);
    gri_pool_returning *out = NULL;

    if (home == NULL) {
        gri_free(block);
        return;
    }
    cache = cache_of_thread();
    if (cache == NULL) { /* no memory for a cache of this thread: send the one block home */
        gri_pool_returning alone = {home, block, block, 1};

        send_home(&alone, size_class);
        return;
    }
    out = &cache->outgoing[size_class];
    if (out->to != home) {
        send_home(out, size_class);
        *out = (gri_pool_returning){.to = home, .last = block};
    }
    block->next = out->first;
    out->first = block;
    if (++out->count >= RETURN_BATCH) {
        send_home(out, size_class);
    }
}
