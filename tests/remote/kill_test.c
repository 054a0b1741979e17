/*
 * Real processes: a server that is killed with -9 again and again under two-way load. Every request of
 * the survivor ends, it is connected again each time, nothing is stuck and no descriptor leaks.
 * The server is this program with `--serve`. `--kills N` sets how often.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { KILLS_DEFAULT = 5 };
#else
enum { KILLS_DEFAULT = 25 };
#endif

enum { WAIT_MS = 30000, IN_FLIGHT = 32, BODY = 20000 };

static unsigned kills = KILLS_DEFAULT;
static char *self_path;

/* ---- the server ---- */

typedef struct flooding {
    gr_system *sys;
    gr_pid sink;
} flooding;

static void *flood(void *arg)
{
    flooding *it = arg;

    for (uint64_t k = 1;; k++) {
        if (gr_send_wait(it->sys, it->sink, note_new(0, k, BODY), WAIT_MS) != GR_OK) {
            return NULL;
        }
    }
}

/* Listens, answers, and floods whoever started it, until it is killed. */
static int serve(const char *listen, const char *back)
{
    static flooding child;
    static const gr_type *const types[] = {&note_type};
    static book echo = {.answer = true};
    world in = {0};
    pthread_t thread;
    gr_remote_options options = {.listen = listen};

    if (gr_system_new(NULL, &in.peers[0].sys) != GR_OK ||
        gr_remote_start(in.peers[0].sys, &options, &in.peers[0].remote) != GR_OK ||
        gr_remote_add_types(in.peers[0].remote, types, 1) != GR_OK) {
        fprintf(stderr, "server: %s\n", gr_last_error()->text);
        return 1;
    }
    book_open(&in, 0, &echo);
    if (gr_remote_publish(in.peers[0].remote, "echo", echo.pid) != GR_OK ||
        gr_remote_find(in.peers[0].remote, back, "sink", WAIT_MS, &child.sink) != GR_OK) {
        fprintf(stderr, "server: %s\n", gr_last_error()->text);
        return 1;
    }
    child.sys = in.peers[0].sys;
    printf("%s\n", gr_remote_address(in.peers[0].remote));
    fflush(stdout);
    if (pthread_create(&thread, NULL, flood, &child) != 0) {
        return 1;
    }
    for (;;) {
        (void)pause();
    }
}

static pid_t spawn_server(const char *listen, const char *back, char address[128])
{
    static char serve_flag[] = "--serve";
    char *const argv[] = {self_path, serve_flag, (char *)(uintptr_t)listen, (char *)(uintptr_t)back,
                          NULL};
    posix_spawn_file_actions_t actions;
    extern char **environ;
    int ends[2];
    pid_t pid = 0;
    FILE *out = NULL;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], 1), 0);
    assert_int_equal(posix_spawn_file_actions_addclose(&actions, ends[0]), 0);
    assert_int_equal(posix_spawn_file_actions_addclose(&actions, ends[1]), 0);
    assert_int_equal(posix_spawn(&pid, self_path, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    out = fdopen(ends[0], "r");
    if (fgets(address, 128, out) == NULL) { /* comes when it is ready */
        fail_msg("the server did not start");
    }
    address[strcspn(address, "\n")] = '\0';
    (void)fclose(out);
    return pid;
}

/* ---- the survivor ---- */

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

static void load(world *in, const char *address, uint64_t count, gr_future *asked[IN_FLIGHT])
{
    gr_pid echo;

    assert_int_equal(gr_remote_find(in->peers[0].remote, address, "echo", WAIT_MS, &echo), GR_OK);
    for (uint64_t k = 0; k < count; k++) {
        gr_future **slot = &asked[k % IN_FLIGHT];
        gr_msg *reply = NULL;

        if (*slot != NULL) {
            assert_int_equal(gr_await(*slot, WAIT_MS, &reply), GR_OK);
            reply = gr_msg_unref(reply);
            *slot = gr_future_unref(*slot);
        }
        assert_int_equal(
            gr_request_future(in->peers[0].sys, echo, note_new(0, k + 1, BODY), GR_FOREVER, slot),
            GR_OK);
    }
}

/* Each has an outcome. */
static void settle(gr_future *asked[IN_FLIGHT], unsigned long outcomes[3])
{
    for (int i = 0; i < IN_FLIGHT; i++) {
        gr_msg *reply = NULL;
        gr_err err = gr_await(asked[i], WAIT_MS, &reply);

        assert_true(err == GR_OK || err == GR_EUNKNOWN || err == GR_ENOTRUN);
        outcomes[err == GR_OK ? 0 : err == GR_EUNKNOWN ? 1 : 2]++;
        if (err == GR_OK) {
            reply = gr_msg_unref(reply);
        }
        asked[i] = gr_future_unref(asked[i]);
    }
}

static void m03_kill_9_again_and_again_under_two_way_load(void **state)
{
    world *in = world_threads();
    book sink = {0};
    char address[128] = "tcp://127.0.0.1:0";
    unsigned long outcomes[3] = {0, 0, 0};
    unsigned descriptors = 0;
    pid_t pid = 0;

    (void)state;
    world_start(in, 0, &(gr_remote_options){.session_timeout_ms = 2000});
    book_open(in, 0, &sink);
    assert_int_equal(gr_remote_publish(in->peers[0].remote, "sink", sink.pid), GR_OK);
    pid = spawn_server(address, gr_remote_address(in->peers[0].remote), address);
    for (unsigned round = 0; round < kills; round++) {
        gr_future *asked[IN_FLIGHT] = {NULL};
        unsigned long notes = sink.notes;

        /* Load both ways for a while, then the end in the middle of it. */
        load(in, address, 4 * IN_FLIGHT + round % 7 * 10, asked);
        WORLD_UNTIL(in, WAIT_MS, sink.notes > notes + 10);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        /* The successor's hello, at the same address, ends what was between us and its predecessor. */
        pid = spawn_server(address, gr_remote_address(in->peers[0].remote), address);
        settle(asked, outcomes);
        WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == round + 1);
        if (round == 1) {
            descriptors = open_descriptors();
        }
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    WORLD_UNTIL(in, WAIT_MS, in->peers[0].losts == kills + 1);
    print_message("answered %lu, unknown %lu, not run %lu\n", outcomes[0], outcomes[1],
                  outcomes[2]);
    WORLD_UNTIL(in, WAIT_MS, open_descriptors() <= descriptors);
    assert_int_equal(gr_remote_read_counters(in->peers[0].remote).sessions, 0);
    world_free(in);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m03_kill_9_again_and_again_under_two_way_load),
    };

    self_path = argv[0];
    if (argc == 4 && strcmp(argv[1], "--serve") == 0) {
        return serve(argv[2], argv[3]);
    }
    if (argc == 3 && strcmp(argv[1], "--kills") == 0) {
        kills = (unsigned)atoi(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
