/*
 * The Consul coordinator. Records are keys of Consul's KV store under PREFIX/CLUSTER/; a revision is a
 * key's ModifyIndex, which is compared for equality only (it goes backwards when Consul's data is lost).
 * Changes are transactions of one operation, because those answer with the new ModifyIndex; reads are
 * consistent ones; watches are blocking queries, consistent too, since one that shows the past could
 * show a key that is not there yet as one that is gone.
 *
 * Consul's sessions are not used: their TTL is 10 s at least and kept at twice that, and an agent that
 * stalls destroys them while heartbeats go on to succeed.
 *
 * Functions start requests and return; answers come in the HTTP client's thread. Each request has a
 * connection of its own, so no watch holds up a renewal. An agent that cannot be reached fails each
 * request by its time limit, or at once; whoever tries again waits first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "consul.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

enum { PROBLEM_BYTES = 120, WATCH_SLACK_MS = 2000, KEY_BYTES_MAX = 1000 };

typedef struct operation {
    gri_consul *consul;
    gr_future *future;
    char *path; /* "kv/..." of the key */
    uint64_t revision;
    int64_t deadline_ms;
} operation;

/* ---- URLs and problems */

char *gri_consul_escape(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *escaped = gri_alloc(3 * strlen(text) + 1);
    char *out = escaped;

    if (escaped == NULL) {
        return NULL;
    }
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
            (byte >= '0' && byte <= '9') || strchr("-._~/", byte) != NULL) {
            *out++ = (char)byte;
        } else {
            *out++ = '%';
            *out++ = hex[byte >> 4];
            *out++ = hex[byte & 15];
        }
    }
    *out = '\0';
    return escaped;
}

char *gri_consul_url(const gri_consul *consul, const char *path, const char *query)
{
    const char *dc = consul->where.datacenter;
    char *escaped = dc == NULL ? NULL : gri_consul_escape(dc);
    char *url = NULL;

    if (dc == NULL || escaped != NULL) {
        url = gri_text("%s/v1/%s%s%s%s%s", consul->where.url, path,
                       query == NULL && dc == NULL ? "" : "?", query == NULL ? "" : query,
                       dc == NULL      ? ""
                       : query == NULL ? "dc="
                                       : "&dc=",
                       escaped == NULL ? "" : escaped);
    }
    gri_free(escaped);
    return url;
}

/* What Consul says, in one line. */
static void in_one_line(const gri_http_result *result, char text[PROBLEM_BYTES])
{
    size_t i = 0;

    for (i = 0; i + 1 < PROBLEM_BYTES && i < result->body_bytes; i++) {
        text[i] = result->body[i] < ' ' ? ' ' : result->body[i];
    }
    text[i] = '\0';
}

gr_err gri_consul_problem(const gri_consul *consul, const gri_http_result *result)
{
    char said[PROBLEM_BYTES];

    if (result->err == GR_ESTOPPED) {
        return GRI_FAIL(GR_ESTOPPED, "the coordinator is being closed");
    }
    if (result->err != GR_OK) {
        return GRI_FAIL(result->err, "Consul at %s: %s", consul->where.url, result->problem);
    }
    if (result->status == 200) {
        return GR_OK;
    }
    in_one_line(result, said);
    switch (result->status) {
    case 401:
    case 403:
        return GRI_FAIL(GR_EREFUSED,
                        "Consul at %s refuses (%s); does CONSUL_HTTP_TOKEN hold a token "
                        "that may do this?",
                        consul->where.url, said);
    case 409:
        /* Transactions say so also when the token does not allow them. */
        return strstr(said, "ermission denied") != NULL
                   ? GRI_FAIL(GR_EREFUSED,
                              "Consul at %s refuses (%s); does CONSUL_HTTP_TOKEN hold a "
                              "token that may do this?",
                              consul->where.url, said)
                   : GRI_FAIL(GR_ECONFLICT, "Consul at %s: %s", consul->where.url, said);
    case 413:
        return GRI_FAIL(GR_ETOOBIG, "Consul at %s: %s", consul->where.url, said);
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return GRI_FAIL(GR_EUNREACHABLE, "Consul at %s is not ready (%s)", consul->where.url, said);
    default:
        return GRI_FAIL(GR_EIO, "Consul at %s answered with status %ld (%s)", consul->where.url,
                        result->status, said);
    }
}

/* ---- operations */

static void operation_free(operation *take_operation)
{
    gri_free(take_operation->path);
    gri_free(take_operation);
}

static void end_by_error(operation *take_operation, gr_err err)
{
    gri_operation_fail(take_operation->future, err, "%s", gr_last_error()->text);
    operation_free(take_operation);
}

static char *full_key(const gri_consul *consul, const char *key)
{
    return gri_text("%s/%s/%s", consul->where.prefix, consul->cluster, key);
}

static gr_err operation_new(gri_consul *consul, const char *key, uint64_t revision,
                            int64_t timeout_ms, operation **out_operation, gr_future **out_future)
{
    operation *op = gri_calloc(1, sizeof(*op));
    char *full = full_key(consul, key);
    char *escaped = full == NULL ? NULL : gri_consul_escape(full);
    gr_err err = GR_OK;

    if (op != NULL && escaped != NULL) {
        op->path = gri_text("kv/%s", escaped);
    }
    gri_free(full);
    gri_free(escaped);
    if (op == NULL || op->path == NULL) {
        gri_free(op);
        return GRI_FAIL(GR_ENOMEM, "a request to Consul");
    }
    op->consul = consul;
    op->revision = revision;
    op->deadline_ms = gr_system_now(consul->base.sys) + timeout_ms;
    err = gri_operation_future(consul->base.sys, timeout_ms, out_future);
    if (err != GR_OK) {
        operation_free(op);
        return err;
    }
    op->future = gr_future_ref(*out_future);
    *out_operation = op;
    return GR_OK;
}

/* The future goes too when the request cannot even be sent. */
static gr_err refuse(operation *take_operation, gr_err err, gr_future **out_future)
{
    gr_error detail = *gr_last_error();

    gr_future_unref(take_operation->future);
    operation_free(take_operation);
    *out_future = gr_future_unref(*out_future);
    return gr_error_set(err, detail.file, detail.line, "%s", detail.text);
}

static gr_err get(operation *op, const char *query, int64_t timeout_ms, gri_http_done_fn done)
{
    char *url = gri_consul_url(op->consul, op->path, query);
    gri_http_request request = {.method = "GET",
                                .url = url,
                                .header = op->consul->header,
                                .timeout_ms = timeout_ms,
                                .wanted_header = "X-Consul-Index"};
    gr_err err = url == NULL ? GRI_FAIL(GR_ENOMEM, "a request to Consul")
                             : gri_http_send(op->consul->http, &request, done, op);

    gri_free(url);
    return err;
}

/* The record of an answer: revision 0 and no value when there is no such key. */
static gr_err read_answer(const gri_consul *consul, const gri_http_result *result,
                          gri_consul_record *out_record)
{
    gr_err err = GR_OK;

    if (result->err == GR_OK && result->status == 404) {
        *out_record = (gri_consul_record){0};
        return GR_OK;
    }
    err = gri_consul_problem(consul, result);
    return err == GR_OK ? gri_consul_parse_record(result->body, result->body_bytes, out_record)
                        : err;
}

static void end_by_record(operation *take_operation, gri_consul_record *record)
{
    gri_operation_answer(take_operation->future, record->revision, record->value.data,
                         record->value.count);
    gri_buffer_fini(&record->value);
    operation_free(take_operation);
}

static void on_read(void *arg, const gri_http_result *result)
{
    operation *op = arg;
    gri_consul_record record = {0};
    gr_err err = read_answer(op->consul, result, &record);

    if (err == GR_OK) {
        end_by_record(op, &record);
    } else {
        end_by_error(op, err);
    }
}

static gr_err consul_read(gr_coordinator *coordinator, const char *key, int64_t timeout_ms,
                          gr_future **out_future)
{
    gri_consul *self = (gri_consul *)coordinator;
    operation *op = NULL;
    gr_err err = gri_operation_check(key, 0);

    if (err == GR_OK) {
        err = operation_new(self, key, 0, timeout_ms, &op, out_future);
    }
    if (err == GR_OK) {
        err = get(op, "consistent", timeout_ms, on_read);
        err = err == GR_OK ? GR_OK : refuse(op, err, out_future);
    }
    return err;
}

/* ---- listing */

static void on_listed(void *arg, const gri_http_result *result)
{
    operation *op = arg;
    const gri_consul *consul = op->consul;
    gri_consul_record record = {0};
    size_t skip = strlen(consul->where.prefix) + 1 + strlen(consul->cluster) + 1;
    gr_err err =
        result->err == GR_OK && result->status == 404 ? GR_OK : gri_consul_problem(consul, result);

    if (err == GR_OK && result->status == 200) {
        err = gri_consul_parse_keys(result->body, result->body_bytes, skip,
                                    GR_COORDINATOR_VALUE_BYTES_MAX, &record.value);
    }
    if (err == GR_OK) {
        end_by_record(op, &record);
    } else {
        end_by_error(op, err);
    }
}

static gr_err consul_list(gr_coordinator *coordinator, const char *prefix, int64_t timeout_ms,
                          gr_future **out_future)
{
    gri_consul *self = (gri_consul *)coordinator;
    operation *op = NULL;
    gr_err err = gri_operation_check(prefix, 0);

    if (err == GR_OK) {
        err = operation_new(self, prefix, 0, timeout_ms, &op, out_future);
    }
    if (err == GR_OK) {
        err = get(op, "consistent&keys", timeout_ms, on_listed);
        err = err == GR_OK ? GR_OK : refuse(op, err, out_future);
    }
    return err;
}

/* ---- watching */

/* Blocks at the agent until the index is passed or the time is up; changed or not, what there is then is
 * the answer. */
static gr_err watch_from(operation *op, uint64_t index)
{
    int64_t left_ms = op->deadline_ms - gr_system_now(op->consul->base.sys);
    char query[96];

    /* The agent adds up to a sixteenth to the wait. */
    left_ms = left_ms < 100 ? 100 : left_ms;
    (void)snprintf(query, sizeof(query), "consistent&index=%" PRIu64 "&wait=%" PRId64 "ms", index,
                   left_ms - left_ms / 16);
    return get(op, query, left_ms + WATCH_SLACK_MS, on_read);
}

/* The first answer for a key that is not there tells the index from which to wait for it. */
static void on_absent(void *arg, const gri_http_result *result)
{
    operation *op = arg;
    gri_consul_record record = {0};
    gr_err err = read_answer(op->consul, result, &record);
    uint64_t index = strtoull(result->wanted == NULL ? "" : result->wanted, NULL, 10);

    if (err == GR_OK && record.revision == 0 && index > 0) {
        err = watch_from(op, index);
        if (err != GR_OK) {
            end_by_error(op, err);
        }
        return;
    }
    if (err == GR_OK) {
        end_by_record(op, &record);
    } else {
        end_by_error(op, err);
    }
}

static gr_err consul_watch(gr_coordinator *coordinator, const char *key, uint64_t revision,
                           int64_t timeout_ms, gr_future **out_future)
{
    gri_consul *self = (gri_consul *)coordinator;
    operation *op = NULL;
    gr_err err = gri_operation_check(key, 0);

    if (err == GR_OK) {
        err = operation_new(self, key, revision, timeout_ms, &op, out_future);
    }
    if (err == GR_OK) {
        err =
            revision == 0 ? get(op, "consistent", timeout_ms, on_absent) : watch_from(op, revision);
        err = err == GR_OK ? GR_OK : refuse(op, err, out_future);
    }
    return err;
}

/* ---- changing */

static void on_changed(void *arg, const gri_http_result *result)
{
    operation *op = arg;
    uint64_t revision = 0;
    gr_err err = gri_consul_problem(op->consul, result);

    if (err == GR_OK) {
        err = gri_consul_parse_revision(result->body, result->body_bytes, &revision);
    }
    if (err == GR_OK) {
        gri_operation_answer(op->future, revision, NULL, 0);
        operation_free(op);
    } else {
        end_by_error(op, err);
    }
}

static void on_removed(void *arg, const gri_http_result *result)
{
    operation *op = arg;
    gr_err err = gri_consul_problem(op->consul, result);

    if (err == GR_OK) {
        gri_operation_answer(op->future, 0, NULL, 0);
        operation_free(op);
    } else {
        end_by_error(op, err);
    }
}

static gr_err change(gri_consul *self, const char *verb, const char *key, uint64_t revision,
                     const uint8_t *value, size_t value_bytes, int64_t timeout_ms,
                     gri_http_done_fn done, gr_future **out_future)
{
    operation *op = NULL;
    gri_buffer body = {0};
    char *full = NULL;
    char *url = NULL;
    gri_http_request request = {.method = "PUT", .header = self->header, .timeout_ms = timeout_ms};
    gr_err err = gri_operation_check(key, value_bytes);

    if (err == GR_OK) {
        err = operation_new(self, key, revision, timeout_ms, &op, out_future);
    }
    if (err != GR_OK) {
        return err;
    }
    full = full_key(self, key);
    url = gri_consul_url(self, "txn", NULL);
    err = full == NULL || url == NULL
              ? GRI_FAIL(GR_ENOMEM, "a request to Consul")
              : gri_consul_pack_change(verb, full, revision, value, value_bytes, &body);
    if (err == GR_OK) {
        request.url = url;
        request.body = body.data;
        request.body_bytes = body.count;
        err = gri_http_send(self->http, &request, done, op);
    }
    gri_buffer_fini(&body);
    gri_free(full);
    gri_free(url);
    return err == GR_OK ? GR_OK : refuse(op, err, out_future);
}

static gr_err consul_compare_and_set(gr_coordinator *coordinator, const char *key,
                                     uint64_t revision, const uint8_t *value, size_t value_bytes,
                                     int64_t timeout_ms, gr_future **out_future)
{
    return change((gri_consul *)coordinator, "cas", key, revision, value, value_bytes, timeout_ms,
                  on_changed, out_future);
}

static gr_err consul_remove(gr_coordinator *coordinator, const char *key, uint64_t revision,
                            int64_t timeout_ms, gr_future **out_future)
{
    return change((gri_consul *)coordinator, "delete-cas", key, revision, NULL, 0, timeout_ms,
                  on_removed, out_future);
}

/* ---- showing */

static void consul_show(gr_coordinator *coordinator, const gr_coordinator_member *member,
                        bool healthy)
{
    gri_consul_show_member((gri_consul *)coordinator, member, healthy);
}

static gr_err consul_hide(gr_coordinator *coordinator, int64_t timeout_ms, gr_future **out_future)
{
    return gri_consul_hide((gri_consul *)coordinator, timeout_ms, out_future);
}

/* ---- life */

static void consul_free(gr_coordinator *take_coordinator)
{
    gri_consul *self = (gri_consul *)take_coordinator;

    if (self == NULL) {
        return;
    }
    gri_http_client_free(self->http);
    gri_consul_show_fini(self);
    gri_consul_where_fini(&self->where);
    gri_free(self->cluster);
    gri_free(self->header);
    gri_free(self);
}

static gr_err start_http(gri_consul *self)
{
    const char *verify = gri_consul_variable("CONSUL_HTTP_SSL_VERIFY");
    gri_http_options options = {
        .ca_file = gri_consul_variable("CONSUL_CACERT"),
        .ca_path = gri_consul_variable("CONSUL_CAPATH"),
        .cert_file = gri_consul_variable("CONSUL_CLIENT_CERT"),
        .key_file = gri_consul_variable("CONSUL_CLIENT_KEY"),
        .user_password = gri_consul_variable("CONSUL_HTTP_AUTH"),
        .connect_to = self->where.connect_to,
        .trust_any =
            verify != NULL && (strcmp(verify, "0") == 0 || strcasecmp(verify, "false") == 0),
    };

    return gri_http_client_new(&options, &self->http);
}

static gr_err consul_open(gr_system *sys, const char *cluster, const char *where, void *arg,
                          gr_coordinator **out_coordinator)
{
    gri_consul *self = gri_calloc(1, sizeof(*self));
    gr_err err = GR_OK;

    (void)arg;
    if (self == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the coordinator 'consul:%s'", where);
    }
    self->base.sys = sys;
    gri_consul_show_init(self);
    self->cluster = gri_strdup(cluster);
    err = self->cluster == NULL ? GRI_FAIL(GR_ENOMEM, "the coordinator 'consul:%s'", where)
                                : gri_consul_where_read(where, &self->where);
    if (err == GR_OK && self->where.token != NULL) {
        self->header = gri_text("X-Consul-Token: %s", self->where.token);
        err = self->header == NULL ? GRI_FAIL(GR_ENOMEM, "a token") : GR_OK;
    }
    if (err == GR_OK && strlen(self->where.prefix) + strlen(cluster) > KEY_BYTES_MAX) {
        err = GRI_FAIL(GR_EINVAL, "prefix and name of the cluster are longer than %d bytes",
                       KEY_BYTES_MAX);
    }
    if (err == GR_OK && self->where.from != NULL) {
        gr_system_log(sys, GR_LOG_INFO, "GR-CONSUL-ADDRESS",
                      "'consul:%s' names no agent: it is taken from %s, %s", where,
                      self->where.from, self->where.url);
    }
    if (err == GR_OK) {
        err = start_http(self);
    }
    if (err != GR_OK) {
        gr_error detail = *gr_last_error();

        consul_free(&self->base);
        return gr_error_set(err, detail.file, detail.line, "%s", detail.text);
    }
    *out_coordinator = &self->base;
    return GR_OK;
}

const gr_coordinator_ops *gr_coordinator_consul(void)
{
    static const gr_coordinator_ops ops = {
        .version = GR_COORDINATOR_VERSION,
        .open = consul_open,
        .read = consul_read,
        .compare_and_set = consul_compare_and_set,
        .watch = consul_watch,
        .remove = consul_remove,
        .list = consul_list,
        .show = consul_show,
        .hide = consul_hide,
        .free = consul_free,
    };

    return &ops;
}
