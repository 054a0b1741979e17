/*
 * The table of tasks. Each public function takes the lock once; nothing is called while it is held.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tasks.h"

#include <string.h>

void tasks_init(tasks *all)
{
    memset(all, 0, sizeof(*all));
    pthread_mutex_init(&all->lock, NULL);
}

void tasks_fini(tasks *all)
{
    pthread_mutex_destroy(&all->lock);
}

static unsigned bit(int step)
{
    return 1u << step;
}

static unsigned all_bits(const graph *plan)
{
    return bit(plan->count) - 1;
}

/* The steps that can be done one after the other, each when those before it are; all of them unless some wait for each other. */
static unsigned reachable(const graph *plan)
{
    unsigned done = 0;

    for (int round = 0; round < plan->count; round++) {
        for (int i = 0; i < plan->count; i++) {
            done |= (plan->steps[i].after & ~done) == 0 ? bit(i) : 0;
        }
    }
    return done;
}

static gr_err add_locked(tasks *all, const graph *plan, gr_pid done, int *out_task)
{
    if (all->count == TASKS_MAX) {
        return gr_fail(GR_EBUSY, "no more than %d tasks", TASKS_MAX);
    }
    all->at[all->count] = (task){.plan = plan, .done = done};
    *out_task = all->count++;
    return GR_OK;
}

gr_err tasks_add(tasks *all, const graph *plan, gr_pid done, int *out_task)
{
    gr_err err;

    if (plan->count < 1 || plan->count > STEPS_MAX) {
        return gr_fail(GR_EINVAL, "a task has 1 to %d steps, not %d", STEPS_MAX, plan->count);
    }
    if (reachable(plan) != all_bits(plan)) {
        return gr_fail(GR_EINVAL, "steps of it wait for each other");
    }
    pthread_mutex_lock(&all->lock);
    err = add_locked(all, plan, done, out_task);
    pthread_mutex_unlock(&all->lock);
    return err;
}

const graph *tasks_plan(tasks *all, int number)
{
    const graph *plan = NULL;

    pthread_mutex_lock(&all->lock);
    plan = all->at[number].plan;
    pthread_mutex_unlock(&all->lock);
    return plan;
}

/* The steps of a task that are in a state, as bits. */
static unsigned in_state_locked(const task *what, step_state state)
{
    unsigned bits = 0;

    for (int i = 0; i < what->plan->count; i++) {
        bits |= what->steps[i] == state ? bit(i) : 0;
    }
    return bits;
}

static bool over_locked(const task *what)
{
    bool under_way =
        (in_state_locked(what, STEP_CLAIMED) | in_state_locked(what, STEP_DELAYED)) != 0;
    bool failed = in_state_locked(what, STEP_FAILED) != 0;

    return !under_way && (failed || in_state_locked(what, STEP_DONE) == all_bits(what->plan));
}

bool tasks_claim_step(tasks *all, int number, attempt *out_attempt)
{
    bool found = false;

    pthread_mutex_lock(&all->lock);
    task *what = &all->at[number];
    unsigned done = in_state_locked(what, STEP_DONE);
    bool failed = in_state_locked(what, STEP_FAILED) != 0; /* then nothing new is begun */

    for (int i = 0; !found && !failed && i < what->plan->count; i++) {
        if (what->steps[i] == STEP_OPEN && (what->plan->steps[i].after & ~done) == 0) {
            what->steps[i] = STEP_CLAIMED;
            *out_attempt = (attempt){number, i, ++what->attempts[i]};
            found = true;
        }
    }
    pthread_mutex_unlock(&all->lock);
    return found;
}

progress tasks_record(tasks *all, attempt which, bool succeeded)
{
    progress made = {0};

    pthread_mutex_lock(&all->lock);
    task *what = &all->at[which.task];

    made.known =
        what->steps[which.step] != STEP_CLAIMED || what->attempts[which.step] != which.number;
    if (!made.known && succeeded) {
        what->steps[which.step] = STEP_DONE;
    } else if (!made.known && which.number == ATTEMPTS_MAX) {
        what->steps[which.step] = STEP_FAILED;
    } else if (!made.known) {
        what->steps[which.step] = STEP_DELAYED;
        made.delay_ms = (int64_t)FIRST_DELAY_MS << (which.number - 1);
    }
    made.over = over_locked(what);
    pthread_mutex_unlock(&all->lock);
    return made;
}

void tasks_reopen(tasks *all, attempt which)
{
    pthread_mutex_lock(&all->lock);
    step_state *state = &all->at[which.task].steps[which.step];

    *state = *state == STEP_DELAYED ? STEP_OPEN : *state;
    pthread_mutex_unlock(&all->lock);
}

bool tasks_delayed(tasks *all, int n, attempt *out_attempt)
{
    bool found = false;

    pthread_mutex_lock(&all->lock);
    for (int number = 0; !found && number < all->count; number++) {
        const task *what = &all->at[number];

        for (int i = 0; !found && i < what->plan->count; i++) {
            if (what->steps[i] == STEP_DELAYED && n-- == 0) {
                *out_attempt = (attempt){number, i, what->attempts[i]};
                found = true;
            }
        }
    }
    pthread_mutex_unlock(&all->lock);
    return found;
}

bool tasks_claim_end(tasks *all, int number, gr_pid *out_done, bool *out_succeeded)
{
    bool granted = false;

    pthread_mutex_lock(&all->lock);
    task *what = &all->at[number];

    if (over_locked(what) && !what->ended) {
        what->ended = true;
        *out_done = what->done;
        *out_succeeded = in_state_locked(what, STEP_FAILED) == 0;
        granted = true;
    }
    pthread_mutex_unlock(&all->lock);
    return granted;
}
