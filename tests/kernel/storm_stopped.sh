#!/bin/sh
# SPDX-License-Identifier: MIT
#
# An agent at nice 19 that is stopped for a second, while 200,000 connects come, in the middle of 200,000 processes on both
# cores. The connects are more than their ring holds. What is lost is counted by type, and the cells say it; no exec is, for
# they have a ring of their own. EDR_STORM=long: all the processes; else a fifth.
. "$(dirname "$0")/lib.sh"

n=40000 connects=200000
[ "${EDR_STORM:-}" = long ] && n=200000

EVENTS=$T/none
agent_launch --output ''
wait_for 20 grep -q 'watching' "$T/agent.log" || die "the agent has not come up"
sleep 1
renice -n 19 -p "$AGENT" >/dev/null

"$TRUTH/pace" exec "$n" 2 "$TRUTH/noop" >"$T/exec" &
runner=$!
sleep 0.5
kill -STOP "$AGENT"
"$TRUTH/pace" connect "$connects" 1 >"$T/connect" &
connector=$!
sleep 1
kill -CONT "$AGENT"
wait "$connector"
wait "$runner"
cat "$T/exec" "$T/connect"
sleep 2
agent_stop
assert_eq "exit status" 0 "$STATUS"

assert_balance
assert_ge "exec produced" "$n" "$(sum_of_type produced exec)"
assert_ge "fork produced" "$n" "$(sum_of_type produced fork)"
assert_ge "exit produced" "$n" "$(sum_of_type produced exit)"
assert_ge "connect produced" "$connects" "$(sum_of_type produced connect)"
dropped=$(cells_sum '[.counts[].dropped] | add')
assert_eq "loss.total is what was dropped" "$dropped" "$(cells_sum .loss.total)"
assert_ge "connects dropped" 1 "$(sum_of_type dropped connect)"
assert_eq "execs dropped" 0 "$(sum_of_type dropped exec)"
assert "the log names the types" grep -qE 'events were dropped:.* connect [0-9]+' "$T/agent.log"
