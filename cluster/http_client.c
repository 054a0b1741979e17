/*
 * The HTTP client: libcurl's multi interface in one thread. Requests come through a queue and a wake-up;
 * the multi handle and all transfers are touched by that thread only. Each request that is under way
 * has a connection of its own, so none waits for another (a long poll blocks nothing); idle connections
 * are kept and used again. The one file that knows libcurl.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_client.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include <curl/curl.h>

#include <gri/bytes.h>
#include <gri/fail.h>
#include <gri/mem.h>
#include <gri/thread.h>

enum {
    ANSWER_BYTES_MAX = 4 * 1024 * 1024,
    CONNECT_MS = 2000,
    IDLE_CONNECTIONS = 8,
    POLL_MS = 10000,
    WANTED_BYTES = 64
};

typedef struct transfer {
    TAILQ_ENTRY(transfer) next;
    gri_http_done_fn done;
    void *arg;
    char *method;
    char *url;
    char *header;
    char *wanted_header;
    uint8_t *body;
    size_t body_bytes;
    int64_t timeout_ms;
    /* Once it is under way. */
    CURL *easy;
    struct curl_slist *headers;
    gri_buffer answer;
    char wanted[WANTED_BYTES];
    bool too_big;
    char problem[CURL_ERROR_SIZE];
} transfer;

TAILQ_HEAD(transfer_list, transfer);

struct gri_http_client {
    /* Fixed after gri_http_client_new(). */
    char *ca_file, *ca_path, *cert_file, *key_file, *connect_to, *user_password;
    bool trust_any;
    CURLM *multi; /* only the thread, but for curl_multi_wakeup() */
    pthread_t thread;
    pthread_mutex_t lock;
    struct transfer_list queue; /* lock */
    bool stopping;              /* lock */
    /* Only the thread. */
    struct transfer_list running;
    struct curl_slist *connect_list;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- transfers */

static void transfer_free(transfer *take_transfer)
{
    if (take_transfer->easy != NULL) {
        curl_easy_cleanup(take_transfer->easy);
    }
    curl_slist_free_all(take_transfer->headers);
    gri_buffer_fini(&take_transfer->answer);
    gri_free(take_transfer->method);
    gri_free(take_transfer->url);
    gri_free(take_transfer->header);
    gri_free(take_transfer->wanted_header);
    gri_free(take_transfer->body);
    gri_free(take_transfer);
}

static void tell(transfer *take_transfer, gr_err err, const char *problem)
{
    gri_http_result result = {.err = err, .problem = problem, .wanted = take_transfer->wanted};

    if (err == GR_OK) {
        uint8_t *end = gri_buffer_add(&take_transfer->answer, 1);

        if (end == NULL) {
            result.err = GR_ENOMEM;
            result.problem = "no memory for the answer";
        } else {
            *end = '\0';
            result.body = (const char *)take_transfer->answer.data;
            result.body_bytes = take_transfer->answer.count - 1;
            (void)curl_easy_getinfo(take_transfer->easy, CURLINFO_RESPONSE_CODE, &result.status);
        }
    }
    take_transfer->done(take_transfer->arg, &result);
    transfer_free(take_transfer);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    transfer *t = arg;
    size_t total = size * count;
    uint8_t *room = NULL;

    if (t->answer.count + total > ANSWER_BYTES_MAX) {
        t->too_big = true;
        return 0;
    }
    room = gri_buffer_add(&t->answer, total);
    if (room == NULL) {
        return 0;
    }
    memcpy(room, bytes, total);
    return total;
}

/* "Name: value\r\n" */
static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    transfer *t = arg;
    size_t total = size * count;
    size_t name = t->wanted_header == NULL ? 0 : strlen(t->wanted_header);
    size_t from = name + 1;
    size_t to = total;

    if (name == 0 || total <= name || bytes[name] != ':' ||
        strncasecmp(bytes, t->wanted_header, name) != 0) {
        return total;
    }
    while (from < to && bytes[from] == ' ') {
        from++;
    }
    while (to > from && (bytes[to - 1] == '\r' || bytes[to - 1] == '\n')) {
        to--;
    }
    if (to - from < WANTED_BYTES) {
        memcpy(t->wanted, bytes + from, to - from);
        t->wanted[to - from] = '\0';
    }
    return total;
}

static void set_security(const gri_http_client *client, CURL *easy)
{
    if (client->ca_file != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
    }
    if (client->ca_path != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_CAPATH, client->ca_path);
    }
    if (client->cert_file != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_SSLCERT, client->cert_file);
    }
    if (client->key_file != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_SSLKEY, client->key_file);
    }
    if (client->trust_any) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (client->user_password != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_USERPWD, client->user_password);
    }
    if (client->connect_list != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->connect_list);
    }
}

/* HTTP only, whatever else curl was built with. Before 7.85 (Ubuntu 22.04) that had another name. */
static void allow_http_only(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* Options that cannot fail but for want of memory; what cannot be set then fails the transfer. */
static bool prepare(const gri_http_client *client, transfer *t)
{
    CURL *easy = curl_easy_init();
    long timeout_ms = t->timeout_ms > INT32_MAX ? INT32_MAX : (long)t->timeout_ms;

    t->easy = easy;
    if (easy == NULL || curl_easy_setopt(easy, CURLOPT_URL, t->url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->method) != CURLE_OK) {
        return false;
    }
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY,
                           ""); /* the agent is near, whatever http_proxy says */
    allow_http_only(easy);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms < 1 ? 1L : timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           timeout_ms < CONNECT_MS ? timeout_ms : (long)CONNECT_MS);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->problem);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    if (strcmp(t->method, "GET") != 0) {
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)t->body_bytes);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, t->body);
        t->headers = curl_slist_append(NULL, "Content-Type: application/json");
    }
    /* Without it curl asks for leave before it sends a large body, which costs a round trip. */
    t->headers = curl_slist_append(t->headers, "Expect:");
    if (t->header != NULL) {
        t->headers = curl_slist_append(t->headers, t->header);
    }
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    set_security(client, easy);
    return t->headers != NULL;
}

/* ---- the thread */

static bool take_queue(gri_http_client *client, struct transfer_list *out_transfers)
{
    bool stopping = false;

    pthread_mutex_lock(&client->lock);
    TAILQ_INIT(out_transfers);
    TAILQ_CONCAT(out_transfers, &client->queue, next);
    stopping = client->stopping;
    pthread_mutex_unlock(&client->lock);
    return !stopping;
}

static void begin_all(gri_http_client *client, struct transfer_list *transfers)
{
    transfer *t = NULL;

    while ((t = TAILQ_FIRST(transfers)) != NULL) {
        TAILQ_REMOVE(transfers, t, next);
        if (!prepare(client, t) || curl_multi_add_handle(client->multi, t->easy) != CURLM_OK) {
            tell(t, GR_ENOMEM, "no memory for the request");
        } else {
            TAILQ_INSERT_TAIL(&client->running, t, next);
        }
    }
}

static void end_finished(gri_http_client *client)
{
    int left = 0;
    CURLMsg *message = NULL;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        char *private_data = NULL;
        transfer *t = NULL;

        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private_data);
        t = (transfer *)(void *)private_data;
        (void)curl_multi_remove_handle(client->multi, t->easy);
        TAILQ_REMOVE(&client->running, t, next);
        if (code == CURLE_OK) {
            tell(t, GR_OK, NULL);
        } else {
            tell(t, t->too_big ? GR_ETOOBIG : GR_EUNREACHABLE,
                 t->problem[0] != '\0' ? t->problem : curl_easy_strerror(code));
        }
    }
}

static void stop_all(gri_http_client *client, struct transfer_list *waiting)
{
    transfer *t = NULL;

    while ((t = TAILQ_FIRST(&client->running)) != NULL) {
        (void)curl_multi_remove_handle(client->multi, t->easy);
        TAILQ_REMOVE(&client->running, t, next);
        tell(t, GR_ESTOPPED, "the client is being closed");
    }
    while ((t = TAILQ_FIRST(waiting)) != NULL) {
        TAILQ_REMOVE(waiting, t, next);
        tell(t, GR_ESTOPPED, "the client is being closed");
    }
}

static void *thread_main(void *arg)
{
    gri_http_client *client = arg;
    struct transfer_list waiting;
    int running = 0;

    while (take_queue(client, &waiting)) {
        begin_all(client, &waiting);
        (void)curl_multi_perform(client->multi, &running);
        end_finished(client);
        (void)curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
    }
    stop_all(client, &waiting);
    return NULL;
}

/* ---- from any thread */

static bool copy_text(const char *from, char **out_copy)
{
    *out_copy = from == NULL ? NULL : gri_strdup(from);
    return from == NULL || *out_copy != NULL;
}

gr_err gri_http_send(gri_http_client *client, const gri_http_request *request,
                     gri_http_done_fn done, void *arg)
{
    transfer *t = gri_calloc(1, sizeof(*t));
    bool stopping = false;

    if (t == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a request to %s", request->url);
    }
    t->done = done;
    t->arg = arg;
    t->timeout_ms = request->timeout_ms;
    t->body_bytes = request->body_bytes;
    t->body = gri_alloc(request->body_bytes);
    if (t->body == NULL || !copy_text(request->method, &t->method) ||
        !copy_text(request->url, &t->url) || !copy_text(request->header, &t->header) ||
        !copy_text(request->wanted_header, &t->wanted_header)) {
        transfer_free(t);
        return GRI_FAIL(GR_ENOMEM, "a request to %s", request->url);
    }
    if (request->body_bytes > 0) {
        memcpy(t->body, request->body, request->body_bytes);
    }
    pthread_mutex_lock(&client->lock);
    stopping = client->stopping;
    if (!stopping) {
        TAILQ_INSERT_TAIL(&client->queue, t, next);
    }
    pthread_mutex_unlock(&client->lock);
    if (stopping) {
        transfer_free(t);
        return GRI_FAIL(GR_ESTOPPED, "the client is being closed");
    }
    (void)curl_multi_wakeup(client->multi);
    return GR_OK;
}

static void dispose(gri_http_client *client)
{
    if (client->multi != NULL) {
        (void)curl_multi_cleanup(client->multi);
    }
    curl_slist_free_all(client->connect_list);
    pthread_mutex_destroy(&client->lock);
    gri_free(client->ca_file);
    gri_free(client->ca_path);
    gri_free(client->cert_file);
    gri_free(client->key_file);
    gri_free(client->connect_to);
    gri_free(client->user_password);
    gri_free(client);
}

static bool set_connect_to(gri_http_client *client)
{
    char *rule = NULL;

    if (client->connect_to == NULL) {
        return true;
    }
    rule = gri_text("::%s", client->connect_to); /* from any host and port */
    client->connect_list = rule == NULL ? NULL : curl_slist_append(NULL, rule);
    gri_free(rule);
    return client->connect_list != NULL;
}

gr_err gri_http_client_new(const gri_http_options *options, gri_http_client **out_client)
{
    gri_http_client *client = gri_calloc(1, sizeof(*client));
    int failed = 0;

    (void)pthread_once(&global_once, global_init);
    if (client == NULL) {
        return GRI_FAIL(GR_ENOMEM, "an HTTP client");
    }
    pthread_mutex_init(&client->lock, NULL);
    TAILQ_INIT(&client->queue);
    TAILQ_INIT(&client->running);
    client->trust_any = options->trust_any;
    client->multi = curl_multi_init();
    if (client->multi == NULL || !copy_text(options->ca_file, &client->ca_file) ||
        !copy_text(options->ca_path, &client->ca_path) ||
        !copy_text(options->cert_file, &client->cert_file) ||
        !copy_text(options->key_file, &client->key_file) ||
        !copy_text(options->connect_to, &client->connect_to) ||
        !copy_text(options->user_password, &client->user_password) || !set_connect_to(client)) {
        dispose(client);
        return GRI_FAIL(GR_ENOMEM, "an HTTP client");
    }
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    failed = gri_thread_start(&client->thread, "gr-http", thread_main, client);
    if (failed != 0) {
        dispose(client);
        return GRI_FAIL(GR_EIO, "a thread for the HTTP client: %s", strerror(failed));
    }
    *out_client = client;
    return GR_OK;
}

gri_http_client *gri_http_client_free(gri_http_client *take_client)
{
    if (take_client == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&take_client->lock);
    take_client->stopping = true;
    pthread_mutex_unlock(&take_client->lock);
    (void)curl_multi_wakeup(take_client->multi);
    pthread_join(take_client->thread, NULL);
    dispose(take_client);
    return NULL;
}
