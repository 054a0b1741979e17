/*
 * How connecting ends when there is nobody, no time, no memory or another cluster at the address. Over
 * the memory network, in one thread and virtual time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

#include <gri/mem.h>

static void m06_connecting_to_nobody_retries_ever_slower_and_ends_in_dead_letters(void **state)
{
    world *in = world_stepped(1);
    gr_pid nobody = {4711, 20, 1};
    gr_msg *reply = NULL;
    uint64_t node = 0;
    uint64_t attempts = 0;

    (void)state;
    world_start(in, 0, NULL);
    assert_int_equal(gr_remote_set_address(in->peers[0].remote, nobody.node, "mem://nobody"),
                     GR_OK);
    assert_int_equal(gr_send(in->peers[0].sys, nobody, note_new(0, 1, 0)), GR_OK);
    assert_int_equal(gr_request(in->peers[0].sys, nobody, note_new(0, 1, 0), 30000, &reply),
                     GR_ENOTRUN);
    assert_int_equal(in->peers[0].dead_letters, 1);
    attempts = gr_remote_read_counters(in->peers[0].remote).connects_failed;
    assert_in_range(attempts, 7, 20); /* 10 s: doubling from 50 ms up to 2 s, jittered */
    world_run(in, 30000);
    assert_in_range(gr_remote_read_counters(in->peers[0].remote).connects_failed, attempts,
                    attempts + 1); /* nobody wants it any more */
    assert_int_equal(gr_remote_connect(in->peers[0].remote, "mem://nobody", 3000, &node),
                     GR_EUNREACHABLE);
    assert_non_null(strstr(gr_last_error()->text, "refused"));
    assert_int_equal(gr_send(in->peers[0].sys, (gr_pid){4712, 20, 1}, note_new(0, 1, 0)),
                     GR_EUNREACHABLE);
    world_free(in);
}

/* A memory network whose free() takes long, so that what is still alive shows. */
static struct {
    gr_stepped *stepped;
    bool freed;
    unsigned dials_too_late;
} slow;

static gr_err slow_dial(gr_transport *transport, const char *address, void *dial_token)
{
    if (slow.freed) {
        slow.dials_too_late++;
        return GR_EUNREACHABLE;
    }
    return gr_transport_memory()->dial(transport, address, dial_token);
}

static void slow_free(gr_transport *take_transport)
{
    gr_transport_memory()->free(take_transport);
    slow.freed = true;
    gr_stepped_advance(slow.stepped, 5000);
}

typedef struct connector {
    gr_remote *remote;
    gr_err err;
    bool done;
} connector;

static gr_err connect_for_ever(gr_context *ctx, void *state, const gr_msg *msg)
{
    connector *it = state;
    uint64_t node = 0;

    (void)ctx;
    (void)msg;
    it->err = gr_remote_connect(it->remote, "mem://nobody", GR_FOREVER, &node);
    it->done = true;
    return GR_OK;
}

static void
m06_who_waits_for_a_connection_is_told_when_it_stops_and_nothing_is_dialled(void **state)
{
    world *in = world_stepped(1);
    gr_transport_ops ops = *gr_transport_memory();
    connector waiting = {.done = false};
    gr_props props = {.receive = connect_for_ever, .arg = &waiting};
    gr_pid pid;

    (void)state;
    ops.dial = slow_dial;
    ops.free = slow_free;
    slow.stepped = in->stepped;
    slow.freed = false;
    slow.dials_too_late = 0;
    world_start(in, 0, &(gr_remote_options){.transport = &ops});
    waiting.remote = in->peers[0].remote;
    assert_int_equal(gr_spawn(in->peers[0].sys, &props, NULL, &pid), GR_OK);
    assert_int_equal(gr_send(in->peers[0].sys, pid, note_new(0, 1, 0)), GR_OK);
    world_run(in, 500);
    assert_false(waiting.done);
    in->peers[0].remote = gr_remote_free(in->peers[0].remote);
    assert_int_equal(slow.dials_too_late, 0);
    world_run(in, 10);
    assert_true(waiting.done);
    assert_int_equal(waiting.err, GR_ESTOPPED);
    world_free(in);
}

/* Whatever allocation fails while it connects, who waits for ever gets an answer, or the connection. */
static void m06_who_connects_is_told_something_when_memory_is_short(void **state)
{
    bool failed = true;

    (void)state;
    for (uint64_t nth = 1; failed; nth++) {
        world *in = world_stepped(1);
        int64_t began_ms = world_now(in);
        uint64_t node = 0;
        gr_err err = GR_OK;

        world_start(in, 0, NULL);
        world_start(in, 1, NULL);
        gri_mem_fail_nth(nth);
        err = gr_remote_connect(in->peers[0].remote, "mem://1", 30000, &node);
        failed = gri_mem_count() >= nth;
        gri_mem_fail_nth(0);
        assert_true(err == GR_OK || err == GR_ENOMEM);
        assert_in_range(world_now(in) - began_ms, 0, 20000);
        world_free(in);
    }
}

static void m11_another_cluster_is_refused_on_both_sides_with_both_names(void **state)
{
    world *in = world_stepped(1);
    uint64_t node = 0;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.cluster = "red"});
    world_start(in, 1, &(gr_remote_options){.cluster = "blue"});
    assert_int_equal(gr_remote_connect(in->peers[0].remote, "mem://1", 5000, &node), GR_EMISMATCH);
    assert_non_null(strstr(gr_last_error()->text, "red"));
    assert_non_null(strstr(gr_last_error()->text, "blue"));
    assert_int_equal(gr_remote_read_counters(in->peers[1].remote).refused, 1);
    world_free(in);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m06_connecting_to_nobody_retries_ever_slower_and_ends_in_dead_letters),
        cmocka_unit_test(
            m06_who_waits_for_a_connection_is_told_when_it_stops_and_nothing_is_dialled),
        cmocka_unit_test(m06_who_connects_is_told_something_when_memory_is_short),
        cmocka_unit_test(m11_another_cluster_is_refused_on_both_sides_with_both_names),
    };

    if (argc == 3 && strcmp(argv[1], "--only") == 0) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
