#!/usr/bin/env bash
# The models in tests/models, searched by spin through all of their states; and that the search would see a mistake.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"
cd "$root" || exit 1

# search MODEL BUG [-DNAME=VALUE ...]: writes what spin has found to $work/found.
search() {
    local model=$1 bug=$2 folder=$work/$1
    shift 2
    command -v spin >/dev/null || skip "there is no spin"
    rm -rf "$folder"
    mkdir "$folder"
    cp "tests/models/$model.pml" "$folder"
    cd "$folder" || exit 1
    spin -a -DBUG="$bug" "$@" "$model.pml" >spin.log 2>&1 || fail "spin cannot read $model: $(head -n 1 spin.log)"
    gcc -O2 -w -DSAFETY -DMEMLIM=2000 -o pan pan.c || fail "what spin has made of $model cannot be compiled"
    ./pan -m1000000 -w22 >"$work/found"
    cd "$root" || exit 1
}

# holds MODEL [-DNAME=VALUE ...]: in all states.
holds() {
    local model=$1
    shift
    search "$model" 0 "$@"
    expect_text "$work/found" "errors: 0"
    if grep -qE "max search depth too small|out of memory|MEMLIM|Search not completed" "$work/found"; then
        fail "not all states of $model were looked at"
    fi
}

# sees MODEL "BUG ..." [-DNAME=VALUE ...]: each of the mistakes.
sees() {
    local model=$1 bugs=$2 bug
    shift 2
    for bug in $bugs; do
        search "$model" "$bug" "$@"
        grep -qF "errors: 1" "$work/found" || fail "mistake $bug of $model is not seen"
    done
}

case_two_nodes_never_act_for_one_shard() {
    holds ownership -DVERSIONS=4
}

# A mistake needs few changes of the view to be seen.
case_a_mistake_in_the_rules_of_ownership_is_seen() {
    sees ownership "1 2 3 4 5 6 7 8" -DVERSIONS=3
}

case_no_message_is_lost_and_an_actor_is_run_by_one() {
    holds mailbox -DPATIENT=0 -DNOTES=1 -DLIMIT=2
}

case_the_limit_of_a_mailbox_is_exact() {
    holds mailbox -DPATIENT=0 -DEACH=2 -DLIMIT=2
}

case_those_who_wait_for_room_are_served() {
    holds mailbox
    holds mailbox -DSENDERS=1 -DEACH=2
}

case_a_mistake_in_the_mailbox_is_seen() {
    sees mailbox "1 2 5 6" -DPATIENT=0 -DNOTES=1 -DLIMIT=2
    sees mailbox "3 4 8 9" -DSENDERS=1 -DEACH=2
    sees mailbox 7 -DPATIENT=0 -DEACH=2 -DLIMIT=2
}

case_an_actor_in_a_workers_queue_is_taken_once() {
    holds ring
}

case_a_mistake_in_a_workers_queue_is_seen() {
    sees ring "1 2 3 4 5 6"
}

case_no_worker_sleeps_beside_what_it_has_to_do() {
    holds idle -DOUTSIDE=2 -DINSIDE=1
    holds idle -DOUTSIDE=1 -DINSIDE=2
}

case_a_mistake_in_sleeping_and_waking_is_seen() {
    sees idle "1 2 3 4 5 6 7 8 9 10"
}

run_cases "$@"
