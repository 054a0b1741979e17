/*
 * A worker's queue of actors (runtime/ring.h): its owner puts and takes, thieves steal half of it. What is proved, by going
 * through all states: each actor that was put is taken once, by one, in the order of the puts, whoever takes it; a thief
 * never reads more than it has room for; and what is in it is not overwritten.
 *
 *   here         there
 *   owner        gri_ring_put(), gri_ring_take()
 *   thief        gri_ring_steal()
 *
 * Each access of `head`, `tail` or a slot is a step. The counters do not wrap here: they have 32 bits there, so a thief would
 * have to sleep between two of its accesses for exactly so many puts. A ring of four places.
 *
 * Not here: memory orders; spin knows one order of all accesses. What the orders are for is said at each access in ring.h: the
 * tail publishes the slots, and the head says that they have been read. tests/runtime/lock_free_test.c has real threads do it, also
 * under ThreadSanitizer, which sees a slot that is not published by what the actors in it hold.
 *
 *   BUG 1 the owner takes without a swap          2 the tail before the slot         3 puts into a full ring
 *       4 a thief's swap does not check the head  5 a torn reading is used           6 a thief leaves the head behind its last
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef PUTS
#define PUTS 5
#endif
#ifndef THIEVES
#define THIEVES 2
#endif

#define RING 4
#define HALF 2

byte head, tail;
byte at[RING];                                      /* actors, from 1; 0: nothing was put there yet */
byte taken;                                         /* how many */
byte puts;                                          /* that have succeeded */
byte ended;

inline take_actor(a)
{
    assert(a == taken + 1);
    taken++
}

active proctype owner()
{
    byte seen_head, a;

    do
    :: puts < PUTS ->                               /* gri_ring_put() */
        seen_head = head;
        if
        :: tail - seen_head < RING || BUG == 3 ->
            if
            :: BUG == 2 -> tail++; at[(tail - 1) % RING] = puts + 1
            :: else -> at[tail % RING] = puts + 1; tail++
            fi;
            puts++
        :: else                                     /* there it goes to the common queue; here it comes again later */
        fi;
        seen_head = 0
    :: true ->                                      /* gri_ring_take() */
        seen_head = head;
        do
        :: seen_head == tail -> break
        :: else ->
            a = at[seen_head % RING];
            if
            :: atomic { head == seen_head || BUG == 1 -> /* the swap */
                head = seen_head + 1;
                take_actor(a) };
                break
            :: atomic { head != seen_head && BUG != 1 -> seen_head = head }
            fi
        od;
        atomic { seen_head = 0; a = 0 }
    :: atomic { puts == PUTS && head == tail -> break }
    od;
    ended++
}

active [THIEVES] proctype thief()
{
    byte seen_head, count, i;
    byte got[HALF];

    do
    :: seen_head = head;
again:
        atomic {                                    /* the tail: what is thought about it is the thief's own */
            count = tail - seen_head;
            count = count - count / 2
        }
        if
        :: count == 0 -> goto next
        :: else
        fi;
        if
        :: count > HALF && BUG != 5 -> seen_head = head; goto again
        :: else
        fi;
        assert(count <= HALF);
        i = 0;
        do
        :: i < count -> got[i] = at[(seen_head + i) % RING]; i++
        :: else -> break
        od;
        atomic {
            if
            :: head == seen_head || BUG == 4 ->
                head = seen_head + (BUG == 6 -> count - 1 : count);
                i = 0;
                do
                :: i < count -> take_actor(got[i]); i++
                :: else -> break
                od
            :: else -> seen_head = head; goto again
            fi
        }
next:
        atomic { seen_head = 0; count = 0; i = 0; got[0] = 0; got[1] = 0 }
    :: ended == 1 -> break
    od
}

active proctype monitor()
{
    ended == 1;
    timeout;
    assert(taken == PUTS)
}
