/*
 * The chain of callers that travels with a call: which grains wait for it, outermost first, as
 * bytes. A call back to one of them would wait for itself. Pure. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CHAIN_H
#define GRI_CHAIN_H

#include <granary/kind.h>

#include <gri/bytes.h>

enum { GRI_CHAIN_LINKS_MAX = 64, GRI_CHAIN_BYTES_MAX = 64 * 1024 };

/* What waits in a grain. HOOK: its first or last one. */
typedef enum gri_chain_wait { GRI_CHAIN_METHOD, GRI_CHAIN_TIMER, GRI_CHAIN_HOOK } gri_chain_wait;

/* Appends a grain in which `wait` waits; `method` is the running one with METHOD and NULL else. GR_ETOOBIG: the chain is too
 * long, as calls that go round without end are; GR_ENOMEM. */
gr_err gri_chain_add(gri_buffer *chain, const gr_kind_info *kind, gri_chain_wait wait,
                     const gr_method *method, const char *identity);

/* Whether bytes from outside are a chain; GR_EDECODE. */
gr_err gri_chain_check(const uint8_t *bytes, size_t count);

/* GR_EDEADLOCK with the cycle in words when a call of `method` would come back to a grain that
 * waits in the chain and cannot take it. */
gr_err gri_chain_admits(const uint8_t *bytes, size_t count, const gr_kind_info *kind,
                        const gr_method *method, const char *identity);

/* Calls `fn` with each grain in the chain, innermost last, until it says true; whether it did. The identity has no NUL. */
typedef bool (*gri_chain_fn)(void *arg, uint64_t kind, const char *identity, size_t identity_bytes);
bool gri_chain_any(const uint8_t *bytes, size_t count, gri_chain_fn fn, void *arg);

/* Whether a grain waits in the chain. */
bool gri_chain_has(const uint8_t *bytes, size_t count, uint64_t kind, const char *identity);

#endif
