/*
 * Order: the calls of one caller to one grain that are under way at the same time, oldest first. A call may
 * leave only when all older ones of its lane have left for the same node and no younger one is on its way; so
 * what did not run is tried again in the order it was asked for. A node that refuses a call remembers its
 * place for as long as the caller may try it again (lines.h), and refuses the younger ones that are on their
 * way already. Should a younger one have run all the same, the older one is reported as refused instead of
 * being run late. All under the lock of the lane's bucket.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_LANE_H
#define GRI_LANE_H

#include "call.h"

/* Puts a call at the end of its lane; one that is not `ordered` only joins a lane that exists.
 * GR_ENOMEM. */
gr_err gri_lane_join_locked(gri_call *call);
void gri_lane_leave_locked(gri_call *call);

/* Writes the call's lane and places into a message that is about to leave. */
void gri_lane_stamp_locked(const gri_call *call, gri_call_message *message);

/* Whether the call may leave for a node now. */
bool gri_lane_admits_locked(const gri_call *call, uint64_t target);

/* The oldest call of the lane that has not left; NULL: none. */
gri_call *gri_lane_waiting_locked(const struct gri_lane *lane);

/* Whether a call waits although a younger one of its lane has run: the next such, with a reference,
 * or NULL. `ran` is the younger one, still in the lane. */
gri_call *gri_lane_overtaken_locked(const gri_call *ran);

#endif
