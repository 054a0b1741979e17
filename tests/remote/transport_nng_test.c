/*
 * The transport over NNG streams by itself: against real pair0 sockets over tcp and ipc in both
 * directions, against itself, and against those who speak something else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include "world.h"

enum { LIMIT = 300000, WAIT_MS = 10000 };

/* One side: what its events have said. */
typedef struct side {
    gr_system *sys;
    gr_transport *transport;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    gr_connection *connection; /* lock; the newest */
    unsigned connected, closed, failed, sent;
    uint64_t received, bytes;
    uint8_t *last;
    size_t last_bytes;
    bool echo;
    char why[GR_ERROR_TEXT_BYTES];
    uint8_t *echoing; /* the piece in flight */
} side;

static void *on_connected(void *self, gr_connection *connection, void *dial_token)
{
    side *it = self;

    (void)dial_token;
    pthread_mutex_lock(&it->lock);
    it->connection = connection;
    it->connected++;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
    return connection;
}

static void on_dial_failed(void *self, void *dial_token, const gr_error *error)
{
    side *it = self;

    (void)dial_token;
    pthread_mutex_lock(&it->lock);
    it->failed++;
    (void)snprintf(it->why, sizeof(it->why), "%s", error->text);
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
}

static void on_received(void *self, void *which, const uint8_t *bytes, size_t count)
{
    side *it = self;
    uint8_t *copy = malloc(count + 1);
    gr_piece piece = {copy, count};

    memcpy(copy, bytes, count);
    pthread_mutex_lock(&it->lock);
    it->received++;
    it->bytes += count;
    free(it->last);
    it->last = malloc(count + 1);
    memcpy(it->last, bytes, count);
    it->last_bytes = count;
    if (it->echo) {
        free(it->echoing);
        it->echoing = copy;
        copy = NULL;
    }
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
    if (copy == NULL) {
        (void)gr_transport_nng()->send(which, &piece, 1);
    }
    free(copy);
}

static void on_sent(void *self, void *which)
{
    side *it = self;

    (void)which;
    pthread_mutex_lock(&it->lock);
    it->sent++;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
}

static void on_closed(void *self, void *which, const gr_error *error)
{
    side *it = self;

    pthread_mutex_lock(&it->lock);
    it->closed++;
    if (it->connection == which) {
        it->connection = NULL;
    }
    (void)snprintf(it->why, sizeof(it->why), "%s", error->text);
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
    gr_transport_nng()->release(which);
}

static const gr_transport_events events = {.version = GR_TRANSPORT_VERSION,
                                           .connected = on_connected,
                                           .dial_failed = on_dial_failed,
                                           .received = on_received,
                                           .sent = on_sent,
                                           .closed = on_closed};

#define WAIT_FOR(it, condition)                                                                    \
    do {                                                                                           \
        struct timespec wait_until;                                                                \
        (void)clock_gettime(CLOCK_REALTIME, &wait_until);                                          \
        wait_until.tv_sec += WAIT_MS / 1000;                                                       \
        pthread_mutex_lock(&(it)->lock);                                                           \
        while (!(condition)) {                                                                     \
            if (pthread_cond_timedwait(&(it)->changed, &(it)->lock, &wait_until) != 0) {           \
                pthread_mutex_unlock(&(it)->lock);                                                 \
                fail_msg("never: %s (%s)", #condition, (it)->why);                                 \
            }                                                                                      \
        }                                                                                          \
        pthread_mutex_unlock(&(it)->lock);                                                         \
    } while (0)

static void side_open(side *it)
{
    *it = (side){0};
    pthread_mutex_init(&it->lock, NULL);
    pthread_cond_init(&it->changed, NULL);
    assert_int_equal(gr_system_new(&(gr_system_options){.workers = 1}, &it->sys), GR_OK);
    assert_int_equal(gr_transport_nng()->open(it->sys, NULL, &events, it, LIMIT, &it->transport),
                     GR_OK);
}

static void side_close(side *it)
{
    gr_transport_nng()->free(it->transport);
    assert_int_equal(it->connected, it->closed);
    it->sys = gr_system_free(it->sys);
    free(it->last);
    free(it->echoing);
    pthread_mutex_destroy(&it->lock);
    pthread_cond_destroy(&it->changed);
}

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

static void path_address(char out[64], const char *name)
{
    (void)snprintf(out, 64, "ipc:///tmp/granary-%s-%d", name, (int)getpid());
}

/* ---- with a real pair0 socket ---- */

static void exchange(side *it, nng_socket socket)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 100, 65536, 200000, LIMIT};
    uint8_t *body = malloc(LIMIT);
    nng_msg *msg = NULL;

    for (size_t i = 0; i < LIMIT; i++) {
        body[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, WAIT_MS), 0);
    assert_int_equal(nng_socket_set_ms(socket, NNG_OPT_SENDTIMEO, WAIT_MS), 0);
    it->echo = true;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(nng_send(socket, body, sizes[i], 0), 0);
        assert_int_equal(nng_recvmsg(socket, &msg, 0), 0);
        assert_int_equal(nng_msg_len(msg), sizes[i]);
        assert_memory_equal(nng_msg_body(msg), body, sizes[i]);
        nng_msg_free(msg);
        WAIT_FOR(it, it->sent == i + 1);
    }
    free(body);
}

static void a_pair0_socket_dials_us(const char *address)
{
    side it;
    nng_socket socket;
    char bound[GR_ADDRESS_BYTES_MAX];

    side_open(&it);
    assert_int_equal(gr_transport_nng()->listen(it.transport, address, bound), GR_OK);
    assert_int_equal(nng_pair0_open(&socket), 0);
    assert_int_equal(nng_dial(socket, bound, NULL, 0), 0);
    WAIT_FOR(&it, it.connection != NULL);
    exchange(&it, socket);
    nng_close(socket);
    WAIT_FOR(&it, it.closed == 1);
    side_close(&it);
}

static void we_dial_a_pair0_socket(const char *address)
{
    side it;
    nng_socket socket;
    nng_listener listener;
    char url[64];
    int port = 0;

    side_open(&it);
    assert_int_equal(nng_pair0_open(&socket), 0);
    assert_int_equal(nng_listen(socket, address, &listener, 0), 0);
    if (strncmp(address, "tcp", 3) == 0) {
        assert_int_equal(nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), 0);
        (void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port);
    } else {
        (void)snprintf(url, sizeof(url), "%s", address);
    }
    assert_int_equal(gr_transport_nng()->dial(it.transport, url, &it), GR_OK);
    WAIT_FOR(&it, it.connection != NULL);
    exchange(&it, socket);
    gr_transport_nng()->close(it.connection);
    WAIT_FOR(&it, it.closed == 1);
    nng_close(socket);
    side_close(&it);
}

static void m13_a_pair0_socket_is_a_peer_over_tcp_in_both_directions(void **state)
{
    (void)state;
    a_pair0_socket_dials_us("tcp://127.0.0.1:0");
    we_dial_a_pair0_socket("tcp://127.0.0.1:0");
}

static void m13_a_pair0_socket_is_a_peer_over_ipc_in_both_directions(void **state)
{
    char address[64];

    (void)state;
    path_address(address, "pair");
    a_pair0_socket_dials_us(address);
    we_dial_a_pair0_socket(address);
}

/* ---- with ourselves ---- */

static void two_of_us(const char *address)
{
    side a, b;
    char bound[GR_ADDRESS_BYTES_MAX];
    uint8_t bytes[1000];
    gr_piece pieces[GR_TRANSPORT_PIECES_MAX];

    side_open(&a);
    side_open(&b);
    assert_int_equal(gr_transport_nng()->listen(a.transport, address, bound), GR_OK);
    assert_int_equal(gr_transport_nng()->dial(b.transport, bound, &b), GR_OK);
    WAIT_FOR(&a, a.connection != NULL);
    WAIT_FOR(&b, b.connection != NULL);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < GR_TRANSPORT_PIECES_MAX; i++) { /* as many as there may be */
        pieces[i] = (gr_piece){bytes + i * 125, 125};
    }
    for (unsigned k = 1; k <= 500; k++) {
        assert_int_equal(gr_transport_nng()->send(b.connection, pieces, GR_TRANSPORT_PIECES_MAX),
                         GR_OK);
        WAIT_FOR(&b, b.sent == k);
    }
    WAIT_FOR(&a, a.received == 500);
    assert_int_equal(a.last_bytes, 1000);
    assert_memory_equal(a.last, bytes, 1000);
    side_close(&b);
    WAIT_FOR(&a, a.closed == 1);
    side_close(&a);
}

static void m13_messages_of_many_pieces_arrive_whole(void **state)
{
    char address[64];

    (void)state;
    path_address(address, "pieces");
    two_of_us("tcp://127.0.0.1:0");
    two_of_us(address);
}

static void closing_in_the_middle_of_traffic_leaves_nothing_behind(void **state)
{
    side a, b;
    char bound[GR_ADDRESS_BYTES_MAX];
    uint8_t *bytes = calloc(1, LIMIT);
    gr_piece piece = {bytes, LIMIT};
    unsigned before = 0;

    (void)state;
    side_open(&a);
    side_open(&b);
    assert_int_equal(gr_transport_nng()->listen(a.transport, "tcp://127.0.0.1:0", bound), GR_OK);
    before = open_descriptors();
    for (unsigned k = 1; k <= 200; k++) {
        assert_int_equal(gr_transport_nng()->dial(b.transport, bound, &b), GR_OK);
        WAIT_FOR(&b, b.connected == k && b.connection != NULL);
        (void)gr_transport_nng()->send(b.connection, &piece, 1);
        gr_transport_nng()->close(b.connection);
        WAIT_FOR(&b, b.closed == k);
        assert_int_equal(b.sent, k);
    }
    WAIT_FOR(&a, a.closed == a.connected);
    WORLD_UNTIL(&(world){0}, WAIT_MS, open_descriptors() <= before);
    side_close(&a);
    side_close(&b);
    free(bytes);
}

/* ---- refusals ---- */

static void m13_listening_where_somebody_listens_says_so(void **state)
{
    side a, b;
    char bound[GR_ADDRESS_BYTES_MAX], again[GR_ADDRESS_BYTES_MAX];

    (void)state;
    side_open(&a);
    side_open(&b);
    assert_int_equal(gr_transport_nng()->listen(a.transport, "tcp://127.0.0.1:0", bound), GR_OK);
    assert_null(strstr(bound, ":0"));
    assert_int_equal(gr_transport_nng()->listen(b.transport, bound, again), GR_EEXIST);
    assert_non_null(strstr(gr_last_error()->text, bound));
    assert_non_null(strstr(gr_last_error()->text, "in use"));
    assert_int_equal(gr_transport_nng()->listen(b.transport, "tcp://8.8.8.8:0", again), GR_EINVAL);
    side_close(&a);
    side_close(&b);
}

static void m06_dialling_nobody_fails_with_the_reason(void **state)
{
    side a;

    (void)state;
    side_open(&a);
    assert_int_equal(gr_transport_nng()->dial(a.transport, "tcp://127.0.0.1:1", &a), GR_OK);
    WAIT_FOR(&a, a.failed == 1);
    assert_non_null(strstr(a.why, "refused"));
    assert_int_equal(gr_transport_nng()->dial(a.transport, "ipc:///tmp/nobody-is-here", &a), GR_OK);
    WAIT_FOR(&a, a.failed == 2);
    side_close(&a);
}

static int raw_connect(const char *bound)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)atoi(strrchr(bound, ':') + 1));
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Whether the other side has closed; waits for it. */
static void expect_closed(int fd)
{
    struct timeval patience = {WAIT_MS / 1000, 0};
    char byte[64];
    ssize_t got = 0;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    do {
        got = recv(fd, byte, sizeof(byte), 0);
    } while (got > 0);
    assert_true(got == 0 || errno == ECONNRESET);
    close(fd);
}

static void m10_other_protocols_and_announced_giants_are_closed_and_harm_nobody(void **state)
{
    static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0};
    static const uint8_t pub[8] = {0, 'S', 'P', 0, 0, 0x20, 0, 0};
    static const uint8_t giant[8] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";
    side a, b;
    char bound[GR_ADDRESS_BYTES_MAX];
    gr_piece piece = {"hello", 5};
    int fd = -1;
    struct linger hard = {1, 0};

    (void)state;
    side_open(&a);
    side_open(&b);
    assert_int_equal(gr_transport_nng()->listen(a.transport, "tcp://127.0.0.1:0", bound), GR_OK);
    fd = raw_connect(bound);
    assert_int_equal(send(fd, http, sizeof(http), MSG_NOSIGNAL), sizeof(http));
    expect_closed(fd);
    fd = raw_connect(bound);
    assert_int_equal(send(fd, pub, 8, MSG_NOSIGNAL), 8);
    expect_closed(fd);
    fd = raw_connect(bound);
    assert_int_equal(send(fd, greeting, 8, MSG_NOSIGNAL), 8);
    assert_int_equal(send(fd, giant, 8, MSG_NOSIGNAL), 8);
    expect_closed(fd);
    WAIT_FOR(&a, a.closed == 1);   /* only the last had greeted */
    for (int i = 0; i < 50; i++) { /* closed for writing, then reset: it once stopped a listener */
        fd = raw_connect(bound);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
        close(fd);
    }
    assert_int_equal(gr_transport_nng()->dial(b.transport, bound, &b), GR_OK);
    WAIT_FOR(&b, b.connection != NULL);
    assert_int_equal(gr_transport_nng()->send(b.connection, &piece, 1), GR_OK);
    WAIT_FOR(&a, a.received == 1);
    side_close(&b);
    side_close(&a);
}

static void m10_hundreds_of_connections_that_say_nothing_keep_nobody_out(void **state)
{
    enum { SILENT = 700 };
    static int fds[SILENT];
    side a, b;
    char bound[GR_ADDRESS_BYTES_MAX];

    (void)state;
    side_open(&a);
    side_open(&b);
    assert_int_equal(gr_transport_nng()->listen(a.transport, "tcp://127.0.0.1:0", bound), GR_OK);
    /* More than the transport puts up with, and less than this process may have open. */
    for (int i = 0; i < SILENT && open_descriptors() < 800; i++) {
        fds[i] = raw_connect(bound);
    }
    assert_int_equal(gr_transport_nng()->dial(b.transport, bound, &b), GR_OK);
    WAIT_FOR(&b, b.connection != NULL);
    for (int i = 0; i < SILENT; i++) {
        if (fds[i] > 0) {
            close(fds[i]);
        }
    }
    side_close(&b);
    side_close(&a);
}

static void stopping_in_the_middle_of_dials_and_greetings_is_clean(void **state)
{
    unsigned before = 0;

    (void)state;
    for (int round = 0; round < 20; round++) {
        side a, b;
        char bound[GR_ADDRESS_BYTES_MAX];

        side_open(&a);
        side_open(&b);
        assert_int_equal(gr_transport_nng()->listen(a.transport, "tcp://127.0.0.1:0", bound),
                         GR_OK);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(gr_transport_nng()->dial(b.transport, bound, &b), GR_OK);
        }
        if (round % 2 == 0) {
            side_close(&b);
            side_close(&a);
        } else {
            side_close(&a);
            side_close(&b);
        }
        assert_int_equal(b.connected + b.failed, 10);
        if (round == 2) {
            before = open_descriptors();
        }
    }
    WORLD_UNTIL(&(world){0}, WAIT_MS, open_descriptors() <= before);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m13_a_pair0_socket_is_a_peer_over_tcp_in_both_directions),
        cmocka_unit_test(m13_a_pair0_socket_is_a_peer_over_ipc_in_both_directions),
        cmocka_unit_test(m13_messages_of_many_pieces_arrive_whole),
        cmocka_unit_test(closing_in_the_middle_of_traffic_leaves_nothing_behind),
        cmocka_unit_test(m13_listening_where_somebody_listens_says_so),
        cmocka_unit_test(m06_dialling_nobody_fails_with_the_reason),
        cmocka_unit_test(m10_other_protocols_and_announced_giants_are_closed_and_harm_nobody),
        cmocka_unit_test(m10_hundreds_of_connections_that_say_nothing_keep_nobody_out),
        cmocka_unit_test(stopping_in_the_middle_of_dials_and_greetings_is_clean),
    };

    if (argc == 3 && strcmp(argv[1], "--only") == 0) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
