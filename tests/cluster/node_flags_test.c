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

static void expect_words(const char *words)
{
    if (strstr(gr_last_error()->text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", gr_last_error()->text, words);
    }
}

static void expect_refusal(int argc, const char *const *argv, const char *named)
{
    gri_node_flags flags;

    assert_int_equal(read_flags(&flags, argc, argv), GR_EINVAL);
    expect_words(named);
}

static void a_bad_flag_is_named_with_its_value_and_a_remedy(void **state)
{
    static const struct {
        const char *flag, *value, *says;
    } bad[] = {
        {"--sahrds", "3", "'--sahrds' is not known"},
        {"--shards", "many", "--shards 'many' is not a number: use 1 to 16384"},
        {"--shards", "0", "--shards 0: use 1 to 16384"},
        {"--shards", "99999999999", "--shards 99999999999: use 1 to 16384"},
        {"--shards", "99999999999999999999999", "--shards 99999999999999999999999: use 1"},
        {"--workers", "0", "--workers 0: use 1 to 1024"},
        {"--workers", "-1", "--workers '-1' is not a number"},
        {"--lease-ms", "5", "--lease-ms 5: use 500 to 60000"},
        {"--drain-ms", "99999999999", "--drain-ms 99999999999: use 1 to 86400000"},
        {"--activations", "1000000000", "--activations 1000000000: use 1 to 100000000"},
        {"--stack-bytes", "16383", "--stack-bytes 16383: use 16384 to"},
        {"--message-bytes", "100", "--message-bytes 100: use 524288 to"},
        {"--listen", "here", "--listen \"here\" is no address; write tcp://HOST:PORT"},
        {"--listen", "tcp://127.0.0.1:99999",
         "--listen \"tcp://127.0.0.1:99999\" has no port from 0 to 65535"},
        {"--listen", "tcp://127.0.0.1:x", "has no port from 0 to 65535"},
        {"--listen", "tcp://0.0.0.0:4000", "--listen \"tcp://0.0.0.0:4000\" can be reached"},
        {"--listen", "tcp://0.0.0.0:4000", "--insecure"},
        {"--advertise", "tcp://127.0.0.1:0", "--advertise \"tcp://127.0.0.1:0\" has port 0"},
        {"--coordinator", "etcd://x", "--coordinator 'etcd://x' names no coordinator: use sqlite:"},
        {"--cluster", "a b", "--cluster 'a b' has a ' ': use letters"},
        {"--role", "", "--role is empty"},
        {"--log", "loud", "--log 'loud' is no level of logging: use error, warn, info or debug"},
    };
    const char *missing[] = {"node", "--coordinator"};
    const char *nothing[] = {"node"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *argv[] = {"node", "--coordinator", "sqlite:x", bad[i].flag, bad[i].value};

        expect_refusal(5, argv, bad[i].says);
    }
    expect_refusal(2, missing, "--coordinator needs a value");
    expect_refusal(1, nothing, "--coordinator is required: sqlite:PATH or consul://HOST:PORT");
    assert_int_equal(setenv("GRANARY_LEASE_MS", "soon", 1), 0);
    expect_refusal(1, nothing, "GRANARY_LEASE_MS 'soon'");
    assert_int_equal(unsetenv("GRANARY_LEASE_MS"), 0);
}

static void the_bounds_of_a_number_are_what_is_said_of_them(void **state)
{
    const char *least[] = {"node",          "--coordinator", "sqlite:x",        "--shards", "1",
                           "--stack-bytes", "16384",         "--message-bytes", "524288"};
    const char *most[] = {"node",      "--coordinator", "sqlite:x",   "--shards", "16384",
                          "--workers", "1024",          "--lease-ms", "60000"};
    gri_node_flags flags;
    gr_node_options copy;

    (void)state;
    assert_int_equal(read_flags(&flags, 9, least), GR_OK);
    assert_int_equal(flags.options.shards, 1);
    assert_int_equal(flags.options.system.stack_bytes, 16384);
    assert_int_equal(flags.options.message_bytes_max, 524288);
    assert_int_equal(read_flags(&flags, 9, most), GR_OK);
    assert_int_equal(gri_node_options_copy(&flags.options, &copy), GR_OK);
    gri_node_options_fini(&copy);
}

static void help_needs_nothing_else(void **state)
{
    const char *longer[] = {"node", "--help"};
    const char *shorter[] = {"node", "-h"};
    gri_node_flags flags;

    (void)state;
    assert_int_equal(read_flags(&flags, 2, longer), GR_OK);
    assert_true(flags.help);
    assert_int_equal(read_flags(&flags, 2, shorter), GR_OK);
    assert_true(flags.help);
}

static void options_are_checked_before_anything_is_started(void **state)
{
    gr_node_options copy;
    gr_node_options none = {0};
    gr_node_options name = {.coordinator = "sqlite:x", .cluster = "a b"};
    gr_node_options lease = {.coordinator = "sqlite:x", .lease_ms = 499};
    gr_node_options shards = {.coordinator = "sqlite:x", .shards = 1000000};
    gr_node_options listen = {.coordinator = "sqlite:x", .listen = "tcp://127.0.0.1"};
    gr_node_options message = {.coordinator = "sqlite:x", .message_bytes_max = 1000};
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
    assert_int_equal(gri_node_options_copy(&listen, &copy), GR_EINVAL);
    expect_words("listen \"tcp://127.0.0.1\"");
    assert_int_equal(gri_node_options_copy(&message, &copy), GR_EINVAL);
    expect_words("message_bytes_max 1000");
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
        cmocka_unit_test(the_bounds_of_a_number_are_what_is_said_of_them),
        cmocka_unit_test(help_needs_nothing_else),
        cmocka_unit_test(options_are_checked_before_anything_is_started),
    };

    return cmocka_run_group_tests_name("node_flags", tests, NULL, NULL);
}
