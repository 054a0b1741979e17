/*
 * The plugin without its process: bytes of a request in, bytes of a response out. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_PLUGIN_H
#define GRI_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

typedef struct gri_bytes {
    const uint8_t *data;
    size_t count;
} gri_bytes;

/* Answers a serialized CodeGeneratorRequest with a serialized CodeGeneratorResponse, which lives in
 * the arena. Any bytes will do: what is no request gets a response that says so. */
gri_bytes gri_plugin_answer(gri_arena *arena, gri_bytes request);

/* The serialized FileDescriptorSet without its services, for a protoc-c that shall leave them
 * alone. False when it is none. */
bool gri_plugin_drop_services(gri_arena *arena, gri_bytes set, gri_bytes *out_set);

#endif
