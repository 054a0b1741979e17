/*
 * What failures say: the sentence that goes with a code is of this failure and of no other, and names who was asked, for how
 * long, and what to do; answers that nobody waits for; the line of dead letters.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <granary/router.h>

static void says(const char *words)
{
    if (strstr(gr_last_error()->text, words) == NULL) {
        print_error("'%s' does not say '%s'\n", gr_last_error()->text, words);
        fail();
    }
}

/* ---- a code without a sentence */

static gr_err act_fail_in_words(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    (void)lab;
    return gr_fail(GR_EINVAL, "%s", (const char *)arg);
}

static gr_err act_return_the_code(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    (void)lab;
    return *(gr_err *)arg;
}

static void a_bare_code_is_not_given_the_sentence_of_an_earlier_message(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a"), b = lab_spawn(lab, "b");
    char words[] = "the earlier sentence";
    gr_err bare = GR_EINVAL;

    assert_int_equal(lab_make(lab, a, act_fail_in_words, words), GR_EINVAL);
    says("the earlier sentence");
    assert_int_equal(lab_make(lab, b, act_return_the_code, &bare), GR_EINVAL);
    assert_string_equal(gr_last_error()->text, gr_err_text(GR_EINVAL));
    bare = (gr_err)(GR_EAPP + 3);
    assert_int_equal(lab_make(lab, b, act_return_the_code, &bare), bare);
    says("GR_EAPP+3");
}

static void a_failure_without_a_code_is_a_failure(void **state)
{
    struct lab *lab = *state;
    gr_err bare = GR_FATAL;

    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_return_the_code, &bare), GR_EFAILED);
    assert_string_equal(gr_last_error()->text, gr_err_text(GR_EFAILED));
}

typedef struct interrupted {
    gr_pid other;
    gr_future *wait;
} interrupted;

/* While it waits, `other` fails with the same code in the same thread. */
static gr_err act_wait_and_return_a_code(gr_context *ctx, struct lab *lab, void *arg)
{
    interrupted *self = arg;
    gr_msg *reply = NULL;

    (void)ctx;
    lab_note(lab, "waits");
    lab_require(gr_await(self->wait, GR_FOREVER, &reply) == GR_OK);
    (void)gr_msg_unref(reply);
    return GR_EINVAL;
}

static gr_err act_fail_and_wake(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)gr_send(gr_context_system(ctx), gr_future_pid(arg), lab_word_new(1));
    return gr_fail(GR_EINVAL, "the sentence of another actor");
}

static void a_bare_code_is_not_given_the_sentence_of_who_ran_during_a_wait(void **state)
{
    struct lab *lab = *state;
    interrupted self = {.other = lab_spawn(lab, "other")};
    gr_pid waiting = lab_spawn(lab, "waiting");
    gr_future *answer = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &self.wait), GR_OK);
    assert_int_equal(gr_request_future(lab->sys, waiting,
                                       lab_act_new(act_wait_and_return_a_code, &self), GR_FOREVER,
                                       &answer),
                     GR_OK);
    lab_wait(lab, "waits");
    assert_int_equal(lab_make(lab, self.other, act_fail_and_wake, self.wait), GR_EINVAL);
    assert_int_equal(gr_await(answer, GR_FOREVER, &reply), GR_EINVAL);
    assert_string_equal(gr_last_error()->text, gr_err_text(GR_EINVAL));
    answer = gr_future_unref(answer);
    self.wait = gr_future_unref(self.wait);
}

static void no_error_is_no_failure(void **state)
{
    (void)state;
    assert_int_equal(gr_fail(GR_OK, "all is well"), GR_EINVAL);
    says("gr_fail(GR_OK)");
    says("all is well");
}

static void codes_of_applications_keep_their_numbers(void **state)
{
    (void)state;
    assert_string_equal(gr_err_name(GR_EAPP), "GR_EAPP");
    assert_string_equal(gr_err_name((gr_err)(GR_EAPP + 12)), "GR_EAPP+12");
    assert_string_equal(gr_err_name(GR_EAPP_LAST), "GR_EAPP+1073740823");
    assert_string_equal(gr_err_name((gr_err)((unsigned)GR_EAPP + 1 + (unsigned)GR_FATAL)),
                        "GR_EAPP+1");
    /* several in one line */
    assert_string_not_equal(gr_err_name((gr_err)(GR_EAPP + 1)), gr_err_name((gr_err)(GR_EAPP + 2)));
    assert_string_equal(gr_err_name((gr_err)999), "GR_E?");
}

/* ---- requests say what sends say */

static void a_request_says_what_a_send_says(void **state)
{
    struct lab *lab = *state;
    gr_pid dead = lab_spawn(lab, "dead");
    const gr_pid pids[] = {dead, gr_pid_null(), {gr_system_node(lab->sys) ^ 1, 20, 1}};
    char kept[GR_ERROR_TEXT_BYTES];
    gr_msg *reply = NULL;
    gr_future *future = NULL;

    gr_send_stop(lab->sys, dead);
    assert_int_equal(gr_await_end(lab->sys, dead, GR_FOREVER, NULL), GR_OK);
    for (size_t i = 0; i < 3; i++) {
        gr_err err = gr_send(lab->sys, pids[i], lab_word_new(1));

        memcpy(kept, gr_last_error()->text, sizeof(kept));
        assert_int_equal(gr_request(lab->sys, pids[i], lab_word_new(1), 1000, &reply), err);
        assert_string_equal(gr_last_error()->text, kept);
        assert_int_equal(gr_request_future(lab->sys, pids[i], lab_word_new(1), 1000, &future),
                         GR_OK);
        assert_int_equal(gr_await(future, GR_FOREVER, &reply), err); /* later, and in other words */
        says(i == 1 ? "null pid" : gr_pid_format(pids[i], kept));
        future = gr_future_unref(future);
    }
}

static void a_full_mailbox_says_what_to_do(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "small");
    gr_msg *reply = NULL;
    gr_pid pid;

    props.mailbox_limit = 1;
    pid = lab_spawn_props(lab, &props, "small");
    lab_tell(lab, pid, 1); /* nothing runs meanwhile */
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(2)), GR_EFULL);
    says("gr_send_wait()");
    assert_int_equal(gr_request(lab->sys, pid, lab_word_new(2), 10, &reply), GR_EFULL);
    says("mailbox_limit");
}

/* ---- times */

static gr_err say_nothing(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

static void a_timeout_says_whom_it_asked_and_for_how_long(void **state)
{
    struct lab *lab = *state;
    const gr_props props = {.receive = say_nothing};
    gr_pid a = lab_spawn_props(lab, &props, "silent");
    gr_future *future = NULL;
    char pid[GR_PID_TEXT_BYTES];
    char want[200];
    gr_msg *reply = NULL;

    (void)snprintf(want, sizeof(want), "no answer from %s in 25 ms", gr_pid_format(a, pid));
    assert_int_equal(gr_request(lab->sys, a, lab_word_new(1), 25, &reply), GR_ETIMEDOUT);
    assert_string_equal(gr_last_error()->text, want);
    assert_int_equal(gr_request_future(lab->sys, a, lab_word_new(1), GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_await(future, 25, &reply), GR_ETIMEDOUT);
    assert_string_equal(gr_last_error()->text, want);
    future = gr_future_unref(future);
    assert_int_equal(gr_future_new(lab->sys, 20, &future), GR_OK);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_ETIMEDOUT);
    assert_string_equal(gr_last_error()->text, "nothing has come in 20 ms");
    future = gr_future_unref(future);
    assert_int_equal(gr_await_end(lab->sys, a, 10, NULL), GR_ETIMEDOUT);
    says("has not ended in 10 ms");
}

static void a_negative_time_is_over_already_and_says_so(void **state)
{
    struct lab *lab = *state;
    const gr_props props = {.receive = say_nothing};
    gr_pid a = lab_spawn_props(lab, &props, "silent");
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_request(lab->sys, a, lab_word_new(1), -1, &reply), GR_ETIMEDOUT);
    says("GR_FOREVER");
    assert_int_equal(gr_request_future(lab->sys, a, lab_word_new(1), GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_await(future, -1, &reply), GR_ETIMEDOUT);
    says("GR_FOREVER");
    future = gr_future_unref(future);
    assert_int_equal(gr_await_end(lab->sys, a, -1, NULL), GR_ETIMEDOUT);
    says("GR_FOREVER");
    assert_int_equal(gr_send_wait(lab->sys, a, lab_word_new(1), -1), GR_OK); /* as gr_send() */
}

/* ---- answers that nobody waits for */

static gr_err act_answer_twice(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_err err = gr_respond(ctx, lab_word_new(1));

    (void)arg;
    lab_require(err == GR_OK);
    err = gr_respond(ctx, lab_word_new(2));
    lab_note(lab, "second: %s: %s", gr_err_name(err), gr_last_error()->text);
    return err;
}

static void r20_a_second_answer_is_refused_and_a_dead_letter(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_msg *reply = NULL;

    assert_int_equal(gr_request(lab->sys, a, lab_act_new(act_answer_twice, NULL), 1000, &reply),
                     GR_OK);
    assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, 1);
    reply = gr_msg_unref(reply);
    lab_wait(lab, "second: GR_EINVAL: the request has been answered by this handler before");
    assert_int_equal(lab_dead(lab), 1);
    assert_int_equal(lab_dead_at(lab, 0).cause, GR_DEAD_LATE);
    assert_string_equal(lab_dead_at(lab, 0).message_type, "lab_word");
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 1);
}

static gr_err act_ask_by_tell(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_context_send(ctx, *(gr_pid *)arg, lab_act_new(act_answer_twice, NULL));
}

static void r20_who_asks_by_a_message_may_be_answered_more_than_once(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a"), b = lab_spawn(lab, "b");

    lab_do(lab, a, act_ask_by_tell, &b);
    lab_wait(lab, "a 1");
    lab_wait(lab, "a 2");
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 0);
}

static void r14_a_late_answer_is_a_dead_letter(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_pid asker;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    asker = gr_future_pid(future);
    future = gr_future_unref(future);
    (void)gr_send(lab->sys, asker, lab_word_new(1));
    assert_int_equal(lab_dead(lab), 1);
    assert_int_equal(lab_dead_at(lab, 0).cause, GR_DEAD_LATE);
    assert_true(gr_pid_equal(lab_dead_at(lab, 0).to, asker));
    assert_int_equal(gr_system_counters(lab->sys).late_replies, 1);
}

static gr_err refuse(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_EREFUSED;
}

static void r26_of_a_broadcast_request_the_other_answers_are_no_dead_letters(void **state)
{
    struct lab *lab = *state;
    const gr_props refusing = {.receive = refuse};
    gr_pid members[4] = {lab_spawn(lab, "a"), lab_spawn(lab, "b"), lab_spawn(lab, "c"),
                         lab_spawn_props(lab, &refusing, "d")};
    const gr_router_options options = {
        .route = GR_ROUTE_BROADCAST, .members = members, .members_count = 4};
    gr_pid router = gr_pid_null();
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    assert_int_equal(gr_router_spawn(lab->sys, &options, "all", &router), GR_OK);
    err = gr_request(lab->sys, router, lab_word_new(5), GR_FOREVER, &reply);
    assert_true(err == GR_OK || err == GR_EREFUSED);
    reply = gr_msg_unref(reply);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).late_replies == 3);
    assert_int_equal(lab_dead(lab), 0);
}

/* ---- the line of dead letters */

static void keep_line(void *arg, gr_log_level level, const char *id, const char *text)
{
    const char *from = strstr(text, " (small");

    if (strcmp(id, "GR-DEAD-LETTER") == 0) {
        lab_note(arg, "%d%s", (int)level, from != NULL ? from : strstr(text, " was not"));
    }
}

static void a_dead_letter_is_a_warning_with_the_cause_and_the_receiver(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.log = keep_line, .log_arg = lab, .log_level = GR_LOG_INFO};
    gr_props props;
    gr_future *future = NULL;
    gr_pid pid, asker;

    lab_reopen(lab, &options);
    props = lab_probe_props(lab, "one");
    props.type_name = "small";
    props.mailbox_limit = 1;
    pid = lab_spawn_props(lab, &props, "one");
    lab_tell(lab, pid, 1);
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(2)), GR_EFULL);
    lab_assert_notes(lab, "2",
                     "2 (small one) was not handled: the mailbox, or the way there, was full "
                     "(1 dead letter since the last line)");
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(3)), GR_EFULL); /* at a limited rate */
    lab_advance(lab, 2000);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    asker = gr_future_pid(future);
    future = gr_future_unref(future);
    (void)gr_send(lab->sys, asker, lab_word_new(4)); /* who asked has been told: no warning */
    lab_assert_notes(lab, "3",
                     "3 was not handled: an answer after the end of the wait, or a second one "
                     "(2 dead letters since the last line)");
}

/* ---- a pause is a wait for nobody */

static gr_err act_pause(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_future *pause = NULL;
    gr_msg *none = NULL;
    gr_err err = gr_future_new(gr_context_system(ctx), *(int64_t *)arg, &pause);

    lab_require(err == GR_OK);
    lab_note(lab, "pauses");
    err = gr_await(pause, GR_FOREVER, &none);
    pause = gr_future_unref(pause);
    lab_note(lab, "paused: %s", gr_err_name(err));
    return GR_OK;
}

static void a_handler_pauses_by_awaiting_a_future_that_nobody_completes(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    int64_t for_ms = 20, for_long_ms = 1000 * 1000 * 1000;
    int64_t began_ms = gr_system_now(lab->sys);

    assert_int_equal(lab_make(lab, a, act_pause, &for_ms), GR_OK);
    assert_true(gr_system_now(lab->sys) - began_ms >= for_ms);
    assert_int_equal(lab_count(lab, "paused: GR_ETIMEDOUT"), 1);
    lab_do(lab, a, act_pause, &for_long_ms);
    lab_wait_times(lab, "pauses", 2);
    gr_send_stop(lab->sys, a);
    lab_wait(lab, "paused: GR_ESTOPPED");
}

/* ---- who and what is meant */

static void what_is_wrong_with_props_names_the_actor(void **state)
{
    struct lab *lab = *state;
    gr_props props = {.type_name = "press"};
    char name[GR_NAME_BYTES_MAX + 100];
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_spawn(lab->sys, &props, "shop", &pid), GR_EINVAL);
    says("actor 'shop', type press");
    assert_int_equal(gr_spawn(lab->sys, NULL, "shop", &pid), GR_EINVAL);
    says("'shop' without props");
    props = lab_probe_props(lab, "a");
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(gr_spawn(lab->sys, &props, name, &pid), GR_EINVAL);
    says("nnn...' of 299 bytes: 1 to 200");
    assert_int_equal(gr_spawn(lab->sys, &props, "", &pid), GR_EINVAL);
    says("'' of 0 bytes");
}

static void stacks_and_levels_of_a_system_are_checked_as_those_of_props_are(void **state)
{
    struct lab *lab = *state;
    enum { MOST = 256 * 1024 * 1024 };
    gr_props props = lab_probe_props(lab, "a");
    gr_system_options options = {.stack_bytes = MOST + 1};
    gr_system *sys = NULL;
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_system_new(&options, &sys), GR_EINVAL);
    says("stack_bytes 268435457: 16384 to 268435456");
    options = (gr_system_options){.log_level = (gr_log_level)7};
    assert_int_equal(gr_system_new(&options, &sys), GR_EINVAL);
    says("log_level 7");
    options.log_level = (gr_log_level)-1;
    assert_int_equal(gr_system_new(&options, &sys), GR_EINVAL);
    says("log_level -1");
    props.stack_bytes = MOST;
    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_OK);
    props.stack_bytes++;
    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_EINVAL);
    says("stack_bytes 268435457: 16384 to 268435456");
}

static gr_err act_time_nothing(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_timer_id timer;

    (void)lab;
    (void)arg;
    return gr_timer_start(ctx, 1, 0, NULL, &timer);
}

static void a_timer_without_a_message_says_so(void **state)
{
    struct lab *lab = *state;

    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_time_nothing, NULL), GR_ENOMEM);
    says("no message for a timer");
}

/* ---- what is freed too late */

static void keep_other_line(void *arg, gr_log_level level, const char *id, const char *text)
{
    (void)level;
    lab_note(arg, "%s: %s", id, text[0] == 's' ? text : strchr(text, '('));
}

static void panic_at_the_end(gr_context *ctx, void *state, gr_reason reason)
{
    (void)state;
    (void)reason;
    gr_panic(ctx, GR_EFAILED, "it fell down");
}

static void a_stopped_hook_that_panics_is_named(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.log = keep_other_line, .log_arg = lab};
    const gr_props props = {
        .type_name = "vase", .receive = say_nothing, .stopped = panic_at_the_end};
    gr_pid pid;

    lab_reopen(lab, &options);
    pid = lab_spawn_props(lab, &props, "on the shelf");
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "GR-ACTOR-STOPPED-HOOK: (vase on the shelf) panicked: it fell down");
}

static void hear_nothing(void *arg, const gr_type *type, const void *event)
{
    (void)arg;
    (void)type;
    (void)event;
}

static void a_subscription_may_end_after_its_system(void **state)
{
    struct lab *lab = *state;
    gr_subscription *subscription = NULL;

    assert_int_equal(gr_subscribe(lab->sys, NULL, hear_nothing, NULL, &subscription), GR_OK);
    lab_shut(lab);
    assert_null(gr_unsubscribe(subscription));
}

static void futures_that_are_still_held_when_their_system_is_freed_are_told_of(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.name = "museum", .log = keep_other_line, .log_arg = lab};
    gr_future *future = NULL, *piped = NULL, *both[2], *all = NULL;
    gr_pid pid;

    lab_reopen(lab, &options);
    pid = lab_spawn(lab, "a");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &piped), GR_OK);
    assert_int_equal(gr_future_pipe_to(piped, pid), GR_OK);
    both[0] = both[1] = piped;
    assert_int_equal(gr_future_all(lab->sys, both, 2, GR_FOREVER, &all), GR_OK);
    all = gr_future_unref(all);
    assert_int_equal(gr_future_complete(future, NULL), GR_OK);
    piped = gr_future_unref(piped); /* not complete, and held only for those that wait for it */
    lab_shut(lab);
    lab_assert_notes(lab, "GR-SYSTEM",
                     "GR-SYSTEM-FUTURES: system museum is freed while 1 future is still held: "
                     "gr_future_unref() each before, it goes with its system");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(a_bare_code_is_not_given_the_sentence_of_an_earlier_message),
        LAB_BOTH(a_failure_without_a_code_is_a_failure),
        LAB_ONE_WORKER(a_bare_code_is_not_given_the_sentence_of_who_ran_during_a_wait),
        LAB_STEPPED(a_bare_code_is_not_given_the_sentence_of_who_ran_during_a_wait),
        cmocka_unit_test(no_error_is_no_failure),
        cmocka_unit_test(codes_of_applications_keep_their_numbers),
        LAB_BOTH(a_request_says_what_a_send_says),
        LAB_STEPPED(a_full_mailbox_says_what_to_do),
        LAB_BOTH(a_timeout_says_whom_it_asked_and_for_how_long),
        LAB_BOTH(a_negative_time_is_over_already_and_says_so),
        LAB_BOTH(r20_a_second_answer_is_refused_and_a_dead_letter),
        LAB_BOTH(r20_who_asks_by_a_message_may_be_answered_more_than_once),
        LAB_BOTH(r14_a_late_answer_is_a_dead_letter),
        LAB_BOTH(r26_of_a_broadcast_request_the_other_answers_are_no_dead_letters),
        LAB_BOTH(a_handler_pauses_by_awaiting_a_future_that_nobody_completes),
        LAB_BOTH(what_is_wrong_with_props_names_the_actor),
        LAB_BOTH(stacks_and_levels_of_a_system_are_checked_as_those_of_props_are),
        LAB_BOTH(a_timer_without_a_message_says_so),
        LAB_BOTH(a_stopped_hook_that_panics_is_named),
        LAB_BOTH(a_subscription_may_end_after_its_system),
        LAB_BOTH(futures_that_are_still_held_when_their_system_is_freed_are_told_of),
        LAB_STEPPED(a_dead_letter_is_a_warning_with_the_cause_and_the_receiver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
