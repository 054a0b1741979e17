/*
 * Peers: sessions by node, the addresses that were told for nodes, and who is told of peers. Looked up
 * by every send, under a lock for reading; changed in the control turn, and by a send to a node whose
 * address is known and that has no session yet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "session.h"

/* What gr_remote_set_address() has told. */
struct gri_known {
    uint64_t node;
    char address[GR_ADDRESS_BYTES_MAX];
    bool added;
    UT_hash_handle hh;
};

static gri_session *find_locked(gr_remote *remote, uint64_t node)
{
    gri_session *session = NULL;

    HASH_FIND(hh, remote->sessions, &node, sizeof(node), session);
    return session;
}

static struct gri_known *known_locked(gr_remote *remote, uint64_t node)
{
    struct gri_known *known = NULL;

    HASH_FIND(hh, remote->addresses, &node, sizeof(node), known);
    return known;
}

static void give_route(gri_session *session)
{
    char address[GR_ADDRESS_BYTES_MAX];

    if (session->route == NULL && gri_peers_address(session->remote, session->node, address)) {
        session->route = gri_route_get(session->remote, address);
        if (session->route != NULL) {
            gri_route_hold(session->route);
        }
    }
}

static void on_start_item(gri_control_item *item)
{
    gri_session *session = (gri_session *)((char *)item - offsetof(gri_session, start_item));

    if (session->state != GRI_SESSION_ENDED) {
        give_route(session);
        if (session->route != NULL) {
            gri_route_consider(session->route);
        }
    }
    gri_session_unref(session);
}

/* A reference; NULL: out of memory. */
static gri_session *add_locked(gr_remote *remote, uint64_t node)
{
    gri_session *session = gri_session_new(remote, node);

    if (session == NULL) {
        return NULL;
    }
    session->start_item.fn = on_start_item;
    session->added = true;
    HASH_ADD(hh, remote->sessions, node, sizeof(session->node), session);
    if (!session->added) {
        gri_session_unref(session);
        return NULL;
    }
    return gri_session_ref(session); /* the table has the first */
}

static void start(gri_session *session)
{
    (void)gri_session_ref(session); /* the item's */
    if (!gri_control_post_later(&session->remote->control, &session->start_item)) {
        gri_session_unref(session);
    }
}

gri_session *gri_peers_get(gr_remote *remote, uint64_t node, bool make)
{
    gri_session *session = NULL;
    bool fresh = false;

    pthread_rwlock_rdlock(&remote->peers_lock);
    session = find_locked(remote, node);
    if (session != NULL) {
        (void)gri_session_ref(session);
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    if (session != NULL || !make) {
        return session;
    }
    pthread_rwlock_wrlock(&remote->peers_lock);
    session = find_locked(remote, node);
    if (session != NULL) {
        (void)gri_session_ref(session);
    } else if (known_locked(remote, node) != NULL) {
        session = add_locked(remote, node);
        fresh = session != NULL;
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    if (fresh) {
        start(session);
    }
    return session;
}

gri_session *gri_peers_meet(gr_remote *remote, uint64_t node)
{
    gri_session *session = NULL;

    pthread_rwlock_wrlock(&remote->peers_lock);
    session = find_locked(remote, node);
    if (session != NULL) {
        (void)gri_session_ref(session);
    } else {
        session = add_locked(remote, node);
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    return session;
}

void gri_peers_remove(gr_remote *remote, gri_session *session)
{
    bool removed = false;

    pthread_rwlock_wrlock(&remote->peers_lock);
    removed = find_locked(remote, session->node) == session;
    if (removed) {
        HASH_DEL(remote->sessions, session);
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    if (removed) {
        gri_session_unref(session);
    }
}

gri_session *gri_peers_find(gr_remote *remote, bool (*fits)(const gri_session *session, void *arg),
                            void *arg)
{
    gri_session *session = NULL, *next = NULL, *found = NULL;

    pthread_rwlock_rdlock(&remote->peers_lock);
    HASH_ITER(hh, remote->sessions, session, next)
    {
        if (fits(session, arg)) {
            found = session;
            break;
        }
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    return found; /* only the control turn takes sessions out */
}

size_t gri_peers_count(gr_remote *remote)
{
    size_t count = 0;

    pthread_rwlock_rdlock(&remote->peers_lock);
    count = HASH_COUNT(remote->sessions);
    pthread_rwlock_unlock(&remote->peers_lock);
    return count;
}

size_t gri_peers_all(gr_remote *remote, gri_session ***out_sessions)
{
    gri_session *session = NULL, *next = NULL;
    gri_session **sessions = NULL;
    size_t count = 0;

    pthread_rwlock_rdlock(&remote->peers_lock);
    sessions = gri_calloc(HASH_COUNT(remote->sessions), sizeof(gri_session *));
    if (sessions != NULL) {
        HASH_ITER(hh, remote->sessions, session, next)
        {
            sessions[count++] = gri_session_ref(session);
        }
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    *out_sessions = sessions;
    return count;
}

bool gri_peers_address(gr_remote *remote, uint64_t node, char out[GR_ADDRESS_BYTES_MAX])
{
    struct gri_known *known = NULL;

    pthread_rwlock_rdlock(&remote->peers_lock);
    known = known_locked(remote, node);
    if (known != NULL) {
        (void)snprintf(out, GR_ADDRESS_BYTES_MAX, "%s", known->address);
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    return known != NULL;
}

/* ---- the tick ---- */

static bool is_overdue(const gri_session *session, void *arg)
{
    const int64_t *before_ms = arg;

    return session->state != GRI_SESSION_UP && session->since_ms < *before_ms;
}

void gri_peers_tick(gr_remote *remote, int64_t now)
{
    int64_t before_ms = now - remote->session_timeout_ms;
    gri_session *session = NULL;
    gr_error why;

    while ((session = gri_peers_find(remote, is_overdue, &before_ms)) != NULL) {
        (void)GRI_FAIL(GR_ENODELOST, "unreachable for %lld ms",
                       (long long)remote->session_timeout_ms);
        why = *gr_last_error();
        gri_session_end(session, &why);
    }
}

static bool is_any(const gri_session *session, void *arg)
{
    (void)session;
    (void)arg;
    return true;
}

void gri_peers_end_all(gr_remote *remote, const gr_error *why)
{
    gri_session *session = NULL;

    while ((session = gri_peers_find(remote, is_any, NULL)) != NULL) {
        gri_session_end(session, why);
    }
}

void gri_peers_fini(gr_remote *remote)
{
    struct gri_known *known = NULL, *next = NULL;

    HASH_ITER(hh, remote->addresses, known, next)
    {
        HASH_DEL(remote->addresses, known);
        gri_free(known);
    }
}

/* ---- who is told ---- */

void gri_peers_tell(gr_remote *remote, gri_peer_event event, const gri_session *session,
                    const gr_error *why)
{
    pthread_mutex_lock(&remote->events_lock);
    if (remote->events != NULL) {
        switch (event) {
        case GRI_PEER_UP:
            remote->events->up(remote->events_self, &session->info);
            break;
        case GRI_PEER_BROKEN:
            remote->events->broken(remote->events_self, &session->info);
            break;
        case GRI_PEER_LOST:
            remote->events->lost(remote->events_self, &session->info, why);
            break;
        }
    }
    pthread_mutex_unlock(&remote->events_lock);
}

void gri_peers_replay(gri_control_item *item)
{
    gr_remote *remote = (gr_remote *)((char *)item - offsetof(gr_remote, replay_item));
    gri_session **sessions = NULL;
    size_t count = gri_peers_all(remote, &sessions);

    for (size_t i = 0; i < count; i++) {
        if (sessions[i]->id != 0 && sessions[i]->state != GRI_SESSION_ENDED) {
            gri_peers_tell(remote, GRI_PEER_UP, sessions[i], NULL);
        }
        gri_session_unref(sessions[i]);
    }
    gri_free(sessions);
}

void gr_remote_set_peer_events(gr_remote *remote, const gr_peer_events *events, void *self)
{
    pthread_mutex_lock(&remote->events_lock);
    remote->events = events;
    remote->events_self = self;
    pthread_mutex_unlock(&remote->events_lock);
    (void)gri_control_post_later(&remote->control, &remote->replay_item);
}

/* ---- addresses ---- */

gr_err gr_remote_set_address(gr_remote *remote, uint64_t node, const char *address)
{
    struct gri_known *fresh = NULL, *known = NULL;
    gri_session *session = NULL;
    gr_err err = gri_address_check(remote, address);

    char before[GR_ADDRESS_BYTES_MAX];

    if (err != GR_OK) {
        return err;
    }
    if (gri_peers_address(remote, node, before) && strcmp(before, address) == 0) {
        return GR_OK;
    }
    fresh = gri_calloc(1, sizeof(*fresh));
    if (fresh == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the address of node %016" PRIx64, node);
    }
    pthread_rwlock_wrlock(&remote->peers_lock);
    known = known_locked(remote, node);
    if (known == NULL) {
        known = fresh;
        known->node = node;
        known->added = true;
        HASH_ADD(hh, remote->addresses, node, sizeof(known->node), known);
        fresh = known->added ? NULL : known;
        known = known->added ? known : NULL;
    }
    if (known != NULL) {
        (void)snprintf(known->address, sizeof(known->address), "%s", address);
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    gri_free(fresh);
    session = gri_peers_get(remote, node, false);
    if (session != NULL) {
        start(session); /* it may have waited for an address */
        gri_session_unref(session);
    }
    return known != NULL ? GR_OK : GRI_FAIL(GR_ENOMEM, "the address of node %016" PRIx64, node);
}

void gr_remote_forget(gr_remote *remote, uint64_t node)
{
    gri_session *session = NULL;
    struct gri_known *known = NULL;

    pthread_rwlock_wrlock(&remote->peers_lock);
    known = known_locked(remote, node);
    if (known != NULL) {
        HASH_DEL(remote->addresses, known);
    }
    session = find_locked(remote, node);
    if (session != NULL) {
        (void)gri_session_ref(session);
    }
    pthread_rwlock_unlock(&remote->peers_lock);
    gri_free(known);
    if (session != NULL) {
        gri_session_ask_end(session, GR_ENODELOST, "it was given up");
        gri_session_unref(session);
    }
}
