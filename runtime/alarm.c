/*
 * One alarm: set, taken back, ended. The wheel it hangs in is in timers.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <string.h>

void gr_alarm_init(gr_alarm *alarm, gr_system *sys, void (*fn)(void *arg), void *arg)
{
    memset(alarm, 0, sizeof(*alarm));
    alarm->sys = sys;
    alarm->fn = fn;
    alarm->arg = arg;
    alarm->node.state = GRI_ALARM_IDLE;
}

void gr_alarm_set(gr_alarm *alarm, int64_t at_ms)
{
    gri_timers *timers = &alarm->sys->timers;

    (void)pthread_mutex_lock(&timers->lock);
    gri_timers_insert_locked(timers, alarm, at_ms);
    if (at_ms < timers->sleeping_until) {
        (void)pthread_cond_signal(&timers->changed);
    }
    (void)pthread_mutex_unlock(&timers->lock);
}

void gr_alarm_clear(gr_alarm *alarm)
{
    gri_timers *timers = &alarm->sys->timers;

    (void)pthread_mutex_lock(&timers->lock);
    gri_timers_remove_locked(timers, alarm);
    (void)pthread_mutex_unlock(&timers->lock);
}

void gr_alarm_fini(gr_alarm *alarm)
{
    gri_timers *timers = &alarm->sys->timers;

    (void)pthread_mutex_lock(&timers->lock);
    gri_timers_remove_locked(timers, alarm);
    while (timers->firing == alarm) {
        if (pthread_equal(timers->firing_thread, pthread_self())) {
            timers->firing =
                NULL; /* from inside its own function: nobody touches it after that returns */
            break;
        }
        (void)pthread_cond_wait(&timers->fired, &timers->lock);
        gri_timers_remove_locked(timers, alarm); /* its function may have set it again */
    }
    (void)pthread_mutex_unlock(&timers->lock);
}
