#!/bin/sh
# SPDX-License-Identifier: MIT
#
# In a pid namespace of its own the agent's pid there is another process's here: that one is seen as any other is.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tracefs.sh"
last=/proc/sys/kernel/ns_last_pid
[ -w $last ] || skip "this kernel has no $last"

pid=$(($(cat $last) + 2000))
while [ -e /proc/$pid ]; do
	pid=$((pid + 1))
done
cat >"$T/inside" <<'EOF_INSIDE'
dir=$1 pid=$2
shift 2
echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
"$@" &
echo $! >"$dir/pid"
while [ ! -e "$dir/stop" ] && kill -0 $! 2>/dev/null; do
	sleep 0.1
done
kill -TERM $!
wait $!
EOF_INSIDE
LAUNCH="unshare -p -f --mount-proc --kill-child sh $T/inside $T $pid"
agent_start
assert_eq "the agent's pid in its namespace" "$pid" "$(cat "$T/pid")"

victim=victim-$$
ln -f "$TRUTH/noop" "$T/$victim" 2>/dev/null || cp "$TRUTH/noop" "$T/$victim"
has_run()
{
	echo $((pid - 1)) >$last
	"$T/$victim" &
	child=$!
	wait $child
	[ $child -eq "$pid" ]
}
wait_for 10 has_run || skip "no process can be given the pid $pid"
assert "the agent goes on" agent_sync
assert_eq "execs seen of the process that has the agent's pid" 1 \
	"$(events_count ".type == \"exec\" and .pid == $pid and .command == \"$victim\"")"

: >"$T/stop"
STATUS=0
wait "$AGENT" || STATUS=$?
AGENT=
assert_eq "exit status" 0 "$STATUS"
assert_ge "it says that its own events are not left out" 1 "$(events_off "in a pid namespace of its own")"
