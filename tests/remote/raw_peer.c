/*
 * What raw_peer.h says. Everything here runs in the thread that calls it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int raw_connect(const char *address)
{
    static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0};
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval patience = {10, 0};
    uint8_t theirs[8];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, greeting, 8, MSG_NOSIGNAL), 8);
    assert_int_equal(recv(fd, theirs, 8, MSG_WAITALL), 8);
    return fd;
}

void raw_send(int fd, const uint8_t *bytes, size_t count)
{
    uint8_t length[8] = {0,
                         0,
                         0,
                         0,
                         (uint8_t)(count >> 24),
                         (uint8_t)(count >> 16),
                         (uint8_t)(count >> 8),
                         (uint8_t)count};

    (void)send(fd, length, 8, MSG_NOSIGNAL); /* it may have closed already: that is for it to say */
    (void)send(fd, bytes, count, MSG_NOSIGNAL);
}

/* One frame, or 0 when the other side has closed. */
size_t raw_receive(int fd, uint8_t *out, size_t room)
{
    uint8_t length[8];
    size_t count = 0;

    if (recv(fd, length, 8, MSG_WAITALL) != 8) {
        return 0;
    }
    count = (size_t)length[6] << 8 | length[7];
    assert_true(count <= room);
    return recv(fd, out, count, MSG_WAITALL) == (ssize_t)count ? count : 0;
}

gri_hello raw_hello(void)
{
    gri_hello hello = {.protocol = GRI_PROTOCOL,
                       .node = 0x1234,
                       .role = GR_ROLE_CLIENT,
                       .message_bytes_max = 1000,
                       .window_messages = 10,
                       .window_bytes = 100000,
                       .cluster = "default"};

    return hello;
}

/* A peer by hand, as far as its first frames. */
int raw_session(const char *address, const gri_hello *hello, uint64_t *out_node)
{
    uint8_t frame[GRI_HANDSHAKE_BYTES_MAX];
    gri_accept accept = {.session = 77};
    gri_hello theirs;
    int fd = raw_connect(address);
    size_t count = 0;

    raw_send(fd, frame, gri_hello_pack(hello, frame));
    count = raw_receive(fd, frame, sizeof(frame));
    assert_true(count > 0 && frame[3] == GRI_FRAME_HELLO);
    assert_true(gri_hello_unpack(frame + 8, count - 8, &theirs));
    raw_send(fd, frame, gri_accept_pack(&accept, frame));
    count = raw_receive(fd, frame, sizeof(frame));
    assert_true(count > 0 && frame[3] == GRI_FRAME_ACCEPT);
    *out_node = theirs.node;
    return fd;
}

/* Says hello, and expects to be refused with a code and a text. */
void raw_expect_refusal(const char *address, const gri_hello *hello, uint8_t version, gr_err code,
                        const char *text)
{
    uint8_t frame[GRI_HANDSHAKE_BYTES_MAX];
    int fd = raw_connect(address);
    size_t count = gri_hello_pack(hello, frame);
    gri_refuse refusal = {0};

    frame[2] = version;
    raw_send(fd, frame, count);
    count = raw_receive(fd, frame, sizeof(frame));
    assert_true(count > GRI_FRAME_START_BYTES);
    assert_int_equal(frame[3], GRI_FRAME_REFUSE);
    assert_true(
        gri_refuse_unpack(frame + GRI_FRAME_START_BYTES, count - GRI_FRAME_START_BYTES, &refusal));
    assert_int_equal(refusal.code, code);
    assert_non_null(strstr(refusal.reason, text));
    assert_int_equal(raw_receive(fd, frame, sizeof(frame)), 0); /* and closed, after a while */
    close(fd);
}

void raw_add(raw_frame *frame, const gri_envelope *envelope, const void *payload)
{
    size_t head_bytes = gri_envelope_head_bytes(envelope);

    if (frame->bytes == 0) {
        frame->bytes = GRI_FRAME_BYTES;
    }
    assert_true(frame->bytes + head_bytes + envelope->bytes <= sizeof(frame->data));
    gri_envelope_put(envelope, frame->data + frame->bytes);
    if (envelope->bytes > 0) {
        memcpy(frame->data + frame->bytes + head_bytes, payload, envelope->bytes);
    }
    frame->bytes += head_bytes + envelope->bytes;
    frame->head.count++;
}

void raw_flush(int fd, raw_frame *frame)
{
    frame->head.kind = GRI_FRAME_DATA;
    frame->head.seq++;
    gri_frame_put(&frame->head, frame->data);
    raw_send(fd, frame->data, frame->bytes);
    frame->head.count = 0;
    frame->bytes = 0;
}

/* Until the other side has handled all of it. */
void raw_wait_handled(int fd, const raw_frame *frame)
{
    static uint8_t bytes[GRI_FRAME_BYTES_MAX];
    gri_frame heard = {.ack = 0};
    uint8_t version = 0;

    while (heard.ack < frame->head.seq) {
        size_t count = raw_receive(fd, bytes, sizeof(bytes));
        gri_reader reader = gri_reader_of(bytes, count);

        assert_true(count > 0 && gri_frame_read(&reader, &heard, &version));
    }
}

/* The first request that it is sent; its sender is who waits. */
gr_pid raw_wait_request(int fd, uint64_t *out_seq)
{
    static uint8_t bytes[GRI_FRAME_BYTES_MAX];
    gri_envelope envelope = {.flags = 0};
    gri_frame heard;
    uint8_t version = 0;

    while ((envelope.flags & GRI_ENVELOPE_REQUEST) == 0) {
        size_t count = raw_receive(fd, bytes, sizeof(bytes));
        gri_reader reader = gri_reader_of(bytes, count);

        assert_true(count > 0 && gri_frame_read(&reader, &heard, &version));
        while (reader.left > 0 && gri_envelope_read(&reader, &envelope) &&
               (envelope.flags & GRI_ENVELOPE_REQUEST) == 0) {
        }
    }
    *out_seq = heard.seq;
    return envelope.sender;
}

gri_envelope raw_note(gr_pid to, uint8_t flags)
{
    return (gri_envelope){.kind = GRI_ENVELOPE_MESSAGE,
                          .type = 1,
                          .flags = flags,
                          .slot = to.slot,
                          .generation = to.generation};
}

gri_envelope raw_signal(gr_signal_kind kind, gr_reason reason, gr_pid to, uint32_t from)
{
    return (gri_envelope){.kind = GRI_ENVELOPE_SIGNAL,
                          .type = (uint16_t)((unsigned)kind | (unsigned)reason << 8),
                          .flags = GRI_ENVELOPE_SENDER,
                          .slot = to.slot,
                          .generation = to.generation,
                          .sender = {0, from, 1}};
}

void raw_name_note(raw_frame *frame)
{
    gri_envelope name = {.kind = GRI_ENVELOPE_TYPE, .type = 1, .bytes = 9};

    raw_add(frame, &name, "note.Note");
}
