/*
 * Remotes on threads over real tcp and ipc: order over reconnects, many callers, slow peers, strangers
 * on the port. `--messages N` sets how many messages each writer sends over ten reconnects.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "handshake.h"
#include "proxy.h"
#include "session.h"
#include "world.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SHRINK = 5 };
#else
enum { SHRINK = 1 };
#endif

enum { WAIT_MS = 60000, RECONNECTS = 10, WRITERS = 2 };

static unsigned long messages = 100000 / (2 * WRITERS) / SHRINK;

typedef struct writer {
    pthread_t thread;
    gr_system *sys;
    gr_pid to;
    uint32_t number;
    unsigned long count;
    gr_err err;
} writer;

static void *write_notes(void *arg)
{
    writer *it = arg;

    for (unsigned long k = 1; k <= it->count && it->err == GR_OK; k++) {
        it->err = gr_send_wait(
            it->sys, it->to, note_new(it->number, k, k % 1000 == 0 ? 100000 : k % 64), GR_FOREVER);
    }
    return NULL;
}

static void start_writers(world *in, int from, gr_pid to, writer *writers)
{
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.sys = in->peers[from].sys, .to = to, .number = i, .count = messages};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_notes, &writers[i]), 0);
    }
}

static void join_writers(writer *writers)
{
    for (uint32_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_int_equal(writers[i].err, GR_OK);
    }
}

static void m02_order_holds_over_ten_reconnects_and_nothing_is_lost_or_doubled(void **state)
{
    world *in = world_threads();
    book books[2] = {{0}, {0}};
    writer there[WRITERS], back[WRITERS];
    proxy between;
    unsigned long total = messages * WRITERS;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, NULL);
    proxy_open(&between, gr_remote_address(in->peers[1].remote));
    for (int i = 0; i < 2; i++) {
        book_open(in, i, &books[i]);
    }
    assert_int_equal(gr_remote_set_address(in->peers[0].remote, gr_system_node(in->peers[1].sys),
                                           between.address),
                     GR_OK);
    assert_int_equal(gr_send(in->peers[0].sys, books[1].pid, note_new(WRITERS, 1, 0)), GR_OK);
    WORLD_UNTIL(in, WAIT_MS, in->peers[1].ups == 1);
    start_writers(in, 0, books[1].pid, there);
    start_writers(in, 1, books[0].pid, back);
    for (unsigned cut = 1; cut <= RECONNECTS; cut++) {
        uint64_t heard = gr_remote_read_counters(in->peers[0].remote).frames_received;

        /* Far enough, and something heard over the newest connection. */
        WORLD_UNTIL(in, WAIT_MS,
                    books[1].notes > cut * total / (RECONNECTS + 2) &&
                        gr_remote_read_counters(in->peers[0].remote).frames_received > heard);
        proxy_cut(&between);
        WORLD_UNTIL(in, WAIT_MS, in->peers[0].brokens == cut);
    }
    join_writers(there);
    join_writers(back);
    WORLD_UNTIL(in, WAIT_MS, books[1].notes == total + 1 && books[0].notes == total);
    assert_int_equal(books[0].out_of_order + books[1].out_of_order, 0);
    assert_int_equal(in->peers[0].losts + in->peers[1].losts, 0);
    assert_int_equal(in->peers[0].dead_letters + in->peers[1].dead_letters, 0);
    assert_true(gr_remote_read_counters(in->peers[0].remote).frames_sent_again > 0);
    proxy_close(&between);
    world_free(in);
}

static void m02_two_nodes_that_dial_each_other_at_once_lose_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 20 / SHRINK; round++) {
        world *in = world_threads();
        book books[2] = {{0}, {0}};
        writer writers[2];

        for (int i = 0; i < 2; i++) {
            world_start(in, i, NULL);
            book_open(in, i, &books[i]);
        }
        world_introduce(in, 0, 1);
        for (int i = 0; i < 2; i++) {
            writers[i] = (writer){.sys = in->peers[i].sys, .to = books[1 - i].pid, .count = 500};
            assert_int_equal(pthread_create(&writers[i].thread, NULL, write_notes, &writers[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
            assert_int_equal(writers[i].err, GR_OK);
        }
        WORLD_UNTIL(in, WAIT_MS, books[0].notes == 500 && books[1].notes == 500);
        assert_int_equal(books[0].out_of_order + books[1].out_of_order, 0);
        assert_int_equal(in->peers[0].losts + in->peers[1].losts, 0);
        world_free(in);
    }
}

typedef struct caller {
    pthread_t thread;
    gr_system *sys;
    gr_pid to;
    uint32_t number;
    unsigned done;
} caller;

static void *call(void *arg)
{
    caller *it = arg;
    gr_msg *reply = NULL;

    for (uint64_t k = 1; k <= 500 / SHRINK; k++) {
        if (gr_request(it->sys, it->to, note_new(it->number, k, 10), WAIT_MS, &reply) != GR_OK) {
            break;
        }
        it->done += ((const Note__Note *)gr_msg_read(reply, &note_type))->number == k;
        reply = gr_msg_unref(reply);
    }
    return NULL;
}

static void m01_many_callers_get_their_own_answers(void **state)
{
    world *in = world_threads();
    book there = {.answer = true};
    caller callers[8];

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, NULL);
    book_open(in, 1, &there);
    assert_int_equal(gr_remote_set_address(in->peers[0].remote, gr_system_node(in->peers[1].sys),
                                           gr_remote_address(in->peers[1].remote)),
                     GR_OK);
    for (uint32_t i = 0; i < 8; i++) {
        callers[i] = (caller){.sys = in->peers[0].sys, .to = there.pid, .number = i};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].done, 500 / SHRINK);
    }
    world_free(in);
}

static void m06_every_one_of_a_hundred_fresh_connects_is_quick(void **state)
{
    world *in = world_threads();

    (void)state;
    world_start(in, 0, NULL);
    for (int i = 0; i < 100 / SHRINK; i++) {
        int64_t began_ms = world_now(in);
        uint64_t node = 0;

        world_start(in, 1, &(gr_remote_options){.listen = ""});
        assert_int_equal(gr_remote_connect(in->peers[1].remote,
                                           gr_remote_address(in->peers[0].remote), WAIT_MS, &node),
                         GR_OK);
        assert_in_range(world_now(in) - began_ms, 0, 1000); /* far below any time-out */
        world_stop(in, 1, false);
    }
    world_free(in);
}

static void *connect_until_stopped(void *arg)
{
    gr_remote *remote = arg;
    gr_err err = GR_OK;

    while (err != GR_ESTOPPED) {
        uint64_t node = 0;

        err = gr_remote_connect(remote, "tcp://127.0.0.1:1", GR_FOREVER, &node);
    }
    return NULL;
}

static void m06_whoever_connects_while_it_stops_is_told_so(void **state)
{
    (void)state;
    for (int round = 0; round < 40 / SHRINK; round++) {
        world *in = world_threads();
        pthread_t threads[4];

        world_start(in, 0, NULL);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(
                pthread_create(&threads[i], NULL, connect_until_stopped, in->peers[0].remote), 0);
        }
        for (int i = 0; i < round % 4; i++) {
            world_turn(in);
        }
        gr_remote_stop(in->peers[0].remote, 100);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        world_free(in);
    }
}

/* ---- m13 ---- */

static void m13_port_0_ipc_and_all_interfaces(void **state)
{
    world *in = world_threads();
    char path[64];
    uint64_t node = 0;
    gr_system *sys = NULL;
    gr_remote *remote = NULL;

    (void)state;
    (void)snprintf(path, sizeof(path), "ipc:///tmp/granary-remote-%d", (int)getpid());
    world_start(in, 0, NULL);
    world_start(in, 1, &(gr_remote_options){.listen = path});
    world_start(in, 2,
                &(gr_remote_options){.listen = "tcp://0.0.0.0:0",
                                     .advertise = "tcp://localhost:1",
                                     .insecure = true});
    assert_null(strstr(gr_remote_address(in->peers[0].remote), ":0"));
    assert_string_equal(gr_remote_address(in->peers[2].remote), "tcp://localhost:1");
    assert_int_equal(gr_remote_connect(in->peers[0].remote, path, WAIT_MS, &node), GR_OK);
    assert_int_equal(node, gr_system_node(in->peers[1].sys));
    assert_int_equal(gr_remote_connect(in->peers[1].remote, gr_remote_address(in->peers[0].remote),
                                       WAIT_MS, &node),
                     GR_OK);
    assert_int_equal(node, gr_system_node(in->peers[0].sys));

    assert_int_equal(gr_system_new(NULL, &sys), GR_OK);
    assert_int_equal(
        gr_remote_start(sys, &(gr_remote_options){.listen = "tcp://0.0.0.0:0"}, &remote),
        GR_EREFUSED);
    assert_non_null(strstr(gr_last_error()->text, "insecure"));
    assert_int_equal(
        gr_remote_start(sys, &(gr_remote_options){.listen = "http://127.0.0.1:1"}, &remote),
        GR_EINVAL);
    assert_int_equal(
        gr_remote_start(sys, &(gr_remote_options){.listen = gr_remote_address(in->peers[0].remote)},
                        &remote),
        GR_EEXIST);
    assert_int_equal(
        gr_remote_start(sys, &(gr_remote_options){.listen = "tcp://127.0.0.1:0"}, &remote), GR_OK);
    remote = gr_remote_free(remote);
    sys = gr_system_free(sys);
    world_free(in);
}

/* ---- m10, m11: strangers ---- */

static int raw_connect(const char *address)
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

static void raw_send(int fd, const uint8_t *bytes, size_t count)
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
static size_t raw_receive(int fd, uint8_t *out, size_t room)
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

static gri_hello stranger_hello(void)
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

static void m10_any_bytes_after_the_greeting_harm_nobody(void **state)
{
    world *in = world_threads();
    book there = {.answer = true};
    gr_msg *reply = NULL;
    uint8_t bytes[6000], frame[GRI_HANDSHAKE_BYTES_MAX];
    gri_hello hello = stranger_hello();
    uint64_t dice = 88172645463325252u;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, NULL);
    book_open(in, 1, &there);
    assert_int_equal(gr_remote_set_address(in->peers[0].remote, gr_system_node(in->peers[1].sys),
                                           gr_remote_address(in->peers[1].remote)),
                     GR_OK);
    for (uint64_t round = 1; round <= 60; round++) {
        int fd = raw_connect(gr_remote_address(in->peers[1].remote));
        size_t count = 0;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            bytes[i] = (uint8_t)dice;
        }
        hello.node = round;
        count = gri_hello_pack(&hello, frame);
        switch (round % 4) {
        case 0: /* noise */
            raw_send(fd, bytes, dice % sizeof(bytes));
            break;
        case 1: /* a frame's start, then noise */
            memcpy(bytes, frame, 8);
            raw_send(fd, bytes, 8 + dice % 1000);
            break;
        case 2: /* a hello cut short */
            raw_send(fd, frame, dice % count);
            break;
        default: /* a good hello, then noise, then the hello again */
            raw_send(fd, frame, count);
            raw_send(fd, bytes, 100);
            raw_send(fd, frame, count);
            break;
        }
        assert_int_equal(
            gr_request(in->peers[0].sys, there.pid, note_new(0, round, 0), WAIT_MS, &reply), GR_OK);
        reply = gr_msg_unref(reply);
        close(fd);
    }
    assert_int_equal(in->peers[0].brokens, 0);
    assert_true(in->log_lines < 200);
    world_free(in);
}

/* Says hello, and expects to be refused with a code and a text. */
static void expect_refusal(const char *address, const gri_hello *hello, uint8_t version,
                           gr_err code, const char *text)
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

static void m11_other_versions_are_refused_with_both_numbers(void **state)
{
    world *in = world_threads();
    gri_hello hello = stranger_hello();
    const char *address = NULL;

    (void)state;
    world_start(in, 0, NULL);
    address = gr_remote_address(in->peers[0].remote);
    expect_refusal(address, &hello, 7, GR_EMISMATCH, "wire version 1 here, wire version 7");
    hello.protocol = 9;
    expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EMISMATCH, "protocol 9");
    hello = stranger_hello();
    hello.node = gr_system_node(in->peers[0].sys);
    expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EREFUSED, "itself");
    hello = stranger_hello();
    hello.window_messages = 0;
    expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EREFUSED, "limits");
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).refused, 4);
    world_free(in);
}

/* A peer by hand, as far as its first frames. */
static int raw_session(const char *address, const gri_hello *hello, uint64_t *out_node)
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

static void m10_an_address_that_is_none_is_refused_before_anybody_dials_it(void **state)
{
    static const char *const addresses[] = {"nobody", "http://127.0.0.1:80", "tcp://127.0.0.1",
                                            "tcp://127.0.0.1:80/x", "tcp://127.0.0.1:99999"};
    world *in = world_threads();
    gri_hello hello = stranger_hello();

    (void)state;
    world_start(in, 0, NULL);
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        (void)snprintf(hello.address, sizeof(hello.address), "%s", addresses[i]);
        expect_refusal(gr_remote_address(in->peers[0].remote), &hello, GRI_WIRE_VERSION,
                       GR_EREFUSED, addresses[i]);
    }
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).connects_failed, 0);
    world_free(in);
}

/* Clients up to the limit, a node beyond it, and room again when one has gone. */
static void m11_more_processes_than_there_is_room_for_are_refused(void **state)
{
    enum { ROOM = 4 };
    world *in = world_threads();
    gri_hello hello = stranger_hello();
    const char *address = NULL;
    int fds[ROOM + 2];
    uint64_t node = 0;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.sessions_max = ROOM, .session_timeout_ms = 3000});
    address = gr_remote_address(in->peers[0].remote);
    for (unsigned i = 0; i < ROOM; i++) {
        hello.node = 100 + i;
        fds[i] = raw_session(address, &hello, &node);
    }
    hello.node = 200;
    expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EBUSY, "sessions_max");
    hello.role = GR_ROLE_NODE;
    fds[ROOM] = raw_session(address, &hello, &node);
    hello.node = 201;
    expect_refusal(address, &hello, GRI_WIRE_VERSION, GR_EBUSY, "sessions_max");
    assert_int_equal(in->peers[0].ups, ROOM + 1);
    for (unsigned i = 0; i < 2; i++) {
        close(fds[i]);
    }
    WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == 2);
    hello.role = GR_ROLE_CLIENT;
    fds[0] = raw_session(address, &hello, &node);
    for (unsigned i = 0; i <= ROOM; i++) {
        if (i != 1) {
            close(fds[i]);
        }
    }
    world_free(in);
}

static void m11_more_connections_past_their_hello_than_the_limit_are_closed(void **state)
{
    enum { ROOM = 3 };
    world *in = world_threads();
    gri_hello hello = stranger_hello();
    uint8_t frame[GRI_HANDSHAKE_BYTES_MAX];
    const char *address = NULL;
    int fds[ROOM];
    int fd = -1;
    uint64_t node = 0;
    unsigned lines = 0;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.links_max = ROOM});
    address = gr_remote_address(in->peers[0].remote);
    for (unsigned i = 0; i < ROOM; i++) {
        hello.node = 100 + i;
        fds[i] = raw_session(address, &hello, &node);
    }
    lines = in->log_lines;
    hello.node = 200;
    fd = raw_connect(address);
    raw_send(fd, frame, gri_hello_pack(&hello, frame));
    assert_int_equal(raw_receive(fd, frame, sizeof(frame)), 0);
    close(fd);
    assert_true(in->log_lines > lines);
    close(fds[0]);
    WORLD_UNTIL(in, WAIT_MS, in->peers[0].brokens == 1);
    fds[0] = raw_session(address, &hello, &node);
    for (unsigned i = 0; i < ROOM; i++) {
        close(fds[i]);
    }
    world_free(in);
}

static void m10_a_peer_that_breaks_the_protocol_ends_only_its_own_session(void **state)
{
    world *in = world_threads();
    gri_hello hello = stranger_hello();
    gri_frame frames[] = {
        {.kind = GRI_FRAME_DATA, .seq = 2},               /* a gap */
        {.kind = GRI_FRAME_DATA, .seq = 1, .count = 3},   /* too short */
        {.kind = GRI_FRAME_BEAT, .ack = 5},               /* never sent */
        {.kind = GRI_FRAME_BEAT, .released_messages = 1}, /* never taken */
        {.kind = GRI_FRAME_GOODBYE},
    };
    uint8_t bytes[GRI_FRAME_BYTES], rest[GRI_FRAME_BYTES_MAX];
    uint64_t node = 0;

    (void)state;
    world_start(in, 0, NULL);
    for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        int fd = -1;

        hello.node = 100 + i;
        fd = raw_session(gr_remote_address(in->peers[0].remote), &hello, &node);
        gri_frame_put(&frames[i], bytes);
        raw_send(fd, bytes, sizeof(bytes));
        while (raw_receive(fd, rest, sizeof(rest)) > 0) { /* a beat, perhaps; then it is closed */
        }
        close(fd);
        WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == i + 1);
    }
    assert_int_equal(in->peers[0].ups, sizeof(frames) / sizeof(frames[0]));
    world_free(in);
}

/* ---- m4 ---- */

static gr_err slow_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    atomic_ulong *count = state;
    int64_t until = gr_system_now(gr_context_system(ctx)) + 1;

    (void)msg;
    while (gr_system_now(gr_context_system(ctx)) < until) { /* busy, as a slow handler is */
    }
    atomic_fetch_add_explicit(count, 1, memory_order_release);
    return GR_OK;
}

static void m04_a_slow_peer_slows_its_senders_and_nobody_else(void **state)
{
    enum { SLOW = 400, FAST = 4000 };
    world *in = world_threads();
    atomic_ulong slow = 0;
    gr_props props = {.receive = slow_receive, .arg = &slow};
    book fast = {0};
    writer slowed = {.count = SLOW}, free_of_it = {.count = FAST};
    gr_pid pid;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, &(gr_remote_options){.window_messages = 50});
    world_start(in, 2, NULL);
    assert_int_equal(gr_spawn(in->peers[1].sys, &props, NULL, &pid), GR_OK);
    book_open(in, 2, &fast);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(gr_remote_set_address(in->peers[0].remote,
                                               gr_system_node(in->peers[i].sys),
                                               gr_remote_address(in->peers[i].remote)),
                         GR_OK);
    }
    slowed.sys = free_of_it.sys = in->peers[0].sys;
    slowed.to = pid;
    free_of_it.to = fast.pid;
    assert_int_equal(pthread_create(&slowed.thread, NULL, write_notes, &slowed), 0);
    assert_int_equal(pthread_create(&free_of_it.thread, NULL, write_notes, &free_of_it), 0);
    assert_int_equal(pthread_join(free_of_it.thread, NULL), 0);
    WORLD_UNTIL(in, WAIT_MS, fast.notes == FAST);
    assert_int_equal(pthread_join(slowed.thread, NULL), 0);
    WORLD_UNTIL(in, WAIT_MS, slow == SLOW);
    assert_int_equal(slowed.err, GR_OK);
    assert_int_equal(fast.out_of_order, 0);
    world_free(in);
}

/* ---- floods: what a peer says that nobody has asked it ---- */

typedef struct raw_frame {
    gri_frame head;
    size_t bytes;
    uint8_t data[GRI_FRAME_BYTES_MAX];
} raw_frame;

static void raw_add(raw_frame *frame, const gri_envelope *envelope, const void *payload)
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

static void raw_flush(int fd, raw_frame *frame)
{
    frame->head.kind = GRI_FRAME_DATA;
    frame->head.seq++;
    gri_frame_put(&frame->head, frame->data);
    raw_send(fd, frame->data, frame->bytes);
    frame->head.count = 0;
    frame->bytes = 0;
}

/* Until the other side has handled all of it. */
static void raw_wait_handled(int fd, const raw_frame *frame)
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
static gr_pid raw_wait_request(int fd)
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
    return envelope.sender;
}

static gri_envelope raw_note(gr_pid to, uint8_t flags)
{
    return (gri_envelope){.kind = GRI_ENVELOPE_MESSAGE,
                          .type = 1,
                          .flags = flags,
                          .slot = to.slot,
                          .generation = to.generation};
}

static gri_envelope raw_signal(gr_signal_kind kind, gr_reason reason, gr_pid to, uint32_t from)
{
    return (gri_envelope){.kind = GRI_ENVELOPE_SIGNAL,
                          .type = (uint16_t)((unsigned)kind | (unsigned)reason << 8),
                          .flags = GRI_ENVELOPE_SENDER,
                          .slot = to.slot,
                          .generation = to.generation,
                          .sender = {0, from, 1}};
}

static void raw_name_note(raw_frame *frame)
{
    gri_envelope name = {.kind = GRI_ENVELOPE_TYPE, .type = 1, .bytes = 9};

    raw_add(frame, &name, "note.Note");
}

static void m10_answers_that_nobody_has_asked_for_reach_nobody(void **state)
{
    enum { FLOOD = 20000, BATCH = 500 };
    static raw_frame frame;
    world *in = world_threads();
    gri_hello hello = stranger_hello();
    book there = {.keep = 0};
    gri_envelope answer, late;
    gr_future *asked = NULL;
    gr_msg *reply = NULL;
    gr_pid asker;
    uint64_t node = 0;
    int fd = -1;

    (void)state;
    world_start(in, 0, NULL);
    book_open(in, 0, &there);
    answer = raw_note(there.pid, GRI_ENVELOPE_FREE);
    late = raw_note((gr_pid){0, there.pid.slot, there.pid.generation + 1}, GRI_ENVELOPE_FREE);
    fd = raw_session(gr_remote_address(in->peers[0].remote), &hello, &node);
    frame = (raw_frame){.bytes = 0};
    raw_name_note(&frame);
    for (unsigned k = 0; k < FLOOD; k += BATCH) { /* to somebody, to nobody */
        for (unsigned i = 0; i < BATCH; i++) {
            raw_add(&frame, i % 2 == 0 ? &answer : &late, NULL);
        }
        raw_flush(fd, &frame);
    }
    raw_wait_handled(fd, &frame);
    assert_int_equal(there.notes, 0);
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).messages_received, 0);
    assert_int_equal(in->peers[0].losts, 0);
    assert_int_equal(in->peers[0].dead_letters, 0);
    assert_true(in->log_lines < 100);
    /* What was asked for is answered once. */
    assert_int_equal(gr_request_future(in->peers[0].sys, (gr_pid){hello.node, 20, 1},
                                       note_new(0, 1, 0), GR_FOREVER, &asked),
                     GR_OK);
    asker = raw_wait_request(fd);
    answer = raw_note(asker, GRI_ENVELOPE_FREE);
    for (unsigned i = 0; i < BATCH; i++) {
        raw_add(&frame, &answer, NULL);
    }
    raw_flush(fd, &frame);
    raw_wait_handled(fd, &frame);
    assert_int_equal(gr_await(asked, WAIT_MS, &reply), GR_OK);
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).messages_received, 1);
    reply = gr_msg_unref(reply);
    asked = gr_future_unref(asked);
    close(fd);
    world_free(in);
}

static void m10_notices_of_ends_that_nobody_watches_for_reach_nobody(void **state)
{
    enum { FLOOD = 20000, BATCH = 500 };
    static raw_frame frame;
    world *in = world_threads();
    gri_hello hello = stranger_hello();
    book there = {.watch = {hello.node, 21, 1}};
    gri_envelope notice;
    uint64_t node = 0;
    int fd = -1;

    (void)state;
    world_start(in, 0, NULL);
    fd = raw_session(gr_remote_address(in->peers[0].remote), &hello, &node);
    book_open(in, 0, &there); /* watches one actor over there */
    frame = (raw_frame){.bytes = 0};
    for (unsigned k = 0; k < FLOOD; k += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) { /* of others, and of this one too, again and again */
            notice = raw_signal(GR_SIGNAL_TERMINATED, GR_REASON_STOPPED, there.pid, 21 + i % 2);
            raw_add(&frame, &notice, NULL);
        }
        raw_flush(fd, &frame);
    }
    raw_wait_handled(fd, &frame);
    WORLD_UNTIL(in, WAIT_MS, there.terminated == 1);
    assert_int_equal(in->peers[0].losts, 0);
    assert_int_equal(in->peers[0].dead_letters, 0);
    close(fd);
    world_free(in);
}

static unsigned watched_count(world *in)
{
    char *text = NULL, *at = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    unsigned count = 0;

    gr_remote_dump(in->peers[0].remote, out);
    assert_int_equal(fclose(out), 0);
    at = strstr(text, "watched ");
    assert_non_null(at);
    count = (unsigned)atoi(at + strlen("watched "));
    free(text);
    return count;
}

static void m08_a_peer_may_watch_so_many_and_no_more(void **state)
{
    enum { PAIRS = 100, AGAIN = 200 };
    static raw_frame frame;
    world *in = world_threads();
    gri_hello hello = stranger_hello();
    book there = {.keep = 0};
    gri_envelope watch;
    uint64_t node = 0;
    int fd = -1;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.watches_max = PAIRS});
    book_open(in, 0, &there);
    fd = raw_session(gr_remote_address(in->peers[0].remote), &hello, &node);
    frame = (raw_frame){.bytes = 0};
    for (unsigned k = 0; k < AGAIN; k++) {
        for (unsigned i = 0; i < PAIRS; i++) {
            watch = raw_signal(GR_SIGNAL_WATCH, GR_REASON_STOPPED, there.pid, 100 + i);
            raw_add(&frame, &watch, NULL);
        }
        raw_flush(fd, &frame);
    }
    raw_wait_handled(fd, &frame);
    assert_int_equal(watched_count(in), PAIRS); /* saying it again makes no more of them */
    assert_int_equal(in->peers[0].losts, 0);
    watch = raw_signal(GR_SIGNAL_WATCH, GR_REASON_STOPPED, there.pid, 100 + PAIRS);
    raw_add(&frame, &watch, NULL);
    raw_flush(fd, &frame);
    WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == 1);
    close(fd);
    world_free(in);
}

/* A peer by hand that gives back every message at once, and acknowledges only when it is told to. */
typedef struct granter {
    pthread_t thread;
    int fd;
    atomic_bool acknowledge;
} granter;

/* The charges of the messages in a frame. */
static void count_messages(gri_reader *reader, gri_frame *io_beat)
{
    gri_envelope envelope;

    while (reader->left > 0 && gri_envelope_read(reader, &envelope)) {
        if (envelope.kind == GRI_ENVELOPE_MESSAGE) {
            io_beat->released_messages++;
            io_beat->released_bytes += envelope.bytes + GRI_CHARGE_BYTES;
        }
    }
}

static void *grant_everything(void *arg)
{
    static uint8_t bytes[GRI_FRAME_BYTES_MAX];
    granter *it = arg;
    gri_frame beat = {.kind = GRI_FRAME_BEAT};
    uint64_t last = 0;
    size_t count = 0;

    while ((count = raw_receive(it->fd, bytes, sizeof(bytes))) > 0) {
        gri_reader reader = gri_reader_of(bytes, count);
        gri_frame frame;
        uint8_t version = 0, out[GRI_FRAME_BYTES];

        assert_true(gri_frame_read(&reader, &frame, &version));
        if (frame.kind == GRI_FRAME_GOODBYE) {
            (void)shutdown(it->fd, SHUT_RDWR);
            return NULL;
        }
        last = frame.kind == GRI_FRAME_DATA ? frame.seq : last;
        count_messages(&reader, &beat);
        beat.ack = atomic_load_explicit(&it->acknowledge, memory_order_relaxed) ? last : 0;
        gri_frame_put(&beat, out);
        raw_send(it->fd, out, sizeof(out));
    }
    return NULL;
}

static void m04_who_grants_without_acknowledging_is_not_sent_more_than_we_may_keep(void **state)
{
    enum { BODY = 900, KEPT_MAX = GR_HELD_BYTES_MIN / BODY };
    world *in = world_threads();
    gri_hello hello = stranger_hello();
    granter stranger = {.acknowledge = false};
    gr_pid there = {hello.node, 20, 1};
    gri_frame beat = {.kind = GRI_FRAME_BEAT};
    uint8_t bytes[GRI_FRAME_BYTES];
    uint64_t node = 0;
    gr_err err = GR_OK;
    unsigned sent = 0;

    (void)state;
    hello.window_messages = UINT32_MAX;
    hello.window_bytes = (uint64_t)1 << 63;
    world_start(in, 0, &(gr_remote_options){.held_bytes_max = GR_HELD_BYTES_MIN});
    stranger.fd = raw_session(gr_remote_address(in->peers[0].remote), &hello, &node);
    gri_frame_put(&beat, bytes);
    raw_send(stranger.fd, bytes, sizeof(bytes)); /* the first frame: now it may be sent data */
    assert_int_equal(pthread_create(&stranger.thread, NULL, grant_everything, &stranger), 0);
    while (err == GR_OK) {
        err = gr_send_wait(in->peers[0].sys, there, note_new(0, ++sent, BODY), 300);
        assert_true(sent < 4 * KEPT_MAX);
    }
    assert_int_equal(err, GR_EFULL);
    assert_in_range(sent, KEPT_MAX / 4, KEPT_MAX + 100);
    atomic_store_explicit(&stranger.acknowledge, true,
                          memory_order_relaxed); /* with the next beat */
    for (unsigned k = 0; k < 4 * KEPT_MAX; k++) {
        assert_int_equal(gr_send_wait(in->peers[0].sys, there, note_new(0, ++sent, BODY), WAIT_MS),
                         GR_OK);
    }
    world_free(in);
    assert_int_equal(pthread_join(stranger.thread, NULL), 0);
    close(stranger.fd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m01_many_callers_get_their_own_answers),
        cmocka_unit_test(m02_order_holds_over_ten_reconnects_and_nothing_is_lost_or_doubled),
        cmocka_unit_test(m02_two_nodes_that_dial_each_other_at_once_lose_nothing),
        cmocka_unit_test(m04_a_slow_peer_slows_its_senders_and_nobody_else),
        cmocka_unit_test(m04_who_grants_without_acknowledging_is_not_sent_more_than_we_may_keep),
        cmocka_unit_test(m06_every_one_of_a_hundred_fresh_connects_is_quick),
        cmocka_unit_test(m06_whoever_connects_while_it_stops_is_told_so),
        cmocka_unit_test(m10_any_bytes_after_the_greeting_harm_nobody),
        cmocka_unit_test(m10_a_peer_that_breaks_the_protocol_ends_only_its_own_session),
        cmocka_unit_test(m08_a_peer_may_watch_so_many_and_no_more),
        cmocka_unit_test(m10_answers_that_nobody_has_asked_for_reach_nobody),
        cmocka_unit_test(m10_notices_of_ends_that_nobody_watches_for_reach_nobody),
        cmocka_unit_test(m10_an_address_that_is_none_is_refused_before_anybody_dials_it),
        cmocka_unit_test(m11_more_processes_than_there_is_room_for_are_refused),
        cmocka_unit_test(m11_more_connections_past_their_hello_than_the_limit_are_closed),
        cmocka_unit_test(m11_other_versions_are_refused_with_both_numbers),
        cmocka_unit_test(m13_port_0_ipc_and_all_interfaces),
    };

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--messages") == 0) {
            messages = strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0) {
            cmocka_set_test_filter(argv[i + 1]);
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
