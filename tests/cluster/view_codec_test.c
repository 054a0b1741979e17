/*
 * Views as bytes: what goes in comes out, and nothing that comes from outside is believed. Random tests
 * print their seed; `view_codec_test --seed N` replays one.
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

#include <gri/mem.h>

#include "view.h"

enum { SHARDS = 256, LEASE_MS = 2000 };

static uint64_t seed = 1;

static char account[] = "bank.Account";
static char cart[] = "shop.Cart";
static char oven[] = "kitchen.Oven";
static char *kinds[] = {account, cart};
static char *role_kinds[] = {oven};
static char no_role[] = "";
static char role[] = "cook";
static char address[] = "tcp://10.0.0.1:5";
static char other_address[] = "tcp://10.0.0.1:9";
static char third_address[] = "tcp://10.0.0.1:3";

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static gri_view *after(gri_view *take_view, const gri_view_event *event)
{
    gri_view *next = NULL;

    assert_int_equal(gri_view_next(take_view, event, SHARDS, 77, &next), GR_OK);
    assert_non_null(next);
    gri_view_unref(take_view);
    return next;
}

/* Members with and without roles, one that leaves, one that has gone, shards of several epochs. */
static gri_view *a_rich_view(void)
{
    gri_member first = {.node = 5,
                        .address = address,
                        .role = no_role,
                        .kinds = kinds,
                        .kinds_count = 1,
                        .weight = 1};
    gri_member second = {.node = 9,
                         .address = other_address,
                         .role = role,
                         .kinds = kinds,
                         .kinds_count = 2,
                         .role_kinds = role_kinds,
                         .role_kinds_count = 1,
                         .weight = 4};
    gri_member third = first;
    gri_shard_ref given[SHARDS];
    gri_view_event event = {
        .kind = GRI_VIEW_JOIN, .node = 5, .member = &first, .lease_ms = LEASE_MS};
    gri_view *view = after(NULL, &event);

    third.node = 3;
    third.address = third_address;
    view = after(view, &(gri_view_event){.kind = GRI_VIEW_SETTLE, .wall_ms = 1000});
    view = after(view, &(gri_view_event){.kind = GRI_VIEW_JOIN,
                                         .member = &second,
                                         .wall_ms = 1760000000000,
                                         .lease_ms = LEASE_MS});
    view = after(view,
                 &(gri_view_event){.kind = GRI_VIEW_JOIN, .member = &third, .lease_ms = LEASE_MS});
    view = after(view, &(gri_view_event){.kind = GRI_VIEW_FENCED, .node = 3});
    event = (gri_view_event){.kind = GRI_VIEW_GIVE, .node = 5, .given = given, .wall_ms = 2000};
    assert_int_equal(gri_view_to_give(view, 5, given, 40, &event.given_count), GR_OK);
    view = after(view, &event);
    return after(view, &(gri_view_event){.kind = GRI_VIEW_LEAVING, .node = 5});
}

static void a_view_survives_its_bytes(void **state)
{
    gri_view *view = a_rich_view();
    gri_view *back = NULL;
    uint8_t *bytes = NULL;
    uint8_t *again = NULL;
    size_t count = 0;
    size_t again_count = 0;

    (void)state;
    assert_int_equal(gri_view_pack(view, &bytes, &count), GR_OK);
    assert_int_equal(gri_view_unpack(bytes, count, &back), GR_OK);
    assert_int_equal(back->version, view->version);
    assert_int_equal(back->lease_ms, LEASE_MS);
    assert_true(gri_view_hosts(back, 9, "shop.Cart"));
    assert_false(gri_view_hosts(back, 5, "shop.Cart"));
    assert_true(gri_view_member(back, 5)->leaving);
    assert_int_equal(back->departed_count, 1);
    assert_int_equal(gri_view_pack(back, &again, &again_count), GR_OK);
    assert_int_equal(again_count, count);
    assert_memory_equal(again, bytes, count);
    gri_free(bytes);
    gri_free(again);
    gri_view_unref(view);
    gri_view_unref(back);
}

static void bytes_that_are_no_view_are_refused_and_never_believed(void **state)
{
    gri_view *view = a_rich_view();
    uint64_t random = seed;
    uint8_t *bytes = NULL;
    size_t count = 0;
    int round = 0;

    (void)state;
    assert_int_equal(gri_view_pack(view, &bytes, &count), GR_OK);
    for (round = 0; round < 20000; round++) {
        gri_view *back = NULL;
        size_t at = next_random(&random) % (round % 2 == 0 ? count : 100);
        uint8_t was = bytes[at];
        size_t cut = round % 4 == 3 ? next_random(&random) % count : count;

        bytes[at] = (uint8_t)next_random(&random);
        if (gri_view_unpack(bytes, cut, &back) == GR_OK) {
            gri_view_check(back);
            gri_view_unref(back);
        }
        bytes[at] = was;
    }
    gri_free(bytes);
    gri_view_unref(view);
}

static void whatever_allocation_fails_the_view_is_as_before(void **state)
{
    gri_view *view = a_rich_view();
    gri_member member = {.node = 11,
                         .address = third_address,
                         .role = role,
                         .kinds = kinds,
                         .kinds_count = 2,
                         .weight = 1};
    gri_view_event event = {.kind = GRI_VIEW_JOIN, .member = &member, .lease_ms = LEASE_MS};
    uint64_t nth = 0;
    gr_err err = GR_ENOMEM;

    (void)state;
    for (nth = 1; err != GR_OK; nth++) {
        gri_view *next = NULL;
        gri_view *back = NULL;
        uint8_t *bytes = NULL;
        size_t count = 0;

        gri_mem_fail_nth(nth);
        err = gri_view_next(view, &event, SHARDS, 0, &next);
        if (err == GR_OK) {
            err = gri_view_pack(next, &bytes, &count);
        }
        if (err == GR_OK) {
            err = gri_view_unpack(bytes, count, &back);
        }
        gri_mem_fail_nth(0);
        assert_true(err == GR_OK || err == GR_ENOMEM);
        gri_view_check(view);
        gri_free(bytes);
        gri_view_unref(next);
        gri_view_unref(back);
    }
    assert_true(nth > 20);
    gri_view_unref(view);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_survives_its_bytes),
        cmocka_unit_test(bytes_that_are_no_view_are_refused_and_never_believed),
        cmocka_unit_test(whatever_allocation_fails_the_view_is_as_before),
    };

    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        seed = strtoull(argv[2], NULL, 10);
    }
    print_message("seed %" PRIu64 "\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
