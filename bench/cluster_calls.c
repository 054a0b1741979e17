/*
 * Calls of grains: three nodes and a client in one process, over NNG on loopback, with the SQLite coordinator.
 *
 *     cluster_calls [seconds for each measurement, default 2 [idle grains, default 100000]]
 *
 * Prints calls per second and the time of a call (p50, p99) with 1, 64 and 1024 in flight, activations per second, and
 * what an idle grain takes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <granary/cluster_spi.h>

#include "probe.h"

enum {
    NODES = 3,
    GRAINS = 1000,
    IN_FLIGHT_MAX = 1024,
    SAMPLES_MAX = 4000000,
    GRAINS_MAX = 100000000
};

typedef struct bench {
    char path[64];
    gr_node *nodes[NODES];
    probe_world worlds[NODES];
    probe_methods methods[NODES];
    gr_client *client;
    gr_caller *caller;
} bench;

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "cluster_calls: %s: %s\n", what, gr_last_error()->text);
    exit(1);
}

static void start(bench *b)
{
    char coordinator[80];
    gr_client_options options = {.nodes = coordinator};

    (void)snprintf(b->path, sizeof(b->path), "/tmp/granary-bench-%ld.db", (long)getpid());
    (void)snprintf(coordinator, sizeof(coordinator), "sqlite:%s", b->path);
    for (int i = 0; i < NODES; i++) {
        gr_node_options node = {.coordinator = coordinator, .activations_max = 10000000};
        gr_kind *kinds[2] = {NULL};

        b->methods[i] = probe_methods_of(&b->worlds[i]);
        kinds[0] = gr_kind_new(&probe_kind, &b->methods[i]);
        node.system.workers = 1;
        if (gr_node_start(&node, kinds, &b->nodes[i]) != GR_OK) {
            die("node");
        }
        b->worlds[i].sys = gr_node_system(b->nodes[i]);
    }
    for (int i = 0; i < NODES; i++) {
        if (gr_node_wait_ready(b->nodes[i], 30000) != GR_OK) {
            die("ready");
        }
    }
    options.system.workers = 1;
    if (gr_client_start(&options, &b->client) != GR_OK ||
        gr_client_wait_ready(b->client, 10000) != GR_OK) {
        die("client");
    }
    b->caller = gr_client_caller(b->client);
}

static void stop(bench *b)
{
    b->client = gr_client_free(b->client);
    for (int i = 0; i < NODES; i++) {
        b->nodes[i] = gr_node_free(b->nodes[i]);
    }
    (void)unlink(b->path);
}

typedef struct flight {
    gr_future *future;
    int64_t began_ns;
} flight;

static void launch(bench *b, flight *f, const char *prefix, int64_t number)
{
    char identity[32];
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_call_options options = {.timeout_ms = 30000};

    ask.number = 1;
    (void)snprintf(identity, sizeof(identity), "%s%" PRId64, prefix, number);
    f->began_ns = now_ns();
    if (gr_call_future(b->caller, &probe_kind, probe_method_of(&probe_kind, PROBE_ADD), identity,
                       &ask, &options, &f->future) != GR_OK) {
        die("call");
    }
}

static int64_t land(bench *b, flight *f)
{
    void *reply = NULL;

    if (gr_call_await(b->caller, f->future, probe_method_of(&probe_kind, PROBE_ADD), GR_FOREVER,
                      &reply) != GR_OK) {
        die("reply");
    }
    gr_reply_free(reply);
    f->future = gr_future_unref(f->future);
    return now_ns() - f->began_ns;
}

static void result(const char *what, int count, double value, const char *unit)
{
    (void)printf("RESULT\t%s_%d\t%.6g\t%s\n", what, count, value, unit);
    (void)fflush(stdout);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* One thread keeps so many calls in flight, awaiting the oldest; not reported while it warms up. */
static void measure(bench *b, int in_flight, double seconds, bool report)
{
    static flight flights[IN_FLIGHT_MAX];
    static int64_t samples[SAMPLES_MAX];
    int64_t began_ns = now_ns();
    int64_t until_ns = began_ns + (int64_t)(seconds * 1e9);
    int64_t number = 0;
    size_t count = 0;
    double took = 0;

    for (int i = 0; i < in_flight; i++) {
        launch(b, &flights[i], "g", number++ % GRAINS);
    }
    while (now_ns() < until_ns && count < SAMPLES_MAX - IN_FLIGHT_MAX) {
        int at = (int)(count % (size_t)in_flight);

        samples[count++] = land(b, &flights[at]);
        launch(b, &flights[at], "g", number++ % GRAINS);
    }
    for (int i = 0; i < in_flight; i++) {
        int at = (int)((count) % (size_t)in_flight);

        samples[count++] = land(b, &flights[at]);
    }
    took = (double)(now_ns() - began_ns) / 1e9;
    qsort(samples, count, sizeof(samples[0]), by_size);
    if (report) {
        result("calls", in_flight, (double)count / took, "calls/s");
        result("p50", in_flight, (double)samples[count / 2] / 1e3, "us");
        result("p99", in_flight, (double)samples[count * 99 / 100] / 1e3, "us");
    }
}

/* What the process has in memory now. */
static double resident_bytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "r");
    long total = 0;
    long resident = 0;

    if (statm == NULL || fscanf(statm, "%ld %ld", &total, &resident) != 2) {
        resident = 0;
    }
    if (statm != NULL) {
        (void)fclose(statm);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void measure_activations(bench *b, int grains)
{
    static flight flights[IN_FLIGHT_MAX];
    int64_t began_ns = now_ns();
    double before = resident_bytes();

    for (int64_t number = 0; number < grains + IN_FLIGHT_MAX; number++) {
        flight *f = &flights[number % IN_FLIGHT_MAX];

        if (f->future != NULL) {
            (void)land(b, f);
        }
        if (number < grains) {
            launch(b, f, "idle-", number);
        }
    }
    result("activations", grains, grains / ((double)(now_ns() - began_ns) / 1e9), "grains/s");
    result("idle", grains, (resident_bytes() - before) / grains, "bytes/grain");
}

static const char usage[] = "usage: cluster_calls [SECONDS [GRAINS]]\n";

static int misuse(const char *word, const char *why)
{
    fprintf(stderr, "cluster_calls: '%s' %s\n%s", word, why, usage);
    return 2;
}

int main(int argc, char **argv)
{
    static bench b;
    char *end = NULL;
    double seconds = 2;
    long grains = 100000;

    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc > 3) {
        return misuse(argv[3], "is too much");
    }
    if (argc > 1) {
        seconds = strtod(argv[1], &end);
        if (end == argv[1] || *end != '\0' || !(seconds > 0 && seconds <= 3600)) {
            return misuse(argv[1], "is no number of seconds, above 0 and up to 3600");
        }
    }
    if (argc > 2) {
        grains = strtol(argv[2], &end, 10);
        if (end == argv[2] || *end != '\0' || grains < 1 || grains > GRAINS_MAX) {
            return misuse(argv[2], "is no number of grains, from 1 to 100 million");
        }
    }
    start(&b);
    measure(&b, 64, 0.3, false);
    measure(&b, 1, seconds, true);
    measure(&b, 64, seconds, true);
    measure(&b, 1024, seconds, true);
    measure_activations(&b, (int)grains);
    stop(&b);
    return 0;
}
