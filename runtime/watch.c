/*
 * Watching: who wants to know when an actor ends. The notice to a watcher of this system is made when the watch begins, so
 * that telling it needs no memory. A watcher keeps a list of whom it watches; a notice that is not on it any more, because
 * the watch was taken back or the notice has come already, is dropped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

static void tell(gr_system *sys, gri_watcher *watcher, gr_pid ended, gr_reason reason)
{
    if (watcher->notice == NULL) {
        gr_signal signal = {GR_SIGNAL_TERMINATED, watcher->pid, ended, reason};

        (void)gr_signal_send(sys, &signal);
        return;
    }
    ((gr_terminated *)gr_msg_payload(watcher->notice))->reason = reason;
    (void)gri_send_local(sys, watcher->pid, watcher->notice, true);
    watcher->notice = NULL;
}

static gr_msg *new_notice(gr_pid ended, gr_reason reason)
{
    gr_msg *msg = gr_msg_new(&gr_terminated_type);

    if (msg != NULL) {
        *(gr_terminated *)gr_msg_payload(msg) = (gr_terminated){ended, reason};
    }
    return msg;
}

static void remove_watcher(gri_actor *actor, gr_pid pid)
{
    gri_watchers *watchers = actor->extras == NULL ? NULL : &actor->extras->watchers;
    size_t i = 0;

    for (i = 0; watchers != NULL && i < watchers->count; i++) {
        if (gr_pid_equal(watchers->at[i].pid, pid)) {
            (void)gr_msg_unref(watchers->at[i].notice);
            watchers->at[i] = watchers->at[--watchers->count];
            return;
        }
    }
}

static bool add_watcher(gri_actor *actor, gri_watcher watcher)
{
    gri_extras *extras = gri_actor_extras(actor);
    gri_watchers *watchers = extras == NULL ? NULL : &extras->watchers;

    if (watchers == NULL) {
        return false;
    }
    remove_watcher(actor, watcher.pid);
    if (watchers->count == watchers->room) {
        size_t room = watchers->room == 0 ? 2 : watchers->room * 2;
        gri_watcher *at = gri_realloc(watchers->at, room * sizeof(*at));

        if (at == NULL) {
            return false;
        }
        watchers->at = at;
        watchers->room = room;
    }
    watchers->at[watchers->count++] = watcher;
    return true;
}

void gri_watch_handle(gri_actor *actor, gri_note *note)
{
    gr_system *sys = actor->base.sys;
    gri_watch_note *watch = (gri_watch_note *)((char *)note - offsetof(gri_watch_note, note));
    gri_watcher watcher = {watch->watcher, watch->notice};
    gr_pid target = {sys->node, actor->base.slot, watch->generation};
    bool at_home =
        actor->status != GRI_FREE && watch->generation == gri_actor_pid(actor).generation;

    if (note->kind == GRI_NOTE_UNWATCH) {
        if (at_home) {
            remove_watcher(actor, watcher.pid);
        }
    } else if (!at_home || !add_watcher(actor, watcher)) {
        tell(sys, &watcher, target, GR_REASON_NEVER_EXISTED);
    }
    gri_pool_free(&watch->block);
}

void gri_watch_tell_all(gri_actor *actor, gr_reason reason)
{
    gr_pid ended = gri_actor_pid(actor);
    gri_watchers *watchers = actor->extras == NULL ? NULL : &actor->extras->watchers;
    size_t i = 0;

    ended.generation--; /* it has been vacated */
    for (i = 0; watchers != NULL && i < watchers->count; i++) {
        tell(actor->base.sys, &watchers->at[i], ended, reason);
    }
    if (watchers != NULL) {
        watchers->count = 0;
    }
    for (i = 0; actor->extras != NULL && i < actor->extras->watching.count; i++) {
        gr_signal signal = {GR_SIGNAL_UNWATCH, actor->extras->watching.at[i], ended, reason};

        (void)gr_signal_send(actor->base.sys, &signal);
    }
    if (actor->extras != NULL) {
        actor->extras->watching.count = 0;
    }
}

bool gri_watch_expects(gri_actor *actor, const gr_msg *msg)
{
    const gr_terminated *notice = gr_msg_read(msg, &gr_terminated_type);

    return actor->extras != NULL && gri_pids_remove(&actor->extras->watching, notice->pid);
}

static gri_watch_note *new_note(gri_note_kind kind, gr_pid target, gr_pid watcher)
{
    gri_watch_note *note = (gri_watch_note *)gri_pool_alloc(sizeof(*note));

    if (note != NULL) {
        note->note = (gri_note){NULL, kind};
        note->generation = target.generation;
        note->watcher = watcher;
        note->notice = NULL;
    }
    return note;
}

/* A watch of, or by, an actor of this system reaches it as a note. */
gr_err gri_watch_signal(gr_system *sys, const gr_signal *signal)
{
    gri_process *process = gri_process_at(&sys->table, signal->to.slot);
    gri_watch_note *note = NULL;
    gri_watcher watcher = {signal->from, NULL};

    if (signal->kind == GR_SIGNAL_TERMINATED) {
        gr_msg *notice = new_notice(signal->from, signal->reason);

        return notice == NULL ? GRI_FAIL(GR_ENOMEM, "a notice")
                              : gri_send_local(sys, signal->to, notice, true);
    }
    if (signal->kind == GR_SIGNAL_WATCH && signal->from.node == sys->node) {
        watcher.notice = new_notice(signal->to, GR_REASON_STOPPED);
        if (watcher.notice == NULL) {
            return GRI_FAIL(GR_ENOMEM, "a watch");
        }
    }
    if (process == NULL || process->kind != GRI_ACTOR ||
        /* Acquire: as a send does. */
        atomic_load_explicit(&process->generation, memory_order_acquire) != signal->to.generation) {
        if (signal->kind == GR_SIGNAL_WATCH) {
            tell(sys, &watcher, signal->to, GR_REASON_NEVER_EXISTED);
        }
        return GR_OK;
    }
    note = new_note(signal->kind == GR_SIGNAL_WATCH ? GRI_NOTE_WATCH : GRI_NOTE_UNWATCH, signal->to,
                    signal->from);
    if (note == NULL) {
        (void)gr_msg_unref(watcher.notice);
        return GRI_FAIL(GR_ENOMEM, "a watch");
    }
    note->notice = watcher.notice;
    gri_actor_note(gri_actor_of(process), &note->note);
    return GR_OK;
}

gr_err gr_watch(gr_context *ctx, gr_pid pid)
{
    gr_system *sys = ctx->actor->base.sys;
    gri_extras *extras = gri_actor_extras(ctx->actor);
    gr_signal signal = {GR_SIGNAL_WATCH, pid, gr_context_self(ctx), GR_REASON_STOPPED};
    gr_err err = GR_OK;

    if (gr_pid_is_null(pid)) {
        return GRI_FAIL(GR_EINVAL, "cannot watch the null pid");
    }
    if (extras == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a watch");
    }
    if (gri_pids_has(&extras->watching, pid)) {
        return GR_OK;
    }
    if (!gri_pids_add(&extras->watching, pid)) {
        return GRI_FAIL(GR_ENOMEM, "a watch");
    }
    err = gr_signal_send(sys, &signal);
    if (err != GR_OK) {
        (void)gri_pids_remove(&extras->watching, pid);
    }
    return err;
}

void gr_unwatch(gr_context *ctx, gr_pid pid)
{
    gr_signal signal = {GR_SIGNAL_UNWATCH, pid, gr_context_self(ctx), GR_REASON_STOPPED};

    if (ctx->actor->extras != NULL && gri_pids_remove(&ctx->actor->extras->watching, pid)) {
        (void)gr_signal_send(ctx->actor->base.sys, &signal);
    }
}
