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

static void add_fibers(const gri_worker *worker, gr_counters *counters)
{
    counters->fibers += atomic_load_explicit(&worker->fibers, memory_order_relaxed); /* a count */
    counters->fibers_waiting +=
        atomic_load_explicit(&worker->waiting, memory_order_relaxed); /* a count */
}

static void add_fibers_of(void *arg, gri_worker *worker)
{
    add_fibers(worker, arg);
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
    };

    if (sys->stepped != NULL) {
        add_fibers(gri_stepped_worker(sys->stepped), &counters);
    }
    gri_workers_each(sys, add_fibers_of, &counters);
    return counters;
}

/* Only what may be read of an actor that may go at any moment, and be another: then the line may be about both. The names
 * stand in the table of names; those of types live as long as the system. */
static void dump_actor(gri_actor *actor, FILE *out)
{
    char text[GR_PID_TEXT_BYTES];
    gr_pid pid = gri_actor_pid(actor);
    uint64_t word =
        atomic_load_explicit(&actor->mailbox.word, memory_order_relaxed); /* a reading */
    uint64_t asked = 0;
    const char *type_name = NULL;

    /* Acquire: who can be asked has a type. */
    asked = atomic_load_explicit(&actor->asked, memory_order_acquire);
    if (asked >> 32 != pid.generation) { /* nobody lives there */
        return;
    }
    type_name = atomic_load_explicit(&actor->type_name, memory_order_relaxed); /* a reading */
    (void)fprintf(out, "  actor %s (%s): mailbox %llu%s%s\n", gr_pid_format(pid, text), type_name,
                  (unsigned long long)gri_mailbox_depth(&actor->mailbox),
                  (word & GRI_MAILBOX_SCHEDULED) != 0 ? ", scheduled" : "",
                  (word & GRI_MAILBOX_BLOCKED) != 0 ? ", blocked (waits, has failed or is ending)"
                                                    : "");
}

void gr_system_dump(gr_system *sys, FILE *out)
{
    gr_counters counters = gr_system_counters(sys);
    uint32_t slots = gri_process_table_slots(&sys->table);
    uint32_t slot = 0;

    (void)fprintf(
        out,
        "system %s %016llx: %llu actors, %llu spawned, %llu stopped, %llu failures, %llu restarts, "
        "%llu dead letters, %llu late replies, %llu refused, %llu dropped, %llu fibers (%llu "
        "waiting)\n",
        sys->name, (unsigned long long)sys->node, (unsigned long long)counters.actors,
        (unsigned long long)counters.spawned, (unsigned long long)counters.stopped,
        (unsigned long long)counters.failures, (unsigned long long)counters.restarts,
        (unsigned long long)counters.dead_letters, (unsigned long long)counters.late_replies,
        (unsigned long long)counters.refused, (unsigned long long)counters.dropped,
        (unsigned long long)counters.fibers, (unsigned long long)counters.fibers_waiting);
    gri_names_dump(sys, out);
    for (slot = 0; slot < slots; slot++) {
        gri_process *process = gri_process_at(&sys->table, slot);

        if (process != NULL && process->kind == GRI_ACTOR) {
            dump_actor(gri_actor_of(process), out);
        }
    }
}
