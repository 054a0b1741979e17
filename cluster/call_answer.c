/*
 * What comes back for a call: a reply, an error, a refusal, or nothing that one could know of. Runs in the thread that
 * completes the attempt, which may be a transport's: unpacks there, never blocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "call_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <gri/fail.h>

#include "sim_hooks.h"

static void take_details(gri_call *call, const gri_answer *answer)
{
    if (call->details_type != NULL && strcmp(answer->details_type, call->details_type->name) == 0 &&
        gr_msg_unpack(call->details_type, answer->details, answer->details_bytes, &call->details) !=
            GR_OK) {
        call->details = NULL; /* not what its name says: as good as none */
    }
}

static void on_failed(gri_call *call, const gri_answer *answer)
{
    take_details(call, answer);
    gri_call_fail(call, true, answer->code,
                  answer->text[0] == '\0' ? gr_err_text(answer->code) : answer->text);
}

/* A refusal: most are worth another try, some are for good. */
static void on_refused(gri_call *call, const gri_answer *answer)
{
    char text[GR_ERROR_TEXT_BYTES];

    switch (answer->code) {
    case GR_ENOKIND:
        (void)snprintf(text, sizeof(text), "node %016" PRIx64 " does not host kind %.160s",
                       call->target, call->kind->name);
        if (call->wait_for_host) {
            gri_call_again(call, GR_ENOKIND, text, answer);
            return;
        }
        break;
    case GR_ENOMETHOD:
        (void)snprintf(text, sizeof(text), "node %016" PRIx64 " does not implement %.160s",
                       call->target, call->method->full_name);
        break;
    case GR_EDECODE:
    case GR_ETOOBIG:
    case GR_EINVAL:
        (void)snprintf(text, sizeof(text), "%s", answer->text);
        break;
    default:
        gri_call_again(call, answer->code, answer->text, answer);
        return;
    }
    gri_call_fail(call, false, answer->code, text);
}

static void on_unknown(gri_call *call, const char *text)
{
    char more[GR_ERROR_TEXT_BYTES];

    (void)snprintf(more, sizeof(more), "%s of %.40s on node %016" PRIx64 ": %.*s",
                   call->method->full_name, call->message.identity, call->target,
                   GRI_CALL_DETAIL_BYTES / 2, text);
    if ((call->method->flags & GR_METHOD_IDEMPOTENT) != 0 || gri_sim_has(GRI_SIM_RUN_TWICE)) {
        (void)pthread_mutex_lock(&call->bucket->lock);
        call->sent_unknown = true;
        (void)pthread_mutex_unlock(&call->bucket->lock);
        gri_call_again(call, GR_EUNKNOWN, more, NULL);
        return;
    }
    gri_call_fail(call, false, GR_EUNKNOWN,
                  more); /* a failure that is reported: order ends with it */
}

static void on_answer(gri_call *call, const gri_answer *answer)
{
    gr_msg *reply = NULL;

    switch (answer->outcome) {
    case GRI_OUTCOME_REPLIED:
        if (gr_msg_unpack(call->method->reply, answer->bytes, answer->count, &reply) == GR_OK) {
            gri_call_over(call, true, reply);
        } else {
            char text[GR_ERROR_TEXT_BYTES];

            (void)snprintf(text, sizeof(text), "it ran, but its reply cannot be read: %.180s",
                           gr_last_error()->text);
            gri_call_fail(call, true, GR_EFAILED, text);
        }
        break;
    case GRI_OUTCOME_FAILED:
        on_failed(call, answer);
        break;
    case GRI_OUTCOME_NOT_RUN:
        on_refused(call, answer);
        break;
    case GRI_OUTCOME_UNKNOWN:
        on_unknown(call, answer->text);
        break;
    }
}

/* The attempt ended without an answer of a node. */
static void on_no_answer(gri_call *call, const gr_error *why)
{
    char text[GR_ERROR_TEXT_BYTES];

    switch (why->code) {
    case GR_ETIMEDOUT:
        (void)snprintf(text, sizeof(text),
                       "sent, but not answered within %" PRId64 " ms: it may have run",
                       call->message.deadline_ms - call->started_ms);
        on_unknown(call, text);
        break;
    case GR_EDEAD:
    case GR_EFULL:
    case GR_EUNREACHABLE:
    case GR_ENOTRUN:
    case GR_ENOTYPE:
    case GR_ESTOPPED:
        gri_call_again(call, GR_ENOTRUN, why->text, NULL);
        break;
    case GR_ETOOBIG:
    case GR_EDECODE:
    case GR_EPROTO:
    case GR_EREFUSED:
        gri_call_fail(call, false, why->code, why->text);
        break;
    case GR_EFAILED: /* it ran, and its reply is too large to come here */
        gri_call_fail(call, true, why->code, why->text);
        break;
    default:
        on_unknown(call, why->text);
        break;
    }
}

void gri_call_on_attempt(void *arg, gr_future *future)
{
    gri_call *call = arg;
    gr_msg *msg = NULL;
    gr_err err = gr_await(future, 0, &msg);
    gr_error why = err == GR_OK ? (gr_error){0} : *gr_last_error();
    const gri_answer *answer = err == GR_OK ? gr_msg_read(msg, &gri_answer_type) : NULL;

    if (answer != NULL) {
        on_answer(call, answer);
    } else {
        why.code = err == GR_OK ? GR_EPROTO : err;
        on_no_answer(call, &why);
    }
    (void)gr_msg_unref(msg);
    (void)gri_call_unref(call);
}
