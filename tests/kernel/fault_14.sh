#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 14: reports are not written atomically, the order after a restart is by file time, ids hold ':'
# and '+'. Here whoever looks at any moment sees whole reports only, their names sort by time over restarts, and hold nothing
# that a file system or a shell could stumble over.
. "$(dirname "$0")/lib.sh"

"$TRUTH/pace" exec 10000000 1 "$TRUTH/noop" >"$T/load" &
load=$!
broken=0
looks=0
for run in 1 2 3; do
	touch "$T/look"
	agent_launch --output '' --set advanced.max_events_buffer=500
	end=$(($(now_ms) + 3000))
	while [ "$(now_ms)" -lt $end ]; do
		touch "$T/next"
		reports_parse ! -name '.*' -newer "$T/look" || broken=$((broken + 1))
		mv "$T/next" "$T/look"
		looks=$((looks + 1))
	done
	agent_stop
	assert_eq "run $run: exit status" 0 "$STATUS"
done
kill "$load"
wait "$load"
echo "$(find "$REPORTS" -name '*.json' | wc -l) reports, looked at $looks times meanwhile"
assert_eq "looks that found a broken report" 0 $broken
assert_ge "cells" 3 "$(cells | wc -l)"

assert_eq "names with other characters than letters, digits, dots and dashes" "" \
	"$(find "$REPORTS" -name '*[!A-Za-z0-9.-]*' ! -path "$REPORTS")"
# shellcheck disable=SC2046 # our own names, without blanks
assert "in the order of their names, cells are in the order of time" jq -n -e \
	'[inputs | .window.covered_from] | . == sort and length >= 3' $(cells)
assert_eq "the id is the name" "" \
	"$(cells | while read -r file; do
		[ "$(jq -r .report_id "$file").json" = "$(basename "$file")" ] || echo "$file"
	done)"
assert_eq "reports with another mode than 0600" "" "$(find "$REPORTS" -type f ! -perm 600)"
