/*
 * Reads options, which arrive as unknown fields of the options that descriptor.proto knows. A
 * statement such as `option (granary.grain).role = "x";` makes one occurrence of the field, so a
 * message of options may come in several parts; joined, they are the message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "options.h"

#include <string.h>

enum {
    OPTION_NUMBER = 50701,    /* granary.grain and granary.method */
    PROTOBUF_C_NUMBER = 1019, /* protobuf-c's own */
    MAILBOX_LIMIT_MAX = 1000000
};

static void *allocate(void *arena, size_t bytes)
{
    return gri_arena_alloc(arena, bytes);
}

static void keep(void *arena, void *block)
{
    (void)arena; /* freed as a whole */
    (void)block;
}

ProtobufCAllocator gri_options_allocator(gri_arena *arena)
{
    return (ProtobufCAllocator){allocate, keep, arena};
}

/* The length that stands in front of a field's bytes: how many bytes it takes. */
static size_t prefix_bytes(const ProtobufCMessageUnknownField *field)
{
    size_t bytes = 0;

    while (bytes < field->len && (field->data[bytes] & 0x80) != 0) {
        bytes++;
    }
    return bytes < field->len ? bytes + 1 : field->len;
}

/* All occurrences of a message field, joined; NULL when one is no message. */
static uint8_t *join(gri_arena *arena, const ProtobufCMessage *options, uint32_t number,
                     size_t *out_bytes)
{
    size_t room = 0;
    uint8_t *joined = NULL;

    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        room += options->unknown_fields[i].len;
    }
    joined = gri_arena_alloc(arena, room);
    *out_bytes = 0;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        size_t prefix = prefix_bytes(field);

        if (field->tag != number) {
            continue;
        }
        if (field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
            return NULL;
        }
        if (field->len > prefix) {
            memcpy(joined + *out_bytes, field->data + prefix, field->len - prefix);
            *out_bytes += field->len - prefix;
        }
    }
    return joined;
}

/* The option as a message; NULL when it is not given or no such message. */
static ProtobufCMessage *unpack(gri_arena *arena, const ProtobufCMessage *options, uint32_t number,
                                const ProtobufCMessageDescriptor *descriptor, bool *out_broken)
{
    ProtobufCAllocator allocator = gri_options_allocator(arena);
    ProtobufCMessage *message = NULL;
    size_t bytes = 0;
    uint8_t *joined = join(arena, options, number, &bytes);

    if (joined != NULL && bytes > 0) {
        message = protobuf_c_message_unpack(descriptor, &allocator, bytes, joined);
    }
    *out_broken = joined == NULL || (bytes > 0 && message == NULL);
    return message;
}

/* As unpack(), saying what is wrong. */
static ProtobufCMessage *read(gri_arena *arena, const ProtobufCMessage *options,
                              const ProtobufCMessageDescriptor *descriptor, const char *name,
                              gri_spot spot, gri_trouble *trouble)
{
    bool broken = false;
    ProtobufCMessage *message = unpack(arena, options, OPTION_NUMBER, descriptor, &broken);

    if (broken) {
        gri_trouble_add(trouble, spot,
                        "option %d is not (%s) of granary/options.proto: another .proto file uses "
                        "its number",
                        OPTION_NUMBER, name);
    }
    for (unsigned i = 0; message != NULL && i < message->n_unknown_fields; i++) {
        gri_trouble_add(trouble, spot,
                        "field %u of (%s) is unknown to protoc-gen-granary " GRANARY_VERSION
                        ": use a newer one",
                        message->unknown_fields[i].tag, name);
    }
    return message;
}

/* A name that goes on the wire and into flags: visible ASCII that needs no quoting anywhere. */
static bool is_plain_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= 200 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               length;
}

static void check_name(const char *option, const char *value, gri_spot spot, gri_trouble *trouble)
{
    if (value != NULL && !is_plain_name(value)) {
        gri_trouble_add(trouble, spot,
                        "%s is '%.*s', but is 1 to 200 letters, digits, '_', '.' and '-'", option,
                        200, value);
    }
}

static gri_spot below(gri_arena *arena, gri_spot spot, int32_t options, int32_t field)
{
    const int32_t steps[] = {options, OPTION_NUMBER, field};

    return gri_spot_below(arena, spot, steps, field == 0 ? 2 : 3);
}

const gri_grain_options *gri_options_of_service(gri_arena *arena,
                                                const Google__Protobuf__ServiceOptions *options,
                                                gri_spot spot, gri_trouble *trouble)
{
    static const gri_grain_options none = GRANARY__GRAIN_OPTIONS__INIT;
    const gri_grain_options *grain = NULL;

    if (options != NULL) {
        grain = (const gri_grain_options *)read(
            arena, &options->base, &granary__grain_options__descriptor, "granary.grain",
            below(arena, spot, GRI_IN_SERVICE_OPTIONS, 0), trouble);
    }
    if (grain == NULL) {
        return &none;
    }
    check_name("name", grain->name, below(arena, spot, GRI_IN_SERVICE_OPTIONS, 1), trouble);
    check_name("role", grain->role, below(arena, spot, GRI_IN_SERVICE_OPTIONS, 2), trouble);
    if (grain->has_passivate_after_ms && grain->passivate_after_ms == 0) {
        gri_trouble_add(trouble, below(arena, spot, GRI_IN_SERVICE_OPTIONS, 3),
                        "passivate_after_ms is 0, but a grain stays awake for 1 ms at least");
    }
    if (grain->has_mailbox_limit &&
        (grain->mailbox_limit == 0 || grain->mailbox_limit > MAILBOX_LIMIT_MAX)) {
        gri_trouble_add(trouble, below(arena, spot, GRI_IN_SERVICE_OPTIONS, 4),
                        "mailbox_limit is %u, but is 1 to %d", grain->mailbox_limit,
                        MAILBOX_LIMIT_MAX);
    }
    return grain;
}

const gri_method_options *gri_options_of_method(gri_arena *arena,
                                                const Google__Protobuf__MethodOptions *options,
                                                gri_spot spot, gri_trouble *trouble)
{
    static const gri_method_options none = GRANARY__METHOD_OPTIONS__INIT;
    const gri_method_options *method = NULL;

    if (options != NULL) {
        method = (const gri_method_options *)read(
            arena, &options->base, &granary__method_options__descriptor, "granary.method",
            below(arena, spot, GRI_IN_METHOD_OPTIONS, 0), trouble);
    }
    if (method == NULL) {
        return &none;
    }
    if (method->has_timeout_ms && (method->timeout_ms == 0 || method->timeout_ms > INT32_MAX)) {
        gri_trouble_add(trouble, below(arena, spot, GRI_IN_METHOD_OPTIONS, 4),
                        "timeout_ms is %u, but is 1 to %d", method->timeout_ms, INT32_MAX);
    }
    return method;
}

const char *gri_options_c_package(gri_arena *arena, const gri_proto_file *file)
{
    const Granary__ProtobufC__FileOptions *options = NULL;
    bool broken = false;

    if (file->options != NULL) {
        options = (const Granary__ProtobufC__FileOptions *)unpack(
            arena, &file->options->base, PROTOBUF_C_NUMBER,
            &granary__protobuf_c__file_options__descriptor, &broken);
    }
    return options == NULL ? NULL : options->c_package;
}
