/*
 * Handing on what was sent to a router, in the sender's thread: who of the members gets it. Nothing is held while it is sent to
 * them, since dead letters call functions of the application.
 *
 * Keys find their member by rendezvous: each member has a score with the key, and the highest wins. That takes a step for each
 * member, but it needs no points on a ring to be even, no memory, and nothing to be computed when members come and go; and a
 * member that comes or goes moves no key but its own. Thaler and Ravishankar, "A name-based mapping scheme for rendezvous", 1996.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "router_internal.h"

#include <gri/fail.h>

enum { HOPS_MAX = 4, BATCH = 16 };

/* The finalizer of MurmurHash3, Appleby: every bit of the argument reaches every bit of the result. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

/* FNV-1a, Fowler, Noll and Vo; the same on all machines. */
uint64_t gri_route_hash(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    return mix(hash);
}

uint64_t gri_route_hash_pid(gr_pid pid)
{
    return mix(mix(pid.node) + ((uint64_t)pid.slot << 32 | pid.generation));
}

/* ---- which member --------------------------------------------------------------------------------------------------- */

/* The first from `start` on that has not left; NULL: all have. */
static const gri_route_member *from(const gri_routes *routes, uint64_t start)
{
    for (size_t i = 0; i < routes->count; i++) {
        const gri_route_member *member = &routes->at[(start + i) % routes->count];

        if (!gri_route_is_gone(member)) {
            return member;
        }
    }
    return NULL;
}

static const gri_route_member *by_key(const gri_routes *routes, const gr_msg *msg)
{
    gr_route_key key = routes->router->key(msg, routes->router->key_arg);
    uint64_t hash = gri_route_hash(key.data, key.data == NULL ? 0 : key.bytes);
    uint64_t best_score = 0;
    const gri_route_member *best = NULL;

    for (size_t i = 0; i < routes->count; i++) {
        const gri_route_member *member = &routes->at[i];
        uint64_t score = mix(hash ^ member->hash);

        if (!gri_route_is_gone(member) && (best == NULL || score > best_score)) {
            best = member;
            best_score = score;
        }
    }
    return best;
}

enum { LOAD_UNKNOWN = -1, LOAD_ENDED = -2 };

/* How many messages a member has; that in hand counts. */
static int64_t load_of(const gr_system *sys, gr_pid pid)
{
    const gri_process *process = NULL;
    const gri_actor *actor = NULL;
    uint64_t word = 0;

    if (pid.node != sys->node) {
        return LOAD_UNKNOWN;
    }
    process = gri_process_at(&sys->table, pid.slot);
    /* Relaxed: a reading. */
    if (process == NULL ||
        atomic_load_explicit(&process->generation, memory_order_relaxed) != pid.generation) {
        return LOAD_ENDED;
    }
    actor = (const gri_actor *)process;
    if (gri_is_router(actor)) {
        return LOAD_UNKNOWN;
    }
    word = atomic_load_explicit(&actor->mailbox.word, memory_order_relaxed); /* a reading */
    return (int64_t)gri_mailbox_depth(&actor->mailbox) +
           ((word & (GRI_MAILBOX_SCHEDULED | GRI_MAILBOX_BLOCKED)) != 0 ? 1 : 0);
}

static const gri_route_member *by_load(const gri_routes *routes, uint64_t start)
{
    const gri_route_member *least = NULL, *unseen = NULL;
    int64_t least_load = 0, sum = 0, known = 0;
    size_t least_at = 0, unseen_at = 0;

    for (size_t i = 0; i < routes->count; i++) {
        const gri_route_member *member = &routes->at[(start + i) % routes->count];
        int64_t load =
            gri_route_is_gone(member) ? LOAD_ENDED : load_of(routes->router->sys, member->pid);

        if (load == LOAD_UNKNOWN && unseen == NULL) {
            unseen = member;
            unseen_at = i;
        } else if (load >= 0) {
            known++;
            sum += load;
            if (least == NULL || load < least_load) {
                least = member;
                least_load = load;
                least_at = i;
            }
        }
    }
    if (least == NULL && unseen == NULL) {
        return from(routes, start); /* all have ended, and have not left yet */
    }
    if (least == NULL || unseen == NULL) {
        return least == NULL ? unseen : least;
    }
    /* What cannot be seen is as the average, so it is among the least only where all are about equal. */
    return sum / known > least_load || least_at < unseen_at ? least : unseen;
}

static gr_pid choose(const gri_routes *routes, const gr_msg *msg)
{
    gri_router *router = routes->router;
    const gri_route_member *member = NULL;
    uint64_t turn = 0;

    if (routes->count == 0) {
        return gr_pid_null();
    }
    if (router->route == GR_ROUTE_CONSISTENT_HASH) {
        member = by_key(routes, msg);
    } else if (router->route == GR_ROUTE_RANDOM) {
        member = from(routes, gr_system_random(router->sys) % routes->count);
    } else {
        turn = atomic_fetch_add_explicit(&router->turn, 1, memory_order_relaxed); /* a number */
        member = router->route == GR_ROUTE_LEAST_LOADED ? by_load(routes, turn % routes->count)
                                                        : from(routes, turn % routes->count);
    }
    return member == NULL ? gr_pid_null() : member->pid;
}

/* ---- sending -------------------------------------------------------------------------------------------------------- */

/* One message on its way through routers. */
typedef struct passage {
    gr_system *sys;
    int64_t timeout_ms;
    int hops;
} passage;

static gr_err route(passage here, gri_actor *actor, gr_pid to, gr_msg *take_msg);

static gr_err is_dead(gr_system *sys, gr_pid to, gr_msg *take_msg, gr_err code, const char *what)
{
    gr_error why = {0};
    char text[GR_PID_TEXT_BYTES];

    (void)GRI_FAIL(code, "router %s %s", gr_pid_format(to, text), what);
    why = *gr_last_error();
    gr_dead_letter_add_error(sys, to, take_msg, GR_DEAD_NO_ACTOR, &why);
    return gr_error_set(why.code, why.file, why.line, "%s", why.text);
}

/* To a member, which may be a router itself: those are counted, in case they lead to one another. */
static gr_err send_to(passage here, gr_pid to, gr_msg *take_msg)
{
    gri_process *process =
        to.node == here.sys->node ? gri_process_at(&here.sys->table, to.slot) : NULL;

    if (process != NULL && process->kind == GRI_ACTOR && gri_is_router(gri_actor_of(process))) {
        here.hops++;
        return route(here, gri_actor_of(process), to, take_msg);
    }
    return here.timeout_ms > 0 ? gri_send_wait(here.sys, to, take_msg, here.timeout_ms)
                               : gr_forward_msg(here.sys, to, take_msg);
}

/* Members after number `after`, at most a batch and none beyond `last`; how many. */
static size_t next_members(gri_actor *actor, gr_pid to, uint64_t after, uint64_t last,
                           gr_pid pids[BATCH], uint64_t *out_after)
{
    gri_routes *routes = gri_routes_enter(actor, to.generation);
    size_t count = 0;

    for (size_t i = 0; routes != NULL && i < routes->count && count < BATCH; i++) {
        const gri_route_member *member = &routes->at[i];

        if (member->number > after && member->number <= last && !gri_route_is_gone(member)) {
            pids[count++] = member->pid;
            *out_after = member->number;
        }
    }
    if (routes != NULL) {
        gri_routes_leave(actor, routes);
    }
    return count;
}

/* A copy for one of many; NULL when out of memory. Its end is not the end of the request: others may answer. */
static gr_msg *copy_for_one(const gr_msg *msg)
{
    gr_msg *copy = gri_msg_for_queue(gr_msg_ref(msg));

    if (copy != NULL) {
        copy->request = 0;
        copy->extra->one_of_many = true; /* an envelope around what is shared always has one */
    }
    return copy;
}

static gr_err broadcast(passage here, gri_actor *actor, gr_pid to, gr_msg *take_msg, uint64_t last)
{
    gr_pid pids[BATCH];
    uint64_t after = 0;
    size_t count = 0, tried = 0, taken = 0;
    gr_err failure = GR_OK;

    here.timeout_ms = 0; /* one that is full must not hold up the others */
    while ((count = next_members(actor, to, after, last, pids, &after)) != 0) {
        for (size_t i = 0; i < count; i++) {
            gr_msg *copy = copy_for_one(take_msg);
            gr_err err = GR_ENOMEM;

            if (copy != NULL) {
                err = send_to(here, pids[i], copy);
            } else {
                gri_dead_letter_note(here.sys, pids[i], take_msg->type, take_msg->sender,
                                     GR_DEAD_FULL);
            }
            tried++;
            taken += err == GR_OK ? 1 : 0;
            failure = err == GR_OK ? failure : err;
        }
    }
    if (tried == 0) {
        return is_dead(here.sys, to, take_msg, GR_EDEAD, "has no members");
    }
    if (taken == 0) {
        gri_tell_asker(here.sys, take_msg, failure, NULL);
    }
    (void)gr_msg_unref(take_msg);
    return taken != 0 ? GR_OK
                      : GRI_FAIL(failure, "none of the %zu members took it; the last: %s", tried,
                                 gr_err_text(failure));
}

static gr_err route(passage here, gri_actor *actor, gr_pid to, gr_msg *msg)
{
    gri_routes *routes = gri_routes_enter(actor, to.generation);
    gr_pid member = gr_pid_null();
    uint64_t last = 0;

    if (routes == NULL) {
        return is_dead(here.sys, to, msg, GR_EDEAD, "has stopped");
    }
    if (routes->router->route == GR_ROUTE_BROADCAST && routes->count > 1) {
        last = routes->at[routes->count - 1].number;
    } else {
        member = choose(routes, msg);
    }
    gri_routes_leave(actor, routes);
    if (here.hops >= HOPS_MAX) {
        return is_dead(here.sys, to, msg, GR_EINVAL,
                       "is behind too many others: do they lead to one another?");
    }
    if (last != 0) {
        return broadcast(here, actor, to, msg, last);
    }
    return gr_pid_is_null(member) ? is_dead(here.sys, to, msg, GR_EDEAD, "has no members")
                                  : send_to(here, member, msg);
}

gr_err gri_router_send(gri_actor *actor, gr_pid to, gr_msg *msg, int64_t timeout_ms)
{
    passage here = {actor->base.sys, timeout_ms, 0};

    if (msg->type == &gri_router_look_type || msg->type == &gri_router_fill_type) {
        return gri_send_local(here.sys, to, msg, true); /* a timer's tick for the router itself */
    }
    return route(here, actor, to, msg);
}
