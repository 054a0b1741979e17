/*
 * Reads the text. Letters are those of ASCII whatever the locale, as for `LC_ALL=C tr -cs 'A-Za-z' '\n'`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_all(text *into, FILE *file)
{
    size_t room = 0;

    while (!feof(file) && !ferror(file)) {
        if (into->count == room) {
            char *larger = realloc(into->bytes, room = room == 0 ? 65536 : 2 * room);

            if (larger == NULL) {
                errno = ENOMEM;
                return false;
            }
            into->bytes = larger;
        }
        into->count += fread(into->bytes + into->count, 1, room - into->count, file);
    }
    return !ferror(file);
}

bool text_read(text *into, const char *path)
{
    FILE *file = fopen(path, "rb");
    bool done = false;

    memset(into, 0, sizeof(*into));
    done = file != NULL && read_all(into, file);
    if (!done) {
        fprintf(stderr, "wordcount: cannot read the text '%s': %s\n", path, strerror(errno));
    }
    if (file != NULL) {
        fclose(file);
    }
    return done;
}

void text_fini(text *from)
{
    free(from->bytes);
    memset(from, 0, sizeof(*from));
}

static bool to_lower(char *letter)
{
    if (*letter >= 'A' && *letter <= 'Z') {
        *letter = (char)(*letter - 'A' + 'a');
    }
    return *letter >= 'a' && *letter <= 'z';
}

const char *text_next(text *from, size_t *out_length)
{
    size_t begin = 0;

    while (from->at < from->count && !to_lower(&from->bytes[from->at])) {
        from->at++;
    }
    begin = from->at;
    while (from->at < from->count && to_lower(&from->bytes[from->at])) {
        from->at++;
    }
    *out_length = from->at - begin;
    return *out_length == 0 ? NULL : from->bytes + begin;
}
