/*
 * Passivation: an idle actor stops, and nothing that was queued is lost. Behaviour r25.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <sched.h>
#include <stdatomic.h>

#include <granary/behaviour.h>
#include <granary/future.h>
#include <granary/passivation.h>

/* A probe that passivates after 100 ms. */
typedef struct sleeper {
    gr_passivation passivation;
    const gr_middleware *list[2];
    gr_props props;
} sleeper;

static sleeper *new_sleeper(struct lab *lab, int64_t idle_ms)
{
    sleeper *own = lab_own(lab, sizeof(*own));

    assert_int_equal(gr_passivation_init(&own->passivation, idle_ms), GR_OK);
    own->list[0] = &own->passivation.middleware;
    own->props = lab_probe_props(lab, "a");
    own->props.middleware = own->list;
    return own;
}

static size_t alive(struct lab *lab)
{
    return (size_t)gr_system_counters(lab->sys).actors;
}

static void r25_an_idle_actor_stops_after_its_time_and_not_before(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn_props(lab, &new_sleeper(lab, 100)->props, "a");
    gr_pid b = lab_spawn(lab, "b");

    assert_int_equal(lab_make(lab, b, lab_act_watch, &a), GR_OK);
    lab_advance(lab, 99);
    lab_tell(lab, a, 1); /* pushes it back */
    lab_advance(lab, 99);
    assert_int_equal(lab_count(lab, "a stopped passivated"), 0);
    lab_advance(lab, 1);
    lab_assert_notes(lab, "a ", "a started|a 1|a stopped passivated"); /* and sees no timeout */
    assert_int_equal(lab_count(lab, "b sees stopped"), 1);
    assert_int_equal(alive(lab), 1);
    assert_int_equal(gr_send(lab->sys, a, lab_word_new(2)), GR_EDEAD);
}

static void r25_one_that_never_hears_anything_stops_too(void **state)
{
    struct lab *lab = *state;

    (void)lab_spawn_props(lab, &new_sleeper(lab, 100)->props, "a");
    lab_advance(lab, 100);
    assert_int_equal(alive(lab), 0);
}

static gr_err act_passivate(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    gr_passivate(ctx);
    return GR_OK;
}

static void r25_what_was_queued_when_it_fell_asleep_is_handled_first(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a"); /* any actor may passivate, at once */

    lab_do(lab, a, act_passivate, NULL);
    lab_tell(lab, a, 1);
    lab_tell(lab, a, 2);
    lab_run(lab);
    lab_assert_notes(lab, "a ", "a started|a 1|a 2|a stopped passivated");
    assert_int_equal(lab_dead(lab), 0);
    assert_int_equal(alive(lab), 0);
}

static const gr_type gate_type = {"gate", 0, NULL, NULL, NULL};

/* Takes its time to stop: under a seed for its child's sake, on threads until the test says so. */
typedef struct slow {
    struct lab *lab;
    atomic_bool open;
} slow;

static gr_err slow_started(gr_context *ctx, void *state)
{
    const slow *own = state;
    gr_props props = lab_probe_props(own->lab, "child");
    gr_pid child;

    lab_note(own->lab, "s started");
    return gr_spawn_child(ctx, &props, NULL, &child);
}

static gr_err slow_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const slow *own = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    if (gr_msg_type(msg) == &gate_type) {
        gr_passivate(ctx);
        return GR_OK;
    }
    lab_require(word != NULL);
    lab_note(own->lab, "s %lld", (long long)word->number);
    return gr_pid_is_null(gr_context_sender(ctx)) ? GR_OK
                                                  : gr_respond(ctx, lab_word_new(word->number));
}

static void slow_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    slow *own = state;

    (void)ctx;
    lab_note(own->lab, "s stops %s", lab_reason(reason));
    while (own->lab->stepped == NULL &&
           !atomic_load_explicit(&own->open, memory_order_acquire)) { /* sees what was sent */
        (void)sched_yield();
    }
}

static slow *spawn_slow(struct lab *lab, gr_pid *out_pid)
{
    slow *own = lab_own(lab, sizeof(*own));
    gr_props props = {
        .started = slow_started, .receive = slow_receive, .stopped = slow_stopped, .arg = own};

    own->lab = lab;
    atomic_init(&own->open, false);
    *out_pid = lab_spawn_props(lab, &props, "s");
    return own;
}

/* Returns when it is falling asleep; it goes on doing so until let_go(). */
static void fall_asleep(struct lab *lab, gr_pid pid)
{
    assert_int_equal(gr_send(lab->sys, pid, gr_msg_new(&gate_type)), GR_OK);
    if (lab->stepped != NULL) {
        assert_true(gr_stepped_step(lab->stepped)); /* its child has been told to stop */
    } else {
        lab_wait(lab, "s stops passivated");
    }
}

static void let_go(slow *own)
{
    atomic_store_explicit(&own->open, true, memory_order_release); /* after what was sent */
    lab_run(own->lab);
}

static void r25_what_comes_while_it_falls_asleep_wakes_it_at_the_same_pid(void **state)
{
    struct lab *lab = *state;
    gr_pid s;
    slow *own = spawn_slow(lab, &s);
    gr_pid b = lab_spawn(lab, "b");
    gr_future *asked = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(lab_make(lab, b, lab_act_watch, &s), GR_OK);
    fall_asleep(lab, s);
    lab_tell(lab, s, 1);
    assert_int_equal(gr_request_future(lab->sys, s, lab_word_new(2), GR_FOREVER, &asked), GR_OK);
    let_go(own);
    assert_int_equal(gr_await(asked, GR_FOREVER, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    asked = gr_future_unref(asked);
    lab_assert_notes(lab, "s ", "s started|s stops passivated|s started|s 1|s 2");
    assert_int_equal(lab_dead(lab), 0);
    assert_int_equal(gr_system_counters(lab->sys).restarts, 0);
    lab_flush(lab, b);
    assert_int_equal(lab_count(lab, "b sees stopped"), 0); /* it has never ended */
    assert_int_equal(gr_send(lab->sys, s, gr_msg_new(&gate_type)), GR_OK);
    lab_wait(lab, "b sees stopped");
}

static void r25_a_stop_that_comes_while_it_falls_asleep_is_one(void **state)
{
    struct lab *lab = *state;
    gr_pid s;
    slow *own = spawn_slow(lab, &s);

    fall_asleep(lab, s);
    gr_send_stop(lab->sys, s);
    lab_tell(lab, s, 1);
    let_go(own);
    LAB_EVENTUALLY(lab, alive(lab) == 0);
    lab_assert_notes(lab, "s ", "s started|s stops passivated");
    assert_int_equal(lab_dead(lab), 1);
}

static void r25_a_poison_that_comes_meanwhile_is_in_order(void **state)
{
    struct lab *lab = *state;
    gr_pid s;
    slow *own = spawn_slow(lab, &s);

    fall_asleep(lab, s);
    lab_tell(lab, s, 1);
    gr_send_poison(lab->sys, s);
    lab_tell(lab, s, 2);
    let_go(own);
    LAB_EVENTUALLY(lab, alive(lab) == 0);
    lab_assert_notes(lab, "s ", "s started|s stops passivated|s started|s 1|s stops stopped");
    assert_int_equal(lab_dead(lab), 1);
}

static gr_err act_child(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_props props = lab_probe_props(lab, "child");

    (void)arg;
    return gr_spawn_child(ctx, &props, "child", &(gr_pid){0});
}

static void r25_children_stop_with_it_and_it_stops_once(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn_props(lab, &new_sleeper(lab, 100)->props, "a");

    assert_int_equal(lab_make(lab, a, act_child, NULL), GR_OK);
    lab_advance(lab, 100);
    assert_int_equal(alive(lab), 0);
    assert_true(lab_place(lab, "child stopped stopped") < lab_place(lab, "a stopped passivated"));
}

static gr_err act_stash(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return gr_stash(ctx);
}

static void r25_an_actor_with_a_stash_is_not_idle(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn_props(lab, &new_sleeper(lab, 100)->props, "a");

    lab_do(lab, a, act_stash, NULL);
    lab_advance(lab, 1000);
    assert_int_equal(alive(lab), 1);
    assert_int_equal(lab_dead(lab), 0);
}

static gr_err gone_on(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    (void)ctx;
    (void)state;
    (void)arg;
    (void)reply;
    return err;
}

static gr_err act_go_on(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_future_then(ctx, arg, gone_on, NULL, NULL);
}

static void r25_an_actor_with_a_continuation_under_way_is_not_idle(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn_props(lab, &new_sleeper(lab, 100)->props, "a");
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, a, act_go_on, future);
    lab_advance(lab, 1000);
    assert_int_equal(alive(lab), 1);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_advance(lab, 100);
    assert_int_equal(alive(lab), 0);
    future = gr_future_unref(future);
}

static gr_err silent(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

static void r25_an_actor_that_owes_an_answer_is_not_idle(void **state)
{
    struct lab *lab = *state;
    sleeper *own = new_sleeper(lab, 100);
    gr_future *asked = NULL;
    gr_pid a;

    own->props.receive = silent;
    a = lab_spawn_props(lab, &own->props, "a");
    assert_int_equal(gr_request_future(lab->sys, a, lab_word_new(1), 400, &asked), GR_OK);
    lab_advance(lab, 399);
    assert_int_equal(alive(lab), 1);
    asked = gr_future_unref(asked); /* nobody waits any more */
    lab_tell(lab, a, 1);
    lab_advance(lab, 100);
    assert_int_equal(alive(lab), 0);
}

static gr_err act_timeout(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return gr_receive_timeout_set(ctx, 50);
}

static void r25_an_actor_may_have_a_receive_timeout_of_its_own_too(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn_props(lab, &new_sleeper(lab, 100)->props, "a");

    assert_int_equal(lab_make(lab, a, act_timeout, NULL), GR_OK);
    lab_advance(lab, 100); /* of which one half does not push the other back */
    lab_assert_notes(lab, "a ", "a started|a got a gr_receive_timeout|a stopped passivated");
}

static void r25_a_time_that_is_not_positive_is_refused(void **state)
{
    gr_passivation passivation;

    (void)state;
    assert_int_equal(gr_passivation_init(&passivation, 0), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "0 ms"));
}

/* Actors that are asked while they fall asleep, again and again: each answers, or had ended before. */
static void r25_requests_race_with_falling_asleep(void **state)
{
    struct lab *lab = *state;
    sleeper *own = new_sleeper(lab, 1);
    size_t rounds = lab_scaled(300);

    for (size_t i = 0; i < rounds; i++) {
        gr_pid a = lab_spawn_props(lab, &own->props, NULL);
        gr_err err = GR_OK;

        for (int tries = 0; tries < 3 && err == GR_OK; tries++) { /* each one pushes it back */
            int64_t until_ms = gr_system_now(lab->sys) + 1;
            gr_msg *reply = NULL;

            while (gr_system_now(lab->sys) < until_ms) { /* ask at that very moment */
            }
            err = gr_request(lab->sys, a, lab_word_new((int64_t)i), GR_FOREVER, &reply);
            reply = gr_msg_unref(reply);
        }
        assert_true(err == GR_OK || err == GR_EDEAD); /* and never nothing at all */
        LAB_EVENTUALLY(lab, alive(lab) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_STEPPED(r25_an_idle_actor_stops_after_its_time_and_not_before),
        LAB_STEPPED(r25_one_that_never_hears_anything_stops_too),
        LAB_STEPPED(r25_what_was_queued_when_it_fell_asleep_is_handled_first),
        LAB_BOTH(r25_what_comes_while_it_falls_asleep_wakes_it_at_the_same_pid),
        LAB_BOTH(r25_a_stop_that_comes_while_it_falls_asleep_is_one),
        LAB_BOTH(r25_a_poison_that_comes_meanwhile_is_in_order),
        LAB_STEPPED(r25_children_stop_with_it_and_it_stops_once),
        LAB_STEPPED(r25_an_actor_with_a_stash_is_not_idle),
        LAB_STEPPED(r25_an_actor_with_a_continuation_under_way_is_not_idle),
        LAB_STEPPED(r25_an_actor_that_owes_an_answer_is_not_idle),
        LAB_STEPPED(r25_an_actor_may_have_a_receive_timeout_of_its_own_too),
        LAB_STEPPED(r25_a_time_that_is_not_positive_is_refused),
        LAB_THREADS(r25_requests_race_with_falling_asleep),
    };

    return cmocka_run_group_tests_name("passivation", tests, NULL, NULL);
}
