/*
 * For those who extend the runtime: how payloads travel, processes of one's own, pids of other
 * systems, alarms, and the stepped dispatcher. The remote and cluster layers are built on this and
 * on nothing else of the runtime. Tables of functions carry a version; set it to the constant
 * beside them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_RUNTIME_SPI_H
#define GRANARY_RUNTIME_SPI_H

#include <granary/runtime.h>

GR_BEGIN_DECLS

/* ---- payloads
 * -------------------------------------------------------------------------------------------------
 */

enum { GR_CODEC_VERSION = 1 };

/** How payloads of a type travel. They are called on fibers, with their small stacks: a codec that
 * needs much, as for deep nesting, has to see to it itself. */
struct gr_codec {
    uint32_t version;
    /** Bytes that pack() will write; SIZE_MAX when the payload cannot be packed. */
    size_t (*packed_bytes)(const gr_type *type, const void *payload);
    void (*pack)(const gr_type *type, const void *payload, uint8_t *out);
    /** Fills the zeroed payload of a fresh message; what it refers to comes from gr_msg_alloc(msg).
     * Bytes are untrusted. */
    gr_err (*unpack)(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg);
};

/**
 * A new message from bytes.
 *
 * Owns:    `bytes` stay yours; the message is yours.
 * Errors:  GR_EDECODE the bytes are not such a message, GR_EINVAL the type has no codec, GR_ENOMEM.
 * Thread:  any; deep messages are unpacked on a large stack of their own when a handler calls this.
 * Units:   bytes.
 */
GR_API GR_MUST_CHECK gr_err gr_msg_unpack(const gr_type *type, const uint8_t *bytes, size_t count,
                                          gr_msg **out_msg);

/**
 * The message whose own payload this is, as gr_msg_payload() and gr_msg_read() gave it (not of a message that was sent while
 * shared).
 *
 * Owns:    borrowed.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_msg *gr_msg_of(void *payload);

/**
 * Sets the sender of a message that has not been sent yet, for gr_forward_msg(): gr_send() would take it away again.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  the only holder.
 * Units:   none.
 */
GR_API void gr_msg_set_sender(gr_msg *msg, gr_pid sender);

/**
 * Marks a message as a request: its sender waits for one answer, and gets an error when there can be none. And reads the mark.
 *
 * Owns:    a value.
 * Errors:  none.
 * Thread:  set: the only holder; read: any.
 * Units:   none.
 */
GR_API void gr_msg_set_request(gr_msg *msg);
GR_API bool gr_msg_is_request(const gr_msg *msg);

/** Told, once, when a message has been freed, or a watch has been seen to; for windows that count what is
 * still in use. Embed it. */
typedef struct gr_origin {
    void (*released)(struct gr_origin *origin, size_t bytes);
} gr_origin;

/**
 * Has `origin` told when the message is freed.
 *
 * Owns:    `origin` outlives the message.
 * Errors:  none.
 * Thread:  the only holder.
 * Units:   `bytes` is handed back as it is.
 */
GR_API void gr_msg_set_origin(gr_msg *msg, gr_origin *origin, size_t bytes);

/**
 * A new message that carries a failure.
 *
 * Owns:    yours. `text` may be NULL for the code's own text.
 * Errors:  NULL when out of memory.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_msg *gr_msg_new_error(gr_err code, const char *text);

/* ---- signals: what is not a user message
 * ---------------------------------------------------------------------- */

typedef enum gr_signal_kind {
    GR_SIGNAL_STOP = 1,
    GR_SIGNAL_POISON = 2,
    GR_SIGNAL_WATCH = 3,     /* `from` wants to know when `to` ends */
    GR_SIGNAL_UNWATCH = 4,   /* `from` no longer does */
    GR_SIGNAL_TERMINATED = 5 /* to a watcher `to`: `from` has ended for `reason` */
} gr_signal_kind;

typedef struct gr_signal {
    gr_signal_kind kind;
    gr_pid to;
    gr_pid from;
    gr_reason reason;
    gr_origin
        *origin; /* of a watch or unwatch in this system, or NULL: told, with 0 bytes, when the
                          actor has seen it or never will; outlives it */
} gr_signal;

/**
 * Delivers a signal to a process of this system, or hands it to the foreign table.
 *
 * Owns:    copies.
 * Errors:  GR_EDEAD, GR_ENOMEM, GR_EUNREACHABLE.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_err gr_signal_send(gr_system *sys, const gr_signal *signal);

/* ---- processes: anything with an inbox
 * ------------------------------------------------------------------------ */

enum { GR_PROCESS_VERSION = 1 };

/** Slots with a fixed address, generation 1, the same in every system. */
enum { GR_SLOT_REMOTE = 1, GR_SLOT_CLUSTER = 2, GR_SLOTS_WELL_KNOWN = 16 };

typedef struct gr_process_ops {
    uint32_t version;
    const char *type_name;
    /** Takes one message, at once, in the sender's thread; several may run at a time. Must not
     * block. */
    void (*deliver)(void *self, gr_pid pid, gr_msg *take_msg);
    /** Runs once, after gr_process_close() and after the last deliver() has returned; may be NULL.
     */
    void (*closed)(void *self);
} gr_process_ops;

/**
 * Opens a process at a fresh pid, or at a well-known slot when `slot` is not 0.
 *
 * Owns:    `self` stays valid until closed() is called. The ops are borrowed for as long.
 * Errors:  GR_ENOMEM, GR_ESTOPPED, GR_EEXIST the well-known slot is taken.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_process_open(gr_system *sys, const gr_process_ops *ops, void *self,
                                            uint32_t slot, gr_pid *out_pid);

/**
 * Closes a process: what is sent to its pid from now on is a dead letter.
 *
 * Owns:    calls ops->closed(self) when the last delivery has ended, perhaps before this returns.
 * Errors:  none; closing twice is harmless.
 * Thread:  any, also inside deliver().
 * Units:   none.
 */
GR_API void gr_process_close(gr_system *sys, gr_pid pid);

/**
 * Whether a pid of this system has an occupant now; false for pids of others.
 *
 * Owns:    a value, out of date at once.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API bool gr_process_alive(gr_system *sys, gr_pid pid);

/** The pid of a well-known slot of any system. */
static inline gr_pid gr_pid_well_known(uint64_t node, uint32_t slot)
{
    gr_pid pid = {node, slot, 1};

    return pid;
}

/* ---- pids of other systems
 * ------------------------------------------------------------------------------------ */

enum { GR_FOREIGN_VERSION = 1 };

/** Takes what is sent to pids whose node is another system. */
typedef struct gr_foreign_ops {
    uint32_t version;
    /** `deadline_ms` 0: refuse at once (GR_EFULL) when there is no room; else wait for room until
     * then. */
    gr_err (*send)(void *self, gr_pid to, gr_msg *take_msg, int64_t deadline_ms);
    gr_err (*signal)(void *self, const gr_signal *signal);
} gr_foreign_ops;

/**
 * Sets, or with NULL takes away, the table for foreign pids. After it returns the old one is not
 * being called any more.
 *
 * Owns:    borrowed.
 * Errors:  none.
 * Thread:  any but inside the table's own functions.
 * Units:   none.
 */
GR_API void gr_system_set_foreign(gr_system *sys, const gr_foreign_ops *ops, void *self);

/**
 * Counts, logs (with a limit) and publishes a dead letter; one with a future as its sender is
 * answered with an error.
 *
 * Owns:    takes `take_msg`.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_dead_letter_add(gr_system *sys, gr_pid to, gr_msg *take_msg,
                               gr_dead_letter_cause cause, gr_err code);

/**
 * The same with a reason in words for whoever asked; for what was found out while it was being sent.
 *
 * Owns:    takes `take_msg`; `why` stays yours.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_dead_letter_add_error(gr_system *sys, gr_pid to, gr_msg *take_msg,
                                     gr_dead_letter_cause cause, const gr_error *why);

/* ---- idle actors
 * -------------------------------------------------------------------------------------------------
 */

/**
 * As gr_receive_timeout_set() and gr_receive_timeout_cancel(), with a message of another type: so that each plugin has a
 * receive timeout of its own, beside that of the application. The type has an empty payload and names the timeout.
 *
 * Owns:    `type` is borrowed as long as the system lives.
 * Errors:  as there.
 * Thread:  in a handler or hook.
 * Units:   milliseconds.
 */
GR_API GR_MUST_CHECK gr_err gr_receive_timeout_set_type(gr_context *ctx, const gr_type *type,
                                                        int64_t timeout_ms);
GR_API void gr_receive_timeout_cancel_type(gr_context *ctx, const gr_type *type);

/* ---- futures from the other side
 * ------------------------------------------------------------------------------ */

/**
 * Completes a future, if it is not complete yet.
 *
 * Owns:    takes `take_msg` on every path.
 * Errors:  GR_EEXIST it was complete.
 * Thread:  any.
 * Units:   none.
 */
GR_API gr_err gr_future_complete(gr_future *future, gr_msg *take_msg);

/** Called once when a future completes, in the completing thread (at once when it is complete
 * already). Must be quick. */
typedef void (*gr_future_fn)(void *arg, gr_future *future);

/**
 * Has a function called at completion; one for each future.
 *
 * Owns:    the future keeps itself alive until the call.
 * Errors:  GR_EEXIST there is one already.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_future_on_complete(gr_future *future, gr_future_fn fn, void *arg);

/* ---- time, chance, alarms
 * --------------------------------------------------------------------------------------- */

/**
 * The wall clock, which people set; virtual when stepped. And the next random number, which the
 * seed decides when stepped.
 *
 * Owns:    values.
 * Errors:  none.
 * Thread:  any.
 * Units:   milliseconds since 1970; 64 random bits.
 */
GR_API int64_t gr_system_wall_ms(const gr_system *sys);
GR_API uint64_t gr_system_random(gr_system *sys);

/** A function that runs at a time, in the timer thread (or in the stepping thread). Embed it;
 * opaque but for its size. */
typedef struct gr_alarm {
    gr_system *sys;
    void (*fn)(void *arg);
    void *arg;
    struct {
        void *next, **prev;
        int64_t at_ms;
        int state;
        int list;
    } node;
} gr_alarm;

/**
 * Prepares an alarm; sets one (again); takes one back without waiting; ends one.
 *
 * Owns:    the caller's memory; after gr_alarm_fini() the function is not running and will not run.
 *          fini waits for a running function unless it is called from inside it, so hold no lock
 *          that the function takes.
 * Errors:  none.
 * Thread:  any. The function must be quick and must not block.
 * Units:   milliseconds of gr_system_now().
 */
GR_API void gr_alarm_init(gr_alarm *alarm, gr_system *sys, void (*fn)(void *arg), void *arg);
GR_API void gr_alarm_set(gr_alarm *alarm, int64_t at_ms);
GR_API void gr_alarm_clear(gr_alarm *alarm);
GR_API void gr_alarm_fini(gr_alarm *alarm);

/**
 * Logs one line through the system's log, if its level is wanted. `id` is a stable name such as
 * "GR-REMOTE-HANDSHAKE".
 *
 * Owns:    copies.
 * Errors:  none.
 * Thread:  any.
 * Units:   none.
 */
GR_API void gr_system_log(gr_system *sys, gr_log_level level, const char *id, const char *format,
                          ...) GR_PRINTF(4, 5);

/* ---- the stepped dispatcher
 * ------------------------------------------------------------------------------------- */

/** One thread, virtual time, an order chosen by a seed; several systems can share one. */
typedef struct gr_stepped gr_stepped;

/**
 * A new stepper; systems join it by gr_system_options.stepped and leave it when they are freed.
 *
 * Owns:    yours: gr_stepped_free() it after its systems.
 * Errors:  GR_ENOMEM.
 * Thread:  all of a stepper's systems, and whoever steps them, live in one thread.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_stepped_new(uint64_t seed, gr_stepped **out_stepped);
GR_API gr_stepped *gr_stepped_free(gr_stepped *take_stepped);

/**
 * Lets one runnable actor handle one message. A wait (gr_await and the like) outside of handlers
 * does this by itself, and turns the clock on when nothing is runnable.
 *
 * Owns:    nothing.
 * Errors:  false: nothing is runnable.
 * Thread:  the stepper's.
 * Units:   none.
 */
GR_API bool gr_stepped_step(gr_stepped *stepped);

/**
 * Steps until nothing is runnable, without turning the clock on; and: turns the clock on by `ms`,
 * running what becomes due in its order.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  the stepper's.
 * Units:   milliseconds.
 */
GR_API void gr_stepped_run_until_idle(gr_stepped *stepped);
GR_API void gr_stepped_advance(gr_stepped *stepped, int64_t ms);

/**
 * Virtual time; when the next alarm is due (INT64_MAX: never); a number that the seed decides.
 *
 * Owns:    values.
 * Errors:  none.
 * Thread:  the stepper's.
 * Units:   milliseconds.
 */
GR_API int64_t gr_stepped_now(const gr_stepped *stepped);
GR_API int64_t gr_stepped_next_ms(const gr_stepped *stepped);
GR_API uint64_t gr_stepped_random(gr_stepped *stepped);

/** Sees each step of a run as one line without a newline; the same seed gives the same lines. */
typedef void (*gr_trace_fn)(void *arg, const char *line);

/**
 * Has every step traced; NULL ends that.
 *
 * Owns:    `arg` stays valid until it is taken away.
 * Errors:  none.
 * Thread:  the stepper's.
 * Units:   none.
 */
GR_API void gr_stepped_trace(gr_stepped *stepped, gr_trace_fn fn, void *arg);

/**
 * Stalls or resumes a whole system, as SIGSTOP would: its actors and alarms do not run while it is
 * stalled, and see all of the time that went by afterwards.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Thread:  the stepper's.
 * Units:   none.
 */
GR_API void gr_stepped_stall(gr_system *sys, bool stalled);

/**
 * A crash: the system's actors, fibers and alarms are gone at once, without hooks. Then only gr_system_free() is allowed.
 *
 * Owns:    frees what the actors held in messages; what handlers had on their stacks or in memory of their own is lost.
 * Errors:  none.
 * Thread:  the stepper's, outside of handlers.
 * Units:   none.
 */
GR_API void gr_stepped_kill(gr_system *sys);

GR_END_DECLS
#endif
