#!/usr/bin/env bash
# README.md, word for word: its commands are copied out of it and run, its files are built, what it says is printed is printed.
# What it installs into the home folder goes into one of the case's own.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

# block MARK: the code block of README.md under that mark; fails when there is none.
block() {
    awk -v mark="$1" -f "$root/tests/lib/readme.awk" "$root/README.md" >"$work/block"
    [[ -s $work/block ]] || fail "README.md has no block marked '$1'"
    cat "$work/block"
}

# commands MARK FOLDER: runs them as somebody would who types them there, but stops at the first that fails.
commands() {
    local status=0
    block "$1" >"$work/commands"
    (cd "$2" && HOME=$work/home bash -e -o pipefail "$work/commands") >"$work/printed" 2>"$work/errors" || status=$?
    if [[ $status -ne 0 ]]; then
        cat "$work/printed" "$work/errors" >&2
        fail "the commands '$1' ended with $status: $(tail -n 1 "$work/errors")"
    fi
}

write_project() {
    local file
    mkdir -p "$work/hits"
    for file in counter.proto node.c hit.c CMakeLists.txt; do
        block "file $file" >"$work/hits/$file"
    done
}

case_the_two_commands_are_there() {
    local command
    while read -r command _; do
        [[ -x $root/$command ]] || fail "README.md names '$command', which cannot be run"
    done < <(block commands)
}

case_everything_it_says_about_building_a_grain_works() {
    mkdir "$work/home"
    commands "run in the repository" "$root"
    write_project
    commands "run in the project" "$work/hits"
    commands "run in the project: prints" "$work/hits"
    block prints | diff - "$work/printed" >&2 || fail "it does not print what README.md says"
    rm -rf "$work/hits"
    write_project
    commands "run in the project: pkg-config" "$work/hits"
    expect_status 0 "$work/hits/hits-node" --help
}

case_every_path_it_names_exists() {
    local path
    while IFS= read -r path; do
        [[ -e $root/$path ]] || fail "README.md names '$path', which does not exist"
    done < <(grep -oE '(\]\(|`)(docs|deploy|tests|examples|bench|runtime|remote|cluster|codegen|proto)/[A-Za-z0-9_./-]*' "$root/README.md" |
        sed -E 's/^(\]\(|`)//')
}

run_cases "$@"
