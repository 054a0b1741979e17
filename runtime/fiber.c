/*
 * Fibers: making, switching, and telling the tools that watch memory about every switch. The switch itself is a few lines of
 * assembly for each processor (fiber_<processor>.S); others use ucontext.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE 1
#include "fiber.h"

#include <stdint.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#endif

/* ThreadSanitizer has room for 8128 threads and fibers. GRI_FIBER_AS_THREAD does not tell it of switches, so that a worker with
 * all its fibers is one thread to it: as true, because a fiber stays with its worker, and without that limit. It would lose
 * track of calls, so all code has to be compiled without a record of them (tests/runtime/CMakeLists.txt). */
#if defined(TSAN) && defined(GRI_FIBER_AS_THREAD)
#undef TSAN
enum { STACK_FACTOR = 2 };
#elif defined(ASAN)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
enum { STACK_FACTOR = 4 }; /* red zones make frames larger */
#elif defined(TSAN)
#include <sanitizer/tsan_interface.h>
enum { STACK_FACTOR = 2 };
#else
enum { STACK_FACTOR = 1 };
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, high) 0u
#define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#endif

/* GRI_FIBER_PORTABLE asks for ucontext where there is something better, so that it can be tested there. */
#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(GRI_FIBER_PORTABLE)
/* Saves the registers a callee must keep on the stack, its top in *save_sp, and takes those of `restore_sp`. */
void gri_fiber_swap(void **save_sp, void *restore_sp);
/* Where a new fiber begins: calls gri_fiber_main with what the first swap left in a register. */
void gri_fiber_boot(void);
void gri_fiber_main(gri_fiber *fiber);
#else
#include <ucontext.h>
#define PORTABLE 1
void gri_fiber_main(gri_fiber *fiber);
#endif

static void before_switch(gri_fiber *from, gri_fiber *to)
{
#if defined(ASAN)
    __sanitizer_start_switch_fiber(&from->asan_fake_stack, to->stack.low, to->stack.bytes);
#elif defined(TSAN)
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    (void)from;
    (void)to;
}

static void after_switch(gri_fiber *now)
{
#if defined(ASAN)
    __sanitizer_finish_switch_fiber(now->asan_fake_stack, NULL, NULL);
#else
    (void)now;
#endif
}

void gri_fiber_main(gri_fiber *fiber)
{
    after_switch(fiber);
    fiber->entry(fiber->arg);
    gri_invariant_failed("a fiber's entry does not return", __FILE__, __LINE__);
}

#if defined(PORTABLE)
static void portable_main(unsigned high, unsigned low)
{
    gri_fiber_main((gri_fiber *)((uintptr_t)high << 32 | low));
}

static gri_fiber *prepare(gri_fiber *fiber)
{
    ucontext_t *context = gri_calloc(1, sizeof(*context));
    uintptr_t self = (uintptr_t)fiber;

    if (context == NULL || getcontext(context) != 0) {
        gri_free(context);
        return NULL;
    }
    context->uc_stack.ss_sp = fiber->stack.low;
    context->uc_stack.ss_size = fiber->stack.bytes;
    makecontext(context, (void (*)(void))portable_main, 2, (unsigned)(self >> 16 >> 16),
                (unsigned)self);
    fiber->sp = context;
    return fiber;
}

static void swap(gri_fiber *from, gri_fiber *to)
{
    if (from->sp == NULL) {
        from->sp = gri_calloc(1, sizeof(ucontext_t));
        GRI_INVARIANT(from->sp != NULL);
    }
    (void)swapcontext(from->sp, to->sp);
}
#else
static gri_fiber *prepare(gri_fiber *fiber)
{
    uintptr_t top = ((uintptr_t)fiber->stack.low + fiber->stack.bytes) & ~(uintptr_t)15;
    uintptr_t *sp = (uintptr_t *)top;

#if defined(__x86_64__)
    /* As fiber_x86_64.S pops it: control words, r15 r14 r13 r12 rbx rbp, return address; 16 bytes of rest for alignment. */
    sp -= 10;
    memset(sp, 0, 10 * sizeof(*sp));
    sp[0] = (uintptr_t)0x1f80u | (uintptr_t)0x037fu
                                     << 32; /* mxcsr and x87 control word at their defaults */
    sp[4] = (uintptr_t)fiber;               /* r12: handed to gri_fiber_main by gri_fiber_boot */
    sp[7] = (uintptr_t)gri_fiber_boot;
#else
    /* As fiber_aarch64.S loads it: x19-x28, x29, x30, d8-d15. */
    sp -= 20;
    memset(sp, 0, 20 * sizeof(*sp));
    sp[0] = (uintptr_t)fiber; /* x19 */
    sp[11] = (uintptr_t)gri_fiber_boot;
#endif
    fiber->sp = sp;
    return fiber;
}

static void swap(gri_fiber *from, gri_fiber *to)
{
    gri_fiber_swap(&from->sp, to->sp);
}
#endif

gri_fiber *gri_fiber_new(size_t stack_bytes, void (*entry)(void *arg), void *arg)
{
    gri_fiber *fiber = gri_calloc(1, sizeof(*fiber));

    if (fiber == NULL) {
        return NULL;
    }
    if (!gri_stack_map(stack_bytes * STACK_FACTOR, &fiber->stack)) {
        gri_free(fiber);
        return NULL;
    }
    fiber->asked = stack_bytes;
    fiber->entry = entry;
    fiber->arg = arg;
    if (prepare(fiber) == NULL) {
        gri_stack_unmap(&fiber->stack);
        gri_free(fiber);
        return NULL;
    }
#if defined(TSAN)
    fiber->tsan_fiber = __tsan_create_fiber(0);
#endif
    fiber->valgrind_stack =
        VALGRIND_STACK_REGISTER(fiber->stack.low, fiber->stack.low + fiber->stack.bytes);
    return fiber;
}

gri_fiber *gri_fiber_free(gri_fiber *fiber)
{
    if (fiber == NULL) {
        return NULL;
    }
    VALGRIND_STACK_DEREGISTER(fiber->valgrind_stack);
#if defined(TSAN)
    __tsan_destroy_fiber(fiber->tsan_fiber);
#endif
#if defined(ASAN)
    __asan_unpoison_memory_region(fiber->stack.low, fiber->stack.bytes);
#endif
#if defined(PORTABLE)
    gri_free(fiber->sp);
#endif
    gri_stack_unmap(&fiber->stack);
    gri_free(fiber);
    return NULL;
}

#if defined(ASAN)
/* Asked for once in each thread: for the first one libc reads all maps of the process, and the stepper comes here at each step. */
static gri_stack stack_of_thread(void)
{
    static _Thread_local gri_stack stack;
    pthread_attr_t attributes;

    if (stack.low == NULL && pthread_getattr_np(pthread_self(), &attributes) == 0) {
        void *low = NULL;

        (void)pthread_attr_getstack(&attributes, &low, &stack.bytes);
        stack.low = low;
        (void)pthread_attr_destroy(&attributes);
    }
    return stack;
}
#endif

void gri_fiber_init_native(gri_fiber *fiber)
{
    memset(fiber, 0, sizeof(*fiber));
#if defined(TSAN)
    fiber->tsan_fiber = __tsan_get_current_fiber();
#elif defined(ASAN)
    fiber->stack = stack_of_thread();
#endif
}

void gri_fiber_fini_native(gri_fiber *fiber)
{
#if defined(PORTABLE)
    gri_free(fiber->sp);
#endif
    memset(fiber, 0, sizeof(*fiber));
}

void gri_fiber_switch(gri_fiber *from, gri_fiber *to)
{
    before_switch(from, to);
    swap(from, to);
    after_switch(from);
}
