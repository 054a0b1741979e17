/*
 * Seeing inside: what a dump says of actors and of what they wait for, and what is counted. What the counters count of sends,
 * replies and mailboxes is tested with those.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

/* Whether the dump has these words. */
static bool dump_says(struct lab *lab, const char *words)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    bool says = false;

    assert_non_null(out);
    gr_system_dump(lab->sys, out);
    assert_int_equal(fclose(out), 0);
    says = strstr(text, words) != NULL;
    free(text);
    return says;
}

/* Whether the line of an actor ends with these words. */
static bool line_says(struct lab *lab, gr_pid pid, const char *type, uint64_t depth,
                      const char *words)
{
    char text[GR_PID_TEXT_BYTES];
    char name[100];
    char want[400];

    (void)gr_name_of(lab->sys, pid, name, sizeof(name));
    (void)snprintf(want, sizeof(want), "  actor %s (%s%s%s): mailbox %llu, %s\n",
                   gr_pid_format(pid, text), type, name[0] == '\0' ? "" : " ", name,
                   (unsigned long long)depth, words);
    return dump_says(lab, want);
}

static const char *words_of_pid(const char *words, gr_pid pid, char text[100])
{
    char name[GR_PID_TEXT_BYTES];

    (void)snprintf(text, 100, "%s %s", words, gr_pid_format(pid, name));
    return text;
}

static gr_err act_wait(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;

    (void)ctx;
    lab_note(lab, "waits");
    if (gr_await(arg, GR_FOREVER, &reply) == GR_OK) {
        reply = gr_msg_unref(reply);
    }
    return GR_OK;
}

static gr_err act_ask(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;

    (void)lab;
    if (gr_request(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(1), GR_FOREVER, &reply) ==
        GR_OK) {
        reply = gr_msg_unref(reply);
    }
    return GR_OK;
}

static gr_err act_send_into_the_full(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)gr_send_wait(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(1), GR_FOREVER);
    (void)gr_send_wait(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(2), GR_FOREVER);
    return GR_OK;
}

static void a_dump_says_what_fibers_wait_for(void **state)
{
    struct lab *lab = *state;
    gr_props narrow = lab_probe_props(lab, "narrow");
    gr_pid waiting = gr_pid_null();
    gr_pid asking = lab_spawn(lab, "asking");
    gr_pid sending = lab_spawn(lab, "sending");
    gr_future *future = NULL;
    char text[100];

    narrow.mailbox_limit = 1;
    waiting = lab_spawn_props(lab, &narrow, "narrow");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, waiting, act_wait, future);
    lab_wait(lab, "waits");
    LAB_EVENTUALLY(lab, line_says(lab, waiting, "probe", 0, "running, waits for a future"));
    lab_do(lab, asking, act_ask, &waiting);
    LAB_EVENTUALLY(lab,
                   dump_says(lab, words_of_pid("running, waits for an answer of", waiting, text)));
    lab_do(lab, sending, act_send_into_the_full, &waiting);
    LAB_EVENTUALLY(lab, dump_says(lab, words_of_pid("running, waits for room in the mailbox of",
                                                    waiting, text)));
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_flush(lab, sending);
    lab_flush(lab, asking);
    future = gr_future_unref(future);
    LAB_EVENTUALLY(lab, !dump_says(lab, "waits for"));
}

static void a_dump_says_in_which_state_an_actor_is(void **state)
{
    struct lab *lab = *state;
    gr_props parent_props = lab_probe_props(lab, "p");
    gr_pid parent = gr_pid_null();
    gr_pid child = gr_pid_null();
    gr_pid stopping = lab_spawn(lab, "stopping");
    gr_pid nephew = lab_spawn_child(lab, stopping, "nephew");
    gr_future *future = NULL;

    parent_props.supervision.backoff = (gr_backoff){.min_ms = 1000};
    parent = lab_spawn_props(lab, &parent_props, "p");
    child = lab_spawn_child(lab, parent, "c");
    assert_true(line_says(lab, child, "probe", 0, "running"));
    lab_do(lab, child, lab_act_fail, NULL);
    lab_run(lab);
    lab_tell(lab, child, 1);
    assert_true(line_says(lab, child, "probe", 1, "paused until its restart is due"));
    lab_advance(lab, 1200);
    assert_true(line_says(lab, child, "probe", 0, "running"));
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, nephew, act_wait, future);
    lab_run(lab);
    gr_stepped_step(lab->stepped);
    gr_send_stop(lab->sys, stopping);
    assert_true(gr_stepped_step(lab->stepped)); /* its child is asked, and has not been run */
    assert_true(line_says(lab, stopping, "probe", 0, "stopping: its waits and its children end"));
    lab_run(lab);
    assert_false(dump_says(lab, "stopping:"));
    future = gr_future_unref(future);
}

static gr_directive decide_by_text(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    return strcmp(error->text, "resume") == 0     ? GR_RESUME
           : strcmp(error->text, "escalate") == 0 ? GR_ESCALATE
           : strcmp(error->text, "restart") == 0  ? GR_RESTART
                                                  : GR_STOP;
}

static gr_err act_fail_with(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    (void)lab;
    return gr_fatal(GR_EFAILED, "%s", (const char *)arg);
}

static void each_decision_is_counted(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "p");
    gr_pid parent = gr_pid_null();
    gr_pid child = gr_pid_null();
    gr_counters counters = {0};
    char words[][12] = {"resume", "restart", "resume", "stop", "escalate"};

    props.supervision.decide = decide_by_text;
    parent = lab_spawn_props(lab, &props, "p");
    child = lab_spawn_child(lab, parent, "c");
    for (size_t i = 0; i < 4; i++) {
        lab_do(lab, child, act_fail_with, words[i]);
    }
    lab_wait(lab, "c stopped failed");
    child = lab_spawn_child(lab, parent, "d");
    lab_do(lab, child, act_fail_with, words[4]); /* and the system restarts the parent */
    lab_wait_times(lab, "p started", 2);
    lab_flush(lab, parent);
    counters = gr_system_counters(lab->sys);
    assert_int_equal(counters.resumes, 2);
    assert_int_equal(counters.restarts, 2);
    assert_int_equal(counters.given_up, 1);
    assert_int_equal(counters.escalations, 1);
    assert_int_equal(counters.failures, 6); /* the parent's, too */
    assert_true(dump_says(lab, "2 resumes, 1 escalations, 1 given up"));
}

static void spawns_that_fail_are_counted(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = lab_spawn_props(lab, &props, "a");

    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EEXIST);
    props.receive = NULL;
    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_EINVAL);
    assert_int_equal(gr_system_counters(lab->sys).spawns_failed, 2);
    assert_int_equal(gr_system_counters(lab->sys).spawned, 1);
}

static void what_ran_out_of_time_is_counted(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    assert_int_equal(gr_future_new(lab->sys, 300, &future), GR_OK);
    assert_int_equal(gr_await(future, 1, &reply), GR_ETIMEDOUT);          /* the wait ... */
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_ETIMEDOUT); /* ... and the future */
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).timeouts == 2);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_ETIMEDOUT); /* which was over */
    assert_int_equal(gr_system_counters(lab->sys).timeouts, 2);
    future = gr_future_unref(future);
}

static gr_err act_tick(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_timer_id timer;

    (void)lab;
    (void)arg;
    return gr_timer_start(ctx, 10, 10, lab_word_new(1), &timer);
}

static void ticks_that_are_left_out_are_counted(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    lab_do(lab, pid, act_tick, NULL);
    lab_run(lab);
    gr_stepped_stall(lab->sys, true);
    gr_stepped_advance(lab->stepped, 105);
    gr_stepped_stall(lab->sys, false);
    lab_run(lab);
    assert_int_equal(lab_count(lab, "a 1") + gr_system_counters(lab->sys).ticks_left_out, 10);
    assert_int_equal(lab_count(lab, "a 1"), 1);
}

static void turns_are_counted(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    uint64_t before = 0;

    lab_flush(lab, pid);
    before = gr_system_counters(lab->sys).turns;
    for (int64_t i = 0; i < 50; i++) {
        lab_tell(lab, pid, i);
    }
    lab_wait(lab, "a 49");
    assert_true(gr_system_counters(lab->sys).turns >= before + 50);
}

/* Does not return before it is let go. */
static gr_err act_be_slow(gr_context *ctx, struct lab *lab, void *arg)
{
    atomic_bool *let_go = arg;
    int64_t give_up_ms = lab_real_ms() + LAB_WAIT_S * INT64_C(1000);

    (void)ctx;
    (void)lab;
    while (!atomic_load(let_go)) {
        lab_require(lab_real_ms() < give_up_ms);
    }
    return GR_OK;
}

static void slow_handlers_are_counted_and_shown(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.slow_handler_ms = 20};
    atomic_bool *let_go = lab_own(lab, sizeof(*let_go));
    gr_pid pid = gr_pid_null();

    lab_reopen(lab, &options);
    pid = lab_spawn(lab, "a");
    lab_do(lab, pid, act_be_slow, let_go);
    LAB_EVENTUALLY(lab, dump_says(lab, "lately a lab_act"));
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).slow_handlers >= 1);
    atomic_store(let_go, true);
    lab_flush(lab, pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(a_dump_says_what_fibers_wait_for),
        LAB_STEPPED(a_dump_says_in_which_state_an_actor_is),
        LAB_BOTH(each_decision_is_counted),
        LAB_BOTH(spawns_that_fail_are_counted),
        LAB_BOTH(what_ran_out_of_time_is_counted),
        LAB_STEPPED(ticks_that_are_left_out_are_counted),
        LAB_BOTH(turns_are_counted),
        LAB_THREADS(slow_handlers_are_counted_and_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
