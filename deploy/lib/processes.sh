# Child processes for the scripts in deploy/ and tests/: started, waited for and ended one by one, by their own ids. A child's
# stdout is a pipe that this shell holds, so that waiting for a line of it, or for its end, needs neither sleeping nor polling:
# the pipe says both. Sourced by bash; runs in the sourcing shell only. Needs $work, a directory of its own.
#
# SPDX-License-Identifier: Apache-2.0

declare -A child_pid=()    # name -> process id, until it has been waited for
declare -A child_out=()    # name -> file descriptor of its stdout
declare -A child_status=() # name -> exit status, once it has been waited for
child_names=()             # in the order of starting

say() {
    printf '%s\n' "$*"
}

complain() {
    printf '%s\n' "$*" >&2
}

# child_start NAME COMMAND...: its stderr goes to $work/NAME.log. It gets SIGTERM from the kernel if this shell is killed.
child_start() {
    local name=$1 pipe=$work/$1.pipe fd
    shift
    mkfifo "$pipe"
    setpriv --pdeathsig TERM "$@" </dev/null >"$pipe" 2>>"$work/$name.log" &
    child_pid[$name]=$!
    child_names+=("$name")
    unset "child_status[$name]"
    exec {fd}<"$pipe"
    child_out[$name]=$fd
    rm -f "$pipe"
}

# child_wait_line NAME PATTERN SECONDS: sets $line to the first line that matches the glob. Fails when the child has ended or the
# time is up; everything it says goes to $work/NAME.out as well.
child_wait_line() {
    local name=$1 pattern=$2 until=$((SECONDS + $3)) fd=${child_out[$1]}
    line=
    while [[ $SECONDS -lt $until ]] && IFS= read -r -t $((until - SECONDS)) -u "$fd" line; do
        printf '%s\n' "$line" >>"$work/$name.out"
        # shellcheck disable=SC2053 # a pattern is meant
        if [[ $line == $pattern ]]; then
            return 0
        fi
    done
    return 1
}

# child_wait_end NAME SECONDS: waits until it has closed its stdout and ended; its exit status is in ${child_status[NAME]}.
# Fails when the time is up.
child_wait_end() {
    local name=$1 until=$((SECONDS + $2)) fd=${child_out[$1]} got text
    while :; do
        got=0
        IFS= read -r -t $((until > SECONDS ? until - SECONDS : 1)) -u "$fd" text || got=$?
        [[ -z $text ]] || printf '%s\n' "$text" >>"$work/$name.out"
        if [[ $got -gt 128 ]]; then
            return 1
        elif [[ $got -ne 0 ]]; then
            break
        fi
    done
    child_reap "$name"
}

# Takes the exit status of a child that has ended or is about to.
child_reap() {
    local name=$1 status=0 fd=${child_out[$1]}
    wait "${child_pid[$name]}" || status=$?
    exec {fd}<&-
    child_status[$name]=$status
    unset "child_pid[$name]" "child_out[$name]"
}

# child_signal NAME SIGNAL: only ever to a child of ours that has not been waited for, so its id cannot be somebody else's.
child_signal() {
    if [[ -n ${child_pid[$1]-} ]]; then
        kill -s "$2" "${child_pid[$1]}" 2>/dev/null || true
    fi
}

# child_stop NAME SECONDS: asks it to end, waits, and takes harsher means when it does not. Fails when it had to, or when its exit
# status was not 0.
child_stop() {
    local name=$1
    [[ -n ${child_pid[$name]-} ]] || return 0
    child_signal "$name" TERM
    if ! child_wait_end "$name" "$2"; then
        child_signal "$name" KILL
        child_reap "$name"
        return 1
    fi
    [[ ${child_status[$name]} -eq 0 ]]
}

# Ends all children at once, without ceremony but for a chance to end by themselves: for traps.
children_end() {
    local name
    for name in "${!child_pid[@]}"; do
        child_signal "$name" TERM
    done
    for name in "${!child_pid[@]}"; do
        child_stop "$name" "${1:-15}" || true
    done
}

# Shows the last lines of what a child has logged.
child_show_log() {
    if [[ -s $work/$1.log ]]; then
        complain "--- the last lines that $1 has logged:"
        tail -n 20 "$work/$1.log" >&2
    fi
}
