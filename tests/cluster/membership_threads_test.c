/*
 * Membership in real time and with real threads, several nodes in one process, so that ThreadSanitizer
 * sees what the stepper cannot show; and over real stores that are set back to what they were.
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
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include <granary/runtime_spi.h>

#include "consul_agent.h"
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
    bool fenced; /* lock */
} node;

/* What they run over. */
typedef struct store {
    const gr_coordinator_ops *ops;
    const char *where;
} store;

static char folder[] = "/tmp/granary-threads-XXXXXX";
static char path[64];
static store over;
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

static void on_fenced(void *self)
{
    node *n = self;

    pthread_mutex_lock(&lock);
    n->fenced = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static const gri_membership_events events = {.view_changed = on_view,
                                             .drain = on_shards,
                                             .drain_undone = on_shards,
                                             .lease_lapsed = on_event,
                                             .lease_regained = on_event,
                                             .fenced = on_fenced};

static void *start(void *arg)
{
    static char kind[] = "test.Thing";
    static char *kinds[] = {kind};
    static char no_role[] = "";
    node *n = arg;
    gr_system_options system = {.name = "node", .workers = 2};
    gri_membership_options options = {.coordinator_ops = over.ops,
                                      .lease_ms = LEASE_MS,
                                      .shards = SHARDS,
                                      .events = &events,
                                      .events_self = n};

    n->started = gr_system_new(&system, &n->sys);
    if (n->started == GR_OK) {
        n->started = over.ops->open(n->sys, "test", over.where, NULL, &n->coordinator);
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

static void start_nodes(int first, int count)
{
    int i = 0;

    for (i = first; i < first + count; i++) {
        nodes[i] = (node){.fenced = false};
        (void)snprintf(nodes[i].address, sizeof(nodes[i].address), "tcp://127.0.0.1:%d", i + 1);
        assert_int_equal(pthread_create(&nodes[i].starter, NULL, start, &nodes[i]), 0);
    }
    for (i = first; i < first + count; i++) {
        assert_int_equal(pthread_join(nodes[i].starter, NULL), 0);
        assert_int_equal(nodes[i].started, GR_OK);
    }
}

static void free_node(node *n)
{
    n->membership = gri_membership_free(n->membership);
    over.ops->free(n->coordinator);
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

/* Each of those that are up. */
static bool all_fenced(void)
{
    int i = 0;

    for (i = 0; i < NODES; i++) {
        if (nodes[i].membership != NULL &&
            (!nodes[i].fenced || gri_membership_may_act(nodes[i].membership))) {
            return false;
        }
    }
    return true;
}

static void wait_until(bool (*done)(void))
{
    struct timespec limit;
    int waited = 0;

    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += LIMIT_S;
    pthread_mutex_lock(&lock);
    while (!done() && waited == 0) {
        waited = pthread_cond_timedwait(&changed, &lock, &limit);
    }
    pthread_mutex_unlock(&lock);
    assert_int_equal(waited, 0);
}

static void three_nodes_found_a_cluster_lose_one_and_leave(void **state)
{
    int i = 0;

    (void)state;
    over = (store){gr_coordinator_sqlite(), path};
    start_nodes(0, NODES);
    wait_until(all_served);
    free_node(&nodes[1]); /* without leaving: to the others it has crashed */
    wait_until(all_served);
    for (i = 0; i < NODES; i += 2) {
        gri_membership_suspect(nodes[i].membership, 1);
        gri_membership_hint(nodes[i].membership, UINT64_MAX);
        assert_int_equal(gri_membership_leave(nodes[i].membership, 10000), GR_OK);
        assert_false(gri_membership_may_act(nodes[i].membership));
        free_node(&nodes[i]);
    }
}

/* ---- stores that are set back */

static char backup[80];

/* Over the file that is in use, as a tool for backups does it. */
static void copy_database(const char *from, const char *to)
{
    sqlite3 *source = NULL;
    sqlite3 *target = NULL;
    sqlite3_backup *copying = NULL;

    assert_int_equal(sqlite3_open(from, &source), SQLITE_OK);
    assert_int_equal(sqlite3_open(to, &target), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(target, 5000), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(source, 5000), SQLITE_OK);
    copying = sqlite3_backup_init(target, "main", source, "main");
    assert_non_null(copying);
    assert_int_equal(sqlite3_backup_step(copying, -1), SQLITE_DONE);
    assert_int_equal(sqlite3_backup_finish(copying), SQLITE_OK);
    assert_int_equal(sqlite3_close(source), SQLITE_OK);
    assert_int_equal(sqlite3_close(target), SQLITE_OK);
}

static void save_file(void)
{
    copy_database(path, backup);
}

static void copy_file_back(void)
{
    copy_database(backup, path);
}

/* Without its log, which belongs to the file that was there. */
static void replace_file(void)
{
    char log[80];

    (void)snprintf(log, sizeof(log), "%s-wal", path);
    assert_int_equal(unlink(log), 0);
    (void)snprintf(log, sizeof(log), "%s-shm", path);
    assert_int_equal(unlink(log), 0);
    assert_int_equal(rename(backup, path), 0);
}

static consul_agent agent;

static void save_agent(void)
{
    consul_agent_save(&agent);
}

static void restore_agent(void)
{
    consul_agent_restore(&agent);
}

/* Nobody goes on by what is no longer there, and who comes after finds a cluster that works. */
static void set_back(store of, void (*save)(void), void (*restore)(void))
{
    int i = 0;

    over = of;
    start_nodes(0, 1);
    wait_until(all_served);
    save();
    start_nodes(1, 2);
    wait_until(all_served);
    restore();
    wait_until(all_fenced);
    for (i = 0; i < NODES; i++) {
        free_node(&nodes[i]);
    }
    start_nodes(0, 2);
    wait_until(all_served);
    for (i = 0; i < 2; i++) {
        assert_int_equal(gri_membership_leave(nodes[i].membership, 10000), GR_OK);
        free_node(&nodes[i]);
    }
}

static void c10_a_database_that_is_written_back_from_a_backup_is_noticed_by_all(void **state)
{
    (void)state;
    set_back((store){gr_coordinator_sqlite(), path}, save_file, copy_file_back);
}

static void c10_a_database_that_is_replaced_by_a_backup_is_noticed_by_all(void **state)
{
    (void)state;
    set_back((store){gr_coordinator_sqlite(), path}, save_file, replace_file);
}

static void c10_a_consul_that_is_set_back_to_a_snapshot_is_noticed_by_all(void **state)
{
    (void)state;
    if (consul_program() == NULL) {
        skip();
    }
    set_back((store){gr_coordinator_consul(), agent.where}, save_agent, restore_agent);
}

static int start_agent(void **state)
{
    (void)state;
    if (consul_program() != NULL) {
        consul_agent_init(&agent);
        consul_agent_start(&agent, "{}");
    }
    return 0;
}

static int end_agent(void **state)
{
    (void)state;
    if (consul_program() != NULL) {
        consul_agent_fini(&agent);
    }
    return 0;
}

/* ---- */

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/cluster.db", folder);
    (void)snprintf(backup, sizeof(backup), "%s/backup.db", folder);
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
        cmocka_unit_test(c10_a_database_that_is_written_back_from_a_backup_is_noticed_by_all),
        cmocka_unit_test(c10_a_database_that_is_replaced_by_a_backup_is_noticed_by_all),
        cmocka_unit_test_setup_teardown(
            c10_a_consul_that_is_set_back_to_a_snapshot_is_noticed_by_all, start_agent, end_agent),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
