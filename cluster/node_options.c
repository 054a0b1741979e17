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
#include "option_check.h"

/* Zero is the default. */
static gr_err check_number(const char *from, uint64_t value, uint64_t least, uint64_t most)
{
    return value == 0 ? GR_OK : gri_check_number(from, value, least, most);
}

static gr_err check_numbers(const gr_node_options *options)
{
    gr_err err = GR_OK;

    if (options->lease_ms < 0 || options->drain_ms < 0) {
        return GRI_FAIL(GR_EINVAL, "lease_ms %lld and drain_ms %lld: times are not negative",
                        (long long)options->lease_ms, (long long)options->drain_ms);
    }
    err = check_number("lease_ms", (uint64_t)options->lease_ms, GR_LEASE_MS_MIN, GR_LEASE_MS_MAX);
    if (err == GR_OK) {
        err = check_number("shards", options->shards, 1, GRI_VIEW_SHARDS_MAX);
    }
    if (err == GR_OK) {
        err = check_number("drain_ms", (uint64_t)options->drain_ms, 1, GRI_DRAIN_MS_MAX);
    }
    if (err == GR_OK) {
        err = check_number("activations_max", options->activations_max, 1, GRI_ACTIVATIONS_MAX);
    }
    if (err == GR_OK) {
        err = check_number("message_bytes_max", options->message_bytes_max,
                           GR_NODE_MESSAGE_BYTES_MIN, GR_NODE_MESSAGE_BYTES_MAX);
    }
    return err;
}

static gr_err check_texts(const gr_node_options *options)
{
    gr_err err = options->cluster == NULL ? GR_OK : gri_check_name("cluster", options->cluster);

    if (err == GR_OK && options->role != NULL) {
        err = gri_check_name("role", options->role);
    }
    if (err == GR_OK && options->listen != NULL) {
        err = gri_check_address("listen", options->transport, options->listen);
    }
    if (err == GR_OK && options->advertise != NULL) {
        err = gri_check_dialled("advertise", options->transport, options->advertise);
    }
    return err;
}

static gr_err check(const gr_node_options *options)
{
    const gr_coordinator_ops *ops = NULL;
    const char *where = NULL;
    gr_err err = check_texts(options);

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
