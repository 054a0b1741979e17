/*
 * The stepped dispatcher: one thread, virtual time, the next actor chosen by a seed. One worker serves all the systems that
 * joined a stepper; each turn is one message. The same seed gives the same run.
 * Random numbers: xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <stdio.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "overrun.h"

/* Virtual time begins here, so that "one lease ago" is still a time. */
enum { TIME_BEGINS_MS = 1000000 };

struct gr_stepped {
    gri_worker worker;
    gri_signal_stack signals; /* of the one thread */
    uint64_t random;
    int64_t now_ms;
    gri_actor **ready; /* those that may run, of all systems */
    size_t ready_count, ready_room;
    size_t stalled_count; /* systems */
    bool step_due;        /* the loop may take one more actor */
    bool stepping;        /* inside a step: waits in it are fibers' */
    LIST_HEAD(, gr_system) systems;
    gr_trace_fn trace;
    void *trace_arg;
    uint64_t steps;
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

static void schedule(gr_system *sys, gri_actor *actor)
{
    gr_stepped *stepped = sys->stepped;

    GRI_INVARIANT(stepped->ready_count <
                  stepped->ready_room); /* reserved when the actor's object was made */
    stepped->ready[stepped->ready_count++] = actor;
}

bool gri_stepped_reserve(gr_stepped *stepped, uint32_t actors)
{
    size_t room = stepped->ready_room + actors;
    gri_actor **ready = gri_realloc(stepped->ready, room * sizeof(*ready));

    if (ready == NULL) {
        return false;
    }
    stepped->ready = ready;
    stepped->ready_room = room;
    return true;
}

static bool may_run(const gri_actor *actor)
{
    return !actor->base.sys->stalled;
}

/* The place of one of those that may run, chosen by the seed; ready_count when there is none. */
static size_t choose_place(gr_stepped *stepped)
{
    size_t candidates = stepped->ready_count, i = 0, pick = 0;

    if (stepped->stalled_count != 0) {
        for (i = 0, candidates = 0; i < stepped->ready_count; i++) {
            candidates += may_run(stepped->ready[i]) ? 1 : 0;
        }
    }
    if (candidates == 0) {
        return stepped->ready_count;
    }
    pick = (size_t)(next_random(&stepped->random) % candidates);
    if (stepped->stalled_count == 0) {
        return pick;
    }
    for (i = 0; !may_run(stepped->ready[i]) || pick-- != 0; i++) {
    }
    return i;
}

/* Removes and gives back one of those that may run; the last takes its place. */
static gri_actor *choose(gr_stepped *stepped)
{
    size_t place = choose_place(stepped);
    gri_actor *actor = NULL;

    if (place < stepped->ready_count) {
        actor = stepped->ready[place];
        stepped->ready_count--;
        stepped->ready[place] = stepped->ready[stepped->ready_count];
    }
    return actor;
}

static gri_actor *next(gri_worker *worker)
{
    gr_stepped *stepped = worker->own;

    if (!stepped->step_due) {
        return NULL;
    }
    stepped->step_due = false;
    return choose(stepped);
}

static const gri_dispatcher_ops stepped_ops = {schedule, next};

gr_err gr_stepped_new(uint64_t seed, gr_stepped **out_stepped)
{
    gr_stepped *stepped = gri_calloc(1, sizeof(*stepped));

    if (stepped == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a stepper");
    }
    stepped->random =
        (seed ^ 0x9e3779b97f4a7c15u) | (seed == 0x9e3779b97f4a7c15u); /* the state must not be 0 */
    stepped->now_ms = TIME_BEGINS_MS;
    LIST_INIT(&stepped->systems);
    gri_overrun_watch(&stepped->signals);
    *out_stepped = stepped;
    return GR_OK;
}

gr_stepped *gr_stepped_free(gr_stepped *stepped)
{
    if (stepped != NULL) {
        GRI_INVARIANT(LIST_EMPTY(&stepped->systems));
        gri_overrun_unwatch(&stepped->signals);
        gri_worker_fini(&stepped->worker);
        gri_free(stepped->ready);
        gri_free(stepped);
    }
    return NULL;
}

gr_err gri_stepped_join(gr_system *sys, gr_stepped *stepped, uint32_t stack_bytes)
{
    gr_err err = GR_OK;

    if (stepped->worker.ops == NULL) {
        err = gri_worker_init(&stepped->worker, &stepped_ops, 0, stack_bytes);
        if (err != GR_OK) {
            return err;
        }
        stepped->worker.own = stepped;
    }
    sys->stepped = stepped;
    sys->ops = &stepped_ops;
    LIST_INSERT_HEAD(&stepped->systems, sys, stepping);
    return GR_OK;
}

void gri_stepped_leave(gr_system *sys)
{
    gr_stepped *stepped = sys->stepped;
    size_t i = 0, kept = 0;

    for (i = 0; i < stepped->ready_count; i++) {
        if (stepped->ready[i]->base.sys != sys) {
            stepped->ready[kept++] = stepped->ready[i];
        }
    }
    stepped->ready_count = kept;
    gr_stepped_stall(sys, false);
    LIST_REMOVE(sys, stepping);
}

gri_worker *gri_stepped_worker(gr_stepped *stepped)
{
    return &stepped->worker;
}

bool gr_stepped_step(gr_stepped *stepped)
{
    size_t i = 0;

    GRI_INVARIANT(!stepped->stepping);
    for (i = 0; i < stepped->ready_count && !may_run(stepped->ready[i]); i++) {
    }
    if (i == stepped->ready_count) {
        return false;
    }
    stepped->step_due = true;
    stepped->stepping = true;
    stepped->steps++;
    gri_worker_run(&stepped->worker);
    stepped->stepping = false;
    return true;
}

/* The system whose alarm is next, and when; NULL when there is none. */
static gr_system *next_alarm(const gr_stepped *stepped, int64_t *out_ms)
{
    gr_system *sys = NULL, *first = NULL;

    *out_ms = INT64_MAX;
    LIST_FOREACH (sys, &stepped->systems, stepping) {
        int64_t at_ms = sys->stalled ? INT64_MAX : gri_timers_next(&sys->timers);

        if (at_ms < *out_ms) {
            *out_ms = at_ms;
            first = sys;
        }
    }
    return first;
}

/* Turns the clock on to the next alarm, at most to `until_ms`, and runs what is due; false when the end was reached. */
static bool turn_clock(gr_stepped *stepped, int64_t until_ms)
{
    int64_t at_ms = 0;
    gr_system *sys = next_alarm(stepped, &at_ms);

    if (sys == NULL || at_ms > until_ms) {
        stepped->now_ms =
            until_ms > stepped->now_ms && until_ms != INT64_MAX ? until_ms : stepped->now_ms;
        return false;
    }
    stepped->now_ms = at_ms > stepped->now_ms ? at_ms : stepped->now_ms;
    (void)gri_timers_fire_one(&sys->timers, stepped->now_ms);
    return true;
}

void gr_stepped_run_until_idle(gr_stepped *stepped)
{
    while (gr_stepped_step(stepped) || turn_clock(stepped, stepped->now_ms)) {
    }
}

void gr_stepped_advance(gr_stepped *stepped, int64_t ms)
{
    int64_t until_ms = stepped->now_ms + ms;

    gr_stepped_run_until_idle(stepped);
    while (turn_clock(stepped, until_ms)) {
        gr_stepped_run_until_idle(stepped);
    }
}

bool gri_stepped_pump(gr_stepped *stepped, gr_system *sys, bool (*done)(void *arg), void *arg,
                      int64_t deadline_ms)
{
    (void)sys;
    GRI_INVARIANT(!stepped->stepping);
    while (!done(arg)) {
        if (gr_stepped_step(stepped)) {
            continue;
        }
        if (!turn_clock(stepped, deadline_ms) && !done(arg)) {
            return false;
        }
    }
    return true;
}

int64_t gr_stepped_now(const gr_stepped *stepped)
{
    return stepped->now_ms;
}

int64_t gr_stepped_next_ms(const gr_stepped *stepped)
{
    int64_t at_ms = 0;

    (void)next_alarm(stepped, &at_ms);
    return at_ms;
}

uint64_t gr_stepped_random(gr_stepped *stepped)
{
    return next_random(&stepped->random);
}

void gr_stepped_trace(gr_stepped *stepped, gr_trace_fn fn, void *arg)
{
    stepped->trace = fn;
    stepped->trace_arg = arg;
}

void gri_stepped_handled(gr_system *sys, gri_actor *actor, const gr_msg *msg)
{
    gr_stepped *stepped = sys->stepped;
    char line[256];

    if (stepped->trace == NULL) {
        return;
    }
    (void)snprintf(line, sizeof(line), "%lld %s %u.%u %s %s",
                   (long long)(stepped->now_ms - TIME_BEGINS_MS), sys->name, actor->base.slot,
                   gri_actor_pid(actor).generation, actor->name == NULL ? "-" : actor->name,
                   gr_msg_type(msg)->name);
    stepped->trace(stepped->trace_arg, line);
}

void gr_stepped_stall(gr_system *sys, bool stalled)
{
    gr_stepped *stepped = sys->stepped;

    if (stalled && !sys->stalled) {
        stepped->stalled_count++;
    } else if (!stalled && sys->stalled) {
        stepped->stalled_count--;
    }
    sys->stalled = stalled;
}

void gr_stepped_kill(gr_system *sys)
{
    uint32_t slots = gri_process_table_slots(&sys->table);
    uint32_t slot = 0;

    GRI_INVARIANT(!sys->stepped->stepping);
    sys->killed = true;
    gr_stepped_stall(sys, true);
    atomic_store_explicit(&sys->phase, GRI_PHASE_DOWN,
                          memory_order_seq_cst); /* one thread: for the checks */
    gri_timers_clear(&sys->timers);
    gri_room_kill(sys);
    for (slot = 0; slot < slots; slot++) {
        gri_process *process = gri_process_at(&sys->table, slot);

        if (process != NULL && process->kind == GRI_ACTOR) {
            gri_actor_kill(gri_actor_of(process));
        } else if (process != NULL && process->kind == GRI_FUTURE) {
            gri_future_kill(process);
        }
    }
}
