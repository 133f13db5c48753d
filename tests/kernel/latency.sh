#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How long from an exec to its line in --output: within 200 ms, when nothing else happens and when much does. The bound for
# the slowest is wider, for other things run on a test machine too.
. "$(dirname "$0")/lib.sh"

# measure NAME: 50 execs.
measure()
{
	"$TRUTH/pace" latency "$EVENTS" 50 "$TRUTH/noop" | sort -n >"$T/delays"
	assert_eq "$1: measured" 50 "$(wc -l <"$T/delays")"
	median=$(sed -n 25p "$T/delays")
	longest=$(tail -n 1 "$T/delays")
	echo "$1: median $median ms, longest $longest ms"
	assert_le "$1: median ms" 200 "$median"
	assert_le "$1: longest ms" 1000 "$longest"
}

agent_start
measure idle
"$TRUTH/pace" exec 10000000 2 "$TRUTH/noop" >"$T/load" &
load=$!
sleep 0.5
measure busy
kill "$load"
wait "$load"
jq -r '"busy: \(.done / .seconds | floor) execs a second"' "$T/load"
agent_stop
assert_eq "exit status" 0 "$STATUS"
