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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r02_a_child_born_while_its_parent_stops_stops_too),
        LAB_BOTH(r02_a_child_born_while_its_parent_restarts_is_gone_before_the_new_state),
        LAB_BOTH(r08_a_failure_handed_up_and_resumed_resumes_parent_and_child),
        LAB_BOTH(r08_siblings_that_fail_while_their_parent_is_resumed_are_each_decided_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
