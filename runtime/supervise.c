/*
 * Supervision: a failed actor is paused and its parent decides, in its own turn; for one without a parent its guardian or
 * the system does, in the turn of the one that failed. What was decided is asked of those it concerns; counting restarts and
 * working out delays is done in restarts.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

/* A failure and what is to be done about it. */
typedef struct decision {
    gr_system *sys;
    gri_actor *parent; /* NULL: a guardian or the system decides */
    gri_actor *failed;
    gr_pid pid;       /* of the one that failed, which may have gone since */
    gri_group *group; /* NULL: it concerns nobody else */
    gr_strategy strategy;
    gr_directive directive;
    int64_t due_ms; /* of a restart, and how long that is from when it was decided */
    int64_t delay_ms;
    gr_error error;
} decision;

/* ---- the record of failures ------------------------------------------------------------------------------------------- */

static gri_failure *failure_of(const gri_actor *actor)
{
    return actor->extras == NULL ? NULL : actor->extras->failure;
}

static void on_due(void *arg)
{
    gri_failure *failure = arg;

    gri_actor_ask(failure->actor, failure->generation, GRI_ASKED_RESTART);
}

/* The record of an actor's failures; NULL when out of memory. In its turn. */
static gri_failure *keep_failure(gri_actor *actor)
{
    gri_extras *extras = gri_actor_extras(actor);

    if (extras != NULL && extras->failure == NULL) {
        gri_failure *failure = gri_calloc(1, sizeof(*failure));

        if (failure != NULL) {
            failure->actor = actor;
            failure->generation = gri_actor_pid(actor).generation;
            gr_alarm_init(&failure->alarm, actor->base.sys, on_due, failure);
            extras->failure = failure;
        }
    }
    return extras == NULL ? NULL : extras->failure;
}

/* ---- deciding ------------------------------------------------------------------------------------------------------ */

static void decide(decision *made, const gr_supervision *supervision)
{
    gri_failure *failure = failure_of(made->failed);
    bool system_decides = supervision == &made->sys->root;

    made->strategy = supervision->strategy;
    made->directive = GR_STOP;
    if (failure == NULL) { /* there was no memory to keep it */
        return;
    }
    made->directive = supervision->decide == NULL ? GR_RESTART
                                                  : supervision->decide(supervision->decide_arg,
                                                                        made->pid, &failure->error);
    if ((unsigned)made->directive > (unsigned)GR_ESCALATE ||
        (made->directive == GR_ESCALATE && system_decides)) {
        made->directive = GR_STOP; /* there is nobody above the system */
    }
    if (made->directive == GR_RESTART) {
        gri_restarts *restarts = made->group != NULL ? &made->group->restarts
                                 : system_decides    ? &failure->by_system
                                                     : &failure->restarts;

        if (gri_restarts_take(restarts, supervision, made->sys)) {
            made->due_ms = restarts->due_ms;
            made->delay_ms = restarts->delay_ms;
        } else {
            made->directive = GR_STOP;
        }
    }
}

/* ---- telling ------------------------------------------------------------------------------------------------------- */

static void log_decision(const decision *made)
{
    static const char *const words[] = {[GR_RESTART] = "restart",
                                        [GR_RESUME] = "resume",
                                        [GR_STOP] = "stop",
                                        [GR_ESCALATE] = "escalate"};
    const gri_failure *failure = failure_of(made->failed);
    char text[GR_PID_TEXT_BYTES];
    char delay[40] = "";
    bool all =
        made->group != NULL && made->directive != GR_RESUME && made->directive != GR_ESCALATE;

    if (made->delay_ms > 0) {
        (void)snprintf(delay, sizeof(delay), " in %lld ms", (long long)made->delay_ms);
    }
    gr_system_log(made->sys, GR_LOG_WARN, "GR-ACTOR-FAILED",
                  "actor %s (%s%s) failed: %s: %s; decision: %s%s%s",
                  gr_pid_format(made->pid, text), made->failed->props.type_name,
                  failure == NULL ? "" : failure->who, gr_err_name(made->error.code),
                  made->error.text, words[made->directive], all ? " it and its siblings" : "",
                  delay);
}

/* Once for each actor that it concerns; restarts are counted when they happen. */
static void count(const decision *made)
{
    gr_system *sys = made->sys;

    if (made->directive != GR_RESTART) {
        gri_count(made->directive == GR_STOP     ? &sys->given_up
                  : made->directive == GR_RESUME ? &sys->resumes
                                                 : &sys->escalations,
                  1);
    }
}

/* `child` is the one that failed, or a sibling. */
static void publish(const decision *made, gr_pid child)
{
    count(made);
    if (gri_events_wanted(made->sys)) {
        gr_supervision_event event = {.child = child,
                                      .parent = made->parent == NULL ? gr_pid_null()
                                                                     : gri_actor_pid(made->parent),
                                      .directive = made->directive,
                                      .error = made->error,
                                      .failed = made->pid,
                                      .strategy = made->strategy,
                                      .delay_ms = made->delay_ms};

        gr_publish(made->sys, &gr_supervision_event_type, &event);
    }
}

/* ---- doing --------------------------------------------------------------------------------------------------------- */

/* The parent fails as well; where its started hook is at work, that will have failed. */
static void hand_up(const decision *made)
{
    gri_actor *parent = made->parent;
    gri_failure *failure = NULL;

    made->failed->handed_up = true; /* what is decided about the parent holds for it too */
    if (parent->status != GRI_STARTING) {
        gri_actor_failed(parent, &made->error);
        return;
    }
    failure = keep_failure(parent);
    if (failure == NULL) { /* no memory to remember it */
        gri_actor_ask(made->failed, made->pid.generation, GRI_ASKED_STOP_FAILED);
        return;
    }
    failure->error = made->error;
    failure->of_start = true;
}

gr_err gri_failure_of_start(gri_actor *actor)
{
    gri_failure *failure = failure_of(actor);

    if (failure == NULL || !failure->of_start) {
        return GR_OK;
    }
    failure->of_start = false;
    return gr_error_set(failure->error.code, failure->error.file, failure->error.line, "%s",
                        failure->error.text);
}

/* Has the one that failed do what was decided. */
static void apply(const decision *made)
{
    static const unsigned asked[] = {[GR_RESTART] = GRI_ASKED_RESTART,
                                     [GR_RESUME] = GRI_ASKED_RESUME,
                                     [GR_STOP] = GRI_ASKED_STOP_FAILED};
    gri_actor *failed = made->failed;
    gri_group *group =
        made->parent == NULL || made->parent->extras == NULL ? NULL : made->parent->extras->group;

    if (made->directive == GR_ESCALATE) {
        hand_up(made);
        return;
    }
    if (made->directive == GR_RESTART) {
        failure_of(failed)->due_ms = made->due_ms;
        if (group != NULL) {
            gri_actor_ask_in_round(failed, made->pid.generation, GRI_ASKED_RESTART, group->round);
            return;
        }
    }
    gri_actor_ask(failed, made->pid.generation, asked[made->directive]);
}

/* Has the siblings of the one that failed do the same. */
static void apply_to_siblings(const decision *made)
{
    gri_group *group = made->group;
    gri_actor *sibling = NULL;

    group->directive = made->directive;
    group->round = group->round == UINT16_MAX ? 1 : (uint16_t)(group->round + 1);
    /* Relaxed: who is asked below sees it. */
    atomic_store_explicit(&group->due_ms, made->due_ms, memory_order_relaxed);
    LIST_FOREACH (sibling, &made->parent->children, sibling) {
        gr_pid pid = gri_actor_pid(sibling);

        /* One that has gone is still in the list until its parent has been told. Acquire: see vacate(). */
        if (sibling != made->failed &&
            atomic_load_explicit(&sibling->asked, memory_order_acquire) >> 32 == pid.generation) {
            publish(made, pid);
            gri_actor_ask_in_round(sibling, pid.generation,
                                   made->directive == GR_RESTART ? GRI_ASKED_RESTART_TOO
                                                                 : GRI_ASKED_STOP_FAILED,
                                   group->round);
        }
    }
}

static void carry_out(decision *made)
{
    log_decision(made);
    publish(made, made->pid);
    if (made->group != NULL && (made->directive == GR_RESTART || made->directive == GR_STOP)) {
        apply_to_siblings(made);
    }
    apply(made);
}

static decision decision_about(gri_actor *parent, gri_actor *failed)
{
    gri_failure *failure = failure_of(failed);
    decision made = {.sys = failed->base.sys, .parent = parent, .failed = failed};

    made.error = failure == NULL ? (gr_error){.code = GR_ENOMEM} : failure->error;
    made.pid = gri_actor_pid(failed);
    if (failure != NULL) {
        made.pid.generation = failure->generation;
    }
    return made;
}

/* A child that failed before it did what had been decided about all of them: that holds for its failure, too. */
static bool is_covered(decision *made)
{
    const gri_failure *failure = failure_of(made->failed);
    gri_group *group = made->group;

    if (group == NULL || failure == NULL || failure->round == group->round) {
        return false;
    }
    made->group = NULL; /* the others know */
    made->strategy = GR_ALL_FOR_ONE;
    made->directive = group->directive;
    made->due_ms = group->restarts.due_ms;
    made->delay_ms = made->directive == GR_RESTART ? group->restarts.delay_ms : 0;
    return true;
}

void gri_supervise_child(gri_actor *parent, gri_actor *child)
{
    decision made = decision_about(parent, child);

    if (parent->status == GRI_STOPPING || parent->status == GRI_RESTARTING) {
        return; /* the child has been asked to stop */
    }
    made.group = parent->extras == NULL ? NULL : parent->extras->group;
    if (!is_covered(&made)) {
        decide(&made, &gri_actor_given(parent)->supervision);
    }
    carry_out(&made);
}

/* For an actor without a parent. */
static void supervise_root(gri_actor *actor)
{
    const gr_supervision *guardian = gri_actor_given(actor)->guardian;
    decision made = decision_about(NULL, actor);

    if (guardian != NULL) {
        decide(&made, guardian);
        if (made.directive != GR_ESCALATE) {
            carry_out(&made);
            return;
        }
        log_decision(&made);
        publish(&made, gri_actor_pid(actor));
    }
    decide(&made, &actor->base.sys->root);
    carry_out(&made);
}

/* ---- failing ------------------------------------------------------------------------------------------------------- */

void gri_failure_free(gri_failure *failure)
{
    if (failure != NULL) {
        gri_restarts_fini(&failure->restarts);
        gri_restarts_fini(&failure->by_system);
        gri_free(failure);
    }
}

void gri_group_free(gri_group *group)
{
    if (group != NULL) {
        gri_restarts_fini(&group->restarts);
        gri_free(group);
    }
}

void gri_group_renew(gri_actor *actor)
{
    if (actor->extras != NULL && actor->extras->group != NULL) {
        gri_restarts_fini(&actor->extras->group->restarts);
        actor->extras->group->restarts = (gri_restarts){0};
    }
}

void gri_actor_failed(gri_actor *actor, const gr_error *error)
{
    gr_system *sys = actor->base.sys;
    gri_failure *failure = NULL;

    if (actor->status == GRI_STOPPING || actor->status == GRI_RESTARTING ||
        actor->status == GRI_PAUSED) {
        return; /* it ends anyway, or its failure is being decided about */
    }
    failure = keep_failure(actor);
    if (failure != NULL) {
        failure->error = *error;
        failure->round = actor->round_begun;
        failure->of_start = false;
        gri_actor_describe(actor, failure->who);
    }
    gri_count(&sys->failures, 1);
    gri_actor_go(actor, GRI_PAUSED);
    gri_mailbox_block(&actor->mailbox, true);
    if (actor->parent != NULL) {
        gri_actor_note(actor->parent, &actor->failed_note);
    } else {
        supervise_root(actor);
    }
}

/* ---- waiting for a restart ----------------------------------------------------------------------------------------- */

bool gri_restart_waits(gri_actor *actor)
{
    gri_failure *failure = failure_of(actor);

    if (failure == NULL || failure->due_ms <= gr_system_now(actor->base.sys)) {
        return false;
    }
    gri_actor_show(actor, GRI_DELAYED);
    gr_alarm_set(&failure->alarm, failure->due_ms);
    return true;
}

bool gri_restart_too_waits(gri_actor *actor)
{
    /* Relaxed: see apply_to_siblings(). */
    int64_t due_ms =
        atomic_load_explicit(&actor->parent->extras->group->due_ms, memory_order_relaxed);
    gri_failure *failure = due_ms <= gr_system_now(actor->base.sys) ? NULL : keep_failure(actor);

    if (failure == NULL) { /* nor is there a wait without memory for it */
        return false;
    }
    failure->due_ms = due_ms;
    return gri_restart_waits(actor);
}

void gri_restart_wait_end(gri_actor *actor)
{
    gri_failure *failure = failure_of(actor);

    if (failure != NULL) {
        gr_alarm_fini(&failure->alarm);
    }
}
