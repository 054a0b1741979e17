#!/usr/bin/env bash
# Node programs and clients as somebody starts them from a shell, with mistakes: what they say, and how they end. The programs are
# those of examples/wordcount, as the demo builds them.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

node=$root/build/demo/wordcount/wordcount-node
client=$root/build/demo/wordcount/wordcount
unset CONSUL_HTTP_ADDR

built() {
    [[ -x $node && -x $client ]] || fail "run deploy/demo first: it builds $node"
}

# start_node NAME FLAGS...: sets $address when it is ready.
start_node() {
    local name=$1
    shift
    child_start "$name" "$node" --cluster test "$@"
    child_wait_line "$name" '*ready*' 30 || fail "$name did not become ready: $(tail -n 3 "$work/$name.log")"
    address=$(grep -o 'tcp://[0-9.]*:[0-9]*' <<<"$line" | head -n 1)
}

# refused STATUS FLAGS...: the node does not start, in time, and says why in one line on stderr and nothing on stdout.
refused() {
    local status=$1
    shift
    expect_status "$status" timeout 60 "$node" --cluster test "$@"
    [[ ! -s $work/out ]] || fail "it says on stdout: $(cat "$work/out")"
    [[ $(wc -l <"$work/err") -ge 1 ]] || fail "it does not say why"
}

case_help_lists_the_flags() {
    built
    expect_status 0 "$node" --help
    local flag
    for flag in --cluster --listen --coordinator --shards; do
        expect_text "$work/out" "$flag"
    done
}

case_a_flag_that_does_not_exist_is_named() {
    built
    refused 2 --coordinator "sqlite:$work/cluster.db" --colour red
    expect_text "$work/err" --colour
}

case_without_a_coordinator_it_says_that_it_needs_one() {
    built
    refused 2
    expect_text "$work/err" coordinator
}

case_a_coordinator_of_no_known_kind_is_named() {
    built
    refused 2 --coordinator "zookeeper:there"
    expect_text "$work/err" 'zookeeper:there'
}

case_a_port_in_use_is_named() {
    built
    start_node first --listen tcp://127.0.0.1:0 --coordinator "sqlite:$work/cluster.db"
    refused 1 --listen "$address" --coordinator "sqlite:$work/cluster.db"
    expect_text "$work/err" "${address#tcp://}"
    child_stop first 30 || fail "the first node did not leave politely"
}

case_c12_a_node_that_advertises_the_address_of_another_is_refused() {
    built
    start_node first --coordinator "sqlite:$work/cluster.db"
    refused 1 --advertise "$address" --coordinator "sqlite:$work/cluster.db"
    expect_text "$work/err" "$address"
    child_stop first 30 || fail "the first node did not leave politely"
    start_node second --advertise "$address" --coordinator "sqlite:$work/cluster.db"
    child_stop second 30 || fail "the second node did not leave politely"
}

case_c12_after_a_crash_a_node_comes_back_at_its_address() {
    built
    start_node first --listen tcp://127.0.0.1:0 --coordinator "sqlite:$work/cluster.db"
    child_signal first KILL
    child_wait_end first 30 || fail "the first node did not end"
    start_node second --listen "$address" --coordinator "sqlite:$work/cluster.db"
    child_stop second 30 || fail "the second node did not leave politely"
}

case_listening_beyond_loopback_needs_to_be_asked_for() {
    built
    refused 2 --listen tcp://0.0.0.0:0 --coordinator "sqlite:$work/cluster.db"
    expect_text "$work/err" insecure
}

case_a_coordinator_that_cannot_be_written_is_named() {
    built
    refused 1 --coordinator "sqlite:$work/no/such/folder/cluster.db"
    expect_text "$work/err" "$work/no/such/folder/cluster.db"
    mkdir "$work/folder.db"
    refused 1 --coordinator "sqlite:$work/folder.db"
    expect_text "$work/err" "$work/folder.db"
    head -c 4096 /dev/urandom >"$work/noise.db"
    refused 1 --coordinator "sqlite:$work/noise.db"
    expect_text "$work/err" "$work/noise.db"
}

case_an_unreachable_consul_is_named_in_time() {
    built
    ports_free 1
    refused 1 --coordinator "consul://127.0.0.1:${ports[0]}"
    expect_text "$work/err" "127.0.0.1:${ports[0]}"
}

case_c12_another_number_of_shards_is_refused_with_both_numbers() {
    built
    start_node first --listen tcp://127.0.0.1:0 --coordinator "sqlite:$work/cluster.db" --shards 64
    refused 1 --coordinator "sqlite:$work/cluster.db" --shards 128
    expect_text "$work/err" 64
    expect_text "$work/err" 128
    child_stop first 30 || fail "the first node did not leave politely"
}

case_sigint_and_sigterm_both_leave_politely() {
    built
    start_node first --coordinator "sqlite:$work/cluster.db"
    start_node second --coordinator "sqlite:$work/cluster.db"
    child_signal first INT
    child_wait_end first 30 || fail "the first node did not end"
    [[ ${child_status[first]} -eq 0 ]] || fail "the first node ended with ${child_status[first]}"
    child_stop second 30 || fail "the second node ended with ${child_status[second]}"
}

case_sigusr1_shows_what_is_alive() {
    built
    start_node first --coordinator "sqlite:$work/cluster.db"
    child_signal first USR1
    # The dump is written before the node leaves, so it is there when it has left.
    child_stop first 30 || fail "the node ended with ${child_status[first]}"
    expect_text "$work/first.log" shards
    expect_text "$work/first.log" lease
}

case_a_client_without_a_node_says_so_in_time() {
    built
    ports_free 1
    echo word >"$work/text"
    expect_status 1 timeout 60 "$client" --cluster test --nodes "tcp://127.0.0.1:${ports[0]}" "$work/text"
    [[ -s $work/err ]] || fail "it does not say why"
}

case_a_client_of_another_cluster_is_refused_with_the_reason() {
    built
    start_node first --coordinator "sqlite:$work/cluster.db"
    echo word >"$work/text"
    expect_status 1 timeout 60 "$client" --cluster other --nodes "$address" "$work/text"
    expect_text "$work/err" other
    child_stop first 30 || fail "the node ended with ${child_status[first]}"
}

case_the_client_notices_a_wrong_count() {
    built
    start_node first --coordinator "sqlite:$work/cluster.db"
    printf 'one two two three three three\n' >"$work/text"
    printf '      1 one\n      2 three\n      2 two\n' >"$work/expected"
    expect_status 1 timeout 60 "$client" --cluster test --nodes "$address" --expect "$work/expected" "$work/text"
    grep -q three "$work/out" "$work/err" || fail "the word whose count differs is not named"
    child_stop first 30 || fail "the node ended with ${child_status[first]}"
}

case_a_text_that_cannot_be_read_is_refused_before_anything_is_called() {
    built
    expect_status 2 "$client" --cluster test --nodes tcp://127.0.0.1:1 "$work/no-such-text"
    expect_text "$work/err" "$work/no-such-text"
}

case_a_cluster_lives_on_in_a_new_process_of_the_same_file() {
    built
    start_node first --coordinator "sqlite:$work/cluster.db"
    child_stop first 30 || fail "the first node ended with ${child_status[first]}"
    start_node second --coordinator "sqlite:$work/cluster.db"
    printf 'one two two\n' >"$work/text"
    printf '      1 one\n      2 two\n' >"$work/expected"
    expect_status 0 timeout 60 "$client" --cluster test --nodes "$address" --expect "$work/expected" "$work/text"
    child_stop second 30 || fail "the second node ended with ${child_status[second]}"
}

run_cases "$@"
