/* Generated from bank.proto by protoc-gen-granary 0.1.0. Do not edit. */
#include "bank.grain.h"

#include <stddef.h>

const gr_type bank_deposit_request_type =
    GR_PROTO_TYPE("bank.DepositRequest", Bank__DepositRequest, bank__deposit_request__descriptor);
const gr_type bank_balance_type =
    GR_PROTO_TYPE("bank.Balance", Bank__Balance, bank__balance__descriptor);

const gr_type *const *bank_grain_types(size_t *out_count)
{
    static const gr_type *const types[] = {
        &bank_deposit_request_type,
        &bank_balance_type,
    };

    *out_count = sizeof(types) / sizeof(types[0]);
    return types;
}

/* A google.protobuf.FileDescriptorSet: this file and what it imports. */
static const uint8_t bank_grain_descriptors[] = {
    0x0a, 0xa8, 0x01, 0x0a, 0x0a, 0x62, 0x61, 0x6e, 0x6b, 0x2e, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x12,
    0x04, 0x62, 0x61, 0x6e, 0x6b, 0x22, 0x26, 0x0a, 0x0e, 0x44, 0x65, 0x70, 0x6f, 0x73, 0x69, 0x74,
    0x52, 0x65, 0x71, 0x75, 0x65, 0x73, 0x74, 0x12, 0x14, 0x0a, 0x05, 0x63, 0x65, 0x6e, 0x74, 0x73,
    0x18, 0x01, 0x20, 0x01, 0x28, 0x03, 0x52, 0x05, 0x63, 0x65, 0x6e, 0x74, 0x73, 0x22, 0x1f, 0x0a,
    0x07, 0x42, 0x61, 0x6c, 0x61, 0x6e, 0x63, 0x65, 0x12, 0x14, 0x0a, 0x05, 0x63, 0x65, 0x6e, 0x74,
    0x73, 0x18, 0x01, 0x20, 0x01, 0x28, 0x03, 0x52, 0x05, 0x63, 0x65, 0x6e, 0x74, 0x73, 0x32, 0x43,
    0x0a, 0x07, 0x41, 0x63, 0x63, 0x6f, 0x75, 0x6e, 0x74, 0x12, 0x2e, 0x0a, 0x07, 0x44, 0x65, 0x70,
    0x6f, 0x73, 0x69, 0x74, 0x12, 0x14, 0x2e, 0x62, 0x61, 0x6e, 0x6b, 0x2e, 0x44, 0x65, 0x70, 0x6f,
    0x73, 0x69, 0x74, 0x52, 0x65, 0x71, 0x75, 0x65, 0x73, 0x74, 0x1a, 0x0d, 0x2e, 0x62, 0x61, 0x6e,
    0x6b, 0x2e, 0x42, 0x61, 0x6c, 0x61, 0x6e, 0x63, 0x65, 0x1a, 0x08, 0xea, 0xe0, 0x18, 0x04, 0x18,
    0xe0, 0xd4, 0x03, 0x62, 0x06, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x33,
};

/* ---- service bank.Account ---- */

static size_t data_bytes_of_bank_account(const void *methods)
{
    return ((const bank_account_methods *)methods)->data_bytes;
}

static gr_err activated_of_bank_account(const void *methods, gr_grain *grain)
{
    const bank_account_methods *table = (const bank_account_methods *)methods;

    return table->activated == NULL ? GR_OK : table->activated((bank_account *)grain);
}

static void deactivating_of_bank_account(const void *methods, gr_grain *grain,
                                         gr_deactivation reason)
{
    const bank_account_methods *table = (const bank_account_methods *)methods;

    if (table->deactivating != NULL) {
        table->deactivating((bank_account *)grain, reason);
    }
}

static void timer_of_bank_account(const void *methods, gr_grain *grain, uint64_t number)
{
    const bank_account_methods *table = (const bank_account_methods *)methods;

    if (table->timer != NULL) {
        table->timer((bank_account *)grain, number);
    }
}

static gr_err invoke_bank_account_deposit(const void *methods, gr_grain *grain, const void *request,
                                          void *reply)
{
    const bank_account_methods *table = (const bank_account_methods *)methods;

    protobuf_c_message_init(&bank__balance__descriptor, reply);
    return table->deposit((bank_account *)grain, (const Bank__DepositRequest *)request,
                          (Bank__Balance *)reply);
}

static const gr_method list_of_bank_account[] = {
    {
        "Deposit",
        "bank.Account/Deposit",
        UINT64_C(0x24aae0fa9a355f50),
        &bank_deposit_request_type,
        &bank_balance_type,
        0,
        0, /* ms of timeout */
        offsetof(bank_account_methods, deposit),
        invoke_bank_account_deposit,
    },
};

const gr_kind_info bank_account_info = {
    GR_KIND_VERSION,
    0,
    "bank.Account",
    UINT64_C(0x9537f04b8502ba8c),
    NULL, /* role */
    60000, /* ms until it is passivated */
    0, /* calls that may wait */
    list_of_bank_account,
    sizeof(list_of_bank_account) / sizeof(list_of_bank_account[0]),
    data_bytes_of_bank_account,
    activated_of_bank_account,
    deactivating_of_bank_account,
    timer_of_bank_account,
    bank_grain_descriptors,
    sizeof(bank_grain_descriptors),
};

gr_kind *bank_account_kind(const bank_account_methods *methods)
{
    return gr_kind_new(&bank_account_info, methods);
}

gr_err bank_account_deposit(gr_caller *caller, const char *id, const Bank__DepositRequest *request,
                            const gr_call_options *options, Bank__Balance **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call(caller, &bank_account_info, &list_of_bank_account[0], id, request, options,
                         &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Bank__Balance *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err bank_account_deposit_future(gr_caller *caller, const char *id,
                                   const Bank__DepositRequest *request,
                                   const gr_call_options *options, gr_future **out_future)
{
    return gr_call_future(caller, &bank_account_info, &list_of_bank_account[0], id, request,
                          options, out_future);
}

gr_err bank_account_deposit_await(gr_caller *caller, gr_future *future, int64_t timeout_ms,
                                  Bank__Balance **out_reply)
{
    void *reply = NULL;
    gr_err err = gr_call_await(caller, future, &list_of_bank_account[0], timeout_ms, &reply);

    if (err != GR_OK) {
        return err;
    }
    if (out_reply != NULL) {
        *out_reply = (Bank__Balance *)reply;
    } else {
        gr_reply_free(reply);
    }
    return GR_OK;
}

gr_err bank_account_deposit_one_way(gr_caller *caller, const char *id,
                                    const Bank__DepositRequest *request,
                                    const gr_call_options *options)
{
    return gr_call_one_way(caller, &bank_account_info, &list_of_bank_account[0], id, request,
                           options);
}
