/*
 * Messages: payloads, references, memory of their own, drops and origins; pids and errors as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

static atomic_int dropped;

static void count_drop(void *payload)
{
    (void)payload;
    /* Relaxed: a plain count. */
    (void)atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

static int drops(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed); /* a plain count */
}

typedef struct parcel {
    char *text;
    uint8_t filling[1000];
} parcel;

static const gr_type parcel_type = {"parcel", sizeof(parcel), count_drop, NULL, NULL};

static void a_payload_is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t round = 0; round < 3; round++) {
        gr_msg *msg = gr_msg_new(&parcel_type);
        parcel *payload = gr_msg_payload(msg);

        assert_int_equal((uintptr_t)payload % _Alignof(max_align_t), 0);
        assert_null(payload->text);
        for (size_t i = 0; i < sizeof(payload->filling); i++) {
            assert_int_equal(payload->filling[i], 0);
        }
        memset(payload, 0xee, sizeof(*payload)); /* the next one may get the same memory */
        payload->text = NULL;
        assert_null(gr_msg_unref(msg));
    }
}

static void a_message_is_read_by_its_type_only(void **state)
{
    gr_msg *msg = lab_word_new(5);

    (void)state;
    assert_ptr_equal(gr_msg_type(msg), &lab_word_type);
    assert_ptr_equal(gr_msg_read(msg, &lab_word_type), gr_msg_payload(msg));
    assert_null(gr_msg_read(msg, &parcel_type));
    assert_null(gr_msg_read(NULL, &lab_word_type));
    assert_true(gr_pid_is_null(gr_msg_sender(msg)));
    msg = gr_msg_unref(msg);
}

static void the_last_holder_drops_the_payload(void **state)
{
    gr_msg *msg = gr_msg_new(&parcel_type);
    int before = drops();
    gr_msg *second = NULL;

    (void)state;
    second = gr_msg_ref(msg);
    assert_ptr_equal(second, msg);
    msg = gr_msg_unref(msg);
    assert_int_equal(drops(), before);
    second = gr_msg_unref(second);
    assert_int_equal(drops(), before + 1);
    assert_null(second);
    assert_null(gr_msg_ref(NULL));
    assert_null(gr_msg_unref(NULL));
}

static void memory_of_a_message_is_aligned_and_lives_with_it(void **state)
{
    gr_msg *msg = gr_msg_new(&parcel_type);
    char *blocks[40];
    size_t bytes[40];

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        bytes[i] = 1 + i * i * 17 % 5000;
        blocks[i] = gr_msg_alloc(msg, bytes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        memset(blocks[i], (int)i, bytes[i]);
    }
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(blocks[i][0], i);
        assert_int_equal(blocks[i][bytes[i] - 1], i);
    }
    assert_non_null(gr_msg_alloc(msg, 0));
    assert_non_null(gr_msg_alloc(msg, 1 << 20));
    assert_null(gr_msg_alloc(msg, SIZE_MAX - 10)); /* no overflow, no crash */
    msg = gr_msg_unref(msg);
}

/* ---- origins */

typedef struct window {
    gr_origin origin;
    size_t released;
    size_t times;
} window;

static void a_message_that_would_be_too_large_is_not_made(void **state)
{
    /* With its envelope it would fill a gigabyte, which is one byte more than can be counted. */
    static const gr_type huge = {"huge", ((size_t)1 << 30) - 80, NULL, NULL, NULL};

    (void)state;
    assert_null(gr_msg_new(&huge));
}

static void on_released(gr_origin *origin, size_t bytes)
{
    window *mine = (window *)origin;

    mine->released += bytes;
    mine->times++;
}

static void an_origin_is_told_once_when_the_message_is_freed(void **state)
{
    struct lab *lab = *state;
    window mine = {.origin = {on_released}};
    gr_pid pid = lab_spawn(lab, "a");
    gr_msg *msg = lab_word_new(1);
    gr_msg *kept = NULL;

    gr_msg_set_origin(msg, &mine.origin, 123);
    kept = gr_msg_ref(msg);
    assert_int_equal(gr_send(lab->sys, pid, msg), GR_OK);
    lab_flush(lab, pid);
    assert_int_equal(mine.times, 0);
    kept = gr_msg_unref(kept);
    LAB_EVENTUALLY(lab, mine.times == 1);
    assert_int_equal(mine.released, 123);
}

static void a_dead_letter_frees_its_message(void **state)
{
    struct lab *lab = *state;
    int before = drops();

    (void)gr_send(lab->sys, (gr_pid){gr_system_node(lab->sys), 900, 5}, gr_msg_new(&parcel_type));
    (void)gr_send(lab->sys, gr_pid_null(), gr_msg_new(&parcel_type));
    (void)gr_send(lab->sys, (gr_pid){1, 2, 3}, gr_msg_new(&parcel_type));
    assert_int_equal(drops(), before + 3);
}

static void what_is_left_in_a_mailbox_is_freed(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    int before = drops();

    for (int i = 0; i < 10; i++) {
        assert_int_equal(gr_send(lab->sys, pid, gr_msg_new(&parcel_type)), GR_OK);
    }
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "a stopped stopped");
    LAB_EVENTUALLY(lab, drops() == before + 10);
}

/* ---- one message to many */

static void one_message_may_be_sent_to_many(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_pid b = lab_spawn(lab, "b");
    gr_msg *msg = lab_word_new(8);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(gr_send(lab->sys, a, gr_msg_ref(msg)), GR_OK);
        assert_int_equal(gr_send(lab->sys, b, gr_msg_ref(msg)), GR_OK);
    }
    assert_int_equal(((const lab_word *)gr_msg_read(msg, &lab_word_type))->number, 8);
    lab_wait_times(lab, "a 8", 3);
    lab_wait_times(lab, "b 8", 3);
    assert_true(
        gr_pid_is_null(gr_msg_sender(msg))); /* who sends does not change what others hold */
    msg = gr_msg_unref(msg);
}

static void *send_shared(void *arg)
{
    void **args = arg;
    struct lab *lab = args[0];
    const gr_pid *to = args[1];
    const gr_msg *msg = args[2];

    for (int i = 0; i < 500; i++) {
        lab_require(gr_send(lab->sys, *to, gr_msg_ref(msg)) == GR_OK);
    }
    return NULL;
}

static void a_shared_message_is_dropped_once_whoever_is_last(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[3] = {lab_spawn(lab, "a"), lab_spawn(lab, "b"), lab_spawn(lab, "c")};
    gr_msg *msg = gr_msg_new(&parcel_type);
    pthread_t threads[3];
    void *args[3][3];
    int before = drops();

    for (size_t i = 0; i < 3; i++) {
        args[i][0] = lab;
        args[i][1] = &pids[i];
        args[i][2] = msg;
        assert_int_equal(pthread_create(&threads[i], NULL, send_shared, args[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(drops(), before);
    msg = gr_msg_unref(msg);
    for (size_t i = 0; i < 3; i++) {
        lab_flush(lab, pids[i]);
    }
    LAB_EVENTUALLY(lab, drops() == before + 1);
}

/* ---- errors as messages, pids and errors as text */

static void a_failure_travels_as_a_message(void **state)
{
    gr_msg *msg = gr_msg_new_error(GR_EBUSY, "try tomorrow");
    const gr_error *error = gr_msg_read(msg, &gr_error_type);

    (void)state;
    assert_non_null(error);
    assert_int_equal(error->code, GR_EBUSY);
    assert_string_equal(error->text, "try tomorrow");
    msg = gr_msg_unref(msg);
    msg = gr_msg_new_error(GR_EDEAD, NULL);
    error = gr_msg_read(msg, &gr_error_type);
    assert_string_equal(error->text, "the actor has stopped");
    msg = gr_msg_unref(msg);
}

static void errors_have_names_texts_and_fixed_numbers(void **state)
{
    (void)state;
    assert_string_equal(gr_err_name(GR_OK), "GR_OK");
    assert_string_equal(gr_err_name(GR_EDEAD), "GR_EDEAD");
    assert_string_equal(gr_err_text(GR_EDEAD), "the actor has stopped");
    assert_string_equal(gr_err_name((gr_err)(GR_EAPP + 3)), "GR_EAPP+3");
    assert_string_equal(gr_err_name((gr_err)999), "GR_E?");
    assert_string_equal(gr_err_name((gr_err)-1), "GR_E?");
    assert_int_equal(GR_EDEAD, 3);
    assert_int_equal(GR_EMISMATCH, 27);
#define NAMED(name, number, text)                                                                  \
    assert_int_equal(name, number);                                                                \
    assert_string_equal(gr_err_name(name), #name);                                                 \
    assert_string_equal(gr_err_text(name), text);
    GR_ERRORS(NAMED)
#undef NAMED
}

static void *fail_elsewhere(void *arg)
{
    (void)gr_fail(GR_EIO, "elsewhere %d", 2);
    *(gr_error *)arg = *gr_last_error();
    return NULL;
}

static void the_last_error_belongs_to_its_thread(void **state)
{
    gr_error other;
    pthread_t thread;
    char text[400];

    (void)state;
    assert_int_equal(gr_fail(GR_EINVAL, "here %d", 1), GR_EINVAL);
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(other.text, "elsewhere 2");
    assert_int_equal(other.code, GR_EIO);
    assert_string_equal(gr_last_error()->text, "here 1");
    assert_int_equal(gr_last_error()->code, GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->file, "message_test.c"));
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)gr_fail(GR_EINVAL, "%s", text); /* cut, not overrun */
    assert_int_equal(strlen(gr_last_error()->text), GR_ERROR_TEXT_BYTES - 1);
    assert_int_equal(gr_fatal(GR_EIO, "fatal"), (unsigned)GR_EIO | (unsigned)GR_FATAL);
}

static void a_pid_is_readable(void **state)
{
    char text[GR_PID_TEXT_BYTES];

    (void)state;
    assert_string_equal(gr_pid_format((gr_pid){UINT64_C(0xa1b2c3d4e5f60718), 42, 3}, text),
                        "a1b2c3d4e5f60718/42.3");
    assert_string_equal(gr_pid_format((gr_pid){UINT64_MAX, UINT32_MAX, UINT32_MAX}, text),
                        "ffffffffffffffff/4294967295.4294967295");
    assert_true(strlen(gr_pid_format(gr_pid_null(), text)) > 0);
    assert_true(gr_pid_is_null(gr_pid_null()));
    assert_false(gr_pid_equal((gr_pid){1, 2, 3}, (gr_pid){1, 2, 4}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_STEPPED(a_payload_is_zeroed_and_aligned),
        LAB_STEPPED(a_message_is_read_by_its_type_only),
        LAB_STEPPED(the_last_holder_drops_the_payload),
        LAB_STEPPED(memory_of_a_message_is_aligned_and_lives_with_it),
        LAB_STEPPED(a_message_that_would_be_too_large_is_not_made),
        LAB_STEPPED(an_origin_is_told_once_when_the_message_is_freed),
        LAB_BOTH(a_dead_letter_frees_its_message),
        LAB_BOTH(what_is_left_in_a_mailbox_is_freed),
        LAB_BOTH(one_message_may_be_sent_to_many),
        LAB_THREADS(a_shared_message_is_dropped_once_whoever_is_last),
        LAB_STEPPED(a_failure_travels_as_a_message),
        LAB_STEPPED(errors_have_names_texts_and_fixed_numbers),
        LAB_STEPPED(the_last_error_belongs_to_its_thread),
        LAB_STEPPED(a_pid_is_readable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
