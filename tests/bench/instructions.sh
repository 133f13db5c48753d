#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/bench/instructions.sh [--record]
#
# Counts the instructions that an event costs in each stage of bench_stage, and compares with instructions.txt: more than
# 10 % above it or below it fails (below, because a gain that is not recorded hides the loss that comes next).
# --record writes the file instead.
#
# Instructions do not depend on what else the machine does, but on the compiler, the kind of build, the machine and the C
# library: with another `build` than the recorded one the test is left out (exit status 77).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
bench=${EDR_BUILD_DIR:-$root/build}/tests/bench_stage
record=$root/tests/bench/instructions.txt
processes=5000

skip()
{
	echo "SKIPPED: $*"
	exit 77
}

command -v valgrind >/dev/null 2>&1 || skip "valgrind is not installed"
build=$("$bench" --build)
recorded=$(sed -n 's/^build //p' "$record")
if [ "${1:-}" != --record ] && [ "$build" != "$recorded" ]; then
	skip "recorded with $recorded; this is $build"
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# count STREAM STAGE: the second half of the events alone, so that what happens once does not count.
count()
{
	for n in $processes $((2 * processes)); do
		valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="run_$2" \
			"$bench" "$1" "$2" "$n" >"$tmp/out" 2>"$tmp/err" || return 1
		sed -n 's/.*Collected *: *//p' "$tmp/err"
	done | awk -v events=$((4 * processes)) '{ n[NR] = $1 } END { if (NR < 2) exit 1; printf "%.0f\n", (n[2] - n[1]) / events }'
}

for stream in usual distinct; do
	for stage in decode table cell whole json; do
		echo "$stream $stage $(count $stream $stage)"
	done
done >"$tmp/now"

if [ "${1:-}" = --record ]; then
	{
		sed -n '/^#/p' "$record"
		echo "build $build"
		cat "$tmp/now"
	} >"$tmp/new"
	cat "$tmp/new" >"$record"
	cat "$record"
	exit 0
fi

awk '
	NR == FNR { if ($1 !~ /^(#|build)/) wanted[$1, $2] = $3; next }
	{
		w = wanted[$1, $2]
		bad = $3 == "" || w == "" || $3 > w * 1.1 || $3 < w * 0.9
		printf "%s %s %s: %s instructions an event, recorded: %s\n", bad ? "FAILED:" : "ok:", $1, $2, $3, w
		failed = failed || bad
	}
	END {
		if (failed)
			print "when that is meant: tests/bench/instructions.sh --record"
		exit failed
	}' "$record" "$tmp/now"
