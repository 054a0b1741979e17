/*
 * For the files that make views: a view under construction has one holder and may be written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_VIEW_MAKE_H
#define GRI_CLUSTER_VIEW_MAKE_H

#include "view.h"

/* Version 0, no members, no tables, with room for some; NULL when out of memory. */
gri_view *gri_view_new(uint32_t shards_count, size_t members_room, size_t tables_room);

/* Add a table, or those that a member needs and that are not there, owned by nobody; there must be
 * room. */
gr_err gri_view_add_table(gri_view *view, const char *name);
gr_err gri_view_add_tables(gri_view *view, const gri_member *member);

/* A copy to be written, with room for `joining` (NULL: nobody) and its tables. */
gr_err gri_view_copy(const gri_view *from, const gri_member *joining, gri_view **out_view);

/* NULL when no member ever needed it. */
const gri_table *gri_view_find_table(const gri_view *view, const char *name);

bool gri_member_may_own(const gri_member *member, const char *table);
gr_err gri_member_validate(const gri_member *member);

#endif
