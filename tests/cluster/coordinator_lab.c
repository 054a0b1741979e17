/*
 * The tests that every coordinator passes: see the header. Written against the table of operations
 * only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator_lab.h"

#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 5000, WATCH_MS = 20000 };

gr_coordinator *lab_open(coordinator_lab *lab)
{
    gr_coordinator *c = NULL;
    gr_err err = lab->ops->open(lab->sys, lab->cluster, lab->where, lab->arg, &c);

    if (err != GR_OK) {
        fail_msg("open: %s", gr_last_error()->text);
    }
    return c;
}

outcome lab_await(gr_err starting, gr_future *take_future)
{
    outcome out = {.err = starting};
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;

    if (out.err == GR_OK) {
        out.err = gr_await(take_future, 30000, &msg);
        gr_future_unref(take_future);
    }
    if (out.err == GR_OK) {
        answer = gr_msg_read(msg, &gr_coordinator_answer_type);
        assert_non_null(answer);
        out.revision = answer->revision;
        out.value_bytes = answer->value_bytes;
        out.value = calloc(1, answer->value_bytes + 1);
        if (answer->value_bytes > 0) {
            memcpy(out.value, answer->value, answer->value_bytes);
        }
        gr_msg_unref(msg);
    }
    return out;
}

outcome lab_read(coordinator_lab *lab, gr_coordinator *c, const char *key)
{
    gr_future *future = NULL;
    gr_err err = lab->ops->read(c, key, TIMEOUT_MS, &future);

    return lab_await(err, future);
}

outcome lab_set(coordinator_lab *lab, gr_coordinator *c, const char *key, uint64_t revision,
                const char *value)
{
    gr_future *future = NULL;
    gr_err err = lab->ops->compare_and_set(c, key, revision, (const uint8_t *)value, strlen(value),
                                           TIMEOUT_MS, &future);
    outcome out = lab_await(err, future);

    free(out.value);
    out.value = NULL;
    return out;
}

outcome lab_remove(coordinator_lab *lab, gr_coordinator *c, const char *key, uint64_t revision)
{
    gr_future *future = NULL;
    gr_err err = lab->ops->remove(c, key, revision, TIMEOUT_MS, &future);
    outcome out = lab_await(err, future);

    free(out.value);
    out.value = NULL;
    return out;
}

static gr_future *watch(coordinator_lab *lab, gr_coordinator *c, uint64_t revision, int64_t ms)
{
    gr_future *future = NULL;

    assert_int_equal(lab->ops->watch(c, "view", revision, ms, &future), GR_OK);
    return future;
}

int lab_next_cluster(void **state)
{
    coordinator_lab *lab = *state;

    (void)snprintf(lab->cluster, sizeof(lab->cluster), "test %u", ++lab->clusters);
    return 0;
}

static void assert_key(coordinator_lab *lab, gr_coordinator *c, const char *key, uint64_t revision,
                       const char *value)
{
    outcome out = lab_read(lab, c, key);

    assert_int_equal(out.err, GR_OK);
    assert_int_equal(out.revision, revision);
    assert_string_equal(out.value, value);
    free(out.value);
}

void a_key_that_is_not_there_has_revision_0_and_no_value(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);

    assert_key(lab, c, "view", 0, "");
    lab->ops->free(c);
}

void a_key_is_set_only_at_the_revision_that_is_expected(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    outcome first = lab_set(lab, c, "view", 0, "one");
    outcome second = {0};

    assert_int_equal(first.err, GR_OK);
    assert_true(first.revision > 0);
    assert_int_equal(lab_set(lab, c, "view", 0, "again").err, GR_ECONFLICT);
    assert_int_equal(lab_set(lab, c, "view", first.revision + 1000, "x").err, GR_ECONFLICT);
    assert_key(lab, c, "view", first.revision, "one");
    second = lab_set(lab, c, "view", first.revision, "two");
    assert_int_equal(second.err, GR_OK);
    assert_true(second.revision > first.revision);
    assert_int_equal(lab_set(lab, c, "view", first.revision, "old").err, GR_ECONFLICT);
    assert_key(lab, c, "view", second.revision, "two");
    lab->ops->free(c);
}

void values_are_any_bytes_up_to_the_limit(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 255, 256, 65537, GR_COORDINATOR_VALUE_BYTES_MAX};
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    uint8_t *value = malloc(GR_COORDINATOR_VALUE_BYTES_MAX);
    uint64_t revision = 0;
    size_t i = 0;

    for (i = 0; i < GR_COORDINATOR_VALUE_BYTES_MAX; i++) {
        value[i] = (uint8_t)(i * 167 + (i >> 8));
    }
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        gr_future *future = NULL;
        gr_err err = lab->ops->compare_and_set(c, "lease/0123456789abcdef", revision, value,
                                               sizes[i], TIMEOUT_MS, &future);
        outcome out = lab_await(err, future);

        assert_int_equal(out.err, GR_OK);
        revision = out.revision;
        free(out.value);
        out = lab_read(lab, c, "lease/0123456789abcdef");
        assert_int_equal(out.revision, revision);
        assert_int_equal(out.value_bytes, sizes[i]);
        assert_memory_equal(out.value, value, sizes[i]);
        free(out.value);
    }
    free(value);
    lab->ops->free(c);
}

void what_no_coordinator_takes_is_refused_at_once(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    uint8_t *value = calloc(1, GR_COORDINATOR_VALUE_BYTES_MAX + 1);
    char key[GR_COORDINATOR_KEY_BYTES_MAX + 2];
    gr_future *future = NULL;

    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(lab->ops->read(c, "", TIMEOUT_MS, &future), GR_EINVAL);
    assert_int_equal(lab->ops->read(c, key, TIMEOUT_MS, &future), GR_EINVAL);
    assert_int_equal(lab->ops->read(c, "view", -1, &future), GR_EINVAL);
    assert_int_equal(lab->ops->compare_and_set(c, "view", 0, value,
                                               GR_COORDINATOR_VALUE_BYTES_MAX + 1, TIMEOUT_MS,
                                               &future),
                     GR_ETOOBIG);
    free(value);
    lab->ops->free(c);
}

void a_key_is_removed_only_at_its_revision_and_comes_back_at_another(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    uint64_t first = lab_set(lab, c, "view", 0, "one").revision;
    uint64_t second = lab_set(lab, c, "view", first, "two").revision;
    outcome back = {0};

    assert_int_equal(lab_remove(lab, c, "view", first).err, GR_ECONFLICT);
    assert_key(lab, c, "view", second, "two");
    assert_int_equal(lab_remove(lab, c, "view", second).err, GR_OK);
    assert_key(lab, c, "view", 0, "");
    /* Whoever was paused since then cannot go on from where it was. */
    assert_int_equal(lab_set(lab, c, "view", second, "late").err, GR_ECONFLICT);
    back = lab_set(lab, c, "view", 0, "three");
    assert_int_equal(back.err, GR_OK);
    assert_true(back.revision > second);
    lab->ops->free(c);
}

void a_watch_answers_at_once_when_the_revision_is_another(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    uint64_t first = lab_set(lab, c, "view", 0, "one").revision;
    uint64_t second = lab_set(lab, c, "view", first, "two").revision;
    outcome out = lab_await(GR_OK, watch(lab, c, first, WATCH_MS));

    assert_int_equal(out.revision, second);
    assert_string_equal(out.value, "two");
    free(out.value);
    out = lab_await(GR_OK, watch(lab, c, 0, WATCH_MS));
    assert_int_equal(out.revision, second);
    free(out.value);
    lab->ops->free(c);
}

/* Watches may answer early: then one watches on, as everybody has to. */
static outcome watch_until(coordinator_lab *lab, gr_coordinator *c, gr_future *first,
                           uint64_t revision)
{
    outcome out = lab_await(GR_OK, first);

    while (out.err == GR_OK && out.revision == revision) {
        free(out.value);
        out = lab_await(GR_OK, watch(lab, c, revision, WATCH_MS));
    }
    return out;
}

void a_watch_sees_a_key_created_changed_and_removed_by_another_process(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *watcher = lab_open(lab);
    gr_coordinator *writer = lab_open(lab);
    gr_future *future = watch(lab, watcher, 0, WATCH_MS);
    uint64_t revision = lab_set(lab, writer, "view", 0, "one").revision;
    outcome out = watch_until(lab, watcher, future, 0);

    assert_int_equal(out.revision, revision);
    assert_string_equal(out.value, "one");
    free(out.value);
    future = watch(lab, watcher, revision, WATCH_MS);
    assert_int_equal(lab_set(lab, writer, "other", 0, "noise").err, GR_OK);
    revision = lab_set(lab, writer, "view", revision, "two").revision;
    out = watch_until(lab, watcher, future, out.revision);
    assert_int_equal(out.revision, revision);
    free(out.value);
    future = watch(lab, watcher, revision, WATCH_MS);
    assert_int_equal(lab_remove(lab, writer, "view", revision).err, GR_OK);
    out = watch_until(lab, watcher, future, revision);
    assert_int_equal(out.err, GR_OK);
    assert_int_equal(out.revision, 0);
    free(out.value);
    lab->ops->free(watcher);
    lab->ops->free(writer);
}

void a_watch_ends_with_what_there_is_when_its_time_is_up(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    outcome out = lab_await(GR_OK, watch(lab, c, 0, 200));
    uint64_t revision = 0;

    assert_int_equal(out.err, GR_OK);
    assert_int_equal(out.revision, 0);
    free(out.value);
    revision = lab_set(lab, c, "view", 0, "one").revision;
    out = lab_await(GR_OK, watch(lab, c, revision, 200));
    assert_int_equal(out.err, GR_OK);
    assert_int_equal(out.revision, revision);
    assert_string_equal(out.value, "one");
    free(out.value);
    lab->ops->free(c);
}

void of_many_who_set_a_key_at_one_revision_one_wins(void **state)
{
    enum { HANDLES = 3, TRIES = 4, ROUNDS = 20 };
    coordinator_lab *lab = *state;
    gr_coordinator *c[HANDLES];
    uint64_t revision = 0;
    int round = 0;
    int i = 0;

    for (i = 0; i < HANDLES; i++) {
        c[i] = lab_open(lab);
    }
    for (round = 0; round < ROUNDS; round++) {
        gr_future *futures[HANDLES * TRIES] = {NULL};
        uint64_t won = 0;
        int winners = 0;
        uint8_t value = (uint8_t)round;

        for (i = 0; i < HANDLES * TRIES; i++) {
            assert_int_equal(lab->ops->compare_and_set(c[i % HANDLES], "view", revision, &value, 1,
                                                       TIMEOUT_MS, &futures[i]),
                             GR_OK);
        }
        for (i = 0; i < HANDLES * TRIES; i++) {
            outcome out = lab_await(GR_OK, futures[i]);

            assert_true(out.err == GR_OK || out.err == GR_ECONFLICT);
            winners += out.err == GR_OK;
            won = out.err == GR_OK ? out.revision : won;
            free(out.value);
        }
        assert_int_equal(winners, 1);
        assert_true(won > revision);
        revision = won;
    }
    for (i = 0; i < HANDLES; i++) {
        lab->ops->free(c[i]);
    }
}

void clusters_do_not_see_each_other(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *one = lab_open(lab);
    gr_coordinator *other = NULL;

    (void)lab_next_cluster(state);
    other = lab_open(lab);
    assert_int_equal(lab_set(lab, one, "view", 0, "one").err, GR_OK);
    assert_key(lab, other, "view", 0, "");
    assert_int_equal(lab_set(lab, other, "view", 0, "two").err, GR_OK);
    lab->ops->free(one);
    lab->ops->free(other);
}

void closing_ends_what_is_under_way_at_once(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    int64_t began = gr_system_now(lab->sys);
    gr_future *one = watch(lab, c, 0, 60000);
    gr_future *two = watch(lab, c, 0, 60000);

    assert_key(lab, c, "view", 0, "");
    lab->ops->free(c);
    assert_int_equal(lab_await(GR_OK, one).err, GR_ESTOPPED);
    assert_int_equal(lab_await(GR_OK, two).err, GR_ESTOPPED);
    assert_true(gr_system_now(lab->sys) - began < 10000);
}

static outcome list(coordinator_lab *lab, gr_coordinator *c, const char *prefix)
{
    gr_future *future = NULL;
    gr_err err = lab->ops->list(c, prefix, TIMEOUT_MS, &future);

    return lab_await(err, future);
}

void keys_are_listed_by_their_beginning(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    outcome out = list(lab, c, "lease/");

    assert_int_equal(out.err, GR_OK);
    assert_int_equal(out.value_bytes, 0);
    free(out.value);
    assert_int_equal(lab_set(lab, c, "view", 0, "v").err, GR_OK);
    assert_int_equal(lab_set(lab, c, "lease/a1", 0, "a").err, GR_OK);
    assert_int_equal(lab_set(lab, c, "lease/b2", 0, "b").err, GR_OK);
    assert_int_equal(lab_set(lab, c, "leases", 0, "c").err, GR_OK);
    out = list(lab, c, "lease/");
    assert_int_equal(out.err, GR_OK);
    assert_int_equal(out.revision, 0);
    assert_int_equal(out.value_bytes, 18);
    assert_true(memcmp(out.value, "lease/a1\0lease/b2", 18) == 0 ||
                memcmp(out.value, "lease/b2\0lease/a1", 18) == 0);
    free(out.value);
    lab->ops->free(c);
}

void hiding_what_was_never_shown_is_fine(void **state)
{
    coordinator_lab *lab = *state;
    gr_coordinator *c = lab_open(lab);
    gr_future *future = NULL;
    gr_err err = lab->ops->hide(c, TIMEOUT_MS, &future);
    outcome out = lab_await(err, future);

    assert_int_equal(out.err, GR_OK);
    free(out.value);
    lab->ops->free(c);
}
