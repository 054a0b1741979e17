/*
 * Names of actors: one hash table under one lock. Sends never come here.
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

gr_err gri_name_add(gr_system *sys, const char *name, gr_pid pid)
{
    size_t length = strlen(name);
    struct gri_name_entry *found = NULL;
    struct gri_name_entry *entry = gri_alloc(sizeof(*entry) + length + 1);
    gr_err err = GR_OK;

    if (entry == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the name '%.64s'", name);
    }
    entry->pid = pid;
    entry->kept = true;
    memcpy(entry->name, name, length + 1);
    (void)pthread_mutex_lock(&sys->names_lock);
    HASH_FIND(hh, sys->names, name, length, found);
    if (found == NULL) {
        HASH_ADD_KEYPTR(hh, sys->names, entry->name, length, entry);
        err = entry->kept ? GR_OK : GRI_FAIL(GR_ENOMEM, "the name '%.64s'", name);
    } else {
        err = GRI_FAIL(GR_EEXIST, "the name '%.64s' is taken", name);
    }
    (void)pthread_mutex_unlock(&sys->names_lock);
    if (err != GR_OK) {
        gri_free(entry);
    }
    return err;
}

void gri_name_remove(gr_system *sys, const char *name, gr_pid pid)
{
    struct gri_name_entry *entry = NULL;

    (void)pthread_mutex_lock(&sys->names_lock);
    HASH_FIND(hh, sys->names, name, strlen(name), entry);
    if (entry != NULL && entry->pid.slot == pid.slot) {
        HASH_DEL(sys->names, entry);
    } else {
        entry = NULL;
    }
    (void)pthread_mutex_unlock(&sys->names_lock);
    gri_free(entry);
}

void gri_names_dump(gr_system *sys, FILE *out)
{
    struct gri_name_entry *entry = NULL, *next = NULL;
    char text[GR_PID_TEXT_BYTES];

    (void)pthread_mutex_lock(&sys->names_lock);
    HASH_ITER(hh, sys->names, entry, next)
    {
        (void)fprintf(out, "  name %s: %s\n", entry->name, gr_pid_format(entry->pid, text));
    }
    (void)pthread_mutex_unlock(&sys->names_lock);
}

void gri_name_of(gr_system *sys, gr_pid pid, char *out, size_t bytes)
{
    struct gri_name_entry *entry = NULL, *next = NULL;

    (void)snprintf(out, bytes, "%s", "");
    (void)pthread_mutex_lock(&sys->names_lock);
    HASH_ITER(hh, sys->names, entry, next)
    {
        if (gr_pid_equal(entry->pid, pid)) {
            (void)snprintf(out, bytes, "%s", entry->name);
        }
    }
    (void)pthread_mutex_unlock(&sys->names_lock);
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
