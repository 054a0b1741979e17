/*
 * The Consul coordinator over a real agent: what every coordinator does; how a node is shown; an agent
 * that dies, hangs, forgets or refuses. Skipped where there is no agent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator_lab.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "consul_agent.h"

enum { SEEN_TRIES = 100, SEEN_MS = 50 };

static consul_agent agent;
static coordinator_lab lab;

static int setup(void **state)
{
    gr_system_options options = {.name = "test", .workers = 2};

    (void)unsetenv("CONSUL_HTTP_TOKEN");
    consul_agent_init(&agent);
    consul_agent_start(&agent, "{}");
    lab = (coordinator_lab){.ops = gr_coordinator_consul(), .where = agent.where};
    assert_int_equal(gr_system_new(&options, &lab.sys), GR_OK);
    *state = &lab;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gr_system_free(lab.sys);
    consul_agent_fini(&agent);
    return 0;
}

/* ---- showing */

static const char *const tags[] = {"kind:bank.Account", "role:teller"};
static const gr_coordinator_member member = {
    .id = "00000000000000a1", .address = "tcp://10.1.2.3:4567", .tags = tags, .tags_count = 2};

static char *health_of(const char *cluster)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "/v1/health/service/granary-%s", cluster);
    return consul_agent_ask(&agent, "GET", path, NULL);
}

/* Shows the member again and again, as a node does, until Consul says so (or says so no longer). */
static bool is_seen(coordinator_lab *l, gr_coordinator *c, bool healthy, const char *words,
                    bool wanted)
{
    int tries = 0;

    for (tries = 0; tries < SEEN_TRIES; tries++) {
        char *seen = NULL;
        bool there = false;

        if (c != NULL) {
            l->ops->show(c, &member, healthy);
        }
        seen = health_of(l->cluster);
        there = strstr(seen, words) != NULL;
        free(seen);
        if (there == wanted) {
            return true;
        }
        (void)poll(NULL, 0, SEEN_MS); /* another program has to get on with it */
    }
    return false;
}

static void hide(coordinator_lab *l, gr_coordinator *c)
{
    gr_future *future = NULL;
    gr_err err = l->ops->hide(c, 5000, &future);
    outcome out = lab_await(err, future);

    assert_int_equal(out.err, GR_OK);
    free(out.value);
}

static void c11_a_node_is_registered_with_tags_and_a_check_that_mirrors_its_health(void **state)
{
    coordinator_lab *l = *state;
    gr_coordinator *c = NULL;
    char *seen = NULL;

    (void)snprintf(l->cluster, sizeof(l->cluster), "shown");
    c = lab_open(l);
    assert_true(is_seen(l, c, true, "\"Status\": \"passing\"", true) ||
                is_seen(l, c, true, "\"Status\":\"passing\"", true));
    seen = health_of(l->cluster);
    assert_non_null(strstr(seen, "00000000000000a1"));
    assert_non_null(strstr(seen, "10.1.2.3"));
    assert_non_null(strstr(seen, "4567"));
    assert_non_null(strstr(seen, "kind:bank.Account"));
    assert_non_null(strstr(seen, "role:teller"));
    free(seen);
    assert_true(is_seen(l, c, false, "critical", true));
    assert_true(is_seen(l, c, true, "critical", false));
    hide(l, c);
    l->ops->free(c);
}

static void c11_a_node_is_registered_again_when_the_agent_has_lost_it(void **state)
{
    coordinator_lab *l = *state;
    gr_coordinator *c = NULL;
    char *answer = NULL;

    (void)snprintf(l->cluster, sizeof(l->cluster), "lost");
    c = lab_open(l);
    assert_true(is_seen(l, c, true, "00000000000000a1", true));
    answer = consul_agent_ask(&agent, "PUT", "/v1/agent/service/deregister/00000000000000a1", "");
    free(answer);
    assert_true(is_seen(l, NULL, true, "00000000000000a1", false));
    assert_true(is_seen(l, c, true, "00000000000000a1", true));
    hide(l, c);
    l->ops->free(c);
}

static void c11_a_node_that_has_left_is_gone_and_stays_gone(void **state)
{
    coordinator_lab *l = *state;
    gr_coordinator *c = NULL;

    (void)snprintf(l->cluster, sizeof(l->cluster), "left");
    c = lab_open(l);
    assert_true(is_seen(l, c, true, "00000000000000a1", true));
    l->ops->show(c, &member, true); /* may be under way while it is hidden */
    hide(l, c);
    assert_true(is_seen(l, NULL, true, "00000000000000a1", false));
    l->ops->show(c, &member, true);
    hide(l, c); /* whatever that had sent has been answered before */
    assert_true(is_seen(l, NULL, true, "00000000000000a1", false));
    l->ops->free(c);
}

/* ---- an agent in trouble */

static void c10_an_agent_that_hangs_makes_requests_fail_in_time_and_then_goes_on(void **state)
{
    coordinator_lab *l = *state;
    gr_coordinator *c = lab_open(l);
    int64_t began = 0;
    gr_future *future = NULL;
    gr_err err = GR_OK;
    outcome out = lab_set(l, c, "view", 0, "one");

    assert_int_equal(out.err, GR_OK);
    assert_int_equal(kill(agent.pid, SIGSTOP), 0);
    began = gr_system_now(l->sys);
    err = l->ops->read(c, "view", 300, &future);
    assert_int_equal(lab_await(err, future).err, GR_EUNREACHABLE);
    assert_in_range(gr_system_now(l->sys) - began, 250, 2000);
    assert_int_equal(kill(agent.pid, SIGCONT), 0);
    out = lab_read(l, c, "view");
    assert_int_equal(out.err, GR_OK);
    assert_string_equal(out.value, "one");
    free(out.value);
    l->ops->free(c);
}

static void
c10_an_agent_that_is_restarted_empty_is_noticed_although_its_indexes_go_back(void **state)
{
    coordinator_lab *l = *state;
    gr_coordinator *c = lab_open(l);
    gr_future *future = NULL;
    uint64_t revision = 0;
    int i = 0;
    outcome out = {0};

    for (i = 0; i < 100; i++) { /* to have a high index */
        revision = lab_set(l, c, "view", revision, "x").revision;
    }
    assert_int_equal(l->ops->watch(c, "view", revision, 20000, &future), GR_OK);
    consul_agent_kill(&agent);
    assert_int_equal(lab_await(GR_OK, future).err, GR_EUNREACHABLE);
    assert_int_equal(lab_read(l, c, "view").err, GR_EUNREACHABLE);
    consul_agent_start(&agent, "{}");
    out = lab_read(l, c, "view");
    assert_int_equal(out.err, GR_OK);
    assert_int_equal(out.revision, 0);
    free(out.value);
    assert_int_equal(lab_set(l, c, "view", revision, "old").err, GR_ECONFLICT);
    assert_int_equal(l->ops->watch(c, "view", 0, 20000, &future), GR_OK);
    out = lab_set(l, c, "view", 0, "new");
    assert_int_equal(out.err, GR_OK);
    assert_true(out.revision < revision);
    out = lab_await(GR_OK, future);
    assert_int_equal(out.err, GR_OK);
    free(out.value);
    l->ops->free(c);
}

static void c11_nobody_at_the_address_is_a_clear_error_and_closing_does_not_wait(void **state)
{
    coordinator_lab *l = *state;
    coordinator_lab nobody = *l;
    gr_coordinator *c = NULL;

    nobody.where = "//127.0.0.1:1/prefix?dc=dc1";
    c = lab_open(&nobody);
    assert_int_equal(lab_read(&nobody, c, "view").err, GR_EUNREACHABLE);
    assert_non_null(strstr(gr_last_error()->text, "127.0.0.1:1"));
    l->ops->show(c, &member, true);
    l->ops->free(c);
}

static void c11_thousands_of_unrelated_keys_do_no_harm(void **state)
{
    coordinator_lab *l = *state;
    coordinator_lab other = *l;
    gr_coordinator *c = NULL;
    gr_coordinator *noisy = NULL;
    gr_future *futures[50];
    gr_future *future = NULL;
    outcome out = {0};
    int round = 0;
    int i = 0;

    (void)snprintf(other.cluster, sizeof(other.cluster), "noise");
    noisy = lab_open(&other);
    c = lab_open(l);
    out = lab_set(l, c, "view", 0, "one");
    assert_int_equal(l->ops->watch(c, "view", out.revision, 20000, &future), GR_OK);
    for (round = 0; round < 40; round++) {
        for (i = 0; i < 50; i++) {
            char key[32];

            (void)snprintf(key, sizeof(key), "key-%d-%d", round, i);
            assert_int_equal(
                l->ops->compare_and_set(noisy, key, 0, (const uint8_t *)"x", 1, 10000, &futures[i]),
                GR_OK);
        }
        for (i = 0; i < 50; i++) {
            outcome set = lab_await(GR_OK, futures[i]);

            assert_int_equal(set.err, GR_OK);
            free(set.value);
        }
    }
    assert_false(gr_future_ready(future));
    assert_int_equal(lab_set(l, c, "view", out.revision, "two").err, GR_OK);
    out = lab_await(GR_OK, future);
    assert_string_equal(out.value, "two");
    free(out.value);
    l->ops->free(c);
    l->ops->free(noisy);
}

/* ---- who may, and to whom one speaks */

static void c11_a_token_that_is_missing_is_a_clear_error(void **state)
{
    static const char config[] =
        "{\"acl\": {\"enabled\": true, \"default_policy\": \"deny\", "
        "\"tokens\": {\"master\": \"11111111-2222-3333-4444-555555555555\"}}}";
    coordinator_lab own = *(coordinator_lab *)*state;
    consul_agent guarded;
    gr_coordinator *c = NULL;
    outcome out = {0};

    consul_agent_init(&guarded);
    assert_int_equal(setenv("CONSUL_HTTP_TOKEN", "11111111-2222-3333-4444-555555555555", 1), 0);
    consul_agent_start(&guarded, config);
    own.where = guarded.where;
    c = lab_open(&own);
    out = lab_set(&own, c, "view", 0, "one");
    assert_int_equal(out.err, GR_OK);
    own.ops->free(c);
    assert_int_equal(unsetenv("CONSUL_HTTP_TOKEN"), 0);
    c = lab_open(&own);
    assert_int_equal(lab_set(&own, c, "view", out.revision, "two").err, GR_EREFUSED);
    assert_non_null(strstr(gr_last_error()->text, "CONSUL_HTTP_TOKEN"));
    own.ops->free(c);
    assert_int_equal(setenv("CONSUL_HTTP_TOKEN", "not-a-token", 1), 0);
    c = lab_open(&own);
    assert_int_equal(lab_read(&own, c, "view").err, GR_EREFUSED);
    own.ops->free(c);
    assert_int_equal(unsetenv("CONSUL_HTTP_TOKEN"), 0);
    consul_agent_fini(&guarded);
}

static void c11_tls_checks_the_agents_certificate(void **state)
{
    static const char config[] = "{\"cert_file\": \"dc1-server-consul-0.pem\", "
                                 "\"key_file\": \"dc1-server-consul-0-key.pem\", "
                                 "\"ca_file\": \"consul-agent-ca.pem\"}";
    coordinator_lab own = *(coordinator_lab *)*state;
    consul_agent secure;
    gr_coordinator *c = NULL;
    char authority[128];

    consul_agent_init(&secure);
    if (!consul_agent_make_certificates(&secure)) {
        consul_agent_fini(&secure);
        skip();
    }
    consul_agent_start(&secure, config);
    own.where = secure.where;
    (void)snprintf(authority, sizeof(authority), "%s/consul-agent-ca.pem", secure.folder);
    assert_int_equal(setenv("CONSUL_HTTP_SSL", "true", 1), 0);
    c = lab_open(&own);
    assert_int_equal(lab_set(&own, c, "view", 0, "one").err, GR_EUNREACHABLE);
    assert_non_null(strstr(gr_last_error()->text, "ertificate"));
    own.ops->free(c);
    assert_int_equal(setenv("CONSUL_CACERT", authority, 1), 0);
    assert_int_equal(setenv("CONSUL_TLS_SERVER_NAME", "server.dc1.consul", 1), 0);
    c = lab_open(&own);
    assert_int_equal(lab_set(&own, c, "view", 0, "one").err, GR_OK);
    own.ops->free(c);
    assert_int_equal(setenv("CONSUL_TLS_SERVER_NAME", "somebody.else", 1), 0);
    c = lab_open(&own);
    assert_int_equal(lab_set(&own, c, "other", 0, "one").err, GR_EUNREACHABLE);
    own.ops->free(c);
    (void)unsetenv("CONSUL_HTTP_SSL");
    (void)unsetenv("CONSUL_CACERT");
    (void)unsetenv("CONSUL_TLS_SERVER_NAME");
    consul_agent_fini(&secure);
}

static void an_address_that_makes_no_sense_is_refused(void **state)
{
    static const char *const wrong[] = {"//nowhere",
                                        "//:8500",
                                        "//host:port",
                                        "//a:1?datacenter=x",
                                        "//a:1?dc=x&token=secret",
                                        "//unix:///var/run/consul.sock"};
    coordinator_lab *l = *state;
    gr_coordinator *c = NULL;
    size_t i = 0;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(l->ops->open(l->sys, "x", wrong[i], NULL, &c), GR_EINVAL);
    }
    assert_int_equal(setenv("CONSUL_HTTP_ADDR", "nonsense", 1), 0);
    assert_int_equal(l->ops->open(l->sys, "x", "", NULL, &c), GR_EINVAL);
    assert_int_equal(setenv("CONSUL_HTTP_ADDR", agent.where + 2, 1), 0);
    assert_int_equal(l->ops->open(l->sys, "x", "", NULL, &c), GR_OK);
    l->ops->free(c);
    assert_int_equal(unsetenv("CONSUL_HTTP_ADDR"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COORDINATOR_TESTS,
        COORDINATOR_TEST(c11_a_node_is_registered_with_tags_and_a_check_that_mirrors_its_health),
        COORDINATOR_TEST(c11_a_node_is_registered_again_when_the_agent_has_lost_it),
        COORDINATOR_TEST(c11_a_node_that_has_left_is_gone_and_stays_gone),
        COORDINATOR_TEST(c10_an_agent_that_hangs_makes_requests_fail_in_time_and_then_goes_on),
        COORDINATOR_TEST(
            c10_an_agent_that_is_restarted_empty_is_noticed_although_its_indexes_go_back),
        COORDINATOR_TEST(c11_nobody_at_the_address_is_a_clear_error_and_closing_does_not_wait),
        COORDINATOR_TEST(c11_thousands_of_unrelated_keys_do_no_harm),
        COORDINATOR_TEST(c11_a_token_that_is_missing_is_a_clear_error),
        COORDINATOR_TEST(c11_tls_checks_the_agents_certificate),
        COORDINATOR_TEST(an_address_that_makes_no_sense_is_refused),
    };

    if (consul_program() == NULL) {
        print_message("skipped: there is no consul on PATH and GRANARY_TEST_CONSUL names none\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
