/*
 * Clients: processes that call grains without being members. They dial out only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_CLIENT_H
#define GRANARY_CLIENT_H

#include <granary/kind.h>

GR_BEGIN_DECLS

typedef struct gr_client gr_client;

typedef enum gr_client_state {
    GR_CLIENT_CONNECTING = 1,
    GR_CLIENT_READY = 2,
    GR_CLIENT_LOST = 3
} gr_client_state;

/** Told of each change; called in a thread of the library, must be quick. */
typedef void (*gr_client_state_fn)(void *arg, gr_client_state state);

/** Zero in a field means its default. Strings are copied. */
typedef struct gr_client_options {
    const char *cluster; /* default "default" */
    /** Where nodes are: addresses separated by commas, or a coordinator ("sqlite:PATH",
     * "consul://HOST:PORT"). Required. A client only reads there; a file that does not exist yet is looked for
     * again, not created. */
    const char *nodes;
    gr_client_state_fn on_state;
    void *on_state_arg;
    size_t message_bytes_max; /* as in gr_node_options */
    gr_system_options system;
    const struct gr_transport_ops *transport;
    void *transport_arg;
} gr_client_options;

/**
 * Starts a client. It may start before the nodes do: calls wait for them until their deadlines.
 *
 * Owns:    yours: gr_client_free() it.
 * Errors:  GR_EINVAL a bad option or address, GR_ENOMEM.
 * Thread:  any but handlers.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_client_start(const gr_client_options *options,
                                            gr_client **out_client);

/**
 * Waits until the client knows the cluster.
 *
 * Owns:    nothing.
 * Errors:  GR_EUNREACHABLE no node answered in time; the detail names the last reason. GR_EINVAL the client is
 *          NULL.
 * Thread:  any but handlers.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_client_wait_ready(gr_client *client, int64_t timeout_ms);

/**
 * Ends all calls as cancelled (unknown when they were sent), says goodbye and frees.
 *
 * Owns:    takes the client and returns NULL; NULL is fine.
 * Errors:  none.
 * Thread:  any but handlers.
 * Units:   none.
 */
GR_API gr_client *gr_client_free(gr_client *take_client);

/**
 * The client as a caller; its state; its system.
 *
 * Owns:    borrowed: as long as the client.
 * Errors:  none. Of NULL: NULL, and GR_CLIENT_LOST.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_caller *gr_client_caller(gr_client *client);
GR_API gr_client_state gr_client_read_state(gr_client *client);
GR_API gr_system *gr_client_system(gr_client *client);

/** One member as a client or node sees it. */
typedef struct gr_member_info {
    uint64_t node;
    char address[GR_ADDRESS_BYTES_MAX];
    uint32_t shards;
} gr_member_info;

/**
 * Reads the members of the cluster as this client knows them.
 *
 * Owns:    fills the caller's array and returns how many there are, which may be more than `room`.
 * Errors:  none; 0 when not ready.
 * Thread:  any.
 * Units:   `room` entries.
 */
GR_API size_t gr_client_members(gr_client *client, gr_member_info *members, size_t room);

/**
 * Which node would be called for a grain, as this client knows it; 0 when nobody hosts it.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API uint64_t gr_client_owner(gr_client *client, const gr_kind_info *kind, const char *identity);

GR_END_DECLS
#endif
