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

static void append(gri_timers *timers, int list, gr_alarm *alarm)
{
    gri_alarm_list *to = &timers->lists[list];

    alarm->node.list = list;
    alarm->node.next = NULL;
    alarm->node.prev = to->last;
    *to->last = alarm;
    to->last = &alarm->node.next;
    if (list != GRI_ALARM_DUE) {
        timers->filled[list / GRI_WHEEL_SLOTS] |= (uint64_t)1 << list % GRI_WHEEL_SLOTS;
    }
}

static void unlink_alarm(gri_timers *timers, gr_alarm *alarm)
{
    gri_alarm_list *from = &timers->lists[alarm->node.list];
    gr_alarm *next = alarm->node.next;

    *alarm->node.prev = next;
    if (next != NULL) {
        next->node.prev = alarm->node.prev;
    } else {
        from->last = alarm->node.prev;
    }
    alarm->node.prev = NULL;
    if (from->first == NULL && alarm->node.list != GRI_ALARM_DUE) {
        timers->filled[alarm->node.list / GRI_WHEEL_SLOTS] &=
            ~((uint64_t)1 << alarm->node.list % GRI_WHEEL_SLOTS);
    }
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

/* Lists keep the order in which alarms were set, cascades included, so alarms of one millisecond fire in that order. */
static void insert_locked(gri_timers *timers, gr_alarm *alarm)
{
    int level = 0, slot = 0;

    if (alarm->node.at_ms <= timers->now_ms) {
        append(timers, GRI_ALARM_DUE, alarm);
        return;
    }
    place(timers, alarm->node.at_ms, &level, &slot);
    append(timers, level * GRI_WHEEL_SLOTS + slot, alarm);
}

/* When the first slot that is not empty begins; the alarms in it are due then or later. */
static int64_t next_locked(const gri_timers *timers)
{
    int level = 0;

    if (timers->lists[GRI_ALARM_DUE].first != NULL) {
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

/* Turns the wheel to a time at which a slot begins; what is there moves down or becomes due. */
static void turn_locked(gri_timers *timers, int64_t to_ms)
{
    int level = 0;

    timers->now_ms = to_ms;
    for (level = GRI_WHEEL_LEVELS - 1; level >= 0; level--) {
        int shift = level * GRI_WHEEL_BITS;
        int list =
            level * GRI_WHEEL_SLOTS + (int)((uint64_t)to_ms >> shift & (GRI_WHEEL_SLOTS - 1));
        gr_alarm *alarm = NULL;

        if (((uint64_t)to_ms & (((uint64_t)1 << shift) - 1)) != 0) {
            continue;
        }
        while ((alarm = timers->lists[list].first) != NULL) {
            unlink_alarm(timers, alarm);
            insert_locked(timers,
                          alarm); /* never into the same list: its slot is where the wheel stands */
        }
    }
}

void gri_timers_remove_locked(gri_timers *timers, gr_alarm *alarm)
{
    if (alarm->node.prev == NULL) {
        return;
    }
    unlink_alarm(timers, alarm);
    alarm->node.state =
        alarm->node.state == GRI_ALARM_SET_WHILE_FIRING ? GRI_ALARM_FIRING : GRI_ALARM_IDLE;
}

void gri_timers_insert_locked(gri_timers *timers, gr_alarm *alarm, int64_t at_ms)
{
    gri_timers_remove_locked(timers, alarm);
    alarm->node.at_ms = at_ms;
    alarm->node.state =
        alarm->node.state == GRI_ALARM_FIRING ? GRI_ALARM_SET_WHILE_FIRING : GRI_ALARM_SET;
    insert_locked(timers, alarm);
}

void gri_timers_clear(gri_timers *timers)
{
    int list = 0;

    (void)pthread_mutex_lock(&timers->lock);
    for (list = 0; list < GRI_ALARM_LISTS; list++) {
        while (timers->lists[list].first != NULL) {
            gri_timers_remove_locked(timers, timers->lists[list].first);
        }
    }
    (void)pthread_mutex_unlock(&timers->lock);
}

gr_err gri_timers_init(gri_timers *timers, int64_t now_ms)
{
    pthread_condattr_t attributes;
    int list = 0;

    memset(timers, 0, sizeof(*timers));
    timers->now_ms = now_ms;
    timers->sleeping_until = INT64_MIN;
    for (list = 0; list < GRI_ALARM_LISTS; list++) {
        timers->lists[list].last = (void **)&timers->lists[list].first;
    }
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
    while (timers->lists[GRI_ALARM_DUE].first == NULL && (next = next_locked(timers)) <= now_ms) {
        turn_locked(timers, next);
    }
    if (timers->lists[GRI_ALARM_DUE].first == NULL && timers->now_ms < now_ms) {
        timers->now_ms = now_ms; /* nothing between: no slot was passed over */
    }
    alarm = timers->lists[GRI_ALARM_DUE].first;
    if (alarm == NULL) {
        (void)pthread_mutex_unlock(&timers->lock);
        return false;
    }
    unlink_alarm(timers, alarm);
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
