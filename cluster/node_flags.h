/*
 * What a node program is told on its command line and in its environment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_NODE_FLAGS_H
#define GRI_NODE_FLAGS_H

#include <stdio.h>

#include <granary/node.h>

typedef struct gri_node_flags {
    gr_node_options options; /* strings belong to argv and the environment */
    gr_log_level log_level;
    bool help;
} gri_node_flags;

/* Flags win over the environment, which wins over the defaults. GR_EINVAL with a sentence that names the flag or variable,
 * its value and what is allowed. */
gr_err gri_node_flags_read(int argc, char **argv, gri_node_flags *out_flags);

void gri_node_flags_help(const char *program, FILE *out);

#endif
