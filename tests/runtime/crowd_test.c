/*
 * A hundred thousand handlers that wait at once, under every tool: what they take, what is said of them, and that they all
 * finish. Behaviour r18; that an overrun is found out is in stack_test.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <stdatomic.h>
#include <unistd.h>

/* CROWD: how many the build's tools have room for. */
enum {
    WORKERS = 3,
    POOLED = 300,                  /* fibers that a worker keeps ready, and some more */
    BYTES_OF_ONE = 12 * 1024,      /* memory that an actor with a waiting handler takes at most */
    BYTES_OF_ONE_LATER = 2 * 1024, /* and when it has finished */
};

/* How many have come through; written from many actors. */
typedef struct turnstile {
    gr_future *future;
    atomic_size_t through;
    atomic_size_t stopped;
} turnstile;

static gr_err pass_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    turnstile *here = state;
    gr_msg *reply = NULL;
    gr_err err = gr_await(here->future, GR_FOREVER, &reply);

    (void)ctx;
    (void)msg;
    (void)gr_msg_unref(reply);
    lab_require(err == GR_OK || err == GR_ESTOPPED);
    /* Release: this handler has done with the future, which the test, acquiring, then lets go. */
    (void)atomic_fetch_add_explicit(err == GR_OK ? &here->through : &here->stopped, 1,
                                    memory_order_release);
    return GR_OK;
}

/* Memory that is really there; 0: not known. */
static size_t resident(void)
{
    return lab_pages(true) * (size_t)sysconf(_SC_PAGESIZE);
}

static bool dump_says(struct lab *lab, const char *what)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    bool said = false;

    assert_non_null(out);
    gr_system_dump(lab->sys, out);
    assert_int_equal(fclose(out), 0);
    said = strstr(text, what) != NULL;
    free(text);
    return said;
}

static turnstile *fill(struct lab *lab)
{
    turnstile *here = lab_own(lab, sizeof(*here));
    gr_props props = {.receive = pass_receive, .arg = here};

    assert_int_equal(gr_future_new(lab->sys, GR_FOREVER, &here->future), GR_OK);
    for (size_t i = 0; i < CROWD; i++) {
        lab_tell(lab, lab_spawn_props(lab, &props, NULL), 1);
    }
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == CROWD);
    return here;
}

static void r18_a_hundred_thousand_waiting_at_once_all_finish(void **state)
{
    struct lab *lab = *state;
    size_t before = resident();
    turnstile *here = fill(lab);
    size_t fibers = gr_system_counters(lab->sys).fibers;
    char want[80];

    assert_in_range(fibers, CROWD, CROWD + WORKERS * POOLED); /* one for each, and those that run */
    (void)snprintf(want, sizeof(want), "%zu fibers (%d waiting), stacks of 64 KiB", fibers, CROWD);
    assert_true(dump_says(lab, want));
    assert_true(before == 0 || resident() - before < (size_t)CROWD * BYTES_OF_ONE);

    assert_int_equal(gr_future_complete(here->future, lab_word_new(1)), GR_OK);
    /* Acquire: all have done with the future. */
    LAB_EVENTUALLY(lab, atomic_load_explicit(&here->through, memory_order_acquire) == CROWD);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers_waiting == 0);
    LAB_EVENTUALLY(lab, gr_system_counters(lab->sys).fibers <= WORKERS * POOLED);
    LAB_EVENTUALLY(lab, before == 0 || resident() < before + (size_t)CROWD * BYTES_OF_ONE_LATER);
    here->future = gr_future_unref(here->future);
}

static void r18_a_hundred_thousand_waiting_at_once_stop_with_their_system(void **state)
{
    struct lab *lab = *state;
    turnstile *here = fill(lab);

    assert_int_equal(gr_system_stop(lab->sys, GR_FOREVER), GR_OK);
    /* Acquire: all have done with the future. */
    assert_int_equal(atomic_load_explicit(&here->stopped, memory_order_acquire), CROWD);
    assert_int_equal(gr_system_counters(lab->sys).actors, 0);
    assert_int_equal(gr_system_counters(lab->sys).fibers_waiting, 0);
    here->future = gr_future_unref(here->future);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if !defined(GRI_FIBER_AS_THREAD) /* that build looks for races, and one thread has none */
        LAB_STEPPED(r18_a_hundred_thousand_waiting_at_once_all_finish),
#endif
        LAB_THREADS(r18_a_hundred_thousand_waiting_at_once_all_finish),
        LAB_THREADS(r18_a_hundred_thousand_waiting_at_once_stop_with_their_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
