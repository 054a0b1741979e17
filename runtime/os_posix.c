/*
 * The operating system, by POSIX, with Linux's boot-time clock and getrandom where they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE 1
#include "os.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/random.h>
#endif

#if defined(CLOCK_BOOTTIME)
#define STEADY_CLOCK CLOCK_BOOTTIME
#else
#define STEADY_CLOCK CLOCK_MONOTONIC
#endif

static int64_t read_ms(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t gri_os_now_ms(void)
{
    return read_ms(STEADY_CLOCK);
}

int64_t gri_os_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

uint64_t gri_os_now_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t gri_os_random(void)
{
    uint64_t value = 0;
    int fd = -1;

#if defined(__linux__)
    if (getrandom(&value, sizeof(value), 0) == (ssize_t)sizeof(value)) {
        return value;
    }
#endif
    fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &value, sizeof(value)) != (ssize_t)sizeof(value)) {
        value =
            gri_os_now_ns() ^ ((uint64_t)getpid() << 32); /* no entropy to be had: still distinct */
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return value;
}

uint32_t gri_os_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores < 1 ? 1 : (uint32_t)cores;
}

size_t gri_os_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

char *gri_os_pages_map(size_t bytes)
{
    void *low = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return low == MAP_FAILED ? NULL : low;
}

void gri_os_pages_unmap(char *low, size_t bytes)
{
    (void)munmap(low, bytes);
}

bool gri_os_pages_forbid(char *low, size_t bytes)
{
    return mprotect(low, bytes, PROT_NONE) == 0;
}

void gri_os_pages_reset(char *low, size_t bytes)
{
#if defined(__linux__)
    if (madvise(low, bytes, MADV_DONTNEED) == 0) {
        return;
    }
#endif
    memset(low, 0, bytes);
}

size_t gri_os_maps_max(void)
{
    enum { LINUX_DEFAULT = 65530 };
    unsigned long max = LINUX_DEFAULT;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");

    if (file == NULL) { /* elsewhere there may be no limit; this many will do */
        return LINUX_DEFAULT;
    }
    if (fscanf(file, "%lu", &max) != 1 || max < 1024) {
        max = LINUX_DEFAULT;
    }
    (void)fclose(file);
    return max;
}
