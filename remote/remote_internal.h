/*
 * What the files of the remote layer know of each other: the remote itself, its routes, and the
 * counters. Sessions and links have headers of their own.
 *
 * Who owns what: a remote owns routes (addresses it dials), links (connections) and sessions (other
 * processes). Links and sessions are counted by reference and keep the remote's memory alive.
 * "Control turn" marks what only the control turn touches (control.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_INTERNAL_H
#define GRI_REMOTE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <granary/remote_spi.h>

#include "control.h"
#include "types.h"

typedef struct gri_session gri_session;
typedef struct gri_link gri_link;
typedef struct gri_route gri_route;

#define GRI_REMOTE_COUNTERS(X)                                                                     \
    X(sessions)                                                                                    \
    X(messages_sent)                                                                               \
    X(messages_received)                                                                           \
    X(frames_sent)                                                                                 \
    X(frames_received)                                                                             \
    X(frames_sent_again)                                                                           \
    X(frames_dropped_as_doubles)                                                                   \
    X(bytes_sent)                                                                                  \
    X(bytes_received)                                                                              \
    X(connects)                                                                                    \
    X(connects_failed)                                                                             \
    X(refused)                                                                                     \
    X(sessions_lost)                                                                               \
    X(refused_by_window)                                                                           \
    X(undecodable)

typedef struct gri_remote_counts {
#define GRI_COUNT_FIELD(name) _Atomic uint64_t name;
    GRI_REMOTE_COUNTERS(GRI_COUNT_FIELD)
#undef GRI_COUNT_FIELD
} gri_remote_counts;

/* A plain count: publishes nothing. */
#define GRI_COUNT(remote, name, by)                                                                \
    ((void)atomic_fetch_add_explicit(&(remote)->counts.name, (by), memory_order_relaxed))

struct gr_remote {
    /* Fixed after gr_remote_start(). */
    gr_system *sys; /* borrowed: outlives the remote, but not what keeps its memory alive */
    uint64_t node;
    char *cluster;
    gr_role role;
    uint32_t message_bytes_max;
    uint32_t window_messages;
    uint64_t window_bytes;
    size_t held_bytes_max;
    uint32_t sessions_max, links_max, watches_max;
    int64_t session_timeout_ms, heartbeat_ms, dead_after_ms;
    const gr_transport_ops *ops;
    gr_transport *transport;
    char address[GR_ADDRESS_BYTES_MAX]; /* what others dial */
    bool listening;
    gr_pid self; /* the process that answers look-ups */
    /* Any thread, by their own locks. */
    atomic_uint refs;
    gri_types types;
    gri_control control;
    gri_remote_counts counts;
    atomic_bool stopping;
    _Atomic int64_t now_ms;        /* of the last tick: good enough for who is silent, and cheap */
    _Atomic int64_t noise_from_ms; /* for the limit on what strangers can make us log */
    atomic_uint noise;
    pthread_mutex_t names_lock;
    struct gri_published *published;
    pthread_mutex_t events_lock; /* held while events are told: nothing else is taken under it */
    const gr_peer_events *events;
    void *events_self;
    pthread_rwlock_t peers_lock;
    gri_session *sessions;       /* peers_lock; by node */
    struct gri_known *addresses; /* peers_lock; by node: what was told by gr_remote_set_address() */
    /* Control turn. */
    gri_route *routes;  /* by address */
    bool routes_closed; /* nothing is dialled any more */
    TAILQ_HEAD(, gri_link) links;
    unsigned links_unknown; /* accepted ones that have not said hello */
    unsigned links_known;   /* accepted ones that have */
    gr_alarm tick;
    gri_control_item tick_item, replay_item;
    struct gri_stop *stop; /* somebody waits for everything to end */
};

gr_remote *gri_remote_ref(gr_remote *remote);
void gri_remote_unref(gr_remote *take_remote);

static inline int64_t gri_remote_now(const gr_remote *remote)
{
    return atomic_load_explicit(&remote->now_ms, memory_order_relaxed); /* a plain number */
}

/* Told late by a moment it does no harm: what begins then is ended with the rest. */
static inline bool gri_remote_is_stopping(const gr_remote *remote)
{
    return atomic_load_explicit(&remote->stopping, memory_order_relaxed); /* publishes nothing */
}

/* Logs what strangers can provoke: at most ten lines in a second, then a count of the others. */
void gri_remote_noise(gr_remote *remote, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- address.c: pure ---- */

/* GR_EINVAL naming what is wrong with it; other transports than the default have other schemes. */
gr_err gri_address_check(const gr_remote *remote, const char *address);

/* ---- peers.c: sessions and addresses by node; any thread but where it says otherwise ---- */

/* A reference, or NULL; with `make`, makes one when the node's address is known. */
gri_session *gri_peers_get(gr_remote *remote, uint64_t node, bool make);
/* Control turn: a session for a node that is talking to us; made when there is none. */
gri_session *gri_peers_meet(gr_remote *remote, uint64_t node);
/* Control turn: takes it out of the table; the table's reference goes. */
void gri_peers_remove(gr_remote *remote, gri_session *session);
/* Control turn: any session for which `fits` says true, or NULL; borrowed. */
gri_session *gri_peers_find(gr_remote *remote, bool (*fits)(const gri_session *session, void *arg),
                            void *arg);
/* Control turn: ends what has been unreachable for too long, finds routes for what has none. */
void gri_peers_tick(gr_remote *remote, int64_t now);
/* Control turn: ends every session. */
void gri_peers_end_all(gr_remote *remote, const gr_error *why);
size_t gri_peers_count(gr_remote *remote);
/* References to all of them, in an array to be freed; none when out of memory. */
size_t gri_peers_all(gr_remote *remote, gri_session ***out_sessions);
/* A copy of the address of a node; false when none is known. */
bool gri_peers_address(gr_remote *remote, uint64_t node, char out[GR_ADDRESS_BYTES_MAX]);
void gri_peers_fini(gr_remote *remote);

typedef enum gri_peer_event { GRI_PEER_UP, GRI_PEER_BROKEN, GRI_PEER_LOST } gri_peer_event;
/* Control turn: tells a new listener of the sessions that are up already. */
void gri_peers_replay(gri_control_item *item);
/* Control turn. */
void gri_peers_tell(gr_remote *remote, gri_peer_event event, const gri_session *session,
                    const gr_error *why);

/* ---- route.c: dialling; control turn but where it says otherwise ---- */

/* The route to an address, made when there is none; NULL: out of memory. */
gri_route *gri_route_get(gr_remote *remote, const char *address);
const char *gri_route_address(const gri_route *route);
/* A session that is to be reached through it; one less. */
void gri_route_hold(gri_route *route);
void gri_route_let_go(gri_route *route);
/* A reason to dial has come: dials if it is time and nothing is under way. */
void gri_route_consider(gri_route *route);
/* What came of it: a process that refuses us or that we refuse, with the reason; an open link; a
 * process that keeps another connection. */
void gri_route_failed(gri_route *route, const gr_error *why, bool refused);
void gri_route_up(gri_route *route, uint64_t node);
void gri_route_node(gri_route *route, uint64_t node);
/* The link that it led to is gone; `why` unless it had been open. */
void gri_route_link_gone(gri_route *route, const gr_error *why);
/* A session is up: those who wait for its process. */
void gri_routes_session_up(gr_remote *remote, uint64_t node);
/* Dials what is due, ends what waits too long, forgets what nobody wants. */
void gri_routes_tick(gr_remote *remote, int64_t now);
/* This side stops: tells those who wait for a connection, and those who come later; what sessions
 * still want to hand over is dialled all the same, until it is closed. */
void gri_routes_end_requests(gr_remote *remote);
void gri_routes_dial_no_more(gr_remote *remote);
void gri_routes_fini(gr_remote *remote);
/* Any thread, fibers too: waits until connected. */
gr_err gri_route_connect(gr_remote *remote, const char *address, int64_t timeout_ms,
                         uint64_t *out_node);
/* The transport's event. */
void gri_route_dial_failed(void *token, const gr_error *why);

/* ---- directory.c: what is published ---- */

gr_err gri_directory_open(gr_remote *remote);
void gri_directory_close(gr_remote *remote);
void gri_directory_fini(gr_remote *remote);

#endif
