/*
 * The plugin as a function of bytes: requests that protoc would make, requests that it never would, and any
 * bytes at all. None may crash it, and a response is always a response.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto.h"

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- a request to begin with: bank.proto with one service and two messages */

typedef struct bank {
    gri_proto_request request;
    gri_proto_file file;
    gri_proto_file *files[1];
    char *generate[1];
    gri_proto_message messages[2];
    gri_proto_message *message_list[2];
    gri_proto_service service;
    gri_proto_service *services[1];
    gri_proto_method methods[2];
    gri_proto_method *method_list[2];
} bank;

/* The messages of protobuf-c hold strings that could be changed; nobody does. */
static char *text(const char *constant)
{
    return (char *)constant;
}

static void bank_init(bank *made)
{
    google__protobuf__compiler__code_generator_request__init(&made->request);
    google__protobuf__file_descriptor_proto__init(&made->file);
    google__protobuf__service_descriptor_proto__init(&made->service);
    for (size_t i = 0; i < 2; i++) {
        google__protobuf__descriptor_proto__init(&made->messages[i]);
        google__protobuf__method_descriptor_proto__init(&made->methods[i]);
        made->message_list[i] = &made->messages[i];
        made->method_list[i] = &made->methods[i];
    }
    made->messages[0].name = text("Request");
    made->messages[1].name = text("Balance");
    made->methods[0].name = text("Deposit");
    made->methods[1].name = text("Get");
    made->methods[0].input_type = made->methods[1].input_type = text(".bank.Request");
    made->methods[0].output_type = made->methods[1].output_type = text(".bank.Balance");
    made->service.name = text("Account");
    made->service.n_method = 2;
    made->service.method = made->method_list;
    made->services[0] = &made->service;
    made->file.name = text("bank.proto");
    made->file.package = text("bank");
    made->file.syntax = text("proto3");
    made->file.n_message_type = 2;
    made->file.message_type = made->message_list;
    made->file.n_service = 1;
    made->file.service = made->services;
    made->files[0] = &made->file;
    made->generate[0] = text("bank.proto");
    made->request.n_proto_file = 1;
    made->request.proto_file = made->files;
    made->request.n_file_to_generate = 1;
    made->request.file_to_generate = made->generate;
}

static gri_bytes pack(gri_arena *arena, const ProtobufCMessage *message)
{
    size_t count = protobuf_c_message_get_packed_size(message);
    uint8_t *data = gri_arena_alloc(arena, count + 1);

    protobuf_c_message_pack(message, data);
    return (gri_bytes){data, count};
}

/* What the plugin says to some bytes; freed by the caller. Checks what holds for every response. */
static gri_proto_response *ask_bytes(gri_arena *arena, gri_bytes request)
{
    gri_bytes bytes = gri_plugin_answer(arena, request);
    gri_proto_response *response =
        google__protobuf__compiler__code_generator_response__unpack(NULL, bytes.count, bytes.data);

    assert_non_null(response);
    assert_int_equal(response->supported_features, 1);
    if (response->error != NULL) {
        assert_int_equal(response->n_file, 0);
        assert_non_null(strstr(response->error, "error: "));
    }
    return response;
}

static gri_proto_response *ask(gri_arena *arena, const bank *made)
{
    return ask_bytes(arena, pack(arena, &made->request.base));
}

static void drop(gri_proto_response *response)
{
    google__protobuf__compiler__code_generator_response__free_unpacked(response, NULL);
}

/* Asks and expects this error. */
static void check_error(const bank *made, const char *expected)
{
    gri_arena arena = {0};
    gri_proto_response *response = ask(&arena, made);

    assert_non_null(response->error);
    assert_string_equal(response->error, expected);
    drop(response);
    gri_arena_fini(&arena);
}

static void g01_a_file_becomes_a_header_and_a_source(void **state)
{
    gri_arena arena = {0};
    bank made;
    gri_proto_response *response = NULL;

    (void)state;
    bank_init(&made);
    response = ask(&arena, &made);
    assert_null(response->error);
    assert_int_equal(response->n_file, 2);
    assert_string_equal(response->file[0]->name, "bank.grain.h");
    assert_string_equal(response->file[1]->name, "bank.grain.c");
    assert_non_null(strstr(response->file[0]->content, "typedef struct bank_account_methods {"));
    assert_non_null(strstr(response->file[1]->content, "\"bank.Account/Deposit\""));
    drop(response);
    gri_arena_fini(&arena);
}

/* The lines of a source that say what goes over the wire: names and hashes of methods. */
static void collect_wire(const char *source, const char *method, char *line, size_t room)
{
    const char *at = strstr(source, method);
    const char *hash = at == NULL ? NULL : strstr(at, "UINT64_C(");

    assert_non_null(hash);
    (void)snprintf(line, room, "%.28s", hash);
}

static void g02_the_order_of_methods_does_not_change_the_wire_and_a_name_does(void **state)
{
    gri_arena arena = {0};
    char before[64], after[64], renamed[64];
    bank made;
    gri_proto_response *response = NULL;

    (void)state;
    bank_init(&made);
    response = ask(&arena, &made);
    collect_wire(response->file[1]->content, "\"bank.Account/Deposit\"", before, sizeof(before));
    drop(response);

    made.method_list[0] = &made.methods[1];
    made.method_list[1] = &made.methods[0];
    response = ask(&arena, &made);
    collect_wire(response->file[1]->content, "\"bank.Account/Deposit\"", after, sizeof(after));
    drop(response);
    assert_string_equal(before, after);

    made.methods[0].name = text("PayIn");
    response = ask(&arena, &made);
    collect_wire(response->file[1]->content, "\"bank.Account/PayIn\"", renamed, sizeof(renamed));
    drop(response);
    assert_string_not_equal(before, renamed);
    gri_arena_fini(&arena);
}

/* XXH64 with seed 0, from another implementation of it. */
static void g02_a_method_is_known_by_the_hash_of_its_full_name(void **state)
{
    gri_arena arena = {0};
    char line[64];
    bank made;
    gri_proto_response *response = NULL;

    (void)state;
    bank_init(&made);
    response = ask(&arena, &made);
    collect_wire(response->file[1]->content, "\"bank.Account/Deposit\"", line, sizeof(line));
    assert_string_equal(line, "UINT64_C(0x24aae0fa9a355f50)");
    drop(response);
    gri_arena_fini(&arena);
}

static void g04_a_parameter_is_refused(void **state)
{
    bank made;

    (void)state;
    bank_init(&made);
    made.request.parameter = text("fast");
    check_error(&made, "protoc-gen-granary: error: there is no parameter 'fast', nor any other");
    made.request.parameter = text("");
    (void)made;
}

static void g04_a_request_that_protoc_would_not_make_is_an_error(void **state)
{
    bank made;

    (void)state;
    bank_init(&made);
    made.generate[0] = text("other.proto");
    check_error(&made,
                "protoc-gen-granary: error: the request lacks 'other.proto', which it asks for");

    bank_init(&made);
    made.file.name = NULL;
    check_error(&made, "protoc-gen-granary: error: the request has a file without a name");

    bank_init(&made);
    made.methods[1].output_type = text(".bank.Missing");
    check_error(
        &made, "bank.proto: error: the request lacks the message that method 'Get' takes or gives");

    bank_init(&made);
    made.methods[1].output_type = NULL;
    check_error(
        &made, "bank.proto: error: the request lacks the message that method 'Get' takes or gives");

    bank_init(&made);
    made.service.name = text("a(); evil");
    check_error(&made, "bank.proto: error: a service without a name, or with one that is none");

    bank_init(&made);
    made.service.name = NULL;
    check_error(&made, "bank.proto: error: a service without a name, or with one that is none");

    bank_init(&made);
    made.methods[0].name = text("");
    check_error(&made, "bank.proto: error: a method without a name, or with one that is none");

    bank_init(&made);
    made.messages[0].name = text("M*/");
    made.methods[0].input_type = made.methods[1].input_type = text(".bank.Balance");
    check_error(&made, "bank.proto: error: a message without a name, or with one that is none");

    bank_init(&made);
    made.file.package = text("ba nk");
    check_error(&made, "bank.proto: error: the path or the package cannot be written in C");

    bank_init(&made);
    made.file.name = made.generate[0] = text("ba\"nk.proto");
    check_error(&made, "ba\"nk.proto: error: the path or the package cannot be written in C");
}

static void g04_bytes_that_are_no_request_are_an_error(void **state)
{
    gri_arena arena = {0};
    gri_proto_response *response = ask_bytes(&arena, (gri_bytes){(const uint8_t *)"\xff", 1});

    (void)state;
    assert_non_null(response->error);
    drop(response);
    response = ask_bytes(&arena, (gri_bytes){(const uint8_t *)"", 0});
    assert_null(response->error); /* a request for nothing */
    assert_int_equal(response->n_file, 0);
    drop(response);
    gri_arena_fini(&arena);
}

/* A request with one file with one message, nested `depth` deep. */
static gri_bytes nested_request(gri_arena *arena, size_t depth)
{
    size_t room = depth * 12 + 64;
    uint8_t *bytes = gri_arena_alloc(arena, room);
    size_t at = room;

    for (size_t level = 0; level < depth + 2; level++) {
        /* Field 3 of a message, 4 of a file, 15 of a request. */
        uint8_t tag = (uint8_t)((level < depth ? 3 : level == depth ? 4 : 15) << 3 | 2);
        size_t length = room - at;
        uint8_t prefix[10];
        size_t used = 0;

        do {
            prefix[used++] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
            length >>= 7;
        } while (length > 0);
        at -= used;
        memcpy(bytes + at, prefix, used);
        bytes[--at] = tag;
    }
    return (gri_bytes){bytes + at, room - at};
}

static void g04_nesting_without_end_is_an_error_and_no_crash(void **state)
{
    gri_arena arena = {0};
    gri_proto_response *response = ask_bytes(&arena, nested_request(&arena, 1000000));

    (void)state;
    assert_non_null(response->error);
    drop(response);
    gri_arena_fini(&arena);
}

static void g04_a_request_cut_off_anywhere_crashes_nothing(void **state)
{
    gri_arena making = {0};
    bank made;
    gri_bytes whole;

    (void)state;
    bank_init(&made);
    whole = pack(&making, &made.request.base);
    for (size_t count = 0; count < whole.count; count++) {
        gri_arena arena = {0};

        drop(ask_bytes(&arena, (gri_bytes){whole.data, count}));
        gri_arena_fini(&arena);
    }
    gri_arena_fini(&making);
}

static void g04_a_request_with_changed_bytes_crashes_nothing(void **state)
{
    gri_arena making = {0};
    bank made;
    gri_bytes whole;
    uint8_t *changed = NULL;

    (void)state;
    print_message("seed %llu (GR_TEST_SEED replays it)\n", (unsigned long long)seed);
    bank_init(&made);
    whole = pack(&making, &made.request.base);
    changed = gri_arena_alloc(&making, whole.count);
    for (int round = 0; round < 20000; round++) {
        gri_arena arena = {0};
        gri_bytes set;

        memcpy(changed, whole.data, whole.count);
        for (uint64_t i = 0; i <= next_random() % 4; i++) {
            changed[next_random() % whole.count] = (uint8_t)next_random();
        }
        drop(ask_bytes(&arena, (gri_bytes){changed, whole.count}));
        (void)gri_plugin_drop_services(&arena, (gri_bytes){changed, whole.count}, &set);
        gri_arena_fini(&arena);
    }
    gri_arena_fini(&making);
}

static void g03_services_can_be_dropped_from_a_descriptor_set(void **state)
{
    gri_arena arena = {0};
    gri_proto_set set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    gri_proto_set *without = NULL;
    gri_bytes out;
    bank made;

    (void)state;
    bank_init(&made);
    set.n_file = 1;
    set.file = made.files;
    assert_true(gri_plugin_drop_services(&arena, pack(&arena, &set.base), &out));
    without = google__protobuf__file_descriptor_set__unpack(NULL, out.count, out.data);
    assert_non_null(without);
    assert_int_equal(without->file[0]->n_service, 0);
    assert_int_equal(without->file[0]->n_message_type, 2);
    google__protobuf__file_descriptor_set__free_unpacked(without, NULL);
    assert_false(gri_plugin_drop_services(&arena, (gri_bytes){(const uint8_t *)"\x0f", 1}, &out));
    gri_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g01_a_file_becomes_a_header_and_a_source),
        cmocka_unit_test(g02_the_order_of_methods_does_not_change_the_wire_and_a_name_does),
        cmocka_unit_test(g02_a_method_is_known_by_the_hash_of_its_full_name),
        cmocka_unit_test(g03_services_can_be_dropped_from_a_descriptor_set),
        cmocka_unit_test(g04_a_parameter_is_refused),
        cmocka_unit_test(g04_a_request_that_protoc_would_not_make_is_an_error),
        cmocka_unit_test(g04_bytes_that_are_no_request_are_an_error),
        cmocka_unit_test(g04_nesting_without_end_is_an_error_and_no_crash),
        cmocka_unit_test(g04_a_request_cut_off_anywhere_crashes_nothing),
        cmocka_unit_test(g04_a_request_with_changed_bytes_crashes_nothing),
    };
    const char *given = getenv("GR_TEST_SEED");

    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u;
    seed |= 1; /* the generator stays at 0 */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
