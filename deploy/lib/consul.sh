# A Consul agent in development mode (all in memory, one server, nothing on disk) on loopback, for the demo and the tests; and a
# look at whether there is one already. Sourced by bash after processes.sh and ports.sh.
#
# shellcheck shell=bash disable=SC2034,SC2154 # $work, $ports come from there; $consul_http is for the caller
#
# SPDX-License-Identifier: Apache-2.0

# consul_running BINARY ADDRESS: whether an agent answers there and its servers have a leader.
consul_running() {
    CONSUL_HTTP_ADDR=$2 timeout 5 "$1" catalog datacenters >/dev/null 2>&1
}

# consul_start BINARY: starts an agent as the child "consul", waits until it can be written to, and sets $consul_http to its
# HOST:PORT. Tries other ports when somebody was faster with the first.
consul_start() {
    local consul=$1 tries=5
    while [[ $tries -gt 0 ]]; do
        tries=$((tries - 1))
        ports_free 4
        rm -f "$work/consul.out" "$work/consul.log"
        child_start_talkative consul 'Synced node info' "$consul" agent -dev -node granary-dev -bind 127.0.0.1 \
            -client 127.0.0.1 -log-level info -http-port "${ports[0]}" -server-port "${ports[1]}" \
            -serf-lan-port "${ports[2]}" -serf-wan-port "${ports[3]}" -dns-port -1 -grpc-port -1 \
            -hcl 'disable_update_check = true'
        if child_wait_line consul '*Synced node info*' 30; then
            consul_http=127.0.0.1:${ports[0]}
            return 0
        fi
        child_signal consul KILL
        child_reap consul
        if ! grep -qs 'address already in use' "$work/consul.out" "$work/consul.log"; then
            break
        fi
    done
    complain "The Consul agent did not start:"
    tail -qn 10 "$work/consul.out" "$work/consul.log" >&2 || true
    return 1
}

# Stops the agent that consul_start has started. Its exit status says nothing: it does not leave a cluster, which takes seconds,
# because it is one by itself. Fails when it did not end in time.
consul_stop() {
    child_signal consul TERM
    if ! child_wait_end consul 20; then
        child_signal consul KILL
        child_reap consul
        return 1
    fi
}
