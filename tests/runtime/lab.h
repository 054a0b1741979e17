/*
 * The laboratory of the runtime's tests: one system, on the stepped dispatcher or on threads, with
 * a notebook that handlers write to and the test waits on, a probe actor that does what it is told
 * in its own turn, and a record of dead letters and of supervisors' decisions. The test's thread
 * owns it; handlers only call lab_note() and lab_require(). It never sleeps: it waits for notes,
 * futures and counters.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LAB_H
#define LAB_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <granary/runtime_spi.h>

enum { LAB_EVENTS_MAX = 4096, LAB_WAIT_S = 60, LAB_SEED = 4711 };

struct lab {
    gr_system *sys;
    gr_stepped *stepped; /* NULL: worker threads */
    gr_system_options options;
    gr_subscription *subscription;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char **notes;                                   /* lock */
    size_t note_count;                              /* lock */
    size_t note_room;                               /* lock */
    gr_dead_letter dead[LAB_EVENTS_MAX];            /* lock; the first ones */
    size_t dead_count;                              /* lock; all of them */
    gr_supervision_event decisions[LAB_EVENTS_MAX]; /* lock; the first ones */
    size_t decision_count;                          /* lock; all of them */
    void **owned;                                   /* freed with the laboratory */
    size_t owned_count;
};

/* Setups and the teardown for cmocka; `*state` becomes a struct lab. */
int lab_stepped(void **state);
int lab_threads(void **state);
int lab_one_worker(void **state);
int lab_close(void **state);

/* One test on one dispatcher, or the same test on both. */
#define LAB_STEPPED(test)                                                                          \
    {                                                                                              \
#test " (stepped)", test, lab_stepped, lab_close, NULL                                     \
    }
#define LAB_THREADS(test)                                                                          \
    {                                                                                              \
#test " (threads)", test, lab_threads, lab_close, NULL                                     \
    }
#define LAB_ONE_WORKER(test)                                                                       \
    {                                                                                              \
#test " (one worker)", test, lab_one_worker, lab_close, NULL                               \
    }
#define LAB_BOTH(test) LAB_STEPPED(test), LAB_THREADS(test)

/* A number that fits the build: a tenth under a sanitizer, whole otherwise. */
size_t lab_scaled(size_t whole);

/* Pages of this process: all that it has addresses of, or those that are there; 0 where that is not to be found out, or a tool
 * adds its own. */
size_t lab_pages(bool there);

/* Replaces the system by one with these options; dispatcher and recorder stay. */
void lab_reopen(struct lab *lab, const gr_system_options *options);
/* Stops and frees the system early. */
void lab_shut(struct lab *lab);
/* Memory that lives as long as the laboratory, zeroed. */
void *lab_own(struct lab *lab, size_t bytes);

/* ---- the notebook */

/* Writes a line; any thread, any handler. */
void lab_note(struct lab *lab, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* How often a line stands there. */
size_t lab_count(struct lab *lab, const char *note);
/* Waits until a line stands there `times` times; fails the test after LAB_WAIT_S, or when stepped
 * and idle. */
void lab_wait_times(struct lab *lab, const char *note, size_t times);
void lab_wait(struct lab *lab, const char *note);
/* The place of a line, counted from 0; fails the test when it is not there. */
size_t lab_place(struct lab *lab, const char *note);
/* All lines that begin with `prefix`, joined by '|', compared with `want`. */
void lab_assert_notes(struct lab *lab, const char *prefix, const char *want);

/* Ends the process with a sentence; for handlers, where cmocka's assertions must not be used. */
#define lab_require(holds) ((holds) ? (void)0 : lab_require_failed(#holds, __FILE__, __LINE__))
void lab_require_failed(const char *what, const char *file, int line) __attribute__((noreturn));

/* Waits until something that is not noted becomes true, such as a counter. */
#define LAB_EVENTUALLY(lab, holds)                                                                 \
    do {                                                                                           \
        int64_t give_up_ms = lab_real_ms() + lab_patience_s() * 1000;                              \
        while (!(holds) && lab_real_ms() < give_up_ms) {                                           \
            lab_breathe(lab);                                                                      \
        }                                                                                          \
        assert_true(holds);                                                                        \
    } while (0)
int64_t lab_real_ms(void);
/* LAB_WAIT_S, and more where a tool makes everything slow. */
int64_t lab_patience_s(void);
void lab_breathe(struct lab *lab);

/* ---- time; stepped only but for lab_run(), which does nothing on threads */
void lab_run(struct lab *lab);
void lab_advance(struct lab *lab, int64_t ms);

/* ---- events */
size_t lab_dead(struct lab *lab);
size_t lab_decisions(struct lab *lab);
gr_dead_letter lab_dead_at(struct lab *lab, size_t index);
gr_supervision_event lab_decision_at(struct lab *lab, size_t index);

/* ---- messages and the probe */

/* A plain word: a probe notes "<name> <number>" and answers it with the same number. */
typedef struct lab_word {
    int64_t number;
    gr_pid from;
} lab_word;
extern const gr_type lab_word_type;

/* Something to be done in the probe's turn. Its error is the handler's; GR_OK is answered with a
 * word 0. */
typedef gr_err (*lab_act_fn)(gr_context *ctx, struct lab *lab, void *arg);
typedef struct lab_act {
    lab_act_fn fn;
    void *arg;
} lab_act;
extern const gr_type lab_act_type;

gr_msg *lab_word_new(int64_t number);
gr_msg *lab_act_new(lab_act_fn fn, void *arg);

/* Who a probe is; what lab_probe_props() puts into props->arg. */
typedef struct lab_probe {
    struct lab *lab;
    const char *name;
} lab_probe;

/*
 * The props of a probe, to be changed before the spawn. It notes "<name> started", "<name>
 * <number>",
 * "<name> sees <reason>" for each gr_terminated and "<name> stopped <reason>".
 */
gr_props lab_probe_props(struct lab *lab, const char *name);
/* A probe without a parent, under its name. */
gr_pid lab_spawn(struct lab *lab, const char *name);
gr_pid lab_spawn_props(struct lab *lab, const gr_props *props, const char *name);
const char *lab_reason(gr_reason reason);

/* Sends a word that must be accepted. */
void lab_tell(struct lab *lab, gr_pid to, int64_t number);
/* Has a probe do something, without waiting. */
void lab_do(struct lab *lab, gr_pid probe, lab_act_fn fn, void *arg);
/* Has a probe do something and waits for its result. */
gr_err lab_make(struct lab *lab, gr_pid probe, lab_act_fn fn, void *arg);
/* Returns when the probe has handled all that was sent to it before. */
void lab_flush(struct lab *lab, gr_pid probe);

/* Acts that many tests need; `arg` is a gr_pid where there is one. */
gr_err lab_act_fail(gr_context *ctx, struct lab *lab, void *arg);
gr_err lab_act_watch(gr_context *ctx, struct lab *lab, void *arg);
gr_err lab_act_unwatch(gr_context *ctx, struct lab *lab, void *arg);

/* A child probe of a probe. */
gr_pid lab_spawn_child(struct lab *lab, gr_pid parent, const char *name);
gr_pid lab_spawn_child_props(struct lab *lab, gr_pid parent, const gr_props *props,
                             const char *name);

#endif
