/*
 * Seeing inside: counters, and a list of what is alive.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

/* A reading of a count that others go on writing. */
static uint64_t read_count(const atomic_uint_fast64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed); /* a count */
}

static void add_worker(void *arg, gri_worker *worker)
{
    gr_counters *counters = arg;

    /* Relaxed, all: counts. */
    counters->fibers += atomic_load_explicit(&worker->fibers, memory_order_relaxed);
    counters->fibers_waiting += atomic_load_explicit(&worker->waiting, memory_order_relaxed);
    counters->turns += atomic_load_explicit(&worker->turns, memory_order_relaxed);
    counters->spawned += atomic_load_explicit(&worker->spawned, memory_order_relaxed);
    counters->stopped += atomic_load_explicit(&worker->stopped, memory_order_relaxed);
}

static void each_worker(gr_system *sys, void (*fn)(void *arg, gri_worker *worker), void *arg)
{
    if (sys->stepped != NULL) {
        fn(arg, gri_stepped_worker(sys->stepped));
    }
    gri_workers_each(sys, fn, arg);
}

gr_counters gr_system_counters(gr_system *sys)
{
    gr_counters counters = {
        .actors = read_count(&sys->live),
        .spawned = read_count(&sys->spawned),
        .stopped = read_count(&sys->stopped),
        .restarts = read_count(&sys->restarts),
        .failures = read_count(&sys->failures),
        .dead_letters = read_count(&sys->dead_letters),
        .late_replies = read_count(&sys->late_replies),
        .refused = read_count(&sys->refused),
        .dropped = read_count(&sys->dropped),
        .spawns_failed = read_count(&sys->spawns_failed),
        .given_up = read_count(&sys->given_up),
        .resumes = read_count(&sys->resumes),
        .escalations = read_count(&sys->escalations),
        .timeouts = read_count(&sys->timeouts),
        .slow_handlers = read_count(&sys->slow_handlers),
        .errors_unheard = read_count(&sys->errors_unheard),
        .ticks_left_out = read_count(&sys->ticks_left_out),
    };

    each_worker(sys, add_worker, &counters);
    return counters;
}

/* ---- the dump --------------------------------------------------------------------------------------------------- */

static void dump_counters(const gr_counters *counters, uint32_t stack_bytes, FILE *out)
{
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"spawned", counters->spawned},
        {"spawns failed", counters->spawns_failed},
        {"stopped", counters->stopped},
        {"failures", counters->failures},
        {"restarts", counters->restarts},
        {"resumes", counters->resumes},
        {"escalations", counters->escalations},
        {"given up", counters->given_up},
        {"dead letters", counters->dead_letters},
        {"late replies", counters->late_replies},
        {"timeouts", counters->timeouts},
        {"refused", counters->refused},
        {"dropped", counters->dropped},
        {"slow handlers", counters->slow_handlers},
        {"errors unheard", counters->errors_unheard},
        {"ticks left out", counters->ticks_left_out},
        {"turns", counters->turns},
    };
    size_t i = 0;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)fprintf(out, ", %llu %s", (unsigned long long)rows[i].count, rows[i].name);
    }
    (void)fprintf(out, ", %llu fibers (%llu waiting), stacks of %u KiB\n",
                  (unsigned long long)counters->fibers,
                  (unsigned long long)counters->fibers_waiting, stack_bytes / 1024);
}

/* What the fiber of an actor waits for, by the slot that it has left there. */
static void dump_wait(gr_system *sys, uint32_t slot, FILE *out)
{
    gri_process *process = slot == 0 ? NULL : gri_process_at(&sys->table, slot);
    char text[GR_PID_TEXT_BYTES];

    if (process == NULL) {
        return;
    }
    if (process->kind == GRI_ACTOR) {
        (void)fprintf(out, ", waits for room in the mailbox of %s",
                      gr_pid_format(gri_process_pid(process), text));
    } else if (process->kind == GRI_FUTURE) {
        gr_pid asked = gri_future_asked(process);

        if (gr_pid_is_null(asked)) {
            (void)fprintf(out, ", waits for a future");
        } else {
            (void)fprintf(out, ", waits for an answer of %s", gr_pid_format(asked, text));
        }
    }
}

static const char *state_name(unsigned shown)
{
    static const char *const names[] = {
        [GRI_FREE] = "gone",
        [GRI_STARTING] = "starting",
        [GRI_RUNNING] = "running",
        [GRI_PAUSED] = "paused: failed, its supervisor decides",
        [GRI_RESTARTING] = "restarting: its waits and its children end",
        [GRI_STOPPING] = "stopping: its waits and its children end",
        [GRI_DELAYED] = "paused until its restart is due",
    };

    return shown < sizeof(names) / sizeof(names[0]) ? names[shown] : "?";
}

/* Only what may be read of an actor that may go at any moment, and be another: then the line may be about both. Its name
 * is read under the lock of names; those of types live as long as the system. */
static void dump_actor(gri_actor *actor, FILE *out)
{
    char text[GR_PID_TEXT_BYTES];
    char name[GRI_KNOWN_BYTES];
    gr_pid pid = gri_actor_pid(actor);
    /* Acquire: who can be asked has a type. */
    uint64_t asked = atomic_load_explicit(&actor->asked, memory_order_acquire);

    if (asked >> 32 != pid.generation) { /* nobody lives there */
        return;
    }
    /* Relaxed, all: readings. */
    (void)fprintf(out, "  actor %s (%s): mailbox %llu, %s%s", gr_pid_format(pid, text),
                  gri_name_with_type(actor, pid, name),
                  (unsigned long long)gri_mailbox_depth(&actor->mailbox),
                  state_name(atomic_load_explicit(&actor->shown, memory_order_relaxed)),
                  (atomic_load_explicit(&actor->mailbox.word, memory_order_relaxed) &
                   GRI_MAILBOX_SCHEDULED) != 0
                      ? ", scheduled"
                      : "");
    dump_wait(actor->base.sys, atomic_load_explicit(&actor->waits_on, memory_order_relaxed), out);
    (void)fputc('\n', out);
}

/* What a worker runs at this moment; nothing for those that have nothing to do. */
static void dump_worker(void *arg, gri_worker *worker)
{
    FILE *out = arg;
    char text[GR_PID_TEXT_BYTES];
    /* Acquire: sees the pid of the actor. */
    const gri_actor *running = atomic_load_explicit(&worker->running, memory_order_acquire);
    const gr_type *type =
        atomic_load_explicit(&worker->running_type, memory_order_relaxed); /* a reading */

    if (running != NULL) {
        (void)fprintf(out, "  worker %u: actor %s, lately a %s\n", worker->index,
                      gr_pid_format(gri_actor_pid(running), text),
                      type == NULL ? "hook" : type->name);
    }
}

void gr_system_dump(gr_system *sys, FILE *out)
{
    gr_counters counters = gr_system_counters(sys);
    uint32_t slots = gri_process_table_slots(&sys->table);
    uint32_t slot = 0;

    (void)fprintf(out, "system %s %016llx: %llu actors", sys->name, (unsigned long long)sys->node,
                  (unsigned long long)counters.actors);
    dump_counters(&counters, sys->stack_bytes, out);
    each_worker(sys, dump_worker, out);
    for (slot = 0; slot < slots; slot++) {
        gri_process *process = gri_process_at(&sys->table, slot);

        if (process != NULL && process->kind == GRI_ACTOR) {
            dump_actor(gri_actor_of(process), out);
        }
    }
}
