/*
 * Headers on messages: set, read, kept by what is handed on, and an answer's own. Behaviour r20.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <granary/behaviour.h>
#include <granary/future.h>

static void set(gr_msg *msg, const char *key, const char *value)
{
    assert_int_equal(gr_msg_set_header(msg, key, value), GR_OK);
}

/* "key=value,...", in their order. */
static const char *all_of(const gr_msg *msg, char text[1024])
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < gr_msg_headers(msg); i++) {
        gr_header header = gr_msg_header_at(msg, i);

        used += (size_t)snprintf(text + used, 1024 - used, "%s%s=%s", i == 0 ? "" : ",", header.key,
                                 header.value);
    }
    return text;
}

static void r20_headers_are_set_read_replaced_and_taken_away(void **state)
{
    gr_msg *msg = lab_word_new(1);
    char text[1024];
    char value[] = "one";

    (void)state;
    assert_int_equal(gr_msg_headers(msg), 0);
    assert_null(gr_msg_header(msg, "a"));
    assert_int_equal(gr_msg_set_header(msg, "a", NULL), GR_OK); /* nothing to take away */
    set(msg, "a", value);
    value[0] = 'X'; /* it was copied */
    set(msg, "b", "");
    set(msg, "c", "three");
    assert_string_equal(all_of(msg, text), "a=one,b=,c=three");
    set(msg, "a", "another one");
    set(msg, "b", NULL);
    assert_string_equal(all_of(msg, text), "a=another one,c=three");
    assert_string_equal(gr_msg_header(msg, "c"), "three");
    assert_null(gr_msg_header(msg, "b"));
    assert_null(gr_msg_header(msg, "C"));
    assert_null(gr_msg_header_at(msg, 2).key);
    assert_int_equal(((const lab_word *)gr_msg_read(msg, &lab_word_type))->number, 1);
    msg = gr_msg_unref(msg);
}

static void r20_headers_are_few_and_small(void **state)
{
    gr_msg *msg = lab_word_new(1);
    char key[16];
    char large[GR_HEADERS_BYTES_MAX + 1];

    (void)state;
    for (int i = 0; i < GR_HEADERS_MAX; i++) {
        (void)snprintf(key, sizeof(key), "key%02d", i);
        set(msg, key, "v");
    }
    assert_int_equal(gr_msg_set_header(msg, "key16", "v"), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "one more than 16"));
    assert_int_equal(gr_msg_headers(msg), GR_HEADERS_MAX);
    set(msg, "key03", "w"); /* in place of another */
    set(msg, "key03", NULL);
    memset(large, 'x', sizeof(large));
    large[GR_HEADERS_BYTES_MAX - 15 * 6 - 3] = '\0';
    set(msg, "big", large); /* 4096 bytes in all */
    set(msg, "big", large); /* in its own place */
    assert_int_equal(gr_msg_set_header(msg, "key00", "vv"), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "4096 bytes in all"));
    assert_string_equal(gr_msg_header(msg, "key00"), "v");
    set(msg, "key00", "v");
    assert_int_equal(gr_msg_set_header(msg, "", "v"), GR_EINVAL);
    assert_int_equal(gr_msg_set_header(msg, NULL, "v"), GR_EINVAL);
    msg = gr_msg_unref(msg);
}

static void r20_a_message_with_several_holders_gets_no_header(void **state)
{
    gr_msg *msg = lab_word_new(1);
    gr_msg *held = gr_msg_ref(msg);

    (void)state;
    assert_int_equal(gr_msg_set_header(msg, "a", "one"), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "read-only"));
    held = gr_msg_unref(held);
    set(msg, "a", "one");
    msg = gr_msg_unref(msg);
}

static gr_err answer_with_headers(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    gr_msg *reply = lab_word_new(2);
    char text[1024];

    lab_note(probe->lab, "%s: %s", probe->name, all_of(msg, text));
    lab_require(gr_msg_set_header(reply, "of", "the reply") == GR_OK);
    return gr_respond(ctx, reply);
}

static gr_pid spawn_with(struct lab *lab, const char *name, gr_receive_fn receive)
{
    gr_props props = lab_probe_props(lab, name);

    props.receive = receive;
    return lab_spawn_props(lab, &props, name);
}

static void r20_a_request_carries_its_headers_and_its_reply_others(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, "a", answer_with_headers);
    gr_msg *msg = lab_word_new(1);
    gr_msg *reply = NULL;
    char text[1024];

    set(msg, "trace", "77");
    set(msg, "tenant", "blue");
    assert_int_equal(gr_request(lab->sys, a, msg, GR_FOREVER, &reply), GR_OK);
    assert_string_equal(all_of(reply, text), "of=the reply");
    reply = gr_msg_unref(reply);
    lab_assert_notes(lab, "a:", "a: trace=77,tenant=blue");
}

static gr_err forward(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    gr_pid to;

    (void)msg;
    lab_require(gr_name_find(probe->lab->sys, "end", &to) == GR_OK);
    return gr_forward(ctx, to);
}

static void r20_a_forward_keeps_the_headers(void **state)
{
    struct lab *lab = *state;
    gr_pid relay = spawn_with(lab, "relay", forward);
    gr_msg *msg = lab_word_new(1);
    gr_msg *reply = NULL;

    (void)spawn_with(lab, "end", answer_with_headers);
    set(msg, "trace", "77");
    assert_int_equal(gr_request(lab->sys, relay, msg, GR_FOREVER, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    lab_assert_notes(lab, "end:", "end: trace=77");
}

/* Sends one message to several, with a header of each one's own. */
static void r20_envelopes_of_one_message_may_differ(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, "a", answer_with_headers);
    gr_msg *msg = lab_word_new(1);
    gr_msg *shared = NULL;
    gr_future *first = NULL;
    gr_future *second = NULL;
    gr_msg *got = NULL;
    gr_msg *other = NULL;
    char text[1024];

    set(msg, "trace", "77");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &first), GR_OK);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &second), GR_OK);
    shared = gr_msg_ref(msg);
    assert_int_equal(gr_send(lab->sys, gr_future_pid(first), msg), GR_OK);
    assert_int_equal(gr_future_pipe_to(first, gr_future_pid(second)), GR_OK); /* an envelope */
    first = gr_future_unref(first);
    assert_int_equal(gr_await(second, GR_FOREVER, &got), GR_OK);
    second = gr_future_unref(second); /* now it is held by us alone */
    set(got, "hop", "2");
    set(got, "trace", NULL);
    assert_string_equal(all_of(got, text), "hop=2");
    assert_string_equal(all_of(shared, text), "trace=77");
    shared = gr_msg_unref(shared);
    assert_string_equal(all_of(got, text), "hop=2");
    assert_int_equal(((const lab_word *)gr_msg_read(got, &lab_word_type))->number, 1);
    other = gr_msg_ref(got); /* an envelope of an envelope, whose headers are in the middle one */
    assert_int_equal(gr_send(lab->sys, a, got), GR_OK);
    other = gr_msg_unref(other);
    lab_wait(lab, "a: hop=2");
}

static gr_err stash_first(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)state;
    (void)msg;
    lab_require(gr_stash(ctx) == GR_OK);
    gr_unstash_all(ctx);
    return gr_become(ctx, answer_with_headers);
}

static void r20_a_stashed_message_keeps_its_headers(void **state)
{
    struct lab *lab = *state;
    gr_msg *msg = lab_word_new(1);
    gr_msg *reply = NULL;

    set(msg, "trace", "77");
    assert_int_equal(
        gr_request(lab->sys, spawn_with(lab, "a", stash_first), msg, GR_FOREVER, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    lab_assert_notes(lab, "a:", "a: trace=77");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r20_headers_are_set_read_replaced_and_taken_away),
        cmocka_unit_test(r20_headers_are_few_and_small),
        cmocka_unit_test(r20_a_message_with_several_holders_gets_no_header),
        LAB_BOTH(r20_a_request_carries_its_headers_and_its_reply_others),
        LAB_BOTH(r20_a_forward_keeps_the_headers),
        LAB_BOTH(r20_envelopes_of_one_message_may_differ),
        LAB_BOTH(r20_a_stashed_message_keeps_its_headers),
    };

    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
