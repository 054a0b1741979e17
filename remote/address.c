/*
 * Addresses: what a well-formed one is, and which of them only this machine can reach. Runs in any
 * thread; resolves no names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <gri/fail.h>

#include "remote_internal.h"

static const char *after_scheme(const char *address)
{
    const char *mark = strstr(address, "://");

    return mark == NULL || mark == address ? NULL : mark + 3;
}

static bool has_scheme(const char *address, const char *scheme)
{
    size_t bytes = strlen(scheme);

    return strncmp(address, scheme, bytes) == 0 && strncmp(address + bytes, "://", 3) == 0;
}

/* The port of HOST:PORT, where the host may stand in brackets; NULL when it is not like that. */
static const char *port_of(const char *text)
{
    const char *colon = strrchr(text, ':');

    return colon == NULL || colon == text || colon[1] == '\0' || strpbrk(text, " /?#@") != NULL
               ? NULL
               : colon + 1;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits <= 5 && text[digits] == '\0' && strtol(text, NULL, 10) <= 65535;
}

gr_err gr_address_check(const gr_transport_ops *transport, const char *address)
{
    const char *rest = address == NULL ? NULL : after_scheme(address);
    const char *port = NULL;
    bool fine = rest != NULL && rest[0] != '\0' && strlen(address) < GR_ADDRESS_BYTES_MAX;

    for (const char *at = fine ? address : ""; *at != '\0'; at++) {
        fine = fine && (unsigned char)*at > ' ' && *at != 0x7f;
    }
    if (fine && (transport == NULL || transport == gr_transport_nng())) {
        port = has_scheme(address, "tcp") ? port_of(rest) : NULL;
        fine = port != NULL || has_scheme(address, "ipc");
    }
    if (!fine) {
        return GRI_FAIL(GR_EINVAL,
                        "\"%.100s\" is no address; write tcp://HOST:PORT or ipc://PATH, at most %d "
                        "bytes",
                        address == NULL ? "" : address, GR_ADDRESS_BYTES_MAX - 1);
    }
    if (port != NULL && !is_port(port)) {
        return GRI_FAIL(GR_EINVAL, "\"%.100s\" has no port from 0 to 65535", address);
    }
    return GR_OK;
}

gr_err gri_address_check(const gr_remote *remote, const char *address)
{
    return gr_address_check(remote->ops, address);
}

bool gr_address_is_local(const char *address)
{
    const char *host = after_scheme(address);

    if (!has_scheme(address, "tcp")) {
        return true; /* a path of this machine, or no network at all */
    }
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost:", 10) == 0 ||
           strncmp(host, "[::1]:", 6) == 0;
}
