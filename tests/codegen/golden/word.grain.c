/* Generated from word.proto by protoc-gen-granary 0.1.0. Do not edit. */
#include "word.grain.h"

#include <stddef.h>

const gr_type wordcount_count_type =
    GR_PROTO_TYPE("wordcount.Count", Wordcount__Count, wordcount__count__descriptor);

/* Of other files: weak, so that a program has each type once, however many files use it. */
#pragma weak google_protobuf_empty_type
const gr_type google_protobuf_empty_type =
    GR_PROTO_TYPE("google.protobuf.Empty", Google__Protobuf__Empty,
                  google__protobuf__empty__descriptor);

const gr_type *const *word_grain_types(size_t *out_count)
{
    static const gr_type *const types[] = {
        &wordcount_count_type,
        &google_protobuf_empty_type,
    };

    *out_count = sizeof(types) / sizeof(types[0]);
    return types;
}

/* A google.protobuf.FileDescriptorSet: this file and what it imports. */
static const uint8_t word_grain_descriptors[] = {
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
    0x33, 0x0a, 0xf6, 0x01, 0x0a, 0x0a, 0x77, 0x6f, 0x72, 0x64, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f,
    0x12, 0x09, 0x77, 0x6f, 0x72, 0x64, 0x63, 0x6f, 0x75, 0x6e, 0x74, 0x1a, 0x1b, 0x67, 0x6f, 0x6f,
    0x67, 0x6c, 0x65, 0x2f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x62, 0x75, 0x66, 0x2f, 0x65, 0x6d, 0x70,
    0x74, 0x79, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x22, 0x31, 0x0a, 0x05, 0x43, 0x6f, 0x75, 0x6e,
    0x74, 0x12, 0x14, 0x0a, 0x05, 0x63, 0x6f, 0x75, 0x6e, 0x74, 0x18, 0x01, 0x20, 0x01, 0x28, 0x04,
    0x52, 0x05, 0x63, 0x6f, 0x75, 0x6e, 0x74, 0x12, 0x12, 0x0a, 0x04, 0x6e, 0x6f, 0x64, 0x65, 0x18,
    0x02, 0x20, 0x01, 0x28, 0x06, 0x52, 0x04, 0x6e, 0x6f, 0x64, 0x65, 0x32, 0x84, 0x01, 0x0a, 0x04,
    0x57, 0x6f, 0x72, 0x64, 0x12, 0x35, 0x0a, 0x03, 0x41, 0x64, 0x64, 0x12, 0x16, 0x2e, 0x67, 0x6f,
    0x6f, 0x67, 0x6c, 0x65, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x62, 0x75, 0x66, 0x2e, 0x45, 0x6d,
    0x70, 0x74, 0x79, 0x1a, 0x16, 0x2e, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65, 0x2e, 0x70, 0x72, 0x6f,
    0x74, 0x6f, 0x62, 0x75, 0x66, 0x2e, 0x45, 0x6d, 0x70, 0x74, 0x79, 0x12, 0x3a, 0x0a, 0x04, 0x52,
    0x65, 0x61, 0x64, 0x12, 0x16, 0x2e, 0x67, 0x6f, 0x6f, 0x67, 0x6c, 0x65, 0x2e, 0x70, 0x72, 0x6f,
    0x74, 0x6f, 0x62, 0x75, 0x66, 0x2e, 0x45, 0x6d, 0x70, 0x74, 0x79, 0x1a, 0x10, 0x2e, 0x77, 0x6f,
    0x72, 0x64, 0x63, 0x6f, 0x75, 0x6e, 0x74, 0x2e, 0x43, 0x6f, 0x75, 0x6e, 0x74, 0x22, 0x08, 0xea,
    0xe0, 0x18, 0x04, 0x08, 0x01, 0x18, 0x01, 0x1a, 0x09, 0xea, 0xe0, 0x18, 0x05, 0x18, 0x80, 0xdd,
    0xdb, 0x01, 0x62, 0x06, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x33,
};

/* ---- service wordcount.Word ---- */

static size_t data_bytes_of_wordcount_word(const void *methods)
{
    return ((const wordcount_word_methods *)methods)->data_bytes;
}

static gr_err activated_of_wordcount_word(const void *methods, gr_grain *grain)
{
    const wordcount_word_methods *table = (const wordcount_word_methods *)methods;

    return table->activated == NULL ? GR_OK : table->activated((wordcount_word *)grain);
}

static void deactivating_of_wordcount_word(const void *methods, gr_grain *grain,
                                           gr_deactivation reason)
{
    const wordcount_word_methods *table = (const wordcount_word_methods *)methods;

    if (table->deactivating != NULL) {
        table->deactivating((wordcount_word *)grain, reason);
    }
}

static void timer_of_wordcount_word(const void *methods, gr_grain *grain, uint64_t number)
{
    const wordcount_word_methods *table = (const wordcount_word_methods *)methods;

    if (table->timer != NULL) {
        table->timer((wordcount_word *)grain, number);
    }
}

static gr_err invoke_wordcount_word_add(const void *methods, gr_grain *grain, const void *request,
                                        void *reply)
{
    const wordcount_word_methods *table = (const wordcount_word_methods *)methods;

    protobuf_c_message_init(&google__protobuf__empty__descriptor, reply);
    return table->add((wordcount_word *)grain, (const Google__Protobuf__Empty *)request,
                      (Google__Protobuf__Empty *)reply);
}

static gr_err invoke_wordcount_word_read(const void *methods, gr_grain *grain, const void *request,
                                         void *reply)
{
    const wordcount_word_methods *table = (const wordcount_word_methods *)methods;

    protobuf_c_message_init(&wordcount__count__descriptor, reply);
    return table->read((wordcount_word *)grain, (const Google__Protobuf__Empty *)request,
                       (Wordcount__Count *)reply);
}

static const gr_method list_of_wordcount_word[] = {
    {
        "Add",
        "wordcount.Word/Add",
        UINT64_C(0x1a9f221879277b3a),
        &google_protobuf_empty_type,
        &google_protobuf_empty_type,
        0,
        0, /* ms of timeout */
        offsetof(wordcount_word_methods, add),
        invoke_wordcount_word_add,
    },
    {
        "Read",
        "wordcount.Word/Read",
        UINT64_C(0x5e388948510b8657),
        &google_protobuf_empty_type,
        &wordcount_count_type,
        GR_METHOD_READ_ONLY | GR_METHOD_IDEMPOTENT,
        0, /* ms of timeout */
        offsetof(wordcount_word_methods, read),
        invoke_wordcount_word_read,
    },
};

const gr_kind_info wordcount_word_info = {
    GR_KIND_VERSION,
    0,
    "wordcount.Word",
    UINT64_C(0xe5d9b772957b08fc),
    NULL, /* role */
    3600000, /* ms until it is passivated */
    0, /* calls that may wait */
    list_of_wordcount_word,
    sizeof(list_of_wordcount_word) / sizeof(list_of_wordcount_word[0]),
    data_bytes_of_wordcount_word,
    activated_of_wordcount_word,
    deactivating_of_wordcount_word,
    timer_of_wordcount_word,
    word_grain_descriptors,
    sizeof(word_grain_descriptors),
};

gr_kind *wordcount_word_kind(const wordcount_word_methods *methods)
{
    return gr_kind_new(&wordcount_word_info, methods);
}

gr_err wordcount_word_add(gr_caller *caller, const char *id, const Google__Protobuf__Empty *request,
                          const gr_call_options *options, Google__Protobuf__Empty **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &wordcount_word_info, &list_of_wordcount_word[0], id, request,
                         options, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Google__Protobuf__Empty *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err wordcount_word_add_future(gr_caller *caller, const char *id,
                                 const Google__Protobuf__Empty *request,
                                 const gr_call_options *options, gr_future **out_future)
{
    return gr_call_future(caller, &wordcount_word_info, &list_of_wordcount_word[0], id, request,
                          options, out_future);
}

gr_err wordcount_word_add_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                Google__Protobuf__Empty **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_wordcount_word[0], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Google__Protobuf__Empty *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err wordcount_word_add_one_way(gr_caller *caller, const char *id,
                                  const Google__Protobuf__Empty *request,
                                  const gr_call_options *options)
{
    return gr_call_one_way(caller, &wordcount_word_info, &list_of_wordcount_word[0], id, request,
                           options);
}

gr_err wordcount_word_read(gr_caller *caller, const char *id,
                           const Google__Protobuf__Empty *request, const gr_call_options *options,
                           Wordcount__Count **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &wordcount_word_info, &list_of_wordcount_word[1], id, request,
                         options, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Wordcount__Count *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err wordcount_word_read_future(gr_caller *caller, const char *id,
                                  const Google__Protobuf__Empty *request,
                                  const gr_call_options *options, gr_future **out_future)
{
    return gr_call_future(caller, &wordcount_word_info, &list_of_wordcount_word[1], id, request,
                          options, out_future);
}

gr_err wordcount_word_read_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                 Wordcount__Count **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_wordcount_word[1], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Wordcount__Count *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err wordcount_word_read_one_way(gr_caller *caller, const char *id,
                                   const Google__Protobuf__Empty *request,
                                   const gr_call_options *options)
{
    return gr_call_one_way(caller, &wordcount_word_info, &list_of_wordcount_word[1], id, request,
                           options);
}
