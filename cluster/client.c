/*
 * Clients: a system without a listener, an exchange for its calls, and a keeper (client_keeper.c) that finds a node, its
 * gateway, and hears of views from it. Started and freed by the application's threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include <granary/node.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "client_internal.h"
#include "coordinator_open.h"
#include "option_check.h"

enum { SYSTEM_STOP_MS = 5000, GOODBYE_MS = 500 };

static gri_exchange *exchange_of_client(gr_caller *caller)
{
    return gri_exchange_ref(((gr_client *)caller)->exchange); /* its first field */
}

static void on_newer_view(void *self, uint64_t founded, uint64_t version)
{
    gr_client *client = self;
    gri_view *view = gri_view_cell_read(&client->exchange->view);

    if (view == NULL || gri_view_is_older(view, founded, version)) {
        gri_client_poke(client);
    }
    (void)gri_view_unref(view);
}

static void why_no_view(void *self, char *out_text, size_t room)
{
    gr_client *client = self;

    (void)pthread_mutex_lock(&client->lock);
    (void)snprintf(out_text, room, "%s",
                   client->last.text[0] == '\0' ? "none was tried yet" : client->last.text);
    (void)pthread_mutex_unlock(&client->lock);
}

static const gri_exchange_events exchange_events = {on_newer_view, why_no_view};

/* ---- states */

static const gr_type ready_type = {"granary.ClientReady", 0, NULL, NULL, NULL};

void gri_client_go(gr_client *client, gr_client_state next)
{
    gr_future *ready = NULL;
    bool changed = false;

    (void)pthread_mutex_lock(&client->lock);
    changed = client->state != next && !client->closing;
    if (changed) {
        client->state = next;
        if (next == GR_CLIENT_READY) {
            ready = client->ready;
            client->ready = NULL;
        }
    }
    (void)pthread_mutex_unlock(&client->lock);
    if (ready != NULL) {
        (void)gr_future_complete(ready, gr_msg_new(&ready_type));
        (void)gr_future_unref(ready);
    }
    if (changed && client->on_state != NULL) {
        client->on_state(client->on_state_arg, next);
    }
}

void gri_client_failed(gr_client *client, const gr_error *why)
{
    (void)pthread_mutex_lock(&client->lock);
    client->last = *why;
    (void)pthread_mutex_unlock(&client->lock);
}

void gri_client_tries(gr_client *client, const char *what, const char *whom)
{
    (void)pthread_mutex_lock(&client->lock);
    if (client->last.text[0] == '\0') { /* what is known to be wrong says more */
        (void)snprintf(client->last.text, sizeof(client->last.text), "%s %.150s", what, whom);
    }
    (void)pthread_mutex_unlock(&client->lock);
}

/* ---- the start */

static bool is_separator(char c)
{
    return c == ',' || c == ' ';
}

/* The addresses, as one list of C strings with an empty one at the end. */
static gr_err split_addresses(gr_client *client, const char *nodes)
{
    size_t bytes = strlen(nodes);
    char *out = gri_calloc(1, bytes + 2);

    if (out == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the addresses of a client");
    }
    client->addresses = out;
    while (*nodes != '\0') {
        const char *start = NULL;

        while (is_separator(*nodes)) {
            nodes++;
        }
        start = nodes;
        while (*nodes != '\0' && !is_separator(*nodes)) {
            *out++ = *nodes++;
        }
        if (nodes != start) {
            *out++ = '\0';
            client->addresses_count++;
        }
    }
    if (client->addresses_count == 0) {
        return GRI_FAIL(
            GR_EINVAL,
            "no node to connect to: give addresses such as tcp://127.0.0.1:4000, or a coordinator");
    }
    return GR_OK;
}

static gr_err read_addresses(gr_client *client, const gr_client_options *options)
{
    gr_err err = split_addresses(client, options->nodes);
    const char *at = client->addresses;

    for (; err == GR_OK && *at != '\0'; at += strlen(at) + 1) {
        err = strstr(at, "://") != NULL
                  ? gri_check_dialled("nodes", options->transport, at)
                  : GRI_FAIL(GR_EINVAL,
                             "nodes \"%.100s\" is neither an address, tcp://HOST:PORT, nor a "
                             "coordinator, sqlite:PATH or consul://HOST:PORT",
                             at);
    }
    return err;
}

static gr_err read_nodes(gr_client *client, const gr_client_options *options)
{
    const char *cluster = options->cluster == NULL ? "default" : options->cluster;

    if (!gri_coordinator_is_named(options->nodes)) {
        return read_addresses(client, options);
    }
    client->not_there = gri_text("%s knows no node of a cluster '%s'", options->nodes, cluster);
    if (client->not_there == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a client");
    }
    return gri_coordinator_open_to_read(client->sys, cluster, "nodes", options->nodes,
                                        &client->coordinator_ops, &client->coordinator);
}

static gr_err check_options(const gr_client_options *options)
{
    gr_err err = GR_OK;

    if (options == NULL) {
        return GRI_FAIL(GR_EINVAL, "a client needs options: they are NULL");
    }
    if (options->nodes == NULL || options->nodes[0] == '\0') {
        return GRI_FAIL(
            GR_EINVAL,
            "a client needs `nodes`: addresses such as tcp://127.0.0.1:4000, or a coordinator");
    }
    if (options->cluster != NULL) {
        err = gri_check_name("cluster", options->cluster);
    }
    if (err == GR_OK && options->message_bytes_max != 0) {
        err = gri_check_number("message_bytes_max", options->message_bytes_max,
                               GR_NODE_MESSAGE_BYTES_MIN, GR_NODE_MESSAGE_BYTES_MAX);
    }
    return err;
}

static void on_up(void *self, const gr_peer_info *peer)
{
    (void)self;
    (void)peer;
}

static void on_lost(void *self, const gr_peer_info *peer, const gr_error *why)
{
    gr_client *client = self;
    bool was_gateway = false;

    (void)why;
    (void)pthread_mutex_lock(&client->lock);
    was_gateway = client->gateway == peer->node;
    if (was_gateway) {
        client->gateway = 0;
    }
    (void)pthread_mutex_unlock(&client->lock);
    if (was_gateway) {
        gri_client_poke(client);
    }
}

static void on_broken(void *self, const gr_peer_info *peer)
{
    gr_client *client = self;
    bool is_gateway = false;

    (void)pthread_mutex_lock(&client->lock);
    is_gateway = client->gateway == peer->node;
    client->gateway = is_gateway ? 0 : client->gateway;
    (void)pthread_mutex_unlock(&client->lock);
    if (is_gateway) { /* no proof, but a reason to look for another one at once */
        gri_client_poke(client);
    }
}

static const gr_peer_events peer_events = {GR_PEER_EVENTS_VERSION, on_up, on_lost, on_broken};

static gr_err start_parts(gr_client *client, const gr_client_options *options)
{
    gr_remote_options remote = {.cluster = options->cluster,
                                .role = GR_ROLE_CLIENT,
                                .message_bytes_max = options->message_bytes_max,
                                .transport = options->transport,
                                .transport_arg = options->transport_arg};
    gr_system_options system = options->system;
    gr_err err = GR_OK;

    system.name = system.name == NULL ? "client" : system.name;
    err = gr_system_new(&system, &client->sys);
    if (err == GR_OK) {
        err = gri_exchange_new(client->sys, &exchange_events, client, &client->exchange);
    }
    if (err == GR_OK) {
        err = gr_future_new(client->sys, GR_FOREVER, &client->ready);
    }
    if (err == GR_OK) {
        err = read_nodes(client, options);
    }
    if (err == GR_OK) {
        err = gr_remote_start(client->sys, &remote, &client->remote);
    }
    if (err == GR_OK) {
        gri_roster_init(&client->roster, client->sys, client->remote);
        client->roster_ready = true;
        err = gr_remote_add_types(client->remote, gri_call_types, GRI_CALL_TYPES);
    }
    if (err == GR_OK) {
        err = gri_client_keeper_start(client);
    }
    if (err == GR_OK) {
        gr_remote_set_peer_events(client->remote, &peer_events, client);
    }
    return err;
}

gr_err gr_client_start(const gr_client_options *options, gr_client **out_client)
{
    gr_client *client = NULL;
    gr_err err = check_options(options);

    if (err != GR_OK) {
        return err;
    }
    client = gri_calloc(1, sizeof(*client));
    if (client == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a client");
    }
    client->caller.exchange = exchange_of_client;
    client->caller.id = 1;
    client->state = GR_CLIENT_CONNECTING;
    client->on_state = options->on_state;
    client->on_state_arg = options->on_state_arg;
    (void)pthread_mutex_init(&client->lock, NULL);
    (void)pthread_mutex_init(&client->view_lock, NULL);
    err = start_parts(client, options);
    if (err != GR_OK) {
        gr_error why = *gr_last_error();

        (void)gr_client_free(client);
        return gr_error_set(err, why.file, why.line, "%s", why.text);
    }
    *out_client = client;
    return GR_OK;
}

/* ---- the end */

static void client_close(gr_client *client)
{
    (void)pthread_mutex_lock(&client->lock);
    client->closing = true;
    (void)pthread_mutex_unlock(&client->lock);
    if (client->remote != NULL) {
        gr_remote_set_peer_events(client->remote, NULL, NULL);
    }
    if (client->exchange != NULL) {
        gri_exchange_close(client->exchange);
    }
    gri_client_keeper_stop(client);
    if (client->roster_ready) {
        gri_roster_close(&client->roster);
    }
    if (client->remote != NULL) {
        gr_remote_stop(client->remote, GOODBYE_MS);
    }
    if (client->coordinator != NULL) {
        client->coordinator_ops->free(client->coordinator);
    }
    client->remote = gr_remote_free(client->remote);
    client->ready = gr_future_unref(client->ready);
    if (client->sys != NULL) {
        (void)gr_system_stop(client->sys, SYSTEM_STOP_MS);
    }
}

static void client_forget(gr_client *client)
{
    client->sys = gr_system_free(client->sys);
    client->exchange = gri_exchange_unref(client->exchange);
    if (client->roster_ready) {
        gri_roster_fini(&client->roster);
    }
    gri_free(client->addresses);
    gri_free(client->not_there);
    (void)pthread_mutex_destroy(&client->lock);
    (void)pthread_mutex_destroy(&client->view_lock);
    gri_free(client);
}

gr_client *gr_client_free(gr_client *take_client)
{
    if (take_client != NULL) {
        client_close(take_client);
        client_forget(take_client);
    }
    return NULL;
}

/* ---- looking at it */

gr_err gr_client_wait_ready(gr_client *client, int64_t timeout_ms)
{
    gr_future *ready = NULL;
    gr_msg *msg = NULL;
    gr_err err = GR_OK;
    char why[GR_ERROR_TEXT_BYTES];

    if (client == NULL) {
        return GRI_FAIL(GR_EINVAL, "waiting for a client that is NULL");
    }
    (void)pthread_mutex_lock(&client->lock);
    ready = client->state == GR_CLIENT_CONNECTING ? gr_future_ref(client->ready) : NULL;
    (void)pthread_mutex_unlock(&client->lock);
    if (ready == NULL) {
        return GR_OK;
    }
    err = gr_await(ready, timeout_ms, &msg);
    (void)gr_msg_unref(msg);
    (void)gr_future_unref(ready);
    if (err == GR_OK) {
        return GR_OK;
    }
    why_no_view(client, why, sizeof(why));
    return GRI_FAIL(GR_EUNREACHABLE, "no node of the cluster answered within %lld ms: %s",
                    (long long)timeout_ms, why);
}

gr_caller *gr_client_caller(gr_client *client)
{
    return client == NULL ? NULL : &client->caller;
}

gr_system *gr_client_system(gr_client *client)
{
    return client == NULL ? NULL : client->sys;
}

gr_client_state gr_client_read_state(gr_client *client)
{
    gr_client_state state = GR_CLIENT_LOST;

    if (client == NULL) {
        return state;
    }
    (void)pthread_mutex_lock(&client->lock);
    state = client->state;
    (void)pthread_mutex_unlock(&client->lock);
    return state;
}

size_t gr_client_members(gr_client *client, gr_member_info *members, size_t room)
{
    gri_view *view = client == NULL ? NULL : gri_view_cell_read(&client->exchange->view);
    size_t count = view == NULL ? 0 : view->members_count;

    for (size_t i = 0; i < count && i < room; i++) {
        members[i].node = view->members[i].node;
        members[i].shards = (uint32_t)gri_view_owned(view, view->members[i].node);
        (void)snprintf(members[i].address, sizeof(members[i].address), "%s",
                       view->members[i].address);
    }
    (void)gri_view_unref(view);
    return count;
}

uint64_t gr_client_owner(gr_client *client, const gr_kind_info *kind, const char *identity)
{
    char table[GRI_VIEW_TABLE_BYTES];
    gri_view *view = client == NULL || kind == NULL || identity == NULL
                         ? NULL
                         : gri_view_cell_read(&client->exchange->view);
    const gri_shard *shards =
        view == NULL ? NULL : gri_view_shards(view, gri_view_table(kind, table));
    uint64_t owner = shards == NULL ? 0 : shards[gri_view_shard(view, kind, identity)].owner;

    (void)gri_view_unref(view);
    return owner;
}
