/*
 * Lines: see lines.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lines.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include <gri/mem.h>

/* One call that was refused. */
typedef struct gri_refused {
    TAILQ_ENTRY(gri_refused) next;
    uint64_t place;
    int64_t deadline_ms;
} gri_refused;

typedef struct gri_line {
    uint64_t lane;
    uint32_t count;
    TAILQ_HEAD(gri_refused_list, gri_refused) refused; /* by place, the oldest first; never empty */
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

/* Relaxed, here and below: who reads the count without the lock only asks whether there is anything, and a refusal is
 * only of interest to calls that come after it, in the thread that refused or under the same slice's lock. */
static void count(gri_lines *lines, bool one_more)
{
    if (one_more) {
        (void)atomic_fetch_add_explicit(&lines->count, 1, memory_order_relaxed);
    } else {
        (void)atomic_fetch_sub_explicit(&lines->count, 1, memory_order_relaxed);
    }
}

static void forget_locked(gri_lines *lines, gri_line *line, gri_refused *refused)
{
    TAILQ_REMOVE(&line->refused, refused, next);
    gri_free(refused);
    line->count--;
    count(lines, false);
    if (TAILQ_EMPTY(&line->refused)) {
        HASH_DELETE(hh, lines->by_lane, line);
        TAILQ_REMOVE(&lines->oldest_first, line, next);
        gri_free(line);
    }
}

static void forget_line_locked(gri_lines *lines, gri_line *line)
{
    gri_refused *refused = TAILQ_FIRST(&line->refused);
    gri_refused *next = NULL;

    for (; refused != NULL; refused = next) {
        next = TAILQ_NEXT(refused, next);
        forget_locked(lines, line, refused); /* the last one takes the line with it */
    }
}

void gri_lines_fini(gri_lines *lines)
{
    while (!TAILQ_EMPTY(&lines->oldest_first)) {
        forget_line_locked(lines, TAILQ_FIRST(&lines->oldest_first));
    }
    (void)pthread_mutex_destroy(&lines->lock);
}

static bool is_empty(gri_lines *lines)
{
    return atomic_load_explicit(&lines->count, memory_order_relaxed) == 0; /* see count() */
}

static bool admit_locked(gri_lines *lines, gri_line *line, const gri_call_message *call,
                         int64_t now_ms)
{
    gri_refused *refused = TAILQ_FIRST(&line->refused);
    gri_refused *next = NULL;

    for (; refused != NULL; refused = next) {
        next = TAILQ_NEXT(refused, next);
        if (refused->place > call->place) {
            return true;
        }
        /* Here it is again, or it is over for its caller. */
        if (refused->place == call->place || refused->place < call->first_place ||
            refused->deadline_ms < now_ms) {
            forget_locked(lines, line, refused);
        } else {
            return false;
        }
    }
    return true;
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
        admits = admit_locked(lines, line, call, now_ms);
    }
    (void)pthread_mutex_unlock(&lines->lock);
    return admits;
}

static gri_line *line_new_locked(gri_lines *lines, uint64_t lane)
{
    gri_line *line = gri_calloc(1, sizeof(*line));

    if (line == NULL) {
        return NULL;
    }
    line->lane = lane;
    TAILQ_INIT(&line->refused);
    HASH_ADD(hh, lines->by_lane, lane, sizeof(line->lane), line);
    if (line->hh.tbl == NULL) {
        gri_free(line);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&lines->oldest_first, line, next);
    return line;
}

/* In its place; most come in order, so it is looked for from the end. What is too much is not remembered: should a younger
 * call get past it, its caller reports it as refused instead of running it late. */
static void remember_locked(gri_lines *lines, gri_line *line, gri_refused *take_refused)
{
    gri_refused *before = TAILQ_LAST(&line->refused, gri_refused_list);

    if (line->count >= GRI_LINE_REFUSED_MAX) {
        gri_free(take_refused);
        return;
    }
    while (before != NULL && before->place > take_refused->place) {
        before = TAILQ_PREV(before, gri_refused_list, next);
    }
    if (before != NULL && before->place == take_refused->place) {
        gri_free(take_refused);
        return;
    }
    if (before == NULL) {
        TAILQ_INSERT_HEAD(&line->refused, take_refused, next);
    } else {
        TAILQ_INSERT_AFTER(&line->refused, before, take_refused, next);
    }
    line->count++;
    count(lines, true);
}

void gri_lines_refused(gri_lines *lines, const gri_call_message *call, int64_t now_ms)
{
    gri_line *line = NULL;
    gri_refused *refused = call->lane == 0 ? NULL : gri_calloc(1, sizeof(*refused));

    if (refused == NULL) {
        return; /* without memory its caller sees to it that it does not run late */
    }
    refused->place = call->place;
    refused->deadline_ms = call->deadline_ms - now_ms > GRI_LINES_KEEP_MS
                               ? now_ms + GRI_LINES_KEEP_MS
                               : call->deadline_ms;
    (void)pthread_mutex_lock(&lines->lock);
    HASH_FIND(hh, lines->by_lane, &call->lane, sizeof(call->lane), line);
    line = line != NULL ? line : line_new_locked(lines, call->lane);
    if (line != NULL) {
        remember_locked(lines, line, refused);
    } else {
        gri_free(refused);
    }
    while (atomic_load_explicit(&lines->count, memory_order_relaxed) > GRI_LINES_REFUSED_MAX) {
        forget_line_locked(lines, TAILQ_FIRST(&lines->oldest_first));
    }
    (void)pthread_mutex_unlock(&lines->lock);
}

static void sweep_line_locked(gri_lines *lines, gri_line *line, int64_t now_ms)
{
    gri_refused *refused = TAILQ_FIRST(&line->refused);
    gri_refused *next = NULL;

    for (; refused != NULL; refused = next) {
        next = TAILQ_NEXT(refused, next);
        if (refused->deadline_ms < now_ms) {
            forget_locked(lines, line, refused);
        }
    }
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
        sweep_line_locked(lines, line, now_ms);
    }
    (void)pthread_mutex_unlock(&lines->lock);
}
