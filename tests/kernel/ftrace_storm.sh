#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Storms of execs and connects against the ftrace source: an agent as it is, one that is stopped for a second, and one whose
# batch of 256 KiB is full again and again. For each type produced = delivered + dropped; what was made is told, or counted as
# lost in the cell and the log; each exec is told once, and none that was not made; and the stream goes on.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"

in_all()
{
	sed -n 's/.*in all, \([0-9]*\) events were dropped:.*/\1/p' "$T/agent.log"
}

# A name of its own: others run programs on this host too.
program=edr-storm-noop
cp "$TRUTH/noop" "$T/$program"

# once NAME EXECS LOST: every process of the storm's program has one exec record, and there are EXECS less LOST, and less what
# --output had no time for.
once()
{
	jq -r --arg name "$program" 'select(.type == "exec" and .command == $name) |
		[.pid, .uid, .ppid, (.filename // "" | length)] | @tsv' "$EVENTS" >"$T/execs"
	assert_eq "$1: exec records that are one too many" 0 $(($(wc -l <"$T/execs") - $(cut -f 1 "$T/execs" | sort -u | wc -l)))
	assert_eq "$1: exec records without a file name" 0 "$(awk '$4 == 0' "$T/execs" | wc -l)"
	assert_le "$1: exec records" "$2" "$(wc -l <"$T/execs")"
	missing=$(sed -n 's/.*output: \([0-9]*\) records could not be written in time.*/\1/p' "$T/agent.log" | awk '{ n += $1 } END { print n + 0 }')
	assert_ge "$1: exec records, with $missing records that --output lacks" $(($2 - $3)) $(($(wc -l <"$T/execs") + missing))
}

# storm NAME EXECS CONNECTS PAUSE [OPTION]...: the agent is stopped for PAUSE seconds in its middle.
storm()
{
	name=$1 execs=$2 connects=$3 pause=$4
	shift 4
	fresh
	: >"$T/agent.log"
	agent_start --set ADVANCED.include_raw_events=false "$@"
	: >"$T/connect"
	connector=
	if [ "$connects" -gt 0 ]; then
		"$TRUTH/pace" connect "$connects" "$(nproc)" >"$T/connect" &
		connector=$!
	fi
	"$TRUTH/pace" exec "$execs" 2 "$T/$program" >"$T/exec" &
	runner=$!
	if [ "$pause" -gt 0 ]; then
		kill -STOP "$AGENT"
		sleep "$pause"
		kill -CONT "$AGENT"
	fi
	wait "$runner"
	[ -z "$connector" ] || wait "$connector"
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
	once "$name" "$execs" "$(sum_of_type dropped exec)"
}

storm default 2000 100000 0
storm stopped 2000 100000 1
assert_ge "stopped: dropped" 1 "$dropped"
storm "small batch" 500 200000 0 --set LIMITS.memory_mb=16 \
	--set DEFAULT.debug=true --set ADVANCED.verbose_debug_logging=false
assert_ge "small batch: times that it was full" 1 "$(grep -c 'the batch was full' "$T/agent.log")"

# Nothing is lost, the batch is full of execs that are seconds old: parent and user of each are known.
storm backlog 4000 0 4 --set LIMITS.memory_mb=32 --set SOURCE.ring_exec_kb=65536 --set SOURCE.ring_noisy_kb=65536 \
	--set DEFAULT.debug=true --set ADVANCED.verbose_debug_logging=false
assert_eq "backlog: dropped" 0 "$dropped"
assert_ge "backlog: times that the batch was full" 1 "$(grep -c 'the batch was full' "$T/agent.log")"
assert_eq "backlog: execs without a user or a parent" 0 "$(awk '$2 == 4294967295 || $3 == 0' "$T/execs" | wc -l)"
