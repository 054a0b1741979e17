/*
 * Requests over HTTP to one server, many at a time: what the Consul coordinator stands on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_HTTP_CLIENT_H
#define GRI_CLUSTER_HTTP_CLIENT_H

#include <granary/error.h>

typedef struct gri_http_client gri_http_client;

/* NULL in a field means its default. Strings are copied. */
typedef struct gri_http_options {
    const char *ca_file;   /* default: what the machine trusts */
    const char *ca_path;   /* a folder of hashed certificates */
    const char *cert_file; /* of the client; with key_file */
    const char *key_file;
    bool trust_any;            /* do not check the server's certificate */
    const char *connect_to;    /* "HOST:PORT" to connect to, whatever the URL names */
    const char *user_password; /* "user:password" for basic authentication */
} gri_http_options;

typedef struct gri_http_request {
    const char *method; /* "GET" or "PUT" */
    const char *url;
    const char *header; /* one more line, "Name: value", or NULL */
    const uint8_t *body;
    size_t body_bytes;
    int64_t timeout_ms;
    const char *wanted_header; /* the name of the answer's header that is wanted, or NULL */
} gri_http_request;

/* Borrowed: valid while it is told. */
typedef struct gri_http_result {
    /* GR_OK: there is an answer, of whatever status. GR_EUNREACHABLE: no answer, it is not known what
     * the server did. GR_ESTOPPED: the client is being freed. GR_ETOOBIG: the answer. GR_ENOMEM. */
    gr_err err;
    const char *problem; /* in words, when there is no answer */
    long status;
    const char *body; /* with a NUL behind it */
    size_t body_bytes;
    const char *wanted; /* value of the wanted header, "" when there was none */
} gri_http_result;

/* Told once for each request that was accepted, in the client's thread. Must be quick; may send. */
typedef void (*gri_http_done_fn)(void *arg, const gri_http_result *result);

/* Starts the client's thread. */
gr_err gri_http_client_new(const gri_http_options *options, gri_http_client **out_client);

/* Ends what is under way by GR_ESTOPPED, waits for the thread, frees. Not in a done function. */
gri_http_client *gri_http_client_free(gri_http_client *take_client);

/* Starts a request; all of it is copied. Any thread, also fibers. Errors: GR_ENOMEM, GR_ESTOPPED;
 * then nothing is told. */
gr_err gri_http_send(gri_http_client *client, const gri_http_request *request,
                     gri_http_done_fn done, void *arg);

#endif
