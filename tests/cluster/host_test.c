/*
 * Grains in one process, in the lab of host_lab.h: what is called and how calls end, and what happens when memory runs out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "activation.h"
#include "host_lab.h"

/* ---- c01, c02, c03 */

static void c01_a_grain_exists_by_being_called_and_keeps_its_data(void **state)
{
    host_lab *l = *state;

    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "alice", 5), 5);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "alice", 7), 12);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "bob", 1), 1);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

static void c01_many_concurrent_first_calls_make_one_activation(void **state)
{
    host_lab *l = *state;
    gr_future *futures[300];
    int64_t sum = 0;

    for (int i = 0; i < 300; i++) {
        futures[i] = host_lab_start(l, &probe_kind, PROBE_ADD, "crowd", 1, 0);
    }
    for (int i = 0; i < 300; i++) {
        assert_int_equal(host_lab_finish(l, futures[i], &sum), GR_OK);
        assert_int_equal(sum, i + 1);
    }
    assert_int_equal(atomic_load(&l->world.activated), 1);
}

static void c02_the_same_identity_under_two_kinds_is_two_grains(void **state)
{
    host_lab *l = *state;

    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "same", 5), 5);
    assert_int_equal(host_lab_call(l, &probe_twin, PROBE_ADD, "same", 1), 1);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

static void c02_identities_are_utf8_of_1_to_512_bytes_without_control_characters(void **state)
{
    host_lab *l = *state;
    char longest[GR_IDENTITY_BYTES_MAX + 2];
    const char *bad[] = {
        "",         "a\nb",    "\x7f", "\xc3\x28", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80",
        "\xc2\x85", "\xe2\x82"};
    const char *good[] = {"x", "a/b", "caf\xc3\xa9", "\xf0\x9f\x90\x9d", "a b", "\xc2\xa0"};

    memset(longest, 'x', sizeof(longest));
    longest[GR_IDENTITY_BYTES_MAX] = '\0';
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, longest, 3), 3);
    longest[GR_IDENTITY_BYTES_MAX] = 'x';
    longest[GR_IDENTITY_BYTES_MAX + 1] = '\0';
    assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_ADD, longest, 3, 0, NULL),
                     GR_EINVAL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_ADD, bad[i], 3, 0, NULL),
                         GR_EINVAL);
        assert_non_null(strstr(gr_last_error()->text, "identity"));
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, good[i], (int64_t)i), i);
    }
}

static void c02_parts_join_into_identities_that_differ_when_the_parts_do(void **state)
{
    const char *one[] = {"a/b", "c"}, *two[] = {"a", "b/c"}, *three[] = {"a\\", "b"};
    char first[GR_IDENTITY_BYTES_MAX + 1], second[GR_IDENTITY_BYTES_MAX + 1];

    (void)state;
    assert_int_equal(gr_identity_join(one, 2, first), GR_OK);
    assert_int_equal(gr_identity_join(two, 2, second), GR_OK);
    assert_string_equal(first, "a\\/b/c");
    assert_string_equal(second, "a/b\\/c");
    assert_int_equal(gr_identity_join(three, 2, first), GR_OK);
    assert_string_equal(first, "a\\\\/b");
    assert_int_equal(gr_identity_join(three, 0, first), GR_EINVAL);
}

static void c03_an_unknown_kind_and_method_are_named_at_once(void **state)
{
    host_lab *l = *state;
    gr_kind_info stranger = probe_kind;
    gr_method other = probe_kind.methods[PROBE_ADD];
    Probe__Ask ask = PROBE__ASK__INIT;
    int64_t before_ms = gr_system_now(l->sys);

    stranger.name = "probe.Stranger";
    stranger.hash = 4711;
    assert_int_equal(probe_call(&l->caller, &stranger, PROBE_ADD, "x", 1, 0, NULL), GR_ENOKIND);
    assert_non_null(strstr(gr_last_error()->text, "probe.Stranger"));
    other.hash = 4712;
    other.full_name = "probe.Probe/Other";
    assert_int_equal(gr_call(&l->caller, &probe_kind, &other, "x", &ask, NULL, NULL), GR_ENOMETHOD);
    assert_non_null(strstr(gr_last_error()->text, "probe.Probe/Other"));
    assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_ABSENT, "x", 1, 0, NULL),
                     GR_ENOMETHOD);
    assert_non_null(strstr(gr_last_error()->text, "probe.Probe/Absent"));
    assert_int_equal(gr_system_now(l->sys), before_ms);
}

static void c03_a_request_of_another_type_is_an_error_that_names_both(void **state)
{
    host_lab *l = *state;
    gr_method other = probe_kind.methods[PROBE_ADD];
    Probe__Why why = PROBE__WHY__INIT;

    why.reason = (char *)(uintptr_t) "not a number";
    other.request = &probe_why_type; /* its first field is text where a number is wanted */
    assert_int_equal(gr_call(&l->caller, &probe_kind, &other, "x", &why, NULL, NULL), GR_EDECODE);
    assert_non_null(strstr(gr_last_error()->text, "probe.Probe/Add"));
    assert_non_null(strstr(gr_last_error()->text, "probe.Ask"));
    assert_int_equal(atomic_load(&l->world.activated), 0);
}

static void g06_a_kind_whose_table_lacks_a_method_is_refused_by_name(void **state)
{
    host_lab *l = *state;
    probe_methods lacking = {.world = &l->world};
    gr_kind *kinds[] = {gr_kind_new(&probe_kind, &lacking), NULL};
    gri_host_options options = {.sys = l->sys,
                                .exchange = l->exchange,
                                .may_act = l->host->gate.may_act,
                                .may_act_self = l,
                                .shards = 1};
    gri_host *host = NULL;

    assert_int_equal(gri_host_new(&options, kinds, &host), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "probe.Probe/Add"));
    (void)gr_kind_free(kinds[0]);
}

/* ---- c05 */

static void c05_a_methods_own_error_arrives_with_code_message_and_details(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_msg *details = NULL;
    gr_call_options options = {.details_type = &probe_why_type, .out_details = &details};

    ask.number = 3;
    assert_int_equal(gr_call(&l->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_FAIL), "x",
                             &ask, &options, NULL),
                     PROBE_WHY_CODE);
    assert_string_equal(gr_last_error()->text, "no, said x to 3");
    assert_non_null(details);
    assert_string_equal(((const Probe__Why *)gr_msg_read(details, &probe_why_type))->reason,
                        "because it was asked to");
    details = gr_msg_unref(details);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 1), 1);
    assert_int_equal(atomic_load(&l->world.activated), 1); /* an error is no failure of the grain */
}

static void c05_a_crash_is_an_error_to_its_caller_only_and_the_grain_starts_afresh(void **state)
{
    host_lab *l = *state;
    gr_future *before = NULL, *after = NULL;
    int64_t number = 0;

    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 5), 5);
    before = host_lab_start(l, &probe_kind, PROBE_CRASH, "x", 0, 0);
    after = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    assert_int_equal(host_lab_finish(l, before, NULL), GR_EFAILED);
    assert_non_null(strstr(gr_last_error()->text, "the disk of x is on fire"));
    assert_int_equal(host_lab_finish(l, after, &number), GR_OK);
    assert_int_equal(number, 1); /* fresh data */
    assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_PANIC, "x", 1, 0, NULL), GR_EFAILED);
    assert_non_null(strstr(gr_last_error()->text, "x has lost its head"));
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 2), 2);
}

static void
c14_a_grain_that_fails_too_often_is_given_up_and_the_next_call_makes_a_new_one(void **state)
{
    host_lab *l = *state;

    for (int i = 0; i < 30; i++) {
        assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_ADD, "x", 1, 0, NULL), GR_OK);
        assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_CRASH, "x", 1, 0, NULL),
                         GR_EFAILED);
    }
    assert_true(atomic_load(&l->world.deactivated[GR_DEACTIVATION_FAILED]) >= 1);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 2), 2);
}

static void a_first_hook_that_fails_fails_all_who_wait_and_leaves_nothing_behind(void **state)
{
    host_lab *l = *state;
    gr_future *futures[10];

    atomic_store(&l->world.fail_activations, 1);
    for (int i = 0; i < 10; i++) {
        futures[i] = host_lab_start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(host_lab_finish(l, futures[i], NULL), PROBE_WHY_CODE);
        assert_non_null(strstr(gr_last_error()->text, "x will not get up"));
    }
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->host->activations), 0);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 1), 1);
}

/* ---- memory runs out */

static void r36_the_nth_allocation_fails_in_a_call_and_nothing_else_does(void **state)
{
    host_lab *l = *state;
    uint64_t nth = 0;
    uint64_t made = 0;

    do {
        char identity[24];
        int64_t sum = 0;
        gr_err err = GR_OK;

        (void)snprintf(identity, sizeof(identity), "n%d", (int)(nth % 10));
        gri_mem_fail_nth(++nth);
        err = probe_call(&l->caller, &probe_brief, PROBE_ADD, identity, 1, 0, &sum);
        gr_stepped_run_until_idle(l->stepped);
        made = gri_mem_count();
        gri_mem_fail_nth(0);
        assert_true(err == GR_OK || err == GR_ENOMEM || err == GR_ENOTRUN || err == GR_EUNKNOWN ||
                    err == GR_EBUSY || err == GR_EFAILED);
        gr_stepped_advance(l->stepped, 500); /* asleep again, so that the next one wakes */
        assert_int_equal(host_lab_call(l, &probe_brief, PROBE_ADD, identity, 1) >= 1, 1);
        gr_stepped_advance(l->stepped, 500);
        assert_int_equal(atomic_load(&l->host->activations), 0);
    } while (made >= nth);
    assert_true(nth > 5);
}

static gr_err fail_with(host_lab *l, gr_err code)
{
    Probe__Ask ask = PROBE__ASK__INIT;

    ask.code = (uint32_t)code;
    return gr_call(&l->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_FAIL), "x", &ask,
                   NULL, NULL);
}

static void c05_a_methods_error_is_never_taken_for_a_call_that_did_not_run(void **state)
{
    host_lab *l = *state;
    gr_err about_calls[] = {GR_ENOTRUN,   GR_EUNKNOWN, GR_EBUSY,   GR_ENOKIND, GR_ENOMETHOD,
                            GR_ETIMEDOUT, GR_ESTOPPED, GR_EDECODE, GR_ETOOBIG};
    gr_err others[] = {GR_EINVAL, GR_ENOMEM, GR_EIO, GR_EDEADLOCK, GR_ENOTFOUND, GR_EFAILED};

    for (size_t i = 0; i < sizeof(about_calls) / sizeof(about_calls[0]); i++) {
        assert_int_equal(fail_with(l, about_calls[i]), GR_EFAILED);
        assert_non_null(strstr(gr_last_error()->text, gr_err_name(about_calls[i])));
        assert_non_null(strstr(gr_last_error()->text, "as it was told"));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(fail_with(l, others[i]), others[i]);
        assert_string_equal(gr_last_error()->text, "as it was told");
    }
    assert_int_equal(atomic_load(&l->world.activated), 1);
}

static gr_err hook_cannot_reach(void *arg, gr_grain *grain)
{
    (void)arg;
    (void)grain;
    return gr_fail(GR_ENOTRUN, "the store did not answer");
}

static void c05_a_first_hooks_error_is_never_taken_for_a_call_that_may_be_tried_again(void **state)
{
    host_lab *l = *state;

    l->world.on_activated = hook_cannot_reach;
    assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_ADD, "x", 1, 0, NULL), GR_EFAILED);
    assert_string_equal(gr_last_error()->text, "GR_ENOTRUN: the store did not answer");
}

/* ---- what the log says */

static void c14_a_grain_that_fails_is_named_and_its_last_hook_sees_the_old_data_go(void **state)
{
    host_lab *l = *state;

    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "alice", 1), 1);
    assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_CRASH, "alice", 1, 0, NULL),
                     GR_EFAILED);
    gr_stepped_run_until_idle(l->stepped);
    assert_non_null(strstr(l->heard.failed, "(probe.Probe alice)"));
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_FAILED]), 1);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "alice", 1), 1);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

static void c05_a_one_way_call_that_fails_is_told_once_a_second(void **state)
{
    host_lab *l = *state;
    Probe__Ask ask = PROBE__ASK__INIT;

    ask.code = GR_EIO;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(gr_call_one_way(&l->caller, &probe_kind,
                                         probe_method_of(&probe_kind, PROBE_NOTE), "x", &ask, NULL),
                         GR_OK);
    }
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(l->heard.one_ways, 1);
    gr_stepped_advance(l->stepped, 1000);
    assert_int_equal(gr_call_one_way(&l->caller, &probe_kind,
                                     probe_method_of(&probe_kind, PROBE_NOTE), "x", &ask, NULL),
                     GR_OK);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(l->heard.one_ways, 2);
}

static void c05_a_call_that_runs_when_its_process_closes_is_unknown_even_if_idempotent(void **state)
{
    host_lab *l = *state;
    gr_future *get = host_lab_start(l, &probe_kind, PROBE_GET, "x", 0, 1000);
    gr_err err = GR_OK;

    gr_stepped_advance(l->stepped, 100);
    assert_int_equal(atomic_load(&l->world.running), 1);
    gri_exchange_close(l->exchange);
    err = host_lab_finish(l, get, NULL);
    assert_int_equal(err, GR_EUNKNOWN);
}

static void a_call_that_has_not_come_through_the_host_is_a_dead_letter(void **state)
{
    host_lab *l = *state;
    gri_call_message made_up = {.kind = probe_kind.hash,
                                .method = probe_method_of(&probe_kind, PROBE_ADD)->hash,
                                .sys = l->sys,
                                .identity = "x"};
    gri_activation *activation = NULL;
    gri_slice *slice = NULL;
    uint64_t dead = 0;

    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 1), 1);
    for (size_t i = 0; activation == NULL && (slice = gri_host_slice_at(l->host, i)) != NULL; i++) {
        activation = slice->table;
    }
    assert_non_null(activation);
    dead = gr_system_counters(l->sys).dead_letters;
    assert_int_equal(gr_send(l->sys, activation->pid, gri_call_message_new(&made_up)), GR_OK);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(gr_system_counters(l->sys).dead_letters, dead + 1);
    assert_int_equal(host_lab_call(l, &probe_kind, PROBE_ADD, "x", 1), 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(c01_a_grain_exists_by_being_called_and_keeps_its_data,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c01_many_concurrent_first_calls_make_one_activation,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c02_the_same_identity_under_two_kinds_is_two_grains,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c02_identities_are_utf8_of_1_to_512_bytes_without_control_characters, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test(c02_parts_join_into_identities_that_differ_when_the_parts_do),
        cmocka_unit_test_setup_teardown(c03_an_unknown_kind_and_method_are_named_at_once,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(c03_a_request_of_another_type_is_an_error_that_names_both,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(g06_a_kind_whose_table_lacks_a_method_is_refused_by_name,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c05_a_methods_own_error_arrives_with_code_message_and_details, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c05_a_crash_is_an_error_to_its_caller_only_and_the_grain_starts_afresh, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c14_a_grain_that_fails_too_often_is_given_up_and_the_next_call_makes_a_new_one,
            host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            a_first_hook_that_fails_fails_all_who_wait_and_leaves_nothing_behind, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            r36_the_nth_allocation_fails_in_a_call_and_nothing_else_does, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c05_a_methods_error_is_never_taken_for_a_call_that_did_not_run, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c05_a_first_hooks_error_is_never_taken_for_a_call_that_may_be_tried_again,
            host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c14_a_grain_that_fails_is_named_and_its_last_hook_sees_the_old_data_go, host_lab_setup,
            host_lab_teardown),
        cmocka_unit_test_setup_teardown(c05_a_one_way_call_that_fails_is_told_once_a_second,
                                        host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(
            c05_a_call_that_runs_when_its_process_closes_is_unknown_even_if_idempotent,
            host_lab_setup, host_lab_teardown),
        cmocka_unit_test_setup_teardown(a_call_that_has_not_come_through_the_host_is_a_dead_letter,
                                        host_lab_setup, host_lab_teardown),
    };

    if (argc > 1) { /* one test, or some by a pattern */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
