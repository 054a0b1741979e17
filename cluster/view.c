/*
 * Views as values: copies, references, looking things up, and what must hold of each. Any thread; a
 * view does not change once it is made. Does not decide anything: see view_next.c and view_plan.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "view_make.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL /* the state on the stack, whatever version of the library */
#include <xxhash.h>

#include <gri/fail.h>
#include <gri/mem.h>

#define KIND_TABLE "kind:"
#define ROLE_TABLE "role:"

enum { NAME_BYTES_MAX = GRI_VIEW_TABLE_BYTES - 8 };

/* ---- members */

static void names_fini(char **names, size_t count)
{
    size_t i = 0;

    for (i = 0; names != NULL && i < count; i++) {
        gri_free(names[i]);
    }
    gri_free(names);
}

static char **names_copy(char *const *names, size_t count)
{
    char **copy = gri_calloc(count, sizeof(char *));
    size_t i = 0;

    for (i = 0; copy != NULL && i < count; i++) {
        copy[i] = gri_strdup(names[i]);
        if (copy[i] == NULL) {
            names_fini(copy, count);
            return NULL;
        }
    }
    return copy;
}

void gri_member_fini(gri_member *member)
{
    names_fini(member->kinds, member->kinds_count);
    names_fini(member->role_kinds, member->role_kinds_count);
    gri_free(member->role);
    gri_free(member->address);
    *member = (gri_member){0};
}

gr_err gri_member_copy(const gri_member *from, gri_member *out_member)
{
    gri_member copy = *from;

    copy.address = gri_strdup(from->address);
    copy.role = gri_strdup(from->role == NULL ? "" : from->role);
    copy.kinds = names_copy(from->kinds, from->kinds_count);
    copy.role_kinds = names_copy(from->role_kinds, from->role_kinds_count);
    if (copy.address == NULL || copy.role == NULL || copy.kinds == NULL ||
        copy.role_kinds == NULL) {
        gri_member_fini(&copy);
        return GRI_FAIL(GR_ENOMEM, "member %016" PRIx64, from->node);
    }
    *out_member = copy;
    return GR_OK;
}

/* ---- life */

gri_view *gri_view_new(uint32_t shards_count, size_t members_room, size_t tables_room)
{
    gri_view *view = gri_calloc(1, sizeof(*view));

    if (view == NULL) {
        return NULL;
    }
    atomic_init(&view->refs, 1);
    view->protocol = GRI_VIEW_PROTOCOL;
    view->shards_count = shards_count;
    view->members = gri_calloc(members_room, sizeof(gri_member));
    view->tables = gri_calloc(tables_room, sizeof(gri_table));
    return view->members == NULL || view->tables == NULL ? gri_view_unref(view) : view;
}

gr_err gri_view_add_table(gri_view *view, const char *name)
{
    size_t at = 0;
    gri_table fresh = {gri_strdup(name), gri_calloc(view->shards_count, sizeof(gri_shard))};

    if (fresh.name == NULL || fresh.shards == NULL) {
        gri_free(fresh.name);
        gri_free(fresh.shards);
        return GRI_FAIL(GR_ENOMEM, "shards of '%s'", name);
    }
    for (at = view->tables_count; at > 0 && strcmp(view->tables[at - 1].name, name) > 0; at--) {
        view->tables[at] = view->tables[at - 1];
    }
    view->tables[at] = fresh;
    view->tables_count++;
    return GR_OK;
}

static gr_err need_table(gri_view *view, const char *prefix, const char *rest)
{
    char name[GRI_VIEW_TABLE_BYTES];

    (void)snprintf(name, sizeof(name), "%s%s", prefix, rest);
    return gri_view_find_table(view, name) != NULL ? GR_OK : gri_view_add_table(view, name);
}

gr_err gri_view_add_tables(gri_view *view, const gri_member *member)
{
    gr_err err = member->role_kinds_count > 0 ? need_table(view, ROLE_TABLE, member->role) : GR_OK;
    size_t i = 0;

    for (i = 0; err == GR_OK && i < member->kinds_count; i++) {
        err = need_table(view, KIND_TABLE, member->kinds[i]);
    }
    return err;
}

gr_err gri_view_copy(const gri_view *from, const gri_member *joining, gri_view **out_view)
{
    size_t more = joining == NULL ? 0 : joining->kinds_count + 1;
    gri_view *view =
        gri_view_new(from->shards_count, from->members_count + 1, from->tables_count + more);
    gr_err err = GR_OK;
    size_t i = 0;

    if (view == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a view of %zu members", from->members_count);
    }
    view->version = from->version;
    view->founded = from->founded;
    view->founded_wall_ms = from->founded_wall_ms;
    view->lease_ms = from->lease_ms;
    view->settled = from->settled;
    memcpy(view->departed, from->departed, sizeof(view->departed));
    view->departed_count = from->departed_count;
    for (i = 0; err == GR_OK && i < from->members_count; i++) {
        err = gri_member_copy(&from->members[i], &view->members[i]);
        view->members_count += err == GR_OK;
    }
    for (i = 0; err == GR_OK && i < from->tables_count; i++) {
        err = gri_view_add_table(view, from->tables[i].name);
        if (err == GR_OK) {
            memcpy(view->tables[i].shards, from->tables[i].shards,
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
    for (i = 0; i < take_view->tables_count; i++) {
        gri_free(take_view->tables[i].name);
        gri_free(take_view->tables[i].shards);
    }
    gri_free(take_view->members);
    gri_free(take_view->tables);
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

uint64_t gri_view_fingerprint(const uint8_t *bytes, size_t count)
{
    return XXH64(bytes, count, 0);
}

uint32_t gri_view_shard(const gri_view *view, const gr_kind_info *kind, const char *identity)
{
    return (uint32_t)(gri_grain_hash(kind, identity) % view->shards_count);
}

const char *gri_view_table(const gr_kind_info *kind, char name[GRI_VIEW_TABLE_BYTES])
{
    bool by_role = kind->role != NULL && kind->role[0] != '\0';

    (void)snprintf(name, GRI_VIEW_TABLE_BYTES, "%s%s", by_role ? ROLE_TABLE : KIND_TABLE,
                   by_role ? kind->role : kind->name);
    return name;
}

const gri_table *gri_view_find_table(const gri_view *view, const char *name)
{
    size_t low = 0;
    size_t high = view->tables_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(view->tables[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < view->tables_count && strcmp(view->tables[low].name, name) == 0
               ? &view->tables[low]
               : NULL;
}

const gri_shard *gri_view_shards(const gri_view *view, const char *table)
{
    const gri_table *found = gri_view_find_table(view, table);

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

static bool has_name(char *const *names, size_t count, const char *name)
{
    size_t i = 0;

    for (i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool gri_view_hosts(const gri_view *view, uint64_t node, const char *kind)
{
    const gri_member *member = gri_view_member(view, node);

    return member != NULL && (has_name(member->kinds, member->kinds_count, kind) ||
                              has_name(member->role_kinds, member->role_kinds_count, kind));
}

bool gri_view_continues(const gri_view *earlier, const gri_view *later)
{
    size_t i = 0;
    uint32_t shard = 0;

    if (later->founded != earlier->founded || later->version <= earlier->version ||
        later->shards_count != earlier->shards_count) {
        return false;
    }
    for (i = 0; i < earlier->tables_count; i++) {
        const gri_shard *was = earlier->tables[i].shards;
        const gri_shard *is = gri_view_shards(later, earlier->tables[i].name);

        for (shard = 0; is != NULL && shard < earlier->shards_count; shard++) {
            if (is[shard].epoch < was[shard].epoch ||
                (is[shard].epoch == was[shard].epoch && is[shard].owner != was[shard].owner)) {
                return false;
            }
        }
        if (is == NULL) {
            return false;
        }
    }
    return true;
}

static bool same_names(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    size_t i = 0;

    for (i = 0; a_count == b_count && i < a_count; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return a_count == b_count;
}

static bool same_member(const gri_member *a, const gri_member *b)
{
    return a->node == b->node && strcmp(a->address, b->address) == 0 &&
           strcmp(a->role, b->role) == 0 && a->weight == b->weight && a->leaving == b->leaving &&
           same_names(a->kinds, a->kinds_count, b->kinds, b->kinds_count) &&
           same_names(a->role_kinds, a->role_kinds_count, b->role_kinds, b->role_kinds_count);
}

static bool same_table(const gri_table *a, const gri_table *b, uint32_t shards_count)
{
    uint32_t shard = 0;

    for (shard = 0; shard < shards_count; shard++) {
        if (a->shards[shard].owner != b->shards[shard].owner ||
            a->shards[shard].epoch != b->shards[shard].epoch) {
            return false;
        }
    }
    return strcmp(a->name, b->name) == 0;
}

bool gri_view_same(const gri_view *a, const gri_view *b)
{
    bool same = a->founded == b->founded && a->version == b->version &&
                a->founded_wall_ms == b->founded_wall_ms && a->protocol == b->protocol &&
                a->shards_count == b->shards_count && a->lease_ms == b->lease_ms &&
                a->settled == b->settled && a->members_count == b->members_count &&
                a->tables_count == b->tables_count && a->departed_count == b->departed_count &&
                memcmp(a->departed, b->departed, a->departed_count * sizeof(a->departed[0])) == 0;
    size_t i = 0;

    for (i = 0; same && i < a->members_count; i++) {
        same = same_member(&a->members[i], &b->members[i]);
    }
    for (i = 0; same && i < a->tables_count; i++) {
        same = same_table(&a->tables[i], &b->tables[i], a->shards_count);
    }
    return same;
}

size_t gri_view_owned(const gri_view *view, uint64_t node)
{
    size_t owned = 0;
    size_t table = 0;
    uint32_t shard = 0;

    for (table = 0; table < view->tables_count; table++) {
        for (shard = 0; shard < view->shards_count; shard++) {
            owned += view->tables[table].shards[shard].owner == node;
        }
    }
    return owned;
}

bool gri_member_may_own(const gri_member *member, const char *table)
{
    if (strncmp(table, KIND_TABLE, strlen(KIND_TABLE)) == 0) {
        return has_name(member->kinds, member->kinds_count, table + strlen(KIND_TABLE));
    }
    return strncmp(table, ROLE_TABLE, strlen(ROLE_TABLE)) == 0 &&
           strcmp(member->role, table + strlen(ROLE_TABLE)) == 0;
}

/* ---- what must hold */

static gr_err validate_names(const gri_member *member, char *const *names, size_t count)
{
    size_t i = 0;

    for (i = 0; i < count; i++) {
        if (names[i][0] == '\0' || strlen(names[i]) > NAME_BYTES_MAX) {
            return GRI_FAIL(GR_EINVAL,
                            "kind '%s' of member %016" PRIx64 ": names have 1 to %d bytes",
                            names[i], member->node, NAME_BYTES_MAX);
        }
        if (i > 0 && strcmp(names[i - 1], names[i]) >= 0) {
            return GRI_FAIL(GR_EINVAL, "kinds of member %016" PRIx64 " are not sorted: '%s', '%s'",
                            member->node, names[i - 1], names[i]);
        }
    }
    return GR_OK;
}

gr_err gri_member_validate(const gri_member *member)
{
    gr_err err = GR_OK;

    if (member->node == 0 || member->address == NULL || member->address[0] == '\0' ||
        member->role == NULL || strlen(member->role) > NAME_BYTES_MAX) {
        return GRI_FAIL(GR_EINVAL,
                        "member %016" PRIx64 " needs an id, an address and a role of at most %d "
                        "bytes",
                        member->node, NAME_BYTES_MAX);
    }
    if (member->weight == 0 || member->weight > GRI_VIEW_WEIGHT_MAX) {
        return GRI_FAIL(GR_EINVAL, "member %016" PRIx64 " has weight %u; it is 1 to %d",
                        member->node, member->weight, GRI_VIEW_WEIGHT_MAX);
    }
    if (member->role_kinds_count > 0 && member->role[0] == '\0') {
        return GRI_FAIL(GR_EINVAL,
                        "member %016" PRIx64 " hosts '%s', which asks for a role, and has "
                        "none",
                        member->node, member->role_kinds[0]);
    }
    err = validate_names(member, member->kinds, member->kinds_count);
    return err == GR_OK ? validate_names(member, member->role_kinds, member->role_kinds_count)
                        : err;
}

static gr_err validate_table(const gri_view *view, const gri_table *table)
{
    uint32_t shard = 0;

    for (shard = 0; shard < view->shards_count; shard++) {
        uint64_t owner = table->shards[shard].owner;
        const gri_member *member = NULL;

        if (owner == 0) {
            continue;
        }
        member = gri_view_member(view, owner);
        if (member == NULL || !gri_member_may_own(member, table->name)) {
            return GRI_FAIL(GR_EINVAL, "shard %u of '%s' is owned by %016" PRIx64 ", which %s",
                            shard, table->name, owner,
                            member == NULL ? "is no member" : "may not own it");
        }
        if (!view->settled || table->shards[shard].epoch == 0) {
            return GRI_FAIL(GR_EINVAL, "shard %u of '%s' has an owner %s", shard, table->name,
                            view->settled ? "but no epoch" : "in an unsettled view");
        }
    }
    return GR_OK;
}

static gr_err validate_members(const gri_view *view)
{
    gr_err err = GR_OK;
    size_t i = 0;
    size_t j = 0;

    for (i = 0; err == GR_OK && i < view->members_count; i++) {
        const gri_member *member = &view->members[i];

        err = gri_member_validate(member);
        if (err == GR_OK && i > 0 && view->members[i - 1].node >= member->node) {
            err = GRI_FAIL(GR_EINVAL, "members %016" PRIx64 " and %016" PRIx64 " are not in order",
                           view->members[i - 1].node, member->node);
        }
        for (j = 0; err == GR_OK && j < member->kinds_count; j++) {
            char name[GRI_VIEW_TABLE_BYTES];

            (void)snprintf(name, sizeof(name), "%s%s", KIND_TABLE, member->kinds[j]);
            if (gri_view_find_table(view, name) == NULL) {
                err = GRI_FAIL(GR_EINVAL, "'%s' has no shards", name);
            }
        }
    }
    return err;
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
    for (i = 1; i < view->tables_count; i++) {
        if (strcmp(view->tables[i - 1].name, view->tables[i].name) >= 0) {
            return GRI_FAIL(GR_EINVAL, "tables '%s' and '%s' are not in order",
                            view->tables[i - 1].name, view->tables[i].name);
        }
    }
    err = validate_members(view);
    for (i = 0; err == GR_OK && i < view->tables_count; i++) {
        err = validate_table(view, &view->tables[i]);
    }
    return err;
}

void gri_view_check(const gri_view *view)
{
    GRI_INVARIANT(gri_view_validate(view) == GR_OK);
}
