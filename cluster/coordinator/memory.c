/*
 * The coordinator in memory, for systems that share a stepper: records with revisions, and faults.
 * Runs in the stepper's thread only. Requests and answers travel for some time, drawn from the
 * stepper's random numbers, and may be lost; a request that its node has stopped waiting for, or
 * whose node has died, still arrives, as it would over a network.
 *
 * The store is a system of its own, so that its alarms go on while nodes are stalled or killed.
 *
 *            (1)             (2)             (3)
 *   GOING -------> WATCHING -------> COMING -------> freed when its time is up or its answer has
 * come (1) on_arrival() of a watch     (2) on_change()     GOING -> COMING: on_arrival() GOING,
 * COMING -> LOST: the request or the answer does not arrive
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator.h"

#include <string.h>
#include <sys/queue.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "memory_records.h"

enum { NODES_MAX = 256 };

typedef enum operation_kind { READ, SET, REMOVE, WATCH, LIST } operation_kind;

typedef enum operation_state { GOING, WATCHING, COMING, LOST } operation_state;

typedef struct operation {
    LIST_ENTRY(operation) next; /* of the store */
    struct gr_memory_store *store;
    struct memory_coordinator *from; /* NULL when that has been freed */
    uint64_t node;
    gr_future *future; /* NULL when it has ended */
    operation_kind kind;
    operation_state state;
    char *key;
    uint64_t revision;
    uint8_t *value;
    size_t value_bytes;
    int64_t deadline_ms;
    gr_alarm travel; /* the request's arrival, then the answer's */
    gr_alarm limit;
    gr_err result; /* of the store, once COMING */
} operation;

typedef struct memory_coordinator {
    gr_coordinator base;
    struct gr_memory_store *store;
    char *cluster;
} memory_coordinator;

struct gr_memory_backup {
    gri_memory_records records;
};

typedef struct node_faults {
    uint64_t node;
    gr_memory_store_faults faults;
} node_faults;

struct gr_memory_store {
    gr_stepped *stepped;
    gr_system *sys;
    gri_memory_records records;
    LIST_HEAD(, operation) operations;
    gr_memory_store_faults all;
    node_faults nodes[NODES_MAX];
    size_t nodes_count;
};

/* ---- faults */

static const gr_memory_store_faults *faults_of(const gr_memory_store *store, uint64_t node)
{
    size_t i = 0;

    for (i = 0; i < store->nodes_count; i++) {
        if (store->nodes[i].node == node) {
            return &store->nodes[i].faults;
        }
    }
    return &store->all;
}

static bool happens(gr_memory_store *store, uint32_t per_10000)
{
    return per_10000 > 0 && gr_stepped_random(store->stepped) % 10000 < per_10000;
}

static int64_t travel_ms(gr_memory_store *store, const gr_memory_store_faults *faults)
{
    int64_t spread = faults->delay_max_ms - faults->delay_min_ms;

    if (spread <= 0) {
        return faults->delay_min_ms;
    }
    return faults->delay_min_ms +
           (int64_t)(gr_stepped_random(store->stepped) % (uint64_t)(spread + 1));
}

/* ---- operations */

static void operation_free(operation *op)
{
    LIST_REMOVE(op, next);
    gr_alarm_fini(&op->travel);
    gr_alarm_fini(&op->limit);
    gr_future_unref(op->future);
    gri_free(op->key);
    gri_free(op->value);
    gri_free(op);
}

static void end(operation *op, gr_err err)
{
    gr_future *future = op->future;

    op->future = NULL;
    if (future == NULL) {
        return;
    }
    if (err == GR_OK) {
        gri_operation_answer(future, op->revision, op->value, op->value_bytes);
    } else if (err == GR_ECONFLICT) {
        gri_operation_fail(future, err, "'%s' is at another revision", op->key);
    } else if (err == GR_EUNREACHABLE) {
        gri_operation_fail(future, err, "the store in memory does not answer");
    } else {
        gri_operation_fail(future, err, "%s", gr_err_text(err));
    }
}

/* What the answer will carry: the key as it is now. */
static void look(operation *op)
{
    const gri_memory_record *found = gri_memory_records_find(&op->store->records, op->key);

    gri_free(op->value);
    op->value = NULL;
    op->value_bytes = 0;
    op->revision = found == NULL ? 0 : found->revision;
    if (found != NULL && op->kind != SET) {
        op->value = gri_alloc(found->value_bytes);
        if (op->value == NULL) {
            op->result = GR_ENOMEM;
            return;
        }
        memcpy(op->value, found->value, found->value_bytes);
        op->value_bytes = found->value_bytes;
    }
}

/* The keys, without the name of the cluster. */
static void look_around(operation *op)
{
    size_t skip = (size_t)(strchr(op->key, '/') - op->key) + 1;

    op->result =
        gri_memory_records_keys(&op->store->records, op->key, skip, GR_COORDINATOR_VALUE_BYTES_MAX,
                                &op->value, &op->value_bytes);
    op->revision = 0;
}

static void answer(operation *op)
{
    const gr_memory_store_faults *faults = faults_of(op->store, op->node);

    if (faults->unreachable || happens(op->store, faults->lose_answer_per_10000)) {
        op->state = LOST; /* until its time is up */
        return;
    }
    op->state = COMING;
    gr_alarm_set(&op->travel, gr_stepped_now(op->store->stepped) + travel_ms(op->store, faults));
}

static void on_change(gr_memory_store *store, const char *key)
{
    operation *op = NULL;

    LIST_FOREACH (op, &store->operations, next) {
        if (op->state == WATCHING && strcmp(op->key, key) == 0) {
            look(op);
            answer(op);
        }
    }
}

static gr_err change(operation *op)
{
    struct gr_memory_store *store = op->store;
    const gri_memory_record *found = gri_memory_records_find(&store->records, op->key);
    gr_err err = GR_OK;

    if ((found == NULL ? 0 : found->revision) != op->revision) {
        return GR_ECONFLICT;
    }
    if (op->kind == SET) {
        err = gri_memory_records_set(&store->records, op->key, op->value, op->value_bytes);
    } else {
        gri_memory_records_remove(&store->records, op->key);
    }
    if (err == GR_OK) {
        on_change(store, op->key);
    }
    return err;
}

static void on_arrival(operation *op)
{
    uint64_t known = op->revision;

    if (op->kind == SET || op->kind == REMOVE) {
        op->result = change(op);
    }
    if (op->kind == LIST) {
        gri_free(op->value);
        op->value = NULL;
        look_around(op);
        answer(op);
        return;
    }
    look(op);
    if (op->kind == WATCH && op->revision == known &&
        gr_stepped_now(op->store->stepped) < op->deadline_ms) {
        op->state = WATCHING;
        return;
    }
    answer(op);
}

static void on_travelled(void *arg)
{
    operation *op = arg;

    if (op->state == GOING) {
        on_arrival(op);
    } else if (op->state == COMING) {
        end(op, op->result);
    }
    if (op->future == NULL) {
        operation_free(op);
    }
}

/* A request that is still on its way lives on without anybody waiting for it. */
static void on_limit(void *arg)
{
    operation *op = arg;

    if (op->state == WATCHING) {
        look(op);
        end(op, op->result);
    } else {
        end(op, GR_EUNREACHABLE);
    }
    if (op->state != GOING) {
        operation_free(op);
    }
}

static operation *operation_new(memory_coordinator *from, const char *key, size_t value_bytes)
{
    operation *op = gri_calloc(1, sizeof(*op));

    if (op == NULL) {
        return NULL;
    }
    op->key = gri_text("%s/%s", from->cluster, key);
    op->value = gri_alloc(value_bytes);
    if (op->key == NULL || op->value == NULL) {
        gri_free(op->key);
        gri_free(op->value);
        gri_free(op);
        return NULL;
    }
    op->store = from->store;
    op->from = from;
    op->node = gr_system_node(from->base.sys);
    op->value_bytes = value_bytes;
    gr_alarm_init(&op->travel, op->store->sys, on_travelled, op);
    gr_alarm_init(&op->limit, op->store->sys, on_limit, op);
    LIST_INSERT_HEAD(&op->store->operations, op, next);
    return op;
}

static void depart(operation *op, int64_t timeout_ms)
{
    const gr_memory_store_faults *faults = faults_of(op->store, op->node);
    int64_t now = gr_stepped_now(op->store->stepped);

    op->deadline_ms = now + timeout_ms;
    gr_alarm_set(&op->limit, op->deadline_ms);
    if (faults->unreachable || happens(op->store, faults->lose_request_per_10000)) {
        op->state = LOST;
    } else {
        gr_alarm_set(&op->travel, now + travel_ms(op->store, faults));
    }
}

static gr_err submit(gr_coordinator *coordinator, operation_kind kind, const char *key,
                     uint64_t revision, const uint8_t *value, size_t value_bytes,
                     int64_t timeout_ms, gr_future **out_future)
{
    memory_coordinator *self = (memory_coordinator *)coordinator;
    gr_err err = gri_operation_check(key, value_bytes);
    operation *op = NULL;

    if (err != GR_OK) {
        return err;
    }
    op = operation_new(self, key, value_bytes);
    if (op == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a request to the store in memory");
    }
    err = gri_operation_future(coordinator->sys, timeout_ms, &op->future);
    if (err != GR_OK) {
        operation_free(op);
        return err;
    }
    *out_future = gr_future_ref(op->future);
    op->kind = kind;
    op->revision = revision;
    if (value_bytes > 0) {
        memcpy(op->value, value, value_bytes);
    }
    depart(op, timeout_ms);
    return GR_OK;
}

/* ---- the table */

static gr_err memory_read(gr_coordinator *coordinator, const char *key, int64_t timeout_ms,
                          gr_future **out_future)
{
    return submit(coordinator, READ, key, 0, NULL, 0, timeout_ms, out_future);
}

static gr_err memory_compare_and_set(gr_coordinator *coordinator, const char *key,
                                     uint64_t revision, const uint8_t *value, size_t value_bytes,
                                     int64_t timeout_ms, gr_future **out_future)
{
    return submit(coordinator, SET, key, revision, value, value_bytes, timeout_ms, out_future);
}

static gr_err memory_watch(gr_coordinator *coordinator, const char *key, uint64_t revision,
                           int64_t timeout_ms, gr_future **out_future)
{
    return submit(coordinator, WATCH, key, revision, NULL, 0, timeout_ms, out_future);
}

static gr_err memory_remove(gr_coordinator *coordinator, const char *key, uint64_t revision,
                            int64_t timeout_ms, gr_future **out_future)
{
    return submit(coordinator, REMOVE, key, revision, NULL, 0, timeout_ms, out_future);
}

static gr_err memory_list(gr_coordinator *coordinator, const char *prefix, int64_t timeout_ms,
                          gr_future **out_future)
{
    return submit(coordinator, LIST, prefix, 0, NULL, 0, timeout_ms, out_future);
}

static void memory_show(gr_coordinator *coordinator, const gr_coordinator_member *member,
                        bool healthy)
{
    (void)coordinator; /* there is nobody to show it to */
    (void)member;
    (void)healthy;
}

static gr_err memory_hide(gr_coordinator *coordinator, int64_t timeout_ms, gr_future **out_future)
{
    gr_err err = gri_operation_future(coordinator->sys, timeout_ms, out_future);

    if (err == GR_OK) {
        gri_operation_answer(gr_future_ref(*out_future), 0, NULL, 0);
    }
    return err;
}

static gr_err memory_open(gr_system *sys, const char *cluster, const char *where, void *arg,
                          gr_coordinator **out_coordinator)
{
    memory_coordinator *self = NULL;

    (void)where;
    if (arg == NULL) {
        return GRI_FAIL(GR_EINVAL, "the coordinator in memory needs its store as the argument");
    }
    self = gri_calloc(1, sizeof(*self));
    if (self == NULL || (self->cluster = gri_strdup(cluster)) == NULL) {
        gri_free(self);
        return GRI_FAIL(GR_ENOMEM, "a coordinator in memory");
    }
    self->base.sys = sys;
    self->store = arg;
    *out_coordinator = &self->base;
    return GR_OK;
}

/* Requests that are on their way still arrive: only nobody waits for them. */
static void memory_free(gr_coordinator *take_coordinator)
{
    memory_coordinator *self = (memory_coordinator *)take_coordinator;
    operation *op = NULL;
    operation *after = NULL;

    if (self == NULL) {
        return;
    }
    for (op = LIST_FIRST(&self->store->operations); op != NULL; op = after) {
        after = LIST_NEXT(op, next);
        if (op->from == self) {
            end(op, GR_ESTOPPED);
            op->from = NULL;
            if (op->state != GOING) {
                operation_free(op);
            }
        }
    }
    gri_free(self->cluster);
    gri_free(self);
}

const gr_coordinator_ops *gr_coordinator_memory(void)
{
    static const gr_coordinator_ops ops = {
        .version = GR_COORDINATOR_VERSION,
        .open = memory_open,
        .read = memory_read,
        .compare_and_set = memory_compare_and_set,
        .watch = memory_watch,
        .remove = memory_remove,
        .list = memory_list,
        .show = memory_show,
        .hide = memory_hide,
        .free = memory_free,
    };

    return &ops;
}

/* ---- the store */

gr_err gr_memory_store_new(gr_stepped *stepped, gr_memory_store **out_store)
{
    gr_system_options options = {.name = "store", .stepped = stepped};
    gr_memory_store *store = gri_calloc(1, sizeof(*store));
    gr_err err = GR_OK;

    if (store == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a store in memory");
    }
    store->stepped = stepped;
    gri_memory_records_init(&store->records);
    LIST_INIT(&store->operations);
    err = gr_system_new(&options, &store->sys);
    if (err != GR_OK) {
        gri_free(store);
        return err;
    }
    *out_store = store;
    return GR_OK;
}

gr_memory_store *gr_memory_store_free(gr_memory_store *take_store)
{
    if (take_store == NULL) {
        return NULL;
    }
    while (!LIST_EMPTY(&take_store->operations)) {
        operation *op = LIST_FIRST(&take_store->operations);

        GRI_INVARIANT(op->from == NULL); /* coordinators are freed before their store */
        operation_free(op);
    }
    gr_memory_store_empty(take_store);
    gr_system_free(take_store->sys);
    gri_free(take_store);
    return NULL;
}

gr_err gr_memory_store_set_faults(gr_memory_store *store, uint64_t node,
                                  const gr_memory_store_faults *faults)
{
    size_t i = 0;

    if (node == 0) {
        store->all = *faults;
        return GR_OK;
    }
    for (i = 0; i < store->nodes_count && store->nodes[i].node != node; i++) {
    }
    if (i == NODES_MAX) {
        return GRI_FAIL(GR_EFULL, "faults of more than %d nodes", NODES_MAX);
    }
    store->nodes[i] = (node_faults){node, *faults};
    store->nodes_count = i == store->nodes_count ? i + 1 : store->nodes_count;
    return GR_OK;
}

/* As when a store restarts: its watches hear nothing. */
static void lose_watches(gr_memory_store *store)
{
    operation *op = NULL;

    LIST_FOREACH (op, &store->operations, next) {
        if (op->state == WATCHING) {
            op->state = LOST;
        }
    }
}

void gr_memory_store_empty(gr_memory_store *store)
{
    lose_watches(store);
    gri_memory_records_empty(&store->records);
}

gr_err gr_memory_store_save(const gr_memory_store *store, gr_memory_backup **out_backup)
{
    gr_memory_backup *backup = gri_calloc(1, sizeof(*backup));
    gr_err err = backup == NULL ? GRI_FAIL(GR_ENOMEM, "a backup of a store in memory") : GR_OK;

    if (err == GR_OK) {
        gri_memory_records_init(&backup->records);
        err = gri_memory_records_copy(&store->records, &backup->records);
    }
    if (err != GR_OK) {
        gri_free(backup);
        return err;
    }
    *out_backup = backup;
    return GR_OK;
}

gr_err gr_memory_store_restore(gr_memory_store *store, const gr_memory_backup *backup)
{
    gr_err err = gri_memory_records_copy(&backup->records, &store->records);

    if (err == GR_OK) {
        lose_watches(store);
    }
    return err;
}

gr_memory_backup *gr_memory_backup_free(gr_memory_backup *take_backup)
{
    if (take_backup != NULL) {
        gri_memory_records_fini(&take_backup->records);
        gri_free(take_backup);
    }
    return NULL;
}
