/*
 * The memory of one run of the plugin: given out in pieces, freed as a whole. A command that lives
 * for milliseconds has nothing sensible to do without memory, so these never return NULL: they end
 * the process with a sentence. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_ARENA_H
#define GRI_ARENA_H

#include <stddef.h>

typedef struct gri_arena {
    struct gri_arena_block *blocks; /* the newest first; only it has room */
} gri_arena;

/* Zeroed memory, aligned for anything. */
void *gri_arena_alloc(gri_arena *arena, size_t bytes);
/* Zeroed room for `count` things. */
void *gri_arena_array(gri_arena *arena, size_t count, size_t bytes_each);
/* A formatted string. */
char *gri_arena_text(gri_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Frees all of it; the arena is empty again. */
void gri_arena_fini(gri_arena *arena);

#endif
