/*
 * How often and how soon somebody may be restarted. Each gri_restarts belongs to the turns of whoever decides; what to do
 * with the answer is up to supervise.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "restarts.h"

#include <granary/runtime_spi.h>

#include <gri/fail.h>
#include <gri/mem.h>

/* ---- what is given --------------------------------------------------------------------------------------------- */

static gr_err check_backoff(const gr_backoff *backoff, const char *whose)
{
    if (backoff->min_ms < 0 || backoff->max_ms < 0 || backoff->quiet_ms < 0) {
        return GRI_FAIL(GR_EINVAL,
                        "%s: back-off of %lld to %lld ms, quiet %lld ms: times are not negative",
                        whose, (long long)backoff->min_ms, (long long)backoff->max_ms,
                        (long long)backoff->quiet_ms);
    }
    if (backoff->max_ms != 0 && backoff->max_ms < backoff->min_ms) {
        return GRI_FAIL(
            GR_EINVAL, "%s: back-off up to max_ms %lld: at least min_ms %lld, or 0 for its default",
            whose, (long long)backoff->max_ms, (long long)backoff->min_ms);
    }
    if (backoff->factor != 0 && !(backoff->factor >= 1 && backoff->factor <= 100)) {
        return GRI_FAIL(GR_EINVAL, "%s: back-off by a factor of %g: 1 to 100, or 0 for 2", whose,
                        backoff->factor);
    }
    if (backoff->jitter_percent < GR_JITTER_NONE || backoff->jitter_percent > 100) {
        return GRI_FAIL(GR_EINVAL,
                        "%s: jitter_percent %d: 1 to 100, 0 for %d, or GR_JITTER_NONE for none",
                        whose, backoff->jitter_percent, GR_JITTER_PERCENT_DEFAULT);
    }
    if (backoff->min_ms == 0 && (backoff->max_ms != 0 || backoff->quiet_ms != 0 ||
                                 backoff->factor != 0 || backoff->jitter_percent != 0)) {
        return GRI_FAIL(GR_EINVAL,
                        "%s: a back-off whose min_ms is 0: set it, or leave the others 0, too",
                        whose);
    }
    return GR_OK;
}

gr_err gri_supervision_check(const gr_supervision *supervision, const char *whose, bool of_children)
{
    if ((unsigned)supervision->strategy > (unsigned)GR_ALL_FOR_ONE) {
        return GRI_FAIL(GR_EINVAL, "%s: strategy %d: GR_ONE_FOR_ONE or GR_ALL_FOR_ONE", whose,
                        (int)supervision->strategy);
    }
    if (supervision->strategy == GR_ALL_FOR_ONE && !of_children) {
        return GRI_FAIL(GR_EINVAL,
                        "%s: GR_ALL_FOR_ONE: it is for children; start the actors as those of one",
                        whose);
    }
    if (supervision->restarts < GR_RESTARTS_UNLIMITED || supervision->restarts > GR_RESTARTS_MAX) {
        return GRI_FAIL(GR_EINVAL,
                        "%s: restarts %d: 1 to %d, 0 for %d, GR_RESTARTS_NEVER, or "
                        "GR_RESTARTS_UNLIMITED",
                        whose, supervision->restarts, GR_RESTARTS_MAX, GR_RESTARTS_DEFAULT);
    }
    if (supervision->window_ms < 0) {
        return GRI_FAIL(GR_EINVAL, "%s: window_ms %lld: more than 0, or 0 for %d", whose,
                        (long long)supervision->window_ms, GR_RESTART_WINDOW_MS_DEFAULT);
    }
    return check_backoff(&supervision->backoff, whose);
}

/* ---- the count in the window ------------------------------------------------------------------------------------- */

static int restarts_allowed(const gr_supervision *supervision)
{
    return supervision->restarts == 0  ? GR_RESTARTS_DEFAULT
           : supervision->restarts < 0 ? 0
                                       : supervision->restarts;
}

static bool count(gri_restarts *restarts, const gr_supervision *supervision, int64_t now_ms)
{
    int64_t window_ms =
        supervision->window_ms == 0 ? GR_RESTART_WINDOW_MS_DEFAULT : supervision->window_ms;
    int allowed = restarts_allowed(supervision);

    if (restarts->at_ms == NULL && allowed > 0) {
        restarts->at_ms = gri_calloc((size_t)allowed, sizeof(*restarts->at_ms));
        restarts->room = restarts->at_ms == NULL ? 0 : allowed;
    }
    if (allowed > restarts->room) { /* there was no memory */
        allowed = restarts->room;
    }
    if (allowed == 0) {
        return false;
    }
    if (restarts->count >= allowed) {
        int oldest = (restarts->next + restarts->room - allowed) % restarts->room;

        if (now_ms - restarts->at_ms[oldest] < window_ms) {
            return false;
        }
    }
    restarts->count += restarts->count < restarts->room ? 1 : 0;
    restarts->at_ms[restarts->next] = now_ms;
    restarts->next = (restarts->next + 1) % restarts->room;
    return true;
}

/* ---- the back-off ------------------------------------------------------------------------------------------------- */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t max_ms_of(const gr_backoff *backoff)
{
    return backoff->max_ms != 0 ? backoff->max_ms
                                : larger(GR_BACKOFF_MAX_MS_DEFAULT, backoff->min_ms);
}

/* The delay after one of `last_ms` (0: the first), without chance. */
static double grown(const gr_backoff *backoff, double last_ms)
{
    double max_ms = (double)max_ms_of(backoff);
    double next_ms = last_ms == 0 ? (double)backoff->min_ms
                                  : last_ms * (backoff->factor == 0 ? 2 : backoff->factor);

    return next_ms < max_ms ? next_ms : max_ms;
}

/* A delay made longer by chance; where it would pass the cap, the spread lies below the cap. */
static int64_t spread(const gr_backoff *backoff, int64_t delay_ms, gr_system *sys)
{
    int percent = backoff->jitter_percent == 0  ? GR_JITTER_PERCENT_DEFAULT
                  : backoff->jitter_percent < 0 ? 0
                                                : backoff->jitter_percent;
    int64_t width_ms = delay_ms / 100 * percent + delay_ms % 100 * percent / 100;
    int64_t low_ms = delay_ms;

    if (width_ms == 0) {
        return delay_ms;
    }
    if (width_ms > max_ms_of(backoff) - delay_ms) {
        low_ms = larger(backoff->min_ms, max_ms_of(backoff) - width_ms);
        width_ms = max_ms_of(backoff) - low_ms;
    }
    return low_ms + (int64_t)(gr_system_random(sys) % ((uint64_t)width_ms + 1));
}

/* The delay before the next restart, and when that is due. */
static void back_off(gri_restarts *restarts, const gr_backoff *backoff, gr_system *sys)
{
    int64_t now_ms = gr_system_now(sys);
    int64_t quiet_ms = backoff->quiet_ms == 0 ? max_ms_of(backoff) : backoff->quiet_ms;
    int64_t delay_ms = 0;

    if (backoff->min_ms != 0) {
        if (restarts->base_ms != 0 && now_ms - restarts->due_ms >= quiet_ms) {
            restarts->base_ms = 0;
        }
        restarts->base_ms = grown(backoff, restarts->base_ms);
        delay_ms = spread(backoff, (int64_t)restarts->base_ms, sys);
    }
    restarts->delay_ms = delay_ms;
    restarts->due_ms = delay_ms > INT64_MAX - 1 - now_ms ? INT64_MAX - 1 : now_ms + delay_ms;
}

bool gri_restarts_take(gri_restarts *restarts, const gr_supervision *supervision, gr_system *sys)
{
    if (supervision->restarts != GR_RESTARTS_UNLIMITED &&
        !count(restarts, supervision, gr_system_now(sys))) {
        return false;
    }
    back_off(restarts, &supervision->backoff, sys);
    return true;
}

void gri_restarts_fini(gri_restarts *restarts)
{
    gri_free(restarts->at_ms);
    restarts->at_ms = NULL;
}
