/*
 * Custom processes: inboxes made by other layers. A delivery under way keeps its process open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "future_internal.h"

#include <gri/fail.h>
#include <gri/mem.h>

void gri_custom_prepare(gri_custom *custom)
{
    (void)pthread_mutex_init(&custom->lock, NULL);
}

static bool is_well_known(const gri_custom *custom)
{
    return custom->base.slot < GR_SLOTS_WELL_KNOWN;
}

gr_err gr_process_open(gr_system *sys, const gr_process_ops *ops, void *self, uint32_t slot,
                       gr_pid *out_pid)
{
    gri_custom *custom = NULL;
    bool taken = false;

    if (ops == NULL || ops->version != GR_PROCESS_VERSION || slot >= GR_SLOTS_WELL_KNOWN) {
        return GRI_FAIL(GR_EINVAL, "a process needs ops of version %d and a slot below %d",
                        GR_PROCESS_VERSION, GR_SLOTS_WELL_KNOWN);
    }
    /* Relaxed: a refusal that comes a moment late does no harm. */
    if (atomic_load_explicit(&sys->phase, memory_order_relaxed) == GRI_PHASE_DOWN) {
        return GRI_FAIL(GR_ESTOPPED, "system %s has stopped", sys->name);
    }
    custom = (gri_custom *)(slot == 0 ? gri_process_take(sys, GRI_CUSTOM)
                                      : gri_process_take_well_known(sys, slot));
    if (custom == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a process of type %s", ops->type_name);
    }
    (void)pthread_mutex_lock(&custom->lock);
    taken = custom->ops != NULL || custom->delivering != 0;
    if (!taken) {
        custom->ops = ops;
        custom->self = self;
        *out_pid = gri_process_pid(&custom->base);
    }
    (void)pthread_mutex_unlock(&custom->lock);
    return taken ? GRI_FAIL(GR_EEXIST, "slot %u is taken", slot) : GR_OK;
}

/* Ends it when it is closed and the last delivery has left; called with the lock, gives it back. */
static void settle_and_unlock(gri_custom *custom)
{
    const gr_process_ops *ops = custom->closing;
    void *self = custom->self;

    if (ops == NULL || custom->delivering != 0) {
        (void)pthread_mutex_unlock(&custom->lock);
        return;
    }
    custom->closing = NULL;
    custom->self = NULL;
    (void)pthread_mutex_unlock(&custom->lock);
    if (!is_well_known(custom)) {
        gri_process_give(&custom->base);
    }
    if (ops->closed != NULL) {
        ops->closed(self);
    }
}

gr_err gri_custom_deliver(gri_process *process, gr_pid to, gr_msg *msg)
{
    gri_custom *custom = (gri_custom *)process;
    const gr_process_ops *ops = NULL;
    void *self = NULL;

    (void)pthread_mutex_lock(&custom->lock);
    ops = custom->ops;
    self = custom->self;
    /* Relaxed: changes only under the lock. */
    if (ops == NULL ||
        atomic_load_explicit(&process->generation, memory_order_relaxed) != to.generation) {
        (void)pthread_mutex_unlock(&custom->lock);
        gr_dead_letter_add(process->sys, to, msg, GR_DEAD_NO_ACTOR, GR_EDEAD);
        return GR_EDEAD;
    }
    custom->delivering++;
    (void)pthread_mutex_unlock(&custom->lock);
    ops->deliver(self, to, msg);
    (void)pthread_mutex_lock(&custom->lock);
    custom->delivering--;
    settle_and_unlock(custom);
    return GR_OK;
}

void gr_process_close(gr_system *sys, gr_pid pid)
{
    gri_process *process = pid.node == sys->node ? gri_process_at(&sys->table, pid.slot) : NULL;
    gri_custom *custom = (gri_custom *)process;

    if (process == NULL || process->kind != GRI_CUSTOM) {
        return;
    }
    (void)pthread_mutex_lock(&custom->lock);
    /* Relaxed: changes only under the lock. */
    if (custom->ops == NULL ||
        atomic_load_explicit(&process->generation, memory_order_relaxed) != pid.generation) {
        (void)pthread_mutex_unlock(&custom->lock);
        return;
    }
    custom->closing = custom->ops;
    custom->ops = NULL;
    if (!is_well_known(custom)) {
        (void)atomic_fetch_add_explicit(&process->generation, 1,
                                        memory_order_relaxed); /* under the lock */
    }
    settle_and_unlock(custom);
}

void gri_custom_fini(gri_process *process)
{
    (void)pthread_mutex_destroy(&((gri_custom *)process)->lock);
}
