#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Storms of execs and connects against the ftrace source: an agent as it is, one that is stopped for a second, and one whose
# batch of 256 KiB is full again and again. For each type produced = delivered + dropped; what was made is told, or counted as
# lost in the cell and the log; and the stream goes on.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"

in_all()
{
	sed -n 's/.*in all, \([0-9]*\) events were dropped:.*/\1/p' "$T/agent.log"
}

# storm NAME EXECS CONNECTS PAUSE [OPTION]...: the agent is stopped for PAUSE seconds in its middle.
storm()
{
	name=$1 execs=$2 connects=$3 pause=$4
	shift 4
	fresh
	: >"$T/agent.log"
	agent_start --set ADVANCED.include_raw_events=false "$@"
	"$TRUTH/pace" connect "$connects" "$(nproc)" >"$T/connect" &
	connector=$!
	"$TRUTH/pace" exec "$execs" 1 "$TRUTH/noop" >"$T/exec" &
	runner=$!
	if [ "$pause" -gt 0 ]; then
		kill -STOP "$AGENT"
		sleep "$pause"
		kill -CONT "$AGENT"
	fi
	wait "$runner"
	wait "$connector"
	jq -r --arg name "$name" '"\($name): \(.done) in \(.seconds) s"' "$T/exec" "$T/connect"
	assert "$name: the stream goes on" agent_sync
	agent_stop
	assert_eq "$name: exit status" 0 "$STATUS"
	assert_balance
	# Of all but execs raw events are lost, and of no known type.
	lost=$(sum_of_type dropped syscall)
	assert_ge "$name: execs told or lost" "$execs" "$(sum_of_type produced exec)"
	for type in "fork $execs" "exit $execs" "connect $connects"; do
		assert_ge "$name: ${type% *}s told or lost" "${type#* }" $(($(sum_of_type produced "${type% *}") + lost))
	done
	dropped=$(cells_sum '[.counts[].dropped] | add')
	assert_eq "$name: loss.total" "$dropped" "$(cells_sum .loss.total)"
	[ "$dropped" -eq 0 ] || assert_eq "$name: dropped, by the log" "$dropped" "$(in_all)"
}

storm default 2000 100000 0
storm stopped 2000 100000 1
assert_ge "stopped: dropped" 1 "$dropped"
storm "small batch" 500 200000 0 --set LIMITS.memory_mb=16 \
	--set DEFAULT.debug=true --set ADVANCED.verbose_debug_logging=false
assert_ge "small batch: times that it was full" 1 "$(grep -c 'the batch was full' "$T/agent.log")"
