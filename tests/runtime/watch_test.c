/*
 * Watching: who is told of an actor's end, how often and why. Behaviour r12.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>
#include <time.h>

static void r12_a_watcher_is_told_once_when_the_actor_ends(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_poison(lab->sys, pid);
    lab_wait(lab, "w sees stopped");
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started|w sees stopped");
    assert_true(lab_place(lab, "a stopped stopped") < lab_place(lab, "w sees stopped"));
}

static gr_err act_note_terminated(gr_context *ctx, void *state, const gr_msg *msg)
{
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);
    const lab_act *act = gr_msg_read(msg, &lab_act_type);
    const lab_probe *probe = state;
    char text[GR_PID_TEXT_BYTES];

    if (act != NULL) {
        (void)act->fn(ctx, probe->lab, act->arg);
        return gr_respond(ctx, lab_word_new(0));
    }
    lab_require(ended != NULL);
    lab_note(probe->lab, "end of %s", gr_pid_format(ended->pid, text));
    return GR_OK;
}

static void r12_the_message_names_the_pid(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");
    gr_pid watcher = gr_pid_null();
    char text[GR_PID_TEXT_BYTES];
    char want[80];

    props.receive = act_note_terminated;
    watcher = lab_spawn_props(lab, &props, "w");
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_stop(lab->sys, pid);
    (void)snprintf(want, sizeof(want), "end of %s", gr_pid_format(pid, text));
    lab_wait(lab, want);
}

static void r12_watching_a_dead_pid_tells_at_once(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");
    gr_pid never = {gr_system_node(lab->sys), 99999, 3};

    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    lab_wait_times(lab, "w sees never-existed", 1);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &never), GR_OK);
    lab_wait_times(lab, "w sees never-existed", 2);
    lab_flush(lab, watcher);
    assert_int_equal(lab_count(lab, "w sees never-existed"), 2);
}

static void r12_watching_nobody_is_an_error(void **state)
{
    struct lab *lab = *state;
    gr_pid nobody = gr_pid_null();
    gr_pid foreign = {gr_system_node(lab->sys) + 1, 20, 1};
    gr_pid watcher = lab_spawn(lab, "w");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &nobody), GR_EINVAL);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &foreign), GR_EUNREACHABLE);
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started");
}

static void r12_unwatch_stops_it(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid other = lab_spawn(lab, "o");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, other, lab_act_watch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_unwatch, &pid), GR_OK);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "o sees stopped");
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started");
}

static gr_err act_watch_dead_then_unwatch(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    lab_require(gr_watch(ctx, *(gr_pid *)arg) == GR_OK);
    gr_unwatch(ctx, *(gr_pid *)arg);
    return GR_OK;
}

static void r12_unwatch_holds_even_when_the_end_is_in_the_mailbox_already(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_int_equal(lab_make(lab, watcher, act_watch_dead_then_unwatch, &pid), GR_OK);
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started");
}

static void r12_a_watch_taken_back_can_be_set_again(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_unwatch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_unwatch, &pid), GR_OK);
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "w sees stopped");
    lab_flush(lab, watcher);
    assert_int_equal(lab_count(lab, "w sees stopped"), 1);
}

enum { MANY = 300 };

static void r12_one_watcher_of_many(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pids[MANY];

    for (size_t i = 0; i < MANY; i++) {
        pids[i] = lab_spawn_props(lab, &props, NULL);
        assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pids[i]), GR_OK);
    }
    for (size_t i = 0; i < MANY; i++) {
        gr_send_stop(lab->sys, pids[i]);
    }
    lab_wait_times(lab, "w sees stopped", MANY);
    lab_flush(lab, watcher);
    assert_int_equal(lab_count(lab, "w sees stopped"), MANY);
}

static void r12_many_watchers_of_one(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(lab_make(lab, lab_spawn_props(lab, &props, NULL), lab_act_watch, &pid),
                         GR_OK);
    }
    gr_send_stop(lab->sys, pid);
    lab_wait_times(lab, "w sees stopped", MANY);
}

static void r12_a_watcher_that_ends_first_harms_nobody(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_stop(lab->sys, watcher);
    lab_wait(lab, "w stopped stopped");
    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

static void r12_two_that_watch_each_other_both_end(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_pid b = lab_spawn(lab, "b");

    assert_int_equal(lab_make(lab, a, lab_act_watch, &b), GR_OK);
    assert_int_equal(lab_make(lab, b, lab_act_watch, &a), GR_OK);
    assert_int_equal(lab_make(lab, a, lab_act_watch, &a), GR_OK); /* itself, too */
    gr_send_stop(lab->sys, a);
    gr_send_stop(lab->sys, b);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

static void r12_a_restart_is_no_end(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    lab_do(lab, pid, lab_act_fail, NULL);
    lab_wait_times(lab, "a started", 2);
    lab_flush(lab, watcher);
    lab_assert_notes(lab, "w", "w started");
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "w sees stopped"); /* and the watch has outlived it */
}

static void r12_watches_of_a_restarted_watcher_hold(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    lab_do(lab, watcher, lab_act_fail, NULL);
    lab_wait_times(lab, "w started", 2);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "w sees stopped");
}

static void the_end_of_a_foreign_actor_reaches_its_watcher_as_a_signal(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");
    gr_signal ended = {
        .kind = GR_SIGNAL_TERMINATED, .to = watcher, .from = pid, .reason = GR_REASON_NODE_LOST};

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    assert_int_equal(gr_signal_send(lab->sys, &ended), GR_OK);
    lab_wait(lab, "w sees node-lost");
    assert_int_equal(gr_signal_send(lab->sys, &ended), GR_OK);
    lab_flush(lab, watcher);
    assert_int_equal(lab_count(lab, "w sees node-lost"), 1); /* once for each watch */
}

/* ---- how it grows, and in which order */

typedef struct crowd {
    gr_pid *pids;
    size_t count;
    int64_t cpu_ms; /* that the last act took */
} crowd;

/* Processor time, so that what else runs on the machine does not count. */
static int64_t cpu_ms(clockid_t whose)
{
    struct timespec now = {0};

    (void)clock_gettime(whose, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static gr_err act_watch_crowd(gr_context *ctx, struct lab *lab, void *arg)
{
    crowd *c = arg;
    int64_t begin_ms = cpu_ms(CLOCK_THREAD_CPUTIME_ID);

    (void)lab;
    for (size_t i = 0; i < c->count; i++) {
        lab_require(gr_watch(ctx, c->pids[i]) == GR_OK);
    }
    c->cpu_ms = cpu_ms(CLOCK_THREAD_CPUTIME_ID) - begin_ms;
    return GR_OK;
}

static gr_err act_unwatch_crowd(gr_context *ctx, struct lab *lab, void *arg)
{
    crowd *c = arg;
    int64_t begin_ms = cpu_ms(CLOCK_THREAD_CPUTIME_ID);

    (void)lab;
    for (size_t i = 0; i < c->count; i += 2) {
        gr_unwatch(ctx, c->pids[i]);
    }
    c->cpu_ms = cpu_ms(CLOCK_THREAD_CPUTIME_ID) - begin_ms;
    return GR_OK;
}

static gr_err receive_nothing(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

/* Counts the ends it is told of, and the processor time between the first and the last. */
typedef struct counter {
    struct lab *lab;
    size_t ends;
    size_t want;
} counter;

static gr_err counter_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    counter *mine = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);

    if (act != NULL) {
        (void)act->fn(ctx, mine->lab, act->arg);
        return gr_respond(ctx, lab_word_new(0));
    }
    lab_require(gr_msg_read(msg, &gr_terminated_type) != NULL);
    if (++mine->ends == mine->want) {
        lab_note(mine->lab, "all ends seen");
    }
    return GR_OK;
}

enum { CROWD = 100000, CROWD_MS = 2000 };

static void r12_a_hundred_thousand_are_watched_unwatched_and_end_in_no_time(void **state)
{
    struct lab *lab = *state;
    crowd all = {.count = lab_scaled(CROWD)};
    counter mine = {.lab = lab, .want = all.count - (all.count + 1) / 2};
    gr_props members = {.receive = receive_nothing};
    gr_props props = {.receive = counter_receive, .arg = &mine, .mailbox_limit = 1000000};
    gr_pid watcher = lab_spawn_props(lab, &props, NULL);

    all.pids = lab_own(lab, all.count * sizeof(*all.pids));
    for (size_t i = 0; i < all.count; i++) {
        all.pids[i] = lab_spawn_props(lab, &members, NULL);
    }
    assert_int_equal(lab_make(lab, watcher, act_watch_crowd, &all), GR_OK);
    assert_in_range(all.cpu_ms, 0, CROWD_MS); /* seconds, and many, where each looks at all */
    assert_int_equal(lab_make(lab, watcher, act_unwatch_crowd, &all), GR_OK);
    assert_in_range(all.cpu_ms, 0, CROWD_MS);
    for (size_t i = 0; i < all.count; i++) {
        gr_send_stop(lab->sys, all.pids[i]);
    }
    lab_wait(lab, "all ends seen");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    lab_flush(lab, watcher);
    assert_int_equal(mine.ends, mine.want);
}

static void r12_a_hundred_thousand_watch_one_and_half_of_them_no_longer(void **state)
{
    struct lab *lab = *state;
    size_t watchers = lab_scaled(CROWD);
    gr_props members = {.receive = receive_nothing};
    gr_pid watched = lab_spawn(lab, "a");
    gr_pid *pids = lab_own(lab, watchers * sizeof(*pids));
    gr_signal signal = {.to = watched};
    int64_t begin_ms = 0;

    for (size_t i = 0; i < watchers; i++) {
        pids[i] = lab_spawn_props(lab, &members, NULL);
    }
    begin_ms = cpu_ms(CLOCK_PROCESS_CPUTIME_ID);
    signal.kind = GR_SIGNAL_WATCH;
    for (size_t i = 0; i < watchers; i++) {
        signal.from = pids[i];
        assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    }
    signal.kind = GR_SIGNAL_UNWATCH;
    for (size_t i = 0; i < watchers; i += 2) {
        signal.from = pids[i];
        assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    }
    lab_flush(lab, watched);
    gr_send_stop(lab->sys, watched);
    lab_wait(lab, "a stopped stopped");
    assert_in_range(cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - begin_ms, 0, CROWD_MS);
}

typedef struct seen_count {
    gr_origin origin;
    atomic_uint count;
} seen_count;

static void count_seen(gr_origin *origin, size_t bytes)
{
    seen_count *mine = (seen_count *)((char *)origin - offsetof(seen_count, origin));

    lab_require(bytes == 0);
    atomic_fetch_add_explicit(&mine->count, 1, memory_order_relaxed);
}

static void r12_the_origin_of_a_watch_is_told_when_its_actor_has_seen_it_or_is_gone(void **state)
{
    struct lab *lab = *state;
    gr_pid watched = lab_spawn(lab, "a");
    gr_pid watcher = lab_spawn(lab, "b");
    seen_count seen = {.origin = {count_seen}};
    gr_signal signal = {.to = watched, .from = watcher, .origin = &seen.origin};

    signal.kind = GR_SIGNAL_WATCH;
    assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    signal.kind = GR_SIGNAL_UNWATCH;
    assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    LAB_EVENTUALLY(lab, seen.count == 2);
    gr_send_stop(lab->sys, watched);
    lab_wait(lab, "a stopped stopped");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    assert_int_equal(seen.count, 3);
    signal.kind = GR_SIGNAL_WATCH;
    assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    assert_int_equal(seen.count, 4);
    lab_flush(lab, watcher);
}

/* An inbox that writes down whose end it is told of. */
typedef struct mouse {
    struct lab *lab;
    int number;
} mouse;

static void mouse_deliver(void *self, gr_pid to, gr_msg *msg)
{
    const mouse *mine = self;

    (void)to;
    lab_require(gr_msg_read(msg, &gr_terminated_type) != NULL);
    lab_note(mine->lab, "mouse %d", mine->number);
    (void)gr_msg_unref(msg);
}

static void r12_watchers_are_told_in_the_order_in_which_they_asked(void **state)
{
    static const gr_process_ops ops = {GR_PROCESS_VERSION, "mouse", mouse_deliver, NULL};
    struct lab *lab = *state;
    gr_pid watched = lab_spawn(lab, "a");
    mouse mice[6];
    gr_pid pids[6];
    gr_signal signal = {.to = watched};

    for (int i = 0; i < 6; i++) {
        mice[i] = (mouse){lab, i};
        assert_int_equal(gr_process_open(lab->sys, &ops, &mice[i], 0, &pids[i]), GR_OK);
        signal.kind = GR_SIGNAL_WATCH;
        signal.from = pids[i];
        assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    }
    signal.kind = GR_SIGNAL_UNWATCH;
    signal.from = pids[1];
    assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    signal.kind = GR_SIGNAL_WATCH; /* once more, at the end of the line */
    assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    signal.kind = GR_SIGNAL_UNWATCH;
    signal.from = pids[3];
    assert_int_equal(gr_signal_send(lab->sys, &signal), GR_OK);
    gr_send_stop(lab->sys, watched);
    lab_wait(lab, "a stopped stopped");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    lab_assert_notes(lab, "mouse", "mouse 0|mouse 2|mouse 4|mouse 5|mouse 1");
    for (int i = 0; i < 6; i++) {
        gr_process_close(lab->sys, pids[i]);
    }
}

static void reason_deliver(void *self, gr_pid to, gr_msg *msg)
{
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);

    (void)to;
    lab_require(ended != NULL);
    lab_note(self, "the reason is %d", (int)ended->reason);
    (void)gr_msg_unref(msg);
}

static gr_pid late_watcher; /* of the next test: the hook has no room for it */

/* The last that an actor does: somebody begins to watch it. */
static void stopped_watched(gr_context *ctx, void *state, gr_reason reason)
{
    gr_signal signal = {.kind = GR_SIGNAL_WATCH, .to = gr_context_self(ctx), .from = late_watcher};

    (void)state;
    (void)reason;
    lab_require(gr_signal_send(gr_context_system(ctx), &signal) == GR_OK);
}

static void r12_who_watches_one_that_is_about_to_end_is_told_why_it_ended(void **state)
{
    static const gr_process_ops ops = {GR_PROCESS_VERSION, "late", reason_deliver, NULL};
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    char want[32];

    assert_int_equal(gr_process_open(lab->sys, &ops, lab, 0, &late_watcher), GR_OK);
    props.stopped = stopped_watched;
    gr_send_stop(lab->sys, lab_spawn_props(lab, &props, NULL));
    (void)snprintf(want, sizeof(want), "the reason is %d", (int)GR_REASON_STOPPED);
    lab_wait(lab, want);
    gr_process_close(lab->sys, late_watcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r12_a_watcher_is_told_once_when_the_actor_ends),
        LAB_BOTH(r12_the_message_names_the_pid),
        LAB_BOTH(r12_watching_a_dead_pid_tells_at_once),
        LAB_BOTH(r12_watching_nobody_is_an_error),
        LAB_BOTH(r12_who_watches_one_that_is_about_to_end_is_told_why_it_ended),
        LAB_BOTH(r12_unwatch_stops_it),
        LAB_BOTH(r12_unwatch_holds_even_when_the_end_is_in_the_mailbox_already),
        LAB_BOTH(r12_a_watch_taken_back_can_be_set_again),
        LAB_BOTH(r12_one_watcher_of_many),
        LAB_BOTH(r12_many_watchers_of_one),
        LAB_BOTH(r12_a_watcher_that_ends_first_harms_nobody),
        LAB_BOTH(r12_two_that_watch_each_other_both_end),
        LAB_BOTH(r12_a_restart_is_no_end),
        LAB_BOTH(r12_watches_of_a_restarted_watcher_hold),
        LAB_BOTH(r12_a_hundred_thousand_are_watched_unwatched_and_end_in_no_time),
        LAB_BOTH(r12_a_hundred_thousand_watch_one_and_half_of_them_no_longer),
        LAB_BOTH(r12_the_origin_of_a_watch_is_told_when_its_actor_has_seen_it_or_is_gone),
        LAB_BOTH(r12_watchers_are_told_in_the_order_in_which_they_asked),
        LAB_BOTH(the_end_of_a_foreign_actor_reaches_its_watcher_as_a_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
