#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Others who trace this host get all that is theirs, with us and without: two readers of the global buffer, and an instance.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tracefs.sh"

event=events/sched/sched_process_exec/enable
theirs=$tracing/instances/edr-test-$$
readers=
was=$(cat "$tracing/$event")
at_end()
{
	for reader in $readers; do
		kill "$reader" 2>/dev/null
		wait "$reader" 2>/dev/null
	done
	echo "$was" >"$tracing/$event"
	[ "$was" != 0 ] || timeout 1 cat "$tracing/trace_pipe" >"$T/rest" # what came after our readers
	[ ! -d "$theirs" ] || rmdir "$theirs"
	leave_tracefs
}
AT_EXIT=at_end

n=300
program=watched-$$
ln "$TRUTH/noop" "$T/$program" 2>/dev/null || cp "$TRUTH/noop" "$T/$program"
run_programs()
{
	i=0
	while [ $i -lt $n ]; do
		"$T/$program"
		i=$((i + 1))
	done
}

# From 6.6 on, trace_pipe has one reader at a time: two readers take a CPU each.
pipes=
for cpu in "$tracing"/per_cpu/cpu*; do
	pipes="$pipes $cpu/trace_pipe"
done
[ "$(echo "$pipes" | wc -w)" -gt 1 ] || pipes=$tracing/trace_pipe

begin() # NAME
{
	number=0
	readers=
	for pipe in $pipes "$theirs/trace_pipe"; do
		number=$((number + 1))
		cat "$pipe" >"$T/$1-$number" 2>"$T/$1-$number.err" &
		readers="$readers $!"
	done
	sleep 0.5
	for reader in $readers; do
		kill -0 "$reader" 2>/dev/null || die "$1: a reader gets: $(cat "$T/$1"-*.err)"
	done
}

end() # NAME
{
	sleep 1
	for reader in $readers; do
		kill "$reader"
		wait "$reader" 2>/dev/null || :
	done
	readers=
	cat "$T/$1-$number" >"$T/$1-instance"
	rm "$T/$1-$number"
	assert_eq "$1: execs that the readers of the global buffer got" $n \
		"$(cat "$T/$1"-[0-9]* | grep -cF "filename=$T/$program ")"
	assert_eq "$1: execs that the reader of the instance got" $n "$(grep -cF "filename=$T/$program " "$T/$1-instance")"
	assert_eq "$1: lines of another event than theirs" 0 \
		"$(cat "$T/$1"-* | grep -v -e ': sched_process_exec: filename=' -e '^$' | grep -vc '\[LOST' || :)"
}

mkdir "$theirs"
echo 1 >"$theirs/$event"
echo 1 >"$tracing/$event"
trace_state >"$T/before"

begin without-us
run_programs
end without-us
begin while-we-start
agent_start
run_programs
end while-we-start
begin while-we-run
run_programs
end while-we-run
begin while-we-stop
run_programs &
agent_stop
wait $!
end while-we-stop
assert_eq "exit status" 0 "$STATUS"
assert_ge "execs that we saw" $((2 * n)) "$(events_count ".type == \"exec\" and .command == \"$program\"")"
trace_state >"$T/after"
assert "theirs is as it was" diff "$T/before" "$T/after"
