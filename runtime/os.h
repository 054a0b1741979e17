/*
 * What the runtime needs of the operating system and not of threads in general. One implementation for each system.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_OS_H
#define GRI_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds that do not go back and count while the machine sleeps; milliseconds since 1970. */
int64_t gri_os_now_ms(void);
int64_t gri_os_wall_ms(void);
/* Nanoseconds, for measuring short spans only. */
uint64_t gri_os_now_ns(void);
uint64_t gri_os_random(void);
uint32_t gri_os_cores(void);

/* A stack of at least `bytes` with a guard page below it: *out_low is the lowest usable byte. False when there is none. */
bool gri_os_stack_map(size_t bytes, void **out_low, size_t *out_bytes);
void gri_os_stack_unmap(void *low, size_t bytes);

/* Tells the processor that this is a spin loop. */
static inline void gri_os_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
