/*
 * Payloads as bytes: the codec of protobuf-c messages, with the guards that protobuf-c lacks (nesting, bytes, UTF-8), the
 * codec of errors, and packing in general. This is the only file of the runtime that calls protobuf-c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include <gri/bytes.h>
#include <gri/fail.h>
#include <gri/mem.h>

#include "codec.h"
#include "message_internal.h"
#include "system_internal.h"

/* protobuf-c takes about 1 KiB of stack for each level. */
enum { NESTING_MAX = 100, NESTING_ON_FIBER = 8, AMPLIFICATION_MAX = 64, BUDGET_FLOOR = 64 * 1024 };

/* The messages that a field of a message holds: as many as counted, some may be NULL. */
static ProtobufCMessage *const *held_by(const ProtobufCMessage *message,
                                        const ProtobufCFieldDescriptor *field, size_t *out_count)
{
    const char *base = (const char *)message;
    const void *at = base + field->offset;
    const void *quantifier = base + field->quantifier_offset;

    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        *out_count = 0;
    } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        at = *(void *const *)at;
        *out_count = at == NULL ? 0 : *(const size_t *)quantifier;
    } else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        *out_count = *(const uint32_t *)quantifier == field->id ? 1 : 0;
    } else {
        *out_count = 1;
    }
    return at;
}

/* Whether a message is nested more than so many levels deep; takes little stack for each of them. */
static bool is_deeper(const ProtobufCMessage *message, int levels)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    unsigned i = 0;

    if (descriptor == NULL || descriptor->magic != PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC) {
        return false; /* protobuf_c_message_check() refuses it */
    }
    for (i = 0; i < descriptor->n_fields; i++) {
        size_t count = 0, k = 0;
        ProtobufCMessage *const *held = held_by(message, &descriptor->fields[i], &count);

        for (k = 0; k < count; k++) {
            if (held[k] != NULL && (levels == 0 || is_deeper(held[k], levels - 1))) {
                return true;
            }
        }
    }
    return false;
}

/* One packing, or the measuring before it, to be run where there is stack for it. */
typedef struct pack_call {
    const ProtobufCMessage *message;
    uint8_t *out;
    size_t bytes;
    bool too_deep;
} pack_call;

static void run_measure(void *arg)
{
    pack_call *call = arg;

    call->bytes = protobuf_c_message_check(call->message)
                      ? protobuf_c_message_get_packed_size(call->message)
                      : SIZE_MAX;
}

static void run_measure_deep(void *arg)
{
    pack_call *call = arg;

    call->too_deep = is_deeper(call->message, NESTING_MAX);
    if (!call->too_deep) {
        run_measure(call);
    }
}

static void run_pack(void *arg)
{
    pack_call *call = arg;

    (void)protobuf_c_message_pack(call->message, call->out);
}

static pack_call measure(const gr_type *type, const void *payload)
{
    pack_call call = {payload, NULL, SIZE_MAX, false};

    if (call.message->descriptor != type->codec_data) {
        return call;
    }
    if (is_deeper(call.message, NESTING_ON_FIBER)) {
        gri_worker_call_deep(run_measure_deep, &call);
    } else {
        run_measure(&call);
    }
    return call;
}

static size_t proto_packed_bytes(const gr_type *type, const void *payload)
{
    return measure(type, payload).bytes;
}

static void proto_pack(const gr_type *type, const void *payload, uint8_t *out)
{
    pack_call call = {payload, out, 0, false};

    (void)type;
    if (is_deeper(call.message, NESTING_ON_FIBER)) {
        gri_worker_call_deep(run_pack, &call);
    } else {
        run_pack(&call);
    }
}

/* Memory of one message while it is being unpacked, with a budget. The first allocation is the payload itself. */
typedef struct unpacking {
    gr_msg *msg;
    size_t left;
    bool payload_given;
    bool out_of_memory; /* else a refusal was the budget's */
} unpacking;

static void *arena_alloc(void *arg, size_t bytes)
{
    unpacking *into = arg;
    void *block = NULL;

    if (!into->payload_given) {
        into->payload_given = true;
        return into->msg + 1;
    }
    if (bytes > into->left) {
        return NULL;
    }
    into->left -= bytes;
    block = gr_msg_alloc(into->msg, bytes);
    into->out_of_memory = block == NULL;
    return block;
}

static void arena_free(void *arg, void *block)
{
    (void)arg;
    (void)block; /* goes with the message */
}

/* One unpacking, to be run where there is stack for it. */
typedef struct unpack_call {
    const gr_type *type;
    const uint8_t *bytes;
    size_t count;
    unpacking into;
    bool done;
} unpack_call;

static void run_unpack(void *arg)
{
    unpack_call *call = arg;
    ProtobufCAllocator allocator = {arena_alloc, arena_free, &call->into};

    call->done = protobuf_c_message_unpack(call->type->codec_data, &allocator, call->count,
                                           call->bytes) != NULL;
}

static gr_err proto_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg)
{
    unpack_call call = {
        type, bytes, count, {msg, count * AMPLIFICATION_MAX + BUDGET_FLOOR, false, false}, false};
    int nesting = 0;
    gr_err err = gri_proto_scan(type->codec_data, bytes, count, NESTING_MAX, &nesting);

    if (err != GR_OK) {
        return err;
    }
    if (nesting <= NESTING_ON_FIBER) {
        run_unpack(&call);
    } else {
        gri_worker_call_deep(run_unpack, &call);
    }
    if (!call.done) {
        return call.into.out_of_memory
                   ? GRI_FAIL(GR_ENOMEM, "a %s of %zu bytes", type->name, count)
                   : GRI_FAIL(GR_EDECODE,
                              "%zu bytes are not a %s, or take more than %d times their size",
                              count, type->name, AMPLIFICATION_MAX);
    }
    return GR_OK;
}

void gri_proto_init(const gr_type *type, void *payload)
{
    protobuf_c_message_init(type->codec_data, payload);
}

const gr_codec gr_proto_codec = {GR_CODEC_VERSION, proto_packed_bytes, proto_pack, proto_unpack};

/* An error on the wire: u32 code, then the text to the end. */
static size_t error_packed_bytes(const gr_type *type, const void *payload)
{
    const gr_error *error = payload;

    (void)type;
    return 4 + strnlen(error->text, sizeof(error->text) - 1);
}

static void error_pack(const gr_type *type, const void *payload, uint8_t *out)
{
    const gr_error *error = payload;

    gri_put_u32(out, (uint32_t)error->code);
    memcpy(out + 4, error->text, error_packed_bytes(type, payload) - 4);
}

static gr_err error_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg)
{
    gr_error *error = gr_msg_payload(msg);
    uint32_t code = count < 4 ? 0 : gri_get_u32(bytes);

    (void)type;
    if (count < 4 || code == 0 || code > GR_EAPP_LAST || count - 4 >= sizeof(error->text)) {
        return GRI_FAIL(GR_EDECODE, "%zu bytes are not an error", count);
    }
    error->code = (gr_err)code;
    memcpy(error->text, bytes + 4, count - 4);
    error->text[count - 4] = '\0';
    return GR_OK;
}

static const gr_codec error_codec = {GR_CODEC_VERSION, error_packed_bytes, error_pack,
                                     error_unpack};

const gr_type gr_error_type = {"granary.Error", sizeof(gr_error), NULL, &error_codec, NULL};
const gr_type gr_terminated_type = GR_TYPE(gr_terminated);

gr_err gr_msg_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg **out_msg)
{
    gr_err err = GR_OK;
    gr_msg *msg = NULL;

    if (type->codec == NULL) {
        return GRI_FAIL(GR_EINVAL, "type %s does not travel: it has no codec", type->name);
    }
    if (count > UINT32_MAX / 4) {
        return GRI_FAIL(GR_ETOOBIG, "%zu bytes for one %s", count, type->name);
    }
    msg = gri_msg_new_with_room(type, count + count / 2 + sizeof(gri_msg_extra));
    if (msg == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a %s of %zu bytes", type->name, count);
    }
    err = type->codec->unpack(type, bytes, count, msg);
    if (err != GR_OK) {
        gri_msg_discard(msg);
        return err;
    }
    *out_msg = msg;
    return GR_OK;
}

gr_err gr_msg_new_proto(const gr_type *type, const void *proto, gr_msg **out_msg)
{
    gr_err err = GR_OK;
    uint8_t small[1024];
    uint8_t *bytes = small;
    size_t count = 0;
    pack_call measured;

    if (type->codec != &gr_proto_codec) {
        return GRI_FAIL(GR_EINVAL, "type %s is no protobuf type", type->name);
    }
    measured = measure(type, proto);
    count = measured.bytes;
    if (measured.too_deep) {
        return GRI_FAIL(GR_EINVAL, "this %s is nested deeper than %d levels: nobody would take it",
                        type->name, NESTING_MAX);
    }
    if (count == SIZE_MAX) {
        return GRI_FAIL(
            GR_EINVAL,
            "not a well-formed %s: begin with its _INIT, and set what is required or repeated",
            type->name);
    }
    if (count > sizeof(small)) {
        bytes = gri_alloc(count);
        if (bytes == NULL) {
            return GRI_FAIL(GR_ENOMEM, "a %s of %zu bytes", type->name, count);
        }
    }
    proto_pack(type, proto, bytes);
    err = gr_msg_unpack(type, bytes, count, out_msg);
    if (bytes != small) {
        gri_free(bytes);
    }
    return err;
}
