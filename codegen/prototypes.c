/*
 * The prototypes of the functions that call a method, for the header that declares them and the
 * source that defines them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "printer.h"

/* Declarations say that the result is to be looked at. */
static const char *mark(const char *tail)
{
    return *tail == ';' ? "GR_MUST_CHECK " : "";
}

/* `caller`, and the identity unless the kind has none, and the rest. */
static void print(const gri_kind *kind, gri_output *out, const char *function,
                  const char *const *rest, size_t rest_count, const char *tail)
{
    const char *items[8] = {"gr_caller *caller"};
    size_t count = 1;

    if (!gri_kind_is_stateless(kind)) {
        items[count++] = "const char *id";
    }
    for (size_t i = 0; i < rest_count; i++) {
        items[count++] = rest[i];
    }
    gri_output_list(out, gri_arena_text(out->arena, "%sgr_err %s(", mark(tail), function), items,
                    count, gri_arena_text(out->arena, ")%s", tail));
}

static const char *request_of(const gri_method *method, gri_output *out)
{
    return gri_arena_text(out->arena, "const %s *request", method->request->c_struct);
}

static const char *reply_of(const gri_method *method, gri_output *out)
{
    return gri_arena_text(out->arena, "%s **out_reply", method->reply->c_struct);
}

void gri_print_call(const gri_kind *kind, const gri_method *method, gri_output *out,
                    const char *tail)
{
    const char *rest[] = {request_of(method, out), "const gr_call_options *options",
                          reply_of(method, out)};

    print(kind, out, method->function, rest, 3, tail);
}

void gri_print_future(const gri_kind *kind, const gri_method *method, gri_output *out,
                      const char *tail)
{
    const char *rest[] = {request_of(method, out), "const gr_call_options *options",
                          "gr_future **out_future"};

    print(kind, out, method->future, rest, 3, tail);
}

void gri_print_await(const gri_method *method, gri_output *out, const char *tail)
{
    const char *items[] = {"gr_caller *caller", "gr_future *future", "int64_t timeout_ms",
                           reply_of(method, out)};

    gri_output_list(out, gri_arena_text(out->arena, "%sgr_err %s(", mark(tail), method->await),
                    items, 4, gri_arena_text(out->arena, ")%s", tail));
}

void gri_print_one_way(const gri_kind *kind, const gri_method *method, gri_output *out,
                       const char *tail)
{
    const char *rest[] = {request_of(method, out), "const gr_call_options *options"};

    print(kind, out, gri_method_is_one_way(method) ? method->function : method->one_way, rest, 2,
          tail);
}
