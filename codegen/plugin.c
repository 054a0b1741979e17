/*
 * Reads a request, prints the files, packs the response. On an error the response has the errors
 * and no files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plugin.h"

#include "nesting.h"
#include "printer.h"

enum {
    FEATURE_PROTO3_OPTIONAL =
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL
};

static ProtobufCMessage *unpack(gri_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                                gri_bytes bytes)
{
    ProtobufCAllocator allocator = gri_options_allocator(arena);

    if (!gri_nesting_is_bounded(descriptor, bytes.data, bytes.count)) {
        return NULL;
    }
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.count, bytes.data);
}

static gri_bytes pack(gri_arena *arena, const ProtobufCMessage *message)
{
    size_t count = protobuf_c_message_get_packed_size(message);
    uint8_t *data = gri_arena_alloc(arena, count);

    (void)protobuf_c_message_pack(message, data);
    return (gri_bytes){data, count};
}

static gri_proto_response_file *new_file(gri_arena *arena, const gri_file *file, const char *end,
                                         const gri_output *text)
{
    gri_proto_response_file *made = gri_arena_alloc(arena, sizeof(*made));

    google__protobuf__compiler__code_generator_response__file__init(made);
    made->name = gri_arena_text(arena, "%s.grain.%s", file->stem, end);
    made->content = text->text;
    return made;
}

static void print_files(const gri_model *model, gri_proto_response *response)
{
    gri_arena *arena = model->arena;

    response->file = gri_arena_array(arena, 2 * model->files_count, sizeof(*response->file));
    for (size_t i = 0; i < model->files_count; i++) {
        gri_output header = {.arena = arena};
        gri_output source = {.arena = arena};

        gri_print_header(model, &model->files[i], &header);
        gri_print_source(model, &model->files[i], &source);
        response->file[response->n_file++] = new_file(arena, &model->files[i], "h", &header);
        response->file[response->n_file++] = new_file(arena, &model->files[i], "c", &source);
    }
}

static void answer(gri_arena *arena, const gri_proto_request *request, gri_trouble *trouble,
                   gri_proto_response *response)
{
    gri_model model = {0};

    if (request->parameter != NULL && *request->parameter != '\0') {
        gri_trouble_add(trouble, (gri_spot){0}, "there is no parameter '%s', nor any other",
                        request->parameter);
        return;
    }
    gri_model_read(&model, arena, request, trouble);
    if (trouble->count == 0) {
        print_files(&model, response);
    }
}

gri_bytes gri_plugin_answer(gri_arena *arena, gri_bytes request)
{
    gri_proto_response response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    gri_trouble trouble = {.lines.arena = arena};
    const gri_proto_request *unpacked = (const gri_proto_request *)unpack(
        arena, &google__protobuf__compiler__code_generator_request__descriptor, request);

    response.has_supported_features = 1;
    response.supported_features = FEATURE_PROTO3_OPTIONAL;
    if (unpacked == NULL) {
        gri_trouble_add(&trouble, (gri_spot){0},
                        "standard input is not a request of protoc: run protoc --granary_out=DIR");
    } else {
        answer(arena, unpacked, &trouble, &response);
    }
    if (trouble.count > 0) {
        response.error = trouble.lines.text;
    }
    return pack(arena, &response.base);
}

bool gri_plugin_drop_services(gri_arena *arena, gri_bytes set, gri_bytes *out_set)
{
    gri_proto_set *unpacked =
        (gri_proto_set *)unpack(arena, &google__protobuf__file_descriptor_set__descriptor, set);

    if (unpacked == NULL) {
        return false;
    }
    for (size_t i = 0; i < unpacked->n_file; i++) {
        unpacked->file[i]->n_service = 0;
    }
    *out_set = pack(arena, &unpacked->base);
    return true;
}
