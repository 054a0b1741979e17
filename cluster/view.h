/*
 * The view: the one agreed table of members and shard owners, as a value. Everything here is pure:
 * no clock, no I/O, no locks; whoever wants a change computes the next view and offers it to the
 * coordinator.
 *
 * Terms: a shard is a slice of the grains of a kind or role; its owner is what the view says, never what
 * hashing says; hashing only says who should own it. Every change of owner raises the shard's
 * epoch.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_VIEW_H
#define GRI_CLUSTER_VIEW_H

#include <stdatomic.h>

#include <granary/cluster_spi.h>

/* The coordinator's key of the view, within the cluster that it was opened for. */
#define GRI_VIEW_KEY "view"

enum {
    GRI_VIEW_PROTOCOL = 1,
    GRI_VIEW_SHARDS_MAX = 16384,
    GRI_VIEW_MEMBERS_MAX = 4096,
    GRI_VIEW_WEIGHT_MAX = 65536,
    GRI_VIEW_TABLE_BYTES = 264,
    GRI_VIEW_DEPARTED_MAX = 64
};

typedef struct gri_member {
    uint64_t node; /* the incarnation: a pid's node */
    char *address; /* "tcp://host:port" */
    char *role;    /* "" for none */
    char **kinds;  /* hosted, without a role of theirs: names on the wire, sorted */
    size_t kinds_count;
    char **role_kinds; /* hosted, that ask for the role: sorted */
    size_t role_kinds_count;
    uint32_t weight; /* at least 1 */
    bool leaving;    /* should own nothing; still owns what it has not given away */
} gri_member;

typedef struct gri_shard {
    uint64_t owner; /* a member's node; 0: nobody, because the view is not settled or because there
                       is no member that could own it */
    uint64_t epoch; /* rises with every change of owner */
} gri_shard;

/*
 * The shards of a kind without a role ("kind:<name>", owned by members that host it), or of all kinds
 * that ask for a role ("role:<role>", owned by members that have it). A table comes with the first
 * member that needs it, and stays when the last one has gone, so that its epochs cannot go back.
 */
typedef struct gri_table {
    char *name;
    gri_shard *shards; /* shards_count of the view */
} gri_table;

/* Names one shard of one table, as it is owned under an epoch. */
typedef struct gri_shard_ref {
    const char *table;
    uint32_t shard;
    uint64_t epoch;
} gri_shard_ref;

/* Immutable once made; shared by reference. */
typedef struct gri_view {
    atomic_uint_fast32_t refs;
    uint64_t version;        /* rises by one with every change; compare only within one `founded` */
    uint64_t founded;        /* random, of whoever created the view where there was none */
    int64_t founded_wall_ms; /* for people: when that was */
    uint32_t protocol;       /* of the cluster; GRI_VIEW_PROTOCOL */
    uint32_t shards_count;   /* fixed for a cluster */
    int64_t lease_ms;        /* of every member: how long to wait for one rests on it */
    /* False from its founding until every owner of a view that was lost must have stopped. Nobody
     * owns anything in an unsettled view. */
    bool settled;
    gri_member *members; /* sorted by node */
    size_t members_count;
    gri_table *tables; /* sorted by name */
    size_t tables_count;
    /* The last nodes that went, oldest first: their lease records may still have to be removed. */
    uint64_t departed[GRI_VIEW_DEPARTED_MAX];
    size_t departed_count;
} gri_view;

typedef enum gri_view_event_kind {
    GRI_VIEW_JOIN,    /* `member` comes, with no shards but those that nobody owns; members that
                         have its address begin to leave: the younger wins */
    GRI_VIEW_SETTLE,  /* the view has been there for so long that nobody acts by an older one: it is
                         settled */
    GRI_VIEW_LEAVE,   /* `node` acts no more: it goes; shards that it still has get new owners */
    GRI_VIEW_FENCED,  /* `node` has been fenced: as LEAVE */
    GRI_VIEW_LEAVING, /* `node` begins to leave: it should own nothing from now on */
    GRI_VIEW_GIVE     /* `node` has drained `given`, each under its epoch, and gives each shard to
                         who should own it now */
} gri_view_event_kind;

typedef struct gri_view_event {
    gri_view_event_kind kind;
    uint64_t node;
    const gri_member *member;   /* JOIN */
    int64_t lease_ms;           /* JOIN: of the node that comes */
    const gri_shard_ref *given; /* GIVE */
    size_t given_count;
    int64_t wall_ms; /* the floor for new epochs */
} gri_view_event;

/*
 * The view after an event; NULL in *out_view with GR_OK when the event changes nothing. `view`
 * NULL: JOIN founds one with `shards_count`, `founded` and its lease. Errors: GR_EMISMATCH another
 * shards_count, protocol or lease (both named), GR_EEXIST the node is a member, GR_ENOTFOUND it is none,
 * GR_EINVAL GIVE by who does not own a shard under that epoch, or a member that cannot be, GR_EFULL too many members,
 * GR_ENOMEM.
 */
gr_err gri_view_next(const gri_view *view, const gri_view_event *event, uint32_t shards_count,
                     uint64_t founded, gri_view **out_view);

/* Whether a node with so many shards and such a lease may be a member of this view's cluster;
 * GR_EMISMATCH names both numbers. A settled view without members takes the lease of whoever comes
 * first: nobody is left who acts by another. */
gr_err gri_view_admits(const gri_view *view, uint32_t shards_count, int64_t lease_ms);

/*
 * Who should own each shard of a table, given who owns it now: bounded rendezvous hashing. Writes
 * shards_count owners, 0 where no member may. Errors: GR_ENOMEM.
 */
gr_err gri_view_plan(const gri_view *view, const gri_table *table, uint64_t *out_owners);

/* Whether the view is settled and every shard is where it should be. */
bool gri_view_at_rest(const gri_view *view);

/* The plan for one shard; 0 also when out of memory. For tests and tools: computes the whole plan.
 */
uint64_t gri_view_should_own(const gri_view *view, const char *table, uint32_t shard);

/* At most `room` shards that `node` owns and should give away; *out_count of them are written, and
 * *out_count is what there is room for. Names live as long as the view. Errors: GR_ENOMEM. */
gr_err gri_view_to_give(const gri_view *view, uint64_t node, gri_shard_ref *out_shards, size_t room,
                        size_t *out_count);

/* XXH64 of the kind's name, a NUL and the identity; and the shard of a grain: that, modulo the
 * number of shards. */
uint64_t gri_grain_hash(const gr_kind_info *kind, const char *identity);
uint32_t gri_view_shard(const gri_view *view, const gr_kind_info *kind, const char *identity);

/* The table of a kind, written into `name` and given back. */
const char *gri_view_table(const gr_kind_info *kind, char name[GRI_VIEW_TABLE_BYTES]);

/* The shards of a table, or NULL when no member ever needed it; a member by its node, or NULL. */
const gri_shard *gri_view_shards(const gri_view *view, const char *table);
const gri_member *gri_view_member(const gri_view *view, uint64_t node);
bool gri_view_hosts(const gri_view *view, uint64_t node, const char *kind);
size_t gri_view_owned(const gri_view *view, uint64_t node);

/* Whether `later` is newer, of the same founding, and undoes nothing of `earlier`: every table is still
 * there, no epoch has gone back, and under the same epoch a shard has the same owner. */
bool gri_view_continues(const gri_view *earlier, const gri_view *later);

/* Whether two views say the same in all, however their bytes were written. */
bool gri_view_same(const gri_view *a, const gri_view *b);

/* Tells a view's bytes from others, for as long as nobody makes them alike on purpose: XXH64. */
uint64_t gri_view_fingerprint(const uint8_t *bytes, size_t count);

/* To and from the bytes of the coordinator's record and of the message that tells clients
 * (granary.View). `*out_bytes` is gri_free()d. Errors of unpack: GR_EDECODE what does not hold of
 * the bytes, GR_EMISMATCH another protocol, GR_ENOMEM; of pack: GR_ETOOBIG for a coordinator. */
gr_err gri_view_pack(const gri_view *view, uint8_t **out_bytes, size_t *out_count);
gr_err gri_view_unpack(const uint8_t *bytes, size_t count, gri_view **out_view);

gri_view *gri_view_ref(gri_view *view);
gri_view *gri_view_unref(gri_view *take_view);

/* The contents of a member, copied and freed. */
gr_err gri_member_copy(const gri_member *from, gri_member *out_member);
void gri_member_fini(gri_member *member);

/* What must hold of every view, as a sentence when it does not: sorted, unique, owners are members
 * that may own, weights. And asserts it. */
gr_err gri_view_validate(const gri_view *view);
void gri_view_check(const gri_view *view);

#endif
