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

    if (take_drained != NULL && gr_await(take_drained, GR_FOREVER, &msg) == GR_OK) {
        (void)gr_msg_unref(msg);
    }
    (void)gr_future_unref(take_drained);
}

typedef void (*slice_fn)(gri_slice *slice, gri_refusals *refusals);

static void for_each_slice(gri_host *host, const gri_shard_ref *shards, size_t count, slice_fn fn)
{
    for (size_t i = 0; i < count; i++) {
        gri_slice *slice = slice_named(host, &shards[i]);
        gri_refusals refusals;

        gri_refusals_init(&refusals);
        if (slice != NULL) {
            fn(slice, &refusals);
        }
        gri_host_refuse_all(host, &refusals);
    }
}

void gri_host_drain(gri_host *host, const gri_shard_ref *shards, size_t count)
{
    /* Relaxed: only tells the hooks why. */
    gr_deactivation reason = atomic_load_explicit(&host->leaving, memory_order_relaxed)
                                 ? GR_DEACTIVATION_STOPPED
                                 : GR_DEACTIVATION_MOVED;
    gr_future **drained = gri_calloc(count + 1, sizeof(gr_future *));
    int64_t began_ms = gr_system_now(host->sys);

    (void)atomic_fetch_add_explicit(&host->draining, 1,
                                    memory_order_release); /* see gri_host_is_pressing() */
    for (size_t i = 0; i < count; i++) {
        gri_slice *slice = slice_named(host, &shards[i]);
        gr_future *future = slice == NULL ? NULL : gri_slice_drain(slice, reason, host->drain_ms);

        if (drained != NULL) {
            drained[i] = future;
        } else { /* no memory to do them side by side */
            await_drained(future);
        }
    }
    for_each_slice(host, shards, count, gri_slice_press); /* now that all of them drain */
    for (size_t i = 0; drained != NULL && i < count; i++) {
        await_drained(drained[i]);
    }
    if (gr_system_now(host->sys) - began_ms >= host->drain_ms) {
        gr_system_log(host->sys, GR_LOG_WARN, "GR-NODE-DRAIN",
                      "turns still run after %" PRId64
                      " ms, though their shards have to move: their effects are dropped",
                      host->drain_ms);
    }
    for_each_slice(host, shards, count, gri_slice_drained);
    (void)atomic_fetch_sub_explicit(&host->draining, 1, memory_order_relaxed); /* a saving only */
    gri_free(drained);
}

void gri_host_drain_undone(gri_host *host, const gri_shard_ref *shards, size_t count)
{
    for_each_slice(host, shards, count, gri_slice_drain_undone);
}
