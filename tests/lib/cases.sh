# Test cases written in bash. A file of cases defines functions whose names are sentences that begin with case_, and ends with
# `run_cases "$@"`; arguments are names of cases to run (default: all). Each case runs in a subshell of its own with an empty
# folder $work, removed afterwards; it fails when a command fails that nothing checks, or by `fail`; `skip` gives the reason.
# One line for each case goes to stdout: "passed NAME", "failed NAME: why" or "skipped NAME: why".
#
# shellcheck shell=bash
#
# SPDX-License-Identifier: Apache-2.0

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
suite=$(basename "$0")

# shellcheck source=deploy/lib/processes.sh
. "$root/deploy/lib/processes.sh"
# shellcheck source=deploy/lib/ports.sh
. "$root/deploy/lib/ports.sh"

fail() {
    echo "$*" >"$work/.why"
    exit 1
}

skip() {
    echo "$*" >"$work/.skipped"
    exit 0
}

# expect_status STATUS COMMAND...: what it says goes to $work/out and $work/err.
expect_status() {
    local expected=$1 status=0
    shift
    "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    if [[ $status -ne $expected ]]; then
        fail "'$*' ended with $status, not $expected: $(tail -n 3 "$work/err")"
    fi
}

# expect_text FILE TEXT: the file contains the text.
expect_text() {
    grep -qF -- "$2" "$1" || fail "'$2' is not in what was said: $(tail -n 3 "$1")"
}

# What a case leaves running is the case's failure; it is ended by its id.
end_case() {
    local status=$?
    set +e
    run_end
    if [[ ${#child_pid[@]} -gt 0 ]]; then
        children_end "${!child_pid[@]}"
    fi
    exit $status
}

run_case() {
    local name=$1 status=0 case_pid
    work=$(mktemp -d "${TMPDIR:-/tmp}/granary-case.XXXXXX")
    (
        set -Eeuo pipefail
        trap end_case EXIT
        trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
        trap 'exit 143' TERM INT HUP
        "case_$name"
    ) >"$work/.stdout" 2>"$work/.stderr" &
    case_pid=$!
    foreground=$case_pid
    wait "$case_pid" || status=$?
    foreground=
    if [[ $status -ne 0 ]]; then
        echo "failed $suite: $name: $(cat "$work/.why" 2>/dev/null || tail -n 2 "$work/.stderr" | tr '\n' ' ')"
        sed 's/^/    /' "$work/.stdout" "$work/.stderr" >&2
        failed=1
    elif [[ -f $work/.skipped ]]; then
        echo "skipped $suite: $name: $(cat "$work/.skipped")"
    else
        echo "passed $suite: $name"
    fi
    rm -rf "$work"
}

run_cases() {
    local name
    local -a names=("$@")
    failed=0
    trap 'run_end; rm -rf "$work"; exit 143' TERM INT HUP
    if [[ ${#names[@]} -eq 0 ]]; then
        mapfile -t names < <(declare -F | sed -n 's/^declare -f case_\([a-z0-9].*\)$/\1/p')
    fi
    for name in "${names[@]}"; do
        run_case "$name"
    done
    exit $failed
}
