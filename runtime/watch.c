/*
 * Watching: who wants to know when an actor ends. The notice to a watcher of this system is made when the watch begins, so
 * that telling it needs no memory. A watcher keeps a table of whom it watches; a notice of one that is not in it any more,
 * because the watch was taken back or the notice has come already, is dropped. Watchers are told in the order in which they
 * asked. Who waits for an end without being an actor has a future for a watcher.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <granary/future.h>

#include <gri/fail.h>
#include <gri/mem.h>

/* Tells a watcher, by its notice or, when it has none, by a signal to where it lives. */
static void tell(gr_system *sys, gr_pid watcher, gr_msg *take_notice, gr_pid ended,
                 gr_reason reason)
{
    if (take_notice == NULL) {
        gr_signal signal = {
            .kind = GR_SIGNAL_TERMINATED, .to = watcher, .from = ended, .reason = reason};

        (void)gr_signal_send(sys, &signal);
        return;
    }
    ((gr_terminated *)gr_msg_payload(take_notice))->reason = reason;
    (void)gri_send_local(sys, watcher, take_notice, true);
}

static gr_msg *new_notice(gr_pid ended, gr_reason reason)
{
    gr_msg *msg = gr_msg_new(&gr_terminated_type);

    if (msg != NULL) {
        *(gr_terminated *)gr_msg_payload(msg) = (gr_terminated){ended, reason};
    }
    return msg;
}

static gri_watch_note *watch_note_of(gri_note *note)
{
    return (gri_watch_note *)((char *)note - offsetof(gri_watch_note, note));
}

static void tell_origin(gr_origin *origin)
{
    if (origin != NULL) {
        origin->released(origin, 0);
    }
}

static void free_note(gri_watch_note *take_note)
{
    gr_origin *origin = take_note->origin;

    gri_pool_free(&take_note->block);
    tell_origin(origin);
}

void gri_watch_drop(gri_note *note)
{
    gri_watch_note *watch = watch_note_of(note);

    (void)gr_msg_unref(watch->notice);
    free_note(watch);
}

void gri_watch_handle(gri_actor *actor, gri_note *note)
{
    gr_system *sys = actor->base.sys;
    gri_watch_note *watch = watch_note_of(note);
    gr_pid target = {sys->node, actor->base.slot, watch->generation};
    bool at_home =
        actor->status != GRI_FREE && watch->generation == gri_actor_pid(actor).generation;
    gri_extras *extras = NULL;

    if (note->kind == GRI_NOTE_UNWATCH) {
        if (at_home && actor->extras != NULL) {
            (void)gri_watch_table_remove(&actor->extras->watchers, watch->watcher);
        }
    } else {
        extras = at_home ? gri_actor_extras(actor) : NULL;
        if (extras == NULL ||
            !gri_watch_table_add(&extras->watchers, watch->watcher, watch->notice)) {
            tell(sys, watch->watcher, watch->notice, target, GR_REASON_NEVER_EXISTED);
        }
    }
    free_note(watch);
}

void gri_watch_tell_all(gri_actor *actor, gr_reason reason)
{
    gr_pid ended = gri_actor_pid(actor);
    gr_pid other;
    gr_msg *notice = NULL;

    if (actor->extras == NULL) {
        return;
    }
    ended.generation--; /* it has been vacated */
    while (gri_watch_table_steal_oldest(&actor->extras->watchers, &other, &notice)) {
        tell(actor->base.sys, other, notice, ended, reason);
    }
    while (gri_watch_table_steal_oldest(&actor->extras->watching, &other, &notice)) {
        gr_signal signal = {
            .kind = GR_SIGNAL_UNWATCH, .to = other, .from = ended, .reason = reason};

        (void)gr_signal_send(actor->base.sys, &signal);
    }
}

void gri_watch_fini(gri_actor *actor)
{
    if (actor->extras != NULL) {
        gri_watch_table_clear(&actor->extras->watchers);
        gri_watch_table_clear(&actor->extras->watching);
    }
}

bool gri_watch_expects(gri_actor *actor, const gr_msg *msg)
{
    const gr_terminated *notice = gr_msg_read(msg, &gr_terminated_type);

    return actor->extras != NULL && gri_watch_table_remove(&actor->extras->watching, notice->pid);
}

static gri_watch_note *new_note(gri_note_kind kind, gr_pid target, gr_pid watcher)
{
    gri_watch_note *note = (gri_watch_note *)gri_pool_alloc(sizeof(*note));

    if (note != NULL) {
        note->note = (gri_note){NULL, kind};
        note->generation = target.generation;
        note->watcher = watcher;
        note->notice = NULL;
        note->origin = NULL;
    }
    return note;
}

/* A watch of, or by, an actor of this system reaches it as a note. */
gr_err gri_watch_signal(gr_system *sys, const gr_signal *signal)
{
    gri_process *process = gri_process_at(&sys->table, signal->to.slot);
    gri_watch_note *note = NULL;
    gr_msg *notice = NULL;
    gr_err err = GR_OK;

    if (signal->kind == GR_SIGNAL_TERMINATED) {
        notice = new_notice(signal->from, signal->reason);
        return notice == NULL ? GRI_FAIL(GR_ENOMEM, "a notice")
                              : gri_send_local(sys, signal->to, notice, true);
    }
    if (signal->kind == GR_SIGNAL_WATCH && signal->from.node == sys->node) {
        notice = new_notice(signal->to, GR_REASON_STOPPED);
        if (notice == NULL) {
            err = GRI_FAIL(GR_ENOMEM, "a watch");
            goto done;
        }
    }
    if (process == NULL || process->kind != GRI_ACTOR ||
        /* Acquire: as a send does. */
        atomic_load_explicit(&process->generation, memory_order_acquire) != signal->to.generation) {
        if (signal->kind == GR_SIGNAL_WATCH) {
            tell(sys, signal->from, notice, signal->to, GR_REASON_NEVER_EXISTED);
        }
        goto done;
    }
    note = new_note(signal->kind == GR_SIGNAL_WATCH ? GRI_NOTE_WATCH : GRI_NOTE_UNWATCH, signal->to,
                    signal->from);
    if (note == NULL) {
        (void)gr_msg_unref(notice);
        err = GRI_FAIL(GR_ENOMEM, "a watch");
        goto done;
    }
    note->notice = notice;
    note->origin = signal->origin;
    gri_actor_note(gri_actor_of(process), &note->note);
    return GR_OK;
done:
    tell_origin(signal->origin);
    return err;
}

gr_err gr_watch(gr_context *ctx, gr_pid pid)
{
    gr_system *sys = ctx->actor->base.sys;
    gri_extras *extras = gri_actor_extras(ctx->actor);
    gr_signal signal = {.kind = GR_SIGNAL_WATCH, .to = pid, .from = gr_context_self(ctx)};
    gr_err err = GR_OK;

    if (gr_pid_is_null(pid)) {
        return GRI_FAIL(GR_EINVAL, "cannot watch the null pid");
    }
    if (extras == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a watch");
    }
    if (gri_watch_table_has(&extras->watching, pid)) {
        return GR_OK;
    }
    if (!gri_watch_table_add(&extras->watching, pid, NULL)) {
        return GRI_FAIL(GR_ENOMEM, "a watch");
    }
    err = gr_signal_send(sys, &signal);
    if (err != GR_OK) {
        (void)gri_watch_table_remove(&extras->watching, pid);
    }
    return err;
}

void gr_unwatch(gr_context *ctx, gr_pid pid)
{
    gr_signal signal = {.kind = GR_SIGNAL_UNWATCH, .to = pid, .from = gr_context_self(ctx)};

    if (ctx->actor->extras != NULL && gri_watch_table_remove(&ctx->actor->extras->watching, pid)) {
        (void)gr_signal_send(ctx->actor->base.sys, &signal);
    }
}

/* ---- waiting for an end ---------------------------------------------------------------------------------------------- */

/* Whether it is nobody's pid any more, but what its actor owned has not all gone yet. */
static bool is_vacating(gr_system *sys, gr_pid pid)
{
    gri_process *process = pid.node == sys->node ? gri_process_at(&sys->table, pid.slot) : NULL;

    /* Acquire, all: whoever sees the one thing sees what was before it in vacate(), or in the start of the next. */
    return process != NULL && process->kind == GRI_ACTOR &&
           atomic_load_explicit(&process->generation, memory_order_acquire) == pid.generation + 1 &&
           atomic_load_explicit(&gri_actor_of(process)->asked, memory_order_acquire) == 0 &&
           atomic_load_explicit(&gri_actor_of(process)->shown, memory_order_acquire) != GRI_FREE;
}

/* What it owned is going: soon over, so it is looked at each millisecond; under a stepper it is over. */
static gr_err await_vacated(gr_system *sys, gr_pid pid, int64_t deadline_ms)
{
    gr_future *never = NULL;
    gr_msg *nothing = NULL;
    gr_err err = GR_OK;

    while (sys->stepped == NULL && err == GR_OK && is_vacating(sys, pid)) {
        if (gr_system_now(sys) >= deadline_ms) {
            err = GRI_FAIL(GR_ETIMEDOUT, "the actor has ended, but for its arg_free");
            break;
        }
        err = never == NULL ? gr_future_new(sys, GR_FOREVER, &never) : GR_OK;
        err = err == GR_OK ? gr_await(never, 1, &nothing) : err;
        err = err == GR_ETIMEDOUT ? GR_OK : err;
    }
    never = gr_future_unref(never);
    return err;
}

/* Has a future watch, and waits for it. */
static gr_err await_notice(gr_system *sys, gr_pid pid, int64_t timeout_ms, gr_reason *out_reason)
{
    gr_future *gone = NULL;
    gr_msg *notice = NULL;
    gr_signal signal = {.kind = GR_SIGNAL_WATCH, .to = pid};
    gr_err err = gr_future_new(sys, GR_FOREVER, &gone);

    if (err != GR_OK) {
        return err;
    }
    signal.from = gr_future_pid(gone);
    err = gr_signal_send(sys, &signal);
    if (err == GR_EUNREACHABLE) { /* without a detail: there is nothing that could reach it */
        err = GRI_FAIL(err, "a pid of another system, and this one has no way out");
    }
    if (err == GR_OK) {
        err = gr_await(gone, timeout_ms, &notice);
        if (err == GR_OK) {
            *out_reason = ((const gr_terminated *)gr_msg_read(notice, &gr_terminated_type))->reason;
        } else {
            gr_error kept = *gr_last_error();

            if (err == GR_ETIMEDOUT) {
                char text[GR_PID_TEXT_BYTES];

                (void)GRI_FAIL(err, "%s has not ended in %lld ms%s", gr_pid_format(pid, text),
                               (long long)timeout_ms,
                               timeout_ms < 0 ? ": GR_FOREVER is no limit" : "");
                kept = *gr_last_error();
            }
            signal.kind = GR_SIGNAL_UNWATCH;
            (void)gr_signal_send(sys, &signal);
            gri_error_restore(&kept);
        }
    }
    (void)gr_msg_unref(notice);
    (void)gr_future_unref(gone);
    return err;
}

gr_err gr_await_end(gr_system *sys, gr_pid pid, int64_t timeout_ms, gr_reason *out_reason)
{
    int64_t deadline_ms = gri_deadline(sys, timeout_ms);
    gr_reason reason = GR_REASON_NEVER_EXISTED;
    gr_err err = GR_OK;

    if (gr_pid_is_null(pid)) {
        return GRI_FAIL(GR_EINVAL, "cannot wait for the end of the null pid");
    }
    if (gri_context_of(pid) != NULL) {
        return GRI_FAIL(GR_EINVAL, "an actor cannot wait for its own end");
    }
    if (pid.node != sys->node || gr_process_alive(sys, pid)) {
        err = await_notice(sys, pid, timeout_ms, &reason);
    }
    if (err == GR_OK && reason == GR_REASON_NODE_LOST) {
        err = GRI_FAIL(GR_ENODELOST, "the actor's node is lost: it may be there still");
    }
    if (err == GR_OK && reason == GR_REASON_NEVER_EXISTED && gr_process_alive(sys, pid)) {
        err = GRI_FAIL(GR_ENOMEM, "a watch"); /* as it is told where there is none to remember it */
    }
    if (err == GR_OK && reason == GR_REASON_NEVER_EXISTED) { /* else what it owned has gone first */
        err = await_vacated(sys, pid, deadline_ms);
    }
    if (err == GR_OK && out_reason != NULL) {
        *out_reason = reason;
    }
    return err;
}
