# granary_add_grains(TARGET file.proto ... [ROOT folder] [IMPORT_DIRS folder ...])
#
# Adds to TARGET the C of some .proto files: what protoc-c makes of their messages (file.pb-c.h) and what
# protoc-gen-granary makes of their services (file.grain.h). The folder with the generated headers goes to the include
# path of TARGET and of what links it. Link TARGET with granary::cluster or granary::cluster-static yourself.
#
#   ROOT         the folder that the paths of imports and of generated headers are relative to; default: the current
#                source folder. The .proto files lie in or below it.
#   IMPORT_DIRS  where to look for imports too. granary/options.proto and the well-known types are found anyway.
#                Imported files with messages of your own are listed like the others: each needs its C.
#
# Methods run on small stacks with a guard page below. -fstack-clash-protection, where the compiler has it, makes TARGET's
# functions touch every page of their frames in turn, so that a large one meets the guard page and does not jump over it.
#
# Services are hidden from protoc-c: granary calls none of what it makes of them, and that does not compile when a
# method has the name of a keyword (Register, Delete).
#
# SPDX-License-Identifier: Apache-2.0
include(CheckCCompilerFlag)
find_program(GRANARY_PROTOC NAMES protoc)
find_program(GRANARY_PROTOC_GEN_C NAMES protoc-gen-c)
# Whoever includes this file has set it; the function may be called in another folder.
set_property(GLOBAL PROPERTY GRANARY_PROTO_DIR ${GRANARY_PROTO_DIR})

function(granary_add_grains target)
  cmake_parse_arguments(arg "" "ROOT" "IMPORT_DIRS" ${ARGN})
  foreach(tool protoc protoc-gen-c)
    string(TOUPPER "GRANARY_${tool}" variable)
    string(REPLACE "-" "_" variable ${variable})
    if(NOT ${variable})
      message(FATAL_ERROR "granary_add_grains(${target}): ${tool} is not in PATH: install protobuf-compiler and "
        "protobuf-c-compiler, or set ${variable}")
    endif()
  endforeach()
  if(NOT arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "granary_add_grains(${target}): no .proto file is given")
  endif()
  if(NOT arg_ROOT)
    set(arg_ROOT ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  get_filename_component(root ${arg_ROOT} ABSOLUTE)
  set(includes -I${root})
  foreach(folder ${arg_IMPORT_DIRS})
    get_filename_component(folder ${folder} ABSOLUTE)
    list(APPEND includes -I${folder})
  endforeach()
  get_property(granary_protos GLOBAL PROPERTY GRANARY_PROTO_DIR)
  list(APPEND includes -I${granary_protos})

  set(out ${CMAKE_CURRENT_BINARY_DIR}/${target}.grains)
  file(MAKE_DIRECTORY ${out})
  foreach(file ${arg_UNPARSED_ARGUMENTS})
    granary_generate_grains(${out} ${root} "${includes}" ${file} generated)
    target_sources(${target} PRIVATE ${generated})
  endforeach()
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${out}>)
  target_link_libraries(${target} PUBLIC granary::protos)
  set(CMAKE_REQUIRED_QUIET TRUE)
  check_c_compiler_flag(-fstack-clash-protection GRANARY_STACK_CLASH_PROTECTION)
  if(GRANARY_STACK_CLASH_PROTECTION)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-fstack-clash-protection>)
  endif()
endfunction()

# One file: a descriptor set with all that it imports, then C from that. For granary_add_grains() only.
function(granary_generate_grains out root includes file out_generated)
  get_filename_component(absolute ${file} ABSOLUTE)
  if(NOT EXISTS ${absolute})
    set(absolute ${root}/${file})
  endif()
  file(RELATIVE_PATH path ${root} ${absolute})
  if(path MATCHES "^\\.\\./" OR NOT path MATCHES "\\.proto$")
    message(FATAL_ERROR "granary_add_grains: '${file}' is no .proto file in or below '${root}', the ROOT")
  endif()
  get_source_file_property(made_later ${absolute} GENERATED)
  if(NOT EXISTS ${absolute} AND NOT made_later)
    message(FATAL_ERROR "granary_add_grains: there is no '${file}' in '${CMAKE_CURRENT_SOURCE_DIR}' or '${root}'")
  endif()
  string(REGEX REPLACE "\\.proto$" "" stem ${path})
  string(REPLACE "/" "." flat ${stem})
  set(whole ${out}/${flat}.all.set)
  set(messages ${out}/${flat}.messages.set)
  set(generated ${out}/${stem}.pb-c.c ${out}/${stem}.pb-c.h ${out}/${stem}.grain.c ${out}/${stem}.grain.h)
  add_custom_command(OUTPUT ${whole}
    COMMAND ${GRANARY_PROTOC} ${includes} --include_imports --include_source_info --descriptor_set_out=${whole}
      --dependency_out=${out}/${flat}.d ${path}
    DEPENDS ${absolute} DEPFILE ${out}/${flat}.d VERBATIM COMMENT "Reading ${path}")
  add_custom_command(OUTPUT ${generated}
    COMMAND granary::protoc-gen-granary --drop-services ${whole} ${messages}
    COMMAND ${GRANARY_PROTOC} --plugin=protoc-gen-c=${GRANARY_PROTOC_GEN_C} --descriptor_set_in=${messages}
      --c_out=${out} ${path}
    COMMAND ${GRANARY_PROTOC} --plugin=protoc-gen-granary=$<TARGET_FILE:granary::protoc-gen-granary>
      --descriptor_set_in=${whole} --granary_out=${out} ${path}
    DEPENDS ${whole} granary::protoc-gen-granary VERBATIM COMMENT "Generating ${stem}.grain.h")
  set(${out_generated} ${generated} PARENT_SCOPE)
endfunction()
