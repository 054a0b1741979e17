/*
 * The plugin run by protoc, and what compilers say of its output. Files in protos/good become code that compiles
 * everywhere; files in protos/bad become the errors beside them; golden/ has the output that reviewers see.
 * GR_GOLDEN_UPDATE=1 writes golden files and expected errors anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { SAID_BYTES = 64 * 1024, COMMAND_BYTES = 8 * 1024 };

static const char warnings[] = "-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror";

/* Runs a shell command; gives back its exit status, and what it wrote to both outputs. */
static int run(char said[SAID_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int run(char said[SAID_BYTES], const char *format, ...)
{
    char command[COMMAND_BYTES];
    va_list args;
    FILE *pipe = NULL;
    size_t count = 0;
    int length = 0;
    int status = 0;

    va_start(args, format);
    length = vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    assert_true(length > 0 && (size_t)length < sizeof(command));
    pipe = popen(command, "r");
    assert_non_null(pipe);
    count = fread(said, 1, SAID_BYTES - 1, pipe);
    said[count] = '\0';
    status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Runs a command that has to succeed. */
#define RUN(...)                                                                                   \
    do {                                                                                           \
        char said_[SAID_BYTES];                                                                    \
        int status_ = run(said_, __VA_ARGS__);                                                     \
        if (status_ != 0) {                                                                        \
            print_error("exit status %d:\n%s\n", status_, said_);                                  \
        }                                                                                          \
        assert_int_equal(status_, 0);                                                              \
    } while (0)

/* All good files into OUT/all: through descriptor sets, as granary_add_grains() does it. */
static int generate_all(void **state)
{
    char said[SAID_BYTES];
    int status = run(said,
                     "set -e; exec 2>&1; rm -rf %s/all; mkdir -p %s/all; cd %s/good; "
                     "files=$(find . -name '*.proto' | sed 's,^[.]/,,' | LC_ALL=C sort); "
                     "%s -I. -I%s --include_imports --include_source_info "
                     "--descriptor_set_out=%s/all.set $files; "
                     "%s --drop-services %s/all.set %s/messages.set; "
                     "%s --descriptor_set_in=%s/messages.set --c_out=%s/all $files; "
                     "%s --plugin=protoc-gen-granary=%s --descriptor_set_in=%s/all.set "
                     "--granary_out=%s/all $files",
                     OUT, OUT, PROTOS, PROTOC, OPTIONS, OUT, PLUGIN, OUT, OUT, PROTOC, OUT, OUT,
                     PROTOC, PLUGIN, OUT, OUT);

    (void)state;
    if (status != 0) {
        print_error("%s\n", said);
    }
    return status;
}

/* Compiles every generated source; skips when there is no such compiler. */
static void compile_all(const char *compiler, const char *language)
{
    char said[SAID_BYTES];

    if (run(said, "command -v %s", compiler) != 0) {
        print_message("skipped: no %s here\n", compiler);
        skip();
    }
    RUN("set -e; exec 2>&1; cd %s/all; rm -rf ../%s; mkdir ../%s; "
        "for source in $(find * -name '*.grain.c'); do "
        "  object=../%s/$(echo $source | tr / _).o; "
        "  %s -x %s %s %s -I. -fPIC -c $source -o $object; "
        "done",
        OUT, compiler, compiler, compiler, compiler, language, warnings, INCLUDES);
}

static void g01_all_of_proto3_compiles_without_a_warning_in_c11_with_gcc(void **state)
{
    (void)state;
    compile_all("gcc", "c -std=c11 -Wmissing-prototypes -Wstrict-prototypes");
}

static void g01_all_of_proto3_compiles_without_a_warning_in_c11_with_clang(void **state)
{
    (void)state;
    compile_all("clang", "c -std=c11 -Wmissing-prototypes -Wstrict-prototypes");
}

static void g01_all_of_proto3_compiles_without_a_warning_in_cxx17_with_gcc(void **state)
{
    (void)state;
    compile_all("g++", "c++ -std=c++17");
}

static void g01_all_of_proto3_compiles_without_a_warning_in_cxx17_with_clang(void **state)
{
    (void)state;
    compile_all("clang++", "c++ -std=c++17");
}

static void g01_a_header_can_be_included_alone_and_twice(void **state)
{
    (void)state;
    RUN("set -e; exec 2>&1; cd %s/all; for header in $(find * -name '*.grain.h'); do "
        "  printf '#include \"%%s\"\\n#include \"%%s\"\\n' $header $header > ../alone.c; "
        "  cc -std=c11 %s %s -I. -fsyntax-only ../alone.c; "
        "done",
        OUT, warnings, INCLUDES);
}

static void g03_a_program_of_all_files_has_no_symbol_twice(void **state)
{
    (void)state;
    RUN("set -e; exec 2>&1; cd %s/all; rm -rf ../link; mkdir ../link; "
        "for source in $(find * -name '*.c'); do "
        "  cc -w -std=gnu11 %s -I. -fPIC -c $source -o ../link/$(echo $source | tr / _).o; "
        "done; "
        "cc -r -o ../link/whole ../link/*.o",
        OUT, INCLUDES);
}

static void g03_a_type_that_several_files_use_is_one_symbol(void **state)
{
    char said[SAID_BYTES];

    (void)state;
    /* Everything.proto and public.proto both use it, and neither owns it. */
    RUN("test $(grep -l 'const gr_type google_protobuf_empty_type =' %s/all/*.c %s/all/*/*.c | wc "
        "-l) -ge 3",
        OUT, OUT);
    RUN("test $(nm %s/link/whole | grep -c ' google_protobuf_empty_type$') -eq 1", OUT);
    /* Direct.proto owns this one, so it is a plain definition there. */
    assert_int_equal(
        run(said, "grep -q 'pragma weak imports_direct_type' %s/all/imports/direct.grain.c", OUT),
        1);
    RUN("grep -q 'pragma weak imports_direct_type' %s/all/everything.grain.c", OUT);
}

static void g03_keywords_get_an_underscore(void **state)
{
    static const char *const expected[] = {
        "(\\*register_)", "(\\*delete_)",  "(\\*new_)",     "(\\*class_)",    "(\\*linux_)",
        "(\\*timer_)",    "server_data_(", "server_kind_(", "server_delete(", "(\\*data)",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        RUN("grep -q '%s' %s/all/names.grain.h || { echo 'no %s'; exit 1; }", expected[i], OUT,
            expected[i]);
    }
}

/* Generates one file of a folder into OUT/one, and says what protoc said. */
static int generate_one(char said[SAID_BYTES], const char *folder, const char *file)
{
    return run(said,
               "exec 2>&1; rm -rf %s/one; mkdir -p %s/one; cd %s; "
               "%s --plugin=protoc-gen-granary=%s -I. -I%s --granary_out=%s/one %s",
               OUT, OUT, folder, PROTOC, PLUGIN, OPTIONS, OUT, file);
}

static void g01_optional_of_proto3_is_accepted(void **state)
{
    char said[SAID_BYTES];

    (void)state;
    assert_int_equal(generate_one(said, PROTOS "/odd", "optional.proto"), 0);
    assert_string_equal(said, "");
}

static void g03_descriptors_have_no_options_file_unless_its_messages_are_used(void **state)
{
    char said[SAID_BYTES];
    static const char find[] =
        "grep -o '0x[0-9a-f][0-9a-f],' %s/one/%s | tr -d '0x,\\n' > /dev/null; "
        "sed -n '/_descriptors\\[\\] = {/,/^};/p' %s/one/%s | grep -o '0x..' | cut -c3- | "
        "while read byte; do printf \"\\\\$(printf %%o 0x$byte)\"; done | grep -ac "
        "granary/options.proto";

    (void)state;
    assert_int_equal(generate_one(said, PROTOS "/odd", "uses_options.proto"), 0);
    (void)run(said, find, OUT, "uses_options.grain.c", OUT, "uses_options.grain.c");
    assert_int_not_equal(atoi(said), 0);
    assert_int_equal(generate_one(said, PROTOS "/good", "bank.proto"), 0);
    (void)run(said, find, OUT, "bank.grain.c", OUT, "bank.grain.c");
    assert_int_equal(atoi(said), 0);
}

/* The whole of a file, or "" when there is none. */
static void read_file(const char *path, char text[SAID_BYTES])
{
    FILE *file = fopen(path, "rb");
    size_t count = file == NULL ? 0 : fread(text, 1, SAID_BYTES - 1, file);

    text[count] = '\0';
    if (file != NULL) {
        (void)fclose(file);
    }
}

static void check_bad(const char *name)
{
    char said[SAID_BYTES];
    char expected[SAID_BYTES];
    char path[512];

    assert_int_equal(generate_one(said, PROTOS "/bad", name), 1);
    RUN("test -z \"$(ls %s/one)\"", OUT); /* on an error nothing is written */
    (void)snprintf(path, sizeof(path), "%s/bad/%.*s.txt", PROTOS, (int)strlen(name) - 6, name);
    if (getenv("GR_GOLDEN_UPDATE") != NULL) {
        FILE *file = fopen(path, "wb");

        assert_non_null(file);
        (void)fputs(said, file);
        (void)fclose(file);
    }
    read_file(path, expected);
    assert_string_equal(said, expected);
}

static void g04_streaming_methods_are_refused_with_file_line_and_reason(void **state)
{
    (void)state;
    check_bad("streaming.proto");
}

static void g04_groups_are_refused(void **state)
{
    (void)state;
    check_bad("groups.proto");
}

static void g04_bad_values_of_options_are_refused(void **state)
{
    (void)state;
    check_bad("options.proto");
}

static void g04_an_option_of_somebody_else_is_left_alone(void **state)
{
    (void)state;
    check_bad("not_ours.proto");
}

static void g03_names_that_become_one_are_shown_both(void **state)
{
    (void)state;
    check_bad("collapse.proto");
}

static void g03_names_of_the_library_are_refused(void **state)
{
    (void)state;
    check_bad("reserved.proto");
}

static void g03_two_kinds_cannot_have_one_name_on_the_wire(void **state)
{
    (void)state;
    check_bad("wire.proto");
}

static void g04_syntax_errors_are_those_of_protoc(void **state)
{
    char said[SAID_BYTES];

    (void)state;
    RUN("mkdir -p %s/syntax; printf 'syntax = \"proto3\";\\nmessage {\\n' > %s/syntax/syntax.proto",
        OUT, OUT);
    assert_int_equal(generate_one(said, OUT "/syntax", "syntax.proto"), 1);
    assert_non_null(strstr(said, "syntax.proto:2:9:"));
}

static void g05_the_same_input_gives_the_same_bytes(void **state)
{
    (void)state;
    RUN("set -e; exec 2>&1; rm -rf %s/again; mkdir %s/again; cd %s/good; "
        "files=$(find . -name '*.proto' | sed 's,^[.]/,,' | LC_ALL=C sort -r); "
        "for file in $files; do "
        "  LC_ALL=tr_TR.UTF-8 %s --plugin=protoc-gen-granary=%s -I%s -I. --granary_out=%s/again "
        "$file "
        "    2>/dev/null; "
        "done; cd %s/again; "
        "for file in $(find * -type f); do cmp $file ../all/$file; done",
        OUT, OUT, PROTOS, PROTOC, PLUGIN, OPTIONS, OUT, OUT);
}

/* Compares the code of one file, from the folder it is in, with what golden/ has. */
static void check_golden(const char *folder, const char *stem)
{
    char said[SAID_BYTES];
    char file[256];

    (void)snprintf(file, sizeof(file), "%s.proto", stem);
    if (generate_one(said, folder, file) != 0) {
        print_error("%s\n", said);
        fail();
    }
    if (getenv("GR_GOLDEN_UPDATE") != NULL) {
        RUN("cp %s/one/%s.grain.h %s/one/%s.grain.c %s", OUT, stem, OUT, stem, GOLDEN);
    }
    RUN("exec 2>&1; cd %s/one; diff -u %s/%s.grain.h %s.grain.h && diff -u %s/%s.grain.c "
        "%s.grain.c || "
        "{ echo 'GR_GOLDEN_UPDATE=1 accepts this'; exit 1; }",
        OUT, GOLDEN, stem, stem, GOLDEN, stem, stem);
}

static void g05_the_code_of_the_bank_is_the_golden_one(void **state)
{
    (void)state;
    check_golden(PROTOS "/good", "bank");
}

static void g05_the_code_of_all_options_is_the_golden_one(void **state)
{
    (void)state;
    check_golden(PROTOS "/good", "kinds");
}

static void g05_the_code_of_the_examples_is_the_golden_one(void **state)
{
    (void)state;
    check_golden(EXAMPLES "/hello", "hello");
    check_golden(EXAMPLES "/wordcount", "word");
}

static void g04_the_program_says_what_it_is_for(void **state)
{
    char said[SAID_BYTES];

    (void)state;
    assert_int_equal(run(said, "%s --version 2>&1", PLUGIN), 0);
    assert_non_null(strstr(said, "protoc-gen-granary "));
    assert_int_equal(run(said, "%s --help 2>&1", PLUGIN), 0);
    assert_non_null(strstr(said, "granary_add_grains"));
    assert_int_equal(run(said, "%s --nonsense 2>&1", PLUGIN), 2);
    assert_non_null(strstr(said, "usage:"));
    assert_int_equal(run(said, "%s --drop-services /nowhere/in /nowhere/out 2>&1", PLUGIN), 1);
    assert_non_null(strstr(said, "/nowhere/in: No such file or directory"));
    assert_int_equal(run(said, "echo hello | %s 2>&1 >/dev/full", PLUGIN), 1);
    assert_non_null(strstr(said, "standard output: No space left on device"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g01_all_of_proto3_compiles_without_a_warning_in_c11_with_gcc),
        cmocka_unit_test(g01_all_of_proto3_compiles_without_a_warning_in_c11_with_clang),
        cmocka_unit_test(g01_all_of_proto3_compiles_without_a_warning_in_cxx17_with_gcc),
        cmocka_unit_test(g01_all_of_proto3_compiles_without_a_warning_in_cxx17_with_clang),
        cmocka_unit_test(g01_a_header_can_be_included_alone_and_twice),
        cmocka_unit_test(g01_optional_of_proto3_is_accepted),
        cmocka_unit_test(g03_a_program_of_all_files_has_no_symbol_twice),
        cmocka_unit_test(g03_a_type_that_several_files_use_is_one_symbol),
        cmocka_unit_test(g03_keywords_get_an_underscore),
        cmocka_unit_test(g03_descriptors_have_no_options_file_unless_its_messages_are_used),
        cmocka_unit_test(g03_names_that_become_one_are_shown_both),
        cmocka_unit_test(g03_names_of_the_library_are_refused),
        cmocka_unit_test(g03_two_kinds_cannot_have_one_name_on_the_wire),
        cmocka_unit_test(g04_streaming_methods_are_refused_with_file_line_and_reason),
        cmocka_unit_test(g04_groups_are_refused),
        cmocka_unit_test(g04_bad_values_of_options_are_refused),
        cmocka_unit_test(g04_an_option_of_somebody_else_is_left_alone),
        cmocka_unit_test(g04_syntax_errors_are_those_of_protoc),
        cmocka_unit_test(g04_the_program_says_what_it_is_for),
        cmocka_unit_test(g05_the_same_input_gives_the_same_bytes),
        cmocka_unit_test(g05_the_code_of_the_bank_is_the_golden_one),
        cmocka_unit_test(g05_the_code_of_all_options_is_the_golden_one),
        cmocka_unit_test(g05_the_code_of_the_examples_is_the_golden_one),
    };

    return cmocka_run_group_tests(tests, generate_all, NULL);
}
