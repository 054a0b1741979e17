/*
 * What all coordinators share: how an operation ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_COORDINATOR_H
#define GRI_CLUSTER_COORDINATOR_H

#include <granary/cluster_spi.h>

/* Embedded by each adapter as its first field. */
struct gr_coordinator {
    gr_system *sys; /* borrowed: outlives the coordinator */
};

/* What `arg` of open() points to in a process that only reads, as clients do: it creates nothing. What is not
 * there yet fails the operations, by GR_ENOTFOUND, and is looked for again by the next. NULL: it belongs
 * to a node. */
typedef struct gri_coordinator_manner {
    bool only_reads;
} gri_coordinator_manner;

/* A future for an operation; the adapter ends it within timeout_ms. */
gr_err gri_operation_future(gr_system *sys, int64_t timeout_ms, gr_future **out_future);

/* End an operation; the future is taken. A value is copied. */
void gri_operation_answer(gr_future *take_future, uint64_t revision, const uint8_t *value,
                          size_t value_bytes);
void gri_operation_fail(gr_future *take_future, gr_err code, const char *format, ...)
    GR_PRINTF(3, 4);

/* GR_EINVAL or GR_ETOOBIG for what no coordinator takes. */
gr_err gri_operation_check(const char *key, size_t value_bytes);

#endif
