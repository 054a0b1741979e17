/*
 * What travels between us and Consul: JSON, with values in base64. Any thread with a full stack for
 * parsing; packing also runs on fibers. The one file that knows the JSON library.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "consul.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <gri/fail.h>
#include <gri/mem.h>

/* ---- base64 */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool append_base64(gri_buffer *buffer, const uint8_t *bytes, size_t count)
{
    uint8_t *out = gri_buffer_add(buffer, (count + 2) / 3 * 4);
    size_t i = 0;

    if (out == NULL) {
        return false;
    }
    for (i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);

        *out++ = (uint8_t)digits[group >> 18];
        *out++ = (uint8_t)digits[group >> 12 & 63];
        *out++ = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
        *out++ = left > 2 ? (uint8_t)digits[group & 63] : '=';
    }
    return true;
}

static int value_of_digit(char digit)
{
    const char *at = digit == '\0' ? NULL : strchr(digits, digit);

    return at == NULL ? -1 : (int)(at - digits);
}

/* Strict: whole groups, padding only at the end. */
static gr_err read_base64(const char *text, size_t count, gri_buffer *out_bytes)
{
    size_t padding = count >= 2 && text[count - 1] == '=' ? 1 + (text[count - 2] == '=') : 0;
    size_t i = 0;
    uint8_t *out = NULL;

    if (count % 4 != 0) {
        return GRI_FAIL(GR_EPROTO, "Consul answered with %zu digits that are not base64", count);
    }
    out = gri_buffer_add(out_bytes, count / 4 * 3);
    if (out == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a value of %zu bytes", count / 4 * 3);
    }
    for (i = 0; i < count; i += 4) {
        uint32_t group = 0;
        size_t j = 0;

        for (j = i; j < i + 4; j++) {
            int value = j >= count - padding ? 0 : value_of_digit(text[j]);

            if (value < 0) {
                return GRI_FAIL(GR_EPROTO, "Consul answered with a value that is not base64");
            }
            group = group << 6 | (uint32_t)value;
        }
        *out++ = (uint8_t)(group >> 16);
        *out++ = (uint8_t)(group >> 8);
        *out++ = (uint8_t)group;
    }
    out_bytes->count -= padding;
    return GR_OK;
}

/* ---- answers */

static gr_err parse(const char *json, size_t count, json_t **out_root)
{
    json_error_t problem;
    json_t *root = json_loadb(json, count, 0, &problem);

    if (root == NULL) {
        return GRI_FAIL(GR_EPROTO, "Consul answered with what is not JSON: %s", problem.text);
    }
    *out_root = root;
    return GR_OK;
}

static gr_err read_revision(const json_t *entry, uint64_t *out_revision)
{
    const json_t *revision = json_object_get(entry, "ModifyIndex");

    if (!json_is_integer(revision) || json_integer_value(revision) <= 0) {
        return GRI_FAIL(GR_EPROTO, "Consul answered without a ModifyIndex");
    }
    *out_revision = (uint64_t)json_integer_value(revision);
    return GR_OK;
}

/* [{"Key": ..., "Value": "base64" or null, "ModifyIndex": ...}] */
gr_err gri_consul_parse_record(const char *json, size_t count, gri_consul_record *out_record)
{
    gri_consul_record record = {0};
    json_t *root = NULL;
    const json_t *entry = NULL;
    const json_t *value = NULL;
    gr_err err = parse(json, count, &root);

    if (err != GR_OK) {
        return err;
    }
    entry = json_array_get(root, 0);
    value = json_object_get(entry, "Value");
    err = read_revision(entry, &record.revision);
    if (err == GR_OK && json_is_string(value)) {
        err = read_base64(json_string_value(value), json_string_length(value), &record.value);
    }
    json_decref(root);
    if (err != GR_OK) {
        gri_buffer_fini(&record.value);
        return err;
    }
    *out_record = record;
    return GR_OK;
}

/* ["KEY", ...] */
gr_err gri_consul_parse_keys(const char *json, size_t count, size_t skip, size_t bytes_max,
                             gri_buffer *out_keys)
{
    gri_buffer keys = {0};
    json_t *root = NULL;
    gr_err err = parse(json, count, &root);
    size_t i = 0;

    for (i = 0; err == GR_OK && i < json_array_size(root); i++) {
        const char *key = json_string_value(json_array_get(root, i));
        size_t bytes = key == NULL ? 0 : strlen(key) + 1;
        uint8_t *out = NULL;

        if (bytes <= skip || keys.count + bytes - skip > bytes_max) {
            continue;
        }
        out = gri_buffer_add(&keys, bytes - skip);
        if (out == NULL) {
            err = GRI_FAIL(GR_ENOMEM, "a list of keys");
        } else {
            memcpy(out, key + skip, bytes - skip);
        }
    }
    json_decref(root);
    if (err != GR_OK) {
        gri_buffer_fini(&keys);
        return err;
    }
    *out_keys = keys;
    return GR_OK;
}

/* {"Results": [{"KV": {"ModifyIndex": ...}}]} */
gr_err gri_consul_parse_revision(const char *json, size_t count, uint64_t *out_revision)
{
    json_t *root = NULL;
    gr_err err = parse(json, count, &root);

    if (err == GR_OK) {
        const json_t *result = json_array_get(json_object_get(root, "Results"), 0);

        err = read_revision(json_object_get(result, "KV"), out_revision);
        json_decref(root);
    }
    return err;
}

/* ---- requests */

static bool append_text(gri_buffer *buffer, const char *text)
{
    size_t count = strlen(text);
    uint8_t *out = gri_buffer_add(buffer, count);

    if (out != NULL) {
        memcpy(out, text, count);
    }
    return out != NULL;
}

static bool append_escaped(gri_buffer *buffer, const char *text)
{
    for (; *text != '\0'; text++) {
        char escape[8] = {*text, '\0'};

        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20) {
            (void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)(unsigned char)*text);
        }
        if (!append_text(buffer, escape)) {
            return false;
        }
    }
    return true;
}

gr_err gri_consul_pack_change(const char *verb, const char *key, uint64_t revision,
                              const uint8_t *value, size_t value_bytes, gri_buffer *out_body)
{
    gri_buffer body = {0};
    char number[32];

    (void)snprintf(number, sizeof(number), "\",\"Index\":%" PRIu64 "}}]", revision);
    if (!append_text(&body, "[{\"KV\":{\"Verb\":\"") || !append_text(&body, verb) ||
        !append_text(&body, "\",\"Key\":\"") || !append_escaped(&body, key) ||
        !append_text(&body, "\",\"Value\":\"") || !append_base64(&body, value, value_bytes) ||
        !append_text(&body, number)) {
        gri_buffer_fini(&body);
        return GRI_FAIL(GR_ENOMEM, "a change of %zu bytes for Consul", value_bytes);
    }
    *out_body = body;
    return GR_OK;
}

/* "tcp://HOST:PORT" as host and port; the port is 0 when there is none. */
static json_int_t split_address(const char *address, char *host, size_t host_bytes)
{
    const char *from = strstr(address, "://");
    const char *colon = strrchr(address, ':');

    from = from == NULL ? address : from + 3;
    if (colon == NULL || colon < from) {
        colon = from + strlen(from);
    }
    (void)snprintf(host, host_bytes, "%.*s", (int)(colon - from), from);
    return *colon == ':' ? (json_int_t)strtol(colon + 1, NULL, 10) : 0;
}

gr_err gri_consul_pack_registration(const gri_consul *consul, const gr_coordinator_member *member,
                                    bool healthy, char **out_body)
{
    char host[256];
    json_int_t port = split_address(member->address, host, sizeof(host));
    json_t *tags = json_array();
    json_t *root = NULL;
    char *dumped = NULL;
    size_t i = 0;

    for (i = 0; i < member->tags_count; i++) {
        (void)json_array_append_new(tags, json_string(member->tags[i]));
    }
    root = json_pack("{s:s, s:s+, s:s, s:I, s:o, s:{s:s}, s:{s:s+, s:s, s:s, s:s}}", /**/
                     "ID", member->id,                                               /**/
                     "Name", "granary-", consul->cluster,                            /**/
                     "Address", host,                                                /**/
                     "Port", port,                                                   /**/
                     "Tags", tags,                                                   /**/
                     "Meta", "granary-address", member->address,                     /**/
                     "Check",                                                        /**/
                     "CheckID", "service:", member->id,                              /**/
                     "TTL", GRI_CONSUL_TTL,                                          /**/
                     "Status", healthy ? "passing" : "critical",                     /**/
                     "DeregisterCriticalServiceAfter", GRI_CONSUL_FORGET);
    dumped = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    *out_body = dumped == NULL ? NULL : gri_strdup(dumped);
    free(dumped);
    return *out_body == NULL ? GRI_FAIL(GR_ENOMEM, "registering at Consul") : GR_OK;
}
