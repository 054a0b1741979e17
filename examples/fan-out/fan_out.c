/*
 * Several answers at once. A buyer asks four shops for a price: two answer, one says no, one never says anything. While it
 * waits for all of them, up to a deadline, it goes on with other messages; a function of its own then compares what has come
 * in and answers whoever wanted to buy (gr_future_all, gr_future_then). Who only wants something quickly takes the first
 * answer, and does not wait for the silent shop (gr_future_any).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include <granary/runtime.h>

enum { SHOPS = 4, DEADLINE_MS = 2000 };

typedef struct wish {
    const char *what;
} wish;

typedef struct offer {
    const char *shop;
    int price;
} offer;

typedef struct status {
    int open; /* wishes that are being looked into */
} status;

static const gr_type wish_type = GR_TYPE(wish);
static const gr_type offer_type = GR_TYPE(offer);
static const gr_type status_type = GR_TYPE(status);

static gr_msg *wish_new(const char *what)
{
    gr_msg *msg = gr_msg_new(&wish_type);

    if (msg != NULL) {
        ((wish *)gr_msg_payload(msg))->what = what;
    }
    return msg; /* sending NULL is refused as GR_ENOMEM: no need to look here */
}

static gr_msg *offer_new(const char *shop, int price)
{
    gr_msg *msg = gr_msg_new(&offer_type);

    if (msg != NULL) {
        *(offer *)gr_msg_payload(msg) = (offer){shop, price};
    }
    return msg;
}

/* ---- the shops; what one knows is its arg */

typedef struct shop {
    const char *name;
    int price; /* 0: sold out, less: never answers */
} shop;

static shop shops[SHOPS] = {{"north", 120}, {"east", 0}, {"south", 95}, {"west", -1}};

static gr_err shop_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const shop *self = state;
    const wish *wanted = gr_msg_read(msg, &wish_type);

    if (wanted == NULL || self->price < 0) {
        return GR_OK;
    }
    if (self->price == 0) {
        return gr_fail(GR_ENOTFOUND, "%s are sold out",
                       wanted->what); /* the answer is this error */
    }
    return gr_respond(ctx, offer_new(self->name, self->price));
}

/* ---- the buyer */

typedef struct buyer {
    gr_pid shops[SHOPS];
    int open;
} buyer;

/* One future for each shop. On failure there is none. */
static gr_err ask_shops(gr_system *sys, const gr_pid *pids, const char *what, gr_future **futures)
{
    gr_err err = GR_OK;

    memset(futures, 0, SHOPS * sizeof(gr_future *));
    for (int i = 0; err == GR_OK && i < SHOPS; i++) {
        err = gr_request_future(sys, pids[i], wish_new(what), DEADLINE_MS, &futures[i]);
    }
    for (int i = 0; err != GR_OK && i < SHOPS; i++) {
        futures[i] = gr_future_unref(futures[i]);
    }
    return err;
}

/* In the words of who failed, if there are any. */
static const char *why(const gr_result *result)
{
    const gr_error *error = result->msg == NULL ? NULL : gr_msg_read(result->msg, &gr_error_type);

    return error == NULL ? gr_err_text(result->code) : error->text;
}

/* The message in hand is that of whoever wanted to buy, again. */
static gr_err on_offers(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    buyer *self = state;
    const gr_results *results = err == GR_OK ? gr_msg_read(reply, &gr_results_type) : NULL;
    const offer *best = NULL;

    (void)arg;
    self->open--;
    for (size_t i = 0; results != NULL && i < results->count; i++) {
        const gr_result *result = &results->at[i];
        const offer *made = result->code == GR_OK ? gr_msg_read(result->msg, &offer_type) : NULL;

        if (made == NULL) {
            printf("buyer: %s: %s\n", shops[i].name, why(result));
            continue;
        }
        printf("buyer: %s: %d\n", made->shop, made->price);
        best = best == NULL || made->price < best->price ? made : best;
    }
    if (best == NULL) {
        return err != GR_OK ? err : gr_fail(GR_ENOTFOUND, "nobody sells it");
    }
    return gr_respond(ctx, offer_new(best->shop, best->price));
}

static gr_err buy(gr_context *ctx, buyer *self, const char *what)
{
    gr_system *sys = gr_context_system(ctx);
    gr_future *futures[SHOPS];
    gr_future *all = NULL;
    gr_err err = ask_shops(sys, self->shops, what, futures);

    if (err != GR_OK) {
        return err;
    }
    err = gr_future_all(sys, futures, SHOPS, GR_FOREVER, &all);
    if (err == GR_OK) {
        err = gr_future_then(ctx, all, on_offers, NULL, NULL);
    }
    self->open += err == GR_OK ? 1 : 0;
    for (int i = 0; i < SHOPS; i++) {
        gr_future_unref(futures[i]);
    }
    gr_future_unref(all); /* whoever waits holds it */
    return err;
}

static gr_err buyer_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    buyer *self = state;
    const wish *wanted = gr_msg_read(msg, &wish_type);
    gr_msg *answer = NULL;

    if (wanted != NULL) {
        return buy(ctx, self, wanted->what);
    }
    answer = gr_msg_new(&status_type);
    if (answer != NULL) {
        ((status *)gr_msg_payload(answer))->open = self->open;
    }
    return gr_respond(ctx, answer);
}

static gr_err buyer_started(gr_context *ctx, void *state)
{
    buyer *self = state;
    gr_err err = GR_OK;

    for (int i = 0; err == GR_OK && i < SHOPS; i++) {
        const gr_props props = {.type_name = "shop", .receive = shop_receive, .arg = &shops[i]};

        err = gr_spawn_child(ctx, &props, shops[i].name, &self->shops[i]);
    }
    return err;
}

/* ---- the customers: this thread */

static gr_err want_the_best(gr_system *sys, gr_pid buyer_pid)
{
    gr_future *best = NULL;
    gr_msg *reply = NULL;
    gr_msg *state = NULL;
    gr_err err = gr_request_future(sys, buyer_pid, wish_new("pears"), GR_FOREVER, &best);

    if (err == GR_OK) { /* the buyer is not held up by the shops */
        err = gr_request(sys, buyer_pid, gr_msg_new(&status_type), GR_FOREVER, &state);
    }
    if (err == GR_OK) {
        const status *now = gr_msg_read(state, &status_type);

        printf("customer: the buyer has %d wish to look into, and time for me\n", now->open);
        err = gr_await(best, GR_FOREVER, &reply);
    }
    if (err == GR_OK) {
        const offer *taken = gr_msg_read(reply, &offer_type);

        printf("customer: the best is %s, for %d\n", taken->shop, taken->price);
    }
    gr_msg_unref(state);
    gr_msg_unref(reply);
    gr_future_unref(best);
    return err;
}

/* Of a shop that is sold out, one that is silent, and one that answers: the one that answers. */
static gr_err want_it_now(gr_system *sys)
{
    static const char *const names[] = {"buyer/east", "buyer/west", "buyer/south"};
    gr_future *futures[3] = {NULL, NULL, NULL};
    gr_future *first = NULL;
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    for (int i = 0; err == GR_OK && i < 3; i++) {
        gr_pid pid = gr_pid_null();

        err = gr_name_find(sys, names[i], &pid);
        if (err == GR_OK) {
            err = gr_request_future(sys, pid, wish_new("figs"), DEADLINE_MS, &futures[i]);
        }
    }
    if (err == GR_OK) {
        err = gr_future_any(sys, futures, 3, GR_FOREVER, &first);
    }
    if (err == GR_OK) {
        err = gr_await(first, GR_FOREVER, &reply);
    }
    if (err == GR_OK) {
        const offer *taken = gr_msg_read(reply, &offer_type);

        printf("customer: the first is %s, for %d\n", taken->shop, taken->price);
    }
    gr_msg_unref(reply);
    gr_future_unref(first);
    for (int i = 0; i < 3; i++) {
        gr_future_unref(futures[i]);
    }
    return err;
}

static int go_shopping(void)
{
    const gr_props props = {.type_name = "buyer",
                            .started = buyer_started,
                            .receive = buyer_receive,
                            .state_bytes = sizeof(buyer)};
    gr_system *sys = NULL;
    gr_pid buyer_pid = gr_pid_null();
    gr_err err = gr_system_new(NULL, &sys);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (err == GR_OK) {
        err = gr_spawn(sys, &props, "buyer", &buyer_pid);
    }
    if (err == GR_OK) {
        err = want_the_best(sys, buyer_pid);
    }
    if (err == GR_OK) {
        err = want_it_now(sys);
    }
    if (err != GR_OK) {
        fprintf(stderr, "fan-out: %s (%s)\n", gr_last_error()->text, gr_err_name(err));
    }
    gr_system_free(sys); /* stops what is left */
    return err == GR_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return go_shopping();
    }
    if (strcmp(argv[1], "--help") == 0) {
        printf("usage: fan-out\n");
        return 0;
    }
    fprintf(stderr, "fan-out: '%s' is not known, it takes no arguments\nusage: fan-out\n", argv[1]);
    return 2;
}
