/*
 * Frames, envelopes, the SP mapping and the handshake as bytes: what is put is read back, and any
 * other bytes are refused without being read past their end (AddressSanitizer watches).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "handshake.h"
#include "sp.h"
#include "world.h"

static uint64_t dice = 88172645463325252u;

static uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice;
}

static void a_frame_is_read_back_as_it_was_put(void **state)
{
    gri_frame frame = {GRI_FRAME_DATA, 3, 7, 6, 1u << 20, UINT64_MAX / 3}, back;
    uint8_t bytes[GRI_FRAME_BYTES], version = 0;
    gri_reader reader = gri_reader_of(bytes, sizeof(bytes));

    (void)state;
    gri_frame_put(&frame, bytes);
    assert_true(gri_frame_read(&reader, &back, &version));
    assert_int_equal(version, GRI_WIRE_VERSION);
    assert_int_equal(back.kind, frame.kind);
    assert_int_equal(back.count, 3);
    assert_int_equal(back.seq, 7);
    assert_int_equal(back.ack, 6);
    assert_true(back.released_messages == frame.released_messages);
    assert_true(back.released_bytes == frame.released_bytes);
}

static void frames_that_are_none_are_refused_and_another_version_is_named(void **state)
{
    gri_frame frame = {.kind = GRI_FRAME_DATA, .seq = 1}, back;
    uint8_t bytes[GRI_FRAME_BYTES], version = 0;

    (void)state;
    gri_frame_put(&frame, bytes);
    for (size_t count = 0; count < sizeof(bytes); count++) {
        gri_reader reader = gri_reader_of(bytes, count);

        assert_false(gri_frame_read(&reader, &back, &version));
    }
    bytes[2] = 9;
    gri_reader reader = gri_reader_of(bytes, sizeof(bytes));
    assert_false(gri_frame_read(&reader, &back, &version));
    assert_int_equal(version, 9);
    frame.seq = 0; /* data without a number, and a beat with one */
    gri_frame_put(&frame, bytes);
    reader = gri_reader_of(bytes, sizeof(bytes));
    assert_false(gri_frame_read(&reader, &back, &version));
    frame = (gri_frame){.kind = GRI_FRAME_BEAT, .seq = 1};
    gri_frame_put(&frame, bytes);
    reader = gri_reader_of(bytes, sizeof(bytes));
    assert_false(gri_frame_read(&reader, &back, &version));
}

static void every_kind_of_envelope_is_read_back(void **state)
{
    static const uint8_t flags[] = {0, GRI_ENVELOPE_SENDER,
                                    GRI_ENVELOPE_SENDER | GRI_ENVELOPE_FOREIGN,
                                    GRI_ENVELOPE_FREE | GRI_ENVELOPE_REQUEST};
    uint8_t bytes[GRI_ENVELOPE_BYTES_MAX + 5];

    (void)state;
    for (unsigned kind = GRI_ENVELOPE_MESSAGE; kind <= GRI_ENVELOPE_SIGNAL; kind++) {
        for (size_t i = 0; i < sizeof(flags); i++) {
            gri_envelope put = {.kind = (gri_envelope_kind)kind,
                                .flags = flags[i],
                                .type = 513,
                                .bytes = 5,
                                .slot = 0x01020304,
                                .generation = 0xfffffffe,
                                .sender = {0x1122334455667788u, 9, 10},
                                .total = 5000000,
                                .offset = 4999995};
            size_t head = gri_envelope_head_bytes(&put);
            gri_reader reader = gri_reader_of(bytes, head + 5);
            gri_envelope got;

            assert_true(head <= GRI_ENVELOPE_BYTES_MAX);
            gri_envelope_put(&put, bytes);
            memcpy(bytes + head, "abcde", 5);
            assert_true(gri_envelope_read(&reader, &got));
            assert_int_equal(reader.left, 0);
            assert_int_equal(got.kind, put.kind);
            assert_int_equal(got.slot, put.slot);
            assert_int_equal(got.generation, put.generation);
            assert_memory_equal(got.payload, "abcde", 5);
            assert_int_equal(got.sender.slot, (flags[i] & GRI_ENVELOPE_SENDER) != 0 ? 9 : 0);
            assert_true(got.sender.node ==
                        ((flags[i] & GRI_ENVELOPE_FOREIGN) != 0 ? put.sender.node : 0));
            assert_int_equal(got.total, kind == GRI_ENVELOPE_PIECE ? 5000000 : 0);
            for (size_t count = 0; count < head + 5; count++) {
                reader = gri_reader_of(bytes, count);
                assert_false(gri_envelope_read(&reader, &got));
            }
        }
    }
}

static void an_envelope_with_an_unknown_flag_is_broken(void **state)
{
    gri_envelope put = {.kind = GRI_ENVELOPE_MESSAGE, .type = 1};
    uint8_t bytes[GRI_ENVELOPE_BYTES_MAX];

    (void)state;
    for (unsigned flag = 1; flag < 256; flag <<= 1) {
        gri_reader reader;
        gri_envelope got;

        put.flags = (uint8_t)flag;
        gri_envelope_put(&put, bytes);
        reader = gri_reader_of(bytes, gri_envelope_head_bytes(&put));
        assert_int_equal(gri_envelope_read(&reader, &got), flag <= GRI_ENVELOPE_QUIET);
    }
}

static void m10_random_bytes_are_read_safely(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t count = roll() % 200;
        uint8_t *bytes = malloc(count + 1);
        gri_reader reader = gri_reader_of(bytes, count);
        gri_envelope envelope;
        gri_frame frame;
        gri_hello hello;
        gri_accept accept;
        gri_refuse refuse;
        uint64_t announced = 0;
        uint8_t version = 0;

        for (size_t i = 0; i < count; i++) {
            bytes[i] = (uint8_t)(roll() % (round % 2 == 0 ? 256 : 6));
        }
        while (reader.left > 0 && gri_envelope_read(&reader, &envelope)) {
            assert_true(envelope.bytes <= count);
        }
        reader = gri_reader_of(bytes, count);
        (void)gri_frame_read(&reader, &frame, &version);
        (void)gri_hello_unpack(bytes, count, &hello);
        (void)gri_accept_unpack(bytes, count, &accept);
        (void)gri_refuse_unpack(bytes, count, &refuse);
        if (gri_sp_look(GRI_SP_IPC, bytes, count, 100, &announced) == GRI_SP_MESSAGE) {
            assert_true(announced + 9 <= count);
        }
        free(bytes);
    }
}

static void the_sp_mapping_is_that_of_a_pair0_socket(void **state)
{
    static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0};
    static const uint8_t tcp[8] = {0, 0, 0, 0, 0, 1, 2, 3};
    uint8_t bytes[16];
    uint64_t count = 0;

    (void)state;
    gri_sp_greeting(bytes);
    assert_memory_equal(bytes, greeting, 8);
    assert_true(gri_sp_greeting_fits(greeting));
    bytes[5] = 0x11;
    assert_false(gri_sp_greeting_fits(bytes));
    assert_int_equal(gri_sp_header(GRI_SP_TCP, 0x010203, bytes), 8);
    assert_memory_equal(bytes, tcp, 8);
    assert_int_equal(gri_sp_header(GRI_SP_IPC, 0x010203, bytes), 9);
    assert_int_equal(bytes[0], 1);
    assert_memory_equal(bytes + 1, tcp, 8);
    assert_int_equal(gri_sp_look(GRI_SP_IPC, bytes, 9, 0x010203, &count), GRI_SP_MORE);
    assert_int_equal(count, 0x010203);
    assert_int_equal(gri_sp_look(GRI_SP_IPC, bytes, 9, 0x010202, &count), GRI_SP_TOO_BIG);
    bytes[0] = 0;
    assert_int_equal(gri_sp_look(GRI_SP_IPC, bytes, 1, 100, &count), GRI_SP_BROKEN);
    gri_sp_header(GRI_SP_TCP, 3, bytes);
    assert_int_equal(gri_sp_look(GRI_SP_TCP, bytes, 10, 100, &count), GRI_SP_MORE);
    assert_int_equal(gri_sp_look(GRI_SP_TCP, bytes, 11, 100, &count), GRI_SP_MESSAGE);
}

static void m11_a_hello_is_checked_and_its_texts_are_cleaned(void **state)
{
    gri_hello mine = {.protocol = GRI_PROTOCOL,
                      .node = 1,
                      .role = GR_ROLE_NODE,
                      .message_bytes_max = 1,
                      .window_messages = 1,
                      .window_bytes = 1,
                      .cluster = "red",
                      .address = "tcp://a\nb:1"},
              other;
    uint8_t bytes[GRI_HANDSHAKE_BYTES_MAX];
    size_t count = gri_hello_pack(&mine, bytes);

    (void)state;
    assert_true(gri_hello_unpack(bytes + 8, count - 8, &other));
    assert_string_equal(other.address, "tcp://a?b:1");
    assert_int_equal(gri_hello_check(&mine, &other), GR_EREFUSED);
    assert_non_null(strstr(gr_last_error()->text, "itself"));
    other.node = 2;
    assert_int_equal(gri_hello_check(&mine, &other), GR_OK);
    (void)snprintf(other.cluster, sizeof(other.cluster), "blue");
    assert_int_equal(gri_hello_check(&mine, &other), GR_EMISMATCH);
    assert_non_null(strstr(gr_last_error()->text, "\"blue\""));
    other.protocol = 5;
    assert_int_equal(gri_hello_check(&mine, &other), GR_EMISMATCH);
    assert_non_null(strstr(gr_last_error()->text, "protocol 5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_read_back_as_it_was_put),
        cmocka_unit_test(frames_that_are_none_are_refused_and_another_version_is_named),
        cmocka_unit_test(every_kind_of_envelope_is_read_back),
        cmocka_unit_test(an_envelope_with_an_unknown_flag_is_broken),
        cmocka_unit_test(m10_random_bytes_are_read_safely),
        cmocka_unit_test(the_sp_mapping_is_that_of_a_pair0_socket),
        cmocka_unit_test(m11_a_hello_is_checked_and_its_texts_are_cleaned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
