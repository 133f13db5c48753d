#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Killed ten times with SIGKILL under load, while it writes a report every few milliseconds: every report in the directory
# is whole, what a killed run left half-written is gone after the next start, and the window of all the runs has one cell,
# with their interim parts numbered through.
. "$(dirname "$0")/lib.sh"

"$TRUTH/pace" exec 10000000 1 "$TRUTH/noop" >"$T/load" &
load=$!

n_reports()
{
	report_files "$REPORTS" | wc -l
}

# The interim part of 20 events is small and written at once: hundreds a second.
launch()
{
	agent_launch --output '' --set advanced.max_events_buffer=20
}

more_reports() # THAN
{
	[ "$(n_reports)" -gt "$1" ]
}

seen_leftovers=0
for round in 1 2 3 4 5 6 7 8 9 10; do
	before=$(n_reports)
	touch "$T/round"
	launch
	wait_for 20 more_reports $((before + 5)) || die "round $round: no reports are written"
	sleep "0.$((round * 37 % 100 + 100))"
	kill -KILL "$AGENT"
	wait "$AGENT" 2>/dev/null || :
	AGENT=
	[ -z "$(half_written)" ] || seen_leftovers=$((seen_leftovers + 1))
	reports_parse -newer "$T/round" || fail "round $round: a report is not whole"
done
echo "$(n_reports) reports of ten killed runs; $seen_leftovers of them left a temporary file"

launch
wait_for 20 grep -q watching "$T/agent.log" || die "the last agent has not come up"
kill "$load"
wait "$load"
sleep 1
assert_eq "temporary files after the next start" "" "$(half_written)"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert "every report is whole" reports_parse
assert_eq "reports that others may read" "" "$(find "$REPORTS" -name '*.json' ! -perm 600)"
assert_eq "temporary files at the end" "" "$(half_written)"
assert_eq "windows with more than one cell" "" "$(jq -r .window_start "$REPORTS"/cells/*.json | sort | uniq -d)"
for cell in "$REPORTS"/cells/*.json; do
	id=$(jq -r .report_id "$cell")
	report_files "$REPORTS/" -name "$id.part*" -print0 | xargs -0 -r jq -r 'range(.part; .last_part + 1)' | sort -n >"$T/parts"
	assert_eq "numbers of the parts of $id" "$(seq "$(jq .interim.parts "$cell")")" "$(cat "$T/parts")"
done
