/*
 * What tables of typed handlers do at run time: find the row of a message, make the reply that its function fills, and send
 * it. The calls themselves, with their types, are in the code that GR_HANDLERS() makes. Runs in the actor's turns; a table is
 * shared by all actors of its kind, so its index is published once, by whoever built it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <granary/handlers.h>

#include <gri/fail.h>

#include "context.h"
#include "message_internal.h"

/* Of a table: its index is not built, is being built, may be used. */
enum { TABLE_NEW, TABLE_BUILDING, TABLE_READY };

/* ---- finding the row ---------------------------------------------------------------------------------------------- */

/* Types lie far enough apart for their addresses to differ above the lowest bits: Knuth's multiplicative hash. */
static uint32_t slot_of(const gr_handlers *handlers, const gr_type *type)
{
    uint64_t spread = ((uintptr_t)type >> 3) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(spread >> 40) & (handlers->index_slots - 1);
}

static bool fits(const gr_handler *row)
{
    return row->message->bytes == row->message_bytes &&
           (row->reply == NULL || row->reply->bytes == row->reply_bytes);
}

/* Fills the index, unless another thread does, or a row will never be of use. */
static void build(gr_handlers *handlers)
{
    uint32_t expected = TABLE_NEW;
    uint32_t i = 0;

    for (i = 0; i < handlers->count; i++) {
        if (!fits(&handlers->rows[i])) {
            return;
        }
    }
    /* Relaxed: only decides who builds. */
    if (!__atomic_compare_exchange_n(&handlers->state, &expected, TABLE_BUILDING, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return;
    }
    for (i = 0; i < handlers->count && handlers->index_slots > 1; i++) {
        uint32_t slot = slot_of(handlers, handlers->rows[i].message);

        while (handlers->index[slot] != 0) {
            slot = (slot + 1) & (handlers->index_slots - 1);
        }
        handlers->index[slot] = (uint16_t)(i + 1);
    }
    /* Release: publishes the index to whoever finds the table ready. */
    __atomic_store_n(&handlers->state, TABLE_READY, __ATOMIC_RELEASE);
}

static const gr_handler *find_in_order(const gr_handlers *handlers, const gr_type *type)
{
    const gr_handler *row = handlers->rows;
    const gr_handler *end = row + handlers->count;

    while (row < end && row->message != type) {
        row++;
    }
    return row < end ? row : NULL;
}

/* There are twice as many slots as rows, so an empty one ends every search. */
static const gr_handler *find_by_index(const gr_handlers *handlers, const gr_type *type)
{
    uint32_t slot = slot_of(handlers, type);

    for (; handlers->index[slot] != 0; slot = (slot + 1) & (handlers->index_slots - 1)) {
        const gr_handler *row = &handlers->rows[handlers->index[slot] - 1];

        if (row->message == type) {
            return row;
        }
    }
    return NULL;
}

static gr_err find(gr_handlers *handlers, const gr_type *type, const gr_handler **out_row)
{
    /* Acquire: sees the index. */
    if (__builtin_expect(__atomic_load_n(&handlers->state, __ATOMIC_ACQUIRE) == TABLE_READY, 1)) {
        *out_row = handlers->index_slots > 1 ? find_by_index(handlers, type)
                                             : find_in_order(handlers, type);
        return GR_OK;
    }
    build(handlers);
    *out_row = find_in_order(handlers, type);
    if (*out_row != NULL && !fits(*out_row)) {
        return GRI_FAIL(GR_EINVAL,
                        "the handler of '%s': its GR_PAYLOAD(), or that of its reply, names a "
                        "struct of another size than the gr_type",
                        type->name);
    }
    return GR_OK;
}

/* ---- around the call ------------------------------------------------------------------------------------------------- */

/* Nobody has said what to do with such messages. */
static gr_err refuse(gr_context *ctx, const gr_msg *msg)
{
    char who[GRI_DESCRIPTION_BYTES];

    if (gr_pid_is_null(gr_context_sender(ctx))) {
        gr_dead_letter_add(gr_context_system(ctx), gr_context_self(ctx), gr_msg_ref(msg),
                           GR_DEAD_UNHANDLED, GR_ENOTYPE);
        return GR_OK;
    }
    gri_actor_describe(ctx->actor, who);
    return GRI_FAIL(GR_ENOTYPE, "actor %s%s does not handle '%s'", ctx->actor->props.type_name, who,
                    gr_msg_type(msg)->name);
}

gr_err gr_handlers_begin(gr_handlers *handlers, gr_context *ctx, const gr_msg *msg,
                         bool has_otherwise, gr_handling *out_turn)
{
    const gr_handler *row = NULL;
    gr_err err = find(handlers, msg->type, &row);
    gr_msg *reply = NULL;

    if (err != GR_OK) {
        return err;
    }
    *out_turn = (gr_handling){.row = GR_HANDLERS_MAX};
    if (row == NULL) {
        return has_otherwise ? GR_OK : refuse(ctx, msg);
    }
    if (row->reply != NULL) {
        reply = gr_msg_new(row->reply);
        if (reply == NULL) {
            return GRI_FAIL(GR_ENOMEM, "a reply '%s'", row->reply->name);
        }
        reply->block.next = (gri_block *)ctx->answers;
        ctx->answers = reply;
        out_turn->reply = gr_msg_payload(reply);
    }
    out_turn->row = (uint32_t)(row - handlers->rows);
    out_turn->message = gr_msg_read(msg, msg->type);
    return GR_OK;
}

gr_err gr_handlers_end(gr_context *ctx, gr_handling *turn, gr_err err)
{
    gr_msg *reply = NULL;

    if (turn->reply == NULL) {
        return err;
    }
    reply = ctx->answers; /* the latest that was begun */
    ctx->answers = (gr_msg *)reply->block.next;
    reply->block.next = NULL;
    if (err != GR_OK || ctx->responded || gr_pid_is_null(gr_context_sender(ctx))) {
        (void)gr_msg_unref(reply);
        return err;
    }
    (void)gr_respond(ctx, reply); /* who asked may have gone: that is no failure of the handler */
    return GR_OK;
}

void gri_handlers_abandon(gr_context *ctx)
{
    while (ctx->answers != NULL) {
        gr_msg *reply = ctx->answers;

        ctx->answers = (gr_msg *)reply->block.next;
        reply->block.next = NULL;
        (void)gr_msg_unref(reply);
    }
}

void *gr_payload_alloc(void *payload, size_t bytes)
{
    return gr_msg_alloc(gr_msg_of(payload), bytes);
}
