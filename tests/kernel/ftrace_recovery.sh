#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Somebody takes the ftrace source away under us, one way after the other: it is found out within a second, opened again, and
# the seconds that we were blind are in the report.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tracefs.sh"
trace_state >"$T/before"

said() # WORDS COUNT
{
	[ "$(grep -cF "$1" "$T/agent.log")" -ge "$2" ]
}

# blinded NAME COMMAND...: that, and what must follow. EDR_FOUND_MS: more than a second and a bit, for a virtual machine.
taken=0
away=0 # ms from found out to open again
doubted=0 # ms from done to open again, and the second before, in which nobody had looked
blinded()
{
	name=$1
	shift
	taken=$((taken + 1))
	from=$(now_ms)
	"$@" || die "$name: could not be done"
	if wait_for 10 said "the source has failed" $taken; then
		assert_le "$name: ms until it is found out" "${EDR_FOUND_MS:-1300}" $(($(now_ms) - from))
	else
		die "$name: is not found out"
	fi
	found=$(now_ms)
	assert "$name: the source is open again" wait_for "${EDR_WAIT_S:-20}" said "the source is open again" $taken
	echo "$name: open again after $(($(now_ms) - from)) ms"
	away=$((away + $(now_ms) - found - 100))
	doubted=$((doubted + $(now_ms) - from + 1500))
	assert "$name: what happens is seen again" agent_sync
}

switch() # FILE VALUE
{
	echo "$2" >"$ours/$1"
}

agent_start
blinded "all events switched off" switch events/enable 0
blinded "one event switched off" switch events/sched/sched_process_exec/enable 0
blinded "tracing_on 0" switch tracing_on 0
blinded "a filter on an event" switch events/sched/sched_process_exec/filter 'common_pid == 0'
blinded "one process alone" switch set_event_pid 1
if rmdir "$ours" 2>"$T/rmdir"; then
	blinded "instance removed" true
else
	echo "instance: cannot be removed while we read from it: $(cat "$T/rmdir")"
	assert "instance: it is there" agent_sync
fi
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert_blind()
{
	blind=$(cells_sum '.loss.blind_seconds * 1000')
	assert_ge "blind ms in the report" "$away" "$blind"
	assert_le "blind ms in the report" "$doubted" "$blind"
}
assert_blind
assert_balance
trace_state >"$T/after"
assert "nothing is left" diff "$T/before" "$T/after"

# Unmounted under us, where only we see it.
hold_without /sys/kernel/debug/tracing /sys/kernel/debug
unmount_theirs()
{
	$LAUNCH umount -l "$tracing"
}
fresh
: >"$T/agent.log"
taken=0 away=0 doubted=0
agent_start
blinded "tracefs unmounted" unmount_theirs
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert_blind
trace_state >"$T/after"
assert "nothing is left" diff "$T/before" "$T/after"
