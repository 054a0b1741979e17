/*
 * Supervision: a failed actor is paused and its parent decides; the system itself decides for those without one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

static int restarts_allowed(const gr_supervision *supervision)
{
    return supervision->restarts == 0  ? GR_RESTARTS_DEFAULT
           : supervision->restarts < 0 ? 0
                                       : supervision->restarts;
}

/* Whether one more restart fits into the window; if so it is counted. */
static bool count_restart(gri_failure *failure, const gr_supervision *supervision, int64_t now_ms)
{
    int64_t window_ms =
        supervision->window_ms == 0 ? GR_RESTART_WINDOW_MS_DEFAULT : supervision->window_ms;
    int allowed = restarts_allowed(supervision);

    if (allowed > failure->restarts_room) {
        allowed = failure->restarts_room;
    }
    if (allowed == 0) {
        return false;
    }
    if (failure->restarts_count >= allowed) {
        /* The ring is full: the oldest stands where the next one goes. */
        if (now_ms - failure->restarted_at[failure->restarts_next] < window_ms) {
            return false;
        }
    } else {
        failure->restarts_count++;
    }
    failure->restarted_at[failure->restarts_next] = now_ms;
    failure->restarts_next = (failure->restarts_next + 1) % allowed;
    return true;
}

static gr_directive decide(const gr_supervision *supervision, gri_actor *child)
{
    gri_failure *failure = child->extras == NULL ? NULL : child->extras->failure;
    gr_directive directive = GR_RESTART;

    if (failure == NULL) { /* there was no memory to keep it */
        return GR_STOP;
    }
    if (supervision->decide != NULL) {
        directive = supervision->decide(gri_actor_pid(child), &failure->error);
    }
    if (directive == GR_RESTART &&
        !count_restart(failure, supervision, gr_system_now(child->base.sys))) {
        directive = GR_STOP;
    }
    return directive;
}

/* Has the supervision of `parent` (NULL: the system's own) decide about a paused child. */
static void supervise(gr_system *sys, gri_actor *parent, gri_actor *child)
{
    static const unsigned asked[] = {[GR_RESTART] = GRI_ASKED_RESTART,
                                     [GR_RESUME] = GRI_ASKED_RESUME,
                                     [GR_STOP] = GRI_ASKED_STOP_FAILED};
    static const char *const words[] = {[GR_RESTART] = "restart",
                                        [GR_RESUME] = "resume",
                                        [GR_STOP] = "stop",
                                        [GR_ESCALATE] = "escalate"};
    gr_pid pid = gri_actor_pid(child);
    gri_failure *failure = child->extras == NULL ? NULL : child->extras->failure;
    gr_error error = failure == NULL ? (gr_error){.code = GR_ENOMEM} : failure->error;
    gr_directive directive =
        decide(parent == NULL ? &sys->root : &gri_actor_given(parent)->supervision, child);
    char text[GR_PID_TEXT_BYTES];
    char who[GRI_DESCRIPTION_BYTES];

    if ((unsigned)directive > (unsigned)GR_ESCALATE ||
        (directive == GR_ESCALATE && parent == NULL)) {
        directive = GR_STOP; /* there is nobody above the system */
    }
    gri_actor_describe(child, who);
    gr_system_log(sys, GR_LOG_WARN, "GR-ACTOR-FAILED",
                  "actor %s (%s%s) failed: %s: %s; decision: %s", gr_pid_format(pid, text),
                  child->props.type_name, who, gr_err_name(error.code), error.text,
                  words[directive]);
    if (gri_events_wanted(sys)) {
        gr_supervision_event event = {pid, parent == NULL ? gr_pid_null() : gri_actor_pid(parent),
                                      directive, error};

        gr_publish(sys, &gr_supervision_event_type, &event);
    }
    if (directive == GR_ESCALATE) {
        child->handed_up = true; /* what is decided about the parent holds for it too */
        gri_actor_failed(parent, &error);
        return;
    }
    gri_actor_ask(child, pid.generation, asked[directive]);
}

void gri_supervise_child(gri_actor *parent, gri_actor *child)
{
    if (parent->status == GRI_STOPPING || parent->status == GRI_RESTARTING) {
        return; /* the child has been asked to stop */
    }
    supervise(parent->base.sys, parent, child);
}

static gri_failure *failure_of(gri_actor *actor)
{
    gri_extras *extras = gri_actor_extras(actor);
    const gr_supervision *supervision = actor->parent == NULL
                                            ? &actor->base.sys->root
                                            : &gri_actor_given(actor->parent)->supervision;
    int room = restarts_allowed(supervision);

    if (extras != NULL && extras->failure == NULL) {
        extras->failure = gri_calloc(1, sizeof(gri_failure) + (size_t)room * sizeof(int64_t));
        if (extras->failure != NULL) {
            extras->failure->restarts_room = room;
        }
    }
    return extras == NULL ? NULL : extras->failure;
}

void gri_actor_failed(gri_actor *actor, const gr_error *error)
{
    gr_system *sys = actor->base.sys;
    gri_failure *failure = NULL;

    if (actor->status == GRI_STOPPING || actor->status == GRI_RESTARTING ||
        actor->status == GRI_PAUSED) {
        return; /* it ends anyway, or its failure is being decided about */
    }
    (void)atomic_fetch_add_explicit(&sys->failures, 1, memory_order_relaxed); /* a count */
    failure = failure_of(actor);
    if (failure != NULL) {
        failure->error = *error;
    }
    actor->status = GRI_PAUSED;
    gri_mailbox_block(&actor->mailbox, true);
    if (actor->parent != NULL) {
        gri_actor_note(actor->parent, &actor->failed_note);
    } else {
        supervise(sys, NULL, actor);
    }
}
