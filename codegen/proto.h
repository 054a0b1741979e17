/*
 * The messages that protoc and its plugins speak, under shorter names, and the two options of
 * protobuf-c and of ours that the plugin reads. No code.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_PROTO_H
#define GRI_PROTO_H

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "granary/options.pb-c.h"
#include "protobuf_c_options.pb-c.h"

typedef Google__Protobuf__Compiler__CodeGeneratorRequest gri_proto_request;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse gri_proto_response;
typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File gri_proto_response_file;
typedef Google__Protobuf__FileDescriptorSet gri_proto_set;
typedef Google__Protobuf__FileDescriptorProto gri_proto_file;
typedef Google__Protobuf__DescriptorProto gri_proto_message;
typedef Google__Protobuf__FieldDescriptorProto gri_proto_field;
typedef Google__Protobuf__ServiceDescriptorProto gri_proto_service;
typedef Google__Protobuf__MethodDescriptorProto gri_proto_method;
typedef Google__Protobuf__SourceCodeInfo__Location gri_proto_location;

/* The numbers of the fields that lead to a place in a file. */
enum {
    GRI_IN_FILE_MESSAGE = 4,
    GRI_IN_FILE_SERVICE = 6,
    GRI_IN_MESSAGE_FIELD = 2,
    GRI_IN_MESSAGE_NESTED = 3,
    GRI_IN_SERVICE_METHOD = 2,
    GRI_IN_SERVICE_OPTIONS = 3,
    GRI_IN_METHOD_OPTIONS = 4,
    GRI_IN_METHOD_CLIENT_STREAMING = 5,
    GRI_IN_METHOD_SERVER_STREAMING = 6
};

#endif
