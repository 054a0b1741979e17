#!/usr/bin/env bash
# The same seed gives the same run whatever compiled it: what tests/runtime/trace.c prints, compared. On AArch64 it needs
# gcc-aarch64-linux-gnu and qemu-user, which tests/run does not install.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"
cd "$root" || exit 1

# compile NAME COMPILER FLAG...: the runtime and the program that prints, into $work/NAME.
compile() {
    local name=$1
    shift
    "$@" -std=gnu11 -g -Iruntime/base -Iruntime/include -Iruntime tests/runtime/trace.c runtime/*.c runtime/*.S runtime/base/*.c \
        -o "$work/$name" -lpthread -lm 2>"$work/$name.log" || fail "$name does not compile: $(head -n 1 "$work/$name.log")"
}

# trace NAME COMMAND...: what it prints for some seeds.
trace() {
    local name=$1 seed
    shift
    for seed in 0 1 2 4711 18446744073709551615; do
        "$@" "$seed" || fail "$* $seed ended with $?"
    done >"$work/$name.trace"
    [[ $(wc -l <"$work/$name.trace") -gt 1000 ]] || fail "$name has little to say"
}

same() {
    cmp -s "$work/$1.trace" "$work/$2.trace" ||
        fail "$1 and $2 go apart: $(diff "$work/$1.trace" "$work/$2.trace" | head -n 3 | tr '\n' ' ')"
}

with_gcc() {
    # shellcheck disable=SC2046 # the flags are words
    compile gcc gcc -O2 -Wl,--no-as-needed $(pkg-config --libs libprotobuf-c)
    trace gcc "$work/gcc"
}

case_clang_runs_as_gcc_does() {
    local clang
    clang=$(command -v clang || command -v clang-14) || skip "there is no clang"
    with_gcc
    # shellcheck disable=SC2046 # the flags are words
    compile clang "$clang" -O1 -Wl,--no-as-needed $(pkg-config --libs libprotobuf-c)
    trace clang "$work/clang"
    same gcc clang
}

# Without a protobuf-c for that processor: the run has no message of it.
case_aarch64_runs_as_x86_64_does() {
    local run
    command -v aarch64-linux-gnu-gcc >/dev/null || skip "there is no aarch64-linux-gnu-gcc"
    run=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || skip "there is no qemu-aarch64"
    mkdir "$work/include"
    ln -s /usr/include/uthash.h /usr/include/protobuf-c "$work/include"
    with_gcc
    compile aarch64 aarch64-linux-gnu-gcc -O2 -static -I"$work/include" -Wl,--unresolved-symbols=ignore-all
    trace aarch64 "$run" "$work/aarch64"
    same gcc aarch64
}

run_cases "$@"
