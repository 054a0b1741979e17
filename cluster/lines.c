/*
 * Lines: see lines.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lines.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include <gri/mem.h>

typedef struct gri_line {
    uint64_t lane;
    uint64_t place; /* of the oldest that was refused */
    int64_t deadline_ms;
    TAILQ_ENTRY(gri_line) next;
    UT_hash_handle hh;
} gri_line;

void gri_lines_init(gri_lines *lines)
{
    atomic_init(&lines->count, 0);
    (void)pthread_mutex_init(&lines->lock, NULL);
    lines->by_lane = NULL;
    TAILQ_INIT(&lines->oldest_first);
}

static void forget_locked(gri_lines *lines, gri_line *line)
{
    HASH_DELETE(hh, lines->by_lane, line);
    TAILQ_REMOVE(&lines->oldest_first, line, next);
    /* Relaxed: who reads it without the lock only asks whether there is anything, and a line is only of
     * interest to calls that come after its refusal, in the thread that refused or under a slice's lock. */
    (void)atomic_fetch_sub_explicit(&lines->count, 1, memory_order_relaxed);
    gri_free(line);
}

void gri_lines_fini(gri_lines *lines)
{
    while (!TAILQ_EMPTY(&lines->oldest_first)) {
        forget_locked(lines, TAILQ_FIRST(&lines->oldest_first));
    }
    (void)pthread_mutex_destroy(&lines->lock);
}

static bool is_empty(gri_lines *lines)
{
    return atomic_load_explicit(&lines->count, memory_order_relaxed) == 0; /* see forget_locked() */
}

bool gri_lines_admit(gri_lines *lines, const gri_call_message *call, int64_t now_ms)
{
    gri_line *line = NULL;
    bool admits = true;

    if (call->lane == 0 || is_empty(lines)) {
        return true;
    }
    (void)pthread_mutex_lock(&lines->lock);
    HASH_FIND(hh, lines->by_lane, &call->lane, sizeof(call->lane), line);
    if (line != NULL) {
        /* The refused one is here again, or it is over for its caller. */
        if (call->place == line->place || call->first_place > line->place ||
            line->deadline_ms < now_ms) {
            forget_locked(lines, line);
        } else {
            admits = call->place < line->place;
        }
    }
    (void)pthread_mutex_unlock(&lines->lock);
    return admits;
}

static void remember_locked(gri_lines *lines, const gri_call_message *call)
{
    gri_line *line = gri_calloc(1, sizeof(*line));

    if (line == NULL) {
        return; /* then its caller sees to it that it does not run late */
    }
    line->lane = call->lane;
    line->place = call->place;
    line->deadline_ms = call->deadline_ms;
    HASH_ADD(hh, lines->by_lane, lane, sizeof(line->lane), line);
    if (line->hh.tbl == NULL) {
        gri_free(line);
        return;
    }
    TAILQ_INSERT_TAIL(&lines->oldest_first, line, next);
    (void)atomic_fetch_add_explicit(&lines->count, 1,
                                    memory_order_relaxed); /* see forget_locked() */
}

void gri_lines_refused(gri_lines *lines, const gri_call_message *call)
{
    gri_line *line = NULL;

    if (call->lane == 0) {
        return;
    }
    (void)pthread_mutex_lock(&lines->lock);
    HASH_FIND(hh, lines->by_lane, &call->lane, sizeof(call->lane), line);
    if (line != NULL && call->place < line->place) {
        line->place = call->place;
        line->deadline_ms = call->deadline_ms;
    } else if (line == NULL) {
        remember_locked(lines, call);
    }
    if (HASH_COUNT(lines->by_lane) > GRI_LINES_MAX) {
        forget_locked(lines, TAILQ_FIRST(&lines->oldest_first));
    }
    (void)pthread_mutex_unlock(&lines->lock);
}

void gri_lines_sweep(gri_lines *lines, int64_t now_ms)
{
    gri_line *line = NULL;
    gri_line *next = NULL;

    if (is_empty(lines)) {
        return;
    }
    (void)pthread_mutex_lock(&lines->lock);
    for (line = TAILQ_FIRST(&lines->oldest_first); line != NULL; line = next) {
        next = TAILQ_NEXT(line, next);
        if (line->deadline_ms < now_ms) {
            forget_locked(lines, line);
        }
    }
    (void)pthread_mutex_unlock(&lines->lock);
}
