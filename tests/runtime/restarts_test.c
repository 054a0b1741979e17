/*
 * How soon an actor is restarted: back-off, its growth, its bounds, and what ends it; and what a supervision must not ask for.
 * Behaviours r06, r09 and r10. Stepped but for one: delays are virtual.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

enum { TRIES = 200 };

static const gr_backoff exact = {
    .min_ms = 100, .max_ms = 1000, .factor = 2, .jitter_percent = GR_JITTER_NONE};

/* An actor under a guardian with this back-off, and no limit of restarts. */
static gr_pid spawn_guarded(struct lab *lab, const gr_backoff *backoff, const char *name)
{
    gr_supervision *guardian = lab_own(lab, sizeof(*guardian));
    gr_props props = lab_probe_props(lab, name);

    *guardian = (gr_supervision){.restarts = GR_RESTARTS_UNLIMITED, .backoff = *backoff};
    props.guardian = guardian;
    return lab_spawn_props(lab, &props, name);
}

/* Fails it, and lets it come back at the very moment that was announced; how long that took. */
static int64_t fail_and_return(struct lab *lab, gr_pid pid, const char *started)
{
    size_t before = lab_count(lab, started);
    int64_t delay_ms = 0;

    lab_do(lab, pid, lab_act_fail, NULL);
    lab_run(lab);
    delay_ms = lab_decision_at(lab, lab_decisions(lab) - 1).delay_ms;
    if (delay_ms > 0) {
        lab_advance(lab, delay_ms - 1);
        assert_int_equal(lab_count(lab, started), before);
        lab_advance(lab, 1);
    }
    assert_int_equal(lab_count(lab, started), before + 1);
    return delay_ms;
}

/* ---- r09 */

static void r09_delays_grow_by_their_factor_up_to_their_cap(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_guarded(lab, &exact, "a");
    static const int64_t want_ms[] = {100, 200, 400, 800, 1000, 1000, 1000};

    for (size_t i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++) {
        assert_int_equal(fail_and_return(lab, pid, "a started"), want_ms[i]);
    }
}

static void r09_a_small_factor_grows_too(void **state)
{
    struct lab *lab = *state;
    gr_backoff slow = {.min_ms = 1, .max_ms = 50, .factor = 1.25, .jitter_percent = GR_JITTER_NONE};
    gr_pid pid = spawn_guarded(lab, &slow, "a");
    int64_t last_ms = 0;

    for (int i = 0; i < 25; i++) {
        int64_t delay_ms = fail_and_return(lab, pid, "a started");

        assert_true(delay_ms >= last_ms);
        last_ms = delay_ms;
    }
    assert_int_equal(last_ms, 50);
}

static void r09_jitter_stays_between_the_delay_and_its_share_more_and_below_the_cap(void **state)
{
    struct lab *lab = *state;
    gr_backoff spread = {.min_ms = 100, .max_ms = 1000, .factor = 3, .jitter_percent = 50};
    static const int64_t low_ms[] = {100, 300, 550, 500};
    static const int64_t high_ms[] = {150, 450, 1000, 1000};
    int64_t least_ms[4] = {5000, 5000, 5000, 5000};
    int64_t most_ms[4] = {0};

    for (int i = 0; i < TRIES; i++) {
        gr_pid pid = spawn_guarded(lab, &spread, NULL);

        for (size_t n = 0; n < 4; n++) {
            int64_t delay_ms = 0;

            lab_do(lab, pid, lab_act_fail, NULL);
            lab_run(lab);
            delay_ms = lab_decision_at(lab, lab_decisions(lab) - 1).delay_ms;
            lab_advance(lab, delay_ms);
            assert_in_range(delay_ms, low_ms[n], high_ms[n]);
            least_ms[n] = delay_ms < least_ms[n] ? delay_ms : least_ms[n];
            most_ms[n] = delay_ms > most_ms[n] ? delay_ms : most_ms[n];
        }
        gr_send_stop(lab->sys, pid);
        lab_run(lab);
    }
    for (size_t n = 0; n < 4; n++) { /* and makes use of what it has */
        int64_t tenth_ms = (high_ms[n] - low_ms[n]) / 10;

        assert_true(least_ms[n] <= low_ms[n] + tenth_ms);
        assert_true(most_ms[n] >= high_ms[n] - tenth_ms);
    }
}

static void r09_delays_start_anew_after_a_quiet_time(void **state)
{
    struct lab *lab = *state;
    gr_backoff quiet = exact;
    gr_pid pid = gr_pid_null();

    quiet.quiet_ms = 5000;
    pid = spawn_guarded(lab, &quiet, "a");
    assert_int_equal(fail_and_return(lab, pid, "a started"), 100);
    assert_int_equal(fail_and_return(lab, pid, "a started"), 200);
    lab_advance(lab, 4999);
    assert_int_equal(fail_and_return(lab, pid, "a started"), 400);
    lab_advance(lab, 5000);
    assert_int_equal(fail_and_return(lab, pid, "a started"), 100);
    assert_int_equal(fail_and_return(lab, pid, "a started"), 200);
}

static void r09_zeros_have_their_defaults(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_guarded(lab, &(gr_backoff){.min_ms = 1000}, "a");
    int64_t delay_ms = 0;

    for (int i = 0; i < 12; i++) {
        int64_t base_ms = i < 5 ? INT64_C(1000) << i : GR_BACKOFF_MAX_MS_DEFAULT;

        delay_ms = fail_and_return(lab, pid, "a started");
        if (i < 5) {
            assert_in_range(delay_ms, base_ms, base_ms * 12 / 10);
        } else {
            assert_in_range(delay_ms, base_ms * 8 / 10, base_ms);
        }
    }
}

/* The first delays of a system of its own under this seed. */
static void delays_under(uint64_t seed, int64_t *out_ms, size_t count)
{
    gr_system_options options = {.root = {.backoff = {.min_ms = 1000}}};
    struct lab *lab = NULL;
    void *opened = NULL;

    assert_int_equal(lab_stepped(&opened), 0);
    lab = opened;
    lab_shut(lab);
    lab->stepped = gr_stepped_free(lab->stepped);
    assert_int_equal(gr_stepped_new(seed, &lab->stepped), GR_OK);
    lab_reopen(lab, &options);
    for (size_t i = 0; i < count; i++) {
        gr_pid pid = lab_spawn(lab, "a");

        out_ms[i] = fail_and_return(lab, pid, "a started");
        gr_send_stop(lab->sys, pid);
        lab_run(lab);
    }
    (void)lab_close(&opened);
}

static void r09_the_same_seed_gives_the_same_delays(void **state)
{
    int64_t first_ms[8];
    int64_t again_ms[8];
    int64_t other_ms[8];

    (void)state;
    delays_under(1, first_ms, 8);
    delays_under(1, again_ms, 8);
    delays_under(2, other_ms, 8);
    assert_memory_equal(first_ms, again_ms, sizeof(first_ms));
    assert_memory_not_equal(first_ms, other_ms, sizeof(first_ms));
}

static void r09_while_it_waits_the_actor_is_paused_and_its_mailbox_kept(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_guarded(lab, &exact, "a");

    lab_do(lab, pid, lab_act_fail, NULL);
    lab_tell(lab, pid, 1);
    lab_run(lab);
    lab_tell(lab, pid, 2);
    lab_advance(lab, 99);
    lab_assert_notes(lab, "a", "a started"); /* the stopped hook has not run either */
    lab_advance(lab, 1);
    lab_assert_notes(lab, "a", "a started|a stopped restarting|a started|a 1|a 2");
    assert_int_equal(gr_system_counters(lab->sys).restarts, 1);
}

static void r09_stopping_an_actor_ends_its_wait(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_guarded(lab, &exact, "a");

    lab_do(lab, pid, lab_act_fail, NULL);
    lab_tell(lab, pid, 1);
    lab_run(lab);
    gr_send_stop(lab->sys, pid);
    lab_run(lab);
    lab_assert_notes(lab, "a", "a started|a stopped stopped");
    assert_int_equal(lab_dead(lab), 1);
    lab_advance(lab, 1000);
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
    assert_int_equal(gr_system_counters(lab->sys).restarts, 0);
}

static void r09_stopping_its_parent_or_the_system_ends_the_wait(void **state)
{
    struct lab *lab = *state;
    gr_props parent = lab_probe_props(lab, "p");
    gr_pid pid = gr_pid_null();
    gr_pid child = gr_pid_null();
    gr_backoff hour = {.min_ms = INT64_C(3600) * 1000};

    parent.supervision.backoff = hour;
    pid = lab_spawn_props(lab, &parent, "p");
    child = lab_spawn_child(lab, pid, "c");
    lab_do(lab, child, lab_act_fail, NULL);
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 1);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "p stopped stopped");
    lab_do(lab, spawn_guarded(lab, &hour, "a"), lab_act_fail, NULL);
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 2);
    assert_int_equal(gr_system_stop(lab->sys, LAB_WAIT_S * INT64_C(1000)), GR_OK);
    lab_assert_notes(lab, "a", "a started|a stopped stopped");
    lab_assert_notes(lab, "c", "c started|c stopped stopped");
}

static void r09_a_system_that_crashes_while_actors_wait_leaves_nothing(void **state)
{
    struct lab *lab = *state;

    lab_do(lab, spawn_guarded(lab, &exact, "a"), lab_act_fail, NULL);
    lab_run(lab);
    gr_stepped_kill(lab->sys);
    lab->subscription = gr_unsubscribe(lab->subscription);
    lab->sys = gr_system_free(lab->sys);
}

static void r09_delays_happen_on_threads_too(void **state)
{
    struct lab *lab = *state;
    gr_backoff soon = {.min_ms = 5, .max_ms = 40};
    gr_pid pids[4];

    for (int i = 0; i < 4; i++) {
        pids[i] = spawn_guarded(lab, &soon, NULL);
    }
    for (size_t round = 0; round < 5; round++) {
        for (int i = 0; i < 4; i++) {
            lab_do(lab, pids[i], lab_act_fail, NULL);
        }
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).restarts == 4 * (round + 1));
        for (int i = 0; i < 4; i++) {
            lab_flush(lab, pids[i]);
        }
    }
}

static void r09_waiting_actors_are_stopped_while_their_time_comes(void **state)
{
    struct lab *lab = *state;
    gr_backoff soon = {.min_ms = 1, .max_ms = 2};
    size_t rounds = lab_scaled(300);

    for (size_t round = 0; round < rounds; round++) {
        gr_pid pid = spawn_guarded(lab, &soon, NULL);

        lab_do(lab, pid, lab_act_fail, NULL);
        LAB_EVENTUALLY(lab, lab_decisions(lab) >= round + 1);
        if (round % 3 == 0) {
            int64_t until_ms = lab_real_ms() + 1;

            while (lab_real_ms() < until_ms) {
                lab_breathe(lab);
            }
        }
        gr_send_stop(lab->sys, pid);
    }
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

/* ---- r06, r10 */

static void r06_restarts_with_a_delay_count_from_when_they_are_decided(void **state)
{
    struct lab *lab = *state;
    gr_supervision guardian = {.restarts = 2, .window_ms = 1000, .backoff = exact};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.guardian = &guardian;
    pid = lab_spawn_props(lab, &props, "a");
    (void)fail_and_return(lab, pid, "a started"); /* decided at 0, there at 100 */
    (void)fail_and_return(lab, pid, "a started"); /* decided at 100, there at 300 */
    lab_advance(lab, 699);
    lab_do(lab, pid, lab_act_fail, NULL); /* at 999 */
    lab_run(lab);
    assert_int_equal(lab_count(lab, "a stopped failed"), 1);
}

static void r06_without_a_limit_there_is_always_another_restart(void **state)
{
    struct lab *lab = *state;
    gr_supervision guardian = {.restarts = GR_RESTARTS_UNLIMITED};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.guardian = &guardian;
    pid = lab_spawn_props(lab, &props, "a");
    for (int i = 0; i < 100; i++) {
        lab_do(lab, pid, lab_act_fail, NULL);
    }
    lab_wait_times(lab, "a started", 101);
    lab_flush(lab, pid);
}

static gr_err started_never_again(gr_context *ctx, void *state)
{
    lab_probe *probe = state;

    (void)ctx;
    lab_note(probe->lab, "%s tries", probe->name);
    return lab_count(probe->lab, "a tries") == 1 ? GR_OK : gr_fail(GR_EIO, "no database");
}

static void r10_a_start_that_keeps_failing_is_tried_with_growing_delays(void **state)
{
    struct lab *lab = *state;
    gr_supervision guardian = {.restarts = GR_RESTARTS_UNLIMITED, .backoff = exact};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.guardian = &guardian;
    props.started = started_never_again;
    pid = lab_spawn_props(lab, &props, "a");
    lab_do(lab, pid, lab_act_fail, NULL);
    lab_tell(lab, pid, 7);
    lab_run(lab);
    lab_advance(lab, 100 + 200 + 400 + 800 + 1000 + 1000 - 1);
    assert_int_equal(lab_count(lab, "a tries"), 1 + 5);
    lab_advance(lab, 1);
    assert_int_equal(lab_count(lab, "a tries"), 1 + 6);
    assert_string_equal(lab_decision_at(lab, 1).error.text, "no database");
    assert_int_equal(lab_count(lab, "a stopped restarting"), 1); /* of the start that succeeded */
    assert_int_equal(lab_dead(lab), 0);
}

/* One that restarts at once, always, and never succeeds must leave room for others. */
static void r10_a_start_that_keeps_failing_does_not_keep_the_worker(void **state)
{
    struct lab *lab = *state;
    gr_supervision guardian = {.restarts = GR_RESTARTS_UNLIMITED};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();
    gr_pid other = lab_spawn(lab, "b");

    props.guardian = &guardian;
    props.started = started_never_again;
    pid = lab_spawn_props(lab, &props, "a");
    lab_do(lab, pid, lab_act_fail, NULL);
    for (int i = 0; i < 10; i++) {
        lab_flush(lab, other);
    }
    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
}

/* ---- what must not be asked for */

static void refuses(struct lab *lab, gr_supervision supervision, const char *word)
{
    gr_system_options options = {.root = supervision};
    gr_props props = lab_probe_props(lab, "a");
    gr_system *sys = NULL;
    gr_pid pid = gr_pid_null();

    if (supervision.strategy != GR_ALL_FOR_ONE) {
        props.supervision = supervision;
        assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EINVAL);
        assert_non_null(strstr(gr_last_error()->text, "props.supervision"));
        assert_non_null(strstr(gr_last_error()->text, word));
    }
    props.supervision = (gr_supervision){0};
    props.guardian = &supervision;
    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "props.guardian"));
    assert_non_null(strstr(gr_last_error()->text, word));
    assert_int_equal(gr_system_new(&options, &sys), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "the system's supervision"));
    assert_non_null(strstr(gr_last_error()->text, word));
}

static void a_supervision_that_makes_no_sense_is_refused(void **state)
{
    struct lab *lab = *state;

    refuses(lab, (gr_supervision){.strategy = GR_ALL_FOR_ONE}, "GR_ALL_FOR_ONE");
    refuses(lab, (gr_supervision){.strategy = (gr_strategy)2}, "strategy 2");
    refuses(lab, (gr_supervision){.restarts = -3}, "restarts -3");
    refuses(lab, (gr_supervision){.restarts = GR_RESTARTS_MAX + 1}, "restarts 10001");
    refuses(lab, (gr_supervision){.window_ms = -1}, "window_ms -1");
    refuses(lab, (gr_supervision){.backoff.min_ms = -1}, "not negative");
    refuses(lab, (gr_supervision){.backoff = {.min_ms = 5, .max_ms = 4}}, "max_ms 4");
    refuses(lab, (gr_supervision){.backoff = {.min_ms = 5, .factor = 0.5}}, "0.5");
    refuses(lab, (gr_supervision){.backoff = {.min_ms = 5, .factor = 101}}, "101");
    refuses(lab, (gr_supervision){.backoff = {.min_ms = 5, .jitter_percent = 101}},
            "jitter_percent 101");
    refuses(lab, (gr_supervision){.backoff = {.min_ms = 5, .quiet_ms = -1}}, "not negative");
    refuses(lab, (gr_supervision){.backoff = {.max_ms = 5}}, "min_ms is 0");
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_STEPPED(r09_delays_grow_by_their_factor_up_to_their_cap),
        LAB_STEPPED(r09_a_small_factor_grows_too),
        LAB_STEPPED(r09_jitter_stays_between_the_delay_and_its_share_more_and_below_the_cap),
        LAB_STEPPED(r09_delays_start_anew_after_a_quiet_time),
        LAB_STEPPED(r09_zeros_have_their_defaults),
        cmocka_unit_test(r09_the_same_seed_gives_the_same_delays),
        LAB_STEPPED(r09_while_it_waits_the_actor_is_paused_and_its_mailbox_kept),
        LAB_STEPPED(r09_stopping_an_actor_ends_its_wait),
        LAB_BOTH(r09_stopping_its_parent_or_the_system_ends_the_wait),
        LAB_STEPPED(r09_a_system_that_crashes_while_actors_wait_leaves_nothing),
        LAB_THREADS(r09_delays_happen_on_threads_too),
        LAB_THREADS(r09_waiting_actors_are_stopped_while_their_time_comes),
        LAB_STEPPED(r06_restarts_with_a_delay_count_from_when_they_are_decided),
        LAB_BOTH(r06_without_a_limit_there_is_always_another_restart),
        LAB_STEPPED(r10_a_start_that_keeps_failing_is_tried_with_growing_delays),
        LAB_BOTH(r10_a_start_that_keeps_failing_does_not_keep_the_worker),
        LAB_BOTH(a_supervision_that_makes_no_sense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
