/*
 * The laboratory of the runtime's tests; see lab.h. The notebook and the records are written by any
 * thread under one lock; everything else belongs to the test's thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

const gr_type lab_word_type = GR_TYPE(lab_word);
const gr_type lab_act_type = GR_TYPE(lab_act);

size_t lab_scaled(size_t whole)
{
    size_t scaled = whole / LAB_SHRINK; /* the build says by how much: sanitizers are slow */

    if (RUNNING_ON_VALGRIND) { /* so is valgrind, and it knows of some thousand stacks at most */
        scaled /= 10;
    }
    return scaled == 0 ? 1 : scaled;
}

size_t lab_pages(bool there)
{
    FILE *file = RUNNING_ON_VALGRIND || LAB_SHRINK != 1 ? NULL : fopen("/proc/self/statm", "re");
    unsigned long all = 0, here = 0;

    if (file != NULL) {
        assert_int_equal(fscanf(file, "%lu %lu", &all, &here), 2);
        assert_int_equal(fclose(file), 0);
    }
    return there ? here : all;
}

int64_t lab_real_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t lab_patience_s(void)
{
    return RUNNING_ON_VALGRIND ? (int64_t)10 * LAB_WAIT_S : LAB_WAIT_S;
}

void lab_breathe(struct lab *lab)
{
    if (lab->stepped != NULL) {
        gr_stepped_run_until_idle(lab->stepped);
    }
    (void)sched_yield();
}

void lab_require_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: a handler found that this does not hold: %s\n", file, line, what);
    abort();
}

/* ---- opening and closing */

static void on_event(void *arg, const gr_type *type, const void *event)
{
    struct lab *lab = arg;

    (void)pthread_mutex_lock(&lab->lock);
    if (type == &gr_dead_letter_type) {
        if (lab->dead_count < LAB_EVENTS_MAX) {
            lab->dead[lab->dead_count] = *(const gr_dead_letter *)event;
        }
        lab->dead_count++;
    } else if (type == &gr_supervision_event_type) {
        if (lab->decision_count < LAB_EVENTS_MAX) {
            lab->decisions[lab->decision_count] = *(const gr_supervision_event *)event;
        }
        lab->decision_count++;
    }
    (void)pthread_cond_broadcast(&lab->changed);
    (void)pthread_mutex_unlock(&lab->lock);
}

static void open_system(struct lab *lab)
{
    if (lab->options.log == NULL) { /* tests fail on purpose, all the time */
        lab->options.log = gr_log_none;
    }
    assert_int_equal(gr_system_new(&lab->options, &lab->sys), GR_OK);
    assert_int_equal(gr_subscribe(lab->sys, NULL, on_event, lab, &lab->subscription), GR_OK);
}

static int open_lab(void **state, bool stepped, uint32_t workers)
{
    struct lab *lab = calloc(1, sizeof(*lab));

    if (lab == NULL) {
        return -1;
    }
    *state = lab;
    (void)pthread_mutex_init(&lab->lock, NULL);
    (void)pthread_cond_init(&lab->changed, NULL);
    if (stepped) {
        assert_int_equal(gr_stepped_new(LAB_SEED, &lab->stepped), GR_OK);
    }
    lab->options.stepped = lab->stepped;
    lab->options.workers = workers;
    open_system(lab);
    return 0;
}

int lab_stepped(void **state)
{
    return open_lab(state, true, 0);
}

int lab_threads(void **state)
{
    return open_lab(state, false, 3);
}

int lab_one_worker(void **state)
{
    return open_lab(state, false, 1);
}

void lab_shut(struct lab *lab)
{
    if (lab->sys != NULL) {
        (void)gr_system_stop(lab->sys, GR_FOREVER);
        lab->subscription = gr_unsubscribe(lab->subscription);
        lab->sys = gr_system_free(lab->sys);
    }
}

void lab_reopen(struct lab *lab, const gr_system_options *options)
{
    uint32_t workers = lab->options.workers;

    lab_shut(lab);
    lab->options = *options;
    lab->options.stepped = lab->stepped;
    if (lab->options.workers == 0) {
        lab->options.workers = workers;
    }
    open_system(lab);
}

int lab_close(void **state)
{
    struct lab *lab = *state;

    lab_shut(lab);
    lab->stepped = gr_stepped_free(lab->stepped);
    for (size_t i = 0; i < lab->note_count; i++) {
        free(lab->notes[i]);
    }
    for (size_t i = 0; i < lab->owned_count; i++) {
        free(lab->owned[i]);
    }
    free(lab->notes);
    free(lab->owned);
    (void)pthread_cond_destroy(&lab->changed);
    (void)pthread_mutex_destroy(&lab->lock);
    free(lab);
    return 0;
}

void *lab_own(struct lab *lab, size_t bytes)
{
    void *block = calloc(1, bytes);
    void **grown = realloc(lab->owned, (lab->owned_count + 1) * sizeof(*grown));

    lab_require(block != NULL && grown != NULL);
    lab->owned = grown;
    lab->owned[lab->owned_count++] = block;
    return block;
}

/* ---- the notebook */

void lab_note(struct lab *lab, const char *format, ...)
{
    char line[256];
    va_list args;
    char *copy = NULL;

    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    copy = strdup(line);
    lab_require(copy != NULL);
    (void)pthread_mutex_lock(&lab->lock);
    if (lab->note_count == lab->note_room) {
        lab->note_room = lab->note_room == 0 ? 64 : 2 * lab->note_room;
        lab->notes = realloc(lab->notes, lab->note_room * sizeof(*lab->notes));
        lab_require(lab->notes != NULL);
    }
    lab->notes[lab->note_count++] = copy;
    (void)pthread_cond_broadcast(&lab->changed);
    (void)pthread_mutex_unlock(&lab->lock);
}

static size_t count_locked(const struct lab *lab, const char *note)
{
    size_t found = 0;

    for (size_t i = 0; i < lab->note_count; i++) {
        found += strcmp(lab->notes[i], note) == 0;
    }
    return found;
}

size_t lab_count(struct lab *lab, const char *note)
{
    size_t found = 0;

    (void)pthread_mutex_lock(&lab->lock);
    found = count_locked(lab, note);
    (void)pthread_mutex_unlock(&lab->lock);
    return found;
}

static void print_notes_locked(const struct lab *lab)
{
    size_t from = lab->note_count > 60 ? lab->note_count - 60 : 0;

    for (size_t i = from; i < lab->note_count; i++) {
        fprintf(stderr, "    note %zu: %s\n", i, lab->notes[i]);
    }
}

void lab_wait_times(struct lab *lab, const char *note, size_t times)
{
    struct timespec until;
    size_t found = 0;
    int waited = 0;

    lab_run(lab);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += lab_patience_s();
    (void)pthread_mutex_lock(&lab->lock);
    while ((found = count_locked(lab, note)) < times && waited != ETIMEDOUT &&
           lab->stepped == NULL) {
        waited = pthread_cond_timedwait(&lab->changed, &lab->lock, &until);
    }
    if (found < times) {
        print_notes_locked(lab);
    }
    (void)pthread_mutex_unlock(&lab->lock);
    if (found < times) {
        gr_system_dump(lab->sys, stderr);
        fail_msg("'%s' was noted %zu times, not %zu times", note, found, times);
    }
}

void lab_wait(struct lab *lab, const char *note)
{
    lab_wait_times(lab, note, 1);
}

size_t lab_place(struct lab *lab, const char *note)
{
    size_t place = 0;
    size_t count = 0;

    (void)pthread_mutex_lock(&lab->lock);
    count = lab->note_count;
    while (place < count && strcmp(lab->notes[place], note) != 0) {
        place++;
    }
    if (place == count) {
        print_notes_locked(lab);
    }
    (void)pthread_mutex_unlock(&lab->lock);
    if (place == count) {
        fail_msg("'%s' was not noted", note);
    }
    return place;
}

void lab_assert_notes(struct lab *lab, const char *prefix, const char *want)
{
    char all[8192] = "";
    size_t used = 0;

    (void)pthread_mutex_lock(&lab->lock);
    for (size_t i = 0; i < lab->note_count; i++) {
        if (strncmp(lab->notes[i], prefix, strlen(prefix)) == 0 && used < sizeof(all)) {
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used == 0 ? "" : "|",
                                     lab->notes[i]);
        }
    }
    (void)pthread_mutex_unlock(&lab->lock);
    assert_string_equal(all, want);
}

/* ---- time and events */

void lab_run(struct lab *lab)
{
    if (lab->stepped != NULL) {
        gr_stepped_run_until_idle(lab->stepped);
    }
}

void lab_advance(struct lab *lab, int64_t ms)
{
    assert_non_null(lab->stepped);
    gr_stepped_advance(lab->stepped, ms);
    gr_stepped_run_until_idle(lab->stepped);
}

size_t lab_dead(struct lab *lab)
{
    size_t count = 0;

    (void)pthread_mutex_lock(&lab->lock);
    count = lab->dead_count;
    (void)pthread_mutex_unlock(&lab->lock);
    return count;
}

size_t lab_decisions(struct lab *lab)
{
    size_t count = 0;

    (void)pthread_mutex_lock(&lab->lock);
    count = lab->decision_count;
    (void)pthread_mutex_unlock(&lab->lock);
    return count;
}

gr_dead_letter lab_dead_at(struct lab *lab, size_t index)
{
    gr_dead_letter letter;

    (void)pthread_mutex_lock(&lab->lock);
    lab_require(index < lab->dead_count && index < LAB_EVENTS_MAX);
    letter = lab->dead[index];
    (void)pthread_mutex_unlock(&lab->lock);
    return letter;
}

gr_supervision_event lab_decision_at(struct lab *lab, size_t index)
{
    gr_supervision_event decision;

    (void)pthread_mutex_lock(&lab->lock);
    lab_require(index < lab->decision_count && index < LAB_EVENTS_MAX);
    decision = lab->decisions[index];
    (void)pthread_mutex_unlock(&lab->lock);
    return decision;
}
