/*
 * Workers that sleep, search and are woken (runtime/idle.c, schedule.c, parker.c). What is proved, by going through all states:
 * when nothing can go on any more, nothing that was scheduled is left in a queue: no worker sleeps for ever beside work that
 * it has to do. And a stop ends all workers; the number of sleepers is right; a parker keeps a wake that comes
 * early; and the thread of alarms does not rest beside a handler that runs.
 *
 *   here                          there
 *   put_global, put_inbox         schedule.c: put_global(), put_inbox()
 *   put_own                       schedule.c: gri_workers_schedule() on a worker
 *   want_help, wake               workers_internal.h: gri_workers_want_help(); idle.c: gri_workers_wake_one(), gri_station_wake()
 *   look                          schedule.c: gri_station_look()
 *   worker                        idle.c: gri_workers_next(), search(), sleep_until_woken(), any_work()
 *   park, unpark                  parker.c with a futex: the compare and the sleep are one step
 *   ticker                        ticker.c: gri_workers_tick() that finds all workers asleep, and rests
 *
 * Queues are numbers here: which actor it is does not matter to sleeping, and that none is taken twice is ring.pml's. Handlers
 * end, and schedule nobody, one or two. A search is one round. The sleep of a pinned actor's thread (pinned.c) is that of a
 * worker with an inbox and nothing else.
 *
 * Not here: memory orders. That who puts and who goes to sleep do not miss each other rests on both storing before they load,
 * sequentially consistent on both sides (the comments there say with whom); spin takes that for granted. The rings have no such
 * pair: a worker never sleeps on its own, so at worst what is in a ring waits for its owner, and the alarms' thread looks after it.
 * tests/runtime/lock_free_test.c has real threads do it.
 *
 *   BUG 1 announces its sleep after the last look     2 the last look leaves out the common queue    3 and the inbox
 *       4 whoever sees a sleeper wakes it             5 who finds work goes without taking its announcement back
 *       6 what goes into an inbox wakes nobody        7 an early wake is lost
 *       8 who has found work still counts as searching  9 the last look leaves out the stop
 *       10 a worker that wakes itself does not look for the thread of alarms
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef OUTSIDE
#define OUTSIDE 2                                   /* actors that a thread from outside schedules */
#endif
#ifndef INSIDE
#define INSIDE 1                                    /* that handlers schedule, all together */
#endif

#define AWAKE 0
#define WOKEN 1
#define ASLEEP 2

byte ring[WORKERS], inbox[WORKERS], common, running;
byte inside = INSIDE, putting = OUTSIDE;
bool closing;
byte ended;

byte searching;
short parked_count;
bool parked[WORKERS];
byte word[WORKERS];                                 /* of the parkers */
bool in_futex[WORKERS];
bool resting, ticker_woken, ticker_sleeps;

inline unpark(w)
{
    atomic {
        was_asleep = (word[w] == ASLEEP);
        if
        :: BUG == 7 && !was_asleep
        :: else -> word[w] = WOKEN
        fi
    };
    if
    :: was_asleep -> in_futex[w] = false; was_asleep = false
    :: else
    fi
}

inline one_less_sleeps()
{
    parked_count--;
    if
    :: resting -> ticker_woken = true
    :: else
    fi
}

/* gri_station_wake(): `woke` says whether it was asleep. */
inline wake(w)
{
    atomic { woke = (BUG == 4 || parked[w]); parked[w] = false };
    if
    :: woke ->
        one_less_sleeps();
        unpark(w)
    :: else
    fi
}

inline want_help()
{
    if
    :: parked_count > 0 ->
        if
        :: searching == 0 ->
            at = 0;
            do
            :: at < WORKERS && parked[at] ->
                wake(at);
                if
                :: woke -> break
                :: else -> at++
                fi
            :: at < WORKERS && !parked[at] -> at++
            :: at == WORKERS -> break
            od;
            atomic { at = 0; woke = false }
        :: else
        fi
    :: else
    fi
}

inline put_global()
{
    common++;
    want_help()
}

inline put_inbox(w)
{
    inbox[w]++;
    if
    :: parked[w] && BUG != 6 -> wake(w); woke = false
    :: else
    fi
}

proctype outside()
{
    bool woke, was_asleep;
    byte at;

    do
    :: putting > 0 ->
        if
        :: put_global()
        :: put_inbox(0)
        fi;
        putting--
    :: else -> break
    od
}

/* The stop comes when there are no actors any more. */
proctype stopper()
{
    bool woke, was_asleep;
    byte at;

    atomic { putting == 0 && common == 0 && running == 0 && ring[0] == 0 && ring[1] == 0 && inbox[0] == 0 && inbox[1] == 0 ->
             closing = true };
    do
    :: at < WORKERS -> wake(at); at++
    :: else -> break
    od
}

/* gri_station_look(): `found` says whether. */
inline look(me)
{
    if
    :: atomic { inbox[me] > 0 -> inbox[me]--; found = true; running++ }
    :: atomic { ring[me] > 0 -> ring[me]--; found = true; running++ }
    :: else ->
        if
        :: atomic { common > 0 -> common--; found = true; running++ }
        :: else ->
            at = (me + 1) % WORKERS;
            do
            :: atomic { at != me && ring[at] > 0 ->
                half = ring[at] - ring[at] / 2;
                ring[at] = ring[at] - half;
                ring[me] = ring[me] + half - 1;
                found = true; running++; half = 0 };
                break
            :: at != me && ring[at] == 0 -> at = (at + 1) % WORKERS
            :: at == me -> break
            od;
            at = 0
        fi
    fi
}

inline park(me)
{
    do
    :: atomic { word[me] == AWAKE -> word[me] = ASLEEP };
        if                                          /* the futex compares, and sleeps */
        :: atomic { word[me] == ASLEEP -> in_futex[me] = true };
            !in_futex[me]
        :: word[me] != ASLEEP
        fi;
        if
        :: atomic { word[me] == WOKEN -> word[me] = AWAKE };
            break
        :: atomic { else -> word[me] = AWAKE }
        fi
    :: atomic { word[me] == WOKEN -> word[me] = AWAKE };
        break
    od
}

inline any_work(me)
{
    if
    :: common > 0 && BUG != 2 -> found = true
    :: else ->
        if
        :: (inbox[me] > 0 && BUG != 3) || (closing && BUG != 9) -> found = true
        :: else ->
            do
            :: at < WORKERS && ring[at] > 1 -> found = true; break
            :: at < WORKERS && ring[at] <= 1 -> at++
            :: at == WORKERS -> break
            od;
            at = 0
        fi
    fi
}

proctype worker(byte me)
{
    bool found, woke, was_asleep, announced;
    byte at, half;

next:
    look(me);
    if
    :: found -> goto run_it
    :: closing -> goto over
    :: else
    fi;

    if                                              /* search() */
    :: searching * 2 < WORKERS ->
        searching++;
        look(me);
        if
        :: found && BUG == 8
        :: else -> searching--
        fi;
        if
        :: found && (ring[me] > 0 || common > 0) -> want_help()
        :: found && ring[me] == 0 && common == 0
        :: !found -> look(me)
        fi;
        if
        :: found -> goto run_it
        :: else
        fi
    :: else
    fi;

    if                                              /* sleep_until_woken() */
    :: BUG == 1 -> any_work(me)
    :: else
    fi;
    if
    :: BUG == 1 && found -> found = false; goto next
    :: else
    fi;
    parked[me] = true;
    parked_count++;
    if
    :: BUG == 1
    :: else -> any_work(me)
    fi;
    if
    :: found ->
        found = false;
        if
        :: BUG == 5 -> goto next
        :: else
        fi;
        atomic { announced = parked[me]; parked[me] = false };
        if
        :: announced ->
            announced = false;
            if
            :: BUG == 10 -> parked_count--
            :: else -> one_less_sleeps()
            fi;
            goto next
        :: else
        fi
    :: else
    fi;
    park(me);
    goto next;

run_it:
    found = false;
    do
    :: atomic { inside > 0 -> inside-- };
        ring[me]++;
        if
        :: ring[me] > 1 -> want_help()
        :: else
        fi
    :: break
    od;
    !ticker_sleeps || ticker_woken;                 /* a handler that runs for long: somebody has to notice */
    running--;
    goto next;

over:
    ended++
}

/* gri_workers_tick(), when all have been asleep for some time: it says that it rests, and looks once more. */
proctype ticker()
{
    resting = true;
end:
    atomic { parked_count == WORKERS -> ticker_sleeps = true }
}

init {
    byte i;

    atomic {
        for (i : 0 .. WORKERS - 1) {
            run worker(i)
        }
        run outside(); run stopper(); run ticker();
        i = 0
    };
    timeout;
    assert(common == 0 && ring[0] == 0 && ring[1] == 0 && inbox[0] == 0 && inbox[1] == 0);
    assert(running == 0);
    assert(parked_count == 0);
    assert(ended == WORKERS)
}
