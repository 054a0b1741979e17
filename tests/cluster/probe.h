/*
 * A kind for tests, written by hand: every method does one thing that a test wants to see, and every activation reports to
 * the world of its node. Runs on the grains' fibers; the world's counters are atomic.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_CLUSTER_PROBE_H
#define TESTS_CLUSTER_PROBE_H

#include <stdatomic.h>

#include <granary/cluster.h>

#include "probe.pb-c.h"

enum { PROBE_REASONS = 8, PROBE_WHY_CODE = GR_EAPP + 7 };

/* What the activations of one node have done. */
typedef struct probe_world {
    atomic_int running; /* calls in a turn */
    atomic_int running_most;
    atomic_int activated;
    atomic_int deactivated[PROBE_REASONS]; /* by reason */
    atomic_int ticks;
    atomic_int tick_ms; /* how long a tick waits */
    atomic_int end_ms;  /* how long a last hook waits */
    atomic_int notes;
    atomic_int calls;
    atomic_int fail_activations; /* so many of the next first hooks fail */
    atomic_int cancelled;
    atomic_llong last_note;
    _Atomic(gr_system *) sys; /* of any node: for waiting on the fiber */
    /* Seen by a simulation; may be NULL. */
    void *arg;
    void (*on_turn)(void *arg, gr_grain *grain, int64_t number, bool begins);
    gr_err (*on_activated)(void *arg, gr_grain *grain);
} probe_world;

/* What an activation keeps. */
typedef struct probe_data {
    int64_t sum;
    char text[400];
} probe_data;

/* The table of methods. */
typedef struct probe_methods {
    probe_world *world;
    void (*present)(void); /* what every method but `absent` is found by */
    void (*absent)(void);  /* NULL: an optional method that is left out */
} probe_methods;

probe_methods probe_methods_of(probe_world *world);

enum probe_method {
    PROBE_ADD,   /* adds `number`; replies with the sum, who it is, and where */
    PROBE_GET,   /* read-only, idempotent: the sum, after `wait_ms` */
    PROBE_FAIL,  /* an error of its own, with details */
    PROBE_CRASH, /* returns a fatal error */
    PROBE_PANIC,
    PROBE_WALK, /* calls the first of `path` with the rest */
    PROBE_NOTE, /* one way: keeps `number` */
    PROBE_SEND, /* sends a note to each of `path`, then waits `wait_ms`, then fails when `number` is not 0 */
    PROBE_WAIT,   /* waits `wait_ms`, replies with how much time was left at its start */
    PROBE_QUIT,   /* asks for its end */
    PROBE_TICK,   /* starts timer 1 after `number` ms, every `wait_ms` */
    PROBE_TURN,   /* reentrant: as WAIT */
    PROBE_ABSENT, /* optional, left out */
    PROBE_APPEND, /* appends `text`; replies with the whole */
    PROBE_METHODS
};

extern const gr_type probe_ask_type;
extern const gr_type probe_tell_type;
extern const gr_type probe_why_type;

extern const gr_kind_info probe_kind;  /* "probe.Probe" */
extern const gr_kind_info probe_twin;  /* "probe.Twin": the same under another name */
extern const gr_kind_info probe_brief; /* "probe.Brief": sleeps after 200 ms, four calls may wait */
extern const gr_kind_info probe_open;  /* "probe.Open": reentrant */
extern const gr_kind_info probe_shared; /* "probe.Shared": stateless */
extern const gr_kind_info
    probe_elsewhere; /* "probe.Elsewhere": only for nodes with the role "elsewhere" */

/* Calls one method with a number; *out_number when not NULL. */
gr_err probe_call(gr_caller *caller, const gr_kind_info *kind, enum probe_method method,
                  const char *identity, int64_t number, uint32_t wait_ms, int64_t *out_number);
const gr_method *probe_method_of(const gr_kind_info *kind, enum probe_method method);

#endif
