/*
 * Receive timeouts: an actor is told that it has been idle. Handling a message only notes the time; the alarm is left as it
 * is and, when it goes off, the actor looks in its turn whether it has been idle that long, and sets the alarm anew if not.
 * So an alarm goes off at most once in each timeout, however many messages come. Its function runs in the timer's thread and
 * only asks the actor to look, which needs no memory; all else runs in the actor's turns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <granary/behaviour.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "actor_internal.h"
#include "context.h"

typedef struct gri_receive_timeout {
    struct gri_receive_timeout *next;
    const gr_type *type;
    gr_msg *msg; /* what is handled when it is due */
    gri_actor *actor;
    uint32_t generation; /* of the actor */
    bool told;           /* it was due, and nothing has happened since */
    int64_t timeout_ms;
    int64_t set_ms;
    gr_alarm alarm;
} gri_receive_timeout;

const gr_type gr_receive_timeout_type = {"gr_receive_timeout", 0, NULL, NULL, NULL};

static void on_alarm(void *arg)
{
    const gri_receive_timeout *timeout = arg;

    gri_actor_ask(timeout->actor, timeout->generation, GRI_ASKED_LOOK_IDLE);
}

static void set_alarm(gri_receive_timeout *timeout, int64_t from_ms, int64_t in_ms)
{
    gr_alarm_set(&timeout->alarm,
                 in_ms > INT64_MAX - 1 - from_ms ? INT64_MAX - 1 : from_ms + in_ms);
}

void gri_receive_timeouts_touch(gri_actor *actor)
{
    gri_extras *extras = actor->extras;
    gri_receive_timeout *timeout = NULL;

    if (extras->timeouts == NULL) {
        return;
    }
    extras->active_ms = gr_system_now(actor->base.sys);
    for (timeout = extras->timeouts; timeout != NULL; timeout = timeout->next) {
        if (timeout->told) {
            timeout->told = false;
            set_alarm(timeout, extras->active_ms, timeout->timeout_ms);
        }
    }
}

static int64_t due_ms(const gri_receive_timeout *timeout, int64_t active_ms)
{
    int64_t from_ms = timeout->set_ms > active_ms ? timeout->set_ms : active_ms;

    return timeout->timeout_ms > INT64_MAX - 1 - from_ms ? INT64_MAX - 1
                                                         : from_ms + timeout->timeout_ms;
}

void gri_receive_timeouts_look(gri_actor *actor)
{
    gri_extras *extras = actor->extras;
    int64_t now_ms = gr_system_now(actor->base.sys);
    bool busy = !gri_actor_may_handle(actor) || gri_actor_has_unstashed(actor) ||
                gri_mailbox_depth(&actor->mailbox) != 0;
    gri_receive_timeout *timeout = NULL, *first = NULL;

    for (timeout = extras == NULL ? NULL : extras->timeouts; timeout != NULL;
         timeout = timeout->next) {
        int64_t at_ms = due_ms(timeout, extras->active_ms);

        if (timeout->told) {
            continue;
        }
        if (now_ms < at_ms) {
            gr_alarm_set(&timeout->alarm, at_ms);
        } else if (busy) { /* what waits may be quiet, so look again */
            set_alarm(timeout, now_ms, timeout->timeout_ms / 8 + 1);
        } else if (first == NULL) {
            first = timeout;
        } else {
            gr_alarm_set(&timeout->alarm, now_ms); /* one at a time */
        }
    }
    if (first != NULL) {
        first->told = true;
        gri_context_run_receive(actor, gr_msg_ref(first->msg)); /* it may be taken back in there */
    }
}

static gri_receive_timeout **find(gri_actor *actor, const gr_type *type)
{
    gri_receive_timeout **at = &actor->extras->timeouts;

    while (*at != NULL && (*at)->type != type) {
        at = &(*at)->next;
    }
    return at;
}

static gri_receive_timeout *new_timeout(gri_actor *actor, const gr_type *type)
{
    gri_receive_timeout *timeout = gri_calloc(1, sizeof(*timeout));

    if (timeout == NULL) {
        return NULL;
    }
    timeout->msg = gr_msg_new(type);
    if (timeout->msg == NULL) {
        gri_free(timeout);
        return NULL;
    }
    gr_msg_mark_quiet(timeout->msg);
    timeout->type = type;
    timeout->actor = actor;
    timeout->generation = gri_actor_pid(actor).generation;
    gr_alarm_init(&timeout->alarm, actor->base.sys, on_alarm, timeout);
    return timeout;
}

static void remove_at(gri_receive_timeout **at)
{
    gri_receive_timeout *timeout = *at;

    *at = timeout->next;
    gr_alarm_fini(&timeout->alarm);
    (void)gr_msg_unref(timeout->msg);
    gri_free(timeout);
}

gr_err gr_receive_timeout_set_type(gr_context *ctx, const gr_type *type, int64_t timeout_ms)
{
    gri_actor *actor = ctx->actor;
    gri_receive_timeout **at = NULL;

    if (timeout_ms <= 0) {
        return GRI_FAIL(GR_EINVAL, "a receive timeout of %lld ms: at least 1; cancelling ends it",
                        (long long)timeout_ms);
    }
    if (!gri_behaviour_prepare(actor)) {
        return GRI_FAIL(GR_ENOMEM, "a receive timeout");
    }
    at = find(actor, type);
    if (*at == NULL) {
        *at = new_timeout(actor, type);
        if (*at == NULL) {
            return GRI_FAIL(GR_ENOMEM, "a receive timeout");
        }
    }
    (*at)->told = false;
    (*at)->timeout_ms = timeout_ms;
    (*at)->set_ms = gr_system_now(actor->base.sys);
    set_alarm(*at, (*at)->set_ms, timeout_ms);
    gri_behaviour_choose(actor);
    return GR_OK;
}

void gr_receive_timeout_cancel_type(gr_context *ctx, const gr_type *type)
{
    gri_receive_timeout **at = ctx->actor->extras == NULL ? NULL : find(ctx->actor, type);

    if (at != NULL && *at != NULL) {
        remove_at(at);
        gri_behaviour_choose(ctx->actor);
    }
}

gr_err gr_receive_timeout_set(gr_context *ctx, int64_t timeout_ms)
{
    return gr_receive_timeout_set_type(ctx, &gr_receive_timeout_type, timeout_ms);
}

void gr_receive_timeout_cancel(gr_context *ctx)
{
    gr_receive_timeout_cancel_type(ctx, &gr_receive_timeout_type);
}

void gri_receive_timeouts_end(gri_actor *actor)
{
    while (actor->extras != NULL && actor->extras->timeouts != NULL) {
        remove_at(&actor->extras->timeouts);
    }
    gri_behaviour_choose(actor);
}
