/*
 * The probe: see probe.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "probe.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include <granary/runtime_spi.h>

const gr_type probe_ask_type = GR_PROTO_TYPE("probe.Ask", Probe__Ask, probe__ask__descriptor);
const gr_type probe_tell_type = GR_PROTO_TYPE("probe.Tell", Probe__Tell, probe__tell__descriptor);
const gr_type probe_why_type = GR_PROTO_TYPE("probe.Why", Probe__Why, probe__why__descriptor);

static void present(void)
{
}

probe_methods probe_methods_of(probe_world *world)
{
    probe_methods methods = {.world = world, .present = present};

    return methods;
}

static probe_world *world_of(const void *methods)
{
    return ((const probe_methods *)methods)->world;
}

static void enter(const void *methods, gr_grain *grain, int64_t number)
{
    probe_world *world = world_of(methods);
    int now = atomic_fetch_add(&world->running, 1) + 1;
    int most = atomic_load(&world->running_most);

    atomic_fetch_add(&world->calls, 1);
    while (now > most && !atomic_compare_exchange_weak(&world->running_most, &most, now)) {
    }
    if (world->on_turn != NULL) {
        world->on_turn(world->arg, grain, number, true);
    }
}

static gr_err leave(const void *methods, gr_grain *grain, gr_err err)
{
    probe_world *world = world_of(methods);

    atomic_fetch_sub(&world->running, 1);
    if (world->on_turn != NULL) {
        world->on_turn(world->arg, grain, 0, false);
    }
    return err;
}

/* Waits on the fiber. */
static gr_err wait_ms(gr_system *sys, uint32_t ms)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    gr_err err = ms == 0 ? GR_OK : gr_future_new(sys, ms, &future);

    if (ms != 0 && err == GR_OK) {
        err = gr_await(future, GR_FOREVER, &msg);
        err = err == GR_ETIMEDOUT ? GR_OK : err;
        (void)gr_future_unref(future);
    }
    return err;
}

static Probe__Tell *tell(void *reply, gr_grain *grain, int64_t number)
{
    Probe__Tell *out = reply;

    probe__tell__init(out);
    out->number = number;
    out->node = gr_grain_node(grain);
    out->text = gr_grain_text(grain, "%s/%s", gr_grain_kind(grain), gr_grain_identity(grain));
    return out;
}

static gr_err add(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    probe_data *data = gr_grain_data(grain);
    gr_err err = GR_OK;

    enter(methods, grain, ask->number);
    data->sum += ask->number;
    err = wait_ms(world_of(methods)->sys, ask->wait_ms);
    (void)tell(reply, grain, data->sum);
    return leave(methods, grain, err);
}

static gr_err append(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    probe_data *data = gr_grain_data(grain);
    size_t used = strlen(data->text);

    enter(methods, grain, ask->number);
    (void)snprintf(data->text + used, sizeof(data->text) - used, "%s", ask->text);
    tell(reply, grain, ask->number)->text = data->text;
    return leave(methods, grain, GR_OK);
}

static gr_err get(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    gr_err err = GR_OK;

    enter(methods, grain, ask->number);
    err = wait_ms(world_of(methods)->sys, ask->wait_ms);
    (void)tell(reply, grain, ((probe_data *)gr_grain_data(grain))->sum);
    return leave(methods, grain, err);
}

static gr_err fail(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    Probe__Why why = PROBE__WHY__INIT;

    (void)methods;
    (void)reply;
    if (ask->code != 0) {
        return gr_fail((gr_err)ask->code, "as it was told");
    }
    why.reason = (char *)(uintptr_t) "because it was asked to";
    return gr_grain_fail(grain, (gr_err)PROBE_WHY_CODE, &probe_why_type, &why,
                         "no, said %s to %lld", gr_grain_identity(grain), (long long)ask->number);
}

static gr_err crash(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    (void)methods;
    (void)grain;
    (void)request;
    (void)reply;
    return gr_fatal(GR_EIO, "the disk of %s is on fire", gr_grain_identity(grain));
}

static gr_err panic(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    (void)methods;
    (void)request;
    (void)reply;
    gr_grain_panic(grain, GR_EIO, "%s has lost its head", gr_grain_identity(grain));
}

static const gr_kind_info *kind_named(const char *name)
{
    const gr_kind_info *kinds[] = {&probe_twin, &probe_brief, &probe_open, &probe_shared};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
    }
    return &probe_kind;
}

static gr_err walk(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    const gr_kind_info *kind = kind_named(gr_grain_kind(grain));
    Probe__Ask next = PROBE__ASK__INIT;
    void *got = NULL;
    gr_err err = GR_OK;

    enter(methods, grain, ask->number);
    if (ask->n_path == 0) {
        (void)tell(reply, grain, 1);
        return leave(methods, grain, GR_OK);
    }
    next.path = ask->path + 1;
    next.n_path = ask->n_path - 1;
    err = wait_ms(world_of(methods)->sys, ask->wait_ms); /* only the first waits */
    if (err == GR_OK) {
        err = gr_call(gr_grain_caller(grain), kind, probe_method_of(kind, PROBE_WALK), ask->path[0],
                      &next, NULL, &got);
    }
    if (err == GR_OK) {
        (void)tell(reply, grain, ((const Probe__Tell *)got)->number + 1);
        gr_reply_free(got); /* does nothing inside a grain */
    }
    return leave(methods, grain, err);
}

static gr_err note(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    probe_world *world = world_of(methods);

    (void)reply;
    if (world->on_turn != NULL) {
        world->on_turn(world->arg, grain, ask->number, true);
    }
    atomic_store(&world->last_note, ask->number);
    atomic_fetch_add(&world->notes, 1);
    return ask->code == 0 ? GR_OK : gr_fail((gr_err)ask->code, "as it was told");
}

static gr_err send(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    gr_err err = GR_OK;

    enter(methods, grain, ask->number);
    for (size_t i = 0; i < ask->n_path && err == GR_OK; i++) {
        Probe__Ask next = PROBE__ASK__INIT;

        next.number = (int64_t)i + 1;
        err = gr_call_one_way(gr_grain_caller(grain), &probe_kind,
                              probe_method_of(&probe_kind, PROBE_NOTE), ask->path[i], &next, NULL);
    }
    if (err == GR_OK) {
        err = wait_ms(world_of(methods)->sys, ask->wait_ms);
    }
    (void)tell(reply, grain, atomic_load(&world_of(methods)->notes));
    if (err == GR_OK && ask->number != 0) {
        err = gr_fatal(GR_EIO, "crashed after sending");
    }
    return leave(methods, grain, err);
}

static gr_err wait_for(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    Probe__Tell *out = NULL;
    char *text = NULL;
    gr_err err = GR_OK;

    enter(methods, grain, ask->number);
    err = wait_ms(world_of(methods)->sys, ask->wait_ms);
    if (gr_grain_cancelled(grain)) {
        atomic_fetch_add(&world_of(methods)->cancelled, 1);
    }
    if (ask->reply_bytes > 0) {
        text = gr_grain_alloc(grain, ask->reply_bytes + 1);
        memset(text, 'x', ask->reply_bytes);
        text[ask->reply_bytes] = '\0';
    }
    out = tell(reply, grain, ask->number);
    out->text = text == NULL ? out->text : text;
    return leave(methods, grain, err);
}

static gr_err quit(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    (void)methods;
    (void)request;
    gr_grain_deactivate(grain);
    (void)tell(reply, grain, ((probe_data *)gr_grain_data(grain))->sum);
    return GR_OK;
}

static gr_err tick(const void *methods, gr_grain *grain, const void *request, void *reply)
{
    const Probe__Ask *ask = request;
    gr_err err = gr_grain_timer_start(grain, 1, ask->number, ask->wait_ms);

    (void)methods;
    (void)tell(reply, grain, ask->number);
    return err;
}

/* ---- hooks */

static size_t data_bytes(const void *methods)
{
    (void)methods;
    return sizeof(probe_data);
}

static gr_err activated(const void *methods, gr_grain *grain)
{
    probe_world *world = world_of(methods);

    if (atomic_load(&world->fail_activations) > 0) {
        atomic_fetch_sub(&world->fail_activations, 1);
        return gr_fail((gr_err)PROBE_WHY_CODE, "%s will not get up", gr_grain_identity(grain));
    }
    atomic_fetch_add(&world->activated, 1);
    return world->on_activated == NULL ? GR_OK : world->on_activated(world->arg, grain);
}

static void deactivating(const void *methods, gr_grain *grain, gr_deactivation reason)
{
    (void)grain;
    (void)wait_ms(world_of(methods)->sys, (uint32_t)atomic_load(&world_of(methods)->end_ms));
    atomic_fetch_add(&world_of(methods)->deactivated[(unsigned)reason % PROBE_REASONS], 1);
}

static void timer(const void *methods, gr_grain *grain, uint64_t number)
{
    probe_data *data = gr_grain_data(grain);

    (void)number;
    data->sum++;
    atomic_fetch_add(&world_of(methods)->ticks, 1);
    (void)wait_ms(world_of(methods)->sys, (uint32_t)atomic_load(&world_of(methods)->tick_ms));
}

/* ---- the kinds */

/* Hashes are constants of the compiler in generated code; here they are filled in before main(). */
#define METHOD(kind_name, method_name, method_flags, field, function)                              \
    {                                                                                              \
        .name = method_name, .full_name = kind_name "/" method_name, .request = &probe_ask_type,   \
        .reply = &probe_tell_type, .flags = (method_flags),                                        \
        .offset = offsetof(probe_methods, field), .invoke = (function)                             \
    }

#define METHODS(kind_name)                                                                         \
    {                                                                                              \
        [PROBE_ADD] = METHOD(kind_name, "Add", 0, present, add),                                   \
        [PROBE_GET] = METHOD(kind_name, "Get", GR_METHOD_IDEMPOTENT, present, get),                \
        [PROBE_FAIL] = METHOD(kind_name, "Fail", 0, present, fail),                                \
        [PROBE_CRASH] = METHOD(kind_name, "Crash", 0, present, crash),                             \
        [PROBE_PANIC] = METHOD(kind_name, "Panic", 0, present, panic),                             \
        [PROBE_WALK] = METHOD(kind_name, "Walk", 0, present, walk),                                \
        [PROBE_NOTE] = METHOD(kind_name, "Note", GR_METHOD_ONE_WAY, present, note),                \
        [PROBE_SEND] = METHOD(kind_name, "Send", 0, present, send),                                \
        [PROBE_WAIT] = METHOD(kind_name, "Wait", 0, present, wait_for),                            \
        [PROBE_QUIT] = METHOD(kind_name, "Quit", 0, present, quit),                                \
        [PROBE_TICK] = METHOD(kind_name, "Tick", 0, present, tick),                                \
        [PROBE_TURN] = METHOD(kind_name, "Turn", 0, present, wait_for),                            \
        [PROBE_ABSENT] = METHOD(kind_name, "Absent", GR_METHOD_OPTIONAL, absent, get),             \
        [PROBE_APPEND] = METHOD(kind_name, "Append", 0, present, append),                          \
    }

static gr_method probe_kind_methods[PROBE_METHODS] = METHODS("probe.Probe");
static gr_method probe_twin_methods[PROBE_METHODS] = METHODS("probe.Twin");
static gr_method probe_brief_methods[PROBE_METHODS] = METHODS("probe.Brief");
static gr_method probe_open_methods[PROBE_METHODS] = METHODS("probe.Open");
static gr_method probe_shared_methods[PROBE_METHODS] = METHODS("probe.Shared");
static gr_method probe_elsewhere_methods[PROBE_METHODS] = METHODS("probe.Elsewhere");

#define KIND(variable, kind_name, kind_hash, ...)                                                  \
    const gr_kind_info variable = {.version = GR_KIND_VERSION,                                     \
                                   .name = kind_name,                                              \
                                   .hash = (kind_hash),                                            \
                                   .methods = variable##_methods,                                  \
                                   .methods_count = PROBE_METHODS,                                 \
                                   .data_bytes = data_bytes,                                       \
                                   .activated = activated,                                         \
                                   .deactivating = deactivating,                                   \
                                   .timer = timer,                                                 \
                                   __VA_ARGS__}

/* Any distinct numbers will do where nothing else hashes these names. */
KIND(probe_kind, "probe.Probe", 0x1001);
KIND(probe_twin, "probe.Twin", 0x1002);
KIND(probe_brief, "probe.Brief", 0x1003, .passivate_after_ms = 200, .mailbox_limit = 4);
KIND(probe_open, "probe.Open", 0x1004, .flags = GR_KIND_REENTRANT);
KIND(probe_shared, "probe.Shared", 0x1005, .flags = GR_KIND_STATELESS);
KIND(probe_elsewhere, "probe.Elsewhere", 0x1006, .role = "elsewhere");

__attribute__((constructor)) static void fill_in_hashes(void)
{
    gr_method *tables[] = {probe_kind_methods, probe_twin_methods,   probe_brief_methods,
                           probe_open_methods, probe_shared_methods, probe_elsewhere_methods};

    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (size_t i = 0; i < PROBE_METHODS; i++) {
            tables[t][i].hash = XXH64(tables[t][i].full_name, strlen(tables[t][i].full_name), 0);
        }
    }
    probe_brief_methods[PROBE_GET].flags |= GR_METHOD_READ_ONLY;
    probe_brief_methods[PROBE_TURN].flags |= GR_METHOD_REENTRANT;
}

const gr_method *probe_method_of(const gr_kind_info *kind, enum probe_method method)
{
    return &kind->methods[method];
}

gr_err probe_call(gr_caller *caller, const gr_kind_info *kind, enum probe_method method,
                  const char *identity, int64_t number, uint32_t wait, int64_t *out_number)
{
    Probe__Ask ask = PROBE__ASK__INIT;
    void *reply = NULL;
    gr_err err = GR_OK;

    ask.number = number;
    ask.wait_ms = wait;
    err = gr_call(caller, kind, probe_method_of(kind, method), identity, &ask, NULL, &reply);
    if (err == GR_OK && out_number != NULL) {
        *out_number = ((const Probe__Tell *)reply)->number;
    }
    if (err == GR_OK) {
        gr_reply_free(reply);
    }
    return err;
}
