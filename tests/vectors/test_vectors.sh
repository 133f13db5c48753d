#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Are the vectors in tests/vectors what make_vectors writes?
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$EDR_BUILD_DIR/tests/make_vectors" "$tmp"
diff -r --exclude='*.c' --exclude='*.h' --exclude='*.sh' --exclude=CMakeLists.txt tests/vectors "$tmp" || {
	echo "after reading the differences: $EDR_BUILD_DIR/tests/make_vectors tests/vectors"
	exit 1
}
