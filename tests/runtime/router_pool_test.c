/*
 * Routers that start and supervise their members: what becomes of a pool when one of them fails or ends, when the router is
 * stopped in either way, and when memory runs out. Behaviours r26 and r36.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <gri/mem.h>

enum { SIZE = 4 };

static gr_pid spawn_pool(struct lab *lab, gr_route route, gr_pool_loss loss, const gr_props *props)
{
    gr_router_options options = {.route = route, .pool = props, .pool_size = SIZE, .loss = loss};
    gr_pid router = gr_pid_null();

    options.supervision.restarts = 1;
    assert_int_equal(gr_router_spawn(lab->sys, &options, "pool", &router), GR_OK);
    return router;
}

static gr_pid spawn_probes(struct lab *lab, gr_pool_loss loss)
{
    gr_props props = lab_probe_props(lab, "m");

    return spawn_pool(lab, GR_ROUTE_ROUND_ROBIN, loss, &props);
}

static size_t list(struct lab *lab, gr_pid router, gr_pid pids[SIZE + 1])
{
    size_t count = 0;

    assert_int_equal(gr_router_members(lab->sys, router, pids, SIZE + 1, &count), GR_OK);
    return count;
}

static bool is_listed(struct lab *lab, gr_pid router, gr_pid pid)
{
    gr_pid pids[SIZE + 1];
    size_t count = list(lab, router, pids);

    for (size_t i = 0; i < count; i++) {
        if (gr_pid_equal(pids[i], pid)) {
            return true;
        }
    }
    return false;
}

static void r26_a_pool_starts_its_members_and_ends_with_them(void **state)
{
    struct lab *lab = *state;
    gr_pid router = spawn_probes(lab, GR_POOL_REPLACE);

    assert_int_equal(lab_count(lab, "m started"), SIZE);
    assert_int_equal(gr_system_counters(lab->sys).actors, SIZE + 1);
    for (int64_t i = 0; i < SIZE; i++) {
        lab_tell(lab, router, 7);
    }
    lab_wait_times(lab, "m 7", SIZE);
    gr_send_stop(lab->sys, router);
    lab_wait_times(lab, "m stopped stopped", SIZE);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

static void r26_a_poisoned_pool_handles_what_was_sent_before(void **state)
{
    enum { WORDS = 200 };
    struct lab *lab = *state;
    gr_pid router = spawn_probes(lab, GR_POOL_REPLACE);

    for (int64_t i = 0; i < WORDS; i++) {
        lab_tell(lab, router, 7);
    }
    gr_send_poison(lab->sys, router);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(lab_count(lab, "m 7"), WORDS);
    assert_int_equal(lab_dead(lab), 0);
    assert_int_equal(gr_send(lab->sys, router, lab_word_new(8)), GR_EDEAD);
}

static void r26_what_comes_after_the_poison_of_a_pool_is_dead(void **state)
{
    struct lab *lab = *state;
    gr_pid router = spawn_probes(lab, GR_POOL_REPLACE);
    gr_pid pids[SIZE + 1];
    size_t count = 0;
    gr_err err = GR_OK;

    (void)list(lab, router, pids);
    for (size_t i = 0; i < SIZE; i++) {
        lab_tell(lab, pids[i], 1);
        lab_tell(lab, pids[i], 2);
    }
    gr_send_poison(lab->sys, router);
    while (err ==
           GR_OK) { /* until the router has had its turn; its members have not all had theirs */
        assert_true(gr_stepped_step(lab->stepped));
        err = gr_router_members(lab->sys, router, pids, SIZE, &count);
    }
    assert_int_equal(err, GR_EDEAD);
    assert_true(gr_process_alive(lab->sys, router));
    assert_int_equal(gr_send(lab->sys, router, lab_word_new(8)), GR_EDEAD);
    assert_int_equal(gr_send_wait(lab->sys, router, lab_word_new(8), GR_FOREVER), GR_EDEAD);
    lab_run(lab);
    assert_int_equal(lab_count(lab, "m 2"), SIZE);
    assert_int_equal(lab_count(lab, "m 8"), 0);
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
}

static void r26_a_member_that_fails_is_restarted_as_the_supervision_says(void **state)
{
    struct lab *lab = *state;
    gr_pid router = spawn_probes(lab, GR_POOL_REPLACE);
    gr_pid pids[SIZE + 1];

    (void)list(lab, router, pids);
    lab_do(lab, pids[1], lab_act_fail, NULL);
    lab_flush(lab, pids[1]);
    assert_int_equal(lab_decisions(lab), 1);
    assert_int_equal(lab_decision_at(lab, 0).directive, GR_RESTART);
    assert_true(gr_pid_equal(lab_decision_at(lab, 0).parent, router));
    assert_true(is_listed(lab, router, pids[1]));
}

static void r26_a_member_that_is_given_up_is_replaced(void **state)
{
    struct lab *lab = *state;
    gr_pid router = spawn_probes(lab, GR_POOL_REPLACE);
    gr_pid pids[SIZE + 1], now[SIZE + 1];

    (void)list(lab, router, pids);
    lab_do(lab, pids[1], lab_act_fail, NULL);
    lab_do(lab, pids[1], lab_act_fail, NULL);
    lab_wait(lab, "m stopped failed");
    lab_wait_times(lab, "m started", SIZE + 2); /* the restart, and the successor */
    LAB_EVENTUALLY(lab, !is_listed(lab, router, pids[1]) && list(lab, router, now) == SIZE);
    assert_true(gr_pid_equal(now[0], pids[0])); /* in its place */
    assert_true(gr_pid_equal(now[2], pids[2]));
    lab_flush(lab, now[1]);
}

static void r26_a_member_that_is_given_up_is_dropped_when_told_so(void **state)
{
    struct lab *lab = *state;
    gr_pid router = spawn_probes(lab, GR_POOL_DROP);
    gr_pid pids[SIZE + 1];

    (void)list(lab, router, pids);
    for (size_t i = 0; i < SIZE; i++) {
        gr_send_stop(lab->sys, pids[i]);
        LAB_EVENTUALLY(lab, list(lab, router, pids + i) == SIZE - 1 - i);
        if (i + 1 < SIZE) {
            pids[i + 1] = pids[i];
        }
    }
    assert_int_equal(gr_send(lab->sys, router, lab_word_new(1)), GR_EDEAD);
    assert_int_equal(lab_count(lab, "m started"), SIZE);
}

static void r26_a_member_that_is_taken_out_ends_in_order_and_is_not_replaced(void **state)
{
    struct lab *lab = *state;
    gr_pid router = spawn_probes(lab, GR_POOL_REPLACE);
    gr_pid pids[SIZE + 1];

    (void)list(lab, router, pids);
    lab_tell(lab, pids[0], 5);
    assert_int_equal(gr_router_remove(lab->sys, router, pids[0]), GR_OK);
    lab_wait(lab, "m stopped stopped");
    assert_int_equal(lab_count(lab, "m 5"), 1);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == SIZE);
    assert_int_equal(list(lab, router, pids), SIZE - 1);
    assert_int_equal(lab_count(lab, "m started"), SIZE);
    gr_send_poison(lab->sys, router); /* it waits for those that are left */
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

static void r26_a_guest_of_a_pool_outlives_it(void **state)
{
    struct lab *lab = *state;
    gr_pid guest = lab_spawn(lab, "guest");
    gr_pid router = spawn_probes(lab, GR_POOL_REPLACE);
    gr_pid pids[SIZE + 1];

    assert_int_equal(gr_router_add(lab->sys, router, guest), GR_OK);
    assert_int_equal(list(lab, router, pids), SIZE + 1);
    for (int64_t i = 0; i < SIZE + 1; i++) {
        lab_tell(lab, router, 3);
    }
    lab_wait(lab, "guest 3");
    gr_send_stop(lab->sys, router);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 1);
    lab_flush(lab, guest);
}

typedef struct shared {
    struct lab *lab;
    int freed;
    int starts;
    int starts_allowed;
} shared;

static gr_err shared_started(gr_context *ctx, void *state)
{
    shared *here = state;

    (void)ctx;
    here->starts++;
    return here->starts <= here->starts_allowed ? GR_OK : gr_fail(GR_EREFUSED, "not this one");
}

static gr_err shared_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    char pid[GR_PID_TEXT_BYTES];

    if (word != NULL && word->number < 0) {
        return gr_fatal(GR_EFAILED, "told to fail");
    }
    lab_note(((shared *)state)->lab, "%lld at %s", (long long)(word == NULL ? 0 : word->number),
             gr_pid_format(gr_context_self(ctx), pid));
    return GR_OK;
}

static void shared_free(void *arg)
{
    ((shared *)arg)->freed++;
}

static shared *new_shared(struct lab *lab, gr_props *out_props)
{
    shared *here = lab_own(lab, sizeof(*here));

    here->lab = lab;
    here->starts_allowed = INT32_MAX;
    *out_props = (gr_props){.type_name = "sharer",
                            .started = shared_started,
                            .receive = shared_receive,
                            .arg = here,
                            .arg_free = shared_free};
    return here;
}

static void r26_the_arg_of_a_pool_is_freed_once_on_every_path(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    shared *here = new_shared(lab, &props);
    gr_router_options options = {.pool = &props, .pool_size = SIZE};
    gr_pid router = spawn_pool(lab, GR_ROUTE_RANDOM, GR_POOL_REPLACE, &props);

    gr_send_stop(lab->sys, router);
    lab_run(lab);
    assert_int_equal(here->freed, 1);
    here = new_shared(lab, &props);
    options.route = (gr_route)9;
    assert_int_equal(gr_router_spawn(lab->sys, &options, NULL, &router), GR_EINVAL);
    assert_int_equal(here->freed, 1);
    here = new_shared(lab, &props);
    options.route = GR_ROUTE_RANDOM;
    here->starts_allowed = 2; /* the third is refused: so is the router */
    assert_int_equal(gr_router_spawn(lab->sys, &options, "pool", &router), GR_EREFUSED);
    lab_run(lab);
    assert_int_equal(here->freed, 1);
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
}

static void r26_a_successor_that_cannot_start_is_tried_again_every_second(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    shared *here = new_shared(lab, &props);
    gr_pid router = spawn_pool(lab, GR_ROUTE_ROUND_ROBIN, GR_POOL_REPLACE, &props);
    gr_pid pids[SIZE + 1];

    (void)list(lab, router, pids);
    here->starts_allowed = SIZE;
    gr_send_stop(lab->sys, pids[2]);
    lab_run(lab);
    assert_int_equal(list(lab, router, pids), SIZE - 1);
    lab_advance(lab, 2500);
    assert_int_equal(list(lab, router, pids), SIZE - 1);
    here->starts_allowed = INT32_MAX;
    lab_advance(lab, 1000);
    assert_int_equal(list(lab, router, pids), SIZE);
}

static gr_route_key key_of(const gr_msg *msg, void *arg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_route_key key = {&word->number, sizeof(word->number)};

    (void)arg;
    return key;
}

/* Who has key 1 now. */
static gr_pid owner_of_1(struct lab *lab, gr_pid router)
{
    gr_pid pids[SIZE + 1];
    size_t count = list(lab, router, pids);
    gr_pid owner = gr_pid_null();
    char note[80], pid[GR_PID_TEXT_BYTES];

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(note, sizeof(note), "1 at %s", gr_pid_format(pids[i], pid));
        if (lab_count(lab, note) == 0) {
            owner = pids[i]; /* perhaps */
        }
    }
    lab_tell(lab, router, 1);
    lab_run(lab);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(note, sizeof(note), "1 at %s", gr_pid_format(pids[i], pid));
        owner = lab_count(lab, note) != 0 ? pids[i] : owner;
    }
    return owner;
}

static void r26_a_successor_has_the_keys_of_who_had_its_place(void **state)
{
    struct lab *lab = *state;
    gr_props props;
    gr_router_options options = {
        .route = GR_ROUTE_CONSISTENT_HASH, .key = key_of, .pool = &props, .pool_size = SIZE};
    gr_pid router = gr_pid_null(), before[SIZE + 1], after[SIZE + 1], owner;
    size_t place = 0;

    (void)new_shared(lab, &props);
    assert_int_equal(gr_router_spawn(lab->sys, &options, NULL, &router), GR_OK);
    (void)list(lab, router, before);
    owner = owner_of_1(lab, router);
    while (!gr_pid_equal(before[place], owner)) {
        place++;
        assert_true(place < SIZE);
    }
    gr_send_stop(lab->sys, owner);
    lab_run(lab);
    (void)list(lab, router, after);
    assert_false(gr_pid_equal(after[place], owner));
    assert_true(gr_pid_equal(owner_of_1(lab, router), after[place]));
}

static gr_directive escalate(void *arg, gr_pid child, const gr_error *error)
{
    (void)arg;
    (void)child;
    (void)error;
    return GR_ESCALATE;
}

static void r26_a_router_that_is_restarted_has_a_new_pool_and_its_guests(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "m");
    gr_pid guest = lab_spawn(lab, "guest");
    gr_router_options options = {
        .pool = &props, .pool_size = SIZE, .supervision = {.decide = escalate}};
    gr_pid router = gr_pid_null(), before[SIZE + 1], after[SIZE + 1];

    assert_int_equal(gr_router_spawn(lab->sys, &options, NULL, &router), GR_OK);
    assert_int_equal(gr_router_add(lab->sys, router, guest), GR_OK);
    assert_int_equal(list(lab, router, before), SIZE + 1);
    lab_do(lab, before[0], lab_act_fail, NULL);
    lab_wait_times(lab, "m started", (size_t)2 * SIZE);
    LAB_EVENTUALLY(lab, list(lab, router, after) == SIZE + 1);
    for (size_t i = 0; i < SIZE; i++) {
        assert_false(is_listed(lab, router, before[i]));
    }
    assert_true(is_listed(lab, router, guest));
    gr_send_stop(lab->sys, guest); /* it is still watched */
    LAB_EVENTUALLY(lab, list(lab, router, after) == SIZE);
}

static gr_err spawn_router_child(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_props props = lab_probe_props(lab, "m");
    gr_router_options options = {.pool = &props, .pool_size = SIZE};

    return gr_router_spawn_child(ctx, &options, "pool", arg);
}

static void r26_a_router_can_be_a_child(void **state)
{
    struct lab *lab = *state;
    gr_pid parent = lab_spawn(lab, "parent");
    gr_pid router = gr_pid_null(), found = gr_pid_null();

    assert_int_equal(lab_make(lab, parent, spawn_router_child, &router), GR_OK);
    assert_int_equal(gr_name_find(lab->sys, "parent/pool", &found), GR_OK);
    assert_true(gr_pid_equal(found, router));
    lab_tell(lab, router, 1);
    lab_wait(lab, "m 1");
    gr_send_stop(lab->sys, parent);
    lab_wait_times(lab, "m stopped stopped", SIZE);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
}

/* ---- memory runs out */

typedef struct trial {
    gr_stepped *stepped;
    gr_system *sys;
    int64_t handled;
    int64_t dead;
    int64_t accepted;
    int freed;
    gr_subscription *subscription;
} trial;

typedef struct question {
    int unused;
} question;

static const gr_type question_type = GR_TYPE(question);

static gr_err trial_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    trial *here = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    here->handled += word != NULL;
    if (word != NULL && word->number < 0) {
        return gr_fatal(GR_EFAILED, "told to fail");
    }
    if (gr_msg_read(msg, &question_type) != NULL) {
        (void)gr_respond(ctx, gr_msg_new(&question_type));
    }
    return GR_OK;
}

static void trial_freed(void *arg)
{
    ((trial *)arg)->freed++;
}

static void on_dead_letter(void *arg, const gr_type *type, const void *event)
{
    const gr_dead_letter *letter = event;

    (void)type;
    ((trial *)arg)->dead += strcmp(letter->message_type, "lab_word") == 0;
}

static void tell(trial *here, gr_pid router, int64_t number)
{
    gr_msg *msg = lab_word_new(number);
    int64_t dead = here->dead;
    gr_err err = GR_OK;

    if (msg == NULL) {
        return;
    }
    err = gr_send(here->sys, router, msg);
    if (err != GR_OK && err != GR_ENOMEM && err != GR_EDEAD) {
        fail_msg("%s: %s", gr_err_name(err), gr_last_error()->text);
    }
    here->accepted += err == GR_OK || here->dead > dead;
}

static void try_pool(trial *here)
{
    gr_props props = {.receive = trial_receive, .arg = here};
    gr_props pool_props = {.receive = trial_receive, .arg = here, .arg_free = trial_freed};
    gr_router_options options = {.pool = &pool_props, .pool_size = 3};
    gr_pid router = gr_pid_null(), guest = gr_pid_null(), pids[4];
    gr_msg *reply = NULL;
    size_t count = 0;
    gr_err err = GR_OK;

    options.supervision.restarts = GR_RESTARTS_NEVER;
    (void)!gr_spawn(here->sys, &props, NULL, &guest);
    if (gr_router_spawn(here->sys, &options, "pool", &router) != GR_OK) {
        return;
    }
    err = gr_router_add(here->sys, router, guest);
    assert_true(err == GR_OK || err == GR_ENOMEM || gr_pid_is_null(guest));
    for (int64_t i = 0; i < 4; i++) {
        tell(here, router, i);
    }
    gr_stepped_run_until_idle(here->stepped);
    tell(here, router, -1); /* fails, and is replaced */
    gr_stepped_run_until_idle(here->stepped);
    gr_send_stop(here->sys, guest);
    gr_stepped_run_until_idle(here->stepped);
    tell(here, router, 1);
    gr_stepped_advance(here->stepped, 3000); /* what could not be done is tried again */
    assert_int_equal(gr_router_members(here->sys, router, pids, 4, &count), GR_OK);
    if (count > 0) {
        err = gr_request(here->sys, router, gr_msg_new(&question_type), 1000, &reply);
        assert_true(err == GR_OK || err == GR_ENOMEM || err == GR_ETIMEDOUT); /* of the answer */
        reply = gr_msg_unref(reply);
        assert_int_equal(gr_router_remove(here->sys, router, pids[0]), GR_OK);
    }
    gr_send_poison(here->sys, router);
    gr_stepped_run_until_idle(here->stepped);
}

static void try_broadcast(trial *here)
{
    gr_props props = {.receive = trial_receive, .arg = here, .arg_free = trial_freed};
    gr_router_options options = {.route = GR_ROUTE_BROADCAST, .pool = &props, .pool_size = 3};
    gr_pid router = gr_pid_null();

    if (gr_router_spawn(here->sys, &options, NULL, &router) != GR_OK) {
        return;
    }
    for (int64_t i = 0; i < 4; i++) {
        gr_msg *msg = lab_word_new(i);
        int64_t before = here->handled + here->dead;

        if (msg != NULL) {
            (void)gr_send(here->sys, router, msg);
            gr_stepped_run_until_idle(here->stepped);
            assert_int_equal(here->handled + here->dead, before + 3);
            here->accepted += 3;
        }
    }
}

static void with_each_allocation_failing(void (*attempt)(trial *here))
{
    enum { NTH_MAX = 3000 };
    uint64_t nth = 0, counted = 0;

    do {
        trial here = {0};
        gr_system_options options = {0};

        nth++;
        assert_true(nth < NTH_MAX);
        assert_int_equal(gr_stepped_new(1, &here.stepped), GR_OK);
        options.stepped = here.stepped;
        assert_int_equal(gr_system_new(&options, &here.sys), GR_OK);
        assert_int_equal(
            gr_subscribe(here.sys, &gr_dead_letter_type, on_dead_letter, &here, &here.subscription),
            GR_OK);
        gri_mem_fail_nth(nth);
        attempt(&here);
        counted = gri_mem_count();
        gri_mem_fail_nth(0);
        assert_int_equal(gr_system_stop(here.sys, GR_FOREVER), GR_OK);
        assert_int_equal(gr_system_counters(here.sys).actors, 0);
        assert_int_equal(here.handled + here.dead, here.accepted);
        assert_int_equal(here.freed, 1);
        here.subscription = gr_unsubscribe(here.subscription);
        here.sys = gr_system_free(here.sys);
        here.stepped = gr_stepped_free(here.stepped);
    } while (counted >= nth);
}

static void r36_each_allocation_fails_in_the_life_of_a_pool(void **state)
{
    (void)state;
    with_each_allocation_failing(try_pool);
}

static void r36_each_allocation_fails_in_a_broadcast(void **state)
{
    (void)state;
    with_each_allocation_failing(try_broadcast);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r26_a_pool_starts_its_members_and_ends_with_them),
        LAB_BOTH(r26_a_poisoned_pool_handles_what_was_sent_before),
        LAB_STEPPED(r26_what_comes_after_the_poison_of_a_pool_is_dead),
        LAB_BOTH(r26_a_member_that_fails_is_restarted_as_the_supervision_says),
        LAB_BOTH(r26_a_member_that_is_given_up_is_replaced),
        LAB_BOTH(r26_a_member_that_is_given_up_is_dropped_when_told_so),
        LAB_BOTH(r26_a_member_that_is_taken_out_ends_in_order_and_is_not_replaced),
        LAB_BOTH(r26_a_guest_of_a_pool_outlives_it),
        LAB_STEPPED(r26_the_arg_of_a_pool_is_freed_once_on_every_path),
        LAB_STEPPED(r26_a_successor_that_cannot_start_is_tried_again_every_second),
        LAB_STEPPED(r26_a_successor_has_the_keys_of_who_had_its_place),
        LAB_BOTH(r26_a_router_that_is_restarted_has_a_new_pool_and_its_guests),
        LAB_BOTH(r26_a_router_can_be_a_child),
        cmocka_unit_test(r36_each_allocation_fails_in_the_life_of_a_pool),
        cmocka_unit_test(r36_each_allocation_fails_in_a_broadcast),
    };

    return cmocka_run_group_tests_name("router_pool", tests, NULL, NULL);
}
