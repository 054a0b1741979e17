/*
 * Headers of messages between processes: there and back, handed on, with large payloads, and bytes
 * that are none. Behaviour r20 across processes, and m09.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

#include "headers.h"

/* Answers with what it has seen, as the headers of the answer. */
static gr_err mirror_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gr_msg *reply = note_new(1, 1, 0);
    gr_err err = GR_OK;

    (void)state;
    for (size_t i = 0; err == GR_OK && i < gr_msg_headers(msg); i++) {
        gr_header header = gr_msg_header_at(msg, i);
        char key[64];

        (void)snprintf(key, sizeof(key), "seen-%.50s", header.key);
        err = gr_msg_set_header(reply, key, header.value);
    }
    if (err == GR_OK) {
        err = gr_msg_set_header(reply, "quiet", gr_msg_is_quiet(msg) ? "yes" : "no");
    }
    if (err != GR_OK) {
        abort();
    }
    return gr_respond(ctx, reply);
}

static gr_err relay_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)msg;
    return gr_forward(ctx, *(gr_pid *)state);
}

static gr_pid spawn(world *in, int i, gr_receive_fn receive, gr_pid *arg)
{
    gr_props props = {.receive = receive, .arg = arg};
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_spawn(in->peers[i].sys, &props, NULL, &pid), GR_OK);
    return pid;
}

static world *open_three(void)
{
    world *in = world_stepped(1);

    for (int i = 0; i < 3; i++) {
        world_start(in, i, NULL);
    }
    world_introduce(in, 0, 1);
    world_introduce(in, 1, 2);
    world_introduce(in, 0, 2);
    return in;
}

static void check(world *in, gr_pid to, size_t body_bytes, bool quiet)
{
    gr_msg *msg = note_new(0, 1, body_bytes);
    gr_msg *reply = NULL;

    assert_int_equal(gr_msg_set_header(msg, "trace", "77"), GR_OK);
    assert_int_equal(gr_msg_set_header(msg, "empty", ""), GR_OK);
    if (quiet) {
        gr_msg_mark_quiet(msg);
    }
    assert_int_equal(gr_request(in->peers[0].sys, to, msg, 5000, &reply), GR_OK);
    assert_int_equal(gr_msg_headers(reply), 3);
    assert_string_equal(gr_msg_header(reply, "seen-trace"), "77");
    assert_string_equal(gr_msg_header(reply, "seen-empty"), "");
    assert_string_equal(gr_msg_header(reply, "quiet"), quiet ? "yes" : "no");
    reply = gr_msg_unref(reply);
}

static void r20_headers_travel_with_a_request_and_an_answer_has_its_own(void **state)
{
    world *in = open_three();
    gr_pid mirror = spawn(in, 1, mirror_receive, NULL);

    (void)state;
    check(in, mirror, 0, false);
    check(in, mirror, 10, true);
    world_free(in);
}

static void r20_headers_travel_with_payloads_in_pieces(void **state)
{
    world *in = open_three();
    gr_pid mirror = spawn(in, 1, mirror_receive, NULL);

    (void)state;
    for (size_t bytes = 32 * 1024 - 64; bytes <= 32 * 1024; bytes++) { /* around the size of one */
        check(in, mirror, bytes, false);
    }
    check(in, mirror, 200000, false);
    world_free(in);
}

static void r20_headers_stay_when_a_message_is_handed_on_to_a_third_process(void **state)
{
    world *in = open_three();
    gr_pid mirror = spawn(in, 2, mirror_receive, NULL);
    gr_pid relay = spawn(in, 1, relay_receive, &mirror);

    (void)state;
    check(in, relay, 0, false);
    check(in, relay, 100000, true);
    world_free(in);
}

static void m12_headers_count_for_the_limit(void **state)
{
    world *in = world_stepped(1);
    gr_pid mirror;
    gr_msg *msg = note_new(0, 1, 3900);
    gr_msg *reply = NULL;
    char value[200];

    (void)state;
    world_start(in, 0, &(gr_remote_options){.message_bytes_max = 4000});
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    mirror = spawn(in, 1, mirror_receive, NULL);
    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    assert_int_equal(gr_msg_set_header(msg, "large", value), GR_OK);
    assert_int_equal(gr_request(in->peers[0].sys, mirror, msg, 5000, &reply), GR_ETOOBIG);
    world_free(in);
}

static void headers_are_read_back_as_they_were_written(void **state)
{
    gr_msg *msg = note_new(0, 1, 0);
    gr_msg *other = note_new(0, 1, 0);
    uint8_t bytes[256];
    gri_reader payload;
    gri_reader headers;
    size_t count = 0;

    (void)state;
    assert_int_equal(gri_msg_headers_bytes(msg), 0);
    assert_int_equal(gr_msg_set_header(msg, "a", "one"), GR_OK);
    assert_int_equal(gr_msg_set_header(msg, "b", ""), GR_OK);
    count = gri_msg_headers_bytes(msg);
    assert_int_equal(count, 2 + 4 + 4 + 4 + 1);
    gri_msg_headers_put(msg, bytes);
    bytes[count] = 'p';
    payload = gri_reader_of(bytes, count + 1);
    assert_true(gri_msg_headers_split(&payload, &headers));
    assert_int_equal(payload.left, 1);
    assert_int_equal(*payload.at, 'p');
    assert_int_equal(gri_msg_headers_read(&headers, other), GR_OK);
    assert_int_equal(gr_msg_headers(other), 2);
    assert_string_equal(gr_msg_header(other, "a"), "one");
    assert_string_equal(gr_msg_header(other, "b"), "");
    for (size_t cut = 0; cut < count; cut++) {
        payload = gri_reader_of(bytes, cut);
        assert_false(gri_msg_headers_split(&payload, &headers));
    }
    msg = gr_msg_unref(msg);
    other = gr_msg_unref(other);
}

static gr_err read_bytes(const char *bytes, size_t count)
{
    gr_msg *msg = note_new(0, 1, 0);
    gri_reader headers = gri_reader_of((const uint8_t *)bytes, count);
    gr_err err = gri_msg_headers_read(&headers, msg);

    msg = gr_msg_unref(msg);
    return err;
}

static void m09_bytes_that_are_no_headers_are_refused(void **state)
{
    static const char none[] = {0, 0};
    gri_reader payload = gri_reader_of((const uint8_t *)none, sizeof(none));
    gri_reader headers;
    uint32_t seed = 1;

    (void)state;
    assert_false(gri_msg_headers_split(&payload, &headers)); /* then the flag would not be there */
    assert_int_equal(read_bytes("\1\0\1\0ab", 6), GR_OK);
    assert_int_equal(read_bytes("\0\0\1\0b", 5), GR_EDECODE);    /* no key */
    assert_int_equal(read_bytes("\2\0\1\0ab", 6), GR_EDECODE);   /* cut short */
    assert_int_equal(read_bytes("\2\0\1\0a\0b", 7), GR_EDECODE); /* a zero byte */
    assert_int_equal(read_bytes("\1\0\1\0ab\1", 7), GR_EDECODE); /* something left over */
    assert_int_equal(read_bytes("\377\377\1\0ab", 6), GR_EDECODE);
    for (int round = 0; round < 20000; round++) {
        char bytes[40];

        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (char)(seed >> 24 & (i % 2 == 0 ? 0x07 : 0x01));
        }
        (void)read_bytes(bytes, seed % sizeof(bytes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r20_headers_travel_with_a_request_and_an_answer_has_its_own),
        cmocka_unit_test(r20_headers_travel_with_payloads_in_pieces),
        cmocka_unit_test(r20_headers_stay_when_a_message_is_handed_on_to_a_third_process),
        cmocka_unit_test(m12_headers_count_for_the_limit),
        cmocka_unit_test(headers_are_read_back_as_they_were_written),
        cmocka_unit_test(m09_bytes_that_are_no_headers_are_refused),
    };

    return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
