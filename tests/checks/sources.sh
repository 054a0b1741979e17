#!/usr/bin/env bash
# The form of the sources, as far as a tool can judge it. What is looked at is what git knows.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib/cases.sh
. "$(dirname "$0")/../lib/cases.sh"
cd "$root" || exit 1

layers=(runtime remote cluster)

# The include folders of a layer and of those below it: what code that includes its headers may see.
includes_of() {
    local layer
    for layer in "${layers[@]}"; do
        printf -- '-I%s/include\n' "$layer"
        [[ $layer != "$1" ]] || break
    done
}

# headers_alone COMPILER FLAGS...: every public header compiles by itself, twice in a row, in a file of its own.
headers_alone() {
    local layer header
    local -a includes
    for layer in "${layers[@]}"; do
        mapfile -t includes < <(includes_of "$layer")
        for header in "$layer"/include/granary/*.h; do
            header=granary/$(basename "$header")
            printf '#include <%s>\n#include <%s>\n' "$header" "$header" >"$work/alone.${extension}"
            "$@" -Wall -Wextra -Wconversion -Wshadow -Werror -fsyntax-only "${includes[@]}" "$work/alone.${extension}" ||
                fail "<$header> does not stand alone with $*"
        done
    done
}

# no_line EXPRESSION WHAT FILES...: no line of them matches.
no_line() {
    local expression=$1 what=$2
    shift 2
    if grep -nE "$expression" "$@" >"$work/lines"; then
        cat "$work/lines" >&2
        fail "$what: $(head -n 1 "$work/lines")"
    fi
}

code() {
    git ls-files -- '*.c' '*.h' '*.S' | grep -v '^tests/codegen/golden/'
}

# Those that are only written for others: libraries and programs, not tests.
own_code() {
    code | grep -E '^(runtime|remote|cluster|codegen|examples)/'
}

case_public_headers_stand_alone_in_c11() {
    extension=c
    headers_alone gcc -std=c11 -pedantic
    headers_alone "$(command -v clang || command -v clang-14)" -std=c11 -pedantic
}

case_public_headers_stand_alone_in_cpp17() {
    extension=cc
    headers_alone g++ -std=c++17 -pedantic
}

case_every_public_function_has_a_contract() {
    awk -f tests/lib/contracts.awk {runtime,remote,cluster}/include/granary/*.h >"$work/lines"
    if [[ -s $work/lines ]]; then
        cat "$work/lines" >&2
        fail "$(wc -l <"$work/lines") functions lack a tag, the first: $(head -n 1 "$work/lines")"
    fi
}

case_code_is_laid_out_by_clang_format() {
    local format
    format=$(command -v clang-format || command -v clang-format-14)
    code | grep -v '\.S$' | xargs "$format" --dry-run -Werror 2>"$work/lines" || {
        cat "$work/lines" >&2
        fail "not as clang-format would: $(grep -o '^[^:]*' "$work/lines" | grep '\.[ch]$' | sort -u | tr '\n' ' ')"
    }
}

case_every_file_opens_with_a_comment_and_one_licence_line() {
    local file
    while IFS= read -r file; do
        head -n 1 "$file" | grep -qE '^(/\*|//|#)' || fail "$file does not begin by saying what it is"
        [[ $(grep -c 'SPDX-License-Identifier: Apache-2.0' "$file") -eq 1 ]] || fail "$file has not one SPDX line"
    done < <(code)
}

case_no_file_has_a_thousand_lines() {
    local file
    while IFS= read -r file; do
        [[ $(wc -l <"$file") -lt 1000 ]] || fail "$file: split it by concept"
    done < <(code)
}

case_no_unsafe_call_is_made() {
    mapfile -t files < <(own_code)
    no_line '\<(strcpy|strcat|sprintf|vsprintf|strtok|gets|rand|srand|random|atoi|atol|alloca|usleep)\(' \
        "a call that is not allowed" "${files[@]}"
}

case_every_atomic_access_names_its_order() {
    mapfile -t files < <(own_code)
    no_line '\<atomic_(load|store|exchange|fetch_[a-z]+|compare_exchange_(weak|strong)|thread_fence\(\)|flag_(test_and_set|clear))\(' \
        "an atomic access without an order" "${files[@]}"
}

case_nothing_is_left_for_later() {
    mapfile -t files < <(git ls-files | grep -v '^tests/checks/sources.sh$')
    no_line '\<(TODO|FIXME|XXX|HACK)\>' "left for later" "${files[@]}"
}

# included_once HEADER: by one file of the libraries at most.
included_once() {
    own_code | xargs grep -lE "#include <$1" >"$work/lines" || true
    [[ $(wc -l <"$work/lines") -le 1 ]] || fail "<$1> is included by more than one file: $(tr '\n' ' ' <"$work/lines")"
}

case_every_outside_library_has_one_place() {
    local header
    for header in nng/ curl/ sqlite3.h jansson.h openssl/; do
        included_once "$header"
    done
}

case_every_log_id_is_explained_and_every_explanation_is_of_one() {
    own_code | xargs grep -ohE '"GR-[A-Z0-9-]+"' | tr -d '"' | LC_ALL=C sort -u >"$work/used"
    sed -n 's/^### \(GR-[A-Z0-9-]*\)$/\1/p' docs/debugging.md | LC_ALL=C sort >"$work/explained"
    LC_ALL=C uniq -d "$work/explained" >"$work/twice"
    [[ ! -s $work/twice ]] || fail "docs/debugging.md explains more than once: $(tr '\n' ' ' <"$work/twice")"
    diff "$work/used" "$work/explained" >&2 || fail "docs/debugging.md and the code differ in log ids: $(diff "$work/used" "$work/explained" | grep '^[<>]' | tr '\n' ' ')"
}

# headings FILE: as anchors, the way that web pages make them of headings.
headings() {
    sed -n 's/^##* //p' "$1" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-'
}

case_every_link_between_pages_leads_somewhere() {
    local page link target anchor
    while IFS= read -r page; do
        while IFS= read -r link; do
            target=${link%%#*}
            [[ $link == *'#'* ]] && anchor=${link#*#} || anchor=
            [[ -n $target ]] && target=$(dirname "$page")/$target || target=$page
            [[ -e $target ]] || fail "$page links to '$link', which does not exist"
            [[ -z $anchor ]] || headings "$target" | grep -qx -e "$anchor" || fail "$page links to '$link', and there is no such heading"
        done < <(grep -oE '\]\([^)]+\)' "$page" | sed -e 's/^](//' -e 's/)$//' | grep -vE '^[a-z]+:')
    done < <(git ls-files -- '*.md')
}

case_every_decision_is_listed_under_its_title() {
    local file number title
    while IFS= read -r file; do
        IFS=': ' read -r _ number title <"$file"
        grep -qxF -e "- [$number]($(basename "$file")): $title" docs/decisions/README.md ||
            fail "docs/decisions/README.md has no line '- [$number]($(basename "$file")): $title'"
    done < <(git ls-files -- 'docs/decisions/0*.md')
}

# section PAGE HEADING: what stands below that heading, up to the next one.
section() {
    awk -v heading="$2" '/^#/ { inside = ($0 == heading) } inside' "$1"
}

# docs/architecture.md names every source file, in the table of its folder; a header goes with the .c of its name.
case_the_tour_of_the_code_names_every_file_and_no_other() {
    local folder file name pattern found
    local -a patterns
    for folder in runtime remote cluster codegen; do
        mapfile -t patterns < <(section docs/architecture.md "### $folder" | grep -oE '`[^`]+\.[chS]`' | tr -d '`')
        [[ ${#patterns[@]} -gt 0 ]] || fail "docs/architecture.md has no table of $folder"
        mapfile -t files < <(git ls-files -- "$folder/*.c" "$folder/*.h" "$folder/*.S" | grep -v '/include/')
        for file in "${files[@]}"; do
            name=$(basename "$file")
            found=no
            for pattern in "${patterns[@]}"; do
                # shellcheck disable=SC2053 # a pattern is meant
                if [[ $name == $pattern || ($name == *.h && ${name%.h}.c == "$pattern") ]]; then
                    found=yes
                fi
            done
            [[ $found = yes ]] || fail "docs/architecture.md does not say what $file is for: add it to the table of $folder"
        done
        for pattern in "${patterns[@]}"; do
            # Not a pipe: grep goes at the first match, and printf might fail for it.
            grep -qE "^${pattern//\*/.*}$" < <(printf '%s\n' "${files[@]##*/}") || fail "docs/architecture.md names '$pattern' in $folder, which does not exist"
        done
    done
}

case_layers_do_not_include_upwards() {
    mapfile -t files < <(git ls-files -- 'runtime/*.[ch]')
    no_line '#include <granary/(remote|cluster|node|client|kind)' "the runtime knows a layer above it" "${files[@]}"
    mapfile -t files < <(git ls-files -- 'remote/*.[ch]')
    no_line '#include <granary/(cluster|node|client|kind)' "the remote layer knows the one above it" "${files[@]}"
}

run_cases "$@"
