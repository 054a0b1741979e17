/*
 * Failing inside the library: errors with their place, invariants, fault injection for allocations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_FAIL_H
#define GRI_FAIL_H

#include <granary/error.h>

#include <gri/thread_local.h>

/** Sets this thread's error detail and gives back the code. */
#define GRI_FAIL(code, ...) gr_error_set((code), __FILE__, __LINE__, __VA_ARGS__)

/** The same with a constant sentence, far shorter than the room, and without a place: for what may happen very often. */
gr_err gri_fail_plainly(gr_err code, const char *text);

/** Whether this thread's detail belongs to what was over before; then gr_last_error() shows none. */
extern GRI_THREAD_LOCAL bool gri_error_over;

/** Puts a copy of gr_last_error() back: what happened since has not failed for the caller. */
void gri_error_restore(const gr_error *kept);

/** Something else begins in this thread: details from before are none of its failures. */
static inline void gri_error_forget(void)
{
    gri_error_over = true;
}

/** Our own bug when it does not hold: prints what and where, and aborts; in release builds too. */
#define GRI_INVARIANT(holds)                                                                       \
    (__builtin_expect(!!(holds), 1) ? (void)0 : gri_invariant_failed(#holds, __FILE__, __LINE__))

GR_NORETURN void gri_invariant_failed(const char *what, const char *file, int line);

#endif
