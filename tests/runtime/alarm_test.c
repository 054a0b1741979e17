/*
 * Alarms of extenders: set, cleared, ended, and in which order they ring. Stepped, on virtual time, and a few on threads too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <time.h>

typedef struct bell {
    gr_alarm alarm;
    struct lab *lab;
    const char *name;
    int64_t again_ms; /* sets itself again by so much; 0: not */
} bell;

static void ring(void *arg)
{
    bell *mine = arg;

    lab_note(mine->lab, "%s rings", mine->name);
    if (mine->again_ms != 0) {
        gr_alarm_set(&mine->alarm, gr_system_now(mine->lab->sys) + mine->again_ms);
    }
}

static void an_alarm_rings_when_set_and_not_when_cleared(void **state)
{
    struct lab *lab = *state;
    int64_t now = gr_system_now(lab->sys);
    bell a = {.lab = lab, .name = "a"};
    bell b = {.lab = lab, .name = "b"};

    gr_alarm_init(&a.alarm, lab->sys, ring, &a);
    gr_alarm_init(&b.alarm, lab->sys, ring, &b);
    gr_alarm_set(&a.alarm, now + 10);
    gr_alarm_set(&b.alarm, now + 5);
    assert_int_equal(gr_stepped_next_ms(lab->stepped), now + 5);
    gr_alarm_clear(&b.alarm);
    gr_alarm_clear(&b.alarm);
    lab_advance(lab, 20);
    lab_assert_notes(lab, "", "a rings");
    gr_alarm_set(&b.alarm, now); /* in the past: at once */
    lab_advance(lab, 0);
    lab_assert_notes(lab, "", "a rings|b rings");
    gr_alarm_set(&a.alarm, now + 100);
    gr_alarm_set(&a.alarm, now + 30); /* set again: the later word counts */
    lab_advance(lab, 10);
    lab_assert_notes(lab, "", "a rings|b rings|a rings");
    lab_advance(lab, 100);
    lab_assert_notes(lab, "", "a rings|b rings|a rings");
    gr_alarm_fini(&a.alarm);
    gr_alarm_fini(&b.alarm);
}

static void an_alarm_may_set_itself_again(void **state)
{
    struct lab *lab = *state;
    bell a = {.lab = lab, .name = "a", .again_ms = 1};

    gr_alarm_init(&a.alarm, lab->sys, ring, &a);
    gr_alarm_set(&a.alarm, gr_system_now(lab->sys));
    if (lab->stepped != NULL) {
        lab_advance(lab, 5);
    }
    lab_wait_times(lab, "a rings", 5);
    gr_alarm_fini(&a.alarm); /* also while it runs and sets itself */
}

static void ring_and_end(void *arg)
{
    bell *mine = arg;

    gr_alarm_fini(&mine->alarm); /* from inside: does not wait for itself */
    lab_note(mine->lab, "%s ended", mine->name);
}

static void an_alarm_may_end_inside_its_own_function(void **state)
{
    struct lab *lab = *state;
    bell a = {.lab = lab, .name = "a"};

    gr_alarm_init(&a.alarm, lab->sys, ring_and_end, &a);
    gr_alarm_set(&a.alarm, gr_system_now(lab->sys) + 1);
    if (lab->stepped != NULL) {
        lab_advance(lab, 1);
    }
    lab_wait(lab, "a ended");
}

static void after_fini_an_alarm_is_not_running(void **state)
{
    struct lab *lab = *state;

    for (size_t i = 0; i < lab_scaled(2000); i++) {
        bell *a = calloc(1, sizeof(*a));

        assert_non_null(a);
        a->lab = lab;
        a->name = "a";
        gr_alarm_init(&a->alarm, lab->sys, ring, a);
        gr_alarm_set(&a->alarm, gr_system_now(lab->sys)); /* may be running at this moment */
        gr_alarm_fini(&a->alarm);
        free(a); /* a sanitizer sees a use after this */
    }
}

/* ---- order */

enum { BELLS = 3000, TURNS = 20000, SPAN_MS = 300 };

typedef struct tower {
    struct lab *lab;
    int64_t set; /* so many times */
    int64_t rung;
    int64_t last_at_ms; /* that rang */
    int64_t last_order;
} tower;

typedef struct chime {
    gr_alarm alarm;
    tower *in;
    int64_t at_ms;
    int64_t order; /* among all that were ever set; 0: not set */
} chime;

static void chime_rings(void *arg)
{
    chime *mine = arg;
    tower *in = mine->in;

    lab_require(mine->order != 0);
    lab_require(gr_system_now(in->lab->sys) == mine->at_ms);
    lab_require(mine->at_ms > in->last_at_ms ||
                (mine->at_ms == in->last_at_ms && mine->order > in->last_order));
    in->last_at_ms = mine->at_ms;
    in->last_order = mine->order;
    in->rung++;
    mine->order = 0;
}

/* Alarms that are set, set again and cleared at random, near and far, while time goes on: they ring at their times, and
 * those of one millisecond in the order in which they were set. */
static void alarms_of_one_millisecond_ring_in_the_order_in_which_they_were_set(void **state)
{
    struct lab *lab = *state;
    tower in = {.lab = lab};
    chime *chimes = lab_own(lab, BELLS * sizeof(*chimes));
    uint64_t seed = LAB_SEED;
    int64_t cleared = 0;

    for (size_t i = 0; i < BELLS; i++) {
        chimes[i].in = &in;
        gr_alarm_init(&chimes[i].alarm, lab->sys, chime_rings, &chimes[i]);
    }
    for (size_t turn = 0; turn < lab_scaled(TURNS); turn++) {
        chime *one = NULL;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        one = &chimes[(seed >> 33) % BELLS];
        switch ((seed >> 20) % 16) {
        case 0:
            lab_advance(lab, (int64_t)((seed >> 24) % SPAN_MS));
            break;
        case 1:
            cleared += one->order != 0;
            one->order = 0;
            gr_alarm_clear(&one->alarm);
            break;
        default:
            cleared += one->order != 0; /* set again: the later word counts */
            /* Few different times, some of them hours away: many fall on one millisecond, from all levels. */
            one->at_ms = (gr_system_now(lab->sys) / SPAN_MS + 1) * SPAN_MS +
                         (int64_t)((seed >> 40) % 3) * (int64_t)((seed >> 50) % 4) * 65536;
            one->order = ++in.set;
            gr_alarm_set(&one->alarm, one->at_ms);
        }
    }
    lab_advance(lab, 10 * 65536);
    assert_int_equal(in.rung + cleared, in.set);
    for (size_t i = 0; i < BELLS; i++) {
        gr_alarm_fini(&chimes[i].alarm);
    }
}

static void ring_silently(void *arg)
{
    ++*(size_t *)arg;
}

/* Each alarm of a crowd that is due at once is looked at a few times, not as often as there are others. */
static void a_hundred_thousand_alarms_of_one_millisecond_take_no_time(void **state)
{
    struct lab *lab = *state;
    size_t crowd = lab_scaled(100000);
    gr_alarm *alarms = lab_own(lab, crowd * sizeof(*alarms));
    int64_t at_ms = gr_system_now(lab->sys) + 70000;
    size_t rung = 0;
    struct timespec begin = {0}, end = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (size_t i = 0; i < crowd; i++) {
        gr_alarm_init(&alarms[i], lab->sys, ring_silently, &rung);
        gr_alarm_set(&alarms[i], at_ms);
    }
    lab_advance(lab, 70000);
    assert_int_equal(rung, crowd);
    for (size_t i = 0; i < crowd; i++) {
        gr_alarm_fini(&alarms[i]);
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    assert_in_range(end.tv_sec - begin.tv_sec, 0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_STEPPED(an_alarm_rings_when_set_and_not_when_cleared),
        LAB_BOTH(an_alarm_may_set_itself_again),
        LAB_BOTH(an_alarm_may_end_inside_its_own_function),
        LAB_BOTH(after_fini_an_alarm_is_not_running),
        LAB_STEPPED(alarms_of_one_millisecond_ring_in_the_order_in_which_they_were_set),
        LAB_STEPPED(a_hundred_thousand_alarms_of_one_millisecond_take_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
