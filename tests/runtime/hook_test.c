/*
 * Hooks that wait, fail or panic, in the middle of starts, restarts and stops: the corners of an actor's life
 * where two things happen at the same time. Behaviours r01, r10, r17 and r19 where they meet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

/* What the hooks of one actor do; plain fields, written by the test before it starts. */
typedef struct habits {
    struct lab *lab;
    gr_future *future; /* the start hook waits for it, from the second start on */
    int starts;
    int panic_at;    /* this start panics */
    bool stop_waits; /* the stop hook waits for the future */
    bool stop_panics;
} habits;

static gr_err habit_started(gr_context *ctx, void *state)
{
    habits *mine = state;
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    mine->starts++;
    lab_note(mine->lab, "start %d", mine->starts);
    if (mine->starts == mine->panic_at) {
        gr_panic(ctx, GR_EIO, "start %d panics", mine->starts);
    }
    if (mine->starts > 1 && mine->future != NULL) {
        err = gr_await(mine->future, GR_FOREVER, &reply);
        lab_note(mine->lab, "start %d went on: %s", mine->starts, gr_err_name(err));
        reply = gr_msg_unref(reply);
    }
    return err;
}

static gr_err habit_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    habits *mine = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    (void)ctx;
    if (word == NULL) {
        return GR_OK;
    }
    lab_note(mine->lab, "word %lld", (long long)word->number);
    return word->number < 0 ? gr_fatal(GR_EFAILED, "a bad word") : GR_OK;
}

static void habit_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    habits *mine = state;
    gr_msg *reply = NULL;

    if (mine->stop_waits) {
        lab_note(mine->lab, "end may wait: %s",
                 gr_err_name(gr_await(mine->future, GR_FOREVER, &reply)));
        reply = gr_msg_unref(reply);
    }
    lab_note(mine->lab, "end %s", lab_reason(reason));
    if (mine->stop_panics) {
        gr_panic(ctx, GR_EIO, "no way to end");
    }
}

static habits *habits_new(struct lab *lab, gr_props *out_props)
{
    habits *mine = lab_own(lab, sizeof(*mine));

    mine->lab = lab;
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &mine->future), GR_OK);
    *out_props = (gr_props){.type_name = "habits",
                            .started = habit_started,
                            .receive = habit_receive,
                            .stopped = habit_stopped,
                            .arg = mine};
    return mine;
}

/* The future is let go when no hook can look at it any more. */
static void habits_fini(habits *mine)
{
    LAB_EVENTUALLY(mine->lab, gr_system_counters(mine->lab->sys).fibers_waiting == 0);
    assert_int_equal(gr_system_stop(mine->lab->sys, GR_FOREVER), GR_OK);
    mine->future = gr_future_unref(mine->future);
}

static void the_start_hook_of_a_restart_may_wait_and_messages_wait_for_it(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    habits *mine = habits_new(lab, &props);
    gr_pid pid = lab_spawn_child_props(lab, lab_spawn(lab, "p"), &props, "c");

    lab_tell(lab, pid, 1);
    lab_tell(lab, pid, -1);
    lab_tell(lab, pid, 2);
    lab_wait(lab, "start 2");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    assert_int_equal(lab_count(lab, "word 2"), 0);
    assert_int_equal(gr_future_complete(mine->future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "word 2");
    lab_assert_notes(lab, "start", "start 1|start 2|start 2 went on: GR_OK");
    habits_fini(mine);
}

static void a_stop_ends_the_wait_of_a_start_hook_during_a_restart(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    habits *mine = habits_new(lab, &props);
    gr_pid parent = lab_spawn(lab, "p");
    gr_pid pid = lab_spawn_child_props(lab, parent, &props, "c");

    assert_int_equal(lab_make(lab, parent, lab_act_watch, &pid), GR_OK);
    lab_tell(lab, pid, -1);
    lab_wait(lab, "start 2");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "start 2 went on: GR_ESTOPPED");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    LAB_EVENTUALLY(lab, lab_count(lab, "p sees stopped") + lab_count(lab, "p sees failed") == 1);
    habits_fini(mine);
}

static gr_err started_waits(gr_context *ctx, void *state)
{
    habits *mine = state;
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)ctx;
    lab_note(mine->lab, "child waits");
    err = gr_await(mine->future, GR_FOREVER, &reply);
    lab_note(mine->lab, "child went on: %s", gr_err_name(err));
    reply = gr_msg_unref(reply);
    return err;
}

static gr_err act_spawn(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid child = gr_pid_null();
    gr_err err = gr_spawn_child(ctx, arg, "c", &child);

    lab_note(lab, "spawned: %s", gr_err_name(err));
    return GR_OK;
}

static void a_parents_stop_ends_the_wait_of_its_childs_start_hook(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    habits *mine = habits_new(lab, &props);
    gr_pid parent = lab_spawn(lab, "p");

    props.started = started_waits;
    props.stopped = NULL;
    lab_do(lab, parent, act_spawn, &props);
    lab_wait(lab, "child waits");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    gr_send_stop(lab->sys, parent);
    lab_wait(lab, "p stopped stopped");
    assert_int_equal(lab_count(lab, "child went on: GR_ESTOPPED"), 1);
    assert_int_equal(lab_count(lab, "spawned: GR_ESTOPPED"), 1);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    habits_fini(mine);
}

static void a_childs_start_hook_that_waits_holds_only_its_parent(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    habits *mine = habits_new(lab, &props);
    gr_pid parent = lab_spawn(lab, "p");

    props.started = started_waits;
    props.stopped = NULL;
    lab_do(lab, parent, act_spawn, &props);
    lab_tell(lab, parent, 1);
    lab_wait(lab, "child waits");
    lab_flush(lab, lab_spawn(lab, "other"));
    assert_int_equal(lab_count(lab, "p 1"), 0);
    assert_int_equal(gr_future_complete(mine->future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "p 1");
    assert_int_equal(lab_count(lab, "spawned: GR_OK"), 1);
    habits_fini(mine);
}

static void r10_a_panic_in_the_start_hook_of_a_restart_is_supervised(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    habits *mine = habits_new(lab, &props);
    gr_pid pid = gr_pid_null();

    mine->panic_at = 2;
    assert_int_equal(gr_future_complete(mine->future, lab_word_new(1)), GR_OK);
    pid = lab_spawn_child_props(lab, lab_spawn(lab, "p"), &props, "c");
    lab_tell(lab, pid, -1);
    lab_tell(lab, pid, 2);
    lab_wait(lab, "word 2");
    assert_int_equal(mine->starts, 3);
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 2);
    assert_int_equal(lab_decision_at(lab, 1).error.code, GR_EIO);
    assert_string_equal(lab_decision_at(lab, 1).error.text, "start 2 panics");
    habits_fini(mine);
}

static void a_stop_hook_cannot_wait_and_is_told_so(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    habits *mine = habits_new(lab, &props);
    gr_pid pid = lab_spawn_props(lab, &props, "c");

    mine->stop_waits = true;
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "end stopped");
    lab_assert_notes(lab, "end", "end may wait: GR_ESTOPPED|end stopped");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    habits_fini(mine);
}

static void a_panic_in_a_stop_hook_does_not_stop_the_end(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    habits *mine = habits_new(lab, &props);
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = gr_pid_null();

    mine->stop_panics = true;
    pid = lab_spawn_props(lab, &props, "c");
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "w sees stopped");
    assert_int_equal(lab_count(lab, "end stopped"), 1);
    habits_fini(mine);
}

static void a_restart_stops_the_children_first(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");

    (void)lab_spawn_child(lab, parent, "c");
    lab_do(lab, parent, lab_act_fail, NULL);
    lab_wait_times(lab, "p started", 2);
    assert_true(lab_place(lab, "c stopped stopped") < lab_place(lab, "p stopped restarting"));
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
}

/* ---- failures while others of the same actor wait */

static gr_err act_wait(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)ctx;
    lab_note(lab, "a waits");
    err = gr_await(arg, GR_FOREVER, &reply);
    lab_note(lab, "a went on: %s", gr_err_name(err));
    reply = gr_msg_unref(reply);
    return GR_OK;
}

static gr_directive decide_resume(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_RESUME;
}

static void a_wait_outlives_the_failure_of_another_handler_that_is_resumed(void **state)
{
    struct lab *lab = *state;
    gr_props parent_props = lab_probe_props(lab, "p");
    gr_props props = lab_probe_props(lab, "a");
    gr_future *future = NULL;
    gr_pid pid = gr_pid_null();

    parent_props.supervision.decide = decide_resume;
    props.reentrant = true;
    pid = lab_spawn_child_props(lab, lab_spawn_props(lab, &parent_props, "p"), &props, "a");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, pid, act_wait, future);
    lab_wait(lab, "a waits");
    lab_do(lab, pid, lab_act_fail, NULL);
    lab_tell(lab, pid, 1);
    lab_wait(lab, "a 1");
    assert_int_equal(lab_count(lab, "a went on: GR_ERESTARTED"), 0);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "a went on: GR_OK");
    future = gr_future_unref(future);
}

static gr_directive decide_escalate(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_ESCALATE;
}

static void an_escalation_ends_the_wait_of_the_parent(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "p");
    gr_future *future = NULL;
    gr_pid parent = gr_pid_null();
    gr_pid child = gr_pid_null();

    props.supervision.decide = decide_escalate;
    parent = lab_spawn_props(lab, &props, "p");
    child = lab_spawn_child(lab, parent, "c");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, parent, act_wait, future);
    lab_wait(lab, "a waits");
    lab_do(lab, child, lab_act_fail, NULL);
    lab_wait_times(lab, "p started", 2);
    assert_int_equal(lab_count(lab, "a went on: GR_ERESTARTED"), 1);
    assert_int_equal(lab_count(lab, "c stopped stopped"), 1);
    future = gr_future_unref(future);
}

/* ---- what hooks cannot do */

static gr_err started_misuses(gr_context *ctx, void *state)
{
    const lab_probe *probe = state;

    lab_note(probe->lab, "respond: %s", gr_err_name(gr_respond(ctx, lab_word_new(1))));
    lab_note(probe->lab, "forward: %s", gr_err_name(gr_forward(ctx, gr_context_self(ctx))));
    lab_note(probe->lab, "sender: %s", gr_pid_is_null(gr_context_sender(ctx)) ? "null" : "?");
    return GR_OK;
}

static void a_hook_has_no_message_in_hand(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");

    props.started = started_misuses;
    (void)lab_spawn_props(lab, &props, "a");
    lab_assert_notes(lab, "", "respond: GR_EINVAL|forward: GR_EINVAL|sender: null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(the_start_hook_of_a_restart_may_wait_and_messages_wait_for_it),
        LAB_BOTH(a_stop_ends_the_wait_of_a_start_hook_during_a_restart),
        LAB_BOTH(a_parents_stop_ends_the_wait_of_its_childs_start_hook),
        LAB_BOTH(a_childs_start_hook_that_waits_holds_only_its_parent),
        LAB_BOTH(r10_a_panic_in_the_start_hook_of_a_restart_is_supervised),
        LAB_BOTH(a_restart_stops_the_children_first),
        LAB_BOTH(a_stop_hook_cannot_wait_and_is_told_so),
        LAB_BOTH(a_panic_in_a_stop_hook_does_not_stop_the_end),
        LAB_BOTH(a_wait_outlives_the_failure_of_another_handler_that_is_resumed),
        LAB_BOTH(an_escalation_ends_the_wait_of_the_parent),
        LAB_BOTH(a_hook_has_no_message_in_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
