/*
 * Stacks. A guard page makes a stack two memory maps, and Linux gives a process 65530 of them (vm.max_map_count), also for
 * everything else; so only a part of that number goes into guarded stacks. The others come from slabs: one map of many
 * stacks, and neighbouring slabs become one map. In a slab the lowest bytes of a stack are zero until it has been used to its
 * end; reading them costs no memory, since a page that was only read is not there. Slabs are shared by all threads of the
 * process, under one lock; it is taken only beyond some ten thousand fibers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "stack.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/queue.h>

#include <gri/mem.h>

#include "os.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

#if defined(THREAD_SANITIZER)
enum { MAPS_PER_STACK = 8 }; /* its shadow is mapped alike, and a fiber of it takes some more */
#else
enum { MAPS_PER_STACK = 2 };
#endif

enum {
    SLAB_STACKS = 64,
    SLAB_STACK_BYTES_MAX = 1 << 20, /* larger ones are few, and always guarded */
    MAPS_SHARE = 2,                 /* guarded stacks take at most one of so many maps */
    VALGRIND_GUARDED = 1000,        /* it has a table of 30000 maps, and looks through it */
    CANARY_WORDS = 32
};

typedef struct gri_stack_slab {
    LIST_ENTRY(gri_stack_slab) link; /* lock; among those with a free stack */
    char *low;
    size_t stack_bytes;
    uint64_t free; /* lock; a bit for each stack */
} gri_stack_slab;

static atomic_size_t guarded;       /* alive */
static atomic_size_t guarded_limit; /* 0: not asked yet */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, gri_stack_slab) slabs = LIST_HEAD_INITIALIZER(slabs); /* lock */

void gri_stack_limit_guarded(size_t count)
{
    atomic_store_explicit(&guarded_limit, count, memory_order_relaxed); /* a number */
}

static bool may_guard(size_t bytes)
{
    size_t limit = atomic_load_explicit(&guarded_limit, memory_order_relaxed); /* a number */

    if (limit == 0) {
        limit = RUNNING_ON_VALGRIND ? VALGRIND_GUARDED
                                    : gri_os_maps_max() / MAPS_SHARE / MAPS_PER_STACK;
        gri_stack_limit_guarded(limit);
    }
    /* Relaxed: a count; some more at the same moment do no harm. */
    return bytes > SLAB_STACK_BYTES_MAX ||
           atomic_load_explicit(&guarded, memory_order_relaxed) < limit;
}

static gri_stack_slab *slab_new(size_t stack_bytes)
{
    gri_stack_slab *slab = gri_calloc(1, sizeof(*slab));

    if (slab == NULL) {
        return NULL;
    }
    slab->low = gri_os_pages_map(SLAB_STACKS * stack_bytes);
    if (slab->low == NULL) {
        gri_free(slab);
        return NULL;
    }
    slab->stack_bytes = stack_bytes;
    slab->free = UINT64_MAX;
    return slab;
}

static bool take_from_slab(size_t bytes, gri_stack *out_stack)
{
    gri_stack_slab *slab = NULL;
    int place = 0;

    (void)pthread_mutex_lock(&lock);
    LIST_FOREACH (slab, &slabs, link) {
        if (slab->stack_bytes == bytes) {
            break;
        }
    }
    if (slab == NULL) {
        slab = slab_new(bytes);
        if (slab != NULL) {
            LIST_INSERT_HEAD(&slabs, slab, link);
        }
    }
    if (slab != NULL) {
        place = __builtin_ctzll(slab->free);
        slab->free &= ~((uint64_t)1 << place);
        if (slab->free == 0) {
            LIST_REMOVE(slab, link);
        }
        *out_stack = (gri_stack){slab->low + (size_t)place * bytes, bytes, slab};
    }
    (void)pthread_mutex_unlock(&lock);
    return slab != NULL;
}

static void give_to_slab(gri_stack *stack)
{
    gri_stack_slab *slab = stack->slab;
    size_t place = (size_t)(stack->low - slab->low) / slab->stack_bytes;
    bool empty = false;

    gri_os_pages_reset(stack->low, stack->bytes); /* zeroes again, and the memory is given back */
    (void)pthread_mutex_lock(&lock);
    if (slab->free == 0) {
        LIST_INSERT_HEAD(&slabs, slab, link);
    }
    slab->free |= (uint64_t)1 << place;
    empty = slab->free == UINT64_MAX;
    if (empty) {
        LIST_REMOVE(slab, link);
    }
    (void)pthread_mutex_unlock(&lock);
    if (empty) {
        gri_os_pages_unmap(slab->low, SLAB_STACKS * slab->stack_bytes);
        gri_free(slab);
    }
}

bool gri_stack_map(size_t bytes, gri_stack *out_stack)
{
    size_t page = gri_os_page_bytes();
    size_t usable = (bytes + page - 1) / page * page;
    char *low = NULL;

    if (!may_guard(usable)) {
        return take_from_slab(usable, out_stack);
    }
    low = gri_os_pages_map(page + usable);
    if (low == NULL) {
        return false;
    }
    if (!gri_os_pages_forbid(low, page)) {
        gri_os_pages_unmap(low, page + usable);
        return take_from_slab(usable, out_stack);
    }
    (void)atomic_fetch_add_explicit(&guarded, 1, memory_order_relaxed); /* a count */
    *out_stack = (gri_stack){low + page, usable, NULL};
    return true;
}

void gri_stack_unmap(gri_stack *stack)
{
    size_t page = gri_os_page_bytes();

    if (stack->low == NULL) {
        return;
    }
    if (stack->slab != NULL) {
        give_to_slab(stack);
    } else {
        gri_os_pages_unmap(stack->low - page, page + stack->bytes);
        (void)atomic_fetch_sub_explicit(&guarded, 1, memory_order_relaxed); /* a count */
    }
    stack->low = NULL;
}

bool gri_stack_guards(const gri_stack *stack, const void *address)
{
    uintptr_t low = (uintptr_t)stack->low;
    uintptr_t at = (uintptr_t)address;

    return low != 0 && at < low && at >= low - gri_os_page_bytes();
}

bool gri_stack_intact(const gri_stack *stack)
{
    const uint64_t *words = (const uint64_t *)(const void *)stack->low;
    uint64_t used = 0;
    size_t i = 0;

    for (i = 0; stack->slab != NULL && i < CANARY_WORDS; i++) {
        used |= words[i];
    }
    return used == 0;
}
