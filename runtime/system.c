/*
 * Systems: making, stopping, freeing, time, chance.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "os.h"

enum {
    THROUGHPUT_DEFAULT = 300,
    STACK_BYTES_DEFAULT = 64 * 1024,
    SLOW_HANDLER_MS_DEFAULT = 1000,
    WORKERS_MAX = 1024
};

int64_t gri_deadline(const gr_system *sys, int64_t timeout_ms)
{
    int64_t now_ms = 0;

    if (timeout_ms == GR_FOREVER) {
        return INT64_MAX;
    }
    now_ms = gr_system_now(sys);
    return timeout_ms < 0                        ? now_ms
           : timeout_ms > INT64_MAX - 1 - now_ms ? INT64_MAX - 1
                                                 : now_ms + timeout_ms;
}

int64_t gr_system_now(const gr_system *sys)
{
    return sys->stepped != NULL ? gr_stepped_now(sys->stepped) : gri_os_now_ms();
}

int64_t gr_system_wall_ms(const gr_system *sys)
{
    enum { STEPPED_EPOCH_S = 1600000000 };

    return sys->stepped != NULL ? (int64_t)STEPPED_EPOCH_S * 1000 + gr_stepped_now(sys->stepped)
                                : gri_os_wall_ms();
}

uint64_t gr_system_random(gr_system *sys)
{
    uint64_t x = 0;

    if (sys->stepped != NULL) {
        return gr_stepped_random(sys->stepped);
    }
    /* SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. Relaxed: each caller
     * gets a number of its own, in no particular order. */
    x = atomic_fetch_add_explicit(&sys->random_state, 0x9e3779b97f4a7c15u, memory_order_relaxed);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t gr_system_node(const gr_system *sys)
{
    return sys->node;
}

static gr_err check_options(const gr_system_options *options)
{
    if (options->stack_bytes != 0 && (options->stack_bytes < GRI_STACK_BYTES_MIN ||
                                      options->stack_bytes > GRI_STACK_BYTES_MAX)) {
        return GRI_FAIL(GR_EINVAL, "stack_bytes %u: %d to %d, or 0 for the default",
                        options->stack_bytes, GRI_STACK_BYTES_MIN, GRI_STACK_BYTES_MAX);
    }
    if ((unsigned)options->log_level > GR_LOG_DEBUG) {
        return GRI_FAIL(GR_EINVAL, "log_level %d: GR_LOG_ERROR (%d) to GR_LOG_DEBUG (%d), or 0",
                        (int)options->log_level, (int)GR_LOG_ERROR, (int)GR_LOG_DEBUG);
    }
    if (options->workers > WORKERS_MAX) {
        return GRI_FAIL(GR_EINVAL, "workers %u: at most %d", options->workers, WORKERS_MAX);
    }
    return gri_supervision_check(&options->root, "the system's supervision", false);
}

static void init_locks(gr_system *sys)
{
    pthread_condattr_t attributes;
    int i = 0;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&sys->stop_lock, NULL);
    (void)pthread_cond_init(&sys->stop_changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&sys->names_lock, NULL);
    for (i = 0; i < GRI_ROOM_STRIPES; i++) {
        (void)pthread_mutex_init(&sys->room[i].lock, NULL);
        TAILQ_INIT(&sys->room[i].waits);
    }
}

static void take_options(gr_system *sys, const gr_system_options *options)
{
    sys->throughput = options->throughput == 0 ? THROUGHPUT_DEFAULT : options->throughput;
    if (options->stepped != NULL) {
        sys->throughput = 1; /* the seed decides after every message */
    }
    sys->slow_handler_ms =
        options->slow_handler_ms == 0 ? SLOW_HANDLER_MS_DEFAULT : options->slow_handler_ms;
    sys->root = options->root;
    sys->middleware = options->middleware;
    gri_log_init(sys, options);
    do {
        sys->node =
            options->stepped != NULL ? gr_stepped_random(options->stepped) : gri_os_random();
    } while (sys->node == 0);
    /* Under a seed nobody is to be kept from guessing, but the run is to be the same each time. */
    sys->pid_secret = options->stepped != NULL ? ~sys->node : gri_os_random();
    atomic_init(&sys->random_state, gri_os_random());
    atomic_init(&sys->turns_named, sys->node); /* so that two systems give different ones */
}

gr_err gr_system_new(const gr_system_options *given, gr_system **out_sys)
{
    static const gr_system_options defaults;
    const gr_system_options *options = given == NULL ? &defaults : given;
    uint32_t stack_bytes = options->stack_bytes == 0 ? STACK_BYTES_DEFAULT : options->stack_bytes;
    gr_err err = check_options(options);
    gr_system *sys = NULL;

    if (err != GR_OK) {
        return err;
    }
    sys = gri_alloc_aligned(64, (sizeof(*sys) + 63) & ~(size_t)63);
    if (sys == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a system");
    }
    memset(sys, 0, sizeof(*sys));
    init_locks(sys);
    take_options(sys, options);
    sys->stack_bytes = stack_bytes;
    err = gri_timers_init(&sys->timers, options->stepped != NULL ? gr_stepped_now(options->stepped)
                                                                 : gri_os_now_ms());
    sys->name = gri_strdup(options->name == NULL ? "granary" : options->name);
    if (sys->name == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "a system");
    }
    err = err == GR_OK ? gri_process_table_init(&sys->table) : err;
    err = err == GR_OK ? gri_events_init(sys) : err;
    if (err == GR_OK && options->stepped != NULL) {
        err = gri_stepped_join(sys, options->stepped, stack_bytes);
    } else if (err == GR_OK) {
        err = gri_workers_start(sys, options->workers == 0 ? gri_os_cores() : options->workers,
                                stack_bytes);
    }
    if (err != GR_OK) {
        gr_error detail = *gr_last_error();

        (void)gr_system_free(sys);
        return gr_error_set(detail.code, detail.file, detail.line, "%s", detail.text);
    }
    *out_sys = sys;
    return GR_OK;
}

void gri_system_live_down(gr_system *sys)
{
    /* Sequentially consistent, with the phase: either the one who stops sees 0, or we see that it waits. */
    if (atomic_fetch_sub_explicit(&sys->live, 1, memory_order_seq_cst) == 1 &&
        atomic_load_explicit(&sys->phase, memory_order_seq_cst) != GRI_PHASE_UP) {
        (void)pthread_mutex_lock(&sys->stop_lock);
        (void)pthread_cond_broadcast(&sys->stop_changed);
        (void)pthread_mutex_unlock(&sys->stop_lock);
    }
}

static bool all_gone(void *arg)
{
    gr_system *sys = arg;

    return atomic_load_explicit(&sys->live, memory_order_seq_cst) ==
           0; /* see gri_system_live_down() */
}

/* Asks every actor that has no parent; its children follow. */
static void ask_roots(gr_system *sys)
{
    uint32_t slots = gri_process_table_slots(&sys->table);
    uint32_t slot = 0;

    for (slot = 0; slot < slots; slot++) {
        gri_process *process = gri_process_at(&sys->table, slot);

        if (process != NULL && process->kind == GRI_ACTOR) {
            /* Acquire: sees the actor of this generation; one that is not alive ignores it. Children are asked too: they
             * would be by their parents. */
            gri_actor_ask(gri_actor_of(process),
                          atomic_load_explicit(&process->generation, memory_order_acquire),
                          GRI_ASKED_STOP);
        }
    }
}

static bool wait_gone(gr_system *sys, int64_t deadline_ms)
{
    struct timespec until = {0};
    int64_t left_ms = deadline_ms == INT64_MAX ? 0 : deadline_ms - gri_os_now_ms();
    int result = 0;

    left_ms = left_ms < 0 ? 0 : left_ms;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(left_ms / 1000);
    until.tv_nsec += (long)(left_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&sys->stop_lock);
    while (!all_gone(sys) && result != ETIMEDOUT) {
        result = deadline_ms == INT64_MAX
                     ? pthread_cond_wait(&sys->stop_changed, &sys->stop_lock)
                     : pthread_cond_timedwait(&sys->stop_changed, &sys->stop_lock, &until);
    }
    (void)pthread_mutex_unlock(&sys->stop_lock);
    return all_gone(sys);
}

/* The calling thread, if it is one that has to go on for the system to stop: GR_EINVAL. */
static gr_err may_stop(void)
{
    if (gri_this_thread.worker != NULL || gri_context_here() != NULL) {
        return GRI_FAIL(
            GR_EINVAL, "a handler cannot wait for the end of a system: let another thread stop it");
    }
    return gri_events_may_wait();
}

gr_err gr_system_stop(gr_system *sys, int64_t timeout_ms)
{
    int64_t deadline_ms = gri_deadline(sys, timeout_ms);
    int up = GRI_PHASE_UP;
    bool gone = false;
    char hung[200];

    if (may_stop() != GR_OK) {
        return GR_EINVAL;
    }
    if (atomic_load_explicit(&sys->phase, memory_order_seq_cst) == GRI_PHASE_DOWN || sys->killed) {
        return GR_OK;
    }
    /* Sequentially consistent: see gri_actor_spawn(). */
    (void)atomic_compare_exchange_strong_explicit(&sys->phase, &up, GRI_PHASE_STOPPING,
                                                  memory_order_seq_cst, memory_order_seq_cst);
    ask_roots(sys);
    gone = sys->stepped != NULL ? gri_stepped_pump(sys->stepped, sys, all_gone, sys, deadline_ms)
                                : wait_gone(sys, deadline_ms);
    if (!gone) {
        gri_workers_describe_hung(sys, hung, sizeof(hung));
        return GRI_FAIL(GR_ETIMEDOUT, "system %s did not stop in %lld ms%s: %s", sys->name,
                        (long long)timeout_ms, timeout_ms < 0 ? " (GR_FOREVER is no limit)" : "",
                        hung);
    }
    atomic_store_explicit(&sys->phase, GRI_PHASE_DOWN,
                          memory_order_seq_cst); /* all sends and spawns are over */
    return GR_OK;
}

static void free_locks(gr_system *sys)
{
    int i = 0;

    for (i = 0; i < GRI_ROOM_STRIPES; i++) {
        (void)pthread_mutex_destroy(&sys->room[i].lock);
    }
    (void)pthread_mutex_destroy(&sys->names_lock);
    (void)pthread_cond_destroy(&sys->stop_changed);
    (void)pthread_mutex_destroy(&sys->stop_lock);
}

gr_system *gr_system_free(gr_system *sys)
{
    if (sys == NULL) {
        return NULL;
    }
    if (may_stop() != GR_OK) {
        return sys; /* still the caller's, as before */
    }
    if ((sys->workers != NULL || sys->stepped != NULL) && !sys->killed &&
        atomic_load_explicit(&sys->phase, memory_order_seq_cst) != GRI_PHASE_DOWN) {
        /* After a stop that ran out of time nobody waits again for what hangs. */
        bool tried = atomic_load_explicit(&sys->phase, memory_order_seq_cst) == GRI_PHASE_STOPPING;

        sys->abandoned = gr_system_stop(sys, tried ? 0 : GR_FOREVER) != GR_OK;
    }
    if (sys->stepped != NULL) {
        gri_stepped_leave(sys);
    }
    if (!gri_workers_stop(sys)) {
        return NULL; /* threads hang in handlers, and may still touch what is theirs */
    }
    if (!sys->killed) {
        gri_futures_left(sys);
    }
    gri_workers_free(sys);
    gri_timers_fini(&sys->timers);
    gri_process_table_fini(&sys->table);
    gri_names_fini(sys);
    gri_events_fini(sys);
    free_locks(sys);
    gri_free(sys->name);
    gri_free(sys);
    return NULL;
}
