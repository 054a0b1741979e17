/*
 * What local actors cost a user: one sub-command for each measurement, with the options a user gets when he sets
 * none. The main thread starts the actors, waits for the end and prints lines "RESULT<tab>name<tab>value<tab>unit"
 * that a script can compare. Nothing here checks correctness; that is what tests are for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <granary/runtime.h>

typedef struct ball {
    uint64_t count;
} ball;

static const gr_type ball_type = GR_TYPE(ball);

/* ---- measuring */

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long total = 0;
    long resident = 0;
    int read = file == NULL ? 0 : fscanf(file, "%ld %ld", &total, &resident);

    if (file != NULL) {
        (void)fclose(file);
    }
    return read == 2 ? (double)resident * (double)sysconf(_SC_PAGESIZE) : 0;
}

static void result(const char *name, double value, const char *unit)
{
    printf("RESULT\t%s\t%.6g\t%s\n", name, value, unit);
}

static void rate(const char *name, const char *per, int64_t ns, double count)
{
    char full[80];

    (void)snprintf(full, sizeof(full), "%s.ns_per_%s", name, per);
    result(full, (double)ns / count, "ns");
    (void)snprintf(full, sizeof(full), "%s.per_s", name);
    result(full, count * 1e9 / (double)ns, "1/s");
}

static void must(gr_err err)
{
    if (err != GR_OK) {
        fprintf(stderr, "local: %s: %s\n", gr_err_name(err), gr_last_error()->text);
        exit(1);
    }
}

static gr_msg *ball_new(uint64_t count)
{
    gr_msg *msg = gr_msg_new(&ball_type);

    if (msg == NULL) {
        must(gr_fail(GR_ENOMEM, "a message"));
    }
    ((ball *)gr_msg_payload(msg))->count = count;
    return msg;
}

static uint64_t count_of(const gr_msg *msg)
{
    const ball *payload = gr_msg_read(msg, &ball_type);

    return payload == NULL ? 0 : payload->count;
}

static gr_pid spawn(gr_system *sys, gr_receive_fn receive, void *arg)
{
    gr_props props = {.receive = receive, .arg = arg};
    gr_pid pid = gr_pid_null();

    must(gr_spawn(sys, &props, NULL, &pid));
    return pid;
}

static void await_end(gr_future *future)
{
    gr_msg *reply = NULL;

    must(gr_await(future, GR_FOREVER, &reply));
    (void)gr_msg_unref(reply);
    (void)gr_future_unref(future);
}

static gr_future *future_new(gr_system *sys)
{
    gr_future *future = NULL;

    must(gr_future_new(sys, GR_FOREVER, &future));
    return future;
}

/* ---- a ring: one message goes round 503 actors */

typedef struct ring_link {
    gr_pid next;
    gr_pid end;
} ring_link;

static gr_err link_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const ring_link *mine = state;
    uint64_t left = count_of(msg);

    return left == 0 ? gr_context_send(ctx, mine->end, ball_new(0))
                     : gr_context_send(ctx, mine->next, ball_new(left - 1));
}

static void ring(gr_system *sys, uint64_t hops, uint64_t actors)
{
    ring_link *links = calloc(actors, sizeof(*links));
    gr_future *end = future_new(sys);
    gr_pid first = gr_pid_null();
    gr_pid pid = gr_pid_null();
    int64_t begin = 0;

    if (links == NULL) {
        must(gr_fail(GR_ENOMEM, "%" PRIu64 " links", actors));
    }
    for (uint64_t i = 0; i < actors; i++) {
        gr_pid previous = pid;

        links[i].end = gr_future_pid(end);
        pid = spawn(sys, link_receive, &links[i]);
        links[i].next = previous; /* the first one's is set below */
        first = i == 0 ? pid : first;
    }
    links[0].next = pid;
    begin = now_ns();
    must(gr_send(sys, pid, ball_new(hops)));
    await_end(end);
    rate("ring", "hop", now_ns() - begin, (double)hops);
    must(gr_system_stop(sys, GR_FOREVER));
    free(links);
}

/* ---- ping-pong: two actors, or a thousand pairs of them */

typedef struct pair {
    uint64_t rounds;
    gr_pid peer;
    gr_pid end;
} pair;

static gr_err pong_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)state;
    return gr_respond(ctx, ball_new(count_of(msg)));
}

static gr_err ping_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    pair *mine = state;

    (void)msg;
    if (mine->rounds == 0) {
        return gr_context_send(ctx, mine->end, ball_new(0));
    }
    mine->rounds--;
    return gr_context_send(ctx, mine->peer, ball_new(mine->rounds));
}

static void pingpong(gr_system *sys, uint64_t messages, uint64_t pairs)
{
    pair *all = calloc(pairs, sizeof(*all));
    gr_future **ends = calloc(pairs, sizeof(gr_future *));
    gr_pid *pings = calloc(pairs, sizeof(*pings));
    int64_t begin = 0;

    if (all == NULL || ends == NULL || pings == NULL) {
        must(gr_fail(GR_ENOMEM, "%" PRIu64 " pairs", pairs));
    }
    begin = now_ns();
    for (uint64_t i = 0; i < pairs; i++) {
        ends[i] = future_new(sys);
        all[i].rounds = messages / pairs / 2;
        all[i].end = gr_future_pid(ends[i]);
        all[i].peer = spawn(sys, pong_receive, NULL);
        pings[i] = spawn(sys, ping_receive, &all[i]);
    }
    for (uint64_t i = 0; i < pairs; i++) {
        must(gr_send(sys, pings[i], ball_new(0)));
    }
    for (uint64_t i = 0; i < pairs; i++) {
        await_end(ends[i]);
    }
    rate(pairs == 1 ? "pingpong" : "pairs1000", "msg", now_ns() - begin, (double)messages);
    must(gr_system_stop(sys, GR_FOREVER));
    free(all);
    free(ends);
    free(pings);
}

/* ---- counting: two producers, one counter; the mailbox is bounded, so they wait for room */

typedef struct count {
    uint64_t left;
    gr_pid end;
} count;

static gr_err counter_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    count *mine = state;

    (void)msg;
    mine->left--;
    return mine->left == 0 ? gr_context_send(ctx, mine->end, ball_new(0)) : GR_OK;
}

static gr_err producer_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gr_pid to = *(gr_pid *)state;
    gr_err err = GR_OK;

    for (uint64_t left = count_of(msg); left > 0 && err == GR_OK; left--) {
        err = gr_send_wait(gr_context_system(ctx), to, ball_new(left), GR_FOREVER);
    }
    return err;
}

static void counting(gr_system *sys, uint64_t messages, uint64_t producers)
{
    gr_future *end = future_new(sys);
    count all = {messages / producers * producers, gr_future_pid(end)};
    gr_pid counter = spawn(sys, counter_receive, &all);
    int64_t begin = now_ns();

    for (uint64_t i = 0; i < producers; i++) {
        must(gr_send(sys, spawn(sys, producer_receive, &counter), ball_new(messages / producers)));
    }
    await_end(end);
    rate("counting", "msg", now_ns() - begin, (double)messages);
    result("counting.rss_end_MiB", resident_bytes() / 1048576, "MiB");
    must(gr_system_stop(sys, GR_FOREVER));
}

/* ---- actors come and go */

static gr_err idle_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

/* Spawns, asks to stop, and so on; in the end waits until all have gone. */
static gr_err nursery_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gr_system *sys = gr_context_system(ctx);

    (void)state;
    for (uint64_t left = count_of(msg); left > 0; left--) {
        gr_send_stop(sys, spawn(sys, idle_receive, NULL));
    }
    return gr_respond(ctx, ball_new(0));
}

static void spawn_stop(gr_system *sys, uint64_t actors, uint64_t unused)
{
    gr_pid nursery = spawn(sys, nursery_receive, NULL);
    gr_future *never = future_new(sys);
    gr_msg *reply = NULL;
    int64_t begin = now_ns();

    (void)unused;
    must(gr_request(sys, nursery, ball_new(actors), GR_FOREVER, &reply));
    while (gr_system_counters(sys).stopped < actors) {
        gr_msg *nothing = NULL;

        (void)!gr_await(never, 1,
                        &nothing); /* the last ones are on their way: look each millisecond */
    }
    result("spawn_stop.ns_per_actor", (double)(now_ns() - begin) / (double)actors, "ns");
    (void)gr_msg_unref(reply);
    (void)gr_future_unref(never);
}

static void idle(gr_system *sys, uint64_t actors, uint64_t unused)
{
    gr_pid *pids = calloc(actors, sizeof(*pids));
    double before = 0;
    int64_t begin = 0;

    (void)unused;
    if (pids == NULL) {
        must(gr_fail(GR_ENOMEM, "%" PRIu64 " pids", actors));
    }
    memset(pids, 1, actors * sizeof(*pids)); /* the list is not the actors' memory */
    before = resident_bytes();
    begin = now_ns();
    for (uint64_t i = 0; i < actors; i++) {
        pids[i] = spawn(sys, idle_receive, NULL);
    }
    result("idle.spawn_ns", (double)(now_ns() - begin) / (double)actors, "ns");
    result("idle.rss_bytes_per_actor", (resident_bytes() - before) / (double)actors, "B");
    free(pids);
}

/* ---- requests: a handler asks and waits, or a thread does */

static gr_err adder_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    uint64_t *sum = state;

    *sum += count_of(msg);
    return gr_respond(ctx, ball_new(*sum));
}

static gr_err caller_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gr_pid adder = *(gr_pid *)state;

    for (uint64_t left = count_of(msg); left > 0; left--) {
        gr_msg *reply = NULL;

        must(gr_request(gr_context_system(ctx), adder, ball_new(1), GR_FOREVER, &reply));
        (void)gr_msg_unref(reply);
    }
    return gr_respond(ctx, ball_new(0));
}

static void call(gr_system *sys, uint64_t calls, uint64_t unused)
{
    uint64_t sum = 0;
    gr_pid adder = spawn(sys, adder_receive, &sum);
    gr_pid caller = spawn(sys, caller_receive, &adder);
    gr_msg *reply = NULL;
    int64_t begin = now_ns();

    (void)unused;
    must(gr_request(sys, caller, ball_new(calls), GR_FOREVER, &reply));
    rate("call", "call", now_ns() - begin, (double)calls);
    (void)gr_msg_unref(reply);
    must(gr_system_stop(sys, GR_FOREVER));
}

static void callsync(gr_system *sys, uint64_t calls, uint64_t unused)
{
    uint64_t sum = 0;
    gr_pid adder = spawn(sys, adder_receive, &sum);
    int64_t begin = now_ns();

    (void)unused;
    for (uint64_t i = 0; i < calls; i++) {
        gr_msg *reply = NULL;

        must(gr_request(sys, adder, ball_new(1), GR_FOREVER, &reply));
        (void)gr_msg_unref(reply);
    }
    rate("callsync", "call", now_ns() - begin, (double)calls);
    must(gr_system_stop(sys, GR_FOREVER));
}

/* ---- skynet: a tree of actors, ten children each, sums its million leaves */

typedef struct sky {
    gr_pid parent;
    uint64_t first;
    uint64_t size;
    uint64_t sum;
    unsigned waiting;
} sky;

typedef struct seed {
    gr_pid parent;
    uint64_t first;
    uint64_t size;
} seed;

static const gr_type seed_type = GR_TYPE(seed);

static gr_err sky_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    sky *mine = state;
    const seed *grow = gr_msg_read(msg, &seed_type);
    gr_system *sys = gr_context_system(ctx);
    gr_props props = {.receive = sky_receive, .state_bytes = sizeof(sky)};

    if (grow == NULL) {
        mine->sum += count_of(msg);
        mine->waiting--;
    } else if (grow->size == 1) {
        mine->parent = grow->parent;
        mine->sum = grow->first;
    } else {
        mine->parent = grow->parent;
        mine->waiting = 10;
        for (uint64_t i = 0; i < 10; i++) {
            gr_pid pid = gr_pid_null();
            gr_msg *order = gr_msg_new(&seed_type);

            must(order == NULL ? gr_fail(GR_ENOMEM, "a message") : GR_OK);
            *(seed *)gr_msg_payload(order) =
                (seed){gr_context_self(ctx), grow->first + i * (grow->size / 10), grow->size / 10};
            must(gr_spawn(sys, &props, NULL, &pid));
            must(gr_send(sys, pid, order));
        }
    }
    if (mine->waiting == 0) {
        must(gr_send(sys, mine->parent, ball_new(mine->sum)));
        gr_send_stop(sys, gr_context_self(ctx));
    }
    return GR_OK;
}

static void skynet(gr_system *sys, uint64_t leaves, uint64_t unused)
{
    gr_future *end = future_new(sys);
    gr_props props = {.receive = sky_receive, .state_bytes = sizeof(sky)};
    gr_msg *order = gr_msg_new(&seed_type);
    gr_msg *reply = NULL;
    gr_pid pid = gr_pid_null();
    int64_t begin = now_ns();

    (void)unused;
    must(order == NULL ? gr_fail(GR_ENOMEM, "a message") : GR_OK);
    *(seed *)gr_msg_payload(order) = (seed){gr_future_pid(end), 0, leaves};
    must(gr_spawn(sys, &props, NULL, &pid));
    must(gr_send(sys, pid, order));
    must(gr_await(end, GR_FOREVER, &reply));
    if (count_of(reply) != leaves * (leaves - 1) / 2) {
        fprintf(stderr, "local: skynet: the sum is wrong\n");
        exit(1);
    }
    result("skynet.ms", (double)(now_ns() - begin) / 1e6, "ms");
    (void)gr_msg_unref(reply);
    (void)gr_future_unref(end);
}

/* ---- which one */

typedef struct measurement {
    const char *name;
    void (*run)(gr_system *sys, uint64_t count, uint64_t actors);
    uint64_t count;
    uint64_t actors;
    const char *what;
} measurement;

static const measurement measurements[] = {
    {"ring", ring, 5000000, 503, "hops, actors"},
    {"pingpong", pingpong, 5000000, 1, "messages"},
    {"pairs", pingpong, 5000000, 1000, "messages, pairs"},
    {"counting", counting, 10000000, 2, "messages, producers"},
    {"spawn", spawn_stop, 1000000, 0, "actors"},
    {"idle", idle, 1000000, 0, "actors"},
    {"call", call, 2000000, 0, "calls of a handler"},
    {"callsync", callsync, 20000, 0, "calls of a thread"},
    {"skynet", skynet, 1000000, 0, "leaves, a power of ten"},
};

enum { MEASUREMENTS = sizeof(measurements) / sizeof(measurements[0]) };

static void print_usage(FILE *to)
{
    fprintf(to, "usage: local MEASUREMENT [COUNT [ACTORS]]\n");
    for (size_t i = 0; i < MEASUREMENTS; i++) {
        fprintf(to, "  %-9s %s (default %" PRIu64, measurements[i].name, measurements[i].what,
                measurements[i].count);
        if (measurements[i].actors != 0) {
            fprintf(to, ", %" PRIu64, measurements[i].actors);
        }
        fprintf(to, ")\n");
    }
}

static int misuse(const char *word, const char *why)
{
    fprintf(stderr, "local: '%s' %s\n", word, why);
    print_usage(stderr);
    return 2;
}

static bool parse_count(const char *word, uint64_t *out_count)
{
    char *end = NULL;

    errno = 0;
    *out_count = strtoull(word, &end, 10);
    return isdigit((unsigned char)*word) && *end == '\0' && errno == 0 && *out_count != 0;
}

static bool is_power_of_ten(uint64_t number)
{
    while (number % 10 == 0) {
        number /= 10;
    }
    return number == 1;
}

static const measurement *measurement_find(const char *name)
{
    for (size_t i = 0; i < MEASUREMENTS; i++) {
        if (strcmp(name, measurements[i].name) == 0) {
            return &measurements[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const measurement *chosen = argc > 1 ? measurement_find(argv[1]) : NULL;
    gr_system *sys = NULL;
    uint64_t amount = 0;
    uint64_t actors = 0;

    if (argc == 1 || strcmp(argv[1], "--help") == 0) {
        print_usage(argc == 1 ? stderr : stdout);
        return argc == 1 ? 2 : 0;
    }
    if (chosen == NULL) {
        return misuse(argv[1], "is no measurement");
    }
    if (argc > 4 || (argc > 3 && chosen->actors == 0)) {
        return misuse(argv[chosen->actors == 0 ? 3 : 4], "is too much");
    }
    amount = chosen->count;
    actors = chosen->actors;
    if (argc > 2 && !parse_count(argv[2], &amount)) {
        return misuse(argv[2], "is no count, which is 1 or more");
    }
    if (argc > 3 && !parse_count(argv[3], &actors)) {
        return misuse(argv[3], "is no number of actors, which is 1 or more");
    }
    if (chosen->run == skynet && !is_power_of_ten(amount)) {
        return misuse(argv[2], "is no power of ten");
    }
    must(gr_system_new(NULL, &sys));
    chosen->run(sys, amount, actors);
    (void)gr_system_free(sys);
    return 0;
}
