/*
 * Parents and children who end, fail and go on at the same time. Behaviours r02 and r08.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

/* ---- a child that is born while its parent ends */

typedef struct cradle {
    struct lab *lab;
    gr_future *gate; /* the hook waits for it, and goes on whatever comes of that */
    gr_err born;
    gr_err second;
} cradle;

static gr_err stubborn_started(gr_context *ctx, void *state)
{
    cradle *mine = gr_context_arg(ctx);
    gr_msg *reply = NULL;

    (void)state;
    lab_note(mine->lab, "hook waits");
    if (gr_await(mine->gate, GR_FOREVER, &reply) == GR_OK) {
        reply = gr_msg_unref(reply);
    }
    return GR_OK;
}

static gr_err receive_nothing(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

static void stubborn_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    cradle *mine = gr_context_arg(ctx);

    (void)state;
    lab_note(mine->lab, "late child stopped %s", lab_reason(reason));
}

static gr_err act_bear(gr_context *ctx, struct lab *lab, void *arg)
{
    cradle *mine = arg;
    gr_props late = {.started = stubborn_started,
                     .receive = receive_nothing,
                     .stopped = stubborn_stopped,
                     .arg = mine};
    gr_props second = {.receive = receive_nothing};
    gr_pid pid = gr_pid_null();

    mine->born = gr_spawn_child(ctx, &late, "late", &pid);
    mine->second = gr_spawn_child(ctx, &second, "later", &pid);
    lab_note(lab, "born");
    return GR_OK;
}

enum { SIBLINGS = 200 };

static gr_pid large_family(struct lab *lab, const gr_props *props)
{
    gr_pid parent = lab_spawn_props(lab, props, "p");
    gr_props child = {.receive = receive_nothing};

    for (int i = 0; i < SIBLINGS; i++) {
        (void)lab_spawn_child_props(lab, parent, &child, NULL);
    }
    return parent;
}

static void r02_a_child_born_while_its_parent_stops_stops_too(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "p");
    cradle mine = {.lab = lab};
    gr_pid parent = large_family(lab, &props);

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &mine.gate), GR_OK);
    lab_do(lab, parent, act_bear, &mine);
    lab_wait(lab, "hook waits");
    gr_send_stop(lab->sys, parent);
    lab_wait(lab, "p stopped stopped");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(mine.born, GR_OK);
    assert_int_equal(mine.second, GR_ESTOPPED);
    assert_true(lab_place(lab, "late child stopped stopped") < lab_place(lab, "p stopped stopped"));
    mine.gate = gr_future_unref(mine.gate);
}

static void r02_a_child_born_while_its_parent_restarts_is_gone_before_the_new_state(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "p");
    cradle mine = {.lab = lab};
    gr_pid parent = gr_pid_null();

    props.reentrant = true; /* it fails while the other handler waits */
    parent = large_family(lab, &props);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &mine.gate), GR_OK);
    lab_do(lab, parent, act_bear, &mine);
    lab_wait(lab, "hook waits");
    lab_do(lab, parent, lab_act_fail, NULL);
    lab_wait_times(lab, "p started", 2);
    assert_int_equal(mine.second, GR_ESTOPPED);
    lab_flush(lab, parent);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    assert_true(lab_place(lab, "late child stopped stopped") <
                lab_place(lab, "p stopped restarting"));
    mine.gate = gr_future_unref(mine.gate);
}

/* ---- failures handed up, and siblings that fail by themselves */

/* Errors whose text begins with 'u' go up; others are the parent's to resume. */
static gr_directive decide_by_text(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    return error->text[0] == 'u' ? GR_ESCALATE : GR_RESUME;
}

static gr_directive decide_resume(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_RESUME;
}

/* A child that counts what it has handled, in a state that only a restart loses. */
typedef struct count {
    int64_t handled;
} count;

static gr_err counting_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    count *mine = state;

    mine->handled++;
    if (word->number == 1) {
        return gr_fatal(GR_EFAILED, "up with it");
    }
    if (word->number == 2) {
        return gr_fatal(GR_EFAILED, "for the parent");
    }
    return gr_respond(ctx, lab_word_new(mine->handled));
}

typedef struct clan {
    gr_pid grand;
    gr_pid parent;
    gr_pid children[6];
} clan;

enum { CHILDREN = 6 };

static clan clan_new(struct lab *lab)
{
    gr_props grand = lab_probe_props(lab, "g");
    gr_props parent = lab_probe_props(lab, "p");
    gr_props child = {.receive = counting_receive, .state_bytes = sizeof(count)};
    clan made;

    grand.supervision.decide = decide_resume;
    parent.supervision.decide = decide_by_text;
    made.grand = lab_spawn_props(lab, &grand, "g");
    made.parent = lab_spawn_child_props(lab, made.grand, &parent, "p");
    for (int i = 0; i < CHILDREN; i++) {
        made.children[i] = lab_spawn_child_props(lab, made.parent, &child, NULL);
    }
    return made;
}

static int64_t ask_child(struct lab *lab, gr_pid child)
{
    gr_msg *reply = NULL;
    int64_t handled = 0;

    assert_int_equal(
        gr_request(lab->sys, child, lab_word_new(0), LAB_WAIT_S * INT64_C(1000), &reply), GR_OK);
    handled = ((const lab_word *)gr_msg_read(reply, &lab_word_type))->number;
    reply = gr_msg_unref(reply);
    return handled;
}

static void r08_a_failure_handed_up_and_resumed_resumes_parent_and_child(void **state)
{
    struct lab *lab = *state;
    clan made = clan_new(lab);

    lab_tell(lab, made.children[0], 1);
    lab_tell(lab, made.children[0], 5);
    assert_int_equal(ask_child(lab, made.children[0]), 3);
    lab_flush(lab, made.parent);
    assert_int_equal(ask_child(lab, made.children[1]), 1);
    assert_int_equal(lab_decisions(lab), 2);
    assert_int_equal(lab_decision_at(lab, 0).directive, GR_ESCALATE);
    assert_int_equal(lab_decision_at(lab, 1).directive, GR_RESUME);
    assert_true(gr_pid_equal(lab_decision_at(lab, 1).child, made.parent));
    lab_assert_notes(lab, "p", "p started"); /* neither restarted nor stopped */
}

/* A resumed parent resumes only who it had handed up: one that failed by itself is told of in a note of its own, which
 * must not be sent again before it has been read. */
static void r08_siblings_that_fail_while_their_parent_is_resumed_are_each_decided_once(void **state)
{
    struct lab *lab = *state;
    clan made = clan_new(lab);
    size_t rounds = lab_scaled(lab->stepped != NULL ? 300 : 3000);

    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < CHILDREN; i++) {
            lab_tell(lab, made.children[i], (round + i) % 3 == 0 ? 1 : 2);
        }
    }
    for (int i = 0; i < CHILDREN; i++) {
        assert_int_equal(ask_child(lab, made.children[i]), rounds + 1); /* the state was kept */
    }
    lab_flush(lab, made.parent);
    lab_assert_notes(lab, "p", "p started");
    assert_int_equal(gr_system_counters(lab->sys).restarts, 0);
    gr_send_stop(lab->sys, made.grand);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

/* ---- r08: a failure that is handed up while the parent starts */

/* A parent whose started hook asks a child that fails; some of its starts do. */
typedef struct nest {
    struct lab *lab;
    gr_props child;
    bool says_it_is_fine;
    int starts;
    int bad_from, bad_to; /* the starts whose child fails */
} nest;

static gr_directive decide_escalate(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_ESCALATE;
}

static gr_err nest_started(gr_context *ctx, void *state)
{
    nest *mine = state;
    gr_pid child = gr_pid_null();
    gr_msg *reply = NULL;
    gr_err err = gr_spawn_child(ctx, &mine->child, NULL, &child);
    bool is_bad = false;

    mine->starts++;
    is_bad = mine->starts >= mine->bad_from && mine->starts <= mine->bad_to;
    lab_require(err == GR_OK);
    err =
        gr_request(gr_context_system(ctx), child, lab_word_new(is_bad ? 1 : 0), GR_FOREVER, &reply);
    lab_require(err == (is_bad ? GR_EFAILED : GR_OK));
    reply = gr_msg_unref(reply);
    if (is_bad) { /* the failure, which comes right behind the answer, finds the hook at work */
        gr_future *never = NULL;

        lab_require(gr_future_new(mine->lab->sys, 5, &never) == GR_OK);
        lab_require(gr_await(never, GR_FOREVER, &reply) == GR_ETIMEDOUT);
        never = gr_future_unref(never);
    }
    lab_note(mine->lab, "start %d goes on", mine->starts);
    return mine->says_it_is_fine ? GR_OK : err;
}

static gr_err nest_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    (void)state;
    return word->number < 0 ? gr_fatal(GR_EIO, "start again")
                            : gr_respond(ctx, lab_word_new(word->number));
}

static gr_props nest_props(struct lab *lab, int bad_from, int bad_to)
{
    nest *mine = lab_own(lab, sizeof(*mine));

    mine->lab = lab;
    mine->bad_from = bad_from;
    mine->bad_to = bad_to;
    mine->child = (gr_props){.receive = counting_receive, .state_bytes = sizeof(count)};
    return (gr_props){.started = nest_started,
                      .receive = nest_receive,
                      .arg = mine,
                      .supervision = {.decide = decide_escalate}};
}

static gr_err act_spawn_nest(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid pid = gr_pid_null();
    gr_err err = gr_spawn_child(ctx, arg, NULL, &pid);

    lab_note(lab, "spawn %s", err == GR_OK ? "succeeds" : gr_last_error()->text);
    return GR_OK;
}

/* The first start is part of the grandparent's turn: the failure is looked at when it is over. */
static void r08_a_failure_handed_up_during_the_first_start_comes_behind_it(void **state)
{
    struct lab *lab = *state;
    gr_pid grand = lab_spawn(lab, "g");
    enum { TIMES = 6 };

    for (size_t i = 0; i < TIMES; i++) {
        gr_props props = nest_props(lab, 1, 1);

        assert_int_equal(lab_make(lab, grand, act_spawn_nest, &props), GR_OK);
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    }
    assert_int_equal(lab_count(lab, "spawn the handler failed"), TIMES); /* by its bare code */
    assert_int_equal(lab_decisions(lab), 0);
    for (size_t i = 0; i < TIMES; i++) {
        gr_props props = nest_props(lab, 1, 1);

        ((nest *)props.arg)->says_it_is_fine = true;
        assert_int_equal(lab_make(lab, grand, act_spawn_nest, &props), GR_OK);
        lab_wait_times(lab, "start 2 goes on", i + 1);
    }
    assert_int_equal(lab_count(lab, "spawn succeeds"), TIMES);
    lab_flush(lab, grand);
    assert_int_equal(lab_decisions(lab), 2 * TIMES); /* handed up, and started again */
    lab_assert_notes(lab, "g", "g started");
}

/* That of a restart is its own turn. */
static void r08_a_failure_handed_up_during_a_restart_fails_the_restart(void **state)
{
    struct lab *lab = *state;
    gr_pid grand = lab_spawn(lab, "g");
    gr_props props = nest_props(lab, 2, 4);
    gr_pid pid = gr_pid_null();

    ((nest *)props.arg)->says_it_is_fine = true;
    pid = lab_spawn_child_props(lab, grand, &props, "nest");
    lab_tell(lab, pid, -1);
    if (lab->stepped != NULL) {
        lab_advance(lab, 1000); /* the bad starts take a little */
    }
    lab_wait(lab, "start 5 goes on");
    assert_int_equal(ask_child(lab, pid), 0); /* here: the nest, which answers by itself */
    assert_int_equal(lab_decisions(lab), 1 + 3 * 2);
    assert_int_equal(gr_system_counters(lab->sys).actors, 3);
    lab_flush(lab, grand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r02_a_child_born_while_its_parent_stops_stops_too),
        LAB_BOTH(r02_a_child_born_while_its_parent_restarts_is_gone_before_the_new_state),
        LAB_BOTH(r08_a_failure_handed_up_and_resumed_resumes_parent_and_child),
        LAB_BOTH(r08_siblings_that_fail_while_their_parent_is_resumed_are_each_decided_once),
        LAB_BOTH(r08_a_failure_handed_up_during_the_first_start_comes_behind_it),
        LAB_BOTH(r08_a_failure_handed_up_during_a_restart_fails_the_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
