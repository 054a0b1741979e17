/*
 * What is not to be done, and what is said to who does it: props without a handler, messages to nobody, an actor that waits
 * for itself, a system that is stopped from inside, a handler that never returns. Names are in name_test.c, stacks in
 * pinned_test.c, slow handlers in worker_test.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <granary/middleware.h>

/* ---- props */

static void count_freed(void *arg)
{
    ++*(int *)arg;
}

static gr_err act_spawn_nothing(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid pid = gr_pid_null();
    gr_props props = {.arg = arg, .arg_free = count_freed};

    (void)lab;
    lab_require(gr_spawn_child(ctx, NULL, "c", &pid) == GR_EINVAL);
    return gr_spawn_child(ctx, &props, "c", &pid);
}

static void props_without_a_handler_are_refused(void **state)
{
    struct lab *lab = *state;
    int freed = 0;
    gr_props props = {.arg = &freed, .arg_free = count_freed};
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_spawn(lab->sys, NULL, "a", &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "receive"));
    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "receive"));
    assert_int_equal(freed, 1);
    assert_int_equal(lab_make(lab, lab_spawn(lab, "p"), act_spawn_nothing, &freed), GR_EINVAL);
    assert_int_equal(freed, 2);
    assert_true(gr_pid_is_null(pid));
    assert_int_equal(gr_system_counters(lab->sys).actors, 1);
    assert_int_equal(gr_name_find(lab->sys, "a", &pid), GR_ENOTFOUND);
}

static void a_mailbox_limit_of_none_is_the_default(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.mailbox_limit = GR_MAILBOX_LIMIT_MAX + 1;
    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "mailbox_limit 1000001"));
    props.mailbox_limit = 0;
    pid = lab_spawn_props(lab, &props, NULL);
    lab_run(lab);
    for (int64_t i = 0; i < GR_MAILBOX_LIMIT_DEFAULT; i++) {
        lab_tell(lab, pid, i);
    }
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(1)), GR_EFULL);
    gr_send_stop(lab->sys, pid);
}

static void nobody_has_no_name_and_no_function_hears_nothing(void **state)
{
    struct lab *lab = *state;
    gr_subscription *subscription = NULL;
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_name_find(lab->sys, NULL, &pid), GR_EINVAL);
    assert_int_equal(gr_subscribe(lab->sys, NULL, NULL, NULL, &subscription), GR_EINVAL);
    assert_null(subscription);
}

/* ---- messages to nobody */

typedef struct vain {
    gr_pid to;
    gr_err want;
} vain;

static void send_in_every_way(gr_system *sys, const vain *no)
{
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    lab_require(gr_send(sys, no->to, lab_word_new(1)) == no->want);
    lab_require(gr_send_wait(sys, no->to, lab_word_new(2), GR_FOREVER) == no->want);
    lab_require(gr_request(sys, no->to, lab_word_new(3), GR_FOREVER, &reply) == no->want);
    lab_require(gr_request_future(sys, no->to, lab_word_new(4), GR_FOREVER, &future) == GR_OK);
    lab_require(gr_future_ready(future));
    lab_require(gr_await(future, GR_FOREVER, &reply) == no->want);
    future = gr_future_unref(future);
    gr_send_stop(sys, no->to);
    gr_send_poison(sys, no->to);
}

static gr_err act_send_in_vain(gr_context *ctx, struct lab *lab, void *arg)
{
    const vain *no = arg;

    (void)lab;
    send_in_every_way(gr_context_system(ctx), no);
    lab_require(gr_context_send(ctx, no->to, lab_word_new(5)) == no->want);
    lab_require(gr_forward(ctx, no->to) == no->want);
    lab_require(gr_watch(ctx, no->to) == no->want);
    gr_unwatch(ctx, no->to);
    return GR_OK;
}

static void send_in_vain(struct lab *lab, gr_pid to, gr_err want)
{
    vain *no = lab_own(lab, sizeof(*no));
    gr_pid pid = lab_spawn(lab, NULL);

    *no = (vain){to, want};
    send_in_every_way(lab->sys, no);
    assert_int_equal(lab_dead(lab), 4);
    lab_do(lab, pid, act_send_in_vain, no);
    lab_flush(lab, pid);
    assert_int_equal(lab_dead(lab), 10);
    for (size_t i = 0; i < 10; i++) {
        assert_true(gr_pid_equal(lab_dead_at(lab, i).to, to));
    }
}

static void what_is_sent_to_the_null_pid_is_refused(void **state)
{
    send_in_vain(*state, gr_pid_null(), GR_EINVAL);
}

static void what_is_sent_to_a_pid_of_elsewhere_is_refused(void **state)
{
    struct lab *lab = *state;

    send_in_vain(lab, (gr_pid){gr_system_node(lab->sys) + 1, 40, 7}, GR_EUNREACHABLE);
}

static gr_err act_send_nothing(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    lab_require(gr_context_send(ctx, gr_context_self(ctx), NULL) == GR_ENOMEM);
    return gr_respond(ctx, NULL);
}

static void no_message_is_one_that_there_was_no_memory_for(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_msg *reply = NULL;

    assert_int_equal(gr_send(lab->sys, pid, NULL), GR_ENOMEM);
    assert_int_equal(gr_send_wait(lab->sys, pid, NULL, GR_FOREVER), GR_ENOMEM);
    assert_int_equal(gr_request(lab->sys, pid, NULL, GR_FOREVER, &reply), GR_ENOMEM);
    assert_int_equal(lab_make(lab, pid, act_send_nothing, NULL), GR_ENOMEM);
    assert_int_equal(lab_dead(lab), 0);
}

/* ---- waiting for oneself */

static gr_err ask_and_wait(gr_context *ctx, gr_pid to)
{
    gr_msg *reply = NULL;
    gr_err err = gr_request(gr_context_system(ctx), to, lab_word_new(1), GR_FOREVER, &reply);

    (void)gr_msg_unref(reply);
    return err;
}

static gr_err ask_then_wait(gr_context *ctx, gr_pid to)
{
    gr_future *future = NULL;
    gr_msg *reply = NULL;
    gr_err err =
        gr_request_future(gr_context_system(ctx), to, lab_word_new(2), GR_FOREVER, &future);

    err = err == GR_OK ? gr_await(future, GR_FOREVER, &reply) : err;
    (void)gr_msg_unref(reply);
    future = gr_future_unref(future);
    return err;
}

static gr_err act_ask_itself(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return ask_and_wait(ctx, gr_context_self(ctx));
}

static gr_err act_ask_itself_by_a_future(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return ask_then_wait(ctx, gr_context_self(ctx));
}

static void an_actor_that_asks_itself_and_waits_is_told_so(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "narcissus");

    assert_int_equal(lab_make(lab, a, act_ask_itself, NULL), GR_EDEADLOCK);
    assert_non_null(strstr(gr_last_error()->text, "narcissus would wait for itself"));
    assert_non_null(strstr(gr_last_error()->text, "reentrant"));
    assert_non_null(strstr(gr_last_error()->text, "gr_future_then()"));
    lab_flush(lab, a);
    assert_int_equal(lab_count(lab, "narcissus 1"), 0); /* nothing was sent */
    assert_int_equal(lab_make(lab, a, act_ask_itself_by_a_future, NULL), GR_EDEADLOCK);
    lab_wait(lab, "narcissus 2"); /* it was sent, and nobody waits for the answer */
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).late_replies == 1);
    assert_int_equal(gr_system_counters(lab->sys).timeouts, 0);
}

static void a_reentrant_actor_may_ask_itself(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid a;

    props.reentrant = true;
    a = lab_spawn_props(lab, &props, "a");
    assert_int_equal(lab_make(lab, a, act_ask_itself, NULL), GR_OK);
    assert_int_equal(lab_make(lab, a, act_ask_itself_by_a_future, NULL), GR_OK);
}

static gr_err then_note(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    (void)ctx;
    (void)state;
    (void)reply;
    lab_note(arg, "then %s", gr_err_name(err));
    return GR_OK;
}

static gr_err act_ask_itself_then(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_future *future = NULL;
    gr_err err = gr_request_future(gr_context_system(ctx), gr_context_self(ctx), lab_word_new(1),
                                   GR_FOREVER, &future);

    (void)arg;
    err = err == GR_OK ? gr_future_then(ctx, future, then_note, lab, NULL) : err;
    future = gr_future_unref(future);
    return err;
}

static void a_continuation_may_follow_on_what_an_actor_asks_itself(void **state)
{
    struct lab *lab = *state;

    lab_do(lab, lab_spawn(lab, "a"), act_ask_itself_then, NULL);
    lab_wait(lab, "then GR_OK");
}

/* Asks itself in one turn, hands the request on in the next, and waits in a third one: that is no deadlock. */
typedef struct relay {
    struct lab *lab;
    gr_pid to;
    gr_future *future;
    int turn;
} relay;

static gr_err relay_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    relay *self = state;
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)msg;
    switch (self->turn++) {
    case 0:
        err = gr_request_future(gr_context_system(ctx), gr_context_self(ctx), lab_word_new(7),
                                GR_FOREVER, &self->future);
        lab_require(err == GR_OK);
        return gr_send(gr_context_system(ctx), gr_context_self(ctx), lab_word_new(8));
    case 1:
        return gr_forward(ctx, self->to);
    default:
        err = gr_await(self->future, GR_FOREVER, &reply);
        (void)gr_msg_unref(reply);
        self->future = gr_future_unref(self->future);
        lab_note(self->lab, "relay: %s", gr_err_name(err));
        return GR_OK;
    }
}

static void what_was_asked_in_an_earlier_turn_may_be_waited_for(void **state)
{
    struct lab *lab = *state;
    relay *self = lab_own(lab, sizeof(*self));
    gr_props props = {.receive = relay_receive, .arg = self};

    self->lab = lab;
    self->to = lab_spawn(lab, "b");
    lab_tell(lab, lab_spawn_props(lab, &props, NULL), 0);
    lab_wait(lab, "relay: GR_OK");
    assert_int_equal(lab_count(lab, "b 7"), 1);
}

/* Middleware around what is sent: goes on to the same, or to another. */
static gr_err send_on(void *arg, gr_context *ctx, gr_pid to, gr_msg *take_msg, const gr_next *next)
{
    const gr_pid *instead = arg;
    bool asks = gr_msg_read(take_msg, &lab_word_type) != NULL &&
                ((const lab_word *)gr_msg_read(take_msg, &lab_word_type))->number != 0;

    return gr_next_send(next, ctx, asks && !gr_pid_is_null(*instead) ? *instead : to, take_msg);
}

static void waiting_for_oneself_is_found_out_behind_middleware(void **state)
{
    struct lab *lab = *state;
    gr_pid *instead = lab_own(lab, sizeof(*instead));
    const gr_middleware around = {.name = "around", .arg = instead, .send = send_on};
    const gr_middleware *const list[] = {&around, NULL};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid a;

    props.middleware = list;
    a = lab_spawn_props(lab, &props, "a");
    assert_int_equal(lab_make(lab, a, act_ask_itself, NULL), GR_EDEADLOCK);
    assert_int_equal(lab_make(lab, a, act_ask_itself_by_a_future, NULL), GR_EDEADLOCK);
    lab_flush(lab, a);
    *instead = lab_spawn(lab, "b"); /* who is asked now */
    assert_int_equal(lab_make(lab, a, act_ask_itself, NULL), GR_OK);
    assert_int_equal(lab_make(lab, a, act_ask_itself_by_a_future, NULL), GR_OK);
    lab_shut(lab); /* before the middleware goes */
}

/* Hooks: the actor that is being started, and the one that starts it. */
static gr_err started_asks_itself(gr_context *ctx, void *state)
{
    (void)state;
    return ask_and_wait(ctx, gr_context_self(ctx));
}

static gr_err started_asks_parent(gr_context *ctx, void *state)
{
    (void)state;
    return ask_then_wait(ctx, gr_context_parent(ctx));
}

static gr_err act_spawn_child(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid pid = gr_pid_null();

    (void)lab;
    return gr_spawn_child(ctx, arg, NULL, &pid);
}

static void a_started_hook_that_waits_for_its_own_actor_is_told_so(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.started = started_asks_itself;
    props.reentrant = true; /* which it will be when it has started */
    assert_int_equal(gr_spawn(lab->sys, &props, "echo", &pid), GR_EDEADLOCK);
    assert_non_null(strstr(gr_last_error()->text, "echo would wait for itself"));
    assert_non_null(strstr(gr_last_error()->text, "this hook"));
    assert_int_equal(lab_make(lab, lab_spawn(lab, "p"), act_spawn_child, &props), GR_EDEADLOCK);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
}

static gr_err started_awaits_its_end(gr_context *ctx, void *state)
{
    (void)state;
    return gr_await_end(gr_context_system(ctx), gr_context_self(ctx), 100, NULL);
}

static void a_started_hook_does_not_wait_for_its_own_end(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.started = started_awaits_its_end;
    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "its own end"));
    assert_int_equal(lab_make(lab, lab_spawn(lab, "p"), act_spawn_child, &props), GR_EINVAL);
}

static void a_child_that_waits_for_who_starts_it_is_told_so(void **state)
{
    struct lab *lab = *state;
    gr_props child = lab_probe_props(lab, "c");
    gr_props parent = lab_probe_props(lab, "r");

    child.started = started_asks_parent;
    assert_int_equal(lab_make(lab, lab_spawn(lab, "p"), act_spawn_child, &child), GR_EDEADLOCK);
    assert_non_null(strstr(gr_last_error()->text, " p would wait for itself"));
    parent.reentrant = true;
    assert_int_equal(lab_make(lab, lab_spawn_props(lab, &parent, "r"), act_spawn_child, &child),
                     GR_OK);
}

static gr_err act_fill_itself(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_system *sys = gr_context_system(ctx);
    gr_pid self = gr_context_self(ctx);
    int64_t limit = *(int64_t *)arg;

    (void)lab;
    for (int64_t i = 1; i <= limit; i++) {
        lab_require(gr_send_wait(sys, self, lab_word_new(i), GR_FOREVER) == GR_OK);
    }
    return gr_send_wait(sys, self, lab_word_new(limit + 1), GR_FOREVER);
}

static void an_actor_does_not_wait_for_room_in_its_own_mailbox(void **state)
{
    struct lab *lab = *state;
    static int64_t limits[] = {10, 3000}; /* below and above where patient senders begin to wait */

    for (size_t i = 0; i < 2; i++) {
        gr_props props = lab_probe_props(lab, "a");
        gr_pid pid;

        props.mailbox_limit = (uint32_t)limits[i];
        pid = lab_spawn_props(lab, &props, NULL);
        assert_int_equal(lab_make(lab, pid, act_fill_itself, &limits[i]), GR_EFULL);
        lab_wait(lab, i == 0 ? "a 10" : "a 3000");
    }
    assert_int_equal(lab_dead(lab), 2);
}

static gr_err act_complete(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    lab_note(lab, "completes");
    return gr_future_complete(arg, lab_word_new(1));
}

/* What completes the future is behind this very handler. Nobody can know: others might complete it, too. */
static gr_err act_wait_for_what_comes_later(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err =
        gr_send(gr_context_system(ctx), gr_context_self(ctx), lab_act_new(act_complete, arg));

    (void)lab;
    lab_require(err == GR_OK);
    return gr_await(arg, 20, &reply);
}

static void a_wait_for_what_only_a_later_message_completes_ends_at_its_limit(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_pid a = lab_spawn(lab, "a");

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    assert_int_equal(lab_make(lab, a, act_wait_for_what_comes_later, future), GR_ETIMEDOUT);
    lab_wait(lab, "completes");
    future = gr_future_unref(future);
}

static gr_err act_ask_back(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_request(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(1), 20, &reply);

    (void)lab;
    (void)gr_msg_unref(reply);
    return err;
}

typedef struct couple {
    gr_pid first, second;
} couple;

static gr_err act_ask_the_other(gr_context *ctx, struct lab *lab, void *arg)
{
    couple *two = arg;
    gr_msg *reply = NULL;
    gr_err err = gr_request(gr_context_system(ctx), two->second,
                            lab_act_new(act_ask_back, &two->first), GR_FOREVER, &reply);

    lab_note(lab, "the first hears %s", gr_err_name(err));
    (void)gr_msg_unref(reply);
    return GR_OK;
}

static void two_that_wait_for_each_other_end_at_their_limit(void **state)
{
    struct lab *lab = *state;
    couple *two = lab_own(lab, sizeof(*two));

    *two = (couple){lab_spawn(lab, "a"), lab_spawn(lab, "b")};
    assert_int_equal(lab_make(lab, two->first, act_ask_the_other, two), GR_OK);
    lab_assert_notes(lab, "the first", "the first hears GR_ETIMEDOUT");
}

/* ---- stopping from inside */

static void try_to_stop(gr_system *sys, struct lab *lab, const char *where)
{
    lab_require(gr_system_stop(sys, GR_FOREVER) == GR_EINVAL);
    lab_require(strstr(gr_last_error()->text, "let another thread") != NULL);
    lab_require(gr_system_stop(sys, 0) == GR_EINVAL);
    lab_require(gr_system_free(sys) == sys);
    lab_require(gr_last_error()->code == GR_EINVAL);
    lab_note(lab, "refused %s", where);
}

static gr_err act_stop(gr_context *ctx, struct lab *lab, void *arg)
{
    try_to_stop(arg == NULL ? gr_context_system(ctx) : arg, lab, "in a handler");
    return GR_OK;
}

static gr_err suicidal_started(gr_context *ctx, void *state)
{
    const lab_probe *probe = state;

    try_to_stop(gr_context_system(ctx), probe->lab, "in started");
    return GR_OK;
}

static void suicidal_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    const lab_probe *probe = state;

    (void)reason;
    try_to_stop(gr_context_system(ctx), probe->lab, "in stopped");
}

static gr_err then_stop(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    (void)state;
    (void)err;
    (void)reply;
    try_to_stop(gr_context_system(ctx), arg, "in a continuation");
    return GR_OK;
}

static gr_err act_stop_then(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)arg;
    return gr_future_then(ctx, arg, then_stop, lab, NULL);
}

static void a_system_is_not_stopped_or_freed_from_inside(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_system_options options = lab->options;
    gr_system *other = NULL;
    gr_future *future = NULL;
    gr_pid a = gr_pid_null();

    props.started = suicidal_started;
    props.stopped = suicidal_stopped;
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_system_new(&options, &other), GR_OK);
    a = lab_spawn_props(lab, &props, "a");
    assert_int_equal(lab_count(lab, "refused in started"), 1);
    assert_int_equal(lab_make(lab, a, act_stop, NULL), GR_OK);
    assert_int_equal(lab_make(lab, a, act_stop, other), GR_OK); /* another one neither */
    assert_int_equal(lab_make(lab, a, act_spawn_child, &props), GR_OK);
    assert_int_equal(lab_make(lab, a, act_stop_then, future), GR_OK);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_wait(lab, "refused in a continuation");
    gr_send_stop(lab->sys, a);
    lab_wait_times(lab, "refused in stopped", 2);
    lab_tell(lab, lab_spawn(lab, "b"), 1); /* all is as it was */
    lab_wait(lab, "b 1");
    future = gr_future_unref(future);
    assert_null(gr_system_free(other));
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
}

static void stop_on_event(void *arg, const gr_type *type, const void *event)
{
    struct lab *lab = arg;

    (void)type;
    (void)event;
    lab_require(gr_system_stop(lab->sys, GR_FOREVER) == GR_EINVAL);
    lab_require(gr_system_free(lab->sys) == lab->sys);
}

static void a_subscribed_function_does_not_stop_or_free_its_system(void **state)
{
    struct lab *lab = *state;
    gr_subscription *subscription = NULL;

    assert_int_equal(
        gr_subscribe(lab->sys, &gr_dead_letter_type, stop_on_event, lab, &subscription), GR_OK);
    assert_int_equal(gr_send(lab->sys, gr_pid_null(), lab_word_new(1)), GR_EINVAL);
    subscription = gr_unsubscribe(subscription);
}

/* ---- a handler that never returns */

typedef struct knot {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, untied; /* lock */
} knot;

static gr_err act_never_return(gr_context *ctx, struct lab *lab, void *arg)
{
    knot *here = arg;

    (void)ctx;
    (void)lab;
    (void)pthread_mutex_lock(&here->lock);
    here->inside = true;
    (void)pthread_cond_broadcast(&here->changed);
    while (!here->untied) {
        (void)pthread_cond_wait(&here->changed, &here->lock);
    }
    (void)pthread_mutex_unlock(&here->lock);
    return GR_OK;
}

static void others_go_on_and_stop_beside_a_handler_that_never_returns(void **state)
{
    struct lab *lab = *state;
    knot here = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
    gr_pid stuck = lab_spawn(lab, "stuck");
    gr_pid other = lab_spawn(lab, "b");

    lab_do(lab, stuck, act_never_return, &here);
    (void)pthread_mutex_lock(&here.lock);
    while (!here.inside) {
        (void)pthread_cond_wait(&here.changed, &here.lock);
    }
    (void)pthread_mutex_unlock(&here.lock);
    for (int64_t i = 0; i < 100; i++) {
        lab_tell(lab, other, i);
    }
    lab_wait(lab, "b 99");
    assert_int_equal(gr_system_stop(lab->sys, 50), GR_ETIMEDOUT);
    assert_non_null(strstr(gr_last_error()->text, " stuck) is still handling lab_act"));
    lab_wait(lab, "b stopped stopped"); /* all that can stop have stopped */
    assert_int_equal(gr_send(lab->sys, other, lab_word_new(1)), GR_EDEAD);
    (void)pthread_mutex_lock(&here.lock);
    here.untied = true;
    (void)pthread_cond_broadcast(&here.changed);
    (void)pthread_mutex_unlock(&here.lock);
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(lab_count(lab, "stuck stopped stopped"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(props_without_a_handler_are_refused),
        LAB_STEPPED(a_mailbox_limit_of_none_is_the_default),
        LAB_STEPPED(nobody_has_no_name_and_no_function_hears_nothing),
        LAB_BOTH(what_is_sent_to_the_null_pid_is_refused),
        LAB_BOTH(what_is_sent_to_a_pid_of_elsewhere_is_refused),
        LAB_BOTH(no_message_is_one_that_there_was_no_memory_for),
        LAB_BOTH(an_actor_that_asks_itself_and_waits_is_told_so),
        LAB_BOTH(a_reentrant_actor_may_ask_itself),
        LAB_BOTH(a_continuation_may_follow_on_what_an_actor_asks_itself),
        LAB_BOTH(what_was_asked_in_an_earlier_turn_may_be_waited_for),
        LAB_BOTH(waiting_for_oneself_is_found_out_behind_middleware),
        LAB_BOTH(a_started_hook_that_waits_for_its_own_actor_is_told_so),
        LAB_BOTH(a_started_hook_does_not_wait_for_its_own_end),
        LAB_BOTH(a_child_that_waits_for_who_starts_it_is_told_so),
        LAB_BOTH(an_actor_does_not_wait_for_room_in_its_own_mailbox),
        LAB_BOTH(a_wait_for_what_only_a_later_message_completes_ends_at_its_limit),
        LAB_BOTH(two_that_wait_for_each_other_end_at_their_limit),
        LAB_BOTH(a_system_is_not_stopped_or_freed_from_inside),
        LAB_BOTH(a_subscribed_function_does_not_stop_or_free_its_system),
        LAB_THREADS(others_go_on_and_stop_beside_a_handler_that_never_returns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
