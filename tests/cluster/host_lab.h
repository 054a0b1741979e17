/*
 * A lab for grains in one process: a host and its callers in a stepped system, without other nodes and without a coordinator.
 * The view is made by hand and the lease is a switch, so the tests can take both away at will. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_CLUSTER_HOST_LAB_H
#define TESTS_CLUSTER_HOST_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gri/mem.h>

#include "caller_internal.h"
#include "host.h"
#include "probe.h"
#include "receptionist.h"

enum { HOST_LAB_SHARDS = 8 };

/* What the log has said. */
typedef struct host_lab_heard {
    char failed[300];
    int one_ways;
} host_lab_heard;

typedef struct host_lab {
    gr_stepped *stepped;
    gr_system *sys;
    gri_exchange *exchange;
    gri_host *host;
    gri_receptionist receptionist;
    gr_caller caller;
    probe_world world;
    probe_methods methods;
    bool leased;
    gri_view *view;
    host_lab_heard heard;
} host_lab;

int host_lab_setup(void **state);
int host_lab_teardown(void **state);

/* Calls and waits; fails the test when the call does. */
int64_t host_lab_call(host_lab *l, const gr_kind_info *kind, enum probe_method method,
                      const char *identity, int64_t number);
/* Starts a call; and waits for one. */
gr_future *host_lab_start(host_lab *l, const gr_kind_info *kind, enum probe_method method,
                          const char *identity, int64_t number, uint32_t wait_ms);
gr_err host_lab_finish(host_lab *l, gr_future *take_future, int64_t *out_number);

/* Every shard of a kind, as membership names them. */
void host_lab_shards(const char *table, gri_shard_ref out_refs[HOST_LAB_SHARDS]);
/* Drains every shard of probe.Probe. */
void host_lab_drain(host_lab *l);

#endif
