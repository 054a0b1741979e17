/*
 * Where a call goes: the node that owns its grain by the newest view known here, or by what a refusal has said. Pure but
 * for chance among the hosts of stateless kinds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "call_internal.h"

static gri_place not_known(const char *why)
{
    gri_place found = {.code = GR_ENOTRUN};

    (void)snprintf(found.text, sizeof(found.text), "%s", why);
    return found;
}

/* Names the role, if it asks for one: most often no node has it. */
static gri_place not_hosted(const char *why, const gr_kind_info *kind)
{
    bool asks = kind->role != NULL && kind->role[0] != '\0';
    gri_place found = {.code = GR_ENOKIND};

    (void)snprintf(found.text, sizeof(found.text), "%s kind %.60s%s%.30s%s", why, kind->name,
                   asks ? ", which asks for role '" : "", asks ? kind->role : "", asks ? "'" : "");
    return found;
}

static bool may_take(const gri_view *view, uint64_t node, const gr_kind_info *kind)
{
    const gri_member *member = gri_view_member(view, node);

    return member != NULL && !member->leaving && gri_view_hosts(view, node, kind->name);
}

/* Any node that hosts the kind: this one if it does, else by chance; the one that has just refused only when it is the last. */
static gri_place place_of_stateless(gri_call *call, const gri_view *view)
{
    gri_place found = {.node = 0};
    uint64_t self = gr_system_node(call->exchange->sys);
    uint64_t seen = 0;

    if (self != call->target && gri_view_hosts(view, self, call->kind->name)) {
        found.node = self;
        return found;
    }
    for (size_t i = 0; i < view->members_count; i++) {
        uint64_t node = view->members[i].node;

        /* The nth candidate takes the place with probability 1/n, so each has the same chance. */
        if (node != call->target && may_take(view, node, call->kind) &&
            gr_system_random(call->exchange->sys) % ++seen == 0) {
            found.node = node;
        }
    }
    if (found.node == 0 && may_take(view, call->target, call->kind)) {
        found.node = call->target;
    }
    return found.node != 0 ? found : not_hosted("no node hosts", call->kind);
}

gri_place gri_place_of(gri_call *call, const gri_view *view)
{
    const gri_shard *shards = NULL;
    char table[GRI_VIEW_TABLE_BYTES];
    gri_place found = {.node = 0};

    if (view == NULL) {
        return not_known("no node of the cluster has answered");
    }
    if ((call->kind->flags & GR_KIND_STATELESS) != 0) {
        return place_of_stateless(call, view);
    }
    if (call->hint_owner != 0 && gri_view_is_older(view, call->hint_founded, call->hint_version) &&
        gri_view_member(view, call->hint_owner) != NULL) {
        found.node = call->hint_owner;
        return found;
    }
    if (!view->settled) {
        return not_known("the cluster has just been founded, nobody owns grains yet");
    }
    shards = gri_view_shards(view, gri_view_table(call->kind, table));
    found.node =
        shards == NULL ? 0 : shards[gri_view_shard(view, call->kind, call->message.identity)].owner;
    if (found.node == 0) {
        return not_hosted("no node hosts", call->kind);
    }
    if (!gri_view_hosts(view, found.node, call->kind->name)) {
        return not_hosted("the node that owns its shard does not host", call->kind);
    }
    return found;
}
