/*
 * Calling a handler so that it can be left from anywhere inside it, as gr_panic() does. Knows nothing of actors.
 *
 * The call itself keeps the registers that leaving needs, in its own frame; so unlike setjmp() it returns once, costs its
 * callers nothing beside the call, and leaves them free to keep their variables in registers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_GUARD_H
#define GRI_GUARD_H

#include <granary/actor.h>

/* Calls fn(ctx, state, msg). Gives back what it returned, or what gri_guard_leave() was given for *out_guard; that may be
 * used while the call lasts, on the stack it was made on. */
gr_err gri_guard_call(gr_context *ctx, void *state, const gr_msg *msg, gr_receive_fn fn,
                      void **out_guard);

/* Ends the call. Frames above it are gone: nothing in them is freed. */
void gri_guard_leave(void *guard, gr_err result) __attribute__((noreturn));

#endif
