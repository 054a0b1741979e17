/*
 * Memory that runs out: the nth allocation fails, for every n, in each way to start, talk and stop.
 * What must come out is an error or a dead letter and a system that still works; leaks are the
 * sanitizer's to find. Behaviour r36. Stepped, so that the same n fails the same allocation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <gri/mem.h>

enum { NTH_MAX = 3000 };

/* One system made before memory runs out. */
typedef struct trial {
    gr_stepped *stepped;
    gr_system *sys;
    gr_pid echo;
    int64_t handled;
    int64_t dead;
    gr_subscription *subscription;
} trial;

static gr_err echo_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    trial *here = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    if (word == NULL) {
        return GR_OK;
    }
    here->handled++;
    return gr_pid_is_null(gr_context_sender(ctx)) ? GR_OK
                                                  : gr_respond(ctx, lab_word_new(word->number));
}

static void on_dead_letter(void *arg, const gr_type *type, const void *event)
{
    (void)type;
    (void)event;
    ((trial *)arg)->dead++;
}

static void trial_init(trial *here)
{
    gr_system_options options = {0};
    gr_props props = {.receive = echo_receive, .arg = here};

    *here = (trial){0};
    assert_int_equal(gr_stepped_new(1, &here->stepped), GR_OK);
    options.stepped = here->stepped;
    assert_int_equal(gr_system_new(&options, &here->sys), GR_OK);
    assert_int_equal(gr_spawn(here->sys, &props, "echo", &here->echo), GR_OK);
    assert_int_equal(
        gr_subscribe(here->sys, &gr_dead_letter_type, on_dead_letter, here, &here->subscription),
        GR_OK);
}

/* The system must still work, and end with nothing left over. */
static void trial_fini(trial *here, bool echo_lives)
{
    gr_msg *reply = NULL;

    if (echo_lives) {
        assert_int_equal(gr_request(here->sys, here->echo, lab_word_new(1), GR_FOREVER, &reply),
                         GR_OK);
        reply = gr_msg_unref(reply);
    }
    assert_int_equal(gr_system_stop(here->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_system_counters(here->sys).actors, 0);
    here->subscription = gr_unsubscribe(here->subscription);
    here->sys = gr_system_free(here->sys);
    here->stepped = gr_stepped_free(here->stepped);
}

/* Tries `attempt` with the 1st, 2nd, ... allocation failing, each time in a new system, until none
 * is left to fail; it need not allocate anything. */
static void with_each_allocation_failing(void (*attempt)(trial *here), bool echo_lives)
{
    uint64_t nth = 0;
    uint64_t counted = 0;

    do {
        trial here;

        nth++;
        assert_true(nth < NTH_MAX);
        trial_init(&here);
        gri_mem_fail_nth(nth);
        attempt(&here);
        counted = gri_mem_count();
        gri_mem_fail_nth(0);
        trial_fini(&here, echo_lives);
    } while (counted >= nth);
}

static void expect_one_of(gr_err err, gr_err first, gr_err second)
{
    if (err != first && err != second) {
        fail_msg("%s: %s", gr_err_name(err), gr_last_error()->text);
    }
}

static void try_spawn(trial *here)
{
    gr_props props = {.receive = echo_receive, .arg = here};
    gr_pid pid = gr_pid_null();
    gr_err err = GR_OK;

    for (int i = 0; i < 20; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "n%d", i);
        err = gr_spawn(here->sys, &props, name, &pid);
        expect_one_of(err, GR_OK, GR_ENOMEM);
        if (err != GR_OK) { /* nothing is left behind: the name is free */
            assert_int_equal(gr_name_find(here->sys, name, &pid), GR_ENOTFOUND);
        }
    }
    gr_stepped_run_until_idle(here->stepped);
}

static void r36_each_allocation_fails_in_spawn(void **state)
{
    (void)state;
    with_each_allocation_failing(try_spawn, true);
}

static gr_err started_with_state(gr_context *ctx, void *state)
{
    memset(state, 1, 100);
    return gr_context_alloc(ctx, 200) == NULL ? gr_fail(GR_ENOMEM, "no memory") : GR_OK;
}

static gr_err family_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    trial *here = gr_context_arg(ctx);
    gr_props props = {
        .started = started_with_state, .receive = family_receive, .state_bytes = 100, .arg = here};
    gr_pid child = gr_pid_null();
    gr_timer_id timer;
    gr_err err = GR_OK;

    (void)state;
    if (gr_msg_read(msg, &lab_word_type) == NULL) {
        return GR_OK;
    }
    err = gr_spawn_child(ctx, &props, "child", &child);
    lab_require(err == GR_OK || err == GR_ENOMEM || err == GR_EEXIST);
    if (err == GR_OK) {
        err = gr_watch(ctx, child);
        lab_require(err == GR_OK || err == GR_ENOMEM);
        gr_send_stop(here->sys, child);
    }
    err = gr_timer_start(ctx, 10, 0, lab_word_new(1), &timer);
    lab_require(err == GR_OK || err == GR_ENOMEM);
    return gr_fatal(GR_EFAILED, "restart me");
}

static void try_family(trial *here)
{
    gr_props props = {
        .started = started_with_state, .receive = family_receive, .state_bytes = 100, .arg = here};
    gr_pid pid = gr_pid_null();
    gr_err err = gr_spawn(here->sys, &props, "father", &pid);

    expect_one_of(err, GR_OK, GR_ENOMEM);
    if (err == GR_OK) {
        expect_one_of(gr_send(here->sys, pid, lab_word_new(1)), GR_OK, GR_ENOMEM);
        gr_stepped_run_until_idle(here->stepped);
        expect_one_of(gr_send(here->sys, pid, lab_word_new(2)), GR_OK,
                      gr_system_counters(here->sys).actors == 1 ? GR_EDEAD : GR_ENOMEM);
        gr_stepped_run_until_idle(here->stepped);
        gr_send_stop(here->sys, pid);
        gr_stepped_run_until_idle(here->stepped);
    }
}

static void r36_each_allocation_fails_in_children_watches_timers_and_restarts(void **state)
{
    (void)state;
    with_each_allocation_failing(try_family, true);
}

static void try_send(trial *here)
{
    enum { WORDS = 200 };
    int64_t handled = here->handled;
    int64_t dead = here->dead;
    int64_t accepted = 0;
    int64_t refused = 0;

    for (int64_t i = 0; i < WORDS; i++) {
        gr_msg *msg = lab_word_new(i);
        gr_err err = gr_send(here->sys, here->echo, msg);

        expect_one_of(err, GR_OK, GR_ENOMEM);
        accepted += err == GR_OK;
        refused += err != GR_OK && msg != NULL;
    }
    gr_stepped_run_until_idle(here->stepped);
    assert_int_equal(here->handled - handled, accepted);
    assert_int_equal(here->dead - dead, refused);
}

static gr_err group_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    static const gr_backoff soon = {.min_ms = 10};
    trial *here = state;
    gr_props props = {.receive = group_receive, .arg = here};
    gr_pid child = gr_pid_null();

    if (gr_pid_is_null(gr_context_parent(ctx)) && gr_context_children(ctx) == 0) {
        for (int i = 0; i < 3; i++) {
            props.supervision.backoff = soon;
            if (gr_spawn_child(ctx, &props, NULL, &child) == GR_OK) {
                (void)gr_send(here->sys, child, lab_word_new(1));
            }
        }
        return GR_OK;
    }
    return gr_msg_read(msg, &lab_word_type) == NULL ? GR_OK : gr_fatal(GR_EFAILED, "told to fail");
}

static void try_group(trial *here)
{
    static const gr_supervision guardian = {.restarts = 3, .backoff = {.min_ms = 5}};
    gr_props props = {.receive = group_receive,
                      .arg = here,
                      .supervision = {.strategy = GR_ALL_FOR_ONE, .backoff = {.min_ms = 10}},
                      .guardian = &guardian};
    gr_pid parent = gr_pid_null();
    gr_err err = gr_spawn(here->sys, &props, "parent", &parent);

    expect_one_of(err, GR_OK, GR_ENOMEM);
    for (int i = 0; i < 3 && err == GR_OK; i++) {
        (void)gr_send(here->sys, parent, lab_word_new(1));
        gr_stepped_run_until_idle(here->stepped);
        gr_stepped_advance(here->stepped, i * INT64_C(100));
        gr_stepped_run_until_idle(here->stepped);
    }
    gr_send_stop(here->sys, parent);
    gr_stepped_run_until_idle(here->stepped);
}

static void r36_each_allocation_fails_in_supervision(void **state)
{
    (void)state;
    with_each_allocation_failing(try_group, true);
}

static void r36_each_allocation_fails_in_send(void **state)
{
    (void)state;
    with_each_allocation_failing(try_send, true);
}

static void try_request(trial *here)
{
    for (int64_t i = 0; i < 30; i++) {
        gr_msg *reply = NULL;
        gr_err err = gr_request(here->sys, here->echo, lab_word_new(i), 1000, &reply);

        expect_one_of(err, GR_OK, GR_ENOMEM);
        assert_true((reply != NULL) == (err == GR_OK));
        reply = gr_msg_unref(reply);
    }
}

static void r36_each_allocation_fails_in_request(void **state)
{
    (void)state;
    with_each_allocation_failing(try_request, true);
}

static gr_err asking_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    trial *here = state;
    gr_msg *reply = NULL;
    gr_err err = gr_request(here->sys, here->echo, lab_word_new(1), 1000, &reply);

    (void)ctx;
    (void)msg;
    lab_require(err == GR_OK || err == GR_ENOMEM || err == GR_ESTOPPED);
    reply = gr_msg_unref(reply);
    return GR_OK;
}

static void try_request_in_handlers(trial *here)
{
    gr_props props = {.receive = asking_receive, .arg = here};

    for (int i = 0; i < 10; i++) {
        gr_pid pid = gr_pid_null();

        if (gr_spawn(here->sys, &props, NULL, &pid) == GR_OK) {
            expect_one_of(gr_send(here->sys, pid, lab_word_new(1)), GR_OK, GR_ENOMEM);
        }
    }
    gr_stepped_run_until_idle(here->stepped);
}

static void r36_each_allocation_fails_in_requests_of_handlers(void **state)
{
    (void)state;
    with_each_allocation_failing(try_request_in_handlers, true);
}

static void try_stop(trial *here)
{
    for (int64_t i = 0; i < 10; i++) {
        (void)gr_send(here->sys, here->echo, lab_word_new(i));
    }
    gr_send_stop(here->sys, here->echo);
    gr_stepped_run_until_idle(here->stepped);
    assert_int_equal(gr_system_counters(here->sys).actors, 0); /* a stop cannot fail */
}

static void r36_each_allocation_fails_in_stop(void **state)
{
    (void)state;
    with_each_allocation_failing(try_stop, false);
}

static void try_poison(trial *here)
{
    (void)gr_send(here->sys, here->echo, lab_word_new(1));
    gr_send_poison(here->sys, here->echo);
    gr_stepped_run_until_idle(here->stepped);
    assert_int_equal(gr_system_counters(here->sys).actors, 0);
}

static void r36_each_allocation_fails_in_poison(void **state)
{
    (void)state;
    with_each_allocation_failing(try_poison, false);
}

static void try_system_stop(trial *here)
{
    gr_props props = {.receive = echo_receive, .arg = here};
    gr_pid pid = gr_pid_null();

    for (int i = 0; i < 5; i++) {
        (void)!gr_spawn(here->sys, &props, NULL, &pid);
    }
    assert_int_equal(gr_system_stop(here->sys, GR_FOREVER), GR_OK);
}

static void r36_each_allocation_fails_in_the_systems_stop(void **state)
{
    (void)state;
    with_each_allocation_failing(try_system_stop, false);
}

static void try_rest(trial *here)
{
    gr_future *future = NULL;
    gr_subscription *subscription = NULL;
    gr_msg *error = gr_msg_new_error(GR_EBUSY, "busy");
    gr_err err = gr_future_new(here->sys, 100, &future);

    expect_one_of(err, GR_OK, GR_ENOMEM);
    if (err == GR_OK) {
        (void)gr_future_complete(future, error);
        error = NULL;
    }
    error = gr_msg_unref(error);
    future = gr_future_unref(future);
    err = gr_subscribe(here->sys, &gr_dead_letter_type, on_dead_letter, here, &subscription);
    expect_one_of(err, GR_OK, GR_ENOMEM);
    (void)gr_send(here->sys, gr_pid_null(), lab_word_new(1));
    subscription = gr_unsubscribe(subscription);
}

static void r36_each_allocation_fails_in_futures_and_events(void **state)
{
    (void)state;
    with_each_allocation_failing(try_rest, true);
}

/* Returns whether the nth allocation was one of the start's. */
static bool start_with_failing(uint64_t nth, bool steps)
{
    gr_system_options options = {.name = "trial", .workers = 2};
    gr_system *sys = NULL;
    gr_err err = GR_OK;
    uint64_t counted = 0;

    gri_mem_fail_nth(nth);
    if (steps) {
        err = gr_stepped_new(1, &options.stepped);
    }
    if (err == GR_OK) {
        err = gr_system_new(&options, &sys);
    }
    counted = gri_mem_count();
    gri_mem_fail_nth(0);
    expect_one_of(err, GR_OK, GR_ENOMEM);
    assert_true((sys != NULL) == (err == GR_OK));
    sys = gr_system_free(sys);
    options.stepped = gr_stepped_free(options.stepped);
    return counted >= nth;
}

static void r36_each_allocation_fails_in_the_start_of_a_system(void **state)
{
    uint64_t nth = 1;

    (void)state;
    while (start_with_failing(nth, true)) {
        nth++;
        assert_true(nth < NTH_MAX);
    }
    assert_true(nth > 1);
    for (nth = 1; start_with_failing(nth, false); nth++) {
        assert_true(nth < NTH_MAX);
    }
    assert_true(nth > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r36_each_allocation_fails_in_spawn),
        cmocka_unit_test(r36_each_allocation_fails_in_children_watches_timers_and_restarts),
        cmocka_unit_test(r36_each_allocation_fails_in_supervision),
        cmocka_unit_test(r36_each_allocation_fails_in_send),
        cmocka_unit_test(r36_each_allocation_fails_in_request),
        cmocka_unit_test(r36_each_allocation_fails_in_requests_of_handlers),
        cmocka_unit_test(r36_each_allocation_fails_in_stop),
        cmocka_unit_test(r36_each_allocation_fails_in_poison),
        cmocka_unit_test(r36_each_allocation_fails_in_the_systems_stop),
        cmocka_unit_test(r36_each_allocation_fails_in_futures_and_events),
        cmocka_unit_test(r36_each_allocation_fails_in_the_start_of_a_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
