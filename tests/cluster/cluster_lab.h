/*
 * Whole clusters in one thread: nodes and clients on a memory network and a memory coordinator, under a seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_CLUSTER_LAB_H
#define TESTS_CLUSTER_LAB_H

#include <granary/cluster_spi.h>

#include "probe.h"

enum { LAB_NODES_MAX = 8, LAB_SHARDS = 16, LAB_LEASE_MS = 2000 };

typedef struct cluster_lab {
    gr_stepped *stepped;
    gr_memory_network *network;
    gr_memory_store *store;
    gr_node *nodes[LAB_NODES_MAX];
    probe_world worlds[LAB_NODES_MAX];
    probe_methods methods[LAB_NODES_MAX];
    gr_client *client;
    gr_caller *caller;
    gr_log_fn log;
    void *log_arg;
    uint32_t activations_max;
} cluster_lab;

void cluster_lab_init(cluster_lab *lab, uint64_t seed);
void cluster_lab_fini(cluster_lab *lab);

/* Node `index`, which listens at mem://node-<index>. `kinds` ends with NULL; NULL: all probes. */
gr_err cluster_lab_start(cluster_lab *lab, int index, const gr_kind_info *const *kinds,
                         const char *role);
/* The smallest node, which may fail to start. */
gr_err cluster_lab_try(cluster_lab *lab, int index);
/* Without politeness: gone at once. */
void cluster_lab_crash(cluster_lab *lab, int index);
gr_err cluster_lab_stop(cluster_lab *lab, int index);
/* A client that knows the addresses of all possible nodes. */
gr_err cluster_lab_client(cluster_lab *lab, gr_client **out_client);
/* Turns the clock until every living node owns what it should; false: it did not come to that in time. */
bool cluster_lab_settle(cluster_lab *lab, int64_t limit_ms);

int cluster_lab_total(const cluster_lab *lab, size_t offset);
#define LAB_TOTAL(lab, field) cluster_lab_total((lab), offsetof(probe_world, field))

#endif
