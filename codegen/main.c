/*
 * protoc-gen-granary: the process around the plugin. protoc starts it with a request on standard
 * input and reads the response from standard output; errors in .proto files are in the response,
 * and the exit status is then 0, as protoc wants it. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

enum { EXIT_USAGE = 2, CHUNK_BYTES = 64 * 1024 };

static const char usage[] =
    "usage: protoc --c_out=DIR --granary_out=DIR FILE.proto ...\n"
    "\n"
    "A plugin of protoc: writes FILE.grain.h and FILE.grain.c beside what protoc-c writes.\n"
    "CMake projects call granary_add_grains(TARGET FILE.proto ...) instead.\n"
    "\n"
    "  --drop-services IN OUT   copy a FileDescriptorSet without its services\n"
    "  --version                print the version\n"
    "  --help                   print this\n";

static bool read_all(gri_arena *arena, FILE *in, gri_bytes *out_bytes)
{
    size_t room = CHUNK_BYTES;
    size_t count = 0;
    uint8_t *data = gri_arena_alloc(arena, room);

    while (!feof(in) && !ferror(in)) {
        if (count == room) {
            uint8_t *larger = gri_arena_alloc(arena, 2 * room);

            memcpy(larger, data, count);
            data = larger;
            room *= 2;
        }
        count += fread(data + count, 1, room - count, in);
    }
    *out_bytes = (gri_bytes){data, count};
    return !ferror(in);
}

static int complain(const char *what, const char *why)
{
    (void)fprintf(stderr, "protoc-gen-granary: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

static bool write_all(FILE *out, gri_bytes bytes)
{
    return fwrite(bytes.data, 1, bytes.count, out) == bytes.count && fflush(out) == 0;
}

static int answer(gri_arena *arena)
{
    gri_bytes request = {0};

    if (!read_all(arena, stdin, &request)) {
        return complain("standard input", strerror(errno));
    }
    if (!write_all(stdout, gri_plugin_answer(arena, request))) {
        return complain("standard output", strerror(errno));
    }
    return EXIT_SUCCESS;
}

static int drop_services(gri_arena *arena, const char *in_path, const char *out_path)
{
    FILE *in = fopen(in_path, "rb");
    FILE *out = NULL;
    gri_bytes set = {0};
    int status = EXIT_FAILURE;

    if (in == NULL || !read_all(arena, in, &set)) {
        (void)complain(in_path, strerror(errno));
    } else if (!gri_plugin_drop_services(arena, set, &set)) {
        (void)complain(in_path, "is not a FileDescriptorSet");
    } else if ((out = fopen(out_path, "wb")) == NULL || !write_all(out, set)) {
        (void)complain(out_path, strerror(errno));
    } else {
        status = EXIT_SUCCESS;
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    if (out != NULL && fclose(out) != 0 && status == EXIT_SUCCESS) {
        status = complain(out_path, strerror(errno));
    }
    return status;
}

int main(int argc, char **argv)
{
    gri_arena arena = {0};
    int status = EXIT_USAGE;

    if (argc == 1) {
        status = answer(&arena);
    } else if (argc == 4 && strcmp(argv[1], "--drop-services") == 0) {
        status = drop_services(&arena, argv[2], argv[3]);
    } else if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        (void)puts("protoc-gen-granary " GRANARY_VERSION);
        status = EXIT_SUCCESS;
    } else if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(usage, stdout);
        status = EXIT_SUCCESS;
    } else {
        (void)fputs(usage, stderr);
    }
    gri_arena_fini(&arena);
    return status;
}
