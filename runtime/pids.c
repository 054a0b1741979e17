/*
 * Pids: growing lists of them, and their text.
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

const char *gr_pid_format(gr_pid pid, char text[GR_PID_TEXT_BYTES])
{
    (void)snprintf(text, GR_PID_TEXT_BYTES, "%016llx/%u.%u", (unsigned long long)pid.node, pid.slot,
                   pid.generation);
    return text;
}
