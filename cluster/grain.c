/*
 * What a grain's methods may do: the public functions that take a gr_grain. All run on the activation's fiber, inside a
 * turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>

#include "turn.h"

void *gr_grain_data(gr_grain *grain)
{
    return grain->live->data;
}

const char *gr_grain_identity(const gr_grain *grain)
{
    return grain->live->activation->identity;
}

const char *gr_grain_kind(const gr_grain *grain)
{
    return grain->live->activation->hosted->info->name;
}

gr_caller *gr_grain_caller(gr_grain *grain)
{
    return &grain->caller;
}

uint64_t gr_grain_node(const gr_grain *grain)
{
    return grain->live->activation->slice->host->node;
}

void *gr_grain_alloc(gr_grain *grain, size_t bytes)
{
    return gr_context_alloc(grain->ctx, bytes);
}

char *gr_grain_text(gr_grain *grain, const char *format, ...)
{
    va_list args;
    va_list again;
    int bytes = 0;
    char *text = NULL;

    va_start(args, format);
    va_copy(again, args);
    bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = bytes < 0 ? NULL : gr_context_alloc(grain->ctx, (size_t)bytes + 1);
    if (text != NULL) {
        (void)vsnprintf(text, (size_t)bytes + 1, format, again);
    }
    va_end(again);
    return text;
}

void gr_grain_deactivate(gr_grain *grain)
{
    grain->ask_end = true;
}

bool gr_grain_cancelled(const gr_grain *grain)
{
    return grain->call != NULL &&
           gr_system_now(gr_context_system(grain->ctx)) >= grain->deadline_ms;
}

gr_err gr_grain_fail(gr_grain *grain, gr_err code, const gr_type *details_type, const void *details,
                     const char *format, ...)
{
    char text[GR_ERROR_TEXT_BYTES];
    size_t bytes = details_type->codec == NULL
                       ? SIZE_MAX
                       : details_type->codec->packed_bytes(details_type, details);
    uint8_t *packed =
        bytes == SIZE_MAX ? NULL : gr_context_alloc(grain->ctx, bytes == 0 ? 1 : bytes);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (packed != NULL) {
        details_type->codec->pack(details_type, details, packed);
        grain->details_type = details_type->name;
        grain->details = packed;
        grain->details_bytes = bytes;
    }
    return gr_fail(code, "%s", text);
}

void gr_grain_panic(gr_grain *grain, gr_err code, const char *format, ...)
{
    char text[GR_ERROR_TEXT_BYTES];
    gr_context *ctx = grain->ctx;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gri_activation_crashed(grain, code, text);
    gr_panic(ctx, code, "%s", text);
}
