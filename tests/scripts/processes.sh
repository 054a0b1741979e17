#!/usr/bin/env bash
# The helpers for child processes (deploy/lib/processes.sh): whatever happens, nothing is left running.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

case_a_line_is_found_among_others() {
    child_start talker bash -c 'echo one; echo two ready; echo three; exec sleep 60'
    child_wait_line talker '*ready*' 10
    [[ $line = 'two ready' ]]
    child_wait_line talker three 10
    child_signal talker TERM
    child_wait_end talker 10
    [[ ${child_status[talker]} -eq 143 ]]
    [[ $(cat "$work/talker.out") = $'one\ntwo ready\nthree' ]]
}

case_the_death_of_a_child_ends_the_wait_for_a_line() {
    local began=$SECONDS
    child_start dead bash -c 'echo "cannot start" >&2; exit 3'
    ! child_wait_line dead '*ready*' 60 || fail "a line was found"
    child_wait_end dead 10
    [[ ${child_status[dead]} -eq 3 ]]
    [[ $((SECONDS - began)) -lt 30 ]] || fail "it waited for the time limit"
    expect_text "$work/dead.log" 'cannot start'
}

case_a_wait_for_a_line_has_a_limit() {
    child_start mute sleep 60
    ! child_wait_line mute '*' 1 || fail "a line was found"
}

case_a_polite_child_is_not_killed() {
    child_start polite bash -c 'trap "echo left; exit 0" TERM; echo ready; sleep 60 & wait'
    child_wait_line polite ready 10
    # Its sleep holds the pipe as well: the end of the child is not the end of the pipe.
    child_signal polite TERM
    child_wait_line polite left 10
    child_reap polite
    [[ ${child_status[polite]} -eq 0 ]]
}

case_a_child_that_does_not_want_to_end_is_killed() {
    child_start stubborn bash -c 'trap "" TERM; echo ready; read -r _ <><(:)'
    child_wait_line stubborn ready 10
    ! child_stop stubborn 1 || fail "it ended by itself"
    [[ ${child_status[stubborn]} -eq 137 ]]
}

case_a_talkative_child_is_never_held_up() {
    child_start_talkative talker 'the last' bash -c 'for i in {1..20000}; do echo "line $i of many"; done; echo the last; exec sleep 60'
    child_wait_line talker 'the last' 60
    ! child_stop talker 10 || fail "sleep ended with 0"
    [[ $(wc -l <"$work/talker.out") -ge 20001 ]]
}

case_a_child_ends_when_the_script_is_killed() {
    local fd got=0
    cat >"$work/script" <<'SCRIPT'
. "$1/deploy/lib/processes.sh"
work=$2
child_start lonely bash -c 'exec 5>"$0"; echo here; exec sleep 60' "$work/alive"
child_wait_line lonely here 10
echo started
read -r _ <>"$work/never"
SCRIPT
    mkdir "$work/inner"
    mkfifo "$work/inner/alive" "$work/inner/never"
    child_start script bash "$work/script" "$root" "$work/inner"
    exec {fd}<"$work/inner/alive"
    child_wait_line script started 10
    child_signal script KILL
    child_reap script
    # The pipe ends with the last process that holds it.
    read -r -t 10 -u "$fd" _ || got=$?
    [[ $got -eq 1 ]] || fail "the child lives on"
}

run_cases "$@"
