/*
 * Failing inside the library: errors with their place, invariants, fault injection for allocations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_FAIL_H
#define GRI_FAIL_H

#include <granary/error.h>

/** Sets this thread's error detail and gives back the code. */
#define GRI_FAIL(code, ...) gr_error_set((code), __FILE__, __LINE__, __VA_ARGS__)

/** The same with only the text of the code and without a place: for what may happen very often. */
gr_err gri_fail_plainly(gr_err code);

/** Our own bug when it does not hold: prints what and where, and aborts; in release builds too. */
#define GRI_INVARIANT(holds)                                                                       \
    (__builtin_expect(!!(holds), 1) ? (void)0 : gri_invariant_failed(#holds, __FILE__, __LINE__))

GR_NORETURN void gri_invariant_failed(const char *what, const char *file, int line);

#endif
