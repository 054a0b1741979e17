/*
 * The options of granary/options.proto, as they stand on services and methods: read, checked, with
 * defaults filled in where the plugin needs them. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_OPTIONS_H
#define GRI_OPTIONS_H

#include <stdbool.h>

#include "trouble.h"

/* What a kind or a method says of itself; borrowed from the arena. */
typedef Granary__GrainOptions gri_grain_options;
typedef Granary__MethodOptions gri_method_options;

/* The options of a service or method, which may be NULL. What is wrong with them is added to
 * `trouble`; the result is usable in any case. `spot` is that of the service or method. */
const gri_grain_options *gri_options_of_service(gri_arena *arena,
                                                const Google__Protobuf__ServiceOptions *options,
                                                gri_spot spot, gri_trouble *trouble);
const gri_method_options *gri_options_of_method(gri_arena *arena,
                                                const Google__Protobuf__MethodOptions *options,
                                                gri_spot spot, gri_trouble *trouble);
/* The package that protobuf-c puts in place of the file's own, or NULL. */
const char *gri_options_c_package(gri_arena *arena, const gri_proto_file *file);

/* For protobuf-c: allocates from an arena, frees nothing. */
ProtobufCAllocator gri_options_allocator(gri_arena *arena);

#endif
