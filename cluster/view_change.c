/*
 * The view at the coordinator, for membership: reading it, taking in newer ones, and changing it. The
 * functions that wait run on the fibers of membership's actors (or in whoever starts membership);
 * several may change the view at once, the coordinator lets one of them win.
 *
 * A change whose answer was lost may have been carried out, or may still be on its way. Nothing is
 * concluded from it: the view is read again and the same event is tried on what is there. If the
 * change was carried out, the event has become void (the member is there, is gone, the shards are not
 * ours). If it is still on its way, its revision is either still the newest, then our next attempt is
 * at that same revision and one of the two wins; or it is not, then it can only fail. So an owner that
 * has tried to give a shard takes it up again only by a view with a revision beyond all its attempts.
 * And a shard that was given and has come back meanwhile, because its new owner died, is not the one
 * that was drained: it has another epoch, and is not given by the attempts that are still to come.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <inttypes.h>
#include <string.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

/* ---- taking in views */

/* What a view that was read or written means to this node. */
typedef enum meaning {
    OLD,       /* nothing new */
    NEW,       /* newer: keep it */
    REWRITTEN, /* what is known, but written again: at another revision */
    FOREIGN,   /* of another founding: the one that this node joined is lost */
    BACK,      /* what was known has been undone: the coordinator was set back */
    LAST       /* newer, and without this node */
} meaning;

/* How a view is related to one of the same founding that was known before. */
typedef enum relation { SAME, CONTINUES, EARLIER, CONTRADICTS } relation;

static relation relation_of(const gri_view *known, const gri_view *view)
{
    if (view->version < known->version) {
        return EARLIER;
    }
    if (view->version == known->version) {
        return gri_view_same(known, view) ? SAME : CONTRADICTS;
    }
    return gri_view_continues(known, view) ? CONTINUES : CONTRADICTS;
}

static meaning meaning_of_locked(const gri_membership *m, const gri_view *view, gri_view_mark since,
                                 relation to_known)
{
    if (m->state == GRI_MEMBERSHIP_JOINING) {
        return NEW; /* one reads after the other, and nothing was done by what was known */
    }
    if (m->view == NULL || view->founded != m->view->founded) {
        return FOREIGN;
    }
    switch (to_known) {
    case SAME: /* another answer that has overtaken this one may know a later revision */
        return since.revision == m->view_revision ? REWRITTEN : OLD;
    case EARLIER:
        return view->version < since.version ? BACK : OLD;
    case CONTRADICTS:
        return BACK;
    case CONTINUES:
    default:
        return gri_view_member(view, m->self.node) == NULL ? LAST : NEW;
    }
}

/* Takes the lock, and says how a view is related to the one known. They are compared without the lock,
 * since that may take long; again, when another view has come meanwhile. */
static relation lock_and_compare(gri_membership *m, const gri_view *view)
{
    for (;;) {
        gri_view *known = gri_membership_newest(m, NULL);
        relation to_known = known == NULL ? CONTINUES : relation_of(known, view);

        pthread_mutex_lock(&m->lock);
        if (m->view == known) {
            gri_view_unref(known); /* not the last reference */
            return to_known;
        }
        pthread_mutex_unlock(&m->lock);
        gri_view_unref(known);
    }
}

/* A store that was set back has forgotten who owned what since then, and those who did may still act:
 * it is as if the view had been lost. So what is there goes too; then everybody begins again, also
 * those who have not seen more than what is there, by a view that is founded anew and waits before it
 * is settled. Without an answer the next one who knows better does it. */
static void set_back(gri_membership *m, uint64_t revision)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = m->ops->remove(m->coordinator, GRI_VIEW_KEY, revision, m->request_ms, &future);

    gri_membership_gone(m, "the coordinator was set back to an older view, as from a backup");
    if (gri_operation_await(err, future, &msg, &answer) == GR_OK) {
        gr_msg_unref(msg);
    }
}

typedef struct written_view {
    gri_view *view;
    uint64_t revision;
    uint64_t fingerprint;
} written_view;

static void keep_locked(gri_membership *m, const written_view *take_written)
{
    if (m->view == NULL || m->view->founded != take_written->view->founded) {
        m->founded_seen_ms = gr_system_now(m->sys);
    }
    m->view = take_written->view;
    m->view_revision = take_written->revision;
    m->view_fingerprint = take_written->fingerprint;
}

static void tell(gri_membership *m, meaning what, gri_membership_state state, uint64_t revision)
{
    switch (what) {
    case FOREIGN:
        gri_membership_gone(m, "its view was lost and another has been founded");
        break;
    case BACK:
        set_back(m, revision);
        break;
    case LAST:
        gri_membership_gone(m, "the view is without it");
        break;
    case NEW:
        if (state <= GRI_MEMBERSHIP_LEAVING) {
            gri_membership_poke(m, m->voice, &gri_member_tick_type);
        }
        if (state == GRI_MEMBERSHIP_MEMBER) { /* one that leaves looks by itself */
            gri_membership_poke(m, m->drain, &gri_member_look_type);
        }
        break;
    case OLD:
    case REWRITTEN:
    default:
        break;
    }
}

static void adopt(gri_membership *m, const written_view *take_written, gri_view_mark since)
{
    gri_view *replaced = take_written->view;
    relation to_known = lock_and_compare(m, take_written->view);
    gri_membership_state state = m->state;
    meaning what = meaning_of_locked(m, take_written->view, since, to_known);

    if (what == NEW || what == LAST || what == REWRITTEN) {
        replaced = m->view;
        keep_locked(m, take_written);
    }
    pthread_mutex_unlock(&m->lock);
    gri_view_unref(replaced);
    tell(m, what, state, take_written->revision);
}

/* Whether these are the bytes of the view that is known, which spares unpacking it. The revision alone
 * does not tell: a store that was set back uses revisions again. */
static bool is_known(gri_membership *m, uint64_t revision, uint64_t fingerprint,
                     gri_view_mark since)
{
    bool known = false;

    pthread_mutex_lock(&m->lock);
    known = m->view != NULL && fingerprint == m->view_fingerprint;
    if (known && since.revision == m->view_revision) {
        m->view_revision = revision;
    }
    pthread_mutex_unlock(&m->lock);
    return known;
}

gr_err gri_membership_adopt_answer(gri_membership *m, const gr_coordinator_answer *answer,
                                   gri_view_mark since)
{
    written_view written = {.revision = answer->revision};
    gr_err err = GR_OK;

    if (answer->revision == 0) {
        gri_membership_gone(m, "its view was removed from the coordinator");
        return GR_OK;
    }
    written.fingerprint = gri_view_fingerprint(answer->value, answer->value_bytes);
    if (is_known(m, written.revision, written.fingerprint, since)) {
        return GR_OK;
    }
    err = gri_view_unpack(answer->value, answer->value_bytes, &written.view);
    if (err != GR_OK) {
        gr_system_log(m->sys, GR_LOG_ERROR, "GR-CLUSTER-VIEW-UNREADABLE",
                      "cannot read the view at revision %" PRIu64 ": %s", answer->revision,
                      gr_last_error()->text);
        return err;
    }
    adopt(m, &written, since);
    return GR_OK;
}

gri_view_mark gri_membership_mark(gri_membership *m)
{
    gri_view_mark mark = {0};

    pthread_mutex_lock(&m->lock);
    mark.version = m->view == NULL ? 0 : m->view->version;
    mark.revision = m->view_revision;
    pthread_mutex_unlock(&m->lock);
    return mark;
}

gri_view *gri_membership_newest(gri_membership *m, uint64_t *out_revision)
{
    gri_view *view = NULL;

    pthread_mutex_lock(&m->lock);
    view = gri_view_ref(m->view);
    if (out_revision != NULL) {
        *out_revision = m->view_revision;
    }
    pthread_mutex_unlock(&m->lock);
    return view;
}

/* While joining there may be no view, or another than was read before. */
static void forget_view(gri_membership *m)
{
    gri_view *view = NULL;

    pthread_mutex_lock(&m->lock);
    if (m->state == GRI_MEMBERSHIP_JOINING) {
        view = m->view;
        m->view = NULL;
        m->view_revision = 0;
        m->view_fingerprint = 0;
    }
    pthread_mutex_unlock(&m->lock);
    gri_view_unref(view);
}

gr_err gri_membership_read_view(gri_membership *m)
{
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gri_view_mark since = gri_membership_mark(m);
    gr_err err = m->ops->read(m->coordinator, GRI_VIEW_KEY, m->request_ms, &future);

    err = gri_operation_await(err, future, &msg, &answer);
    if (err != GR_OK) {
        return err;
    }
    if (answer->revision == 0) {
        forget_view(m);
    }
    err = gri_membership_adopt_answer(m, answer, since);
    gr_msg_unref(msg);
    return err;
}

/* ---- changing it */

/* Whether the view shows that there is nothing (left) to do. */
static bool is_void(const gri_view_event *event, gr_err err)
{
    switch (event->kind) {
    case GRI_VIEW_JOIN:
        return err == GR_EEXIST;
    case GRI_VIEW_LEAVE:
    case GRI_VIEW_FENCED:
    case GRI_VIEW_LEAVING:
        return err == GR_ENOTFOUND;
    case GRI_VIEW_GIVE:
        return event->given_count == 0 || err == GR_ENOTFOUND;
    case GRI_VIEW_SETTLE:
    default:
        return false;
    }
}

/* Those that are still this node's under the epoch under which it has drained them. */
static void keep_own(const gri_view *view, gri_view_event *event, gri_shard_ref *given)
{
    size_t kept = 0;
    size_t i = 0;

    for (i = 0; i < event->given_count; i++) {
        const gri_shard *shards = gri_view_shards(view, given[i].table);

        if (shards != NULL && given[i].shard < view->shards_count &&
            shards[given[i].shard].owner == event->node &&
            shards[given[i].shard].epoch == given[i].epoch) {
            given[kept] = given[i];
            kept++;
        }
    }
    event->given = given;
    event->given_count = kept;
}

/* One attempt, on the newest view known. GR_OK: done, or nothing to do. */
static gr_err try_change(gri_membership *m, gri_view_event *event, gri_shard_ref *given)
{
    uint64_t revision = 0;
    gri_view *view = gri_membership_newest(m, &revision);
    gri_view *next = NULL;
    uint8_t *bytes = NULL;
    size_t count = 0;
    gr_future *future = NULL;
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = GR_OK;

    if (event->kind == GRI_VIEW_GIVE) {
        keep_own(view, event, given);
    }
    event->wall_ms = gr_system_wall_ms(m->sys);
    err = gri_view_next(view, event, m->shards, gr_system_random(m->sys), &next);
    if (is_void(event, err)) {
        err = GR_OK;
        next = gri_view_unref(next);
    }
    if (err != GR_OK || next == NULL) {
        goto done;
    }
    err = gri_view_pack(next, &bytes, &count);
    if (err != GR_OK) {
        goto done;
    }
    err = m->ops->compare_and_set(m->coordinator, GRI_VIEW_KEY, revision, bytes, count,
                                  m->request_ms, &future);
    err = gri_operation_await(err, future, &msg, &answer);
    if (err == GR_OK) {
        adopt(m, &(written_view){next, answer->revision, gri_view_fingerprint(bytes, count)},
              (gri_view_mark){.version = 0, .revision = revision});
        next = NULL; /* taken */
    } else if (err != GR_ECONFLICT && event->kind == GRI_VIEW_GIVE) {
        m->give_unsure_at = revision;
    }
done:
    gr_msg_unref(msg);
    gri_free(bytes);
    gri_view_unref(next);
    gri_view_unref(view);
    return err;
}

static bool may_try_again(gr_err err)
{
    return err == GR_ECONFLICT || err == GR_EUNREACHABLE || err == GR_EIO || err == GR_ENOMEM ||
           err == GR_EREFUSED;
}

static bool is_out(gri_membership *m)
{
    return gri_membership_state_now(m) == GRI_MEMBERSHIP_FENCED;
}

gr_err gri_membership_change(gri_membership *m, gri_view_event *event, gri_shard_ref *given,
                             int64_t deadline_ms)
{
    unsigned failures = 0;
    gr_err err = GR_OK;

    for (;;) {
        if (is_out(m)) {
            return GRI_FAIL(GR_ESTOPPED, "this node has been fenced");
        }
        err = try_change(m, event, given);
        if (!may_try_again(err)) {
            return err;
        }
        do {
            gr_error detail = *gr_last_error();
            bool lost = err == GR_ECONFLICT;

            if (gr_system_now(m->sys) >= deadline_ms) {
                return gr_error_set(err, detail.file, detail.line, "%s", detail.text);
            }
            if (!lost || failures > 0) { /* a first conflict is answered at once */
                err = gri_pause_after_failure(m->sys, failures);
                if (err != GR_OK) {
                    return err;
                }
            }
            failures++;
            err = gri_membership_read_view(m);
        } while (may_try_again(err));
        if (err != GR_OK) {
            return err;
        }
    }
}
