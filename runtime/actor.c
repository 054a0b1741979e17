/*
 * The life of an actor: start, turns, restart, end. All of it runs under the actor's claim, so nothing here needs a lock;
 * what others want of an actor reaches it as messages, notes and asked bits.
 *
 *              (1)             (2)            (3)
 *   FREE ----------> STARTING ----> RUNNING ----> STOPPING ----> FREE
 *                       ^    \         | ^           ^   (4)
 *                       |     \ (5)    |  \ resume   |
 *                  (7)  |      v       v   \         |
 *               RESTARTING <------- PAUSED ----------+
 *                            (6)
 *   (1) gri_actor_spawn()  (2) start_hook()  (3) begin_end()  (4) finish_stop()  (5) gri_actor_failed()
 *   (6) begin_end()  (7) finish_restart()
 *
 * STOPPING and RESTARTING last until the waits of its fibers have ended and its children have gone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "context.h"

/* ---- being told --------------------------------------------------------------------------------------------------- */

void gri_actor_schedule(gri_actor *actor)
{
    actor->base.sys->ops->schedule(actor->base.sys, actor);
}

void gri_actor_note(gri_actor *actor, gri_note *note)
{
    gri_note *old =
        atomic_load_explicit(&actor->notes, memory_order_relaxed); /* the swap checks it */

    do {
        note->next = old;
        /* Release: publishes the note to who runs the actor. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->notes, &old, note, memory_order_release,
                                                    memory_order_relaxed));
    if (gri_mailbox_claim(&actor->mailbox)) {
        gri_actor_schedule(actor);
    }
}

void gri_actor_ask(gri_actor *actor, uint32_t generation, unsigned what)
{
    uint64_t asked =
        atomic_load_explicit(&actor->asked, memory_order_relaxed); /* the swap checks it */

    do {
        if (asked >> 32 != generation) {
            return;
        }
        /* Release: whoever runs the actor because of it sees what the asker did before. */
    } while (!atomic_compare_exchange_weak_explicit(&actor->asked, &asked, asked | what,
                                                    memory_order_release, memory_order_relaxed));
    if (gri_mailbox_claim(&actor->mailbox)) {
        gri_actor_schedule(actor);
    }
}

gri_extras *gri_actor_extras(gri_actor *actor)
{
    if (actor->extras == NULL) {
        actor->extras = gri_calloc(1, sizeof(*actor->extras));
    }
    return actor->extras;
}

static gri_note *next_note(gri_actor *actor)
{
    gri_note *note = actor->notes_taken;

    /* Relaxed: a hint; the exchange acquires. */
    if (note == NULL && atomic_load_explicit(&actor->notes, memory_order_relaxed) != NULL) {
        gri_note *newest = atomic_exchange_explicit(&actor->notes, NULL,
                                                    memory_order_acquire); /* sees the notes */

        while (newest != NULL) { /* turned over: oldest first */
            gri_note *older = newest->next;

            newest->next = note;
            note = newest;
            newest = older;
        }
    }
    if (note != NULL) {
        actor->notes_taken = note->next;
    }
    return note;
}

static bool is_asked(const gri_actor *actor)
{
    return (uint32_t)atomic_load_explicit(&actor->asked, memory_order_acquire) !=
           0; /* sees the asker's doings */
}

static void take_asked(gri_actor *actor)
{
    if (is_asked(actor)) {
        /* Acquire: sees what the askers did before. */
        actor->wants |= (uint8_t)atomic_fetch_and_explicit(&actor->asked, ~(uint64_t)UINT32_MAX,
                                                           memory_order_acquire);
    }
}

/* ---- start -------------------------------------------------------------------------------------------------------- */

static gr_err check_props(const gr_props *props, const char *name)
{
    const char *at = name;

    if (props == NULL || props->receive == NULL) {
        return GRI_FAIL(GR_EINVAL, "props without a `receive` handler");
    }
    if (props->mailbox_limit > GR_MAILBOX_LIMIT_MAX) {
        return GRI_FAIL(GR_EINVAL, "mailbox_limit %u: at most %d", props->mailbox_limit,
                        GR_MAILBOX_LIMIT_MAX);
    }
    for (; at != NULL && *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f || *at == '/') {
            return GRI_FAIL(GR_EINVAL, "name '%.64s': control characters and '/' are not allowed",
                            name);
        }
    }
    if (name != NULL && (at == name || at - name > GR_NAME_BYTES_MAX)) {
        return GRI_FAIL(GR_EINVAL, "name '%.64s': 1 to %d bytes, or NULL for none", name,
                        GR_NAME_BYTES_MAX);
    }
    return GR_OK;
}

static char *full_name(const gri_actor *parent, const char *name)
{
    if (name == NULL) {
        return NULL;
    }
    if (parent == NULL) {
        return gri_strdup(name);
    }
    if (parent->name == NULL) {
        return gri_text("$%u.%u/%s", parent->base.slot, gri_actor_pid(parent).generation, name);
    }
    return gri_text("%s/%s", parent->name, name);
}

/* A free object together with its claim: a late message to its last occupant may have got that first. */
static gri_actor *take_object(gr_system *sys)
{
    gri_process *passed_over = NULL;
    gri_actor *actor = NULL;

    for (;;) {
        gri_process *process = gri_process_take(sys, GRI_ACTOR);

        if (process == NULL || gri_mailbox_claim(&gri_actor_of(process)->mailbox)) {
            actor = gri_actor_of(process);
            break;
        }
        process->next_free = passed_over;
        passed_over = process;
    }
    while (passed_over != NULL) {
        gri_process *next = passed_over->next_free;

        gri_process_give(passed_over);
        passed_over = next;
    }
    return actor;
}

static void *new_state(gri_actor *actor)
{
    return actor->props.state_bytes == 0 ? actor->props.arg
                                         : gri_calloc(1, actor->props.state_bytes);
}

static void free_state(gri_actor *actor)
{
    if (actor->props.state_bytes != 0) {
        gri_free(actor->state);
    }
    actor->state = NULL;
}

static gr_err start_hook(gri_actor *actor)
{
    gr_err err = GR_OK;

    actor->state = new_state(actor);
    if (actor->state == NULL && actor->props.state_bytes != 0) {
        return GRI_FAIL(GR_ENOMEM, "%zu bytes of state for a %s", actor->props.state_bytes,
                        actor->props.type_name);
    }
    if (actor->props.started != NULL) {
        err = gri_context_run_started(actor);
    }
    if (err == GR_OK) {
        actor->started = true;
        actor->status = GRI_RUNNING;
    }
    return err;
}

/* What is left in the mailbox becomes dead letters; those who asked are told. */
static void drain_mailbox(gri_actor *actor)
{
    gr_system *sys = actor->base.sys;
    gr_msg *msg = NULL;

    while ((msg = gri_mailbox_pop(&actor->mailbox)) != NULL) {
        gr_pid to = {sys->node, actor->base.slot, msg->block.tag};

        if (msg->type == &gr_terminated_type) {
            (void)gr_msg_unref(msg);
            continue;
        }
        gri_answer_foreign(sys, msg, GR_EDEAD);
        gr_dead_letter_add(sys, to, msg, GR_DEAD_STOPPED, GR_EDEAD);
    }
}

/* Nobody is at home any more: what comes late is turned away, and the claim given back. */
static void release_free(gri_actor *actor)
{
    do {
        gri_note *note = NULL;

        if (actor->status != GRI_FREE) { /* claimed anew, and somebody has moved in meanwhile */
            gri_actor_schedule(actor);
            return;
        }
        drain_mailbox(actor);
        while ((note = next_note(actor)) != NULL) {
            gri_watch_handle(actor, note);
        }
        gri_mailbox_block(&actor->mailbox, false);
    } while (!gri_mailbox_release(&actor->mailbox) ||
             (atomic_load_explicit(&actor->notes, memory_order_acquire) !=
                  NULL && /* see gri_actor_note() */
              gri_mailbox_claim(&actor->mailbox)));
}

/* The pid stops being anybody's; what the actor owned goes. */
static void vacate(gri_actor *actor, gr_reason reason)
{
    gr_system *sys = actor->base.sys;
    gr_pid pid = gri_actor_pid(actor);
    gri_extras *extras = actor->extras;
    size_t i = 0;

    atomic_store_explicit(&actor->asked, 0,
                          memory_order_relaxed); /* askers of this generation are turned away */
    /* Release: a sender that sees the next generation knows that this one has gone. */
    (void)atomic_fetch_add_explicit(&actor->base.generation, 1, memory_order_release);
    if (actor->name != NULL) {
        gri_name_remove(sys, actor->name, pid);
    }
    gri_actor_timers_end(actor);
    drain_mailbox(actor);
    gri_room_fail(actor);
    gri_watch_tell_all(actor, reason);
    for (i = 0; extras != NULL && i < extras->owed.count; i++) {
        gri_answer_dead(sys, extras->owed.at[i]);
    }
    free_state(actor);
    if (actor->props.arg_free != NULL) {
        actor->props.arg_free(actor->props.arg);
    }
    actor->wants = 0;
    actor->started = false;
    actor->home = NULL;
    actor->status = GRI_FREE;
}

static void free_extras(gri_actor *actor)
{
    gri_watch_fini(actor);
    if (actor->extras != NULL) {
        gri_free(actor->extras->owed.at);
        gri_free(actor->extras->failure);
        gri_free(actor->extras);
        actor->extras = NULL;
    }
    gri_free(actor->name);
    actor->name = NULL;
}

/* Frees what a supervisor may still have looked at, and the object. */
static void dispose(gri_actor *actor)
{
    free_extras(actor);
    actor->parent = NULL;
    gri_process_give(&actor->base);
}

static void settle_new(gri_actor *actor, gri_actor *parent, const gr_props *props, char *take_name)
{
    uint32_t generation = gri_actor_pid(actor).generation;

    actor->props = *props;
    if (actor->props.type_name == NULL) {
        actor->props.type_name = "actor";
    }
    atomic_store_explicit(&actor->mailbox.limit,
                          props->mailbox_limit == 0 ? GR_MAILBOX_LIMIT_DEFAULT
                                                    : props->mailbox_limit,
                          memory_order_relaxed); /* published with the pid */
    /* Relaxed: published by what is asked of this generation, below. */
    atomic_store_explicit(&actor->type_name, actor->props.type_name, memory_order_relaxed);
    actor->status = GRI_STARTING;
    actor->reason = GR_REASON_STOPPED;
    actor->name = take_name;
    actor->parent = parent;
    LIST_INIT(&actor->children);
    actor->failed_note.kind = GRI_NOTE_CHILD_FAILED;
    actor->handed_up = false;
    actor->stopped_note.kind = GRI_NOTE_CHILD_STOPPED;
    atomic_store_explicit(&actor->room_wanted, false,
                          memory_order_relaxed); /* nobody knows it yet */
    gri_mailbox_block(&actor->mailbox, false);
    /* Askers of this generation find all of the above. Sequentially consistent: whoever stops the system either sees it
     * here, or is seen by the spawner's second look at the phase. */
    atomic_store_explicit(&actor->asked, (uint64_t)generation << 32, memory_order_seq_cst);
}

static void abort_start(gri_actor *actor);

static gr_err refuse_spawn(const gr_props *props, gr_err err)
{
    if (props != NULL && props->arg_free != NULL) {
        props->arg_free(props->arg);
    }
    return err;
}

gr_err gri_actor_spawn(gr_system *sys, gri_actor *parent, const gr_props *props, const char *name,
                       gr_pid *out_pid)
{
    gr_err err = check_props(props, name);
    gri_actor *actor = NULL;
    char *own_name = NULL;
    gr_pid pid;

    if (err != GR_OK) {
        return refuse_spawn(props, err);
    }
    /* Sequentially consistent with gr_system_stop(): either it counts this actor, or this sees that it stops. */
    (void)atomic_fetch_add_explicit(&sys->live, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&sys->phase, memory_order_seq_cst) != GRI_PHASE_UP) {
        gri_system_live_down(sys);
        return refuse_spawn(props, GRI_FAIL(GR_ESTOPPED, "system %s is stopping", sys->name));
    }
    own_name = full_name(parent, name);
    actor = name != NULL && own_name == NULL ? NULL : take_object(sys);
    if (actor == NULL) {
        gri_free(own_name);
        gri_system_live_down(sys);
        return refuse_spawn(props, GRI_FAIL(GR_ENOMEM, "an actor"));
    }
    pid = gri_actor_pid(actor);
    settle_new(actor, parent, props, own_name);
    if (own_name != NULL) {
        err = gri_name_add(sys, own_name, pid);
        if (err != GR_OK) {
            actor->name = NULL; /* another's, so not ours to remove */
            gri_free(own_name);
        }
    }
    if (err == GR_OK) {
        err = start_hook(actor);
    }
    if (err != GR_OK) {
        gr_error detail = *gr_last_error(); /* hooks of what goes may fail too */

        abort_start(actor);
        return gr_error_set((gr_err)((unsigned)err & ~(unsigned)GR_FATAL), detail.file, detail.line,
                            "%s", detail.text);
    }
    (void)atomic_fetch_add_explicit(&sys->spawned, 1, memory_order_relaxed); /* a count */
    if (parent != NULL) {
        LIST_INSERT_HEAD(&parent->children, actor, sibling);
    }
    *out_pid = pid;
    /* Of the phase: see settle_new(). A parent that began to end while the hook waited has asked those children only that
     * it had by then. */
    if (atomic_load_explicit(&sys->phase, memory_order_seq_cst) != GRI_PHASE_UP ||
        (parent != NULL && parent->status != GRI_RUNNING && parent->status != GRI_STARTING &&
         parent->status != GRI_PAUSED)) {
        gri_actor_ask(actor, pid.generation, GRI_ASKED_STOP);
    }
    gri_actor_finish_turn(actor);
    return GR_OK;
}

/* ---- end ---------------------------------------------------------------------------------------------------------- */

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

    actor->status = (uint8_t)status;
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

    actor->status = GRI_RUNNING;
    gri_mailbox_block(&actor->mailbox, actor->extras != NULL && actor->extras->waits_count != 0 &&
                                           !actor->props.reentrant);
    LIST_FOREACH (child, &actor->children, sibling) {
        if (child->handed_up) {
            child->handed_up = false;
            gri_actor_ask(child, gri_actor_pid(child).generation, GRI_ASKED_RESUME);
        }
    }
}

static void finish_restart(gri_actor *actor)
{
    gr_system *sys = actor->base.sys;
    gr_err err = GR_OK;

    run_stopped_hook(actor, GR_REASON_RESTARTING);
    gri_actor_timers_end(actor);
    free_state(actor);
    actor->status = GRI_STARTING;
    (void)atomic_fetch_add_explicit(&sys->restarts, 1, memory_order_relaxed); /* a count */
    err = start_hook(actor);
    if (err != GR_OK) {
        gr_error detail = gri_error_of(err);

        gri_actor_failed(actor, &detail);
    } else {
        gri_mailbox_block(&actor->mailbox, false);
    }
}

/* The actor is gone when this returns, and may be another by then. */
static void finish_stop(gri_actor *actor)
{
    gr_system *sys = actor->base.sys;
    gri_actor *parent = actor->parent;

    if (actor->reason != GR_REASON_NEVER_EXISTED) { /* else it was never counted as spawned */
        (void)atomic_fetch_add_explicit(&sys->stopped, 1, memory_order_relaxed); /* a count */
    }
    run_stopped_hook(actor, (gr_reason)actor->reason);
    vacate(actor, (gr_reason)actor->reason);
    release_free(actor);
    if (parent != NULL) {
        gri_actor_note(parent, &actor->stopped_note); /* the parent disposes of it */
    } else {
        dispose(actor);
    }
    if (parent == NULL) {
        gri_system_live_down(sys);
    }
}

/* A started hook has failed: nothing stays. Children that it has started go first. */
static void abort_start(gri_actor *actor)
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

static void on_child_stopped(gri_actor *parent, gri_actor *child)
{
    gr_system *sys = parent->base.sys;

    LIST_REMOVE(child, sibling);
    dispose(child);
    gri_system_live_down(sys);
}

/* Does what was asked as far as its state allows; true when the actor has gone. */
static bool step_life(gri_actor *actor)
{
    take_asked(actor);
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
    if (actor->status == GRI_PAUSED && (actor->wants & GRI_ASKED_RESTART) != 0) {
        begin_end(actor, GRI_RESTARTING, GR_ERESTARTED);
    } else if (actor->status == GRI_PAUSED && (actor->wants & GRI_ASKED_RESUME) != 0) {
        resume(actor);
    }
    actor->wants &= (uint8_t) ~(GRI_ASKED_RESTART | GRI_ASKED_RESUME);
    if (actor->status == GRI_RESTARTING && may_finish(actor)) {
        finish_restart(actor);
        return step_life(actor);
    }
    if (actor->status == GRI_STOPPING && may_finish(actor)) {
        finish_stop(actor);
        return true;
    }
    return false;
}

/* ---- turns -------------------------------------------------------------------------------------------------------- */

static bool may_handle(const gri_actor *actor)
{
    return actor->status == GRI_RUNNING &&
           (actor->props.reentrant || actor->extras == NULL || actor->extras->waits_count == 0);
}

/* A fiber of the actor may go on: it does, here, with the actor; the running fiber comes to rest. */
static void on_ready(gri_actor *actor, gri_wait *wait)
{
    gri_worker *worker = gri_this_thread.worker;

    LIST_REMOVE(wait, parked);
    actor->extras->waits_count--;
    if (actor->extras->waits_count == 0) {
        actor->home = NULL;
        gri_mailbox_block(&actor->mailbox, actor->status != GRI_RUNNING);
    }
    gri_worker_resume(worker, wait->fiber);
}

/* Handles the notes; false when the actor goes on on another fiber, and this one has nothing more to do with it. */
static bool handle_notes(gri_actor *actor)
{
    gri_note *note = NULL;

    while ((note = next_note(actor)) != NULL) {
        switch (note->kind) {
        case GRI_NOTE_WATCH:
        case GRI_NOTE_UNWATCH:
            gri_watch_handle(actor, note);
            break;
        case GRI_NOTE_CHILD_FAILED:
            gri_supervise_child(actor,
                                (gri_actor *)((char *)note - offsetof(gri_actor, failed_note)));
            break;
        case GRI_NOTE_CHILD_STOPPED:
            on_child_stopped(actor,
                             (gri_actor *)((char *)note - offsetof(gri_actor, stopped_note)));
            break;
        case GRI_NOTE_READY:
            on_ready(actor, (gri_wait *)((char *)note - offsetof(gri_wait, note)));
            return false;
        }
    }
    return true;
}

/* Gives the claim back when there is nothing to do; false: there is, and it is still held. */
static bool release(gri_actor *actor)
{
    bool more = false;

    /* Relaxed: looked at again below. */
    if (actor->notes_taken != NULL ||
        atomic_load_explicit(&actor->notes, memory_order_relaxed) != NULL || is_asked(actor)) {
        return false;
    }
    if (!gri_mailbox_release(&actor->mailbox)) {
        return false;
    }
    /* Who told it something while the claim was held left it to us; acquire pairs with the teller's release. A sender
     * that waits for room has looked for it after it had said so, or is seen here: sequentially consistent. */
    more = atomic_load_explicit(&actor->notes, memory_order_acquire) != NULL || is_asked(actor) ||
           (atomic_load_explicit(&actor->room_wanted, memory_order_seq_cst) &&
            gri_mailbox_has_room(&actor->mailbox));
    return !more || !gri_mailbox_claim(&actor->mailbox);
}

static void poison(gri_actor *actor, gr_msg *msg)
{
    (void)gr_msg_unref(msg);
    actor->wants |= GRI_ASKED_STOP;
}

static void handle_message(gri_actor *actor, gr_msg *msg)
{
    gr_system *sys = actor->base.sys;

    if (msg->block.tag != gri_actor_pid(actor).generation) { /* for who lived here before */
        gr_pid to = {sys->node, actor->base.slot, msg->block.tag};

        gri_answer_foreign(sys, msg, GR_EDEAD);
        gr_dead_letter_add(sys, to, msg, GR_DEAD_STOPPED, GR_EDEAD);
        return;
    }
    if (msg->type == &gri_poison_type) {
        poison(actor, msg);
        return;
    }
    if (msg->type == &gr_terminated_type && !gri_watch_expects(actor, msg)) {
        (void)gr_msg_unref(msg);
        return;
    }
    if (msg->extra != NULL) {
        gri_timer_tick_taken(msg);
    }
    gri_context_run_receive(actor, msg);
}

void gri_actor_run(gri_actor *actor)
{
    gr_system *sys = actor->base.sys;
    gri_worker *worker = gri_this_thread.worker;
    uint32_t left = sys->throughput;

    for (;;) {
        gr_msg *msg = NULL;

        if (actor->status == GRI_FREE) { /* also when it was given back and claimed anew below */
            release_free(actor);
            return;
        }

        /* Release: the monitor, which acquires it, reads the actor's pid. */
        atomic_store_explicit(&worker->running, actor, memory_order_release);
        if (!handle_notes(actor) || step_life(actor)) {
            return;
        }
        /* Relaxed: it is looked at again when the claim is given back. */
        if (__builtin_expect(atomic_load_explicit(&actor->room_wanted, memory_order_relaxed), 0)) {
            gri_room_serve(actor);
        }
        if (may_handle(actor)) {
            if (left == 0) {
                if (!release(actor)) {
                    gri_actor_schedule(actor);
                }
                return;
            }
            msg = gri_mailbox_pop(&actor->mailbox);
        }
        if (msg != NULL) {
            left--;
            handle_message(actor, msg);
        } else if (release(actor)) {
            return;
        }
    }
}

void gri_actor_finish_turn(gri_actor *actor)
{
    if (!release(actor)) {
        gri_actor_schedule(actor);
    }
}

void gri_actor_kill(gri_actor *actor)
{
    gr_msg *msg = NULL;
    gri_note *note = NULL;

    while ((msg = gri_mailbox_pop(&actor->mailbox)) != NULL) {
        (void)gr_msg_unref(msg);
    }
    while ((note = next_note(actor)) != NULL) {
        if (note->kind == GRI_NOTE_WATCH || note->kind == GRI_NOTE_UNWATCH) {
            gri_watch_note *watch =
                (gri_watch_note *)((char *)note - offsetof(gri_watch_note, note));

            (void)gr_msg_unref(watch->notice);
            gri_pool_free(&watch->block);
        }
    }
    while (actor->extras != NULL && !LIST_EMPTY(&actor->extras->waits)) {
        gri_wait *wait = LIST_FIRST(&actor->extras->waits);
        gri_fiber *fiber = wait->fiber;

        LIST_REMOVE(wait, parked);
        gri_context_drop(fiber->context);
        gri_worker_drop(gri_stepped_worker(actor->base.sys->stepped), fiber);
    }
    if (actor->status != GRI_FREE) {
        gri_actor_timers_end(actor);
        free_state(actor);
        if (actor->props.arg_free != NULL) {
            actor->props.arg_free(actor->props.arg);
        }
    }
    free_extras(actor);
    actor->status = GRI_FREE;
    (void)atomic_fetch_add_explicit(&actor->base.generation, 1,
                                    memory_order_relaxed); /* one thread */
}
