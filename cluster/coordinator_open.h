/*
 * Coordinators by what people write: "sqlite:PATH", "consul://HOST:PORT".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_COORDINATOR_OPEN_H
#define GRI_COORDINATOR_OPEN_H

#include <granary/cluster_spi.h>

/* Whether a text names a coordinator, not an address of a node. */
bool gri_coordinator_is_named(const char *text);

/* The table of functions for it, and what open() takes as `where`; GR_EINVAL naming `field`, which is to hold it, the value
 * and what is known. */
gr_err gri_coordinator_of(const char *field, const char *text, const gr_coordinator_ops **out_ops,
                          const char **out_where);

/* Opens it for a process that only reads. */
gr_err gri_coordinator_open_to_read(gr_system *sys, const char *cluster, const char *field,
                                    const char *text, const gr_coordinator_ops **out_ops,
                                    gr_coordinator **out_coordinator);

#endif
