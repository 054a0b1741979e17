/*
 * The transport over NNG streams (tcp and ipc), speaking the SP mapping as a pair0 socket. All of
 * NNG is in this file, and of NNG only streams and aios that are the same from 1.5.2 to 2.0.
 *
 * Threads: callbacks of a connection's two aios run in NNG's task threads and never block.
 * Everything that waits (stopping aios, freeing streams and dialers) happens in one thread of ours,
 * the reaper, in the order close, stop, free. Time-outs are our own alarm, since NNG's are not to
 * be relied on.
 *
 * Two kinds of lock, never held together nor while calling events: the transport's (lists, reaper's
 * queue) and each connection's (its state and who is inside a submission).
 *
 * It is longer than our files should be so that NNG is named in exactly one of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include <nng/nng.h>

#include <granary/remote_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>
#include <gri/thread.h>

#include "sp.h"

enum {
    RECEIVE_BYTES = 128 * 1024, /* one receive takes up to so much: several frames */
    GREETING_MAX = 512, /* accepted connections that have not greeted; then the oldest goes */
    GREETING_TIMEOUT_MS = 5000,
    DIAL_TIMEOUT_MS = 5000,
    TICK_MS = 200,
    IOVS_MAX = 8 /* what an aio takes; one message has a header and the caller's pieces */
};

/*           (1)            (2)
 *  GREETING ----> OPEN ----------> CLOSING      (1) on_greeted()  (2) connection_fail()
 *      '-------------(2)-----------^            CLOSING ends in reap_connection(). */
typedef enum connection_state { GREETING, OPEN, CLOSING } connection_state;

struct gr_connection {
    /* Fixed after connection_new(). */
    gr_transport *transport; /* borrowed: until CLOSING */
    nng_stream *stream;
    nng_aio *receiving;
    nng_aio *sending;
    gri_sp_mapping mapping;
    void *dial_token; /* NULL: accepted */
    int64_t since_ms;
    /* Only the receive callback, and the reaper after it has stopped the aio. */
    uint8_t greeting[GRI_SP_GREETING_BYTES];
    uint8_t *buffer; /* NULL until greeted */
    size_t room;
    size_t count;
    /* Whoever has set `busy`, then the send callback. */
    uint8_t header[GRI_SP_HEADER_BYTES_MAX];
    nng_iov rest[GR_TRANSPORT_PIECES_MAX + 1];
    unsigned rest_count;
    /* lock */
    pthread_mutex_t lock;
    pthread_cond_t left; /* nobody is inside a submission any more */
    connection_state state;
    unsigned inside;
    bool busy;       /* a send is in flight */
    bool connected;  /* the event has returned: peer is valid and closed is owed */
    bool sent_early; /* a send inside that event is done; its own event waits for that one's end */
    void *peer;
    gr_error why;
    /* The transport's lock. */
    TAILQ_ENTRY(gr_connection) all;
    TAILQ_ENTRY(gr_connection) silent;
    bool is_silent;
    bool asked_to_end; /* by free() */
    STAILQ_ENTRY(gr_connection) dead;
    atomic_uint refs;
};

/* One attempt to connect. Only the reaper touches the dialer, so that it can be closed and freed
 * whatever the callback is about to do. */
typedef enum dial_state { DIAL_NEW, DIAL_UNDER_WAY, DIAL_OVER } dial_state;

typedef struct dial {
    gr_transport *transport;
    nng_stream_dialer *dialer;
    nng_aio *aio;
    void *token;
    gri_sp_mapping mapping;
    int64_t since_ms;
    dial_state state; /* the transport's lock */
    TAILQ_ENTRY(dial) all;
    STAILQ_ENTRY(dial) turn;
} dial;

typedef struct listener {
    gr_transport *transport;
    nng_stream_listener *listener;
    nng_aio *aio;
    gri_sp_mapping mapping;
    bool paused; /* accepting failed: the alarm tries again */
    SLIST_ENTRY(listener) next;
} listener;

struct gr_transport {
    /* Fixed after open. */
    gr_system *sys;
    const gr_transport_events *events;
    void *self;
    size_t message_bytes_max;
    pthread_t reaper;
    gr_alarm alarm;
    /* lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* work for the reaper, or one thing less alive */
    TAILQ_HEAD(, gr_connection) connections;
    TAILQ_HEAD(, gr_connection) silents; /* oldest first */
    unsigned silents_count;
    TAILQ_HEAD(, dial) dials;
    SLIST_HEAD(, listener) listeners;
    STAILQ_HEAD(, gr_connection) dead;
    STAILQ_HEAD(, dial) turns; /* dials for the reaper to begin or to end */
    bool stopping;
    bool quit; /* for the reaper */
};

static void connection_unref(gr_connection *connection)
{
    /* acq_rel: what the other holders did comes before the memory goes. */
    if (atomic_fetch_sub_explicit(&connection->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    pthread_mutex_destroy(&connection->lock);
    pthread_cond_destroy(&connection->left);
    gri_free(connection->buffer);
    gri_free(connection);
}

/* The first reason wins; from then on only the reaper touches the stream. */
static void connection_fail(gr_connection *connection, gr_err code, const char *text)
{
    gr_transport *transport = NULL;

    pthread_mutex_lock(&connection->lock);
    if (connection->state == CLOSING) {
        pthread_mutex_unlock(&connection->lock);
        return;
    }
    connection->state = CLOSING;
    transport = connection->transport;
    (void)GRI_FAIL(code, "%s", text);
    connection->why = *gr_last_error();
    pthread_mutex_unlock(&connection->lock);

    pthread_mutex_lock(&transport->lock);
    STAILQ_INSERT_TAIL(&transport->dead, connection, dead);
    pthread_cond_broadcast(&transport->changed);
    pthread_mutex_unlock(&transport->lock);
}

static void connection_fail_nng(gr_connection *connection, int rv)
{
    connection_fail(connection, GR_EUNREACHABLE, nng_strerror(rv));
}

/* ---- receiving ---- */

static void receive_more(gr_connection *connection)
{
    nng_iov iov = {connection->greeting + connection->count,
                   GRI_SP_GREETING_BYTES - connection->count};

    if (connection->buffer != NULL) {
        iov.iov_buf = connection->buffer + connection->count;
        iov.iov_len = connection->room - connection->count;
    }
    (void)nng_aio_set_iov(connection->receiving, 1, &iov); /* fails only beyond IOVS_MAX */
    nng_stream_recv(connection->stream, connection->receiving);
}

/* Room for a message of `bytes` with its header; the limit has been checked. */
static bool make_room(gr_connection *connection, size_t bytes)
{
    uint8_t *buffer = NULL;

    if (bytes <= connection->room) {
        return true;
    }
    buffer = gri_realloc(connection->buffer, bytes);
    if (buffer == NULL) {
        connection_fail(connection, GR_ENOMEM, "no memory for a message that arrives");
        return false;
    }
    connection->buffer = buffer;
    connection->room = bytes;
    return true;
}

static bool take_messages(gr_connection *connection)
{
    gr_transport *transport = connection->transport;
    size_t header_bytes = gri_sp_header_bytes(connection->mapping);
    size_t at = 0;
    uint64_t bytes = 0;
    gri_sp_verdict verdict = GRI_SP_MORE;

    while ((verdict = gri_sp_look(connection->mapping, connection->buffer + at,
                                  connection->count - at, transport->message_bytes_max, &bytes)) ==
           GRI_SP_MESSAGE) {
        transport->events->received(transport->self, connection->peer,
                                    connection->buffer + at + header_bytes, (size_t)bytes);
        at += header_bytes + (size_t)bytes;
    }
    if (verdict != GRI_SP_MORE) {
        connection_fail(connection, GR_EPROTO,
                        verdict == GRI_SP_TOO_BIG ? "it announced a message over the limit"
                                                  : "it does not speak the SP mapping");
        return false;
    }
    connection->count -= at;
    memmove(connection->buffer, connection->buffer + at, connection->count);
    return make_room(connection, header_bytes + (size_t)bytes);
}

static void forget_silent(gr_transport *transport, gr_connection *connection)
{
    pthread_mutex_lock(&transport->lock);
    if (connection->is_silent) {
        connection->is_silent = false;
        TAILQ_REMOVE(&transport->silents, connection, silent);
        transport->silents_count--;
    }
    pthread_mutex_unlock(&transport->lock);
}

/* Gives the connected event. A message that it sent may be out before it returns; the sent event then comes after it. */
static void announce(gr_connection *connection)
{
    gr_transport *transport = connection->transport;
    void *peer = NULL;
    bool sent = false;

    /* relaxed: the caller's own reference keeps it alive meanwhile. */
    atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);
    peer = transport->events->connected(transport->self, connection, connection->dial_token);
    pthread_mutex_lock(&connection->lock);
    connection->peer = peer;
    connection->connected = true;
    sent = connection->sent_early && connection->state == OPEN; /* else the reaper gives it */
    connection->busy = connection->busy && !sent;
    connection->sent_early = false;
    pthread_mutex_unlock(&connection->lock);
    if (sent) {
        transport->events->sent(transport->self, peer);
    }
}

static bool on_greeted(gr_connection *connection)
{
    gr_transport *transport = connection->transport;
    bool open = false;

    if (!gri_sp_greeting_fits(connection->greeting)) {
        connection_fail(connection, GR_EPROTO,
                        "it does not greet as a pair0 socket: is that a Granary process?");
        return false;
    }
    connection->count = 0;
    if (!make_room(connection, RECEIVE_BYTES)) {
        return false;
    }
    forget_silent(transport, connection);
    pthread_mutex_lock(&connection->lock);
    if (connection->state == GREETING) {
        connection->state = OPEN;
        open = true;
    }
    pthread_mutex_unlock(&connection->lock);
    if (open) {
        announce(connection);
    }
    return open;
}

static void on_receive(void *arg)
{
    gr_connection *connection = arg;
    int rv = nng_aio_result(connection->receiving);

    if (rv != 0) {
        connection_fail_nng(connection, rv);
        return;
    }
    connection->count += nng_aio_count(connection->receiving);
    if (connection->buffer != NULL) {
        if (!take_messages(connection)) {
            return;
        }
    } else if (connection->count == GRI_SP_GREETING_BYTES && !on_greeted(connection)) {
        return;
    }
    receive_more(connection);
}

/* ---- sending ---- */

static void send_rest(gr_connection *connection)
{
    unsigned count = connection->rest_count < IOVS_MAX ? connection->rest_count : IOVS_MAX;

    (void)nng_aio_set_iov(connection->sending, count, connection->rest);
    nng_stream_send(connection->stream, connection->sending);
}

/* Takes `sent` bytes off the front of what is left; true when nothing is left. */
static bool drop_sent(gr_connection *connection, size_t sent)
{
    unsigned done = 0;

    while (done < connection->rest_count && sent >= connection->rest[done].iov_len) {
        sent -= connection->rest[done].iov_len;
        done++;
    }
    connection->rest_count -= done;
    memmove(connection->rest, connection->rest + done,
            connection->rest_count * sizeof(connection->rest[0]));
    if (connection->rest_count > 0) {
        connection->rest[0].iov_buf = (uint8_t *)connection->rest[0].iov_buf + sent;
        connection->rest[0].iov_len -= sent;
    }
    return connection->rest_count == 0;
}

static void on_send(void *arg)
{
    gr_connection *connection = arg;
    gr_transport *transport = connection->transport;
    int rv = nng_aio_result(connection->sending);
    connection_state state = GREETING;
    bool early = false;

    if (rv != 0) {
        connection_fail_nng(connection, rv); /* the reaper gives the sent event */
        return;
    }
    if (!drop_sent(connection, nng_aio_count(connection->sending))) {
        send_rest(connection);
        return;
    }
    pthread_mutex_lock(&connection->lock);
    state = connection->state;
    early = state == OPEN && !connection->connected;
    connection->sent_early = early;
    connection->busy = connection->busy && (early || state == CLOSING);
    pthread_mutex_unlock(&connection->lock);
    if (state == GREETING) {
        receive_more(connection); /* as NNG does: first say, then hear */
    } else if (state == OPEN && !early) {
        transport->events->sent(transport->self, connection->peer);
    }
}

static gr_err transport_send(gr_connection *connection, const gr_piece *pieces, size_t count)
{
    uint64_t bytes = 0;
    unsigned filled = 1;

    if (count > GR_TRANSPORT_PIECES_MAX) {
        return GRI_FAIL(GR_EINVAL, "%zu pieces in one message, at most %d are taken", count,
                        GR_TRANSPORT_PIECES_MAX);
    }
    pthread_mutex_lock(&connection->lock);
    if (connection->state != OPEN || connection->busy) {
        pthread_mutex_unlock(&connection->lock);
        return GR_EUNREACHABLE;
    }
    connection->busy = true;
    connection->inside++;
    pthread_mutex_unlock(&connection->lock);

    for (size_t i = 0; i < count; i++) {
        if (pieces[i].bytes > 0) {
            connection->rest[filled].iov_buf = (void *)(uintptr_t)pieces[i].data;
            connection->rest[filled++].iov_len = pieces[i].bytes;
            bytes += pieces[i].bytes;
        }
    }
    connection->rest[0].iov_buf = connection->header;
    connection->rest[0].iov_len = gri_sp_header(connection->mapping, bytes, connection->header);
    connection->rest_count = filled;
    send_rest(connection);

    pthread_mutex_lock(&connection->lock);
    connection->inside--;
    if (connection->inside == 0) {
        pthread_cond_signal(&connection->left);
    }
    pthread_mutex_unlock(&connection->lock);
    return GR_OK;
}

/* ---- making and ending connections ---- */

static gr_connection *connection_new(gr_transport *transport, nng_stream *stream,
                                     gri_sp_mapping mapping, void *dial_token)
{
    gr_connection *connection = gri_calloc(1, sizeof(*connection));

    if (connection == NULL) {
        return NULL;
    }
    if (nng_aio_alloc(&connection->receiving, on_receive, connection) != 0 ||
        nng_aio_alloc(&connection->sending, on_send, connection) != 0) {
        nng_aio_free(connection->receiving);
        gri_free(connection);
        return NULL;
    }
    connection->transport = transport;
    connection->stream = stream;
    connection->mapping = mapping;
    connection->dial_token = dial_token;
    connection->since_ms = gr_system_now(transport->sys);
    pthread_mutex_init(&connection->lock, NULL);
    pthread_cond_init(&connection->left, NULL);
    atomic_init(&connection->refs, 1);
    return connection;
}

/* Takes the stream on success. The greeting goes out; its callback begins to receive. */
static bool connection_start(gr_transport *transport, nng_stream *stream, gri_sp_mapping mapping,
                             void *dial_token)
{
    gr_connection *connection = connection_new(transport, stream, mapping, dial_token);
    gr_connection *oldest = NULL;
    bool stopping = false;

    if (connection == NULL) {
        return false;
    }
    gri_sp_greeting(connection->header);
    connection->rest[0].iov_buf = connection->header;
    connection->rest[0].iov_len = GRI_SP_GREETING_BYTES;
    connection->rest_count = 1;
    connection->inside = 1;
    /* relaxed: nobody else knows it yet; this one is for the rest of this function. */
    atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);

    pthread_mutex_lock(&transport->lock);
    stopping = transport->stopping;
    TAILQ_INSERT_TAIL(&transport->connections, connection, all);
    TAILQ_INSERT_TAIL(&transport->silents, connection, silent);
    connection->is_silent = true;
    if (++transport->silents_count > GREETING_MAX) {
        oldest = TAILQ_FIRST(&transport->silents);
        atomic_fetch_add_explicit(&oldest->refs, 1, memory_order_relaxed); /* under the lock */
        TAILQ_REMOVE(&transport->silents, oldest, silent);
        oldest->is_silent = false;
        transport->silents_count--;
    }
    pthread_mutex_unlock(&transport->lock);

    if (oldest != NULL) {
        connection_fail(oldest, GR_EBUSY, "too many connections that say nothing");
        connection_unref(oldest);
    }
    if (stopping) {
        connection_fail(connection, GR_ESTOPPED, "stopping");
    } else {
        send_rest(connection);
        gr_alarm_set(&transport->alarm, connection->since_ms + TICK_MS);
    }
    pthread_mutex_lock(&connection->lock);
    connection->inside--;
    pthread_cond_signal(&connection->left);
    pthread_mutex_unlock(&connection->lock);
    connection_unref(connection);
    return true;
}

static void reap_connection(gr_transport *transport, gr_connection *connection)
{
    nng_stream_close(connection->stream);
    pthread_mutex_lock(&connection->lock);
    while (connection->inside > 0) {
        pthread_cond_wait(&connection->left, &connection->lock);
    }
    pthread_mutex_unlock(&connection->lock);
    nng_aio_stop(connection->receiving);
    nng_aio_stop(connection->sending);
    nng_stream_free(connection->stream);
    nng_aio_free(connection->receiving);
    nng_aio_free(connection->sending);
    forget_silent(transport, connection);
    if (connection->connected) {
        if (connection->busy) {
            transport->events->sent(transport->self, connection->peer);
        }
        transport->events->closed(transport->self, connection->peer, &connection->why);
    } else if (connection->dial_token != NULL) {
        transport->events->dial_failed(transport->self, connection->dial_token, &connection->why);
    }
    pthread_mutex_lock(&transport->lock);
    TAILQ_REMOVE(&transport->connections, connection, all);
    pthread_cond_broadcast(&transport->changed);
    pthread_mutex_unlock(&transport->lock);
    connection_unref(connection);
}

static void transport_close(gr_connection *connection)
{
    connection_fail(connection, GR_ESTOPPED, "closed by this side");
}

/* ---- dialling ---- */

static void dial_over_locked(gr_transport *transport, dial *attempt)
{
    if (attempt->state == DIAL_UNDER_WAY) {
        attempt->state = DIAL_OVER;
        STAILQ_INSERT_TAIL(&transport->turns, attempt, turn);
        pthread_cond_broadcast(&transport->changed);
    }
}

static void on_dial(void *arg)
{
    dial *attempt = arg;
    gr_transport *transport = attempt->transport;

    pthread_mutex_lock(&transport->lock);
    dial_over_locked(transport, attempt);
    pthread_mutex_unlock(&transport->lock);
}

static void dial_failed(dial *attempt, const char *why)
{
    gr_transport *transport = attempt->transport;

    (void)GRI_FAIL(GR_EUNREACHABLE, "%s", why);
    transport->events->dial_failed(transport->self, attempt->token, gr_last_error());
}

/* NNG says no more than that of a name which does not resolve. */
static const char *why_not_dialled(int rv)
{
    return rv == NNG_EADDRINVAL ? "no host of that name, or no such address"
                                : nng_strerror(rv == 0 ? NNG_ECANCELED : rv);
}

static void reap_dial(gr_transport *transport, dial *attempt, bool stopping)
{
    nng_stream *stream = NULL;
    int rv = 0;

    nng_stream_dialer_close(attempt->dialer);
    nng_aio_stop(attempt->aio);
    rv = nng_aio_result(attempt->aio);
    stream = rv == 0 ? nng_aio_get_output(attempt->aio, 0) : NULL;
    if (stream == NULL) {
        dial_failed(attempt, stopping ? "stopping" : why_not_dialled(rv));
    } else if (!connection_start(transport, stream, attempt->mapping, attempt->token)) {
        dial_failed(attempt, "out of memory");
        nng_stream_close(stream);
        nng_stream_free(stream);
    }
    nng_aio_free(attempt->aio);
    nng_stream_dialer_free(attempt->dialer);
    pthread_mutex_lock(&transport->lock);
    TAILQ_REMOVE(&transport->dials, attempt, all);
    pthread_cond_broadcast(&transport->changed);
    pthread_mutex_unlock(&transport->lock);
    gri_free(attempt);
}

/* The reaper, with the lock held, which it gives up meanwhile. */
static void turn_dial_locked(gr_transport *transport, dial *attempt)
{
    bool stopping = transport->stopping;
    bool begin = attempt->state == DIAL_NEW && !stopping;

    attempt->state = begin ? DIAL_UNDER_WAY : DIAL_OVER;
    pthread_mutex_unlock(&transport->lock);
    if (begin) {
        nng_stream_dialer_dial(attempt->dialer, attempt->aio);
        gr_alarm_set(&transport->alarm, attempt->since_ms + TICK_MS);
    } else {
        reap_dial(transport, attempt, stopping);
    }
    pthread_mutex_lock(&transport->lock);
}

static gri_sp_mapping mapping_of(const char *address)
{
    return strncmp(address, "tcp", 3) == 0 ? GRI_SP_TCP : GRI_SP_IPC;
}

static gr_err fail_address(const char *what, const char *address, int rv)
{
    switch (rv) {
    case NNG_EADDRINUSE:
        return GRI_FAIL(GR_EEXIST,
                        "%s %s: the address is in use; stop who listens there, or choose another "
                        "(port 0 takes a free one)",
                        what, address);
    case NNG_EADDRINVAL:
    case NNG_EINVAL:
    case NNG_ENOTSUP:
        return GRI_FAIL(GR_EINVAL,
                        "%s %s: %s; an address is tcp://HOST:PORT of this machine or ipc://PATH",
                        what, address, nng_strerror(rv));
    case NNG_EPERM:
        return GRI_FAIL(GR_EIO, "%s %s: not allowed; choose a port above 1023 or a path of yours",
                        what, address);
    case NNG_ENOMEM:
        return GRI_FAIL(GR_ENOMEM, "%s %s", what, address);
    default:
        return GRI_FAIL(GR_EIO, "%s %s: %s", what, address, nng_strerror(rv));
    }
}

static gr_err transport_dial(gr_transport *transport, const char *address, void *dial_token)
{
    dial *attempt = gri_calloc(1, sizeof(*attempt));
    int rv = 0;

    if (attempt == NULL) {
        return GRI_FAIL(GR_ENOMEM, "dialling %s", address);
    }
    attempt->transport = transport;
    attempt->token = dial_token;
    attempt->mapping = mapping_of(address);
    attempt->since_ms = gr_system_now(transport->sys);
    rv = nng_aio_alloc(&attempt->aio, on_dial, attempt);
    if (rv == 0) {
        rv = nng_stream_dialer_alloc(&attempt->dialer, address);
    }
    if (rv != 0) {
        nng_aio_free(attempt->aio);
        gri_free(attempt);
        return fail_address("dialling", address, rv);
    }
    if (attempt->mapping == GRI_SP_TCP) {
        (void)nng_stream_dialer_set_bool(attempt->dialer, NNG_OPT_TCP_NODELAY, true);
    }
    pthread_mutex_lock(&transport->lock);
    TAILQ_INSERT_TAIL(&transport->dials, attempt, all);
    STAILQ_INSERT_TAIL(&transport->turns, attempt, turn);
    pthread_cond_broadcast(&transport->changed);
    pthread_mutex_unlock(&transport->lock);
    return GR_OK;
}

/* ---- listening ---- */

/* False: the listener is being closed, which is why accepting failed. */
static bool pause_accepting(listener *self)
{
    gr_transport *transport = self->transport;

    pthread_mutex_lock(&transport->lock);
    self->paused = !transport->stopping;
    pthread_mutex_unlock(&transport->lock);
    return self->paused;
}

static void on_accept(void *arg)
{
    listener *self = arg;
    gr_transport *transport = self->transport;
    int rv = nng_aio_result(self->aio);
    nng_stream *stream = NULL;

    if (rv == 0) {
        stream = nng_aio_get_output(self->aio, 0);
        if (!connection_start(transport, stream, self->mapping, NULL)) {
            nng_stream_close(stream); /* nobody uses it: freeing does not wait */
            nng_stream_free(stream);
        }
        nng_stream_listener_accept(self->listener, self->aio);
    } else if (pause_accepting(self)) {
        gr_system_log(transport->sys, GR_LOG_WARN, "GR-REMOTE-ACCEPT",
                      "accepting a connection failed: %s; the next try is in %d ms",
                      nng_strerror(rv), TICK_MS);
        gr_alarm_set(&transport->alarm, gr_system_now(transport->sys) + TICK_MS);
    }
}

static void listener_free(listener *self)
{
    if (self->listener != NULL) {
        nng_stream_listener_close(self->listener);
    }
    nng_aio_stop(self->aio);
    nng_stream_listener_free(self->listener);
    nng_aio_free(self->aio);
    gri_free(self);
}

/* What was really bound: the host as it was given, with the port that the system chose. */
static gr_err bound_address(listener *self, const char *address, char out[GR_ADDRESS_BYTES_MAX])
{
    nng_sockaddr bound;
    const char *port = strrchr(address, ':');
    uint16_t number = 0;
    int rv = 0;

    if (self->mapping == GRI_SP_IPC) {
        (void)snprintf(out, GR_ADDRESS_BYTES_MAX, "%s", address);
        return GR_OK;
    }
    rv = nng_stream_listener_get_addr(self->listener, NNG_OPT_LOCADDR, &bound);
    if (rv != 0) {
        return fail_address("listening on", address, rv);
    }
    number = bound.s_family == NNG_AF_INET ? bound.s_in.sa_port : bound.s_in6.sa_port;
    (void)snprintf(out, GR_ADDRESS_BYTES_MAX, "%.*s:%u", (int)(port - address), address,
                   (unsigned)ntohs(number));
    return GR_OK;
}

static gr_err transport_listen(gr_transport *transport, const char *address,
                               char out_address[GR_ADDRESS_BYTES_MAX])
{
    listener *self = gri_calloc(1, sizeof(*self));
    gr_err err = GR_OK;
    int rv = 0;

    if (self == NULL) {
        return GRI_FAIL(GR_ENOMEM, "listening on %s", address);
    }
    self->transport = transport;
    self->mapping = mapping_of(address);
    rv = nng_aio_alloc(&self->aio, on_accept, self);
    if (rv == 0) {
        rv = nng_stream_listener_alloc(&self->listener, address);
    }
    if (rv == 0 && self->mapping == GRI_SP_TCP) {
        rv = nng_stream_listener_set_bool(self->listener, NNG_OPT_TCP_NODELAY, true);
    }
    if (rv == 0) {
        rv = nng_stream_listener_listen(self->listener);
    }
    err = rv == 0 ? bound_address(self, address, out_address)
                  : fail_address("listening on", address, rv);
    if (err != GR_OK) {
        listener_free(self);
        return err;
    }
    pthread_mutex_lock(&transport->lock);
    SLIST_INSERT_HEAD(&transport->listeners, self, next);
    pthread_mutex_unlock(&transport->lock);
    nng_stream_listener_accept(self->listener, self->aio);
    return GR_OK;
}

/* ---- the alarm: what takes too long, and accepting again ---- */

static gr_connection *next_silent_over(gr_transport *transport, int64_t before_ms)
{
    gr_connection *connection = NULL;

    pthread_mutex_lock(&transport->lock);
    connection = TAILQ_FIRST(&transport->silents);
    if (connection != NULL && connection->since_ms < before_ms) {
        /* relaxed: the list's own reference keeps it alive meanwhile. */
        atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);
        TAILQ_REMOVE(&transport->silents, connection, silent);
        connection->is_silent = false;
        transport->silents_count--;
    } else {
        connection = NULL;
    }
    pthread_mutex_unlock(&transport->lock);
    return connection;
}

static listener *next_paused(gr_transport *transport)
{
    listener *self = NULL;

    pthread_mutex_lock(&transport->lock);
    SLIST_FOREACH (self, &transport->listeners, next) {
        if (self->paused && !transport->stopping) {
            self->paused = false;
            break;
        }
    }
    pthread_mutex_unlock(&transport->lock);
    return self;
}

static void on_alarm(void *arg)
{
    gr_transport *transport = arg;
    int64_t now = gr_system_now(transport->sys);
    gr_connection *connection = NULL;
    listener *paused = NULL;
    dial *attempt = NULL;
    bool again = false;

    while ((connection = next_silent_over(transport, now - GREETING_TIMEOUT_MS)) != NULL) {
        connection_fail(connection, GR_ETIMEDOUT, "it does not greet");
        connection_unref(connection);
    }
    while ((paused = next_paused(transport)) != NULL) {
        nng_stream_listener_accept(paused->listener, paused->aio);
    }
    pthread_mutex_lock(&transport->lock);
    TAILQ_FOREACH (attempt, &transport->dials, all) {
        if (attempt->since_ms < now - DIAL_TIMEOUT_MS) {
            dial_over_locked(transport, attempt);
        }
    }
    again = !TAILQ_EMPTY(&transport->silents) || !TAILQ_EMPTY(&transport->dials);
    pthread_mutex_unlock(&transport->lock);
    if (again) {
        gr_alarm_set(&transport->alarm, now + TICK_MS);
    }
}

/* ---- the transport ---- */

static void *reaper_run(void *arg)
{
    gr_transport *transport = arg;
    gr_connection *connection = NULL;
    dial *attempt = NULL;

    pthread_mutex_lock(&transport->lock);
    while (!transport->quit) {
        connection = STAILQ_FIRST(&transport->dead);
        attempt = STAILQ_FIRST(&transport->turns);
        if (connection != NULL) {
            STAILQ_REMOVE_HEAD(&transport->dead, dead);
            pthread_mutex_unlock(&transport->lock);
            reap_connection(transport, connection);
            pthread_mutex_lock(&transport->lock);
        }
        if (attempt != NULL) {
            STAILQ_REMOVE_HEAD(&transport->turns, turn);
            turn_dial_locked(transport, attempt);
        }
        if (connection == NULL && attempt == NULL) {
            pthread_cond_wait(&transport->changed, &transport->lock);
        }
    }
    pthread_mutex_unlock(&transport->lock);
    return NULL;
}

static gr_err transport_open(gr_system *sys, void *arg, const gr_transport_events *events,
                             void *self, size_t message_bytes_max, gr_transport **out_transport)
{
    gr_transport *transport = gri_calloc(1, sizeof(*transport));

    (void)arg;
    if (transport == NULL) {
        return GRI_FAIL(GR_ENOMEM, "opening the network");
    }
    transport->sys = sys;
    transport->events = events;
    transport->self = self;
    transport->message_bytes_max = message_bytes_max;
    pthread_mutex_init(&transport->lock, NULL);
    pthread_cond_init(&transport->changed, NULL);
    TAILQ_INIT(&transport->connections);
    TAILQ_INIT(&transport->silents);
    TAILQ_INIT(&transport->dials);
    SLIST_INIT(&transport->listeners);
    STAILQ_INIT(&transport->dead);
    STAILQ_INIT(&transport->turns);
    gr_alarm_init(&transport->alarm, sys, on_alarm, transport);
    if (gri_thread_start(&transport->reaper, "gr-reaper", reaper_run, transport) != 0) {
        gr_alarm_fini(&transport->alarm);
        pthread_mutex_destroy(&transport->lock);
        pthread_cond_destroy(&transport->changed);
        gri_free(transport);
        return GRI_FAIL(GR_EIO, "no thread to be had for closing connections");
    }
    *out_transport = transport;
    return GR_OK;
}

static void fail_all(gr_transport *transport)
{
    gr_connection *connection = NULL;
    dial *attempt = NULL;
    bool found = true;

    pthread_mutex_lock(&transport->lock);
    TAILQ_FOREACH (attempt, &transport->dials, all) {
        dial_over_locked(transport, attempt);
    }
    pthread_mutex_unlock(&transport->lock);
    while (found) {
        found = false;
        pthread_mutex_lock(&transport->lock);
        TAILQ_FOREACH (connection, &transport->connections, all) {
            if (!connection->asked_to_end) {
                connection->asked_to_end = true;
                /* relaxed: the list's own reference keeps it alive meanwhile. */
                atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);
                found = true;
                break;
            }
        }
        pthread_mutex_unlock(&transport->lock);
        if (found) {
            connection_fail(connection, GR_ESTOPPED, "this side stops");
            connection_unref(connection);
        }
    }
}

static void transport_free(gr_transport *take_transport)
{
    gr_transport *transport = take_transport;
    listener *self = NULL;

    pthread_mutex_lock(&transport->lock);
    transport->stopping = true;
    pthread_mutex_unlock(&transport->lock);
    gr_alarm_fini(&transport->alarm); /* from now on it leaves listeners alone */
    while ((self = SLIST_FIRST(&transport->listeners)) != NULL) {
        SLIST_REMOVE_HEAD(&transport->listeners, next);
        listener_free(self);
    }
    fail_all(transport);
    pthread_mutex_lock(&transport->lock);
    while (!TAILQ_EMPTY(&transport->connections) || !TAILQ_EMPTY(&transport->dials)) {
        pthread_cond_wait(&transport->changed, &transport->lock);
    }
    transport->quit = true;
    pthread_cond_broadcast(&transport->changed);
    pthread_mutex_unlock(&transport->lock);
    (void)pthread_join(transport->reaper, NULL);
    gr_alarm_fini(&transport->alarm); /* a dial that was just beginning may have set it again */
    pthread_mutex_destroy(&transport->lock);
    pthread_cond_destroy(&transport->changed);
    gri_free(transport);
}

const gr_transport_ops *gr_transport_nng(void)
{
    static const gr_transport_ops ops = {
        .version = GR_TRANSPORT_VERSION,
        .open = transport_open,
        .listen = transport_listen,
        .dial = transport_dial,
        .send = transport_send,
        .close = transport_close,
        .release = connection_unref,
        .free = transport_free,
    };

    return &ops;
}
