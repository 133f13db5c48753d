#!/bin/sh
# SPDX-License-Identifier: MIT
#
# System calls that the configuration names are reported with their registers and their result; with lean hooks they are
# not seen. Each openat of the host goes through here meanwhile.
. "$(dirname "$0")/lib.sh"

named='execve, fork, clone, connect, mkdirat, openat, renameat2, unlinkat'
for mode in default lean; do
	fresh
	agent_start --hooks $mode --set "advanced.syscalls_to_trace=$named"
	"$TRUTH/truth" syscalls 1000 "syscalls-$$" >"$T/truth.jsonl" || die "the scenario has failed"
	agent_sync || die "the agent has gone"
	agent_stop
	assert_eq "$mode: exit status" 0 "$STATUS"
	assert "$mode: what was done is reported" "$TRUTH/compare" $mode "$T/truth.jsonl" "$EVENTS"
	if [ $mode = default ]; then
		assert_eq "in the report" 'mkdirat 2000 1000, renameat2 1000 0' \
			"$(cells | xargs jq -r '[.syscalls[] | select(.executable | endswith("/truth"))
				| select(.syscall == "mkdirat" or .syscall == "renameat2")
				| "\(.syscall) \(.count) \(.failed)"] | sort | join(", ")')"
	else
		assert_eq "calls seen by lean hooks" 0 "$(sum_of_type produced syscall)"
	fi
	assert_balance
done

# A name that this kernel has no tracepoint for is told, and the rest is watched.
fresh
agent_start --set 'advanced.syscalls_to_trace=execve, nfsservctl, unlinkat'
: >"$T/removed"
rm "$T/removed"
agent_sync || die "the agent has gone"
agent_stop
assert "a call without a tracepoint is told" grep nfsservctl "$T/agent.log"
assert_ge "the others are watched" 1 "$(events_count '.type == "syscall" and .syscall == "unlinkat" and .command == "rm"')"
