/*
 * Calling grains: the public functions that start calls and wait for them. Any thread; a grain's caller only on the fiber
 * of its turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <gri/fail.h>

#include "call.h"
#include "caller_internal.h"
#include "turn.h"

static const gr_call_options no_options;

static int64_t deadline_of(const gr_caller *caller, const gr_method *method,
                           const gr_call_options *options, int64_t now_ms)
{
    int64_t timeout_ms = options->timeout_ms != 0  ? options->timeout_ms
                         : method->timeout_ms != 0 ? method->timeout_ms
                                                   : GR_CALL_TIMEOUT_MS_DEFAULT;
    int64_t deadline_ms = timeout_ms > INT32_MAX ? now_ms + INT32_MAX : now_ms + timeout_ms;

    /* Nobody waits for longer than whoever waits for the caller. */
    if (caller->grain != NULL && caller->grain->deadline_ms < deadline_ms) {
        deadline_ms = caller->grain->deadline_ms;
    }
    return deadline_ms;
}

static gr_err check_arguments(const gr_caller *caller, const gri_call_spec *spec,
                              const gr_call_options *options)
{
    const char *missing = caller == NULL         ? "caller"
                          : spec->kind == NULL   ? "kind"
                          : spec->method == NULL ? "method"
                                                 : NULL;

    if (missing != NULL) {
        return GRI_FAIL(GR_EINVAL, "a call without a %s: it is NULL", missing);
    }
    if (spec->identity == NULL || spec->request == NULL) {
        return GRI_FAIL(GR_EINVAL, "a call of %s without %s: it is NULL", spec->method->full_name,
                        spec->identity == NULL ? "an identity" : "a request");
    }
    if (options->timeout_ms < 0) {
        return GRI_FAIL(
            GR_EINVAL,
            "a call of %s cannot take %lld ms: give it a positive time-out, or 0 for the default",
            spec->method->full_name, (long long)options->timeout_ms);
    }
    if (spec->kind->version != GR_KIND_VERSION) {
        return GRI_FAIL(GR_EINVAL,
                        "kind %s was generated for version %u of kinds, this library knows %d: "
                        "generate it again",
                        spec->kind->name, spec->kind->version, GR_KIND_VERSION);
    }
    return GR_OK;
}

/* A call that has not been started. */
static gr_err prepare(gr_caller *caller, gri_call_spec *spec, const gr_call_options *options,
                      gri_call **out_call)
{
    gri_exchange *exchange = NULL;
    gr_err err = check_arguments(caller, spec, options);

    if (err != GR_OK) {
        return err;
    }
    exchange = caller->exchange(caller);
    if (exchange == NULL) {
        return gr_last_error()->code;
    }
    spec->deadline_ms = deadline_of(caller, spec->method, options, gr_system_now(exchange->sys));
    spec->wait_for_host = options->wait_for_host;
    spec->details_type = options->details_type;
    spec->caller = caller->id;
    if (caller->grain != NULL && !spec->one_way) {
        err = gri_turn_chain(caller->grain);
        spec->chain = caller->grain->chain.data;
        spec->chain_bytes = caller->grain->chain.count;
        spec->pressing = gri_turn_is_pressing(caller->grain);
    }
    if (err == GR_OK) {
        err = gri_call_new(exchange, spec, out_call);
    }
    (void)gri_exchange_unref(exchange);
    return err;
}

static gr_err begin(gr_caller *caller, gri_call_spec *spec, const gr_call_options *options,
                    gri_call **out_call)
{
    gri_call *call = NULL;
    gr_err err = prepare(caller, spec, options, &call);

    if (err == GR_OK && caller->grain != NULL) {
        err = gri_turn_let_go(caller->grain);
    }
    if (err == GR_OK) {
        err = gri_call_start(call);
    }
    if (err != GR_OK) {
        (void)gri_call_unref(call);
        return err;
    }
    *out_call = call;
    return GR_OK;
}

/* Who sent a reply says who holds it: nobody, then gr_reply_free() frees it; this, then the turn it came in does. */
static const gr_pid held_by_turn = {1, 0, 0};

static gr_err hand_over(gr_caller *caller, gr_msg *take_msg, const gr_method *method,
                        void **out_reply)
{
    void *payload = gr_msg_payload(take_msg);
    gr_msg *reply = gr_msg_of(payload);
    gr_err err = GR_OK;

    if (gr_msg_type(take_msg) != method->reply) {
        err =
            GRI_FAIL(GR_EINVAL, "this is the future of another method: %s replies with %s, not %s",
                     method->full_name, method->reply->name, gr_msg_type(take_msg)->name);
        (void)gr_msg_unref(take_msg);
        return err;
    }
    if (reply != take_msg) { /* one envelope of several */
        (void)gr_msg_ref(reply);
        (void)gr_msg_unref(take_msg);
    }
    if (caller->grain != NULL) {
        gr_msg_set_sender(reply, held_by_turn);
        err = gri_turn_keep_reply(caller->grain, reply);
    }
    if (err == GR_OK && out_reply != NULL) {
        *out_reply = payload;
    } else if (err == GR_OK && caller->grain == NULL) {
        (void)gr_msg_unref(reply); /* not wanted */
    }
    return err;
}

gr_err gr_call(gr_caller *caller, const gr_kind_info *kind, const gr_method *method,
               const char *identity, const void *request, const gr_call_options *options,
               void **out_reply)
{
    gri_call_spec spec = {.kind = kind, .method = method, .identity = identity, .request = request};
    gri_call *call = NULL;
    gr_msg *msg = NULL;
    gr_err err = begin(caller, &spec, options == NULL ? &no_options : options, &call);

    if (err != GR_OK) {
        return err;
    }
    err = gr_await(call->future, GR_FOREVER, &msg);
    if (err == GR_OK) {
        err = hand_over(caller, msg, method, out_reply);
    } else if (options != NULL && options->out_details != NULL) {
        gr_error why = *gr_last_error();

        /* The future is complete unless this actor is being stopped, so nobody writes the details any more. */
        *options->out_details = gr_future_ready(call->future) ? call->details : NULL;
        if (*options->out_details != NULL) {
            call->details = NULL;
        }
        err = gr_error_set(why.code, why.file, why.line, "%s", why.text);
    }
    if (err != GR_OK) { /* letting go of the call must not change what it failed with */
        gr_error why = *gr_last_error();

        (void)gri_call_unref(call);
        return gr_error_set(why.code, why.file, why.line, "%s", why.text);
    }
    (void)gri_call_unref(call);
    return GR_OK;
}

gr_err gr_call_future(gr_caller *caller, const gr_kind_info *kind, const gr_method *method,
                      const char *identity, const void *request, const gr_call_options *options,
                      gr_future **out_future)
{
    gri_call_spec spec = {
        .kind = kind, .method = method, .identity = identity, .request = request, .ordered = true};
    gri_call *call = NULL;
    gr_err err = begin(caller, &spec, options == NULL ? &no_options : options, &call);

    if (err == GR_OK) {
        *out_future = gr_future_ref(call->future);
        (void)gri_call_unref(call);
    }
    return err;
}

gr_err gr_call_await(gr_caller *caller, gr_future *future, const gr_method *method,
                     int64_t timeout_ms, void **out_reply)
{
    gr_msg *msg = NULL;
    gr_err err = GR_OK;

    if (caller == NULL || future == NULL || method == NULL) {
        return GRI_FAIL(GR_EINVAL, "waiting for a call without a %s: it is NULL",
                        caller == NULL   ? "caller"
                        : future == NULL ? "future"
                                         : "method");
    }
    err = gr_await(future, timeout_ms, &msg);
    return err == GR_OK ? hand_over(caller, msg, method, out_reply) : err;
}

gr_err gr_call_one_way(gr_caller *caller, const gr_kind_info *kind, const gr_method *method,
                       const char *identity, const void *request, const gr_call_options *options)
{
    gri_call_spec spec = {.kind = kind,
                          .method = method,
                          .identity = identity,
                          .request = request,
                          .one_way = true,
                          .ordered = caller != NULL && caller->grain != NULL};
    gri_call *call = NULL;
    gr_err err = prepare(caller, &spec, options == NULL ? &no_options : options, &call);

    if (err == GR_OK && caller->grain != NULL) {
        return gri_turn_keep_one_way(caller->grain, call); /* leaves at the end of the turn */
    }
    if (err == GR_OK) {
        err = gri_call_start(call);
    }
    if (err == GR_OK) {
        err = gri_call_one_way_result(call);
    }
    (void)gri_call_unref(call);
    return err;
}

void gr_reply_free(void *take_reply)
{
    gr_msg *reply = take_reply == NULL ? NULL : gr_msg_of(take_reply);

    if (reply != NULL && gr_pid_is_null(gr_msg_sender(reply))) {
        (void)gr_msg_unref(reply);
    }
}
