/*
 * The handshake's messages to protobuf and back. Texts of the other side are cut to their limits and
 * cleaned of control characters, since they end up in logs. Runs in any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "handshake.h"

#include <stdio.h>
#include <string.h>

#include <granary/wire.pb-c.h>

#include <gri/fail.h>

static size_t pack(gri_frame_kind kind, const ProtobufCMessage *message,
                   uint8_t out[GRI_HANDSHAKE_BYTES_MAX])
{
    size_t bytes = protobuf_c_message_get_packed_size(message);

    if (bytes > GRI_HANDSHAKE_BYTES_MAX - GRI_FRAME_START_BYTES) {
        return 0;
    }
    gri_frame_put_start(kind, (uint32_t)bytes, out);
    (void)protobuf_c_message_pack(message, out + GRI_FRAME_START_BYTES);
    return GRI_FRAME_START_BYTES + bytes;
}

size_t gri_hello_pack(const gri_hello *hello, uint8_t out[GRI_HANDSHAKE_BYTES_MAX])
{
    Granary__Hello message = GRANARY__HELLO__INIT;

    message.protocol = hello->protocol;
    message.cluster = (char *)(uintptr_t)hello->cluster;
    message.node = hello->node;
    message.role = (uint32_t)hello->role;
    message.address = (char *)(uintptr_t)hello->address;
    message.message_bytes_max = hello->message_bytes_max;
    message.window_messages = hello->window_messages;
    message.window_bytes = hello->window_bytes;
    message.session = hello->session;
    message.received = hello->received;
    return pack(GRI_FRAME_HELLO, &message.base, out);
}

size_t gri_accept_pack(const gri_accept *accept, uint8_t out[GRI_HANDSHAKE_BYTES_MAX])
{
    Granary__Accept message = GRANARY__ACCEPT__INIT;

    message.session = accept->session;
    message.resumes = accept->resumes;
    message.received = accept->received;
    return pack(GRI_FRAME_ACCEPT, &message.base, out);
}

size_t gri_refuse_pack(const gri_refuse *refuse, uint8_t out[GRI_HANDSHAKE_BYTES_MAX])
{
    Granary__Refuse message = GRANARY__REFUSE__INIT;

    message.code = (uint32_t)refuse->code;
    message.reason = (char *)(uintptr_t)refuse->reason;
    message.node = refuse->node;
    return pack(GRI_FRAME_REFUSE, &message.base, out);
}

static void copy_text(char *out, size_t room, const char *text)
{
    (void)snprintf(out, room, "%s", text);
    for (; *out != '\0'; out++) {
        if ((unsigned char)*out < ' ' || *out == 0x7f) {
            *out = '?';
        }
    }
}

bool gri_hello_unpack(const uint8_t *bytes, size_t count, gri_hello *out_hello)
{
    Granary__Hello *message = granary__hello__unpack(NULL, count, bytes);
    bool fits = false;

    if (message == NULL) {
        return false;
    }
    fits = strlen(message->cluster) <= GRI_CLUSTER_BYTES_MAX &&
           strlen(message->address) < GR_ADDRESS_BYTES_MAX;
    if (fits) {
        *out_hello = (gri_hello){
            .protocol = message->protocol,
            .node = message->node,
            .role = (gr_role)message->role,
            .message_bytes_max = message->message_bytes_max > UINT32_MAX
                                     ? UINT32_MAX
                                     : (uint32_t)message->message_bytes_max,
            .window_messages = message->window_messages > UINT32_MAX
                                   ? UINT32_MAX
                                   : (uint32_t)message->window_messages,
            .window_bytes = message->window_bytes,
            .session = message->session,
            .received = message->received,
        };
        copy_text(out_hello->cluster, sizeof(out_hello->cluster), message->cluster);
        copy_text(out_hello->address, sizeof(out_hello->address), message->address);
    }
    granary__hello__free_unpacked(message, NULL);
    return fits;
}

bool gri_accept_unpack(const uint8_t *bytes, size_t count, gri_accept *out_accept)
{
    Granary__Accept *message = granary__accept__unpack(NULL, count, bytes);

    if (message == NULL) {
        return false;
    }
    *out_accept = (gri_accept){
        .session = message->session,
        .received = message->received,
        .resumes = message->resumes != 0,
    };
    granary__accept__free_unpacked(message, NULL);
    return true;
}

bool gri_refuse_unpack(const uint8_t *bytes, size_t count, gri_refuse *out_refuse)
{
    Granary__Refuse *message = granary__refuse__unpack(NULL, count, bytes);

    if (message == NULL) {
        return false;
    }
    out_refuse->code =
        message->code == 0 || message->code > GR_EAPP ? GR_EREFUSED : (gr_err)message->code;
    out_refuse->node = message->node;
    copy_text(out_refuse->reason, sizeof(out_refuse->reason), message->reason);
    granary__refuse__free_unpacked(message, NULL);
    return true;
}

gr_err gri_hello_check(const gri_hello *mine, const gri_hello *other)
{
    if (other->protocol != mine->protocol) {
        return GRI_FAIL(GR_EMISMATCH, "protocol %u at %s, protocol %u at %s", mine->protocol,
                        mine->address[0] == '\0' ? "one side" : mine->address, other->protocol,
                        other->address[0] == '\0' ? "the other" : other->address);
    }
    if (strcmp(other->cluster, mine->cluster) != 0) {
        return GRI_FAIL(
            GR_EMISMATCH, "cluster \"%.60s\" at %.60s, cluster \"%.60s\" at the other side",
            mine->cluster, mine->address[0] == '\0' ? "one side" : mine->address, other->cluster);
    }
    if (other->node == mine->node) {
        return GRI_FAIL(GR_EREFUSED, "that is this process itself");
    }
    if (other->node == 0 || (other->role != GR_ROLE_NODE && other->role != GR_ROLE_CLIENT) ||
        other->message_bytes_max == 0 || other->window_messages == 0 || other->window_bytes == 0) {
        return GRI_FAIL(GR_EREFUSED, "its hello lacks a node, a role or limits");
    }
    return GR_OK;
}
