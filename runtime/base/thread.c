/*
 * Threads: see gri/thread.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <gri/thread.h>

#include <stdio.h>

enum { NAME_BYTES = 16 }; /* what Linux keeps */

int gri_thread_start(pthread_t *out_thread, const char *name, void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    char kept[NAME_BYTES];
    int failed = 0;

    failed = pthread_create(&thread, NULL, run, arg);
    if (failed != 0) {
        return failed;
    }
    (void)snprintf(kept, sizeof(kept), "%s", name);
    (void)pthread_setname_np(thread, kept); /* only for people */
    *out_thread = thread;
    return 0;
}
