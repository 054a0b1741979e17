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

/* ---- from a pid to its name */

static gr_err ignore(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

static const char *name_of(struct lab *lab, gr_pid pid, char text[64])
{
    const char *name = gr_name_of(lab->sys, pid, text, 64);

    assert_ptr_equal(name, text);
    return name;
}

static void r31_a_pid_leads_to_its_name(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "p");
    gr_pid child = lab_spawn_child(lab, parent, "c");
    gr_props props = lab_probe_props(lab, "n");
    gr_pid nameless = lab_spawn_props(lab, &props, NULL);
    gr_pid elsewhere = {gr_system_node(lab->sys) + 1, parent.slot, parent.generation};
    gr_pid other = {parent.node, parent.slot, parent.generation + 1};
    gr_pid far = {parent.node, UINT32_MAX, 1};
    gr_future *future = NULL;
    char text[64];

    assert_string_equal(name_of(lab, parent, text), "p");
    assert_string_equal(name_of(lab, child, text), "p/c");
    assert_string_equal(gr_name_of(lab->sys, child, text, 3), "p/");
    assert_string_equal(gr_name_of(lab->sys, child, NULL, 0), "");
    assert_string_equal(name_of(lab, nameless, text), "");
    assert_string_equal(name_of(lab, gr_pid_null(), text), "");
    assert_string_equal(name_of(lab, elsewhere, text), "");
    assert_string_equal(name_of(lab, other, text), "");
    assert_string_equal(name_of(lab, far, text), "");
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    assert_string_equal(name_of(lab, gr_future_pid(future), text), "");
    future = gr_future_unref(future);
    lab_do(lab, child, lab_act_fail, NULL);
    lab_wait_times(lab, "c started", 2);
    assert_string_equal(name_of(lab, child, text), "p/c"); /* also when it has been restarted */
    gr_send_stop(lab->sys, parent);
    assert_int_equal(gr_await_end(lab->sys, parent, GR_FOREVER, NULL), GR_OK);
    assert_string_equal(name_of(lab, parent, text), "");
    assert_string_equal(name_of(lab, child, text), "");
}

/* Looks up the pid that it is given until that is null. */
typedef struct reader {
    gr_system *sys;
    pthread_mutex_t lock;
    gr_pid pid;    /* lock */
    char want[32]; /* lock */
} reader;

static void *read_names(void *arg)
{
    reader *mine = arg;

    for (;;) {
        gr_pid pid = gr_pid_null();
        char want[32];
        char text[32];

        (void)pthread_mutex_lock(&mine->lock);
        pid = mine->pid;
        memcpy(want, mine->want, sizeof(want));
        (void)pthread_mutex_unlock(&mine->lock);
        if (gr_pid_is_null(pid)) {
            return NULL;
        }
        (void)gr_name_of(mine->sys, pid, text, sizeof(text));
        lab_require(text[0] == '\0' || strcmp(text, want) == 0);
    }
}

static void set_reader(reader *mine, gr_pid pid, const char *want)
{
    (void)pthread_mutex_lock(&mine->lock);
    mine->pid = pid;
    (void)snprintf(mine->want, sizeof(mine->want), "%s", want);
    (void)pthread_mutex_unlock(&mine->lock);
}

static void r31_a_pid_never_leads_to_the_name_of_another(void **state)
{
    struct lab *lab = *state;
    reader mine = {.sys = lab->sys, .lock = PTHREAD_MUTEX_INITIALIZER};
    gr_props props = {.receive = ignore};
    size_t rounds = lab_scaled(5000);
    pthread_t thread;
    gr_pid pid = lab_spawn_props(lab, &props, "a0");

    set_reader(&mine, pid, "a0");
    assert_int_equal(pthread_create(&thread, NULL, read_names, &mine), 0);
    for (size_t round = 1; round < rounds; round++) {
        char name[32];

        gr_send_stop(lab->sys, pid);
        assert_int_equal(gr_await_end(lab->sys, pid, GR_FOREVER, NULL), GR_OK);
        (void)snprintf(name, sizeof(name), "a%zu", round);
        pid = lab_spawn_props(lab, &props, name);
        set_reader(&mine, pid, name);
    }
    set_reader(&mine, gr_pid_null(), "");
    assert_int_equal(pthread_join(thread, NULL), 0);
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
        LAB_BOTH(r31_a_pid_leads_to_its_name),
        LAB_THREADS(r31_a_pid_never_leads_to_the_name_of_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
