/*
 * Remotes on threads over real tcp and ipc: order over reconnects, many callers, slow peers.
 * `--messages N` sets how many messages each writer sends over ten reconnects.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sched.h>
#include <unistd.h>

#include "proxy.h"
#include "world.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SHRINK = 5 };
#else
enum { SHRINK = 1 };
#endif

enum { WAIT_MS = 60000, RECONNECTS = 10, WRITERS = 2, ASKED = 400 };

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

/* Answers what comes, in the thread that brings it, and notes that it has run. */
typedef struct runner {
    gr_system *sys;
    atomic_bool ran[ASKED];
} runner;

static void run(void *self, gr_pid pid, gr_msg *take_msg)
{
    runner *it = self;
    const Note__Note *note = gr_msg_read(take_msg, &note_type);

    (void)pid;
    /* relaxed: looked at when both have stopped */
    atomic_store_explicit(&it->ran[note->number], true, memory_order_relaxed);
    (void)gr_send(it->sys, gr_msg_sender(take_msg), note_new(0, note->number, 0));
    (void)gr_msg_unref(take_msg);
}

/* One side: asks until the other leaves, or until it leaves itself when half has been asked. */
typedef struct leaver {
    pthread_t asks, stops;
    gr_remote *remote;
    gr_system *sys;
    gr_pid to;
    runner here;
    gr_future *asked[ASKED];
    atomic_uint count;
} leaver;

static void *ask_all(void *arg)
{
    leaver *it = arg;

    for (unsigned i = 0; i < ASKED; i++) {
        assert_int_equal(gr_request_future(it->sys, it->to, note_new(0, i, i % 50 == 0 ? 50000 : 0),
                                           GR_FOREVER, &it->asked[i]),
                         GR_OK);
        atomic_fetch_add_explicit(&it->count, 1, memory_order_release);
    }
    return NULL;
}

static void *leave(void *arg)
{
    leaver *it = arg;

    while (atomic_load_explicit(&it->count, memory_order_acquire) < ASKED / 2) {
        (void)sched_yield();
    }
    gr_remote_stop(it->remote, 5000);
    return NULL;
}

/* What each of its requests came to is true of what has run at the other side. */
static void compare(leaver *it, const leaver *other)
{
    for (unsigned i = 0; i < ASKED; i++) {
        gr_msg *reply = NULL;
        gr_err err = gr_await(it->asked[i], WAIT_MS, &reply);
        bool ran = atomic_load_explicit(&other->here.ran[i], memory_order_relaxed);

        assert_true(err != GR_ETIMEDOUT);
        assert_true(err != GR_OK || ran);
        assert_true(err != GR_ENOTRUN || !ran);
        reply = gr_msg_unref(reply);
        it->asked[i] = gr_future_unref(it->asked[i]);
    }
}

static void m03_two_that_leave_at_once_say_nothing_wrong_of_what_has_run(void **state)
{
    static const gr_process_ops ops = {
        .version = GR_PROCESS_VERSION, .type_name = "runner", .deliver = run};

    (void)state;
    for (int round = 0; round < 20 / SHRINK; round++) {
        world *in = world_threads();
        leaver sides[2] = {{.count = 0}, {.count = 0}};
        gr_pid pids[2];

        for (int i = 0; i < 2; i++) {
            world_start(in, i, NULL);
            sides[i].sys = sides[i].here.sys = in->peers[i].sys;
            sides[i].remote = in->peers[i].remote;
            assert_int_equal(gr_process_open(sides[i].sys, &ops, &sides[i].here, 0, &pids[i]),
                             GR_OK);
        }
        world_introduce(in, 0, 1);
        for (int i = 0; i < 2; i++) {
            sides[i].to = pids[1 - i];
            assert_int_equal(pthread_create(&sides[i].asks, NULL, ask_all, &sides[i]), 0);
            assert_int_equal(pthread_create(&sides[i].stops, NULL, leave, &sides[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(sides[i].asks, NULL), 0);
            assert_int_equal(pthread_join(sides[i].stops, NULL), 0);
        }
        for (int i = 0; i < 2; i++) {
            compare(&sides[i], &sides[1 - i]);
        }
        world_free(in);
    }
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m02_order_holds_over_ten_reconnects_and_nothing_is_lost_or_doubled),
        cmocka_unit_test(m02_two_nodes_that_dial_each_other_at_once_lose_nothing),
        cmocka_unit_test(m01_many_callers_get_their_own_answers),
        cmocka_unit_test(m06_every_one_of_a_hundred_fresh_connects_is_quick),
        cmocka_unit_test(m06_whoever_connects_while_it_stops_is_told_so),
        cmocka_unit_test(m13_port_0_ipc_and_all_interfaces),
        cmocka_unit_test(m03_two_that_leave_at_once_say_nothing_wrong_of_what_has_run),
        cmocka_unit_test(m04_a_slow_peer_slows_its_senders_and_nobody_else),
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
