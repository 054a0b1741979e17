/*
 * The host: see host.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "activation.h"

enum {
    SWEEP_MS_MIN = 10,
    SWEEP_MS_MAX = 1000,
    SWEEPS_PER_PASSIVATION = 20,
    ROOM_PARTS = 16, /* of the activations allowed, one part is kept free */
    RETRY_LAPSED_MS = 50
};

/* ---- the start */

static gri_host_table *table_of(gri_host *host, const gr_kind_info *info)
{
    char name[GRI_VIEW_TABLE_BYTES];
    gri_host_table *table = NULL;

    (void)gri_view_table(info, name);
    for (size_t i = 0; i < host->tables_count; i++) {
        if (strcmp(host->tables[i].name, name) == 0) {
            return &host->tables[i];
        }
    }
    table = &host->tables[host->tables_count];
    table->slices = gri_alloc_aligned(_Alignof(gri_slice), host->shards * sizeof(gri_slice));
    if (table->slices == NULL) {
        return NULL;
    }
    memcpy(table->name, name, sizeof(name));
    for (uint32_t i = 0; i < host->shards; i++) {
        gri_slice_init(&table->slices[i], host);
    }
    host->tables_count++;
    return table;
}

static bool is_for_us(const gri_host *host, const gr_kind_info *info)
{
    return info->role == NULL || info->role[0] == '\0' || strcmp(info->role, host->role) == 0;
}

static gr_err host_add_kind(gri_host *host, const gr_kind *kind)
{
    gri_hosted_kind *hosted = &host->kinds[host->kinds_count];
    const gr_kind_info *info = kind->info;
    gr_err err = gri_kind_check(kind);

    if (err != GR_OK || !is_for_us(host, info)) {
        return err;
    }
    for (size_t i = 0; i < host->kinds_count; i++) {
        if (host->kinds[i].info->hash == info->hash) {
            return GRI_FAIL(GR_EINVAL, "kind %s is there twice", info->name);
        }
    }
    hosted->host = host;
    hosted->info = info;
    hosted->methods = kind->methods;
    hosted->data_bytes = info->data_bytes == NULL ? 0 : info->data_bytes(kind->methods);
    hosted->mailbox_limit =
        info->mailbox_limit == 0 ? GR_GRAIN_MAILBOX_DEFAULT : info->mailbox_limit;
    hosted->passivate_after_ms =
        info->passivate_after_ms == 0 ? GR_PASSIVATE_AFTER_MS_DEFAULT : info->passivate_after_ms;
    hosted->interleaves = gri_kind_interleaves(info);
    atomic_init(&hosted->activations, 0);
    if ((info->flags & GR_KIND_STATELESS) == 0) {
        hosted->table = table_of(host, info);
        if (hosted->table == NULL) {
            return GRI_FAIL(GR_ENOMEM, "%u shards of kind %s", host->shards, info->name);
        }
    }
    if (hosted->passivate_after_ms < host->passivate_least_ms) {
        host->passivate_least_ms = hosted->passivate_after_ms;
    }
    host->kinds_count++;
    return GR_OK;
}

static void on_sweep(void *arg);

static gr_err host_fill(gri_host *host, const gri_host_options *options, gr_kind *const *kinds)
{
    size_t count = 0;
    gr_err err = GR_OK;

    while (kinds[count] != NULL) {
        count++;
    }
    host->role = gri_strdup(options->role == NULL ? "" : options->role);
    host->kinds = gri_calloc(count + 1, sizeof(gri_hosted_kind));
    host->tables = gri_calloc(count + 1, sizeof(gri_host_table));
    host->stateless_names = gri_calloc(host->stateless_each, sizeof(host->stateless_names[0]));
    if (host->role == NULL || host->kinds == NULL || host->tables == NULL ||
        host->stateless_names == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a host of %zu kinds", count);
    }
    for (uint32_t i = 0; i < host->stateless_each; i++) {
        (void)snprintf(host->stateless_names[i], sizeof(host->stateless_names[i]), "#%u", i);
    }
    for (size_t i = 0; i < count && err == GR_OK; i++) {
        err = host_add_kind(host, kinds[i]);
    }
    return err;
}

static void host_begin(gri_host *host)
{
    gri_refusals none;

    gri_refusals_init(&none);
    gri_slice_own(&host->stateless, true, 0, &none); /* belongs to every node */
    host->sweep_ms = host->passivate_least_ms / SWEEPS_PER_PASSIVATION;
    host->sweep_ms = host->sweep_ms < SWEEP_MS_MIN   ? SWEEP_MS_MIN
                     : host->sweep_ms > SWEEP_MS_MAX ? SWEEP_MS_MAX
                                                     : host->sweep_ms;
    gr_alarm_set(&host->sweep, gr_system_now(host->sys) + host->sweep_ms);
}

gr_err gri_host_new(const gri_host_options *options, gr_kind *const *kinds, gri_host **out_host)
{
    gri_host *host = gri_calloc(1, sizeof(*host));
    gr_err err = GR_OK;

    if (host == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a host");
    }
    host->sys = options->sys;
    host->exchange = options->exchange;
    host->node = gr_system_node(options->sys);
    host->shards = options->shards;
    host->activations_max =
        options->activations_max == 0 ? GRI_ACTIVATIONS_MAX_DEFAULT : options->activations_max;
    host->drain_ms = options->drain_ms == 0 ? GRI_DRAIN_MS_DEFAULT : options->drain_ms;
    host->stateless_each = options->stateless_each == 0 ? 1 : options->stateless_each;
    host->passivate_least_ms = INT64_MAX / 4;
    gri_slice_init(&host->stateless, host);
    gri_lease_gate_init(&host->gate, options->sys, options->may_act, options->may_act_self);
    gri_lines_init(&host->lines);
    (void)pthread_mutex_init(&host->orphans_lock, NULL);
    STAILQ_INIT(&host->orphans);
    gr_alarm_init(&host->sweep, host->sys, on_sweep, host);
    gr_alarm_init(&host->orphans_alarm, host->sys, gri_host_on_orphans, host);
    err = host_fill(host, options, kinds);
    if (err != GR_OK) {
        gri_host_close(host);
        (void)gri_host_free(host);
        return err;
    }
    host_begin(host);
    *out_host = host;
    return GR_OK;
}

/* ---- the end */

static void be_silent(gri_host *host)
{
    (void)pthread_mutex_lock(&host->orphans_lock);
    host->silent = true;
    (void)pthread_mutex_unlock(&host->orphans_lock);
}

void gri_host_silence(gri_host *host)
{
    gri_slice *slice = NULL;

    be_silent(host);
    gri_lease_gate_fence(&host->gate);
    for (size_t i = 0; (slice = gri_host_slice_at(host, i)) != NULL; i++) {
        gri_slice_abandon(slice);
    }
}

gri_slice *gri_host_slice_at(gri_host *host, size_t index)
{
    size_t table = index / host->shards;

    if (table < host->tables_count) {
        return &host->tables[table].slices[index % host->shards];
    }
    return index == host->tables_count * host->shards ? &host->stateless : NULL;
}

static void drop_all(gri_host *host)
{
    gri_slice *slice = NULL;

    for (size_t i = 0; (slice = gri_host_slice_at(host, i)) != NULL; i++) {
        gri_refusals refusals;

        gri_refusals_init(&refusals);
        gri_slice_own(slice, false, 0, &refusals);
        gri_host_refuse_all(host, &refusals);
    }
}

void gri_host_fence(gri_host *host)
{
    gri_lease_gate_fence(&host->gate);
    drop_all(host);
}

void gri_host_close(gri_host *host)
{
    gri_host_fence(host);
    be_silent(host);
    gr_alarm_fini(&host->sweep);
    gr_alarm_fini(&host->orphans_alarm);
}

gri_host *gri_host_free(gri_host *take_host)
{
    gri_host *host = take_host;
    gri_slice *slice = NULL;
    gri_orphan *orphan = NULL;

    if (host == NULL) {
        return NULL;
    }
    for (size_t i = 0; (slice = gri_host_slice_at(host, i)) != NULL; i++) {
        gri_slice_forget_all(slice);
        gri_slice_fini(slice);
    }
    while ((orphan = STAILQ_FIRST(&host->orphans)) != NULL) {
        STAILQ_REMOVE_HEAD(&host->orphans, next);
        (void)gr_msg_unref(orphan->again);
        gri_free(orphan);
    }
    for (size_t i = 0; i < host->tables_count; i++) {
        gri_free(host->tables[i].slices);
    }
    gri_lease_gate_fini(&host->gate);
    gri_lines_fini(&host->lines);
    (void)pthread_mutex_destroy(&host->orphans_lock);
    gri_free(host->tables);
    gri_free(host->kinds);
    gri_free(host->stateless_names);
    gri_free(host->role);
    gri_free(host);
    return NULL;
}

/* ---- taking calls */

gri_hosted_kind *gri_host_find_kind(gri_host *host, uint64_t hash)
{
    for (size_t i = 0; i < host->kinds_count; i++) {
        if (host->kinds[i].info->hash == hash) {
            return &host->kinds[i];
        }
    }
    return NULL;
}

/* What must hold before it matters whose shard it is; refuses otherwise. */
static bool check_call(gri_host *host, gri_call_message *call)
{
    gri_hosted_kind *hosted = gri_host_find_kind(host, call->kind);
    char text[GR_ERROR_TEXT_BYTES];

    if (hosted == NULL) {
        gri_host_refuse(host, call, GR_ENOKIND, 0, "unknown kind");
        return false;
    }
    call->hosted = hosted;
    call->found = gri_kind_method(hosted->info, call->method);
    if (call->found == NULL || !gri_method_is_there(call->found, hosted->methods)) {
        gri_host_refuse(host, call, GR_ENOMETHOD, 0, "unknown method");
        return false;
    }
    if (gri_identity_check(call->identity) != GR_OK) {
        (void)snprintf(text, sizeof(text), "%s", gr_last_error()->text);
        gri_host_refuse(host, call, GR_EINVAL, 0, text);
        return false;
    }
    if (gr_msg_unpack(call->found->request, call->bytes, call->count, &call->request) != GR_OK) {
        gr_error why = *gr_last_error();

        call->request = NULL;
        (void)snprintf(text, sizeof(text), "the request of %.100s does not decode: %.100s",
                       call->found->full_name, why.text);
        gri_host_refuse(host, call, why.code == GR_ENOMEM ? GR_EBUSY : GR_EDECODE, 0, text);
        return false;
    }
    return true;
}

/* The longest idle grain of the slice where the longest idle one seems to be; else, since that one may be busy, of the next
 * slices in turn that have any. */
static void evict_one(gri_host *host)
{
    gri_slice *slice = NULL;
    gri_slice *oldest = NULL;
    int64_t oldest_ms = INT64_MAX;
    size_t count = host->tables_count * host->shards + 1;
    bool evicted = false;

    for (size_t i = 0; (slice = gri_host_slice_at(host, i)) != NULL; i++) {
        int64_t at_ms = atomic_load_explicit(&slice->oldest_ms, memory_order_relaxed); /* a hint */

        if (at_ms < oldest_ms) {
            oldest_ms = at_ms;
            oldest = slice;
        }
    }
    evicted = oldest == NULL || gri_slice_evict(oldest);
    for (size_t i = 0; !evicted && i < count; i++) {
        /* Relaxed, both: any order will do, and a hint. */
        slice = gri_host_slice_at(
            host, atomic_fetch_add_explicit(&host->next_evicted, 1, memory_order_relaxed) % count);
        evicted = atomic_load_explicit(&slice->oldest_ms, memory_order_relaxed) != INT64_MAX &&
                  gri_slice_evict(slice);
    }
}

/* Room is made before it is needed. */
static void make_room(gri_host *host)
{
    uint64_t count =
        atomic_load_explicit(&host->activations, memory_order_relaxed); /* a limit, not an order */
    uint64_t enough = host->activations_max - host->activations_max / ROOM_PARTS - 1;

    if (count > enough) {
        evict_one(host);
    }
}

static gri_slice *slice_of(gri_host *host, gri_call_message *call)
{
    if (call->hosted->table == NULL) {
        /* Relaxed: any spread will do. */
        uint32_t turn =
            (uint32_t)atomic_fetch_add_explicit(&host->next_stateless, 1, memory_order_relaxed);

        call->identity = host->stateless_names[turn % host->stateless_each];
        return &host->stateless;
    }
    return &call->hosted->table
                ->slices[gri_grain_hash(call->hosted->info, call->identity) % host->shards];
}

/* Whether the caller knows a newer view than we do; then we should, too. */
static bool is_ahead(gri_host *host, const gri_call_message *call)
{
    gri_view *view = NULL;
    bool ahead = false;

    if (call->view_version != 0 && host->exchange->events != NULL) {
        view = gri_view_cell_read(&host->exchange->view);
        ahead = gri_view_is_older(view, call->view_founded, call->view_version);
        (void)gri_view_unref(view);
    }
    if (ahead) {
        host->exchange->events->newer_view(host->exchange->events_self, call->view_founded,
                                           call->view_version);
    }
    return ahead;
}

/* Only nodes have turns that others wait for. What anybody else says of them could hold up a drain, so it is not believed. */
static void check_chain(gri_host *host, gri_call_message *call)
{
    gri_view *view = NULL;

    if (call->chain_bytes == 0 && (call->flags & GRI_CALL_PRESSING) == 0) {
        return;
    }
    view = gri_view_cell_read(&host->exchange->view);
    if (view == NULL || gri_view_member(view, call->reply_to.node) == NULL) {
        call->chain_bytes = 0;
        call->flags &= (uint8_t)~GRI_CALL_PRESSING;
    }
    (void)gri_view_unref(view);
}

void gri_host_take_call(gri_host *host, gr_msg *take_msg)
{
    gri_call_message *call = gr_msg_payload(take_msg);
    gri_refusals refusals;

    call->reply_to = gr_msg_sender(take_msg);
    gr_msg_set_sender(take_msg, gr_pid_null()); /* we answer, not the runtime on our behalf */
    call->host = host;
    if (call->sys != host->sys) { /* from the wire: what is left */
        call->sys = host->sys;
        call->deadline_ms += gr_system_now(host->sys);
    }
    check_chain(host, call);
    if (!check_call(host, call)) {
        (void)gr_msg_unref(take_msg);
        return;
    }
    if (!gri_lease_gate_is_open(&host->gate)) {
        gri_host_refuse(host, call, GR_ENOTRUN, RETRY_LAPSED_MS,
                        "the lease of its node has lapsed");
        (void)gr_msg_unref(take_msg);
        return;
    }
    call->ahead = is_ahead(host, call);
    (void)gri_host_is_pressing(host, call);
    gri_refusals_init(&refusals);
    gri_slice_admit(slice_of(host, call), call, &refusals);
    gri_host_refuse_all(host, &refusals);
    make_room(host);
}

/* ---- idle ones, and looking inside */

static void on_sweep(void *arg)
{
    gri_host *host = arg;
    int64_t now_ms = gr_system_now(host->sys);
    gri_slice *slice = NULL;

    for (size_t i = 0; (slice = gri_host_slice_at(host, i)) != NULL; i++) {
        gri_refusals refusals;

        gri_refusals_init(&refusals);
        gri_slice_sweep(slice, now_ms, &refusals);
        gri_host_refuse_all(host, &refusals);
    }
    gri_lines_sweep(&host->lines, now_ms);
    gr_alarm_set(&host->sweep, now_ms + host->sweep_ms);
}

size_t gri_host_owned(gri_host *host)
{
    size_t owned = 0;

    for (size_t i = 0; i < host->tables_count * host->shards; i++) {
        gri_slice *slice = gri_host_slice_at(host, i);

        (void)pthread_mutex_lock(&slice->lock);
        owned += slice->state != GRI_SLICE_ELSEWHERE ? 1 : 0;
        (void)pthread_mutex_unlock(&slice->lock);
    }
    return owned;
}

void gri_host_dump(gri_host *host, FILE *out)
{
    (void)fprintf(out, "host: %zu shards here, %" PRIuFAST64 " activations of at most %u\n",
                  gri_host_owned(host),
                  atomic_load_explicit(&host->activations, memory_order_relaxed),
                  host->activations_max);
    for (size_t i = 0; i < host->kinds_count; i++) {
        (void)fprintf(
            out, "  kind %s: %" PRIuFAST64 " activations\n", host->kinds[i].info->name,
            atomic_load_explicit(&host->kinds[i].activations, memory_order_relaxed)); /* counts */
    }
}
