/*
 * A peer by hand: a socket that says hello to a remote and then what no honest peer says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RAW_PEER_H
#define RAW_PEER_H

#include "frame.h"
#include "handshake.h"
#include "session.h"
#include "world.h"

typedef struct raw_frame {
    gri_frame head;
    size_t bytes;
    uint8_t data[GRI_FRAME_BYTES_MAX];
} raw_frame;

/* Connected, and the greetings of SP exchanged. */
int raw_connect(const char *address);
/* One frame: its length and its bytes. */
void raw_send(int fd, const uint8_t *bytes, size_t count);
/* One frame, or 0 when the other side has closed. */
size_t raw_receive(int fd, uint8_t *out, size_t room);
/* A client's, that may be changed before it is said. */
gri_hello raw_hello(void);
/* A peer by hand, as far as its first frames. */
int raw_session(const char *address, const gri_hello *hello, uint64_t *out_node);
/* Says hello, and expects to be refused with a code and a text. */
void raw_expect_refusal(const char *address, const gri_hello *hello, uint8_t version, gr_err code,
                        const char *text);

/* One more envelope in a frame of data; flushing sends it with the next number. */
void raw_add(raw_frame *frame, const gri_envelope *envelope, const void *payload);
void raw_flush(int fd, raw_frame *frame);
/* Until the other side has handled all of it. */
void raw_wait_handled(int fd, const raw_frame *frame);
/* The next request that it is sent, and the frame that brings it; its sender is who waits. */
gr_pid raw_wait_request(int fd, uint64_t *out_seq);

/* Envelopes: a note without a payload (type 1, which has to be named first), and a signal from an
 * actor of the peer's. */
gri_envelope raw_note(gr_pid to, uint8_t flags);
gri_envelope raw_signal(gr_signal_kind kind, gr_reason reason, gr_pid to, uint32_t from);
void raw_name_note(raw_frame *frame);

#endif
