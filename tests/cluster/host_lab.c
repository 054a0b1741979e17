/*
 * The lab: see host_lab.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "host_lab.h"

enum { SEED = 1 };

static bool may_act(const void *self)
{
    return ((const host_lab *)self)->leased;
}

static gri_exchange *exchange_of(gr_caller *caller)
{
    return gri_exchange_ref(((host_lab *)((char *)caller - offsetof(host_lab, caller)))->exchange);
}

/* A view in which this node is the only member and owns every shard. */
static void found(host_lab *l)
{
    char *kinds[] = {(char *)(uintptr_t) "probe.Brief", (char *)(uintptr_t) "probe.Open",
                     (char *)(uintptr_t) "probe.Probe", (char *)(uintptr_t) "probe.Shared",
                     (char *)(uintptr_t) "probe.Twin"};
    gri_member self = {.node = gr_system_node(l->sys),
                       .address = (char *)(uintptr_t) "mem://self",
                       .role = (char *)(uintptr_t) "",
                       .kinds = kinds,
                       .kinds_count = 5,
                       .weight = 1};
    gri_view_event join = {
        .kind = GRI_VIEW_JOIN, .node = self.node, .member = &self, .wall_ms = 1000};
    gri_view_event settle = {.kind = GRI_VIEW_SETTLE, .node = self.node, .wall_ms = 1000};
    gri_view *unsettled = NULL;

    assert_int_equal(gri_view_next(NULL, &join, HOST_LAB_SHARDS, 77, &unsettled), GR_OK);
    assert_int_equal(gri_view_next(unsettled, &settle, HOST_LAB_SHARDS, 77, &l->view), GR_OK);
    (void)gri_view_unref(unsettled);
    assert_true(gri_exchange_view(l->exchange, l->view));
    gri_host_view(l->host, l->view);
}

static void on_log(void *arg, gr_log_level level, const char *id, const char *text)
{
    host_lab_heard *ears = arg;

    (void)level;
    if (strcmp(id, "GR-ACTOR-FAILED") == 0) {
        (void)snprintf(ears->failed, sizeof(ears->failed), "%s", text);
    }
    ears->one_ways += strcmp(id, "GR-GRAIN-ONE-WAY") == 0 ? 1 : 0;
}

int host_lab_setup(void **state)
{
    host_lab *l = calloc(1, sizeof(*l));
    gr_system_options options = {.name = "lab", .log = on_log, .log_level = GR_LOG_DEBUG};
    gri_host_options host = {
        .may_act = may_act, .may_act_self = l, .shards = HOST_LAB_SHARDS, .stateless_each = 2};
    const gr_kind_info *infos[] = {&probe_kind, &probe_twin, &probe_brief, &probe_open,
                                   &probe_shared};
    gr_kind *kinds[6] = {NULL};

    l->leased = true;
    l->methods = probe_methods_of(&l->world);
    assert_int_equal(gr_stepped_new(SEED, &l->stepped), GR_OK);
    options.stepped = l->stepped;
    options.log_arg = &l->heard;
    assert_int_equal(gr_system_new(&options, &l->sys), GR_OK);
    l->world.sys = l->sys;
    assert_int_equal(gri_exchange_new(l->sys, NULL, NULL, &l->exchange), GR_OK);
    host.sys = l->sys;
    host.exchange = l->exchange;
    host.activations_max = 20;
    for (int i = 0; i < 5; i++) {
        kinds[i] = gr_kind_new(infos[i], &l->methods);
    }
    assert_int_equal(gri_host_new(&host, kinds, &l->host), GR_OK);
    for (int i = 0; i < 5; i++) {
        (void)gr_kind_free(kinds[i]);
    }
    assert_int_equal(gri_receptionist_open(&l->receptionist, l->sys, l->host), GR_OK);
    l->caller.exchange = exchange_of;
    l->caller.id = 1;
    found(l);
    *state = l;
    return 0;
}

int host_lab_teardown(void **state)
{
    host_lab *l = *state;

    gri_exchange_close(l->exchange);
    gri_host_close(l->host);
    gri_receptionist_close(&l->receptionist);
    assert_int_equal(gr_system_stop(l->sys, 10000), GR_OK);
    l->sys = gr_system_free(l->sys);
    (void)gri_host_free(l->host);
    gri_receptionist_fini(&l->receptionist);
    (void)gri_exchange_unref(l->exchange);
    (void)gri_view_unref(l->view);
    (void)gr_stepped_free(l->stepped);
    free(l);
    return 0;
}

int64_t host_lab_call(host_lab *l, const gr_kind_info *kind, enum probe_method method,
                      const char *identity, int64_t number)
{
    int64_t got = INT64_MIN;
    gr_err err = probe_call(&l->caller, kind, method, identity, number, 0, &got);

    if (err != GR_OK) {
        fail_msg("%s of %s: %s: %s", probe_method_of(kind, method)->full_name, identity,
                 gr_err_name(err), gr_last_error()->text);
    }
    return got;
}

gr_future *host_lab_start(host_lab *l, const gr_kind_info *kind, enum probe_method method,
                          const char *identity, int64_t number, uint32_t wait_ms)
{
    Probe__Ask ask = PROBE__ASK__INIT;
    gr_future *future = NULL;

    ask.number = number;
    ask.wait_ms = wait_ms;
    assert_int_equal(gr_call_future(&l->caller, kind, probe_method_of(kind, method), identity, &ask,
                                    NULL, &future),
                     GR_OK);
    return future;
}

gr_err host_lab_finish(host_lab *l, gr_future *take_future, int64_t *out_number)
{
    void *reply = NULL;
    gr_err err = gr_call_await(&l->caller, take_future, &probe_kind.methods[0], GR_FOREVER, &reply);

    if (err == GR_OK && out_number != NULL) {
        *out_number = ((Probe__Tell *)reply)->number;
    }
    (void)gr_future_unref(take_future);
    if (err == GR_OK) {
        gr_reply_free(reply);
    }
    return err;
}

/* ---- draining */

void host_lab_shards(const char *table, gri_shard_ref out_refs[HOST_LAB_SHARDS])
{
    for (uint32_t i = 0; i < HOST_LAB_SHARDS; i++) {
        out_refs[i] = (gri_shard_ref){table, i, 0};
    }
}

void host_lab_drain(host_lab *l)
{
    gri_shard_ref refs[HOST_LAB_SHARDS];

    host_lab_shards("kind:probe.Probe", refs);
    gri_host_drain(l->host, refs, HOST_LAB_SHARDS);
}
