/*
 * The invariant of ownership: see the header. One thread, the stepper's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ownership.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <granary/runtime_spi.h>

enum { NODES_MAX = 64, LINES_MAX = 200, LINE_BYTES = 160, TABLES_MAX = 16, SHARDS_MAX = 1024 };

typedef struct watched_node {
    gri_membership *membership;
    char name[24];
    /* As of the last check: when none has changed, nothing can have. */
    uint64_t version;
    bool acts;
    bool undrained;
    uint64_t drained[TABLES_MAX][SHARDS_MAX]; /* the epochs under which shards were drained */
} watched_node;

typedef struct acted_table {
    char name[GRI_VIEW_TABLE_BYTES];
    uint64_t epochs[SHARDS_MAX]; /* the highest under which somebody acted */
} acted_table;

struct ownership {
    gr_stepped *stepped;
    watched_node nodes[NODES_MAX];
    size_t nodes_count;
    acted_table tables[TABLES_MAX];
    size_t tables_count;
    char lines[LINES_MAX][LINE_BYTES];
    size_t lines_written;
    int64_t pardon_until_ms;
    bool broken;
};

ownership *ownership_new(gr_stepped *stepped)
{
    ownership *o = calloc(1, sizeof(*o));

    if (o != NULL) {
        o->stepped = stepped;
    }
    return o;
}

ownership *ownership_free(ownership *take_ownership)
{
    free(take_ownership);
    return NULL;
}

void ownership_note(ownership *o, const char *format, ...)
{
    char *line = o->lines[o->lines_written++ % LINES_MAX];
    int used = snprintf(line, LINE_BYTES, "%" PRId64 " ", gr_stepped_now(o->stepped));
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line + used, LINE_BYTES - (size_t)used, format, args);
    va_end(args);
}

void ownership_print(const ownership *o)
{
    size_t first = o->lines_written > LINES_MAX ? o->lines_written - LINES_MAX : 0;
    size_t i = 0;

    for (i = first; i < o->lines_written; i++) {
        printf("  %s\n", o->lines[i % LINES_MAX]);
    }
}

void ownership_add(ownership *o, gri_membership *membership, const char *name)
{
    watched_node *node = &o->nodes[o->nodes_count++];

    if (o->nodes_count > NODES_MAX) {
        abort();
    }
    memset(node, 0, sizeof(*node));
    node->membership = membership;
    (void)snprintf(node->name, sizeof(node->name), "%s", name);
}

void ownership_remove(ownership *o, gri_membership *membership)
{
    size_t i = 0;

    for (i = 0; i < o->nodes_count; i++) {
        if (o->nodes[i].membership == membership) {
            o->nodes[i] = o->nodes[--o->nodes_count];
            return;
        }
    }
}

static size_t table_of(ownership *o, const char *name)
{
    size_t i = 0;

    for (i = 0; i < o->tables_count; i++) {
        if (strcmp(o->tables[i].name, name) == 0) {
            return i;
        }
    }
    if (o->tables_count == TABLES_MAX) {
        abort();
    }
    (void)snprintf(o->tables[i].name, sizeof(o->tables[i].name), "%s", name);
    o->tables_count++;
    return i;
}

void ownership_drained(ownership *o, gri_membership *membership, const gri_shard_ref *shard,
                       bool drained)
{
    size_t table = table_of(o, shard->table);
    gri_view *view = gri_membership_view(membership);
    size_t i = 0;

    for (i = 0; i < o->nodes_count; i++) {
        if (o->nodes[i].membership == membership) {
            o->nodes[i].drained[table][shard->shard] =
                drained ? gri_view_shards(view, shard->table)[shard->shard].epoch : 0;
            o->nodes[i].undrained |= !drained;
        }
    }
    gri_view_unref(view);
}

static bool serves(const watched_node *node, size_t table, const gri_shard *shards, uint32_t shard)
{
    return shards[shard].owner == gri_membership_node(node->membership) &&
           shards[shard].epoch > node->drained[table][shard];
}

static bool broken(ownership *o, const char *table, uint32_t shard, const char *what,
                   const char *name, const char *other)
{
    if (!o->broken) {
        o->broken = true;
        ownership_print(o);
        printf("%" PRId64 ": shard %u of %s: %s %s %s\n", gr_stepped_now(o->stepped), shard, table,
               name, what, other);
    }
    return false;
}

static const char *who_acts(ownership *o, size_t except, size_t table, uint32_t shard)
{
    size_t i = 0;

    for (i = 0; i < o->nodes_count; i++) {
        gri_membership *membership = o->nodes[i].membership;
        gri_view *view = i == except ? NULL : gri_membership_view(membership);
        const gri_shard *shards =
            view == NULL ? NULL : gri_view_shards(view, o->tables[table].name);
        bool acts = shards != NULL && gri_membership_may_act(membership) &&
                    serves(&o->nodes[i], table, shards, shard);

        gri_view_unref(view);
        if (acts) {
            return o->nodes[i].name;
        }
    }
    return NULL;
}

static bool check_node(ownership *o, size_t index, const gri_view *view)
{
    watched_node *node = &o->nodes[index];
    size_t i = 0;
    uint32_t shard = 0;

    for (i = 0; i < view->tables_count; i++) {
        size_t table = table_of(o, view->tables[i].name);
        acted_table *acted = &o->tables[table];

        for (shard = 0; shard < view->shards_count; shard++) {
            uint64_t epoch = view->tables[i].shards[shard].epoch;
            const char *other = NULL;

            if (!serves(node, table, view->tables[i].shards, shard)) {
                continue;
            }
            if (epoch < acted->epochs[shard]) {
                return broken(o, acted->name, shard, "acts under an old epoch", node->name, "");
            }
            acted->epochs[shard] = epoch;
            other = who_acts(o, index, table, shard);
            if (other != NULL) {
                return broken(o, acted->name, shard, "acts together with", node->name, other);
            }
        }
    }
    return true;
}

void ownership_pardon(ownership *o, int64_t until_ms)
{
    size_t i = 0;

    o->pardon_until_ms = until_ms;
    for (i = 0; i < o->tables_count; i++) {
        memset(o->tables[i].epochs, 0, sizeof(o->tables[i].epochs));
    }
    for (i = 0; i < o->nodes_count; i++) {
        o->nodes[i].acts = false; /* so that the first check after it looks at all */
    }
}

bool ownership_check(ownership *o)
{
    bool holds = !o->broken;
    size_t i = 0;

    if (gr_stepped_now(o->stepped) < o->pardon_until_ms) {
        return holds;
    }

    for (i = 0; holds && i < o->nodes_count; i++) {
        watched_node *node = &o->nodes[i];
        gri_view *view = gri_membership_view(node->membership);
        bool acts = gri_membership_may_act(node->membership);

        if (acts && (!node->acts || view->version != node->version || node->undrained)) {
            holds = check_node(o, i, view);
        }
        node->acts = acts;
        node->undrained = false;
        node->version = view->version;
        gri_view_unref(view);
    }
    return holds;
}

uint32_t ownership_unserved(ownership *o, const char *table, uint32_t shards)
{
    size_t index = table_of(o, table);
    uint32_t unserved = 0;
    uint32_t shard = 0;

    for (shard = 0; shard < shards; shard++) {
        unserved += who_acts(o, SIZE_MAX, index, shard) == NULL;
    }
    return unserved;
}
