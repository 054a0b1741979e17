/*
 * What the compiler must refuse of typed handlers: compiled once as it should be, and once for each mistake that WRONG_... makes.
 * Never run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <granary/handlers.h>

typedef struct counter {
    int64_t total;
} counter;

typedef struct add {
    int64_t amount;
} add;

typedef struct sum {
    int64_t total;
} sum;

typedef struct reset {
    int64_t to;
} reset;

static const gr_type add_type = GR_TYPE(add);
static const gr_type sum_type = GR_TYPE(sum);
static const gr_type reset_type = GR_TYPE(reset);

GR_PAYLOAD(add_type, add);
GR_PAYLOAD(sum_type, sum);
#if !defined(NO_PAYLOAD)
GR_PAYLOAD(reset_type, reset);
#endif

#if defined(WRONG_REPLY)
static gr_err on_add(gr_context *ctx, counter *self, const add *request, reset *reply)
#elif defined(WRONG_STATE)
static gr_err on_add(gr_context *ctx, sum *self, const add *request, sum *reply)
#elif defined(WRONG_MESSAGE)
static gr_err on_add(gr_context *ctx, counter *self, const reset *request, sum *reply)
#elif defined(WRITABLE_MESSAGE)
static gr_err on_add(gr_context *ctx, counter *self, add *request, sum *reply)
#elif defined(WRONG_RESULT)
static int on_add(gr_context *ctx, counter *self, const add *request, sum *reply)
#else
static gr_err on_add(gr_context *ctx, counter *self, const add *request, sum *reply)
#endif
{
    (void)ctx;
    (void)self;
    (void)request;
    (void)reply;
    return GR_OK;
}

#if defined(REPLY_TO_A_TELL)
static gr_err on_reset(gr_context *ctx, counter *self, const reset *message, sum *reply)
{
    (void)reply;
#else
static gr_err on_reset(gr_context *ctx, counter *self, const reset *message)
{
#endif
    (void)ctx;
    self->total = message->to;
    return GR_OK;
}

#if defined(TWO_ROWS)
#define COUNTER(ASK, TELL)                                                                         \
    ASK(add_type, sum_type, on_add)                                                                \
    TELL(reset_type, on_reset)                                                                     \
    TELL(reset_type, on_reset)
#else
#define COUNTER(ASK, TELL)                                                                         \
    ASK(add_type, sum_type, on_add)                                                                \
    TELL(reset_type, on_reset)
#endif

GR_HANDLERS(counter_receive, counter, COUNTER, NULL);

const gr_props counter_props = {.receive = counter_receive, .state_bytes = sizeof(counter)};
