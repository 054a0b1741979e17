/*
 * Threads of our own, with names that debuggers and `ps -T` show.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_THREAD_H
#define GRI_THREAD_H

#include <pthread.h>

/* As pthread_create(): 0, or why there is no thread to be had. Of the name 15 bytes count. */
int gri_thread_start(pthread_t *out_thread, const char *name, void *(*run)(void *arg), void *arg);

#endif
