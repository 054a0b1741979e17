/*
 * Nodes: one life after another. Started, stopped and freed by the application's threads; a keeper thread begins a new
 * life when the last one was fenced (in the stepper, gri_node_tend() does).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <gri/fail.h>
#include <gri/mem.h>
#include <gri/thread.h>

#include "node_internal.h"

enum { AGAIN_MS_FIRST = 200, AGAIN_MS_MAX = 5000, READY_LOOK_MS = 20 };

static gri_exchange *exchange_of_node(gr_caller *caller)
{
    gr_node *node = (gr_node *)caller; /* its first field */
    gri_exchange *exchange = NULL;

    (void)pthread_mutex_lock(&node->lock);
    if (node->current != NULL) {
        exchange = gri_exchange_ref(node->current->exchange);
    }
    (void)pthread_mutex_unlock(&node->lock);
    if (exchange == NULL) {
        (void)GRI_FAIL(GR_ENOTRUN, "the node was fenced and is starting over, or has stopped");
    }
    return exchange;
}

static void on_fenced(void *arg)
{
    gr_node *node = arg;

    (void)pthread_mutex_lock(&node->lock);
    node->fenced++;
    (void)pthread_cond_broadcast(&node->changed);
    (void)pthread_mutex_unlock(&node->lock);
}

/* Begins a life; on success it is the current one. */
static gr_err begin_life(gr_node *node, const char *listen)
{
    gri_incarnation *incarnation = NULL;
    gr_err err =
        gri_incarnation_start(&node->options, listen, node->kinds, on_fenced, node, &incarnation);

    if (err != GR_OK) {
        return err;
    }
    (void)pthread_mutex_lock(&node->lock);
    node->current = incarnation;
    (void)snprintf(node->address, sizeof(node->address), "%s",
                   gr_remote_address(incarnation->remote));
    (void)pthread_mutex_unlock(&node->lock);
    return GR_OK;
}

/* Ends the current life without leaving; what is left of it is kept, and its system can be found all the time. */
static void end_life(gr_node *node)
{
    gri_incarnation *incarnation = NULL;

    (void)pthread_mutex_lock(&node->lock);
    incarnation = node->current;
    node->current = NULL;
    if (incarnation != NULL) {
        incarnation->older = node->older;
        node->older = incarnation;
    }
    (void)pthread_mutex_unlock(&node->lock);
    if (incarnation != NULL) {
        gri_incarnation_stop(incarnation);
    }
}

/* A new life at the same address, or at whatever the options allow when that is taken. */
static gr_err begin_again(gr_node *node)
{
    char address[GR_ADDRESS_BYTES_MAX];
    gr_err err = GR_OK;

    (void)snprintf(address, sizeof(address), "%s", node->address);
    end_life(node);
    err = begin_life(node, node->options.advertise == NULL ? address : NULL);
    err = err == GR_EEXIST ? begin_life(node, NULL) : err;
    if (err == GR_OK) {
        gr_system *sys = gr_node_system(node);

        gr_system_log(sys, GR_LOG_INFO, "GR-NODE-BACK",
                      "the node is a member again, as %016" PRIx64 " at %s", gr_system_node(sys),
                      node->address);
    }
    return err;
}

/* ---- the keeper */

static bool wants_life_locked(const gr_node *node)
{
    return !node->stopping && (node->current == NULL || gri_incarnation_is_fenced(node->current));
}

static void sleep_locked(gr_node *node, int64_t ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_cond_timedwait(&node->changed, &node->lock, &until);
}

static void log_again(gr_node *node, int64_t again_ms)
{
    gr_error why = *gr_last_error();
    gr_log_fn log = node->options.system.log == NULL ? gr_log_stderr : node->options.system.log;
    char text[GR_ERROR_TEXT_BYTES + 80];

    /* It has no system just now that would do it. */
    (void)snprintf(text, sizeof(text), "cannot start over (%s); again in %" PRId64 " ms", why.text,
                   again_ms);
    log(node->options.system.log_arg, GR_LOG_ERROR, "GR-NODE-AGAIN", text);
}

static void *keep(void *arg)
{
    gr_node *node = arg;
    int64_t again_ms = AGAIN_MS_FIRST;

    (void)pthread_mutex_lock(&node->lock);
    while (!node->stopping) {
        gr_err err = GR_OK;

        if (!wants_life_locked(node)) {
            (void)pthread_cond_wait(&node->changed, &node->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&node->lock);
        err = begin_again(node);
        if (err != GR_OK) {
            log_again(node, again_ms);
        }
        (void)pthread_mutex_lock(&node->lock);
        if (err == GR_OK) {
            again_ms = AGAIN_MS_FIRST;
        } else if (!node->stopping) {
            sleep_locked(node, again_ms);
            again_ms = again_ms * 2 > AGAIN_MS_MAX ? AGAIN_MS_MAX : again_ms * 2;
        }
    }
    (void)pthread_mutex_unlock(&node->lock);
    return NULL;
}

gr_err gri_node_tend(gr_node *node)
{
    bool wants = false;

    (void)pthread_mutex_lock(&node->lock);
    wants = wants_life_locked(node);
    (void)pthread_mutex_unlock(&node->lock);
    return wants ? begin_again(node) : GR_OK;
}

/* ---- start and stop */

static void free_kinds(gr_kind **kinds)
{
    for (size_t i = 0; kinds != NULL && kinds[i] != NULL; i++) {
        (void)gr_kind_free(kinds[i]);
    }
    gri_free(kinds);
}

static gr_kind **take_all(gr_kind *const *take_kinds)
{
    size_t count = 0;
    gr_kind **kinds = NULL;

    while (take_kinds[count] != NULL) {
        count++;
    }
    kinds = gri_calloc(count + 1, sizeof(gr_kind *));
    for (size_t i = 0; i < count; i++) {
        if (kinds == NULL) {
            (void)gr_kind_free(take_kinds[i]);
        } else {
            kinds[i] = take_kinds[i];
        }
    }
    return kinds;
}

static gr_err start_keeper(gr_node *node)
{
    if (node->options.system.stepped != NULL) {
        return GR_OK;
    }
    if (gri_thread_start(&node->keeper, "gr-keeper", keep, node) != 0) {
        return GRI_FAIL(GR_EIO, "no thread to be had for the keeper of a node");
    }
    node->keeper_runs = true;
    return GR_OK;
}

static void init_waiting(gr_node *node)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&node->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&node->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

gr_err gr_node_start(const gr_node_options *options, gr_kind *const *take_kinds, gr_node **out_node)
{
    gr_kind **kinds = NULL;
    gr_node *node = NULL;
    gr_err err = GR_OK;

    if (take_kinds == NULL) {
        return GRI_FAIL(GR_EINVAL, "a node without a list of kinds: it is NULL");
    }
    kinds = take_all(take_kinds);
    if (options == NULL) {
        free_kinds(kinds);
        return GRI_FAIL(GR_EINVAL, "a node without options: they are NULL");
    }
    node = gri_calloc(1, sizeof(*node));
    if (kinds == NULL || node == NULL) {
        free_kinds(kinds);
        gri_free(node);
        return GRI_FAIL(GR_ENOMEM, "a node");
    }
    node->kinds = kinds;
    node->caller.exchange = exchange_of_node;
    node->caller.id = 1;
    init_waiting(node);
    err = gri_node_options_copy(options, &node->options);
    if (err == GR_OK) {
        err = begin_life(node, NULL);
    }
    if (err == GR_OK) {
        err = start_keeper(node);
    }
    if (err != GR_OK) {
        gr_error why = *gr_last_error();

        (void)gr_node_free(node);
        return gr_error_set(err, why.file, why.line, "%s", why.text);
    }
    *out_node = node;
    return GR_OK;
}

/* From now on no new life begins. False: another thread has seen to that. */
static bool stop_keeper(gr_node *node)
{
    bool first = false;

    (void)pthread_mutex_lock(&node->lock);
    first = !node->stopping;
    node->stopping = true;
    (void)pthread_cond_broadcast(&node->changed);
    (void)pthread_mutex_unlock(&node->lock);
    if (first && node->keeper_runs) {
        (void)pthread_join(node->keeper, NULL);
    }
    return first;
}

static void say_stopped(gr_node *node)
{
    (void)pthread_mutex_lock(&node->lock);
    node->stopped = true;
    (void)pthread_cond_broadcast(&node->changed);
    (void)pthread_mutex_unlock(&node->lock);
}

static void wait_stopped(gr_node *node)
{
    (void)pthread_mutex_lock(&node->lock);
    while (!node->stopped) {
        (void)pthread_cond_wait(&node->changed, &node->lock);
    }
    (void)pthread_mutex_unlock(&node->lock);
}

/* The life that lasts now, or NULL. It stays valid memory until the node is freed. */
static gri_incarnation *current_of(gr_node *node)
{
    gri_incarnation *current = NULL;

    (void)pthread_mutex_lock(&node->lock);
    current = node->current;
    (void)pthread_mutex_unlock(&node->lock);
    return current;
}

gr_err gr_node_stop(gr_node *node, int64_t timeout_ms)
{
    gri_incarnation *current = NULL;
    gr_err err = GR_OK;
    gr_error why = {0};

    if (!stop_keeper(node)) {
        wait_stopped(node);
        return GR_OK;
    }
    current = current_of(node);
    if (current != NULL) {
        err = gri_incarnation_leave(current, timeout_ms);
        why = *gr_last_error();
        end_life(node);
    }
    say_stopped(node);
    return err == GR_OK ? GR_OK : gr_error_set(err, why.file, why.line, "%s", why.text);
}

/* ---- waiting until it is ready */

static int64_t now_ms(const gr_node *node)
{
    struct timespec now;

    if (node->options.system.stepped != NULL) {
        return gr_stepped_now(node->options.system.stepped);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until the next look; in the stepper also what the keeper would do. False: the node has been stopped. */
static bool wait_for_next_look(gr_node *node)
{
    gr_stepped *stepped = node->options.system.stepped;
    bool stopped = false;

    if (stepped != NULL) {
        (void)gri_node_tend(node); /* if it fails, the next look tries again */
        gr_stepped_advance(stepped, READY_LOOK_MS);
    }
    (void)pthread_mutex_lock(&node->lock);
    if (stepped == NULL && !node->stopped) {
        sleep_locked(node, READY_LOOK_MS);
    }
    stopped = node->stopped;
    (void)pthread_mutex_unlock(&node->lock);
    return !stopped;
}

gr_err gr_node_wait_ready(gr_node *node, int64_t timeout_ms)
{
    int64_t began_ms = now_ms(node);

    for (;;) {
        gri_incarnation *current = current_of(node);

        if (current != NULL && gri_incarnation_is_ready(current)) {
            return GR_OK;
        }
        if (now_ms(node) - began_ms >= timeout_ms) {
            return GRI_FAIL(GR_ETIMEDOUT, "%s after %lld ms",
                            current == NULL ? "the node is still starting over"
                                            : "shards are still moving",
                            (long long)timeout_ms);
        }
        if (!wait_for_next_look(node)) {
            return GRI_FAIL(GR_ESTOPPED, "the node has been stopped");
        }
    }
}

void gri_node_crash(gr_node *node)
{
    gri_incarnation *incarnation = node->current;

    node->stopping = true;
    node->stopped = true;
    if (incarnation != NULL) {
        gri_incarnation_crash(incarnation);
        node->current = NULL;
        incarnation->older = node->older;
        node->older = incarnation;
    }
}

gr_node *gr_node_free(gr_node *take_node)
{
    gr_node *node = take_node;

    if (node == NULL) {
        return NULL;
    }
    (void)stop_keeper(node);
    end_life(node);
    while (node->older != NULL) {
        gri_incarnation *incarnation = node->older;

        node->older = incarnation->older;
        (void)gri_incarnation_free(incarnation);
    }
    free_kinds(node->kinds);
    gri_node_options_fini(&node->options);
    (void)pthread_cond_destroy(&node->changed);
    (void)pthread_mutex_destroy(&node->lock);
    gri_free(node);
    return NULL;
}

/* ---- looking at it */

gr_caller *gr_node_caller(gr_node *node)
{
    return &node->caller;
}

gr_system *gr_node_system(gr_node *node)
{
    gr_system *sys = NULL;

    (void)pthread_mutex_lock(&node->lock);
    sys = node->current != NULL ? node->current->sys
          : node->older != NULL ? node->older->sys
                                : NULL;
    (void)pthread_mutex_unlock(&node->lock);
    return sys;
}

const char *gr_node_address(const gr_node *node)
{
    return node->address;
}

static void count(gri_incarnation *incarnation, gr_node_counters *counters)
{
    gri_host *host = incarnation->host;
    gri_view *view = gri_view_cell_read(&incarnation->exchange->view);

    counters->members = view == NULL ? 0 : view->members_count;
    (void)gri_view_unref(view);
    counters->shards_owned = gri_host_owned(host);
    counters->lease_left_ms = gri_incarnation_lease_left_ms(incarnation);
    /* Relaxed: counts. */
    counters->activations = atomic_load_explicit(&host->activations, memory_order_relaxed);
    counters->activated = atomic_load_explicit(&host->counters.activated, memory_order_relaxed);
    counters->deactivated = atomic_load_explicit(&host->counters.deactivated, memory_order_relaxed);
    counters->calls_replied = atomic_load_explicit(&host->counters.replied, memory_order_relaxed);
    counters->calls_failed = atomic_load_explicit(&host->counters.failed, memory_order_relaxed);
    counters->calls_not_run = atomic_load_explicit(&host->counters.not_run, memory_order_relaxed);
}

gr_node_counters gr_node_read_counters(gr_node *node)
{
    gr_node_counters counters = {0};

    (void)pthread_mutex_lock(&node->lock);
    if (node->current != NULL) {
        count(node->current, &counters);
    }
    counters.fenced = node->fenced;
    (void)pthread_mutex_unlock(&node->lock);
    return counters;
}

static void dump_counters(gri_incarnation *incarnation, FILE *out)
{
    gr_node_counters counters = {0};

    count(incarnation, &counters);
    (void)fprintf(out,
                  "calls here: %" PRIu64 " replied, %" PRIu64 " failed, %" PRIu64
                  " not run; grains: %" PRIu64 " activated, %" PRIu64 " deactivated\n",
                  counters.calls_replied, counters.calls_failed, counters.calls_not_run,
                  counters.activated, counters.deactivated);
}

void gr_node_dump(gr_node *node, FILE *out)
{
    (void)pthread_mutex_lock(&node->lock);
    (void)fprintf(out, "node at %s, fenced %" PRIu64 " times\n", node->address, node->fenced);
    if (node->current != NULL) {
        gri_view *view = gri_view_cell_read(&node->current->exchange->view);

        (void)fprintf(out, "id %016" PRIx64 ", lease left %" PRId64 " ms, %zu calls under way\n",
                      gr_system_node(node->current->sys),
                      gri_incarnation_lease_left_ms(node->current),
                      gri_exchange_calls(node->current->exchange));
        for (size_t i = 0; view != NULL && i < view->members_count; i++) {
            (void)fprintf(out, "  member %016" PRIx64 " at %s%s: %zu shards\n",
                          view->members[i].node, view->members[i].address,
                          view->members[i].leaving ? ", leaving" : "",
                          gri_view_owned(view, view->members[i].node));
        }
        (void)gri_view_unref(view);
        dump_counters(node->current, out);
        gri_host_dump(node->current->host, out);
        gr_remote_dump(node->current->remote, out);
        gr_system_dump(node->current->sys, out);
    }
    (void)pthread_mutex_unlock(&node->lock);
}
