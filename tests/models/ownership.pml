/*
 * Who may act for a shard: leases, fencing and the view, for two or three nodes and one shard. What is proved, by going
 * through all states: two nodes never act for the shard at once. Any step may be taken late or never, so nodes pause, and
 * requests and answers are delayed and lost, as one likes; nodes crash, and start again under a new id (another node here).
 *
 *   here                          there
 *   begin, write, renewed         cluster/lease.c: renew_and_confirm(), lease_round(); membership.c: gri_membership_extend()
 *   look, fence                   cluster/fence.c: judge(), end_lease()
 *   change (a request under way)  cluster/view_change.c: try_change(); view_next.c: what it asks for
 *   drain, give, take up          cluster/drain.c: begin_batch(), give_batch(), end_batch()
 *   leave                         cluster/drain.c: leave()
 *   act                           cluster/lease_gate.c, with what host.c knows of the view
 *
 * Time goes in ticks, a few for a lease. Clocks drift: in the time of a lease a holder's misses a tick, and a watcher's counts
 * one too many, which is the worst that the margin of one tick is there for; all that is less only has nodes act
 * less, and fence later, and so is contained. Revisions are not counted: for each
 * request that expects one there is a bit, which any write of that record clears. A node that has crashed is one that takes
 * no more steps. Renewals do not read the view here, which only gives more rights. Not here: a view that is lost or set back
 * (tests/cluster/membership_test.c has that), more than one shard, and what hashing says.
 *
 *   BUG 1 the right is counted from the answer     2 fenced a tick early            3 removed without fencing
 *       4 given before it is drained               5 taken up although an attempt may still arrive
 *       6 a lease that has run out is ignored      7 no margin
 *       8 not a bug: shows that the shard moves to a node that came later, which acts for it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef NODES
#define NODES 2
#endif
#ifndef VERSIONS
#define VERSIONS 4
#endif

#define LEASE 2
#define DRIFT 1
#define MARGIN (BUG == 7 -> 0 : 1)
#define RIGHT (LEASE - MARGIN + DRIFT)                  /* ticks of true time, from the beginning of a round */
#define QUIET (LEASE + MARGIN - DRIFT - (BUG == 2 -> 1 : 0))
#define NOBODY NODES
#define HAS(set, n) (((set) >> (n)) & 1)

mtype = {UNBORN, TAKEN, MEMBER, LEFT, OUT};         /* a node */
mtype = {ABSENT, HELD, GIVEN_BACK, FENCED};         /* a lease record */
mtype = {IDLE, GOING, DONE, FAILED};                /* the request of a round */

/* Of single steps, so no part of the state. */
hidden byte i, other, heir;

/* ---- at the coordinator */
mtype lease[NODES] = ABSENT;
byte version = 1, owner = 0, members = 1;

/* ---- each node */
mtype mode[NODES] = UNBORN;
byte right[NODES];                                  /* ticks left by its own clock */
byte age[NODES];                                    /* ticks since its round began */
mtype writing[NODES] = IDLE;
bool write_fits[NODES];
byte known_version[NODES], known_owner[NODES], known_members[NODES];
bool drained[NODES];
byte unsure_at[NODES];                              /* an attempt to give at this version may still arrive */

/* a change of the view under way: at most one for each node */
bool changing[NODES], changing_waited[NODES];
byte change_at[NODES], change_owner[NODES], change_members[NODES];

/* ---- each watcher (the row) of each other */
#define AT(w, n) ((w) * NODES + (n))
bool seen[NODES * NODES];                           /* the record is as it was at the first look */
byte quiet[NODES * NODES];
bool fencing[NODES * NODES], fence_fits[NODES * NODES];

#define ACTS(n) (mode[n] == MEMBER && known_owner[n] == n && !drained[n] && (right[n] > 0 || BUG == 6))

inline lease_written(n)
{
    write_fits[n] = false;
    for (i : 0 .. NODES - 1) {
        seen[AT(i, n)] = false;
        quiet[AT(i, n)] = 0;
        fence_fits[AT(i, n)] = false
    }
}

inline finish(n)
{
    mode[n] = OUT; right[n] = 0; age[n] = 0; drained[n] = false; unsure_at[n] = 0;
    writing[n] = IDLE; write_fits[n] = false; changing_waited[n] = false;
    known_version[n] = 0; known_owner[n] = NOBODY; known_members[n] = 0;
    for (i : 0 .. NODES - 1) {
        seen[AT(n, i)] = false;
        quiet[AT(n, i)] = 0
    }
}

/* Takes what is there; a view without this node ends it. */
inline adopt(n)
{
    if
    :: version > known_version[n] ->
        known_version[n] = version; known_owner[n] = owner; known_members[n] = members;
        if
        :: owner != n -> drained[n] = false
        :: else
        fi;
        if
        :: unsure_at[n] != 0 && unsure_at[n] != version -> unsure_at[n] = 0
        :: else
        fi
    :: else
    fi;
    if
    :: mode[n] == MEMBER && !HAS(known_members[n], n) -> finish(n)
    :: else
    fi
}

inline offer(n, its_owner, its_members)
{
    changing[n] = true; changing_waited[n] = true;
    change_at[n] = known_version[n]; change_owner[n] = its_owner; change_members[n] = its_members
}

#define MAY_OFFER(n) (!changing[n] && known_version[n] > 0 && known_version[n] < VERSIONS)

proctype node(byte n)
{
    do
    /* -- a life: its lease first, then it joins */
    :: atomic { mode[n] == UNBORN && lease[n] == ABSENT -> lease[n] = HELD; mode[n] = TAKEN; age[n] = 0; adopt(n) }
    :: atomic { mode[n] == TAKEN && known_version[n] < version -> adopt(n) }
    :: atomic { mode[n] == TAKEN && MAY_OFFER(n) && !HAS(known_members[n], n) ->
                heir = (known_owner[n] == NOBODY -> n : known_owner[n]);
                offer(n, heir, known_members[n] | (1 << n)); heir = 0 }
    :: atomic { mode[n] == TAKEN && HAS(known_members[n], n) ->
                mode[n] = MEMBER; right[n] = (age[n] < RIGHT -> RIGHT - age[n] : 0); age[n] = 0 }

    /* -- a round */
    :: atomic { mode[n] == MEMBER && writing[n] == IDLE -> writing[n] = GOING; age[n] = 0; write_fits[n] = (lease[n] == HELD) }
    :: atomic { writing[n] == GOING ->
                if
                :: write_fits[n] -> lease_written(n); writing[n] = DONE
                :: else -> writing[n] = FAILED
                fi }
    :: atomic { writing[n] == DONE ->
                right[n] = (BUG == 1 -> RIGHT : (age[n] < RIGHT -> RIGHT - age[n] : 0)); writing[n] = IDLE; age[n] = 0 }
    :: atomic { writing[n] == DONE -> writing[n] = IDLE; age[n] = 0 } /* the answer was lost: no right from it */
    :: atomic { writing[n] == FAILED && lease[n] != HELD -> finish(n) }
    :: atomic { writing[n] == FAILED && lease[n] == HELD -> writing[n] = IDLE; age[n] = 0 }

    /* -- others' leases */
    :: atomic { mode[n] == MEMBER -> other = 0;
                do
                :: other < NODES - 1 -> other++
                :: break
                od;
                if
                :: other != n && HAS(known_members[n], other) && lease[other] == HELD && !seen[AT(n, other)] ->
                    seen[AT(n, other)] = true; quiet[AT(n, other)] = 0
                :: other != n && seen[AT(n, other)] && quiet[AT(n, other)] >= QUIET && !fencing[AT(n, other)] ->
                    fencing[AT(n, other)] = true; fence_fits[AT(n, other)] = true
                :: other != n && HAS(known_members[n], other) && MAY_OFFER(n) &&
                   (lease[other] == FENCED || lease[other] == GIVEN_BACK ||
                    (BUG == 3 && quiet[AT(n, other)] > 0)) ->
                    heir = (known_owner[n] == other -> n : known_owner[n]);
                    offer(n, heir, known_members[n] & ~(1 << other)); heir = 0
                :: else
                fi;
                other = 0 }
    :: atomic { fencing[AT(n, (n + 1) % NODES)] -> other = (n + 1) % NODES; fencing[AT(n, other)] = false;
                if
                :: fence_fits[AT(n, other)] -> lease_written(other); lease[other] = FENCED
                :: else
                fi;
                fence_fits[AT(n, other)] = false; other = 0 }
#if NODES > 2
    :: atomic { fencing[AT(n, (n + 2) % NODES)] -> other = (n + 2) % NODES; fencing[AT(n, other)] = false;
                if
                :: fence_fits[AT(n, other)] -> lease_written(other); lease[other] = FENCED
                :: else
                fi;
                fence_fits[AT(n, other)] = false; other = 0 }
#endif

    /* -- the shard: drained, given, taken up again; and leaving */
    :: atomic { mode[n] == MEMBER && known_owner[n] == n && !drained[n] && BUG != 4 -> drained[n] = true }
    :: atomic { mode[n] == MEMBER && known_owner[n] == n && (drained[n] || BUG == 4) && MAY_OFFER(n) ->
                other = 0;
                do
                :: other < NODES - 1 -> other++
                :: break
                od;
                if
                :: other != n && HAS(known_members[n], other) ->
                    offer(n, other, known_members[n]); unsure_at[n] = known_version[n]
                :: else
                fi;
                other = 0 }
    :: atomic { drained[n] && known_owner[n] == n && (unsure_at[n] == 0 || BUG == 5) -> drained[n] = false }
    :: atomic { mode[n] == MEMBER && writing[n] == IDLE -> /* acts no more, and only then says so */
                finish(n); mode[n] = LEFT;
                if
                :: lease[n] == HELD -> lease_written(n); lease[n] = GIVEN_BACK
                :: else
                fi }

    /* -- a change of the view arrives, at the version that it expects or in vain; or is lost */
    :: atomic { changing[n] ->
                if
                :: version == change_at[n] ->
                    version++; owner = change_owner[n]; members = change_members[n]
                :: else
                :: true /* lost */
                fi;
                changing[n] = false; change_at[n] = 0; change_owner[n] = 0; change_members[n] = 0;
                if
                :: changing_waited[n] -> adopt(n) /* its answer, or the read that follows a conflict */
                :: true /* no answer */
                fi;
                changing_waited[n] = false }
    :: atomic { mode[n] == MEMBER && known_version[n] < version -> adopt(n) } /* a watch */
    od
}

proctype clock()
{
    do
    :: d_step {
        for (i : 0 .. NODES - 1) {
            if
            :: right[i] > 0 -> right[i]--
            :: else
            fi;
            if
            :: (writing[i] != IDLE || mode[i] == TAKEN) && age[i] < RIGHT -> age[i]++
            :: else
            fi
        }
        for (i : 0 .. NODES * NODES - 1) {
            if
            :: seen[i] && quiet[i] < QUIET -> quiet[i]++
            :: else
            fi
        }
        i = 0 }
    od
}

proctype monitor()
{
#if BUG == 8
    atomic { version >= 3 && ACTS(1) -> assert(false) }
#elif NODES > 2
    atomic { (ACTS(0) && ACTS(1)) || (ACTS(0) && ACTS(2)) || (ACTS(1) && ACTS(2)) -> assert(false) }
#else
    atomic { ACTS(0) && ACTS(1) -> assert(false) }
#endif
}

init {
    atomic {
        lease[0] = HELD; mode[0] = MEMBER; right[0] = RIGHT;
        known_version[0] = 1; known_owner[0] = 0; known_members[0] = 1;
        for (i : 1 .. NODES - 1) {
            known_owner[i] = NOBODY
        }
        i = 0;
        run monitor(); run clock();
        for (i : 0 .. NODES - 1) {
            run node(i)
        }
        i = 0
    }
}
