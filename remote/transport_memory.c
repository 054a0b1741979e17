/*
 * The in-memory network: connections between systems that share a stepper, with delay, breaks and
 * partitions. Every event is an alarm of the system that it is for, so it comes when that system runs,
 * not while it is stalled, and never from inside a call. Time and chance are the stepper's: the same
 * seed gives the same run. Everything lives in the stepper's thread; there are no locks.
 *
 * A partition holds what is on its way, as TCP would: nothing arrives and nobody is told; when it
 * heals in time, everything arrives in order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include <granary/remote_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "memory_rules.h"

enum {
    DIAL_TIMEOUT_MS = 5000,
    BUFFERED_BYTES = 64 * 1024, /* on their way in one direction; then sending waits for arrivals */
    PARTS = 10000
};

typedef enum item_kind { ITEM_CONNECTED, ITEM_MESSAGE, ITEM_CLOSED } item_kind;

/* Something on its way to one end of a connection. */
typedef struct item {
    STAILQ_ENTRY(item) next;
    item_kind kind;
    int64_t at_ms;
    size_t count;
    uint8_t bytes[];
} item;

/* One end. It lives until its own transport, its user and the other end have let go of it. */
struct gr_connection {
    gr_transport *transport;             /* NULL after its closed event */
    gr_connection *other;                /* a reference; NULL after this end has closed */
    char far_name[GR_ADDRESS_BYTES_MAX]; /* of the other end's transport, which may be gone */
    unsigned refs;
    void *dial_token;
    void *peer;
    bool connected;
    bool closing; /* asked to; its closed event is due */
    bool busy;    /* owes a sent event */
    gr_error why;
    gr_alarm alarm;
    int64_t alarm_ms; /* what it is set to; INT64_MAX: not set */
    STAILQ_HEAD(, item) items;
    size_t items_bytes;
    int64_t last_ms; /* when the last item arrives: later ones do not overtake */
    TAILQ_ENTRY(gr_connection) next;
};

typedef struct dial {
    gr_transport *transport;
    void *token;
    char address[GR_ADDRESS_BYTES_MAX];
    int64_t deadline_ms;
    gr_alarm alarm;
    TAILQ_ENTRY(dial) next;
} dial;

struct gr_transport {
    gr_system *sys;
    gr_memory_network *network;
    const gr_transport_events *events;
    void *self;
    size_t message_bytes_max;
    char name[GR_ADDRESS_BYTES_MAX];
    bool listening;
    TAILQ_HEAD(, gr_connection) connections;
    TAILQ_HEAD(, dial) dials;
    TAILQ_ENTRY(gr_transport) next;
};

struct gr_memory_network {
    gr_stepped *stepped;
    TAILQ_HEAD(, gr_transport) transports;
    gri_memory_rules rules;
};

/* ---- faults ---- */

static gr_memory_faults faults_between(const gr_memory_network *network, const char *from,
                                       const char *to)
{
    return gri_memory_rules_find(&network->rules, from, to);
}

static int64_t arrival_ms(const gr_memory_network *network, const gr_memory_faults *faults)
{
    int64_t spread = faults->delay_max_ms - faults->delay_min_ms;
    int64_t delay = faults->delay_min_ms;

    if (spread > 0) {
        delay += (int64_t)(gr_stepped_random(network->stepped) % (uint64_t)(spread + 1));
    }
    return gr_stepped_now(network->stepped) + delay;
}

static gr_memory_faults faults_from(const gr_connection *end)
{
    return faults_between(end->transport->network, end->transport->name, end->far_name);
}

static gr_memory_faults faults_to(const gr_connection *end)
{
    return faults_between(end->transport->network, end->far_name, end->transport->name);
}

/* ---- ends ---- */

static void drop_items(gr_connection *end)
{
    item *it = NULL;

    while ((it = STAILQ_FIRST(&end->items)) != NULL) {
        STAILQ_REMOVE_HEAD(&end->items, next);
        gri_free(it);
    }
    end->items_bytes = 0;
}

static void unref(gr_connection *end)
{
    if (--end->refs == 0) {
        drop_items(end);
        gri_free(end);
    }
}

/* The alarm is for whatever comes first. */
static void call_at(gr_connection *end, int64_t at_ms)
{
    if (at_ms < end->alarm_ms) {
        end->alarm_ms = at_ms;
        gr_alarm_set(&end->alarm, at_ms);
    }
}

static void wake(gr_connection *end)
{
    if (end->transport != NULL) {
        call_at(end, gr_stepped_now(end->transport->network->stepped));
    }
}

/* Asks for the closed event; the first reason stays. */
static void ask_close(gr_connection *end, gr_err code, const char *text)
{
    if (!end->closing) {
        end->closing = true;
        (void)GRI_FAIL(code, "%s", text);
        end->why = *gr_last_error();
        drop_items(end);
        wake(end);
    }
}

/* False: out of memory. */
static bool put(gr_connection *end, item_kind kind, int64_t at_ms, const gr_piece *pieces,
                size_t count)
{
    size_t bytes = 0;
    item *it = NULL;

    for (size_t i = 0; i < count; i++) {
        bytes += pieces[i].bytes;
    }
    it = gri_alloc(sizeof(*it) + bytes);
    if (it == NULL) {
        return false;
    }
    it->kind = kind;
    it->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].bytes > 0) {
            memcpy(it->bytes + it->count, pieces[i].data, pieces[i].bytes);
            it->count += pieces[i].bytes;
        }
    }
    end->last_ms = at_ms > end->last_ms ? at_ms : end->last_ms;
    it->at_ms = end->last_ms;
    STAILQ_INSERT_TAIL(&end->items, it, next);
    end->items_bytes += it->count;
    if (STAILQ_FIRST(&end->items) == it) {
        call_at(end, it->at_ms);
    }
    return true;
}

/* Tells the other end that this one is gone, as far as the network carries the news. */
static void tell_other(gr_connection *end)
{
    gr_connection *other = end->other;
    gr_memory_faults faults;

    end->other = NULL;
    if (other->transport != NULL && !other->closing) {
        faults = faults_from(end);
        if (!put(other, ITEM_CLOSED, arrival_ms(end->transport->network, &faults), NULL, 0)) {
            ask_close(other, GR_ENOMEM, "out of memory");
        }
    }
    unref(other);
}

/* The last thing that happens to an end. */
static void finish(gr_connection *end)
{
    gr_transport *transport = end->transport;

    gr_alarm_fini(&end->alarm);
    drop_items(end);
    if (end->other != NULL) {
        tell_other(end);
    }
    TAILQ_REMOVE(&transport->connections, end, next);
    end->transport = NULL;
    if (end->connected) {
        if (end->busy) {
            end->busy = false;
            transport->events->sent(transport->self, end->peer);
        }
        transport->events->closed(transport->self, end->peer, &end->why);
    } else if (end->dial_token != NULL) {
        transport->events->dial_failed(transport->self, end->dial_token, &end->why);
    }
    unref(end);
}

static void take_item(gr_connection *end)
{
    gr_transport *transport = end->transport;
    item *it = STAILQ_FIRST(&end->items);

    STAILQ_REMOVE_HEAD(&end->items, next);
    end->items_bytes -= it->count;
    switch (it->kind) {
    case ITEM_CONNECTED:
        end->refs++; /* the user's */
        end->connected = true;
        end->peer = transport->events->connected(transport->self, end, end->dial_token);
        break;
    case ITEM_MESSAGE:
        transport->events->received(transport->self, end->peer, it->bytes, it->count);
        break;
    case ITEM_CLOSED:
        ask_close(end, GR_EUNREACHABLE, "closed by the other side");
        break;
    }
    gri_free(it);
}

/* Whether the sent event may be given: the network has taken the message. */
static bool is_taken(gr_connection *end)
{
    gr_connection *other = end->other;

    return other == NULL || other->items_bytes <= BUFFERED_BYTES;
}

static bool may_arrive(gr_connection *end)
{
    item *it = STAILQ_FIRST(&end->items);

    return !end->closing && it != NULL &&
           it->at_ms <= gr_stepped_now(end->transport->network->stepped) && !faults_to(end).blocked;
}

static void on_alarm(void *arg)
{
    gr_connection *end = arg;
    item *it = NULL;

    end->refs++;
    end->alarm_ms = INT64_MAX;
    if (end->busy && end->connected && is_taken(end)) {
        end->busy = false;
        end->transport->events->sent(end->transport->self, end->peer);
    }
    while (may_arrive(end)) {
        take_item(end);
        if (end->other != NULL && end->other->busy) {
            wake(end->other);
        }
    }
    it = STAILQ_FIRST(&end->items);
    if (end->closing) {
        finish(end);
    } else if (it != NULL && it->at_ms > gr_stepped_now(end->transport->network->stepped)) {
        call_at(end, it->at_ms);
    }
    unref(end);
}

static gr_connection *end_new(gr_transport *transport, void *dial_token)
{
    gr_connection *end = gri_calloc(1, sizeof(*end));

    if (end != NULL) {
        end->transport = transport;
        end->dial_token = dial_token;
        end->refs = 1;
        end->alarm_ms = INT64_MAX;
        STAILQ_INIT(&end->items);
        gr_alarm_init(&end->alarm, transport->sys, on_alarm, end);
        TAILQ_INSERT_TAIL(&transport->connections, end, next);
    }
    return end;
}

/* ---- sending and closing ---- */

static gr_err memory_send(gr_connection *connection, const gr_piece *pieces, size_t count)
{
    gr_connection *other = connection->other;
    gr_memory_faults faults;
    size_t bytes = 0;

    if (connection->transport == NULL || connection->closing || connection->busy) {
        return GR_EUNREACHABLE;
    }
    for (size_t i = 0; i < count; i++) {
        bytes += pieces[i].bytes;
    }
    connection->busy = true;
    wake(connection);
    if (other == NULL || other->transport == NULL || other->closing) {
        return GR_OK; /* sent into nowhere; the closed event is on its way */
    }
    faults = faults_from(connection);
    if (bytes > other->transport->message_bytes_max ||
        gr_stepped_random(connection->transport->network->stepped) % PARTS < faults.cut_per_10000 ||
        !put(other, ITEM_MESSAGE, arrival_ms(connection->transport->network, &faults), pieces,
             count)) {
        ask_close(other, GR_EUNREACHABLE, "the connection broke");
        ask_close(connection, GR_EUNREACHABLE, "the connection broke");
    }
    return GR_OK;
}

static void memory_close(gr_connection *connection)
{
    if (connection->transport != NULL) {
        ask_close(connection, GR_ESTOPPED, "closed by this side");
    }
}

/* ---- dialling ---- */

static gr_transport *listener_at(gr_memory_network *network, const char *address)
{
    gr_transport *transport = NULL;

    TAILQ_FOREACH (transport, &network->transports, next) {
        if (transport->listening && strcmp(transport->name, address) == 0) {
            return transport;
        }
    }
    return NULL;
}

static void end_dial(dial *attempt)
{
    gr_alarm_fini(&attempt->alarm);
    TAILQ_REMOVE(&attempt->transport->dials, attempt, next);
    gri_free(attempt);
}

static void fail_dial(dial *attempt, const char *why)
{
    gr_transport *transport = attempt->transport;
    void *token = attempt->token;

    end_dial(attempt);
    (void)GRI_FAIL(GR_EUNREACHABLE, "%s", why);
    transport->events->dial_failed(transport->self, token, gr_last_error());
}

static bool join(gr_transport *dialler, gr_transport *listener, void *token)
{
    gr_connection *near = end_new(dialler, token);
    gr_connection *far = near == NULL ? NULL : end_new(listener, NULL);
    int64_t now = gr_stepped_now(dialler->network->stepped);
    bool fine = far != NULL;

    if (fine) {
        near->other = far;
        far->other = near;
        (void)snprintf(near->far_name, sizeof(near->far_name), "%s", listener->name);
        (void)snprintf(far->far_name, sizeof(far->far_name), "%s", dialler->name);
        near->refs++;
        far->refs++;
        fine = put(far, ITEM_CONNECTED, now, NULL, 0) && put(near, ITEM_CONNECTED, now, NULL, 0);
    }
    if (fine) {
        return true;
    }
    if (far != NULL) {
        ask_close(far, GR_ENOMEM, "out of memory");
        ask_close(near, GR_ENOMEM, "out of memory"); /* its event is dial_failed */
        return true;
    }
    if (near != NULL) {
        near->dial_token = NULL; /* the caller tells */
        ask_close(near, GR_ENOMEM, "out of memory");
    }
    return false;
}

static void on_dial(void *arg)
{
    dial *attempt = arg;
    gr_transport *transport = attempt->transport;
    gr_transport *listener = listener_at(transport->network, attempt->address);
    void *token = attempt->token;
    int64_t now = gr_stepped_now(transport->network->stepped);

    if (faults_between(transport->network, transport->name, attempt->address).blocked ||
        faults_between(transport->network, attempt->address, transport->name).blocked) {
        if (now < attempt->deadline_ms) {
            gr_alarm_set(&attempt->alarm, attempt->deadline_ms);
        } else {
            fail_dial(attempt, "connection timed out");
        }
        return;
    }
    if (listener == NULL) {
        fail_dial(attempt, "connection refused");
    } else if (join(transport, listener, token)) {
        end_dial(attempt);
    } else {
        fail_dial(attempt, "out of memory");
    }
}

static gr_err memory_dial(gr_transport *transport, const char *address, void *dial_token)
{
    dial *attempt = gri_calloc(1, sizeof(*attempt));
    gr_memory_faults faults = faults_between(transport->network, transport->name, address);

    if (attempt == NULL) {
        return GRI_FAIL(GR_ENOMEM, "dialling %s", address);
    }
    attempt->transport = transport;
    attempt->token = dial_token;
    (void)snprintf(attempt->address, sizeof(attempt->address), "%s", address);
    attempt->deadline_ms = gr_stepped_now(transport->network->stepped) + DIAL_TIMEOUT_MS;
    gr_alarm_init(&attempt->alarm, transport->sys, on_dial, attempt);
    TAILQ_INSERT_TAIL(&transport->dials, attempt, next);
    gr_alarm_set(&attempt->alarm, arrival_ms(transport->network, &faults));
    return GR_OK;
}

/* ---- transports ---- */

static gr_err memory_open(gr_system *sys, void *arg, const gr_transport_events *events, void *self,
                          size_t message_bytes_max, gr_transport **out_transport)
{
    gr_transport *transport = NULL;

    if (arg == NULL) {
        return GRI_FAIL(GR_EINVAL, "the memory transport needs its network as transport_arg");
    }
    transport = gri_calloc(1, sizeof(*transport));
    if (transport == NULL) {
        return GRI_FAIL(GR_ENOMEM, "opening the network");
    }
    transport->sys = sys;
    transport->network = arg;
    transport->events = events;
    transport->self = self;
    transport->message_bytes_max = message_bytes_max;
    (void)snprintf(transport->name, sizeof(transport->name), "mem://%016" PRIx64,
                   gr_system_node(sys));
    TAILQ_INIT(&transport->connections);
    TAILQ_INIT(&transport->dials);
    TAILQ_INSERT_TAIL(&transport->network->transports, transport, next);
    *out_transport = transport;
    return GR_OK;
}

static gr_err memory_listen(gr_transport *transport, const char *address,
                            char out_address[GR_ADDRESS_BYTES_MAX])
{
    if (strncmp(address, "mem://", 6) != 0) {
        return GRI_FAIL(GR_EINVAL, "%s is no address of the memory network; write mem://NAME",
                        address);
    }
    if (listener_at(transport->network, address) != NULL) {
        return GRI_FAIL(GR_EEXIST, "listening on %s: the address is in use", address);
    }
    (void)snprintf(transport->name, sizeof(transport->name), "%s", address);
    (void)snprintf(out_address, GR_ADDRESS_BYTES_MAX, "%s", address);
    transport->listening = true;
    return GR_OK;
}

static void memory_free(gr_transport *take_transport)
{
    gr_transport *transport = take_transport;
    gr_connection *end = NULL;
    dial *attempt = NULL;

    transport->listening = false;
    while ((attempt = TAILQ_FIRST(&transport->dials)) != NULL) {
        fail_dial(attempt, "this side stops");
    }
    while ((end = TAILQ_FIRST(&transport->connections)) != NULL) {
        ask_close(end, GR_ESTOPPED, "this side stops");
        finish(end);
    }
    TAILQ_REMOVE(&transport->network->transports, transport, next);
    gri_free(transport);
}

const gr_transport_ops *gr_transport_memory(void)
{
    static const gr_transport_ops ops = {
        .version = GR_TRANSPORT_VERSION,
        .open = memory_open,
        .listen = memory_listen,
        .dial = memory_dial,
        .send = memory_send,
        .close = memory_close,
        .release = unref,
        .free = memory_free,
    };

    return &ops;
}

/* ---- the network ---- */

gr_err gr_memory_network_new(gr_stepped *stepped, gr_memory_network **out_network)
{
    gr_memory_network *network = gri_calloc(1, sizeof(*network));

    if (network == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a network");
    }
    network->stepped = stepped;
    TAILQ_INIT(&network->transports);
    *out_network = network;
    return GR_OK;
}

gr_memory_network *gr_memory_network_free(gr_memory_network *take_network)
{
    if (take_network != NULL) {
        GRI_INVARIANT(TAILQ_EMPTY(&take_network->transports));
        gri_memory_rules_fini(&take_network->rules);
        gri_free(take_network);
    }
    return NULL;
}

gr_err gr_memory_network_set_faults(gr_memory_network *network, const char *from, const char *to,
                                    const gr_memory_faults *faults)
{
    gr_transport *transport = NULL;
    gr_connection *end = NULL;
    dial *attempt = NULL;

    if (!gri_memory_rules_set(&network->rules, from, to, faults)) {
        return GRI_FAIL(GR_ENOMEM, "faults of the network");
    }
    TAILQ_FOREACH (transport, &network->transports, next) {
        TAILQ_FOREACH (end, &transport->connections, next) {
            wake(end); /* what was held may go now */
        }
        TAILQ_FOREACH (attempt, &transport->dials, next) {
            gr_alarm_set(&attempt->alarm, gr_stepped_now(network->stepped));
        }
    }
    return GR_OK;
}
