/*
 * Clients from the inside.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLIENT_INTERNAL_H
#define GRI_CLIENT_INTERNAL_H

#include "caller_internal.h"
#include "roster.h"

struct gr_client {
    gr_caller caller;
    gr_client_state_fn on_state;
    void *on_state_arg;
    gr_system *sys;
    gr_remote *remote;
    gri_exchange *exchange;
    gri_roster roster;
    bool roster_ready;
    const gr_coordinator_ops *coordinator_ops; /* NULL: addresses were given */
    gr_coordinator *coordinator;
    char *not_there; /* what to say when the coordinator has no view */
    char
        *addresses; /* C strings in a row, an empty one at the end; NULL: a coordinator was given */
    size_t addresses_count;
    gr_pid inbox;  /* the process at the well-known slot, where views arrive */
    gr_pid keeper; /* the actor */
    gr_future *keeper_ended;
    pthread_mutex_t view_lock; /* one view at a time */
    pthread_mutex_t lock;
    gr_client_state state; /* lock */
    bool closing;          /* lock */
    uint64_t gateway;      /* lock; 0: none */
    gr_error last;         /* lock; why no node has answered; text only: what is being tried */
    int64_t poked_ms;      /* lock */
    gr_future *ready;      /* lock; completes when it is ready for the first time */
    gr_future *news;       /* lock; completes at the next answer of a node */
};

/* Any thread. */
void gri_client_go(gr_client *client, gr_client_state next);
/* Why no node has answered, and what is being tried as long as nothing is known to be wrong. */
void gri_client_failed(gr_client *client, const gr_error *why);
void gri_client_tries(gr_client *client, const char *what, const char *whom);

/* The keeper: finds a gateway, subscribes, looks after it. Poking has it look at once; any thread. */
gr_err gri_client_keeper_start(gr_client *client);
void gri_client_keeper_stop(gr_client *client);
void gri_client_poke(gr_client *client);

#endif
