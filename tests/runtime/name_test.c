/*
 * Names: children under their parents, taken names, look-ups. Behaviour r31.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

typedef struct birth {
    const char *name;
    gr_pid pid;
} birth;

static gr_err act_spawn_child(gr_context *ctx, struct lab *lab, void *arg)
{
    birth *child = arg;
    gr_props props = lab_probe_props(lab, "child");

    return gr_spawn_child(ctx, &props, child->name, &child->pid);
}

static gr_pid find(struct lab *lab, const char *name)
{
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_name_find(lab->sys, name, &pid), GR_OK);
    return pid;
}

static void r31_a_childs_name_is_under_its_parent(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_pid child = lab_spawn_child(lab, parent, "c");
    gr_pid grandchild = lab_spawn_child(lab, child, "g");
    gr_pid nobody = gr_pid_null();

    assert_true(gr_pid_equal(find(lab, "p"), parent));
    assert_true(gr_pid_equal(find(lab, "p/c"), child));
    assert_true(gr_pid_equal(find(lab, "p/c/g"), grandchild));
    assert_int_equal(gr_name_find(lab->sys, "c", &nobody), GR_ENOTFOUND);
    assert_int_equal(gr_name_find(lab->sys, "p/", &nobody), GR_ENOTFOUND);
    assert_int_equal(gr_name_find(lab->sys, "", &nobody), GR_ENOTFOUND);
    assert_true(gr_pid_is_null(nobody)); /* untouched on failure */
}

static void r31_two_parents_may_have_children_of_one_name(void **state)
{
    struct lab *lab = *state;
    gr_pid first = lab_spawn_child(lab, lab_spawn(lab, "p"), "c");
    gr_pid second = lab_spawn_child(lab, lab_spawn(lab, "q"), "c");

    assert_true(gr_pid_equal(find(lab, "p/c"), first));
    assert_true(gr_pid_equal(find(lab, "q/c"), second));
}

static void r31_a_taken_name_is_an_error_naming_it(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "twin");
    gr_pid parent = lab_spawn(lab, "p");
    gr_pid pid = gr_pid_null();
    birth child = {"c", gr_pid_null()};

    assert_int_equal(gr_spawn(lab->sys, &props, "p", &pid), GR_EEXIST);
    assert_non_null(strstr(gr_last_error()->text, "'p'"));
    assert_true(gr_pid_is_null(pid));
    assert_int_equal(lab_make(lab, parent, act_spawn_child, &child), GR_OK);
    assert_int_equal(lab_make(lab, parent, act_spawn_child, &child), GR_EEXIST);
    assert_non_null(strstr(gr_last_error()->text, "'p/c'"));
    assert_int_equal(lab_count(lab, "twin started"), 0);
    assert_int_equal(gr_system_counters(lab->sys).actors, 2);
}

static void r31_a_name_is_free_again_after_the_stop(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = lab_spawn(lab, "w");

    for (size_t i = 1; i <= 50; i++) {
        gr_pid pid = lab_spawn(lab, "a");

        assert_true(gr_pid_equal(find(lab, "a"), pid));
        assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
        gr_send_stop(lab->sys, pid);
        lab_wait_times(lab, "w sees stopped", i); /* who is told of the end can take the name */
        assert_int_equal(gr_name_find(lab->sys, "a", &pid), GR_ENOTFOUND);
    }
}

static void r31_a_restart_keeps_the_name(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");

    lab_do(lab, pid, lab_act_fail, NULL);
    lab_wait_times(lab, "a started", 2);
    lab_flush(lab, pid);
    assert_true(gr_pid_equal(find(lab, "a"), pid));
}

static void r31_bad_names_are_refused(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "bad");
    gr_pid pid = gr_pid_null();
    char name[GR_NAME_BYTES_MAX + 2];

    memset(name, 'n', sizeof(name));
    name[GR_NAME_BYTES_MAX + 1] = '\0';
    assert_int_equal(gr_spawn(lab->sys, &props, name, &pid), GR_EINVAL);
    name[GR_NAME_BYTES_MAX] = '\0';
    assert_int_equal(gr_spawn(lab->sys, &props, name, &pid), GR_OK);
    assert_true(gr_pid_equal(find(lab, name), pid));
    assert_int_equal(gr_spawn(lab->sys, &props, "p/c", &pid), GR_EINVAL); /* only a child is that */
    assert_int_equal(gr_spawn(lab->sys, &props, "", &pid), GR_EINVAL);
    assert_true(strlen(gr_last_error()->text) > 0);
}

static void names_need_not_be_given(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "n");
    gr_pid a = lab_spawn_props(lab, &props, NULL);
    gr_pid b = lab_spawn_props(lab, &props, NULL);

    assert_false(gr_pid_equal(a, b));
    lab_flush(lab, a);
    lab_flush(lab, b);
}

static gr_err receive_nothing(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

static void *spawn_and_stop_one_name(void *arg)
{
    struct lab *lab = arg;
    gr_props props = {.receive = receive_nothing};
    size_t mine = 0;

    for (size_t i = 0; i < lab_scaled(3000); i++) {
        gr_pid pid = gr_pid_null();
        gr_err err = gr_spawn(lab->sys, &props, "one", &pid);

        lab_require(err == GR_OK || err == GR_EEXIST);
        if (err == GR_OK) {
            mine++;
            gr_send_stop(lab->sys, pid);
        }
    }
    return (void *)mine;
}

static void threads_that_fight_for_one_name_never_share_it(void **state)
{
    struct lab *lab = *state;
    pthread_t threads[3];
    uint64_t spawned = 0;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, spawn_and_stop_one_name, lab), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        void *count = NULL;

        assert_int_equal(pthread_join(threads[i], &count), 0);
        spawned += (uintptr_t)count;
    }
    assert_true(spawned >= 1);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(gr_system_counters(lab->sys).stopped, spawned);
    (void)lab_spawn(lab, "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r31_a_childs_name_is_under_its_parent),
        LAB_BOTH(r31_two_parents_may_have_children_of_one_name),
        LAB_BOTH(r31_a_taken_name_is_an_error_naming_it),
        LAB_BOTH(r31_a_name_is_free_again_after_the_stop),
        LAB_BOTH(r31_a_restart_keeps_the_name),
        LAB_STEPPED(r31_bad_names_are_refused),
        LAB_BOTH(names_need_not_be_given),
        LAB_THREADS(threads_that_fight_for_one_name_never_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
