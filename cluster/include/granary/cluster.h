/*
 * The cluster layer: grains. This is the one header an application includes for it; the generated
 * headers do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_CLUSTER_H
#define GRANARY_CLUSTER_H

#include <granary/client.h>
#include <granary/kind.h>
#include <granary/node.h>

#endif
