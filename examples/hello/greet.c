/*
 * The smallest client: has one greeter greet somebody.
 *
 *     greet sqlite:hello.db alice World
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "hello.grain.h"

static gr_err greet(gr_client *client, const char *greeter, char *name)
{
    Hello__Name request = HELLO__NAME__INIT;
    Hello__Greeting *greeting = NULL;
    gr_err err;

    request.text = name;
    err = hello_greeter_greet(gr_client_caller(client), greeter, &request, NULL, &greeting);
    if (err != GR_OK) {
        return err;
    }
    puts(greeting->text);
    gr_reply_free(greeting);
    return GR_OK;
}

static const char usage[] = "usage: greet NODES-OR-COORDINATOR GREETER NAME\n";

/* The exit status when there is nothing to greet, or -1. */
static int read_arguments(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc > 1 && argv[1][0] == '-') {
        fprintf(stderr, "greet: there is no flag '%s'\n%s", argv[1], usage);
        return 2;
    }
    if (argc > 4) {
        fprintf(stderr, "greet: '%s' is too much\n%s", argv[4], usage);
        return 2;
    }
    if (argc < 4) {
        fprintf(stderr, "greet: %d of 3 words are given\n%s", argc - 1, usage);
        return 2;
    }
    return -1;
}

int main(int argc, char **argv)
{
    gr_client_options options = {0};
    gr_client *client = NULL;
    int status = read_arguments(argc, argv);
    gr_err err;

    if (status >= 0) {
        return status;
    }
    options.nodes = argv[1];
    err = gr_client_start(&options, &client);
    if (err == GR_OK) {
        err = greet(client, argv[2], argv[3]);
    }
    if (err != GR_OK) {
        fprintf(stderr, "greet: %s\n", gr_last_error()->text);
    }
    gr_client_free(client);
    return err == GR_OK ? 0 : 1;
}
