#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 12: --interval 0 fires each second, 1440 makes an empty window, negatives are taken; % in a value
# crashes; an inline comment becomes part of the value; a --config that does not exist is passed over. Here none of them starts
# anything, and the good ones do. (What is said of each: tests/unit/test_cli.sh.)
. "$(dirname "$0")/lib.sh"

# refused STATUS ARGUMENT...
refused()
{
	wanted=$1
	shift
	status=0
	timeout 10 "$EDR_BINARY" run --reports-dir "$REPORTS" "$@" >"$T/out" 2>&1 || status=$?
	assert_eq "run $*: exit status" "$wanted" $status
	assert_eq "run $*: lines" 1 "$(wc -l <"$T/out")"
	cat "$T/out"
}
for minutes in 0 1440 -1 7 x; do
	refused 64 -c "$T/empty.conf" -i $minutes
done
refused 78 --config "$T/does-not-exist.conf"
printf '[DEFAULT]\nreport_interval = 0\n' >"$T/zero.conf"
refused 78 -c "$T/zero.conf"
assert "nothing was made" test ! -e "$REPORTS"

mkdir "$T/100%d"
printf '[DEFAULT]\nreport_interval = 2 # minutes\n[REPORTS]\nreports_dir = %s/100%%d/r%%(x)s ; a comment\n' "$T" >"$T/good.conf"
EVENTS=$T/events.jsonl
"$EDR_BINARY" run -c "$T/good.conf" --output "$EVENTS" 2>"$T/agent.log" &
AGENT=$!
agent_sync || die "the agent has not come up"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert_eq "a report where the value with % says" 1 "$(find "$T/100%d/r%(x)s/cells" -name 'cell-*.json' | wc -l)"
assert_eq "its interval" 2 "$(jq .window.interval_minutes "$T/100%d/r%(x)s/cells"/cell-*.json)"
