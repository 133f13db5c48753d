#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `report` as its users meet it.
set -eu

program=${EDR_BINARY:?names the program}
generator=${EDR_BUILD_DIR:?}/tree/gen_capture
[ -x "$generator" ] || { echo "$generator is not built"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
R=$tmp/reports
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }

# expect STATUS TEXT ARGUMENT...
expect()
{
	status=$1 text=$2
	shift 2
	got=0
	"$program" report "$@" --reports-dir "$R" >"$tmp/out" 2>"$tmp/err" </dev/null || got=$?
	[ $got -eq "$status" ] || fail "report $* gives $got, not $status: $(head -c 300 "$tmp/err")"
	cat "$tmp/out" "$tmp/err" >"$tmp/both"
	[ -z "$text" ] || grep -qF -e "$text" "$tmp/both" || fail "'$text' is not in what report $* prints"
}

expect 66 "cannot open" list
[ ! -e "$R" ] || fail "looking made a directory"
mkdir "$tmp/captures"
"$generator" -q -d 2 "$tmp/captures" >/dev/null
for capture in "$tmp"/captures/*.cap; do
	"$program" replay "$capture" --reports-dir "$R" >/dev/null 2>&1 || fail "replay $capture"
done

expect 64 "say what"
expect 64 "did you mean verify?" verfy
expect 64 "did you mean block?" list --level blok
expect 64 "is no time" list --since yesterday
expect 64 "too many" list more
expect 64 "say which" show
expect 66 "there is no report" show nosuch
expect 0 "REPORT" list
expect 0 "block-" list --level block
expect 0 "" list --since 2100-01-01 --until 2100-01-02
[ ! -s "$tmp/out" ] || fail "list has something in 2100"
expect 0 '"report_id"' show latest
id=$("$program" report list --level cell --reports-dir "$R" | awk 'NR == 2 { print $1 }')
expect 0 "$id" show "$id"
cmp -s "$tmp/out" "$R/cells/$id.json" || fail "show is not the file"
expect 66 "did you mean $id?" show "${id}x"
for level in cell block; do
	expect 0 "watched" show latest --level $level --text
	[ "$(wc -L <"$tmp/out")" -le 80 ] || fail "show --text is $(wc -L <"$tmp/out") columns wide"
	if LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" "$tmp/out"; then
		fail "control bytes reach the terminal"
	fi
done
expect 0 "" export --level block
[ "$(wc -l <"$tmp/out")" -eq "$(find "$R/blocks" -name '*.json' | wc -l)" ] || fail "export: not one a line"

# Packed, it is the same.
expect 0 "all is well" verify
gzip -n "$R/cells/$id.json"
expect 0 "$id" show "$id"
expect 0 "all is well" verify
expect 0 '"good": true' verify --json
expect 0 "0 changed" rebuild

# Changed, it is seen.
gunzip "$R/cells/$id.json.gz"
cp "$R/cells/$id.json" "$tmp/kept"
sed -i '0,/"total": /s//"total": 1/' "$R/cells/$id.json"
expect 65 "changed" verify
expect 65 '"good": false' verify --json
cp "$tmp/kept" "$R/cells/$id.json"
expect 0 "all is well" verify
rm "$R/cells/$id.json"
expect 65 "removed" verify
exit $((failures > 0))
