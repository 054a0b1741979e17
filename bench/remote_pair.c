/*
 * Two processes on loopback: how many 64-byte messages a second go one way, and how long a request takes there and back.
 * The second process is this program with `serve`.
 *
 *   remote_pair oneway [messages] [senders]     messages a second, counted where they are handled
 *   remote_pair roundtrip [requests]            p50 and p99 of one request after the other
 *   remote_pair callers [requests] [callers]    calls a second of so many threads at once
 *
 * GRANARY_BENCH_ADDRESS chooses what is listened on, tcp://127.0.0.1:0 by default, such as ipc:///tmp/bench.sock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <granary/remote.h>
#include <granary/runtime_spi.h>

enum { PAYLOAD_BYTES = 64, WAIT_MS = 60000, CALLERS_MAX = 256 };

/* Sixty-four bytes that travel as they are, so that the connection is measured and not a codec. */
typedef struct block {
    uint64_t words[PAYLOAD_BYTES / 8];
} block;

static size_t block_bytes(const gr_type *type, const void *payload)
{
    (void)type;
    (void)payload;
    return PAYLOAD_BYTES;
}

static void block_pack(const gr_type *type, const void *payload, uint8_t *out)
{
    (void)type;
    memcpy(out, payload, PAYLOAD_BYTES);
}

static gr_err block_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg)
{
    (void)type;
    if (count != PAYLOAD_BYTES) {
        return gr_fail(GR_EDECODE, "%zu bytes, %d are expected", count, PAYLOAD_BYTES);
    }
    memcpy(gr_msg_payload(msg), bytes, PAYLOAD_BYTES);
    return GR_OK;
}

static const gr_codec block_codec = {GR_CODEC_VERSION, block_bytes, block_pack, block_unpack};
static const gr_type block_type = {"bench.Block", sizeof(block), NULL, &block_codec, NULL};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void result(const char *name, double value, const char *unit)
{
    (void)printf("RESULT\t%s\t%.6g\t%s\n", name, value, unit);
}

static void must(gr_err err, const char *what)
{
    if (err != GR_OK) {
        (void)fprintf(stderr, "remote_pair: %s: %s: %s\n", what, gr_err_name(err),
                      gr_last_error()->text);
        exit(1);
    }
}

/* ---- the server ---- */

/* Counts; what asks is answered, with the number of messages so far. */
static gr_err server_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    uint64_t *count = state;
    gr_msg *answer = NULL;

    (void)msg;
    (*count)++;
    if (gr_pid_is_null(gr_context_sender(ctx))) {
        return GR_OK;
    }
    answer = gr_msg_new(&block_type);
    if (answer != NULL) {
        ((block *)gr_msg_payload(answer))->words[0] = *count;
    }
    return gr_respond(ctx, answer);
}

static void start(gr_system **sys, gr_remote **remote, const char *listen)
{
    static const gr_type *const types[] = {&block_type};
    const gr_remote_options options = {.listen = listen};

    must(gr_system_new(NULL, sys), "system");
    must(gr_remote_start(*sys, &options, remote), "remote");
    must(gr_remote_add_types(*remote, types, 1), "types");
}

static int serve(void)
{
    const char *listen = getenv("GRANARY_BENCH_ADDRESS");
    const gr_props props = {.receive = server_receive, .state_bytes = sizeof(uint64_t)};
    gr_system *sys = NULL;
    gr_remote *remote = NULL;
    gr_pid pid;

    start(&sys, &remote, listen == NULL ? "tcp://127.0.0.1:0" : listen);
    must(gr_spawn(sys, &props, NULL, &pid), "actor");
    must(gr_remote_publish(remote, "server", pid), "publish");
    (void)printf("%s\n", gr_remote_address(remote));
    (void)fflush(stdout);
    (void)getchar(); /* until the other process closes its end */
    remote = gr_remote_free(remote);
    sys = gr_system_free(sys);
    return 0;
}

/* ---- the client ---- */

typedef struct client {
    gr_system *sys;
    gr_remote *remote;
    gr_pid server;
    pid_t process;
    FILE *to;
} client;

static void open_client(client *it, const char *self)
{
    static char serve_word[] = "serve";
    char *const argv[] = {(char *)(uintptr_t)self, serve_word, NULL};
    posix_spawn_file_actions_t actions;
    extern char **environ;
    int to[2], from[2];
    char address[GR_ADDRESS_BYTES_MAX];
    FILE *out = NULL;

    if (pipe(to) != 0 || pipe(from) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, to[0], 0) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, from[1], 1) != 0 ||
        posix_spawn_file_actions_addclose(&actions, to[1]) != 0 ||
        posix_spawn_file_actions_addclose(&actions, from[0]) != 0 ||
        posix_spawn(&it->process, self, &actions, NULL, argv, environ) != 0) {
        perror("remote_pair: starting the server");
        exit(1);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    it->to = fdopen(to[1], "w");
    out = fdopen(from[0], "r");
    if (out == NULL || fgets(address, sizeof(address), out) == NULL) {
        (void)fprintf(stderr, "remote_pair: the server did not start\n");
        exit(1);
    }
    address[strcspn(address, "\n")] = '\0';
    (void)fclose(out);
    start(&it->sys, &it->remote, NULL);
    must(gr_remote_find(it->remote, address, "server", WAIT_MS, &it->server), "find");
}

static void close_client(client *it)
{
    it->remote = gr_remote_free(it->remote);
    it->sys = gr_system_free(it->sys);
    (void)fclose(it->to);
    (void)waitpid(it->process, NULL, 0);
}

static uint64_t ask(const client *it)
{
    gr_msg *reply = NULL;
    uint64_t count = 0;

    must(gr_request(it->sys, it->server, gr_msg_new(&block_type), WAIT_MS, &reply), "request");
    count = ((const block *)gr_msg_read(reply, &block_type))->words[0];
    (void)gr_msg_unref(reply);
    return count;
}

typedef struct worker {
    pthread_t thread;
    client *of;
    uint64_t count;
} worker;

static void *send_all(void *arg)
{
    worker *it = arg;

    for (uint64_t i = 0; i < it->count; i++) {
        must(gr_send_wait(it->of->sys, it->of->server, gr_msg_new(&block_type), WAIT_MS), "send");
    }
    return NULL;
}

static void *ask_all(void *arg)
{
    worker *it = arg;

    for (uint64_t i = 0; i < it->count; i++) {
        (void)ask(it->of);
    }
    return NULL;
}

static void run_workers(client *of, void *(*run)(void *), uint64_t count, unsigned threads)
{
    worker workers[CALLERS_MAX];

    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (worker){.of = of, .count = count / threads};
        if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0) {
            perror("remote_pair: thread");
            exit(1);
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
    }
}

static void one_way(client *it, uint64_t count, unsigned threads)
{
    uint64_t before = ask(it), sent = count / threads * threads;
    int64_t began = now_ns(), took = 0;

    run_workers(it, send_all, count, threads);
    while (ask(it) < before + sent) { /* answered in order, so mostly the first is the last */
    }
    took = now_ns() - began;
    result("remote.oneway.per_s", (double)sent * 1e9 / (double)took, "1/s");
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void round_trip(client *it, uint64_t count)
{
    int64_t *took = calloc(count, sizeof(*took));

    if (took == NULL) {
        exit(1);
    }
    for (uint64_t i = 0; i < count / 10; i++) { /* warm */
        (void)ask(it);
    }
    for (uint64_t i = 0; i < count; i++) {
        int64_t began = now_ns();

        (void)ask(it);
        took[i] = now_ns() - began;
    }
    qsort(took, count, sizeof(*took), by_size);
    result("remote.roundtrip.p50", (double)took[count / 2] / 1e3, "us");
    result("remote.roundtrip.p99", (double)took[count * 99 / 100] / 1e3, "us");
    free(took);
}

static void callers(client *it, uint64_t count, unsigned threads)
{
    int64_t began = now_ns();

    run_workers(it, ask_all, count, threads);
    result("remote.callers.per_s",
           (double)(count / threads * threads) * 1e9 / (double)(now_ns() - began), "1/s");
}

static const char usage[] =
    "usage: remote_pair oneway [MESSAGES [SENDERS]] | roundtrip [REQUESTS] | callers [REQUESTS "
    "[CALLERS]]\n";

static int misuse(const char *word, const char *why)
{
    (void)fprintf(stderr, "remote_pair: '%s' %s\n%s", word, why, usage);
    return 2;
}

/* 0 and a number too large are none. */
static bool parse_count(const char *word, uint64_t most, uint64_t *out_count)
{
    char *end = NULL;

    errno = 0;
    *out_count = strtoull(word, &end, 10);
    return isdigit((unsigned char)*word) && *end == '\0' && errno == 0 && *out_count != 0 &&
           *out_count <= most;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    bool one = strcmp(what, "oneway") == 0, trips = strcmp(what, "roundtrip") == 0;
    uint64_t count = one ? 2000000 : trips ? 20000 : 100000;
    uint64_t threads = one ? 1 : 100;
    int most = trips ? 3 : 4; /* words */
    client it = {0};

    if (strcmp(what, "serve") == 0) {
        return serve();
    }
    if (argc == 1 || strcmp(what, "--help") == 0) {
        (void)fputs(usage, argc == 1 ? stderr : stdout);
        return argc == 1 ? 2 : 0;
    }
    if (!one && !trips && strcmp(what, "callers") != 0) {
        return misuse(what, "is no measurement");
    }
    if (argc > most) {
        return misuse(argv[most], "is too much");
    }
    if (argc > 2 && !parse_count(argv[2], UINT64_MAX, &count)) {
        return misuse(argv[2], "is no count, which is 1 or more");
    }
    if (argc > 3 && !parse_count(argv[3], CALLERS_MAX, &threads)) {
        return misuse(argv[3], "is no number of threads that it can start");
    }
    open_client(&it, argv[0]);
    if (one) {
        one_way(&it, count, (unsigned)threads);
    } else if (trips) {
        round_trip(&it, count);
    } else {
        callers(&it, count, (unsigned)threads);
    }
    close_client(&it);
    return 0;
}
