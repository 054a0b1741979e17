/*
 * What futures lead to beside waits and continuations: pipes to other inboxes, and futures of several (all, any). Each hangs
 * on its future by a link and is told in the completing thread. All memory is taken when they are made, so that completing
 * them cannot fail; only a pipe needs an envelope more, and sends the error that it has at hand when there is none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "future_internal.h"

#include <stdio.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "message_internal.h"

/* ---- pipes -------------------------------------------------------------------------------------------------------- */

/* Lives in the memory of the error that it sends when it comes to that. */
typedef struct pipe_end {
    gri_future_link link;
    gr_pid to;
    gr_msg *error;
} pipe_end;

static void on_piped(gri_future_link *link, gr_future *future)
{
    pipe_end *pipe = (pipe_end *)(void *)link;
    gr_system *sys = future->base.sys;
    gr_pid to = pipe->to;
    gr_msg *spare = pipe->error;
    const gr_msg *msg = NULL;
    gr_msg *envelope = NULL;
    gr_err code = gri_future_outcome(future, &msg);

    if (msg != NULL) {
        envelope = gri_msg_for_queue(gr_msg_ref(msg));
        code = GR_ENOMEM; /* if there is none */
    }
    if (envelope == NULL) {
        gr_error *error = gr_msg_payload(spare);

        error->code = code;
        (void)snprintf(error->text, sizeof(error->text), "%s", gr_err_text(code));
        envelope = gr_msg_ref(spare);
    }
    (void)gr_msg_unref(spare); /* the pipe with it */
    (void)gr_forward_msg(sys, to, envelope);
}

static void on_pipe_dropped(gri_future_link *link)
{
    (void)gr_msg_unref(((pipe_end *)(void *)link)->error);
}

gr_err gr_future_pipe_to(gr_future *future, gr_pid to)
{
    gr_msg *error = NULL;
    pipe_end *pipe = NULL;

    if (future == NULL || gr_pid_is_null(to)) {
        return GRI_FAIL(GR_EINVAL, "a pipe %s",
                        future == NULL ? "from no future" : "to the null pid");
    }
    error = gri_msg_new_with_room(&gr_error_type, (sizeof(*pipe) + 15) & ~(size_t)15);
    pipe = error == NULL ? NULL : gr_msg_alloc(error, sizeof(*pipe));
    if (pipe == NULL) {
        (void)gr_msg_unref(error);
        return GRI_FAIL(GR_ENOMEM, "a pipe");
    }
    *pipe = (pipe_end){{NULL, on_piped, on_pipe_dropped}, to, error};
    gri_future_attach(future, &pipe->link);
    return GR_OK;
}

/* ---- all, any ----------------------------------------------------------------------------------------------------- */

struct group;

typedef struct member {
    gri_future_link link;
    struct group *group;
    gr_result result; /* its message is held */
} member;

typedef struct group {
    gr_future *out; /* held */
    gr_msg *msg;    /* all: the results; any: NULL */
    gr_result *results;
    atomic_size_t waiting; /* for members */
    size_t count;
    member members[];
} group;

static void drop_results(void *payload)
{
    const gr_results *results = payload;
    size_t i = 0;

    for (i = 0; results->at != NULL && i < results->count; i++) {
        (void)gr_msg_unref(results->at[i].msg);
    }
}

const gr_type gr_results_type = {"gr_results", sizeof(gr_results), drop_results, NULL, NULL};

static group *free_group(group *take_group)
{
    size_t i = 0;

    for (i = 0; i < take_group->count; i++) {
        (void)gr_msg_unref(take_group->members[i].result.msg);
    }
    (void)gr_msg_unref(take_group->msg);
    gri_free(take_group);
    return NULL;
}

/* Moves what the members came to into the message. */
static void finish_all(group *all)
{
    gr_results *results = gr_msg_payload(all->msg);
    gr_msg *msg = all->msg;
    size_t i = 0;

    for (i = 0; i < all->count; i++) {
        all->results[i] = all->members[i].result;
        all->members[i].result.msg = NULL;
        results->failed += all->results[i].code == GR_OK ? 0 : 1;
    }
    results->count = all->count;
    results->at = all->results;
    all->msg = NULL;
    (void)gr_future_complete(all->out, msg); /* unless its time was up */
}

/* Those who were waited for in vain; the last one's failure stands for all. */
static void finish_any(group *any, const gr_result *last)
{
    if (last->msg != NULL) {
        (void)gr_future_complete(any->out, gr_msg_ref(last->msg));
    } else {
        gri_future_fail(&any->out->base, gr_future_pid(any->out), last->code);
    }
}

static void on_member(gri_future_link *link, gr_future *future)
{
    member *done = (member *)(void *)link;
    group *whole = done->group;
    gr_future *out = whole->out;
    gr_result result;

    result.code = gri_future_outcome(future, &result.msg);
    if (whole->msg != NULL) {
        done->result = (gr_result){result.code, gr_msg_ref(result.msg)};
    } else if (result.code == GR_OK) {
        (void)gr_future_complete(out, gr_msg_ref(result.msg)); /* unless somebody was faster */
    }
    /* Release: publishes this result; acquire: the last one sees those of all. */
    if (atomic_fetch_sub_explicit(&whole->waiting, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (whole->msg != NULL) {
        finish_all(whole);
    } else if (result.code != GR_OK) {
        finish_any(whole, &result); /* nothing happens if any had a reply */
    }
    whole = free_group(whole);
    (void)gr_future_unref(out);
}

static void on_member_dropped(gri_future_link *link)
{
    group *whole = ((member *)(void *)link)->group;

    /* Relaxed: one thread is left. The futures go with their system. */
    if (atomic_fetch_sub_explicit(&whole->waiting, 1, memory_order_relaxed) == 1) {
        whole = free_group(whole);
    }
}

static gr_err check_members(gr_system *sys, gr_future *const *futures, size_t count)
{
    size_t i = 0;

    for (i = 0; i < count; i++) {
        if (futures[i] == NULL) {
            return GRI_FAIL(GR_EINVAL, "future %zu of %zu is NULL", i, count);
        }
        if (futures[i]->base.sys != sys) {
            return GRI_FAIL(GR_EINVAL, "future %zu of %zu is of system %s, not of %s", i, count,
                            futures[i]->base.sys->name, sys->name);
        }
    }
    return GR_OK;
}

static group *new_group(size_t count)
{
    group *whole = count > (SIZE_MAX - sizeof(*whole)) / sizeof(whole->members[0])
                       ? NULL
                       : gri_calloc(1, sizeof(*whole) + count * sizeof(whole->members[0]));

    if (whole != NULL) {
        whole->count = count;
        atomic_init(&whole->waiting, count);
    }
    return whole;
}

/* Hangs the members on their futures; the group may be gone when this returns. */
static void attach_members(group *whole, gr_future *const *futures)
{
    size_t i = 0, count = whole->count;
    member *members = whole->members;

    for (i = 0; i < count; i++) {
        members[i].link = (gri_future_link){NULL, on_member, on_member_dropped};
        members[i].group = whole;
    }
    for (i = 0; i < count; i++) { /* the last one ends it, not before it has been attached */
        gri_future_attach(futures[i], &members[i].link);
    }
}

gr_err gr_future_all(gr_system *sys, gr_future *const *futures, size_t count, int64_t timeout_ms,
                     gr_future **out_future)
{
    gr_err err = check_members(sys, futures, count);
    group *all = NULL;

    if (err != GR_OK) {
        return err;
    }
    all = new_group(count);
    if (all != NULL) {
        all->msg = gr_msg_new(&gr_results_type);
        all->results =
            all->msg == NULL ? NULL : gr_msg_alloc(all->msg, count * sizeof(*all->results));
    }
    if (all == NULL || all->results == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "a future of %zu", count);
    } else {
        err = gr_future_new(sys, timeout_ms, &all->out);
    }
    if (err != GR_OK) {
        all = all == NULL ? NULL : free_group(all);
        return err;
    }
    *out_future = gr_future_ref(all->out);
    if (count == 0) {
        gr_future *out = all->out;

        finish_all(all);
        all = free_group(all);
        (void)gr_future_unref(out);
        return GR_OK;
    }
    attach_members(all, futures);
    return GR_OK;
}

gr_err gr_future_any(gr_system *sys, gr_future *const *futures, size_t count, int64_t timeout_ms,
                     gr_future **out_future)
{
    gr_err err = check_members(sys, futures, count);
    group *any = NULL;

    if (err == GR_OK && count == 0) {
        err = GRI_FAIL(GR_EINVAL, "any of no futures: give at least one");
    }
    if (err != GR_OK) {
        return err;
    }
    any = new_group(count);
    err = any == NULL ? GRI_FAIL(GR_ENOMEM, "a future of %zu", count)
                      : gr_future_new(sys, timeout_ms, &any->out);
    if (err != GR_OK) {
        any = any == NULL ? NULL : free_group(any);
        return err;
    }
    *out_future = gr_future_ref(any->out);
    attach_members(any, futures);
    return GR_OK;
}
