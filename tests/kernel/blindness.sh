#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The self-test is seen. An agent that is stopped for three seconds under load loses events, and says exactly how many.
. "$(dirname "$0")/lib.sh"

agent_start
sleep 1
agent_stop
assert_ge "self-tests seen" 1 "$(events_in_reports '.type == "exec" and .args[0] == "self-test"')"
assert_eq "blind seconds" 0 "$(cells_sum .loss.blind_seconds)"
assert_eq "events lost" 0 "$(cells_sum .loss.total)"

fresh
agent_start --set source.ring_exec_kb=64 --set source.ring_noisy_kb=64
"$TRUTH/pace" exec 10000000 2 "$TRUTH/noop" >"$T/load" &
load=$!
sleep 0.5
kill -STOP "$AGENT"
sleep 3
kill -CONT "$AGENT"
sleep 0.5
kill "$load"
wait "$load"
done=$(jq .done "$T/load")
agent_sync || die "the agent has not come back"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert_balance
lost=$(sum_of_type dropped exec)
assert_ge "execs lost" 1 "$lost"
assert_ge "execs produced" "$done" "$(sum_of_type produced exec)"
assert_eq "loss.total is the sum of what was dropped" "$(cells_sum '[.counts[].dropped] | add')" \
	"$(cells_sum .loss.total)"
assert "the log says so" grep -qE '[1-9][0-9]* lost' "$T/agent.log"
