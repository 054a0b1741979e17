/*
 * Whole clusters in one thread: see cluster_lab.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cluster_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node_internal.h"

void cluster_lab_init(cluster_lab *lab, uint64_t seed)
{
    memset(lab, 0, sizeof(*lab));
    assert_int_equal(gr_stepped_new(seed, &lab->stepped), GR_OK);
    assert_int_equal(gr_memory_network_new(lab->stepped, &lab->network), GR_OK);
    assert_int_equal(gr_memory_store_new(lab->stepped, &lab->store), GR_OK);
    for (int i = 0; i < LAB_NODES_MAX; i++) {
        lab->methods[i] = probe_methods_of(&lab->worlds[i]);
    }
}

void cluster_lab_fini(cluster_lab *lab)
{
    (void)gr_client_free(lab->client);
    for (int i = 0; i < LAB_NODES_MAX; i++) {
        (void)gr_node_free(lab->nodes[i]);
    }
    (void)gr_memory_store_free(lab->store);
    (void)gr_memory_network_free(lab->network);
    (void)gr_stepped_free(lab->stepped);
}

static const gr_kind_info *const all_kinds[] = {&probe_kind, &probe_twin,   &probe_brief,
                                                &probe_open, &probe_shared, NULL};

gr_err cluster_lab_start(cluster_lab *lab, int index, const gr_kind_info *const *infos,
                         const char *role)
{
    char listen[32];
    gr_kind *kinds[8] = {NULL};
    gr_node_options options = {.listen = listen,
                               .role = role,
                               .lease_ms = LAB_LEASE_MS,
                               .shards = LAB_SHARDS,
                               .activations_max = lab->activations_max,
                               .coordinator_ops = gr_coordinator_memory(),
                               .coordinator_arg = lab->store,
                               .transport = gr_transport_memory(),
                               .transport_arg = lab->network};
    gr_err err = GR_OK;

    (void)snprintf(listen, sizeof(listen), "mem://node-%d", index);
    options.system.stepped = lab->stepped;
    options.system.name = listen + 6;
    options.system.log = lab->log == NULL ? gr_log_none : lab->log;
    options.system.log_arg = lab->log_arg;
    options.system.log_level = GR_LOG_DEBUG;
    infos = infos == NULL ? all_kinds : infos;
    for (int i = 0; infos[i] != NULL; i++) {
        kinds[i] = gr_kind_new(infos[i], &lab->methods[index]);
        assert_non_null(kinds[i]);
    }
    lab->nodes[index] = gr_node_free(lab->nodes[index]);
    err = gr_node_start(&options, kinds, &lab->nodes[index]);
    if (err == GR_OK) {
        lab->worlds[index].sys = gr_node_system(lab->nodes[index]);
    } else {
        lab->nodes[index] = NULL;
    }
    return err;
}

gr_err cluster_lab_try(cluster_lab *lab, int index)
{
    gr_kind *kinds[] = {gr_kind_new(&probe_kind, &lab->methods[index]), NULL};
    gr_node_options options = {.listen = "mem://node-0",
                               .lease_ms = LAB_LEASE_MS,
                               .shards = 2,
                               .coordinator_ops = gr_coordinator_memory(),
                               .coordinator_arg = lab->store,
                               .transport = gr_transport_memory(),
                               .transport_arg = lab->network};

    options.system.stepped = lab->stepped;
    return kinds[0] == NULL ? GR_ENOMEM : gr_node_start(&options, kinds, &lab->nodes[index]);
}

void cluster_lab_crash(cluster_lab *lab, int index)
{
    gri_node_crash(lab->nodes[index]);
    lab->nodes[index] = gr_node_free(lab->nodes[index]);
}

gr_err cluster_lab_stop(cluster_lab *lab, int index)
{
    gr_err err = gr_node_stop(lab->nodes[index], 30000);

    lab->nodes[index] = gr_node_free(lab->nodes[index]);
    return err;
}

gr_err cluster_lab_client(cluster_lab *lab, gr_client **out_client)
{
    char nodes[LAB_NODES_MAX * 20] = "";
    gr_client_options options = {
        .nodes = nodes, .transport = gr_transport_memory(), .transport_arg = lab->network};

    for (int i = 0; i < LAB_NODES_MAX; i++) {
        (void)snprintf(nodes + strlen(nodes), sizeof(nodes) - strlen(nodes), "%smem://node-%d",
                       i == 0 ? "" : ",", i);
    }
    options.system.stepped = lab->stepped;
    options.system.log = lab->log == NULL ? gr_log_none : lab->log;
    options.system.log_arg = lab->log_arg;
    options.system.log_level = GR_LOG_DEBUG;
    return gr_client_start(&options, out_client);
}

static bool is_settled(cluster_lab *lab)
{
    bool settled = true;
    size_t living = 0;

    for (int i = 0; i < LAB_NODES_MAX; i++) {
        living += lab->nodes[i] != NULL && lab->nodes[i]->current != NULL ? 1 : 0;
    }
    for (int i = 0; i < LAB_NODES_MAX; i++) {
        gr_node *node = lab->nodes[i];
        gri_view *view = NULL;
        gri_shard_ref ref;
        size_t to_give = 0;

        if (node == NULL || node->current == NULL) {
            continue;
        }
        view = gri_membership_view(node->current->joining);
        settled = settled && view != NULL && view->settled && view->members_count == living;
        if (settled && gri_view_to_give(view, gr_system_node(node->current->sys), &ref, 1,
                                        &to_give) == GR_OK) {
            settled = to_give == 0;
        }
        for (size_t m = 0; view != NULL && settled && m < view->members_count; m++) {
            settled = !view->members[m].leaving;
        }
        (void)gri_view_unref(view);
    }
    return settled;
}

bool cluster_lab_settle(cluster_lab *lab, int64_t limit_ms)
{
    int64_t until_ms = gr_stepped_now(lab->stepped) + limit_ms;

    while (!is_settled(lab)) {
        if (gr_stepped_now(lab->stepped) >= until_ms) {
            return false;
        }
        gr_stepped_advance(lab->stepped, 10);
    }
    return true;
}

int cluster_lab_total(const cluster_lab *lab, size_t offset)
{
    int total = 0;

    for (int i = 0; i < LAB_NODES_MAX; i++) {
        total +=
            atomic_load((const atomic_int *)(const void *)((const char *)&lab->worlds[i] + offset));
    }
    return total;
}
