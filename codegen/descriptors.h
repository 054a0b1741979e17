/*
 * The descriptors that generated code carries for tools. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_DESCRIPTORS_H
#define GRI_DESCRIPTORS_H

#include "model.h"

/* A serialized FileDescriptorSet with the file and all that it imports, imports first. */
const uint8_t *gri_descriptors_pack(const gri_model *model, const gri_file *file,
                                    size_t *out_bytes);

#endif
