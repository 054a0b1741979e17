/*
 * Parkers: where a thread sleeps until it is woken. A wake that comes first is not lost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <errno.h>
#include <time.h>

#include "os.h"

void gri_parker_init(gri_parker *parker)
{
    pthread_condattr_t attributes;

    parker->woken = false;
    (void)pthread_mutex_init(&parker->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&parker->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

void gri_parker_fini(gri_parker *parker)
{
    (void)pthread_cond_destroy(&parker->wake);
    (void)pthread_mutex_destroy(&parker->lock);
}

bool gri_parker_wait(gri_parker *parker, int64_t until_ms)
{
    struct timespec until = {0};
    bool woken = false;
    int result = 0;
    int64_t left_ms = 0;

    if (until_ms != INT64_MAX) {
        left_ms = until_ms - gri_os_now_ms();
        left_ms = left_ms < 0 ? 0 : left_ms;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)(left_ms / 1000);
        until.tv_nsec += (long)(left_ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
    }
    (void)pthread_mutex_lock(&parker->lock);
    while (!parker->woken && result != ETIMEDOUT) {
        result = until_ms == INT64_MAX
                     ? pthread_cond_wait(&parker->wake, &parker->lock)
                     : pthread_cond_timedwait(&parker->wake, &parker->lock, &until);
    }
    woken = parker->woken;
    parker->woken = false;
    (void)pthread_mutex_unlock(&parker->lock);
    return woken;
}

void gri_parker_wake(gri_parker *parker)
{
    (void)pthread_mutex_lock(&parker->lock);
    parker->woken = true;
    (void)pthread_cond_signal(&parker->wake);
    (void)pthread_mutex_unlock(&parker->lock);
}
