/*
 * Pids: the addresses of everything that has an inbox. A pid is a small value, copied freely; it
 * never refers to a second actor after its first is gone, because the generation differs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_PID_H
#define GRANARY_PID_H

#include <granary/api.h>

GR_BEGIN_DECLS

/** `node` is the random id of the system that made it (0 only in the null pid). */
typedef struct gr_pid {
    uint64_t node;
    uint32_t slot;
    uint32_t generation;
} gr_pid;

/** Room for any pid as text, such as "a1b2c3d4e5f60718/42.3", with the final NUL. */
enum { GR_PID_TEXT_BYTES = 40 };

/** Nobody. */
static inline gr_pid gr_pid_null(void)
{
    gr_pid nobody = {0, 0, 0};

    return nobody;
}

static inline bool gr_pid_is_null(gr_pid pid)
{
    return pid.node == 0;
}

static inline bool gr_pid_equal(gr_pid a, gr_pid b)
{
    return a.node == b.node && a.slot == b.slot && a.generation == b.generation;
}

/**
 * Writes a pid as text.
 *
 * Owns:    fills the caller's buffer and returns it.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API const char *gr_pid_format(gr_pid pid, char text[GR_PID_TEXT_BYTES]);

GR_END_DECLS
#endif
