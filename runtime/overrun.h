/*
 * Overrun stacks of fibers: noticed, named, and the end of the process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_OVERRUN_H
#define GRI_OVERRUN_H

#include <signal.h>

#include "fiber.h"

/* Where a thread handles signals when its stack is of no use. */
typedef struct gri_signal_stack {
    void *memory; /* NULL: the thread had one already */
} gri_signal_stack;

/* Has overruns of this thread's fibers reported from now on; and no more. Without memory they end the process unnamed. */
void gri_overrun_watch(gri_signal_stack *stack);
void gri_overrun_unwatch(gri_signal_stack *stack);

/* Says whose stack it was and which option to raise. Only calls that a signal handler may make. */
void gri_overrun_report(const gri_fiber *fiber);

#endif
