/*
 * Futures. A future is a process: its pid is what a request carries as its sender, so an answer finds it without any table
 * of requests. The object is used again when its last holder lets go; the generation keeps late answers away.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "future_internal.h"

#include <sched.h>

#include <gri/fail.h>

#include "os.h"

static void lock(gr_future *future)
{
    int spins = 0;

    /* Acquire: sees what the last holder of the lock wrote. */
    while (atomic_flag_test_and_set_explicit(&future->lock, memory_order_acquire)) {
        if (++spins % 64 == 0) {
            (void)sched_yield(); /* its holder may have lost the core */
        }
        gri_os_relax();
    }
}

static void unlock(gr_future *future)
{
    atomic_flag_clear_explicit(&future->lock,
                               memory_order_release); /* publishes what was written under it */
}

/* One more holder, unless the last one has let go: then the object is on its way to another occupant. */
static bool hold(gr_future *future)
{
    unsigned refs =
        atomic_load_explicit(&future->refs, memory_order_relaxed); /* the swap checks it */

    do {
        if (refs == 0) {
            return false;
        }
        /* Relaxed: the lock, which the last holder takes too, orders all else. */
    } while (!atomic_compare_exchange_weak_explicit(&future->refs, &refs, refs + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* Tells those that stand in a list, newest first, in the order in which they came. */
static void tell_links(gr_future *future, gri_future_link *newest)
{
    gri_future_link *oldest = NULL;

    while (newest != NULL) {
        gri_future_link *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        gri_future_link *next = oldest->next;

        oldest->completed(oldest, future);
        (void)gr_future_unref(future); /* that it kept for the link */
        oldest = next;
    }
}

/* Completes it, with a message or with a bare code; false when it was complete, and then `reply` stays the caller's. */
static bool complete(gr_future *future, uint32_t generation, gr_msg *reply, gr_err code)
{
    gr_future_fn fn = NULL;
    void *fn_arg = NULL;
    gri_future_link *links = NULL;

    lock(future);
    /* Relaxed: changes only under the lock. */
    if (future->done ||
        atomic_load_explicit(&future->base.generation, memory_order_relaxed) != generation ||
        !hold(future)) { /* held while we tell */
        unlock(future);
        return false;
    }
    future->done = true;
    future->reply = reply;
    future->code = code;
    fn = future->fn;
    fn_arg = future->fn_arg;
    future->fn = NULL;
    links = future->links;
    future->links = NULL;
    for (;;) {
        gri_wait *wait = TAILQ_FIRST(&future->waits);
        bool claimed = false;

        if (wait == NULL) {
            break;
        }
        TAILQ_REMOVE(&future->waits, wait, link);
        wait->linked = false;
        claimed = gri_wait_claim(wait, GR_OK);
        if (claimed) { /* it cannot go before we let it, so it needs no lock */
            unlock(future);
            gri_wait_go(wait);
            lock(future);
        }
    }
    unlock(future);
    if (fn != NULL) {
        fn(fn_arg, future);
        (void)gr_future_unref(future); /* that it kept for the function */
    }
    tell_links(future, links);
    (void)gr_future_unref(future);
    return true;
}

static void on_timeout(void *arg)
{
    gr_future *future = arg;

    /* Relaxed: the object cannot be given to another occupant before this alarm has been ended. */
    if (complete(future, atomic_load_explicit(&future->base.generation, memory_order_relaxed), NULL,
                 GR_ETIMEDOUT)) {
        gri_count(&future->base.sys->timeouts, 1);
    }
}

/* A future that waits for the answer of `asked`; null: of whoever completes it. */
static gr_err future_new(gr_system *sys, gr_pid asked, int64_t timeout_ms, gr_future **out_future)
{
    gr_future *future = NULL;

    /* Relaxed: a refusal that comes a moment late does no harm. */
    if (atomic_load_explicit(&sys->phase, memory_order_relaxed) == GRI_PHASE_DOWN) {
        return GRI_FAIL(GR_ESTOPPED, "system %s has stopped", sys->name);
    }
    future = (gr_future *)gri_process_take(sys, GRI_FUTURE);
    if (future == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a future");
    }
    lock(future); /* a late answer to the last occupant may be looking at it */
    future->done = false;
    future->reply = NULL;
    future->code = GR_OK;
    future->fn = NULL;
    future->links = NULL;
    future->turn = 0;
    future->asked = asked;
    TAILQ_INIT(&future->waits);
    atomic_store_explicit(&future->refs, 1, memory_order_relaxed); /* nobody else has it yet */
    future->timeout_ms = timeout_ms;
    future->deadline_ms = gri_deadline(sys, timeout_ms);
    unlock(future);
    gr_alarm_init(&future->alarm, sys, on_timeout, future);
    if (future->deadline_ms != INT64_MAX) {
        gr_alarm_set(&future->alarm, future->deadline_ms);
    }
    *out_future = future;
    return GR_OK;
}

gr_err gr_future_new(gr_system *sys, int64_t timeout_ms, gr_future **out_future)
{
    return future_new(sys, gr_pid_null(), timeout_ms, out_future);
}

gr_future *gr_future_ref(gr_future *future)
{
    if (future != NULL) {
        (void)atomic_fetch_add_explicit(&future->refs, 1,
                                        memory_order_relaxed); /* by who has a reference already */
    }
    return future;
}

gr_future *gr_future_unref(gr_future *future)
{
    gr_msg *reply = NULL;

    if (future == NULL ||
        /* Release: what this holder did comes first; acquire: the last one sees all of it. */
        atomic_fetch_sub_explicit(&future->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    if (future->deadline_ms != INT64_MAX) {
        gr_alarm_fini(&future->alarm);
    }
    lock(future);
    reply = future->reply;
    future->reply = NULL;
    future->done = true;
    /* Relaxed: under the lock, where answers look at it. */
    (void)atomic_fetch_add_explicit(&future->base.generation, 1, memory_order_relaxed);
    unlock(future);
    (void)gr_msg_unref(reply);
    gri_process_give(&future->base);
    return NULL;
}

gr_pid gr_future_pid(const gr_future *future)
{
    return gri_process_pid(&future->base);
}

bool gr_future_ready(const gr_future *future)
{
    gr_future *looked_at = (gr_future *)(uintptr_t)future;
    bool done = false;

    lock(looked_at);
    done = looked_at->done;
    unlock(looked_at);
    return done;
}

gr_err gr_future_complete(gr_future *future, gr_msg *msg)
{
    /* Relaxed: the caller holds it, so its generation stays. */
    uint32_t generation = atomic_load_explicit(&future->base.generation, memory_order_relaxed);

    if (msg == NULL) {
        return complete(future, generation, NULL, GR_ENOMEM) ? GR_OK : GR_EEXIST;
    }
    if (!complete(future, generation, msg, GR_OK)) {
        (void)gr_msg_unref(msg);
        return GR_EEXIST;
    }
    return GR_OK;
}

gr_err gr_future_on_complete(gr_future *future, gr_future_fn fn, void *arg)
{
    bool done = false, taken = false;

    lock(future);
    done = future->done;
    taken = future->fn != NULL;
    if (!done && !taken) {
        future->fn = fn;
        future->fn_arg = arg;
        (void)gr_future_ref(future);
    }
    unlock(future);
    if (taken) {
        return GRI_FAIL(GR_EEXIST, "the future has a function already");
    }
    if (done) {
        fn(arg, future);
    }
    return GR_OK;
}

void gri_future_attach(gr_future *future, gri_future_link *link)
{
    bool done = false;

    lock(future);
    done = future->done;
    if (!done) {
        link->next = future->links;
        future->links = link;
        (void)gr_future_ref(future);
    }
    unlock(future);
    if (done) {
        link->completed(link, future);
    }
}

gr_err gri_future_outcome(const gr_future *future, const gr_msg **out_msg)
{
    const gr_error *error =
        future->reply == NULL ? NULL : gr_msg_read(future->reply, &gr_error_type);

    *out_msg = future->reply;
    return error != NULL ? error->code : future->reply != NULL ? GR_OK : future->code;
}

bool gri_future_answer(gri_process *process, gr_pid to, gr_msg *msg)
{
    bool in_time = complete((gr_future *)process, to.generation, msg, GR_OK);

    if (!in_time) {
        gri_count(&process->sys->late_replies, 1);
        (void)gr_msg_unref(msg);
    }
    return in_time;
}

void gri_future_deliver(gri_process *process, gr_pid to, gr_msg *msg)
{
    const gr_type *type = msg->type;
    gr_pid sender = msg->sender;
    bool beside_others = msg->extra != NULL && msg->extra->one_of_many;

    if (!gri_future_answer(process, to, msg) && !beside_others) {
        gri_dead_letter_note(process->sys, to, type, sender, GR_DEAD_LATE);
    }
}

void gri_future_fail(gri_process *process, gr_pid to, gr_err code)
{
    (void)complete((gr_future *)process, to.generation, NULL, code);
}

gr_pid gri_future_asked(gri_process *process)
{
    gr_future *future = (gr_future *)process;
    gr_pid asked;

    lock(future);
    asked = future->done ? gr_pid_null() : future->asked;
    unlock(future);
    return asked;
}

void gri_future_kill(gri_process *process)
{
    gr_future *future = (gr_future *)process;

    (void)gr_msg_unref(future->reply);
    future->reply = NULL;
    future->done = true;
    future->code = GR_ESTOPPED;
    gri_future_fini(process);
}

void gri_futures_left(gr_system *sys)
{
    /* Without chunks when the system could not be made. */
    uint32_t slots = sys->table.chunks == NULL ? 0 : gri_process_table_slots(&sys->table);
    uint32_t slot = 0, held = 0;

    for (slot = 0; slot < slots; slot++) {
        const gri_process *process = gri_process_at(&sys->table, slot);
        const gr_future *future = (const gr_future *)process;

        /* One that is complete is held by nobody of ours. Relaxed: all threads have gone. */
        if (process != NULL && process->kind == GRI_FUTURE && future->done &&
            atomic_load_explicit(&future->refs, memory_order_relaxed) != 0) {
            held++;
        }
    }
    if (held != 0) {
        gr_system_log(sys, GR_LOG_WARN, "GR-SYSTEM-FUTURES",
                      "system %s is freed while %u future%s still held: gr_future_unref() each "
                      "before, it goes with its system",
                      sys->name, held, held == 1 ? " is" : "s are");
    }
}

void gri_future_fini(gri_process *process)
{
    gr_future *future = (gr_future *)process;
    gri_future_link *link = future->links;

    future->links = NULL;
    while (link != NULL) {
        gri_future_link *next = link->next;

        link->dropped(link);
        link = next;
    }
}

/* GR_ETIMEDOUT, with whom it was that did not answer. */
static gr_err too_late(const gr_future *future, int64_t timeout_ms)
{
    char pid[GR_PID_TEXT_BYTES];
    const char *what = gr_pid_is_null(future->asked) ? "nothing has come" : "no answer from ";
    const char *from =
        gr_pid_is_null(future->asked) ? "" : (const char *)gr_pid_format(future->asked, pid);

    return timeout_ms < 0
               ? GRI_FAIL(GR_ETIMEDOUT,
                          "%s%s: a time of %lld ms is over from the beginning, GR_FOREVER is no "
                          "limit",
                          what, from, (long long)timeout_ms)
               : GRI_FAIL(GR_ETIMEDOUT, "%s%s in %lld ms", what, from, (long long)timeout_ms);
}

/* What a future without a message has come to. */
static gr_err failure_of(const gr_future *future)
{
    char pid[GR_PID_TEXT_BYTES];

    if (future->code == GR_ETIMEDOUT) {
        return too_late(future, future->timeout_ms);
    }
    if (gr_pid_is_null(future->asked)) { /* nobody, or it was the null pid */
        return GRI_FAIL(future->code, "%s",
                        future->code == GR_EINVAL ? "a message to the null pid"
                                                  : gr_err_text(future->code));
    }
    if (future->code == GR_EDEAD) {
        return GRI_FAIL(GR_EDEAD, "%s has stopped without an answer, or never was",
                        gr_pid_format(future->asked, pid));
    }
    return GRI_FAIL(future->code, "%s, asking %s", gr_err_text(future->code),
                    gr_pid_format(future->asked, pid));
}

/* What a wait on a complete future gives. */
static gr_err result_of(gr_future *future, gr_msg **out_reply)
{
    const gr_error *error = NULL;

    if (future->reply == NULL) {
        return failure_of(future);
    }
    error = gr_msg_read(future->reply, &gr_error_type);
    if (error != NULL) {
        return gr_error_set(error->code, error->file, error->line, "%s", error->text);
    }
    *out_reply = gr_msg_ref(future->reply);
    return GR_OK;
}

/* Waits for a future that was not complete a moment ago; GR_OK: it is now. */
static gr_err wait_for(gr_future *future, int64_t deadline_ms)
{
    gri_wait wait;
    bool done = false;
    gr_err err = GR_OK;

    gri_wait_init(&wait, future->base.sys);
    wait.on = future->base.slot;
    err = gri_wait_prepare(&wait);
    if (err != GR_OK) {
        return err;
    }
    lock(future);
    done = future->done;
    if (!done) { /* from here on somebody may owe us a wake: wait for it */
        wait.linked = true;
        TAILQ_INSERT_TAIL(&future->waits, &wait, link);
    }
    unlock(future);
    if (!done) {
        err = gri_wait_for(&wait, deadline_ms);
        lock(future);
        if (wait.linked) {
            TAILQ_REMOVE(&future->waits, &wait, link);
        }
        done = future->done;
        unlock(future);
    }
    return done && err != GR_ESTOPPED && err != GR_ERESTARTED ? GR_OK : err;
}

gr_err gr_await(gr_future *future, int64_t timeout_ms, gr_msg **out_reply)
{
    gr_err err = GR_OK;

    if (gr_future_ready(future)) {
        return result_of(future, out_reply);
    }
    if (timeout_ms <= 0) {
        return too_late(future, timeout_ms);
    }
    err = gri_events_may_wait();
    if (err == GR_OK && future->turn != 0) {
        err = gri_wait_for_oneself(future->turn);
    }
    if (err != GR_OK) {
        return err;
    }
    (void)gr_future_ref(
        future); /* whoever completes it may let go of it before we look at the answer */
    err = wait_for(future, gri_deadline(future->base.sys, timeout_ms));
    if (err == GR_OK) {
        err = result_of(future, out_reply);
    } else {
        gri_count(&future->base.sys->timeouts, err == GR_ETIMEDOUT ? 1 : 0);
        err = err == GR_ETIMEDOUT
                  ? too_late(future, timeout_ms)
                  : GRI_FAIL(err, "%s, while waiting for an answer", gr_err_text(err));
    }
    (void)gr_future_unref(future);
    return err;
}

void gri_future_sending(gr_future *future, gr_pid to)
{
    gr_context *turn = gri_wait_in_the_way(to);

    future->turn = turn == NULL ? 0 : gri_wait_turn(turn);
}

/* Through the middleware of who asks, which may send it elsewhere. */
static gr_err send_through(gr_context *context, gr_future *future, gr_pid to, gr_msg *msg)
{
    gr_future *outer = context->asking; /* a middleware may ask too */
    gr_err err = GR_OK;

    context->asking = future;
    err = gri_middleware_send(context, to, msg);
    context->asking = outer;
    return err;
}

static gr_err send_plainly(gr_system *sys, gr_future *future, gr_pid to, gr_msg *msg)
{
    gri_future_sending(future, to);
    return gr_forward_msg(sys, to, msg);
}

/* Whether what a handler sends goes through middleware. */
static bool goes_through(const gr_context *context, const gr_system *sys)
{
    return context != NULL && (context->actor->around & GRI_AROUND_SEND) != 0 &&
           context->actor->base.sys == sys;
}

/* As gr_request_future(); *out_sent is what has come of sending, with its detail. */
static gr_err ask(gr_system *sys, gr_pid to, gr_msg *msg, int64_t timeout_ms,
                  gr_future **out_future, gr_err *out_sent)
{
    gr_future *future = NULL;
    gr_context *context = gri_context_now();
    gr_pid pid;
    gr_err err = future_new(sys, to, timeout_ms, &future);

    if (err != GR_OK) {
        (void)gr_msg_unref(msg);
        return err;
    }
    pid = gr_future_pid(future);
    if (msg == NULL) {
        gri_future_fail(&future->base, pid, GR_ENOMEM);
    } else if (!gri_msg_own(&msg)) {
        gri_future_fail(&future->base, pid, GR_ENOMEM);
    } else {
        gr_msg_set_sender(msg, pid);
        gr_msg_set_request(msg);
        err = goes_through(context, sys) ? send_through(context, future, to, msg)
                                         : send_plainly(sys, future, to, msg);
        if (err != GR_OK) { /* most often it has been told by the dead letter already */
            gri_future_fail(&future->base, pid, err);
        }
    }
    *out_future = future;
    *out_sent = err;
    return GR_OK;
}

gr_err gr_request_future(gr_system *sys, gr_pid to, gr_msg *msg, int64_t timeout_ms,
                         gr_future **out_future)
{
    gr_err sent = GR_OK;

    return ask(sys, to, msg, timeout_ms, out_future, &sent);
}

/* Whether a future has come to nothing but what sending has, the detail of which is still there. */
static bool says_it_all(gr_future *future, gr_err sent)
{
    bool same = false;

    lock(future);
    same = future->done && future->reply == NULL && future->code == sent;
    unlock(future);
    return same && gr_last_error()->code == sent;
}

gr_err gr_request(gr_system *sys, gr_pid to, gr_msg *msg, int64_t timeout_ms, gr_msg **out_reply)
{
    gr_future *future = NULL;
    gr_err sent = GR_OK;
    gr_context *turn = gri_wait_in_the_way(to);
    gr_err err = gri_events_may_wait(); /* before anything is sent */

    if (err == GR_OK && turn != NULL && !goes_through(gri_context_now(), sys)) {
        err = gri_wait_for_oneself(gri_wait_turn(turn));
    }
    if (err != GR_OK) {
        (void)gr_msg_unref(msg);
        return err;
    }
    err = ask(sys, to, msg, timeout_ms, &future, &sent);
    if (err == GR_OK) {
        err = sent != GR_OK && says_it_all(future, sent) ? sent
                                                         : gr_await(future, GR_FOREVER, out_reply);
        (void)gr_future_unref(future);
    }
    return err;
}
