/*
 * Strangers on the port, over real tcp: bytes that mean nothing, other versions, addresses that are
 * none, more of them than there is room for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "raw_peer.h"

#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 60000 };

static void m10_any_bytes_after_the_greeting_harm_nobody(void **state)
{
    world *in = world_threads();
    book there = {.answer = true};
    gr_msg *reply = NULL;
    uint8_t bytes[6000], frame[GRI_HANDSHAKE_BYTES_MAX];
    gri_hello hello = raw_hello();
    uint64_t dice = 88172645463325252u;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, NULL);
    book_open(in, 1, &there);
    assert_int_equal(gr_remote_set_address(in->peers[0].remote, gr_system_node(in->peers[1].sys),
                                           gr_remote_address(in->peers[1].remote)),
                     GR_OK);
    for (uint64_t round = 1; round <= 60; round++) {
        int fd = raw_connect(gr_remote_address(in->peers[1].remote));
        size_t count = 0;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            bytes[i] = (uint8_t)dice;
        }
        hello.node = round;
        count = gri_hello_pack(&hello, frame);
        switch (round % 4) {
        case 0: /* noise */
            raw_send(fd, bytes, dice % sizeof(bytes));
            break;
        case 1: /* a frame's start, then noise */
            memcpy(bytes, frame, 8);
            raw_send(fd, bytes, 8 + dice % 1000);
            break;
        case 2: /* a hello cut short */
            raw_send(fd, frame, dice % count);
            break;
        default: /* a good hello, then noise, then the hello again */
            raw_send(fd, frame, count);
            raw_send(fd, bytes, 100);
            raw_send(fd, frame, count);
            break;
        }
        assert_int_equal(
            gr_request(in->peers[0].sys, there.pid, note_new(0, round, 0), WAIT_MS, &reply), GR_OK);
        reply = gr_msg_unref(reply);
        close(fd);
    }
    assert_int_equal(in->peers[0].brokens, 0);
    assert_true(in->log_lines < 200);
    world_free(in);
}

static void m11_other_versions_are_refused_with_both_numbers(void **state)
{
    world *in = world_threads();
    gri_hello hello = raw_hello();
    const char *address = NULL;

    (void)state;
    world_start(in, 0, NULL);
    address = gr_remote_address(in->peers[0].remote);
    raw_expect_refusal(address, &hello, 7, GR_EMISMATCH, "wire version 1 here, wire version 7");
    hello.protocol = 9;
    raw_expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EMISMATCH, "protocol 9");
    hello = raw_hello();
    hello.node = gr_system_node(in->peers[0].sys);
    raw_expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EREFUSED, "itself");
    hello = raw_hello();
    hello.window_messages = 0;
    raw_expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EREFUSED, "limits");
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).refused, 4);
    world_free(in);
}

static void m10_an_address_that_is_none_is_refused_before_anybody_dials_it(void **state)
{
    static const char *const addresses[] = {"nobody", "http://127.0.0.1:80", "tcp://127.0.0.1",
                                            "tcp://127.0.0.1:80/x", "tcp://127.0.0.1:99999"};
    world *in = world_threads();
    gri_hello hello = raw_hello();

    (void)state;
    world_start(in, 0, NULL);
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        (void)snprintf(hello.address, sizeof(hello.address), "%s", addresses[i]);
        raw_expect_refusal(gr_remote_address(in->peers[0].remote), &hello, GRI_WIRE_VERSION,
                           GR_EREFUSED, addresses[i]);
    }
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).connects_failed, 0);
    world_free(in);
}

/* Clients up to the limit, a node beyond it, and room again when one has gone. */
static void m11_more_processes_than_there_is_room_for_are_refused(void **state)
{
    enum { ROOM = 4 };
    world *in = world_threads();
    gri_hello hello = raw_hello();
    const char *address = NULL;
    int fds[ROOM + 2];
    uint64_t node = 0;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.sessions_max = ROOM, .session_timeout_ms = 3000});
    address = gr_remote_address(in->peers[0].remote);
    for (unsigned i = 0; i < ROOM; i++) {
        hello.node = 100 + i;
        fds[i] = raw_session(address, &hello, &node);
    }
    hello.node = 200;
    raw_expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EBUSY, "sessions_max");
    hello.role = GR_ROLE_NODE;
    fds[ROOM] = raw_session(address, &hello, &node);
    hello.node = 201;
    raw_expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EBUSY, "sessions_max");
    assert_int_equal(in->peers[0].ups, ROOM + 1);
    for (unsigned i = 0; i < 2; i++) {
        close(fds[i]);
    }
    WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == 2);
    hello.role = GR_ROLE_CLIENT;
    fds[0] = raw_session(address, &hello, &node);
    for (unsigned i = 0; i <= ROOM; i++) {
        if (i != 1) {
            close(fds[i]);
        }
    }
    world_free(in);
}

static void m11_more_connections_past_their_hello_than_the_limit_are_closed(void **state)
{
    enum { ROOM = 3 };
    world *in = world_threads();
    gri_hello hello = raw_hello();
    uint8_t frame[GRI_HANDSHAKE_BYTES_MAX];
    const char *address = NULL;
    int fds[ROOM];
    int fd = -1;
    uint64_t node = 0;
    unsigned lines = 0;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.links_max = ROOM});
    address = gr_remote_address(in->peers[0].remote);
    for (unsigned i = 0; i < ROOM; i++) {
        hello.node = 100 + i;
        fds[i] = raw_session(address, &hello, &node);
    }
    lines = in->log_lines;
    hello.node = 200;
    fd = raw_connect(address);
    raw_send(fd, frame, gri_hello_pack(&hello, frame));
    assert_int_equal(raw_receive(fd, frame, sizeof(frame)), 0);
    close(fd);
    assert_true(in->log_lines > lines);
    close(fds[0]);
    WORLD_UNTIL(in, WAIT_MS, in->peers[0].brokens == 1);
    fds[0] = raw_session(address, &hello, &node);
    for (unsigned i = 0; i < ROOM; i++) {
        close(fds[i]);
    }
    world_free(in);
}

static void m10_a_peer_that_breaks_the_protocol_ends_only_its_own_session(void **state)
{
    world *in = world_threads();
    gri_hello hello = raw_hello();
    gri_frame frames[] = {
        {.kind = GRI_FRAME_DATA, .seq = 2},               /* a gap */
        {.kind = GRI_FRAME_DATA, .seq = 1, .count = 3},   /* too short */
        {.kind = GRI_FRAME_BEAT, .ack = 5},               /* never sent */
        {.kind = GRI_FRAME_BEAT, .released_messages = 1}, /* never taken */
        {.kind = GRI_FRAME_GOODBYE},
    };
    uint8_t bytes[GRI_FRAME_BYTES], rest[GRI_FRAME_BYTES_MAX];
    uint64_t node = 0;

    (void)state;
    world_start(in, 0, NULL);
    for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        int fd = -1;

        hello.node = 100 + i;
        fd = raw_session(gr_remote_address(in->peers[0].remote), &hello, &node);
        gri_frame_put(&frames[i], bytes);
        raw_send(fd, bytes, sizeof(bytes));
        while (raw_receive(fd, rest, sizeof(rest)) > 0) { /* a beat, perhaps; then it is closed */
        }
        close(fd);
        WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == i + 1);
    }
    assert_int_equal(in->peers[0].ups, sizeof(frames) / sizeof(frames[0]));
    world_free(in);
}

/* A peer that acknowledges the first of two requests and then leaves, one way or the other. */
static void leave_after_one(world *in, uint32_t goodbye, gr_err expected)
{
    gri_hello hello = raw_hello();
    gr_pid there = {hello.node, 20, 1};
    gri_frame frame = {.kind = GRI_FRAME_BEAT};
    gr_future *asked[2] = {NULL, NULL};
    uint8_t bytes[GRI_FRAME_BYTES];
    uint64_t node = 0, seqs[2] = {0, 0};
    gr_msg *reply = NULL;
    int fd = raw_session(gr_remote_address(in->peers[0].remote), &hello, &node);

    gri_frame_put(&frame, bytes);
    raw_send(fd, bytes, sizeof(bytes)); /* the first frame: now it may be sent data */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(gr_request_future(in->peers[0].sys, there, note_new(0, i + 1, 0),
                                           GR_FOREVER, &asked[i]),
                         GR_OK);
        (void)raw_wait_request(fd, &seqs[i]);
    }
    assert_true(seqs[1] > seqs[0]);
    frame = (gri_frame){.kind = GRI_FRAME_GOODBYE, .count = goodbye, .ack = seqs[0]};
    gri_frame_put(&frame, bytes);
    raw_send(fd, bytes, sizeof(bytes));
    assert_int_equal(gr_await(asked[0], WAIT_MS, &reply), GR_EUNKNOWN);
    assert_int_equal(gr_await(asked[1], WAIT_MS, &reply), expected);
    for (unsigned i = 0; i < 2; i++) {
        asked[i] = gr_future_unref(asked[i]);
    }
    close(fd);
}

static void m03_a_goodbye_says_what_was_not_taken_in_and_an_older_one_does_not(void **state)
{
    world *in = world_threads();

    (void)state;
    world_start(in, 0, NULL);
    leave_after_one(in, GRI_GOODBYE_FINAL, GR_ENOTRUN);
    WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == 1);
    leave_after_one(in, 0, GR_EUNKNOWN);
    world_free(in);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m03_a_goodbye_says_what_was_not_taken_in_and_an_older_one_does_not),
        cmocka_unit_test(m10_any_bytes_after_the_greeting_harm_nobody),
        cmocka_unit_test(m11_other_versions_are_refused_with_both_numbers),
        cmocka_unit_test(m10_an_address_that_is_none_is_refused_before_anybody_dials_it),
        cmocka_unit_test(m11_more_processes_than_there_is_room_for_are_refused),
        cmocka_unit_test(m11_more_connections_past_their_hello_than_the_limit_are_closed),
        cmocka_unit_test(m10_a_peer_that_breaks_the_protocol_ends_only_its_own_session),
    };

    if (argc == 3 && strcmp(argv[1], "--only") == 0) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
