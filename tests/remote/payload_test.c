/*
 * Payloads that cannot be read, sent or kept: the sender is told, and nothing else is harmed. Whole
 * systems over the memory network, in one thread and virtual time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

#include <gri/mem.h>

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            m09_unknown_types_and_bad_payloads_are_named_to_their_sender_and_harm_nothing),
        cmocka_unit_test(m09_an_answer_that_cannot_be_read_or_sent_never_reads_as_not_run),
        cmocka_unit_test(m09_a_request_to_an_actor_that_is_gone_fails_at_once),
        cmocka_unit_test(m09_any_allocation_may_fail_without_harm),
    };

    if (argc == 3 && strcmp(argv[1], "--only") == 0) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
