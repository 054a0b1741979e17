/*
 * A system from the inside: actors, workers, and what they share. Included by most of the runtime and by nobody else. Long,
 * because the types hold one another, and because what the files of the runtime call of one another stands here, in one list.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_SYSTEM_INTERNAL_H
#define GRI_SYSTEM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <granary/runtime_spi.h>

#include "fiber.h"
#include "mailbox.h"
#include "process.h"
#include "restarts.h"
#include "timers.h"
#include "watch_table.h"

typedef struct gri_actor gri_actor;
typedef struct gri_worker gri_worker;

/* ---- signals: what actors are told beside user messages ------------------------------------------------------- */

typedef enum gri_note_kind {
    GRI_NOTE_WATCH,         /* gri_watch_note */
    GRI_NOTE_UNWATCH,       /* gri_watch_note */
    GRI_NOTE_CHILD_FAILED,  /* embedded in the child */
    GRI_NOTE_CHILD_STOPPED, /* embedded in the child */
    GRI_NOTE_READY,         /* embedded in a gri_wait: its fiber may go on */
    GRI_NOTE_CONTINUE       /* embedded in a continuation: its future is complete */
} gri_note_kind;

typedef struct gri_note {
    struct gri_note *next;
    gri_note_kind kind;
} gri_note;

/*
 * What an actor is asked to do; one word, so that no allocation can fail: the generation it is meant for << 32, the round of
 * its parent's decisions about all children << 16 (see gri_group), and some of these.
 */
enum gri_asked {
    GRI_ASKED_STOP = 1,
    GRI_ASKED_STOP_FAILED = 2,
    GRI_ASKED_RESTART = 4,
    GRI_ASKED_RESUME = 8,
    GRI_ASKED_RESTART_TOO = 32, /* because of a sibling's failure */
    GRI_ASKED_TELL_SLOW = 16,   /* to say who it is: its handler has been running for long */
    GRI_ASKED_LOOK_IDLE = 64, /* to see whether it has been idle for one of its receive timeouts */
    GRI_ASKED_PASSIVATE = 128 /* to stop when it has nothing to do; by itself only */
};

/* ---- waits: a fiber or a thread that sleeps until somebody wakes it ---------------------------------------------- */

typedef struct gri_parker {
    _Atomic uint32_t word; /* awake, woken or asleep */
} gri_parker;

void gri_parker_init(gri_parker *parker);
/* Sleeps until woken or until `until_ms` of the real clock; false when it was the clock. */
bool gri_parker_wait(gri_parker *parker, int64_t until_ms);
void gri_parker_wake(gri_parker *parker);

typedef struct gri_wait {
    TAILQ_ENTRY(gri_wait) link;  /* in what is waited for, under its lock */
    LIST_ENTRY(gri_wait) parked; /* among the waits of the actor, in its turn */
    gri_note note;
    uint32_t on;      /* the slot of what is waited for: a future, or an actor without room */
    gri_actor *actor; /* whose fiber waits; NULL: a thread */
    gri_fiber *fiber;
    gri_parker *parker; /* of the thread */
    gr_system *sys;
    atomic_int state; /* 0 waiting, 1 woken */
    gr_err code;      /* of who woke it */
    bool linked;      /* under the lock of what is waited for */
} gri_wait;

TAILQ_HEAD(gri_wait_queue, gri_wait);
LIST_HEAD(gri_wait_list, gri_wait);

void gri_wait_init(gri_wait *wait, gr_system *sys);
/* The turn, of this thread or fiber, of an actor; turns stand inside one another while actors are started. NULL: none. */
gr_context *gri_context_of(gr_pid pid);
/* The turn of this thread or fiber that has to end before an actor can handle what is sent to it, or NULL. */
gr_context *gri_wait_in_the_way(gr_pid to);
/* A name for it that no other turn has. */
uint64_t gri_wait_turn(gr_context *context);
/* GR_EDEADLOCK, with the remedy, in a turn of this name. */
gr_err gri_wait_for_oneself(uint64_t turn);
/* Gets what waiting needs; GR_ENOMEM. After it gri_wait_for() cannot fail for want of memory. Before others learn of the wait. */
gr_err gri_wait_prepare(gri_wait *wait);
/* Sleeps until woken or until the deadline; gives back the waker's code, or GR_ETIMEDOUT. */
gr_err gri_wait_for(gri_wait *wait, int64_t deadline_ms);
/* Claims the right to wake it; true for one caller only, who then owes it one gri_wait_go(). Any thread to which it is alive. */
bool gri_wait_claim(gri_wait *wait, gr_err code);
/* Lets it go on; it may be gone when this returns. */
void gri_wait_go(gri_wait *wait);

/* ---- actors ---------------------------------------------------------------------------------------------------- */

typedef enum gri_status {
    GRI_FREE,     /* nobody lives here */
    GRI_STARTING, /* its started hook runs in the spawner */
    GRI_RUNNING,
    GRI_PAUSED,     /* failed; its supervisor decides */
    GRI_RESTARTING, /* waits and children end, then a new state */
    GRI_STOPPING,   /* waits and children end, then it goes */
    GRI_DELAYED     /* never a status: PAUSED until its restart is due, as others are shown it */
} gri_status;

typedef struct gri_pids {
    gr_pid *at;
    size_t count, room;
} gri_pids;

/* False: out of memory. */
bool gri_pids_add(gri_pids *pids, gr_pid pid);

enum { GRI_DESCRIPTION_BYTES = 128 };

/* Kept from the first failure on: written by the actor when it fails, and by whoever decides while it is paused. */
typedef struct gri_failure {
    gr_error error;
    char who[GRI_DESCRIPTION_BYTES]; /* as gri_actor_describe() has it */
    uint16_t round;                  /* of the group, that its life began with */
    bool of_start;                   /* a child's, handed up while the actor was starting */
    gri_restarts restarts;           /* as its parent or guardian decided */
    gri_restarts by_system;          /* as the system did */
    int64_t due_ms;                  /* of its restart */
    gr_alarm alarm;                  /* for that; in the actor's turn */
    uint32_t generation;             /* whom the alarm asks */
    gri_actor *actor;
} gri_failure;

/*
 * Of a parent whose children stand and fall together. Each decision about all of them has a number, its round. A child knows
 * the last one that it has been told of, and which one its life began with: a failure in a life from before the latest round
 * is covered by that, however late the child hears of it.
 */
typedef struct gri_group {
    gri_restarts restarts;      /* in the parent's turn */
    gr_directive directive;     /* the latest about all, in the parent's turn */
    uint16_t round;             /* its number, in the parent's turn; 0: there was none yet */
    atomic_int_fast64_t due_ms; /* of the restart of all */
} gri_group;

/* What only some actors have. */
typedef struct gri_extras {
    gr_props *given; /* the whole props, where they ask for more than gri_props keeps */
    gri_watch_table
        watchers; /* each with the gr_terminated that it will get; NULL for a watcher elsewhere */
    gri_watch_table watching;
    gri_pids owed; /* who asked and has not been answered yet, beyond its turn */
    struct gri_actor_timer *timers;
    gri_failure *failure;
    struct gri_levels *levels; /* of a mailbox with priorities */
    gri_worker *pinned;        /* the thread that is its own */
    gri_group *group;          /* made at its start */
    struct gri_wait_list waits;
    uint32_t waits_count;
    uint64_t timers_made;
    gri_note
        *deferred; /* continuations that are due, while no message may be handled; newest first */
    uint32_t continuations;      /* that are under way */
    uint32_t continuations_life; /* counts restarts: those of an earlier life do not run */
    gr_msg *unstashed;           /* come before the mailbox, oldest first */
    struct gri_stash *stash;
    struct gri_behaviour *behaviour; /* of those that ever had another one than that of the props */
    struct gri_receive_timeout *timeouts;
    int64_t active_ms; /* with timeouts: when the last message that counts was handled */
} gri_extras;

/* What every actor needs of its props; the rest is in the extras of those that asked for it, see gri_actor_given(). */
typedef struct gri_props {
    const char *type_name;
    gr_started_fn started;
    gr_receive_fn receive;
    gr_stopped_fn stopped;
    size_t state_bytes;
    void *arg;
    void (*arg_free)(void *arg);
    gr_describe_fn describe;
    bool reentrant;
} gri_props;

enum {
    GRI_STACK_UNIT = 8192,
    GRI_STACK_BYTES_MIN = 16 * 1024,
    GRI_STACK_BYTES_MAX = 256 * 1024 * 1024
};

_Static_assert(GRI_STACK_BYTES_MAX / GRI_STACK_UNIT <= UINT16_MAX, "gri_actor.stack_units");

enum gri_around {
    GRI_AROUND_STARTED = 1,
    GRI_AROUND_RECEIVE = 2,
    GRI_AROUND_SEND = 4,
    GRI_AROUND_SPAWN = 8
};

struct gri_actor {
    gri_process base;
    /* Written at its start; here, because the mailbox begins a cache line of its own. */
    char *name; /* by who has the claim, under the lock of names; NULL: none */
    gri_actor *parent;
    _Atomic(const char *) type_name; /* of the props, for whoever looks from outside */
    /* Apart from the bytes that only a turn writes: those are compared as one word. */
    atomic_bool room_wanted; /* any thread: somebody waits for room in the mailbox */
    bool handed_up;          /* in the parent's turn: its failure went on to the grandparent */
    /* Only who has the claim; rarely, so they may stand among what all read. */
    uint16_t round_told;  /* the latest decision about it and its siblings that it has heard of */
    uint16_t round_begun; /* that its life, from one start to the next, began with */
    /* Any thread. */
    _Alignas(64) gri_mailbox mailbox;
    _Atomic(gri_note *) notes; /* a stack */
    _Atomic uint64_t asked;    /* see gri_asked */
    /* Only who has the claim. */
    uint8_t status;
    uint8_t reason;        /* of the end that is under way */
    bool started;          /* the started hook has succeeded: the stopped hook is due */
    uint8_t wants;         /* gri_asked that could not be done yet */
    uint8_t mailbox_kind;  /* a gr_mailbox_kind */
    uint8_t around;        /* gri_around: what of it has middleware; written at its start */
    uint16_t stack_units;  /* of GRI_STACK_UNIT bytes; 0: the system's default */
    gri_note *notes_taken; /* in order */
    gri_worker *home;      /* while fibers wait: the worker they belong to */
    gri_actor *run_next;   /* in a run queue */
    void *state;
    LIST_HEAD(, gri_actor) children;
    LIST_ENTRY(gri_actor) sibling; /* in the parent's turn */
    gri_note failed_note;
    gri_note stopped_note;
    gri_extras *extras;
    gri_props props;
    _Atomic uint64_t routes; /* any thread; a router's members: see router_internal.h */
    _Atomic uint8_t shown;   /* the status, for whoever looks from outside */
    _Atomic uint32_t
        waits_on; /* the slot of what a fiber of it waits for, for whoever looks; 0: none does */
};

struct gr_context {
    gri_actor *actor;
    const gr_msg *msg;   /* in hand; NULL in hooks */
    bool responded;      /* or handed on */
    bool answered;       /* by gr_respond() */
    void *chunks;        /* of gr_context_alloc() */
    gr_msg *answers;     /* that typed handlers are filling, linked, the latest first */
    const gr_msg *keeps; /* let go of beside `msg` when the fiber is dropped in a crash */
    void *guard;         /* of the call that gr_panic() leaves, see guard.h */
    struct gri_event_round
        *rounds; /* of the event stream, that it was entered in; a panic ends those begun since */
    gr_context *outer; /* a started hook runs inside a handler of the parent */
    gr_future *asking; /* the request of which is on its way through middleware */
    uint64_t turn; /* what futures call it that cannot complete before it ends; 0: no need yet */
};

/* ---- workers --------------------------------------------------------------------------------------------------- */

typedef struct gri_dispatcher_ops {
    /* An actor whose claim the caller has just got is to be run. Any thread. */
    void (*schedule)(gr_system *sys, gri_actor *actor);
    /* The next actor for a worker's loop, waiting for one; NULL: the loop ends. */
    gri_actor *(*next)(gri_worker *worker);
} gri_dispatcher_ops;

struct gri_worker {
    const gri_dispatcher_ops *ops;
    gri_fiber native;
    gri_fiber *fiber; /* that runs now */
    gri_fiber *pool;  /* fibers at rest inside a switch of the worker's loop */
    gri_fiber *large; /* those with larger stacks, for actors that ask for one */
    uint32_t large_count;
    gri_actor *in_hand; /* to be run by the next fiber */
    uint32_t pool_count;
    uint32_t stack_bytes;
    atomic_uint fibers;  /* alive */
    atomic_uint waiting; /* of them suspended in a wait */
    gri_fiber *deep;     /* a large stack; see gri_worker_call_deep() */
    void (*deep_fn)(void *arg);
    void *deep_arg;
    void (*after)(gri_worker *worker, void *arg); /* to be done on the other side of a switch */
    void *after_arg;
    gri_free_lists free; /* process objects */
    uint32_t index;
    void *own; /* the dispatcher's */
    /* What runs now, for the monitor. */
    _Atomic(gri_actor *) running;
    _Atomic(const gr_type *) running_type;
    _Atomic uint64_t turns;
    /* Only the worker writes them; parts of the system's counts. */
    _Atomic uint64_t spawned, stopped;
};

/* What this thread is doing. */
typedef struct gri_thread {
    gri_worker *worker; /* NULL outside of workers */
    gri_parker *parker;
    struct gri_event_round *rounds; /* outside of fibers */
    gr_context *hook;               /* likewise: of an actor that is being started here */
} gri_thread;

extern GRI_THREAD_LOCAL gri_thread gri_this_thread;

/* The handler that runs in this thread now, or NULL. */
static inline gr_context *gri_context_now(void)
{
    gri_worker *worker = gri_this_thread.worker;

    return worker == NULL || worker->fiber == NULL ? NULL : worker->fiber->context;
}

/* As gri_context_now(), and the hook of an actor that a thread of the application is starting. */
static inline gr_context *gri_context_here(void)
{
    gri_worker *worker = gri_this_thread.worker;

    return worker == NULL || worker->fiber == NULL ? gri_this_thread.hook : worker->fiber->context;
}

/* The rounds of subscribed functions that are being called right here, innermost first. */
static inline struct gri_event_round **gri_event_rounds(void)
{
    gri_worker *worker = gri_this_thread.worker;

    return worker == NULL || worker->fiber == NULL ? &gri_this_thread.rounds
                                                   : &worker->fiber->rounds;
}

gr_err gri_worker_init(gri_worker *worker, const gri_dispatcher_ops *ops, uint32_t index,
                       uint32_t stack_bytes);
void gri_worker_fini(gri_worker *worker);
/* Runs the worker's loop in this thread until next() gives NULL. */
void gri_worker_run(gri_worker *worker);
/* Sees to it that there is a fiber to go on with; GR_ENOMEM. */
gr_err gri_worker_prepare(gri_worker *worker);
/* Suspends the fiber that runs, and goes on with the loop on a prepared one, which first does after(worker, arg). */
void gri_worker_suspend(gri_worker *worker, void (*after)(gri_worker *worker, void *arg),
                        void *arg);
/* Goes on with a suspended fiber; the one that runs comes to rest in the pool, and returns from here when it is used again. */
void gri_worker_resume(gri_worker *worker, gri_fiber *fiber);

/* Calls a function that needs much stack and never waits: off the small stacks of fibers. */
void gri_worker_call_deep(void (*fn)(void *arg), void *arg);
/* Frees a fiber that is suspended in a wait and will never be gone on with. */
void gri_worker_drop(gri_worker *worker, gri_fiber *fiber);

/* Runs an actor whose claim the caller has, and gives the claim back or schedules it again. */
void gri_actor_run(gri_actor *actor);

/* ---- systems --------------------------------------------------------------------------------------------------- */

struct gri_workers;

enum { GRI_ROOM_STRIPES = 32 };

/* Senders that wait for room in a mailbox, in turn. */
typedef struct gri_room_stripe {
    pthread_mutex_t lock;
    TAILQ_HEAD(, gri_room_wait) waits; /* lock */
} gri_room_stripe;

/* Who takes what goes to pids of other systems. */
typedef struct gri_foreign {
    const gr_foreign_ops *ops;
    void *self;
} gri_foreign;

enum { GRI_FOREIGN_STRIPES = 16 };

/* Calls of the table that are under way, spread over cache lines. */
typedef struct gri_foreign_stripe {
    _Alignas(64) atomic_uint users;
} gri_foreign_stripe;

/* Keeps the table from being taken away until left; NULL: there is none (leave all the same). Waits inside are fine. */
const gri_foreign *gri_foreign_enter(gr_system *sys, uint32_t *out_stripe);
void gri_foreign_leave(gr_system *sys, uint32_t stripe);

/* Of lines that there might be too many of. */
typedef struct gri_log_limit {
    atomic_int_fast64_t at_ms;  /* when the next may be logged */
    atomic_uint_fast64_t times; /* that there would have been one since the last */
} gri_log_limit;

struct gr_system {
    /* Fixed after gr_system_new(). */
    uint64_t node;
    char *name;
    const gri_dispatcher_ops *ops;
    struct gri_workers *workers; /* threads */
    gr_stepped *stepped;         /* or a stepper */
    LIST_ENTRY(gr_system) stepping;
    uint32_t throughput;
    uint64_t pid_secret; /* where the generations of slots begin */
    uint32_t slow_handler_ms;
    uint32_t stack_bytes;
    gr_supervision root;
    const struct gr_middleware *const *middleware; /* NULL: none */
    gr_log_fn log;                                 /* NULL: nobody reads it */
    void *log_arg;
    gr_log_level log_level;
    gri_process_table table;
    gri_timers timers;
    /* Any thread. */
    _Alignas(64)
        atomic_uint_fast64_t live; /* apart from what others read: every start and end writes it */
    _Alignas(64) atomic_int phase; /* gri_phase */
    atomic_uint_fast64_t spawns_failed, given_up, resumes, escalations, timeouts, slow_handlers,
        ticks_left_out, errors_unheard;
    atomic_uint_fast64_t spawned, stopped, restarts, failures, dead_letters, late_replies, refused,
        dropped;
    atomic_uint_fast64_t random_state;
    _Atomic uint64_t turns_named; /* the next name of a turn, see gri_wait_turn() */
    pthread_mutex_t stop_lock;
    pthread_cond_t stop_changed; /* live reached 0, or the phase changed */
    pthread_mutex_t names_lock;
    struct gri_name_entry *names; /* names_lock */
    gri_room_stripe room[GRI_ROOM_STRIPES];
    struct gri_events *events;
    _Atomic(gri_foreign *) foreign; /* NULL or &foreign_table */
    gri_foreign foreign_table;
    gri_foreign_stripe foreign_users[GRI_FOREIGN_STRIPES];
    gri_log_limit dead_letter_log, unheard_log;
    bool stalled;   /* stepped only */
    bool killed;    /* stepped only */
    bool abandoned; /* threads hang in it: never freed */
};

typedef enum gri_phase { GRI_PHASE_UP, GRI_PHASE_STOPPING, GRI_PHASE_DOWN } gri_phase;

static inline gr_pid gri_process_pid(const gri_process *process)
{
    /* Relaxed: whoever may name the pid of an object knows that its occupant is there. */
    gr_pid pid = {process->sys->node, process->slot,
                  atomic_load_explicit(&process->generation, memory_order_relaxed)};

    return pid;
}

static inline gr_pid gri_actor_pid(const gri_actor *actor)
{
    return gri_process_pid(&actor->base);
}

static inline gri_actor *gri_actor_of(gri_process *process)
{
    return (gri_actor *)process;
}

static inline void gri_actor_show(gri_actor *actor, gri_status status)
{
    /* For people. Release: who waits for an end, and sees FREE, sees all that came before. */
    atomic_store_explicit(&actor->shown, (uint8_t)status, memory_order_release);
}

/* The one way into a status. */
static inline void gri_actor_go(gri_actor *actor, gri_status status)
{
    actor->status = (uint8_t)status;
    gri_actor_show(actor, status);
}

static inline void gri_count(atomic_uint_fast64_t *counter, uint64_t more)
{
    (void)atomic_fetch_add_explicit(counter, more, memory_order_relaxed); /* a count */
}

/* One more in the calling thread's own counter, which nobody else writes; in the shared one where it has none. */
static inline void gri_count_near(atomic_uint_fast64_t *shared, _Atomic uint64_t *own)
{
    if (own == NULL) {
        gri_count(shared, 1);
        return;
    }
    /* Relaxed, both: a count. */
    atomic_store_explicit(own, atomic_load_explicit(own, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

int64_t gri_deadline(const gr_system *sys, int64_t timeout_ms);

/* actor.c, actor_start.c, actor_end.c */
/* GR_EINVAL, naming what is wrong with the props or the name and what would be right. */
gr_err gri_props_check(const gr_props *props, const char *name);
gr_err gri_actor_spawn(gr_system *sys, gri_actor *parent, const gr_props *props, const char *name,
                       gr_pid *out_pid);
void gri_actor_ask(gri_actor *actor, uint32_t generation, unsigned what);
/* The same, because of what was decided in this round about all children of its parent. */
void gri_actor_ask_in_round(gri_actor *actor, uint32_t generation, unsigned what, uint16_t round);
void gri_actor_note(gri_actor *actor, gri_note *note);
void gri_actor_schedule(gri_actor *actor);
/* " NAME", or what it says of itself, or "". In its turn. */
void gri_actor_describe(const gri_actor *actor, char text[GRI_DESCRIPTION_BYTES]);
gri_extras *gri_actor_extras(gri_actor *actor);
/* What is not in gri_props of what an actor was given: of the whole props, or defaults. For what is rare, and looked at rarely. */
const gr_props *gri_actor_given(const gri_actor *actor);
/* Gives the claim back after a turn, or schedules the actor when there is more to do. */
void gri_actor_finish_turn(gri_actor *actor);
/* As gri_actor_kill() of a crash: the actor and its fibers go without hooks, answers or notices. */
void gri_actor_kill(gri_actor *actor);

/* supervise.c */
void gri_actor_failed(gri_actor *actor, const gr_error *error);
void gri_supervise_child(gri_actor *parent, gri_actor *child);
/* A started hook has returned: the failure that a child has handed up meanwhile, or GR_OK. */
gr_err gri_failure_of_start(gri_actor *actor);
/* Whether an actor that is to be restarted has to wait for it; then it is asked again. In its turn. */
bool gri_restart_waits(gri_actor *actor);
/* The same for one that is restarted because of a sibling. */
bool gri_restart_too_waits(gri_actor *actor);
/* No restart will be asked for by the clock any more. */
void gri_restart_wait_end(gri_actor *actor);
void gri_failure_free(gri_failure *failure);
void gri_group_free(gri_group *group);
/* The children of an actor that starts anew are others: none of their restarts counts. */
void gri_group_renew(gri_actor *actor);

/* watch.c */
void gri_watch_tell_all(gri_actor *actor, gr_reason reason);
/* Whether a gr_terminated is still wanted; it is not twice. */
bool gri_watch_expects(gri_actor *actor, const gr_msg *msg);
gr_err gri_watch_signal(gr_system *sys, const gr_signal *signal);
/* A note from the pool: somebody watches, or no longer does. */
typedef struct gri_watch_note {
    gri_block block;
    gri_note note;
    uint32_t generation; /* of the actor that is meant */
    gr_pid watcher;
    gr_msg *notice;
    gr_origin *origin; /* told when the note goes; NULL: nobody */
} gri_watch_note;
void gri_watch_handle(gri_actor *actor, gri_note *note);
/* Nobody handles it any more. */
void gri_watch_drop(gri_note *note);
/* Forgets all watches, telling nobody. */
void gri_watch_fini(gri_actor *actor);

/* actor_timer.c */
void gri_actor_timers_end(gri_actor *actor);
/* A message with an extra is about to be handled: if it is a tick, the next one may come. */
void gri_timer_tick_taken(const gr_msg *msg);

/* room.c */
gri_room_stripe *gri_room_stripe_of(gri_actor *actor);
/* Pushes for those that wait. `popping`: a message is popped next, and its place may be given. Only by who runs the actor. */
void gri_room_serve(gri_actor *actor, bool popping);
/* A long turn ends: one that waits goes on, if there is any place at all. Only by who runs the actor. */
void gri_room_serve_in_turn(gri_actor *actor);
void gri_room_fail(gri_actor *actor);
/* A crash: those who wait are gone, and their messages go. */
void gri_room_kill(gr_system *sys);
gr_err gri_room_wait(gr_system *sys, gri_actor *actor, gr_pid to, gr_msg *take_msg,
                     int64_t deadline_ms);

/* send.c */
gr_err gri_send_local(gr_system *sys, gr_pid to, gr_msg *take_msg, bool force);
/* As gr_send_wait(), but the message keeps its sender. */
gr_err gri_send_wait(gr_system *sys, gr_pid to, gr_msg *take_msg, int64_t timeout_ms);

/* dead_letter.c */
/* Counts, logs and publishes one, and tells nobody else. */
void gri_dead_letter_note(gr_system *sys, gr_pid to, const gr_type *type, gr_pid sender,
                          gr_dead_letter_cause cause);
/* Whoever of this system waits for an answer to it is told, unless others may answer. */
void gri_tell_asker(gr_system *sys, const gr_msg *msg, gr_err code, const char *text);

/* future.c */
void gri_future_deliver(gri_process *process, gr_pid to, gr_msg *take_msg);
/* The same, but what comes too late is counted and no dead letter; false: it was. */
bool gri_future_answer(gri_process *process, gr_pid to, gr_msg *take_msg);
/* Ends the wait for an answer that will not come; nothing when it has come. Cannot fail. */
void gri_future_fail(gri_process *process, gr_pid to, gr_err code);

/* Logs that futures are still held, by an application that will touch them when their system is gone. */
void gri_futures_left(gr_system *sys);

/* Lets go of its answer, whoever still holds it: they went with a crash. */
void gri_future_kill(gri_process *process);

/* continuation.c */
/* A continuation that is due, in whatever state the actor is; true when it has run. */
bool gri_continuation_handle(gri_actor *actor, gri_note *note);
/* Those that had to be put off are due again. */
void gri_continuations_recall(gri_actor *actor);
/* The actor has stopped: those that are due go, without running. */
void gri_continuations_end(gri_actor *actor);
void gri_continuation_drop(gri_note *note);

/* behaviour.c */
/* Chooses the function that is called with each message: the behaviour itself, or what stands around it. */
void gri_behaviour_choose(gri_actor *actor);
/* Back to that of the props, for a new state. */
void gri_behaviour_reset(gri_actor *actor);
/* Sees to it that gri_behaviour_choose() cannot fail; false when out of memory. */
bool gri_behaviour_prepare(gri_actor *actor);

/* The handler itself, without what stands around it. */
gr_receive_fn gri_behaviour_handler(const gri_actor *actor);

/* middleware.c */
/* An actor that is being made gets what stands around it. GR_ENOMEM. */
gr_err gri_middleware_init(gri_actor *actor, const gr_props *props);
gr_err gri_middleware_started(gr_context *ctx);
gr_err gri_middleware_receive(gr_context *ctx, const gr_msg *msg);
/* Takes a message that nobody else holds. */
gr_err gri_middleware_send(gr_context *ctx, gr_pid to, gr_msg *take_msg);
gr_err gri_middleware_spawn(gr_system *sys, gr_context *ctx, const gr_props *props,
                            const char *name, gr_pid *out_pid);

/* passivation.c */
/* Whether an actor that wants to passivate has nothing to do, and nothing that others wait for. */
bool gri_passivation_may_begin(gri_actor *actor);
/* Whether messages have come for an actor that is passivating, and nobody else stops it. */
bool gri_passivation_is_over(gri_actor *actor);

/* stash.c */
/* The next of those that were stashed and are to be handled first; there is one. */
gr_msg *gri_stash_pop(gri_actor *actor);
/* How many are stashed, or were and are still to be handled. */
size_t gri_stash_held(const gri_actor *actor);
/* All that is stashed is to be handled first. */
void gri_stash_return(gri_actor *actor);

/* receive_timeout.c */
/* A message is about to be, or has been, handled by an actor with receive timeouts. */
void gri_receive_timeouts_touch(gri_actor *actor);
/* Sees which are due; handles the message of one. */
void gri_receive_timeouts_look(gri_actor *actor);
void gri_receive_timeouts_end(gri_actor *actor);

/* Whose answer a future waits for; null when it is not known or has come. */
gr_pid gri_future_asked(gri_process *process);

/* custom.c */
gr_err gri_custom_deliver(gri_process *process, gr_pid to, gr_msg *take_msg);

/* names.c */
/* An actor that is starting gets its name, or GR_EEXIST; and lets go of it. */
gr_err gri_name_add(gri_actor *actor, const char *name);
void gri_name_remove(gri_actor *actor);
void gri_names_fini(gr_system *sys);
/* The type and the name of an actor that may go at any moment, "TYPE NAME" or "TYPE", for people. */
enum { GRI_KNOWN_BYTES = 256 };
const char *gri_name_with_type(gri_actor *actor, gr_pid pid, char text[GRI_KNOWN_BYTES]);

/* event.c */
gr_err gri_events_init(gr_system *sys);
void gri_events_fini(gr_system *sys);
bool gri_events_wanted(gr_system *sys);
/* Ends rounds, from the innermost one up to `outer` (NULL: all), whose frames a panic has abandoned. */
void gri_events_abandon(struct gri_event_round *outer);
/* GR_EINVAL, with the remedy, inside a subscribed function: it must not wait. */
gr_err gri_events_may_wait(void);

/* workers.c, stepped.c */
gr_err gri_workers_start(gr_system *sys, uint32_t count, uint32_t stack_bytes);
bool gri_workers_stop(gr_system *sys); /* false: some thread hangs in a handler */
void gri_workers_free(gr_system *sys);
void gri_workers_describe_hung(gr_system *sys, char *text, size_t bytes);
gri_worker *gri_workers_at(gr_system *sys, uint32_t index); /* NULL beyond the last */
/* The worker of this system that the calling thread is; NULL: it is none, or one of a pinned actor. */
gri_worker *gri_workers_here(gr_system *sys);
/* All of them, those of pinned actors too. */
void gri_workers_each(gr_system *sys, void (*fn)(void *arg, gri_worker *worker), void *arg);

/* pinned.c: threads for single actors. GR_ENOMEM, GR_EIO. */
gr_err gri_pinned_new(gr_system *sys, const char *type_name, uint32_t stack_bytes,
                      gri_worker **out_worker);
/* Its actor has gone. Any thread, also its own. */
void gri_pinned_end(gri_worker *worker);
gr_err gri_stepped_join(gr_system *sys, gr_stepped *stepped, uint32_t stack_bytes);
void gri_stepped_leave(gr_system *sys);
/* Room to schedule so many more actors, so that scheduling cannot fail; false when out of memory. */
bool gri_stepped_reserve(gr_stepped *stepped, uint32_t actors);
/* Lets time and actors go on until done(arg) or the deadline; false when it was the deadline (or nothing can happen any more). */
bool gri_stepped_pump(gr_stepped *stepped, gr_system *sys, bool (*done)(void *arg), void *arg,
                      int64_t deadline_ms);
gri_worker *gri_stepped_worker(gr_stepped *stepped);
void gri_stepped_handled(gr_system *sys, gri_actor *actor, const gr_msg *msg);

/* log.c */
void gri_log_init(gr_system *sys, const gr_system_options *options);
static inline bool gri_log_wants(const gr_system *sys, gr_log_level level)
{
    return sys->log != NULL && level <= sys->log_level;
}
/* Whether something that may happen very often is to be logged now, and how often it has happened since it was. */
bool gri_log_due(gr_system *sys, gri_log_limit *limit, uint64_t *out_times);
/* A handler, or a continuation (`msg` may be NULL), has returned an error, and there is nobody to be told. In its turn. */
void gri_log_unheard(gri_actor *actor, const gr_msg *msg, const gr_error *error);

/* system.c */
void gri_system_live_down(gr_system *sys);

#endif
