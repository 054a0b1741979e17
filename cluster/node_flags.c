/*
 * The flags of a node program: one table says the name, the variable, and what to do with the value. Runs before anything
 * else, in the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "node_flags.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <gri/fail.h>

#include "coordinator_open.h"
#include "option_check.h"
#include "view.h"

typedef enum flag_kind {
    FLAG_NAME,
    FLAG_LISTEN,
    FLAG_ADVERTISE,
    FLAG_COORDINATOR,
    FLAG_UINT32,
    FLAG_INT64,
    FLAG_SIZE,
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
    uint64_t least, most; /* of a number */
} node_flag;

#define AT(field) offsetof(gri_node_flags, field)

static const node_flag flags[] = {
    {"--cluster", "GRANARY_CLUSTER", "NAME", FLAG_NAME, AT(options.cluster),
     "which cluster to join (default)", 0, 0},
    {"--listen", "GRANARY_LISTEN", "ADDRESS", FLAG_LISTEN, AT(options.listen),
     "where to listen (tcp://127.0.0.1:0: any free port)", 0, 0},
    {"--advertise", "GRANARY_ADVERTISE", "ADDRESS", FLAG_ADVERTISE, AT(options.advertise),
     "what others dial (the address listened on)", 0, 0},
    {"--coordinator", "GRANARY_COORDINATOR", "WHERE", FLAG_COORDINATOR, AT(options.coordinator),
     "sqlite:PATH or consul://HOST:PORT; required", 0, 0},
    {"--role", "GRANARY_ROLE", "NAME", FLAG_NAME, AT(options.role),
     "host kinds that ask for this role, too (none)", 0, 0},
    {"--lease-ms", "GRANARY_LEASE_MS", "MS", FLAG_INT64, AT(options.lease_ms),
     "how long this node may act without the coordinator (2000)", GR_LEASE_MS_MIN, GR_LEASE_MS_MAX},
    {"--shards", "GRANARY_SHARDS", "N", FLAG_UINT32, AT(options.shards),
     "shards for each kind, the same on every node (256)", 1, GRI_VIEW_SHARDS_MAX},
    {"--drain-ms", "GRANARY_DRAIN_MS", "MS", FLAG_INT64, AT(options.drain_ms),
     "time for running calls when a shard moves (5000)", 1, GRI_DRAIN_MS_MAX},
    {"--activations", "GRANARY_ACTIVATIONS", "N", FLAG_UINT32, AT(options.activations_max),
     "grains held in memory at most (1000000)", 1, GRI_ACTIVATIONS_MAX},
    {"--workers", "GRANARY_WORKERS", "N", FLAG_UINT32, AT(options.system.workers),
     "threads (one for each core)", 1, GRI_WORKERS_MAX},
    {"--stack-bytes", "GRANARY_STACK_BYTES", "N", FLAG_UINT32, AT(options.system.stack_bytes),
     "stack for a method of a grain (65536)", GRI_STACK_BYTES_MIN, GRI_STACK_BYTES_MAX},
    {"--message-bytes", "GRANARY_MESSAGE_BYTES", "N", FLAG_SIZE, AT(options.message_bytes_max),
     "the largest request or reply (4194304)", GR_NODE_MESSAGE_BYTES_MIN,
     GR_NODE_MESSAGE_BYTES_MAX},
    {"--insecure", "GRANARY_INSECURE", NULL, FLAG_SWITCH, AT(options.insecure),
     "listen beyond this machine without TLS", 0, 0},
    {"--log", "GRANARY_LOG", "LEVEL", FLAG_LEVEL, AT(log_level),
     "error, warn, info or debug (info)", 0, 0},
    {"--help", NULL, NULL, FLAG_SWITCH, AT(help), "say this; so does -h", 0, 0},
};

enum { FLAGS = sizeof(flags) / sizeof(flags[0]) };

static gr_err set_number(const node_flag *flag, const char *from, const char *text, void *field)
{
    char *end = NULL;
    unsigned long long number = 0;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0') {
        return GRI_FAIL(GR_EINVAL, "%s '%.60s' is not a number: use %" PRIu64 " to %" PRIu64, from,
                        text, flag->least, flag->most);
    }
    if (errno != 0 || number < flag->least || number > flag->most) {
        return GRI_FAIL(GR_EINVAL, "%s %.60s: use %" PRIu64 " to %" PRIu64, from, text, flag->least,
                        flag->most);
    }
    if (flag->kind == FLAG_UINT32) {
        *(uint32_t *)field = (uint32_t)number;
    } else if (flag->kind == FLAG_INT64) {
        *(int64_t *)field = (int64_t)number;
    } else {
        *(size_t *)field = (size_t)number;
    }
    return GR_OK;
}

static gr_err set_text(const node_flag *flag, const char *from, const char *text,
                       const char **field)
{
    const gr_coordinator_ops *ops = NULL;
    const char *where = NULL;
    gr_err err = GR_OK;

    if (text[0] == '\0') {
        return GRI_FAIL(GR_EINVAL, "%s is empty: give it a value, or leave it out", from);
    }
    if (flag->kind == FLAG_NAME) {
        err = gri_check_name(from, text);
    } else if (flag->kind == FLAG_LISTEN) {
        err = gri_check_address(from, NULL, text);
    } else if (flag->kind == FLAG_ADVERTISE) {
        err = gri_check_dialled(from, NULL, text);
    } else {
        err = gri_coordinator_of(from, text, &ops, &where);
    }
    if (err == GR_OK) {
        *field = text;
    }
    return err;
}

static gr_err set_level(const char *from, const char *text, gr_log_level *field)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    for (int i = GR_LOG_ERROR; i <= GR_LOG_DEBUG; i++) {
        if (strcmp(text, names[i - GR_LOG_ERROR]) == 0) {
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
    case FLAG_NAME:
    case FLAG_LISTEN:
    case FLAG_ADVERTISE:
    case FLAG_COORDINATOR:
        return set_text(flag, from, text, field);
    case FLAG_UINT32:
    case FLAG_INT64:
    case FLAG_SIZE:
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
    argument = strcmp(argument, "-h") == 0 ? "--help" : argument;
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

/* What no flag can know by itself. */
static gr_err check_together(const gr_node_options *options)
{
    const gr_coordinator_ops *ops = NULL;
    const char *where = NULL;
    gr_err err = gri_coordinator_of("--coordinator", options->coordinator, &ops, &where);

    if (err == GR_OK && options->listen != NULL && !options->insecure &&
        !gr_address_is_local(options->listen)) {
        err = GRI_FAIL(GR_EINVAL,
                       "--listen \"%.80s\" can be reached from other machines and is not "
                       "protected by TLS: use 127.0.0.1, or give --insecure, too, where the "
                       "network is trusted",
                       options->listen);
    }
    return err;
}

gr_err gri_node_flags_read(int argc, char **argv, gri_node_flags *out_flags)
{
    gri_node_flags read = {.log_level = GR_LOG_INFO};
    gr_err err = read_environment(&read);

    for (int at = 1; at < argc && err == GR_OK; at++) {
        err = read_argument(argc, argv, &at, &read);
    }
    if (err == GR_OK && !read.help) {
        err = check_together(&read.options);
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
        (void)fprintf(out, "  %-16s %-8s %s%s%s%s\n", flags[i].name,
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
