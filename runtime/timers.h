/*
 * Alarms of a system, in a hierarchical timing wheel: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987,
 * scheme 6. Setting and clearing take the same time whatever the number of alarms.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_TIMERS_H
#define GRI_TIMERS_H

#include <pthread.h>

#include <granary/runtime_spi.h>

enum { GRI_WHEEL_BITS = 6, GRI_WHEEL_SLOTS = 1 << GRI_WHEEL_BITS, GRI_WHEEL_LEVELS = 8 };

enum gri_alarm_state {
    GRI_ALARM_IDLE,
    GRI_ALARM_SET,
    GRI_ALARM_FIRING,
    GRI_ALARM_SET_WHILE_FIRING
};

/* Alarms in the order in which they came; `last` is where the next one is linked. */
typedef struct gri_alarm_list {
    gr_alarm *first;
    void **last;
} gri_alarm_list;

/* The slots of all levels, and those whose time has come. */
enum { GRI_ALARM_DUE = GRI_WHEEL_LEVELS * GRI_WHEEL_SLOTS, GRI_ALARM_LISTS };

typedef struct gri_timers {
    pthread_mutex_t lock;
    pthread_cond_t changed;                /* an alarm became the earliest, or closing */
    pthread_cond_t fired;                  /* an alarm's function has returned */
    int64_t now_ms;                        /* lock; the wheel has been turned up to here */
    uint64_t filled[GRI_WHEEL_LEVELS];     /* lock; a bit for each slot that is not empty */
    gri_alarm_list lists[GRI_ALARM_LISTS]; /* lock */
    int64_t sleeping_until;  /* lock; of the thread that fires; INT64_MIN while it is awake */
    gr_alarm *firing;        /* lock */
    pthread_t firing_thread; /* lock; valid while `firing` is not NULL */
    bool wake;               /* lock */
} gri_timers;

gr_err gri_timers_init(gri_timers *timers, int64_t now_ms);
void gri_timers_fini(gri_timers *timers);

/* When the earliest alarm may be due; INT64_MAX when there is none. Never late, perhaps early. */
int64_t gri_timers_next(gri_timers *timers);
/* Runs one alarm that is due by `now_ms`; false when there is none (any more). Only one thread at a time. */
bool gri_timers_fire_one(gri_timers *timers, int64_t now_ms);
/* Sleeps until `until_ms`, an earlier alarm, or gri_timers_wake(). Real clock only. */
void gri_timers_sleep(gri_timers *timers, int64_t now_ms, int64_t until_ms);
void gri_timers_wake(gri_timers *timers);
/* Sets an alarm, or takes it back; under the lock. */
void gri_timers_insert_locked(gri_timers *timers, gr_alarm *alarm, int64_t at_ms);
void gri_timers_remove_locked(gri_timers *timers, gr_alarm *alarm);
/* Forgets all alarms without running them. */
void gri_timers_clear(gri_timers *timers);

#endif
