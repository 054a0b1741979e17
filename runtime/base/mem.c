/*
 * Ordinary memory, with fault injection: one relaxed counter that tests arm to make the nth allocation fail.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <gri/mem.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t counted;
_Atomic uint64_t gri_mem_failing; /* the number of the allocation that fails; 0: none */

bool gri_mem_allowed(void)
{
    uint64_t nth =
        atomic_load_explicit(&gri_mem_failing, memory_order_relaxed); /* publishes nothing */

    if (__builtin_expect(nth == 0, 1)) {
        return true;
    }
    return atomic_fetch_add_explicit(&counted, 1, memory_order_relaxed) + 1 !=
           nth; /* a plain count */
}

void gri_mem_fail_nth(uint64_t nth)
{
    atomic_store_explicit(&counted, 0, memory_order_relaxed); /* tests arm it before they start */
    atomic_store_explicit(&gri_mem_failing, nth, memory_order_relaxed);
}

uint64_t gri_mem_count(void)
{
    return atomic_load_explicit(&counted, memory_order_relaxed); /* a plain count */
}

void *gri_alloc(size_t bytes)
{
    return gri_mem_allowed() ? malloc(bytes == 0 ? 1 : bytes) : NULL;
}

void *gri_calloc(size_t count, size_t bytes)
{
    return gri_mem_allowed() ? calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes) : NULL;
}

void *gri_realloc(void *block, size_t bytes)
{
    return gri_mem_allowed() ? realloc(block, bytes == 0 ? 1 : bytes) : NULL;
}

void *gri_alloc_aligned(size_t alignment, size_t bytes)
{
    return gri_mem_allowed() ? aligned_alloc(alignment, bytes) : NULL;
}

void gri_free(void *block)
{
    free(block);
}

char *gri_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = gri_alloc(bytes);

    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

char *gri_text(const char *format, ...)
{
    va_list args;
    char *text = NULL;
    int length = 0;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || (text = gri_alloc((size_t)length + 1)) == NULL) {
        return NULL;
    }
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}
