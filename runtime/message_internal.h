/*
 * The message block: one 64-byte envelope line, the payload right behind it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_MESSAGE_INTERNAL_H
#define GRI_MESSAGE_INTERNAL_H

#include <stdatomic.h>

#include <granary/runtime_spi.h>

#include "pool.h"

/* What only some messages need; lives in the message's own memory. */
typedef struct gri_msg_extra {
    void *chunks; /* memory beyond the block, linked by the first word */
    const gr_msg
        *shared; /* the message whose payload this envelope carries: one of several receivers' */
    gr_origin *origin;
    size_t origin_bytes;
    struct gri_headers
        *headers; /* NULL: none; perhaps in the memory of another message, which is held then */
    bool
        one_of_many; /* others have a copy too: one that is not handled does not fail the request */
} gri_msg_extra;

struct gr_msg {
    gri_block block; /* next: the mailbox; tag: the generation of the actor it was sent to */
    const gr_type *type;
    gr_pid sender;
    gri_msg_extra *extra; /* NULL for most */
    atomic_uint refs;
    uint32_t used : 30;   /* bytes of the block that are taken */
    uint32_t quiet : 1;   /* does not count as activity of who receives it */
    uint32_t request : 1; /* its sender waits for one answer */
};

_Static_assert(sizeof(struct gr_msg) == 64, "the envelope is one cache line");

/* Of an envelope with its payload and the room that is asked for with it; rounded up to whole blocks it still fits `used`. */
enum { GRI_MSG_USED_MASK = (1 << 30) - 1, GRI_MSG_BYTES_MAX = (1 << 30) - GRI_POOL_ALIGN };

/* As gr_msg_new(), with room for gr_msg_alloc() in the same block. */
gr_msg *gri_msg_new_with_room(const gr_type *type, size_t room_bytes);

/* What only some messages need, made when it is needed; NULL when out of memory. */
gri_msg_extra *gri_msg_extra_of(gr_msg *msg);

/* header.c */
/* An envelope gets the headers of the message that it is made for. */
void gri_headers_share(gr_msg *envelope, const gr_msg *msg);
/* Whose memory they live in, if it is held for their sake. */
const gr_msg *gri_headers_holder(const gr_msg *msg);

/* A message ready to be queued: itself, or an envelope of its own when others hold it too; NULL when out of memory. */
gr_msg *gri_msg_for_queue(gr_msg *take_msg);

/* Makes *msg an envelope that nobody else holds; false when out of memory, and then the message is gone. */
static inline bool gri_msg_own(gr_msg **msg)
{
    /* Acquire: the only holder sees all that former holders did. */
    if (__builtin_expect(atomic_load_explicit(&(*msg)->refs, memory_order_acquire) != 1, 0)) {
        *msg = gri_msg_for_queue(*msg);
    }
    return *msg != NULL;
}

/* Makes *msg one from nobody, whoever may have sent it before; false when out of memory, and then the message is gone. */
static inline bool gri_msg_disown(gr_msg **msg)
{
    if (__builtin_expect(gr_pid_is_null((*msg)->sender), 1)) {
        return true;
    }
    if (!gri_msg_own(msg)) {
        return false;
    }
    gr_msg_set_sender(*msg, gr_pid_null());
    return true;
}

/* What runs in order in the mailbox but is no user's message. */
extern const gr_type gri_poison_type;

#endif
