/*
 * Sessions between whole systems over the memory network, under many seeds, with breaks, delays and
 * partitions. One thread, virtual time. `--seed N` replays one seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

#include <gri/mem.h>

enum { SEEDS = 20, WAIT_MS = 60000 };

static uint64_t only_seed; /* 0: all */

/* Calls a body for each seed; names the seed when it fails. */
static void for_seeds(void (*body)(world *in, uint64_t seed))
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        if (only_seed == 0 || only_seed == seed) {
            world *in = world_stepped(seed);

            print_message("seed %llu\n", (unsigned long long)seed);
            body(in, seed);
            world_free(in);
        }
    }
}

static void send_notes(world *in, int from, gr_pid to, uint32_t writer, uint64_t first,
                       uint64_t count, size_t bytes)
{
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(
            gr_send_wait(in->peers[from].sys, to, note_new(writer, first + i, bytes), GR_FOREVER),
            GR_OK);
    }
}

/* ---- m1 ---- */

static void m01_a_message_reaches_a_pid_of_another_process_and_its_answer_comes_back(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true};
    gr_msg *reply = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, note_new(0, 1, 10), 5000, &reply),
                     GR_OK);
    assert_int_equal(((const Note__Note *)gr_msg_read(reply, &note_type))->number, 1);
    reply = gr_msg_unref(reply);
    assert_int_equal(there.notes, 1);
    gr_remote_dump(in->peers[0].remote, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, " up: held 0 bytes"));
    free(text);
    world_free(in);
}

static void m01_forwarding_works_across_three_processes(void **state)
{
    world *in = world_stepped(1);
    book middle = {.answer = false}, last = {.answer = true};
    gr_msg *reply = NULL;

    (void)state;
    for (int i = 0; i < 3; i++) {
        world_start(in, i, NULL);
    }
    world_introduce(in, 0, 1);
    world_introduce(in, 1, 2);
    world_introduce(in, 0, 2);
    book_open(in, 2, &last);
    middle.forward = last.pid;
    book_open(in, 1, &middle);
    /* The second time the last one has a session with the first already. */
    for (uint64_t k = 1; k <= 3; k++) {
        assert_int_equal(gr_request(in->peers[0].sys, middle.pid, note_new(3, k, 0), 5000, &reply),
                         GR_OK);
        reply = gr_msg_unref(reply);
        assert_int_equal(last.notes, k);
    }
    world_free(in);
}

/* Answers in the thread that hands it the request, as what forwards and looks things up does. */
static void answer_at_once(void *self, gr_pid pid, gr_msg *take_msg)
{
    (void)pid;
    (void)gr_send(self, gr_msg_sender(take_msg), note_new(0, 1, 0));
    (void)gr_msg_unref(take_msg);
}

static void m01_what_is_sent_while_a_frame_is_handled_goes_together(void **state)
{
    static const gr_process_ops ops = {
        .version = GR_PROCESS_VERSION, .type_name = "echo", .deliver = answer_at_once};
    enum { REQUESTS = 50 };
    world *in = world_stepped(1);
    gr_future *asked[REQUESTS];
    gr_msg *reply = NULL;
    gr_pid echo;
    uint64_t frames = 0;

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    assert_int_equal(gr_process_open(in->peers[1].sys, &ops, in->peers[1].sys, 0, &echo), GR_OK);
    assert_int_equal(gr_request(in->peers[0].sys, echo, note_new(0, 1, 0), 1000, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    frames = gr_remote_read_counters(in->peers[1].remote).frames_sent;
    for (int i = 0; i < REQUESTS;
         i++) { /* the first goes alone, the others in one frame after it */
        assert_int_equal(
            gr_request_future(in->peers[0].sys, echo, note_new(0, 1, 0), GR_FOREVER, &asked[i]),
            GR_OK);
    }
    for (int i = 0; i < REQUESTS; i++) {
        assert_int_equal(gr_await(asked[i], 1000, &reply), GR_OK);
        reply = gr_msg_unref(reply);
        asked[i] = gr_future_unref(asked[i]);
    }
    assert_int_equal(gr_remote_read_counters(in->peers[1].remote).frames_sent - frames, 2);
    gr_process_close(in->peers[1].sys, echo);
    world_free(in);
}

static void m01_a_published_name_is_found_and_another_is_not(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true};
    gr_pid found = gr_pid_null();

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, NULL);
    book_open(in, 1, &there);
    assert_int_equal(gr_remote_publish(in->peers[1].remote, "book", there.pid), GR_OK);
    assert_int_equal(gr_remote_publish(in->peers[1].remote, "book", there.pid), GR_EEXIST);
    assert_int_equal(gr_remote_find(in->peers[0].remote, "mem://1", "book", 5000, &found), GR_OK);
    assert_true(gr_pid_equal(found, there.pid));
    assert_int_equal(gr_remote_find(in->peers[0].remote, "mem://1", "cook", 5000, &found),
                     GR_ENOTFOUND);
    world_free(in);
}

/* ---- m2 ---- */

static void breaks_all_the_time(world *in, uint64_t seed)
{
    book books[2] = {{0}, {0}};
    gr_memory_faults faults = {
        .delay_min_ms = 1, .delay_max_ms = (int64_t)(seed % 7) * 5, .cut_per_10000 = 400};
    enum { ROUNDS = 40, BATCH = 25 };
    int64_t began_ms = world_now(in);
    uint64_t sent = 0;

    for (int i = 0; i < 2; i++) {
        world_start(in, i, NULL);
        book_open(in, i, &books[i]);
    }
    world_introduce(in, 0, 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &faults), GR_OK);
    for (int round = 0; round < ROUNDS; round++, sent += BATCH) {
        for (uint32_t writer = 0; writer < 2; writer++) {
            /* Every tenth is large and travels in pieces; what follows must not overtake it. */
            for (uint64_t k = 1; k <= BATCH; k++) {
                send_notes(in, 0, books[1].pid, writer, sent + k, 1, k % 10 == 0 ? 100000 : 20);
                send_notes(in, 1, books[0].pid, writer, sent + k, 1, 20);
            }
        }
        world_run(in, 40);
    }
    WORLD_UNTIL(in, WAIT_MS, books[0].notes == sent * 2 && books[1].notes == sent * 2);
    assert_int_equal(books[0].out_of_order, 0);
    assert_int_equal(books[1].out_of_order, 0);
    assert_true(in->peers[0].brokens > 3);
    /* Each side dials at most every 25 ms, and each connection is counted on both. */
    assert_true(gr_remote_read_counters(in->peers[0].remote).connects <
                (uint64_t)(world_now(in) - began_ms) / 25 * 2 + 4);
    assert_int_equal(in->peers[0].losts + in->peers[1].losts, 0);
    assert_int_equal(in->peers[0].dead_letters + in->peers[1].dead_letters, 0);
}

static void m02_order_holds_and_nothing_is_lost_or_doubled_over_many_breaks(void **state)
{
    (void)state;
    for_seeds(breaks_all_the_time);
}

static void both_dial(world *in, uint64_t seed)
{
    book books[2] = {{0}, {0}};
    gr_memory_faults faults = {.delay_min_ms = 0, .delay_max_ms = (int64_t)(seed % 5)};

    for (int i = 0; i < 2; i++) {
        world_start(in, i, NULL);
        book_open(in, i, &books[i]);
    }
    world_introduce(in, 0, 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &faults), GR_OK);
    for (uint64_t k = 1; k <= 50; k++) {
        assert_int_equal(gr_send(in->peers[0].sys, books[1].pid, note_new(0, k, 8)), GR_OK);
        assert_int_equal(gr_send(in->peers[1].sys, books[0].pid, note_new(0, k, 8)), GR_OK);
        if (k % 10 == 0) {
            world_run(in, 1);
        }
    }
    WORLD_UNTIL(in, WAIT_MS, books[0].notes == 50 && books[1].notes == 50);
    assert_int_equal(books[0].out_of_order + books[1].out_of_order, 0);
    assert_int_equal(in->peers[0].ups, 1);
    assert_int_equal(in->peers[1].ups, 1);
    world_run(in, 5000);
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).sessions, 1);
    assert_int_equal(in->peers[0].losts + in->peers[1].losts, 0);
}

static void m02_when_both_dial_at_once_one_session_comes_of_it(void **state)
{
    (void)state;
    for_seeds(both_dial);
}

/* ---- m3 ---- */

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
    send_notes(in, 0, successor.pid, 0, 1, 3, 0);
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
    send_notes(in, 1, there.pid, 0, 1, 1000, 100);
    world_stop(in, 1, false);
    WORLD_UNTIL(in, 2000, in->peers[0].losts == 1);
    assert_int_equal(there.notes, 1000);
    assert_int_equal(there.out_of_order, 0);
    world_free(in);
}

/* ---- m4 ---- */

static void m04_the_window_bounds_what_is_in_use_and_refuses_then(void **state)
{
    world *in = world_stepped(1);
    book there = {.keep = 64};
    unsigned refused = 0;

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, &(gr_remote_options){.window_messages = 40});
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    for (uint64_t k = 2; k <= 60; k++) {
        gr_err err = gr_send(in->peers[0].sys, there.pid, note_new(0, k, 0));

        assert_true(err == GR_OK || err == GR_EFULL);
        refused += err == GR_EFULL;
    }
    assert_int_equal(refused, 20);
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).refused_by_window, 20);
    world_run(in, 3000);
    assert_int_equal(there.notes, 40);
    book_drop_held(&there);
    there.keep = 0;
    world_run(in, 3000);
    send_notes(in, 0, there.pid, 0, 41, 100, 0); /* waits for room where there is none */
    WORLD_UNTIL(in, 5000, there.notes == 140);
    assert_int_equal(there.out_of_order, 0);
    world_free(in);
}

static void m04_answers_come_although_requests_have_used_up_the_window(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true}, held = {.keep = 64};
    gr_msg *reply = NULL;
    gr_remote_options small = {.window_messages = 10};

    (void)state;
    world_start(in, 0, &small);
    world_start(in, 1, &small);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    book_open(in, 0, &held);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, note_new(0, 1, 0), 1000, &reply),
                     GR_OK);
    reply = gr_msg_unref(reply);
    for (uint64_t k = 1; k <= 10; k++) {
        assert_int_equal(gr_send(in->peers[1].sys, held.pid, note_new(0, k, 0)), GR_OK);
    }
    assert_int_equal(gr_send(in->peers[1].sys, held.pid, note_new(0, 11, 0)), GR_EFULL);
    WORLD_UNTIL(in, 1000, held.notes == 10);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, note_new(0, 2, 0), 1000, &reply),
                     GR_OK);
    reply = gr_msg_unref(reply);
    book_drop_held(&held);
    world_free(in);
}

static void m04_a_sender_that_waits_gives_up_at_its_deadline_or_with_the_session(void **state)
{
    world *in = world_stepped(1);
    book there = {.keep = 64};
    gr_memory_faults blocked = {.blocked = true};
    int64_t before_ms = 0;

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, &(gr_remote_options){.window_messages = 5});
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    send_notes(in, 0, there.pid, 0, 2, 4, 0);
    before_ms = world_now(in);
    assert_int_equal(gr_send_wait(in->peers[0].sys, there.pid, note_new(0, 6, 0), 700), GR_EFULL);
    assert_in_range(world_now(in) - before_ms, 700, 720);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &blocked), GR_OK);
    book_drop_held(&there);
    world_stop(in, 1, true);
    assert_int_equal(gr_send_wait(in->peers[0].sys, there.pid, note_new(0, 6, 0), GR_FOREVER),
                     GR_EUNREACHABLE);
    world_free(in);
}

static gr_err send_waiting(gr_context *ctx, void *state, const gr_msg *msg);

static void m04_who_needs_most_of_the_window_does_not_wait_for_a_heartbeat(void **state)
{
    enum { WINDOW = 100000, ROUNDS = 10 };
    world *in = world_stepped(1);
    book there = {.keep = 0};
    gr_props props = {.receive = send_waiting, .arg = &there.pid};
    gr_pid sender;
    int64_t began_ms = 0;

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, &(gr_remote_options){.window_bytes = WINDOW});
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    assert_int_equal(gr_spawn(in->peers[0].sys, &props, NULL, &sender), GR_OK);
    send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    began_ms = world_now(in);
    for (uint64_t i = 0; i < ROUNDS; i++) { /* an eighth, nine tenths, and more than all of it */
        send_notes(in, 0, there.pid, 0, 2 + 3 * i, 1, WINDOW / 8);
        send_notes(in, 0, there.pid, 0, 3 + 3 * i, 1, WINDOW / 10 * 9);
        send_notes(in, 0, there.pid, 0, 4 + 3 * i, 1, 2 * WINDOW);
    }
    WORLD_UNTIL(in, 1000, there.notes == 1 + 3 * ROUNDS);
    assert_in_range(world_now(in) - began_ms, 0, 100);
    /* What is in use there when it wants to know, and freed later, is told then. */
    there.keep = 1;
    send_notes(in, 0, there.pid, 0, 2 + 3 * ROUNDS, 1, WINDOW / 8);
    WORLD_UNTIL(in, 1000, there.held_count == 1);
    assert_int_equal(
        gr_send(in->peers[0].sys, sender, note_new(0, 3 + 3 * ROUNDS, WINDOW / 10 * 9)), GR_OK);
    world_run(in, 1500);
    assert_int_equal(there.notes, 2 + 3 * ROUNDS);
    there.keep = 0;
    began_ms = world_now(in);
    book_drop_held(&there);
    WORLD_UNTIL(in, 1000, there.notes == 3 + 3 * ROUNDS);
    assert_in_range(world_now(in) - began_ms, 0, 20);
    world_free(in);
}

static void m04_credit_comes_back_whatever_allocation_fails(void **state)
{
    bool failed = true;

    (void)state;
    for (uint64_t nth = 1; failed; nth++) {
        world *in = world_stepped(1);
        book there = {.keep = 0};
        char *text = NULL;
        size_t bytes = 0;
        FILE *out = open_memstream(&text, &bytes);

        world_start(in, 0, NULL);
        world_start(in, 1, NULL);
        world_introduce(in, 0, 1);
        book_open(in, 1, &there);
        send_notes(in, 0, there.pid, 0, 1, 1, 0);
        WORLD_UNTIL(in, 1000, there.notes == 1);
        gri_mem_fail_nth(nth);
        (void)gr_send(in->peers[0].sys, there.pid, note_new(0, 2, 100000));
        (void)gr_send(in->peers[0].sys, there.pid, note_new(0, 3, 10));
        world_run(in, 3000);
        failed = gri_mem_count() >= nth;
        gri_mem_fail_nth(0);
        world_run(in, 3000);
        gr_remote_dump(in->peers[0].remote, out);
        assert_int_equal(fclose(out), 0);
        if (strstr(text, "window 0/8192 messages 0/") == NULL) {
            fail_msg("allocation %d: %s", (int)nth, text);
        }
        free(text);
        world_free(in);
    }
}

static gr_err send_waiting(gr_context *ctx, void *state, const gr_msg *msg)
{
    const gr_pid *to = state;
    const Note__Note *note = gr_msg_read(msg, &note_type);

    return gr_send_wait(gr_context_system(ctx), *to, note_new(0, note->number, note->body.len),
                        GR_FOREVER);
}

/* Several wait, one of them with a payload that was packed apart; their fibers go with the crash. */
static void m04_a_crash_of_a_system_whose_handlers_wait_for_credit_leaves_nothing(void **state)
{
    world *in = world_stepped(1);
    book there = {.keep = 64};
    gr_props props = {.receive = send_waiting, .arg = &there.pid};
    gr_pid senders[3];

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, &(gr_remote_options){.window_messages = 5});
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    send_notes(in, 0, there.pid, 0, 2, 4, 0);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(gr_spawn(in->peers[0].sys, &props, NULL, &senders[i]), GR_OK);
        assert_int_equal(
            gr_send(in->peers[0].sys, senders[i], note_new(0, 6 + i, i == 1 ? 100000 : 10)), GR_OK);
    }
    world_run(in, 100);
    world_stop(in, 0, true);
    book_drop_held(&there);
    WORLD_UNTIL(in, 15000, in->peers[1].losts == 1);
    assert_int_equal(there.notes, 5);
    world_free(in);
}

/* ---- m5 ---- */

static void m05_a_short_break_goes_on_and_a_long_one_begins_anew_on_both_sides(void **state)
{
    world *in = world_stepped(1);
    book books[2] = {{0}, {0}};
    gr_memory_faults blocked = {.blocked = true}, none = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        world_start(in, i, NULL);
        book_open(in, i, &books[i]);
    }
    world_introduce(in, 0, 1);
    send_notes(in, 0, books[1].pid, 0, 1, 10, 0);
    WORLD_UNTIL(in, 1000, books[1].notes == 10);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &blocked), GR_OK);
    send_notes(in, 0, books[1].pid, 0, 11, 10, 0);
    world_run(in, 7000);
    assert_int_equal(in->peers[0].brokens, 1); /* nothing heard for too long */
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &none), GR_OK);
    WORLD_UNTIL(in, 4000, books[1].notes == 20);
    assert_int_equal(in->peers[0].losts + in->peers[1].losts, 0);

    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &blocked), GR_OK);
    world_run(in, 20000);
    assert_int_equal(in->peers[0].losts, 1);
    assert_int_equal(in->peers[1].losts, 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &none), GR_OK);
    send_notes(in, 0, books[1].pid, 0, 21, 10, 0);
    WORLD_UNTIL(in, 5000, books[1].notes == 30);
    assert_int_equal(in->peers[0].ups, 2);
    assert_int_equal(in->peers[1].ups, 2);
    assert_int_equal(books[1].out_of_order, 0);
    world_free(in);
}

static void m05_one_side_gives_up_and_the_other_learns_of_it_when_they_meet(void **state)
{
    world *in = world_stepped(1);
    book books[2] = {{0}, {0}};
    gr_memory_faults blocked = {.blocked = true}, none = {0};

    (void)state;
    world_start(in, 0, &(gr_remote_options){.session_timeout_ms = 60000});
    world_start(in, 1, &(gr_remote_options){.session_timeout_ms = 3000});
    for (int i = 0; i < 2; i++) {
        book_open(in, i, &books[i]);
    }
    world_introduce(in, 0, 1);
    send_notes(in, 0, books[1].pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, books[1].notes == 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &blocked), GR_OK);
    world_run(in, 12000);
    assert_int_equal(in->peers[1].losts, 1);
    assert_int_equal(in->peers[0].losts, 0);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &none), GR_OK);
    WORLD_UNTIL(in, 5000, in->peers[0].losts == 1);
    WORLD_UNTIL(in, 5000, in->peers[0].ups == 2);
    send_notes(in, 0, books[1].pid, 0, 2, 5, 0);
    WORLD_UNTIL(in, 5000, books[1].notes == 6);
    world_free(in);
}

static void m05_a_one_way_partition_is_noticed_by_both_sides(void **state)
{
    world *in = world_stepped(1);
    book there = {0};
    gr_memory_faults blocked = {.blocked = true}, none = {0};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, "mem://0", "mem://1", &blocked),
                     GR_OK);
    WORLD_UNTIL(in, 6000, in->peers[0].brokens > 0 && in->peers[1].brokens > 0);
    assert_int_equal(gr_memory_network_set_faults(in->network, "mem://0", "mem://1", &none), GR_OK);
    send_notes(in, 0, there.pid, 0, 2, 5, 0);
    WORLD_UNTIL(in, 5000, there.notes == 6);
    assert_int_equal(there.out_of_order, 0);
    world_free(in);
}

/* ---- m6 ---- */

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

/* ---- m8 ---- */

static void m08_watches_work_many_to_one_and_one_to_many_and_are_taken_back(void **state)
{
    world *in = world_stepped(1);
    book there[3] = {{0}, {0}, {0}}, here[3] = {{0}, {0}, {0}};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    for (int i = 0; i < 3; i++) {
        book_open(in, 1, &there[i]);
    }
    for (int i = 0; i < 3; i++) {
        here[i].watch = there[0].pid;
        book_open(in, 0, &here[i]);
    }
    world_run(in, 100);
    gr_send_stop(in->peers[0].sys, there[0].pid);
    WORLD_UNTIL(in, 1000, here[0].terminated + here[1].terminated + here[2].terminated == 3);
    assert_int_equal(here[0].last_reason, GR_REASON_STOPPED);
    /* A pid that has ended: told at once. */
    here[0].watch = there[0].pid;
    book_open(in, 0, &here[0]);
    WORLD_UNTIL(in, 1000, here[0].terminated == 2);
    /* A watcher that ends takes its watches along: nothing is left on either side. */
    here[1].watch = there[1].pid;
    book_open(in, 0, &here[1]);
    world_run(in, 100);
    gr_send_stop(in->peers[0].sys, here[1].pid);
    world_run(in, 100);
    gr_send_stop(in->peers[1].sys, there[1].pid);
    world_run(in, 100);
    assert_int_equal(here[1].terminated, 1);
    world_free(in);
}

static void m08_poison_comes_after_what_was_sent_before(void **state)
{
    world *in = world_stepped(1);
    book there = {0};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    send_notes(in, 0, there.pid, 0, 1, 100, 0);
    send_notes(in, 0, there.pid, 0, 101, 1, 200000);
    gr_send_poison(in->peers[0].sys, there.pid);
    send_notes(in, 0, there.pid, 0, 102, 5, 0);
    WORLD_UNTIL(in, 2000, in->peers[1].dead_letters == 5);
    assert_int_equal(there.notes, 101);
    world_free(in);
}

/* ---- m9, m12 ---- */

/* A dishonest sender's: bytes that say they are a note.Tree of so many levels. */
enum { DEEP_LEVELS = 150 };

static size_t deep_bytes_of(unsigned levels)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < levels; i++) {
        bytes += bytes < 128 ? 2 : 3; /* field 1, and the length of what is inside */
    }
    return bytes;
}

static size_t deep_bytes(const gr_type *type, const void *payload)
{
    (void)type;
    (void)payload;
    return deep_bytes_of(DEEP_LEVELS);
}

static void deep_pack(const gr_type *type, const void *payload, uint8_t *out)
{
    (void)type;
    (void)payload;
    for (unsigned left = DEEP_LEVELS; left > 0; left--) {
        size_t inside = deep_bytes_of(left - 1);

        *out++ = 1 << 3 | 2;
        *out++ = (uint8_t)(inside < 128 ? inside : (inside & 127) | 128);
        if (inside >= 128) {
            *out++ = (uint8_t)(inside >> 7);
        }
    }
}

static gr_err deep_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg)
{
    (void)type;
    (void)bytes;
    (void)count;
    (void)msg;
    return GR_EDECODE;
}

static const gr_codec deep_codec = {GR_CODEC_VERSION, deep_bytes, deep_pack, deep_unpack};
static const gr_type deep_type = {"note.Tree", 8, NULL, &deep_codec, NULL};

static void
m09_unknown_types_and_bad_payloads_are_named_to_their_sender_and_harm_nothing(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true};
    gr_msg *reply = NULL;
    gr_msg *msg = NULL;
    Note__Stranger stranger = NOTE__STRANGER__INIT;

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    assert_int_equal(gr_msg_new_proto(&stranger_type, &stranger, &msg), GR_OK);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, msg, 5000, &reply), GR_ENOTYPE);
    assert_non_null(strstr(gr_last_error()->text, "note.Stranger"));
    msg = gr_msg_new(&deep_type);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, msg, 5000, &reply), GR_EDECODE);
    assert_non_null(strstr(gr_last_error()->text, "note.Tree"));
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, note_new(0, 1, 0), 5000, &reply),
                     GR_OK);
    reply = gr_msg_unref(reply);
    assert_int_equal(in->peers[0].ups, 1);
    assert_int_equal(in->peers[0].brokens, 0);
    world_free(in);
}

static void m09_an_answer_that_cannot_be_read_or_sent_never_reads_as_not_run(void **state)
{
    world *in = world_stepped(1);
    book strange = {.answer = true, .answer_strangely = true};
    book large = {.answer = true, .answer_bytes = 5000};
    gr_msg *reply = NULL;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.message_bytes_max = 4000});
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &strange);
    book_open(in, 1, &large);
    /* Both requests have run: nothing may read as if they had not. */
    assert_int_equal(gr_request(in->peers[0].sys, strange.pid, note_new(0, 1, 0), 5000, &reply),
                     GR_EUNKNOWN);
    assert_non_null(strstr(gr_last_error()->text, "note.Stranger"));
    assert_int_equal(strange.notes, 1);
    assert_int_equal(gr_request(in->peers[0].sys, large.pid, note_new(0, 1, 0), 5000, &reply),
                     GR_EFAILED);
    assert_non_null(strstr(gr_last_error()->text, "it ran"));
    assert_non_null(strstr(gr_last_error()->text, "at most 4000 travel"));
    assert_int_equal(large.notes, 1);
    world_free(in);
}

static void m09_a_request_to_an_actor_that_is_gone_fails_at_once(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true};
    gr_msg *reply = NULL;

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    gr_send_stop(in->peers[1].sys, there.pid);
    world_run(in, 10);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, note_new(0, 1, 0), 5000, &reply),
                     GR_EDEAD);
    world_free(in);
}

static void m12_the_limit_is_exact_and_many_together_may_exceed_it(void **state)
{
    world *in = world_stepped(1);
    book there = {0};
    gr_remote_options options = {.message_bytes_max = 100000};
    gr_msg *msg = NULL;
    size_t body = 100000;

    (void)state;
    world_start(in, 0, &options);
    world_start(in, 1, &options);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    for (;;) { /* the body for which the packed message has exactly the limit */
        msg = note_new(0, 1, body);
        if (note_type.codec->packed_bytes(&note_type, gr_msg_read(msg, &note_type)) == 100000) {
            break;
        }
        msg = gr_msg_unref(msg);
        body--;
    }
    assert_int_equal(gr_send(in->peers[0].sys, there.pid, msg), GR_OK);
    assert_int_equal(gr_send(in->peers[0].sys, there.pid, note_new(0, 2, body + 1)), GR_ETOOBIG);
    assert_int_equal(in->peers[0].dead_letters, 1);
    send_notes(in, 0, there.pid, 0, 2, 30, 90000);
    WORLD_UNTIL(in, 5000, there.notes == 31);
    assert_int_equal(there.out_of_order, 0);
    world_free(in);
}

static void m12_a_message_larger_than_the_whole_window_goes_alone(void **state)
{
    world *in = world_stepped(1);
    book there = {0};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, &(gr_remote_options){.window_bytes = 10000});
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    send_notes(in, 0, there.pid, 0, 2, 5, 3000000);
    WORLD_UNTIL(in, 20000, there.notes == 6);
    assert_int_equal(there.out_of_order, 0);
    world_free(in);
}

/* ---- m11, m14 ---- */

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

static void m14_a_client_may_not_stop_actors(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true};
    gr_msg *reply = NULL;
    uint64_t node = 0;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, NULL);
    book_open(in, 1, &there);
    assert_int_equal(gr_remote_connect(in->peers[0].remote, "mem://1", 5000, &node), GR_OK);
    assert_int_equal(node, gr_system_node(in->peers[1].sys));
    gr_send_stop(in->peers[0].sys, there.pid);
    gr_send_poison(in->peers[0].sys, there.pid);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, note_new(0, 1, 0), 5000, &reply),
                     GR_OK);
    reply = gr_msg_unref(reply);
    world_free(in);
}

/* ---- everything at once ---- */

static void storm(world *in, uint64_t seed)
{
    enum { NODES = 4, ROUNDS = 60 };
    book books[NODES] = {{0}, {0}, {0}, {0}};
    uint64_t next[NODES][NODES] = {{0}};
    unsigned long total = 0;

    for (int i = 0; i < NODES; i++) {
        world_start(in, i,
                    &(gr_remote_options){.session_timeout_ms = 120000,
                                         .window_messages = 50,
                                         .window_bytes = 300000});
        book_open(in, i, &books[i]);
    }
    for (int i = 0; i < NODES; i++) {
        for (int k = 0; k < i; k++) {
            world_introduce(in, i, k);
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t dice = gr_stepped_random(in->stepped);
        char from[24], to[24];
        gr_memory_faults faults = {.delay_max_ms = (int64_t)(dice % 20),
                                   .cut_per_10000 = dice % 3 == 0 ? 500 : 0,
                                   .blocked = dice % 5 == 0 && round < ROUNDS - 1};

        (void)snprintf(from, sizeof(from), "mem://%d", (int)(dice >> 8) & 3);
        (void)snprintf(to, sizeof(to), "mem://%d", (int)(dice >> 10) & 3);
        assert_int_equal(gr_memory_network_set_faults(in->network, from, to, &faults), GR_OK);
        for (int k = 0; k < 30; k++) {
            uint64_t more = gr_stepped_random(in->stepped);
            unsigned a = (unsigned)more & 3, b = (unsigned)(more >> 2) & 3;
            size_t bytes = more % 17 == 0 ? 70000 : (more >> 8) % 300;

            if (a != b && gr_send(in->peers[a].sys, books[b].pid,
                                  note_new(a, next[a][b] + 1, bytes)) == GR_OK) {
                next[a][b]++;
                total++;
            }
        }
        world_run(in, (int64_t)(dice >> 16) % 1500);
    }
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &(gr_memory_faults){0}),
                     GR_OK);
    for (int i = 0; i < 16; i++) {
        char from[24], to[24];

        (void)snprintf(from, sizeof(from), "mem://%d", i & 3);
        (void)snprintf(to, sizeof(to), "mem://%d", i >> 2);
        assert_int_equal(
            gr_memory_network_set_faults(in->network, from, to, &(gr_memory_faults){0}), GR_OK);
    }
    WORLD_UNTIL(in, WAIT_MS,
                books[0].notes + books[1].notes + books[2].notes + books[3].notes == total);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(books[i].out_of_order, 0);
        assert_int_equal(in->peers[i].losts, 0);
    }
    (void)seed;
}

static void m02_four_processes_in_a_storm_lose_nothing(void **state)
{
    (void)state;
    for_seeds(storm);
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

/* Every allocation of a start, a connect, a request, a large message and a stop fails once: an error
 * or a dead letter comes of it, and what comes after works. */
static void m09_any_allocation_may_fail_without_harm(void **state)
{
    const gr_type *const types[] = {&note_type};
    bool failed = true;

    (void)state;
    for (uint64_t nth = 1; failed; nth++) {
        world *in = world_stepped(1);
        book there = {.answer = true};
        gr_remote *second = NULL;
        gr_system *sys = NULL;
        gr_msg *reply = NULL;
        gr_pid found = gr_pid_null();
        gr_remote_options options = {.transport = gr_transport_memory(),
                                     .transport_arg = in->network};

        world_start(in, 1, &(gr_remote_options){.session_timeout_ms = 2000});
        book_open(in, 1, &there);
        assert_int_equal(gr_remote_publish(in->peers[1].remote, "book", there.pid), GR_OK);
        assert_int_equal(gr_system_new(&(gr_system_options){.stepped = in->stepped}, &sys), GR_OK);
        gri_mem_fail_nth(nth);
        if (gr_remote_start(sys, &options, &second) == GR_OK) {
            (void)!gr_remote_add_types(second, types, 1);
            if (gr_remote_find(second, "mem://1", "book", 20000, &found) == GR_OK) {
                if (gr_request(sys, found, note_new(0, 1, 70000), 20000, &reply) == GR_OK) {
                    reply = gr_msg_unref(reply);
                }
                (void)gr_send_wait(sys, found, note_new(1, 1, 10), 1000);
            }
        }
        failed = gri_mem_count() >= nth;
        gri_mem_fail_nth(0);
        if (second != NULL) {
            assert_int_equal(gr_remote_add_types(second, types, 1), GR_OK);
            assert_int_equal(gr_remote_find(second, "mem://1", "book", 20000, &found), GR_OK);
            assert_int_equal(gr_request(sys, found, note_new(2, 1, 10), 20000, &reply), GR_OK);
            reply = gr_msg_unref(reply);
        }
        second = gr_remote_free(second);
        sys = gr_system_free(sys);
        world_free(in);
    }
}

static void the_same_seed_gives_the_same_counters(void **state)
{
    gr_remote_counters counters[2];

    (void)state;
    for (int run = 0; run < 2; run++) {
        world *in = world_stepped(7);

        breaks_all_the_time(in, 7);
        counters[run] = gr_remote_read_counters(in->peers[0].remote);
        world_free(in);
    }
    assert_memory_equal(&counters[0], &counters[1], sizeof(counters[0]));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m01_a_message_reaches_a_pid_of_another_process_and_its_answer_comes_back),
        cmocka_unit_test(m01_forwarding_works_across_three_processes),
        cmocka_unit_test(m01_what_is_sent_while_a_frame_is_handled_goes_together),
        cmocka_unit_test(m01_a_published_name_is_found_and_another_is_not),
        cmocka_unit_test(m02_order_holds_and_nothing_is_lost_or_doubled_over_many_breaks),
        cmocka_unit_test(m02_when_both_dial_at_once_one_session_comes_of_it),
        cmocka_unit_test(m02_four_processes_in_a_storm_lose_nothing),
        cmocka_unit_test(m03_a_crash_is_told_to_watchers_and_to_those_who_wait),
        cmocka_unit_test(m03_a_successor_at_the_same_address_gets_nothing_of_its_predecessors),
        cmocka_unit_test(m03_a_goodbye_ends_the_session_at_once_and_delivers_what_was_sent),
        cmocka_unit_test(m03_crashes_at_any_time_leave_no_request_without_an_outcome),
        cmocka_unit_test(m04_the_window_bounds_what_is_in_use_and_refuses_then),
        cmocka_unit_test(m04_answers_come_although_requests_have_used_up_the_window),
        cmocka_unit_test(m04_a_sender_that_waits_gives_up_at_its_deadline_or_with_the_session),
        cmocka_unit_test(m04_who_needs_most_of_the_window_does_not_wait_for_a_heartbeat),
        cmocka_unit_test(m04_credit_comes_back_whatever_allocation_fails),
        cmocka_unit_test(m04_a_crash_of_a_system_whose_handlers_wait_for_credit_leaves_nothing),
        cmocka_unit_test(m05_a_short_break_goes_on_and_a_long_one_begins_anew_on_both_sides),
        cmocka_unit_test(m05_one_side_gives_up_and_the_other_learns_of_it_when_they_meet),
        cmocka_unit_test(m05_a_one_way_partition_is_noticed_by_both_sides),
        cmocka_unit_test(m06_connecting_to_nobody_retries_ever_slower_and_ends_in_dead_letters),
        cmocka_unit_test(
            m06_who_waits_for_a_connection_is_told_when_it_stops_and_nothing_is_dialled),
        cmocka_unit_test(m06_who_connects_is_told_something_when_memory_is_short),
        cmocka_unit_test(m08_watches_work_many_to_one_and_one_to_many_and_are_taken_back),
        cmocka_unit_test(m08_poison_comes_after_what_was_sent_before),
        cmocka_unit_test(
            m09_unknown_types_and_bad_payloads_are_named_to_their_sender_and_harm_nothing),
        cmocka_unit_test(m09_a_request_to_an_actor_that_is_gone_fails_at_once),
        cmocka_unit_test(m09_an_answer_that_cannot_be_read_or_sent_never_reads_as_not_run),
        cmocka_unit_test(m09_any_allocation_may_fail_without_harm),
        cmocka_unit_test(m11_another_cluster_is_refused_on_both_sides_with_both_names),
        cmocka_unit_test(m12_the_limit_is_exact_and_many_together_may_exceed_it),
        cmocka_unit_test(m12_a_message_larger_than_the_whole_window_goes_alone),
        cmocka_unit_test(m14_a_client_may_not_stop_actors),
        cmocka_unit_test(the_same_seed_gives_the_same_counters),
    };

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0) {
            only_seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0) {
            cmocka_set_test_filter(argv[i + 1]);
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
