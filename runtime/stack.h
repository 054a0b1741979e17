/*
 * Stacks for fibers. Most have a guard page; those beyond the number that the process can afford memory maps for come from
 * slabs without, and are checked when they are left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_STACK_H
#define GRI_STACK_H

#include <stdbool.h>
#include <stddef.h>

struct gri_stack_slab;

typedef struct gri_stack {
    char *low; /* the lowest usable byte; NULL: none */
    size_t bytes;
    struct gri_stack_slab *slab; /* NULL: there is a guard page below `low` */
} gri_stack;

/* A stack of at least `bytes`; false when there is none to be had. Any thread. */
bool gri_stack_map(size_t bytes, gri_stack *out_stack);
void gri_stack_unmap(gri_stack *stack);

/* Whether an address lies in the page below a stack: its guard page, or what happens to be there. */
bool gri_stack_guards(const gri_stack *stack, const void *address);

/* False when a stack without a guard page has been used to its end, or beyond. Only while nobody runs on it, or
 * on the way out. */
bool gri_stack_intact(const gri_stack *stack);

/* How many stacks get a guard page from now on, those that have one included; 0: as many as the system allows. For tests. */
void gri_stack_limit_guarded(size_t count);

#endif
