#!/usr/bin/env bash
# deploy/demo, run as users run it: with both coordinators, with mistakes, interrupted. Whatever happens, nothing is left behind.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"
# shellcheck source=deploy/lib/consul.sh
. "$root/deploy/lib/consul.sh"

demo=$root/deploy/demo
unset CONSUL_HTTP_ADDR

# The demo in an environment in which all that it makes can be told from what others make.
demo() {
    mkdir -p "$work/tmp"
    env TMPDIR="$work/tmp" "$demo" "$@"
}

# Ids of processes that were started with a path of this case among their arguments.
processes_of_the_case() {
    local folder
    for folder in /proc/[0-9]*; do
        if tr '\0' ' ' 2>/dev/null <"$folder/cmdline" | grep -qF "$work/tmp"; then
            echo "${folder#/proc/}"
        fi
    done
}

nothing_is_left() {
    [[ -z $(ls -A "$work/tmp") ]] || fail "left in the temporary folder: $(ls -A "$work/tmp")"
    [[ -z $(processes_of_the_case) ]] || fail "left running: $(processes_of_the_case | xargs ps -o pid=,args= -p)"
    local port
    for port in $(grep -ohE 'tcp://127\.0\.0\.1:[0-9]+' "$work"/*.out "$work/out" 2>/dev/null | sed 's/.*://' | sort -u); do
        ! port_open "$port" || fail "port $port is still open"
    done
}

need_consul() {
    consul=${GRANARY_TEST_CONSUL:-$(command -v consul || true)}
    [[ -n $consul ]] || skip "there is no Consul"
}

# start_until PATTERN: the demo as a child, up to the line that matches, with a text that keeps it busy for a while.
start_until() {
    mkdir -p "$work/tmp"
    for _ in {1..100}; do
        cat /usr/share/common-licenses/GPL-3
    done >"$work/long"
    child_start demo env TMPDIR="$work/tmp" "$demo" "$work/long"
    child_wait_line demo "$1" 300 || fail "the demo did not come to '$1': $(tail -n 3 "$work/demo.log")"
}

case_a_missing_text_is_one_message_before_anything_is_started() {
    expect_status 2 demo "$work/no-such-text"
    [[ ! -s $work/out && $(wc -l <"$work/err") -eq 1 ]] || fail "it says more than one line: $(cat "$work/out" "$work/err")"
    expect_text "$work/err" "there is no text '$work/no-such-text' that can be read"
    expect_status 2 demo "$work"
    expect_status 2 demo ''
    expect_text "$work/err" "there is no text ''"
    nothing_is_left
}

case_wrong_use_is_refused() {
    expect_status 2 demo --sqlite
    expect_text "$work/err" "there is no flag '--sqlite'"
    expect_status 2 demo /etc/passwd /etc/group
    expect_text "$work/err" 'one text at a time'
    expect_status 0 demo --help
    expect_text "$work/out" 'Usage: deploy/demo'
}

case_it_counts_with_a_file_as_coordinator() {
    expect_status 0 demo
    expect_text "$work/out" 'every count is what tr, sort and uniq say'
    expect_text "$work/out" 'node-3: left, exit status 0'
    ! grep -q $'\r' "$work/out" || fail "without a terminal it draws all the same"
    nothing_is_left
}

case_it_counts_with_a_consul_of_its_own() {
    need_consul
    if consul_running "$consul" 127.0.0.1:8500; then
        skip "an agent runs at 127.0.0.1:8500 already, and the demo uses it"
    fi
    expect_status 0 demo --consul
    expect_text "$work/out" 'the demo has started one'
    [[ $(grep -c ': passing$' "$work/out") -eq 3 ]] || fail "three nodes should be passing: $(grep passing "$work/out")"
    expect_text "$work/out" 'every count is what tr, sort and uniq say'
    nothing_is_left
}

case_it_leaves_somebody_elses_consul_as_it_was() {
    need_consul
    consul_start "$consul"
    export CONSUL_HTTP_ADDR=$consul_http
    expect_status 0 demo --consul
    expect_text "$work/out" "the Consul agent that runs at $consul_http"
    [[ $("$consul" catalog services) = consul ]] || fail "services are left: $("$consul" catalog services | tr '\n' ' ')"
    [[ -z $("$consul" kv get -keys) ]] || fail "keys are left: $("$consul" kv get -keys)"
    nothing_is_left
    [[ -n $("$consul" members) ]] || fail "Consul did not survive the demo"
    consul_stop || fail "Consul had to be killed"
}

case_a_consul_that_is_named_must_be_there() {
    need_consul
    ports_free 1
    expect_status 1 env CONSUL_HTTP_ADDR="127.0.0.1:${ports[0]}" TMPDIR="$work" "$demo" --consul
    expect_text "$work/err" "no Consul agent with a leader answers at CONSUL_HTTP_ADDR=127.0.0.1:${ports[0]}"
}

case_a_text_without_a_word_is_counted_too() {
    printf '12 34\n' >"$work/numbers"
    expect_status 0 demo "$work/numbers"
    nothing_is_left
}

case_control_c_at_any_moment_leaves_nothing_behind() {
    local moment
    for moment in 'Building*' 'Installing*' 'Starting three nodes*' '*node-1:*' '*node-3:*' 'Counting*' 'adding:*'; do
        start_until "$moment"
        child_signal demo INT
        child_wait_end demo 60 || fail "interrupted at '$moment' it does not end"
        [[ ${child_status[demo]} -eq 130 ]] || fail "interrupted at '$moment' it ended with ${child_status[demo]}"
        expect_text "$work/demo.log" 'Interrupted'
        nothing_is_left
        rm "$work"/demo.*
    done
}

case_a_termination_leaves_nothing_behind() {
    start_until '*node-3:*'
    child_signal demo TERM
    child_wait_end demo 60
    [[ ${child_status[demo]} -eq 143 ]] || fail "it ended with ${child_status[demo]}"
    nothing_is_left
}

# Nothing can be tidied up then, but the kernel tells the nodes, which leave, and the client, which ends.
case_a_killed_demo_leaves_no_process_behind() {
    local moment fd got
    for moment in 'Building*' '*node-3:*' 'adding:*'; do
        mkfifo "$work/alive"
        # Whatever the demo starts holds this pipe; it ends with the last of them.
        exec 8<>"$work/alive" {fd}<"$work/alive" 9>"$work/alive" 8>&-
        start_until "$moment"
        exec 9>&-
        child_signal demo KILL
        child_reap demo
        got=0
        read -r -t 60 -u "$fd" _ || got=$?
        [[ $got -eq 1 ]] || fail "killed at '$moment' it leaves running: $(processes_of_the_case | xargs ps -o pid=,stat=,args= -p)"
        exec {fd}<&-
        rm "$work"/demo.* "$work/alive"
    done
}

case_a_node_that_dies_makes_it_fail_and_leaves_nothing_behind() {
    local candidate pid=
    start_until '*node-3:*'
    for candidate in $(processes_of_the_case); do
        if [[ $(readlink "/proc/$candidate/exe" || true) == */wordcount-node ]]; then
            pid=$candidate
        fi
    done
    [[ -n $pid ]] || fail "no node is running"
    kill -s KILL "$pid"
    child_wait_end demo 120
    [[ ${child_status[demo]} -eq 1 ]] || fail "it ended with ${child_status[demo]}"
    expect_text "$work/demo.log" 'exit status 137'
    nothing_is_left
}

run_cases "$@"
