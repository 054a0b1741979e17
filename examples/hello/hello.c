/*
 * The smallest node: hosts hello.Greeter. Each greeter runs on one node of the cluster, one call at a time.
 *
 *     hello --coordinator sqlite:hello.db
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "hello.grain.h"

typedef struct greeter {
    unsigned times; /* 0 when the grain wakes */
} greeter;

static gr_err greet(hello_greeter *self, const Hello__Name *request, Hello__Greeting *reply)
{
    greeter *me = hello_greeter_data(self);

    me->times++;
    reply->text = gr_grain_text(hello_greeter_grain(self), "Hello %s, says %s. That makes %u.",
                                request->text, hello_greeter_id(self), me->times);
    return reply->text != NULL ? GR_OK : gr_fail(GR_ENOMEM, "no memory for a greeting");
}

static const hello_greeter_methods methods = {.data_bytes = sizeof(greeter), .greet = greet};

int main(int argc, char **argv)
{
    return gr_node_main(argc, argv, hello_greeter_kind(&methods), NULL);
}
