/*
 * Pipes from futures, and futures of several. Behaviour r15.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

static gr_future *new_future(struct lab *lab, int64_t timeout_ms)
{
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, timeout_ms, &future), GR_OK);
    return future;
}

static void yield_word(gr_future *future, int64_t number)
{
    assert_int_equal(gr_future_complete(future, lab_word_new(number)), GR_OK);
}

static void yield_error(gr_future *future, gr_err code, const char *text)
{
    assert_int_equal(gr_future_complete(future, gr_msg_new_error(code, text)), GR_OK);
}

static int64_t number_of(const gr_msg *msg)
{
    const lab_word *word = msg == NULL ? NULL : gr_msg_read(msg, &lab_word_type);

    lab_require(word != NULL);
    return word->number;
}

static int64_t await_number(gr_future *future)
{
    gr_msg *reply = NULL;
    int64_t number = 0;

    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_OK);
    number = number_of(reply);
    reply = gr_msg_unref(reply);
    return number;
}

static gr_err await_code(gr_future *future)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(future, GR_FOREVER, &reply);

    reply = gr_msg_unref(reply);
    return err;
}

static void *complete_all(void *arg)
{
    gr_future **futures = arg;

    for (size_t i = 0; futures[i] != NULL; i++) {
        (void)gr_future_complete(futures[i], lab_word_new((int64_t)i));
    }
    return NULL;
}

/* ---- pipes */

static gr_err hears_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const gr_error *error = gr_msg_read(msg, &gr_error_type);

    (void)ctx;
    if (error != NULL) {
        lab_note(probe->lab, "%s hears %s: %s", probe->name, gr_err_name(error->code), error->text);
    } else {
        lab_note(probe->lab, "%s hears %lld", probe->name, (long long)number_of(msg));
    }
    return GR_OK;
}

static gr_pid spawn_hearer(struct lab *lab, const char *name)
{
    gr_props props = lab_probe_props(lab, name);

    props.receive = hears_receive;
    return lab_spawn_props(lab, &props, name);
}

static void r15_a_pipe_brings_the_result_to_every_target_also_afterwards(void **state)
{
    struct lab *lab = *state;
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *copy = new_future(lab, GR_FOREVER);

    assert_int_equal(gr_future_pipe_to(future, spawn_hearer(lab, "a")), GR_OK);
    assert_int_equal(gr_future_pipe_to(future, spawn_hearer(lab, "b")), GR_OK);
    assert_int_equal(gr_future_pipe_to(future, gr_future_pid(copy)), GR_OK); /* any inbox will do */
    yield_word(future, 4);
    lab_wait(lab, "a hears 4");
    lab_wait(lab, "b hears 4");
    assert_int_equal(await_number(copy), 4);
    assert_int_equal(gr_future_pipe_to(future, spawn_hearer(lab, "c")), GR_OK);
    lab_wait(lab, "c hears 4");
    future = gr_future_unref(future);
    copy = gr_future_unref(copy);
}

static void r15_a_pipe_brings_the_error_to_every_target_also_afterwards(void **state)
{
    struct lab *lab = *state;
    gr_future *late = new_future(lab, 5);
    gr_future *refused = new_future(lab, GR_FOREVER);
    gr_future *copy = new_future(lab, GR_FOREVER);

    assert_int_equal(gr_future_pipe_to(late, spawn_hearer(lab, "a")), GR_OK);
    assert_int_equal(gr_future_pipe_to(late, gr_future_pid(copy)), GR_OK);
    assert_int_equal(await_code(late), GR_ETIMEDOUT);
    assert_int_equal(await_code(copy), GR_ETIMEDOUT);
    assert_int_equal(gr_future_pipe_to(late, spawn_hearer(lab, "b")), GR_OK);
    assert_int_equal(gr_future_pipe_to(refused, spawn_hearer(lab, "c")), GR_OK);
    yield_error(refused, GR_EAPP + 1, "closed on Sundays");
    assert_int_equal(gr_future_pipe_to(refused, spawn_hearer(lab, "d")), GR_OK);
    for (char name = 'a'; name <= 'b'; name++) {
        char note[GR_ERROR_TEXT_BYTES];

        (void)snprintf(note, sizeof(note), "%c hears GR_ETIMEDOUT: %s", name,
                       gr_err_text(GR_ETIMEDOUT));
        lab_wait(lab, note);
    }
    {
        char note[GR_ERROR_TEXT_BYTES];

        (void)snprintf(note, sizeof(note), "c hears %s: closed on Sundays",
                       gr_err_name(GR_EAPP + 1));
        lab_wait(lab, note);
        note[0] = 'd';
        lab_wait(lab, note);
    }
    late = gr_future_unref(late);
    refused = gr_future_unref(refused);
    copy = gr_future_unref(copy);
}

static void r15_a_pipe_keeps_its_future_and_a_dead_target_harms_nobody(void **state)
{
    struct lab *lab = *state;
    gr_pid dead = lab_spawn(lab, "dead");
    gr_future *future = NULL;
    gr_pid pid;

    gr_send_stop(lab->sys, dead);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    future = new_future(lab, GR_FOREVER);
    pid = gr_future_pid(future);
    assert_int_equal(gr_future_pipe_to(future, dead), GR_OK);
    assert_int_equal(gr_future_pipe_to(future, spawn_hearer(lab, "a")), GR_OK);
    future = gr_future_unref(future);
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(2)), GR_OK);
    lab_wait(lab, "a hears 2");
    assert_int_equal(lab_dead(lab), 1);
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 0);
}

static void r15_a_pipe_to_nobody_is_refused(void **state)
{
    struct lab *lab = *state;
    gr_future *future = new_future(lab, GR_FOREVER);

    assert_int_equal(gr_future_pipe_to(future, gr_pid_null()), GR_EINVAL);
    assert_int_equal(gr_future_pipe_to(NULL, gr_future_pid(future)), GR_EINVAL);
    future = gr_future_unref(future);
}

/* ---- all and any */

enum { SEVERAL = 4 };

static void make_several(struct lab *lab, gr_future *futures[SEVERAL])
{
    for (size_t i = 0; i < SEVERAL; i++) {
        futures[i] = new_future(lab, i == 3 ? 10 : GR_FOREVER);
    }
}

static void drop_several(gr_future *futures[SEVERAL])
{
    for (size_t i = 0; i < SEVERAL; i++) {
        futures[i] = gr_future_unref(futures[i]);
    }
}

static void r15_all_waits_for_all_and_keeps_their_order_with_failures_among_them(void **state)
{
    struct lab *lab = *state;
    gr_future *futures[SEVERAL];
    gr_future *all = NULL;
    gr_msg *reply = NULL;
    const gr_results *results = NULL;

    make_several(lab, futures);
    yield_word(futures[2], 2);
    assert_int_equal(gr_future_all(lab->sys, futures, SEVERAL, GR_FOREVER, &all), GR_OK);
    yield_error(futures[0], GR_EFULL, "no room");
    assert_int_equal(await_code(futures[3]), GR_ETIMEDOUT);
    assert_false(gr_future_ready(all));
    yield_word(futures[1], 1);
    drop_several(futures);
    assert_int_equal(gr_await(all, GR_FOREVER, &reply), GR_OK);
    results = gr_msg_read(reply, &gr_results_type);
    assert_non_null(results);
    assert_int_equal(results->count, SEVERAL);
    assert_int_equal(results->failed, 2);
    assert_int_equal(results->at[0].code, GR_EFULL);
    assert_string_equal(((const gr_error *)gr_msg_read(results->at[0].msg, &gr_error_type))->text,
                        "no room");
    assert_int_equal(results->at[1].code, GR_OK);
    assert_int_equal(number_of(results->at[1].msg), 1);
    assert_int_equal(number_of(results->at[2].msg), 2);
    assert_int_equal(results->at[3].code, GR_ETIMEDOUT);
    assert_null(results->at[3].msg);
    all = gr_future_unref(all);
    reply = gr_msg_unref(reply);
}

static void r15_all_of_none_is_complete_at_once(void **state)
{
    struct lab *lab = *state;
    gr_future *all = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_future_all(lab->sys, NULL, 0, GR_FOREVER, &all), GR_OK);
    assert_true(gr_future_ready(all));
    assert_int_equal(gr_await(all, 0, &reply), GR_OK);
    assert_int_equal(((const gr_results *)gr_msg_read(reply, &gr_results_type))->count, 0);
    reply = gr_msg_unref(reply);
    all = gr_future_unref(all);
}

static void r15_all_and_any_have_a_time_limit_of_their_own(void **state)
{
    struct lab *lab = *state;
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *all = NULL;
    gr_future *any = NULL;

    assert_int_equal(gr_future_all(lab->sys, &future, 1, 5, &all), GR_OK);
    assert_int_equal(gr_future_any(lab->sys, &future, 1, 5, &any), GR_OK);
    assert_int_equal(await_code(all), GR_ETIMEDOUT);
    assert_int_equal(await_code(any), GR_ETIMEDOUT);
    yield_word(future, 1); /* too late, and no harm */
    assert_int_equal(await_code(all), GR_ETIMEDOUT);
    future = gr_future_unref(future);
    all = gr_future_unref(all);
    any = gr_future_unref(any);
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 0);
}

static void r15_any_yields_the_first_reply_whatever_failed_before(void **state)
{
    struct lab *lab = *state;
    gr_future *futures[SEVERAL];
    gr_future *any = NULL;

    make_several(lab, futures);
    assert_int_equal(gr_future_any(lab->sys, futures, SEVERAL, GR_FOREVER, &any), GR_OK);
    yield_error(futures[0], GR_EFULL, NULL);
    assert_int_equal(await_code(futures[3]), GR_ETIMEDOUT);
    assert_false(gr_future_ready(any));
    yield_word(futures[2], 2);
    yield_word(futures[1], 1);
    assert_int_equal(await_number(any), 2);
    drop_several(futures);
    any = gr_future_unref(any);
}

static void r15_any_of_failures_only_is_the_last_of_them(void **state)
{
    struct lab *lab = *state;
    gr_future *futures[2] = {new_future(lab, 5), new_future(lab, GR_FOREVER)};
    gr_future *any = NULL;
    gr_future *other = NULL;

    assert_int_equal(gr_future_any(lab->sys, futures, 2, GR_FOREVER, &any), GR_OK);
    assert_int_equal(await_code(futures[0]), GR_ETIMEDOUT);
    yield_error(futures[1], GR_EFULL, "the last one");
    assert_int_equal(await_code(any), GR_EFULL);
    assert_string_equal(gr_last_error()->text, "the last one");
    assert_int_equal(gr_future_any(lab->sys, futures, 1, GR_FOREVER, &other), GR_OK);
    assert_int_equal(await_code(other), GR_ETIMEDOUT);
    futures[0] = gr_future_unref(futures[0]);
    futures[1] = gr_future_unref(futures[1]);
    any = gr_future_unref(any);
    other = gr_future_unref(other);
}

static void r15_bad_members_are_refused(void **state)
{
    struct lab *lab = *state;
    gr_future *futures[2] = {new_future(lab, GR_FOREVER), NULL};
    gr_future *out = NULL;
    gr_system *other = NULL;

    assert_int_equal(gr_future_all(lab->sys, futures, 2, GR_FOREVER, &out), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "future 1 of 2"));
    assert_int_equal(gr_future_any(lab->sys, futures, 2, GR_FOREVER, &out), GR_EINVAL);
    assert_int_equal(gr_future_any(lab->sys, futures, 0, GR_FOREVER, &out), GR_EINVAL);
    assert_int_equal(gr_system_new(&lab->options, &other), GR_OK);
    assert_int_equal(gr_future_all(other, futures, 1, GR_FOREVER, &out), GR_EINVAL);
    other = gr_system_free(other);
    futures[0] = gr_future_unref(futures[0]);
    assert_null(out);
}

static void r15_all_of_many_that_complete_at_once(void **state)
{
    struct lab *lab = *state;
    enum { MANY = 64 };
    size_t rounds = lab_scaled(100);

    for (size_t i = 0; i < rounds; i++) {
        gr_future *futures[MANY + 1] = {NULL};
        gr_future *all = NULL;
        gr_future *any = NULL;
        pthread_t threads[2];
        gr_msg *reply = NULL;

        for (size_t at = 0; at < MANY; at++) {
            futures[at] = new_future(lab, GR_FOREVER);
        }
        assert_int_equal(pthread_create(&threads[0], NULL, complete_all, futures), 0);
        assert_int_equal(gr_future_all(lab->sys, futures, MANY, GR_FOREVER, &all), GR_OK);
        assert_int_equal(gr_future_any(lab->sys, futures, MANY, GR_FOREVER, &any), GR_OK);
        assert_int_equal(pthread_create(&threads[1], NULL, complete_all, futures), 0);
        assert_int_equal(gr_await(all, GR_FOREVER, &reply), GR_OK);
        assert_int_equal(((const gr_results *)gr_msg_read(reply, &gr_results_type))->failed, 0);
        reply = gr_msg_unref(reply);
        assert_int_equal(await_code(any), GR_OK);
        assert_int_equal(pthread_join(threads[0], NULL), 0);
        assert_int_equal(pthread_join(threads[1], NULL), 0);
        for (size_t at = 0; at < MANY; at++) {
            futures[at] = gr_future_unref(futures[at]);
        }
        all = gr_future_unref(all);
        any = gr_future_unref(any);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r15_a_pipe_brings_the_result_to_every_target_also_afterwards),
        LAB_BOTH(r15_a_pipe_brings_the_error_to_every_target_also_afterwards),
        LAB_BOTH(r15_a_pipe_keeps_its_future_and_a_dead_target_harms_nobody),
        LAB_BOTH(r15_a_pipe_to_nobody_is_refused),
        LAB_BOTH(r15_all_waits_for_all_and_keeps_their_order_with_failures_among_them),
        LAB_BOTH(r15_all_of_none_is_complete_at_once),
        LAB_BOTH(r15_all_and_any_have_a_time_limit_of_their_own),
        LAB_BOTH(r15_any_yields_the_first_reply_whatever_failed_before),
        LAB_STEPPED(r15_any_of_failures_only_is_the_last_of_them),
        LAB_STEPPED(r15_bad_members_are_refused),
        LAB_THREADS(r15_all_of_many_that_complete_at_once),
    };

    return cmocka_run_group_tests_name("gather", tests, NULL, NULL);
}
