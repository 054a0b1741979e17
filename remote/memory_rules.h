/*
 * What the in-memory network does to messages from one address to another: a list of rules, of which
 * the most special one that fits holds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_MEMORY_RULES_H
#define GRI_REMOTE_MEMORY_RULES_H

#include <sys/queue.h>

#include <granary/remote_spi.h>

/* Zero it to begin. */
typedef struct gri_memory_rules {
    SLIST_HEAD(, gri_memory_rule) list;
} gri_memory_rules;

/* Sets or replaces the rule for this pair; NULL is any address. False: out of memory. */
bool gri_memory_rules_set(gri_memory_rules *rules, const char *from, const char *to,
                          const gr_memory_faults *faults);
/* No faults when no rule fits. Two addresses beat one, and who sends beats who receives. */
gr_memory_faults gri_memory_rules_find(const gri_memory_rules *rules, const char *from,
                                       const char *to);
void gri_memory_rules_fini(gri_memory_rules *rules);

#endif
