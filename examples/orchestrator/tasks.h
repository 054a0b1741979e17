/*
 * Tasks as graphs of steps, and what has become of each step. In a service this would be a database; here it is a table behind
 * a lock, which any thread may use. Whoever wants to do something about a step or a task claims it first, and a claim is
 * granted once: so nothing is done twice, however often it is asked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TASKS_H
#define TASKS_H

#include <pthread.h>

#include <granary/runtime.h>

enum { TASKS_MAX = 16, STEPS_MAX = 8, ATTEMPTS_MAX = 3, FIRST_DELAY_MS = 50 };

typedef struct step_plan {
    const char *name;
    unsigned after; /* bits of the steps that have to be done before */
    int failures;   /* so many attempts of it fail */
    bool stutters;  /* its worker sends each result twice */
} step_plan;

typedef struct graph {
    const char *name;
    int count;
    step_plan steps[STEPS_MAX];
} graph;

typedef enum step_state {
    STEP_OPEN,
    STEP_CLAIMED,
    STEP_DELAYED,
    STEP_DONE,
    STEP_FAILED
} step_state;

typedef struct task {
    const graph *plan;
    step_state steps[STEPS_MAX];
    int attempts[STEPS_MAX];
    gr_pid done; /* told when the task is over */
    bool ended;
} task;

typedef struct tasks {
    pthread_mutex_t lock;
    task at[TASKS_MAX]; /* lock */
    int count;          /* lock */
} tasks;

/** One attempt of one step. */
typedef struct attempt {
    int task;
    int step;
    int number; /* 1 is the first */
} attempt;

/** What a result has led to. */
typedef struct progress {
    bool known;       /* the result of this attempt had been recorded before */
    int64_t delay_ms; /* 0: no further attempt of this step */
    bool over;        /* no step of the task is under way or to come */
} progress;

void tasks_init(tasks *all);
void tasks_fini(tasks *all);

/** Refuses a graph that is empty, too large, or waits for itself. `plan` outlives the tasks. */
gr_err tasks_add(tasks *all, const graph *plan, gr_pid done, int *out_task);
const graph *tasks_plan(tasks *all, int number);

/** Claims a step of which all those before are done; false: there is none, or somebody else was faster. */
bool tasks_claim_step(tasks *all, int number, attempt *out_attempt);

/** Records how an attempt went. */
progress tasks_record(tasks *all, attempt which, bool succeeded);

/** The delay after a failed attempt is over: the step may be claimed again. */
void tasks_reopen(tasks *all, attempt which);

/** The nth step that waits for the end of its delay; false: there are not so many. */
bool tasks_delayed(tasks *all, int n, attempt *out_attempt);

/** Claims the end of a task; false: it is not over, or somebody has ended it. */
bool tasks_claim_end(tasks *all, int number, gr_pid *out_done, bool *out_succeeded);

#endif
