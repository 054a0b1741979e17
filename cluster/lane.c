/*
 * Lanes: see lane.h. A lane exists while calls are in it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lane.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include <gri/fail.h>
#include <gri/mem.h>

typedef struct gri_lane {
    uint64_t key;
    struct gri_calls calls;
    UT_hash_handle hh;
} gri_lane;

static gri_lane *lane_new(gri_exchange_bucket *bucket, uint64_t key)
{
    gri_lane *lane = gri_calloc(1, sizeof(*lane));

    if (lane == NULL) {
        return NULL;
    }
    lane->key = key;
    TAILQ_INIT(&lane->calls);
    HASH_ADD(hh, bucket->lanes, key, sizeof(lane->key), lane);
    if (lane->hh.tbl == NULL) {
        gri_free(lane);
        return NULL;
    }
    return lane;
}

gr_err gri_lane_join_locked(gri_call *call)
{
    gri_lane *lane = NULL;

    HASH_FIND(hh, call->bucket->lanes, &call->lane_key, sizeof(call->lane_key), lane);
    if (lane == NULL && call->ordered) {
        lane = lane_new(call->bucket, call->lane_key);
        if (lane == NULL) {
            return GRI_FAIL(GR_ENOMEM, "a call of %s", call->method->full_name);
        }
    }
    call->lane = lane;
    if (lane != NULL) {
        call->place = ++call->bucket->places;
        TAILQ_INSERT_TAIL(&lane->calls, call, in_lane);
    }
    return GR_OK;
}

void gri_lane_leave_locked(gri_call *call)
{
    gri_lane *lane = call->lane;

    if (lane == NULL) {
        return;
    }
    call->lane = NULL;
    TAILQ_REMOVE(&lane->calls, call, in_lane);
    if (TAILQ_EMPTY(&lane->calls)) {
        HASH_DELETE(hh, call->bucket->lanes, lane);
        gri_free(lane);
    }
}

void gri_lane_stamp_locked(const gri_call *call, gri_call_message *message)
{
    if (call->lane != NULL) {
        message->lane = call->lane_key;
        message->place = call->place;
        message->first_place = TAILQ_FIRST(&call->lane->calls)->place;
    }
}

bool gri_lane_admits_locked(const gri_call *call, uint64_t target)
{
    const gri_call *other = NULL;

    if (call->lane == NULL) {
        return true;
    }
    TAILQ_FOREACH (other, &call->lane->calls, in_lane) {
        if (other == call) {
            break;
        }
        if (other->state != GRI_CALL_SENT || other->target != target) {
            return false;
        }
    }
    while ((other = TAILQ_NEXT(other, in_lane)) != NULL) {
        if (other->state != GRI_CALL_WAITING) {
            return false;
        }
    }
    return true;
}

gri_call *gri_lane_waiting_locked(const gri_lane *lane)
{
    gri_call *call = NULL;

    TAILQ_FOREACH (call, &lane->calls, in_lane) {
        if (call->state == GRI_CALL_WAITING) {
            return call;
        }
    }
    return NULL;
}

gri_call *gri_lane_overtaken_locked(const gri_call *ran)
{
    gri_call *call = NULL;

    if (ran->lane == NULL) {
        return NULL;
    }
    TAILQ_FOREACH (call, &ran->lane->calls, in_lane) {
        if (call == ran) {
            return NULL;
        }
        if (call->state == GRI_CALL_WAITING && call->attempt > 0) {
            return gri_call_ref(call);
        }
    }
    return NULL;
}
