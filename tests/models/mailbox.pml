/*
 * A mailbox and its claim (runtime/mailbox.h, actor.c, room.c): senders, one that wants a note handled, one that waits for
 * room, and two workers. What is proved, by going through all states: never two workers run the actor at once; no message is
 * handled twice; a sender finds the limit exactly: it is refused only when the mailbox was full while it looked, and accepted
 * only when it was not, but for a sender that waits and gets the place of the message that is popped next; and when nothing can go on any more, all that was accepted has been handled, so has the
 * note, nobody waits for room, and the claim is free.
 *
 *   here                          there
 *   push                          mailbox.h: gri_mailbox_push(), gri_mailbox_is_full()
 *   take, pop                     mailbox.h: gri_mailbox_take(), gri_mailbox_pop()
 *   release                       actor.c: release(); mailbox.h: gri_mailbox_release()
 *   worker                        actor.c: gri_actor_run(), with one message in a turn
 *   noter                         actor.c: gri_actor_note(); gri_actor_ask() is the same
 *   patient                       room.c: gri_room_wait(); serve: serve_one()
 *
 * A swap that succeeds is one step, with the load that it checks: between the two nothing matters. The exception is the look
 * for the limit, which has steps of its own. The first message handled makes its handler wait for the note (BLOCKED), as a
 * fiber that awaits does. The limit is so low that who waits for room goes on as soon as there is some (GRI_MAILBOX_PATIENT_LEAST). Messages are counted, not named: the stack is swapped whole, so what can go wrong is their number. A
 * stripe's lock is a lock here.
 *
 * The word can come back as it was: the newest message at the same address, or none, and the same count. A sender that is
 * stopped between its look at the limit and its swap while that happens, and while less has been handled since, exceeds the
 * limit by one message. Here `takes` makes each word another, so that all else is exact; BUG 9 shows what is left out. Not here
 * are the bound on how often a sender looks, and drop-oldest and priorities, which use the reader's side under a lock or a claim.
 * Nor memory orders: spin knows one order of all accesses. `word` is one word and changed by swaps alone, so all are
 * acquire and release chains on it; but `room_wanted` and the word are stored and loaded crosswise, sequentially consistent on
 * both sides, which spin takes for granted; with one order of all accesses the look at it in release() finds nothing that the
 * relaxed one in the loop has not found. tests/runtime/lock_free_test.c has real threads do it, also under ThreadSanitizer.
 *
 *   BUG 1 gives the claim back without a look at the word    2 without a look at the notes afterwards
 *       3 never looks whether room is wanted                 4 says that it wants room after its last look
 *       5 goes on after that look without a claim            6 schedules when the mailbox was empty, not when the claim was free
 *       7 a take does not say TAKING                         8 whoever waits for room is pushed for without a look for room
 *       9 not planted: the word comes back as it was, see above
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BUG
#define BUG 0
#endif
/* Who takes part: all together are too many states. */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef EACH
#define EACH 1                                      /* messages of each */
#endif
#ifndef LIMIT
#define LIMIT 1
#endif
#ifndef PATIENT
#define PATIENT 1
#endif
#ifndef NOTES
#define NOTES 0
#endif

/* the word: the newest message by its number, 0 for none */
byte newest, count;
bool blocked, scheduled;
byte stacked;                                       /* what hangs on the newest */
byte takes;                                         /* not there: see above */

byte handled;
bool taking;                                        /* a bit of `handled` */
byte oldest;                                        /* how many are taken */

bool ready_note, other_note;                        /* in the list of notes */
bool expected, waiting;                             /* the handler's wait: others know of it; its fiber is off */
bool room_wanted, room_lock, wants_room;
bool queued, running;

/* What has happened. */
byte accepted, done;
bool was_full[SENDERS + 1];                         /* since that sender has begun to look */
bool note_handled;

#define DEPTH (accepted - done)

#define SAME_WORD \
    (seen_newest == newest && seen_count == count && seen_blocked == blocked && seen_scheduled == scheduled && seen_takes == takes)
#define SEE_WORD \
    seen_newest = newest; seen_count = count; seen_blocked = blocked; seen_scheduled = scheduled; seen_takes = takes

inline schedule()
{
    d_step { assert(!queued); queued = true }
}

/* Into the box, by who has found room, or is let in all the same. */
inline put_in(most)
{
    assert(DEPTH < most);
    must = (BUG == 6 -> newest == 0 : !blocked && !scheduled);
    scheduled = scheduled || !blocked;
    accepted++;
    newest = accepted;
    stacked++;
    count++;
    if
    :: DEPTH >= LIMIT -> was_full[0] = true; was_full[1] = true; was_full[SENDERS] = true
    :: else
    fi
}

/* Sets `refused`, or pushes, and then schedules when it has to. */
inline push(me)
{
    d_step { refused = false; was_full[me] = (DEPTH >= LIMIT);
             SEE_WORD };
    do
    :: seen_count >= LIMIT && !room ->
        d_step { seen_handled = handled; seen_taking = taking };
        d_step {
            same = (SAME_WORD);
            SEE_WORD
        };
        if
        :: !seen_taking && same && seen_count > seen_handled && seen_count - seen_handled >= LIMIT -> refused = true; break
        :: !seen_taking && same && !(seen_count > seen_handled && seen_count - seen_handled >= LIMIT) -> room = true
        :: else                                     /* it has changed meanwhile */
        fi
    :: seen_count < LIMIT || room ->
        d_step {
            room = false;
            if
            :: SAME_WORD ->
                put_in(LIMIT);
                same = true
            :: else ->
                SEE_WORD;
                same = false
            fi
        };
        if
        :: same -> break
        :: else
        fi
    od;
    atomic {
        assert(!refused || was_full[me]);
        same = false; seen_newest = 0; seen_count = 0; seen_takes = 0; seen_blocked = false; seen_scheduled = false; seen_handled = 0;
        seen_taking = false; was_full[me] = false
    };
    if
    :: must -> must = false; schedule()
    :: else
    fi
}

#define LOCALS bool refused, must, same, room, seen_blocked, seen_scheduled, seen_taking; byte seen_newest, seen_count, seen_handled, seen_takes

proctype sender(byte me)
{
    LOCALS;
    byte i;

    do
    :: i < EACH -> push(me); i++
    :: else -> break
    od
}

/* gr_send_wait() */
proctype patient()
{
    LOCALS;

    push(SENDERS);
    if
    :: refused ->
        atomic { !room_lock -> room_lock = true };
        if
        :: BUG == 4
        :: else -> room_wanted = true
        fi;
        push(SENDERS);
        if
        :: refused -> wants_room = true
        :: else
        fi;
        if
        :: BUG == 4 -> room_wanted = true
        :: else
        fi;
        room_lock = false
    :: else
    fi
}

inline claim()
{
    d_step { must = !scheduled; scheduled = true };
    if
    :: must -> must = false; schedule()
    :: else
    fi
}

proctype noter()
{
    bool must;

end:
    expected;
    ready_note = true;
    claim()
}

proctype other_noter()
{
    bool must;

    other_note = true;
    claim()
}

/* Under the lock, by the worker. `popping`: the place is that of the message which is popped next. */
inline serve_one(popping)
{
    atomic { !room_lock -> room_lock = true };
    if
    :: !wants_room -> room_wanted = false; got = false
    :: else ->
        seen_count = count;                         /* `handled` is its own, and does not change now */
        d_step {
            got = (BUG == 8 || popping && seen_count - handled == LIMIT || !popping && count - handled < LIMIT);
            if
            :: got -> put_in(LIMIT + (popping -> 1 : 0)); must = false; wants_room = false
            :: else
            fi;
            seen_count = 0
        }
    fi;
    room_lock = false
}

/* `got`: a message. */
inline pop()
{
    if
    :: oldest == 0 ->
        if
        :: newest != 0 ->
            if
            :: BUG == 7
            :: else -> taking = true
            fi;
            d_step { count = (count > handled -> count - handled : 0); oldest = stacked; stacked = 0; newest = 0;
                     takes = takes + (BUG == 9 -> 0 : 1) };
            d_step { handled = 0; taking = false }
        :: else
        fi
    :: else
    fi;
    d_step {
        got = (oldest > 0);
        if
        :: got -> oldest--; handled++; assert(done < accepted); done++
        :: else
        fi
    }
}

/* `got`: the claim was given back. */
inline release()
{
    got = false;
    if
    :: ready_note || other_note
    :: else ->
        d_step {
            if
            :: BUG != 1 && !blocked && (newest != 0 || oldest != 0)
            :: else -> scheduled = false; running = false; got = true
            fi
        };
        if
        :: got ->
            more = BUG != 2 && (ready_note || other_note);
            if
            :: !more && BUG != 3 && room_wanted ->
                seen_count = count;
                d_step { more = (seen_count <= handled || seen_count - handled < LIMIT); seen_count = 0 }
            :: else
            fi;
            if
            :: more ->
                d_step {
                    more = false;
                    if
                    :: !scheduled || BUG == 5 -> assert(!running); scheduled = true; running = true; got = false
                    :: else
                    fi
                }
            :: else
            fi
        :: else
        fi
    fi
}

proctype worker()
{
    bool got, more, must;
    byte seen_count, left;

end:
    do
    :: atomic { queued -> queued = false; assert(!running); running = true; left = 1 };
        do
        :: true ->
            d_step {                                /* an exchange, and what the notes say */
                if
                :: other_note -> other_note = false; note_handled = true
                :: else
                fi;
                more = ready_note; ready_note = false
            };
            if
            :: more -> d_step { more = false; assert(waiting); waiting = false; expected = false; blocked = false }
            :: else
            fi;
            if
            :: room_wanted && BUG != 3 ->
                do
                :: serve_one(false);
                    if
                    :: !got -> break
                    :: else
                    fi
                od;
                if
                :: !waiting && left > 0 -> serve_one(true)
                :: else
                fi
            :: else
            fi;
            got = false;
            if
            :: waiting
            :: !waiting && left > 0 -> pop()
            :: !waiting && left == 0 ->
                release();
                if
                :: !got -> atomic { running = false; schedule() }
                :: else
                fi;
                break
            fi;
            if
            :: got ->
                left--;
                if
                :: NOTES && done == 1 -> expected = true; blocked = true; d_step { waiting = true; left = 1 }
                :: else
                fi
            :: else ->
                release();
                if
                :: got -> break
                :: else
                fi
            fi
        od;
        atomic { got = false; left = 0 }
    od
}

init {
    byte i;

    atomic {
        for (i : 0 .. SENDERS - 1) {
            run sender(i)
        }
        if
        :: PATIENT -> run patient()
        :: else
        fi;
        if
        :: NOTES -> run noter(); run other_noter()
        :: else
        fi;
        run worker(); run worker();
        i = 0
    };
    timeout;
    assert(done == accepted);
    assert(accepted > 0);
    assert(note_handled == NOTES && !waiting && !ready_note);
    assert(!wants_room);
    assert(!scheduled && !queued && !running)
}
