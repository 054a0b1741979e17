/*
 * Whom a decision concerns: one child or all of them, three generations, guardians. Behaviours r08 and r11.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

enum { CHILDREN = 4 };

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

static gr_directive decide_nonsense(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return (gr_directive)17;
}

/* A parent "p" whose children "a", "b", "c" and "d" stand and fall together. */
typedef struct household {
    gr_pid parent;
    gr_pid children[CHILDREN];
} household;

static const char *const names[CHILDREN] = {"a", "b", "c", "d"};

static household household_new(struct lab *lab, gr_supervision supervision)
{
    gr_props props = lab_probe_props(lab, "p");
    household made;

    props.supervision = supervision;
    props.supervision.strategy = GR_ALL_FOR_ONE;
    made.parent = lab_spawn_props(lab, &props, "p");
    for (int i = 0; i < CHILDREN; i++) {
        made.children[i] = lab_spawn_child(lab, made.parent, names[i]);
    }
    return made;
}

static void flush_all(struct lab *lab, const household *home)
{
    for (int i = 0; i < CHILDREN; i++) {
        lab_flush(lab, home->children[i]);
    }
}

static size_t count_of_each(struct lab *lab, const char *what)
{
    size_t least = SIZE_MAX;
    size_t most = 0;

    for (int i = 0; i < CHILDREN; i++) {
        char note[64];
        size_t count = 0;

        (void)snprintf(note, sizeof(note), "%s %s", names[i], what);
        count = lab_count(lab, note);
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    return least == most ? most : SIZE_MAX;
}

static gr_err act_wait(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)ctx;
    lab_note(lab, "waits");
    err = gr_await(arg, GR_FOREVER, &reply);
    lab_note(lab, "went on: %s", gr_err_name(err));
    reply = gr_msg_unref(reply);
    return GR_OK;
}

/* ---- r08: all for one */

static void r08_all_for_one_restarts_all_children(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){0});

    lab_do(lab, home.children[1], lab_act_fail, NULL);
    for (int i = 0; i < CHILDREN; i++) {
        char note[32];

        (void)snprintf(note, sizeof(note), "%s started", names[i]);
        lab_wait_times(lab, note, 2);
    }
    flush_all(lab, &home);
    assert_int_equal(count_of_each(lab, "stopped restarting"), 1);
    lab_assert_notes(lab, "p", "p started");
    assert_int_equal(gr_system_counters(lab->sys).restarts, CHILDREN);
    assert_int_equal(gr_system_counters(lab->sys).failures, 1);
    assert_int_equal(lab_dead(lab), 0);
}

static void r08_all_for_one_keeps_all_mailboxes(void **state)
{
    struct lab *lab = *state;
    household home = household_new(
        lab, (gr_supervision){.backoff = {.min_ms = 100, .jitter_percent = GR_JITTER_NONE}});

    lab_do(lab, home.children[2], lab_act_fail, NULL);
    lab_run(lab);
    for (int i = 0; i < CHILDREN; i++) {
        lab_tell(lab, home.children[i], 1);
        lab_tell(lab, home.children[i], 2);
    }
    lab_advance(lab, 99); /* all of them wait, with what they had in their mailboxes */
    assert_int_equal(count_of_each(lab, "1"), 0);
    assert_int_equal(count_of_each(lab, "started"), 1);
    lab_advance(lab, 1);
    assert_int_equal(count_of_each(lab, "started"), 2);
    lab_assert_notes(lab, "a", "a started|a stopped restarting|a started|a 1|a 2");
    lab_assert_notes(lab, "c", "c started|c stopped restarting|c started|c 1|c 2");
    assert_int_equal(lab_dead(lab), 0);
}

static void r08_all_for_one_ends_the_waits_of_siblings(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){0});
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, home.children[0], act_wait, future);
    lab_wait(lab, "waits");
    lab_do(lab, home.children[1], lab_act_fail, NULL);
    lab_wait_times(lab, "a started", 2);
    assert_int_equal(lab_count(lab, "went on: GR_ERESTARTED"), 1);
    future = gr_future_unref(future);
}

static void r08_all_for_one_stops_all_children(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){.decide = decide_stop});

    lab_do(lab, home.children[3], lab_act_fail, NULL);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_int_equal(count_of_each(lab, "stopped failed"), 1);
    lab_flush(lab, home.parent);
}

static void r08_all_for_one_resumes_only_who_failed(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){.decide = decide_resume});

    lab_do(lab, home.children[0], lab_act_fail, NULL);
    flush_all(lab, &home);
    lab_flush(lab, home.parent);
    assert_int_equal(count_of_each(lab, "started"), 1);
    assert_int_equal(lab_decisions(lab), 1);
    assert_int_equal(lab_decision_at(lab, 0).directive, GR_RESUME);
}

static void r08_all_children_share_one_count_of_restarts(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){.restarts = 3});

    for (int i = 0; i < 3; i++) {
        lab_do(lab, home.children[i], lab_act_fail, NULL);
        lab_run(lab);
    }
    assert_int_equal(count_of_each(lab, "started"), 4);
    lab_do(lab, home.children[3], lab_act_fail, NULL);
    lab_run(lab);
    assert_int_equal(count_of_each(lab, "stopped failed"), 1);
    assert_int_equal(gr_system_counters(lab->sys).actors, 1);
}

static void r08_all_children_share_one_back_off(void **state)
{
    struct lab *lab = *state;
    gr_backoff backoff = {.min_ms = 100, .jitter_percent = GR_JITTER_NONE};
    household home = household_new(lab, (gr_supervision){.backoff = backoff});

    for (int i = 0; i < 3; i++) {
        lab_do(lab, home.children[i], lab_act_fail, NULL);
        lab_run(lab);
        lab_advance(lab, (INT64_C(100) << i) - 1);
        assert_int_equal(count_of_each(lab, "started"), (size_t)i + 1);
        lab_advance(lab, 1);
        assert_int_equal(count_of_each(lab, "started"), (size_t)i + 2);
    }
}

static gr_err act_stay_until_all_have_failed(gr_context *ctx, struct lab *lab, void *arg)
{
    int64_t give_up_ms = lab_real_ms() + LAB_WAIT_S * INT64_C(1000);

    (void)ctx;
    (void)arg;
    lab_note(lab, "stays");
    while (gr_system_counters(lab->sys).failures < CHILDREN) {
        lab_require(lab_real_ms() < give_up_ms);
    }
    return GR_OK;
}

/* Those that have failed before their parent hears of the first failure are restarted together, once. */
static void r08_children_that_fail_together_are_restarted_once(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){.restarts = 1});

    lab_do(lab, home.parent, act_stay_until_all_have_failed, NULL);
    lab_wait(lab, "stays");
    for (int i = 0; i < CHILDREN; i++) {
        lab_do(lab, home.children[i], lab_act_fail, NULL);
    }
    flush_all(lab, &home);
    assert_int_equal(count_of_each(lab, "started"), 2);
    assert_int_equal(count_of_each(lab, "stopped restarting"), 1);
    assert_int_equal(gr_system_counters(lab->sys).restarts, CHILDREN);
}

static gr_err act_wait_and_fail(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);

    lab_require(err == GR_OK);
    reply = gr_msg_unref(reply);
    return lab_act_fail(ctx, lab, NULL);
}

static void step_until_decided(struct lab *lab, size_t decisions)
{
    while (lab_decisions(lab) < decisions) {
        assert_true(gr_stepped_step(lab->stepped));
    }
}

/* One that goes on with its handler when all are to be restarted, and fails in it: it is restarted with the others. */
static void
r08_a_child_that_fails_before_it_has_heard_of_the_decision_is_covered_by_it(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){.restarts = 1});
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, home.children[1], act_wait_and_fail, future);
    lab_run(lab);
    lab_do(lab, home.children[0], lab_act_fail, NULL);
    step_until_decided(lab, CHILDREN);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    future = gr_future_unref(future);
    lab_run(lab);
    assert_int_equal(gr_system_counters(lab->sys).failures, 2);
    assert_int_equal(gr_system_counters(lab->sys).restarts, CHILDREN);
    assert_int_equal(count_of_each(lab, "started"), 2);
    assert_int_equal(lab_decisions(lab), CHILDREN + 1); /* its own failure has one, too */
    lab_do(lab, home.children[1], lab_act_fail,
           NULL); /* that was one restart, this is the second */
    lab_run(lab);
    assert_int_equal(count_of_each(lab, "stopped failed"), 1);
}

static gr_err act_fail_with(gr_context *ctx, struct lab *lab, void *arg)
{
    const int *number = arg;

    (void)ctx;
    (void)lab;
    return gr_fatal((gr_err)(GR_EAPP + *number), "number %d", *number);
}

static gr_directive resume_the_first(void *arg, gr_pid child, const gr_error *error)
{
    (void)child;
    return error->code == (gr_err)(GR_EAPP + *(const int *)arg) ? GR_RESUME : GR_RESTART;
}

/* Whatever comes first, and however much of it is heard at once. */
static void r08_a_child_that_is_resumed_is_restarted_with_its_siblings_all_the_same(void **state)
{
    struct lab *lab = *state;
    static int numbers[] = {1, 2};
    household home = household_new(lab, (gr_supervision){.decide = resume_the_first,
                                                         .decide_arg = &numbers[0],
                                                         .restarts = GR_RESTARTS_UNLIMITED});
    enum { ROUNDS = 100 };

    for (size_t round = 1; round <= ROUNDS; round++) {
        lab_do(lab, home.children[0], act_fail_with, &numbers[0]);
        while (lab->stepped != NULL && gr_system_counters(lab->sys).failures < 2 * round - 1) {
            assert_true(gr_stepped_step(lab->stepped));
        }
        lab_do(lab, home.children[1], act_fail_with, &numbers[1]);
        for (int i = 0; i < CHILDREN; i++) {
            char note[32];

            (void)snprintf(note, sizeof(note), "%s started", names[i]);
            lab_wait_times(lab, note, round + 1);
        }
        flush_all(lab, &home);
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).failures == 2 * round);
        lab_flush(lab, home.parent);
        flush_all(lab, &home);
        assert_int_equal(count_of_each(lab, "stopped restarting"), round);
    }
}

/* The same on threads, in all orders: every failure is decided, and everybody is there in the end. */
static void r08_a_storm_of_failures_in_a_group_leaves_all_alive(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){.restarts = GR_RESTARTS_UNLIMITED});
    size_t rounds = lab_scaled(300);
    size_t own = 0;

    for (size_t round = 0; round < rounds; round++) {
        lab_do(lab, home.children[round % CHILDREN], lab_act_fail, NULL);
        lab_do(lab, home.children[(round * 7 + 1) % CHILDREN], lab_act_fail, NULL);
    }
    flush_all(lab, &home);
    lab_flush(lab, home.parent);
    flush_all(lab, &home);
    assert_int_equal(gr_system_counters(lab->sys).failures, 2 * rounds);
    assert_int_equal(gr_system_counters(lab->sys).actors, CHILDREN + 1);
    assert_int_equal(lab_dead(lab), 0);
    for (size_t i = 0; i < lab_decisions(lab) && i < LAB_EVENTS_MAX; i++) {
        gr_supervision_event decision = lab_decision_at(lab, i);

        own += gr_pid_equal(decision.child, decision.failed) ? 1 : 0;
    }
    assert_int_equal(own, 2 * rounds);
}

static void r08_a_waiting_group_stops_with_its_parent(void **state)
{
    struct lab *lab = *state;
    household home =
        household_new(lab, (gr_supervision){.backoff = {.min_ms = INT64_C(3600) * 1000}});

    lab_do(lab, home.children[0], lab_act_fail, NULL);
    LAB_EVENTUALLY(lab, lab_decisions(lab) == CHILDREN);
    gr_send_stop(lab->sys, home.parent);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(count_of_each(lab, "stopped stopped"), 1);
}

static void r08_a_restarted_parents_new_children_have_a_count_of_their_own(void **state)
{
    struct lab *lab = *state;
    household home = household_new(lab, (gr_supervision){.restarts = 1});
    gr_pid child = gr_pid_null();

    lab_do(lab, home.children[0], lab_act_fail, NULL);
    lab_run(lab);
    lab_do(lab, home.parent, lab_act_fail, NULL);
    lab_run(lab);
    child = lab_spawn_child(lab, home.parent, "e");
    lab_do(lab, child, lab_act_fail, NULL);
    lab_run(lab);
    assert_int_equal(lab_count(lab, "e started"), 2);
}

/* ---- r08: three generations */

static gr_pid spawn_under(struct lab *lab, gr_pid parent, const char *name, gr_supervision given)
{
    gr_props props = lab_probe_props(lab, name);

    props.supervision = given;
    return gr_pid_is_null(parent) ? lab_spawn_props(lab, &props, name)
                                  : lab_spawn_child_props(lab, parent, &props, name);
}

static void r08_all_for_one_restarts_nephews_through_their_parents(void **state)
{
    struct lab *lab = *state;
    gr_pid grand =
        spawn_under(lab, gr_pid_null(), "g", (gr_supervision){.strategy = GR_ALL_FOR_ONE});
    gr_pid left = spawn_under(lab, grand, "left", (gr_supervision){0});
    gr_pid right = spawn_under(lab, grand, "right", (gr_supervision){0});

    (void)lab_spawn_child(lab, right, "nephew");
    lab_do(lab, left, lab_act_fail, NULL);
    lab_wait_times(lab, "right started", 2);
    lab_flush(lab, right);
    lab_assert_notes(lab, "nephew", "nephew started|nephew stopped stopped");
    assert_true(lab_place(lab, "nephew stopped stopped") <
                lab_place(lab, "right stopped restarting"));
}

static void r08_a_failure_goes_up_three_generations_to_the_system(void **state)
{
    struct lab *lab = *state;
    gr_supervision up = {.decide = decide_escalate, .strategy = GR_ALL_FOR_ONE};
    gr_pid grand = spawn_under(lab, gr_pid_null(), "g", up);
    gr_pid parent = spawn_under(lab, grand, "p", up);
    gr_pid child = spawn_under(lab, parent, "c", up);

    (void)spawn_under(lab, grand, "aunt", up);
    lab_do(lab, child, lab_act_fail, NULL);
    lab_wait_times(lab, "g started", 2);
    lab_flush(lab, grand);
    lab_assert_notes(lab, "c", "c started|c stopped stopped");
    lab_assert_notes(lab, "p", "p started|p stopped stopped");
    lab_assert_notes(lab, "aunt", "aunt started|aunt stopped stopped");
    assert_int_equal(lab_decisions(lab), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lab_decision_at(lab, i).directive, i < 2 ? GR_ESCALATE : GR_RESTART);
        assert_string_equal(lab_decision_at(lab, i).error.text, "told to fail");
    }
    assert_true(gr_pid_equal(lab_decision_at(lab, 0).child, child));
    assert_true(gr_pid_equal(lab_decision_at(lab, 1).child, parent));
    assert_true(gr_pid_equal(lab_decision_at(lab, 2).child, grand));
    assert_true(gr_pid_is_null(lab_decision_at(lab, 2).parent));
}

/* ---- r08: guardians */

static void r08_a_guardian_decides_about_actors_without_a_parent(void **state)
{
    struct lab *lab = *state;
    gr_supervision stops = {.decide = decide_stop};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid a = gr_pid_null();
    gr_pid b = gr_pid_null();
    gr_pid plain = lab_spawn(lab, "plain");

    props.guardian = &stops;
    a = lab_spawn_props(lab, &props, "a");
    props = lab_probe_props(lab, "b");
    props.guardian = &stops; /* shared */
    b = lab_spawn_props(lab, &props, "b");
    lab_do(lab, a, lab_act_fail, NULL);
    lab_do(lab, plain, lab_act_fail, NULL);
    lab_wait(lab, "a stopped failed");
    lab_wait_times(lab, "plain started", 2);
    lab_flush(lab, b);
    lab_assert_notes(lab, "b", "b started");
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 2);
    assert_true(gr_pid_is_null(lab_decision_at(lab, 0).parent));
}

static void r08_those_under_one_guardian_are_counted_apart(void **state)
{
    struct lab *lab = *state;
    gr_supervision once = {.restarts = 1};
    gr_pid pids[2];

    for (int i = 0; i < 2; i++) {
        gr_props props = lab_probe_props(lab, names[i]);

        props.guardian = &once;
        pids[i] = lab_spawn_props(lab, &props, names[i]);
        lab_do(lab, pids[i], lab_act_fail, NULL);
        lab_run(lab);
    }
    lab_assert_notes(lab, "b", "b started|b stopped restarting|b started");
    lab_do(lab, pids[0], lab_act_fail, NULL);
    lab_run(lab);
    assert_int_equal(lab_count(lab, "a stopped failed"), 1);
    lab_flush(lab, pids[1]);
}

static void r08_a_guardian_that_escalates_leaves_it_to_the_system(void **state)
{
    struct lab *lab = *state;
    gr_supervision up = {.decide = decide_escalate, .restarts = 1};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.guardian = &up;
    pid = lab_spawn_props(lab, &props, "a");
    for (int i = 0; i < GR_RESTARTS_DEFAULT; i++) { /* as many as the system allows */
        lab_do(lab, pid, lab_act_fail, NULL);
    }
    lab_wait_times(lab, "a started", 1 + GR_RESTARTS_DEFAULT);
    lab_flush(lab, pid);
    assert_int_equal(lab_decisions(lab), 2 * GR_RESTARTS_DEFAULT);
    assert_int_equal(lab_decision_at(lab, 0).directive, GR_ESCALATE);
    assert_int_equal(lab_decision_at(lab, 1).directive, GR_RESTART);
    lab_do(lab, pid, lab_act_fail, NULL);
    lab_wait(lab, "a stopped failed");
}

static void r08_a_child_has_its_parent_and_no_guardian(void **state)
{
    struct lab *lab = *state;
    gr_supervision stops = {.decide = decide_stop};
    gr_props props = lab_probe_props(lab, "c");

    props.guardian = &stops;
    lab_do(lab, lab_spawn_child_props(lab, lab_spawn(lab, "p"), &props, "c"), lab_act_fail, NULL);
    lab_wait_times(lab, "c started", 2);
}

static void r08_a_system_that_escalates_stops_the_actor(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.root = {.decide = decide_escalate}};

    lab_reopen(lab, &options);
    lab_do(lab, lab_spawn(lab, "a"), lab_act_fail, NULL);
    lab_wait(lab, "a stopped failed");
}

static void r08_an_answer_that_is_no_directive_stops(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.root = {.decide = decide_nonsense}};

    lab_reopen(lab, &options);
    lab_do(lab, lab_spawn(lab, "a"), lab_act_fail, NULL);
    lab_wait(lab, "a stopped failed");
    assert_int_equal(lab_decision_at(lab, 0).directive, GR_STOP);
}

/* Stops whoever fails with the number that it has been given, and escalates the rest. */
static gr_directive decide_by_arg(void *arg, gr_pid child, const gr_error *error)
{
    const int *number = arg;

    (void)child;
    return error->code == (gr_err)(GR_EAPP + *number) ? GR_STOP : GR_ESCALATE;
}

static void r08_a_decider_has_an_arg_of_its_own(void **state)
{
    struct lab *lab = *state;
    int numbers[] = {1, 2, 3};
    gr_system_options options = {.root = {.decide = decide_by_arg, .decide_arg = &numbers[0]}};
    gr_supervision guardian = {.decide = decide_by_arg, .decide_arg = &numbers[1]};
    static const size_t decisions[] = {3, 2, 1}; /* how far each failure goes */

    lab_reopen(lab, &options);
    for (int i = 0; i < 3; i++) {
        gr_props props = lab_probe_props(lab, "p");
        gr_pid child = gr_pid_null();
        size_t before = lab_decisions(lab);

        props.guardian = &guardian;
        props.supervision = (gr_supervision){.decide = decide_by_arg, .decide_arg = &numbers[2]};
        child = lab_spawn_child(lab, lab_spawn_props(lab, &props, NULL), "c");
        lab_do(lab, child, act_fail_with, &numbers[i]);
        LAB_EVENTUALLY(lab, lab_decisions(lab) == before + decisions[i]);
        assert_int_equal(lab_decision_at(lab, lab_decisions(lab) - 1).directive, GR_STOP);
    }
}

/* ---- r11 */

/* Takes its time, where time passes. */
static void log_slowly(void *arg, gr_log_level level, const char *id, const char *text)
{
    int64_t until_ms = lab_real_ms() + 3;

    (void)arg;
    (void)level;
    (void)id;
    (void)text;
    while (lab_real_ms() < until_ms) {
    }
}

static void r11_each_sibling_that_is_concerned_has_an_event(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.log = log_slowly, .log_level = GR_LOG_WARN};
    household home;
    bool seen[CHILDREN] = {false};

    lab_reopen(lab, &options);
    home = household_new(
        lab, (gr_supervision){.backoff = {.min_ms = 50, .jitter_percent = GR_JITTER_NONE}});
    lab_do(lab, home.children[1], lab_act_fail, NULL);
    LAB_EVENTUALLY(lab, lab_decisions(lab) == CHILDREN);
    for (size_t i = 0; i < CHILDREN; i++) {
        gr_supervision_event decision = lab_decision_at(lab, i);

        assert_true(gr_pid_equal(decision.failed, home.children[1]));
        assert_true(gr_pid_equal(decision.parent, home.parent));
        assert_int_equal(decision.strategy, GR_ALL_FOR_ONE);
        assert_int_equal(decision.directive, GR_RESTART);
        assert_int_equal(decision.delay_ms, 50); /* as decided, however late it is told */
        assert_string_equal(decision.error.text, "told to fail");
        for (int c = 0; c < CHILDREN; c++) {
            seen[c] = seen[c] || gr_pid_equal(decision.child, home.children[c]);
        }
    }
    assert_true(gr_pid_equal(lab_decision_at(lab, 0).child, home.children[1])); /* first */
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
}

static void r11_an_event_of_one_child_names_its_strategy(void **state)
{
    struct lab *lab = *state;
    gr_pid child = lab_spawn_child(lab, lab_spawn(lab, "p"), "c");

    lab_do(lab, child, lab_act_fail, NULL);
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 1);
    assert_int_equal(lab_decision_at(lab, 0).strategy, GR_ONE_FOR_ONE);
    assert_true(gr_pid_equal(lab_decision_at(lab, 0).failed, child));
    assert_int_equal(lab_decision_at(lab, 0).delay_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r08_all_for_one_restarts_all_children),
        LAB_STEPPED(r08_all_for_one_keeps_all_mailboxes),
        LAB_BOTH(r08_all_for_one_ends_the_waits_of_siblings),
        LAB_BOTH(r08_all_for_one_stops_all_children),
        LAB_BOTH(r08_all_for_one_resumes_only_who_failed),
        LAB_STEPPED(r08_all_children_share_one_count_of_restarts),
        LAB_STEPPED(r08_all_children_share_one_back_off),
        LAB_THREADS(r08_children_that_fail_together_are_restarted_once),
        LAB_STEPPED(r08_a_child_that_fails_before_it_has_heard_of_the_decision_is_covered_by_it),
        LAB_BOTH(r08_a_child_that_is_resumed_is_restarted_with_its_siblings_all_the_same),
        LAB_BOTH(r08_a_storm_of_failures_in_a_group_leaves_all_alive),
        LAB_BOTH(r08_a_waiting_group_stops_with_its_parent),
        LAB_STEPPED(r08_a_restarted_parents_new_children_have_a_count_of_their_own),
        LAB_BOTH(r08_all_for_one_restarts_nephews_through_their_parents),
        LAB_BOTH(r08_a_failure_goes_up_three_generations_to_the_system),
        LAB_BOTH(r08_a_guardian_decides_about_actors_without_a_parent),
        LAB_STEPPED(r08_those_under_one_guardian_are_counted_apart),
        LAB_BOTH(r08_a_guardian_that_escalates_leaves_it_to_the_system),
        LAB_BOTH(r08_a_child_has_its_parent_and_no_guardian),
        LAB_BOTH(r08_a_system_that_escalates_stops_the_actor),
        LAB_BOTH(r08_an_answer_that_is_no_directive_stops),
        LAB_BOTH(r08_a_decider_has_an_arg_of_its_own),
        LAB_BOTH(r11_each_sibling_that_is_concerned_has_an_event),
        LAB_BOTH(r11_an_event_of_one_child_names_its_strategy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
