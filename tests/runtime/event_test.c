/*
 * The event stream: who sees what, and what a subscriber may do while it is called. Behaviour r30.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

typedef struct weather {
    int degrees;
} weather;

typedef struct tide {
    int metres;
} tide;

static const gr_type weather_type = GR_TYPE(weather);
static const gr_type tide_type = GR_TYPE(tide);

typedef struct listener {
    struct lab *lab;
    const char *name;
    gr_subscription *subscription;
    gr_subscription *other; /* unsubscribed at the first event, when set */
    bool leaves;            /* unsubscribes itself at the first event */
    bool publishes;         /* answers weather with a tide */
} listener;

static void on_event(void *arg, const gr_type *type, const void *event)
{
    listener *me = arg;

    if (type == &weather_type) {
        lab_note(me->lab, "%s weather %d", me->name, ((const weather *)event)->degrees);
    } else if (type == &tide_type) {
        lab_note(me->lab, "%s tide %d", me->name, ((const tide *)event)->metres);
    } else {
        lab_note(me->lab, "%s %s", me->name, type->name);
    }
    if (me->leaves) {
        me->leaves = false;
        me->subscription = gr_unsubscribe(me->subscription);
    }
    me->other = gr_unsubscribe(me->other);
    if (me->publishes && type == &weather_type) {
        gr_publish(me->lab->sys, &tide_type, &(tide){((const weather *)event)->degrees + 1});
    }
}

static void subscribe(listener *me, const gr_type *type)
{
    assert_int_equal(gr_subscribe(me->lab->sys, type, on_event, me, &me->subscription), GR_OK);
}

static void publish_weather(struct lab *lab, int degrees)
{
    gr_publish(lab->sys, &weather_type, &(weather){degrees});
}

static void r30_a_subscriber_sees_its_type_only_or_all(void **state)
{
    struct lab *lab = *state;
    listener typed = {.lab = lab, .name = "typed"};
    listener any = {.lab = lab, .name = "any"};

    subscribe(&typed, &weather_type);
    subscribe(&any, NULL);
    publish_weather(lab, 1);
    gr_publish(lab->sys, &tide_type, &(tide){2});
    typed.subscription = gr_unsubscribe(typed.subscription);
    any.subscription = gr_unsubscribe(any.subscription);
    publish_weather(lab, 3);
    lab_assert_notes(lab, "typed", "typed weather 1");
    lab_assert_notes(lab, "any", "any weather 1|any tide 2");
    assert_null(any.subscription);
}

static void r30_a_subscriber_may_leave_from_inside(void **state)
{
    struct lab *lab = *state;
    listener first = {.lab = lab, .name = "1", .leaves = true};
    listener second = {.lab = lab, .name = "2"};

    subscribe(&first, &weather_type);
    subscribe(&second, &weather_type);
    publish_weather(lab, 1);
    publish_weather(lab, 2);
    lab_assert_notes(lab, "1", "1 weather 1");
    lab_assert_notes(lab, "2", "2 weather 1|2 weather 2");
    second.subscription = gr_unsubscribe(second.subscription);
}

static void r30_a_subscriber_may_end_another_from_inside(void **state)
{
    struct lab *lab = *state;
    listener a = {.lab = lab, .name = "a"};
    listener b = {.lab = lab, .name = "b"};
    listener c = {.lab = lab, .name = "c"};

    subscribe(&a, &weather_type);
    subscribe(&b, &weather_type);
    subscribe(&c, &weather_type);
    b.other = a.subscription;
    publish_weather(lab, 1);
    publish_weather(lab, 2);
    assert_int_equal(lab_count(lab, "a weather 2"), 0);
    lab_assert_notes(lab, "b", "b weather 1|b weather 2");
    lab_assert_notes(lab, "c", "c weather 1|c weather 2");
    b.subscription = gr_unsubscribe(b.subscription);
    c.subscription = gr_unsubscribe(c.subscription);
}

static void r30_a_subscriber_may_publish(void **state)
{
    struct lab *lab = *state;
    listener echo = {.lab = lab, .name = "echo", .publishes = true};

    subscribe(&echo, NULL);
    publish_weather(lab, 1);
    lab_assert_notes(lab, "echo", "echo weather 1|echo tide 2");
    echo.subscription = gr_unsubscribe(echo.subscription);
}

typedef struct joiner {
    struct lab *lab;
    gr_subscription *mine;
    listener *guest;
} joiner;

static void on_event_subscribe(void *arg, const gr_type *type, const void *event)
{
    joiner *me = arg;

    (void)type;
    (void)event;
    if (me->guest->subscription == NULL) {
        lab_require(gr_subscribe(me->lab->sys, &weather_type, on_event, me->guest,
                                 &me->guest->subscription) == GR_OK);
    }
}

static void r30_a_subscriber_may_subscribe_another(void **state)
{
    struct lab *lab = *state;
    listener guest = {.lab = lab, .name = "guest"};
    joiner host = {lab, NULL, &guest};

    assert_int_equal(gr_subscribe(lab->sys, &weather_type, on_event_subscribe, &host, &host.mine),
                     GR_OK);
    publish_weather(lab, 1);
    publish_weather(lab, 2);
    assert_int_equal(lab_count(lab, "guest weather 2"), 1);
    host.mine = gr_unsubscribe(host.mine);
    guest.subscription = gr_unsubscribe(guest.subscription);
}

static gr_err act_publish(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    gr_publish(gr_context_system(ctx), &weather_type, arg);
    return GR_OK;
}

static void r30_a_handler_may_publish(void **state)
{
    struct lab *lab = *state;
    listener outside = {.lab = lab, .name = "outside"};
    weather now = {7};

    subscribe(&outside, &weather_type);
    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_publish, &now), GR_OK);
    lab_assert_notes(lab, "outside", "outside weather 7");
    outside.subscription = gr_unsubscribe(outside.subscription);
}

/* A subscriber that hands what it sees to an actor, which may have gone. */
typedef struct mouthpiece {
    struct lab *lab;
    gr_pid to;
    gr_subscription *subscription;
} mouthpiece;

static void on_event_send(void *arg, const gr_type *type, const void *event)
{
    mouthpiece *me = arg;

    (void)type;
    (void)gr_send(me->lab->sys, me->to, lab_word_new(((const weather *)event)->degrees));
}

static void r30_a_subscribing_actor_that_dies_harms_nobody(void **state)
{
    struct lab *lab = *state;
    mouthpiece mouth = {lab, lab_spawn(lab, "a"), NULL};
    listener other = {.lab = lab, .name = "other"};

    assert_int_equal(
        gr_subscribe(lab->sys, &weather_type, on_event_send, &mouth, &mouth.subscription), GR_OK);
    subscribe(&other, &weather_type);
    publish_weather(lab, 1);
    lab_wait(lab, "a 1");
    gr_send_stop(lab->sys, mouth.to);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    publish_weather(lab, 2);
    LAB_EVENTUALLY(lab, lab_dead(lab) == 1);
    lab_assert_notes(lab, "other", "other weather 1|other weather 2");
    mouth.subscription = gr_unsubscribe(mouth.subscription);
    other.subscription = gr_unsubscribe(other.subscription);
}

/* ---- what a subscriber must not do */

typedef struct waiter {
    struct lab *lab;
    gr_pid full;        /* its mailbox is */
    gr_future *pending; /* never completes */
    gr_subscription *subscription;
} waiter;

static void on_event_wait(void *arg, const gr_type *type, const void *event)
{
    waiter *me = arg;
    gr_msg *reply = NULL;

    (void)type;
    (void)event;
    lab_require(gr_await(me->pending, 1000, &reply) == GR_EINVAL);
    lab_require(strstr(gr_last_error()->text, "send a message") != NULL);
    lab_require(gr_await(me->pending, 0, &reply) == GR_ETIMEDOUT); /* no wait */
    lab_require(gr_request(me->lab->sys, me->full, lab_word_new(9), 1000, &reply) == GR_EINVAL);
    lab_require(gr_send_wait(me->lab->sys, me->full, lab_word_new(9), 1000) == GR_EINVAL);
    lab_require(gr_system_stop(me->lab->sys, 1000) == GR_EINVAL);
    lab_note(me->lab, "did not wait");
}

static gr_err act_await(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;

    (void)ctx;
    lab_note(lab, "holding");
    return gr_await(arg, GR_FOREVER, &reply) == GR_OK ? (gr_msg_unref(reply), GR_OK) : GR_EFAILED;
}

static void r30_a_subscriber_that_would_wait_gets_an_error(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "full");
    waiter me = {.lab = lab};
    listener after = {.lab = lab, .name = "after"};
    gr_future *gate = NULL;
    weather now = {1};

    props.mailbox_limit = 1;
    me.full = lab_spawn_props(lab, &props, "full");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &gate), GR_OK);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &me.pending), GR_OK);
    lab_do(lab, me.full, act_await, gate);
    lab_wait(lab, "holding");
    assert_int_equal(gr_send_wait(lab->sys, me.full, lab_word_new(1), 10000), GR_OK);
    assert_int_equal(gr_subscribe(lab->sys, &weather_type, on_event_wait, &me, &me.subscription),
                     GR_OK);
    subscribe(&after, &weather_type);
    publish_weather(lab, 1); /* from a thread, and from a handler */
    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_publish, &now), GR_OK);
    assert_int_equal(lab_count(lab, "did not wait"), 2);
    lab_assert_notes(lab, "after", "after weather 1|after weather 1");
    me.subscription = gr_unsubscribe(me.subscription);
    after.subscription = gr_unsubscribe(after.subscription);
    assert_int_equal(gr_send(lab->sys, gr_future_pid(gate), lab_word_new(0)), GR_OK);
    lab_wait(lab, "full 1");
    assert_int_equal(lab_count(lab, "full 9"), 0);
    gate = gr_future_unref(gate);
    me.pending = gr_future_unref(me.pending);
}

/* Publishes, and a subscriber panics with the publisher's context; or a subscriber of what that one publishes. */
typedef struct thrower {
    struct lab *lab;
    gr_context *ctx;
    bool nested;
    gr_subscription *subscription;
} thrower;

static void on_event_panic(void *arg, const gr_type *type, const void *event)
{
    thrower *me = arg;

    (void)event;
    if (me->nested && type == &weather_type) {
        gr_publish(me->lab->sys, &tide_type, &(tide){1});
    } else if ((type == &weather_type || type == &tide_type) && me->ctx != NULL) {
        gr_panic(me->ctx, GR_EFAILED, "a subscriber has had enough");
    }
}

static gr_err act_publish_to_thrower(gr_context *ctx, struct lab *lab, void *arg)
{
    thrower *me = arg;

    me->ctx = ctx;
    publish_weather(lab, 1);
    return GR_OK;
}

static void let_a_subscriber_panic(struct lab *lab, bool nested)
{
    thrower me = {.lab = lab, .nested = nested};
    listener before = {.lab = lab, .name = "before"};
    listener after = {.lab = lab, .name = "after"};
    gr_pid publisher = lab_spawn(lab, "p");

    subscribe(&before, &weather_type);
    assert_int_equal(gr_subscribe(lab->sys, NULL, on_event_panic, &me, &me.subscription), GR_OK);
    subscribe(&after, &weather_type);
    assert_int_equal(lab_make(lab, publisher, act_publish_to_thrower, &me), GR_EFAILED);
    me.ctx = NULL;
    lab_wait_times(lab, "p started", 2); /* restarted, as after any panic */
    lab_assert_notes(lab, "before", "before weather 1");
    lab_assert_notes(lab, "after", "");
    publish_weather(lab, 2);
    lab_assert_notes(lab, "after", "after weather 2");
    /* Nothing is pinned any more: each of these returns, and frees what it ends. */
    before.subscription = gr_unsubscribe(before.subscription);
    me.subscription = gr_unsubscribe(me.subscription);
    after.subscription = gr_unsubscribe(after.subscription);
    lab_flush(lab, publisher); /* its worker may wait as before */
}

static void r30_a_subscriber_that_panics_harms_nobody_but_the_publisher(void **state)
{
    let_a_subscriber_panic(*state, false);
}

static void r30_a_panic_inside_two_publishings_ends_both(void **state)
{
    let_a_subscriber_panic(*state, true);
}

static gr_err act_request(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err =
        gr_request(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(5), GR_FOREVER, &reply);

    (void)lab;
    (void)gr_msg_unref(reply);
    return err;
}

static void after_the_panic_of_a_subscriber_its_worker_may_wait(void **state)
{
    struct lab *lab = *state;
    thrower me = {.lab = lab};
    gr_pid publisher = lab_spawn(lab, "p");
    gr_pid other = lab_spawn(lab, "o");

    assert_int_equal(gr_subscribe(lab->sys, &weather_type, on_event_panic, &me, &me.subscription),
                     GR_OK);
    assert_int_equal(lab_make(lab, publisher, act_publish_to_thrower, &me), GR_EFAILED);
    assert_int_equal(lab_make(lab, publisher, act_request, &other), GR_OK);
    me.ctx = NULL;
    me.subscription = gr_unsubscribe(me.subscription);
}

/* An unsubscribe while another thread is between two subscribers of one round: it waits for calls of its own function only. */
typedef struct holder {
    struct lab *lab;
    gr_future *gate;
    gr_subscription *subscription;
} holder;

static void on_event_hold(void *arg, const gr_type *type, const void *event)
{
    holder *me = arg;

    (void)type;
    (void)event;
    lab_note(me->lab, "held");
    while (!gr_future_ready(me->gate)) {
        lab_breathe(me->lab);
    }
}

static void *publish_once(void *arg)
{
    publish_weather(arg, 1);
    return NULL;
}

static void an_unsubscribe_does_not_wait_for_calls_of_others(void **state)
{
    struct lab *lab = *state;
    holder first = {.lab = lab};
    listener second = {.lab = lab, .name = "second"};
    pthread_t thread;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &first.gate), GR_OK);
    assert_int_equal(
        gr_subscribe(lab->sys, &weather_type, on_event_hold, &first, &first.subscription), GR_OK);
    subscribe(&second, &weather_type);
    assert_int_equal(pthread_create(&thread, NULL, publish_once, lab), 0);
    lab_wait(lab, "held");
    second.subscription = gr_unsubscribe(second.subscription); /* pinned, and not called yet */
    assert_int_equal(gr_send(lab->sys, gr_future_pid(first.gate), lab_word_new(0)), GR_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    lab_assert_notes(lab, "second", "");
    first.subscription = gr_unsubscribe(first.subscription);
    first.gate = gr_future_unref(first.gate);
}

/* ---- with threads */

typedef struct station {
    struct lab *lab;
    atomic_bool closing;
} station;

static void *publish_until_closed(void *arg)
{
    station *me = arg;

    /* Relaxed: only ends the loop. */
    while (!atomic_load_explicit(&me->closing, memory_order_relaxed)) {
        publish_weather(me->lab, 1);
    }
    return NULL;
}

static void on_event_count(void *arg, const gr_type *type, const void *event)
{
    (void)type;
    (void)event;
    ++*(volatile int *)arg; /* plain memory: a sanitizer sees a use after the unsubscribe */
}

static void after_unsubscribe_the_function_is_not_running(void **state)
{
    struct lab *lab = *state;
    station here = {.lab = lab};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, publish_until_closed, &here), 0);
    for (size_t i = 0; i < lab_scaled(2000); i++) {
        gr_subscription *subscription = NULL;
        int *count = calloc(1, sizeof(*count));

        assert_non_null(count);
        assert_int_equal(
            gr_subscribe(lab->sys, &weather_type, on_event_count, count, &subscription), GR_OK);
        subscription = gr_unsubscribe(subscription);
        (void)*count;
        free(count);
    }
    /* Relaxed: only ends the loop. */
    atomic_store_explicit(&here.closing, true, memory_order_relaxed);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void no_subscription_is_fine_to_end(void **state)
{
    (void)state;
    assert_null(gr_unsubscribe(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r30_a_subscriber_sees_its_type_only_or_all),
        LAB_BOTH(r30_a_subscriber_may_leave_from_inside),
        LAB_BOTH(r30_a_subscriber_may_end_another_from_inside),
        LAB_BOTH(r30_a_subscriber_may_publish),
        LAB_BOTH(r30_a_subscriber_may_subscribe_another),
        LAB_BOTH(r30_a_handler_may_publish),
        LAB_BOTH(r30_a_subscribing_actor_that_dies_harms_nobody),
        LAB_BOTH(r30_a_subscriber_that_would_wait_gets_an_error),
        LAB_BOTH(r30_a_subscriber_that_panics_harms_nobody_but_the_publisher),
        LAB_BOTH(r30_a_panic_inside_two_publishings_ends_both),
        LAB_BOTH(after_the_panic_of_a_subscriber_its_worker_may_wait),
        LAB_THREADS(an_unsubscribe_does_not_wait_for_calls_of_others),
        LAB_THREADS(after_unsubscribe_the_function_is_not_running),
        LAB_STEPPED(no_subscription_is_fine_to_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
