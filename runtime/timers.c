/*
 * Alarms in a hierarchical timing wheel of eight levels with 64 slots each: level n holds what is due within 64^(n+1) ms of
 * where the wheel stands, in slots of 64^n ms. Turning the wheel moves what is in a higher slot down when its time comes.
 * One lock guards the wheel; functions run without it, one at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "timers.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <gri/fail.h>

static gr_alarm *next_of(const gr_alarm *alarm)
{
    return alarm->node.next;
}

static void link_at(gr_alarm **head, gr_alarm *alarm)
{
    alarm->node.next = *head;
    alarm->node.prev = (void **)head;
    if (*head != NULL) {
        (*head)->node.prev = &alarm->node.next;
    }
    *head = alarm;
}

static void unlink_alarm(gr_alarm *alarm)
{
    gr_alarm *next = next_of(alarm);

    *alarm->node.prev = next;
    if (next != NULL) {
        next->node.prev = alarm->node.prev;
    }
    alarm->node.next = NULL;
    alarm->node.prev = NULL;
}

/* The level and slot for a time, as seen from where the wheel stands. */
static void place(const gri_timers *timers, int64_t at_ms, int *out_level, int *out_slot)
{
    uint64_t at = (uint64_t)at_ms;
    uint64_t differs = at ^ (uint64_t)timers->now_ms;
    int level = (63 - __builtin_clzll(differs)) / GRI_WHEEL_BITS;

    if (level >= GRI_WHEEL_LEVELS) { /* beyond 8900 years */
        level = GRI_WHEEL_LEVELS - 1;
        at = (uint64_t)timers->now_ms | (((uint64_t)1 << (GRI_WHEEL_LEVELS * GRI_WHEEL_BITS)) - 1);
    }
    *out_level = level;
    *out_slot = (int)(at >> (level * GRI_WHEEL_BITS) & (GRI_WHEEL_SLOTS - 1));
}

/* Alarms of one millisecond become due in the order in which they were set. */
static void add_due(gri_timers *timers, gr_alarm *alarm)
{
    gr_alarm **at = &timers->due;

    while (*at != NULL &&
           ((*at)->node.at_ms < alarm->node.at_ms ||
            ((*at)->node.at_ms == alarm->node.at_ms && (*at)->node.order < alarm->node.order))) {
        at = (gr_alarm **)&(*at)->node.next;
    }
    link_at(at, alarm);
}

static void insert_locked(gri_timers *timers, gr_alarm *alarm)
{
    int level = 0, slot = 0;

    if (alarm->node.at_ms <= timers->now_ms) {
        add_due(timers, alarm);
        return;
    }

    place(timers, alarm->node.at_ms, &level, &slot);
    link_at(&timers->slots[level][slot], alarm);
    timers->filled[level] |= (uint64_t)1 << slot;
}

/* When the first slot that is not empty begins; the alarms in it are due then or later. */
static int64_t next_locked(const gri_timers *timers)
{
    int level = 0;

    if (timers->due != NULL) {
        return timers->now_ms;
    }
    for (level = 0; level < GRI_WHEEL_LEVELS; level++) {
        int shift = level * GRI_WHEEL_BITS;
        uint64_t now = (uint64_t)timers->now_ms >> shift;
        int at = (int)(now & (GRI_WHEEL_SLOTS - 1));
        uint64_t later =
            at == GRI_WHEEL_SLOTS - 1 ? 0 : timers->filled[level] & (~(uint64_t)0 << (at + 1));

        if (later != 0) {
            return (int64_t)(((now & ~(uint64_t)(GRI_WHEEL_SLOTS - 1)) |
                              (uint64_t)__builtin_ctzll(later))
                             << shift);
        }
    }
    return INT64_MAX;
}

/* Empties a slot that is (or became) empty of its bit. */
static gr_alarm *empty_slot(gri_timers *timers, int level, int slot)
{
    gr_alarm *all = timers->slots[level][slot];

    timers->slots[level][slot] = NULL;
    timers->filled[level] &= ~((uint64_t)1 << slot);
    if (all != NULL) {
        all->node.prev = NULL;
    }
    return all;
}

/* Turns the wheel to a time at which a slot begins; what is there moves down or becomes due. */
static void turn_locked(gri_timers *timers, int64_t to_ms)
{
    int level = 0;

    timers->now_ms = to_ms;
    for (level = GRI_WHEEL_LEVELS - 1; level >= 0; level--) {
        int shift = level * GRI_WHEEL_BITS;
        int slot = (int)((uint64_t)to_ms >> shift & (GRI_WHEEL_SLOTS - 1));
        gr_alarm *alarm = NULL;

        if (((uint64_t)to_ms & (((uint64_t)1 << shift) - 1)) != 0 ||
            (timers->filled[level] & (uint64_t)1 << slot) == 0) {
            continue;
        }
        alarm = empty_slot(timers, level, slot);
        while (alarm != NULL) {
            gr_alarm *next = next_of(alarm);

            insert_locked(timers, alarm);
            alarm = next;
        }
    }
}

void gri_timers_remove_locked(gri_timers *timers, gr_alarm *alarm)
{
    gr_alarm **head = (gr_alarm **)alarm->node.prev;
    int level = 0, slot = 0;

    if (alarm->node.prev == NULL) {
        return;
    }
    unlink_alarm(alarm);
    if (alarm->node.state == GRI_ALARM_SET_WHILE_FIRING) {
        alarm->node.state = GRI_ALARM_FIRING;
    } else {
        alarm->node.state = GRI_ALARM_IDLE;
    }
    /* The last one of a slot takes the slot's bit along; the list of those due has none. */
    if (*head == NULL && head >= &timers->slots[0][0] &&
        head < &timers->slots[0][0] + GRI_WHEEL_LEVELS * GRI_WHEEL_SLOTS) {
        level = (int)((head - &timers->slots[0][0]) / GRI_WHEEL_SLOTS);
        slot = (int)((head - &timers->slots[0][0]) % GRI_WHEEL_SLOTS);
        timers->filled[level] &= ~((uint64_t)1 << slot);
    }
}

void gri_timers_insert_locked(gri_timers *timers, gr_alarm *alarm, int64_t at_ms)
{
    gri_timers_remove_locked(timers, alarm);
    alarm->node.at_ms = at_ms;
    alarm->node.order = ++timers->order;
    alarm->node.state =
        alarm->node.state == GRI_ALARM_FIRING ? GRI_ALARM_SET_WHILE_FIRING : GRI_ALARM_SET;
    insert_locked(timers, alarm);
}

void gri_timers_clear(gri_timers *timers)
{
    int level = 0, slot = 0;

    (void)pthread_mutex_lock(&timers->lock);
    for (level = 0; level < GRI_WHEEL_LEVELS; level++) {
        for (slot = 0; slot < GRI_WHEEL_SLOTS; slot++) {
            while (timers->slots[level][slot] != NULL) {
                gri_timers_remove_locked(timers, timers->slots[level][slot]);
            }
        }
    }
    while (timers->due != NULL) {
        gri_timers_remove_locked(timers, timers->due);
    }
    (void)pthread_mutex_unlock(&timers->lock);
}

gr_err gri_timers_init(gri_timers *timers, int64_t now_ms)
{
    pthread_condattr_t attributes;

    memset(timers, 0, sizeof(*timers));
    timers->now_ms = now_ms;
    timers->sleeping_until = INT64_MIN;
    (void)pthread_mutex_init(&timers->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&timers->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_cond_init(&timers->fired, NULL);
    return GR_OK;
}

void gri_timers_fini(gri_timers *timers)
{
    (void)pthread_cond_destroy(&timers->changed);
    (void)pthread_cond_destroy(&timers->fired);
    (void)pthread_mutex_destroy(&timers->lock);
}

int64_t gri_timers_next(gri_timers *timers)
{
    int64_t next = 0;

    (void)pthread_mutex_lock(&timers->lock);
    next = next_locked(timers);
    (void)pthread_mutex_unlock(&timers->lock);
    return next;
}

bool gri_timers_fire_one(gri_timers *timers, int64_t now_ms)
{
    gr_alarm *alarm = NULL;
    int64_t next = 0;

    (void)pthread_mutex_lock(&timers->lock);
    while (timers->due == NULL && (next = next_locked(timers)) <= now_ms) {
        turn_locked(timers, next);
    }
    if (timers->due == NULL && timers->now_ms < now_ms) {
        timers->now_ms = now_ms; /* nothing between: no slot was passed over */
    }
    alarm = timers->due;
    if (alarm == NULL) {
        (void)pthread_mutex_unlock(&timers->lock);
        return false;
    }
    unlink_alarm(alarm);
    alarm->node.state = GRI_ALARM_FIRING;
    timers->firing = alarm;
    timers->firing_thread = pthread_self();
    (void)pthread_mutex_unlock(&timers->lock);
    alarm->fn(alarm->arg);
    (void)pthread_mutex_lock(&timers->lock);
    if (timers->firing == alarm) { /* else it was ended from inside, and may be gone */
        timers->firing = NULL;
        if (alarm->node.state == GRI_ALARM_FIRING) {
            alarm->node.state = GRI_ALARM_IDLE;
        } else {
            alarm->node.state = GRI_ALARM_SET;
        }
        (void)pthread_cond_broadcast(&timers->fired);
    }
    (void)pthread_mutex_unlock(&timers->lock);
    return true;
}

void gri_timers_sleep(gri_timers *timers, int64_t now_ms, int64_t until_ms)
{
    struct timespec until = {0};
    int result = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    if (until_ms != INT64_MAX) {
        int64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;

        until.tv_sec += (time_t)(left_ms / 1000);
        until.tv_nsec += (long)(left_ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
    }
    (void)pthread_mutex_lock(&timers->lock);
    timers->sleeping_until = until_ms;
    while (!timers->wake && next_locked(timers) >= until_ms && result != ETIMEDOUT) {
        result = until_ms == INT64_MAX
                     ? pthread_cond_wait(&timers->changed, &timers->lock)
                     : pthread_cond_timedwait(&timers->changed, &timers->lock, &until);
    }
    timers->wake = false;
    timers->sleeping_until = INT64_MIN;
    (void)pthread_mutex_unlock(&timers->lock);
}

void gri_timers_wake(gri_timers *timers)
{
    (void)pthread_mutex_lock(&timers->lock);
    timers->wake = true;
    (void)pthread_cond_signal(&timers->changed);
    (void)pthread_mutex_unlock(&timers->lock);
}
