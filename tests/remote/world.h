/*
 * A small world for the tests of the remote layer: several systems, each with a remote, either on the
 * stepped dispatcher over the memory network, or on threads over tcp. And a book: an actor that writes
 * down what it is sent, answers what asks, and can be looked at when the world is still.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORLD_H
#define WORLD_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <granary/remote_spi.h>

#include "note.pb-c.h"

enum { WORLD_PEERS_MAX = 8, WORLD_WRITERS = 16 };

extern const gr_type note_type;
extern const gr_type tree_type;
extern const gr_type stranger_type; /* only its senders know it */

typedef struct peer {
    gr_system *sys;
    gr_remote *remote;
    struct world *world;
    /* What its peer events have said. */
    atomic_uint ups, losts, brokens;
    gr_error why_lost;
    /* What its event stream has said. */
    atomic_uint dead_letters;
    gr_subscription *subscription;
} peer;

typedef struct world {
    gr_stepped *stepped; /* NULL: threads and tcp */
    gr_memory_network *network;
    peer peers[WORLD_PEERS_MAX];
    atomic_uint log_lines;
    char last_log[8][256]; /* the newest lines, newest first; stepped only */
} world;

/* What a book has seen. Written by its actor only; read when the world is still, or by the counts. */
typedef struct book {
    atomic_ulong notes;
    atomic_ulong out_of_order; /* a number of a writer that is not its last one plus 1 */
    atomic_ulong errors, terminated;
    atomic_uint last_error, last_reason;
    _Atomic uint64_t last_bytes;
    uint64_t last[WORLD_WRITERS];
    bool answer_strangely; /* ... with a type that only the answerer knows */
    size_t answer_bytes;   /* ... with so large a body, when not 0 */
    bool answer;           /* requests are answered with the same number */
    bool hold;             /* requests are kept without an answer */
    gr_msg *held[64];      /* with `keep`: references to the newest notes */
    size_t keep, held_count;
    gr_pid watch;   /* watched at start */
    gr_pid forward; /* notes go there, with their sender */
    gr_pid pid;
} book;

world *world_stepped(uint64_t seed);
world *world_threads(void);
void world_free(world *take_world);

/* Starts peer number `i`; options may be NULL. Stepped: listens on "mem://<i>" unless options say
 * otherwise (listen ""); threads: on tcp loopback. */
void world_start(world *world, int i, const gr_remote_options *options);
/* Ends it, politely or as a crash. */
void world_stop(world *world, int i, bool crash);
/* Both know where the other listens. */
void world_introduce(world *world, int a, int b);

/* Turns the clock on, or in a world of threads gives it a moment, until it is so; fails the test when
 * that takes more than `ms`. */
#define WORLD_UNTIL(world, ms, condition)                                                          \
    do {                                                                                           \
        int64_t world_deadline_ms = world_now(world) + (ms);                                       \
        while (!(condition)) {                                                                     \
            if (world_now(world) > world_deadline_ms) {                                            \
                world_dump(world);                                                                 \
                fail_msg("not within %d ms: %s", (int)(ms), #condition);                           \
            }                                                                                      \
            world_turn(world);                                                                     \
        }                                                                                          \
    } while (0)
int64_t world_now(world *world);
void world_dump(world *world);
void world_turn(world *world);
void world_run(world *world, int64_t ms);

void book_open(world *world, int i, book *book);
void book_drop_held(book *book);
/* A note, with a body of `bytes`; from a writer 0 to WORLD_WRITERS - 1. */
gr_msg *note_new(uint32_t writer, uint64_t number, size_t bytes);
/* So many of them, one after the other; waits for room. */
void world_send_notes(world *world, int from, gr_pid to, uint32_t writer, uint64_t first,
                      uint64_t count, size_t bytes);

#endif
