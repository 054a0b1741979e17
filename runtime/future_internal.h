/*
 * Futures and custom processes from the inside.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_FUTURE_INTERNAL_H
#define GRI_FUTURE_INTERNAL_H

#include "system_internal.h"

struct gr_future {
    gri_process base;
    atomic_flag lock;            /* held for a few instructions, never while calling out */
    bool done;                   /* lock */
    gr_msg *reply;               /* lock until done, then fixed; NULL: `code` is the result */
    gr_err code;                 /* likewise */
    struct gri_wait_queue waits; /* lock */
    gr_future_fn fn;             /* lock */
    void *fn_arg;                /* lock */
    atomic_uint refs;
    int64_t deadline_ms;
    gr_alarm alarm;
};

/* A process of somebody else's making; deliveries under way hold it open. */
typedef struct gri_custom {
    gri_process base;
    pthread_mutex_t lock;
    const gr_process_ops *ops;     /* lock; NULL: closed */
    const gr_process_ops *closing; /* lock; closed, but a delivery is under way */
    void *self;                    /* lock */
    uint32_t delivering;           /* lock */
} gri_custom;

void gri_custom_prepare(gri_custom *custom);
void gri_custom_fini(gri_process *process);

#endif
