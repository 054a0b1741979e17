/*
 * Generated text: a growing buffer that knows how to wrap a parameter list and how to carry a
 * comment from a .proto file without harm. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_OUTPUT_H
#define GRI_OUTPUT_H

#include <stdint.h>

#include "arena.h"

enum { GRI_OUTPUT_COLUMNS = 100 };

/* Zero it but for the arena to begin. The text always ends in a NUL that is not counted. */
typedef struct gri_output {
    gri_arena *arena;
    char *text;
    size_t length;
    size_t room;
} gri_output;

void gri_output_print(gri_output *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `head` and the items, separated by ", " and followed by `tail`; broken between items where a line
 * would be too long, and continued under the end of `head`. */
void gri_output_list(gri_output *out, const char *head, const char *const *items, size_t count,
                     const char *tail);
/* The lines of a comment, each after ` * `, such that they neither end it nor trouble a compiler.
 */
void gri_output_comment(gri_output *out, const char *comment);
/* A C array's inside: the bytes in hexadecimal, sixteen on a line. */
void gri_output_bytes(gri_output *out, const uint8_t *bytes, size_t count);

#endif
