/* Generated from hello.proto by protoc-gen-granary 0.1.0. Do not edit. */
#ifndef HELLO_GRAIN_H
#define HELLO_GRAIN_H

#include <granary/cluster.h>

#include "hello.pb-c.h"

GR_BEGIN_DECLS

/* ---- messages ---- */

/** Their types, for what handles messages of any type: details of errors, plain actors. */
extern const gr_type hello_name_type; /* hello.Name */
extern const gr_type hello_greeting_type; /* hello.Greeting */

/**
 * All of the types above, for gr_remote_add_types().
 *
 * Owns:    borrowed: constants.
 * Errors:  none.
 * Thread:  any.
 * Units:   the result has `*out_count` entries.
 */
const gr_type *const *hello_grain_types(size_t *out_count);

/* ---- service hello.Greeter ---- */

/**
 * Greets, and remembers how often.
 *
 * One activation of hello.Greeter, as its hooks and methods see it.
 */
typedef struct hello_greeter hello_greeter;

/**
 * What implements hello.Greeter. The hooks may be left out. A method gets a `reply` whose fields have
 * their defaults; strings and arrays that it puts there come from hello_greeter_alloc(), or live
 * until it returns and longer. `request` is borrowed until then.
 */
typedef struct hello_greeter_methods {
    size_t data_bytes; /* of hello_greeter_data(): zeroed for each activation */
    /* Runs before the first call; an error is the answer to whoever waits. */
    gr_err (*activated)(hello_greeter *self);
    /* Runs after the last call. */
    void (*deactivating)(hello_greeter *self, gr_deactivation reason);
    /* Runs as a turn for each tick of gr_grain_timer_start(). */
    void (*timer)(hello_greeter *self, uint64_t number);
    gr_err (*greet)(hello_greeter *self, const Hello__Name *request, Hello__Greeting *reply);
} hello_greeter_methods;

/** What is known of the kind without its implementation. */
extern const gr_kind_info hello_greeter_info;

/**
 * The kind with the functions that implement it, for gr_node_start() or gr_node_main().
 *
 * Owns:    `methods` stays yours and lives as long as the node; the result goes to the node.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
gr_kind *hello_greeter_kind(const hello_greeter_methods *methods);

/**
 * Of this activation: its private data; itself as a caller of grains; what the functions
 * gr_grain_...() take; memory for the rest of the turn.
 *
 * Owns:    borrowed: the data as long as the activation, the rest until the method returns.
 * Errors:  none; no memory is NULL.
 * Thread:  inside its hooks and methods.
 * Units:   bytes.
 */
static inline void *hello_greeter_data(hello_greeter *self)
{
    return gr_grain_data((gr_grain *)self);
}

static inline gr_caller *hello_greeter_as_caller(hello_greeter *self)
{
    return gr_grain_caller((gr_grain *)self);
}

static inline gr_grain *hello_greeter_grain(hello_greeter *self)
{
    return (gr_grain *)self;
}

static inline void *hello_greeter_alloc(hello_greeter *self, size_t bytes)
{
    return gr_grain_alloc((gr_grain *)self, bytes);
}

/** The identity it was called by; borrowed as long as the activation. */
static inline const char *hello_greeter_id(const hello_greeter *self)
{
    return gr_grain_identity((const gr_grain *)self);
}

/**
 * Calls hello.Greeter/Greet of the grain `id` and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err hello_greeter_greet(gr_caller *caller, const char *id,
                                         const Hello__Name *request, const gr_call_options *options,
                                         Hello__Greeting **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err hello_greeter_greet_future(gr_caller *caller, const char *id,
                                                const Hello__Name *request,
                                                const gr_call_options *options,
                                                gr_future **out_future);
GR_MUST_CHECK gr_err hello_greeter_greet_await(gr_caller *caller, gr_future *future,
                                               int64_t timeout_ms, Hello__Greeting **out_reply);

/**
 * Calls hello.Greeter/Greet of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err hello_greeter_greet_one_way(gr_caller *caller, const char *id,
                                                 const Hello__Name *request,
                                                 const gr_call_options *options);

GR_END_DECLS
#endif
