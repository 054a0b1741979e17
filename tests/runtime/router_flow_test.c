/*
 * Routers under load: members come and go while many threads send. Behaviour r27, and r35 for the stepped dispatcher.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

enum { SENDERS = 4, MEMBERS = 8, WHOLE = 1000000 };

/* On the heap: handlers may look at it until the system has stopped. */
typedef struct flow {
    struct lab *lab;
    gr_pid router;
    atomic_uchar *handled; /* how often, for each message */
    atomic_uchar *died;    /* likewise */
    atomic_size_t dead;    /* not known which */
    atomic_size_t sending; /* threads */
    atomic_size_t next_sender;
    size_t each; /* messages of a sender */
    gr_subscription *subscription;
} flow;

static gr_err count_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    flow *here = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    (void)ctx;
    if (word != NULL) { /* Relaxed: a count, read when everything has stopped */
        (void)atomic_fetch_add_explicit(&here->handled[word->number], 1, memory_order_relaxed);
    }
    return GR_OK;
}

static void on_dead_letter(void *arg, const gr_type *type, const void *event)
{
    const gr_dead_letter *letter = event;

    (void)type;
    if (strcmp(letter->message_type, "lab_word") == 0) {
        (void)atomic_fetch_add_explicit(&((flow *)arg)->died[letter->sender.slot], 1,
                                        memory_order_relaxed); /* a count */
    }
}

/* A word whose sender, nobody that there is, says in a dead letter which one it was. */
static gr_msg *traceable(size_t number)
{
    gr_msg *msg = lab_word_new((int64_t)number);

    lab_require(msg != NULL);
    gr_msg_set_sender(msg, (gr_pid){1, (uint32_t)number, 1});
    return msg;
}

static void *send_all(void *arg)
{
    flow *here = arg;
    size_t number =
        atomic_fetch_add_explicit(&here->next_sender, 1, memory_order_relaxed); /* a number */

    for (size_t i = 0; i < here->each; i++) {
        (void)gr_forward_msg(here->lab->sys, here->router, traceable(number * here->each + i));
    }
    (void)atomic_fetch_sub_explicit(&here->sending, 1, memory_order_relaxed); /* a count */
    return NULL;
}

static gr_pid spawn_member(flow *here)
{
    gr_props props = {.receive = count_receive, .arg = here};

    return lab_spawn_props(here->lab, &props, NULL);
}

static size_t count_members(flow *here)
{
    size_t count = 0;

    assert_int_equal(gr_router_members(here->lab->sys, here->router, NULL, 0, &count), GR_OK);
    return count;
}

/* One member comes, another goes: taken out, stopped, or both. Those that end by themselves have to leave in time. */
static void change(flow *here, gr_pid *members, size_t round)
{
    size_t at = round % MEMBERS;

    LAB_EVENTUALLY(here->lab, count_members(here) < (size_t)2 * MEMBERS);
    if (round % 3 != 0) {
        (void)gr_router_remove(here->lab->sys, here->router, members[at]);
    }
    if (round % 3 == 1) { /* taken out it lives on, and comes back */
        assert_int_equal(gr_router_add(here->lab->sys, here->router, members[at]), GR_OK);
        return;
    }
    gr_send_stop(here->lab->sys, members[at]);
    members[at] = spawn_member(here);
    assert_int_equal(gr_router_add(here->lab->sys, here->router, members[at]), GR_OK);
}

static gr_route_key key_of(const gr_msg *msg, void *arg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    gr_route_key key = {&word->number, sizeof(word->number)};

    (void)arg;
    return key;
}

static void run_flow(struct lab *lab, gr_route route, size_t messages)
{
    flow *here = lab_own(lab, sizeof(*here));
    gr_router_options options = {.route = route,
                                 .key = route == GR_ROUTE_CONSISTENT_HASH ? key_of : NULL};
    gr_pid members[MEMBERS];
    pthread_t threads[SENDERS];
    size_t round = 0, lost = 0, doubled = 0, died = 0;
    size_t copies = route == GR_ROUTE_BROADCAST ? (size_t)2 * MEMBERS : 1;

    here->lab = lab;
    here->each = messages / SENDERS;
    here->handled = lab_own(lab, here->each * SENDERS * sizeof(*here->handled));
    here->died = lab_own(lab, here->each * SENDERS * sizeof(*here->died));
    atomic_init(&here->sending, SENDERS);
    assert_int_equal(
        gr_subscribe(lab->sys, &gr_dead_letter_type, on_dead_letter, here, &here->subscription),
        GR_OK);
    assert_int_equal(gr_router_spawn(lab->sys, &options, NULL, &here->router), GR_OK);
    for (size_t i = 0; i < MEMBERS; i++) {
        members[i] = spawn_member(here);
        assert_int_equal(gr_router_add(lab->sys, here->router, members[i]), GR_OK);
    }
    for (size_t i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, here), 0);
    }
    while (atomic_load_explicit(&here->sending, memory_order_relaxed) != 0) { /* a count */
        change(here, members, round++);
    }
    for (size_t i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    here->subscription = gr_unsubscribe(here->subscription);
    for (size_t i = 0; i < here->each * SENDERS; i++) {
        /* Relaxed, both: everything has stopped. */
        size_t dead = atomic_load_explicit(&here->died[i], memory_order_relaxed);
        size_t times = dead + atomic_load_explicit(&here->handled[i], memory_order_relaxed);

        died += dead;
        lost += times == 0 ? 1 : 0;
        doubled += times > copies ? 1 : 0;
    }
    assert_true(round > 0);
    assert_int_equal(lost, 0); /* each is handled or a dead letter, exactly once */
    assert_int_equal(doubled, 0);
    assert_true(died <= gr_system_counters(lab->sys).dead_letters);
}

static void r27_members_come_and_go_while_messages_flow_in_turn(void **state)
{
    run_flow(*state, GR_ROUTE_ROUND_ROBIN, lab_scaled(WHOLE));
}

static void r27_members_come_and_go_while_messages_flow_at_random(void **state)
{
    run_flow(*state, GR_ROUTE_RANDOM, lab_scaled(WHOLE / 4));
}

static void r27_members_come_and_go_while_messages_flow_by_key(void **state)
{
    run_flow(*state, GR_ROUTE_CONSISTENT_HASH, lab_scaled(WHOLE / 4));
}

static void r27_members_come_and_go_while_messages_flow_by_load(void **state)
{
    run_flow(*state, GR_ROUTE_LEAST_LOADED, lab_scaled(WHOLE / 4));
}

static void r27_members_come_and_go_while_messages_flow_to_all(void **state)
{
    run_flow(*state, GR_ROUTE_BROADCAST, lab_scaled(WHOLE / 20));
}

/* Routers end while others send to them, and their slots have new occupants. */
static void *send_until_told(void *arg)
{
    flow *here = arg;

    while (atomic_load_explicit(&here->sending, memory_order_relaxed) != 0) { /* a count */
        gr_pid router = gr_pid_null();

        if (gr_name_find(here->lab->sys, "router", &router) == GR_OK) {
            for (int64_t i = 0; i < 20; i++) {
                if (gr_send(here->lab->sys, router, lab_word_new(0)) != GR_OK) {
                    (void)atomic_fetch_add_explicit(&here->dead, 1, memory_order_relaxed);
                }
            }
        }
    }
    return NULL;
}

static void r27_routers_come_and_go_while_messages_flow(void **state)
{
    struct lab *lab = *state;
    flow *here = lab_own(lab, sizeof(*here));
    gr_props props = {.receive = count_receive, .arg = here};
    gr_router_options options = {.pool = &props, .pool_size = 2};
    pthread_t threads[2];

    here->lab = lab;
    here->handled = lab_own(lab, sizeof(*here->handled));
    atomic_init(&here->sending, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, send_until_told, here), 0);
    }
    for (size_t i = 0; i < lab_scaled(2000); i++) {
        gr_err err = gr_router_spawn(lab->sys, &options, "router", &here->router);

        assert_true(err == GR_OK || err == GR_EEXIST); /* the last one may still be ending */
        if (err == GR_OK && i % 2 == 0) {
            gr_send_stop(lab->sys, here->router);
        } else if (err == GR_OK) {
            gr_send_poison(lab->sys, here->router);
        }
    }
    atomic_store_explicit(&here->sending, 0, memory_order_relaxed); /* a flag */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
}

/* ---- under a seed */

typedef struct trace {
    uint64_t hash;
    size_t lines;
} trace;

static void on_step(void *arg, const char *line)
{
    trace *here = arg;

    for (; *line != '\0'; line++) {
        here->hash = (here->hash ^ (unsigned char)*line) * 0x100000001b3u;
    }
    here->lines++;
}

static gr_err swallow(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    (void)ctx;
    (void)state;
    return word != NULL && word->number % 10 == 3 ? gr_fatal(GR_EFAILED, "three") : GR_OK;
}

static trace run_under(uint64_t seed)
{
    static const gr_route routes[] = {GR_ROUTE_ROUND_ROBIN, GR_ROUTE_RANDOM, GR_ROUTE_BROADCAST,
                                      GR_ROUTE_CONSISTENT_HASH, GR_ROUTE_LEAST_LOADED};
    gr_props props = {.receive = swallow};
    gr_stepped *stepped = NULL;
    gr_system *sys = NULL;
    trace here = {0};

    assert_int_equal(gr_stepped_new(seed, &stepped), GR_OK);
    gr_stepped_trace(stepped, on_step, &here);
    assert_int_equal(gr_system_new(&(gr_system_options){.stepped = stepped}, &sys), GR_OK);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        gr_router_options options = {.route = routes[i],
                                     .key = routes[i] == GR_ROUTE_CONSISTENT_HASH ? key_of : NULL,
                                     .pool = &props,
                                     .pool_size = 5};
        gr_pid router = gr_pid_null();

        options.supervision.restarts = GR_RESTARTS_NEVER;
        assert_int_equal(gr_router_spawn(sys, &options, NULL, &router), GR_OK);
        for (int64_t number = 0; number < 50; number++) {
            (void)gr_send(sys, router, lab_word_new(number));
            (void)gr_stepped_step(stepped);
        }
    }
    assert_int_equal(gr_system_stop(sys, GR_FOREVER), GR_OK);
    sys = gr_system_free(sys);
    stepped = gr_stepped_free(stepped);
    return here;
}

static void r35_the_same_seed_routes_the_same_way(void **state)
{
    trace first = run_under(1), again = run_under(1), other = run_under(2);

    (void)state;
    assert_true(first.lines > 100);
    assert_int_equal(first.lines, again.lines);
    assert_true(first.hash == again.hash);
    assert_true(first.hash != other.hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_THREADS(r27_members_come_and_go_while_messages_flow_in_turn),
        LAB_THREADS(r27_members_come_and_go_while_messages_flow_at_random),
        LAB_THREADS(r27_members_come_and_go_while_messages_flow_by_key),
        LAB_THREADS(r27_members_come_and_go_while_messages_flow_by_load),
        LAB_THREADS(r27_members_come_and_go_while_messages_flow_to_all),
        LAB_THREADS(r27_routers_come_and_go_while_messages_flow),
        cmocka_unit_test(r35_the_same_seed_routes_the_same_way),
    };

    return cmocka_run_group_tests_name("router_flow", tests, NULL, NULL);
}
