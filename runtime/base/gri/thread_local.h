/*
 * Variables that each thread has for itself and that are looked at for every message: in a fixed place of the thread's own
 * block, also in the shared library, where finding them would take a call otherwise. There are few of them, and they are
 * small: a library that is loaded late finds room for no more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_THREAD_LOCAL_H
#define GRI_THREAD_LOCAL_H

#define GRI_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

#endif
