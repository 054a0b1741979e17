/*
 * The stepped dispatcher: one seed, one run; virtual time; several systems on one stepper; stalls
 * and crashes. Behaviour r35.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

/* ---- r35 */

typedef struct trace {
    char *text;
    size_t used;
    size_t room;
} trace;

static void on_line(void *arg, const char *line)
{
    trace *run = arg;
    size_t bytes = strlen(line);

    assert_null(strchr(line, '\n'));
    if (run->used + bytes + 2 > run->room) {
        run->room = 2 * run->room + bytes + 4096;
        run->text = realloc(run->text, run->room);
        assert_non_null(run->text);
    }
    memcpy(run->text + run->used, line, bytes + 1);
    run->used += bytes;
    run->text[run->used++] = '\n';
    run->text[run->used] = '\0';
}

enum { PLAYERS = 20 };

typedef struct game {
    struct lab *lab;
    gr_pid players[PLAYERS];
} game;

/* Throws the ball to a player chosen by chance until it has flown often enough; sometimes fails,
 * waits, starts a timer. */
static gr_err player_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    game *here = state;
    gr_system *sys = gr_context_system(ctx);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_pid to = here->players[gr_system_random(sys) % PLAYERS];
    gr_timer_id timer;

    if (word == NULL || word->number <= 0) { /* NULL: the answer of one that dropped the ball */
        return GR_OK;
    }
    if (word->number % 11 == 0) {
        lab_require(gr_timer_start(ctx, (int64_t)(gr_system_random(sys) % 20), 0,
                                   lab_word_new(word->number - 1), &timer) == GR_OK);
        return GR_OK;
    }
    lab_require(gr_context_send(ctx, to, lab_word_new(word->number - 1)) == GR_OK);
    return word->number % 17 == 0 ? gr_fatal(GR_EFAILED, "dropped the ball") : GR_OK;
}

static trace play(struct lab *lab, uint64_t seed)
{
    trace run = {NULL, 0, 0};
    gr_stepped *stepped = NULL;
    gr_system_options options = {0};
    gr_system *sys = NULL;
    game here = {.lab = lab};
    gr_props props = {.receive = player_receive, .arg = &here};

    assert_int_equal(gr_stepped_new(seed, &stepped), GR_OK);
    gr_stepped_trace(stepped, on_line, &run);
    options.stepped = stepped;
    assert_int_equal(gr_system_new(&options, &sys), GR_OK);
    for (size_t i = 0; i < PLAYERS; i++) {
        assert_int_equal(gr_spawn(sys, &props, NULL, &here.players[i]), GR_OK);
    }
    for (size_t i = 0; i < PLAYERS; i++) {
        assert_int_equal(gr_send(sys, here.players[i], lab_word_new(40 + (int64_t)i)), GR_OK);
    }
    gr_stepped_run_until_idle(stepped);
    gr_stepped_advance(stepped, 500);
    gr_send_stop(sys, here.players[3]);
    sys = gr_system_free(sys);
    gr_stepped_trace(stepped, NULL, NULL);
    stepped = gr_stepped_free(stepped);
    assert_null(sys);
    assert_null(stepped);
    assert_non_null(run.text);
    return run;
}

static void r35_the_same_seed_gives_the_same_trace(void **state)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        trace first = play(*state, seed);
        trace second = play(*state, seed);

        assert_true(first.used > 1000);
        assert_string_equal(first.text, second.text);
        free(first.text);
        free(second.text);
    }
}

static void r35_another_seed_gives_another_order(void **state)
{
    trace first = play(*state, 1);
    trace second = play(*state, 2);

    assert_string_not_equal(first.text, second.text);
    free(first.text);
    free(second.text);
}

typedef struct finish {
    char *order; /* shared by the three */
    char letter;
} finish;

static gr_err finish_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    finish *mine = state;
    size_t place = strlen(mine->order);

    (void)ctx;
    (void)msg;
    mine->order[place] = mine->letter;
    mine->order[place + 1] = '\0';
    return GR_OK;
}

static void run_three(uint64_t seed, char order[4])
{
    finish runners[] = {{order, 'x'}, {order, 'y'}, {order, 'z'}};
    gr_system_options options = {0};
    gr_system *sys = NULL;

    order[0] = '\0';
    assert_int_equal(gr_stepped_new(seed, &options.stepped), GR_OK);
    assert_int_equal(gr_system_new(&options, &sys), GR_OK);
    for (size_t i = 0; i < 3; i++) {
        gr_props props = {.receive = finish_receive, .arg = &runners[i]};
        gr_pid pid = gr_pid_null();

        assert_int_equal(gr_spawn(sys, &props, NULL, &pid), GR_OK);
        assert_int_equal(gr_send(sys, pid, lab_word_new(1)), GR_OK);
    }
    gr_stepped_run_until_idle(options.stepped);
    sys = gr_system_free(sys);
    options.stepped = gr_stepped_free(options.stepped);
}

static void r35_some_seed_gives_each_order_of_three(void **state)
{
    const char *orders[] = {"xyz", "xzy", "yxz", "yzx", "zxy", "zyx"};
    size_t seen[6] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        char order[4];

        run_three(seed, order);
        for (size_t i = 0; i < 6; i++) {
            seen[i] += strcmp(order, orders[i]) == 0;
        }
    }
    for (size_t i = 0; i < 6; i++) {
        assert_true(seen[i] > 0);
    }
}

/* ---- steps and time */

static void a_step_handles_one_message(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    lab_run(lab);
    assert_false(gr_stepped_step(lab->stepped)); /* nothing to do */
    lab_tell(lab, pid, 1);
    lab_tell(lab, pid, 2);
    assert_true(gr_stepped_step(lab->stepped));
    lab_assert_notes(lab, "a", "a started|a 1");
    assert_true(gr_stepped_step(lab->stepped));
    lab_assert_notes(lab, "a", "a started|a 1|a 2");
    lab_run(lab);
    assert_false(gr_stepped_step(lab->stepped));
}

static void time_stands_still_until_it_is_turned_on(void **state)
{
    struct lab *lab = *state;
    int64_t now = gr_stepped_now(lab->stepped);
    int64_t wall = gr_system_wall_ms(lab->sys);

    lab_flush(lab, lab_spawn(lab, "a"));
    assert_int_equal(gr_stepped_now(lab->stepped), now);
    assert_int_equal(gr_system_now(lab->sys), now);
    gr_stepped_advance(lab->stepped, 1234);
    assert_int_equal(gr_stepped_now(lab->stepped), now + 1234);
    assert_int_equal(gr_system_now(lab->sys), now + 1234);
    assert_int_equal(gr_system_wall_ms(lab->sys), wall + 1234);
}

static void a_wait_of_the_test_turns_the_clock_on(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_msg *reply = NULL;
    int64_t now = gr_stepped_now(lab->stepped);

    assert_int_equal(gr_future_new(lab->sys, 3600000, &future), GR_OK);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_ETIMEDOUT); /* an hour, at once */
    assert_int_equal(gr_stepped_now(lab->stepped), now + 3600000);
    future = gr_future_unref(future);
}

static void random_numbers_come_from_the_seed(void **state)
{
    struct lab *lab = *state;
    gr_stepped *a = NULL;
    gr_stepped *b = NULL;
    gr_stepped *c = NULL;
    size_t same = 0;

    assert_int_equal(gr_stepped_new(7, &a), GR_OK);
    assert_int_equal(gr_stepped_new(7, &b), GR_OK);
    assert_int_equal(gr_stepped_new(8, &c), GR_OK);
    for (size_t i = 0; i < 100; i++) {
        uint64_t number = gr_stepped_random(a);

        assert_int_equal(number, gr_stepped_random(b));
        same += number == gr_stepped_random(c);
    }
    assert_true(same < 5);
    assert_true(gr_system_random(lab->sys) != gr_system_random(lab->sys));
    a = gr_stepped_free(a);
    b = gr_stepped_free(b);
    c = gr_stepped_free(c);
    assert_null(gr_stepped_free(NULL));
}

/* ---- several systems, stalls, crashes */

static void two_systems_share_a_stepper(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.stepped = lab->stepped};
    gr_system *other = NULL;
    gr_props props = lab_probe_props(lab, "b");
    gr_pid here = lab_spawn(lab, "a");
    gr_pid there = gr_pid_null();

    assert_int_equal(gr_system_new(&options, &other), GR_OK);
    assert_int_equal(gr_spawn(other, &props, NULL, &there), GR_OK);
    lab_tell(lab, here, 1);
    assert_int_equal(gr_send(other, there, lab_word_new(2)), GR_OK);
    gr_stepped_run_until_idle(lab->stepped);
    assert_int_equal(lab_count(lab, "a 1"), 1);
    assert_int_equal(lab_count(lab, "b 2"), 1);
    gr_stepped_advance(lab->stepped, 10);
    assert_int_equal(gr_system_now(other), gr_system_now(lab->sys));
    other = gr_system_free(other);
    lab_flush(lab, here); /* the stepper goes on with who is left */
}

static void a_stalled_system_stands_still_and_then_catches_up(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.stepped = lab->stepped};
    gr_system *other = NULL;
    gr_props props = lab_probe_props(lab, "b");
    gr_pid here = lab_spawn(lab, "a");
    gr_pid there = gr_pid_null();
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_system_new(&options, &other), GR_OK);
    assert_int_equal(gr_spawn(other, &props, NULL, &there), GR_OK);
    assert_int_equal(gr_future_new(other, 50, &future), GR_OK);
    gr_stepped_stall(other, true);
    assert_int_equal(gr_send(other, there, lab_word_new(1)), GR_OK);
    lab_tell(lab, here, 2);
    gr_stepped_run_until_idle(lab->stepped);
    gr_stepped_advance(lab->stepped, 100);
    assert_int_equal(lab_count(lab, "a 2"), 1);
    assert_int_equal(lab_count(lab, "b 1"), 0);
    assert_false(gr_future_ready(future)); /* its alarm is stalled too */
    gr_stepped_stall(other, false);
    gr_stepped_run_until_idle(lab->stepped);
    gr_stepped_advance(lab->stepped, 0);
    assert_int_equal(lab_count(lab, "b 1"), 1);
    assert_true(gr_future_ready(future));
    assert_int_equal(gr_await(future, 0, &reply), GR_ETIMEDOUT);
    future = gr_future_unref(future);
    other = gr_system_free(other);
}

static gr_err act_wait(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)ctx;
    lab_note(lab, "waits");
    err = gr_await(arg, GR_FOREVER, &reply);
    lab_note(lab, "went on");
    reply = gr_msg_unref(reply);
    return err;
}

static void a_killed_system_is_gone_without_hooks(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.stepped = lab->stepped};
    gr_system *other = NULL;
    gr_props props = lab_probe_props(lab, "b");
    gr_pid here = lab_spawn(lab, "a");
    gr_pid waiting = gr_pid_null();
    gr_pid idle = gr_pid_null();
    gr_future *future = NULL;

    assert_int_equal(gr_system_new(&options, &other), GR_OK);
    assert_int_equal(gr_spawn(other, &props, "waiting", &waiting), GR_OK);
    assert_int_equal(gr_spawn(other, &props, "idle", &idle), GR_OK);
    assert_int_equal(gr_future_new(other, 1000, &future), GR_OK);
    assert_int_equal(gr_send(other, waiting, lab_act_new(act_wait, future)), GR_OK);
    gr_stepped_run_until_idle(lab->stepped);
    assert_int_equal(gr_send(other, idle, lab_word_new(1)), GR_OK);
    assert_int_equal(lab_count(lab, "waits"), 1);
    gr_stepped_kill(other);
    gr_stepped_run_until_idle(lab->stepped);
    gr_stepped_advance(lab->stepped, 2000);
    assert_int_equal(lab_count(lab, "went on"), 0);
    assert_int_equal(lab_count(lab, "b 1"), 0);
    assert_int_equal(lab_count(lab, "b stopped stopped"), 0);
    future = gr_future_unref(future);
    other = gr_system_free(other);
    lab_flush(lab, here);
    assert_int_equal(lab_count(lab, "b stopped stopped"), 0);
}

static gr_err act_wait_for_room(gr_context *ctx, struct lab *lab, void *arg)
{
    lab_note(lab, "wants room");
    return gr_send_wait(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(2), GR_FOREVER);
}

/* What a sender waits with is lost with it; the sanitizer of leaks sees whether it is freed. */
static void a_killed_system_takes_what_waits_for_room_with_it(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.stepped = lab->stepped};
    gr_system *other = NULL;
    gr_props props = lab_probe_props(lab, "b");
    gr_pid sender = gr_pid_null(), full = gr_pid_null();
    gr_future *future = NULL;

    assert_int_equal(gr_system_new(&options, &other), GR_OK);
    assert_int_equal(gr_spawn(other, &props, "sender", &sender), GR_OK);
    props.mailbox_limit = 1;
    assert_int_equal(gr_spawn(other, &props, "full", &full), GR_OK);
    assert_int_equal(gr_future_new(other, GR_FOREVER, &future), GR_OK);
    assert_int_equal(gr_send(other, full, lab_act_new(act_wait, future)), GR_OK);
    gr_stepped_run_until_idle(lab->stepped);
    assert_int_equal(gr_send(other, full, lab_word_new(1)), GR_OK);
    assert_int_equal(gr_send(other, sender, lab_act_new(act_wait_for_room, &full)), GR_OK);
    gr_stepped_run_until_idle(lab->stepped);
    assert_int_equal(lab_count(lab, "wants room"), 1);
    assert_int_equal(gr_system_counters(other).fibers_waiting, 2);
    gr_stepped_kill(other);
    future = gr_future_unref(future);
    other = gr_system_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_STEPPED(r35_the_same_seed_gives_the_same_trace),
        LAB_STEPPED(r35_another_seed_gives_another_order),
        LAB_STEPPED(r35_some_seed_gives_each_order_of_three),
        LAB_STEPPED(a_step_handles_one_message),
        LAB_STEPPED(time_stands_still_until_it_is_turned_on),
        LAB_STEPPED(a_wait_of_the_test_turns_the_clock_on),
        LAB_STEPPED(random_numbers_come_from_the_seed),
        LAB_STEPPED(two_systems_share_a_stepper),
        LAB_STEPPED(a_stalled_system_stands_still_and_then_catches_up),
        LAB_STEPPED(a_killed_system_is_gone_without_hooks),
        LAB_STEPPED(a_killed_system_takes_what_waits_for_room_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
