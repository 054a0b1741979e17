/*
 * Routers over actors that are given to them: who gets what, who answers, and members that come and go. Behaviour r26.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

enum { MEMBERS = 5 };

/* Names of members, as many as any test has. */
static const char *const names[] = {"m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"};

static void spawn_members(struct lab *lab, gr_pid *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pids[i] = lab_spawn(lab, names[i]);
    }
}

/* A word is its own key. */
static gr_route_key key_of(const gr_msg *msg, void *arg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_route_key key = {word == NULL ? NULL : &word->number, sizeof(word->number)};

    (void)arg;
    return key;
}

static gr_pid spawn_group(struct lab *lab, gr_route route, const gr_pid *pids, size_t count)
{
    gr_router_options options = {.route = route,
                                 .key = route == GR_ROUTE_CONSISTENT_HASH ? key_of : NULL,
                                 .members = pids,
                                 .members_count = count};
    gr_pid router = gr_pid_null();

    assert_int_equal(gr_router_spawn(lab->sys, &options, "router", &router), GR_OK);
    return router;
}

static size_t count_members(struct lab *lab, gr_pid router)
{
    size_t count = 0;

    assert_int_equal(gr_router_members(lab->sys, router, NULL, 0, &count), GR_OK);
    return count;
}

static void flush(struct lab *lab, const gr_pid *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lab_flush(lab, pids[i]);
    }
}

/* How many notes of words a member has made. */
static size_t handled_by(struct lab *lab, const char *name, int64_t words)
{
    char note[32];
    size_t count = 0;

    for (int64_t i = 0; i < words; i++) {
        (void)snprintf(note, sizeof(note), "%s %lld", name, (long long)i);
        count += lab_count(lab, note);
    }
    return count;
}

/* ---- who gets what */

static void r26_round_robin_is_even(void **state)
{
    enum { ROUNDS = 20 };
    struct lab *lab = *state;
    gr_pid pids[MEMBERS];
    gr_pid router;

    spawn_members(lab, pids, MEMBERS);
    router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, pids, MEMBERS);
    for (int64_t i = 0; i < (int64_t)ROUNDS * MEMBERS; i++) {
        lab_tell(lab, router, i);
    }
    flush(lab, pids, MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(handled_by(lab, names[i], (int64_t)ROUNDS * MEMBERS), ROUNDS);
    }
    assert_int_equal(lab_count(lab, "m0 0"), 1);
    assert_int_equal(lab_count(lab, "m1 1"), 1);
    assert_int_equal(lab_dead(lab), 0);
}

static void r26_broadcast_reaches_all(void **state)
{
    enum { MANY = 40 }; /* more than are looked up at once */
    struct lab *lab = *state;
    gr_pid pids[MANY];
    gr_pid router;

    for (size_t i = 0; i < MANY; i++) {
        gr_props props = lab_probe_props(lab, "m");

        pids[i] = lab_spawn_props(lab, &props, NULL);
    }
    router = spawn_group(lab, GR_ROUTE_BROADCAST, pids, MANY);
    lab_tell(lab, router, 1);
    lab_tell(lab, router, 2);
    flush(lab, pids, MANY);
    assert_int_equal(lab_count(lab, "m 1"), MANY);
    assert_int_equal(lab_count(lab, "m 2"), MANY);
}

/* 5000 draws among 5: each share has a standard deviation of 28, so 200 off is seven of them. */
static void r26_random_is_fair_within_statistics(void **state)
{
    enum { DRAWS = 5000, OFF = 200 };
    struct lab *lab = *state;
    gr_pid pids[MEMBERS];
    gr_pid router;

    spawn_members(lab, pids, MEMBERS);
    router = spawn_group(lab, GR_ROUTE_RANDOM, pids, MEMBERS);
    for (int64_t i = 0; i < DRAWS; i++) {
        lab_tell(lab, router, i % 8);
    }
    flush(lab, pids, MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        size_t count = handled_by(lab, names[i], 8);

        assert_in_range(count, DRAWS / MEMBERS - OFF, DRAWS / MEMBERS + OFF);
    }
}

enum { KEYS = 200 };

/* Which member has a key now: its index. */
static size_t owner_of(struct lab *lab, gr_pid router, int64_t key)
{
    char note[32];
    size_t before[8];

    for (size_t i = 0; i < 8; i++) {
        (void)snprintf(note, sizeof(note), "%s %lld", names[i], (long long)key);
        before[i] = lab_count(lab, note);
    }
    lab_tell(lab, router, key);
    gr_stepped_run_until_idle(lab->stepped);
    for (size_t i = 0; i < 8; i++) {
        (void)snprintf(note, sizeof(note), "%s %lld", names[i], (long long)key);
        if (lab_count(lab, note) > before[i]) {
            return i;
        }
    }
    fail_msg("nobody has got key %lld", (long long)key);
    return 0;
}

static void r26_consistent_hash_keeps_a_keys_member_when_others_come_and_go(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[MEMBERS + 1];
    size_t first[KEYS], shares[MEMBERS + 1] = {0}, moved = 0;
    gr_pid router;

    spawn_members(lab, pids, MEMBERS + 1);
    router = spawn_group(lab, GR_ROUTE_CONSISTENT_HASH, pids, MEMBERS);
    for (int64_t key = 0; key < KEYS; key++) {
        first[key] = owner_of(lab, router, key);
        shares[first[key]]++;
        assert_int_equal(owner_of(lab, router, key), first[key]);
    }
    for (size_t i = 0; i < MEMBERS; i++) { /* 40 each, standard deviation 5.7 */
        assert_in_range(shares[i], 12, 68);
    }
    assert_int_equal(gr_router_add(lab->sys, router, pids[MEMBERS]), GR_OK);
    for (int64_t key = 0; key < KEYS; key++) {
        size_t now = owner_of(lab, router, key);

        if (now != first[key]) { /* only to who has come */
            assert_int_equal(now, MEMBERS);
            moved++;
        }
    }
    assert_in_range(moved, 8, 60); /* a sixth is 33 */
    assert_int_equal(gr_router_remove(lab->sys, router, pids[MEMBERS]), GR_OK);
    assert_int_equal(gr_router_remove(lab->sys, router, pids[0]), GR_OK);
    for (int64_t key = 0; key < KEYS; key++) {
        size_t now = owner_of(lab, router, key);

        assert_int_not_equal(now, 0);
        if (first[key] != 0) {
            assert_int_equal(now, first[key]);
        }
    }
}

static void r26_two_routers_agree_on_the_member_of_a_key(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[MEMBERS], turned[MEMBERS];
    gr_router_options options = {.route = GR_ROUTE_CONSISTENT_HASH, .key = key_of};
    gr_pid router, other = gr_pid_null();

    spawn_members(lab, pids, MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        turned[i] = pids[MEMBERS - 1 - i];
    }
    router = spawn_group(lab, GR_ROUTE_CONSISTENT_HASH, pids, MEMBERS);
    options.members = turned;
    options.members_count = MEMBERS;
    assert_int_equal(gr_router_spawn(lab->sys, &options, "other", &other), GR_OK);
    for (int64_t key = 0; key < KEYS; key++) {
        assert_int_equal(owner_of(lab, router, key), owner_of(lab, other, key));
    }
}

/* Member i has been told i words; they stay in its mailbox, since nothing is stepped. */
static void r26_the_least_loaded_gets_the_message(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[3];
    gr_pid router;

    spawn_members(lab, pids, 3);
    router = spawn_group(lab, GR_ROUTE_LEAST_LOADED, pids, 3);
    lab_run(lab);
    for (int64_t i = 0; i < 4; i++) {
        lab_tell(lab, pids[0], 100);
    }
    lab_tell(lab, pids[1], 100);
    lab_tell(lab, pids[1], 100);
    for (int64_t i = 0; i < 6; i++) { /* 0 1 to the empty one, then in turn, until all have four */
        lab_tell(lab, router, i);
    }
    lab_run(lab);
    assert_int_equal(handled_by(lab, "m0", 6), 0);
    assert_int_equal(handled_by(lab, "m1", 6), 2);
    assert_int_equal(handled_by(lab, "m2", 6), 4);
    assert_int_equal(lab_count(lab, "m2 0"), 1);
    assert_int_equal(lab_count(lab, "m2 1"), 1);
}

static void r26_equally_loaded_members_get_messages_in_turn(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[3];
    gr_pid router;

    spawn_members(lab, pids, 3);
    router = spawn_group(lab, GR_ROUTE_LEAST_LOADED, pids, 3);
    for (int64_t i = 0; i < 9; i++) {
        lab_tell(lab, router, i);
        lab_run(lab);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(handled_by(lab, names[i], 9), 3);
    }
}

static gr_err wait_for_future(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;

    (void)ctx;
    (void)lab;
    lab_require(gr_await(arg, GR_FOREVER, &reply) == GR_OK);
    reply = gr_msg_unref(reply);
    return GR_OK;
}

static void r26_a_member_that_is_busy_with_one_message_is_not_idle(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[2];
    gr_pid router;
    gr_future *future = NULL;

    spawn_members(lab, pids, 2);
    router = spawn_group(lab, GR_ROUTE_LEAST_LOADED, pids, 2);
    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, pids[0], wait_for_future, future);
    lab_run(lab);
    for (int64_t i = 0; i < 4; i++) {
        lab_tell(lab, router, i);
        lab_run(lab);
    }
    assert_int_equal(handled_by(lab, "m1", 4), 4);
    lab_tell(lab, gr_future_pid(future), 0);
    lab_run(lab);
    future = gr_future_unref(future);
}

/* ---- answers */

static void r26_an_answer_goes_straight_back(void **state)
{
    static const gr_route routes[] = {GR_ROUTE_ROUND_ROBIN, GR_ROUTE_RANDOM, GR_ROUTE_BROADCAST,
                                      GR_ROUTE_CONSISTENT_HASH, GR_ROUTE_LEAST_LOADED};
    struct lab *lab = *state;
    gr_pid pids[3];

    spawn_members(lab, pids, 3);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        gr_pid router = spawn_group(lab, routes[i], pids, 3);
        gr_msg *reply = NULL;

        assert_int_equal(gr_request(lab->sys, router, lab_word_new(7), GR_FOREVER, &reply), GR_OK);
        assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, 7);
        reply = gr_msg_unref(reply);
        gr_send_stop(lab->sys, router);
        LAB_EVENTUALLY(lab, !gr_process_alive(lab->sys, router));
    }
    flush(lab, pids, 3);
    assert_int_equal(lab_dead(lab), 0);
}

static void r26_a_request_through_a_router_fails_with_its_member(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "m0");
    gr_pid router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, &pid, 1);
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    gr_send_stop(lab->sys, pid);
    assert_int_equal(gr_request_future(lab->sys, router, lab_word_new(1), GR_FOREVER, &future),
                     GR_OK);
    assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_EDEAD);
    future = gr_future_unref(future);
}

static void r26_a_router_without_members_refuses_at_once(void **state)
{
    static const gr_route routes[] = {GR_ROUTE_ROUND_ROBIN, GR_ROUTE_RANDOM, GR_ROUTE_BROADCAST,
                                      GR_ROUTE_CONSISTENT_HASH, GR_ROUTE_LEAST_LOADED};
    struct lab *lab = *state;

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        gr_pid router = spawn_group(lab, routes[i], NULL, 0);
        gr_msg *reply = NULL;

        assert_int_equal(gr_send(lab->sys, router, lab_word_new(1)), GR_EDEAD);
        assert_non_null(strstr(gr_last_error()->text, "has no members"));
        assert_int_equal(gr_send_wait(lab->sys, router, lab_word_new(1), GR_FOREVER), GR_EDEAD);
        assert_int_equal(gr_request(lab->sys, router, lab_word_new(1), GR_FOREVER, &reply),
                         GR_EDEAD);
        assert_non_null(strstr(gr_last_error()->text, "has no members"));
        assert_int_equal(lab_dead(lab), 3 * (i + 1));
        assert_int_equal(lab_dead_at(lab, 3 * i).cause, GR_DEAD_NO_ACTOR);
        assert_true(gr_pid_equal(lab_dead_at(lab, 3 * i).to, router));
        gr_send_stop(lab->sys, router);
        LAB_EVENTUALLY(lab, !gr_process_alive(lab->sys, router));
    }
}

/* ---- members that are slow or dead, and broadcasts */

static gr_pid spawn_small(struct lab *lab, const char *name)
{
    gr_props props = lab_probe_props(lab, name);

    props.mailbox_limit = 1;
    return lab_spawn_props(lab, &props, name);
}

static void r26_a_full_or_dead_member_does_no_harm_to_a_broadcast(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[4];
    gr_pid router;
    gr_msg *reply = NULL;

    pids[0] = spawn_small(lab, "m0");
    pids[1] = lab_spawn(lab, "m1");
    pids[2] = lab_spawn(lab, "m2");
    router = spawn_group(lab, GR_ROUTE_BROADCAST, pids, 3);
    lab_run(lab);
    lab_tell(lab, pids[0], 100); /* full */
    gr_send_stop(lab->sys, pids[1]);
    lab_tell(lab, router, 1);
    assert_int_equal(lab_dead(lab), 1);
    assert_int_equal(lab_dead_at(lab, 0).cause, GR_DEAD_FULL);
    /* Its copies die with m1 and at m0, before m2 answers: neither is the answer. */
    assert_int_equal(gr_request(lab->sys, router, lab_word_new(2), GR_FOREVER, &reply), GR_OK);
    reply = gr_msg_unref(reply);
    lab_run(lab);
    lab_assert_notes(lab, "m2 ", "m2 started|m2 1|m2 2");
    assert_int_equal(lab_dead(lab), 4);
    assert_int_equal(count_members(lab, router), 2);
}

static void r26_a_broadcast_that_nobody_takes_fails_at_once(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[2];
    gr_pid router;
    gr_msg *reply = NULL;

    pids[0] = spawn_small(lab, "m0");
    pids[1] = spawn_small(lab, "m1");
    router = spawn_group(lab, GR_ROUTE_BROADCAST, pids, 2);
    lab_run(lab);
    lab_tell(lab, router, 1);
    assert_int_equal(gr_send(lab->sys, router, lab_word_new(2)), GR_EFULL);
    assert_non_null(strstr(gr_last_error()->text, "none of the 2 members"));
    assert_int_equal(gr_request(lab->sys, router, lab_word_new(3), GR_FOREVER, &reply), GR_EFULL);
    assert_int_equal(lab_dead(lab), 4);
}

static gr_err forward_word(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)msg;
    return gr_forward(ctx, *(gr_pid *)state);
}

static void r26_a_copy_of_a_request_that_is_forwarded_stays_one_of_many(void **state)
{
    struct lab *lab = *state;
    gr_pid nobody = lab_spawn(lab, "nobody");
    gr_props props = {.receive = forward_word, .arg = &nobody};
    gr_pid pids[2];
    gr_pid router;
    gr_future *future = NULL;
    gr_msg *reply = NULL;

    gr_send_stop(lab->sys, nobody);
    lab_run(lab);
    pids[0] = lab_spawn_props(lab, &props, "forwarder");
    pids[1] = lab_spawn(lab, "m1");
    router = spawn_group(lab, GR_ROUTE_BROADCAST, pids, 2);
    for (int64_t i = 0; i < 10; i++) { /* in many orders */
        assert_int_equal(gr_request_future(lab->sys, router, lab_word_new(i), GR_FOREVER, &future),
                         GR_OK);
        assert_int_equal(gr_await(future, GR_FOREVER, &reply), GR_OK);
        reply = gr_msg_unref(reply);
        future = gr_future_unref(future);
    }
    lab_run(lab);
}

static void r26_a_sender_can_wait_for_room_behind_a_router(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_small(lab, "m0");
    gr_pid router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, &pid, 1);

    lab_run(lab);
    lab_tell(lab, router, 1);
    assert_int_equal(gr_send(lab->sys, router, lab_word_new(2)), GR_EFULL);
    assert_int_equal(gr_send_wait(lab->sys, router, lab_word_new(3), GR_FOREVER), GR_OK);
    lab_run(lab);
    lab_assert_notes(lab, "m0 ", "m0 started|m0 1|m0 3");
}

/* ---- members that come and go */

static void r26_a_member_that_ends_leaves_by_itself(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[3], left[3];
    gr_pid router;
    size_t count = 0;

    spawn_members(lab, pids, 3);
    router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, pids, 2);
    assert_int_equal(gr_router_add(lab->sys, router, pids[2]), GR_OK);
    gr_send_stop(lab->sys, pids[0]);
    LAB_EVENTUALLY(lab, count_members(lab, router) == 2);
    gr_send_stop(lab->sys, pids[2]);
    LAB_EVENTUALLY(lab, count_members(lab, router) == 1);
    assert_int_equal(gr_router_members(lab->sys, router, left, 3, &count), GR_OK);
    assert_true(gr_pid_equal(left[0], pids[1]));
    lab_tell(lab, router, 5);
    lab_wait(lab, "m1 5");
    assert_int_equal(lab_dead(lab), 0);
}

static void r26_who_was_taken_out_lives_on_and_gets_nothing(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[2];
    gr_pid router;

    spawn_members(lab, pids, 2);
    router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, pids, 2);
    assert_int_equal(gr_router_remove(lab->sys, router, pids[0]), GR_OK);
    assert_int_equal(gr_router_remove(lab->sys, router, pids[0]), GR_ENOTFOUND);
    for (int64_t i = 0; i < 4; i++) {
        lab_tell(lab, router, i);
    }
    flush(lab, pids, 2);
    assert_int_equal(handled_by(lab, "m0", 4), 0);
    assert_int_equal(handled_by(lab, "m1", 4), 4);
    assert_int_equal(gr_router_add(lab->sys, router, pids[0]), GR_OK);
    assert_int_equal(count_members(lab, router), 2);
    gr_send_stop(lab->sys, pids[0]); /* watched again */
    LAB_EVENTUALLY(lab, count_members(lab, router) == 1);
}

static void r26_a_router_is_stopped_watched_and_named_as_an_actor_is(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[2];
    gr_pid watcher = lab_spawn(lab, "watcher");
    gr_pid router, found = gr_pid_null();

    spawn_members(lab, pids, 2);
    router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, pids, 2);
    assert_int_equal(gr_name_find(lab->sys, "router", &found), GR_OK);
    assert_true(gr_pid_equal(router, found));
    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &router), GR_OK);
    gr_send_stop(lab->sys, router);
    lab_wait(lab, "watcher sees stopped");
    assert_int_equal(gr_send(lab->sys, router, lab_word_new(1)), GR_EDEAD);
    assert_int_equal(gr_router_add(lab->sys, router, pids[0]), GR_EDEAD);
    assert_int_equal(gr_router_remove(lab->sys, router, pids[0]), GR_EDEAD);
    flush(lab, pids, 2); /* a group's members live on */
    assert_int_equal(gr_name_find(lab->sys, "router", &found), GR_ENOTFOUND);
}

static void r26_routers_can_stand_behind_routers(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[4], halves[2];
    gr_pid router;
    gr_router_options options = {.route = GR_ROUTE_BROADCAST, .members_count = 2};

    spawn_members(lab, pids, 4);
    for (size_t i = 0; i < 2; i++) {
        options.members = &pids[2 * i];
        assert_int_equal(gr_router_spawn(lab->sys, &options, NULL, &halves[i]), GR_OK);
    }
    router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, halves, 2);
    lab_tell(lab, router, 0);
    lab_tell(lab, router, 1);
    flush(lab, pids, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(handled_by(lab, names[i], 2), 1);
    }
}

static void r26_routers_that_lead_to_one_another_are_found_out(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "m0");
    gr_pid first = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, NULL, 0);
    gr_router_options options = {.members = &first, .members_count = 1};
    gr_pid second = gr_pid_null();

    assert_int_equal(gr_router_spawn(lab->sys, &options, "second", &second), GR_OK);
    assert_int_equal(gr_router_add(lab->sys, first, second), GR_OK);
    assert_int_equal(gr_send(lab->sys, first, lab_word_new(1)), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "lead to one another"));
    assert_int_equal(lab_dead(lab), 1);
    (void)pid;
}

static gr_err count_around(void *arg, gr_context *ctx, const gr_msg *msg, const gr_next *next)
{
    ++*(int *)arg;
    return gr_next_receive(next, ctx, msg);
}

static void r26_middleware_is_around_members_and_not_around_the_router(void **state)
{
    struct lab *lab = *state;
    int count = 0;
    gr_passivation passivation;
    gr_middleware counting = {.name = "counting", .arg = &count, .receive = count_around};
    const gr_middleware *const all[] = {&counting, &passivation.middleware, NULL};
    gr_system_options options = lab->options;
    gr_pid pids[2];
    gr_pid router;

    assert_int_equal(gr_passivation_init(&passivation, 1000), GR_OK);
    options.middleware = all;
    lab_reopen(lab, &options);
    spawn_members(lab, pids, 2);
    router = spawn_group(lab, GR_ROUTE_BROADCAST, pids, 2);
    lab_tell(lab, router, 1);
    lab_run(lab);
    assert_int_equal(count, 2);
    lab_advance(lab, 10000);
    assert_false(gr_process_alive(lab->sys, pids[0])); /* the members fall asleep, and leave */
    assert_true(gr_process_alive(lab->sys, router));   /* it has nothing to do, and stays */
    assert_int_equal(count_members(lab, router), 0);
    lab_shut(lab);
}

/* ---- members of other systems */

typedef struct abroad {
    struct lab *lab;
    gr_pid watcher;
} abroad;

static gr_err abroad_send(void *self, gr_pid to, gr_msg *take_msg, int64_t deadline_ms)
{
    abroad *me = self;
    const lab_word *word = gr_msg_read(take_msg, &lab_word_type);

    (void)deadline_ms;
    lab_note(me->lab, "abroad %u %lld", to.slot, (long long)word->number);
    take_msg = gr_msg_unref(take_msg);
    return GR_OK;
}

static gr_err abroad_signal(void *self, const gr_signal *signal)
{
    ((abroad *)self)->watcher = signal->from;
    return GR_OK;
}

static const gr_foreign_ops abroad_ops = {
    .version = GR_FOREIGN_VERSION, .send = abroad_send, .signal = abroad_signal};

static void r26_members_may_live_in_other_systems(void **state)
{
    struct lab *lab = *state;
    abroad *me = lab_own(lab, sizeof(*me));
    gr_pid pids[2] = {lab_spawn(lab, "m0"), {gr_system_node(lab->sys) + 1, 50, 1}};
    gr_router_options options = {.members = pids, .members_count = 2};
    gr_pid router = gr_pid_null();
    gr_signal lost = {.kind = GR_SIGNAL_TERMINATED, .from = pids[1], .reason = GR_REASON_NODE_LOST};

    assert_int_equal(gr_router_spawn(lab->sys, &options, NULL, &router), GR_EUNREACHABLE);
    me->lab = lab;
    gr_system_set_foreign(lab->sys, &abroad_ops, me);
    router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, pids, 2);
    lab_tell(lab, router, 0);
    lab_tell(lab, router, 1);
    lab_tell(lab, router, 2);
    lab_run(lab);
    lab_assert_notes(lab, "abroad", "abroad 50 1");
    lab_assert_notes(lab, "m0 ", "m0 started|m0 0|m0 2");
    lost.to = me->watcher;
    assert_int_equal(gr_signal_send(lab->sys, &lost), GR_OK);
    lab_run(lab);
    assert_int_equal(count_members(lab, router), 1);
    gr_system_set_foreign(lab->sys, NULL, NULL);
    assert_int_equal(gr_router_add(lab->sys, router, pids[1]), GR_OK);
    lab_run(lab); /* it cannot be watched: it leaves */
    assert_int_equal(count_members(lab, router), 1);
}

static void r26_a_member_of_another_system_counts_as_busy_as_the_average(void **state)
{
    struct lab *lab = *state;
    abroad *me = lab_own(lab, sizeof(*me));
    gr_pid pids[3] = {
        lab_spawn(lab, "m0"), lab_spawn(lab, "m1"), {gr_system_node(lab->sys) + 1, 50, 1}};
    gr_pid router;

    me->lab = lab;
    gr_system_set_foreign(lab->sys, &abroad_ops, me);
    router = spawn_group(lab, GR_ROUTE_LEAST_LOADED, pids, 3);
    lab_run(lab);
    for (int64_t i = 0; i < 6; i++) {
        lab_tell(lab, pids[0], 100);
    }
    for (int64_t i = 0; i < 3; i++) { /* the average is more than m1 has */
        lab_tell(lab, router, i);
    }
    lab_assert_notes(lab, "abroad", "");
    lab_run(lab);
    assert_int_equal(handled_by(lab, "m1", 3), 3);
    for (int64_t i = 10; i < 16; i++) { /* all are idle: in turn */
        lab_tell(lab, router, i);
        lab_run(lab);
    }
    assert_int_equal(lab_count(lab, "abroad 50 11") + lab_count(lab, "abroad 50 10") +
                         lab_count(lab, "abroad 50 12") + lab_count(lab, "abroad 50 13") +
                         lab_count(lab, "abroad 50 14") + lab_count(lab, "abroad 50 15"),
                     2);
    gr_system_set_foreign(lab->sys, NULL, NULL);
}

/* ---- what is refused */

static void expect_invalid(struct lab *lab, const gr_router_options *options, const char *words)
{
    gr_pid router = gr_pid_null();

    assert_int_equal(gr_router_spawn(lab->sys, options, NULL, &router), GR_EINVAL);
    if (strstr(gr_last_error()->text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", gr_last_error()->text, words);
    }
    assert_true(gr_pid_is_null(router));
}

static void bad_options_are_refused(void **state)
{
    struct lab *lab = *state;
    gr_props props = lab_probe_props(lab, "m");
    gr_pid pid = lab_spawn(lab, "m0");
    gr_pid nobody = gr_pid_null();
    gr_future *future = NULL;
    gr_pid future_pid;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    future_pid = gr_future_pid(future);
    expect_invalid(lab, NULL, "without options");
    expect_invalid(lab, &(gr_router_options){.route = (gr_route)5}, "route 5");
    expect_invalid(lab, &(gr_router_options){.loss = (gr_pool_loss)2}, "loss 2");
    expect_invalid(lab, &(gr_router_options){.route = GR_ROUTE_CONSISTENT_HASH}, "needs a `key`");
    expect_invalid(lab, &(gr_router_options){.key = key_of}, "GR_ROUTE_CONSISTENT_HASH only");
    expect_invalid(
        lab,
        &(gr_router_options){.pool = &props, .pool_size = 1, .members = &pid, .members_count = 1},
        "gr_router_add()");
    expect_invalid(lab, &(gr_router_options){.pool = &props}, "pool of 0");
    expect_invalid(lab, &(gr_router_options){.pool_size = 1}, "without a `pool`");
    expect_invalid(lab, &(gr_router_options){.pool = &props, .pool_size = 1001}, "at most 1000");
    expect_invalid(lab, &(gr_router_options){.members_count = 1}, "without `members`");
    expect_invalid(lab, &(gr_router_options){.members = &nobody, .members_count = 1}, "null pid");
    expect_invalid(lab, &(gr_router_options){.members = &future_pid, .members_count = 1},
                   "only actors");
    future = gr_future_unref(future);
    assert_int_equal(gr_system_counters(lab->sys).actors, 1);
}

static void bad_members_are_refused(void **state)
{
    struct lab *lab = *state;
    gr_pid pids[2];
    gr_pid twice[2];
    gr_router_options options = {.members = twice, .members_count = 2};
    gr_pid router, other = gr_pid_null();

    spawn_members(lab, pids, 2);
    router = spawn_group(lab, GR_ROUTE_ROUND_ROBIN, pids, 1);
    assert_int_equal(gr_router_add(lab->sys, router, gr_pid_null()), GR_EINVAL);
    assert_int_equal(gr_router_add(lab->sys, router, router), GR_EINVAL);
    assert_int_equal(gr_router_add(lab->sys, router, pids[0]), GR_EEXIST);
    assert_int_equal(gr_router_add(lab->sys, pids[0], pids[1]), GR_EINVAL);
    assert_non_null(strstr(gr_last_error()->text, "is no router"));
    assert_int_equal(gr_router_add(lab->sys, gr_pid_null(), pids[1]), GR_EINVAL);
    assert_int_equal(gr_router_remove(lab->sys, router, pids[1]), GR_ENOTFOUND);
    gr_send_stop(lab->sys, pids[1]);
    LAB_EVENTUALLY(lab, !gr_process_alive(lab->sys, pids[1]));
    assert_int_equal(gr_router_add(lab->sys, router, pids[1]), GR_EDEAD);
    twice[0] = twice[1] = pids[0];
    assert_int_equal(gr_router_spawn(lab->sys, &options, NULL, &other), GR_EEXIST);
    assert_int_equal(count_members(lab, router), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r26_round_robin_is_even),
        LAB_BOTH(r26_broadcast_reaches_all),
        LAB_BOTH(r26_random_is_fair_within_statistics),
        LAB_STEPPED(r26_consistent_hash_keeps_a_keys_member_when_others_come_and_go),
        LAB_STEPPED(r26_two_routers_agree_on_the_member_of_a_key),
        LAB_STEPPED(r26_the_least_loaded_gets_the_message),
        LAB_STEPPED(r26_equally_loaded_members_get_messages_in_turn),
        LAB_STEPPED(r26_a_member_that_is_busy_with_one_message_is_not_idle),
        LAB_BOTH(r26_an_answer_goes_straight_back),
        LAB_BOTH(r26_a_request_through_a_router_fails_with_its_member),
        LAB_BOTH(r26_a_router_without_members_refuses_at_once),
        LAB_STEPPED(r26_a_full_or_dead_member_does_no_harm_to_a_broadcast),
        LAB_STEPPED(r26_a_broadcast_that_nobody_takes_fails_at_once),
        LAB_STEPPED(r26_a_copy_of_a_request_that_is_forwarded_stays_one_of_many),
        LAB_STEPPED(r26_a_sender_can_wait_for_room_behind_a_router),
        LAB_BOTH(r26_a_member_that_ends_leaves_by_itself),
        LAB_BOTH(r26_who_was_taken_out_lives_on_and_gets_nothing),
        LAB_BOTH(r26_a_router_is_stopped_watched_and_named_as_an_actor_is),
        LAB_BOTH(r26_routers_can_stand_behind_routers),
        LAB_BOTH(r26_routers_that_lead_to_one_another_are_found_out),
        LAB_STEPPED(r26_middleware_is_around_members_and_not_around_the_router),
        LAB_STEPPED(r26_members_may_live_in_other_systems),
        LAB_STEPPED(r26_a_member_of_another_system_counts_as_busy_as_the_average),
        LAB_BOTH(bad_options_are_refused),
        LAB_BOTH(bad_members_are_refused),
    };

    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
