/*
 * The members of a router, as seen from outside: added, taken out and listed, in any thread. Each change is there when the call
 * returns; the router itself hears of it afterwards, and watches or stops whom it concerns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "router_internal.h"

#include <gri/fail.h>

gr_err gri_router_check_member(const gr_system *sys, gr_pid member)
{
    const gri_process *process =
        member.node == sys->node ? gri_process_at(&sys->table, member.slot) : NULL;
    char text[GR_PID_TEXT_BYTES];

    if (gr_pid_is_null(member)) {
        return GRI_FAIL(GR_EINVAL, "the null pid cannot be a member of a router");
    }
    if (member.node == sys->node && (process == NULL || process->kind != GRI_ACTOR)) {
        return GRI_FAIL(GR_EINVAL, "%s cannot be a member of a router: only actors can",
                        gr_pid_format(member, text));
    }
    /* Relaxed: a look; whoever ends a moment later leaves by itself. */
    if (process != NULL &&
        atomic_load_explicit(&process->generation, memory_order_relaxed) != member.generation) {
        return GRI_FAIL(GR_EDEAD, "%s has stopped: it cannot become a member of a router",
                        gr_pid_format(member, text));
    }
    return GR_OK;
}

/* The router of a pid, and its table, to be left. */
static gr_err enter(gr_system *sys, gr_pid pid, gri_actor **out_actor, gri_routes **out_routes)
{
    gri_process *process = pid.node == sys->node ? gri_process_at(&sys->table, pid.slot) : NULL;
    gri_actor *actor = NULL;
    char text[GR_PID_TEXT_BYTES];

    if (process == NULL || process->kind != GRI_ACTOR) {
        return GRI_FAIL(GR_EINVAL, "%s is no router of this system", gr_pid_format(pid, text));
    }
    actor = gri_actor_of(process);
    *out_routes = gri_routes_enter(actor, pid.generation);
    if (*out_routes != NULL) {
        *out_actor = actor;
        return GR_OK;
    }
    /* Acquire: as a send does. Relaxed: a number; one that is being stopped in order has no table any more. */
    if (atomic_load_explicit(&process->generation, memory_order_acquire) != pid.generation ||
        atomic_load_explicit(&actor->mailbox.limit, memory_order_relaxed) == 0) {
        return GRI_FAIL(GR_EDEAD, "router %s has stopped", gr_pid_format(pid, text));
    }
    return GRI_FAIL(GR_EINVAL, "%s is no router", gr_pid_format(pid, text));
}

gr_err gr_router_add(gr_system *sys, gr_pid pid, gr_pid member)
{
    gri_actor *actor = NULL;
    gri_routes *routes = NULL;
    gr_msg *look = NULL;
    gr_err err = gri_router_check_member(sys, member);

    if (err == GR_OK && gr_pid_equal(pid, member)) {
        err = GRI_FAIL(GR_EINVAL, "a router cannot be a member of itself");
    }
    err = err == GR_OK ? enter(sys, pid, &actor, &routes) : err;
    if (err != GR_OK) {
        return err;
    }
    look = gri_router_new_look(member);
    if (look == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "a member of a router");
    } else {
        err = gri_routes_add(routes->router, member, false, gri_route_hash_pid(member));
    }
    gri_routes_leave(actor, routes);
    if (err != GR_OK) {
        (void)gr_msg_unref(look);
        return err;
    }
    return gri_send_local(sys, pid, look, true);
}

gr_err gr_router_remove(gr_system *sys, gr_pid pid, gr_pid member)
{
    gri_actor *actor = NULL;
    gri_routes *routes = NULL;
    gri_route_member removed;
    gr_msg *look = NULL;
    bool found = false;
    char text[GR_PID_TEXT_BYTES];
    gr_err err = enter(sys, pid, &actor, &routes);

    if (err != GR_OK) {
        return err;
    }
    found = gri_routes_remove(routes->router, member, &removed);
    gri_routes_leave(actor, routes);
    if (!found) {
        return GRI_FAIL(GR_ENOTFOUND, "%s is no member of the router", gr_pid_format(member, text));
    }
    if (removed.own) {
        gr_send_poison(sys, member);
        return GR_OK;
    }
    look = gri_router_new_look(member);
    if (look != NULL) { /* else it is watched on, which does no harm */
        (void)gri_send_local(sys, pid, look, true);
    }
    return GR_OK;
}

gr_err gr_router_members(gr_system *sys, gr_pid pid, gr_pid *members, size_t room,
                         size_t *out_count)
{
    gri_actor *actor = NULL;
    gri_routes *routes = NULL;
    size_t count = 0;
    gr_err err = enter(sys, pid, &actor, &routes);

    if (err != GR_OK) {
        return err;
    }
    for (size_t i = 0; i < routes->count; i++) {
        if (!gri_route_is_gone(&routes->at[i])) {
            if (count < room) {
                members[count] = routes->at[i].pid;
            }
            count++;
        }
    }
    gri_routes_leave(actor, routes);
    *out_count = count;
    return GR_OK;
}
