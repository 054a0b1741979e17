/*
 * Waiting for the coordinator, and for time to go by: the fiber sleeps, or the thread. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "membership_internal.h"

#include <granary/runtime_spi.h>

#include <gri/fail.h>

enum { PAUSE_FIRST_MS = 50, PAUSE_LAST_MS = 500 };

gr_err gri_operation_await(gr_err starting, gr_future *take_future, gr_msg **out_msg,
                           const gr_coordinator_answer **out_answer)
{
    gr_msg *msg = NULL;
    const gr_coordinator_answer *answer = NULL;
    gr_err err = starting;

    if (err != GR_OK) {
        return err;
    }
    err = gr_await(take_future, GR_FOREVER, &msg); /* coordinators keep the time limit themselves */
    if (err == GR_OK) {
        answer = gr_msg_read(msg, &gr_coordinator_answer_type);
        if (answer == NULL) {
            err = GRI_FAIL(GR_EPROTO, "the coordinator answered with '%s'", gr_msg_type(msg)->name);
            gr_msg_unref(msg);
        } else {
            *out_msg = msg;
            *out_answer = answer;
        }
    }
    gr_future_unref(take_future);
    return err;
}

gr_err gri_pause(gr_system *sys, int64_t ms)
{
    gr_future *never = NULL;
    gr_msg *nothing = NULL;
    gr_err err = gr_future_new(sys, GR_FOREVER, &never);

    if (err != GR_OK) {
        return err;
    }
    err = gr_await(never, ms < 1 ? 1 : ms, &nothing);
    gr_future_unref(never);
    return err == GR_ETIMEDOUT ? GR_OK : err;
}

gr_err gri_pause_after_failure(gr_system *sys, unsigned nth)
{
    int64_t most = nth > 5 ? PAUSE_LAST_MS : (int64_t)PAUSE_FIRST_MS << nth;

    most = most > PAUSE_LAST_MS ? PAUSE_LAST_MS : most;
    return gri_pause(sys, most / 2 + (int64_t)(gr_system_random(sys) % (uint64_t)(most / 2 + 1)));
}
