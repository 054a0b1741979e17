/*
 * How a session ends, by a goodbye, a crash or a successor, and what becomes of what was on its way.
 * Whole systems over the memory network, in one thread and virtual time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

enum { SEEDS = 20 };

static void m03_a_crash_is_told_to_watchers_and_to_those_who_wait(void **state)
{
    world *in = world_stepped(1);
    book there = {0}, here = {0};
    gr_future *sent = NULL, *unsent = NULL;
    gr_msg *reply = NULL;
    gr_memory_faults blocked = {.blocked = true};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    here.watch = there.pid;
    book_open(in, 0, &here);
    assert_int_equal(
        gr_request_future(in->peers[0].sys, there.pid, note_new(0, 1, 0), GR_FOREVER, &sent),
        GR_OK);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    world_stop(in, 1, true);
    WORLD_UNTIL(in, 1000, in->peers[0].brokens == 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &blocked), GR_OK);
    assert_int_equal(
        gr_request_future(in->peers[0].sys, there.pid, note_new(0, 2, 0), GR_FOREVER, &unsent),
        GR_OK);
    assert_int_equal(gr_send(in->peers[0].sys, there.pid, note_new(0, 3, 0)), GR_OK);
    assert_int_equal(here.terminated, 0);
    WORLD_UNTIL(in, 11000, in->peers[0].losts == 1);
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).sessions_lost, 1);
    assert_int_equal(gr_await(sent, 0, &reply), GR_EUNKNOWN);
    assert_int_equal(gr_await(unsent, 0, &reply), GR_ENOTRUN);
    WORLD_UNTIL(in, 1000, here.terminated == 1);
    assert_int_equal(here.last_reason, GR_REASON_NODE_LOST);
    assert_int_equal(in->peers[0].dead_letters, 1);
    gr_future_unref(sent);
    gr_future_unref(unsent);
    world_free(in);
}

static void m03_a_successor_at_the_same_address_gets_nothing_of_its_predecessors(void **state)
{
    world *in = world_stepped(1);
    book there = {0}, successor = {0};
    gr_future *sent = NULL;
    gr_msg *reply = NULL;

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    assert_int_equal(
        gr_request_future(in->peers[0].sys, there.pid, note_new(0, 1, 0), GR_FOREVER, &sent),
        GR_OK);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    world_stop(in, 1, true);
    world_start(in, 1, NULL);
    book_open(in, 1, &successor);
    assert_int_equal(gr_send(in->peers[0].sys, there.pid, note_new(0, 2, 0)), GR_OK);
    /* Long before the session time-out: another incarnation answers. */
    WORLD_UNTIL(in, 4000, in->peers[0].losts == 1);
    assert_int_equal(gr_await(sent, 0, &reply), GR_EUNKNOWN);
    world_run(in, 2000);
    assert_int_equal(successor.notes, 0);
    world_introduce(in, 0, 1);
    world_send_notes(in, 0, successor.pid, 0, 1, 3, 0);
    WORLD_UNTIL(in, 5000, successor.notes == 3);
    gr_future_unref(sent);
    world_free(in);
}

static void m03_a_goodbye_ends_the_session_at_once_and_delivers_what_was_sent(void **state)
{
    world *in = world_stepped(1);
    book there = {0}, here = {0};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 0, &there);
    here.watch = there.pid;
    book_open(in, 1, &here);
    world_send_notes(in, 1, there.pid, 0, 1, 1000, 100);
    world_stop(in, 1, false);
    WORLD_UNTIL(in, 2000, in->peers[0].losts == 1);
    assert_int_equal(there.notes, 1000);
    assert_int_equal(there.out_of_order, 0);
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).sessions_lost, 0);
    world_free(in);
}

static void m03_crashes_at_any_time_leave_no_request_without_an_outcome(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        world *in = world_stepped(seed);
        book there = {.answer = true};
        gr_future *asked[60];
        gr_msg *reply = NULL;
        gr_memory_faults faults = {.delay_max_ms = 30, .cut_per_10000 = 300};

        world_start(in, 0, NULL);
        world_start(in, 1, NULL);
        world_introduce(in, 0, 1);
        book_open(in, 1, &there);
        assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &faults), GR_OK);
        for (int i = 0; i < 60; i++) {
            assert_int_equal(gr_request_future(in->peers[0].sys, there.pid,
                                               note_new(0, (uint64_t)i + 1, i % 9 == 0 ? 99999 : 9),
                                               GR_FOREVER, &asked[i]),
                             GR_OK);
            world_run(in, (int64_t)(gr_stepped_random(in->stepped) % 5));
        }
        world_stop(in, 1, true);
        WORLD_UNTIL(in, 12000, in->peers[0].losts == 1);
        for (int i = 0; i < 60; i++) {
            gr_err err = gr_await(asked[i], 0, &reply);

            assert_true(err == GR_OK || err == GR_EUNKNOWN || err == GR_ENOTRUN);
            if (err == GR_OK) {
                reply = gr_msg_unref(reply);
            }
            asked[i] = gr_future_unref(asked[i]);
        }
        world_free(in);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m03_a_crash_is_told_to_watchers_and_to_those_who_wait),
        cmocka_unit_test(m03_a_successor_at_the_same_address_gets_nothing_of_its_predecessors),
        cmocka_unit_test(m03_a_goodbye_ends_the_session_at_once_and_delivers_what_was_sent),
        cmocka_unit_test(m03_crashes_at_any_time_leave_no_request_without_an_outcome),
    };

    if (argc == 3 && strcmp(argv[1], "--only") == 0) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
