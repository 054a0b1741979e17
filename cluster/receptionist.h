/*
 * The receptionist: the process at the well-known slot of a node, where calls and subscriptions arrive. Runs in whatever
 * thread delivers, never blocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_RECEPTIONIST_H
#define GRI_RECEPTIONIST_H

#include "host.h"

enum { GRI_SUBSCRIBERS_MAX = 100000 };

typedef struct gri_receptionist {
    gr_system *sys;
    gri_host *host; /* borrowed */
    gr_pid pid;
    atomic_int_fast64_t called_ms; /* when the last call of another process arrived */
    pthread_mutex_t lock;
    uint64_t *subscribers; /* lock; nodes of clients */
    size_t count, room;    /* lock */
} gri_receptionist;

/* GR_EEXIST the slot is taken. */
gr_err gri_receptionist_open(gri_receptionist *receptionist, gr_system *sys, gri_host *host);
void gri_receptionist_close(gri_receptionist *receptionist);
void gri_receptionist_fini(gri_receptionist *receptionist);

/* Sends a view to all subscribers. */
void gri_receptionist_tell(gri_receptionist *receptionist, const gri_view *view);
/* A client has gone. */
void gri_receptionist_lost(gri_receptionist *receptionist, uint64_t node);

#endif
