/*
 * Counts the words of a text on a cluster: one grain for each different word, one call for each word of the text, many
 * calls in flight. Then reads every count back. A client: it hosts nothing and may run anywhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "report.h"
#include "text.h"
#include "words.h"

enum {
    EXIT_DIFFERENT = 1,
    EXIT_USAGE = 2,
    IN_FLIGHT_DEFAULT = 256,
    IN_FLIGHT_MAX = 100000,
    READY_MS = 30000
};

static const char usage[] =
    "usage: wordcount --nodes WHERE [options] TEXT\n"
    "\n"
    "  --nodes WHERE      addresses of nodes, separated by commas, or a coordinator: sqlite:PATH,\n"
    "                     consul://HOST:PORT\n"
    "  --coordinator WHERE   the same\n"
    "  --cluster NAME     default: default\n"
    "  --in-flight N      calls at a time, 1 to 100000; default: 256\n"
    "  --counts FILE      write the counts there, a line \"COUNT WORD\" for each word\n"
    "  --expect FILE      compare with the counts there, lines as uniq -c prints them\n"
    "\n"
    "A word is a run of ASCII letters, in lower case. Words are counted from where earlier runs on "
    "the\n"
    "same nodes left them.\n"
    "Exit status: 0 done, 1 a count differs or a call failed, 2 wrong use or an unreadable text.\n";

typedef struct settings {
    gr_client_options client;
    size_t in_flight;
    const char *counts_path;
    const char *expect_path;
    const char *text_path;
} settings;

static bool parse_in_flight(const char *given, size_t *out_count)
{
    char *end = NULL;
    long count = strtol(given, &end, 10);

    if (*given == '\0' || *end != '\0' || count < 1 || count > IN_FLIGHT_MAX) {
        fprintf(stderr, "wordcount: --in-flight is '%s', but is 1 to %d\n", given, IN_FLIGHT_MAX);
        return false;
    }
    *out_count = (size_t)count;
    return true;
}

/* False when the flags make no sense; that has been said. */
static bool parse(int argc, char **argv, settings *into)
{
    static const struct option flags[] = {
        {"nodes", required_argument, NULL, 'n'},   {"coordinator", required_argument, NULL, 'n'},
        {"cluster", required_argument, NULL, 'c'}, {"in-flight", required_argument, NULL, 'i'},
        {"counts", required_argument, NULL, 'w'},  {"expect", required_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int flag = 0;

    *into = (settings){.in_flight = IN_FLIGHT_DEFAULT};
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
        switch (flag) {
        case 'n':
            into->client.nodes = optarg;
            break;
        case 'c':
            into->client.cluster = optarg;
            break;
        case 'i':
            if (!parse_in_flight(optarg, &into->in_flight)) {
                return false;
            }
            break;
        case 'w':
            into->counts_path = optarg;
            break;
        case 'e':
            into->expect_path = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs(usage, stderr);
            return false;
        }
    }
    if (into->client.nodes == NULL) {
        fprintf(stderr, "wordcount: --nodes is not given\n%s", usage);
        return false;
    }
    if (argc - optind != 1) {
        fprintf(stderr, "wordcount: %s%s\n%s",
                argc == optind ? "no TEXT is given" : "one TEXT only, not also ",
                argc == optind ? "" : argv[optind + 1], usage);
        return false;
    }
    into->text_path = argv[optind];
    return true;
}

static bool out_of_memory(void)
{
    fputs("wordcount: out of memory\n", stderr);
    return false;
}

/* Adds every word of the text to its grain. */
static bool add_all(text *from, words *table, calls *flight, progress *line)
{
    const char *at = NULL;
    size_t length = 0;

    while ((at = text_next(from, &length)) != NULL) {
        word *found = NULL;

        if (length > GR_IDENTITY_BYTES_MAX) {
            fprintf(stderr,
                    "wordcount: the word '%.20s...' has %zu letters, but a grain's name has at "
                    "most %d\n",
                    at, length, GR_IDENTITY_BYTES_MAX);
            return false;
        }
        found = words_get(table, at, length);
        if (found == NULL) {
            return out_of_memory();
        }
        calls_add(flight, found);
        progress_show(line, "adding", from->at, from->count, flight);
    }
    calls_finish(flight);
    return true;
}

/* Reads every count back. */
static void read_all(const words *table, calls *flight, progress *line)
{
    uint64_t done = 0;

    for (size_t i = 0; i < table->chains_count; i++) {
        for (word *at = table->chains[i]; at != NULL; at = at->next) {
            calls_read(flight, at);
            progress_show(line, "reading", ++done, table->count, flight);
        }
    }
    calls_finish(flight);
}

/* What comes after the counting; the exit status. */
static int report(const settings *chosen, gr_client *client, words *table, calls *flight,
                  int64_t took_us)
{
    bool good = flight->failed == 0;

    if (!report_words(table)) {
        good = out_of_memory();
    }
    report_nodes(table, client);
    report_calls(flight, took_us);
    if (flight->failed > 0) {
        fprintf(stderr, "wordcount: %llu calls failed\n", (unsigned long long)flight->failed);
    }
    if (chosen->counts_path != NULL && !report_write(table, chosen->counts_path)) {
        good = false;
    }
    fflush(stdout);
    if (chosen->expect_path != NULL && !report_compare(table, chosen->expect_path)) {
        good = false;
    }
    return good ? EXIT_SUCCESS : EXIT_DIFFERENT;
}

/* Counts with calls that are ready to be made; the exit status. */
static int count_with(calls *flight, const settings *chosen, gr_client *client, text *from)
{
    words table = {0};
    progress line = {0};
    int64_t started_us = clock_us();
    int64_t ready_us = 0;
    int status = EXIT_DIFFERENT;

    if (!calls_wait_for_cluster(flight)) {
        return EXIT_DIFFERENT;
    }
    ready_us = clock_us();
    printf("first answer after %.2f s\n", (double)(ready_us - started_us) / 1e6);
    if (add_all(from, &table, flight, &line)) {
        size_t added = flight->took_count;

        read_all(&table, flight, &line);
        progress_end(&line);
        printf("%zu words, %zu different\n", added, table.count);
        status = report(chosen, client, &table, flight, clock_us() - ready_us);
    } else {
        calls_finish(flight);
    }
    words_fini(&table);
    return status;
}

static int count(const settings *chosen, gr_client *client, text *from)
{
    calls flight = {0};
    int status = EXIT_DIFFERENT;

    if (calls_init(&flight, gr_client_caller(client), chosen->in_flight)) {
        status = count_with(&flight, chosen, client, from);
    } else {
        (void)out_of_memory();
    }
    calls_fini(&flight);
    return status;
}

int main(int argc, char **argv)
{
    settings chosen;
    text from;
    gr_client *client = NULL;
    int status = EXIT_DIFFERENT;
    gr_err err = GR_OK;

    if (!parse(argc, argv, &chosen) || !text_read(&from, chosen.text_path)) {
        return EXIT_USAGE;
    }
    err = gr_client_start(&chosen.client, &client);
    if (err == GR_OK) {
        err = gr_client_wait_ready(client, READY_MS);
    }
    if (err == GR_OK) {
        status = count(&chosen, client, &from);
    } else {
        fprintf(stderr, "wordcount: %s\n", gr_last_error()->text);
    }
    gr_client_free(client);
    text_fini(&from);
    return status;
}
