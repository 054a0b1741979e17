/*
 * Sending: from a pid to the inbox behind it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "inbox.h"

#include <gri/fail.h>

#include "router_internal.h"

/* A dead letter, and this thread's error. */
static gr_err is_dead(gr_system *sys, gr_pid to, gr_msg *msg)
{
    char pid[GR_PID_TEXT_BYTES];

    gr_dead_letter_add(sys, to, msg, GR_DEAD_NO_ACTOR, GR_EDEAD);
    return GRI_FAIL(GR_EDEAD, "%s has stopped, or never was", gr_pid_format(to, pid));
}

static gr_err send_foreign(gr_system *sys, gr_pid to, gr_msg *msg, int64_t deadline_ms)
{
    gr_err err = GR_EUNREACHABLE;
    const gri_foreign *foreign = NULL;
    uint32_t stripe = 0;

    if (gr_pid_is_null(to)) {
        gr_dead_letter_add(sys, to, msg, GR_DEAD_NO_ACTOR, GR_EINVAL);
        return GRI_FAIL(GR_EINVAL, "a message to the null pid");
    }
    foreign = gri_foreign_enter(sys, &stripe);
    if (foreign != NULL) {
        err = foreign->ops->send(foreign->self, to, msg, deadline_ms);
    }
    gri_foreign_leave(sys, stripe);
    if (foreign == NULL) {
        char pid[GR_PID_TEXT_BYTES];

        gr_dead_letter_add(sys, to, msg, GR_DEAD_UNREACHABLE, GR_EUNREACHABLE);
        return GRI_FAIL(GR_EUNREACHABLE, "pid %s is of another system, and this one has no way out",
                        gr_pid_format(to, pid));
    }
    return err;
}

static gr_err over_the_limit(gr_system *sys, gri_actor *actor, gr_pid to, gr_msg *msg)
{
    gr_err err = GR_EFULL;

    /* Relaxed: fixed while the actor lives, and looked at with its generation there. */
    if (atomic_load_explicit(&actor->mailbox.drops, memory_order_relaxed)) {
        err = gri_inbox_push_over(sys, actor, to, msg);
    }
    return err == GR_EDEAD ? is_dead(sys, to, msg) : err;
}

/* How far a message may go. */
typedef enum reach {
    TO_THE_LIMIT,
    BEYOND_THE_LIMIT,
    AS_PATIENT /* what its sender does not send now it will send later */
} reach;

static inline uint32_t limit_of(const gri_actor *actor, reach how_far)
{
    if (how_far == TO_THE_LIMIT) {
        return gri_mailbox_limit(&actor->mailbox);
    }
    if (how_far == BEYOND_THE_LIMIT) {
        return UINT32_MAX;
    }
    /* Behind those who wait already. Relaxed: who comes in the same moment may be before or behind them. */
    return atomic_load_explicit(&actor->room_wanted, memory_order_relaxed)
               ? 0
               : gri_mailbox_patient_limit(&actor->mailbox);
}

static inline gr_err send_to_actor(gr_system *sys, gri_actor *actor, gr_pid to, gr_msg *msg,
                                   reach how_far)
{
    gri_push pushed = GRI_PUSHED;

    /* Acquire: a pid found alive finds the actor as its start left it. */
    if (__builtin_expect(atomic_load_explicit(&actor->base.generation, memory_order_acquire) !=
                             to.generation,
                         0)) {
        return is_dead(sys, to, msg);
    }
    msg->block.tag = to.generation;
    pushed = gri_mailbox_push(&actor->mailbox, msg, limit_of(actor, how_far));
    if (pushed == GRI_PUSHED_MUST_SCHEDULE) {
        gri_actor_schedule(actor);
    }
    if (__builtin_expect(pushed == GRI_PUSH_FULL, 0)) {
        return over_the_limit(sys, actor, to, msg);
    }
    return GR_OK;
}

/* To what is no actor. */
static gr_err offer_other(gr_system *sys, gri_process *process, gr_pid to, gr_msg *msg)
{
    if (process == NULL) {
        return is_dead(sys, to, msg);
    }
    if (process->kind == GRI_CUSTOM) {
        return gri_custom_deliver(process, to, msg);
    }
    gri_future_deliver(process, to, msg);
    return GR_OK;
}

/* As gr_send() to a pid of this system; with GR_EFULL, and with nothing else, the message stays the caller's. */
static inline gr_err offer_local(gr_system *sys, gr_pid to, gr_msg **msg, reach how_far)
{
    gri_process *process = gri_process_at(&sys->table, to.slot);

    if (__builtin_expect(process == NULL || process->kind != GRI_ACTOR, 0)) {
        return offer_other(sys, process, to, *msg);
    }
    if (!gri_msg_own(msg)) {
        return GRI_FAIL(GR_ENOMEM, "an envelope");
    }
    return send_to_actor(sys, gri_actor_of(process), to, *msg, how_far);
}

static gr_err refuse(gr_system *sys, gr_pid to, gr_msg *msg)
{
    (void)atomic_fetch_add_explicit(&sys->refused, 1, memory_order_relaxed); /* a count */
    gr_dead_letter_add(sys, to, msg, GR_DEAD_FULL, GR_EFULL);
    return gri_fail_plainly(GR_EFULL, /* a flood is refused as fast as may be */
                            "the mailbox is full: send less, raise its mailbox_limit, or wait for "
                            "room with gr_send_wait()");
}

/* Whether an actor that had no room is what it seems: not a router, which never has any, and not gone meanwhile. */
static bool is_full(const gri_actor *actor, gr_pid to)
{
    /* Relaxed, both: a look; what is dead is found out again. */
    return atomic_load_explicit(&actor->mailbox.limit, memory_order_relaxed) != 0 &&
           atomic_load_explicit(&actor->base.generation, memory_order_relaxed) == to.generation;
}

/* There was no room for a message: because a router is there, or else it is refused. */
static gr_err hand_on_or_refuse(gr_system *sys, gr_pid to, gr_msg *msg, int64_t timeout_ms)
{
    gri_actor *actor = gri_actor_of(gri_process_at(&sys->table, to.slot));

    if (gri_is_router(actor)) {
        return gri_router_send(actor, to, msg, timeout_ms);
    }
    return is_full(actor, to) ? refuse(sys, to, msg) : is_dead(sys, to, msg);
}

gr_err gri_send_local(gr_system *sys, gr_pid to, gr_msg *msg, bool force)
{
    gr_err err = offer_local(sys, to, &msg, force ? BEYOND_THE_LIMIT : TO_THE_LIMIT);

    return err == GR_EFULL ? hand_on_or_refuse(sys, to, msg, 0) : err;
}

static gr_err no_message(void)
{
    return GRI_FAIL(GR_ENOMEM, "no message to send: it could not be made");
}

static inline gr_err send_as_it_is(gr_system *sys, gr_pid to, gr_msg *msg)
{
    gr_err err = GR_OK;

    if (__builtin_expect(to.node != sys->node, 0)) {
        return send_foreign(sys, to, msg, 0);
    }
    err = offer_local(sys, to, &msg, TO_THE_LIMIT);
    return __builtin_expect(err != GR_EFULL, 1) ? err : hand_on_or_refuse(sys, to, msg, 0);
}

gr_err gr_send(gr_system *sys, gr_pid to, gr_msg *msg)
{
    return __builtin_expect(msg != NULL && gri_msg_disown(&msg), 1) ? send_as_it_is(sys, to, msg)
                                                                    : no_message();
}

gr_err gr_forward_msg(gr_system *sys, gr_pid to, gr_msg *msg)
{
    return __builtin_expect(msg != NULL, 1) ? send_as_it_is(sys, to, msg) : no_message();
}

gr_err gri_send_wait(gr_system *sys, gr_pid to, gr_msg *msg, int64_t timeout_ms)
{
    gr_err err = GR_OK;

    if (__builtin_expect(to.node != sys->node, 0)) {
        return send_foreign(sys, to, msg, gri_deadline(sys, timeout_ms));
    }
    err = offer_local(sys, to, &msg, timeout_ms <= 0 ? TO_THE_LIMIT : AS_PATIENT);
    if (__builtin_expect(err != GR_EFULL, 1)) {
        return err;
    }
    if (timeout_ms <= 0 || !is_full(gri_actor_of(gri_process_at(&sys->table, to.slot)), to)) {
        return hand_on_or_refuse(sys, to, msg, timeout_ms);
    }
    if (gri_events_may_wait() != GR_OK) {
        (void)refuse(sys, to, msg);
        return gri_events_may_wait(); /* again: publishing the dead letter may have changed the detail */
    }
    return gri_room_wait(sys, gri_actor_of(gri_process_at(&sys->table, to.slot)), to, msg,
                         gri_deadline(sys, timeout_ms));
}

gr_err gr_send_wait(gr_system *sys, gr_pid to, gr_msg *msg, int64_t timeout_ms)
{
    return __builtin_expect(msg != NULL && gri_msg_disown(&msg), 1)
               ? gri_send_wait(sys, to, msg, timeout_ms)
               : no_message();
}

gr_err gr_signal_send(gr_system *sys, const gr_signal *signal)
{
    gri_process *process = NULL;
    gr_err err = GR_EUNREACHABLE;
    const gri_foreign *foreign = NULL;
    uint32_t stripe = 0;

    if (gr_pid_is_null(signal->to)) {
        return GRI_FAIL(GR_EINVAL, "a signal to the null pid");
    }
    if (signal->to.node != sys->node) {
        foreign = gri_foreign_enter(sys, &stripe);
        if (foreign != NULL) {
            err = foreign->ops->signal(foreign->self, signal);
        }
        gri_foreign_leave(sys, stripe);
        return err;
    }
    if (signal->kind == GR_SIGNAL_WATCH || signal->kind == GR_SIGNAL_UNWATCH ||
        signal->kind == GR_SIGNAL_TERMINATED) {
        return gri_watch_signal(sys, signal);
    }
    process = gri_process_at(&sys->table, signal->to.slot);
    /* Acquire: as a send does. */
    if (process == NULL || process->kind != GRI_ACTOR ||
        atomic_load_explicit(&process->generation, memory_order_acquire) != signal->to.generation) {
        return GR_EDEAD;
    }
    if (signal->kind == GR_SIGNAL_STOP) {
        gri_actor_ask(gri_actor_of(process), signal->to.generation, GRI_ASKED_STOP);
        return GR_OK;
    }
    gr_send_poison(sys, signal->to);
    return GR_OK;
}

void gr_send_stop(gr_system *sys, gr_pid pid)
{
    (void)gr_signal_send(sys, &(gr_signal){.kind = GR_SIGNAL_STOP, .to = pid});
}

void gr_send_poison(gr_system *sys, gr_pid pid)
{
    gri_process *process = NULL;
    gr_msg *poison = NULL;

    if (pid.node != sys->node) {
        (void)gr_signal_send(sys, &(gr_signal){.kind = GR_SIGNAL_POISON, .to = pid});
        return;
    }
    process = gri_process_at(&sys->table, pid.slot);
    if (process == NULL || process->kind != GRI_ACTOR) {
        return;
    }
    poison = gr_msg_new(&gri_poison_type);
    if (poison == NULL) {
        gr_system_log(sys, GR_LOG_WARN, "GR-ACTOR-POISON",
                      "no memory to stop an actor in order: stopping it at once");
        gr_send_stop(sys, pid);
        return;
    }
    (void)send_to_actor(sys, gri_actor_of(process), pid, poison, BEYOND_THE_LIMIT);
}

bool gr_process_alive(gr_system *sys, gr_pid pid)
{
    gri_process *process = pid.node == sys->node ? gri_process_at(&sys->table, pid.slot) : NULL;

    /* Relaxed: a reading, out of date at once. */
    return process != NULL &&
           atomic_load_explicit(&process->generation, memory_order_relaxed) == pid.generation;
}
