/*
 * The messages of the grain layer as bytes: what goes in comes out, and whatever else comes in is refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <granary/runtime_spi.h>

#include "call_message.h"
#include "chain.h"
#include "lines.h"

enum { ROUNDS = 20000 };

static gr_stepped *stepped;
static gr_system *sys;

static int setup(void **state)
{
    gr_system_options options = {.name = "codec"};

    (void)state;
    assert_int_equal(gr_stepped_new(1, &stepped), GR_OK);
    options.stepped = stepped;
    assert_int_equal(gr_system_new(&options, &sys), GR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sys = gr_system_free(sys);
    stepped = gr_stepped_free(stepped);
    return 0;
}

/* Through bytes and back. */
static gr_msg *travel(gr_msg *take_msg)
{
    const gr_type *type = gr_msg_type(take_msg);
    void *payload = gr_msg_payload(take_msg);
    size_t count = type->codec->packed_bytes(type, payload);
    uint8_t *bytes = malloc(count);
    gr_msg *arrived = NULL;

    type->codec->pack(type, payload, bytes);
    (void)gr_msg_unref(take_msg);
    if (gr_msg_unpack(type, bytes, count, &arrived) != GR_OK) {
        fail_msg("%s", gr_last_error()->text);
    }
    /* Every shorter one is refused, or is one with a shorter tail. */
    for (size_t less = 0; less < count; less++) {
        gr_msg *cut = NULL;
        uint8_t *copy = malloc(less + 1); /* so that a read past the end is seen */

        memcpy(copy, bytes, less);
        if (gr_msg_unpack(type, copy, less, &cut) == GR_OK) {
            (void)gr_msg_unref(cut);
        } else {
            assert_int_equal(gr_last_error()->code, GR_EDECODE);
        }
        free(copy);
    }
    free(bytes);
    return arrived;
}

static gr_kind_info kind = {.version = GR_KIND_VERSION, .name = "bank.Account", .hash = 11};
static gr_method method = {.name = "Deposit", .full_name = "bank.Account/Deposit", .hash = 12};

static void a_call_arrives_as_it_was_sent(void **state)
{
    gri_buffer chain = {0};
    gri_call_message call = {
        .flags = GRI_CALL_PRESSING, .hops = 3, .attempt = 7, .kind = 11, .method = 12};
    gr_msg *msg = NULL;
    const gri_call_message *got = NULL;

    (void)state;
    assert_int_equal(gri_chain_add(&chain, &kind, GRI_CHAIN_METHOD, &method, "alice"), GR_OK);
    call.view_founded = UINT64_MAX;
    call.view_version = 99;
    call.lane = 5;
    call.place = 6;
    call.first_place = 4;
    call.sys = sys;
    call.deadline_ms = gr_system_now(sys) + 1234;
    call.identity = "b\xc3\xb6rse";
    call.chain = chain.data;
    call.chain_bytes = chain.count;
    call.bytes = (const uint8_t *)"request";
    call.count = 7;
    msg = travel(gri_call_message_new(&call));
    got = gr_msg_read(msg, &gri_call_type);
    assert_int_equal(got->flags, GRI_CALL_PRESSING);
    assert_int_equal(got->hops, 3);
    assert_int_equal(got->attempt, 7);
    assert_int_equal(got->kind, 11);
    assert_int_equal(got->method, 12);
    assert_true(got->view_founded == UINT64_MAX && got->view_version == 99);
    assert_true(got->lane == 5 && got->place == 6 && got->first_place == 4);
    assert_int_equal(got->deadline_ms, 1234); /* what is left: clocks differ */
    assert_string_equal(got->identity, "b\xc3\xb6rse");
    assert_int_equal(got->chain_bytes, chain.count);
    assert_memory_equal(got->chain, chain.data, chain.count);
    assert_int_equal(got->count, 7);
    assert_memory_equal(got->bytes, "request", 7);
    (void)gr_msg_unref(msg);
    gri_buffer_fini(&chain);
}

static void c16_a_call_that_is_late_travels_with_no_time_left(void **state)
{
    gri_call_message call = {.kind = 1, .method = 2, .identity = "x", .sys = sys};
    gr_msg *msg = NULL;

    (void)state;
    call.deadline_ms = gr_system_now(sys) - 5;
    msg = travel(gri_call_message_new(&call));
    assert_int_equal(((const gri_call_message *)gr_msg_read(msg, &gri_call_type))->deadline_ms, 0);
    (void)gr_msg_unref(msg);
}

static void an_answer_arrives_as_it_was_sent(void **state)
{
    gri_answer answer = {.outcome = GRI_OUTCOME_FAILED,
                         .code = (gr_err)(GR_EAPP + 3),
                         .retry_after_ms = 17,
                         .view_founded = 1,
                         .view_version = 2,
                         .owner = 3,
                         .text = "no such money",
                         .details_type = "bank.Why",
                         .details = (const uint8_t *)"detail",
                         .details_bytes = 6,
                         .bytes = (const uint8_t *)"reply",
                         .count = 5};
    gr_msg *msg = travel(gri_answer_new(&answer));
    const gri_answer *got = gr_msg_read(msg, &gri_answer_type);

    (void)state;
    assert_int_equal(got->outcome, GRI_OUTCOME_FAILED);
    assert_int_equal(got->code, GR_EAPP + 3);
    assert_int_equal(got->retry_after_ms, 17);
    assert_true(got->view_founded == 1 && got->view_version == 2 && got->owner == 3);
    assert_string_equal(got->text, "no such money");
    assert_string_equal(got->details_type, "bank.Why");
    assert_int_equal(got->details_bytes, 6);
    assert_memory_equal(got->details, "detail", 6);
    assert_int_equal(got->count, 5);
    assert_memory_equal(got->bytes, "reply", 5);
    (void)gr_msg_unref(msg);
}

static void news_and_subscriptions_arrive_as_they_were_sent(void **state)
{
    gr_msg *msg = gr_msg_new(&gri_subscribe_type);
    const gri_news *news = NULL;

    (void)state;
    *(gri_subscribe *)gr_msg_payload(msg) = (gri_subscribe){5, 6};
    msg = travel(msg);
    assert_true(((const gri_subscribe *)gr_msg_read(msg, &gri_subscribe_type))->view_version == 6);
    (void)gr_msg_unref(msg);
    msg = travel(gri_news_new((const uint8_t *)"view", 4, true));
    news = gr_msg_read(msg, &gri_news_type);
    assert_true(news->unfit && news->count == 4 && memcmp(news->bytes, "view", 4) == 0);
    (void)gr_msg_unref(msg);
}

static void m10_any_bytes_are_refused_or_are_a_message(void **state)
{
    uint8_t bytes[200];

    (void)state;
    srand(4711);
    for (int round = 0; round < ROUNDS; round++) {
        const gr_type *type = gri_call_types[rand() % GRI_CALL_TYPES];
        size_t count = (size_t)rand() % sizeof(bytes);
        gr_msg *msg = NULL;

        for (size_t i = 0; i < count; i++) {
            bytes[i] = (uint8_t)(rand() % 4 == 0 ? rand() : 0);
        }
        bytes[0] = 1;
        if (gr_msg_unpack(type, bytes, count, &msg) == GR_OK) {
            (void)gr_msg_unref(msg);
        } else {
            assert_int_equal(gr_last_error()->code, GR_EDECODE);
        }
    }
}

/* ---- chains */

static void c15_a_chain_of_callers_names_the_cycle(void **state)
{
    gri_buffer chain = {0};
    gr_method reads = {
        .name = "Get", .full_name = "bank.Account/Get", .flags = GR_METHOD_READ_ONLY};
    gr_kind_info open = kind;

    (void)state;
    open.flags = GR_KIND_REENTRANT;
    assert_int_equal(gri_chain_add(&chain, &kind, GRI_CHAIN_METHOD, &method, "zoe"), GR_OK);
    assert_int_equal(gri_chain_add(&chain, &kind, GRI_CHAIN_METHOD, &method, "alice"), GR_OK);
    assert_int_equal(gri_chain_add(&chain, &kind, GRI_CHAIN_METHOD, &reads, "bob"), GR_OK);
    assert_int_equal(gri_chain_admits(chain.data, chain.count, &kind, &method, "carol"), GR_OK);
    assert_int_equal(gri_chain_admits(chain.data, chain.count, &kind, &method, "alice"),
                     GR_EDEADLOCK);
    assert_string_equal(gr_last_error()->text,
                        "bank.Account/alice -> bank.Account/bob -> bank.Account/alice");
    assert_int_equal(gri_chain_admits(chain.data, chain.count, &kind, &reads, "bob"), GR_OK);
    assert_int_equal(gri_chain_admits(chain.data, chain.count, &kind, &method, "bob"),
                     GR_EDEADLOCK);
    assert_int_equal(gri_chain_admits(chain.data, chain.count, &open, &method, "alice"), GR_OK);
    assert_int_equal(gri_chain_add(&chain, &kind, GRI_CHAIN_TIMER, NULL, "dora"), GR_OK);
    assert_int_equal(gri_chain_admits(chain.data, chain.count, &open, &method, "dora"), GR_OK);
    assert_int_equal(gri_chain_add(&chain, &kind, GRI_CHAIN_HOOK, NULL, "eve"), GR_OK);
    assert_int_equal(gri_chain_admits(chain.data, chain.count, &open, &method, "eve"),
                     GR_EDEADLOCK);
    gri_buffer_fini(&chain);
}

static void a_chain_that_never_ends_is_cut(void **state)
{
    gri_buffer chain = {0};
    char identity[24];
    gr_err err = GR_OK;
    int links = 0;

    (void)state;
    while (err == GR_OK) {
        (void)snprintf(identity, sizeof(identity), "g%d", links++);
        err = gri_chain_add(&chain, &kind, GRI_CHAIN_METHOD, &method, identity);
    }
    assert_int_equal(err, GR_ETOOBIG);
    assert_int_equal(links, GRI_CHAIN_LINKS_MAX + 1);
    assert_int_equal(gri_chain_check(chain.data, chain.count), GR_OK);
    assert_int_equal(gri_chain_check(chain.data, chain.count - 1), GR_EDECODE);
    gri_buffer_fini(&chain);
}

/* ---- lines */

static gri_call_message in_line(uint64_t place, uint64_t first)
{
    gri_call_message call = {.lane = 1, .place = place, .first_place = first, .deadline_ms = 1000};

    return call;
}

static void c18_younger_calls_wait_for_a_refused_one_to_come_again(void **state)
{
    gri_lines lines;
    gri_call_message one = in_line(1, 1), two = in_line(2, 1), three = in_line(3, 1),
                     other = in_line(9, 9);

    (void)state;
    gri_lines_init(&lines);
    assert_true(gri_lines_admit(&lines, &two, 0));
    gri_lines_refused(&lines, &two, 0);
    assert_false(gri_lines_admit(&lines, &three, 0));
    gri_lines_refused(&lines, &three, 0);
    assert_true(gri_lines_admit(&lines, &one, 0));
    other.lane = 2;
    assert_true(gri_lines_admit(&lines, &other, 0));
    assert_true(gri_lines_admit(&lines, &two, 0)); /* here it is again */
    assert_true(gri_lines_admit(&lines, &three, 0));
    gri_lines_fini(&lines);
}

static void c18_what_is_over_for_its_caller_holds_nobody_up(void **state)
{
    gri_lines lines;
    gri_call_message two = in_line(2, 1), three = in_line(3, 1), four = in_line(4, 3),
                     five = in_line(5, 4);

    (void)state;
    gri_lines_init(&lines);
    gri_lines_refused(&lines, &three, 0);
    gri_lines_refused(&lines, &two, 0);
    assert_false(gri_lines_admit(&lines, &four, 0)); /* two is over, three is not */
    assert_true(gri_lines_admit(&lines, &five, 0));
    gri_lines_refused(&lines, &two, 0);
    assert_true(gri_lines_admit(&lines, &three, 1001)); /* after two's deadline */
    gri_lines_refused(&lines, &two, 0);
    gri_lines_sweep(&lines, 1001);
    assert_true(gri_lines_admit(&lines, &three, 0));
    gri_lines_fini(&lines);
}

static void what_is_remembered_of_refused_calls_is_bounded(void **state)
{
    gri_lines lines;

    (void)state;
    gri_lines_init(&lines);
    for (uint64_t place = 1; place <= 10000; place++) {
        gri_call_message call = in_line(place, 1);

        gri_lines_refused(&lines, &call, 0);
    }
    assert_int_equal(atomic_load(&lines.count), GRI_LINE_REFUSED_MAX);
    for (uint64_t lane = 2; lane <= 2 * GRI_LINES_REFUSED_MAX; lane++) {
        gri_call_message call = in_line(1, 1);

        call.lane = lane;
        gri_lines_refused(&lines, &call, 0);
        assert_true(atomic_load(&lines.count) <= GRI_LINES_REFUSED_MAX);
    }
    gri_lines_sweep(&lines, 1001);
    assert_int_equal(atomic_load(&lines.count), 0);
    for (uint64_t lane = 1; lane <= 10; lane++) { /* whatever deadline they claim */
        gri_call_message call = in_line(1, 1);

        call.lane = lane;
        call.deadline_ms = INT64_MAX;
        gri_lines_refused(&lines, &call, 0);
    }
    gri_lines_sweep(&lines, GRI_LINES_KEEP_MS + 1);
    assert_int_equal(atomic_load(&lines.count), 0);
    gri_lines_fini(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_arrives_as_it_was_sent),
        cmocka_unit_test(c16_a_call_that_is_late_travels_with_no_time_left),
        cmocka_unit_test(an_answer_arrives_as_it_was_sent),
        cmocka_unit_test(news_and_subscriptions_arrive_as_they_were_sent),
        cmocka_unit_test(m10_any_bytes_are_refused_or_are_a_message),
        cmocka_unit_test(c15_a_chain_of_callers_names_the_cycle),
        cmocka_unit_test(a_chain_that_never_ends_is_cut),
        cmocka_unit_test(c18_younger_calls_wait_for_a_refused_one_to_come_again),
        cmocka_unit_test(c18_what_is_over_for_its_caller_holds_nobody_up),
        cmocka_unit_test(what_is_remembered_of_refused_calls_is_bounded),
    };

    return cmocka_run_group_tests_name("call_message", tests, setup, teardown);
}
