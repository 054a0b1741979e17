/*
 * The invariant of ownership, checked while a simulation runs: at no time may two nodes act for one
 * shard, and nobody acts for a shard under an epoch lower than one under which it was acted for before.
 * A node acts for a shard when the newest view it has says that it owns it, its lease is valid, and it
 * has not drained it. Keeps a short history to be printed on failure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_TESTS_OWNERSHIP_H
#define GRANARY_TESTS_OWNERSHIP_H

#include "membership.h"

typedef struct ownership ownership;

ownership *ownership_new(gr_stepped *stepped);
ownership *ownership_free(ownership *take_ownership);

/* From now on, and no longer, this membership is part of the check. */
void ownership_add(ownership *o, gri_membership *membership, const char *name);
void ownership_remove(ownership *o, gri_membership *membership);

/* The membership has drained a shard under its present epoch, or serves it again after all. */
void ownership_drained(ownership *o, gri_membership *membership, const gri_shard_ref *shard,
                       bool drained);

/* Adds a line to the history. */
void ownership_note(ownership *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* False when the invariant is broken; the first time, history and reason go to stdout. Cheap when
 * nothing has changed: call it after every step. */
bool ownership_check(ownership *o);

/* The store was set back, and nobody can know of that before having looked: until then nothing is checked,
 * and what was done before is forgotten. */
void ownership_pardon(ownership *o, int64_t until_ms);

/* How many shards of the table nobody acts for now. */
uint32_t ownership_unserved(ownership *o, const char *table, uint32_t shards);

void ownership_print(const ownership *o);

#endif
