/*
 * The proxy: one thread that polls all its sockets and copies what comes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    return address;
}

static void reset(int pair[2])
{
    struct linger hard = {1, 0};

    for (int i = 0; i < 2; i++) {
        (void)setsockopt(pair[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        (void)close(pair[i]);
        pair[i] = -1;
    }
}

static void accept_one(proxy *it)
{
    struct sockaddr_in to = loopback(it->target_port);
    int near = accept(it->listener, NULL, NULL);
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    for (int i = 0; near >= 0 && far >= 0 && i < PROXY_PAIRS_MAX; i++) {
        if (it->pairs[i][0] < 0 && connect(far, (struct sockaddr *)&to, sizeof(to)) == 0) {
            it->pairs[i][0] = near;
            it->pairs[i][1] = far;
            return;
        }
    }
    (void)close(near);
    (void)close(far);
}

static void copy(int pair[2], int from)
{
    char bytes[65536];
    ssize_t got = recv(pair[from], bytes, sizeof(bytes), 0);
    ssize_t put = 0;

    while (got > 0) {
        ssize_t done = send(pair[1 - from], bytes + put, (size_t)got, MSG_NOSIGNAL);

        if (done <= 0) {
            break;
        }
        put += done;
        got -= done;
        if (got == 0) {
            return;
        }
    }
    reset(pair);
}

static void cut_all(proxy *it)
{
    for (int i = 0; i < PROXY_PAIRS_MAX; i++) {
        if (it->pairs[i][0] >= 0) {
            reset(it->pairs[i]);
        }
    }
    atomic_store_explicit(&it->cut, false, memory_order_relaxed);
    /* release: who sees the count sees that it is done */
    atomic_fetch_add_explicit(&it->cuts, 1, memory_order_release);
}

static void *run(void *arg)
{
    proxy *it = arg;

    /* relaxed, all of these: flags */
    while (!atomic_load_explicit(&it->quit, memory_order_relaxed)) {
        struct pollfd polls[1 + 2 * PROXY_PAIRS_MAX] = {{.fd = it->listener, .events = POLLIN}};
        bool frozen = atomic_load_explicit(&it->frozen, memory_order_relaxed);

        for (int i = 0; i < PROXY_PAIRS_MAX; i++) {
            for (int k = 0; k < 2; k++) {
                polls[1 + 2 * i + k] =
                    (struct pollfd){.fd = frozen ? -1 : it->pairs[i][k], .events = POLLIN};
            }
        }
        (void)poll(polls, 1 + 2 * PROXY_PAIRS_MAX, 5);
        if (atomic_load_explicit(&it->cut, memory_order_relaxed)) {
            cut_all(it);
            continue;
        }
        for (int i = 0; i < 2 * PROXY_PAIRS_MAX; i++) {
            if (polls[1 + i].revents != 0 && it->pairs[i / 2][0] >= 0) {
                copy(it->pairs[i / 2], i % 2);
            }
        }
        if ((polls[0].revents & POLLIN) != 0) {
            accept_one(it);
        }
    }
    cut_all(it);
    return NULL;
}

void proxy_open(proxy *it, const char *target_address)
{
    struct sockaddr_in bound = loopback(0);
    socklen_t bytes = sizeof(bound);

    *it = (proxy){.target_port = atoi(strrchr(target_address, ':') + 1)};
    memset(it->pairs, -1, sizeof(it->pairs));
    it->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (it->listener < 0 || bind(it->listener, (struct sockaddr *)&bound, bytes) != 0 ||
        listen(it->listener, 16) != 0 ||
        getsockname(it->listener, (struct sockaddr *)&bound, &bytes) != 0 ||
        pthread_create(&it->thread, NULL, run, it) != 0) {
        perror("proxy");
        exit(1);
    }
    (void)snprintf(it->address, sizeof(it->address), "tcp://127.0.0.1:%d", ntohs(bound.sin_port));
}

void proxy_cut(proxy *it)
{
    unsigned before = atomic_load_explicit(&it->cuts, memory_order_acquire);

    atomic_store_explicit(&it->cut, true, memory_order_relaxed);
    while (atomic_load_explicit(&it->cuts, memory_order_acquire) == before) {
        (void)sched_yield();
    }
}

void proxy_close(proxy *it)
{
    atomic_store_explicit(&it->quit, true, memory_order_relaxed);
    (void)pthread_join(it->thread, NULL);
    (void)close(it->listener);
}
