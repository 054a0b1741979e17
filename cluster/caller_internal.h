/*
 * Callers from the inside: what a node, a client and a grain in its turn have in common when they call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CALLER_INTERNAL_H
#define GRI_CALLER_INTERNAL_H

#include "exchange.h"

struct gr_caller {
    /* The exchange its calls go through now: a reference; NULL with GRI_FAIL: there is none at this time. */
    gri_exchange *(*exchange)(gr_caller *caller);
    gr_grain *grain; /* whose turn it is part of; NULL outside of grains */
    uint64_t id;     /* for the order of calls */
};

#endif
