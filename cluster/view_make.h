/*
 * For the files that make views: a view under construction has one holder and may be written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_VIEW_MAKE_H
#define GRI_CLUSTER_VIEW_MAKE_H

#include "view.h"

/* Version 0, no members, no roles, with room for some; NULL when out of memory. */
gri_view *gri_view_new(uint32_t shards_count, size_t members_room, size_t roles_room);

/* Adds the role's shards, owned by nobody; there must be room. */
gr_err gri_view_add_role(gri_view *view, const char *role);

/* A copy to be written, with room for one more member and one more role. */
gr_err gri_view_copy(const gri_view *from, gri_view **out_view);

/* NULL when no member ever had it. */
const gri_role_shards *gri_view_role(const gri_view *view, const char *role);

bool gri_member_may_own(const gri_member *member, const char *role);
gr_err gri_member_validate(const gri_member *member);

#endif
