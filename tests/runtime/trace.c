/*
 * Prints the trace of one run on the stepped dispatcher, a line for each turn: a family that fails, restarts with back-off
 * and is given up, timers, futures with continuations, events, chance. The same seed gives the same lines wherever it was
 * compiled; tests/scripts/traces.sh compares them.
 *
 *   trace SEED
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <granary/runtime_spi.h>

enum { PLAYERS = 12, BALL = 60, PLAYED_MS = 20000, REPLY_MS = 15 };

typedef struct ball {
    int64_t left;
} ball;

static const gr_type ball_type = GR_TYPE(ball);

static struct {
    gr_system *sys;
    gr_stepped *stepped;
    gr_pid players[PLAYERS];
} game;

static void on_line(void *arg, const char *line)
{
    (void)arg;
    (void)puts(line);
}

static void on_event(void *arg, const gr_type *type, const void *event)
{
    (void)arg;
    (void)event;
    (void)printf("event %s\n", type->name);
}

static void require(gr_err err, const char *what)
{
    if (err != GR_OK) {
        (void)fprintf(stderr, "trace: %s: %s\n", what, gr_last_error()->text);
        exit(1);
    }
}

static gr_msg *ball_new(int64_t left)
{
    gr_msg *msg = gr_msg_new(&ball_type);

    ((ball *)gr_msg_payload(msg))->left = left;
    return msg;
}

static gr_err on_reply(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    char self[GR_PID_TEXT_BYTES];

    (void)state;
    (void)arg;
    (void)reply;
    (void)printf("%s hears %s\n", gr_pid_format(gr_context_self(ctx), self), gr_err_name(err));
    return GR_OK;
}

/* Throws the ball on; now and then waits for an answer, asks to be told of one, starts a timer, has a child, fails. */
static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const ball *got = gr_msg_read(msg, &ball_type);
    gr_system *sys = gr_context_system(ctx);
    gr_pid to = game.players[gr_system_random(sys) % PLAYERS];
    gr_props props = {.receive = receive};
    gr_pid child = gr_pid_null();
    gr_future *future = NULL;
    gr_msg *reply = NULL;
    gr_timer_id timer;

    (void)state;
    if (got == NULL || got->left <= 0) {
        return got == NULL ? GR_OK : gr_respond(ctx, ball_new(0));
    }
    switch (got->left % 10) {
    case 1:
        return gr_timer_start(ctx, (int64_t)(gr_system_random(sys) % 50), 0,
                              ball_new(got->left - 1), &timer);
    case 2:
        (void)gr_request(sys, to, ball_new(got->left - 1), REPLY_MS, &reply);
        reply = gr_msg_unref(reply);
        break;
    case 3:
        require(gr_request_future(sys, to, ball_new(0), REPLY_MS, &future), "a request");
        require(gr_future_then(ctx, future, on_reply, NULL, NULL), "a continuation");
        future = gr_future_unref(future);
        break;
    case 4:
        require(gr_spawn_child(ctx, &props, NULL, &child), "a child");
        require(gr_watch(ctx, child), "a watch");
        (void)gr_send(sys, child, ball_new(got->left - 2));
        break;
    case 7:
        (void)gr_send(sys, to, ball_new(got->left - 1));
        return gr_fatal(GR_EFAILED, "dropped the ball");
    default:
        break;
    }
    (void)gr_send(sys, to, ball_new(got->left - 1));
    return GR_OK;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    gr_system_options options = {.name = "traced"};
    gr_supervision guardian = {
        .restarts = 5, .window_ms = 1000, .backoff = {.min_ms = 10, .max_ms = 200, .factor = 1.5}};
    gr_props props = {.receive = receive, .guardian = &guardian};
    gr_subscription *subscription = NULL;

    if (argc != 2) {
        (void)fprintf(stderr, "Usage: trace SEED\n");
        return 2;
    }
    require(gr_stepped_new(seed, &game.stepped), "a stepper");
    gr_stepped_trace(game.stepped, on_line, NULL);
    options.stepped = game.stepped;
    require(gr_system_new(&options, &game.sys), "a system");
    require(gr_subscribe(game.sys, NULL, on_event, NULL, &subscription), "a subscription");
    for (int i = 0; i < PLAYERS; i++) {
        require(gr_spawn(game.sys, &props, NULL, &game.players[i]), "a player");
    }
    for (int i = 0; i < PLAYERS; i++) {
        require(gr_send(game.sys, game.players[i], ball_new(BALL + i)), "a ball");
    }
    gr_stepped_advance(game.stepped, PLAYED_MS);
    (void)printf("at the end: %" PRIu64 " restarts, next random %" PRIu64 "\n",
                 gr_system_counters(game.sys).restarts, gr_system_random(game.sys));
    gr_unsubscribe(subscription);
    game.sys = gr_system_free(game.sys);
    game.stepped = gr_stepped_free(game.stepped);
    return 0;
}
