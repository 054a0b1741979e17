/*
 * For those who extend the cluster layer: coordinators, the small linearizable stores that decide
 * who owns what.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_CLUSTER_SPI_H
#define GRANARY_CLUSTER_SPI_H

#include <granary/cluster.h>
#include <granary/remote_spi.h>

GR_BEGIN_DECLS

enum {
    GR_COORDINATOR_VERSION = 1,
    GR_COORDINATOR_KEY_BYTES_MAX = 200,
    GR_COORDINATOR_VALUE_BYTES_MAX = 380 * 1024
};

/** The payload of every answer of a coordinator. Revisions of a key rise; 0 is "there is no such
 * key". */
typedef struct gr_coordinator_answer {
    uint64_t revision;
    const uint8_t *value; /* lives in the message */
    size_t value_bytes;
} gr_coordinator_answer;

GR_API extern const gr_type gr_coordinator_answer_type;

typedef struct gr_coordinator gr_coordinator;

/** How a node shows itself to people and tools; only Consul makes use of it. */
typedef struct gr_coordinator_member {
    const char *id;      /* the incarnation, as text */
    const char *address; /* "tcp://host:port" */
    const char *const *tags;
    size_t tags_count;
} gr_coordinator_member;

/**
 * All operations start at once and end in the future: by a gr_coordinator_answer, or by an error.
 * Errors: GR_ECONFLICT (compare and set only; the key is at another revision and nothing was
 * changed), GR_EUNREACHABLE (not done, or not known whether done), GR_EIO, GR_EREFUSED (with the
 * store's reason), GR_ESTOPPED.
 */
typedef struct gr_coordinator_ops {
    uint32_t version;
    /** `where` is what follows "sqlite:" or "consul:"; NULL when given by ops. Checks what can be
     * checked without waiting long. */
    gr_err (*open)(gr_system *sys, const char *cluster, const char *where, void *arg,
                   gr_coordinator **out_coordinator);
    /** The value and revision of a key, linearizable; revision 0 and no value when there is none.
     */
    gr_err (*read)(gr_coordinator *coordinator, const char *key, int64_t timeout_ms,
                   gr_future **out_future);
    /** Sets a key that is still at `revision` (0: that does not exist); answers its new revision.
     * The value has to differ from what is there: a store may leave the revision as it is when
     * nothing changes. */
    gr_err (*compare_and_set)(gr_coordinator *coordinator, const char *key, uint64_t revision,
                              const uint8_t *value, size_t value_bytes, int64_t timeout_ms,
                              gr_future **out_future);
    /** Answers when the key's revision is no longer `revision`, or after the timeout with what
     * there is. May answer early. */
    gr_err (*watch)(gr_coordinator *coordinator, const char *key, uint64_t revision,
                    int64_t timeout_ms, gr_future **out_future);
    /** Removes a key that is still at `revision`; one that is not there may count as removed. */
    gr_err (*remove)(gr_coordinator *coordinator, const char *key, uint64_t revision,
                     int64_t timeout_ms, gr_future **out_future);
    /** The keys that begin with `prefix`, each ended by a NUL, as the value of the answer; its revision is
     * 0. When there are more than an answer takes, some of them. */
    gr_err (*list)(gr_coordinator *coordinator, const char *prefix, int64_t timeout_ms,
                   gr_future **out_future);
    /** Keeps the member visible until hide() or free(); called again with the same member when its
     * health is to be confirmed. */
    void (*show)(gr_coordinator *coordinator, const gr_coordinator_member *member, bool healthy);
    /** Takes the member away for good; ends in the future. */
    gr_err (*hide)(gr_coordinator *coordinator, int64_t timeout_ms, gr_future **out_future);
    /** Ends what is under way with GR_ESTOPPED, waits for its own threads, frees. */
    void (*free)(gr_coordinator *take_coordinator);
} gr_coordinator_ops;

/**
 * The coordinators for real clusters: "sqlite:PATH", a file that several processes of one machine share, and
 * "consul://HOST:PORT[/PREFIX]", a Consul agent.
 *
 * Owns:    borrowed: constants.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API const gr_coordinator_ops *gr_coordinator_sqlite(void);
GR_API const gr_coordinator_ops *gr_coordinator_consul(void);

/** In memory, for systems that share a stepper, with faults. `coordinator_arg` is the store. */
typedef struct gr_memory_store gr_memory_store;

/**
 * The coordinator that keeps its records in such a store.
 *
 * Owns:    borrowed: a constant.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API const gr_coordinator_ops *gr_coordinator_memory(void);

/** What the store does to each operation of one node (0: of all). */
typedef struct gr_memory_store_faults {
    int64_t delay_min_ms, delay_max_ms;
    uint32_t lose_request_per_10000; /* not done; the caller hears GR_EUNREACHABLE at its timeout */
    uint32_t lose_answer_per_10000;  /* done; the caller hears GR_EUNREACHABLE at its timeout */
    bool unreachable;                /* every request is lost */
} gr_memory_store_faults;

/**
 * A store; frees one; sets its faults for a node; empties it.
 *
 * Owns:    yours: free it after the systems that use it.
 * Errors:  GR_ENOMEM.
 * Thread:  the stepper's.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_memory_store_new(gr_stepped *stepped, gr_memory_store **out_store);
GR_API gr_memory_store *gr_memory_store_free(gr_memory_store *take_store);
GR_API GR_MUST_CHECK gr_err gr_memory_store_set_faults(gr_memory_store *store, uint64_t node,
                                                       const gr_memory_store_faults *faults);
GR_API void gr_memory_store_empty(gr_memory_store *store);

/** What a store had at one time: its records and the number of its last revision. */
typedef struct gr_memory_backup gr_memory_backup;

/**
 * Keeps what the store has; sets a store back to it, so that revisions that were given since are given
 * again, to other values; frees a backup.
 *
 * Owns:    the backup is yours; one can be restored any number of times.
 * Errors:  GR_ENOMEM; then nothing was changed.
 * Thread:  the stepper's.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_memory_store_save(const gr_memory_store *store,
                                                 gr_memory_backup **out_backup);
GR_API GR_MUST_CHECK gr_err gr_memory_store_restore(gr_memory_store *store,
                                                    const gr_memory_backup *backup);
GR_API gr_memory_backup *gr_memory_backup_free(gr_memory_backup *take_backup);

GR_END_DECLS
#endif
