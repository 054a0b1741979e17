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

/* HOST:PORT with a port of digits up to 65535; the host may stand in brackets. */
static bool is_host_and_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t digits = colon == NULL ? 0 : strspn(colon + 1, "0123456789");

    return colon != NULL && colon != text && digits > 0 && digits <= 5 &&
           colon[1 + digits] == '\0' && strtol(colon + 1, NULL, 10) <= 65535 &&
           strpbrk(text, " /?#@") == NULL;
}

gr_err gri_address_check(const gr_remote *remote, const char *address)
{
    const char *rest = address == NULL ? NULL : after_scheme(address);
    bool fine = rest != NULL && rest[0] != '\0' && strlen(address) < GR_ADDRESS_BYTES_MAX;

    for (const char *at = fine ? address : ""; *at != '\0'; at++) {
        fine = fine && (unsigned char)*at > ' ' && *at != 0x7f;
    }
    if (fine && remote->ops == gr_transport_nng()) {
        fine = has_scheme(address, "ipc") || (has_scheme(address, "tcp") && is_host_and_port(rest));
    }
    if (!fine) {
        return GRI_FAIL(GR_EINVAL,
                        "\"%.100s\" is no address; write tcp://HOST:PORT or ipc://PATH, at most %d "
                        "bytes",
                        address == NULL ? "" : address, GR_ADDRESS_BYTES_MAX - 1);
    }
    return GR_OK;
}

bool gri_address_is_local(const char *address)
{
    const char *host = after_scheme(address);

    if (!has_scheme(address, "tcp")) {
        return true; /* a path of this machine, or no network at all */
    }
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost:", 10) == 0 ||
           strncmp(host, "[::1]:", 6) == 0;
}
