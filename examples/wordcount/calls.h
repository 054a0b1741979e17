/*
 * Calls in flight: started without waiting, up to a limit; then the oldest one is awaited first. Keeps how long
 * each took. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORDCOUNT_CALLS_H
#define WORDCOUNT_CALLS_H

#include "word.grain.h"

#include "words.h"

typedef struct call call;

typedef struct calls {
    gr_caller *caller;
    call *ring;
    size_t room; /* calls that may be in flight */
    size_t first;
    size_t count;
    uint32_t *took_us; /* of each call that has ended */
    size_t took_count;
    size_t took_room;
    uint64_t failed;
} calls;

/* At most `room` calls at a time. False when out of memory. */
bool calls_init(calls *flight, gr_caller *caller, size_t room);
void calls_fini(calls *flight);

/* Makes one call and waits for its answer, so that the cluster is there when the others begin. Not among those whose
 * time is kept. False when it fails, which has been said. */
bool calls_wait_for_cluster(calls *flight);
/* Starts to add one to a word, or to read its count into it, awaiting an older call if there are too many. A call that
 * fails is counted, and the first few are told on standard error. */
void calls_add(calls *flight, word *to);
void calls_read(calls *flight, word *of);
/* Awaits all that are in flight. */
void calls_finish(calls *flight);

/* How long the given part of all calls took at most, in ms: 0.5 is the median. From the start of a call until its reply
 * was taken, which is in the order of their starts. */
double calls_quantile_ms(calls *flight, double part);
/* Time that only goes forward. */
int64_t clock_us(void);

#endif
