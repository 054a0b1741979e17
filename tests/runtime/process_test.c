/*
 * What extenders build on: processes of one's own, well-known slots, pids of other systems, signals.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

/* ---- processes of one's own */

typedef struct post_box {
    struct lab *lab;
    const char *name;
    atomic_size_t delivered;
} post_box;

static void box_deliver(void *self, gr_pid pid, gr_msg *take_msg)
{
    post_box *box = self;
    const lab_word *word = gr_msg_read(take_msg, &lab_word_type);

    (void)pid;
    /* Relaxed: a plain count. */
    (void)atomic_fetch_add_explicit(&box->delivered, 1, memory_order_relaxed);
    if (word != NULL && word->number >= 0) {
        lab_note(box->lab, "%s got %lld", box->name, (long long)word->number);
    }
    take_msg = gr_msg_unref(take_msg);
}

static void box_closed(void *self)
{
    post_box *box = self;

    lab_note(box->lab, "%s closed", box->name);
}

static const gr_process_ops box_ops = {.version = GR_PROCESS_VERSION,
                                       .type_name = "post box",
                                       .deliver = box_deliver,
                                       .closed = box_closed};

static void a_process_takes_messages_in_the_senders_thread(void **state)
{
    struct lab *lab = *state;
    post_box box = {.lab = lab, .name = "box"};
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_process_open(lab->sys, &box_ops, &box, 0, &pid), GR_OK);
    assert_true(pid.slot >= GR_SLOTS_WELL_KNOWN);
    lab_tell(lab, pid, 1);
    lab_assert_notes(lab, "box", "box got 1"); /* at once */
    gr_process_close(lab->sys, pid);
    gr_process_close(lab->sys, pid);
    lab_assert_notes(lab, "box", "box got 1|box closed");
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(2)), GR_EDEAD);
    assert_int_equal(lab_dead(lab), 1);
}

static void a_well_known_slot_has_a_fixed_address_and_one_owner(void **state)
{
    struct lab *lab = *state;
    post_box first = {.lab = lab, .name = "first"};
    post_box second = {.lab = lab, .name = "second"};
    gr_pid pid = gr_pid_null();
    gr_pid other = gr_pid_null();

    assert_int_equal(gr_process_open(lab->sys, &box_ops, &first, GR_SLOT_REMOTE, &pid), GR_OK);
    assert_true(gr_pid_equal(pid, gr_pid_well_known(gr_system_node(lab->sys), GR_SLOT_REMOTE)));
    assert_int_equal(gr_process_open(lab->sys, &box_ops, &second, GR_SLOT_REMOTE, &other),
                     GR_EEXIST);
    assert_true(gr_pid_is_null(other));
    assert_int_equal(gr_process_open(lab->sys, &box_ops, &second, GR_SLOT_CLUSTER, &other), GR_OK);
    lab_tell(lab, pid, 1);
    lab_tell(lab, other, 2);
    gr_process_close(lab->sys, pid);
    gr_process_close(lab->sys, other);
    lab_assert_notes(lab, "first", "first got 1|first closed");
    lab_assert_notes(lab, "second", "second got 2|second closed");
}

typedef struct closer {
    post_box box;
    gr_pid pid;
} closer;

static void deliver_and_close(void *self, gr_pid pid, gr_msg *take_msg)
{
    closer *me = self;

    take_msg = gr_msg_unref(take_msg);
    gr_process_close(me->box.lab->sys, pid);
    lab_note(me->box.lab, "%s delivered", me->box.name);
}

static void closer_closed(void *self)
{
    box_closed(&((closer *)self)->box);
}

static void a_process_may_close_itself_while_it_delivers(void **state)
{
    struct lab *lab = *state;
    const gr_process_ops ops = {.version = GR_PROCESS_VERSION,
                                .type_name = "closer",
                                .deliver = deliver_and_close,
                                .closed = closer_closed};
    closer me = {{.lab = lab, .name = "c"}, gr_pid_null()};

    assert_int_equal(gr_process_open(lab->sys, &ops, &me, 0, &me.pid), GR_OK);
    lab_tell(lab, me.pid, 1);
    lab_assert_notes(lab, "c", "c delivered|c closed"); /* after the last delivery has returned */
    assert_int_equal(gr_send(lab->sys, me.pid, lab_word_new(2)), GR_EDEAD);
}

typedef struct bombard {
    gr_system *sys;
    gr_pid to;
    atomic_size_t accepted;
} bombard;

static void *bombard_it(void *arg)
{
    bombard *me = arg;

    for (size_t i = 0; i < lab_scaled(20000); i++) {
        if (gr_send(me->sys, me->to, lab_word_new(-1)) == GR_OK) {
            /* Relaxed: a plain count, read after the join. */
            (void)atomic_fetch_add_explicit(&me->accepted, 1, memory_order_relaxed);
        }
    }
    return NULL;
}

static void after_closed_no_delivery_is_running(void **state)
{
    struct lab *lab = *state;

    for (size_t round = 0; round < 20; round++) {
        post_box *box = calloc(1, sizeof(*box));
        bombard threads_share = {.sys = lab->sys};
        pthread_t threads[2];
        char name[16];
        char note[32];

        assert_non_null(box);
        (void)snprintf(name, sizeof(name), "box %zu", round);
        (void)snprintf(note, sizeof(note), "box %zu closed", round);
        box->lab = lab;
        box->name = name;
        assert_int_equal(gr_process_open(lab->sys, &box_ops, box, 0, &threads_share.to), GR_OK);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, bombard_it, &threads_share), 0);
        }
        /* Relaxed: any moment in the middle will do. */
        LAB_EVENTUALLY(lab, atomic_load_explicit(&box->delivered, memory_order_relaxed) > 10);
        gr_process_close(lab->sys, threads_share.to);
        lab_wait(lab, note);
        /* Relaxed: no delivery runs any more. */
        size_t delivered = atomic_load_explicit(&box->delivered, memory_order_relaxed);
        free(box); /* a sanitizer sees a delivery after this */
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        /* Relaxed: the threads have been joined. */
        assert_int_equal(atomic_load_explicit(&threads_share.accepted, memory_order_relaxed),
                         delivered);
    }
}

static void r33_no_process_opens_after_the_stop(void **state)
{
    struct lab *lab = *state;
    post_box box = {.lab = lab, .name = "box"};
    gr_pid pid = gr_pid_null();

    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    assert_int_equal(gr_process_open(lab->sys, &box_ops, &box, 0, &pid), GR_ESTOPPED);
}

/* ---- generations */

enum { PIDS = 300 };

static gr_err receive_nothing(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return GR_OK;
}

/* Actors and futures, so many that there are slots of several slabs. */
static void take_pids(gr_system *sys, gr_pid pids[PIDS])
{
    gr_props props = {.receive = receive_nothing};

    for (size_t i = 0; i < PIDS; i++) {
        gr_future *future = NULL;

        if (i % 2 == 0) {
            assert_int_equal(gr_spawn(sys, &props, NULL, &pids[i]), GR_OK);
            continue;
        }
        assert_int_equal(gr_future_new(sys, GR_FOREVER, &future), GR_OK);
        pids[i] = gr_future_pid(future);
        future = gr_future_unref(future);
    }
}

static const gr_pid *at_slot(const gr_pid pids[PIDS], uint32_t slot)
{
    for (size_t i = 0; i < PIDS; i++) {
        if (pids[i].slot == slot) {
            return &pids[i];
        }
    }
    return NULL;
}

static void a_pid_is_not_to_be_guessed_from_those_of_other_slots_and_systems(void **state)
{
    struct lab *lab = *state;
    gr_pid here[PIDS], there[PIDS];
    gr_system *other = NULL;
    size_t compared = 0, same = 0, steps = 0, same_step = 0;
    uint32_t last_step = 0;

    assert_int_equal(gr_system_new(&lab->options, &other), GR_OK);
    take_pids(lab->sys, here);
    take_pids(other, there);
    for (size_t i = 0; i < PIDS; i += 2) { /* actors: each has a slot of its own */
        const gr_pid *twin = at_slot(there, here[i].slot);
        const gr_pid *next = at_slot(here, here[i].slot + 1);

        assert_true(here[i].generation != 0);
        if (twin != NULL) { /* the same slot of another system */
            compared++;
            same += twin->generation == here[i].generation;
        }
        if (next != NULL) { /* the slot beside it */
            steps++;
            same_step += next->generation - here[i].generation == last_step;
            last_step = next->generation - here[i].generation;
        }
    }
    assert_true(compared > PIDS / 4 && steps > PIDS / 4);
    assert_true(same <= 1); /* one of a billion is equal by chance */
    assert_true(same_step <= 1);
    other = gr_system_free(other);
}

static void pids_under(uint64_t seed, gr_pid pids[PIDS])
{
    gr_system_options options = {0};
    gr_system *sys = NULL;

    assert_int_equal(gr_stepped_new(seed, &options.stepped), GR_OK);
    assert_int_equal(gr_system_new(&options, &sys), GR_OK);
    take_pids(sys, pids);
    sys = gr_system_free(sys);
    options.stepped = gr_stepped_free(options.stepped);
}

static void r35_the_same_seed_gives_the_same_pids(void **state)
{
    gr_pid first[PIDS], again[PIDS], other[PIDS];
    size_t same = 0;

    (void)state;
    pids_under(1, first);
    pids_under(1, again);
    pids_under(2, other);
    for (size_t i = 0; i < PIDS; i++) {
        assert_true(gr_pid_equal(first[i], again[i]));
        assert_int_equal(first[i].slot, other[i].slot);
        same += first[i].generation == other[i].generation;
    }
    assert_true(same <= 1);
}

/* ---- pids of other systems */

typedef struct abroad {
    struct lab *lab;
} abroad;

static gr_err abroad_send(void *self, gr_pid to, gr_msg *take_msg, int64_t deadline_ms)
{
    abroad *me = self;
    const lab_word *word = gr_msg_read(take_msg, &lab_word_type);
    const gr_error *error = gr_msg_read(take_msg, &gr_error_type);
    int64_t number = word == NULL ? -1 : word->number;

    if (error != NULL) {
        lab_note(me->lab, "abroad %u got an error: %s", to.slot, gr_err_name(error->code));
    } else {
        lab_note(me->lab, "abroad %u got %lld %s", to.slot, (long long)number,
                 deadline_ms == 0 ? "now" : "by a deadline");
    }
    if (number == 99) {
        gr_dead_letter_add(me->lab->sys, to, take_msg, GR_DEAD_FULL, GR_EFULL);
        return GR_EFULL;
    }
    if (!gr_pid_is_null(gr_msg_sender(take_msg))) {
        (void)gr_send(me->lab->sys, gr_msg_sender(take_msg), lab_word_new(number + 1));
    }
    take_msg = gr_msg_unref(take_msg);
    return GR_OK;
}

static gr_err abroad_signal(void *self, const gr_signal *signal)
{
    abroad *me = self;

    lab_note(me->lab, "abroad %u signal %d%s", signal->to.slot, (int)signal->kind,
             gr_pid_is_null(signal->from) ? "" : " from somebody");
    return GR_OK;
}

static const gr_foreign_ops abroad_ops = {
    .version = GR_FOREIGN_VERSION, .send = abroad_send, .signal = abroad_signal};

static void foreign_pids_go_to_the_foreign_table(void **state)
{
    struct lab *lab = *state;
    abroad me = {lab};
    gr_pid there = {gr_system_node(lab->sys) + 1, 50, 1};
    gr_pid a = lab_spawn(lab, "a");
    gr_msg *reply = NULL;

    gr_system_set_foreign(lab->sys, &abroad_ops, &me);
    lab_tell(lab, there, 1);
    assert_int_equal(gr_send_wait(lab->sys, there, lab_word_new(2), 1000), GR_OK);
    assert_int_equal(gr_send(lab->sys, there, lab_word_new(99)), GR_EFULL);
    assert_int_equal(gr_request(lab->sys, there, lab_word_new(3), GR_FOREVER, &reply), GR_OK);
    assert_int_equal(((const lab_word *)gr_msg_read(reply, &lab_word_type))->number, 4);
    reply = gr_msg_unref(reply);
    gr_send_stop(lab->sys, there);
    gr_send_poison(lab->sys, there);
    assert_int_equal(lab_make(lab, a, lab_act_watch, &there), GR_OK);
    assert_int_equal(lab_make(lab, a, lab_act_unwatch, &there), GR_OK);
    lab_assert_notes(lab, "abroad",
                     "abroad 50 got 1 now|abroad 50 got 2 by a deadline|abroad 50 got 99 now|"
                     "abroad 50 got 3 now|abroad 50 signal 1|abroad 50 signal 2|"
                     "abroad 50 signal 3 from somebody|abroad 50 signal 4 from somebody");
    gr_system_set_foreign(lab->sys, NULL, NULL);
    assert_int_equal(gr_send(lab->sys, there, lab_word_new(5)), GR_EUNREACHABLE);
    assert_int_equal(lab_count(lab, "abroad 50 got 5 now"), 0);
}

static gr_err forward_in_vain(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)msg;
    return gr_forward(ctx, *(gr_pid *)state) == GR_OK ? GR_EFAILED : GR_OK;
}

/* A request from abroad that nobody here will answer. */
static gr_msg *request_from(gr_pid there, int64_t number)
{
    gr_msg *msg = lab_word_new(number);

    gr_msg_set_sender(msg, there);
    gr_msg_set_request(msg);
    return msg;
}

static void r20_who_asks_from_abroad_is_told_when_its_request_is_handed_on_in_vain(void **state)
{
    struct lab *lab = *state;
    abroad me = {lab};
    gr_pid there = {gr_system_node(lab->sys) + 1, 52, 1};
    gr_pid dead = lab_spawn(lab, "dead");
    gr_props props = {.receive = forward_in_vain, .arg = &dead};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);

    gr_system_set_foreign(lab->sys, &abroad_ops, &me);
    gr_send_stop(lab->sys, dead);
    assert_int_equal(gr_await_end(lab->sys, dead, GR_FOREVER, NULL), GR_OK);
    assert_int_equal(gr_forward_msg(lab->sys, pid, request_from(there, 1)), GR_OK);
    lab_wait(lab, "abroad 52 got an error: GR_EDEAD");
    gr_system_set_foreign(lab->sys, NULL, NULL);
}

static gr_err act_flood_me(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_pid *there = arg;

    for (int64_t i = 0; i < 3; i++) { /* of which two have room */
        lab_require(gr_forward_msg(lab->sys, gr_context_self(ctx), request_from(*there, i)) ==
                    GR_OK);
    }
    return GR_OK;
}

static void r29_who_asks_from_abroad_is_told_when_its_request_is_dropped(void **state)
{
    struct lab *lab = *state;
    abroad me = {lab};
    gr_pid there = {gr_system_node(lab->sys) + 1, 53, 1};
    gr_props props = lab_probe_props(lab, "a");
    gr_pid pid = gr_pid_null();

    props.mailbox = GR_MAILBOX_DROP_OLDEST;
    props.mailbox_limit = 2;
    gr_system_set_foreign(lab->sys, &abroad_ops, &me);
    pid = lab_spawn_props(lab, &props, NULL);
    lab_do(lab, pid, act_flood_me, &there);
    lab_wait(lab, "abroad 53 got an error: GR_EFULL");
    lab_wait(lab, "abroad 53 got 2 now"); /* the probe's answers to the others */
    assert_int_equal(lab_count(lab, "abroad 53 got 0 now"), 0);
    gr_system_set_foreign(lab->sys, NULL, NULL);
}

static void the_end_of_a_foreign_actor_is_told_once(void **state)
{
    struct lab *lab = *state;
    abroad me = {lab};
    gr_pid there = {gr_system_node(lab->sys) + 1, 50, 1};
    gr_pid a = lab_spawn(lab, "a");
    gr_signal ended = {
        .kind = GR_SIGNAL_TERMINATED, .to = a, .from = there, .reason = GR_REASON_NODE_LOST};

    gr_system_set_foreign(lab->sys, &abroad_ops, &me);
    assert_int_equal(lab_make(lab, a, lab_act_watch, &there), GR_OK);
    assert_int_equal(gr_signal_send(lab->sys, &ended), GR_OK);
    assert_int_equal(gr_signal_send(lab->sys, &ended), GR_OK);
    lab_wait(lab, "a sees node-lost");
    lab_flush(lab, a);
    assert_int_equal(lab_count(lab, "a sees node-lost"), 1);
    gr_system_set_foreign(lab->sys, NULL, NULL);
}

static void an_actor_that_ends_tells_its_foreign_watchers(void **state)
{
    struct lab *lab = *state;
    abroad me = {lab};
    gr_pid a = lab_spawn(lab, "a");
    gr_pid there = {gr_system_node(lab->sys) + 1, 51, 1};
    gr_signal watch = {.kind = GR_SIGNAL_WATCH, .to = a, .from = there};

    gr_system_set_foreign(lab->sys, &abroad_ops, &me);
    assert_int_equal(gr_signal_send(lab->sys, &watch), GR_OK);
    gr_send_stop(lab->sys, a);
    lab_wait(lab, "abroad 51 signal 5 from somebody");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    (void)gr_signal_send(lab->sys, &watch); /* of a dead one: told at once */
    lab_wait_times(lab, "abroad 51 signal 5 from somebody", 2);
    gr_system_set_foreign(lab->sys, NULL, NULL);
}

static void signals_stop_and_poison_as_the_calls_do(void **state)
{
    struct lab *lab = *state;
    gr_signal stop = {.kind = GR_SIGNAL_STOP, .to = lab_spawn(lab, "a")};
    gr_signal poison = {.kind = GR_SIGNAL_POISON, .to = lab_spawn(lab, "b")};

    assert_int_equal(gr_signal_send(lab->sys, &stop), GR_OK);
    assert_int_equal(gr_signal_send(lab->sys, &poison), GR_OK);
    lab_wait(lab, "a stopped stopped");
    lab_wait(lab, "b stopped stopped");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    assert_int_equal(gr_signal_send(lab->sys, &stop), GR_EDEAD);
    stop.to.node++;
    assert_int_equal(gr_signal_send(lab->sys, &stop), GR_EUNREACHABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(a_process_takes_messages_in_the_senders_thread),
        LAB_BOTH(a_well_known_slot_has_a_fixed_address_and_one_owner),
        LAB_BOTH(a_process_may_close_itself_while_it_delivers),
        LAB_THREADS(after_closed_no_delivery_is_running),
        LAB_BOTH(r33_no_process_opens_after_the_stop),
        LAB_BOTH(a_pid_is_not_to_be_guessed_from_those_of_other_slots_and_systems),
        LAB_STEPPED(r35_the_same_seed_gives_the_same_pids),
        LAB_BOTH(foreign_pids_go_to_the_foreign_table),
        LAB_BOTH(r20_who_asks_from_abroad_is_told_when_its_request_is_handed_on_in_vain),
        LAB_BOTH(r29_who_asks_from_abroad_is_told_when_its_request_is_dropped),
        LAB_BOTH(the_end_of_a_foreign_actor_is_told_once),
        LAB_BOTH(an_actor_that_ends_tells_its_foreign_watchers),
        LAB_BOTH(signals_stop_and_poison_as_the_calls_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
