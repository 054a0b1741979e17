/*
 * A proxy on loopback between a peer and where it dials, to break connections from outside. One thread
 * of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PROXY_H
#define PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { PROXY_PAIRS_MAX = 16 };

typedef struct proxy {
    pthread_t thread;
    int listener;
    int target_port;
    int pairs[PROXY_PAIRS_MAX][2]; /* -1: free */
    atomic_bool quit;
    atomic_bool cut;    /* asked: reset every connection */
    atomic_bool frozen; /* nothing passes */
    atomic_uint cuts;   /* done */
    char address[64];   /* "tcp://127.0.0.1:PORT" */
} proxy;

void proxy_open(proxy *it, const char *target_address);
/* Resets every connection, and waits until that is done. */
void proxy_cut(proxy *it);
void proxy_close(proxy *it);

#endif
