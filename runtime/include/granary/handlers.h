/*
 * Typed handlers: an actor's receive function made from a table of (message type, reply type, function) that the compiler
 * checks. For C; C++ may define such actors in a C file.
 *
 *     GR_PAYLOAD(add_type, add);             says once, beside the types, which struct is the payload of which
 *     GR_PAYLOAD(sum_type, sum);
 *     GR_PAYLOAD(reset_type, reset);
 *
 *     static gr_err on_add(gr_context *ctx, counter *self, const add *request, sum *reply);
 *     static gr_err on_reset(gr_context *ctx, counter *self, const reset *message);
 *
 *     #define COUNTER(ASK, TELL)             \
 *         ASK(add_type, sum_type, on_add)    \
 *         TELL(reset_type, on_reset)
 *     GR_HANDLERS(counter_receive, counter, COUNTER, NULL);
 *
 *     static const gr_props counter_props = {.receive = counter_receive, .state_bytes = sizeof(counter)};
 *
 * A function that takes another state, message or reply than its row says does not compile, nor does a message type with two rows
 * (the compiler then names `one_row_only_for_` it) or without a payload (`GR_PAYLOAD_of_` it).
 * The result is an ordinary gr_receive_fn: it may be handed to gr_become(), or called by another one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_HANDLERS_H
#define GRANARY_HANDLERS_H

#include <granary/actor.h>

GR_BEGIN_DECLS

/** Says that the payload of messages of type_object, a `const gr_type`, is a c_type: at file scope, where both are known. May be said
 * again. A protobuf-c message is a c_type like any other. */
#define GR_PAYLOAD(type_object, c_type) typedef c_type GR_PAYLOAD_of_##type_object

GR_PAYLOAD(gr_terminated_type, gr_terminated);
GR_PAYLOAD(gr_error_type, gr_error);

/**
 * Defines `static gr_err receive_name(gr_context *, void *, const gr_msg *)`. state_type is what the props' state_bytes (or arg)
 * hold. LIST is a macro of two parameters, which it applies to its rows, in any order, up to 256:
 *
 * ASK(message_type, reply_type, fn): `gr_err fn(gr_context *, state_type *, const MESSAGE *, REPLY *)` fills the reply, which is new and
 * zeroed (an initialised message, with protobuf-c), and which is sent when it returns GR_OK to whoever asked. For a tell there is nobody to
 * send it to, and after a gr_respond(), gr_forward() or gr_stash() of its own it is not sent either. What the reply refers to comes from gr_payload_alloc().
 *
 * TELL(message_type, fn): `gr_err fn(gr_context *, state_type *, const MESSAGE *)`. It may answer by itself, at once or later.
 *
 * Messages of other types go to `otherwise`, a gr_receive_fn. Where that is NULL, who asked gets GR_ENOTYPE naming the type, and a tell
 * becomes a dead letter (GR_DEAD_UNHANDLED).
 */
#define GR_HANDLERS(receive_name, state_type, LIST, otherwise)                                     \
    static gr_err receive_name(gr_context *gri_ctx, void *gri_state, const gr_msg *gri_msg)        \
    {                                                                                              \
        enum { LIST(GRI_HANDLER_ENUM, GRI_HANDLER_ENUM_TELL) gri_row_count };                      \
        typedef state_type gri_state_type;                                                         \
        static const gr_handler gri_rows[] = {LIST(GRI_HANDLER_ROW, GRI_HANDLER_ROW_TELL)};        \
        static uint16_t gri_index[GRI_HANDLER_INDEX(gri_row_count)];                               \
        static gr_handlers gri_table = {.rows = gri_rows,                                          \
                                        .count = gri_row_count,                                    \
                                        .index = gri_index,                                        \
                                        .index_slots = GRI_HANDLER_INDEX(gri_row_count)};          \
        gr_receive_fn gri_otherwise = (otherwise);                                                 \
        gr_handling gri_turn;                                                                      \
        gr_err gri_err = GR_OK;                                                                    \
                                                                                                   \
        _Static_assert((int)gri_row_count <= (int)GR_HANDLERS_MAX,                                 \
                       #receive_name ": at most 256 rows; leave some to `otherwise`");             \
        LIST(GRI_HANDLER_CHECK, GRI_HANDLER_CHECK_TELL)                                            \
        gri_err =                                                                                  \
            gr_handlers_begin(&gri_table, gri_ctx, gri_msg, gri_otherwise != NULL, &gri_turn);     \
        if (gri_err != GR_OK) {                                                                    \
            return gri_err;                                                                        \
        }                                                                                          \
        switch (gri_turn.row) {                                                                    \
            LIST(GRI_HANDLER_CASE, GRI_HANDLER_CASE_TELL)                                          \
        default:                                                                                   \
            return gri_otherwise != NULL ? gri_otherwise(gri_ctx, gri_state, gri_msg) : GR_OK;     \
        }                                                                                          \
        return gr_handlers_end(gri_ctx, &gri_turn, gri_err);                                       \
    }                                                                                              \
    _Static_assert(1, "so that a semicolon follows")

enum { GR_HANDLERS_MAX = 256 };

/** What GR_HANDLERS() makes; of no use without it. */
typedef struct gr_handler {
    const gr_type *message;
    const gr_type *reply; /* NULL: none */
    size_t message_bytes; /* of the C types, to be compared with those of the gr_types */
    size_t reply_bytes;
} gr_handler;

typedef struct gr_handlers {
    const gr_handler *rows;
    uint32_t count;
    uint32_t index_slots;
    uint16_t *index; /* a hash table of row numbers, each one more; filled at first use */
    uint32_t state;
} gr_handlers;

typedef struct gr_handling {
    uint32_t row; /* GR_HANDLERS_MAX: none, it is for `otherwise` */
    const void *message;
    void *reply;
} gr_handling;

/**
 * For GR_HANDLERS(): looks up the row of a message and prepares its reply; and: sends or drops the reply.
 *
 * Owns:    the reply belongs to the turn, and goes with it after a gr_panic().
 * Errors:  GR_ENOTYPE there is no row and no `otherwise`, GR_EINVAL a GR_PAYLOAD() names a struct of another size than the gr_type, GR_ENOMEM;
 *          the end: what the handler returned.
 * Thread:  in a handler.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_handlers_begin(gr_handlers *handlers, gr_context *ctx,
                                              const gr_msg *msg, bool has_otherwise,
                                              gr_handling *out_turn);
GR_API GR_MUST_CHECK gr_err gr_handlers_end(gr_context *ctx, gr_handling *turn, gr_err err);

/**
 * Memory for what a payload refers to, such as the strings of a reply: as gr_msg_alloc() of the message whose own payload this is.
 *
 * Owns:    borrowed: lives as long as the message.
 * Errors:  NULL when out of memory.
 * Thread:  only while nobody else holds the message.
 * Units:   bytes.
 */
GR_API void *gr_payload_alloc(void *payload, size_t bytes);

#define GRI_HANDLER_INDEX(count)                                                                   \
    ((count) <= 8     ? 1                                                                          \
     : (count) <= 16  ? 32                                                                         \
     : (count) <= 32  ? 64                                                                         \
     : (count) <= 64  ? 128                                                                        \
     : (count) <= 128 ? 256                                                                        \
                      : 512)

#define GRI_HANDLER_ENUM(message_type, reply_type, fn) gri_one_row_only_for_##message_type,
#define GRI_HANDLER_ENUM_TELL(message_type, fn)        gri_one_row_only_for_##message_type,

#define GRI_HANDLER_ROW(message_type, reply_type, fn)                                              \
    {&message_type, &reply_type, sizeof(GR_PAYLOAD_of_##message_type),                             \
     sizeof(GR_PAYLOAD_of_##reply_type)},
#define GRI_HANDLER_ROW_TELL(message_type, fn)                                                     \
    {&message_type, NULL, sizeof(GR_PAYLOAD_of_##message_type), 0},

#define GRI_HANDLER_CHECK(message_type, reply_type, fn)                                            \
    _Static_assert(                                                                                \
        _Generic(&fn,                                                                              \
                 gr_err(*)(gr_context *, gri_state_type *, const GR_PAYLOAD_of_##message_type *,   \
                           GR_PAYLOAD_of_##reply_type *) : 1,                                      \
                 default : 0),                                                                     \
        #fn " must be gr_err (gr_context *, the state *, const payload of " #message_type          \
            " *, payload of " #reply_type " *)");
#define GRI_HANDLER_CHECK_TELL(message_type, fn)                                                   \
    _Static_assert(                                                                                \
        _Generic(                                                                                  \
            &fn,                                                                                   \
            gr_err(*)(gr_context *, gri_state_type *, const GR_PAYLOAD_of_##message_type *) : 1,   \
            default : 0),                                                                          \
        #fn " must be gr_err (gr_context *, the state *, const payload of " #message_type " *)");

#define GRI_HANDLER_CASE(message_type, reply_type, fn)                                             \
    case gri_one_row_only_for_##message_type:                                                      \
        gri_err = fn(gri_ctx, gri_state, gri_turn.message, gri_turn.reply);                        \
        break;
#define GRI_HANDLER_CASE_TELL(message_type, fn)                                                    \
    case gri_one_row_only_for_##message_type:                                                      \
        gri_err = fn(gri_ctx, gri_state, gri_turn.message);                                        \
        break;

GR_END_DECLS
#endif
