/*
 * The receptionist: see receptionist.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "receptionist.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

/* Who sent it is how a client knows whom it has heard. */
static gr_msg *signed_news(const gri_receptionist *receptionist, gr_msg *news)
{
    if (news != NULL) {
        gr_msg_set_sender(news, receptionist->pid);
    }
    return news;
}

static gr_msg *news_of(const gri_view *view)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    gr_msg *msg = NULL;

    if (view == NULL) {
        return gri_news_new(NULL, 0, false);
    }
    if (gri_view_pack(view, &bytes, &count) == GR_OK) {
        msg = gri_news_new(bytes, count, false);
        gri_free(bytes);
    }
    return msg;
}

static bool has_locked(const gri_receptionist *receptionist, uint64_t node)
{
    for (size_t i = 0; i < receptionist->count; i++) {
        if (receptionist->subscribers[i] == node) {
            return true;
        }
    }
    return false;
}

static void add_subscriber(gri_receptionist *receptionist, uint64_t node)
{
    (void)pthread_mutex_lock(&receptionist->lock);
    if (!has_locked(receptionist, node) && receptionist->count < GRI_SUBSCRIBERS_MAX) {
        if (receptionist->count == receptionist->room) {
            size_t room = receptionist->room == 0 ? 16 : receptionist->room * 2;
            uint64_t *grown = gri_realloc(receptionist->subscribers, room * sizeof(*grown));

            receptionist->subscribers = grown == NULL ? receptionist->subscribers : grown;
            receptionist->room = grown == NULL ? receptionist->room : room;
        }
        if (receptionist->count < receptionist->room) { /* else it asks again soon */
            receptionist->subscribers[receptionist->count++] = node;
        }
    }
    (void)pthread_mutex_unlock(&receptionist->lock);
}

void gri_receptionist_lost(gri_receptionist *receptionist, uint64_t node)
{
    (void)pthread_mutex_lock(&receptionist->lock);
    for (size_t i = 0; i < receptionist->count; i++) {
        if (receptionist->subscribers[i] == node) {
            receptionist->subscribers[i] = receptionist->subscribers[--receptionist->count];
            break;
        }
    }
    (void)pthread_mutex_unlock(&receptionist->lock);
}

static void on_subscribe(gri_receptionist *receptionist, gr_pid from,
                         const gri_subscribe *subscribe)
{
    gri_view *view = gri_view_cell_read(&receptionist->host->exchange->view);
    bool has_newest = view == NULL || (view->founded == subscribe->view_founded &&
                                       view->version <= subscribe->view_version);

    if (!gri_lease_gate_is_open(&receptionist->host->gate)) { /* cut off: its view may be old */
        (void)gr_forward_msg(receptionist->sys, from,
                             signed_news(receptionist, gri_news_new(NULL, 0, true)));
    } else {
        add_subscriber(receptionist, from.node);
        (void)gr_forward_msg(receptionist->sys, from,
                             signed_news(receptionist, news_of(has_newest ? NULL : view)));
    }
    (void)gri_view_unref(view);
}

void gri_receptionist_tell(gri_receptionist *receptionist, const gri_view *view)
{
    gr_msg *news = NULL;
    uint64_t *nodes = NULL;
    size_t count = 0;

    (void)pthread_mutex_lock(&receptionist->lock);
    count = receptionist->count;
    nodes = gri_alloc((count + 1) * sizeof(*nodes));
    if (nodes != NULL && count > 0) {
        memcpy(nodes, receptionist->subscribers, count * sizeof(*nodes));
    }
    (void)pthread_mutex_unlock(&receptionist->lock);
    news = nodes == NULL || count == 0 ? NULL : signed_news(receptionist, news_of(view));
    for (size_t i = 0; news != NULL && i < count; i++) {
        (void)gr_forward_msg(receptionist->sys, gr_pid_well_known(nodes[i], GR_SLOT_CLUSTER),
                             gr_msg_ref(news));
    }
    (void)gr_msg_unref(news);
    gri_free(nodes);
}

static void deliver(void *self, gr_pid pid, gr_msg *take_msg)
{
    gri_receptionist *receptionist = self;
    const gri_subscribe *subscribe = gr_msg_read(take_msg, &gri_subscribe_type);
    gr_pid from = gr_msg_sender(take_msg);

    if (gr_msg_type(take_msg) == &gri_call_type) {
        if (from.node != receptionist->host->node) {
            /* Relaxed: a time, for who waits until nobody calls any more. */
            atomic_store_explicit(&receptionist->called_ms, gr_system_now(receptionist->sys),
                                  memory_order_relaxed);
        }
        gri_host_take_call(receptionist->host, take_msg);
        return;
    }
    if (subscribe != NULL && !gr_pid_is_null(from)) {
        on_subscribe(receptionist, from, subscribe);
        (void)gr_msg_unref(take_msg);
        return;
    }
    gr_dead_letter_add(receptionist->sys, pid, take_msg, GR_DEAD_NO_ACTOR, GR_ENOTYPE);
}

static const gr_process_ops ops = {GR_PROCESS_VERSION, "receptionist", deliver, NULL};

gr_err gri_receptionist_open(gri_receptionist *receptionist, gr_system *sys, gri_host *host)
{
    *receptionist = (gri_receptionist){.sys = sys, .host = host};
    (void)pthread_mutex_init(&receptionist->lock, NULL);
    atomic_init(&receptionist->called_ms, 0);
    return gr_process_open(sys, &ops, receptionist, GR_SLOT_CLUSTER, &receptionist->pid);
}

void gri_receptionist_close(gri_receptionist *receptionist)
{
    gr_process_close(receptionist->sys, receptionist->pid);
}

void gri_receptionist_fini(gri_receptionist *receptionist)
{
    gri_free(receptionist->subscribers);
    receptionist->subscribers = NULL;
    (void)pthread_mutex_destroy(&receptionist->lock);
}
