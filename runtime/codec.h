/*
 * Guards for bytes that come from outside.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CODEC_H
#define GRI_CODEC_H

#include <granary/runtime_spi.h>

/*
 * Walks protobuf bytes by their descriptor (a ProtobufCMessageDescriptor) without recursion in proportion to the input:
 * at most `nesting_max` levels, strings are UTF-8 without NUL. Gives the levels there are. Errors: GR_EDECODE, naming what
 * is wrong.
 */
gr_err gri_proto_scan(const void *descriptor, const uint8_t *bytes, size_t count, int nesting_max,
                      int *out_nesting);

/* Makes the payload of a protobuf type an empty message. */
void gri_proto_init(const gr_type *type, void *payload);

/* Frees a message whose payload was not made, so that its type's drop() is not called. */
void gri_msg_discard(gr_msg *take_msg);

#endif
