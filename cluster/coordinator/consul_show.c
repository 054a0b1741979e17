/*
 * How a process shows itself in Consul: a registered service, one id for each incarnation, with a TTL
 * check that mirrors its health. Every call of show() confirms it; an agent that has lost the service
 * gets it again; once hidden it stays away. One request is under way at a time, so that a confirmation
 * never overtakes a removal. Calls come from any thread; answers in the HTTP client's.
 *
 *             (1)                 (2)                (4)
 *   NOTHING ------> REGISTERING ------> REGISTERED -------> HIDDEN
 *   (1) show()   (2) on_registered()   REGISTERED -> REGISTERING: on_confirmed(), the agent knows nothing of it
 *   (4) hide()   A request that fails is sent again by the next show().
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "consul.h"

#include <string.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

enum { SHOW_TIMEOUT_MS = 2000 };

static void on_registered(void *arg, const gri_http_result *result);
static void on_confirmed(void *arg, const gri_http_result *result);
static void on_removed(void *arg, const gri_http_result *result);

static gr_err put(gri_consul *consul, const char *path, const char *query, const char *body,
                  gri_http_done_fn done)
{
    char *url = path == NULL ? NULL : gri_consul_url(consul, path, query);
    gri_http_request request = {.method = "PUT",
                                .url = url,
                                .header = consul->header,
                                .body = (const uint8_t *)body,
                                .body_bytes = strlen(body),
                                .timeout_ms = SHOW_TIMEOUT_MS};
    gr_err err = url == NULL ? GRI_FAIL(GR_ENOMEM, "a request to Consul")
                             : gri_http_send(consul->http, &request, done, consul);

    gri_free(url);
    return err;
}

typedef enum due { NOTHING, REGISTER, PASS, FAIL, REMOVE } due;

/* What is to be sent now; then it counts as under way, and id and registration stay as they are. */
static due take_due_locked(gri_consul_show *show)
{
    if (show->busy || show->id == NULL || !show->again) {
        return NOTHING;
    }
    show->again = false;
    show->busy = true;
    return show->hidden ? REMOVE : !show->registered ? REGISTER : show->healthy ? PASS : FAIL;
}

static gr_err send_due(gri_consul *consul, due what)
{
    const gri_consul_show *show = &consul->show;
    char *path = NULL;
    gr_err err = GR_OK;

    if (what == REGISTER) {
        return put(consul, "agent/service/register", "replace-existing-checks=true",
                   show->registration, on_registered);
    }
    if (what == REMOVE) {
        path = gri_text("agent/service/deregister/%s", show->id);
        err = put(consul, path, NULL, "", on_removed);
    } else {
        path = gri_text("agent/check/update/service:%s", show->id);
        err = put(consul, path, NULL,
                  what == PASS ? "{\"Status\":\"passing\"}" : "{\"Status\":\"critical\"}",
                  on_confirmed);
    }
    gri_free(path);
    return err;
}

/* Sends what is due, if nothing is under way. Without the lock. */
static void go_on(gri_consul *consul)
{
    gri_consul_show *show = &consul->show;
    gr_future *hiding = NULL;
    due what = NOTHING;
    gr_err err = GR_OK;

    pthread_mutex_lock(&show->lock);
    what = take_due_locked(show);
    pthread_mutex_unlock(&show->lock);
    err = what == NOTHING ? GR_OK : send_due(consul, what);
    if (err == GR_OK) {
        return;
    }
    pthread_mutex_lock(&show->lock);
    show->busy = false;
    hiding = show->hiding;
    show->hiding = NULL;
    pthread_mutex_unlock(&show->lock);
    if (hiding != NULL) {
        gri_operation_fail(hiding, err, "%s", gr_last_error()->text);
    }
}

static void on_registered(void *arg, const gri_http_result *result)
{
    gri_consul *consul = arg;
    gr_err err = gri_consul_problem(consul, result);

    if (err != GR_OK && err != GR_ESTOPPED) {
        gr_system_log(consul->base.sys, GR_LOG_WARN, "GR-CONSUL-NOT-SHOWN",
                      "cannot register the service '%s' in Consul: %s", consul->show.id,
                      gr_last_error()->text);
    }
    pthread_mutex_lock(&consul->show.lock);
    consul->show.busy = false;
    consul->show.registered = err == GR_OK;
    pthread_mutex_unlock(&consul->show.lock);
    go_on(consul);
}

/* An agent that knows no such check says 404; older ones say 500 and put it in words. */
static bool is_unknown(const gri_http_result *result)
{
    return result->err == GR_OK &&
           (result->status == 404 ||
            (result->status == 500 &&
             (strstr(result->body, "does not have associated TTL") != NULL ||
              strstr(result->body, "Unknown check") != NULL)));
}

static void on_confirmed(void *arg, const gri_http_result *result)
{
    gri_consul *consul = arg;

    pthread_mutex_lock(&consul->show.lock);
    consul->show.busy = false;
    if (is_unknown(result)) {
        consul->show.registered = false;
        consul->show.again = true;
    }
    pthread_mutex_unlock(&consul->show.lock);
    go_on(consul);
}

static void on_removed(void *arg, const gri_http_result *result)
{
    gri_consul *consul = arg;
    gr_future *hiding = NULL;
    gr_err err = GR_OK;

    pthread_mutex_lock(&consul->show.lock);
    consul->show.busy = false;
    consul->show.registered = false;
    hiding = consul->show.hiding;
    consul->show.hiding = NULL;
    pthread_mutex_unlock(&consul->show.lock);
    if (hiding == NULL) {
        return;
    }
    /* One that is not there is what was wanted. */
    err = is_unknown(result) || (result->err == GR_OK && strstr(result->body, "Unknown service"))
              ? GR_OK
              : gri_consul_problem(consul, result);
    if (err == GR_OK) {
        gri_operation_answer(hiding, 0, NULL, 0);
    } else {
        gri_operation_fail(hiding, err, "%s", gr_last_error()->text);
    }
}

/* Another member than before: a node that was fenced has come back under a new id. */
static gr_err set_member_locked(gri_consul *consul, const gr_coordinator_member *member,
                                bool healthy)
{
    gri_consul_show *show = &consul->show;
    char *id = gri_strdup(member->id);
    char *registration = NULL;
    gr_err err = id == NULL ? GRI_FAIL(GR_ENOMEM, "the service '%s'", member->id)
                            : gri_consul_pack_registration(consul, member, healthy, &registration);

    if (err != GR_OK) {
        gri_free(id);
        return err;
    }
    gri_free(show->id);
    gri_free(show->registration);
    show->id = id;
    show->registration = registration;
    show->registered = false;
    show->hidden = false;
    return GR_OK;
}

void gri_consul_show_member(gri_consul *consul, const gr_coordinator_member *member, bool healthy)
{
    gri_consul_show *show = &consul->show;
    gr_err err = GR_OK;

    pthread_mutex_lock(&show->lock);
    if (show->id == NULL || strcmp(show->id, member->id) != 0) {
        /* Not while the removal of the last one is under way: the next call will do. */
        err = show->busy ? GR_EBUSY : set_member_locked(consul, member, healthy);
    }
    if (err == GR_OK && !show->hidden) {
        show->healthy = healthy;
        show->again = true;
    }
    pthread_mutex_unlock(&show->lock);
    go_on(consul);
}

gr_err gri_consul_hide(gri_consul *consul, int64_t timeout_ms, gr_future **out_future)
{
    gri_consul_show *show = &consul->show;
    gr_future *before = NULL;
    bool never_shown = false;
    gr_err err = gri_operation_future(consul->base.sys, timeout_ms, out_future);

    if (err != GR_OK) {
        return err;
    }
    pthread_mutex_lock(&show->lock);
    never_shown = show->id == NULL;
    if (!never_shown) {
        before = show->hiding;
        show->hiding = gr_future_ref(*out_future);
        show->hidden = true;
        show->again = true;
    }
    pthread_mutex_unlock(&show->lock);
    if (never_shown) {
        gri_operation_answer(gr_future_ref(*out_future), 0, NULL, 0);
    }
    if (before != NULL) {
        gri_operation_fail(before, GR_ECANCELLED, "hidden again");
    }
    go_on(consul);
    return GR_OK;
}

void gri_consul_show_init(gri_consul *consul)
{
    pthread_mutex_init(&consul->show.lock, NULL);
}

/* After the HTTP client has gone: nothing is under way. */
void gri_consul_show_fini(gri_consul *consul)
{
    if (consul->show.hiding != NULL) {
        gri_operation_fail(consul->show.hiding, GR_ESTOPPED, "the coordinator is being closed");
    }
    gri_free(consul->show.id);
    gri_free(consul->show.registration);
    pthread_mutex_destroy(&consul->show.lock);
}
