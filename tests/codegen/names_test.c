/*
 * Names of generated code: snake case, protobuf-c's, keywords, clashes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "clashes.h"

static void g03_words_are_joined_by_underscores_and_acronyms_stay_together(void **state)
{
    static const char *const cases[][2] = {
        {"bank.Account", "bank_account"},
        {"HTTPServer", "http_server"},
        {"GetURL", "get_url"},
        {"URLOfV2Thing", "url_of_v2_thing"},
        {"getBalance", "get_balance"},
        {"get_balance", "get_balance"},
        {"Get_Balance", "get_balance"},
        {"_Leading", "_leading"},
        {"A", "a"},
        {"ABC", "abc"},
        {"a.b.C", "a_b_c"},
        {"X509Certificate", "x509_certificate"},
        {"Some.CamelPackage.v1.Thing", "some_camel_package_v1_thing"},
        {"already__double", "already__double"},
    };
    gri_arena arena = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(gri_name_snake(&arena, cases[i][0]), cases[i][1]);
    }
    gri_arena_fini(&arena);
}

/* Expected values are what protoc-c 1.4.1 prints. */
static void g03_names_of_protobuf_c_are_those_that_protoc_c_makes(void **state)
{
    static const char *const cases[][3] = {
        {"bank.DepositRequest", "Bank__DepositRequest", "bank__deposit_request"},
        {"HTTPServerRequest", "HTTPServerRequest", "httpserver_request"},
        {"a.snake_case_message", "A__SnakeCaseMessage", "a__snake_case_message"},
        {"Mixed_Case2Message", "MixedCase2Message", "mixed__case2_message"},
        {"google.protobuf.Empty", "Google__Protobuf__Empty", "google__protobuf__empty"},
    };
    gri_arena arena = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(gri_name_protobuf_c_struct(&arena, cases[i][0]), cases[i][1]);
        assert_string_equal(gri_name_protobuf_c_function(&arena, cases[i][0]), cases[i][2]);
    }
    gri_arena_fini(&arena);
}

static void g03_every_keyword_is_found(void **state)
{
    static const char *const keywords[] = {
        "alignas",      "and",       "asm",      "auto",
        "bool",         "break",     "case",     "catch",
        "char",         "class",     "co_await", "concept",
        "const",        "constexpr", "continue", "decltype",
        "default",      "delete",    "do",       "double",
        "else",         "enum",      "errno",    "explicit",
        "export",       "extern",    "false",    "float",
        "for",          "friend",    "goto",     "if",
        "inline",       "int",       "linux",    "long",
        "mutable",      "namespace", "new",      "not",
        "not_eq",       "nullptr",   "operator", "or",
        "private",      "public",    "register", "reinterpret_cast",
        "requires",     "restrict",  "return",   "short",
        "signed",       "sizeof",    "static",   "static_assert",
        "struct",       "switch",    "template", "this",
        "thread_local", "throw",     "true",     "try",
        "typedef",      "typename",  "union",    "unix",
        "unsigned",     "using",     "virtual",  "void",
        "volatile",     "wchar_t",   "while",    "xor",
        "xor_eq",
    };
    static const char *const others[] = {"", "a", "account", "deletes", "zz", "alignasx"};

    (void)state;
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        assert_true(gri_name_is_keyword(keywords[i]));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(gri_name_is_keyword(others[i]));
    }
    assert_true(gri_name_is_of_libc("signal"));
    assert_true(gri_name_is_of_libc("abort"));
    assert_true(gri_name_is_of_libc("yn"));
    assert_false(gri_name_is_of_libc("account"));
}

static void g03_only_letters_digits_and_underscores_are_names(void **state)
{
    (void)state;
    assert_true(gri_name_is_identifier("Account", false));
    assert_true(gri_name_is_identifier("_9", false));
    assert_true(gri_name_is_identifier("a.b.C", true));
    assert_false(gri_name_is_identifier("a.b", false));
    assert_false(gri_name_is_identifier("", true));
    assert_false(gri_name_is_identifier("a..b", true));
    assert_false(gri_name_is_identifier("a.", true));
    assert_false(gri_name_is_identifier(".a", true));
    assert_false(gri_name_is_identifier("9a", false));
    assert_false(gri_name_is_identifier("a-b", false));
    assert_false(gri_name_is_identifier("a\"b", false));
    assert_false(gri_name_is_identifier("\xc3\xa9", false));
}

static void g03_what_follows_from_a_clash_is_not_reported_again(void **state)
{
    static const int32_t one[] = {6, 0};
    static const int32_t two[] = {6, 1};
    gri_arena arena = {0};
    gri_names names = {.arena = &arena};
    gri_trouble trouble = {.lines.arena = &arena};
    const gri_spot first = {NULL, one, 2};
    const gri_spot second = {NULL, two, 2};

    (void)state;
    gri_names_take(&names, "x_get", "", "method", "Get", first);
    gri_names_take(&names, "x_get_future", "the future of ", "method", "Get", first);
    gri_names_take(&names, "x_get", "", "method", "get", second);
    gri_names_take(&names, "x_get_future", "the future of ", "method", "get", second);
    gri_names_take(&names, "x_other", "", "method", "Other", second);
    gri_names_check(&names, &trouble);
    assert_int_equal(trouble.count, 1);
    assert_string_equal(trouble.lines.text,
                        "protoc-gen-granary: error: methods 'Get' and 'get' both become x_get");
    gri_arena_fini(&arena);
}

static void g04_after_many_errors_one_line_says_that_there_are_more(void **state)
{
    gri_arena arena = {0};
    gri_trouble trouble = {.lines.arena = &arena};
    size_t lines = 1;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        gri_trouble_add(&trouble, (gri_spot){0}, "number %d", i);
    }
    for (const char *at = trouble.lines.text; *at != '\0'; at++) {
        lines += *at == '\n' ? 1 : 0;
    }
    assert_int_equal(lines, GRI_TROUBLE_MAX + 1);
    assert_non_null(strstr(trouble.lines.text, "there are more errors"));
    gri_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g03_words_are_joined_by_underscores_and_acronyms_stay_together),
        cmocka_unit_test(g03_names_of_protobuf_c_are_those_that_protoc_c_makes),
        cmocka_unit_test(g03_every_keyword_is_found),
        cmocka_unit_test(g03_only_letters_digits_and_underscores_are_names),
        cmocka_unit_test(g03_what_follows_from_a_clash_is_not_reported_again),
        cmocka_unit_test(g04_after_many_errors_one_line_says_that_there_are_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
