/*
 * Clusters with real threads, real sockets and the SQLite coordinator, several nodes in one process. What is tested here is
 * that it works at all and loses nothing under load; what exactly happens when is tested under the stepper.
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
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include <granary/cluster_spi.h>

#include "node_internal.h"
#include "probe.h"

enum { NODES = 3, CALLERS = 4, GRAINS = 40, CALLS = 300 };

typedef struct lab {
    char path[64];
    char coordinator[80];
    gr_node *nodes[NODES];
    probe_world worlds[NODES];
    probe_methods methods[NODES];
    gr_client *client;
} lab;

static void log_line(void *arg, gr_log_level level, const char *id, const char *text)
{
    (void)arg;
    if (getenv("GRANARY_TEST_LOG") != NULL) {
        (void)fprintf(stderr, "%d %s %s\n", (int)level, id, text);
    }
}

static int setup(void **state)
{
    lab *l = calloc(1, sizeof(*l));

    (void)snprintf(l->path, sizeof(l->path), "/tmp/granary-threads-XXXXXX");
    assert_true(close(mkstemp(l->path)) == 0);
    (void)unlink(l->path);
    (void)snprintf(l->coordinator, sizeof(l->coordinator), "sqlite:%s", l->path);
    for (int i = 0; i < NODES; i++) {
        l->methods[i] = probe_methods_of(&l->worlds[i]);
    }
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    lab *l = *state;
    char extra[80];

    (void)gr_client_free(l->client);
    for (int i = 0; i < NODES; i++) {
        (void)gr_node_free(l->nodes[i]);
    }
    (void)unlink(l->path);
    (void)snprintf(extra, sizeof(extra), "%s-wal", l->path);
    (void)unlink(extra);
    (void)snprintf(extra, sizeof(extra), "%s-shm", l->path);
    (void)unlink(extra);
    free(l);
    return 0;
}

static void start_node(lab *l, int i)
{
    gr_node_options options = {.coordinator = l->coordinator, .lease_ms = 1000, .shards = 16};
    gr_kind *kinds[] = {gr_kind_new(&probe_kind, &l->methods[i]),
                        gr_kind_new(&probe_shared, &l->methods[i]), NULL};

    options.system.workers = 2;
    options.system.log = log_line;
    options.system.log_level = GR_LOG_DEBUG;
    if (gr_node_start(&options, kinds, &l->nodes[i]) != GR_OK) {
        fail_msg("node %d: %s", i, gr_last_error()->text);
    }
    l->worlds[i].sys = gr_node_system(l->nodes[i]);
}

static void start_client(lab *l, const char *nodes)
{
    gr_client_options options = {.nodes = nodes};

    options.system.workers = 2;
    options.system.log = log_line;
    options.system.log_level = GR_LOG_DEBUG;
    if (gr_client_start(&options, &l->client) != GR_OK ||
        gr_client_wait_ready(l->client, 20000) != GR_OK) {
        fail_msg("client: %s", gr_last_error()->text);
    }
}

typedef struct load {
    lab *lab;
    gr_caller *caller;
    int number;
    int calls;
    pthread_mutex_t lock;
    pthread_cond_t went_on;
    int done;    /* lock */
    bool failed; /* lock; and says why in `error` */
    int64_t adds[GRAINS];
    char error[300];
    pthread_t thread;
} load;

static void *run_load(void *arg)
{
    load *mine = arg;

    for (int i = 0; i < mine->calls && mine->error[0] == '\0'; i++) {
        int grain = (i * 7 + mine->number) % GRAINS;
        char identity[24];
        int64_t sum = 0;
        gr_err err = GR_OK;

        (void)snprintf(identity, sizeof(identity), "t%d", grain);
        err = probe_call(mine->caller, &probe_kind, PROBE_ADD, identity, 1, 0, &sum);
        if (err != GR_OK) {
            (void)snprintf(mine->error, sizeof(mine->error), "%s: %s", gr_err_name(err),
                           gr_last_error()->text);
        } else {
            mine->adds[grain]++;
        }
        (void)pthread_mutex_lock(&mine->lock);
        mine->done++;
        mine->failed = err != GR_OK;
        (void)pthread_cond_signal(&mine->went_on);
        (void)pthread_mutex_unlock(&mine->lock);
    }
    return NULL;
}

/* Waits until a load has made so many calls, or one that failed. */
static void wait_for_calls(load *other, int count)
{
    (void)pthread_mutex_lock(&other->lock);
    while (other->done < count && !other->failed) {
        (void)pthread_cond_wait(&other->went_on, &other->lock);
    }
    (void)pthread_mutex_unlock(&other->lock);
}

static void start_load(lab *l, load *loads, int calls)
{
    for (int i = 0; i < CALLERS; i++) {
        loads[i] = (load){.lab = l, .number = i, .calls = calls};
        (void)pthread_mutex_init(&loads[i].lock, NULL);
        (void)pthread_cond_init(&loads[i].went_on, NULL);
        loads[i].caller = i % 2 == 0 ? gr_client_caller(l->client) : gr_node_caller(l->nodes[1]);
        assert_int_equal(pthread_create(&loads[i].thread, NULL, run_load, &loads[i]), 0);
    }
}

static int finish_load(lab *l, load *loads)
{
    int done = 0;
    int ran = 0;

    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(loads[i].thread, NULL), 0);
        (void)pthread_mutex_destroy(&loads[i].lock);
        (void)pthread_cond_destroy(&loads[i].went_on);
        if (loads[i].error[0] != '\0') {
            fail_msg("caller %d: %s", i, loads[i].error);
        }
        done += loads[i].done;
    }
    for (int i = 0; i < NODES; i++) {
        ran += atomic_load(&l->worlds[i].calls);
    }
    assert_int_equal(ran, done); /* each ran once */
    return done;
}

static void c01_three_nodes_and_a_client_run_every_call_once(void **state)
{
    lab *l = *state;
    load loads[CALLERS];

    for (int i = 0; i < NODES; i++) {
        start_node(l, i);
    }
    start_client(l, l->coordinator);
    start_load(l, loads, CALLS);
    assert_int_equal(finish_load(l, loads), CALLERS * CALLS);
    for (int grain = 0; grain < GRAINS; grain++) {
        char identity[24];
        int64_t sum = 0;
        int64_t adds = 0;

        for (int i = 0; i < CALLERS; i++) {
            adds += loads[i].adds[grain];
        }
        (void)snprintf(identity, sizeof(identity), "t%d", grain);
        assert_int_equal(
            probe_call(gr_client_caller(l->client), &probe_kind, PROBE_GET, identity, 0, 0, &sum),
            GR_OK);
        assert_true(sum <= adds &&
                    sum > 0); /* less where its shard moved while the nodes came: it has no store */
    }
}

static void c07_a_join_and_a_polite_stop_under_load_lose_no_call(void **state)
{
    lab *l = *state;
    load loads[CALLERS];

    start_node(l, 0);
    start_node(l, 1);
    start_client(l, gr_node_address(l->nodes[1]));
    start_load(l, loads, 3000);
    wait_for_calls(&loads[0], 300);
    start_node(l, 2);
    wait_for_calls(&loads[0], 1000);
    if (gr_node_stop(l->nodes[0], 20000) != GR_OK) {
        fail_msg("stop: %s", gr_last_error()->text);
    }
    assert_int_equal(finish_load(l, loads), CALLERS * 3000);
}

static void a_node_shows_what_it_does(void **state)
{
    lab *l = *state;
    gr_node_counters counters;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    start_node(l, 0);
    assert_int_equal(
        probe_call(gr_node_caller(l->nodes[0]), &probe_kind, PROBE_ADD, "x", 1, 0, NULL), GR_OK);
    counters = gr_node_read_counters(l->nodes[0]);
    assert_int_equal(counters.members, 1);
    assert_int_equal(counters.shards_owned, 16);
    assert_int_equal(counters.activations, 1);
    assert_int_equal(counters.calls_replied, 1);
    assert_true(counters.lease_left_ms > 0 && counters.lease_left_ms <= 1000);
    gr_node_dump(l->nodes[0], out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "kind probe.Probe: 1 activations"));
    assert_non_null(strstr(text, "calls here: 1 replied, 0 failed, "));
    assert_non_null(strstr(text, "grains: 1 activated, 0 deactivated"));
    free(text);
}

typedef struct asker {
    gr_node *node;
    atomic_bool over;
    pthread_t thread;
} asker;

static void *ask_on(void *arg)
{
    asker *mine = arg;

    /* Relaxed: only ends the loop. */
    while (!atomic_load_explicit(&mine->over, memory_order_relaxed)) {
        gr_err err = gr_node_wait_ready(mine->node, 1);

        if (err != GR_OK && err != GR_ETIMEDOUT && err != GR_ESTOPPED) {
            abort();
        }
        (void)gr_node_read_counters(mine->node);
    }
    return NULL;
}

static void a_node_may_be_asked_whether_it_is_ready_while_another_thread_stops_it(void **state)
{
    enum { ASKERS = 3, ROUNDS = 3 };
    lab *l = *state;

    for (int round = 0; round < ROUNDS; round++) {
        asker askers[ASKERS];

        start_node(l, 0);
        assert_int_equal(gr_node_wait_ready(l->nodes[0], 20000), GR_OK);
        for (int i = 0; i < ASKERS; i++) {
            askers[i].node = l->nodes[0];
            atomic_init(&askers[i].over, false);
            assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_on, &askers[i]), 0);
        }
        assert_int_equal(gr_node_stop(l->nodes[0], 10000), GR_OK);
        for (int i = 0; i < ASKERS; i++) {
            atomic_store_explicit(&askers[i].over, true, memory_order_relaxed);
            assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        }
        l->nodes[0] = gr_node_free(l->nodes[0]);
    }
}

typedef struct stopper {
    gr_node *node;
    gr_err err;
    pthread_t thread;
} stopper;

static void *stop_it(void *arg)
{
    stopper *mine = arg;

    mine->err = gr_node_stop(mine->node, 10000);
    if (gr_node_wait_ready(mine->node, 10000) != GR_ESTOPPED) {
        abort(); /* whoever has stopped it knows that it has stopped */
    }
    return NULL;
}

static void a_node_that_several_threads_stop_has_stopped_for_all_of_them(void **state)
{
    enum { STOPPERS = 3 };
    lab *l = *state;
    stopper stoppers[STOPPERS];

    start_node(l, 0);
    for (int i = 0; i < STOPPERS; i++) {
        stoppers[i].node = l->nodes[0];
        assert_int_equal(pthread_create(&stoppers[i].thread, NULL, stop_it, &stoppers[i]), 0);
    }
    for (int i = 0; i < STOPPERS; i++) {
        assert_int_equal(pthread_join(stoppers[i].thread, NULL), 0);
        assert_int_equal(stoppers[i].err, GR_OK);
    }
}

/* SQLite's coordinator, which on demand cannot be opened. */
static atomic_bool shut;

static gr_err open_unless_shut(gr_system *sys, const char *cluster, const char *where, void *arg,
                               gr_coordinator **out_coordinator)
{
    (void)where;
    /* Relaxed: a switch of the test. */
    if (atomic_load_explicit(&shut, memory_order_relaxed)) {
        return gr_fail(GR_EIO, "shut by the test");
    }
    return gr_coordinator_sqlite()->open(sys, cluster, arg, NULL, out_coordinator);
}

static void c08_a_node_that_starts_over_is_waited_for_until_it_is_ready(void **state)
{
    lab *l = *state;
    static gr_coordinator_ops ops; /* outlives the node */
    gr_node_options options = {
        .coordinator_ops = &ops, .coordinator_arg = l->path, .lease_ms = 1000, .shards = 16};
    gr_kind *kinds[] = {gr_kind_new(&probe_kind, &l->methods[0]), NULL};
    int64_t began_ms = 0;

    ops = *gr_coordinator_sqlite();
    ops.open = open_unless_shut;
    assert_int_equal(gr_node_start(&options, kinds, &l->nodes[0]), GR_OK);
    assert_int_equal(gr_node_wait_ready(l->nodes[0], 20000), GR_OK);
    atomic_store_explicit(&shut, true, memory_order_relaxed);
    (void)unlink(l->path); /* the view is lost, so the node starts over, and cannot yet */
    while (gr_node_read_counters(l->nodes[0]).lease_left_ms > 0) {
        (void)sched_yield();
    }
    began_ms = gr_system_now(gr_node_system(l->nodes[0]));
    assert_int_equal(gr_node_wait_ready(l->nodes[0], 100), GR_ETIMEDOUT);
    assert_true(gr_system_now(gr_node_system(l->nodes[0])) - began_ms >= 100);
    atomic_store_explicit(&shut, false, memory_order_relaxed);
    assert_int_equal(gr_node_wait_ready(l->nodes[0], 20000), GR_OK);
    assert_int_equal(gr_node_read_counters(l->nodes[0]).fenced, 1);
}

static void a_thread_that_still_asks_for_the_right_to_act_of_a_stopped_node_is_told_no(void **state)
{
    lab *l = *state;
    gri_membership *held = NULL;

    start_node(l, 0);
    held = l->nodes[0]->current->joining; /* as a turn has it, between finding and asking it */
    assert_true(gri_membership_may_act(held));
    assert_int_equal(gr_node_stop(l->nodes[0], 10000), GR_OK);
    assert_false(gri_membership_may_act(held));
    gri_membership_suspect(held, 1);
    gri_membership_hint(held, UINT64_MAX);
}

static void wrong_options_are_named(void **state)
{
    lab *l = *state;
    gr_kind *none[] = {NULL};
    gr_node_options nowhere = {.coordinator = "etcd://x"};
    gr_node_options short_lease = {.coordinator = l->coordinator, .lease_ms = 10};
    gr_client_options nobody = {.nodes = ""};
    gr_client_options odd = {.nodes = "localhost:4000"};
    gr_node *node = NULL;
    gr_client *client = NULL;

    assert_int_equal(gr_node_start(&nowhere, none, &node), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "etcd://x"));
    assert_int_equal(gr_node_start(&short_lease, none, &node), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "500"));
    assert_int_equal(gr_client_start(&nobody, &client), GR_EINVAL);
    assert_int_equal(gr_client_start(&odd, &client), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "localhost:4000"));
    assert_non_null(strstr(gr_last_error()->text, "sqlite:PATH"));
    odd.nodes = "tcp://127.0.0.1:1,tcp://localhost:99999";
    assert_int_equal(gr_client_start(&odd, &client), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "tcp://localhost:99999"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(c01_three_nodes_and_a_client_run_every_call_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(c07_a_join_and_a_polite_stop_under_load_lose_no_call, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_node_shows_what_it_does, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_node_may_be_asked_whether_it_is_ready_while_another_thread_stops_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_node_that_several_threads_stop_has_stopped_for_all_of_them, setup, teardown),
        cmocka_unit_test_setup_teardown(c08_a_node_that_starts_over_is_waited_for_until_it_is_ready,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_thread_that_still_asks_for_the_right_to_act_of_a_stopped_node_is_told_no, setup,
            teardown),
        cmocka_unit_test_setup_teardown(wrong_options_are_named, setup, teardown),
    };

    if (argc > 1) { /* one test, or some by a pattern */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
