/*
 * A cluster of memberships: see the header. One thread, the stepper's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "member_lab.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <granary/runtime_spi.h>

#include <gri/mem.h>

#include "membership_internal.h"

static char lab_kind[] = "lab.Thing";
static char *lab_kinds[] = {lab_kind};
static char no_role[] = "";

uint64_t lab_random(member_lab *lab, uint64_t below)
{
    uint64_t z = (lab->random += 0x9e3779b97f4a7c15u); /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static void must(bool holds, const char *what)
{
    if (!holds) {
        printf("the lab cannot go on: %s: %s\n", what, gr_last_error()->text);
        abort();
    }
}

/* ---- what membership tells */

static void on_view(void *self, gri_view *view)
{
    lab_node *node = self;

    node->views++;
    gri_view_check(view);
    ownership_note(node->lab->ownership, "n%d.%d sees v%" PRIu64 ": %zu members, owns %zu%s",
                   node->number, node->incarnation, view->version, view->members_count,
                   gri_view_owned(view, gr_system_node(node->sys)),
                   view->settled ? "" : ", unsettled");
}

static void on_drain(void *self, const gri_shard_ref *shards, size_t count)
{
    lab_node *node = self;
    size_t i = 0;

    node->drained += (unsigned)count;
    ownership_note(node->lab->ownership, "n%d.%d drains %zu", node->number, node->incarnation,
                   count);
    if (node->drain_ms > 0) {
        (void)gri_pause(node->sys, (int64_t)lab_random(node->lab, (uint64_t)node->drain_ms + 1));
    }
    for (i = 0; i < count; i++) {
        ownership_drained(node->lab->ownership, node->membership, &shards[i], true);
    }
}

static void on_undone(void *self, const gri_shard_ref *shards, size_t count)
{
    lab_node *node = self;
    size_t i = 0;

    node->undone += (unsigned)count;
    for (i = 0; i < count; i++) {
        ownership_drained(node->lab->ownership, node->membership, &shards[i], false);
    }
}

static void on_lapsed(void *self)
{
    lab_node *node = self;

    node->lapsed++;
    ownership_note(node->lab->ownership, "n%d.%d lapsed", node->number, node->incarnation);
}

static void on_regained(void *self)
{
    lab_node *node = self;

    node->regained++;
    ownership_note(node->lab->ownership, "n%d.%d regained", node->number, node->incarnation);
}

static void on_fenced(void *self)
{
    lab_node *node = self;

    node->fenced++;
    node->ended = GR_ESTOPPED;
    node->state = LAB_DONE;
    ownership_note(node->lab->ownership, "n%d.%d is fenced", node->number, node->incarnation);
}

static const gri_membership_events lab_events = {.view_changed = on_view,
                                                 .drain = on_drain,
                                                 .drain_undone = on_undone,
                                                 .lease_lapsed = on_lapsed,
                                                 .lease_regained = on_regained,
                                                 .fenced = on_fenced};

/* ---- starting and leaving: each an actor of the node's system, so that nothing waits for it */

static gr_err run_start(lab_node *node)
{
    char address[32];
    char name[24];
    gri_membership_options options = {
        .coordinator_ops = gr_coordinator_memory(),
        .coordinator = node->coordinator,
        .lease_ms = node->lease_ms,
        .shards = node->shards,
        .self = {.node = gr_system_node(node->sys),
                 .address = address,
                 .role = no_role,
                 .kinds = lab_kinds,
                 .kinds_count = 1,
                 .weight = 1},
        .events = &lab_events,
        .events_self = node,
    };
    gr_err err = GR_OK;

    (void)snprintf(address, sizeof(address), "sim:%d", node->number);
    (void)snprintf(name, sizeof(name), "n%d.%d", node->number, node->incarnation);
    err = gri_membership_start(node->sys, &options, 10000, &node->membership);
    if (err == GR_OK) {
        ownership_add(node->lab->ownership, node->membership, name);
        ownership_note(node->lab->ownership, "%s (%016" PRIx64 ") is up", name,
                       gr_system_node(node->sys));
        node->state = node->fenced > 0 ? LAB_DONE : LAB_UP;
    } else {
        ownership_note(node->lab->ownership, "%s did not start: %s", name, gr_last_error()->text);
        node->ended = err;
        node->state = LAB_DONE;
    }
    return GR_OK;
}

static gr_err run_leave(lab_node *node)
{
    gr_err err = gri_membership_leave(node->membership, 20000);

    ownership_note(node->lab->ownership, "n%d.%d left: %s", node->number, node->incarnation,
                   gr_err_name(err));
    node->ended = err;
    node->state = LAB_DONE;
    return GR_OK;
}

static gr_err started(gr_context *ctx, void *state)
{
    gr_timer_id timer;

    (void)state;
    return gr_timer_start(ctx, 0, 0, gr_msg_new(&gri_member_tick_type), &timer);
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    lab_node *node = state;

    (void)msg;
    (void)ctx;
    node->busy = true;
    (void)(node->state == LAB_STARTING ? run_start(node) : run_leave(node));
    node->busy = false;
    return GR_OK;
}

static void spawn(lab_node *node)
{
    gr_props props = {.type_name = "lab", .started = started, .receive = receive, .arg = node};

    must(gr_spawn(node->sys, &props, NULL, &node->actor) == GR_OK, "spawn");
}

void lab_start(member_lab *lab, int number)
{
    lab_node *node = &lab->nodes[number];
    gr_system_options options = {.name = "node", .stepped = lab->stepped};

    must(node->state == LAB_OFF, "a node that is on is started");
    must(gr_system_new(&options, &node->sys) == GR_OK, "a system");
    must(gr_coordinator_memory()->open(node->sys, "lab", NULL, lab->store, &node->coordinator) ==
             GR_OK,
         "a coordinator");
    node->incarnation++;
    node->state = LAB_STARTING;
    node->stalled = false;
    node->ended = GR_OK;
    node->views = node->lapsed = node->regained = node->fenced = node->drained = node->undone = 0;
    spawn(node);
}

void lab_leave(member_lab *lab, int number)
{
    must(lab->nodes[number].state == LAB_UP, "a node that is not up leaves");
    lab->nodes[number].state = LAB_LEAVING;
    spawn(&lab->nodes[number]);
}

void lab_stall(member_lab *lab, int number, bool stalled)
{
    lab_node *node = &lab->nodes[number];

    node->stalled = stalled;
    ownership_note(lab->ownership, "n%d.%d %s", number, node->incarnation,
                   stalled ? "stops in its tracks" : "wakes");
    gr_stepped_stall(node->sys, stalled);
}

void lab_fault(member_lab *lab, int number, const gr_memory_store_faults *faults)
{
    lab_node *node = &lab->nodes[number];

    ownership_note(lab->ownership, "n%d.%d faults: %s, %u, %u, %d..%d ms", number,
                   node->incarnation, faults->unreachable ? "unreachable" : "reachable",
                   faults->lose_request_per_10000, faults->lose_answer_per_10000,
                   (int)faults->delay_min_ms, (int)faults->delay_max_ms);
    if (node->sys != NULL) {
        must(gr_memory_store_set_faults(lab->store, gr_system_node(node->sys), faults) == GR_OK,
             "faults");
    }
}

void lab_clear(member_lab *lab, int number)
{
    lab_node *node = &lab->nodes[number];

    if (node->state == LAB_OFF) {
        return;
    }
    gr_stepped_stall(node->sys, false);
    if (node->membership != NULL) {
        ownership_remove(lab->ownership, node->membership);
    }
    gr_send_stop(node->sys, node->actor);
    while (node->busy) { /* it sees the stop in its next wait */
        must(gr_stepped_step(lab->stepped), "a start that does not end");
    }
    if (node->membership !=
        NULL) { /* it had nothing to wait for any more, and has come up meanwhile */
        ownership_remove(lab->ownership, node->membership);
    }
    node->membership = gri_membership_free(node->membership);
    gr_coordinator_memory()->free(node->coordinator);
    (void)gr_system_stop(node->sys, GR_FOREVER);
    node->sys = gr_system_free(node->sys);
    node->coordinator = NULL;
    node->state = LAB_OFF;
    node->stalled = false;
    ownership_note(lab->ownership, "n%d.%d is cleared away", number, node->incarnation);
}

/* By somebody who meddles with the store; without bytes the view is removed. */
static void meddle(member_lab *lab, const uint8_t *bytes, size_t count)
{
    const gr_coordinator_ops *ops = gr_coordinator_memory();
    gr_coordinator *hand = NULL;
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    gr_msg *done = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;

    must(ops->open(lab->hand, "lab", NULL, lab->store, &hand) == GR_OK, "a hand");
    err = ops->read(hand, GRI_VIEW_KEY, 1000, &future);
    must(gri_operation_await(err, future, &msg, &answer) == GR_OK, "reading the view");
    if (bytes == NULL) {
        err = ops->remove(hand, GRI_VIEW_KEY, answer->revision, 1000, &future);
    } else {
        err =
            ops->compare_and_set(hand, GRI_VIEW_KEY, answer->revision, bytes, count, 1000, &future);
    }
    /* A conflict will do for what is removed at random; what is written must be there. */
    err = gri_operation_await(err, future, &done, &answer);
    must(err == GR_OK || bytes == NULL, "writing the view");
    gr_msg_unref(done);
    gr_msg_unref(msg);
    ops->free(hand);
}

void lab_remove_view(member_lab *lab)
{
    ownership_note(lab->ownership, "the view is removed");
    meddle(lab, NULL, 0);
}

void lab_write_view(member_lab *lab, const uint8_t *bytes, size_t count)
{
    ownership_note(lab->ownership, "the view is overwritten");
    meddle(lab, bytes, count);
}

void lab_put_view(member_lab *lab, const gri_view *view)
{
    uint8_t *bytes = NULL;
    size_t count = 0;

    must(gri_view_pack(view, &bytes, &count) == GR_OK, "packing a view");
    lab_write_view(lab, bytes, count);
    gri_free(bytes);
}

void lab_skip_to(member_lab *lab, uint64_t revision)
{
    const gr_coordinator_ops *ops = gr_coordinator_memory();
    gr_coordinator *hand = NULL;
    uint64_t at = 0;

    must(ops->open(lab->hand, "noise", NULL, lab->store, &hand) == GR_OK, "a hand");
    while (at + 1 < revision) {
        const uint8_t *bytes = (const uint8_t *)&at;
        gr_future *future = NULL;
        gr_msg *msg = NULL;
        const gr_coordinator_answer *answer = NULL;
        gr_err err = ops->compare_and_set(hand, "noise", at, bytes, sizeof(at), 1000, &future);

        must(gri_operation_await(err, future, &msg, &answer) == GR_OK, "writing noise");
        at = answer->revision;
        gr_msg_unref(msg);
    }
    must(at + 1 == revision, "a revision that is past");
    ops->free(hand);
}

size_t lab_leases(member_lab *lab)
{
    const gr_coordinator_ops *ops = gr_coordinator_memory();
    gr_coordinator *hand = NULL;
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;
    size_t leases = 0;
    size_t i = 0;

    must(ops->open(lab->hand, "lab", NULL, lab->store, &hand) == GR_OK, "a hand");
    err = ops->list(hand, GRI_LEASE_PREFIX, 1000, &future);
    must(gri_operation_await(err, future, &msg, &answer) == GR_OK, "listing");
    for (i = 0; i < answer->value_bytes; i++) {
        leases += answer->value[i] == 0;
    }
    gr_msg_unref(msg);
    ops->free(hand);
    return leases;
}

void lab_put_lease(member_lab *lab, uint64_t node)
{
    const gr_coordinator_ops *ops = gr_coordinator_memory();
    gri_lease_record record = {GRI_LEASE_HELD, 1, LAB_LEASE_MS};
    uint8_t bytes[GRI_LEASE_RECORD_BYTES_MAX];
    size_t count = gri_lease_record_pack(&record, bytes);
    char key[GRI_LEASE_KEY_BYTES];
    gr_coordinator *hand = NULL;
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;

    gri_lease_key(node, key);
    must(ops->open(lab->hand, "lab", NULL, lab->store, &hand) == GR_OK, "a hand");
    err = ops->compare_and_set(hand, key, 0, bytes, count, 1000, &future);
    must(gri_operation_await(err, future, &msg, &answer) == GR_OK, "writing a lease");
    gr_msg_unref(msg);
    ops->free(hand);
}

void lab_save(member_lab *lab)
{
    lab->backup = gr_memory_backup_free(lab->backup);
    must(gr_memory_store_save(lab->store, &lab->backup) == GR_OK, "a backup");
    ownership_note(lab->ownership, "the store is saved");
}

void lab_restore(member_lab *lab)
{
    if (lab->backup == NULL) {
        return;
    }
    must(gr_memory_store_restore(lab->store, lab->backup) == GR_OK, "restoring");
    ownership_note(lab->ownership, "the store is set back");
    /* By then every right that was had before has ended, or was confirmed by what is there now; twice, for
     * requests that were on their way. */
    ownership_pardon(lab->ownership, gr_stepped_now(lab->stepped) + 2 * LAB_LEASE_MS);
}

uint64_t lab_view_revision(member_lab *lab, int number)
{
    uint64_t revision = 0;

    gri_view_unref(gri_membership_newest(lab->nodes[number].membership, &revision));
    return revision;
}

/* ---- the world */

static void after_step(void *arg, const char *line)
{
    member_lab *lab = arg;

    (void)line;
    if (!ownership_check(lab->ownership)) {
        lab->broken = true;
    }
}

member_lab *lab_new(uint64_t seed)
{
    member_lab *lab = calloc(1, sizeof(*lab));
    int i = 0;

    must(lab != NULL, "memory");
    lab->random = seed;
    must(gr_stepped_new(seed, &lab->stepped) == GR_OK, "a stepper");
    must(gr_memory_store_new(lab->stepped, &lab->store) == GR_OK, "a store");
    must(gr_system_new(&(gr_system_options){.name = "hand", .stepped = lab->stepped}, &lab->hand) ==
             GR_OK,
         "a hand");
    lab->ownership = ownership_new(lab->stepped);
    must(lab->ownership != NULL, "memory");
    gr_stepped_trace(lab->stepped, after_step, lab);
    for (i = 0; i < LAB_NODES_MAX; i++) {
        lab->nodes[i].lab = lab;
        lab->nodes[i].number = i;
        lab->nodes[i].shards = LAB_SHARDS;
        lab->nodes[i].lease_ms = LAB_LEASE_MS;
        lab->nodes[i].drain_ms = 20;
    }
    return lab;
}

member_lab *lab_free(member_lab *take_lab)
{
    int i = 0;

    take_lab->restarting = false;
    for (i = 0; i < LAB_NODES_MAX; i++) {
        lab_clear(take_lab, i);
    }
    gr_system_free(take_lab->hand);
    take_lab->backup = gr_memory_backup_free(take_lab->backup);
    take_lab->store = gr_memory_store_free(take_lab->store);
    gr_stepped_free(take_lab->stepped);
    ownership_free(take_lab->ownership);
    free(take_lab);
    return NULL;
}

static void clear_done(member_lab *lab)
{
    int i = 0;

    for (i = 0; i < LAB_NODES_MAX; i++) {
        lab_node *node = &lab->nodes[i];

        if (node->state == LAB_DONE && !node->stalled) {
            bool again = lab->restarting && node->ended != GR_OK;

            lab_clear(lab, i);
            if (again) {
                lab_start(lab, i);
            }
        }
    }
}

static bool never(member_lab *lab)
{
    (void)lab;
    return false;
}

bool lab_run_until(member_lab *lab, bool (*done)(member_lab *lab), int64_t ms)
{
    int64_t until_ms = gr_stepped_now(lab->stepped) + ms;

    for (;;) {
        int64_t now = 0;
        int64_t next = 0;

        while (!lab->broken && gr_stepped_step(lab->stepped)) {
            after_step(lab, NULL);
        }
        clear_done(lab);
        if (lab->broken || done(lab)) {
            return !lab->broken;
        }
        now = gr_stepped_now(lab->stepped);
        next = gr_stepped_next_ms(lab->stepped);
        if (now >= until_ms) {
            return false;
        }
        next = next > until_ms ? until_ms : next;
        gr_stepped_advance(lab->stepped, next > now ? next - now : 1);
        after_step(lab, NULL);
    }
}

bool lab_run(member_lab *lab, int64_t ms)
{
    (void)lab_run_until(lab, never, ms);
    return !lab->broken;
}

bool lab_all_served(member_lab *lab)
{
    return ownership_unserved(lab->ownership, LAB_TABLE, LAB_SHARDS) == 0;
}

bool lab_balanced(member_lab *lab)
{
    size_t up = 0;
    int i = 0;

    for (i = 0; i < LAB_NODES_MAX; i++) {
        if (lab->nodes[i].state == LAB_STARTING) {
            return false;
        }
        up += lab->nodes[i].state == LAB_UP && !lab->nodes[i].stalled;
    }
    for (i = 0; i < LAB_NODES_MAX; i++) {
        const lab_node *node = &lab->nodes[i];
        gri_view *view =
            node->state == LAB_UP && !node->stalled ? gri_membership_view(node->membership) : NULL;
        size_t owned = view == NULL ? 0 : gri_view_owned(view, gr_system_node(node->sys));
        bool fair = view == NULL || (view->members_count == up && owned >= LAB_SHARDS / up &&
                                     owned <= LAB_SHARDS / up + 1);

        gri_view_unref(view);
        if (!fair) {
            return false;
        }
    }
    return up > 0 && lab_all_served(lab);
}
