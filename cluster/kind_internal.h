/*
 * Kinds from the inside.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_KIND_INTERNAL_H
#define GRI_KIND_INTERNAL_H

#include <granary/cluster_spi.h>

struct gr_kind {
    const gr_kind_info *info;
    const void *methods;
};

/* Whether a node may host it; GR_EINVAL naming what is missing. */
gr_err gri_kind_check(const gr_kind *kind);

/* Whether the table has a function for the method. */
bool gri_method_is_there(const gr_method *method, const void *methods);

/* The method with a hash, or NULL. */
const gr_method *gri_kind_method(const gr_kind_info *info, uint64_t hash);

/* Whether some call may run while another one waits. */
bool gri_kind_interleaves(const gr_kind_info *info);

#endif
