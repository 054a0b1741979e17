/*
 * The Consul coordinator from the inside.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_CONSUL_H
#define GRI_CLUSTER_CONSUL_H

#include <pthread.h>

#include <gri/bytes.h>

#include "coordinator.h"
#include "http_client.h"

/* A service whose check is not confirmed for so long is critical; and forgotten after so long again,
 * which Consul does not do sooner than after a minute. */
#define GRI_CONSUL_TTL    "10s"
#define GRI_CONSUL_FORGET "1m"

/* Where the agent is and how to speak to it, from the URL and the CONSUL_* variables. */
typedef struct gri_consul_where {
    char *url;        /* "http://HOST:PORT" */
    const char *from; /* what named it, in words; NULL: the text that was given */
    char
        *connect_to; /* "HOST:PORT" when the URL has the name in the agent's certificate; or NULL */
    char *prefix;    /* of the keys: "granary" */
    char *datacenter; /* or NULL */
    char *token;      /* or NULL */
} gri_consul_where;

gr_err gri_consul_where_read(const char *where, gri_consul_where *out_where);
void gri_consul_where_fini(gri_consul_where *where);
/* A variable of the environment; NULL when it is not set or empty. */
const char *gri_consul_variable(const char *name);

/* How this process shows itself: one registered service. */
typedef struct gri_consul_show gri_consul_show;

/* Kept by the coordinator; all of it under the lock. One request at a time is under way. */
struct gri_consul_show {
    pthread_mutex_t lock;
    char *id;           /* of the member shown; NULL before show() */
    char *registration; /* the body that registers it */
    bool healthy;
    bool registered; /* as far as we know */
    bool hidden;     /* for good */
    bool busy;       /* a request is under way */
    bool again;      /* something has changed since it left */
    gr_future *hiding;
};

typedef struct gri_consul {
    gr_coordinator base;
    gri_http_client *http;
    gri_consul_where where;
    char *cluster;
    char *header; /* "X-Consul-Token: ..." or NULL */
    gri_consul_show show;
} gri_consul;

/* What an answer means when it is not the one that was hoped for; the words are left in
 * gr_last_error(). */
gr_err gri_consul_problem(const gri_consul *consul, const gri_http_result *result);

/* "URL/v1/PATH?QUERY&dc=...": on the heap, NULL when out of memory. */
char *gri_consul_url(const gri_consul *consul, const char *path, const char *query);
/* Text for a URL or a path of one: all but letters, digits, "-._~" and "/" is escaped. */
char *gri_consul_escape(const char *text);

/* ---- consul_codec.c */

typedef struct gri_consul_record {
    uint64_t revision;
    gri_buffer value; /* gri_buffer_fini() it */
} gri_consul_record;

/* The answer to a read of one key; to a transaction of one operation: its new revision. */
gr_err gri_consul_parse_record(const char *json, size_t count, gri_consul_record *out_record);
gr_err gri_consul_parse_revision(const char *json, size_t count, uint64_t *out_revision);
/* The answer to a list of keys, each from its `skip`th byte on and ended by a NUL, in `bytes_max` bytes at
 * most. */
gr_err gri_consul_parse_keys(const char *json, size_t count, size_t skip, size_t bytes_max,
                             gri_buffer *out_keys);
/* The body of a transaction of one operation, "cas" or "delete-cas". */
gr_err gri_consul_pack_change(const char *verb, const char *key, uint64_t revision,
                              const uint8_t *value, size_t value_bytes, gri_buffer *out_body);
/* The body that registers a service. */
gr_err gri_consul_pack_registration(const gri_consul *consul, const gr_coordinator_member *member,
                                    bool healthy, char **out_body);

/* ---- consul_show.c */

void gri_consul_show_member(gri_consul *consul, const gr_coordinator_member *member, bool healthy);
gr_err gri_consul_hide(gri_consul *consul, int64_t timeout_ms, gr_future **out_future);
void gri_consul_show_init(gri_consul *consul);
void gri_consul_show_fini(gri_consul *consul);

#endif
