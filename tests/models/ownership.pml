/*
 * Who may act for a shard: leases, fencing and the view, for two nodes and one shard (three, with NODES, take hours). What is
 * proved, by going through all states: two nodes never act for the shard at once. Any step may be taken late or never, so nodes
 * pause, and requests and answers are delayed and lost, as one likes; nodes crash, and start again under a new id (another node
 * here).
 *
 *   here                          there
 *   GOING, DONE, FAILED           cluster/lease.c: renew_and_confirm(), lease_round(); membership.c: gri_membership_extend()
 *   seen, quiet, fencing          cluster/fence.c: judge(), end_lease()
 *   offer, changing               cluster/view_change.c: try_change(); view_next.c: what it asks for
 *   drained, unsure               cluster/drain.c: begin_batch(), give_batch(), end_batch()
 *   LEFT                          cluster/drain.c: leave()
 *   ACTS                          cluster/lease_gate.c, with what host.c knows of the view
 *
 * Time goes in ticks, a few for a lease. Clocks drift: in the time of a lease a holder's misses a tick, and a watcher's counts
 * one too many, which is the worst that the margin of one tick is there for; all that is less only has nodes act
 * less, and fence later, and so is contained. Revisions and versions are not counted, so there may be any number of changes:
 * what is under way here is a request that still finds what it expects, and any write of that record takes the others away.
 * They would arrive in vain, which is as if they were lost, but for a round: its node hears of it, so it is FAILED. A node that
 * has crashed is one that takes no more steps. Renewals do not read the view here, which only gives more rights. Not here: a
 * view that is lost or set back (tests/cluster/membership_test.c has that), more than one shard, and what hashing says.
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

/* Of single steps: 0 between them. */
byte i, heir;

/* ---- at the coordinator */
mtype lease[NODES] = ABSENT;
byte owner = 0, members = 1;                        /* the view */

/* ---- each node */
mtype mode[NODES] = UNBORN;
byte right[NODES];                                  /* ticks left by its own clock */
byte age[NODES];                                    /* ticks since its round began */
mtype writing[NODES] = IDLE;
byte known_owner[NODES], known_members[NODES];      /* no members: it has not read the view yet */
bool up_to_date[NODES];                             /* that is the view */
bool drained[NODES];
bool unsure[NODES];                                 /* an attempt to give may still arrive: at the version that it knows */

/* a change of the view under way: at most one for each node */
bool changing[NODES];
byte change_owner[NODES], change_members[NODES];

/* ---- each watcher (the row) of each other */
#define AT(w, n) ((w) * NODES + (n))
bool seen[NODES * NODES];                           /* the record is as it was at the first look */
byte quiet[NODES * NODES];
bool fencing[NODES * NODES];

#define ACTS(n) (mode[n] == MEMBER && known_owner[n] == n && !drained[n] && (right[n] > 0 || BUG == 6))

inline lease_written(n)
{
    for (i : 0 .. NODES - 1) {
        seen[AT(i, n)] = false;
        quiet[AT(i, n)] = 0;
        fencing[AT(i, n)] = false
    }
}

/* What was asked for at an earlier version arrives in vain. */
inline view_written(its_owner, its_members)
{
    owner = its_owner; members = its_members;
    for (i : 0 .. NODES - 1) {
        up_to_date[i] = false; changing[i] = false; change_owner[i] = 0; change_members[i] = 0
    }
}

inline finish(n)
{
    mode[n] = OUT; right[n] = 0; age[n] = 0; drained[n] = false; unsure[n] = false;
    writing[n] = IDLE;
    known_owner[n] = NOBODY; known_members[n] = 0; up_to_date[n] = false;
    for (i : 0 .. NODES - 1) {
        seen[AT(n, i)] = false;
        quiet[AT(n, i)] = 0
    }
}

/* Takes what is there; a view without this node ends it. */
inline adopt(n)
{
    known_owner[n] = owner; known_members[n] = members; up_to_date[n] = true; unsure[n] = false;
    if
    :: owner != n -> drained[n] = false
    :: else
    fi;
    if
    :: mode[n] == MEMBER && !HAS(members, n) -> finish(n)
    :: else
    fi
}

inline offer(n, its_owner, its_members)
{
    if
    :: up_to_date[n] -> changing[n] = true; change_owner[n] = its_owner; change_members[n] = its_members
    :: else
    fi
}

#define MAY_OFFER(n) (!changing[n] && known_members[n] != 0)

proctype node(byte n)
{
    do
    /* -- a life: its lease first, then it joins */
    :: d_step { mode[n] == UNBORN && lease[n] == ABSENT -> lease[n] = HELD; mode[n] = TAKEN }
    :: d_step { mode[n] == TAKEN && MAY_OFFER(n) && !HAS(known_members[n], n) ->
                heir = (known_owner[n] == NOBODY -> n : known_owner[n]);
                offer(n, heir, known_members[n] | (1 << n)); heir = 0 }
    :: d_step { mode[n] == TAKEN && HAS(known_members[n], n) ->
                mode[n] = MEMBER; right[n] = (age[n] < RIGHT -> RIGHT - age[n] : 0); age[n] = 0 }

    /* -- a round */
    :: d_step { mode[n] == MEMBER && writing[n] == IDLE -> writing[n] = (lease[n] == HELD -> GOING : FAILED) }
    :: d_step { writing[n] == GOING -> lease_written(n); writing[n] = DONE; i = 0 }
    :: d_step { writing[n] == DONE ->
                right[n] = (BUG == 1 -> RIGHT : (age[n] < RIGHT -> RIGHT - age[n] : 0)); writing[n] = IDLE; age[n] = 0 }
    :: d_step { writing[n] == DONE -> writing[n] = IDLE; age[n] = 0 } /* the answer was lost: no right from it */
    :: d_step { writing[n] == FAILED -> finish(n); i = 0 }

    /* -- the shard: drained, given by watcher(), taken up again; and leaving */
    :: d_step { mode[n] == MEMBER && known_owner[n] == n && !drained[n] && BUG != 4 -> drained[n] = true }
    :: d_step { drained[n] && known_owner[n] == n && (!unsure[n] || BUG == 5) -> drained[n] = false }
    :: d_step { mode[n] == MEMBER && writing[n] == IDLE -> /* acts no more, and only then says so */
                finish(n); mode[n] = LEFT;
                if
                :: lease[n] == HELD -> lease_written(n); lease[n] = GIVEN_BACK
                :: else
                fi;
                i = 0 }

    /* -- a change of the view arrives at the version that it expects; or is lost */
    :: d_step { changing[n] -> view_written(change_owner[n], change_members[n]); i = 0 }
    :: d_step { changing[n] -> changing[n] = false; change_owner[n] = 0; change_members[n] = 0 }

    /* -- the answer to it, the read that follows a conflict, or a watch */
    :: d_step { (mode[n] == TAKEN || mode[n] == MEMBER) && !up_to_date[n] -> adopt(n); i = 0 }
    od
}

/* What a node does about another one. */
proctype watcher(byte n, other)
{
    do
    :: d_step { mode[n] == MEMBER && HAS(known_members[n], other) && lease[other] == HELD && !seen[AT(n, other)] ->
                seen[AT(n, other)] = true }
    :: d_step { seen[AT(n, other)] && quiet[AT(n, other)] >= QUIET && !fencing[AT(n, other)] ->
                fencing[AT(n, other)] = true }
    :: d_step { fencing[AT(n, other)] -> lease_written(other); lease[other] = FENCED;
                if
                :: writing[other] == GOING -> writing[other] = FAILED; age[other] = 0
                :: else
                fi;
                i = 0 }
    :: d_step { mode[n] == MEMBER && HAS(known_members[n], other) && MAY_OFFER(n) &&
                (lease[other] == FENCED || lease[other] == GIVEN_BACK || (BUG == 3 && quiet[AT(n, other)] > 0)) ->
                heir = (known_owner[n] == other -> n : known_owner[n]);
                offer(n, heir, known_members[n] & ~(1 << other)); heir = 0 }
    :: d_step { mode[n] == MEMBER && HAS(known_members[n], other) && MAY_OFFER(n) &&
                known_owner[n] == n && (drained[n] || BUG == 4) ->
                offer(n, other, known_members[n]); unsure[n] = true }
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
            :: (writing[i] == GOING || writing[i] == DONE || mode[i] == TAKEN) && age[i] < RIGHT -> age[i]++
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
    ACTS(1) -> assert(false)
#elif NODES > 2
    (ACTS(0) && ACTS(1)) || (ACTS(0) && ACTS(2)) || (ACTS(1) && ACTS(2)) -> assert(false)
#else
    ACTS(0) && ACTS(1) -> assert(false)
#endif
}

init {
    byte n, other;

    atomic {
        lease[0] = HELD; mode[0] = MEMBER; right[0] = RIGHT; known_owner[0] = 0; known_members[0] = 1; up_to_date[0] = true;
        for (n : 1 .. NODES - 1) {
            known_owner[n] = NOBODY
        }
        run monitor(); run clock();
        for (n : 0 .. NODES - 1) {
            run node(n);
            for (other : 0 .. NODES - 1) {
                if
                :: other != n -> run watcher(n, other)
                :: else
                fi
            }
        }
        n = 0; other = 0
    }
}
