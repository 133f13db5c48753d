#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 10: it takes the global trace_pipe; a second reader gets EBUSY, and every other tracer on the
# host is robbed. Here a reader of trace_pipe works before, while and after we run, and gets all that is its.
. "$(dirname "$0")/lib.sh"

tracing=/sys/kernel/tracing
[ -e $tracing/trace_pipe ] || tracing=/sys/kernel/debug/tracing
[ -e $tracing/trace_marker ] || skip "tracefs is not mounted, or without trace_marker"

start_reader() # NAME
{
	cat $tracing/trace_pipe >"$T/$1" 2>"$T/$1.err" &
	reader=$!
	sleep 0.3
	kill -0 $reader 2>/dev/null || die "a reader of trace_pipe gets: $(cat "$T/$1.err")"
}

# end_reader NAME WORDS: it must have got all marks, and not a word of ours.
end_reader()
{
	sleep 0.5
	kill $reader
	wait $reader 2>/dev/null || :
	reader=
	assert_eq "$1: marks that the reader got" 100 "$(grep -c "mark-$$-$1-" "$T/$1")"
}

stop_reader()
{
	[ -z "$reader" ] || kill "$reader" 2>/dev/null
}
reader=
AT_EXIT=stop_reader

mark() # NAME
{
	i=0
	while [ $i -lt 100 ]; do
		echo "mark-$$-$1-$i-" >$tracing/trace_marker
		i=$((i + 1))
	done
}

start_reader while-it-starts
agent_start
mark while-it-starts
end_reader while-it-starts
start_reader while-it-runs
mark while-it-runs
ln "$TRUTH/noop" "$T/watched" 2>/dev/null || cp "$TRUTH/noop" "$T/watched"
"$T/watched"
agent_sync || die "the agent has gone"
end_reader while-it-runs
assert "the agent sees what happens all the same" grep -qF watched "$EVENTS"
start_reader while-it-stops
agent_stop
mark while-it-stops
end_reader while-it-stops
assert_eq "lines of the agent's making in trace_pipe" 0 "$(cat "$T"/while-it-* | grep -cvF "mark-$$-" || :)"
