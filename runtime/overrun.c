/*
 * Overrun stacks. An access to the guard page of the fiber that runs is a fault, which is handled on a stack of its own:
 * the handler names the actor, and lets the fault happen again without it, so that a core file shows the place. Faults
 * that are not ours go to whoever handled them before. Installed once for the process, with the first watched thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "overrun.h"

#include <string.h>
#include <unistd.h>

#include <gri/mem.h>

#include "context.h"
#include "system_internal.h"

enum { SIGNAL_STACK_BYTES = 64 * 1024 };

static pthread_once_t installed = PTHREAD_ONCE_INIT;
static struct sigaction former_segv, former_bus; /* written once, before the handler can run */

/* ---- saying so ------------------------------------------------------------------------------------------------- */

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));

    (void)written; /* there is nobody else to tell */
}

static void say_number(size_t number)
{
    char digits[24];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say(digits + at);
}

void gri_overrun_report(const gri_fiber *fiber)
{
    const gr_context *context = fiber->context;
    const gri_actor *actor = context == NULL ? NULL : context->actor;
    char who[GRI_DESCRIPTION_BYTES];

    say("granary: ");
    if (actor != NULL) {
        gri_actor_describe(actor, who);
        say(actor->props.type_name);
        say(" actor");
        say(who[0] == '\0' ? " without a name, slot " : who);
        if (who[0] == '\0') {
            say_number(actor->base.slot);
        }
    } else {
        say("a worker");
    }
    say(" overran its stack of ");
    say_number(fiber->stack.bytes);
    say(" bytes: give it more with gr_props.stack_bytes, or all with "
        "gr_system_options.stack_bytes\n");
}

/* ---- noticing -------------------------------------------------------------------------------------------------- */

static void pass_on(const struct sigaction *former, int signal, siginfo_t *info, void *machine)
{
    if ((former->sa_flags & SA_SIGINFO) != 0 && former->sa_sigaction != NULL) {
        former->sa_sigaction(signal, info, machine);
    } else if (former->sa_handler != SIG_DFL && former->sa_handler != SIG_IGN) {
        former->sa_handler(signal);
    } else { /* again, and this time it ends the process */
        struct sigaction plain = {.sa_handler = SIG_DFL};

        (void)sigemptyset(&plain.sa_mask);
        (void)sigaction(signal, &plain, NULL);
    }
}

static void on_fault(int signal, siginfo_t *info, void *machine)
{
    const gri_worker *worker = gri_this_thread.worker;
    const gri_fiber *fiber = worker == NULL ? NULL : worker->fiber;
    struct sigaction nobody = {.sa_handler = SIG_DFL};

    /* Without a guard page it may have gone through its neighbours, and faulted far below. */
    if (fiber != NULL &&
        (gri_stack_guards(&fiber->stack, info->si_addr) || !gri_stack_intact(&fiber->stack))) {
        gri_overrun_report(fiber);
        pass_on(&nobody, signal, info, machine);
        return;
    }
    pass_on(signal == SIGSEGV ? &former_segv : &former_bus, signal, info, machine);
}

static void install(void)
{
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    (void)sigemptyset(&ours.sa_mask);
    (void)sigaction(SIGSEGV, NULL, &former_segv);
    (void)sigaction(SIGBUS, NULL, &former_bus);
    (void)sigaction(SIGSEGV, &ours, NULL);
    (void)sigaction(SIGBUS, &ours, NULL); /* what macOS says instead */
}

void gri_overrun_watch(gri_signal_stack *stack)
{
    stack_t now;
    stack_t ours;

    stack->memory = NULL;
    (void)pthread_once(&installed, install);
    if (sigaltstack(NULL, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) {
        return; /* a sanitizer's, or the application's: as good as ours */
    }
    memset(&ours, 0, sizeof(ours));
    ours.ss_size = SIGNAL_STACK_BYTES;
    ours.ss_sp = gri_alloc(ours.ss_size);
    if (ours.ss_sp == NULL || sigaltstack(&ours, NULL) != 0) {
        gri_free(ours.ss_sp);
        return;
    }
    stack->memory = ours.ss_sp;
}

void gri_overrun_unwatch(gri_signal_stack *stack)
{
    stack_t none;

    if (stack->memory != NULL) {
        memset(&none, 0, sizeof(none));
        none.ss_flags = SS_DISABLE;
        (void)sigaltstack(&none, NULL);
        gri_free(stack->memory);
        stack->memory = NULL;
    }
}
