/*
 * Fibers: stacks that a worker switches between. This file knows nothing of actors. A fiber belongs to one worker thread
 * for its whole life, so that what a suspended function knows of its thread stays true.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_FIBER_H
#define GRI_FIBER_H

#include <stddef.h>

#include "stack.h"

struct gr_context;
struct gri_event_round;

typedef struct gri_fiber {
    void *sp;               /* suspended: where its registers are saved */
    gri_stack stack;        /* none: the thread's own */
    size_t asked;           /* bytes; sanitizers get more */
    struct gri_fiber *next; /* in the pool */
    struct gr_context
        *context; /* of the handler that runs on it; follows the fiber through every switch */
    struct gri_event_round *rounds; /* of functions that publishing calls from it */
    void (*entry)(void *arg);
    void *arg;
    void *asan_fake_stack;
    void *tsan_fiber;
    unsigned valgrind_stack;
} gri_fiber;

/* A new fiber that will run entry(arg), which must never return; NULL when there is no stack to be had. */
gri_fiber *gri_fiber_new(size_t stack_bytes, void (*entry)(void *arg), void *arg);
gri_fiber *gri_fiber_free(gri_fiber *take_fiber);

/* The calling thread's own stack as a fiber, to come back to. */
void gri_fiber_init_native(gri_fiber *fiber);
void gri_fiber_fini_native(gri_fiber *fiber);

/* Suspends `from`, which is running, and goes on with `to`. Returns when somebody switches back. */
void gri_fiber_switch(gri_fiber *from, gri_fiber *to);

#endif
