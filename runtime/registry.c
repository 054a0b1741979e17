/*
 * Registries of long-lived actors. Who starts or stops one does it in its own thread, or on its fiber, and nobody else at
 * the same time; looking up is for all threads.
 *
 *              (1)           (2)           (3)           (4)
 *   STOPPED -------> STARTING -----> STARTED ----> STOPPING ----> STOPPED
 *      ^                |  (5)
 *      +----------------+
 *   (1) gr_registry_start()  (2) all have started  (3) gr_registry_stop()  (4) each was asked and waited for
 *   (5) one has not started, and those before it were stopped
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <granary/registry.h>

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "system_internal.h"

typedef enum registry_state {
    REGISTRY_STOPPED,
    REGISTRY_STARTING,
    REGISTRY_STARTED,
    REGISTRY_STOPPING
} registry_state;

typedef struct entry {
    char *name;
    gr_props props; /* without arg_free: the arg is the registry's */
    void (*arg_free)(void *arg);
    gr_pid pid;  /* lock; null while it has not been started */
    gr_pid left; /* who did not end in time; null */
} entry;

struct gr_registry {
    gr_system *sys;
    void *context;
    pthread_mutex_t lock;
    registry_state state; /* lock */
    entry *entries;       /* fixed while it is not stopped */
    size_t count, room;
};

gr_err gr_registry_new(gr_system *sys, void *context, gr_registry **out_registry)
{
    gr_registry *registry = gri_calloc(1, sizeof(*registry));

    if (registry == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a registry");
    }
    registry->sys = sys;
    registry->context = context;
    (void)pthread_mutex_init(&registry->lock, NULL);
    *out_registry = registry;
    return GR_OK;
}

/* Goes from one state to another; false: it is in a third one. */
static bool go(gr_registry *registry, registry_state from, registry_state to)
{
    bool gone = false;

    (void)pthread_mutex_lock(&registry->lock);
    gone = registry->state == from;
    if (gone) {
        registry->state = to;
    }
    (void)pthread_mutex_unlock(&registry->lock);
    return gone;
}

static bool is_in(gr_registry *registry, registry_state state)
{
    return go(registry, state, state);
}

static gr_pid pid_of(gr_registry *registry, const entry *one)
{
    gr_pid pid;

    (void)pthread_mutex_lock(&registry->lock);
    pid = one->pid;
    (void)pthread_mutex_unlock(&registry->lock);
    return pid;
}

static void set_pid(gr_registry *registry, entry *one, gr_pid pid)
{
    (void)pthread_mutex_lock(&registry->lock);
    one->pid = pid;
    (void)pthread_mutex_unlock(&registry->lock);
}

static entry *find_entry(const gr_registry *registry, const char *name)
{
    size_t i = 0;

    for (i = 0; name != NULL && i < registry->count; i++) {
        if (strcmp(registry->entries[i].name, name) == 0) {
            return &registry->entries[i];
        }
    }
    return NULL;
}

/* ---- adding ---------------------------------------------------------------------------------------------------------- */

static gr_err add(gr_registry *registry, const char *name, const gr_props *props)
{
    gr_err err = name == NULL ? GRI_FAIL(GR_EINVAL, "an actor of a registry needs a name")
                              : gri_props_check(props, name);
    entry *grown = NULL;
    char *own_name = NULL;

    if (err != GR_OK) {
        return err;
    }
    if (!is_in(registry, REGISTRY_STOPPED)) {
        return GRI_FAIL(GR_EBUSY, "'%s' comes too late: stop the registry before adding to it",
                        name);
    }
    if (find_entry(registry, name) != NULL) {
        return GRI_FAIL(GR_EEXIST, "the registry has an actor '%s'", name);
    }
    if (registry->count == registry->room) {
        size_t room = registry->room == 0 ? 8 : 2 * registry->room;

        grown = gri_realloc(registry->entries, room * sizeof(*grown));
        if (grown == NULL) {
            return GRI_FAIL(GR_ENOMEM, "an actor of a registry");
        }
        registry->entries = grown;
        registry->room = room;
    }
    own_name = gri_strdup(name);
    if (own_name == NULL) {
        return GRI_FAIL(GR_ENOMEM, "an actor of a registry");
    }
    registry->entries[registry->count] =
        (entry){.name = own_name, .props = *props, .arg_free = props->arg_free};
    registry->entries[registry->count].props.arg_free = NULL;
    if (props->arg == NULL) {
        registry->entries[registry->count].props.arg = registry->context;
        registry->entries[registry->count].arg_free = NULL;
    }
    registry->count++;
    return GR_OK;
}

gr_err gr_registry_add(gr_registry *registry, const char *name, const gr_props *props)
{
    gr_err err = add(registry, name, props);

    if (err != GR_OK && props != NULL && props->arg_free != NULL) {
        props->arg_free(props->arg);
    }
    return err;
}

gr_err gr_registry_find(gr_registry *registry, const char *name, gr_pid *out_pid)
{
    const entry *one = find_entry(registry, name);
    gr_pid pid;

    if (one == NULL) {
        return GRI_FAIL(GR_ENOTFOUND, "the registry has no actor '%s'", name == NULL ? "" : name);
    }
    pid = pid_of(registry, one);
    if (gr_pid_is_null(pid) || !gr_process_alive(registry->sys, pid)) {
        return GRI_FAIL(GR_EDEAD, "'%s' of the registry %s", name,
                        gr_pid_is_null(pid) ? "has not been started" : "has ended");
    }
    *out_pid = pid;
    return GR_OK;
}

/* ---- stopping ---------------------------------------------------------------------------------------------------------- */

/* The first `count` of them, in reverse; the first error, with the name of whom it was about. */
static gr_err stop_first(gr_registry *registry, size_t count, int64_t timeout_ms)
{
    gr_error first = {.code = GR_OK};

    while (count > 0) {
        entry *one = &registry->entries[--count];
        gr_pid pid = pid_of(registry, one);
        gr_err err = GR_OK;

        gr_send_stop(registry->sys, pid);
        err = gr_await_end(registry->sys, pid, timeout_ms, NULL);
        one->left = err == GR_OK ? gr_pid_null() : pid;
        set_pid(registry, one, gr_pid_null());
        if (err != GR_OK) {
            (void)GRI_FAIL(err, "'%s' of the registry has not ended: %s", one->name,
                           err == GR_ETIMEDOUT ? "it did not stop in time" : gr_last_error()->text);
            gr_system_log(registry->sys, GR_LOG_WARN, "GR-REGISTRY-STOP", "%s",
                          gr_last_error()->text);
            first = first.code == GR_OK ? *gr_last_error() : first;
        }
    }
    return first.code == GR_OK ? GR_OK
                               : gr_error_set(first.code, first.file, first.line, "%s", first.text);
}

gr_err gr_registry_stop(gr_registry *registry, int64_t timeout_ms)
{
    gr_err err = GR_OK;

    if (is_in(registry, REGISTRY_STOPPED)) {
        return GR_OK;
    }
    if (!go(registry, REGISTRY_STARTED, REGISTRY_STOPPING)) {
        return GRI_FAIL(GR_EBUSY, "the registry is being started or stopped at this moment");
    }
    err = stop_first(registry, registry->count, timeout_ms);
    (void)go(registry, REGISTRY_STOPPING, REGISTRY_STOPPED);
    return err;
}

/* ---- starting ---------------------------------------------------------------------------------------------------------- */

gr_err gr_registry_start(gr_registry *registry)
{
    size_t i = 0;

    if (!go(registry, REGISTRY_STOPPED, REGISTRY_STARTING)) {
        return GRI_FAIL(GR_EBUSY,
                        "the registry has been started: stop it before starting it again");
    }
    for (i = 0; i < registry->count; i++) {
        entry *one = &registry->entries[i];
        gr_pid pid = gr_pid_null();
        gr_err err = gr_spawn(registry->sys, &one->props, one->name, &pid);

        if (err != GR_OK) {
            gr_error why = *gr_last_error();

            gr_system_log(registry->sys, GR_LOG_WARN, "GR-REGISTRY-START",
                          "'%s' of the registry did not start: %s", one->name, why.text);
            (void)stop_first(registry, i, GR_REGISTRY_STOP_MS_DEFAULT);
            (void)go(registry, REGISTRY_STARTING, REGISTRY_STOPPED);
            return gr_error_set(err, why.file, why.line, "'%s': %s", one->name, why.text);
        }
        one->left = gr_pid_null(); /* it has gone: its name was free */
        set_pid(registry, one, pid);
    }
    (void)go(registry, REGISTRY_STARTING, REGISTRY_STARTED);
    return GR_OK;
}

gr_registry *gr_registry_free(gr_registry *registry)
{
    size_t i = 0;

    if (registry == NULL) {
        return NULL;
    }
    (void)gr_registry_stop(registry, GR_FOREVER);
    for (i = 0; i < registry->count; i++) {
        entry *one = &registry->entries[i];

        if (one->arg_free != NULL && !gr_process_alive(registry->sys, one->left)) {
            one->arg_free(one->props.arg);
        }
        gri_free(one->name);
    }
    gri_free(registry->entries);
    (void)pthread_mutex_destroy(&registry->lock);
    gri_free(registry);
    return NULL;
}
