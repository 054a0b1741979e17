# Ports on loopback for programs that cannot choose one by themselves (Consul), and a look at whether one is open.
# Sourced by bash.
#
# shellcheck shell=bash
#
# SPDX-License-Identifier: Apache-2.0

# port_open PORT: whether anything of this machine listens on it, on TCP.
port_open() {
    [[ -n $(ss -Hltn "sport = :$1") ]]
}

# ports_free COUNT: sets the array $ports to numbers below the range the kernel hands out by itself, on which nothing listens
# now. Somebody else may take one before it is used: the user of the ports notices and asks again.
ports_free() {
    local port
    ports=()
    while [[ ${#ports[@]} -lt $1 ]]; do
        port=$((10000 + RANDOM % 20000))
        if [[ " ${ports[*]} " != *" $port "* ]] && ! port_open "$port"; then
            ports+=("$port")
        fi
    done
}
