/*
 * One activation: an entry of its slice's table and an actor that runs its turns. The entry outlives neither its last
 * call nor its actor; the actor's state is new after every restart.
 *
 *   ACTIVE --(1)--> ENDING --(2)--> GONE        ACTIVE --(3)--> GONE
 *   (1) gri_slice_may_end(): its last hook runs   (2) gri_slice_forget()   (3) revoked, failed to activate, given up
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_ACTIVATION_H
#define GRI_ACTIVATION_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "host.h"

typedef enum gri_activation_state {
    GRI_ACTIVATION_ACTIVE = 0,
    GRI_ACTIVATION_ENDING = 1,
    GRI_ACTIVATION_GONE = 2
} gri_activation_state;

typedef struct gri_activation {
    /* Fixed. */
    gri_hosted_kind *hosted;
    gri_slice *slice;
    uint64_t epoch; /* of the slice when it began */
    gr_pid pid;
    const char *identity; /* inside `key` */
    gr_error
        *failed; /* why its first hook failed; written by its actor before it leaves the table */
    bool begun;  /* its actor has started before; the actor's */
    /* The slice's lock. */
    gri_activation_state state;
    bool asked; /* a deactivation message is under way, and it is not in the idle order */
    int64_t called_ms;
    uint32_t held_count;
    struct gri_call_list held;
    TAILQ_ENTRY(gri_activation) idle;
    UT_hash_handle hh;
    /* Any thread. */
    atomic_uint refs;
    atomic_uint pending;          /* calls sent to it and not over yet */
    atomic_int closing;           /* a gr_deactivation: run no more calls, hold them; 0: no */
    atomic_bool revoked;          /* nothing it does is accepted any more */
    atomic_int_fast64_t ended_ms; /* when its last call was over */
    size_t key_bytes;
    char key[]; /* 8 bytes: hash of the kind; then the identity and a NUL */
} gri_activation;

/* A deactivation message: "end, if you are idle" or, while closing, "end as soon as you can". */
typedef struct gri_deactivate {
    gr_deactivation reason;
} gri_deactivate;

extern const gr_type gri_deactivate_type;

/* A fresh activation with its actor, not in any table yet; GR_ENOMEM, GR_ESTOPPED. */
gr_err gri_activation_new(gri_slice *slice, gri_hosted_kind *hosted, const char *key,
                          size_t key_bytes, gri_activation **out_activation);
gri_activation *gri_activation_ref(gri_activation *activation);
gri_activation *gri_activation_unref(gri_activation *take_activation);

/* The call is over for the activation: one less is pending. */
void gri_activation_release(gri_call_message *call);

/* Asks it to end; the reason counts when it does. False: not possible now, for want of memory or because its mailbox is full. */
bool gri_activation_ask(gri_activation *activation, gr_deactivation reason);

#endif
