/*
 * The codecs of granary.Call, granary.Answer, granary.Subscribe and granary.News. Bytes come from
 * outside, so every read is bounded and every text is checked; nothing here knows what a kind or a
 * method is. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "call_message.h"

#include <string.h>

#include <gri/bytes.h>
#include <gri/fail.h>

#include "chain.h"
#include "host.h"

enum {
    FORMAT = 1,
    CALL_HEAD_BYTES = 76,
    ANSWER_HEAD_BYTES = 48,
    SUBSCRIBE_BYTES = 17,
    NEWS_HEAD_BYTES = 2,
    TYPE_NAME_BYTES_MAX = 512,
    LEFT_MS_MAX = INT32_MAX
};

/* ---- Call: u8 format, u8 flags, u8 hops, u8 zero, u32 attempt, u64 kind, u64 method, u64 founded, u64 version,
 * u32 milliseconds left, u16 bytes of identity, u16 bytes of headers (skipped), u32 bytes of chain, u64 lane, u64 place,
 * u64 first place; then identity, headers, chain, and the request to the end. */

static size_t call_packed_bytes(const gr_type *type, const void *payload)
{
    const gri_call_message *call = payload;

    (void)type;
    return CALL_HEAD_BYTES + strlen(call->identity) + call->chain_bytes + call->count;
}

static uint32_t left_ms(const gri_call_message *call)
{
    int64_t left = call->deadline_ms - gr_system_now(call->sys);

    return left <= 0 ? 0 : left > LEFT_MS_MAX ? LEFT_MS_MAX : (uint32_t)left;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t count)
{
    if (count > 0) {
        memcpy(at, bytes, count);
    }
    return at + count;
}

static void call_pack(const gr_type *type, const void *payload, uint8_t *out)
{
    const gri_call_message *call = payload;
    size_t identity_bytes = strlen(call->identity);
    uint8_t *at = out + CALL_HEAD_BYTES;

    (void)type;
    out[0] = FORMAT;
    out[1] = call->flags;
    out[2] = call->hops;
    out[3] = 0;
    gri_put_u32(out + 4, call->attempt);
    gri_put_u64(out + 8, call->kind);
    gri_put_u64(out + 16, call->method);
    gri_put_u64(out + 24, call->view_founded);
    gri_put_u64(out + 32, call->view_version);
    gri_put_u32(out + 40, left_ms(call));
    gri_put_u16(out + 44, (uint16_t)identity_bytes);
    gri_put_u16(out + 46, 0);
    gri_put_u32(out + 48, (uint32_t)call->chain_bytes);
    gri_put_u64(out + 52, call->lane);
    gri_put_u64(out + 60, call->place);
    gri_put_u64(out + 68, call->first_place);
    at = put(at, call->identity, identity_bytes);
    at = put(at, call->chain, call->chain_bytes);
    (void)put(at, call->bytes, call->count);
}

/* A copy of `count` bytes in the message's memory with a NUL behind them; NULL when out of memory.
 */
static char *keep(gr_msg *msg, const uint8_t *bytes, size_t count)
{
    char *copy = gr_msg_alloc(msg, count + 1);

    if (copy != NULL) {
        (void)put((uint8_t *)copy, bytes, count);
        copy[count] = '\0';
    }
    return copy;
}

static gr_err call_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg)
{
    gri_call_message *call = gr_msg_payload(msg);
    gri_reader in = gri_reader_of(bytes, count);
    uint8_t format = gri_read_u8(&in);
    size_t identity_bytes = 0;
    size_t header_bytes = 0;
    char *block = NULL;

    call->flags = gri_read_u8(&in);
    call->hops = gri_read_u8(&in);
    (void)gri_read_u8(&in);
    call->attempt = gri_read_u32(&in);
    call->kind = gri_read_u64(&in);
    call->method = gri_read_u64(&in);
    call->view_founded = gri_read_u64(&in);
    call->view_version = gri_read_u64(&in);
    call->deadline_ms =
        gri_read_u32(&in); /* what is left; the receptionist makes it a point in time */
    identity_bytes = gri_read_u16(&in);
    header_bytes = gri_read_u16(&in);
    call->chain_bytes = gri_read_u32(&in);
    call->lane = gri_read_u64(&in);
    call->place = gri_read_u64(&in);
    call->first_place = gri_read_u64(&in);
    if (!in.ok || format != FORMAT || identity_bytes + header_bytes > in.left ||
        call->chain_bytes > in.left - identity_bytes - header_bytes) {
        return GRI_FAIL(GR_EDECODE, "%zu bytes are not a %s of format %d", count, type->name,
                        FORMAT);
    }
    call->count = in.left - identity_bytes - header_bytes - call->chain_bytes;
    block = keep(msg, in.at, identity_bytes);
    if (block == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a call of %zu bytes", count);
    }
    call->identity = block;
    if (strlen(block) != identity_bytes) {
        return GRI_FAIL(GR_EDECODE, "the identity in a call has a NUL inside");
    }
    (void)gri_read_bytes(&in, identity_bytes + header_bytes);
    block = keep(msg, in.at, in.left);
    if (block == NULL) {
        return GRI_FAIL(GR_ENOMEM, "a call of %zu bytes", count);
    }
    call->chain = (uint8_t *)block;
    call->bytes = call->chain + call->chain_bytes;
    return gri_chain_check(call->chain, call->chain_bytes);
}

/* The last to hold a call that nobody has answered: its caller hears that it did not run. */
static void call_drop(void *payload)
{
    gri_call_message *call = payload;

    call->request = gr_msg_unref(call->request);
    if (call->host != NULL) {
        gri_host_call_dropped(call);
    }
}

static const gr_codec call_codec = {GR_CODEC_VERSION, call_packed_bytes, call_pack, call_unpack};

const gr_type gri_call_type = {"granary.Call", sizeof(gri_call_message), call_drop, &call_codec,
                               NULL};

gr_msg *gri_call_message_new(const gri_call_message *call)
{
    gr_msg *msg = gr_msg_new(&gri_call_type);
    size_t identity_bytes = strlen(call->identity) + 1;
    uint8_t *block =
        msg == NULL ? NULL : gr_msg_alloc(msg, identity_bytes + call->chain_bytes + call->count);
    gri_call_message *copy = NULL;

    if (block == NULL) {
        return gr_msg_unref(msg);
    }
    copy = gr_msg_payload(msg);
    copy->flags = call->flags;
    copy->hops = call->hops;
    copy->attempt = call->attempt;
    copy->kind = call->kind;
    copy->method = call->method;
    copy->view_founded = call->view_founded;
    copy->view_version = call->view_version;
    copy->lane = call->lane;
    copy->place = call->place;
    copy->first_place = call->first_place;
    copy->sys = call->sys;
    copy->deadline_ms = call->deadline_ms;
    copy->identity = (const char *)block;
    copy->chain = put(block, call->identity, identity_bytes);
    copy->chain_bytes = call->chain_bytes;
    copy->bytes = put(block + identity_bytes, call->chain, call->chain_bytes);
    copy->count = call->count;
    (void)put(block + identity_bytes + call->chain_bytes, call->bytes, call->count);
    return msg;
}

gr_msg *gri_call_message_of(gri_call_message *call)
{
    return gr_msg_of(call);
}

/* ---- Answer: u8 format, u8 outcome, u16 bytes of text, u32 code, u32 retry after, u32 zero, u64
 * founded, u64 version, u64 owner, u32 bytes of details, u16 bytes of the name of their type, u16
 * zero; then text, name, details, and the reply to the end. */

static size_t answer_packed_bytes(const gr_type *type, const void *payload)
{
    const gri_answer *answer = payload;

    (void)type;
    return ANSWER_HEAD_BYTES + strlen(answer->text) + strlen(answer->details_type) +
           answer->details_bytes + answer->count;
}

static void answer_pack(const gr_type *type, const void *payload, uint8_t *out)
{
    const gri_answer *answer = payload;
    size_t text_bytes = strlen(answer->text);
    size_t name_bytes = strlen(answer->details_type);
    uint8_t *at = out + ANSWER_HEAD_BYTES;

    (void)type;
    out[0] = FORMAT;
    out[1] = (uint8_t)answer->outcome;
    gri_put_u16(out + 2, (uint16_t)text_bytes);
    gri_put_u32(out + 4, (uint32_t)answer->code);
    gri_put_u32(out + 8, answer->retry_after_ms);
    gri_put_u32(out + 12, 0);
    gri_put_u64(out + 16, answer->view_founded);
    gri_put_u64(out + 24, answer->view_version);
    gri_put_u64(out + 32, answer->owner);
    gri_put_u32(out + 40, (uint32_t)answer->details_bytes);
    gri_put_u16(out + 44, (uint16_t)name_bytes);
    gri_put_u16(out + 46, 0);
    at = put(at, answer->text, text_bytes);
    at = put(at, answer->details_type, name_bytes);
    at = put(at, answer->details, answer->details_bytes);
    (void)put(at, answer->bytes, answer->count);
}

static bool outcome_is_known(uint8_t outcome)
{
    return outcome >= GRI_OUTCOME_REPLIED && outcome <= GRI_OUTCOME_UNKNOWN;
}

static gr_err answer_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg)
{
    gri_answer *answer = gr_msg_payload(msg);
    gri_reader in = gri_reader_of(bytes, count);
    uint8_t format = gri_read_u8(&in);
    uint8_t outcome = gri_read_u8(&in);
    size_t text_bytes = gri_read_u16(&in);
    uint32_t code = 0;
    size_t name_bytes = 0;

    answer->outcome = (gri_outcome)outcome;
    code = gri_read_u32(&in);
    answer->code = (gr_err)code;
    answer->retry_after_ms = gri_read_u32(&in);
    (void)gri_read_u32(&in);
    answer->view_founded = gri_read_u64(&in);
    answer->view_version = gri_read_u64(&in);
    answer->owner = gri_read_u64(&in);
    answer->details_bytes = gri_read_u32(&in);
    name_bytes = gri_read_u16(&in);
    (void)gri_read_u16(&in);
    if (!in.ok || format != FORMAT || !outcome_is_known(outcome) || code > GR_EAPP_LAST ||
        (code == 0) != (outcome == GRI_OUTCOME_REPLIED) || text_bytes >= GR_ERROR_TEXT_BYTES ||
        name_bytes > TYPE_NAME_BYTES_MAX || text_bytes + name_bytes > in.left ||
        answer->details_bytes > in.left - text_bytes - name_bytes) {
        return GRI_FAIL(GR_EDECODE, "%zu bytes are not a %s of format %d", count, type->name,
                        FORMAT);
    }
    answer->count = in.left - text_bytes - name_bytes - answer->details_bytes;
    answer->text = keep(msg, gri_read_bytes(&in, text_bytes), text_bytes);
    answer->details_type = keep(msg, gri_read_bytes(&in, name_bytes), name_bytes);
    answer->details = (uint8_t *)keep(msg, in.at, in.left);
    if (answer->text == NULL || answer->details_type == NULL || answer->details == NULL) {
        return GRI_FAIL(GR_ENOMEM, "an answer of %zu bytes", count);
    }
    answer->bytes = answer->details + answer->details_bytes;
    return GR_OK;
}

static const gr_codec answer_codec = {GR_CODEC_VERSION, answer_packed_bytes, answer_pack,
                                      answer_unpack};

const gr_type gri_answer_type = {"granary.Answer", sizeof(gri_answer), NULL, &answer_codec, NULL};

gr_msg *gri_answer_new(const gri_answer *answer)
{
    gr_msg *msg = gr_msg_new(&gri_answer_type);
    const char *text = answer->text == NULL ? "" : answer->text;
    const char *name = answer->details_type == NULL ? "" : answer->details_type;
    size_t text_bytes = strnlen(text, GR_ERROR_TEXT_BYTES - 1);
    size_t name_bytes = strnlen(name, TYPE_NAME_BYTES_MAX);
    size_t need = text_bytes + name_bytes + 2 + answer->details_bytes + answer->count;
    uint8_t *at = msg == NULL ? NULL : gr_msg_alloc(msg, need);
    gri_answer *copy = NULL;

    if (at == NULL) {
        return gr_msg_unref(msg);
    }
    copy = gr_msg_payload(msg);
    *copy = *answer;
    copy->text = (char *)at;
    at = put(at, text, text_bytes);
    *at++ = '\0';
    copy->details_type = (char *)at;
    at = put(at, name, name_bytes);
    *at++ = '\0';
    copy->details = at;
    at = put(at, answer->details, answer->details_bytes);
    copy->bytes = at;
    (void)put(at, answer->bytes, answer->count);
    return msg;
}

/* ---- Subscribe: u8 format, u64 founded, u64 version. News: u8 format, u8 unfit, then the view to
 * the end.
 */

static size_t subscribe_packed_bytes(const gr_type *type, const void *payload)
{
    (void)type;
    (void)payload;
    return SUBSCRIBE_BYTES;
}

static void subscribe_pack(const gr_type *type, const void *payload, uint8_t *out)
{
    const gri_subscribe *subscribe = payload;

    (void)type;
    out[0] = FORMAT;
    gri_put_u64(out + 1, subscribe->view_founded);
    gri_put_u64(out + 9, subscribe->view_version);
}

static gr_err subscribe_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg)
{
    gri_subscribe *subscribe = gr_msg_payload(msg);

    if (count != SUBSCRIBE_BYTES || bytes[0] != FORMAT) {
        return GRI_FAIL(GR_EDECODE, "%zu bytes are not a %s of format %d", count, type->name,
                        FORMAT);
    }
    subscribe->view_founded = gri_get_u64(bytes + 1);
    subscribe->view_version = gri_get_u64(bytes + 9);
    return GR_OK;
}

static const gr_codec subscribe_codec = {GR_CODEC_VERSION, subscribe_packed_bytes, subscribe_pack,
                                         subscribe_unpack};

const gr_type gri_subscribe_type = {"granary.Subscribe", sizeof(gri_subscribe), NULL,
                                    &subscribe_codec, NULL};

static size_t news_packed_bytes(const gr_type *type, const void *payload)
{
    const gri_news *news = payload;

    (void)type;
    return NEWS_HEAD_BYTES + news->count;
}

static void news_pack(const gr_type *type, const void *payload, uint8_t *out)
{
    const gri_news *news = payload;

    (void)type;
    out[0] = FORMAT;
    out[1] = news->unfit ? 1 : 0;
    (void)put(out + NEWS_HEAD_BYTES, news->bytes, news->count);
}

static gr_err news_keep(gr_msg *msg, const uint8_t *bytes, size_t count)
{
    gri_news *news = gr_msg_payload(msg);

    news->bytes = (uint8_t *)keep(msg, bytes, count);
    news->count = count;
    return news->bytes == NULL ? GRI_FAIL(GR_ENOMEM, "a view of %zu bytes", count) : GR_OK;
}

static gr_err news_unpack(const gr_type *type, const uint8_t *bytes, size_t count, gr_msg *msg)
{
    if (count < NEWS_HEAD_BYTES || bytes[0] != FORMAT) {
        return GRI_FAIL(GR_EDECODE, "%zu bytes are not a %s of format %d", count, type->name,
                        FORMAT);
    }
    ((gri_news *)gr_msg_payload(msg))->unfit = bytes[1] != 0;
    return news_keep(msg, bytes + NEWS_HEAD_BYTES, count - NEWS_HEAD_BYTES);
}

static const gr_codec news_codec = {GR_CODEC_VERSION, news_packed_bytes, news_pack, news_unpack};

const gr_type gri_news_type = {"granary.News", sizeof(gri_news), NULL, &news_codec, NULL};

gr_msg *gri_news_new(const uint8_t *bytes, size_t count, bool unfit)
{
    gr_msg *msg = gr_msg_new(&gri_news_type);

    if (msg != NULL) {
        ((gri_news *)gr_msg_payload(msg))->unfit = unfit;
    }
    if (msg != NULL && news_keep(msg, bytes, count) != GR_OK) {
        return gr_msg_unref(msg);
    }
    return msg;
}

const gr_type *const gri_call_types[GRI_CALL_TYPES] = {&gri_call_type, &gri_answer_type,
                                                       &gri_subscribe_type, &gri_news_type};
