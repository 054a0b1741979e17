/*
 * What every coordinator has to do, as tests that are run over each of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_TESTS_COORDINATOR_LAB_H
#define GRANARY_TESTS_COORDINATOR_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <granary/cluster_spi.h>
#include <granary/runtime_spi.h>

/* The cmocka state of these tests. Each test gets a cluster of its own. */
typedef struct coordinator_lab {
    const gr_coordinator_ops *ops;
    const char *where;
    void *arg;
    gr_system *sys;
    char cluster[32];
    unsigned clusters;
} coordinator_lab;

/* What an operation ended with; the value is a copy with a NUL behind it. */
typedef struct outcome {
    gr_err err;
    uint64_t revision;
    char *value;
    size_t value_bytes;
} outcome;

gr_coordinator *lab_open(coordinator_lab *lab);
outcome lab_read(coordinator_lab *lab, gr_coordinator *c, const char *key);
outcome lab_set(coordinator_lab *lab, gr_coordinator *c, const char *key, uint64_t revision,
                const char *value);
outcome lab_remove(coordinator_lab *lab, gr_coordinator *c, const char *key, uint64_t revision);
/* Waits for a future; takes it. */
outcome lab_await(gr_err starting, gr_future *take_future);

/* As cmocka's setup of each test: a cluster that nobody has used. */
int lab_next_cluster(void **state);

void a_key_that_is_not_there_has_revision_0_and_no_value(void **state);
void a_key_is_set_only_at_the_revision_that_is_expected(void **state);
void values_are_any_bytes_up_to_the_limit(void **state);
void what_no_coordinator_takes_is_refused_at_once(void **state);
void a_key_is_removed_only_at_its_revision_and_comes_back_at_another(void **state);
void a_watch_answers_at_once_when_the_revision_is_another(void **state);
void a_watch_sees_a_key_created_changed_and_removed_by_another_process(void **state);
void a_watch_ends_with_what_there_is_when_its_time_is_up(void **state);
void of_many_who_set_a_key_at_one_revision_one_wins(void **state);
void clusters_do_not_see_each_other(void **state);
void closing_ends_what_is_under_way_at_once(void **state);
void keys_are_listed_by_their_beginning(void **state);
void hiding_what_was_never_shown_is_fine(void **state);

#define COORDINATOR_TEST(name) cmocka_unit_test_setup(name, lab_next_cluster)
#define COORDINATOR_TESTS                                                                          \
    COORDINATOR_TEST(a_key_that_is_not_there_has_revision_0_and_no_value),                         \
        COORDINATOR_TEST(a_key_is_set_only_at_the_revision_that_is_expected),                      \
        COORDINATOR_TEST(values_are_any_bytes_up_to_the_limit),                                    \
        COORDINATOR_TEST(what_no_coordinator_takes_is_refused_at_once),                            \
        COORDINATOR_TEST(a_key_is_removed_only_at_its_revision_and_comes_back_at_another),         \
        COORDINATOR_TEST(keys_are_listed_by_their_beginning),                                      \
        COORDINATOR_TEST(a_watch_answers_at_once_when_the_revision_is_another),                    \
        COORDINATOR_TEST(a_watch_sees_a_key_created_changed_and_removed_by_another_process),       \
        COORDINATOR_TEST(a_watch_ends_with_what_there_is_when_its_time_is_up),                     \
        COORDINATOR_TEST(of_many_who_set_a_key_at_one_revision_one_wins),                          \
        COORDINATOR_TEST(clusters_do_not_see_each_other),                                          \
        COORDINATOR_TEST(closing_ends_what_is_under_way_at_once),                                  \
        COORDINATOR_TEST(hiding_what_was_never_shown_is_fine)

#endif
