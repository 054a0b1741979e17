/*
 * Senders that wait for room in a mailbox (runtime/room.c): two of them, the second with a deadline; one that does not wait and
 * sends as often as it likes; the worker that runs the actor, and the actor's end. What is proved, by going through all states:
 * nobody waits for ever, neither for room nor for an actor that has ended; what waits goes in once, or its sender is told that
 * it did not; and those who do not wait, whatever they do, keep the first who waits from its turn for two turns of the actor at
 * most.
 *
 *   here                          there
 *   patient                       send.c: gr_send_wait(), limit_of(); room.c: gri_room_wait()
 *   serve, serve_one              room.c: gri_room_serve(), serve_one(), push_locked(); FOR_THE_END: gri_room_fail()
 *   worker, release               actor.c: gri_actor_run(), serve_room(), release()
 *   end_it                        actor_end.c: vacate(), gri_actor_release_free()
 *
 * A push is one step here, and so is a pop: mailbox.pml takes them apart, so it has one sender that waits and no low mark. Room
 * is what is below the low mark; who waits fills up to PATIENT, who does not up to LIMIT. The mailbox is a small one, looked at for
 * each message. A turn is an even number of messages where they are counted (COUNTS), as it is unless one asks for another: with an
 * odd one, and in a large mailbox, who fills it in just the right moments of each turn could go on so. With NOTES a message may have
 * its handler wait for a note, so that the mailbox is BLOCKED. Not here: that one worker runs the actor at a time, which is
 * mailbox.pml's; and who is first among those who wait: whoever comes between a pop and the look for those who wait finds the
 * room that they wait for.
 *
 *   BUG 1 nobody looks whether room is wanted            2 says that it wants room after its last look
 *       3 nobody gets its turn at the end of a turn      4 the end tells nobody
 *       5 looks whether the actor lives before it has the lock
 *       6 room is not wanted any more once one is served 7 whoever's time is up sends without a look whether it is in
 *       8 the end looks whether room is wanted before it says that it is one
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BUG
#define BUG 0
#endif
/* Who takes part: all together are too many states. */
#ifndef PATIENTS
#define PATIENTS 2
#endif
#ifndef ENDS
#define ENDS 1                                      /* the actor may */
#endif
#ifndef NOTES
#define NOTES 0                                     /* the handler of a message may wait for one */
#endif
#ifndef TURN
#define TURN 1                                      /* messages */
#endif
#ifndef COUNTS
#define COUNTS 0                                    /* for how many messages somebody waits */
#endif

#define LOW 1
#define PATIENT 2
#define LIMIT 3
#define BOUND (2 * TURN)

mtype = {WAITING, SERVED, TOLD, TIMED};
mtype = {FOR_ROOM, FOR_ITS_TURN, FOR_THE_NEXT_PLACE, FOR_THE_END};

byte depth;
bool blocked, scheduled, queued, running, note, wanted, lock;
bool alive = true;

byte line[2];                                       /* who waits, in turn, from 1; 0: nobody */
mtype what_of[2] = WAITING;
bool is_in[2];
byte passed;                                        /* messages popped while the same one is the first to wait */

#define TAKE_LOCK atomic { !lock -> lock = true }

/* Sets `refused`, or pushes. */
inline push(most)
{
    d_step {
        refused = (depth >= most);
        if
        :: !refused ->
            depth++;
            must = (!blocked && !scheduled);
            scheduled = (scheduled || !blocked)
        :: else
        fi
    };
    if
    :: must -> d_step { must = false; assert(!queued); queued = true }
    :: else
    fi
}

proctype hasty()
{
    bool refused, must;

    do
    :: alive -> push(LIMIT); refused = false
    :: break
    od
}

proctype patient(byte me)
{
    bool refused, must, dead, behind;

    if
    :: !alive -> goto over
    :: else
    fi;
    behind = wanted;
    push((behind -> 0 : PATIENT));
    behind = false;
    if
    :: !refused -> goto over
    :: else
    fi;
    dead = !alive;
    TAKE_LOCK;
    if
    :: BUG == 2
    :: else -> wanted = true
    fi;
    if
    :: BUG == 5
    :: else -> dead = !alive
    fi;
    if
    :: dead -> lock = false; goto over
    :: else
    fi;
    push(LOW);
    if
    :: BUG == 2 -> wanted = true
    :: else
    fi;
    if
    :: refused ->
        d_step {
            if
            :: line[0] == 0 -> line[0] = me + 1
            :: else -> line[1] = me + 1
            fi
        }
    :: else
    fi;
    lock = false;
    if
    :: !refused -> goto over
    :: else
    fi;
    refused = false;

    if
    :: what_of[me] != WAITING
    :: d_step { me == 1 && what_of[me] == WAITING -> what_of[me] = TIMED }
    fi;
    TAKE_LOCK;
    d_step {
        if
        :: line[0] == me + 1 -> line[0] = line[1]; line[1] = 0; passed = 0
        :: line[1] == me + 1 -> line[1] = 0
        :: else
        fi
    };
    lock = false;
    if
    :: is_in[me] && BUG != 7
    :: else ->
        if
        :: what_of[me] == TIMED && alive -> push(LIMIT); assert(refused || !is_in[me])
        :: else
        fi
    fi;
    refused = false;
over:
    atomic { refused = false; dead = false; assert(line[0] != me + 1 && line[1] != me + 1) }
}

/* `got`: whether one was let go. */
inline serve_one(what)
{
    TAKE_LOCK;
    if
    :: line[0] == 0 -> wanted = false; got = false
    :: else ->
        if
        :: what == FOR_THE_END -> got = true
        :: (what == FOR_ROOM && depth >= LOW) || (what == FOR_THE_NEXT_PLACE && depth != LIMIT) -> got = false
        :: else ->
            push((what == FOR_THE_NEXT_PLACE -> LIMIT + 1 : LIMIT));
            got = !refused;
            refused = false
        fi;
        if
        :: got ->
            d_step {
                is_in[line[0] - 1] = (what != FOR_THE_END);
                if
                :: what_of[line[0] - 1] == WAITING -> what_of[line[0] - 1] = (what == FOR_THE_END -> TOLD : SERVED)
                :: else
                fi;
                line[0] = line[1]; line[1] = 0; passed = 0;
                wanted = (BUG == 6 -> false : wanted)
            }
        :: else
        fi
    fi;
    lock = false
}

inline serve()
{
    if
    :: depth < LOW ->
        do
        :: depth < LOW ->
            serve_one(FOR_ROOM);
            if
            :: !got -> break
            :: else
            fi
        :: else -> break
        od
    :: depth == LIMIT && left % 2 == 0 && !blocked -> serve_one(FOR_THE_NEXT_PLACE)
    :: else
    fi;
    got = false
}

/* `got`: the claim was given back. Who has ended looks for notes only. */
inline release()
{
    d_step {
        got = (!note && (blocked || depth == 0));
        if
        :: got -> scheduled = false; running = false
        :: else
        fi
    };
    if
    :: got && (note || (alive && wanted && BUG != 1 && depth < LOW)) ->
        d_step {
            if
            :: !scheduled -> scheduled = true; running = true; got = false
            :: else
            fi
        }
    :: else
    fi
}

inline end_it()
{
    got = wanted;
    alive = false;
    depth = 0;
    if
    :: BUG == 8
    :: else -> got = wanted
    fi;
    do
    :: got && BUG != 4 -> serve_one(FOR_THE_END)
    :: else -> break
    od;
    got = false
}

proctype worker()
{
    bool got, refused, must, waited;
    byte left;

end:
    do
    :: d_step { queued -> queued = false; assert(!running); running = true; left = TURN };
        do
        :: !alive ->
            depth = 0;
            blocked = false;
            release();
            if
            :: got -> break
            :: else
            fi
        :: alive ->
            if
            :: wanted && BUG != 1 -> serve()
            :: else
            fi;
            atomic {
                if
                :: note -> note = false; blocked = false
                :: else
                fi
            };
            if
            :: !blocked && left == 0 ->
                if
                :: wanted && BUG != 1 && BUG != 3 -> serve_one(FOR_ITS_TURN)
                :: else
                fi;
                got = false;
                release();
                if
                :: !got -> d_step { running = false; queued = true }
                :: else
                fi;
                break
            :: else
            fi;
            atomic {
                got = (!blocked && depth > 0);
                if
                :: got ->
                    depth--; left--; passed = passed + (COUNTS && line[0] != 0 && passed <= BOUND -> 1 : 0);
                    assert(!COUNTS || passed <= BOUND)
                :: else
                fi
            };
            if
            :: !got ->
                release();
                if
                :: got -> break
                :: else
                fi
            :: else ->
                got = false;
                if
                :: true
                :: ENDS -> end_it()
                :: NOTES && !waited -> waited = true; blocked = true
                fi
            fi
        od;
        atomic { got = false; left = 0 }
    od
}

/* What the handler waits for. */
proctype noter()
{
    bool must;

end:
    blocked;
    note = true;
    d_step { must = !scheduled; scheduled = true };
    if
    :: must -> d_step { must = false; assert(!queued); queued = true }
    :: else
    fi
}

init {
    atomic {
        run patient(0);
        if
        :: PATIENTS == 2 -> run patient(1)
        :: else
        fi;
        if
        :: NOTES -> run noter()
        :: else
        fi;
        run hasty(); run worker()
    };
    timeout;
    assert(depth == 0);
    assert(line[0] == 0 && line[1] == 0);
    assert(!scheduled && !queued && !running && !lock);
    assert(!blocked)
}
