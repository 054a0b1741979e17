/*
 * Calls from the inside: the files that make one up. call.c makes, waits and ends; call_place.c finds the node;
 * call_send.c sends; call_answer.c takes what comes back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CALL_INTERNAL_H
#define GRI_CALL_INTERNAL_H

#include "call.h"

enum { GRI_CALL_DETAIL_BYTES = 160 };

/* Where a grain is by a view. */
typedef struct gri_place {
    uint64_t node; /* 0: nowhere now */
    gr_err code;   /* why, then: GR_ENOKIND nobody hosts it, GR_ENOTRUN it is not known yet */
    char text[GRI_CALL_DETAIL_BYTES];
} gri_place;

gri_place gri_place_of(gri_call *call, const gri_view *view);

/* Sends it if it may leave now; else it waits, or ends. */
void gri_call_try(gri_call *call);

/* An attempt has ended; `arg` is the call, and a reference to it. */
void gri_call_on_attempt(void *arg, gr_future *future);

/* Ends the call, once. `ran`: it has, and its caller hears of no failure, so older calls of its lane may not come after it
 * any more. */
void gri_call_over(gri_call *call, bool ran, gr_msg *take_result);
void gri_call_fail(gri_call *call, bool ran, gr_err code, const char *text);
/* Its deadline has come before it ran. */
void gri_call_ran_out(gri_call *call, bool has_view);

/* It did not run, or may be run twice: again, later. `answer` NULL: no node has answered. */
void gri_call_again(gri_call *call, gr_err code, const char *text, const gri_answer *answer);

/* With the bucket's lock: looks again at `at_ms`, or at the deadline if that comes first; has the oldest waiting call of the
 * lane look again; notes why it has not run. */
void gri_call_wait_locked(gri_call *call, int64_t at_ms);
void gri_call_kick_locked(gri_call *call);
void gri_call_note_locked(gri_call *call, gr_err code, const char *text);

#endif
