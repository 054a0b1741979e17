/*
 * Messages: made, filled, shared, freed. A message with one holder is queued as it is; one with several gets an envelope
 * of its own for each receiver, and all envelopes share the payload.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_internal.h"

#include "codec.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

enum { ALIGN = 16, CHUNK_BYTES = 1024 };

typedef struct chunk {
    struct chunk *next;
    size_t unused; /* keeps what follows aligned to 16 */
} chunk;

const gr_type gri_poison_type = {"granary.Poison", 0, NULL, NULL, NULL};

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

gr_msg *gri_msg_new_with_room(const gr_type *type, size_t room_bytes)
{
    enum { SMALL = GRI_POOL_SMALLEST - sizeof(gr_msg) };
    size_t payload = aligned(type->bytes);
    gr_msg *msg = NULL;

    if (payload <= SMALL && room_bytes <= SMALL - payload) {
        msg = (gr_msg *)gri_pool_take_smallest();
    } else if (room_bytes > GRI_MSG_BYTES_MAX - sizeof(*msg) ||
               payload > GRI_MSG_BYTES_MAX - sizeof(*msg) - room_bytes) {
        return NULL;
    }
    if (__builtin_expect(msg != NULL, 1)) {
        memset(msg + 1, 0, SMALL); /* all of it, since that is faster than a loop */
    } else {
        msg = (gr_msg *)gri_pool_alloc(sizeof(*msg) + payload + room_bytes);
        if (msg == NULL) {
            return NULL;
        }
        memset(msg + 1, 0, payload);
    }
    msg->block.next = NULL;
    msg->block.tag = 0;
    msg->type = type;
    msg->sender = gr_pid_null();
    msg->extra = NULL;
    atomic_init(&msg->refs, 1);
    msg->used = (uint32_t)(sizeof(*msg) + payload) & GRI_MSG_USED_MASK;
    msg->quiet = 0;
    msg->request = 0;
    return msg;
}

gr_msg *gr_msg_new(const gr_type *type)
{
    gr_msg *msg = gri_msg_new_with_room(type, 0);

    if (msg != NULL && type->codec == &gr_proto_codec) {
        gri_proto_init(type, msg + 1); /* all zero is no valid protobuf-c message */
    }
    return msg;
}

void *gr_msg_payload(gr_msg *msg)
{
    if (msg->extra != NULL && msg->extra->shared != NULL) {
        return (void *)(uintptr_t)(msg->extra->shared + 1);
    }
    return msg + 1;
}

const void *gr_msg_read(const gr_msg *msg, const gr_type *type)
{
    if (msg == NULL || msg->type != type) {
        return NULL;
    }
    if (msg->extra != NULL && msg->extra->shared != NULL) {
        return msg->extra->shared + 1;
    }
    return msg + 1;
}

gr_msg *gr_msg_of(void *payload)
{
    return (gr_msg *)payload - 1;
}

const gr_type *gr_msg_type(const gr_msg *msg)
{
    return msg->type;
}

gr_pid gr_msg_sender(const gr_msg *msg)
{
    return msg->sender;
}

void gr_msg_set_sender(gr_msg *msg, gr_pid sender)
{
    msg->sender = sender;
    if (gr_pid_is_null(sender)) { /* nobody waits for an answer any more */
        msg->request = false;
    }
}

void gr_msg_set_request(gr_msg *msg)
{
    msg->request = 1;
}

bool gr_msg_is_request(const gr_msg *msg)
{
    return msg->request != 0;
}

void gr_msg_mark_quiet(gr_msg *msg)
{
    msg->quiet = 1;
}

bool gr_msg_is_quiet(const gr_msg *msg)
{
    return msg->quiet != 0;
}

gri_msg_extra *gri_msg_extra_of(gr_msg *msg)
{
    size_t bytes = aligned(sizeof(gri_msg_extra));

    if (msg->extra != NULL) {
        return msg->extra;
    }
    if (msg->block.room - msg->used >= bytes) {
        msg->extra = (gri_msg_extra *)((char *)msg + msg->used);
        msg->used = (msg->used + (uint32_t)bytes) & GRI_MSG_USED_MASK;
        *msg->extra = (gri_msg_extra){0};
        return msg->extra;
    }
    /* The first chunk carries the extra itself. */
    chunk *first = gri_alloc(sizeof(chunk) + bytes);
    if (first == NULL) {
        return NULL;
    }
    first->next = NULL;
    msg->extra = (gri_msg_extra *)(first + 1);
    *msg->extra = (gri_msg_extra){.chunks = first};
    return msg->extra;
}

void *gr_msg_alloc(gr_msg *msg, size_t bytes)
{
    size_t need = aligned(bytes == 0 ? 1 : bytes);
    gri_msg_extra *extra = NULL;
    chunk *more = NULL;

    if (need < bytes) {
        return NULL;
    }
    if (msg->block.room - msg->used >= need) {
        void *at = (char *)msg + msg->used;

        msg->used = (msg->used + (uint32_t)need) & GRI_MSG_USED_MASK;
        return at;
    }
    extra = gri_msg_extra_of(msg);
    more =
        extra == NULL || need > SIZE_MAX - sizeof(chunk) ? NULL : gri_alloc(sizeof(chunk) + need);
    if (more == NULL) {
        return NULL;
    }
    more->next = extra->chunks;
    extra->chunks = more;
    return more + 1;
}

void gr_msg_set_origin(gr_msg *msg, gr_origin *origin, size_t bytes)
{
    gri_msg_extra *extra = gri_msg_extra_of(msg);

    if (extra == NULL) { /* no memory to remember it: as good as freed already */
        origin->released(origin, bytes);
        return;
    }
    extra->origin = origin;
    extra->origin_bytes = bytes;
}

gr_msg *gr_msg_ref(const gr_msg *msg)
{
    gr_msg *held = (gr_msg *)(uintptr_t)msg;

    if (held != NULL) {
        /* Relaxed: whoever adds a holder is one already. */
        (void)atomic_fetch_add_explicit(&held->refs, 1, memory_order_relaxed);
    }
    return held;
}

static void free_with_extra(gr_msg *msg, bool drop)
{
    gri_msg_extra extra = *msg->extra;
    const gr_msg *holder = extra.headers == NULL ? NULL : gri_headers_holder(msg);
    chunk *next = NULL;

    if (drop && extra.shared == NULL && msg->type->drop != NULL) {
        msg->type->drop(msg + 1);
    }
    while (extra.chunks != NULL) {
        next = ((chunk *)extra.chunks)->next;
        gri_free(extra.chunks);
        extra.chunks = next;
    }
    gri_pool_free(&msg->block);
    (void)gr_msg_unref(extra.shared);
    (void)gr_msg_unref(holder);
    if (extra.origin != NULL) {
        extra.origin->released(extra.origin, extra.origin_bytes);
    }
}

static inline void free_message(gr_msg *msg, bool drop)
{
    if (__builtin_expect(msg->extra != NULL, 0)) {
        free_with_extra(msg, drop);
        return;
    }
    if (drop && msg->type->drop != NULL) {
        msg->type->drop(msg + 1);
    }
    gri_pool_free(&msg->block);
}

gr_msg *gr_msg_unref(const gr_msg *take_msg)
{
    gr_msg *msg = (gr_msg *)(uintptr_t)take_msg;

    if (msg == NULL) {
        return NULL;
    }
    /* Alone: nobody else can add a holder. Acquire pairs with the release below of who let go before. */
    if (atomic_load_explicit(&msg->refs, memory_order_acquire) == 1 ||
        /* Release: what this holder did is done before the last one frees; acquire: the last one sees it. */
        atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel) == 1) {
        free_message(msg, true);
    }
    return NULL;
}

void gri_msg_discard(gr_msg *msg)
{
    free_message(msg, false);
}

gr_msg *gri_msg_for_queue(gr_msg *msg)
{
    gr_msg *envelope = NULL;

    /* Acquire: the only holder sees all that former holders did. */
    if (atomic_load_explicit(&msg->refs, memory_order_acquire) == 1) {
        return msg;
    }
    envelope = gri_msg_new_with_room(&(const gr_type){"", 0, NULL, NULL, NULL},
                                     aligned(sizeof(gri_msg_extra)));
    if (envelope == NULL || gri_msg_extra_of(envelope) == NULL) {
        (void)gr_msg_unref(envelope);
        (void)gr_msg_unref(msg);
        return NULL;
    }
    envelope->type = msg->type;
    envelope->sender = msg->sender;
    envelope->quiet = msg->quiet;
    envelope->request = msg->request;
    gri_headers_share(envelope, msg);
    envelope->extra->shared = msg;
    envelope->extra->one_of_many = msg->extra != NULL && msg->extra->one_of_many;
    if (msg->extra != NULL && msg->extra->shared != NULL) {
        envelope->extra->shared = gr_msg_ref(msg->extra->shared);
        (void)gr_msg_unref(msg);
    }
    return envelope;
}

gr_msg *gr_msg_new_error(gr_err code, const char *text)
{
    gr_msg *msg = gr_msg_new(&gr_error_type);
    gr_error *error = msg == NULL ? NULL : gr_msg_payload(msg);

    if (error != NULL) {
        error->code = (gr_err)((unsigned)code & ~(unsigned)GR_FATAL);
        (void)snprintf(error->text, sizeof(error->text), "%s",
                       text == NULL ? gr_err_text(code) : text);
    }
    return msg;
}
