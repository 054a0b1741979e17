/*
 * Routes: addresses that somebody wants to be connected to, and the attempts to be. One attempt at a
 * time; after a failure the next waits longer, up to a cap, with jitter. Runs in the control turn,
 * but for gri_route_connect(), which waits, and the transport's event.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "session.h"

enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 2000, GRACE_MS = 2000 };

/* Somebody waits for a connection. */
typedef struct request {
    gri_control_item item;
    gr_remote *remote;
    char address[GR_ADDRESS_BYTES_MAX];
    int64_t deadline_ms;
    gr_future *future; /* a reference */
    TAILQ_ENTRY(request) next;
} request;

struct gri_route {
    gr_remote *remote;
    char address[GR_ADDRESS_BYTES_MAX];
    bool added;
    UT_hash_handle hh;
    TAILQ_HEAD(, request) requests;
    unsigned holds;    /* sessions that are reached through it */
    bool busy;         /* dialling, greeting or open */
    unsigned failures; /* in a row */
    unsigned attempts;
    int64_t due_ms; /* not to be dialled before */
    uint64_t node;  /* who was there last, or 0 */
    gr_error last;  /* why the last attempt failed */
    gri_control_item failed_item;
    gr_error dial_error; /* for failed_item */
};

/* What a completed connect carries. */
typedef struct connected {
    uint64_t node;
} connected;

static const gr_type connected_type = GR_TYPE(connected);

static const gr_error stopping = {GR_ESTOPPED, 0, NULL, "this side stops"};

/* ---- those who wait ---- */

/* Without memory for the message the future ends as such: who waits must not wait for ever. */
static void complete(request *take_request, gr_msg *take_msg)
{
    (void)gr_future_complete(take_request->future, take_msg);
    (void)gr_future_unref(take_request->future);
    gri_free(take_request);
}

static void complete_with_node(request *take_request, uint64_t node)
{
    gr_msg *msg = gr_msg_new(&connected_type);

    if (msg != NULL) {
        ((connected *)gr_msg_payload(msg))->node = node;
    }
    complete(take_request, msg);
}

static void complete_all(gri_route *route, uint64_t node, const gr_error *why)
{
    request *waiting = NULL;

    while ((waiting = TAILQ_FIRST(&route->requests)) != NULL) {
        TAILQ_REMOVE(&route->requests, waiting, next);
        if (why == NULL) {
            complete_with_node(waiting, node);
        } else {
            complete(waiting, gr_msg_new_error(why->code, why->text));
        }
    }
}

static bool is_up_at(const gri_session *session, void *arg)
{
    const gri_route *route = arg;

    return session->state == GRI_SESSION_UP &&
           (session->route == route || session->node == route->node);
}

static void on_request(gri_control_item *item)
{
    request *self = (request *)((char *)item - offsetof(request, item));
    gri_route *route = NULL;
    gri_session *session = NULL;

    if (gri_remote_is_stopping(self->remote)) {
        complete(self, gr_msg_new_error(stopping.code, stopping.text));
        return;
    }
    route = gri_route_get(self->remote, self->address);
    if (route == NULL) {
        complete(self, gr_msg_new_error(GR_ENOMEM, NULL));
        return;
    }
    session = gri_peers_find(self->remote, is_up_at, route);
    if (session != NULL) {
        complete_with_node(self, session->node);
        return;
    }
    TAILQ_INSERT_TAIL(&route->requests, self, next);
    gri_route_consider(route);
}

gr_err gri_route_connect(gr_remote *remote, const char *address, int64_t timeout_ms,
                         uint64_t *out_node)
{
    int64_t now = gr_system_now(remote->sys);
    bool forever = timeout_ms > INT64_MAX - GRACE_MS - now;
    request *self = gri_calloc(1, sizeof(*self));
    gr_future *future = NULL;
    gr_msg *reply = NULL;
    gr_err err = self == NULL ? GRI_FAIL(GR_ENOMEM, "connecting to %s", address) : GR_OK;

    if (err == GR_OK) {
        err = gr_future_new(remote->sys, GR_FOREVER, &future);
    }
    if (err != GR_OK) {
        gri_free(self);
        return err;
    }
    self->item.fn = on_request;
    self->remote = remote;
    (void)snprintf(self->address, sizeof(self->address), "%s", address);
    self->deadline_ms = forever ? INT64_MAX : now + timeout_ms;
    self->future = gr_future_ref(future);
    if (!gri_control_post_later(&remote->control, &self->item)) { /* closed: it has stopped */
        complete(self, gr_msg_new_error(stopping.code, stopping.text));
    }
    /* The tick ends it at its deadline, with the reason; the grace is for that. From here on the
     * remote may go away: it is stopped only after everybody who waits has been told. */
    err = gr_await(future, forever ? GR_FOREVER : timeout_ms + GRACE_MS, &reply);
    if (err == GR_OK) {
        const connected *up = gr_msg_read(reply, &connected_type);

        if (up == NULL) { /* somebody has made up where to send it */
            err = GRI_FAIL(GR_EPROTO, "%s: answered with '%s'", address, gr_msg_type(reply)->name);
        } else {
            *out_node = up->node;
        }
        (void)gr_msg_unref(reply);
    } else if (err == GR_ETIMEDOUT) {
        err = GRI_FAIL(GR_EUNREACHABLE, "%s: not connected within %lld ms", address,
                       (long long)timeout_ms);
    }
    (void)gr_future_unref(future);
    return err;
}

/* ---- dialling ---- */

static bool wants(const gri_session *session, void *arg)
{
    return session->route == arg && session->candidate == NULL && session->parked == NULL &&
           (session->state == GRI_SESSION_NEW || session->state == GRI_SESSION_BROKEN);
}

static int64_t backoff_ms(gri_route *route)
{
    int64_t most = route->failures > 5 ? BACKOFF_MAX_MS : BACKOFF_MIN_MS << route->failures;

    most = most > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : most;
    return most / 2 + (int64_t)(gr_system_random(route->remote->sys) % (uint64_t)(most / 2 + 1));
}

static void wait_before_next(gri_route *route)
{
    route->due_ms = gr_system_now(route->remote->sys) + backoff_ms(route);
    route->failures++;
}

static void attempt_failed(gri_route *route, const gr_error *why)
{
    route->busy = false;
    route->last = *why;
    GRI_COUNT(route->remote, connects_failed, 1);
    wait_before_next(route);
    if (route->failures == 1) {
        gri_remote_noise(route->remote, "GR-REMOTE-DIAL", "%s: %s; trying again", route->address,
                         why->text);
    }
}

static void on_failed_item(gri_control_item *item)
{
    gri_route *route = (gri_route *)((char *)item - offsetof(gri_route, failed_item));

    attempt_failed(route, &route->dial_error);
}

void gri_route_dial_failed(void *token, const gr_error *why)
{
    gri_route *route = token;

    route->dial_error = *why; /* the attempt is over: nobody else writes it until the next */
    (void)gri_control_post(&route->remote->control, &route->failed_item);
}

void gri_route_consider(gri_route *route)
{
    gr_remote *remote = route->remote;
    gr_error why;

    if (remote->routes_closed || route->busy || gr_system_now(remote->sys) < route->due_ms ||
        (TAILQ_EMPTY(&route->requests) && gri_peers_find(remote, wants, route) == NULL)) {
        return;
    }
    route->busy = true;
    route->attempts++;
    if (remote->ops->dial(remote->transport, route->address, route) != GR_OK) {
        why = *gr_last_error();
        attempt_failed(route, &why);
        if (why.code == GR_EINVAL) {
            complete_all(route, 0, &why); /* no later attempt can do better */
        }
    }
}

/* ---- what came of it ---- */

void gri_route_failed(gri_route *route, const gr_error *why, bool refused)
{
    gr_error told = *why;

    route->last = *why;
    GRI_COUNT(route->remote, connects_failed, 1);
    if (refused) {
        (void)snprintf(told.text, sizeof(told.text), "%.80s: %.150s", route->address, why->text);
        complete_all(route, 0, &told);
    }
}

void gri_route_up(gri_route *route, uint64_t node)
{
    route->failures = 0;
    route->attempts = 0;
    route->node = node;
}

void gri_route_node(gri_route *route, uint64_t node)
{
    route->node = node;
    if (gri_peers_find(route->remote, is_up_at, route) != NULL) {
        complete_all(route, node, NULL);
    }
}

void gri_route_link_gone(gri_route *route, const gr_error *why)
{
    route->busy = false;
    if (why != NULL && route->last.code == GR_OK) {
        route->last = *why;
    }
    wait_before_next(route);
}

void gri_routes_session_up(gr_remote *remote, uint64_t node)
{
    gri_route *route = NULL, *next = NULL;

    HASH_ITER(hh, remote->routes, route, next)
    {
        if (!TAILQ_EMPTY(&route->requests) && gri_peers_find(remote, is_up_at, route) != NULL) {
            complete_all(route, node, NULL);
        }
    }
}

/* ---- life ---- */

const char *gri_route_address(const gri_route *route)
{
    return route->address;
}

void gri_route_hold(gri_route *route)
{
    route->holds++;
}

void gri_route_let_go(gri_route *route)
{
    route->holds--;
}

gri_route *gri_route_get(gr_remote *remote, const char *address)
{
    gri_route *route = NULL;

    HASH_FIND_STR(remote->routes, address, route);
    if (route != NULL) {
        return route;
    }
    route = gri_calloc(1, sizeof(*route));
    if (route == NULL) {
        return NULL;
    }
    route->remote = remote;
    (void)snprintf(route->address, sizeof(route->address), "%s", address);
    TAILQ_INIT(&route->requests);
    route->failed_item.fn = on_failed_item;
    route->added = true;
    HASH_ADD_STR(remote->routes, address, route);
    if (!route->added) {
        gri_free(route);
        return NULL;
    }
    return route;
}

static void end_overdue(gri_route *route, int64_t now)
{
    request *waiting = NULL, *next = NULL;
    char text[GR_ERROR_TEXT_BYTES];

    for (waiting = TAILQ_FIRST(&route->requests); waiting != NULL; waiting = next) {
        next = TAILQ_NEXT(waiting, next);
        if (waiting->deadline_ms <= now) {
            TAILQ_REMOVE(&route->requests, waiting, next);
            (void)snprintf(text, sizeof(text), "%.80s: not reached in %u attempts: %.100s",
                           route->address, route->attempts,
                           route->last.code == GR_OK ? "no answer" : route->last.text);
            complete(waiting, gr_msg_new_error(GR_EUNREACHABLE, text));
        }
    }
}

static void forget(gri_route *route)
{
    HASH_DEL(route->remote->routes, route);
    gri_free(route);
}

void gri_routes_tick(gr_remote *remote, int64_t now)
{
    gri_route *route = NULL, *next = NULL;

    HASH_ITER(hh, remote->routes, route, next)
    {
        end_overdue(route, now);
        gri_route_consider(route);
        if (!route->busy && route->holds == 0 && TAILQ_EMPTY(&route->requests) &&
            now >= route->due_ms) {
            forget(route);
        }
    }
}

void gri_routes_end_requests(gr_remote *remote)
{
    gri_route *route = NULL, *next = NULL;

    HASH_ITER(hh, remote->routes, route, next)
    {
        complete_all(route, 0, &stopping);
    }
}

void gri_routes_dial_no_more(gr_remote *remote)
{
    remote->routes_closed = true;
}

void gri_routes_fini(gr_remote *remote)
{
    gri_route *route = NULL, *next = NULL;

    HASH_ITER(hh, remote->routes, route, next)
    {
        GRI_INVARIANT(TAILQ_EMPTY(&route->requests));
        forget(route);
    }
}
