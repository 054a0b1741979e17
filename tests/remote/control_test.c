/*
 * The control turn alone, on the stepped dispatcher: one thread, virtual time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "control.h"
#include "world.h"

typedef struct chain {
    gri_control control;
    gri_control_item item;
    gr_alarm other;
    unsigned runs, runs_max;
    unsigned runs_at_other; /* when another alarm of the system came to its turn */
} chain;

/* Posts itself again, as those do who keep posting. */
static void on_item(gri_control_item *item)
{
    chain *it = (chain *)((char *)item - offsetof(chain, item));

    if (++it->runs < it->runs_max) {
        assert_true(gri_control_post(&it->control, item));
    }
}

static void on_other(void *arg)
{
    chain *it = arg;

    it->runs_at_other = it->runs;
}

static void open_chain(chain *it, gr_stepped *stepped, gr_system **out_sys)
{
    assert_int_equal(gr_system_new(&(gr_system_options){.stepped = stepped}, out_sys), GR_OK);
    it->item.fn = on_item;
    gri_control_init(&it->control, *out_sys);
    gr_alarm_init(&it->other, *out_sys, on_other, it);
    gri_control_begin(&it->control);
}

static void close_chain(chain *it, gr_system *take_sys)
{
    gr_alarm_fini(&it->other);
    gri_control_fini(&it->control);
    (void)gr_system_free(take_sys);
}

static void a_thread_that_posts_is_not_kept_by_what_others_post(void **state)
{
    world *in = world_stepped(1);
    chain it = {.runs_max = 1000};
    gr_system *sys = NULL;

    (void)state;
    open_chain(&it, in->stepped, &sys);
    assert_true(gri_control_post(&it.control, &it.item));
    assert_in_range(it.runs, 1, GRI_CONTROL_ITEMS_MAX);
    gr_alarm_set(&it.other, gr_system_now(sys));
    gr_stepped_run_until_idle(in->stepped);
    assert_int_equal(it.runs, 1000); /* all the same, and at once */
    assert_in_range(it.runs_at_other, 1, 3 * GRI_CONTROL_ITEMS_MAX);
    gri_control_close(&it.control);
    close_chain(&it, sys);
    world_free(in);
}

static void the_timer_thread_runs_other_alarms_in_between(void **state)
{
    world *in = world_stepped(1);
    chain it = {.runs_max = 1000};
    gr_system *sys = NULL;

    (void)state;
    open_chain(&it, in->stepped, &sys);
    assert_true(gri_control_post_later(&it.control, &it.item));
    assert_false(gri_control_post_later(&it.control, &it.item));
    gr_alarm_set(&it.other, gr_system_now(sys));
    gr_stepped_run_until_idle(in->stepped);
    assert_int_equal(it.runs, 1000);
    assert_in_range(it.runs_at_other, 1, 2 * GRI_CONTROL_ITEMS_MAX);
    gri_control_close(&it.control);
    close_chain(&it, sys);
    world_free(in);
}

static void what_waits_is_done_when_it_closes_and_nothing_is_taken_afterwards(void **state)
{
    world *in = world_stepped(1);
    chain it = {.runs_max = 1000};
    gr_system *sys = NULL;

    (void)state;
    open_chain(&it, in->stepped, &sys);
    assert_true(gri_control_post_later(&it.control, &it.item));
    gri_control_close(&it.control);
    assert_int_equal(it.runs, 1000);
    assert_false(gri_control_post(&it.control, &it.item));
    assert_false(gri_control_post_later(&it.control, &it.item));
    gr_stepped_run_until_idle(in->stepped);
    assert_int_equal(it.runs, 1000);
    close_chain(&it, sys);
    world_free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_posts_is_not_kept_by_what_others_post),
        cmocka_unit_test(the_timer_thread_runs_other_alarms_in_between),
        cmocka_unit_test(what_waits_is_done_when_it_closes_and_nothing_is_taken_afterwards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
