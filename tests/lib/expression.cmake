# cmake -DEXPRESSION=... -P expression.cmake: fails when CMake, and so ctest, cannot read the regular expression. ctest itself
# complains, takes it that no test matches, and succeeds.
#
# SPDX-License-Identifier: Apache-2.0
string(REGEX MATCH "${EXPRESSION}" matched "")
