/*
 * The outbox, the window and the table of pids by themselves: order, priority, pieces, what is sent
 * again, and books that balance under random use against simple models.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox.h"
#include "pid_table.h"
#include "window.h"
#include "world.h"

#include <gri/mem.h>

static uint64_t dice = 88172645463325252u;

static uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice;
}

static void add(gri_outbox *outbox, gri_lane lane, uint32_t slot, uint32_t number)
{
    gri_envelope envelope = {
        .kind = GRI_ENVELOPE_MESSAGE, .type = 1, .bytes = 4, .slot = slot, .generation = 1};
    uint8_t *at = gri_outbox_add(outbox, lane, &envelope);

    assert_non_null(at);
    gri_put_u32(at, number);
}

static void add_parcel(gri_outbox *outbox, uint32_t slot, uint32_t bytes, uint32_t number)
{
    gri_envelope envelope = {
        .kind = GRI_ENVELOPE_MESSAGE, .type = 1, .bytes = bytes, .slot = slot, .generation = 1};
    uint8_t *payload = gri_alloc(bytes);

    memset(payload, 0, bytes);
    gri_put_u32(payload, number);
    assert_true(gri_outbox_add_parcel(outbox, &envelope, payload));
}

/* Takes the next frame and appends the numbers it carries; a payload in pieces counts when its first
 * piece comes. Returns how many frames that were. */
typedef struct reading {
    uint32_t numbers[4096];
    size_t count;
} reading;

static bool read_next(gri_outbox *outbox, reading *into)
{
    gri_chunk *chunk = gri_outbox_next(outbox);
    gri_reader reader;
    gri_envelope envelope;

    if (chunk == NULL) {
        return false;
    }
    assert_true(chunk->bytes <= GRI_FRAME_BYTES_MAX);
    reader = gri_reader_of(chunk->data + GRI_FRAME_BYTES, chunk->bytes - GRI_FRAME_BYTES);
    while (reader.left > 0) {
        assert_true(gri_envelope_read(&reader, &envelope));
        if (envelope.kind == GRI_ENVELOPE_MESSAGE || envelope.offset == 0) {
            into->numbers[into->count++] = gri_get_u32(envelope.payload);
        }
    }
    gri_outbox_sent(outbox);
    return true;
}

static void control_goes_first_and_pieces_let_others_in_between(void **state)
{
    gri_outbox outbox;
    static reading got;
    size_t third = 0;

    (void)state;
    got.count = 0;
    gri_outbox_init(&outbox);
    add_parcel(&outbox, 1, 200000, 100);
    for (uint32_t i = 0; i < 4; i++) { /* frames of their own, since each is nearly full */
        gri_envelope envelope = {.kind = GRI_ENVELOPE_MESSAGE, .bytes = 30000, .slot = 2};
        uint8_t *at = gri_outbox_add(&outbox, GRI_LANE_USER, &envelope);

        memset(at, 0, 30000);
        gri_put_u32(at, i + 1);
    }
    add(&outbox, GRI_LANE_CONTROL, 3, 50);
    while (read_next(&outbox, &got)) {
    }
    assert_int_equal(got.count, 6);
    assert_int_equal(got.numbers[0], 50);
    for (size_t i = 0; i < got.count; i++) {
        third = got.numbers[i] == 100 ? i : third;
    }
    assert_in_range(third, 1, 2); /* it begins early, and the others are not behind all of it */
    assert_int_equal(outbox.last_seq, 1 + 4 + 7);
    gri_outbox_fini(&outbox);
}

static void what_follows_a_parcel_to_the_same_target_comes_after_it(void **state)
{
    gri_outbox outbox;
    static reading got;

    (void)state;
    got.count = 0;
    gri_outbox_init(&outbox);
    add(&outbox, GRI_LANE_USER, 1, 1);
    add_parcel(&outbox, 1, 100000, 2);
    assert_true(gri_outbox_must_follow(&outbox, 1));
    assert_false(gri_outbox_must_follow(&outbox, 2));
    add_parcel(&outbox, 1, 4, 3);
    add_parcel(&outbox, 1, 100000, 4);
    add_parcel(&outbox, 1, 4, 5);
    while (read_next(&outbox, &got)) {
    }
    assert_int_equal(got.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(got.numbers[i], i + 1);
    }
    assert_false(gri_outbox_must_follow(&outbox, 1));
    gri_outbox_fini(&outbox);
}

static void what_is_not_acknowledged_is_sent_again_in_its_order(void **state)
{
    gri_outbox outbox;
    static reading got;

    (void)state;
    got.count = 0;
    gri_outbox_init(&outbox);
    for (uint32_t i = 1; i <= 5; i++) {
        add(&outbox, GRI_LANE_USER, 1, i);
        assert_true(read_next(&outbox, &got));
    }
    assert_true(gri_outbox_ack(&outbox, 2));
    assert_false(gri_outbox_ack(&outbox, 6)); /* never sent */
    add(&outbox, GRI_LANE_USER, 1, 6);
    got.count = 0;
    assert_true(gri_outbox_resume(&outbox, 3));
    while (read_next(&outbox, &got)) {
    }
    assert_int_equal(got.count, 3);
    assert_int_equal(got.numbers[0], 4);
    assert_int_equal(got.numbers[1], 5);
    assert_int_equal(got.numbers[2], 6);
    assert_false(gri_outbox_resume(&outbox, 1)); /* gone */
    assert_true(gri_outbox_ack(&outbox, 6));
    assert_true(gri_outbox_empty(&outbox));
    assert_int_equal(outbox.held_bytes, 0);
    gri_outbox_fini(&outbox);
}

static void an_ack_that_comes_while_the_network_reads_waits_for_it(void **state)
{
    gri_outbox outbox;
    gri_chunk *chunk = NULL;

    (void)state;
    gri_outbox_init(&outbox);
    add(&outbox, GRI_LANE_USER, 1, 1);
    chunk = gri_outbox_next(&outbox);
    assert_true(gri_outbox_ack(&outbox, 1));
    assert_ptr_equal(TAILQ_FIRST(&outbox.sent), chunk);
    gri_outbox_sent(&outbox);
    assert_true(gri_outbox_empty(&outbox));
    gri_outbox_fini(&outbox);
}

static void each_allocation_may_fail_and_nothing_is_lost_by_it(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 12; nth++) {
        gri_outbox outbox;
        static reading got;
        gri_envelope small = {.kind = GRI_ENVELOPE_MESSAGE, .bytes = 4, .slot = 1};
        gri_envelope large = {.kind = GRI_ENVELOPE_MESSAGE, .bytes = 90000, .slot = 2};
        uint8_t *payload = calloc(1, 90000), *at = NULL;
        size_t added = 0;

        got.count = 0;
        gri_outbox_init(&outbox);
        gri_mem_fail_nth(nth);
        for (uint32_t i = 0; i < 5; i++) {
            at = gri_outbox_add(&outbox, GRI_LANE_USER, &small);
            if (at != NULL) {
                memset(at, 0, 4);
                added++;
            }
        }
        if (gri_outbox_add_parcel(&outbox, &large, payload)) {
            added++;
        } else {
            free(payload);
        }
        for (int patience = 0; patience < 20; patience++) { /* memory comes back */
            while (read_next(&outbox, &got)) {
            }
        }
        gri_mem_fail_nth(0);
        assert_int_equal(got.count, added);
        gri_outbox_fini(&outbox);
    }
}

static void the_window_lets_through_what_is_free_and_one_that_is_too_large_alone(void **state)
{
    gri_window window = {.messages_max = 3, .bytes_max = 100};

    (void)state;
    assert_true(gri_window_take(&window, 500)); /* alone */
    assert_false(gri_window_take(&window, 1));
    assert_false(gri_window_release(&window, 2, 500)); /* more than was taken */
    assert_true(gri_window_release(&window, 1, 500));
    assert_true(gri_window_take(&window, 40));
    assert_true(gri_window_take(&window, 60));
    assert_false(gri_window_take(&window, 1));      /* bytes */
    assert_true(gri_window_release(&window, 0, 0)); /* an old word changes nothing */
    assert_true(gri_window_release(&window, 3, 600));
    for (int i = 0; i < 3; i++) {
        assert_true(gri_window_take(&window, 1));
    }
    assert_false(gri_window_take(&window, 1)); /* messages */
    gri_window_put_back(&window, 1);
    assert_true(gri_window_take(&window, 1));
}

static void a_window_larger_than_can_be_is_not_believed(void **state)
{
    gri_window window = {.messages_max = 0};

    (void)state;
    gri_window_limit(&window, UINT32_MAX, (uint64_t)1 << 63, 1000);
    assert_true(gri_window_take(&window, 900));
    assert_false(gri_window_take(&window, 101));
    assert_true(gri_window_take(&window, 100));
    gri_window_limit(&window, 3, 500, 1000);
    assert_int_equal(window.bytes_max, 500);
}

/* Frames of one small message take far more memory than they travel with: that is what counts. */
static void what_is_held_is_the_memory_and_goes_with_the_acknowledgement(void **state)
{
    gri_outbox outbox;
    gri_envelope envelope = {.kind = GRI_ENVELOPE_MESSAGE, .type = 1, .bytes = 8, .slot = 20};

    (void)state;
    gri_outbox_init(&outbox);
    for (int i = 0; i < 100; i++) {
        uint8_t *at = gri_outbox_add(&outbox, GRI_LANE_USER, &envelope);

        assert_non_null(at);
        memset(at, 0, 8);
        assert_non_null(gri_outbox_next(&outbox));
        gri_outbox_sent(&outbox);
    }
    assert_in_range(outbox.held_bytes, 100 * 1024, 200 * 1024);
    assert_true(gri_outbox_ack(&outbox, 50));
    assert_in_range(outbox.held_bytes, 50 * 1024, 100 * 1024);
    assert_true(gri_outbox_ack(&outbox, 100));
    assert_int_equal(outbox.held_bytes, 0);
    gri_outbox_fini(&outbox);
}

static bool is_even(void *arg, const gri_pid_entry *entry)
{
    (void)arg;
    return entry->pid.slot % 2 == 0;
}

static void the_table_of_pids_agrees_with_a_model(void **state)
{
    enum { PIDS = 300 };
    gri_pid_table table = {NULL, 0, 0};
    unsigned model[PIDS] = {0};

    (void)state;
    for (int round = 0; round < 60000; round++) {
        uint32_t slot = (uint32_t)(roll() % PIDS);
        gr_pid pid = {1 + slot % 3, slot, 1};

        if (roll() % 2 == 0) {
            assert_true(gri_pid_table_add(&table, pid, 0));
            model[slot]++;
        } else {
            assert_int_equal(gri_pid_table_take(&table, pid), model[slot] > 0);
            model[slot] -= model[slot] > 0;
        }
        if (round % 7000 == 6999) {
            gri_pid_table_prune(&table, is_even, NULL);
            for (uint32_t i = 0; i < PIDS; i += 2) {
                model[i] = 0;
            }
        }
        if (round % 1001 == 0) {
            gri_pid_table_remove(&table, pid);
            model[slot] = 0;
        }
    }
    for (uint32_t slot = 0; slot < PIDS; slot++) {
        for (; model[slot] > 0; model[slot]--) {
            assert_true(gri_pid_table_take(&table, (gr_pid){1 + slot % 3, slot, 1}));
        }
    }
    assert_int_equal(table.used, 0);
    gri_pid_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_goes_first_and_pieces_let_others_in_between),
        cmocka_unit_test(what_follows_a_parcel_to_the_same_target_comes_after_it),
        cmocka_unit_test(what_is_not_acknowledged_is_sent_again_in_its_order),
        cmocka_unit_test(an_ack_that_comes_while_the_network_reads_waits_for_it),
        cmocka_unit_test(each_allocation_may_fail_and_nothing_is_lost_by_it),
        cmocka_unit_test(the_window_lets_through_what_is_free_and_one_that_is_too_large_alone),
        cmocka_unit_test(a_window_larger_than_can_be_is_not_believed),
        cmocka_unit_test(what_is_held_is_the_memory_and_goes_with_the_acknowledgement),
        cmocka_unit_test(the_table_of_pids_agrees_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
