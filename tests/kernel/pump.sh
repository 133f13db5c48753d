#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What any user can do to keep the source busy, connects without end, keeps the agent from nothing: it reads its configuration
# again, finds within its one-second look what somebody does to its trace events, and ends when it is told to.
. "$(dirname "$0")/lib.sh"

most_ms=2000 # of which 1000 may be the look's second
command -v setpriv >/dev/null 2>&1 || skip "setpriv is missing"

# within WHAT PATTERN COMMAND...: the log has it so soon after the command.
within()
{
	what=$1 pattern=$2
	shift 2
	from=$(now_ms)
	"$@"
	wait_for 20 grep -q "$pattern" "$T/agent.log" || fail "$what: never"
	assert_le "$what, ms" $most_ms $(($(now_ms) - from))
}

switch_off()
{
	echo 0 >/sys/kernel/tracing/instances/linux-edr-bpf/events/sched/sched_process_exec/enable
}

end_storm()
{
	kill "$STORM" 2>/dev/null || :
}
AT_EXIT=end_storm

agent_start --set ADVANCED.include_raw_events=false
setpriv --reuid=65534 --regid=65534 --clear-groups "$TRUTH/pace" bad_connect 2000000000 "$(nproc)" >"$T/storm" &
STORM=$!
sleep 2
within "configuration read again" 'configuration read again' kill -HUP "$AGENT"
[ "$SOURCE" != ftrace ] || within "events switched off" 'the source has failed' switch_off
sleep 1
from=$(now_ms)
agent_stop
assert_le "end, ms" $most_ms $(($(now_ms) - from))
assert_eq "exit status" 0 "$STATUS"
end_storm
wait "$STORM"
cat "$T/storm"
assert_ge "connects of the storm" 100000 "$(jq .done "$T/storm")"
assert_ge "connects told or lost" 100000 $(($(sum_of_type produced connect) + $(sum_of_type dropped syscall)))
