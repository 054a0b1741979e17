/*
 * Parkers: where a thread sleeps until it is woken. A wake that comes first is not lost. One word, which says whether its
 * thread sleeps, so that waking one that does not costs no system call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "system_internal.h"

#include "os.h"

enum { AWAKE = 0, WOKEN = 1, ASLEEP = 2 };

void gri_parker_init(gri_parker *parker)
{
    atomic_init(&parker->word, AWAKE);
}

/* What the word says of a wake; taken in any case, so that it ends one sleep only. */
static bool take_wake(gri_parker *parker)
{
    /* Acquire: sees what the waker did before. */
    return atomic_exchange_explicit(&parker->word, AWAKE, memory_order_acquire) == WOKEN;
}

bool gri_parker_wait(gri_parker *parker, int64_t until_ms)
{
    for (;;) {
        uint32_t awake = AWAKE;
        int64_t left_ms = INT64_MAX;

        if (until_ms != INT64_MAX) {
            left_ms = until_ms - gri_os_now_ms();
        }
        if (left_ms <= 0) {
            return take_wake(parker);
        }
        /* Relaxed: publishes nothing; that it is woken is learnt below. */
        if (!atomic_compare_exchange_strong_explicit(&parker->word, &awake, ASLEEP,
                                                     memory_order_relaxed, memory_order_relaxed)) {
            if (take_wake(parker)) {
                return true;
            }
            continue;
        }
        gri_os_sleep_on(&parker->word, ASLEEP, left_ms);
        if (take_wake(parker)) {
            return true;
        }
    }
}

void gri_parker_wake(gri_parker *parker)
{
    /* Release: pairs with take_wake(). From then on the thread may be gone with its parker: only the address is used. */
    if (atomic_exchange_explicit(&parker->word, WOKEN, memory_order_release) == ASLEEP) {
        gri_os_wake_on(&parker->word);
    }
}
