/*
 * Checks of options: see option_check.h. Pure. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "option_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <gri/fail.h>

enum { NAME_BYTES_MAX = 100 };

gr_err gri_check_name(const char *from, const char *name)
{
    size_t bytes = strlen(name);

    if (bytes == 0 || bytes > NAME_BYTES_MAX) {
        return GRI_FAIL(GR_EINVAL, "%s '%.40s' has %zu bytes: use 1 to %d", from, name, bytes,
                        NAME_BYTES_MAX);
    }
    for (const char *at = name; *at != '\0'; at++) {
        bool fine = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') || *at == '-' || *at == '_' || *at == '.';

        if (!fine) {
            return GRI_FAIL(GR_EINVAL,
                            "%s '%.40s' has a '%c': use letters, digits, '-', '_' and '.'", from,
                            name, *at);
        }
    }
    return GR_OK;
}

gr_err gri_check_number(const char *from, uint64_t value, uint64_t least, uint64_t most)
{
    if (value < least || value > most) {
        return GRI_FAIL(GR_EINVAL, "%s %" PRIu64 ": use %" PRIu64 " to %" PRIu64, from, value,
                        least, most);
    }
    return GR_OK;
}

gr_err gri_check_address(const char *from, const gr_transport_ops *transport, const char *address)
{
    gr_err err = gr_address_check(transport, address);
    gr_error why = *gr_last_error();

    return err == GR_OK ? GR_OK : GRI_FAIL(err, "%s %.200s", from, why.text);
}

gr_err gri_check_dialled(const char *from, const gr_transport_ops *transport, const char *address)
{
    gr_err err = gri_check_address(from, transport, address);
    const char *port = err == GR_OK ? strrchr(address, ':') : NULL;

    if (port != NULL && strncmp(address, "tcp://", 6) == 0 && strtoul(port + 1, NULL, 10) == 0) {
        return GRI_FAIL(GR_EINVAL,
                        "%s \"%.100s\" has port 0, which nobody can dial: use 1 to 65535", from,
                        address);
    }
    return err;
}
