/*
 * uthash as this layer uses it: running out of memory is not fatal. Elements have a field `added`,
 * set to true before they are added, which says afterwards whether they are in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_HASH_H
#define GRI_REMOTE_HASH_H

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) (element)->added = false
#include <uthash.h>

#endif
