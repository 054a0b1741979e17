/*
 * Waits: suspending a fiber, or blocking a thread, until somebody wakes it, its time is up, or its actor ends. Whoever
 * wakes has to win a claim first, so there is one reason and one wake; the sleeper's frame lives until then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <gri/fail.h>
#include <gri/mem.h>

#include "os.h"

enum { WAITING = 0, CLAIMED = 1 };

static pthread_once_t parker_once = PTHREAD_ONCE_INIT;
static pthread_key_t parker_key;

static void free_parker(void *parker)
{
    gri_free(parker);
}

static void make_parker_key(void)
{
    (void)pthread_key_create(&parker_key, free_parker);
}

static gri_parker *parker_of_thread(void)
{
    gri_parker *parker = gri_this_thread.parker;

    if (parker == NULL) {
        (void)pthread_once(&parker_once, make_parker_key);
        parker = gri_alloc(sizeof(*parker));
        if (parker != NULL) {
            gri_parker_init(parker);
            (void)pthread_setspecific(parker_key, parker);
            gri_this_thread.parker = parker;
        }
    }
    return parker;
}

/* The actor whose turn the running fiber is: hooks of children that are being started run inside it. */
static gri_actor *actor_of_fiber(void)
{
    gr_context *context = gri_context_now();

    while (context != NULL && context->outer != NULL) {
        context = context->outer;
    }
    return context == NULL ? NULL : context->actor;
}

gr_context *gri_context_of(gr_pid pid)
{
    gr_context *context = gri_context_here();

    while (context != NULL && !gr_pid_equal(gri_actor_pid(context->actor), pid)) {
        context = context->outer;
    }
    return context;
}

gr_context *gri_wait_in_the_way(gr_pid to)
{
    gr_context *context = gri_context_of(to);

    return context == NULL ||
                   (context->actor->props.reentrant && context->actor->status != GRI_STARTING &&
                    context->actor->status != GRI_RESTARTING)
               ? NULL
               : context;
}

uint64_t gri_wait_turn(gr_context *context)
{
    while (context->turn ==
           0) { /* Relaxed: each gets a number of its own, in no particular order. */
        context->turn = atomic_fetch_add_explicit(&context->actor->base.sys->turns_named, 1,
                                                  memory_order_relaxed);
    }
    return context->turn;
}

gr_err gri_wait_for_oneself(uint64_t turn)
{
    const gr_context *context = gri_context_here();
    char pid[GR_PID_TEXT_BYTES];

    while (context != NULL && context->turn != turn) {
        context = context->outer;
    }
    return context == NULL
               ? GR_OK
               : GRI_FAIL(
                     GR_EDEADLOCK,
                     "actor %s %s would wait for itself: it handles nothing else until this %s "
                     "returns; let it be reentrant, or go on with gr_future_then()",
                     gr_pid_format(gri_actor_pid(context->actor), pid), gr_context_name(context),
                     context->msg == NULL ? "hook" : "handler");
}

void gri_wait_init(gri_wait *wait, gr_system *sys)
{
    *wait = (gri_wait){.sys = sys, .actor = actor_of_fiber(), .note = {NULL, GRI_NOTE_READY}};
    atomic_init(&wait->state, WAITING);
}

bool gri_wait_claim(gri_wait *wait, gr_err code)
{
    int waiting = WAITING;

    /* Acquire and release: the winner's `code` is published by what gri_wait_go() does; losers learn nothing. */
    if (!atomic_compare_exchange_strong_explicit(&wait->state, &waiting, CLAIMED,
                                                 memory_order_acq_rel, memory_order_acquire)) {
        return false;
    }
    wait->code = code;
    return true;
}

void gri_wait_go(gri_wait *wait)
{
    if (wait->actor != NULL) {
        gri_actor_note(wait->actor, &wait->note);
    } else if (wait->parker != NULL) {
        gri_parker_wake(wait->parker);
    }
}

/* On the other side of the switch: the waiting actor may be run again, by its home worker, for its signals. */
static void after_suspend(gri_worker *worker, void *arg)
{
    (void)worker;
    gri_actor_run(arg);
}

static void on_alarm(void *arg)
{
    gri_wait *wait = arg;

    if (gri_wait_claim(wait, GR_ETIMEDOUT)) {
        gri_wait_go(wait);
    }
}

static gr_err ending_code(const gri_actor *actor)
{
    return actor->status == GRI_STOPPING ||
                   (actor->wants & (GRI_ASKED_STOP | GRI_ASKED_STOP_FAILED)) != 0
               ? GR_ESTOPPED
           : actor->status == GRI_RESTARTING ? GR_ERESTARTED
                                             : GR_OK;
}

static gr_err wait_on_fiber(gri_wait *wait, int64_t deadline_ms)
{
    gri_actor *actor = wait->actor;
    gri_worker *worker = gri_this_thread.worker;
    gri_extras *extras = actor->extras;
    gr_err ending = ending_code(actor);
    gr_alarm alarm;

    /* A claimed wait is owed a note, which only a suspended fiber can take: so suspend even then. */
    if (ending != GR_OK && gri_wait_claim(wait, ending)) {
        return ending;
    }
    wait->fiber = worker->fiber;
    LIST_INSERT_HEAD(&extras->waits, wait, parked);
    atomic_store_explicit(&actor->waits_on, wait->on, memory_order_relaxed); /* for people */
    extras->waits_count++;
    actor->home = worker;
    if (!actor->props.reentrant) {
        gri_mailbox_block(&actor->mailbox, true);
    }
    if (deadline_ms != INT64_MAX) {
        gr_alarm_init(&alarm, wait->sys, on_alarm, wait);
        gr_alarm_set(&alarm, deadline_ms);
    }
    /* Relaxed: a count for people. */
    (void)atomic_fetch_add_explicit(&worker->waiting, 1, memory_order_relaxed);
    gri_worker_suspend(worker, after_suspend, actor);
    (void)atomic_fetch_sub_explicit(&worker->waiting, 1,
                                    memory_order_relaxed); /* a count for people */
    /* For people: a reentrant actor may have other fibers that wait. */
    atomic_store_explicit(&actor->waits_on,
                          LIST_EMPTY(&extras->waits) ? 0 : LIST_FIRST(&extras->waits)->on,
                          memory_order_relaxed);
    if (deadline_ms != INT64_MAX) {
        gr_alarm_fini(&alarm);
    }
    return wait->code;
}

static bool is_claimed(void *arg)
{
    gri_wait *wait = arg;

    return atomic_load_explicit(&wait->state, memory_order_acquire) ==
           CLAIMED; /* sees the waker's code */
}

static gr_err wait_in_thread(gri_wait *wait, int64_t deadline_ms)
{
    if (wait->sys->stepped != NULL) {
        if (!gri_stepped_pump(wait->sys->stepped, wait->sys, is_claimed, wait, deadline_ms) &&
            gri_wait_claim(wait, GR_ETIMEDOUT)) {
            return GR_ETIMEDOUT;
        }
        return wait->code;
    }
    if (!gri_parker_wait(wait->parker, deadline_ms)) {
        if (gri_wait_claim(wait, GR_ETIMEDOUT)) {
            return GR_ETIMEDOUT;
        }
        (void)gri_parker_wait(wait->parker,
                              INT64_MAX); /* claimed just now: the wake is on its way */
    }
    return wait->code;
}

gr_err gri_wait_prepare(gri_wait *wait)
{
    if (wait->actor != NULL) {
        return gri_actor_extras(wait->actor) == NULL ? GR_ENOMEM
                                                     : gri_worker_prepare(gri_this_thread.worker);
    }
    if (wait->sys->stepped != NULL) {
        return GR_OK; /* this thread steps while it waits: a wake that it does not take would end a later sleep */
    }
    wait->parker = parker_of_thread();
    return wait->parker == NULL ? GR_ENOMEM : GR_OK;
}

gr_err gri_wait_for(gri_wait *wait, int64_t deadline_ms)
{
    gr_err err =
        wait->actor != NULL ? wait_on_fiber(wait, deadline_ms) : wait_in_thread(wait, deadline_ms);

    gri_error_forget(); /* the details of what ran in this thread meanwhile */
    return err;
}
