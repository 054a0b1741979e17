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
    LOOK_MS = 1000,   /* between two looks at a gateway that answers */
    AGAIN_MS = 100,   /* ... when none does, doubled up to LOOK_MS */
    CONNECT_MS = 200, /* in the first round; each round that finds nobody has more patience */
    CONNECT_MS_MAX = 3000,
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
    gri_roster_view(&client->roster, view);
    (void)gri_exchange_view(client->exchange, view, true);
    (void)gri_view_unref(view);
}

static void deliver(void *self, gr_pid pid, gr_msg *take_msg)
{
    gr_client *client = self;
    const gri_news *news = gr_msg_read(take_msg, &gri_news_type);
    gr_future *waiting = NULL;
    gr_msg *heard = NULL;

    if (news == NULL) {
        gr_dead_letter_add(client->sys, pid, take_msg, GR_DEAD_NO_ACTOR, GR_ENOTYPE);
        return;
    }
    take_view(client, news);
    heard = news->unfit ? gr_msg_new_error(GR_EUNREACHABLE, "the lease of the node that was asked has lapsed")
                        : gr_msg_new(&heard_type);
    (void)gr_msg_unref(take_msg);
    (void)pthread_mutex_lock(&client->lock);
    waiting = client->news;
    client->news = NULL;
    (void)pthread_mutex_unlock(&client->lock);
    if (waiting != NULL) {
        (void)gr_future_complete(waiting, heard);
        (void)gr_future_unref(waiting);
    } else {
        (void)gr_msg_unref(heard);
    }
}

static const gr_process_ops inbox_ops = {GR_PROCESS_VERSION, "client", deliver, NULL};

/* ---- asking a node */

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

/* Subscribes, again or for the first time, and waits for any word of it. */
static gr_err ask(gr_client *client, uint64_t node)
{
    gr_future *news = NULL;
    gr_msg *msg = NULL;
    gr_err err = gr_future_new(client->sys, GR_FOREVER, &news);

    if (err != GR_OK) {
        return err;
    }
    (void)pthread_mutex_lock(&client->lock);
    (void)gr_future_unref(client->news);
    client->news = gr_future_ref(news);
    (void)pthread_mutex_unlock(&client->lock);
    err = gr_send(client->sys, gr_pid_well_known(node, GR_SLOT_CLUSTER), subscribe_message(client));
    if (err == GR_OK) {
        err = gr_await(news, ANSWER_MS, &msg);
    }
    (void)gr_msg_unref(msg);
    (void)gr_future_unref(news);
    return err;
}

/* Makes the node at an address the gateway, if it answers. */
static bool try_address(gr_client *client, const char *address)
{
    uint64_t node = 0;
    gr_err err = gr_remote_connect(client->remote, address, client->connect_ms, &node);
    gr_error why;

    if (err == GR_OK) {
        err = ask(client, node);
    }
    if (err != GR_OK) {
        why = *gr_last_error();
        gri_client_failed(client, &why);
        return false;
    }
    (void)pthread_mutex_lock(&client->lock);
    client->gateway = node;
    (void)pthread_mutex_unlock(&client->lock);
    return true;
}

/* ---- whom to ask */

/* Any member of a view but one, beginning anywhere. */
static bool try_members(gr_client *client, const gri_view *view, uint64_t but)
{
    size_t start = 0;

    if (view == NULL || view->members_count == 0) {
        return false;
    }
    start = gr_system_random(client->sys) % view->members_count;
    for (size_t i = 0; i < view->members_count; i++) {
        const gri_member *member = &view->members[(start + i) % view->members_count];

        if (member->node != but && try_address(client, member->address)) {
            return true;
        }
    }
    return false;
}

static bool try_addresses(gr_client *client)
{
    size_t start = 0;
    const char *at = client->addresses;

    if (client->addresses_count == 0) {
        return false;
    }
    start = gr_system_random(client->sys) % client->addresses_count;
    for (size_t i = 0; i < start; i++) {
        at += strlen(at) + 1;
    }
    for (size_t i = 0; i < client->addresses_count; i++) {
        if (*at == '\0') {
            at = client->addresses;
        }
        if (try_address(client, at)) {
            return true;
        }
        at += strlen(at) + 1;
    }
    return false;
}

static bool try_coordinator(gr_client *client)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    gri_view *view = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_error why;
    gr_err err = GR_OK;
    bool found = false;

    if (client->coordinator == NULL) {
        return false;
    }
    err = client->coordinator_ops->read(client->coordinator, GRI_VIEW_KEY, READ_MS, &future);
    if (err == GR_OK) {
        err = gr_await(future, GR_FOREVER, &msg);
    }
    answer = err == GR_OK ? gr_msg_read(msg, &gr_coordinator_answer_type) : NULL;
    if (answer != NULL && answer->revision == 0) {
        err = GRI_FAIL(GR_EUNREACHABLE, "the coordinator knows no node of this cluster yet");
    } else if (answer != NULL) {
        err = gri_view_unpack(answer->value, answer->value_bytes, &view);
    }
    if (err != GR_OK) {
        why = *gr_last_error();
        gri_client_failed(client, &why);
    }
    found = try_members(client, view, 0);
    (void)gri_view_unref(view);
    (void)gr_msg_unref(msg);
    (void)gr_future_unref(future);
    return found;
}

static bool find_gateway(gr_client *client, uint64_t but)
{
    gri_view *view = gri_view_cell_read(&client->exchange->view);
    bool found = try_members(client, view, but) || try_addresses(client) || try_coordinator(client);

    (void)gri_view_unref(view);
    client->connect_ms = found ? CONNECT_MS : client->connect_ms * 2;
    client->connect_ms = client->connect_ms > CONNECT_MS_MAX ? CONNECT_MS_MAX : client->connect_ms;
    return found;
}

/* ---- the actor */

static bool look_after_gateway(gr_client *client)
{
    uint64_t gateway = 0;

    (void)pthread_mutex_lock(&client->lock);
    gateway = client->gateway;
    (void)pthread_mutex_unlock(&client->lock);
    if (gateway != 0 && ask(client, gateway) == GR_OK) {
        return true;
    }
    (void)pthread_mutex_lock(&client->lock);
    client->gateway = 0;
    (void)pthread_mutex_unlock(&client->lock);
    return find_gateway(client, gateway);
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
    if (look_after_gateway(client) && knows_cluster(client)) {
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
    self->client->connect_ms = CONNECT_MS;
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
