/*
 * The smallest client: has one greeter greet somebody.
 *
 *     greet sqlite:hello.db alice World
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

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

int main(int argc, char **argv)
{
    gr_client_options options = {.nodes = argc == 4 ? argv[1] : NULL};
    gr_client *client = NULL;
    gr_err err;

    if (argc != 4) {
        fputs("usage: greet NODES-OR-COORDINATOR GREETER NAME\n", stderr);
        return 2;
    }
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
