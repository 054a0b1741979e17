/*
 * Nothing. protoc-c includes this in the C of every .proto file that imports granary/options.proto,
 * but options have no place in that C: the real thing would only drag in that of descriptor.proto.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_OPTIONS_PB_C_H
#define GRANARY_OPTIONS_PB_C_H

#endif
