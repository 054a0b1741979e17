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

/* What a process that answers has run, by the number of the note. */
enum { ASKED = 60 };

typedef struct runner {
    gr_system *sys;
    bool answers;
    bool ran[ASKED + 1];
    unsigned count;
    gr_pid asker; /* of the newest request */
} runner;

/* In the thread that hands it the request. */
static void run(void *self, gr_pid pid, gr_msg *take_msg)
{
    runner *it = self;
    const Note__Note *note = gr_msg_read(take_msg, &note_type);

    (void)pid;
    it->ran[note->number] = true;
    it->count++;
    it->asker = gr_msg_sender(take_msg);
    if (it->answers) {
        (void)gr_send(it->sys, gr_msg_sender(take_msg), note_new(0, note->number, 0));
    }
    (void)gr_msg_unref(take_msg);
}

static const gr_process_ops runner_ops = {
    .version = GR_PROCESS_VERSION, .type_name = "runner", .deliver = run};

/* Two processes that are in touch, 5 ms apart; a runner at the second. */
static gr_pid runner_far_away(world *in, runner *there)
{
    gr_memory_faults far = {.delay_min_ms = 5, .delay_max_ms = 5};
    gr_msg *reply = NULL;
    bool answers = there->answers;
    gr_pid pid;

    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    there->sys = in->peers[1].sys;
    there->answers = true;
    assert_int_equal(gr_process_open(there->sys, &runner_ops, there, 0, &pid), GR_OK);
    assert_int_equal(gr_request(in->peers[0].sys, pid, note_new(0, 0, 0), 1000, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    there->count = 0;
    there->answers = answers;
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &far), GR_OK);
    return pid;
}

static void end_of(gr_future **io_asked, gr_err expected, const char *text)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(*io_asked, 0, &reply);

    if (err != expected || (text != NULL && strstr(gr_last_error()->text, text) == NULL)) {
        fail_msg("%s: %s", gr_err_name(err), gr_last_error()->text);
    }
    (void)gr_msg_unref(reply);
    *io_asked = gr_future_unref(*io_asked);
}

static gr_future *ask(world *in, gr_pid to, uint64_t number, size_t bytes)
{
    gr_future *asked = NULL;

    assert_int_equal(
        gr_request_future(in->peers[0].sys, to, note_new(0, number, bytes), GR_FOREVER, &asked),
        GR_OK);
    return asked;
}

static void m03_a_request_on_its_way_to_who_says_goodbye_has_not_run(void **state)
{
    world *in = world_stepped(1);
    runner there = {.answers = true};
    gr_pid to = runner_far_away(in, &there);
    gr_future *asked = ask(in, to, 1, 0);

    (void)state;
    world_stop(in, 1, false);
    WORLD_UNTIL(in, 1000, in->peers[0].losts == 1);
    end_of(&asked, GR_ENOTRUN, "not taken in");
    assert_int_equal(there.count, 0);
    world_free(in);
}

static void m03_a_request_taken_in_and_not_answered_before_a_goodbye_is_unknown(void **state)
{
    world *in = world_stepped(1);
    runner there = {.answers = false};
    gr_pid to = runner_far_away(in, &there);
    gr_future *taken = ask(in, to, 1, 0), *late = NULL;

    (void)state;
    WORLD_UNTIL(in, 100, there.count == 1);
    late = ask(in, to, 2, 0);
    world_stop(in, 1, false);
    WORLD_UNTIL(in, 1000, in->peers[0].losts == 1);
    end_of(&taken, GR_EUNKNOWN, "not answered");
    end_of(&late, GR_ENOTRUN, "not taken in");
    assert_int_equal(there.count, 1);
    world_free(in);
}

/* It counts as taken in with its last piece, which is on its way here. */
static void m03_a_request_of_which_only_pieces_arrived_before_a_goodbye_has_not_run(void **state)
{
    enum { BYTES = 1000000 };
    world *in = world_stepped(1);
    runner there = {.answers = true};
    gr_pid to = runner_far_away(in, &there);
    uint64_t sent = gr_remote_read_counters(in->peers[0].remote).bytes_sent;
    uint64_t heard = gr_remote_read_counters(in->peers[1].remote).bytes_received;
    gr_future *asked = ask(in, to, 1, BYTES);

    (void)state;
    WORLD_UNTIL(in, 1000, gr_remote_read_counters(in->peers[0].remote).bytes_sent - sent > BYTES);
    assert_in_range(gr_remote_read_counters(in->peers[1].remote).bytes_received - heard, BYTES / 2,
                    BYTES - 1);
    world_stop(in, 1, false);
    WORLD_UNTIL(in, 1000, in->peers[0].losts == 1);
    end_of(&asked, GR_ENOTRUN, "not taken in");
    assert_int_equal(there.count, 0);
    world_free(in);
}

static void m03_answers_that_were_sent_arrive_before_the_goodbye(void **state)
{
    world *in = world_stepped(1);
    runner there = {.answers = true};
    gr_pid to = runner_far_away(in, &there);
    gr_future *asked[ASKED];

    (void)state;
    for (uint64_t i = 0; i < ASKED; i++) {
        asked[i] = ask(in, to, i + 1, 0);
    }
    WORLD_UNTIL(in, 100, there.count == ASKED);
    world_stop(in, 1, false);
    WORLD_UNTIL(in, 1000, in->peers[0].losts == 1);
    for (int i = 0; i < ASKED; i++) {
        end_of(&asked[i], GR_OK, NULL);
    }
    world_free(in);
}

static void answer_late(void *arg)
{
    runner *it = arg;

    assert_int_equal(gr_send(it->sys, it->asker, note_new(0, 1, 0)), GR_OK);
}

/* It stops while something large is still being handed over: so long there is time to answer what was
 * taken in before, but what comes now has not run. */
static void m03_who_stops_still_answers_and_takes_in_nothing_more(void **state)
{
    world *in = world_stepped(1);
    runner there = {.answers = false};
    gr_pid to = runner_far_away(in, &there);
    book here = {.answer = false};
    gr_future *taken = ask(in, to, 1, 0), *late = NULL;
    gr_alarm alarm;

    (void)state;
    book_open(in, 0, &here);
    WORLD_UNTIL(in, 100, there.count == 1);
    late = ask(in, to, 2, 0);
    world_send_notes(in, 1, here.pid, 0, 1, 1, 2000000);
    gr_alarm_init(&alarm, there.sys, answer_late, &there);
    gr_alarm_set(&alarm, world_now(in) + 20);
    gr_remote_stop(in->peers[1].remote, 2000);
    gr_alarm_fini(&alarm);
    WORLD_UNTIL(in, 1000, in->peers[0].losts == 1);
    assert_int_equal(here.notes, 1);
    end_of(&taken, GR_OK, NULL);
    end_of(&late, GR_ENOTRUN, "not taken in");
    assert_int_equal(there.count, 1);
    world_free(in);
}

/* ... and goes on with it over the next connection when this one breaks. */
static void m03_who_stops_hands_over_what_waits_although_the_connection_breaks(void **state)
{
    world *in = world_stepped(1);
    runner there = {.answers = false};
    gr_memory_faults cut = {.delay_min_ms = 5, .delay_max_ms = 5, .cut_per_10000 = 500};
    book here = {.answer = false};

    (void)state;
    (void)runner_far_away(in, &there);
    book_open(in, 0, &here);
    world_send_notes(in, 1, here.pid, 0, 1, 1, 3000000);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &cut), GR_OK);
    gr_remote_stop(in->peers[1].remote, 60000);
    assert_true(in->peers[1].brokens > 0);
    assert_int_equal(here.notes, 1);
    world_free(in);
}

/* A goodbye at any time, over connections that break or do not, with requests of all sizes under way. */
static void leave_at_any_time(uint64_t seed, bool breaks)
{
    world *in = world_stepped(seed);
    runner there = {.answers = true};
    gr_pid to = runner_far_away(in, &there);
    gr_memory_faults faults = {.delay_max_ms = 30, .cut_per_10000 = breaks ? 300 : 0};
    gr_future *asked[ASKED];
    gr_msg *reply = NULL;
    unsigned answered = 0;
    int leaves_at = (int)(gr_stepped_random(in->stepped) % ASKED);

    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &faults), GR_OK);
    for (int i = 0; i < ASKED; i++) {
        asked[i] = ask(in, to, (uint64_t)i + 1, i % 9 == 0 ? 99999 : 9);
        world_run(in, (int64_t)(gr_stepped_random(in->stepped) % 3));
        if (i == leaves_at) {
            break;
        }
    }
    world_stop(in, 1, false);
    WORLD_UNTIL(in, 12000, in->peers[0].losts == 1);
    for (int i = 0; i <= leaves_at; i++) {
        gr_err err = gr_await(asked[i], 0, &reply);

        assert_true(err == GR_OK || err == GR_ENOTRUN || (breaks && err == GR_EUNKNOWN));
        assert_false(err == GR_OK && !there.ran[i + 1]);
        assert_false(err == GR_ENOTRUN && there.ran[i + 1]);
        reply = err == GR_OK ? gr_msg_unref(reply) : NULL;
        answered += err == GR_OK;
        asked[i] = gr_future_unref(asked[i]);
    }
    assert_true(breaks || answered == there.count);
    world_free(in);
}

static void m03_a_goodbye_at_any_time_leaves_no_doubt_about_what_has_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        leave_at_any_time(seed, false);
        leave_at_any_time(seed, true);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m03_a_crash_is_told_to_watchers_and_to_those_who_wait),
        cmocka_unit_test(m03_a_successor_at_the_same_address_gets_nothing_of_its_predecessors),
        cmocka_unit_test(m03_a_goodbye_ends_the_session_at_once_and_delivers_what_was_sent),
        cmocka_unit_test(m03_a_request_on_its_way_to_who_says_goodbye_has_not_run),
        cmocka_unit_test(m03_a_request_taken_in_and_not_answered_before_a_goodbye_is_unknown),
        cmocka_unit_test(m03_a_request_of_which_only_pieces_arrived_before_a_goodbye_has_not_run),
        cmocka_unit_test(m03_answers_that_were_sent_arrive_before_the_goodbye),
        cmocka_unit_test(m03_who_stops_still_answers_and_takes_in_nothing_more),
        cmocka_unit_test(m03_who_stops_hands_over_what_waits_although_the_connection_breaks),
        cmocka_unit_test(m03_a_goodbye_at_any_time_leaves_no_doubt_about_what_has_run),
        cmocka_unit_test(m03_crashes_at_any_time_leave_no_request_without_an_outcome),
    };

    if (argc == 3 && strcmp(argv[1], "--only") == 0) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
