/*
 * Guarded calls by themselves: what comes back, and that leaving one keeps what its caller had in registers. Built twice: with
 * the processor's own call, and with setjmp() (GRI_GUARD_PORTABLE). No system is needed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"

/* What a call does: the state of each function here. */
typedef struct call {
    void *guard;
    gr_err result;
    int depth; /* frames between the call and the place that leaves it */
    int after; /* how often something behind that place ran */
    struct call *inner;
} call;

static gr_err answer(gr_context *ctx, void *state, const gr_msg *msg)
{
    assert_null(ctx);
    assert_ptr_equal(msg, state);
    return ((call *)state)->result;
}

static void what_a_function_returns_comes_back(void **state)
{
    call mine = {.result = GR_EIO};

    (void)state;
    assert_int_equal(
        gri_guard_call(NULL, &mine, (const gr_msg *)(const void *)&mine, answer, &mine.guard),
        GR_EIO);
    mine.result = GR_OK;
    assert_int_equal(
        gri_guard_call(NULL, &mine, (const gr_msg *)(const void *)&mine, answer, &mine.guard),
        GR_OK);
}

/* Frames with numbers of their own, which use up registers. */
static uint64_t dig(call *mine, int depth, uint64_t a, uint64_t b, double x, double y)
{
    if (depth == 0 && mine->guard == NULL) { /* never: but the compiler does not know */
        return a;
    }
    if (depth == 0) {
        gri_guard_leave(mine->guard, mine->result);
    }
    a = dig(mine, depth - 1, a * 3 + b, b ^ a, x * 1.5 + y, y - x) + a * b;
    mine->after++;
    return a + (uint64_t)(x + y);
}

static gr_err dig_and_leave(gr_context *ctx, void *state, const gr_msg *msg)
{
    call *mine = state;

    (void)ctx;
    (void)msg;
    mine->after += (int)(dig(mine, mine->depth, 7, 11, 0.5, 0.25) & 1) + 1;
    return GR_OK;
}

static void leaving_ends_the_call_from_any_depth_and_keeps_its_callers_numbers(void **state)
{
    enum { ROUNDS = 50 };
    uint64_t a = 1, b = 2, c = 3, d = 5, e = 8;
    double x = 0.5, y = 1;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        call mine = {.result = (gr_err)(100 + i), .depth = i};

        assert_int_equal(gri_guard_call(NULL, &mine, NULL, dig_and_leave, &mine.guard), 100 + i);
        assert_int_equal(mine.after, 0);
        a += b;
        b += c;
        c += d;
        d += e;
        e += a;
        x = x * 2;
        y += x;
    }
    assert_true(x == 562949953421312.0); /* 2 to the 49th */
    assert_true(y == 1125899906842624.0);
    for (int i = 0; i < ROUNDS; i++) { /* and back again */
        e -= a;
        d -= e;
        c -= d;
        b -= c;
        a -= b;
    }
    assert_int_equal(a, 1);
    assert_int_equal(b, 2);
    assert_int_equal(c, 3);
    assert_int_equal(d, 5);
    assert_int_equal(e, 8);
}

static gr_err call_inner(gr_context *ctx, void *state, const gr_msg *msg)
{
    call *mine = state;
    gr_err err = gri_guard_call(ctx, mine->inner, msg, dig_and_leave, &mine->inner->guard);

    mine->after++;
    return err == mine->inner->result ? mine->result : GR_EFAILED;
}

static void leaving_an_inner_call_goes_on_in_the_outer_one(void **state)
{
    call inner = {.result = GR_EDEAD, .depth = 3};
    call outer = {.result = GR_EFULL, .inner = &inner};

    (void)state;
    assert_int_equal(gri_guard_call(NULL, &outer, NULL, call_inner, &outer.guard), GR_EFULL);
    assert_int_equal(outer.after, 1);
}

static gr_err leave_outer(gr_context *ctx, void *state, const gr_msg *msg)
{
    call *outer = state;

    (void)ctx;
    (void)msg;
    gri_guard_leave(outer->guard, GR_ECANCELLED);
}

static gr_err call_and_leave_both(gr_context *ctx, void *state, const gr_msg *msg)
{
    call *outer = state;

    (void)gri_guard_call(ctx, outer, msg, leave_outer, &outer->inner->guard);
    outer->after++;
    return GR_OK;
}

static void leaving_an_outer_call_ends_the_inner_one_too(void **state)
{
    call inner = {0};
    call outer = {.inner = &inner};

    (void)state;
    assert_int_equal(gri_guard_call(NULL, &outer, NULL, call_and_leave_both, &outer.guard),
                     GR_ECANCELLED);
    assert_int_equal(outer.after, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_function_returns_comes_back),
        cmocka_unit_test(leaving_ends_the_call_from_any_depth_and_keeps_its_callers_numbers),
        cmocka_unit_test(leaving_an_inner_call_goes_on_in_the_outer_one),
        cmocka_unit_test(leaving_an_outer_call_ends_the_inner_one_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
