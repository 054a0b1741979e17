/*
 * The coordinator in memory: what every coordinator does, and its faults.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator_lab.h"

#include <stdlib.h>

static gr_stepped *stepped;
static coordinator_lab lab;

static int setup(void **state)
{
    gr_system_options options = {.name = "test"};
    gr_memory_store *store = NULL;

    assert_int_equal(gr_stepped_new(1, &stepped), GR_OK);
    options.stepped = stepped;
    assert_int_equal(gr_memory_store_new(stepped, &store), GR_OK);
    lab = (coordinator_lab){.ops = gr_coordinator_memory(), .arg = store};
    assert_int_equal(gr_system_new(&options, &lab.sys), GR_OK);
    *state = &lab;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gr_system_free(lab.sys);
    gr_memory_store_free(lab.arg);
    gr_stepped_free(stepped);
    return 0;
}

static void a_lost_request_is_not_done_and_a_lost_answer_is(void **state)
{
    gr_coordinator *c = lab_open(*state);
    uint64_t node = gr_system_node(lab.sys);
    gr_memory_store_faults none = {0};
    gr_memory_store_faults lost_request = {.lose_request_per_10000 = 10000};
    gr_memory_store_faults lost_answer = {.lose_answer_per_10000 = 10000};
    outcome out = {0};

    assert_int_equal(gr_memory_store_set_faults(lab.arg, node, &lost_request), GR_OK);
    assert_int_equal(lab_set(*state, c, "view", 0, "one").err, GR_EUNREACHABLE);
    assert_int_equal(gr_memory_store_set_faults(lab.arg, node, &none), GR_OK);
    out = lab_read(*state, c, "view");
    assert_int_equal(out.revision, 0);
    free(out.value);
    assert_int_equal(gr_memory_store_set_faults(lab.arg, node, &lost_answer), GR_OK);
    assert_int_equal(lab_set(*state, c, "view", 0, "two").err, GR_EUNREACHABLE);
    assert_int_equal(gr_memory_store_set_faults(lab.arg, node, &none), GR_OK);
    out = lab_read(*state, c, "view");
    assert_string_equal(out.value, "two");
    free(out.value);
    lab.ops->free(c);
}

static void an_unreachable_store_is_so_for_the_node_that_is_meant(void **state)
{
    gr_system_options options = {.name = "other", .stepped = stepped};
    gr_coordinator *c = lab_open(*state);
    gr_coordinator *d = NULL;
    gr_system *other = NULL;
    gr_memory_store_faults cut = {.unreachable = true};
    gr_memory_store_faults none = {0};
    outcome out = {0};

    assert_int_equal(gr_system_new(&options, &other), GR_OK);
    assert_int_equal(lab.ops->open(other, lab.cluster, NULL, lab.arg, &d), GR_OK);
    assert_int_equal(gr_memory_store_set_faults(lab.arg, gr_system_node(lab.sys), &cut), GR_OK);
    assert_int_equal(lab_read(*state, c, "view").err, GR_EUNREACHABLE);
    out = lab_read(*state, d, "view");
    assert_int_equal(out.err, GR_OK);
    free(out.value);
    assert_int_equal(gr_memory_store_set_faults(lab.arg, gr_system_node(lab.sys), &none), GR_OK);
    lab.ops->free(c);
    lab.ops->free(d);
    gr_system_free(other);
}

static void requests_take_the_time_that_they_are_told_to(void **state)
{
    gr_coordinator *c = lab_open(*state);
    gr_memory_store_faults slow = {.delay_min_ms = 30, .delay_max_ms = 40};
    gr_memory_store_faults none = {0};
    int64_t began = gr_stepped_now(stepped);

    assert_int_equal(gr_memory_store_set_faults(lab.arg, 0, &slow), GR_OK);
    assert_int_equal(gr_memory_store_set_faults(lab.arg, gr_system_node(lab.sys), &slow), GR_OK);
    assert_int_equal(lab_set(*state, c, "view", 0, "one").err, GR_OK);
    assert_in_range(gr_stepped_now(stepped) - began, 60, 81);
    assert_int_equal(gr_memory_store_set_faults(lab.arg, 0, &none), GR_OK);
    assert_int_equal(gr_memory_store_set_faults(lab.arg, gr_system_node(lab.sys), &none), GR_OK);
    lab.ops->free(c);
}

static void an_emptied_store_has_nothing_and_gives_other_revisions(void **state)
{
    gr_coordinator *c = lab_open(*state);
    uint64_t revision = lab_set(*state, c, "view", 0, "one").revision;
    outcome out = {0};

    gr_memory_store_empty(lab.arg);
    out = lab_read(*state, c, "view");
    assert_int_equal(out.revision, 0);
    free(out.value);
    assert_int_equal(lab_set(*state, c, "view", revision, "late").err, GR_ECONFLICT);
    assert_true(lab_set(*state, c, "view", 0, "two").revision != revision);
    lab.ops->free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COORDINATOR_TESTS,
        COORDINATOR_TEST(a_lost_request_is_not_done_and_a_lost_answer_is),
        COORDINATOR_TEST(an_unreachable_store_is_so_for_the_node_that_is_meant),
        COORDINATOR_TEST(requests_take_the_time_that_they_are_told_to),
        COORDINATOR_TEST(an_emptied_store_has_nothing_and_gives_other_revisions),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
