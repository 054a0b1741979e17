/*
 * Life and death of actors: start hooks, stop and poison, children, arguments, state. Behaviours
 * r01 to r04 and what belongs beside them. Most run stepped and on threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

/* ---- r01: the start hook */

static gr_err started_sends_to_itself(gr_context *ctx, void *state)
{
    const lab_probe *probe = state;

    lab_note(probe->lab, "%s started", probe->name);
    return gr_send(gr_context_system(ctx), gr_context_self(ctx), lab_word_new(7));
}

static void r01_the_start_hook_runs_before_any_message_and_may_send(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.started = started_sends_to_itself;
    pid = lab_spawn_props(lab, &props, "a");
    lab_tell(lab, pid, 8);
    lab_wait(lab, "a 7");
    lab_wait(lab, "a 8");
    lab_assert_notes(lab, "a", "a started|a 7|a 8");
}

static void stopped_sends(gr_context *ctx, void *state, gr_reason reason)
{
    const lab_probe *probe = state;
    gr_pid heir = gr_pid_null();

    lab_note(probe->lab, "%s stopped %s", probe->name, lab_reason(reason));
    lab_require(gr_name_find(gr_context_system(ctx), "heir", &heir) == GR_OK);
    lab_require(gr_context_send(ctx, heir, lab_word_new(99)) == GR_OK);
}

static void r01_the_stop_hook_may_send(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");

    (void)lab_spawn(lab, "heir");
    props.stopped = stopped_sends;
    gr_send_stop(lab->sys, lab_spawn_props(lab, &props, "a"));
    lab_wait(lab, "heir 99");
    lab_assert_notes(lab, "a ", "a started|a stopped stopped");
}

static gr_err started_fails(gr_context *ctx, void *state)
{
    gr_pid child = gr_pid_null();
    gr_props props = lab_probe_props(((lab_probe *)state)->lab, "orphan");

    lab_require(gr_context_send(ctx, gr_context_self(ctx), lab_word_new(1)) == GR_OK);
    lab_require(gr_spawn_child(ctx, &props, "orphan", &child) == GR_OK);
    return gr_fail((gr_err)(GR_EAPP + 5), "no coffee for %s", "a");
}

static void arg_was_freed(void *arg)
{
    lab_note(((lab_probe *)arg)->lab, "arg freed");
}

static void r01_a_start_hook_that_fails_makes_the_spawn_fail_and_leaves_nothing(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();
    gr_pid found = gr_pid_null();
    gr_err err = GR_OK;

    props.started = started_fails;
    props.arg_free = arg_was_freed;
    err = gr_spawn(lab->sys, &props, "a", &pid);
    assert_int_equal(err, GR_EAPP + 5);
    assert_non_null(strstr(gr_last_error()->text, "no coffee for a"));
    assert_true(gr_pid_is_null(pid));
    lab_wait(lab, "orphan stopped stopped");
    lab_wait(lab, "arg freed");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(lab_count(lab, "a 1"), 0);
    assert_int_equal(lab_count(lab, "arg freed"), 1);
    assert_int_equal(gr_name_find(lab->sys, "a", &found), GR_ENOTFOUND);
    assert_int_equal(gr_name_find(lab->sys, "a/orphan", &found), GR_ENOTFOUND);
    (void)lab_spawn(lab, "a"); /* the name is free */
}

static gr_err started_fails_fatally(gr_context *ctx, void *state)
{
    (void)ctx;
    (void)state;
    return gr_fatal(GR_EIO, "no disk");
}

static gr_err started_panics(gr_context *ctx, void *state)
{
    (void)state;
    gr_panic(ctx, GR_EIO, "no %s", "disk");
}

static void r01_a_start_hook_that_fails_fatally_or_panics_is_the_spawns_error(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.started = started_fails_fatally;
    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EIO);
    props.started = started_panics;
    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EIO);
    assert_non_null(strstr(gr_last_error()->text, "no disk"));
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(lab_decisions(lab), 0); /* there was nobody to supervise */
}

static gr_err started_asks(gr_context *ctx, void *state)
{
    const lab_probe *probe = state;
    gr_system *sys = gr_context_system(ctx);
    gr_msg *reply = NULL;
    gr_pid oracle = gr_pid_null();
    gr_err err = gr_name_find(sys, "oracle", &oracle);

    if (err == GR_OK) {
        err = gr_request(sys, oracle, lab_word_new(42), GR_FOREVER, &reply);
    }
    if (err == GR_OK) {
        lab_note(probe->lab, "a was told %lld",
                 (long long)((const lab_word *)gr_msg_read(reply, &lab_word_type))->number);
        reply = gr_msg_unref(reply);
    }
    return err;
}

static void r01_a_start_hook_may_wait_for_an_answer(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");

    (void)lab_spawn(lab, "oracle");
    props.started = started_asks;
    (void)lab_spawn_props(lab, &props, "a");
    lab_assert_notes(lab, "a was", "a was told 42"); /* the spawn has waited for it */
}

static gr_err act_spawn_asking(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_props props = lab_probe_props(lab, "a");

    (void)arg;
    props.started = started_asks;
    return gr_spawn_child(ctx, &props, "a", &(gr_pid){0, 0, 0});
}

static void r01_a_childs_start_hook_may_wait_too(void **state)
{
    struct lab *lab = *state;

    (void)lab_spawn(lab, "oracle");
    assert_int_equal(lab_make(lab, lab_spawn(lab, "parent"), act_spawn_asking, NULL), GR_OK);
    lab_assert_notes(lab, "a was", "a was told 42");
}

/* ---- r02: the stop hook and the children */

static gr_err act_count_children(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    *(size_t *)arg = gr_context_children(ctx);
    return GR_OK;
}

static void r02_the_stop_hook_runs_once_after_the_children_have_stopped(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_pid child = lab_spawn_child(lab, parent, "c");

    (void)lab_spawn_child(lab, child, "g");
    (void)lab_spawn_child(lab, parent, "d");
    gr_send_stop(lab->sys, parent);
    lab_wait(lab, "p stopped stopped");
    assert_true(lab_place(lab, "g stopped stopped") < lab_place(lab, "c stopped stopped"));
    assert_true(lab_place(lab, "c stopped stopped") < lab_place(lab, "p stopped stopped"));
    assert_true(lab_place(lab, "d stopped stopped") < lab_place(lab, "p stopped stopped"));
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(lab_count(lab, "p stopped stopped"), 1);
    assert_int_equal(lab_count(lab, "c stopped stopped"), 1);
}

static void r02_a_parent_no_longer_lists_a_child_that_stopped(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_pid first = lab_spawn_child(lab, parent, "c");
    size_t children = 0;

    (void)lab_spawn_child(lab, parent, "d");
    assert_int_equal(lab_make(lab, parent, act_count_children, &children), GR_OK);
    assert_int_equal(children, 2);
    assert_int_equal(lab_make(lab, parent, lab_act_watch, &first), GR_OK);
    gr_send_stop(lab->sys, first);
    lab_wait(lab, "p sees stopped");
    assert_int_equal(lab_make(lab, parent, act_count_children, &children), GR_OK);
    assert_int_equal(children, 1);
}

static void stopped_spawns(gr_context *ctx, void *state, gr_reason reason)
{
    const lab_probe *probe = state;
    gr_props props = lab_probe_props(probe->lab, "late");
    gr_pid child = gr_pid_null();

    (void)reason;
    lab_note(probe->lab, "p's child: %s", gr_err_name(gr_spawn_child(ctx, &props, "late", &child)));
}

static void r02_an_actor_that_is_stopping_gets_no_more_children(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "p");
    gr_pid parent = gr_pid_null();

    props.stopped = stopped_spawns;
    parent = lab_spawn_props(lab, &props, "p");
    gr_send_stop(lab->sys, parent);
    lab_wait(lab, "p's child: GR_ESTOPPED");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

/* ---- r03: stop and poison */

static void r03_stop_is_at_once_and_what_is_left_becomes_dead_letters(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    for (int64_t i = 0; i < 5; i++) {
        lab_tell(lab, pid, i);
    }
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "a stopped stopped");
    LAB_EVENTUALLY(lab, lab_dead(lab) == 5);
    lab_assert_notes(lab, "a", "a started|a stopped stopped"); /* not one was handled */
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(lab_dead_at(lab, i).cause, GR_DEAD_STOPPED);
        assert_true(gr_pid_equal(lab_dead_at(lab, i).to, pid));
    }
}

static void r03_poison_is_in_order_and_what_comes_after_becomes_dead_letters(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    for (int64_t i = 1; i <= 3; i++) {
        lab_tell(lab, pid, i);
    }
    gr_send_poison(lab->sys, pid);
    for (int64_t i = 4; i <= 6; i++) {
        (void)gr_send(lab->sys, pid, lab_word_new(i)); /* dead or queued behind the poison */
    }
    lab_wait(lab, "a stopped stopped");
    LAB_EVENTUALLY(lab, lab_dead(lab) == 3);
    lab_assert_notes(lab, "a", "a started|a 1|a 2|a 3|a stopped stopped");
}

static void r03_a_poison_takes_the_children_along(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");

    (void)lab_spawn_child(lab, parent, "c");
    gr_send_poison(lab->sys, parent);
    lab_wait(lab, "p stopped stopped");
    assert_true(lab_place(lab, "c stopped stopped") < lab_place(lab, "p stopped stopped"));
}

static gr_err act_stop_self_and_go_on(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)arg;
    gr_send_stop(gr_context_system(ctx), gr_context_self(ctx));
    lab_note(lab, "a goes on");
    return GR_OK;
}

static void r03_a_stop_lets_the_message_in_hand_finish(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    lab_do(lab, pid, act_stop_self_and_go_on, NULL);
    lab_wait(lab, "a stopped stopped");
    lab_assert_notes(lab, "a", "a started|a goes on|a stopped stopped");
}

/* ---- r04: stopping twice */

static void r04_stopping_twice_is_harmless_and_reported_once(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");
    gr_pid pid = lab_spawn(lab, "a");

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    gr_send_stop(lab->sys, pid);
    gr_send_stop(lab->sys, pid);
    gr_send_poison(lab->sys, pid);
    lab_wait(lab, "w sees stopped");
    gr_send_stop(lab->sys, pid);
    gr_send_poison(lab->sys, pid);
    lab_flush(lab, watcher);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).stopped == 1);
    lab_assert_notes(lab, "w", "w started|w sees stopped");
    lab_assert_notes(lab, "a", "a started|a stopped stopped");
    assert_int_equal(gr_system_counters(lab->sys).actors, 1);
}

static void r04_stopping_what_is_not_there_is_harmless(void **state)
{
    struct lab *lab = *state;
    gr_pid nobody = {gr_system_node(lab->sys), 12345, 6};
    gr_pid beyond = {gr_system_node(lab->sys), UINT32_MAX, UINT32_MAX};
    gr_pid foreign = {gr_system_node(lab->sys) + 1, 12345, 6};

    gr_send_stop(lab->sys, gr_pid_null());
    gr_send_stop(lab->sys, nobody);
    gr_send_stop(lab->sys, beyond);
    gr_send_stop(lab->sys, foreign);
    gr_send_poison(lab->sys, gr_pid_null());
    gr_send_poison(lab->sys, nobody);
    gr_send_poison(lab->sys, beyond);
    gr_send_poison(lab->sys, foreign);
    lab_flush(lab, lab_spawn(lab, "a"));
    assert_int_equal(gr_system_counters(lab->sys).stopped, 0);
}

/* ---- state, arguments, the context */

typedef struct tally {
    struct lab *lab;
    int64_t sum;
} tally;

static gr_err tally_started(gr_context *ctx, void *state)
{
    tally *mine = state;

    lab_require(mine->sum == 0 && mine->lab == NULL); /* zeroed */
    mine->lab = gr_context_arg(ctx);
    return GR_OK;
}

static gr_err tally_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    tally *mine = state;

    mine->sum += ((const lab_word *)gr_msg_read(msg, &lab_word_type))->number;
    return gr_respond(ctx, lab_word_new(mine->sum));
}

static int64_t ask(struct lab *lab, gr_pid to, int64_t number)
{
    gr_msg *reply = NULL;
    int64_t answered = 0;

    assert_int_equal(gr_request(lab->sys, to, lab_word_new(number), GR_FOREVER, &reply), GR_OK);
    answered = ((const lab_word *)gr_msg_read(reply, &lab_word_type))->number;
    reply = gr_msg_unref(reply);
    return answered;
}

static void state_is_zeroed_and_one_for_each_actor(void **state)
{
    struct lab *lab = *state;
    gr_props props = {.started = tally_started,
                      .receive = tally_receive,
                      .state_bytes = sizeof(tally),
                      .arg = lab};
    gr_pid a = lab_spawn_props(lab, &props, NULL);
    gr_pid b = lab_spawn_props(lab, &props, NULL);

    memset(&props, 0xff, sizeof(props)); /* copied by the spawn */
    assert_int_equal(ask(lab, a, 5), 5);
    assert_int_equal(ask(lab, b, 1), 1);
    assert_int_equal(ask(lab, a, 6), 11);
}

static void the_argument_is_freed_when_the_actor_is_gone_for_good(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.arg_free = arg_was_freed;
    pid = lab_spawn_props(lab, &props, "a");
    lab_do(lab, pid, lab_act_fail, NULL);
    lab_wait_times(lab, "a started", 2);
    assert_int_equal(lab_count(lab, "arg freed"), 0); /* a restart keeps it */
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "arg freed");
    assert_true(lab_place(lab, "a stopped stopped") < lab_place(lab, "arg freed"));
}

static void a_refused_spawn_frees_the_argument(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    (void)lab_spawn(lab, "taken");
    props.arg_free = arg_was_freed;
    assert_int_equal(gr_spawn(lab->sys, &props, "taken", &pid), GR_EEXIST);
    assert_int_equal(lab_count(lab, "arg freed"), 1);
    props.receive = NULL;
    assert_int_equal(gr_spawn(lab->sys, &props, NULL, &pid), GR_EINVAL);
    assert_int_equal(lab_count(lab, "arg freed"), 2);
}

static void bad_props_are_refused_with_a_sentence(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.receive = NULL;
    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EINVAL);
    assert_true(strlen(gr_last_error()->text) > 0);
    props = lab_probe_props(lab, "a");
    props.mailbox_limit = GR_MAILBOX_LIMIT_MAX + 1;
    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "1000001"));
    assert_true(gr_pid_is_null(pid));
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
}

typedef struct findings {
    gr_pid self;
    gr_pid parent;
    gr_pid sender;
    gr_system *sys;
    char name[64];
} findings;

static gr_err act_look_around(gr_context *ctx, struct lab *lab, void *arg)
{
    findings *seen = arg;

    (void)lab;
    seen->self = gr_context_self(ctx);
    seen->parent = gr_context_parent(ctx);
    seen->sender = gr_context_sender(ctx);
    seen->sys = gr_context_system(ctx);
    (void)snprintf(seen->name, sizeof(seen->name), "%s", gr_context_name(ctx));
    return GR_OK;
}

static void the_context_knows_self_parent_sender_system_and_name(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_pid child = lab_spawn_child(lab, parent, "c");
    gr_props props = lab_probe_props(lab, "nameless");
    findings seen = {.name = "?"};

    assert_int_equal(lab_make(lab, child, act_look_around, &seen), GR_OK);
    assert_true(gr_pid_equal(seen.self, child));
    assert_true(gr_pid_equal(seen.parent, parent));
    assert_false(gr_pid_is_null(seen.sender)); /* the test's request */
    assert_ptr_equal(seen.sys, lab->sys);
    assert_string_equal(seen.name, "p/c");
    assert_int_equal(seen.self.node, gr_system_node(lab->sys));
    assert_int_equal(lab_make(lab, lab_spawn_props(lab, &props, NULL), act_look_around, &seen),
                     GR_OK);
    assert_true(gr_pid_is_null(seen.parent));
    assert_string_equal(seen.name, "");
}

static gr_err act_note_sender(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)arg;
    lab_note(lab, gr_pid_is_null(gr_context_sender(ctx)) ? "nobody" : "somebody");
    return GR_OK;
}

static void a_tell_has_no_sender(void **state)
{
    struct lab *lab = *state;

    lab_do(lab, lab_spawn(lab, "a"), act_note_sender, NULL);
    lab_wait(lab, "nobody");
}

static gr_err act_alloc(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    for (size_t bytes = 1; bytes <= 100000; bytes *= 3) {
        char *block = gr_context_alloc(ctx, bytes);

        lab_require(block != NULL && (uintptr_t)block % _Alignof(max_align_t) == 0);
        memset(block, 0xab, bytes);
    }
    return GR_OK;
}

static void memory_of_a_turn_is_aligned_and_ends_with_it(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    for (int i = 0; i < 20; i++) {
        assert_int_equal(lab_make(lab, pid, act_alloc, NULL), GR_OK);
    }
}

static gr_err act_panic_with_memory(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)act_alloc(ctx, lab, arg);
    gr_panic(ctx, GR_EIO, "the %s is gone", "disk");
}

static void a_panic_abandons_the_handler_and_gives_the_memory_of_the_turn_back(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    for (size_t i = 1; i <= 5; i++) {
        lab_do(lab, pid, act_panic_with_memory, NULL);
        lab_wait_times(lab, "a started", i + 1);
    }
    lab_tell(lab, pid, 1);
    lab_wait(lab, "a 1");
    LAB_EVENTUALLY(lab, lab_decisions(lab) == 5);
    assert_int_equal(lab_decision_at(lab, 0).error.code, GR_EIO);
    assert_string_equal(lab_decision_at(lab, 0).error.text, "the disk is gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r01_the_start_hook_runs_before_any_message_and_may_send),
        LAB_BOTH(r01_the_stop_hook_may_send),
        LAB_BOTH(r01_a_start_hook_that_fails_makes_the_spawn_fail_and_leaves_nothing),
        LAB_BOTH(r01_a_start_hook_that_fails_fatally_or_panics_is_the_spawns_error),
        LAB_BOTH(r01_a_start_hook_may_wait_for_an_answer),
        LAB_ONE_WORKER(r01_a_start_hook_may_wait_for_an_answer),
        LAB_BOTH(r01_a_childs_start_hook_may_wait_too),
        LAB_ONE_WORKER(r01_a_childs_start_hook_may_wait_too),
        LAB_BOTH(r02_the_stop_hook_runs_once_after_the_children_have_stopped),
        LAB_BOTH(r02_a_parent_no_longer_lists_a_child_that_stopped),
        LAB_BOTH(r02_an_actor_that_is_stopping_gets_no_more_children),
        LAB_STEPPED(r03_stop_is_at_once_and_what_is_left_becomes_dead_letters),
        LAB_BOTH(r03_poison_is_in_order_and_what_comes_after_becomes_dead_letters),
        LAB_BOTH(r03_a_poison_takes_the_children_along),
        LAB_BOTH(r03_a_stop_lets_the_message_in_hand_finish),
        LAB_BOTH(r04_stopping_twice_is_harmless_and_reported_once),
        LAB_BOTH(r04_stopping_what_is_not_there_is_harmless),
        LAB_BOTH(state_is_zeroed_and_one_for_each_actor),
        LAB_BOTH(the_argument_is_freed_when_the_actor_is_gone_for_good),
        LAB_BOTH(a_refused_spawn_frees_the_argument),
        LAB_STEPPED(bad_props_are_refused_with_a_sentence),
        LAB_BOTH(the_context_knows_self_parent_sender_system_and_name),
        LAB_BOTH(a_tell_has_no_sender),
        LAB_BOTH(memory_of_a_turn_is_aligned_and_ends_with_it),
        LAB_BOTH(a_panic_abandons_the_handler_and_gives_the_memory_of_the_turn_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
