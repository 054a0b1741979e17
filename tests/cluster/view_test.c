/*
 * Views: the rules of ownership, the plan (balance, few moves, the same everywhere), and their
 * bytes. All pure, one thread. Random tests print their seed; `view_test --seed N` replays one.
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

#include "view_make.h"

enum { SHARDS = 256, LEASE_MS = 2000 };

#define TABLE "kind:bank.Account"

static uint64_t seed = 1;

static char account[] = "bank.Account";
static char cart[] = "shop.Cart";
static char oven[] = "kitchen.Oven";

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Hosts one kind, with a role when one is given. */
static gri_member member_of(uint64_t node, const char *role, uint32_t weight)
{
    static char *kinds[] = {account};
    static char *role_kinds[] = {oven};
    static char address[8][64];
    static unsigned turn;
    char *text = address[turn++ % 8];
    gri_member member = {.node = node,
                         .address = text,
                         .role = (char *)role,
                         .kinds = kinds,
                         .kinds_count = 1,
                         .role_kinds = role_kinds,
                         .role_kinds_count = role[0] != '\0',
                         .weight = weight};

    (void)snprintf(text, 64, "tcp://10.0.0.1:%" PRIu64, node);
    return member;
}

/* Replaces *view by what comes after the event; an event that changes nothing leaves it. */
static gr_err step(gri_view **view, const gri_view_event *event)
{
    gri_view *next = NULL;
    gr_err err = gri_view_next(*view, event, SHARDS, 77, &next);

    if (err == GR_OK && next != NULL) {
        gri_view_check(next);
        gri_view_unref(*view);
        *view = next;
    }
    return err;
}

static gr_err join(gri_view **view, uint64_t node, const char *role, uint32_t weight)
{
    gri_member member = member_of(node, role, weight);
    gri_view_event event = {
        .kind = GRI_VIEW_JOIN, .node = node, .member = &member, .lease_ms = LEASE_MS};

    return step(view, &event);
}

static gr_err node_event(gri_view **view, gri_view_event_kind kind, uint64_t node)
{
    gri_view_event event = {.kind = kind, .node = node};

    return step(view, &event);
}

static gri_view *founded_by(uint64_t node)
{
    gri_view *view = NULL;

    assert_int_equal(join(&view, node, "", 1), GR_OK);
    assert_int_equal(node_event(&view, GRI_VIEW_SETTLE, 0), GR_OK);
    return view;
}

static gr_err give(gri_view **view, uint64_t node, size_t at_most)
{
    gri_shard_ref given[SHARDS * 2];
    gri_view_event event = {.kind = GRI_VIEW_GIVE, .node = node, .given = given};
    gr_err err = gri_view_to_give(*view, node, given, at_most, &event.given_count);

    return err != GR_OK || event.given_count == 0 ? err : step(view, &event);
}

/* Every owner gives what it should, in batches, member by member in a random order. */
static void give_all(gri_view **view, uint64_t *state)
{
    uint64_t version = 0;

    do {
        size_t i = 0;

        version = (*view)->version;
        for (i = 0; i < (*view)->members_count; i++) {
            size_t pick = next_random(state) % (*view)->members_count;

            assert_int_equal(give(view, (*view)->members[pick].node, 1 + next_random(state) % 40),
                             GR_OK);
        }
        for (i = 0; i < (*view)->members_count; i++) {
            assert_int_equal(give(view, (*view)->members[i].node, 7), GR_OK);
        }
    } while (version != (*view)->version);
}

static size_t owners_that_differ(const gri_view *a, const gri_view *b, uint64_t except)
{
    size_t differ = 0;
    uint32_t shard = 0;

    for (shard = 0; shard < SHARDS; shard++) {
        uint64_t was = gri_view_shards(a, TABLE)[shard].owner;
        uint64_t is = gri_view_shards(b, TABLE)[shard].owner;

        differ += was != is && was != except && is != except;
    }
    return differ;
}

static void assert_balanced(const gri_view *view)
{
    uint64_t weights = 0;
    size_t i = 0;

    for (i = 0; i < view->members_count; i++) {
        weights += view->members[i].leaving ? 0 : view->members[i].weight;
    }
    for (i = 0; i < view->members_count; i++) {
        uint64_t owned = gri_view_owned(view, view->members[i].node);
        uint64_t fair = weights == 0 ? 0 : SHARDS * (uint64_t)view->members[i].weight / weights;

        if (view->members[i].leaving) {
            assert_int_equal(owned, 0);
        } else {
            assert_true(owned == fair || owned == fair + 1);
        }
    }
}

static void in_a_view_that_was_just_founded_nobody_owns_anything_until_it_is_settled(void **state)
{
    gri_view *view = NULL;

    (void)state;
    assert_int_equal(join(&view, 5, "", 1), GR_OK);
    assert_false(view->settled);
    assert_int_equal(view->version, 1);
    assert_int_equal(view->founded, 77);
    assert_int_equal(join(&view, 6, "cook", 1), GR_OK);
    assert_int_equal(gri_view_owned(view, 5) + gri_view_owned(view, 6), 0);
    assert_int_equal(node_event(&view, GRI_VIEW_FENCED, 6), GR_OK);
    assert_int_equal(gri_view_owned(view, 5), 0);
    assert_int_equal(node_event(&view, GRI_VIEW_SETTLE, 0), GR_OK);
    assert_int_equal(gri_view_owned(view, 5), SHARDS);
    assert_int_equal(gri_view_shards(view, "role:cook")[0].owner, 0);
    gri_view_unref(view);
}

static void a_joiner_gets_no_shards_until_their_owners_give_them(void **state)
{
    gri_view *view = founded_by(5);
    uint64_t random = seed;

    (void)state;
    assert_true(gri_view_at_rest(view));
    assert_int_equal(join(&view, 6, "", 1), GR_OK);
    assert_int_equal(gri_view_owned(view, 6), 0);
    assert_false(gri_view_at_rest(view));
    give_all(&view, &random);
    assert_true(gri_view_at_rest(view));
    assert_int_equal(gri_view_owned(view, 5), SHARDS / 2);
    assert_int_equal(gri_view_owned(view, 6), SHARDS / 2);
    gri_view_unref(view);
}

static void the_first_host_gets_the_shards_that_nobody_owns_at_once(void **state)
{
    gri_view *view = founded_by(5);

    (void)state;
    assert_null(gri_view_shards(view, "role:cook"));
    assert_int_equal(join(&view, 6, "cook", 1), GR_OK);
    assert_int_equal(gri_view_shards(view, "role:cook")[9].owner, 6);
    assert_int_equal(gri_view_shards(view, TABLE)[9].owner, 5);
    gri_view_unref(view);
}

static void only_members_that_host_a_kind_own_its_shards(void **state)
{
    gri_view *view = founded_by(5);
    gri_member other = member_of(6, "", 1);
    gri_view_event event = {
        .kind = GRI_VIEW_JOIN, .node = 6, .member = &other, .lease_ms = LEASE_MS};
    static char *kinds[] = {cart};
    uint64_t random = seed;

    (void)state;
    other.kinds = kinds;
    assert_int_equal(step(&view, &event), GR_OK);
    assert_int_equal(join(&view, 7, "", 1), GR_OK);
    give_all(&view, &random);
    assert_int_equal(gri_view_shards(view, "kind:shop.Cart")[0].owner, 6);
    assert_int_equal(gri_view_owned(view, 6), SHARDS);
    assert_int_equal(gri_view_owned(view, 5), SHARDS / 2);
    assert_int_equal(node_event(&view, GRI_VIEW_FENCED, 6), GR_OK);
    assert_int_equal(gri_view_shards(view, "kind:shop.Cart")[0].owner, 0);
    gri_view_unref(view);
}

static void only_its_owner_gives_a_shard_away(void **state)
{
    gri_view *view = founded_by(5);
    gri_shard_ref shard = {TABLE, 3, gri_view_shards(view, TABLE)[3].epoch};
    gri_view_event event = {.kind = GRI_VIEW_GIVE, .node = 6, .given = &shard, .given_count = 1};

    (void)state;
    assert_int_equal(join(&view, 6, "", 1), GR_OK);
    assert_int_equal(step(&view, &event), GR_EINVAL);
    event.node = 5;
    shard.epoch++; /* that is another tenure than the one that was drained */
    assert_int_equal(step(&view, &event), GR_EINVAL);
    shard = (gri_shard_ref){"nobody's", 3, 1};
    assert_int_equal(step(&view, &event), GR_EINVAL);
    shard = (gri_shard_ref){TABLE, SHARDS, 1};
    assert_int_equal(step(&view, &event), GR_EINVAL);
    gri_view_unref(view);
}

static void a_shard_that_should_stay_is_not_given(void **state)
{
    gri_view *view = founded_by(5);
    gri_shard_ref shard = {TABLE, 3, gri_view_shards(view, TABLE)[3].epoch};
    gri_view_event event = {.kind = GRI_VIEW_GIVE, .node = 5, .given = &shard, .given_count = 1};
    gri_view *next = view;

    (void)state;
    assert_int_equal(gri_view_next(view, &event, SHARDS, 0, &next), GR_OK);
    assert_null(next);
    gri_view_unref(view);
}

static void shards_of_a_member_that_goes_get_owners_in_the_same_step(void **state)
{
    gri_view *view = founded_by(5);
    uint64_t random = seed;

    (void)state;
    assert_int_equal(join(&view, 6, "", 1), GR_OK);
    assert_int_equal(join(&view, 7, "", 1), GR_OK);
    give_all(&view, &random);
    assert_int_equal(node_event(&view, GRI_VIEW_FENCED, 6), GR_OK);
    assert_int_equal(gri_view_owned(view, 5) + gri_view_owned(view, 7), SHARDS);
    assert_int_equal(node_event(&view, GRI_VIEW_LEAVE, 7), GR_OK);
    assert_int_equal(gri_view_owned(view, 5), SHARDS);
    assert_int_equal(node_event(&view, GRI_VIEW_LEAVE, 7), GR_ENOTFOUND);
    assert_int_equal(join(&view, 7, "", 1), GR_EREFUSED); /* an id is used once */
    gri_view_unref(view);
}

static void epochs_rise_with_every_owner_and_to_the_wall_clock_at_least(void **state)
{
    gri_view *view = founded_by(5);
    gri_view_event event = {.kind = GRI_VIEW_FENCED, .node = 5, .wall_ms = 1000000};
    uint64_t before = gri_view_shards(view, TABLE)[0].epoch;

    (void)state;
    assert_true(before > 0);
    assert_int_equal(join(&view, 6, "", 1), GR_OK);
    assert_int_equal(gri_view_shards(view, TABLE)[0].epoch, before);
    assert_int_equal(step(&view, &event), GR_OK);
    assert_true(gri_view_shards(view, TABLE)[0].epoch >= 1000000);
    before = gri_view_shards(view, TABLE)[0].epoch;
    event = (gri_view_event){.kind = GRI_VIEW_LEAVE, .node = 6, .wall_ms = 10}; /* set back */
    assert_int_equal(step(&view, &event), GR_OK);
    assert_int_equal(view->members_count, 0);
    assert_int_equal(join(&view, 7, "", 1), GR_OK);
    assert_int_equal(gri_view_shards(view, TABLE)[0].owner, 7);
    assert_true(gri_view_shards(view, TABLE)[0].epoch > before);
    gri_view_unref(view);
}

static void who_leaves_should_own_nothing_and_gives_to_nobody_only_when_alone(void **state)
{
    gri_view *view = founded_by(5);

    (void)state;
    assert_int_equal(join(&view, 6, "", 3), GR_OK);
    assert_int_equal(node_event(&view, GRI_VIEW_LEAVING, 5), GR_OK);
    assert_int_equal(give(&view, 5, SHARDS), GR_OK);
    assert_int_equal(gri_view_owned(view, 6), SHARDS);
    assert_int_equal(node_event(&view, GRI_VIEW_LEAVE, 5), GR_OK);
    assert_int_equal(node_event(&view, GRI_VIEW_LEAVING, 6), GR_OK);
    assert_int_equal(give(&view, 6, SHARDS), GR_OK);
    assert_int_equal(gri_view_owned(view, 6), 0);
    gri_view_unref(view);
}

static void c12_two_members_never_have_one_address(void **state)
{
    gri_view *view = founded_by(5);
    gri_member younger = member_of(5, "", 1); /* the address of node 5 */
    gri_view_event event = {
        .kind = GRI_VIEW_JOIN, .node = 6, .member = &younger, .lease_ms = LEASE_MS};
    gri_view *next = NULL;

    (void)state;
    younger.node = 6;
    assert_int_equal(gri_view_next(view, &event, SHARDS, 0, &next), GR_EBUSY);
    assert_non_null(strstr(gr_last_error()->text, younger.address));
    assert_false(gri_view_member(view, 5)->leaving);
    assert_int_equal(node_event(&view, GRI_VIEW_FENCED, 5), GR_OK);
    assert_int_equal(step(&view, &event), GR_OK);
    assert_int_equal(gri_view_owned(view, 6), SHARDS);
    gri_view_unref(view);
}

static void c12_another_number_of_shards_is_refused_with_both_numbers(void **state)
{
    gri_view *view = founded_by(5);
    gri_member member = member_of(6, "", 1);
    gri_view_event event = {
        .kind = GRI_VIEW_JOIN, .node = 6, .member = &member, .lease_ms = LEASE_MS};
    gri_view *next = NULL;

    (void)state;
    assert_int_equal(gri_view_next(view, &event, 128, 0, &next), GR_EMISMATCH);
    assert_non_null(strstr(gr_last_error()->text, "256"));
    assert_non_null(strstr(gr_last_error()->text, "128"));
    view->protocol = 9;
    assert_int_equal(gri_view_next(view, &event, SHARDS, 0, &next), GR_EMISMATCH);
    assert_non_null(strstr(gr_last_error()->text, "protocol 9"));
    gri_view_unref(view);
}

static void c12_another_lease_is_refused_with_both_numbers_while_there_are_members(void **state)
{
    gri_view *view = founded_by(5);
    gri_member member = member_of(6, "", 1);
    gri_view_event event = {
        .kind = GRI_VIEW_JOIN, .node = 6, .member = &member, .lease_ms = 2 * LEASE_MS};

    (void)state;
    assert_int_equal(step(&view, &event), GR_EMISMATCH);
    assert_non_null(strstr(gr_last_error()->text, "2000"));
    assert_non_null(strstr(gr_last_error()->text, "4000"));
    assert_int_equal(step(&view, &(gri_view_event){.kind = GRI_VIEW_LEAVE, .node = 5}), GR_OK);
    assert_int_equal(step(&view, &event), GR_OK);
    assert_int_equal(view->lease_ms, 2 * LEASE_MS);
    view->settled = false; /* whoever settles it waits for leases as long as those that are lost */
    assert_int_equal(gri_view_admits(view, SHARDS, LEASE_MS), GR_EMISMATCH);
    gri_view_unref(view);
}

static void c21_a_hundred_nodes_join_and_leave_and_no_more_moves_than_must(void **state)
{
    uint64_t random = seed;
    gri_view *view = founded_by(1);
    gri_view *before = NULL;
    uint64_t node = 1;
    int round = 0;

    (void)state;
    for (round = 0; round < 300; round++) {
        bool grow = view->members_count < 2 || (round < 130) == (next_random(&random) % 8 != 0);
        uint64_t changed = 0;

        before = gri_view_ref(view);
        if (grow) {
            changed = (++node * 0x9e3779b97f4a7c15u) | 1;
            assert_int_equal(join(&view, changed, "", 1), GR_OK);
        } else {
            changed = view->members[next_random(&random) % view->members_count].node;
            assert_int_equal(node_event(&view, GRI_VIEW_FENCED, changed), GR_OK);
        }
        give_all(&view, &random);
        assert_balanced(view);
        assert_int_equal(owners_that_differ(before, view, changed), 0);
        gri_view_unref(before);
    }
    gri_view_unref(view);
}

static void c21_shares_follow_weights(void **state)
{
    uint64_t random = seed;
    gri_view *view = founded_by(1);
    uint64_t node = 1;

    (void)state;
    for (node = 2; node < 40; node++) {
        assert_int_equal(join(&view, node, "", (uint32_t)(1 + next_random(&random) % 9)), GR_OK);
        give_all(&view, &random);
        assert_balanced(view);
    }
    for (node = 2; node < 40; node += 2) {
        assert_int_equal(
            node_event(&view, node % 4 == 0 ? GRI_VIEW_LEAVING : GRI_VIEW_FENCED, node), GR_OK);
        give_all(&view, &random);
        assert_balanced(view);
    }
    gri_view_unref(view);
}

static int by_shard(const void *left, const void *right)
{
    const gri_shard_ref *a = left;
    const gri_shard_ref *b = right;

    return (a->shard > b->shard) - (a->shard < b->shard);
}

static void carrying_out_a_part_of_a_plan_leaves_the_rest_as_it_was(void **state)
{
    uint64_t random = seed;
    gri_view *view = founded_by(1);
    gri_shard_ref planned[SHARDS];
    size_t planned_count = 0;
    size_t done = 0;

    (void)state;
    assert_int_equal(join(&view, 2, "", 1), GR_OK);
    give_all(&view, &random);
    assert_int_equal(join(&view, 3, "", 2), GR_OK);
    assert_int_equal(gri_view_to_give(view, 1, planned, SHARDS, &planned_count), GR_OK);
    for (done = 0; done < planned_count; done++) {
        gri_shard_ref now[SHARDS];
        size_t now_count = 0;
        size_t pick = done + next_random(&random) % (planned_count - done);
        gri_shard_ref given = planned[pick];
        gri_view_event event = {
            .kind = GRI_VIEW_GIVE, .node = 1, .given = &given, .given_count = 1};

        qsort(planned + done, planned_count - done, sizeof(planned[0]), by_shard);
        assert_int_equal(gri_view_to_give(view, 1, now, SHARDS, &now_count), GR_OK);
        assert_int_equal(now_count, planned_count - done);
        for (pick = 0; pick < now_count; pick++) {
            assert_int_equal(now[pick].shard, planned[done + pick].shard);
        }
        for (pick = done; planned[pick].shard != given.shard; pick++) {
        }
        planned[pick] = planned[done];
        planned[done] = given;
        given.table = TABLE; /* the view that lent the name goes */
        for (pick = done + 1; pick < planned_count; pick++) {
            planned[pick].table = TABLE;
        }
        assert_int_equal(step(&view, &event), GR_OK);
        assert_int_equal(give(&view, 2, next_random(&random) % 2), GR_OK);
    }
    gri_view_unref(view);
}

/* The values were computed by another implementation of XXH64 and of the plan, in Python. */
static void c22_placement_is_the_same_on_every_platform(void **state)
{
    static const char owners[] = "abbabaababaaaaab";
    const uint64_t a = 0x0123456789abcdefu;
    const uint64_t b = 0xfedcba9876543210u;
    gri_view *view = founded_by(1);
    gr_kind_info kind = {.name = "bank.Account"};
    char name[GRI_VIEW_TABLE_BYTES];
    uint64_t random = 7;
    uint32_t shard = 0;

    (void)state;
    assert_int_equal(join(&view, a, "", 1), GR_OK);
    assert_int_equal(join(&view, b, "", 2), GR_OK);
    assert_int_equal(node_event(&view, GRI_VIEW_FENCED, 1), GR_OK);
    give_all(&view, &random);
    for (shard = 0; shard < 16; shard++) {
        assert_int_equal(gri_view_shards(view, TABLE)[shard].owner, owners[shard] == 'a' ? a : b);
    }
    assert_string_equal(gri_view_table(&kind, name), TABLE);
    kind.role = "cook";
    assert_string_equal(gri_view_table(&kind, name), "role:cook");
    assert_int_equal(gri_grain_hash(&kind, "alice"), 0x4b4ed8524182875du);
    assert_int_equal(gri_grain_hash(&kind, "z\xc3\xbcrich/7"), 0xa708cbb07a563903u);
    assert_int_equal(gri_view_shard(view, &kind, "alice"), 0x5d);
    gri_view_unref(view);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_view_that_was_just_founded_nobody_owns_anything_until_it_is_settled),
        cmocka_unit_test(a_joiner_gets_no_shards_until_their_owners_give_them),
        cmocka_unit_test(the_first_host_gets_the_shards_that_nobody_owns_at_once),
        cmocka_unit_test(only_members_that_host_a_kind_own_its_shards),
        cmocka_unit_test(only_its_owner_gives_a_shard_away),
        cmocka_unit_test(a_shard_that_should_stay_is_not_given),
        cmocka_unit_test(shards_of_a_member_that_goes_get_owners_in_the_same_step),
        cmocka_unit_test(epochs_rise_with_every_owner_and_to_the_wall_clock_at_least),
        cmocka_unit_test(who_leaves_should_own_nothing_and_gives_to_nobody_only_when_alone),
        cmocka_unit_test(c12_two_members_never_have_one_address),
        cmocka_unit_test(c12_another_number_of_shards_is_refused_with_both_numbers),
        cmocka_unit_test(c12_another_lease_is_refused_with_both_numbers_while_there_are_members),
        cmocka_unit_test(c21_a_hundred_nodes_join_and_leave_and_no_more_moves_than_must),
        cmocka_unit_test(c21_shares_follow_weights),
        cmocka_unit_test(carrying_out_a_part_of_a_plan_leaves_the_rest_as_it_was),
        cmocka_unit_test(c22_placement_is_the_same_on_every_platform),
    };

    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        seed = strtoull(argv[2], NULL, 10);
    }
    print_message("seed %" PRIu64 "\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
