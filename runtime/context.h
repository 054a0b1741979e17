/*
 * Running an actor's functions, and what is owed to those who asked it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CONTEXT_H
#define GRI_CONTEXT_H

#include <granary/future.h>

#include "system_internal.h"

/* The detail that goes with what a handler returned, without the fatal mark. */
gr_error gri_error_of(gr_err err);

gr_err gri_context_run_started(gri_actor *actor);
void gri_context_run_stopped(gri_actor *actor, gr_reason reason);
/* Takes the message; a failure has been handed to the supervisor when it returns. */
void gri_context_run_receive(gri_actor *actor, gr_msg *take_msg);

/* Runs a continuation with a complete future; takes the message (NULL: it began in a hook), and the holder of the rest. */
void gri_context_run_then(gri_actor *actor, const gr_msg *take_msg, gr_then_fn fn, void *arg,
                          gr_future *future, gr_msg *take_holder);

/* Lets go of replies that nobody will finish: the handlers that were filling them have panicked, or their fiber is gone. */
void gri_handlers_abandon(gr_context *ctx);

/* Lets go of what the contexts of an abandoned fiber hold. */
void gri_context_drop(gr_context *context);

/* Tells a sender elsewhere that its request will not be answered (those of this system are told by the dead letter). */
void gri_answer_foreign(gr_system *sys, const gr_msg *msg, gr_err code);
/* Answers whoever sent a message, if anybody did, with an error; without memory a future gets the bare code. */
void gri_answer_error(gr_system *sys, const gr_msg *msg, gr_err code, const char *text);
/* Tells somebody who has waited for an answer that the actor has ended. */
void gri_answer_dead(gr_system *sys, gr_pid asker);

#endif
