/*
 * The view: the one agreed table of members and shard owners, as a value. Everything here is pure:
 * no clock, no I/O, no locks; whoever wants a change computes the next view and offers it to the
 * coordinator.
 *
 * Terms: a shard is a slice of the grains of a role; its owner is what the view says, never what
 * hashing says; hashing (weighted rendezvous) only says who should own it. Every change of owner
 * raises the shard's epoch.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_VIEW_H
#define GRI_CLUSTER_VIEW_H

#include <stdatomic.h>

#include <granary/cluster_spi.h>

typedef struct gri_member {
    uint64_t node; /* the incarnation: a pid's node */
    char *address; /* "tcp://host:port" */
    char *role;    /* "" for none */
    char **kinds;  /* names on the wire, sorted */
    size_t kinds_count;
    uint32_t weight; /* at least 1 */
    bool leaving;    /* should own nothing; still owns what it has not given away */
} gri_member;

typedef struct gri_shard {
    uint64_t owner; /* a member's node; 0 only while there is no member that could own it */
    uint64_t epoch; /* rises with every change of owner */
} gri_shard;

/* The shards of one role; role "" always exists and is owned by any member. */
typedef struct gri_role_shards {
    char *role;
    gri_shard *shards; /* shards_count of the view */
} gri_role_shards;

/* Immutable once made; shared by reference. */
typedef struct gri_view {
    atomic_uint_fast32_t refs;
    uint64_t version; /* rises by one with every change; compare only within one `founded` */
    uint64_t founded; /* random, of whoever created the view where there was none */
    int64_t act_after_wall_ms; /* unused by rules on time; for people: when it was founded */
    uint32_t protocol;         /* of the cluster; GRI_VIEW_PROTOCOL */
    uint32_t shards_count;     /* fixed for a cluster */
    gri_member *members;       /* sorted by node */
    size_t members_count;
    gri_role_shards *roles; /* sorted by role */
    size_t roles_count;
} gri_view;

enum { GRI_VIEW_PROTOCOL = 1 };

typedef enum gri_view_event_kind {
    GRI_VIEW_JOIN,    /* `member` comes, with no shards unless nobody owns them */
    GRI_VIEW_LEAVE,   /* `node` has given all away or its lease is marked left: it goes; shards it
                         still has get new owners */
    GRI_VIEW_FENCED,  /* `node` has been fenced: it goes, its shards get new owners in the same step
                       */
    GRI_VIEW_LEAVING, /* `node` begins to leave: it should own nothing from now on */
    GRI_VIEW_GIVE /* `node` has drained `shard` of `role` and gives it to who should own it now */
} gri_view_event_kind;

typedef struct gri_view_event {
    gri_view_event_kind kind;
    uint64_t node;
    const gri_member *member; /* JOIN */
    const char *role;         /* GIVE */
    uint32_t shard;           /* GIVE */
    int64_t wall_ms;          /* the floor for new epochs */
} gri_view_event;

/*
 * The view after an event, or NULL in *out_view with GR_OK when the event changes nothing. `view`
 * NULL: JOIN founds one with `shards_count` and `founded`. Errors: GR_EMISMATCH other shards_count
 * or protocol (both named), GR_EEXIST the node is a member, GR_ENOTFOUND it is none, GR_EINVAL GIVE
 * by who does not own the shard, GR_ENOMEM.
 */
gr_err gri_view_next(const gri_view *view, const gri_view_event *event, uint32_t shards_count,
                     uint64_t founded, gri_view **out_view);

/* Weighted rendezvous hashing (highest random weight): who should own a shard; 0 when no member
 * may. */
uint64_t gri_view_should_own(const gri_view *view, const char *role, uint32_t shard);

/* The shard of a grain: XXH64 of the kind's name, a NUL and the identity, modulo the number of
 * shards. */
uint32_t gri_view_shard(const gri_view *view, const gr_kind_info *kind, const char *identity);

/* The shards of a role (NULL or "": of any node), or NULL when no member has that role; a member by
 * its node, or NULL. */
const gri_shard *gri_view_shards(const gri_view *view, const char *role);
const gri_member *gri_view_member(const gri_view *view, uint64_t node);
bool gri_view_hosts(const gri_view *view, uint64_t node, const char *kind);
size_t gri_view_owned(const gri_view *view, uint64_t node);

/* To and from the bytes of the coordinator's record and of the message that tells clients
 * (granary.View). */
gr_err gri_view_pack(const gri_view *view, uint8_t **out_bytes, size_t *out_count);
gr_err gri_view_unpack(const uint8_t *bytes, size_t count, gri_view **out_view);

gri_view *gri_view_ref(gri_view *view);
gri_view *gri_view_unref(gri_view *take_view);

/* Asserts what must hold of every view: sorted, unique, owners are members that have the role,
 * weights. */
void gri_view_check(const gri_view *view);

#endif
