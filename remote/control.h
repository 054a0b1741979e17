/*
 * The control turn of a remote: everything that is not a message (connections that come and go,
 * handshakes, dialling, sessions that begin and end) is an item in one queue, and one thread at a
 * time works it off, with no lock held. So none of those state machines needs a lock, and each item
 * may call out as it likes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_CONTROL_H
#define GRI_REMOTE_CONTROL_H

#include <pthread.h>
#include <sys/queue.h>

#include <granary/runtime_spi.h>

/* Embed it in what it is about. It may be posted again when its function has begun. */
typedef struct gri_control_item {
    STAILQ_ENTRY(gri_control_item) next;
    void (*fn)(struct gri_control_item *item);
    bool posted; /* the queue's lock */
} gri_control_item;

typedef struct gri_control {
    pthread_mutex_t lock;
    STAILQ_HEAD(, gri_control_item) items; /* lock */
    bool turning;                          /* lock; a thread works items off, or none may yet */
    gr_alarm alarm;
} gri_control;

void gri_control_init(gri_control *control, gr_system *sys);
/* Items wait until now: what they look at is complete. */
void gri_control_begin(gri_control *control);
/* When nobody posts any more. Works off what is left. */
void gri_control_fini(gri_control *control);

/* Queues an item, unless it is queued already (then false), and works the queue off in this thread
 * when nobody else does. Only on full-sized stacks and where calling out is fine. */
bool gri_control_post(gri_control *control, gri_control_item *item);
/* The same from anywhere: the work is left to the timer thread. */
bool gri_control_post_later(gri_control *control, gri_control_item *item);

#endif
