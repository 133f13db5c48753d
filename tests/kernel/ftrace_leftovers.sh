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

# The next one may find a better way to watch than the one that was killed.
fresh
agent_start
agent_stop KILL
fresh
SOURCE=
agent_start
grep 'watching' "$T/agent.log"
! grep -q 'source bpf' "$T/agent.log" || assert "after kill -9: what watches by BPF has removed it" ours_left
agent_stop
SOURCE=ftrace
trace_state >"$T/after"
assert "after kill -9, a start in the best way and SIGTERM: nothing is left" diff "$T/before" "$T/after"

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

# Two that start at once: one of them watches, and has all that it made; the other says that it cannot. Slowly, where this
# build has the library for it, so that each could take what the other is just making for what a dead one has left.
slowly=
[ ! -e "$EDR_BUILD_DIR/tests/faults.so" ] || slowly="env LD_PRELOAD=$EDR_BUILD_DIR/tests/faults.so EDR_SLOW_MKDIR=1"
launch() # NAME
{
	# shellcheck disable=SC2086 # a command and its arguments
	timeout 30 $slowly "$EDR_BINARY" run --source ftrace -c "$T/empty.conf" --reports-dir "$T/at-once-$1" \
		--output "$T/$1.jsonl" 2>"$T/$1.log" &
}
gone()
{
	! kill -0 "$a" 2>/dev/null || ! kill -0 "$b" 2>/dev/null
}
sees() # NAME
{
	"$T/at-once"
	grep -q '"command":"at-once"' "$T/$1.jsonl"
}
cp "$TRUTH/noop" "$T/at-once"
watched=0
refused=0
for round in 1 2 3 4; do
	rm -f "$T/a.jsonl" "$T/b.jsonl"
	launch a
	a=$!
	[ -z "$slowly" ] || sleep 0.15
	launch b
	b=$!
	wait_for "${EDR_WAIT_S:-20}" gone || die "two at once: both go on"
	for name in a b; do
		agent=$a
		[ $name = a ] || agent=$b
		if kill -0 $agent 2>/dev/null; then
			! wait_for "${EDR_WAIT_S:-5}" sees $name || watched=$((watched + 1))
			! grep -q 'the source has failed' "$T/$name.log" || fail "two at once: $(cat "$T/$name.log")"
			kill $agent 2>/dev/null || :
			wait $agent || fail "two at once: it ended with $?"
		else
			wait $agent || refused=$((refused + 1))
		fi
	done
done
assert_eq "two at once: watched" 4 $watched
assert_eq "two at once: refused" 4 $refused
trace_state >"$T/after"
assert "two at once: nothing is left" diff "$T/before" "$T/after"

# What another tracer has switched on cannot be removed: then ours go into another group, nothing is missing, and the old one
# goes when he has let go.
theirs=$tracing/instances/edr-test-theirs
leave_theirs()
{
	[ -z "$held" ] || echo 0 2>/dev/null >"$theirs/$held"
	rmdir "$theirs" 2>/dev/null
	leave_tracefs
}
fresh
agent_start
held=$(cd "$tracing" && find events/linux_edr/* -maxdepth 0 -type d 2>/dev/null | head -n 1)
if [ -n "$held" ]; then
	held=$held/enable
	AT_EXIT=leave_theirs
	args=$(grep -c ':linux_edr/args ' "$tracing/dynamic_events" || :)
	probes=$(grep -c ':linux_edr/' "$tracing/dynamic_events")
	mkdir "$theirs" || die "no instance can be made"
	echo 1 >"$theirs/$held"
	agent_stop KILL
	fresh
	agent_start
	assert "held by another: said" grep -q 'stays: another tracer has it switched on' "$T/agent.log"
	assert_eq "held by another: probes, in a group beside it" "$probes" "$(grep -c ':linux_edr_2/' "$tracing/dynamic_events")"
	assert_eq "held by another: of the old ones" 1 "$(grep -c ':linux_edr/' "$tracing/dynamic_events")"
	agent_stop
	assert_eq "held by another: exit status" 0 "$STATUS"
	[ "$args" -eq 0 ] || assert_eq "held by another: arguments are from a probe" 0 "$(events_off "arguments of an exec are read from /proc")"
	echo 0 >"$theirs/$held"
	held=
	rmdir "$theirs"
	agent_start
	assert "let go: ours are in the old group" grep -q ':linux_edr/' "$tracing/dynamic_events"
	agent_stop
	AT_EXIT=leave_tracefs
else
	echo "left out: held by another: this kernel accepts no probe"
	agent_stop
fi
trace_state >"$T/after"
assert "held by another, and let go: nothing is left" diff "$T/before" "$T/after"

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
