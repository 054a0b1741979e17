/*
 * Pids of other systems: the table that another layer puts here. Using it takes no lock, so that a send may wait inside for
 * room; taking it away waits until the last user has left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <sched.h>

const gri_foreign *gri_foreign_enter(gr_system *sys, uint32_t *out_stripe)
{
    /* Threads spread by where their own storage lies. */
    uint32_t stripe = (uint32_t)((uintptr_t)&gri_this_thread >> 12) % GRI_FOREIGN_STRIPES;

    *out_stripe = stripe;
    /* Sequentially consistent, both: either we see that the table has been taken away, or who did sees us. */
    (void)atomic_fetch_add_explicit(&sys->foreign_users[stripe].users, 1, memory_order_seq_cst);
    return atomic_load_explicit(&sys->foreign, memory_order_seq_cst);
}

void gri_foreign_leave(gr_system *sys, uint32_t stripe)
{
    /* Release: what was done inside comes before the table goes. */
    (void)atomic_fetch_sub_explicit(&sys->foreign_users[stripe].users, 1, memory_order_release);
}

static bool is_unused(void *arg)
{
    gr_system *sys = arg;
    uint32_t i = 0;

    for (i = 0; i < GRI_FOREIGN_STRIPES; i++) {
        if (atomic_load_explicit(&sys->foreign_users[i].users, memory_order_seq_cst) !=
            0) { /* see enter and leave */
            return false;
        }
    }
    return true;
}

void gr_system_set_foreign(gr_system *sys, const gr_foreign_ops *ops, void *self)
{
    /* Sequentially consistent: see gri_foreign_enter(). */
    if (atomic_exchange_explicit(&sys->foreign, NULL, memory_order_seq_cst) != NULL &&
        !sys->killed) { /* the fibers of a killed one never come out again */
        if (sys->stepped != NULL) {
            (void)gri_stepped_pump(sys->stepped, sys, is_unused, sys, INT64_MAX);
        }
        while (!is_unused(sys)) {
            (void)
                sched_yield(); /* users are in for moments; those that wait for room are let go before */
        }
    }
    if (ops != NULL) {
        sys->foreign_table = (gri_foreign){ops, self};
        /* Sequentially consistent: publishes the table to who enters. */
        atomic_store_explicit(&sys->foreign, &sys->foreign_table, memory_order_seq_cst);
    }
}
