/*
 * Names of actors: one hash table under one lock, and from an actor to its name, which lives in the table's entry, by the
 * actor. Sends never come here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <stdio.h>

#include <gri/fail.h>
#include <gri/mem.h>

#define HASH_NONFATAL_OOM         1
#define uthash_malloc(bytes)      gri_alloc(bytes)
#define uthash_free(block, bytes) gri_free(block)
#include <uthash.h>

struct gri_name_entry {
    gr_pid pid;
    bool kept; /* set back when uthash had no memory for it */
    UT_hash_handle hh;
    char name[];
};

#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(entry) ((entry)->kept = false)

gr_err gri_name_add(gri_actor *actor, const char *name)
{
    gr_system *sys = actor->base.sys;
    size_t length = strlen(name);
    struct gri_name_entry *found = NULL;
    struct gri_name_entry *entry = gri_alloc(sizeof(*entry) + length + 1);
    gr_err err = GR_OK;

    if (entry == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the name '%.64s'", name);
    }
    entry->pid = gri_actor_pid(actor);
    entry->kept = true;
    memcpy(entry->name, name, length + 1);
    (void)pthread_mutex_lock(&sys->names_lock);
    HASH_FIND(hh, sys->names, name, length, found);
    if (found == NULL) {
        HASH_ADD_KEYPTR(hh, sys->names, entry->name, length, entry);
        err = entry->kept ? GR_OK : GRI_FAIL(GR_ENOMEM, "the name '%.64s'", name);
        actor->name = err == GR_OK ? entry->name : NULL;
    } else {
        err = GRI_FAIL(GR_EEXIST, "the name '%.64s' is taken", name);
    }
    (void)pthread_mutex_unlock(&sys->names_lock);
    if (err != GR_OK) {
        gri_free(entry);
    }
    return err;
}

void gri_name_remove(gri_actor *actor)
{
    gr_system *sys = actor->base.sys;
    struct gri_name_entry *entry =
        (struct gri_name_entry *)(void *)(actor->name - offsetof(struct gri_name_entry, name));

    (void)pthread_mutex_lock(&sys->names_lock);
    HASH_DEL(sys->names, entry);
    actor->name = NULL;
    (void)pthread_mutex_unlock(&sys->names_lock);
    gri_free(entry);
}

const char *gr_name_of(gr_system *sys, gr_pid pid, char *text, size_t bytes)
{
    gri_process *process = pid.node == sys->node ? gri_process_at(&sys->table, pid.slot) : NULL;

    if (bytes == 0) {
        return "";
    }
    text[0] = '\0';
    if (process == NULL || process->kind != GRI_ACTOR) {
        return text;
    }
    (void)pthread_mutex_lock(&sys->names_lock);
    /* Relaxed: who has a name under the lock has its pid until it has taken that away, under the lock. */
    if (atomic_load_explicit(&process->generation, memory_order_relaxed) == pid.generation &&
        gri_actor_of(process)->name != NULL) {
        (void)snprintf(text, bytes, "%s", gri_actor_of(process)->name);
    }
    (void)pthread_mutex_unlock(&sys->names_lock);
    return text;
}

const char *gri_name_with_type(gri_actor *actor, gr_pid pid, char text[GRI_KNOWN_BYTES])
{
    /* Relaxed: a reading; it may be another's by now. */
    const char *type = atomic_load_explicit(&actor->type_name, memory_order_relaxed);
    int length = snprintf(text, GRI_KNOWN_BYTES, "%s ", type == NULL ? "actor" : type);

    if (length > 0 && length < GRI_KNOWN_BYTES &&
        gr_name_of(actor->base.sys, pid, text + length, (size_t)(GRI_KNOWN_BYTES - length))[0] ==
            '\0') {
        text[length - 1] = '\0';
    }
    return text;
}

void gri_names_fini(gr_system *sys)
{
    struct gri_name_entry *entry = NULL, *next = NULL;

    HASH_ITER(hh, sys->names, entry, next)
    {
        HASH_DEL(sys->names, entry);
        gri_free(entry);
    }
}

gr_err gr_name_find(gr_system *sys, const char *name, gr_pid *out_pid)
{
    struct gri_name_entry *entry = NULL;

    if (name == NULL) {
        return GRI_FAIL(GR_EINVAL, "an actor without a name is not to be found by it");
    }
    (void)pthread_mutex_lock(&sys->names_lock);
    HASH_FIND(hh, sys->names, name, strlen(name), entry);
    if (entry != NULL) {
        *out_pid = entry->pid;
    }
    (void)pthread_mutex_unlock(&sys->names_lock);
    return entry != NULL ? GR_OK : GRI_FAIL(GR_ENOTFOUND, "no actor has the name '%.64s'", name);
}
