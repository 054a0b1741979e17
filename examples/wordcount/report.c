/*
 * Prints results on standard output, complaints on standard error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_FREQUENT = 20,
    DIFFERENCES_TOLD = 10,
    NODES_MAX = 256,
    ON_TERMINAL_US = 200000,
    ELSEWHERE_US = 1000000
};

void progress_show(progress *line, const char *what, uint64_t done, uint64_t of,
                   const calls *flight)
{
    int64_t now_us = clock_us();
    double seconds = 0;

    if (line->started_us == 0) {
        line->started_us = now_us;
        line->shown_us = now_us; /* nothing is known yet, and a fast run needs no line at all */
        line->on_terminal = isatty(STDOUT_FILENO) != 0;
    }
    if (now_us - line->shown_us < (line->on_terminal ? ON_TERMINAL_US : ELSEWHERE_US)) {
        return;
    }
    seconds = (double)(now_us - line->started_us) / 1e6;
    printf("%s%s: %3.0f %%, %zu calls answered, %.0f a second%s", line->on_terminal ? "\r" : "",
           what, of == 0 ? 100.0 : 100.0 * (double)done / (double)of, flight->took_count,
           seconds > 0 ? (double)flight->took_count / seconds : 0.0,
           line->on_terminal ? "\033[K" : "\n");
    fflush(stdout);
    line->shown_us = now_us;
}

void progress_end(progress *line)
{
    if (line->on_terminal && line->shown_us != line->started_us) {
        printf("\r\033[K");
    }
    fflush(stdout);
}

bool report_words(const words *table)
{
    word **all = words_by_count(table);

    if (all == NULL) {
        return false;
    }
    printf("most frequent:\n");
    for (size_t i = 0; i < MOST_FREQUENT && i < table->count; i++) {
        printf("%9" PRIu64 " %s\n", all[i]->count, all[i]->text);
    }
    free(all);
    return true;
}

/* A node and how many grains were on it. */
typedef struct share {
    uint64_t node;
    size_t grains;
} share;

static size_t share_out(const words *table, share *shares)
{
    size_t count = 0;

    for (size_t i = 0; i < table->chains_count; i++) {
        for (const word *at = table->chains[i]; at != NULL; at = at->next) {
            size_t node = 0;

            while (node < count && shares[node].node != at->node) {
                node++;
            }
            if (node == NODES_MAX) {
                continue; /* told by the sum that is not reached */
            }
            count += node == count ? 1 : 0;
            shares[node].node = at->node;
            shares[node].grains++;
        }
    }
    return count;
}

void report_nodes(const words *table, gr_client *client)
{
    static gr_member_info members[NODES_MAX];
    static share shares[NODES_MAX];
    size_t members_count = gr_client_members(client, members, NODES_MAX);
    size_t count = 0;

    memset(shares, 0, sizeof(shares));
    count = share_out(table, shares);
    members_count = members_count > NODES_MAX ? NODES_MAX : members_count;
    printf("grains on each node:\n");
    for (size_t i = 0; i < count; i++) {
        const char *address = "which has left";

        for (size_t j = 0; j < members_count; j++) {
            if (members[j].node == shares[i].node) {
                address = members[j].address;
            }
        }
        printf("%9zu node %016" PRIx64 ", %s\n", shares[i].grains, shares[i].node, address);
    }
}

void report_calls(calls *flight, int64_t took_us)
{
    printf("%zu calls in %.2f s: %.0f a second, p50 %.2f ms, p99 %.2f ms, up to %zu in flight\n",
           flight->took_count, (double)took_us / 1e6,
           took_us > 0 ? (double)flight->took_count * 1e6 / (double)took_us : 0.0,
           calls_quantile_ms(flight, 0.5), calls_quantile_ms(flight, 0.99), flight->room);
}

bool report_write(const words *table, const char *path)
{
    word **all = words_by_text(table);
    FILE *file = all == NULL ? NULL : fopen(path, "w");
    bool done = file != NULL;

    for (size_t i = 0; done && i < table->count; i++) {
        done = fprintf(file, "%" PRIu64 " %s\n", all[i]->count, all[i]->text) > 0;
    }
    if (file != NULL && fclose(file) != 0) {
        done = false;
    }
    if (!done) {
        fprintf(stderr, "wordcount: cannot write the counts to '%s': %s\n", path, strerror(errno));
    }
    free(all);
    return done;
}

/* One line "COUNT WORD" into the table. An empty word, which the coreutils count when the text begins with
 * something else than a letter, is none. */
static bool expect_line(words *table, char *line)
{
    char *end = NULL;
    uint64_t count = strtoull(line, &end, 10);
    size_t length = 0;
    word *found = NULL;

    end += strspn(end, " \t");
    length = strcspn(end, "\r\n");
    if (length == 0) {
        return true;
    }
    found = words_get(table, end, length);
    if (found != NULL) {
        found->expected = count;
    }
    return found != NULL;
}

static bool read_expected(words *table, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    bool done = file != NULL;

    while (done && getline(&line, &room, file) >= 0) {
        done = expect_line(table, line);
    }
    if (!done || ferror(file)) {
        fprintf(stderr, "wordcount: cannot read the expected counts '%s': %s\n", path,
                strerror(errno));
        done = false;
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return done;
}

bool report_compare(words *table, const char *path)
{
    word **all = NULL;
    size_t different = 0;

    if (!read_expected(table, path) || (all = words_by_text(table)) == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->count; i++) {
        if (all[i]->count == all[i]->expected) {
            continue;
        }
        different++;
        if (different <= DIFFERENCES_TOLD) {
            fprintf(stderr, "wordcount: '%s' has %" PRIu64 ", but %" PRIu64 " are expected\n",
                    all[i]->text, all[i]->count, all[i]->expected);
        }
    }
    if (different == 0) {
        printf("the counts of all %zu words are those of %s\n", table->count, path);
    } else {
        fprintf(stderr, "wordcount: %zu of %zu words differ from %s\n", different, table->count,
                path);
    }
    free(all);
    return different == 0;
}
