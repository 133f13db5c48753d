#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 5: a process named `x [1] execve(a)` makes it report a command `a`. Here a name is data: in file
# names, in prctl, in arguments with newlines that look like lines of a trace or of our own output.
. "$(dirname "$0")/lib.sh"

agent_start
for scenario in name_forged name_hostile prctl_forged prctl_hostile args_hostile; do
	status=0
	"$TRUTH/truth" $scenario 100 "fault-5-$$" >>"$T/truth.jsonl" || status=$?
	[ $status -eq 0 ] || die "$scenario ended with $status"
done
agent_sync || die "the agent has gone"
agent_stop
mode=default
[ "$SOURCE" != ftrace ] || mode=names # with what it can know of arguments and addresses: ftrace_forgery.sh
assert "what was done is reported, and nothing else" "$TRUTH/compare" $mode "$T/truth.jsonl" "$EVENTS"
assert_eq "events of the commands that were forged" 0 "$(events_count '.command == "a" or .command == "forged"')"
assert_eq "the same in the reports" 0 \
	"$(cells_sum '[.command_counts | to_entries[] | select(.key == "a" or .key == "forged")] | length')"
assert_ge "runs of x [1] execve(a) in the reports" 100 "$(cells_sum '.command_counts["x [1] execve(a)"] // 0')"
