/*
 * Grains in one process: calls, the host and its turns, without other nodes and without a coordinator. The view is made by
 * hand and the lease is a switch, so the tests can take both away at will.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gri/mem.h>

#include "caller_internal.h"
#include "host.h"
#include "probe.h"
#include "receptionist.h"

enum { SHARDS = 8, SEED = 1 };

typedef struct lab {
    gr_stepped *stepped;
    gr_system *sys;
    gri_exchange *exchange;
    gri_host *host;
    gri_receptionist receptionist;
    gr_caller caller;
    probe_world world;
    probe_methods methods;
    bool leased;
    gri_view *view;
} lab;

static bool may_act(const void *self)
{
    return ((const lab *)self)->leased;
}

static gri_exchange *exchange_of(gr_caller *caller)
{
    return gri_exchange_ref(((lab *)((char *)caller - offsetof(lab, caller)))->exchange);
}

/* A view in which this node is the only member and owns every shard. */
static void found(lab *l)
{
    char *kinds[] = {(char *)(uintptr_t) "probe.Brief", (char *)(uintptr_t) "probe.Open",
                     (char *)(uintptr_t) "probe.Probe", (char *)(uintptr_t) "probe.Shared",
                     (char *)(uintptr_t) "probe.Twin"};
    gri_member self = {.node = gr_system_node(l->sys),
                       .address = (char *)(uintptr_t) "mem://self",
                       .role = (char *)(uintptr_t) "",
                       .kinds = kinds,
                       .kinds_count = 5,
                       .weight = 1};
    gri_view_event join = {
        .kind = GRI_VIEW_JOIN, .node = self.node, .member = &self, .wall_ms = 1000};
    gri_view_event settle = {.kind = GRI_VIEW_SETTLE, .node = self.node, .wall_ms = 1000};
    gri_view *unsettled = NULL;

    assert_int_equal(gri_view_next(NULL, &join, SHARDS, 77, &unsettled), GR_OK);
    assert_int_equal(gri_view_next(unsettled, &settle, SHARDS, 77, &l->view), GR_OK);
    (void)gri_view_unref(unsettled);
    assert_true(gri_exchange_view(l->exchange, l->view, true));
    gri_host_view(l->host, l->view);
}

static int setup(void **state)
{
    lab *l = calloc(1, sizeof(*l));
    gr_system_options options = {.name = "lab"};
    gri_host_options host = {
        .may_act = may_act, .may_act_self = l, .shards = SHARDS, .stateless_each = 2};
    const gr_kind_info *infos[] = {&probe_kind, &probe_twin, &probe_brief, &probe_open,
                                   &probe_shared};
    gr_kind *kinds[6] = {NULL};

    l->leased = true;
    l->methods = probe_methods_of(&l->world);
    assert_int_equal(gr_stepped_new(SEED, &l->stepped), GR_OK);
    options.stepped = l->stepped;
    assert_int_equal(gr_system_new(&options, &l->sys), GR_OK);
    l->world.sys = l->sys;
    assert_int_equal(gri_exchange_new(l->sys, NULL, NULL, &l->exchange), GR_OK);
    host.sys = l->sys;
    host.exchange = l->exchange;
    host.activations_max = 20;
    for (int i = 0; i < 5; i++) {
        kinds[i] = gr_kind_new(infos[i], &l->methods);
    }
    assert_int_equal(gri_host_new(&host, kinds, &l->host), GR_OK);
    for (int i = 0; i < 5; i++) {
        (void)gr_kind_free(kinds[i]);
    }
    assert_int_equal(gri_receptionist_open(&l->receptionist, l->sys, l->host), GR_OK);
    l->caller.exchange = exchange_of;
    l->caller.id = 1;
    found(l);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    lab *l = *state;

    gri_exchange_close(l->exchange);
    gri_host_close(l->host);
    gri_receptionist_close(&l->receptionist);
    assert_int_equal(gr_system_stop(l->sys, 10000), GR_OK);
    l->sys = gr_system_free(l->sys);
    (void)gri_host_free(l->host);
    gri_receptionist_fini(&l->receptionist);
    (void)gri_exchange_unref(l->exchange);
    (void)gri_view_unref(l->view);
    (void)gr_stepped_free(l->stepped);
    free(l);
    return 0;
}

static int64_t call(lab *l, const gr_kind_info *kind, enum probe_method method,
                    const char *identity, int64_t number)
{
    int64_t got = INT64_MIN;
    gr_err err = probe_call(&l->caller, kind, method, identity, number, 0, &got);

    if (err != GR_OK) {
        fail_msg("%s of %s: %s: %s", probe_method_of(kind, method)->full_name, identity,
                 gr_err_name(err), gr_last_error()->text);
    }
    return got;
}

static gr_future *start(lab *l, const gr_kind_info *kind, enum probe_method method,
                        const char *identity, int64_t number, uint32_t wait_ms)
{
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_future *future = NULL;

    ask.number = number;
    ask.wait_ms = wait_ms;
    assert_int_equal(gr_call_future(&l->caller, kind, probe_method_of(kind, method), identity, &ask,
                                    NULL, &future),
                     GR_OK);
    return future;
}

static gr_err finish(lab *l, gr_future *take_future, int64_t *out_number)
{
    void *reply = NULL;
    gr_err err = gr_call_await(&l->caller, take_future, &probe_kind.methods[0], GR_FOREVER, &reply);

    if (err == GR_OK && out_number != NULL) {
        *out_number = ((Probe__Tell *)reply)->number;
    }
    (void)gr_future_unref(take_future);
    if (err == GR_OK) {
        gr_reply_free(reply);
    }
    return err;
}

/* ---- c01, c02, c03 */

static void c01_a_grain_exists_by_being_called_and_keeps_its_data(void **state)
{
    lab *l = *state;

    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "alice", 5), 5);
    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "alice", 7), 12);
    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "bob", 1), 1);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

static void c01_many_concurrent_first_calls_make_one_activation(void **state)
{
    lab *l = *state;
    gr_future *futures[300];
    int64_t sum = 0;

    for (int i = 0; i < 300; i++) {
        futures[i] = start(l, &probe_kind, PROBE_ADD, "crowd", 1, 0);
    }
    for (int i = 0; i < 300; i++) {
        assert_int_equal(finish(l, futures[i], &sum), GR_OK);
        assert_int_equal(sum, i + 1);
    }
    assert_int_equal(atomic_load(&l->world.activated), 1);
}

static void c02_the_same_identity_under_two_kinds_is_two_grains(void **state)
{
    lab *l = *state;

    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "same", 5), 5);
    assert_int_equal(call(l, &probe_twin, PROBE_ADD, "same", 1), 1);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

static void c02_identities_are_utf8_of_1_to_512_bytes_without_control_characters(void **state)
{
    lab *l = *state;
    char longest[GR_IDENTITY_BYTES_MAX + 2];
    const char *bad[] = {
        "",         "a\nb",    "\x7f", "\xc3\x28", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80",
        "\xc2\x85", "\xe2\x82"};
    const char *good[] = {"x", "a/b", "caf\xc3\xa9", "\xf0\x9f\x90\x9d", "a b", "\xc2\xa0"};

    memset(longest, 'x', sizeof(longest));
    longest[GR_IDENTITY_BYTES_MAX] = '\0';
    assert_int_equal(call(l, &probe_kind, PROBE_ADD, longest, 3), 3);
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
        assert_int_equal(call(l, &probe_kind, PROBE_ADD, good[i], (int64_t)i), i);
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
    lab *l = *state;
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
    lab *l = *state;
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
    lab *l = *state;
    probe_methods lacking = {.world = &l->world};
    gr_kind *kinds[] = {gr_kind_new(&probe_kind, &lacking), NULL};
    gri_host_options options = {
        .sys = l->sys, .exchange = l->exchange, .may_act = may_act, .may_act_self = l, .shards = 1};
    gri_host *host = NULL;

    assert_int_equal(gri_host_new(&options, kinds, &host), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "probe.Probe/Add"));
    (void)gr_kind_free(kinds[0]);
}

/* ---- c05 */

static void c05_a_methods_own_error_arrives_with_code_message_and_details(void **state)
{
    lab *l = *state;
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
    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "x", 1), 1);
    assert_int_equal(atomic_load(&l->world.activated), 1); /* an error is no failure of the grain */
}

static void c05_a_crash_is_an_error_to_its_caller_only_and_the_grain_starts_afresh(void **state)
{
    lab *l = *state;
    gr_future *before = NULL, *after = NULL;
    int64_t number = 0;

    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "x", 5), 5);
    before = start(l, &probe_kind, PROBE_CRASH, "x", 0, 0);
    after = start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    assert_int_equal(finish(l, before, NULL), GR_EFAILED);
    assert_non_null(strstr(gr_last_error()->text, "the disk of x is on fire"));
    assert_int_equal(finish(l, after, &number), GR_OK);
    assert_int_equal(number, 1); /* fresh data */
    assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_PANIC, "x", 1, 0, NULL), GR_EFAILED);
    assert_non_null(strstr(gr_last_error()->text, "x has lost its head"));
    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "x", 2), 2);
}

static void
c14_a_grain_that_fails_too_often_is_given_up_and_the_next_call_makes_a_new_one(void **state)
{
    lab *l = *state;

    for (int i = 0; i < 30; i++) {
        assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_ADD, "x", 1, 0, NULL), GR_OK);
        assert_int_equal(probe_call(&l->caller, &probe_kind, PROBE_CRASH, "x", 1, 0, NULL),
                         GR_EFAILED);
    }
    assert_true(atomic_load(&l->world.deactivated[GR_DEACTIVATION_FAILED]) >= 1);
    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "x", 2), 2);
}

static void a_first_hook_that_fails_fails_all_who_wait_and_leaves_nothing_behind(void **state)
{
    lab *l = *state;
    gr_future *futures[10];

    atomic_store(&l->world.fail_activations, 1);
    for (int i = 0; i < 10; i++) {
        futures[i] = start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(finish(l, futures[i], NULL), PROBE_WHY_CODE);
        assert_non_null(strstr(gr_last_error()->text, "x will not get up"));
    }
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->host->activations), 0);
    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "x", 1), 1);
}

/* ---- c13, c14 */

static void c13_an_idle_grain_sleeps_after_its_time_and_not_before(void **state)
{
    lab *l = *state;

    assert_int_equal(call(l, &probe_brief, PROBE_ADD, "x", 5), 5);
    gr_stepped_advance(l->stepped, 150);
    assert_int_equal(call(l, &probe_brief, PROBE_ADD, "x", 1), 6);
    gr_stepped_advance(l->stepped, 190);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_IDLE]), 0);
    gr_stepped_advance(l->stepped, 60);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_IDLE]), 1);
    assert_int_equal(atomic_load(&l->host->activations), 0);
    assert_int_equal(call(l, &probe_brief, PROBE_ADD, "x", 2), 2);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

static void c13_a_long_call_keeps_its_grain_awake(void **state)
{
    lab *l = *state;
    gr_future *future = start(l, &probe_brief, PROBE_WAIT, "x", 9, 1000);
    int64_t number = 0;

    assert_int_equal(finish(l, future, &number), GR_OK);
    assert_int_equal(number, 9);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_IDLE]), 0);
}

static void c13_the_cap_on_activations_is_kept_under_a_scan(void **state)
{
    lab *l = *state;
    char identity[24];

    for (int i = 0; i < 200; i++) {
        (void)snprintf(identity, sizeof(identity), "scan-%d", i);
        assert_int_equal(call(l, &probe_kind, PROBE_ADD, identity, 1), 1);
        assert_true(atomic_load(&l->host->activations) <= 20);
    }
    assert_true(atomic_load(&l->world.deactivated[GR_DEACTIVATION_CAPACITY]) >= 180);
}

static void c14_a_grain_that_asks_for_its_end_is_new_for_the_next_call(void **state)
{
    lab *l = *state;
    gr_future *quits = NULL, *adds = NULL;
    int64_t number = 0;

    assert_int_equal(call(l, &probe_kind, PROBE_ADD, "x", 5), 5);
    quits = start(l, &probe_kind, PROBE_QUIT, "x", 0, 0);
    adds = start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    assert_int_equal(finish(l, quits, &number), GR_OK);
    assert_int_equal(number, 5);
    assert_int_equal(finish(l, adds, &number), GR_OK);
    assert_int_equal(number, 1);
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_ASKED]), 1);
}

static void c20_a_timer_fires_as_turns_and_ends_with_its_activation(void **state)
{
    lab *l = *state;

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

static void walk_in_a_circle(lab *l, size_t length)
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
    lab *l = *state;
    int64_t before_ms = gr_system_now(l->sys);

    walk_in_a_circle(l, 1);
    walk_in_a_circle(l, 2);
    walk_in_a_circle(l, 3);
    walk_in_a_circle(l, 10);
    assert_int_equal(gr_system_now(l->sys), before_ms);
}

static void c15_turns_of_a_grain_do_not_interleave_unless_declared(void **state)
{
    lab *l = *state;
    gr_future *futures[5];

    for (int i = 0; i < 5; i++) {
        futures[i] = start(l, &probe_kind, PROBE_WAIT, "x", 1, 100);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(finish(l, futures[i], NULL), GR_OK);
    }
    assert_int_equal(atomic_load(&l->world.running_most), 1);
    for (int i = 0; i < 5; i++) {
        futures[i] = start(l, &probe_open, PROBE_WAIT, "x", 1, 100);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(finish(l, futures[i], NULL), GR_OK);
    }
    assert_int_equal(atomic_load(&l->world.running_most), 5);
}

static void c15_read_only_calls_run_side_by_side_but_not_beside_others(void **state)
{
    lab *l = *state;
    gr_future *reads[2], *write = NULL;
    int64_t number = 0;

    for (int i = 0; i < 2; i++) {
        reads[i] = start(l, &probe_brief, PROBE_GET, "x", 0, 100);
    }
    write = start(l, &probe_brief, PROBE_ADD, "x", 5, 0);
    gr_stepped_advance(l->stepped, 50);
    assert_int_equal(atomic_load(&l->world.running), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(finish(l, reads[i], &number), GR_OK);
        assert_int_equal(number, 0);
    }
    assert_int_equal(finish(l, write, &number), GR_OK);
    assert_int_equal(number, 5);
}

/* ---- c16, c17, c18 */

static void c16_a_call_whose_time_is_over_is_not_started(void **state)
{
    lab *l = *state;
    gr_future *busy = start(l, &probe_kind, PROBE_WAIT, "x", 1, 400);
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 100};
    int calls = 0;

    gr_stepped_run_until_idle(l->stepped);
    calls = atomic_load(&l->world.calls);
    ask.number = 1;
    assert_int_equal(gr_call(&l->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_ADD), "x",
                             &ask, &options, NULL),
                     GR_EUNKNOWN);
    assert_int_equal(finish(l, busy, NULL), GR_OK);
    gr_stepped_run_until_idle(l->stepped);
    assert_int_equal(atomic_load(&l->world.calls), calls);
}

static void c16_a_running_call_sees_that_its_caller_has_given_up(void **state)
{
    lab *l = *state;
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
    lab *l = *state;
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

        assert_int_equal(finish(l, futures[i], &sum), GR_OK);
        assert_int_equal(sum, last + 1); /* and in order */
        last = sum;
    }
}

static void c18_calls_of_one_caller_to_one_grain_arrive_in_their_order(void **state)
{
    lab *l = *state;
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
    lab *l = *state;
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
    assert_int_equal(finish(l, future, NULL), GR_OK);
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
    lab *l = *state;
    gr_future *future = start(l, &probe_kind, PROBE_ADD, "x", 5, 100);
    gr_future *next = start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    int64_t number = 0;

    gr_stepped_advance(l->stepped, 50);
    l->leased = false;
    gr_stepped_advance(l->stepped, 1000);
    assert_false(gr_future_ready(future));
    assert_int_equal(atomic_load(&l->world.calls), 1);
    l->leased = true;
    gri_lease_gate_open(&l->host->gate);
    assert_int_equal(finish(l, future, &number), GR_OK);
    assert_int_equal(number, 5);
    assert_int_equal(finish(l, next, &number), GR_OK);
    assert_int_equal(number, 6);
}

static void a_fenced_node_answers_nothing_that_it_had_begun_and_refuses_the_rest(void **state)
{
    lab *l = *state;
    gr_future *begun = start(l, &probe_kind, PROBE_ADD, "x", 5, 100);
    gr_future *waits = start(l, &probe_kind, PROBE_ADD, "x", 1, 0);

    gr_stepped_advance(l->stepped, 50);
    l->leased = false;
    gri_host_fence(l->host);
    assert_int_equal(finish(l, begun, NULL), GR_EUNKNOWN);
    assert_int_equal(finish(l, waits, NULL), GR_ENOTRUN);
    assert_int_equal(atomic_load(&l->world.calls), 1);
    assert_int_equal(atomic_load(&l->host->activations), 0);
}

/* ---- draining */

static void drain_all(lab *l)
{
    gri_shard_ref refs[SHARDS];

    for (uint32_t i = 0; i < SHARDS; i++) {
        refs[i] = (gri_shard_ref){"kind:probe.Probe", i, 0};
    }
    gri_host_drain(l->host, refs, SHARDS);
}

static void c07_a_drain_finishes_what_runs_and_holds_what_waits(void **state)
{
    lab *l = *state;
    gri_shard_ref refs[SHARDS];
    gr_future *runs = start(l, &probe_kind, PROBE_ADD, "x", 5, 100);
    gr_future *waits = start(l, &probe_kind, PROBE_ADD, "x", 1, 0);
    gr_future *later = NULL;
    int64_t number = 0;

    gr_stepped_advance(l->stepped, 50);
    drain_all(l);
    assert_int_equal(finish(l, runs, &number), GR_OK);
    assert_int_equal(number, 5);
    later = start(l, &probe_kind, PROBE_ADD, "x", 2, 0);
    gr_stepped_advance(l->stepped, 100);
    assert_false(gr_future_ready(waits));
    assert_int_equal(atomic_load(&l->world.deactivated[GR_DEACTIVATION_MOVED]), 1);
    for (uint32_t i = 0; i < SHARDS; i++) {
        refs[i] = (gri_shard_ref){"kind:probe.Probe", i, 0};
    }
    gri_host_drain_undone(l->host, refs, SHARDS); /* it stays after all */
    assert_int_equal(finish(l, waits, &number), GR_OK);
    assert_int_equal(number, 1);
    assert_int_equal(finish(l, later, &number), GR_OK);
    assert_int_equal(number, 3);
}

static void c07_a_drain_lets_in_the_calls_that_a_running_turn_waits_for(void **state)
{
    lab *l = *state;
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
    other = start(l, &probe_kind, PROBE_ADD, "c", 1, 0);
    before_ms = gr_system_now(l->sys);
    drain_all(l);
    assert_true(gr_system_now(l->sys) - before_ms < 1000);
    assert_int_equal(
        gr_call_await(&l->caller, walk, probe_method_of(&probe_kind, PROBE_WALK), 0, &reply),
        GR_OK);
    assert_int_equal(((Probe__Tell *)reply)->number, 3);
    assert_int_equal(atomic_load(&l->host->activations), 0);
    gr_reply_free(reply);
    (void)gr_future_unref(walk);
    gri_host_fence(l->host);
    (void)finish(l, other, NULL);
}

static void a_turn_that_outlasts_the_drain_loses_its_effects(void **state)
{
    lab *l = *state;
    gr_future *slow = NULL;
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 60000};

    ask.wait_ms = 20000;
    assert_int_equal(gr_call_future(&l->caller, &probe_kind,
                                    probe_method_of(&probe_kind, PROBE_ADD), "x", &ask, &options,
                                    &slow),
                     GR_OK);
    gr_stepped_advance(l->stepped, 50);
    drain_all(l); /* 5 s */
    assert_int_equal(atomic_load(&l->host->activations), 0);
    assert_int_equal(finish(l, slow, NULL), GR_EUNKNOWN);
}

static void c20_a_stateless_kind_runs_in_several_activations(void **state)
{
    lab *l = *state;
    gr_future *futures[4];

    for (int i = 0; i < 4; i++) {
        futures[i] = start(l, &probe_shared, PROBE_WAIT, "-", 1, 100);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(finish(l, futures[i], NULL), GR_OK);
    }
    assert_int_equal(atomic_load(&l->world.running_most), 2);
    assert_int_equal(atomic_load(&l->world.activated), 2);
}

/* ---- memory runs out */

static void r36_the_nth_allocation_fails_in_a_call_and_nothing_else_does(void **state)
{
    lab *l = *state;
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
        assert_int_equal(call(l, &probe_brief, PROBE_ADD, identity, 1) >= 1, 1);
        gr_stepped_advance(l->stepped, 500);
        assert_int_equal(atomic_load(&l->host->activations), 0);
    } while (made >= nth);
    assert_true(nth > 5);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(c01_a_grain_exists_by_being_called_and_keeps_its_data,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c01_many_concurrent_first_calls_make_one_activation, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c02_the_same_identity_under_two_kinds_is_two_grains, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            c02_identities_are_utf8_of_1_to_512_bytes_without_control_characters, setup, teardown),
        cmocka_unit_test(c02_parts_join_into_identities_that_differ_when_the_parts_do),
        cmocka_unit_test_setup_teardown(c03_an_unknown_kind_and_method_are_named_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c03_a_request_of_another_type_is_an_error_that_names_both,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(g06_a_kind_whose_table_lacks_a_method_is_refused_by_name,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            c05_a_methods_own_error_arrives_with_code_message_and_details, setup, teardown),
        cmocka_unit_test_setup_teardown(
            c05_a_crash_is_an_error_to_its_caller_only_and_the_grain_starts_afresh, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            c14_a_grain_that_fails_too_often_is_given_up_and_the_next_call_makes_a_new_one, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            a_first_hook_that_fails_fails_all_who_wait_and_leaves_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(c13_an_idle_grain_sleeps_after_its_time_and_not_before,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c13_a_long_call_keeps_its_grain_awake, setup, teardown),
        cmocka_unit_test_setup_teardown(c13_the_cap_on_activations_is_kept_under_a_scan, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c14_a_grain_that_asks_for_its_end_is_new_for_the_next_call,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c20_a_timer_fires_as_turns_and_ends_with_its_activation,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c15_a_cycle_of_1_2_3_and_10_grains_fails_at_once_naming_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c15_turns_of_a_grain_do_not_interleave_unless_declared,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c15_read_only_calls_run_side_by_side_but_not_beside_others,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c16_a_call_whose_time_is_over_is_not_started, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c16_a_running_call_sees_that_its_caller_has_given_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            c17_a_full_mailbox_is_refused_and_tried_again_until_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(c18_calls_of_one_caller_to_one_grain_arrive_in_their_order,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_turn_sends_leaves_at_its_end_and_not_when_it_crashes,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_lease_that_lapses_in_mid_turn_holds_the_answer_until_it_is_regained, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_fenced_node_answers_nothing_that_it_had_begun_and_refuses_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(c07_a_drain_finishes_what_runs_and_holds_what_waits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c07_a_drain_lets_in_the_calls_that_a_running_turn_waits_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_turn_that_outlasts_the_drain_loses_its_effects, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c20_a_stateless_kind_runs_in_several_activations, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            r36_the_nth_allocation_fails_in_a_call_and_nothing_else_does, setup, teardown),
    };

    if (argc > 1) { /* one test, or some by a pattern */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
