/*
 * For those who extend the remote layer: transports, and what the cluster layer needs to know of
 * peers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_REMOTE_SPI_H
#define GRANARY_REMOTE_SPI_H

#include <granary/remote.h>
#include <granary/runtime_spi.h>

GR_BEGIN_DECLS

/* ---- transports
 * -------------------------------------------------------------------------------------------------
 */

enum { GR_TRANSPORT_VERSION = 1, GR_TRANSPORT_PIECES_MAX = 8 };

/** One connection, made by dial() or by a listener. It belongs to the transport and stays valid
 * until it is released, which may be before or after its closed event. */
typedef struct gr_connection gr_connection;

/** A piece of a message to be sent; stays the caller's until the sent event. */
typedef struct gr_piece {
    const void *data;
    size_t bytes;
} gr_piece;

/**
 * What a transport tells. It comes from the transport's threads (or the stepper's), never from
 * inside one of its own functions, must not block, and may call any of them but free(). Of one
 * connection: connected first, then any number of received and sent, then closed, once, when all
 * others have returned. Received events never overlap each other, nor do sent events, but a sent
 * and a received event may come at the same time.
 */
typedef struct gr_transport_events {
    uint32_t version;
    /** A connection is up. `dial_token` is what dial() was given, NULL for accepted ones. Returns
     * what the other events get as `peer`. */
    void *(*connected)(void *self, gr_connection *connection, void *dial_token);
    /** dial() did not lead to a connection; `error` is borrowed. */
    void (*dial_failed)(void *self, void *dial_token, const gr_error *error);
    /** One whole message; `bytes` are borrowed until the event returns. */
    void (*received)(void *self, void *peer, const uint8_t *bytes, size_t count);
    /** The one send in flight has been taken by the network: the pieces are the caller's again.
     * Comes before closed, too, if one was in flight. */
    void (*sent)(void *self, void *peer);
    /** It is gone; `error` is why, borrowed. */
    void (*closed)(void *self, void *peer, const gr_error *error);
} gr_transport_events;

typedef struct gr_transport gr_transport;

typedef struct gr_transport_ops {
    uint32_t version;
    /** Makes a transport for one system. `arg` is gr_remote_options.transport_arg. */
    gr_err (*open)(gr_system *sys, void *arg, const gr_transport_events *events, void *self,
                   size_t message_bytes_max, gr_transport **out_transport);
    /** Listens; `out_address` is what was really bound ("tcp://127.0.0.1:41234"). */
    gr_err (*listen)(gr_transport *transport, const char *address,
                     char out_address[GR_ADDRESS_BYTES_MAX]);
    /** Starts to connect; ends in one connected or one dial_failed event, in bounded time. */
    gr_err (*dial)(gr_transport *transport, const char *address, void *dial_token);
    /** Sends one message of up to GR_TRANSPORT_PIECES_MAX pieces. One at a time for each
     * connection: the next after `sent`. On an error there is no `sent`; closed has come or will.
     */
    gr_err (*send)(gr_connection *connection, const gr_piece *pieces, size_t count);
    /** Asks for the end of a connection; the closed event follows. May be called twice, inside
     * events, and after closed. */
    void (*close)(gr_connection *connection);
    /** The caller will not use this connection any more: once for each connected event. */
    void (*release)(gr_connection *take_connection);
    /** Closes listeners, dials and connections, waits until the last event has returned, and frees.
     * Connections that are not released yet may still be. */
    void (*free)(gr_transport *take_transport);
} gr_transport_ops;

/**
 * NNG streams that speak the SP mapping as a pair0 socket: tcp:// and ipc://. The default.
 *
 * Owns:    borrowed: a constant.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API const gr_transport_ops *gr_transport_nng(void);

/**
 * Whether this is an address that a transport (NULL: NNG's) could listen at or dial, by its form; and
 * whether only this machine can reach it.
 *
 * Owns:    nothing.
 * Errors:  GR_EINVAL naming the address and what one looks like.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_address_check(const gr_transport_ops *transport,
                                             const char *address);
GR_API bool gr_address_is_local(const char *address);

/**
 * An in-memory network for systems that share a stepper, with faults; addresses are "mem://NAME",
 * and a system that does not listen has "mem://" and the 16 hex digits of its node. The transport_arg
 * is the network. A crash: gr_stepped_kill(), gr_remote_free(), gr_system_free(); nobody is said
 * goodbye to, the connections just break.
 *
 * Owns:    borrowed: a constant.
 * Errors:  none.
 * Thread:  the stepper's.
 * Units:   none.
 */
GR_API const gr_transport_ops *gr_transport_memory(void);

typedef struct gr_memory_network gr_memory_network;

/** What the network does to each message from one address to another; probabilities are parts of
 * 10000. Zero: deliver at once, in order. */
typedef struct gr_memory_faults {
    int64_t delay_min_ms, delay_max_ms;
    uint32_t cut_per_10000; /* the connection breaks instead: what was in flight is lost, both ends
                               see closed */
    bool blocked;           /* nothing arrives, nobody is told: a partition */
} gr_memory_faults;

/**
 * A network; frees one; sets the faults from one listening (or client's) address to another (NULL:
 * any).
 *
 * Owns:    yours: free it after the systems that use it.
 * Errors:  GR_ENOMEM.
 * Thread:  the stepper's.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_memory_network_new(gr_stepped *stepped,
                                                  gr_memory_network **out_network);
GR_API gr_memory_network *gr_memory_network_free(gr_memory_network *take_network);
GR_API GR_MUST_CHECK gr_err gr_memory_network_set_faults(gr_memory_network *network,
                                                         const char *from, const char *to,
                                                         const gr_memory_faults *faults);

/* ---- peers, as the cluster layer sees them
 * ------------------------------------------------------------------------ */

/** A peer that this process has a session with. */
typedef struct gr_peer_info {
    uint64_t node;
    gr_role role;
    char address[GR_ADDRESS_BYTES_MAX]; /* what it advertises; "" for a client */
} gr_peer_info;

/** Told of sessions that begin and end, one call at a time, in threads of the transport or of the
 * timers: must be quick, must not block. */
typedef struct gr_peer_events {
    uint32_t version;
    void (*up)(void *self, const gr_peer_info *peer);
    /** The session is over: nothing of it will arrive any more, and gr_terminated has been sent to
     * watchers. */
    void (*lost)(void *self, const gr_peer_info *peer, const gr_error *why);
    /** The connection broke; the session goes on if it comes back in time. A reason to look, no
     * proof. */
    void (*broken)(void *self, const gr_peer_info *peer);
} gr_peer_events;

enum { GR_PEER_EVENTS_VERSION = 1 };

/**
 * Sets who is told of peers; NULL ends it. When it returns the old one is not being called any
 * more. The new one is told of the sessions that are up already; one that comes up meanwhile may be
 * told of twice.
 *
 * Owns:    borrowed.
 * Errors:  none.
 * Thread:  any but inside the events.
 * Units:   none.
 */
GR_API void gr_remote_set_peer_events(gr_remote *remote, const gr_peer_events *events, void *self);

/**
 * Tells where a node listens, so that a message to one of its pids dials it when there is no
 * session; forgets it again: its session, if any, ends at once as lost (requests that were sent end
 * as unknown).
 *
 * Owns:    copies.
 * Errors:  GR_EINVAL a bad address, GR_ENOMEM.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_remote_set_address(gr_remote *remote, uint64_t node,
                                                  const char *address);
GR_API void gr_remote_forget(gr_remote *remote, uint64_t node);

GR_END_DECLS
#endif
