/*
 * The options of a node: defaults, checks, copies. Pure. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "coordinator_open.h"
#include "node_internal.h"

enum { NAME_BYTES_MAX = 100, ACTIVATIONS_MAX_MAX = 100000000 };

static gr_err check_name(const char *what, const char *name)
{
    size_t bytes = strlen(name);

    if (bytes == 0 || bytes > NAME_BYTES_MAX) {
        return GRI_FAIL(GR_EINVAL, "the %s '%.40s' has %zu bytes: use 1 to %d", what, name, bytes,
                        NAME_BYTES_MAX);
    }
    for (const char *at = name; *at != '\0'; at++) {
        bool fine = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') || *at == '-' || *at == '_' || *at == '.';

        if (!fine) {
            return GRI_FAIL(GR_EINVAL,
                            "the %s '%.40s' has a '%c': use letters, digits, '-', '_' and '.'",
                            what, name, *at);
        }
    }
    return GR_OK;
}

static gr_err check_numbers(const gr_node_options *options)
{
    if (options->lease_ms != 0 &&
        (options->lease_ms < GR_LEASE_MS_MIN || options->lease_ms > GR_LEASE_MS_MAX)) {
        return GRI_FAIL(GR_EINVAL, "a lease of %lld ms: use %d to %d", (long long)options->lease_ms,
                        GR_LEASE_MS_MIN, GR_LEASE_MS_MAX);
    }
    if (options->shards > GRI_VIEW_SHARDS_MAX) {
        return GRI_FAIL(GR_EINVAL, "%u shards: use 1 to %d, the same number on every node",
                        options->shards, GRI_VIEW_SHARDS_MAX);
    }
    if (options->drain_ms < 0) {
        return GRI_FAIL(GR_EINVAL, "%lld ms to drain: use a positive time, or 0 for the default",
                        (long long)options->drain_ms);
    }
    if (options->activations_max > ACTIVATIONS_MAX_MAX) {
        return GRI_FAIL(GR_EINVAL, "room for %u activations: use at most %d",
                        options->activations_max, ACTIVATIONS_MAX_MAX);
    }
    return GR_OK;
}

static gr_err check(const gr_node_options *options)
{
    const gr_coordinator_ops *ops = NULL;
    const char *where = NULL;
    gr_err err =
        options->cluster == NULL ? GR_OK : check_name("name of the cluster", options->cluster);

    if (err == GR_OK && options->role != NULL) {
        err = check_name("role", options->role);
    }
    if (err == GR_OK && options->coordinator_ops == NULL) {
        err = gri_coordinator_of("coordinator", options->coordinator, &ops, &where);
    }
    return err == GR_OK ? check_numbers(options) : err;
}

/* False: out of memory. NULL stays NULL. */
static bool copy_text(const char *text, const char **out)
{
    *out = text == NULL ? NULL : gri_strdup(text);
    return text == NULL || *out != NULL;
}

gr_err gri_node_options_copy(const gr_node_options *options, gr_node_options *out_options)
{
    gr_node_options copy = *options;
    gr_err err = check(options);
    bool copied = true;

    if (err != GR_OK) {
        return err;
    }
    copied =
        copy_text(options->cluster == NULL ? "default" : options->cluster, &copy.cluster) && copied;
    copied =
        copy_text(options->listen == NULL ? "tcp://127.0.0.1:0" : options->listen, &copy.listen) &&
        copied;
    copied = copy_text(options->advertise, &copy.advertise) && copied;
    copied = copy_text(options->coordinator, &copy.coordinator) && copied;
    copied = copy_text(options->role, &copy.role) && copied;
    copied = copy_text(options->system.name == NULL ? "node" : options->system.name,
                       &copy.system.name) &&
             copied;
    copy.lease_ms = options->lease_ms == 0 ? GR_LEASE_MS_DEFAULT : options->lease_ms;
    copy.shards = options->shards == 0 ? GR_SHARDS_DEFAULT : options->shards;
    if (!copied) {
        gri_node_options_fini(&copy);
        return GRI_FAIL(GR_ENOMEM, "the options of a node");
    }
    *out_options = copy;
    return GR_OK;
}

static void free_text(const char **text)
{
    gri_free((void *)(uintptr_t)*text);
    *text = NULL;
}

void gri_node_options_fini(gr_node_options *options)
{
    free_text(&options->cluster);
    free_text(&options->listen);
    free_text(&options->advertise);
    free_text(&options->coordinator);
    free_text(&options->role);
    free_text(&options->system.name);
}
