#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: cmake/syscalls.sh OUT CC [FLAG]...: the syscall numbers of the target, as lines of a C table, from its own
# headers.
set -eu
out=$1
tmp=$1.tmp
shift
printf '#include <sys/syscall.h>\n' | "$@" -E -dM - |
	sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/	{ "\1", __NR_\1 },/p' | LC_ALL=C sort >"$tmp"
[ -s "$tmp" ] || { echo "$0: no syscall numbers in <sys/syscall.h>" >&2; exit 1; }
mv "$tmp" "$out"
