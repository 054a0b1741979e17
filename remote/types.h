/*
 * Message types by name, and their numbers in a session. Names travel once in each direction of a
 * session, then a number stands for them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_TYPES_H
#define GRI_REMOTE_TYPES_H

#include <pthread.h>

#include <granary/runtime_spi.h>

enum { GRI_SESSION_TYPES_MAX = 4096 };

/* What this process can receive; any thread. */
typedef struct gri_types {
    pthread_rwlock_t lock;
    struct gri_type_entry *by_name; /* lock */
} gri_types;

void gri_types_init(gri_types *types);
void gri_types_fini(gri_types *types);
/* GR_EINVAL no codec or a bad name, GR_EEXIST another type has the name, GR_ENOMEM. */
gr_err gri_types_add(gri_types *types, const gr_type *type);
const gr_type *gri_types_find(gri_types *types, const char *name, size_t name_bytes);

/* The numbers that this side has given, from 1. Under the session's lock. */
typedef struct gri_numbers_out {
    const gr_type **types; /* by number - 1 */
    uint32_t count, room;
    struct gri_number *by_type;
} gri_numbers_out;

/* The number of a type; `*out_fresh` when it is new and the name must be told. 0: no more. */
uint16_t gri_numbers_out_get(gri_numbers_out *numbers, const gr_type *type, bool *out_fresh);
const gr_type *gri_numbers_out_type(const gri_numbers_out *numbers, uint16_t number);
/* Takes the newest number back, whose name could not be told. */
void gri_numbers_out_undo(gri_numbers_out *numbers);
void gri_numbers_out_fini(gri_numbers_out *numbers);

/* The numbers that the peer has given. Only the thread that receives. */
typedef struct gri_number_in {
    const gr_type *type; /* NULL: not known here, or not yet */
    char *name;
} gri_number_in;

typedef struct gri_numbers_in {
    gri_number_in *entries; /* by number - 1 */
    uint32_t count, room;
} gri_numbers_in;

/* The next number stands for this name. False: too many, a bad name, or out of memory. */
bool gri_numbers_in_add(gri_numbers_in *numbers, uint16_t number, const uint8_t *name,
                        size_t name_bytes);
/* NULL: the peer has not given this number. A type that was added since is found now. */
const gri_number_in *gri_numbers_in_get(gri_numbers_in *numbers, gri_types *types, uint16_t number);
void gri_numbers_in_fini(gri_numbers_in *numbers);

#endif
