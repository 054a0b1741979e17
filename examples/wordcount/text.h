/*
 * A text file in memory, and the words in it: runs of ASCII letters, in lower case. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORDCOUNT_TEXT_H
#define WORDCOUNT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct text {
    char *bytes;
    size_t count;
    size_t at; /* where the next word is looked for */
} text;

/* Reads a whole file. On failure says why on standard error, naming the file. */
bool text_read(text *into, const char *path);
void text_fini(text *from);

/* The next word, in lower case and in place; NULL at the end. It is not ended by a NUL. */
const char *text_next(text *from, size_t *out_length);

#endif
