/*
 * The chain of callers as bytes. A link is: u8 flags of what waits, u64 hash of the kind, u16 bytes of its name, u16 bytes
 * of the identity, name, identity.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "chain.h"

#include <stdio.h>
#include <string.h>

#include <gri/fail.h>

enum { LINK_HEAD_BYTES = 13, NAME_BYTES_MAX = 1024, IDENTITY_BYTES_MAX = 512 };

/* READ_ONLY: a method that runs beside others of its sort. HOOK: the first or last hook, beside which nothing runs. */
enum link_flags { LINK_READ_ONLY = 1, LINK_HOOK = 2 };

typedef struct chain_link {
    uint8_t flags;
    uint64_t kind;
    const char *name, *identity; /* without a NUL */
    size_t name_bytes, identity_bytes;
} chain_link;

static bool read_link(gri_reader *in, chain_link *link)
{
    link->flags = gri_read_u8(in);
    link->kind = gri_read_u64(in);
    link->name_bytes = gri_read_u16(in);
    link->identity_bytes = gri_read_u16(in);
    link->name = (const char *)gri_read_bytes(in, link->name_bytes);
    link->identity = (const char *)gri_read_bytes(in, link->identity_bytes);
    return in->ok;
}

static size_t links_in(const uint8_t *bytes, size_t count)
{
    gri_reader in = gri_reader_of(bytes, count);
    chain_link link;
    size_t links = 0;

    while (in.left > 0 && read_link(&in, &link)) {
        links++;
    }
    return links;
}

static uint8_t flags_of(gri_chain_wait wait, const gr_method *method)
{
    switch (wait) {
    case GRI_CHAIN_METHOD:
        return (method->flags & GR_METHOD_READ_ONLY) != 0 ? LINK_READ_ONLY : 0;
    case GRI_CHAIN_TIMER:
        return 0;
    case GRI_CHAIN_HOOK:
        break;
    }
    return LINK_HOOK;
}

gr_err gri_chain_add(gri_buffer *chain, const gr_kind_info *kind, gri_chain_wait wait,
                     const gr_method *method, const char *identity)
{
    size_t name_bytes = strlen(kind->name);
    size_t identity_bytes = strlen(identity);
    size_t bytes = LINK_HEAD_BYTES + name_bytes + identity_bytes;
    uint8_t *at = NULL;

    if (name_bytes > NAME_BYTES_MAX || links_in(chain->data, chain->count) >= GRI_CHAIN_LINKS_MAX ||
        chain->count + bytes > GRI_CHAIN_BYTES_MAX) {
        return GRI_FAIL(
            GR_ETOOBIG,
            "%d grains wait for each other already; does this call go round? last was %s/%s",
            GRI_CHAIN_LINKS_MAX, kind->name, identity);
    }
    at = gri_buffer_add(chain, bytes);
    if (at == NULL) {
        return GRI_FAIL(GR_ENOMEM, "the chain of callers of %s/%s", kind->name, identity);
    }
    at[0] = flags_of(wait, method);
    gri_put_u64(at + 1, kind->hash);
    gri_put_u16(at + 9, (uint16_t)name_bytes);
    gri_put_u16(at + 11, (uint16_t)identity_bytes);
    memcpy(at + LINK_HEAD_BYTES, kind->name, name_bytes);
    memcpy(at + LINK_HEAD_BYTES + name_bytes, identity, identity_bytes);
    return GR_OK;
}

gr_err gri_chain_check(const uint8_t *bytes, size_t count)
{
    gri_reader in = gri_reader_of(bytes, count);
    chain_link link;
    size_t links = 0;

    while (in.left > 0) {
        if (!read_link(&in, &link) || ++links > GRI_CHAIN_LINKS_MAX ||
            link.name_bytes > NAME_BYTES_MAX || link.identity_bytes > IDENTITY_BYTES_MAX) {
            return GRI_FAIL(GR_EDECODE, "%zu bytes are no chain of callers", count);
        }
    }
    return GR_OK;
}

static bool is_grain(const chain_link *link, uint64_t kind, const char *identity)
{
    return link->kind == kind && link->identity_bytes == strlen(identity) &&
           memcmp(link->identity, identity, link->identity_bytes) == 0;
}

bool gri_chain_any(const uint8_t *bytes, size_t count, gri_chain_fn fn, void *arg)
{
    gri_reader in = gri_reader_of(bytes, count);
    chain_link link;

    while (in.left > 0 && read_link(&in, &link)) {
        if (fn(arg, link.kind, link.identity, link.identity_bytes)) {
            return true;
        }
    }
    return false;
}

bool gri_chain_has(const uint8_t *bytes, size_t count, uint64_t kind, const char *identity)
{
    gri_reader in = gri_reader_of(bytes, count);
    chain_link link;

    while (in.left > 0 && read_link(&in, &link)) {
        if (is_grain(&link, kind, identity)) {
            return true;
        }
    }
    return false;
}

/* "A/x -> B/y -> A/x", cut in the middle when it is too long for an error. */
static gr_err fail_with_cycle(gri_reader from, const gr_kind_info *kind, const char *identity)
{
    char text[GR_ERROR_TEXT_BYTES - 40];
    size_t used = 0;
    chain_link link;

    text[0] = '\0';
    while (from.left > 0 && read_link(&from, &link)) {
        int wrote =
            snprintf(text + used, sizeof(text) - used, "%.*s/%.*s -> ", (int)link.name_bytes,
                     link.name, (int)link.identity_bytes, link.identity);

        if (wrote < 0 || (size_t)wrote >= sizeof(text) - used) {
            (void)snprintf(text + (used < sizeof(text) - 8 ? used : sizeof(text) - 8), 8,
                           "... -> ");
            break;
        }
        used += (size_t)wrote;
    }
    return GRI_FAIL(GR_EDEADLOCK, "%s%s/%s", text, kind->name, identity);
}

/* Whether the method may run while the link waits in the same grain. */
static bool runs_beside(const chain_link *link, const gr_kind_info *kind, const gr_method *method)
{
    if ((link->flags & LINK_HOOK) != 0) {
        return false;
    }
    return (kind->flags & GR_KIND_REENTRANT) != 0 || (method->flags & GR_METHOD_REENTRANT) != 0 ||
           ((link->flags & LINK_READ_ONLY) != 0 && (method->flags & GR_METHOD_READ_ONLY) != 0);
}

gr_err gri_chain_admits(const uint8_t *bytes, size_t count, const gr_kind_info *kind,
                        const gr_method *method, const char *identity)
{
    gri_reader in = gri_reader_of(bytes, count);
    gri_reader before = in;
    chain_link link;

    if ((kind->flags & GR_KIND_STATELESS) != 0) {
        return GR_OK;
    }
    while (in.left > 0 && read_link(&in, &link)) {
        if (is_grain(&link, kind->hash, identity) && !runs_beside(&link, kind, method)) {
            return fail_with_cycle(before, kind, identity);
        }
        before = in;
    }
    return GR_OK;
}
