/*
 * Prints `.grain.c`: the constants that describe a file's kinds, and the thin functions between
 * typed callers and methods and the untyped ones of the library. The text is C and C++ alike, hence
 * casts and no designated initializers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "printer.h"

#include <inttypes.h>

#include "descriptors.h"

/* A type that belongs to another file is weak: that file's own definition, or the first of several
 * weak ones, is the type, so that types can be compared by pointer in the whole program. */
static void print_types(const gri_file *file, gri_output *out)
{
    for (size_t i = 0; i < file->messages_count; i++) {
        const gri_message *message = file->messages[i];
        const char *items[] = {gri_arena_text(out->arena, "\"%s\"", message->full_name),
                               message->c_struct, message->c_descriptor};

        if (i == file->own_count) {
            gri_output_print(out, "\n/* Of other files: weak, so that a program has each type "
                                  "once, however many files use it. */\n");
        }
        if (i >= file->own_count) {
            gri_output_print(out, "#pragma weak %s\n", message->symbol);
        }
        gri_output_print(out, "const gr_type %s =\n", message->symbol);
        gri_output_list(out, "    GR_PROTO_TYPE(", items, 3, ");");
    }
    if (file->messages_count == 0) {
        gri_output_print(out,
                         "const gr_type *const *%s(size_t *out_count)\n{\n"
                         "    *out_count = 0;\n    return NULL;\n}\n",
                         file->types);
        return;
    }
    gri_output_print(out,
                     "\nconst gr_type *const *%s(size_t *out_count)\n{\n"
                     "    static const gr_type *const types[] = {\n",
                     file->types);
    for (size_t i = 0; i < file->messages_count; i++) {
        gri_output_print(out, "        &%s,\n", file->messages[i]->symbol);
    }
    gri_output_print(out, "    };\n\n"
                          "    *out_count = sizeof(types) / sizeof(types[0]);\n"
                          "    return types;\n}\n");
}

static void print_descriptors(const gri_model *model, const gri_file *file, gri_output *out)
{
    size_t count = 0;
    const uint8_t *bytes = gri_descriptors_pack(model, file, &count);

    gri_output_print(out,
                     "\n/* A google.protobuf.FileDescriptorSet: this file and what it imports. */\n"
                     "static const uint8_t %s[] = {\n",
                     file->descriptors);
    gri_output_bytes(out, bytes, count);
    gri_output_print(out, "};\n");
}

static void print_invoke(const gri_kind *kind, const gri_method *method, gri_output *out)
{
    const char *items[] = {"const void *methods", "gr_grain *grain", "const void *request",
                           "void *reply"};
    const char *arguments[] = {
        gri_arena_text(out->arena, "(%s *)grain", kind->type),
        gri_arena_text(out->arena, "(const %s *)request", method->request->c_struct),
        gri_arena_text(out->arena, "(%s *)reply", method->reply->c_struct)};

    gri_output_print(out, "\n");
    gri_output_list(out, gri_arena_text(out->arena, "static gr_err %s(", method->invoke), items, 4,
                    ")");
    gri_output_print(out, "{\n    const %s *table = (const %s *)methods;\n\n", kind->table,
                     kind->table);
    if (gri_method_is_one_way(method)) {
        gri_output_print(out, "    (void)reply; /* nobody receives it */\n");
    } else {
        gri_output_print(out, "    protobuf_c_message_init(&%s, reply);\n",
                         method->reply->c_descriptor);
    }
    gri_output_list(out, gri_arena_text(out->arena, "    return table->%s(", method->field),
                    arguments, gri_method_is_one_way(method) ? 2 : 3, ");");
    gri_output_print(out, "}\n");
}

static void print_hooks(const gri_kind *kind, gri_output *out)
{
    const char *table = kind->table;
    const char *prefix = kind->prefix;
    const char *type = kind->type;
    const char *ending[] = {"const void *methods", "gr_grain *grain", "gr_deactivation reason"};

    gri_output_print(out,
                     "\nstatic size_t data_bytes_of_%s(const void *methods)\n{\n"
                     "    return ((const %s *)methods)->data_bytes;\n}\n",
                     prefix, table);
    gri_output_print(
        out,
        "\nstatic gr_err activated_of_%s(const void *methods, gr_grain *grain)\n{\n"
        "    const %s *table = (const %s *)methods;\n\n"
        "    return table->activated == NULL ? GR_OK : table->activated((%s *)grain);\n}\n",
        prefix, table, table, type);
    gri_output_print(out, "\n");
    gri_output_list(out, gri_arena_text(out->arena, "static void deactivating_of_%s(", prefix),
                    ending, 3, ")");
    gri_output_print(out,
                     "{\n"
                     "    const %s *table = (const %s *)methods;\n\n"
                     "    if (table->deactivating != NULL) {\n"
                     "        table->deactivating((%s *)grain, reason);\n    }\n}\n",
                     table, table, type);
    gri_output_print(
        out,
        "\nstatic void timer_of_%s(const void *methods, gr_grain *grain, uint64_t number)\n{\n"
        "    const %s *table = (const %s *)methods;\n\n"
        "    if (table->timer != NULL) {\n"
        "        table->timer((%s *)grain, number);\n    }\n}\n",
        prefix, table, table, type);
}

/* The bits that are set, by name, or 0. */
static const char *flags_text(gri_arena *arena, const bool *set, const char *const *names,
                              size_t count)
{
    const char *text = "0";
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        if (set[i]) {
            text = any ? gri_arena_text(arena, "%s | %s", text, names[i]) : names[i];
            any = true;
        }
    }
    return text;
}

static const char *method_flags(const gri_method *method, gri_arena *arena)
{
    static const char *const names[] = {"GR_METHOD_READ_ONLY", "GR_METHOD_ONE_WAY",
                                        "GR_METHOD_IDEMPOTENT", "GR_METHOD_REENTRANT",
                                        "GR_METHOD_OPTIONAL"};
    const gri_method_options *options = method->options;
    const bool set[] = {
        options->has_read_only && options->read_only, options->has_one_way && options->one_way,
        options->has_idempotent && options->idempotent,
        options->has_reentrant && options->reentrant, options->has_optional && options->optional};

    return flags_text(arena, set, names, 5);
}

static const char *kind_flags(const gri_kind *kind, gri_arena *arena)
{
    static const char *const names[] = {"GR_KIND_REENTRANT", "GR_KIND_STATELESS"};
    const bool set[] = {kind->options->has_reentrant && kind->options->reentrant,
                        kind->options->has_stateless && kind->options->stateless};

    return flags_text(arena, set, names, 2);
}

static void print_list(const gri_kind *kind, gri_output *out)
{
    gri_output_print(out, "\nstatic const gr_method %s[] = {\n", kind->list);
    for (size_t i = 0; i < kind->methods_count; i++) {
        const gri_method *method = &kind->methods[i];

        gri_output_print(out,
                         "    {\n"
                         "        \"%s\",\n"
                         "        \"%s\",\n"
                         "        UINT64_C(0x%016" PRIx64 "),\n"
                         "        &%s,\n"
                         "        &%s,\n"
                         "        %s,\n"
                         "        %u, /* ms of timeout */\n"
                         "        offsetof(%s, %s),\n"
                         "        %s,\n"
                         "    },\n",
                         method->name, method->full_name, method->hash, method->request->symbol,
                         method->reply->symbol, method_flags(method, out->arena),
                         method->options->has_timeout_ms ? method->options->timeout_ms : 0,
                         kind->table, method->field, method->invoke);
    }
    gri_output_print(out, "};\n");
}

static void print_info(const gri_file *file, const gri_kind *kind, gri_output *out)
{
    gri_arena *arena = out->arena;
    const gri_grain_options *options = kind->options;
    bool empty = kind->methods_count == 0;

    gri_output_print(
        out,
        "\nconst gr_kind_info %s_info = {\n"
        "    GR_KIND_VERSION,\n"
        "    %s,\n"
        "    \"%s\",\n"
        "    UINT64_C(0x%016" PRIx64 "),\n"
        "    %s, /* role */\n"
        "    %u, /* ms until it is passivated */\n"
        "    %u, /* calls that may wait */\n"
        "    %s,\n"
        "    %s,\n"
        "    data_bytes_of_%s,\n"
        "    activated_of_%s,\n"
        "    deactivating_of_%s,\n"
        "    timer_of_%s,\n"
        "    %s,\n"
        "    sizeof(%s),\n"
        "};\n",
        kind->prefix, kind_flags(kind, arena), kind->wire_name, kind->hash,
        options->role == NULL ? "NULL" : gri_arena_text(arena, "\"%s\"", options->role),
        options->has_passivate_after_ms ? options->passivate_after_ms : 0,
        options->has_mailbox_limit ? options->mailbox_limit : 0, empty ? "NULL" : kind->list,
        empty ? "0" : gri_arena_text(arena, "sizeof(%s) / sizeof(%s[0])", kind->list, kind->list),
        kind->prefix, kind->prefix, kind->prefix, kind->prefix, file->descriptors,
        file->descriptors);
    gri_output_print(out,
                     "\ngr_kind *%s_kind(const %s *methods)\n{\n"
                     "    return gr_kind_new(&%s_info, methods);\n}\n",
                     kind->prefix, kind->table, kind->prefix);
}

/* What stands between a finished call and its typed reply. */
static void print_hand_over(const gri_method *method, gri_output *out)
{
    gri_output_print(out,
                     "    if (err != GR_OK) {\n"
                     "        return err;\n    }\n"
                     "    if (out_reply != NULL) {\n"
                     "        *out_reply = (%s *)reply;\n"
                     "    } else {\n"
                     "        gr_reply_free(reply);\n    }\n"
                     "    return GR_OK;\n}\n",
                     method->reply->c_struct);
}

/* The arguments that all three ways of calling have in common. */
static void print_library_call(const gri_kind *kind, size_t index, gri_output *out,
                               const char *head, const char *last)
{
    const char *items[] = {"caller",
                           gri_arena_text(out->arena, "&%s_info", kind->prefix),
                           gri_arena_text(out->arena, "&%s[%zu]", kind->list, index),
                           gri_kind_is_stateless(kind) ? "\"-\"" : "id",
                           "request",
                           "options",
                           last};

    gri_output_list(out, head, items, last == NULL ? 6 : 7, ");");
}

static void print_callers(const gri_kind *kind, size_t index, gri_output *out)
{
    const gri_method *method = &kind->methods[index];

    if (!gri_method_is_one_way(method)) {
        gri_output_print(out, "\n");
        gri_print_call(kind, method, out, "");
        gri_output_print(out, "{\n    void *reply = NULL;\n");
        print_library_call(kind, index, out, "    gr_err err = gr_call(", "&reply");
        gri_output_print(out, "\n");
        print_hand_over(method, out);
        gri_output_print(out, "\n");
        gri_print_future(kind, method, out, "");
        gri_output_print(out, "{\n");
        print_library_call(kind, index, out, "    return gr_call_future(", "out_future");
        gri_output_print(out, "}\n\n");
        gri_print_await(method, out, "");
        gri_output_print(
            out,
            "{\n    void *reply = NULL;\n"
            "    gr_err err = gr_call_await(caller, future, &%s[%zu], timeout_ms, &reply);\n\n",
            kind->list, index);
        print_hand_over(method, out);
    }
    gri_output_print(out, "\n");
    gri_print_one_way(kind, method, out, "");
    gri_output_print(out, "{\n");
    print_library_call(kind, index, out, "    return gr_call_one_way(", NULL);
    gri_output_print(out, "}\n");
}

static void print_kind(const gri_file *file, const gri_kind *kind, gri_output *out)
{
    gri_output_print(out, "\n/* ---- service %s ---- */\n", kind->full_name);
    print_hooks(kind, out);
    for (size_t i = 0; i < kind->methods_count; i++) {
        print_invoke(kind, &kind->methods[i], out);
    }
    if (kind->methods_count > 0) {
        print_list(kind, out);
    }
    print_info(file, kind, out);
    for (size_t i = 0; i < kind->methods_count; i++) {
        print_callers(kind, i, out);
    }
}

void gri_print_source(const gri_model *model, const gri_file *file, gri_output *out)
{
    gri_output_print(out,
                     "/* Generated from %s by protoc-gen-granary " GRANARY_VERSION
                     ". Do not edit. */\n"
                     "#include \"%s.grain.h\"\n\n"
                     "#include <stddef.h>\n\n",
                     file->shown, file->stem);
    print_types(file, out);
    if (file->kinds_count > 0) {
        print_descriptors(model, file, out);
    }
    for (size_t i = 0; i < file->kinds_count; i++) {
        print_kind(file, &file->kinds[i], out);
    }
}
