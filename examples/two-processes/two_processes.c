/*
 * An actor here and one in another process. The adder listens, publishes its actor under a name and waits. The other side finds that
 * actor by address and name, asks it with the same call as for a local one, watches it, and is told when its process is gone.
 *
 *   two_processes listen ADDRESS           the adder: "tcp://127.0.0.1:7001", port 0 for any, or "ipc:///tmp/adder.sock"
 *   two_processes ask ADDRESS A B          asks it
 *   two_processes demo A B                 starts an adder as a second process, asks it, and ends it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <granary/remote.h>

#include "sum.pb-c.h"

static const gr_type add_type = GR_PROTO_TYPE("sum.Add", Sum__Add, sum__add__descriptor);
static const gr_type sum_type = GR_PROTO_TYPE("sum.Sum", Sum__Sum, sum__sum__descriptor);
static const gr_type *const types[] = {&add_type, &sum_type};

enum { PATIENCE_MS = 5000 };

static int fail(const char *what)
{
    (void)fprintf(stderr, "two_processes: %s: %s\n", what, gr_last_error()->text);
    return 1;
}

/* Every process that talks to others has a system and a remote, and tells which types it can receive. */
static gr_err open_world(const char *listen, gr_system **sys, gr_remote **remote)
{
    const gr_remote_options options = {.listen = listen};
    gr_err err = gr_system_new(NULL, sys);

    if (err == GR_OK) {
        err = gr_remote_start(*sys, &options, remote);
    }
    return err == GR_OK ? gr_remote_add_types(*remote, types, 2) : err;
}

static void close_world(gr_system *sys, gr_remote *remote)
{
    (void)gr_remote_free(remote); /* says goodbye, so that the others know at once */
    (void)gr_system_free(sys);
}

/* ---- the adder */

static gr_err adder_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const Sum__Add *add = gr_msg_read(msg, &add_type);
    Sum__Sum sum = SUM__SUM__INIT;
    gr_msg *answer = NULL;
    gr_err err = GR_OK;

    (void)state;
    if (add == NULL) {
        return gr_fail(GR_EINVAL, "only sum.Add is understood here, not %s",
                       gr_msg_type(msg)->name);
    }
    sum.value = add->a + add->b;
    err = gr_msg_new_proto(&sum_type, &sum, &answer);
    return err == GR_OK ? gr_respond(ctx, answer) : err;
}

static int run_adder(const char *address)
{
    const gr_props props = {.type_name = "adder", .receive = adder_receive};
    gr_system *sys = NULL;
    gr_remote *remote = NULL;
    sigset_t signals;
    gr_pid adder;
    int status = 0;
    int got = 0;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread is started */
    if (open_world(address, &sys, &remote) != GR_OK ||
        gr_spawn(sys, &props, NULL, &adder) != GR_OK ||
        gr_remote_publish(remote, "adder", adder) != GR_OK) {
        status = fail("starting the adder");
    } else {
        (void)printf("%s\n", gr_remote_address(remote));
        (void)fflush(stdout);
        (void)sigwait(&signals, &got);
    }
    close_world(sys, remote);
    return status;
}

/* ---- who asks */

typedef struct watcher {
    gr_pid waiting; /* who wants to know */
} watcher;

static gr_err watcher_started(gr_context *ctx, void *state)
{
    (void)state;
    return gr_watch(ctx, *(gr_pid *)gr_context_arg(ctx));
}

/* Hears of the end of whom it watches, and passes that on to who asks it. */
static gr_err watcher_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    watcher *self = state;

    if (gr_msg_read(msg, &gr_terminated_type) == NULL) {
        self->waiting = gr_context_sender(ctx);
        return GR_OK;
    }
    return gr_send(gr_context_system(ctx), self->waiting, gr_msg_ref(msg));
}

static gr_err ask(gr_system *sys, gr_pid adder, int64_t a, int64_t b)
{
    Sum__Add add = SUM__ADD__INIT;
    gr_msg *msg = NULL;
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    add.a = a;
    add.b = b;
    err = gr_msg_new_proto(&add_type, &add, &msg);
    if (err == GR_OK) {
        err = gr_request(sys, adder, msg, PATIENCE_MS, &reply);
    }
    if (err == GR_OK) {
        (void)printf("%" PRId64 " + %" PRId64 " = %" PRId64 "\n", a, b,
                     ((const Sum__Sum *)gr_msg_read(reply, &sum_type))->value);
        reply = gr_msg_unref(reply);
    }
    return err;
}

/* With a process to end: waits until the watcher has heard of it. */
static int run_asker(const char *address, int64_t a, int64_t b, pid_t process)
{
    gr_system *sys = NULL;
    gr_remote *remote = NULL;
    gr_future *gone = NULL;
    gr_msg *reply = NULL;
    gr_pid adder, watching;
    const gr_props props = {.type_name = "watcher",
                            .started = watcher_started,
                            .receive = watcher_receive,
                            .state_bytes = sizeof(watcher),
                            .arg = &adder};
    int status = 0;

    if (open_world(NULL, &sys, &remote) != GR_OK ||
        gr_remote_find(remote, address, "adder", PATIENCE_MS, &adder) != GR_OK ||
        ask(sys, adder, a, b) != GR_OK) {
        status = fail("asking the adder");
    } else if (process != 0) {
        if (gr_spawn(sys, &props, NULL, &watching) != GR_OK ||
            gr_request_future(sys, watching, gr_msg_new(&sum_type), PATIENCE_MS, &gone) != GR_OK) {
            status = fail("watching the adder");
        }
        (void)kill(process, SIGTERM);
        if (gone != NULL && gr_await(gone, GR_FOREVER, &reply) == GR_OK) {
            (void)printf("the adder has gone\n");
            reply = gr_msg_unref(reply);
        } else if (status == 0) {
            status = fail("waiting for its end");
        }
        gone = gr_future_unref(gone);
    }
    close_world(sys, remote);
    return status;
}

static int run_demo(const char *self, int64_t a, int64_t b)
{
    char address[GR_ADDRESS_BYTES_MAX];
    int ends[2];
    pid_t process = 0;
    FILE *out = NULL;
    int status = 1;

    if (pipe(ends) != 0 || (process = fork()) < 0) {
        perror("two_processes");
        return 1;
    }
    if (process == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execlp(self, self, "listen", "tcp://127.0.0.1:0", (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    out = fdopen(ends[0], "r");
    if (out != NULL && fgets(address, sizeof(address), out) != NULL) { /* it is ready */
        address[strcspn(address, "\n")] = '\0';
        status = run_asker(address, a, b, process);
    } else {
        (void)fprintf(stderr, "two_processes: the adder did not start\n");
    }
    if (out != NULL) {
        (void)fclose(out);
    }
    (void)kill(process, SIGTERM);
    (void)waitpid(process, NULL, 0);
    return status;
}

static const char usage[] = "usage: two_processes listen ADDRESS | ask ADDRESS A B | demo A B\n";

static int misuse(const char *word, const char *why)
{
    (void)fprintf(stderr, "two_processes: '%s' %s\n%s", word, why, usage);
    return 2;
}

/* Both numbers at `words`; NULL, or the word that is none. */
static const char *parse_numbers(char **words, int64_t *a, int64_t *b)
{
    int64_t *const into[] = {a, b};

    for (int i = 0; i < 2; i++) {
        char *end = NULL;

        errno = 0;
        *into[i] = strtoll(words[i], &end, 10);
        if (end == words[i] || *end != '\0' || errno != 0) {
            return words[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    bool asks = strcmp(what, "ask") == 0;
    bool listens = strcmp(what, "listen") == 0;
    int words = asks ? 5 : listens ? 3 : 4; /* the program and what to do included */
    const char *wrong = NULL;
    int64_t a = 0, b = 0;

    if (strcmp(what, "--help") == 0) {
        (void)printf("%s", usage);
        return 0;
    }
    if (!asks && !listens && strcmp(what, "demo") != 0) {
        return misuse(what, "is nothing that it does");
    }
    if (argc != words) {
        return argc < words ? misuse(what, "needs more words") : misuse(argv[words], "is too much");
    }
    if (listens) {
        return run_adder(argv[2]);
    }
    wrong = parse_numbers(argv + words - 2, &a, &b);
    if (wrong != NULL) {
        return misuse(wrong, "is no number of 64 bits");
    }
    return asks ? run_asker(argv[2], a, b, 0) : run_demo(argv[0], a, b);
}
