#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the ftrace source puts into the kernel goes with it: at SIGTERM and SIGINT, and what kill -9 left, at the next start
# and end. That holds for tracefs itself, where we had to mount it.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tracefs.sh"

trace_state >"$T/before"
assert "nothing of ours before" ours_left
for signal in TERM INT; do
	fresh
	agent_start
	assert "SIG$signal: our instance is there while we run" test -d "$ours"
	trace_state | grep -vF linux-edr-bpf | grep -vF linux_edr >"$T/while"
	assert "SIG$signal: all else is as it was while we run" diff "$T/before" "$T/while"
	agent_stop $signal
	assert_eq "SIG$signal: exit status" 0 "$STATUS"
	trace_state >"$T/after"
	assert "SIG$signal: nothing is left" diff "$T/before" "$T/after"
done

# Twice, for the second one finds what the first has left.
for round in 1 2; do
	fresh
	agent_start
	agent_stop KILL
	assert "kill -9, round $round: something is left" test -d "$ours"
done
fresh
agent_start
agent_stop
assert_eq "after kill -9: exit status" 0 "$STATUS"
trace_state >"$T/after"
assert "after kill -9, a restart and SIGTERM: nothing is left" diff "$T/before" "$T/after"

# A second agent is refused while one runs, and takes nothing away from it.
fresh
agent_start
status=0
timeout 10 "$EDR_BINARY" run --source ftrace -c "$T/empty.conf" --reports-dir "$T/second" 2>"$T/second.log" || status=$?
assert_ge "a second agent: exit status" 1 $status
cat "$T/second.log"
assert "a second agent: the first goes on" agent_sync
agent_stop
trace_state >"$T/after"
assert "after a second agent: nothing is left" diff "$T/before" "$T/after"

# tracefs is not mounted, in a mount namespace of our own.
hold_without /sys/kernel/debug/tracing /sys/kernel/debug /sys/kernel/tracing
bare()
{
	! grep -qF ' - tracefs ' "/proc/$holder/mountinfo"
}
bare || skip "tracefs cannot be unmounted in a namespace"
fresh
agent_start
assert "unmounted: we have mounted it" grep -qF ' - tracefs ' "/proc/$holder/mountinfo"
agent_stop
assert "unmounted: it is not mounted at the end" bare
fresh
agent_start
agent_stop KILL
fresh
agent_start
agent_stop
assert "unmounted, after kill -9, a restart and SIGTERM: it is not mounted at the end" bare
trace_state >"$T/after"
assert "unmounted: nothing is left" diff "$T/before" "$T/after"
