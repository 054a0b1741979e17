/*
 * Memory that runs out while actors talk in other ways than by plain messages: continuations, pipes,
 * stashes, timeouts, headers and middleware. Each allocation fails once; what must come out is an
 * error or a dead letter, and a system that still works. Behaviour r36. Stepped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <gri/mem.h>

#include <granary/behaviour.h>
#include <granary/future.h>
#include <granary/middleware.h>

enum { NTH_MAX = 1000 };

typedef struct trial {
    gr_stepped *stepped;
    gr_system *sys;
    gr_pid pid;
    gr_pid other;      /* whom it hands its messages on to */
    gr_future *future; /* what its handler asks for */
    gr_future *next;
} trial;

static void expect_ok_or_no_memory(gr_err err)
{
    if (err != GR_OK && err != GR_ENOMEM) {
        fail_msg("%s: %s", gr_err_name(err), gr_last_error()->text);
    }
}

static gr_err go_on(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    (void)state;
    (void)arg;
    (void)reply;
    return err == GR_OK ? gr_respond(ctx, lab_word_new(1)) : err;
}

static gr_err other_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)state;
    (void)msg;
    return gr_respond(ctx, lab_word_new(2));
}

/* 1: a continuation; 2: the stash; 3: a receive timeout; 4: many behaviours; 5: the message itself for an answer; 6: it is handed
 * on; else an answer. */
static gr_err talker_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    trial *here = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_err err = GR_OK;

    if (word == NULL) {
        return GR_OK;
    }
    if (word->number == 1) {
        return gr_future_then(ctx, here->future, go_on, NULL, NULL);
    }
    if (word->number == 2) {
        err = gr_stash(ctx);
        if (err == GR_OK) {
            gr_unstash_all(ctx);
            err = gr_become(ctx, other_receive);
        }
        return err;
    }
    if (word->number == 3) {
        err = gr_receive_timeout_set(ctx, 10);
    }
    if (word->number == 5) {
        return gr_respond(ctx, gr_msg_ref(msg));
    }
    if (word->number == 6) {
        return gr_forward(ctx, here->other);
    }
    for (int i = 0; word->number == 4 && err == GR_OK && i < 20; i++) {
        err = gr_become_stacked(ctx, talker_receive);
    }
    return err == GR_OK ? gr_respond(ctx, lab_word_new(0)) : err;
}

static gr_err pass_receive(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next)
{
    (void)arg;
    return gr_next_receive(next, ctx, msg);
}

static gr_err pass_send(void *arg, gr_context *ctx, gr_pid to, gr_msg *msg, const gr_next *next)
{
    gr_err err = gr_msg_set_header(msg, "passed", "by");

    (void)arg;
    if (err != GR_OK) {
        msg = gr_msg_unref(msg);
        return err;
    }
    return gr_next_send(next, ctx, to, msg);
}

static const gr_middleware pass = {.name = "pass", .receive = pass_receive, .send = pass_send};
static const gr_middleware *const passes[] = {&pass, NULL};

static void with_each_allocation_failing(void (*attempt)(trial *here))
{
    uint64_t counted = 0;

    for (uint64_t nth = 1; nth == 1 || counted >= nth - 1; nth++) {
        trial here = {0};
        gr_system_options options = {0};
        gr_props props = {.receive = talker_receive, .arg = &here};

        assert_true(nth < NTH_MAX);
        assert_int_equal(gr_stepped_new(1, &here.stepped), GR_OK);
        options.stepped = here.stepped;
        assert_int_equal(gr_system_new(&options, &here.sys), GR_OK);
        assert_int_equal(gr_spawn(here.sys, &props, NULL, &here.pid), GR_OK);
        assert_int_equal(gr_future_new(here.sys, GR_FOREVER, &here.future), GR_OK);
        assert_int_equal(gr_future_new(here.sys, GR_FOREVER, &here.next), GR_OK);
        gri_mem_fail_nth(nth);
        attempt(&here);
        counted = gri_mem_count();
        gri_mem_fail_nth(0);
        here.future = gr_future_unref(here.future);
        here.next = gr_future_unref(here.next);
        assert_int_equal(gr_system_stop(here.sys, GR_FOREVER), GR_OK);
        here.sys = gr_system_free(here.sys);
        here.stepped = gr_stepped_free(here.stepped);
    }
}

static void ask(trial *here, int64_t number)
{
    gr_future *asked = NULL;
    gr_msg *reply = NULL;
    gr_err err = gr_request_future(here->sys, here->pid, lab_word_new(number), 1000, &asked);

    expect_ok_or_no_memory(err);
    if (err != GR_OK) {
        return;
    }
    gr_stepped_run_until_idle(here->stepped);
    if (!gr_future_ready(here->future)) {
        expect_ok_or_no_memory(gr_future_complete(here->future, lab_word_new(5)));
    }
    err = gr_await(asked, GR_FOREVER, &reply);
    if (err != GR_ETIMEDOUT) { /* there was none for the answer, nor for one that says so */
        expect_ok_or_no_memory(err);
    }
    reply = gr_msg_unref(reply);
    asked = gr_future_unref(asked);
}

/* Who asks hears at once that there was no memory for the answer. */
static void ask_and_be_told(trial *here, int64_t number)
{
    gr_msg *reply = NULL;
    gr_err err = gr_request(here->sys, here->pid, lab_word_new(number), 1000, &reply);

    expect_ok_or_no_memory(err);
    reply = gr_msg_unref(reply);
}

static void try_echo(trial *here)
{
    ask_and_be_told(here, 5);
}

static void try_forward(trial *here)
{
    gr_props props = {.receive = other_receive};

    if (gr_spawn(here->sys, &props, NULL, &here->other) == GR_OK) {
        ask_and_be_told(here, 6);
    }
}

static void try_then(trial *here)
{
    ask(here, 1);
}

static void try_stash(trial *here)
{
    ask(here, 2);
}

static void try_timeout(trial *here)
{
    ask(here, 3);
    gr_stepped_advance(here->stepped, 20);
}

static void try_become(trial *here)
{
    ask(here, 4);
}

static void try_gather(trial *here)
{
    gr_future *futures[2] = {here->future, here->next};
    gr_future *all = NULL;
    gr_future *any = NULL;

    expect_ok_or_no_memory(gr_future_pipe_to(here->future, here->pid));
    expect_ok_or_no_memory(gr_future_all(here->sys, futures, 2, GR_FOREVER, &all));
    expect_ok_or_no_memory(gr_future_any(here->sys, futures, 2, GR_FOREVER, &any));
    expect_ok_or_no_memory(gr_future_complete(here->future, lab_word_new(1)));
    (void)gr_future_complete(here->next, lab_word_new(2));
    gr_stepped_run_until_idle(here->stepped);
    assert_true(all == NULL || gr_future_ready(all)); /* whatever there was no memory for */
    assert_true(any == NULL || gr_future_ready(any));
    all = gr_future_unref(all);
    any = gr_future_unref(any);
}

static void try_headers(trial *here)
{
    gr_msg *msg = lab_word_new(0);
    gr_msg *held = gr_msg_ref(msg);
    char value[1500];

    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    held = gr_msg_unref(held);
    if (msg != NULL) {
        expect_ok_or_no_memory(gr_msg_set_header(msg, "a", "one"));
        expect_ok_or_no_memory(gr_msg_set_header(msg, "b", value));
        expect_ok_or_no_memory(gr_msg_set_header(msg, "a", value));
        assert_true(gr_msg_header(msg, "a") == NULL || gr_msg_header(msg, "a")[0] != '\0');
        (void)gr_send(here->sys, here->pid, msg);
    }
    gr_stepped_run_until_idle(here->stepped);
}

static void try_middleware(trial *here)
{
    gr_props props = {.receive = talker_receive, .arg = here, .middleware = passes};
    gr_pid pid = gr_pid_null();
    gr_err err = gr_spawn(here->sys, &props, "passing", &pid);

    expect_ok_or_no_memory(err);
    if (err == GR_OK) {
        here->pid = pid;
        ask(here, 0);
    } else {
        assert_int_equal(gr_name_find(here->sys, "passing", &pid), GR_ENOTFOUND);
    }
}

static void try_await_end(trial *here)
{
    gr_reason reason = GR_REASON_NODE_LOST;
    gr_err err = GR_OK;

    gr_send_stop(here->sys, here->pid);
    err = gr_await_end(here->sys, here->pid, GR_FOREVER, &reason);
    expect_ok_or_no_memory(err);
    if (err == GR_OK) { /* without memory to remember who watches it may be known as gone only */
        assert_true(reason == GR_REASON_STOPPED || reason == GR_REASON_NEVER_EXISTED);
        assert_false(gr_process_alive(here->sys, here->pid));
    }
}

#define R36(attempt)                                                                               \
    static void r36_memory_may_run_out_in_##attempt(void **state)                                  \
    {                                                                                              \
        (void)state;                                                                               \
        with_each_allocation_failing(try_##attempt);                                               \
    }

R36(then)
R36(stash)
R36(timeout)
R36(become)
R36(gather)
R36(headers)
R36(middleware)
R36(await_end)
R36(echo)
R36(forward)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r36_memory_may_run_out_in_await_end),
        cmocka_unit_test(r36_memory_may_run_out_in_echo),
        cmocka_unit_test(r36_memory_may_run_out_in_forward),
        cmocka_unit_test(r36_memory_may_run_out_in_then),
        cmocka_unit_test(r36_memory_may_run_out_in_stash),
        cmocka_unit_test(r36_memory_may_run_out_in_timeout),
        cmocka_unit_test(r36_memory_may_run_out_in_become),
        cmocka_unit_test(r36_memory_may_run_out_in_gather),
        cmocka_unit_test(r36_memory_may_run_out_in_headers),
        cmocka_unit_test(r36_memory_may_run_out_in_middleware),
    };

    return cmocka_run_group_tests_name("memory_talk", tests, NULL, NULL);
}
