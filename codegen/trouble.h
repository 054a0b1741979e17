/*
 * Where things stand in .proto files, and what is wrong there: errors in the form of a compiler's.
 * One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_TROUBLE_H
#define GRI_TROUBLE_H

#include <stdbool.h>

#include "output.h"
#include "proto.h"

/* A place in a file, as descriptors say it: field numbers and indexes that lead to it. */
typedef struct gri_spot {
    const gri_proto_file *file;
    const int32_t *path;
    size_t count;
} gri_spot;

/* The spot `count` steps below another. */
gri_spot gri_spot_below(gri_arena *arena, gri_spot spot, const int32_t *steps, size_t count);
/* The comments before and behind what stands there; "" without any. */
const char *gri_spot_comment(gri_arena *arena, gri_spot spot);

enum { GRI_TROUBLE_MAX = 50 };

/* The errors so far, a line each; after GRI_TROUBLE_MAX one line says that there are more. Zero it but for the output's arena to begin. */
typedef struct gri_trouble {
    gri_output lines;
    size_t count;
} gri_trouble;

/* Adds `file:line:column: error: ...`; without line and column when the file does not know them. */
void gri_trouble_add(gri_trouble *trouble, gri_spot spot, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether there are so many that more of them will not be shown. */
bool gri_trouble_is_full(const gri_trouble *trouble);

#endif
