/*
 * Sleeping on a word of memory until it is changed: futexes on Linux; elsewhere a few locks and conditions that words share
 * by their addresses. A mutex and a condition of its own for each sleeper cost two system calls more for each sleep, since
 * a mutex that comes back from a condition always counts as contended, and the waker's hold on it makes the woken wait.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE 1
#include "os.h"

#include <time.h>

#if defined(__linux__) && !defined(GRI_SLEEP_PORTABLE)

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void gri_os_sleep_on(_Atomic uint32_t *word, uint32_t value, int64_t left_ms)
{
    struct timespec left = {(time_t)(left_ms / 1000), (long)(left_ms % 1000) * 1000000};

    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, left_ms == INT64_MAX ? NULL : &left,
                  NULL, 0);
}

void gri_os_wake_on(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#else

#include <errno.h>
#include <pthread.h>

enum { BEDS = 64 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} beds[BEDS];

static pthread_once_t beds_once = PTHREAD_ONCE_INIT;

static void make_beds(void)
{
    for (int i = 0; i < BEDS; i++) {
        (void)pthread_mutex_init(&beds[i].lock, NULL);
        (void)pthread_cond_init(&beds[i].changed, NULL);
    }
}

static unsigned bed_of(const _Atomic uint32_t *word)
{
    (void)pthread_once(&beds_once, make_beds);
    return (unsigned)((uintptr_t)word / 64 % BEDS);
}

void gri_os_sleep_on(_Atomic uint32_t *word, uint32_t value, int64_t left_ms)
{
    unsigned bed = bed_of(word);
    struct timespec until = {0};
    int result = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until); /* may be early or late: who sleeps looks again */
    if (left_ms != INT64_MAX) {
        until.tv_sec += (time_t)(left_ms / 1000);
        until.tv_nsec += (long)(left_ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
    }
    (void)pthread_mutex_lock(&beds[bed].lock);
    /* Relaxed: under the lock that the waker takes after it has changed the word. */
    while (atomic_load_explicit(word, memory_order_relaxed) == value && result != ETIMEDOUT) {
        result = left_ms == INT64_MAX
                     ? pthread_cond_wait(&beds[bed].changed, &beds[bed].lock)
                     : pthread_cond_timedwait(&beds[bed].changed, &beds[bed].lock, &until);
    }
    (void)pthread_mutex_unlock(&beds[bed].lock);
}

void gri_os_wake_on(_Atomic uint32_t *word)
{
    unsigned bed = bed_of(word);

    (void)pthread_mutex_lock(&beds[bed].lock);
    (void)pthread_cond_broadcast(&beds[bed].changed);
    (void)pthread_mutex_unlock(&beds[bed].lock);
}

#endif
