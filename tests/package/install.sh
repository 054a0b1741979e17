#!/usr/bin/env bash
# An installed Granary as other projects see it: in a fresh prefix, from build/release.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

release=$root/build/release

# Builds and installs into $work/prefix; what other cases have built is built already.
install_granary() {
    {
        [[ -f $release/build.ninja ]] || cmake -S "$root" -B "$release" -G Ninja -DCMAKE_BUILD_TYPE=Release
        ninja -C "$release"
        cmake --install "$release" --prefix "$work/prefix"
    } >"$work/install.log" 2>&1 || {
        tail -n 20 "$work/install.log" >&2
        fail "Granary cannot be built and installed"
    }
}

case_shared_libraries_export_the_public_names_only() {
    install_granary
    local library name
    for library in "$work"/prefix/lib/libgranary_{runtime,remote,cluster}.so; do
        while IFS= read -r name; do
            [[ $name == gr_* ]] || fail "$(basename "$library") exports $name"
        done < <(nm -D --defined-only "$library" | awk '$2 ~ /[A-Z]/ { print $3 }')
    done
}

case_nothing_installed_names_a_folder_of_this_machine() {
    install_granary
    local found
    found=$(grep -rlF -e "$root" "$work/prefix/include" "$work/prefix/lib/cmake" "$work/prefix/lib/pkgconfig" || true)
    [[ -z $found ]] || fail "the source folder is named in: $found"
}

case_private_headers_are_not_installed() {
    install_granary
    [[ ! -e $work/prefix/include/gri ]]
    (cd "$work/prefix/include/granary" && ls -- *.h) | LC_ALL=C sort >"$work/installed"
    { ls "$root"/{runtime,remote,cluster}/include/granary; echo pid.pb-c.h; echo options.pb-c.h; } |
        grep '\.h$' | LC_ALL=C sort >"$work/expected"
    diff "$work/expected" "$work/installed" >&2 || fail "other headers are installed than those in include/granary"
}

case_another_minor_version_is_refused() {
    install_granary
    mkdir "$work/project"
    printf 'cmake_minimum_required(VERSION 3.22)\nproject(other C)\nfind_package(granary 0.2 REQUIRED)\n' >"$work/project/CMakeLists.txt"
    expect_status 1 cmake -S "$work/project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix"
    expect_text "$work/err" 'compatible with requested version'
}

case_a_component_that_does_not_exist_is_named() {
    install_granary
    mkdir "$work/project"
    printf 'cmake_minimum_required(VERSION 3.22)\nproject(other C)\nfind_package(granary REQUIRED COMPONENTS remote nonsense)\n' \
        >"$work/project/CMakeLists.txt"
    expect_status 1 cmake -S "$work/project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix"
    expect_text "$work/err" "no component 'nonsense'"
}

# The package goes on working where it has been moved to; every library of it links, shared and static.
case_each_layer_links_alone_shared_and_static_also_when_moved() {
    install_granary
    mv "$work/prefix" "$work/moved"
    mkdir "$work/project"
    cat >"$work/project/local.c" <<'CODE'
#include <granary/runtime.h>
int main(void)
{
    gr_system *sys = NULL;
    gr_err err = gr_system_new(NULL, &sys);

    gr_system_free(sys);
    return err == GR_OK ? 0 : 1;
}
CODE
    sed -e 's/runtime.h/remote.h/' "$work/project/local.c" >"$work/project/far.c"
    sed -e 's/runtime.h/cluster.h/' "$work/project/local.c" >"$work/project/grains.c"
    cat >"$work/project/CMakeLists.txt" <<'PROJECT'
cmake_minimum_required(VERSION 3.22)
project(layers C)
find_package(granary 0.1 REQUIRED)
foreach(kind "" -static)
  add_executable(local${kind} local.c)
  target_link_libraries(local${kind} PRIVATE granary::runtime${kind})
  add_executable(far${kind} far.c)
  target_link_libraries(far${kind} PRIVATE granary::remote${kind})
  add_executable(grains${kind} grains.c)
  target_link_libraries(grains${kind} PRIVATE granary::cluster${kind})
endforeach()
PROJECT
    expect_status 0 cmake -S "$work/project" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/moved"
    expect_status 0 ninja -C "$work/build"
    local program
    for program in local far grains; do
        expect_status 0 "$work/build/$program"
        expect_status 0 "$work/build/$program-static"
        if ldd "$work/build/$program-static" | grep -q granary; then
            fail "$program-static needs a shared library of Granary"
        fi
    done
}

case_pkg_config_knows_every_layer() {
    install_granary
    export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
    local package
    for package in granary-runtime:runtime granary-remote:remote granary:cluster; do
        printf '#include <granary/%s.h>\nint main(void) { return gr_last_error()->code; }\n' "${package#*:}" >"$work/main.c"
        # shellcheck disable=SC2046 # several words are meant
        expect_status 0 gcc -std=c11 "$work/main.c" $(pkg-config --cflags --libs "${package%:*}") -o "$work/main"
        expect_status 0 env LD_LIBRARY_PATH="$work/prefix/lib" "$work/main"
    done
    [[ $(pkg-config --modversion granary) = "$(sed -nE 's/^project\(granary VERSION ([0-9.]+).*/\1/p' "$root/CMakeLists.txt")" ]]
}

# A frame that is larger than the guard page meets it all the same, because what links the runtime is compiled for that: with
# both compilers, in the ways that docs/using.md shows.
case_a_large_frame_is_named_and_does_not_jump_over_the_guard_page() {
    install_granary
    mkdir "$work/project"
    cat >"$work/project/glutton.c" <<'CODE'
#include <granary/runtime.h>

static const gr_type question = {"question", 1, NULL, NULL, NULL};

__attribute__((noinline)) static int touch_the_lowest(volatile char *there)
{
    return there[0]++; /* only what is farthest away */
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    volatile char large[200000];

    (void)state;
    (void)msg;
    return touch_the_lowest(large) == 123 ? GR_EFAILED : gr_respond(ctx, gr_msg_new(&question));
}

int main(void)
{
    const gr_props props = {.type_name = "glutton", .receive = receive};
    gr_system *sys = NULL;
    gr_msg *reply = NULL;
    gr_pid pid;

    if (gr_system_new(NULL, &sys) != GR_OK || gr_spawn(sys, &props, "gargantua", &pid) != GR_OK ||
        gr_request(sys, pid, gr_msg_new(&question), GR_FOREVER, &reply) != GR_OK) {
        return 1;
    }
    return 0;
}
CODE
    cat >"$work/project/CMakeLists.txt" <<'PROJECT'
cmake_minimum_required(VERSION 3.22)
project(glutton C)
find_package(granary 0.1 REQUIRED COMPONENTS runtime)
add_executable(glutton glutton.c)
target_link_libraries(glutton PRIVATE granary::runtime)
add_executable(glutton-static glutton.c)
target_link_libraries(glutton-static PRIVATE granary::runtime-static)
PROJECT
    export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
    local compiler program
    for compiler in gcc "$(command -v clang || command -v clang-14)"; do
        rm -rf "$work/build"
        expect_status 0 cmake -S "$work/project" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
            -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS='-Wall -Wextra -Werror'
        expect_status 0 ninja -C "$work/build"
        # shellcheck disable=SC2046 # several words are meant
        expect_status 0 "$compiler" -O2 -Wall -Wextra -Werror "$work/project/glutton.c" $(pkg-config --cflags --libs granary-runtime) \
            -Wl,-rpath,"$work/prefix/lib" -o "$work/build/glutton-by-hand"
        # shellcheck disable=SC2046 # several words are meant
        expect_status 0 "$compiler" -Werror $(pkg-config --cflags --libs granary-runtime) "$work/build/CMakeFiles/glutton.dir/glutton.c.o" \
            -L"$work/prefix/lib" -lgranary_runtime -o "$work/build/linked"
        for program in glutton glutton-static glutton-by-hand; do
            expect_status 139 bash -c 'ulimit -c 0; "$0"; exit $?' "$work/build/$program"
            expect_text "$work/err" 'glutton actor gargantua overran its stack of 65536 bytes'
        done
    done
}

case_gdb_shows_the_fibers_that_wait() {
    command -v gdb >/dev/null || skip "gdb is not installed"
    install_granary
    cat >"$work/waits.c" <<'CODE'
#include <granary/runtime.h>
#include <sched.h>

static const gr_type question = {"question", 1, NULL, NULL, NULL};

static gr_future *never;

static gr_err wait_for_ever(void)
{
    gr_msg *reply = NULL;

    return gr_await(never, GR_FOREVER, &reply);
}

static gr_err receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)ctx;
    (void)state;
    (void)msg;
    return wait_for_ever();
}

void it_waits(void)
{
}

int main(void)
{
    const gr_props props = {.type_name = "thinker", .receive = receive};
    gr_system *sys = NULL;
    gr_pid pid;

    if (gr_system_new(NULL, &sys) != GR_OK || gr_future_new(sys, GR_FOREVER, &never) != GR_OK ||
        gr_spawn(sys, &props, NULL, &pid) != GR_OK || gr_send(sys, pid, gr_msg_new(&question)) != GR_OK) {
        return 1;
    }
    while (gr_system_counters(sys).fibers_waiting == 0) {
        sched_yield();
    }
    it_waits();
    gr_system_free(sys);
    return 0;
}
CODE
    export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
    # shellcheck disable=SC2046 # several words are meant
    expect_status 0 gcc -g "$work/waits.c" $(pkg-config --cflags --libs granary-runtime) -Wl,-rpath,"$work/prefix/lib" -o "$work/waits"
    expect_status 0 timeout 60 gdb -nx -q -batch -ex 'source '"$work/prefix/share/granary/granary-gdb.py" -ex 'break it_waits' -ex run \
        -ex 'granary fibers' -ex 'granary fiber 1' -ex bt -ex 'granary threads' -ex bt -ex kill "$work/waits"
    ! grep -q 'ptrace' "$work/err" || skip "gdb may not look into processes here"
    grep -qE '^ +1  [0-9]+\.[0-9]+ thinker in wait_for_ever \(.*waits\.c:[0-9]+\)$' "$work/out" || fail "the fiber is not listed: $(cat "$work/out" "$work/err")"
    grep -qE '^#[0-9]+ .* receive \(.*waits\.c:[0-9]+$' "$work/out" || fail "its frames are not shown: $(cat "$work/out" "$work/err")"
    [[ $(grep -c '^#0 .*it_waits' "$work/out") -eq 2 ]] || fail "the thread is not shown again: $(cat "$work/out" "$work/err")"
}

# Every example is a project of its own that builds without a warning, with gcc and with clang, and does what it says.
case_examples_build_against_it_and_run() {
    install_granary
    local example name
    for example in "$root"/examples/*/CMakeLists.txt; do
        example=$(dirname "$example")
        name=$(basename "$example")
        expect_status 0 cmake -S "$example" -B "$work/$name" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
            -DCMAKE_C_FLAGS='-Wall -Wextra -Wconversion -Werror'
        expect_status 0 ninja -C "$work/$name"
        expect_status 0 cmake -S "$example" -B "$work/$name-clang" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
            -DCMAKE_C_COMPILER="$(command -v clang || command -v clang-14)" -DCMAKE_C_FLAGS='-Wall -Wextra -Wconversion -Werror'
        expect_status 0 ninja -C "$work/$name-clang"
        if [[ -f $work/$name/CTestTestfile.cmake ]]; then
            expect_status 0 ctest --test-dir "$work/$name" --no-tests=error
            expect_status 0 ctest --test-dir "$work/$name-clang" --no-tests=error
        else
            [[ $(type -t "try_$name") = function ]] || fail "nothing tries the example $name, neither here nor by itself"
            "try_$name" "$work/$name"
            "try_$name" "$work/$name-clang"
        fi
        refuses_what_it_does_not_know "$work/$name"
    done
    expect_status 2 "$work/orchestrator/orchestrator" --seed x
    expect_text "$work/err" "--seed is 'x', but is a number"
    expect_status 2 "$work/orchestrator/orchestrator" --seed -1
    expect_status 2 "$work/orchestrator/orchestrator" --seed
    expect_status 2 "$work/orchestrator/orchestrator" --seed 1 more
    expect_text "$work/err" "'more' is not known"
    expect_status 2 "$work/two-processes/two_processes" demo 6 seven
    expect_text "$work/err" "'seven' is no number"
    expect_status 2 "$work/two-processes/two_processes" ask
    expect_text "$work/err" "'ask' needs more words"
    expect_status 2 "$work/hello/greet" sqlite:x.db alice World Moon
    expect_text "$work/err" "'Moon' is too much"
    expect_status 2 "$work/wordcount/wordcount" --nodes sqlite:x.db one two
    expect_text "$work/err" 'not also two'
}

# Every program in a folder has a --help, and says which word of others is not known.
refuses_what_it_does_not_know() {
    local program count=0
    while IFS= read -r program; do
        expect_status 0 "$program" --help
        grep -qi '^usage:' "$work/out" || fail "$(basename "$program") --help does not say how it is used"
        expect_status 2 "$program" --nonsense
        expect_text "$work/err" '--nonsense'
        count=$((count + 1))
    done < <(find "$1" -maxdepth 1 -type f -executable)
    [[ $count -gt 0 ]] || fail "$1 has no program"
}

try_hello() {
    rm -f "$work/hello.db"*
    child_start hello "$1/hello" --coordinator "sqlite:$work/hello.db"
    child_wait_line hello '*ready*' 30 || fail "hello did not become ready: $(tail -n 3 "$work/hello.log")"
    expect_status 0 "$1/greet" "sqlite:$work/hello.db" alice World
    expect_text "$work/out" 'Hello World, says alice. That makes 1.'
    expect_status 0 "$1/greet" "sqlite:$work/hello.db" alice World
    expect_text "$work/out" 'Hello World, says alice. That makes 2.'
    child_stop hello 30 || fail "hello did not leave politely"
}

try_wordcount() {
    rm -f "$work/words.db"*
    child_start words "$1/wordcount-node" --coordinator "sqlite:$work/words.db"
    child_wait_line words '*ready*' 30 || fail "wordcount-node did not become ready: $(tail -n 3 "$work/words.log")"
    echo 'To be, or not to be' >"$work/text"
    expect_status 0 "$1/wordcount" --nodes "sqlite:$work/words.db" --counts "$work/counts" "$work/text"
    [[ $(LC_ALL=C sort -k 2 "$work/counts" | tr -s ' \n' '  ' | sed 's/^ //; s/ $//') = '2 be 1 not 1 or 2 to' ]] ||
        fail "other counts: $(tr '\n' ' ' <"$work/counts")"
    child_stop words 30 || fail "wordcount-node did not leave politely"
}

run_cases "$@"
