/*
 * The start of an actor: props are checked, an object and a name are taken, the started hook runs.
 * See actor_internal.h for the states.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "actor_internal.h"

#include <gri/fail.h>
#include <gri/mem.h>

#include "context.h"

static gr_err check_mailbox(const gr_props *props)
{
    if (props->mailbox_limit > GR_MAILBOX_LIMIT_MAX) {
        return GRI_FAIL(GR_EINVAL, "mailbox_limit %u: at most %d, or use GR_MAILBOX_UNBOUNDED",
                        props->mailbox_limit, GR_MAILBOX_LIMIT_MAX);
    }
    if ((unsigned)props->mailbox > GR_MAILBOX_PRIORITY) {
        return GRI_FAIL(GR_EINVAL, "mailbox %d: there is no such kind", (int)props->mailbox);
    }
    if (props->mailbox == GR_MAILBOX_UNBOUNDED && props->mailbox_limit != 0) {
        return GRI_FAIL(GR_EINVAL, "mailbox_limit %u with GR_MAILBOX_UNBOUNDED: leave it 0",
                        props->mailbox_limit);
    }
    if ((props->mailbox == GR_MAILBOX_PRIORITY) != (props->priority != NULL)) {
        return GRI_FAIL(GR_EINVAL, props->priority == NULL
                                       ? "GR_MAILBOX_PRIORITY needs a `priority` function"
                                       : "a `priority` function is for GR_MAILBOX_PRIORITY only");
    }
    return GR_OK;
}

gr_err gri_props_check(const gr_props *props, const char *name)
{
    gr_err err = GR_OK;
    const char *at = name;

    if (props == NULL) {
        return GRI_FAIL(GR_EINVAL,
                        "an actor '%.64s' without props, and so without a `receive` handler",
                        name == NULL ? "" : name);
    }
    if (props->receive == NULL) {
        return GRI_FAIL(
            GR_EINVAL, "the props of actor '%.64s', type %.64s, have no `receive` handler",
            name == NULL ? "" : name, props->type_name == NULL ? "actor" : props->type_name);
    }
    if (props->stack_bytes != 0 &&
        (props->stack_bytes < GRI_STACK_BYTES_MIN || props->stack_bytes > GRI_STACK_BYTES_MAX)) {
        return GRI_FAIL(GR_EINVAL, "stack_bytes %u: %d to %d, or 0 for the system's",
                        props->stack_bytes, GRI_STACK_BYTES_MIN, GRI_STACK_BYTES_MAX);
    }
    err = check_mailbox(props);
    if (err != GR_OK) {
        return err;
    }
    if (gri_supervision_check(&props->supervision, "props.supervision", true) != GR_OK ||
        (props->guardian != NULL &&
         gri_supervision_check(props->guardian, "props.guardian", false) != GR_OK)) {
        return GR_EINVAL;
    }
    for (; at != NULL && *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f || *at == '/') {
            return GRI_FAIL(GR_EINVAL, "name '%.64s': control characters and '/' are not allowed",
                            name);
        }
    }
    if (name != NULL && (at == name || at - name > GR_NAME_BYTES_MAX)) {
        return GRI_FAIL(GR_EINVAL, "name '%.64s%s' of %zu bytes: 1 to %d, or NULL for none", name,
                        at - name > 64 ? "..." : "", (size_t)(at - name), GR_NAME_BYTES_MAX);
    }
    return GR_OK;
}

static char *full_name(const gri_actor *parent, const char *name)
{
    if (parent == NULL) {
        return gri_strdup(name);
    }
    if (parent->name == NULL) {
        return gri_text("$%u.%u/%s", parent->base.slot, gri_actor_pid(parent).generation, name);
    }
    return gri_text("%s/%s", parent->name, name);
}

static gr_err take_name(gri_actor *actor, const gri_actor *parent, const char *name)
{
    char *full = full_name(parent, name);
    gr_err err =
        full == NULL ? GRI_FAIL(GR_ENOMEM, "the name '%.64s'", name) : gri_name_add(actor, full);

    gri_free(full);
    return err;
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

void gri_actor_free_state(gri_actor *actor)
{
    if (actor->props.state_bytes != 0) {
        gri_free(actor->state);
    }
    actor->state = NULL;
}

gr_err gri_actor_start_hook(gri_actor *actor)
{
    gr_err err = GR_OK;

    actor->state = new_state(actor);
    if (actor->state == NULL && actor->props.state_bytes != 0) {
        return GRI_FAIL(GR_ENOMEM, "%zu bytes of state for actor type %s", actor->props.state_bytes,
                        actor->props.type_name);
    }
    if (actor->props.started != NULL || (actor->around & GRI_AROUND_STARTED) != 0) {
        err = gri_context_run_started(actor);
    }
    if (err == GR_OK) {
        err = gri_failure_of_start(actor);
    }
    if (err == GR_OK) {
        actor->started = true;
        gri_actor_go(actor, GRI_RUNNING);
        gri_continuations_recall(actor);
    }
    return err;
}

const gr_props *gri_actor_given(const gri_actor *actor)
{
    static const gr_props defaults;

    return actor->extras == NULL || actor->extras->given == NULL ? &defaults : actor->extras->given;
}

static bool is_default(const gr_supervision *supervision)
{
    return supervision->decide == NULL && supervision->strategy == GR_ONE_FOR_ONE &&
           supervision->restarts == 0 && supervision->window_ms == 0 &&
           supervision->backoff.min_ms == 0;
}

/* Whether props ask for anything that gri_props has no place for. */
static bool are_rare(const gr_props *props)
{
    return !is_default(&props->supervision) || props->guardian != NULL || props->middleware != NULL;
}

/* Keeps the whole props where they are rare; false when out of memory. */
static bool keep_given(gri_actor *actor, const gr_props *props)
{
    gri_extras *extras = NULL;

    if (!are_rare(props)) {
        return true;
    }
    extras = gri_actor_extras(actor);
    if (extras == NULL) {
        return false;
    }
    extras->given = gri_alloc(sizeof(*props));
    if (extras->given == NULL) {
        return false;
    }
    *extras->given = *props;
    if (props->supervision.strategy == GR_ALL_FOR_ONE) {
        extras->group = gri_calloc(1, sizeof(*extras->group));
        return extras->group != NULL;
    }
    return true;
}

static void settle_new(gri_actor *actor, gri_actor *parent, const gr_props *props)
{
    uint32_t generation = gri_actor_pid(actor).generation;

    actor->props = (gri_props){.type_name = props->type_name == NULL ? "actor" : props->type_name,
                               .started = props->started,
                               .receive = props->receive,
                               .stopped = props->stopped,
                               .state_bytes = props->state_bytes,
                               .arg = props->arg,
                               .arg_free = props->arg_free,
                               .describe = props->describe,
                               .reentrant = props->reentrant};
    /* Relaxed: published by what is asked of this generation, below. */
    atomic_store_explicit(&actor->type_name, actor->props.type_name, memory_order_relaxed);
    actor->stack_units = (uint16_t)((props->stack_bytes + GRI_STACK_UNIT - 1) / GRI_STACK_UNIT);
    gri_actor_go(actor, GRI_STARTING);
    actor->reason = GR_REASON_STOPPED;
    actor->parent = parent;
    LIST_INIT(&actor->children);
    actor->failed_note.kind = GRI_NOTE_CHILD_FAILED;
    actor->handed_up = false;
    actor->round_told = 0;
    actor->round_begun = 0;
    actor->stopped_note.kind = GRI_NOTE_CHILD_STOPPED;
    atomic_store_explicit(&actor->room_wanted, false,
                          memory_order_relaxed);                      /* nobody knows it yet */
    atomic_store_explicit(&actor->waits_on, 0, memory_order_relaxed); /* for people */
    gri_mailbox_block(&actor->mailbox, false);
    /* Askers of this generation find all of the above. Sequentially consistent: whoever stops the system either sees it
     * here, or is seen by the spawner's second look at the phase. */
    atomic_store_explicit(&actor->asked, (uint64_t)generation << 32, memory_order_seq_cst);
}

static gr_err refuse_spawn(const gr_props *props, gr_err err)
{
    if (props != NULL && props->arg_free != NULL) {
        props->arg_free(props->arg);
    }
    return err;
}

static gr_err pin(gri_actor *actor, const gr_props *props)
{
    gri_extras *extras = gri_actor_extras(actor);
    gr_system *sys = actor->base.sys;
    uint32_t stack_bytes =
        props->stack_bytes > sys->stack_bytes ? props->stack_bytes : sys->stack_bytes;

    return extras == NULL
               ? GRI_FAIL(GR_ENOMEM, "a pinned actor")
               : gri_pinned_new(sys, actor->props.type_name, stack_bytes, &extras->pinned);
}

static gr_err spawn(gr_system *sys, gri_actor *parent, const gr_props *props, const char *name,
                    gr_pid *out_pid)
{
    gr_err err = gri_props_check(props, name);
    gri_worker *here = gri_workers_here(sys);
    gri_actor *actor = NULL;
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
    actor = take_object(sys);
    if (actor == NULL) {
        gri_system_live_down(sys);
        return refuse_spawn(props, GRI_FAIL(GR_ENOMEM, "an actor"));
    }
    pid = gri_actor_pid(actor);
    settle_new(actor, parent, props);
    if (!keep_given(actor, props)) {
        err = GRI_FAIL(GR_ENOMEM, "the props of an actor");
    }
    if (err == GR_OK) {
        err = gri_inbox_init(actor, props);
    }
    if (err == GR_OK) {
        err = gri_middleware_init(actor, props);
    }
    if (err == GR_OK && props->pinned && sys->stepped == NULL) {
        err = pin(actor, props);
    }
    if (err == GR_OK && name != NULL) {
        err = take_name(actor, parent, name);
    }
    if (err == GR_OK) {
        err = gri_actor_start_hook(actor);
    }
    if (err != GR_OK) {
        gr_error detail = gri_error_of(err); /* hooks of what goes may fail too */

        gri_actor_abort_start(actor);
        return gr_error_set(detail.code, detail.file, detail.line, "%s", detail.text);
    }
    if (props->pinned && sys->stepped == NULL) {
        actor->home = actor->extras->pinned; /* from here on; the started hook ran here */
    }
    gri_count_near(&sys->spawned, here == NULL ? NULL : &here->spawned);
    if (parent != NULL) {
        LIST_INSERT_HEAD(&parent->children, actor, sibling);
        if (parent->extras != NULL &&
            parent->extras->group != NULL) { /* what was decided until now did not concern it */
            actor->round_told = parent->extras->group->round;
            actor->round_begun = actor->round_told;
        }
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

gr_err gri_actor_spawn(gr_system *sys, gri_actor *parent, const gr_props *props, const char *name,
                       gr_pid *out_pid)
{
    gr_err err = spawn(sys, parent, props, name, out_pid);

    if (err != GR_OK) {
        gri_count(&sys->spawns_failed, 1);
    }
    return err;
}
