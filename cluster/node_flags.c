/*
 * The flags of a node program: one table says the name, the variable, and what to do with the value. Runs before anything
 * else, in the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "node_flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gri/fail.h>

typedef enum flag_kind {
    FLAG_TEXT,
    FLAG_NUMBER_32,
    FLAG_NUMBER_64,
    FLAG_SWITCH,
    FLAG_LEVEL
} flag_kind;

typedef struct node_flag {
    const char *name;
    const char *variable;
    const char *value; /* what to call it */
    flag_kind kind;
    size_t offset; /* in gri_node_flags */
    const char *help;
} node_flag;

#define AT(field) offsetof(gri_node_flags, field)

static const node_flag flags[] = {
    {"--cluster", "GRANARY_CLUSTER", "NAME", FLAG_TEXT, AT(options.cluster),
     "which cluster to join (default)"},
    {"--listen", "GRANARY_LISTEN", "ADDRESS", FLAG_TEXT, AT(options.listen),
     "where to listen (tcp://127.0.0.1:0: any free port)"},
    {"--advertise", "GRANARY_ADVERTISE", "ADDRESS", FLAG_TEXT, AT(options.advertise),
     "what others dial (the address listened on)"},
    {"--coordinator", "GRANARY_COORDINATOR", "WHERE", FLAG_TEXT, AT(options.coordinator),
     "sqlite:PATH or consul://HOST:PORT; required"},
    {"--role", "GRANARY_ROLE", "NAME", FLAG_TEXT, AT(options.role),
     "host kinds that ask for this role, too (none)"},
    {"--lease-ms", "GRANARY_LEASE_MS", "MS", FLAG_NUMBER_64, AT(options.lease_ms),
     "how long this node may act without the coordinator (2000)"},
    {"--shards", "GRANARY_SHARDS", "N", FLAG_NUMBER_32, AT(options.shards),
     "shards for each kind, the same on every node (256)"},
    {"--drain-ms", "GRANARY_DRAIN_MS", "MS", FLAG_NUMBER_64, AT(options.drain_ms),
     "time for running calls when a shard moves (5000)"},
    {"--activations", "GRANARY_ACTIVATIONS", "N", FLAG_NUMBER_32, AT(options.activations_max),
     "grains held in memory at most (1000000)"},
    {"--workers", "GRANARY_WORKERS", "N", FLAG_NUMBER_32, AT(options.system.workers),
     "threads (one for each core)"},
    {"--insecure", "GRANARY_INSECURE", NULL, FLAG_SWITCH, AT(options.insecure),
     "listen beyond this machine without TLS"},
    {"--log", "GRANARY_LOG", "LEVEL", FLAG_LEVEL, AT(log_level),
     "error, warn, info or debug (info)"},
    {"--help", NULL, NULL, FLAG_SWITCH, AT(help), "say this"},
};

enum { FLAGS = sizeof(flags) / sizeof(flags[0]) };

static gr_err set_number(const node_flag *flag, const char *from, const char *text, void *field)
{
    char *end = NULL;
    unsigned long long number = 0;
    unsigned long long most = flag->kind == FLAG_NUMBER_32 ? UINT32_MAX : INT64_MAX;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number == 0 ||
        number > most) {
        return GRI_FAIL(GR_EINVAL, "%s '%.60s' is not a number: use 1 to %llu", from, text, most);
    }
    if (flag->kind == FLAG_NUMBER_32) {
        *(uint32_t *)field = (uint32_t)number;
    } else {
        *(int64_t *)field = (int64_t)number;
    }
    return GR_OK;
}

static gr_err set_level(const char *from, const char *text, gr_log_level *field)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    for (int i = 0; i <= GR_LOG_DEBUG; i++) {
        if (strcmp(text, names[i]) == 0) {
            *field = (gr_log_level)i;
            return GR_OK;
        }
    }
    return GRI_FAIL(GR_EINVAL, "%s '%.60s' is no level of logging: use error, warn, info or debug",
                    from, text);
}

static gr_err set_switch(const char *from, const char *text, bool *field)
{
    if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0) {
        *field = true;
        return GR_OK;
    }
    if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0 || text[0] == '\0') {
        *field = false;
        return GR_OK;
    }
    return GRI_FAIL(GR_EINVAL, "%s '%.60s' is neither on nor off: use 1 or 0", from, text);
}

/* `from` is the flag or the variable, for the error. */
static gr_err set(gri_node_flags *out, const node_flag *flag, const char *from, const char *text)
{
    void *field = (char *)out + flag->offset;

    switch (flag->kind) {
    case FLAG_TEXT:
        if (text[0] == '\0') {
            return GRI_FAIL(GR_EINVAL, "%s is empty: give it a value, or leave it out", from);
        }
        *(const char **)field = text;
        return GR_OK;
    case FLAG_NUMBER_32:
    case FLAG_NUMBER_64:
        return set_number(flag, from, text, field);
    case FLAG_LEVEL:
        return set_level(from, text, field);
    case FLAG_SWITCH:
        return set_switch(from, text, field);
    }
    return GR_OK;
}

static gr_err read_environment(gri_node_flags *out)
{
    for (size_t i = 0; i < FLAGS; i++) {
        const char *text = flags[i].variable == NULL ? NULL : getenv(flags[i].variable);
        gr_err err = text == NULL ? GR_OK : set(out, &flags[i], flags[i].variable, text);

        if (err != GR_OK) {
            return err;
        }
    }
    return GR_OK;
}

/* The flag that an argument names, alone or as --flag=value. */
static const node_flag *find(const char *argument, const char **out_value)
{
    for (size_t i = 0; i < FLAGS; i++) {
        size_t bytes = strlen(flags[i].name);

        if (strncmp(argument, flags[i].name, bytes) == 0 &&
            (argument[bytes] == '\0' || argument[bytes] == '=')) {
            *out_value = argument[bytes] == '=' ? argument + bytes + 1 : NULL;
            return &flags[i];
        }
    }
    return NULL;
}

static gr_err read_argument(int argc, char **argv, int *at, gri_node_flags *out)
{
    const char *value = NULL;
    const node_flag *flag = find(argv[*at], &value);

    if (flag == NULL) {
        return GRI_FAIL(GR_EINVAL, "'%.60s' is not known: --help lists the flags", argv[*at]);
    }
    if (flag->kind == FLAG_SWITCH) {
        return set(out, flag, flag->name, value == NULL ? "1" : value);
    }
    if (value == NULL && *at + 1 >= argc) {
        return GRI_FAIL(GR_EINVAL, "%s needs a value: %s %s", flag->name, flag->name, flag->value);
    }
    if (value == NULL) {
        value = argv[++*at];
    }
    return set(out, flag, flag->name, value);
}

gr_err gri_node_flags_read(int argc, char **argv, gri_node_flags *out_flags)
{
    gri_node_flags read = {.log_level = GR_LOG_INFO};
    gr_err err = read_environment(&read);

    for (int at = 1; at < argc && err == GR_OK; at++) {
        err = read_argument(argc, argv, &at, &read);
    }
    if (err == GR_OK) {
        *out_flags = read;
    }
    return err;
}

void gri_node_flags_help(const char *program, FILE *out)
{
    (void)fprintf(out,
                  "usage: %s [FLAG VALUE]...\n\nA node of a Granary cluster. Each flag can also be "
                  "set by a variable of the "
                  "environment.\n\n",
                  program);
    for (size_t i = 0; i < FLAGS; i++) {
        (void)fprintf(out, "  %-14s %-8s %s%s%s%s\n", flags[i].name,
                      flags[i].value == NULL ? "" : flags[i].value, flags[i].help,
                      flags[i].variable == NULL ? "" : " [",
                      flags[i].variable == NULL ? "" : flags[i].variable,
                      flags[i].variable == NULL ? "" : "]");
    }
    (void)fprintf(out,
                  "\nSIGTERM and SIGINT: drain, leave the cluster, exit 0. SIGUSR1: write the "
                  "state to stderr.\n"
                  "Exit status: 0 left politely, 1 could not start or not drain, 2 wrong use.\n");
}
