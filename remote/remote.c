/*
 * The remote layer: its start and its stop, what the runtime hands over for pids of other systems,
 * the tick, counters and the dump. Everything else is in the file of its noun.
 *
 * Who calls what: senders (any thread, fibers) come in through the foreign table below; the
 * transport's threads bring what arrives to link.c; the control turn (control.h) does the rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "link.h"
#include "session.h"

enum {
    SESSION_TIMEOUT_MS = 10000,
    HEARTBEAT_MS = 1000,
    DEAD_AFTER_MS = 4000,
    TICK_MS_MIN = 5,
    TICK_MS_MAX = 250,
    NOISE_MAX = 10, /* lines in a second that strangers can make us log */
    FREE_STOP_MS = 2000
};

/* ---- life ---- */

gr_remote *gri_remote_ref(gr_remote *remote)
{
    /* relaxed: the caller has a reference */
    atomic_fetch_add_explicit(&remote->refs, 1, memory_order_relaxed);
    return remote;
}

void gri_remote_unref(gr_remote *take_remote)
{
    gr_remote *remote = take_remote;

    /* acq_rel: what the other holders did comes before the memory goes */
    if (atomic_fetch_sub_explicit(&remote->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    gri_directory_fini(remote);
    gri_types_fini(&remote->types);
    gri_control_fini(&remote->control);
    pthread_mutex_destroy(&remote->names_lock);
    pthread_mutex_destroy(&remote->events_lock);
    pthread_rwlock_destroy(&remote->peers_lock);
    gri_free(remote->cluster);
    gri_free(remote);
}

void gri_remote_noise(gr_remote *remote, const char *id, const char *format, ...)
{
    int64_t now = gri_remote_now(remote);
    char text[256];
    unsigned before = 0;
    va_list args;

    /* relaxed, all of these: a line more or less at the turn of a second does not matter */
    if (now - atomic_load_explicit(&remote->noise_from_ms, memory_order_relaxed) >= 1000) {
        atomic_store_explicit(&remote->noise_from_ms, now, memory_order_relaxed);
        before = atomic_exchange_explicit(&remote->noise, 0, memory_order_relaxed);
        if (before > NOISE_MAX) {
            gr_system_log(remote->sys, GR_LOG_WARN, "GR-REMOTE-NOISE",
                          "%u more lines of this kind were left out", before - NOISE_MAX);
        }
    }
    if (atomic_fetch_add_explicit(&remote->noise, 1, memory_order_relaxed) >= NOISE_MAX) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gr_system_log(remote->sys, GR_LOG_WARN, id, "%s", text);
}

/* ---- what the runtime hands over ---- */

/* What still goes when this side stops: an answer to who waits for it. */
static bool is_owed(gri_session *session, gr_pid to, const gr_msg *msg)
{
    return !gr_msg_is_request(msg) && gri_session_owes(session, to);
}

static gr_err foreign_send(void *self, gr_pid to, gr_msg *take_msg, int64_t deadline_ms)
{
    gr_remote *remote = self;
    gri_session *session = NULL;
    bool again = true;
    gr_err err = GR_OK;

    while (again) {
        bool stopping = gri_remote_is_stopping(remote); /* who passes just before is waited out */

        session = gri_peers_get(remote, to.node, !stopping);
        if (session == NULL || (stopping && !is_owed(session, to, take_msg))) {
            gr_dead_letter_add(remote->sys, to, take_msg, GR_DEAD_UNREACHABLE,
                               stopping ? GR_ENOTRUN : GR_EUNREACHABLE);
            if (session != NULL) {
                gri_session_unref(session);
            }
            return stopping ? GR_ESTOPPED : GR_EUNREACHABLE;
        }
        err = gri_session_send(session, to, take_msg, deadline_ms, &again);
        if (again) {
            /* It has ended and leaves the table in this moment, or has left it. */
            gri_peers_remove(remote, session);
        }
        gri_session_unref(session);
    }
    return err;
}

static gr_err foreign_signal(void *self, const gr_signal *signal)
{
    gr_remote *remote = self;
    gri_session *session = gri_peers_get(remote, signal->to.node, true);
    gr_err err = GR_EUNREACHABLE;

    if (session != NULL) {
        err = gri_session_signal(session, signal);
        gri_session_unref(session);
    }
    return err;
}

static const gr_foreign_ops foreign_ops = {
    .version = GR_FOREIGN_VERSION, .send = foreign_send, .signal = foreign_signal};

/* ---- what the transport tells ---- */

static void dial_failed(void *self, void *dial_token, const gr_error *error)
{
    (void)self;
    gri_route_dial_failed(dial_token, error);
}

static const gr_transport_events transport_events = {
    .version = GR_TRANSPORT_VERSION,
    .connected = gri_link_connected,
    .dial_failed = dial_failed,
    .received = gri_link_received,
    .sent = gri_link_sent,
    .closed = gri_link_closed,
};

/* ---- the tick, and stopping ---- */

/* Somebody waits until all sessions have ended; lives on that thread's stack. */
struct gri_stop {
    gri_control_item item;
    gr_remote *remote;
    int64_t deadline_ms;
    gr_future *future; /* NULL: who waits looks at `over` */
    gr_msg *done;      /* made beforehand, so that telling cannot fail */
    atomic_bool over;
};

static bool has_nothing_to_say(const gri_session *session, void *arg)
{
    (void)arg;
    return session->state != GRI_SESSION_UP &&
           !gri_session_waiting((gri_session *)(uintptr_t)session);
}

static bool says_no_goodbye(const gri_session *session, void *arg)
{
    (void)arg;
    return session->state == GRI_SESSION_UP && !session->leaves;
}

static bool is_left(const gri_session *session, void *arg)
{
    (void)session;
    (void)arg;
    return true;
}

/* From here on the stop belongs to who waits for it, who is about to return. */
static void stop_is_over(struct gri_stop *stop)
{
    gr_future *future = stop->future == NULL ? NULL : gr_future_ref(stop->future);
    gr_msg *done = stop->done;

    /* release: pairs with the acquire of who waits; the stop is not touched after it */
    atomic_store_explicit(&stop->over, true, memory_order_release);
    if (future != NULL) {
        (void)gr_future_complete(future, done);
        (void)gr_future_unref(future);
    }
}

/* What is queued is still handed over; after it the peer is said goodbye to, once, and then closes. When
 * the connection breaks before, the next one goes on with that. */
static void go_on_stopping(gr_remote *remote, int64_t now)
{
    struct gri_stop *stop = remote->stop;
    const gr_error why = {GR_ESTOPPED, 0, NULL, "this side stops"};
    gri_session *session = NULL;

    if (stop == NULL) {
        return;
    }
    while ((session = gri_peers_find(remote, has_nothing_to_say, NULL)) != NULL) {
        gri_session_end(session, &why);
    }
    if (now >= stop->deadline_ms) {
        gri_peers_end_all(remote, &why);
    }
    while ((session = gri_peers_find(remote, says_no_goodbye, NULL)) != NULL) {
        session->leaves = true;
        gri_session_say_goodbye(session);
    }
    if (gri_peers_find(remote, is_left, NULL) == NULL) {
        gri_routes_dial_no_more(remote);
        remote->stop = NULL;
        stop_is_over(stop);
    }
}

static void on_tick_item(gri_control_item *item)
{
    gr_remote *remote = (gr_remote *)((char *)item - offsetof(gr_remote, tick_item));
    int64_t now = gr_system_now(remote->sys);

    gri_links_tick(remote, now);
    gri_peers_tick(remote, now);
    gri_routes_tick(remote, now);
    go_on_stopping(remote, now);
}

static void on_tick(void *arg)
{
    gr_remote *remote = arg;
    int64_t now = gr_system_now(remote->sys);
    int64_t every_ms = remote->heartbeat_ms / 4;

    every_ms = every_ms < TICK_MS_MIN ? TICK_MS_MIN : every_ms;
    every_ms = every_ms > TICK_MS_MAX ? TICK_MS_MAX : every_ms;
    /* relaxed: a number for who needs no exact time */
    atomic_store_explicit(&remote->now_ms, now, memory_order_relaxed);
    (void)gri_control_post(&remote->control, &remote->tick_item);
    gr_alarm_set(&remote->tick, now + every_ms);
}

static void on_stop_item(gri_control_item *item)
{
    struct gri_stop *stop = (struct gri_stop *)((char *)item - offsetof(struct gri_stop, item));

    stop->remote->stop = stop;
    gri_routes_end_requests(stop->remote);
    go_on_stopping(stop->remote, gr_system_now(stop->remote->sys));
}

/* Ends all sessions in the control turn, politely as far as that goes in time. In a system that was
 * killed there is no future to be had, and no time either: then this thread does it all. */
static void end_sessions(gr_remote *remote, int64_t timeout_ms)
{
    struct gri_stop stop = {.item = {.fn = on_stop_item}, .remote = remote};
    gr_msg *reply = NULL;

    stop.done = gr_msg_new_error(GR_ESTOPPED, NULL);
    if (stop.done == NULL || gr_future_new(remote->sys, GR_FOREVER, &stop.future) != GR_OK) {
        (void)gr_msg_unref(stop.done);
        stop.future = NULL;
        timeout_ms = 0;
    }
    stop.deadline_ms = gr_system_now(remote->sys) + (timeout_ms < 0 ? 0 : timeout_ms);
    (void)gri_control_post(&remote->control, &stop.item);
    if (stop.future != NULL) {
        if (gr_await(stop.future, GR_FOREVER, &reply) == GR_OK) { /* it is an error, by its type */
            (void)gr_msg_unref(reply);
        }
        (void)gr_future_unref(stop.future);
    }
    /* acquire: all that was done to end them */
    while (!atomic_load_explicit(&stop.over, memory_order_acquire)) {
        gri_control_help(&remote->control); /* no future: the timers of a killed system are still */
        (void)sched_yield();                /* another thread may be at it */
    }
}

/* The order matters: first nobody new comes in by the foreign table, those who wait inside are woken
 * and nothing is dialled any more; then they are waited out and the tick ends; then the network goes,
 * and with it the last events. */
void gr_remote_stop(gr_remote *remote, int64_t timeout_ms)
{
    const gr_error why = {GR_ESTOPPED, 0, NULL, "this side stops"};

    /* relaxed: whoever sees it late is waited out below */
    if (atomic_exchange_explicit(&remote->stopping, true, memory_order_relaxed)) {
        return;
    }
    end_sessions(remote, timeout_ms);
    gr_system_set_foreign(remote->sys, NULL, NULL);
    gri_directory_close(remote);
    gr_alarm_fini(&remote->tick);
    remote->ops->free(remote->transport);
    gri_control_close(&remote->control);
    /* Nobody else is left: this thread has the control turn. */
    gri_peers_end_all(remote, &why);
    gri_routes_fini(remote);
    gri_peers_fini(remote);
}

gr_remote *gr_remote_free(gr_remote *take_remote)
{
    if (take_remote != NULL) {
        gr_remote_stop(take_remote, FREE_STOP_MS);
        gri_remote_unref(take_remote);
    }
    return NULL;
}

/* ---- starting ---- */

static gr_err check_options(const gr_remote_options *options)
{
    if (options->cluster != NULL &&
        (options->cluster[0] == '\0' || strlen(options->cluster) > GRI_CLUSTER_BYTES_MAX)) {
        return GRI_FAIL(GR_EINVAL, "a cluster's name has 1 to %d bytes", GRI_CLUSTER_BYTES_MAX);
    }
    if (options->role != 0 && options->role != GR_ROLE_NODE && options->role != GR_ROLE_CLIENT) {
        return GRI_FAIL(GR_EINVAL, "%d is no role", (int)options->role);
    }
    if (options->message_bytes_max > UINT32_MAX / 2 || options->session_timeout_ms < 0 ||
        options->heartbeat_ms < 0 || options->dead_after_ms < 0) {
        return GRI_FAIL(GR_EINVAL, "message_bytes_max is at most %u, and times are not negative",
                        UINT32_MAX / 2);
    }
    if (options->held_bytes_max != 0 && options->held_bytes_max < GR_HELD_BYTES_MIN) {
        return GRI_FAIL(GR_EINVAL, "held_bytes_max %zu: at least %d", options->held_bytes_max,
                        GR_HELD_BYTES_MIN);
    }
    if (options->transport != NULL && options->transport->version != GR_TRANSPORT_VERSION) {
        return GRI_FAIL(GR_EINVAL, "a transport of version %u, version %d is needed",
                        options->transport->version, GR_TRANSPORT_VERSION);
    }
    return GR_OK;
}

static gr_err take_options(gr_remote *remote, const gr_remote_options *options)
{
    gr_err err = check_options(options);

    if (err != GR_OK) {
        return err;
    }
    remote->ops = options->transport == NULL ? gr_transport_nng() : options->transport;
    remote->role = options->role != 0        ? options->role
                   : options->listen != NULL ? GR_ROLE_NODE
                                             : GR_ROLE_CLIENT;
    remote->message_bytes_max = options->message_bytes_max == 0
                                    ? GR_MESSAGE_BYTES_MAX_DEFAULT
                                    : (uint32_t)options->message_bytes_max;
    remote->window_messages =
        options->window_messages == 0 ? GR_WINDOW_MESSAGES_DEFAULT : options->window_messages;
    remote->window_bytes =
        options->window_bytes == 0 ? GR_WINDOW_BYTES_DEFAULT : options->window_bytes;
    remote->held_bytes_max =
        options->held_bytes_max == 0 ? GR_HELD_BYTES_DEFAULT : options->held_bytes_max;
    remote->sessions_max =
        options->sessions_max == 0 ? GR_SESSIONS_MAX_DEFAULT : options->sessions_max;
    remote->links_max = options->links_max != 0                 ? options->links_max
                        : remote->sessions_max > UINT32_MAX / 2 ? UINT32_MAX
                                                                : 2 * remote->sessions_max;
    remote->watches_max = options->watches_max == 0 ? GR_WATCHES_MAX_DEFAULT : options->watches_max;
    remote->session_timeout_ms =
        options->session_timeout_ms == 0 ? SESSION_TIMEOUT_MS : options->session_timeout_ms;
    remote->heartbeat_ms = options->heartbeat_ms == 0 ? HEARTBEAT_MS : options->heartbeat_ms;
    remote->dead_after_ms = options->dead_after_ms == 0 ? DEAD_AFTER_MS : options->dead_after_ms;
    remote->cluster = gri_strdup(options->cluster == NULL ? "default" : options->cluster);
    if (remote->cluster == NULL) {
        return GRI_FAIL(GR_ENOMEM, "starting the remote layer");
    }
    if (options->listen != NULL) {
        err = gri_address_check(remote, options->listen);
    }
    if (err == GR_OK && options->advertise != NULL) {
        err = gri_address_check(remote, options->advertise);
    }
    if (err == GR_OK && options->listen != NULL && !options->insecure &&
        !gr_address_is_local(options->listen)) {
        return GRI_FAIL(GR_EREFUSED,
                        "%s can be reached from other machines and is not protected by TLS; listen "
                        "on 127.0.0.1 or set `insecure` (--insecure) where the network is trusted",
                        options->listen);
    }
    return err;
}

static gr_err begin_listening(gr_remote *remote, const gr_remote_options *options)
{
    char bound[GR_ADDRESS_BYTES_MAX];
    gr_err err = GR_OK;

    if (options->listen == NULL) {
        return GR_OK;
    }
    /* Who connects at once is heard when the control turn begins, and the address is known by then. */
    err = remote->ops->listen(remote->transport, options->listen, bound);
    if (err == GR_OK) {
        remote->listening = true;
        (void)snprintf(remote->address, sizeof(remote->address), "%s",
                       options->advertise == NULL ? bound : options->advertise);
    }
    return err;
}

static gr_remote *remote_new(gr_system *sys)
{
    gr_remote *remote = gri_calloc(1, sizeof(*remote));

    if (remote == NULL) {
        return NULL;
    }
    remote->sys = sys;
    remote->node = gr_system_node(sys);
    atomic_init(&remote->refs, 1);
    atomic_init(&remote->now_ms, gr_system_now(sys));
    gri_types_init(&remote->types);
    gri_control_init(&remote->control, sys);
    pthread_mutex_init(&remote->names_lock, NULL);
    pthread_mutex_init(&remote->events_lock, NULL);
    pthread_rwlock_init(&remote->peers_lock, NULL);
    TAILQ_INIT(&remote->links);
    remote->tick_item.fn = on_tick_item;
    remote->replay_item.fn = gri_peers_replay;
    gr_alarm_init(&remote->tick, sys, on_tick, remote);
    return remote;
}

gr_err gr_remote_start(gr_system *sys, const gr_remote_options *options, gr_remote **out_remote)
{
    static const gr_remote_options defaults = {0};
    gr_remote *remote = remote_new(sys);
    gr_err err = GR_OK;

    if (remote == NULL) {
        return GRI_FAIL(GR_ENOMEM, "starting the remote layer");
    }
    options = options == NULL ? &defaults : options;
    err = take_options(remote, options);
    if (err == GR_OK) {
        err = gri_directory_open(remote);
    }
    if (err == GR_OK) {
        err = remote->ops->open(sys, options->transport_arg, &transport_events, remote,
                                GRI_FRAME_BYTES_MAX, &remote->transport);
    }
    if (err == GR_OK) {
        err = begin_listening(remote, options);
        if (err != GR_OK) {
            remote->ops->free(remote->transport);
        }
    }
    if (err == GR_OK) {
        gr_system_set_foreign(sys, &foreign_ops, remote);
    }
    gri_control_begin(&remote->control);
    if (err != GR_OK) {
        gri_directory_close(remote);
        gr_alarm_fini(&remote->tick);
        gri_control_close(&remote->control);
        gri_remote_unref(remote);
        return err;
    }
    gr_alarm_set(&remote->tick, gr_system_now(sys));
    *out_remote = remote;
    return GR_OK;
}

/* ---- the rest of the interface ---- */

const char *gr_remote_address(const gr_remote *remote)
{
    return remote->address;
}

gr_err gr_remote_add_types(gr_remote *remote, const gr_type *const *types, size_t count)
{
    gr_err err = GR_OK;

    for (size_t i = 0; i < count && err == GR_OK; i++) {
        err = gri_types_add(&remote->types, types[i]);
    }
    return err;
}

gr_err gr_remote_connect(gr_remote *remote, const char *address, int64_t timeout_ms,
                         uint64_t *out_node)
{
    gr_err err = gri_address_check(remote, address);

    if (err != GR_OK) {
        return err;
    }
    if (gri_remote_is_stopping(remote)) {
        return GRI_FAIL(GR_ESTOPPED, "connecting to %s: this side stops", address);
    }
    if (strcmp(address, remote->address) == 0) {
        *out_node = remote->node;
        return GR_OK;
    }
    return gri_route_connect(remote, address, timeout_ms, out_node);
}

gr_remote_counters gr_remote_read_counters(gr_remote *remote)
{
    gr_remote_counters counters;

#define GRI_COUNT_READ(name)                                                                       \
    counters.name = atomic_load_explicit(&remote->counts.name, memory_order_relaxed);
    GRI_REMOTE_COUNTERS(GRI_COUNT_READ) /* plain counts */
#undef GRI_COUNT_READ
    return counters;
}

static void dump_session(gri_session *session, FILE *out)
{
    static const char *const state_names[] = {"new", "up", "broken", "ended"};

    pthread_mutex_lock(&session->lock);
    (void)fprintf(out,
                  "  session %016" PRIx64 " %s: held %zu bytes, sent %" PRIu64 " acked %" PRIu64
                  ", received %" PRIu64 ", window %" PRIu64 "/%" PRIu64 " messages %" PRIu64
                  "/%" PRIu64 " bytes, asked %u, owed %u, watching %u, watched %u%s\n",
                  session->node, state_names[session->state], session->outbox.held_bytes,
                  session->outbox.last_seq, session->outbox.acked, session->received_seq,
                  session->window.taken_messages - session->window.released_messages,
                  session->window.messages_max,
                  session->window.taken_bytes - session->window.released_bytes,
                  session->window.bytes_max, session->asked.used, session->owed.used,
                  gri_watches_count(&session->watching), gri_watches_count(&session->watched),
                  TAILQ_EMPTY(&session->waiters) ? "" : ", senders wait");
    pthread_mutex_unlock(&session->lock);
}

void gr_remote_dump(gr_remote *remote, FILE *out)
{
    gr_remote_counters counters = gr_remote_read_counters(remote);
    gri_session **sessions = NULL;
    size_t count = gri_peers_all(remote, &sessions);

    (void)fprintf(out, "remote %016" PRIx64 " %s\n", remote->node,
                  remote->listening ? remote->address : "(dials only)");
#define GRI_COUNT_DUMP(name) (void)fprintf(out, "  " #name " %" PRIu64 "\n", counters.name);
    GRI_REMOTE_COUNTERS(GRI_COUNT_DUMP)
#undef GRI_COUNT_DUMP
    for (size_t i = 0; i < count; i++) {
        dump_session(sessions[i], out);
        gri_session_unref(sessions[i]);
    }
    gri_free(sessions);
}
