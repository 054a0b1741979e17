/*
 * Membership as the node sees it: starting, the right to act, the newest view, ending. The work is
 * done by six actors; this file holds the state that they share. Its lock is held for a few
 * assignments only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <inttypes.h>
#include <string.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

typedef struct nothing {
    char unused;
} nothing;

const gr_type gri_member_tick_type = {"membership.tick", sizeof(nothing), NULL, NULL, NULL};
const gr_type gri_member_look_type = {"membership.look", sizeof(nothing), NULL, NULL, NULL};
const gr_type gri_member_leave_type = {"membership.leave", sizeof(nothing), NULL, NULL, NULL};
const gr_type gri_member_hint_type = {"membership.hint", sizeof(nothing), NULL, NULL, NULL};
const gr_type gri_member_left_type = {"membership.left", sizeof(nothing), NULL, NULL, NULL};

/* ---- state and right */

static const char *state_name(gri_membership_state state)
{
    static const char *const names[] = {"joining", "member", "leaving", "left", "fenced"};

    return names[state];
}

gri_membership_state gri_membership_state_now(gri_membership *m)
{
    gri_membership_state state = GRI_MEMBERSHIP_JOINING;

    pthread_mutex_lock(&m->lock);
    state = m->state;
    pthread_mutex_unlock(&m->lock);
    return state;
}

bool gri_membership_go(gri_membership *m, gri_membership_state next)
{
    static const bool may_go[5][5] = {
        [GRI_MEMBERSHIP_JOINING] = {[GRI_MEMBERSHIP_MEMBER] = true},
        [GRI_MEMBERSHIP_MEMBER] = {[GRI_MEMBERSHIP_LEAVING] = true, [GRI_MEMBERSHIP_FENCED] = true},
        [GRI_MEMBERSHIP_LEAVING] = {[GRI_MEMBERSHIP_LEFT] = true, [GRI_MEMBERSHIP_FENCED] = true},
    };
    gri_membership_state was = GRI_MEMBERSHIP_JOINING;
    bool goes = false;

    pthread_mutex_lock(&m->lock);
    was = m->state;
    goes = may_go[was][next];
    if (goes) {
        m->state = next;
    }
    if (goes && next >= GRI_MEMBERSHIP_LEFT) {
        /* Takes the right away from all threads; nothing else is published with it. */
        atomic_store_explicit(&m->valid_until_ms, 0, memory_order_release);
    }
    pthread_mutex_unlock(&m->lock);
    if (goes) {
        gr_system_log(m->sys, GR_LOG_DEBUG, "GR-CLUSTER-MEMBERSHIP",
                      "node %016" PRIx64 ": %s -> %s", m->self.node, state_name(was),
                      state_name(next));
    }
    return goes;
}

void gri_membership_gone(gri_membership *m, const char *why)
{
    if (gri_membership_go(m, GRI_MEMBERSHIP_FENCED)) {
        gr_system_log(m->sys, GR_LOG_WARN, "GR-CLUSTER-FENCED",
                      "node %016" PRIx64 " was fenced: %s. It starts over under a new id.",
                      m->self.node, why);
        gri_membership_poke(m, m->voice, &gri_member_tick_type);
    }
}

void gri_membership_extend(gri_membership *m, int64_t began_ms)
{
    int64_t until_ms = began_ms + m->lease_ms - gri_membership_margin_ms(m->lease_ms);

    pthread_mutex_lock(&m->lock);
    if (m->state == GRI_MEMBERSHIP_MEMBER || m->state == GRI_MEMBERSHIP_LEAVING) {
        /* Publishes the right to act to every thread. Release: a thread that sees it also sees the
         * view that the round has confirmed. */
        atomic_store_explicit(&m->valid_until_ms, until_ms, memory_order_release);
    } else {
        until_ms = 0;
    }
    pthread_mutex_unlock(&m->lock);
    if (until_ms != 0) {
        gr_alarm_set(&m->lapse, until_ms);
    }
}

static void on_lapse(void *arg)
{
    gri_membership *m = arg;

    gri_membership_poke(m, m->voice, &gri_member_tick_type);
}

int64_t gri_membership_lease_left_ms(const gri_membership *m)
{
    /* Acquire: pairs with gri_membership_extend(). */
    int64_t until_ms = atomic_load_explicit(&m->valid_until_ms, memory_order_acquire);
    int64_t now = gr_system_now(m->sys);

    return until_ms > now ? until_ms - now : 0;
}

bool gri_membership_may_act(const gri_membership *m)
{
    return gri_membership_lease_left_ms(m) > 0;
}

/* ---- for the node */

void gri_membership_poke(gri_membership *m, gr_pid actor, const gr_type *type)
{
    if (!gr_pid_is_null(actor)) {
        /* A poke that is lost is made up for by the actor's next tick. */
        (void)gr_send(m->sys, actor, gr_msg_new(type));
    }
}

gri_view *gri_membership_view(gri_membership *m)
{
    return gri_membership_newest(m, NULL);
}

uint64_t gri_membership_node(const gri_membership *m)
{
    return m->self.node;
}

void gri_membership_suspect(gri_membership *m, uint64_t node)
{
    gr_system_log(m->sys, GR_LOG_DEBUG, "GR-CLUSTER-SUSPECT", "looking at the lease of %016" PRIx64,
                  node);
    gri_membership_poke(m, m->fence, &gri_member_look_type);
}

void gri_membership_hint(gri_membership *m, uint64_t version)
{
    bool newer = false;

    pthread_mutex_lock(&m->lock);
    newer = m->view != NULL && version > m->view->version;
    pthread_mutex_unlock(&m->lock);
    if (newer) {
        gri_membership_poke(m, m->watch, &gri_member_hint_type);
    }
}

/* ---- starting */

static gr_err check_options(gr_system *sys, const gri_membership_options *options)
{
    if (options->lease_ms < GR_LEASE_MS_MIN || options->lease_ms > GR_LEASE_MS_MAX) {
        return GRI_FAIL(GR_EINVAL, "a lease of %" PRId64 " ms; %d to %d are allowed",
                        options->lease_ms, GR_LEASE_MS_MIN, GR_LEASE_MS_MAX);
    }
    if (options->self.node != gr_system_node(sys)) {
        return GRI_FAIL(GR_EINVAL, "a node joins under the id of its system");
    }
    return GR_OK;
}

static gr_err membership_new(gr_system *sys, const gri_membership_options *options,
                             gri_membership **out_membership)
{
    gri_membership *m = gri_calloc(1, sizeof(*m));
    gr_err err = GR_OK;

    if (m == NULL) {
        return GRI_FAIL(GR_ENOMEM, "membership");
    }
    m->sys = sys;
    m->ops = options->coordinator_ops;
    m->coordinator = options->coordinator;
    m->lease_ms = options->lease_ms;
    m->request_ms = options->lease_ms / 2;
    m->shards = options->shards;
    m->events = options->events;
    m->events_self = options->events_self;
    m->told_valid = true;
    gri_lease_key(options->self.node, m->lease_key);
    pthread_mutex_init(&m->lock, NULL);
    gr_alarm_init(&m->lapse, sys, on_lapse, m);
    atomic_init(&m->valid_until_ms, 0);
    atomic_init(&m->leave_by_ms, INT64_MAX);
    atomic_init(&m->actors, 1); /* our own, until gri_membership_free() */
    err = gri_member_copy(&options->self, &m->self);
    if (err == GR_OK) {
        err = gr_future_new(sys, GR_FOREVER, &m->ended);
    }
    if (err != GR_OK) {
        gri_membership_free(m);
        return err;
    }
    *out_membership = m;
    return GR_OK;
}

/* Nothing is changed at the coordinator for a node that may not join. */
static gr_err read_first_view(gri_membership *m, int64_t deadline_ms)
{
    unsigned failures = 0;
    gr_err err = GR_OK;
    gri_view *view = NULL;

    for (;;) {
        err = gri_membership_read_view(m);
        if (err != GR_EUNREACHABLE || gr_system_now(m->sys) >= deadline_ms) {
            break;
        }
        err = gri_pause_after_failure(m->sys, failures);
        if (err != GR_OK) {
            break;
        }
        failures++;
    }
    if (err == GR_OK) {
        view = gri_membership_newest(m, NULL);
        err = view == NULL ? GR_OK : gri_view_admits(view, m->shards, m->lease_ms);
        gri_view_unref(view);
    }
    return err;
}

/* Adds this node to the view, once nobody else has its address there; somebody may have been faster, again and
 * again. A lease that was taken for an attempt before is renewed. */
static gr_err enter_view(gri_membership *m, int64_t deadline_ms, int64_t *out_began_ms)
{
    gri_view_event event = {
        .kind = GRI_VIEW_JOIN, .node = m->self.node, .member = &m->self, .lease_ms = m->lease_ms};
    gr_err err = GR_OK;

    do {
        err = gri_address_claim(m, &deadline_ms);
        if (err == GR_OK) {
            err = gri_lease_take(m, deadline_ms, out_began_ms);
        }
        if (err == GR_OK) {
            err = gri_membership_change(m, &event, NULL, deadline_ms);
        }
    } while (err == GR_EBUSY);
    return err;
}

static gr_err join(gri_membership *m, int64_t deadline_ms)
{
    int64_t began_ms = 0;
    gr_err err = read_first_view(m, deadline_ms);

    if (err != GR_OK) {
        return err;
    }
    err = enter_view(m, deadline_ms, &began_ms);
    if (err != GR_OK) {
        gr_error detail = *gr_last_error();

        if (m->lease_revision != 0) {
            /* If the view has us all the same, a lease that is gone counts as fenced. */
            (void)gri_lease_remove(m);
        }
        return gr_error_set(err, detail.file, detail.line, "%s", detail.text);
    }
    GRI_INVARIANT(gri_membership_go(m, GRI_MEMBERSHIP_MEMBER));
    gri_membership_extend(m, began_ms);
    return GR_OK;
}

static void on_actor_gone(void *arg)
{
    gri_membership *m = arg;
    gr_future *ended = m->ended;

    /* Release: what the actor did comes before free(); acquire: the last one has seen all others. */
    if (atomic_fetch_sub_explicit(&m->actors, 1, memory_order_acq_rel) == 1) {
        (void)gr_future_complete(ended, gr_msg_new(&gri_member_tick_type));
    }
}

static gr_err spawn(gri_membership *m, const gr_props *base, gr_pid *out_pid)
{
    gr_props props = *base;

    props.arg = m;
    props.arg_free = on_actor_gone;
    atomic_fetch_add_explicit(&m->actors, 1, memory_order_relaxed); /* start() holds it still */
    return gr_spawn(m->sys, &props, NULL, out_pid);
}

static gr_err spawn_all(gri_membership *m)
{
    gr_err err = spawn(m, &gri_lease_props, &m->lease);

    if (err == GR_OK) {
        err = spawn(m, &gri_voice_props, &m->voice);
    }
    if (err == GR_OK) {
        err = spawn(m, &gri_drain_props, &m->drain);
    }
    if (err == GR_OK) {
        err = spawn(m, &gri_fence_props, &m->fence);
    }
    if (err == GR_OK) {
        err = spawn(m, &gri_watch_props, &m->watch);
    }
    if (err == GR_OK) {
        err = spawn(m, &gri_sweep_props, &m->sweep);
    }
    return err;
}

/* Joined, but could not be started: the others need not wait for its lease to run out. */
static void take_back(gri_membership *m)
{
    gri_view_event gone = {.kind = GRI_VIEW_LEAVE, .node = m->self.node};

    (void)gri_membership_go(m, GRI_MEMBERSHIP_LEAVING);
    (void)gri_membership_go(m, GRI_MEMBERSHIP_LEFT);
    if (gri_membership_change(m, &gone, NULL, gr_system_now(m->sys) + m->request_ms) == GR_OK) {
        (void)gri_lease_remove(m);
    }
}

gr_err gri_membership_start(gr_system *sys, const gri_membership_options *options,
                            int64_t timeout_ms, gri_membership **out_membership)
{
    gri_membership *m = NULL;
    gr_err err = check_options(sys, options);

    if (err == GR_OK) {
        err = membership_new(sys, options, &m);
    }
    if (err != GR_OK) {
        return err;
    }
    err = join(m, timeout_ms > INT64_MAX / 2 ? INT64_MAX : gr_system_now(sys) + timeout_ms);
    if (err == GR_OK) {
        gri_voice_tell_first(m);
        err = spawn_all(m);
    }
    if (err != GR_OK) {
        gr_error detail = *gr_last_error();

        if (gri_membership_state_now(m) != GRI_MEMBERSHIP_JOINING) {
            take_back(m);
        }
        gri_membership_free(m);
        return gr_error_set(err, detail.file, detail.line, "%s", detail.text);
    }
    *out_membership = m;
    return GR_OK;
}

/* ---- ending */

gr_err gri_membership_leave(gri_membership *m, int64_t timeout_ms)
{
    int64_t slack_ms = 3 * m->request_ms;
    int64_t by_ms =
        timeout_ms > INT64_MAX / 2 ? INT64_MAX - slack_ms : gr_system_now(m->sys) + timeout_ms;
    gr_msg *reply = NULL;
    gr_err err = GR_OK;

    /* Ends the patience of a drain that is under way; publishes nothing else. */
    atomic_store_explicit(&m->leave_by_ms, by_ms, memory_order_relaxed);
    err = gr_request(m->sys, m->drain, gr_msg_new(&gri_member_leave_type),
                     timeout_ms > INT64_MAX / 2 ? GR_FOREVER : timeout_ms + slack_ms, &reply);
    gr_msg_unref(reply);
    if (err != GR_OK) {
        gr_error detail = *gr_last_error();

        /* Whatever became of it: from now on this node does not act. */
        (void)gri_membership_go(m, GRI_MEMBERSHIP_LEAVING);
        (void)gri_membership_go(m, GRI_MEMBERSHIP_LEFT);
        return gr_error_set(err, detail.file, detail.line, "%s", detail.text);
    }
    return GR_OK;
}

/* False when this actor is being stopped itself, and cannot wait. */
static bool stop_actors(gri_membership *m)
{
    gr_pid actors[] = {m->watch, m->fence, m->sweep, m->drain, m->lease, m->voice};
    gr_msg *reply = NULL;
    size_t i = 0;

    for (i = 0; i < sizeof(actors) / sizeof(actors[0]); i++) {
        if (!gr_pid_is_null(actors[i])) {
            gr_send_stop(m->sys, actors[i]);
        }
    }
    on_actor_gone(m); /* our own */
    if (gr_await(m->ended, GR_FOREVER, &reply) == GR_OK) {
        gr_msg_unref(reply);
    }
    return gr_future_ready(m->ended);
}

void gri_membership_stop(gri_membership *m)
{
    if (m->stopping) {
        return;
    }
    m->stopping = true;
    if (m->ended != NULL && !stop_actors(m)) {
        return; /* its actors still use it */
    }
    /* Takes the right away from all threads; nothing else is published with it. */
    atomic_store_explicit(&m->valid_until_ms, 0, memory_order_release);
    gr_alarm_fini(&m->lapse);
    m->ended = gr_future_unref(m->ended);
    m->stopped = true;
}

gri_membership *gri_membership_free(gri_membership *take_membership)
{
    gri_membership *m = take_membership;

    if (m == NULL) {
        return NULL;
    }
    gri_membership_stop(m);
    if (!m->stopped) {
        return NULL; /* left behind */
    }
    gri_view_unref(m->view);
    gri_drain_forget(m);
    gri_member_fini(&m->self);
    pthread_mutex_destroy(&m->lock);
    gri_free(m);
    return NULL;
}
