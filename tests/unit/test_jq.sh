#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every recipe of docs/jq.md against a made tree of reports: each runs, most find something, and no
# name of a program reaches the terminal raw. The tree has hostile ones: tests/tree/names.c.
set -eu
umask 077

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
hostile=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
# Escaped names are in it; as they are they would clear the screen and make a line "line {...".
check_output()
{
	LC_ALL=C grep -q '[^ -~]' "$tmp/out" && fail "not only printable ASCII: $(cat "$recipe")"
	grep -qv '^[]["{0-9]' "$tmp/out" && fail "a line that is no JSON: $(cat "$recipe")"
	grep -qF -e '\u001b[2J' -e 'new\nline' "$tmp/out" && hostile=$((hostile + 1))
	return 0
}
# A recipe is what stands between ```sh and ```.
awk '/^```sh$/ { inside = 1; n++; next } /^```$/ { inside = 0 } inside { print > dir "/recipe-" n }' dir="$tmp" docs/jq.md
# No program here is called "true": all of them.
sed -i 's/\["true"\]/[]/' "$tmp"/recipe-*
for recipe in "$tmp"/recipe-*; do
	recipes=$((recipes + 1))
	# shellcheck disable=SC1090 # a line of our own docs
	if ! (. "$recipe") >"$tmp/out" 2>"$tmp/err" || [ -s "$tmp/err" ]; then
		fail "$(cat "$recipe"): $(head -c 300 "$tmp/err")"
	fi
	check_output
	[ -s "$tmp/out" ] || { silent=$((silent + 1)); echo "finds nothing here: $(head -c 100 "$recipe")"; }
done
[ $recipes -ge 12 ] || fail "only $recipes recipes"
[ $silent -le 3 ] || fail "$silent recipes find nothing"
[ $hostile -ge 3 ] || fail "only $hostile recipes meet a hostile name"
exit $((failures > 0))
