#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Somebody takes the ftrace source away under us, one way after the other: it is found out within a second, opened again, and
# the seconds that we were blind are in the report. Who reads what we should have read is counted.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tracefs.sh"
trace_state >"$T/before"

said() # WORDS COUNT
{
	[ "$(grep -cF "$1" "$T/agent.log")" -ge "$2" ]
}

# blinded NAME COMMAND...: that, and what must follow. EDR_FOUND_MS: more than a second and a bit, for a virtual machine.
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
	away=$((away + $(now_ms) - found - ${EDR_FOUND_MS:-100}))
	doubted=$((doubted + $(now_ms) - from + 1500))
	"$TRUTH/noop" "again-$taken"
	assert "$name: what happens is seen again" agent_sync
}

# Where a probe has the arguments of an exec, it has them again after each.
assert_again()
{
	if [ "$(events_off "arguments of an exec are read from /proc")" -ne 0 ]; then
		echo "no probe for arguments here"
		return
	fi
	assert_eq "execs with their arguments from the probe, after each" $taken "$(jq -n '[inputs | select(.type == "exec" and
		(.record_flags // [] | index("args_from_probe"))) | .args[0]? // "" | select(startswith("again-"))] | unique | length' "$EVENTS")"
}

# An agent of its own for some of them: begins OPTION... ends
taken=0
away=0 # ms from found out to open again
doubted=0 # ms from done to open again, and the second before, in which nobody had looked
begins()
{
	fresh
	: >"$T/agent.log"
	taken=0 away=0 doubted=0
	agent_start "$@"
}

ends()
{
	agent_stop
	assert_eq "exit status" 0 "$STATUS"
	blind=$(cells_sum '(.loss.blind_seconds + .loss.blind_seconds_before) * 1000')
	[ "$taken" -eq 0 ] || assert_ge "blind ms in the report" 1 "$blind"
	assert_ge "blind ms in the report" "$away" "$blind"
	assert_le "blind ms in the report" "$doubted" "$blind"
	assert_balance
	assert_again
	trace_state >"$T/after"
	assert "nothing is left" diff "$T/before" "$T/after"
}

switch() # FILE VALUE
{
	echo "$2" >"$ours/$1"
}

# Each waits longer than the one before.
begins
blinded "all events switched off" switch events/enable 0
blinded "one event switched off" switch events/sched/sched_process_exec/enable 0
blinded "tracing_on 0" switch tracing_on 0
if rmdir "$ours" 2>"$T/rmdir"; then
	blinded "instance removed" true
else
	echo "instance: cannot be removed while we read from it: $(cat "$T/rmdir")"
	assert "instance: it is there" agent_sync
fi
ends

begins --set SOURCE.reopen_max=1
blinded "a filter on an event" switch events/sched/sched_process_exec/filter 'common_pid == 0'
blinded "one process alone" switch set_event_pid 1
blinded "one CPU alone" switch tracing_cpumask 1
blinded "another clock" switch trace_clock mono
blinded "a smaller buffer" switch buffer_size_kb 100
blinded "a smaller buffer of one CPU" switch per_cpu/cpu0/buffer_size_kb 100
blinded "old events overwritten" switch options/overwrite 1
clear()
{
	: >"$ours/trace"
}
blinded "buffers cleared" clear
ends

# Changed back at once: nothing is there to be found any more, but it was written.
flip() # FILE VALUE BACK
{
	echo "$2" >"$ours/$1" || return 1
	"$TRUTH/noop"
	if [ -n "$3" ]; then echo "$3" >"$ours/$1"; else : >"$ours/$1"; fi
}
begins --set SOURCE.reopen_max=1
blinded "tracing_on 0 and 1" flip tracing_on 0 1
blinded "one process alone, and all again" flip set_event_pid 1 ''
blinded "an event off and on" flip events/sched/sched_process_exec/enable 0 1
blinded "a filter set and taken off" flip events/sched/sched_process_exec/filter 'common_pid == 0' 0
blinded "a system's events off and on" flip ../linux-edr-bpf-noisy/events/task/enable 0 1
blinded "a trigger" switch events/sched/sched_process_exec/trigger 'traceoff if filename ~ "*edr-no-such-program"'
assert "changed back: said" said "somebody has written to" 5
ends

# A dynamic event goes when nobody has it switched on.
remove_ours()
{
	for enable in "$ours"*/events/linux_edr/enable; do
		echo 0 >"$enable"
	done
	grep -F linux_edr "$tracing/dynamic_events" | sed 's/^.[0-9]*:\([^ ]*\).*/-:\1/' >"$T/remove"
	removed=0
	while read -r removal; do
		# We may be faster, and have removed it.
		echo "$removal" 2>/dev/null >>"$tracing/dynamic_events" && removed=$((removed + 1))
	done <"$T/remove"
	[ $removed -gt 0 ]
}
begins --set SOURCE.reopen_max=1
if grep -q ':linux_edr/' "$tracing/dynamic_events" 2>/dev/null; then
	blinded "dynamic events removed" remove_ours
	assert "dynamic events removed: they are there again" grep -q ':linux_edr/' "$tracing/dynamic_events"
else
	echo "left out: dynamic events removed: this kernel accepts no probe"
fi

# Somebody else reads our buffers, as anybody may who may read tracefs: what he got is counted as lost.
program=stolen-$$
ln "$TRUTH/noop" "$T/$program" 2>/dev/null || cp "$TRUTH/noop" "$T/$program"
readers=
for cpu in "$ours"/per_cpu/cpu*; do
	timeout 20 cat "$cpu/trace_pipe_raw" >>"$T/theirs" &
	readers="$readers $!"
done
for _ in 1 2 3 4 5 6 7 8 9 10; do
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		"$T/$program"
	done
	sleep 0.05
done
for reader in $readers; do
	kill "$reader" 2>/dev/null || :
	wait "$reader" 2>/dev/null || :
done
assert "another reader: we go on" agent_sync
ends
# Of those that he got, another event may still have told.
got=$(events_count ".type == \"exec\" and .command == \"$program\" and (.record_flags // [] | index(\"filename_unreadable\") | not)")
lost=$(sum_of_type dropped exec)
echo "another reader: of 200 execs we got $got, and count $lost as lost"
assert_ge "another reader: he got something" 1 "$lost"
assert_ge "another reader: told or lost" 200 $((got + lost))

# A read that fails.
if [ -e "$EDR_BUILD_DIR/tests/faults.so" ]; then
	LAUNCH="env LD_PRELOAD=$EDR_BUILD_DIR/tests/faults.so EDR_FAIL_READ=$T/fail"
	fail_once()
	{
		: >"$T/fail"
		"$TRUTH/noop"
	}
	begins
	blinded "a read that fails" fail_once
	assert "a read that fails: said" said "the trace buffers cannot be read any more" 1
	ends
else
	echo "left out: a read that fails: this build has no library for it"
fi

# The host's own switches for kprobes. Others may need them: only where we have a kprobe there, and they are put back.
kprobes_on()
{
	for file in /proc/sys/kernel/ftrace_enabled "$T/debugfs/kprobes/enabled"; do
		[ ! -e "$file" ] || echo 1 >"$file"
	done
}
leave_switches()
{
	kprobes_on
	umount "$T/debugfs" 2>/dev/null || :
	leave_tracefs
}
kprobes_used() # yes|no
{
	used=no
	! grep -q '^[pr].*:linux_edr/' "$tracing/dynamic_events" || used=yes
	[ $used = "$1" ]
}
connects_seen() # NAME
{
	assert "$1: the agent goes on" agent_sync # nor is it just writing
	seen=$(events_count '.type == "connect"')
	"$TRUTH/truth" tcp4_refused 3 "$TEST-$$-$taken" >/dev/null || die "the scenario tcp4_refused failed"
	assert "$1: what happens is seen" agent_sync
	assert_ge "$1: connects seen" $((seen + 3)) "$(events_count '.type == "connect"')"
}
switched() # NAME FILE
{
	connects_seen "$1 on"
	# 7.3 refuses kernel.ftrace_enabled while kprobes are in use.
	if ! (echo 0 >"$2") 2>"$T/refused"; then
		echo "left out: $1: this kernel does not let it be switched off: $(cat "$T/refused")"
		# Who opens the file to write has changed it, as far as we can see.
		if wait_for 3 said "the source has failed" $((taken + 1)); then
			taken=$((taken + 1))
			wait_for "${EDR_WAIT_S:-20}" said "the source is open again" $taken || fail "$1: the source is not open again"
		fi
		return
	fi
	blinded "$1 switched off" true
	assert "$1 off: no kprobe is relied on" kprobes_used no
	connects_seen "$1 off"
	blinded "$1 switched on again" kprobes_on
	assert "$1 on again: kprobes are used" kprobes_used yes
	connects_seen "$1 on again"
}
begins --set SOURCE.reopen_max=1
if kprobes_used yes; then
	mkdir "$T/debugfs"
	AT_EXIT=leave_switches
	switched kernel.ftrace_enabled /proc/sys/kernel/ftrace_enabled
	# debugfs is mounted where the agent has no need to look for it.
	if mount -t debugfs debugfs "$T/debugfs" 2>"$T/refused"; then
		switched kprobes/enabled "$T/debugfs/kprobes/enabled"
		umount "$T/debugfs"
	else
		echo "left out: kprobes/enabled: this kernel has no debugfs: $(cat "$T/refused")"
	fi
	AT_EXIT=leave_tracefs
else
	echo "left out: kprobes switched off: this kernel accepts none of ours"
fi
agent_stop
assert_eq "kprobes switched off: exit status" 0 "$STATUS"
if [ $taken -gt 0 ]; then
	assert_ge "kprobes switched off: said in the reports" 1 "$(events_off "kprobes are switched off")"
	assert_ge "kprobes switched off: blind ms in the report" 1 "$(cells_sum '(.loss.blind_seconds + .loss.blind_seconds_before) * 1000')"
fi

# Under us, where only we see it: tracefs unmounted, and an instance that is not ours any more.
hold_without /sys/kernel/debug/tracing /sys/kernel/debug
unmount_theirs()
{
	$LAUNCH umount -l "$tracing"
}
begins
blinded "tracefs unmounted" unmount_theirs
ends

mkdir "$T/other"
replace()
{
	$LAUNCH mount --bind "$T/other" "$ours" || return 1
	{
		sleep 3
		$LAUNCH umount "$ours"
	} &
}
begins --set SOURCE.reopen_max=1
blinded "another in place of the instance" replace
assert "another in place of the instance: said" said "has been removed" 1
ends
