/* Generated from kinds.proto by protoc-gen-granary 0.1.0. Do not edit. */
#include "kinds.grain.h"

#include <stddef.h>

const gr_type kinds_question_type =
    GR_PROTO_TYPE("kinds.Question", Kinds__Question, kinds__question__descriptor);
const gr_type kinds_answer_type =
    GR_PROTO_TYPE("kinds.Answer", Kinds__Answer, kinds__answer__descriptor);
const gr_type kinds_nothing_type =
    GR_PROTO_TYPE("kinds.Nothing", Kinds__Nothing, kinds__nothing__descriptor);

/* Of other files: weak, so that a program has each type once, however many files use it. */
#pragma weak google_protobuf_empty_type
const gr_type google_protobuf_empty_type =
    GR_PROTO_TYPE("google.protobuf.Empty", Google__Protobuf__Empty,
                  google__protobuf__empty__descriptor);

const gr_type *const *kinds_grain_types(size_t *out_count)
{
    static const gr_type *const types[] = {
        &kinds_question_type,
        &kinds_answer_type,
        &kinds_nothing_type,
        &google_protobuf_empty_type,
    };

    *out_count = sizeof(types) / sizeof(types[0]);
    return types;
}

/* A google.protobuf.FileDescriptorSet: this file and what it imports. */
static const uint8_t kinds_grain_descriptors[] = {
    0x0a, 0xbe, 0x01, 0x0a, 0x1b, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65, 0x2f, 0x70, 0x72, 0x6f, 0x74,
    0x6f, 0x62, 0x75, 0x66, 0x2f, 0x65, 0x6d, 0x70, 0x74, 0x79, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f,
    0x12, 0x0f, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x62, 0x75,
    0x66, 0x22, 0x07, 0x0a, 0x05, 0x45, 0x6d, 0x70, 0x74, 0x79, 0x42, 0x7d, 0x0a, 0x13, 0x63, 0x6f,
    0x6d, 0x2e, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x62, 0x75,
    0x66, 0x42, 0x0a, 0x45, 0x6d, 0x70, 0x74, 0x79, 0x50, 0x72, 0x6f, 0x74, 0x6f, 0x50, 0x01, 0x5a,
    0x2e, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65, 0x2e, 0x67, 0x6f, 0x6c, 0x61, 0x6e, 0x67, 0x2e, 0x6f,
    0x72, 0x67, 0x2f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x62, 0x75, 0x66, 0x2f, 0x74, 0x79, 0x70, 0x65,
    0x73, 0x2f, 0x6b, 0x6e, 0x6f, 0x77, 0x6e, 0x2f, 0x65, 0x6d, 0x70, 0x74, 0x79, 0x70, 0x62, 0xf8,
    0x01, 0x01, 0xa2, 0x02, 0x03, 0x47, 0x50, 0x42, 0xaa, 0x02, 0x1e, 0x47, 0x6f, 0x6f, 0x67, 0x6c,
    0x65, 0x2e, 0x50, 0x72, 0x6f, 0x74, 0x6f, 0x62, 0x75, 0x66, 0x2e, 0x57, 0x65, 0x6c, 0x6c, 0x4b,
    0x6e, 0x6f, 0x77, 0x6e, 0x54, 0x79, 0x70, 0x65, 0x73, 0x62, 0x06, 0x70, 0x72, 0x6f, 0x74, 0x6f,
    0x33, 0x0a, 0x95, 0x05, 0x0a, 0x0b, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x70, 0x72, 0x6f, 0x74,
    0x6f, 0x12, 0x05, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x1a, 0x1b, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65,
    0x2f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x62, 0x75, 0x66, 0x2f, 0x65, 0x6d, 0x70, 0x74, 0x79, 0x2e,
    0x70, 0x72, 0x6f, 0x74, 0x6f, 0x22, 0x1e, 0x0a, 0x08, 0x51, 0x75, 0x65, 0x73, 0x74, 0x69, 0x6f,
    0x6e, 0x12, 0x12, 0x0a, 0x04, 0x74, 0x65, 0x78, 0x74, 0x18, 0x01, 0x20, 0x01, 0x28, 0x09, 0x52,
    0x04, 0x74, 0x65, 0x78, 0x74, 0x22, 0x1c, 0x0a, 0x06, 0x41, 0x6e, 0x73, 0x77, 0x65, 0x72, 0x12,
    0x12, 0x0a, 0x04, 0x74, 0x65, 0x78, 0x74, 0x18, 0x01, 0x20, 0x01, 0x28, 0x09, 0x52, 0x04, 0x74,
    0x65, 0x78, 0x74, 0x22, 0x09, 0x0a, 0x07, 0x4e, 0x6f, 0x74, 0x68, 0x69, 0x6e, 0x67, 0x32, 0x81,
    0x03, 0x0a, 0x0a, 0x45, 0x76, 0x65, 0x72, 0x79, 0x74, 0x68, 0x69, 0x6e, 0x67, 0x12, 0x27, 0x0a,
    0x05, 0x50, 0x6c, 0x61, 0x69, 0x6e, 0x12, 0x0f, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x51,
    0x75, 0x65, 0x73, 0x74, 0x69, 0x6f, 0x6e, 0x1a, 0x0d, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e,
    0x41, 0x6e, 0x73, 0x77, 0x65, 0x72, 0x12, 0x34, 0x0a, 0x08, 0x52, 0x65, 0x61, 0x64, 0x4f, 0x6e,
    0x6c, 0x79, 0x12, 0x0f, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x51, 0x75, 0x65, 0x73, 0x74,
    0x69, 0x6f, 0x6e, 0x1a, 0x0d, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x41, 0x6e, 0x73, 0x77,
    0x65, 0x72, 0x22, 0x08, 0xea, 0xe0, 0x18, 0x04, 0x08, 0x01, 0x18, 0x01, 0x12, 0x39, 0x0a, 0x06,
    0x4f, 0x6e, 0x65, 0x57, 0x61, 0x79, 0x12, 0x0f, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x51,
    0x75, 0x65, 0x73, 0x74, 0x69, 0x6f, 0x6e, 0x1a, 0x16, 0x2e, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65,
    0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x62, 0x75, 0x66, 0x2e, 0x45, 0x6d, 0x70, 0x74, 0x79, 0x22,
    0x06, 0xea, 0xe0, 0x18, 0x02, 0x10, 0x01, 0x12, 0x3b, 0x0a, 0x09, 0x4f, 0x6e, 0x65, 0x57, 0x61,
    0x79, 0x54, 0x6f, 0x6f, 0x12, 0x0f, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x51, 0x75, 0x65,
    0x73, 0x74, 0x69, 0x6f, 0x6e, 0x1a, 0x0e, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x4e, 0x6f,
    0x74, 0x68, 0x69, 0x6e, 0x67, 0x22, 0x0d, 0xea, 0xe0, 0x18, 0x02, 0x10, 0x01, 0xea, 0xe0, 0x18,
    0x03, 0x20, 0xfa, 0x01, 0x12, 0x39, 0x0a, 0x09, 0x52, 0x65, 0x65, 0x6e, 0x74, 0x72, 0x61, 0x6e,
    0x74, 0x12, 0x0f, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x51, 0x75, 0x65, 0x73, 0x74, 0x69,
    0x6f, 0x6e, 0x1a, 0x0d, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x41, 0x6e, 0x73, 0x77, 0x65,
    0x72, 0x22, 0x0c, 0xea, 0xe0, 0x18, 0x08, 0x20, 0xff, 0xff, 0xff, 0xff, 0x07, 0x28, 0x01, 0x12,
    0x38, 0x0a, 0x05, 0x4d, 0x61, 0x79, 0x62, 0x65, 0x12, 0x0f, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73,
    0x2e, 0x51, 0x75, 0x65, 0x73, 0x74, 0x69, 0x6f, 0x6e, 0x1a, 0x0d, 0x2e, 0x6b, 0x69, 0x6e, 0x64,
    0x73, 0x2e, 0x41, 0x6e, 0x73, 0x77, 0x65, 0x72, 0x22, 0x0f, 0x88, 0x02, 0x01, 0xea, 0xe0, 0x18,
    0x02, 0x30, 0x01, 0xea, 0xe0, 0x18, 0x02, 0x18, 0x00, 0x1a, 0x27, 0xea, 0xe0, 0x18, 0x23, 0x0a,
    0x0e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x4f, 0x6c, 0x64, 0x2d, 0x4e, 0x61, 0x6d, 0x65, 0x12,
    0x09, 0x66, 0x72, 0x6f, 0x6e, 0x74, 0x2e, 0x65, 0x6e, 0x64, 0x18, 0x01, 0x20, 0xc0, 0x84, 0x3d,
    0x28, 0x01, 0x32, 0x84, 0x01, 0x0a, 0x09, 0x53, 0x74, 0x61, 0x74, 0x65, 0x6c, 0x65, 0x73, 0x73,
    0x12, 0x26, 0x0a, 0x04, 0x57, 0x6f, 0x72, 0x6b, 0x12, 0x0f, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73,
    0x2e, 0x51, 0x75, 0x65, 0x73, 0x74, 0x69, 0x6f, 0x6e, 0x1a, 0x0d, 0x2e, 0x6b, 0x69, 0x6e, 0x64,
    0x73, 0x2e, 0x41, 0x6e, 0x73, 0x77, 0x65, 0x72, 0x12, 0x37, 0x0a, 0x04, 0x48, 0x69, 0x6e, 0x74,
    0x12, 0x0f, 0x2e, 0x6b, 0x69, 0x6e, 0x64, 0x73, 0x2e, 0x51, 0x75, 0x65, 0x73, 0x74, 0x69, 0x6f,
    0x6e, 0x1a, 0x16, 0x2e, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f,
    0x62, 0x75, 0x66, 0x2e, 0x45, 0x6d, 0x70, 0x74, 0x79, 0x22, 0x06, 0xea, 0xe0, 0x18, 0x02, 0x10,
    0x01, 0x1a, 0x16, 0x88, 0x02, 0x01, 0xea, 0xe0, 0x18, 0x02, 0x30, 0x01, 0xea, 0xe0, 0x18, 0x09,
    0x12, 0x07, 0x77, 0x6f, 0x72, 0x6b, 0x65, 0x72, 0x73, 0x32, 0x06, 0x0a, 0x04, 0x49, 0x64, 0x6c,
    0x65, 0x62, 0x06, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x33,
};

/* ---- service kinds.Everything ---- */

static size_t data_bytes_of_kinds_everything(const void *methods)
{
    return ((const kinds_everything_methods *)methods)->data_bytes;
}

static gr_err activated_of_kinds_everything(const void *methods, gr_grain *grain)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    return table->activated == NULL ? GR_OK : table->activated((kinds_everything *)grain);
}

static void deactivating_of_kinds_everything(const void *methods, gr_grain *grain,
                                             gr_deactivation reason)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    if (table->deactivating != NULL) {
        table->deactivating((kinds_everything *)grain, reason);
    }
}

static void timer_of_kinds_everything(const void *methods, gr_grain *grain, uint64_t number)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    if (table->timer != NULL) {
        table->timer((kinds_everything *)grain, number);
    }
}

static gr_err invoke_kinds_everything_plain(const void *methods, gr_grain *grain,
                                            const void *request, void *reply)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    protobuf_c_message_init(&kinds__answer__descriptor, reply);
    return table->plain((kinds_everything *)grain, (const Kinds__Question *)request,
                        (Kinds__Answer *)reply);
}

static gr_err invoke_kinds_everything_read_only(const void *methods, gr_grain *grain,
                                                const void *request, void *reply)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    protobuf_c_message_init(&kinds__answer__descriptor, reply);
    return table->read_only((kinds_everything *)grain, (const Kinds__Question *)request,
                            (Kinds__Answer *)reply);
}

static gr_err invoke_kinds_everything_one_way(const void *methods, gr_grain *grain,
                                              const void *request, void *reply)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    (void)reply; /* nobody receives it */
    return table->one_way((kinds_everything *)grain, (const Kinds__Question *)request);
}

static gr_err invoke_kinds_everything_one_way_too(const void *methods, gr_grain *grain,
                                                  const void *request, void *reply)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    (void)reply; /* nobody receives it */
    return table->one_way_too((kinds_everything *)grain, (const Kinds__Question *)request);
}

static gr_err invoke_kinds_everything_reentrant(const void *methods, gr_grain *grain,
                                                const void *request, void *reply)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    protobuf_c_message_init(&kinds__answer__descriptor, reply);
    return table->reentrant((kinds_everything *)grain, (const Kinds__Question *)request,
                            (Kinds__Answer *)reply);
}

static gr_err invoke_kinds_everything_maybe(const void *methods, gr_grain *grain,
                                            const void *request, void *reply)
{
    const kinds_everything_methods *table = (const kinds_everything_methods *)methods;

    protobuf_c_message_init(&kinds__answer__descriptor, reply);
    return table->maybe((kinds_everything *)grain, (const Kinds__Question *)request,
                        (Kinds__Answer *)reply);
}

static const gr_method list_of_kinds_everything[] = {
    {
        "Plain",
        "kinds.Old-Name/Plain",
        UINT64_C(0x98a657bb66d4d2c1),
        &kinds_question_type,
        &kinds_answer_type,
        0,
        0, /* ms of timeout */
        offsetof(kinds_everything_methods, plain),
        invoke_kinds_everything_plain,
    },
    {
        "ReadOnly",
        "kinds.Old-Name/ReadOnly",
        UINT64_C(0x781c9c1fab9cb4dc),
        &kinds_question_type,
        &kinds_answer_type,
        GR_METHOD_READ_ONLY | GR_METHOD_IDEMPOTENT,
        0, /* ms of timeout */
        offsetof(kinds_everything_methods, read_only),
        invoke_kinds_everything_read_only,
    },
    {
        "OneWay",
        "kinds.Old-Name/OneWay",
        UINT64_C(0x0404cfacf665b8af),
        &kinds_question_type,
        &google_protobuf_empty_type,
        GR_METHOD_ONE_WAY,
        0, /* ms of timeout */
        offsetof(kinds_everything_methods, one_way),
        invoke_kinds_everything_one_way,
    },
    {
        "OneWayToo",
        "kinds.Old-Name/OneWayToo",
        UINT64_C(0xc91b43ce202dfcf2),
        &kinds_question_type,
        &kinds_nothing_type,
        GR_METHOD_ONE_WAY,
        250, /* ms of timeout */
        offsetof(kinds_everything_methods, one_way_too),
        invoke_kinds_everything_one_way_too,
    },
    {
        "Reentrant",
        "kinds.Old-Name/Reentrant",
        UINT64_C(0x150584abc5ff3cad),
        &kinds_question_type,
        &kinds_answer_type,
        GR_METHOD_REENTRANT,
        2147483647, /* ms of timeout */
        offsetof(kinds_everything_methods, reentrant),
        invoke_kinds_everything_reentrant,
    },
    {
        "Maybe",
        "kinds.Old-Name/Maybe",
        UINT64_C(0xb003b1a8e8745614),
        &kinds_question_type,
        &kinds_answer_type,
        GR_METHOD_OPTIONAL,
        0, /* ms of timeout */
        offsetof(kinds_everything_methods, maybe),
        invoke_kinds_everything_maybe,
    },
};

const gr_kind_info kinds_everything_info = {
    GR_KIND_VERSION,
    GR_KIND_REENTRANT,
    "kinds.Old-Name",
    UINT64_C(0xdb99899d7a037c47),
    "front.end", /* role */
    1, /* ms until it is passivated */
    1000000, /* calls that may wait */
    list_of_kinds_everything,
    sizeof(list_of_kinds_everything) / sizeof(list_of_kinds_everything[0]),
    data_bytes_of_kinds_everything,
    activated_of_kinds_everything,
    deactivating_of_kinds_everything,
    timer_of_kinds_everything,
    kinds_grain_descriptors,
    sizeof(kinds_grain_descriptors),
};

gr_kind *kinds_everything_kind(const kinds_everything_methods *methods)
{
    return gr_kind_new(&kinds_everything_info, methods);
}

gr_err kinds_everything_plain(gr_caller *caller, const char *id, const Kinds__Question *request,
                              const gr_call_options *options, Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &kinds_everything_info, &list_of_kinds_everything[0], id, request,
                         options, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_everything_plain_future(gr_caller *caller, const char *id,
                                     const Kinds__Question *request, const gr_call_options *options,
                                     gr_future **out_future)
{
    return gr_call_future(caller, &kinds_everything_info, &list_of_kinds_everything[0], id, request,
                          options, out_future);
}

gr_err kinds_everything_plain_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                    Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_kinds_everything[0], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_everything_plain_one_way(gr_caller *caller, const char *id,
                                      const Kinds__Question *request,
                                      const gr_call_options *options)
{
    return gr_call_one_way(caller, &kinds_everything_info, &list_of_kinds_everything[0], id,
                           request, options);
}

gr_err kinds_everything_read_only(gr_caller *caller, const char *id, const Kinds__Question *request,
                                  const gr_call_options *options, Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &kinds_everything_info, &list_of_kinds_everything[1], id, request,
                         options, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_everything_read_only_future(gr_caller *caller, const char *id,
                                         const Kinds__Question *request,
                                         const gr_call_options *options, gr_future **out_future)
{
    return gr_call_future(caller, &kinds_everything_info, &list_of_kinds_everything[1], id, request,
                          options, out_future);
}

gr_err kinds_everything_read_only_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                        Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_kinds_everything[1], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_everything_read_only_one_way(gr_caller *caller, const char *id,
                                          const Kinds__Question *request,
                                          const gr_call_options *options)
{
    return gr_call_one_way(caller, &kinds_everything_info, &list_of_kinds_everything[1], id,
                           request, options);
}

gr_err kinds_everything_one_way(gr_caller *caller, const char *id, const Kinds__Question *request,
                                const gr_call_options *options)
{
    return gr_call_one_way(caller, &kinds_everything_info, &list_of_kinds_everything[2], id,
                           request, options);
}

gr_err kinds_everything_one_way_too(gr_caller *caller, const char *id,
                                    const Kinds__Question *request, const gr_call_options *options)
{
    return gr_call_one_way(caller, &kinds_everything_info, &list_of_kinds_everything[3], id,
                           request, options);
}

gr_err kinds_everything_reentrant(gr_caller *caller, const char *id, const Kinds__Question *request,
                                  const gr_call_options *options, Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &kinds_everything_info, &list_of_kinds_everything[4], id, request,
                         options, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_everything_reentrant_future(gr_caller *caller, const char *id,
                                         const Kinds__Question *request,
                                         const gr_call_options *options, gr_future **out_future)
{
    return gr_call_future(caller, &kinds_everything_info, &list_of_kinds_everything[4], id, request,
                          options, out_future);
}

gr_err kinds_everything_reentrant_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                        Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_kinds_everything[4], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_everything_reentrant_one_way(gr_caller *caller, const char *id,
                                          const Kinds__Question *request,
                                          const gr_call_options *options)
{
    return gr_call_one_way(caller, &kinds_everything_info, &list_of_kinds_everything[4], id,
                           request, options);
}

gr_err kinds_everything_maybe(gr_caller *caller, const char *id, const Kinds__Question *request,
                              const gr_call_options *options, Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &kinds_everything_info, &list_of_kinds_everything[5], id, request,
                         options, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_everything_maybe_future(gr_caller *caller, const char *id,
                                     const Kinds__Question *request, const gr_call_options *options,
                                     gr_future **out_future)
{
    return gr_call_future(caller, &kinds_everything_info, &list_of_kinds_everything[5], id, request,
                          options, out_future);
}

gr_err kinds_everything_maybe_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                    Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_kinds_everything[5], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_everything_maybe_one_way(gr_caller *caller, const char *id,
                                      const Kinds__Question *request,
                                      const gr_call_options *options)
{
    return gr_call_one_way(caller, &kinds_everything_info, &list_of_kinds_everything[5], id,
                           request, options);
}

/* ---- service kinds.Stateless ---- */

static size_t data_bytes_of_kinds_stateless(const void *methods)
{
    return ((const kinds_stateless_methods *)methods)->data_bytes;
}

static gr_err activated_of_kinds_stateless(const void *methods, gr_grain *grain)
{
    const kinds_stateless_methods *table = (const kinds_stateless_methods *)methods;

    return table->activated == NULL ? GR_OK : table->activated((kinds_stateless *)grain);
}

static void deactivating_of_kinds_stateless(const void *methods, gr_grain *grain,
                                            gr_deactivation reason)
{
    const kinds_stateless_methods *table = (const kinds_stateless_methods *)methods;

    if (table->deactivating != NULL) {
        table->deactivating((kinds_stateless *)grain, reason);
    }
}

static void timer_of_kinds_stateless(const void *methods, gr_grain *grain, uint64_t number)
{
    const kinds_stateless_methods *table = (const kinds_stateless_methods *)methods;

    if (table->timer != NULL) {
        table->timer((kinds_stateless *)grain, number);
    }
}

static gr_err invoke_kinds_stateless_work(const void *methods, gr_grain *grain, const void *request,
                                          void *reply)
{
    const kinds_stateless_methods *table = (const kinds_stateless_methods *)methods;

    protobuf_c_message_init(&kinds__answer__descriptor, reply);
    return table->work((kinds_stateless *)grain, (const Kinds__Question *)request,
                       (Kinds__Answer *)reply);
}

static gr_err invoke_kinds_stateless_hint(const void *methods, gr_grain *grain, const void *request,
                                          void *reply)
{
    const kinds_stateless_methods *table = (const kinds_stateless_methods *)methods;

    (void)reply; /* nobody receives it */
    return table->hint((kinds_stateless *)grain, (const Kinds__Question *)request);
}

static const gr_method list_of_kinds_stateless[] = {
    {
        "Work",
        "kinds.Stateless/Work",
        UINT64_C(0xa638a8b3f6228fd2),
        &kinds_question_type,
        &kinds_answer_type,
        0,
        0, /* ms of timeout */
        offsetof(kinds_stateless_methods, work),
        invoke_kinds_stateless_work,
    },
    {
        "Hint",
        "kinds.Stateless/Hint",
        UINT64_C(0x1cd0567f3a680a8c),
        &kinds_question_type,
        &google_protobuf_empty_type,
        GR_METHOD_ONE_WAY,
        0, /* ms of timeout */
        offsetof(kinds_stateless_methods, hint),
        invoke_kinds_stateless_hint,
    },
};

const gr_kind_info kinds_stateless_info = {
    GR_KIND_VERSION,
    GR_KIND_STATELESS,
    "kinds.Stateless",
    UINT64_C(0x1e57317c361dcd2e),
    "workers", /* role */
    0, /* ms until it is passivated */
    0, /* calls that may wait */
    list_of_kinds_stateless,
    sizeof(list_of_kinds_stateless) / sizeof(list_of_kinds_stateless[0]),
    data_bytes_of_kinds_stateless,
    activated_of_kinds_stateless,
    deactivating_of_kinds_stateless,
    timer_of_kinds_stateless,
    kinds_grain_descriptors,
    sizeof(kinds_grain_descriptors),
};

gr_kind *kinds_stateless_kind(const kinds_stateless_methods *methods)
{
    return gr_kind_new(&kinds_stateless_info, methods);
}

gr_err kinds_stateless_work(gr_caller *caller, const Kinds__Question *request,
                            const gr_call_options *options, Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &kinds_stateless_info, &list_of_kinds_stateless[0], "-", request,
                         options, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_stateless_work_future(gr_caller *caller, const Kinds__Question *request,
                                   const gr_call_options *options, gr_future **out_future)
{
    return gr_call_future(caller, &kinds_stateless_info, &list_of_kinds_stateless[0], "-", request,
                          options, out_future);
}

gr_err kinds_stateless_work_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                  Kinds__Answer **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_kinds_stateless[0], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Kinds__Answer *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err kinds_stateless_work_one_way(gr_caller *caller, const Kinds__Question *request,
                                    const gr_call_options *options)
{
    return gr_call_one_way(caller, &kinds_stateless_info, &list_of_kinds_stateless[0], "-", request,
                           options);
}

gr_err kinds_stateless_hint(gr_caller *caller, const Kinds__Question *request,
                            const gr_call_options *options)
{
    return gr_call_one_way(caller, &kinds_stateless_info, &list_of_kinds_stateless[1], "-", request,
                           options);
}

/* ---- service kinds.Idle ---- */

static size_t data_bytes_of_kinds_idle(const void *methods)
{
    return ((const kinds_idle_methods *)methods)->data_bytes;
}

static gr_err activated_of_kinds_idle(const void *methods, gr_grain *grain)
{
    const kinds_idle_methods *table = (const kinds_idle_methods *)methods;

    return table->activated == NULL ? GR_OK : table->activated((kinds_idle *)grain);
}

static void deactivating_of_kinds_idle(const void *methods, gr_grain *grain, gr_deactivation reason)
{
    const kinds_idle_methods *table = (const kinds_idle_methods *)methods;

    if (table->deactivating != NULL) {
        table->deactivating((kinds_idle *)grain, reason);
    }
}

static void timer_of_kinds_idle(const void *methods, gr_grain *grain, uint64_t number)
{
    const kinds_idle_methods *table = (const kinds_idle_methods *)methods;

    if (table->timer != NULL) {
        table->timer((kinds_idle *)grain, number);
    }
}

const gr_kind_info kinds_idle_info = {
    GR_KIND_VERSION,
    0,
    "kinds.Idle",
    UINT64_C(0x23d1d06d8a1aaff4),
    NULL, /* role */
    0, /* ms until it is passivated */
    0, /* calls that may wait */
    NULL,
    0,
    data_bytes_of_kinds_idle,
    activated_of_kinds_idle,
    deactivating_of_kinds_idle,
    timer_of_kinds_idle,
    kinds_grain_descriptors,
    sizeof(kinds_grain_descriptors),
};

gr_kind *kinds_idle_kind(const kinds_idle_methods *methods)
{
    return gr_kind_new(&kinds_idle_info, methods);
}
