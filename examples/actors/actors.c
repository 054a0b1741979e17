/*
 * Two local actors. A barista makes coffee and keeps count; one order breaks the machine. The owner of the café,
 * who started the barista, is asked for coffee and asks the barista in turn: while he waits for the answer, only his
 * handler waits, no thread. When the barista fails, the owner's supervision starts him anew, with a new count; the
 * orders that came meanwhile are kept. So of five orders three are served, and the last cup is number 1 again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <granary/runtime.h>

/* ---- messages: plain structs that stay in this process */

typedef struct order {
    const char *drink;
} order;

typedef struct cup {
    const char *drink;
    int number; /* counted by this barista since he started */
} cup;

static const gr_type order_type = GR_TYPE(order);
static const gr_type cup_type = GR_TYPE(cup);

static gr_msg *order_new(const char *drink)
{
    gr_msg *msg = gr_msg_new(&order_type);

    if (msg != NULL) {
        ((order *)gr_msg_payload(msg))->drink = drink;
    }
    return msg; /* sending NULL is refused as GR_ENOMEM: no need to look here */
}

/* ---- the barista */

typedef struct barista {
    int cups; /* zero again after a restart: every start gets a new state */
} barista;

static gr_err barista_started(gr_context *ctx, void *state)
{
    (void)state;
    printf("%s: the machine is warm\n", gr_context_name(ctx));
    return GR_OK;
}

static gr_err barista_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    barista *self = state;
    const order *wanted = gr_msg_read(msg, &order_type);
    gr_msg *answer = NULL;

    if (wanted == NULL) {
        return gr_fail(GR_ENOTYPE, "a barista takes orders, no %s", gr_msg_type(msg)->name);
    }
    if (wanted->drink[0] == 'd') { /* an error for whoever asked; nothing else happens */
        return gr_fail(GR_EREFUSED, "we do not serve %s", wanted->drink);
    }
    if (wanted->drink[0] == 'q') { /* the actor itself fails: its parent's supervision decides */
        gr_panic(ctx, GR_EFAILED, "the machine burst over a %s", wanted->drink);
    }
    self->cups++;
    answer = gr_msg_new(&cup_type);
    if (answer != NULL) {
        *(cup *)gr_msg_payload(answer) = (cup){wanted->drink, self->cups};
    }
    return gr_respond(ctx, answer);
}

static void barista_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    printf("%s: %s after %d cups\n", gr_context_name(ctx),
           reason == GR_REASON_RESTARTING ? "starting anew" : "going home",
           ((const barista *)state)->cups);
}

/* ---- the owner */

typedef struct owner {
    gr_pid barista;
} owner;

static gr_err owner_started(gr_context *ctx, void *state)
{
    owner *self = state;
    const gr_props props = {.type_name = "barista",
                            .started = barista_started,
                            .receive = barista_receive,
                            .stopped = barista_stopped,
                            .state_bytes = sizeof(barista)};

    return gr_spawn_child(ctx, &props, "barista", &self->barista);
}

static gr_err owner_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    owner *self = state;
    const order *wanted = gr_msg_read(msg, &order_type);
    gr_msg *coffee = NULL;
    gr_err err = GR_OK;

    if (wanted == NULL) {
        return GR_OK;
    }
    err =
        gr_request(gr_context_system(ctx), self->barista, order_new(wanted->drink), 5000, &coffee);
    if (err != GR_OK) {
        return err; /* with the barista's own words: the answer to whoever asked the owner */
    }
    return gr_respond(ctx, coffee);
}

/* ---- the guests: the main thread */

static void ask(gr_system *sys, gr_pid cafe, const char *drink)
{
    gr_msg *reply = NULL;
    gr_err err = gr_request(sys, cafe, order_new(drink), 5000, &reply);
    const cup *served = err == GR_OK ? gr_msg_read(reply, &cup_type) : NULL;

    if (served != NULL) {
        printf("guest: %s, cup %d\n", served->drink, served->number);
    } else {
        printf("guest: no %s: %s\n", drink, gr_last_error()->text);
    }
    reply = gr_msg_unref(reply);
}

static void on_decision(void *arg, const gr_type *type, const void *event)
{
    const gr_supervision_event *decision = event;

    (void)arg;
    (void)type;
    if (decision->directive == GR_RESTART) {
        printf("supervision: restart, because %s\n", decision->error.text);
    }
}

static int give_up(const char *what, gr_err err)
{
    fprintf(stderr, "actors: %s: %s (%s)\n", what, gr_last_error()->text, gr_err_name(err));
    return 1;
}

static int open_the_cafe(void)
{
    const gr_props props = {.type_name = "owner",
                            .started = owner_started,
                            .receive = owner_receive,
                            .state_bytes = sizeof(owner)};
    gr_system *sys = NULL;
    gr_subscription *decisions = NULL;
    gr_pid cafe = gr_pid_null();
    gr_err err = gr_system_new(NULL, &sys);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (err != GR_OK) {
        return give_up("cannot start", err);
    }
    err = gr_subscribe(sys, &gr_supervision_event_type, on_decision, NULL, &decisions);
    if (err == GR_OK) {
        err = gr_spawn(sys, &props, "cafe", &cafe);
    }
    if (err != GR_OK) {
        (void)gr_system_free(sys);
        return give_up("cannot open", err);
    }
    ask(sys, cafe, "espresso");
    ask(sys, cafe, "mocha");
    ask(sys, cafe, "decaf");
    ask(sys, cafe, "quadruple");
    ask(sys, cafe, "ristretto");
    err = gr_system_stop(sys, 5000);
    decisions = gr_unsubscribe(decisions);
    (void)gr_system_free(sys);
    return err == GR_OK ? 0 : give_up("cannot stop", err);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return open_the_cafe();
    }
    if (strcmp(argv[1], "--help") == 0) {
        printf("usage: actors\n");
        return 0;
    }
    fprintf(stderr, "actors: '%s' is not known, it takes no arguments\nusage: actors\n", argv[1]);
    return 2;
}
