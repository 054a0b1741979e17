/*
 * Actors that subscribe to events: what they get, when it is lost, and how their subscriptions end. Behaviours r30 and r36.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

#include <gri/mem.h>

#include "tree.pb-c.h"

typedef struct weather {
    int degrees;
} weather;

static void drop_nothing(void *payload)
{
    (void)payload;
}

static const gr_type weather_type = GR_TYPE(weather);
static const gr_type dropping_type = {"dropping", sizeof(int), drop_nothing, NULL, NULL};
static const gr_type tree_type = GR_PROTO_TYPE("lab.Tree", Lab__Tree, lab__tree__descriptor);

/* An actor that notes the weather; in its own turn it may unsubscribe, publish or subscribe. */
typedef struct listener {
    struct lab *lab;
    const char *name;
    gr_subscription *subscription;
    bool leaves;     /* unsubscribes itself at the first event */
    bool publishes;  /* a warmer weather, while it is below 3 */
    bool subscribes; /* in its started hook */
} listener;

static gr_err listener_started(gr_context *ctx, void *state)
{
    listener *me = state;

    return me->subscribes ? gr_subscribe_actor(gr_context_system(ctx), &weather_type, NULL, NULL,
                                               gr_context_self(ctx), NULL)
                          : GR_OK;
}

static gr_err listener_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    listener *me = state;
    const weather *now = gr_msg_read(msg, &weather_type);
    const Lab__Tree *tree = gr_msg_read(msg, &tree_type);
    const gr_dead_letter *letter = gr_msg_read(msg, &gr_dead_letter_type);
    const lab_act *act = gr_msg_read(msg, &lab_act_type);

    if (act != NULL) {
        gr_err err = act->fn(ctx, me->lab, act->arg);

        return err == GR_OK ? gr_respond(ctx, lab_word_new(0)) : err;
    }
    if (now != NULL) {
        lab_note(me->lab, "%s %d", me->name, now->degrees);
        lab_require(gr_pid_is_null(gr_msg_sender(msg)));
        if (me->publishes && now->degrees < 3) {
            gr_publish(me->lab->sys, &weather_type, &(weather){now->degrees + 1});
        }
        if (me->leaves) {
            me->subscription = gr_unsubscribe(me->subscription);
        }
    } else if (tree != NULL) {
        lab_note(me->lab, "%s %s", me->name, tree->name);
    } else if (letter != NULL) {
        lab_note(me->lab, "%s dead %s", me->name, letter->message_type);
    }
    return GR_OK;
}

static gr_pid spawn_listener(listener *me, uint32_t mailbox_limit)
{
    gr_props props = {.started = listener_started,
                      .receive = listener_receive,
                      .arg = me,
                      .mailbox_limit = mailbox_limit};

    return lab_spawn_props(me->lab, &props, me->name);
}

static listener *new_listener(struct lab *lab, const char *name)
{
    listener *me = lab_own(lab, sizeof(*me));

    me->lab = lab;
    me->name = name;
    return me;
}

static void publish(struct lab *lab, int degrees)
{
    gr_publish(lab->sys, &weather_type, &(weather){degrees});
}

static gr_err do_nothing(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    (void)lab;
    (void)arg;
    return GR_OK;
}

static void subscribe(listener *me, gr_pid pid)
{
    assert_int_equal(
        gr_subscribe_actor(me->lab->sys, &weather_type, NULL, NULL, pid, &me->subscription), GR_OK);
}

static bool is_warm(void *arg, const gr_type *type, const void *event)
{
    lab_require(type == &weather_type);
    return ((const weather *)event)->degrees >= *(const int *)arg;
}

static void r30_an_actor_gets_the_events_that_its_filter_lets_through(void **state)
{
    struct lab *lab = *state;
    listener *all = new_listener(lab, "all");
    listener *some = new_listener(lab, "some");
    gr_pid all_pid = spawn_listener(all, 0);
    gr_pid some_pid = spawn_listener(some, 0);
    int warm = 20;

    subscribe(all, all_pid);
    assert_int_equal(
        gr_subscribe_actor(lab->sys, &weather_type, is_warm, &warm, some_pid, &some->subscription),
        GR_OK);
    publish(lab, 10);
    publish(lab, 20);
    publish(lab, 5);
    publish(lab, 30);
    gr_publish(lab->sys, &lab_word_type, &(lab_word){.number = 1}); /* another type */
    assert_int_equal(lab_make(lab, all_pid, do_nothing, NULL), GR_OK);
    assert_int_equal(lab_make(lab, some_pid, do_nothing, NULL), GR_OK);
    lab_assert_notes(lab, "all", "all 10|all 20|all 5|all 30");
    lab_assert_notes(lab, "some", "some 20|some 30");
    all->subscription = gr_unsubscribe(all->subscription);
    publish(lab, 40);
    assert_int_equal(lab_make(lab, all_pid, do_nothing, NULL), GR_OK);
    assert_int_equal(lab_count(lab, "all 40"), 0);
    some->subscription = gr_unsubscribe(some->subscription);
}

static void r30_a_protobuf_event_is_copied_with_all_it_refers_to(void **state)
{
    struct lab *lab = *state;
    listener *me = new_listener(lab, "me");
    gr_pid pid = spawn_listener(me, 0);
    Lab__Tree tree = LAB__TREE__INIT;
    char name[] = "oak";

    assert_int_equal(gr_subscribe_actor(lab->sys, &tree_type, NULL, NULL, pid, NULL), GR_OK);
    tree.name = name;
    gr_publish(lab->sys, &tree_type, &tree);
    memset(name, 'x', sizeof(name) - 1);
    assert_int_equal(lab_make(lab, pid, do_nothing, NULL), GR_OK);
    lab_assert_notes(lab, "me", "me oak");
}

static void r30_an_actor_may_unsubscribe_and_publish_in_its_handler(void **state)
{
    struct lab *lab = *state;
    listener *leaver = new_listener(lab, "leaver");
    listener *echo = new_listener(lab, "echo");
    gr_pid leaver_pid = spawn_listener(leaver, 0);
    gr_pid echo_pid = spawn_listener(echo, 0);

    leaver->leaves = true;
    echo->publishes = true;
    subscribe(leaver, leaver_pid);
    subscribe(echo, echo_pid);
    publish(lab, 1);
    lab_wait(lab, "echo 3");
    lab_wait(lab, "leaver 1");
    publish(lab, 9);
    lab_wait(lab, "echo 9");
    assert_int_equal(lab_make(lab, leaver_pid, do_nothing, NULL), GR_OK);
    assert_int_equal(lab_count(lab, "leaver 9"), 0);
    lab_assert_notes(lab, "echo", "echo 1|echo 2|echo 3|echo 9");
    echo->subscription = gr_unsubscribe(echo->subscription);
}

static void r30_a_subscription_ends_with_its_actor(void **state)
{
    struct lab *lab = *state;
    listener *held = new_listener(lab, "held");
    listener *plain = new_listener(lab, "plain");
    gr_pid held_pid = spawn_listener(held, 0);
    gr_pid plain_pid = spawn_listener(plain, 0);

    subscribe(held, held_pid);
    assert_int_equal(gr_subscribe_actor(lab->sys, &weather_type, NULL, NULL, plain_pid, NULL),
                     GR_OK);
    gr_send_stop(lab->sys, held_pid);
    gr_send_stop(lab->sys, plain_pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    publish(lab, 1);
    assert_int_equal(lab_dead(lab), 0); /* nobody sends to them any more */
    held->subscription = gr_unsubscribe(held->subscription);
    assert_null(held->subscription);
    assert_int_equal(gr_subscribe_actor(lab->sys, &weather_type, NULL, NULL, plain_pid, NULL),
                     GR_EDEAD);
}

static void r30_an_actor_that_subscribes_in_its_started_hook_does_so_once(void **state)
{
    struct lab *lab = *state;
    listener *me = new_listener(lab, "me");
    gr_pid pid;

    me->subscribes = true;
    pid = spawn_listener(me, 0);
    assert_int_equal(lab_make(lab, pid, lab_act_fail, NULL), GR_EFAILED); /* and is restarted */
    publish(lab, 1);
    assert_int_equal(lab_make(lab, pid, do_nothing, NULL), GR_OK);
    assert_int_equal(gr_system_counters(lab->sys).restarts, 1);
    lab_assert_notes(lab, "me", "me 1");
}

static void r30_a_full_mailbox_loses_the_event_as_a_dead_letter(void **state)
{
    struct lab *lab = *state;
    listener *me = new_listener(lab, "me");
    listener *other = new_listener(lab, "other");
    gr_pid pid = spawn_listener(me, 2);
    gr_pid other_pid = spawn_listener(other, 0);

    lab_run(lab);
    subscribe(me, pid);
    subscribe(other, other_pid);
    for (int i = 0; i < 5; i++) {
        publish(lab, i);
    }
    lab_run(lab);
    lab_assert_notes(lab, "me", "me 0|me 1");
    lab_assert_notes(lab, "other", "other 0|other 1|other 2|other 3|other 4");
    assert_int_equal(lab_dead(lab), 3);
    assert_int_equal(gr_system_counters(lab->sys).refused, 3);
    assert_int_equal(gr_system_counters(lab->sys).dead_letters, 3);
    assert_string_equal(lab_dead_at(lab, 0).message_type, "weather");
    me->subscription = gr_unsubscribe(me->subscription);
    other->subscription = gr_unsubscribe(other->subscription);
}

static void r30_a_subscriber_full_of_dead_letters_is_no_reason_for_more(void **state)
{
    struct lab *lab = *state;
    listener *me = new_listener(lab, "me");
    gr_pid pid = spawn_listener(me, 1);

    lab_run(lab);
    assert_int_equal(gr_subscribe_actor(lab->sys, &gr_dead_letter_type, NULL, NULL, pid, NULL),
                     GR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gr_send(lab->sys, pid, lab_word_new(1)), i == 0 ? GR_OK : GR_EFULL);
    }
    assert_int_equal(lab_dead(lab), 2); /* published: the words */
    assert_int_equal(gr_system_counters(lab->sys).dead_letters, 4);
    lab_run(lab);
    gr_send_stop(lab->sys, lab_spawn(lab, "gone"));
    lab_run(lab);
}

static void the_error_of_a_publisher_stays_what_it_was(void **state)
{
    struct lab *lab = *state;
    listener *me = new_listener(lab, "me");
    gr_pid pid = spawn_listener(me, 1);

    lab_run(lab);
    subscribe(me, pid);
    publish(lab, 1);
    (void)gr_fail(GR_EREFUSED, "the publisher's own");
    publish(lab, 2); /* is refused */
    assert_int_equal(gr_last_error()->code, GR_EREFUSED);
    assert_string_equal(gr_last_error()->text, "the publisher's own");
    me->subscription = gr_unsubscribe(me->subscription);
}

static void expect_invalid(struct lab *lab, const gr_type *type, gr_pid pid, const char *words)
{
    gr_subscription *subscription = NULL;

    assert_int_equal(gr_subscribe_actor(lab->sys, type, NULL, NULL, pid, &subscription), GR_EINVAL);
    if (strstr(gr_last_error()->text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", gr_last_error()->text, words);
    }
    assert_null(subscription);
}

static void what_cannot_be_subscribed_is_refused(void **state)
{
    static const gr_codec codec = {.version = GR_CODEC_VERSION};
    static const gr_type coded_type = {"coded", sizeof(int), NULL, &codec, NULL};
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_pid abroad = {gr_system_node(lab->sys) + 1, 20, 1};
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    expect_invalid(lab, NULL, pid, "one type");
    expect_invalid(lab, &dropping_type, pid, "type dropping cannot be copied");
    expect_invalid(lab, &dropping_type, pid, "a drop function");
    expect_invalid(lab, &coded_type, pid, "a codec of its own");
    expect_invalid(lab, &weather_type, gr_pid_null(), "no actor of this system");
    expect_invalid(lab, &weather_type, abroad, "no actor of this system");
    expect_invalid(lab, &weather_type, gr_future_pid(future), "no actor of this system");
    future = gr_future_unref(future);
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
        publish(me->lab, 1);
    }
    return NULL;
}

static gr_err swallow(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

static void r30_subscribers_come_and_end_while_others_publish(void **state)
{
    struct lab *lab = *state;
    station here = {.lab = lab};
    gr_props props = {.receive = swallow};
    pthread_t threads[2];

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, publish_until_closed, &here), 0);
    }
    for (size_t i = 0; i < lab_scaled(3000); i++) {
        gr_pid pid = lab_spawn_props(lab, &props, NULL);
        gr_subscription *subscription = NULL;
        gr_err err = gr_subscribe_actor(lab->sys, &weather_type, NULL, NULL, pid,
                                        i % 3 == 0 ? NULL : &subscription);

        assert_int_equal(err, GR_OK);
        if (i % 3 == 1) {
            subscription = gr_unsubscribe(subscription);
        }
        gr_send_stop(lab->sys, pid);
        if (i % 2 == 0) { /* ended or about to */
            err = gr_subscribe_actor(lab->sys, &weather_type, NULL, NULL, pid, NULL);
            assert_true(err == GR_OK || err == GR_EDEAD);
        }
        subscription = gr_unsubscribe(subscription);
    }
    /* Relaxed: only ends the loop. */
    atomic_store_explicit(&here.closing, true, memory_order_relaxed);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(gr_subscribe_actor(lab->sys, &weather_type, NULL, NULL, gr_pid_null(), NULL),
                     GR_EINVAL);
}

/* ---- memory runs out */

static size_t dead_events;

static void count_dead(void *arg, const gr_type *type, const void *event)
{
    const gr_dead_letter *letter = event;

    (void)arg;
    (void)type;
    dead_events += strcmp(letter->message_type, "weather") == 0;
}

static gr_err count_handled(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    *(size_t *)state += gr_msg_read(msg, &weather_type) != NULL;
    return GR_OK;
}

static void r36_each_allocation_fails_for_an_actor_that_subscribes(void **state)
{
    enum { EVENTS = 3, NTH_MAX = 1000 };
    uint64_t nth = 0, counted = 0;

    (void)state;
    do {
        gr_stepped *stepped = NULL;
        gr_system *sys = NULL;
        gr_subscription *dead = NULL, *subscription = NULL;
        size_t handled = 0, expected = 0;
        gr_props props = {.receive = count_handled, .arg = &handled};
        gr_pid pid = gr_pid_null();
        gr_err err[2];

        nth++;
        assert_true(nth < NTH_MAX);
        dead_events = 0;
        assert_int_equal(gr_stepped_new(1, &stepped), GR_OK);
        assert_int_equal(gr_system_new(&(gr_system_options){.stepped = stepped}, &sys), GR_OK);
        assert_int_equal(gr_spawn(sys, &props, NULL, &pid), GR_OK);
        assert_int_equal(gr_subscribe(sys, &gr_dead_letter_type, count_dead, NULL, &dead), GR_OK);
        gri_mem_fail_nth(nth);
        err[0] = gr_subscribe_actor(sys, &weather_type, NULL, NULL, pid, NULL);
        err[1] = gr_subscribe_actor(sys, &weather_type, NULL, NULL, pid, &subscription);
        for (int i = 0; i < EVENTS; i++) {
            gr_publish(sys, &weather_type, &(weather){i});
        }
        gr_stepped_run_until_idle(stepped);
        counted = gri_mem_count();
        gri_mem_fail_nth(0);
        for (size_t i = 0; i < 2; i++) {
            assert_true(err[i] == GR_OK || err[i] == GR_ENOMEM);
            expected += err[i] == GR_OK ? EVENTS : 0;
        }
        assert_int_equal(handled + dead_events, expected);
        gr_send_stop(sys, pid);
        gr_stepped_run_until_idle(stepped);
        dead_events = 0;
        gr_publish(sys, &weather_type, &(weather){0});
        assert_int_equal(dead_events, 0); /* it has been unsubscribed */
        subscription = gr_unsubscribe(subscription);
        dead = gr_unsubscribe(dead);
        sys = gr_system_free(sys);
        stepped = gr_stepped_free(stepped);
    } while (counted >= nth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r30_an_actor_gets_the_events_that_its_filter_lets_through),
        LAB_BOTH(r30_a_protobuf_event_is_copied_with_all_it_refers_to),
        LAB_BOTH(r30_an_actor_may_unsubscribe_and_publish_in_its_handler),
        LAB_BOTH(r30_a_subscription_ends_with_its_actor),
        LAB_BOTH(r30_an_actor_that_subscribes_in_its_started_hook_does_so_once),
        LAB_STEPPED(r30_a_full_mailbox_loses_the_event_as_a_dead_letter),
        LAB_STEPPED(r30_a_subscriber_full_of_dead_letters_is_no_reason_for_more),
        LAB_STEPPED(the_error_of_a_publisher_stays_what_it_was),
        LAB_BOTH(what_cannot_be_subscribed_is_refused),
        LAB_THREADS(r30_subscribers_come_and_end_while_others_publish),
        cmocka_unit_test(r36_each_allocation_fails_for_an_actor_that_subscribes),
    };

    return cmocka_run_group_tests_name("event_actor", tests, NULL, NULL);
}
