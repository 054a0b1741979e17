/*
 * The mailbox of an actor: a stack that any thread pushes to, taken whole and turned over by the one worker that runs the
 * actor (order per sender is kept). One 64-bit word holds the newest message, the number of messages since the last take
 * and two flags, so that a send is one compare-and-swap that also finds out whether the actor has to be scheduled and
 * whether the limit is reached.
 *
 *   bits 63..22  the newest message, its address divided by 64 (blocks are aligned; 48-bit addresses)
 *   bits 21..2   how many: pushed since the last take, plus those taken then; saturates
 *   bit 1        BLOCKED: user messages do not schedule the actor (it waits on a fiber, or has failed)
 *   bit 0        SCHEDULED: somebody has the right and the duty to run the actor
 *
 * `handled` counts what has been taken out since the last take; count minus handled is the depth. It is read only near the
 * limit, so a send does not touch the reader's cache line. Both change at a take; TAKING in `handled` says that the two do
 * not fit each other for a moment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_MAILBOX_H
#define GRI_MAILBOX_H

#include "message_internal.h"

#define GRI_MAILBOX_SCHEDULED  ((uint64_t)1)
#define GRI_MAILBOX_BLOCKED    ((uint64_t)2)
#define GRI_MAILBOX_ONE        ((uint64_t)4)
#define GRI_MAILBOX_COUNT_MAX  ((uint64_t)0xfffff)
#define GRI_MAILBOX_POINTER_UP 16 /* its lowest six bits are 0, and make room for flags and count */
#define GRI_MAILBOX_BELOW      (((uint64_t)1 << 22) - 1)
#define GRI_MAILBOX_TAKING     ((uint32_t)1 << 31)

typedef struct gri_mailbox {
    /* Written by any sender. */
    _Atomic uint64_t word;
    _Atomic uint32_t
        limit; /* fixed while the actor lives; late senders to the last one may read it; 0: a router's */
    atomic_bool drops; /* likewise; who finds it full drops the oldest, see inbox.h */
    /* Only the worker that runs the actor writes these. */
    gr_msg *oldest;           /* taken, in order */
    _Atomic uint32_t handled; /* since the last take */
} gri_mailbox;

typedef enum gri_push { GRI_PUSHED, GRI_PUSHED_MUST_SCHEDULE, GRI_PUSH_FULL } gri_push;

static inline gr_msg *gri_mailbox_newest(uint64_t word)
{
    return (gr_msg *)(uintptr_t)(word >> GRI_MAILBOX_POINTER_UP & ~(uint64_t)63);
}

static inline uint64_t gri_mailbox_count(uint64_t word)
{
    return word >> 2 & GRI_MAILBOX_COUNT_MAX;
}

/* Messages waiting, as seen by anybody. */
static inline uint64_t gri_mailbox_depth(const gri_mailbox *box)
{
    uint64_t count =
        gri_mailbox_count(atomic_load_explicit(&box->word, memory_order_relaxed)); /* a reading */
    uint64_t handled = atomic_load_explicit(&box->handled, memory_order_relaxed) &
                       ~GRI_MAILBOX_TAKING; /* a reading */

    return count > handled ? count - handled : 0;
}

/*
 * How deep senders that are willing to wait let it become: they leave the rest to those that are not, and a queue that stays
 * this short stays in a core's cache. They are let go on, many messages at a time, once it is down to half of that.
 */
enum { GRI_MAILBOX_PATIENT = 1024, GRI_MAILBOX_PATIENT_LEAST = 64 };

static inline uint32_t gri_mailbox_limit(const gri_mailbox *box)
{
    return atomic_load_explicit(&box->limit,
                                memory_order_relaxed); /* a number, publishes nothing */
}

static inline uint32_t gri_mailbox_patient_limit(const gri_mailbox *box)
{
    uint32_t limit = gri_mailbox_limit(box);

    return limit > GRI_MAILBOX_PATIENT && limit != UINT32_MAX &&
                   !atomic_load_explicit(&box->drops,
                                         memory_order_relaxed) /* fixed like the limit */
               ? GRI_MAILBOX_PATIENT
               : limit;
}

/* Below this those who wait for room go on. */
static inline uint32_t gri_mailbox_low_mark(const gri_mailbox *box)
{
    uint32_t limit = gri_mailbox_patient_limit(box);

    return limit < GRI_MAILBOX_PATIENT_LEAST ? limit : limit / 2;
}

/* Whether those who wait for room may go on, as seen by anybody. */
static inline bool gri_mailbox_has_room(const gri_mailbox *box)
{
    return gri_mailbox_depth(box) < gri_mailbox_low_mark(box);
}

/* Whether there is no room; `*word` is what was read of the word, and is read again where it has changed meanwhile. */
static inline bool gri_mailbox_is_full(gri_mailbox *box, uint64_t *word, uint32_t limit)
{
    enum { TRIES = 1000 };
    int tries = 0;

    if (limit == 0) {
        return true;
    }
    for (tries = 0; tries < TRIES; tries++) {
        /* Acquire: who sees `handled` as a take left it sees the word of that take too. */
        uint32_t handled = atomic_load_explicit(&box->handled, memory_order_acquire);
        uint64_t now = atomic_load_explicit(
            &box->word, memory_order_acquire); /* and `handled` of the next look */

        if ((handled & GRI_MAILBOX_TAKING) == 0 && now == *word) {
            return gri_mailbox_count(now) > handled && gri_mailbox_count(now) - handled >= limit;
        }
        *word = now;
        if (gri_mailbox_count(now) < limit) {
            return false;
        }
    }
    return true; /* its worker lost the core in the middle of a take */
}

/* Pushes a message nobody else holds, unless so many are there; UINT32_MAX: whatever is there. Any thread. */
static inline gri_push gri_mailbox_push(gri_mailbox *box, gr_msg *msg, uint32_t limit)
{
    uint64_t old =
        atomic_load_explicit(&box->word, memory_order_relaxed); /* the swap below checks it */
    uint64_t fresh = 0;

    do {
        if (__builtin_expect(gri_mailbox_count(old) >= limit, 0) &&
            gri_mailbox_is_full(box, &old, limit)) {
            return GRI_PUSH_FULL;
        }
        msg->block.next = (gri_block *)gri_mailbox_newest(old);
        fresh = old & GRI_MAILBOX_BELOW;
        fresh += fresh < GRI_MAILBOX_COUNT_MAX * GRI_MAILBOX_ONE ? GRI_MAILBOX_ONE : 0;
        fresh |= (old & GRI_MAILBOX_BLOCKED) != 0 ? 0 : GRI_MAILBOX_SCHEDULED;
        fresh |= (uint64_t)(uintptr_t)msg << GRI_MAILBOX_POINTER_UP;
        /* Release: publishes the message to the worker, which takes with acquire. Acquire: who gets to schedule an actor sees what its last run left. */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, fresh, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return (fresh & ~old & GRI_MAILBOX_SCHEDULED) != 0 ? GRI_PUSHED_MUST_SCHEDULE : GRI_PUSHED;
}

/* Claims the right to run the actor; true when it was free. Any thread. */
static inline bool gri_mailbox_claim(gri_mailbox *box)
{
    /* Acquire and release, both for who runs the actor: it sees the signal that was pushed before, and the last run. */
    return (atomic_fetch_or_explicit(&box->word, GRI_MAILBOX_SCHEDULED, memory_order_acq_rel) &
            GRI_MAILBOX_SCHEDULED) == 0;
}

/* Stops, or lets again, user messages schedule the actor. Only by who has the claim. */
static inline void gri_mailbox_block(gri_mailbox *box, bool blocked)
{
    if (blocked) { /* Relaxed: the claim orders all else. */
        (void)atomic_fetch_or_explicit(&box->word, GRI_MAILBOX_BLOCKED, memory_order_relaxed);
    } else {
        (void)atomic_fetch_and_explicit(&box->word, ~GRI_MAILBOX_BLOCKED, memory_order_relaxed);
    }
}

/* After a flood that the count could not follow: what was just taken is counted anew. Only by who has the claim. */
static inline void gri_mailbox_recount(gri_mailbox *box, uint64_t counted)
{
    uint64_t old =
        atomic_load_explicit(&box->word, memory_order_relaxed); /* the swap below checks it */
    uint64_t taken = 0, count = 0;
    const gr_msg *msg = NULL;

    for (msg = box->oldest; msg != NULL; msg = (const gr_msg *)msg->block.next) {
        taken++;
    }
    do {
        count = gri_mailbox_count(old) - counted + taken; /* with those pushed since */
        count = count < GRI_MAILBOX_COUNT_MAX ? count : GRI_MAILBOX_COUNT_MAX;
        /* Acquire and release, in the middle of the chain of who pushes: as a push. */
    } while (!atomic_compare_exchange_weak_explicit(
        &box->word, &old, (old & ~(GRI_MAILBOX_COUNT_MAX * GRI_MAILBOX_ONE)) | count << 2,
        memory_order_acq_rel, memory_order_relaxed));
}

/* Takes all that was pushed, oldest first, when nothing taken is left. Only by who has the claim. */
static inline void gri_mailbox_take(gri_mailbox *box)
{
    uint64_t old =
        atomic_load_explicit(&box->word, memory_order_relaxed); /* the swap below checks it */
    uint64_t fresh = 0;
    uint32_t handled = atomic_load_explicit(&box->handled, memory_order_relaxed); /* our own */
    gr_msg *newest = NULL;
    gr_msg *older = NULL;

    if (gri_mailbox_newest(old) == NULL) {
        return;
    }
    /* Relaxed: the swap, which releases, puts it before the new word. */
    atomic_store_explicit(&box->handled, handled | GRI_MAILBOX_TAKING, memory_order_relaxed);
    do {
        uint64_t count = gri_mailbox_count(old);

        fresh = (count > handled ? count - handled : 0) << 2 |
                (old & (GRI_MAILBOX_BLOCKED | GRI_MAILBOX_SCHEDULED));
        /* Acquire: sees the messages of all who pushed. Release: who sees this word sees TAKING, or what follows. */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, fresh, memory_order_acq_rel,
                                                    memory_order_relaxed));
    atomic_store_explicit(&box->handled, 0,
                          memory_order_release); /* after the word: see gri_mailbox_is_full() */
    newest = gri_mailbox_newest(old);
    while (newest != NULL) {
        gr_msg *next = (gr_msg *)newest->block.next;

        newest->block.next = (gri_block *)older;
        older = newest;
        newest = next;
    }
    box->oldest = older;
    if (__builtin_expect(gri_mailbox_count(old) == GRI_MAILBOX_COUNT_MAX, 0)) {
        gri_mailbox_recount(box, gri_mailbox_count(fresh));
    }
}

/* The next message, or NULL. Only by who has the claim. */
static inline gr_msg *gri_mailbox_pop(gri_mailbox *box)
{
    gr_msg *msg = box->oldest;

    if (msg == NULL) {
        gri_mailbox_take(box);
        msg = box->oldest;
        if (msg == NULL) {
            return NULL;
        }
    }
    box->oldest = (gr_msg *)msg->block.next;
    msg->block.next = NULL;
    /* Relaxed: only senders near the limit read it, and may read it late. */
    atomic_store_explicit(&box->handled,
                          atomic_load_explicit(&box->handled, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    return msg;
}

/* Puts messages that were popped last back, in their order. Only by who has the claim. */
static inline void gri_mailbox_put_back(gri_mailbox *box, gr_msg *first, gr_msg *last)
{
    uint64_t old =
        atomic_load_explicit(&box->word, memory_order_relaxed); /* the swap below checks it */
    uint64_t fresh = 0;
    uint64_t more = 1;

    for (const gr_msg *msg = first; msg != last; msg = (const gr_msg *)msg->block.next) {
        more++;
    }
    last->block.next = (gri_block *)box->oldest;
    box->oldest = first;
    do { /* counted once more, since they will be handled once more */
        uint64_t count = gri_mailbox_count(old) + more;

        count = count > GRI_MAILBOX_COUNT_MAX ? GRI_MAILBOX_COUNT_MAX : count;
        fresh = (old & ~(GRI_MAILBOX_COUNT_MAX << 2)) | count << 2;
        /* Release keeps what pushers have published with the word; it goes through here. */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, fresh, memory_order_acq_rel,
                                                    memory_order_relaxed));
}

/*
 * Gives the claim back. False: there is work (messages that may be handled), so it is still held. The caller must have
 * found no signals before, and look for them again afterwards.
 */
static inline bool gri_mailbox_release(gri_mailbox *box)
{
    uint64_t old =
        atomic_load_explicit(&box->word, memory_order_relaxed); /* the swap below checks it */

    do {
        if ((old & GRI_MAILBOX_BLOCKED) == 0 &&
            (gri_mailbox_newest(old) != NULL || box->oldest != NULL)) {
            return false;
        }
        /* Release: publishes this run to the next one, which claims with acquire. Acquire: a signal that was pushed
         * before its sender found the claim held is seen by the look that follows. */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, old & ~GRI_MAILBOX_SCHEDULED,
                                                    memory_order_seq_cst, memory_order_relaxed));
    return true;
}

#endif
