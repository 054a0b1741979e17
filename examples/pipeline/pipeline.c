/*
 * Back-pressure. Records go from this thread through a parser to a store; each mailbox holds two. The disk of the store is
 * slow to appear: its handler waits, then the parser's handler waits for room at the store, then this thread waits for room
 * at the parser. Nothing is lost and nothing piles up: of 12 records 6 are taken in until there is a disk, and the rest
 * follows when there is one. At the end the stages are emptied in order, first the parser and then the store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include <granary/runtime.h>

enum { RECORDS = 12, MAILBOX_LIMIT = 2 };

typedef struct record {
    int number;
    int checksum; /* by the parser */
} record;

typedef struct mounted {
    char unused;
} mounted;

static const gr_type record_type = GR_TYPE(record);
static const gr_type mounted_type = GR_TYPE(mounted);

static gr_msg *record_new(int number, int checksum)
{
    gr_msg *msg = gr_msg_new(&record_type);

    if (msg != NULL) {
        *(record *)gr_msg_payload(msg) = (record){number, checksum};
    }
    return msg; /* sending NULL is refused as GR_ENOMEM: no need to look here */
}

/* ---- the store */

typedef struct store_config {
    gr_future *disk; /* complete when there is one */
    gr_future *done; /* completed when the last record is written */
} store_config;

typedef struct store {
    int written;
} store;

static gr_err store_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const store_config *config = gr_context_arg(ctx);
    store *self = state;
    const record *what = gr_msg_read(msg, &record_type);
    gr_msg *disk = NULL;
    gr_err err = gr_await(config->disk, GR_FOREVER, &disk); /* only this handler waits, no thread */

    disk = gr_msg_unref(disk);
    if (err == GR_OK && what != NULL) {
        self->written++;
        printf("store: record %d, checksum %d\n", what->number, what->checksum);
    }
    return err;
}

static void store_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    const store_config *config = gr_context_arg(ctx);
    gr_pid done = gr_future_pid(config->done);

    (void)reason;
    (void)gr_send(gr_context_system(ctx), done, record_new(((store *)state)->written, 0));
}

/* ---- the parser: its arg is the pid of the store */

static gr_err parser_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const gr_pid *next = gr_context_arg(ctx);
    const record *what = gr_msg_read(msg, &record_type);

    (void)state;
    if (what == NULL) {
        return gr_fail(GR_ENOTYPE, "a parser takes records, no %s", gr_msg_type(msg)->name);
    }
    /* While it waits for room it takes no other record, so whoever sends to it will have to wait, too. */
    return gr_send_wait(gr_context_system(ctx), *next,
                        record_new(what->number, what->number * 7 % 10), GR_FOREVER);
}

static void parser_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    const gr_pid *next = gr_context_arg(ctx);

    (void)state;
    (void)reason;
    gr_send_poison(gr_context_system(ctx), *next); /* after all that was sent to it */
}

/* ---- the source: this thread */

static gr_err feed(gr_system *sys, gr_pid parser, gr_future *disk)
{
    gr_err err = GR_OK;
    int number = 1;

    while (err == GR_OK && number <= RECORDS) { /* until there is no room for two seconds */
        err = gr_send_wait(sys, parser, record_new(number, 0), 2000);
        if (err == GR_OK) {
            printf("source: record %d is on its way\n", number++);
        }
    }
    if (err != GR_EFULL) {
        return err;
    }
    printf("source: no room for record %d: %s\n", number, gr_err_text(err));
    printf("source: here comes the disk\n");
    err = gr_send(sys, gr_future_pid(disk), gr_msg_new(&mounted_type));
    while (err == GR_OK && number <= RECORDS) {
        err = gr_send_wait(sys, parser, record_new(number++, 0), GR_FOREVER);
    }
    return err;
}

static gr_err run(gr_system *sys, store_config *config)
{
    gr_pid store_pid = gr_pid_null();
    gr_pid parser_pid = gr_pid_null();
    const gr_props store_props = {.type_name = "store",
                                  .receive = store_receive,
                                  .stopped = store_stopped,
                                  .state_bytes = sizeof(store),
                                  .arg = config,
                                  .mailbox_limit = MAILBOX_LIMIT};
    const gr_props parser_props = {.type_name = "parser",
                                   .receive = parser_receive,
                                   .stopped = parser_stopped,
                                   .arg = &store_pid,
                                   .mailbox_limit = MAILBOX_LIMIT};
    gr_msg *total = NULL;
    gr_err err = gr_spawn(sys, &store_props, "store", &store_pid);

    if (err == GR_OK) {
        err = gr_spawn(sys, &parser_props, "parser", &parser_pid);
    }
    if (err == GR_OK) {
        err = feed(sys, parser_pid, config->disk);
    }
    if (err == GR_OK) {
        gr_send_poison(sys, parser_pid); /* after the last record, and the store after that */
        err = gr_await(config->done, GR_FOREVER, &total);
    }
    if (err == GR_OK) {
        const record *written = gr_msg_read(total, &record_type);

        printf("source: %d of %d records are written\n", written->number, RECORDS);
    }
    total = gr_msg_unref(total);
    (void)gr_system_stop(sys, GR_FOREVER); /* before what the actors point to goes */
    return err;
}

static int write_records(void)
{
    store_config config = {NULL, NULL};
    gr_system *sys = NULL;
    gr_err err = gr_system_new(NULL, &sys);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (err == GR_OK) {
        err = gr_future_new(sys, GR_FOREVER, &config.disk);
    }
    if (err == GR_OK) {
        err = gr_future_new(sys, GR_FOREVER, &config.done);
    }
    if (err == GR_OK) {
        err = run(sys, &config);
    }
    if (err != GR_OK) {
        fprintf(stderr, "pipeline: %s (%s)\n", gr_last_error()->text, gr_err_name(err));
    }
    config.disk = gr_future_unref(config.disk);
    config.done = gr_future_unref(config.done);
    sys = gr_system_free(sys);
    return err == GR_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return write_records();
    }
    if (strcmp(argv[1], "--help") == 0) {
        printf("usage: pipeline\n");
        return 0;
    }
    fprintf(stderr, "pipeline: '%s' is not known, it takes no arguments\nusage: pipeline\n",
            argv[1]);
    return 2;
}
