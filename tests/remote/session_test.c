/*
 * Sessions between whole systems over the memory network, under many seeds, with breaks, delays and
 * partitions. One thread, virtual time. `--seed N` replays one seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

enum { SEEDS = 20, WAIT_MS = 60000 };

static uint64_t only_seed; /* 0: all */

/* Calls a body for each seed; names the seed when it fails. */
static void for_seeds(void (*body)(world *in, uint64_t seed))
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        if (only_seed == 0 || only_seed == seed) {
            world *in = world_stepped(seed);

            print_message("seed %llu\n", (unsigned long long)seed);
            body(in, seed);
            world_free(in);
        }
    }
}

static void m01_a_message_reaches_a_pid_of_another_process_and_its_answer_comes_back(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true};
    gr_msg *reply = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, note_new(0, 1, 10), 5000, &reply),
                     GR_OK);
    assert_int_equal(((const Note__Note *)gr_msg_read(reply, &note_type))->number, 1);
    reply = gr_msg_unref(reply);
    assert_int_equal(there.notes, 1);
    gr_remote_dump(in->peers[0].remote, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, " up: held 0 bytes"));
    free(text);
    world_free(in);
}

static void m01_forwarding_works_across_three_processes(void **state)
{
    world *in = world_stepped(1);
    book middle = {.answer = false}, last = {.answer = true};
    gr_msg *reply = NULL;

    (void)state;
    for (int i = 0; i < 3; i++) {
        world_start(in, i, NULL);
    }
    world_introduce(in, 0, 1);
    world_introduce(in, 1, 2);
    world_introduce(in, 0, 2);
    book_open(in, 2, &last);
    middle.forward = last.pid;
    book_open(in, 1, &middle);
    /* The second time the last one has a session with the first already. */
    for (uint64_t k = 1; k <= 3; k++) {
        assert_int_equal(gr_request(in->peers[0].sys, middle.pid, note_new(3, k, 0), 5000, &reply),
                         GR_OK);
        reply = gr_msg_unref(reply);
        assert_int_equal(last.notes, k);
    }
    world_free(in);
}

/* Answers in the thread that hands it the request, as what forwards and looks things up does. */
static void answer_at_once(void *self, gr_pid pid, gr_msg *take_msg)
{
    (void)pid;
    (void)gr_send(self, gr_msg_sender(take_msg), note_new(0, 1, 0));
    (void)gr_msg_unref(take_msg);
}

static void m01_what_is_sent_while_a_frame_is_handled_goes_together(void **state)
{
    static const gr_process_ops ops = {
        .version = GR_PROCESS_VERSION, .type_name = "echo", .deliver = answer_at_once};
    enum { REQUESTS = 50 };
    world *in = world_stepped(1);
    gr_future *asked[REQUESTS];
    gr_msg *reply = NULL;
    gr_pid echo;
    uint64_t frames = 0;

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    assert_int_equal(gr_process_open(in->peers[1].sys, &ops, in->peers[1].sys, 0, &echo), GR_OK);
    assert_int_equal(gr_request(in->peers[0].sys, echo, note_new(0, 1, 0), 1000, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    frames = gr_remote_read_counters(in->peers[1].remote).frames_sent;
    for (int i = 0; i < REQUESTS;
         i++) { /* the first goes alone, the others in one frame after it */
        assert_int_equal(
            gr_request_future(in->peers[0].sys, echo, note_new(0, 1, 0), GR_FOREVER, &asked[i]),
            GR_OK);
    }
    for (int i = 0; i < REQUESTS; i++) {
        assert_int_equal(gr_await(asked[i], 1000, &reply), GR_OK);
        reply = gr_msg_unref(reply);
        asked[i] = gr_future_unref(asked[i]);
    }
    assert_int_equal(gr_remote_read_counters(in->peers[1].remote).frames_sent - frames, 2);
    gr_process_close(in->peers[1].sys, echo);
    world_free(in);
}

static void m01_a_published_name_is_found_and_another_is_not(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true};
    gr_pid found = gr_pid_null();

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, NULL);
    book_open(in, 1, &there);
    assert_int_equal(gr_remote_publish(in->peers[1].remote, "book", there.pid), GR_OK);
    assert_int_equal(gr_remote_publish(in->peers[1].remote, "book", there.pid), GR_EEXIST);
    assert_int_equal(gr_remote_find(in->peers[0].remote, "mem://1", "book", 5000, &found), GR_OK);
    assert_true(gr_pid_equal(found, there.pid));
    assert_int_equal(gr_remote_find(in->peers[0].remote, "mem://1", "cook", 5000, &found),
                     GR_ENOTFOUND);
    world_free(in);
}

static void breaks_all_the_time(world *in, uint64_t seed)
{
    book books[2] = {{0}, {0}};
    gr_memory_faults faults = {
        .delay_min_ms = 1, .delay_max_ms = (int64_t)(seed % 7) * 5, .cut_per_10000 = 400};
    enum { ROUNDS = 40, BATCH = 25 };
    int64_t began_ms = world_now(in);
    uint64_t sent = 0;

    for (int i = 0; i < 2; i++) {
        world_start(in, i, NULL);
        book_open(in, i, &books[i]);
    }
    world_introduce(in, 0, 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &faults), GR_OK);
    for (int round = 0; round < ROUNDS; round++, sent += BATCH) {
        for (uint32_t writer = 0; writer < 2; writer++) {
            /* Every tenth is large and travels in pieces; what follows must not overtake it. */
            for (uint64_t k = 1; k <= BATCH; k++) {
                world_send_notes(in, 0, books[1].pid, writer, sent + k, 1,
                                 k % 10 == 0 ? 100000 : 20);
                world_send_notes(in, 1, books[0].pid, writer, sent + k, 1, 20);
            }
        }
        world_run(in, 40);
    }
    WORLD_UNTIL(in, WAIT_MS, books[0].notes == sent * 2 && books[1].notes == sent * 2);
    assert_int_equal(books[0].out_of_order, 0);
    assert_int_equal(books[1].out_of_order, 0);
    assert_true(in->peers[0].brokens > 3);
    /* Each side dials at most every 25 ms, and each connection is counted on both. */
    assert_true(gr_remote_read_counters(in->peers[0].remote).connects <
                (uint64_t)(world_now(in) - began_ms) / 25 * 2 + 4);
    assert_int_equal(in->peers[0].losts + in->peers[1].losts, 0);
    assert_int_equal(in->peers[0].dead_letters + in->peers[1].dead_letters, 0);
}

static void m02_order_holds_and_nothing_is_lost_or_doubled_over_many_breaks(void **state)
{
    (void)state;
    for_seeds(breaks_all_the_time);
}

static void both_dial(world *in, uint64_t seed)
{
    book books[2] = {{0}, {0}};
    gr_memory_faults faults = {.delay_min_ms = 0, .delay_max_ms = (int64_t)(seed % 5)};

    for (int i = 0; i < 2; i++) {
        world_start(in, i, NULL);
        book_open(in, i, &books[i]);
    }
    world_introduce(in, 0, 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &faults), GR_OK);
    for (uint64_t k = 1; k <= 50; k++) {
        assert_int_equal(gr_send(in->peers[0].sys, books[1].pid, note_new(0, k, 8)), GR_OK);
        assert_int_equal(gr_send(in->peers[1].sys, books[0].pid, note_new(0, k, 8)), GR_OK);
        if (k % 10 == 0) {
            world_run(in, 1);
        }
    }
    WORLD_UNTIL(in, WAIT_MS, books[0].notes == 50 && books[1].notes == 50);
    assert_int_equal(books[0].out_of_order + books[1].out_of_order, 0);
    assert_int_equal(in->peers[0].ups, 1);
    assert_int_equal(in->peers[1].ups, 1);
    world_run(in, 5000);
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).sessions, 1);
    assert_int_equal(in->peers[0].losts + in->peers[1].losts, 0);
}

static void m02_when_both_dial_at_once_one_session_comes_of_it(void **state)
{
    (void)state;
    for_seeds(both_dial);
}

static void m05_a_short_break_goes_on_and_a_long_one_begins_anew_on_both_sides(void **state)
{
    world *in = world_stepped(1);
    book books[2] = {{0}, {0}};
    gr_memory_faults blocked = {.blocked = true}, none = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        world_start(in, i, NULL);
        book_open(in, i, &books[i]);
    }
    world_introduce(in, 0, 1);
    world_send_notes(in, 0, books[1].pid, 0, 1, 10, 0);
    WORLD_UNTIL(in, 1000, books[1].notes == 10);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &blocked), GR_OK);
    world_send_notes(in, 0, books[1].pid, 0, 11, 10, 0);
    world_run(in, 7000);
    assert_int_equal(in->peers[0].brokens, 1); /* nothing heard for too long */
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &none), GR_OK);
    WORLD_UNTIL(in, 4000, books[1].notes == 20);
    assert_int_equal(in->peers[0].losts + in->peers[1].losts, 0);

    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &blocked), GR_OK);
    world_run(in, 20000);
    assert_int_equal(in->peers[0].losts, 1);
    assert_int_equal(in->peers[1].losts, 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &none), GR_OK);
    world_send_notes(in, 0, books[1].pid, 0, 21, 10, 0);
    WORLD_UNTIL(in, 5000, books[1].notes == 30);
    assert_int_equal(in->peers[0].ups, 2);
    assert_int_equal(in->peers[1].ups, 2);
    assert_int_equal(books[1].out_of_order, 0);
    world_free(in);
}

static void m05_one_side_gives_up_and_the_other_learns_of_it_when_they_meet(void **state)
{
    world *in = world_stepped(1);
    book books[2] = {{0}, {0}};
    gr_memory_faults blocked = {.blocked = true}, none = {0};

    (void)state;
    world_start(in, 0, &(gr_remote_options){.session_timeout_ms = 60000});
    world_start(in, 1, &(gr_remote_options){.session_timeout_ms = 3000});
    for (int i = 0; i < 2; i++) {
        book_open(in, i, &books[i]);
    }
    world_introduce(in, 0, 1);
    world_send_notes(in, 0, books[1].pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, books[1].notes == 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &blocked), GR_OK);
    world_run(in, 12000);
    assert_int_equal(in->peers[1].losts, 1);
    assert_int_equal(in->peers[0].losts, 0);
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &none), GR_OK);
    WORLD_UNTIL(in, 5000, in->peers[0].losts == 1);
    WORLD_UNTIL(in, 5000, in->peers[0].ups == 2);
    world_send_notes(in, 0, books[1].pid, 0, 2, 5, 0);
    WORLD_UNTIL(in, 5000, books[1].notes == 6);
    world_free(in);
}

static void m05_a_one_way_partition_is_noticed_by_both_sides(void **state)
{
    world *in = world_stepped(1);
    book there = {0};
    gr_memory_faults blocked = {.blocked = true}, none = {0};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    world_send_notes(in, 0, there.pid, 0, 1, 1, 0);
    WORLD_UNTIL(in, 1000, there.notes == 1);
    assert_int_equal(gr_memory_network_set_faults(in->network, "mem://0", "mem://1", &blocked),
                     GR_OK);
    WORLD_UNTIL(in, 6000, in->peers[0].brokens > 0 && in->peers[1].brokens > 0);
    assert_int_equal(gr_memory_network_set_faults(in->network, "mem://0", "mem://1", &none), GR_OK);
    world_send_notes(in, 0, there.pid, 0, 2, 5, 0);
    WORLD_UNTIL(in, 5000, there.notes == 6);
    assert_int_equal(there.out_of_order, 0);
    world_free(in);
}

static void m08_watches_work_many_to_one_and_one_to_many_and_are_taken_back(void **state)
{
    world *in = world_stepped(1);
    book there[3] = {{0}, {0}, {0}}, here[3] = {{0}, {0}, {0}};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    for (int i = 0; i < 3; i++) {
        book_open(in, 1, &there[i]);
    }
    for (int i = 0; i < 3; i++) {
        here[i].watch = there[0].pid;
        book_open(in, 0, &here[i]);
    }
    world_run(in, 100);
    gr_send_stop(in->peers[0].sys, there[0].pid);
    WORLD_UNTIL(in, 1000, here[0].terminated + here[1].terminated + here[2].terminated == 3);
    assert_int_equal(here[0].last_reason, GR_REASON_STOPPED);
    /* A pid that has ended: told at once. */
    here[0].watch = there[0].pid;
    book_open(in, 0, &here[0]);
    WORLD_UNTIL(in, 1000, here[0].terminated == 2);
    /* A watcher that ends takes its watches along: nothing is left on either side. */
    here[1].watch = there[1].pid;
    book_open(in, 0, &here[1]);
    world_run(in, 100);
    gr_send_stop(in->peers[0].sys, here[1].pid);
    world_run(in, 100);
    gr_send_stop(in->peers[1].sys, there[1].pid);
    world_run(in, 100);
    assert_int_equal(here[1].terminated, 1);
    world_free(in);
}

static void m08_poison_comes_after_what_was_sent_before(void **state)
{
    world *in = world_stepped(1);
    book there = {0};

    (void)state;
    world_start(in, 0, NULL);
    world_start(in, 1, NULL);
    world_introduce(in, 0, 1);
    book_open(in, 1, &there);
    world_send_notes(in, 0, there.pid, 0, 1, 100, 0);
    world_send_notes(in, 0, there.pid, 0, 101, 1, 200000);
    gr_send_poison(in->peers[0].sys, there.pid);
    world_send_notes(in, 0, there.pid, 0, 102, 5, 0);
    WORLD_UNTIL(in, 2000, in->peers[1].dead_letters == 5);
    assert_int_equal(there.notes, 101);
    world_free(in);
}

static void m14_a_client_may_not_stop_actors(void **state)
{
    world *in = world_stepped(1);
    book there = {.answer = true};
    gr_msg *reply = NULL;
    uint64_t node = 0;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.listen = ""});
    world_start(in, 1, NULL);
    book_open(in, 1, &there);
    assert_int_equal(gr_remote_connect(in->peers[0].remote, "mem://1", 5000, &node), GR_OK);
    assert_int_equal(node, gr_system_node(in->peers[1].sys));
    gr_send_stop(in->peers[0].sys, there.pid);
    gr_send_poison(in->peers[0].sys, there.pid);
    assert_int_equal(gr_request(in->peers[0].sys, there.pid, note_new(0, 1, 0), 5000, &reply),
                     GR_OK);
    reply = gr_msg_unref(reply);
    world_free(in);
}

static void storm(world *in, uint64_t seed)
{
    enum { NODES = 4, ROUNDS = 60 };
    book books[NODES] = {{0}, {0}, {0}, {0}};
    uint64_t next[NODES][NODES] = {{0}};
    unsigned long total = 0;

    for (int i = 0; i < NODES; i++) {
        world_start(in, i,
                    &(gr_remote_options){.session_timeout_ms = 120000,
                                         .window_messages = 50,
                                         .window_bytes = 300000});
        book_open(in, i, &books[i]);
    }
    for (int i = 0; i < NODES; i++) {
        for (int k = 0; k < i; k++) {
            world_introduce(in, i, k);
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t dice = gr_stepped_random(in->stepped);
        char from[24], to[24];
        gr_memory_faults faults = {.delay_max_ms = (int64_t)(dice % 20),
                                   .cut_per_10000 = dice % 3 == 0 ? 500 : 0,
                                   .blocked = dice % 5 == 0 && round < ROUNDS - 1};

        (void)snprintf(from, sizeof(from), "mem://%d", (int)(dice >> 8) & 3);
        (void)snprintf(to, sizeof(to), "mem://%d", (int)(dice >> 10) & 3);
        assert_int_equal(gr_memory_network_set_faults(in->network, from, to, &faults), GR_OK);
        for (int k = 0; k < 30; k++) {
            uint64_t more = gr_stepped_random(in->stepped);
            unsigned a = (unsigned)more & 3, b = (unsigned)(more >> 2) & 3;
            size_t bytes = more % 17 == 0 ? 70000 : (more >> 8) % 300;

            if (a != b && gr_send(in->peers[a].sys, books[b].pid,
                                  note_new(a, next[a][b] + 1, bytes)) == GR_OK) {
                next[a][b]++;
                total++;
            }
        }
        world_run(in, (int64_t)(dice >> 16) % 1500);
    }
    assert_int_equal(gr_memory_network_set_faults(in->network, NULL, NULL, &(gr_memory_faults){0}),
                     GR_OK);
    for (int i = 0; i < 16; i++) {
        char from[24], to[24];

        (void)snprintf(from, sizeof(from), "mem://%d", i & 3);
        (void)snprintf(to, sizeof(to), "mem://%d", i >> 2);
        assert_int_equal(
            gr_memory_network_set_faults(in->network, from, to, &(gr_memory_faults){0}), GR_OK);
    }
    WORLD_UNTIL(in, WAIT_MS,
                books[0].notes + books[1].notes + books[2].notes + books[3].notes == total);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(books[i].out_of_order, 0);
        assert_int_equal(in->peers[i].losts, 0);
    }
    (void)seed;
}

static void m02_four_processes_in_a_storm_lose_nothing(void **state)
{
    (void)state;
    for_seeds(storm);
}

static void the_same_seed_gives_the_same_counters(void **state)
{
    gr_remote_counters counters[2];

    (void)state;
    for (int run = 0; run < 2; run++) {
        world *in = world_stepped(7);

        breaks_all_the_time(in, 7);
        counters[run] = gr_remote_read_counters(in->peers[0].remote);
        world_free(in);
    }
    assert_memory_equal(&counters[0], &counters[1], sizeof(counters[0]));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m01_a_message_reaches_a_pid_of_another_process_and_its_answer_comes_back),
        cmocka_unit_test(m01_forwarding_works_across_three_processes),
        cmocka_unit_test(m01_what_is_sent_while_a_frame_is_handled_goes_together),
        cmocka_unit_test(m01_a_published_name_is_found_and_another_is_not),
        cmocka_unit_test(m02_order_holds_and_nothing_is_lost_or_doubled_over_many_breaks),
        cmocka_unit_test(m02_when_both_dial_at_once_one_session_comes_of_it),
        cmocka_unit_test(m05_a_short_break_goes_on_and_a_long_one_begins_anew_on_both_sides),
        cmocka_unit_test(m05_one_side_gives_up_and_the_other_learns_of_it_when_they_meet),
        cmocka_unit_test(m05_a_one_way_partition_is_noticed_by_both_sides),
        cmocka_unit_test(m08_watches_work_many_to_one_and_one_to_many_and_are_taken_back),
        cmocka_unit_test(m08_poison_comes_after_what_was_sent_before),
        cmocka_unit_test(m14_a_client_may_not_stop_actors),
        cmocka_unit_test(m02_four_processes_in_a_storm_lose_nothing),
        cmocka_unit_test(the_same_seed_gives_the_same_counters),
    };

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0) {
            only_seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0) {
            cmocka_set_test_filter(argv[i + 1]);
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
