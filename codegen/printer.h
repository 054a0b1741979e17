/*
 * From the model to C. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_PRINTER_H
#define GRI_PRINTER_H

#include "model.h"

/* The `.grain.h` and the `.grain.c` of a file. */
void gri_print_header(const gri_model *model, const gri_file *file, gri_output *out);
void gri_print_source(const gri_model *model, const gri_file *file, gri_output *out);

/* The prototypes, which both print; `tail` is ";" or "". */
void gri_print_call(const gri_kind *kind, const gri_method *method, gri_output *out,
                    const char *tail);
void gri_print_future(const gri_kind *kind, const gri_method *method, gri_output *out,
                      const char *tail);
void gri_print_await(const gri_method *method, gri_output *out, const char *tail);
void gri_print_one_way(const gri_kind *kind, const gri_method *method, gri_output *out,
                       const char *tail);

static inline bool gri_method_is_one_way(const gri_method *method)
{
    return method->options->has_one_way && method->options->one_way;
}

static inline bool gri_kind_is_stateless(const gri_kind *kind)
{
    return kind->options->has_stateless && kind->options->stateless;
}

#endif
