/*
 * The flags of a node program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node_flags.h"
#include "node_internal.h"

static gr_err read_flags(gri_node_flags *out, int argc, const char *const *argv)
{
    return gri_node_flags_read(argc, (char **)(uintptr_t)argv, out);
}

static void flags_win_over_the_environment(void **state)
{
    const char *argv[] = {"node",       "--coordinator", "sqlite:x.db", "--shards=64",
                          "--insecure", "--log",         "debug"};
    gri_node_flags flags;

    (void)state;
    assert_int_equal(setenv("GRANARY_SHARDS", "32", 1), 0);
    assert_int_equal(setenv("GRANARY_CLUSTER", "blue", 1), 0);
    assert_int_equal(read_flags(&flags, 7, argv), GR_OK);
    assert_string_equal(flags.options.coordinator, "sqlite:x.db");
    assert_string_equal(flags.options.cluster, "blue");
    assert_int_equal(flags.options.shards, 64);
    assert_true(flags.options.insecure);
    assert_int_equal(flags.log_level, GR_LOG_DEBUG);
    assert_int_equal(unsetenv("GRANARY_SHARDS"), 0);
    assert_int_equal(unsetenv("GRANARY_CLUSTER"), 0);
}

static void expect_refusal(int argc, const char *const *argv, const char *named)
{
    gri_node_flags flags;

    assert_int_equal(read_flags(&flags, argc, argv), GR_EINVAL);
    if (strstr(gr_last_error()->text, named) == NULL) {
        fail_msg("'%s' does not name %s", gr_last_error()->text, named);
    }
}

static void a_bad_flag_is_named_with_its_value_and_a_remedy(void **state)
{
    const char *unknown[] = {"node", "--sahrds", "3"};
    const char *number[] = {"node", "--shards", "many"};
    const char *zero[] = {"node", "--shards", "0"};
    const char *huge[] = {"node", "--shards", "99999999999"};
    const char *level[] = {"node", "--log", "loud"};
    const char *missing[] = {"node", "--coordinator"};
    const char *empty[] = {"node", "--role", ""};
    const char *nothing[] = {"node"};

    (void)state;
    expect_refusal(3, unknown, "--sahrds");
    expect_refusal(3, number, "many");
    expect_refusal(3, zero, "--shards '0'");
    expect_refusal(3, huge, "99999999999");
    expect_refusal(3, level, "error, warn, info or debug");
    expect_refusal(2, missing, "--coordinator needs a value");
    expect_refusal(3, empty, "--role is empty");
    assert_int_equal(setenv("GRANARY_LEASE_MS", "soon", 1), 0);
    expect_refusal(1, nothing, "GRANARY_LEASE_MS 'soon'");
    assert_int_equal(unsetenv("GRANARY_LEASE_MS"), 0);
}

static void options_are_checked_before_anything_is_started(void **state)
{
    gr_node_options copy;
    gr_node_options none = {0};
    gr_node_options name = {.coordinator = "sqlite:x", .cluster = "a b"};
    gr_node_options lease = {.coordinator = "sqlite:x", .lease_ms = 499};
    gr_node_options shards = {.coordinator = "sqlite:x", .shards = 1000000};
    gr_node_options fine = {.coordinator = "sqlite:x", .role = "workers"};

    (void)state;
    assert_int_equal(gri_node_options_copy(&none, &copy), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "sqlite:PATH"));
    assert_int_equal(gri_node_options_copy(&name, &copy), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "a b"));
    assert_int_equal(gri_node_options_copy(&lease, &copy), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "499"));
    assert_int_equal(gri_node_options_copy(&shards, &copy), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "1000000"));
    assert_int_equal(gri_node_options_copy(&fine, &copy), GR_OK);
    assert_string_equal(copy.cluster, "default");
    assert_int_equal(copy.shards, GR_SHARDS_DEFAULT);
    assert_int_equal(copy.lease_ms, GR_LEASE_MS_DEFAULT);
    gri_node_options_fini(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_win_over_the_environment),
        cmocka_unit_test(a_bad_flag_is_named_with_its_value_and_a_remedy),
        cmocka_unit_test(options_are_checked_before_anything_is_started),
    };

    return cmocka_run_group_tests_name("node_flags", tests, NULL, NULL);
}
