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

/* Names of the application's codes, so many that they may stand in one line together. */
enum { APP_NAMES = 4, APP_NAME_BYTES = 24 };
static _Thread_local char app_names[APP_NAMES][APP_NAME_BYTES];
static _Thread_local unsigned app_names_made;

GRI_THREAD_LOCAL bool gri_error_over;

static bool is_of_application(unsigned code)
{
    return code >= GR_EAPP && code <= GR_EAPP_LAST;
}

static const char *name_of_application(unsigned code)
{
    char *name = app_names[app_names_made++ % APP_NAMES];

    (void)snprintf(name, APP_NAME_BYTES, "GR_EAPP+%u", code - GR_EAPP);
    return name;
}

const char *gr_err_name(gr_err code)
{
    unsigned number = (unsigned)code & ~(unsigned)GR_FATAL;

    switch (number) {
#define NAME_CASE(name, number, text)                                                              \
    case number:                                                                                   \
        return #name;
        GR_ERRORS(NAME_CASE)
#undef NAME_CASE
    default:
        return number == GR_EAPP           ? "GR_EAPP"
               : is_of_application(number) ? name_of_application(number)
                                           : "GR_E?";
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
        return is_of_application((unsigned)code & ~(unsigned)GR_FATAL)
                   ? "an error of the application"
                   : "an unknown error";
    }
}

const gr_error *gr_last_error(void)
{
    static const gr_error none;

    return gri_error_over ? &none : &last_error;
}

gr_err gr_error_set(gr_err code, const char *file, int line, const char *format, ...)
{
    va_list args;
    gr_error error = {.code = code, .line = line, .file = file};
    int begun = 0;

    if (((unsigned)code & ~(unsigned)GR_FATAL) == GR_OK) {
        error.code = GR_EINVAL;
        begun = snprintf(error.text, sizeof(error.text),
                         "gr_fail(GR_OK) is no failure; it should have said: ");
    }
    va_start(args, format);
    (void)vsnprintf(error.text + begun, sizeof(error.text) - (size_t)begun, format, args);
    va_end(args);
    last_error = error; /* last: the arguments may point into the old one */
    gri_error_over = false;
    return error.code;
}

void gri_error_restore(const gr_error *kept)
{
    last_error = *kept;
    gri_error_over = kept->code == GR_OK;
}

gr_err gri_fail_plainly(gr_err code, const char *text)
{
    last_error.code = code;
    last_error.file = NULL;
    last_error.line = 0;
    memcpy(last_error.text, text, strlen(text) + 1);
    gri_error_over = false;
    return code;
}
