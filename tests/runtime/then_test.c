/*
 * Continuations: what an actor does in its own turn when a future is complete. Behaviour r16.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

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

/* A probe's plan: go on with `fn` when the future is there. */
typedef struct plan {
    struct lab *lab;
    gr_future *future;
    gr_then_fn fn;
    gr_future *next;
    gr_pid to;
    atomic_int let_go; /* how often it was, as the arg of a continuation */
} plan;

static plan *new_plan(struct lab *lab, gr_future *future, gr_then_fn fn)
{
    plan *made = lab_own(lab, sizeof(*made));

    made->lab = lab;
    made->future = future;
    made->fn = fn;
    return made;
}

static void let_go(void *arg)
{
    plan *given = arg;

    /* Release: whoever waits for it may free what the continuation has used. */
    (void)atomic_fetch_add_explicit(&given->let_go, 1, memory_order_release);
}

static int times_let_go(plan *given)
{
    return atomic_load_explicit(&given->let_go, memory_order_acquire); /* see let_go() */
}

/* Answers with the number that came, in the continuation. */
static gr_err answer_it(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    const plan *given = arg;

    (void)state;
    if (err != GR_OK) {
        lab_note(given->lab, "then %s: %s", gr_err_name(err), gr_last_error()->text);
        lab_require(reply == NULL);
        return err;
    }
    lab_note(given->lab, "then %lld", (long long)number_of(reply));
    return gr_respond(ctx, lab_word_new(number_of(reply) + 1));
}

/* Answers nothing itself: the continuation does. */
static gr_err planning_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);
    const plan *given = NULL;

    if (act == NULL) {
        lab_note(probe->lab, "%s %lld", probe->name, (long long)number_of(msg));
        return gr_pid_is_null(gr_context_sender(ctx)) ? GR_OK : gr_respond(ctx, lab_word_new(0));
    }
    if (act->fn != NULL) {
        return act->fn(ctx, probe->lab, act->arg);
    }
    given = act->arg;
    return gr_future_then(ctx, given->future, given->fn, act->arg, let_go);
}

static gr_pid spawn_planner(struct lab *lab, const char *name, bool reentrant)
{
    gr_props props = lab_probe_props(lab, name);

    props.receive = planning_receive;
    props.reentrant = reentrant;
    return lab_spawn_props(lab, &props, name);
}

/* Sends a plan as a request. */
static gr_future *begin(struct lab *lab, gr_pid planner, plan *given)
{
    gr_future *asked = NULL;

    assert_int_equal(
        gr_request_future(lab->sys, planner, lab_act_new(NULL, given), GR_FOREVER, &asked), GR_OK);
    return asked;
}

static void settle(struct lab *lab, gr_pid planner)
{
    gr_msg *reply = NULL;

    assert_int_equal(gr_request(lab->sys, planner, lab_word_new(99), GR_FOREVER, &reply), GR_OK);
    reply = gr_msg_unref(reply);
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

static void r16_a_continuation_answers_who_asked_first(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *asked = begin(lab, a, new_plan(lab, future, answer_it));

    settle(lab, a); /* another message, with another sender, is handled in between */
    yield_word(future, 7);
    future = gr_future_unref(future);
    assert_int_equal(await_number(asked), 8);
    asked = gr_future_unref(asked);
    assert_true(lab_place(lab, "a 99") < lab_place(lab, "then 7"));
    assert_int_equal(lab_dead(lab), 0);
}

static void r16_a_continuation_sees_a_failure_and_its_error_is_the_answer(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *asked = begin(lab, a, new_plan(lab, future, answer_it));

    yield_error(future, GR_EFULL, "no room today");
    assert_int_equal(await_code(asked), GR_EFULL);
    assert_string_equal(gr_last_error()->text, "no room today");
    lab_wait(lab, "then GR_EFULL: no room today");
    future = gr_future_unref(future);
    asked = gr_future_unref(asked);
}

static void r16_a_continuation_of_what_is_complete_already_runs_after_the_handler(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *asked = NULL;

    yield_word(future, 1);
    asked = begin(lab, a, new_plan(lab, future, answer_it));
    assert_int_equal(await_number(asked), 2);
    future = gr_future_unref(future);
    asked = gr_future_unref(asked);
}

static gr_err act_fail(gr_context *ctx, struct lab *lab, void *arg)
{
    return lab_act_fail(ctx, lab, arg);
}

static void r16_no_continuation_runs_after_a_restart_and_who_asked_is_told(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *asked = begin(lab, a, new_plan(lab, future, answer_it));

    settle(lab, a);
    lab_do(lab, a, act_fail, NULL);
    lab_wait_times(lab, "a started", 2);
    yield_word(future, 7);
    assert_int_equal(await_code(asked), GR_ERESTARTED);
    settle(lab, a);
    assert_int_equal(lab_count(lab, "then 7"), 0);
    future = gr_future_unref(future);
    asked = gr_future_unref(asked);
}

static gr_err act_fail_when_told(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);

    (void)ctx;
    lab_require(err == GR_OK);
    reply = gr_msg_unref(reply);
    lab_note(lab, "told");
    return gr_fatal(GR_EFAILED, "told to fail");
}

static void r16_a_continuation_that_was_due_before_the_failure_does_not_run_either(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *told = new_future(lab, GR_FOREVER);
    gr_future *asked = begin(lab, a, new_plan(lab, future, answer_it));

    lab_do(lab, a, act_fail_when_told, told);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    yield_word(future, 7); /* due now, but the handler waits */
    lab_run(lab);
    yield_word(told, 0);
    assert_int_equal(await_code(asked), GR_ERESTARTED);
    settle(lab, a);
    assert_int_equal(lab_count(lab, "then 7"), 0);
    future = gr_future_unref(future);
    told = gr_future_unref(told);
    asked = gr_future_unref(asked);
}

static void r16_no_continuation_runs_after_a_stop(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *asked = begin(lab, a, new_plan(lab, future, answer_it));

    settle(lab, a);
    gr_send_stop(lab->sys, a);
    assert_int_equal(await_code(asked), GR_EDEAD);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    yield_word(future, 7);
    lab_run(lab);
    assert_int_equal(lab_count(lab, "then 7"), 0);
    future = gr_future_unref(future);
    asked = gr_future_unref(asked);
}

static gr_err act_wait(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);

    (void)ctx;
    lab_require(err == GR_OK);
    reply = gr_msg_unref(reply);
    lab_note(lab, "waited");
    return GR_OK;
}

static void check_beside_a_wait(struct lab *lab, bool reentrant)
{
    gr_pid a = spawn_planner(lab, "a", reentrant);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *told = new_future(lab, GR_FOREVER);
    gr_future *asked = begin(lab, a, new_plan(lab, future, answer_it));

    lab_do(lab, a, act_wait, told);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    yield_word(future, 7);
    if (reentrant) {
        assert_int_equal(await_number(asked), 8);
        yield_word(told, 0);
    } else {
        lab_run(lab);
        yield_word(told, 0);
        assert_int_equal(await_number(asked), 8);
    }
    lab_wait(lab, "waited");
    assert_int_equal(lab_place(lab, "waited") > lab_place(lab, "then 7"), reentrant);
    future = gr_future_unref(future);
    told = gr_future_unref(told);
    asked = gr_future_unref(asked);
}

static void r16_a_continuation_comes_after_a_handler_that_waits(void **state)
{
    check_beside_a_wait(*state, false);
}

static void r16_a_reentrant_actor_goes_on_while_a_handler_waits(void **state)
{
    check_beside_a_wait(*state, true);
}

static gr_err go_on(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    const plan *given = arg;

    (void)state;
    lab_require(err == GR_OK);
    lab_note(given->lab, "first %lld", (long long)number_of(reply));
    return gr_future_then(ctx, given->next, answer_it, arg, NULL);
}

static void r16_a_continuation_may_go_on_with_another(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    plan *given = new_plan(lab, new_future(lab, GR_FOREVER), go_on);
    gr_future *asked = NULL;

    given->next = new_future(lab, GR_FOREVER);
    asked = begin(lab, a, given);
    yield_word(given->future, 3);
    lab_wait(lab, "first 3");
    yield_word(given->next, 20);
    assert_int_equal(await_number(asked), 21);
    given->future = gr_future_unref(given->future);
    given->next = gr_future_unref(given->next);
    asked = gr_future_unref(asked);
}

static gr_err hand_on(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    const plan *given = arg;

    (void)state;
    (void)reply;
    lab_require(err == GR_OK);
    return gr_forward(ctx, given->to);
}

/* Understands a plan as a planner does, and answers at once. */
static gr_err answering_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)state;
    (void)msg;
    return gr_respond(ctx, lab_word_new(5));
}

static void r16_a_continuation_may_forward_the_message(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    plan *given = new_plan(lab, new_future(lab, GR_FOREVER), hand_on);
    gr_props props = {.receive = answering_receive};
    gr_future *asked = NULL;

    given->to = lab_spawn_props(lab, &props, "b");
    asked = begin(lab, a, given);
    settle(lab, a);
    yield_word(given->future, 1);
    assert_int_equal(await_number(asked), 5); /* b's answer, to who asked a */
    given->future = gr_future_unref(given->future);
    asked = gr_future_unref(asked);
}

static gr_err fail_then(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    (void)state;
    (void)arg;
    (void)err;
    (void)reply;
    if (reply == NULL) {
        gr_panic(ctx, GR_EFAILED, "panicked in between");
    }
    return gr_fatal(GR_EFAILED, "failed in between");
}

static void r16_a_continuation_that_fails_is_a_failure_of_its_actor(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *other = new_future(lab, GR_FOREVER);
    gr_future *asked = begin(lab, a, new_plan(lab, future, fail_then));

    yield_word(future, 1);
    assert_int_equal(await_code(asked), GR_EFAILED);
    assert_string_equal(gr_last_error()->text, "failed in between");
    lab_wait_times(lab, "a started", 2);
    asked = gr_future_unref(asked);
    asked = begin(lab, a, new_plan(lab, other, fail_then));
    yield_error(other, GR_EFULL, NULL);
    assert_int_equal(await_code(asked), GR_EFAILED);
    assert_string_equal(gr_last_error()->text, "panicked in between");
    lab_wait_times(lab, "a started", 3);
    assert_int_equal(lab_decisions(lab), 2);
    future = gr_future_unref(future);
    other = gr_future_unref(other);
    asked = gr_future_unref(asked);
}

typedef struct hooked {
    struct lab *lab;
    gr_future *future;
} hooked;

static gr_err note_it(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    const hooked *known = arg;

    (void)state;
    (void)reply;
    lab_require(gr_pid_is_null(gr_context_sender(ctx)));
    lab_note(known->lab, "hook's %s", gr_err_name(err));
    return gr_fail(GR_EINVAL, "nobody to tell");
}

static gr_err start_hooked(gr_context *ctx, void *state)
{
    hooked *known = state;

    return gr_future_then(ctx, known->future, note_it, known, NULL);
}

static gr_err ignore(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

static void r16_a_started_hook_may_begin_a_continuation(void **state)
{
    struct lab *lab = *state;
    hooked known = {lab, new_future(lab, GR_FOREVER)};
    gr_props props = {.started = start_hooked, .receive = ignore, .arg = &known};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);

    yield_word(known.future, 1);
    lab_wait(lab, "hook's GR_OK");
    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    (void)lab_spawn_props(lab, &props, NULL); /* complete before the hook returns */
    lab_wait_times(lab, "hook's GR_OK", 2);
    known.future = gr_future_unref(known.future);
}

static gr_err act_then_badly(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    lab_require(gr_future_then(ctx, arg, NULL, NULL, NULL) == GR_EINVAL);
    lab_require(gr_future_then(ctx, NULL, answer_it, NULL, NULL) == GR_EINVAL);
    lab_require(gr_future_then(ctx, arg, answer_it, NULL, NULL) == GR_EINVAL);
    lab_require(strstr(gr_last_error()->text, "pipe it") != NULL);
    return GR_OK;
}

static void r16_a_continuation_needs_a_function_and_a_future_of_its_own_system(void **state)
{
    struct lab *lab = *state;
    gr_system *other = NULL;
    gr_future *theirs = NULL;

    assert_int_equal(gr_system_new(&lab->options, &other), GR_OK);
    assert_int_equal(gr_future_new(other, GR_FOREVER, &theirs), GR_OK);
    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_then_badly, theirs), GR_OK);
    theirs = gr_future_unref(theirs);
    other = gr_system_free(other);
}

static void r16_a_crash_lets_go_of_continuations_and_pipes(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);
    gr_future *due = new_future(lab, GR_FOREVER);
    gr_future *of_both = NULL;
    gr_future *both[2] = {NULL, NULL};

    both[0] = future;
    both[1] = due;
    assert_int_equal(gr_send(lab->sys, a, lab_act_new(NULL, new_plan(lab, future, answer_it))),
                     GR_OK);
    assert_int_equal(gr_send(lab->sys, a, lab_act_new(NULL, new_plan(lab, due, answer_it))), GR_OK);
    lab_run(lab);
    assert_int_equal(gr_future_pipe_to(future, a), GR_OK);
    assert_int_equal(gr_future_all(lab->sys, both, 2, GR_FOREVER, &of_both), GR_OK);
    yield_word(due, 1); /* its continuation is a note that nobody takes any more */
    lab->subscription = gr_unsubscribe(lab->subscription);
    gr_stepped_kill(lab->sys);
    future = gr_future_unref(future);
    due = gr_future_unref(due);
    of_both = gr_future_unref(of_both);
    lab->sys = gr_system_free(lab->sys);
}

static void r16_continuations_of_what_never_completes_go_with_the_system(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    gr_future *future = new_future(lab, GR_FOREVER);

    lab_do(lab, a, NULL, new_plan(lab, future, answer_it));
    settle(lab, a);
    assert_int_equal(gr_future_pipe_to(future, a), GR_OK);
    future = gr_future_unref(future);
}

/* ---- the arg */

static gr_err panic_then(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    const plan *given = arg;

    (void)state;
    (void)err;
    (void)reply;
    lab_note(given->lab, "panics");
    gr_panic(ctx, GR_EFAILED, "in a continuation");
}

/* Waits where a continuation may, too, and has its arg and the reply still. */
static gr_err wait_then(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    plan *given = arg;
    gr_msg *more = NULL;

    (void)ctx;
    (void)state;
    lab_require(err == GR_OK && number_of(reply) == 7);
    lab_note(given->lab, "waits");
    err = gr_await(given->next, GR_FOREVER, &more);
    more = gr_msg_unref(more);
    lab_require(times_let_go(given) == 0);
    lab_require(number_of(reply) == 7);
    return err;
}

static void r16_the_arg_of_a_continuation_that_runs_is_let_go_after_it(void **state)
{
    struct lab *lab = *state;
    static const gr_then_fn fns[] = {answer_it, panic_then, wait_then};
    gr_pid a = spawn_planner(lab, "a", false);

    for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        gr_future *future = new_future(lab, GR_FOREVER);
        plan *given = new_plan(lab, future, fns[i]);
        gr_future *asked = NULL;

        given->next = new_future(lab, GR_FOREVER);
        asked = begin(lab, a, given);
        settle(lab, a);
        assert_int_equal(times_let_go(given), 0);
        yield_word(future, 7);
        if (fns[i] == wait_then) {
            lab_wait(lab, "waits");
            yield_word(given->next, 1);
        } else {
            assert_int_equal(await_code(asked), i == 0 ? GR_OK : GR_EFAILED);
        }
        future = gr_future_unref(future);
        asked = gr_future_unref(asked);
        LAB_EVENTUALLY(lab, times_let_go(given) == 1);
        given->next = gr_future_unref(given->next);
        settle(lab, a);
        assert_int_equal(times_let_go(given), 1);
    }
}

static void r16_the_arg_of_a_continuation_that_does_not_run_is_let_go(void **state)
{
    struct lab *lab = *state;

    for (int stops = 0; stops < 2; stops++) {
        gr_pid a = spawn_planner(lab, "a", false);
        gr_future *future = new_future(lab, GR_FOREVER);
        plan *given = new_plan(lab, future, answer_it);

        lab_do(lab, a, NULL, given);
        settle(lab, a);
        if (stops == 1) {
            gr_send_stop(lab->sys, a);
            LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
        } else {
            lab_do(lab, a, act_fail, NULL);
            settle(lab, a);
        }
        yield_word(future, 7);
        LAB_EVENTUALLY(lab, times_let_go(given) == 1);
        future = gr_future_unref(future);
        gr_send_poison(lab->sys, a);
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
        assert_int_equal(times_let_go(given), 1);
    }
    assert_int_equal(lab_count(lab, "then 7"), 0);
}

static gr_err act_then_in_vain(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    lab_require(gr_future_then(ctx, NULL, answer_it, arg, let_go) == GR_EINVAL);
    return GR_OK;
}

static void r16_the_arg_is_let_go_when_there_is_no_continuation_nor_an_end(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    plan *refused = new_plan(lab, NULL, NULL);
    plan *endless = new_plan(lab, new_future(lab, GR_FOREVER), answer_it);

    lab_do(lab, a, NULL, endless);
    settle(lab, a);
    endless->future = gr_future_unref(endless->future);
    assert_int_equal(lab_make(lab, lab_spawn(lab, "b"), act_then_in_vain, refused), GR_OK);
    assert_int_equal(times_let_go(refused), 1);
    assert_int_equal(times_let_go(endless), 0);
    lab_shut(lab);
    assert_int_equal(times_let_go(refused), 1);
    assert_int_equal(times_let_go(endless), 1);
}

static void r16_a_crash_lets_go_of_the_arg_of_a_continuation_that_waits(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_planner(lab, "a", false);
    plan *given = new_plan(lab, new_future(lab, GR_FOREVER), wait_then);

    given->next = new_future(lab, GR_FOREVER);
    lab_do(lab, a, NULL, given);
    yield_word(given->future, 7);
    lab_run(lab);
    assert_int_equal(lab_count(lab, "waits"), 1);
    lab->subscription = gr_unsubscribe(lab->subscription);
    gr_stepped_kill(lab->sys);
    assert_int_equal(times_let_go(given), 1);
    given->future = gr_future_unref(given->future);
    given->next = gr_future_unref(given->next);
    lab->sys = gr_system_free(lab->sys);
}

/* ---- all at once */

static void *complete_all(void *arg)
{
    gr_future **futures = arg;

    for (size_t i = 0; futures[i] != NULL; i++) {
        (void)gr_future_complete(futures[i], lab_word_new((int64_t)i));
    }
    return NULL;
}

static void r16_continuations_race_with_the_end_of_their_actors(void **state)
{
    struct lab *lab = *state;
    enum { ROUND = 16 };
    size_t rounds = lab_scaled(300);

    for (size_t i = 0; i < rounds; i++) {
        gr_future *futures[ROUND + 1] = {NULL};
        gr_future *asked[ROUND];
        plan *plans[ROUND];
        pthread_t thread;
        gr_pid a = spawn_planner(lab, "a", false);

        for (size_t at = 0; at < ROUND; at++) {
            futures[at] = new_future(lab, GR_FOREVER);
            plans[at] = new_plan(lab, futures[at], answer_it);
            asked[at] = begin(lab, a, plans[at]);
        }
        assert_int_equal(pthread_create(&thread, NULL, complete_all, futures), 0);
        if (i % 3 == 0) {
            lab_do(lab, a, act_fail, NULL);
        }
        gr_send_poison(lab->sys, a);
        assert_int_equal(pthread_join(thread, NULL), 0);
        for (size_t at = 0; at < ROUND; at++) {
            gr_err err = await_code(asked[at]); /* each is told something */

            assert_true(err == GR_OK || err == GR_EDEAD || err == GR_ERESTARTED);
            asked[at] = gr_future_unref(asked[at]);
            futures[at] = gr_future_unref(futures[at]);
        }
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
        for (size_t at = 0; at < ROUND; at++) {
            LAB_EVENTUALLY(lab, times_let_go(plans[at]) > 0);
            assert_int_equal(times_let_go(plans[at]), 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r16_a_continuation_answers_who_asked_first),
        LAB_BOTH(r16_a_continuation_sees_a_failure_and_its_error_is_the_answer),
        LAB_BOTH(r16_a_continuation_of_what_is_complete_already_runs_after_the_handler),
        LAB_BOTH(r16_no_continuation_runs_after_a_restart_and_who_asked_is_told),
        LAB_BOTH(r16_a_continuation_that_was_due_before_the_failure_does_not_run_either),
        LAB_BOTH(r16_no_continuation_runs_after_a_stop),
        LAB_BOTH(r16_a_continuation_comes_after_a_handler_that_waits),
        LAB_BOTH(r16_a_reentrant_actor_goes_on_while_a_handler_waits),
        LAB_BOTH(r16_a_continuation_may_go_on_with_another),
        LAB_BOTH(r16_a_continuation_may_forward_the_message),
        LAB_BOTH(r16_a_continuation_that_fails_is_a_failure_of_its_actor),
        LAB_BOTH(r16_a_started_hook_may_begin_a_continuation),
        LAB_STEPPED(r16_a_continuation_needs_a_function_and_a_future_of_its_own_system),
        LAB_STEPPED(r16_a_crash_lets_go_of_continuations_and_pipes),
        LAB_BOTH(r16_continuations_of_what_never_completes_go_with_the_system),
        LAB_BOTH(r16_the_arg_of_a_continuation_that_runs_is_let_go_after_it),
        LAB_BOTH(r16_the_arg_of_a_continuation_that_does_not_run_is_let_go),
        LAB_BOTH(r16_the_arg_is_let_go_when_there_is_no_continuation_nor_an_end),
        LAB_STEPPED(r16_a_crash_lets_go_of_the_arg_of_a_continuation_that_waits),
        LAB_THREADS(r16_continuations_race_with_the_end_of_their_actors),
    };

    return cmocka_run_group_tests_name("then", tests, NULL, NULL);
}
