/*
 * The lock-free structures by themselves, used by real threads as hard as they can: a worker's queue with thieves, a mailbox
 * with its claim, blocks that go home to another thread's pool, and workers that fall asleep between single messages. What the
 * models in tests/models prove for one order of all accesses is tried here with the orders that are really asked for,
 * under ThreadSanitizer above all. GRANARY_STRESS is the number of rounds of each, DEFAULT_ROUNDS unless told otherwise; 1000
 * of them take some minutes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <sched.h>
#include <stdatomic.h>

#include "pool.h"
#include "ring.h"

enum { THREADS = 3, DEFAULT_ROUNDS = 10 };

static size_t rounds(void)
{
    const char *text = getenv("GRANARY_STRESS");
    size_t asked = text == NULL ? 0 : (size_t)strtoul(text, NULL, 10);

    return asked == 0 ? DEFAULT_ROUNDS : asked;
}

static void start(pthread_t threads[THREADS], void *(*fn)(void *arg), void *arg)
{
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, fn, arg), 0);
    }
}

static void join(pthread_t threads[THREADS])
{
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* ---- a worker's queue */

enum { ACTORS = 3000 };

typedef struct queue_run {
    gri_ring ring;
    /* What stands for an actor: written before it is put, and by who has taken it; nothing but the queue orders that. */
    unsigned taken[ACTORS];
    atomic_bool over;
} queue_run;

static void take(queue_run *run, gri_actor *actor)
{
    unsigned *mark = (unsigned *)(void *)actor;

    lab_require(*mark == 1); /* put, and not taken before */
    lab_require(mark >= run->taken && mark < run->taken + ACTORS);
    *mark = 2;
}

static void *steal(void *arg)
{
    queue_run *run = arg;
    gri_actor *got[GRI_RING / 2];

    for (;;) {
        bool over = atomic_load_explicit(&run->over, memory_order_acquire); /* all has been put */
        uint32_t count = gri_ring_steal(&run->ring, got);

        for (uint32_t i = 0; i < count; i++) {
            take(run, got[i]);
        }
        if (count == 0 && over) {
            return NULL;
        }
    }
}

static void an_actor_in_a_queue_is_taken_once_by_its_worker_or_a_thief(void **state)
{
    queue_run *run = lab_own(*state, sizeof(*run) + 64);

    run = (queue_run *)(((uintptr_t)run + 63) & ~(uintptr_t)63);
    for (size_t round = 0; round < rounds(); round++) {
        pthread_t threads[THREADS];
        size_t i = 0;

        memset(run, 0, sizeof(*run));
        start(threads, steal, run);
        for (i = 0; i < ACTORS; i++) {
            gri_actor *actor = (gri_actor *)(void *)&run->taken[i];

            run->taken[i] = 1;
            while (!gri_ring_put(&run->ring, actor)) {
                gri_actor *oldest = gri_ring_take(&run->ring);

                if (oldest != NULL) {
                    take(run, oldest);
                }
            }
            if (i % 3 == 0 && (actor = gri_ring_take(&run->ring)) != NULL) {
                take(run, actor);
            }
        }
        atomic_store_explicit(&run->over, true, memory_order_release); /* see steal() */
        join(threads);
        for (i = 0; i < ACTORS; i++) {
            assert_int_equal(run->taken[i], 2);
        }
    }
}

/* ---- a mailbox */

enum { SENT = 300, LIMIT = 16 };

typedef struct box_run {
    gri_mailbox box;
    atomic_uint next_sender;
    /* Only by who has the claim: nothing but the mailbox orders that. */
    int64_t last[THREADS];
    size_t handled;
} box_run;

/* As a worker does, without notes. */
static void run_claimed(box_run *run)
{
    do {
        gr_msg *msg = NULL;

        /* True for who has the claim. Each sender may be one too many: see tests/models/mailbox.pml. */
        lab_require(gri_mailbox_depth(&run->box) <= LIMIT + THREADS);
        while ((msg = gri_mailbox_pop(&run->box)) != NULL) {
            const lab_word *word = gr_msg_read(msg, &lab_word_type);
            size_t sender = (size_t)(word->number / SENT);

            lab_require(run->last[sender] < word->number); /* in order, once */
            run->last[sender] = word->number;
            run->handled++;
            (void)gr_msg_unref(msg);
        }
    } while (!gri_mailbox_release(&run->box));
}

static void *send(void *arg)
{
    box_run *run = arg;
    /* Relaxed: a number for each thread. */
    int64_t me = (int64_t)atomic_fetch_add_explicit(&run->next_sender, 1, memory_order_relaxed);

    for (int64_t i = 0; i < SENT; i++) {
        gr_msg *msg = lab_word_new(me * SENT + i);
        gri_push pushed = GRI_PUSH_FULL;

        while ((pushed = gri_mailbox_push(&run->box, msg, LIMIT)) == GRI_PUSH_FULL) {
            (void)sched_yield();
        }
        if (pushed == GRI_PUSHED_MUST_SCHEDULE) {
            run_claimed(run);
        }
    }
    return NULL;
}

static void a_mailbox_is_run_by_one_at_a_time_and_loses_nothing(void **state)
{
    for (size_t round = 0; round < rounds(); round++) {
        box_run run = {.next_sender = 0};
        pthread_t threads[THREADS];

        (void)state;
        atomic_init(&run.box.limit, LIMIT);
        for (size_t i = 0; i < THREADS; i++) {
            run.last[i] = -1;
        }
        start(threads, send, &run);
        join(threads);
        assert_int_equal(run.handled, THREADS * SENT);
        assert_int_equal(gri_mailbox_depth(&run.box), 0);
    }
}

/* ---- blocks that go home */

enum { BLOCKS = 500, SHELVES = 16 };

typedef struct shelf_run {
    _Atomic(gri_block *) shelves[SHELVES];
} shelf_run;

/* Puts blocks where others find them, and frees those it finds. */
static void *swap_blocks(void *arg)
{
    shelf_run *run = arg;

    for (size_t i = 0; i < BLOCKS; i++) {
        gri_block *block = gri_pool_alloc(100 + i % 3 * 200);

        lab_require(block != NULL);
        memset(block + 1, (int)i, 60);
        block->tag = (uint32_t)i;
        /* Acquire and release: the block, from who made it to who frees it. */
        block = atomic_exchange_explicit(&run->shelves[i % SHELVES], block, memory_order_acq_rel);
        if (block != NULL) {
            lab_require(((unsigned char *)(block + 1))[59] == (unsigned char)block->tag);
            gri_pool_free(block);
        }
    }
    gri_pool_flush();
    return NULL;
}

static void blocks_freed_by_other_threads_go_home_whole(void **state)
{
    shelf_run *run = lab_own(*state, sizeof(*run));

    for (size_t round = 0; round < rounds(); round++) {
        pthread_t threads[THREADS];

        start(threads, swap_blocks, run);
        join(threads);
    }
    for (size_t i = 0; i < SHELVES; i++) {
        gri_block *left = atomic_load_explicit(&run->shelves[i], memory_order_relaxed); /* alone */

        if (left != NULL) {
            gri_pool_free(left);
        }
    }
}

/* ---- workers that fall asleep */

static gr_err bounce(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)state;
    return gr_respond(ctx,
                      lab_word_new(((const lab_word *)gr_msg_read(msg, &lab_word_type))->number));
}

static void *ask(void *arg)
{
    struct lab *lab = arg;
    gr_props props = {.receive = bounce};
    gr_pid pid = gr_pid_null();

    lab_require(gr_spawn(lab->sys, &props, NULL, &pid) == GR_OK);
    for (int64_t i = 0; i < 20; i++) {
        gr_msg *reply = NULL;

        lab_require(gr_request(lab->sys, pid, lab_word_new(i), GR_FOREVER, &reply) == GR_OK);
        reply = gr_msg_unref(reply);
    }
    gr_send_stop(lab->sys, pid);
    return NULL;
}

/* A wake that is lost would hang here. */
static void no_worker_sleeps_beside_a_message(void **state)
{
    for (size_t round = 0; round < rounds(); round++) {
        pthread_t threads[THREADS];

        start(threads, ask, *state);
        join(threads);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_STEPPED(an_actor_in_a_queue_is_taken_once_by_its_worker_or_a_thief),
        LAB_STEPPED(a_mailbox_is_run_by_one_at_a_time_and_loses_nothing),
        LAB_STEPPED(blocks_freed_by_other_threads_go_home_whole),
        LAB_THREADS(no_worker_sleeps_beside_a_message),
        LAB_ONE_WORKER(no_worker_sleeps_beside_a_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
