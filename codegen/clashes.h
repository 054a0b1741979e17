/*
 * Who has taken which name of the generated code, and who wanted it too. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLASHES_H
#define GRI_CLASHES_H

#include "trouble.h"

/* Names in use, each with who uses it. Zero it but for the arena to begin. */
typedef struct gri_names {
    gri_arena *arena;
    struct gri_name_use *uses;
    size_t count;
    size_t room;
} gri_names;

/* Notes that `what` of the .proto file (such as "method", "Get") has the C name `name`. `form` says
 * which of its names it is (such as "the future of "), or "". */
void gri_names_take(gri_names *names, const char *name, const char *form, const char *what,
                    const char *called, gri_spot spot);
/* Adds an error for each pair of uses of one name, and for each name that belongs to the library.
 */
void gri_names_check(const gri_names *names, gri_trouble *trouble);

#endif
