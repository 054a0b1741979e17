/*
 * A ring of futures. Waiting for the oldest keeps the ring full of younger ones that the cluster works on meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FAILURES_TOLD = 5 };

static const Google__Protobuf__Empty nothing = GOOGLE__PROTOBUF__EMPTY__INIT;
static const gr_call_options patient = {.timeout_ms = 30000, .wait_for_host = true};

struct call {
    gr_future *future;
    word *of;
    bool reads;
    int64_t started_us;
};

int64_t clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool calls_init(calls *flight, gr_caller *caller, size_t room)
{
    memset(flight, 0, sizeof(*flight));
    flight->caller = caller;
    flight->room = room;
    flight->ring = calloc(room, sizeof(*flight->ring));
    return flight->ring != NULL;
}

void calls_fini(calls *flight)
{
    free(flight->ring);
    free(flight->took_us);
    memset(flight, 0, sizeof(*flight));
}

static void tell_failure(calls *flight, const call *ended, gr_err err)
{
    flight->failed++;
    if (flight->failed <= FAILURES_TOLD) {
        fprintf(stderr, "wordcount: %s of '%s' failed: %s: %s\n", ended->reads ? "Read" : "Add",
                ended->of->text, gr_err_name(err), gr_last_error()->text);
    }
    if (flight->failed == FAILURES_TOLD) {
        fputs("wordcount: further failures are counted and not told\n", stderr);
    }
}

static void keep_time(calls *flight, int64_t took_us)
{
    if (flight->took_count == flight->took_room) {
        size_t room = flight->took_room == 0 ? 65536 : 2 * flight->took_room;
        uint32_t *larger = realloc(flight->took_us, room * sizeof(*larger));

        if (larger == NULL) {
            return; /* the quantiles are then of the calls before */
        }
        flight->took_us = larger;
        flight->took_room = room;
    }
    flight->took_us[flight->took_count++] = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
}

/* Awaits the oldest call. */
static void take_one(calls *flight)
{
    call *oldest = &flight->ring[flight->first];
    Wordcount__Count *count = NULL;
    gr_err err = GR_OK;

    if (oldest->reads) {
        err = wordcount_word_read_await(flight->caller, oldest->future, GR_FOREVER, &count);
    } else {
        err = wordcount_word_add_await(flight->caller, oldest->future, GR_FOREVER, NULL);
    }
    if (err != GR_OK) {
        tell_failure(flight, oldest, err);
    } else {
        keep_time(flight, clock_us() - oldest->started_us);
    }
    if (count != NULL) {
        oldest->of->count = count->count;
        oldest->of->node = count->node;
    }
    gr_reply_free(count);
    gr_future_unref(oldest->future);
    flight->first = (flight->first + 1) % flight->room;
    flight->count--;
}

static void start(calls *flight, word *of, bool reads)
{
    call *made = NULL;
    gr_err err = GR_OK;

    if (flight->count == flight->room) {
        take_one(flight);
    }
    made = &flight->ring[(flight->first + flight->count) % flight->room];
    *made = (call){.of = of, .reads = reads, .started_us = clock_us()};
    if (reads) {
        err =
            wordcount_word_read_future(flight->caller, of->text, &nothing, &patient, &made->future);
    } else {
        err =
            wordcount_word_add_future(flight->caller, of->text, &nothing, &patient, &made->future);
    }
    if (err != GR_OK) {
        tell_failure(flight, made, err);
    } else {
        flight->count++;
    }
}

void calls_add(calls *flight, word *to)
{
    start(flight, to, false);
}

void calls_read(calls *flight, word *of)
{
    start(flight, of, true);
}

void calls_finish(calls *flight)
{
    while (flight->count > 0) {
        take_one(flight);
    }
}

bool calls_wait_for_cluster(calls *flight)
{
    gr_err err = wordcount_word_read(flight->caller, "a", &nothing, &patient, NULL);

    if (err != GR_OK) {
        fprintf(stderr, "wordcount: the cluster does not answer: %s: %s\n", gr_err_name(err),
                gr_last_error()->text);
    }
    return err == GR_OK;
}

static int compare_times(const void *left, const void *right)
{
    const uint32_t *a = left;
    const uint32_t *b = right;

    return (*a > *b) - (*a < *b);
}

double calls_quantile_ms(calls *flight, double part)
{
    if (flight->took_count == 0) {
        return 0;
    }
    qsort(flight->took_us, flight->took_count, sizeof(*flight->took_us), compare_times);
    return flight->took_us[(size_t)(part * (double)(flight->took_count - 1))] / 1000.0;
}
