/*
 * Membership under a seed: joining, leaving, crashes, pauses, a coordinator that is slow, silent or
 * emptied. After every step the invariant of ownership is checked. `membership_test --seed N` replays
 * one seed of the random test, `--seeds N` runs so many.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <granary/runtime_spi.h>

#include <gri/mem.h>

#include "member_lab.h"
#include "view_make.h"

enum { FAIL_OVER_MS = LAB_LEASE_MS + 1000, CHAOS_MS = 40000 };

static uint64_t first_seed = 1;
static uint64_t seeds = 200;

static member_lab *cluster_of(uint64_t seed, int nodes)
{
    member_lab *lab = lab_new(seed);
    int i = 0;

    for (i = 0; i < nodes; i++) {
        lab_start(lab, i);
    }
    assert_true(lab_run_until(lab, lab_balanced, 10000));
    return lab;
}

static uint32_t unserved(const member_lab *lab)
{
    return ownership_unserved(lab->ownership, LAB_TABLE, LAB_SHARDS);
}

static void a_node_alone_acts_for_all_shards_once_the_view_is_settled(void **state)
{
    member_lab *lab = lab_new(1);
    int64_t began = gr_stepped_now(lab->stepped);

    (void)state;
    lab_start(lab, 0);
    assert_true(lab_run(lab, LAB_LEASE_MS));
    assert_int_equal(lab->nodes[0].state, LAB_UP);
    assert_int_equal(unserved(lab), LAB_SHARDS);
    assert_true(lab_run_until(lab, lab_all_served, 1000));
    assert_true(gr_stepped_now(lab->stepped) - began < LAB_LEASE_MS + 300);
    assert_true(lab_run(lab, 60000));
    assert_int_equal(lab->nodes[0].lapsed, 0);
    lab_free(lab);
}

static void c07_joining_and_leaving_leaves_no_shard_unserved_for_longer_than_a_drain(void **state)
{
    member_lab *lab = cluster_of(2, 2);

    (void)state;
    lab_start(lab, 2);
    assert_true(lab_run_until(lab, lab_balanced, 1000));
    lab_leave(lab, 0);
    assert_true(lab_run_until(lab, lab_balanced, 1000));
    assert_int_equal(lab->nodes[0].state, LAB_OFF);
    assert_int_equal(lab->nodes[0].ended, GR_OK);
    lab_leave(lab, 1);
    lab_leave(lab, 2);
    assert_true(lab_run(lab, 2000));
    assert_int_equal(lab->nodes[1].state, LAB_OFF);
    assert_int_equal(lab->nodes[2].state, LAB_OFF);
    /* A cluster that everybody has left goes on where it was: nothing is to be waited for. */
    lab_start(lab, 3);
    assert_true(lab_run_until(lab, lab_all_served, 500));
    lab_free(lab);
}

static void
c06_shards_of_a_crashed_node_are_served_elsewhere_within_a_lease_and_a_second(void **state)
{
    int64_t worst = 0;
    uint64_t seed = 0;

    (void)state;
    for (seed = 1; seed <= 20; seed++) {
        member_lab *lab = cluster_of(seed, 3 + (int)(seed % 4));
        int64_t began = 0;

        assert_true(lab_run(lab, (int64_t)lab_random(lab, 700)));
        lab_stall(lab, 1, true); /* for good */
        began = gr_stepped_now(lab->stepped);
        assert_true(lab_run_until(lab, lab_balanced, FAIL_OVER_MS));
        began = gr_stepped_now(lab->stepped) - began;
        worst = began > worst ? began : worst;
        lab_free(lab);
    }
    print_message("worst fail-over: %d ms of %d\n", (int)worst, FAIL_OVER_MS);
}

static void c06_neighbours_that_crash_together_are_noticed(void **state)
{
    member_lab *lab = cluster_of(3, 9);
    int i = 0;

    (void)state;
    for (i = 0; i < 7; i++) { /* whoever watches them crashes too */
        lab_stall(lab, i, true);
    }
    assert_true(lab_run_until(lab, lab_balanced, 2 * FAIL_OVER_MS));
    lab_free(lab);
}

static void
c08_a_node_that_was_paused_for_longer_than_its_lease_learns_that_it_was_fenced(void **state)
{
    member_lab *lab = cluster_of(4, 3);

    (void)state;
    lab_stall(lab, 0, true);
    assert_true(lab_run(lab, 3 * LAB_LEASE_MS));
    assert_int_equal(unserved(lab), 0);
    lab_stall(lab, 0, false);
    assert_false(gri_membership_may_act(lab->nodes[0].membership));
    lab->restarting = true;
    assert_true(lab_run_until(lab, lab_balanced, 3000));
    assert_int_equal(lab->nodes[0].incarnation, 2);
    lab_free(lab);
}

static void c08_a_pause_shorter_than_the_lease_costs_nothing(void **state)
{
    member_lab *lab = cluster_of(5, 3);

    (void)state;
    lab_stall(lab, 0, true);
    assert_true(lab_run(lab, LAB_LEASE_MS / 2));
    lab_stall(lab, 0, false);
    assert_true(lab_run(lab, 5000));
    assert_int_equal(lab->nodes[0].fenced, 0);
    assert_int_equal(lab->nodes[0].lapsed, 0);
    lab_free(lab);
}

static void c09_a_node_cut_off_from_the_coordinator_stops_and_is_replaced(void **state)
{
    member_lab *lab = cluster_of(6, 3);
    gr_memory_store_faults cut = {.unreachable = true};
    gr_memory_store_faults none = {0};

    (void)state;
    lab_fault(lab, 0, &cut);
    assert_true(lab_run(lab, LAB_LEASE_MS));
    assert_false(gri_membership_may_act(lab->nodes[0].membership));
    assert_int_equal(lab->nodes[0].lapsed, 1);
    assert_true(lab_run(lab, 1000));
    assert_int_equal(unserved(lab), 0);
    lab_fault(lab, 0, &none);
    lab->restarting = true;
    assert_true(lab_run_until(lab, lab_balanced, 4000));
    assert_int_equal(lab->nodes[0].incarnation, 2);
    lab_free(lab);
}

static void c10_a_coordinator_that_pauses_costs_a_pause_and_nobody_is_fenced(void **state)
{
    uint64_t seed = 0;
    int i = 0;

    (void)state;
    for (seed = 1; seed <= 10; seed++) {
        member_lab *lab = cluster_of(seed, 4);
        gr_memory_store_faults cut = {.unreachable = true};
        gr_memory_store_faults none = {0};

        for (i = 0; i < 4; i++) {
            lab_fault(lab, i, &cut);
        }
        assert_true(lab_run(lab, 10000 + (int64_t)lab_random(lab, 1000)));
        assert_int_equal(unserved(lab), LAB_SHARDS);
        for (i = 0; i < 4; i++) {
            lab_fault(lab, i, &none);
        }
        assert_true(lab_run_until(lab, lab_all_served, 1500));
        assert_true(lab_run(lab, 5000));
        for (i = 0; i < 4; i++) {
            assert_int_equal(lab->nodes[i].fenced, 0);
            assert_int_equal(lab->nodes[i].lapsed, 1);
            assert_int_equal(lab->nodes[i].regained, 1);
        }
        lab_free(lab);
    }
}

static void c10_when_the_whole_machine_was_asleep_nobody_is_fenced(void **state)
{
    uint64_t seed = 0;
    int i = 0;

    (void)state;
    for (seed = 1; seed <= 10; seed++) {
        member_lab *lab = cluster_of(seed, 4);

        for (i = 0; i < 4; i++) {
            lab_stall(lab, i, true);
        }
        assert_true(lab_run(lab, 60000));
        for (i = 0; i < 4; i++) {
            lab_stall(lab, i, false);
        }
        assert_true(lab_run(lab, 5000));
        assert_int_equal(unserved(lab), 0);
        for (i = 0; i < 4; i++) {
            assert_int_equal(lab->nodes[i].fenced, 0);
        }
        lab_free(lab);
    }
}

static void c10_an_emptied_coordinator_is_rebuilt(void **state)
{
    member_lab *lab = cluster_of(7, 3);

    (void)state;
    lab->restarting = true;
    gr_memory_store_empty(lab->store);
    assert_true(lab_run(lab, LAB_LEASE_MS / 2)); /* by then everybody has noticed */
    assert_true(lab_run_until(lab, lab_balanced, 2 * LAB_LEASE_MS));
    assert_int_equal(lab->nodes[0].incarnation, 2);
    assert_int_equal(lab->nodes[2].incarnation, 2);
    lab_free(lab);
}

static void c10_a_view_older_than_one_that_was_known_confirms_no_lease(void **state)
{
    member_lab *lab = cluster_of(11, 1);
    gri_view *older = gri_membership_view(lab->nodes[0].membership);
    int i = 0;

    (void)state;
    lab_start(lab, 1);
    assert_true(lab_run_until(lab, lab_balanced, 1000));
    lab_put_view(lab, older); /* as of a backup: node 0 owns everything in it */
    gri_view_unref(older);
    lab->restarting = true;
    assert_true(lab_run(lab, LAB_LEASE_MS / 2)); /* by then both have noticed */
    for (i = 0; i < 2; i++) {
        assert_int_equal(lab->nodes[i].incarnation, 2);
    }
    assert_true(lab_run_until(lab, lab_balanced, 2 * FAIL_OVER_MS));
    lab_free(lab);
}

static void c10_a_view_that_takes_an_epoch_back_is_of_another_history(void **state)
{
    member_lab *lab = cluster_of(12, 2);
    gri_view *older = gri_membership_view(lab->nodes[0].membership);
    gri_view *newest = NULL;
    int i = 0;

    (void)state;
    lab_start(lab, 2);
    assert_true(lab_run_until(lab, lab_balanced, 1000));
    newest = gri_membership_view(lab->nodes[0].membership);
    /* A backup that others have gone on from, past what was known, before anybody could look. */
    older->version = newest->version + 1;
    lab_put_view(lab, older);
    gri_view_unref(older);
    gri_view_unref(newest);
    lab->restarting = true;
    assert_true(lab_run(lab, LAB_LEASE_MS / 2));
    for (i = 0; i < 3; i++) {
        assert_int_equal(lab->nodes[i].incarnation, 2);
    }
    assert_true(lab_run_until(lab, lab_balanced, 2 * FAIL_OVER_MS));
    lab_free(lab);
}

static void c10_a_view_rewritten_as_it_was_can_still_be_changed(void **state)
{
    member_lab *lab = cluster_of(15, 2);
    gri_view *view = gri_membership_view(lab->nodes[0].membership);

    (void)state;
    lab_put_view(lab, view); /* the same bytes: the same version, at another revision */
    lab_leave(lab, 0);
    assert_true(lab_run_until(lab, lab_balanced, 2000));
    assert_int_equal(lab->nodes[0].ended, GR_OK);
    assert_int_equal(lab->nodes[1].fenced, 0);
    gri_view_unref(view);
    lab_free(lab);
}

/* All that a node has is taken from it, in a copy of the view. */
static gri_view *view_without_owners(member_lab *lab, int number)
{
    gri_view *view = gri_membership_view(lab->nodes[number].membership);
    gri_view *copy = NULL;
    uint32_t shard = 0;

    assert_int_equal(gri_view_copy(view, NULL, &copy), GR_OK);
    for (shard = 0; shard < LAB_SHARDS; shard++) {
        copy->tables[0].shards[shard].owner = 0;
    }
    gri_view_unref(view);
    return copy;
}

static void c10_other_contents_under_a_version_that_was_known_are_another_history(void **state)
{
    member_lab *lab = cluster_of(16, 2);
    gri_view *other = view_without_owners(lab, 0);
    int i = 0;

    (void)state;
    lab_put_view(lab, other);
    gri_view_unref(other);
    lab->restarting = true;
    assert_true(lab_run(lab, LAB_LEASE_MS / 2)); /* by then both have noticed */
    for (i = 0; i < 2; i++) {
        assert_int_equal(lab->nodes[i].incarnation, 2);
    }
    assert_true(lab_run_until(lab, lab_balanced, 2 * FAIL_OVER_MS));
    lab_free(lab);
}

static void c10_a_revision_that_is_used_again_is_not_taken_for_what_it_was(void **state)
{
    member_lab *lab = cluster_of(17, 1);
    gri_view *older = gri_membership_view(lab->nodes[0].membership);
    uint64_t revision = 0;

    (void)state;
    lab_save(lab);
    lab_start(lab, 1);
    assert_true(lab_run_until(lab, lab_balanced, 1000));
    revision = lab_view_revision(lab, 0);
    assert_int_equal(lab_view_revision(lab, 1), revision);
    lab_stall(lab, 0, true); /* so that neither looks before it is done */
    lab_stall(lab, 1, true);
    lab_restore(lab);
    lab_skip_to(lab, revision);
    lab_put_view(lab, older); /* node 0 owns everything in it */
    gri_view_unref(older);
    lab_stall(lab, 0, false);
    lab_stall(lab, 1, false);
    assert_true(lab_run(lab, LAB_LEASE_MS / 2));
    assert_int_equal(lab->nodes[0].state, LAB_OFF);
    assert_int_equal(lab->nodes[0].ended, GR_ESTOPPED);
    lab_start(lab, 0);
    assert_true(lab_run_until(lab, lab_balanced, 2 * FAIL_OVER_MS));
    lab_free(lab);
}

static void c10_a_node_that_slept_through_what_a_restore_undoes_does_not_go_on_by_it(void **state)
{
    member_lab *lab = cluster_of(18, 2);
    gr_memory_store_faults cut = {.unreachable = true};
    gr_memory_store_faults none = {0};

    (void)state;
    lab_save(lab);
    lab_fault(lab, 0, &cut); /* so that it does not even hear when it wakes */
    lab_stall(lab, 0, true);
    assert_true(lab_run_until(lab, lab_balanced, FAIL_OVER_MS)); /* node 1 has all */
    lab_restore(lab);
    lab_fault(lab, 0, &none);
    lab_stall(lab, 0, false); /* what it knows is what there is: only node 1 knows better */
    lab->restarting = true;
    assert_true(lab_run(lab, LAB_LEASE_MS));
    assert_int_equal(lab->nodes[0].incarnation, 2);
    assert_int_equal(lab->nodes[1].incarnation, 2);
    assert_true(lab_run_until(lab, lab_balanced, 2 * FAIL_OVER_MS));
    lab_free(lab);
}

static void leases_that_nobody_holds_and_no_view_tells_of_are_swept_away(void **state)
{
    member_lab *lab = cluster_of(19, 3);
    uint64_t node = 0;

    (void)state;
    for (node = 1; node <= 100; node++) { /* more than are looked at in one sweep */
        lab_put_lease(lab, node);
    }
    assert_int_equal(lab_leases(lab), 103);
    assert_true(lab_run(lab, 30000)); /* a start may take its time */
    assert_int_equal(lab_leases(lab), 103);
    assert_true(lab_run(lab, 300000));
    assert_int_equal(lab_leases(lab), 3);
    lab->restarting = true;
    gr_memory_store_empty(
        lab->store); /* members of a lost view leave theirs, too, if they come late */
    lab_put_lease(lab, 101);
    assert_true(lab_run(lab, 120000));
    assert_int_equal(lab_leases(lab), 3);
    assert_int_equal(unserved(lab), 0);
    lab_free(lab);
}

static bool drains(member_lab *lab)
{
    return lab->nodes[0].drained > 0;
}

static bool has_undone(member_lab *lab)
{
    return lab->nodes[0].undone == lab->nodes[0].drained;
}

static void c07_shards_that_could_not_be_given_are_served_again(void **state)
{
    static const uint8_t junk[] = "no view";
    member_lab *lab = cluster_of(13, 1);
    gri_view *view = NULL;
    gri_view *repaired = NULL;

    (void)state;
    lab->nodes[0].drain_ms = 100;
    lab_start(lab, 1);
    assert_true(lab_run_until(lab, drains, 1000));
    view = gri_membership_view(lab->nodes[0].membership);
    lab_write_view(lab, junk, sizeof(junk));
    assert_true(lab_run_until(lab, has_undone, 500));
    assert_int_equal(unserved(lab), 0);
    assert_int_equal(gri_view_copy(view, NULL, &repaired), GR_OK);
    repaired->version++;
    lab_put_view(lab, repaired);
    gri_view_unref(repaired);
    gri_view_unref(view);
    assert_true(lab_run_until(lab, lab_balanced, 2 * LAB_LEASE_MS));
    assert_int_equal(lab->nodes[0].fenced, 0);
    lab_free(lab);
}

static bool view_is_unreadable(member_lab *lab)
{
    return ownership_unserved(lab->ownership, LAB_TABLE, LAB_SHARDS) > 0;
}

static void
c07_shards_whose_giving_was_not_answered_are_given_once_the_view_can_be_read(void **state)
{
    static const uint8_t junk[] = "no view";
    gr_memory_store_faults deaf = {.lose_request_per_10000 = 10000};
    gr_memory_store_faults none = {0};
    member_lab *lab = cluster_of(20, 1);
    gri_view *view = NULL;

    (void)state;
    lab->nodes[0].drain_ms = 100;
    lab_start(lab, 1);
    assert_true(lab_run_until(lab, drains, 1000));
    view = gri_membership_view(lab->nodes[0].membership);
    lab_fault(lab, 0, &deaf);
    assert_true(lab_run_until(lab, view_is_unreadable, 500)); /* drained, and the attempt is lost */
    assert_true(lab_run(lab, LAB_LEASE_MS / 2 - 100));
    lab_write_view(lab, junk, sizeof(junk));
    lab_fault(lab, 0, &none);
    assert_true(lab_run(lab, 300));
    lab_put_view(lab, view); /* as it was, at another revision */
    gri_view_unref(view);
    assert_true(lab_run_until(lab, lab_balanced, LAB_LEASE_MS));
    assert_int_equal(lab->nodes[0].fenced, 0);
    lab_free(lab);
}

/* Node 5 starts at the address of node 0. */
static void start_intruder(member_lab *lab)
{
    lab->nodes[5].number = 0;
    lab_start(lab, 5);
}

static void c12_a_node_at_the_address_of_one_that_lives_is_refused_and_changes_nothing(void **state)
{
    member_lab *lab = cluster_of(8, 3);
    uint32_t owned = 0;
    gri_view *view = gri_membership_view(lab->nodes[0].membership);

    (void)state;
    owned = (uint32_t)gri_view_owned(view, gr_system_node(lab->nodes[0].sys));
    gri_view_unref(view);
    start_intruder(lab);
    assert_true(lab_run(lab, LAB_LEASE_MS));
    assert_int_equal(lab->nodes[5].state, LAB_OFF);
    assert_int_equal(lab->nodes[5].ended, GR_EEXIST);
    assert_int_equal(lab->nodes[0].drained, 0);
    view = gri_membership_view(lab->nodes[0].membership);
    assert_int_equal(view->members_count, 3);
    assert_int_equal(gri_view_owned(view, gr_system_node(lab->nodes[0].sys)), owned);
    gri_view_unref(view);
    assert_int_equal(lab_leases(lab), 3);
    lab_free(lab);
}

static void c12_a_node_that_pauses_for_less_than_its_lease_keeps_its_address(void **state)
{
    member_lab *lab = cluster_of(8, 2);

    (void)state;
    lab_stall(lab, 0, true);
    start_intruder(lab);
    assert_true(lab_run(lab, LAB_LEASE_MS * 3 / 4));
    lab_stall(lab, 0, false);
    assert_true(lab_run(lab, LAB_LEASE_MS));
    assert_int_equal(lab->nodes[5].ended, GR_EEXIST);
    assert_int_equal(lab->nodes[0].fenced, 0);
    lab_free(lab);
}

static bool intruder_is_up(member_lab *lab)
{
    return lab->nodes[5].state == LAB_UP && lab_balanced(lab);
}

static void c12_after_a_crash_an_address_is_free_when_the_lease_is_over(void **state)
{
    int others = 0;

    (void)state;
    for (others = 0; others < 3; others++) { /* who fences: itself, or another */
        member_lab *lab = cluster_of(8, 1 + others);
        gri_view *view = NULL;

        lab_stall(lab, 0, true);
        start_intruder(lab);
        assert_true(lab_run_until(lab, intruder_is_up, FAIL_OVER_MS));
        view = gri_membership_view(lab->nodes[5].membership);
        assert_int_equal(view->members_count, 1 + others);
        gri_view_unref(view);
        assert_int_equal(lab->nodes[5].lapsed, 0);
        lab_stall(lab, 0, false);
        assert_true(lab_run(lab, LAB_LEASE_MS));
        assert_int_equal(lab->nodes[0].ended, GR_ESTOPPED); /* it finds itself fenced */
        lab_free(lab);
    }
}

static void c12_of_two_nodes_that_start_at_one_address_at_once_one_is_refused(void **state)
{
    uint64_t seed = 0;

    (void)state;
    for (seed = 1; seed <= 10; seed++) {
        member_lab *lab = cluster_of(seed, 1);

        lab->nodes[6].number = 5;
        lab_start(lab, 5);
        lab_start(lab, 6);
        assert_true(lab_run(lab, 2 * LAB_LEASE_MS));
        assert_true((lab->nodes[5].state == LAB_UP) != (lab->nodes[6].state == LAB_UP));
        assert_true((lab->nodes[5].ended == GR_EEXIST) != (lab->nodes[6].ended == GR_EEXIST));
        lab->nodes[6].number = 6;
        lab_free(lab);
    }
}

static void
c12_a_node_with_another_number_of_shards_is_refused_and_leaves_nothing_behind(void **state)
{
    member_lab *lab = cluster_of(9, 1);
    gri_view *view = NULL;

    (void)state;
    lab->nodes[1].shards = 64;
    lab_start(lab, 1);
    assert_true(lab_run(lab, 500));
    assert_int_equal(lab->nodes[1].state, LAB_OFF);
    assert_int_equal(lab->nodes[1].ended, GR_EMISMATCH);
    view = gri_membership_view(lab->nodes[0].membership);
    assert_int_equal(view->members_count, 1);
    gri_view_unref(view);
    lab_free(lab);
}

static void
c12_a_node_with_another_lease_is_refused_unless_all_others_have_been_stopped(void **state)
{
    member_lab *lab = cluster_of(14, 1);
    gri_view *view = NULL;

    (void)state;
    lab->nodes[1].lease_ms = LAB_LEASE_MS / 2;
    lab_start(lab, 1);
    assert_true(lab_run(lab, 500));
    assert_int_equal(lab->nodes[1].state, LAB_OFF);
    assert_int_equal(lab->nodes[1].ended, GR_EMISMATCH);
    lab_leave(lab, 0);
    assert_true(lab_run(lab, 500));
    assert_int_equal(lab->nodes[0].state, LAB_OFF);
    lab_start(lab, 1);
    assert_true(lab_run_until(lab, lab_balanced, 500));
    view = gri_membership_view(lab->nodes[1].membership);
    assert_int_equal(view->lease_ms, LAB_LEASE_MS / 2);
    gri_view_unref(view);
    lab_start(lab, 0);
    assert_true(lab_run(lab, 500));
    assert_int_equal(lab->nodes[0].ended, GR_EMISMATCH);
    lab_free(lab);
}

static void lost_answers_neither_fence_nor_lapse_a_node(void **state)
{
    member_lab *lab = cluster_of(14, 3);
    gr_memory_store_faults lossy = {
        .delay_max_ms = 20, .lose_request_per_10000 = 200, .lose_answer_per_10000 = 200};
    int i = 0;

    (void)state;
    for (i = 0; i < 3; i++) {
        lab_fault(lab, i, &lossy);
    }
    assert_true(lab_run(lab, 60000));
    for (i = 0; i < 3; i++) {
        assert_int_equal(lab->nodes[i].fenced, 0);
    }
    lab_free(lab);
}

static void whatever_allocation_fails_a_node_starts_or_says_so_and_leaves_nothing(void **state)
{
    uint64_t nth = 0;
    bool up = false;

    (void)state;
    for (nth = 1; !up; nth++) {
        member_lab *lab = cluster_of(11, 1);
        gri_view *view = NULL;
        uint64_t allocations = 0;

        lab_start(lab, 1);
        gri_mem_fail_nth(nth);
        assert_true(lab_run(lab, 300));
        allocations = gri_mem_count();
        gri_mem_fail_nth(0);
        /* The first is the lab's own: it never asks. */
        assert_true(nth == 1 || lab->nodes[1].state == LAB_UP || lab->nodes[1].ended == GR_ENOMEM);
        view = gri_membership_view(lab->nodes[0].membership);
        assert_int_equal(view->members_count, lab->nodes[1].state == LAB_UP ? 2 : 1);
        gri_view_unref(view);
        up = allocations < nth;
        assert_true(lab_run_until(lab, lab_all_served, FAIL_OVER_MS));
        lab_free(lab);
    }
    assert_true(nth > 50);
}

/* ---- chaos */

static void random_fault(member_lab *lab, int number)
{
    lab_node *node = &lab->nodes[number];
    gr_memory_store_faults faults = {.delay_max_ms = (int64_t)lab_random(lab, 300)};

    switch (lab_random(lab, 12)) {
    case 0:
        faults.unreachable = true;
        lab_fault(lab, number, &faults);
        break;
    case 1:
    case 2:
        faults.lose_request_per_10000 = (uint32_t)lab_random(lab, 5000);
        faults.lose_answer_per_10000 = (uint32_t)lab_random(lab, 5000);
        lab_fault(lab, number, &faults);
        break;
    case 3:
    case 4:
    case 5:
        lab_fault(lab, number, &faults);
        break;
    case 6:
    case 7:
        if (node->state != LAB_OFF) {
            lab_stall(lab, number, !node->stalled);
        }
        break;
    case 8:
        lab_clear(lab, number); /* as a crash, and nothing of it runs any more */
        break;
    case 9:
        if (node->state == LAB_UP && !node->stalled) {
            lab_leave(lab, number);
        }
        break;
    default:
        if (node->state == LAB_OFF) {
            node->drain_ms = (int64_t)lab_random(lab, 400);
            lab_start(lab, number);
        }
        break;
    }
}

/* All that was slow, silent or stalled goes on; what has crashed stays so, and a new node comes. */
static void end_faults(member_lab *lab, int nodes)
{
    gr_memory_store_faults none = {0};
    int i = 0;

    for (i = 0; i < nodes; i++) {
        lab_fault(lab, i, &none);
        if (lab->nodes[i].stalled) {
            lab_stall(lab, i, false);
        }
        lab->nodes[i].drain_ms = 20;
    }
    lab_start(lab, nodes);
}

static void chaos(uint64_t seed)
{
    member_lab *lab = lab_new(seed);
    int nodes = 2 + (int)(seed % 5);
    int64_t until = gr_stepped_now(lab->stepped) + CHAOS_MS;
    int64_t limit_ms = FAIL_OVER_MS;
    bool served = false;

    lab->restarting = true;
    while (!lab->broken && gr_stepped_now(lab->stepped) < until) {
        random_fault(lab, (int)lab_random(lab, (uint64_t)nodes));
        if (lab_random(lab, 100) == 0) {
            lab_save(lab);
        }
        if (lab_random(lab, 100) == 0) {
            lab_restore(lab);
            limit_ms = FAIL_OVER_MS + LAB_LEASE_MS;
        }
        if (lab_random(lab, 100) == 0) {
            if (lab_random(lab, 2) == 0) {
                ownership_note(lab->ownership, "the store is emptied");
                gr_memory_store_empty(lab->store);
            } else {
                lab_remove_view(lab);
            }
            limit_ms = FAIL_OVER_MS + LAB_LEASE_MS; /* it may have to be settled first */
        }
        (void)lab_run(lab, 20 + (int64_t)lab_random(lab, 600));
    }
    end_faults(lab, nodes);
    served = lab_run_until(lab, lab_all_served, limit_ms);
    if (lab->broken || !served) {
        ownership_print(lab->ownership);
        fail_msg("seed %" PRIu64 ": %s; replay: membership_test --seed %" PRIu64, seed,
                 lab->broken ? "two nodes acted for one shard" : "shards are not served", seed);
    }
    lab_free(lab);
}

static void never_do_two_nodes_act_for_one_shard_whatever_happens(void **state)
{
    uint64_t seed = 0;

    (void)state;
    for (seed = first_seed; seed < first_seed + seeds; seed++) {
        chaos(seed);
    }
}

static void r35_the_same_seed_gives_the_same_run(void **state)
{
    uint64_t ends[2] = {0};
    int i = 0;

    (void)state;
    for (i = 0; i < 2; i++) {
        member_lab *lab = cluster_of(77, 4);

        assert_true(lab_run(lab, 3000));
        ends[i] = gr_stepped_random(lab->stepped);
        lab_free(lab);
    }
    assert_int_equal(ends[0], ends[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_alone_acts_for_all_shards_once_the_view_is_settled),
        cmocka_unit_test(c07_joining_and_leaving_leaves_no_shard_unserved_for_longer_than_a_drain),
        cmocka_unit_test(
            c06_shards_of_a_crashed_node_are_served_elsewhere_within_a_lease_and_a_second),
        cmocka_unit_test(c06_neighbours_that_crash_together_are_noticed),
        cmocka_unit_test(
            c08_a_node_that_was_paused_for_longer_than_its_lease_learns_that_it_was_fenced),
        cmocka_unit_test(c08_a_pause_shorter_than_the_lease_costs_nothing),
        cmocka_unit_test(c09_a_node_cut_off_from_the_coordinator_stops_and_is_replaced),
        cmocka_unit_test(c10_a_coordinator_that_pauses_costs_a_pause_and_nobody_is_fenced),
        cmocka_unit_test(c10_when_the_whole_machine_was_asleep_nobody_is_fenced),
        cmocka_unit_test(c07_shards_that_could_not_be_given_are_served_again),
        cmocka_unit_test(
            c07_shards_whose_giving_was_not_answered_are_given_once_the_view_can_be_read),
        cmocka_unit_test(c10_an_emptied_coordinator_is_rebuilt),
        cmocka_unit_test(c10_a_view_older_than_one_that_was_known_confirms_no_lease),
        cmocka_unit_test(c10_a_view_that_takes_an_epoch_back_is_of_another_history),
        cmocka_unit_test(c10_a_view_rewritten_as_it_was_can_still_be_changed),
        cmocka_unit_test(c10_other_contents_under_a_version_that_was_known_are_another_history),
        cmocka_unit_test(c10_a_revision_that_is_used_again_is_not_taken_for_what_it_was),
        cmocka_unit_test(c10_a_node_that_slept_through_what_a_restore_undoes_does_not_go_on_by_it),
        cmocka_unit_test(leases_that_nobody_holds_and_no_view_tells_of_are_swept_away),
        cmocka_unit_test(
            c12_a_node_at_the_address_of_one_that_lives_is_refused_and_changes_nothing),
        cmocka_unit_test(c12_a_node_that_pauses_for_less_than_its_lease_keeps_its_address),
        cmocka_unit_test(c12_after_a_crash_an_address_is_free_when_the_lease_is_over),
        cmocka_unit_test(c12_of_two_nodes_that_start_at_one_address_at_once_one_is_refused),
        cmocka_unit_test(
            c12_a_node_with_another_number_of_shards_is_refused_and_leaves_nothing_behind),
        cmocka_unit_test(
            c12_a_node_with_another_lease_is_refused_unless_all_others_have_been_stopped),
        cmocka_unit_test(lost_answers_neither_fence_nor_lapse_a_node),
        cmocka_unit_test(whatever_allocation_fails_a_node_starts_or_says_so_and_leaves_nothing),
        cmocka_unit_test(r35_the_same_seed_gives_the_same_run),
        cmocka_unit_test(never_do_two_nodes_act_for_one_shard_whatever_happens),
    };

    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        first_seed = strtoull(argv[2], NULL, 10);
        seeds = 1;
    } else if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        seeds = strtoull(argv[2], NULL, 10);
    }
    print_message("seeds %" PRIu64 " to %" PRIu64 "\n", first_seed, first_seed + seeds - 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
