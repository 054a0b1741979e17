/*
 * How deep a message is nested, before it is unpacked. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_NESTING_H
#define GRI_NESTING_H

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

enum { GRI_NESTING_MAX = 100 };

/* False when the bytes, read as such a message, nest deeper than GRI_NESTING_MAX. Bytes that are no
 * such message are none of its business: unpacking them fails. */
bool gri_nesting_is_bounded(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                            size_t count);

#endif
