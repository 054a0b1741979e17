/*
 * Turns of grains, in the lab of host_lab.h: which run beside which, when grains sleep, deadlines, order, cycles, and what leaves
 * a turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "host_lab.h"

/* ---- c13, c14 */

static void c13_an_idle_grain_sleeps_after_its_time_and_not_before(void **state)
{
    host_lab *l = *state;

    assert_int_equal(host_lab_call(l, &probe_brief, PROBE_ADD, "x", 5), 5);
    gr_stepped_advance(l->stepped, 150);
    assert_int_equal(host_lab_call(l, &probe_brief, PROBE_ADD, "x", 1), 6);
    gr_stepped_advance(l->stepped, 190);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_IDLE]), 0);
    gr_stepped_advance(l->stepped, 60);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_IDLE]), 1);
    assert_int_equal(atomic_load(&l->host->activations), 0);
    assert_int_equal(host_lab_call(l, &probe_brief, PROBE_ADD, "x", 2), 2);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

static void c13_a_long_call_keeps_its_grain_awake(void **state)
{
    host_lab *l = *state;
    gr_future *future = host_lab_start(l, &probe_brief, PROBE_WAIT, "x", 9, 1000);
    int64_t number = 0;

    assert_int_equal(host_lab_finish(l, future, &number), GR_OK);
    assert_int_equal(number, 9);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_IDLE]), 0);
}

static void c13_the_cap_on_activations_is_kept_under_a_scan(void **state)
{
    host_lab *l = *state;
    char identity[24];

    for (int i = 0; i < 200; i++) {
        (void)snprintf(identity, sizeof(identity), "scan-%d", i);
        assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, identity, 1), 1);
        assert_true(atomic_load(&l->host->activations) <= 20);
    }
    assert_true(atomic_load(&l->world.deactivated[GR_DEACTIVATION_CAPACITY]) >= 180);
}

static void c14_a_grain_that_asks_for_its_end_is_new_for_the_next_call(void **state)
{
    host_lab *l = *state;
    gr_future *quits = NULL, *adds = NULL;
    int64_t number = 0;

    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 5), 5);
    quits = host_lab_start(l, &probe_kind, PROBE_QUIT, "x", 0, 0);
    adds = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    assert_int_equal(host_lab_finish(l, quits, &number), GR_OK);
    assert_int_equal(number, 5);
    assert_int_equal(host_lab_finish(l, adds, &number), GR_OK);
    assert_int_equal(number, 1);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_ASKED]), 1);
}

static void c20_a_timer_fires_as_turns_and_ends_with_its_activation(void **state)
{
    host_lab *l = *state;

    assert_int_equal(probe_call(&l->caller, &probe_brief, PROBE_TICK, "x", 20, 50, NULL), GR_OK);
    gr_stepped_advance(l->stepped, 19);
    assert_int_equal(atomic_load(&l->world.ticks), 0);
    gr_stepped_advance(l->stepped, 1);
    assert_int_equal(atomic_load(&l->world.ticks), 1);
    gr_stepped_advance(l->stepped, 100);
    assert_int_equal(atomic_load(&l->world.ticks), 3);
    gr_stepped_advance(l->stepped, 1000);
    assert_int_equal(atomic_load(&l->host->activations), 0); /* ticks do not keep it awake */
    assert_true(atomic_load(&l->world.ticks) <= 5);
}

/* ---- c15 */

static void walk_in_a_circle(host_lab *l, size_t length)
{
    Probe__Ask ask = PROBE__ASK__INIT;
    char names[11][24];
    char *path[11];
    gr_err err = GR_OK;

    for (size_t i = 0; i < length; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "g%zu", (i + 1) % length);
        path[i] = names[i];
    }
    ask.path = path;
    ask.n_path = length;
    err = gr_call(&l->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_WALK), "g0", &ask,
                  NULL, NULL);
    assert_int_equal(err, GR_EDEADLOCK);
    assert_non_null(strstr(gr_last_error()->text, "probe.Probe/g0 -> "));
    assert_non_null(strstr(gr_last_error()->text, "-> probe.Probe/g0"));
}

static void c15_a_cycle_of_1_2_3_and_10_grains_fails_at_once_naming_it(void **state)
{
    host_lab *l = *state;
    int64_t before_ms = gr_system_now(l->sys);

    walk_in_a_circle(l, 1);
    walk_in_a_circle(l, 2);
    walk_in_a_circle(l, 3);
    walk_in_a_circle(l, 10);
    assert_int_equal(gr_system_now(l->sys), before_ms);
}

static void c15_turns_of_a_grain_do_not_interleave_unless_declared(void **state)
{
    host_lab *l = *state;
    gr_future *futures[5];

    for (int i = 0; i < 5; i++) {
        futures[i] = host_lab_start(l, &probe_kind, PROBE_WAIT, "x", 1, 100);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(host_lab_finish(l, futures[i], NULL), GR_OK);
    }
    assert_int_equal(atomic_load(&l->world.running_most), 1);
    for (int i = 0; i < 5; i++) {
        futures[i] = host_lab_start(l, &probe_open, PROBE_WAIT, "x", 1, 100);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(host_lab_finish(l, futures[i], NULL), GR_OK);
    }
    assert_int_equal(atomic_load(&l->world.running_most), 5);
}

static void c15_read_only_calls_run_side_by_side_but_not_beside_others(void **state)
{
    host_lab *l = *state;
    gr_future *reads[2], *write = NULL;
    int64_t number = 0;

    for (int i = 0; i < 2; i++) {
        reads[i] = host_lab_start(l, &probe_brief, PROBE_GET, "x", 0, 100);
    }
    write = host_lab_start(l, &probe_brief, PROBE_ADD, "x", 5, 0);
    gr_stepped_advance(l->stepped, 50);
    assert_int_equal(atomic_load(&l->world.running), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(host_lab_finish(l, reads[i], &number), GR_OK);
        assert_int_equal(number, 0);
    }
    assert_int_equal(host_lab_finish(l, write, &number), GR_OK);
    assert_int_equal(number, 5);
}

/* ---- c16, c17, c18 */

static void c16_a_call_whose_time_is_over_is_not_started(void **state)
{
    host_lab *l = *state;
    gr_future *busy = host_lab_start(l, &probe_kind, PROBE_WAIT, "x", 1, 400);
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 100};
    int calls = 0;

    gr_stepped_run_until_idle(l->stepped);
    calls = atomic_load(&l->world.calls);
    ask.number = 1;
    assert_int_equal(gr_call(&l->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_ADD), "x",
                             &ask, &options, NULL),
                     GR_EUNKNOWN);
    assert_int_equal(host_lab_finish(l, busy, NULL), GR_OK);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->world.calls), calls);
}

static void c16_a_running_call_sees_that_its_caller_has_given_up(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 100};

    ask.wait_ms = 300;
    assert_int_equal(gr_call(&l->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_WAIT), "x",
                             &ask, &options, NULL),
                     GR_EUNKNOWN);
    gr_stepped_advance(l->stepped, 500);
    assert_int_equal(atomic_load(&l->world.cancelled), 1);
}

static void c17_a_full_mailbox_is_refused_and_tried_again_until_there_is_room(void **state)
{
    host_lab *l = *state;
    gr_future *futures[12];
    int64_t last = 0;

    for (int i = 0; i < 12; i++) { /* four may wait */
        Probe__Ask ask = PROBE__ASK__INIT;

        ask.number = 1;
        ask.wait_ms = 30;
        assert_int_equal(gr_call_future(&l->caller, &probe_brief,
                                        probe_method_of(&probe_brief, PROBE_ADD), "x", &ask, NULL,
                                        &futures[i]),
                         GR_OK);
    }
    for (int i = 0; i < 12; i++) {
        int64_t sum = 0;

        assert_int_equal(host_lab_finish(l, futures[i], &sum), GR_OK);
        assert_int_equal(sum, last + 1); /* and in order */
        last = sum;
    }
}

static void c18_calls_of_one_caller_to_one_grain_arrive_in_their_order(void **state)
{
    host_lab *l = *state;
    gr_future *futures[26];
    void *reply = NULL;

    for (int i = 0; i < 26; i++) {
        char letter[2] = {(char)('a' + i), '\0'};
        Probe__Ask ask = PROBE__ASK__INIT;

        ask.text = letter;
        assert_int_equal(gr_call_future(&l->caller, &probe_brief,
                                        probe_method_of(&probe_brief, PROBE_APPEND), "x", &ask,
                                        NULL, &futures[i]),
                         GR_OK);
    }
    for (int i = 0; i < 26; i++) {
        assert_int_equal(gr_call_await(&l->caller, futures[i], &probe_brief.methods[PROBE_APPEND],
                                       GR_FOREVER, &reply),
                         GR_OK);
        if (i == 25) {
            assert_string_equal(((Probe__Tell *)reply)->text, "abcdefghijklmnopqrstuvwxyz");
        }
        gr_reply_free(reply);
        (void)gr_future_unref(futures[i]);
    }
}

/* ---- the exit of a turn */

static void what_a_turn_sends_leaves_at_its_end_and_not_when_it_crashes(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    char *path[] = {(char *)(uintptr_t) "n1", (char *)(uintptr_t) "n2"};
    gr_future *future = NULL;

    ask.path = path;
    ask.n_path = 2;
    ask.wait_ms = 100;
    assert_int_equal(gr_call_future(&l->caller, &probe_kind,
                                    probe_method_of(&probe_kind, PROBE_SEND), "x", &ask, NULL,
                                    &future),
                     GR_OK);
    gr_stepped_advance(l->stepped, 99);
    assert_int_equal(atomic_load(&l->world.notes), 0);
    assert_int_equal(host_lab_finish(l, future, NULL), GR_OK);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->world.notes), 2);
    ask.number = 1; /* crashes at the end */
    assert_int_equal(gr_call(&l->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_SEND), "x",
                             &ask, NULL, NULL),
                     GR_EFAILED);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->world.notes), 2);
}

static void a_lease_that_lapses_in_mid_turn_holds_the_answer_until_it_is_regained(void **state)
{
    host_lab *l = *state;
    gr_future *future = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 5, 100);
    gr_future *next = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    int64_t number = 0;

    gr_stepped_advance(l->stepped, 50);
    l->leased = false;
    gr_stepped_advance(l->stepped, 1000);
    assert_false(gr_future_ready(future));
    assert_int_equal(atomic_load(&l->world.calls), 1);
    l->leased = true;
    gri_lease_gate_open(&l->host->gate);
    assert_int_equal(host_lab_finish(l, future, &number), GR_OK);
    assert_int_equal(number, 5);
    assert_int_equal(host_lab_finish(l, next, &number), GR_OK);
    assert_int_equal(number, 6);
}

static void a_fenced_node_answers_nothing_that_it_had_begun_and_refuses_the_rest(void **state)
{
    host_lab *l = *state;
    gr_future *begun = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 5, 100);
    gr_future *waits = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 1, 0);

    gr_stepped_advance(l->stepped, 50);
    l->leased = false;
    gri_host_fence(l->host);
    assert_int_equal(host_lab_finish(l, begun, NULL), GR_EUNKNOWN);
    assert_int_equal(host_lab_finish(l, waits, NULL), GR_ENOTRUN);
    assert_int_equal(atomic_load(&l->world.calls), 1);
    assert_int_equal(atomic_load(&l->host->activations), 0);
}

static void c20_a_stateless_kind_runs_in_several_activations(void **state)
{
    host_lab *l = *state;
    gr_future *futures[4];

    for (int i = 0; i < 4; i++) {
        futures[i] = host_lab_start(l, &probe_shared, PROBE_WAIT, "-", 1, 100);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(host_lab_finish(l, futures[i], NULL), GR_OK);
    }
    assert_int_equal(atomic_load(&l->world.running_most), 2);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

/* ---- the first hook may call and wait */

static gr_err hook_waits(void *arg, gr_grain *grain)
{
    host_lab *l = arg;
    gr_future *moment = NULL;
    gr_msg *msg = NULL;
    gr_err err = GR_OK;

    (void)grain;
    err = gr_future_new(l->sys, 300, &moment);
    if (err == GR_OK) {
        err = gr_await(moment, GR_FOREVER, &msg);
        (void)gr_future_unref(moment);
    }
    return err == GR_ETIMEDOUT ? GR_OK : err;
}

static void c16_a_call_whose_time_ends_in_the_first_hook_of_its_grain_is_not_started(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 100};

    l->world.arg = l;
    l->world.on_activated = hook_waits;
    assert_int_equal(gr_call(&l->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_ADD), "x",
                             &ask, &options, NULL),
                     GR_EUNKNOWN);
    gr_stepped_advance(l->stepped, 1000);
    assert_int_equal(atomic_load(&l->world.activated), 1);
    assert_int_equal(atomic_load(&l->world.calls), 0);
}

static void a_call_whose_shard_is_taken_away_in_the_first_hook_is_not_started(void **state)
{
    host_lab *l = *state;
    gr_future *call = NULL;

    l->world.arg = l;
    l->world.on_activated = hook_waits;
    call = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    gr_stepped_advance(l->stepped, 100);
    for (size_t i = 0; i < HOST_LAB_SHARDS * l->host->tables_count; i++) {
        gri_refusals none;

        gri_refusals_init(&none);
        gri_slice_own(gri_host_slice_at(l->host, i), false, 0, &none);
    }
    gr_stepped_advance(l->stepped, 1000);
    assert_int_equal(atomic_load(&l->world.calls), 0);
    assert_int_equal(host_lab_finish(l, call, NULL), GR_ENOTRUN);
}

/* "a" calls "b" in its first hook, and "b" calls "a". */
static gr_err hook_walks(void *arg, gr_grain *grain)
{
    Probe__Ask ask = PROBE__ASK__INIT;
    char *path[] = {(char *)(uintptr_t) "a"};

    (void)arg;
    ask.path = path;
    ask.n_path = 1;
    return strcmp(gr_grain_identity(grain), "a") == 0
               ? gr_call(gr_grain_caller(grain), &probe_open,
                         probe_method_of(&probe_open, PROBE_WALK), "b", &ask, NULL, NULL)
               : GR_OK;
}

static void c15_a_cycle_through_the_first_hook_of_a_reentrant_grain_fails_at_once(void **state)
{
    host_lab *l = *state;
    int64_t before_ms = gr_system_now(l->sys);

    l->world.arg = l;
    l->world.on_activated = hook_walks;
    assert_int_equal(probe_call(&l->caller, &probe_open, PROBE_ADD, "a", 1, 0, NULL), GR_EDEADLOCK);
    assert_string_equal(gr_last_error()->text, "probe.Open/a -> probe.Open/b -> probe.Open/a");
    assert_int_equal(gr_system_now(l->sys), before_ms);
}

static void c15_a_call_back_into_a_reentrant_grain_that_is_about_to_end_is_not_held(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    char *path[] = {(char *)(uintptr_t) "b", (char *)(uintptr_t) "a"};
    gr_future *walk = NULL;
    int64_t before_ms = gr_system_now(l->sys);
    int64_t number = 0;

    ask.path = path;
    ask.n_path = 2;
    ask.wait_ms = 100;
    assert_int_equal(gr_call_future(&l->caller, &probe_open,
                                    probe_method_of(&probe_open, PROBE_WALK), "a", &ask, NULL,
                                    &walk),
                     GR_OK);
    assert_int_equal(probe_call(&l->caller, &probe_open, PROBE_QUIT, "a", 0, 0, NULL), GR_OK);
    assert_int_equal(host_lab_finish(l, walk, &number), GR_OK);
    assert_int_equal(number, 3);
    assert_int_equal(gr_system_now(l->sys) - before_ms, 100);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_ASKED]), 1);
}

static void c13_an_interleaving_grain_that_is_busy_when_asked_to_sleep_sleeps_later(void **state)
{
    host_lab *l = *state;

    atomic_store(&l->world.tick_ms, 5000);
    assert_int_equal(probe_call(&l->caller, &probe_open, PROBE_TICK, "x",
                                GR_PASSIVATE_AFTER_MS_DEFAULT - 2000, 0, NULL),
                     GR_OK);
    gr_stepped_advance(l->stepped, GR_PASSIVATE_AFTER_MS_DEFAULT + 2000);
    assert_int_equal(atomic_load(&l->world.ticks), 1);
    assert_int_equal(atomic_load(&l->host->activations), 1); /* its timer's turn still runs */
    gr_stepped_advance(l->stepped, 2000);
    assert_int_equal(atomic_load(&l->host->activations), 0);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_IDLE]), 1);
}

static void
r36_a_grain_that_cannot_be_asked_to_sleep_for_want_of_memory_is_asked_again(void **state)
{
    host_lab *l = *state;

    for (uint64_t nth = 1; nth <= 20; nth++) {
        assert_int_equal(host_lab_call(l, &probe_brief, PROBE_ADD, "x", 1), 1);
        gri_mem_fail_nth(nth);
        gr_stepped_advance(l->stepped, 300);
        gri_mem_fail_nth(0);
        gr_stepped_advance(l->stepped, 300);
        assert_int_equal(atomic_load(&l->host->activations), 0);
    }
}

static void c13_one_long_call_does_not_keep_other_grains_from_being_put_to_sleep(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 120000};
    gr_future *slow = NULL;
    char identity[24];
    int refused = 0;

    ask.wait_ms = 60000;
    assert_int_equal(gr_call_future(&l->caller, &probe_twin,
                                    probe_method_of(&probe_twin, PROBE_WAIT), "t", &ask, &options,
                                    &slow),
                     GR_OK);
    gr_stepped_advance(l->stepped, 50);
    for (int i = 0; i < 60; i++) {
        int64_t got = 0;

        (void)snprintf(identity, sizeof(identity), "scan-%d", i);
        if (probe_call(&l->caller, &probe_kind, PROBE_ADD, identity, 1, 0, &got) != GR_OK) {
            refused++;
        }
    }
    gri_host_fence(l->host);
    (void)host_lab_finish(l, slow, NULL);
    assert_int_equal(refused, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(c13_an_idle_grain_sleeps_after_its_time_and_not_before,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c13_a_long_call_keeps_its_grain_awake, host_lab_setup,
                                        host_lab_teardown),
        cmocka_unit_test_setup_teardown(c13_the_cap_on_activations_is_kept_under_a_scan,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c14_a_grain_that_asks_for_its_end_is_new_for_the_next_call,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c20_a_timer_fires_as_turns_and_ends_with_its_activation,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c15_a_cycle_of_1_2_3_and_10_grains_fails_at_once_naming_it,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c15_turns_of_a_grain_do_not_interleave_unless_declared,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c15_read_only_calls_run_side_by_side_but_not_beside_others,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c16_a_call_whose_time_is_over_is_not_started,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c16_a_running_call_sees_that_its_caller_has_given_up,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c17_a_full_mailbox_is_refused_and_tried_again_until_there_is_room, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(c18_calls_of_one_caller_to_one_grain_arrive_in_their_order,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(what_a_turn_sends_leaves_at_its_end_and_not_when_it_crashes,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            a_lease_that_lapses_in_mid_turn_holds_the_answer_until_it_is_regained, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            a_fenced_node_answers_nothing_that_it_had_begun_and_refuses_the_rest, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(c20_a_stateless_kind_runs_in_several_activations,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c16_a_call_whose_time_ends_in_the_first_hook_of_its_grain_is_not_started,
            host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            a_call_whose_shard_is_taken_away_in_the_first_hook_is_not_started, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c15_a_cycle_through_the_first_hook_of_a_reentrant_grain_fails_at_once, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c15_a_call_back_into_a_reentrant_grain_that_is_about_to_end_is_not_held, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c13_an_interleaving_grain_that_is_busy_when_asked_to_sleep_sleeps_later, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            r36_a_grain_that_cannot_be_asked_to_sleep_for_want_of_memory_is_asked_again,
            host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c13_one_long_call_does_not_keep_other_grains_from_being_put_to_sleep, host_lab_setup,
            host_lab_teardown),
    };

    if (argc > 1) { /* one test, or some by a pattern */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
