/*
 * The SQLite coordinator: the embedded one, for several processes on one machine with nothing else
 * installed. One thread for each coordinator does all that may block: it takes requests from a
 * queue (a pipe wakes it), and while somebody watches a key it asks every few milliseconds whether
 * another process has written (PRAGMA data_version, a look at shared memory). All other functions
 * only queue and may be called from any thread. The file itself is sqlite_file.c.
 *
 * A file that is lost while in use fails the operations that find out; the next one opens the path
 * afresh, and finds its lease gone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>
#include <gri/thread.h>

#include "sqlite_file.h"

/* More than are ever given, so that their count stays behind the clock. */
enum { REVISIONS_PER_MS = 1000 };

enum { LOOK_MS = 20, OPEN_MS = 5000 };

typedef enum request_kind { READ, SET, REMOVE, WATCH, LIST } request_kind;

typedef struct request {
    TAILQ_ENTRY(request) next;
    request_kind kind;
    gr_future *future;
    char *key; /* with the cluster's name in front */
    uint64_t revision;
    int64_t deadline_ms;
    size_t value_bytes;
    uint8_t value[];
} request;

TAILQ_HEAD(request_list, request);

typedef struct sqlite_coordinator {
    gr_coordinator base;
    char *path;
    char *cluster;
    bool only_reads;
    pthread_t thread;
    int wake_read;
    int wake_write;
    pthread_mutex_t lock;
    struct request_list queue; /* lock */
    bool queue_closed;         /* lock */
    /* Set by free() so that its thread does not go on waiting for a locked file. */
    atomic_bool stopping;
    /* Only its thread. */
    gri_sqlite_file *file;
    struct request_list watches;
    int64_t patience_until_ms;
    bool look_again;    /* we have written ourselves */
    gr_future *opening; /* who waits for the first opening */
} sqlite_coordinator;

static void request_free(request *take_request)
{
    gri_free(take_request->key);
    gri_free(take_request);
}

static void request_fail(request *take_request, gr_err code)
{
    gr_error detail = *gr_last_error();

    gri_operation_fail(take_request->future, code, "%s",
                       detail.code == code ? detail.text : gr_err_text(code));
    request_free(take_request);
}

static void request_answer(request *take_request, const gri_sqlite_record *record)
{
    gri_operation_answer(take_request->future, record->revision, record->value,
                         record->value_bytes);
    request_free(take_request);
}

/* ---- its thread */

static bool has_patience(void *arg)
{
    sqlite_coordinator *self = arg;

    /* Publishes nothing: one flag that the thread looks at now and then. */
    return !atomic_load_explicit(&self->stopping, memory_order_relaxed) &&
           gr_system_now(self->base.sys) < self->patience_until_ms;
}

static gr_err ensure_open(sqlite_coordinator *self)
{
    if (self->file != NULL) {
        return GR_OK;
    }
    self->look_again = true;
    return gri_sqlite_file_open(self->path, !self->only_reads, has_patience, self, &self->file);
}

static gr_err read_key(sqlite_coordinator *self, const char *key, gri_sqlite_record *out_record)
{
    gr_err err = ensure_open(self);

    return err == GR_OK ? gri_sqlite_file_read(self->file, key, out_record) : err;
}

/* After such a failure the file is opened afresh by the next operation. */
static void give_up_file(sqlite_coordinator *self, gr_err err)
{
    if (err != GR_OK && err != GR_ECONFLICT && err != GR_EUNREACHABLE) {
        self->file = gri_sqlite_file_close(self->file);
    }
}

/* The keys, without the name of the cluster; the list is the record's value, and `*out_keys` its memory. */
static gr_err list_keys(sqlite_coordinator *self, const char *prefix, gri_sqlite_record *out_record,
                        uint8_t **out_keys)
{
    uint8_t *keys = gri_alloc(GR_COORDINATOR_VALUE_BYTES_MAX);
    size_t bytes = 0;
    gr_err err = keys == NULL ? GRI_FAIL(GR_ENOMEM, "a list of keys")
                              : gri_sqlite_file_keys(self->file, prefix, strlen(self->cluster) + 1,
                                                     keys, GR_COORDINATOR_VALUE_BYTES_MAX, &bytes);

    *out_keys = keys;
    *out_record = (gri_sqlite_record){.value = keys, .value_bytes = bytes};
    return err;
}

static void handle_request(sqlite_coordinator *self, request *take_request)
{
    gri_sqlite_record record = {0};
    uint8_t *keys = NULL;
    gr_err err = GR_OK;

    self->patience_until_ms = take_request->deadline_ms;
    if (take_request->kind == WATCH) {
        TAILQ_INSERT_TAIL(&self->watches, take_request, next);
        self->look_again = true;
        return;
    }
    err = ensure_open(self);
    if (err == GR_OK && take_request->kind == READ) {
        err = gri_sqlite_file_read(self->file, take_request->key, &record);
    } else if (err == GR_OK && take_request->kind == LIST) {
        err = list_keys(self, take_request->key, &record, &keys);
    } else if (err == GR_OK && take_request->kind == SET) {
        err = gri_sqlite_file_set(self->file, take_request->key, take_request->revision,
                                  take_request->value, take_request->value_bytes,
                                  gr_system_wall_ms(self->base.sys) * REVISIONS_PER_MS,
                                  &record.revision);
        self->look_again = true;
    } else if (err == GR_OK) {
        err = gri_sqlite_file_remove(self->file, take_request->key, take_request->revision);
        self->look_again = true;
    }
    if (err == GR_OK) {
        request_answer(take_request, &record);
    } else {
        request_fail(take_request, err);
    }
    gri_free(keys);
    give_up_file(self, err);
}

/* Ends the watches whose key has changed or whose time is up. */
static void look_at_watches(sqlite_coordinator *self)
{
    int64_t now = gr_system_now(self->base.sys);
    bool changed = self->look_again || self->file == NULL || gri_sqlite_file_changed(self->file);
    request *watch = TAILQ_FIRST(&self->watches);

    self->look_again = false;
    while (watch != NULL) {
        request *after = TAILQ_NEXT(watch, next);

        if (changed || now >= watch->deadline_ms) {
            gri_sqlite_record record = {0};
            gr_err err = GR_OK;

            self->patience_until_ms = now + LOOK_MS;
            err = read_key(self, watch->key, &record);
            if (err != GR_OK) {
                TAILQ_REMOVE(&self->watches, watch, next);
                request_fail(watch, err);
                give_up_file(self, err);
            } else if (record.revision != watch->revision || now >= watch->deadline_ms) {
                TAILQ_REMOVE(&self->watches, watch, next);
                request_answer(watch, &record);
            }
        }
        watch = after;
    }
}

static int pause_ms(const sqlite_coordinator *self)
{
    return TAILQ_EMPTY(&self->watches) ? -1 : LOOK_MS;
}

static void wait_for_work(sqlite_coordinator *self)
{
    struct pollfd wake = {.fd = self->wake_read, .events = POLLIN};
    char drop[64];

    if (poll(&wake, 1, pause_ms(self)) > 0) {
        while (read(self->wake_read, drop, sizeof(drop)) > 0) {
        }
    }
}

/* False when the queue has been closed. */
static bool take_requests(sqlite_coordinator *self, struct request_list *out_requests)
{
    bool open = false;

    pthread_mutex_lock(&self->lock);
    TAILQ_INIT(out_requests);
    TAILQ_CONCAT(out_requests, &self->queue, next);
    open = !self->queue_closed;
    pthread_mutex_unlock(&self->lock);
    return open;
}

static void fail_all(struct request_list *requests)
{
    request *first = NULL;

    while ((first = TAILQ_FIRST(requests)) != NULL) {
        TAILQ_REMOVE(requests, first, next);
        (void)GRI_FAIL(GR_ESTOPPED, "the coordinator is being closed");
        request_fail(first, GR_ESTOPPED);
    }
}

static void first_opening(sqlite_coordinator *self)
{
    gr_err err = GR_OK;

    self->patience_until_ms = gr_system_now(self->base.sys) + OPEN_MS;
    err = ensure_open(self);
    if (err == GR_OK || err == GR_ENOTFOUND) { /* not there yet: operations will say so */
        gri_operation_answer(self->opening, 0, NULL, 0);
    } else {
        gri_operation_fail(self->opening, err, "%s", gr_last_error()->text);
    }
    self->opening = NULL;
}

static void *thread_main(void *arg)
{
    sqlite_coordinator *self = arg;
    struct request_list requests;
    request *first = NULL;

    first_opening(self);
    while (take_requests(self, &requests)) {
        while ((first = TAILQ_FIRST(&requests)) != NULL) {
            TAILQ_REMOVE(&requests, first, next);
            handle_request(self, first);
        }
        if (!TAILQ_EMPTY(&self->watches)) {
            look_at_watches(self);
        }
        wait_for_work(self);
    }
    fail_all(&requests);
    fail_all(&self->watches);
    self->file = gri_sqlite_file_close(self->file);
    return NULL;
}

/* ---- from any thread */

static void wake(sqlite_coordinator *self)
{
    ssize_t written = 0;

    do {
        written = write(self->wake_write, "", 1);
    } while (written < 0 && errno == EINTR);
    /* A full pipe wakes it too. */
}

static gr_err submit(gr_coordinator *coordinator, request_kind kind, const char *key,
                     uint64_t revision, const uint8_t *value, size_t value_bytes,
                     int64_t timeout_ms, gr_future **out_future)
{
    sqlite_coordinator *self = (sqlite_coordinator *)coordinator;
    gr_err err = gri_operation_check(key, value_bytes);
    request *fresh = NULL;

    if (err != GR_OK) {
        return err;
    }
    fresh = gri_calloc(1, sizeof(*fresh) + value_bytes);
    if (fresh == NULL || (fresh->key = gri_text("%s/%s", self->cluster, key)) == NULL) {
        gri_free(fresh);
        return GRI_FAIL(GR_ENOMEM, "a request to the coordinator");
    }
    err = gri_operation_future(coordinator->sys, timeout_ms, out_future);
    if (err != GR_OK) {
        request_free(fresh);
        return err;
    }
    fresh->kind = kind;
    fresh->future = gr_future_ref(*out_future);
    fresh->revision = revision;
    fresh->deadline_ms = gr_system_now(coordinator->sys) + timeout_ms;
    fresh->value_bytes = value_bytes;
    if (value_bytes > 0) {
        memcpy(fresh->value, value, value_bytes);
    }
    pthread_mutex_lock(&self->lock);
    TAILQ_INSERT_TAIL(&self->queue, fresh, next);
    pthread_mutex_unlock(&self->lock);
    wake(self);
    return GR_OK;
}

static gr_err sqlite_read(gr_coordinator *coordinator, const char *key, int64_t timeout_ms,
                          gr_future **out_future)
{
    return submit(coordinator, READ, key, 0, NULL, 0, timeout_ms, out_future);
}

static gr_err sqlite_compare_and_set(gr_coordinator *coordinator, const char *key,
                                     uint64_t revision, const uint8_t *value, size_t value_bytes,
                                     int64_t timeout_ms, gr_future **out_future)
{
    return submit(coordinator, SET, key, revision, value, value_bytes, timeout_ms, out_future);
}

static gr_err sqlite_watch(gr_coordinator *coordinator, const char *key, uint64_t revision,
                           int64_t timeout_ms, gr_future **out_future)
{
    return submit(coordinator, WATCH, key, revision, NULL, 0, timeout_ms, out_future);
}

static gr_err sqlite_remove(gr_coordinator *coordinator, const char *key, uint64_t revision,
                            int64_t timeout_ms, gr_future **out_future)
{
    return submit(coordinator, REMOVE, key, revision, NULL, 0, timeout_ms, out_future);
}

static gr_err sqlite_list(gr_coordinator *coordinator, const char *prefix, int64_t timeout_ms,
                          gr_future **out_future)
{
    return submit(coordinator, LIST, prefix, 0, NULL, 0, timeout_ms, out_future);
}

static void sqlite_show(gr_coordinator *coordinator, const gr_coordinator_member *member,
                        bool healthy)
{
    (void)coordinator; /* there is nobody to show it to */
    (void)member;
    (void)healthy;
}

static gr_err sqlite_hide(gr_coordinator *coordinator, int64_t timeout_ms, gr_future **out_future)
{
    gr_err err = gri_operation_future(coordinator->sys, timeout_ms, out_future);

    if (err == GR_OK) {
        gri_operation_answer(gr_future_ref(*out_future), 0, NULL, 0);
    }
    return err;
}

/* ---- life */

static void dispose(sqlite_coordinator *self)
{
    if (self->wake_read >= 0) {
        (void)close(self->wake_read);
        (void)close(self->wake_write);
    }
    pthread_mutex_destroy(&self->lock);
    gri_free(self->path);
    gri_free(self->cluster);
    gri_free(self);
}

static void sqlite_free(gr_coordinator *take_coordinator)
{
    sqlite_coordinator *self = (sqlite_coordinator *)take_coordinator;

    if (self == NULL) {
        return;
    }
    /* Publishes nothing: it only ends the thread's patience; the closed queue ends the thread. */
    atomic_store_explicit(&self->stopping, true, memory_order_relaxed);
    pthread_mutex_lock(&self->lock);
    self->queue_closed = true;
    pthread_mutex_unlock(&self->lock);
    wake(self);
    pthread_join(self->thread, NULL);
    dispose(self);
}

static gr_err prepare(gr_system *sys, const char *cluster, const char *path,
                      sqlite_coordinator **out_self)
{
    sqlite_coordinator *self = gri_calloc(1, sizeof(*self));
    int ends[2] = {-1, -1};

    if (self == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the coordinator '%s'", path);
    }
    self->base.sys = sys;
    self->wake_read = -1;
    pthread_mutex_init(&self->lock, NULL);
    TAILQ_INIT(&self->queue);
    TAILQ_INIT(&self->watches);
    atomic_init(&self->stopping, false);
    self->path = gri_strdup(path);
    self->cluster = gri_strdup(cluster);
    if (self->path == NULL || self->cluster == NULL) {
        dispose(self);
        return GRI_FAIL(GR_ENOMEM, "the coordinator '%s'", path);
    }
    if (pipe(ends) != 0) {
        dispose(self);
        return GRI_FAIL(GR_EIO, "a pipe for the coordinator '%s': %s", path, strerror(errno));
    }
    self->wake_read = ends[0];
    self->wake_write = ends[1];
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    *out_self = self;
    return GR_OK;
}

/* The file is opened by the thread: SQLite wants more stack than a fiber has. */
static gr_err sqlite_open(gr_system *sys, const char *cluster, const char *where, void *arg,
                          gr_coordinator **out_coordinator)
{
    sqlite_coordinator *self = NULL;
    gr_future *opening = NULL;
    gr_msg *answer = NULL;
    gr_err err = GR_OK;
    const gri_coordinator_manner *manner = arg;
    int failed = 0;

    if (where == NULL || where[0] == '\0') {
        return GRI_FAIL(GR_EINVAL, "the coordinator needs a path: sqlite:PATH");
    }
    err = prepare(sys, cluster, where, &self);
    if (err != GR_OK) {
        return err;
    }
    self->only_reads = manner != NULL && manner->only_reads;
    err = gri_operation_future(sys, OPEN_MS, &opening);
    if (err != GR_OK) {
        dispose(self);
        return err;
    }
    self->opening = gr_future_ref(opening);
    failed = gri_thread_start(&self->thread, "gr-sqlite", thread_main, self);
    if (failed != 0) {
        gr_future_unref(self->opening);
        gr_future_unref(opening);
        dispose(self);
        return GRI_FAIL(GR_EIO, "a thread for the coordinator '%s': %s", where, strerror(failed));
    }
    err = gr_await(opening, GR_FOREVER, &answer);
    gr_msg_unref(answer);
    gr_future_unref(opening);
    if (err != GR_OK) {
        gr_error detail = *gr_last_error();

        sqlite_free(&self->base);
        return gr_error_set(err, detail.file, detail.line, "%s", detail.text);
    }
    *out_coordinator = &self->base;
    return GR_OK;
}

const gr_coordinator_ops *gr_coordinator_sqlite(void)
{
    static const gr_coordinator_ops ops = {
        .version = GR_COORDINATOR_VERSION,
        .open = sqlite_open,
        .read = sqlite_read,
        .compare_and_set = sqlite_compare_and_set,
        .watch = sqlite_watch,
        .remove = sqlite_remove,
        .list = sqlite_list,
        .show = sqlite_show,
        .hide = sqlite_hide,
        .free = sqlite_free,
    };

    return &ops;
}
