# A Consul agent in development mode (all in memory, one server, nothing on disk) on loopback, for the demo and the tests; and a
# look at whether there is one already. Sourced by bash after processes.sh and ports.sh.
#
# SPDX-License-Identifier: Apache-2.0

# The agent that the environment names, as HOST:PORT or URL.
consul_address() {
    printf '%s\n' "${CONSUL_HTTP_ADDR:-127.0.0.1:8500}"
}

# Whether an agent answers there and has a leader. The address may be given as HOST:PORT or as a URL.
consul_running() {
    local url=$1
    [[ $url == *://* ]] || url=http://$url
    curl -fsS --noproxy '*' --max-time 3 "$url/v1/status/leader" 2>/dev/null | grep -q ':[0-9]'
}

# consul_start BINARY: starts an agent as the child "consul", waits until it can be written to, and sets $consul_http to its
# HOST:PORT. Ports are chosen anew when somebody was faster.
consul_start() {
    local consul=$1 attempt
    for attempt in 1 2 3 4 5; do
        ports_free 4
        rm -f "$work/consul.out" "$work/consul.log"
        child_start consul "$consul" agent -dev -node granary-dev -bind 127.0.0.1 -advertise 127.0.0.1 -client 127.0.0.1 \
            -log-level info -http-port "${ports[0]}" -server-port "${ports[1]}" -serf-lan-port "${ports[2]}" \
            -serf-wan-port "${ports[3]}" -dns-port -1 -grpc-port -1 -hcl 'leave_on_terminate = true disable_update_check = true'
        if child_wait_line consul '*Synced node info*' 30; then
            # Somebody has to read what it says from now on, or it would wait for a reader; nobody reads more than once.
            consul_http=127.0.0.1:${ports[0]}
            return 0
        fi
        child_signal consul KILL
        child_reap consul
        if ! grep -q 'address already in use' "$work/consul.out" "$work/consul.log" 2>/dev/null; then
            break
        fi
    done
    complain "The Consul agent did not start (attempt $attempt):"
    tail -n 10 "$work/consul.out" "$work/consul.log" >&2 2>/dev/null || true
    return 1
}
