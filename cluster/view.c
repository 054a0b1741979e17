/*
 * Views as values: copies, references, looking things up, and what must hold of each. Any thread; a
 * view does not change once it is made. Does not decide anything: see view_next.c and view_plan.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "view_make.h"

#include <inttypes.h>
#include <string.h>

#define XXH_INLINE_ALL /* the state on the stack, whatever version of the library */
#include <xxhash.h>

#include <gri/fail.h>
#include <gri/mem.h>

/* ---- members */

void gri_member_fini(gri_member *member)
{
    size_t i = 0;

    for (i = 0; member->kinds != NULL && i < member->kinds_count; i++) {
        gri_free(member->kinds[i]);
    }
    gri_free(member->kinds);
    gri_free(member->role);
    gri_free(member->address);
    *member = (gri_member){0};
}

gr_err gri_member_copy(const gri_member *from, gri_member *out_member)
{
    gri_member copy = {.node = from->node, .weight = from->weight, .leaving = from->leaving};
    size_t i = 0;

    copy.address = gri_strdup(from->address);
    copy.role = gri_strdup(from->role == NULL ? "" : from->role);
    copy.kinds = gri_calloc(from->kinds_count, sizeof(char *));
    copy.kinds_count = from->kinds_count;
    if (copy.address == NULL || copy.role == NULL || copy.kinds == NULL) {
        goto no_memory;
    }
    for (i = 0; i < from->kinds_count; i++) {
        copy.kinds[i] = gri_strdup(from->kinds[i]);
        if (copy.kinds[i] == NULL) {
            goto no_memory;
        }
    }
    *out_member = copy;
    return GR_OK;
no_memory:
    gri_member_fini(&copy);
    return GRI_FAIL(GR_ENOMEM, "member %016" PRIx64, from->node);
}

/* ---- life */

gri_view *gri_view_new(uint32_t shards_count, size_t members_room, size_t roles_room)
{
    gri_view *view = gri_calloc(1, sizeof(*view));

    if (view == NULL) {
        return NULL;
    }
    atomic_init(&view->refs, 1);
    view->protocol = GRI_VIEW_PROTOCOL;
    view->shards_count = shards_count;
    view->members = gri_calloc(members_room, sizeof(gri_member));
    view->roles = gri_calloc(roles_room, sizeof(gri_role_shards));
    return view->members == NULL || view->roles == NULL ? gri_view_unref(view) : view;
}

gr_err gri_view_add_role(gri_view *view, const char *role)
{
    size_t at = 0;
    gri_role_shards fresh = {gri_strdup(role), gri_calloc(view->shards_count, sizeof(gri_shard))};

    if (fresh.role == NULL || fresh.shards == NULL) {
        gri_free(fresh.role);
        gri_free(fresh.shards);
        return GRI_FAIL(GR_ENOMEM, "role '%s'", role);
    }
    for (at = view->roles_count; at > 0 && strcmp(view->roles[at - 1].role, role) > 0; at--) {
        view->roles[at] = view->roles[at - 1];
    }
    view->roles[at] = fresh;
    view->roles_count++;
    return GR_OK;
}

gr_err gri_view_copy(const gri_view *from, gri_view **out_view)
{
    gri_view *view =
        gri_view_new(from->shards_count, from->members_count + 1, from->roles_count + 1);
    gr_err err = GR_OK;
    size_t i = 0;

    if (view == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a view of %zu members", from->members_count);
    }
    view->version = from->version;
    view->founded = from->founded;
    view->founded_wall_ms = from->founded_wall_ms;
    view->settled = from->settled;
    memcpy(view->departed, from->departed, sizeof(view->departed));
    view->departed_count = from->departed_count;
    for (i = 0; err == GR_OK && i < from->members_count; i++) {
        err = gri_member_copy(&from->members[i], &view->members[i]);
        view->members_count += err == GR_OK;
    }
    for (i = 0; err == GR_OK && i < from->roles_count; i++) {
        err = gri_view_add_role(view, from->roles[i].role);
        if (err == GR_OK) {
            memcpy(view->roles[i].shards, from->roles[i].shards,
                   view->shards_count * sizeof(gri_shard));
        }
    }
    if (err != GR_OK) {
        gri_view_unref(view);
        return err;
    }
    *out_view = view;
    return GR_OK;
}

gri_view *gri_view_ref(gri_view *view)
{
    if (view != NULL) {
        /* Publishes nothing: whoever takes a reference holds one already. */
        atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
    }
    return view;
}

gri_view *gri_view_unref(gri_view *take_view)
{
    size_t i = 0;

    /* Release: our reads of the view come before whoever frees it; acquire: all others' before us.
     */
    if (take_view == NULL ||
        atomic_fetch_sub_explicit(&take_view->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    for (i = 0; i < take_view->members_count; i++) {
        gri_member_fini(&take_view->members[i]);
    }
    for (i = 0; i < take_view->roles_count; i++) {
        gri_free(take_view->roles[i].role);
        gri_free(take_view->roles[i].shards);
    }
    gri_free(take_view->members);
    gri_free(take_view->roles);
    gri_free(take_view);
    return NULL;
}

/* ---- looking things up */

uint64_t gri_grain_hash(const gr_kind_info *kind, const char *identity)
{
    XXH64_state_t state;

    XXH64_reset(&state, 0);
    XXH64_update(&state, kind->name, strlen(kind->name) + 1);
    XXH64_update(&state, identity, strlen(identity));
    return XXH64_digest(&state);
}

uint32_t gri_view_shard(const gri_view *view, const gr_kind_info *kind, const char *identity)
{
    return (uint32_t)(gri_grain_hash(kind, identity) % view->shards_count);
}

const gri_role_shards *gri_view_role(const gri_view *view, const char *role)
{
    size_t i = 0;

    for (i = 0; i < view->roles_count; i++) {
        if (strcmp(view->roles[i].role, role == NULL ? "" : role) == 0) {
            return &view->roles[i];
        }
    }
    return NULL;
}

const gri_shard *gri_view_shards(const gri_view *view, const char *role)
{
    const gri_role_shards *found = gri_view_role(view, role);

    return found == NULL ? NULL : found->shards;
}

const gri_member *gri_view_member(const gri_view *view, uint64_t node)
{
    size_t low = 0;
    size_t high = view->members_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (view->members[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < view->members_count && view->members[low].node == node ? &view->members[low]
                                                                        : NULL;
}

bool gri_view_hosts(const gri_view *view, uint64_t node, const char *kind)
{
    const gri_member *member = gri_view_member(view, node);
    size_t i = 0;

    for (i = 0; member != NULL && i < member->kinds_count; i++) {
        if (strcmp(member->kinds[i], kind) == 0) {
            return true;
        }
    }
    return false;
}

size_t gri_view_owned(const gri_view *view, uint64_t node)
{
    size_t owned = 0;
    size_t role = 0;
    uint32_t shard = 0;

    for (role = 0; role < view->roles_count; role++) {
        for (shard = 0; shard < view->shards_count; shard++) {
            owned += view->roles[role].shards[shard].owner == node;
        }
    }
    return owned;
}

bool gri_member_may_own(const gri_member *member, const char *role)
{
    return role[0] == '\0' || strcmp(member->role, role) == 0;
}

/* ---- what must hold */

gr_err gri_member_validate(const gri_member *member)
{
    size_t i = 0;

    if (member->node == 0 || member->address == NULL || member->address[0] == '\0' ||
        member->role == NULL) {
        return GRI_FAIL(GR_EINVAL, "member %016" PRIx64 " needs an id, an address and a role",
                        member->node);
    }
    if (member->weight == 0 || member->weight > GRI_VIEW_WEIGHT_MAX) {
        return GRI_FAIL(GR_EINVAL, "member %016" PRIx64 " has weight %u; it is 1 to %d",
                        member->node, member->weight, GRI_VIEW_WEIGHT_MAX);
    }
    for (i = 1; i < member->kinds_count; i++) {
        if (strcmp(member->kinds[i - 1], member->kinds[i]) >= 0) {
            return GRI_FAIL(GR_EINVAL, "kinds of member %016" PRIx64 " are not sorted: '%s', '%s'",
                            member->node, member->kinds[i - 1], member->kinds[i]);
        }
    }
    return GR_OK;
}

static gr_err validate_role(const gri_view *view, const gri_role_shards *role)
{
    uint32_t shard = 0;

    for (shard = 0; shard < view->shards_count; shard++) {
        uint64_t owner = role->shards[shard].owner;
        const gri_member *member = NULL;

        if (owner == 0) {
            continue;
        }
        member = gri_view_member(view, owner);
        if (member == NULL || !gri_member_may_own(member, role->role)) {
            return GRI_FAIL(GR_EINVAL, "shard %u of role '%s' is owned by %016" PRIx64 ", which %s",
                            shard, role->role, owner,
                            member == NULL ? "is no member" : "does not have that role");
        }
        if (!view->settled || role->shards[shard].epoch == 0) {
            return GRI_FAIL(GR_EINVAL, "shard %u of role '%s' has an owner %s", shard, role->role,
                            view->settled ? "but no epoch" : "in an unsettled view");
        }
    }
    return GR_OK;
}

gr_err gri_view_validate(const gri_view *view)
{
    gr_err err = GR_OK;
    size_t i = 0;

    if (view->shards_count == 0 || view->shards_count > GRI_VIEW_SHARDS_MAX ||
        view->members_count > GRI_VIEW_MEMBERS_MAX || view->version == 0 ||
        view->departed_count > GRI_VIEW_DEPARTED_MAX) {
        return GRI_FAIL(GR_EINVAL, "a view of version %" PRIu64 ", %u shards, %zu members",
                        view->version, view->shards_count, view->members_count);
    }
    for (i = 0; err == GR_OK && i < view->members_count; i++) {
        err = gri_member_validate(&view->members[i]);
        if (err == GR_OK && i > 0 && view->members[i - 1].node >= view->members[i].node) {
            err = GRI_FAIL(GR_EINVAL, "members %016" PRIx64 " and %016" PRIx64 " are not in order",
                           view->members[i - 1].node, view->members[i].node);
        }
        if (err == GR_OK && gri_view_role(view, view->members[i].role) == NULL) {
            err = GRI_FAIL(GR_EINVAL, "role '%s' has no shards", view->members[i].role);
        }
    }
    if (err == GR_OK && (view->roles_count == 0 || view->roles[0].role[0] != '\0')) {
        err = GRI_FAIL(GR_EINVAL, "the role of every member is missing");
    }
    for (i = 0; err == GR_OK && i < view->roles_count; i++) {
        err = validate_role(view, &view->roles[i]);
        if (err == GR_OK && i > 0 && strcmp(view->roles[i - 1].role, view->roles[i].role) >= 0) {
            err = GRI_FAIL(GR_EINVAL, "roles '%s' and '%s' are not in order",
                           view->roles[i - 1].role, view->roles[i].role);
        }
    }
    return err;
}

void gri_view_check(const gri_view *view)
{
    GRI_INVARIANT(gri_view_validate(view) == GR_OK);
}
