/*
 * How a host answers: replies, refusals, and what becomes of calls whose message was dropped. Any thread, never under a
 * slice's lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "host.h"

#include <inttypes.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "activation.h"

enum { ONE_WAY_LOG_MS = 1000 };

static void count_answer(gri_host *host, gri_outcome outcome)
{
    atomic_uint_fast64_t *counter = outcome == GRI_OUTCOME_REPLIED   ? &host->counters.replied
                                    : outcome == GRI_OUTCOME_NOT_RUN ? &host->counters.not_run
                                                                     : &host->counters.failed;

    (void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); /* a count */
}

void gri_host_answer(gri_host *host, gri_call_message *call, const gri_answer *answer)
{
    gr_pid reply_to = call->reply_to;

    GRI_INVARIANT(call->host == host); /* each call is answered once */
    call->host = NULL;
    call->reply_to = gr_pid_null();
    count_answer(host, answer->outcome);
    gri_activation_release(call);
    if (!gr_pid_is_null(reply_to)) {
        (void)gr_send(host->sys, reply_to, gri_answer_new(answer));
    }
}

/* Another node that may run a call of a stateless kind; 0: none. */
static uint64_t other_host(const gri_host *host, const gri_view *view, const gr_kind_info *info)
{
    uint64_t found = 0;
    uint64_t seen = 0;

    for (size_t i = 0; i < view->members_count; i++) {
        const gri_member *member = &view->members[i];

        /* The nth candidate takes the place with probability 1/n, so each has the same chance. */
        if (member->node != host->node && !member->leaving &&
            gri_view_hosts(view, member->node, info->name) &&
            gr_system_random(host->sys) % ++seen == 0) {
            found = member->node;
        }
    }
    return found;
}

void gri_host_one_way_failed(gri_host *host, const gri_call_message *call, const gr_error *why)
{
    int64_t now_ms = gr_system_now(host->sys);
    int64_t at_ms = atomic_load_explicit(&host->unanswered_log_at,
                                         memory_order_relaxed); /* the swap checks it */

    /* Relaxed: a limit and a count. */
    if (now_ms < at_ms || !atomic_compare_exchange_strong_explicit(
                              &host->unanswered_log_at, &at_ms, now_ms + ONE_WAY_LOG_MS,
                              memory_order_relaxed, memory_order_relaxed)) {
        (void)atomic_fetch_add_explicit(&host->unanswered_unlogged, 1, memory_order_relaxed);
        return;
    }
    gr_system_log(
        host->sys, GR_LOG_WARN, "GR-GRAIN-ONE-WAY",
        "%s of '%.80s', which nobody waits for, failed: %s: %.120s; %" PRIu64
        " others since the last such line",
        call->found->full_name, call->identity, gr_err_name(why->code), why->text,
        (uint64_t)atomic_exchange_explicit(&host->unanswered_unlogged, 0, memory_order_relaxed));
}

static uint64_t owner_of(const gri_host *host, const gri_view *view, const gri_call_message *call)
{
    const gri_shard *shards = NULL;

    if (view == NULL || call->hosted == NULL) {
        return 0;
    }
    if (call->hosted->table == NULL) {
        return other_host(host, view, call->hosted->info);
    }
    shards = gri_view_shards(view, call->hosted->table->name);
    return shards == NULL
               ? 0
               : shards[gri_grain_hash(call->hosted->info, call->identity) % view->shards_count]
                     .owner;
}

/* A one-way call whose shard has moved follows it; nobody else would send it again. */
static void hand_on(gri_host *host, gri_call_message *call, uint64_t owner)
{
    gr_msg *msg = NULL;

    if (owner == 0 || owner == host->node || call->hops >= GRI_HOPS_MAX) {
        return;
    }
    msg = gri_call_message_new(call);
    if (msg != NULL) {
        ((gri_call_message *)gr_msg_payload(msg))->hops++;
        (void)gr_send(host->sys, gr_pid_well_known(owner, GR_SLOT_CLUSTER), msg);
    }
}

void gri_host_refuse(gri_host *host, gri_call_message *call, gr_err code, uint32_t retry_after_ms,
                     const char *text)
{
    gri_view *view = gri_view_cell_read(&host->exchange->view);
    gri_answer answer = {.outcome = GRI_OUTCOME_NOT_RUN,
                         .code = code,
                         .retry_after_ms = retry_after_ms,
                         .text = text};

    answer.owner = owner_of(host, view, call);
    answer.view_founded = view == NULL ? 0 : view->founded;
    answer.view_version = view == NULL ? 0 : view->version;
    (void)gri_view_unref(view);
    if (code == GR_ENOTRUN || code == GR_EBUSY) {
        gri_lines_refused(&host->lines, call, gr_system_now(host->sys));
    }
    if ((call->flags & GRI_CALL_ONE_WAY) != 0 && code == GR_ENOTRUN) {
        hand_on(host, call, answer.owner);
    }
    gri_host_answer(host, call, &answer);
}

void gri_host_refuse_all(gri_host *host, gri_refusals *refusals)
{
    gri_call_message *call = NULL;

    while ((call = STAILQ_FIRST(refusals)) != NULL) {
        STAILQ_REMOVE_HEAD(refusals, waiting);
        gri_host_refuse(host, call, call->refused, call->retry_after_ms, call->refused_text);
        (void)gr_msg_unref(gri_call_message_of(call));
    }
}

/* ---- calls whose message was dropped: seen to by an alarm, because the dropper may hold any lock */

static gri_orphan *orphan_of(const gri_call_message *call, gr_pid reply_to)
{
    gri_orphan *orphan = gri_calloc(1, sizeof(*orphan));

    if (orphan == NULL) {
        return NULL; /* its caller will find out at its deadline */
    }
    orphan->reply_to = reply_to;
    if ((call->flags & GRI_CALL_ONE_WAY) != 0 && call->hops < GRI_HOPS_MAX) {
        orphan->again = gri_call_message_new(call);
        if (orphan->again != NULL) {
            ((gri_call_message *)gr_msg_payload(orphan->again))->hops++;
        }
    }
    return orphan;
}

void gri_host_call_dropped(gri_call_message *call)
{
    gri_host *host = call->host;
    gri_orphan *orphan = orphan_of(call, call->reply_to);

    call->host = NULL;
    (void)pthread_mutex_lock(&host->orphans_lock);
    if (!host->silent) {
        int64_t now_ms = gr_system_now(host->sys);

        gri_lines_refused(&host->lines, call, now_ms);
        if (STAILQ_EMPTY(&host->orphans)) {
            gr_alarm_set(&host->orphans_alarm, now_ms);
        }
        if (orphan != NULL) {
            STAILQ_INSERT_TAIL(&host->orphans, orphan, next);
            orphan = NULL;
        }
    }
    (void)pthread_mutex_unlock(&host->orphans_lock);
    gri_activation_release(call);
    if (orphan != NULL) {
        (void)gr_msg_unref(orphan->again);
        gri_free(orphan);
    }
}

static void see_to(gri_host *host, gri_orphan *take_orphan)
{
    gri_answer answer = {.outcome = GRI_OUTCOME_NOT_RUN,
                         .code = GR_ENOTRUN,
                         .text = "its grain ended before its turn came"};

    if (!gr_pid_is_null(take_orphan->reply_to)) {
        count_answer(host, GRI_OUTCOME_NOT_RUN);
        (void)gr_send(host->sys, take_orphan->reply_to, gri_answer_new(&answer));
    }
    if (take_orphan->again != NULL) {
        gri_host_take_call(host, take_orphan->again);
    }
    gri_free(take_orphan);
}

void gri_host_on_orphans(void *arg)
{
    gri_host *host = arg;
    gri_orphan *orphan = NULL;

    for (;;) {
        (void)pthread_mutex_lock(&host->orphans_lock);
        orphan = STAILQ_FIRST(&host->orphans);
        if (orphan != NULL) {
            STAILQ_REMOVE_HEAD(&host->orphans, next);
        }
        (void)pthread_mutex_unlock(&host->orphans_lock);
        if (orphan == NULL) {
            return;
        }
        see_to(host, orphan);
    }
}
