/*
 * Dead letters: what nobody handled. Counted, published, logged at a limited rate, and, when the sender is a future of this
 * system, answered with an error at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <stdio.h>

const gr_type gr_dead_letter_type = GR_TYPE(gr_dead_letter);
const gr_type gr_supervision_event_type = GR_TYPE(gr_supervision_event);

static const char *cause_in_words(gr_dead_letter_cause cause)
{
    switch (cause) {
    case GR_DEAD_NO_ACTOR:
        return "nobody has this pid, or nobody any more";
    case GR_DEAD_FULL:
        return "the mailbox, or the way there, was full";
    case GR_DEAD_STOPPED:
        return "it was still in the mailbox when the actor stopped";
    case GR_DEAD_NO_SENDER:
        return "an answer to a message that nobody waits for";
    case GR_DEAD_UNREACHABLE:
        return "there is no way to that system";
    case GR_DEAD_LATE:
        return "an answer after the end of the wait, or a second one";
    case GR_DEAD_DROPPED:
        return "the oldest in a full mailbox, it made room for a newer one";
    case GR_DEAD_UNHANDLED:
        return "the actor has no handler for this type";
    }
    return "for a cause of the extender's own";
}

/*
 * A message that is lost is worth a warning. An answer that comes too late is not: who asked has been told already. Neither is what
 * is left over when a system stops.
 */
static gr_log_level level_of(gr_system *sys, gr_dead_letter_cause cause)
{
    /* Relaxed: a moment earlier or later. */
    return cause == GR_DEAD_LATE ||
                   atomic_load_explicit(&sys->phase, memory_order_relaxed) != GRI_PHASE_UP
               ? GR_LOG_INFO
               : GR_LOG_WARN;
}

/* "PID", or "PID (TYPE NAME)" of an actor that is there. */
static void describe_receiver(gr_system *sys, gr_pid to, char *text, size_t bytes)
{
    gri_process *process = to.node == sys->node ? gri_process_at(&sys->table, to.slot) : NULL;
    char pid[GR_PID_TEXT_BYTES], known[GRI_KNOWN_BYTES];

    if (process != NULL && process->kind == GRI_ACTOR && gr_process_alive(sys, to)) {
        (void)snprintf(text, bytes, "%s (%s)", gr_pid_format(to, pid),
                       gri_name_with_type(gri_actor_of(process), to, known));
    } else {
        (void)snprintf(text, bytes, "%s", gr_pid_format(to, pid));
    }
}

static void log_sometimes(gr_system *sys, gr_pid to, const gr_type *type,
                          gr_dead_letter_cause cause)
{
    gr_log_level level = level_of(sys, cause);
    char receiver[GR_PID_TEXT_BYTES + GRI_KNOWN_BYTES + 4];
    uint64_t times = 0;

    if (!gri_log_wants(sys, level) || !gri_log_due(sys, &sys->dead_letter_log, &times)) {
        return;
    }
    describe_receiver(sys, to, receiver, sizeof(receiver));
    gr_system_log(sys, level, "GR-DEAD-LETTER",
                  "message '%s' to %s was not handled: %s (%llu dead letter%s since the last line)",
                  type->name, receiver, cause_in_words(cause), (unsigned long long)times,
                  times == 1 ? "" : "s");
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
            (void)gri_future_answer(asker, sender, error);
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
    log_sometimes(sys, to, type, cause);
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
