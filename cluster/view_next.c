/*
 * The view after an event. Pure: whoever wants a change calls this with the newest view it knows,
 * and offers the result to the coordinator, which takes it only if that was the newest. Any thread.
 *
 * The rules that make owners unique in time (together with leases, see lease.c):
 *   1. While its owner is a member, only the owner gives a shard away (GIVE), after draining it.
 *   2. The shards of a member that goes get new owners in the step that removes it, and every
 * change of owner raises the epoch, to the wall clock in milliseconds at least.
 *   3. Two members never have one address: who joins waits for the end of whoever had it before
 *      (claim.c).
 *   4. In a view that was founded where there was none, nobody owns anything until it is settled.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "view_make.h"

#include <inttypes.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

/* The only writer of owners and epochs. */
static void set_owner(gri_shard *shard, uint64_t owner, int64_t wall_ms)
{
    uint64_t floor = wall_ms > 0 ? (uint64_t)wall_ms : 0;

    if (shard->owner != owner) {
        shard->owner = owner;
        shard->epoch = shard->epoch + 1 > floor ? shard->epoch + 1 : floor;
    }
}

static gri_member *find_member(gri_view *view, uint64_t node)
{
    const gri_member *found = gri_view_member(view, node);

    return found == NULL ? NULL : &view->members[found - view->members];
}

/* Shards without an owner get the one that they should have. */
static gr_err assign_unowned(gri_view *view, int64_t wall_ms)
{
    uint64_t *owners = gri_calloc(view->shards_count, sizeof(*owners));
    gr_err err =
        owners == NULL ? GRI_FAIL(GR_ENOMEM, "owners of %u shards", view->shards_count) : GR_OK;
    uint32_t shard = 0;
    size_t i = 0;

    for (i = 0; err == GR_OK && i < view->tables_count; i++) {
        err = gri_view_plan(view, &view->tables[i], owners);
        for (shard = 0; err == GR_OK && shard < view->shards_count; shard++) {
            if (view->tables[i].shards[shard].owner == 0) {
                set_owner(&view->tables[i].shards[shard], owners[shard], wall_ms);
            }
        }
    }
    gri_free(owners);
    return err;
}

gr_err gri_view_admits(const gri_view *view, uint32_t shards_count, int64_t lease_ms)
{
    if (view->protocol != GRI_VIEW_PROTOCOL) {
        return GRI_FAIL(GR_EMISMATCH,
                        "the cluster speaks protocol %u and this node %d; run the same version",
                        view->protocol, GRI_VIEW_PROTOCOL);
    }
    if (view->shards_count != shards_count) {
        return GRI_FAIL(GR_EMISMATCH,
                        "the cluster has %u shards and this node asks for %u; the number is fixed "
                        "when a cluster is founded",
                        view->shards_count, shards_count);
    }
    if (view->lease_ms != lease_ms && !(view->settled && view->members_count == 0)) {
        return GRI_FAIL(GR_EMISMATCH,
                        "the cluster has leases of %" PRId64 " ms and this node one of %" PRId64
                        "; all nodes have the same, and it changes only when all have been stopped",
                        view->lease_ms, lease_ms);
    }
    return GR_OK;
}

static bool has_departed(const gri_view *view, uint64_t node)
{
    size_t i = 0;

    for (i = 0; i < view->departed_count; i++) {
        if (view->departed[i] == node) {
            return true;
        }
    }
    return false;
}

static const gri_member *find_address(const gri_view *view, const char *address)
{
    size_t i = 0;

    for (i = 0; i < view->members_count; i++) {
        if (strcmp(view->members[i].address, address) == 0) {
            return &view->members[i];
        }
    }
    return NULL;
}

static gr_err may_join(const gri_view *view, const gri_view_event *event, uint32_t shards_count)
{
    const gri_member *member = event->member;
    const gri_member *holder = NULL;
    gr_err err = gri_view_admits(view, shards_count, event->lease_ms);

    if (err == GR_OK) {
        err = gri_member_validate(member);
    }
    if (err != GR_OK) {
        return err;
    }
    if (gri_view_member(view, member->node) != NULL) {
        return GRI_FAIL(GR_EEXIST, "node %016" PRIx64 " is a member already", member->node);
    }
    if (has_departed(view, member->node)) {
        return GRI_FAIL(GR_EREFUSED,
                        "node %016" PRIx64 " has left the cluster; come back under a new id",
                        member->node);
    }
    holder = find_address(view, member->address);
    if (holder != NULL) {
        return GRI_FAIL(GR_EBUSY, "the address %.100s is that of node %016" PRIx64, holder->address,
                        holder->node);
    }
    if (view->members_count >= GRI_VIEW_MEMBERS_MAX) {
        return GRI_FAIL(GR_EFULL, "the cluster has %zu members, which is the most",
                        view->members_count);
    }
    return GR_OK;
}

/* On a copy that has room. */
static gr_err on_join(gri_view *view, const gri_view_event *event)
{
    const gri_member *member = event->member;
    gri_member fresh = {0};
    gr_err err = gri_member_copy(member, &fresh);
    size_t at = 0;

    if (err == GR_OK) {
        err = gri_view_add_tables(view, &fresh);
    }
    if (err != GR_OK) {
        gri_member_fini(&fresh);
        return err;
    }
    fresh.leaving = false;
    view->lease_ms = event->lease_ms;
    for (at = view->members_count; at > 0 && view->members[at - 1].node > fresh.node; at--) {
        view->members[at] = view->members[at - 1];
    }
    view->members[at] = fresh;
    view->members_count++;
    return assign_unowned(view, event->wall_ms);
}

static void remember_departed(gri_view *view, uint64_t node)
{
    if (view->departed_count == GRI_VIEW_DEPARTED_MAX) {
        view->departed_count--;
        memmove(view->departed, view->departed + 1,
                view->departed_count * sizeof(view->departed[0]));
    }
    view->departed[view->departed_count] = node;
    view->departed_count++;
}

/* LEAVE and FENCED */
static gr_err on_gone(gri_view *view, const gri_view_event *event)
{
    gri_member *member = find_member(view, event->node);
    size_t i = 0;
    uint32_t shard = 0;

    gri_member_fini(member);
    view->members_count--;
    memmove(member, member + 1,
            (size_t)(view->members + view->members_count - member) * sizeof(*member));
    for (i = 0; i < view->tables_count; i++) {
        for (shard = 0; shard < view->shards_count; shard++) {
            if (view->tables[i].shards[shard].owner == event->node) {
                set_owner(&view->tables[i].shards[shard], 0, event->wall_ms);
            }
        }
    }
    remember_departed(view, event->node);
    return assign_unowned(view, event->wall_ms);
}

static gr_err give_one(gri_view *view, const gri_view_event *event, const gri_shard_ref *given,
                       const uint64_t *owners)
{
    gri_table *table = (gri_table *)gri_view_find_table(view, given->table);

    if (table == NULL || given->shard >= view->shards_count ||
        table->shards[given->shard].owner != event->node ||
        table->shards[given->shard].epoch != given->epoch) {
        return GRI_FAIL(GR_EINVAL,
                        "shard %u of '%s' under epoch %" PRIu64 " is not node %016" PRIx64
                        "'s to give",
                        given->shard, given->table, given->epoch, event->node);
    }
    set_owner(&table->shards[given->shard], owners[given->shard], event->wall_ms);
    return GR_OK;
}

static bool gives_of(const gri_view_event *event, const char *table)
{
    size_t i = 0;

    for (i = 0; i < event->given_count; i++) {
        if (strcmp(event->given[i].table, table) == 0) {
            return true;
        }
    }
    return false;
}

/* Table by table, so that each plan is made once, from what was before anything of it was given. */
static gr_err on_give(gri_view *view, const gri_view_event *event)
{
    uint64_t *owners = gri_calloc(view->shards_count, sizeof(*owners));
    gr_err err =
        owners == NULL ? GRI_FAIL(GR_ENOMEM, "owners of %u shards", view->shards_count) : GR_OK;
    size_t done = 0;
    size_t i = 0;
    size_t j = 0;

    for (i = 0; err == GR_OK && i < view->tables_count; i++) {
        const gri_table *table = &view->tables[i];

        if (!gives_of(event, table->name)) {
            continue;
        }
        err = gri_view_plan(view, table, owners);
        for (j = 0; err == GR_OK && j < event->given_count; j++) {
            if (strcmp(event->given[j].table, table->name) == 0) {
                err = give_one(view, event, &event->given[j], owners);
                done++;
            }
        }
    }
    if (err == GR_OK && done != event->given_count) {
        err = GRI_FAIL(GR_EINVAL, "node %016" PRIx64 " gives shards of a table that is not there",
                       event->node);
    }
    gri_free(owners);
    return err;
}

static gr_err apply(gri_view *view, const gri_view_event *event)
{
    switch (event->kind) {
    case GRI_VIEW_JOIN:
        return on_join(view, event);
    case GRI_VIEW_SETTLE:
        view->settled = true;
        return assign_unowned(view, event->wall_ms);
    case GRI_VIEW_LEAVE:
    case GRI_VIEW_FENCED:
        return on_gone(view, event);
    case GRI_VIEW_LEAVING:
        find_member(view, event->node)->leaving = true;
        return GR_OK;
    case GRI_VIEW_GIVE:
        return on_give(view, event);
    default:
        return GRI_FAIL(GR_EINVAL, "event %d of a view", (int)event->kind);
    }
}

/* Whether anything but GIVE, which only shows when it is done, would change nothing. */
static bool changes_nothing(const gri_view *view, const gri_view_event *event)
{
    if (event->kind == GRI_VIEW_SETTLE) {
        return view->settled;
    }
    return event->kind == GRI_VIEW_LEAVING && gri_view_member(view, event->node)->leaving;
}

static bool same_owners(const gri_view *a, const gri_view *b)
{
    size_t i = 0;
    uint32_t shard = 0;

    for (i = 0; i < a->tables_count; i++) {
        for (shard = 0; shard < a->shards_count; shard++) {
            if (a->tables[i].shards[shard].owner != b->tables[i].shards[shard].owner) {
                return false;
            }
        }
    }
    return true;
}

static gr_err found(const gri_view_event *event, uint32_t shards_count, uint64_t founded,
                    gri_view **out_view)
{
    gri_view *view = NULL;
    gr_err err = GR_OK;

    if (event->kind != GRI_VIEW_JOIN) {
        return GRI_FAIL(GR_ENOTFOUND, "there is no view yet; only a node that joins founds one");
    }
    if (shards_count == 0 || shards_count > GRI_VIEW_SHARDS_MAX) {
        return GRI_FAIL(GR_EINVAL, "%u shards; a cluster has 1 to %d", shards_count,
                        GRI_VIEW_SHARDS_MAX);
    }
    err = gri_member_validate(event->member);
    if (err != GR_OK) {
        return err;
    }
    view = gri_view_new(shards_count, 1, event->member->kinds_count + 1);
    if (view == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a view of %u shards", shards_count);
    }
    view->version = 1;
    view->founded = founded;
    view->founded_wall_ms = event->wall_ms;
    err = on_join(view, event);
    if (err != GR_OK) {
        gri_view_unref(view);
        return err;
    }
    *out_view = view;
    return GR_OK;
}

gr_err gri_view_next(const gri_view *view, const gri_view_event *event, uint32_t shards_count,
                     uint64_t founded, gri_view **out_view)
{
    gri_view *next = NULL;
    gr_err err = GR_OK;

    if (view == NULL) {
        return found(event, shards_count, founded, out_view);
    }
    if (event->kind == GRI_VIEW_JOIN) {
        err = may_join(view, event, shards_count);
    } else if (event->kind != GRI_VIEW_SETTLE && gri_view_member(view, event->node) == NULL) {
        err = GRI_FAIL(GR_ENOTFOUND, "node %016" PRIx64 " is no member", event->node);
    }
    if (err != GR_OK) {
        return err;
    }
    if (changes_nothing(view, event)) {
        *out_view = NULL;
        return GR_OK;
    }
    err = gri_view_copy(view, event->kind == GRI_VIEW_JOIN ? event->member : NULL, &next);
    if (err == GR_OK) {
        err = apply(next, event);
    }
    if (err != GR_OK) {
        gri_view_unref(next);
        return err;
    }
    if (event->kind == GRI_VIEW_GIVE && same_owners(view, next)) {
        *out_view = gri_view_unref(next);
        return GR_OK;
    }
    next->version++;
    *out_view = next;
    return GR_OK;
}
