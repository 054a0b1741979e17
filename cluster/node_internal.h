/*
 * Nodes from the inside, and what simulations need of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_NODE_INTERNAL_H
#define GRI_NODE_INTERNAL_H

#include "caller_internal.h"
#include "incarnation.h"

struct gr_node {
    gr_caller caller;
    gr_node_options options; /* strings are ours */
    gr_kind **kinds;
    char address[GR_ADDRESS_BYTES_MAX];
    pthread_mutex_t lock;
    pthread_cond_t changed;   /* fenced, to be stopped, or stopped; by the steady clock */
    gri_incarnation *current; /* lock; NULL between two lives */
    gri_incarnation *older;   /* lock; stopped ones, until the node is freed */
    uint64_t fenced;          /* lock; how often */
    bool stopping;            /* lock; no new life begins */
    bool stopped;             /* lock; and the last one has ended */
    bool keeper_runs;
    pthread_t keeper; /* starts the next life; not in the stepper */
};

/* A copy with defaults filled in; GR_EINVAL naming the value and the remedy. */
gr_err gri_node_options_copy(const gr_node_options *options, gr_node_options *out_options);
void gri_node_options_fini(gr_node_options *options);

/* In the stepper, where no thread does it: begins a new life when the last one was fenced. GR_OK: nothing to do, or
 * done. */
gr_err gri_node_tend(gr_node *node);
/* In the stepper: the process is gone at once. What is left of it is for gr_node_free(). */
void gri_node_crash(gr_node *node);

#endif
