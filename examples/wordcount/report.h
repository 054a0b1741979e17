/*
 * What the program prints, and the comparison with the counts of somebody else. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORDCOUNT_REPORT_H
#define WORDCOUNT_REPORT_H

#include "calls.h"

/* One line that is written over on a terminal, and now and then a line elsewhere. Zero it to begin. */
typedef struct progress {
    int64_t started_us;
    int64_t shown_us;
    bool on_terminal;
} progress;

void progress_show(progress *line, const char *what, uint64_t done, uint64_t of,
                   const calls *flight);
void progress_end(progress *line);

/* The most frequent words; on which nodes the grains are; calls a second and how long they took. */
bool report_words(const words *table);
void report_nodes(const words *table, gr_client *client);
void report_calls(calls *flight, int64_t took_us);

/* Writes "COUNT WORD" for each word, in their order. False with a sentence on standard error. */
bool report_write(const words *table, const char *path);
/* Compares with a file of lines "COUNT WORD", as `uniq -c` prints them. False with what differs on standard
 * error. */
bool report_compare(words *table, const char *path);

#endif
