/*
 * The end of an actor, for good or to begin anew: its waits end, its children go, it lets go of its pid and of what it owns.
 * See actor_internal.h for the states.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "actor_internal.h"

#include <gri/mem.h>

#include "context.h"

void gri_actor_turn_away(gri_actor *actor, gr_msg *msg)
{
    gr_system *sys = actor->base.sys;
    gr_pid to = {sys->node, actor->base.slot, msg->block.tag};

    if (msg->type == &gr_terminated_type) {
        (void)gr_msg_unref(msg);
        return;
    }
    gri_answer_foreign(sys, msg, GR_EDEAD);
    gr_dead_letter_add(sys, to, msg, GR_DEAD_STOPPED, GR_EDEAD);
}

static void drain_mailbox(gri_actor *actor)
{
    gr_msg *msg = NULL;

    while ((msg = gri_inbox_pop(actor)) != NULL) {
        gri_actor_turn_away(actor, msg);
    }
}

/* Not for one that is free already: its extras may be on their way to be freed elsewhere. */
static void drain_stash(gri_actor *actor)
{
    gri_stash_return(actor);
    while (actor->extras != NULL && actor->extras->unstashed != NULL) {
        gri_actor_turn_away(actor, gri_stash_pop(actor));
    }
}

/* What else it was told: whoever watches it from here on is told of its end, no continuation runs any more. */
static void drain_notes(gri_actor *actor)
{
    gri_note *note = NULL;

    while ((note = gri_actor_next_note(actor)) != NULL) {
        if (note->kind == GRI_NOTE_CONTINUE) {
            gri_continuation_drop(note);
        } else {
            gri_watch_handle(actor, note);
        }
    }
}

void gri_actor_release_free(gri_actor *actor)
{
    do {
        if (actor->status != GRI_FREE) { /* claimed anew, and somebody has moved in meanwhile */
            gri_actor_schedule(actor);
            return;
        }
        drain_mailbox(actor);
        drain_notes(actor);
        gri_mailbox_block(&actor->mailbox, false);
    } while (!gri_inbox_release(actor) ||
             (atomic_load_explicit(&actor->notes, memory_order_acquire) !=
                  NULL && /* see gri_actor_note() */
              gri_mailbox_claim(&actor->mailbox)));
}

/* The pid stops being anybody's; what the actor owned goes. */
static void vacate(gri_actor *actor, gr_reason reason)
{
    gr_system *sys = actor->base.sys;
    gri_extras *extras = actor->extras;
    size_t i = 0;

    atomic_store_explicit(&actor->asked, 0,
                          memory_order_relaxed); /* askers of this generation are turned away */
    /* Release: a sender that sees the next generation knows that this one has gone. Sequentially consistent: see
     * gri_room_fail(). */
    (void)atomic_fetch_add_explicit(&actor->base.generation, 1, memory_order_seq_cst);
    if (actor->name != NULL) {
        gri_name_remove(actor);
    }
    gri_actor_timers_end(actor);
    gri_receive_timeouts_end(actor);
    gri_continuations_end(actor);
    drain_stash(actor);
    gri_restart_wait_end(actor);
    drain_mailbox(actor);
    actor->mailbox_kind =
        GR_MAILBOX_REFUSE; /* late comers find a plain one, with nobody behind it */
    gri_room_fail(actor);
    for (i = 0; extras != NULL && i < extras->owed.count; i++) {
        gri_answer_dead(sys, extras->owed.at[i]);
    }
    gri_actor_free_state(actor);
    if (actor->props.arg_free != NULL) {
        actor->props.arg_free(actor->props.arg);
    }
    gri_watch_tell_all(actor, reason); /* last: nothing of it runs any more */
    actor->wants = 0;
    actor->started = false;
    actor->home = NULL;
    if (extras != NULL && extras->pinned != NULL) {
        gri_pinned_end(extras->pinned);
        extras->pinned = NULL;
    }
    gri_actor_go(actor, GRI_FREE);
}

static void free_extras(gri_actor *actor)
{
    gri_watch_fini(actor);
    if (actor->extras != NULL) {
        gri_free(actor->extras->owed.at);
        gri_failure_free(actor->extras->failure);
        gri_group_free(actor->extras->group);
        gri_free(actor->extras->given);
        gri_free(actor->extras->stash);
        gri_free(actor->extras->behaviour);
        gri_free(actor->extras->levels);
        gri_free(actor->extras);
        actor->extras = NULL;
    }
}

/* Frees what a supervisor may still have looked at, and the object. */
static void dispose(gri_actor *actor)
{
    free_extras(actor);
    actor->parent = NULL;
    gri_process_give(&actor->base);
}

static void end_waits(gri_actor *actor, gr_err code)
{
    gri_wait *wait = NULL;

    if (actor->extras == NULL) {
        return;
    }
    LIST_FOREACH (wait, &actor->extras->waits, parked) {
        if (gri_wait_claim(wait, code)) {
            gri_wait_go(wait); /* a note to ourselves: the claim is held, so the list stays */
        }
    }
}

/* The waits of the actor's fibers end, its children are stopped. */
static void begin_end(gri_actor *actor, gri_status status, gr_err code)
{
    gri_actor *child = NULL;

    gri_actor_go(actor, status);
    gri_mailbox_block(&actor->mailbox, true);
    end_waits(actor, code);
    LIST_FOREACH (child, &actor->children, sibling) {
        gri_actor_ask(child, gri_actor_pid(child).generation, GRI_ASKED_STOP);
    }
}

static bool may_finish(const gri_actor *actor)
{
    return LIST_EMPTY(&actor->children) &&
           (actor->extras == NULL || actor->extras->waits_count == 0);
}

static void take_asked(gri_actor *actor)
{
    if (gri_actor_is_asked(actor)) {
        /* Acquire: sees what the askers did before. */
        uint32_t asked = (uint32_t)atomic_fetch_and_explicit(&actor->asked, ~(uint64_t)UINT32_MAX,
                                                             memory_order_acquire);

        actor->wants |= (uint8_t)asked;
        if (asked >> 16 != 0) {
            actor->round_told = (uint16_t)(asked >> 16);
        }
    }
}

static void run_stopped_hook(gri_actor *actor, gr_reason reason)
{
    if (actor->started) {
        actor->started = false;
        if (actor->props.stopped != NULL) {
            gri_context_run_stopped(actor, reason);
        }
    }
}

/* Goes on as it was; so do children whose failures it had handed up. */
static void resume(gri_actor *actor)
{
    gri_actor *child = NULL;

    gri_actor_go(actor, GRI_RUNNING);
    gri_mailbox_block(&actor->mailbox, actor->extras != NULL && actor->extras->waits_count != 0 &&
                                           !actor->props.reentrant);
    gri_continuations_recall(actor);
    LIST_FOREACH (child, &actor->children, sibling) {
        if (child->handed_up) {
            child->handed_up = false;
            gri_actor_ask(child, gri_actor_pid(child).generation, GRI_ASKED_RESUME);
        }
    }
}

/* A new state; the stopped hook has run for the old one. */
static void start_again(gri_actor *actor)
{
    gr_err err = GR_OK;

    actor->wants &= (uint8_t)~GRI_ASKED_PASSIVATE;
    gri_actor_timers_end(actor);
    gri_receive_timeouts_end(actor);
    gri_stash_return(actor);
    gri_behaviour_reset(actor);
    if (actor->extras != NULL) {
        actor->extras->continuations_life++;
    }
    gri_actor_free_state(actor);
    gri_group_renew(actor);
    actor->round_begun = actor->round_told;
    gri_actor_go(actor, GRI_STARTING);
    err = gri_actor_start_hook(actor);
    if (err != GR_OK) {
        gr_error detail = gri_error_of(err);

        gri_actor_failed(actor, &detail);
    } else {
        gri_mailbox_block(&actor->mailbox, false);
    }
}

static void finish_restart(gri_actor *actor)
{
    run_stopped_hook(actor, GR_REASON_RESTARTING);
    (void)atomic_fetch_add_explicit(&actor->base.sys->restarts, 1,
                                    memory_order_relaxed); /* a count */
    start_again(actor);
}

/* The end of a passivation; false: messages have come, and the actor has started again. */
static bool finish_passivation(gri_actor *actor)
{
    run_stopped_hook(actor, GR_REASON_PASSIVATED);
    take_asked(actor);
    if (gri_passivation_is_over(actor)) {
        actor->reason = GR_REASON_STOPPED;
        start_again(actor);
        return false;
    }
    /* For those who watch. */
    actor->reason =
        (actor->wants & GRI_ASKED_STOP_FAILED) != 0 ? GR_REASON_FAILED : GR_REASON_STOPPED;
    return true;
}

/* The actor is gone when this returns, and may be another by then. */
static void finish_stop(gri_actor *actor)
{
    gr_system *sys = actor->base.sys;
    gri_worker *here = gri_workers_here(sys);
    gri_actor *parent = actor->parent;

    if (actor->reason != GR_REASON_NEVER_EXISTED) { /* else it was never counted as spawned */
        gri_count_near(&sys->stopped, here == NULL ? NULL : &here->stopped);
    }
    run_stopped_hook(actor, (gr_reason)actor->reason);
    drain_notes(actor); /* who watched before it was asked to stop may still be among them */
    vacate(actor, (gr_reason)actor->reason);
    gri_actor_release_free(actor);
    if (parent != NULL) {
        gri_actor_note(parent, &actor->stopped_note); /* the parent disposes of it */
    } else {
        dispose(actor);
    }
    if (parent == NULL) {
        gri_system_live_down(sys);
    }
}

void gri_actor_abort_start(gri_actor *actor)
{
    actor->parent = NULL; /* which has not heard of it */
    actor->reason = GR_REASON_NEVER_EXISTED;
    begin_end(actor, GRI_STOPPING, GR_ESTOPPED);
    if (may_finish(actor)) {
        finish_stop(actor);
    } else {
        gri_actor_finish_turn(actor);
    }
}

void gri_actor_child_stopped(gri_actor *parent, gri_actor *child)
{
    gr_system *sys = parent->base.sys;

    LIST_REMOVE(child, sibling);
    dispose(child);
    gri_system_live_down(sys);
}

/* The thread that noticed knows no more of it than its pid. */
static void tell_slow(gri_actor *actor)
{
    char pid[GR_PID_TEXT_BYTES];
    char who[GRI_DESCRIPTION_BYTES];

    gri_actor_describe(actor, who);
    gr_system_log(actor->base.sys, GR_LOG_WARN, "GR-ACTOR-SLOW",
                  "actor %s (%s%s) has gone on after a handler that ran for more than %u ms",
                  gr_pid_format(gri_actor_pid(actor), pid), actor->props.type_name, who,
                  actor->base.sys->slow_handler_ms);
}

/* Because of a sibling's failure. */
static void restart_too(gri_actor *actor)
{
    if (gri_restart_too_waits(actor)) {
        gri_actor_go(actor, GRI_PAUSED);
        gri_actor_show(actor, GRI_DELAYED);
        gri_mailbox_block(&actor->mailbox, true);
        end_waits(actor, GR_ERESTARTED);
    } else {
        begin_end(actor, GRI_RESTARTING, GR_ERESTARTED);
    }
}

/* Does what a supervisor has decided, but for stopping. */
static void decided(gri_actor *actor)
{
    unsigned wants = actor->wants;

    actor->wants &= (uint8_t) ~(GRI_ASKED_RESTART | GRI_ASKED_RESUME | GRI_ASKED_RESTART_TOO);
    if (actor->status == GRI_PAUSED && (wants & GRI_ASKED_RESTART) != 0) {
        if (!gri_restart_waits(actor)) {
            begin_end(actor, GRI_RESTARTING, GR_ERESTARTED);
        }
        return; /* its new state is younger than all that was decided by now */
    }
    if (actor->status == GRI_PAUSED && (wants & GRI_ASKED_RESUME) != 0) {
        resume(actor);
    }
    if ((wants & GRI_ASKED_RESTART_TOO) != 0 && actor->status == GRI_RUNNING) {
        restart_too(actor);
    } else if ((wants & GRI_ASKED_RESTART_TOO) != 0 && actor->status == GRI_PAUSED) {
        actor->wants |=
            GRI_ASKED_RESTART_TOO; /* it has failed itself; should that be resumed, this is next */
    }
}

bool gri_actor_step_life(gri_actor *actor)
{
    take_asked(actor);
    if ((actor->wants & GRI_ASKED_TELL_SLOW) != 0) {
        actor->wants &= (uint8_t)~GRI_ASKED_TELL_SLOW;
        tell_slow(actor);
    }
    if (actor->status ==
        GRI_STARTING) { /* its hook waits on a fiber: what is wanted comes after it */
        if ((actor->wants & (GRI_ASKED_STOP | GRI_ASKED_STOP_FAILED)) != 0) {
            end_waits(actor, GR_ESTOPPED);
        }
        return false;
    }
    if ((actor->wants & (GRI_ASKED_STOP | GRI_ASKED_STOP_FAILED)) != 0 &&
        actor->status != GRI_STOPPING) {
        actor->reason =
            (actor->wants & GRI_ASKED_STOP_FAILED) != 0 ? GR_REASON_FAILED : GR_REASON_STOPPED;
        begin_end(actor, GRI_STOPPING, GR_ESTOPPED);
    }
    decided(actor);
    if ((actor->wants & GRI_ASKED_PASSIVATE) != 0 && gri_passivation_may_begin(actor)) {
        actor->wants &= (uint8_t)~GRI_ASKED_PASSIVATE;
        actor->reason = GR_REASON_PASSIVATED;
        begin_end(actor, GRI_STOPPING, GR_ESTOPPED);
    }
    if (actor->status == GRI_RESTARTING && may_finish(actor)) {
        finish_restart(actor);
        gri_actor_schedule(
            actor); /* others first: a start that always fails must not keep the worker */
        return true;
    }
    if (actor->status == GRI_STOPPING && may_finish(actor)) {
        if (actor->reason == GR_REASON_PASSIVATED && !finish_passivation(actor)) {
            gri_actor_schedule(actor);
        } else {
            finish_stop(actor);
        }
        return true;
    }
    if ((actor->wants & GRI_ASKED_LOOK_IDLE) != 0) {
        actor->wants &= (uint8_t)~GRI_ASKED_LOOK_IDLE;
        gri_receive_timeouts_look(actor);
    }
    return false;
}

void gri_actor_kill(gri_actor *actor)
{
    gr_msg *msg = NULL;
    gri_note *note = NULL;

    gri_stash_return(actor);
    while ((msg = gri_actor_next_message(actor)) != NULL) {
        (void)gr_msg_unref(msg);
    }
    while ((note = gri_actor_next_note(actor)) != NULL) {
        if (note->kind == GRI_NOTE_WATCH || note->kind == GRI_NOTE_UNWATCH) {
            gri_watch_drop(note);
        } else if (note->kind == GRI_NOTE_CONTINUE) {
            gri_continuation_drop(note);
        }
    }
    gri_continuations_end(actor);
    while (actor->extras != NULL && !LIST_EMPTY(&actor->extras->waits)) {
        gri_wait *wait = LIST_FIRST(&actor->extras->waits);
        gri_fiber *fiber = wait->fiber;

        LIST_REMOVE(wait, parked);
        gri_context_drop(fiber->context);
        gri_worker_drop(gri_stepped_worker(actor->base.sys->stepped), fiber);
    }
    if (actor->status != GRI_FREE) {
        gri_actor_timers_end(actor);
        gri_receive_timeouts_end(actor);
        gri_restart_wait_end(actor);
        gri_actor_free_state(actor);
        if (actor->props.arg_free != NULL) {
            actor->props.arg_free(actor->props.arg);
        }
    }
    free_extras(actor);
    gri_actor_go(actor, GRI_FREE);
    (void)atomic_fetch_add_explicit(&actor->base.generation, 1,
                                    memory_order_relaxed); /* one thread */
}
