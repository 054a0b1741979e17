/*
 * Watches across processes, by pair of pids, with how often each pair watches. Its session's lock
 * guards it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "watches.h"

#include <string.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) (element)->added = false
#include <uthash.h>

#include <gri/mem.h>

#include "hash.h"

struct gri_watch {
    struct gri_watch_pair {
        gr_pid local, foreign;
    } pair; /* no padding: it is hashed as bytes */
    uint32_t count;
    bool added;
    UT_hash_handle hh;
};

static struct gri_watch *find(const gri_watches *watches, gr_pid local, gr_pid foreign)
{
    struct gri_watch_pair pair = {local, foreign};
    struct gri_watch *watch = NULL;

    HASH_FIND(hh, watches->by_pair, &pair, sizeof(pair), watch);
    return watch;
}

bool gri_watches_add(gri_watches *watches, gr_pid local, gr_pid foreign, uint32_t max)
{
    struct gri_watch *watch = find(watches, local, foreign);

    if (watch != NULL) {
        watch->count++;
        return true;
    }
    if (HASH_COUNT(watches->by_pair) >= max) {
        return false;
    }
    watch = gri_calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return false;
    }
    watch->pair.local = local;
    watch->pair.foreign = foreign;
    watch->count = 1;
    watch->added = true;
    HASH_ADD(hh, watches->by_pair, pair, sizeof(watch->pair), watch);
    if (!watch->added) {
        gri_free(watch);
        return false;
    }
    return true;
}

bool gri_watches_has(const gri_watches *watches, gr_pid local, gr_pid foreign)
{
    return find(watches, local, foreign) != NULL;
}

static void drop(gri_watches *watches, struct gri_watch *watch)
{
    HASH_DEL(watches->by_pair, watch);
    gri_free(watch);
}

bool gri_watches_take(gri_watches *watches, gr_pid local, gr_pid foreign)
{
    struct gri_watch *watch = find(watches, local, foreign);

    if (watch == NULL) {
        return false;
    }
    if (--watch->count == 0) {
        drop(watches, watch);
    }
    return true;
}

void gri_watches_remove(gri_watches *watches, gr_pid local, gr_pid foreign)
{
    struct gri_watch *watch = find(watches, local, foreign);

    if (watch != NULL) {
        drop(watches, watch);
    }
}

bool gri_watches_pop(gri_watches *watches, gr_pid *out_local, gr_pid *out_foreign,
                     uint32_t *out_count)
{
    struct gri_watch *watch = watches->by_pair;

    if (watch == NULL) {
        return false;
    }
    *out_local = watch->pair.local;
    *out_foreign = watch->pair.foreign;
    *out_count = watch->count;
    drop(watches, watch);
    return true;
}

uint32_t gri_watches_count(const gri_watches *watches)
{
    return HASH_COUNT(watches->by_pair);
}
