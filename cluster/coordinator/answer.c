/*
 * How operations of coordinators end: a future completed by an answer or by an error. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "coordinator.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <granary/runtime_spi.h>

#include <gri/fail.h>

const gr_type gr_coordinator_answer_type = GR_TYPE(gr_coordinator_answer);

gr_err gri_operation_future(gr_system *sys, int64_t timeout_ms, gr_future **out_future)
{
    if (timeout_ms < 0 || timeout_ms > INT64_MAX / 2) {
        return GRI_FAIL(GR_EINVAL, "operations of a coordinator need a time limit, not %lld ms",
                        (long long)timeout_ms);
    }
    return gr_future_new(sys, GR_FOREVER, out_future);
}

/* Without memory for a message it ends by GR_ENOMEM; given up by its owner, nobody needs telling.
 */
static void end(gr_future *take_future, gr_msg *take_msg)
{
    (void)gr_future_complete(take_future, take_msg);
    gr_future_unref(take_future);
}

void gri_operation_answer(gr_future *take_future, uint64_t revision, const uint8_t *value,
                          size_t value_bytes)
{
    gr_msg *msg = gr_msg_new(&gr_coordinator_answer_type);
    uint8_t *copy = msg == NULL ? NULL : gr_msg_alloc(msg, value_bytes == 0 ? 1 : value_bytes);
    gr_coordinator_answer *answer = NULL;

    if (copy == NULL) {
        gr_msg_unref(msg);
        end(take_future, NULL);
        return;
    }
    if (value_bytes > 0) {
        memcpy(copy, value, value_bytes);
    }
    answer = gr_msg_payload(msg);
    answer->revision = revision;
    answer->value = copy;
    answer->value_bytes = value_bytes;
    end(take_future, msg);
}

void gri_operation_fail(gr_future *take_future, gr_err code, const char *format, ...)
{
    char text[GR_ERROR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    end(take_future, gr_msg_new_error(code, text));
}

gr_err gri_operation_check(const char *key, size_t value_bytes)
{
    size_t bytes = strlen(key);

    if (bytes == 0 || bytes > GR_COORDINATOR_KEY_BYTES_MAX) {
        return GRI_FAIL(GR_EINVAL, "a key of %zu bytes; 1 to %d are allowed", bytes,
                        GR_COORDINATOR_KEY_BYTES_MAX);
    }
    if (value_bytes > GR_COORDINATOR_VALUE_BYTES_MAX) {
        return GRI_FAIL(GR_ETOOBIG, "a value of %zu bytes for '%s'; at most %d are allowed",
                        value_bytes, key, GR_COORDINATOR_VALUE_BYTES_MAX);
    }
    return GR_OK;
}
