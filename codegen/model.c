/*
 * Reads a request into the model: files and messages here, services in kind.c. Requests come from
 * protoc, but nothing is taken for granted: a descriptor that protoc would not make is an error,
 * never a crash.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

enum { TYPE_GROUP = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP };

static bool is_map_entry(const gri_proto_message *message)
{
    return message->options != NULL && message->options->has_map_entry &&
           message->options->map_entry;
}

/* `package.name`, or the name alone. */
static char *join(gri_arena *arena, const char *package, const char *name)
{
    return gri_arena_text(arena, "%s%s%s", package, *package == '\0' ? "" : ".", name);
}

static size_t count_messages(gri_proto_message *const *messages, size_t count)
{
    size_t all = count;

    for (size_t i = 0; i < count; i++) {
        all += count_messages(messages[i]->nested_type, messages[i]->n_nested_type);
    }
    return all;
}

/* Adds a message and those inside it. `c_name` is its full name as protobuf-c sees it. */
static void add_message(gri_model *model, const gri_proto_message *proto, const char *scope,
                        const char *c_scope, gri_spot spot, gri_trouble *trouble)
{
    gri_arena *arena = model->arena;
    gri_message *message = &model->messages[model->messages_count];
    const char *c_name = NULL;

    if (proto->name == NULL || !gri_name_is_identifier(proto->name, false)) {
        gri_trouble_add(trouble, spot, "a message without a name, or with one that is none");
        return;
    }
    c_name = join(arena, c_scope, proto->name);
    message->full_name = join(arena, scope, proto->name);
    message->c_struct = gri_name_protobuf_c_struct(arena, c_name);
    message->c_descriptor =
        gri_arena_text(arena, "%s__descriptor", gri_name_protobuf_c_function(arena, c_name));
    message->symbol = gri_arena_text(arena, "%s_type", gri_name_snake(arena, message->full_name));
    message->proto = proto;
    message->spot = spot;
    model->messages_count++;
    for (size_t i = 0; i < proto->n_nested_type; i++) {
        const int32_t steps[] = {GRI_IN_MESSAGE_NESTED, (int32_t)i};

        add_message(model, proto->nested_type[i], message->full_name, c_name,
                    gri_spot_below(arena, spot, steps, 2), trouble);
    }
}

static void add_messages_of(gri_model *model, const gri_proto_file *file, gri_trouble *trouble)
{
    const char *package = file->package == NULL ? "" : file->package;
    const char *c_package = gri_options_c_package(model->arena, file);

    if (c_package == NULL) {
        c_package = package;
    }
    for (size_t i = 0; i < file->n_message_type; i++) {
        const int32_t path[] = {GRI_IN_FILE_MESSAGE, (int32_t)i};

        add_message(model, file->message_type[i], package, c_package,
                    gri_spot_below(model->arena, (gri_spot){file, NULL, 0}, path, 2), trouble);
    }
}

static int compare_messages(const void *left, const void *right)
{
    const gri_message *a = left;
    const gri_message *b = right;

    return strcmp(a->full_name, b->full_name);
}

static void read_messages(gri_model *model, gri_trouble *trouble)
{
    const gri_proto_request *request = model->request;
    size_t all = 0;

    for (size_t i = 0; i < request->n_proto_file; i++) {
        const gri_proto_file *file = request->proto_file[i];

        all += count_messages(file->message_type, file->n_message_type);
    }
    model->messages = gri_arena_array(model->arena, all, sizeof(*model->messages));
    for (size_t i = 0; i < request->n_proto_file; i++) {
        add_messages_of(model, request->proto_file[i], trouble);
    }
    qsort(model->messages, model->messages_count, sizeof(*model->messages), compare_messages);
}

const gri_message *gri_model_find(const gri_model *model, const char *type_name)
{
    gri_message key = {.full_name = type_name};

    if (type_name == NULL || *type_name != '.' || model->messages_count == 0) {
        return NULL;
    }
    key.full_name = type_name + 1;
    return bsearch(&key, model->messages, model->messages_count, sizeof(key), compare_messages);
}

const gri_proto_file *gri_model_find_file(const gri_proto_request *request, const char *path)
{
    for (size_t i = 0; i < request->n_proto_file; i++) {
        if (strcmp(request->proto_file[i]->name, path) == 0) {
            return request->proto_file[i];
        }
    }
    return NULL;
}

static void check_groups(const gri_model *model, const gri_message *message, gri_trouble *trouble)
{
    for (size_t i = 0; i < message->proto->n_field; i++) {
        const gri_proto_field *field = message->proto->field[i];
        const int32_t steps[] = {GRI_IN_MESSAGE_FIELD, (int32_t)i};

        if (field->has_type && (int)field->type == TYPE_GROUP) {
            gri_trouble_add(trouble, gri_spot_below(model->arena, message->spot, steps, 2),
                            "field '%s' of message '%s' is a group, which protobuf-c cannot "
                            "read: use a nested message",
                            field->name == NULL ? "" : field->name, message->full_name);
        }
    }
}

static void list_message(gri_file *file, const gri_message *message)
{
    for (size_t i = 0; i < file->messages_count; i++) {
        if (file->messages[i] == message) {
            return;
        }
    }
    file->messages[file->messages_count++] = message;
}

/* The file's own messages, in its order, nested ones behind the one they are in. */
static void list_own(gri_model *model, gri_file *file, gri_proto_message *const *protos,
                     size_t count, const char *scope, gri_trouble *trouble)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = gri_arena_text(model->arena, "%s.%s", scope, protos[i]->name);
        const gri_message *message = gri_model_find(model, name);

        if (message == NULL || is_map_entry(protos[i])) {
            continue;
        }
        file->messages[file->messages_count++] = message;
        gri_names_take(&model->names, message->symbol, "", "message", message->full_name,
                       message->spot);
        check_groups(model, message, trouble);
        list_own(model, file, protos[i]->nested_type, protos[i]->n_nested_type, name, trouble);
    }
}

static void list_used(gri_file *file)
{
    for (size_t i = 0; i < file->kinds_count; i++) {
        for (size_t j = 0; j < file->kinds[i].methods_count; j++) {
            const gri_method *method = &file->kinds[i].methods[j];

            if (method->request != NULL && method->request->spot.file != file->proto) {
                list_message(file, method->request);
            }
            if (method->reply != NULL && method->reply->spot.file != file->proto) {
                list_message(file, method->reply);
            }
        }
    }
}

/* The path without its end, or NULL when it could not be written between the quotes of an #include.
 */
static const char *stem_of(gri_arena *arena, const char *path)
{
    size_t length = strlen(path);
    const char *dot = length > 6 ? path + length - 6 : "";

    for (const char *at = path; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '"' || *at == '\\') {
            return NULL;
        }
    }
    return gri_arena_text(arena, "%.*s", (int)(length - (strcmp(dot, ".proto") == 0 ? 6 : 0)),
                          path);
}

/* A path that does not end the comment it is put into. */
static const char *shown(gri_arena *arena, const char *path)
{
    char *copy = gri_arena_text(arena, "%s", path);

    for (char *at = copy; *at != '\0'; at++) {
        *at = (char)(*at == '*' ? '?' : *at);
    }
    return copy;
}

static char *lower(char *name)
{
    for (char *at = name; *at != '\0'; at++) {
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    }
    return name;
}

static void read_file(gri_model *model, gri_file *file, gri_trouble *trouble)
{
    gri_arena *arena = model->arena;
    const gri_spot spot = {file->proto, NULL, 0};
    const char *package = file->proto->package == NULL ? "" : file->proto->package;
    char *name = NULL;
    size_t methods = 0;

    file->stem = stem_of(arena, file->proto->name);
    if (file->stem == NULL || (*package != '\0' && !gri_name_is_identifier(package, true))) {
        gri_trouble_add(trouble, spot, "the path or the package cannot be written in C");
        return;
    }
    file->shown = shown(arena, file->proto->name);
    name = gri_name_of_path(arena, file->stem);
    file->guard = gri_arena_text(arena, "%s_GRAIN_H", name);
    file->types = gri_arena_text(arena, "%s_grain_types", lower(name));
    file->descriptors = gri_arena_text(arena, "%s_grain_descriptors", name);
    gri_names_take(&model->names, file->types, "the list of types of ", "file", file->proto->name,
                   spot);
    gri_names_take(&model->names, file->descriptors, "the descriptors of ", "file",
                   file->proto->name, spot);

    file->kinds = gri_arena_array(arena, file->proto->n_service, sizeof(*file->kinds));
    for (size_t i = 0; i < file->proto->n_service; i++) {
        gri_kind_read(&file->kinds[i], model, file->proto, i, trouble);
        methods += file->kinds[i].methods_count;
    }
    file->kinds_count = file->proto->n_service;

    file->messages = gri_arena_array(
        arena, count_messages(file->proto->message_type, file->proto->n_message_type) + 2 * methods,
        sizeof(*file->messages));
    list_own(model, file, file->proto->message_type, file->proto->n_message_type,
             *package == '\0' ? "" : gri_arena_text(arena, ".%s", package), trouble);
    file->own_count = file->messages_count;
    list_used(file);
}

static int compare_kinds(const void *left, const void *right)
{
    const gri_kind *const *a = left;
    const gri_kind *const *b = right;
    int order = ((*a)->hash > (*b)->hash) - ((*a)->hash < (*b)->hash);

    return order != 0 ? order : strcmp((*a)->full_name, (*b)->full_name);
}

/* Two kinds with one name on the wire, or with one hash of it, would be one kind to the cluster. */
static void check_wire_names(const gri_model *model, gri_trouble *trouble)
{
    const gri_kind **kinds = NULL;
    size_t count = 0;

    for (size_t i = 0; i < model->files_count; i++) {
        count += model->files[i].kinds_count;
    }
    kinds = gri_arena_array(model->arena, count, sizeof(*kinds));
    count = 0;
    for (size_t i = 0; i < model->files_count; i++) {
        for (size_t j = 0; j < model->files[i].kinds_count; j++) {
            if (model->files[i].kinds[j].wire_name != NULL) {
                kinds[count++] = &model->files[i].kinds[j];
            }
        }
    }
    qsort(kinds, count, sizeof(*kinds), compare_kinds);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(kinds[i - 1]->wire_name, kinds[i]->wire_name) == 0) {
            gri_trouble_add(trouble, kinds[i]->spot,
                            "services '%s' and '%s' are both '%s' on the wire",
                            kinds[i - 1]->full_name, kinds[i]->full_name, kinds[i]->wire_name);
        } else if (kinds[i - 1]->hash == kinds[i]->hash) {
            gri_trouble_add(trouble, kinds[i]->spot,
                            "services '%s' and '%s' have the same hash: rename one of them",
                            kinds[i - 1]->wire_name, kinds[i]->wire_name);
        }
    }
}

/* Where our options are declared: without that, their number is somebody else's. */
static const gri_proto_file *find_options_file(const gri_proto_request *request)
{
    for (size_t i = 0; i < request->n_proto_file; i++) {
        const gri_proto_file *file = request->proto_file[i];

        for (size_t j = 0; j < file->n_extension; j++) {
            const char *name = file->extension[j]->name;

            if (file->package != NULL && strcmp(file->package, "granary") == 0 && name != NULL &&
                strcmp(name, "grain") == 0) {
                return file;
            }
        }
    }
    return NULL;
}

void gri_model_read(gri_model *model, gri_arena *arena, const gri_proto_request *request,
                    gri_trouble *trouble)
{
    model->arena = arena;
    model->request = request;
    model->names.arena = arena;
    for (size_t i = 0; i < request->n_proto_file; i++) {
        if (request->proto_file[i]->name == NULL) {
            gri_trouble_add(trouble, (gri_spot){0}, "the request has a file without a name");
            return;
        }
    }
    model->options_file = find_options_file(request);
    read_messages(model, trouble);
    model->files = gri_arena_array(arena, request->n_file_to_generate, sizeof(*model->files));
    for (size_t i = 0; i < request->n_file_to_generate; i++) {
        gri_file *file = &model->files[model->files_count];

        file->proto = gri_model_find_file(request, request->file_to_generate[i]);
        if (file->proto == NULL) {
            gri_trouble_add(trouble, (gri_spot){0}, "the request lacks '%s', which it asks for",
                            request->file_to_generate[i]);
            continue;
        }
        read_file(model, file, trouble);
        model->files_count++;
    }
    check_wire_names(model, trouble);
    gri_names_check(&model->names, trouble);
}
