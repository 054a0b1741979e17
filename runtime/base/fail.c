/*
 * What happens when one of our own invariants does not hold. Part of the base, so that each shared library has it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <gri/fail.h>

#include <stdio.h>
#include <stdlib.h>

void gri_invariant_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "granary: broken invariant: %s (%s:%d)\n", what, file, line);
    abort();
}
