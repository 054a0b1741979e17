/*
 * Membership in real time and with real threads: three nodes in one process over one SQLite file, so
 * that ThreadSanitizer sees what the stepper cannot show.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <granary/runtime_spi.h>

#include "membership.h"

enum { NODES = 3, SHARDS = 64, LEASE_MS = 500, LIMIT_S = 20 };

#define TABLE "kind:test.Thing"

typedef struct node {
    gr_system *sys;
    gr_coordinator *coordinator;
    gri_membership *membership;
    pthread_t starter;
    char address[32];
    gr_err started;
} node;

static char folder[] = "/tmp/granary-threads-XXXXXX";
static char path[64];
static node nodes[NODES];
/* Signalled whenever a node is told something. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void on_change(void)
{
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_view(void *self, gri_view *view)
{
    (void)self;
    gri_view_check(view);
    on_change();
}

static void on_shards(void *self, const gri_shard_ref *shards, size_t count)
{
    (void)self;
    (void)shards;
    (void)count;
}

static void on_event(void *self)
{
    (void)self;
    on_change();
}

static const gri_membership_events events = {.view_changed = on_view,
                                             .drain = on_shards,
                                             .drain_undone = on_shards,
                                             .lease_lapsed = on_event,
                                             .lease_regained = on_event,
                                             .fenced = on_event};

static void *start(void *arg)
{
    static char kind[] = "test.Thing";
    static char *kinds[] = {kind};
    static char no_role[] = "";
    node *n = arg;
    gr_system_options system = {.name = "node", .workers = 2};
    gri_membership_options options = {.coordinator_ops = gr_coordinator_sqlite(),
                                      .lease_ms = LEASE_MS,
                                      .shards = SHARDS,
                                      .events = &events,
                                      .events_self = n};

    n->started = gr_system_new(&system, &n->sys);
    if (n->started == GR_OK) {
        n->started = gr_coordinator_sqlite()->open(n->sys, "test", path, NULL, &n->coordinator);
    }
    if (n->started == GR_OK) {
        options.coordinator = n->coordinator;
        options.self = (gri_member){.node = gr_system_node(n->sys),
                                    .address = n->address,
                                    .role = no_role,
                                    .kinds = kinds,
                                    .kinds_count = 1,
                                    .weight = 1};
        n->started = gri_membership_start(n->sys, &options, 10000, &n->membership);
    }
    return NULL;
}

static void start_all(void)
{
    int i = 0;

    for (i = 0; i < NODES; i++) {
        (void)snprintf(nodes[i].address, sizeof(nodes[i].address), "tcp://127.0.0.1:%d", i + 1);
        assert_int_equal(pthread_create(&nodes[i].starter, NULL, start, &nodes[i]), 0);
    }
    for (i = 0; i < NODES; i++) {
        assert_int_equal(pthread_join(nodes[i].starter, NULL), 0);
        assert_int_equal(nodes[i].started, GR_OK);
    }
}

static void free_node(node *n)
{
    n->membership = gri_membership_free(n->membership);
    gr_coordinator_sqlite()->free(n->coordinator);
    n->sys = gr_system_free(n->sys);
}

/* Whether each shard has one node of those that are up acting for it. */
static bool all_served(void)
{
    uint32_t shard = 0;
    int i = 0;

    for (shard = 0; shard < SHARDS; shard++) {
        int acting = 0;

        for (i = 0; i < NODES; i++) {
            gri_view *view =
                nodes[i].membership == NULL ? NULL : gri_membership_view(nodes[i].membership);
            const gri_shard *shards = view == NULL ? NULL : gri_view_shards(view, TABLE);

            acting += shards != NULL && gri_membership_may_act(nodes[i].membership) &&
                      shards[shard].owner == gri_membership_node(nodes[i].membership);
            gri_view_unref(view);
        }
        if (acting != 1) {
            return false;
        }
    }
    return true;
}

static void wait_until_served(void)
{
    struct timespec limit;

    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += LIMIT_S;
    pthread_mutex_lock(&lock);
    while (!all_served()) {
        assert_int_equal(pthread_cond_timedwait(&changed, &lock, &limit), 0);
    }
    pthread_mutex_unlock(&lock);
}

static void three_nodes_found_a_cluster_lose_one_and_leave(void **state)
{
    int i = 0;

    (void)state;
    start_all();
    wait_until_served();
    free_node(&nodes[1]); /* without leaving: to the others it has crashed */
    wait_until_served();
    for (i = 0; i < NODES; i += 2) {
        gri_membership_suspect(nodes[i].membership, 1);
        gri_membership_hint(nodes[i].membership, UINT64_MAX);
        assert_int_equal(gri_membership_leave(nodes[i].membership, 10000), GR_OK);
        assert_false(gri_membership_may_act(nodes[i].membership));
        free_node(&nodes[i]);
    }
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/cluster.db", folder);
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_nodes_found_a_cluster_lose_one_and_leave),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
