/*
 * Guarded calls where the processor's own way (guard_x86_64.S, guard_aarch64.S) cannot be taken: on other processors, and under
 * sanitizers, which have to see that frames are left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "guard.h"

#include "guard_choice.h"

#if defined(GRI_GUARD_PORTABLE)

#include <setjmp.h>

typedef struct guard {
    jmp_buf jump;
    gr_err result;
} guard;

gr_err gri_guard_call(gr_context *ctx, void *state, const gr_msg *msg, gr_receive_fn fn,
                      void **out_guard)
{
    guard here;

    *out_guard = &here;
    return _setjmp(here.jump) == 0 ? fn(ctx, state, msg) : here.result;
}

void gri_guard_leave(void *taken, gr_err result)
{
    guard *there = taken;

    there->result = result;
    _longjmp(there->jump, 1);
}

#else

typedef int gri_guard_is_in_assembly; /* a file of C has something in it */

#endif
