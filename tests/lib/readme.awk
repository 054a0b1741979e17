# Prints the code blocks of a Markdown file that follow a comment line "<!-- MARK -->", each without its fences, several one after
# the other. The mark is given with -v mark=...
#
# SPDX-License-Identifier: Apache-2.0

inside && /^```$/ { inside = 0; next }
inside { print; next }
wanted && /^```/ { inside = 1; wanted = 0; next }
$0 == "<!-- " mark " -->" { wanted = 1 }
