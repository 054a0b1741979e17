#!/usr/bin/env bash
# The models in tests/models, searched by spin through all of their states; and that the search would see a mistake.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"
cd "$root" || exit 1

# search MODEL BUG VERSIONS: prints what spin found. A mistake needs few changes of the view to be seen.
search() {
    command -v spin >/dev/null || skip "there is no spin"
    mkdir "$work/$2"
    cp "tests/models/$1" "$work/$2"
    cd "$work/$2" || exit 1
    spin -a -DBUG="$2" -DVERSIONS="$3" "$1" >spin.log 2>&1 || fail "spin cannot read $1: $(head -n 1 spin.log)"
    gcc -O1 -w -DSAFETY -DMEMLIM=2000 -o pan pan.c || fail "what spin has made of $1 cannot be compiled"
    ./pan -m1000000 -w22
    cd "$root" || exit 1
}

case_two_nodes_never_act_for_one_shard() {
    search ownership.pml 0 4 >"$work/found"
    expect_text "$work/found" "errors: 0"
    if grep -qE "max search depth too small|out of memory|Search not completed" "$work/found"; then
        fail "not all states were looked at"
    fi
}

case_a_mistake_in_the_rules_of_ownership_is_seen() {
    local bug
    for bug in 1 2 3 4 5 6 7 8; do
        search ownership.pml $bug 3 >"$work/found"
        expect_text "$work/found" "errors: 1"
    done
}

run_cases "$@"
