/*
 * A client's keeper: an actor that finds a node to be the gateway, subscribes to views there, asks again now and then so
 * that nothing is missed, and looks for another gateway when this one does not answer. Waits on its fiber. The inbox, where
 * views arrive, runs in the transport's threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "client_internal.h"

enum {
    LOOK_MS = 1000, /* between two looks at a gateway that answers */
    AGAIN_MS = 100, /* ... when none does, doubled up to LOOK_MS */
    CONNECT_MS = 3000,
    SAY_MS = 250,   /* then why it is not connected yet is known */
    FIND_MS = 1500, /* for the first answer of any of them */
    SCOUTS_MAX = 32,
    ANSWER_MS = 1000,
    READ_MS = 2000,
    POKES_APART_MS = 20
};

typedef struct keeper {
    gr_client *client;
    int64_t again_ms;
    uint64_t looks; /* which look the timer is for */
} keeper;

typedef struct look {
    uint64_t number; /* 0: poked */
} look;

static const gr_type look_type = GR_TYPE(look);
static const gr_type heard_type = {"granary.ClientHeard", 0, NULL, NULL, NULL};

/* ---- the inbox */

static void take_view(gr_client *client, const gri_news *news)
{
    gri_view *view = NULL;

    if (news->count == 0) {
        return;
    }
    if (gri_view_unpack(news->bytes, news->count, &view) != GR_OK) {
        gr_system_log(client->sys, GR_LOG_WARN, "GR-CLIENT-VIEW",
                      "a node sent a view that cannot be used: %s", gr_last_error()->text);
        return;
    }
    /* Several nodes may answer, and not all know the newest: an older view must not make us forget members. Of two foundings
     * of a cluster the one whose nodes have a lease is the true one; only they send views. */
    (void)pthread_mutex_lock(&client->view_lock);
    if (gri_view_cell_wants(&client->exchange->view, view)) {
        gri_roster_view(&client->roster,
                        view); /* addresses first, then those who want to call there */
        (void)gri_exchange_view(client->exchange, view);
    }
    (void)pthread_mutex_unlock(&client->view_lock);
    (void)gri_view_unref(view);
}

/* A node has answered that is fit: it is the gateway, unless there is one. */
static void hear(gr_client *client, uint64_t node)
{
    gr_future *word = NULL;

    (void)pthread_mutex_lock(&client->lock);
    word = client->news;
    client->news = NULL;
    client->gateway = client->gateway == 0 ? node : client->gateway;
    (void)pthread_mutex_unlock(&client->lock);
    if (word != NULL) {
        (void)gr_future_complete(word, gr_msg_new(&heard_type));
        (void)gr_future_unref(word);
    }
}

static void deliver(void *self, gr_pid pid, gr_msg *take_msg)
{
    gr_client *client = self;
    const gri_news *news = gr_msg_read(take_msg, &gri_news_type);
    uint64_t from = gr_msg_sender(take_msg).node;

    if (news == NULL) {
        gr_dead_letter_add(client->sys, pid, take_msg, GR_DEAD_NO_ACTOR, GR_ENOTYPE);
        return;
    }
    take_view(client, news);
    if (!news->unfit && from != 0) {
        hear(client, from);
    }
    (void)gr_msg_unref(take_msg);
}

static const gr_process_ops inbox_ops = {GR_PROCESS_VERSION, "client", deliver, NULL};

/* ---- asking nodes */

static gr_msg *subscribe_message(gr_client *client)
{
    gr_msg *msg = gr_msg_new(&gri_subscribe_type);
    gri_view *view = gri_view_cell_read(&client->exchange->view);
    gri_subscribe *subscribe = msg == NULL ? NULL : gr_msg_payload(msg);

    if (subscribe != NULL) {
        subscribe->view_founded = view == NULL ? 0 : view->founded;
        subscribe->view_version = view == NULL ? 0 : view->version;
        gr_msg_set_sender(msg, client->inbox);
    }
    (void)gri_view_unref(view);
    return msg;
}

/* The next word of any node that is fit to be a gateway; NULL when out of memory. */
static gr_future *expect_word(gr_client *client)
{
    gr_future *word = NULL;

    if (gr_future_new(client->sys, GR_FOREVER, &word) != GR_OK) {
        return NULL;
    }
    (void)pthread_mutex_lock(&client->lock);
    (void)gr_future_unref(client->news);
    client->news = gr_future_ref(word);
    (void)pthread_mutex_unlock(&client->lock);
    return word;
}

static gr_err await_word(gr_future *take_word, int64_t timeout_ms)
{
    gr_msg *msg = NULL;
    gr_err err = gr_await(take_word, timeout_ms, &msg);

    (void)gr_msg_unref(msg);
    (void)gr_future_unref(take_word);
    return err;
}

/* Asks the gateway again. */
static bool ask_gateway(gr_client *client, uint64_t gateway)
{
    gr_future *word = gateway == 0 ? NULL : expect_word(client);

    if (word == NULL) {
        return false;
    }
    if (gr_forward_msg(client->sys, gr_pid_well_known(gateway, GR_SLOT_CLUSTER),
                       subscribe_message(client)) != GR_OK) {
        (void)gr_future_unref(word);
        return false;
    }
    return await_word(word, ANSWER_MS) == GR_OK;
}

/* ---- scouts: each connects to one address and subscribes there; the first node to answer becomes the gateway */

typedef struct scout {
    gr_client *client;
    char address[GR_ADDRESS_BYTES_MAX];
} scout;

/* In two goes, since why it is not connected is known only at the end of one. */
static gr_err connect_and_say(const scout *self, uint64_t *out_node)
{
    gr_remote *remote = self->client->remote;
    gr_err err = gr_remote_connect(remote, self->address, SAY_MS, out_node);

    if (err != GR_OK) {
        gri_client_failed(self->client, gr_last_error());
    }
    if (err == GR_EUNREACHABLE) {
        err = gr_remote_connect(remote, self->address, CONNECT_MS - SAY_MS, out_node);
        if (err != GR_OK) {
            gri_client_failed(self->client, gr_last_error());
        }
    }
    return err;
}

static gr_err scout_goes(gr_context *ctx, void *state, const gr_msg *msg)
{
    scout *self = state;
    uint64_t node = 0;

    (void)msg;
    gri_client_tries(self->client, "still connecting to", self->address);
    if (connect_and_say(self, &node) == GR_OK) {
        (void)GRI_FAIL(GR_EUNREACHABLE, "%s has not told of the cluster yet", self->address);
        gri_client_failed(self->client, gr_last_error());
        (void)gr_forward_msg(self->client->sys, gr_pid_well_known(node, GR_SLOT_CLUSTER),
                             subscribe_message(self->client));
    }
    gr_send_stop(self->client->sys, gr_context_self(ctx));
    return GR_OK;
}

static void send_scout(gr_context *ctx, gr_client *client, const char *address)
{
    gr_props props = {.type_name = "client scout",
                      .receive = scout_goes,
                      .arg_free = gri_free,
                      .mailbox_limit = 4};
    scout *self = gri_calloc(1, sizeof(*self));
    gr_pid pid;

    if (self == NULL || gr_context_children(ctx) >= SCOUTS_MAX) {
        gri_free(self);
        return;
    }
    self->client = client;
    (void)snprintf(self->address, sizeof(self->address), "%s", address);
    props.arg = self;
    if (gr_spawn_child(ctx, &props, NULL, &pid) == GR_OK) {
        (void)gr_send(client->sys, pid, gr_msg_new(&heard_type));
    }
}

/* To members of a view but one, beginning anywhere. */
static void send_to_members(gr_context *ctx, gr_client *client, const gri_view *view, uint64_t but)
{
    size_t start = view == NULL || view->members_count == 0
                       ? 0
                       : gr_system_random(client->sys) % view->members_count;

    for (size_t i = 0; view != NULL && i < view->members_count; i++) {
        const gri_member *member = &view->members[(start + i) % view->members_count];

        if (member->node != but) {
            send_scout(ctx, client, member->address);
        }
    }
}

static void send_to_addresses(gr_context *ctx, gr_client *client)
{
    size_t start =
        client->addresses_count == 0 ? 0 : gr_system_random(client->sys) % client->addresses_count;
    const char *at = client->addresses;

    for (size_t i = 0; i < start; i++) {
        at += strlen(at) + 1;
    }
    for (size_t i = 0; i < client->addresses_count; i++) {
        at = *at == '\0' ? client->addresses : at;
        send_scout(ctx, client, at);
        at += strlen(at) + 1;
    }
}

/* To the members that the coordinator knows of. */
static void send_by_coordinator(gr_context *ctx, gr_client *client)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    gri_view *view = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;

    if (client->coordinator == NULL) {
        return;
    }
    gri_client_tries(client, "still asking", "the coordinator");
    err = client->coordinator_ops->read(client->coordinator, GRI_VIEW_KEY, READ_MS, &future);
    if (err == GR_OK) {
        err = gr_await(future, GR_FOREVER, &msg);
    }
    answer = err == GR_OK ? gr_msg_read(msg, &gr_coordinator_answer_type) : NULL;
    if (answer != NULL && answer->revision != 0) {
        err = gri_view_unpack(answer->value, answer->value_bytes, &view);
    }
    if (err == GR_OK && (view == NULL || view->members_count == 0)) {
        err = GRI_FAIL(GR_EUNREACHABLE, "%s", client->not_there);
    }
    if (err != GR_OK) {
        gri_client_failed(client, gr_last_error());
    }
    send_to_members(ctx, client, view, 0);
    (void)gri_view_unref(view);
    (void)gr_msg_unref(msg);
    (void)gr_future_unref(future);
}

static bool find_gateway(gr_context *ctx, gr_client *client, uint64_t but)
{
    gr_future *word = expect_word(client);
    gri_view *view = gri_view_cell_read(&client->exchange->view);

    if (word != NULL) {
        send_to_members(ctx, client, view, but);
        send_to_addresses(ctx, client);
        send_by_coordinator(ctx, client);
    }
    (void)gri_view_unref(view);
    return word != NULL && await_word(word, FIND_MS) == GR_OK;
}

/* ---- the actor */

static bool look_after_gateway(gr_context *ctx, gr_client *client)
{
    uint64_t gateway = 0;

    (void)pthread_mutex_lock(&client->lock);
    gateway = client->gateway;
    (void)pthread_mutex_unlock(&client->lock);
    if (ask_gateway(client, gateway)) {
        return true;
    }
    (void)pthread_mutex_lock(&client->lock);
    client->gateway = 0;
    (void)pthread_mutex_unlock(&client->lock);
    return find_gateway(ctx, client, gateway);
}

static bool knows_cluster(gr_client *client)
{
    gri_view *view = gri_view_cell_read(&client->exchange->view);
    bool knows = view != NULL;

    (void)gri_view_unref(view);
    return knows;
}

static gr_err look_again(gr_context *ctx, keeper *self, int64_t delay_ms)
{
    gr_msg *msg = gr_msg_new(&look_type);
    gr_timer_id timer;

    if (msg == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a timer of the client's keeper");
    }
    ((look *)gr_msg_payload(msg))->number = ++self->looks;
    return gr_timer_start(ctx, delay_ms, 0, msg, &timer);
}

static gr_err on_message(gr_context *ctx, void *state, const gr_msg *msg)
{
    keeper *self = state;
    const look *now = gr_msg_read(msg, &look_type);
    gr_client *client = self->client;
    int64_t delay_ms = LOOK_MS;

    if (now == NULL || (now->number != 0 && now->number != self->looks)) {
        return GR_OK; /* an older timer: a poke came in between */
    }
    if (look_after_gateway(ctx, client) && knows_cluster(client)) {
        self->again_ms = AGAIN_MS;
        gri_client_go(client, GR_CLIENT_READY);
    } else {
        if (gr_client_read_state(client) == GR_CLIENT_READY) {
            gri_client_go(client, GR_CLIENT_LOST);
        }
        delay_ms = self->again_ms;
        self->again_ms = self->again_ms * 2 > LOOK_MS ? LOOK_MS : self->again_ms * 2;
    }
    if (look_again(ctx, self, delay_ms) != GR_OK) {
        return gr_fatal(GR_ENOMEM, "no memory for the client's keeper"); /* it starts anew */
    }
    return GR_OK;
}

static gr_err on_start(gr_context *ctx, void *state)
{
    keeper *self = state;

    self->client = gr_context_arg(ctx);
    self->again_ms = AGAIN_MS;
    return look_again(ctx, self, 0);
}

/* From now on nothing of the client is touched by the keeper. */
static void on_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    gr_client *client = gr_context_arg(ctx);

    (void)state;
    if (reason != GR_REASON_RESTARTING) {
        (void)gr_future_complete(client->keeper_ended, gr_msg_new(&heard_type));
    }
}

gr_err gri_client_keeper_start(gr_client *client)
{
    gr_props props = {.type_name = "client keeper",
                      .started = on_start,
                      .receive = on_message,
                      .stopped = on_stopped,
                      .state_bytes = sizeof(keeper),
                      .arg = client,
                      .mailbox_limit = 64,
                      .supervision = {.restarts = 0}};
    gr_pid keeper_pid;
    gr_err err = gr_process_open(client->sys, &inbox_ops, client, GR_SLOT_CLUSTER, &client->inbox);

    if (err == GR_OK) {
        err = gr_future_new(client->sys, GR_FOREVER, &client->keeper_ended);
    }
    if (err == GR_OK) {
        err = gr_spawn(client->sys, &props, NULL, &keeper_pid);
    }
    if (err == GR_OK) {
        (void)pthread_mutex_lock(&client->lock);
        client->keeper = keeper_pid;
        (void)pthread_mutex_unlock(&client->lock);
    }
    return err;
}

void gri_client_keeper_stop(gr_client *client)
{
    gr_future *news = NULL;
    gr_msg *msg = NULL;

    if (!gr_pid_is_null(client->keeper)) {
        gr_send_stop(client->sys, client->keeper);
        if (gr_await(client->keeper_ended, GR_FOREVER, &msg) == GR_OK) {
            msg = gr_msg_unref(msg);
        }
    }
    client->keeper_ended = gr_future_unref(client->keeper_ended);
    if (!gr_pid_is_null(client->inbox)) {
        gr_process_close(client->sys, client->inbox);
    }
    (void)pthread_mutex_lock(&client->lock);
    news = client->news;
    client->news = NULL;
    (void)pthread_mutex_unlock(&client->lock);
    (void)gr_future_unref(news);
}

void gri_client_poke(gr_client *client)
{
    gr_msg *msg = NULL;
    gr_pid keeper_pid;
    bool wants = false;
    int64_t now_ms = gr_system_now(client->sys);

    (void)pthread_mutex_lock(&client->lock);
    keeper_pid = client->keeper;
    /* One poke in a moment is enough: many calls may hear of the same new view. */
    wants = !client->closing && !gr_pid_is_null(keeper_pid) &&
            now_ms - client->poked_ms >= POKES_APART_MS;
    client->poked_ms = wants ? now_ms : client->poked_ms;
    (void)pthread_mutex_unlock(&client->lock);
    msg = wants ? gr_msg_new(&look_type) : NULL;
    if (msg != NULL) {
        (void)gr_send(client->sys, keeper_pid, msg);
    }
}
