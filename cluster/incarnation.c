/*
 * One life of a node: see incarnation.h. Started and stopped by the node, in its threads; the events come from
 * membership's fibers and from the transport's threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "incarnation.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "coordinator_open.h"

enum {
    JOIN_MS = 12000,
    GOODBYE_MS = 1000,
    QUIET_MS = 250, /* nobody calls a node that has left for so long: all know */
    QUIET_LIMIT_MS = 2000,
    QUIET_LOOK_MS = 25,
    SYSTEM_STOP_MS = 5000
};

/* ---- what membership tells */

static void on_view(void *self, gri_view *view)
{
    gri_incarnation *incarnation = self;

    gri_roster_view(&incarnation->roster, view);
    (void)gri_exchange_view(incarnation->exchange, view);
    gri_host_view(incarnation->host, view);
    gri_receptionist_tell(&incarnation->receptionist, view);
}

static void on_drain(void *self, const gri_shard_ref *shards, size_t count)
{
    gri_host_drain(((gri_incarnation *)self)->host, shards, count);
}

static void on_drain_undone(void *self, const gri_shard_ref *shards, size_t count)
{
    gri_host_drain_undone(((gri_incarnation *)self)->host, shards, count);
}

static void on_last_turns(void *self)
{
    gri_host_drain_stateless(((gri_incarnation *)self)->host);
}

static void on_lapsed(void *self)
{
    gri_incarnation *incarnation = self;

    /* Relaxed: only for what is said. A node that has left has given its lease back on purpose. */
    if (!atomic_load_explicit(&incarnation->host->leaving, memory_order_relaxed)) {
        gr_system_log(incarnation->sys, GR_LOG_WARN, "GR-NODE-LEASE-LAPSED",
                      "the lease has lapsed: no turns until the coordinator answers again");
    }
}

static void on_regained(void *self)
{
    gri_incarnation *incarnation = self;

    gr_system_log(incarnation->sys, GR_LOG_INFO, "GR-NODE-LEASE-REGAINED",
                  "the lease is valid again");
    gri_lease_gate_open(&incarnation->host->gate);
}

static void on_fenced(void *self)
{
    gri_incarnation *incarnation = self;

    gr_system_log(incarnation->sys, GR_LOG_ERROR, "GR-NODE-FENCED",
                  "this node was given up by the others: its grains are dropped, and it starts "
                  "over under a new id");
    /* Release: whoever sees it sees all that this life has done. */
    atomic_store_explicit(&incarnation->fenced, true, memory_order_release);
    gri_host_fence(incarnation->host);
    incarnation->on_fenced(incarnation->on_fenced_arg);
}

static const gri_membership_events membership_events = {
    .view_changed = on_view,
    .drain = on_drain,
    .drain_undone = on_drain_undone,
    .last_turns = on_last_turns,
    .lease_lapsed = on_lapsed,
    .lease_regained = on_regained,
    .fenced = on_fenced,
};

bool gri_incarnation_is_fenced(gri_incarnation *incarnation)
{
    return atomic_load_explicit(&incarnation->fenced,
                                memory_order_acquire); /* pairs with on_fenced() */
}

/* ---- what the others ask membership */

static gri_membership *membership_of(const gri_incarnation *incarnation)
{
    /* Acquire: pairs with the end of the start, which publishes a membership that has joined. */
    return atomic_load_explicit(&((gri_incarnation *)(uintptr_t)incarnation)->membership,
                                memory_order_acquire);
}

static bool may_act(const void *self)
{
    const gri_membership *membership = membership_of(self);

    return membership != NULL && gri_membership_may_act(membership);
}

int64_t gri_incarnation_lease_left_ms(gri_incarnation *incarnation)
{
    const gri_membership *membership = membership_of(incarnation);

    return membership == NULL ? 0 : gri_membership_lease_left_ms(membership);
}

static void on_newer_view(void *self, uint64_t founded, uint64_t version)
{
    gri_incarnation *incarnation = self;
    gri_membership *membership = membership_of(incarnation);
    gri_view *view = membership == NULL ? NULL : gri_view_cell_read(&incarnation->exchange->view);

    if (view != NULL && gri_view_is_older(view, founded, version)) {
        gri_membership_hint(membership, version);
    }
    (void)gri_view_unref(view);
}

static const gri_exchange_events exchange_events = {on_newer_view, NULL};

/* ---- what the remote layer tells */

static void on_up(void *self, const gr_peer_info *peer)
{
    (void)self;
    (void)peer;
}

static void suspect(gri_incarnation *incarnation, const gr_peer_info *peer)
{
    gri_membership *membership = membership_of(incarnation);

    if (membership != NULL && peer->role == GR_ROLE_NODE) {
        gri_membership_suspect(membership, peer->node);
    }
}

static void on_lost(void *self, const gr_peer_info *peer, const gr_error *why)
{
    gri_incarnation *incarnation = self;

    (void)why;
    suspect(incarnation, peer);
    gri_receptionist_lost(&incarnation->receptionist, peer->node);
}

static void on_broken(void *self, const gr_peer_info *peer)
{
    suspect(self, peer);
}

static const gr_peer_events peer_events = {GR_PEER_EVENTS_VERSION, on_up, on_lost, on_broken};

/* ---- the start */

static gr_err open_coordinator(gri_incarnation *incarnation)
{
    const gr_node_options *options = incarnation->options;
    const char *where = NULL;
    gr_err err = GR_OK;

    incarnation->coordinator_ops = options->coordinator_ops;
    if (options->coordinator_ops == NULL) {
        err = gri_coordinator_of("coordinator", options->coordinator, &incarnation->coordinator_ops,
                                 &where);
    }
    if (err != GR_OK) {
        return err;
    }
    return incarnation->coordinator_ops->open(
        incarnation->sys, options->cluster, where,
        options->coordinator_ops == NULL ? NULL : options->coordinator_arg,
        &incarnation->coordinator);
}

static gr_err open_remote(gri_incarnation *incarnation, const char *listen)
{
    const gr_node_options *options = incarnation->options;
    gr_remote_options remote = {.cluster = options->cluster,
                                .listen = listen,
                                .advertise = options->advertise,
                                .role = GR_ROLE_NODE,
                                .message_bytes_max = options->message_bytes_max,
                                .insecure = options->insecure,
                                .transport = options->transport,
                                .transport_arg = options->transport_arg};
    gr_err err = gr_remote_start(incarnation->sys, &remote, &incarnation->remote);

    if (err == GR_OK) {
        err = gr_remote_add_types(incarnation->remote, gri_call_types, GRI_CALL_TYPES);
    }
    return err;
}

static uint32_t stateless_each(const gr_node_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (options->system.stepped != NULL) {
        return 2;
    }
    return options->system.workers != 0 ? options->system.workers : cores < 1 ? 1 : (uint32_t)cores;
}

static gr_err open_host(gri_incarnation *incarnation, gr_kind *const *kinds)
{
    const gr_node_options *options = incarnation->options;
    gri_host_options host = {.sys = incarnation->sys,
                             .exchange = incarnation->exchange,
                             .may_act = may_act,
                             .may_act_self = incarnation,
                             .role = options->role,
                             .shards = options->shards,
                             .activations_max = options->activations_max,
                             .drain_ms = options->drain_ms,
                             .stateless_each = stateless_each(options)};
    gr_err err = gri_host_new(&host, kinds, &incarnation->host);

    if (err == GR_OK) {
        err =
            gri_receptionist_open(&incarnation->receptionist, incarnation->sys, incarnation->host);
        incarnation->receptionist_open = err == GR_OK;
    }
    return err;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names borrow from the kinds; the two arrays are the caller's to free. */
static gr_err describe(gri_incarnation *incarnation, gri_member *out_member)
{
    const gri_host *host = incarnation->host;
    gri_member member = {.node = gr_system_node(incarnation->sys), .weight = 1};

    member.kinds = gri_calloc(host->kinds_count + 1, sizeof(char *));
    member.role_kinds = gri_calloc(host->kinds_count + 1, sizeof(char *));
    if (member.kinds == NULL || member.role_kinds == NULL) {
        gri_free(member.kinds);
        gri_free(member.role_kinds);
        return GRI_FAIL(GR_ENOMEM, "a member of %zu kinds", host->kinds_count);
    }
    member.address = (char *)(uintptr_t)gr_remote_address(incarnation->remote);
    member.role = host->role;
    for (size_t i = 0; i < host->kinds_count; i++) {
        const gr_kind_info *info = host->kinds[i].info;

        if (info->role == NULL || info->role[0] == '\0') {
            member.kinds[member.kinds_count++] = (char *)(uintptr_t)info->name;
        } else {
            member.role_kinds[member.role_kinds_count++] = (char *)(uintptr_t)info->name;
        }
    }
    qsort(member.kinds, member.kinds_count, sizeof(char *), by_text);
    qsort(member.role_kinds, member.role_kinds_count, sizeof(char *), by_text);
    *out_member = member;
    return GR_OK;
}

static gr_err join(gri_incarnation *incarnation)
{
    gri_membership_options options = {.coordinator_ops = incarnation->coordinator_ops,
                                      .coordinator = incarnation->coordinator,
                                      .lease_ms = incarnation->options->lease_ms,
                                      .shards = incarnation->options->shards,
                                      .events = &membership_events,
                                      .events_self = incarnation};
    gr_err err = describe(incarnation, &options.self);

    if (err != GR_OK) {
        return err;
    }
    err = gri_membership_start(incarnation->sys, &options, JOIN_MS, &incarnation->joining);
    gri_free(options.self.kinds);
    gri_free(options.self.role_kinds);
    if (err == GR_OK) {
        /* Release: any thread that sees it may use it. */
        atomic_store_explicit(&incarnation->membership, incarnation->joining, memory_order_release);
        gr_remote_set_peer_events(incarnation->remote, &peer_events, incarnation);
    }
    return err;
}

static gr_err start_parts(gri_incarnation *incarnation, const char *listen, gr_kind *const *kinds)
{
    gr_err err = gr_system_new(&incarnation->options->system, &incarnation->sys);

    if (err == GR_OK) {
        err = gri_exchange_new(incarnation->sys, &exchange_events, incarnation,
                               &incarnation->exchange);
    }
    if (err == GR_OK) {
        err = open_remote(incarnation, listen);
    }
    if (err == GR_OK) {
        gri_roster_init(&incarnation->roster, incarnation->sys, incarnation->remote);
        incarnation->roster_ready = true;
        err = open_coordinator(incarnation);
    }
    if (err == GR_OK) {
        err = open_host(incarnation, kinds);
    }
    return err == GR_OK ? join(incarnation) : err;
}

gr_err gri_incarnation_start(const gr_node_options *options, const char *listen,
                             gr_kind *const *kinds, void (*when_fenced)(void *arg), void *arg,
                             gri_incarnation **out_incarnation)
{
    gri_incarnation *incarnation = gri_calloc(1, sizeof(*incarnation));
    gr_err err = GR_OK;

    if (incarnation == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a node");
    }
    incarnation->options = options;
    incarnation->on_fenced = when_fenced;
    incarnation->on_fenced_arg = arg;
    atomic_init(&incarnation->membership, NULL);
    atomic_init(&incarnation->fenced, false);
    err = start_parts(incarnation, listen == NULL ? options->listen : listen, kinds);
    if (err != GR_OK) {
        gr_error why = *gr_last_error();

        gri_incarnation_stop(incarnation);
        (void)gri_incarnation_free(incarnation);
        return gr_error_set(err, why.file, why.line, "%s", why.text);
    }
    *out_incarnation = incarnation;
    return GR_OK;
}

/* ---- the end */

void gri_incarnation_wait(gri_incarnation *incarnation, int64_t ms)
{
    gr_future *moment = NULL;
    gr_msg *msg = NULL;

    if (gr_future_new(incarnation->sys, ms, &moment) == GR_OK) {
        if (gr_await(moment, GR_FOREVER, &msg) == GR_OK) {
            msg = gr_msg_unref(msg);
        }
        (void)gr_future_unref(moment);
    }
}

bool gri_incarnation_is_ready(gri_incarnation *incarnation)
{
    gri_view *view = gri_view_cell_read(&incarnation->exchange->view);
    bool ready = view != NULL && gri_view_at_rest(view) && may_act(incarnation);

    (void)gri_view_unref(view);
    return ready;
}

/* Those who have not heard yet that this node has left still call it, and are told who owns their grains now. */
static void wait_until_quiet(gri_incarnation *incarnation)
{
    int64_t since_ms = gr_system_now(incarnation->sys);
    int64_t limit_ms = since_ms + QUIET_LIMIT_MS;

    for (;;) {
        int64_t now_ms = gr_system_now(incarnation->sys);
        /* Relaxed: a time. */
        int64_t called_ms =
            atomic_load_explicit(&incarnation->receptionist.called_ms, memory_order_relaxed);

        since_ms = called_ms > since_ms ? called_ms : since_ms;
        if (now_ms - since_ms >= QUIET_MS || now_ms >= limit_ms) {
            return;
        }
        gri_incarnation_wait(incarnation, QUIET_LOOK_MS);
    }
}

gr_err gri_incarnation_leave(gri_incarnation *incarnation, int64_t timeout_ms)
{
    gr_err err = GR_OK;

    if (incarnation->joining == NULL || gri_incarnation_is_fenced(incarnation)) {
        return GR_OK;
    }
    /* Relaxed: only tells the hooks why. */
    atomic_store_explicit(&incarnation->host->leaving, true, memory_order_relaxed);
    err = gri_membership_leave(incarnation->joining, timeout_ms);
    wait_until_quiet(incarnation);
    return err;
}

void gri_incarnation_stop(gri_incarnation *incarnation)
{
    if (incarnation->stopped) {
        return;
    }
    incarnation->stopped = true;
    if (incarnation->remote != NULL) {
        gr_remote_set_peer_events(incarnation->remote, NULL, NULL);
    }
    if (incarnation->exchange != NULL) {
        gri_exchange_close(incarnation->exchange);
    }
    if (incarnation->host != NULL) {
        gri_host_close(incarnation->host);
    }
    if (incarnation->roster_ready) {
        gri_roster_close(&incarnation->roster);
    }
    if (incarnation->remote != NULL) {
        gr_remote_stop(incarnation->remote, GOODBYE_MS);
    }
    if (incarnation->receptionist_open) {
        gri_receptionist_close(&incarnation->receptionist);
    }
    if (incarnation->joining != NULL) {
        gri_membership_stop(incarnation->joining); /* turns and callers may go on asking it */
    }
    if (incarnation->coordinator != NULL) {
        incarnation->coordinator_ops->free(incarnation->coordinator);
        incarnation->coordinator = NULL;
    }
    incarnation->remote = gr_remote_free(incarnation->remote);
    if (incarnation->sys != NULL) {
        if (gr_system_stop(incarnation->sys, SYSTEM_STOP_MS) != GR_OK) {
            gr_error why = *gr_last_error();

            gr_system_log(incarnation->sys, GR_LOG_ERROR, "GR-NODE-HANGS", "%s", why.text);
        }
    }
}

void gri_incarnation_crash(gri_incarnation *incarnation)
{
    incarnation->stopped = true;
    gri_host_silence(incarnation->host);
    incarnation->coordinator_ops->free(incarnation->coordinator);
    incarnation->coordinator = NULL;
    gr_stepped_kill(incarnation->sys);
    gri_membership_stop(incarnation->joining);
    incarnation->remote = gr_remote_free(incarnation->remote);
}

gri_incarnation *gri_incarnation_free(gri_incarnation *take_incarnation)
{
    gri_incarnation *incarnation = take_incarnation;

    if (incarnation == NULL) {
        return NULL;
    }
    GRI_INVARIANT(incarnation->stopped);
    incarnation->sys = gr_system_free(incarnation->sys);
    incarnation->joining = gri_membership_free(incarnation->joining);
    incarnation->host = gri_host_free(incarnation->host);
    incarnation->exchange = gri_exchange_unref(incarnation->exchange);
    if (incarnation->receptionist_open) {
        gri_receptionist_fini(&incarnation->receptionist);
    }
    if (incarnation->roster_ready) {
        gri_roster_fini(&incarnation->roster);
    }
    gri_free(incarnation);
    return NULL;
}
