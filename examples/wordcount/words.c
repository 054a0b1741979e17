/*
 * The table: chains, doubled when there are as many words as chains.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "words.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    }
    return hash;
}

static word **chain_of(const words *table, uint64_t hash)
{
    return &table->chains[hash & (table->chains_count - 1)];
}

static bool grow(words *table)
{
    words larger = {.chains_count = table->chains_count == 0 ? 1024 : 2 * table->chains_count,
                    .count = table->count};

    larger.chains = calloc(larger.chains_count, sizeof(*larger.chains));
    if (larger.chains == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->chains_count; i++) {
        while (table->chains[i] != NULL) {
            word *moved = table->chains[i];
            word **chain = chain_of(&larger, moved->hash);

            table->chains[i] = moved->next;
            moved->next = *chain;
            *chain = moved;
        }
    }
    free(table->chains);
    *table = larger;
    return true;
}

word *words_get(words *table, const char *text, size_t length)
{
    uint64_t hash = hash_of(text, length);
    word *made = NULL;

    if (table->count == table->chains_count && !grow(table)) {
        return NULL;
    }
    for (word *at = *chain_of(table, hash); at != NULL; at = at->next) {
        if (at->hash == hash && strlen(at->text) == length && memcmp(at->text, text, length) == 0) {
            return at;
        }
    }
    made = calloc(1, sizeof(*made) + length + 1);
    if (made != NULL) {
        made->hash = hash;
        memcpy(made->text, text, length);
        made->next = *chain_of(table, hash);
        *chain_of(table, hash) = made;
        table->count++;
    }
    return made;
}

static int compare_text(const void *left, const void *right)
{
    const word *const *a = left;
    const word *const *b = right;

    return strcmp((*a)->text, (*b)->text);
}

static int compare_count(const void *left, const void *right)
{
    const word *const *a = left;
    const word *const *b = right;
    int order = ((*a)->count < (*b)->count) - ((*a)->count > (*b)->count);

    return order != 0 ? order : compare_text(left, right);
}

static word **sorted(const words *table, int (*compare)(const void *, const void *))
{
    word **all = calloc(table->count + 1, sizeof(*all));
    size_t count = 0;

    for (size_t i = 0; all != NULL && i < table->chains_count; i++) {
        for (word *at = table->chains[i]; at != NULL; at = at->next) {
            all[count++] = at;
        }
    }
    if (all != NULL) {
        qsort(all, count, sizeof(*all), compare);
    }
    return all;
}

word **words_by_text(const words *table)
{
    return sorted(table, compare_text);
}

word **words_by_count(const words *table)
{
    return sorted(table, compare_count);
}

void words_fini(words *table)
{
    for (size_t i = 0; i < table->chains_count; i++) {
        while (table->chains[i] != NULL) {
            word *dead = table->chains[i];

            table->chains[i] = dead->next;
            free(dead);
        }
    }
    free(table->chains);
    memset(table, 0, sizeof(*table));
}
