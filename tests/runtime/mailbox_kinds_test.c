/*
 * Mailboxes of other kinds: those that drop their oldest, those without a limit, those emptied by priority. Behaviour r29.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

static gr_err act_wait_for(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)ctx;
    lab_note(lab, "busy");
    err = gr_await(arg, GR_FOREVER, &reply);
    (void)gr_msg_unref(reply);
    (void)gr_future_unref(arg);
    return err == GR_ESTOPPED || err == GR_ERESTARTED ? GR_OK : err;
}

/* Keeps a probe waiting on its fiber until the future is complete. */
static gr_future *occupy(struct lab *lab, gr_pid pid)
{
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, pid, act_wait_for, gr_future_ref(future));
    lab_wait(lab, "busy");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    return future;
}

static void let_go(gr_future *take_future)
{
    assert_int_equal(gr_future_complete(take_future, lab_word_new(0)), GR_OK);
    (void)gr_future_unref(take_future);
}

/* The level of a word is its last digit; whatever else there is comes first. */
static uint8_t last_digit(const gr_msg *msg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    return word == NULL ? 0 : (uint8_t)(word->number % 10);
}

static gr_pid spawn_kind(struct lab *lab, gr_mailbox_kind kind, uint32_t limit)
{
    gr_props props = lab_probe_props(lab, "a");

    props.mailbox = kind;
    props.mailbox_limit = limit;
    props.priority = kind == GR_MAILBOX_PRIORITY ? last_digit : NULL;
    return lab_spawn_props(lab, &props, "a");
}

/* ---- drop the oldest */

static void r29_a_mailbox_that_drops_the_oldest_keeps_the_newest_and_says_so(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_kind(lab, GR_MAILBOX_DROP_OLDEST, 3);
    gr_future *future = occupy(lab, pid);

    for (int64_t i = 1; i <= 10; i++) {
        lab_tell(lab, pid, i);
    }
    assert_int_equal(lab_dead(lab), 7);
    assert_int_equal(lab_dead_at(lab, 0).cause, GR_DEAD_DROPPED);
    assert_true(gr_pid_equal(lab_dead_at(lab, 0).to, pid));
    assert_int_equal(gr_system_counters(lab->sys).dropped, 7);
    assert_int_equal(gr_system_counters(lab->sys).refused, 0);
    let_go(future);
    lab_wait(lab, "a 10");
    lab_assert_notes(lab, "a ", "a started|a 8|a 9|a 10");
}

static void r29_who_asked_is_told_when_its_request_is_dropped(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_kind(lab, GR_MAILBOX_DROP_OLDEST, 1);
    gr_future *future = occupy(lab, pid);
    gr_future *asked = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_request_future(lab->sys, pid, lab_word_new(1), GR_FOREVER, &asked), GR_OK);
    assert_false(gr_future_ready(asked));
    lab_tell(lab, pid, 2);
    assert_int_equal(gr_await(asked, GR_FOREVER, &reply), GR_EFULL);
    asked = gr_future_unref(asked);
    let_go(future);
    lab_wait(lab, "a 2");
}

static void r29_what_is_no_users_message_is_never_dropped(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_kind(lab, GR_MAILBOX_DROP_OLDEST, 2);
    gr_pid watched = lab_spawn(lab, "b");
    gr_future *future = NULL;

    assert_int_equal(lab_make(lab, pid, lab_act_watch, &watched), GR_OK);
    future = occupy(lab, pid);
    lab_tell(lab, pid, 1);
    gr_send_stop(lab->sys, watched);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    for (int64_t i = 2; i <= 9; i++) {
        lab_tell(lab, pid, i);
    }
    gr_send_poison(lab->sys, pid);
    lab_tell(lab, pid, 10);
    let_go(future);
    lab_wait(lab, "a stopped stopped");
    assert_int_equal(lab_count(lab, "a sees stopped"), 1);
    assert_int_equal(lab_count(lab, "a 10"), 0);
}

typedef struct flood {
    gr_pid to;
    size_t count;
    atomic_size_t *sent;
} flood;

static gr_err act_flood(gr_context *ctx, struct lab *lab, void *arg)
{
    const flood *mine = arg;

    (void)lab;
    for (size_t i = 0; i < mine->count; i++) {
        lab_require(gr_send(gr_context_system(ctx), mine->to, lab_word_new((int64_t)i)) == GR_OK);
        /* Relaxed: a plain count. */
        atomic_fetch_add_explicit(mine->sent, 1, memory_order_relaxed);
    }
    return GR_OK;
}

static gr_err count_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)msg;
    atomic_fetch_add_explicit((atomic_size_t *)state, 1, memory_order_relaxed); /* a plain count */
    return GR_OK;
}

static void r29_under_a_flood_each_message_is_handled_or_dropped_exactly_once(void **state)
{
    enum { FLOODS = 4 };
    struct lab *lab = *state;
    atomic_size_t *handled = lab_own(lab, sizeof(*handled));
    atomic_size_t *sent = lab_own(lab, sizeof(*sent));
    gr_props props = {.receive = count_receive,
                      .arg = handled,
                      .mailbox = GR_MAILBOX_DROP_OLDEST,
                      .mailbox_limit = 8};
    gr_pid to = lab_spawn_props(lab, &props, NULL);
    size_t each = lab_scaled(lab->stepped != NULL ? 2000 : 20000);
    flood *floods = lab_own(lab, FLOODS * sizeof(*floods));

    for (size_t i = 0; i < FLOODS; i++) {
        gr_props sender = lab_probe_props(lab, "s");

        floods[i] = (flood){to, each, sent};
        lab_do(lab, lab_spawn_props(lab, &sender, NULL), act_flood, &floods[i]);
    }
    /* Relaxed: plain counts. */
    LAB_EVENTUALLY(lab, atomic_load_explicit(sent, memory_order_relaxed) == FLOODS * each &&
                            atomic_load_explicit(handled, memory_order_relaxed) +
                                    gr_system_counters(lab->sys).dropped ==
                                FLOODS * each);
    assert_int_equal(lab_dead(lab), gr_system_counters(lab->sys).dropped);
}

static void r29_an_actor_that_ends_under_a_flood_leaves_nothing_behind(void **state)
{
    struct lab *lab = *state;
    atomic_size_t *handled = lab_own(lab, sizeof(*handled));
    size_t rounds = lab_scaled(300);

    for (size_t round = 0; round < rounds; round++) {
        gr_props props = {.receive = count_receive,
                          .arg = handled,
                          .mailbox = GR_MAILBOX_DROP_OLDEST,
                          .mailbox_limit = 2};
        gr_pid to = lab_spawn_props(lab, &props, NULL);

        for (int i = 0; i < 100; i++) {
            gr_err err = gr_send(lab->sys, to, lab_word_new(i));

            assert_true(err == GR_OK || err == GR_EDEAD);
            if (i == 50) {
                gr_send_stop(lab->sys, to);
            }
        }
    }
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    /* Relaxed: a plain count. */
    LAB_EVENTUALLY(lab, atomic_load_explicit(handled, memory_order_relaxed) + lab_dead(lab) ==
                            rounds * 100);
}

/* ---- without a limit */

static void r29_an_unbounded_mailbox_is_never_full(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_kind(lab, GR_MAILBOX_UNBOUNDED, 0);
    gr_future *future = occupy(lab, pid);
    int64_t count = (int64_t)lab_scaled(GR_MAILBOX_LIMIT_MAX + 100000);

    for (int64_t i = 1; i < count; i++) {
        assert_int_equal(gr_send(lab->sys, pid, gr_msg_new(&lab_word_type)), GR_OK);
    }
    lab_tell(lab, pid, count);
    assert_int_equal(gr_system_counters(lab->sys).refused, 0);
    assert_int_equal(lab_dead(lab), 0);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "a stopped stopped");
    (void)gr_future_unref(future);
}

/* ---- by priority */

static void r29_priority_orders_by_level_and_by_age_inside_it(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_kind(lab, GR_MAILBOX_PRIORITY, 100);
    gr_future *future = occupy(lab, pid);
    const int64_t order[] = {17, 12, 22, 15, 10, 27, 20, 32, 30, 99};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        lab_tell(lab, pid, order[i]);
    }
    let_go(future);
    lab_wait(lab, "a 99");
    lab_assert_notes(lab, "a ", "a started|a 10|a 20|a 30|a 12|a 22|a 32|a 15|a 17|a 27|a 99");
}

/* Tells itself more in the turn of its first message. */
static gr_err act_tell_more(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_system *sys = gr_context_system(ctx);

    (void)lab;
    (void)arg;
    lab_require(gr_send(sys, gr_context_self(ctx), lab_word_new(21)) == GR_OK);
    lab_require(gr_send(sys, gr_context_self(ctx), lab_word_new(26)) == GR_OK);
    return GR_OK;
}

static void r29_what_comes_later_overtakes_what_is_less_urgent(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_kind(lab, GR_MAILBOX_PRIORITY, 100);
    gr_future *future = occupy(lab, pid);

    lab_tell(lab, pid, 15);
    lab_tell(lab, pid, 16);
    lab_do(lab, pid, act_tell_more, NULL);
    let_go(future);
    lab_wait(lab, "a 26");
    lab_assert_notes(lab, "a ", "a started|a 21|a 15|a 16|a 26");
}

static void r29_priority_refuses_at_its_limit_and_keeps_its_order_over_a_restart(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_kind(lab, GR_MAILBOX_PRIORITY, 4);
    gr_future *future = occupy(lab, pid);

    lab_do(lab, pid, lab_act_fail, NULL);
    lab_tell(lab, pid, 13);
    lab_tell(lab, pid, 12);
    lab_tell(lab, pid, 11);
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(10)), GR_EFULL);
    let_go(future);
    lab_wait(lab, "a 13");
    lab_assert_notes(lab, "a ", "a started|a stopped restarting|a started|a 11|a 12|a 13");
}

static void r03_poison_comes_after_all_that_was_sent_before_whatever_its_level(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_kind(lab, GR_MAILBOX_PRIORITY, 100);
    gr_future *future = occupy(lab, pid);

    lab_tell(lab, pid, 17);
    gr_send_poison(lab->sys, pid);
    let_go(future);
    lab_wait(lab, "a stopped stopped");
    lab_assert_notes(lab, "a ", "a started|a 17|a stopped stopped");
}

/* ---- bad props */

static void refused(struct lab *lab, const gr_props *props, const char *why)
{
    gr_pid pid;

    assert_int_equal(gr_spawn(lab->sys, props, NULL, &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, why));
}

static void wrong_mailboxes_are_refused_naming_what_is_wrong(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");

    props.mailbox = (gr_mailbox_kind)9;
    refused(lab, &props, "mailbox 9");
    props.mailbox = GR_MAILBOX_UNBOUNDED;
    props.mailbox_limit = 5;
    refused(lab, &props, "mailbox_limit 5 with GR_MAILBOX_UNBOUNDED");
    props.mailbox = GR_MAILBOX_PRIORITY;
    refused(lab, &props, "needs a `priority`");
    props.mailbox = GR_MAILBOX_REFUSE;
    props.priority = last_digit;
    refused(lab, &props, "GR_MAILBOX_PRIORITY only");
    props.priority = NULL;
    props.mailbox_limit = GR_MAILBOX_LIMIT_MAX + 1;
    refused(lab, &props, "GR_MAILBOX_UNBOUNDED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r29_a_mailbox_that_drops_the_oldest_keeps_the_newest_and_says_so),
        LAB_BOTH(r29_who_asked_is_told_when_its_request_is_dropped),
        LAB_BOTH(r29_what_is_no_users_message_is_never_dropped),
        LAB_BOTH(r29_under_a_flood_each_message_is_handled_or_dropped_exactly_once),
        LAB_BOTH(r29_an_actor_that_ends_under_a_flood_leaves_nothing_behind),
        LAB_BOTH(r29_an_unbounded_mailbox_is_never_full),
        LAB_BOTH(r29_priority_orders_by_level_and_by_age_inside_it),
        LAB_BOTH(r29_what_comes_later_overtakes_what_is_less_urgent),
        LAB_BOTH(r29_priority_refuses_at_its_limit_and_keeps_its_order_over_a_restart),
        LAB_BOTH(r03_poison_comes_after_all_that_was_sent_before_whatever_its_level),
        LAB_STEPPED(wrong_mailboxes_are_refused_naming_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
