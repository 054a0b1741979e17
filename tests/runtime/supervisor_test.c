/*
 * Supervision: what failures do to actors, their mailboxes, their children and their watchers.
 * Behaviours r05 to r08, r10 and r11. Windows of time are virtual: those tests run stepped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

/* A child that counts its own starts, in its state and in what the test owns. */
typedef struct patient {
    struct lab *lab;
    int starts;    /* all of them */
    int sick_from; /* starts from this number ... */
    int sick_to;   /* ... up to this one fail; 0: none */
} patient;

typedef struct memory {
    int64_t handled;
} memory;

static gr_err patient_started(gr_context *ctx, void *state)
{
    patient *who = gr_context_arg(ctx);

    lab_require(((memory *)state)->handled == 0); /* every start has a new state */
    who->starts++;
    lab_note(who->lab, "start %d", who->starts);
    if (who->starts >= who->sick_from && who->starts <= who->sick_to) {
        return gr_fail(GR_EIO, "start %d fails", who->starts);
    }
    return GR_OK;
}

static gr_err patient_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    patient *who = gr_context_arg(ctx);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    memory *mine = state;

    mine->handled++;
    lab_note(who->lab, "word %lld handled %lld", (long long)word->number, (long long)mine->handled);
    if (word->number < 0) {
        return gr_fatal(GR_EFAILED, "word %lld hurts", (long long)word->number);
    }
    return GR_OK;
}

static void patient_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    patient *who = gr_context_arg(ctx);

    (void)state;
    lab_note(who->lab, "end %s", lab_reason(reason));
}

static patient *patient_new(struct lab *lab, gr_props *out_props)
{
    patient *who = lab_own(lab, sizeof(*who));

    who->lab = lab;
    *out_props = (gr_props){.type_name = "patient",
                            .started = patient_started,
                            .receive = patient_receive,
                            .stopped = patient_stopped,
                            .state_bytes = sizeof(memory),
                            .arg = who};
    return who;
}

static gr_pid parent_with(struct lab *lab, const char *name, gr_supervision supervision)
{
    gr_props props = lab_probe_props(lab, name);

    props.supervision = supervision;
    return lab_spawn_props(lab, &props, name);
}

static gr_directive decide_resume(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_RESUME;
}

static gr_directive decide_stop(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_STOP;
}

static gr_directive decide_escalate(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_ESCALATE;
}

static gr_directive decide_by_error(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    lab_require(error->code == GR_EFAILED);
    return strstr(error->text, "-2") != NULL ? GR_STOP : GR_RESUME;
}

/* ---- who it was */

static gr_err quick_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return gr_fatal(GR_EFAILED, "no");
}

static void describe_owned(const void *arg, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "%s", (const char *)arg);
}

static void keep_line(void *arg, gr_log_level level, const char *id, const char *text)
{
    (void)level;
    if (strcmp(id, "GR-ACTOR-FAILED") == 0) {
        lab_note(arg, "%s", strchr(text, '('));
    }
}

/* It may have been stopped, and its arg freed, before its parent looks at its failure. */
static void r08_who_failed_is_known_when_it_has_gone_meanwhile(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.log = keep_line, .log_arg = lab, .log_level = GR_LOG_WARN};
    enum { TIMES = 20 };
    gr_pid parent = gr_pid_null();

    lab_reopen(lab, &options);
    parent = lab_spawn(lab, "p");
    for (size_t i = 0; i < TIMES; i++) {
        gr_props props = {.type_name = "guest",
                          .receive = quick_receive,
                          .describe = describe_owned,
                          .arg = strdup("who it was"),
                          .arg_free = free};
        gr_pid child = lab_spawn_child_props(lab, parent, &props, "c");

        lab_tell(lab, child, 1);
        while (lab->stepped != NULL && gr_system_counters(lab->sys).failures == i) {
            assert_true(gr_stepped_step(lab->stepped)); /* and no further */
        }
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).failures == i + 1);
        gr_send_stop(lab->sys, child);
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
        lab_flush(lab, parent);
        assert_int_equal(lab_decisions(lab), i + 1);
        assert_true(gr_pid_equal(lab_decision_at(lab, i).child, child));
    }
    assert_int_equal(lab_count(lab, "(guest who it was) failed: GR_EFAILED: no; decision: restart"),
                     TIMES);
}

/* ---- r05 */

static void r05_a_failing_message_is_dropped_and_the_next_is_handled_by_a_new_state(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_props props;
    gr_pid child = gr_pid_null();

    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    lab_tell(lab, child, 1);
    lab_tell(lab, child, -1);
    lab_tell(lab, child, 2);
    lab_tell(lab, child, 3);
    lab_wait(lab, "word 3 handled 2");
    lab_assert_notes(lab, "word",
                     "word 1 handled 1|word -1 handled 2|word 2 handled 1|word 3 handled 2");
    assert_true(lab_place(lab, "word -1 handled 2") < lab_place(lab, "end restarting"));
    assert_true(lab_place(lab, "end restarting") < lab_place(lab, "start 2"));
    assert_true(lab_place(lab, "start 2") < lab_place(lab, "word 2 handled 1"));
    assert_int_equal(gr_system_counters(lab->sys).restarts, 1);
    assert_int_equal(gr_system_counters(lab->sys).failures, 1);
    assert_int_equal(lab_dead(lab), 0);
}

typedef struct gate {
    gr_future *future;
} gate;

static gr_err act_wait_at_gate(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;

    (void)ctx;
    lab_note(lab, "at the gate");
    if (gr_await(((gate *)arg)->future, GR_FOREVER, &reply) == GR_OK) {
        reply = gr_msg_unref(reply);
    }
    return GR_OK;
}

static void r05_the_mailbox_pauses_until_the_parent_has_decided(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gate closed = {NULL};
    gr_props props;
    gr_pid child = gr_pid_null();

    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &closed.future), GR_OK);
    lab_do(lab, parent, act_wait_at_gate, &closed); /* a parent in a turn decides nothing ... */
    lab_wait(lab, "at the gate");
    lab_tell(lab, child, -1);
    lab_tell(lab, child, 2);
    lab_wait(lab, "word -1 handled 1");
    lab_run(lab);
    if (lab->stepped != NULL && lab_count(lab, "start 2") == 0) {
        assert_int_equal(lab_count(lab, "word 2 handled 1"), 0);
    }
    assert_int_equal(gr_send(lab->sys, gr_future_pid(closed.future), lab_word_new(1)), GR_OK);
    lab_wait(
        lab,
        "word 2 handled 1"); /* ... or it does; the message waits for the new state either way */
    assert_true(lab_place(lab, "start 2") < lab_place(lab, "word 2 handled 1"));
    lab_flush(lab, parent); /* it has done with the future */
    closed.future = gr_future_unref(closed.future);
}

static void r05_who_asked_is_answered_when_the_handler_fails(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)patient_new(lab, &props);
    err = gr_request(lab->sys, lab_spawn_props(lab, &props, NULL), lab_word_new(-1), GR_FOREVER,
                     &reply);
    assert_int_equal(err, GR_EFAILED);
    assert_non_null(strstr(gr_last_error()->text, "word -1 hurts"));
}

/* ---- r06 and r07 */

static void hurt(struct lab *lab, gr_pid child, int times)
{
    for (int i = 0; i < times; i++) {
        (void)gr_send(lab->sys, child, lab_word_new(-1));
        lab_run(lab);
    }
}

static void r06_exactly_ten_restarts_in_ten_seconds_succeed(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    patient *who = patient_new(lab, &props);
    gr_pid child = lab_spawn_child_props(lab, lab_spawn(lab, "p"), &props, "c");

    hurt(lab, child, 10);
    lab_advance(lab, 9000);
    assert_int_equal(who->starts, 11);
    lab_tell(lab, child, 1);
    lab_wait(lab, "word 1 handled 1");
    assert_int_equal(lab_count(lab, "end restarting"), 10);
}

static void r07_the_eleventh_failure_in_ten_seconds_stops_the_actor(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_pid watcher = lab_spawn(lab, "w");
    gr_props props;
    patient *who = patient_new(lab, &props);
    gr_pid child = lab_spawn_child_props(lab, parent, &props, "c");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &child), GR_OK);
    hurt(lab, child, 11);
    lab_wait(lab, "w sees failed");
    assert_int_equal(who->starts, 11);
    assert_int_equal(lab_count(lab, "end failed"), 1);
    assert_int_equal(gr_send(lab->sys, child, lab_word_new(1)), GR_EDEAD);
    assert_int_equal(lab_decisions(lab), 11);
    assert_int_equal(lab_decision_at(lab, 9).directive, GR_RESTART);
    assert_int_equal(lab_decision_at(lab, 10).directive, GR_STOP);
    lab_flush(lab, parent); /* the parent lives on */
}

static void r07_a_burst_on_threads_ends_the_same_way(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_props props;
    patient *who = patient_new(lab, &props);
    gr_pid child = lab_spawn_child_props(lab, lab_spawn(lab, "p"), &props, "c");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &child), GR_OK);
    for (int i = 0; i < 20; i++) {
        (void)gr_send(lab->sys, child, lab_word_new(-1));
    }
    lab_wait(lab, "w sees failed");
    assert_int_equal(who->starts, 11);
    LAB_EVENTUALLY(lab, lab_dead(lab) == 9);
}

static void r06_failures_outside_the_window_do_not_count(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    patient *who = patient_new(lab, &props);
    gr_pid child = lab_spawn_child_props(lab, lab_spawn(lab, "p"), &props, "c");

    hurt(lab, child, 10);
    lab_advance(lab, 10001);
    hurt(lab, child, 10);
    assert_int_equal(who->starts, 21);
    hurt(lab, child, 1);
    assert_int_equal(lab_count(lab, "end failed"), 1);
}

static void r06_the_window_slides(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = parent_with(lab, "p", (gr_supervision){.restarts = 2, .window_ms = 1000});
    gr_props props;
    patient *who = patient_new(lab, &props);
    gr_pid child = lab_spawn_child_props(lab, parent, &props, "c");

    for (int i = 0; i < 10; i++) { /* two within any second, never three */
        hurt(lab, child, 1);
        lab_advance(lab, 501);
    }
    assert_int_equal(who->starts, 11);
    hurt(lab, child, 1);
    assert_int_equal(who->starts, 12);
    hurt(lab, child, 1);
    assert_int_equal(lab_count(lab, "end failed"), 1);
}

static void r06_a_limit_of_none_never_restarts(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = parent_with(lab, "p", (gr_supervision){.restarts = GR_RESTARTS_NEVER});
    gr_props props;
    patient *who = patient_new(lab, &props);
    gr_pid child = lab_spawn_child_props(lab, parent, &props, "c");

    (void)gr_send(lab->sys, child, lab_word_new(-1));
    lab_wait(lab, "end failed");
    assert_int_equal(who->starts, 1);
    assert_int_equal(gr_system_counters(lab->sys).restarts, 0);
}

static void r06_each_child_has_its_own_count(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = parent_with(lab, "p", (gr_supervision){.restarts = 2});
    gr_props first_props;
    gr_props second_props;
    patient *first = patient_new(lab, &first_props);
    patient *second = patient_new(lab, &second_props);
    gr_pid a = lab_spawn_child_props(lab, parent, &first_props, "a");
    gr_pid b = lab_spawn_child_props(lab, parent, &second_props, "b");

    hurt(lab, a, 2);
    hurt(lab, b, 2);
    assert_int_equal(first->starts, 3);
    assert_int_equal(second->starts, 3);
    assert_int_equal(lab_count(lab, "end failed"), 0);
}

/* ---- r08 */

static void r08_one_for_one_touches_one_child(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_props props;
    gr_pid sister = lab_spawn_child(lab, parent, "sister");

    (void)patient_new(lab, &props);
    lab_tell(lab, lab_spawn_child_props(lab, parent, &props, "c"), -1);
    lab_wait(lab, "start 2");
    lab_flush(lab, sister);
    lab_flush(lab, parent);
    lab_assert_notes(lab, "sister", "sister started");
    lab_assert_notes(lab, "p ", "p started");
}

static void r08_resume_keeps_the_state(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = parent_with(lab, "p", (gr_supervision){.decide = decide_resume});
    gr_props props;
    gr_pid child = gr_pid_null();

    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    lab_tell(lab, child, 1);
    lab_tell(lab, child, -1);
    lab_tell(lab, child, 2);
    lab_wait(lab, "word 2 handled 3");
    lab_assert_notes(lab, "start", "start 1");
    lab_assert_notes(lab, "end", "");
    assert_int_equal(lab_decision_at(lab, 0).directive, GR_RESUME);
}

static void r08_resuming_has_no_limit(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = parent_with(lab, "p", (gr_supervision){.decide = decide_resume, .restarts = 2});
    gr_props props;
    gr_pid child = gr_pid_null();

    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    hurt(lab, child, 50);
    lab_tell(lab, child, 1);
    lab_wait(lab, "word 1 handled 51");
}

static void r08_stop_ends_the_child_and_its_mailbox_becomes_dead_letters(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = parent_with(lab, "p", (gr_supervision){.decide = decide_stop});
    gr_props props;
    gr_pid child = gr_pid_null();

    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    lab_tell(lab, child, -1);
    (void)gr_send(lab->sys, child, lab_word_new(2));
    (void)gr_send(lab->sys, child, lab_word_new(3));
    lab_wait(lab, "end failed");
    LAB_EVENTUALLY(lab, lab_dead(lab) == 2); /* the message that failed is none of them */
    assert_int_equal(lab_count(lab, "word 2 handled 2"), 0);
}

static void r08_the_decision_sees_the_error(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = parent_with(lab, "p", (gr_supervision){.decide = decide_by_error});
    gr_props props;
    gr_pid child = gr_pid_null();

    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    lab_tell(lab, child, -1);
    lab_tell(lab, child, -2);
    lab_wait(lab, "end failed");
    lab_assert_notes(lab, "word", "word -1 handled 1|word -2 handled 2");
}

static void r08_escalate_fails_the_parent_with_the_same_error(void **state)
{
    struct lab *lab = *state;
    gr_pid grand = parent_with(lab, "g", (gr_supervision){.decide = decide_stop});
    gr_pid watcher = lab_spawn(lab, "w");
    gr_props parent_props = lab_probe_props(lab, "p");
    gr_pid parent = gr_pid_null();
    gr_props props;
    gr_pid child = gr_pid_null();

    parent_props.supervision.decide = decide_escalate;
    parent = lab_spawn_child_props(lab, grand, &parent_props, "p");
    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &parent), GR_OK);
    lab_tell(lab, child, -1);
    lab_wait(lab, "w sees failed");
    assert_true(lab_place(lab, "start 1") < lab_place(lab, "p stopped failed"));
    assert_int_equal(lab_count(lab, "p stopped failed"), 1);
    lab_flush(lab, grand);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 2);
    assert_int_equal(lab_decisions(lab), 2);
    assert_int_equal(lab_decision_at(lab, 0).directive, GR_ESCALATE);
    assert_true(gr_pid_equal(lab_decision_at(lab, 0).child, child));
    assert_true(gr_pid_equal(lab_decision_at(lab, 0).parent, parent));
    assert_int_equal(lab_decision_at(lab, 1).directive, GR_STOP);
    assert_true(gr_pid_equal(lab_decision_at(lab, 1).child, parent));
    assert_true(gr_pid_equal(lab_decision_at(lab, 1).parent, grand));
    assert_int_equal(lab_decision_at(lab, 1).error.code, GR_EFAILED);
    assert_non_null(strstr(lab_decision_at(lab, 1).error.text, "word -1 hurts"));
}

static void r08_without_a_grandparent_the_root_strategy_decides(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.root = {.decide = decide_stop}};
    gr_props props;
    gr_pid parent = gr_pid_null();

    lab_reopen(lab, &options);
    parent = parent_with(lab, "p", (gr_supervision){.decide = decide_escalate});
    (void)patient_new(lab, &props);
    lab_tell(lab, lab_spawn_child_props(lab, parent, &props, "c"), -1);
    lab_wait(lab, "p stopped failed");
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 2);
    assert_true(gr_pid_equal(lab_decision_at(lab, 1).child, parent));
    assert_true(gr_pid_is_null(lab_decision_at(lab, 1).parent)); /* the system itself */
}

static void r08_an_escalation_restarts_the_parent_by_default(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = parent_with(lab, "p", (gr_supervision){.decide = decide_escalate});
    gr_props props;

    (void)patient_new(lab, &props);
    lab_tell(lab, lab_spawn_child_props(lab, parent, &props, "c"), -1);
    lab_wait_times(lab, "p started", 2);
    lab_flush(lab, parent);
    assert_int_equal(lab_count(lab, "p stopped restarting"), 1);
}

/* ---- r10 and r11 */

static void r10_a_failing_start_during_a_restart_is_supervised_too(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    patient *who = patient_new(lab, &props);
    gr_pid child = gr_pid_null();

    who->sick_from = 2;
    who->sick_to = 4;
    child = lab_spawn_child_props(lab, lab_spawn(lab, "p"), &props, "c");
    lab_tell(lab, child, -1);
    lab_tell(lab, child, 5);
    lab_wait(lab, "word 5 handled 1");
    assert_int_equal(who->starts, 5);
    assert_int_equal(gr_system_counters(lab->sys).failures, 4);
}

static void r10_a_start_that_never_succeeds_again_stops_the_actor(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_props props;
    patient *who = patient_new(lab, &props);
    gr_pid child = gr_pid_null();

    who->sick_from = 2;
    who->sick_to = 1000;
    child = lab_spawn_child_props(lab, lab_spawn(lab, "p"), &props, "c");
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &child), GR_OK);
    lab_tell(lab, child, -1);
    lab_wait(lab, "w sees failed");
    assert_int_equal(who->starts, 11);
}

static void r11_every_decision_is_an_event(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_props props;
    gr_pid child = gr_pid_null();

    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    for (int64_t i = 1; i <= 3; i++) {
        lab_tell(lab, child, -i);
    }
    lab_wait(lab, "start 4");
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 3);
    for (size_t i = 0; i < 3; i++) {
        gr_supervision_event decision = lab_decision_at(lab, i);
        char text[64];

        (void)snprintf(text, sizeof(text), "word -%zu hurts", i + 1);
        assert_true(gr_pid_equal(decision.child, child));
        assert_true(gr_pid_equal(decision.parent, parent));
        assert_int_equal(decision.directive, GR_RESTART);
        assert_int_equal(decision.error.code, GR_EFAILED);
        assert_string_equal(decision.error.text, text);
        assert_non_null(decision.error.file);
    }
}

static void r11_the_systems_own_decisions_have_no_parent(void **state)
{
    struct lab *lab = *state;
    gr_props props;

    (void)patient_new(lab, &props);
    lab_tell(lab, lab_spawn_props(lab, &props, "c"), -1);
    lab_wait(lab, "start 2");
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 1);
    assert_true(gr_pid_is_null(lab_decision_at(lab, 0).parent));
}

static void a_stopped_parents_failing_child_just_ends(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_props props;
    gr_pid child = gr_pid_null();

    (void)patient_new(lab, &props);
    child = lab_spawn_child_props(lab, parent, &props, "c");
    lab_tell(lab, child, -1);
    gr_send_stop(lab->sys, parent);
    lab_wait(lab, "p stopped stopped");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r08_who_failed_is_known_when_it_has_gone_meanwhile),
        LAB_BOTH(r05_a_failing_message_is_dropped_and_the_next_is_handled_by_a_new_state),
        LAB_BOTH(r05_the_mailbox_pauses_until_the_parent_has_decided),
        LAB_BOTH(r05_who_asked_is_answered_when_the_handler_fails),
        LAB_STEPPED(r06_exactly_ten_restarts_in_ten_seconds_succeed),
        LAB_STEPPED(r06_failures_outside_the_window_do_not_count),
        LAB_STEPPED(r06_the_window_slides),
        LAB_BOTH(r06_a_limit_of_none_never_restarts),
        LAB_STEPPED(r06_each_child_has_its_own_count),
        LAB_STEPPED(r07_the_eleventh_failure_in_ten_seconds_stops_the_actor),
        LAB_THREADS(r07_a_burst_on_threads_ends_the_same_way),
        LAB_BOTH(r08_one_for_one_touches_one_child),
        LAB_BOTH(r08_resume_keeps_the_state),
        LAB_BOTH(r08_resuming_has_no_limit),
        LAB_BOTH(r08_stop_ends_the_child_and_its_mailbox_becomes_dead_letters),
        LAB_BOTH(r08_the_decision_sees_the_error),
        LAB_BOTH(r08_escalate_fails_the_parent_with_the_same_error),
        LAB_BOTH(r08_without_a_grandparent_the_root_strategy_decides),
        LAB_BOTH(r08_an_escalation_restarts_the_parent_by_default),
        LAB_BOTH(r10_a_failing_start_during_a_restart_is_supervised_too),
        LAB_BOTH(r10_a_start_that_never_succeeds_again_stops_the_actor),
        LAB_BOTH(r11_every_decision_is_an_event),
        LAB_BOTH(r11_the_systems_own_decisions_have_no_parent),
        LAB_BOTH(a_stopped_parents_failing_child_just_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
