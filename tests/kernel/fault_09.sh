#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 9: Ctrl-C and SIGTERM lose the last interval and leave the kernel's events switched on. Here the
# last thousand execs are reported, and the kernel is as it was: no programs, no links, no maps, no trace events.
. "$(dirname "$0")/lib.sh"

tracing=/sys/kernel/tracing
[ -d $tracing/events ] || tracing=/sys/kernel/debug/tracing

# What is in the kernel, a line each: "prog 7".
loaded()
{
	for kind in prog link map; do
		bpftool $kind show -j | jq -r --arg kind $kind '.[] | "\($kind) \(.id)"'
	done | sort
}

# Of it, what the agent holds. Other people's programs may come and go meanwhile.
held()
{
	sed -n 's/^\(prog\|link\|map\)_id:[ \t]*\([0-9]*\)$/\1 \2/p' "/proc/$AGENT/fdinfo"/* 2>/dev/null | sort -u
}

enabled()
{
	cat $tracing/events/enable $tracing/events/syscalls/enable $tracing/events/sched/enable $tracing/current_tracer \
		$tracing/tracing_on
	ls $tracing/instances
	[ ! -e $tracing/dynamic_events ] || cat $tracing/dynamic_events
}

[ "$SOURCE" = ftrace ] || command -v bpftool >/dev/null 2>&1 || die "bpftool is missing: scripts/deps build"
for signal in TERM INT; do
	fresh
	enabled >"$T/enabled-before"
	agent_start
	held >"$T/ours"
	if [ "$SOURCE" = ftrace ]; then
		assert "SIG$signal: an instance of ours" test -d $tracing/instances/linux-edr-bpf
	else
		assert_ge "SIG$signal: programs, links and maps of ours" 10 "$(loaded | comm -12 "$T/ours" - | wc -l)"
	fi
	"$TRUTH/pace" exec 1000 2 "$TRUTH/noop" >/dev/null
	agent_stop $signal
	assert_eq "SIG$signal: exit status" 0 "$STATUS"
	assert_ge "SIG$signal: of the last 1,000 execs are reported" 1000 \
		"$(events_in_reports '.type == "exec" and .command == "noop" and .args == []')"
	if [ "$SOURCE" != ftrace ]; then
		loaded | comm -12 "$T/ours" - >"$T/left"
		assert_eq "SIG$signal: left in the kernel" "" "$(cat "$T/left")"
	fi
	enabled >"$T/enabled-after"
	assert "SIG$signal: trace events are as before" diff "$T/enabled-before" "$T/enabled-after"
done
