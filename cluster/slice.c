/*
 * Slices: see slice.h. Everything here is short and under one lock; sending to an activation's actor is the one thing
 * that is done while holding it, because look-up and send must be one step. Answers are never sent under it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "slice.h"

#include <xxhash.h>

#include <gri/fail.h>

#define HASH_FUNCTION(key, bytes, hash) (hash) = (unsigned)XXH64((key), (bytes), 0)
#include "activation.h"
#include "slice_internal.h"
#include "sim_hooks.h"

enum {
    RETRY_BUSY_MS = 20,
    RETRY_FULL_MS = 5,
    RETRY_HELD_MS = 50,
    KEY_BYTES_MAX = 8 + GR_IDENTITY_BYTES_MAX + 1
};

void gri_refusals_init(gri_refusals *refusals)
{
    STAILQ_INIT(refusals);
}

/* Remembered at once, under the slice's lock: a younger call of the same line must not get past it. */
static void refuse(gri_slice *slice, gri_refusals *refusals, gri_call_message *call, gr_err code,
                   uint32_t retry_after_ms, const char *text)
{
    gri_lines_refused(&slice->host->lines, call, gr_system_now(slice->host->sys));
    call->refused = code;
    call->retry_after_ms = retry_after_ms;
    call->refused_text = text;
    STAILQ_INSERT_TAIL(refusals, call, waiting);
}

void gri_slice_init(gri_slice *slice, struct gri_host *host)
{
    slice->host = host;
    slice->state = GRI_SLICE_ELSEWHERE;
    slice->epoch = 0;
    slice->table = NULL;
    slice->held_count = 0;
    slice->drained = NULL;
    slice->empty = false;
    TAILQ_INIT(&slice->idle_order);
    STAILQ_INIT(&slice->held);
    atomic_init(&slice->oldest_ms, INT64_MAX);
    atomic_init(&slice->awaiting_ms, 0);
    (void)pthread_mutex_init(&slice->lock, NULL);
}

void gri_slice_fini(gri_slice *slice)
{
    GRI_INVARIANT(slice->table == NULL && STAILQ_EMPTY(&slice->held));
    GRI_INVARIANT(slice->drained == NULL); /* dropped or abandoned before: the system may be gone */
    (void)pthread_mutex_destroy(&slice->lock);
}

/* ---- the idle order */

static void publish_oldest_locked(gri_slice *slice)
{
    gri_activation *first = TAILQ_FIRST(&slice->idle_order);

    /* Relaxed: a hint where the longest idle one may be; whoever acts on it takes the lock. */
    atomic_store_explicit(&slice->oldest_ms, first == NULL ? INT64_MAX : first->called_ms,
                          memory_order_relaxed);
}

static void touch_locked(gri_slice *slice, gri_activation *activation)
{
    if (!activation->asked) {
        TAILQ_REMOVE(&slice->idle_order, activation, idle);
    }
    activation->asked = false;
    activation->called_ms = gr_system_now(slice->host->sys);
    TAILQ_INSERT_TAIL(&slice->idle_order, activation, idle);
    publish_oldest_locked(slice);
}

void gri_slice_ask_locked(gri_slice *slice, gri_activation *activation, gr_deactivation reason)
{
    if (!activation->asked && gri_activation_ask(activation, reason)) {
        TAILQ_REMOVE(&slice->idle_order, activation, idle);
        activation->asked = true;
        publish_oldest_locked(slice);
    }
}

void gri_slice_ask_again(gri_activation *activation)
{
    gri_slice *slice = activation->slice;
    /* Acquire: pairs with gri_slice_drain(). */
    int closing = atomic_load_explicit(&activation->closing, memory_order_acquire);

    (void)pthread_mutex_lock(&slice->lock);
    if (activation->asked && activation->state == GRI_ACTIVATION_ACTIVE) {
        touch_locked(slice, activation);
    }
    if (closing != 0 && activation->state == GRI_ACTIVATION_ACTIVE) {
        gri_slice_ask_locked(slice, activation, (gr_deactivation)closing);
    }
    (void)pthread_mutex_unlock(&slice->lock);
}

/* ---- the table */

static gri_activation *find_locked(gri_slice *slice, const char *key, size_t key_bytes)
{
    gri_activation *found = NULL;

    HASH_FIND(hh, slice->table, key, key_bytes, found);
    return found;
}

static gri_activation *add_locked(gri_slice *slice, gri_hosted_kind *hosted, const char *key,
                                  size_t key_bytes)
{
    gri_activation *activation = NULL;

    if (gri_activation_new(slice, hosted, key, key_bytes, &activation) != GR_OK) {
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, slice->table, activation->key, activation->key_bytes, activation);
    if (activation->hh.tbl == NULL) {
        gr_send_stop(slice->host->sys, activation->pid);
        activation->state = GRI_ACTIVATION_GONE;
        (void)gri_activation_unref(activation);
        return NULL;
    }
    activation->called_ms = gr_system_now(slice->host->sys);
    TAILQ_INSERT_TAIL(&slice->idle_order, activation, idle);
    publish_oldest_locked(slice);
    /* Relaxed: counts. */
    (void)atomic_fetch_add_explicit(&slice->host->activations, 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&hosted->activations, 1, memory_order_relaxed);
    return activation;
}

/* Out of the table; the table's reference is the caller's. */
static void remove_locked(gri_slice *slice, gri_activation *activation)
{
    HASH_DELETE(hh, slice->table, activation);
    activation->state = GRI_ACTIVATION_GONE;
    if (!activation->asked) {
        TAILQ_REMOVE(&slice->idle_order, activation, idle);
        activation->asked = true;
        publish_oldest_locked(slice);
    }
    /* Relaxed: counts. */
    (void)atomic_fetch_sub_explicit(&slice->host->activations, 1, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&activation->hosted->activations, 1, memory_order_relaxed);
}

static size_t make_key(const gri_call_message *call, char key[KEY_BYTES_MAX])
{
    size_t identity_bytes = strlen(call->identity);

    memcpy(key, &call->kind, sizeof(call->kind));
    memcpy(key + sizeof(call->kind), call->identity, identity_bytes + 1);
    return sizeof(call->kind) + identity_bytes;
}

/* ---- taking calls */

static void hold_locked(gri_slice *slice, struct gri_call_list *list, uint32_t *count,
                        uint32_t limit, gri_call_message *call, gri_refusals *refusals)
{
    if (*count >= limit) {
        refuse(slice, refusals, call, GR_EBUSY, RETRY_HELD_MS,
               "too many calls wait for its grain to move or to wake up");
        return;
    }
    (*count)++;
    STAILQ_INSERT_TAIL(list, call, waiting);
}

static void send_locked(gri_slice *slice, gri_activation *activation, gri_call_message *call,
                        gri_refusals *refusals)
{
    /* Relaxed: only grows under this lock, and who looks at it for zero holds the lock too. */
    if (atomic_load_explicit(&activation->pending, memory_order_relaxed) + activation->held_count >=
        activation->hosted->mailbox_limit) {
        refuse(slice, refusals, call, GR_EBUSY, RETRY_BUSY_MS, "too many calls wait for its grain");
        return;
    }
    touch_locked(slice, activation);
    (void)atomic_fetch_add_explicit(&activation->pending, 1, memory_order_relaxed); /* as above */
    call->activation = gri_activation_ref(activation);
    /* On failure the message is dropped, and the drop sees to the answer. */
    (void)gr_send(slice->host->sys, activation->pid, gri_call_message_of(call));
}

/* A grain without an activation gets one, if there is room. */
static void begin_locked(gri_slice *slice, gri_call_message *call, const char *key,
                         size_t key_bytes, gri_refusals *refusals)
{
    gri_host *host = slice->host;
    gri_activation *activation = NULL;

    /* Relaxed: a limit, not an order. */
    if (atomic_load_explicit(&host->activations, memory_order_relaxed) >= host->activations_max) {
        refuse(slice, refusals, call, GR_EBUSY, RETRY_FULL_MS,
               "its node holds as many activations as it may");
        return;
    }
    activation = add_locked(slice, (gri_hosted_kind *)(uintptr_t)call->hosted, key, key_bytes);
    if (activation == NULL) {
        refuse(slice, refusals, call, GR_EBUSY, RETRY_BUSY_MS, "its node is out of memory");
        return;
    }
    if (slice->state == GRI_SLICE_DRAINING) { /* only for this call */
        /* Release: see gri_slice_drain(). */
        atomic_store_explicit(&activation->closing, (int)slice->reason, memory_order_release);
    }
    send_locked(slice, activation, call, refusals);
}

/* It is not ours by the view we know; its caller may know a newer one. */
static void admit_elsewhere_locked(gri_slice *slice, gri_call_message *call, gri_refusals *refusals)
{
    if (!call->ahead) {
        refuse(slice, refusals, call, GR_ENOTRUN, 0, "its shard belongs to another node");
        return;
    }
    if (STAILQ_EMPTY(&slice->held)) {
        /* Relaxed: a hint for the sweep. */
        atomic_store_explicit(&slice->awaiting_ms, gr_system_now(slice->host->sys),
                              memory_order_relaxed);
    }
    hold_locked(slice, &slice->held, &slice->held_count, GRI_SLICE_HELD_MAX, call, refusals);
}

/* Not begun any more: held until it is known who owns the shard next. A stateless grain may run anywhere else now. */
static void admit_draining_locked(gri_slice *slice, gri_call_message *call, gri_refusals *refusals)
{
    if (call->hosted->table == NULL) {
        refuse(slice, refusals, call, GR_ENOTRUN, 0, "its node is leaving");
        return;
    }
    hold_locked(slice, &slice->held, &slice->held_count, GRI_SLICE_HELD_MAX, call, refusals);
}

static void admit_locked(gri_slice *slice, gri_call_message *call, gri_refusals *refusals)
{
    char key[KEY_BYTES_MAX];
    size_t key_bytes = make_key(call, key);
    gri_activation *activation = NULL;

    if (!gri_lines_admit(&slice->host->lines, call, gr_system_now(slice->host->sys))) {
        refuse(slice, refusals, call, GR_ENOTRUN, 0,
               "an older call of the same caller was refused");
        return;
    }
    if (slice->state == GRI_SLICE_ELSEWHERE) {
        admit_elsewhere_locked(slice, call, refusals);
        return;
    }
    activation = gri_sim_has(GRI_SIM_TWO_AT_ONCE) ? NULL : find_locked(slice, key, key_bytes);
    if (activation != NULL && activation->state == GRI_ACTIVATION_ACTIVE) {
        send_locked(slice, activation, call, refusals);
    } else if (activation != NULL) {
        hold_locked(slice, &activation->held, &activation->held_count,
                    activation->hosted->mailbox_limit, call, refusals);
    } else if (slice->state == GRI_SLICE_DRAINING &&
               (slice->empty || (call->flags & GRI_CALL_PRESSING) == 0)) {
        admit_draining_locked(slice, call, refusals);
    } else {
        begin_locked(slice, call, key, key_bytes, refusals);
    }
}

void gri_slice_admit(gri_slice *slice, gri_call_message *call, gri_refusals *refusals)
{
    (void)pthread_mutex_lock(&slice->lock);
    admit_locked(slice, call, refusals);
    (void)pthread_mutex_unlock(&slice->lock);
}

void gri_slice_admit_held_locked(gri_slice *slice, struct gri_call_list *held,
                                 gri_refusals *refusals)
{
    gri_call_message *call = NULL;

    while ((call = STAILQ_FIRST(held)) != NULL) {
        STAILQ_REMOVE_HEAD(held, waiting);
        call->ahead = false; /* it has waited for a view once */
        admit_locked(slice, call, refusals);
    }
}

/* ---- owning and draining */

static gr_future *steal_drained_locked(gri_slice *slice)
{
    gr_future *drained = slice->table == NULL ? slice->drained : NULL;

    if (drained != NULL) {
        slice->drained = NULL;
    }
    return drained;
}

static const gr_type drained_type = {"granary.SliceDrained", 0, NULL, NULL, NULL};

static void tell_drained(gr_future *take_drained)
{
    if (take_drained != NULL) {
        (void)gr_future_complete(take_drained, gr_msg_new(&drained_type));
        (void)gr_future_unref(take_drained);
    }
}

/* Every activation out of the table and without rights; what is held for it goes to the slice's list. */
static void revoke_all_locked(gri_slice *slice, gri_refusals *refusals)
{
    gri_activation *activation = NULL;
    gri_activation *next = NULL;

    HASH_ITER(hh, slice->table, activation, next)
    {
        gri_call_message *call = NULL;

        /* Release: whoever sees it at the exit of a turn sees the table without the activation. */
        atomic_store_explicit(&activation->revoked, true, memory_order_release);
        remove_locked(slice, activation);
        while ((call = STAILQ_FIRST(&activation->held)) != NULL) {
            STAILQ_REMOVE_HEAD(&activation->held, waiting);
            hold_locked(slice, &slice->held, &slice->held_count, GRI_SLICE_HELD_MAX, call,
                        refusals);
        }
        activation->held_count = 0;
        gr_send_stop(slice->host->sys, activation->pid);
        (void)gri_activation_unref(activation);
    }
}

void gri_slice_take_held_locked(gri_slice *slice, struct gri_call_list *out_held)
{
    STAILQ_INIT(out_held);
    STAILQ_CONCAT(out_held, &slice->held);
    slice->held_count = 0;
    atomic_store_explicit(&slice->awaiting_ms, 0, memory_order_relaxed); /* a hint for the sweep */
}

void gri_slice_own(gri_slice *slice, bool ours, uint64_t epoch, gri_refusals *refusals)
{
    struct gri_call_list held;
    gr_future *drained = NULL;

    (void)pthread_mutex_lock(&slice->lock);
    if (ours && slice->state == GRI_SLICE_ELSEWHERE && gri_sim_has(GRI_SIM_DO_NOT_OWN)) {
        ours = false;
    }
    if (ours && slice->state != GRI_SLICE_ELSEWHERE && epoch != slice->epoch) {
        /* It was another's in between, whom no view has told us of: what runs here belongs to the old tenure, and what
         * was drained for giving it away has been given. */
        revoke_all_locked(slice, refusals);
        slice->state = GRI_SLICE_ELSEWHERE;
    }
    if (ours) {
        slice->epoch = epoch;
    } else if (slice->state != GRI_SLICE_ELSEWHERE) {
        revoke_all_locked(slice, refusals);
    }
    if (slice->state == GRI_SLICE_ELSEWHERE || !ours) {
        slice->state = ours ? GRI_SLICE_OWNED : GRI_SLICE_ELSEWHERE;
        gri_slice_take_held_locked(slice, &held);
        gri_slice_admit_held_locked(slice, &held, refusals);
    }
    drained = steal_drained_locked(slice);
    (void)pthread_mutex_unlock(&slice->lock);
    tell_drained(drained);
}

void gri_slice_drain(gri_slice *slice, gr_deactivation reason)
{
    gri_activation *activation = NULL;
    gri_activation *next = NULL;

    (void)pthread_mutex_lock(&slice->lock);
    if (slice->state == GRI_SLICE_OWNED) {
        slice->state = GRI_SLICE_DRAINING;
        slice->empty = false;
        slice->reason = reason;
        HASH_ITER(hh, slice->table, activation, next)
        {
            /* Release: a turn that sees it holds the calls that come after, instead of running them. */
            atomic_store_explicit(&activation->closing, (int)reason, memory_order_release);
            gri_slice_ask_locked(slice, activation, reason);
        }
    }
    (void)pthread_mutex_unlock(&slice->lock);
}

gr_err gri_slice_empties(gri_slice *slice, int64_t limit_ms, gr_future **out_drained)
{
    gr_err err = GR_OK;

    *out_drained = NULL;
    (void)pthread_mutex_lock(&slice->lock);
    if (slice->state == GRI_SLICE_DRAINING && slice->table != NULL) {
        if (slice->drained == NULL) {
            err = gr_future_new(slice->host->sys, limit_ms, &slice->drained);
        }
        if (err == GR_OK) {
            *out_drained = gr_future_ref(slice->drained);
        }
    }
    (void)pthread_mutex_unlock(&slice->lock);
    return err;
}

bool gri_slice_shut(gri_slice *slice)
{
    bool shut = true;

    (void)pthread_mutex_lock(&slice->lock);
    if (slice->state == GRI_SLICE_DRAINING) {
        slice->empty = shut = slice->table == NULL;
    }
    (void)pthread_mutex_unlock(&slice->lock);
    return shut;
}

void gri_slice_press(gri_slice *slice, gri_refusals *refusals)
{
    struct gri_call_list held;
    gri_call_message *call = NULL;

    STAILQ_INIT(&held);
    (void)pthread_mutex_lock(&slice->lock);
    if (slice->state == GRI_SLICE_DRAINING) {
        slice->empty = false;
        gri_slice_take_held_locked(slice, &held);
    }
    (void)pthread_mutex_unlock(&slice->lock);
    STAILQ_FOREACH (call, &held, waiting) {
        (void)gri_host_is_pressing(slice->host, call);
    }
    (void)pthread_mutex_lock(&slice->lock);
    STAILQ_CONCAT(&held, &slice->held); /* what has come meanwhile is younger */
    slice->held_count = 0;
    gri_slice_admit_held_locked(slice, &held, refusals);
    (void)pthread_mutex_unlock(&slice->lock);
}

bool gri_slice_drains(gri_slice *slice, uint64_t kind, const char *identity, size_t identity_bytes)
{
    char key[KEY_BYTES_MAX];
    bool drains = false;

    if (identity_bytes > GR_IDENTITY_BYTES_MAX) {
        return false;
    }
    memcpy(key, &kind, sizeof(kind));
    memcpy(key + sizeof(kind), identity, identity_bytes);
    (void)pthread_mutex_lock(&slice->lock);
    drains = slice->state == GRI_SLICE_DRAINING &&
             find_locked(slice, key, sizeof(kind) + identity_bytes) != NULL;
    (void)pthread_mutex_unlock(&slice->lock);
    return drains;
}

void gri_slice_drained(gri_slice *slice, gri_refusals *refusals)
{
    (void)pthread_mutex_lock(&slice->lock);
    slice->drained = gr_future_unref(slice->drained);
    if (slice->state == GRI_SLICE_DRAINING) {
        slice->empty = true;
        revoke_all_locked(slice, refusals);
    }
    (void)pthread_mutex_unlock(&slice->lock);
}

void gri_slice_drain_undone(gri_slice *slice, gri_refusals *refusals)
{
    struct gri_call_list held;

    (void)pthread_mutex_lock(&slice->lock);
    if (slice->state == GRI_SLICE_DRAINING) {
        slice->state = GRI_SLICE_OWNED;
        gri_slice_take_held_locked(slice, &held);
        gri_slice_admit_held_locked(slice, &held, refusals);
    }
    (void)pthread_mutex_unlock(&slice->lock);
}

void gri_slice_abandon(gri_slice *slice)
{
    slice->drained = gr_future_unref(slice->drained);
}

void gri_slice_forget_all(gri_slice *slice)
{
    gri_activation *activation = NULL;
    gri_activation *next = NULL;
    gri_call_message *call = NULL;

    HASH_ITER(hh, slice->table, activation, next)
    {
        while ((call = STAILQ_FIRST(&activation->held)) != NULL) {
            STAILQ_REMOVE_HEAD(&activation->held, waiting);
            call->host = NULL;
            (void)gr_msg_unref(gri_call_message_of(call));
        }
        remove_locked(slice, activation);
        (void)gri_activation_unref(activation);
    }
    while ((call = STAILQ_FIRST(&slice->held)) != NULL) {
        STAILQ_REMOVE_HEAD(&slice->held, waiting);
        call->host = NULL;
        (void)gr_msg_unref(gri_call_message_of(call));
    }
}

/* ---- for activations */

bool gri_slice_may_end(gri_activation *activation, gr_deactivation reason)
{
    gri_slice *slice = activation->slice;
    bool may = false;

    (void)pthread_mutex_lock(&slice->lock);
    /* Acquire: what the last call did is done before the last hook runs. */
    may =
        activation->state == GRI_ACTIVATION_ACTIVE &&
        atomic_load_explicit(&activation->pending, memory_order_acquire) == 0 &&
        /* Idle means idle still: a call since it was asked has taken that back. Relaxed: set before, by this actor or
             under this lock. */
        (activation->asked ||
         atomic_load_explicit(&activation->closing, memory_order_relaxed) != 0 ||
         reason == GR_DEACTIVATION_ASKED);
    if (may) {
        if (!activation->asked) {
            TAILQ_REMOVE(&slice->idle_order, activation, idle);
            activation->asked = true;
            publish_oldest_locked(slice);
        }
        activation->state = GRI_ACTIVATION_ENDING;
    }
    (void)pthread_mutex_unlock(&slice->lock);
    return may;
}

void gri_slice_forget(gri_activation *activation, gri_refusals *refusals)
{
    gri_slice *slice = activation->slice;
    struct gri_call_list held;
    gr_future *drained = NULL;
    bool was_in = false;
    bool press = false;

    STAILQ_INIT(&held);
    (void)pthread_mutex_lock(&slice->lock);
    was_in = activation->state != GRI_ACTIVATION_GONE;
    if (was_in) {
        remove_locked(slice, activation);
        STAILQ_CONCAT(&held, &activation->held);
        activation->held_count = 0;
        /* While draining it is looked at anew whether a turn waits for them: they came before the drain, perhaps. */
        press = slice->state == GRI_SLICE_DRAINING && !STAILQ_EMPTY(&held);
        gri_slice_admit_held_locked(slice, &held, refusals);
        drained = press ? NULL : steal_drained_locked(slice);
    }
    (void)pthread_mutex_unlock(&slice->lock);
    if (press) {
        gri_slice_press(slice, refusals);
        (void)pthread_mutex_lock(&slice->lock);
        drained = steal_drained_locked(slice);
        (void)pthread_mutex_unlock(&slice->lock);
    }
    tell_drained(drained);
    if (was_in) {
        (void)gri_activation_unref(activation);
    }
}

void gri_slice_park(gri_activation *activation, gri_call_message *call, gri_refusals *refusals)
{
    gri_slice *slice = activation->slice;

    (void)pthread_mutex_lock(&slice->lock);
    if (activation->state == GRI_ACTIVATION_GONE) {
        admit_locked(slice, call, refusals);
    } else {
        hold_locked(slice, &activation->held, &activation->held_count,
                    activation->hosted->mailbox_limit, call, refusals);
    }
    (void)pthread_mutex_unlock(&slice->lock);
}
