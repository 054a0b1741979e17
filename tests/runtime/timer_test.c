/*
 * Timers of actors: once, again and again, cancelled, gone with their owner. Behaviour r22. Stepped, on virtual time, and a few on threads to see that real time moves
 * them too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

typedef struct plan {
    int64_t delay_ms;
    int64_t period_ms;
    int64_t number;
    gr_timer_id timer;
} plan;

static gr_err act_start(gr_context *ctx, struct lab *lab, void *arg)
{
    plan *p = arg;

    (void)lab;
    return gr_timer_start(ctx, p->delay_ms, p->period_ms, lab_word_new(p->number), &p->timer);
}

static gr_err act_cancel(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    gr_timer_cancel(ctx, ((plan *)arg)->timer);
    return GR_OK;
}

/* Notes each word with the virtual time since the system's first millisecond in the test. */
typedef struct diary {
    struct lab *lab;
    int64_t zero_ms;
} diary;

static gr_err diary_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const diary *book = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    if (act != NULL) {
        gr_err err = act->fn(ctx, book->lab, act->arg);
        return err == GR_OK && !gr_pid_is_null(gr_context_sender(ctx))
                   ? gr_respond(ctx, lab_word_new(0))
                   : err;
    }
    lab_note(book->lab, "%lld at %lld", (long long)word->number,
             (long long)(gr_system_now(gr_context_system(ctx)) - book->zero_ms));
    return GR_OK;
}

static gr_pid spawn_diary(struct lab *lab)
{
    diary *book = lab_own(lab, sizeof(*book));
    gr_props props = {.type_name = "diary", .receive = diary_receive, .arg = book};

    book->lab = lab;
    book->zero_ms = gr_system_now(lab->sys);
    return lab_spawn_props(lab, &props, NULL);
}

static void r22_a_timer_without_a_period_fires_once(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan once = {50, 0, 1, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &once), GR_OK);
    assert_true(once.timer.number != 0);
    lab_advance(lab, 49);
    lab_assert_notes(lab, "1 at", "");
    lab_advance(lab, 1);
    lab_assert_notes(lab, "1 at", "1 at 50");
    lab_advance(lab, 1000);
    lab_assert_notes(lab, "1 at", "1 at 50");
    assert_int_equal(gr_stepped_next_ms(lab->stepped), INT64_MAX);
}

static void r22_a_repeating_timer_does_not_drift(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan often = {10, 7, 2, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    for (int i = 0; i < 40; i++) {
        lab_advance(lab, 1);
    }
    lab_assert_notes(lab, "2 at", "2 at 10|2 at 17|2 at 24|2 at 31|2 at 38");
    lab_advance(lab, 14); /* in one step: each tick at its own time */
    lab_assert_notes(lab, "2 at", "2 at 10|2 at 17|2 at 24|2 at 31|2 at 38|2 at 45|2 at 52");
}

/* All ticks of a number that the diary has, whenever they came. */
static size_t ticks_of(struct lab *lab, int64_t number, int64_t until_ms)
{
    size_t ticks = 0;

    for (int64_t at = 0; at <= until_ms; at++) {
        char note[48];

        (void)snprintf(note, sizeof(note), "%lld at %lld", (long long)number, (long long)at);
        ticks += lab_count(lab, note);
    }
    return ticks;
}

static void r22_ticks_missed_in_a_pause_are_one(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan often = {10, 10, 9, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    lab_advance(lab, 10);
    gr_stepped_stall(lab->sys, true);
    lab_advance(lab, 3005);
    gr_stepped_stall(lab->sys, false);
    lab_advance(lab, 15); /* now 3030 */
    lab_assert_notes(lab, "9 at", "9 at 10|9 at 3015|9 at 3020|9 at 3030");
}

static gr_err act_await(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);

    (void)ctx;
    (void)lab;
    (void)gr_msg_unref(reply);
    return err;
}

static void r22_a_slow_actor_finds_one_tick_and_the_next_on_the_grid(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan often = {10, 10, 9, {0}};
    plan other = {10, 25, 8, {0}};
    gr_future *gate = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &gate), GR_OK);
    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    assert_int_equal(lab_make(lab, pid, act_start, &other), GR_OK);
    lab_advance(lab, 15);
    lab_do(lab, pid, act_await, gate);
    lab_advance(lab, 1000); /* a hundred ticks */
    lab_assert_notes(lab, "9 at", "9 at 10");
    assert_int_equal(gr_future_complete(gate, lab_word_new(0)), GR_OK);
    lab_advance(lab, 10); /* now 1025 */
    lab_assert_notes(lab, "9 at", "9 at 10|9 at 1015|9 at 1020");
    lab_assert_notes(lab, "8 at", "8 at 10|8 at 1015"); /* each timer has its own */
    lab_advance(lab, 10);
    lab_assert_notes(lab, "8 at", "8 at 10|8 at 1015|8 at 1035");
    gate = gr_future_unref(gate);
}

static void r22_a_tick_that_waits_outlives_its_timer(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan often = {10, 10, 9, {0}};
    gr_future *gate = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &gate), GR_OK);
    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    lab_do(lab, pid, act_await, gate);
    lab_run(lab);
    lab_do(lab, pid, act_cancel, &often); /* before the tick in the mailbox */
    lab_advance(lab, 25);
    assert_int_equal(gr_future_complete(gate, lab_word_new(0)), GR_OK);
    lab_advance(lab, 100);
    lab_assert_notes(lab, "9 at", "9 at 25");
    assert_int_equal(gr_stepped_next_ms(lab->stepped), INT64_MAX);
    gate = gr_future_unref(gate);
}

/* Keeps every tick it gets. */
typedef struct hoard {
    struct lab *lab;
    gr_msg *kept[8];
    size_t count;
    gr_msg *shared; /* for two timers */
} hoard;

static gr_err hoarder_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    hoard *mine = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);
    gr_timer_id timer;

    if (act != NULL) {
        lab_require(gr_timer_start(ctx, 10, 10, gr_msg_ref(mine->shared), &timer) == GR_OK);
        lab_require(gr_timer_start(ctx, 10, 10, gr_msg_ref(mine->shared), &timer) == GR_OK);
    } else if (mine->count < 8) {
        mine->kept[mine->count++] = gr_msg_ref(msg);
    }
    return GR_OK;
}

static void r22_ticks_that_are_kept_and_messages_of_two_timers_do_no_harm(void **state)
{
    struct lab *lab = *state;
    hoard mine = {.lab = lab, .shared = lab_word_new(1)};
    gr_props props = {.receive = hoarder_receive, .arg = &mine};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);

    lab_do(lab, pid, NULL, NULL);
    lab_advance(lab, 30);
    assert_int_equal(mine.count, 6);
    gr_send_stop(lab->sys, pid);
    lab_advance(lab, 30);
    for (size_t i = 0; i < mine.count; i++) {
        assert_int_equal(((const lab_word *)gr_msg_read(mine.kept[i], &lab_word_type))->number, 1);
        (void)gr_msg_unref(mine.kept[i]);
    }
    (void)gr_msg_unref(mine.shared);
}

static void r22_a_huge_period_is_as_good_as_never(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan rare = {10, GR_FOREVER, 1, {0}};
    plan rarer = {10, INT64_MAX - 2000000, 2, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &rare), GR_OK);
    assert_int_equal(lab_make(lab, pid, act_start, &rarer), GR_OK);
    lab_advance(lab, 10);
    assert_true(gr_stepped_next_ms(lab->stepped) > gr_system_now(lab->sys));
    lab_advance(lab, INT64_C(1000) * 86400 * 3650);
    lab_assert_notes(lab, "1 at", "1 at 10");
    lab_assert_notes(lab, "2 at", "2 at 10");
}

static void r22_a_stalled_system_does_not_shift_the_ticks(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan often = {10, 10, 3, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    lab_advance(lab, 10);
    gr_stepped_stall(lab->sys, true);
    lab_advance(lab, 35);
    lab_assert_notes(lab, "3 at", "3 at 10");
    gr_stepped_stall(lab->sys, false);
    lab_advance(lab, 15); /* now 60; the ticks at 50 and 60 come at their times */
    assert_int_equal(lab_count(lab, "3 at 50"), 1);
    assert_int_equal(lab_count(lab, "3 at 60"), 1);
    assert_int_equal(ticks_of(lab, 3, 60), 4); /* one for all that were missed */
}

static void r22_a_timer_cancelled_before_its_first_tick_sends_nothing(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan often = {10, 10, 4, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    lab_advance(lab, 9);
    assert_int_equal(lab_make(lab, pid, act_cancel, &often), GR_OK);
    lab_advance(lab, 100);
    lab_assert_notes(lab, "4 at", "");
    assert_int_equal(gr_stepped_next_ms(lab->stepped), INT64_MAX);
    assert_int_equal(lab_make(lab, pid, act_cancel, &often), GR_OK); /* an ended timer is fine */
    assert_int_equal(lab_make(lab, pid, act_cancel, &(plan){0, 0, 0, {0}}), GR_OK);
}

static void r22_a_repeating_timer_is_cancelled_between_ticks(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan often = {10, 10, 5, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    lab_advance(lab, 25);
    assert_int_equal(lab_make(lab, pid, act_cancel, &often), GR_OK);
    lab_advance(lab, 100);
    lab_assert_notes(lab, "5 at", "5 at 10|5 at 20");
}

static void r22_cancelling_one_timer_leaves_the_others(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan plans[3] = {{10, 0, 6, {0}}, {10, 0, 7, {0}}, {10, 0, 8, {0}}};

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lab_make(lab, pid, act_start, &plans[i]), GR_OK);
    }
    assert_int_equal(lab_make(lab, pid, act_cancel, &plans[1]), GR_OK);
    lab_advance(lab, 10);
    assert_int_equal(lab_count(lab, "6 at 10"), 1);
    assert_int_equal(lab_count(lab, "7 at 10"), 0);
    assert_int_equal(lab_count(lab, "8 at 10"), 1);
}

static void r22_timers_are_gone_with_their_actor(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan once = {10, 0, 1, {0}};
    plan often = {10, 10, 2, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &once), GR_OK);
    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    gr_send_stop(lab->sys, pid);
    lab_advance(lab, 1000);
    lab_assert_notes(lab, "1 at", "");
    lab_assert_notes(lab, "2 at", "");
    assert_int_equal(lab_dead(lab), 0); /* nothing was sent to the dead */
    assert_int_equal(gr_stepped_next_ms(lab->stepped), INT64_MAX);
}

static void r22_many_timers_fire_in_the_order_of_their_times(void **state)
{
    struct lab *lab = *state;
    enum { TIMERS = 200 };
    gr_pid pid = spawn_diary(lab);
    plan plans[TIMERS];
    char want[32];

    for (int64_t i = 0; i < TIMERS; i++) {
        plans[i] = (plan){1 + i * 37 % TIMERS, 0, i, {0}};
        assert_int_equal(lab_make(lab, pid, act_start, &plans[i]), GR_OK);
    }
    lab_advance(lab, TIMERS);
    for (int64_t i = 0; i < TIMERS; i++) {
        (void)snprintf(want, sizeof(want), "%lld at %lld", (long long)i,
                       (long long)plans[i].delay_ms);
        assert_int_equal(lab_count(lab, want), 1);
    }
}

static void negative_times_are_refused(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);

    assert_int_equal(lab_make(lab, pid, act_start, &(plan){-1, 0, 1, {0}}), GR_EINVAL);
    assert_int_equal(lab_make(lab, pid, act_start, &(plan){1, -1, 1, {0}}), GR_EINVAL);
    assert_int_equal(gr_stepped_next_ms(lab->stepped), INT64_MAX);
}

static void a_delay_of_nothing_and_one_of_forever(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_diary(lab);
    plan soon = {0, 0, 1, {0}};
    plan never = {GR_FOREVER, 0, 2, {0}};

    assert_int_equal(lab_make(lab, pid, act_start, &soon), GR_OK);
    lab_advance(lab, 0);
    lab_assert_notes(lab, "1 at", "1 at 0");
    assert_int_equal(lab_make(lab, pid, act_start, &never), GR_OK); /* no overflow */
    lab_advance(lab, INT64_C(1000) * 86400 * 3650);
    lab_assert_notes(lab, "2 at", "");
}

static gr_err act_start_and_fail(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)act_start(ctx, lab, arg);
    return gr_fatal(GR_EFAILED, "after starting a timer");
}

static void a_restart_leaves_no_timer_to_nobody(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    plan often = {10, 10, 1, {0}};

    lab_do(lab, pid, act_start_and_fail, &often);
    lab_wait_times(lab, "a started", 2);
    gr_send_stop(lab->sys, pid);
    lab_advance(lab, 100);
    assert_int_equal(gr_stepped_next_ms(lab->stepped), INT64_MAX);
    assert_int_equal(lab_dead(lab), 0);
}

static void r22_on_threads_time_is_real(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    plan once = {5, 0, 1, {0}};
    plan often = {1, 2, 2, {0}};
    int64_t before = gr_system_now(lab->sys);

    assert_int_equal(lab_make(lab, pid, act_start, &once), GR_OK);
    assert_int_equal(lab_make(lab, pid, act_start, &often), GR_OK);
    lab_wait(lab, "a 1");
    assert_true(gr_system_now(lab->sys) - before >= 5);
    lab_wait_times(lab, "a 2", 10);
    assert_true(gr_system_now(lab->sys) - before >= 1 + 9 * 2);
    assert_int_equal(lab_make(lab, pid, act_cancel, &often), GR_OK);
    assert_int_equal(lab_count(lab, "a 1"), 1);
}

/* Ticks are sent by the thread of alarms, freed by workers, and outlive timers and actors: a sanitizer looks on. */
static void r22_timers_are_cancelled_and_left_behind_while_they_tick(void **state)
{
    enum { ACTORS = 10 };
    struct lab *lab = *state;
    size_t rounds = lab_scaled(100);

    for (size_t round = 1; round <= rounds; round++) {
        plan plans[ACTORS];
        gr_pid pids[ACTORS];
        gr_props props = lab_probe_props(lab, "a");

        for (size_t i = 0; i < ACTORS; i++) {
            plans[i] = (plan){1, 1, 7, {0}};
            pids[i] = lab_spawn_props(lab, &props, NULL);
            assert_int_equal(lab_make(lab, pids[i], act_start, &plans[i]), GR_OK);
        }
        lab_wait_times(lab, "a 7", round * ACTORS); /* some tick more often than others */
        for (size_t i = 0; i < ACTORS; i++) {
            if (i % 2 == 0) {
                assert_int_equal(lab_make(lab, pids[i], act_cancel, &plans[i]), GR_OK);
            }
            gr_send_stop(lab->sys, pids[i]);
        }
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_STEPPED(r22_a_timer_without_a_period_fires_once),
        LAB_STEPPED(r22_a_repeating_timer_does_not_drift),
        LAB_STEPPED(r22_ticks_missed_in_a_pause_are_one),
        LAB_STEPPED(r22_a_slow_actor_finds_one_tick_and_the_next_on_the_grid),
        LAB_STEPPED(r22_a_tick_that_waits_outlives_its_timer),
        LAB_STEPPED(r22_ticks_that_are_kept_and_messages_of_two_timers_do_no_harm),
        LAB_STEPPED(r22_a_huge_period_is_as_good_as_never),
        LAB_STEPPED(r22_a_stalled_system_does_not_shift_the_ticks),
        LAB_STEPPED(r22_a_timer_cancelled_before_its_first_tick_sends_nothing),
        LAB_STEPPED(r22_a_repeating_timer_is_cancelled_between_ticks),
        LAB_STEPPED(r22_cancelling_one_timer_leaves_the_others),
        LAB_STEPPED(r22_timers_are_gone_with_their_actor),
        LAB_STEPPED(r22_many_timers_fire_in_the_order_of_their_times),
        LAB_STEPPED(negative_times_are_refused),
        LAB_STEPPED(a_delay_of_nothing_and_one_of_forever),
        LAB_STEPPED(a_restart_leaves_no_timer_to_nobody),
        LAB_THREADS(r22_on_threads_time_is_real),
        LAB_THREADS(r22_timers_are_cancelled_and_left_behind_while_they_tick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
