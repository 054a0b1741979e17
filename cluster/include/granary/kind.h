/*
 * Kinds: what the generated code tells the cluster about a service, and what a grain's methods may
 * do. Applications use the typed functions of their `.grain.h`; these are what those are made of.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_KIND_H
#define GRANARY_KIND_H

#include <granary/remote.h>

GR_BEGIN_DECLS

/** One activation, as its methods see it. Borrowed: valid inside its hooks and methods. */
typedef struct gr_grain gr_grain;

/** Whoever calls grains: a client, a node, a grain in its turn, an actor. */
typedef struct gr_caller gr_caller;

/** A kind with the functions that implement it, to be hosted by one node. */
typedef struct gr_kind gr_kind;

/** Why an activation ends. */
typedef enum gr_deactivation {
    GR_DEACTIVATION_IDLE = 1,
    GR_DEACTIVATION_CAPACITY = 2,
    GR_DEACTIVATION_MOVED = 3,   /* its shard goes to another node */
    GR_DEACTIVATION_STOPPED = 4, /* its node stops */
    GR_DEACTIVATION_ASKED = 5,   /* by itself */
    GR_DEACTIVATION_FAILED = 6   /* its supervisor gave it up */
} gr_deactivation;

enum gr_method_flags {
    GR_METHOD_READ_ONLY = 1,
    GR_METHOD_ONE_WAY = 2,
    GR_METHOD_IDEMPOTENT = 4,
    GR_METHOD_REENTRANT = 8,
    GR_METHOD_OPTIONAL = 16
};

/** One method. `hash` is XXH64 with seed 0 of `full_name`, such as "bank.Account/Deposit" (the
 * kind's name on the wire). */
typedef struct gr_method {
    const char *name;
    const char *full_name;
    uint64_t hash;
    const gr_type *request;
    const gr_type *reply;
    uint32_t flags;
    int32_t timeout_ms; /* 0: the default */
    size_t offset;      /* of its function in the table of methods, to find what is missing */
    gr_err (*invoke)(const void *methods, gr_grain *grain, const void *request, void *reply);
} gr_method;

enum { GR_KIND_VERSION = 1 };

enum gr_kind_flags { GR_KIND_REENTRANT = 1, GR_KIND_STATELESS = 2 };

/** All that is known of a kind without its implementation. Constant data in the generated code. */
typedef struct gr_kind_info {
    uint32_t version;
    uint32_t flags;
    const char *name; /* on the wire; `hash` is XXH64 with seed 0 of it */
    uint64_t hash;
    const char *role;            /* NULL: any node */
    uint32_t passivate_after_ms; /* 0: the default */
    uint32_t mailbox_limit;      /* 0: the default */
    const gr_method *methods;
    size_t methods_count;
    /** Hooks of the table of methods, which may be left out there; NULL here only when the kind has
     * none of them. */
    size_t (*data_bytes)(const void *methods);
    gr_err (*activated)(const void *methods, gr_grain *grain);
    void (*deactivating)(const void *methods, gr_grain *grain, gr_deactivation reason);
    void (*timer)(const void *methods, gr_grain *grain, uint64_t number);
    /** A serialized google.protobuf.FileDescriptorSet with the file and all that it imports, for
     * tools. */
    const uint8_t *descriptors;
    size_t descriptors_bytes;
} gr_kind_info;

/**
 * Puts a kind and its implementation together.
 *
 * Owns:    `info` and `methods` are borrowed: they live as long as the node. The result goes to a
 *          node, which frees it.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_kind *gr_kind_new(const gr_kind_info *info, const void *methods);
GR_API gr_kind *gr_kind_free(gr_kind *take_kind);

/** How one call is made; NULL or zero in a field means the default. */
typedef struct gr_call_options {
    int64_t timeout_ms; /* default: the method's, else 5000 */
    bool wait_for_host; /* when no node hosts the kind, wait until the deadline instead of failing
                           at once */
    const gr_type *details_type; /* with `out_details`: the details of the method's own error, if
                                    they are of this type */
    gr_msg **out_details; /* yours: gr_msg_unref() it; NULL when there were none. Only for calls
                             that wait. */
} gr_call_options;

/**
 * Calls a method of a grain and waits for its reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is freed by gr_reply_free(); received inside a grain
 *          it lives until the method returns, and gr_reply_free() does nothing.
 * Errors:  the method's own error; GR_ENOTRUN it did not run (the detail says why); GR_EUNKNOWN it
 *          may have run; GR_EBUSY refused as overload until the deadline; GR_EDEADLOCK it would
 *          wait for itself, naming the cycle, here or further down; GR_ENOKIND, GR_ENOMETHOD,
 *          GR_EDECODE, GR_ETOOBIG it was refused for good; GR_EINVAL a bad identity, or NULL; GR_EFAILED
 *          the method crashed, or its reply is too large to send or cannot be read. GR_ETIMEDOUT is never returned:
 *          a call that ran out of time is GR_ENOTRUN or GR_EUNKNOWN.
 *          What says how a call ended is only ever said of this call: a method that fails with one
 *          of GR_ENOTRUN, GR_EUNKNOWN, GR_EBUSY, GR_ENOKIND, GR_ENOMETHOD, GR_ETIMEDOUT,
 *          GR_ESTOPPED, GR_EDECODE or GR_ETOOBIG, because it hands on what a call of its own came
 *          to, is GR_EFAILED here, with that code's name in the text.
 * Thread:  any; on a fiber the fiber waits. A grain's caller only inside that grain's methods and
 *          hooks.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_call(gr_caller *caller, const gr_kind_info *kind,
                                    const gr_method *method, const char *identity,
                                    const void *request, const gr_call_options *options,
                                    void **out_reply);

/**
 * Starts a call; its reply is awaited by gr_call_await().
 *
 * Owns:    `request` stays yours; the future is yours: gr_future_unref() it.
 * Errors:  GR_EINVAL a bad identity or request, GR_ENOMEM, GR_ESTOPPED; all else is in the future.
 * Thread:  as gr_call(); does not wait.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_call_future(gr_caller *caller, const gr_kind_info *kind,
                                           const gr_method *method, const char *identity,
                                           const void *request, const gr_call_options *options,
                                           gr_future **out_future);

/**
 * Waits for a call made by gr_call_future().
 *
 * Owns:    as gr_call(); the future stays yours.
 * Errors:  as gr_call(); GR_ETIMEDOUT this wait was shorter than the call's own time.
 * Thread:  as gr_call().
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_API GR_MUST_CHECK gr_err gr_call_await(gr_caller *caller, gr_future *future,
                                          const gr_method *method, int64_t timeout_ms,
                                          void **out_reply);

/**
 * Calls without an answer: sent at most once, lost if its node is. In a grain it leaves at the end
 * of the turn. It keeps its place among the caller's calls to that grain, except while the grain
 * moves to another node: one that had reached the old node follows from there, and a later one may
 * be faster. Nobody waits for its outcome; where that matters, use a call with an answer.
 *
 * Owns:    `request` stays yours.
 * Errors:  GR_EINVAL, GR_ENOMEM, GR_EFULL, GR_ENOKIND, GR_ESTOPPED. GR_OK means sent or queued, not
 *          run.
 * Thread:  as gr_call(); does not wait.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_call_one_way(gr_caller *caller, const gr_kind_info *kind,
                                            const gr_method *method, const char *identity,
                                            const void *request, const gr_call_options *options);

/**
 * Frees a reply.
 *
 * Owns:    takes it; NULL is fine.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_reply_free(void *take_reply);

/** The most bytes an identity may have; it is UTF-8 without control characters. */
enum { GR_IDENTITY_BYTES_MAX = 512 };

/**
 * Makes one identity of several parts: joined by '/', with a backslash before each '/' and backslash
 * in a part, so that different parts never make the same identity.
 *
 * Owns:    fills the caller's buffer.
 * Errors:  GR_EINVAL too long, empty, no UTF-8, or with control characters.
 * Thread:  any.
 * Units:   `count` parts.
 */
GR_API GR_MUST_CHECK gr_err gr_identity_join(const char *const *parts, size_t count,
                                             char out_identity[GR_IDENTITY_BYTES_MAX + 1]);

/**
 * Inside a grain: its private data (zeroed when activated, of the size the table of methods asks
 * for), its identity, the kind's name, and itself as a caller, with the deadline and the chain of
 * the call in hand.
 *
 * Owns:    borrowed: as long as the activation; the caller only until the method returns.
 * Errors:  none.
 * Thread:  inside its hooks and methods.
 * Units:   none.
 */
GR_API void *gr_grain_data(gr_grain *grain);
GR_API const char *gr_grain_identity(const gr_grain *grain);
GR_API const char *gr_grain_kind(const gr_grain *grain);
GR_API gr_caller *gr_grain_caller(gr_grain *grain);

/**
 * The incarnation of the node that hosts this activation, as in gr_member_info.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  inside its hooks and methods.
 * Units:   none.
 */
GR_API uint64_t gr_grain_node(const gr_grain *grain);

/**
 * Memory for the rest of the turn, not zeroed, and text in such memory: for the strings and arrays
 * of a reply.
 *
 * Owns:    borrowed: until the reply has left.
 * Errors:  NULL when out of memory.
 * Thread:  inside its hooks and methods.
 * Units:   bytes.
 */
GR_API void *gr_grain_alloc(gr_grain *grain, size_t bytes);
GR_API char *gr_grain_text(gr_grain *grain, const char *format, ...) GR_PRINTF(2, 3);

/**
 * Asks for the end of this activation after this turn; the next call makes a new one.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  inside its hooks and methods.
 * Units:   none.
 */
GR_API void gr_grain_deactivate(gr_grain *grain);

/**
 * Whether the call in hand has run out of time, so that nobody waits for its answer any more.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  inside its methods.
 * Units:   none.
 */
GR_API bool gr_grain_cancelled(const gr_grain *grain);

/**
 * Fails with details: a protobuf message that travels with the error. Return what it returns.
 *
 * Owns:    `details` stays yours.
 * Errors:  returns `code`.
 * Thread:  inside its methods.
 * Units:   none.
 */
GR_API gr_err gr_grain_fail(gr_grain *grain, gr_err code, const gr_type *details_type,
                            const void *details, const char *format, ...) GR_PRINTF(5, 6);

/**
 * Abandons the method at once: its caller gets GR_EFAILED with this text, and the supervisor
 * restarts the activation with fresh data or gives it up. Returning gr_fatal() does the same.
 *
 * Owns:    what the method holds besides memory of the turn is its own loss.
 * Errors:  does not return.
 * Thread:  inside its hooks and methods.
 * Units:   none.
 */
GR_API GR_NORETURN void gr_grain_panic(gr_grain *grain, gr_err code, const char *format, ...)
    GR_PRINTF(3, 4);

/**
 * Starts a timer whose hook runs as a turn of this grain; ends with the activation. And ends one.
 *
 * Owns:    nothing; `number` is yours to choose, starting it again replaces it.
 * Errors:  GR_EINVAL, GR_ENOMEM.
 * Thread:  inside its hooks and methods.
 * Units:   milliseconds; a period of 0 is once.
 */
GR_API GR_MUST_CHECK gr_err gr_grain_timer_start(gr_grain *grain, uint64_t number, int64_t delay_ms,
                                                 int64_t period_ms);
GR_API void gr_grain_timer_cancel(gr_grain *grain, uint64_t number);

GR_END_DECLS
#endif
