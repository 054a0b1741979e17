/*
 * Dead letters: what nobody handled, and pids that lead to nobody. Behaviour r13.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

static gr_pid dead_pid(struct lab *lab)
{
    gr_pid pid = lab_spawn(lab, "late");

    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    return pid;
}

static void r13_a_message_to_a_dead_pid_is_a_dead_letter_with_pid_and_type(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = dead_pid(lab);
    size_t before = lab_dead(lab);
    gr_dead_letter letter;

    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(1)), GR_EDEAD);
    assert_int_equal(lab_dead(lab), before + 1);
    letter = lab_dead_at(lab, before);
    assert_true(gr_pid_equal(letter.to, pid));
    assert_true(gr_pid_is_null(letter.sender));
    assert_string_equal(letter.message_type, "lab_word");
    assert_int_equal(letter.cause, GR_DEAD_NO_ACTOR);
    assert_int_equal(gr_system_counters(lab->sys).dead_letters, before + 1);
}

static gr_err act_send_word(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_context_send(ctx, *(gr_pid *)arg, lab_word_new(2));
}

static void r13_a_dead_letter_names_its_sender(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = dead_pid(lab);
    gr_pid sender = lab_spawn(lab, "a");
    size_t before = lab_dead(lab);

    assert_int_equal(lab_make(lab, sender, act_send_word, &pid), GR_EDEAD);
    assert_int_equal(lab_dead(lab), before + 1);
    assert_true(gr_pid_equal(lab_dead_at(lab, before).sender, sender));
}

static void r13_a_request_to_a_dead_pid_fails_at_once(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = dead_pid(lab);
    gr_msg *reply = NULL;
    gr_future *future = NULL;

    assert_int_equal(gr_request(lab->sys, pid, lab_word_new(1), GR_FOREVER, &reply), GR_EDEAD);
    assert_null(reply);
    assert_int_equal(gr_last_error()->code, GR_EDEAD);
    assert_int_equal(gr_request_future(lab->sys, pid, lab_word_new(1), GR_FOREVER, &future), GR_OK);
    assert_true(gr_future_ready(future));
    assert_int_equal(gr_await(future, 0, &reply), GR_EDEAD);
    future = gr_future_unref(future);
}

static void r13_a_send_that_fails_leaves_its_own_detail(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = dead_pid(lab);
    char text[GR_PID_TEXT_BYTES];

    (void)gr_fail(GR_EIO, "something else before");
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(1)), GR_EDEAD);
    assert_int_equal(gr_last_error()->code, GR_EDEAD);
    assert_non_null(strstr(gr_last_error()->text, gr_pid_format(pid, text)));
}

static gr_err act_request_dead(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;

    (void)lab;
    return gr_request(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(1), GR_FOREVER, &reply);
}

static void r13_a_request_to_a_dead_pid_from_a_handler_fails_at_once(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = dead_pid(lab);

    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_request_dead, &pid), GR_EDEAD);
}

static void r13_a_reused_slot_never_receives_an_old_pids_messages(void **state)
{
    struct lab *lab = *state;
    enum { ROUNDS = 500 };
    gr_pid old[ROUNDS];
    gr_props props = lab_probe_props(lab, "x");
    size_t reused = 0;
    size_t before = 0;

    for (size_t i = 0; i < ROUNDS; i++) {
        old[i] = lab_spawn_props(lab, &props, NULL);
        gr_send_stop(lab->sys, old[i]);
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
        for (size_t j = 0; j < i; j++) {
            assert_false(gr_pid_equal(old[j], old[i]));
            reused += old[j].slot == old[i].slot;
        }
    }
    assert_true(reused > 0); /* or this test shows nothing */
    (void)lab_spawn(lab, "new");
    before = lab_dead(lab);
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(gr_send(lab->sys, old[i], lab_word_new(1)), GR_EDEAD);
    }
    assert_int_equal(lab_dead(lab), before + ROUNDS);
    lab_assert_notes(lab, "new", "new started");
}

static void r13_pids_that_never_were_are_dead(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = {gr_system_node(lab->sys), 0, 0};

    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(1)), GR_EDEAD);
    pid.slot = UINT32_MAX;
    pid.generation = UINT32_MAX;
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(1)), GR_EDEAD);
    pid.slot = 500000;
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(1)), GR_EDEAD);
    pid = gr_pid_well_known(gr_system_node(lab->sys), GR_SLOT_CLUSTER);
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(1)), GR_EDEAD);
}

static void the_null_pid_and_foreign_pids_are_refused_by_name(void **state)
{
    struct lab *lab = *state;
    gr_pid foreign = {gr_system_node(lab->sys) ^ 1, 20, 1};
    gr_msg *reply = NULL;

    assert_int_equal(gr_send(lab->sys, gr_pid_null(), lab_word_new(1)), GR_EINVAL);
    assert_int_equal(gr_send(lab->sys, foreign, lab_word_new(1)), GR_EUNREACHABLE);
    assert_int_equal(gr_request(lab->sys, gr_pid_null(), lab_word_new(1), GR_FOREVER, &reply),
                     GR_EINVAL);
    assert_int_equal(gr_request(lab->sys, foreign, lab_word_new(1), GR_FOREVER, &reply),
                     GR_EUNREACHABLE);
    assert_int_equal(lab_dead_at(lab, lab_dead(lab) - 1).cause, GR_DEAD_UNREACHABLE);
}

static void sending_no_message_is_out_of_memory(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_msg *reply = NULL;

    assert_int_equal(gr_send(lab->sys, pid, NULL), GR_ENOMEM);
    assert_int_equal(gr_send_wait(lab->sys, pid, NULL, GR_FOREVER), GR_ENOMEM);
    assert_int_equal(gr_request(lab->sys, pid, NULL, GR_FOREVER, &reply), GR_ENOMEM);
    assert_null(reply);
}

static void an_extender_can_add_a_dead_letter(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_msg *msg = lab_word_new(1);
    gr_msg *reply = NULL;
    gr_pid to = {gr_system_node(lab->sys), 77, 1};

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    gr_msg_set_sender(msg, gr_future_pid(future));
    gr_dead_letter_add(lab->sys, to, msg, GR_DEAD_UNREACHABLE, GR_ENODELOST);
    assert_int_equal(lab_dead(lab), 1);
    assert_true(gr_pid_equal(lab_dead_at(lab, 0).to, to));
    assert_true(gr_pid_equal(lab_dead_at(lab, 0).sender, gr_future_pid(future)));
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_ENODELOST);
    future = gr_future_unref(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r13_a_message_to_a_dead_pid_is_a_dead_letter_with_pid_and_type),
        LAB_BOTH(r13_a_dead_letter_names_its_sender),
        LAB_BOTH(r13_a_request_to_a_dead_pid_fails_at_once),
        LAB_BOTH(r13_a_send_that_fails_leaves_its_own_detail),
        LAB_BOTH(r13_a_request_to_a_dead_pid_from_a_handler_fails_at_once),
        LAB_BOTH(r13_a_reused_slot_never_receives_an_old_pids_messages),
        LAB_BOTH(r13_pids_that_never_were_are_dead),
        LAB_BOTH(the_null_pid_and_foreign_pids_are_refused_by_name),
        LAB_BOTH(sending_no_message_is_out_of_memory),
        LAB_BOTH(an_extender_can_add_a_dead_letter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
