/*
 * Headers of messages: a few keys and values in the message's own memory. Envelopes of one message share its headers, until
 * one of them sets a header of its own and gets a copy of all of them. Runs wherever messages are made and read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_internal.h"

#include <string.h>

#include <gri/fail.h>

typedef struct gri_headers {
    gr_msg *owner; /* in whose memory this is, and all that it points to */
    size_t count;
    gr_header at[GR_HEADERS_MAX];
} gri_headers;

static const gri_headers *headers_of(const gr_msg *msg)
{
    static const gri_headers none;

    return msg->extra == NULL || msg->extra->headers == NULL ? &none : msg->extra->headers;
}

void gri_headers_share(gr_msg *envelope, const gr_msg *msg)
{
    if (msg->extra != NULL && msg->extra->headers != NULL) {
        envelope->extra->headers = msg->extra->headers;
        (void)gr_msg_ref(msg->extra->headers->owner);
    }
}

const gr_msg *gri_headers_holder(const gr_msg *msg)
{
    const gr_msg *owner = msg->extra->headers->owner;

    return owner == msg ? NULL : owner;
}

static size_t find(const gri_headers *headers, const char *key)
{
    size_t i = 0;

    while (i < headers->count && strcmp(headers->at[i].key, key) != 0) {
        i++;
    }
    return i;
}

/* Whether so many bytes more fit in, with the one at `place` gone. */
static bool has_room(const gri_headers *headers, size_t place, size_t more)
{
    size_t bytes = more, i = 0;

    for (i = 0; i < headers->count; i++) {
        bytes += i == place ? 0 : strlen(headers->at[i].key) + strlen(headers->at[i].value);
    }
    return bytes <= GR_HEADERS_BYTES_MAX;
}

static const char *copy_text(gr_msg *msg, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = gr_msg_alloc(msg, bytes);

    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

/* Headers that may be written: those of the message, with all that is in them in its own memory; NULL when out of memory. */
static gri_headers *own_headers(gr_msg *msg)
{
    gri_msg_extra *extra = gri_msg_extra_of(msg);
    gri_headers *shared = extra == NULL ? NULL : extra->headers;
    gri_headers *own = NULL;
    size_t i = 0;

    if (extra == NULL || (shared != NULL && shared->owner == msg)) {
        return shared;
    }
    own = gr_msg_alloc(msg, sizeof(*own));
    if (own == NULL) {
        return NULL;
    }
    *own = (gri_headers){.owner = msg, .count = shared == NULL ? 0 : shared->count};
    for (i = 0; i < own->count; i++) {
        own->at[i] =
            (gr_header){copy_text(msg, shared->at[i].key), copy_text(msg, shared->at[i].value)};
        if (own->at[i].key == NULL || own->at[i].value == NULL) {
            return NULL;
        }
    }
    extra->headers = own;
    if (shared != NULL) {
        (void)gr_msg_unref(shared->owner);
    }
    return own;
}

static void remove_at(gri_headers *headers, size_t place)
{
    headers->count--;
    memmove(&headers->at[place], &headers->at[place + 1],
            (headers->count - place) * sizeof(headers->at[0]));
}

static gr_err check_header(const gr_msg *msg, const char *key, const char *value)
{
    const gri_headers *now = headers_of(msg);
    size_t place = 0;

    if (key == NULL || key[0] == '\0') {
        return GRI_FAIL(GR_EINVAL, "a header without a key");
    }
    /* Relaxed: who is alone, or one of several, knows so. */
    if (atomic_load_explicit(&msg->refs, memory_order_relaxed) != 1) {
        return GRI_FAIL(
            GR_EINVAL, "header '%.64s' of a message with several holders, which is read-only", key);
    }
    place = find(now, key);
    if (value != NULL && place == GR_HEADERS_MAX) {
        return GRI_FAIL(GR_EINVAL,
                        "header '%.64s' would be one more than %d: put more into the payload", key,
                        GR_HEADERS_MAX);
    }
    if (value != NULL && !has_room(now, place, strlen(key) + strlen(value))) {
        return GRI_FAIL(
            GR_EINVAL,
            "header '%.64s' of %zu bytes: keys and values are %d bytes in all at most; put "
            "more into the payload",
            key, strlen(key) + strlen(value), GR_HEADERS_BYTES_MAX);
    }
    return GR_OK;
}

gr_err gr_msg_set_header(gr_msg *msg, const char *key, const char *value)
{
    gr_err err = check_header(msg, key, value);
    gri_headers *headers = NULL;
    gr_header fresh = {NULL, NULL};
    size_t place = 0;

    if (err != GR_OK || (value == NULL && gr_msg_header(msg, key) == NULL)) {
        return err;
    }
    headers = own_headers(msg);
    if (headers == NULL) {
        return GRI_FAIL(GR_ENOMEM, "header '%.64s'", key);
    }
    place = find(headers, key);
    if (value == NULL) {
        remove_at(headers, place);
        return GR_OK;
    }
    fresh.key = place < headers->count ? headers->at[place].key : copy_text(msg, key);
    fresh.value = copy_text(msg, value);
    if (fresh.key == NULL || fresh.value == NULL) {
        return GRI_FAIL(GR_ENOMEM, "header '%.64s'", key);
    }
    headers->at[place] = fresh;
    headers->count += place == headers->count ? 1 : 0;
    return GR_OK;
}

const char *gr_msg_header(const gr_msg *msg, const char *key)
{
    const gri_headers *headers = headers_of(msg);
    size_t place = find(headers, key);

    return place < headers->count ? headers->at[place].value : NULL;
}

size_t gr_msg_headers(const gr_msg *msg)
{
    return headers_of(msg)->count;
}

gr_header gr_msg_header_at(const gr_msg *msg, size_t index)
{
    const gri_headers *headers = headers_of(msg);

    return index < headers->count ? headers->at[index] : (gr_header){NULL, NULL};
}
