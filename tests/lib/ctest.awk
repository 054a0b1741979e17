# Counts the cases of a ctest run. Reads what ctest has printed (a verdict for each test), then its LastTest.log (all that the
# tests have printed), and writes lines "passed NAME", "failed NAME", "skipped NAME: why". A cmocka program counts as many times
# as it has cases; one that failed without a failing case (a crash, a leak, a time-out) has one more, named after the program.
#
# SPDX-License-Identifier: Apache-2.0

function case_name(text) {
    sub(/^\[[^]]*\] /, "", text)
    return text
}

FNR == 1 { file++ }

# 2/5 Test #4: cluster/view_test ....***Exception: SegFault  0.00 sec
file == 1 && $0 ~ /^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: / {
    name = $0
    sub(/^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: /, "", name)
    verdict = name
    sub(/ .*/, "", name)
    order[++tests] = name
    if (verdict ~ /\*\*\*Skipped/) {
        verdicts[name] = "skipped"
    } else if (verdict ~ / Passed +[0-9.]+ sec/) {
        verdicts[name] = "passed"
    } else {
        verdicts[name] = "failed"
        sub(/^[^*]*\*+/, "", verdict)
        sub(/ +[0-9.]+ sec.*/, "", verdict)
        reasons[name] = verdict
    }
    next
}

file == 2 && $0 ~ /^[0-9]+\/[0-9]+ Testing: / {
    name = $0
    sub(/^[0-9]+\/[0-9]+ Testing: /, "", name)
    inside = 0
    previous = ""
    next
}
file == 2 && $0 == "Output:" { inside = 1; summary = 0; next }
file == 2 && $0 == "<end of output>" { inside = 0; next }
file == 2 && inside && $0 ~ /^\[=+\] [0-9]+ test\(s\) run\./ { summary = 1 }
file == 2 && inside && !summary && $0 ~ /^\[ +OK \] / {
    print "passed " name ": " case_name($0)
    cases[name]++
}
file == 2 && inside && !summary && $0 ~ /^\[ +FAILED +\] / {
    print "failed " name ": " case_name($0)
    cases[name]++
    failures[name]++
}
file == 2 && inside && !summary && $0 ~ /^\[ +SKIPPED +\] / {
    print "skipped " name ": " case_name($0) ": " (previous ~ /^\[ RUN/ || previous == "" ? "no reason given" : previous)
    cases[name]++
}
file == 2 && inside && $0 !~ /^-+$/ { previous = $0; last[name] = $0 }

END {
    for (i = 1; i <= tests; i++) {
        name = order[i]
        if (verdicts[name] == "failed" && !failures[name]) {
            print "failed " name ": " reasons[name]
        } else if (verdicts[name] == "skipped") {
            print "skipped " name ": " last[name]
        } else if (verdicts[name] == "passed" && !cases[name]) {
            print "passed " name
        }
    }
}
