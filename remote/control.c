/*
 * The queue of the control turn. Posted to by the transport's threads, the timer thread and senders;
 * worked off by whoever of the first two comes when nobody else is at it. Its lock is never held
 * while an item runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "control.h"

static void turn(gri_control *control)
{
    gri_control_item *item = NULL;

    pthread_mutex_lock(&control->lock);
    if (control->turning) {
        pthread_mutex_unlock(&control->lock);
        return;
    }
    control->turning = true;
    while ((item = STAILQ_FIRST(&control->items)) != NULL) {
        STAILQ_REMOVE_HEAD(&control->items, next);
        item->posted = false;
        pthread_mutex_unlock(&control->lock);
        item->fn(item);
        pthread_mutex_lock(&control->lock);
    }
    control->turning = false;
    pthread_mutex_unlock(&control->lock);
}

static bool add(gri_control *control, gri_control_item *item)
{
    bool fresh = false;

    pthread_mutex_lock(&control->lock);
    fresh = !item->posted;
    if (fresh) {
        item->posted = true;
        STAILQ_INSERT_TAIL(&control->items, item, next);
    }
    pthread_mutex_unlock(&control->lock);
    return fresh;
}

static void on_alarm(void *arg)
{
    turn(arg);
}

void gri_control_init(gri_control *control, gr_system *sys)
{
    pthread_mutex_init(&control->lock, NULL);
    STAILQ_INIT(&control->items);
    control->turning = true;
    gr_alarm_init(&control->alarm, sys, on_alarm, control);
}

void gri_control_begin(gri_control *control)
{
    pthread_mutex_lock(&control->lock);
    control->turning = false;
    pthread_mutex_unlock(&control->lock);
    turn(control);
}

void gri_control_fini(gri_control *control)
{
    gr_alarm_fini(&control->alarm);
    turn(control);
    pthread_mutex_destroy(&control->lock);
}

bool gri_control_post(gri_control *control, gri_control_item *item)
{
    bool fresh = add(control, item);

    turn(control);
    return fresh;
}

bool gri_control_post_later(gri_control *control, gri_control_item *item)
{
    bool fresh = add(control, item);

    gr_alarm_set(&control->alarm, gr_system_now(control->alarm.sys));
    return fresh;
}
