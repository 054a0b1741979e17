/*
 * Windows and limits between whole systems over the memory network: what may be in use at a peer, who
 * waits for it, and how large a message may be. One thread, virtual time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

#include <gri/mem.h>

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
    world_send_notes(in, 0, there.pid, 0, 1, 1, 0);
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
    world_send_notes(in, 0, there.pid, 0, 41, 100, 0); /* waits for room where there is none */
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
    world_send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    world_send_notes(in, 0, there.pid, 0, 2, 4, 0);
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

static gr_err send_waiting(gr_context *ctx, void *state, const gr_msg *msg)
{
    const gr_pid *to = state;
    const Note__Note *note = gr_msg_read(msg, &note_type);

    return gr_send_wait(gr_context_system(ctx), *to, note_new(0, note->number, note->body.len),
                        GR_FOREVER);
}

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
    world_send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    began_ms = world_now(in);
    for (uint64_t i = 0; i < ROUNDS; i++) { /* an eighth, nine tenths, and more than all of it */
        world_send_notes(in, 0, there.pid, 0, 2 + 3 * i, 1, WINDOW / 8);
        world_send_notes(in, 0, there.pid, 0, 3 + 3 * i, 1, WINDOW / 10 * 9);
        world_send_notes(in, 0, there.pid, 0, 4 + 3 * i, 1, 2 * WINDOW);
    }
    WORLD_UNTIL(in, 1000, there.notes == 1 + 3 * ROUNDS);
    assert_in_range(world_now(in) - began_ms, 0, 100);
    /* What is in use there when it wants to know, and freed later, is told then. */
    there.keep = 1;
    world_send_notes(in, 0, there.pid, 0, 2 + 3 * ROUNDS, 1, WINDOW / 8);
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
        world_send_notes(in, 0, there.pid, 0, 1, 1, 0);
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
    world_send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    world_send_notes(in, 0, there.pid, 0, 2, 4, 0);
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
    world_send_notes(in, 0, there.pid, 0, 2, 30, 90000);
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
    world_send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    world_send_notes(in, 0, there.pid, 0, 2, 5, 3000000);
    WORLD_UNTIL(in, 20000, there.notes == 6);
    assert_int_equal(there.out_of_order, 0);
    world_free(in);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m04_the_window_bounds_what_is_in_use_and_refuses_then),
        cmocka_unit_test(m04_answers_come_although_requests_have_used_up_the_window),
        cmocka_unit_test(m04_a_sender_that_waits_gives_up_at_its_deadline_or_with_the_session),
        cmocka_unit_test(m04_who_needs_most_of_the_window_does_not_wait_for_a_heartbeat),
        cmocka_unit_test(m04_credit_comes_back_whatever_allocation_fails),
        cmocka_unit_test(m04_a_crash_of_a_system_whose_handlers_wait_for_credit_leaves_nothing),
        cmocka_unit_test(m12_the_limit_is_exact_and_many_together_may_exceed_it),
        cmocka_unit_test(m12_a_message_larger_than_the_whole_window_goes_alone),
    };

    if (argc == 3 && strcmp(argv[1], "--only") == 0) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
