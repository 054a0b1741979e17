/*
 * The queue of the control turn. Posted to by the transport's threads, the timer thread and senders;
 * worked off by whoever of the first two comes when nobody else is at it, up to a number of items: what
 * is left then, because others go on posting, is handed on to the timer thread, behind the alarms that
 * are due there. Its lock is never held while an item runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "control.h"

#include <limits.h>

/* The lock is held meanwhile, so that no alarm is set after gri_control_close() has ended it. */
static void hand_on_locked(gri_control *control)
{
    if (!control->closing) {
        gr_alarm_set(&control->alarm, gr_system_now(control->alarm.sys));
    }
}

static void turn(gri_control *control, unsigned items_max)
{
    gri_control_item *item = NULL;

    pthread_mutex_lock(&control->lock);
    if (control->turning) {
        pthread_mutex_unlock(&control->lock);
        return;
    }
    control->turning = true;
    while (items_max > 0 && (item = STAILQ_FIRST(&control->items)) != NULL) {
        items_max--;
        STAILQ_REMOVE_HEAD(&control->items, next);
        item->posted = false;
        pthread_mutex_unlock(&control->lock);
        item->fn(item);
        pthread_mutex_lock(&control->lock);
    }
    control->turning = false;
    if (!STAILQ_EMPTY(&control->items)) {
        hand_on_locked(control);
    }
    pthread_mutex_unlock(&control->lock);
}

static bool add_locked(gri_control *control, gri_control_item *item)
{
    if (item->posted || control->closed) {
        return false;
    }
    item->posted = true;
    STAILQ_INSERT_TAIL(&control->items, item, next);
    return true;
}

static void on_alarm(void *arg)
{
    turn(arg, GRI_CONTROL_ITEMS_MAX);
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
    turn(control, GRI_CONTROL_ITEMS_MAX);
}

void gri_control_close(gri_control *control)
{
    pthread_mutex_lock(&control->lock);
    control->closing = true;
    pthread_mutex_unlock(&control->lock);
    gr_alarm_fini(&control->alarm);
    do {
        turn(control, UINT_MAX);
        pthread_mutex_lock(&control->lock);
        control->closed = STAILQ_EMPTY(&control->items);
        pthread_mutex_unlock(&control->lock);
    } while (!control->closed);
}

void gri_control_fini(gri_control *control)
{
    pthread_mutex_destroy(&control->lock);
}

bool gri_control_post(gri_control *control, gri_control_item *item)
{
    bool fresh = false;

    pthread_mutex_lock(&control->lock);
    fresh = add_locked(control, item);
    pthread_mutex_unlock(&control->lock);
    turn(control, GRI_CONTROL_ITEMS_MAX);
    return fresh;
}

bool gri_control_post_later(gri_control *control, gri_control_item *item)
{
    bool fresh = false;

    pthread_mutex_lock(&control->lock);
    fresh = add_locked(control, item);
    if (fresh) {
        hand_on_locked(control);
    }
    pthread_mutex_unlock(&control->lock);
    return fresh;
}

void gri_control_help(gri_control *control)
{
    turn(control, GRI_CONTROL_ITEMS_MAX);
}
