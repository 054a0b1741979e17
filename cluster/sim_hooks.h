/*
 * Where a simulation looks in, and where it plants bugs to prove that its checker sees them. The functions are weak:
 * programs that do not define them, which are all but tests/sim, run without them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_SIM_HOOKS_H
#define GRI_SIM_HOOKS_H

#include <stdbool.h>

struct gr_grain;

typedef enum gri_sim_bug {
    GRI_SIM_ACT_WITHOUT_LEASE = 1, /* turns begin and end whatever the lease says */
    GRI_SIM_RUN_TWICE = 2,         /* what is unknown is tried again, whatever the method says */
    GRI_SIM_NO_DEADLINE = 3,       /* a call that was sent waits for ever */
    GRI_SIM_TWO_AT_ONCE = 4,       /* an activation is not found now and then */
    GRI_SIM_FORGET_DATA = 5,       /* a reply leaves, but its effect is lost */
    GRI_SIM_STAY_AWAKE = 6,        /* idle activations do not end */
    GRI_SIM_DO_NOT_OWN = 7         /* shards that come are not served */
} gri_sim_bug;

/* The exit of a turn, after it was decided whether its effects are accepted. */
void gri_sim_turn_left(const struct gr_grain *turn, bool accepted)
    __attribute__((weak, visibility("default")));

/* Whether the bug is planted, this time. */
bool gri_sim_planted(gri_sim_bug bug) __attribute__((weak, visibility("default")));

static inline bool gri_sim_has(gri_sim_bug bug)
{
    return gri_sim_planted != NULL && gri_sim_planted(bug);
}

#endif
