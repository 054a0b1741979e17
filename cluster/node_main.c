/*
 * The main of a node program: flags, one node, signals, lines on stdout and stderr. Runs in the main thread, before any
 * other is started; the log is written by any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node_flags.h"
#include "node_internal.h"

enum {
    EXIT_LEFT = 0,
    EXIT_TROUBLE = 1,
    EXIT_WRONG_USE = 2,
    KINDS_MAX = 256,
    STOP_MS = 30000,
    READY_LOOKS = 300,
    READY_LOOK_MS = 100
};

static const char *program_of(char **argv)
{
    const char *slash = argv[0] == NULL ? NULL : strrchr(argv[0], '/');

    return argv[0] == NULL ? "node" : slash == NULL ? argv[0] : slash + 1;
}

static void collect_kinds(va_list args, gr_kind **kinds)
{
    size_t count = 0;
    gr_kind *kind = NULL;

    while ((kind = va_arg(args, gr_kind *)) != NULL) {
        if (count < KINDS_MAX) {
            kinds[count++] = kind;
        } else {
            (void)gr_kind_free(kind);
        }
    }
    kinds[count] = NULL;
}

static void free_kinds(gr_kind **kinds)
{
    for (size_t i = 0; kinds[i] != NULL; i++) {
        kinds[i] = gr_kind_free(kinds[i]);
    }
}

static int complain(const char *program, const char *what, int status)
{
    gr_error why = *gr_last_error();

    (void)fprintf(stderr, "%s: %s%s\n", program, what, why.text);
    return status;
}

/* The signals that the main thread waits for; every thread that is started later inherits the mask. */
static void take_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void wait_for_the_end(gr_node *node, const sigset_t *signals)
{
    int number = 0;

    for (;;) {
        if (sigwait(signals, &number) == 0 && number != SIGUSR1) {
            return;
        }
        if (number == SIGUSR1) {
            gr_node_dump(node, stderr);
        }
    }
}

/* Until the node has the shards it should have, for a time, and not when it is to end already. */
static void wait_until_ready(gr_node *node)
{
    for (int i = 0; i < READY_LOOKS; i++) {
        sigset_t pending;

        if (gr_node_wait_ready(node, READY_LOOK_MS) == GR_OK) {
            return;
        }
        if (sigpending(&pending) == 0 &&
            (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1)) {
            return;
        }
    }
    gr_log_stderr(NULL, GR_LOG_WARN, "GR-NODE-UNSETTLED",
                  "shards are still moving, going on all the same");
}

static int run(const char *program, gr_node *node, const sigset_t *signals)
{
    sigset_t impatience;

    wait_until_ready(node);
    (void)printf("granary: ready at %s node=%016" PRIx64 " cluster=%s\n", gr_node_address(node),
                 gr_system_node(gr_node_system(node)), node->options.cluster);
    (void)fflush(stdout);
    wait_for_the_end(node, signals);
    gr_log_stderr(NULL, GR_LOG_INFO, "GR-NODE-LEAVING",
                  "asked to end: draining and leaving; interrupt again to end at once");
    (void)sigemptyset(&impatience);
    (void)sigaddset(&impatience, SIGINT);
    (void)pthread_sigmask(SIG_UNBLOCK, &impatience, NULL);
    if (gr_node_stop(node, STOP_MS) != GR_OK) {
        return complain(program, "left, but not everything could be drained: ", EXIT_TROUBLE);
    }
    (void)printf("granary: left\n");
    (void)fflush(stdout);
    return EXIT_LEFT;
}

static int start_and_run(const char *program, gri_node_flags *flags, gr_kind **take_kinds)
{
    gr_node *node = NULL;
    sigset_t signals;
    int status = EXIT_TROUBLE;
    gr_err err = GR_OK;

    take_signals(&signals);
    flags->options.system.log = gr_log_stderr;
    flags->options.system.log_level = flags->log_level;
    err = gr_node_start(&flags->options, take_kinds, &node);
    if (err != GR_OK) {
        return complain(program,
                        "cannot start: ", err == GR_EINVAL ? EXIT_WRONG_USE : EXIT_TROUBLE);
    }
    status = run(program, node, &signals);
    (void)gr_node_free(node);
    return status;
}

int gr_node_main(int argc, char **argv, ...)
{
    const char *program = program_of(argv);
    gr_kind *kinds[KINDS_MAX + 1];
    gri_node_flags flags;
    va_list args;

    va_start(args, argv);
    collect_kinds(args, kinds);
    va_end(args);
    if (gri_node_flags_read(argc, argv, &flags) != GR_OK) {
        free_kinds(kinds);
        return complain(program, "", EXIT_WRONG_USE);
    }
    if (flags.help) {
        free_kinds(kinds);
        gri_node_flags_help(program, stdout);
        return EXIT_LEFT;
    }
    return start_and_run(program, &flags, kinds);
}
