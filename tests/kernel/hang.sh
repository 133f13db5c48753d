#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A file system whose server does not answer stops nobody but who asked for it: not the agent that looks at a program from
# there, nor at a process that keeps its memory map locked by a file of it; as it starts, and while it runs.
. "$(dirname "$0")/lib.sh"

server=
locked=
end_all()
{
	for pid in $server $locked; do
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	for file in "$T/attr" "$T/read"; do
		umount -l "$file" 2>/dev/null || :
	done
	server=''
	locked=''
}
AT_EXIT=end_all
[ -e /dev/fuse ] || modprobe fuse 2>/dev/null || skip "this host has no /dev/fuse"

# serve KIND CONTENT: a file $T/KIND.
serve()
{
	: >"$T/$1"
	chmod 755 "$T/$1"
	"$TRUTH/silent" "$1" "$T/$1" "$2" >"$T/$1.log" 2>&1 &
	server="$server $!"
	wait_for 5 grep -q mounted "$T/$1.log" || skip "FUSE cannot be mounted: $(cat "$T/$1.log")"
}
agent_gone_or_zombie()
{
	agent_gone || grep -qs "^State:.Z" "/proc/$AGENT/status"
}
runs()
{
	"$T/attr" stay &
	locked="$locked $!"
	"$TRUTH/silent" lock "$T/read" &
	lock=$!
	locked="$locked $lock"
	sleep 1
}

serve attr "$TRUTH/silent"
serve read "$TRUTH/noop"
cp "$TRUTH/noop" "$T/during"

# Nobody else's look at the locked one ends either, or this host shows nothing.
runs
timeout -s KILL 2 cat "/proc/$lock/cmdline" >/dev/null && echo "here a locked memory map hides no arguments"

# While they are there already.
agent_start
# And as they come.
runs
for n in 1 2 3 4 5; do
	"$T/during" $n
done
sleep 2
assert "the agent goes on" agent_sync
assert_eq "execs beside it that are seen" 5 "$(events_count '.type == "exec" and .command == "during"')"
assert_ge "execs of the file that nobody answers for" 1 "$(events_count '.type == "exec" and .command == "attr"')"
assert_eq "asked, and not answered" 0 "$(grep -c 'not answered: stat' "$T/attr.log" || :)"
if [ "$SOURCE" = ftrace ]; then
	kill -STOP "$AGENT"
	sleep 3
	"$T/during" 6
	kill -CONT "$AGENT"
	assert "it stood still: said" wait_for 5 grep -q 'stood still for' "$T/agent.log"
	assert "it stood still: it goes on" agent_sync
	assert_eq "it stood still: what happened then" 6 "$(events_count '.type == "exec" and .command == "during"')"
fi
from=$(now_ms)
kill -TERM "$AGENT"
assert "it ends when it is told to" wait_for 5 agent_gone_or_zombie
echo "SIGTERM: $(($(now_ms) - from)) ms"
end_all
STATUS=0
wait "$AGENT" || STATUS=$?
AGENT=
assert_eq "exit status" 0 "$STATUS"
assert_eq "blind seconds" 0 "$(cells_sum '.loss.blind_seconds')"
assert_balance
