/*
 * What becomes of actors that fail. A workshop has a press, which breaks on bad orders. It is repaired after a pause that
 * doubles each time, its mailbox kept, and given up when it has broken too often; whoever watches it is told. An office has
 * three clerks who share their work, so when one of them fails all start anew. Every decision is an event, printed here as
 * it happens.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include <granary/runtime.h>

typedef struct order {
    bool bad;
} order;

typedef struct answer {
    int count; /* of orders since the actor started */
} answer;

static const gr_type order_type = GR_TYPE(order);
static const gr_type answer_type = GR_TYPE(answer);

static gr_msg *order_new(bool bad)
{
    gr_msg *msg = gr_msg_new(&order_type);

    if (msg != NULL) {
        ((order *)gr_msg_payload(msg))->bad = bad;
    }
    return msg; /* sending NULL is refused as GR_ENOMEM: no need to look here */
}

/* ---- who works: a press, or a clerk */

typedef struct worker {
    int count; /* zero again after a restart: every start gets a new state */
} worker;

static gr_err worker_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    worker *self = state;
    const order *wanted = gr_msg_read(msg, &order_type);
    gr_msg *reply = NULL;

    if (wanted == NULL) {
        return gr_fail(GR_ENOTYPE, "orders only, no %s", gr_msg_type(msg)->name);
    }
    if (wanted->bad) { /* not an answer: the actor itself has failed */
        return gr_fatal(GR_EFAILED, "%s broke", gr_context_name(ctx));
    }
    self->count++;
    reply = gr_msg_new(&answer_type);
    if (reply != NULL) {
        ((answer *)gr_msg_payload(reply))->count = self->count;
    }
    return gr_respond(ctx, reply);
}

static const gr_props worker_props = {
    .type_name = "worker", .receive = worker_receive, .state_bytes = sizeof(worker)};

/* ---- the workshop: a press, repaired after 100, 200 and 400 ms, and then given up */

static gr_err workshop_started(gr_context *ctx, void *state)
{
    gr_pid press = gr_pid_null();
    gr_err err = gr_spawn_child(ctx, &worker_props, "press", &press);

    (void)state;
    return err == GR_OK ? gr_watch(ctx, press) : err;
}

/* Its arg is a future: for whoever wants to know that the press is gone. */
static gr_err workshop_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const gr_terminated *end = gr_msg_read(msg, &gr_terminated_type);

    (void)state;
    if (end == NULL || end->reason != GR_REASON_FAILED) {
        return GR_OK;
    }
    return gr_send(gr_context_system(ctx), gr_future_pid(gr_context_arg(ctx)), order_new(false));
}

/* ---- the office: three clerks, one for all */

static const char *const clerks[] = {"ann", "bob", "cid"};

static gr_err office_started(gr_context *ctx, void *state)
{
    gr_err err = GR_OK;

    (void)state;
    for (int i = 0; err == GR_OK && i < 3; i++) {
        gr_pid clerk = gr_pid_null();

        err = gr_spawn_child(ctx, &worker_props, clerks[i], &clerk);
    }
    return err;
}

static gr_err office_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    return gr_fail(GR_ENOTYPE, "ask the clerks: no %s here", gr_msg_type(msg)->name);
}

/* ---- what happens: this thread, and the events */

/* Runs where the decision is made, before it is carried out. */
static void on_decision(void *arg, const gr_type *type, const void *event)
{
    static const char *const words[] = {"restart", "resume", "stop", "escalate"};
    const gr_supervision_event *made = event;
    const char *whose = gr_pid_equal(made->child, made->failed) ? "it" : "its sibling";

    (void)arg;
    (void)type;
    printf("event: %s", words[made->directive]);
    if (made->delay_ms > 0) {
        printf(" in %d ms", (int)made->delay_ms);
    }
    printf(", because %s failed: %s\n", whose, made->error.text);
}

/* An order that is answered after all that was sent before it, repairs included. */
static gr_err order_one(gr_system *sys, const char *name)
{
    gr_pid pid = gr_pid_null();
    gr_msg *reply = NULL;
    gr_err err = gr_name_find(sys, name, &pid);

    if (err == GR_OK) {
        err = gr_request(sys, pid, order_new(false), GR_FOREVER, &reply);
    }
    if (err == GR_OK) {
        const answer *made = gr_msg_read(reply, &answer_type);

        printf("%s: order %d\n", name, made->count);
    }
    gr_msg_unref(reply);
    return err;
}

static gr_err send_bad(gr_system *sys, const char *name)
{
    gr_pid pid = gr_pid_null();
    gr_err err = gr_name_find(sys, name, &pid);

    return err == GR_OK ? gr_send(sys, pid, order_new(true)) : err;
}

static gr_err break_the_press(gr_system *sys, gr_future *gone)
{
    gr_msg *news = NULL;
    gr_pid workshop = gr_pid_null();
    const gr_props props = {
        .type_name = "workshop",
        .started = workshop_started,
        .receive = workshop_receive,
        .arg = gone,
        .supervision = {.restarts = 3,
                        .window_ms = 60000,
                        .backoff = {.min_ms = 100, .factor = 2, .jitter_percent = GR_JITTER_NONE}}};
    gr_err err = gr_spawn(sys, &props, "workshop", &workshop);

    if (err == GR_OK) {
        err = order_one(sys, "workshop/press");
    }
    for (int i = 0; err == GR_OK && i < 3; i++) {
        err = send_bad(sys, "workshop/press");
        if (err == GR_OK) {
            err = order_one(sys, "workshop/press"); /* kept while the press is repaired */
        }
    }
    if (err == GR_OK) {
        err = send_bad(sys, "workshop/press"); /* once too often */
    }
    if (err == GR_OK) {
        err = gr_await(gone, GR_FOREVER, &news);
    }
    if (err == GR_OK) {
        err = order_one(sys, "workshop/press");
        printf("workshop/press: %s\n", gr_last_error()->text);
        err = err == GR_ENOTFOUND ? GR_OK : err;
    }
    gr_msg_unref(news);
    return err;
}

static gr_err break_a_clerk(gr_system *sys)
{
    static const char *const names[] = {"office/ann", "office/bob", "office/cid"};
    const gr_props props = {.type_name = "office",
                            .started = office_started,
                            .receive = office_receive,
                            .supervision = {.strategy = GR_ALL_FOR_ONE}};
    gr_pid office = gr_pid_null();
    gr_err err = gr_spawn(sys, &props, "office", &office);

    for (int i = 0; err == GR_OK && i < 3; i++) {
        err = order_one(sys, names[i]);
    }
    if (err == GR_OK) {
        err = send_bad(sys, names[1]);
    }
    for (int i = 0; err == GR_OK && i < 3; i++) { /* bob first: then all have been told */
        err = order_one(sys, names[(i + 1) % 3]);
    }
    return err;
}

static int run_the_workshop(void)
{
    gr_subscription *decisions = NULL;
    gr_future *gone = NULL; /* complete when the press is gone */
    gr_system *sys = NULL;
    gr_err err = gr_system_new(NULL, &sys);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (err == GR_OK) {
        err = gr_subscribe(sys, &gr_supervision_event_type, on_decision, NULL, &decisions);
    }
    if (err == GR_OK) {
        err = gr_future_new(sys, GR_FOREVER, &gone);
    }
    if (err == GR_OK) {
        err = break_the_press(sys, gone);
    }
    if (err == GR_OK) {
        err = break_a_clerk(sys);
    }
    if (err != GR_OK) {
        fprintf(stderr, "supervision: %s (%s)\n", gr_last_error()->text, gr_err_name(err));
    }
    if (sys != NULL) {
        (void)gr_system_stop(sys, GR_FOREVER); /* before what the actors point to goes */
    }
    gr_future_unref(gone);
    gr_unsubscribe(decisions);
    gr_system_free(sys);
    return err == GR_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return run_the_workshop();
    }
    if (strcmp(argv[1], "--help") == 0) {
        printf("usage: supervision\n");
        return 0;
    }
    fprintf(stderr, "supervision: '%s' is not known, it takes no arguments\nusage: supervision\n",
            argv[1]);
    return 2;
}
