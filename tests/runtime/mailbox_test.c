/*
 * Mailboxes: every message once and in order, limits that refuse, and senders that wait for room.
 * Behaviours r28 and r29.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>

#include "system_internal.h"

/* ---- r28 */

enum { SENDERS = 100 };

/* What the one receiver has seen; only its own turns write it. */
typedef struct register_book {
    int64_t next[SENDERS]; /* the number each sender's next message must have */
    size_t wrong;
    size_t handled;
    atomic_size_t published; /* `handled`, for the test */
} register_book;

static gr_err register_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    register_book *book = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    size_t sender = (size_t)(word->number % SENDERS);

    (void)ctx;
    book->wrong += word->number / SENDERS != book->next[sender];
    book->next[sender]++;
    book->handled++;
    /* Release: publishes the book to the test, which acquires the count. */
    atomic_store_explicit(&book->published, book->handled, memory_order_release);
    return GR_OK;
}

typedef struct shift {
    gr_pid to;
    size_t sender;
    size_t count;
} shift;

static gr_err act_send_all(gr_context *ctx, struct lab *lab, void *arg)
{
    const shift *mine = arg;

    (void)lab;
    for (size_t i = 0; i < mine->count; i++) {
        gr_err err = gr_send_wait(gr_context_system(ctx), mine->to,
                                  lab_word_new((int64_t)(i * SENDERS + mine->sender)), GR_FOREVER);

        lab_require(err == GR_OK);
    }
    return GR_OK;
}

static void expect_all(struct lab *lab, register_book *book, size_t total)
{
    /* Acquire: the book as the receiver left it. */
    LAB_EVENTUALLY(lab, atomic_load_explicit(&book->published, memory_order_acquire) == total);
    assert_int_equal(book->wrong, 0);
    for (size_t i = 0; i < SENDERS; i++) {
        assert_int_equal(book->next[i], total / SENDERS);
    }
    assert_int_equal(lab_dead(lab), 0);
}

static void r28_a_million_messages_from_100_actors_come_once_and_in_order(void **state)
{
    struct lab *lab = *state;
    size_t each = lab_scaled(lab->stepped != NULL ? 1000 : 10000);
    register_book *book = lab_own(lab, sizeof(*book));
    gr_props props = {.receive = register_receive, .arg = book};
    gr_props sender_props = lab_probe_props(lab, "s");
    gr_pid to = lab_spawn_props(lab, &props, NULL);
    shift *shifts = lab_own(lab, SENDERS * sizeof(*shifts));

    for (size_t i = 0; i < SENDERS; i++) {
        shifts[i] = (shift){to, i, each};
        lab_do(lab, lab_spawn_props(lab, &sender_props, NULL), act_send_all, &shifts[i]);
    }
    expect_all(lab, book, SENDERS * each);
}

typedef struct outside {
    struct lab *lab;
    gr_pid to;
    size_t first_sender;
    size_t each;
} outside;

static void *send_from_outside(void *arg)
{
    const outside *mine = arg;

    for (size_t i = 0; i < mine->each; i++) {
        for (size_t sender = mine->first_sender; sender < SENDERS; sender += 4) {
            lab_require(gr_send_wait(mine->lab->sys, mine->to,
                                     lab_word_new((int64_t)(i * SENDERS + sender)),
                                     GR_FOREVER) == GR_OK);
        }
    }
    return NULL;
}

static void r28_threads_from_outside_keep_their_order_too(void **state)
{
    struct lab *lab = *state;
    size_t each = lab_scaled(2000);
    register_book *book = lab_own(lab, sizeof(*book));
    gr_props props = {.receive = register_receive, .arg = book, .mailbox_limit = 1000};
    gr_pid to = lab_spawn_props(lab, &props, NULL);
    pthread_t threads[4];
    outside parts[4];

    for (size_t i = 0; i < 4; i++) {
        parts[i] = (outside){lab, to, i, each};
        assert_int_equal(pthread_create(&threads[i], NULL, send_from_outside, &parts[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    expect_all(lab, book, SENDERS * each);
}

/* Watches pids that never were, one after the other: each is told by a system message. */
typedef struct census {
    struct lab *lab;
    uint32_t next_slot;
    size_t wrong;
} census;

enum { CENSUS = 1000, CENSUS_SLOT = 200000 };

static gr_err census_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    census *mine = state;
    const gr_terminated *ended = gr_msg_read(msg, &gr_terminated_type);

    if (ended == NULL) {
        for (uint32_t i = 0; i < CENSUS; i++) {
            gr_pid pid = {gr_context_self(ctx).node, CENSUS_SLOT + i, 9};

            lab_require(gr_watch(ctx, pid) == GR_OK);
        }
        return GR_OK;
    }
    mine->wrong += ended->pid.slot != CENSUS_SLOT + mine->next_slot;
    mine->next_slot++;
    if (mine->next_slot == CENSUS) {
        lab_note(mine->lab, "census: %zu wrong", mine->wrong);
    }
    return GR_OK;
}

static void r28_system_messages_come_once_and_in_order(void **state)
{
    struct lab *lab = *state;
    census *mine = lab_own(lab, sizeof(*mine));
    gr_props props = {.receive = census_receive, .arg = mine};

    mine->lab = lab;
    lab_tell(lab, lab_spawn_props(lab, &props, NULL), 0);
    lab_wait(lab, "census: 0 wrong");
}

/* ---- r29 */

static gr_err act_wait_for(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_msg *reply = NULL;

    (void)ctx;
    lab_note(lab, "busy");
    if (gr_await(arg, GR_FOREVER, &reply) == GR_OK) {
        reply = gr_msg_unref(reply);
    }
    (void)gr_future_unref(arg); /* ours: the test may let go of its own at any time */
    return GR_OK;
}

static gr_pid spawn_with_limit(struct lab *lab, const char *name, uint32_t limit)
{
    gr_props props = lab_probe_props(lab, name);

    props.mailbox_limit = limit;
    return lab_spawn_props(lab, &props, name);
}

/* Occupies an actor until the future is completed. */
static gr_future *occupy(struct lab *lab, gr_pid pid)
{
    gr_future *future = NULL;

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &future), GR_OK);
    lab_do(lab, pid, act_wait_for, gr_future_ref(future));
    lab_wait(lab, "busy");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    return future;
}

static void r29_a_full_mailbox_refuses_and_accepts_again(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_with_limit(lab, "a", 10);
    gr_future *future = occupy(lab, pid);

    for (int64_t i = 1; i <= 10; i++) {
        lab_tell(lab, pid, i);
    }
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(11)), GR_EFULL);
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(12)), GR_EFULL);
    assert_int_equal(gr_system_counters(lab->sys).refused, 2);
    assert_int_equal(lab_dead(lab), 2);
    assert_int_equal(lab_dead_at(lab, 0).cause, GR_DEAD_FULL);
    assert_true(gr_pid_equal(lab_dead_at(lab, 0).to, pid));
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    lab_wait(lab, "a 10");
    lab_flush(lab, pid);
    for (int64_t i = 20; i < 30; i++) {
        lab_tell(lab, pid, i);
    }
    lab_wait(lab, "a 29");
    assert_int_equal(lab_count(lab, "a 11"), 0);
    future = gr_future_unref(future);
}

static void r29_the_limit_is_exact_under_the_stepper(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_with_limit(lab, "a", 3);

    lab_run(lab);
    for (int64_t round = 0; round < 5; round++) {
        for (int64_t i = 1; i <= 3; i++) {
            lab_tell(lab, pid, i);
        }
        assert_int_equal(gr_send(lab->sys, pid, lab_word_new(4)), GR_EFULL);
        lab_run(lab);
    }
    assert_int_equal(gr_system_counters(lab->sys).refused, 5);
    assert_int_equal(lab_count(lab, "a 3"), 5);
}

static void r29_a_request_to_a_full_mailbox_fails_at_once(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_with_limit(lab, "a", 1);
    gr_future *future = occupy(lab, pid);
    gr_msg *reply = NULL;

    lab_tell(lab, pid, 1);
    assert_int_equal(gr_request(lab->sys, pid, lab_word_new(2), GR_FOREVER, &reply), GR_EFULL);
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    future = gr_future_unref(future);
}

static void r29_a_full_mailbox_still_takes_a_stop(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_with_limit(lab, "a", 1);
    gr_future *future = occupy(lab, pid);

    lab_tell(lab, pid, 1);
    assert_int_equal(gr_send(lab->sys, pid, lab_word_new(2)), GR_EFULL);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "a stopped stopped");
    assert_int_equal(lab_count(lab, "a 1"), 0);
    LAB_EVENTUALLY(lab, lab_dead(lab) == 2);
    future = gr_future_unref(future);
}

static void r29_a_full_mailbox_still_takes_a_poison(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_with_limit(lab, "a", 1);
    gr_future *future = occupy(lab, pid);

    lab_tell(lab, pid, 1);
    gr_send_poison(lab->sys, pid);
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    lab_wait(lab, "a stopped stopped");
    lab_assert_notes(lab, "a", "a started|a 1|a stopped stopped");
    future = gr_future_unref(future);
}

static void r29_the_end_of_a_watched_actor_passes_a_full_mailbox(void **state)
{
    struct lab *lab = *state;
    gr_pid watcher = spawn_with_limit(lab, "w", 1);
    gr_pid pid = lab_spawn(lab, "a");
    gr_future *future = NULL;

    assert_int_equal(lab_make(lab, watcher, lab_act_watch, &pid), GR_OK);
    future = occupy(lab, watcher);
    lab_tell(lab, watcher, 1);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "a stopped stopped");
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    lab_wait(lab, "w sees stopped");
    future = gr_future_unref(future);
}

/* ---- waiting for room */

static void a_waiting_send_gives_up_in_time(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_with_limit(lab, "a", 1);
    gr_future *future = occupy(lab, pid);
    int64_t before = gr_system_now(lab->sys);

    lab_tell(lab, pid, 1);
    assert_int_equal(gr_send_wait(lab->sys, pid, lab_word_new(2), 0), GR_EFULL);
    assert_int_equal(gr_send_wait(lab->sys, pid, lab_word_new(3), 20), GR_EFULL);
    assert_true(gr_system_now(lab->sys) - before >= 20);
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    assert_int_equal(gr_send_wait(lab->sys, pid, lab_word_new(4), GR_FOREVER), GR_OK);
    lab_wait(lab, "a 4");
    lab_assert_notes(lab, "a", "a started|a 1|a 4");
    future = gr_future_unref(future);
}

typedef struct queuer {
    gr_pid to;
    int64_t number;
} queuer;

static gr_err act_queue_up(gr_context *ctx, struct lab *lab, void *arg)
{
    const queuer *mine = arg;

    lab_note(lab, "q%lld queues", (long long)mine->number);
    lab_note(lab, "q%lld: %s", (long long)mine->number,
             gr_err_name(gr_send_wait(gr_context_system(ctx), mine->to, lab_word_new(mine->number),
                                      GR_FOREVER)));
    return GR_OK;
}

static void waiting_senders_get_room_in_turn(void **state)
{
    struct lab *lab = *state;
    enum { QUEUERS = 20 };
    gr_pid pid = spawn_with_limit(lab, "a", 2);
    gr_future *future = occupy(lab, pid);
    gr_props props = lab_probe_props(lab, "q");
    queuer queuers[QUEUERS];
    char want[1024] = "a started|a 100|a 101";
    char note[32];

    props.started = NULL;
    lab_tell(lab, pid, 100);
    lab_tell(lab, pid, 101);
    for (int64_t i = 0; i < QUEUERS; i++) {
        queuers[i] = (queuer){pid, i};
        lab_do(lab, lab_spawn_props(lab, &props, NULL), act_queue_up, &queuers[i]);
        LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == (uint64_t)i + 2);
        (void)snprintf(note, sizeof(note), "|a %lld", (long long)i);
        (void)strncat(want, note, sizeof(want) - strlen(want) - 1);
    }
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    lab_wait(lab, "a 19");
    lab_assert_notes(lab, "a", want);
    for (int64_t i = 0; i < QUEUERS; i++) {
        (void)snprintf(note, sizeof(note), "q%lld: GR_OK", (long long)i);
        lab_wait(lab, note);
    }
    future = gr_future_unref(future);
}

typedef struct talker {
    struct lab *lab;
    bool heard;
} talker;

/* Fills its own mailbox again with every message, until it hears a 7: for ever, if whoever sends that is kept from it. */
static gr_err talker_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    talker *mine = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    if (word->number == 7) {
        mine->heard = true;
        lab_note(mine->lab, "heard");
    } else if (!mine->heard) {
        (void)gr_send(gr_context_system(ctx), gr_context_self(ctx), lab_word_new(1));
    }
    return GR_OK;
}

static void late_comers_do_not_keep_a_waiting_sender_from_its_turn(void **state)
{
    struct lab *lab = *state;
    talker here = {.lab = lab};
    gr_props props = {.receive = talker_receive, .mailbox_limit = 1, .arg = &here};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);
    queuer waiting = {pid, 7};

    lab_tell(lab, pid, 1);
    lab_do(lab, lab_spawn(lab, "q"), act_queue_up, &waiting);
    lab_wait(lab, "heard");
    lab_wait(lab, "q7: GR_OK");
}

/* ---- what is done for senders that wait while the actor handles nothing */

enum { ASKED = 400 };

typedef struct asker {
    struct lab *lab;
    gr_pid whom;
    int handled;
} asker;

/* Waits for an answer with every message. */
static gr_err asker_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    asker *mine = state;
    gr_msg *reply = NULL;

    (void)msg;
    lab_require(gr_request(gr_context_system(ctx), mine->whom, lab_word_new(0), GR_FOREVER,
                           &reply) == GR_OK);
    reply = gr_msg_unref(reply);
    if (++mine->handled == ASKED) {
        lab_note(mine->lab, "asked all");
    }
    return GR_OK;
}

static gr_err act_send_asked(gr_context *ctx, struct lab *lab, void *arg)
{
    gr_err err = GR_OK;

    (void)lab;
    for (int64_t i = 0; err == GR_OK && i < ASKED; i++) {
        err = gr_send_wait(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(i), GR_FOREVER);
    }
    return err;
}

static void senders_that_wait_go_on_while_handlers_wait(void **state)
{
    struct lab *lab = *state;
    asker here = {.lab = lab, .whom = lab_spawn(lab, "helper")};
    gr_props props = {.receive = asker_receive, .mailbox_limit = 64, .arg = &here};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);

    lab_do(lab, lab_spawn(lab, "q"), act_send_asked, &pid);
    lab_wait(lab, "asked all");
}

static gr_err failing_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const lab_word *word = gr_msg_read(msg, &lab_word_type);

    (void)ctx;
    (void)state;
    return word->number == 3 ? gr_fatal(GR_EFAILED, "told to fail") : GR_OK;
}

static void a_paused_actor_that_senders_wait_for_keeps_no_worker(void **state)
{
    static const gr_supervision slowly = {.backoff = {.min_ms = 600 * 1000}};
    struct lab *lab = *state;
    gr_props props = {.receive = failing_receive, .mailbox_limit = 64, .guardian = &slowly};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);
    gr_pid sender = lab_spawn(lab, "q");

    lab_do(lab, sender, act_send_asked, &pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 1);
    lab_flush(lab, lab_spawn(lab, "other"));
    lab_flush(lab, lab_spawn(lab, "another"));
    assert_int_equal(gr_system_counters(lab->sys).failures, 1);
    gr_send_stop(lab->sys, sender);
    gr_send_stop(lab->sys, pid);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 0);
}

static void room_that_nobody_wants_any_more_keeps_no_worker(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gri_actor *actor = gri_actor_of(gri_process_at(&lab->sys->table, pid.slot));

    /* As a sender leaves it that wanted room and then found some. */
    atomic_store_explicit(&actor->room_wanted, true, memory_order_seq_cst);
    lab_flush(lab, pid);
    lab_flush(lab, lab_spawn(lab, "other"));
    /* Acquire: the worker's doings. */
    LAB_EVENTUALLY(lab, !atomic_load_explicit(&actor->room_wanted, memory_order_acquire));
}

/* More than senders that wait may fill, and less than the mailbox holds: there it stays. */
static void those_who_do_not_wait_do_not_keep_a_waiting_sender_from_its_turn(void **state)
{
    struct lab *lab = *state;
    talker here = {.lab = lab};
    gr_props props = {.receive = talker_receive, .arg = &here};
    gr_pid pid = lab_spawn_props(lab, &props, NULL);
    queuer waiting = {pid, 7};

    for (int i = 0; i < 2 * GRI_MAILBOX_PATIENT; i++) {
        lab_tell(lab, pid, 1);
    }
    lab_do(lab, lab_spawn(lab, "q"), act_queue_up, &waiting);
    lab_wait(lab, "heard");
    lab_wait(lab, "q7: GR_OK");
}

/* ---- senders that wait keep a queue short */

enum { PATIENT_COUNT = 3000 };

static gr_err act_send_patiently(gr_context *ctx, struct lab *lab, void *arg)
{
    for (int64_t i = 1; i <= PATIENT_COUNT; i++) {
        gr_err err =
            gr_send_wait(gr_context_system(ctx), *(gr_pid *)arg, lab_word_new(i), GR_FOREVER);

        lab_require(err == GR_OK);
        if (i == GRI_MAILBOX_PATIENT) {
            lab_note(lab, "has sent what it may");
        }
        lab_require(i <= GRI_MAILBOX_PATIENT || lab_count(lab, "let go") == 1);
    }
    lab_note(lab, "has sent all");
    return GR_OK;
}

static void senders_that_wait_keep_the_queue_short_and_leave_room_for_others(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_pid sender = lab_spawn(lab, "s");
    gr_future *future = occupy(lab, pid);
    char last[24];

    lab_do(lab, sender, act_send_patiently, &pid);
    lab_wait(lab, "has sent what it may");
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 2);
    lab_tell(lab, pid, 9999); /* who does not wait finds room */
    assert_int_equal(lab_count(lab, "has sent all"), 0);
    lab_note(lab, "let go");
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    lab_wait(lab, "has sent all");
    (void)snprintf(last, sizeof(last), "a %d", PATIENT_COUNT);
    lab_wait(lab, last);
    assert_true(lab_place(lab, "a 1025") > lab_place(lab, "a 9999"));
    future = gr_future_unref(future);
}

static void who_has_waited_long_enough_is_as_good_as_who_does_not_wait(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = lab_spawn(lab, "a");
    gr_future *future = occupy(lab, pid);

    for (int64_t i = 1; i <= GRI_MAILBOX_PATIENT; i++) {
        lab_tell(lab, pid, i);
    }
    assert_int_equal(gr_send_wait(lab->sys, pid, lab_word_new(7777), 20), GR_OK);
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    lab_wait(lab, "a 7777");
    future = gr_future_unref(future);
}

static void senders_that_wait_for_a_dying_actor_are_told(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_with_limit(lab, "a", 1);
    gr_future *future = occupy(lab, pid);
    gr_props props = lab_probe_props(lab, "q");
    queuer first = {pid, 1};
    queuer second = {pid, 2};

    lab_tell(lab, pid, 100);
    lab_do(lab, lab_spawn_props(lab, &props, NULL), act_queue_up, &first);
    lab_do(lab, lab_spawn_props(lab, &props, NULL), act_queue_up, &second);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 3);
    gr_send_stop(lab->sys, pid);
    lab_wait(lab, "q1: GR_EDEAD");
    lab_wait(lab, "q2: GR_EDEAD");
    LAB_EVENTUALLY(lab, lab_dead(lab) == 3); /* theirs and the one in the mailbox */
    future = gr_future_unref(future);
}

static void a_sender_that_is_stopped_while_it_waits_for_room_goes(void **state)
{
    struct lab *lab = *state;
    gr_pid pid = spawn_with_limit(lab, "a", 1);
    gr_future *future = occupy(lab, pid);
    gr_props props = lab_probe_props(lab, "q");
    queuer mine = {pid, 1};
    gr_pid sender = lab_spawn_props(lab, &props, NULL);

    lab_tell(lab, pid, 100);
    lab_do(lab, sender, act_queue_up, &mine);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 2);
    gr_send_stop(lab->sys, sender);
    lab_wait(lab, "q stopped stopped");
    assert_int_equal(lab_count(lab, "q1: GR_OK"), 0);
    assert_int_equal(gr_future_complete(future, lab_word_new(0)), GR_OK);
    lab_tell(lab, lab_spawn(lab, "b"), 5);
    lab_wait(lab, "b 5");
    lab_wait(lab, "a 100");
    LAB_EVENTUALLY(lab, lab_dead(lab) == 1); /* the message it could not place */
    assert_int_equal(lab_count(lab, "a 1"), 0);
    future = gr_future_unref(future);
}

/* ---- the word itself */

/* An empty mailbox whose count stands at a number, of which so many have been handled. */
static void set_counts(gri_mailbox *box, uint64_t count, uint32_t handled)
{
    /* Relaxed, all: one thread. */
    atomic_store_explicit(&box->word, count * GRI_MAILBOX_ONE, memory_order_relaxed);
    atomic_store_explicit(&box->handled, handled, memory_order_relaxed);
}

/* What a limit of two means, three times over. */
static void expect_room_for_two(gri_mailbox *box)
{
    for (int round = 0; round < 3; round++) {
        assert_int_equal(gri_mailbox_depth(box), 0);
        assert_true(gri_mailbox_has_room(box));
        for (int i = 0; i < 3; i++) {
            gr_msg *msg = lab_word_new(i);
            gri_push pushed = gri_mailbox_push(box, msg, gri_mailbox_limit(box));

            assert_int_equal(pushed == GRI_PUSH_FULL, i == 2);
            if (pushed == GRI_PUSH_FULL) {
                msg = gr_msg_unref(msg);
            }
        }
        for (int i = 0; i < 2; i++) {
            (void)gr_msg_unref(gri_mailbox_pop(box));
        }
        assert_null(gri_mailbox_pop(box));
    }
}

/* A flood beyond the limit takes the count to its end; then a mailbox must neither be full for ever nor forget its limit. */
static void r29_a_mailbox_whose_count_has_reached_its_end_takes_messages_again(void **state)
{
    enum { NEAR = 3, FLOOD = 10 };
    gri_mailbox box = {.limit = 2};
    gr_msg *word = lab_word_new(1);

    (void)state;
    set_counts(&box, GRI_MAILBOX_COUNT_MAX - NEAR, (uint32_t)GRI_MAILBOX_COUNT_MAX - NEAR);
    for (int i = 0; i < FLOOD; i++) {
        assert_true(gri_mailbox_push(&box, lab_word_new(i), UINT32_MAX) != GRI_PUSH_FULL);
    }
    assert_int_equal(gri_mailbox_count(atomic_load_explicit(&box.word, memory_order_relaxed)),
                     GRI_MAILBOX_COUNT_MAX);
    for (int64_t i = 0; i < FLOOD; i++) {
        gr_msg *msg = gri_mailbox_pop(&box);

        assert_non_null(msg);
        assert_int_equal(((const lab_word *)gr_msg_read(msg, &lab_word_type))->number, i);
        msg = gr_msg_unref(msg);
    }
    assert_null(gri_mailbox_pop(&box));
    expect_room_for_two(&box);
    /* More than it can count were taken at once, and all of them have been handled. */
    set_counts(&box, GRI_MAILBOX_COUNT_MAX, (uint32_t)GRI_MAILBOX_COUNT_MAX + FLOOD);
    assert_true(gri_mailbox_has_room(&box));
    assert_int_equal(gri_mailbox_push(&box, word, gri_mailbox_limit(&box)),
                     GRI_PUSHED_MUST_SCHEDULE);
    assert_ptr_equal(gri_mailbox_pop(&box), word);
    word = gr_msg_unref(word);
    assert_null(gri_mailbox_pop(&box));
    expect_room_for_two(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_BOTH(r28_a_million_messages_from_100_actors_come_once_and_in_order),
        LAB_THREADS(r28_threads_from_outside_keep_their_order_too),
        LAB_BOTH(r28_system_messages_come_once_and_in_order),
        LAB_BOTH(r29_a_full_mailbox_refuses_and_accepts_again),
        LAB_STEPPED(r29_the_limit_is_exact_under_the_stepper),
        LAB_BOTH(r29_a_request_to_a_full_mailbox_fails_at_once),
        LAB_BOTH(r29_a_full_mailbox_still_takes_a_stop),
        LAB_BOTH(r29_a_full_mailbox_still_takes_a_poison),
        LAB_BOTH(r29_the_end_of_a_watched_actor_passes_a_full_mailbox),
        LAB_BOTH(a_waiting_send_gives_up_in_time),
        LAB_BOTH(waiting_senders_get_room_in_turn),
        LAB_STEPPED(late_comers_do_not_keep_a_waiting_sender_from_its_turn),
        LAB_BOTH(senders_that_wait_go_on_while_handlers_wait),
        LAB_ONE_WORKER(senders_that_wait_go_on_while_handlers_wait),
        LAB_ONE_WORKER(a_paused_actor_that_senders_wait_for_keeps_no_worker),
        LAB_BOTH(room_that_nobody_wants_any_more_keeps_no_worker),
        LAB_ONE_WORKER(room_that_nobody_wants_any_more_keeps_no_worker),
        LAB_BOTH(those_who_do_not_wait_do_not_keep_a_waiting_sender_from_its_turn),
        LAB_BOTH(senders_that_wait_for_a_dying_actor_are_told),
        LAB_BOTH(senders_that_wait_keep_the_queue_short_and_leave_room_for_others),
        LAB_BOTH(who_has_waited_long_enough_is_as_good_as_who_does_not_wait),
        LAB_BOTH(a_sender_that_is_stopped_while_it_waits_for_room_goes),
        LAB_STEPPED(r29_a_mailbox_whose_count_has_reached_its_end_takes_messages_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
