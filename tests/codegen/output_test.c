/*
 * Generated text: wrapped lists, comments that do no harm, bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Carries one comment and compares what came of it. */
static void check_comment(const char *comment, const char *expected)
{
    gri_arena arena = {0};
    gri_output out = {.arena = &arena};

    gri_output_comment(&out, comment);
    assert_string_equal(out.text, expected);
    gri_arena_fini(&arena);
}

static void g03_comments_are_carried_line_by_line(void **state)
{
    (void)state;
    check_comment(" One.\n Two.\n", " * One.\n * Two.\n");
    check_comment("No blank, no end", " * No blank, no end\n");
    check_comment(" a\n\n b\n", " * a\n *\n * b\n");
    check_comment(" trailing \t \n", " * trailing\n");
    check_comment(" \xc5\xbelu\xc5\xa5 \xf0\x9f\x90\xb4\n",
                  " * \xc5\xbelu\xc5\xa5 \xf0\x9f\x90\xb4\n");
}

static void g03_comments_neither_end_early_nor_trouble_compilers(void **state)
{
    (void)state;
    check_comment(" */ x", " * * / x\n");
    check_comment("/ /* x", " * / / * x\n");
    check_comment(" /*/", " * / * /\n");
    check_comment(" ?\?/", " * ? ?/\n");
    check_comment(" bad \xff\xc3 byte", " * bad ?? byte\n");
    check_comment(" cut \xe2\x80", " * cut ??\n");
    check_comment(" turn \xe2\x80\xae.\xe2\x81\xa9", " * turn .\n");
    check_comment(" bell \a", " * bell ?\n");
}

static void g01_lists_are_wrapped_under_their_beginning(void **state)
{
    static const char *const items[] = {"const char *thirty_characters_long",
                                        "const char *thirty_characters_long",
                                        "const char *thirty_characters_long"};
    static const char *const small[] = {"a", "b"};
    gri_arena arena = {0};
    gri_output out = {.arena = &arena};

    (void)state;
    gri_output_list(&out, "    call(", items, 3, ");");
    assert_string_equal(out.text, "    call(const char *thirty_characters_long, const char "
                                  "*thirty_characters_long,\n"
                                  "         const char *thirty_characters_long);\n");
    out.length = 0;
    gri_output_list(&out, "f(", small, 2, ")");
    assert_string_equal(out.text, "f(a, b)\n");
    out.length = 0;
    gri_output_list(&out,
                    "a_name_that_leaves_so_little_room_on_the_line_that_its_items_go_below_it(",
                    items, 2, ")");
    assert_string_equal(
        out.text, "a_name_that_leaves_so_little_room_on_the_line_that_its_items_go_below_it(\n"
                  "    const char *thirty_characters_long, const char *thirty_characters_long)\n");
    gri_arena_fini(&arena);
}

static void g01_bytes_are_sixteen_on_a_line(void **state)
{
    static const uint8_t bytes[17] = {0, 1, 255};
    gri_arena arena = {0};
    gri_output out = {.arena = &arena};

    (void)state;
    gri_output_bytes(&out, bytes, 17);
    assert_string_equal(out.text, "    0x00, 0x01, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, "
                                  "0x00, 0x00, 0x00, 0x00, 0x00, 0x00,\n    0x00,\n");
    gri_arena_fini(&arena);
}

static void g01_text_grows_without_bound(void **state)
{
    gri_arena arena = {0};
    gri_output out = {.arena = &arena};

    (void)state;
    for (int i = 0; i < 200000; i++) {
        gri_output_print(&out, "%06d\n", i);
    }
    assert_int_equal(out.length, 200000 * 7);
    assert_memory_equal(out.text + out.length - 7, "199999\n", 8);
    gri_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g03_comments_are_carried_line_by_line),
        cmocka_unit_test(g03_comments_neither_end_early_nor_trouble_compilers),
        cmocka_unit_test(g01_lists_are_wrapped_under_their_beginning),
        cmocka_unit_test(g01_bytes_are_sixteen_on_a_line),
        cmocka_unit_test(g01_text_grows_without_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
