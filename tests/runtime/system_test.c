/*
 * Systems: their start, their end, their counters and dumps, and two of them side by side.
 * Behaviours r33 and r34.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

/* A sanitizer that is there counts what a hanging thread keeps; the test of that tells it to look
 * away. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

/* ---- r33 */

static void r33_after_the_stop_spawns_and_sends_are_refused(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_props props = lab_probe_props(lab, "b");
    gr_pid late = gr_pid_null();
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    lab_assert_notes(lab, "a", "a started|a stopped stopped");
    assert_int_equal(gr_spawn(lab->sys, &props, "b", &late), GR_ESTOPPED);
    assert_true(gr_pid_is_null(late));
    err = gr_send(lab->sys, pid, lab_word_new(1));
    assert_true(err == GR_EDEAD || err == GR_ESTOPPED);
    err = gr_send_wait(lab->sys, pid, lab_word_new(1), GR_FOREVER);
    assert_true(err == GR_EDEAD || err == GR_ESTOPPED);
    err = gr_request(lab->sys, pid, lab_word_new(1), GR_FOREVER, &reply);
    assert_true(err == GR_EDEAD || err == GR_ESTOPPED);
    gr_send_stop(lab->sys, pid);
    gr_send_poison(lab->sys, pid);
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
}

static void r33_stopping_twice_is_harmless(void **state)
{
    struct lab *lab = *state;

    (void)lab_spawn(lab, "a");
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_system_stop(lab->sys, 0), GR_OK);
    assert_int_equal(lab_count(lab, "a stopped stopped"), 1);
    assert_null(gr_system_free(NULL));
}

static void r33_freeing_stops_first(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");

    (void)lab_spawn_child(lab, parent, "c");
    (void)lab_spawn(lab, "q");
    lab->subscription = gr_unsubscribe(lab->subscription);
    lab->sys = gr_system_free(lab->sys);
    assert_null(lab->sys);
    assert_true(lab_place(lab, "c stopped stopped") < lab_place(lab, "p stopped stopped"));
    assert_int_equal(lab_count(lab, "q stopped stopped"), 1);
}

static gr_err act_wait_forever(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    (void)ctx;
    lab_note(lab, "a waits");
    err = gr_await(arg, GR_FOREVER, &reply);
    lab_note(lab, "a went on: %s", gr_err_name(err));
    reply = gr_msg_unref(reply);
    return GR_OK;
}

static void r33_a_stop_ends_waits_timers_and_mailboxes(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, pid, act_wait_forever, future);
    lab_tell(lab, pid, 1);
    lab_wait(lab, "a waits");
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    lab_assert_notes(lab, "a", "a started|a waits|a went on: GR_ESTOPPED|a stopped stopped");
    assert_int_equal(lab_dead(lab), 1);
    future = gr_future_unref(future);
}

static void *wait_outside(void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(arg, GR_FOREVER, &reply);

    reply = gr_msg_unref(reply);
    return (void *)(intptr_t)err;
}

static void r33_a_stop_ends_the_waits_of_other_threads_on_dead_actors(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_future *never = NULL;
    gr_future *future = NULL;
    pthread_t thread;
    void *err = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &never), GR_OK);
    lab_do(lab, pid, act_wait_forever, never);
    lab_wait(lab, "a waits");
    assert_int_equal(gr_request_future(lab->sys, pid, lab_word_new(1), GR_FOREVER, &future), GR_OK);
    assert_int_equal(pthread_create(&thread, NULL, wait_outside, future), 0);
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(pthread_join(thread, &err), 0);
    assert_true((intptr_t)err == GR_EDEAD || (intptr_t)err == GR_ESTOPPED);
    future = gr_future_unref(future);
    never = gr_future_unref(never);
}

/* A handler that holds its worker until it is let go. */
typedef struct hang {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside;
    bool released;
} hang;

static gr_err act_hang(gr_context *ctx, struct lab *lab, void *arg)
{
    hang *here = arg;

    (void)ctx;
    (void)lab;
    (void)pthread_mutex_lock(&here->lock);
    here->inside = true;
    (void)pthread_cond_broadcast(&here->changed);
    while (!here->released) {
        (void)pthread_cond_wait(&here->changed, &here->lock);
    }
    (void)pthread_mutex_unlock(&here->lock);
    return GR_OK;
}

static void hang_until_inside(hang *here)
{
    (void)pthread_mutex_lock(&here->lock);
    while (!here->inside) {
        (void)pthread_cond_wait(&here->changed, &here->lock);
    }
    (void)pthread_mutex_unlock(&here->lock);
}

static void hang_release(hang *here)
{
    (void)pthread_mutex_lock(&here->lock);
    here->released = true;
    (void)pthread_cond_broadcast(&here->changed);
    (void)pthread_mutex_unlock(&here->lock);
}

static void r33_the_deadline_of_a_stop_is_kept_although_a_handler_hangs(void **state)
{
    struct lab *lab = *state;
    hang here = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
    gr_pid pid = lab_spawn(lab, "sleeper");
    int64_t before = lab_real_ms();

    lab_do(lab, pid, act_hang, &here);
    hang_until_inside(&here);
    assert_int_equal(gr_system_stop(lab->sys, 50), GR_ETIMEDOUT);
    assert_true(lab_real_ms() - before < LAB_WAIT_S * INT64_C(1000));
    assert_non_null(strstr(gr_last_error()->text, "sleeper"));
    hang_release(&here);
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK); /* asked again, it finishes */
    assert_int_equal(lab_count(lab, "sleeper stopped stopped"), 1);
}

/* Refers to nothing of the test's: it may run when the test is over. */
static gr_err hang_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)msg;
    return act_hang(ctx, NULL, state);
}

static void r33_a_system_with_a_hanging_handler_can_be_freed(void **state)
{
    static hang here = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
    gr_system_options options = {.workers = 2};
    gr_system *sys = NULL;
    gr_props props = {.receive = hang_receive, .arg = &here};
    gr_pid pid = gr_pid_null();

    (void)state;
    if (__lsan_disable != NULL) {
        __lsan_disable(); /* what the hanging thread may touch is left behind: that is the promise
                           */
    }
    assert_int_equal(gr_system_new(&options, &sys), GR_OK);
    assert_int_equal(gr_spawn(sys, &props, "sleeper", &pid), GR_OK);
    assert_int_equal(gr_send(sys, pid, lab_word_new(1)), GR_OK);
    hang_until_inside(&here);
    assert_int_equal(gr_system_stop(sys, 10), GR_ETIMEDOUT);
    sys = gr_system_free(sys);
    assert_null(sys);
    if (__lsan_enable != NULL) {
        __lsan_enable();
    }
    hang_release(&here); /* the thread ends in memory that is still there */
}

static gr_err act_stop_system(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    return gr_system_stop(gr_context_system(ctx), GR_FOREVER);
}

static void a_handler_must_not_stop_its_system(void **state)
{
    struct lab *lab = *state;

    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_stop_system, NULL), GR_EINVAL);
}

/* ---- r34 */

/* From a handler of one system into another one. */
static gr_err act_spawn_there(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_system *other = arg;
    gr_props props = lab_probe_props(lab, "guest");
    gr_pid pid = gr_pid_null();

    (void)ctx;
    lab_require(gr_spawn(other, &props, "guest", &pid) == GR_OK);
    lab_require(gr_send(other, pid, lab_word_new(1)) == GR_OK);
    gr_send_poison(other, pid);
    return GR_OK;
}

static void r34_a_stepped_system_and_one_with_threads_stand_in_one_process(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.workers = 2};
    gr_system *other = NULL;

    assert_int_equal(gr_system_new(&options, &other), GR_OK);
    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_spawn_there, other), GR_OK);
    LAB_EVENTUALLY(lab, lab_count(lab, "guest stopped stopped") == 1);
    assert_int_equal(lab_count(lab, "guest 1"), 1);
    other = gr_system_free(other);
}

static void r34_two_systems_in_one_process_do_not_see_each_other(void **state)
{
    struct lab *lab = *state;
    gr_system *other = NULL;
    gr_system_options options = lab->options;
    gr_pid here = lab_spawn(lab, "a");
    gr_pid there = gr_pid_null();
    gr_props props = lab_probe_props(lab, "other");

    assert_int_equal(gr_system_new(&options, &other), GR_OK);
    assert_true(gr_system_node(other) != gr_system_node(lab->sys));
    assert_int_equal(gr_name_find(other, "a", &there), GR_ENOTFOUND);
    assert_int_equal(gr_spawn(other, &props, "a", &there), GR_OK); /* the same name */
    assert_int_equal(gr_send(lab->sys, there, lab_word_new(1)), GR_EUNREACHABLE);
    assert_int_equal(gr_send(other, here, lab_word_new(2)), GR_EUNREACHABLE);
    assert_int_equal(lab_dead(lab), 1); /* the other one's dead letter is not seen here */
    gr_send_stop(other, here);
    gr_send_stop(lab->sys, there);
    assert_int_equal(gr_send(other, there, lab_word_new(3)), GR_OK);
    lab_wait(lab, "other 3");
    assert_int_equal(gr_system_counters(other).actors, 1);
    assert_int_equal(gr_system_counters(lab->sys).actors, 1);
    other = gr_system_free(other);
    lab_flush(lab, here);
    lab_assert_notes(lab, "a", "a started");
    assert_int_equal(lab_count(lab, "other stopped stopped"), 1);
}

typedef struct crossing {
    gr_system *other;
    gr_pid there;
} crossing;

static gr_err act_ask_other_system(gr_context *ctx, struct lab *lab, void *arg)
{
    const crossing *to = arg;
    gr_msg *reply = NULL;
    gr_err err = gr_request(to->other, to->there, lab_word_new(5), GR_FOREVER, &reply);

    (void)ctx;
    (void)lab;
    reply = gr_msg_unref(reply);
    return err;
}

static void a_handler_may_ask_an_actor_of_another_system(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = lab->options;
    gr_props props = lab_probe_props(lab, "other");
    crossing to = {NULL, gr_pid_null()};

    assert_int_equal(gr_system_new(&options, &to.other), GR_OK);
    assert_int_equal(gr_spawn(to.other, &props, "a", &to.there), GR_OK);
    assert_int_equal(lab_make(lab, lab_spawn(lab, "a"), act_ask_other_system, &to), GR_OK);
    assert_int_equal(lab_count(lab, "other 5"), 1);
    to.other = gr_system_free(to.other);
}

/* ---- options, counters, dumps, logs */

static void bad_options_are_refused(void **state)
{
    gr_system *sys = NULL;
    gr_system_options options = {.stack_bytes = 1024};

    (void)state;
    assert_int_equal(gr_system_new(&options, &sys), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "1024"));
    assert_null(sys);
    options = (gr_system_options){.workers = 1000000};
    assert_int_equal(gr_system_new(&options, &sys), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "1000000"));
    assert_null(sys);
}

static void no_options_are_fine(void **state)
{
    gr_system *sys = NULL;

    (void)state;
    assert_int_equal(gr_system_new(NULL, &sys), GR_OK);
    sys = gr_system_free(sys);
    assert_null(sys);
}

static void systems_come_and_go(void **state)
{
    struct lab *lab = *state;

    for (uint32_t i = 0; i < 20; i++) {
        gr_system_options options = {.workers = 1 + i % 4};
        gr_props props = lab_probe_props(lab, "x");
        gr_pid pid = gr_pid_null();
        gr_system *sys = NULL;

        assert_int_equal(gr_system_new(&options, &sys), GR_OK);
        assert_int_equal(gr_spawn(sys, &props, "x", &pid), GR_OK);
        (void)gr_send(sys, pid, lab_word_new(1)); /* may be a dead letter of the stop below */
        sys = gr_system_free(sys);
    }
}

static void counters_count(void **state)
{
    struct lab *lab = *state;
    gr_pid a = lab_spawn(lab, "a");
    gr_pid b = lab_spawn(lab, "b");
    gr_counters seen;

    lab_do(lab, a, lab_act_fail, NULL);
    lab_wait_times(lab, "a started", 2);
    gr_send_stop(lab->sys, b);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    (void)gr_send(lab->sys, b, lab_word_new(1));
    seen = gr_system_counters(lab->sys);
    assert_int_equal(seen.actors, 1);
    assert_int_equal(seen.stopped, 1);
    assert_int_equal(seen.spawned, 2);
    assert_int_equal(seen.restarts, 1);
    assert_int_equal(seen.failures, 1);
    assert_int_equal(seen.dead_letters, 1);
    assert_int_equal(seen.late_replies, 0);
    assert_int_equal(seen.refused, 0);
    assert_int_equal(seen.fibers_waiting, 0);
}

static void a_dump_names_who_is_there_and_who_waits(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "patriarch");
    gr_future *future = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    (void)lab_spawn_child(lab, parent, "heiress");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, parent, act_wait_forever, future);
    lab_wait(lab, "a waits");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    gr_system_dump(lab->sys, out);
    (void)fclose(out);
    assert_non_null(strstr(text, "patriarch"));
    assert_non_null(strstr(text, "patriarch/heiress"));
    assert_non_null(strstr(text, "wait"));
    free(text);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_flush(lab, parent); /* it has done with the future */
    future = gr_future_unref(future);
}

static gr_err receive_nothing(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

/* What gr_system_dump() writes; free() it. */
static char *dump_of(struct lab *lab)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    gr_system_dump(lab->sys, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void a_dump_names_the_type_of_each_actor(void **state)
{
    struct lab *lab = *state;
    gr_props clerk = {.type_name = "clerk", .receive = receive_nothing};
    gr_props nameless = {.receive = receive_nothing};
    gr_pid pids[2] = {lab_spawn_props(lab, &clerk, "c"), lab_spawn_props(lab, &nameless, NULL)};
    const char *types[] = {"clerk c", "actor"};
    char pid[GR_PID_TEXT_BYTES];
    char want[100];
    char *text = dump_of(lab);

    for (int i = 0; i < 2; i++) {
        (void)snprintf(want, sizeof(want), "actor %s (%s): mailbox 0", gr_pid_format(pids[i], pid),
                       types[i]);
        assert_non_null(strstr(text, want));
    }
    free(text);
    gr_send_stop(lab->sys, pids[0]);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    text = dump_of(lab);
    assert_null(strstr(text, "clerk"));
    free(text);
}

static void a_dump_may_be_taken_while_actors_come_and_go(void **state)
{
    struct lab *lab = *state;
    gr_props clerk = {.type_name = "clerk", .receive = receive_nothing};
    gr_props guard = {.type_name = "guard", .receive = receive_nothing};

    for (size_t i = 0; i < lab_scaled(500); i++) {
        for (int k = 0; k < 10; k++) {
            gr_send_stop(lab->sys, lab_spawn_props(lab, k % 2 == 0 ? &clerk : &guard, NULL));
        }
        free(dump_of(lab));
    }
}

static void keep_log(void *arg, gr_log_level level, const char *id, const char *text)
{
    lab_note(arg, "log %d %s %s", (int)level, id, text);
}

static void the_log_takes_what_its_level_wants(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.log = keep_log, .log_arg = lab, .log_level = GR_LOG_WARN};

    lab_reopen(lab, &options);
    gr_system_log(lab->sys, GR_LOG_ERROR, "GR-TEST-ONE", "%d bottles", 99);
    gr_system_log(lab->sys, GR_LOG_WARN, "GR-TEST-TWO", "%s", "two");
    gr_system_log(lab->sys, GR_LOG_INFO, "GR-TEST-THREE", "%s", "three");
    assert_int_equal(lab_count(lab, "log 1 GR-TEST-ONE 99 bottles"), 1);
    assert_int_equal(lab_count(lab, "log 2 GR-TEST-TWO two"), 1);
    assert_int_equal(lab_count(lab, "log 3 GR-TEST-THREE three"), 0);
}

static void dead_letters_are_logged_with_a_limit(void **state)
{
    struct lab *lab = *state;
    gr_system_options options = {.log = keep_log, .log_arg = lab, .log_level = GR_LOG_DEBUG};
    gr_pid nobody;

    lab_reopen(lab, &options);
    nobody = (gr_pid){gr_system_node(lab->sys), 4000, 2};
    for (int64_t i = 0; i < 1000; i++) {
        (void)gr_send(lab->sys, nobody, lab_word_new(i));
    }
    assert_int_equal(lab_dead(lab), 1000);
    (void)pthread_mutex_lock(&lab->lock);
    assert_in_range(lab->note_count, 1, 100);
    (void)pthread_mutex_unlock(&lab->lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r33_after_the_stop_spawns_and_sends_are_refused),
        LAB_BOTH(r33_stopping_twice_is_harmless),
        LAB_BOTH(r33_freeing_stops_first),
        LAB_BOTH(r33_a_stop_ends_waits_timers_and_mailboxes),
        LAB_THREADS(r33_a_stop_ends_the_waits_of_other_threads_on_dead_actors),
        LAB_THREADS(r33_the_deadline_of_a_stop_is_kept_although_a_handler_hangs),
        LAB_THREADS(r33_a_system_with_a_hanging_handler_can_be_freed),
        LAB_BOTH(a_handler_must_not_stop_its_system),
        LAB_BOTH(r34_two_systems_in_one_process_do_not_see_each_other),
        LAB_BOTH(r34_a_stepped_system_and_one_with_threads_stand_in_one_process),
        LAB_BOTH(a_handler_may_ask_an_actor_of_another_system),
        LAB_STEPPED(bad_options_are_refused),
        LAB_STEPPED(no_options_are_fine),
        LAB_STEPPED(systems_come_and_go),
        LAB_BOTH(counters_count),
        LAB_BOTH(a_dump_names_who_is_there_and_who_waits),
        LAB_BOTH(a_dump_names_the_type_of_each_actor),
        LAB_BOTH(a_dump_may_be_taken_while_actors_come_and_go),
        LAB_BOTH(the_log_takes_what_its_level_wants),
        LAB_BOTH(dead_letters_are_logged_with_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
