/*
 * Draining, in the lab of host_lab.h: what runs ends, what comes is held, and nothing that a turn waits for is held up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "host_lab.h"

static void c07_a_drain_finishes_what_runs_and_holds_what_waits(void **state)
{
    host_lab *l = *state;
    gri_shard_ref refs[HOST_LAB_SHARDS];
    gr_future *runs = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 5, 100);
    gr_future *waits = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    gr_future *later = NULL;
    int64_t number = 0;

    gr_stepped_advance(l->stepped, 50);
    host_lab_drain(l);
    assert_int_equal(host_lab_finish(l, runs, &number), GR_OK);
    assert_int_equal(number, 5);
    later = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 2, 0);
    gr_stepped_advance(l->stepped, 100);
    assert_false(gr_future_ready(waits));
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_MOVED]), 1);
    host_lab_shards("kind:probe.Probe", refs);
    gri_host_drain_undone(l->host, refs, HOST_LAB_SHARDS); /* it stays after all */
    assert_int_equal(host_lab_finish(l, waits, &number), GR_OK);
    assert_int_equal(number, 1);
    assert_int_equal(host_lab_finish(l, later, &number), GR_OK);
    assert_int_equal(number, 3);
}

static void c07_a_drain_lets_in_the_calls_that_a_running_turn_waits_for(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    char *path[] = {(char *)(uintptr_t) "b", (char *)(uintptr_t) "c"};
    gr_future *walk = NULL;
    gr_future *other = NULL;
    int64_t before_ms = 0;
    void *reply = NULL;

    ask.path = path;
    ask.n_path = 2;
    ask.wait_ms = 100; /* it calls when all shards drain already */
    assert_int_equal(gr_call_future(&l->caller, &probe_kind,
                                    probe_method_of(&probe_kind, PROBE_WALK), "a", &ask, NULL,
                                    &walk),
                     GR_OK);
    gr_stepped_advance(l->stepped, 50);
    other = host_lab_start(l, &probe_kind, PROBE_ADD, "c", 1, 0);
    before_ms = gr_system_now(l->sys);
    host_lab_drain(l);
    assert_true(gr_system_now(l->sys) - before_ms < 1000);
    assert_int_equal(
        gr_call_await(&l->caller, walk, probe_method_of(&probe_kind, PROBE_WALK), 0, &reply),
        GR_OK);
    assert_int_equal(((Probe__Tell *)reply)->number, 3);
    assert_int_equal(atomic_load(&l->host->activations), 0);
    gr_reply_free(reply);
    (void)gr_future_unref(walk);
    gri_host_fence(l->host);
    (void)host_lab_finish(l, other, NULL);
}

static void a_turn_that_outlasts_the_drain_loses_its_effects(void **state)
{
    host_lab *l = *state;
    gr_future *slow = NULL;
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 60000};

    ask.wait_ms = 20000;
    assert_int_equal(gr_call_future(&l->caller, &probe_kind,
                                    probe_method_of(&probe_kind, PROBE_ADD), "x", &ask, &options,
                                    &slow),
                     GR_OK);
    gr_stepped_advance(l->stepped, 50);
    host_lab_drain(l); /* 5 s */
    assert_int_equal(atomic_load(&l->host->activations), 0);
    assert_int_equal(host_lab_finish(l, slow, NULL), GR_EUNKNOWN);
}

static void what_a_drain_lets_in_ends_with_its_last_hook(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    char *path[] = {(char *)(uintptr_t) "b", (char *)(uintptr_t) "c", (char *)(uintptr_t) "d"};
    gr_future *walk = NULL;

    ask.path = path;
    ask.n_path = 3;
    ask.wait_ms = 100; /* b, c and d have no activation when their shards begin to drain */
    assert_int_equal(gr_call_future(&l->caller, &probe_kind,
                                    probe_method_of(&probe_kind, PROBE_WALK), "a", &ask, NULL,
                                    &walk),
                     GR_OK);
    gr_stepped_advance(l->stepped, 50);
    host_lab_drain(l);
    assert_int_equal(host_lab_finish(l, walk, NULL), GR_OK);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_MOVED]), 4);
}

/* A call of "b" as a turn elsewhere would make it, which must end before its own shard can move. */
static void take_pressing_call(host_lab *l, uint64_t from)
{
    gri_call_message call = {.flags = GRI_CALL_PRESSING,
                             .kind = probe_kind.hash,
                             .method = probe_method_of(&probe_kind, PROBE_ADD)->hash,
                             .sys = l->sys,
                             .deadline_ms = gr_system_now(l->sys) + 5000,
                             .identity = "b"};
    gr_msg *msg = gri_call_message_new(&call);

    assert_non_null(msg);
    gr_msg_set_sender(msg, (gr_pid){from, 1, 1});
    gri_host_take_call(l->host, msg);
}

typedef struct presser {
    host_lab *lab;
    uint64_t from;
} presser;

static void press(void *arg)
{
    const presser *self = arg;

    take_pressing_call(self->lab, self->from);
}

/* How many calls of "b", pressed in after 50 ms, have run by the end of a drain that a turn of "a" holds up for 100 ms. */
static int let_in_from(host_lab *l, uint64_t from)
{
    presser self = {l, from};
    gr_future *slow = host_lab_start(l, &probe_kind, PROBE_WAIT, "a", 1, 100);
    gr_alarm alarm;

    gr_stepped_run_until_idle(l->stepped);
    gr_alarm_init(&alarm, l->sys, press, &self);
    gr_alarm_set(&alarm, gr_system_now(l->sys) + 50);
    host_lab_drain(l);
    gr_alarm_fini(&alarm);
    assert_int_equal(host_lab_finish(l, slow, NULL), GR_OK);
    return atomic_load(&l->world.calls) - 1;
}

static void a_drain_lets_in_what_a_members_turn_waits_for(void **state)
{
    host_lab *l = *state;

    assert_int_equal(let_in_from(l, gr_system_node(l->sys)), 1);
}

static void a_drain_does_not_believe_a_client_that_something_waits_for_its_call(void **state)
{
    assert_int_equal(let_in_from(*state, 4711), 0);
}

static void c07_one_way_calls_that_wait_when_a_drain_runs_out_of_time_are_not_lost(void **state)
{
    host_lab *l = *state;
    gri_shard_ref refs[HOST_LAB_SHARDS];
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 60000};
    gr_future *slow = NULL;

    ask.wait_ms = 20000;
    assert_int_equal(gr_call_future(&l->caller, &probe_kind,
                                    probe_method_of(&probe_kind, PROBE_WAIT), "x", &ask, &options,
                                    &slow),
                     GR_OK);
    gr_stepped_run_until_idle(l->stepped);
    for (int i = 1; i <= 10; i++) {
        ask.number = i;
        assert_int_equal(gr_call_one_way(&l->caller, &probe_kind,
                                         probe_method_of(&probe_kind, PROBE_NOTE), "x", &ask,
                                         &options),
                         GR_OK);
    }
    host_lab_drain(l); /* 5 s */
    assert_int_equal(host_lab_finish(l, slow, NULL), GR_EUNKNOWN);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->world.notes), 0);
    host_lab_shards("kind:probe.Probe", refs);
    gri_host_drain_undone(l->host, refs, HOST_LAB_SHARDS);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->world.notes), 10);
    assert_int_equal(atomic_load(&l->world.last_note), 10);
}

static void c07_a_node_that_leaves_awaits_the_calls_of_its_stateless_kinds(void **state)
{
    host_lab *l = *state;
    gr_future *runs = host_lab_start(l, &probe_shared, PROBE_WAIT, "-", 7, 300);
    gr_future *late = NULL;
    int64_t number = 0;
    int64_t before_ms = 0;

    gr_stepped_advance(l->stepped, 50);
    before_ms = gr_system_now(l->sys);
    gri_host_drain_stateless(l->host);
    assert_int_equal(gr_system_now(l->sys) - before_ms, 250);
    assert_int_equal(host_lab_finish(l, runs, &number), GR_OK);
    assert_int_equal(number, 7);
    late = host_lab_start(l, &probe_shared, PROBE_WAIT, "-", 7, 0);
    assert_int_equal(host_lab_finish(l, late, NULL), GR_ENOTRUN);
    assert_int_equal(atomic_load(&l->world.calls), 1);
}

static void c07_a_shard_that_was_given_and_came_back_in_one_view_is_served(void **state)
{
    host_lab *l = *state;
    gr_future *call = NULL;
    gr_err err = GR_OK;

    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 5), 5);
    host_lab_drain(l);
    /* given by a CAS (end_batch: owner is another, nothing is undone); then it is ours again under another epoch */
    for (uint32_t i = 0; i < HOST_LAB_SHARDS; i++) {
        for (size_t t = 0; t < l->host->tables_count; t++) {
            gri_refusals refusals;

            gri_refusals_init(&refusals);
            gri_slice_own(&l->host->tables[t].slices[i], true,
                          l->host->tables[t].slices[i].epoch + 2, &refusals);
            gri_host_refuse_all(l->host, &refusals);
        }
    }
    call = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    err = host_lab_finish(l, call, NULL);
    assert_int_equal(err, GR_OK);
}

static void c07_a_drain_lets_in_what_a_turn_waits_for_though_it_was_held_before(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    char *path[] = {(char *)(uintptr_t) "b"};
    gr_call_options options = {.timeout_ms = 20000};
    gr_future *walk = NULL;
    int64_t before_ms = 0;
    gr_err err = GR_OK;

    atomic_store(&l->world.end_ms, 300);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "b", 5), 5);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_QUIT, "b", 0), 5);
    gr_stepped_advance(l->stepped, 50); /* its last hook runs */
    ask.path = path;
    ask.n_path = 1;
    assert_int_equal(gr_call_future(&l->caller, &probe_kind,
                                    probe_method_of(&probe_kind, PROBE_WALK), "a", &ask, &options,
                                    &walk),
                     GR_OK);
    gr_stepped_advance(l->stepped, 50); /* a waits for b */
    before_ms = gr_system_now(l->sys);
    host_lab_drain(l);
    assert_true(gr_system_now(l->sys) - before_ms < 1000);
    gri_host_fence(l->host);
    err = host_lab_finish(l, walk, NULL);
    assert_int_equal(err, GR_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(c07_a_drain_finishes_what_runs_and_holds_what_waits,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c07_a_drain_lets_in_the_calls_that_a_running_turn_waits_for,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(a_turn_that_outlasts_the_drain_loses_its_effects,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(what_a_drain_lets_in_ends_with_its_last_hook,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(a_drain_lets_in_what_a_members_turn_waits_for,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            a_drain_does_not_believe_a_client_that_something_waits_for_its_call, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c07_one_way_calls_that_wait_when_a_drain_runs_out_of_time_are_not_lost, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c07_a_node_that_leaves_awaits_the_calls_of_its_stateless_kinds, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c07_a_shard_that_was_given_and_came_back_in_one_view_is_served, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c07_a_drain_lets_in_what_a_turn_waits_for_though_it_was_held_before, host_lab_setup,
            host_lab_teardown),
    };

    if (argc > 1) { /* one test, or some by a pattern */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
