#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A model's server that accepts and says nothing, for EDR_HANG_S seconds under load: no event and no report is late, nothing
# is lost, and the agent stops as quickly as ever. Beside it stand the delays of the same load where no model is asked.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/model.sh"

seconds=${EDR_HANG_S:-90}
loads=

# Execs and UDP connects, some hundred a second.
load_start()
{
	"$TRUTH/pace" exec 10000000 2 "$TRUTH/noop" 50 >"$T/load" &
	loads=$!
	(while "$TRUTH/pace" connect 100 1 >>"$T/connects"; do sleep 0.5; done) &
	loads="$loads $!"
}

load_end()
{
	# shellcheck disable=SC2086 # two
	kill $loads 2>/dev/null || :
	# shellcheck disable=SC2086
	wait $loads 2>/dev/null || :
}

all_end()
{
	load_end
	model_end
}

# measure SECONDS FILE: the delays of execs in that time, sorted.
measure()
{
	deadline=$(($(now_ms) + $1 * 1000))
	while [ "$(now_ms)" -lt $deadline ]; do
		"$TRUTH/pace" latency "$EVENTS" 50 "$TRUTH/noop" >>"$2.raw"
	done
	sort -n "$2.raw" >"$2"
}

delay() # FILE PERCENT
{
	sed -n "$((($(wc -l <"$1") * $2 + 99) / 100))p" "$1"
}

tell() # WHAT FILE
{
	echo "$1: $(wc -l <"$2") execs, median $(delay "$2" 50) ms, 99 of 100 within $(delay "$2" 99) ms," \
		"longest $(delay "$2" 100) ms"
}

# This first agent leaves a report too, which waits for the model: the next agent asks at once.
agent_start
load_start
AT_EXIT=load_end
measure 10 "$T/alone"
load_end
agent_stop
assert_eq "the first run's exit status" 0 "$STATUS"
tell "no model" "$T/alone"

model_serve hang $((seconds + 120))
AT_EXIT=all_end
model_agent --set analysis.request_timeout=$((seconds + 120))
wait_for 20 requests_reach 1 || die "the server was not asked"
load_start
begin=$(now_ms)
measure "$seconds" "$T/hanging"
end=$(now_ms)
load_end
agent_sync || die "the agent has gone"
assert_eq "requests that wait since the start" 1 "$(requests)"
stop=$(now_ms)
agent_stop
stopped=$(now_ms)
assert_eq "exit status" 0 "$STATUS"
# client_stop() waits a second at most.
assert_le "ms to stop" 5000 $((stopped - stop))
assert_eq "verdicts" 0 "$(find "$REPORTS/analysis" -name 'cell-*' | wc -l)"

tell "$(((end - begin) / 1000)) s of a server that hangs" "$T/hanging"
echo "$(cells_sum .total) events in the reports"
assert_ge "events" $((seconds * 200)) "$(cells_sum .total)"
assert_le "median ms" 200 "$(delay "$T/hanging" 50)"
assert_le "99 of 100, ms" 1000 "$(delay "$T/hanging" 99)"
# pace gives up after 5 s: one that waits for the server would take minutes.
assert_le "longest ms" 4000 "$(delay "$T/hanging" 100)"

cells_late "$begin" "$end" | sort -n >"$T/late"
assert_ge "cells that ended meanwhile" $((seconds / 60)) "$(wc -l <"$T/late")"
assert_le "the latest cell, ms behind its window's end" 3000 "$(tail -n 1 "$T/late")"
assert_eq "dropped" 0 "$(cells_sum '[.counts[].dropped] | add')"
assert_balance
