#!/usr/bin/env bash
# granary_add_grains(), called by small projects. PLUGIN is protoc-gen-granary, INCLUDES the include folders that generated code
# needs, separated by semicolons.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

# project LINES...: a project in $work/src whose CMakeLists.txt ends in these lines.
project() {
    mkdir -p "$work/src"
    {
        cat <<'EOF'
cmake_minimum_required(VERSION 3.22)
project(grains C)
add_executable(granary::protoc-gen-granary IMPORTED GLOBAL)
set_target_properties(granary::protoc-gen-granary PROPERTIES IMPORTED_LOCATION $ENV{PLUGIN})
add_library(granary::protos INTERFACE IMPORTED GLOBAL)
target_include_directories(granary::protos INTERFACE $ENV{INCLUDES})
set(GRANARY_PROTO_DIR $ENV{GRANARY_ROOT}/proto)
include($ENV{GRANARY_ROOT}/codegen/cmake/granary-grains.cmake)
EOF
        printf '%s\n' "$@"
    } >"$work/src/CMakeLists.txt"
    export GRANARY_ROOT=$root
}

# proto PATH PACKAGE LINES...: a .proto file of the project.
proto() {
    local path=$work/src/$1 package=$2
    shift 2
    mkdir -p "$(dirname "$path")"
    printf '%s\n' 'syntax = "proto3";' "package $package;" "$@" >"$path"
}

configure() {
    expect_status 0 cmake -S "$work/src" -B "$work/build" "$@"
}

build() {
    expect_status 0 cmake --build "$work/build"
}

case_methods_called_like_keywords_compile() {
    project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop shop.proto)'
    proto shop.proto shop 'message M {}' 'service Cart { rpc Register(M) returns (M); rpc Delete(M) returns (M); }'
    echo '#include "shop.grain.h"' >"$work/src/shop.c"
    configure
    build
    grep -q 'register_' "$work/build/shop.grains/shop.grain.h"
}

case_files_in_folders_are_included_by_their_path_below_the_root() {
    project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop api/shop/v1/cart.proto api/shop/item.proto ROOT api)'
    proto api/shop/item.proto shop 'message Item {}'
    proto api/shop/v1/cart.proto shop.v1 'import "shop/item.proto";' 'service Cart { rpc Add(shop.Item) returns (shop.Item); }'
    echo '#include "shop/v1/cart.grain.h"' >"$work/src/shop.c"
    configure
    build
    [[ -f $work/build/shop.grains/shop/v1/cart.grain.c && -f $work/build/shop.grains/shop/item.pb-c.c ]]
}

case_imports_are_found_in_other_folders() {
    project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop shop.proto IMPORT_DIRS ../other)'
    proto ../other/item.proto shop 'message Item {}'
    proto shop.proto shop 'import "item.proto";' 'import "granary/options.proto";' 'message M { Item item = 1; }'
    touch "$work/src/shop.c"
    configure
    expect_status 0 cmake --build "$work/build" --target help
    expect_status 2 cmake --build "$work/build" # nobody lists item.proto, so nobody makes its C
    expect_text "$work/err" item.pb-c.h
}

case_a_change_of_an_import_generates_again() {
    project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop shop.proto item.proto)'
    proto item.proto shop 'message Item {}'
    proto shop.proto shop 'import "item.proto";' 'service Cart { rpc Add(Item) returns (Item); }'
    echo '#include "shop.grain.h"' >"$work/src/shop.c"
    configure -DCMAKE_BUILD_TYPE=Debug
    build
    local before
    before=$(cksum <"$work/build/shop.grains/shop.grain.c")
    build
    [[ $before = "$(cksum <"$work/build/shop.grains/shop.grain.c")" ]]
    proto item.proto shop 'message Item { string name = 1; }'
    touch -d '+2 seconds' "$work/src/item.proto"
    build
    [[ $before != "$(cksum <"$work/build/shop.grains/shop.grain.c")" ]] || fail "the descriptors of shop.proto are old"
}

case_two_targets_and_a_library_use_one_file() {
    project 'add_library(part STATIC part.c)' 'granary_add_grains(part shop.proto)' \
        'add_library(user OBJECT user.c)' 'target_link_libraries(user PRIVATE part)' \
        'add_library(other OBJECT user.c)' 'granary_add_grains(other shop.proto)'
    proto shop.proto shop 'message M {}' 'service Cart { rpc Add(M) returns (M); }'
    echo '#include "shop.grain.h"' | tee "$work/src/part.c" >"$work/src/user.c"
    configure
    build
}

case_it_works_in_a_folder_below() {
    project 'add_subdirectory(below)'
    mkdir -p "$work/src/below"
    printf '%s\n' 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop shop.proto)' >"$work/src/below/CMakeLists.txt"
    proto below/shop.proto shop 'import "granary/options.proto";' 'message M {}' \
        'service Cart { option (granary.grain).stateless = true; rpc Add(M) returns (M); }'
    echo '#include "shop.grain.h"' >"$work/src/below/shop.c"
    configure
    build
}

case_large_frames_of_the_target_meet_the_guard_page() {
    local compiler
    for compiler in gcc "$(command -v clang || command -v clang-14)"; do
        rm -rf "$work/src" "$work/build"
        project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop shop.proto)' \
            'add_library(user OBJECT user.c)' 'target_link_libraries(user PRIVATE shop)'
        proto shop.proto shop 'message M {}'
        echo '#include "shop.grain.h"' | tee "$work/src/shop.c" >"$work/src/user.c"
        configure -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_C_COMPILER="$compiler"
        build
        grep '"command".*/shop\.c"' "$work/build/compile_commands.json" | grep -q -e -fstack-clash-protection ||
            fail "$compiler does not get -fstack-clash-protection: $(grep '"command"' "$work/build/compile_commands.json")"
        ! grep '"command".*/user\.c"' "$work/build/compile_commands.json" | grep -q -e -fstack-clash-protection ||
            fail "others get it too"
    done
}

case_an_error_in_a_file_stops_the_build_and_is_shown_as_it_is() {
    project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop shop.proto)'
    proto shop.proto shop 'message M {}' 'service Cart {' '  rpc Add(stream M) returns (M);' '}'
    touch "$work/src/shop.c"
    configure
    expect_status 2 cmake --build "$work/build"
    expect_text "$work/err" "shop.proto:5:11: error: method 'Add' streams its requests"
    [[ ! -e $work/build/shop.grains/shop.grain.h ]]
}

case_files_that_cannot_be_meant_are_refused() {
    project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop missing.proto)'
    touch "$work/src/shop.c"
    expect_status 1 cmake -S "$work/src" -B "$work/build"
    expect_text "$work/err" "there is no 'missing.proto' in"

    proto ../outside.proto shop 'message M {}'
    project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop ../outside.proto)'
    expect_status 1 cmake -S "$work/src" -B "$work/build"
    expect_text "$work/err" "'../outside.proto' is no .proto file in or below"

    project 'add_library(shop OBJECT shop.c)' 'granary_add_grains(shop)'
    expect_status 1 cmake -S "$work/src" -B "$work/build"
    expect_text "$work/err" 'no .proto file is given'
}

run_cases "$@"
