/*
 * Makes names. The rules for protobuf-c's names are those of
 * protoc-c 1.3 to 1.5, whose headers the generated code includes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

/* Not those of <ctype.h>: the names come out the same in every locale. */
static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char to_lower(char c)
{
    return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static char to_upper(char c)
{
    return is_lower(c) ? (char)(c - 'a' + 'A') : c;
}

bool gri_name_is_identifier(const char *name, bool dots)
{
    bool first = true;

    for (; *name != '\0'; name++) {
        if (dots && *name == '.' && !first) {
            first = true;
            continue;
        }
        if (!is_upper(*name) && !is_lower(*name) && *name != '_' && (first || !is_digit(*name))) {
            return false;
        }
        first = false;
    }
    return !first;
}

/* Whether a new word begins at name[i]: "getBalance", "HTTPServer", "v2Final". */
static bool word_begins(const char *name, size_t i)
{
    char before = i == 0 ? '.' : name[i - 1];

    return is_upper(name[i]) &&
           (is_lower(before) || is_digit(before) || (is_upper(before) && is_lower(name[i + 1])));
}

char *gri_name_snake(gri_arena *arena, const char *full_name)
{
    char *snake = gri_arena_alloc(arena, 2 * strlen(full_name) + 1);
    size_t length = 0;

    for (size_t i = 0; full_name[i] != '\0'; i++) {
        if (word_begins(full_name, i)) {
            snake[length++] = '_';
        }
        snake[length++] = full_name[i] == '.' ? '_' : to_lower(full_name[i]);
    }
    return snake;
}

char *gri_name_of_path(gri_arena *arena, const char *path)
{
    char *name = gri_arena_text(arena, "%s%s", is_digit(*path) ? "F" : "", path);

    for (char *at = name; *at != '\0'; at++) {
        *at = is_upper(*at) || is_lower(*at) || is_digit(*at) ? to_upper(*at) : '_';
    }
    return name;
}

char *gri_name_protobuf_c_struct(gri_arena *arena, const char *full_name)
{
    char *name = gri_arena_alloc(arena, 2 * strlen(full_name) + 1);
    size_t length = 0;
    bool begins = true;

    for (; *full_name != '\0'; full_name++) {
        if (*full_name == '.') {
            name[length++] = '_';
            name[length++] = '_';
            begins = true;
        } else if (*full_name == '_') {
            begins = true;
        } else {
            name[length++] = begins ? to_upper(*full_name) : *full_name;
            begins = false;
        }
    }
    return name;
}

char *gri_name_protobuf_c_function(gri_arena *arena, const char *full_name)
{
    char *name = gri_arena_alloc(arena, 2 * strlen(full_name) + 1);
    size_t length = 0;
    bool was_upper = true;

    for (; *full_name != '\0'; full_name++) {
        if (*full_name == '.') {
            name[length++] = '_';
            name[length++] = '_';
            was_upper = true;
            continue;
        }
        if (is_upper(*full_name) && !was_upper) {
            name[length++] = '_';
        }
        name[length++] = to_lower(*full_name);
        was_upper = is_upper(*full_name);
    }
    return name;
}

static int compare_text(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

/* In the order of strcmp(): C to C23, C++ to C++20, macros of the usual headers, what gcc defines.
 */
/* clang-format off */
static const char *const keywords[] = {
    "alignas", "alignof", "and", "and_eq", "asm", "assert", "auto", "bitand", "bitor", "bool",
    "break", "case", "catch", "char", "char16_t", "char32_t", "char8_t", "class", "co_await",
    "co_return", "co_yield", "compl", "complex", "concept", "const", "const_cast", "consteval",
    "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "errno", "explicit", "export", "extern", "false", "float",
    "for", "friend", "goto", "i386", "if", "imaginary", "inline", "int", "linux", "long",
    "mutable", "namespace", "new", "noexcept", "noreturn", "not", "not_eq", "nullptr", "offsetof",
    "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
    "requires", "restrict", "return", "setjmp", "short", "signed", "sizeof", "static",
    "static_assert", "static_cast", "stderr", "stdin", "stdout", "struct", "switch", "template",
    "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof",
    "union", "unix", "unsigned", "using", "va_arg", "va_copy", "va_end", "va_start", "virtual",
    "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
};

/* In the order of strcmp(): words that could be the name of a service and are declared by <stdio.h>, <stdlib.h>,
 * <string.h>, <time.h>, <math.h>, <signal.h>, <unistd.h> or <sys/socket.h>. */
static const char *const declared_by_libc[] = {
    "abort", "abs", "accept", "access", "acct", "alarm", "atexit", "bind", "brk", "calloc",
    "ceil", "clock", "clone", "close", "confstr", "connect", "cos", "daemon", "daylight", "div",
    "div_t", "dup", "environ", "erf", "exec", "exit", "exp", "fabs", "fclose", "fdim", "fflush",
    "fgetc", "fgets", "floor", "fma", "fmax", "fmin", "fmod", "fopen", "fork", "fprintf", "fputc",
    "fputs", "fread", "free", "fseek", "fsync", "ftell", "fwrite", "gamma", "getenv", "gets",
    "index", "ioctl", "kill", "labs", "link", "listen", "log", "logb", "lseek", "malloc",
    "memcpy", "mktime", "modf", "nan", "nice", "open", "optarg", "pause", "perror", "pipe",
    "poll", "pow", "printf", "profil", "psignal", "putc", "puts", "qsort", "raise", "rand",
    "random", "read", "readlink", "realloc", "recv", "remove", "rename", "rewind", "rindex",
    "round", "scanf", "select", "send", "setenv", "shutdown", "sigaction", "signal",
    "significand", "sigstack", "sin", "sinh", "sleep", "socket", "sqrt", "srand", "stat", "step",
    "strlen", "swab", "symlink", "sync", "syscall", "system", "tan", "tanh", "tee", "time",
    "times", "timezone", "trunc", "truncate", "tzname", "umask", "uname", "unlink", "utime",
    "vfork", "wait", "write", "y0", "y1", "yn",
};
/* clang-format on */

bool gri_name_is_keyword(const char *name)
{
    return bsearch(name, keywords, sizeof(keywords) / sizeof(keywords[0]), sizeof(keywords[0]),
                   compare_text) != NULL;
}

bool gri_name_is_of_libc(const char *name)
{
    return bsearch(name, declared_by_libc, sizeof(declared_by_libc) / sizeof(declared_by_libc[0]),
                   sizeof(declared_by_libc[0]), compare_text) != NULL;
}
