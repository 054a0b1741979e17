/*
 * Sessions: one for each other process (incarnation) that this one talks to. A session outlives the
 * connections that carry it. Numbered frames, acknowledgements, credit, who has asked and not been
 * answered, who watches whom.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_SESSION_H
#define GRI_REMOTE_SESSION_H

#include "hash.h"
#include "outbox.h"
#include "pid_table.h"
#include "remote_internal.h"
#include "watches.h"
#include "window.h"

/*         (1)          (2)
 *   NEW ------> UP ---------> BROKEN       (1) gri_session_attach()  (2) gri_session_detach()
 *    |          ^ '----(1)-----' |         ENDED: gri_session_end(), from any of them
 *    '----------'--> ENDED <-----'
 */
typedef enum gri_session_state {
    GRI_SESSION_NEW,    /* messages wait for its first connection */
    GRI_SESSION_UP,     /* a link carries it */
    GRI_SESSION_BROKEN, /* waits for its next connection, up to the session time-out */
    GRI_SESSION_ENDED
} gri_session_state;

/* Ours: after it nothing more is said, and nothing more is taken in. */
typedef enum gri_goodbye {
    GRI_GOODBYE_NONE,
    GRI_GOODBYE_DUE, /* goes after all that waits */
    GRI_GOODBYE_SAID
} gri_goodbye;

struct gri_waiter;

struct gri_session {
    /* Fixed. */
    gr_remote *remote; /* a reference */
    uint64_t node;
    gr_origin
        origin; /* of the messages received from there: each holds a reference to the session */
    UT_hash_handle hh; /* the remote's peers_lock */
    bool added;
    atomic_uint refs;
    /* What the holders of received messages have given back. */
    _Atomic uint64_t released_messages, released_bytes;
    atomic_bool grant_due;                      /* enough of that to tell the peer at once */
    atomic_bool tell_each;                      /* it wants to know of each of them */
    _Atomic uint64_t told_messages, told_bytes; /* what the last frame has said of it */
    /* Watches and unwatches from there that their actors have not seen yet: each holds a reference. */
    gr_origin watch_origin;
    _Atomic uint64_t watches_unseen;
    _Atomic uint32_t message_bytes_max; /* the smaller of both sides' limits */
    /* lock: senders, and whoever the network calls. */
    pthread_mutex_t lock;
    gri_session_state state;
    gri_link *link; /* UP: a reference */
    gri_outbox outbox;
    gri_window window;
    gri_numbers_out numbers;
    gri_pid_table asked; /* here, who waits for an answer from there */
    gri_pid_table owed;  /* there, who waits for an answer from here */
    uint32_t asked_prune_at, owed_prune_at;
    gri_watches watching;             /* local watches foreign */
    gri_watches watched;              /* local is watched by foreign */
    TAILQ_HEAD(, gri_waiter) waiters; /* for credit, in turn */
    uint64_t received_seq;
    uint32_t unacked_frames;
    size_t unacked_bytes;
    bool hearing; /* a frame is being handled: what is sent meanwhile goes together, after it */
    bool beat_due;
    bool want_due; /* the first of the waiters needs most of the window: says so */
    gri_goodbye goodbye;
    bool heard_goodbye;
    bool peer_is_done; /* ... which has said that it takes in nothing after what it acknowledged */
    /* Only the thread that receives; from one link to the next handed over by the control turn. */
    gri_numbers_in numbers_in;
    uint64_t in_messages, in_bytes; /* that took credit, ever */
    uint8_t *parcel;                /* a payload that arrives in pieces; NULL while skipping one */
    uint32_t parcel_total, parcel_filled;
    /* Control turn. */
    uint64_t id;                 /* random; 0 until it has been up */
    gr_peer_info info;           /* address "" until known */
    gri_route *route;            /* to be dialled; held */
    gri_link *candidate;         /* the link that is being greeted for it; borrowed */
    gri_link *parked;            /* the link that waits for its elder to be gone; borrowed */
    int64_t since_ms;            /* of the state */
    bool leaves;                 /* a goodbye is due or was said */
    gri_control_item start_item; /* made by a sender: someone must dial */
    gri_control_item end_item;   /* the peer has broken the protocol or said goodbye */
    gr_error end_why;            /* lock; for end_item */
};

/* Payloads count for so much more than their bytes, on both sides. */
enum { GRI_CHARGE_BYTES = 64 };

/* What may be taken before the peer's hello has told its window; a receiver puts up with so much. */
enum { GRI_WINDOW_FIRST_MESSAGES = 1024, GRI_WINDOW_FIRST_BYTES = 1024 * 1024 };

gri_session *gri_session_new(gr_remote *remote, uint64_t node);
gri_session *gri_session_ref(gri_session *session);
void gri_session_unref(gri_session *take_session);

/* sending.c. `*out_again`: the session had ended before anything was done; take_msg is
 * still the caller's, who looks for another session. */
gr_err gri_session_send(gri_session *session, gr_pid to, gr_msg *take_msg, int64_t deadline_ms,
                        bool *out_again);
/* Somebody there has asked and waits for one answer, which will take no credit. False: no memory. */
bool gri_session_owe(gri_session *session, gr_pid asker);
/* Whether somebody there waits for an answer from here. */
bool gri_session_owes(gri_session *session, gr_pid asker);
/* An answer has come for somebody here; false: who has not asked, or has had it. */
bool gri_session_answered(gri_session *session, gr_pid asker);
gr_err gri_session_signal(gri_session *session, const gr_signal *signal);
/* session.c. Sends what may be sent now: one frame, if none is in flight. Any thread, no lock held. */
void gri_session_pump(gri_session *session);
/* The link's send is over. */
void gri_session_sent(gri_session *session, gri_link *link);
/* A beat is to be sent although nothing else is; when it has nothing to say, only if asked. */
void gri_session_beat(gri_session *session);
/* The peer wants to know of every release, and now of those that it was not told. */
void gri_session_wanted(gri_session *session);
/* Whether anything waits to be sent, or was sent and is not acknowledged. */
bool gri_session_waiting(gri_session *session);
/* After all that waits. */
void gri_session_say_goodbye(gri_session *session);
bool gri_session_has_said_goodbye(gri_session *session);
/* Who is on the other side, in words, for logs. */
enum { GRI_SESSION_WHO_BYTES = GR_ADDRESS_BYTES_MAX + 32 };
const char *gri_session_who(const gri_session *session, char out_text[GRI_SESSION_WHO_BYTES]);

/* inbox.c: one frame, in the link's receiving thread. False: the link must not go on. */
bool gri_session_receive(gri_session *session, gri_link *link, const uint8_t *bytes, size_t count);

/* credit.c: who may send a message now, and senders that wait. */
/* Takes the peer's credit for a message, unless too much is kept here that it has not acknowledged:
 * what it grants without acknowledging does not count. */
bool gri_credit_take_locked(gri_session *session, uint64_t charge);
/* What a sender holds while it waits, besides a reference to the session: it stays the sender's, and
 * is let go of for it when its fiber is gone in a simulated crash. */
typedef struct gri_credit_use {
    gr_msg *msg;
    uint8_t *packed;
} gri_credit_use;

/* With the lock, which is given up while waiting. GR_OK: the credit is taken. GR_EFULL: there was none in time;
 * GR_EUNREACHABLE: the session has ended; or what ended the wait. */
gr_err gri_credit_wait_locked(gri_session *session, uint64_t charge, int64_t deadline_ms,
                              const gri_credit_use *use);
/* Hands new credit to those who wait; without the lock. */
void gri_credit_granted(gri_session *session);
/* With no lock: tells all who wait that the session has ended. */
void gri_credit_ended(gri_session *session);

/* The last frame of the peer's that has been handled. */
uint64_t gri_session_received(gri_session *session);
/* Whether no frame has travelled in it yet. */
bool gri_session_untouched(gri_session *session);
/* Control turn. The link carries it from now on; the peer has handled `received` of our frames.
 * False: what the peer wants again is gone. */
bool gri_session_attach(gri_session *session, gri_link *link, uint64_t received);
void gri_session_detach(gri_session *session, gri_link *link);
/* ending.c: over, for a reason; everyone concerned is told. */
void gri_session_end(gri_session *session, const gr_error *why);

/* Any thread: asks the control turn to end it. */
void gri_session_ask_end(gri_session *session, gr_err code, const char *text);

/* How errors travel and how many bytes they take. */
size_t gri_error_bytes(const gr_error *error);
void gri_error_pack(const gr_error *error, uint8_t *out);
gr_msg *gri_error_unpack(const uint8_t *bytes, size_t count);
#define GRI_ERROR_TYPE_NAME "granary.Error"

#endif
