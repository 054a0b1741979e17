/*
 * Names: from what stands in a .proto file to what stands in C, ours and protobuf-c's. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_NAMES_H
#define GRI_NAMES_H

#include <stdbool.h>

#include "arena.h"

/* A letter or underscore, then letters, digits and underscores; with `dots`, several of these. */
bool gri_name_is_identifier(const char *name, bool dots);

/* "bank.v1.HTTPServer" as "bank_v1_http_server": acronyms stay together. */
char *gri_name_snake(gri_arena *arena, const char *full_name);
/* The same in capitals, of a path: "bank/v1.proto" as "BANK_V1_PROTO". */
char *gri_name_of_path(gri_arena *arena, const char *path);

/* As protoc-c names the C struct of a message ("Bank__V1__Account") and its functions
 * ("bank__v1__account"). */
char *gri_name_protobuf_c_struct(gri_arena *arena, const char *full_name);
char *gri_name_protobuf_c_function(gri_arena *arena, const char *full_name);

/* Whether a name means something to C, C++ or the preprocessor already, so that it needs an
 * underscore. */
bool gri_name_is_keyword(const char *name);
/* Whether the headers that C programs include anyway use it for something that is not a type. */
bool gri_name_is_of_libc(const char *name);

#endif
