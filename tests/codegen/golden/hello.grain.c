/* Generated from hello.proto by protoc-gen-granary 0.1.0. Do not edit. */
#include "hello.grain.h"

#include <stddef.h>

const gr_type hello_name_type =
    GR_PROTO_TYPE("hello.Name", Hello__Name, hello__name__descriptor);
const gr_type hello_greeting_type =
    GR_PROTO_TYPE("hello.Greeting", Hello__Greeting, hello__greeting__descriptor);

const gr_type *const *hello_grain_types(size_t *out_count)
{
    static const gr_type *const types[] = {
        &hello_name_type,
        &hello_greeting_type,
    };

    *out_count = sizeof(types) / sizeof(types[0]);
    return types;
}

/* A google.protobuf.FileDescriptorSet: this file and what it imports. */
static const uint8_t hello_grain_descriptors[] = {
    0x0a, 0x8a, 0x01, 0x0a, 0x0b, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f,
    0x12, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x22, 0x1a, 0x0a, 0x04, 0x4e, 0x61, 0x6d, 0x65, 0x12,
    0x12, 0x0a, 0x04, 0x74, 0x65, 0x78, 0x74, 0x18, 0x01, 0x20, 0x01, 0x28, 0x09, 0x52, 0x04, 0x74,
    0x65, 0x78, 0x74, 0x22, 0x1e, 0x0a, 0x08, 0x47, 0x72, 0x65, 0x65, 0x74, 0x69, 0x6e, 0x67, 0x12,
    0x12, 0x0a, 0x04, 0x74, 0x65, 0x78, 0x74, 0x18, 0x01, 0x20, 0x01, 0x28, 0x09, 0x52, 0x04, 0x74,
    0x65, 0x78, 0x74, 0x32, 0x30, 0x0a, 0x07, 0x47, 0x72, 0x65, 0x65, 0x74, 0x65, 0x72, 0x12, 0x25,
    0x0a, 0x05, 0x47, 0x72, 0x65, 0x65, 0x74, 0x12, 0x0b, 0x2e, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2e,
    0x4e, 0x61, 0x6d, 0x65, 0x1a, 0x0f, 0x2e, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2e, 0x47, 0x72, 0x65,
    0x65, 0x74, 0x69, 0x6e, 0x67, 0x62, 0x06, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x33,
};

/* ---- service hello.Greeter ---- */

static size_t data_bytes_of_hello_greeter(const void *methods)
{
    return ((const hello_greeter_methods *)methods)->data_bytes;
}

static gr_err activated_of_hello_greeter(const void *methods, gr_grain *grain)
{
    const hello_greeter_methods *table = (const hello_greeter_methods *)methods;

    return table->activated == NULL ? GR_OK : table->activated((hello_greeter *)grain);
}

static void deactivating_of_hello_greeter(const void *methods, gr_grain *grain,
                                          gr_deactivation reason)
{
    const hello_greeter_methods *table = (const hello_greeter_methods *)methods;

    if (table->deactivating != NULL) {
        table->deactivating((hello_greeter *)grain, reason);
    }
}

static void timer_of_hello_greeter(const void *methods, gr_grain *grain, uint64_t number)
{
    const hello_greeter_methods *table = (const hello_greeter_methods *)methods;

    if (table->timer != NULL) {
        table->timer((hello_greeter *)grain, number);
    }
}

static gr_err invoke_hello_greeter_greet(const void *methods, gr_grain *grain, const void *request,
                                         void *reply)
{
    const hello_greeter_methods *table = (const hello_greeter_methods *)methods;

    protobuf_c_message_init(&hello__greeting__descriptor, reply);
    return table->greet((hello_greeter *)grain, (const Hello__Name *)request,
                        (Hello__Greeting *)reply);
}

static const gr_method list_of_hello_greeter[] = {
    {
        "Greet",
        "hello.Greeter/Greet",
        UINT64_C(0xe85c18556f324e8b),
        &hello_name_type,
        &hello_greeting_type,
        0,
        0, /* ms of timeout */
        offsetof(hello_greeter_methods, greet),
        invoke_hello_greeter_greet,
    },
};

const gr_kind_info hello_greeter_info = {
    GR_KIND_VERSION,
    0,
    "hello.Greeter",
    UINT64_C(0x47927b9cd6449ce0),
    NULL, /* role */
    0, /* ms until it is passivated */
    0, /* calls that may wait */
    list_of_hello_greeter,
    sizeof(list_of_hello_greeter) / sizeof(list_of_hello_greeter[0]),
    data_bytes_of_hello_greeter,
    activated_of_hello_greeter,
    deactivating_of_hello_greeter,
    timer_of_hello_greeter,
    hello_grain_descriptors,
    sizeof(hello_grain_descriptors),
};

gr_kind *hello_greeter_kind(const hello_greeter_methods *methods)
{
    return gr_kind_new(&hello_greeter_info, methods);
}

gr_err hello_greeter_greet(gr_caller *caller, const char *id, const Hello__Name *request,
                           const gr_call_options *options, Hello__Greeting **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &hello_greeter_info, &list_of_hello_greeter[0], id, request,
                         options, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Hello__Greeting *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err hello_greeter_greet_future(gr_caller *caller, const char *id, const Hello__Name *request,
                                  const gr_call_options *options, gr_future **out_future)
{
    return gr_call_future(caller, &hello_greeter_info, &list_of_hello_greeter[0], id, request,
                          options, out_future);
}

gr_err hello_greeter_greet_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                 Hello__Greeting **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_hello_greeter[0], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Hello__Greeting *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err hello_greeter_greet_one_way(gr_caller *caller, const char *id, const Hello__Name *request,
                                   const gr_call_options *options)
{
    return gr_call_one_way(caller, &hello_greeter_info, &list_of_hello_greeter[0], id, request,
                           options);
}
