/*
 * The SQLite coordinator: what every coordinator does; several processes; and what it says about a file
 * that it cannot use.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator_lab.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include <gri/mem.h>

enum { PROCESSES = 4, INCREMENTS = 50 };

static char folder[] = "/tmp/granary-sqlite-XXXXXX";
static char path[64];
static coordinator_lab lab;

static int setup(void **state)
{
    gr_system_options options = {.name = "test", .workers = 1};

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/cluster.db", folder);
    lab = (coordinator_lab){.ops = gr_coordinator_sqlite(), .where = path};
    assert_int_equal(gr_system_new(&options, &lab.sys), GR_OK);
    *state = &lab;
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    gr_system_free(lab.sys);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void run_sql(const char *name, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Opening fails by this code, and the sentence names the path and has this in it. */
static void assert_refused(const char *where, gr_err code, const char *words)
{
    gr_coordinator *c = NULL;

    assert_int_equal(lab.ops->open(lab.sys, "test", where, NULL, &c), code);
    assert_non_null(strstr(gr_last_error()->text, where));
    if (strstr(gr_last_error()->text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", gr_last_error()->text, words);
    }
}

static void a_file_that_cannot_be_used_is_refused_with_the_reason_and_what_to_do(void **state)
{
    char name[128];

    (void)state;
    (void)snprintf(name, sizeof(name), "%s/missing/cluster.db", folder);
    assert_refused(name, GR_EIO, "there is no directory");
    assert_refused(folder, GR_EIO, "is a directory");
    (void)snprintf(name, sizeof(name), "%s/text", folder);
    write_file(name, "this is not a database, however long one looks at it: "
                     "it is a text of more than a hundred bytes, with a NUL nowhere in it");
    assert_refused(name, GR_EIO, "not an SQLite database");
    (void)snprintf(name, sizeof(name), "%s/other.db", folder);
    run_sql(name, "CREATE TABLE bills (number INTEGER)");
    assert_refused(name, GR_EIO, "another program");
}

static void another_version_of_the_file_is_refused_with_both_numbers(void **state)
{
    char name[128];
    gr_coordinator *c = NULL;

    (void)state;
    (void)snprintf(name, sizeof(name), "%s/newer.db", folder);
    assert_int_equal(lab.ops->open(lab.sys, "test", name, NULL, &c), GR_OK);
    lab.ops->free(c);
    run_sql(name, "PRAGMA user_version = 7");
    assert_refused(name, GR_EMISMATCH, "schema version 7 and this program needs 1");
}

static void a_file_that_may_not_be_written_is_refused(void **state)
{
    char name[128];
    gr_coordinator *c = NULL;

    (void)state;
    (void)snprintf(name, sizeof(name), "%s/locked.db", folder);
    assert_int_equal(lab.ops->open(lab.sys, "test", name, NULL, &c), GR_OK);
    lab.ops->free(c);
    assert_int_equal(chmod(name, 0444), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    if (getuid() == 0 && seteuid(65534) != 0) { /* permissions do not bind root */
        skip();
    }
    assert_refused(name, GR_EIO, "read-only");
    (void)snprintf(name, sizeof(name), "%s/fresh.db", folder);
    assert_refused(name, GR_EIO, "write access");
    if (getuid() == 0) {
        assert_int_equal(seteuid(0), 0);
    }
}

/* Adds one to the number under the key, as often as told. */
static int increment(int times)
{
    coordinator_lab own = {.ops = gr_coordinator_sqlite(), .where = path};
    gr_system_options options = {.name = "child", .workers = 1};
    gr_coordinator *c = NULL;

    (void)snprintf(own.cluster, sizeof(own.cluster), "%s", lab.cluster);
    if (gr_system_new(&options, &own.sys) != GR_OK) {
        return 1;
    }
    if (own.ops->open(own.sys, own.cluster, own.where, NULL, &c) != GR_OK) {
        return 2;
    }
    while (times > 0) {
        outcome out = lab_read(&own, c, "number");
        char text[32];

        if (out.err != GR_OK) {
            return 3;
        }
        (void)snprintf(text, sizeof(text), "%d", atoi(out.value) + 1);
        free(out.value);
        out = lab_set(&own, c, "number", out.revision, text);
        if (out.err != GR_OK && out.err != GR_ECONFLICT) {
            return 4;
        }
        times -= out.err == GR_OK;
    }
    own.ops->free(c);
    gr_system_free(own.sys);
    return 0;
}

static void processes_that_open_a_new_file_at_once_lose_no_update(void **state)
{
    pid_t children[PROCESSES];
    gr_coordinator *c = NULL;
    outcome out = {0};
    int i = 0;

    /* A fork is safe only without other threads: this test runs without a system of its own. */
    gr_system_free(lab.sys);
    (void)snprintf(path, sizeof(path), "%s/many.db", folder);
    for (i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            _exit(increment(INCREMENTS));
        }
    }
    for (i = 0; i < PROCESSES; i++) {
        int status = -1;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(gr_system_new(&(gr_system_options){.name = "test", .workers = 1}, &lab.sys),
                     GR_OK);
    c = lab_open(*state);
    out = lab_read(*state, c, "number");
    assert_int_equal(atoi(out.value), PROCESSES * INCREMENTS);
    free(out.value);
    lab.ops->free(c);
}

static void a_file_locked_by_another_process_is_waited_for_and_then_unreachable(void **state)
{
    gr_coordinator *c = lab_open(*state);
    sqlite3 *db = NULL;
    gr_future *future = NULL;
    outcome out = {0};
    gr_err err = GR_OK;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    err = lab.ops->compare_and_set(c, "view", 0, (const uint8_t *)"x", 1, 200, &future);
    assert_int_equal(lab_await(err, future).err, GR_EUNREACHABLE);
    err = lab.ops->compare_and_set(c, "view", 0, (const uint8_t *)"x", 1, 20000, &future);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    out = lab_await(err, future);
    assert_true(out.revision > 0);
    free(out.value);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    err = lab.ops->compare_and_set(c, "view", 0, (const uint8_t *)"x", 1, 60000, &future);
    assert_int_equal(err, GR_OK);
    lab.ops->free(c); /* does not wait for the lock either */
    assert_int_not_equal(lab_await(err, future).err, GR_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_file_that_is_replaced_while_in_use_is_noticed_and_opened_afresh(void **state)
{
    gr_coordinator *c = lab_open(*state);
    outcome out = {0};
    char command[256];

    assert_int_equal(lab_set(*state, c, "lease", 0, "mine").err, GR_OK);
    (void)snprintf(command, sizeof(command), "rm -f '%s' '%s-wal' '%s-shm'", path, path, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(lab_read(*state, c, "lease").err, GR_EIO);
    out = lab_read(*state, c, "lease");
    assert_int_equal(out.err, GR_OK);
    assert_int_equal(out.revision, 0);
    free(out.value);
    lab.ops->free(c);
}

static void a_file_that_is_set_back_gives_no_revision_twice(void **state)
{
    gr_coordinator *c = lab_open(*state);
    uint64_t revision = lab_set(*state, c, "view", 0, "one").revision;
    outcome out = {0};
    uint64_t last = 0;
    char command[400];
    char sql[128];

    (void)snprintf(sql, sizeof(sql), "VACUUM INTO '%s.backup'", path);
    run_sql(path, sql);
    last = lab_set(*state, c, "view", revision, "two").revision;
    (void)snprintf(command, sizeof(command), "rm -f '%s-wal' '%s-shm'; mv '%s.backup' '%s'", path,
                   path, path, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(lab_read(*state, c, "view").err, GR_EIO);
    out = lab_read(*state, c, "view");
    assert_int_equal(out.revision, revision);
    assert_string_equal(out.value, "one");
    free(out.value);
    assert_true(lab_set(*state, c, "view", revision, "other").revision > last);
    lab.ops->free(c);
}

static void an_error_of_the_disk_asks_whether_the_file_was_taken_away(void **state)
{
    gr_coordinator *c = lab_open(*state);
    struct rlimit was;
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    gr_err err = GR_OK;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, was.rlim_max}), 0);
    err = lab.ops->compare_and_set(c, "view", 0, (const uint8_t *)"x", 1, 2000, &future);
    assert_int_equal(err, GR_OK);
    err = gr_await(future, 10000, &msg);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(err, GR_EIO);
    if (strstr(gr_last_error()->text, path) == NULL ||
        strstr(gr_last_error()->text, "removed or replaced?") == NULL) {
        fail_msg("'%s'", gr_last_error()->text);
    }
    gr_future_unref(future);
    lab.ops->free(c);
}

static void whatever_allocation_fails_an_operation_ends(void **state)
{
    gr_coordinator *c = lab_open(*state);
    uint64_t nth = 0;

    for (nth = 1; nth < 40; nth++) {
        gr_future *future = NULL;
        gr_err err = GR_OK;

        gri_mem_fail_nth(nth);
        err = lab.ops->compare_and_set(c, "view", 0, (const uint8_t *)"x", 1, 2000, &future);
        if (err == GR_OK) {
            gr_msg *msg = NULL;

            err = gr_await(future, 10000, &msg);
            gr_msg_unref(msg);
            gr_future_unref(future);
        }
        gri_mem_fail_nth(0);
        assert_true(err == GR_OK || err == GR_ENOMEM || err == GR_ECONFLICT || err == GR_EIO);
    }
    lab.ops->free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COORDINATOR_TESTS,
        COORDINATOR_TEST(a_file_that_cannot_be_used_is_refused_with_the_reason_and_what_to_do),
        COORDINATOR_TEST(another_version_of_the_file_is_refused_with_both_numbers),
        COORDINATOR_TEST(a_file_that_may_not_be_written_is_refused),
        COORDINATOR_TEST(a_file_locked_by_another_process_is_waited_for_and_then_unreachable),
        COORDINATOR_TEST(a_file_that_is_replaced_while_in_use_is_noticed_and_opened_afresh),
        COORDINATOR_TEST(a_file_that_is_set_back_gives_no_revision_twice),
        COORDINATOR_TEST(an_error_of_the_disk_asks_whether_the_file_was_taken_away),
        COORDINATOR_TEST(whatever_allocation_fails_an_operation_ends),
        COORDINATOR_TEST(processes_that_open_a_new_file_at_once_lose_no_update),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
