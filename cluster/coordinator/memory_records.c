/*
 * The records of the store in memory: see the header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "memory_records.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

void gri_memory_records_init(gri_memory_records *records)
{
    LIST_INIT(&records->list);
    records->revision = 0;
}

void gri_memory_records_fini(gri_memory_records *records)
{
    gri_memory_records_empty(records);
}

static void record_free(gri_memory_record *take_record)
{
    LIST_REMOVE(take_record, next);
    gri_free(take_record->value);
    gri_free(take_record);
}

static gri_memory_record *find(const gri_memory_records *records, const char *key)
{
    gri_memory_record *found = NULL;

    LIST_FOREACH (found, &records->list, next) {
        if (strcmp(found->key, key) == 0) {
            return found;
        }
    }
    return NULL;
}

const gri_memory_record *gri_memory_records_find(const gri_memory_records *records, const char *key)
{
    return find(records, key);
}

/* A record without a value, at the head. */
static gri_memory_record *record_new(gri_memory_records *records, const char *key)
{
    gri_memory_record *fresh = gri_calloc(1, sizeof(*fresh) + strlen(key) + 1);

    if (fresh != NULL) {
        memcpy(fresh->key, key, strlen(key) + 1);
        LIST_INSERT_HEAD(&records->list, fresh, next);
    }
    return fresh;
}

static gr_err put(gri_memory_records *records, const char *key, uint64_t revision,
                  const uint8_t *value, size_t value_bytes)
{
    gri_memory_record *found = find(records, key);
    uint8_t *copy = gri_alloc(value_bytes == 0 ? 1 : value_bytes);

    if (copy != NULL && found == NULL) {
        found = record_new(records, key);
    }
    if (copy == NULL || found == NULL) {
        gri_free(copy);
        return GRI_FAIL(GR_ENOMEM, "a record '%s' of %zu bytes", key, value_bytes);
    }
    if (value_bytes > 0) {
        memcpy(copy, value, value_bytes);
    }
    gri_free(found->value);
    found->value = copy;
    found->value_bytes = value_bytes;
    found->revision = revision;
    return GR_OK;
}

gr_err gri_memory_records_set(gri_memory_records *records, const char *key, const uint8_t *value,
                              size_t value_bytes)
{
    gr_err err = put(records, key, records->revision + 1, value, value_bytes);

    records->revision += err == GR_OK;
    return err;
}

void gri_memory_records_remove(gri_memory_records *records, const char *key)
{
    gri_memory_record *found = find(records, key);

    if (found != NULL) {
        record_free(found);
    }
}

void gri_memory_records_empty(gri_memory_records *records)
{
    while (!LIST_EMPTY(&records->list)) {
        record_free(LIST_FIRST(&records->list));
    }
}

gr_err gri_memory_records_keys(const gri_memory_records *records, const char *prefix, size_t skip,
                               size_t bytes_max, uint8_t **out_keys, size_t *out_bytes)
{
    const gri_memory_record *each = NULL;
    uint8_t *keys = gri_alloc(bytes_max);
    size_t used = 0;

    if (keys == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a list of keys");
    }
    LIST_FOREACH (each, &records->list, next) {
        size_t bytes = strlen(each->key) + 1 - skip;

        if (strncmp(each->key, prefix, strlen(prefix)) == 0 && used + bytes <= bytes_max) {
            memcpy(keys + used, each->key + skip, bytes);
            used += bytes;
        }
    }
    *out_keys = keys;
    *out_bytes = used;
    return GR_OK;
}

gr_err gri_memory_records_copy(const gri_memory_records *records, gri_memory_records *out_records)
{
    gri_memory_records copy;
    const gri_memory_record *from = NULL;
    gr_err err = GR_OK;

    gri_memory_records_init(&copy);
    LIST_FOREACH (from, &records->list, next) {
        err = put(&copy, from->key, from->revision, from->value, from->value_bytes);
        if (err != GR_OK) {
            gri_memory_records_fini(&copy);
            return err;
        }
    }
    copy.revision = records->revision;
    gri_memory_records_empty(out_records);
    out_records->revision = copy.revision;
    while (!LIST_EMPTY(&copy.list)) {
        gri_memory_record *moved = LIST_FIRST(&copy.list);

        LIST_REMOVE(moved, next);
        LIST_INSERT_HEAD(&out_records->list, moved, next);
    }
    return GR_OK;
}
