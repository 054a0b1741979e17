/*
 * One life of a node: a system with a new id, its way to others, its lease and its host. A node that is fenced begins
 * another life; what is left of the old one stays until the node is freed, stopped, so that pointers into it stay valid.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_INCARNATION_H
#define GRI_INCARNATION_H

#include "host.h"
#include "membership.h"
#include "receptionist.h"
#include "roster.h"

typedef struct gri_incarnation {
    struct gri_incarnation *older;  /* the node's list */
    const gr_node_options *options; /* the node's own copy */
    gr_system *sys;
    gr_remote *remote;
    const gr_coordinator_ops *coordinator_ops;
    gr_coordinator *coordinator;
    gri_exchange *exchange;
    gri_host *host;
    gri_receptionist receptionist;
    bool receptionist_open;
    gri_roster roster;
    bool roster_ready;
    gri_membership *joining; /* the one that owns it */
    /* For any thread; NULL until it has joined, then there until this life is freed. */
    _Atomic(gri_membership *) membership;
    atomic_bool fenced;
    void (*on_fenced)(void *arg);
    void *on_fenced_arg;
    bool stopped;
} gri_incarnation;

/* Starts a life: when it returns it is a member. `listen` instead of the options' when not NULL. Errors as
 * gr_node_start(); then nothing is left behind. */
gr_err gri_incarnation_start(const gr_node_options *options, const char *listen,
                             gr_kind *const *kinds, void (*on_fenced)(void *arg), void *arg,
                             gri_incarnation **out_incarnation);

/* Drains and leaves. GR_ETIMEDOUT: not everything could be drained. */
gr_err gri_incarnation_leave(gri_incarnation *incarnation, int64_t timeout_ms);
/* Ends everything but the memory; without leave() before, the node looks crashed to the others. */
void gri_incarnation_stop(gri_incarnation *incarnation);
/* In the stepper: gone at once, as if the process had been killed. */
void gri_incarnation_crash(gri_incarnation *incarnation);
gri_incarnation *gri_incarnation_free(gri_incarnation *take_incarnation);

/* Whether it owns what it should by the newest view. */
bool gri_incarnation_is_ready(gri_incarnation *incarnation);
/* Lets time go by, in threads as in the stepper. */
void gri_incarnation_wait(gri_incarnation *incarnation, int64_t ms);

bool gri_incarnation_is_fenced(gri_incarnation *incarnation);
int64_t gri_incarnation_lease_left_ms(gri_incarnation *incarnation);

#endif
