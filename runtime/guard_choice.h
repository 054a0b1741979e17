/*
 * Which of its two ways a guarded call takes: GRI_GUARD_PORTABLE is defined where it is setjmp(). For guard.c and for assembly;
 * who defines it for a build chooses that way, so that it can be tested.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#if !defined(GRI_GUARD_PORTABLE)
#if !defined(__x86_64__) && !defined(__aarch64__)
#define GRI_GUARD_PORTABLE 1
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRI_GUARD_PORTABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GRI_GUARD_PORTABLE 1
#endif
#endif
#endif
