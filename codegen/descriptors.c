/*
 * Packs a file and what it imports. Comments and places are left out, and so is our options.proto
 * with descriptor.proto behind it, when only options refer to it: that is ten kilobytes in every
 * program, which would change with each version of protoc. The options themselves stay, under their
 * numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "descriptors.h"

#include <string.h>

static bool is_of(const gri_model *model, const char *type_name, const gri_proto_file *file)
{
    const gri_message *message = gri_model_find(model, type_name);

    return message != NULL && message->spot.file == file;
}

static bool messages_use(const gri_model *model, gri_proto_message *const *messages, size_t count,
                         const gri_proto_file *other)
{
    for (size_t i = 0; i < count; i++) {
        const gri_proto_message *message = messages[i];

        for (size_t j = 0; j < message->n_field; j++) {
            if (is_of(model, message->field[j]->type_name, other)) {
                return true;
            }
        }
        if (messages_use(model, message->nested_type, message->n_nested_type, other)) {
            return true;
        }
    }
    return false;
}

static bool services_use(const gri_model *model, const gri_proto_file *file,
                         const gri_proto_file *other)
{
    for (size_t i = 0; i < file->n_service; i++) {
        for (size_t j = 0; j < file->service[i]->n_method; j++) {
            const gri_proto_method *method = file->service[i]->method[j];

            if (is_of(model, method->input_type, other) ||
                is_of(model, method->output_type, other)) {
                return true;
            }
        }
    }
    return false;
}

/* Whether an import is there for options only. Extensions may be of its messages: they keep it. */
static bool is_idle(const gri_model *model, const gri_proto_file *file, const char *import)
{
    const gri_proto_file *options = model->options_file;

    return options != NULL && strcmp(import, options->name) == 0 && file->n_extension == 0 &&
           !messages_use(model, file->message_type, file->n_message_type, options) &&
           !services_use(model, file, options);
}

/* Drops `index` from a list of indexes, and closes the gap. */
static size_t drop_index(int32_t *indexes, size_t count, int32_t index)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (indexes[i] != index) {
            indexes[kept++] = indexes[i] - (indexes[i] > index ? 1 : 0);
        }
    }
    return kept;
}

static int32_t *copy_indexes(gri_arena *arena, const int32_t *indexes, size_t count)
{
    int32_t *copy = gri_arena_array(arena, count, sizeof(*copy));

    if (count > 0) {
        memcpy(copy, indexes, count * sizeof(*copy));
    }
    return copy;
}

/* The file without its source information and without idle imports. */
static gri_proto_file *slim(const gri_model *model, const gri_proto_file *file)
{
    gri_arena *arena = model->arena;
    gri_proto_file *copy = gri_arena_alloc(arena, sizeof(*copy));

    *copy = *file;
    copy->source_code_info = NULL;
    copy->dependency = gri_arena_array(arena, file->n_dependency, sizeof(*copy->dependency));
    copy->n_dependency = 0;
    copy->public_dependency =
        copy_indexes(arena, file->public_dependency, file->n_public_dependency);
    copy->weak_dependency = copy_indexes(arena, file->weak_dependency, file->n_weak_dependency);
    for (size_t i = 0; i < file->n_dependency; i++) {
        int32_t at = (int32_t)copy->n_dependency;

        if (is_idle(model, file, file->dependency[i])) {
            copy->n_public_dependency =
                drop_index(copy->public_dependency, copy->n_public_dependency, at);
            copy->n_weak_dependency =
                drop_index(copy->weak_dependency, copy->n_weak_dependency, at);
        } else {
            copy->dependency[copy->n_dependency++] = file->dependency[i];
        }
    }
    return copy;
}

/* A file whose imports are being visited. */
typedef struct visit {
    const gri_proto_file *file;
    size_t next; /* of its imports */
} visit;

/* The index of a file in the request; its number of files when it is not there. */
static size_t index_of(const gri_proto_request *request, const char *path)
{
    size_t i = 0;

    while (i < request->n_proto_file && strcmp(request->proto_file[i]->name, path) != 0) {
        i++;
    }
    return i;
}

/* The file and all it imports, each behind its imports and these in the order of their statements: the order of the
 * request would depend on what else is generated. Returns how many. */
static size_t collect(const gri_model *model, const gri_proto_file *file, gri_proto_file **files)
{
    const gri_proto_request *request = model->request;
    visit *visits = gri_arena_array(model->arena, request->n_proto_file, sizeof(*visits));
    bool *seen = gri_arena_array(model->arena, request->n_proto_file + 1, sizeof(*seen));
    size_t depth = 0;
    size_t count = 0;

    seen[index_of(request, file->name)] = true;
    visits[depth++] = (visit){file, 0};
    while (depth > 0) {
        visit *top = &visits[depth - 1];
        const char *import = NULL;
        size_t index = 0;

        if (top->next == top->file->n_dependency) {
            files[count++] = slim(model, top->file);
            depth--;
            continue;
        }
        import = top->file->dependency[top->next++];
        index = index_of(request, import);
        if (index < request->n_proto_file && !seen[index] && !is_idle(model, top->file, import)) {
            seen[index] = true;
            visits[depth++] = (visit){request->proto_file[index], 0};
        }
    }
    return count;
}

const uint8_t *gri_descriptors_pack(const gri_model *model, const gri_file *file, size_t *out_bytes)
{
    gri_proto_set set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    uint8_t *packed = NULL;

    set.file = gri_arena_array(model->arena, model->request->n_proto_file, sizeof(*set.file));
    set.n_file = collect(model, file->proto, set.file);
    *out_bytes = google__protobuf__file_descriptor_set__get_packed_size(&set);
    packed = gri_arena_alloc(model->arena, *out_bytes);
    (void)google__protobuf__file_descriptor_set__pack(&set, packed);
    return packed;
}
