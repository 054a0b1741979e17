/*
 * Kinds as a node takes them: the constant data of the generated code and the table of functions that implements it.
 * Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kind_internal.h"

#include <string.h>

#include <gri/fail.h>
#include <gri/mem.h>

gr_kind *gr_kind_new(const gr_kind_info *info, const void *methods)
{
    gr_kind *kind = gri_calloc(1, sizeof(*kind));

    if (kind != NULL) {
        kind->info = info;
        kind->methods = methods;
    }
    return kind;
}

gr_kind *gr_kind_free(gr_kind *take_kind)
{
    gri_free(take_kind);
    return NULL;
}

bool gri_method_is_there(const gr_method *method, const void *methods)
{
    void (*function)(void) = NULL;

    memcpy(&function, (const char *)methods + method->offset, sizeof(function));
    return function != NULL;
}

gr_err gri_kind_check(const gr_kind *kind)
{
    if (kind->info == NULL || kind->methods == NULL) {
        return GRI_FAIL(GR_EINVAL, "a kind needs its description and its table of methods");
    }
    if (kind->info->version != GR_KIND_VERSION) {
        return GRI_FAIL(GR_EINVAL,
                        "kind %s was generated for version %u of kinds, this library knows %d: "
                        "generate it again",
                        kind->info->name, kind->info->version, GR_KIND_VERSION);
    }
    for (size_t i = 0; i < kind->info->methods_count; i++) {
        const gr_method *method = &kind->info->methods[i];

        if ((method->flags & GR_METHOD_OPTIONAL) == 0 &&
            !gri_method_is_there(method, kind->methods)) {
            return GRI_FAIL(
                GR_EINVAL,
                "the table of methods of kind %s lacks %s: set it, or mark the method optional",
                kind->info->name, method->full_name);
        }
    }
    return GR_OK;
}

const gr_method *gri_kind_method(const gr_kind_info *info, uint64_t hash)
{
    for (size_t i = 0; i < info->methods_count; i++) {
        if (info->methods[i].hash == hash) {
            return &info->methods[i];
        }
    }
    return NULL;
}

bool gri_kind_interleaves(const gr_kind_info *info)
{
    bool interleaves = (info->flags & GR_KIND_REENTRANT) != 0;

    for (size_t i = 0; i < info->methods_count; i++) {
        interleaves = interleaves ||
                      (info->methods[i].flags & (GR_METHOD_READ_ONLY | GR_METHOD_REENTRANT)) != 0;
    }
    return interleaves;
}
