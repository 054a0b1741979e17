/*
 * Parkers: a wake that comes first is kept, one wake ends one sleep, and a sleep ends at its time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "os.h"
#include "system_internal.h"

enum { ROUNDS = 20000 };

typedef struct pair {
    gri_parker ping, pong;
    unsigned turns; /* passed from one to the other with the wakes */
} pair;

static void a_wake_that_comes_first_ends_the_next_sleep_and_no_other(void **state)
{
    gri_parker parker;

    (void)state;
    gri_parker_init(&parker);
    gri_parker_wake(&parker);
    gri_parker_wake(&parker);
    assert_true(gri_parker_wait(&parker, INT64_MAX));
    assert_false(gri_parker_wait(&parker, gri_os_now_ms() - 1));
    gri_parker_wake(&parker);
    assert_true(gri_parker_wait(&parker, gri_os_now_ms() - 1));
}

static void a_sleep_ends_at_its_time(void **state)
{
    gri_parker parker;
    int64_t until_ms = gri_os_now_ms() + 30;

    (void)state;
    gri_parker_init(&parker);
    assert_false(gri_parker_wait(&parker, until_ms));
    assert_true(gri_os_now_ms() >= until_ms);
}

static void *answer(void *arg)
{
    pair *it = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!gri_parker_wait(&it->ping, INT64_MAX) || it->turns != 2 * i + 1) {
            break;
        }
        it->turns++;
        gri_parker_wake(&it->pong);
    }
    return NULL;
}

/* No wake is lost, and each shows what was written before it; the limits are far away, and near. */
static void two_threads_wake_each_other_in_turn(void **state)
{
    pair it = {.turns = 0};
    pthread_t thread;

    (void)state;
    gri_parker_init(&it.ping);
    gri_parker_init(&it.pong);
    assert_int_equal(pthread_create(&thread, NULL, answer, &it), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(it.turns, 2 * i);
        it.turns++;
        gri_parker_wake(&it.ping);
        while (!gri_parker_wait(&it.pong, i % 2 == 0 ? INT64_MAX : gri_os_now_ms() + 1)) {
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(it.turns, 2 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wake_that_comes_first_ends_the_next_sleep_and_no_other),
        cmocka_unit_test(a_sleep_ends_at_its_time),
        cmocka_unit_test(two_threads_wake_each_other_in_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
