/*
 * Receive timeouts: told when idle, and only then. Behaviour r21.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

static gr_err act_set(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_receive_timeout_set(ctx, *(int64_t *)arg);
}

static gr_err act_cancel(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    gr_receive_timeout_cancel(ctx);
    return GR_OK;
}

static const char told[] = "a got a gr_receive_timeout";

static gr_pid spawn_with(struct lab *lab, int64_t timeout_ms)
{
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, pid, act_set, &timeout_ms), GR_OK);
    return pid;
}

static void r21_a_receive_timeout_fires_when_idle_and_not_before(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, 100);

    lab_advance(lab, 99);
    assert_int_equal(lab_count(lab, told), 0);
    lab_tell(lab, a, 1); /* pushes it back */
    lab_advance(lab, 99);
    assert_int_equal(lab_count(lab, told), 0);
    lab_advance(lab, 1);
    assert_int_equal(lab_count(lab, told), 1);
    assert_int_equal(lab_dead(lab), 0);
}

static void r21_one_idle_time_is_told_once_and_the_next_message_begins_another(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, 100);

    lab_advance(lab, 1000);
    assert_int_equal(lab_count(lab, told), 1);
    assert_int_equal(gr_stepped_next_ms(lab->stepped), INT64_MAX); /* an idle actor costs nothing */
    lab_tell(lab, a, 1);
    lab_advance(lab, 99);
    assert_int_equal(lab_count(lab, told), 1);
    lab_advance(lab, 1);
    assert_int_equal(lab_count(lab, told), 2);
}

static void tell_quietly(struct lab *lab, gr_pid to, int64_t number)
{
    gr_msg *msg = lab_word_new(number);

    gr_msg_mark_quiet(msg);
    assert_int_equal(gr_send(lab->sys, to, msg), GR_OK);
}

static void r21_messages_marked_quiet_do_not_push_it_back(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, 100);

    for (int i = 0; i < 9; i++) {
        lab_advance(lab, 10);
        tell_quietly(lab, a, i);
    }
    assert_int_equal(lab_count(lab, told), 0);
    lab_advance(lab, 10);
    assert_int_equal(lab_count(lab, told), 1);
    tell_quietly(lab, a, 10); /* and begin no other */
    lab_advance(lab, 1000);
    assert_int_equal(lab_count(lab, told), 1);
    assert_int_equal(lab_count(lab, "a 10"), 1);
}

static gr_err relay(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)msg;
    return gr_forward(ctx, *(gr_pid *)state);
}

static void r21_a_quiet_message_stays_quiet_when_it_is_handed_on(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, 100);
    gr_props props = {.receive = relay, .arg = &a};
    gr_pid between = lab_spawn_props(lab, &props, NULL);

    lab_advance(lab, 50);
    tell_quietly(lab, between, 1);
    lab_advance(lab, 50);
    assert_int_equal(lab_count(lab, "a 1"), 1);
    assert_int_equal(lab_count(lab, told), 1);
}

static void r21_it_can_be_cancelled_and_set_again(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, 100);
    int64_t shorter_ms = 50;

    assert_int_equal(lab_make(lab, a, act_cancel, NULL), GR_OK);
    assert_int_equal(lab_make(lab, a, act_cancel, NULL), GR_OK); /* no harm */
    lab_advance(lab, 1000);
    assert_int_equal(lab_count(lab, told), 0);
    assert_int_equal(lab_make(lab, a, act_set, &shorter_ms), GR_OK);
    lab_advance(lab, 30);
    assert_int_equal(lab_make(lab, a, act_set, &shorter_ms), GR_OK); /* counts anew */
    lab_advance(lab, 49);
    assert_int_equal(lab_count(lab, told), 0);
    lab_advance(lab, 1);
    assert_int_equal(lab_count(lab, told), 1);
}

static gr_err act_wait(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);

    (void)ctx;
    (void)lab;
    reply = gr_msg_unref(reply);
    return err;
}

static void r21_a_handler_that_waits_is_not_idle(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, 80);
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, a, act_wait, future);
    lab_advance(lab, 1000);
    assert_int_equal(lab_count(lab, told), 0);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_advance(lab, 79); /* since the handler returned */
    assert_int_equal(lab_count(lab, told), 0);
    lab_advance(lab, 1);
    assert_int_equal(lab_count(lab, told), 1);
    future = gr_future_unref(future);
}

static gr_err start_with_timeout(gr_context *ctx, void *state)
{
    const lab_probe *probe = state;

    lab_note(probe->lab, "%s started", probe->name);
    return lab_count(probe->lab, "a started") == 1 ? gr_receive_timeout_set(ctx, 50) : GR_OK;
}

static void r21_a_restart_ends_it_and_so_does_a_stop(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid a;

    props.started = start_with_timeout;
    a = lab_spawn_props(lab, &props, "a");
    lab_advance(lab, 50);
    assert_int_equal(lab_count(lab, told), 1); /* it counts from the start */
    lab_tell(lab, a, 1);
    lab_do(lab, a, lab_act_fail, NULL);
    lab_advance(lab, 1000);
    assert_int_equal(lab_count(lab, told), 1);
    gr_send_stop(lab->sys, a);
    lab_run(lab);
    gr_send_stop(lab->sys, spawn_with(lab, 50));
    lab_advance(lab, 1000);
    assert_int_equal(lab_count(lab, told), 1);
    assert_int_equal(lab_dead(lab), 0);
}

static gr_err act_resumed(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    gr_panic(ctx, GR_EFAILED, "but it goes on");
}

static gr_directive resume_it(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_RESUME;
}

static void r21_it_goes_on_after_a_failure_that_is_resumed(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.root = {.decide = resume_it}};
    gr_pid a;

    lab_reopen(lab, &options);
    a = spawn_with(lab, 100);
    lab_advance(lab, 50);
    lab_do(lab, a, act_resumed, NULL);
    lab_advance(lab, 99);
    assert_int_equal(lab_count(lab, told), 0);
    lab_advance(lab, 1);
    assert_int_equal(lab_count(lab, told), 1);
}

static const gr_type other_type = {"other_timeout", 0, NULL, NULL, NULL};

static gr_err act_set_two(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_err err = gr_receive_timeout_set(ctx, 100);

    (void)lab;
    (void)arg;
    return err == GR_OK ? gr_receive_timeout_set_type(ctx, &other_type, 100) : err;
}

static gr_err act_cancel_other(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    gr_receive_timeout_cancel_type(ctx, &other_type);
    return GR_OK;
}

static void r21_timeouts_of_several_types_do_not_touch_each_other(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, a, act_set_two, NULL), GR_OK);
    lab_advance(lab, 100); /* both at once: one after the other */
    assert_int_equal(lab_count(lab, told), 1);
    assert_int_equal(lab_count(lab, "a got a other_timeout"), 1);
    assert_int_equal(lab_make(lab, a, act_cancel_other, NULL), GR_OK);
    lab_advance(lab, 100);
    assert_int_equal(lab_count(lab, told), 2);
    assert_int_equal(lab_count(lab, "a got a other_timeout"), 1);
}

static gr_err act_bad(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    lab_require(gr_receive_timeout_set(ctx, 0) == GR_EINVAL);
    return gr_receive_timeout_set(ctx, -5);
}

static void r21_a_time_that_is_not_positive_is_refused(void **state)
{
    struct lab *lab = *state;

    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_bad, NULL), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "-5 ms"));
}

static void r21_a_huge_time_is_as_good_as_never(void **state)
{
    struct lab *lab = *state;

    (void)spawn_with(lab, INT64_MAX);
    lab_advance(lab, 1000000);
    assert_int_equal(lab_count(lab, told), 0);
}

static void r21_on_threads_time_is_real(void **state)
{
    struct lab *lab = *state;
    int64_t before_ms = gr_system_now(lab->sys);

    (void)spawn_with(lab, 20);
    lab_wait(lab, told);
    assert_true(gr_system_now(lab->sys) - before_ms >= 20);
}

static void r21_actors_end_while_their_timeouts_fire(void **state)
{
    struct lab *lab = *state;
    size_t rounds = lab_scaled(500);

    for (size_t i = 0; i < rounds; i++) {
        gr_pid a = spawn_with(lab, 1);
        int64_t until_ms = gr_system_now(lab->sys) + 1;

        while (gr_system_now(lab->sys) < until_ms) { /* stop it at that very moment */
        }
        gr_send_stop(lab->sys, a);
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    }
    assert_int_equal(lab_dead(lab), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_STEPPED(r21_a_receive_timeout_fires_when_idle_and_not_before),
        LAB_STEPPED(r21_one_idle_time_is_told_once_and_the_next_message_begins_another),
        LAB_STEPPED(r21_messages_marked_quiet_do_not_push_it_back),
        LAB_STEPPED(r21_a_quiet_message_stays_quiet_when_it_is_handed_on),
        LAB_STEPPED(r21_it_can_be_cancelled_and_set_again),
        LAB_STEPPED(r21_a_handler_that_waits_is_not_idle),
        LAB_STEPPED(r21_a_restart_ends_it_and_so_does_a_stop),
        LAB_STEPPED(r21_it_goes_on_after_a_failure_that_is_resumed),
        LAB_STEPPED(r21_timeouts_of_several_types_do_not_touch_each_other),
        LAB_STEPPED(r21_a_time_that_is_not_positive_is_refused),
        LAB_STEPPED(r21_a_huge_time_is_as_good_as_never),
        LAB_THREADS(r21_on_threads_time_is_real),
        LAB_THREADS(r21_actors_end_while_their_timeouts_fire),
    };

    return cmocka_run_group_tests_name("receive_timeout", tests, NULL, NULL);
}
