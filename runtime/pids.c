/*
 * Growing lists of pids.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include <stdio.h>

#include <gri/mem.h>

bool gri_pids_add(gri_pids *pids, gr_pid pid)
{
    size_t room = pids->room == 0 ? 4 : pids->room * 2;
    gr_pid *at = NULL;

    if (pids->count == pids->room) {
        at = gri_realloc(pids->at, room * sizeof(*at));
        if (at == NULL) {
            return false;
        }
        pids->at = at;
        pids->room = room;
    }
    pids->at[pids->count++] = pid;
    return true;
}

bool gri_pids_remove(gri_pids *pids, gr_pid pid)
{
    size_t i = 0;

    for (i = 0; i < pids->count; i++) {
        if (gr_pid_equal(pids->at[i], pid)) {
            pids->at[i] = pids->at[--pids->count];
            return true;
        }
    }
    return false;
}

bool gri_pids_has(const gri_pids *pids, gr_pid pid)
{
    size_t i = 0;

    for (i = 0; i < pids->count; i++) {
        if (gr_pid_equal(pids->at[i], pid)) {
            return true;
        }
    }
    return false;
}

const char *gr_pid_format(gr_pid pid, char text[GR_PID_TEXT_BYTES])
{
    (void)snprintf(text, GR_PID_TEXT_BYTES, "%016llx/%u.%u", (unsigned long long)pid.node, pid.slot,
                   pid.generation);
    return text;
}
