/*
 * The actor that keeps this node's lease, and with it the right to act. Each quarter of the lease it
 * begins a round: it renews the record by compare-and-set and, at the same time, reads the view. When
 * both have succeeded, the right to act lasts until the moment the round *began* plus the lease, less a
 * margin for clocks that do not run alike.
 *
 * Why that is safe. Whoever wants to act in this node's place first has to end its lease, and does so
 * only by a compare-and-set at a revision that has not changed for a lease and a margin since it was
 * first seen (fence.c). Had a later renewal been carried out, the revision would have changed; so the
 * last one began before it was first seen, and by now this node's right is over by its own clock.
 * Counting from the answer instead of from the beginning would lose that. From then on the
 * compare-and-set of a renewal can only fail: the record is at another revision or, once it was
 * cleared away, is not there, and a renewal never creates it (its expected revision is not 0; only
 * gri_lease_take() expects 0, before this node has ever been a member, and what it creates gives no
 * right until a view with this node in it has been confirmed after).
 *
 * Why the view is read in each round: a view that was lost is founded anew, and whoever settles it has
 * waited a lease and a margin (fence.c). This node would not know, if its lease were all it looked at.
 * For the same reason a view that is older than what this node knew when the round began confirms
 * nothing: the coordinator was set back, and this node is out (view_change.c).
 *
 * A renewal whose answer is lost may have been carried out, now or later. Then the record is read: it
 * carries the number of the attempt that wrote it, so this node knows its own writes again, goes on
 * from their revision, and takes no right from them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <inttypes.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>

enum { ROUNDS_PER_LEASE = 4 };

/* ---- the record */

static gr_err start_write(gri_membership *m, gri_lease_state state, gr_future **out_future)
{
    gri_lease_record record = {state, ++m->renewal, m->lease_ms};
    uint8_t bytes[GRI_LEASE_RECORD_BYTES_MAX];
    size_t count = gri_lease_record_pack(&record, bytes);

    m->attempt_began_ms = gr_system_now(m->sys);
    return m->ops->compare_and_set(m->coordinator, m->lease_key, m->lease_revision, bytes, count,
                                   m->request_ms, out_future);
}

static gr_err end_write(gri_membership *m, gr_err starting, gr_future *take_future)
{
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = gri_operation_await(starting, take_future, &msg, &answer);

    if (err == GR_OK) {
        m->lease_revision = answer->revision;
        m->lease_unsure = false;
        gr_msg_unref(msg);
    } else {
        m->lease_unsure = true;
    }
    return err;
}

static gr_err read_own(gri_membership *m, gri_lease_record *out_record, uint64_t *out_revision)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = m->ops->read(m->coordinator, m->lease_key, m->request_ms, &future);

    err = gri_operation_await(err, future, &msg, &answer);
    if (err != GR_OK) {
        return err;
    }
    if (answer->revision != 0) {
        err = gri_lease_record_unpack(answer->value, answer->value_bytes, out_record);
    }
    if (err == GR_OK) {
        *out_revision = answer->revision;
    }
    gr_msg_unref(msg);
    return err;
}

/* After an attempt with an unknown or bad outcome: is the lease still ours? GR_OK: yes, and we know its
 * revision. GR_ESTOPPED: no, never again. */
static gr_err resolve(gri_membership *m)
{
    gri_lease_record record = {0};
    uint64_t revision = 0;
    gr_err err = read_own(m, &record, &revision);

    if (err != GR_OK) {
        return err;
    }
    if (revision == 0) {
        gri_membership_gone(m, "its lease is no longer there");
    } else if (record.state == GRI_LEASE_FENCED) {
        gri_membership_gone(m, "another node ended its lease, which had not been renewed in time");
    } else if (record.state == GRI_LEASE_LEFT || record.renewal > m->renewal) {
        gri_membership_gone(m, "its lease was written by somebody else");
    } else {
        m->lease_revision = revision;
        m->lease_unsure = false;
        return GR_OK;
    }
    return GRI_FAIL(GR_ESTOPPED, "the lease is lost");
}

/* ---- taking one, before this node is a member */

gr_err gri_lease_take(gri_membership *m, int64_t deadline_ms, int64_t *out_began_ms)
{
    int64_t began_ms = gr_system_now(m->sys); /* of the first attempt: any of them may be the one */
    unsigned failures = 0;
    gr_err err = GR_OK;

    for (;;) {
        gr_future *future = NULL;
        gri_lease_record record = {0};
        uint64_t revision = 0;

        err = start_write(m, GRI_LEASE_HELD, &future);
        err = end_write(m, err, future);
        if (err == GR_OK) {
            break;
        }
        if (err == GR_ECONFLICT || err == GR_EUNREACHABLE) {
            gr_err reading = read_own(m, &record, &revision);

            if (reading == GR_OK && revision != 0 && record.state == GRI_LEASE_HELD &&
                record.renewal <= m->renewal) {
                m->lease_revision = revision;
                m->lease_unsure = false;
                break;
            }
            if (reading == GR_OK && revision != 0) {
                return GRI_FAIL(GR_EREFUSED,
                                "the lease of node %016" PRIx64 " is taken; a node needs "
                                "a new id at each start",
                                m->self.node);
            }
        }
        if (err != GR_ECONFLICT && err != GR_EUNREACHABLE) {
            return err;
        }
        if (gr_system_now(m->sys) >= deadline_ms) {
            return GRI_FAIL(GR_EUNREACHABLE, "the coordinator did not give a lease in time");
        }
        err = gri_pause_after_failure(m->sys, failures++);
        if (err != GR_OK) {
            return err;
        }
    }
    *out_began_ms = began_ms;
    return GR_OK;
}

gr_err gri_lease_remove(gri_membership *m)
{
    gri_lease_record record = {0};
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;

    if (m->lease_unsure) {
        err = read_own(m, &record, &m->lease_revision);
    }
    if (err != GR_OK || m->lease_revision == 0) {
        return err;
    }
    err = m->ops->remove(m->coordinator, m->lease_key, m->lease_revision, m->request_ms, &future);
    err = gri_operation_await(err, future, &msg, &answer);
    gr_msg_unref(msg);
    return err;
}

/* ---- rounds */

static void log_outcome(gri_membership *m, gr_err err)
{
    if (err != GR_OK && m->rounds_failed == 0) {
        gr_system_log(m->sys, GR_LOG_WARN, "GR-CLUSTER-LEASE-LATE",
                      "node %016" PRIx64 " cannot renew its lease, which lasts for another %" PRId64
                      " ms: %s",
                      m->self.node, gri_membership_lease_left_ms(m), gr_last_error()->text);
    } else if (err == GR_OK && m->rounds_failed > 0) {
        gr_system_log(m->sys, GR_LOG_INFO, "GR-CLUSTER-LEASE-RENEWED",
                      "node %016" PRIx64 " renewed its lease after %u failures", m->self.node,
                      m->rounds_failed);
    }
    m->rounds_failed = err == GR_OK ? 0 : m->rounds_failed + 1;
}

/* Both requests are under way at once, and both began after `began_ms`. */
static gr_err renew_and_confirm(gri_membership *m)
{
    gr_future *writing = NULL;
    gr_future *reading = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gri_view_mark since = gri_membership_mark(m);
    gr_err write_started = start_write(m, GRI_LEASE_HELD, &writing);
    gr_err read_started = m->ops->read(m->coordinator, GRI_VIEW_KEY, m->request_ms, &reading);
    gr_err err = end_write(m, write_started, writing);
    gr_error detail = *gr_last_error();
    gr_err confirmed = gri_operation_await(read_started, reading, &msg, &answer);

    if (confirmed == GR_OK) {
        confirmed = gri_membership_adopt_answer(m, answer, since);
        gr_msg_unref(msg);
    }
    if (err == GR_ECONFLICT) {
        err = resolve(m);
        return err == GR_OK ? GRI_FAIL(GR_ECONFLICT, "an earlier renewal came in between") : err;
    }
    return err == GR_OK ? confirmed
                        : gr_error_set(err, detail.file, detail.line, "%s", detail.text);
}

static void lease_round(gri_membership *m)
{
    gr_err err = m->lease_unsure ? resolve(m) : GR_OK;

    if (err == GR_OK) {
        m->round_began_ms = gr_system_now(m->sys);
        err = renew_and_confirm(m);
    }
    if (err == GR_OK) {
        gri_membership_extend(m, m->round_began_ms);
        gri_membership_poke(m, m->voice, &gri_member_tick_type);
    }
    if (err != GR_ESTOPPED) {
        log_outcome(m, err);
    }
}

/* ---- the actor */

static gr_err started(gr_context *ctx, void *state)
{
    gri_membership *m = state;
    gr_timer_id timer;

    m->round_began_ms = gr_system_now(m->sys);
    return gr_timer_start(ctx, m->lease_ms / ROUNDS_PER_LEASE, m->lease_ms / ROUNDS_PER_LEASE,
                          gr_msg_new(&gri_member_tick_type), &timer);
}

/* Tells the others that this node has gone; they need not wait for the lease to run out. */
static void write_left(gri_membership *m)
{
    gr_future *future = NULL;
    gr_err err = m->lease_unsure ? resolve(m) : GR_OK;

    if (err == GR_OK) {
        err = start_write(m, GRI_LEASE_LEFT, &future);
        (void)end_write(m, err, future); /* if it fails, the lease runs out by itself */
    }
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    gri_membership *m = state;
    gri_membership_state now = gri_membership_state_now(m);
    int64_t period_ms = m->lease_ms / ROUNDS_PER_LEASE;

    if (gr_msg_read(msg, &gri_member_left_type) != NULL) {
        write_left(m);
        return gr_respond(ctx, gr_msg_new(&gri_member_left_type));
    }
    /* Ticks that came while a round was under way are one. */
    if ((now == GRI_MEMBERSHIP_MEMBER || now == GRI_MEMBERSHIP_LEAVING) &&
        gr_system_now(m->sys) - m->round_began_ms >= period_ms / 2) {
        lease_round(m);
    }
    return GR_OK;
}

const gr_props gri_lease_props = {
    .type_name = "membership.lease", .started = started, .receive = receive};
