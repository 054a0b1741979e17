/*
 * The remote layer: the same actors across processes. A pid of another process is used like any
 * other: gr_send(), gr_request(), gr_watch() and futures are the same calls. This is the one header
 * an application includes for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_REMOTE_H
#define GRANARY_REMOTE_H

#include <granary/runtime.h>

GR_BEGIN_DECLS

typedef struct gr_remote gr_remote;

/** What a process is to its peers. Numbers cross the wire. */
typedef enum gr_role { GR_ROLE_NODE = 1, GR_ROLE_CLIENT = 2 } gr_role;

/** For <granary/remote_spi.h>. */
struct gr_transport_ops;

enum {
    GR_ADDRESS_BYTES_MAX = 256,
    GR_MESSAGE_BYTES_MAX_DEFAULT = 4 * 1024 * 1024,
    GR_WINDOW_MESSAGES_DEFAULT = 8192,
    GR_WINDOW_BYTES_DEFAULT = 8 * 1024 * 1024,
    GR_HELD_BYTES_DEFAULT = 64 * 1024 * 1024,
    GR_HELD_BYTES_MIN = 1024 * 1024,
    GR_SESSIONS_MAX_DEFAULT = 4096,
    GR_WATCHES_MAX_DEFAULT = 1000000
};

/** Zero in a field means its default. Strings are copied. */
typedef struct gr_remote_options {
    const char *cluster; /* peers with another cluster name are refused; default "default" */
    const char *listen;  /* "tcp://127.0.0.1:0", "ipc:///run/a.sock"; NULL: only dial out */
    const char
        *advertise; /* what others dial; default: the address listened on, with its real port */
    gr_role role;   /* default GR_ROLE_NODE when listening, else GR_ROLE_CLIENT */
    size_t message_bytes_max; /* a larger message is refused at its sender */
    uint32_t window_messages; /* what a peer may have in use here, at most */
    size_t window_bytes;
    size_t held_bytes_max; /* what is kept for a peer until it acknowledges; a larger window than
                              this is not believed; at least GR_HELD_BYTES_MIN */
    uint32_t sessions_max; /* processes that this one talks to; others that come are refused as
                              GR_EBUSY. Nodes may be a quarter more: clients do not keep them out */
    uint32_t links_max;    /* connections that have said hello; others are closed; default twice
                              sessions_max */
    uint32_t watches_max;  /* pairs of actors that watch across one session, in each direction; who
                              watches more breaks the protocol, and so does who has twice as many
                              watches and unwatches wait for actors that are busy */
    int64_t session_timeout_ms; /* a peer unreachable for longer is lost; default 10000 */
    int64_t heartbeat_ms;       /* when idle; default 1000 */
    int64_t dead_after_ms;      /* a connection silent for longer is given up; default 4000 */
    bool insecure;              /* listen beyond loopback without TLS */
    const struct gr_transport_ops *transport; /* default: NNG streams */
    void *transport_arg;
} gr_remote_options;

/**
 * Opens a system to other processes. One for each system.
 *
 * Owns:    yours: gr_remote_stop() and gr_remote_free() it before the system.
 * Errors:  GR_EINVAL a bad option or address, GR_EEXIST the address is in use, GR_EREFUSED
 *          listening beyond loopback without TLS and without `insecure`, GR_EIO, GR_ENOMEM. The
 *          detail names the value and the remedy.
 * Thread:  any but handlers.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_remote_start(gr_system *sys, const gr_remote_options *options,
                                            gr_remote **out_remote);

/**
 * Says goodbye to all peers, hands over what is queued for them as far as that goes in time, and
 * closes everything.
 *
 * Owns:    nothing; what could not be handed over becomes dead letters.
 * Errors:  none; stopping twice is harmless.
 * Thread:  any but handlers.
 * Units:   milliseconds.
 */
GR_API void gr_remote_stop(gr_remote *remote, int64_t timeout_ms);

/**
 * Frees it, stopping it first when that has not been done.
 *
 * Owns:    takes it and returns NULL; NULL is fine.
 * Errors:  none.
 * Thread:  any but handlers.
 * Units:   none.
 */
GR_API gr_remote *gr_remote_free(gr_remote *take_remote);

/**
 * The address others dial, with the real port; "" when not listening.
 *
 * Owns:    borrowed: as long as the remote.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API const char *gr_remote_address(const gr_remote *remote);

/**
 * Makes types known by name, so that messages of them can be received. Types that are only sent
 * need not be added.
 *
 * Owns:    borrowed: they live as long as the remote.
 * Errors:  GR_EINVAL a type without a codec, GR_EEXIST another type has that name, GR_ENOMEM.
 * Thread:  any.
 * Units:   `count` types.
 */
GR_API GR_MUST_CHECK gr_err gr_remote_add_types(gr_remote *remote, const gr_type *const *types,
                                                size_t count);

/**
 * Lets peers find an actor of this process by a name.
 *
 * Owns:    copies the name.
 * Errors:  GR_EINVAL a bad name, GR_EEXIST the name is published, GR_ENOMEM.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_remote_publish(gr_remote *remote, const char *name, gr_pid pid);

/**
 * Connects to a process, if need be, and waits until both sides have agreed to talk.
 *
 * Owns:    a value: the other system's part of its pids.
 * Errors:  GR_EINVAL a bad address, GR_EUNREACHABLE nobody answers there in time, GR_EREFUSED or
 *          GR_EMISMATCH with the reason given by the other side, GR_ESTOPPED.
 * Thread:  any; in a handler the fiber waits.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_remote_connect(gr_remote *remote, const char *address,
                                              int64_t timeout_ms, uint64_t *out_node);

/**
 * Connects, if need be, and looks up what the process at `address` has published under a name.
 *
 * Owns:    a value.
 * Errors:  as gr_remote_connect(); GR_ENOTFOUND nothing is published under that name; GR_ETIMEDOUT.
 * Thread:  any; in a handler the fiber waits.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_remote_find(gr_remote *remote, const char *address, const char *name,
                                           int64_t timeout_ms, gr_pid *out_pid);

/** What the remote layer has counted since its start. */
typedef struct gr_remote_counters {
    uint64_t sessions; /* now */
    uint64_t messages_sent, messages_received;
    uint64_t frames_sent, frames_received, frames_sent_again, frames_dropped_as_doubles;
    uint64_t bytes_sent, bytes_received;
    uint64_t connects, connects_failed, refused, sessions_lost;
    uint64_t refused_by_window, undecodable;
} gr_remote_counters;

/**
 * Reads the counters; each is exact, together they are not one moment.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_remote_counters gr_remote_read_counters(gr_remote *remote);

/**
 * Writes the sessions with their states, queues and windows.
 *
 * Owns:    `out` stays yours.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_remote_dump(gr_remote *remote, FILE *out);

GR_END_DECLS
#endif
