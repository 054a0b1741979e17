/* Generated from kinds.proto by protoc-gen-granary 0.1.0. Do not edit. */
#ifndef KINDS_GRAIN_H
#define KINDS_GRAIN_H

#include <granary/cluster.h>

#include "kinds.pb-c.h"

GR_BEGIN_DECLS

/* ---- messages ---- */

/** Their types, for what handles messages of any type: details of errors, plain actors. */
extern const gr_type kinds_question_type; /* kinds.Question */
extern const gr_type kinds_answer_type; /* kinds.Answer */
extern const gr_type kinds_nothing_type; /* kinds.Nothing */
extern const gr_type google_protobuf_empty_type; /* google.protobuf.Empty */

/**
 * All of the types above, for gr_remote_add_types().
 *
 * Owns:    borrowed: constants.
 * Errors:  none.
 * Thread:  any.
 * Units:   the result has `*out_count` entries.
 */
const gr_type *const *kinds_grain_types(size_t *out_count);

/* ---- service kinds.Everything ---- */

/**
 * All options of a kind in one aggregate.
 *
 * One activation of kinds.Everything, as its hooks and methods see it.
 */
typedef struct kinds_everything kinds_everything;

/**
 * What implements kinds.Everything. The hooks may be left out. A method gets a `reply` whose fields have
 * their defaults; strings and arrays that it puts there come from kinds_everything_alloc(), or live
 * until it returns and longer. `request` is borrowed until then.
 */
typedef struct kinds_everything_methods {
    size_t data_bytes; /* of kinds_everything_data(): zeroed for each activation */
    /* Runs before the first call; an error is the answer to whoever waits. */
    gr_err (*activated)(kinds_everything *self);
    /* Runs after the last call. */
    void (*deactivating)(kinds_everything *self, gr_deactivation reason);
    /* Runs as a turn for each tick of gr_grain_timer_start(). */
    void (*timer)(kinds_everything *self, uint64_t number);
    gr_err (*plain)(kinds_everything *self, const Kinds__Question *request, Kinds__Answer *reply);
    /* may run beside other read-only calls; may run twice for one call */
    gr_err (*read_only)(kinds_everything *self, const Kinds__Question *request,
                        Kinds__Answer *reply);
    /* nobody waits for it */
    gr_err (*one_way)(kinds_everything *self, const Kinds__Question *request);
    /* nobody waits for it */
    gr_err (*one_way_too)(kinds_everything *self, const Kinds__Question *request);
    /* may run while another call waits */
    gr_err (*reentrant)(kinds_everything *self, const Kinds__Question *request,
                        Kinds__Answer *reply);
    /* may be left out: then it is not implemented here */
    gr_err (*maybe)(kinds_everything *self, const Kinds__Question *request, Kinds__Answer *reply);
} kinds_everything_methods;

/** What is known of the kind without its implementation. */
extern const gr_kind_info kinds_everything_info;

/**
 * The kind with the functions that implement it, for gr_node_start() or gr_node_main().
 *
 * Owns:    `methods` stays yours and lives as long as the node; the result goes to the node.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
gr_kind *kinds_everything_kind(const kinds_everything_methods *methods);

/**
 * Of this activation: its private data; itself as a caller of grains; what the functions
 * gr_grain_...() take; memory for the rest of the turn.
 *
 * Owns:    borrowed: the data as long as the activation, the rest until the method returns.
 * Errors:  none; no memory is NULL.
 * Thread:  inside its hooks and methods.
 * Units:   bytes.
 */
static inline void *kinds_everything_data(kinds_everything *self)
{
    return gr_grain_data((gr_grain *)self);
}

static inline gr_caller *kinds_everything_as_caller(kinds_everything *self)
{
    return gr_grain_caller((gr_grain *)self);
}

static inline gr_grain *kinds_everything_grain(kinds_everything *self)
{
    return (gr_grain *)self;
}

static inline void *kinds_everything_alloc(kinds_everything *self, size_t bytes)
{
    return gr_grain_alloc((gr_grain *)self, bytes);
}

/** The identity it was called by; borrowed as long as the activation. */
static inline const char *kinds_everything_id(const kinds_everything *self)
{
    return gr_grain_identity((const gr_grain *)self);
}

/**
 * Calls kinds.Old-Name/Plain of the grain `id` and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_plain(gr_caller *caller, const char *id,
                                            const Kinds__Question *request,
                                            const gr_call_options *options,
                                            Kinds__Answer **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err kinds_everything_plain_future(gr_caller *caller, const char *id,
                                                   const Kinds__Question *request,
                                                   const gr_call_options *options,
                                                   gr_future **out_future);
GR_MUST_CHECK gr_err kinds_everything_plain_await(gr_caller *caller, gr_future *future,
                                                  int64_t timeout_ms, Kinds__Answer **out_reply);

/**
 * Calls kinds.Old-Name/Plain of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_plain_one_way(gr_caller *caller, const char *id,
                                                    const Kinds__Question *request,
                                                    const gr_call_options *options);

/**
 * Calls kinds.Old-Name/ReadOnly of the grain `id` and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_read_only(gr_caller *caller, const char *id,
                                                const Kinds__Question *request,
                                                const gr_call_options *options,
                                                Kinds__Answer **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err kinds_everything_read_only_future(gr_caller *caller, const char *id,
                                                       const Kinds__Question *request,
                                                       const gr_call_options *options,
                                                       gr_future **out_future);
GR_MUST_CHECK gr_err kinds_everything_read_only_await(gr_caller *caller, gr_future *future,
                                                      int64_t timeout_ms,
                                                      Kinds__Answer **out_reply);

/**
 * Calls kinds.Old-Name/ReadOnly of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_read_only_one_way(gr_caller *caller, const char *id,
                                                        const Kinds__Question *request,
                                                        const gr_call_options *options);

/**
 * Calls kinds.Old-Name/OneWay of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_one_way(gr_caller *caller, const char *id,
                                              const Kinds__Question *request,
                                              const gr_call_options *options);

/**
 * Calls kinds.Old-Name/OneWayToo of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_one_way_too(gr_caller *caller, const char *id,
                                                  const Kinds__Question *request,
                                                  const gr_call_options *options);

/**
 * Calls kinds.Old-Name/Reentrant of the grain `id` and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_reentrant(gr_caller *caller, const char *id,
                                                const Kinds__Question *request,
                                                const gr_call_options *options,
                                                Kinds__Answer **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err kinds_everything_reentrant_future(gr_caller *caller, const char *id,
                                                       const Kinds__Question *request,
                                                       const gr_call_options *options,
                                                       gr_future **out_future);
GR_MUST_CHECK gr_err kinds_everything_reentrant_await(gr_caller *caller, gr_future *future,
                                                      int64_t timeout_ms,
                                                      Kinds__Answer **out_reply);

/**
 * Calls kinds.Old-Name/Reentrant of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_reentrant_one_way(gr_caller *caller, const char *id,
                                                        const Kinds__Question *request,
                                                        const gr_call_options *options);

/**
 * Calls kinds.Old-Name/Maybe of the grain `id` and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_maybe(gr_caller *caller, const char *id,
                                            const Kinds__Question *request,
                                            const gr_call_options *options,
                                            Kinds__Answer **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err kinds_everything_maybe_future(gr_caller *caller, const char *id,
                                                   const Kinds__Question *request,
                                                   const gr_call_options *options,
                                                   gr_future **out_future);
GR_MUST_CHECK gr_err kinds_everything_maybe_await(gr_caller *caller, gr_future *future,
                                                  int64_t timeout_ms, Kinds__Answer **out_reply);

/**
 * Calls kinds.Old-Name/Maybe of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_everything_maybe_one_way(gr_caller *caller, const char *id,
                                                    const Kinds__Question *request,
                                                    const gr_call_options *options);

/* ---- service kinds.Stateless ---- */

/**
 * Options one by one: each is a part of the message of options.
 *
 * One activation of kinds.Stateless, as its hooks and methods see it.
 */
typedef struct kinds_stateless kinds_stateless;

/**
 * What implements kinds.Stateless. The hooks may be left out. A method gets a `reply` whose fields have
 * their defaults; strings and arrays that it puts there come from kinds_stateless_alloc(), or live
 * until it returns and longer. `request` is borrowed until then.
 */
typedef struct kinds_stateless_methods {
    size_t data_bytes; /* of kinds_stateless_data(): zeroed for each activation */
    /* Runs before the first call; an error is the answer to whoever waits. */
    gr_err (*activated)(kinds_stateless *self);
    /* Runs after the last call. */
    void (*deactivating)(kinds_stateless *self, gr_deactivation reason);
    /* Runs as a turn for each tick of gr_grain_timer_start(). */
    void (*timer)(kinds_stateless *self, uint64_t number);
    gr_err (*work)(kinds_stateless *self, const Kinds__Question *request, Kinds__Answer *reply);
    /* nobody waits for it */
    gr_err (*hint)(kinds_stateless *self, const Kinds__Question *request);
} kinds_stateless_methods;

/** What is known of the kind without its implementation. */
extern const gr_kind_info kinds_stateless_info;

/**
 * The kind with the functions that implement it, for gr_node_start() or gr_node_main().
 *
 * Owns:    `methods` stays yours and lives as long as the node; the result goes to the node.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
gr_kind *kinds_stateless_kind(const kinds_stateless_methods *methods);

/**
 * Of this activation: its private data; itself as a caller of grains; what the functions
 * gr_grain_...() take; memory for the rest of the turn.
 *
 * Owns:    borrowed: the data as long as the activation, the rest until the method returns.
 * Errors:  none; no memory is NULL.
 * Thread:  inside its hooks and methods.
 * Units:   bytes.
 */
static inline void *kinds_stateless_data(kinds_stateless *self)
{
    return gr_grain_data((gr_grain *)self);
}

static inline gr_caller *kinds_stateless_as_caller(kinds_stateless *self)
{
    return gr_grain_caller((gr_grain *)self);
}

static inline gr_grain *kinds_stateless_grain(kinds_stateless *self)
{
    return (gr_grain *)self;
}

static inline void *kinds_stateless_alloc(kinds_stateless *self, size_t bytes)
{
    return gr_grain_alloc((gr_grain *)self, bytes);
}

/**
 * Calls kinds.Stateless/Work and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_stateless_work(gr_caller *caller, const Kinds__Question *request,
                                          const gr_call_options *options,
                                          Kinds__Answer **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err kinds_stateless_work_future(gr_caller *caller, const Kinds__Question *request,
                                                 const gr_call_options *options,
                                                 gr_future **out_future);
GR_MUST_CHECK gr_err kinds_stateless_work_await(gr_caller *caller, gr_future *future,
                                                int64_t timeout_ms, Kinds__Answer **out_reply);

/**
 * Calls kinds.Stateless/Work without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_stateless_work_one_way(gr_caller *caller, const Kinds__Question *request,
                                                  const gr_call_options *options);

/**
 * Calls kinds.Stateless/Hint without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err kinds_stateless_hint(gr_caller *caller, const Kinds__Question *request,
                                          const gr_call_options *options);

/* ---- service kinds.Idle ---- */

/**
 * One activation of kinds.Idle, as its hooks and methods see it.
 */
typedef struct kinds_idle kinds_idle;

/**
 * What implements kinds.Idle. The hooks may be left out. A method gets a `reply` whose fields have
 * their defaults; strings and arrays that it puts there come from kinds_idle_alloc(), or live
 * until it returns and longer. `request` is borrowed until then.
 */
typedef struct kinds_idle_methods {
    size_t data_bytes; /* of kinds_idle_data(): zeroed for each activation */
    /* Runs before the first call; an error is the answer to whoever waits. */
    gr_err (*activated)(kinds_idle *self);
    /* Runs after the last call. */
    void (*deactivating)(kinds_idle *self, gr_deactivation reason);
    /* Runs as a turn for each tick of gr_grain_timer_start(). */
    void (*timer)(kinds_idle *self, uint64_t number);
} kinds_idle_methods;

/** What is known of the kind without its implementation. */
extern const gr_kind_info kinds_idle_info;

/**
 * The kind with the functions that implement it, for gr_node_start() or gr_node_main().
 *
 * Owns:    `methods` stays yours and lives as long as the node; the result goes to the node.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
gr_kind *kinds_idle_kind(const kinds_idle_methods *methods);

/**
 * Of this activation: its private data; itself as a caller of grains; what the functions
 * gr_grain_...() take; memory for the rest of the turn.
 *
 * Owns:    borrowed: the data as long as the activation, the rest until the method returns.
 * Errors:  none; no memory is NULL.
 * Thread:  inside its hooks and methods.
 * Units:   bytes.
 */
static inline void *kinds_idle_data(kinds_idle *self)
{
    return gr_grain_data((gr_grain *)self);
}

static inline gr_caller *kinds_idle_as_caller(kinds_idle *self)
{
    return gr_grain_caller((gr_grain *)self);
}

static inline gr_grain *kinds_idle_grain(kinds_idle *self)
{
    return (gr_grain *)self;
}

static inline void *kinds_idle_alloc(kinds_idle *self, size_t bytes)
{
    return gr_grain_alloc((gr_grain *)self, bytes);
}

/** The identity it was called by; borrowed as long as the activation. */
static inline const char *kinds_idle_id(const kinds_idle *self)
{
    return gr_grain_identity((const gr_grain *)self);
}

GR_END_DECLS
#endif
