/*
 * Grains in clusters of several nodes and clients, in one thread under the stepper: joining, leaving, dying, calling.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gri/mem.h>

#include "cluster_lab.h"
#include "node_internal.h"

static int setup(void **state)
{
    cluster_lab *lab = calloc(1, sizeof(*lab));

    cluster_lab_init(lab, 1);
    *state = lab;
    return 0;
}

static int teardown(void **state)
{
    cluster_lab_fini(*state);
    free(*state);
    return 0;
}

static void start_nodes(cluster_lab *lab, int count)
{
    for (int i = 0; i < count; i++) {
        if (cluster_lab_start(lab, i, NULL, NULL) != GR_OK) {
            fail_msg("node %d: %s", i, gr_last_error()->text);
        }
    }
    assert_true(cluster_lab_settle(lab, 20000));
}

static void start_client(cluster_lab *lab)
{
    if (cluster_lab_client(lab, &lab->client) != GR_OK ||
        gr_client_wait_ready(lab->client, 5000) != GR_OK) {
        fail_msg("client: %s", gr_last_error()->text);
    }
    lab->caller = gr_client_caller(lab->client);
}

static int64_t call(cluster_lab *lab, enum probe_method method, const char *identity,
                    int64_t number)
{
    int64_t got = INT64_MIN;
    gr_err err = probe_call(lab->caller, &probe_kind, method, identity, number, 0, &got);

    if (err != GR_OK) {
        fail_msg("%s of %s at %lld: %s: %s", probe_method_of(&probe_kind, method)->full_name,
                 identity, (long long)gr_stepped_now(lab->stepped), gr_err_name(err),
                 gr_last_error()->text);
    }
    return got;
}

static void c01_first_calls_from_five_nodes_at_once_make_one_activation(void **state)
{
    cluster_lab *lab = *state;
    gr_future *futures[1000];
    Probe__Ask ask = PROBE__ASK__INIT;

    start_nodes(lab, 5);
    ask.number = 1;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(gr_call_future(gr_node_caller(lab->nodes[i % 5]), &probe_kind,
                                        probe_method_of(&probe_kind, PROBE_ADD), "crowd", &ask,
                                        NULL, &futures[i]),
                         GR_OK);
    }
    for (int i = 0; i < 1000; i++) {
        void *reply = NULL;
        gr_err err = gr_call_await(gr_node_caller(lab->nodes[i % 5]), futures[i],
                                   probe_method_of(&probe_kind, PROBE_ADD), GR_FOREVER, &reply);

        if (err != GR_OK) {
            fail_msg("call %d: %s", i, gr_last_error()->text);
        }
        gr_reply_free(reply);
        (void)gr_future_unref(futures[i]);
    }
    assert_int_equal(LAB_TOTAL(lab, activated), 1);
    assert_int_equal(LAB_TOTAL(lab, calls), 1000);
}

static void c19_a_client_calls_grains_on_every_node_from_one_address(void **state)
{
    cluster_lab *lab = *state;
    char identity[24];

    start_nodes(lab, 3);
    start_client(lab);
    for (int i = 0; i < 60; i++) {
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_int_equal(call(lab, PROBE_ADD, identity, i), i);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(atomic_load(&lab->worlds[i].activated) > 0);
    }
}

static void c19_a_client_may_start_before_the_nodes(void **state)
{
    cluster_lab *lab = *state;

    assert_int_equal(cluster_lab_client(lab, &lab->client), GR_OK);
    lab->caller = gr_client_caller(lab->client);
    assert_int_equal(gr_client_wait_ready(lab->client, 300), GR_EUNREACHABLE);
    assert_int_equal(gr_client_read_state(lab->client), GR_CLIENT_CONNECTING);
    start_nodes(lab, 1);
    assert_int_equal(gr_client_wait_ready(lab->client, 5000), GR_OK);
    assert_int_equal(call(lab, PROBE_ADD, "x", 1), 1);
}

static void c04_a_kind_that_only_another_node_hosts_is_called_there(void **state)
{
    cluster_lab *lab = *state;
    const gr_kind_info *const first[] = {&probe_kind, NULL};
    const gr_kind_info *const second[] = {&probe_twin, NULL};
    const gr_kind_info *const third[] = {&probe_elsewhere, NULL};
    int64_t number = 0;

    assert_int_equal(cluster_lab_start(lab, 0, first, NULL), GR_OK);
    assert_int_equal(cluster_lab_start(lab, 1, second, NULL), GR_OK);
    assert_true(cluster_lab_settle(lab, 20000));
    assert_int_equal(
        probe_call(gr_node_caller(lab->nodes[0]), &probe_elsewhere, PROBE_ADD, "x", 1, 0, &number),
        GR_ENOKIND);
    assert_non_null(
        strstr(gr_last_error()->text, "kind probe.Elsewhere, which asks for role 'elsewhere'"));
    assert_int_equal(cluster_lab_start(lab, 2, third, "elsewhere"), GR_OK);
    assert_true(cluster_lab_settle(lab, 20000));
    for (int i = 0; i < 3; i++) {
        gr_caller *caller = gr_node_caller(lab->nodes[i]);

        assert_int_equal(probe_call(caller, &probe_kind, PROBE_ADD, "x", 1, 0, &number), GR_OK);
        assert_int_equal(probe_call(caller, &probe_twin, PROBE_ADD, "x", 1, 0, &number), GR_OK);
        assert_int_equal(probe_call(caller, &probe_elsewhere, PROBE_ADD, "x", 1, 0, &number),
                         GR_OK);
        assert_int_equal(number, i + 1);
    }
    assert_int_equal(atomic_load(&lab->worlds[2].activated), 1);
}

static void c04_a_kind_that_no_node_hosts_fails_at_once_or_waits_if_asked_to(void **state)
{
    cluster_lab *lab = *state;
    const gr_kind_info *const first[] = {&probe_kind, NULL};
    const gr_kind_info *const second[] = {&probe_twin, NULL};
    gr_call_options options = {.timeout_ms = 20000, .wait_for_host = true};
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_future *future = NULL;
    void *reply = NULL;
    int64_t before_ms = 0;

    assert_int_equal(cluster_lab_start(lab, 0, first, NULL), GR_OK);
    assert_true(cluster_lab_settle(lab, 20000));
    start_client(lab);
    before_ms = gr_stepped_now(lab->stepped);
    assert_int_equal(probe_call(lab->caller, &probe_twin, PROBE_ADD, "x", 1, 0, NULL), GR_ENOKIND);
    assert_non_null(strstr(gr_last_error()->text, "probe.Twin"));
    assert_int_equal(gr_stepped_now(lab->stepped), before_ms);
    assert_int_equal(gr_call_future(lab->caller, &probe_twin,
                                    probe_method_of(&probe_twin, PROBE_ADD), "x", &ask, &options,
                                    &future),
                     GR_OK);
    gr_stepped_advance(lab->stepped, 3000);
    assert_false(gr_future_ready(future));
    assert_int_equal(cluster_lab_start(lab, 1, second, NULL), GR_OK);
    if (gr_call_await(lab->caller, future, probe_method_of(&probe_twin, PROBE_ADD), GR_FOREVER,
                      &reply) != GR_OK) {
        fail_msg("%s", gr_last_error()->text);
    }
    gr_reply_free(reply);
    (void)gr_future_unref(future);
}

/* Calls that are made one after the other while `fn` does something to the cluster; each must be replied to, once. */
typedef struct stream {
    cluster_lab *lab;
    int64_t sent[20];
    gr_future *futures[20];
    int64_t calls;
} stream;

static void stream_step(stream *s)
{
    for (int i = 0; i < 20; i++) {
        char identity[24];
        Probe__Ask ask = PROBE__ASK__INIT;
        void *reply = NULL;
        gr_err err = GR_OK;

        (void)snprintf(identity, sizeof(identity), "s%d", i);
        if (s->futures[i] != NULL && gr_future_ready(s->futures[i])) {
            err = gr_call_await(s->lab->caller, s->futures[i],
                                probe_method_of(&probe_kind, PROBE_ADD), GR_FOREVER, &reply);
            if (err != GR_OK) {
                fail_msg("call to %s at %lld: %s: %s", identity,
                         (long long)gr_stepped_now(s->lab->stepped), gr_err_name(err),
                         gr_last_error()->text);
            }
            gr_reply_free(reply);
            s->futures[i] = gr_future_unref(s->futures[i]);
            s->calls++;
        }
        if (s->futures[i] == NULL) {
            ask.number = 1;
            assert_int_equal(gr_call_future(s->lab->caller, &probe_kind,
                                            probe_method_of(&probe_kind, PROBE_ADD), identity, &ask,
                                            NULL, &s->futures[i]),
                             GR_OK);
            s->sent[i]++;
        }
    }
}

static void stream_run(stream *s, int64_t ms)
{
    int64_t until_ms = gr_stepped_now(s->lab->stepped) + ms;

    while (gr_stepped_now(s->lab->stepped) < until_ms) {
        stream_step(s);
        gr_stepped_advance(s->lab->stepped, 3);
    }
}

static void stream_end(stream *s)
{
    for (int i = 0; i < 20; i++) {
        void *reply = NULL;

        if (s->futures[i] != NULL) {
            gr_err err = gr_call_await(s->lab->caller, s->futures[i],
                                       probe_method_of(&probe_kind, PROBE_ADD), GR_FOREVER, &reply);

            if (err != GR_OK) {
                fail_msg("last call to s%d: %s: %s", i, gr_err_name(err), gr_last_error()->text);
            }
            gr_reply_free(reply);
            s->futures[i] = gr_future_unref(s->futures[i]);
            s->calls++;
        }
    }
    assert_int_equal(LAB_TOTAL(s->lab, calls), s->calls);
}

static gr_memory_faults slow_network = {.delay_min_ms = 1, .delay_max_ms = 5};

static void c07_a_join_and_a_polite_stop_lose_no_call_and_run_none_twice(void **state)
{
    cluster_lab *lab = *state;
    stream s = {.lab = lab};

    assert_int_equal(gr_memory_network_set_faults(lab->network, NULL, NULL, &slow_network), GR_OK);
    start_nodes(lab, 2);
    start_client(lab);
    stream_run(&s, 200);
    assert_int_equal(cluster_lab_start(lab, 2, NULL, NULL), GR_OK);
    stream_run(&s, 1500);
    assert_true(atomic_load(&lab->worlds[2].calls) > 0);
    assert_int_equal(cluster_lab_stop(lab, 0), GR_OK);
    stream_run(&s, 1000);
    stream_end(&s);
    assert_true(s.calls > 1000);
    assert_true(LAB_TOTAL(lab, deactivated[GR_DEACTIVATION_MOVED]) > 0);
    assert_true(atomic_load(&lab->worlds[0].deactivated[GR_DEACTIVATION_STOPPED]) > 0);
}

static void c07_ten_rolling_restarts_in_a_row_lose_no_call(void **state)
{
    cluster_lab *lab = *state;
    stream s = {.lab = lab};

    assert_int_equal(gr_memory_network_set_faults(lab->network, NULL, NULL, &slow_network), GR_OK);
    start_nodes(lab, 3);
    start_client(lab);
    for (int i = 0; i < 10; i++) {
        stream_run(&s, 100);
        assert_int_equal(cluster_lab_stop(lab, i % 3), GR_OK);
        stream_run(&s, 100);
        assert_int_equal(cluster_lab_start(lab, i % 3, NULL, NULL), GR_OK);
    }
    stream_run(&s, 1000);
    stream_end(&s);
}

static void c06_a_nodes_grains_answer_elsewhere_within_lease_time_and_a_second(void **state)
{
    cluster_lab *lab = *state;
    char identity[24];
    int64_t killed_ms = 0;

    start_nodes(lab, 3);
    start_client(lab);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_int_equal(call(lab, PROBE_ADD, identity, 1), 1);
    }
    killed_ms = gr_stepped_now(lab->stepped);
    cluster_lab_crash(lab, 1);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_true(call(lab, PROBE_GET, identity, 0) >=
                    0); /* may run twice, so it is tried again */
    }
    if (gr_stepped_now(lab->stepped) - killed_ms > LAB_LEASE_MS + 1000) {
        fail_msg("it took %lld ms", (long long)(gr_stepped_now(lab->stepped) - killed_ms));
    }
}

static void c06_calls_in_flight_to_a_dead_node_end_as_replied_or_unknown(void **state)
{
    cluster_lab *lab = *state;
    gr_future *futures[30];
    int unknown = 0;

    start_nodes(lab, 3);
    start_client(lab);
    for (int i = 0; i < 30; i++) {
        char identity[24];
        Probe__Ask ask = PROBE__ASK__INIT;
        gr_call_options options = {.timeout_ms = 15000};

        ask.wait_ms = 1000;
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_int_equal(gr_call_future(lab->caller, &probe_kind,
                                        probe_method_of(&probe_kind, PROBE_ADD), identity, &ask,
                                        &options, &futures[i]),
                         GR_OK);
    }
    gr_stepped_advance(lab->stepped, 100);
    cluster_lab_crash(lab, 1);
    gr_stepped_advance(lab->stepped, LAB_LEASE_MS + 1000);
    for (int i = 0; i < 30; i++) {
        void *reply = NULL;
        gr_err err = GR_OK;

        assert_true(gr_future_ready(futures[i]));
        err = gr_call_await(lab->caller, futures[i], probe_method_of(&probe_kind, PROBE_ADD), 0,
                            &reply);
        unknown += err == GR_EUNKNOWN ? 1 : 0;
        assert_true(err == GR_OK || err == GR_EUNKNOWN);
        if (err == GR_OK) {
            gr_reply_free(reply);
        }
        (void)gr_future_unref(futures[i]);
    }
    assert_true(unknown > 0 && unknown < 30);
}

/* The lines of one id. */
typedef struct heard_lines {
    const char *id;
    int count;
    char last[240];
} heard_lines;

static void hear_lines(void *arg, gr_log_level level, const char *id, const char *text)
{
    heard_lines *heard = arg;

    (void)level;
    if (strstr(id, heard->id) != NULL) {
        heard->count++;
        (void)snprintf(heard->last, sizeof(heard->last), "%s", text);
    }
}

static void c08_a_node_that_stalls_for_longer_than_its_lease_comes_back_under_a_new_id(void **state)
{
    cluster_lab *lab = *state;
    char identity[24];
    uint64_t old_id = 0;
    gr_system *stalled = NULL;
    static heard_lines back = {.id = "GR-NODE-BACK"};

    lab->log = hear_lines;
    lab->log_arg = &back;
    start_nodes(lab, 3);
    start_client(lab);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_int_equal(call(lab, PROBE_ADD, identity, 1), 1);
    }
    stalled = gr_node_system(lab->nodes[1]);
    old_id = gr_system_node(stalled);
    gr_stepped_stall(stalled, true);
    gr_stepped_advance(lab->stepped, 6000);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_true(call(lab, PROBE_ADD, identity, 1) >= 1);
    }
    gr_stepped_stall(stalled, false);
    gr_stepped_advance(lab->stepped, 1000);
    assert_int_equal(gr_node_read_counters(lab->nodes[1]).fenced, 1);
    assert_int_equal(gr_node_wait_ready(lab->nodes[1], 20000), GR_OK);
    assert_true(cluster_lab_settle(lab, 20000));
    assert_true(gr_system_node(gr_node_system(lab->nodes[1])) != old_id);
    assert_int_equal(back.count, 1);
    (void)snprintf(identity, sizeof(identity), "%016" PRIx64,
                   gr_system_node(gr_node_system(lab->nodes[1])));
    assert_non_null(strstr(back.last, identity));
    assert_non_null(strstr(back.last, "mem://node-1"));
    lab->worlds[1].sys = gr_node_system(lab->nodes[1]);
    assert_true(gr_node_read_counters(lab->nodes[1]).shards_owned > 0);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_true(call(lab, PROBE_ADD, identity, 1) >= 1);
        assert_true(probe_call(gr_node_caller(lab->nodes[1]), &probe_kind, PROBE_ADD, identity, 1,
                               0, NULL) == GR_OK);
    }
}

static void c10_a_coordinator_that_is_away_for_ten_seconds_costs_a_pause_and_no_grain(void **state)
{
    cluster_lab *lab = *state;
    gr_memory_store_faults away = {.unreachable = true};
    gr_memory_store_faults none = {0};
    char identity[24];
    static heard_lines lapsed = {.id = "LAPSED"};

    lab->log = hear_lines;
    lab->log_arg = &lapsed;
    start_nodes(lab, 3);
    start_client(lab);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_int_equal(call(lab, PROBE_ADD, identity, 1), 1);
    }
    assert_int_equal(gr_memory_store_set_faults(lab->store, 0, &away), GR_OK);
    gr_stepped_advance(lab->stepped, 5000);
    assert_int_equal(lapsed.count, 3); /* each node says so once */
    assert_int_equal(probe_call(lab->caller, &probe_kind, PROBE_ADD, "g1", 1, 0, NULL), GR_ENOTRUN);
    assert_int_equal(gr_memory_store_set_faults(lab->store, 0, &none), GR_OK);
    gr_stepped_advance(lab->stepped, 1000);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(identity, sizeof(identity), "g%d", i);
        assert_int_equal(call(lab, PROBE_ADD, identity, 1), 2);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gr_node_read_counters(lab->nodes[i]).fenced, 0);
    }
}

static void c15_a_cycle_over_several_nodes_fails_at_once_naming_it(void **state)
{
    cluster_lab *lab = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    char *path[] = {(char *)(uintptr_t) "b", (char *)(uintptr_t) "c", (char *)(uintptr_t) "d",
                    (char *)(uintptr_t) "a"};
    void *reply = NULL;

    start_nodes(lab, 4);
    start_client(lab);
    ask.path = path;
    ask.n_path = 4;
    assert_int_equal(gr_call(lab->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_WALK),
                             "a", &ask, NULL, NULL),
                     GR_EDEADLOCK);
    assert_string_equal(
        gr_last_error()->text,
        "probe.Probe/a -> probe.Probe/b -> probe.Probe/c -> probe.Probe/d -> probe.Probe/a");
    ask.n_path = 3;
    assert_int_equal(gr_call(lab->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_WALK),
                             "a", &ask, NULL, &reply),
                     GR_OK);
    assert_int_equal(((Probe__Tell *)reply)->number, 4);
    gr_reply_free(reply);
}

static void c19_losing_its_gateway_fails_no_call_and_is_told(void **state)
{
    cluster_lab *lab = *state;
    gr_member_info members[4];

    start_nodes(lab, 3);
    start_client(lab);
    assert_int_equal(gr_client_members(lab->client, members, 4), 3);
    for (int i = 0; i < 3; i++) { /* whichever it is, its gateway is among them */
        assert_int_equal(cluster_lab_stop(lab, i), GR_OK);
        assert_true(call(lab, PROBE_ADD, "x", 1) >= 1);
        assert_int_equal(cluster_lab_start(lab, i, NULL, NULL), GR_OK);
        assert_true(call(lab, PROBE_ADD, "x", 1) >= 1);
    }
    assert_int_equal(gr_client_read_state(lab->client), GR_CLIENT_READY);
    gr_stepped_advance(lab->stepped, 1000);
    assert_int_equal(gr_client_members(lab->client, members, 4), 3);
    for (int i = 0; i < 3; i++) {
        cluster_lab_crash(lab, i);
    }
    gr_stepped_advance(lab->stepped, 10000);
    assert_int_equal(gr_client_read_state(lab->client), GR_CLIENT_LOST);
}

static void c19_closing_a_client_leaves_nothing_on_any_node(void **state)
{
    cluster_lab *lab = *state;
    uint64_t sessions[2];

    start_nodes(lab, 2);
    for (int i = 0; i < 2; i++) {
        sessions[i] = gr_remote_read_counters(lab->nodes[i]->current->remote).sessions;
    }
    for (int n = 0; n < 5; n++) {
        start_client(lab);
        assert_true(call(lab, PROBE_ADD, "x", 1) >= 1);
        assert_true(call(lab, PROBE_ADD, "y", 1) >= 1);
        lab->client = gr_client_free(lab->client);
    }
    gr_stepped_advance(lab->stepped, 1000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gr_remote_read_counters(lab->nodes[i]->current->remote).sessions,
                         sessions[i]);
        assert_int_equal(lab->nodes[i]->current->receptionist.count, 0);
    }
}

static void c07_a_polite_stop_loses_no_call_of_a_stateless_kind(void **state)
{
    cluster_lab *lab = *state;
    gr_future *futures[8];
    Probe__Ask ask = PROBE__ASK__INIT;
    void *reply = NULL;

    start_nodes(lab, 2);
    start_client(lab);
    ask.wait_ms = 1000;
    for (int i = 0; i < 8; i++) { /* two may run on each node, so some wait */
        assert_int_equal(gr_call_future(lab->caller, &probe_shared,
                                        probe_method_of(&probe_shared, PROBE_WAIT), "-", &ask, NULL,
                                        &futures[i]),
                         GR_OK);
    }
    gr_stepped_advance(lab->stepped, 100);
    assert_int_equal(cluster_lab_stop(lab, 0), GR_OK);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(gr_call_await(lab->caller, futures[i],
                                       probe_method_of(&probe_shared, PROBE_WAIT), GR_FOREVER,
                                       &reply),
                         GR_OK);
        gr_reply_free(reply);
        (void)gr_future_unref(futures[i]);
    }
}

static void c05_a_reply_that_is_too_large_fails_its_call_at_once(void **state)
{
    cluster_lab *lab = *state;
    Probe__Ask ask = PROBE__ASK__INIT;
    int64_t before_ms = 0;

    start_nodes(lab, 1);
    start_client(lab);
    assert_true(call(lab, PROBE_ADD, "x", 1) >= 1);
    before_ms = gr_stepped_now(lab->stepped);
    ask.reply_bytes = 5 * 1024 * 1024;
    assert_int_equal(gr_call(lab->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_WAIT),
                             "x", &ask, NULL, NULL),
                     GR_EFAILED);
    assert_non_null(strstr(gr_last_error()->text, "it ran"));
    assert_non_null(strstr(gr_last_error()->text, "message_bytes_max"));
    assert_true(gr_stepped_now(lab->stepped) - before_ms < 1000);
}

static void r36_the_nth_allocation_fails_while_a_node_and_a_client_start(void **state)
{
    uint64_t nth = 0;
    uint64_t made = 0;

    (void)state;
    do {
        cluster_lab lab;
        gr_err err = GR_OK;

        cluster_lab_init(&lab, 1);
        nth += nth < 50 ? 1 : 9; /* later ones are much alike */
        gri_mem_fail_nth(nth);
        err = cluster_lab_try(&lab, 0);
        if (err == GR_OK && cluster_lab_client(&lab, &lab.client) == GR_OK &&
            gr_client_wait_ready(lab.client, 3000) == GR_OK) {
            err = probe_call(gr_client_caller(lab.client), &probe_kind, PROBE_ADD, "x", 1, 0, NULL);
        }
        made = gri_mem_count();
        gri_mem_fail_nth(0);
        cluster_lab_fini(&lab);
    } while (made >= nth);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(c01_first_calls_from_five_nodes_at_once_make_one_activation,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c19_a_client_calls_grains_on_every_node_from_one_address,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c19_a_client_may_start_before_the_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(c04_a_kind_that_only_another_node_hosts_is_called_there,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            c04_a_kind_that_no_node_hosts_fails_at_once_or_waits_if_asked_to, setup, teardown),
        cmocka_unit_test_setup_teardown(
            c07_a_join_and_a_polite_stop_lose_no_call_and_run_none_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(c07_ten_rolling_restarts_in_a_row_lose_no_call, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            c06_a_nodes_grains_answer_elsewhere_within_lease_time_and_a_second, setup, teardown),
        cmocka_unit_test_setup_teardown(
            c06_calls_in_flight_to_a_dead_node_end_as_replied_or_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(
            c08_a_node_that_stalls_for_longer_than_its_lease_comes_back_under_a_new_id, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            c10_a_coordinator_that_is_away_for_ten_seconds_costs_a_pause_and_no_grain, setup,
            teardown),
        cmocka_unit_test_setup_teardown(c15_a_cycle_over_several_nodes_fails_at_once_naming_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c19_losing_its_gateway_fails_no_call_and_is_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c19_closing_a_client_leaves_nothing_on_any_node, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c07_a_polite_stop_loses_no_call_of_a_stateless_kind, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c05_a_reply_that_is_too_large_fails_its_call_at_once, setup,
                                        teardown),
        cmocka_unit_test(r36_the_nth_allocation_fails_while_a_node_and_a_client_start),
    };

    if (argc > 1) { /* one test, or some by a pattern */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
