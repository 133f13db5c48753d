#!/bin/sh
# SPDX-License-Identifier: MIT
#
# 100,000 short-lived processes on two workers and a million connects on one more, at once: no exec is lost, and for each
# type produced = delivered + dropped. EDR_STORM=long: 200,000 processes.
. "$(dirname "$0")/lib.sh"

execs=${EDR_STORM_EXECS:-100000}
[ "${EDR_STORM:-}" = long ] && execs=200000
connects=${EDR_STORM_CONNECTS:-1000000}

# Not --output: a million lines would measure the disk.
EVENTS=$T/none
agent_launch --output ''
wait_for 20 grep -q 'watching' "$T/agent.log" || die "the agent has not come up"
sleep 1
before=$(cpu_seconds "$AGENT")

"$TRUTH/pace" connect "$connects" 1 >"$T/connect" &
connector=$!
"$TRUTH/pace" exec "$execs" 2 "$TRUTH/noop" >"$T/exec"
wait "$connector"
cat "$T/exec" "$T/connect"
sleep 2
cpu=$(awk -v a="$before" -v b="$(cpu_seconds "$AGENT")" 'BEGIN { print b - a }')
agent_stop
assert_eq "exit status" 0 "$STATUS"

assert_balance
assert_eq "exec dropped" 0 "$(sum_of_type dropped exec)"
assert_ge "exec delivered" "$execs" "$(sum_of_type delivered exec)"
assert_ge "connect produced" "$connects" "$(sum_of_type produced connect)"
assert_ge "fork produced" "$execs" "$(sum_of_type produced fork)"
assert_ge "exit produced" "$execs" "$(sum_of_type produced exit)"
jq -r --argjson cpu "$cpu" --slurpfile c "$T/connect" '
	"\(.done) execs in \(.seconds) s, \(.done / .seconds | floor) a second; " +
	"\($c[0] | "\(.done) connects in \(.seconds) s, \(.done / .seconds | floor)") a second; agent \($cpu) s of CPU"' "$T/exec"
cat "$T/agent.log"
