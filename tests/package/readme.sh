#!/usr/bin/env bash
# README.md and the pages in docs/, word for word: their commands are copied out of them and run, their files are built, what they
# say is printed is printed. What they install into the home folder goes into one of the case's own.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

page=README.md

# block MARK: the code block of the page under that mark; fails when there is none.
block() {
    awk -v mark="$1" -f "$root/tests/lib/readme.awk" "$root/$page" >"$work/block"
    [[ -s $work/block ]] || fail "$page has no block marked '$1'"
    cat "$work/block"
}

# commands MARK FOLDER: runs them as somebody would who types them there, but stops at the first that fails.
commands() {
    local status=0
    block "$1" >"$work/commands"
    (cd "$2" && HOME=$work/home bash -e -o pipefail "$work/commands") >"$work/printed" 2>"$work/errors" || status=$?
    if [[ $status -ne 0 ]]; then
        cat "$work/printed" "$work/errors" >&2
        fail "the commands '$1' of $page ended with $status: $(tail -n 1 "$work/errors")"
    fi
}

# prints MARK: that the commands have printed this.
prints() {
    block "$1" | diff - "$work/printed" >&2 || fail "it does not print what $page says"
}

# write_files FOLDER FILE...: a fresh folder with files of the page.
write_files() {
    local folder=$1 file
    shift
    rm -rf "$folder"
    mkdir -p "$folder"
    for file in "$@"; do
        block "file $file" >"$folder/$file"
    done
}

# Into the home folder of the case, as README.md says.
install_granary() {
    mkdir "$work/home"
    page=README.md
    commands "run in the repository" "$root"
}

case_the_two_commands_are_there() {
    local command
    while read -r command _; do
        [[ -x $root/$command ]] || fail "README.md names '$command', which cannot be run"
    done < <(block commands)
}

case_everything_it_says_about_building_a_grain_works() {
    install_granary
    write_files "$work/hits" counter.proto node.c hit.c CMakeLists.txt
    commands "run in the project" "$work/hits"
    commands "run in the project: prints" "$work/hits"
    prints prints
    expect_status 2 "$work/hits/build/hit" sqlite:hits.db
    expect_text "$work/err" 'usage: hit'
    write_files "$work/hits" counter.proto node.c hit.c CMakeLists.txt
    commands "run in the project: pkg-config" "$work/hits"
    expect_status 0 "$work/hits/hits-node" --help
    local flag
    for flag in $(grep -oE '^ +--[a-z-]+' "$work/out"); do
        expect_text "$root/docs/node.md" "| \`$flag"
    done
}

case_what_codegen_md_says_about_building_by_hand_and_errors_works() {
    install_granary
    page=docs/codegen.md
    export PKG_CONFIG_PATH=$work/home/granary/lib/pkgconfig
    write_files "$work/bank" bank.proto bank.c teller.c
    commands "by hand" "$work/bank"
    commands "run: prints" "$work/bank"
    prints prints
    write_files "$work/bank" bank.proto bank.c teller.c CMakeLists.txt
    expect_status 0 cmake -S "$work/bank" -B "$work/bank/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/home/granary" -DCMAKE_C_FLAGS='-Wall -Wextra -Werror'
    expect_status 0 ninja -C "$work/bank/build"
}

case_what_using_md_says_about_one_layer_works() {
    mkdir "$work/home"
    page=docs/using.md
    commands "run in the repository" "$root"
    write_files "$work/twice" twice.c CMakeLists.txt
    commands "by hand: prints" "$work/twice"
    prints prints
    expect_status 0 cmake -S "$work/twice" -B "$work/twice/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/home/granary" -DCMAKE_C_FLAGS='-Wall -Wextra -Werror'
    expect_status 0 ninja -C "$work/twice/build"
    expect_status 0 "$work/twice/build/twice"
    diff "$work/printed" "$work/out" >&2
}

# programs PAGE: builds every program of a page, each by itself with the headers of the page, runs it, and compares what it prints
# with the block "prints NAME".
programs() {
    local file name
    local -a files
    page=$1
    export PKG_CONFIG_PATH=$work/home/granary/lib/pkgconfig
    mapfile -t files < <(sed -nE 's/^<!-- file ([a-z_]+\.[ch]) -->$/\1/p' "$root/$page" | LC_ALL=C sort -u)
    write_files "$work/programs" "${files[@]}"
    for file in "${files[@]}"; do
        [[ $file == *.c ]] || continue
        name=${file%.c}
        # shellcheck disable=SC2046 # several words are meant
        expect_status 0 gcc -g -O2 -Wall -Wextra -Werror "$work/programs/$file" \
            $(pkg-config --cflags --libs granary-runtime) -Wl,-rpath,"$(pkg-config --variable=libdir granary-runtime)" -o "$work/programs/$name"
        expect_status 0 timeout 60 "$work/programs/$name"
        cp "$work/out" "$work/printed"
        prints "prints $name"
    done
}

case_the_programs_of_runtime_md_print_what_it_says() {
    install_granary
    programs docs/runtime.md
}

case_the_program_of_messages_md_prints_what_it_says() {
    install_granary
    programs docs/messages.md
}

case_what_the_page_of_the_examples_says_about_running_one_works() {
    install_granary
    page=examples/README.md
    cp -r "$root/examples" "$work/examples"
    commands "run" "$work/examples"
    expect_status 0 diff "$work/examples/pipeline/build/printed" "$root/examples/pipeline/expected.txt"
}

case_every_path_it_names_exists() {
    local path
    while IFS= read -r path; do
        [[ -e $root/$path ]] || fail "README.md names '$path', which does not exist"
    done < <(grep -oE '(\]\(|`)(docs|deploy|tests|examples|bench|runtime|remote|cluster|codegen|proto)/[A-Za-z0-9_./-]*' "$root/README.md" |
        sed -E 's/^(\]\(|`)//')
}

run_cases "$@"
