#!/usr/bin/env bash
# Every script parses, says what it is and is executable when it is meant to be run; and the counting of test results counts.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"

scripts() {
    (cd "$root" && git ls-files -- deploy tests .ci bench examples 2>/dev/null || true) | while IFS= read -r file; do
        if [[ -f $root/$file && ($file == *.sh || $(head -c 2 "$root/$file" | tr -d '\0') == '#!') ]]; then
            echo "$file"
        fi
    done
}

case_scripts_parse() {
    local file
    while IFS= read -r file; do
        case $(head -n 1 "$root/$file") in
        *bash* | '# '*) bash -n "$root/$file" || fail "$file does not parse" ;;
        *'/bin/sh'*) sh -n "$root/$file" || fail "$file does not parse" ;;
        esac
    done < <(scripts)
}

case_scripts_pass_shellcheck() {
    command -v shellcheck >/dev/null || skip "shellcheck is not installed"
    local file
    while IFS= read -r file; do
        [[ $(head -n 1 "$root/$file") == *python* ]] || (cd "$root" && shellcheck -x -S warning "$file") || fail "shellcheck has a word about $file"
    done < <(scripts)
}

case_scripts_name_their_licence() {
    local file
    while IFS= read -r file; do
        head -n 20 "$root/$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || fail "$file has no SPDX line"
    done < <(scripts)
}

case_results_of_ctest_are_counted_by_case() {
    mkdir "$work/project"
    cat >"$work/project/CMakeLists.txt" <<'PROJECT'
cmake_minimum_required(VERSION 3.22)
project(counted NONE)
enable_testing()
add_test(NAME fine COMMAND printf "[       OK ] a\\n[       OK ] b\\nno agent\\n[  SKIPPED ] c\\n")
add_test(NAME plain COMMAND true)
add_test(NAME broken COMMAND sh -c "printf '[       OK ] a\\n[  FAILED  ] b\\n[==========] 2 test(s) run.\\n[  FAILED  ] b\\n'; exit 1")
add_test(NAME crashing COMMAND sh -c "printf '[       OK ] a\\n'; kill -SEGV $$")
add_test(NAME away COMMAND sh -c "echo 'not today'; exit 77")
set_tests_properties(away PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME absent COMMAND ${CMAKE_CURRENT_BINARY_DIR}/no-such-program)
PROJECT
    cmake -S "$work/project" -B "$work/build" -G Ninja >/dev/null
    ctest --test-dir "$work/build" -j 2 >"$work/printed" 2>&1 || true
    awk -f "$root/tests/lib/ctest.awk" "$work/printed" "$work/build/Testing/Temporary/LastTest.log" | LC_ALL=C sort >"$work/counted"
    cat >"$work/expected" <<'TEXT'
failed absent: Not Run
failed broken: b
failed crashing: Exception: SegFault
passed broken: a
passed crashing: a
passed fine: a
passed fine: b
passed plain
skipped away: not today
skipped fine: c: no agent
TEXT
    diff "$work/expected" "$work/counted" >&2 || fail "counted otherwise"
}

case_wrong_use_of_the_runner_is_refused() {
    expect_status 2 "$root/tests/run" nonsense
    expect_text "$work/err" "'nonsense' is neither a flag nor a suite"
    expect_status 2 "$root/tests/run" scripts --quick
    expect_text "$work/err" 'not both'
    expect_status 2 "$root/tests/run" dev --filter
    expect_text "$work/err" '--filter needs an expression'
    expect_status 2 "$root/tests/run" checks --filter view
    expect_text "$work/err" 'none of them is named'
    expect_status 2 "$root/tests/run" dev --filter '['
    expect_text "$work/err" "'[' is no regular expression"
}

case_a_failing_case_is_reported_and_leaves_nothing() {
    cat >"$work/some.sh" <<TEXT
. "$root/tests/lib/cases.sh"
case_good() { true; }
case_bad() { child_start sleeper sleep 60; echo "\$work \${child_pid[sleeper]}" >&2; false; true; }
case_absent() { skip "no reason at all"; }
run_cases "\$@"
TEXT
    expect_status 1 bash "$work/some.sh"
    LC_ALL=C sort "$work/out" | cut -d: -f1,2 >"$work/sorted"
    printf '%s\n' 'failed some.sh: bad' 'passed some.sh: good' 'skipped some.sh: absent' | diff - "$work/sorted" >&2
    local folder pid
    read -r folder pid < <(sed -n 's/^ *\(\/[^ ]*\) \([0-9]*\)$/\1 \2/p' "$work/err")
    [[ -n $folder && ! -e $folder ]] || fail "the folder '$folder' is left"
    [[ -n $pid && ! -e /proc/$pid ]] || fail "the process '$pid' is left"
}

run_cases "$@"
