/*
 * The log of a system: lines for a function of the application, or for stderr when it has given none. Written by whichever
 * thread has something to say, also from the small stack of a fiber. What may be said very often is said once in LIMIT_MS,
 * with how often it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <gri/fail.h>

#include "os.h"

enum { LIMIT_MS = 1000, TEXT_BYTES = 1024 };

void gr_log_none(void *arg, gr_log_level level, const char *id, const char *text)
{
    (void)arg;
    (void)level;
    (void)id;
    (void)text;
}

void gr_log_stderr(void *arg, gr_log_level level, const char *id, const char *text)
{
    static const char *const names[] = {"warn", "error", "warn", "info", "debug"};
    char line[TEXT_BYTES + 200];
    char when[32];
    int64_t now_ms = gri_os_wall_ms();
    time_t now = (time_t)(now_ms / 1000);
    struct tm utc;
    int length = 0;

    (void)arg;
    (void)gmtime_r(&now, &utc);
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    length = snprintf(line, sizeof(line), "%s.%03dZ %s %s %s\n", when, (int)(now_ms % 1000),
                      (unsigned)level > (unsigned)GR_LOG_DEBUG ? "?" : names[level], id, text);
    if (length >= (int)sizeof(line)) {
        length = (int)sizeof(line) - 1;
        line[length - 1] = '\n';
    }
    if (length > 0) { /* at once, so that the lines of different threads do not mix */
        (void)fwrite(line, 1, (size_t)length, stderr);
    }
}

void gri_log_init(gr_system *sys, const gr_system_options *options)
{
    sys->log = options->log == NULL          ? gr_log_stderr
               : options->log == gr_log_none ? NULL
                                             : options->log;
    sys->log_arg = options->log_arg;
    sys->log_level = options->log_level == GR_LOG_DEFAULT ? GR_LOG_WARN : options->log_level;
}

void gr_system_log(gr_system *sys, gr_log_level level, const char *id, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    gr_error kept;

    if (!gri_log_wants(sys, level)) {
        return;
    }
    kept = *gr_last_error(); /* logging is not failing */
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sys->log(sys->log_arg, level, id, text);
    gri_error_restore(&kept);
}

bool gri_log_due(gr_system *sys, gri_log_limit *limit, uint64_t *out_times)
{
    int64_t now_ms = gr_system_now(sys);
    /* Relaxed: the swap below decides. */
    int_fast64_t at_ms = atomic_load_explicit(&limit->at_ms, memory_order_relaxed);

    gri_count(&limit->times, 1);
    if (now_ms < at_ms ||
        !atomic_compare_exchange_strong_explicit(&limit->at_ms, &at_ms, now_ms + LIMIT_MS,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        return false;
    }
    *out_times = atomic_exchange_explicit(&limit->times, 0, memory_order_relaxed); /* a count */
    return true;
}

void gri_log_unheard(gri_actor *actor, const gr_msg *msg, const gr_error *error)
{
    gr_system *sys = actor->base.sys;
    char pid[GR_PID_TEXT_BYTES];
    char who[GRI_DESCRIPTION_BYTES];
    uint64_t times = 0;

    gri_count(&sys->errors_unheard, 1);
    if (!gri_log_wants(sys, GR_LOG_WARN) || !gri_log_due(sys, &sys->unheard_log, &times)) {
        return;
    }
    gri_actor_describe(actor, who);
    gr_system_log(sys, GR_LOG_WARN, "GR-ACTOR-ERROR",
                  "actor %s (%s%s) returned an error for a %s that nobody waits for: %s: %s (%llu "
                  "such error%s since the last line)",
                  gr_pid_format(gri_actor_pid(actor), pid), actor->props.type_name, who,
                  msg == NULL ? "continuation" : gr_msg_type(msg)->name, gr_err_name(error->code),
                  error->text, (unsigned long long)times, times == 1 ? "" : "s");
}
