/*
 * Who should own what: bounded rendezvous hashing. Pure; any thread.
 *
 * Every member that may own shards of a table has a quota: its share by weight of the shards, rounded down, and the
 * shards left over by rounding go one each to members with the largest remainder, those that hold
 * one already first. A member above its quota should give away the shards that it likes least; each
 * shard without a rightful owner goes to the member below its quota that likes it most. How much a
 * member likes a shard is a hash of the two. So
 *   - every member is within one shard of its fair share (plain rendezvous hashing would leave 256
 *     shards on 3 nodes 10 % apart, on 100 nodes far more),
 *   - no shard moves but those that must: to a joiner, from one that goes, or to restore a quota,
 *   - carrying out a part of a plan does not change the rest of it (who gives which shards), so
 *     owners may give in any order and each by itself,
 *   - only integers are involved: the same plan on every machine.
 * Here nobody owns by hashing: a plan only says what owners should give away, and to whom shards go
 * that have no owner.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "view_make.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include <gri/bytes.h>
#include <gri/fail.h>
#include <gri/mem.h>

typedef struct candidate {
    uint64_t node;
    uint64_t remainder; /* of its fair share, in parts of the total weight */
    uint32_t fair;      /* rounded down */
    uint32_t owned;     /* now */
    uint32_t quota;
    uint32_t kept; /* of the plan so far */
    bool taken;    /* while the shards left over are handed out */
} candidate;

typedef struct liked_shard {
    uint64_t liking;
    uint32_t shard;
} liked_shard;

static uint64_t liking_of(const char *table, uint32_t shard, uint64_t node)
{
    uint8_t key[12];

    gri_put_u64(key, node);
    gri_put_u32(key + 8, shard);
    return XXH64(key, sizeof(key), XXH64(table, strlen(table), 0));
}

static candidate *candidate_find(candidate *candidates, size_t count, uint64_t node)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (candidates[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && candidates[low].node == node ? &candidates[low] : NULL;
}

/* Members that may own shards of the table and are to stay, in the order of the view. */
static size_t find_candidates(const gri_view *view, const gri_table *table, candidate *candidates)
{
    uint64_t weights = 0;
    size_t count = 0;
    size_t i = 0;

    for (i = 0; view->settled && i < view->members_count; i++) {
        const gri_member *member = &view->members[i];

        if (!member->leaving && gri_member_may_own(member, table->name)) {
            candidates[count] = (candidate){.node = member->node, .remainder = member->weight};
            weights += member->weight;
            count++;
        }
    }
    for (i = 0; i < count; i++) {
        uint64_t parts = view->shards_count * candidates[i].remainder;

        candidates[i].fair = (uint32_t)(parts / weights);
        candidates[i].remainder = parts % weights;
        candidates[i].quota = candidates[i].fair;
    }
    return count;
}

static bool comes_before(const candidate *a, const candidate *b)
{
    bool a_holds = a->owned > a->fair;
    bool b_holds = b->owned > b->fair;

    if (a_holds != b_holds) {
        return a_holds;
    }
    return a->remainder > b->remainder;
}

/* There are fewer shards left over than members with a remainder, so each gets one at most. */
static void hand_out_left_over(candidate *candidates, size_t count, uint32_t shards_count)
{
    uint32_t left = shards_count;
    size_t i = 0;

    for (i = 0; i < count; i++) {
        left -= candidates[i].fair;
    }
    for (; left > 0 && count > 0; left--) {
        candidate *best = NULL;

        for (i = 0; i < count; i++) {
            if (!candidates[i].taken && candidates[i].remainder > 0 &&
                (best == NULL || comes_before(&candidates[i], best))) {
                best = &candidates[i];
            }
        }
        GRI_INVARIANT(best != NULL);
        best->taken = true;
        best->quota++;
    }
}

static int by_liking(const void *left, const void *right)
{
    const liked_shard *a = left;
    const liked_shard *b = right;

    if (a->liking != b->liking) {
        return a->liking < b->liking ? 1 : -1;
    }
    return a->shard < b->shard ? -1 : 1;
}

/* The owner keeps what it likes most, up to its quota. */
static void keep_own(const gri_view *view, const gri_table *table, candidate *owner,
                     liked_shard *liked, uint64_t *owners)
{
    uint32_t count = 0;
    uint32_t shard = 0;

    for (shard = 0; shard < view->shards_count; shard++) {
        if (table->shards[shard].owner == owner->node) {
            liked[count].liking =
                owner->owned > owner->quota ? liking_of(table->name, shard, owner->node) : 0;
            liked[count].shard = shard;
            count++;
        }
    }
    if (count > owner->quota) {
        qsort(liked, count, sizeof(*liked), by_liking);
        count = owner->quota;
    }
    owner->kept = count;
    while (count > 0) {
        count--;
        owners[liked[count].shard] = owner->node;
    }
}

static void place(const char *table, uint32_t shard, candidate *candidates, size_t count,
                  uint64_t *owners)
{
    candidate *best = NULL;
    uint64_t best_liking = 0;
    size_t i = 0;

    for (i = 0; i < count; i++) {
        if (candidates[i].kept < candidates[i].quota) {
            uint64_t liking = liking_of(table, shard, candidates[i].node);

            if (best == NULL || liking > best_liking) {
                best = &candidates[i];
                best_liking = liking;
            }
        }
    }
    if (best != NULL) {
        best->kept++;
        owners[shard] = best->node;
    }
}

gr_err gri_view_plan(const gri_view *view, const gri_table *table, uint64_t *out_owners)
{
    candidate *candidates = gri_calloc(view->members_count, sizeof(*candidates));
    liked_shard *liked = gri_calloc(view->shards_count, sizeof(*liked));
    gr_err err = GR_OK;
    size_t count = 0;
    uint32_t shard = 0;
    size_t i = 0;

    if (candidates == NULL || liked == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "planning %u shards", view->shards_count);
        goto done;
    }
    memset(out_owners, 0, view->shards_count * sizeof(*out_owners));
    count = find_candidates(view, table, candidates);
    for (shard = 0; shard < view->shards_count; shard++) {
        candidate *owner = candidate_find(candidates, count, table->shards[shard].owner);

        if (owner != NULL) {
            owner->owned++;
        }
    }
    hand_out_left_over(candidates, count, view->shards_count);
    for (i = 0; i < count; i++) {
        if (candidates[i].owned > 0) {
            keep_own(view, table, &candidates[i], liked, out_owners);
        }
    }
    for (shard = 0; shard < view->shards_count; shard++) {
        if (out_owners[shard] == 0) {
            place(table->name, shard, candidates, count, out_owners);
        }
    }
done:
    gri_free(liked);
    gri_free(candidates);
    return err;
}

bool gri_view_at_rest(const gri_view *view)
{
    uint64_t *owners = gri_calloc(view->shards_count, sizeof(*owners));
    bool rests = owners != NULL && view->settled;
    size_t i = 0;
    uint32_t shard = 0;

    for (i = 0; rests && i < view->tables_count; i++) {
        rests = gri_view_plan(view, &view->tables[i], owners) == GR_OK;
        for (shard = 0; rests && shard < view->shards_count; shard++) {
            rests = view->tables[i].shards[shard].owner == owners[shard];
        }
    }
    gri_free(owners);
    return rests;
}

uint64_t gri_view_should_own(const gri_view *view, const char *table, uint32_t shard)
{
    const gri_table *found = gri_view_find_table(view, table);
    uint64_t *owners = gri_calloc(view->shards_count, sizeof(*owners));
    uint64_t owner = 0;

    if (found != NULL && owners != NULL && shard < view->shards_count &&
        gri_view_plan(view, found, owners) == GR_OK) {
        owner = owners[shard];
    }
    gri_free(owners);
    return owner;
}

gr_err gri_view_to_give(const gri_view *view, uint64_t node, gri_shard_ref *out_shards, size_t room,
                        size_t *out_count)
{
    uint64_t *owners = gri_calloc(view->shards_count, sizeof(*owners));
    gr_err err = GR_OK;
    size_t count = 0;
    size_t i = 0;
    uint32_t shard = 0;

    if (owners == NULL) {
        return GRI_FAIL(GR_ENOMEM, "planning %u shards", view->shards_count);
    }
    for (i = 0; err == GR_OK && i < view->tables_count; i++) {
        const gri_table *table = &view->tables[i];

        err = gri_view_plan(view, table, owners);
        for (shard = 0; err == GR_OK && count < room && shard < view->shards_count; shard++) {
            if (table->shards[shard].owner == node && owners[shard] != node) {
                out_shards[count] = (gri_shard_ref){table->name, shard, table->shards[shard].epoch};
                count++;
            }
        }
    }
    if (err == GR_OK) {
        *out_count = count;
    }
    gri_free(owners);
    return err;
}
