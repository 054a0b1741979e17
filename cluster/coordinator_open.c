/*
 * Which coordinator a text names. Pure. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator_open.h"

#include <string.h>

#include <gri/fail.h>

static const char *after(const char *text, const char *prefix)
{
    size_t bytes = strlen(prefix);

    return strncmp(text, prefix, bytes) == 0 ? text + bytes : NULL;
}

bool gri_coordinator_is_named(const char *text)
{
    return after(text, "sqlite:") != NULL || after(text, "consul:") != NULL;
}

gr_err gri_coordinator_of(const char *text, const gr_coordinator_ops **out_ops,
                          const char **out_where)
{
    const char *sqlite = text == NULL ? NULL : after(text, "sqlite:");
    const char *consul = text == NULL ? NULL : after(text, "consul:");

    if ((sqlite == NULL || *sqlite == '\0') && (consul == NULL || *consul == '\0')) {
        return GRI_FAIL(GR_EINVAL,
                        "the coordinator '%s' is not known: give sqlite:PATH or consul://HOST:PORT",
                        text == NULL ? "" : text);
    }
    *out_ops = sqlite != NULL ? gr_coordinator_sqlite() : gr_coordinator_consul();
    *out_where = sqlite != NULL ? sqlite : consul;
    return GR_OK;
}
