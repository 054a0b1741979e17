/*
 * The rules of the in-memory network. Lives in the stepper's thread, as the network does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "memory_rules.h"

#include <stdio.h>
#include <string.h>

#include <gri/mem.h>

struct gri_memory_rule {
    char from[GR_ADDRESS_BYTES_MAX]; /* "" is any */
    char to[GR_ADDRESS_BYTES_MAX];
    gr_memory_faults faults;
    SLIST_ENTRY(gri_memory_rule) next;
};

/* 0: does not fit; else the higher the more special. */
static int fit(const struct gri_memory_rule *rule, const char *from, const char *to)
{
    bool from_fits = rule->from[0] == '\0' || strcmp(rule->from, from) == 0;
    bool to_fits = rule->to[0] == '\0' || strcmp(rule->to, to) == 0;

    if (!from_fits || !to_fits) {
        return 0;
    }
    return 1 + (rule->from[0] != '\0' ? 2 : 0) + (rule->to[0] != '\0' ? 1 : 0);
}

gr_memory_faults gri_memory_rules_find(const gri_memory_rules *rules, const char *from,
                                       const char *to)
{
    gr_memory_faults faults = {0};
    const struct gri_memory_rule *rule = NULL;
    int best = 0;

    SLIST_FOREACH (rule, &rules->list, next) {
        int fits = fit(rule, from, to);

        if (fits > best) {
            best = fits;
            faults = rule->faults;
        }
    }
    return faults;
}

bool gri_memory_rules_set(gri_memory_rules *rules, const char *from, const char *to,
                          const gr_memory_faults *faults)
{
    struct gri_memory_rule *rule = NULL;

    from = from == NULL ? "" : from;
    to = to == NULL ? "" : to;
    SLIST_FOREACH (rule, &rules->list, next) {
        if (strcmp(rule->from, from) == 0 && strcmp(rule->to, to) == 0) {
            rule->faults = *faults;
            return true;
        }
    }
    rule = gri_calloc(1, sizeof(*rule));
    if (rule == NULL) {
        return false;
    }
    (void)snprintf(rule->from, sizeof(rule->from), "%s", from);
    (void)snprintf(rule->to, sizeof(rule->to), "%s", to);
    rule->faults = *faults;
    SLIST_INSERT_HEAD(&rules->list, rule, next);
    return true;
}

void gri_memory_rules_fini(gri_memory_rules *rules)
{
    struct gri_memory_rule *rule = NULL;

    while ((rule = SLIST_FIRST(&rules->list)) != NULL) {
        SLIST_REMOVE_HEAD(&rules->list, next);
        gri_free(rule);
    }
}
