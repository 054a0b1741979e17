/*
 * Watching: who is told of an actor's end, how often and why. Behaviour r12.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

static void r12_a_watcher_is_told_once_when_the_actor_ends(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_poison(lab->sys, pid);
    lab_wait(lab, "w sees stopped");
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started|w sees stopped");
    assert_true(lab_place(lab, "a stopped stopped") < lab_place(lab, "w sees stopped"));
}

static gr_err act_note_terminated(gr_context *ctx, void *state, const gr_msg *msg)
{
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);
    const lab_act *act = gr_msg_read(msg, &lab_act_type);
    const lab_probe *probe = state;
    char text[GR_PID_TEXT_BYTES];

    if (act != NULL) {
        (void)act->fn(ctx, probe->lab, act->arg);
        return gr_respond(ctx, lab_word_new(0));
    }
    lab_require(ended != NULL);
    lab_note(probe->lab, "end of %s", gr_pid_format(ended->pid, text));
    return GR_OK;
}

static void r12_the_message_names_the_pid(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");
    gr_pid watcher = gr_pid_null();
    char text[GR_PID_TEXT_BYTES];
    char want[80];

    props.receive = act_note_terminated;
    watcher = lab_spawn_props(lab, &props, "w");
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_stop(lab->sys, pid);
    (void)snprintf(want, sizeof(want), "end of %s", gr_pid_format(pid, text));
    lab_wait(lab, want);
}

static void r12_watching_a_dead_pid_tells_at_once(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");
    gr_pid never = {gr_system_node(lab->sys), 99999, 3};

    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    lab_wait_times(lab, "w sees never-existed", 1);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &never), GR_OK);
    lab_wait_times(lab, "w sees never-existed", 2);
    lab_flush(lab, watcher);
    assert_int_equal(lab_count(lab, "w sees never-existed"), 2);
}

static void r12_watching_nobody_is_an_error(void **state)
{
    struct lab *lab = *state;
    gr_pid nobody = gr_pid_null();
    gr_pid foreign = {gr_system_node(lab->sys) + 1, 20, 1};
    gr_pid watcher = lab_spawn(lab, "w");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &nobody), GR_EINVAL);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &foreign), GR_EUNREACHABLE);
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started");
}

static void r12_unwatch_stops_it(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid other = lab_spawn(lab, "o");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, other, lab_act_watch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_unwatch, &pid), GR_OK);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "o sees stopped");
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started");
}

static gr_err act_watch_dead_then_unwatch(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    lab_require(gr_watch(ctx, *(gr_pid *)arg) == GR_OK);
    gr_unwatch(ctx, *(gr_pid *)arg);
    return GR_OK;
}

static void r12_unwatch_holds_even_when_the_end_is_in_the_mailbox_already(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_int_equal(lab_make(lab, watcher, act_watch_dead_then_unwatch, &pid), GR_OK);
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started");
}

static void r12_a_watch_taken_back_can_be_set_again(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_unwatch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_unwatch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "w sees stopped");
    lab_flush(lab, watcher);
    assert_int_equal(lab_count(lab, "w sees stopped"), 1);
}

enum { MANY = 300 };

static void r12_one_watcher_of_many(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pids[MANY];

    for (size_t i = 0; i < MANY; i++) {
        pids[i] = lab_spawn_props(lab, &props, NULL);
        assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pids[i]), GR_OK);
    }
    for (size_t i = 0; i < MANY; i++) {
        gr_send_stop(lab->sys, pids[i]);
    }
    lab_wait_times(lab, "w sees stopped", MANY);
    lab_flush(lab, watcher);
    assert_int_equal(lab_count(lab, "w sees stopped"), MANY);
}

static void r12_many_watchers_of_one(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(lab_make(lab, lab_spawn_props(lab, &props, NULL), lab_act_watch, &pid),
                         GR_OK);
    }
    gr_send_stop(lab->sys, pid);
    lab_wait_times(lab, "w sees stopped", MANY);
}

static void r12_a_watcher_that_ends_first_harms_nobody(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_stop(lab->sys, watcher);
    lab_wait(lab, "w stopped stopped");
    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

static void r12_two_that_watch_each_other_both_end(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_pid b = lab_spawn(lab, "b");

    assert_int_equal(lab_make(lab, a, lab_act_watch, &b), GR_OK);
    assert_int_equal(lab_make(lab, b, lab_act_watch, &a), GR_OK);
    assert_int_equal(lab_make(lab, a, lab_act_watch, &a), GR_OK); /* itself, too */
    gr_send_stop(lab->sys, a);
    gr_send_stop(lab->sys, b);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

static void r12_a_restart_is_no_end(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    lab_do(lab, pid, lab_act_fail, NULL);
    lab_wait_times(lab, "a started", 2);
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started");
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "w sees stopped"); /* and the watch has outlived it */
}

static void r12_watches_of_a_restarted_watcher_hold(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    lab_do(lab, watcher, lab_act_fail, NULL);
    lab_wait_times(lab, "w started", 2);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "w sees stopped");
}

static void the_end_of_a_foreign_actor_reaches_its_watcher_as_a_signal(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");
    gr_signal ended = {GR_SIGNAL_TERMINATED, watcher, pid, GR_REASON_NODE_LOST};

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    assert_int_equal(gr_signal_send(lab->sys, &ended), GR_OK);
    lab_wait(lab, "w sees node-lost");
    assert_int_equal(gr_signal_send(lab->sys, &ended), GR_OK);
    lab_flush(lab, watcher);
    assert_int_equal(lab_count(lab, "w sees node-lost"), 1); /* once for each watch */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r12_a_watcher_is_told_once_when_the_actor_ends),
        LAB_BOTH(r12_the_message_names_the_pid),
        LAB_BOTH(r12_watching_a_dead_pid_tells_at_once),
        LAB_BOTH(r12_watching_nobody_is_an_error),
        LAB_BOTH(r12_unwatch_stops_it),
        LAB_BOTH(r12_unwatch_holds_even_when_the_end_is_in_the_mailbox_already),
        LAB_BOTH(r12_a_watch_taken_back_can_be_set_again),
        LAB_BOTH(r12_one_watcher_of_many),
        LAB_BOTH(r12_many_watchers_of_one),
        LAB_BOTH(r12_a_watcher_that_ends_first_harms_nobody),
        LAB_BOTH(r12_two_that_watch_each_other_both_end),
        LAB_BOTH(r12_a_restart_is_no_end),
        LAB_BOTH(r12_watches_of_a_restarted_watcher_hold),
        LAB_BOTH(the_end_of_a_foreign_actor_reaches_its_watcher_as_a_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
