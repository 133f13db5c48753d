#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every recipe of docs/jq.md against a made tree of reports: each runs, and most find something.
set -eu

program=${EDR_BINARY:?names the program}
generator=${EDR_BUILD_DIR:?}/tree/gen_capture
command -v jq >/dev/null || { echo "no jq here"; exit 77; }
[ -x "$generator" ] || { echo "$generator is not built"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
R=$tmp/reports
edr() { "$program" "$@" --reports-dir "$R"; }

mkdir "$tmp/captures"
# From a Sunday on: two weeks end.
"$generator" -q -r 1 -s 1792281600 -d 9 "$tmp/captures" >/dev/null
for capture in "$tmp"/captures/*.cap; do
	edr replay "$capture" >/dev/null 2>"$tmp/log" || { cat "$tmp/log"; exit 1; }
done
edr report verify

failures=0
recipes=0
silent=0
# A recipe is what stands between ```sh and ```.
awk '/^```sh$/ { inside = 1; n++; next } /^```$/ { inside = 0 } inside { print > dir "/recipe-" n }' dir="$tmp" docs/jq.md
for recipe in "$tmp"/recipe-*; do
	recipes=$((recipes + 1))
	# shellcheck disable=SC1090 # a line of our own docs
	if ! (. "$recipe") >"$tmp/out" 2>"$tmp/err" || [ -s "$tmp/err" ]; then
		echo "FAILED: $(cat "$recipe"): $(head -c 300 "$tmp/err")"
		failures=$((failures + 1))
	fi
	[ -s "$tmp/out" ] || { silent=$((silent + 1)); echo "finds nothing here: $(head -c 100 "$recipe")"; }
done
[ $recipes -ge 12 ] || { echo "FAILED: only $recipes recipes"; failures=1; }
[ $silent -le 3 ] || { echo "FAILED: $silent recipes find nothing"; failures=1; }
exit $((failures > 0))
