/*
 * Writes generated text. Grows by doubling inside the arena, which is given up as a whole anyway.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "output.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void reserve(gri_output *out, size_t more)
{
    size_t room = out->room == 0 ? 4096 : out->room;
    char *text = NULL;

    if (out->room - out->length > more) {
        return;
    }
    while (room - out->length <= more) {
        room *= 2;
    }
    text = gri_arena_alloc(out->arena, room);
    if (out->length > 0) {
        memcpy(text, out->text, out->length);
    }
    out->text = text;
    out->room = room;
}

static void add(gri_output *out, const char *text, size_t length)
{
    reserve(out, length);
    memcpy(out->text + out->length, text, length);
    out->length += length;
    out->text[out->length] = '\0';
}

void gri_output_print(gri_output *out, const char *format, ...)
{
    va_list args;
    int length = 0;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        return;
    }
    reserve(out, (size_t)length);
    va_start(args, format);
    (void)vsnprintf(out->text + out->length, (size_t)length + 1, format, args);
    va_end(args);
    out->length += (size_t)length;
}

/* How far the items are from the left: under the end of the head, or, where that leaves no room for the longest, four
 * columns further in than the head's line. */
static size_t indent_of(const char *line, const char *const *items, size_t count)
{
    size_t indent = strlen(line);
    size_t longest = 0;

    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(items[i]) + 2;

        longest = length > longest ? length : longest;
    }
    return indent + longest > GRI_OUTPUT_COLUMNS ? strspn(line, " ") + 4 : indent;
}

void gri_output_list(gri_output *out, const char *head, const char *const *items, size_t count,
                     const char *tail)
{
    const char *newline = strrchr(head, '\n');
    const char *line = newline == NULL ? head : newline + 1;
    size_t indent = indent_of(line, items, count);
    size_t column = strlen(line);

    add(out, head, strlen(head));
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(items[i]) + (i + 1 < count ? 1 : strlen(tail));

        if (column + (i > 0 ? 1 : 0) + length > GRI_OUTPUT_COLUMNS) {
            gri_output_print(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (i > 0) {
            add(out, " ", 1);
            column += 1;
        }
        gri_output_print(out, "%s%s", items[i], i + 1 < count ? "," : "");
        column += length;
    }
    gri_output_print(out, "%s\n", tail);
}

/* The bytes of the UTF-8 sequence at `at`; 0 when it is none. */
static size_t sequence(const char *at)
{
    unsigned char first = (unsigned char)*at;
    size_t length = 1;

    if (first >= 0xc2 && first < 0xe0) {
        length = 2;
    } else if (first >= 0xe0 && first < 0xf0) {
        length = 3;
    } else if (first >= 0xf0 && first < 0xf5) {
        length = 4;
    } else if (first >= 0x80) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)at[i] & 0xc0) != 0x80) {
            return 0; /* the final NUL too */
        }
    }
    return length;
}

/* Characters that turn the direction of text: invisible, and compilers warn about them. */
static bool turns_text(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;

    return byte[0] == 0xe2 && ((byte[1] == 0x80 && byte[2] >= 0xaa && byte[2] <= 0xae) ||
                               (byte[1] == 0x81 && byte[2] >= 0xa6 && byte[2] <= 0xa9));
}

/* What would end the comment, look like a second one, or be a backslash to an old compiler. */
static bool is_split_before_next(const char *at)
{
    return strncmp(at, "*/", 2) == 0 || strncmp(at, "/*", 2) == 0 || strncmp(at, "?\?/", 3) == 0;
}

static void comment_line(gri_output *out, const char *line, size_t length)
{
    const char *end = line + length;

    add(out, " *", 2);
    while (end > line && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) {
        end--;
    }
    if (end > line && *line != ' ') {
        add(out, " ", 1);
    }
    while (line < end) {
        size_t bytes = sequence(line);

        if (bytes == 0 || ((unsigned char)*line < ' ' && *line != '\t')) {
            add(out, "?", 1);
            line++;
            continue;
        }
        if (bytes != 3 || !turns_text(line)) {
            add(out, line, bytes);
        }
        if (bytes == 1 && is_split_before_next(line)) {
            add(out, " ", 1);
        }
        line += bytes;
    }
    add(out, "\n", 1);
}

void gri_output_comment(gri_output *out, const char *comment)
{
    while (*comment != '\0') {
        size_t length = strcspn(comment, "\n");

        comment_line(out, comment, length);
        comment += length + (comment[length] == '\n' ? 1 : 0);
    }
}

void gri_output_bytes(gri_output *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gri_output_print(out, "%s0x%02x,%s", i % 16 == 0 ? "    " : " ", bytes[i],
                         i % 16 == 15 || i + 1 == count ? "\n" : "");
    }
}
