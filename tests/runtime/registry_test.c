/*
 * Registries: the order of starting and stopping, what is injected, what one that fails does to the others. Behaviour r32.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <semaphore.h>

#include <granary/router.h>
#include <gri/mem.h>

/* What all actors of the program share. */
typedef struct program {
    struct lab *lab;
    gr_registry *registry;
    const char *sick; /* the name of the one whose start fails */
    int freed;
    sem_t stuck; /* a handler waits for it, as it should not */
} program;

static gr_err service_started(gr_context *ctx, void *state)
{
    program *shared = gr_context_arg(ctx);
    gr_pid first = gr_pid_null();

    (void)state;
    if (shared->sick != NULL && strcmp(gr_context_name(ctx), shared->sick) == 0) {
        return gr_fail(GR_EIO, "no disk");
    }
    lab_note(shared->lab, "+%s", gr_context_name(ctx));
    if (strcmp(gr_context_name(ctx), "a") != 0) { /* those that are there can be looked up */
        lab_require(gr_registry_find(shared->registry, "a", &first) == GR_OK);
    }
    return GR_OK;
}

static gr_err service_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    program *shared = gr_context_arg(ctx);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    (void)state;
    if (word != NULL && word->number == -1) {
        return gr_fatal(GR_EFAILED, "told to fail");
    }
    if (word != NULL && word->number == -2) {
        lab_note(shared->lab, "stuck");
        (void)sem_wait(&shared->stuck);
    }
    return GR_OK;
}

static void service_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    program *shared = gr_context_arg(ctx);

    (void)state;
    lab_note(shared->lab, "-%s%s", gr_context_name(ctx),
             reason == GR_REASON_RESTARTING ? " restarting" : "");
    if (strcmp(gr_context_name(ctx), "panics") == 0) {
        gr_panic(ctx, GR_EIO, "cannot flush");
    }
}

static void on_log(void *arg, gr_log_level level, const char *id, const char *text)
{
    (void)level;
    lab_note(arg, "%s", id);
    (void)text;
}

static gr_props service_props(void)
{
    return (gr_props){.type_name = "service",
                      .started = service_started,
                      .receive = service_receive,
                      .stopped = service_stopped};
}

/* A registry of actors with these names, in a system that notes what is logged. */
static program *program_new(struct lab *lab, const char *const *names)
{
    gr_system_options options = {.log = on_log, .log_arg = lab, .log_level = GR_LOG_WARN};
    program *shared = lab_own(lab, sizeof(*shared));
    gr_props props = service_props();

    lab_reopen(lab, &options);
    shared->lab = lab;
    (void)sem_init(&shared->stuck, 0, 0);
    assert_int_equal(gr_registry_new(lab->sys, shared, &shared->registry), GR_OK);
    for (; *names != NULL; names++) {
        assert_int_equal(gr_registry_add(shared->registry, *names, &props), GR_OK);
    }
    return shared;
}

static const char *const abc[] = {"a", "b", "c", NULL};

static void assert_order(struct lab *lab, const char *want)
{
    char all[1024] = "";

    for (size_t i = 0; i < lab->note_count; i++) {
        (void)strncat(all, lab->notes[i], sizeof(all) - strlen(all) - 1);
        (void)strncat(all, " ", sizeof(all) - strlen(all) - 1);
    }
    assert_string_equal(all, want);
}

/* ---- order */

static void r32_actors_start_in_order_and_stop_in_reverse(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);

    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    assert_int_equal(gr_system_counters(lab->sys).actors, 3);
    assert_int_equal(gr_registry_stop(shared->registry, GR_FOREVER), GR_OK);
    assert_order(lab, "+a +b +c -c -b -a ");
    assert_int_equal(gr_registry_stop(shared->registry, GR_FOREVER), GR_OK); /* harmless */
    shared->registry = gr_registry_free(shared->registry);
}

static void r32_one_that_does_not_start_stops_those_before_it_in_reverse(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);
    gr_pid pid = gr_pid_null();

    shared->sick = "c";
    assert_int_equal(gr_registry_start(shared->registry), GR_EIO);
    assert_string_equal(gr_last_error()->text, "'c': no disk");
    assert_order(lab, "+a +b GR-REGISTRY-START -b -a ");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(gr_registry_find(shared->registry, "a", &pid), GR_EDEAD);
    shared->sick = NULL; /* and then it can be tried again */
    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    assert_int_equal(gr_registry_find(shared->registry, "c", &pid), GR_OK);
    shared->registry = gr_registry_free(shared->registry);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

static void r32_the_first_that_does_not_start_leaves_nothing(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);

    shared->sick = "a";
    assert_int_equal(gr_registry_start(shared->registry), GR_EIO);
    assert_order(lab, "GR-REGISTRY-START ");
    shared->registry = gr_registry_free(shared->registry);
}

static void r32_a_name_that_the_system_has_already_is_such_a_failure(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);
    gr_pid other = lab_spawn(lab, "b");

    assert_int_equal(gr_registry_start(shared->registry), GR_EEXIST);
    assert_non_null(strstr(gr_last_error()->text, "'b'"));
    assert_int_equal(lab_count(lab, "-a"), 1);
    lab_flush(lab, other);
    shared->registry = gr_registry_free(shared->registry);
}

/* ---- errors in stopping */

static void r32_a_stop_hook_that_fails_is_logged_and_the_others_still_stop(void **state)
{
    static const char *const names[] = {"a", "panics", "c", NULL};
    struct lab *lab = *state;
    program *shared = program_new(lab, names);

    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    assert_int_equal(gr_registry_stop(shared->registry, GR_FOREVER), GR_OK);
    assert_order(lab, "+a +panics +c -c -panics GR-ACTOR-STOPPED-HOOK -a ");
    shared->registry = gr_registry_free(shared->registry);
}

static void r32_one_that_does_not_stop_in_time_is_logged_and_the_others_still_stop(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    assert_int_equal(gr_registry_find(shared->registry, "b", &pid), GR_OK);
    lab_tell(lab, pid, -2);
    lab_wait(lab, "stuck");
    assert_int_equal(gr_registry_stop(shared->registry, 20), GR_ETIMEDOUT);
    assert_non_null(strstr(gr_last_error()->text, "'b'"));
    assert_order(lab, "+a +b +c stuck -c GR-REGISTRY-STOP -a ");
    assert_int_equal(gr_registry_start(shared->registry), GR_EEXIST); /* b is still there */
    (void)sem_post(&shared->stuck);
    lab_wait(lab, "-b");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    shared->registry = gr_registry_free(shared->registry);
}

static void r32_one_that_has_failed_for_good_does_not_hold_up_the_stop(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    assert_int_equal(gr_registry_find(shared->registry, "b", &pid), GR_OK);
    for (int i = 0; i < 11; i++) {
        lab_tell(lab, pid, -1);
    }
    lab_wait(lab, "-b");
    LAB_EVENTUALLY(lab, gr_registry_find(shared->registry, "b", &pid) == GR_EDEAD);
    assert_int_equal(gr_registry_stop(shared->registry, GR_FOREVER), GR_OK);
    assert_true(lab_place(lab, "-c") < lab_place(lab, "-a"));
    shared->registry = gr_registry_free(shared->registry);
}

/* ---- what is injected, and found */

static void count_free(void *arg)
{
    (*(int *)arg)++;
}

typedef struct counted {
    int started;
} counted;

static gr_err with_own_arg_started(gr_context *ctx, void *state)
{
    int *freed = gr_context_arg(ctx);

    lab_require(*freed == 0);
    lab_require(((counted *)state)->started++ == 0);
    return GR_OK;
}

static void r32_an_arg_of_ones_own_is_kept_over_starts_and_freed_with_the_registry(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);
    int freed = 0;
    gr_props props = {.started = with_own_arg_started,
                      .receive = service_receive,
                      .state_bytes = sizeof(counted),
                      .arg = &freed,
                      .arg_free = count_free};

    assert_int_equal(gr_registry_add(shared->registry, "d", &props), GR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gr_registry_start(shared->registry), GR_OK);
        assert_int_equal(gr_registry_stop(shared->registry, GR_FOREVER), GR_OK);
    }
    assert_int_equal(freed, 0);
    shared->registry = gr_registry_free(shared->registry);
    assert_int_equal(freed, 1);
}

static void r32_find_follows_an_actor_over_restarts(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);
    gr_pid before = gr_pid_null();
    gr_pid after = gr_pid_null();

    assert_int_equal(gr_registry_find(shared->registry, "a", &before), GR_EDEAD);
    assert_non_null(strstr(gr_last_error()->text, "not been started"));
    assert_int_equal(gr_registry_find(shared->registry, "x", &before), GR_ENOTFOUND);
    assert_non_null(strstr(gr_last_error()->text, "'x'"));
    assert_int_equal(gr_registry_find(shared->registry, NULL, &before), GR_ENOTFOUND);
    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    assert_int_equal(gr_registry_find(shared->registry, "a", &before), GR_OK);
    lab_tell(lab, before, -1);
    lab_wait_times(lab, "+a", 2);
    assert_int_equal(gr_registry_find(shared->registry, "a", &after), GR_OK);
    assert_true(gr_pid_equal(before, after));
    assert_int_equal(gr_name_find(lab->sys, "a", &after), GR_OK); /* its name in the system, too */
    assert_true(gr_pid_equal(before, after));
    shared->registry = gr_registry_free(shared->registry);
}

static void r32_what_cannot_be_added_is_refused_and_its_arg_freed(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);
    int freed = 0;
    gr_props good = {.receive = service_receive, .arg = &freed, .arg_free = count_free};
    gr_props bad = {.arg = &freed, .arg_free = count_free};

    assert_int_equal(gr_registry_add(shared->registry, "d", NULL), GR_EINVAL);
    assert_int_equal(gr_registry_add(shared->registry, "d", &bad), GR_EINVAL);
    assert_int_equal(gr_registry_add(shared->registry, NULL, &good), GR_EINVAL);
    assert_int_equal(gr_registry_add(shared->registry, "x/y", &good), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "x/y"));
    assert_int_equal(gr_registry_add(shared->registry, "b", &good), GR_EEXIST);
    assert_non_null(strstr(gr_last_error()->text, "'b'"));
    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    assert_int_equal(gr_registry_start(shared->registry), GR_EBUSY);
    assert_int_equal(gr_registry_add(shared->registry, "d", &good), GR_EBUSY);
    assert_int_equal(freed, 5);
    shared->registry = gr_registry_free(shared->registry);
    assert_null(gr_registry_free(NULL));
}

/* ---- from inside, and beside others */

static gr_err act_start_and_stop(gr_context *ctx, struct lab *lab, void *arg)
{
    program *shared = arg;

    (void)ctx;
    lab_require(gr_registry_start(shared->registry) == GR_OK);
    lab_require(gr_registry_stop(shared->registry, GR_FOREVER) == GR_OK);
    lab_note(lab, "done");
    return GR_OK;
}

static void r32_a_handler_may_start_and_stop_a_registry(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);

    lab_do(lab, lab_spawn(lab, "outside"), act_start_and_stop, shared);
    lab_wait(lab, "done");
    assert_true(lab_place(lab, "-b") < lab_place(lab, "-a"));
    shared->registry = gr_registry_free(shared->registry);
}

static void *look_up(void *arg)
{
    program *shared = arg;
    gr_pid pid;

    for (size_t i = 0; i < lab_scaled(20000); i++) {
        gr_err err = gr_registry_find(shared->registry, i % 2 == 0 ? "a" : "c", &pid);

        lab_require(err == GR_OK || err == GR_EDEAD);
    }
    return NULL;
}

static void r32_looking_up_goes_on_while_actors_start_and_stop(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, look_up, shared), 0);
    for (size_t i = 0; i < lab_scaled(200); i++) {
        assert_int_equal(gr_registry_start(shared->registry), GR_OK);
        assert_int_equal(gr_registry_stop(shared->registry, GR_FOREVER), GR_OK);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    shared->registry = gr_registry_free(shared->registry);
}

static void r32_stopping_after_the_system_has_stopped_is_harmless(void **state)
{
    struct lab *lab = *state;
    program *shared = program_new(lab, abc);

    assert_int_equal(gr_registry_start(shared->registry), GR_OK);
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_registry_stop(shared->registry, GR_FOREVER), GR_OK);
    assert_int_equal(gr_registry_start(shared->registry), GR_ESTOPPED);
    shared->registry = gr_registry_free(shared->registry);
}

/* ---- r36 */

/* A whole life with the nth allocation failing; false when there were fewer. */
static bool live_with_failing(struct lab *lab, uint64_t nth)
{
    program shared = {.lab = lab};
    gr_props props = service_props();
    uint64_t allocations = 0;
    gr_err err = GR_OK;

    gri_mem_fail_nth(nth);
    err = gr_registry_new(lab->sys, &shared, &shared.registry);
    for (int i = 0; i < 3 && err == GR_OK; i++) {
        err = gr_registry_add(shared.registry, abc[i], &props);
    }
    if (err == GR_OK) {
        err = gr_registry_start(shared.registry);
    }
    if (err == GR_OK) {
        err = gr_registry_stop(shared.registry, GR_FOREVER);
    }
    assert_true(err == GR_OK || err == GR_ENOMEM);
    shared.registry = gr_registry_free(shared.registry);
    allocations = gri_mem_count();
    gri_mem_fail_nth(0);
    lab_run(lab);
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
    return allocations >= nth;
}

static void r36_each_allocation_fails_in_a_registry(void **state)
{
    struct lab *lab = *state;
    uint64_t nth = 1;

    while (live_with_failing(lab, nth)) {
        nth++;
    }
    assert_true(nth > 8);
}

/* ---- routers have their place as children */

static gr_err desk_started(gr_context *ctx, void *state)
{
    struct lab *lab = gr_context_arg(ctx);
    const gr_props worker = lab_probe_props(lab, "worker");
    const gr_router_options options = {.pool = &worker, .pool_size = 2};

    return gr_router_spawn_child(ctx, &options, "workers", state);
}

static gr_err desk_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)msg;
    return gr_forward(ctx, *(gr_pid *)state);
}

static void desk_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    (void)state;
    (void)reason;
    lab_note(gr_context_arg(ctx), "desk stopped");
}

static void a_router_is_started_and_stopped_in_its_turn_as_a_child(void **state)
{
    struct lab *lab = *state;
    const gr_props desk = {.started = desk_started,
                           .receive = desk_receive,
                           .stopped = desk_stopped,
                           .state_bytes = sizeof(gr_pid)};
    gr_registry *registry = NULL;
    gr_msg *reply = NULL;
    gr_pid pid, workers;

    assert_int_equal(gr_registry_new(lab->sys, lab, &registry), GR_OK);
    assert_int_equal(gr_registry_add(registry, "desk", &desk), GR_OK);
    assert_int_equal(gr_registry_start(registry), GR_OK);
    assert_int_equal(gr_registry_find(registry, "desk", &pid), GR_OK);
    assert_int_equal(gr_name_find(lab->sys, "desk/workers", &workers), GR_OK);
    assert_int_equal(gr_request(lab->sys, pid, lab_word_new(1), GR_FOREVER, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    assert_int_equal(gr_request(lab->sys, workers, lab_word_new(2), GR_FOREVER, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    assert_int_equal(gr_registry_stop(registry, GR_FOREVER), GR_OK);
    assert_int_equal(lab_count(lab, "worker stopped stopped"), 2);
    assert_true(lab_place(lab, "worker stopped stopped") < lab_place(lab, "desk stopped"));
    registry = gr_registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r32_actors_start_in_order_and_stop_in_reverse),
        LAB_BOTH(a_router_is_started_and_stopped_in_its_turn_as_a_child),
        LAB_BOTH(r32_one_that_does_not_start_stops_those_before_it_in_reverse),
        LAB_BOTH(r32_the_first_that_does_not_start_leaves_nothing),
        LAB_BOTH(r32_a_name_that_the_system_has_already_is_such_a_failure),
        LAB_BOTH(r32_a_stop_hook_that_fails_is_logged_and_the_others_still_stop),
        LAB_THREADS(r32_one_that_does_not_stop_in_time_is_logged_and_the_others_still_stop),
        LAB_BOTH(r32_one_that_has_failed_for_good_does_not_hold_up_the_stop),
        LAB_BOTH(r32_an_arg_of_ones_own_is_kept_over_starts_and_freed_with_the_registry),
        LAB_BOTH(r32_find_follows_an_actor_over_restarts),
        LAB_BOTH(r32_what_cannot_be_added_is_refused_and_its_arg_freed),
        LAB_BOTH(r32_a_handler_may_start_and_stop_a_registry),
        LAB_THREADS(r32_looking_up_goes_on_while_actors_start_and_stop),
        LAB_BOTH(r32_stopping_after_the_system_has_stopped_is_harmless),
        LAB_STEPPED(r36_each_allocation_fails_in_a_registry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
