/*
 * What the runtime needs of the operating system and not of threads in general. One implementation for each system.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_OS_H
#define GRI_OS_H

#include <stdatomic.h>
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

/* Pages of memory, zeroed; NULL when there are none. The others take whole pages of them. */
size_t gri_os_page_bytes(void);
char *gri_os_pages_map(size_t bytes);
void gri_os_pages_unmap(char *low, size_t bytes);
/* Any access is a fault from now on; false when that cannot be had. */
bool gri_os_pages_forbid(char *low, size_t bytes);
/* Gives the memory back and keeps the addresses; the bytes read as zero. */
void gri_os_pages_reset(char *low, size_t bytes);
/* How many separate maps of memory the process may have. */
size_t gri_os_maps_max(void);

/* Sleeps while the word has this value, until somebody wakes who sleeps on it, or for so many milliseconds (INT64_MAX: no
 * limit); may return early. Waking uses nothing but the address: who slept there may be gone. */
void gri_os_sleep_on(_Atomic uint32_t *word, uint32_t value, int64_t left_ms);
void gri_os_wake_on(_Atomic uint32_t *word);

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
