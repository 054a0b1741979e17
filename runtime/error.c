/*
 * Names and texts of the error codes, and the detail of each thread's last failure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <gri/fail.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local gr_error last_error;

const char *gr_err_name(gr_err code)
{
    switch ((unsigned)code & ~(unsigned)GR_FATAL) {
#define NAME_CASE(name, number, text)                                                              \
    case number:                                                                                   \
        return #name;
        GR_ERRORS(NAME_CASE)
#undef NAME_CASE
    default:
        return (int)code >= GR_EAPP && (int)code < GR_FATAL ? "GR_EAPP" : "GR_E?";
    }
}

const char *gr_err_text(gr_err code)
{
    switch ((unsigned)code & ~(unsigned)GR_FATAL) {
#define TEXT_CASE(name, number, text)                                                              \
    case number:                                                                                   \
        return text;
        GR_ERRORS(TEXT_CASE)
#undef TEXT_CASE
    default:
        return (int)code >= GR_EAPP && (int)code < GR_FATAL ? "an error of the application"
                                                            : "an unknown error";
    }
}

const gr_error *gr_last_error(void)
{
    return &last_error;
}

gr_err gr_error_set(gr_err code, const char *file, int line, const char *format, ...)
{
    va_list args;
    gr_error error = {.code = code, .line = line, .file = file};

    va_start(args, format);
    (void)vsnprintf(error.text, sizeof(error.text), format, args);
    va_end(args);
    last_error = error; /* last: the arguments may point into the old one */
    return code;
}

gr_err gri_fail_plainly(gr_err code)
{
    const char *text = gr_err_text(code);

    last_error.code = code;
    last_error.file = NULL;
    last_error.line = 0;
    memcpy(last_error.text, text, strlen(text) + 1); /* a constant, far shorter than the room */
    return code;
}
