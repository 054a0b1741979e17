/*
 * Messages: an envelope and a payload in one block. A message is made, filled and sent; sending
 * moves it away from the sender on every path. A received message is read-only and lives until the
 * handler returns, unless a reference is taken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_MESSAGE_H
#define GRANARY_MESSAGE_H

#include <granary/error.h>
#include <granary/pid.h>

GR_BEGIN_DECLS

typedef struct gr_msg gr_msg;

/** How a payload travels between processes; see <granary/runtime_spi.h>. Types without one never
 * leave theirs. */
typedef struct gr_codec gr_codec;

/** Describes a payload. Types are compared by pointer, so define each once: `const gr_type
 * ping_type = GR_TYPE(ping);`. */
typedef struct gr_type {
    const char *name;
    size_t bytes;
    /** Lets go of what the payload refers to, not of the payload itself; NULL when there is nothing
     * to let go of. */
    void (*drop)(void *payload);
    const gr_codec *codec;
    /** For the codec: what it must know of this type, such as a protobuf-c descriptor. */
    const void *codec_data;
} gr_type;

/** A plain C struct that stays in its process. */
#define GR_TYPE(struct_name)                                                                       \
    {                                                                                              \
#struct_name, sizeof(struct_name), NULL, NULL, NULL                                        \
    }

/** A protobuf-c message: its C type and its descriptor. The name on the wire is the full protobuf
 * name. */
#define GR_PROTO_TYPE(full_name, struct_name, descriptor)                                          \
    {                                                                                              \
        full_name, sizeof(struct_name), NULL, &gr_proto_codec, &(descriptor)                       \
    }

/** The codec of all protobuf-c messages. Both ways are bounded: 100 levels of nesting; unpacking also
 * to 64 times the bytes received. Levels beyond the first few are handled on a large stack, so a
 * handler on its small one may pack and unpack whatever there is. */
GR_API extern const gr_codec gr_proto_codec;

/** The type of the message that carries a failure as an answer; its payload is a gr_error. */
GR_API extern const gr_type gr_error_type;

/**
 * A new message with a zeroed payload.
 *
 * Owns:    yours until it is sent; else gr_msg_unref() it.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_msg *gr_msg_new(const gr_type *type);

/**
 * A new message with a deep copy of a protobuf-c message as its payload.
 *
 * Owns:    `proto` stays yours; the result is yours until it is sent.
 * Errors:  GR_EINVAL the type is no protobuf type, or the message has a required field unset or is
 *          nested deeper than 100 levels; GR_ENOMEM.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_msg_new_proto(const gr_type *type, const void *proto,
                                             gr_msg **out_msg);

/**
 * The payload, to be filled before sending.
 *
 * Owns:    borrowed: lives as long as the message.
 * Errors:  none.
 * Thread:  only while nobody else holds the message.
 * Units:   none.
 */
GR_API void *gr_msg_payload(gr_msg *msg);

/**
 * The payload of a message of this type, or NULL when it is of another, or there is no message.
 *
 * Owns:    borrowed: lives as long as the message.
 * Errors:  NULL; `msg` may be NULL.
 * Thread:  any.
 * Units:   none.
 */
GR_API const void *gr_msg_read(const gr_msg *msg, const gr_type *type);

/**
 * The type of a message.
 *
 * Owns:    borrowed.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API const gr_type *gr_msg_type(const gr_msg *msg);

/**
 * Who sent it; the null pid for a plain tell.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_pid gr_msg_sender(const gr_msg *msg);

/** A note on the envelope: for traces, tenants and the like, which handlers need not know of. */
typedef struct gr_header {
    const char *key;
    const char *value;
} gr_header;

enum { GR_HEADERS_MAX = 16, GR_HEADERS_BYTES_MAX = 4096 };

/**
 * Sets a header, in place of one with the same key; NULL as the value takes it away. A message that is handed on keeps its
 * headers, here and to other processes; an answer has only its own.
 *
 * Owns:    copies both, into the message's own memory.
 * Errors:  GR_EINVAL an empty key, more than GR_HEADERS_MAX headers or GR_HEADERS_BYTES_MAX bytes in all keys and values, or
 *          the message has several holders; GR_ENOMEM. Then the message is as it was.
 * Thread:  only while nobody else holds the message.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_msg_set_header(gr_msg *msg, const char *key, const char *value);

/**
 * The value of a header; how many there are; and one of them, in the order in which they were first set.
 *
 * Owns:    borrowed: live as long as the message, or until one is set.
 * Errors:  NULL, or NULL for key and value, when there is no such header.
 * Thread:  any.
 * Units:   none.
 */
GR_API const char *gr_msg_header(const gr_msg *msg, const char *key);
GR_API size_t gr_msg_headers(const gr_msg *msg);
GR_API gr_header gr_msg_header_at(const gr_msg *msg, size_t index);

/**
 * Marks a message as one that does not count as activity of who receives it, so that a receive timeout is not pushed back by
 * it; and reads the mark.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  mark: only while nobody else holds the message; read: any.
 * Units:   none.
 */
GR_API void gr_msg_mark_quiet(gr_msg *msg);
GR_API bool gr_msg_is_quiet(const gr_msg *msg);

/**
 * Memory that lives and dies with the message, aligned for anything, not zeroed: for strings and
 * arrays of its payload.
 *
 * Owns:    borrowed: lives as long as the message.
 * Errors:  NULL when out of memory.
 * Thread:  only while nobody else holds the message.
 * Units:   bytes.
 */
GR_API void *gr_msg_alloc(gr_msg *msg, size_t bytes);

/**
 * One more holder of the message. A message with several holders is read-only.
 *
 * Owns:    adds a reference; gr_msg_unref() it.
 * Errors:  none; NULL gives NULL.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_msg *gr_msg_ref(const gr_msg *msg);

/**
 * One holder less; the last one frees it.
 *
 * Owns:    takes the reference. Always returns NULL, so `msg = gr_msg_unref(msg);`.
 * Errors:  none; NULL is fine.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_msg *gr_msg_unref(const gr_msg *take_msg);

GR_END_DECLS
#endif
