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

/** Our own bug when it does not hold: prints what and where, and aborts; in release builds too. */
#define GRI_INVARIANT(holds)                                                                       \
    (__builtin_expect(!!(holds), 1) ? (void)0 : gri_invariant_failed(#holds, __FILE__, __LINE__))

GR_NORETURN void gri_invariant_failed(const char *what, const char *file, int line);

#endif
