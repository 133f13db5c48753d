#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Names of files and processes, paths and arguments that hold lines of a trace, LOST marks, quotes, newlines, 5,000 bytes: by
# the ftrace source no event is told that did not happen, each that did is told once, and arguments are right wherever they
# are said to be known.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tracefs.sh"

n=${EDR_TRUTH_TIMES:-300}
agent_start
for scenario in ${EDR_TRUTH_ONLY:-name_forged name_hostile prctl_forged prctl_hostile args_hostile forged_name forged_path \
	forged_args forged_comm args_10000 arg_100000 deep_long longest_name}; do
	status=0
	"$TRUTH/truth" "$scenario" "$n" "forgery-$$" >>"$T/truth.jsonl" || status=$?
	[ $status -eq 0 ] || die "$scenario ended with $status"
done
agent_sync || die "the agent has gone"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert "each event is told once, and nothing else" "$TRUTH/compare" names "$T/truth.jsonl" "$EVENTS"
assert_eq "execs that do not say where their arguments came from" 0 "$(events_count '.type == "exec" and ([.record_flags // []
	| .[] | select(. == "args_from_probe" or . == "args_from_call" or . == "args_from_proc" or . == "args_unreadable")] | length) != 1')"
assert_eq "events of processes that never were" 0 "$(events_count '.pid == 4194301 or .child_pid == 4194302')"
assert_eq "events lost" 0 "$(cells_sum .loss.total)"
assert_balance
jq -r 'select(.type == "exec") | .record_flags // [] | map(select(startswith("args_") or . == "truncated")) | join(" ")' \
	"$EVENTS" | sort | uniq -c
