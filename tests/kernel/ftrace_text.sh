#!/bin/sh
# SPDX-License-Identifier: MIT
#
# trace_path: the text of a trace_pipe that somebody else has set up. Of what is forged in it nothing is believed, and each
# exec, fork and exit that happened is told once, under its name, marked untrusted_text. A copy of the pipe, which does not
# show where a record ends: nothing forged is believed either, and what is not told is counted.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tracefs.sh"

theirs=$tracing/instances/edr-test-$$
copier=
at_end()
{
	[ -z "$copier" ] || { kill "$copier" && wait "$copier"; } 2>/dev/null
	[ ! -d "$theirs" ] || rmdir "$theirs"
	leave_tracefs
}
AT_EXIT=at_end
mkdir "$theirs"
echo boot >"$theirs/trace_clock"
for event in exec fork exit; do
	echo 1 >"$theirs/events/sched/sched_process_$event/enable"
done

do_all()
{
	: >"$T/truth.jsonl"
	for scenario in ${EDR_TRUTH_ONLY:-name_forged name_hostile prctl_forged prctl_hostile args_hostile forged_name \
		forged_path forged_args forged_comm}; do
		status=0
		"$TRUTH/truth" "$scenario" "${EDR_TRUTH_TIMES:-100}" "text-$$" >>"$T/truth.jsonl" || status=$?
		[ $status -eq 0 ] || die "$scenario ended with $status"
	done
}

agent_start --set "default.trace_path=$theirs/trace_pipe"
do_all
agent_sync || die "the agent has gone"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert "each event is told once, and nothing else" "$TRUTH/compare" names "$T/truth.jsonl" "$EVENTS"
assert_eq "events lost" 0 "$(cells_sum .loss.total)"
assert_balance
assert_eq "events that are not marked" 0 "$(events_count '(.type == "exec" or .type == "fork" or .type == "exit")
	and (.record_flags // [] | index("untrusted_text") | not)')"

# The same as a copy, in a FIFO: mostly refused, for a file name may reach over all that follows it.
mkfifo "$T/copy"
fresh
agent_launch --set "default.trace_path=$T/copy"
sleep 1
cat "$theirs/trace_pipe" >"$T/copy" &
copier=$!
do_all
sleep 1
agent_stop
assert_eq "a copy: exit status" 0 "$STATUS"
: >>"$EVENTS"
happened=$(jq -r 'select(.type == "exec" or .type == "fork" or .type == "exit") | "\(.type) \(.pid)"' "$T/truth.jsonl" | sort -u)
for type in exec fork exit; do
	told=$(events_count ".type == \"$type\"")
	assert_ge "a copy: of each $type told, or counted as lost" \
		"$(echo "$happened" | grep -c "^$type ")" $((told + $(sum_of_type dropped $type)))
done
assert_eq "a copy: events of processes that never were" 0 "$(events_count '.pid == 4194301 or .child_pid == 4194302')"
assert_eq "a copy: file names that are believed" 0 "$(events_count '.type == "exec" and (.filename // "") != ""')"
assert_eq "a copy: events that are not marked" 0 "$(events_count '(.type == "exec" or .type == "fork" or .type == "exit")
	and (.record_flags // [] | index("untrusted_text") | not)')"
assert_balance
