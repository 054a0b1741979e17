#!/usr/bin/env bash
# deploy/install-packages: asks, and says clearly what it cannot do. It installs nothing here.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

installer=$root/deploy/install-packages

case_nothing_is_missing_where_the_tests_run() {
    expect_status 0 "$installer" --list
    [[ ! -s $work/out ]] || fail "missing: $(tr '\n' ' ' <"$work/out")"
}

case_with_nothing_missing_apt_is_not_asked() {
    mkdir "$work/bin"
    printf '#!/bin/sh\necho "apt was called" >&2\nexit 99\n' | tee "$work/bin/apt-get" >"$work/bin/apt-cache"
    chmod +x "$work/bin/apt-get" "$work/bin/apt-cache"
    expect_status 0 env PATH="$work/bin:$PATH" "$installer"
    [[ ! -s $work/out && ! -s $work/err ]]
}

# A copy of the script that wants what nobody has.
copy_with() {
    mkdir "$work/deploy"
    cp "$installer" "$work/deploy/"
    printf '%s\n' "$@" >"$work/deploy/packages"
}

case_one_installed_alternative_is_enough() {
    copy_with 'runtime  no-such-package|bash  a shell' 'test  no-such-package-either  nothing'
    expect_status 0 "$work/deploy/install-packages" --list build
    [[ ! -s $work/out ]]
    expect_status 0 "$work/deploy/install-packages" --list
    [[ $(cat "$work/out") = no-such-package-either ]]
}

# What stands in several groups is named once.
case_a_layer_is_itself_and_those_below_it() {
    copy_with 'runtime  no-one  one' 'remote  no-two  two' 'cluster  no-three  three' 'test  no-one  one again' 'run  no-four  four'
    local asked expected
    while read -r asked expected; do
        expect_status 0 "$work/deploy/install-packages" --list "$asked"
        [[ $(tr '\n' ' ' <"$work/out") = "$expected " ]] || fail "$asked is $(tr '\n' ' ' <"$work/out")"
    done <<'GROUPS'
runtime no-one
remote no-one no-two
cluster no-one no-two no-three
build no-one no-two no-three
test no-one
GROUPS
    expect_status 0 "$work/deploy/install-packages" --list runtime test
    [[ $(cat "$work/out") = no-one ]]
}

case_without_root_and_without_sudo_it_names_the_packages() {
    [[ $(id -u) -eq 0 ]] || skip "needs root, to become somebody else"
    copy_with 'cluster  no-such-package  nothing'
    chmod -R a+rX "$work"
    mkdir "$work/bin"
    local tool
    for tool in bash env dirname awk dpkg-query id; do
        ln -s "$(command -v "$tool")" "$work/bin/$tool"
    done
    expect_status 1 setpriv --reuid 65534 --regid 65534 --clear-groups env PATH="$work/bin" bash "$work/deploy/install-packages"
    expect_text "$work/err" 'missing: no-such-package'
    expect_text "$work/err" 'run as root, or install sudo'
}

case_an_unknown_group_is_refused() {
    expect_status 2 "$installer" everything
    expect_text "$work/err" "'everything' is neither a flag nor one of the groups"
}

run_cases "$@"
