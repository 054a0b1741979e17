/*
 * What single options of nodes and clients may be, wherever they come from: a field, a flag or a variable.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_OPTION_CHECK_H
#define GRI_OPTION_CHECK_H

#include <granary/remote_spi.h>

enum {
    GRI_ACTIVATIONS_MAX = 100000000,
    GRI_WORKERS_MAX = 1024,
    GRI_STACK_BYTES_MIN = 16 * 1024,
    GRI_STACK_BYTES_MAX = 256 * 1024 * 1024,
    GRI_DRAIN_MS_MAX = 24 * 60 * 60 * 1000
};

/* Each: GR_OK, or GR_EINVAL with a sentence that names `from`, the value, and what is allowed. */
gr_err gri_check_name(const char *from, const char *name);
gr_err gri_check_number(const char *from, uint64_t value, uint64_t least, uint64_t most);
gr_err gri_check_address(const char *from, const gr_transport_ops *transport, const char *address);
/* As above; and others cannot dial port 0. */
gr_err gri_check_dialled(const char *from, const gr_transport_ops *transport, const char *address);

#endif
