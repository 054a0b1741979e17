/*
 * Finds places in the source information that protoc hands over, and collects errors. A place that
 * is not listed, such as an option inside braces, is that of what encloses it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trouble.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

gri_spot gri_spot_below(gri_arena *arena, gri_spot spot, const int32_t *steps, size_t count)
{
    int32_t *path = gri_arena_array(arena, spot.count + count, sizeof(*path));

    if (spot.count > 0) {
        memcpy(path, spot.path, spot.count * sizeof(*path));
    }
    memcpy(path + spot.count, steps, count * sizeof(*path));
    return (gri_spot){spot.file, path, spot.count + count};
}

static const gri_proto_location *find_exact(gri_spot spot)
{
    const Google__Protobuf__SourceCodeInfo *info = spot.file->source_code_info;

    for (size_t i = 0; info != NULL && i < info->n_location; i++) {
        const gri_proto_location *location = info->location[i];

        if (location->n_path == spot.count && location->n_span >= 3 &&
            (spot.count == 0 ||
             memcmp(location->path, spot.path, spot.count * sizeof(*spot.path)) == 0)) {
            return location;
        }
    }
    return NULL;
}

static const gri_proto_location *find(gri_spot spot)
{
    const gri_proto_location *location = NULL;

    while (spot.file != NULL && spot.count > 0 && location == NULL) {
        location = find_exact(spot);
        spot.count--;
    }
    return location;
}

const char *gri_spot_comment(gri_arena *arena, gri_spot spot)
{
    const gri_proto_location *location = find_exact(spot);
    const char *before = NULL;
    const char *behind = NULL;

    if (location == NULL) {
        return "";
    }
    before = location->leading_comments == NULL ? "" : location->leading_comments;
    behind = location->trailing_comments == NULL ? "" : location->trailing_comments;
    return gri_arena_text(arena, "%s%s", before, behind);
}

bool gri_trouble_is_full(const gri_trouble *trouble)
{
    return trouble->count > GRI_TROUBLE_MAX;
}

static void add_line(gri_trouble *trouble, gri_spot spot, const char *text)
{
    const gri_proto_location *location = find(spot);

    gri_output_print(&trouble->lines, "%s%s:", trouble->count > 0 ? "\n" : "",
                     spot.file != NULL ? spot.file->name : "protoc-gen-granary");
    if (location != NULL) {
        gri_output_print(&trouble->lines, "%lld:%lld:", location->span[0] + 1LL,
                         location->span[1] + 1LL);
    }
    gri_output_print(&trouble->lines, " error: %s", text);
}

void gri_trouble_add(gri_trouble *trouble, gri_spot spot, const char *format, ...)
{
    va_list args;
    char text[1024];

    if (trouble->count < GRI_TROUBLE_MAX) {
        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        add_line(trouble, spot, text);
    } else if (trouble->count == GRI_TROUBLE_MAX) {
        add_line(trouble, (gri_spot){0}, "there are more errors than these");
    }
    trouble->count++;
}
