/*
 * Marks that every public header uses: what is exported, what must be checked, what formats like
 * printf.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_API_H
#define GRANARY_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GR_API        __attribute__((visibility("default")))
#define GR_MUST_CHECK __attribute__((warn_unused_result))
#define GR_PRINTF(format_index, first_index)                                                       \
    __attribute__((format(printf, format_index, first_index)))
#define GR_NORETURN __attribute__((noreturn))
#else
#define GR_API
#define GR_MUST_CHECK
#define GR_PRINTF(format_index, first_index)
#define GR_NORETURN
#endif

#ifdef __cplusplus
#define GR_BEGIN_DECLS extern "C" {
#define GR_END_DECLS   }
#else
#define GR_BEGIN_DECLS
#define GR_END_DECLS
#endif

/** As a timeout: no limit. A negative one is over already. */
#define GR_FOREVER INT64_MAX

#endif
