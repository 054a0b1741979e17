/*
 * Headers of messages as bytes, ahead of the payload; docs/wire.md has their form. Pure: bytes that are read are not to be
 * trusted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_HEADERS_H
#define GRI_REMOTE_HEADERS_H

#include <granary/message.h>

#include <gri/bytes.h>

/* How many bytes they take, their length included; 0: there are none. And writes them. */
size_t gri_msg_headers_bytes(const gr_msg *msg);
void gri_msg_headers_put(const gr_msg *msg, uint8_t *out);

/* Parts headers from the payload that follows. False: broken. */
bool gri_msg_headers_split(gri_reader *payload, gri_reader *out_headers);
/* Puts headers on a message; GR_EDECODE, GR_ENOMEM. */
gr_err gri_msg_headers_read(gri_reader *headers, gr_msg *msg);

#endif
