/*
 * The actor behind an activation: which call may run now, its hooks, its end. Runs on its own fibers, one message at a
 * time, or several where the kind has reentrant or read-only methods. Long: the entry, the turns, the hook and
 * the end of one activation change the same private state, which parts of this file would have to show to one another.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "activation.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "chain.h"
#include "turn.h"

enum {
    MAILBOX_RESERVE =
        64 /* for ticks and the like beside the calls, which are counted on their own */
};

const gr_type gri_deactivate_type = GR_TYPE(gri_deactivate);

/* What has to wait until others have run: a call or a tick. */
typedef struct gri_set_aside {
    STAILQ_ENTRY(gri_set_aside) next;
    gr_msg *msg;
} gri_set_aside;

static gr_err live_started(gr_context *ctx, void *state);
static gr_err live_receive(gr_context *ctx, void *state, const gr_msg *msg);
static void live_stopped(gr_context *ctx, void *state, gr_reason reason);
static void arg_free(void *arg);
static void describe(const void *arg, char *text, size_t bytes);

/* ---- the entry */

gr_err gri_activation_new(gri_slice *slice, gri_hosted_kind *hosted, const char *key,
                          size_t key_bytes, gri_activation **out_activation)
{
    gr_err err = GR_OK;
    gr_props props = {.type_name = hosted->info->name,
                      .started = live_started,
                      .receive = live_receive,
                      .stopped = live_stopped,
                      .state_bytes = sizeof(gri_live) + hosted->data_bytes,
                      .arg_free = arg_free,
                      .describe = describe,
                      .mailbox_limit = hosted->mailbox_limit + MAILBOX_RESERVE,
                      .reentrant = hosted->interleaves};
    gri_activation *activation = gri_calloc(1, sizeof(*activation) + key_bytes + 1);

    if (activation == NULL) {
        return GRI_FAIL(GR_ENOMEM, "an activation of %s", hosted->info->name);
    }
    activation->hosted = hosted;
    activation->slice = slice;
    activation->epoch = slice->epoch;
    activation->key_bytes = key_bytes;
    memcpy(activation->key, key, key_bytes);
    activation->identity = activation->key + sizeof(hosted->info->hash);
    STAILQ_INIT(&activation->held);
    atomic_init(&activation->refs, 2); /* the table's and the actor's */
    atomic_init(&activation->pending, 0);
    atomic_init(&activation->closing, 0);
    atomic_init(&activation->revoked, false);
    atomic_init(&activation->ended_ms, 0);
    props.arg = activation;
    err = gr_spawn(slice->host->sys, &props, NULL, &activation->pid);
    if (err != GR_OK) {
        (void)gri_activation_unref(activation); /* the actor's has been taken by the spawn */
        return err;
    }
    *out_activation = activation;
    return GR_OK;
}

gri_activation *gri_activation_ref(gri_activation *activation)
{
    /* Relaxed: whoever adds a holder is one already. */
    (void)atomic_fetch_add_explicit(&activation->refs, 1, memory_order_relaxed);
    return activation;
}

gri_activation *gri_activation_unref(gri_activation *take_activation)
{
    /* Release: what this holder did is done before the last one frees; acquire: the last one sees it. */
    if (take_activation != NULL &&
        atomic_fetch_sub_explicit(&take_activation->refs, 1, memory_order_acq_rel) == 1) {
        gri_free(take_activation->failed);
        gri_free(take_activation);
    }
    return NULL;
}

static void arg_free(void *arg)
{
    (void)gri_activation_unref(arg);
}

static void describe(const void *arg, char *text, size_t bytes)
{
    (void)strncpy(text, ((const gri_activation *)arg)->identity, bytes - 1);
    text[bytes - 1] = '\0';
}

void gri_activation_release(gri_call_message *call)
{
    gri_activation *activation = call->activation;

    if (activation == NULL) {
        return;
    }
    call->activation = NULL;
    /* Relaxed: a time, for the sweep. */
    atomic_store_explicit(&activation->ended_ms, gr_system_now(activation->slice->host->sys),
                          memory_order_relaxed);
    /* Release: what the call did is done before whoever sees zero ends the activation. */
    (void)atomic_fetch_sub_explicit(&activation->pending, 1, memory_order_release);
    (void)gri_activation_unref(activation);
}

bool gri_activation_ask(gri_activation *activation, gr_deactivation reason)
{
    gr_msg *msg = gr_msg_new(&gri_deactivate_type);

    if (msg == NULL) {
        return false;
    }
    ((gri_deactivate *)gr_msg_payload(msg))->reason = reason;
    return gr_send(activation->slice->host->sys, activation->pid, msg) == GR_OK;
}

static gr_deactivation closing_of(const gri_activation *activation)
{
    /* Acquire: pairs with who set it; see gri_slice_drain(). */
    return (gr_deactivation)atomic_load_explicit(&activation->closing, memory_order_acquire);
}

static bool is_revoked(const gri_activation *activation)
{
    /* Acquire: pairs with the revocation, which has taken the activation out of the table. */
    return atomic_load_explicit(&activation->revoked, memory_order_acquire);
}

/* ---- what may run beside what */

static bool is_read_only(const gri_call_message *call)
{
    return (call->found->flags & GR_METHOD_READ_ONLY) != 0;
}

static bool may_start(const gri_live *live, const gri_call_message *call)
{
    const gr_kind_info *info = live->activation->hosted->info;

    if (live->activating) {
        return false;
    }
    if (live->running == 0) {
        return true;
    }
    if ((info->flags & GR_KIND_REENTRANT) != 0 || (call->found->flags & GR_METHOD_REENTRANT) != 0) {
        return true;
    }
    /* Read-only calls run side by side; one overtakes what is set aside only where the chain would be stuck otherwise. */
    return is_read_only(call) && live->running_read_only == live->running &&
           (STAILQ_EMPTY(&live->aside) ||
            gri_chain_has(call->chain, call->chain_bytes, call->kind, live->activation->identity));
}

static void set_aside(gri_live *live, const gr_msg *msg)
{
    gri_set_aside *aside = gri_alloc(sizeof(*aside));

    if (aside == NULL) {
        return; /* a call is answered as not run when its message is dropped; a tick is lost */
    }
    aside->msg = gr_msg_ref(msg);
    STAILQ_INSERT_TAIL(&live->aside, aside, next);
}

static void drop_aside(gri_live *live)
{
    gri_set_aside *aside = NULL;

    while ((aside = STAILQ_FIRST(&live->aside)) != NULL) {
        STAILQ_REMOVE_HEAD(&live->aside, next);
        (void)gr_msg_unref(aside->msg);
        gri_free(aside);
    }
}

/* ---- turns */

/* What the thread's last error says about `err`. */
static gr_error error_of(gr_err err)
{
    gr_error why = *gr_last_error();
    gr_err code = (gr_err)((unsigned)err & ~(unsigned)GR_FATAL);

    if (why.code != code) {
        why = (gr_error){.code = code};
        (void)snprintf(why.text, sizeof(why.text), "%s", gr_err_text(code));
    }
    return why;
}

/* Whether a caller takes the code for a call that did not run, or may have. */
static bool says_how_a_call_ended(gr_err code)
{
    switch ((unsigned)code) {
    case GR_ENOTRUN:
    case GR_EUNKNOWN:
    case GR_EBUSY:
    case GR_ENOKIND:
    case GR_ENOMETHOD:
    case GR_ETIMEDOUT:
    case GR_ESTOPPED:
    case GR_EDECODE:
    case GR_ETOOBIG:
        return true;
    default:
        return false;
    }
}

/* An error of a grain's own code, as its callers are to see it: what such a code says of a call that was made in there must
 * not be taken for what became of theirs. */
static gr_error for_callers(const gr_error *own)
{
    gr_error why = *own;

    if (says_how_a_call_ended(own->code)) {
        why.code = GR_EFAILED;
        (void)snprintf(why.text, sizeof(why.text), "%s: %.200s", gr_err_name(own->code), own->text);
    }
    return why;
}

static gri_answer failure_answer(const gr_grain *turn, const gr_error *why)
{
    gri_answer answer = {.outcome = GRI_OUTCOME_FAILED, .code = why->code, .text = why->text};

    answer.details_type = turn->details_type;
    answer.details = turn->details;
    answer.details_bytes = turn->details_bytes;
    return answer;
}

static gr_err pack_reply(gr_grain *turn, const void *reply, gri_answer *out_answer)
{
    const gr_type *type = turn->call->found->reply;
    size_t count = type->codec->packed_bytes(type, reply);
    uint8_t *bytes = NULL;

    if (count == SIZE_MAX) {
        return GRI_FAIL(GR_EFAILED, "%s replied with something that is not a well-formed %s",
                        turn->call->found->full_name, type->name);
    }
    bytes = gr_context_alloc(turn->ctx, count == 0 ? 1 : count);
    if (bytes == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a reply of %zu bytes", count);
    }
    type->codec->pack(type, reply, bytes);
    *out_answer = (gri_answer){.outcome = GRI_OUTCOME_REPLIED, .bytes = bytes, .count = count};
    return GR_OK;
}

static gr_err invoke(gr_grain *turn, void *reply)
{
    const gri_call_message *call = turn->call;

    return call->found->invoke(call->hosted->methods, turn,
                               gr_msg_read(call->request, call->found->request), reply);
}

/* The method and the exit of its turn; GR_FATAL in what it returns when the activation has crashed. */
static gr_err run_method(gr_grain *turn)
{
    const gr_method *method = turn->call->found;
    bool one_way = (turn->call->flags & GRI_CALL_ONE_WAY) != 0;
    gri_answer answer = {.outcome = GRI_OUTCOME_REPLIED};
    gr_error why;
    gr_err err = GR_OK;
    void *reply = gr_context_alloc(turn->ctx, method->reply->bytes);

    if (reply == NULL) {
        err = GRI_FAIL(GR_ENOMEM, "a reply of %s", method->full_name);
    } else {
        memset(reply, 0, method->reply->bytes);
        err = invoke(turn, reply);
    }
    if (err == GR_OK && !one_way) {
        err = pack_reply(turn, reply, &answer);
    }
    if (((unsigned)err & (unsigned)GR_FATAL) != 0) {
        why = error_of(err);
        gri_turn_crash(turn, GR_EFAILED, why.text);
        return gr_fatal(why.code, "%s", why.text);
    }
    if (err != GR_OK) {
        why = error_of(err);
        if (one_way) {
            gri_host_one_way_failed(turn->live->activation->slice->host, turn->call, &why);
        }
        why = for_callers(&why);
        answer = failure_answer(turn, &why);
    }
    gri_turn_exit(turn, &answer);
    return GR_OK;
}

/* ---- the first hook */

/* Nothing is left behind: out of the table, and all who wait get the error. */
static void activation_failed(gri_live *live, gr_context *ctx, const gr_error *why)
{
    gri_activation *activation = live->activation;
    gri_host *host = activation->slice->host;
    gri_refusals refusals;

    activation->failed = gri_alloc(sizeof(*why));
    if (activation->failed != NULL) {
        *activation->failed = *why;
    }
    live->ended = true;
    gri_refusals_init(&refusals);
    gri_slice_forget(activation, &refusals);
    gri_host_refuse_all(host, &refusals);
    gr_send_poison(host->sys, gr_context_self(ctx));
}

static gr_err run_activated(gri_live *live, gr_context *ctx, gri_call_message *call)
{
    const gri_hosted_kind *hosted = live->activation->hosted;
    gr_grain turn;
    gr_err err = GR_OK;

    if (hosted->info->activated != NULL) {
        gri_turn_init(&turn, GRI_TURN_ACTIVATED, live, ctx, call);
        live->activating = true;
        err = hosted->info->activated(hosted->methods, &turn);
        live->activating = false;
        if (err != GR_OK) {
            gr_error why = error_of(err);

            why = for_callers(&why);
            gri_turn_crash(&turn, why.code, why.text);
            activation_failed(live, ctx, &why);
            return err;
        }
        gri_turn_exit(&turn, NULL);
    }
    live->activated = true;
    /* Relaxed: counts. */
    (void)atomic_fetch_add_explicit(&live->activation->slice->host->counters.activated, 1,
                                    memory_order_relaxed);
    return GR_OK;
}

/* ---- the end */

static void run_deactivating(gri_live *live, gr_context *ctx, gr_deactivation reason)
{
    const gri_hosted_kind *hosted = live->activation->hosted;
    gr_grain turn;

    if (!live->activated) {
        return;
    }
    live->activated = false;
    /* Relaxed: counts. */
    (void)atomic_fetch_add_explicit(&live->activation->slice->host->counters.deactivated, 1,
                                    memory_order_relaxed);
    if (hosted->info->deactivating == NULL ||
        gri_lease_gate_pass(&live->activation->slice->host->gate) != GR_OK ||
        is_revoked(live->activation)) {
        return;
    }
    gri_turn_init(&turn, GRI_TURN_DEACTIVATING, live, ctx, NULL);
    hosted->info->deactivating(hosted->methods, &turn, reason);
    gri_turn_exit(&turn, NULL);
}

static void end(gri_live *live, gr_context *ctx, gr_deactivation reason)
{
    gri_host *host = live->activation->slice->host;
    gri_refusals refusals;

    live->ended = true;
    run_deactivating(live, ctx, reason);
    gri_refusals_init(&refusals);
    gri_slice_forget(live->activation, &refusals);
    gri_host_refuse_all(host, &refusals);
    gr_send_stop(host->sys, gr_context_self(ctx));
}

/* When it has been asked to, or must. A turn that still runs is followed by another look. */
static void end_if_idle(gri_live *live, gr_context *ctx)
{
    gr_deactivation closing = closing_of(live->activation);
    gr_deactivation reason = closing != 0 ? closing : live->asked;

    if (live->ended || reason == 0 || live->running > 0) {
        return;
    }
    live->asked = (gr_deactivation)0;
    if (gri_slice_may_end(live->activation, reason)) {
        end(live, ctx, reason);
    }
}

/* ---- messages */

static void park(gri_live *live, gri_call_message *call)
{
    gri_refusals refusals;
    gri_host *host = live->activation->slice->host;

    gri_refusals_init(&refusals);
    gri_activation_release(call);
    (void)gr_msg_ref(gri_call_message_of(call)); /* the list's */
    gri_slice_park(live->activation, call, &refusals);
    gri_host_refuse_all(host, &refusals);
}

static void answer_failed_activation(gri_live *live, gri_call_message *call)
{
    const gr_error *why = live->activation->failed;
    gri_host *host = live->activation->slice->host;
    gri_answer answer = {.outcome = GRI_OUTCOME_FAILED};

    if (why == NULL) { /* there was no memory to keep it */
        gri_host_refuse(host, call, GR_ENOTRUN, 0, "its grain ended before its turn came");
        return;
    }
    answer.code = why->code;
    answer.text = why->text;
    gri_host_answer(host, call, &answer);
}

/* Whether the call may run, now that its turn has come; if not it has been dealt with. */
static bool may_run(gri_live *live, gri_call_message *call)
{
    gri_host *host = live->activation->slice->host;

    if (gri_lease_gate_pass(&host->gate) != GR_OK || is_revoked(live->activation)) {
        gri_host_refuse(host, call, GR_ENOTRUN, 0, "its node has lost the right to act for it");
        return false;
    }
    /* A call that a turn of this very activation waits for must not wait for the end of that turn. */
    if (closing_of(live->activation) != 0 && !gri_host_is_pressing(host, call) &&
        !gri_chain_has(call->chain, call->chain_bytes, call->kind, live->activation->identity)) {
        park(live, call);
        return false;
    }
    if (gr_system_now(host->sys) >= call->deadline_ms) {
        gri_host_refuse(host, call, GR_ENOTRUN, 0, "its time was over before its turn came");
        return false;
    }
    return true;
}

/* One call from the mailbox, or one that was set aside, and may start now. */
static gr_err start_call(gri_live *live, gr_context *ctx, gri_call_message *call)
{
    uint32_t read_only = is_read_only(call) ? 1 : 0;
    gr_err err = GR_OK;

    live->running++;
    live->running_read_only += read_only;
    /* The first hook may wait, so what held before it is asked again after it. */
    if (may_run(live, call) &&
        (live->activated || (run_activated(live, ctx, call) == GR_OK && may_run(live, call)))) {
        gr_grain turn;

        gri_turn_init(&turn, GRI_TURN_CALL, live, ctx, call);
        err = run_method(&turn);
    }
    live->running--;
    live->running_read_only -= read_only;
    return err;
}

static gr_err start_tick(gri_live *live, gr_context *ctx, const gri_grain_tick *tick)
{
    const gri_hosted_kind *hosted = live->activation->hosted;
    gr_grain turn;

    if (live->ended || !live->activated || !gri_turn_tick(live, ctx, tick)) {
        return GR_OK;
    }
    live->running++;
    if (gri_lease_gate_pass(&live->activation->slice->host->gate) == GR_OK &&
        !is_revoked(live->activation) && closing_of(live->activation) == 0) {
        gri_turn_init(&turn, GRI_TURN_TIMER, live, ctx, NULL);
        hosted->info->timer(hosted->methods, &turn, tick->number);
        gri_turn_exit(&turn, NULL);
    }
    live->running--;
    return GR_OK;
}

static gr_err start(gri_live *live, gr_context *ctx, const gr_msg *msg)
{
    gri_call_message *call = (gri_call_message *)(uintptr_t)gr_msg_read(msg, &gri_call_type);

    return call != NULL ? start_call(live, ctx, call)
                        : start_tick(live, ctx, gr_msg_read(msg, &gri_grain_tick_type));
}

static bool message_may_start(const gri_live *live, const gr_msg *msg)
{
    const gri_call_message *call = gr_msg_read(msg, &gri_call_type);

    return call != NULL ? may_start(live, call) : live->running == 0 && !live->activating;
}

/* The oldest that was set aside and may start now, taken out; NULL: none. */
static gr_msg *next_aside(gri_live *live)
{
    gri_set_aside *aside = STAILQ_FIRST(&live->aside);
    gr_msg *msg = NULL;

    if (aside == NULL) {
        return NULL;
    }
    STAILQ_REMOVE_HEAD(&live->aside, next);
    if (message_may_start(live, aside->msg)) {
        msg = aside->msg;
        gri_free(aside);
    } else {
        STAILQ_INSERT_HEAD(&live->aside, aside, next);
    }
    return msg;
}

static gr_err take(gri_live *live, gr_context *ctx, const gr_msg *msg)
{
    gri_call_message *call = (gri_call_message *)(uintptr_t)gr_msg_read(msg, &gri_call_type);
    gr_msg *aside = NULL;
    gr_err err = GR_OK;

    if (call != NULL && live->ended && !live->activated) {
        answer_failed_activation(live, call);
        return GR_OK;
    }
    if (!message_may_start(live, msg)) {
        set_aside(live, msg);
        return GR_OK;
    }
    err = start(live, ctx, msg);
    while (err == GR_OK && (aside = next_aside(live)) != NULL) {
        call = (gri_call_message *)(uintptr_t)gr_msg_read(aside, &gri_call_type);
        if (call != NULL && live->ended && !live->activated) {
            answer_failed_activation(live, call);
        } else {
            err = start(live, ctx, aside);
        }
        (void)gr_msg_unref(aside);
    }
    if (err == GR_OK) {
        end_if_idle(live, ctx);
    }
    return err;
}

static gr_err live_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gri_live *live = state;
    const gri_call_message *call = gr_msg_read(msg, &gri_call_type);
    const gri_deactivate *deactivate = gr_msg_read(msg, &gri_deactivate_type);

    if (deactivate != NULL) {
        live->asked = deactivate->reason;
        end_if_idle(live, ctx);
        return GR_OK;
    }
    if (call != NULL && call->activation != live->activation) {
        /* It has not come through the host: somebody has made up where to send it. */
        gr_dead_letter_add(gr_context_system(ctx), gr_context_self(ctx), gr_msg_ref(msg),
                           GR_DEAD_NO_ACTOR, GR_ENOTYPE);
        return GR_OK;
    }
    return call != NULL || gr_msg_type(msg) == &gri_grain_tick_type ? take(live, ctx, msg) : GR_OK;
}

static gr_err live_started(gr_context *ctx, void *state)
{
    gri_live *live = state;
    gri_activation *activation = gr_context_arg(ctx);

    live->activation = activation;
    STAILQ_INIT(&live->aside);
    LIST_INIT(&live->timers);
    live->ended = activation->failed != NULL;
    if (activation->begun) {
        gri_slice_ask_again(activation);
    }
    activation->begun = true;
    return GR_OK;
}

static void live_stopped(gr_context *ctx, void *state, gr_reason reason)
{
    gri_live *live = state;
    gri_host *host = live->activation->slice->host;
    gri_refusals refusals;

    drop_aside(live);
    gri_turn_timers_end(live);
    if ((reason == GR_REASON_FAILED || reason == GR_REASON_RESTARTING) &&
        gri_lease_gate_is_open(&host->gate)) {
        run_deactivating(live, ctx, GR_DEACTIVATION_FAILED);
    }
    if (reason == GR_REASON_RESTARTING) {
        return;
    }
    gri_refusals_init(&refusals);
    gri_slice_forget(live->activation, &refusals);
    gri_host_refuse_all(host, &refusals);
}

void gri_activation_crashed(gr_grain *turn, gr_err code, const char *text)
{
    gri_live *live = turn->live;
    bool activating = turn->kind == GRI_TURN_ACTIVATED;
    gr_error why = {.code = code};

    (void)snprintf(why.text, sizeof(why.text), "%s", text);
    why = for_callers(&why);
    gri_turn_crash(turn, activating ? why.code : GR_EFAILED, text);
    if (activating) {
        live->activating = false;
        activation_failed(live, turn->ctx, &why);
    }
}
