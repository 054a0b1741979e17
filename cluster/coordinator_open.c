/*
 * Which coordinator a text names, and opening it. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator_open.h"

#include <string.h>

#include <gri/fail.h>

#include "coordinator/coordinator.h"

static const char *after(const char *text, const char *prefix)
{
    size_t bytes = strlen(prefix);

    return strncmp(text, prefix, bytes) == 0 ? text + bytes : NULL;
}

bool gri_coordinator_is_named(const char *text)
{
    return after(text, "sqlite:") != NULL || after(text, "consul:") != NULL;
}

gr_err gri_coordinator_of(const char *field, const char *text, const gr_coordinator_ops **out_ops,
                          const char **out_where)
{
    const char *sqlite = text == NULL ? NULL : after(text, "sqlite:");
    const char *consul = text == NULL ? NULL : after(text, "consul:");

    if (text == NULL || text[0] == '\0') {
        return GRI_FAIL(GR_EINVAL, "%s is required: sqlite:PATH or consul://HOST:PORT", field);
    }
    if ((sqlite == NULL || *sqlite == '\0') && (consul == NULL || *consul == '\0')) {
        return GRI_FAIL(GR_EINVAL,
                        "%s '%.100s' names no coordinator: use sqlite:PATH or consul://HOST:PORT",
                        field, text);
    }
    *out_ops = sqlite != NULL ? gr_coordinator_sqlite() : gr_coordinator_consul();
    *out_where = sqlite != NULL ? sqlite : consul;
    return GR_OK;
}

gr_err gri_coordinator_open_to_read(gr_system *sys, const char *cluster, const char *field,
                                    const char *text, const gr_coordinator_ops **out_ops,
                                    gr_coordinator **out_coordinator)
{
    gri_coordinator_manner manner = {.only_reads = true};
    const char *where = NULL;
    gr_err err = gri_coordinator_of(field, text, out_ops, &where);

    return err == GR_OK ? (*out_ops)->open(sys, cluster, where, &manner, out_coordinator) : err;
}
