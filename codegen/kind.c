/*
 * Reads a service and its methods into the model: names, hashes, options, and what cannot be a
 * grain.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model.h"

#include <string.h>

#include <xxhash.h>

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What `bank_account_` is followed by in the names that every kind has. */
static const char *const names_of_kinds[] = {"alloc", "as_caller", "data", "grain",
                                             "id",    "info",      "kind", "methods"};

enum { NAMES_OF_KINDS = sizeof(names_of_kinds) / sizeof(names_of_kinds[0]) };

/* The fields that every table of methods has. */
static bool is_field_of_tables(const char *name)
{
    static const char *const names[] = {"activated", "data_bytes", "deactivating", "timer"};

    return is_one_of(name, names, sizeof(names) / sizeof(names[0]));
}

static bool is_true(protobuf_c_boolean has, protobuf_c_boolean value)
{
    return has && value;
}

/* The names of the functions that call a method. */
static void name_callers(gri_method *method, gri_model *model, const char *function)
{
    gri_arena *arena = model->arena;
    gri_names *names = &model->names;

    method->function = function;
    gri_names_take(names, function, "", "method", method->name, method->spot);
    if (is_true(method->options->has_one_way, method->options->one_way)) {
        return;
    }
    method->future = gri_arena_text(arena, "%s_future", function);
    method->await = gri_arena_text(arena, "%s_await", function);
    method->one_way = gri_arena_text(arena, "%s_one_way", function);
    gri_names_take(names, method->future, "the future of ", "method", method->name, method->spot);
    gri_names_take(names, method->await, "the await of ", "method", method->name, method->spot);
    gri_names_take(names, method->one_way, "the one-way form of ", "method", method->name,
                   method->spot);
}

static void name_method(gri_method *method, const gri_kind *kind, gri_model *model)
{
    gri_arena *arena = model->arena;
    const char *snake = gri_name_snake(arena, method->name);
    bool is_taken = is_one_of(snake, names_of_kinds, NAMES_OF_KINDS);

    method->field = gri_arena_text(
        arena, "%s%s", snake, gri_name_is_keyword(snake) || is_field_of_tables(snake) ? "_" : "");
    name_callers(method, model,
                 gri_arena_text(arena, "%s_%s%s", kind->prefix, snake, is_taken ? "_" : ""));
    method->invoke = gri_arena_text(arena, "invoke_%s_%s", kind->prefix, snake);
    gri_names_take(&model->names, method->invoke, "the invocation of ", "method", method->name,
                   method->spot);
}

static void check_streaming(const gri_model *model, const gri_proto_method *proto,
                            const gri_method *method, gri_trouble *trouble)
{
    bool requests = is_true(proto->has_client_streaming, proto->client_streaming);
    bool replies = is_true(proto->has_server_streaming, proto->server_streaming);
    const int32_t step = requests ? GRI_IN_METHOD_CLIENT_STREAMING : GRI_IN_METHOD_SERVER_STREAMING;

    if (requests || replies) {
        gri_trouble_add(trouble, gri_spot_below(model->arena, method->spot, &step, 1),
                        "method '%s' streams its %s, which grains do not support yet: pass one "
                        "message with a repeated field, or call it several times",
                        method->name,
                        requests && replies ? "requests and replies"
                        : requests          ? "requests"
                                            : "replies");
    }
}

static void check_one_way(const gri_method *method, gri_trouble *trouble)
{
    const gri_method_options *options = method->options;

    if (!is_true(options->has_one_way, options->one_way)) {
        return;
    }
    if (method->reply != NULL && method->reply->proto->n_field > 0) {
        gri_trouble_add(trouble, method->spot,
                        "method '%s' is one_way, so nobody receives its '%s': return "
                        "google.protobuf.Empty or another message without fields",
                        method->name, method->reply->full_name);
    }
}

static void read_method(gri_method *method, const gri_kind *kind, gri_model *model,
                        const gri_proto_method *proto, gri_trouble *trouble)
{
    gri_arena *arena = model->arena;

    if (proto->name == NULL || !gri_name_is_identifier(proto->name, false)) {
        gri_trouble_add(trouble, method->spot, "a method without a name, or with one that is none");
        return;
    }
    method->name = proto->name;
    method->full_name = gri_arena_text(arena, "%s/%s", kind->wire_name, proto->name);
    method->hash = XXH64(method->full_name, strlen(method->full_name), 0);
    method->options = gri_options_of_method(
        arena, model->options_file == NULL ? NULL : proto->options, method->spot, trouble);
    method->comment = gri_spot_comment(arena, method->spot);
    method->request = gri_model_find(model, proto->input_type);
    method->reply = gri_model_find(model, proto->output_type);
    if (method->request == NULL || method->reply == NULL) {
        gri_trouble_add(trouble, method->spot,
                        "the request lacks the message that method '%s' takes or gives",
                        method->name);
    }
    check_streaming(model, proto, method, trouble);
    check_one_way(method, trouble);
    name_method(method, kind, model);
}

/* A method is known by its hash alone, in its kind. */
static void check_hashes(const gri_kind *kind, gri_trouble *trouble)
{
    for (size_t i = 0; i < kind->methods_count; i++) {
        const gri_method *method = &kind->methods[i];

        for (size_t j = 0; j < i && method->name != NULL; j++) {
            if (kind->methods[j].name != NULL && kind->methods[j].hash == method->hash) {
                gri_trouble_add(trouble, method->spot,
                                "methods '%s' and '%s' have the same hash: rename one of them",
                                kind->methods[j].name, method->name);
            }
        }
    }
}

static void name_kind(gri_kind *kind, gri_model *model)
{
    static const char *const hooks[] = {"data_bytes_of", "activated_of", "deactivating_of",
                                        "timer_of"};
    gri_arena *arena = model->arena;
    gri_names *names = &model->names;

    kind->prefix = gri_name_snake(arena, kind->full_name);
    kind->type = gri_arena_text(
        arena, "%s%s", kind->prefix,
        gri_name_is_keyword(kind->prefix) || gri_name_is_of_libc(kind->prefix) ? "_" : "");
    kind->table = gri_arena_text(arena, "%s_methods", kind->prefix);
    kind->list = gri_arena_text(arena, "list_of_%s", kind->prefix);
    gri_names_take(names, kind->type, "", "service", kind->full_name, kind->spot);
    gri_names_take(names, kind->list, "the list of methods of ", "service", kind->full_name,
                   kind->spot);
    for (size_t i = 0; i < NAMES_OF_KINDS; i++) {
        gri_names_take(names, gri_arena_text(arena, "%s_%s", kind->prefix, names_of_kinds[i]),
                       "a name of ", "service", kind->full_name, kind->spot);
    }
    for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
        gri_names_take(names, gri_arena_text(arena, "%s_%s", hooks[i], kind->prefix), "a hook of ",
                       "service", kind->full_name, kind->spot);
    }
}

void gri_kind_read(gri_kind *kind, gri_model *model, const gri_proto_file *file, size_t index,
                   gri_trouble *trouble)
{
    gri_arena *arena = model->arena;
    const gri_proto_service *proto = file->service[index];
    const int32_t path[] = {GRI_IN_FILE_SERVICE, (int32_t)index};
    const char *package = file->package == NULL ? "" : file->package;

    kind->spot = gri_spot_below(arena, (gri_spot){file, NULL, 0}, path, 2);
    if (proto->name == NULL || !gri_name_is_identifier(proto->name, false)) {
        gri_trouble_add(trouble, kind->spot, "a service without a name, or with one that is none");
        return;
    }
    kind->full_name =
        gri_arena_text(arena, "%s%s%s", package, *package == '\0' ? "" : ".", proto->name);
    kind->options = gri_options_of_service(
        arena, model->options_file == NULL ? NULL : proto->options, kind->spot, trouble);
    kind->wire_name = kind->options->name != NULL ? kind->options->name : kind->full_name;
    kind->hash = XXH64(kind->wire_name, strlen(kind->wire_name), 0);
    kind->comment = gri_spot_comment(arena, kind->spot);
    name_kind(kind, model);

    kind->methods = gri_arena_array(arena, proto->n_method, sizeof(*kind->methods));
    kind->methods_count = proto->n_method;
    for (size_t i = 0; i < proto->n_method; i++) {
        const int32_t steps[] = {GRI_IN_SERVICE_METHOD, (int32_t)i};

        kind->methods[i].spot = gri_spot_below(arena, kind->spot, steps, 2);
        read_method(&kind->methods[i], kind, model, proto->method[i], trouble);
    }
    check_hashes(kind, trouble);
}
