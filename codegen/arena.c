/*
 * Memory in blocks, handed out from the front of the newest one. malloc directly: the plugin links
 * none of the layers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 256 * 1024 };

struct gri_arena_block {
    struct gri_arena_block *next;
    size_t used;
    size_t room;
    alignas(max_align_t) unsigned char data[];
};

static _Noreturn void give_up(void)
{
    (void)fputs("protoc-gen-granary: out of memory\n", stderr);
    exit(EXIT_FAILURE);
}

static struct gri_arena_block *block_new(size_t room, struct gri_arena_block *next)
{
    struct gri_arena_block *block = NULL;

    if (room > SIZE_MAX / 2 || (block = calloc(1, sizeof(*block) + room)) == NULL) {
        give_up();
    }
    block->next = next;
    block->room = room;
    return block;
}

void *gri_arena_alloc(gri_arena *arena, size_t bytes)
{
    size_t mask = alignof(max_align_t) - 1;
    size_t rounded = bytes > SIZE_MAX - mask ? SIZE_MAX : (bytes + mask) & ~mask;
    struct gri_arena_block *block = arena->blocks;

    if (block == NULL || block->room - block->used < rounded) {
        block = block_new(rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES, block);
        arena->blocks = block;
    }
    block->used += rounded;
    return block->data + block->used - rounded;
}

void *gri_arena_array(gri_arena *arena, size_t count, size_t bytes_each)
{
    if (bytes_each != 0 && count > SIZE_MAX / bytes_each) {
        give_up();
    }
    return gri_arena_alloc(arena, count * bytes_each);
}

char *gri_arena_text(gri_arena *arena, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    int length = 0;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        give_up();
    }
    text = gri_arena_alloc(arena, (size_t)length + 1);
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void gri_arena_fini(gri_arena *arena)
{
    struct gri_arena_block *block = arena->blocks;

    while (block != NULL) {
        struct gri_arena_block *next = block->next;

        free(block);
        block = next;
    }
    arena->blocks = NULL;
}
