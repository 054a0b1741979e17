/*
 * A worker's own queue of actors, first in first out: a ring with one writer at its tail, taken from at its head by its owner
 * and by thieves with compare-and-swap. In kind it is the queue of Go's scheduler.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_RING_H
#define GRI_RING_H

#include <stdatomic.h>

#include "system_internal.h"

enum { GRI_RING = 1024 };

typedef struct gri_ring {
    _Alignas(64) _Atomic uint32_t head; /* owner and thieves take here */
    _Alignas(64) _Atomic uint32_t tail; /* the owner puts here */
    _Atomic(gri_actor *) at[GRI_RING];
} gri_ring;

/* Actors in a ring, as seen by anybody. */
static inline uint32_t gri_ring_count(gri_ring *queue)
{
    uint32_t head = atomic_load_explicit(&queue->head, memory_order_relaxed); /* a reading */
    uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed); /* a reading */

    return tail - head > GRI_RING ? 0 : tail - head;
}

static inline gri_actor *gri_ring_take(gri_ring *queue)
{
    uint32_t head =
        atomic_load_explicit(&queue->head, memory_order_acquire); /* what thieves took is gone */

    for (;;) {
        uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed); /* our own */
        gri_actor *actor = NULL;

        if (head == tail) {
            return NULL;
        }
        actor =
            atomic_load_explicit(&queue->at[head % GRI_RING], memory_order_relaxed); /* our own */
        /* Release: the slot has been read before the head says that it is free. */
        if (atomic_compare_exchange_weak_explicit(&queue->head, &head, head + 1,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return actor;
        }
    }
}

/* Puts an actor at the tail; false when there is no room. Only by the owner. */
static inline bool gri_ring_put(gri_ring *queue, gri_actor *actor)
{
    uint32_t head = atomic_load_explicit(&queue->head,
                                         memory_order_acquire); /* slots before it have been read */
    uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed); /* our own */

    if (tail - head >= GRI_RING) {
        return false;
    }
    atomic_store_explicit(&queue->at[tail % GRI_RING], actor,
                          memory_order_relaxed); /* published by the tail */
    atomic_store_explicit(&queue->tail, tail + 1,
                          memory_order_release); /* publishes the slot to thieves */
    return true;
}

/* Takes half of a victim's ring; gives back how many. Any worker. */
static inline uint32_t gri_ring_steal(gri_ring *victim, gri_actor *taken[GRI_RING / 2])
{
    uint32_t head = atomic_load_explicit(
        &victim->head, memory_order_acquire); /* orders the reads below after it */

    for (;;) {
        uint32_t tail = atomic_load_explicit(&victim->tail,
                                             memory_order_acquire); /* sees the slots before it */
        uint32_t count = tail - head;
        uint32_t i = 0;

        count = count - count / 2;
        if (tail == head) {
            return 0;
        }
        if (count > GRI_RING / 2) { /* torn: head moved on between the two reads */
            head = atomic_load_explicit(&victim->head, memory_order_acquire);
            continue;
        }
        for (i = 0; i < count; i++) { /* checked by the swap of the head */
            taken[i] =
                atomic_load_explicit(&victim->at[(head + i) % GRI_RING], memory_order_relaxed);
        }
        if (atomic_compare_exchange_weak_explicit(
                &victim->head, &head, head + count, memory_order_acq_rel,
                memory_order_acquire)) { /* release: the slots have been read */
            return count;
        }
    }
}

#endif
