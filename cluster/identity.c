/*
 * The names of grains: what a legal one is, and compound ones. Pure. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <gri/fail.h>

#include "call_message.h"

/* The bytes of the UTF-8 character at `at`, or 0 when there is none: overlong forms, surrogates and
 * numbers beyond U+10FFFF are none. */
static size_t character_bytes(const unsigned char *at)
{
    size_t more = at[0] < 0x80 ? 0 : at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : 1;
    uint32_t code = at[0];

    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] < 0xc2 || at[0] > 0xf4) {
        return 0;
    }
    code &= 0x3fu >> more;
    for (size_t i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80) { /* the final NUL ends up here too */
            return 0;
        }
        code = code << 6 | (at[i] & 0x3fu);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) ||
        (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
        return 0;
    }
    return more + 1;
}

/* C0, DEL, and C1 (c2 80 to c2 9f). */
static bool is_control(const unsigned char *at)
{
    return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

gr_err gri_identity_check(const char *identity)
{
    const unsigned char *at = (const unsigned char *)identity;
    size_t bytes = identity == NULL ? 0 : strnlen(identity, GR_IDENTITY_BYTES_MAX + 1);

    if (bytes == 0) {
        return GRI_FAIL(GR_EINVAL, "an identity of a grain has 1 to %d bytes, this one is empty",
                        GR_IDENTITY_BYTES_MAX);
    }
    if (bytes > GR_IDENTITY_BYTES_MAX) {
        return GRI_FAIL(GR_EINVAL,
                        "an identity of a grain has 1 to %d bytes, this one has more: %.40s...",
                        GR_IDENTITY_BYTES_MAX, identity);
    }
    while (*at != '\0') {
        size_t step = character_bytes(at);

        if (step == 0) {
            return GRI_FAIL(GR_EINVAL,
                            "an identity of a grain is UTF-8, but byte %zu of this one is not",
                            (size_t)(at - (const unsigned char *)identity));
        }
        if (is_control(at)) {
            return GRI_FAIL(
                GR_EINVAL,
                "an identity of a grain has no control characters, byte %zu of this one is one",
                (size_t)(at - (const unsigned char *)identity));
        }
        at += step;
    }
    return GR_OK;
}

typedef struct joined_text {
    char text[GR_IDENTITY_BYTES_MAX + 1];
    size_t used; /* more than fits when it does not fit */
} joined_text;

static void add(joined_text *joined, char c)
{
    if (joined->used < GR_IDENTITY_BYTES_MAX) {
        joined->text[joined->used] = c;
    }
    joined->used++;
}

gr_err gr_identity_join(const char *const *parts, size_t count,
                        char out_identity[GR_IDENTITY_BYTES_MAX + 1])
{
    gr_err err = GR_OK;
    joined_text joined = {.used = 0};

    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            add(&joined, '/');
        }
        for (const char *from = parts[i]; *from != '\0'; from++) {
            if (*from == '/' || *from == '\\') {
                add(&joined, '\\');
            }
            add(&joined, *from);
        }
    }
    if (joined.used > GR_IDENTITY_BYTES_MAX) {
        return GRI_FAIL(GR_EINVAL,
                        "an identity of a grain has at most %d bytes, these %zu parts make %zu",
                        GR_IDENTITY_BYTES_MAX, count, joined.used);
    }
    joined.text[joined.used] = '\0';
    err = gri_identity_check(joined.text);
    if (err == GR_OK) {
        memcpy(out_identity, joined.text, joined.used + 1);
    }
    return err;
}
