/*
 * The control turn of a remote: everything that is not a message (connections that come and go,
 * handshakes, dialling, sessions that begin and end) is an item in one queue, and one thread at a
 * time works it off, with no lock held. So none of those state machines needs a lock, and each item
 * may call out as it likes. No thread is kept at it for ever: after a number of items it hands on.
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

/* What one thread works off in one go, while others go on posting. */
enum { GRI_CONTROL_ITEMS_MAX = 64 };

typedef struct gri_control {
    pthread_mutex_t lock;
    STAILQ_HEAD(, gri_control_item) items; /* lock */
    bool turning;                          /* lock; a thread works items off, or none may yet */
    bool closing;                          /* lock; the alarm is not set any more */
    bool closed;                           /* lock; nothing is queued any more */
    gr_alarm alarm;
} gri_control;

void gri_control_init(gri_control *control, gr_system *sys);
/* Items wait until now: what they look at is complete. */
void gri_control_begin(gri_control *control);
/* Works off what is left, in this thread; what is posted afterwards is not taken. */
void gri_control_close(gri_control *control);
/* After it was closed and when nobody posts any more. */
void gri_control_fini(gri_control *control);

/* Queues an item, unless it is queued already or the queue is closed (then false), and works the
 * queue off in this thread when nobody else does. Only on full-sized stacks and where calling out is
 * fine. */
bool gri_control_post(gri_control *control, gri_control_item *item);
/* The same from anywhere: the work is left to the timer thread. */
bool gri_control_post_later(gri_control *control, gri_control_item *item);
/* Works off some of what waits, for who waits for an item where the timer thread may not come. */
void gri_control_help(gri_control *control);

#endif
