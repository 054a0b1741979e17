/*
 * Message types by name and by number. The names have a lock of their own; numbers belong to their
 * session. Entries are never taken away while the remote lives, so that a found type stays valid.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "types.h"

#include <string.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) (element)->added = false
#include <uthash.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "frame.h"
#include "hash.h"

struct gri_type_entry {
    const gr_type *type;
    bool added;
    UT_hash_handle hh;
};

struct gri_number {
    const gr_type *type;
    uint16_t number;
    bool added;
    UT_hash_handle hh;
};

void gri_types_init(gri_types *types)
{
    types->by_name = NULL;
    pthread_rwlock_init(&types->lock, NULL);
}

void gri_types_fini(gri_types *types)
{
    struct gri_type_entry *entry = NULL, *next = NULL;

    HASH_ITER(hh, types->by_name, entry, next)
    {
        HASH_DEL(types->by_name, entry);
        gri_free(entry);
    }
    pthread_rwlock_destroy(&types->lock);
}

static struct gri_type_entry *find_locked(gri_types *types, const char *name, size_t bytes)
{
    struct gri_type_entry *entry = NULL;

    HASH_FIND(hh, types->by_name, name, bytes, entry);
    return entry;
}

static gr_err add_locked(gri_types *types, const gr_type *type, struct gri_type_entry **take_entry)
{
    struct gri_type_entry *entry = find_locked(types, type->name, strlen(type->name));

    if (entry != NULL) {
        return entry->type == type ? GR_OK
                                   : GRI_FAIL(GR_EEXIST,
                                              "another type has the name %s; define it "
                                              "once and share it",
                                              type->name);
    }
    entry = *take_entry;
    entry->type = type;
    entry->added = true;
    HASH_ADD_KEYPTR(hh, types->by_name, type->name, strlen(type->name), entry);
    if (!entry->added) {
        return GRI_FAIL(GR_ENOMEM, "adding the type %s", type->name);
    }
    *take_entry = NULL;
    return GR_OK;
}

gr_err gri_types_add(gri_types *types, const gr_type *type)
{
    struct gri_type_entry *entry = NULL;
    gr_err err = GR_OK;

    if (type->codec == NULL || type->name == NULL || type->name[0] == '\0' ||
        strlen(type->name) > GRI_TYPE_NAME_BYTES_MAX) {
        return GRI_FAIL(
            GR_EINVAL, "the type %s cannot travel: it needs a codec and a name of 1 to %d bytes",
            type->name == NULL ? "without a name" : type->name, GRI_TYPE_NAME_BYTES_MAX);
    }
    entry = gri_calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return GRI_FAIL(GR_ENOMEM, "adding the type %s", type->name);
    }
    pthread_rwlock_wrlock(&types->lock);
    err = add_locked(types, type, &entry);
    pthread_rwlock_unlock(&types->lock);
    gri_free(entry);
    return err;
}

const gr_type *gri_types_find(gri_types *types, const char *name, size_t name_bytes)
{
    struct gri_type_entry *entry = NULL;

    pthread_rwlock_rdlock(&types->lock);
    entry = find_locked(types, name, name_bytes);
    pthread_rwlock_unlock(&types->lock);
    return entry == NULL ? NULL : entry->type;
}

/* ---- numbers given by this side ---- */

static bool reserve_out(gri_numbers_out *numbers)
{
    uint32_t room = numbers->room == 0 ? 8 : numbers->room * 2;
    const gr_type **types = NULL;

    if (numbers->count < numbers->room) {
        return true;
    }
    types = gri_realloc(numbers->types, room * sizeof(const gr_type *));
    if (types == NULL) {
        return false;
    }
    numbers->types = types;
    numbers->room = room;
    return true;
}

uint16_t gri_numbers_out_get(gri_numbers_out *numbers, const gr_type *type, bool *out_fresh)
{
    struct gri_number *entry = NULL;

    *out_fresh = false;
    if (numbers->count > 0 && numbers->types[0] == type) {
        return 1; /* most sessions carry mostly one type */
    }
    HASH_FIND_PTR(numbers->by_type, &type, entry);
    if (entry != NULL) {
        return entry->number;
    }
    if (numbers->count >= GRI_SESSION_TYPES_MAX || !reserve_out(numbers)) {
        return 0;
    }
    entry = gri_calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return 0;
    }
    entry->type = type;
    entry->number = (uint16_t)(numbers->count + 1);
    entry->added = true;
    HASH_ADD_PTR(numbers->by_type, type, entry);
    if (!entry->added) {
        gri_free(entry);
        return 0;
    }
    numbers->types[numbers->count++] = type;
    *out_fresh = true;
    return entry->number;
}

const gr_type *gri_numbers_out_type(const gri_numbers_out *numbers, uint16_t number)
{
    return number == 0 || number > numbers->count ? NULL : numbers->types[number - 1];
}

void gri_numbers_out_undo(gri_numbers_out *numbers)
{
    const gr_type *type = numbers->types[--numbers->count];
    struct gri_number *entry = NULL;

    HASH_FIND_PTR(numbers->by_type, &type, entry);
    HASH_DEL(numbers->by_type, entry);
    gri_free(entry);
}

void gri_numbers_out_fini(gri_numbers_out *numbers)
{
    while (numbers->count > 0) {
        gri_numbers_out_undo(numbers);
    }
    gri_free(numbers->types);
    *numbers = (gri_numbers_out){0};
}

/* ---- numbers given by the peer ---- */

bool gri_numbers_in_add(gri_numbers_in *numbers, uint16_t number, const uint8_t *name,
                        size_t name_bytes)
{
    uint32_t room = numbers->room == 0 ? 8 : numbers->room * 2;
    gri_number_in *entries = numbers->entries;

    if (number != numbers->count + 1 || numbers->count >= GRI_SESSION_TYPES_MAX ||
        name_bytes == 0 || name_bytes > GRI_TYPE_NAME_BYTES_MAX ||
        memchr(name, '\0', name_bytes) != NULL) {
        return false;
    }
    if (numbers->count == numbers->room) {
        entries = gri_realloc(entries, room * sizeof(*entries));
        if (entries == NULL) {
            return false;
        }
        numbers->entries = entries;
        numbers->room = room;
    }
    entries[numbers->count].type = NULL;
    entries[numbers->count].name = gri_text("%.*s", (int)name_bytes, (const char *)name);
    if (entries[numbers->count].name == NULL) {
        return false;
    }
    numbers->count++;
    return true;
}

const gri_number_in *gri_numbers_in_get(gri_numbers_in *numbers, gri_types *types, uint16_t number)
{
    gri_number_in *entry = NULL;

    if (number == 0 || number > numbers->count) {
        return NULL;
    }
    entry = &numbers->entries[number - 1];
    if (entry->type == NULL) {
        entry->type = gri_types_find(types, entry->name, strlen(entry->name));
    }
    return entry;
}

void gri_numbers_in_fini(gri_numbers_in *numbers)
{
    while (numbers->count > 0) {
        gri_free(numbers->entries[--numbers->count].name);
    }
    gri_free(numbers->entries);
    *numbers = (gri_numbers_in){0};
}
