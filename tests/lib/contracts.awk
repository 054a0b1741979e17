# Prints every function declared with GR_API whose comment lacks one of the four tags of a contract: Owns, Errors, Thread, Units.
# Prototypes that follow each other without an empty line share the comment above the first.
#
# SPDX-License-Identifier: Apache-2.0

FNR == 1 { comment = ""; open = 0 }
/^\/\*\*/ { comment = ""; open = 1 }
open {
    comment = comment " " $0
    if ($0 ~ /\*\//) {
        open = 0
    }
    next
}
/^$/ { comment = "" }
/^GR_API / && !/^GR_API extern / {
    missing = ""
    split("Owns Errors Thread Units", tags, " ")
    for (i = 1; i <= 4; i++) {
        if (comment !~ tags[i] ":") {
            missing = missing " " tags[i]
        }
    }
    if (missing != "") {
        name = $0
        sub(/\(.*/, "", name)
        sub(/.*[ *]/, "", name)
        print FILENAME ":" FNR ": " name ": no" missing
    }
}
