/*
 * Ledgers: what is sent while its receiver ends, and what the system itself sends, is accounted for message by message.
 * Behaviours r03, r13 and r28, on threads above all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <sched.h>
#include <stdatomic.h>

enum { SENDERS = 4, ROUNDS = 20 };

/* ---- r03: what becomes of messages to an actor that ends */

/* On the heap: handlers may look at it until the system has stopped. */
typedef struct ledger {
    struct lab *lab;
    gr_pid to;
    size_t each;         /* messages of a sender */
    atomic_uchar *seen;  /* handled, or a dead letter: how often, for each message */
    atomic_size_t known; /* sum of `seen` */
    atomic_size_t handled;
    atomic_size_t next_sender;
} ledger;

static void enter(ledger *book, size_t number)
{
    lab_require(number < book->each * SENDERS);
    /* Relaxed: published by `known`. */
    (void)atomic_fetch_add_explicit(&book->seen[number], 1, memory_order_relaxed);
    /* Release: whoever, acquiring, finds them all sees each. */
    (void)atomic_fetch_add_explicit(&book->known, 1, memory_order_release);
}

static gr_err ledger_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    ledger *book = state;

    (void)ctx;
    enter(book, (size_t)((const lab_word *)gr_msg_read(msg, &lab_word_type))->number);
    (void)atomic_fetch_add_explicit(&book->handled, 1, memory_order_relaxed); /* a count */
    return GR_OK;
}

static void on_dead_letter(void *arg, const gr_type *type, const void *event)
{
    const gr_dead_letter *letter = event;

    (void)type;
    enter(arg, letter->sender.slot);
}

static void *send_share(void *arg)
{
    ledger *book = arg;
    /* Relaxed: a number. */
    size_t sender = atomic_fetch_add_explicit(&book->next_sender, 1, memory_order_relaxed);

    for (size_t i = 0; i < book->each; i++) {
        size_t number = sender * book->each + i;
        gr_msg *msg = lab_word_new((int64_t)number);

        lab_require(msg != NULL);
        gr_msg_set_sender(msg, (gr_pid){1, (uint32_t)number, 1}); /* nobody: to tell it apart */
        (void)gr_forward_msg(book->lab->sys, book->to, msg);
    }
    return NULL;
}

static void end_while_many_send(struct lab *lab, void (*end)(gr_system *sys, gr_pid pid))
{
    ledger *book = lab_own(lab, sizeof(*book));
    gr_subscription *subscription = NULL;
    gr_props props = {.receive = ledger_receive, .arg = book};
    pthread_t threads[SENDERS];
    size_t all = 0;

    book->lab = lab;
    book->each = lab_scaled(5000);
    all = book->each * SENDERS;
    book->seen = lab_own(lab, all * sizeof(*book->seen));
    book->to = lab_spawn_props(lab, &props, NULL);
    assert_int_equal(
        gr_subscribe(lab->sys, &gr_dead_letter_type, on_dead_letter, book, &subscription), GR_OK);
    for (size_t i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, send_share, book), 0);
    }
    /* Relaxed: any moment in the middle will do. */
    LAB_EVENTUALLY(lab, atomic_load_explicit(&book->handled, memory_order_relaxed) > all / 100);
    end(lab->sys, book->to);
    for (size_t i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).actors == 0);
    /* Acquire: see enter(). */
    LAB_EVENTUALLY(lab, atomic_load_explicit(&book->known, memory_order_acquire) >= all);
    subscription = gr_unsubscribe(subscription);
    for (size_t i = 0; i < all; i++) {
        assert_int_equal(atomic_load_explicit(&book->seen[i], memory_order_relaxed), 1);
    }
}

static void r03_none_vanishes_of_what_is_sent_around_a_stop(void **state)
{
    for (int round = 0; round < ROUNDS; round++) {
        end_while_many_send(*state, gr_send_stop);
    }
}

static void r03_none_vanishes_of_what_is_sent_around_a_poison(void **state)
{
    for (int round = 0; round < ROUNDS; round++) {
        end_while_many_send(*state, gr_send_poison);
    }
}

/* ---- r13: slots that are used again while messages to those before are on their way */

/* On the heap, as a ledger is. */
typedef struct lodgers {
    struct lab *lab;
    pthread_mutex_t lock;
    gr_pid now; /* lock */
    atomic_bool over;
    atomic_size_t handled;
    atomic_size_t strayed;
} lodgers;

static gr_err lodger_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    lodgers *house = state;
    const lab_word *word = gr_msg_read(msg, &lab_word_type);
    bool mine = gr_pid_equal(word->from, gr_context_self(ctx)); /* to whom it was addressed */

    /* Relaxed: counts. */
    (void)atomic_fetch_add_explicit(mine ? &house->handled : &house->strayed, 1,
                                    memory_order_relaxed);
    return GR_OK;
}

static void *write_to_lodgers(void *arg)
{
    lodgers *house = arg;

    while (!atomic_load_explicit(&house->over, memory_order_relaxed)) { /* a flag */
        gr_pid to;

        (void)pthread_mutex_lock(&house->lock);
        to = house->now;
        (void)pthread_mutex_unlock(&house->lock);
        for (int i = 0; i < 50; i++) { /* it may move out, and another in, meanwhile */
            gr_msg *msg = lab_word_new(i);

            lab_require(msg != NULL);
            ((lab_word *)gr_msg_payload(msg))->from = to;
            if (gr_send(house->lab->sys, to, msg) != GR_OK) {
                break;
            }
        }
        (void)sched_yield();
    }
    return NULL;
}

static void r13_a_slot_that_is_used_again_under_fire_gets_nothing_meant_for_the_last(void **state)
{
    struct lab *lab = *state;
    lodgers *house = lab_own(lab, sizeof(*house));
    gr_props props = {.receive = lodger_receive, .arg = house};
    size_t rounds = lab_scaled(5000), moved = 0;
    bool used[4096] = {false};
    pthread_t threads[2];

    house->lab = lab;
    (void)pthread_mutex_init(&house->lock, NULL);
    house->now = lab_spawn_props(lab, &props, NULL);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_to_lodgers, house), 0);
    }
    for (size_t round = 0; round < rounds; round++) {
        gr_pid next;

        if (round % 10 == 0) { /* some are to arrive */
            /* Relaxed, both: a count. */
            size_t before = atomic_load_explicit(&house->handled, memory_order_relaxed);

            LAB_EVENTUALLY(lab,
                           atomic_load_explicit(&house->handled, memory_order_relaxed) > before);
        }
        gr_send_stop(lab->sys, house->now);
        LAB_EVENTUALLY(lab, !gr_process_alive(lab->sys, house->now));
        next = lab_spawn_props(lab, &props, NULL);
        assert_false(gr_pid_equal(next, house->now));
        assert_true(next.slot < sizeof(used) / sizeof(used[0]));
        moved += used[next.slot];
        used[next.slot] = true;
        (void)pthread_mutex_lock(&house->lock);
        house->now = next;
        (void)pthread_mutex_unlock(&house->lock);
    }
    atomic_store_explicit(&house->over, true, memory_order_relaxed); /* a flag */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    (void)pthread_mutex_destroy(&house->lock);
    assert_true(moved > 0); /* or this test shows nothing */
    /* Relaxed, both: everything has stopped. */
    assert_true(atomic_load_explicit(&house->handled, memory_order_relaxed) > 0);
    assert_int_equal(atomic_load_explicit(&house->strayed, memory_order_relaxed), 0);
}

/* ---- r28: system messages */

enum { WATCHERS = 100 };

typedef struct notice {
    gr_origin origin; /* told in the turn of the actor that is watched */
    struct clerk *from;
    size_t number;
} notice;

typedef struct clerk {
    struct office *office;
    notice *notices;
    size_t next; /* written in the turns of the actor that is watched */
} clerk;

typedef struct office {
    gr_pid to;
    size_t each;
    size_t wrong;       /* as clerk.next */
    atomic_size_t seen; /* publishes it */
    clerk clerks[WATCHERS];
} office;

static void on_seen(gr_origin *origin, size_t bytes)
{
    notice *mine = (notice *)(void *)origin; /* its first member */
    office *here = mine->from->office;

    here->wrong += mine->number != mine->from->next || bytes != 0;
    mine->from->next++;
    /* Release: publishes the count above to the test. */
    (void)atomic_fetch_add_explicit(&here->seen, 1, memory_order_release);
}

/* Watches, and takes it back, and so on: all of one pid in order, so the last one holds. */
static gr_err act_send_signals(gr_context *ctx, struct lab *lab, void *arg)
{
    clerk *self = arg;
    gr_signal signal = {.to = self->office->to, .from = gr_context_self(ctx)};

    (void)lab;
    for (size_t i = 0; i < self->office->each; i++) {
        self->notices[i] = (notice){{on_seen}, self, i};
        signal.kind = i % 2 == 0 ? GR_SIGNAL_UNWATCH : GR_SIGNAL_WATCH;
        signal.origin = &self->notices[i].origin;
        lab_require(gr_signal_send(gr_context_system(ctx), &signal) == GR_OK);
    }
    return GR_OK;
}

static void r28_a_million_system_messages_from_100_senders_come_once_and_in_order(void **state)
{
    struct lab *lab = *state;
    office *here = lab_own(lab, sizeof(*here));

    here->to = lab_spawn(lab, "a");
    here->each = lab_scaled(lab->stepped != NULL ? 1000 : 10000) / 2 * 2;
    for (size_t i = 0; i < WATCHERS; i++) {
        clerk *self = &here->clerks[i];

        self->office = here;
        self->notices = lab_own(lab, here->each * sizeof(*self->notices));
        lab_do(lab, lab_spawn(lab, NULL), act_send_signals, self);
    }
    /* Acquire: see on_seen(). */
    LAB_EVENTUALLY(lab, atomic_load_explicit(&here->seen, memory_order_acquire) ==
                            WATCHERS * here->each);
    assert_int_equal(here->wrong, 0);
    for (size_t i = 0; i < WATCHERS; i++) {
        assert_int_equal(here->clerks[i].next, here->each);
    }
    assert_int_equal(lab_dead(lab), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_THREADS(r03_none_vanishes_of_what_is_sent_around_a_stop),
        LAB_THREADS(r03_none_vanishes_of_what_is_sent_around_a_poison),
        LAB_THREADS(r13_a_slot_that_is_used_again_under_fire_gets_nothing_meant_for_the_last),
        LAB_BOTH(r28_a_million_system_messages_from_100_senders_come_once_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
