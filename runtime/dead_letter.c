/*
 * Dead letters: what nobody handled. Counted, published, logged at a limited rate, and, when the sender is a future of this
 * system, answered with an error at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

const gr_type gr_dead_letter_type = GR_TYPE(gr_dead_letter);
const gr_type gr_supervision_event_type = GR_TYPE(gr_supervision_event);

static void log_sometimes(gr_system *sys, gr_pid to, const gr_type *type)
{
    char pid[GR_PID_TEXT_BYTES];
    uint64_t times = 0;

    if (gri_log_wants(sys, GR_LOG_INFO) && gri_log_due(sys, &sys->dead_letter_log, &times)) {
        gr_system_log(sys, GR_LOG_INFO, "GR-DEAD-LETTER",
                      "a %s to %s was not handled (%llu dead letters since the last line)",
                      type->name, gr_pid_format(to, pid), (unsigned long long)times);
    }
}

void gri_tell_asker(gr_system *sys, const gr_msg *msg, gr_err code, const char *text)
{
    gr_pid sender = gr_msg_sender(msg);
    gri_process *asker = sender.node == sys->node ? gri_process_at(&sys->table, sender.slot) : NULL;
    gr_msg *error = NULL;

    if (asker == NULL || (msg->extra != NULL && msg->extra->one_of_many)) {
        return;
    }
    if (asker->kind == GRI_FUTURE && text == NULL) {
        gri_future_fail(asker, sender, code);
    } else if (asker->kind == GRI_FUTURE) {
        error = gr_msg_new_error(code, text);
        if (error != NULL) {
            gri_future_deliver(asker, sender, error);
        } else {
            gri_future_fail(asker, sender, code);
        }
    } else if (asker->kind == GRI_CUSTOM && gr_msg_is_request(msg)) {
        error = gr_msg_new_error(code, text);
        if (error != NULL) {
            (void)gri_custom_deliver(asker, sender, error);
        }
    }
}

void gri_dead_letter_note(gr_system *sys, gr_pid to, const gr_type *type, gr_pid sender,
                          gr_dead_letter_cause cause)
{
    (void)atomic_fetch_add_explicit(&sys->dead_letters, 1, memory_order_relaxed); /* a count */
    log_sometimes(sys, to, type);
    /* Who is full of such events must not be the reason for more of them. */
    if (gri_events_wanted(sys) && type != &gr_dead_letter_type) {
        gr_dead_letter letter = {to, sender, type->name, cause};

        gr_publish(sys, &gr_dead_letter_type, &letter);
    }
}

static void add(gr_system *sys, gr_pid to, gr_msg *take_msg, gr_dead_letter_cause cause,
                gr_err code, const char *text)
{
    if (gr_msg_type(take_msg) == &gri_poison_type) { /* stopping what is not there is harmless */
        (void)gr_msg_unref(take_msg);
        return;
    }
    gri_dead_letter_note(sys, to, gr_msg_type(take_msg), gr_msg_sender(take_msg), cause);
    gri_tell_asker(sys, take_msg, code, text);
    (void)gr_msg_unref(take_msg);
}

void gr_dead_letter_add(gr_system *sys, gr_pid to, gr_msg *msg, gr_dead_letter_cause cause,
                        gr_err code)
{
    add(sys, to, msg, cause, code, NULL);
}

void gr_dead_letter_add_error(gr_system *sys, gr_pid to, gr_msg *msg, gr_dead_letter_cause cause,
                              const gr_error *why)
{
    add(sys, to, msg, cause, why->code, why->text);
}
