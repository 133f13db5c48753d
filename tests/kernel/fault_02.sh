#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 2: its patterns for fork, clone and connect match no line that a kernel prints, and vfork,
# clone3 and execveat are not traced at all. Here the default configuration sees each of them, with its name.
. "$(dirname "$0")/lib.sh"

agent_start
for scenario in fork vfork clone clone3 execveat_fd execveat_dir tcp4 udp6 unix_stream; do
	if ! "$TRUTH/truth" --list | grep -q "^$scenario "; then
		echo "left out: $scenario: this architecture does not have the call"
		continue
	fi
	status=0
	"$TRUTH/truth" $scenario 100 "fault-2-$$" >>"$T/truth.jsonl" || status=$?
	[ $status -eq 0 ] || [ $status -eq 77 ] || die "$scenario ended with $status"
done
agent_sync || die "the agent has gone"
agent_stop
if [ "$SOURCE" = ftrace ]; then
	assert "all of it is reported" "$TRUTH/compare" names "$T/truth.jsonl" "$EVENTS"
else
	assert "all of it is reported" "$TRUTH/compare" default "$T/truth.jsonl" "$EVENTS"
fi
for call in $(jq -r 'select(.type == "fork") | .want.syscall // empty' "$T/truth.jsonl" | sort -u); do
	assert_ge "children made by $call" 100 "$(events_count ".type == \"fork\" and .syscall == \"$call\"")"
done
assert_ge "connects" 300 "$(events_count '.type == "connect" and .command == "truth"')"
