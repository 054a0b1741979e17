/*
 * Prints `.grain.h`: what hosts and callers of the kinds of a file include. Above each function it
 * says who owns what.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "printer.h"

static void print_comment_of(const char *comment, gri_output *out)
{
    if (*comment != '\0') {
        gri_output_comment(out, comment);
        gri_output_print(out, " *\n");
    }
}

static void print_messages(const gri_file *file, gri_output *out)
{
    if (file->messages_count > 0) {
        gri_output_print(out, "\n/* ---- messages ---- */\n\n"
                              "/** Their types, for what handles messages of any type: details of "
                              "errors, plain actors. */\n");
    }
    for (size_t i = 0; i < file->messages_count; i++) {
        gri_output_print(out, "extern const gr_type %s; /* %s */\n", file->messages[i]->symbol,
                         file->messages[i]->full_name);
    }
    gri_output_print(out,
                     "\n/**\n"
                     " * All of the types above, for gr_remote_add_types().\n"
                     " *\n"
                     " * Owns:    borrowed: constants.\n"
                     " * Errors:  none.\n"
                     " * Thread:  any.\n"
                     " * Units:   the result has `*out_count` entries.\n"
                     " */\n"
                     "const gr_type *const *%s(size_t *out_count);\n",
                     file->types);
}

/* What the options say of a method, for the table. */
static void print_remark(const gri_method *method, gri_output *out)
{
    const struct {
        bool holds;
        const char *text;
    } remarks[] = {
        {method->options->has_optional && method->options->optional,
         "may be left out: then it is not implemented here"},
        {gri_method_is_one_way(method), "nobody waits for it"},
        {method->options->has_read_only && method->options->read_only,
         "may run beside other read-only calls"},
        {method->options->has_reentrant && method->options->reentrant,
         "may run while another call waits"},
        {method->options->has_idempotent && method->options->idempotent,
         "may run twice for one call"},
    };
    bool any = false;

    for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]); i++) {
        if (remarks[i].holds) {
            gri_output_print(out, "%s%s", any ? "; " : "    /* ", remarks[i].text);
            any = true;
        }
    }
    gri_output_print(out, "%s", any ? " */\n" : "");
}

static void print_table(const gri_kind *kind, gri_output *out)
{
    gri_output_print(
        out,
        "\n/**\n"
        " * What implements %s. The hooks may be left out. A method gets a `reply` whose fields "
        "have\n"
        " * their defaults; strings and arrays that it puts there come from %s_alloc(), or live\n"
        " * until it returns and longer. `request` is borrowed until then.\n"
        " */\n"
        "typedef struct %s {\n"
        "    size_t data_bytes; /* of %s_data(): zeroed for each activation */\n"
        "    /* Runs before the first call; an error is the answer to whoever waits. */\n"
        "    gr_err (*activated)(%s *self);\n"
        "    /* Runs after the last call. */\n"
        "    void (*deactivating)(%s *self, gr_deactivation reason);\n"
        "    /* Runs as a turn for each tick of gr_grain_timer_start(). */\n"
        "    void (*timer)(%s *self, uint64_t number);\n",
        kind->full_name, kind->prefix, kind->table, kind->prefix, kind->type, kind->type,
        kind->type);
    for (size_t i = 0; i < kind->methods_count; i++) {
        const gri_method *method = &kind->methods[i];
        const char *items[] = {
            gri_arena_text(out->arena, "%s *self", kind->type),
            gri_arena_text(out->arena, "const %s *request", method->request->c_struct),
            gri_arena_text(out->arena, "%s *reply", method->reply->c_struct)};

        print_remark(method, out);
        gri_output_list(out, gri_arena_text(out->arena, "    gr_err (*%s)(", method->field), items,
                        gri_method_is_one_way(method) ? 2 : 3, ");");
    }
    gri_output_print(out, "} %s;\n", kind->table);
}

static void print_accessors(const gri_kind *kind, gri_output *out)
{
    const char *prefix = kind->prefix;
    const char *type = kind->type;

    gri_output_print(
        out,
        "\n/**\n"
        " * Of this activation: its private data; itself as a caller of grains; what the "
        "functions\n"
        " * gr_grain_...() take; memory for the rest of the turn.\n"
        " *\n"
        " * Owns:    borrowed: the data as long as the activation, the rest until the "
        "method returns.\n"
        " * Errors:  none; no memory is NULL.\n"
        " * Thread:  inside its hooks and methods.\n"
        " * Units:   bytes.\n"
        " */\n"
        "static inline void *%s_data(%s *self)\n{\n"
        "    return gr_grain_data((gr_grain *)self);\n}\n\n"
        "static inline gr_caller *%s_as_caller(%s *self)\n{\n"
        "    return gr_grain_caller((gr_grain *)self);\n}\n\n"
        "static inline gr_grain *%s_grain(%s *self)\n{\n"
        "    return (gr_grain *)self;\n}\n\n"
        "static inline void *%s_alloc(%s *self, size_t bytes)\n{\n"
        "    return gr_grain_alloc((gr_grain *)self, bytes);\n}\n",
        prefix, type, prefix, type, prefix, type, prefix, type);
    if (!gri_kind_is_stateless(kind)) {
        gri_output_print(out,
                         "\n/** The identity it was called by; borrowed as long as the activation. "
                         "*/\n"
                         "static inline const char *%s_id(const %s *self)\n{\n"
                         "    return gr_grain_identity((const gr_grain *)self);\n}\n",
                         prefix, type);
    }
}

static void print_host(const gri_kind *kind, gri_output *out)
{
    gri_output_print(out, "\n/* ---- service %s ---- */\n\n/**\n", kind->full_name);
    print_comment_of(kind->comment, out);
    gri_output_print(out,
                     " * One activation of %s, as its hooks and methods see it.\n */\n"
                     "typedef struct %s %s;\n",
                     kind->full_name, kind->type, kind->type);
    print_table(kind, out);
    gri_output_print(
        out,
        "\n/** What is known of the kind without its implementation. */\n"
        "extern const gr_kind_info %s_info;\n"
        "\n/**\n"
        " * The kind with the functions that implement it, for gr_node_start() or "
        "gr_node_main().\n"
        " *\n"
        " * Owns:    `methods` stays yours and lives as long as the node; the result goes to "
        "the node.\n"
        " * Errors:  NULL when out of memory.\n"
        " * Thread:  any.\n"
        " * Units:   none.\n"
        " */\n"
        "gr_kind *%s_kind(const %s *methods);\n",
        kind->prefix, kind->prefix, kind->table);
    print_accessors(kind, out);
}

static void print_target(const gri_kind *kind, gri_output *out)
{
    gri_output_print(out, "%s", gri_kind_is_stateless(kind) ? "" : " of the grain `id`");
}

static void print_waiting(const gri_kind *kind, const gri_method *method, gri_output *out)
{
    gri_output_print(out, "\n/**\n");
    print_comment_of(method->comment, out);
    gri_output_print(out, " * Calls %s", method->full_name);
    print_target(kind, out);
    gri_output_print(
        out, " and waits for the reply.\n"
             " *\n"
             " * Owns:    `request` stays yours. `*out_reply` is yours: gr_reply_free() it; inside "
             "a grain it lives\n"
             " *          until the method returns, freed or not. NULL: not wanted.\n"
             " * Errors:  the method's own, else as gr_call().\n"
             " * Thread:  any; on a fiber only the fiber waits.\n"
             " * Units:   `options` may be NULL; its times are milliseconds.\n"
             " */\n");
    gri_print_call(kind, method, out, ";");
    gri_output_print(out,
                     "\n/**\n"
                     " * Starts that call; and waits for one that was started.\n"
                     " *\n"
                     " * Owns:    `request` stays yours; `*out_future` is yours: gr_future_unref() "
                     "it. The reply as above.\n"
                     " * Errors:  as gr_call_future() and gr_call_await().\n"
                     " * Thread:  any; on a fiber only the fiber waits.\n"
                     " * Units:   milliseconds; GR_FOREVER = the call's own time.\n"
                     " */\n");
    gri_print_future(kind, method, out, ";");
    gri_print_await(method, out, ";");
}

static void print_callers(const gri_kind *kind, const gri_method *method, gri_output *out)
{
    if (!gri_method_is_one_way(method)) {
        print_waiting(kind, method, out);
    }
    gri_output_print(out, "\n/**\n");
    if (gri_method_is_one_way(method)) {
        print_comment_of(method->comment, out);
    }
    gri_output_print(out, " * Calls %s", method->full_name);
    print_target(kind, out);
    gri_output_print(out, " without an answer: at most once.\n"
                          " *\n"
                          " * Owns:    `request` stays yours.\n"
                          " * Errors:  as gr_call_one_way().\n"
                          " * Thread:  any; does not wait.\n"
                          " * Units:   `options` may be NULL; its times are milliseconds.\n"
                          " */\n");
    gri_print_one_way(kind, method, out, ";");
}

void gri_print_header(const gri_model *model, const gri_file *file, gri_output *out)
{
    (void)model;
    gri_output_print(out,
                     "/* Generated from %s by protoc-gen-granary " GRANARY_VERSION
                     ". Do not edit. */\n"
                     "#ifndef %s\n#define %s\n\n"
                     "#include <granary/cluster.h>\n\n"
                     "#include \"%s.pb-c.h\"\n\n"
                     "GR_BEGIN_DECLS\n",
                     file->shown, file->guard, file->guard, file->stem);
    print_messages(file, out);
    for (size_t i = 0; i < file->kinds_count; i++) {
        print_host(&file->kinds[i], out);
        for (size_t j = 0; j < file->kinds[i].methods_count; j++) {
            print_callers(&file->kinds[i], &file->kinds[i].methods[j], out);
        }
    }
    gri_output_print(out, "\nGR_END_DECLS\n#endif\n");
}
