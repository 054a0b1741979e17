/*
 * The probe of the runtime's tests: an actor that notes what happens to it and does what it is told
 * in its own turn; and the calls with which a test talks to it. Probes run wherever their system
 * runs them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

gr_msg *lab_word_new(int64_t number)
{
    gr_msg *msg = gr_msg_new(&lab_word_type);

    if (msg != NULL) {
        ((lab_word *)gr_msg_payload(msg))->number = number;
    }
    return msg;
}

gr_msg *lab_act_new(lab_act_fn fn, void *arg)
{
    gr_msg *msg = gr_msg_new(&lab_act_type);

    if (msg != NULL) {
        *(lab_act *)gr_msg_payload(msg) = (lab_act){fn, arg};
    }
    return msg;
}

const char *lab_reason(gr_reason reason)
{
    switch (reason) {
    case GR_REASON_STOPPED:
        return "stopped";
    case GR_REASON_FAILED:
        return "failed";
    case GR_REASON_NEVER_EXISTED:
        return "never-existed";
    case GR_REASON_NODE_LOST:
        return "node-lost";
    case GR_REASON_RESTARTING:
        return "restarting";
    case GR_REASON_PASSIVATED:
        return "passivated";
    }
    return "?";
}

static gr_err answer(gr_context *ctx, int64_t number)
{
    if (gr_pid_is_null(gr_context_sender(ctx))) {
        return GR_OK;
    }
    (void)gr_respond(ctx, lab_word_new(number)); /* who asked may have gone */
    return GR_OK;
}

static gr_err probe_started(gr_context *ctx, void *state)
{
    const lab_probe *probe = state;

    (void)ctx;
    lab_note(probe->lab, "%s started", probe->name);
    return GR_OK;
}

static gr_err probe_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const lab_act *act = gr_msg_read(msg, &lab_act_type);
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);
    gr_err err = GR_OK;

    if (act != NULL) {
        err = act->fn(ctx, probe->lab, act->arg);
        return err == GR_OK ? answer(ctx, 0) : err;
    }
    if (word != NULL) {
        lab_note(probe->lab, "%s %lld", probe->name, (long long)word->number);
        return answer(ctx, word->number);
    }
    if (ended != NULL) {
        lab_note(probe->lab, "%s sees %s", probe->name, lab_reason(ended->reason));
        return GR_OK;
    }
    lab_note(probe->lab, "%s got a %s", probe->name, gr_msg_type(msg)->name);
    return GR_OK;
}

static void probe_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    const lab_probe *probe = state;

    (void)ctx;
    lab_note(probe->lab, "%s stopped %s", probe->name, lab_reason(reason));
}

gr_props lab_probe_props(struct lab *lab, const char *name)
{
    lab_probe *probe = lab_own(lab, sizeof(*probe));
    gr_props props = {.type_name = "probe",
                      .started = probe_started,
                      .receive = probe_receive,
                      .stopped = probe_stopped,
                      .arg = probe};

    probe->lab = lab;
    probe->name = name;
    return props;
}

gr_pid lab_spawn_props(struct lab *lab, const gr_props *props, const char *name)
{
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_spawn(lab->sys, props, name, &pid), GR_OK);
    return pid;
}

gr_pid lab_spawn(struct lab *lab, const char *name)
{
    gr_props props = lab_probe_props(lab, name);

    return lab_spawn_props(lab, &props, name);
}

void lab_tell(struct lab *lab, gr_pid to, int64_t number)
{
    assert_int_equal(gr_send(lab->sys, to, lab_word_new(number)), GR_OK);
}

void lab_do(struct lab *lab, gr_pid probe, lab_act_fn fn, void *arg)
{
    assert_int_equal(gr_send(lab->sys, probe, lab_act_new(fn, arg)), GR_OK);
}

gr_err lab_make(struct lab *lab, gr_pid probe, lab_act_fn fn, void *arg)
{
    gr_msg *reply = NULL;
    gr_err err = gr_request(lab->sys, probe, lab_act_new(fn, arg), GR_FOREVER, &reply);

    if (err == GR_OK) {
        reply = gr_msg_unref(reply);
    }
    return err;
}

static gr_err do_nothing(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    (void)lab;
    (void)arg;
    return GR_OK;
}

void lab_flush(struct lab *lab, gr_pid probe)
{
    assert_int_equal(lab_make(lab, probe, do_nothing, NULL), GR_OK);
}

gr_err lab_act_fail(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    (void)lab;
    (void)arg;
    return gr_fatal(GR_EFAILED, "told to fail");
}

gr_err lab_act_watch(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_watch(ctx, *(gr_pid *)arg);
}

gr_err lab_act_unwatch(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    gr_unwatch(ctx, *(gr_pid *)arg);
    return GR_OK;
}

typedef struct birth {
    const gr_props *props;
    const char *name;
    gr_pid pid;
} birth;

static gr_err give_birth(gr_context *ctx, struct lab *lab, void *arg)
{
    birth *child = arg;

    (void)lab;
    return gr_spawn_child(ctx, child->props, child->name, &child->pid);
}

gr_pid lab_spawn_child_props(struct lab *lab, gr_pid parent, const gr_props *props,
                             const char *name)
{
    birth child = {props, name, gr_pid_null()};

    assert_int_equal(lab_make(lab, parent, give_birth, &child), GR_OK);
    return child.pid;
}

gr_pid lab_spawn_child(struct lab *lab, gr_pid parent, const char *name)
{
    gr_props props = lab_probe_props(lab, name);

    return lab_spawn_child_props(lab, parent, &props, name);
}
