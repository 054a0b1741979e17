/* Generated from word.proto by protoc-gen-granary 0.1.0. Do not edit. */
#ifndef WORD_GRAIN_H
#define WORD_GRAIN_H

#include <granary/cluster.h>

#include "word.pb-c.h"

GR_BEGIN_DECLS

/* ---- messages ---- */

/** Their types, for what handles messages of any type: details of errors, plain actors. */
extern const gr_type wordcount_count_type; /* wordcount.Count */
extern const gr_type google_protobuf_empty_type; /* google.protobuf.Empty */

/**
 * All of the types above, for gr_remote_add_types().
 *
 * Owns:    borrowed: constants.
 * Errors:  none.
 * Thread:  any.
 * Units:   the result has `*out_count` entries.
 */
const gr_type *const *word_grain_types(size_t *out_count);

/* ---- service wordcount.Word ---- */

/**
 * One word: how often it has been added. The count is in memory, so a word stays awake for an hour.
 *
 * One activation of wordcount.Word, as its hooks and methods see it.
 */
typedef struct wordcount_word wordcount_word;

/**
 * What implements wordcount.Word. The hooks may be left out. A method gets a `reply` whose fields have
 * their defaults; strings and arrays that it puts there come from wordcount_word_alloc(), or live
 * until it returns and longer. `request` is borrowed until then.
 */
typedef struct wordcount_word_methods {
    size_t data_bytes; /* of wordcount_word_data(): zeroed for each activation */
    /* Runs before the first call; an error is the answer to whoever waits. */
    gr_err (*activated)(wordcount_word *self);
    /* Runs after the last call. */
    void (*deactivating)(wordcount_word *self, gr_deactivation reason);
    /* Runs as a turn for each tick of gr_grain_timer_start(). */
    void (*timer)(wordcount_word *self, uint64_t number);
    gr_err (*add)(wordcount_word *self, const Google__Protobuf__Empty *request,
                  Google__Protobuf__Empty *reply);
    /* may run beside other read-only calls; may run twice for one call */
    gr_err (*read)(wordcount_word *self, const Google__Protobuf__Empty *request,
                   Wordcount__Count *reply);
} wordcount_word_methods;

/** What is known of the kind without its implementation. */
extern const gr_kind_info wordcount_word_info;

/**
 * The kind with the functions that implement it, for gr_node_start() or gr_node_main().
 *
 * Owns:    `methods` stays yours and lives as long as the node; the result goes to the node.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
gr_kind *wordcount_word_kind(const wordcount_word_methods *methods);

/**
 * Of this activation: its private data; itself as a caller of grains; what the functions
 * gr_grain_...() take; memory for the rest of the turn.
 *
 * Owns:    borrowed: the data as long as the activation, the rest until the method returns.
 * Errors:  none; no memory is NULL.
 * Thread:  inside its hooks and methods.
 * Units:   bytes.
 */
static inline void *wordcount_word_data(wordcount_word *self)
{
    return gr_grain_data((gr_grain *)self);
}

static inline gr_caller *wordcount_word_as_caller(wordcount_word *self)
{
    return gr_grain_caller((gr_grain *)self);
}

static inline gr_grain *wordcount_word_grain(wordcount_word *self)
{
    return (gr_grain *)self;
}

static inline void *wordcount_word_alloc(wordcount_word *self, size_t bytes)
{
    return gr_grain_alloc((gr_grain *)self, bytes);
}

/** The identity it was called by; borrowed as long as the activation. */
static inline const char *wordcount_word_id(const wordcount_word *self)
{
    return gr_grain_identity((const gr_grain *)self);
}

/**
 * Calls wordcount.Word/Add of the grain `id` and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err wordcount_word_add(gr_caller *caller, const char *id,
                                        const Google__Protobuf__Empty *request,
                                        const gr_call_options *options,
                                        Google__Protobuf__Empty **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err wordcount_word_add_future(gr_caller *caller, const char *id,
                                               const Google__Protobuf__Empty *request,
                                               const gr_call_options *options,
                                               gr_future **out_future);
GR_MUST_CHECK gr_err wordcount_word_add_await(gr_caller *caller, gr_future *future,
                                              int64_t timeout_ms,
                                              Google__Protobuf__Empty **out_reply);

/**
 * Calls wordcount.Word/Add of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err wordcount_word_add_one_way(gr_caller *caller, const char *id,
                                                const Google__Protobuf__Empty *request,
                                                const gr_call_options *options);

/**
 * Calls wordcount.Word/Read of the grain `id` and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err wordcount_word_read(gr_caller *caller, const char *id,
                                         const Google__Protobuf__Empty *request,
                                         const gr_call_options *options,
                                         Wordcount__Count **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err wordcount_word_read_future(gr_caller *caller, const char *id,
                                                const Google__Protobuf__Empty *request,
                                                const gr_call_options *options,
                                                gr_future **out_future);
GR_MUST_CHECK gr_err wordcount_word_read_await(gr_caller *caller, gr_future *future,
                                               int64_t timeout_ms, Wordcount__Count **out_reply);

/**
 * Calls wordcount.Word/Read of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err wordcount_word_read_one_way(gr_caller *caller, const char *id,
                                                 const Google__Protobuf__Empty *request,
                                                 const gr_call_options *options);

GR_END_DECLS
#endif
