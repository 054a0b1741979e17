/*
 * Fibers by themselves: switching, what a switch must keep, and many stacks. Built twice: with the processor's own switch,
 * and with the portable one (GRI_FIBER_PORTABLE). No system is needed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fiber.h"

enum { STACK_BYTES = 64 * 1024, ROUNDS = 1000, MANY = 200 };

typedef struct runner {
    gri_fiber *fiber;
    gri_fiber *back;
    double real;
    int64_t whole;
    int rounds;
} runner;

/* Keeps numbers in registers over many switches; never returns. */
static void run(void *arg)
{
    runner *self = arg;
    double real = self->real;
    int64_t whole = self->whole;

    for (;;) {
        real = real * 1.0000001 + 0.5;
        whole = whole * 3 + 1;
        self->rounds++;
        self->real = real;
        self->whole = (int64_t)((uint64_t)whole & 0xffffffffu);
        whole = self->whole;
        gri_fiber_switch(self->fiber, self->back);
    }
}

static void each_fiber_keeps_its_own_numbers(void **state)
{
    static runner runners[MANY];
    gri_fiber native;

    (void)state;
    gri_fiber_init_native(&native);
    for (int i = 0; i < MANY; i++) {
        runners[i] = (runner){.back = &native, .real = i, .whole = i};
        runners[i].fiber = gri_fiber_new(STACK_BYTES, run, &runners[i]);
        assert_non_null(runners[i].fiber);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < MANY; i++) {
            gri_fiber_switch(&native, runners[i].fiber);
        }
    }
    for (int i = 0; i < MANY; i++) {
        double real = i;
        uint64_t whole = (uint64_t)i;

        for (int round = 0; round < ROUNDS; round++) {
            real = real * 1.0000001 + 0.5;
            whole = (whole * 3 + 1) & 0xffffffffu;
        }
        assert_int_equal(runners[i].rounds, ROUNDS);
        assert_true(runners[i].real == real);
        assert_int_equal(runners[i].whole, (int64_t)whole);
        runners[i].fiber = gri_fiber_free(runners[i].fiber);
    }
    gri_fiber_fini_native(&native);
}

/* Uses most of its stack, and says how much was kept. */
static void fill_stack(void *arg)
{
    runner *self = arg;
    volatile unsigned char filled[STACK_BYTES / 2];

    for (;;) {
        for (size_t i = 0; i < sizeof(filled); i++) {
            filled[i] = (unsigned char)i;
        }
        gri_fiber_switch(self->fiber, self->back);
        self->whole = 0;
        for (size_t i = 0; i < sizeof(filled); i++) {
            self->whole += filled[i] == (unsigned char)i ? 1 : 0;
        }
        gri_fiber_switch(self->fiber, self->back);
    }
}

static void a_suspended_stack_is_left_alone(void **state)
{
    runner self = {0};
    runner other = {0};
    gri_fiber native;

    (void)state;
    gri_fiber_init_native(&native);
    self.back = other.back = &native;
    self.fiber = gri_fiber_new(STACK_BYTES, fill_stack, &self);
    other.fiber = gri_fiber_new(STACK_BYTES, fill_stack, &other);
    assert_non_null(self.fiber);
    assert_non_null(other.fiber);
    gri_fiber_switch(&native, self.fiber);
    gri_fiber_switch(&native, other.fiber);
    gri_fiber_switch(&native, self.fiber);
    gri_fiber_switch(&native, other.fiber);
    assert_int_equal(self.whole, STACK_BYTES / 2);
    assert_int_equal(other.whole, STACK_BYTES / 2);
    self.fiber = gri_fiber_free(self.fiber);
    other.fiber = gri_fiber_free(other.fiber);
    gri_fiber_fini_native(&native);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fiber_keeps_its_own_numbers),
        cmocka_unit_test(a_suspended_stack_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
