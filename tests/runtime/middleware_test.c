/*
 * Middleware around receive, send and spawn: order, change, answer, swallow, failures. Behaviour
 * r24.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <granary/future.h>
#include <granary/middleware.h>

/* Notes what passes it, on the way in and out. */
typedef struct scribe {
    gr_middleware middleware;
    struct lab *lab;
} scribe;

static gr_err scribe_started(void *arg, gr_context *ctx)
{
    const scribe *own = arg;

    lab_note(own->lab, "m %s starts %s", own->middleware.name, gr_context_name(ctx));
    return GR_OK;
}

static gr_err scribe_receive(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next)
{
    const scribe *own = arg;
    gr_err err = GR_OK;

    lab_note(own->lab, "m %s in", own->middleware.name);
    err = gr_next_receive(next, ctx, msg);
    lab_note(own->lab, "m %s out %s", own->middleware.name,
             gr_err_name((gr_err)((unsigned)err & ~(unsigned)GR_FATAL)));
    return err;
}

static gr_err scribe_send(void *arg, gr_context *ctx, gr_pid to, gr_msg *msg, const gr_next *next)
{
    const scribe *own = arg;

    lab_note(own->lab, "m %s sends a %s", own->middleware.name, gr_msg_type(msg)->name);
    lab_require(gr_msg_set_header(msg, own->middleware.name, "was here") == GR_OK);
    return gr_next_send(next, ctx, to, msg);
}

static gr_err scribe_spawn(void *arg, gr_context *ctx, const gr_props *props, const char *name,
                           gr_pid *out_pid, const gr_next *next)
{
    const scribe *own = arg;

    lab_note(own->lab, "m %s spawns %s%s", own->middleware.name, name,
             ctx == NULL ? "" : " as a child");
    return gr_next_spawn(next, ctx, props, name, out_pid);
}

static gr_middleware *new_scribe(struct lab *lab, const char *name)
{
    scribe *own = lab_own(lab, sizeof(*own));

    own->lab = lab;
    own->middleware = (gr_middleware){.name = name, .arg = own, .receive = scribe_receive};
    return &own->middleware;
}

/* A list of up to three. */
static const gr_middleware *const *list_of(struct lab *lab, const gr_middleware *one,
                                           const gr_middleware *two, const gr_middleware *three)
{
    const gr_middleware **list = lab_own(lab, 4 * sizeof(gr_middleware *));

    list[0] = one;
    list[1] = two;
    list[2] = three;
    return list;
}

static void reopen_with(struct lab *lab, const gr_middleware *const *list)
{
    gr_system_options options = {.middleware = list};

    lab_reopen(lab, &options);
}

static gr_pid spawn_with(struct lab *lab, const char *name, const gr_middleware *const *list)
{
    gr_props props = lab_probe_props(lab, name);

    props.middleware = list;
    return lab_spawn_props(lab, &props, name);
}

static void r24_receive_middleware_runs_in_declared_order_the_systems_outside(void **state)
{
    struct lab *lab = *state;
    gr_pid a;

    reopen_with(lab, list_of(lab, new_scribe(lab, "1"), new_scribe(lab, "2"), NULL));
    a = spawn_with(lab, "m a", list_of(lab, new_scribe(lab, "3"), new_scribe(lab, "4"), NULL));
    lab_tell(lab, a, 7);
    LAB_EVENTUALLY(lab, lab_count(lab, "m 1 out GR_OK") == 1);
    lab_assert_notes(lab, "m ",
                     "m a started|m 1 in|m 2 in|m 3 in|m 4 in|m a 7|m 4 out GR_OK|m 3 out GR_OK|"
                     "m 2 out GR_OK|m 1 out GR_OK");
}

static void r24_middleware_of_one_actor_leaves_others_alone(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, "a", list_of(lab, new_scribe(lab, "1"), NULL, NULL));
    gr_pid b = lab_spawn(lab, "b");

    lab_tell(lab, b, 1);
    lab_flush(lab, b);
    assert_int_equal(lab_count(lab, "m 1 in"), 0);
    lab_tell(lab, a, 1);
    lab_wait(lab, "m 1 out GR_OK");
}

static gr_err twice_the_number(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_msg *other = NULL;
    gr_err err = GR_OK;

    (void)arg;
    if (word == NULL) {
        return gr_next_receive(next, ctx, msg);
    }
    other = lab_word_new(2 * word->number);
    err = gr_next_receive(next, ctx, other);
    other = gr_msg_unref(other);
    return err;
}

static void r24_a_message_may_be_changed_and_the_sender_stays(void **state)
{
    struct lab *lab = *state;
    gr_middleware doubles = {.name = "doubles", .receive = twice_the_number};
    gr_pid a = spawn_with(lab, "a", list_of(lab, &doubles, &doubles, NULL));
    gr_msg *reply = NULL;

    assert_int_equal(gr_request(lab->sys, a, lab_word_new(5), GR_FOREVER, &reply), GR_OK);
    assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, 20);
    reply = gr_msg_unref(reply);
    lab_assert_notes(lab, "a ", "a started|a 20");
    assert_int_equal(lab_dead(lab), 0);
}

/* Answers odd numbers itself, swallows multiples of four, and lets the others in. */
static gr_err gatekeeper(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    (void)arg;
    if (word != NULL && word->number % 2 == 1) {
        return gr_respond(ctx, lab_word_new(-1));
    }
    if (word != NULL && word->number % 4 == 0) {
        return GR_OK;
    }
    return word != NULL && word->number == 6 ? gr_fail(GR_EAPP + 6, "not a six")
                                             : gr_next_receive(next, ctx, msg);
}

static void r24_a_message_may_be_answered_refused_or_swallowed(void **state)
{
    struct lab *lab = *state;
    gr_middleware gate = {.name = "gate", .receive = gatekeeper};
    gr_pid a = spawn_with(lab, "a", list_of(lab, &gate, NULL, NULL));
    gr_msg *reply = NULL;

    assert_int_equal(gr_request(lab->sys, a, lab_word_new(5), GR_FOREVER, &reply), GR_OK);
    assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, -1);
    reply = gr_msg_unref(reply);
    assert_int_equal(gr_request(lab->sys, a, lab_word_new(6), GR_FOREVER, &reply), GR_EAPP + 6);
    assert_int_equal(gr_request(lab->sys, a, lab_word_new(8), 5, &reply), GR_ETIMEDOUT);
    lab_tell(lab, a, 2);
    lab_flush(lab, a);
    lab_assert_notes(lab, "a ", "a started|a 2");
}

static gr_err act_panic(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    (void)arg;
    gr_panic(ctx, GR_EFAILED, "panicked");
}

static void r24_a_failure_of_the_handler_passes_through(void **state)
{
    struct lab *lab = *state;
    gr_pid a = spawn_with(lab, "a", list_of(lab, new_scribe(lab, "1"), new_scribe(lab, "2"), NULL));

    assert_int_equal(lab_make(lab, a, lab_act_fail, NULL), GR_EFAILED);
    assert_string_equal(gr_last_error()->text, "told to fail");
    lab_wait_times(lab, "a started", 2);
    assert_int_equal(lab_count(lab, "m 2 out GR_EFAILED"), 1);
    assert_int_equal(lab_count(lab, "m 1 out GR_EFAILED"), 1);
    assert_int_equal(lab_make(lab, a, act_panic, NULL), GR_EFAILED); /* that abandons them, too */
    assert_string_equal(gr_last_error()->text, "panicked");
    lab_wait_times(lab, "a started", 3);
    assert_int_equal(lab_decisions(lab), 2);
}

/* Puts an act of its own in place of each word. */
static gr_err panics_inside(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next)
{
    gr_msg *other = NULL;
    gr_err err = GR_OK;

    (void)arg;
    if (gr_msg_read(msg, &lab_word_type) == NULL) {
        return gr_next_receive(next, ctx, msg);
    }
    other = lab_act_new(act_panic, NULL);
    err = gr_next_receive(next, ctx, other);
    other = gr_msg_unref(other);
    return err;
}

static void r24_a_panic_under_a_changed_message_lets_go_of_both(void **state)
{
    struct lab *lab = *state;
    gr_middleware changes = {.name = "changes", .receive = panics_inside};
    gr_pid a = spawn_with(lab, "a", list_of(lab, &changes, NULL, NULL));
    gr_msg *reply = NULL;

    assert_int_equal(gr_request(lab->sys, a, lab_word_new(5), GR_FOREVER, &reply), GR_EFAILED);
    lab_wait_times(lab, "a started", 2);
}

/* ---- send */

static gr_middleware *new_sender(struct lab *lab, const char *name)
{
    gr_middleware *made = new_scribe(lab, name);

    made->receive = NULL;
    made->send = scribe_send;
    return made;
}

static gr_err act_send_all_ways(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid to = *(gr_pid *)arg;
    gr_msg *held = lab_word_new(2);
    gr_msg *reply = NULL;

    lab_require(gr_context_send(ctx, to, lab_word_new(1)) == GR_OK);
    lab_require(gr_context_send(ctx, to, gr_msg_ref(held)) == GR_OK); /* held by others as well */
    lab_require(gr_msg_headers(held) == 0);
    held = gr_msg_unref(held);
    lab_require(gr_request(lab->sys, to, lab_word_new(3), GR_FOREVER, &reply) == GR_OK);
    reply = gr_msg_unref(reply);
    lab_require(gr_send(lab->sys, to, lab_word_new(4)) == GR_OK); /* not through the context */
    return GR_OK;
}

static gr_err count_headers(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_probe *probe = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    lab_require(word != NULL);
    lab_note(probe->lab, "%s %lld with %zu", probe->name, (long long)word->number,
             gr_msg_headers(msg));
    return word->number == 3 ? gr_respond(ctx, lab_word_new(0)) : GR_OK;
}

static void r24_send_middleware_is_around_what_goes_through_a_context(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "z");
    gr_pid z;
    gr_pid a = spawn_with(lab, "a", list_of(lab, new_sender(lab, "1"), new_sender(lab, "2"), NULL));
    gr_msg *reply = NULL;

    props.receive = count_headers;
    z = lab_spawn_props(lab, &props, "z");
    assert_int_equal(
        gr_request(lab->sys, a, lab_act_new(act_send_all_ways, &z), GR_FOREVER, &reply), GR_OK);
    assert_string_equal(gr_msg_header(reply, "1"), "was here"); /* the answer goes through it */
    assert_string_equal(gr_msg_header(reply, "2"), "was here");
    reply = gr_msg_unref(reply);
    lab_wait(lab, "z 4 with 0");
    lab_assert_notes(lab, "z ", "z started|z 1 with 2|z 2 with 2|z 3 with 2|z 4 with 0");
    assert_true(lab_place(lab, "m 1 sends a lab_word") < lab_place(lab, "m 2 sends a lab_word"));
    assert_int_equal(lab_count(lab, "m 1 sends a lab_word"), 4);
}

static gr_err act_send_one(gr_context *ctx, struct lab *lab, void *arg)
{
    (void)lab;
    return gr_context_send(ctx, *(gr_pid *)arg, lab_word_new(1));
}

static gr_err not_at_all(void *arg, gr_context *ctx, gr_pid to, gr_msg *msg, const gr_next *next)
{
    (void)arg;
    (void)ctx;
    (void)to;
    (void)next;
    msg = gr_msg_unref(msg);
    return msg == NULL ? gr_fail(GR_EFULL, "nothing leaves today") : GR_OK;
}

static gr_err act_send_refused(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid to = *(gr_pid *)arg;
    gr_msg *reply = NULL;

    lab_note(lab, "refused %s", gr_err_name(gr_context_send(ctx, to, lab_word_new(1))));
    lab_note(lab, "request %s",
             gr_err_name(gr_request(lab->sys, to, lab_word_new(1), GR_FOREVER, &reply)));
    lab_note(lab, "forward %s", gr_err_name(gr_forward(ctx, to)));
    return GR_OK;
}

static void r24_send_middleware_may_refuse_and_swallow(void **state)
{
    struct lab *lab = *state;
    gr_middleware closed = {.name = "closed", .send = not_at_all};
    gr_pid z = lab_spawn(lab, "z");
    gr_pid a = spawn_with(lab, "a", list_of(lab, &closed, NULL, NULL));

    lab_do(lab, a, act_send_refused, &z);
    lab_wait(lab, "forward GR_EFULL");
    assert_int_equal(lab_count(lab, "refused GR_EFULL"), 1);
    assert_int_equal(lab_count(lab, "request GR_EFULL"), 1);
    lab_flush(lab, z);
    lab_assert_notes(lab, "z ", "z started");
    assert_int_equal(lab_dead(lab), 0);
}

static gr_err to_another(void *arg, gr_context *ctx, gr_pid to, gr_msg *msg, const gr_next *next)
{
    (void)to;
    return gr_next_send(next, ctx, *(gr_pid *)arg, msg);
}

static void r24_send_middleware_may_send_elsewhere(void **state)
{
    struct lab *lab = *state;
    gr_pid z = lab_spawn(lab, "z");
    gr_pid y = lab_spawn(lab, "y");
    gr_middleware turn = {.name = "turn", .arg = &y, .send = to_another};
    gr_pid a = spawn_with(lab, "a", list_of(lab, &turn, NULL, NULL));

    lab_do(lab, a, act_send_one, &z);
    lab_wait(lab, "y 1");
    lab_flush(lab, z);
    lab_assert_notes(lab, "z ", "z started");
}

/* ---- spawn and start */

static void r24_spawn_middleware_is_around_children_and_in_the_options_around_all(void **state)
{
    struct lab *lab = *state;
    gr_middleware *all = new_scribe(lab, "1");
    gr_middleware *own = new_scribe(lab, "2");
    gr_pid a;
    gr_pid child;

    all->receive = own->receive = NULL;
    all->spawn = own->spawn = scribe_spawn;
    all->started = own->started = scribe_started;
    reopen_with(lab, list_of(lab, all, NULL, NULL));
    a = spawn_with(lab, "a", list_of(lab, own, NULL, NULL));
    child = lab_spawn_child(lab, a, "b");
    (void)lab_spawn_child(lab, child,
                          "c"); /* what is in its grandparent's props is not around it */
    lab_assert_notes(lab, "m ",
                     "m 1 spawns a|m 1 starts a|m 2 starts a|"
                     "m 1 spawns b as a child|m 2 spawns b as a child|m 1 starts a/b|"
                     "m 1 spawns c as a child|m 1 starts a/b/c");
    lab_do(lab, a, lab_act_fail, NULL); /* each start has it */
    lab_wait_times(lab, "m 2 starts a", 2);
}

static gr_err no_b(void *arg, gr_context *ctx, const gr_props *props, const char *name,
                   gr_pid *out_pid, const gr_next *next)
{
    gr_props other = *props;

    (void)arg;
    if (name != NULL && strcmp(name, "b") == 0) {
        return gr_fail(GR_EAPP + 2, "no actor may be called b");
    }
    if (name != NULL && strcmp(name, "silent") == 0) {
        return GR_OK;
    }
    other.mailbox_limit = 1;
    return gr_next_spawn(next, ctx, &other, "renamed", out_pid);
}

static void free_noted(void *arg)
{
    lab_note(((lab_probe *)arg)->lab, "freed");
}

static void r24_spawn_middleware_may_change_and_refuse(void **state)
{
    struct lab *lab = *state;
    gr_middleware strict = {.name = "strict", .spawn = no_b};
    gr_props props;
    gr_pid pid;

    reopen_with(lab, list_of(lab, &strict, NULL, NULL));
    props = lab_probe_props(lab, "a");
    props.arg_free = free_noted;
    assert_int_equal(gr_spawn(lab->sys, &props, "b", &pid), GR_EAPP + 2);
    assert_string_equal(gr_last_error()->text, "no actor may be called b");
    assert_int_equal(lab_count(lab, "freed"), 1);
    assert_int_equal(gr_spawn(lab->sys, &props, "silent", &pid), GR_EINVAL);
    assert_int_equal(lab_count(lab, "freed"), 2);
    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_OK);
    assert_int_equal(gr_name_find(lab->sys, "renamed", &pid), GR_OK);
    assert_int_equal(gr_spawn(lab->sys, &props, "c", &pid), GR_EEXIST); /* renamed twice */
    assert_int_equal(lab_count(lab, "freed"), 3);
}

static gr_err never(void *arg, gr_context *ctx)
{
    (void)arg;
    (void)ctx;
    return gr_fail(GR_EAPP + 3, "never");
}

static void r24_a_middleware_may_refuse_the_start(void **state)
{
    struct lab *lab = *state;
    gr_middleware closed = {.name = "closed", .started = never};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid;

    props.middleware = list_of(lab, &closed, NULL, NULL);
    assert_int_equal(gr_spawn(lab->sys, &props, "a", &pid), GR_EAPP + 3);
    assert_int_equal(gr_name_find(lab->sys, "a", &pid), GR_ENOTFOUND);
    assert_int_equal(lab_count(lab, "a started"), 0);
}

/* ---- waiting inside */

static gr_err asks_first(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next)
{
    gr_msg *reply = NULL;
    gr_err err =
        gr_request(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(0), GR_FOREVER, &reply);

    reply = gr_msg_unref(reply);
    return err == GR_OK ? gr_next_receive(next, ctx, msg) : err;
}

static void r24_a_middleware_may_wait_as_a_handler_may(void **state)
{
    struct lab *lab = *state;
    gr_pid guard = lab_spawn(lab, "guard");
    gr_middleware asks = {.name = "asks", .arg = &guard, .receive = asks_first};
    gr_pid a = spawn_with(lab, "a", list_of(lab, &asks, NULL, NULL));

    lab_tell(lab, a, 1);
    lab_tell(lab, a, 2);
    lab_flush(lab, a);
    lab_assert_notes(lab, "a ", "a started|a 1|a 2");
    assert_int_equal(lab_count(lab, "guard 0"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r24_receive_middleware_runs_in_declared_order_the_systems_outside),
        LAB_BOTH(r24_middleware_of_one_actor_leaves_others_alone),
        LAB_BOTH(r24_a_message_may_be_changed_and_the_sender_stays),
        LAB_BOTH(r24_a_message_may_be_answered_refused_or_swallowed),
        LAB_BOTH(r24_a_failure_of_the_handler_passes_through),
        LAB_BOTH(r24_a_panic_under_a_changed_message_lets_go_of_both),
        LAB_BOTH(r24_send_middleware_is_around_what_goes_through_a_context),
        LAB_BOTH(r24_send_middleware_may_refuse_and_swallow),
        LAB_BOTH(r24_send_middleware_may_send_elsewhere),
        LAB_BOTH(r24_spawn_middleware_is_around_children_and_in_the_options_around_all),
        LAB_BOTH(r24_spawn_middleware_may_change_and_refuse),
        LAB_BOTH(r24_a_middleware_may_refuse_the_start),
        LAB_BOTH(r24_a_middleware_may_wait_as_a_handler_may),
    };

    return cmocka_run_group_tests_name("middleware", tests, NULL, NULL);
}
