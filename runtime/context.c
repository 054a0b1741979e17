/*
 * Handlers and hooks: running them with a context, catching a panic, and settling afterwards with whoever asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "context.h"

#include <stdarg.h>
#include <stdio.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "guard.h"
#include "message_internal.h"

enum { OWED_MAX = 4096 };

/* A context becomes that of the running fiber, and goes again. */
static inline void enter(gr_context *context, gri_actor *actor, const gr_msg *msg)
{
    gri_worker *worker = gri_this_thread.worker;
    gri_fiber *fiber = worker == NULL ? NULL : worker->fiber;

    *context = (gr_context){.actor = actor, .msg = msg};
    gri_error_forget();
    if (__builtin_expect(fiber == NULL, 0)) {
        context->rounds = gri_this_thread.rounds;
        context->outer = gri_this_thread.hook;
        gri_this_thread.hook = context;
        return;
    }
    context->outer = fiber->context;
    context->rounds = fiber->rounds;
    fiber->context = context;
    /* Relaxed, both: for the monitor, which reads them late. */
    atomic_store_explicit(&worker->running_type, msg == NULL ? NULL : msg->type,
                          memory_order_relaxed);
    atomic_store_explicit(&worker->turns,
                          atomic_load_explicit(&worker->turns, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static void free_chunks(gr_context *context)
{
    while (context->chunks != NULL) {
        void *next = *(void **)context->chunks;

        gri_free(context->chunks);
        context->chunks = next;
    }
}

static inline void leave(gr_context *context)
{
    gri_worker *worker = gri_this_thread.worker;

    if (__builtin_expect(worker != NULL && worker->fiber != NULL, 1)) {
        worker->fiber->context = context->outer;
    } else {
        gri_this_thread.hook = context->outer;
    }
    if (__builtin_expect(context->chunks != NULL, 0)) {
        free_chunks(context);
    }
}

void gri_context_drop(gr_context *context)
{
    for (; context != NULL; context = context->outer) {
        free_chunks(context);
        gri_handlers_abandon(context);
        (void)gr_msg_unref(context->msg);
        (void)gr_msg_unref(context->keeps);
    }
}

gr_error gri_error_of(gr_err err)
{
    gr_error detail = *gr_last_error();
    unsigned code = err == GR_FATAL ? GR_EFAILED : (unsigned)err & ~(unsigned)GR_FATAL;

    if ((unsigned)detail.code != code) { /* a bare code, which set no detail */
        detail = (gr_error){.code = (gr_err)code};
        (void)snprintf(detail.text, sizeof(detail.text), "%s%s%s", gr_err_text(detail.code),
                       code >= GR_EAPP ? ", " : "",
                       code >= GR_EAPP ? gr_err_name(detail.code) : "");
    }
    return detail;
}

static gr_err call_started(gr_context *ctx, void *state, const gr_msg *no_msg)
{
    gri_actor *actor = ctx->actor;
    gr_err err = (actor->around & GRI_AROUND_STARTED) != 0 ? gri_middleware_started(ctx) : GR_OK;

    (void)no_msg;
    return err == GR_OK && actor->props.started != NULL ? actor->props.started(ctx, state) : err;
}

gr_err gri_context_run_started(gri_actor *actor)
{
    gr_context context;
    gr_err err = GR_OK;

    enter(&context, actor, NULL);
    err = gri_guard_call(&context, actor->state, NULL, call_started, &context.guard);
    leave(&context);
    return err;
}

/* A context with what its call needs beside it; so for continuations. */
typedef struct stopped_call {
    gr_context context;
    gr_reason reason;
} stopped_call;

static gr_err call_stopped(gr_context *ctx, void *state, const gr_msg *no_msg)
{
    (void)no_msg;
    ctx->actor->props.stopped(ctx, state, ((stopped_call *)ctx)->reason);
    return GR_OK;
}

void gri_context_run_stopped(gri_actor *actor, gr_reason reason)
{
    stopped_call call = {.reason = reason};
    gr_context *context = &call.context;

    enter(context, actor, NULL);
    if (gri_guard_call(context, actor->state, NULL, call_stopped, &context->guard) != GR_OK) {
        char pid[GR_PID_TEXT_BYTES], who[GRI_DESCRIPTION_BYTES];

        gri_actor_describe(actor, who);
        gr_system_log(actor->base.sys, GR_LOG_WARN, "GR-ACTOR-STOPPED-HOOK",
                      "the stopped hook of actor %s (%s%s) panicked: %s",
                      gr_pid_format(gri_actor_pid(actor), pid), actor->props.type_name, who,
                      gr_last_error()->text);
    }
    leave(context);
}

void gri_answer_foreign(gr_system *sys, const gr_msg *msg, gr_err code)
{
    if (msg->request && msg->sender.node != sys->node && !gr_pid_is_null(msg->sender)) {
        gr_msg *error = gr_msg_new_error(code, NULL);

        if (error != NULL) {
            (void)gr_send(sys, msg->sender, error);
        }
    }
}

void gri_answer_dead(gr_system *sys, gr_pid asker)
{
    gri_process *process = asker.node == sys->node ? gri_process_at(&sys->table, asker.slot) : NULL;

    if (process != NULL && process->kind == GRI_FUTURE) {
        gri_future_fail(process, asker, GR_EDEAD);
    } else if (gr_process_alive(sys, asker) || asker.node != sys->node) {
        gr_msg *error = gr_msg_new_error(GR_EDEAD, NULL);

        if (error != NULL) {
            (void)gr_send(sys, asker, error);
        }
    }
}

/* The handler has returned without an answer to a request: it may still come, but if the actor ends first, the asker is told. */
static void remember_owed(gri_actor *actor, gr_pid asker)
{
    gr_system *sys = actor->base.sys;
    gri_extras *extras = gri_actor_extras(actor);
    gri_pids *owed = extras == NULL ? NULL : &extras->owed;
    size_t i = 0, kept = 0;

    if (owed == NULL) {
        return;
    }
    if (owed->count == owed->room) {
        for (i = 0; i < owed->count; i++) { /* those of this system that have their answer */
            if (owed->at[i].node != sys->node || gr_process_alive(sys, owed->at[i])) {
                owed->at[kept++] = owed->at[i];
            }
        }
        owed->count = kept;
        if (kept >= OWED_MAX) { /* the oldest: its own deadline ends it */
            owed->count--;
            for (i = 0; i < owed->count; i++) {
                owed->at[i] = owed->at[i + 1];
            }
        }
    }
    gri_pids_add(owed, asker);
}

/* Whether others have got the same request, of which only the first answer counts. */
static inline bool has_copies(const gr_msg *msg)
{
    return __builtin_expect(msg->extra != NULL, 0) && msg->extra->one_of_many;
}

/* An answer that is not lost when another one was first; false when out of memory, and then the message is gone. */
static bool mark_beside_others(gr_msg **msg)
{
    gri_msg_extra *extra = NULL;

    if (!gri_msg_own(msg)) {
        return false;
    }
    extra = gri_msg_extra_of(*msg);
    if (extra != NULL) {
        extra->one_of_many = true;
    }
    return true;
}

void gri_answer_error(gr_system *sys, const gr_msg *msg, gr_err code, const char *text)
{
    gr_msg *error = NULL;
    gri_process *asker = NULL;

    if (gr_pid_is_null(msg->sender)) {
        return;
    }
    error = gr_msg_new_error(code, text);
    if (error != NULL && (!has_copies(msg) || mark_beside_others(&error))) {
        (void)gr_send(sys, msg->sender, error);
        return;
    }
    asker = msg->sender.node == sys->node ? gri_process_at(&sys->table, msg->sender.slot) : NULL;
    if (asker != NULL && asker->kind == GRI_FUTURE) {
        gri_future_fail(asker, msg->sender, code);
    }
}

/* What a handler or a continuation has returned, if it is no success: an answer, and perhaps a failure. Leaves the context. */
static void settle_error(gri_actor *actor, gr_context *context, const gr_msg *msg, gr_err err)
{
    gr_error detail = gri_error_of(err);

    gri_handlers_abandon(context);
    leave(context);
    if (!context->responded && msg != NULL && !gr_pid_is_null(msg->sender)) {
        gri_answer_error(actor->base.sys, msg, detail.code, detail.text);
    } else if (!context->responded && ((unsigned)err & (unsigned)GR_FATAL) == 0) {
        gri_log_unheard(actor, msg, &detail);
    }
    (void)gr_msg_unref(msg);
    if (((unsigned)err & (unsigned)GR_FATAL) != 0) {
        gri_actor_failed(actor, &detail);
    }
}

void gri_context_run_receive(gri_actor *actor, gr_msg *msg)
{
    gr_context context;
    gr_err err = GR_OK;

    enter(&context, actor, msg);
    if (__builtin_expect(actor->base.sys->stepped != NULL, 0)) {
        gri_stepped_handled(actor->base.sys, actor, msg);
    }
    err = gri_guard_call(&context, actor->state, msg, actor->props.receive, &context.guard);
    if (__builtin_expect(err != GR_OK, 0)) {
        if (context.msg != msg) { /* that of a middleware whose frame is gone */
            (void)gr_msg_unref(context.msg);
        }
        settle_error(actor, &context, msg, err);
        return;
    }
    leave(&context);
    if (__builtin_expect(msg->request && !context.responded, 0)) {
        remember_owed(actor, msg->sender);
    }
    (void)gr_msg_unref(msg);
}

typedef struct then_call {
    gr_context context;
    gr_then_fn fn;
    void *arg;
    gr_future *future;
} then_call;

static gr_err call_then(gr_context *ctx, void *state, const gr_msg *msg)
{
    then_call *call = (then_call *)ctx;
    gr_msg *reply = NULL;
    gr_err outcome = gr_await(call->future, 0, &reply); /* it is complete */

    (void)msg;
    (void)gr_msg_unref(reply); /* the future has it */
    return call->fn(ctx, state, call->arg, outcome, reply);
}

void gri_context_run_then(gri_actor *actor, const gr_msg *msg, gr_then_fn fn, void *arg,
                          gr_future *future, gr_msg *holder)
{
    then_call call = {.fn = fn, .arg = arg, .future = future};
    gr_context *context = &call.context;
    gr_err err = GR_OK;

    enter(context, actor, msg);
    context->keeps = holder;
    if (actor->base.sys->stepped != NULL && msg != NULL) {
        gri_stepped_handled(actor->base.sys, actor, msg);
    }
    err = gri_guard_call(context, actor->state, msg, call_then, &context->guard);
    if (err != GR_OK) {
        settle_error(actor, context, msg, err);
    } else {
        leave(context);
        (void)gr_msg_unref(msg);
    }
    (void)gr_msg_unref(holder);
}

void gr_panic(gr_context *context, gr_err code, const char *format, ...)
{
    char text[GR_ERROR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)gr_error_set(code, NULL, 0, "%s", text);
    gri_events_abandon(context->rounds); /* while their frames are still there */
    gri_guard_leave(context->guard, (gr_err)((unsigned)gr_last_error()->code | (unsigned)GR_FATAL));
}

/* ---- what handlers may do --------------------------------------------------------------------------------------- */

gr_err gr_spawn(gr_system *sys, const gr_props *props, const char *name, gr_pid *out_pid)
{
    return sys->middleware != NULL ? gri_middleware_spawn(sys, NULL, props, name, out_pid)
                                   : gri_actor_spawn(sys, NULL, props, name, out_pid);
}

gr_err gr_spawn_child(gr_context *ctx, const gr_props *props, const char *name, gr_pid *out_pid)
{
    if (ctx->actor->status == GRI_STOPPING || ctx->actor->status == GRI_RESTARTING) {
        if (props != NULL && props->arg_free != NULL) {
            props->arg_free(props->arg);
        }
        return GRI_FAIL(GR_ESTOPPED,
                        "the parent is ending: it stops, or restarts without its children");
    }
    if ((ctx->actor->around & GRI_AROUND_SPAWN) != 0) {
        return gri_middleware_spawn(ctx->actor->base.sys, ctx, props, name, out_pid);
    }
    return gri_actor_spawn(ctx->actor->base.sys, ctx->actor, props, name, out_pid);
}

/* Sends from a handler; NULL: the message could not be made. */
static inline gr_err send_from(gr_context *ctx, gr_pid to, gr_msg *msg)
{
    if (__builtin_expect((ctx->actor->around & GRI_AROUND_SEND) == 0, 1) || msg == NULL ||
        !gri_msg_own(&msg)) { /* an envelope that middleware may write on */
        return gr_forward_msg(ctx->actor->base.sys, to, msg);
    }
    return gri_middleware_send(ctx, to, msg);
}

gr_err gr_context_send(gr_context *ctx, gr_pid to, gr_msg *msg)
{
    if (__builtin_expect(msg != NULL && gri_msg_own(&msg), 1)) {
        msg->sender = gri_actor_pid(ctx->actor);
        msg->request = 0; /* as which it may have come here */
    }
    return send_from(ctx, to, msg);
}

static gr_err answered_before(gr_system *sys, gr_pid asker, gr_msg *msg)
{
    gri_count(&sys->late_replies, 1);
    gri_dead_letter_note(sys, asker, msg->type, msg->sender, GR_DEAD_LATE);
    (void)gr_msg_unref(msg);
    return GRI_FAIL(GR_EINVAL, "the request has been answered by this handler before");
}

gr_err gr_respond(gr_context *ctx, gr_msg *msg)
{
    gr_system *sys = ctx->actor->base.sys;
    gr_pid sender = gr_context_sender(ctx);

    if (msg == NULL) {
        return GRI_FAIL(GR_ENOMEM, "no message to answer with: it could not be made");
    }
    if (gr_pid_is_null(sender)) {
        gr_dead_letter_add(sys, sender, msg, GR_DEAD_NO_SENDER, GR_EINVAL);
        return GRI_FAIL(GR_EINVAL, "there is nobody to answer: the message was a tell");
    }
    if (ctx->answered && ctx->msg->request) { /* whoever asked has gone on with the first answer */
        return answered_before(sys, sender, msg);
    }
    if (!gri_msg_disown(&msg) || (has_copies(ctx->msg) && !mark_beside_others(&msg))) {
        return GRI_FAIL(GR_ENOMEM, "an envelope"); /* the answer is still owed */
    }
    ctx->responded = true;
    ctx->answered = true;
    return send_from(ctx, sender, msg);
}

gr_err gr_forward(gr_context *ctx, gr_pid to)
{
    gr_msg *msg = gr_msg_ref(ctx->msg);
    gr_err err = GR_OK;

    if (msg == NULL) {
        return GRI_FAIL(GR_EINVAL, "there is no message in hand to forward");
    }
    err = send_from(ctx, to, msg);
    if (err == GR_ENOMEM) { /* the answer is still owed */
        return err;
    }
    ctx->responded = true;
    if (err != GR_OK) { /* the dead letter has told those who ask from here only */
        gr_error why = *gr_last_error();

        gri_answer_foreign(ctx->actor->base.sys, ctx->msg, err);
        gri_error_restore(&why);
    }
    return err;
}

void *gr_context_alloc(gr_context *ctx, size_t bytes)
{
    enum { HEAD = 16 };
    char *chunk = bytes > SIZE_MAX - HEAD ? NULL : gri_alloc(HEAD + bytes);

    if (chunk == NULL) {
        return NULL;
    }
    *(void **)(void *)chunk = ctx->chunks;
    ctx->chunks = chunk;
    return chunk + HEAD;
}

gr_pid gr_context_self(const gr_context *ctx)
{
    return gri_actor_pid(ctx->actor);
}

gr_pid gr_context_parent(const gr_context *ctx)
{
    return ctx->actor->parent == NULL ? gr_pid_null() : gri_actor_pid(ctx->actor->parent);
}

gr_pid gr_context_sender(const gr_context *ctx)
{
    return ctx->msg == NULL ? gr_pid_null() : ctx->msg->sender;
}

gr_system *gr_context_system(const gr_context *ctx)
{
    return ctx->actor->base.sys;
}

void *gr_context_arg(const gr_context *ctx)
{
    return ctx->actor->props.arg;
}

const char *gr_context_name(const gr_context *ctx)
{
    return ctx->actor->name == NULL ? "" : ctx->actor->name;
}

size_t gr_context_children(const gr_context *ctx)
{
    const gri_actor *child = NULL;
    size_t count = 0;

    LIST_FOREACH (child, &ctx->actor->children, sibling) {
        count++;
    }
    return count;
}
