/*
 * The different words of a text: a hash table with what is known of each. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORDCOUNT_WORDS_H
#define WORDCOUNT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct word {
    struct word *next; /* in its chain of the table */
    uint64_t hash;
    uint64_t count;    /* as read back from its grain */
    uint64_t expected; /* as the file of expected counts has it; 0: not there */
    uint64_t node;     /* that hosts its grain */
    char text[];       /* NUL at the end */
} word;

/* Zero it to begin. */
typedef struct words {
    word **chains;
    size_t chains_count; /* a power of two, or 0 */
    size_t count;
} words;

/* The word with this text, made if need be; NULL when out of memory. It stays where it is. */
word *words_get(words *table, const char *text, size_t length);
/* All words in an array, in the order of their text or with the most frequent first; NULL when out of memory. Free it. */
word **words_by_text(const words *table);
word **words_by_count(const words *table);
void words_fini(words *table);

#endif
