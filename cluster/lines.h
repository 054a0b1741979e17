/*
 * What a host remembers to keep the order of calls: for each caller's line of calls to one grain, the places of those
 * that it refused and that may come again. Younger calls of the line are refused until they have. Any thread; its lock is
 * taken under a slice's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_LINES_H
#define GRI_LINES_H

#include <pthread.h>
#include <stdatomic.h>

#include "call_message.h"

/* Whatever callers do, no more is kept than this: places of one line, places of all lines, and for how long. */
enum { GRI_LINE_REFUSED_MAX = 4096, GRI_LINES_REFUSED_MAX = 100000, GRI_LINES_KEEP_MS = 60000 };

TAILQ_HEAD(gri_line_list, gri_line);

typedef struct gri_lines {
    atomic_uint_fast32_t count; /* so that nothing is locked while nothing is refused */
    pthread_mutex_t lock;
    struct gri_line *by_lane;          /* lock */
    struct gri_line_list oldest_first; /* lock */
} gri_lines;

void gri_lines_init(gri_lines *lines);
void gri_lines_fini(gri_lines *lines);

/* Whether the call may be taken: no older one of its line has been refused and is still to come again. */
bool gri_lines_admit(gri_lines *lines, const gri_call_message *call, int64_t now_ms);

/* The call has been refused; its caller may try it again until its deadline. */
void gri_lines_refused(gri_lines *lines, const gri_call_message *call, int64_t now_ms);

/* Forgets what nobody can try any more. */
void gri_lines_sweep(gri_lines *lines, int64_t now_ms);

#endif
