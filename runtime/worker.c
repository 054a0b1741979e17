/*
 * A worker's loop and the fibers it runs on. The loop itself runs on a fiber. When a handler waits, that fiber, with the
 * loop's frame below the handler's, is set aside, and the loop goes on with another one; when the handler may go on, the
 * fiber of the moment comes to rest in the pool, inside its switch, ready to be gone on with at the next wait. So a handler
 * that never waits costs nothing.
 * What has to be done once a fiber is really off its stack is done on the other side of the switch (`after`).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <gri/fail.h>

#include "overrun.h"

enum { POOLED_MAX = 256, LARGE_MAX = 16, DEEP_STACK_BYTES = 512 * 1024 };

_Thread_local gri_thread gri_this_thread;

static void run_after(gri_worker *worker)
{
    void (*after)(gri_worker *, void *) = worker->after;
    void *arg = worker->after_arg;

    worker->after = NULL;
    if (after != NULL) {
        after(worker, arg);
    }
}

static void switch_to(gri_worker *worker, gri_fiber *to, void (*after)(gri_worker *, void *),
                      void *arg)
{
    gri_fiber *from = worker->fiber;

    if (__builtin_expect(from->stack.slab != NULL && !gri_stack_intact(&from->stack), 0)) {
        gri_overrun_report(from); /* there was no guard page to stop it */
        abort();
    }
    worker->after = after;
    worker->after_arg = arg;
    worker->fiber = to;
    gri_fiber_switch(from, to);
    run_after(worker);
}

static bool is_large(const gri_worker *worker, const gri_fiber *fiber)
{
    return fiber->asked > worker->stack_bytes;
}

static void to_pool(gri_worker *worker, void *arg)
{
    gri_fiber *fiber = arg;
    bool large = is_large(worker, fiber);
    gri_fiber **pool = large ? &worker->large : &worker->pool;
    uint32_t *count = large ? &worker->large_count : &worker->pool_count;

    if (*count >= (large ? LARGE_MAX : POOLED_MAX)) {
        (void)gri_fiber_free(fiber);
        (void)atomic_fetch_sub_explicit(&worker->fibers, 1,
                                        memory_order_relaxed); /* a count for people */
        return;
    }
    fiber->next = *pool;
    *pool = fiber;
    (*count)++;
}

static void loop(void *arg);

/* A fiber for an actor that asks for a larger stack than others; NULL: out of memory. */
static gri_fiber *large_fiber(gri_worker *worker, size_t bytes)
{
    gri_fiber **link = &worker->large;
    gri_fiber *fiber = NULL;

    while (*link != NULL && (*link)->asked < bytes) {
        link = &(*link)->next;
    }
    fiber = *link;
    if (fiber != NULL) {
        *link = fiber->next;
        worker->large_count--;
        fiber->context = NULL;
        return fiber;
    }
    fiber = gri_fiber_new(bytes, loop, worker);
    if (fiber != NULL) {
        (void)atomic_fetch_add_explicit(&worker->fibers, 1,
                                        memory_order_relaxed); /* a count for people */
    }
    return fiber;
}

/* Goes on on a fiber with room enough for the actor; when there is none to be had the actor comes again later. */
static void run_on_large(gri_worker *worker, gri_actor *actor)
{
    gri_fiber *fiber = large_fiber(worker, (size_t)actor->stack_units * GRI_STACK_UNIT);

    if (fiber == NULL) {
        gri_actor_schedule(actor);
        (void)sched_yield(); /* until others have given memory back */
        return;
    }
    worker->in_hand = actor;
    switch_to(worker, fiber, to_pool, worker->fiber);
}

static gri_fiber *from_pool(gri_worker *worker)
{
    gri_fiber *fiber = worker->pool;

    GRI_INVARIANT(fiber != NULL);
    worker->pool = fiber->next;
    worker->pool_count--;
    fiber->context = NULL;
    return fiber;
}

static void loop(void *arg)
{
    gri_worker *worker = arg;

    run_after(worker);
    for (;;) {
        gri_actor *actor = worker->in_hand;

        worker->in_hand = NULL;
        if (actor == NULL && is_large(worker, worker->fiber) && worker->pool != NULL) {
            switch_to(worker, from_pool(worker), to_pool,
                      worker->fiber); /* kept for who needs it */
            continue;
        }
        actor = actor != NULL ? actor : worker->ops->next(worker);
        if (actor == NULL) {
            switch_to(worker, &worker->native, to_pool, worker->fiber);
        } else if (actor->stack_units != 0 &&
                   worker->fiber->asked < (size_t)actor->stack_units * GRI_STACK_UNIT) {
            run_on_large(worker, actor);
        } else {
            gri_actor_run(actor);
        }
    }
}

/* On the deep fiber: one call after another, each for the fiber that asked. */
static void deep_loop(void *arg)
{
    gri_worker *worker = arg;

    for (;;) {
        worker->deep_fn(worker->deep_arg);
        gri_fiber_switch(worker->deep, worker->fiber);
    }
}

gr_err gri_worker_init(gri_worker *worker, const gri_dispatcher_ops *ops, uint32_t index,
                       uint32_t stack_bytes)
{
    gr_err err = GR_OK;

    memset(worker, 0, sizeof(*worker));
    worker->ops = ops;
    worker->index = index;
    worker->stack_bytes = stack_bytes;
    worker->deep = gri_fiber_new(DEEP_STACK_BYTES, deep_loop, worker);
    if (worker->deep == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "a stack of %d bytes for deep messages", DEEP_STACK_BYTES);
    } else {
        err = gri_worker_prepare(worker);
    }
    if (err != GR_OK) {
        gri_worker_fini(worker);
        worker->ops = NULL; /* never was */
    }
    return err;
}

void gri_worker_fini(gri_worker *worker)
{
    while (worker->pool != NULL) {
        gri_fiber *next = worker->pool->next;

        (void)gri_fiber_free(worker->pool);
        worker->pool = next;
    }
    worker->pool_count = 0;
    while (worker->large != NULL) {
        gri_fiber *next = worker->large->next;

        (void)gri_fiber_free(worker->large);
        worker->large = next;
    }
    worker->large_count = 0;
    worker->deep = gri_fiber_free(worker->deep);
}

gr_err gri_worker_prepare(gri_worker *worker)
{
    gri_fiber *fiber = NULL;

    if (worker->pool != NULL) {
        return GR_OK;
    }
    fiber = gri_fiber_new(worker->stack_bytes, loop, worker);
    if (fiber == NULL) {
        return GRI_FAIL(
            GR_ENOMEM, "a fiber with a stack of %u bytes (%u are alive)", worker->stack_bytes,
            atomic_load_explicit(&worker->fibers, memory_order_relaxed)); /* a reading */
    }
    (void)atomic_fetch_add_explicit(&worker->fibers, 1,
                                    memory_order_relaxed); /* a count for people */
    to_pool(worker, fiber);
    return GR_OK;
}

void gri_worker_suspend(gri_worker *worker, void (*after)(gri_worker *worker, void *arg), void *arg)
{
    switch_to(worker, from_pool(worker), after, arg);
}

void gri_worker_resume(gri_worker *worker, gri_fiber *fiber)
{
    switch_to(worker, fiber, to_pool, worker->fiber);
}

void gri_worker_call_deep(void (*fn)(void *arg), void *arg)
{
    gri_worker *worker = gri_this_thread.worker;

    if (worker == NULL || worker->fiber == NULL || worker->fiber == &worker->native) {
        fn(arg);
        return;
    }
    worker->deep_fn = fn;
    worker->deep_arg = arg;
    gri_fiber_switch(worker->fiber, worker->deep);
}

void gri_worker_drop(gri_worker *worker, gri_fiber *fiber)
{
    (void)gri_fiber_free(fiber);
    (void)atomic_fetch_sub_explicit(&worker->fibers, 1,
                                    memory_order_relaxed); /* a count for people */
    (void)atomic_fetch_sub_explicit(&worker->waiting, 1,
                                    memory_order_relaxed); /* a count for people */
}

void gri_worker_run(gri_worker *worker)
{
    gri_thread outer = gri_this_thread;

    gri_this_thread.worker = worker;
    gri_fiber_init_native(&worker->native);
    worker->fiber = &worker->native;
    gri_worker_suspend(worker, NULL, NULL);
    worker->fiber = NULL;
    gri_fiber_fini_native(&worker->native);
    gri_this_thread.worker = outer.worker;
}
