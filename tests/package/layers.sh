#!/usr/bin/env bash
# Granary without its upper layers (GRANARY_LAYERS): what is built, what it needs, what the package gives, and what is said of the rest.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

runtime_only=$root/build/layers

# has PACKAGE...: pkg-config knows these from here on, and no others.
has() {
    local package from
    rm -rf "$work/has"
    mkdir "$work/has"
    for package in "$@"; do
        from=$(env -u PKG_CONFIG_LIBDIR pkg-config --variable=pcfiledir "$package")
        cp "$from/$package.pc" "$work/has/"
    done
    export PKG_CONFIG_LIBDIR=$work/has
}

# The runtime alone, with its tests, on a machine that has nothing that only other layers need; installed into $work/prefix.
install_runtime() {
    (
        has libprotobuf-c cmocka
        cmake -S "$root" -B "$runtime_only" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGRANARY_LAYERS=runtime -DGRANARY_TESTS=ON
        ninja -C "$runtime_only" granary_runtime granary_runtime_shared runtime_actor_test
        cmake --install "$runtime_only" --prefix "$work/prefix"
    ) >"$work/install.log" 2>&1 || {
        tail -n 20 "$work/install.log" >&2
        fail "the runtime alone cannot be built and installed"
    }
}

# project LINE...: a project in C of these lines.
project() {
    mkdir -p "$work/project"
    echo 'int main(void) { return 0; }' >"$work/project/main.c"
    printf '%s\n' 'cmake_minimum_required(VERSION 3.22)' 'project(user C)' "$@" >"$work/project/CMakeLists.txt"
    rm -rf "$work/build"
}

# The error of CMake, which breaks lines where it likes, on one line.
expect_error() {
    tr -s ' \n' '  ' <"$work/err" >"$work/one-line"
    expect_text "$work/one-line" "$1"
}

case_the_runtime_alone_is_built_tested_and_installed() {
    install_runtime
    expect_status 0 ctest --test-dir "$runtime_only" --no-tests=error -R '^runtime/runtime_actor_test$'
    ! ctest --test-dir "$runtime_only" -N | grep -qE '(remote|cluster|codegen)/' || fail "it has tests of other layers"
    local found
    found=$(find "$work/prefix" -type f | grep -E 'remote|cluster|nng|protoc|grains|options' || true)
    [[ -z $found ]] || fail "parts of other layers are installed: $found"
    sed -n '/^<!-- file twice.c -->/,/^```$/p' "$root/docs/using.md" | sed '1,2d;$d' >"$work/twice.c"
    project 'find_package(granary 0.1 REQUIRED)' 'add_executable(twice twice.c)' 'target_link_libraries(twice PRIVATE granary::runtime)'
    cp "$work/twice.c" "$work/project/"
    has libprotobuf-c
    expect_status 0 cmake -S "$work/project" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix"
    expect_status 0 ninja -C "$work/build"
    expect_status 0 "$work/build/twice"
    expect_text "$work/out" 'twice 21 is 42'
    # shellcheck disable=SC2046 # several words are meant
    expect_status 0 gcc "$work/twice.c" $(PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig pkg-config --cflags --libs granary-runtime) \
        -Wl,-rpath,"$work/prefix/lib" -o "$work/twice"
    expect_status 0 "$work/twice"
}

case_asking_for_a_layer_that_was_not_built_says_how_to_have_it() {
    install_runtime
    project 'find_package(granary REQUIRED COMPONENTS runtime cluster)'
    expect_status 1 cmake -S "$work/project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix"
    expect_error "built without its layer 'cluster': build and install it with -DGRANARY_LAYERS=cluster"
    project 'find_package(granary REQUIRED)' 'add_executable(main main.c)' 'granary_add_grains(main main.proto)'
    expect_status 1 cmake -S "$work/project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix"
    expect_error "granary_add_grains(main): granary was built without its layer 'cluster'"
    project 'find_package(granary REQUIRED)' 'add_executable(main main.c)' 'target_link_libraries(main PRIVATE granary::remote)'
    expect_status 1 cmake -S "$work/project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix"
    expect_error 'granary::remote'
    project 'find_package(granary COMPONENTS runtime OPTIONAL_COMPONENTS remote)' \
        'if(NOT granary_FOUND OR granary_remote_FOUND)' '  message(FATAL_ERROR "wrong")' 'endif()'
    expect_status 0 cmake -S "$work/project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix"
}

case_a_layer_that_does_not_exist_is_refused() {
    expect_status 1 cmake -S "$root" -B "$work/build" -G Ninja -DGRANARY_LAYERS=grains
    expect_error "GRANARY_LAYERS is 'grains', but is one of runtime, remote"
}

case_what_is_missing_is_named_with_the_layer_that_needs_it() {
    has
    expect_status 1 cmake -S "$root" -B "$work/nothing" -G Ninja
    expect_error 'The runtime layer needs libprotobuf-c, which is not found.'
    expect_error 'deploy/install-packages runtime '
    has libprotobuf-c
    expect_status 1 cmake -S "$root" -B "$work/no-curl" -G Ninja
    expect_error 'The cluster layer needs libcurl, which is not found.'
    expect_error 'deploy/install-packages cluster '
    expect_error 'with -DGRANARY_LAYERS=remote or runtime it is not needed'
    expect_status 1 cmake -S "$root" -B "$work/no-cmocka" -G Ninja -DGRANARY_LAYERS=runtime -DGRANARY_TESTS=ON
    expect_error 'The tests need cmocka, which is not found.'
    expect_error 'deploy/install-packages runtime test '
}

case_the_remote_layer_without_the_cluster_can_be_configured() {
    has libprotobuf-c cmocka
    expect_status 0 cmake -S "$root" -B "$work/build" -G Ninja -DGRANARY_LAYERS=remote -DGRANARY_TESTS=ON -DGRANARY_BENCH=ON
    ! grep -q 'granary_cluster' "$work/build/build.ninja" || fail "it has parts of the cluster"
}

run_cases "$@"
