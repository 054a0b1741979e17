/*
 * Views as bytes: the coordinator's record and what clients are told, a granary.View. Any thread;
 * the bytes are not trusted, so what comes out of them is validated before anybody sees it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "view_make.h"

#include <inttypes.h>
#include <string.h>

#include "granary/cluster.pb-c.h"

#include <gri/fail.h>
#include <gri/mem.h>

/* ---- packing: the protobuf structs borrow what the view has */

typedef struct packing {
    Granary__View view;
    Granary__Member *members;
    Granary__Member **member_pointers;
    Granary__Table *tables;
    Granary__Table **table_pointers;
    uint32_t *owners; /* of all tables, one after the other */
    uint64_t *epochs;
} packing;

static bool packing_reserve(packing *p, const gri_view *view)
{
    size_t shards = view->tables_count * view->shards_count;

    p->members = gri_calloc(view->members_count, sizeof(*p->members));
    p->member_pointers = gri_calloc(view->members_count, sizeof(void *));
    p->tables = gri_calloc(view->tables_count, sizeof(*p->tables));
    p->table_pointers = gri_calloc(view->tables_count, sizeof(void *));
    p->owners = gri_calloc(shards, sizeof(*p->owners));
    p->epochs = gri_calloc(shards, sizeof(*p->epochs));
    return p->members != NULL && p->member_pointers != NULL && p->tables != NULL &&
           p->table_pointers != NULL && p->owners != NULL && p->epochs != NULL;
}

static void packing_release(packing *p)
{
    gri_free(p->members);
    gri_free(p->member_pointers);
    gri_free(p->tables);
    gri_free(p->table_pointers);
    gri_free(p->owners);
    gri_free(p->epochs);
}

static void fill_member(const gri_member *from, Granary__Member *to)
{
    granary__member__init(to);
    to->node = from->node;
    to->address = from->address;
    to->role = from->role;
    to->kinds = from->kinds;
    to->n_kinds = from->kinds_count;
    to->role_kinds = from->role_kinds;
    to->n_role_kinds = from->role_kinds_count;
    to->weight = from->weight;
    to->leaving = from->leaving;
}

static void fill_table(const gri_view *view, size_t index, packing *p)
{
    const gri_table *from = &view->tables[index];
    Granary__Table *to = &p->tables[index];
    uint32_t shard = 0;

    granary__table__init(to);
    to->name = from->name;
    to->owners = p->owners + index * view->shards_count;
    to->n_owners = view->shards_count;
    to->epochs = p->epochs + index * view->shards_count;
    to->n_epochs = view->shards_count;
    to->epoch_base = from->shards[0].epoch;
    for (shard = 1; shard < view->shards_count; shard++) {
        if (from->shards[shard].epoch < to->epoch_base) {
            to->epoch_base = from->shards[shard].epoch;
        }
    }
    for (shard = 0; shard < view->shards_count; shard++) {
        const gri_member *owner = gri_view_member(view, from->shards[shard].owner);

        to->owners[shard] = owner == NULL ? 0 : (uint32_t)(owner - view->members) + 1;
        to->epochs[shard] = from->shards[shard].epoch - to->epoch_base;
    }
}

static void fill(const gri_view *view, packing *p)
{
    size_t i = 0;

    granary__view__init(&p->view);
    p->view.version = view->version;
    p->view.founded = view->founded;
    p->view.founded_wall_ms = view->founded_wall_ms;
    p->view.protocol = view->protocol;
    p->view.shards = view->shards_count;
    p->view.lease_ms = view->lease_ms;
    p->view.settled = view->settled;
    p->view.departed = (uint64_t *)view->departed; /* only read by packing */
    p->view.n_departed = view->departed_count;
    for (i = 0; i < view->members_count; i++) {
        fill_member(&view->members[i], &p->members[i]);
        p->member_pointers[i] = &p->members[i];
    }
    p->view.members = p->member_pointers;
    p->view.n_members = view->members_count;
    for (i = 0; i < view->tables_count; i++) {
        fill_table(view, i, p);
        p->table_pointers[i] = &p->tables[i];
    }
    p->view.tables = p->table_pointers;
    p->view.n_tables = view->tables_count;
}

gr_err gri_view_pack(const gri_view *view, uint8_t **out_bytes, size_t *out_count)
{
    packing p = {0};
    gr_err err = GR_OK;
    uint8_t *bytes = NULL;
    size_t count = 0;

    if (!packing_reserve(&p, view)) {
        err = GRI_FAIL(GR_ENOMEM, "packing a view of %zu members", view->members_count);
        goto done;
    }
    fill(view, &p);
    count = granary__view__get_packed_size(&p.view);
    if (count > GR_COORDINATOR_VALUE_BYTES_MAX) {
        err = GRI_FAIL(GR_ETOOBIG,
                       "a view of %zu bytes (%zu members, %zu tables of %u shards); a coordinator "
                       "takes %d: use fewer shards",
                       count, view->members_count, view->tables_count, view->shards_count,
                       GR_COORDINATOR_VALUE_BYTES_MAX);
        goto done;
    }
    bytes = gri_alloc(count);
    if (bytes == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "a view of %zu bytes", count);
        goto done;
    }
    granary__view__pack(&p.view, bytes);
    *out_bytes = bytes;
    *out_count = count;
done:
    packing_release(&p);
    return err;
}

/* ---- unpacking */

/* How much the bytes may make us allocate, and whether there was no memory for what they may. */
typedef struct budget {
    size_t left;
    bool out_of_memory;
} budget;

static void *budget_alloc(void *arg, size_t bytes)
{
    budget *own = arg;
    void *block = bytes > own->left ? NULL : gri_alloc(bytes);

    own->out_of_memory |= block == NULL && bytes <= own->left;
    own->left -= block == NULL ? 0 : bytes;
    return block;
}

static void budget_free(void *arg, void *block)
{
    (void)arg;
    gri_free(block);
}

static gr_err read_member(const Granary__Member *from, gri_member *out_member)
{
    gri_member borrowed = {.node = from->node,
                           .address = from->address,
                           .role = from->role,
                           .kinds = from->kinds,
                           .kinds_count = from->n_kinds,
                           .role_kinds = from->role_kinds,
                           .role_kinds_count = from->n_role_kinds,
                           .weight = from->weight,
                           .leaving = from->leaving};

    return gri_member_copy(&borrowed, out_member);
}

static gr_err read_table(const Granary__Table *from, gri_view *view)
{
    gri_table *table = NULL;
    gr_err err = GR_OK;
    uint32_t shard = 0;

    if (from->n_owners != view->shards_count || from->n_epochs != view->shards_count) {
        return GRI_FAIL(GR_EDECODE, "table '%s' has %zu owners and %zu epochs of %u shards",
                        from->name, from->n_owners, from->n_epochs, view->shards_count);
    }
    if (gri_view_find_table(view, from->name) != NULL) {
        return GRI_FAIL(GR_EDECODE, "table '%s' is there twice", from->name);
    }
    err = gri_view_add_table(view, from->name);
    if (err != GR_OK) {
        return err;
    }
    table = (gri_table *)gri_view_find_table(view, from->name);
    for (shard = 0; shard < view->shards_count; shard++) {
        if (from->owners[shard] > view->members_count) {
            return GRI_FAIL(GR_EDECODE, "shard %u of '%s' is owned by member %u of %zu", shard,
                            from->name, from->owners[shard], view->members_count);
        }
        table->shards[shard].epoch = from->epoch_base + from->epochs[shard];
        table->shards[shard].owner =
            from->owners[shard] == 0 ? 0 : view->members[from->owners[shard] - 1].node;
    }
    return GR_OK;
}

static gr_err check_header(const Granary__View *from)
{
    if (from->protocol != GRI_VIEW_PROTOCOL) {
        return GRI_FAIL(GR_EMISMATCH,
                        "the cluster speaks protocol %u and this process %d; run the same version",
                        from->protocol, GRI_VIEW_PROTOCOL);
    }
    if (from->shards == 0 || from->shards > GRI_VIEW_SHARDS_MAX ||
        from->n_members > GRI_VIEW_MEMBERS_MAX || from->n_departed > GRI_VIEW_DEPARTED_MAX) {
        return GRI_FAIL(GR_EDECODE, "a view of %u shards, %zu members, %zu departed", from->shards,
                        from->n_members, from->n_departed);
    }
    if (from->lease_ms <= 0 || from->lease_ms > INT32_MAX) {
        return GRI_FAIL(GR_EDECODE, "a view with leases of %" PRId64 " ms", from->lease_ms);
    }
    return GR_OK;
}

static gr_err read_view(const Granary__View *from, gri_view *view)
{
    gr_err err = GR_OK;
    size_t i = 0;

    view->version = from->version;
    view->founded = from->founded;
    view->founded_wall_ms = from->founded_wall_ms;
    view->lease_ms = from->lease_ms;
    view->settled = from->settled;
    view->departed_count = from->n_departed;
    for (i = 0; i < from->n_departed; i++) {
        view->departed[i] = from->departed[i];
    }
    for (i = 0; err == GR_OK && i < from->n_members; i++) {
        err = read_member(from->members[i], &view->members[i]);
        view->members_count += err == GR_OK;
    }
    for (i = 0; err == GR_OK && i < from->n_tables; i++) {
        err = read_table(from->tables[i], view);
    }
    if (err == GR_OK && gri_view_validate(view) != GR_OK) {
        char why[GR_ERROR_TEXT_BYTES];

        memcpy(why, gr_last_error()->text, sizeof(why));
        err = GRI_FAIL(GR_EDECODE, "not a view: %s", why);
    }
    return err;
}

gr_err gri_view_unpack(const uint8_t *bytes, size_t count, gri_view **out_view)
{
    budget own = {4096 + 64 * count, false};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &own};
    Granary__View *from = granary__view__unpack(&allocator, count, bytes);
    gri_view *view = NULL;
    gr_err err = GR_OK;

    if (from == NULL) {
        return own.out_of_memory ? GRI_FAIL(GR_ENOMEM, "a view of %zu bytes", count)
                                 : GRI_FAIL(GR_EDECODE, "%zu bytes that are not a view", count);
    }
    err = check_header(from);
    if (err != GR_OK) {
        goto done;
    }
    view = gri_view_new(from->shards, from->n_members, from->n_tables);
    if (view == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "a view of %zu members", from->n_members);
        goto done;
    }
    err = read_view(from, view);
    if (err == GR_OK) {
        *out_view = view;
        view = NULL; /* handed to the caller */
    }
done:
    gri_view_unref(view);
    granary__view__free_unpacked(from, &allocator);
    return err;
}
