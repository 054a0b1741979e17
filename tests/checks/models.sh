#!/usr/bin/env bash
# The models in tests/models, searched by spin through all of their states; and that the search would see a mistake.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"
cd "$root" || exit 1

exec 3>&2 # also what a case that has passed says

# search MODEL BUG OPTIMISATION HASH_BITS [-DNAME=VALUE ...]: sets $found to a file with what spin has found.
search() {
    local model=$1 bug=$2 optimisation=$3 bits=$4 folder
    shift 4
    command -v spin >/dev/null || skip "there is no spin"
    folder=$(mktemp -d "$work/$model.XXXXXX")
    found=$folder/found
    cp "tests/models/$model.pml" "$folder"
    cd "$folder" || exit 1
    spin -a -DBUG="$bug" "$@" "$model.pml" >spin.log 2>&1 || fail "spin cannot read $model: $(head -n 1 spin.log)"
    gcc "$optimisation" -w -DSAFETY -DMEMLIM=2000 -o pan pan.c || fail "what spin has made of $model cannot be compiled"
    ./pan -m100000 "-w$bits" >found
    cd "$root" || exit 1
    sed -n "s/^ *\([0-9.e+]*\) states, stored.*/$model${*:+ $*}, mistake $bug: \1 states/p" "$found" | sed 's/, mistake 0//' >&3
}

# A search that goes on to the end: worth optimising.
search_all() {
    local model=$1
    search "$model" 0 -O1 22 "${@:2}"
    expect_text "$found" "errors: 0"
    if grep -qE "max search depth too small|out of memory|MEMLIM|Search not completed" "$found"; then
        fail "not all states of $model were looked at"
    fi
}

# A search that ends early: most of its time is the compiler's.
search_one() {
    local model=$1 bug=$2
    search "$model" "$bug" -O0 18 "${@:3}"
    grep -qF "errors: 1" "$found" || fail "mistake $bug of $model is not seen"
}

searches=() # the process ids of those that are not known to have ended

# begin COMMAND...: beside one other at most.
begin() {
    if [[ ${#searches[@]} -eq 2 ]]; then
        wait "${searches[0]}" || exit 1
        searches=("${searches[1]}")
    fi
    "$@" &
    searches+=($!)
}

# Each case ends with this.
all_ended() {
    local search
    for search in "${searches[@]}"; do
        wait "$search" || exit 1
    done
}

# holds MODEL [-DNAME=VALUE ...]: in all states.
holds() {
    begin search_all "$@"
}

# sees MODEL "BUG ..." [-DNAME=VALUE ...]: each of the mistakes.
sees() {
    local bug
    for bug in $2; do
        begin search_one "$1" "$bug" "${@:3}"
    done
}

case_two_nodes_never_act_for_one_shard() {
    holds ownership
    all_ended
}

case_a_mistake_in_the_rules_of_ownership_is_seen() {
    sees ownership "1 2 3 4 5 6 7 8"
    all_ended
}

case_no_message_is_lost_and_an_actor_is_run_by_one() {
    holds mailbox -DPATIENT=0 -DNOTES=1 -DLIMIT=2
    all_ended
}

case_the_limit_of_a_mailbox_is_exact() {
    holds mailbox -DPATIENT=0 -DEACH=2 -DLIMIT=2
    all_ended
}

case_those_who_wait_for_room_are_served() {
    holds mailbox
    holds mailbox -DSENDERS=1 -DEACH=2
    all_ended
}

case_a_mistake_in_the_mailbox_is_seen() {
    sees mailbox "1 2 5 6" -DPATIENT=0 -DNOTES=1 -DLIMIT=2
    sees mailbox "3 4 8 9" -DSENDERS=1 -DEACH=2
    sees mailbox 7 -DPATIENT=0 -DEACH=2 -DLIMIT=2
    all_ended
}

case_who_waits_for_room_does_not_wait_for_ever() {
    holds room
    holds room -DPATIENTS=1 -DNOTES=1 -DTURN=2 -DCOUNTS=1
    all_ended
}

case_a_mistake_in_waiting_for_room_is_seen() {
    sees room "1 2 4 5 6 7 8"
    sees room 3 -DPATIENTS=1 -DNOTES=1 -DTURN=2 -DCOUNTS=1
    all_ended
}

case_an_actor_in_a_workers_queue_is_taken_once() {
    holds ring
    all_ended
}

case_a_mistake_in_a_workers_queue_is_seen() {
    sees ring "1 2 3 4 5 6"
    all_ended
}

case_no_worker_sleeps_beside_what_it_has_to_do() {
    holds idle -DOUTSIDE=2 -DINSIDE=1
    holds idle -DOUTSIDE=1 -DINSIDE=2
    all_ended
}

case_a_mistake_in_sleeping_and_waking_is_seen() {
    sees idle "1 2 3 4 5 6 7 8 9 10" -DOUTSIDE=2 -DINSIDE=0
    all_ended
}

run_cases "$@"
