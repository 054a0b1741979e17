/*
 * The operating system, by POSIX, with Linux's boot-time clock and getrandom where they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE 1
#include "os.h"

#include <fcntl.h>
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

bool gri_os_stack_map(size_t bytes, void **out_low, size_t *out_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (bytes + page - 1) / page * page;
    char *base =
        mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED) {
        return false;
    }
    if (mprotect(base, page, PROT_NONE) != 0) {
        (void)munmap(base, usable + page);
        return false;
    }
    *out_low = base + page;
    *out_bytes = usable;
    return true;
}

void gri_os_stack_unmap(void *low, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)munmap((char *)low - page, bytes + page);
}
