/*
 * Peers that have said hello and then say what nobody has asked them, again and again, over real tcp.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "raw_peer.h"

#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 60000 };

static void m10_answers_that_nobody_has_asked_for_reach_nobody(void **state)
{
    enum { FLOOD = 20000, BATCH = 500 };
    static raw_frame frame;
    world *in = world_threads();
    gri_hello hello = raw_hello();
    book there = {.keep = 0};
    gri_envelope answer, late;
    gr_future *asked = NULL;
    gr_msg *reply = NULL;
    gr_pid asker;
    uint64_t node = 0, seq = 0;
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
    asker = raw_wait_request(fd, &seq);
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
    gri_hello hello = raw_hello();
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
    gri_hello hello = raw_hello();
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

/* An actor that stays in its handler until it is told. */
typedef struct busy {
    atomic_bool in, go;
} busy;

static gr_err stay(gr_context *ctx, void *state, const gr_msg *msg)
{
    busy *it = state;

    (void)ctx;
    if (gr_msg_read(msg, &note_type) != NULL) {
        /* release: the test looks at it; acquire: it says so */
        atomic_store_explicit(&it->in, true, memory_order_release);
        while (!atomic_load_explicit(&it->go, memory_order_acquire)) {
            (void)sched_yield();
        }
    }
    return GR_OK;
}

/* The same pair again and again: a watch, its end, a watch. */
static void add_turns(raw_frame *frame, gr_pid to, unsigned count, unsigned *io_turn)
{
    for (unsigned i = 0; i < count; i++, (*io_turn)++) {
        gri_envelope envelope = raw_signal(*io_turn % 2 == 0 ? GR_SIGNAL_WATCH : GR_SIGNAL_UNWATCH,
                                           GR_REASON_STOPPED, to, 100);

        raw_add(frame, &envelope, NULL);
    }
}

static void m08_watching_and_unwatching_whoever_is_busy_piles_up_so_far_and_no_further(void **state)
{
    enum { PAIRS = 100, ROUNDS = 50 };
    static raw_frame frame;
    world *in = world_threads();
    gri_hello hello = raw_hello();
    busy occupied = {.in = false};
    gr_props props = {.receive = stay, .arg = &occupied};
    book idle = {.answer = true};
    gr_msg *reply = NULL;
    uint64_t node = 0;
    unsigned turn = 0;
    gr_pid pid;
    int fd = -1;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.watches_max = PAIRS});
    book_open(in, 0, &idle);
    assert_int_equal(gr_spawn(in->peers[0].sys, &props, NULL, &pid), GR_OK);
    assert_int_equal(gr_send(in->peers[0].sys, pid, note_new(0, 1, 0)), GR_OK);
    WORLD_UNTIL(in, WAIT_MS, atomic_load_explicit(&occupied.in, memory_order_acquire));
    fd = raw_session(gr_remote_address(in->peers[0].remote), &hello, &node);
    frame = (raw_frame){.bytes = 0};
    for (unsigned k = 1; k <= ROUNDS; k++) { /* as often as it likes, while they are seen */
        add_turns(&frame, idle.pid, 2 * PAIRS, &turn);
        raw_flush(fd, &frame);
        raw_wait_handled(fd, &frame);
        assert_int_equal(gr_request(in->peers[0].sys, idle.pid, note_new(0, k, 0), WAIT_MS, &reply),
                         GR_OK);
        reply = gr_msg_unref(reply);
    }
    add_turns(&frame, pid, 2 * PAIRS, &turn);
    raw_flush(fd, &frame);
    raw_wait_handled(fd, &frame);
    assert_int_equal(in->peers[0].losts, 0);
    add_turns(&frame, pid, 1, &turn);
    raw_flush(fd, &frame);
    WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == 1);
    assert_int_equal(in->peers[0].why_lost.code, GR_EPROTO);
    atomic_store_explicit(&occupied.go, true, memory_order_release);
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
    gri_hello hello = raw_hello();
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
        cmocka_unit_test(m10_answers_that_nobody_has_asked_for_reach_nobody),
        cmocka_unit_test(m10_notices_of_ends_that_nobody_watches_for_reach_nobody),
        cmocka_unit_test(
            m08_watching_and_unwatching_whoever_is_busy_piles_up_so_far_and_no_further),
        cmocka_unit_test(m08_a_peer_may_watch_so_many_and_no_more),
        cmocka_unit_test(m04_who_grants_without_acknowledging_is_not_sent_more_than_we_may_keep),
    };

    if (argc == 3 && strcmp(argv[1], "--only") == 0) {
        cmocka_set_test_filter(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
