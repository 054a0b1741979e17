/*
 * A cluster of memberships without anything above them: nodes on one stepper, over a store in memory.
 * Nodes are started, stalled, crashed, fenced and stopped while the invariant of ownership is checked
 * after every step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_TESTS_MEMBER_LAB_H
#define GRANARY_TESTS_MEMBER_LAB_H

#include <granary/cluster_spi.h>

#include "membership.h"
#include "sim/ownership.h"

enum { LAB_NODES_MAX = 12, LAB_SHARDS = 32, LAB_LEASE_MS = 2000 };

#define LAB_TABLE "kind:lab.Thing"

typedef enum lab_state {
    LAB_OFF,
    LAB_STARTING,
    LAB_UP,
    LAB_LEAVING,
    LAB_DONE /* failed to start, fenced or left: to be cleared away */
} lab_state;

typedef struct lab_node {
    struct member_lab *lab;
    int number;
    int incarnation;
    lab_state state;
    gr_err ended; /* why it is DONE: GR_OK left, GR_ESTOPPED fenced, else the start's error */
    bool stalled;
    gr_system *sys;
    gr_coordinator *coordinator;
    gri_membership *membership;
    gr_pid actor; /* that starts it or has it leave */
    bool busy;    /* in doing so */
    uint32_t shards;
    int64_t lease_ms;
    int64_t drain_ms; /* how long it takes to drain, at most */
    unsigned views, lapsed, regained, fenced, drained, undone;
} lab_node;

typedef struct member_lab {
    gr_stepped *stepped;
    gr_memory_store *store;
    gr_memory_backup *backup; /* NULL: none was made */
    ownership *ownership;
    lab_node nodes[LAB_NODES_MAX];
    gr_system *hand; /* of somebody who meddles with the store */
    uint64_t random;
    bool restarting; /* nodes that are fenced or fail to start come back under a new id */
    bool broken;
} member_lab;

member_lab *lab_new(uint64_t seed);
/* Brings all nodes down in order. */
member_lab *lab_free(member_lab *take_lab);

/* Asks a node to start, to leave; the world goes on in lab_run(). */
void lab_start(member_lab *lab, int number);
void lab_leave(member_lab *lab, int number);
/* Stops a node's time, for good when it counts as crashed; and lets it go on. */
void lab_stall(member_lab *lab, int number, bool stalled);
/* What the store does to the node's requests. */
void lab_fault(member_lab *lab, int number, const gr_memory_store_faults *faults);
/* Somebody removes the view, and nothing else, from the store. */
void lab_remove_view(member_lab *lab);
/* Somebody writes a view, or bytes that are none, over the one that is there. */
void lab_put_view(member_lab *lab, const gri_view *view);
void lab_write_view(member_lab *lab, const uint8_t *bytes, size_t count);
/* Writes other keys until the next revision of the store is this one. */
void lab_skip_to(member_lab *lab, uint64_t revision);
/* The store as it is now is kept, and the store is set back to what was kept last, if anything was. */
void lab_save(member_lab *lab);
void lab_restore(member_lab *lab);
/* How many records of leases there are. */
size_t lab_leases(member_lab *lab);
/* Somebody takes a lease under this id and is killed before joining. */
void lab_put_lease(member_lab *lab, uint64_t node);
/* The revision under which a node knows the view. */
uint64_t lab_view_revision(member_lab *lab, int number);
/* Clears a node away at once, without leaving. */
void lab_clear(member_lab *lab, int number);

/* Lets time go by; clears away what is DONE. False when the invariant is broken. */
bool lab_run(member_lab *lab, int64_t ms);
/* Until done() or for at most `ms`; whether it was done. */
bool lab_run_until(member_lab *lab, bool (*done)(member_lab *lab), int64_t ms);

bool lab_all_served(member_lab *lab);
bool lab_balanced(member_lab *lab); /* nobody starts; all served, by all that are up */
uint64_t lab_random(member_lab *lab, uint64_t below);

#endif
