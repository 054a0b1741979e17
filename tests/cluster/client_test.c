/*
 * What clients say when no node answers, and what they leave alone. With real threads, sockets and files.
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

#include <granary/client.h>
#include <granary/node.h>

#include "probe.h"

enum { PATIENCE_MS = 1500, CALL_MS = 1000 };

typedef struct lab {
    char folder[32];
    char path[64];
    char coordinator[80];
    size_t message_bytes_max;
    probe_world world;
    probe_methods methods;
    gr_node *node;
    gr_client *client;
} lab;

static int setup(void **state)
{
    lab *l = calloc(1, sizeof(*l));

    (void)snprintf(l->folder, sizeof(l->folder), "/tmp/granary-client-XXXXXX");
    assert_non_null(mkdtemp(l->folder));
    (void)snprintf(l->path, sizeof(l->path), "%s/cluster.db", l->folder);
    (void)snprintf(l->coordinator, sizeof(l->coordinator), "sqlite:%s", l->path);
    l->methods = probe_methods_of(&l->world);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    lab *l = *state;
    char name[80];

    (void)gr_client_free(l->client);
    (void)gr_node_free(l->node);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", l->path, ends[i]);
        (void)unlink(name);
    }
    assert_int_equal(rmdir(l->folder), 0); /* nothing else was left */
    free(l);
    return 0;
}

static void start_node(lab *l)
{
    gr_node_options options = {.coordinator = l->coordinator,
                               .lease_ms = 1000,
                               .shards = 4,
                               .message_bytes_max = l->message_bytes_max};
    gr_kind *kinds[] = {gr_kind_new(&probe_kind, &l->methods), NULL};

    options.system.workers = 1;
    assert_int_equal(gr_node_start(&options, kinds, &l->node), GR_OK);
    l->world.sys = gr_node_system(l->node);
}

static void start_client(lab *l, const char *nodes, const char *cluster)
{
    gr_client_options options = {
        .nodes = nodes, .cluster = cluster, .message_bytes_max = l->message_bytes_max};

    options.system.workers = 1;
    if (gr_client_start(&options, &l->client) != GR_OK) {
        fail_msg("client: %s", gr_last_error()->text);
    }
}

static void assert_says(const char *words)
{
    if (strstr(gr_last_error()->text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", gr_last_error()->text, words);
    }
}

static gr_err call_with(const lab *l, const char *text, int64_t timeout_ms)
{
    const gr_call_options options = {.timeout_ms = timeout_ms};
    Probe__Ask ask = PROBE__ASK__INIT;

    ask.text = (char *)(uintptr_t)text;
    return gr_call(gr_client_caller(l->client), &probe_kind,
                   probe_method_of(&probe_kind, PROBE_ADD), "x", &ask, &options, NULL);
}

/* Waiting until it is ready, and a call, both fail and say these words. */
static void assert_both_say(const lab *l, const char *words, const char *more)
{
    assert_int_equal(gr_client_wait_ready(l->client, PATIENCE_MS), GR_EUNREACHABLE);
    assert_says(words);
    assert_says(more);
    assert_int_equal(call_with(l, "", CALL_MS), GR_ENOTRUN);
    assert_says(words);
    assert_says(more);
}

static void c19_an_address_where_nobody_listens_is_named_with_the_reason(void **state)
{
    start_client(*state, "tcp://127.0.0.1:1", NULL);
    assert_both_say(*state, "tcp://127.0.0.1:1", "refused");
}

static void c19_a_file_that_is_not_there_is_named_and_not_created(void **state)
{
    lab *l = *state;

    start_client(l, l->coordinator, NULL);
    assert_both_say(l, l->path, "no file");
    assert_int_not_equal(access(l->path, F_OK), 0);
}

static void c19_an_empty_file_is_named_and_left_empty(void **state)
{
    lab *l = *state;
    FILE *file = fopen(l->path, "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    start_client(l, l->coordinator, NULL);
    assert_both_say(l, l->path, "empty file");
    file = fopen(l->path, "r");
    assert_non_null(file);
    assert_int_equal(fgetc(file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void c19_a_cluster_that_the_coordinator_does_not_know_is_named(void **state)
{
    lab *l = *state;

    start_node(l);
    start_client(l, l->coordinator, "orange");
    assert_both_say(l, l->path, "orange");
}

static void c19_a_node_of_another_cluster_is_named_with_both_clusters(void **state)
{
    lab *l = *state;

    start_node(l);
    start_client(l, gr_node_address(l->node), "orange");
    assert_both_say(l, "orange", "default");
}

static void c19_a_client_that_starts_before_the_file_is_there_finds_the_nodes_later(void **state)
{
    lab *l = *state;

    start_client(l, l->coordinator, NULL);
    start_node(l);
    if (gr_client_wait_ready(l->client, 20000) != GR_OK) {
        fail_msg("%s", gr_last_error()->text);
    }
    assert_int_equal(
        probe_call(gr_client_caller(l->client), &probe_kind, PROBE_ADD, "x", 1, 0, NULL), GR_OK);
}

static void assert_invalid(gr_err err, const char *words)
{
    assert_int_equal(err, GR_EINVAL);
    assert_says(words);
}

static void what_is_null_is_named_instead_of_used(void **state)
{
    lab *l = *state;
    const gr_method *add = probe_method_of(&probe_kind, PROBE_ADD);
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_kind *no_kinds[] = {NULL};
    gr_future *future = NULL;
    gr_caller *caller = NULL;
    void *reply = NULL;

    start_client(l, "tcp://127.0.0.1:1", NULL);
    caller = gr_client_caller(l->client);
    assert_invalid(gr_call(NULL, &probe_kind, add, "x", &ask, NULL, &reply), "caller");
    assert_invalid(gr_call(caller, NULL, add, "x", &ask, NULL, &reply), "kind");
    assert_invalid(gr_call(caller, &probe_kind, NULL, "x", &ask, NULL, &reply), "method");
    assert_invalid(gr_call(caller, &probe_kind, add, NULL, &ask, NULL, &reply), "identity");
    assert_invalid(gr_call(caller, &probe_kind, add, "x", NULL, NULL, &reply), "request");
    assert_invalid(gr_call_future(NULL, &probe_kind, add, "x", &ask, NULL, &future), "caller");
    assert_invalid(gr_call_future(caller, &probe_kind, add, "x", NULL, NULL, &future), "request");
    assert_invalid(gr_call_one_way(NULL, &probe_kind, add, "x", &ask, NULL), "caller");
    assert_invalid(gr_call_one_way(caller, &probe_kind, add, "x", NULL, NULL), "request");
    assert_invalid(gr_call_await(caller, NULL, add, 0, &reply), "future");
    assert_invalid(gr_client_wait_ready(NULL, 0), "client");
    assert_null(gr_client_caller(NULL));
    assert_null(gr_client_system(NULL));
    assert_int_equal(gr_client_read_state(NULL), GR_CLIENT_LOST);
    assert_int_equal(gr_client_members(NULL, NULL, 0), 0);
    assert_int_equal(gr_client_owner(NULL, &probe_kind, "x"), 0);
    l->client = gr_client_free(l->client);
    assert_invalid(gr_client_start(NULL, &l->client), "options");
    assert_invalid(gr_node_start(NULL, no_kinds, &l->node), "options");
    assert_invalid(gr_node_start(&(gr_node_options){.coordinator = "sqlite:x"}, NULL, &l->node),
                   "kinds");
}

static void the_largest_message_is_what_nodes_and_clients_are_told(void **state)
{
    enum { LARGE = 5 * 1024 * 1024 };
    lab *l = *state;
    char *text = malloc(LARGE + 1);

    assert_non_null(text);
    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    start_node(l);
    start_client(l, gr_node_address(l->node), NULL);
    assert_int_equal(call_with(l, text, 20000), GR_ETOOBIG);
    l->client = gr_client_free(l->client);
    l->node = gr_node_free(l->node);
    l->message_bytes_max = 2 * LARGE;
    start_node(l);
    start_client(l, gr_node_address(l->node), NULL);
    if (call_with(l, text, 20000) != GR_OK) {
        fail_msg("%s", gr_last_error()->text);
    }
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            c19_an_address_where_nobody_listens_is_named_with_the_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(c19_a_file_that_is_not_there_is_named_and_not_created,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c19_an_empty_file_is_named_and_left_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(c19_a_cluster_that_the_coordinator_does_not_know_is_named,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(c19_a_node_of_another_cluster_is_named_with_both_clusters,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            c19_a_client_that_starts_before_the_file_is_there_finds_the_nodes_later, setup,
            teardown),
        cmocka_unit_test_setup_teardown(what_is_null_is_named_instead_of_used, setup, teardown),
        cmocka_unit_test_setup_teardown(the_largest_message_is_what_nodes_and_clients_are_told,
                                        setup, teardown),
    };

    if (argc > 1) { /* one test, or some by a pattern */
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
