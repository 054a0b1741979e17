/*
 * Nodes: processes that host grains.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_NODE_H
#define GRANARY_NODE_H

#include <granary/kind.h>

GR_BEGIN_DECLS

typedef struct gr_node gr_node;

struct gr_coordinator_ops;

enum {
    GR_SHARDS_DEFAULT = 256,
    GR_LEASE_MS_DEFAULT = 2000,
    GR_LEASE_MS_MIN = 500,
    GR_LEASE_MS_MAX = 60000,
    GR_PASSIVATE_AFTER_MS_DEFAULT = 60000,
    GR_CALL_TIMEOUT_MS_DEFAULT = 5000,
    /** Views travel as messages, too. */
    GR_NODE_MESSAGE_BYTES_MIN = 512 * 1024,
    GR_NODE_MESSAGE_BYTES_MAX = 1024 * 1024 * 1024,
    GR_GRAIN_MAILBOX_DEFAULT = 1000
};

/** Zero in a field means its default. Strings are copied. */
typedef struct gr_node_options {
    const char *cluster;     /* default "default" */
    const char *listen;      /* default "tcp://127.0.0.1:0" */
    const char *advertise;   /* default: the address listened on */
    const char *coordinator; /* "sqlite:PATH" or "consul://HOST:PORT"; required unless
                                coordinator_ops is set */
    const char *role;        /* a name that kinds may ask for; default none */
    int64_t lease_ms;        /* GR_LEASE_MS_MIN to GR_LEASE_MS_MAX */
    uint32_t shards;         /* fixed for a cluster */
    uint32_t
        activations_max; /* of this node; beyond it the longest idle go to sleep; default 1000000 */
    int64_t drain_ms;    /* for running turns when a shard moves; default 5000 */
    size_t message_bytes_max; /* a call or an answer with more is refused; the smaller number of two
                                 processes counts between them; GR_NODE_MESSAGE_BYTES_MIN to _MAX,
                                 default GR_MESSAGE_BYTES_MAX_DEFAULT */
    bool insecure;            /* listen beyond loopback without TLS */
    gr_system_options system;
    const struct gr_coordinator_ops *coordinator_ops; /* for tests: instead of `coordinator` */
    void *coordinator_arg;
    const struct gr_transport_ops *transport;
    void *transport_arg;
} gr_node_options;

/**
 * Starts a node: takes a lease, joins the cluster, listens. When it returns GR_OK the node is a
 * member; shards come to it as the others drain them.
 *
 * Owns:    takes each of `kinds` (NULL at the end) on every path; the node is yours: gr_node_stop()
 *          and gr_node_free() it.
 * Errors:  GR_EINVAL a bad option or a kind whose table lacks a method, GR_EEXIST the address is in
 *          use, or another node that lives advertises it, GR_EMISMATCH the cluster has another number of shards or protocol version (both are
 *          named), GR_EUNREACHABLE or GR_EIO the coordinator, GR_ENOMEM. On an error nothing is
 *          left behind.
 * Thread:  any but handlers.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_node_start(const gr_node_options *options,
                                          gr_kind *const *take_kinds, gr_node **out_node);

/**
 * Waits until every shard is where it should be, this node's among them, so that no grain moves after
 * this until a node comes or goes. What a readiness probe, or whoever restarts nodes one after the
 * other, wants to know. A node that was fenced is waited for until it has started over.
 *
 * Owns:    nothing.
 * Errors:  GR_ETIMEDOUT shards are still moving, or the node is still starting over; it goes on with
 *          that all the same. GR_ESTOPPED gr_node_stop() was called.
 * Thread:  any but handlers.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_node_wait_ready(gr_node *node, int64_t timeout_ms);

/**
 * Leaves politely: drains all shards, gives them away, leaves the cluster, and stops. Called again, or by
 * several threads, it waits until that is done.
 *
 * Owns:    nothing.
 * Errors:  GR_ETIMEDOUT not everything could be drained in time; the node has stopped all the same.
 * Thread:  any but handlers.
 * Units:   milliseconds.
 */
GR_API gr_err gr_node_stop(gr_node *node, int64_t timeout_ms);
GR_API gr_node *gr_node_free(gr_node *take_node);

/**
 * The node's own caller, its system, its address, and what it is to the cluster.
 *
 * Owns:    borrowed: as long as the node.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_caller *gr_node_caller(gr_node *node);
GR_API gr_system *gr_node_system(gr_node *node);
GR_API const char *gr_node_address(const gr_node *node);

/** What a node has counted since its start. */
typedef struct gr_node_counters {
    uint64_t members;
    uint64_t shards_owned;
    uint64_t activations; /* now */
    uint64_t activated, deactivated;
    uint64_t calls_replied, calls_failed, calls_not_run;
    uint64_t fenced; /* how often this process had to start over under a new id */
    int64_t lease_left_ms;
} gr_node_counters;

/**
 * Reads the counters; each is exact, together they are not one moment.
 *
 * Owns:    a value.
 * Errors:  none; all but `fenced` are 0 while the node starts over.
 * Thread:  any.
 * Units:   milliseconds.
 */
GR_API gr_node_counters gr_node_read_counters(gr_node *node);

/**
 * Writes members, shards, activations by kind and the lease.
 *
 * Owns:    `out` stays yours.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_node_dump(gr_node *node, FILE *out);

/**
 * The main of a node program: reads flags and environment, starts the node, prints one ready line
 * on stdout, waits for SIGTERM or SIGINT, drains and leaves. `--help` lists the flags. Kinds follow
 * argv, NULL at the end.
 *
 * Owns:    takes each kind.
 * Errors:  the exit status: 0 left politely, 1 could not start or not drain, 2 wrong use.
 * Thread:  the main thread, before any other is started.
 * Units:   none.
 */
GR_API int gr_node_main(int argc, char **argv, ...);

GR_END_DECLS
#endif
