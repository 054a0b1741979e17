/*
 * How shards come to a host and leave it: what membership tells. Runs on membership's fibers, which wait while shards are
 * being drained.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "host.h"

#include <inttypes.h>
#include <string.h>

#include <gri/mem.h>

#include "chain.h"

void gri_host_view(gri_host *host, const gri_view *view)
{
    for (size_t t = 0; t < host->tables_count; t++) {
        const gri_shard *shards = gri_view_shards(view, host->tables[t].name);

        for (uint32_t i = 0; i < host->shards; i++) {
            gri_refusals refusals;

            gri_refusals_init(&refusals);
            gri_slice_own(&host->tables[t].slices[i],
                          shards != NULL && shards[i].owner == host->node,
                          shards == NULL ? 0 : shards[i].epoch, &refusals);
            gri_host_refuse_all(host, &refusals);
        }
    }
}

static gri_slice *slice_named(gri_host *host, const gri_shard_ref *ref)
{
    for (size_t t = 0; t < host->tables_count; t++) {
        if (strcmp(host->tables[t].name, ref->table) == 0) {
            return ref->shard < host->shards ? &host->tables[t].slices[ref->shard] : NULL;
        }
    }
    return NULL;
}

static bool is_drained_here(void *arg, uint64_t kind, const char *identity, size_t identity_bytes)
{
    gri_host *host = arg;
    const gri_hosted_kind *hosted = gri_host_find_kind(host, kind);
    char text[GR_IDENTITY_BYTES_MAX + 1];

    if (hosted == NULL || hosted->table == NULL || identity_bytes > GR_IDENTITY_BYTES_MAX) {
        return false;
    }
    memcpy(text, identity, identity_bytes);
    text[identity_bytes] = '\0';
    return gri_slice_drains(
        &hosted->table->slices[gri_grain_hash(hosted->info, text) % host->shards], kind, text,
        identity_bytes);
}

bool gri_host_is_pressing(gri_host *host, gri_call_message *call)
{
    if ((call->flags & GRI_CALL_PRESSING) != 0) {
        return true;
    }
    /* Acquire: pairs with the start of a drain, whose slices are draining before anybody acts on it. */
    if (call->chain_bytes == 0 ||
        atomic_load_explicit(&host->draining, memory_order_acquire) == 0 ||
        !gri_chain_any(call->chain, call->chain_bytes, is_drained_here, host)) {
        return false;
    }
    call->flags |= GRI_CALL_PRESSING;
    return true;
}

static void await_drained(gr_future *take_drained)
{
    gr_msg *msg = NULL;

    if (gr_await(take_drained, GR_FOREVER, &msg) == GR_OK) {
        (void)gr_msg_unref(msg);
    }
    (void)gr_future_unref(take_drained);
}

static int64_t left_ms(gri_host *host, int64_t until_ms)
{
    return until_ms - gr_system_now(host->sys);
}

/* Waits until each slice has been empty once. A turn may still call from one into another, so it can have an activation
 * again. False: there is no time left for that, or no memory. */
static bool await_each(gri_host *host, gri_slice *const *slices, size_t count, int64_t until_ms)
{
    for (size_t i = 0; i < count; i++) {
        gr_future *drained = NULL;

        if (left_ms(host, until_ms) <= 0 ||
            gri_slice_empties(slices[i], left_ms(host, until_ms), &drained) != GR_OK) {
            return false;
        }
        if (drained != NULL) {
            await_drained(drained);
        }
    }
    return true;
}

/* All of them at once; no turn of any is left that could wait for another. False: not all are empty. */
static bool shut_all(gri_slice *const *slices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!gri_slice_shut(slices[i])) {
            return false;
        }
    }
    return true;
}

typedef void (*slice_fn)(gri_slice *slice, gri_refusals *refusals);

static void for_each(gri_host *host, gri_slice *const *slices, size_t count, slice_fn fn)
{
    for (size_t i = 0; i < count; i++) {
        gri_refusals refusals;

        gri_refusals_init(&refusals);
        fn(slices[i], &refusals);
        gri_host_refuse_all(host, &refusals);
    }
}

static void drain(gri_host *host, gri_slice *const *slices, size_t count)
{
    /* Relaxed: only tells the hooks why. */
    gr_deactivation reason = atomic_load_explicit(&host->leaving, memory_order_relaxed)
                                 ? GR_DEACTIVATION_STOPPED
                                 : GR_DEACTIVATION_MOVED;
    int64_t until_ms = gr_system_now(host->sys) + host->drain_ms;
    bool in_time = true;
    bool shut = false;

    (void)atomic_fetch_add_explicit(&host->draining, 1,
                                    memory_order_release); /* see gri_host_is_pressing() */
    for (size_t i = 0; i < count; i++) {
        gri_slice_drain(slices[i], reason);
    }
    while (in_time && !shut) {
        for_each(host, slices, count, gri_slice_press); /* now that all of them drain */
        in_time = await_each(host, slices, count, until_ms);
        shut = in_time && shut_all(slices, count);
    }
    if (!shut) {
        gr_system_log(host->sys, GR_LOG_WARN, "GR-NODE-DRAIN",
                      "turns still run after %" PRId64
                      " ms, though this node must not run them any longer: their effects are "
                      "dropped",
                      host->drain_ms);
    }
    for_each(host, slices, count, gri_slice_drained);
    (void)atomic_fetch_sub_explicit(&host->draining, 1, memory_order_relaxed); /* a saving only */
}

/* The slices of some shards, in the caller's memory; how many those are. */
static size_t slices_of(gri_host *host, const gri_shard_ref *shards, size_t count,
                        gri_slice **out_slices)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        gri_slice *slice = slice_named(host, &shards[i]);

        if (slice != NULL) {
            out_slices[found++] = slice;
        }
    }
    return found;
}

void gri_host_drain(gri_host *host, const gri_shard_ref *shards, size_t count)
{
    gri_slice **slices = gri_calloc(count + 1, sizeof(gri_slice *));

    if (slices != NULL) {
        drain(host, slices, slices_of(host, shards, count, slices));
    } else { /* no memory to do them side by side */
        for (size_t i = 0; i < count; i++) {
            gri_slice *slice = NULL;

            drain(host, &slice, slices_of(host, &shards[i], 1, &slice));
        }
    }
    gri_free(slices);
}

void gri_host_drain_stateless(gri_host *host)
{
    gri_slice *slice = &host->stateless;

    drain(host, &slice, 1);
}

void gri_host_drain_undone(gri_host *host, const gri_shard_ref *shards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gri_slice *slice = NULL;

        for_each(host, &slice, slices_of(host, &shards[i], 1, &slice), gri_slice_drain_undone);
    }
}
