/* Generated from bank.proto by protoc-gen-granary 0.1.0. Do not edit. */
#ifndef BANK_GRAIN_H
#define BANK_GRAIN_H

#include <granary/cluster.h>

#include "bank.pb-c.h"

GR_BEGIN_DECLS

/* ---- messages ---- */

/** Their types, for what handles messages of any type: details of errors, plain actors. */
extern const gr_type bank_deposit_request_type; /* bank.DepositRequest */
extern const gr_type bank_balance_type; /* bank.Balance */

/**
 * All of the types above, for gr_remote_add_types().
 *
 * Owns:    borrowed: constants.
 * Errors:  none.
 * Thread:  any.
 * Units:   the result has `*out_count` entries.
 */
const gr_type *const *bank_grain_types(size_t *out_count);

/* ---- service bank.Account ---- */

/**
 * The money of one person.
 *
 * One activation of bank.Account, as its hooks and methods see it.
 */
typedef struct bank_account bank_account;

/**
 * What implements bank.Account. The hooks may be left out. A method gets a `reply` whose fields have
 * their defaults; strings and arrays that it puts there come from bank_account_alloc(), or live
 * until it returns and longer. `request` is borrowed until then.
 */
typedef struct bank_account_methods {
    size_t data_bytes; /* of bank_account_data(): zeroed for each activation */
    /* Runs before the first call; an error is the answer to whoever waits. */
    gr_err (*activated)(bank_account *self);
    /* Runs after the last call. */
    void (*deactivating)(bank_account *self, gr_deactivation reason);
    /* Runs as a turn for each tick of gr_grain_timer_start(). */
    void (*timer)(bank_account *self, uint64_t number);
    gr_err (*deposit)(bank_account *self, const Bank__DepositRequest *request,
                      Bank__Balance *reply);
} bank_account_methods;

/** What is known of the kind without its implementation. */
extern const gr_kind_info bank_account_info;

/**
 * The kind with the functions that implement it, for gr_node_start() or gr_node_main().
 *
 * Owns:    `methods` stays yours and lives as long as the node; the result goes to the node.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
gr_kind *bank_account_kind(const bank_account_methods *methods);

/**
 * Of this activation: its private data; itself as a caller of grains; what the functions
 * gr_grain_...() take; memory for the rest of the turn.
 *
 * Owns:    borrowed: the data as long as the activation, the rest until the method returns.
 * Errors:  none; no memory is NULL.
 * Thread:  inside its hooks and methods.
 * Units:   bytes.
 */
static inline void *bank_account_data(bank_account *self)
{
    return gr_grain_data((gr_grain *)self);
}

static inline gr_caller *bank_account_as_caller(bank_account *self)
{
    return gr_grain_caller((gr_grain *)self);
}

static inline gr_grain *bank_account_grain(bank_account *self)
{
    return (gr_grain *)self;
}

static inline void *bank_account_alloc(bank_account *self, size_t bytes)
{
    return gr_grain_alloc((gr_grain *)self, bytes);
}

/** The identity it was called by; borrowed as long as the activation. */
static inline const char *bank_account_id(const bank_account *self)
{
    return gr_grain_identity((const gr_grain *)self);
}

/**
 * Adds money to the account.
 *
 * Calls bank.Account/Deposit of the grain `id` and waits for the reply.
 *
 * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside a grain it lives
 *          until the method returns, freed or not. NULL: not wanted.
 * Errors:  the method's own, else as gr_call().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err bank_account_deposit(gr_caller *caller, const char *id,
                                          const Bank__DepositRequest *request,
                                          const gr_call_options *options,
                                          Bank__Balance **out_reply);

/**
 * Starts that call; and waits for one that was started.
 *
 * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() it. The reply as above.
 * Errors:  as gr_call_future() and gr_call_await().
 * Thread:  any; on a fiber only the fiber waits.
 * Units:   milliseconds; GR_FOREVER = the call's own time.
 */
GR_MUST_CHECK gr_err bank_account_deposit_future(gr_caller *caller, const char *id,
                                                 const Bank__DepositRequest *request,
                                                 const gr_call_options *options,
                                                 gr_future **out_future);
GR_MUST_CHECK gr_err bank_account_deposit_await(gr_caller *caller, gr_future *future,
                                                int64_t timeout_ms, Bank__Balance **out_reply);

/**
 * Calls bank.Account/Deposit of the grain `id` without an answer: at most once.
 *
 * Owns:    `request` stays yours.
 * Errors:  as gr_call_one_way().
 * Thread:  any; does not wait.
 * Units:   `options` may be NULL; its times are milliseconds.
 */
GR_MUST_CHECK gr_err bank_account_deposit_one_way(gr_caller *caller, const char *id,
                                                  const Bank__DepositRequest *request,
                                                  const gr_call_options *options);

GR_END_DECLS
#endif
