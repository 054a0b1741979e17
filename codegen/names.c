/*
 * Makes names and finds two that collapse into one. The rules for protobuf-c's names are those of
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

bool gri_name_is_keyword(const char *name)
{
    /* In the order of strcmp(): C to C23, C++ to C++20, macros of the usual headers, what gcc
     * defines. */
    static const char *const keywords[] = {
        "alignas",
        "alignof",
        "and",
        "and_eq",
        "asm",
        "assert",
        "auto",
        "bitand",
        "bitor",
        "bool",
        "break",
        "case",
        "catch",
        "char",
        "char16_t",
        "char32_t",
        "char8_t",
        "class",
        "co_await",
        "co_return",
        "co_yield",
        "compl",
        "complex",
        "concept",
        "const",
        "const_cast",
        "consteval",
        "constexpr",
        "constinit",
        "continue",
        "decltype",
        "default",
        "delete",
        "do",
        "double",
        "dynamic_cast",
        "else",
        "enum",
        "errno",
        "explicit",
        "export",
        "extern",
        "false",
        "float",
        "for",
        "friend",
        "goto",
        "i386",
        "if",
        "imaginary",
        "inline",
        "int",
        "linux",
        "long",
        "mutable",
        "namespace",
        "new",
        "noexcept",
        "noreturn",
        "not",
        "not_eq",
        "nullptr",
        "offsetof",
        "operator",
        "or",
        "or_eq",
        "private",
        "protected",
        "public",
        "register",
        "reinterpret_cast",
        "requires",
        "restrict",
        "return",
        "setjmp",
        "short",
        "signed",
        "sizeof",
        "static",
        "static_assert",
        "static_cast",
        "stderr",
        "stdin",
        "stdout",
        "struct",
        "switch",
        "template",
        "this",
        "thread_local",
        "throw",
        "true",
        "try",
        "typedef",
        "typeid",
        "typename",
        "typeof",
        "union",
        "unix",
        "unsigned",
        "using",
        "va_arg",
        "va_copy",
        "va_end",
        "va_start",
        "virtual",
        "void",
        "volatile",
        "wchar_t",
        "while",
        "xor",
        "xor_eq",
    };

    return bsearch(name, keywords, sizeof(keywords) / sizeof(keywords[0]), sizeof(keywords[0]),
                   compare_text) != NULL;
}

bool gri_name_is_of_libc(const char *name)
{
    /* In the order of strcmp(): words that could be the name of a service and are declared by
     * <stdio.h>, <stdlib.h>, <string.h>, <time.h>, <math.h>, <signal.h>, <unistd.h>, <pthread.h> or
     * sockets. */
    static const char *const declared[] = {
        "abort",    "abs",         "accept",   "access",   "acct",     "alarm",    "atexit",
        "bind",     "brk",         "calloc",   "ceil",     "clock",    "clone",    "close",
        "confstr",  "connect",     "cos",      "daemon",   "daylight", "div",      "div_t",
        "dup",      "environ",     "erf",      "exec",     "exit",     "exp",      "fabs",
        "fclose",   "fdim",        "fflush",   "fgetc",    "fgets",    "floor",    "fma",
        "fmax",     "fmin",        "fmod",     "fopen",    "fork",     "fprintf",  "fputc",
        "fputs",    "fread",       "free",     "fseek",    "fsync",    "ftell",    "fwrite",
        "gamma",    "getenv",      "gets",     "index",    "ioctl",    "kill",     "labs",
        "link",     "listen",      "log",      "logb",     "lseek",    "malloc",   "memcpy",
        "mktime",   "modf",        "nan",      "nice",     "open",     "optarg",   "pause",
        "perror",   "pipe",        "poll",     "pow",      "printf",   "profil",   "psignal",
        "putc",     "puts",        "qsort",    "raise",    "rand",     "random",   "read",
        "readlink", "realloc",     "recv",     "remove",   "rename",   "rewind",   "rindex",
        "round",    "scanf",       "select",   "send",     "setenv",   "shutdown", "sigaction",
        "signal",   "significand", "sigstack", "sin",      "sinh",     "sleep",    "socket",
        "sqrt",     "srand",       "stat",     "step",     "strlen",   "swab",     "symlink",
        "sync",     "syscall",     "system",   "tan",      "tanh",     "tee",      "time",
        "times",    "timezone",    "trunc",    "truncate", "tzname",   "umask",    "uname",
        "unlink",   "utime",       "vfork",    "wait",     "write",    "y0",       "y1",
        "yn",
    };

    return bsearch(name, declared, sizeof(declared) / sizeof(declared[0]), sizeof(declared[0]),
                   compare_text) != NULL;
}

struct gri_name_use {
    const char *name;
    const char *form;
    const char *what;
    const char *called;
    gri_spot spot;
    size_t order;
};

void gri_names_take(gri_names *names, const char *name, const char *form, const char *what,
                    const char *called, gri_spot spot)
{
    if (names->count == names->room) {
        size_t room = names->room == 0 ? 256 : 2 * names->room;
        struct gri_name_use *uses = gri_arena_array(names->arena, room, sizeof(*uses));

        if (names->count > 0) {
            memcpy(uses, names->uses, names->count * sizeof(*uses));
        }
        names->uses = uses;
        names->room = room;
    }
    names->uses[names->count] = (struct gri_name_use){name, form, what, called, spot, names->count};
    names->count++;
}

/* Two uses of one name; the second is the later one. */
typedef struct clash {
    const struct gri_name_use *first;
    const struct gri_name_use *second;
} clash;

static int compare_uses(const void *left, const void *right)
{
    const struct gri_name_use *a = left;
    const struct gri_name_use *b = right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static int compare_clashes(const void *left, const void *right)
{
    const clash *a = left;
    const clash *b = right;

    return (a->second->order > b->second->order) - (a->second->order < b->second->order);
}

/* Whether both are names of the same thing in a .proto file. */
static bool is_of_same(const struct gri_name_use *a, const struct gri_name_use *b)
{
    return a->spot.file == b->spot.file && a->spot.path == b->spot.path;
}

/* Whether an earlier clash was between the same two things: what follows from it is not news. */
static bool is_news(const clash *clashes, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (is_of_same(clashes[i].first, clashes[index].first) &&
            is_of_same(clashes[i].second, clashes[index].second)) {
            return false;
        }
    }
    return true;
}

/* The later one is where the error is; where both are of the same sort it reads shorter. */
static void report(const clash *pair, gri_trouble *trouble)
{
    const struct gri_name_use *first = pair->first;
    const struct gri_name_use *second = pair->second;

    if (strcmp(first->what, second->what) == 0 && *first->form == '\0' && *second->form == '\0') {
        gri_trouble_add(trouble, second->spot, "%ss '%s' and '%s' both become %s", first->what,
                        first->called, second->called, first->name);
    } else {
        gri_trouble_add(trouble, second->spot, "%s%s '%s' and %s%s '%s' both become %s",
                        first->form, first->what, first->called, second->form, second->what,
                        second->called, first->name);
    }
}

static void check_clashes(const gri_names *names, gri_trouble *trouble)
{
    clash *clashes = gri_arena_array(names->arena, names->count, sizeof(*clashes));
    size_t count = 0;

    if (names->count > 0) {
        qsort(names->uses, names->count, sizeof(*names->uses), compare_uses);
    }
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->uses[i - 1].name, names->uses[i].name) == 0) {
            clashes[count++] = (clash){&names->uses[i - 1], &names->uses[i]};
        }
    }
    if (count > 0) {
        qsort(clashes, count, sizeof(*clashes), compare_clashes);
    }
    for (size_t i = 0; i < count && !gri_trouble_is_full(trouble); i++) {
        if (is_news(clashes, i)) {
            report(&clashes[i], trouble);
        }
    }
}

void gri_names_check(const gri_names *names, gri_trouble *trouble)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct gri_name_use *use = &names->uses[i];
        bool is_head = strcmp(use->what, "method") != 0 && *use->form == '\0';

        if (is_head && (strncmp(use->name, "gr_", 3) == 0 || strncmp(use->name, "gri_", 4) == 0)) {
            gri_trouble_add(trouble, use->spot,
                            "%s '%s' becomes %s, but such names are the library's own: choose "
                            "another package or name",
                            use->what, use->called, use->name);
        }
    }
    check_clashes(names, trouble);
}
