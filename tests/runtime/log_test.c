/*
 * The log: where it goes, from which level on, and what is said of errors that nobody waits for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <unistd.h>

static void keep_line(void *arg, gr_log_level level, const char *id, const char *text)
{
    lab_note(arg, "%d %s %s", (int)level, id, strchr(text, '(') == NULL ? text : strchr(text, '('));
}

static void open_with(struct lab *lab, gr_log_fn log, gr_log_level level)
{
    gr_system_options options = {.log = log, .log_arg = lab, .log_level = level};

    lab_reopen(lab, &options);
}

/* What stderr has had, between begin() and end(). */
typedef struct capture {
    FILE *file;
    int kept;
} capture;

static capture capture_begin(void)
{
    capture made = {tmpfile(), dup(STDERR_FILENO)};

    assert_non_null(made.file);
    assert_true(dup2(fileno(made.file), STDERR_FILENO) >= 0);
    return made;
}

static void capture_end(capture *made, char *text, size_t bytes)
{
    size_t count = 0;

    assert_true(dup2(made->kept, STDERR_FILENO) >= 0);
    (void)close(made->kept);
    rewind(made->file);
    count = fread(text, 1, bytes - 1, made->file);
    text[count] = '\0';
    (void)fclose(made->file);
}

/* ---- where, and from which level on */

static void fail_and_end(struct lab *lab, gr_pid pid)
{
    lab_do(lab, pid, lab_act_fail, NULL);
    gr_send_poison(lab->sys, pid);
    assert_int_equal(gr_await_end(lab->sys, pid, LAB_WAIT_S * INT64_C(1000), NULL), GR_OK);
}

/* lab_reopen() sees to it that nothing is printed: a system of its own, as a program has it. */
static void a_system_warns_on_stderr_unless_it_is_told_otherwise(void **state)
{
    static const struct {
        gr_log_fn log;
        gr_log_level level;
        bool says;
    } cases[] = {{NULL, GR_LOG_DEFAULT, true},
                 {gr_log_stderr, GR_LOG_DEFAULT, true},
                 {NULL, GR_LOG_DEBUG, true},
                 {NULL, GR_LOG_ERROR, false},
                 {gr_log_none, GR_LOG_DEBUG, false}};
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "vase");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gr_system_options options = lab->options;
        gr_system *kept = lab->sys;
        gr_pid pid = gr_pid_null();
        char text[4096];
        capture of;
        const char *line = NULL;

        options.log = cases[i].log;
        options.log_level = cases[i].level;
        assert_int_equal(gr_system_new(&options, &lab->sys), GR_OK);
        assert_int_equal(gr_spawn(lab->sys, &props, "vase", &pid), GR_OK);
        of = capture_begin();
        fail_and_end(lab, pid);
        capture_end(&of, text, sizeof(text));
        lab->sys = gr_system_free(lab->sys);
        lab->sys = kept;
        line = strstr(text, "Z warn GR-ACTOR-FAILED actor ");
        assert_int_equal(line != NULL, cases[i].says);
        if (line != NULL) { /* one line, with the time in front */
            assert_non_null(strstr(line, "(probe vase) failed: GR_EFAILED: told to fail"));
            assert_int_equal(line - text, strlen("2026-01-01T00:00:00.000"));
            assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        } else {
            assert_string_equal(text, "");
        }
    }
}

static void a_line_that_is_too_long_is_cut(void **state)
{
    char text[4096];
    char words[3000];
    capture of = capture_begin();

    (void)state;
    memset(words, 'w', sizeof(words));
    words[sizeof(words) - 1] = '\0';
    gr_log_stderr(NULL, GR_LOG_INFO, "GR-LONG", words);
    gr_log_stderr(NULL, (gr_log_level)17, "GR-ODD", "level");
    capture_end(&of, text, sizeof(text));
    assert_non_null(strstr(text, "Z info GR-LONG www"));
    assert_non_null(strstr(text, "www\n"));
    assert_non_null(strstr(text, "Z ? GR-ODD level\n"));
}

static void warnings_are_what_a_function_gets_by_default(void **state)
{
    struct lab *lab = *state;

    open_with(lab, keep_line, GR_LOG_DEFAULT);
    fail_and_end(lab, lab_spawn(lab, "a"));
    assert_int_equal(lab_count(lab, "2 GR-ACTOR-FAILED (probe a) failed: GR_EFAILED: told to fail; "
                                    "decision: restart"),
                     1);
    open_with(lab, keep_line, GR_LOG_ERROR);
    fail_and_end(lab, lab_spawn(lab, "b"));
    lab_assert_notes(lab, "2 GR",
                     "2 GR-ACTOR-FAILED (probe a) failed: GR_EFAILED: told to fail; "
                     "decision: restart");
}

/* ---- errors that nobody waits for */

static gr_err act_refuse(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)ctx;
    (void)lab;
    (void)arg;
    return gr_fail(GR_EREFUSED, "not today");
}

static gr_err act_respond_and_refuse(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)arg;
    lab_note(lab, "responds");
    (void)gr_respond(ctx, lab_word_new(1));
    return GR_EREFUSED;
}

static gr_err refuse_later(gr_context *ctx, void *state, void *arg, gr_err err, const gr_msg *reply)
{
    (void)ctx;
    (void)state;
    (void)arg;
    (void)err;
    (void)reply;
    return GR_EBUSY; /* a bare code */
}

static gr_err start_and_refuse_later(gr_context *ctx, void *state)
{
    (void)state;
    return gr_future_then(ctx, gr_context_arg(ctx), refuse_later, NULL, NULL);
}

static gr_err nothing_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

#define UNHEARD "returned an error for a "

static void an_error_for_a_tell_is_logged_and_counted(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = gr_pid_null();

    open_with(lab, keep_line, GR_LOG_DEFAULT);
    pid = lab_spawn(lab, "a");
    lab_do(lab, pid, act_refuse, NULL);
    lab_wait(lab, "2 GR-ACTOR-ERROR (probe a) " UNHEARD
                  "lab_act that nobody waits for: GR_EREFUSED: not today (1 such error since the "
                  "last line)");
    assert_int_equal(lab_make(lab, pid, act_refuse, NULL), GR_EREFUSED);       /* heard */
    assert_int_equal(lab_make(lab, pid, act_respond_and_refuse, NULL), GR_OK); /* answered */
    lab_do(lab, pid, lab_act_fail, NULL);                                      /* decided about */
    lab_flush(lab, pid);
    assert_int_equal(gr_system_counters(lab->sys).errors_unheard, 1);
}

static void a_flood_of_errors_is_one_line_in_a_second(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = gr_pid_null();

    open_with(lab, keep_line, GR_LOG_DEFAULT);
    pid = lab_spawn(lab, "a");
    for (int i = 0; i < 1000; i++) {
        lab_do(lab, pid, act_refuse, NULL);
    }
    lab_flush(lab, pid);
    lab_advance(lab, 1000);
    lab_do(lab, pid, act_refuse, NULL);
    lab_flush(lab, pid);
    lab_assert_notes(lab, "2 GR",
                     "2 GR-ACTOR-ERROR (probe a) " UNHEARD
                     "lab_act that nobody waits for: GR_EREFUSED: not today (1 such error since "
                     "the last line)|2 GR-ACTOR-ERROR (probe a) " UNHEARD
                     "lab_act that nobody waits for: GR_EREFUSED: not today (1000 such errors "
                     "since the last line)");
    assert_int_equal(gr_system_counters(lab->sys).errors_unheard, 1001);
}

static void an_error_of_a_hooks_continuation_is_logged(void **state)
{
    struct lab *lab = *state;
    gr_future *future = NULL;
    gr_props props = {.started = start_and_refuse_later, .receive = nothing_receive};

    open_with(lab, keep_line, GR_LOG_DEFAULT);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    props.arg = future;
    (void)lab_spawn_props(lab, &props, NULL);
    assert_int_equal(gr_future_complete(future, lab_word_new(1)), GR_OK);
    lab_wait(
        lab,
        "2 GR-ACTOR-ERROR (actor) " UNHEARD
        "continuation that nobody waits for: GR_EBUSY: overloaded, try again later (1 such error "
        "since the last line)");
    future = gr_future_unref(future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(a_system_warns_on_stderr_unless_it_is_told_otherwise),
        LAB_STEPPED(a_line_that_is_too_long_is_cut),
        LAB_BOTH(warnings_are_what_a_function_gets_by_default),
        LAB_BOTH(an_error_for_a_tell_is_logged_and_counted),
        LAB_STEPPED(a_flood_of_errors_is_one_line_in_a_second),
        LAB_BOTH(an_error_of_a_hooks_continuation_is_logged),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
