# Child processes for the scripts in deploy/ and tests/: started, waited for and ended one by one, by their own ids. A child's
# stdout is a pipe that this shell holds, so that waiting for a line of it, or for its end, needs neither sleeping nor polling:
# the pipe says both. Sourced by bash; works in the sourcing shell only, not in its subshells. Needs $work, a folder of its own.
#
# shellcheck shell=bash disable=SC2154 # $work comes from the caller
#
# SPDX-License-Identifier: Apache-2.0

declare -A child_pid=()    # name -> process id, until it has been waited for
declare -A child_out=()    # name -> file descriptor of its stdout
declare -A child_status=() # name -> exit status, once it has been waited for

say() {
    printf '%s\n' "$*"
}

complain() {
    printf '%s\n' "$*" >&2
}

foreground= # the process id of what `run` has started and not yet waited for

# run COMMAND...: runs it so that a signal to this script is acted on at once, not after the command has ended.
run() {
    local status=0
    "$@" &
    foreground=$!
    wait "$foreground" || status=$?
    foreground=
    return $status
}

# run_into FILE COMMAND...: the same, with all that it says added to the file; what a trap says is not.
run_into() {
    run becomes_with_output "$@"
}

becomes_with_output() {
    local file=$1
    shift
    ends_with_us "$@" >>"$file" 2>&1
}

# Becomes the command; the kernel sends it SIGTERM should this shell be killed. For `run`.
ends_with_us() {
    exec setpriv --pdeathsig TERM "$@"
}

# Ends what `run` is running: for traps.
run_end() {
    if [[ -n $foreground ]]; then
        kill -s TERM "$foreground" 2>/dev/null || true
        wait "$foreground" 2>/dev/null || true
        foreground=
    fi
}

# child_start NAME COMMAND...: what it says on stdout goes to $work/NAME.out as it is read, stderr to $work/NAME.log.
child_start() {
    local name=$1 pipe=$work/$1.pipe fd
    shift
    mkfifo "$pipe"
    child_command "$@" </dev/null >"$pipe" 2>>"$work/$name.log" &
    child_opened "$name" $! "$pipe"
}

# child_start_talkative NAME EXPRESSION COMMAND...: for one that says more than anybody reads. All of it goes to $work/NAME.out
# at once; only lines that match the regular expression are left to child_wait_line.
child_start_talkative() {
    local name=$1 expression=$2 pipe=$work/$1.pipe pid
    shift 2
    mkfifo "$pipe" "$pipe.all"
    child_command "$@" </dev/null >"$pipe.all" 2>>"$work/$name.log" &
    pid=$!
    setsid sed -u -n -e "w $work/$name.out" -e "/$expression/p" <"$pipe.all" >"$pipe" &
    child_opened "$name" "$pid" "$pipe"
    rm -f "$pipe.all"
}

# Becomes the command, in a session of its own, so that Ctrl-C reaches this shell only, which then ends the command in good order.
# The kernel sends it SIGTERM should this shell be killed. SIGINT means to it what it means to a command in a terminal; a shell
# has what it starts in the background ignore it.
child_command() {
    exec setsid env --default-signal=INT,QUIT setpriv --pdeathsig TERM "$@"
}

# Both ends of a pipe wait for each other in open().
child_opened() {
    local name=$1 fd
    child_pid[$name]=$2
    unset "child_status[$name]"
    exec {fd}<"$3"
    child_out[$name]=$fd
    rm -f "$3"
}

# child_wait_line NAME PATTERN SECONDS: sets $line to the first line that matches the glob. Fails when the child has ended or the
# time is up.
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

# child_signal NAME SIGNAL: only ever to a child of ours that has not been waited for, so that its id cannot be somebody else's.
child_signal() {
    if [[ -n ${child_pid[$1]-} ]]; then
        kill -s "$2" "${child_pid[$1]}" 2>/dev/null || true
    fi
}

# child_stop NAME SECONDS: asks it to end, waits, and kills it when it does not. Fails when it had to, or when its exit status
# was not 0. With nothing to stop it succeeds.
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

# Ends the named children, all asked at the same time: for traps.
children_end() {
    local name
    for name in "$@"; do
        child_signal "$name" TERM
    done
    for name in "$@"; do
        child_stop "$name" 15 || true
    done
}

# Shows the last lines of what a child has logged.
child_show_log() {
    if [[ -s $work/$1.log ]]; then
        complain "--- the last lines that $1 has logged:"
        tail -n 20 "$work/$1.log" >&2
    fi
}
