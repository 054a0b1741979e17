/*
 * Actors: what one is made of (props), how it is started and stopped, and what its handlers may do
 * (context). An actor handles one message at a time. Its hooks and its handler run on a fiber:
 * where they wait (gr_request, gr_await, gr_send_wait), only that fiber is suspended and the worker
 * thread goes on with other actors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_ACTOR_H
#define GRANARY_ACTOR_H

#include <granary/message.h>
#include <granary/supervisor.h>

GR_BEGIN_DECLS

typedef struct gr_system gr_system;

/** What a handler knows of its actor and of the message in hand. Borrowed: valid until the handler
 * returns. */
typedef struct gr_context gr_context;

/** Why an actor ended, or why its stopped hook runs. Numbers cross the wire. */
typedef enum gr_reason {
    GR_REASON_STOPPED = 1,       /* asked to: stop, poison, its parent or the system stopped */
    GR_REASON_FAILED = 2,        /* its supervisor decided to stop it after a failure */
    GR_REASON_NEVER_EXISTED = 3, /* nobody has this pid (any more) */
    GR_REASON_NODE_LOST = 4,     /* its process is gone or cannot be reached */
    GR_REASON_RESTARTING = 5,    /* only seen by the stopped hook: a new state follows */
    GR_REASON_PASSIVATED = 6     /* only seen by the stopped hook: it had nothing to do */
} gr_reason;

/** Sent to the watchers of an actor when it ends, and at once when it has ended before. */
typedef struct gr_terminated {
    gr_pid pid;
    gr_reason reason;
} gr_terminated;

GR_API extern const gr_type gr_terminated_type;

/**
 * Runs before any message. A failure makes the spawn fail with that error and leaves nothing behind; children that the
 * hook has started are stopped, which may take a moment longer than the spawn, and the name is free when they have gone.
 */
typedef gr_err (*gr_started_fn)(gr_context *ctx, void *state);

/**
 * Handles one message; `msg` is borrowed. An error that is not fatal is the answer to whoever
 * asked; one made by gr_fatal() is a failure of the actor: its mailbox pauses and its supervisor
 * decides.
 */
typedef gr_err (*gr_receive_fn)(gr_context *ctx, void *state, const gr_msg *msg);

/**
 * Says in words which one of its type an actor is, for logs: a text of fewer than `bytes` bytes and a NUL. `arg` is that of
 * the props. Runs in the turn of the actor, and in a signal handler when a stack is overrun: it must only look at `arg`, and
 * neither allocate nor wait.
 */
typedef void (*gr_describe_fn)(const void *arg, char *text, size_t bytes);

/** Runs once, after the children have stopped and after the last message. */
typedef void (*gr_stopped_fn)(gr_context *ctx, void *state, gr_reason reason);

/** What a mailbox does when it is full, and in which order it is emptied. */
typedef enum gr_mailbox_kind {
    GR_MAILBOX_REFUSE = 0, /* refuses: GR_EFULL */
    GR_MAILBOX_DROP_OLDEST =
        1, /* takes the message, and the one waiting for longest becomes a dead letter */
    GR_MAILBOX_UNBOUNDED = 2, /* is never full; for senders that are few and known */
    GR_MAILBOX_PRIORITY = 3   /* refuses; is emptied by level, and by age inside a level */
} gr_mailbox_kind;

/** The level of a message, 0 first; what is above the last, GR_PRIORITY_LEVELS - 1, is in the last. Runs once for each message, in the actor's turn, and must
 * only look at it. */
typedef uint8_t (*gr_priority_fn)(const gr_msg *msg);

enum { GR_PRIORITY_LEVELS = 8 };

enum { GR_MAILBOX_LIMIT_DEFAULT = 100000, GR_MAILBOX_LIMIT_MAX = 1000000, GR_NAME_BYTES_MAX = 200 };

/** See <granary/middleware.h>. */
struct gr_middleware;

/**
 * What an actor is made of. Zero in a field means its default. The struct is copied by the spawn,
 * what it points to is not: functions and constants live as long as the system.
 */
typedef struct gr_props {
    const char *type_name; /* for logs and dumps, a constant; default "actor" */
    gr_started_fn started; /* default: nothing to do */
    gr_receive_fn receive; /* required */
    gr_stopped_fn stopped; /* default: nothing to do */
    size_t state_bytes; /* a zeroed block, new at every (re)start, handed to each hook as `state` */
    void *arg; /* handed to the hooks by gr_context_arg(); with no state_bytes it is their `state`
                  too */
    void (*arg_free)(void *arg); /* called when the actor is gone for good, or the spawn failed */
    uint32_t mailbox_limit;      /* messages, at most GR_MAILBOX_LIMIT_MAX; 0, the default, is
                                    GR_MAILBOX_LIMIT_DEFAULT */
    gr_mailbox_kind mailbox;     /* default GR_MAILBOX_REFUSE */
    gr_priority_fn priority;     /* required with GR_MAILBOX_PRIORITY */
    gr_describe_fn describe;     /* default: its name */
    uint32_t
        stack_bytes; /* of the fibers that its handlers run on, when the system's are too small: 16 KiB to 256 MiB */
    bool pinned;    /* runs on a thread of its own, so its handlers may block; default no. Under a
                             stepped dispatcher it runs like any other */
    bool reentrant; /* handle other messages while one waits; default no */
    gr_supervision supervision;     /* what happens to this actor's children when they fail */
    const gr_supervision *guardian; /* what happens to this actor itself, where it has no parent;
                                       may be shared; default: what the system's options say */
    const struct gr_middleware *const
        *middleware; /* inside that of the system, up to NULL, outermost first; default: none */
} gr_props;

/**
 * Starts an actor without a parent.
 *
 * Owns:    copies `props` and `name` (NULL: no name); `props->arg` is taken on every path when
 *          arg_free is set.
 * Errors:  GR_EINVAL a bad name or props, GR_EEXIST the name is taken, GR_ESTOPPED the system is
 *          stopping, GR_ENOMEM, or what the started hook returned.
 * Thread:  any. The started hook runs before this returns, on the caller's stack.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_spawn(gr_system *sys, const gr_props *props, const char *name,
                                     gr_pid *out_pid);

/**
 * Starts a child of the actor in whose handler this is called. Its full name is `parent/name`.
 *
 * Owns:    as gr_spawn().
 * Errors:  as gr_spawn(); GR_ESTOPPED also when this actor is stopping.
 * Thread:  in a handler or hook.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_spawn_child(gr_context *ctx, const gr_props *props, const char *name,
                                           gr_pid *out_pid);

/**
 * Tells: sends without waiting and without a sender, also what somebody else has sent before: who asked here gets no answer
 * from there. To hand on as it is there are gr_forward() and gr_forward_msg().
 *
 * Owns:    takes `take_msg` on every path; what cannot be delivered becomes a dead letter.
 * Errors:  GR_EDEAD no such actor, GR_EFULL its mailbox (or the way to its node) is full, GR_EINVAL
 *          the null pid, GR_EUNREACHABLE a pid of another system that nothing here can reach,
 *          GR_ENOMEM `take_msg` is NULL. GR_OK means queued here, not handled.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_err gr_send(gr_system *sys, gr_pid to, gr_msg *take_msg);

/**
 * Tells at the speed of the receiver: waits while 1024 messages, or as many as its mailbox may hold if
 * that is less, wait there, and goes on when half of them have been handled. So a chain of actors that
 * send like this has short queues, and there is room left for senders that do not wait. When its time is
 * over the message is sent as by gr_send(); so it is at once where an actor that is not reentrant sends to
 * itself, since nobody else could make room.
 *
 * Owns:    takes `take_msg` on every path.
 * Errors:  as gr_send(), GR_EFULL only when there was no room in time; GR_EINVAL also where there is
 *          none and a function subscribed to events would have to wait.
 * Thread:  any. In a handler the fiber waits, elsewhere the thread. Waiting senders get room in
 *          turn.
 * Units:   milliseconds; GR_FOREVER = no limit; 0 or less = as gr_send().
 */
GR_API gr_err gr_send_wait(gr_system *sys, gr_pid to, gr_msg *take_msg, int64_t timeout_ms);

/**
 * Asks `to` and waits for one reply.
 *
 * Owns:    takes `take_msg` on every path; `*out_reply` is yours: gr_msg_unref() it.
 * Errors:  GR_EDEAD no such actor or it ended before it answered, GR_EFULL, GR_ETIMEDOUT no reply
 *          in time, GR_EUNKNOWN its node was lost after the request was sent, GR_ENOTRUN ... before
 *          it was sent, GR_ESTOPPED or GR_ERESTARTED the waiting actor was stopped or restarted,
 *          GR_EDEADLOCK an actor asks itself, and is not reentrant or still being started: it would
 *          wait for the end of its own handler; GR_EINVAL the null pid, or called by a function subscribed to
 *          events; nothing was sent. Or the error that was the answer.
 * Thread:  any. In a handler the fiber waits and the worker goes on; elsewhere the thread blocks.
 * Units:   milliseconds; GR_FOREVER = no limit; with 0 or less it is sent, and the time is over.
 */
GR_API GR_MUST_CHECK gr_err gr_request(gr_system *sys, gr_pid to, gr_msg *take_msg,
                                       int64_t timeout_ms, gr_msg **out_reply);

/**
 * Sends with this actor as the sender, whoever it was before: the answer arrives as a message.
 *
 * Owns:    takes `take_msg` on every path.
 * Errors:  as gr_send().
 * Thread:  in a handler or hook.
 * Units:   none.
 */
GR_API gr_err gr_context_send(gr_context *ctx, gr_pid to, gr_msg *take_msg);

/**
 * Answers the message in hand.
 *
 * Owns:    takes `take_msg` on every path; what is refused as GR_EINVAL is a dead letter.
 * Errors:  as gr_send(); GR_EINVAL there is nobody to answer, or this handler has answered the request before. Who has sent
 *          the message in hand by gr_context_send(), and so is an actor, may be answered more than once. That the answer
 *          comes too late is no error: it is a dead letter of cause GR_DEAD_LATE.
 * Thread:  in a handler.
 * Units:   none.
 */
GR_API gr_err gr_respond(gr_context *ctx, gr_msg *take_msg);

/**
 * Hands the message in hand on; its sender stays who it was, and gets the answer.
 *
 * Owns:    shares the message.
 * Errors:  as gr_send().
 * Thread:  in a handler.
 * Units:   none.
 */
GR_API gr_err gr_forward(gr_context *ctx, gr_pid to);

/**
 * Hands on a message that was kept (gr_msg_ref) from the handler it came to: its sender stays who it was, and gets the answer.
 * For a request that is handed on later, or from elsewhere, than gr_forward() can. The actor that it came to still owes an
 * answer as well: if it ends before there is one, the asker is told GR_EDEAD.
 *
 * Owns:    takes `take_msg` on every path.
 * Errors:  as gr_send().
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_err gr_forward_msg(gr_system *sys, gr_pid to, gr_msg *take_msg);

/**
 * Stops an actor at once: it finishes the message in hand, its children stop, its stopped hook
 * runs, and what is left in its mailbox becomes dead letters. Only asks: gr_await_end() waits.
 * Stopping what is not there is harmless.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_send_stop(gr_system *sys, gr_pid pid);

/**
 * Stops an actor in order: after all that was sent before. What comes later becomes dead letters.
 * Only asks: gr_await_end() waits.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_send_poison(gr_system *sys, gr_pid pid);

/**
 * Waits until an actor has ended, which it does not bring about: that is for gr_send_stop(), gr_send_poison() or the actor
 * itself. When this returns GR_OK none of its hooks runs any more, its arg_free has returned, its children have gone, its name
 * is free, and so is what only it has used. For handlers that need not stand still meanwhile there is gr_watch().
 *
 * Owns:    `*out_reason`, which may be NULL, is why: GR_REASON_NEVER_EXISTED when it had ended before.
 * Errors:  GR_ETIMEDOUT it has not; GR_EINVAL the null pid, or the actor would wait for itself, or a function subscribed to
 *          events would have to wait; GR_ENODELOST its node is lost, so it may be there still; GR_ESTOPPED or GR_ERESTARTED
 *          the waiting actor was stopped or restarted; GR_EUNREACHABLE, GR_ENOMEM.
 * Thread:  any. In a handler the fiber waits, elsewhere the thread blocks. Not in the actor's own arg_free.
 * Units:   milliseconds; GR_FOREVER = no limit; 0 or less = do not wait.
 */
GR_API gr_err gr_await_end(gr_system *sys, gr_pid pid, int64_t timeout_ms, gr_reason *out_reason);

/**
 * Asks to be told, by a gr_terminated message, when an actor ends; at once when it has. Told once
 * for each watch.
 *
 * Owns:    nothing.
 * Errors:  GR_EINVAL the null pid, GR_ENOMEM, GR_EUNREACHABLE.
 * Thread:  in a handler or hook.
 * Units:   none.
 */
GR_API gr_err gr_watch(gr_context *ctx, gr_pid pid);

/**
 * Takes a watch back: no gr_terminated for it will be handled any more.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  in a handler or hook.
 * Units:   none.
 */
GR_API void gr_unwatch(gr_context *ctx, gr_pid pid);

/**
 * Abandons the handler at once, as if it had returned gr_fatal(): the supervisor decides. Memory
 * from gr_context_alloc() and the message in hand are given back; what the handler holds otherwise
 * is its own loss.
 *
 * Owns:    nothing.
 * Errors:  does not return.
 * Thread:  in a handler or hook, on its fiber.
 * Units:   none.
 */
GR_API GR_NORETURN void gr_panic(gr_context *ctx, gr_err code, const char *format, ...)
    GR_PRINTF(3, 4);

/**
 * Memory for the rest of this turn, aligned for anything, not zeroed; it goes with the message in
 * hand.
 *
 * Owns:    borrowed: until the handler returns.
 * Errors:  NULL when out of memory.
 * Thread:  in a handler or hook.
 * Units:   bytes.
 */
GR_API void *gr_context_alloc(gr_context *ctx, size_t bytes);

/**
 * Plain getters: this actor, its parent (null without one), the message in hand's sender (null for
 * a tell), the system, the arg of the props, and the full name ("" without one).
 *
 * Owns:    borrowed or values.
 * Errors:  none.
 * Thread:  in a handler or hook.
 * Units:   none.
 */
GR_API gr_pid gr_context_self(const gr_context *ctx);
GR_API gr_pid gr_context_parent(const gr_context *ctx);
GR_API gr_pid gr_context_sender(const gr_context *ctx);
GR_API gr_system *gr_context_system(const gr_context *ctx);
GR_API void *gr_context_arg(const gr_context *ctx);
GR_API const char *gr_context_name(const gr_context *ctx);

/**
 * The number of live children.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  in a handler or hook.
 * Units:   none.
 */
GR_API size_t gr_context_children(const gr_context *ctx);

/**
 * Finds a local actor by its full name.
 *
 * Owns:    a value.
 * Errors:  GR_ENOTFOUND nobody has that name now; GR_EINVAL `name` is NULL.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_name_find(gr_system *sys, const char *name, gr_pid *out_pid);

/**
 * The full name of a local actor, for people: `text`, filled with as much of it as fits, a NUL at its end. It does not take
 * longer where there are many names.
 *
 * Owns:    `text` is yours.
 * Errors:  "" for one without a name, one that has ended, and one elsewhere.
 * Thread:  any.
 * Units:   bytes; names of actors without a parent have at most GR_NAME_BYTES_MAX, their children's are longer.
 */
GR_API const char *gr_name_of(gr_system *sys, gr_pid pid, char *text, size_t bytes);

GR_END_DECLS
#endif
